/* What ext4_build writes is judged by e2fsck and debugfs, which share no code with the part that lays out inodes, folders and extents here.
 */
#include "tests/unit/fixture_layer.h"

#include <spawn.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "imagegen/base/buf.h"
#include "imagegen/base/num.h"
#include "imagegen/fs/ext4.h"

static const struct ext4_opts defaults = {
	.label = "system",
	.uuid = { 1, 2, 3, 4, 5, 6, 0x47, 8, 0x89, 10, 11, 12, 13, 14, 15, 16 },
	.hash_seed = { 9, 8, 7, 6, 5, 4, 0x43, 2, 0x81, 1, 1, 1, 1, 1, 1, 1 },
	.read_only = true,
	.epoch = FIXTURE_EPOCH,
	.tmp_dir = "/tmp",
};

/* Exit status of a program; its output, standard error included, in out (may be NULL). */
static int run(const char *const *argv, struct buf *out)
{
	int ends[2], status;
	pid_t pid;
	posix_spawn_file_actions_t actions;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
	assert_int_equal(posix_spawn_file_actions_adddup2(&actions, ends[1], 1), 0);
	assert_int_equal(posix_spawn_file_actions_adddup2(&actions, ends[1], 2), 0);
	const char *path = getenv("PATH");
	char *with_sbin = mem_printf("PATH=%s:/usr/sbin:/sbin", path ? path : "/usr/bin:/bin");
	char *env[] = { with_sbin, NULL };
	(void)setenv("PATH", with_sbin + 5, 1);
	assert_int_equal(posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, env), 0);
	free(with_sbin);
	(void)posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	uint8_t *text CLEANUP_FREE = NULL;
	size_t len;
	assert_int_equal(io_read_fd(ends[0], 64 << 20, &text, &len), 0);
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (out)
		(void)buf_append(out, text, len);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Writes the image out, holes as holes, checking that extents are maximal and that reads of any piece agree. */
static void save(const struct fixture *f, const struct image *img, const char *path)
{
	int fd CLEANUP(fd_closep) = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	uint64_t len = image_len(img), at = 0;
	bool was_data = false;
	uint8_t *piece CLEANUP_FREE = mem_zeroed(1, 1 << 20);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)len), 0);
	while (at < len) {
		struct extent e = image_extent(img, at);
		assert_int_equal(e.at, at);
		assert_true(e.len > 0 && num_inside(e.at, e.len, len));
		assert_true(at == 0 || e.data != was_data);
		was_data = e.data;
		for (uint64_t end = at + e.len; at < end;) {
			size_t n = (size_t)num_min((1 << 20) - 4096 + at % 4096, end - at); /* pieces of odd lengths */
			if (e.data) {
				assert_int_equal(image_read(img, at, piece, n, f->d), 0);
				assert_int_equal(io_pwrite_all(fd, piece, n, at), 0);
			}
			at += n;
		}
	}
}

static void check_clean(const char *path)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT;
	int status = run((const char *const[]){ "e2fsck", "-fn", path, NULL }, &out);
	if (status != 0)
		print_error("%s\n", buf_str(&out));
	assert_int_equal(status, 0);
}

static char *debugfs(const char *path, const char *request)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT;
	assert_int_equal(run((const char *const[]){ "debugfs", "-R", request, path, NULL }, &out), 0);
	return mem_strdup(buf_str(&out));
}

#define ASSERT_DEBUGFS(path, request, expected) \
	do { \
		char *got_ CLEANUP_FREE = debugfs(path, request); \
		if (!strstr(got_, expected)) \
			print_error("%s: no '%s' in:\n%s\n", request, expected, got_); \
		assert_non_null(strstr(got_, expected)); \
	} while (0)

