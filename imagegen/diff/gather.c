/* Where facts come from: archives are taken apart with libarchive, images by their partition tables, file systems by libext2fs. */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "imagegen/avb/avb.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/image.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/base/text.h"
#include "imagegen/base/tmpfile.h"
#include "imagegen/bundle/look.h"
#include "imagegen/diff/facts.h"
#include "imagegen/fs/ext4_list.h"
#include "imagegen/inspect/inspect.h"
#include "imagegen/lp/lp.h"
#include "imagegen/sparse/reader.h"

#define PIECE (256 * KIB)
#define DEPTH_MAX 3 /* a zip in a zip, an image in that */
#define SHA_HEX 65
#define MEMBERS_MAX 65536u

struct gather {
	struct facts *out;
	const char *tmp_dir;
	struct diag *d;
	uint8_t *piece;
};

/* Of the whole image; holes read as zeros. */
static int put_sha256(struct gather *g, const struct image *img, uint64_t at, uint64_t len, const char *name, struct buf *b)
{
	EVP_MD_CTX *md CLEANUP(EVP_MD_CTX_freep) = EVP_MD_CTX_new();
	uint8_t digest[32];
	char hex[SHA_HEX];
	if (!md || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1)
		abort();
	for (uint64_t end = at + len; at < end;) {
		size_t n = (size_t)num_min(PIECE, end - at);
		if (diag_stopped(g->d) || image_read(img, at, g->piece, n, g->d) < 0)
			return -1;
		if (EVP_DigestUpdate(md, g->piece, n) != 1)
			abort();
		at += n;
	}
	if (EVP_DigestFinal_ex(md, digest, NULL) != 1)
		abort();
	facts_put(b, name, "%s", text_hex(digest, sizeof(digest), hex));
	return 0;
}

static const char *join(const char *where, const char *name, char **ret)
{
	*ret = *where ? mem_printf("%s/%s", where, name) : mem_strdup(name);
	return *ret;
}

struct file_ctx {
	struct gather *g;
	const char *where;
	bool stopped; /* nobody waits for the facts any more */
};

static int add_file(void *ctx, const struct ext4_file *f, struct diag *d)
{
	struct file_ctx *c = ctx;
	struct buf b CLEANUP(buf_fini) = BUF_INIT;
	char *where CLEANUP_FREE = mem_printf("%s:%s", c->where, f->path), hex[SHA_HEX];
	const char *type = S_ISDIR(f->mode) ? "folder" : S_ISLNK(f->mode) ? "link" : S_ISREG(f->mode) ? "file" : "device";
	(void)d;
	c->stopped = diag_stopped(c->g->d);
	if (c->stopped)
		return -1;
	facts_put(&b, "type", "%s", type);
	facts_put(&b, "mode", "%04o", f->mode & 07777);
	facts_put(&b, "owner", "%u:%u", f->uid, f->gid);
	facts_put(&b, "time", "%" PRId64, f->mtime);
	if (!S_ISDIR(f->mode))
		facts_put(&b, "names", "%u", f->links);
	if (S_ISCHR(f->mode) || S_ISBLK(f->mode))
		facts_put(&b, "device", "%c %u:%u", S_ISCHR(f->mode) ? 'c' : 'b', f->rdev_major, f->rdev_minor);
	if (f->target)
		facts_put(&b, "target", "%s", f->target);
	if (f->has_content) {
		facts_put(&b, "size", "%" PRIu64, f->len);
		facts_put(&b, "sha256", "%s", text_hex(f->content, sizeof(f->content), hex));
	}
	if (f->xattrs)
		facts_put(&b, "attributes", "%s", text_hex(f->xattrs, 32, hex));
	facts_add(c->g->out, where, &b);
	return 0;
}

/* A file system that cannot be read is compared as bytes; why is a warning. */
static int put_files(struct gather *g, struct image *img, const char *where)
{
	struct diag *inner CLEANUP(diag_freep) = diag_new();
	struct file_ctx ctx = { .g = g, .where = where };
	size_t before = g->out->count;
	if (ext4_list(img, where, add_file, &ctx, inner) == 0)
		return 0;
	if (ctx.stopped)
		return -1;
	while (g->out->count > before) {
		struct fact *last = &g->out->v[--g->out->count];
		free(last->where);
		free(last->attributes);
	}
	for (size_t i = 0; i < diag_count(inner); i++)
		diag_warn(g->d, diag_get(inner, i)->code, &diag_get(inner, i)->loc, "%s", diag_get(inner, i)->message);
	return 0;
}

