#include "imagegen/fs/ext4_list.h"

#include <ext2fs/ext2fs.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "imagegen/base/buf.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"

#define PIECE ((size_t)65536)
#define NAMES_MAX ((size_t)1 << 24)
#define PATH_LEN_MAX 65536
#define TARGET_MAX ((uint64_t)65536)
#define CONTENT_MAX (64 * GIB) /* holes are hashed as the zeros they read as, and a size is quickly written */

DEFINE_FREEP(struct struct_ext2_filsys, ext2fs_free)

static inline void file_freep(ext2_file_t *f)
{
	if (*f)
		(void)ext2fs_file_close(*f);
	*f = NULL;
}

static inline void xattr_freep(struct ext2_xattr_handle **h)
{
	if (*h)
		(void)ext2fs_xattrs_close(h);
}

/* libext2fs's access to an image, for reading. */

struct channel {
	struct struct_io_channel io;
	struct image *img;
	struct diag *d; /* libext2fs gets a number only */
};

static errcode_t io_read64(io_channel io, unsigned long long block, int count, void *data)
{
	struct channel *c = io->private_data;
	uint64_t at, len = count < 0 ? (uint64_t) - (int64_t)count : (uint64_t)count * (uint64_t)io->block_size;
	if (!num_mul(block, (uint64_t)io->block_size, &at) || !num_inside(at, len, image_len(c->img)))
		return EXT2_ET_SHORT_READ;
	return image_read(c->img, at, data, (size_t)len, c->d) < 0 ? EXT2_ET_SHORT_READ : 0;
}

static errcode_t io_read(io_channel io, unsigned long block, int count, void *data)
{
	return io_read64(io, block, count, data);
}

static errcode_t io_set_blksize(io_channel io, int block_size)
{
	io->block_size = block_size;
	return 0;
}

static errcode_t io_close(io_channel io)
{
	if (--io->refcount > 0)
		return 0;
	free(io->private_data);
	return 0;
}

static errcode_t io_nothing(io_channel io)
{
	(void)io;
	return 0;
}

static errcode_t io_open(const char *name, int flags, io_channel *ret);

static struct struct_io_manager image_io = {
	.magic = EXT2_ET_MAGIC_IO_MANAGER,
	.name = "image",
	.open = io_open,
	.close = io_close,
	.set_blksize = io_set_blksize,
	.read_blk = io_read,
	.read_blk64 = io_read64,
	.flush = io_nothing,
};

/* What the name of the "device" points to. */
struct source {
	struct image *img;
	struct diag *d;
};

/* libext2fs hands a name through and nothing else: it is the address of a struct source, in hexadecimal. */
static errcode_t io_open(const char *name, int flags, io_channel *ret)
{
	(void)flags;
	const struct source *s = (const struct source *)(uintptr_t)strtoull(name, NULL, 16);
	struct channel *c = mem_new(struct channel);
	c->img = s->img;
	c->d = s->d;
	c->io = (struct struct_io_channel){
		.magic = EXT2_ET_MAGIC_IO_CHANNEL, .manager = &image_io, .block_size = 1024, .refcount = 1, .private_data = c
	};
	*ret = &c->io;
	return 0;
}

static int failed(const char *label, const char *what, errcode_t err, struct diag *d)
{
	return diag_fail(d, MVP0009, &LOC_FILE(label), "the file system cannot be read: %s: %s", what, error_message(err));
}

static int open_fs(const struct source *s, const char *label, ext2_filsys *ret, struct diag *d)
{
	char name[32];
	(void)snprintf(name, sizeof(name), "%" PRIxPTR, (uintptr_t)s);
	errcode_t err = ext2fs_open2(name, NULL, EXT2_FLAG_64BITS | EXT2_FLAG_SOFTSUPP_FEATURES, 0, 0, &image_io, ret);
	return err ? failed(label, "its superblock", err, d) : 0;
}

/* The names of one folder. */
struct names {
	struct name {
		char *name;
		ext2_ino_t ino;
	} * v;
	size_t count, cap;
	bool too_many;
};

static void names_fini(struct names *n)
{
	for (size_t i = 0; i < n->count; i++)
		free(n->v[i].name);
	free(n->v);
	*n = (struct names){ 0 };
}

