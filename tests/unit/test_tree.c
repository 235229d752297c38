#include "tests/unit/fixture_layer.h"

#include <locale.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

static void test_attributes_of_tar_entries_are_kept(void **state)
{
	(void)state;
	struct fixture f CLEANUP(fixture_fini);
	fixture_init(&f);
	struct archive *a = fixture_tar(&f, "a.tar", NULL);
	static const uint8_t caps[20] = { 1, 0, 0, 2, 0x80 };
	struct archive_entry *e = tar_entry("usr/bin/ping", S_IFREG | 04755);
	archive_entry_set_uid(e, 70000);
	archive_entry_set_gid(e, 3);
	archive_entry_xattr_add_entry(e, "security.capability", caps, sizeof caps);
	archive_entry_xattr_add_entry(e, "com.apple.quarantine", "x", 1);
	tar_put(a, e, "ping", 4);
	e = tar_entry("dev/sda9", S_IFBLK | 0660);
	archive_entry_set_rdevmajor(e, 259);
	archive_entry_set_rdevminor(e, 70000);
	tar_put(a, e, NULL, 0);
	tar_put(a, tar_entry("run/pipe", S_IFIFO | 0600), NULL, 0);
	tar_symlink(a, "bin", "usr/bin");
	tar_hardlink(a, "usr/bin/ping6", "usr/bin/ping");
	tar_close(a);
	fixture_layer(&f, LAYER_TAR, "a.tar");
	fixture_loads(&f);

	const struct inode *ping = fixture_node(&f, "/usr/bin/ping")->inode;
	assert_int_equal(ping->mode, S_IFREG | 04755);
	assert_int_equal(ping->uid, 70000);
	assert_int_equal(ping->gid, 3);
	assert_int_equal(ping->mtime, 1600000000);
	assert_int_equal(ping->links, 2);
	assert_int_equal(ping->xattrs_count, 1);
	assert_string_equal(ping->xattrs[0].name, "security.capability");
	assert_int_equal(ping->xattrs[0].len, sizeof caps);
	assert_memory_equal(ping->xattrs[0].value, caps, sizeof caps);
	assert_ptr_equal(fixture_node(&f, "/usr/bin/ping6")->inode, ping);
	const struct inode *dev = fixture_node(&f, "/dev/sda9")->inode;
	assert_int_equal(dev->mode, S_IFBLK | 0660);
	assert_int_equal(dev->rdev_major, 259);
	assert_int_equal(dev->rdev_minor, 70000);
	assert_int_equal(fixture_node(&f, "/run/pipe")->inode->mode, S_IFIFO | 0600);
	assert_string_equal(fixture_node(&f, "/bin")->inode->target, "usr/bin");
	assert_content(&f, "/bin/ping6", "ping");
	/* The foreign attribute is left out, and said so. */
	assert_int_equal(diag_count(f.d), 1);
	assert_int_equal(diag_get(f.d, 0)->code, MVP0310);
	/* What a persona mounts on is there, with the folder's own mode where a layer has it. */
	static const char *const wanted[] = { "/data", "/dev", "/proc", "/run", "/sys", "/tmp" };
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
		assert_non_null(fixture_node(&f, wanted[i]));
	assert_int_equal(fixture_node(&f, "/tmp")->inode->mode, S_IFDIR | 01777);
}

static void test_access_lists_of_tar_entries_are_kept(void **state)
{
	(void)state;
	struct fixture f CLEANUP(fixture_fini);
	fixture_init(&f);
	struct archive *a = fixture_tar(&f, "a.tar", NULL);
	struct archive_entry *e = tar_entry("f", S_IFREG | 0640);
	archive_entry_acl_add_entry(e, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, 6, ARCHIVE_ENTRY_ACL_USER_OBJ, -1, NULL);
	archive_entry_acl_add_entry(e, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, 4, ARCHIVE_ENTRY_ACL_USER, 1000, NULL);
	archive_entry_acl_add_entry(e, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, 4, ARCHIVE_ENTRY_ACL_GROUP_OBJ, -1, NULL);
	archive_entry_acl_add_entry(e, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, 4, ARCHIVE_ENTRY_ACL_MASK, -1, NULL);
	archive_entry_acl_add_entry(e, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, 0, ARCHIVE_ENTRY_ACL_OTHER, -1, NULL);
	tar_put(a, e, "x", 1);
	tar_close(a);
	fixture_layer(&f, LAYER_TAR, "a.tar");
	fixture_loads(&f);
	static const uint8_t expected[] = {
		2, 0, 0,    0,    0x01, 0,    6,    0, 0xff, 0xff, 0xff, 0xff, 0x02, 0,    4,    0, 0xe8, 3, 0,    0,    0x04, 0,
		4, 0, 0xff, 0xff, 0xff, 0xff, 0x10, 0, 4,    0,    0xff, 0xff, 0xff, 0xff, 0x20, 0, 0,    0, 0xff, 0xff, 0xff, 0xff,
	};
	const struct inode *i = fixture_node(&f, "/f")->inode;
	assert_int_equal(i->xattrs_count, 1);
	assert_string_equal(i->xattrs[0].name, "system.posix_acl_access");
	assert_int_equal(i->xattrs[0].len, sizeof expected);
	assert_memory_equal(i->xattrs[0].value, expected, sizeof expected);
}

