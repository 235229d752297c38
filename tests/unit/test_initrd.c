#include "tests/unit/fixture_layer.h"

#include "imagegen/base/image.h"
#include "imagegen/fs/ext4.h"
#include "imagegen/initrd/initrd.h"
#include "imagegen/initrd/modules.h"
#include "tests/unit/fixture_module.h"

#define MODULES "usr/lib/modules/6.1/"
#define MODULE(a, path, info) put_module(a, MODULES path, info, sizeof(info))
#define PACKED(a, path, info, filter) put_packed(a, MODULES path, info, sizeof(info), filter)

static void put_module(struct archive *a, const char *path, const char *info, size_t len)
{
	struct buf b CLEANUP(buf_fini) = BUF_INIT;
	module_make(&b, info, len);
	tar_put(a, tar_entry(path, S_IFREG | 0644), b.data, b.len);
}

/* The same, compressed by libarchive's filter. */
static void put_packed(struct archive *a, const char *path, const char *info, size_t len, int (*filter)(struct archive *))
{
	struct buf b CLEANUP(buf_fini) = BUF_INIT;
	uint8_t *packed CLEANUP_FREE = mem_zeroed(1, 65536);
	size_t used = 0;
	module_make(&b, info, len);
	struct archive *w = archive_write_new();
	assert_int_equal(archive_write_set_format_raw(w), ARCHIVE_OK);
	assert_int_equal(filter(w), ARCHIVE_OK);
	assert_int_equal(archive_write_set_bytes_in_last_block(w, 1), ARCHIVE_OK);
	assert_int_equal(archive_write_open_memory(w, packed, 65536, &used), ARCHIVE_OK);
	tar_put(w, tar_entry("m", S_IFREG | 0644), b.data, b.len);
	tar_close(w);
	tar_put(a, tar_entry(path, S_IFREG | 0644), packed, used);
}

static void load(struct fixture *f, void (*put)(struct archive *a))
{
	fixture_init(f);
	struct archive *a = fixture_tar(f, "a.tar", NULL);
	tar_symlink(a, "lib", "usr/lib");
	put(a);
	tar_close(a);
	fixture_layer(f, LAYER_TAR, "a.tar");
	fixture_loads(f);
}

/* The load order of one wanted module, as "a b c". */
static char *order_of(const struct fixture *f, const char *name)
{
	struct modules *m CLEANUP(modules_freep) = NULL;
	struct buf out CLEANUP(buf_fini) = BUF_INIT;
	bool found;
	size_t count;
	assert_int_equal(modules_open(f->tree, "6.1", &m, &found, f->d), 0);
	assert_true(found);
	if (modules_want(m, name, false, f->d) < 0)
		return NULL;
	const struct module_file *files = modules_order(m, &count);
	for (size_t i = 0; i < count; i++)
		(void)buf_printf(&out, "%s%s", i ? " " : "", files[i].name);
	return mem_strdup(buf_str(&out));
}

#define ASSERT_ORDER(f, name, expected) \
	do { \
		char *got_ CLEANUP_FREE = order_of(f, name); \
		assert_non_null(got_); \
		assert_string_equal(got_, expected); \
	} while (0)

static void put_kernel(struct archive *a)
{
	MODULE(a, "kernel/fs/ext4/ext4.ko", "depends=jbd2,mb-cache\0softdep=pre: crypto-crc32c post: never");
	PACKED(a, "kernel/fs/jbd2/jbd2.ko.xz", "softdep=pre: crypto-crc32c\0depends=", archive_write_add_filter_xz);
	PACKED(a, "kernel/fs/mb_cache.ko.zst", "depends=virtio", archive_write_add_filter_zstd);
	PACKED(a, "kernel/crypto/crc32c_generic.ko.gz", "alias=crypto-crc32c\0depends=", archive_write_add_filter_gzip);
	MODULE(a, "kernel/arch/arm64/crypto/crc32c-fast.ko", "depends=crc32c_generic\0alias=crypto_crc32c");
	MODULE(a, "kernel/drivers/virtio-blk.ko", "depends=");
	MODULE(a, "updates/virtio_blk.ko", "depends=mb_cache");
	MODULE(a, "kernel/a.ko", "depends=b");
	MODULE(a, "kernel/b.ko", "depends=c");
	MODULE(a, "kernel/c.ko", "depends=a");
	MODULE(a, "kernel/broken.ko", "depends=gone");
	MODULE(a, "kernel/soft.ko", "softdep=pre: gone");
	tar_file(a, MODULES "modules.builtin", "kernel/drivers/virtio/virtio.ko\nkernel/lib/crc16.ko\n");
	put_module(a, MODULES "kernel/odd.bin", "", 1);
}

