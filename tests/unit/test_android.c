/* Images from outside: sparse images, super, vendor_boot and dtbo, and what a persona makes of them. */
#include "tests/unit/fixture_layer.h"
#include "tests/unit/formats.h"

#include <openssl/sha.h>

#include "imagegen/android/ramdisk.h"
#include "imagegen/base/buf.h"
#include "imagegen/base/bytes.h"
#include "imagegen/base/num.h"
#include "imagegen/bootimg/vendor.h"
#include "imagegen/lp/lp.h"
#include "imagegen/sparse/reader.h"

static struct image *image_of(const struct buf *b)
{
	return image_mem(memcpy(mem_zeroed(1, b->len + 1), b->data, b->len), b->len);
}

static void put_chunk(struct buf *b, uint16_t type, uint32_t blocks, const void *body, size_t len)
{
	(void)buf_le16(b, type);
	(void)buf_le16(b, 0);
	(void)buf_le32(b, blocks);
	(void)buf_le32(b, (uint32_t)(12 + len));
	if (len > 0)
		(void)buf_append(b, body, len);
}

/* 9 blocks of 1024 bytes: raw 2, fill 1, do not care 2, zeros 1, raw 1, checksum, fill 2. */
static void put_sparse(struct buf *b)
{
	uint8_t raw[2048];
	for (size_t i = 0; i < sizeof raw; i++)
		raw[i] = (uint8_t)(i * 7 + 1);
	(void)buf_le32(b, 0xed26ff3a);
	(void)buf_le16(b, 1);
	(void)buf_le16(b, 0);
	(void)buf_le16(b, 28);
	(void)buf_le16(b, 12);
	(void)buf_le32(b, 1024);
	(void)buf_le32(b, 9);
	(void)buf_le32(b, 7);
	(void)buf_le32(b, 0);
	put_chunk(b, 0xcac1, 2, raw, 2048);
	put_chunk(b, 0xcac2, 1, "abcd", 4);
	put_chunk(b, 0xcac3, 2, NULL, 0);
	put_chunk(b, 0xcac2, 1, "\0\0\0\0", 4);
	put_chunk(b, 0xcac1, 1, raw, 1024);
	put_chunk(b, 0xcac4, 0, "\1\2\3\4", 4);
	put_chunk(b, 0xcac2, 2, "\0\0\0\1", 4);
}

static void test_sparse_images_are_expanded(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct buf b CLEANUP(buf_fini) = BUF_INIT;
	put_sparse(&b);
	struct image *file CLEANUP(image_freep) = image_of(&b), *img CLEANUP(image_freep) = NULL;
	assert_int_equal(sparse_read(file, "x", &img, d), 0);
	assert_int_equal(image_len(img), 9216);
	uint8_t *all CLEANUP_FREE = whole(img);
	for (size_t i = 0; i < 2048; i++)
		assert_int_equal(all[i], (uint8_t)(i * 7 + 1));
	for (size_t i = 2048; i < 3072; i++)
		assert_int_equal(all[i], "abcd"[i % 4]);
	for (size_t i = 3072; i < 6144; i++)
		assert_int_equal(all[i], 0);
	for (size_t i = 6144; i < 7168; i++)
		assert_int_equal(all[i], (uint8_t)((i - 6144) * 7 + 1));
	for (size_t i = 7168; i < 9216; i++)
		assert_int_equal(all[i], i % 4 == 3);
	/* Data of chunks that touch is one extent, what is not cared about and zeros another. */
	const struct extent first = image_extent(img, 2000), hole = image_extent(img, 4000), last = image_extent(img, 9000);
	assert_true(first.data && first.at == 0 && first.len == 3072);
	assert_true(!hole.data && hole.at == 3072 && hole.len == 3072);
	assert_true(last.data && last.at == 6144 && last.len == 3072);
}