static void test_later_layers_win(void **state)
{
	(void)state;
	struct fixture f CLEANUP(fixture_fini);
	fixture_init(&f);
	struct archive *a = fixture_tar(&f, "a.tar", archive_write_add_filter_gzip);
	tar_symlink(a, "./bin", "usr/bin");
	tar_dir(a, "./usr/bin", 0755);
	tar_file(a, "./usr/bin/tool", "old");
	tar_hardlink(a, "./usr/bin/other", "./usr/bin/tool");
	tar_dir(a, "./etc", 0755);
	tar_dir(a, "./empty", 0755);
	tar_symlink(a, "./var/run", "/run");
	tar_symlink(a, "./up", "../../../../etc");
	tar_close(a);
	a = fixture_tar(&f, "b.tar", archive_write_add_filter_zstd);
	tar_dir(a, "/bin", 0700); /* over a link to a folder: the link stays, the folder keeps its mode */
	tar_file(a, "/bin/tool", "new");
	tar_file(a, "/bin/more", "more");
	tar_dir(a, "etc", 0750);
	tar_file(a, "empty", "now a file");
	tar_dir(a, "var/run/", 0755); /* the link leads to a folder that is not there yet */
	tar_file(a, "var/run/x", "x");
	tar_file(a, "up/y", "y"); /* climbing stops at the root */
	tar_close(a);
	fixture_layer(&f, LAYER_TAR, "a.tar");
	fixture_layer(&f, LAYER_TAR, "b.tar");
	fixture_loads(&f);
	assert_int_equal(fixture_node(&f, "/bin")->inode->mode & S_IFMT, S_IFLNK);
	assert_int_equal(fixture_node(&f, "/usr/bin")->inode->mode, S_IFDIR | 0755);
	assert_content(&f, "/usr/bin/tool", "new");
	assert_content(&f, "/usr/bin/more", "more");
	/* The other name of the replaced file keeps what it had. */
	assert_content(&f, "/usr/bin/other", "old");
	assert_int_equal(fixture_node(&f, "/usr/bin/other")->inode->links, 1);
	assert_int_equal(fixture_node(&f, "/etc")->inode->mode, S_IFDIR | 0750);
	assert_content(&f, "/empty", "now a file");
	assert_content(&f, "/run/x", "x");
	assert_content(&f, "/etc/y", "y");
	assert_int_equal(diag_count(f.d), 0);
}

/* One tar with one entry made by put on top of a tree with /dir/file and links in circles; it must be refused with code. */
static void refuse(void (*put)(struct archive *a), enum diag_code code)
{
	struct fixture f CLEANUP(fixture_fini);
	fixture_init(&f);
	struct archive *a = fixture_tar(&f, "a.tar", NULL);
	tar_file(a, "dir/file", "x");
	tar_symlink(a, "a", "b");
	tar_symlink(a, "b", "a");
	tar_close(a);
	a = fixture_tar(&f, "b.tar", NULL);
	put(a);
	tar_close(a);
	fixture_layer(&f, LAYER_TAR, "a.tar");
	fixture_layer(&f, LAYER_TAR, "b.tar");
	fixture_refuses(&f, code);
	assert_int_equal(diag_get(f.d, 0)->loc.line, 2);
}

