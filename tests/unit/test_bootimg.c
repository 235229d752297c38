/* Boot images and the check of kernels. */
#include "tests/unit/formats.h"

#include <openssl/sha.h>

#include <isa-l/igzip_lib.h>

#include "imagegen/base/bytes.h"
#include "imagegen/bootimg/bootimg.h"

/* The parts of the known answer, whose image was made by AOSP mkbootimg. */
static struct image *made(uint32_t header, const char *cmdline)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	uint8_t kernel[10240], ramdisk[5000];
	struct image *img = NULL;
	for (size_t i = 0; i < sizeof(kernel); i++)
		kernel[i] = (uint8_t)i;
	memset(ramdisk, 'R', sizeof(ramdisk));
	const struct bootimg_parts parts = { .kernel = kernel,
					     .kernel_len = sizeof(kernel),
					     .ramdisk = ramdisk,
					     .ramdisk_len = sizeof(ramdisk),
					     .cmdline = cmdline,
					     .os_version = 14u << 25 | 25 << 4 | 8,
					     .header = header,
					     .load = 0x40200000 };
	assert_int_equal(bootimg_compose(&parts, &img, d), 0);
	return img;
}

static struct image *known(void)
{
	return made(4, "console=ttyAMA0");
}

static void test_compose_gives_mkbootimgs_bytes(void **state)
{
	(void)state;
	static const uint8_t expected[32] = { 0xa4, 0xdc, 0x7c, 0x7a, 0x34, 0x93, 0x95, 0x42, 0xeb, 0x3c, 0xa7,
					      0x3a, 0xff, 0xc2, 0x54, 0xda, 0x61, 0x2b, 0xa8, 0x9c, 0x8c, 0xf2,
					      0xf7, 0x09, 0x48, 0xf1, 0xd6, 0x3e, 0x28, 0x43, 0x39, 0x27 };
	uint8_t sum[32];
	struct image *img CLEANUP(image_freep) = known();
	uint8_t *bytes CLEANUP_FREE = whole(img);
	assert_int_equal(image_len(img), 24576);
	SHA256(bytes, image_len(img), sum);
	assert_memory_equal(sum, expected, sizeof(sum));
}

/* mkbootimg --header_version 2 --base 0 --kernel_offset 0x40200000 with the other offsets 0 and an empty tree for --dtb. */
static void test_compose_gives_mkbootimgs_bytes_of_version_2(void **state)
{
	(void)state;
	static const uint8_t expected[32] = { 0x82, 0xc8, 0xef, 0xef, 0x2a, 0x63, 0x78, 0x56, 0x1c, 0xa9, 0x3e,
					      0x9f, 0x96, 0x0e, 0xeb, 0xc6, 0xe9, 0x97, 0xd1, 0x22, 0x9c, 0x8f,
					      0x5b, 0x7e, 0x31, 0x73, 0x74, 0xc9, 0x8e, 0x2c, 0xe8, 0xdc };
	struct diag *d CLEANUP(diag_freep) = diag_new();
	uint8_t sum[32];
	char cmdline[601] = { 0 };
	struct bootimg_info info;
	memset(cmdline, 'x', sizeof(cmdline) - 1); /* longer than its first field */
	struct image *img CLEANUP(image_freep) = made(2, cmdline);
	uint8_t *bytes CLEANUP_FREE = whole(img);
	assert_int_equal(image_len(img), 28672);
	SHA256(bytes, image_len(img), sum);
	assert_memory_equal(sum, expected, sizeof(sum));
	assert_int_equal(bootimg_read(img, "x", &info, d), 0);
	assert_int_equal(info.version, 2);
	assert_string_equal(info.cmdline, cmdline);
	assert_int_equal(info.dtb.len, 72);
}

static void test_read_finds_the_parts(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct image *img CLEANUP(image_freep) = known();
	struct bootimg_info info;
	assert_int_equal(bootimg_read(img, "x", &info, d), 0);
	assert_int_equal(info.version, 4);
	assert_int_equal(info.kernel_at, 4096);
	assert_int_equal(info.kernel_len, 10240);
	assert_int_equal(info.ramdisk_at, 4096 + 12288);
	assert_int_equal(info.ramdisk_len, 5000);
	assert_string_equal(info.cmdline, "console=ttyAMA0");
	assert_int_equal(info.os_version, 0x1c000198);
}

static void test_a_command_line_of_1535_bytes_fits(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	char cmdline[1537];
	struct bootimg_parts parts = { .kernel = (const uint8_t *)"k", .kernel_len = 1, .cmdline = cmdline };
	struct image *img CLEANUP(image_freep) = NULL;
	struct bootimg_info info;
	memset(cmdline, 'c', sizeof(cmdline));
	cmdline[1536] = 0;
	assert_int_equal(bootimg_compose(&parts, &img, d), -1);
	expect_only(&d, MVP0505);
	cmdline[1535] = 0;
	assert_int_equal(bootimg_compose(&parts, &img, d), 0);
	assert_int_equal(bootimg_read(img, "x", &info, d), 0);
	assert_string_equal(info.cmdline, cmdline);
	assert_int_equal(info.ramdisk_len, 0);
	assert_int_equal(image_len(img), 8192);
}

