/* The last picture is held back until the next one tells how long it was shown. */
#include "imagegen/png/apng.h"

#include <errno.h>
#include <isa-l/crc.h>
#include <stdlib.h>
#include <string.h>

#include "imagegen/base/buf.h"
#include "imagegen/base/bytes.h"
#include "imagegen/base/diag.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"

enum {
	SIGNATURE_LEN = 8,
	CHUNK_EXTRA = 12, /* length, type, CRC */
	IHDR_LEN = 13,
	ACTL_AT = SIGNATURE_LEN + CHUNK_EXTRA + IHDR_LEN,
	ACTL_LEN = 8,
	FCTL_LEN = 26,
};
#define FRAME_MAX ((size_t)64 << 20)

static const uint8_t signature[SIGNATURE_LEN] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n' };

struct apng {
	int fd;
	char *label;
	uint32_t width, height;
	uint8_t header[IHDR_LEN]; /* of the first picture, which all share */
	uint8_t *last;            /* the picture held back, malloc'd; NULL: none yet */
	size_t last_len;
	uint64_t last_ms;
	uint32_t frames, sequence; /* written */
	uint64_t at;               /* end of the file */
};

struct apng *apng_new(int fd, uint32_t width, uint32_t height, const char *label)
{
	struct apng *a = mem_new(struct apng);
	a->fd = fd;
	a->width = width;
	a->height = height;
	a->label = mem_strdup(label);
	return a;
}

void apng_free(struct apng *a)
{
	if (!a)
		return;
	free(a->label);
	free(a->last);
	free(a);
}

struct chunk {
	const uint8_t *type, *data;
	uint32_t len;
};

/* The chunk at *at, which is moved behind it. */
static bool next_chunk(const uint8_t *png, size_t len, size_t *at, struct chunk *ret)
{
	const uint8_t *p = png + *at;
	size_t left = len - *at;
	uint32_t data_len;
	if (left < CHUNK_EXTRA)
		return false;
	data_len = get_be32(p);
	if (data_len > left - CHUNK_EXTRA || crc32_gzip_refl(0, p + 4, (uint64_t)data_len + 4) != get_be32(p + 8 + data_len))
		return false;
	*ret = (struct chunk){ .type = p + 4, .data = p + 8, .len = data_len };
	*at += CHUNK_EXTRA + (size_t)data_len;
	return true;
}

static bool is(const struct chunk *c, const char *type)
{
	return memcmp(c->type, type, 4) == 0;
}

/* Is it a whole PNG file of the animation's size that needs no palette? *ret_header: its IHDR. */
static bool fits(const struct apng *a, const uint8_t *png, size_t len, const uint8_t **ret_header)
{
	size_t at = SIGNATURE_LEN;
	bool data = false;
	struct chunk c;
	if (len < SIGNATURE_LEN || len > FRAME_MAX || memcmp(png, signature, SIGNATURE_LEN) != 0)
		return false;
	if (!next_chunk(png, len, &at, &c) || !is(&c, "IHDR") || c.len != IHDR_LEN)
		return false;
	*ret_header = c.data;
	if (get_be32(c.data) != a->width || get_be32(c.data + 4) != a->height)
		return false;
	while (next_chunk(png, len, &at, &c)) {
		if (is(&c, "IEND"))
			return data && at == len;
		if (is(&c, "PLTE") || is(&c, "acTL"))
			return false;
		data |= is(&c, "IDAT");
	}
	return false;
}

static int failed(const struct apng *a, int error, struct diag *d)
{
	return diag_fail(d, MVP0820, &LOC_FILE(a->label), "cannot write: %s", strerror(-error));
}

/* Parts of the data, for fdAT, whose sequence number stands in front of it. */
static void put_chunk(struct buf *b, const char *type, const void *head, size_t head_len, const void *data, size_t len)
{
	size_t start;
	(void)buf_be32(b, (uint32_t)(head_len + len));
	start = b->len;
	(void)buf_append(b, type, 4);
	if (head_len)
		(void)buf_append(b, head, head_len);
	if (len)
		(void)buf_append(b, data, len);
	if (!buf_error(b))
		(void)buf_be32(b, crc32_gzip_refl(0, b->data + start, b->len - start));
}