static void put_climbing(struct archive *a)
{
	tar_file(a, "x/../../etc/passwd", "x");
}
static void put_climbing_link(struct archive *a)
{
	tar_hardlink(a, "x", "../etc/passwd");
}
static void put_long_name(struct archive *a)
{
	char name[300];
	memset(name, 'n', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	tar_file(a, name, "x");
}
static void put_file_over_folder(struct archive *a)
{
	tar_file(a, "dir", "x");
}
static void put_link_over_folder(struct archive *a)
{
	tar_symlink(a, "dir", "elsewhere");
}
static void put_file_over_root(struct archive *a)
{
	tar_file(a, ".", "x");
}
static void put_below_file(struct archive *a)
{
	tar_file(a, "dir/file/x", "x");
}
static void put_below_loop(struct archive *a)
{
	tar_file(a, "a/x", "x");
}
static void put_folder_over_loop(struct archive *a)
{
	tar_dir(a, "a", 0755);
}
static void put_link_to_nothing(struct archive *a)
{
	tar_hardlink(a, "x", "nothing");
}
static void put_link_to_folder(struct archive *a)
{
	tar_hardlink(a, "x", "dir");
}
static void put_folder_over_file_link(struct archive *a)
{
	tar_symlink(a, "l", "dir/file");
	tar_dir(a, "l", 0755);
}
static void put_deep(struct archive *a)
{
	/* Each link goes a hundred folders deeper than the last: no path is long, the tree would be. */
	char path[256] = "d0", target[256];
	for (int i = 1; i <= 12; i++) {
		size_t at = (size_t)snprintf(target, sizeof target, "d%d", i - 1);
		for (int k = 0; k < 100; k++)
			at += (size_t)snprintf(target + at, sizeof target - at, "/x");
		tar_file(a, "unused", "x");
		struct archive_entry *e = tar_entry(target, S_IFDIR | 0755);
		tar_put(a, e, NULL, 0);
		(void)snprintf(path, sizeof path, "d%d", i);
		tar_symlink(a, path, target);
	}
}

static void test_hostile_entries_are_refused(void **state)
{
	(void)state;
	static const struct {
		void (*put)(struct archive *a);
		enum diag_code code;
	} cases[] = {
		{ put_climbing, MVP0303 },
		{ put_climbing_link, MVP0303 },
		{ put_long_name, MVP0303 },
		{ put_file_over_folder, MVP0304 },
		{ put_link_over_folder, MVP0304 },
		{ put_file_over_root, MVP0304 },
		{ put_below_file, MVP0304 },
		{ put_folder_over_file_link, MVP0304 },
		{ put_below_loop, MVP0305 },
		{ put_folder_over_loop, MVP0305 },
		{ put_link_to_nothing, MVP0306 },
		{ put_link_to_folder, MVP0306 },
		{ put_deep, MVP0307 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		refuse(cases[i].put, cases[i].code);
}

static void test_damaged_and_missing_inputs_are_reported(void **state)
{
	(void)state;
	static const struct {
		enum layer_kind kind;
		const char *path;
		enum diag_code code;
	} cases[] = {
		{ LAYER_TAR, "missing.tar", MVP0301 }, { LAYER_DEB, "missing_*.deb", MVP0301 }, { LAYER_DIR, "missing", MVP0301 },
		{ LAYER_DIR, "noise", MVP0301 },       { LAYER_TAR, "noise", MVP0302 },         { LAYER_DEB, "noise", MVP0308 },
		{ LAYER_TAR, "cut.tar.xz", MVP0302 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct fixture f CLEANUP(fixture_fini);
		fixture_init(&f);
		char *noise CLEANUP_FREE = fixture_path(&f, "noise"), *cut CLEANUP_FREE = fixture_path(&f, "cut.tar.xz");
		int fd CLEANUP(fd_closep) = open(noise, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		for (int k = 0; k < 5000; k++)
			assert_int_equal(write(fd, "0123456789abcdefx", 17), 17);
		struct archive *a = fixture_tar(&f, "cut.tar.xz", archive_write_add_filter_xz);
		tar_file(a, "f", "text");
		tar_close(a);
		struct stat st;
		assert_int_equal(stat(cut, &st), 0);
		assert_int_equal(truncate(cut, st.st_size / 2), 0);
		fixture_layer(&f, cases[i].kind, cases[i].path);
		fixture_refuses(&f, cases[i].code);
	}
}

/* A package: members debian-binary, control.tar.gz and data.tar.xz. */
static void write_deb(struct fixture *f, const char *name, const char *version, const char *path, const char *text)
{
	char *data_path CLEANUP_FREE = fixture_path(f, "data.tar"), *deb CLEANUP_FREE = fixture_path(f, name);
	uint8_t *data CLEANUP_FREE = NULL;
	size_t len;
	struct archive *a = fixture_tar(f, "data.tar", archive_write_add_filter_xz);
	tar_dir(a, "./", 0755);
	tar_file(a, path, text);
	tar_close(a);
	assert_int_equal(io_read_file(data_path, 1 << 20, &data, &len), 0);
	a = archive_write_new();
	assert_int_equal(archive_write_set_format_ar_svr4(a), ARCHIVE_OK);
	assert_int_equal(archive_write_open_filename(a, deb), ARCHIVE_OK);
	tar_put(a, tar_entry("debian-binary", S_IFREG | 0644), version, strlen(version));
	tar_put(a, tar_entry("control.tar.gz", S_IFREG | 0644), "not read", 8);
	tar_put(a, tar_entry("data.tar.xz", S_IFREG | 0644), data, len);
	tar_close(a);
}

static void test_packages_are_merged_in_sorted_order(void **state)
{
	(void)state;
	struct fixture f CLEANUP(fixture_fini);
	fixture_init(&f);
	write_deb(&f, "b_2_arm64.deb", "2.0\n", "./etc/which", "b");
	write_deb(&f, "a_1_arm64.deb", "2.0\n", "./etc/which", "a");
	write_deb(&f, "old_1.deb", "1.0\n", "./etc/which", "old");
	fixture_layer(&f, LAYER_DEB, "?_*_arm64.deb");
	fixture_loads(&f);
	assert_content(&f, "/etc/which", "b");
	const struct stamps *inputs = tree_inputs(f.tree);
	size_t listed = 0, folders = 0;
	for (size_t i = 0; i < inputs->count; i++) {
		listed += inputs->v[i].listed;
		folders += !inputs->v[i].listed;
		if (inputs->v[i].listed && listed == 1)
			assert_non_null(strstr(inputs->v[i].path, "a_1_arm64.deb"));
	}
	assert_int_equal(listed, 2);
	assert_true(folders > 0); /* where a third could appear */
	f.p.system.layers_count = 0;
	free(f.paths[0].s);
	fixture_layer(&f, LAYER_DEB, "old_1.deb");
	fixture_refuses(&f, MVP0308);
}

static void test_folders_are_read_with_links_and_attributes(void **state)
{
	(void)state;
	struct fixture f CLEANUP(fixture_fini);
	fixture_init(&f);
	char *base CLEANUP_FREE = fixture_path(&f, "overlay"), *file CLEANUP_FREE = fixture_path(&f, "overlay/z"),
		   *link CLEANUP_FREE = fixture_path(&f, "overlay/a"), *sub CLEANUP_FREE = fixture_path(&f, "overlay/sub"),
		   *sock CLEANUP_FREE = fixture_path(&f, "overlay/sub/s"), *soft CLEANUP_FREE = fixture_path(&f, "overlay/sub/l");
	assert_int_equal(mkdir(base, 0700), 0);
	assert_int_equal(mkdir(sub, 0750), 0);
	int fd CLEANUP(fd_closep) = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "text", 4), 4);
	assert_int_equal(fchmod(fd, 0640), 0);
	bool has_xattrs = fsetxattr(fd, "user.note", "v", 1, 0) == 0;
	bool has_label = fsetxattr(fd, "security.selinux", "host_u:host_r:host_t:s0", 23, 0) == 0; /* by root alone */
	assert_int_equal(linkat(AT_FDCWD, file, AT_FDCWD, link, 0), 0);
	assert_int_equal(symlink("../z", soft), 0);
	int s CLEANUP(fd_closep) = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un where = { .sun_family = AF_UNIX };
	(void)snprintf(where.sun_path, sizeof where.sun_path, "%s", sock);
	assert_int_equal(bind(s, (const struct sockaddr *)&where, sizeof where), 0);
	fixture_layer(&f, LAYER_DIR, "overlay");
	fixture_loads(&f);
	const struct inode *i = fixture_node(&f, "/z")->inode;
	assert_int_equal(i->mode, S_IFREG | 0640);
	assert_int_equal(i->uid, 0);
	assert_int_equal(i->links, 2);
	assert_ptr_equal(fixture_node(&f, "/a")->inode, i);
	/* Made just now, which is after the epoch. */
	assert_int_equal(i->mtime, FIXTURE_EPOCH);
	assert_int_equal(i->mtime_ns, 0);
	/* Made long ago, which counts unless the layer has no times. */
	const struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000, .tv_nsec = 5 } };
	assert_int_equal(futimens(fd, old), 0);
	fixture_loads(&f);
	assert_int_equal(fixture_node(&f, "/z")->inode->mtime, 1000);
	assert_int_equal(fixture_node(&f, "/z")->inode->mtime_ns, 5);
	f.layers[0].undated = true;
	fixture_loads(&f);
	i = fixture_node(&f, "/z")->inode;
	assert_int_equal(i->mtime, FIXTURE_EPOCH);
	assert_int_equal(i->mtime_ns, 0);
	assert_int_equal(fixture_node(&f, "/sub")->inode->mode, S_IFDIR | 0750);
	assert_int_equal(tree_root(f.tree)->inode->mode, S_IFDIR | 0755);
	assert_content(&f, "/sub/l", "text");
	assert_null(fixture_node(&f, "/sub/s"));
	assert_int_equal(diag_count(f.d), 3); /* once each time */
	assert_int_equal(diag_get(f.d, 0)->code, MVP0310);
	assert_int_equal(i->xattrs_count, has_xattrs);
	if (has_xattrs)
		assert_string_equal(i->xattrs[0].name, "user.note");
	if (!has_label)
		print_message("no privilege to label a file: not tested\n");
}

static void test_pipes_are_no_layers(void **state)
{
	(void)state;
	static const enum layer_kind kinds[] = { LAYER_TAR, LAYER_CPIO, LAYER_DEB };
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct fixture f CLEANUP(fixture_fini);
		fixture_init(&f);
		char *path CLEANUP_FREE = fixture_path(&f, "pipe");
		assert_int_equal(mkfifo(path, 0600), 0);
		fixture_layer(&f, kinds[i], "pipe");
		(void)alarm(20); /* nobody writes to it: opening it must not wait */
		fixture_refuses(&f, MVP0302);
		(void)alarm(0);
	}
}

