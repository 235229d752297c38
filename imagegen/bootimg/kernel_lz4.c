/* Kernels compressed with lz4: frames (LZ4 Frame Format 1.6), and the older format that `lz4 -l` writes and the kernel's own build uses
 * (Image.lz4): a magic number, then blocks of at most 8 MiB, each with its length in front. */
#include <lz4.h>
#include <lz4frame.h>
#include <stdlib.h>
#include <string.h>

#include "imagegen/base/bytes.h"
#include "imagegen/base/diag.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/bootimg/wrap.h"

#define FRAME_MAGIC 0x184D2204u
#define LEGACY_MAGIC 0x184C2102u
#define LEGACY_BLOCK (8 * MIB)

bool kernel_is_lz4(const uint8_t *data, size_t len)
{
	return len >= 4 && (get_le32(data) == FRAME_MAGIC || get_le32(data) == LEGACY_MAGIC);
}

/* What has been unpacked so far. */
struct growing {
	uint8_t *data;
	size_t len, cap, max;
};

/* Room for one byte more at least; up to want. */
static int reserve(struct growing *g, size_t want, const char *label, struct diag *d)
{
	struct loc loc = LOC_FILE(label);
	if (g->len == g->max)
		return diag_fail(d, MVP0506, &loc, "the kernel unpacks to more than %zu MiB", g->max >> 20);
	want = num_min(want, g->max - g->len);
	if (g->cap - g->len >= want)
		return 0;
	size_t cap = num_min(num_max(g->cap * 2, g->len + want), g->max);
	uint8_t *bigger = realloc(g->data, cap);
	if (!bigger)
		return diag_fail(d, MVP0506, &loc, "no memory to unpack the kernel");
	g->data = bigger;
	g->cap = cap;
	return 0;
}

static int damaged(const char *label, struct diag *d)
{
	return diag_fail(d, MVP0506, &LOC_FILE(label), "the kernel's lz4 data is damaged or cut off");
}

static int unpack_legacy(const uint8_t *in, size_t len, struct growing *g, const char *label, struct diag *d)
{
	for (size_t at = 4; at < len;) {
		if (len - at < 4)
			return damaged(label, d);
		uint32_t packed = get_le32(in + at);
		at += 4;
		if (packed == LEGACY_MAGIC) /* another such file behind this one */
			continue;
		if (packed == 0 || packed > len - at || packed > INT32_MAX)
			return damaged(label, d);
		if (reserve(g, LEGACY_BLOCK, label, d) < 0)
			return -1;
		int n = LZ4_decompress_safe((const char *)in + at, (char *)g->data + g->len, (int)packed,
					    (int)num_min(LEGACY_BLOCK, g->cap - g->len));
		if (n < 0)
			return damaged(label, d);
		g->len += (size_t)n;
		at += packed;
	}
	return 0;
}

static void dctx_freep(LZ4F_dctx **ctx)
{
	(void)LZ4F_freeDecompressionContext(*ctx);
}

static int unpack_frame(const uint8_t *in, size_t len, struct growing *g, const char *label, struct diag *d)
{
	LZ4F_dctx *ctx CLEANUP(dctx_freep) = NULL;
	size_t at = 0, more = 1;
	if (LZ4F_isError(LZ4F_createDecompressionContext(&ctx, LZ4F_VERSION)))
		return diag_fail(d, MVP0506, &LOC_FILE(label), "no memory to unpack the kernel");
	while (more) { /* 0: the frame has ended, and its checksum was right */
		size_t taken = len - at, made;
		if (reserve(g, LEGACY_BLOCK, label, d) < 0)
			return -1;
		made = g->cap - g->len;
		more = LZ4F_decompress(ctx, g->data + g->len, &made, in + at, &taken, NULL);
		if (LZ4F_isError(more) || (more && taken == 0 && made == 0))
			return damaged(label, d);
		at += taken;
		g->len += made;
	}
	return 0;
}

int kernel_unpack_lz4(const uint8_t *in, size_t in_len, size_t max, const char *label, uint8_t **ret_out, size_t *ret_len, struct diag *d)
{
	struct growing g = { .max = max };
	int r = get_le32(in) == LEGACY_MAGIC ? unpack_legacy(in, in_len, &g, label, d) : unpack_frame(in, in_len, &g, label, d);
	if (r < 0) {
		free(g.data);
		return -1;
	}
	*ret_out = g.data ? g.data : mem_zeroed(1, 1);
	*ret_len = g.len;
	return 0;
}
