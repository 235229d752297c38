#include "imagegen/verify/set.h"

#include <stdlib.h>
#include <string.h>

#include "imagegen/base/bytes.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/image.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/base/tmpfile.h"
#include "imagegen/bundle/ota.h"
#include "imagegen/bundle/payload_read.h"
#include "imagegen/gpt/gpt.h"
#include "imagegen/lp/lp.h"
#include "imagegen/sparse/reader.h"
#include "imagegen/zip/read.h"
#include "imagegen/zip/zip.h"

#define LP_GEOMETRY 0x616c4467u
#define HEAD_LEN 4100u

void set_fini(struct set *s)
{
	for (size_t i = 0; i < s->count; i++) {
		free(s->v[i].name);
		image_free(s->v[i].img);
	}
	free(s->v);
	*s = (struct set){ 0 };
}

void set_add(struct set *s, const char *name, struct image *img)
{
	mem_grow(&s->v, s->count, &s->cap, sizeof(*s->v));
	s->v[s->count++] = (struct set_image){ .name = mem_strdup(name), .img = image_ref(img) };
}

struct image *set_find(const struct set *s, const char *name, const char *suffix)
{
	size_t len = strlen(name);
	for (size_t i = 0; i < s->count; i++)
		if (!strncmp(s->v[i].name, name, len) && !strcmp(s->v[i].name + len, suffix))
			return s->v[i].img;
	return NULL;
}

static int no_room(const struct verify_opts *o, int error, struct diag *d)
{
	struct loc loc = LOC_FILE(o->tmp_dir);
	return diag_fail(d, MVP0811, &loc, "cannot unpack there: %s", strerror(-error));
}

/* The file as an image; its holes are zeros that were never written. */
static struct image *image_of(int fd TAKES, uint64_t len, const char *label)
{
	struct extent *all = mem_new(struct extent);
	*all = (struct extent){ .len = len, .data = true };
	return image_fd(fd, len, all, len ? 1 : 0, label);
}

/* Adds an image, expanded if it is sparse. */
static int add_image(struct set *s, const char *name, struct image *img, const char *label, struct diag *d)
{
	uint8_t head[4] = { 0 };
	struct image *whole CLEANUP(image_freep) = NULL;
	if (image_read(img, 0, head, (size_t)num_min(image_len(img), sizeof(head)), d) < 0)
		return -1;
	if (sparse_is(head, sizeof(head)) && sparse_read(img, label, &whole, d) < 0)
		return -1;
	set_add(s, name, whole ? whole : img);
	return 0;
}

struct sink {
	const struct verify_opts *o;
	int fd;
	uint64_t at;
};

static int sink_write(void *ctx, const uint8_t *data, size_t len, struct diag *d)
{
	struct sink *s = ctx;
	int rc = io_pwrite_all(s->fd, data, len, s->at);
	s->at += len;
	return rc ? no_room(s->o, rc, d) : 0;
}

static int unpack(struct image *zip, const struct zip_entry *e, const char *label, const struct verify_opts *o, struct image **ret,
		  struct diag *d)
{
	int fd CLEANUP(fd_closep) = tmpfile_unlinked(o->tmp_dir);
	struct sink sink = { .o = o, .fd = fd };
	if (fd < 0)
		return no_room(o, fd, d);
	if (zip_unpack(zip, label, e, sink_write, &sink, d) < 0)
		return -1;
	*ret = image_of(fd, e->len, label);
	fd = -1;
	return 0;
}

/* The name without an ending; NULL if it has another, or nothing else. */
static char *stem(const char *name, const char *ending)
{
	const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name;
	size_t len = strlen(base), n = strlen(ending);
	return len > n && !strcmp(base + len - n, ending) ? mem_strndup(base, len - n) : NULL;
}

static int add_members(struct image *zip, const struct zip_dir *z, const char *label, const struct verify_opts *o, struct set *ret,
		       struct diag *d)
{
	for (size_t i = 0; i < z->count; i++) {
		char *name CLEANUP_FREE = stem(z->v[i].name, ".img");
		struct image *img CLEANUP(image_freep) = NULL;
		if (name && (unpack(zip, &z->v[i], label, o, &img, d) < 0 || add_image(ret, name, img, label, d) < 0))
			return -1;
	}
	return 0;
}