static void test_inline_files_are_written(void **state)
{
	(void)state;
	struct fixture f CLEANUP(fixture_fini);
	fixture_init(&f);
	struct layer_file files[2] = {
		{ .path = { .s = (char *)(uintptr_t) "/etc/motd" },
		  .content = { .s = (char *)(uintptr_t) "hello\n" },
		  .mode = 0600,
		  .uid = 5,
		  .gid = 6 },
		{ .path = { .s = (char *)(uintptr_t) "/sbin/init" }, .link = { .s = (char *)(uintptr_t) "/bin/busybox" } },
	};
	f.layers[0] = (struct layer){ .kind = LAYER_FILES, .files = files, .files_count = 2 };
	f.p.system.layers_count = 1;
	fixture_loads(&f);
	assert_content(&f, "/etc/motd", "hello\n");
	const struct inode *i = fixture_node(&f, "/etc/motd")->inode;
	assert_int_equal(i->mode, S_IFREG | 0600);
	assert_int_equal(i->uid, 5);
	assert_int_equal(i->gid, 6);
	assert_string_equal(fixture_node(&f, "/sbin/init")->inode->target, "/bin/busybox");
}

static void test_names_are_bytes_in_any_locale(void **state)
{
	(void)state;
	static const char *const locales[] = { "C", "C.UTF-8" };
	uint8_t digests[2][32];
	for (size_t i = 0; i < 2; i++) {
		struct fixture f CLEANUP(fixture_fini);
		fixture_init(&f);
		struct utf8 {
			locale_t now, before;
		} l = { newlocale(LC_ALL_MASK, "C.UTF-8", (locale_t)0), (locale_t)0 };
		l.before = uselocale(l.now);
		struct archive *a = fixture_tar(&f, "a.tar", NULL);
		tar_file(a, "\xc3\xa4\xe2\x82\xac", "x");
		tar_symlink(a, "l", "\xc3\xa4\xe2\x82\xac");
		tar_close(a);
		(void)uselocale(l.before);
		freelocale(l.now);
		assert_non_null(setlocale(LC_ALL, locales[i]));
		fixture_layer(&f, LAYER_TAR, "a.tar");
		fixture_loads(&f);
		assert_non_null(fixture_node(&f, "/\xc3\xa4\xe2\x82\xac"));
		assert_content(&f, "/l", "x");
		tree_digest(f.tree, digests[i]);
	}
	(void)setlocale(LC_ALL, "C");
	assert_memory_equal(digests[0], digests[1], 32);
}

