/* Two images, taken apart and compared: what differs is named, and nothing else. */
#include "tests/unit/fixture_layer.h"

#include <openssl/sha.h>
#include <unistd.h>

#include "imagegen/avb/avb.h"
#include "imagegen/base/buf.h"
#include "imagegen/base/bytes.h"
#include "imagegen/base/num.h"
#include "imagegen/diff/facts.h"
#include "imagegen/fs/ext4.h"
#include "imagegen/fs/ext4_list.h"
#include "imagegen/gpt/gpt.h"
#include "imagegen/graph/repro.h"
#include "imagegen/lp/lp_write.h"

/* The differences as text, one a line. */
static void collect(void *ctx, const struct fact *was, const struct fact *is)
{
	struct buf *b = ctx;
	buf_printf(b, "%c %s\n", !was ? '+' : !is ? '-' : '~', was ? was->where : is->where);
}

static void write_image(const char *path, const struct image *img, struct diag *d)
{
	uint8_t *all CLEANUP_FREE = mem_zeroed(1, image_len(img));
	FILE *f CLEANUP(file_closep) = fopen(path, "we");
	assert_non_null(f);
	assert_int_equal(image_read(img, 0, all, (size_t)image_len(img), d), 0);
	assert_int_equal(fwrite(all, 1, (size_t)image_len(img), f), image_len(img));
}

static void gather(const char *path, struct facts *ret)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	int r = facts_gather(path, "/tmp", ret, d);
	for (size_t i = 0; i < diag_count(d); i++)
		print_message("%s\n", diag_get(d, i)->message);
	assert_int_equal(r, 0);
	assert_int_equal(diag_count(d), 0);
}

/* What two trees may differ in. */
struct variant {
	const char *hosts;
	unsigned mode;
	bool extra, label;
};

static void make_fs(struct fixture *f, const struct variant *v, struct image **ret)
{
	struct archive *a = fixture_tar(f, "a.tar", NULL);
	const struct ext4_opts o = { .label = "system",
				     .uuid = { 1 },
				     .hash_seed = { 2 },
				     .epoch = FIXTURE_EPOCH,
				     .read_only = true,
				     .tmp_dir = "/tmp",
				     .len = 8 * MIB };
	tar_file(a, "etc/hosts", v->hosts);
	tar_put(a, tar_entry("etc/shadow", S_IFREG | v->mode), "x", 1);
	tar_symlink(a, "etc/mtab", "/proc/self/mounts");
	struct archive_entry *e = tar_entry("bin/su", S_IFREG | 0755);
	if (v->label)
		archive_entry_xattr_add_entry(e, "security.selinux", "label", 6);
	tar_put(a, e, "su", 2);
	e = tar_entry("dev/big", S_IFBLK | 0660);
	archive_entry_set_rdevmajor(e, 259);
	archive_entry_set_rdevminor(e, 70000);
	tar_put(a, e, NULL, 0);
	if (v->extra)
		tar_file(a, "etc/extra", "new");
	tar_close(a);
	fixture_layer(f, LAYER_TAR, "a.tar");
	fixture_loads(f);
	assert_int_equal(ext4_build(f->tree, &o, ret, f->d), 0);
}

/* A disk with the file system in its second partition; the file's path is malloc'd. */
static char *make_disk(struct fixture *f, const struct variant *v)
{
	static const uint8_t uuid[16] = { 7 };
	struct image *fs CLEANUP(image_freep) = NULL, *disk CLEANUP(image_freep) = NULL;
	make_fs(f, v, &fs);
	struct gpt_part parts[] = { { .name = "other", .len = MIB, .uuid = { 1 } }, { .name = "system", .img = fs, .uuid = { 2 } } };
	memcpy(parts[0].type, gpt_type_linux, 16);
	memcpy(parts[1].type, gpt_type_linux, 16);
	assert_int_equal(gpt_compose(parts, 2, uuid, 0, &disk, f->d), 0);
	char *path = fixture_path(f, "disk.img");
	write_image(path, disk, f->d);
	return path;
}

