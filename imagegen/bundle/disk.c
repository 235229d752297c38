/* The handset's flash as one disk image with a GUID partition table: raw, holes are holes of the file; or an Android sparse image.
 * Partitions do not come in the order of the disk, since each slot has the same content: a plan says where each block goes. */
#include <stdlib.h>

#include "imagegen/base/foreign.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/bundle/flash.h"
#include "imagegen/bundle/output.h"
#include "imagegen/sparse/map.h"

struct disk {
	const struct bundle *b;
	struct output *out;
	struct flash flash;
	EVP_MD_CTX *md;
	uint64_t hashed;        /* bytes of the disk that md has seen */
	struct sparse_map *map; /* NULL: the image is raw */
	uint64_t len;           /* of the file */
	bool reread;            /* something was written before what md has seen, or is sparse: the file is hashed at the end */
	bool kept;              /* in memory, since it is going to be read back */
};

static void disk_free(void *state)
{
	struct disk *s = state;
	if (!s)
		return;
	output_free(s->out);
	sparse_map_free(s->map);
	flash_fini(&s->flash);
	EVP_MD_CTX_free(s->md);
	free(s);
}
DEFINE_FREEP(void, disk_free)

static void hash(struct disk *s, const void *data, size_t len)
{
	if (EVP_DigestUpdate(s->md, data, len) != 1)
		abort();
	s->hashed += len;
}

static void hash_zeros_to(struct disk *s, uint64_t at)
{
	static const uint8_t zeros[65536];
	while (s->hashed < at)
		hash(s, zeros, (size_t)num_min(sizeof(zeros), at - s->hashed));
}

