/* Archives are read back with libarchive, a reader of somebody else's. */
#include "tests/unit/formats.h"

#include <fcntl.h>
#include <unistd.h>

#include <isa-l/crc.h>

#include "imagegen/base/buf.h"
#include "imagegen/base/bytes.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/io.h"
#include "imagegen/base/tmpfile.h"
#include "imagegen/zip/read.h"
#include "imagegen/zip/zip.h"

static int new_file(void)
{
	int fd = tmpfile_unlinked("/tmp");
	assert_true(fd >= 0);
	return fd;
}

/* The next member must be this one; its data checked against the CRC by libarchive. */
static void expect_member(struct archive *a, const char *name, uint32_t mode, const uint8_t *data, size_t len)
{
	struct archive_entry *e;
	uint8_t *got CLEANUP_FREE = mem_zeroed(1, len + 1);
	assert_int_equal(archive_read_next_header(a, &e), ARCHIVE_OK);
	assert_string_equal(archive_entry_pathname(e), name);
	assert_int_equal(archive_entry_mode(e), 0100000 | mode);
	assert_int_equal(archive_entry_size(e), len);
	assert_int_equal(archive_read_data(a, got, len + 1), len);
	assert_memory_equal(got, data, len);
}

static struct archive *open_zip(int fd, uint64_t at)
{
	struct archive *a = archive_read_new();
	assert_int_equal(lseek(fd, (off_t)at, SEEK_SET), at);
	assert_int_equal(archive_read_support_format_zip_seekable(a), ARCHIVE_OK);
	assert_int_equal(archive_read_open_fd(a, fd, 65536), ARCHIVE_OK);
	return a;
}

static void test_members_are_read_back(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	int fd CLEANUP(fd_closep) = new_file();
	struct image *img CLEANUP(image_freep) = pattern(3 * MIB + 17, 1);
	uint8_t *big CLEANUP_FREE = whole(img);
	uint64_t len, x = 1;
	for (size_t i = MIB; i < 2 * MIB; i++) { /* something that does not shrink in the middle */
		x = x * 6364136223846793005u + 1;
		big[i] = (uint8_t)(x >> 56);
	}
	struct zip *z CLEANUP(zip_freep) = zip_new(fd, 0, 1700000001, "x.zip");
	assert_int_equal(zip_add(z, "stored", 0644, ZIP_STORED, big, 3 * MIB + 17, d), 0);
	assert_int_equal(zip_member(z, "dir/deflated", 0755, ZIP_DEFLATED, 3 * MIB + 17, d), 0);
	for (size_t at = 0, n = 1; at < 3 * MIB + 17; at += n, n = num_min(n * 3, 3 * MIB + 17 - at))
		assert_int_equal(zip_write(z, big + at, n, d), 0);
	assert_int_equal(zip_member_end(z, d), 0);
	assert_int_equal(zip_add(z, "empty", 0600, ZIP_DEFLATED, NULL, 0, d), 0);
	assert_int_equal(zip_add(z, "empty-stored", 0600, ZIP_STORED, NULL, 0, d), 0);
	assert_int_equal(zip_end(z, &len, d), 0);
	assert_int_equal(lseek(fd, 0, SEEK_END), len);
	struct archive *a CLEANUP(archive_read_freep) = open_zip(fd, 0);
	expect_member(a, "stored", 0644, big, 3 * MIB + 17);
	expect_member(a, "dir/deflated", 0755, big, 3 * MIB + 17);
	expect_member(a, "empty", 0600, NULL, 0);
	expect_member(a, "empty-stored", 0600, NULL, 0);
}

