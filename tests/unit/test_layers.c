/* Layers that are no tar: cpio archives, and layers that change what earlier ones brought. */
#include "tests/unit/fixture_layer.h"

#include "imagegen/layer/capability.h"

static struct archive *cpio_open(const char *path, int (*format)(struct archive *), int (*filter)(struct archive *))
{
	struct archive *a = archive_write_new();
	assert_int_equal(format(a), ARCHIVE_OK);
	assert_int_equal(archive_write_set_bytes_per_block(a, 512), ARCHIVE_OK);
	if (filter)
		assert_int_equal(filter(a), ARCHIVE_OK);
	assert_int_equal(archive_write_open_filename(a, path), ARCHIVE_OK);
	return a;
}

static void append(const struct fixture *f, const char *to, const char *from)
{
	char *target CLEANUP_FREE = fixture_path(f, to), *source CLEANUP_FREE = fixture_path(f, from);
	uint8_t *data CLEANUP_FREE = NULL;
	size_t len;
	assert_int_equal(io_read_file(source, 1 << 20, &data, &len), 0);
	int fd CLEANUP(fd_closep) = open(target, O_WRONLY | O_CREAT | O_APPEND, 0600);
	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, data, len), 0);
}

/* An archive with /NAME, the folder /dir and a hard link whose content comes with its last name. */
static void make_cpio(const struct fixture *f, const char *file, const char *name, int (*format)(struct archive *),
		      int (*filter)(struct archive *))
{
	char *path CLEANUP_FREE = fixture_path(f, file);
	struct archive *a = cpio_open(path, format, filter);
	tar_dir(a, "dir", 0700);
	tar_file(a, name, name);
	struct archive_entry *e = tar_entry("dir/console", S_IFCHR | 0600);
	archive_entry_set_rdevmajor(e, 5);
	archive_entry_set_rdevminor(e, 1);
	tar_put(a, e, NULL, 0);
	tar_symlink(a, "link", name);
	tar_close(a);
}

static void test_cpio_in_each_form_and_compression(void **state)
{
	(void)state;
	static int (*const formats[])(struct archive *) = { archive_write_set_format_cpio_newc, archive_write_set_format_cpio };
	static int (*const filters[])(struct archive *) = { NULL,
							    archive_write_add_filter_gzip,
							    archive_write_add_filter_xz,
							    archive_write_add_filter_zstd,
							    archive_write_add_filter_lz4,
							    archive_write_add_filter_bzip2 };
	for (size_t i = 0; i < ARRAY_LEN(formats) * ARRAY_LEN(filters); i++) {
		struct fixture f CLEANUP(fixture_fini);
		fixture_init(&f);
		make_cpio(&f, "a.cpio", "file", formats[i % 2], filters[i / 2]);
		fixture_layer(&f, LAYER_CPIO, "a.cpio");
		fixture_loads(&f);
		assert_content(&f, "/link", "file");
		assert_int_equal(fixture_node(&f, "/dir")->inode->mode, S_IFDIR | 0700);
		const struct inode *console = fixture_node(&f, "/dir/console")->inode;
		assert_int_equal(console->mode, S_IFCHR | 0600);
		assert_int_equal(console->rdev_major << 8 | console->rdev_minor, 0x501);
	}
}

/* As an initial RAM disk is: microcode as it is, the rest packed; zeros between them. */
static void test_cpio_archives_behind_each_other_are_all_read(void **state)
{
	(void)state;
	struct fixture f CLEANUP(fixture_fini);
	fixture_init(&f);
	make_cpio(&f, "one", "first", archive_write_set_format_cpio_newc, NULL);
	make_cpio(&f, "two", "second", archive_write_set_format_cpio_newc, NULL);
	make_cpio(&f, "three", "third", archive_write_set_format_cpio_newc, archive_write_add_filter_gzip);
	append(&f, "all", "one");
	append(&f, "all", "two");
	append(&f, "all", "three");
	fixture_layer(&f, LAYER_CPIO, "all");
	fixture_loads(&f);
	assert_content(&f, "/first", "first");
	assert_content(&f, "/second", "second");
	assert_content(&f, "/third", "third");
	assert_content(&f, "/link", "third");
}

