/* Key derivation and containers. That cryptsetup and GRUB open them is tests/e2e/formats.sh's business. */
#include "tests/unit/formats.h"

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <unistd.h>

#include "imagegen/base/foreign.h"
#include "imagegen/crypt/escrow.h"
#include "imagegen/crypt/luks2.h"
#include "imagegen/crypt/xts.h"
#include "mvp/luks2.h"

static struct luks2_opts opts_new(void)
{
	struct luks2_opts o = { .secret = (const uint8_t *)"1234", .secret_len = 4, .iterations = 1000, .label = "work" };
	memset(o.master, 1, sizeof(o.master));
	memset(o.context, 2, sizeof(o.context));
	return o;
}

static struct image *wrap(struct image *plain, const struct luks2_opts *o)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct image *img = NULL;
	assert_int_equal(luks2_wrap(plain, o, &img, d), 0);
	return img;
}

static void test_derive_is_hkdf_sha256(void **state)
{
	(void)state;
	/* Made with Python's hmac: extract with the context as salt, expand with "purpose". */
	static const uint8_t expected[48] = { 0x3e, 0xe4, 0xd6, 0xfb, 0xb1, 0xd2, 0x00, 0x99, 0xbd, 0x59, 0xcf, 0x38,
					      0xba, 0x5b, 0x8a, 0x1a, 0xdc, 0x4a, 0xf8, 0xc1, 0xe4, 0x94, 0xd0, 0x49,
					      0x52, 0x8b, 0x2d, 0x93, 0x99, 0xb2, 0x98, 0xcd, 0xae, 0xa4, 0x49, 0x20,
					      0x85, 0x26, 0xa3, 0x06, 0x7f, 0x52, 0x8d, 0xe3, 0xa8, 0xd4, 0x85, 0x61 };
	uint8_t master[32], context[32], out[48], uuid[16];
	for (uint8_t i = 0; i < 32; i++) {
		master[i] = i;
		context[i] = (uint8_t)(32 + i);
	}
	derive(master, context, "purpose", out, sizeof(out));
	assert_memory_equal(out, expected, sizeof(out));
	derive_uuid(master, context, "purpose", uuid);
	assert_int_equal(uuid[6] >> 4, 4);
	assert_int_equal(uuid[8] >> 6, 2);
	assert_memory_equal(uuid, expected, 6);
}

static void test_xts_matches_ieee_1619_vector_10(void **state)
{
	(void)state;
	/* IEEE 1619-2007 annex B, vector 10: AES-256, data unit 0xff, 512 bytes 00..ff twice. */
	static const uint8_t key1[32] = { 0x27, 0x18, 0x28, 0x18, 0x28, 0x45, 0x90, 0x45, 0x23, 0x53, 0x60, 0x28, 0x74, 0x71, 0x35, 0x26,
					  0x62, 0x49, 0x77, 0x57, 0x24, 0x70, 0x93, 0x69, 0x99, 0x59, 0x57, 0x49, 0x66, 0x96, 0x76, 0x27 };
	static const uint8_t key2[32] = { 0x31, 0x41, 0x59, 0x26, 0x53, 0x58, 0x97, 0x93, 0x23, 0x84, 0x62, 0x64, 0x33, 0x83, 0x27, 0x95,
					  0x02, 0x88, 0x41, 0x97, 0x16, 0x93, 0x99, 0x37, 0x51, 0x05, 0x82, 0x09, 0x74, 0x94, 0x45, 0x92 };
	static const uint8_t start[] = { 0x1c, 0x3b, 0x3a, 0x10, 0x2f, 0x77, 0x03, 0x86, 0xe4, 0x83, 0x6c, 0x99, 0xe3, 0x70, 0xcf, 0x9b };
	uint8_t key[64], data[512];
	memcpy(key, key1, 32);
	memcpy(key + 32, key2, 32);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)i;
	struct xts *x CLEANUP(xts_freep) = xts_new(key, 512);
	xts_encrypt(x, 0xff * 512, data, sizeof(data));
	assert_memory_equal(data, start, sizeof(start));
}

