/* Digests of our own rounds are OpenSSL's, with SHA instructions and without. */
#include "tests/unit/formats.h"

#include <openssl/evp.h>
#include <stdio.h>

#include "imagegen/base/bytes.h"
#include "imagegen/hash/pbkdf2.h"
#include "imagegen/hash/rounds.h"

#define BLOCKS_MAX ((size_t)40)
#define LEN_MAX (BLOCKS_MAX * ROUNDS_BLOCK)

static uint32_t seed = 1;

static void noise(uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		seed = seed * 1664525 + 1013904223;
		p[i] = (uint8_t)(seed >> 24);
	}
}

/* The padding that both digests end with; its length in bits is at its end, the other way round in MD5. */
static void pad(uint8_t block[ROUNDS_BLOCK], size_t len, bool md5)
{
	memset(block, 0, ROUNDS_BLOCK);
	block[0] = 0x80;
	if (md5)
		put_le64(block + 56, len * 8);
	else
		put_be64(block + 56, len * 8);
}

/* Words after whole blocks to the digest: the padding is a block of its own. */
static void finish_md5(uint32_t *words, size_t len, uint8_t ret[16])
{
	uint8_t block[ROUNDS_BLOCK];
	uint32_t unused[ROUNDS_SHA256_WORDS] = { 0 };
	pad(block, len, true);
	rounds_md5_sha256(words, unused, block, 1);
	for (size_t i = 0; i < ROUNDS_MD5_WORDS; i++)
		put_le32(ret + 4 * i, words[i]);
}

static void finish_sha256(uint32_t *words, size_t len, uint8_t ret[32])
{
	uint8_t block[ROUNDS_BLOCK];
	uint32_t unused[ROUNDS_SHA256_WORDS] = { 0 };
	const struct rounds_sha256 streams[] = { { unused, block }, { words, block } };
	pad(block, len, false);
	rounds_sha256_two(streams, 1);
	for (size_t i = 0; i < ROUNDS_SHA256_WORDS; i++)
		put_be32(ret + 4 * i, words[i]);
}

static void check_sha256(uint32_t *words, const uint8_t *data, size_t len)
{
	uint8_t got[32], want[32];
	finish_sha256(words, len, got);
	assert_int_equal(EVP_Digest(data, len, want, NULL, EVP_sha256(), NULL), 1);
	assert_memory_equal(got, want, sizeof(want));
}

static void check_md5(uint32_t *words, const uint8_t *data, size_t len)
{
	uint8_t got[16], want[16];
	finish_md5(words, len, got);
	assert_int_equal(EVP_Digest(data, len, want, NULL, EVP_md5(), NULL), 1);
	assert_memory_equal(got, want, sizeof(want));
}

/* All of it in two calls, at every alignment. */
static void check_rounds(size_t blocks, size_t first, size_t skew)
{
	static uint8_t a[LEN_MAX + 16], b[LEN_MAX + 16];
	uint32_t md5[ROUNDS_MD5_WORDS], both[ROUNDS_SHA256_WORDS], two[2][ROUNDS_SHA256_WORDS];
	const struct rounds_sha256 front[] = { { two[0], a + skew }, { two[1], b + skew / 2 } };
	const struct rounds_sha256 rest[] = { { two[0], a + skew + first * ROUNDS_BLOCK },
					      { two[1], b + skew / 2 + first * ROUNDS_BLOCK } };
	size_t len = blocks * ROUNDS_BLOCK;
	noise(a, sizeof(a));
	noise(b, sizeof(b));
	memcpy(md5, rounds_md5_first, sizeof(md5));
	memcpy(both, rounds_sha256_first, sizeof(both));
	memcpy(two[0], rounds_sha256_first, sizeof(two[0]));
	memcpy(two[1], rounds_sha256_first, sizeof(two[1]));
	rounds_md5_sha256(md5, both, a + skew, first);
	rounds_md5_sha256(md5, both, a + skew + first * ROUNDS_BLOCK, blocks - first);
	rounds_sha256_two(front, first);
	rounds_sha256_two(rest, blocks - first);
	check_md5(md5, a + skew, len);
	check_sha256(both, a + skew, len);
	check_sha256(two[0], a + skew, len);
	check_sha256(two[1], b + skew / 2, len);
}

static void check_all_rounds(void)
{
	for (size_t blocks = 0; blocks <= BLOCKS_MAX; blocks++)
		check_rounds(blocks, blocks / 3, blocks % 16);
}

