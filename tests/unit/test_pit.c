/* The partition information table and the headers of KDZ and DZ: fields where readers look for them, and damage refused. */
#include "tests/unit/formats.h"

#include "imagegen/base/bytes.h"
#include "imagegen/bundle/dz.h"
#include "imagegen/bundle/pit.h"
#include "imagegen/bundle/tar.h"

static void make(struct buf *out)
{
	struct pit_entry entries[2] = {
		{ .binary = PIT_AP,
		  .device = PIT_MMC,
		  .id = 1,
		  .attributes = 5,
		  .update_attributes = 1,
		  .start = 2048,
		  .count = 77,
		  .name = "BOOT",
		  .file = "boot.img" },
		{ .binary = PIT_CP,
		  .device = PIT_UFS,
		  .id = 2,
		  .attributes = 2,
		  .update_attributes = 5,
		  .start = 9,
		  .count = 1,
		  .lun = 3,
		  .name = "a-name-that-is-32-characters-xyz",
		  .file = "-",
		  .fota = "remained" },
	};
	const struct pit pit = { .tag = "COM_TAR2", .cpu = "SOC", .luns = 4, .entries = entries, .count = 2 };
	pit_emit(&pit, out);
	assert_int_equal(buf_error(out), 0);
}

static void test_pit_fields_are_where_readers_look(void **state)
{
	(void)state;
	struct buf b CLEANUP(buf_fini) = BUF_INIT;
	make(&b);
	assert_int_equal(b.len, 28 + 2 * 132);
	assert_int_equal(get_le32(b.data), 0x12349876);
	assert_int_equal(get_le32(b.data + 4), 2);
	assert_memory_equal(b.data + 8, "COM_TAR2SOC\0\0\0\0\0", 16);
	assert_int_equal(get_le16(b.data + 24), 4);
	const uint8_t *e = b.data + 28;
	const uint32_t want[] = { 0, 2, 1, 5, 1, 2048, 77, 0, 0 };
	for (size_t i = 0; i < ARRAY_LEN(want); i++)
		assert_int_equal(get_le32(e + 4 * i), want[i]);
	assert_string_equal((const char *)e + 36, "BOOT");
	assert_string_equal((const char *)e + 68, "boot.img");
	assert_memory_equal(e + 132 + 36, "a-name-that-is-32-characters-xyz-", 33); /* no NUL between: the file's name follows */
	assert_string_equal((const char *)e + 132 + 100, "remained");
}

static void test_pit_reads_what_it_wrote(void **state)
{
	(void)state;
	struct buf b CLEANUP(buf_fini) = BUF_INIT;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct pit pit CLEANUP(pit_fini) = { 0 };
	make(&b);
	assert_int_equal(pit_parse(b.data, b.len, "x.pit", &pit, d), 0);
	assert_int_equal(pit.count, 2);
	assert_string_equal(pit.tag, "COM_TAR2");
	assert_string_equal(pit.cpu, "SOC");
	assert_string_equal(pit.entries[1].name, "a-name-that-is-32-characters-xyz");
	assert_int_equal(pit.entries[1].lun, 3);
	assert_string_equal(pit.entries[1].fota, "remained");
}

static void test_damaged_pits_are_refused(void **state)
{
	(void)state;
	static const struct {
		size_t at;
		uint8_t value;
		size_t len;
	} cases[] = {
		{ 0, 0x77, 292 },  /* magic */
		{ 4, 3, 292 },     /* more entries than bytes */
		{ 7, 0xff, 292 },  /* many more */
		{ 0, 0x76, 291 },  /* cut off */
		{ 0, 0x76, 27 },   /* inside the header */
		{ 0, 0x76, 0 },    /* nothing */
		{ 64, 0x1b, 292 }, /* a name that a terminal would obey */
		{ 16, 0xe4, 292 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf b CLEANUP(buf_fini) = BUF_INIT;
		struct diag *d CLEANUP(diag_freep) = diag_new();
		struct pit pit CLEANUP(pit_fini) = { 0 };
		make(&b);
		b.data[cases[i].at] = cases[i].value;
		assert_int_equal(pit_parse(b.data, cases[i].len, "x.pit", &pit, d), -1);
		expect_only(&d, MVP0570);
	}
}

static void test_kdz_and_dz_read_what_they_wrote(void **state)
{
	(void)state;
	uint8_t kdz[KDZ_HEADER_LEN], dz[DZ_HEADER_LEN], chunk[DZ_CHUNK_LEN];
	for (unsigned version = 2; version <= 3; version++) {
		const struct kdz_header k = { .version = version, .dz_name = "acme.dz", .dz_at = KDZ_DZ_AT, .dz_len = 5000 };
		struct kdz_header got;
		kdz_emit(&k, kdz);
		assert_memory_equal(kdz, version == 3 ? "\x28\x05\0\0\x24\x38\x22\x25" : "\x28\x05\0\0\x34\x31\x25\x80", 8);
		assert_null(kdz_parse(kdz, KDZ_DZ_AT + 5000, &got));
		assert_string_equal(got.dz_name, "acme.dz");
		assert_int_equal(got.version, version);
		assert_non_null(kdz_parse(kdz, KDZ_DZ_AT + 4999, &got)); /* cut off */
		put_le64(kdz + 8 + 264, UINT64_MAX - 100);               /* wraps around */
		assert_non_null(kdz_parse(kdz, KDZ_DZ_AT + 5000, &got));
	}
	const struct dz_header h = { .model = "LM", .version = "1", .operator_code = "VZW.US", .chunks = 3, .compression = 1 };
	struct dz_header got;
	dz_emit(&h, false, dz);
	assert_null(dz_parse(dz, &got));
	assert_int_equal(got.chunks, 3);
	assert_string_equal(got.operator_code, "VZW.US");
	dz[20] ^= 1;
	assert_non_null(dz_parse(dz, &got)); /* its CRC sees it */
	const struct dz_chunk c = {
		.part = "boot", .file = "boot_5.bin", .len = 4096, .packed_len = 99, .sector = 5, .sectors = 1, .id = 7
	};
	struct dz_chunk got_chunk;
	dz_chunk_emit(&c, chunk);
	assert_null(dz_chunk_parse(chunk, &got_chunk));
	assert_memory_equal(&got_chunk, &c, sizeof(c));
	chunk[0] ^= 1;
	assert_non_null(dz_chunk_parse(chunk, &got_chunk));
}

static void test_tar_headers(void **state)
{
	(void)state;
	uint8_t h[TAR_BLOCK];
	tar_header("boot.img.lz4", 12345, 1700000001, h);
	assert_string_equal((const char *)h, "boot.img.lz4");
	assert_string_equal((const char *)h + 124, "00000030071");
	assert_memory_equal(h + 257,
			    "ustar\0"
			    "00",
			    8);
	tar_header("large", 9 * GIB, 0, h);
	assert_int_equal(h[124], 0x80);
	assert_int_equal(get_be64(h + 128), 9 * GIB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pit_fields_are_where_readers_look),
		cmocka_unit_test(test_pit_reads_what_it_wrote),
		cmocka_unit_test(test_damaged_pits_are_refused),
		cmocka_unit_test(test_kdz_and_dz_read_what_they_wrote),
		cmocka_unit_test(test_tar_headers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