/* Builds and checks; the caller frees the path. */
static char *build(struct fixture *f, const struct ext4_opts *o, struct image **ret_img)
{
	struct image *img CLEANUP(image_freep) = NULL;
	int r = ext4_build(f->tree, o, &img, f->d);
	for (size_t i = 0; r < 0 && i < diag_count(f->d); i++)
		print_error("%s\n", diag_get(f->d, i)->message);
	assert_int_equal(r, 0);
	char *path = fixture_path(f, "fs.img");
	save(f, img, path);
	check_clean(path);
	if (ret_img)
		*ret_img = TAKE(img);
	return path;
}

static void test_every_kind_of_entry_is_written(void **state)
{
	(void)state;
	struct fixture f CLEANUP(fixture_fini);
	fixture_init(&f);
	char slow[201], link[260];
	memset(slow, 's', 200);
	slow[200] = '\0';
	struct archive *a = fixture_tar(&f, "a.tar", NULL);
	struct archive_entry *e = tar_entry("etc/file", S_IFREG | 04751);
	archive_entry_set_uid(e, 70000);
	archive_entry_set_gid(e, 80000);
	archive_entry_set_mtime(e, 1234567890, 123456789);
	tar_put(a, e, "content\n", 8);
	e = tar_entry("etc/new", S_IFREG | 0644);
	archive_entry_set_mtime(e, 1800000000, 5);
	tar_put(a, e, NULL, 0);
	tar_hardlink(a, "etc/second", "etc/file");
	tar_symlink(a, "fast", "etc/file");
	tar_symlink(a, "slow", slow);
	(void)snprintf(link, sizeof link, "%.59s", slow);
	tar_symlink(a, "edge", link);
	(void)snprintf(link, sizeof link, "%.60s", slow);
	tar_symlink(a, "over", link);
	e = tar_entry("dev/old", S_IFCHR | 0600);
	archive_entry_set_rdevmajor(e, 5);
	archive_entry_set_rdevminor(e, 1);
	tar_put(a, e, NULL, 0);
	e = tar_entry("dev/new", S_IFBLK | 0600);
	archive_entry_set_rdevmajor(e, 259);
	archive_entry_set_rdevminor(e, 70000);
	tar_put(a, e, NULL, 0);
	tar_put(a, tar_entry("fifo", S_IFIFO | 0622), NULL, 0);
	tar_close(a);
	fixture_layer(&f, LAYER_TAR, "a.tar");
	fixture_loads(&f);
	char *img CLEANUP_FREE = build(&f, &defaults, NULL);
	ASSERT_DEBUGFS(img, "stat /etc/file", "Type: regular    Mode:  04751");
	ASSERT_DEBUGFS(img, "stat /etc/file", "User: 70000   Group: 80000");
	ASSERT_DEBUGFS(img, "stat /etc/file", "Links: 2");
	ASSERT_DEBUGFS(img, "stat /etc/file", "mtime: 0x499602d2:1d6f3454"); /* nanoseconds above two epoch bits */
	ASSERT_DEBUGFS(img, "stat /etc/new", "mtime: 0x6553f100:00000000");
	ASSERT_DEBUGFS(img, "cat /etc/second", "content\n");
	ASSERT_DEBUGFS(img, "stat /fast", "Fast link dest: \"etc/file\"");
	ASSERT_DEBUGFS(img, "stat /edge", "Fast link dest: \"sssss");
	ASSERT_DEBUGFS(img, "stat /over", "EXTENTS:");
	ASSERT_DEBUGFS(img, "stat /slow", "Size: 200");
	ASSERT_DEBUGFS(img, "stat /dev/old", "Device major/minor number: 05:01");
	ASSERT_DEBUGFS(img, "stat /dev/new", "Device major/minor number: 259:70000");
	ASSERT_DEBUGFS(img, "stat /fifo", "Type: FIFO    Mode:  0622");
	ASSERT_DEBUGFS(img, "stat /tmp", "Mode:  01777");
	ASSERT_DEBUGFS(img, "stat /lost+found", "Type: directory    Mode:  0700");
	ASSERT_DEBUGFS(img, "stats", "Filesystem UUID:          01020304-0506-4708-890a-0b0c0d0e0f10");
	ASSERT_DEBUGFS(img, "stats", "Filesystem volume name:   system");
	ASSERT_DEBUGFS(img, "stats", "metadata_csum");
}

