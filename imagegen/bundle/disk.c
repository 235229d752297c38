/* The handset's flash as one disk image with a GUID partition table: raw, holes are holes of the file; or an Android sparse image. That is
 * made of a raw one without a name, since partitions do not come in the order of the disk: each slot has the same content. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "imagegen/base/foreign.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/bundle/flash.h"
#include "imagegen/bundle/output.h"
#include "imagegen/sparse/sparse.h"

struct disk {
	const struct bundle *b;
	struct output *out;
	struct flash flash;
	EVP_MD_CTX *md;
	uint64_t hashed;       /* bytes of the disk that md has seen */
	struct output *sparse; /* NULL: out is the output; else what is made of it */
	uint64_t sparse_at;
	bool reread; /* something was written before them: the file is hashed at the end */
};

static void disk_free(void *state)
{
	struct disk *s = state;
	if (!s)
		return;
	output_free(s->out);
	output_free(s->sparse);
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

static int put(struct disk *s, uint64_t at, const void *data, size_t len, struct diag *d)
{
	s->reread |= at < s->hashed;
	if (!s->reread) {
		hash_zeros_to(s, at);
		hash(s, data, len);
	}
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

static int plan(const struct bundle *b, bool sparse, void **ret_state, struct diag *d)
{
	void *state CLEANUP(disk_freep) = mem_new(struct disk);
	struct disk *s = state;
	s->b = b;
	if (flash_plan(b, 512, -1, b->flash_len, &s->flash, d) < 0)
		return -1;
	s->md = EVP_MD_CTX_new();
	if (!s->md || EVP_DigestInit_ex(s->md, EVP_sha256(), NULL) != 1)
		abort();
	char *name CLEANUP_FREE = bundle_name(b, b->oem ? &b->oem->names.disk : NULL, "{product}-{version}.img", NULL, d);
	char *sparse_name CLEANUP_FREE = sparse ? bundle_name(b, NULL, "{product}-{version}.simg", NULL, d) : NULL;
	if (sparse && (!sparse_name || output_open(b->out_dir, sparse_name, &s->sparse, d) < 0))
		return -1;
	if (!name || output_open(b->out_dir, name, &s->out, d) < 0 || output_resize(s->out, image_len(s->flash.frame), d) < 0)
		return -1;
	if (put_frame(s, 0, s->flash.places[0].at, d) < 0)
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
	for (size_t i = 0; data && i < s->flash.places_count; i++)
		if (s->flash.places[i].part == part && put(s, s->flash.places[i].at + at, data, (size_t)len, d) < 0)
			return -1;
	return 0;
}

static int sink_write(void *ctx, const void *data, size_t len, struct diag *d)
{
	struct disk *s = ctx;
	if (output_write(s->sparse, data, len, s->sparse_at, d) < 0)
		return -1;
	s->sparse_at += len;
	return 0;
}

/* All holes become zeros: on a whole disk nothing of what was there is to stay. */
static int make_sparse(struct disk *s, struct image *raw, struct diag *d)
{
	const struct sparse_opts opts = { .len = image_len(raw), .fill = true };
	const struct sparse_sink sink = { .write = sink_write, .ctx = s };
	struct sparse_plan *p CLEANUP(sparse_plan_freep) = NULL;
	uint8_t *buf CLEANUP_FREE = mem_zeroed(1, MIB);
	if (sparse_plan_new(raw, &opts, &p, d) < 0)
		return -1;
	struct sparse *writer CLEANUP(sparse_freep) = sparse_new(p, 0, &sink);
	for (uint64_t at = 0; at < image_len(raw);) {
		struct extent e = image_extent(raw, at);
		uint64_t n = e.at + e.len - at;
		if (e.data) {
			n = num_min(n, MIB);
			if (image_read(raw, at, buf, (size_t)n, d) < 0)
				return -1;
		}
		if (sparse_add(writer, e.data ? buf : NULL, n, d) < 0)
			return -1;
		at += n;
	}
	return sparse_end(writer, d);
}

static int finish_sparse(struct disk *s, struct bundle_outputs *outputs, struct diag *d)
{
	char *path CLEANUP_FREE = mem_printf("/proc/self/fd/%d", output_fd(s->out));
	struct image *raw CLEANUP(image_freep) = NULL;
	struct loc loc = LOC_FILE(output_path(s->out));
	int rc = image_open(path, &raw);
	if (rc)
		return diag_fail(d, MVP0811, &loc, "cannot read back: %s", strerror(-rc));
	return make_sparse(s, raw, d) < 0 ? -1 : output_done(s->sparse, "disk-sparse", s->sparse_at, NULL, outputs, d);
}

static int disk_finish(void *state, struct bundle_outputs *outputs, struct diag *d)
{
	struct disk *s = state;
	uint64_t len = image_len(s->flash.frame);
	uint8_t sha256[32];
	const struct flash_place *last = &s->flash.places[s->flash.places_count - 1];
	if (put_frame(s, last->at + last->len, len, d) < 0)
		return -1;
	if (s->sparse)
		return finish_sparse(s, outputs, d);
	if (s->reread)
		return output_done(s->out, "disk", len, NULL, outputs, d);
	hash_zeros_to(s, len);
	if (EVP_DigestFinal_ex(s->md, sha256, NULL) != 1)
		abort();
	return output_done(s->out, "disk", len, sha256, outputs, d);
}

static int disk_publish(void *state, struct diag *d)
{
	struct disk *s = state;
	return output_publish(s->sparse ? s->sparse : s->out, d);
}

const struct packer packer_disk = {
	.name = "disk",
	.summary = "raw GPT disk image, for QEMU, SD cards and eMMC programmers",
	.plan = disk_plan,
	.write = disk_write,
	.finish = disk_finish,
	.publish = disk_publish,
	.free = disk_free,
};

const struct packer packer_disk_sparse = {
	.name = "disk-sparse",
	.summary = "the same as an Android sparse image, for programmers that expand it",
	.plan = sparse_disk_plan,
	.write = disk_write,
	.finish = disk_finish,
	.publish = disk_publish,
	.free = disk_free,
};