static void test_dependencies_come_first(void **state)
{
	(void)state;
	struct fixture f CLEANUP(fixture_fini);
	load(&f, put_kernel);
	/* crc32c-fast needs crc32c_generic although both bear the alias that is asked for. */
	ASSERT_ORDER(&f, "crypto-crc32c", "crc32c_generic.ko crc32c-fast.ko");
	ASSERT_ORDER(&f, "ext4", "crc32c_generic.ko crc32c-fast.ko jbd2.ko mb_cache.ko ext4.ko");
	ASSERT_ORDER(&f, "virtio-blk", "mb_cache.ko virtio_blk.ko"); /* the one below updates/ */
	ASSERT_ORDER(&f, "virtio", "");                              /* built in */
	ASSERT_ORDER(&f, "a", "c.ko b.ko a.ko");                     /* a circle ends */
	ASSERT_ORDER(&f, "soft", "soft.ko");
	assert_null(order_of(&f, "broken"));
	assert_int_equal(diag_get(f.d, 0)->code, MVP0412);
	assert_null(order_of(&f, "gone"));
	assert_int_equal(diag_get(f.d, 1)->code, MVP0412);
	assert_int_equal(diag_count(f.d), 2);
}

static void put_damaged(struct archive *a)
{
	tar_file(a, MODULES "kernel/noise.ko", "this is no module");
	tar_file(a, MODULES "kernel/packed.ko.xz", "this is not compressed");
	struct buf b CLEANUP(buf_fini) = BUF_INIT;
	module_make(&b, "depends=", 9);
	b.data[18] = 62; /* x86-64 */
	char greedy[4096] = "depends=";
	for (size_t at = 8; at < 4000; at += 2)
		memcpy(greedy + at, "a,", 2);
	put_module(a, MODULES "kernel/greedy.ko", greedy, strlen(greedy) + 1);
	MODULE(a, "kernel/a.ko", "depends=");
	tar_put(a, tar_entry(MODULES "kernel/foreign.ko", S_IFREG | 0644), b.data, b.len);
}

static void test_damaged_modules_are_reported(void **state)
{
	(void)state;
	static const char *const names[] = { "noise", "packed", "foreign", "greedy" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct fixture f CLEANUP(fixture_fini);
		load(&f, put_damaged);
		assert_null(order_of(&f, names[i]));
		assert_int_equal(diag_count(f.d), 1);
		assert_int_equal(diag_get(f.d, 0)->code, MVP0411);
	}
}

static void put_needed(struct archive *a)
{
	MODULE(a, "kernel/virtio_mmio.ko", "depends=");
	MODULE(a, "kernel/virtio_blk.ko", "depends=");
	MODULE(a, "kernel/ext4.ko", "depends=");
}
static void put_no_ext4(struct archive *a)
{
	MODULE(a, "kernel/virtio_mmio.ko", "depends=");
	MODULE(a, "kernel/virtio_blk.ko", "depends=");
}
static void put_nothing(struct archive *a)
{
	tar_file(a, "etc/x", "x");
}

static int build(struct fixture *f, const char *kernel, uint8_t **ret_data, size_t *ret_len)
{
	char *init CLEANUP_FREE = fixture_path(f, "init");
	int fd CLEANUP(fd_closep) = open(init, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "program", 7), 7);
	struct initrd_opts o = { .kernel_path = kernel, .init_file = init, .epoch = FIXTURE_EPOCH };
	return initrd_build(f->tree, &o, ret_data, ret_len, f->d);
}