/* Content outside raw chunks is zeros: a hole that was given as data. */
static int put_sparse(const struct disk *s, uint64_t at, const uint8_t *data, size_t len, struct diag *d)
{
	while (len) {
		uint64_t file_at = 0, n = 0;
		if (sparse_map_find(s->map, at, len, &file_at, &n) && output_write(s->out, data, (size_t)n, file_at, d) < 0)
			return -1;
		at += n;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

static void hash_at(struct disk *s, uint64_t at, const void *data, size_t len)
{
	s->reread |= at < s->hashed;
	if (!s->reread) {
		hash_zeros_to(s, at);
		hash(s, data, len);
	}
}

static int put(struct disk *s, uint64_t at, const void *data, size_t len, struct diag *d)
{
	if (s->map)
		return put_sparse(s, at, data, len, d);
	hash_at(s, at, data, len);
	return output_write(s->out, data, len, at, d);
}

/* Writes the data of the frame in [at, end): a partition table. */
static int put_frame(struct disk *s, uint64_t at, uint64_t end, struct diag *d)
{
	uint8_t *buf CLEANUP_FREE = mem_zeroed(1, 64 * KIB);
	while (at < end) {
		struct extent e = image_extent(s->flash.frame, at);
		uint64_t n = num_min(e.at + e.len, end) - at;
		if (e.data) {
			n = num_min(n, 64 * KIB);
			if (image_read(s->flash.frame, at, buf, (size_t)n, d) < 0 || put(s, at, buf, (size_t)n, d) < 0)
				return -1;
		}
		at += n;
	}
	return 0;
}

/* The disk with its content, to be asked for its extents. */
static struct image *whole(const struct disk *s)
{
	const struct flash *f = &s->flash;
	const struct flash_place *first = &f->places[0], *last = &f->places[f->places_count - 1];
	uint64_t end = last->at + last->len;
	struct image *front CLEANUP(image_freep) = image_slice(f->frame, 0, first->at);
	struct image *back CLEANUP(image_freep) = image_slice(f->frame, end, image_len(f->frame) - end);
	struct image_piece *pieces CLEANUP_FREE = mem_array(struct image_piece, f->places_count + 2);
	pieces[0] = (struct image_piece){ .img = front };
	for (size_t i = 0; i < f->places_count; i++)
		pieces[i + 1] = (struct image_piece){ .img = s->b->parts[f->places[i].part].img, .at = f->places[i].at };
	pieces[f->places_count + 1] = (struct image_piece){ .img = back, .at = end };
	return image_compose(image_len(f->frame), pieces, f->places_count + 2);
}

static int put_sparse_frame(void *ctx, const void *data, size_t len, uint64_t at, struct diag *d)
{
	struct disk *s = ctx;
	return output_write(s->out, data, len, at, d);
}

/* All holes become zeros: on a whole disk nothing of what was there is to stay. */
static int plan_sparse(struct disk *s, struct diag *d)
{
	const struct sparse_opts opts = { .len = image_len(s->flash.frame), .fill = true };
	struct image *img CLEANUP(image_freep) = whole(s);
	struct sparse_plan *p CLEANUP(sparse_plan_freep) = NULL;
	if (sparse_plan_new(img, &opts, &p, d) < 0 || sparse_map_new(p, put_sparse_frame, s, &s->map, d) < 0)
		return -1;
	s->len = sparse_plan_len(p, 0);
	s->reread = true;
	return output_resize(s->out, s->len, d);
}

static int plan(const struct bundle *b, bool sparse, void **ret_state, struct diag *d)
{
	void *state CLEANUP(disk_freep) = mem_new(struct disk);
	struct disk *s = state;
	s->b = b;
	if (flash_plan(b, 512, -1, b->flash_len, &s->flash, d) < 0)
		return -1;
	for (size_t i = 0; i < b->parts_count; i++)
		s->kept |= b->parts[i].slots; /* the second one lies before what follows in the first */
	s->md = EVP_MD_CTX_new();
	if (!s->md || EVP_DigestInit_ex(s->md, EVP_sha256(), NULL) != 1)
		abort();
	s->len = image_len(s->flash.frame);
	char *name CLEANUP_FREE = sparse ? bundle_name(b, NULL, "{product}-{version}.simg", NULL, d)
					 : bundle_name(b, b->oem ? &b->oem->names.disk : NULL, "{product}-{version}.img", NULL, d);
	if (!name || output_open(b->out_dir, name, &s->out, d) < 0)
		return -1;
	if ((sparse ? plan_sparse(s, d) : output_resize(s->out, s->len, d)) < 0 || put_frame(s, 0, s->flash.places[0].at, d) < 0)
		return -1;
	*ret_state = TAKE(state);
	return 0;
}

static int disk_plan(const struct bundle *b, void **ret_state, struct diag *d)
{
	return plan(b, false, ret_state, d);
}

static int sparse_disk_plan(const struct bundle *b, void **ret_state, struct diag *d)
{
	return plan(b, true, ret_state, d);
}

static int disk_write(void *state, size_t part, uint64_t at, const void *data, uint64_t len, struct diag *d)
{
	struct disk *s = state;
	(void)d;
	for (size_t i = 0; data && i < s->flash.places_count; i++)
		if (s->flash.places[i].part == part)
			hash_at(s, s->flash.places[i].at + at, data, (size_t)len);
	return 0;
}

static int store_at(const struct disk *s, uint64_t at, const void *data, size_t len, struct diag *d)
{
	if (s->map)
		return put_sparse(s, at, data, len, d);
	return s->kept ? output_write(s->out, data, len, at, d) : output_store(s->out, data, len, at, d);
}

/* Where the bytes belong is known: they need not wait for those before them. */
static int disk_store(void *state, size_t part, uint64_t at, const void *data, uint64_t len, struct diag *d)
{
	const struct disk *s = state;
	for (size_t i = 0; data && i < s->flash.places_count; i++)
		if (s->flash.places[i].part == part && store_at(s, s->flash.places[i].at + at, data, (size_t)len, d) < 0)
			return -1;
	return 0;
}

static int disk_finish(void *state, struct bundle_outputs *outputs, struct diag *d)
{
	struct disk *s = state;
	uint8_t sha256[32];
	const struct flash_place *last = &s->flash.places[s->flash.places_count - 1];
	if (put_frame(s, last->at + last->len, image_len(s->flash.frame), d) < 0)
		return -1;
	if (s->reread)
		return output_done(s->out, s->map ? "disk-sparse" : "disk", s->len, NULL, outputs, d);
	hash_zeros_to(s, s->len);
	if (EVP_DigestFinal_ex(s->md, sha256, NULL) != 1)
		abort();
	return output_done(s->out, "disk", s->len, sha256, outputs, d);
}

static int disk_publish(void *state, struct diag *d)
{
	struct disk *s = state;
	return output_publish(s->out, d);
}

const struct packer packer_disk = {
	.name = "disk",
	.summary = "raw GPT disk image, for QEMU, SD cards and eMMC programmers",
	.plan = disk_plan,
	.write = disk_write,
	.store = disk_store,
	.finish = disk_finish,
	.publish = disk_publish,
	.free = disk_free,
};

const struct packer packer_disk_sparse = {
	.name = "disk-sparse",
	.summary = "the same as an Android sparse image, for programmers that expand it",
	.plan = sparse_disk_plan,
	.write = disk_write,
	.store = disk_store,
	.finish = disk_finish,
	.publish = disk_publish,
	.free = disk_free,
};