static void test_payload_reads_the_same_in_any_pieces(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct image *part CLEANUP(image_freep) = pattern(70000, 1);
	struct image *plain CLEANUP(image_freep) =
		image_compose(160 * KIB, (const struct image_piece[]){ { part, 9000 }, { part, 9000 + 70000 + 100 } }, 2);
	struct luks2_opts o = opts_new();
	for (int keep = 0; keep < 2; keep++) {
		o.keep_holes = keep;
		struct image *img CLEANUP(image_freep) = wrap(plain, &o);
		uint8_t *all CLEANUP_FREE = whole(img);
		uint8_t buf[20000];
		expect_sound_extents(img);
		for (uint64_t at = MVP_LUKS2_DATA_OFFSET - 5000, n = 1; at + n <= image_len(img); at += n, n = (n * 5 + 3) % sizeof(buf)) {
			assert_int_equal(image_read(img, at, buf, n, d), 0);
			assert_memory_equal(buf, all + at, n);
		}
	}
}

static void test_kept_holes_are_whole_sectors(void **state)
{
	(void)state;
	struct image *part CLEANUP(image_freep) = pattern(100, 1);
	struct luks2_opts o = opts_new();
	o.keep_holes = true;
	/* Data in sector 1, across 3 and 4, and at the very end of the last one. */
	struct image *plain CLEANUP(image_freep) = image_compose(
		8 * 4096, (const struct image_piece[]){ { part, 4096 + 50 }, { part, 4 * 4096 - 50 }, { part, 8 * 4096 - 100 } }, 3);
	struct image *img CLEANUP(image_freep) = wrap(plain, &o);
	static const bool data[8] = { false, true, false, true, true, false, false, true };
	for (uint64_t i = 0; i < 8; i++)
		assert_int_equal(image_extent(img, MVP_LUKS2_DATA_OFFSET + i * 4096 + 1000).data, data[i]);
	expect_sound_extents(img);
}

static void test_content_decides_the_key(void **state)
{
	(void)state;
	struct image *plain CLEANUP(image_freep) = pattern(8192, 1);
	struct luks2_opts o = opts_new();
	struct image *a CLEANUP(image_freep) = wrap(plain, &o);
	struct image *same CLEANUP(image_freep) = wrap(plain, &o);
	o.context[31] ^= 1;
	struct image *other CLEANUP(image_freep) = wrap(plain, &o);
	uint8_t *x CLEANUP_FREE = whole(a), *y CLEANUP_FREE = whole(same), *z CLEANUP_FREE = whole(other);
	assert_memory_equal(x, y, image_len(a));
	assert_memory_not_equal(x + MVP_LUKS2_DATA_OFFSET, z + MVP_LUKS2_DATA_OFFSET, 16);
	assert_memory_not_equal(x + MVP_LUKS2_DATA_OFFSET + 4096, z + MVP_LUKS2_DATA_OFFSET + 4096, 16);
	assert_memory_not_equal(x + MVP_LUKS2_SLOT_AREA_AT, z + MVP_LUKS2_SLOT_AREA_AT, 16);
	assert_memory_not_equal(x + 168, z + 168, 36); /* UUID */
}

static void test_info_says_what_was_written(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct image *plain CLEANUP(image_freep) = pattern(4096, 1);
	struct luks2_opts o = opts_new();
	struct image *img CLEANUP(image_freep) = wrap(plain, &o);
	struct luks2_info info;
	assert_true(luks2_is(img));
	assert_false(luks2_is(plain));
	assert_int_equal(luks2_read_info(img, "x", &info, d), 0);
	assert_string_equal(info.label, "work");
	assert_int_equal(strlen(info.uuid), 36);
	assert_string_equal(info.cipher, "aes-xts-plain64");
	assert_int_equal(info.data_at, LUKS2_DATA_OFFSET);
	assert_int_equal(info.sector_size, 4096);
	assert_true(info.copy_ok[0] && info.copy_ok[1]);
	assert_int_equal(info.slots_count, 1);
	assert_string_equal(info.slots[0].kdf, "pbkdf2");
	assert_int_equal(info.slots[0].cost, 1000);
	assert_int_equal(info.slots[0].key_len, 64);
}