static void test_an_archive_in_an_archive_has_the_right_crc(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	int fd CLEANUP(fd_closep) = new_file();
	uint64_t len;
	struct zip *inner = NULL;
	struct zip *z CLEANUP(zip_freep) = zip_new(fd, 0, 0, "x.zip");
	struct image *img CLEANUP(image_freep) = pattern(100000, 1);
	uint8_t *data CLEANUP_FREE = whole(img);
	assert_int_equal(zip_add(z, "first", 0644, ZIP_STORED, "1", 1, d), 0);
	assert_int_equal(zip_archive(z, "inner.zip", 0644, 2 * zip_bound(100000, "a"), &inner, d), 0);
	assert_int_equal(zip_add(inner, "a", 0644, ZIP_DEFLATED, data, 100000, d), 0);
	assert_int_equal(zip_add(inner, "b", 0644, ZIP_STORED, data, 50000, d), 0);
	assert_int_equal(zip_archive_end(z, inner, d), 0);
	assert_int_equal(zip_add(z, "last", 0644, ZIP_STORED, "2", 1, d), 0);
	assert_int_equal(zip_end(z, &len, d), 0);

	struct archive *a CLEANUP(archive_read_freep) = open_zip(fd, 0);
	struct archive_entry *e;
	uint8_t *copy CLEANUP_FREE = mem_zeroed(1, 200000);
	expect_member(a, "first", 0644, (const uint8_t *)"1", 1);
	assert_int_equal(archive_read_next_header(a, &e), ARCHIVE_OK);
	size_t inner_len = (size_t)archive_read_data(a, copy, 200000); /* libarchive compares the CRC */
	assert_int_equal(inner_len, archive_entry_size(e));
	assert_int_equal(archive_read_data(a, copy, 1), 0);
	expect_member(a, "last", 0644, (const uint8_t *)"2", 1);
	int fd_inner CLEANUP(fd_closep) = new_file();
	assert_int_equal(io_write_all(fd_inner, copy, inner_len), 0);
	struct archive *b CLEANUP(archive_read_freep) = open_zip(fd_inner, 0);
	expect_member(b, "a", 0644, data, 100000);
	expect_member(b, "b", 0644, data, 50000);
}

static void test_zip64_fields_are_read_back(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	int fd CLEANUP(fd_closep) = new_file();
	uint64_t len;
	struct zip *z CLEANUP(zip_freep) = zip_new(fd, 0, 0, "x.zip");
	assert_int_equal(zip_member(z, "maybe-huge", 0644, ZIP_STORED, 5 * GIB, d), 0);
	assert_int_equal(zip_write(z, "data", 4, d), 0);
	assert_int_equal(zip_member_end(z, d), 0);
	assert_int_equal(zip_end(z, &len, d), 0);
	uint8_t local[30 + 10 + 20];
	assert_int_equal(io_pread_all(fd, local, sizeof(local), 0), 0);
	assert_int_equal(get_le32(local + 18), UINT32_MAX);
	assert_int_equal(get_le16(local + 4), 45);
	assert_int_equal(get_le64(local + 44), 4);
	assert_int_equal(get_le64(local + 52), 4);
	struct archive *a CLEANUP(archive_read_freep) = open_zip(fd, 0);
	expect_member(a, "maybe-huge", 0644, (const uint8_t *)"data", 4);
}