static void test_damaged_cpio_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *name, *data;
		size_t len;
	} files[] = { { "noise", "this is no archive at all", 25 }, { "zeros", "\0\0\0\0\0\0\0\0", 8 }, { "head", "070701000000", 12 } };
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct fixture f CLEANUP(fixture_fini);
		fixture_init(&f);
		char *path CLEANUP_FREE = fixture_path(&f, files[i].name);
		int fd CLEANUP(fd_closep) = open(path, O_WRONLY | O_CREAT, 0600);
		assert_int_equal(io_write_all(fd, files[i].data, files[i].len), 0);
		fixture_layer(&f, LAYER_CPIO, files[i].name);
		fixture_refuses(&f, MVP0302);
	}
	/* What follows the first archive is not left out in silence. */
	struct fixture f CLEANUP(fixture_fini);
	fixture_init(&f);
	make_cpio(&f, "good", "file", archive_write_set_format_cpio_newc, NULL);
	char *path CLEANUP_FREE = fixture_path(&f, "bad");
	int fd CLEANUP(fd_closep) = open(path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(io_write_all(fd, "rubbish", 7), 0);
	append(&f, "all", "good");
	append(&f, "all", "bad");
	fixture_layer(&f, LAYER_CPIO, "all");
	fixture_refuses(&f, MVP0302);
}

/* /doc/{a,b}.txt, /doc/deep/c, /keep/x, /.hidden, and two names of one file. */
static void base_layer(struct fixture *f)
{
	struct archive *a = fixture_tar(f, "a.tar", NULL);
	tar_file(a, "doc/a.txt", "a");
	tar_file(a, "doc/b.txt", "b");
	tar_file(a, "doc/deep/c", "c");
	tar_file(a, "keep/x", "x");
	tar_hardlink(a, "keep/y", "keep/x");
	tar_file(a, ".hidden", "h");
	tar_symlink(a, "alias", "keep");
	tar_close(a);
	fixture_layer(f, LAYER_TAR, "a.tar");
}

static void test_remove_takes_away_what_earlier_layers_brought(void **state)
{
	(void)state;
	struct fixture f CLEANUP(fixture_fini);
	fixture_init(&f);
	base_layer(&f);
	fixture_layer(&f, LAYER_REMOVE, "/doc/*.txt");
	fixture_layer(&f, LAYER_REMOVE, "/alias/x");
	fixture_loads(&f);
	assert_null(fixture_node(&f, "/doc/a.txt"));
	assert_null(fixture_node(&f, "/doc/b.txt"));
	assert_content(&f, "/doc/deep/c", "c");
	assert_null(fixture_node(&f, "/keep/x"));
	assert_content(&f, "/keep/y", "x");
	assert_int_equal(fixture_node(&f, "/keep/y")->inode->links, 1);
	assert_int_equal(fixture_node(&f, "/doc")->inode->children_count, 1);
	assert_int_equal(fixture_node(&f, "/alias")->inode->mode & S_IFMT,
			 S_IFLNK); /* a link at the end goes itself, on the way it leads */
}

static void test_remove_of_folders_and_all_below(void **state)
{
	(void)state;
	struct fixture f CLEANUP(fixture_fini);
	fixture_init(&f);
	base_layer(&f);
	fixture_layer(&f, LAYER_REMOVE, "/doc");
	fixture_layer(&f, LAYER_REMOVE, "/keep/**");
	struct archive *a = fixture_tar(&f, "b.tar", NULL);
	tar_file(a, "doc/deep/c", "new"); /* names come back where they were removed */
	tar_file(a, "keep/y", "y");
	tar_close(a);
	fixture_layer(&f, LAYER_TAR, "b.tar");
	fixture_loads(&f);
	assert_content(&f, "/doc/deep/c", "new");
	assert_int_equal(fixture_node(&f, "/doc")->inode->children_count, 1);
	assert_int_equal(fixture_node(&f, "/keep")->inode->children_count, 1);
	assert_content(&f, "/keep/y", "y");
	assert_content(&f, "/.hidden", "h");
}

/* The tree is the same as one that never had what was removed. */
static void test_remove_leaves_no_trace(void **state)
{
	(void)state;
	uint8_t digests[2][32];
	for (int with = 0; with < 2; with++) {
		struct fixture f CLEANUP(fixture_fini);
		fixture_init(&f);
		struct archive *a = fixture_tar(&f, "a.tar", NULL);
		tar_dir(a, "etc", 0755);
		tar_file(a, "etc/conf", "1");
		if (with) {
			tar_file(a, "etc/gone", "2");
			tar_dir(a, "tree", 0755);
			for (unsigned i = 0; i < 300; i++) {
				char name[32];
				(void)snprintf(name, sizeof name, "tree/%u/%u", i % 7, i);
				tar_file(a, name, "3");
			}
		}
		tar_close(a);
		fixture_layer(&f, LAYER_TAR, "a.tar");
		if (with) {
			fixture_layer(&f, LAYER_REMOVE, "/tree");
			fixture_layer(&f, LAYER_REMOVE, "/etc/g*");
		}
		fixture_loads(&f);
		tree_digest(f.tree, digests[with]);
	}
	assert_memory_equal(digests[0], digests[1], 32);
}