/* With a recovery key there is a second slot, and a token that has its envelope; without one nothing of it. */
static void test_recovery_is_a_slot_of_its_own(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct image *plain CLEANUP(image_freep) = pattern(4096, 1);
	struct luks2_opts o = opts_new();
	struct luks2_info info;
	o.iterations = 2000;
	struct image *without CLEANUP(image_freep) = wrap(plain, &o);
	o.recovery = (const uint8_t *)"0123456789abcdef0123456789abcdef";
	o.recovery_len = 32;
	o.envelope = (const uint8_t *)"sealed";
	o.envelope_len = 6;
	struct image *with CLEANUP(image_freep) = wrap(plain, &o);
	uint8_t *a CLEANUP_FREE = whole(without), *b CLEANUP_FREE = whole(with);
	const char *text_a = (const char *)a + MVP_LUKS2_BIN_SIZE, *text_b = (const char *)b + MVP_LUKS2_BIN_SIZE;
	assert_int_equal(luks2_read_info(with, "x", &info, d), 0);
	assert_int_equal(info.slots_count, 2);
	assert_int_equal(info.slots[0].cost, 2000);
	assert_int_equal(info.slots[1].cost, MVP_LUKS2_ITERATIONS_MIN);
	assert_non_null(strstr(text_b, "{\"type\":\"mvp-recovery\",\"keyslots\":[\"1\"],\"escrow\":\"c2VhbGVk\"}"));
	assert_non_null(strstr(text_a, "{\"type\":\"mvp-passcode\",\"keyslots\":[\"0\"],\"binding\":\"none\"}"));
	assert_null(strstr(text_a, "mvp-recovery"));
	/* The passcode's slot is the same either way, and the payload, too. */
	assert_memory_equal(a + MVP_LUKS2_SLOT_AREA_AT, b + MVP_LUKS2_SLOT_AREA_AT, MVP_LUKS2_SLOT_AREA_LEN);
	assert_memory_equal(a + MVP_LUKS2_DATA_OFFSET, b + MVP_LUKS2_DATA_OFFSET, 4096);
	assert_memory_not_equal(b + MVP_LUKS2_SLOT_AREA_AT, b + MVP_LUKS2_SLOT_AREA_AT + MVP_LUKS2_SLOT_AREA_LEN, 256);
	/* The longest envelope still fits. */
	uint8_t *longest CLEANUP_FREE = calloc(1, ESCROW_MAX + 1);
	o.envelope = longest;
	o.envelope_len = ESCROW_MAX;
	struct image *full CLEANUP(image_freep) = wrap(plain, &o);
	assert_non_null(full);
	struct image *none = NULL;
	o.envelope_len++;
	assert_int_equal(luks2_wrap(plain, &o, &none, d), -1);
	expect_only(&d, MVP0611);
	o.envelope_len = 6;
	o.recovery_len = 31;
	assert_int_equal(luks2_wrap(plain, &o, &none, d), -1);
	expect_only(&d, MVP0611);
}

/* A certificate for the test: key encipherment or signatures only. */
static void make_certificate(const char *path, EVP_PKEY *key, const char *usage)
{
	X509 *cert CLEANUP(X509_freep) = X509_new();
	X509_NAME *name = X509_get_subject_name(cert);
	X509_EXTENSION *ext CLEANUP(X509_EXTENSION_freep) = X509V3_EXT_conf_nid(NULL, NULL, NID_key_usage, usage);
	assert_true(X509_set_version(cert, X509_VERSION_3) && ASN1_INTEGER_set(X509_get_serialNumber(cert), 7));
	assert_true(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"x", -1, -1, 0));
	assert_true(X509_set_issuer_name(cert, name) && X509_gmtime_adj(X509_getm_notBefore(cert), 0));
	assert_true(X509_gmtime_adj(X509_getm_notAfter(cert), 3600) && X509_set_pubkey(cert, key) && X509_add_ext(cert, ext, -1));
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	FILE *f CLEANUP(file_closep) = fopen(path, "w");
	assert_non_null(f);
	assert_true(PEM_write_X509(f, cert));
}

static void expect_opens(const struct buf *envelope, EVP_PKEY *key, const char *expected)
{
	BIO *in CLEANUP(BIO_free_allp) = BIO_new_mem_buf(envelope->data, (int)envelope->len),
		*out CLEANUP(BIO_free_allp) = BIO_new(BIO_s_mem());
	CMS_ContentInfo *cms CLEANUP(CMS_ContentInfo_freep) = d2i_CMS_bio(in, NULL);
	char *text;
	assert_non_null(cms);
	assert_int_equal(CMS_decrypt(cms, key, NULL, NULL, out, CMS_BINARY), 1);
	assert_int_equal(BIO_get_mem_data(out, &text), strlen(expected));
	assert_memory_equal(text, expected, strlen(expected));
}