static void put_ext4(const struct inspect *in, struct buf *b)
{
	char uuid[TEXT_UUID_LEN];
	facts_put(b, "label", "%s", in->ext4.label);
	facts_put(b, "uuid", "%s", text_uuid(in->ext4.uuid, uuid));
	facts_put(b, "blocks", "%" PRIu64 " of %u bytes", in->ext4.blocks, in->ext4.block_len);
	facts_put(b, "free blocks", "%" PRIu64, in->ext4.free_blocks);
}

static void put_luks2(const struct luks2_info *l, struct buf *b)
{
	facts_put(b, "uuid", "%s", l->uuid);
	facts_put(b, "label", "%s", l->label);
	facts_put(b, "cipher", "%s, sectors of %u bytes", l->cipher, l->sector_size);
	for (size_t i = 0; i < l->slots_count; i++) {
		char *name CLEANUP_FREE = mem_printf("key slot %s", l->slots[i].id);
		facts_put(b, name, "%s, cost %" PRIu64 ", %" PRIu64 " KiB", l->slots[i].kdf, l->slots[i].cost, l->slots[i].memory_kib);
	}
}

static int put_bootimg(struct gather *g, const struct image *img, const struct bootimg_info *i, struct buf *b)
{
	facts_put(b, "header version", "%u", i->version);
	facts_put(b, "command line", "%s", i->cmdline);
	facts_put(b, "kernel size", "%" PRIu64, i->kernel_len);
	facts_put(b, "ramdisk size", "%" PRIu64, i->ramdisk_len);
	return put_sha256(g, img, i->kernel_at, i->kernel_len, "kernel sha256", b) < 0 ||
			       put_sha256(g, img, i->ramdisk_at, i->ramdisk_len, "ramdisk sha256", b) < 0
		       ? -1
		       : 0;
}

static void put_identity(const struct mvp_identity *id, struct buf *b)
{
	char hex[2 * MVP_P256_POINT_LEN + 1];
	facts_put(b, "serial", "%.*s", (int)sizeof(id->serial), (const char *)id->serial);
	facts_put(b, "device key", "%s", text_hex(id->device_public, sizeof(id->device_public), hex));
	facts_put(b, "order key", "%s", text_hex(id->order_public, sizeof(id->order_public), hex));
}

/* A vbmeta image says who signed what. */
static int put_vbmeta(struct gather *g, const struct image *img, const char *where, const struct avb_info *info, struct buf *b)
{
	uint8_t digest[32];
	struct diag *inner CLEANUP(diag_freep) = diag_new();
	struct avb_descriptor one;
	char hex[SHA_HEX];
	size_t at = 0, len = (size_t)num_min(image_len(img), AVB_VBMETA_MAX);
	uint8_t *data CLEANUP_FREE = mem_zeroed(1, len);
	if (image_read(img, 0, data, len, g->d) < 0)
		return -1;
	facts_put(b, "algorithm", "%u", info->algorithm);
	facts_put(b, "flags", "0x%x", info->flags);
	facts_put(b, "rollback index", "%" PRIu64, info->rollback_index);
	if (info->key_len && EVP_Digest(data + info->key_at, info->key_len, digest, NULL, EVP_sha256(), NULL) == 1)
		facts_put(b, "key sha256", "%s", text_hex(digest, sizeof(digest), hex));
	while (avb_next(data + info->descriptors_at, info->descriptors_len, &at, &one, where, inner) == 0) {
		char *name CLEANUP_FREE = mem_printf("descriptor %" PRIu64 " %s", one.tag, one.partition);
		if (EVP_Digest(one.data, one.len, digest, NULL, EVP_sha256(), NULL) == 1)
			facts_put(b, name, "%s", text_hex(digest, sizeof(digest), hex));
	}
	return 0;
}