static void test_damaged_sparse_images_are_refused(void **state)
{
	(void)state;
	static const struct {
		size_t at;
		uint32_t value;
	} cases[] = {
		{ 0, 0 },
		{ 4, 2 },
		{ 8, 12 << 16 | 27 },
		{ 8, 11 << 16 | 28 },
		{ 12, 0 },
		{ 12, 1022 },
		{ 12, 0x80000000 },
		{ 16, 8 },
		{ 16, 10 },
		{ 20, 6 },
		{ 20, 8 },
		{ 28, 0xcac5 },
		{ 32, 3 },
		{ 32, UINT32_MAX },
		{ 36, 11 },
		{ 36, UINT32_MAX },
		{ 28, 0xcac3 },
	};
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct buf b CLEANUP(buf_fini) = BUF_INIT;
	put_sparse(&b);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct image *img = NULL;
		uint8_t *bytes = memcpy(mem_zeroed(1, b.len), b.data, b.len);
		put_le32(bytes + cases[i].at, cases[i].value);
		struct image *file CLEANUP(image_freep) = image_mem(bytes, b.len);
		assert_int_equal(sparse_read(file, "x", &img, d), -1);
		assert_null(img);
		expect_only(&d, MVP0330);
	}
	for (size_t len = 0; len < b.len; len += 37) {
		struct image *img = NULL, *file CLEANUP(image_freep) = image_mem(memcpy(mem_zeroed(1, len + 1), b.data, len), len);
		assert_int_equal(sparse_read(file, "x", &img, d), -1);
		expect_only(&d, MVP0330);
	}
}

static void sum(uint8_t *p, size_t len, uint8_t *to)
{
	memset(to, 0, 32);
	SHA256(p, len, to);
}

/* A super of 64 KiB: two partitions, the first of two extents in reverse order and one of zeros. */
enum { META = 4096, META_AT = 12288, DATA_AT = 20480, SUPER_LEN = 65536, HEADER = 128 };

static void sum_metadata(uint8_t *m)
{
	SHA256(m + HEADER, get_le32(m + 44), m + 48);
	sum(m, HEADER, m + 12);
}

static void put_extent(uint8_t *e, uint64_t sectors, uint32_t type, uint64_t from)
{
	put_le64(e, sectors);
	put_le32(e + 8, type);
	put_le64(e + 12, from);
}

static uint8_t *super_new(void)
{
	static const uint32_t sizes[4] = { 52, 24, 48, 64 }, counts[4] = { 2, 4, 1, 1 };
	uint8_t *s = mem_zeroed(1, SUPER_LEN), *g = s + 4096, *m = s + META_AT, *t = m + HEADER;
	put_le32(g, 0x616c4467);
	put_le32(g + 4, 52);
	put_le32(g + 40, META);
	put_le32(g + 44, 1);
	put_le32(g + 48, 4096);
	sum(g, 52, g + 8);
	memcpy(s + 8192, g, 4096);
	put_le32(m, 0x414c5030);
	put_le16(m + 4, 10);
	put_le32(m + 8, HEADER);
	uint32_t at = 0;
	for (size_t i = 0; i < 4; i++) {
		put_le32(m + 80 + i * 12, at);
		put_le32(m + 84 + i * 12, counts[i]);
		put_le32(m + 88 + i * 12, sizes[i]);
		at += sizes[i] * counts[i];
	}
	put_le32(m + 44, at);
	memcpy(t, "system_a", 8);
	put_le32(t + 44, 3); /* extents 0 to 2 */
	memcpy(t + 52, "vendor_a", 8);
	put_le32(t + 52 + 40, 3);
	put_le32(t + 52 + 44, 1);
	uint8_t *e = t + 104;
	put_extent(e, 8, 0, (DATA_AT + 4096) / 512);
	put_extent(e + 24, 8, 1, 0);
	put_extent(e + 48, 8, 0, DATA_AT / 512);
	put_extent(e + 72, 1, 0, (DATA_AT + 8192) / 512);
	memcpy(e + 96, "default", 7);
	put_le64(e + 96 + 48, DATA_AT / 512);
	sum_metadata(m);
	memcpy(s + META_AT + META, m, META);
	memset(s + DATA_AT, 'b', 4096);
	memset(s + DATA_AT + 4096, 'a', 4096);
	memset(s + DATA_AT + 8192, 'v', 512);
	return s;
}