static int add_name(ext2_ino_t dir, int entry, struct ext2_dir_entry *e, int offset, int block_len, char *buf, void *ctx)
{
	struct names *n = ctx;
	int len = ext2fs_dirent_name_len(e);
	(void)dir;
	(void)entry;
	(void)offset;
	(void)block_len;
	(void)buf;
	if (!e->inode || len == 0 || (len == 1 && e->name[0] == '.') || (len == 2 && e->name[0] == '.' && e->name[1] == '.'))
		return 0;
	n->too_many = n->count >= NAMES_MAX;
	if (n->too_many)
		return DIRENT_ABORT;
	mem_grow(&n->v, n->count, &n->cap, sizeof(*n->v));
	n->v[n->count++] = (struct name){ mem_strndup(e->name, (size_t)len), e->inode };
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct name *x = a, *y = b;
	return strcmp(x->name, y->name);
}

/* A walk over all names. Folders still to be read are a stack; none is read twice, whatever a damaged file system says. */
struct walk {
	ext2_filsys fs;
	const char *label;
	struct diag *d;
	struct todo {
		char *path;
		ext2_ino_t ino;
	} * todo;
	size_t todo_count, todo_cap, names;
	ext2fs_inode_bitmap seen;
	uint8_t *piece;
	int (*visit)(struct walk *w, const char *path, ext2_ino_t ino, const struct ext2_inode_large *inode);
	void *ctx;
};

static void walk_fini(struct walk *w)
{
	for (size_t i = 0; i < w->todo_count; i++)
		free(w->todo[i].path);
	free(w->todo);
	free(w->piece);
	if (w->seen)
		ext2fs_free_inode_bitmap(w->seen);
}

static int push(struct walk *w, const char *path, ext2_ino_t ino)
{
	if (ext2fs_test_inode_bitmap2(w->seen, ino))
		return diag_fail(w->d, MVP0009, &LOC_FILE(w->label), "the file system is damaged: folder '%s' is met twice", path);
	(void)ext2fs_mark_inode_bitmap2(w->seen, ino);
	mem_grow(&w->todo, w->todo_count, &w->todo_cap, sizeof(*w->todo));
	w->todo[w->todo_count++] = (struct todo){ mem_strdup(path), ino };
	return 0;
}

static int visit_one(struct walk *w, const char *path, ext2_ino_t ino)
{
	struct ext2_inode_large inode = { 0 };
	if (ino > w->fs->super->s_inodes_count || strlen(path) > PATH_LEN_MAX || ++w->names > NAMES_MAX)
		return diag_fail(w->d, MVP0009, &LOC_FILE(w->label), "the file system is damaged: '%.200s' cannot be", path);
	errcode_t err = ext2fs_read_inode_full(w->fs, ino, (struct ext2_inode *)&inode, sizeof(inode));
	if (err)
		return failed(w->label, path, err, w->d);
	int r = w->visit(w, path, ino, &inode);
	if (r)
		return r;
	return S_ISDIR(inode.i_mode) ? push(w, path, ino) : 0;
}

static int read_folder(struct walk *w, const struct todo *t)
{
	struct names n CLEANUP(names_fini) = { 0 };
	errcode_t err = ext2fs_dir_iterate2(w->fs, t->ino, 0, NULL, add_name, &n);
	if (err || n.too_many)
		return failed(w->label, t->path, err ? err : EXT2_ET_DIR_CORRUPTED, w->d);
	if (n.count)
		qsort(n.v, n.count, sizeof(*n.v), by_name);
	for (size_t i = 0; i < n.count; i++) {
		char *path CLEANUP_FREE = mem_printf("%s/%s", strcmp(t->path, "/") == 0 ? "" : t->path, n.v[i].name);
		int r = visit_one(w, path, n.v[i].ino);
		if (r)
			return r;
	}
	return 0;
}

