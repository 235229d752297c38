/* The handset's flash as one raw disk image with a GUID partition table; holes are holes of the file. */
#include <stdlib.h>
#include <string.h>

#include "imagegen/base/foreign.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/bundle/output.h"
#include "imagegen/gpt/gpt.h"

struct disk {
	struct output *out;
	struct gpt_part *parts;
	struct image *frame; /* the disk without its partitions' contents: both partition tables */
	EVP_MD_CTX *md;
	uint64_t hashed; /* bytes of the disk that md has seen */
};

static void disk_free(void *state)
{
	struct disk *s = state;
	if (!s)
		return;
	output_free(s->out);
	image_free(s->frame);
	EVP_MD_CTX_free(s->md);
	free(s->parts);
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
	hash_zeros_to(s, at);
	hash(s, data, len);
	return output_write(s->out, data, len, at, d);
}

/* Writes the data of the frame in [at, end): a partition table. */
static int put_frame(struct disk *s, uint64_t at, uint64_t end, struct diag *d)
{
	uint8_t *buf CLEANUP_FREE = mem_zeroed(1, 64 * KIB);
	while (at < end) {
		struct extent e = image_extent(s->frame, at);
		uint64_t n = num_min(e.at + e.len, end) - at;
		if (e.data) {
			n = num_min(n, 64 * KIB);
			if (image_read(s->frame, at, buf, (size_t)n, d) < 0 || put(s, at, buf, (size_t)n, d) < 0)
				return -1;
		}
		at += n;
	}
	return 0;
}

static int disk_plan(const struct bundle *b, void **ret_state, struct diag *d)
{
	void *state CLEANUP(disk_freep) = mem_new(struct disk);
	struct disk *s = state;
	if (bundle_check_name("product name", b->product, d) < 0 || bundle_check_name("version", b->version, d) < 0)
		return -1;
	s->parts = mem_array(struct gpt_part, b->parts_count);
	for (size_t i = 0; i < b->parts_count; i++) {
		s->parts[i] = (struct gpt_part){ .name = b->parts[i].name, .len = b->parts[i].len };
		memcpy(s->parts[i].type, gpt_type_linux, sizeof(gpt_type_linux));
		memcpy(s->parts[i].uuid, b->parts[i].uuid, sizeof(s->parts[i].uuid));
	}
	if (gpt_compose(s->parts, b->parts_count, b->disk_uuid, b->flash_len, &s->frame, d) < 0)
		return -1;
	s->md = EVP_MD_CTX_new();
	if (!s->md || EVP_DigestInit_ex(s->md, EVP_sha256(), NULL) != 1)
		abort();
	char *name CLEANUP_FREE = mem_printf("%s-%s.img", b->product, b->version);
	if (output_open(b->out_dir, name, &s->out, d) < 0 || output_resize(s->out, image_len(s->frame), d) < 0)
		return -1;
	if (put_frame(s, 0, b->parts_count ? s->parts[0].at : image_len(s->frame), d) < 0)
		return -1;
	*ret_state = TAKE(state);
	return 0;
}

static int disk_write(void *state, size_t part, uint64_t at, const void *data, uint64_t len, struct diag *d)
{
	struct disk *s = state;
	return data ? put(s, s->parts[part].at + at, data, (size_t)len, d) : 0;
}

static int disk_finish(void *state, struct bundle_output *ret_output, struct diag *d)
{
	struct disk *s = state;
	uint64_t len = image_len(s->frame);
	if (put_frame(s, s->hashed, len, d) < 0)
		return -1;
	hash_zeros_to(s, len);
	if (EVP_DigestFinal_ex(s->md, ret_output->sha256, NULL) != 1)
		abort();
	ret_output->len = len;
	ret_output->path = mem_strdup(output_path(s->out));
	return 0;
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
	.finish = disk_finish,
	.publish = disk_publish,
	.free = disk_free,
};