/* What the payload makes of partitions, where it needs nothing else for that. */
static int add_updated(struct image *zip, const struct zip_entry *e, const char *label, const struct verify_opts *o, struct set *ret,
		       struct diag *d)
{
	struct payload_file f CLEANUP(payload_close) = { 0 };
	if (payload_open(zip, e->at, e->len, label, &f, d) < 0)
		return -1;
	for (size_t i = 0; f.p.minor == PAYLOAD_FULL && i < f.p.parts_count; i++) {
		const struct payload_part *p = &f.p.parts[i];
		int fd CLEANUP(fd_closep) = tmpfile_unlinked(o->tmp_dir);
		if (fd < 0)
			return no_room(o, fd, d);
		if (payload_apply(&f, p, NULL, fd, d) < 0)
			return -1;
		struct image *img CLEANUP(image_freep) = image_of(fd, p->new_len, label);
		fd = -1;
		set_add(ret, p->name, img);
	}
	return 0;
}

/* Images in the archive, or in the one that a factory package holds. */
static int open_zip(struct image *img, const char *label, const struct verify_opts *o, struct set *ret, struct diag *d)
{
	struct zip_dir z CLEANUP(zip_dir_fini) = { 0 };
	if (zip_read(img, label, &z, d) < 0)
		return -1;
	const struct zip_entry *payload = zip_find(&z, OTA_PAYLOAD);
	if (payload && payload->method == ZIP_STORED && payload->len == payload->packed_len)
		return add_updated(img, payload, label, o, ret, d);
	if (add_members(img, &z, label, o, ret, d) < 0)
		return -1;
	for (size_t i = 0; i < z.count; i++) {
		const struct zip_entry *e = &z.v[i];
		char *name CLEANUP_FREE = stem(e->name, ".zip");
		struct zip_dir inner CLEANUP(zip_dir_fini) = { 0 };
		if (!name || e->method != ZIP_STORED || e->len != e->packed_len)
			continue;
		struct image *part CLEANUP(image_freep) = image_slice(img, e->at, e->len);
		if (zip_read(part, label, &inner, d) < 0 || add_members(part, &inner, label, o, ret, d) < 0)
			return -1;
	}
	return 0;
}

static int open_gpt(struct image *img, const char *label, struct set *ret, struct diag *d)
{
	struct gpt_entry *entries CLEANUP_FREE = NULL;
	size_t count;
	if (gpt_read(img, label, &entries, &count, d) < 0 || gpt_check(img, label, d) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct image *part CLEANUP(image_freep) = image_slice(img, entries[i].at, entries[i].len);
		set_add(ret, entries[i].name, part);
	}
	return 0;
}

static int open_super(struct image *img, const char *label, struct set *ret, struct diag *d)
{
	struct lp *lp CLEANUP(lp_freep) = NULL;
	size_t count;
	if (lp_read(img, label, &lp, d) < 0)
		return -1;
	const struct lp_partition *v = lp_partitions(lp, &count);
	for (size_t i = 0; i < count; i++) {
		struct image *part CLEANUP(image_freep) = NULL;
		if (v[i].len && lp_image(lp, &v[i], &part, d) < 0)
			return -1;
		if (part)
			set_add(ret, v[i].name, part);
	}
	return 0;
}

int set_open(struct image *img, const char *label, const struct verify_opts *o, struct set *ret, struct diag *d)
{
	uint8_t head[HEAD_LEN] = { 0 };
	uint32_t sector_len;
	if (image_read(img, 0, head, (size_t)num_min(image_len(img), sizeof(head)), d) < 0 || gpt_sector_len(img, &sector_len, d) < 0)
		return -1;
	if (zip_is(head))
		return open_zip(img, label, o, ret, d);
	if (sector_len)
		return open_gpt(img, label, ret, d);
	return get_le32(head + 4096) == LP_GEOMETRY ? open_super(img, label, ret, d) : 1;
}