static int put_content(struct gather *g, const struct image *img, const char *where, const struct inspect *in, struct buf *b)
{
	if (in->kind != INSPECT_DATA)
		facts_put(b, "kind", "%s", inspect_kind_name(in->kind));
	facts_put(b, "size", "%" PRIu64, in->len);
	switch (in->kind) {
	case INSPECT_EXT4:
		put_ext4(in, b);
		break;
	case INSPECT_LUKS2:
		put_luks2(&in->luks2, b);
		break;
	case INSPECT_BOOTIMG:
		if (put_bootimg(g, img, &in->boot, b) < 0)
			return -1;
		break;
	case INSPECT_IDENTITY:
		put_identity(&in->identity, b);
		break;
	case INSPECT_VBMETA:
		if (put_vbmeta(g, img, where, &in->vbmeta, b) < 0)
			return -1;
		break;
	default:
		break;
	}
	return in->kind == INSPECT_GPT ? 0 : put_sha256(g, img, 0, in->len, "sha256", b);
}

static int add_image(struct gather *g, struct image *img, const char *where, const struct inspect *in, struct buf *own TAKES);

static int add_partitions(struct gather *g, struct image *img, const char *where, const struct inspect *in)
{
	for (size_t i = 0; i < in->parts_count; i++) {
		const struct gpt_entry *e = &in->parts[i].entry;
		struct image *slice CLEANUP(image_freep) = image_slice(img, e->at, e->len);
		struct buf place = BUF_INIT;
		char *path CLEANUP_FREE = NULL, uuid[TEXT_UUID_LEN];
		facts_put(&place, "at", "%" PRIu64, e->at);
		facts_put(&place, "partition uuid", "%s", text_uuid(e->uuid, uuid));
		facts_put(&place, "partition type", "%s", text_uuid(e->type, uuid));
		facts_put(&place, "partition attributes", "0x%" PRIx64, e->attributes);
		if (add_image(g, slice, join(where, e->name, &path), &in->parts[i].content, &place) < 0)
			return -1;
	}
	return 0;
}

/* The parts of in are those of the metadata, one by one; inspect has told what is wrong with it. */
static int add_logical(struct gather *g, struct image *img, const char *where, const struct inspect *in)
{
	struct diag *told CLEANUP(diag_freep) = diag_new();
	struct lp *lp CLEANUP(lp_freep) = NULL;
	size_t count = 0;
	if (lp_read(img, where, &lp, told) < 0)
		return diag_fail(g->d, MVP0331, &LOC_FILE(where), "the metadata of super cannot be read any more");
	const struct lp_partition *v = lp_partitions(lp, &count);
	for (size_t i = 0; i < num_min(count, in->parts_count); i++) {
		struct image *content CLEANUP(image_freep) = NULL;
		struct buf place = BUF_INIT;
		char *path CLEANUP_FREE = NULL;
		if (lp_image(lp, &v[i], &content, g->d) < 0)
			return -1;
		facts_put(&place, "partition attributes", "0x%x", v[i].attributes);
		if (add_image(g, content, join(where, v[i].name, &path), &in->parts[i].content, &place) < 0)
			return -1;
	}
	return 0;
}

/* Bounded by inspect's depth. own: what is said of the place that the image is in. */
static int add_image(struct gather *g, struct image *img, const char *where, const struct inspect *in, struct buf *own TAKES)
{
	struct buf b CLEANUP(buf_fini) = *own;
	*own = BUF_INIT;
	if (put_content(g, img, *where ? where : ".", in, &b) < 0)
		return -1;
	facts_add(g->out, *where ? where : ".", &b);
	if (in->kind == INSPECT_EXT4 && put_files(g, img, where) < 0)
		return -1;
	return in->kind == INSPECT_SUPER ? add_logical(g, img, where, in) : add_partitions(g, img, where, in);
}

/* Archives, read from an image. */

struct reading {
	struct gather *g;
	struct image *img;
	uint64_t at;
	uint8_t *buf;
};

static la_ssize_t archive_get(struct archive *a, void *ctx, const void **ret)
{
	struct reading *r = ctx;
	size_t n = (size_t)num_min(PIECE, image_len(r->img) - r->at);
	if (n && image_read(r->img, r->at, r->buf, n, r->g->d) < 0) {
		archive_set_error(a, EIO, "it cannot be read");
		return ARCHIVE_FATAL;
	}
	r->at += n;
	*ret = r->buf;
	return (la_ssize_t)n;
}