static void test_partitions_of_super(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct image *super CLEANUP(image_freep) = image_mem(super_new(), SUPER_LEN);
	struct lp *lp CLEANUP(lp_freep) = NULL;
	struct image *img CLEANUP(image_freep) = NULL;
	size_t count;
	assert_int_equal(lp_read(super, "super.img", &lp, d), 0);
	const struct lp_partition *all = lp_partitions(lp, &count);
	assert_int_equal(count, 2);
	assert_string_equal(all[1].name, "vendor_a");
	assert_int_equal(all[1].len, 512);
	assert_ptr_equal(lp_find(lp, "system"), &all[0]); /* slot a */
	assert_ptr_equal(lp_find(lp, "vendor_a"), &all[1]);
	assert_null(lp_find(lp, "syst"));
	assert_int_equal(lp_image(lp, &all[0], &img, d), 0);
	assert_int_equal(image_len(img), 12288);
	uint8_t *bytes CLEANUP_FREE = whole(img);
	for (size_t i = 0; i < 12288; i++)
		assert_int_equal(bytes[i], i < 4096 ? 'a' : i < 8192 ? 0 : 'b');
	assert_false(image_extent(img, 5000).data);
	assert_int_equal(diag_count(d), 0);
}

static void test_super_is_read_from_its_copies(void **state)
{
	(void)state;
	static const size_t damage[] = { 4096 + 40, META_AT + 45, META_AT + HEADER + 3 };
	for (size_t i = 0; i < ARRAY_LEN(damage); i++) {
		struct diag *d CLEANUP(diag_freep) = diag_new();
		uint8_t *bytes = super_new();
		bytes[damage[i]] ^= 1;
		struct image *super CLEANUP(image_freep) = image_mem(bytes, SUPER_LEN);
		struct lp *lp CLEANUP(lp_freep) = NULL;
		assert_int_equal(lp_read(super, "x", &lp, d), 0);
		assert_int_equal(diag_errors(d), 0);
		assert_int_equal(diag_count(d), 1);
		assert_int_equal(diag_get(d, 0)->code, MVP0331);
		assert_non_null(lp_find(lp, "system_a"));
	}
}

/* Damage with the right checksums, in both copies. */
static void test_hostile_super_is_refused(void **state)
{
	(void)state;
	enum { T = HEADER, E = HEADER + 104 };
	static const struct {
		size_t at;
		uint32_t value;
	} cases[] = {
		{ 4, 11 },
		{ 80, 5000 },
		{ 84, UINT32_MAX },
		{ 88, 51 },
		{ 120, 0 },
		{ T, 0x2f2e2e2f },
		{ T + 40, UINT32_MAX },
		{ T + 44, 5 },
		{ T + 48, 1 },
		{ T, 0 },
		{ E + 4, 1u << 31 },
		{ E + 8, 2 },
		{ E + 12, 0 },
		{ E + 12, SUPER_LEN / 512 - 7 },
		{ E + 16, UINT32_MAX },
		{ E + 20, 1 },
		{ E + 60, (DATA_AT + 4096) / 512 }, /* the third extent lies on the first */
		{ E + 60, DATA_AT / 512 + 1 },      /* and in part */
		{ E + 84, DATA_AT / 512 },
		{ T + 44, 4 }, /* both partitions have the last extent */
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct diag *d CLEANUP(diag_freep) = diag_new();
		uint8_t *bytes = super_new();
		put_le32(bytes + META_AT + cases[i].at, cases[i].value);
		sum_metadata(bytes + META_AT);
		memcpy(bytes + META_AT + META, bytes + META_AT, META);
		struct image *super CLEANUP(image_freep) = image_mem(bytes, SUPER_LEN);
		struct lp *lp CLEANUP(lp_freep) = NULL;
		if (lp_read(super, "x", &lp, d) == 0)
			fail_msg("case %zu was taken", i);
		assert_null(lp);
		expect_only(&d, MVP0331);
	}
}