static void digest_of(void (*put)(struct fixture *f), uint8_t ret[32])
{
	struct fixture f CLEANUP(fixture_fini);
	fixture_init(&f);
	put(&f);
	fixture_loads(&f);
	tree_digest(f.tree, ret);
}

static void put_as_one(struct fixture *f)
{
	struct archive *a = fixture_tar(f, "a.tar", NULL);
	tar_dir(a, "etc", 0755);
	tar_file(a, "etc/b", "two");
	tar_file(a, "etc/a", "one");
	tar_close(a);
	fixture_layer(f, LAYER_TAR, "a.tar");
}
static void put_as_two(struct fixture *f)
{
	struct archive *a = fixture_tar(f, "a.tar", NULL);
	tar_file(a, "etc/a", "wrong");
	tar_file(a, "etc/b", "two");
	tar_close(a);
	a = fixture_tar(f, "b.tar", archive_write_add_filter_bzip2);
	tar_dir(a, "etc", 0755);
	tar_file(a, "etc/a", "one");
	tar_close(a);
	fixture_layer(f, LAYER_TAR, "a.tar");
	fixture_layer(f, LAYER_TAR, "b.tar");
}
static void put_other_content(struct fixture *f)
{
	struct archive *a = fixture_tar(f, "a.tar", NULL);
	tar_dir(a, "etc", 0755);
	tar_file(a, "etc/b", "two");
	tar_file(a, "etc/a", "oNe");
	tar_close(a);
	fixture_layer(f, LAYER_TAR, "a.tar");
}
static void put_hard_links(struct fixture *f)
{
	struct archive *a = fixture_tar(f, "a.tar", NULL);
	tar_dir(a, "etc", 0755);
	tar_file(a, "etc/a", "one");
	tar_hardlink(a, "etc/b", "etc/a");
	tar_close(a);
	fixture_layer(f, LAYER_TAR, "a.tar");
}
static void put_copies(struct fixture *f)
{
	struct archive *a = fixture_tar(f, "a.tar", NULL);
	tar_dir(a, "etc", 0755);
	tar_file(a, "etc/a", "one");
	tar_file(a, "etc/b", "one");
	tar_close(a);
	fixture_layer(f, LAYER_TAR, "a.tar");
}