/* libarchive reads what our writer wrote. */
static void test_the_archive_holds_init_modules_and_their_order(void **state)
{
	(void)state;
	static const char *const expected[] = { "dev",
						"proc",
						"root",
						"sys",
						"dev/console",
						"init",
						"modules",
						"modules/virtio_mmio.ko",
						"modules/virtio_blk.ko",
						"modules/ext4.ko",
						"modules.load" };
	struct fixture f CLEANUP(fixture_fini);
	load(&f, put_needed);
	uint8_t *data CLEANUP_FREE = NULL, *again CLEANUP_FREE = NULL;
	size_t len, again_len, count = 0;
	assert_int_equal(build(&f, "/boot/vmlinuz-6.1", &data, &len), 0);
	assert_int_equal(build(&f, "/boot/vmlinuz-6.1", &again, &again_len), 0);
	assert_int_equal(len, again_len);
	assert_memory_equal(data, again, len);
	struct archive *a CLEANUP(archive_read_freep) = archive_read_new();
	struct archive_entry *e;
	assert_int_equal(archive_read_support_format_cpio(a), ARCHIVE_OK);
	assert_int_equal(archive_read_open_memory(a, data, len), ARCHIVE_OK);
	while (archive_read_next_header(a, &e) == ARCHIVE_OK) {
		char text[256] = "";
		assert_true(count < ARRAY_LEN(expected));
		const char *name = archive_entry_pathname(e);
		assert_string_equal(name, expected[count++]);
		assert_int_equal(archive_entry_mtime(e), FIXTURE_EPOCH);
		if (strcmp(name, "init") == 0) {
			assert_int_equal(archive_entry_mode(e), S_IFREG | 0755);
			assert_int_equal(archive_read_data(a, text, sizeof text), 7);
			assert_string_equal(text, "program");
		} else if (strcmp(name, "dev/console") == 0) {
			assert_int_equal(archive_entry_mode(e), S_IFCHR | 0600);
			assert_int_equal(archive_entry_rdevmajor(e), 5);
			assert_int_equal(archive_entry_rdevminor(e), 1);
		} else if (strcmp(name, "modules.load") == 0) {
			assert_true(archive_read_data(a, text, sizeof text - 1) > 0);
			assert_string_equal(text, "/modules/virtio_mmio.ko\n/modules/virtio_blk.ko\n/modules/ext4.ko\n");
		}
	}
	assert_int_equal(count, ARRAY_LEN(expected));
	assert_int_equal(diag_count(f.d), 0);
}