static void test_attributes_lie_in_the_inode_or_in_a_block(void **state)
{
	(void)state;
	struct fixture f CLEANUP(fixture_fini);
	fixture_init(&f);
	static const char label[] = "system_u:object_r:etc_t:s0";
	char big[3000];
	memset(big, 'b', sizeof big);
	struct archive *a = fixture_tar(&f, "a.tar", NULL);
	struct archive_entry *e = tar_entry("small", S_IFREG | 0644);
	archive_entry_xattr_add_entry(e, "security.selinux", label, sizeof label);
	tar_put(a, e, "x", 1);
	e = tar_entry("large", S_IFREG | 0644);
	archive_entry_xattr_add_entry(e, "security.selinux", label, sizeof label);
	archive_entry_xattr_add_entry(e, "user.big", big, sizeof big);
	tar_put(a, e, "x", 1);
	e = tar_entry("shared", S_IFDIR | 0755);
	archive_entry_acl_add_entry(e, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, 7, ARCHIVE_ENTRY_ACL_USER_OBJ, -1, NULL);
	archive_entry_acl_add_entry(e, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, 5, ARCHIVE_ENTRY_ACL_USER, 1000, NULL);
	archive_entry_acl_add_entry(e, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, 5, ARCHIVE_ENTRY_ACL_GROUP_OBJ, -1, NULL);
	archive_entry_acl_add_entry(e, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, 5, ARCHIVE_ENTRY_ACL_MASK, -1, NULL);
	archive_entry_acl_add_entry(e, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, 5, ARCHIVE_ENTRY_ACL_OTHER, -1, NULL);
	tar_put(a, e, NULL, 0);
	tar_close(a);
	fixture_layer(&f, LAYER_TAR, "a.tar");
	fixture_loads(&f);
	char *img CLEANUP_FREE = build(&f, &defaults, NULL);
	ASSERT_DEBUGFS(img, "stat /small", "File ACL: 0");
	ASSERT_DEBUGFS(img, "ea_get /small security.selinux", label);
	ASSERT_DEBUGFS(img, "ea_get /large security.selinux", label);
	ASSERT_DEBUGFS(img, "ea_list /large", "user.big (3000)");
	ASSERT_DEBUGFS(img, "ea_list /shared", "system.posix_acl_access (28)"); /* ext4's form: 4 and five entries, one with an id */
}

static void test_attributes_too_large_are_refused(void **state)
{
	(void)state;
	struct fixture f CLEANUP(fixture_fini);
	fixture_init(&f);
	char big[5000];
	memset(big, 'b', sizeof big);
	struct archive *a = fixture_tar(&f, "a.tar", NULL);
	struct archive_entry *e = tar_entry("f", S_IFREG | 0644);
	archive_entry_xattr_add_entry(e, "user.big", big, sizeof big);
	tar_put(a, e, "x", 1);
	tar_close(a);
	fixture_layer(&f, LAYER_TAR, "a.tar");
	fixture_loads(&f);
	struct image *img = NULL;
	assert_int_equal(ext4_build(f.tree, &defaults, &img, f.d), -1);
	assert_int_equal(diag_count(f.d), 1);
	assert_int_equal(diag_get(f.d, 0)->code, MVP0404);
	assert_non_null(strstr(diag_get(f.d, 0)->message, "'/f'"));
}