static void test_times_are_those_zip_knows(void **state)
{
	(void)state;
	static const struct {
		int64_t epoch;
		uint16_t date, time;
	} cases[] = {
		{ INT64_MIN, 0 << 9 | 1 << 5 | 1, 0 },
		{ 0, 0 << 9 | 1 << 5 | 1, 0 },
		{ 1700000001, 43 << 9 | 11 << 5 | 14, 22 << 11 | 13 << 5 | 21 / 2 },
		{ INT64_MAX, 127 << 9 | 12 << 5 | 31, 23 << 11 | 59 << 5 | 29 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct diag *d CLEANUP(diag_freep) = diag_new();
		int fd CLEANUP(fd_closep) = new_file();
		uint8_t local[30];
		struct zip *z CLEANUP(zip_freep) = zip_new(fd, 0, cases[i].epoch, "x.zip");
		assert_int_equal(zip_add(z, "a", 0644, ZIP_STORED, "x", 1, d), 0);
		assert_int_equal(io_pread_all(fd, local, sizeof(local), 0), 0);
		assert_int_equal(get_le16(local + 10), cases[i].time);
		assert_int_equal(get_le16(local + 12), cases[i].date);
	}
}

static void test_joined_crcs_are_those_of_the_whole(void **state)
{
	(void)state;
	struct image *img CLEANUP(image_freep) = pattern(100000, 1);
	uint8_t *p CLEANUP_FREE = whole(img);
	uint32_t all = crc32_gzip_refl(0, p, 100000);
	const size_t cuts[] = { 0, 1, 7, 4096, 65536, 99999, 100000 };
	for (size_t i = 0; i < ARRAY_LEN(cuts); i++) {
		size_t n = cuts[i];
		assert_int_equal(crc32_join(crc32_gzip_refl(0, p, n), crc32_gzip_refl(0, p + n, 100000 - n), 100000 - n), all);
	}
}

static void test_members_on_one_another_are_refused(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	int fd CLEANUP(fd_closep) = new_file();
	struct zip *z CLEANUP(zip_freep) = zip_new(fd, 0, 1700000001, "x.zip");
	struct zip_dir dir CLEANUP(zip_dir_fini) = { 0 };
	const uint8_t zeros[4096] = { 0 };
	uint64_t len;
	assert_int_equal(zip_add(z, "a", 0644, ZIP_STORED, zeros, sizeof(zeros), d), 0);
	assert_int_equal(zip_add(z, "b", 0644, ZIP_STORED, zeros, sizeof(zeros), d), 0);
	assert_int_equal(zip_end(z, &len, d), 0);
	uint8_t *bytes = mem_zeroed(1, len);
	assert_int_equal(pread(fd, bytes, len, 0), len);
	struct image *img CLEANUP(image_freep) = image_mem(bytes, len);
	assert_int_equal(zip_read(img, "x.zip", &dir, d), 0);
	assert_int_equal(dir.count, 2);
	zip_dir_fini(&dir);
	/* The first member reaches over the second, to the end. */
	uint32_t at = get_le32(bytes + len - 22 + 16), most = (uint32_t)len - (uint32_t)(30 + 1);
	put_le32(bytes + at + 20, most);
	put_le32(bytes + at + 24, most);
	assert_int_equal(zip_read(img, "x.zip", &dir, d), -1);
	expect_only(&d, MVP0570);
}

static void test_mistakes_are_errors(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	int fd CLEANUP(fd_closep) = new_file();
	struct zip *z CLEANUP(zip_freep) = zip_new(fd, 0, 0, "x.zip");
	uint64_t len;
	assert_int_equal(zip_member(z, "/abs", 0644, ZIP_STORED, 1, d), -1);
	expect_only(&d, MVP0508);
	assert_int_equal(zip_member(z, "", 0644, ZIP_STORED, 1, d), -1);
	expect_only(&d, MVP0508);
	assert_int_equal(zip_member(z, "a", 0644, ZIP_STORED, 1, d), 0);
	assert_int_equal(zip_write(z, "xy", 2, d), -1);
	expect_only(&d, MVP0001);
	assert_int_equal(zip_member(z, "b", 0644, ZIP_STORED, 1, d), -1);
	expect_only(&d, MVP0001);
	assert_int_equal(zip_end(z, &len, d), -1);
	expect_only(&d, MVP0001);
}

static void test_a_full_disk_is_reported(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	int fd CLEANUP(fd_closep) = open("/dev/full", O_RDWR | O_CLOEXEC);
	struct zip *z CLEANUP(zip_freep) = zip_new(fd, 0, 0, "x.zip");
	assert_int_equal(zip_add(z, "a", 0644, ZIP_STORED, "x", 1, d), -1);
	assert_string_equal(diag_get(d, 0)->loc.file, "x.zip");
	expect_only(&d, MVP0811);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members_are_read_back),
		cmocka_unit_test(test_an_archive_in_an_archive_has_the_right_crc),
		cmocka_unit_test(test_zip64_fields_are_read_back),
		cmocka_unit_test(test_times_are_those_zip_knows),
		cmocka_unit_test(test_joined_crcs_are_those_of_the_whole),
		cmocka_unit_test(test_members_on_one_another_are_refused),
		cmocka_unit_test(test_mistakes_are_errors),
		cmocka_unit_test(test_a_full_disk_is_reported),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