/* From the folder top on, which path names. 0: all were visited; else what visit returned, or -1. */
static int walk_from(struct walk *w, const char *path, ext2_ino_t top)
{
	errcode_t err = ext2fs_allocate_inode_bitmap(w->fs, "folders read", &w->seen);
	if (err)
		return failed(w->label, "its inodes", err, w->d);
	w->piece = mem_zeroed(1, PIECE);
	int r = visit_one(w, path, top);
	while (!r && w->todo_count > 0) {
		struct todo t = w->todo[--w->todo_count];
		r = diag_stopped(w->d) ? -1 : read_folder(w, &t);
		free(t.path);
	}
	return r;
}

static int walk(struct walk *w)
{
	return walk_from(w, "/", EXT2_ROOT_INO);
}

static void add(EVP_MD_CTX *md, const void *data, size_t len)
{
	if (EVP_DigestUpdate(md, data, len) != 1)
		abort();
}

static EVP_MD_CTX *sha256_new(void)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	if (!md || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1)
		abort();
	return md;
}

static int hash_content(struct walk *w, const char *path, ext2_ino_t ino, uint8_t ret[32])
{
	ext2_file_t f CLEANUP(file_freep) = NULL;
	EVP_MD_CTX *md CLEANUP(EVP_MD_CTX_freep) = sha256_new();
	unsigned got = 1;
	errcode_t err = ext2fs_file_open(w->fs, ino, 0, &f);
	while (!err && got) {
		err = ext2fs_file_read(f, w->piece, (unsigned)PIECE, &got);
		if (!err)
			add(md, w->piece, got);
		if (diag_stopped(w->d))
			return -1;
	}
	if (err)
		return failed(w->label, path, err, w->d);
	if (EVP_DigestFinal_ex(md, ret, NULL) != 1)
		abort();
	return 0;
}

static int read_target(struct walk *w, const char *path, ext2_ino_t ino, const struct ext2_inode_large *inode, char **ret)
{
	ext2_file_t f CLEANUP(file_freep) = NULL;
	uint64_t len = EXT2_I_SIZE(inode);
	struct ext2_inode *small = (struct ext2_inode *)(uintptr_t)inode;
	unsigned got = 0;
	if (ext2fs_is_fast_symlink(small)) {
		*ret = mem_strndup((const char *)inode->i_block, (size_t)num_min(len, sizeof(inode->i_block)));
		return 0;
	}
	if (len > TARGET_MAX)
		return failed(w->label, path, EXT2_ET_SYMLINK_LOOP, w->d);
	*ret = mem_zeroed(1, len + 1);
	errcode_t err = ext2fs_file_open(w->fs, ino, 0, &f);
	if (!err)
		err = ext2fs_file_read(f, *ret, (unsigned)len, &got);
	return err ? failed(w->label, path, err, w->d) : 0;
}

/* libext2fs lists attributes in the order of their places; their names order them here. */
struct attribute {
	char *name;
	uint8_t digest[32];
};
struct attributes {
	struct attribute *v;
	size_t count, cap;
};

static void attributes_fini(struct attributes *a)
{
	for (size_t i = 0; i < a->count; i++)
		free(a->v[i].name);
	free(a->v);
}

static int add_attribute(char *name, char *value, size_t len, void *ctx)
{
	struct attributes *a = ctx;
	mem_grow(&a->v, a->count, &a->cap, sizeof(*a->v));
	struct attribute *one = &a->v[a->count++];
	one->name = mem_strdup(name);
	if (EVP_Digest(value, len, one->digest, NULL, EVP_sha256(), NULL) != 1)
		abort();
	return 0;
}

static int by_attribute(const void *a, const void *b)
{
	const struct attribute *x = a, *y = b;
	return strcmp(x->name, y->name);
}

static int hash_xattrs(struct walk *w, const char *path, ext2_ino_t ino, uint8_t ret[32], bool *ret_any)
{
	struct ext2_xattr_handle *h CLEANUP(xattr_freep) = NULL;
	struct attributes all CLEANUP(attributes_fini) = { 0 };
	EVP_MD_CTX *md CLEANUP(EVP_MD_CTX_freep) = sha256_new();
	errcode_t err = ext2fs_xattrs_open(w->fs, ino, &h);
	if (!err)
		err = ext2fs_xattrs_read(h);
	if (!err)
		err = ext2fs_xattrs_iterate(h, add_attribute, &all);
	if (err)
		return failed(w->label, path, err, w->d);
	*ret_any = all.count > 0;
	if (all.count)
		qsort(all.v, all.count, sizeof(*all.v), by_attribute);
	for (size_t i = 0; i < all.count; i++) {
		add(md, all.v[i].name, strlen(all.v[i].name) + 1);
		add(md, all.v[i].digest, sizeof(all.v[i].digest));
	}
	if (EVP_DigestFinal_ex(md, ret, NULL) != 1)
		abort();
	return 0;
}

