/* Partition tables: what is laid out is read back, and nothing unsound is believed. */
#include "tests/unit/formats.h"

#include <stdio.h>

#include <isa-l/crc.h>

#include "imagegen/base/bytes.h"
#include "imagegen/gpt/gpt.h"
#include "mvp/gpt.h"

static const uint8_t disk_uuid[16] = { 0x10, 0x21, 0x32, 0x43, 0x54, 0x65, 0x46, 0x87, 0x98, 0xa9, 0xba, 0xcb, 0xdc, 0xed, 0xfe, 0x0f };

static struct gpt_part part(const char *name, uint64_t len, struct image *img)
{
	struct gpt_part p = { .name = name, .len = len, .img = img, .uuid = { (uint8_t)name[0], 2, 3, 4, 5, 6, 7, 8 } };
	memcpy(p.type, gpt_type_linux, sizeof(p.type));
	return p;
}

/* A disk of two partitions, as bytes that a test may damage. */
static struct image *two_parts(uint8_t **ret_bytes)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct image *content CLEANUP(image_freep) = pattern(5000, 1);
	struct image *disk CLEANUP(image_freep) = NULL;
	struct gpt_part parts[] = { part("a", 0, content), part("b", 2 * MIB + 1, NULL) };
	assert_int_equal(gpt_compose(parts, 2, disk_uuid, 0, &disk, d), 0);
	*ret_bytes = whole(disk);
	return image_mem(*ret_bytes, image_len(disk));
}

static void test_layout_is_aligned_and_read_back(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct image *content CLEANUP(image_freep) = pattern(5000, 1);
	struct gpt_part parts[] = { part("a", 0, content), part("b", 2 * MIB + 1, NULL), part("c", 4096, content) };
	struct image *disk CLEANUP(image_freep) = NULL;
	struct gpt_entry *entries CLEANUP_FREE = NULL;
	size_t count;
	parts[2].len = 8192;
	assert_int_equal(gpt_compose(parts, 3, disk_uuid, 0, &disk, d), 0);
	assert_int_equal(parts[0].at, MIB);
	assert_int_equal(parts[1].at, 2 * MIB);
	assert_int_equal(parts[2].at, 5 * MIB);
	assert_int_equal(image_len(disk), 7 * MIB);
	expect_sound_extents(disk);
	assert_int_equal(gpt_read(disk, "x", &entries, &count, d), 0);
	assert_int_equal(count, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_string_equal(entries[i].name, parts[i].name);
		assert_int_equal(entries[i].at, parts[i].at);
		assert_int_equal(entries[i].len, parts[i].len);
		assert_memory_equal(entries[i].uuid, parts[i].uuid, 16);
		assert_memory_equal(entries[i].type, gpt_type_linux, 16);
	}
	uint8_t *bytes CLEANUP_FREE = whole(disk), *data CLEANUP_FREE = whole(content);
	assert_memory_equal(bytes + MIB, data, 5000);
	/* First three fields of a GUID in little endian. */
	assert_memory_equal(bytes + 512 + 56, "\x43\x32\x21\x10\x65\x54\x87\x46\x98\xa9\xba\xcb\xdc\xed\xfe\x0f", 16);
	assert_int_equal(diag_count(d), 0);
}

static void test_a_disk_of_exactly_the_size_needed_is_enough(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct gpt_part p = part("a", MIB, NULL);
	struct image *disk CLEANUP(image_freep) = NULL;
	assert_int_equal(gpt_compose(&p, 1, disk_uuid, 2 * MIB + 33 * 512 - 512, &disk, d), -1);
	expect_only(&d, MVP0501);
	assert_int_equal(gpt_compose(&p, 1, disk_uuid, 2 * MIB + 33 * 512 + 1, &disk, d), -1);
	expect_only(&d, MVP0501);
	assert_int_equal(gpt_compose(&p, 1, disk_uuid, 2 * MIB + 33 * 512, &disk, d), 0);
	struct gpt_entry *entries CLEANUP_FREE = NULL;
	size_t count;
	assert_int_equal(gpt_read(disk, "x", &entries, &count, d), 0);
	assert_int_equal(count, 1);
}

static void test_refuses_what_does_not_fit(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct image *content CLEANUP(image_freep) = pattern(5000, 1);
	struct image *disk = NULL;
	struct gpt_part cases[][2] = {
		{ part("a", 4096, content), part("b", MIB, NULL) }, /* content larger */
		{ part("a", 0, NULL), part("b", MIB, NULL) },       /* empty */
		{ part("a", UINT64_MAX - 5, NULL), part("b", MIB, NULL) },
		{ part("a", INT64_MAX / 2, NULL), part("b", INT64_MAX / 2, NULL) },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(gpt_compose(cases[i], 2, disk_uuid, 0, &disk, d), -1);
		expect_only(&d, MVP0501);
	}
	struct gpt_part *many CLEANUP_FREE = mem_array(struct gpt_part, 129);
	char names[129][16];
	for (int i = 0; i < 129; i++) {
		snprintf(names[i], sizeof(names[i]), "p%d", i);
		many[i] = part(names[i], MIB, NULL);
	}
	assert_int_equal(gpt_compose(many, 129, disk_uuid, 0, &disk, d), -1);
	expect_only(&d, MVP0501);
	assert_int_equal(gpt_compose(many, 128, disk_uuid, 0, &disk, d), 0);
	image_free(disk);
}