static void test_digest_is_of_the_tree_alone(void **state)
{
	(void)state;
	uint8_t one[32], two[32], other[32], links[32], copies[32];
	digest_of(put_as_one, one);
	digest_of(put_as_two, two);
	digest_of(put_other_content, other);
	digest_of(put_hard_links, links);
	digest_of(put_copies, copies);
	assert_memory_equal(one, two, 32);
	assert_memory_not_equal(one, other, 32);
	assert_memory_not_equal(links, copies, 32);
}

static void test_patterns_find_exactly_one_file(void **state)
{
	(void)state;
	struct fixture f CLEANUP(fixture_fini);
	fixture_init(&f);
	struct archive *a = fixture_tar(&f, "a.tar", NULL);
	tar_file(a, "boot/vmlinuz-6.1", "kernel");
	tar_file(a, "boot/config-6.1", "config");
	tar_symlink(a, "boot/vmlinuz-latest", "vmlinuz-6.1");
	tar_symlink(a, "vmlinuz", "boot/vmlinuz-latest");
	for (unsigned i = 0; i < 5000; i++) {
		char name[32];
		(void)snprintf(name, sizeof(name), "many/%u", i);
		tar_file(a, name, "");
	}
	tar_close(a);
	fixture_layer(&f, LAYER_TAR, "a.tar");
	fixture_loads(&f);
	uint8_t *data CLEANUP_FREE = NULL;
	char *path CLEANUP_FREE = NULL;
	size_t len;
	assert_int_equal(tree_read_file(f.tree, "/boot/vmlinuz-*", NULL, &data, &len, &path, f.d), 0);
	assert_string_equal(path, "/boot/vmlinuz-6.1");
	assert_string_equal((char *)data, "kernel");
	free(TAKE(data));
	free(TAKE(path));
	assert_int_equal(tree_read_file(f.tree, "/vmlinuz", NULL, &data, &len, &path, f.d), 0);
	assert_string_equal(path, "/boot/vmlinuz-6.1");
	uint8_t *none = NULL;
	assert_int_equal(tree_read_file(f.tree, "/boot/initrd-*", NULL, &none, &len, NULL, f.d), -1);
	assert_int_equal(diag_get(f.d, 0)->code, MVP0311);
	assert_int_equal(tree_read_file(f.tree, "/*/*-6.1", NULL, &none, &len, NULL, f.d), -1);
	assert_int_equal(diag_get(f.d, 1)->code, MVP0312);
	assert_int_equal(tree_read_file(f.tree, "/boot", NULL, &none, &len, NULL, f.d), -1);
	assert_int_equal(diag_count(f.d), 3);
	/* As many as would take long to tell apart. */
	assert_int_equal(tree_read_file(f.tree, "/many/*", NULL, &none, &len, NULL, f.d), -1);
	assert_int_equal(tree_read_file(f.tree, "/many/*/x", NULL, &none, &len, NULL, f.d), -1);
	assert_int_equal(diag_get(f.d, 3)->code, MVP0312);
	assert_int_equal(diag_get(f.d, 4)->code, MVP0312);
}