static void test_rounds_are_those_of_openssl(void **state)
{
	(void)state;
	if (!rounds_by_openssl(false))
		(void)fprintf(stderr, "this CPU has no SHA instructions: the rounds by them are NOT tested\n");
	check_all_rounds();
	(void)rounds_by_openssl(true);
	check_all_rounds();
	(void)rounds_by_openssl(false);
}

/* RFC 7914, section 11. */
static void test_pbkdf2_has_the_standards_vectors(void **state)
{
	static const uint8_t want[][64] = {
		{ 0x55, 0xac, 0x04, 0x6e, 0x56, 0xe3, 0x08, 0x9f, 0xec, 0x16, 0x91, 0xc2, 0x25, 0x44, 0xb6, 0x05,
		  0xf9, 0x41, 0x85, 0x21, 0x6d, 0xde, 0x04, 0x65, 0xe6, 0x8b, 0x9d, 0x57, 0xc2, 0x0d, 0xac, 0xbc,
		  0x49, 0xca, 0x9c, 0xcc, 0xf1, 0x79, 0xb6, 0x45, 0x99, 0x16, 0x64, 0xb3, 0x9d, 0x77, 0xef, 0x31,
		  0x7c, 0x71, 0xb8, 0x45, 0xb1, 0xe3, 0x0b, 0xd5, 0x09, 0x11, 0x20, 0x41, 0xd3, 0xa1, 0x97, 0x83 },
		{ 0x4d, 0xdc, 0xd8, 0xf6, 0x0b, 0x98, 0xbe, 0x21, 0x83, 0x0c, 0xee, 0x5e, 0xf2, 0x27, 0x01, 0xf9,
		  0x64, 0x1a, 0x44, 0x18, 0xd0, 0x4c, 0x04, 0x14, 0xae, 0xff, 0x08, 0x87, 0x6b, 0x34, 0xab, 0x56,
		  0xa1, 0xd4, 0x25, 0xa1, 0x22, 0x58, 0x33, 0x54, 0x9a, 0xdb, 0x84, 0x1b, 0x51, 0xc9, 0xb3, 0x17,
		  0x6a, 0x27, 0x2b, 0xde, 0xbb, 0xa1, 0xd0, 0x78, 0x47, 0x8f, 0x62, 0xb3, 0x97, 0xf3, 0x3c, 0x8d },
	};
	uint8_t got[64];
	(void)state;
	pbkdf2_hmac_sha256("passwd", 6, (const uint8_t *)"salt", 4, 1, got, sizeof(got));
	assert_memory_equal(got, want[0], sizeof(got));
	pbkdf2_hmac_sha256("Password", 8, (const uint8_t *)"NaCl", 4, 80000, got, sizeof(got));
	assert_memory_equal(got, want[1], sizeof(got));
}

static void check_pbkdf2(size_t secret_len, size_t salt_len, uint32_t iterations, size_t out_len)
{
	uint8_t secret[200], salt[100], got[200], want[200];
	noise(secret, sizeof(secret));
	noise(salt, sizeof(salt));
	memset(got, 0x5a, sizeof(got));
	pbkdf2_hmac_sha256(secret, secret_len, salt, salt_len, iterations, got, out_len);
	assert_int_equal(PKCS5_PBKDF2_HMAC((const char *)secret, (int)secret_len, salt, (int)salt_len, (int)iterations, EVP_sha256(),
					   (int)out_len, want),
			 1);
	assert_memory_equal(got, want, out_len);
	for (size_t i = out_len; i < sizeof(got); i++)
		assert_int_equal(got[i], 0x5a);
}

static void test_pbkdf2_is_that_of_openssl(void **state)
{
	static const size_t secrets[] = { 0, 1, 4, 63, 64, 65, 200 };
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
		for (size_t out_len = 1; out_len < 200; out_len += 31)
			check_pbkdf2(secrets[i], i * 14, (uint32_t)(1 + out_len % 5), out_len);
		(void)rounds_by_openssl(true);
		check_pbkdf2(secrets[i], 100 - i, 7, 64);
		(void)rounds_by_openssl(false);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rounds_are_those_of_openssl),
		cmocka_unit_test(test_pbkdf2_has_the_standards_vectors),
		cmocka_unit_test(test_pbkdf2_is_that_of_openssl),
	};
	return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