static la_int64_t archive_seek(struct archive *a, void *ctx, la_int64_t offset, int whence)
{
	struct reading *r = ctx;
	la_int64_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? (la_int64_t)r->at : (la_int64_t)image_len(r->img);
	(void)a;
	if (offset < -base || offset > (la_int64_t)image_len(r->img) - base)
		return ARCHIVE_FATAL;
	r->at = (uint64_t)(base + offset);
	return base + offset;
}

static void reading_fini(struct reading *r)
{
	free(r->buf);
}

static int open_archive(struct reading *r, bool raw, struct archive **ret, const char *where)
{
	struct archive *a CLEANUP(archive_read_freep) = archive_read_new();
	r->buf = mem_zeroed(1, PIECE);
	bool ok = a != NULL;
	if (raw)
		ok = ok && archive_read_support_format_raw(a) == ARCHIVE_OK && archive_read_support_filter_lz4(a) >= ARCHIVE_WARN;
	else
		ok = ok && archive_read_support_format_zip_seekable(a) == ARCHIVE_OK && archive_read_support_format_tar(a) == ARCHIVE_OK;
	ok = ok && archive_read_set_seek_callback(a, archive_seek) == ARCHIVE_OK &&
	     archive_read_open(a, r, NULL, archive_get, NULL) == ARCHIVE_OK;
	if (!ok)
		return diag_fail(r->g->d, MVP0570, &LOC_FILE(where), "the archive cannot be read: %s",
				 a ? archive_error_string(a) : "out of memory");
	*ret = TAKE(a);
	return 0;
}

/* The data of the entry that a is at, as an image in a file without a name. */
static int unpack(struct gather *g, struct archive *a, const char *where, struct image **ret)
{
	int fd CLEANUP(fd_closep) = tmpfile_unlinked(g->tmp_dir);
	uint64_t len = 0;
	int error = fd < 0 ? fd : 0;
	for (la_ssize_t n = 1; !error && n > 0;) {
		if (diag_stopped(g->d))
			return -1;
		n = archive_read_data(a, g->piece, PIECE);
		if (n < 0)
			return diag_fail(g->d, MVP0570, &LOC_FILE(where), "it cannot be unpacked: %s", archive_error_string(a));
		error = io_pwrite_all(fd, g->piece, (size_t)n, len);
		len += (uint64_t)n;
	}
	if (error)
		return diag_fail(g->d, MVP0820, &LOC_FILE(g->tmp_dir), "cannot write a work file: %s", strerror(-error));
	struct extent *all = mem_new(struct extent);
	*all = (struct extent){ .len = len, .data = true };
	*ret = image_fd(fd, len, all, len ? 1 : 0, where);
	fd = -1;
	return 0;
}

static int add_any(struct gather *g, struct image *img, const char *where, unsigned depth);

/* An LZ4 frame is compared by what is packed in it. */
static int add_member(struct gather *g, struct image *packed, const char *where, unsigned depth)
{
	static const uint8_t lz4[] = { 0x04, 0x22, 0x4d, 0x18 };
	uint8_t head[4] = { 0 };
	struct image *img CLEANUP(image_freep) = image_ref(packed);
	if (image_len(packed) >= sizeof(head) && image_read(packed, 0, head, sizeof(head), g->d) < 0)
		return -1;
	if (memcmp(head, lz4, sizeof(lz4)) == 0) {
		struct reading r CLEANUP(reading_fini) = { .g = g, .img = packed };
		struct archive *a CLEANUP(archive_read_freep) = NULL;
		struct archive_entry *e;
		struct image *plain = NULL;
		if (open_archive(&r, true, &a, where) < 0)
			return -1;
		if (archive_read_next_header(a, &e) != ARCHIVE_OK)
			return diag_fail(g->d, MVP0570, &LOC_FILE(where), "it cannot be unpacked: %s", archive_error_string(a));
		if (unpack(g, a, where, &plain) < 0)
			return -1;
		image_free(img);
		img = plain;
	}
	return add_any(g, img, where, depth + 1);
}