struct lister {
	ext4_file_fn fn;
	void *ctx;
};

/* Device numbers: the old form in the first word, or the new one in the second. */
static void read_device(const struct ext2_inode_large *inode, struct ext4_file *f)
{
	uint32_t old = inode->i_block[0], n = inode->i_block[1];
	f->rdev_major = old ? old >> 8 & 0xff : n >> 8 & 0xfff;
	f->rdev_minor = old ? old & 0xff : (n & 0xff) | (n >> 12 & 0xfff00);
}

/* What the inode itself says. */
static int describe(const struct walk *w, const char *path, const struct ext2_inode_large *inode, struct ext4_file *f)
{
	*f = (struct ext4_file){
		.path = path,
		.mode = inode->i_mode,
		.uid = inode->i_uid | (uint32_t)inode->i_uid_high << 16,
		.gid = inode->i_gid | (uint32_t)inode->i_gid_high << 16,
		.links = inode->i_links_count,
		.mtime = (int32_t)inode->i_mtime + ((int64_t)(inode->i_mtime_extra & 3) << 32),
		.len = EXT2_I_SIZE(inode),
		.has_content = S_ISREG(inode->i_mode),
	};
	if (S_ISCHR(f->mode) || S_ISBLK(f->mode))
		read_device(inode, f);
	if (f->has_content && f->len > CONTENT_MAX)
		return diag_fail(w->d, MVP0009, &LOC_FILE(w->label), "'%s' is larger than %llu GiB", path,
				 (unsigned long long)(CONTENT_MAX / GIB));
	return 0;
}

static int list_one(struct walk *w, const char *path, ext2_ino_t ino, const struct ext2_inode_large *inode)
{
	const struct lister *l = w->ctx;
	char *target CLEANUP_FREE = NULL;
	uint8_t xattrs[32];
	bool any = false;
	struct ext4_file f;
	if (describe(w, path, inode, &f) < 0)
		return -1;
	if (f.has_content && hash_content(w, path, ino, f.content) < 0)
		return -1;
	if (S_ISLNK(f.mode) && read_target(w, path, ino, inode, &target) < 0)
		return -1;
	if (hash_xattrs(w, path, ino, xattrs, &any) < 0)
		return -1;
	f.target = target;
	f.xattrs = any ? xattrs : NULL;
	return l->fn(l->ctx, &f, w->d) < 0 ? -1 : 0;
}

int ext4_list(struct image *img, const char *label, ext4_file_fn fn, void *ctx, struct diag *d)
{
	const struct source source = { img, d };
	struct lister l = { fn, ctx };
	ext2_filsys fs CLEANUP(ext2fs_freep) = NULL;
	if (open_fs(&source, label, &fs, d) < 0)
		return -1;
	struct walk w CLEANUP(walk_fini) = { .fs = fs, .label = label, .d = d, .visit = list_one, .ctx = &l };
	return walk(&w) ? -1 : 0;
}

struct ext4_content {
	const struct walk *w;
	const char *path;
	ext2_ino_t ino;
	ext2_file_t file; /* opened at the first read */
	uint64_t left;    /* bytes of the file not read yet: libext2fs gives all the room of data in the inode, used or not */
};

static void content_close(struct ext4_content *c)
{
	file_freep(&c->file);
}

int ext4_content_read(struct ext4_content *c, void *buf, size_t len, size_t *ret_got, struct diag *d)
{
	unsigned got = 0;
	errcode_t err = c->file ? 0 : ext2fs_file_open(c->w->fs, c->ino, 0, &c->file);
	if (!err)
		err = ext2fs_file_read(c->file, buf, (unsigned)num_min(num_min(len, c->left), GIB), &got);
	*ret_got = num_min(got, c->left);
	c->left -= *ret_got;
	return err ? failed(c->w->label, c->path, err, d) : 0;
}