static const struct variant plain = { .hosts = "localhost", .mode = 0600 };

/* The differences between the plain disk and that of v. */
static void compare(const struct variant *v, const char *want)
{
	struct fixture f CLEANUP(fixture_fini), g CLEANUP(fixture_fini);
	struct facts a CLEANUP(facts_fini) = { 0 }, b CLEANUP(facts_fini) = { 0 };
	struct buf out CLEANUP(buf_fini) = BUF_INIT;
	fixture_init(&f);
	fixture_init(&g);
	char *first CLEANUP_FREE = make_disk(&f, &plain), *second CLEANUP_FREE = make_disk(&g, v);
	gather(first, &a);
	gather(second, &b);
	(void)facts_compare(&a, &b, collect, &out);
	assert_string_equal(buf_str(&out), want);
}

static void test_diff_names_what_differs(void **state)
{
	(void)state;
	compare(&plain, "");
	compare(&(struct variant){ .hosts = "localhosT", .mode = 0600 }, "~ system\n~ system:/etc/hosts\n");
	compare(&(struct variant){ .hosts = "localhost", .mode = 0640 }, "~ system\n~ system:/etc/shadow\n");
	compare(&(struct variant){ .hosts = "localhost", .mode = 0600, .label = true }, "~ system\n~ system:/bin/su\n");
	compare(&(struct variant){ .hosts = "localhost", .mode = 0600, .extra = true }, "~ system\n+ system:/etc/extra\n");
}

static const struct fact *find(const struct facts *f, const char *where)
{
	for (size_t i = 0; i < f->count; i++)
		if (strcmp(f->v[i].where, where) == 0)
			return &f->v[i];
	fail_msg("nothing is said of %s", where);
	return NULL;
}

static void has(const struct fact *f, const char *name, const char *want)
{
	const char *got = fact_value(f, name, strlen(name));
	assert_non_null(got);
	assert_string_equal(got, want);
}

static void test_facts_are_those_of_the_layers(void **state)
{
	(void)state;
	struct fixture f CLEANUP(fixture_fini);
	struct facts a CLEANUP(facts_fini) = { 0 };
	fixture_init(&f);
	char *path CLEANUP_FREE = make_disk(&f, &(struct variant){ .hosts = "abc", .mode = 04755, .label = true });
	gather(path, &a);
	const struct fact *hosts = find(&a, "system:/etc/hosts");
	has(hosts, "type", "file");
	has(hosts, "mode", "0644");
	has(hosts, "owner", "0:0");
	has(hosts, "size", "3");
	has(hosts, "sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"); /* FIPS 180-2, B.1 */
	assert_null(fact_value(hosts, "attributes", 10));
	assert_non_null(fact_value(find(&a, "system:/bin/su"), "attributes", 10));
	has(find(&a, "system:/etc/shadow"), "mode", "4755");
	has(find(&a, "system:/etc/mtab"), "target", "/proc/self/mounts");
	has(find(&a, "system:/dev/big"), "device", "b 259:70000");
	has(find(&a, "."), "kind", "GPT disk");
	has(find(&a, "system"), "kind", "ext4 file system");
	has(find(&a, "system"), "label", "system");
}

/* Where the content of /etc/hosts lies. */
static uint64_t place_of(const struct image *img, const char *text, struct diag *d)
{
	uint8_t block[4096];
	for (uint64_t at = 0; at < image_len(img); at += sizeof(block)) {
		assert_int_equal(image_read(img, at, block, sizeof(block), d), 0);
		if (memcmp(block, text, strlen(text)) == 0)
			return at;
	}
	fail_msg("the text is nowhere");
	return 0;
}