static int add_archive(struct gather *g, struct image *img, const char *where, unsigned depth)
{
	struct reading r CLEANUP(reading_fini) = { .g = g, .img = img };
	struct archive *a CLEANUP(archive_read_freep) = NULL;
	struct archive_entry *e;
	int rc;
	if (open_archive(&r, false, &a, where) < 0)
		return -1;
	for (unsigned i = 0; (rc = archive_read_next_header(a, &e)) == ARCHIVE_OK || rc == ARCHIVE_WARN; i++) {
		const char *name = archive_entry_pathname(e);
		struct image *member CLEANUP(image_freep) = NULL;
		char *path CLEANUP_FREE = NULL;
		if (!name || i >= MEMBERS_MAX)
			return diag_fail(g->d, MVP0570, &LOC_FILE(where), "a member has no name, or there are too many");
		if (archive_entry_filetype(e) != AE_IFREG)
			continue;
		join(where, name, &path);
		if (unpack(g, a, path, &member) < 0 || add_member(g, member, path, depth) < 0)
			return -1;
	}
	return rc == ARCHIVE_EOF ? 0 : diag_fail(g->d, MVP0570, &LOC_FILE(where), "the archive is damaged: %s", archive_error_string(a));
}

static bool is_archive(const uint8_t *head)
{
	return memcmp(head, "PK\3\4", 4) == 0 || memcmp(head + 257, "ustar", 5) == 0;
}

/* Makers' own formats, whose content is known by place and digest. */
static int add_look(struct gather *g, struct image *img, const char *where, const struct look *l)
{
	struct buf whole = BUF_INIT;
	facts_put(&whole, "kind", "%s", l->kind);
	facts_put(&whole, "title", "%s", l->title);
	facts_add(g->out, *where ? where : ".", &whole);
	for (size_t i = 0; i < l->count; i++) {
		const struct look_item *it = &l->items[i];
		struct buf b CLEANUP(buf_fini) = BUF_INIT;
		char *name CLEANUP_FREE = mem_printf("%zu %s", i + 1, it->name), *path CLEANUP_FREE = NULL;
		facts_put(&b, "at", "%" PRIu64, it->at);
		facts_put(&b, "size", "%" PRIu64, it->len);
		facts_put(&b, "detail", "%s", it->detail ? it->detail : "");
		if (num_inside(it->at, it->len, image_len(img)) && put_sha256(g, img, it->at, it->len, "sha256", &b) < 0)
			return -1;
		facts_add(g->out, join(where, name, &path), &b);
	}
	return 0;
}

/* Bounded by DEPTH_MAX. */
static int add_any(struct gather *g, struct image *img, const char *where, unsigned depth)
{
	uint8_t head[512] = { 0 };
	struct image *plain CLEANUP(image_freep) = NULL;
	struct inspect in CLEANUP(inspect_fini) = { 0 };
	struct look look CLEANUP(look_fini) = { 0 };
	struct buf own = BUF_INIT;
	if (image_read(img, 0, head, (size_t)num_min(sizeof(head), image_len(img)), g->d) < 0)
		return -1;
	if (depth < DEPTH_MAX && is_archive(head))
		return add_archive(g, img, where, depth);
	int other = look_open(img, *where ? where : ".", &look, g->d);
	if (other <= 0)
		return other ? -1 : add_look(g, img, where, &look);
	if (sparse_is(head, sizeof(head)) && sparse_read(img, where, &plain, g->d) < 0)
		return -1;
	struct image *whole = plain ? plain : img;
	return inspect_image(whole, *where ? where : ".", &in, g->d) < 0 ? -1 : add_image(g, whole, where, &in, &own);
}

static int by_where(const void *a, const void *b)
{
	const struct fact *x = a, *y = b;
	return strcmp(x->where, y->where);
}

static void piece_freep(struct gather *g)
{
	free(g->piece);
}

int facts_gather(const char *path, const char *tmp_dir, struct facts *ret, struct diag *d)
{
	struct facts f CLEANUP(facts_fini) = { 0 };
	struct gather g CLEANUP(piece_freep) = { .out = &f, .tmp_dir = tmp_dir, .d = d, .piece = mem_zeroed(1, PIECE) };
	struct image *img CLEANUP(image_freep) = NULL;
	if (inspect_open(path, &img, d) < 0 || add_any(&g, img, "", 0) < 0)
		return -1;
	if (f.count)
		qsort(f.v, f.count, sizeof(*f.v), by_where);
	*ret = f;
	f = (struct facts){ 0 };
	return 0;
}