static void test_runs_of_zeros_become_holes(void **state)
{
	(void)state;
	struct fixture f CLEANUP(fixture_fini);
	fixture_init(&f);
	/* 3 blocks of text, 20 of zeros, 1 of text, 5 of zeros (kept), 10 bytes. */
	size_t len = 29 * 4096 + 10;
	char *data CLEANUP_FREE = mem_zeroed(len, 1);
	memset(data, 't', (size_t)3 * 4096);
	memset(data + (size_t)23 * 4096, 'u', 4096);
	memset(data + (size_t)29 * 4096, 'v', 10);
	struct archive *a = fixture_tar(&f, "a.tar", archive_write_add_filter_gzip);
	tar_put(a, tar_entry("plain", S_IFREG | 0644), data, len);
	struct archive_entry *e = tar_entry("sparse", S_IFREG | 0644);
	archive_entry_sparse_add_entry(e, 0, 3 * 4096);
	archive_entry_sparse_add_entry(e, 23 * 4096, (la_int64_t)(len - 23 * 4096));
	tar_put(a, e, data, len);
	e = tar_entry("zeros", S_IFREG | 0644);
	archive_entry_sparse_add_entry(e, (la_int64_t)1 << 33, 0);
	archive_entry_set_size(e, (la_int64_t)1 << 33);
	assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
	archive_entry_free(e);
	tar_close(a);
	fixture_layer(&f, LAYER_TAR, "a.tar");
	fixture_loads(&f);
	const struct content *plain = &fixture_node(&f, "/plain")->inode->content, *sparse = &fixture_node(&f, "/sparse")->inode->content,
			     *zeros = &fixture_node(&f, "/zeros")->inode->content;
	assert_int_equal(plain->runs_count, 2);
	assert_int_equal(plain->runs[0].len, 3 * 4096);
	assert_int_equal(plain->runs[1].at, 23 * 4096);
	assert_int_equal(plain->runs[1].len, 7 * 4096);
	assert_int_equal(sparse->runs_count, 2);
	assert_memory_equal(plain->digest, sparse->digest, 32);
	assert_int_equal(zeros->len, (uint64_t)1 << 33);
	assert_int_equal(zeros->runs_count, 0);
	uint8_t *back CLEANUP_FREE = NULL;
	size_t back_len;
	assert_int_equal(tree_read_file(f.tree, "/sparse", NULL, &back, &back_len, NULL, f.d), 0);
	assert_int_equal(back_len, len);
	assert_memory_equal(back, data, len);
}

/* Noise, a few blocks of zeros, noise from no block's start on, a hole, an odd end. */
static char *mixed(size_t len)
{
	char *data = mem_zeroed(len, 1);
	uint32_t x = 1;
	for (size_t i = 0; i < len; i++) {
		size_t block = i / 4096;
		x = x * 1664525 + 1013904223;
		if ((block < 100 || block > 105) && (block < 200 || block > 240))
			data[i] = (char)(x >> 24);
	}
	return data;
}