static void test_what_is_missing_is_named(void **state)
{
	(void)state;
	static const struct {
		void (*put)(struct archive *a);
		const char *kernel;
		int result;
		enum diag_code code;
	} cases[] = {
		{ put_no_ext4, "/boot/vmlinuz-6.1", -1, MVP0412 },
		{ put_needed, "/boot/Image", -1, MVP0410 },
		{ put_needed, "/boot/vmlinuz-", -1, MVP0410 },
		{ put_nothing, "/boot/vmlinuz-6.1", 0, MVP0413 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct fixture f CLEANUP(fixture_fini);
		uint8_t *data CLEANUP_FREE = NULL;
		size_t len;
		load(&f, cases[i].put);
		assert_int_equal(build(&f, cases[i].kernel, &data, &len), cases[i].result);
		assert_int_equal(diag_count(f.d), 1);
		assert_int_equal(diag_get(f.d, 0)->code, cases[i].code);
	}
	struct fixture f CLEANUP(fixture_fini);
	load(&f, put_needed);
	struct initrd_opts o = { .kernel_path = "/boot/vmlinuz-6.1", .init_file = "/nowhere/init" };
	uint8_t *data = NULL;
	size_t len;
	assert_int_equal(initrd_build(f.tree, &o, &data, &len, f.d), -1);
	assert_int_equal(diag_get(f.d, 0)->code, MVP0414);
}

static void put_kernel_and_more(struct archive *a)
{
	put_needed(a);
	put_packed(a, MODULES "kernel/packed.ko.xz", "depends=", 9, archive_write_add_filter_xz);
	tar_file(a, MODULES "modules.builtin", "kernel/drivers/virtio/virtio.ko\n");
	tar_file(a, MODULES "vmlinux", "not wanted");
	tar_file(a, "usr/lib/modules/6.2/kernel/other.ko", "of another kernel");
	tar_symlink(a, MODULES "kernel/linked.ko", "ext4.ko");
}

/* What the modules are found in makes no difference. */
static void test_modules_of_an_image_are_those_of_its_layers(void **state)
{
	(void)state;
	struct fixture f CLEANUP(fixture_fini);
	struct image *system CLEANUP(image_freep) = NULL;
	uint8_t *from_layers CLEANUP_FREE = NULL, *from_image CLEANUP_FREE = NULL;
	size_t layers_len, image_len;
	load(&f, put_kernel_and_more);
	const struct ext4_opts opts = { .label = "system", .epoch = FIXTURE_EPOCH, .tmp_dir = tmpdir_path(f.dir), .read_only = true };
	assert_int_equal(ext4_build(f.tree, &opts, &system, f.d), 0);
	assert_int_equal(build(&f, "/boot/vmlinuz-6.1", &from_layers, &layers_len), 0);
	tree_free(f.tree);
	f.tree = NULL;
	assert_int_equal(modules_of_image(system, "system", "6.1", FIXTURE_EPOCH, opts.tmp_dir, &f.tree, f.d), 0);
	assert_non_null(tree_find(f.tree, "/lib/modules/6.1/kernel/ext4.ko"));
	assert_non_null(tree_find(f.tree, "/lib/modules/6.1/kernel/packed.ko.xz"));
	assert_non_null(tree_find(f.tree, "/lib/modules/6.1/modules.builtin"));
	assert_null(tree_find(f.tree, "/lib/modules/6.1/vmlinux"));
	assert_null(tree_find(f.tree, "/lib/modules/6.1/kernel/linked.ko"));
	assert_null(tree_find(f.tree, "/lib/modules/6.2"));
	ASSERT_ORDER(&f, "virtio", "");
	assert_int_equal(build(&f, "/boot/vmlinuz-6.1", &from_image, &image_len), 0);
	assert_int_equal(layers_len, image_len);
	assert_memory_equal(from_layers, from_image, image_len);
	assert_int_equal(diag_count(f.d), 0);
}

static void test_an_image_without_modules_gives_none(void **state)
{
	(void)state;
	struct fixture f CLEANUP(fixture_fini);
	struct image *system CLEANUP(image_freep) = NULL, *none CLEANUP(image_freep) = image_hole(65536);
	uint8_t *data CLEANUP_FREE = NULL;
	size_t len;
	load(&f, put_nothing);
	const struct ext4_opts opts = { .label = "system", .epoch = FIXTURE_EPOCH, .tmp_dir = tmpdir_path(f.dir), .read_only = true };
	assert_int_equal(ext4_build(f.tree, &opts, &system, f.d), 0);
	tree_free(f.tree);
	f.tree = NULL;
	assert_int_equal(modules_of_image(system, "system", "6.1", FIXTURE_EPOCH, opts.tmp_dir, &f.tree, f.d), 0);
	assert_int_equal(build(&f, "/boot/vmlinuz-6.1", &data, &len), 0);
	assert_int_equal(diag_count(f.d), 1);
	assert_int_equal(diag_get(f.d, 0)->code, MVP0413);
	tree_free(f.tree);
	f.tree = NULL;
	assert_int_equal(modules_of_image(none, "none", "6.1", FIXTURE_EPOCH, opts.tmp_dir, &f.tree, f.d), -1);
	assert_null(f.tree);
	assert_int_equal(diag_get(f.d, 1)->code, MVP0009);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_modules_of_an_image_are_those_of_its_layers),
		cmocka_unit_test(test_an_image_without_modules_gives_none),
		cmocka_unit_test(test_dependencies_come_first),
		cmocka_unit_test(test_damaged_modules_are_reported),
		cmocka_unit_test(test_the_archive_holds_init_modules_and_their_order),
		cmocka_unit_test(test_what_is_missing_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