static void test_refuses_bad_names(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct image *disk = NULL;
	static const char *const names[] = { "", "a b", "caf\xc3\xa9", "a-name-of-exactly-thirty-seven-letter", "same" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct gpt_part parts[] = { part("same", MIB, NULL), part(names[i], MIB, NULL) };
		assert_int_equal(gpt_compose(parts, 2, disk_uuid, 0, &disk, d), -1);
		expect_only(&d, MVP0502);
	}
}

static void test_every_flipped_bit_of_the_primary_is_seen(void **state)
{
	(void)state;
	uint8_t *bytes;
	struct image *disk CLEANUP(image_freep) = two_parts(&bytes);
	for (size_t at = 512; at < 512 + 92; at++) {
		struct diag *d CLEANUP(diag_freep) = diag_new();
		struct gpt_entry *entries CLEANUP_FREE = NULL;
		size_t count;
		bytes[at] ^= 0x10;
		assert_int_equal(gpt_read(disk, "x", &entries, &count, d), 0);
		assert_int_equal(count, 2);
		assert_int_equal(diag_errors(d), 0);
		assert_int_equal(diag_count(d), 1); /* the warning that the backup was used */
		bytes[at] ^= 0x10;
	}
}

static void test_refuses_a_disk_without_a_sound_table(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	uint8_t *bytes;
	struct image *disk CLEANUP(image_freep) = two_parts(&bytes);
	struct image *tiny CLEANUP(image_freep) = image_hole(512);
	struct image *zeros CLEANUP(image_freep) = image_hole(MIB);
	struct gpt_entry *entries = NULL;
	size_t count;
	bytes[1024] ^= 1;                             /* entries of the primary ... */
	bytes[image_len(disk) - 512 - 32 * 512] ^= 1; /* ... and of the backup */
	assert_int_equal(gpt_read(disk, "x", &entries, &count, d), -1);
	expect_only(&d, MVP0503);
	assert_int_equal(gpt_read(tiny, "x", &entries, &count, d), -1);
	expect_only(&d, MVP0503);
	assert_int_equal(gpt_read(zeros, "x", &entries, &count, d), -1);
	expect_only(&d, MVP0503);
}

/* Writes a field of the primary header or entries and makes the sums right again. */
static void forge(uint8_t *bytes, size_t at, uint64_t value, size_t len)
{
	for (size_t i = 0; i < len; i++)
		bytes[at + i] = (uint8_t)(value >> (8 * i));
	uint64_t array_len = (uint64_t)get_le32(bytes + 512 + 80) * get_le32(bytes + 512 + 84);
	if (array_len <= 128 * 128)
		put_le32(bytes + 512 + 88, crc32_gzip_refl(0, bytes + 1024, array_len));
	put_le32(bytes + 512 + 16, 0);
	put_le32(bytes + 512 + 16, crc32_gzip_refl(0, bytes + 512, 92));
}

static void test_refuses_hostile_tables_with_right_sums(void **state)
{
	(void)state;
	static const struct {
		size_t at;
		uint64_t value;
		size_t len;
	} cases[] = {
		{ 1024 + 32, UINT64_MAX, 8 },       /* first LBA behind the last */
		{ 1024 + 40, UINT64_MAX / 512, 8 }, /* last LBA outside the disk */
		{ 1024 + 32, 1, 8 },                /* over the table itself */
		{ 1024 + 40, 4100, 8 },             /* over the second partition */
		{ 512 + 48, UINT64_MAX, 8 },        /* usable area */
		{ 512 + 72, UINT64_MAX / 512, 8 },  /* place of the entries: their end overflows */
		{ 512 + 72, UINT64_MAX / 2, 8 },
		{ 512 + 80, UINT32_MAX, 4 }, /* count of entries */
		{ 512 + 84, 0, 4 },          /* size of an entry */
		{ 512 + 84, UINT32_MAX - 127, 4 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct diag *d CLEANUP(diag_freep) = diag_new();
		uint8_t *bytes;
		struct image *disk CLEANUP(image_freep) = two_parts(&bytes);
		struct gpt_entry *entries = NULL;
		size_t count;
		memset(bytes + image_len(disk) - 512, 0, 512); /* no backup to fall back on */
		assert_int_equal(gpt_read(disk, "x", &entries, &count, d), 0);
		free(entries);
		forge(bytes, cases[i].at, cases[i].value, cases[i].len);
		assert_int_equal(gpt_read(disk, "x", &entries, &count, d), -1);
		expect_only(&d, MVP0503);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout_is_aligned_and_read_back),
		cmocka_unit_test(test_a_disk_of_exactly_the_size_needed_is_enough),
		cmocka_unit_test(test_refuses_what_does_not_fit),
		cmocka_unit_test(test_refuses_bad_names),
		cmocka_unit_test(test_every_flipped_bit_of_the_primary_is_seen),
		cmocka_unit_test(test_refuses_a_disk_without_a_sound_table),
		cmocka_unit_test(test_refuses_hostile_tables_with_right_sums),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
