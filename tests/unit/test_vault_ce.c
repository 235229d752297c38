/* The vault's AES and SHA-256 instructions against published vectors, on an arm64 CPU: tests/vmm.mk builds this for one and runs it under
 * qemu-aarch64. There is no cmocka there, so it prints TAP itself. */
#define MVP_HOST 1

#include <stdio.h>
#include <stdlib.h>

#include "vmm/vault/aes.h"
#include "vmm/vault/sha256.h"

static unsigned checks, failed;

static void check(const char *name, const void *got, const void *expected, size_t len)
{
	bool ok = !memcmp(got, expected, len);
	printf("%s %u - %s\n", ok ? "ok" : "not ok", ++checks, name);
	failed += !ok;
}

static void from_hex(const char *hex, uint8_t *out)
{
	for (; hex[0] && hex[1]; hex += 2) {
		const char pair[] = { hex[0], hex[1], 0 };
		*out++ = (uint8_t)strtoul(pair, NULL, 16);
	}
}

static uint64_t digest_of(const uint8_t *data, size_t len)
{
	uint64_t h = 0xcbf29ce484222325; /* FNV-1a */
	for (size_t i = 0; i < len; i++)
		h = (h ^ data[i]) * 0x100000001b3;
	return h;
}

static const char vector_key[] = "2718281828459045235360287471352662497757247093699959574966967627"
				 "3141592653589793238462643383279502884197169399375105820974944592";

/* IEEE 1619-2007, annex B, vectors 10, 11 and 14 (data units ff, ffff and ffffffffff): the plaintext is 00..ff twice. First and last
 * blocks, and back again. */
static void test_xts_vectors(void)
{
	static const struct {
		uint64_t iv;
		const char *first, *last;
	} vectors[] = {
		{ 0xff, "1c3b3a102f770386e4836c99e370cf9b", "c4f36ffda9fcea70b9c6e693e148c151" },
		{ 0xffff, "77a31251618a15e6b92d1d66dffe7b50", "a4f9e27b42af8100cb9d59cef9645803" },
		{ 0xffffffffff, "64497e5a831e4a932c09be3e5393376d", "d609d273ad5b0d59631c531f6a0a57b9" },
	};
	uint8_t key[XTS_KEY_LEN], data[512], plain[512], expected[16];
	struct aes_xts_key k;
	from_hex(vector_key, key);
	aes_xts_set_key(&k, key);
	for (size_t i = 0; i < sizeof(plain); i++)
		plain[i] = (uint8_t)i;
	for (size_t v = 0; v < ARRAY_LEN(vectors); v++) {
		memcpy(data, plain, sizeof(data));
		aes_xts_encrypt(&k, vectors[v].iv, data, sizeof(data));
		from_hex(vectors[v].first, expected);
		check("xts: first block", data, expected, 16);
		from_hex(vectors[v].last, expected);
		check("xts: last block", data + sizeof(data) - 16, expected, 16);
		/* Each block stands alone but for its tweak: a unit cut short is the start of the long one, whatever the lanes. */
		for (size_t len = 16; len < sizeof(data); len += 16) {
			uint8_t shorter[512];
			memcpy(shorter, plain, len);
			aes_xts_encrypt(&k, vectors[v].iv, shorter, len);
			if (memcmp(shorter, data, len) != 0)
				check("xts: shorter unit", shorter, data, len);
		}
		aes_xts_decrypt(&k, vectors[v].iv, data, sizeof(data));
		check("xts: back again", data, plain, sizeof(data));
	}
}

/* A data unit of the work disk, byte i of which is i * i / 8: the FNV-1a digest of what OpenSSL 3's AES-256-XTS makes of it with the key
 * above. */
static void test_xts_unit_matches_openssl(void)
{
	static const uint64_t expected = 0x167860f2ce3f69df;
	uint8_t key[XTS_KEY_LEN], data[4096];
	struct aes_xts_key k;
	from_hex(vector_key, key);
	aes_xts_set_key(&k, key);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * i >> 3);
	aes_xts_encrypt(&k, 0x123456789a, data, sizeof(data));
	uint64_t got = digest_of(data, sizeof(data));
	check("xts: 4096 bytes", &got, &expected, sizeof(got));
}

static void test_sha256_vectors(void)
{
	uint8_t digest[SHA256_LEN], expected[SHA256_LEN];
	struct sha256 s;
	/* FIPS 180-4 examples. */
	sha256_init(&s);
	sha256_add(&s, "abc", 3);
	sha256_end(&s, digest);
	from_hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", expected);
	check("sha256: abc", digest, expected, sizeof(digest));
	sha256_init(&s);
	for (unsigned i = 0; i < 1000000; i += 10)
		sha256_add(&s, "aaaaaaaaaa", 10);
	sha256_end(&s, digest);
	from_hex("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0", expected);
	check("sha256: a million a", digest, expected, sizeof(digest));
	/* RFC 7914, section 11. */
	struct pbkdf2 k;
	uint8_t key[64];
	pbkdf2_start(&k, (const uint8_t *)"Password", 8, (const uint8_t *)"NaCl", 4, 80000, 64);
	while (!pbkdf2_step(&k, 1000))
		;
	from_hex("4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b39"
		 "7f33c8d",
		 key);
	check("pbkdf2: RFC 7914", k.out, key, 64);
}

int main(void)
{
	test_xts_vectors();
	test_xts_unit_matches_openssl();
	test_sha256_vectors();
	printf("1..%u\n", checks);
	return failed != 0;
}