/* The same bytes in a file, as pieces with holes between or all written: the beginning of an ext4, and data with a small gap in it. */
static void put_layer(struct fixture *f, const char *name, bool holes)
{
	enum { SIZE = 1 << 20, GAP = 32 << 10, AT = 300 << 10 };
	uint8_t *all CLEANUP_FREE = mem_zeroed(1, SIZE);
	char *path CLEANUP_FREE = fixture_path(f, name);
	int fd CLEANUP(fd_closep) = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	put_le32(all + 1024 + 4, 512);
	put_le16(all + 1024 + 56, 0xef53);
	memset(all + AT, 'x', 5000);
	memset(all + AT + GAP, 'y', 5000);
	assert_true(fd >= 0);
	if (!holes)
		assert_int_equal(pwrite(fd, all, SIZE, 0), SIZE);
	assert_int_equal(ftruncate(fd, SIZE), 0);
	assert_int_equal(pwrite(fd, all, 4096, 0), 4096);
	assert_int_equal(pwrite(fd, all + AT, 5000, AT), 5000);
	assert_int_equal(pwrite(fd, all + AT + GAP, 5000, AT + GAP), 5000);
	fixture_layer(f, LAYER_IMAGE, name);
}

static void test_an_image_is_its_bytes(void **state)
{
	(void)state;
	struct fixture f CLEANUP(fixture_fini), g CLEANUP(fixture_fini);
	struct android a CLEANUP(android_fini) = { 0 }, b CLEANUP(android_fini) = { 0 };
	fixture_init(&f);
	fixture_init(&g);
	put_layer(&f, "written.img", false);
	put_layer(&g, "holes.img", true);
	assert_int_equal(android_load(&f.m, &f.p, &a, f.d), 0);
	assert_int_equal(android_load(&g.m, &g.p, &b, g.d), 0);
	assert_memory_equal(a.digest, b.digest, sizeof(a.digest));
	assert_int_equal(a.inputs.count, 1);
	struct image *x = a.images[ANDROID_SYSTEM], *y = b.images[ANDROID_SYSTEM];
	uint8_t *p CLEANUP_FREE = whole(x), *q CLEANUP_FREE = whole(y);
	assert_int_equal(image_len(x), image_len(y));
	assert_memory_equal(p, q, image_len(x));
	expect_sound_extents(x);
	size_t count = 0;
	for (uint64_t at = 0; at < image_len(x); count++) {
		struct extent e = image_extent(x, at), same = image_extent(y, at);
		assert_int_equal(e.len, same.len);
		assert_int_equal(e.data, same.data);
		at += e.len;
	}
	assert_int_equal(count, 4);
	/* Other bytes, or the same ones elsewhere, are another image. */
	struct android c CLEANUP(android_fini) = { 0 };
	char *path CLEANUP_FREE = fixture_path(&f, "written.img");
	assert_int_equal(truncate(path, 2 << 20), 0);
	assert_int_equal(android_load(&f.m, &f.p, &c, f.d), 0);
	assert_memory_not_equal(a.digest, c.digest, sizeof(a.digest));
}

