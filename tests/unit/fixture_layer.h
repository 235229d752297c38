/* Personas with layers, for the tests of layer/, fs/ and initrd/: archives are written by libarchive into a folder of the test's own. */
#ifndef FIXTURE_LAYER_H
#define FIXTURE_LAYER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/image.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/tmpfile.h"
#include "imagegen/layer/node.h"

#define FIXTURE_EPOCH 1700000000

struct fixture {
	struct diag *d;
	struct tmpdir *dir;
	struct manifest m;
	struct persona p;
	struct layer layers[8];
	struct mstr paths[8];
	struct tree *tree;
};

static inline void fixture_init(struct fixture *f)
{
	*f = (struct fixture){ .d = diag_new() };
	assert_int_equal(tmpdir_new("/tmp", &f->dir), 0);
	f->m.path = mem_strdup("manifest.yaml");
	f->m.dir = mem_strdup(tmpdir_path(f->dir));
	f->p.name = "personal";
	f->p.system.layers = f->layers;
}

static inline void fixture_fini(struct fixture *f)
{
	for (size_t i = 0; i < f->p.system.layers_count; i++)
		free(f->paths[i].s);
	tree_free(f->tree);
	tmpdir_free(f->dir);
	diag_free(f->d);
	free(f->m.path);
	free(f->m.dir);
}

static inline char *fixture_path(const struct fixture *f, const char *name)
{
	return mem_printf("%s/%s", tmpdir_path(f->dir), name);
}

/* A layer with one path, relative to the fixture's folder or absolute. */
static inline void fixture_layer(struct fixture *f, enum layer_kind kind, const char *path)
{
	size_t i = f->p.system.layers_count++;
	assert_true(i < ARRAY_LEN(f->layers));
	f->paths[i] =
		(struct mstr){ .s = mem_strdup(path), .loc = { .file = f->m.path, .line = (uint32_t)(i + 1), .col = 1 }, .given = true };
	f->layers[i] = (struct layer){ .kind = kind, .paths = { .v = &f->paths[i], .count = 1 }, .loc = f->paths[i].loc };
}

static inline int fixture_load(struct fixture *f)
{
	tree_free(f->tree);
	f->tree = NULL;
	return tree_load(&f->m, &f->p, FIXTURE_EPOCH, tmpdir_path(f->dir), &f->tree, f->d);
}

static inline void fixture_loads(struct fixture *f)
{
	int r = fixture_load(f);
	for (size_t i = 0; r < 0 && i < diag_count(f->d); i++)
		print_error("%s\n", diag_get(f->d, i)->message);
	assert_int_equal(r, 0);
}

/* Loading fails with exactly one report, of this code. */
static inline void fixture_refuses(struct fixture *f, enum diag_code code)
{
	assert_int_equal(fixture_load(f), -1);
	assert_int_equal(diag_errors(f->d), 1);
	assert_int_equal(diag_get(f->d, diag_count(f->d) - 1)->code, code);
	assert_null(f->tree);
}

/* An archive being written. */
static inline struct archive *fixture_tar(const struct fixture *f, const char *name, int (*filter)(struct archive *))
{
	char *path CLEANUP_FREE = fixture_path(f, name);
	struct archive *a = archive_write_new();
	assert_int_equal(archive_write_set_format_pax(a), ARCHIVE_OK);
	if (filter)
		assert_int_equal(filter(a), ARCHIVE_OK);
	assert_int_equal(archive_write_open_filename(a, path), ARCHIVE_OK);
	return a;
}

static inline void tar_close(struct archive *a)
{
	assert_int_equal(archive_write_close(a), ARCHIVE_OK);
	assert_int_equal(archive_write_free(a), ARCHIVE_OK);
}

static inline struct archive_entry *tar_entry(const char *path, unsigned mode)
{
	struct archive_entry *e = archive_entry_new();
	archive_entry_set_pathname(e, path);
	archive_entry_set_mode(e, mode);
	archive_entry_set_mtime(e, 1600000000, 0);
	archive_entry_set_size(e, 0);
	return e;
}

/* Writes and frees the entry. */
static inline void tar_put(struct archive *a, struct archive_entry *e, const void *data, size_t len)
{
	archive_entry_set_size(e, (la_int64_t)len);
	assert_true(archive_write_header(a, e) >= ARCHIVE_WARN);
	if (len > 0)
		assert_int_equal(archive_write_data(a, data, len), (la_ssize_t)len);
	archive_entry_free(e);
}

static inline void tar_file(struct archive *a, const char *path, const char *text)
{
	tar_put(a, tar_entry(path, S_IFREG | 0644), text, strlen(text));
}

static inline void tar_dir(struct archive *a, const char *path, unsigned mode)
{
	tar_put(a, tar_entry(path, S_IFDIR | mode), NULL, 0);
}

static inline void tar_symlink(struct archive *a, const char *path, const char *target)
{
	struct archive_entry *e = tar_entry(path, S_IFLNK | 0777);
	archive_entry_set_symlink(e, target);
	tar_put(a, e, NULL, 0);
}

static inline void tar_hardlink(struct archive *a, const char *path, const char *target)
{
	struct archive_entry *e = tar_entry(path, S_IFREG | 0644);
	archive_entry_set_hardlink(e, target);
	archive_entry_unset_size(e);
	assert_true(archive_write_header(a, e) >= ARCHIVE_WARN);
	archive_entry_free(e);
}

/* The entry itself: links are not followed. */
static inline const struct node *fixture_node(const struct fixture *f, const char *path)
{
	for (const struct node *n = tree_root(f->tree); n; n = node_next(n)) {
		char *p CLEANUP_FREE = node_path(n);
		if (strcmp(p, path) == 0)
			return n;
	}
	return NULL;
}

static inline void assert_content(const struct fixture *f, const char *path, const char *text)
{
	uint8_t *data CLEANUP_FREE = NULL;
	size_t len;
	assert_int_equal(tree_read_file(f->tree, path, NULL, &data, &len, NULL, f->d), 0);
	assert_int_equal(len, strlen(text));
	assert_memory_equal(data, text, len);
}

#endif