static void test_patterns_that_fit_nothing_are_refused(void **state)
{
	(void)state;
	static const char *const patterns[] = { "/no", "/doc/*.TXT", "/*hidden", "/.hidden/**", "/doc/a.txt/x" };
	for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
		struct fixture f CLEANUP(fixture_fini);
		fixture_init(&f);
		base_layer(&f);
		fixture_layer(&f, LAYER_REMOVE, patterns[i]);
		fixture_refuses(&f, MVP0311);
	}
}

static void whiteout_layers(struct fixture *f, void (*put)(struct archive *a))
{
	base_layer(f);
	struct archive *a = fixture_tar(f, "b.tar", NULL);
	put(a);
	tar_close(a);
	fixture_layer(f, LAYER_TAR, "b.tar");
	f->layers[1].whiteouts.s = (char *)(uintptr_t) "oci";
}

static void put_whiteouts(struct archive *a)
{
	tar_file(a, "doc/new", "n");
	tar_file(a, "doc/.wh..wh..opq", ""); /* also when what the layer itself brings came first */
	tar_file(a, "keep/.wh.y", "");
	tar_file(a, "keep/z", "z");
	tar_file(a, ".wh..hidden", "");
	tar_file(a, ".wh.never", "");
	tar_file(a, ".wh..wh.aufs", "");
}

static void test_whiteouts_of_container_layers(void **state)
{
	(void)state;
	struct fixture f CLEANUP(fixture_fini);
	fixture_init(&f);
	whiteout_layers(&f, put_whiteouts);
	fixture_loads(&f);
	assert_int_equal(fixture_node(&f, "/doc")->inode->children_count, 1);
	assert_content(&f, "/doc/new", "n");
	assert_null(fixture_node(&f, "/keep/y"));
	assert_content(&f, "/keep/x", "x");
	assert_content(&f, "/keep/z", "z");
	assert_null(fixture_node(&f, "/.hidden"));
	for (const struct node *n = tree_root(f.tree); n; n = node_next(n))
		assert_null(strstr(n->name, ".wh."));
}

static void test_whiteouts_are_files_where_they_mean_nothing(void **state)
{
	(void)state;
	struct fixture f CLEANUP(fixture_fini);
	fixture_init(&f);
	whiteout_layers(&f, put_whiteouts);
	f.layers[1].whiteouts.s = NULL;
	fixture_loads(&f);
	assert_content(&f, "/keep/.wh.y", "");
	assert_content(&f, "/keep/y", "x");
}

static void put_whiteout_of_a_new_file(struct archive *a)
{
	tar_file(a, "keep/x", "new");
	tar_file(a, "keep/.wh.x", "");
	tar_file(a, ".wh.doc", "");
	tar_file(a, "doc/deep/d", "d");
}

/* A whiteout is about lower layers only. */
static void test_whiteouts_spare_their_own_layer(void **state)
{
	(void)state;
	struct fixture f CLEANUP(fixture_fini);
	fixture_init(&f);
	whiteout_layers(&f, put_whiteout_of_a_new_file);
	fixture_loads(&f);
	assert_content(&f, "/keep/x", "new");
	assert_content(&f, "/keep/y", "x");
	assert_content(&f, "/doc/deep/d", "d");
	assert_int_equal(fixture_node(&f, "/doc")->inode->children_count, 1);
	assert_int_equal(fixture_node(&f, "/doc/deep")->inode->children_count, 1);
}

static void put_whiteout_of_the_parent(struct archive *a)
{
	tar_file(a, "doc/.wh...", "");
}

static void put_whiteout_of_nothing(struct archive *a)
{
	tar_file(a, "doc/.wh.", "");
}

static void test_hostile_whiteouts_are_refused(void **state)
{
	(void)state;
	static void (*const puts_[])(struct archive *) = { put_whiteout_of_the_parent, put_whiteout_of_nothing };
	for (size_t i = 0; i < ARRAY_LEN(puts_); i++) {
		struct fixture f CLEANUP(fixture_fini);
		fixture_init(&f);
		whiteout_layers(&f, puts_[i]);
		fixture_refuses(&f, MVP0303);
	}
}

static char *text(const char *s)
{
	return (char *)(uintptr_t)s;
}

static void attributes_layer(struct fixture *f, struct layer_attributes *a, size_t count)
{
	f->layers[f->p.system.layers_count++] = (struct layer){ .kind = LAYER_ATTRIBUTES, .attributes = a, .attributes_count = count };
}