/* Header, 2 pages of 2048; fragments "one", "recovery", "mods"; device tree "dtb"; table; boot configuration "a=b\n". */
static struct image *vendor_image(uint32_t at, uint32_t value)
{
	static const char fragments[] = "onerecoverymods";
	static const uint32_t lens[] = { 3, 8, 4 };
	uint8_t *v = mem_zeroed(1, 8 * 2048), *table = v + 4 * 2048;
	memcpy(v, "VNDRBOOT", 8);
	put_le32(v + 8, 4);
	put_le32(v + 12, 2048);
	put_le32(v + 24, 15);
	memcpy(v + 28, "vendor=1", 8);
	put_le32(v + 2096, 2128);
	put_le32(v + 2100, 3);
	put_le32(v + 2112, 3 * 108);
	put_le32(v + 2116, 3);
	put_le32(v + 2120, 108);
	put_le32(v + 2124, 4);
	memcpy(v + 2 * 2048, fragments, 15);
	memcpy(v + 3 * 2048, "dtb", 3);
	uint32_t offset = 0;
	for (uint32_t i = 0; i < 3; i++) {
		put_le32(table + i * 108, lens[i]);
		put_le32(table + i * 108 + 4, offset);
		put_le32(table + i * 108 + 8, i + 1); /* platform, recovery, dlkm */
		offset += lens[i];
	}
	memcpy(v + 5 * 2048, "a=b\n", 4);
	if (at > 0)
		put_le32(v + at, value);
	return image_mem(v, 8 * 2048);
}

static void test_damaged_vendor_boot_is_refused(void **state)
{
	(void)state;
	static const uint32_t cases[][2] = { { 1, 0 },          { 8, 5 },         { 12, 4095 },   { 24, UINT32_MAX }, { 2096, 2112 },
					     { 2100, 1 << 20 }, { 2112, 108 },    { 2116, 65 },   { 2120, 100 },      { 2124, 1 << 20 },
					     { 8192, 16 },      { 8192 + 4, 13 }, { 8192 + 8, 4 } };
	struct vendor_boot *v CLEANUP_FREE = mem_new(struct vendor_boot);
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct image *good CLEANUP(image_freep) = vendor_image(0, 0);
	assert_int_equal(vendor_boot_read(good, "x", v, d), 0);
	assert_int_equal(v->ramdisks_count, 3);
	assert_int_equal(v->bootconfig.at, 5 * 2048);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct image *img CLEANUP(image_freep) = vendor_image(cases[i][0], cases[i][1]);
		if (vendor_boot_read(img, "x", v, d) == 0)
			fail_msg("case %zu was taken", i);
		expect_only(&d, MVP0332);
	}
}

static struct image *boot_image(const char *kernel, const char *ramdisk, const char *cmdline)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct image *img = NULL;
	const struct bootimg_parts parts = {
		.kernel = (const uint8_t *)kernel,
		.kernel_len = strlen(kernel),
		.ramdisk = (const uint8_t *)ramdisk,
		.ramdisk_len = strlen(ramdisk),
		.cmdline = cmdline,
	};
	assert_int_equal(bootimg_compose(&parts, &img, d), 0);
	return img;
}

static void test_ramdisks_are_joined_as_bootloaders_do(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct image *boot CLEANUP(image_freep) = boot_image("kernel", "", "boot=1"),
			   *init CLEANUP(image_freep) = boot_image("", "generic", "");
	struct image *vendor CLEANUP(image_freep) = vendor_image(0, 0);
	const struct loc loc = LOC_FILE("m");
	const struct named_image b = { boot, "boot.img", &loc }, i = { init, "init_boot.img", &loc },
				 v = { vendor, "vendor_boot.img", &loc };
	struct android a CLEANUP(android_fini) = { 0 };
	assert_int_equal(ramdisk_compose(&b, &i, &v, &a, d), 0);
	/* 3 + 4 + 7 bytes, the configuration and its padding to a multiple of 4, its length, the sum of its bytes, the mark. */
	static const char expected[] = "onemodsgenerica=b\n\0\0"
				       "\6\0\0\0"
				       "\x0a\x01\0\0"
				       "#BOOTCONFIG\n";
	assert_int_equal(a.ramdisk_len, sizeof expected - 1);
	assert_memory_equal(a.ramdisk, expected, sizeof expected - 1);
	assert_int_equal(a.ramdisk_len % 4, 0);
	assert_int_equal(a.kernel_len, 6);
	assert_string_equal(a.cmdline, "vendor=1 boot=1 bootconfig");
}