struct below {
	ext4_below_fn fn;
	void *ctx;
	size_t top_len; /* of the folder's path */
};

static int list_below_one(struct walk *w, const char *path, ext2_ino_t ino, const struct ext2_inode_large *inode)
{
	const struct below *b = w->ctx;
	struct ext4_content c CLEANUP(content_close) = { .w = w, .path = path, .ino = ino, .left = EXT2_I_SIZE(inode) };
	struct ext4_file f;
	if (strlen(path) == b->top_len) /* the folder itself */
		return 0;
	if (describe(w, path, inode, &f) < 0)
		return -1;
	f.path += b->top_len;
	f.has_content = false;
	return b->fn(b->ctx, &f, &c, w->d) < 0 ? -1 : 0;
}

int ext4_list_below(struct image *img, const char *label, const char *path, ext4_below_fn fn, void *ctx, struct diag *d)
{
	const struct source source = { img, d };
	struct below b = { fn, ctx, strlen(path) };
	struct ext2_inode inode = { 0 };
	ext2_ino_t top;
	ext2_filsys fs CLEANUP(ext2fs_freep) = NULL;
	if (open_fs(&source, label, &fs, d) < 0)
		return -1;
	if (ext2fs_namei_follow(fs, EXT2_ROOT_INO, EXT2_ROOT_INO, path, &top) || ext2fs_read_inode(fs, top, &inode) ||
	    !S_ISDIR(inode.i_mode))
		return 0;
	struct walk w CLEANUP(walk_fini) = { .fs = fs, .label = label, .d = d, .visit = list_below_one, .ctx = &b };
	return walk_from(&w, path, top) ? -1 : 0;
}

/* Names that fit a pattern; of more than one the first and the second are told. */
struct finder {
	const char *pattern;
	size_t count;
	ext2_ino_t ino;
	char *path, *other;
};

static void finder_fini(struct finder *f)
{
	free(f->path);
	free(f->other);
}

/* A link counts for what it leads to. */
static int find_one(struct walk *w, const char *path, ext2_ino_t ino, const struct ext2_inode_large *inode)
{
	struct finder *f = w->ctx;
	struct ext2_inode led = { 0 };
	uint32_t mode = inode->i_mode;
	if (fnmatch(f->pattern, path, FNM_PATHNAME | FNM_PERIOD) != 0)
		return 0;
	if (S_ISLNK(mode)) {
		if (ext2fs_namei_follow(w->fs, EXT2_ROOT_INO, EXT2_ROOT_INO, path, &ino) || ext2fs_read_inode(w->fs, ino, &led))
			return 0;
		mode = led.i_mode;
	}
	if (!S_ISREG(mode))
		return 0;
	if (f->count++ == 0) {
		f->path = mem_strdup(path);
		f->ino = ino;
	} else if (!f->other) {
		f->other = mem_strdup(path);
	}
	return 0;
}

static int read_whole(struct walk *w, const struct finder *f, size_t max, uint8_t **ret_data, size_t *ret_len)
{
	ext2_file_t file CLEANUP(file_freep) = NULL;
	uint8_t *data CLEANUP_FREE = NULL;
	__u64 len = 0;
	unsigned got = 1;
	size_t done = 0;
	errcode_t err = ext2fs_file_open(w->fs, f->ino, 0, &file);
	if (!err)
		err = ext2fs_file_get_lsize(file, &len);
	if (!err && len > max)
		return diag_fail(w->d, MVP0307, &LOC_FILE(w->label), "'%s' is larger than %zu MiB", f->path, max >> 20);
	data = mem_try(1, (size_t)len + 1);
	if (!data)
		return diag_fail(w->d, MVP0307, &LOC_FILE(w->label), "no memory for '%s'", f->path);
	while (!err && got && done < len) {
		err = ext2fs_file_read(file, data + done, (unsigned)num_min(MIB, len - done), &got);
		done += got;
	}
	if (err || done < len)
		return failed(w->label, f->path, err ? err : EXT2_ET_SHORT_READ, w->d);
	*ret_data = TAKE(data);
	*ret_len = done;
	return 0;
}