static void test_a_block_has_an_owner(void **state)
{
	(void)state;
	struct fixture f CLEANUP(fixture_fini);
	struct image *fs CLEANUP(image_freep) = NULL;
	char *what = NULL;
	fixture_init(&f);
	make_fs(&f, &(struct variant){ .hosts = "the content of a file", .mode = 0600 }, &fs);
	assert_int_equal(ext4_owner(fs, "fs", place_of(fs, "the content of a file", f.d) + 5, &what, f.d), 0);
	assert_string_equal(what, "/etc/hosts");
	free(what);
	assert_int_equal(ext4_owner(fs, "fs", 1024, &what, f.d), 0);
	assert_non_null(strstr(what, "superblock"));
	free(what);
	assert_int_equal(ext4_owner(fs, "fs", image_len(fs), &what, f.d), 0);
	assert_non_null(strstr(what, "hash tree"));
	free(what);
}

/* A text in a note of the only diagnostic. */
static bool noted(const struct diag *d, const char *text)
{
	const struct diag_item *it = diag_get(d, 0);
	for (size_t i = 0; i < it->notes_count; i++)
		if (strstr(it->notes[i], text))
			return true;
	return false;
}

static void test_a_file_is_read_by_its_name(void **state)
{
	(void)state;
	struct fixture f CLEANUP(fixture_fini);
	struct image *fs CLEANUP(image_freep) = NULL;
	const struct loc loc = LOC_FILE("manifest.yaml");
	uint8_t *data CLEANUP_FREE = NULL;
	char *path CLEANUP_FREE = NULL;
	size_t len;
	fixture_init(&f);
	make_fs(&f, &plain, &fs);
	assert_int_equal(ext4_read_file(fs, "fs", "/etc/h*s", 100, &loc, &data, &len, &path, f.d), 0);
	assert_string_equal(path, "/etc/hosts");
	assert_int_equal(len, 9);
	assert_memory_equal(data, "localhost", 9);
	free(TAKE(data));
	free(TAKE(path));
	assert_int_equal(ext4_read_file(fs, "fs", "/etc/hosts", 8, &loc, &data, &len, &path, f.d), -1);
	assert_int_equal(ext4_read_file(fs, "fs", "/etc/*", 100, &loc, &data, &len, &path, f.d), -1);
	assert_int_equal(ext4_read_file(fs, "fs", "/h*", 100, &loc, &data, &len, &path, f.d), -1);
	assert_int_equal(diag_get(f.d, 0)->code, MVP0307);
	assert_int_equal(diag_get(f.d, 1)->code, MVP0312);
	assert_int_equal(diag_get(f.d, 2)->code, MVP0311);
}

static void test_another_build_is_told_by_extent_and_file(void **state)
{
	(void)state;
	struct fixture f CLEANUP(fixture_fini), g CLEANUP(fixture_fini);
	struct diag *d CLEANUP(diag_freep) = diag_new();
	fixture_init(&f);
	fixture_init(&g);
	char *a CLEANUP_FREE = make_disk(&f, &plain), *b CLEANUP_FREE = make_disk(&g, &plain);
	assert_int_equal(repro_compare(a, b, "/tmp", d), 0);
	assert_int_equal(diag_count(d), 0);
	/* One byte of the file's content, as if a build had left it to chance. */
	struct image *img CLEANUP(image_freep) = NULL;
	assert_int_equal(image_open(b, &img), 0);
	uint64_t at = place_of(img, plain.hosts, d);
	FILE *file = fopen(b, "r+e");
	assert_non_null(file);
	assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
	assert_int_equal(fputc('L', file), 'L');
	assert_int_equal(fclose(file), 0);
	assert_int_equal(repro_compare(a, b, "/tmp", d), -1);
	assert_int_equal(diag_count(d), 1);
	assert_int_equal(diag_get(d, 0)->code, MVP0834);
	char *extent CLEANUP_FREE = mem_printf("1 blocks of 4 KiB differ, in 1 extents; the first extent is bytes %llu to %llu",
					       (unsigned long long)at, (unsigned long long)at + 4095);
	assert_true(noted(d, extent));
	assert_true(noted(d, "partition system"));
	assert_true(noted(d, "in the file system: /etc/hosts"));
	assert_true(noted(d, "differs: system:/etc/hosts"));
	assert_false(noted(d, "/etc/shadow"));
}

