/* Key derivation and containers. That cryptsetup and GRUB open them is tests/e2e/formats.sh's business. */
#include "tests/unit/formats.h"

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
		cmocka_unit_test(test_info_tells_damaged_copies),
		cmocka_unit_test(test_refuses_bad_options),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
