/* Block map of the disk image (bmaptool, format 2.0): which blocks have to be written. What is a hole of the image is left out, so a
 * programmer writes the data alone; what must be zero is no hole. The ranges have no digests of their own: the image has one. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "imagegen/base/buf.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/base/text.h"
#include "imagegen/bundle/flash.h"
#include "imagegen/bundle/output.h"

#define BLOCK 4096u

struct range {
	uint64_t first, end; /* blocks */
};

struct bmap {
	const struct bundle *b;
	struct output *out;
	struct flash flash;
	struct range *ranges;
	size_t count, cap;
};

static void bmap_free(void *state)
{
	struct bmap *s = state;
	if (!s)
		return;
	output_free(s->out);
	flash_fini(&s->flash);
	free(s->ranges);
	free(s);
}
DEFINE_FREEP(void, bmap_free)

static void add(struct bmap *s, uint64_t at, uint64_t len)
{
	struct range r = { at / BLOCK, (at + len + BLOCK - 1) / BLOCK };
	struct range *last = s->count ? &s->ranges[s->count - 1] : NULL;
	if (last && r.first >= last->first && r.first <= last->end) {
		last->end = num_max(last->end, r.end);
		return;
	}
	mem_grow(&s->ranges, s->count, &s->cap, sizeof(*s->ranges));
	s->ranges[s->count++] = r;
}

static int bmap_plan(const struct bundle *b, void **ret_state, struct diag *d)
{
	void *state CLEANUP(bmap_freep) = mem_new(struct bmap);
	struct bmap *s = state;
	s->b = b;
	if (flash_plan(b, 512, -1, b->flash_len, &s->flash, d) < 0)
		return -1;
	char *disk CLEANUP_FREE = bundle_name(b, b->oem ? &b->oem->names.disk : NULL, "{product}-{version}.img", NULL, d);
	char *name CLEANUP_FREE = disk ? mem_printf("%s.bmap", disk) : NULL;
	if (!name || output_open(b->out_dir, name, &s->out, d) < 0)
		return -1;
	/* Both partition tables. */
	for (uint64_t at = 0, len = image_len(s->flash.frame); at < len;) {
		struct extent e = image_extent(s->flash.frame, at);
		if (e.data)
			add(s, e.at, e.len);
		at = e.at + e.len;
	}
	for (size_t i = 0; i < s->flash.places_count; i++)
		if (b->parts[s->flash.places[i].part].fill)
			add(s, s->flash.places[i].at, s->flash.places[i].len);
	*ret_state = TAKE(state);
	return 0;
}

static int bmap_write(void *state, size_t part, uint64_t at, const void *data, uint64_t len, struct diag *d)
{
	struct bmap *s = state;
	(void)d;
	if (!data || s->b->parts[part].fill)
		return 0;
	for (size_t i = 0; i < s->flash.places_count; i++)
		if (s->flash.places[i].part == part)
			add(s, s->flash.places[i].at + at, len);
	return 0;
}

static int by_first(const void *a, const void *b)
{
	const struct range *x = a, *y = b;
	return x->first < y->first ? -1 : x->first > y->first;
}

/* In order, those that touch joined. Returns how many blocks there are. */
static uint64_t merge(struct bmap *s)
{
	size_t kept = 0;
	uint64_t blocks = 0;
	qsort(s->ranges, s->count, sizeof(*s->ranges), by_first);
	for (size_t i = 0; i < s->count; i++) {
		if (kept && s->ranges[i].first <= s->ranges[kept - 1].end)
			s->ranges[kept - 1].end = num_max(s->ranges[kept - 1].end, s->ranges[i].end);
		else
			s->ranges[kept++] = s->ranges[i];
	}
	s->count = kept;
	for (size_t i = 0; i < kept; i++)
		blocks += s->ranges[i].end - s->ranges[i].first;
	return blocks;
}

static void emit(const struct bmap *s, uint64_t mapped, struct buf *out, size_t *ret_sum_at)
{
	uint64_t len = image_len(s->flash.frame);
	buf_printf(out, "<?xml version=\"1.0\" ?>\n<bmap version=\"2.0\">\n    <ImageSize> %" PRIu64 " </ImageSize>\n", len);
	buf_printf(out, "    <BlockSize> %u </BlockSize>\n    <BlocksCount> %" PRIu64 " </BlocksCount>\n", BLOCK,
		   (len + BLOCK - 1) / BLOCK);
	buf_printf(out, "    <MappedBlocksCount> %" PRIu64 " </MappedBlocksCount>\n    <ChecksumType> sha256 </ChecksumType>\n", mapped);
	buf_puts(out, "    <BmapFileChecksum> ");
	*ret_sum_at = out->len;
	for (unsigned i = 0; i < 64; i++)
		buf_putc(out, '0');
	buf_puts(out, " </BmapFileChecksum>\n    <BlockMap>\n");
	for (size_t i = 0; i < s->count; i++) {
		const struct range *r = &s->ranges[i];
		if (r->end - r->first == 1)
			buf_printf(out, "        <Range> %" PRIu64 " </Range>\n", r->first);
		else
			buf_printf(out, "        <Range> %" PRIu64 "-%" PRIu64 " </Range>\n", r->first, r->end - 1);
	}
	buf_puts(out, "    </BlockMap>\n</bmap>\n");
}

static int bmap_finish(void *state, struct bundle_outputs *outputs, struct diag *d)
{
	struct bmap *s = state;
	struct buf b CLEANUP(buf_fini) = BUF_INIT;
	uint8_t sha256[32];
	char hex[65];
	size_t sum_at = 0;
	emit(s, merge(s), &b, &sum_at);
	if (buf_error(&b))
		return diag_fail(d, MVP0001, NULL, "no memory for a block map");
	/* The file's own digest, computed with zeros in its place. */
	if (EVP_Digest(b.data, b.len, sha256, NULL, EVP_sha256(), NULL) != 1)
		abort();
	memcpy(b.data + sum_at, text_hex(sha256, sizeof(sha256), hex), 64);
	return output_write(s->out, b.data, b.len, 0, d) < 0 ? -1 : output_done(s->out, "bmap", b.len, NULL, outputs, d);
}

static int bmap_publish(void *state, struct diag *d)
{
	struct bmap *s = state;
	return output_publish(s->out, d);
}

const struct packer packer_bmap = {
	.name = "bmap",
	.summary = "block map of the disk image, for bmaptool",
	.plan = bmap_plan,
	.write = bmap_write,
	.finish = bmap_finish,
	.publish = bmap_publish,
	.free = bmap_free,
};