static void test_boot_images_that_do_not_belong_together(void **state)
{
	(void)state;
	struct image *kernel CLEANUP(image_freep) = boot_image("kernel", "", ""),
			     *both CLEANUP(image_freep) = boot_image("kernel", "r", "");
	struct image *ramdisk CLEANUP(image_freep) = boot_image("", "r", ""), *vendor CLEANUP(image_freep) = vendor_image(0, 0);
	uint8_t *old_bytes = mem_zeroed(1, 8192);
	memcpy(old_bytes, "ANDROID!", 8);
	put_le32(old_bytes + 8, 4); /* kernel */
	put_le32(old_bytes + 36, 2048);
	struct image *old CLEANUP(image_freep) = image_mem(old_bytes, 8192);
	const struct loc loc = LOC_FILE("m");
	struct image *const cases[][3] = {
		{ ramdisk, NULL, NULL }, { both, ramdisk, NULL }, { kernel, both, NULL }, { old, NULL, vendor }
	};
	for (size_t c = 0; c < ARRAY_LEN(cases); c++) {
		struct diag *d CLEANUP(diag_freep) = diag_new();
		struct android a CLEANUP(android_fini) = { 0 };
		const struct named_image b = { cases[c][0], "b", &loc }, i = { cases[c][1], "i", &loc }, v = { cases[c][2], "v", &loc };
		assert_int_equal(ramdisk_compose(&b, &i, &v, &a, d), -1);
		expect_only(&d, MVP0333);
	}
	/* The old one is good by itself. */
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct android a CLEANUP(android_fini) = { 0 };
	const struct named_image b = { old, "b", &loc }, none = { NULL, NULL, &loc };
	assert_int_equal(ramdisk_compose(&b, &none, &none, &a, d), 0);
	assert_int_equal(a.kernel_len, 4);
	assert_null(a.ramdisk);
}

static void test_tables_of_device_trees(void **state)
{
	(void)state;
	static const uint32_t cases[][2] = { { 0, 0 },  { 4, 200 },  { 8, 31 },   { 12, 33 }, { 16, 4000 }, { 20, 120 },
					     { 28, 2 }, { 32, 400 }, { 36, 120 }, { 64, 1 },  { 68, 100 } };
	for (size_t i = 0; i <= ARRAY_LEN(cases); i++) {
		struct diag *d CLEANUP(diag_freep) = diag_new();
		uint8_t *t = mem_zeroed(1, 128);
		static const uint32_t head[] = { 0xd7b7ab1e, 112, 32, 32, 1, 32, 2048, 0, 48, 64 };
		for (size_t k = 0; k < ARRAY_LEN(head); k++)
			put_be32(t + k * 4, head[k]);
		put_be32(t + 64, 0xd00dfeed);
		put_be32(t + 68, 48);
		if (i < ARRAY_LEN(cases))
			put_be32(t + cases[i][0], cases[i][1]);
		struct image *img CLEANUP(image_freep) = image_mem(t, 128);
		size_t count = 0;
		if ((dtbo_check(img, "x", &count, d) == 0) != (i == ARRAY_LEN(cases)))
			fail_msg("case %zu", i);
		if (i < ARRAY_LEN(cases))
			expect_only(&d, MVP0332);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sparse_images_are_expanded),
		cmocka_unit_test(test_damaged_sparse_images_are_refused),
		cmocka_unit_test(test_partitions_of_super),
		cmocka_unit_test(test_super_is_read_from_its_copies),
		cmocka_unit_test(test_hostile_super_is_refused),
		cmocka_unit_test(test_damaged_vendor_boot_is_refused),
		cmocka_unit_test(test_ramdisks_are_joined_as_bootloaders_do),
		cmocka_unit_test(test_boot_images_that_do_not_belong_together),
		cmocka_unit_test(test_an_image_is_its_bytes),
		cmocka_unit_test(test_tables_of_device_trees),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