/* Folders of all sizes around the steps: one block, index of one level, index of two levels. */
static void test_large_folders_are_indexed(void **state)
{
	(void)state;
	static const struct {
		int count, name_len;
		const char *flags;
	} cases[] = {
		{ 3, 20, "0x80000" }, { 145, 20, "0x80000" }, { 146, 20, "0x81000" }, { 65000, 20, "0x81000" }, { 9000, 240, "0x81000" }
	};
	for (size_t c = 0; c < ARRAY_LEN(cases); c++) {
		struct fixture f CLEANUP(fixture_fini);
		fixture_init(&f);
		char name[256];
		struct archive *a = fixture_tar(&f, "a.tar", NULL);
		for (int i = 0; i < cases[c].count; i++) {
			(void)snprintf(name, sizeof name, "d/%0*d", cases[c].name_len, i);
			if (c == 3)
				tar_dir(a, name, 0755); /* more folders than a link count holds */
			else
				tar_file(a, name, "");
		}
		tar_close(a);
		fixture_layer(&f, LAYER_TAR, "a.tar");
		fixture_loads(&f);
		char *img CLEANUP_FREE = build(&f, &defaults, NULL);
		ASSERT_DEBUGFS(img, "stat /d", cases[c].flags);
		/* By its index, as a look-up goes. */
		(void)snprintf(name, sizeof name, "stat /d/%0*d", cases[c].name_len, cases[c].count - 1);
		char *found CLEANUP_FREE = debugfs(img, name);
		assert_non_null(strstr(found, c == 3 ? "Type: directory" : "Type: regular"));
		if (c == 3)
			ASSERT_DEBUGFS(img, "stat /d", "Links: 1 ");
		if (cases[c].flags[4] == '1') {
			char *dump CLEANUP_FREE = debugfs(img, "htree_dump /d");
			assert_non_null(strstr(dump, c == 4 ? "Indirect levels: 1" : "Indirect levels: 0"));
		}
	}
}

/* A sparse file of many runs: extents in the inode, in one leaf, in several, and below a second level. */
static void test_extent_trees_of_all_depths(void **state)
{
	(void)state;
	static const size_t runs[] = { 1, 4, 5, 340, 341, 1360, 1361, 1800 };
	for (size_t c = 0; c < ARRAY_LEN(runs); c++) {
		struct fixture f CLEANUP(fixture_fini);
		fixture_init(&f);
		size_t step = 17 * 4096, len = runs[c] * step;
		uint8_t *data CLEANUP_FREE = mem_zeroed(len, 1);
		for (size_t i = 0; i < runs[c]; i++)
			(void)snprintf((char *)data + i * step, 64, "run %zu", i);
		struct archive *a = fixture_tar(&f, "a.tar", NULL);
		tar_put(a, tar_entry("sparse", S_IFREG | 0644), data, len);
		tar_close(a);
		fixture_layer(&f, LAYER_TAR, "a.tar");
		fixture_loads(&f);
		char *img CLEANUP_FREE = build(&f, &defaults, NULL), *out CLEANUP_FREE = fixture_path(&f, "out");
		char *request CLEANUP_FREE = mem_printf("dump /sparse %s", out), *log CLEANUP_FREE = debugfs(img, request);
		uint8_t *back CLEANUP_FREE = NULL;
		size_t back_len;
		assert_int_equal(io_read_file(out, len + 1, &back, &back_len), 0);
		assert_int_equal(back_len, len);
		assert_memory_equal(back, data, len);
		assert_non_null(log);
	}
}

static void put_sample(struct fixture *f)
{
	struct archive *a = fixture_tar(f, "a.tar", NULL);
	char name[64];
	for (int i = 0; i < 3000; i++) {
		(void)snprintf(name, sizeof name, "usr/share/%d/%d", i % 17, i);
		tar_file(a, name, name);
	}
	struct archive_entry *e = tar_entry("usr/labelled", S_IFREG | 0644);
	archive_entry_xattr_add_entry(e, "security.selinux", "label", 6);
	tar_put(a, e, "x", 1);
	tar_close(a);
	fixture_layer(f, LAYER_TAR, "a.tar");
	fixture_loads(f);
}