static void put_start(struct apng *a, struct buf *b)
{
	static const uint8_t none[ACTL_LEN];
	(void)buf_append(b, signature, SIGNATURE_LEN);
	put_chunk(b, "IHDR", a->header, IHDR_LEN, NULL, 0);
	put_chunk(b, "acTL", none, ACTL_LEN, NULL, 0); /* known at the end */
}

/* Delays are fractions of two 16-bit numbers: the finest denominator that reaches. */
static void put_delay(uint8_t *p, uint64_t ms)
{
	uint32_t per_second = 1000;
	ms = num_min(ms, UINT32_MAX);
	while (per_second > 1 && ms * per_second / 1000 > UINT16_MAX)
		per_second /= 10;
	put_be16(p, (uint16_t)num_min(ms * per_second / 1000, UINT16_MAX));
	put_be16(p + 2, (uint16_t)per_second);
}

static void put_frame(struct apng *a, struct buf *b, uint64_t ms)
{
	uint8_t control[FCTL_LEN] = { 0 }, sequence[4];
	size_t at = SIGNATURE_LEN;
	struct chunk c;
	put_be32(control, a->sequence++);
	put_be32(control + 4, a->width);
	put_be32(control + 8, a->height);
	put_delay(control + 20, ms);
	put_chunk(b, "fcTL", control, FCTL_LEN, NULL, 0);
	while (next_chunk(a->last, a->last_len, &at, &c)) {
		if (!is(&c, "IDAT"))
			continue;
		if (a->frames == 0) {
			put_chunk(b, "IDAT", NULL, 0, c.data, c.len);
			continue;
		}
		put_be32(sequence, a->sequence++);
		put_chunk(b, "fdAT", sequence, sizeof(sequence), c.data, c.len);
	}
	a->frames++;
}

/* Writes the picture held back, shown until the time given. */
static int flush(struct apng *a, uint64_t time_ms, struct diag *d)
{
	struct buf b CLEANUP(buf_fini) = BUF_MAX(2 * FRAME_MAX);
	int rc;
	if (!a->at)
		put_start(a, &b);
	put_frame(a, &b, time_ms > a->last_ms ? time_ms - a->last_ms : 0);
	rc = buf_error(&b);
	if (!rc)
		rc = io_pwrite_all(a->fd, b.data, b.len, a->at);
	if (rc)
		return failed(a, rc, d);
	a->at += b.len;
	return 0;
}

int apng_add(struct apng *a, const uint8_t *png, size_t len, uint64_t time_ms, bool *ret_added, struct diag *d)
{
	const uint8_t *header;
	uint8_t *copy;
	*ret_added = false;
	if (!fits(a, png, len, &header) || (a->last && memcmp(header, a->header, IHDR_LEN) != 0))
		return 0;
	if (a->last && a->last_len == len && memcmp(a->last, png, len) == 0)
		return 0;
	if (a->last && flush(a, time_ms, d))
		return -1;
	copy = mem_try(len, 1);
	if (!copy)
		return failed(a, -ENOMEM, d);
	memcpy(copy, png, len);
	memcpy(a->header, header, IHDR_LEN);
	free(a->last);
	a->last = copy;
	a->last_len = len;
	a->last_ms = time_ms;
	*ret_added = true;
	return 0;
}

int apng_end(struct apng *a, uint64_t time_ms, uint32_t *ret_frames, struct diag *d)
{
	struct buf b CLEANUP(buf_fini) = BUF_INIT, counts CLEANUP(buf_fini) = BUF_INIT;
	uint8_t control[ACTL_LEN] = { 0 }; /* frames; plays, 0: for ever */
	int rc;
	*ret_frames = 0;
	if (!a->last)
		return 0;
	if (flush(a, time_ms, d))
		return -1;
	put_be32(control, a->frames);
	put_chunk(&counts, "acTL", control, ACTL_LEN, NULL, 0);
	put_chunk(&b, "IEND", NULL, 0, NULL, 0);
	rc = io_pwrite_all(a->fd, b.data, b.len, a->at);
	if (!rc)
		rc = io_pwrite_all(a->fd, counts.data, counts.len, ACTL_AT);
	if (rc)
		return failed(a, rc, d);
	*ret_frames = a->frames;
	return 0;
}