static void test_attributes_of_earlier_files_are_changed(void **state)
{
	(void)state;
	struct layer_xattr xattrs[] = {
		{ text("security.capability"), { .s = text("cap_net_raw,cap_bpf+ep") } },
		{ text("security.selinux"), { .s = text("u:object_r:system_file:s0") } },
		{ text("user.bytes"), { .s = text("0x00fF10") } },
	};
	struct layer_xattr none[] = { { text("user.bytes"), { 0 } } };
	struct layer_attributes changes[] = {
		{ .path.s = text("/keep/x"), .mode = { .v = 04711, .given = true }, .xattrs = xattrs, .xattrs_count = ARRAY_LEN(xattrs) },
		{ .path.s = text("/doc/**"), .uid = { .v = 1000, .given = true }, .gid = { .v = 4294967294, .given = true } },
		{ .path.s = text("/alias"), .mode = { .v = 0, .given = true }, .uid = { .v = 7, .given = true } },
		{ .path.s = text("/keep/*"), .xattrs = none, .xattrs_count = 1 },
	};
	struct fixture f CLEANUP(fixture_fini);
	fixture_init(&f);
	base_layer(&f);
	attributes_layer(&f, changes, ARRAY_LEN(changes));
	fixture_loads(&f);
	f.p.system.layers_count = 1;
	const struct inode *x = fixture_node(&f, "/keep/x")->inode;
	assert_int_equal(x->mode, S_IFREG | 04711);
	assert_ptr_equal(fixture_node(&f, "/keep/y")->inode, x); /* another name of the same file */
	assert_int_equal(x->xattrs_count, 2);
	static const uint8_t caps[] = { 1, 0, 0, 2, 0x00, 0x20, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0 };
	assert_string_equal(x->xattrs[0].name, "security.capability");
	assert_int_equal(x->xattrs[0].len, sizeof caps);
	assert_memory_equal(x->xattrs[0].value, caps, sizeof caps);
	assert_string_equal(x->xattrs[1].name, "security.selinux");
	assert_int_equal(x->xattrs[1].len, strlen(xattrs[1].value.s));
	const struct inode *deep = fixture_node(&f, "/doc/deep/c")->inode;
	assert_int_equal(deep->uid, 1000);
	assert_int_equal(deep->gid, 4294967294);
	assert_int_equal(deep->mode, S_IFREG | 0644);
	assert_int_equal(fixture_node(&f, "/doc/deep")->inode->uid, 1000);
	assert_int_equal(fixture_node(&f, "/doc")->inode->uid, 0);
	assert_int_equal(fixture_node(&f, "/alias")->inode->mode, S_IFLNK | 0777);
	assert_int_equal(fixture_node(&f, "/alias")->inode->uid, 7);
}

static void test_attributes_that_cannot_be_are_refused(void **state)
{
	(void)state;
	struct layer_xattr wrong[] = {
		{ text("user.a"), { .s = text("0x123") } },
		{ text("user.a"), { .s = text("0x12g4") } },
		{ text("com.apple.quarantine"), { .s = text("x") } },
		{ text("security.capability"), { .s = text("cap_fly+ep") } },
		{ text("system.posix_acl_default"), { .s = text("x") } }, /* of a file */
	};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct layer_attributes change = { .path.s = text("/keep/x"), .xattrs = &wrong[i], .xattrs_count = 1 };
		struct fixture f CLEANUP(fixture_fini);
		fixture_init(&f);
		base_layer(&f);
		attributes_layer(&f, &change, 1);
		fixture_refuses(&f, MVP0314);
		f.p.system.layers_count = 1;
	}
}

static void test_capabilities_in_words(void **state)
{
	(void)state;
	uint8_t v[CAPABILITY_LEN];
	static const char *const bad[] = { "",
					   "cap_chown",
					   "cap_chown+",
					   "cap_chown+x",
					   "chown+p",
					   "cap_chown,+p",
					   "+ep",
					   "cap_+p",
					   "cap_chown+e",
					   "cap_chown=ep cap_kill+p" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (capability_parse(bad[i], v))
			fail_msg("'%s' was taken", bad[i]);
	assert_true(capability_parse("cap_checkpoint_restore=i", v));
	static const uint8_t expected[] = { 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0 };
	assert_memory_equal(v, expected, sizeof expected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cpio_in_each_form_and_compression),
		cmocka_unit_test(test_cpio_archives_behind_each_other_are_all_read),
		cmocka_unit_test(test_damaged_cpio_is_refused),
		cmocka_unit_test(test_remove_takes_away_what_earlier_layers_brought),
		cmocka_unit_test(test_remove_of_folders_and_all_below),
		cmocka_unit_test(test_remove_leaves_no_trace),
		cmocka_unit_test(test_patterns_that_fit_nothing_are_refused),
		cmocka_unit_test(test_whiteouts_of_container_layers),
		cmocka_unit_test(test_whiteouts_are_files_where_they_mean_nothing),
		cmocka_unit_test(test_whiteouts_spare_their_own_layer),
		cmocka_unit_test(test_hostile_whiteouts_are_refused),
		cmocka_unit_test(test_attributes_of_earlier_files_are_changed),
		cmocka_unit_test(test_attributes_that_cannot_be_are_refused),
		cmocka_unit_test(test_capabilities_in_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