static void test_equal_input_gives_equal_bytes_at_any_time(void **state)
{
	(void)state;
	uint8_t *first CLEANUP_FREE = NULL, *second CLEANUP_FREE = NULL;
	size_t first_len = 0, second_len = 0;
	for (int i = 0; i < 2; i++) {
		struct fixture f CLEANUP(fixture_fini);
		fixture_init(&f);
		put_sample(&f);
		struct ext4_opts o = defaults;
		o.journal = true;
		o.read_only = false;
		o.epoch = 0; /* not even zero asks the clock */
		mode_t before = umask(i ? 0077 : 0022);
		char *img CLEANUP_FREE = build(&f, &o, NULL);
		(void)umask(before);
		assert_int_equal(io_read_file(img, 256 << 20, i ? &second : &first, i ? &second_len : &first_len), 0);
		if (i == 0)
			sleep(2);
	}
	assert_int_equal(first_len, second_len);
	assert_memory_equal(first, second, first_len);
}

/* Contents that are copied and contents that are not: the same file system, one file longer than an extent can be. */
static void test_where_content_comes_from_is_not_seen(void **state)
{
	(void)state;
	struct image *img[2] = { 0 };
	size_t len = (size_t)140 << 20;
	char *data CLEANUP_FREE = mem_zeroed(len, 1);
	struct fixture f[2];
	for (size_t i = 0; i < len; i += 64)
		memcpy(data + i, &i, i >= ((size_t)90 << 20) && i < ((size_t)90 << 20) + 5 * 4096 ? 0 : sizeof(i));
	for (size_t k = 0; k < 2; k++) {
		fixture_init(&f[k]);
		struct archive *a = fixture_tar(&f[k], "a.tar", k ? archive_write_add_filter_lz4 : NULL);
		tar_put(a, tar_entry("large", S_IFREG | 0644), data, len - 5);
		tar_put(a, tar_entry("other", S_IFREG | 0644), data, 100000);
		tar_close(a);
		fixture_layer(&f[k], LAYER_TAR, "a.tar");
		fixture_loads(&f[k]);
		free(build(&f[k], &defaults, &img[k]));
	}
	assert_int_equal(image_len(img[0]), image_len(img[1]));
	for (uint64_t at = 0; at < image_len(img[0]); at += 1 << 20) {
		static uint8_t piece[2][1 << 20];
		size_t n = (size_t)num_min(1 << 20, image_len(img[0]) - at);
		for (size_t k = 0; k < 2; k++)
			assert_int_equal(image_read(img[k], at, piece[k], n, f[k].d), 0);
		assert_memory_equal(piece[0], piece[1], n);
	}
	for (size_t k = 0; k < 2; k++) {
		image_free(img[k]);
		fixture_fini(&f[k]);
	}
}

static void test_size_is_content_plus_headroom(void **state)
{
	(void)state;
	struct fixture f CLEANUP(fixture_fini);
	fixture_init(&f);
	put_sample(&f);
	struct image *img CLEANUP(image_freep) = NULL;
	char *path CLEANUP_FREE = build(&f, &defaults, &img);
	assert_int_equal(image_len(img) % MIB, 0);
	/* 3000 files of one block, 750 KiB of inodes, 4 MiB to spare. */
	assert_in_range(image_len(img), 16 * MIB, 19 * MIB);
	char *stats CLEANUP_FREE = debugfs(path, "stats");
	const char *blocks = strstr(stats, "Free blocks:");
	assert_non_null(blocks);
	assert_true(strtoul(blocks + 12, NULL, 10) >= 1024);
}