/* A file system with any of its blocks damaged is read, or refused; never more. */
static void test_a_damaged_file_system_is_survived(void **state)
{
	(void)state;
	struct fixture f CLEANUP(fixture_fini);
	struct image *fs CLEANUP(image_freep) = NULL;
	fixture_init(&f);
	make_fs(&f, &plain, &fs);
	char *path CLEANUP_FREE = fixture_path(&f, "damaged.img");
	size_t len = (size_t)image_len(fs);
	uint8_t *all CLEANUP_FREE = mem_zeroed(1, len);
	assert_int_equal(image_read(fs, 0, all, len, f.d), 0);
	for (size_t block = 0; block < 48; block++) {
		struct diag *d CLEANUP(diag_freep) = diag_new();
		struct facts a CLEANUP(facts_fini) = { 0 };
		uint8_t *copy = mem_zeroed(1, len);
		memcpy(copy, all, len);
		for (size_t i = 0; i < 4096; i += 3)
			copy[block * 4096 + i] ^= (uint8_t)(0x55 + i * block);
		struct image *img CLEANUP(image_freep) = image_mem(copy, len);
		write_image(path, img, d);
		int r = facts_gather(path, "/tmp", &a, d);
		assert_true(r == 0 ? a.count > 0 : diag_errors(d) > 0);
	}
}