int ext4_read_file(struct image *img, const char *label, const char *path, size_t max, const struct loc *loc, uint8_t **ret_data,
		   size_t *ret_len, char **ret_path, struct diag *d)
{
	const struct source source = { img, d };
	struct finder f CLEANUP(finder_fini) = { .pattern = path };
	ext2_filsys fs CLEANUP(ext2fs_freep) = NULL;
	if (open_fs(&source, label, &fs, d) < 0)
		return -1;
	struct walk w CLEANUP(walk_fini) = { .fs = fs, .label = label, .d = d, .visit = find_one, .ctx = &f };
	if (walk(&w))
		return -1;
	if (f.count == 0) {
		(void)diag_fail(d, MVP0311, loc, "no file '%s' in the image '%s'", path, label);
		diag_hint(d, "a file of the host is written 'file:PATH'");
		return -1;
	}
	if (f.count > 1) {
		(void)diag_fail(d, MVP0312, loc, "'%s' fits %zu files in the image '%s'", path, f.count, label);
		diag_note(d, "%s", f.path);
		diag_note(d, "%s", f.other);
		return -1;
	}
	if (read_whole(&w, &f, max, ret_data, ret_len) < 0)
		return -1;
	*ret_path = TAKE(f.path);
	return 0;
}

struct owner {
	blk64_t block;
	bool found;
	char *path;
};

static int is_it(ext2_filsys fs, blk64_t *block, e2_blkcnt_t number, blk64_t ref, int ref_offset, void *ctx)
{
	struct owner *o = ctx;
	(void)fs;
	(void)number;
	(void)ref;
	(void)ref_offset;
	o->found = *block == o->block;
	return o->found ? BLOCK_ABORT : 0;
}

static int look_for(struct walk *w, const char *path, ext2_ino_t ino, const struct ext2_inode_large *inode)
{
	struct owner *o = w->ctx;
	struct ext2_inode *small = (struct ext2_inode *)(uintptr_t)inode;
	if (!ext2fs_inode_has_valid_blocks2(w->fs, small))
		return 0;
	(void)ext2fs_block_iterate3(w->fs, ino, BLOCK_FLAG_READ_ONLY, NULL, is_it, o);
	if (o->found)
		o->path = mem_strdup(path);
	return o->found;
}

/* Tables of the group that the block lies in. */
static char *name_table(ext2_filsys fs, blk64_t block)
{
	for (dgrp_t g = 0; g < fs->group_desc_count; g++) {
		blk64_t inodes = ext2fs_inode_table_loc(fs, g);
		if (block == ext2fs_block_bitmap_loc(fs, g) || block == ext2fs_inode_bitmap_loc(fs, g))
			return mem_printf("a bitmap of group %u", g);
		if (block >= inodes && block - inodes < fs->inode_blocks_per_group) {
			uint64_t per_block = fs->blocksize / (uint32_t)EXT2_INODE_SIZE(fs->super);
			uint64_t first = (uint64_t)g * fs->super->s_inodes_per_group + (uint64_t)(block - inodes) * per_block;
			return mem_printf("the table of inodes, from inode %" PRIu64 " on", first + 1);
		}
	}
	return NULL;
}

int ext4_owner(struct image *img, const char *label, uint64_t at, char **ret_what, struct diag *d)
{
	const struct source source = { img, d };
	struct owner o = { 0 };
	ext2_filsys fs CLEANUP(ext2fs_freep) = NULL;
	if (open_fs(&source, label, &fs, d) < 0)
		return -1;
	o.block = at / fs->blocksize;
	if (o.block >= ext2fs_blocks_count(fs->super)) {
		*ret_what = mem_strdup("what lies behind the file system: its hash tree and parity");
		return 0;
	}
	*ret_what = name_table(fs, o.block);
	if (*ret_what)
		return 0;
	struct walk w CLEANUP(walk_fini) = { .fs = fs, .label = label, .d = d, .visit = look_for, .ctx = &o };
	int r = walk(&w);
	if (r < 0)
		return -1;
	*ret_what =
		r ? o.path : mem_strdup("a block that no file owns: the superblock, its copies, descriptors, the journal, or free space");
	return 0;
}