static void test_refuses_damaged_images(void **state)
{
	(void)state;
	static const struct {
		size_t at;
		uint32_t value;
	} cases[] = {
		{ 0, 0 },                /* magic */
		{ 8, UINT32_MAX },       /* kernel size */
		{ 8, 24576 - 4096 + 1 }, /* one byte too many */
		{ 12, UINT32_MAX },      /* ramdisk size */
		{ 20, 1580 },            /* header size */
		{ 40, 2 },               /* versions */
		{ 40, 5 },
		{ 40, 3 },      /* with a header size of version 4 */
		{ 1580, 4096 }, /* a signature that is not there */
	};
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct bootimg_info info;
	struct image *good CLEANUP(image_freep) = known();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t *bytes = whole(good);
		put_le32(bytes + cases[i].at, cases[i].value);
		struct image *img CLEANUP(image_freep) = image_mem(bytes, image_len(good));
		assert_int_equal(bootimg_read(img, "x", &info, d), -1);
		expect_only(&d, MVP0504);
	}
	for (size_t len = 0; len < image_len(good); len += 997) {
		uint8_t *bytes = whole(good);
		struct image *img CLEANUP(image_freep) = image_mem(bytes, len);
		if (len < 4096 + 12288 + 5000) {
			assert_int_equal(bootimg_read(img, "x", &info, d), -1);
			expect_only(&d, MVP0504);
		} else {
			assert_int_equal(bootimg_read(img, "x", &info, d), 0);
		}
	}
	uint8_t *endless = whole(good);
	memset(endless + 44, 'c', 1536);
	struct image *img CLEANUP(image_freep) = image_mem(endless, image_len(good));
	assert_int_equal(bootimg_read(img, "x", &info, d), -1);
	expect_only(&d, MVP0504);
}

static uint8_t *kernel_new(void)
{
	uint8_t *k = mem_zeroed(1, 100000);
	put_le64(k + 16, 300000); /* image_size */
	put_le64(k + 24, 0xa);    /* 4 KiB pages, anywhere */
	put_le32(k + 56, 0x644d5241);
	for (size_t i = 64; i < 100000; i++)
		k[i] = (uint8_t)(i * i >> 7);
	return k;
}

static int check(uint8_t **data, size_t *len, struct diag *d)
{
	const struct kernel_place place = { .memory = 64 * MIB, .dtb_len = 6000 };
	bool wrapped = true;
	int rc = kernel_check(data, len, &place, "vmlinuz", &wrapped, d);
	assert_true(rc < 0 || !wrapped);
	return rc;
}

static uint8_t *gzip(const uint8_t *data, size_t len, size_t *ret_len)
{
	uint8_t *out = mem_zeroed(1, 2 * len);
	struct isal_zstream *s CLEANUP_FREE = mem_new(struct isal_zstream);
	isal_deflate_stateless_init(s);
	s->gzip_flag = IGZIP_GZIP;
	s->end_of_stream = 1;
	s->next_in = (uint8_t *)(uintptr_t)data;
	s->avail_in = (uint32_t)len;
	s->next_out = out;
	s->avail_out = (uint32_t)(2 * len);
	assert_int_equal(isal_deflate_stateless(s), COMP_OK);
	*ret_len = s->total_out;
	return out;
}

static void test_kernel_plain_and_gzip_are_taken(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	uint8_t *plain CLEANUP_FREE = kernel_new(), *same = plain;
	size_t len = 100000, packed_len;
	assert_int_equal(check(&plain, &len, d), 0);
	assert_ptr_equal(plain, same);
	uint8_t *packed CLEANUP_FREE = gzip(plain, len, &packed_len);
	assert_int_equal(check(&packed, &packed_len, d), 0);
	assert_int_equal(packed_len, 100000);
	assert_memory_equal(packed, plain, 100000);
	assert_int_equal(diag_count(d), 0);
}

static void test_kernel_damaged_gzip_is_refused(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	uint8_t *plain CLEANUP_FREE = kernel_new();
	size_t packed_len;
	uint8_t *packed CLEANUP_FREE = gzip(plain, 100000, &packed_len), *same = packed;
	size_t cut = packed_len / 2, none = 5;
	assert_int_equal(check(&packed, &cut, d), -1);
	expect_only(&d, MVP0506);
	assert_int_equal(check(&packed, &none, d), -1);
	expect_only(&d, MVP0506);
	packed[packed_len - 6] ^= 1; /* CRC */
	assert_int_equal(check(&packed, &packed_len, d), -1);
	expect_only(&d, MVP0506);
	assert_ptr_equal(packed, same);
}

static void test_kernel_of_another_kind_is_refused(void **state)
{
	(void)state;
	static const struct {
		size_t at, len;
		const char *bytes;
	} cases[] = {
		{ 56, 1, "x" },
		{ 4, 4, "zimg" },
		{ 0, 4,
		  "\x7f"
		  "ELF" },
		{ 24, 1, "\x0b" },             /* big-endian */
		{ 16, 8, "\0\0\0\0\0\0\0\0" }, /* image_size */
		{ 16, 8, "\0\0\0\0\1\0\0\0" },
		{ 8, 3, "\0\0\x20" }, /* text_offset 2 MiB */
		{ 8, 1, "\1" },
	};
	struct diag *d CLEANUP(diag_freep) = diag_new();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t *k CLEANUP_FREE = kernel_new();
		size_t len = 100000;
		memcpy(k + cases[i].at, cases[i].bytes, cases[i].len);
		assert_int_equal(check(&k, &len, d), -1);
		expect_only(&d, MVP0506);
	}
	uint8_t *k CLEANUP_FREE = kernel_new();
	size_t len = 63;
	assert_int_equal(check(&k, &len, d), -1);
	expect_only(&d, MVP0506);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compose_gives_mkbootimgs_bytes), cmocka_unit_test(test_compose_gives_mkbootimgs_bytes_of_version_2),
		cmocka_unit_test(test_read_finds_the_parts),           cmocka_unit_test(test_a_command_line_of_1535_bytes_fits),
		cmocka_unit_test(test_refuses_damaged_images),         cmocka_unit_test(test_kernel_plain_and_gzip_are_taken),
		cmocka_unit_test(test_kernel_damaged_gzip_is_refused), cmocka_unit_test(test_kernel_of_another_kind_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