static void test_envelopes_open_and_are_equal(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	char path[] = "/tmp/mvp-escrow-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	EVP_PKEY *rsa CLEANUP(EVP_PKEY_freep) = EVP_RSA_gen(2048), *ec CLEANUP(EVP_PKEY_freep) = EVP_EC_gen("P-256");
	EVP_PKEY *keys[] = { rsa, ec };
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		uint8_t seed[32] = { 1 };
		struct buf a CLEANUP(buf_fini) = BUF_INIT, b CLEANUP(buf_fini) = BUF_INIT, c CLEANUP(buf_fini) = BUF_INIT;
		make_certificate(path, keys[i], i ? "keyAgreement" : "keyEncipherment");
		assert_int_equal(escrow_seal(path, NULL, (const uint8_t *)"secret", 6, seed, &a, d), 0);
		assert_int_equal(escrow_seal(path, NULL, (const uint8_t *)"secret", 6, seed, &b, d), 0);
		seed[31] = 1;
		assert_int_equal(escrow_seal(path, NULL, (const uint8_t *)"secret", 6, seed, &c, d), 0);
		assert_int_equal(a.len, b.len);
		assert_memory_equal(a.data, b.data, a.len);
		assert_true(c.len != a.len || memcmp(a.data, c.data, a.len) != 0);
		expect_opens(&a, keys[i], "secret");
		expect_opens(&c, keys[i], "secret");
	}
	/* What cannot be encrypted to. */
	struct buf none CLEANUP(buf_fini) = BUF_INIT;
	const uint8_t seed[32] = { 0 };
	make_certificate(path, rsa, "digitalSignature");
	assert_int_equal(escrow_seal(path, NULL, (const uint8_t *)"secret", 6, seed, &none, d), -1);
	expect_only(&d, MVP0624);
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(escrow_seal(path, NULL, (const uint8_t *)"secret", 6, seed, &none, d), -1);
	expect_only(&d, MVP0624);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(escrow_seal(path, NULL, (const uint8_t *)"secret", 6, seed, &none, d), -1);
	expect_only(&d, MVP0624);
	assert_int_equal(none.len, 0);
}

static void test_info_tells_damaged_copies(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct image *plain CLEANUP(image_freep) = pattern(4096, 1);
	struct luks2_opts o = opts_new();
	struct image *good CLEANUP(image_freep) = wrap(plain, &o);
	uint8_t *bytes = whole(good);
	struct image *img CLEANUP(image_freep) = image_mem(bytes, image_len(good));
	struct luks2_info info;
	bytes[5000] ^= 1; /* primary's metadata */
	assert_int_equal(luks2_read_info(img, "x", &info, d), 0);
	assert_true(!info.copy_ok[0] && info.copy_ok[1]);
	assert_string_equal(info.label, "work");
	bytes[MVP_LUKS2_HDR_SIZE + 100] ^= 1; /* and the secondary's name of the checksum */
	assert_int_equal(luks2_read_info(img, "x", &info, d), -1);
	expect_only(&d, MVP0613);
	bytes[5000] ^= 1;
	assert_int_equal(luks2_read_info(img, "x", &info, d), 0);
	assert_true(info.copy_ok[0] && !info.copy_ok[1]);
}

static void test_refuses_bad_options(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct image *plain CLEANUP(image_freep) = pattern(4096, 1);
	struct image *odd CLEANUP(image_freep) = pattern(4097, 1);
	struct image *empty CLEANUP(image_freep) = image_hole(0);
	struct image *img = NULL;
	struct luks2_opts o = opts_new();
	o.secret_len = 0;
	assert_int_equal(luks2_wrap(plain, &o, &img, d), -1);
	expect_only(&d, MVP0611);
	o = opts_new();
	o.iterations = 999;
	assert_int_equal(luks2_wrap(plain, &o, &img, d), -1);
	expect_only(&d, MVP0611);
	o = opts_new();
	o.label = "a label of exactly forty-eight bytes, one too mu";
	assert_int_equal(strlen(o.label), 48);
	assert_int_equal(luks2_wrap(plain, &o, &img, d), -1);
	expect_only(&d, MVP0611);
	o = opts_new();
	assert_int_equal(luks2_wrap(odd, &o, &img, d), -1);
	expect_only(&d, MVP0612);
	assert_int_equal(luks2_wrap(empty, &o, &img, d), -1);
	expect_only(&d, MVP0612);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_derive_is_hkdf_sha256),
		cmocka_unit_test(test_xts_matches_ieee_1619_vector_10),
		cmocka_unit_test(test_payload_reads_the_same_in_any_pieces),
		cmocka_unit_test(test_kept_holes_are_whole_sectors),
		cmocka_unit_test(test_content_decides_the_key),
		cmocka_unit_test(test_info_says_what_was_written),
		cmocka_unit_test(test_recovery_is_a_slot_of_its_own),
		cmocka_unit_test(test_envelopes_open_and_are_equal),
		cmocka_unit_test(test_info_tells_damaged_copies),
		cmocka_unit_test(test_refuses_bad_options),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