static void test_a_tar_is_taken_apart(void **state)
{
	(void)state;
	struct fixture f CLEANUP(fixture_fini);
	struct facts a CLEANUP(facts_fini) = { 0 };
	fixture_init(&f);
	struct archive *t = fixture_tar(&f, "b.tar", NULL);
	tar_file(t, "x/one", "abc");
	tar_file(t, "two", "");
	tar_close(t);
	char *path CLEANUP_FREE = fixture_path(&f, "b.tar");
	gather(path, &a);
	assert_int_equal(a.count, 2);
	has(find(&a, "x/one"), "sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	has(find(&a, "two"), "size", "0");
}

enum { LP_METADATA = 4096, LP_METADATA_AT = 12288, LP_HEADER = 128 };

/* A super partition with "odm", empty, "system" of a file system, and "zeros"; malloc'd. */
static uint8_t *make_super(struct fixture *f, size_t *ret_len)
{
	struct image *fs CLEANUP(image_freep) = NULL, *super CLEANUP(image_freep) = NULL, *zeros CLEANUP(image_freep) = image_hole(MIB);
	struct buf empty CLEANUP(buf_fini) = BUF_INIT;
	make_fs(f, &plain, &fs);
	const struct lp_new parts[] = { { "odm", 0, 0, NULL }, { "system", LP_READONLY, 0, fs }, { "zeros", 0, 0, zeros } };
	const struct lp_opts o = { .device = "super", .metadata_len = LP_METADATA, .slots = 1, .parts = parts, .parts_count = 3 };
	assert_int_equal(lp_compose(&o, &super, &empty, f->d), 0);
	*ret_len = (size_t)image_len(super);
	uint8_t *all = mem_zeroed(1, *ret_len);
	assert_int_equal(image_read(super, 0, all, *ret_len, f->d), 0);
	return all;
}

static void gather_bytes(struct fixture *f, uint8_t *bytes TAKES, size_t len, struct facts *ret)
{
	struct image *img CLEANUP(image_freep) = image_mem(bytes, len);
	char *path CLEANUP_FREE = fixture_path(f, "bytes.img");
	write_image(path, img, f->d);
	gather(path, ret);
}

static void test_logical_partitions_are_taken_apart(void **state)
{
	(void)state;
	struct fixture f CLEANUP(fixture_fini);
	struct facts a CLEANUP(facts_fini) = { 0 };
	size_t len;
	fixture_init(&f);
	uint8_t *bytes = make_super(&f, &len);
	gather_bytes(&f, bytes, len, &a);
	has(find(&a, "."), "kind", "super partition");
	has(find(&a, "system"), "kind", "ext4 file system");
	has(find(&a, "system"), "label", "system");
	has(find(&a, "system"), "partition attributes", "0x1");
	has(find(&a, "system:/etc/hosts"), "size", "9");
	has(find(&a, "odm"), "size", "0");
	has(find(&a, "zeros"), "size", "1048576");
}

/* Zeros take no room in super: a partition of them may be longer than all of it. */
static void test_a_logical_partition_is_longer_than_super(void **state)
{
	(void)state;
	struct fixture f CLEANUP(fixture_fini);
	struct facts a CLEANUP(facts_fini) = { 0 };
	size_t len;
	fixture_init(&f);
	uint8_t *bytes = make_super(&f, &len), *m = bytes + LP_METADATA_AT, *zeros = m + LP_HEADER + get_le32(m + 92) + 24;
	put_le64(zeros, 2 * len / 512);
	put_le32(zeros + 8, 1);
	SHA256(m + LP_HEADER, get_le32(m + 44), m + 48);
	memset(m + 12, 0, 32);
	uint8_t sum[32];
	memcpy(m + 12, SHA256(m, LP_HEADER, sum), 32);
	gather_bytes(&f, bytes, len, &a);
	char want[24];
	(void)snprintf(want, sizeof(want), "%zu", 2 * len);
	has(find(&a, "zeros"), "size", want);
	has(find(&a, "system:/etc/hosts"), "size", "9");
}

static void gather_vbmeta(struct fixture *f, uint64_t rollback_index, uint32_t flags, uint8_t digest, struct facts *ret)
{
	struct avb a CLEANUP(avb_fini) = AVB_INIT;
	const struct avb_digest h = { .digest = { digest } };
	const struct avb_opts o = { .rollback_index = rollback_index, .flags = flags };
	uint8_t *vbmeta = NULL;
	size_t len;
	avb_add_hash(&a, "boot", 4096, &h);
	assert_int_equal(avb_emit(&a, &o, &vbmeta, &len, f->d), 0);
	gather_bytes(f, vbmeta, len, ret);
}

static void test_facts_of_a_vbmeta_image(void **state)
{
	(void)state;
	struct fixture f CLEANUP(fixture_fini);
	struct facts a CLEANUP(facts_fini) = { 0 }, b CLEANUP(facts_fini) = { 0 };
	fixture_init(&f);
	gather_vbmeta(&f, 7, 0, 1, &a);
	gather_vbmeta(&f, 8, 2, 2, &b);
	const struct fact *was = find(&a, "."), *is = find(&b, ".");
	has(was, "kind", "vbmeta image");
	has(was, "rollback index", "7");
	has(is, "rollback index", "8");
	has(was, "flags", "0x0");
	has(is, "flags", "0x2");
	static const char name[] = "descriptor 2 boot";
	assert_string_not_equal(fact_value(was, name, strlen(name)), fact_value(is, name, strlen(name)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_diff_names_what_differs),
		cmocka_unit_test(test_facts_are_those_of_the_layers),
		cmocka_unit_test(test_a_file_is_read_by_its_name),
		cmocka_unit_test(test_a_block_has_an_owner),
		cmocka_unit_test(test_a_damaged_file_system_is_survived),
		cmocka_unit_test(test_a_tar_is_taken_apart),
		cmocka_unit_test(test_logical_partitions_are_taken_apart),
		cmocka_unit_test(test_a_logical_partition_is_longer_than_super),
		cmocka_unit_test(test_facts_of_a_vbmeta_image),
		cmocka_unit_test(test_another_build_is_told_by_extent_and_file),
	};
	return cmocka_run_group_tests_name("diff", tests, NULL, NULL);
}