static void test_a_size_given_is_kept_or_refused(void **state)
{
	(void)state;
	struct fixture f CLEANUP(fixture_fini);
	fixture_init(&f);
	put_sample(&f);
	struct ext4_opts o = defaults;
	o.len = 64 * MIB;
	o.loc = (struct loc){ .file = "manifest.yaml", .line = 7, .col = 3 };
	struct image *img CLEANUP(image_freep) = NULL;
	char *path CLEANUP_FREE = build(&f, &o, &img);
	assert_non_null(path);
	assert_int_equal(image_len(img), 64 * MIB);
	o.len = 8 * MIB;
	struct image *none = NULL;
	assert_int_equal(ext4_build(f.tree, &o, &none, f.d), -1);
	assert_int_equal(diag_count(f.d), 1);
	const struct diag_item *item = diag_get(f.d, 0);
	assert_int_equal(item->code, MVP0401);
	assert_int_equal(item->loc.line, 7);
	assert_non_null(strstr(item->message, "8 MiB"));
	assert_int_equal(diag_exit_status(f.d), EXIT_NO_FIT);
	/* The size it names is enough, and a megabyte less is not. */
	const char *needs = strstr(item->message, "needs ");
	assert_non_null(needs);
	o.len = strtoull(needs + 6, NULL, 10) * MIB;
	assert_true(o.len > 8 * MIB);
	char *exact CLEANUP_FREE = build(&f, &o, NULL);
	assert_non_null(exact);
	o.len -= MIB;
	assert_int_equal(ext4_build(f.tree, &o, &none, f.d), -1);
}

static void test_an_empty_file_system_has_a_journal_if_asked(void **state)
{
	(void)state;
	static const uint64_t sizes[] = { 8 * MIB, 16 * MIB, 64 * MIB, 127 * MIB, 129 * MIB, 3 * GIB, 20 * GIB };
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct fixture f CLEANUP(fixture_fini);
		fixture_init(&f);
		struct ext4_opts o = defaults;
		struct image *img CLEANUP(image_freep) = NULL;
		o.journal = true;
		o.read_only = false;
		o.len = sizes[i];
		char *path CLEANUP_FREE = build(&f, &o, &img);
		assert_int_equal(image_len(img), sizes[i]);
		ASSERT_DEBUGFS(path, "stats", "has_journal");
		ASSERT_DEBUGFS(path, "stats", "Filesystem state:         clean");
	}
}

static void test_an_absurdly_small_file_system_is_refused(void **state)
{
	(void)state;
	static const uint64_t sizes[] = { 4096, 64 * KIB, MIB, 4 * MIB };
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct fixture f CLEANUP(fixture_fini);
		fixture_init(&f);
		struct ext4_opts o = defaults;
		struct image *img = NULL;
		o.journal = true;
		o.read_only = false;
		o.len = sizes[i];
		assert_int_equal(ext4_build(NULL, &o, &img, f.d), -1);
		assert_int_equal(diag_count(f.d), 1);
		assert_int_equal(diag_get(f.d, 0)->code, MVP0401);
	}
}

static void test_the_layers_own_lost_found_is_used(void **state)
{
	(void)state;
	struct fixture f CLEANUP(fixture_fini);
	fixture_init(&f);
	struct archive *a = fixture_tar(&f, "a.tar", NULL);
	tar_dir(a, "lost+found", 0711);
	tar_file(a, "lost+found/kept", "x");
	tar_close(a);
	fixture_layer(&f, LAYER_TAR, "a.tar");
	fixture_loads(&f);
	char *img CLEANUP_FREE = build(&f, &defaults, NULL);
	ASSERT_DEBUGFS(img, "stat /lost+found", "Mode:  0711");
	ASSERT_DEBUGFS(img, "cat /lost+found/kept", "x");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_kind_of_entry_is_written),
		cmocka_unit_test(test_attributes_lie_in_the_inode_or_in_a_block),
		cmocka_unit_test(test_attributes_too_large_are_refused),
		cmocka_unit_test(test_large_folders_are_indexed),
		cmocka_unit_test(test_extent_trees_of_all_depths),
		cmocka_unit_test(test_equal_input_gives_equal_bytes_at_any_time),
		cmocka_unit_test(test_where_content_comes_from_is_not_seen),
		cmocka_unit_test(test_size_is_content_plus_headroom),
		cmocka_unit_test(test_a_size_given_is_kept_or_refused),
		cmocka_unit_test(test_an_empty_file_system_has_a_journal_if_asked),
		cmocka_unit_test(test_an_absurdly_small_file_system_is_refused),
		cmocka_unit_test(test_the_layers_own_lost_found_is_used),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
