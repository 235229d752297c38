#include "imagegen/crypt/luks2.h"

#include <openssl/crypto.h>
#include <string.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/base/secret.h"
#include "imagegen/crypt/escrow.h"
#include "imagegen/crypt/luks2_head.h"
#include "imagegen/crypt/xts.h"

_Static_assert(LUKS2_DATA_OFFSET == MVP_LUKS2_DATA_OFFSET, "one payload offset");

#define RECOVERY_MIN 32
#define PIECE ((size_t)128 << 10) /* bytes that are still in the CPU's cache when they are encrypted */
#define SECTOR MVP_LUKS2_SECTOR

struct payload {
	struct image *plain;
	struct xts *xts;
	bool keep_holes;
};

/* A hole of the plaintext shortened to whole sectors; empty if it holds none. */
static struct extent whole_sectors(struct extent hole)
{
	uint64_t start = align_up(hole.at, SECTOR), end = align_down(hole.at + hole.len, SECTOR);
	return (struct extent){ .at = start, .len = end > start ? end - start : 0, .data = false };
}

/* The end of the data that holds the sector boundary at: the start of the next hole of whole sectors, or the end. */
static uint64_t data_end(const struct image *plain, uint64_t at)
{
	while (at < image_len(plain)) {
		struct extent e = image_extent(plain, at);
		struct extent hole = whole_sectors(e);
		if (!e.data && hole.len && hole.at + hole.len > at)
			return num_max(hole.at, at);
		at = align_up(e.at + e.len, SECTOR);
	}
	return image_len(plain);
}

static uint64_t data_start(const struct image *plain, uint64_t at)
{
	while (at) {
		struct extent e = image_extent(plain, at - 1);
		struct extent hole = whole_sectors(e);
		if (!e.data && hole.len && hole.at < at)
			return num_min(hole.at + hole.len, at);
		at = align_down(e.at, SECTOR);
	}
	return 0;
}

static struct extent payload_extent(void *ctx, uint64_t at)
{
	const struct payload *p = ctx;
	if (!p->keep_holes)
		return (struct extent){ .at = 0, .len = image_len(p->plain), .data = true };
	struct extent e = image_extent(p->plain, at);
	struct extent hole = whole_sectors(e);
	if (!e.data && at >= hole.at && at - hole.at < hole.len)
		return hole;
	uint64_t sector = align_down(at, SECTOR);
	uint64_t start = data_start(p->plain, sector), end = data_end(p->plain, sector + SECTOR);
	return (struct extent){ .at = start, .len = end - start, .data = true };
}

/* Ciphertext of [at, at + len), which lies in one data extent. */
static int read_data(const struct payload *p, uint64_t at, uint8_t *buf, size_t len, struct diag *d)
{
	while (len) {
		size_t skip = at % SECTOR, n;
		if (skip || len < SECTOR) {
			uint8_t sector[SECTOR];
			n = (size_t)num_min(len, SECTOR - skip);
			if (image_read(p->plain, at - skip, sector, SECTOR, d) < 0)
				return -1;
			xts_encrypt(p->xts, at - skip, sector, SECTOR);
			memcpy(buf, sector + skip, n);
		} else {
			n = (size_t)num_min(len - len % SECTOR, PIECE);
			if (image_read(p->plain, at, buf, n, d) < 0)
				return -1;
			xts_encrypt(p->xts, at, buf, n);
		}
		buf += n;
		at += n;
		len -= n;
	}
	return 0;
}

static int payload_read(void *ctx, uint64_t at, void *buf, size_t len, struct diag *d)
{
	const struct payload *p = ctx;
	uint8_t *out = buf;
	while (len) {
		struct extent e = payload_extent(ctx, at);
		size_t n = (size_t)num_min(len, e.at + e.len - at);
		if (!e.data)
			memset(out, 0, n);
		else if (read_data(p, at, out, n, d) < 0)
			return -1;
		out += n;
		at += n;
		len -= n;
	}
	return 0;
}

static void payload_free(void *ctx)
{
	struct payload *p = ctx;
	image_free(p->plain);
	xts_free(p->xts);
	free(p);
}

static const struct image_ops payload_ops = { .read = payload_read, .extent = payload_extent, .free = payload_free };

static int check_opts(const struct image *plain, const struct luks2_opts *opts, struct diag *d)
{
	uint64_t len = image_len(plain);
	if (opts->secret_len == 0)
		return diag_fail(d, MVP0611, NULL, "the passcode is empty");
	if (opts->secret_len > 512) /* cryptsetup's own ceiling for a passphrase typed by hand */
		return diag_fail(d, MVP0611, NULL, "the passcode has %zu bytes; at most 512 can be typed", opts->secret_len);
	if (opts->envelope_len > ESCROW_MAX || (opts->recovery && opts->recovery_len < RECOVERY_MIN))
		return diag_fail(d, MVP0611, NULL, "the recovery key has %zu bytes, its envelope %zu", opts->recovery_len,
				 opts->envelope_len);
	if (opts->iterations < MVP_LUKS2_ITERATIONS_MIN || opts->iterations > MVP_LUKS2_ITERATIONS_MAX)
		return diag_fail(d, MVP0611, NULL, "%u PBKDF2 iterations; expected %d to %d", opts->iterations, MVP_LUKS2_ITERATIONS_MIN,
				 MVP_LUKS2_ITERATIONS_MAX);
	if (opts->label && strlen(opts->label) > 47)
		return diag_fail(d, MVP0611, NULL, "the container's label '%s' is longer than 47 bytes", opts->label);
	if (len == 0 || len % SECTOR || len > INT64_MAX - LUKS2_DATA_OFFSET)
		return diag_fail(d, MVP0612, NULL, "the disk to encrypt has %llu bytes; expected a multiple of %d", (unsigned long long)len,
				 SECTOR);
	return 0;
}

int luks2_wrap(struct image *plain, const struct luks2_opts *opts, struct image **ret_img, struct diag *d)
{
	if (check_opts(plain, opts, d) < 0)
		return -1;
	SECRET_ARRAY(volume_key, MVP_LUKS2_KEY_LEN);
	derive(opts->master, opts->context, "mvp luks2 volume key", volume_key, sizeof(volume_key));

	uint8_t *head_bytes = mem_zeroed(1, LUKS2_HEAD_LEN);
	luks2_head_emit(opts, volume_key, head_bytes);
	struct image *head CLEANUP(image_freep) = image_mem(head_bytes, LUKS2_HEAD_LEN);

	struct payload *p = mem_new(struct payload);
	p->plain = image_ref(plain);
	p->xts = xts_new(volume_key, SECTOR);
	p->keep_holes = opts->keep_holes;
	struct image *payload CLEANUP(image_freep) = image_new(&payload_ops, p, image_len(plain));

	const struct image_piece pieces[] = { { .img = head, .at = 0 }, { .img = payload, .at = LUKS2_DATA_OFFSET } };
	*ret_img = image_compose(LUKS2_DATA_OFFSET + image_len(plain), pieces, ARRAY_LEN(pieces));
	return 0;
}