static void check_mixed(const struct fixture *f, const char *data, size_t len)
{
	uint8_t *back CLEANUP_FREE = NULL;
	size_t back_len;
	assert_int_equal(tree_read_file(f->tree, "/large", NULL, &back, &back_len, NULL, f->d), 0);
	assert_int_equal(back_len, len);
	assert_memory_equal(back, data, len);
	free(TAKE(back));
	assert_int_equal(tree_read_file(f->tree, "/small", NULL, &back, &back_len, NULL, f->d), 0);
	assert_int_equal(back_len, 5);
	assert_memory_equal(back, "small", 5);
}

static void test_content_of_an_unpacked_tar_stays_where_it_is(void **state)
{
	(void)state;
	const size_t len = 1500001;
	char *data CLEANUP_FREE = mixed(len);
	uint8_t digest[2][32];
	for (int packed = 0; packed < 2; packed++) {
		struct fixture f CLEANUP(fixture_fini);
		fixture_init(&f);
		struct archive *a = fixture_tar(&f, "a.tar", packed ? archive_write_add_filter_gzip : NULL);
		tar_file(a, "small", "small");
		tar_put(a, tar_entry("large", S_IFREG | 0644), data, len);
		tar_close(a);
		fixture_layer(&f, LAYER_TAR, "a.tar");
		fixture_loads(&f);
		const struct content *c = &fixture_node(&f, "/large")->inode->content;
		uint64_t referred = 0, all = 0;
		for (size_t i = 0; i < c->runs_count; i++) {
			referred += c->runs[i].spool_at >> 46 ? c->runs[i].len : 0;
			all += c->runs[i].len;
		}
		/* All but the last block, which ends in the file's zeros. */
		assert_int_equal(referred, packed ? 0 : all - 4096);
		assert_int_equal(fixture_node(&f, "/small")->inode->content.runs[0].spool_at >> 46, 0);
		memcpy(digest[packed], c->digest, 32);
		check_mixed(&f, data, len);
		/* A file that gets shorter in the meantime is an error, not a crash. */
		char *path CLEANUP_FREE = fixture_path(&f, "a.tar");
		uint8_t *back = NULL;
		size_t back_len;
		assert_int_equal(truncate(path, 4096), 0);
		assert_int_equal(tree_read_file(f.tree, "/large", NULL, &back, &back_len, NULL, f.d), packed ? 0 : -1);
		free(back);
		assert_int_equal(diag_errors(f.d), packed ? 0 : 1);
		if (!packed)
			assert_int_equal(diag_get(f.d, diag_count(f.d) - 1)->code, MVP0801);
	}
	assert_memory_equal(digest[0], digest[1], 32);
}

static void test_hundred_thousand_entries_are_merged(void **state)
{
	(void)state;
	struct fixture f CLEANUP(fixture_fini);
	fixture_init(&f);
	struct archive *a = fixture_tar(&f, "a.tar", NULL);
	for (int i = 99999; i >= 0; i--) {
		char name[64];
		(void)snprintf(name, sizeof name, "many/%06d", i);
		tar_file(a, name, "");
	}
	tar_close(a);
	fixture_layer(&f, LAYER_TAR, "a.tar");
	fixture_loads(&f);
	const struct node *many = tree_find(f.tree, "/many");
	assert_int_equal(many->inode->children_count, 100000);
	for (size_t i = 1; i < many->inode->children_count; i++)
		assert_true(strcmp(many->inode->children[i - 1]->name, many->inode->children[i]->name) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_attributes_of_tar_entries_are_kept),
		cmocka_unit_test(test_access_lists_of_tar_entries_are_kept),
		cmocka_unit_test(test_later_layers_win),
		cmocka_unit_test(test_hostile_entries_are_refused),
		cmocka_unit_test(test_damaged_and_missing_inputs_are_reported),
		cmocka_unit_test(test_packages_are_merged_in_sorted_order),
		cmocka_unit_test(test_folders_are_read_with_links_and_attributes),
		cmocka_unit_test(test_pipes_are_no_layers),
		cmocka_unit_test(test_inline_files_are_written),
		cmocka_unit_test(test_names_are_bytes_in_any_locale),
		cmocka_unit_test(test_digest_is_of_the_tree_alone),
		cmocka_unit_test(test_patterns_find_exactly_one_file),
		cmocka_unit_test(test_runs_of_zeros_become_holes),
		cmocka_unit_test(test_content_of_an_unpacked_tar_stays_where_it_is),
		cmocka_unit_test(test_hundred_thousand_entries_are_merged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
