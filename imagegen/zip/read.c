#include "imagegen/zip/read.h"

#include <stdlib.h>
#include <string.h>

#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>

#include "imagegen/base/bytes.h"
#include "imagegen/base/diag.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/zip/zip.h"

#define LOCAL_MAGIC 0x04034b50u
#define ENTRY_MAGIC 0x02014b50u
#define END_MAGIC 0x06054b50u
#define END64_MAGIC 0x06064b50u
#define LOCATOR_MAGIC 0x07064b50u
#define LOCAL_LEN 30u
#define ENTRY_LEN 46u
#define END_LEN 22u
#define END64_LEN 56u
#define LOCATOR_LEN 20u
#define DIR_MAX ((size_t)16 * MIB)
#define COPY_LEN ((size_t)256 * KIB)
#define NO32 UINT32_MAX

bool zip_is(const uint8_t head[4])
{
	return get_le32(head) == LOCAL_MAGIC;
}

void zip_dir_fini(struct zip_dir *z)
{
	for (size_t i = 0; i < z->count; i++)
		free(z->v[i].name);
	free(z->v);
	*z = (struct zip_dir){ 0 };
}

const struct zip_entry *zip_find(const struct zip_dir *z, const char *name)
{
	for (size_t i = 0; i < z->count; i++)
		if (!strcmp(z->v[i].name, name))
			return &z->v[i];
	return NULL;
}

static int damaged(const char *label, uint64_t at, const char *fault, struct diag *d)
{
	struct loc loc = LOC_AT(label, at);
	return diag_fail(d, MVP0570, &loc, "the zip archive is damaged: %s", fault);
}

/* Looks for the record from behind: what follows it is its comment, whose length it says. */
static int find_end(const struct image *img, const char *label, struct zip_dir *z, uint8_t ret[END_LEN], struct diag *d)
{
	uint64_t len = image_len(img), n = num_min(len, END_LEN + UINT16_MAX);
	uint8_t *tail CLEANUP_FREE = mem_zeroed(1, n + 1);
	if (image_read(img, len - n, tail, (size_t)n, d) < 0)
		return -1;
	for (uint64_t at = n < END_LEN ? 0 : n - END_LEN + 1; at-- > 0;) {
		if (get_le32(tail + at) != END_MAGIC || get_le16(tail + at + 20) != n - at - END_LEN)
			continue;
		memcpy(ret, tail + at, END_LEN);
		z->end_at = len - n + at;
		z->comment_len = get_le16(tail + at + 20);
		return 0;
	}
	return damaged(label, len, "it has no end", d);
}

/* Where the directory is: from the end record, or its zip64 form. */
static int find_dir(const struct image *img, const char *label, struct zip_dir *z, uint64_t *ret_at, uint64_t *ret_len, uint64_t *ret_count,
		    struct diag *d)
{
	uint8_t end[END_LEN] = { 0 }, locator[LOCATOR_LEN], end64[END64_LEN];
	if (find_end(img, label, z, end, d) < 0)
		return -1;
	*ret_count = get_le16(end + 10);
	*ret_len = get_le32(end + 12);
	*ret_at = get_le32(end + 16);
	if (*ret_count != UINT16_MAX && *ret_len != NO32 && *ret_at != NO32)
		return 0;
	if (z->end_at < LOCATOR_LEN)
		return damaged(label, z->end_at, "its zip64 record is missing", d);
	if (image_read(img, z->end_at - LOCATOR_LEN, locator, sizeof(locator), d) < 0)
		return -1;
	uint64_t at = get_le64(locator + 8);
	if (get_le32(locator) != LOCATOR_MAGIC || !num_inside(at, END64_LEN, z->end_at))
		return damaged(label, z->end_at, "its zip64 record is missing", d);
	if (image_read(img, at, end64, sizeof(end64), d) < 0)
		return -1;
	if (get_le32(end64) != END64_MAGIC)
		return damaged(label, at, "its zip64 record is none", d);
	*ret_count = get_le64(end64 + 32);
	*ret_len = get_le64(end64 + 40);
	*ret_at = get_le64(end64 + 48);
	return 0;
}

/* The extra field of a directory entry holds what does not fit 32 bits, in this order. */
static bool take_zip64(const uint8_t *extra, size_t len, uint64_t *v[3])
{
	while (len >= 4) {
		size_t n = get_le16(extra + 2), at = 4;
		if (n > len - 4)
			return false;
		if (get_le16(extra) == 1) {
			for (unsigned i = 0; i < 3; i++) {
				if (*v[i] != NO32)
					continue;
				if (at + 8 > n + 4)
					return false;
				*v[i] = get_le64(extra + at);
				at += 8;
			}
			return true;
		}
		extra += 4 + n;
		len -= 4 + n;
	}
	return true;
}

/* The data's place is known from the local header, whose extra field may have another length. */
static int find_data(const struct image *img, const char *label, struct zip_entry *e, struct diag *d)
{
	uint8_t local[LOCAL_LEN];
	uint64_t len = image_len(img);
	if (!num_inside(e->at, LOCAL_LEN, len))
		return damaged(label, e->at, "a member lies outside", d);
	if (image_read(img, e->at, local, sizeof(local), d) < 0)
		return -1;
	if (get_le32(local) != LOCAL_MAGIC || (get_le16(local + 6) & 1))
		return damaged(label, e->at, "a member has no header, or is encrypted", d);
	e->at += LOCAL_LEN + get_le16(local + 26) + get_le16(local + 28);
	return num_inside(e->at, e->packed_len, len) ? 0 : damaged(label, e->at, "a member lies outside", d);
}

/* packed: how many bytes the members so far have together. */
static int add(const struct image *img, const char *label, const uint8_t *p, struct zip_dir *z, uint64_t *packed, struct diag *d)
{
	size_t name_len = get_le16(p + 28);
	struct zip_entry e = { .method = get_le16(p + 10), .crc = get_le32(p + 16) };
	uint64_t *wide[] = { &e.len, &e.packed_len, &e.at };
	e.packed_len = get_le32(p + 20);
	e.len = get_le32(p + 24);
	e.at = get_le32(p + 42);
	if (!take_zip64(p + ENTRY_LEN + name_len, get_le16(p + 30), wide))
		return damaged(label, z->end_at, "a zip64 field is too short", d);
	for (size_t i = 0; i < name_len; i++)
		if (p[ENTRY_LEN + i] < 0x20 || p[ENTRY_LEN + i] > 0x7e)
			return damaged(label, z->end_at, "the name of a member is not printable", d);
	if (find_data(img, label, &e, d) < 0)
		return -1;
	*packed += e.packed_len;
	if (*packed > image_len(img)) /* a few bytes would unpack to any number of them */
		return damaged(label, e.at, "its members lie on one another", d);
	e.name = mem_strndup((const char *)p + ENTRY_LEN, name_len);
	mem_grow(&z->v, z->count, &z->cap, sizeof(*z->v));
	z->v[z->count++] = e;
	return 0;
}

int zip_read(const struct image *img, const char *label, struct zip_dir *ret, struct diag *d)
{
	struct zip_dir z CLEANUP(zip_dir_fini) = { 0 };
	uint64_t at = 0, len = 0, count = 0;
	if (find_dir(img, label, &z, &at, &len, &count, d) < 0)
		return -1;
	if (len > DIR_MAX || !num_inside(at, len, z.end_at) || count > len / ENTRY_LEN)
		return damaged(label, z.end_at, "its directory lies outside", d);
	uint8_t *dir CLEANUP_FREE = mem_try(1, (size_t)len + 1);
	if (!dir)
		return damaged(label, z.end_at, "its directory is too large", d);
	if (image_read(img, at, dir, (size_t)len, d) < 0)
		return -1;
	size_t done = 0;
	uint64_t packed = 0;
	for (uint64_t i = 0; i < count; i++) {
		const uint8_t *p = dir + done;
		size_t left = (size_t)len - done, n = ENTRY_LEN;
		if (left >= ENTRY_LEN)
			n += (size_t)get_le16(p + 28) + get_le16(p + 30) + get_le16(p + 32);
		if (n > left || get_le32(p) != ENTRY_MAGIC)
			return damaged(label, at + done, "its directory is not whole", d);
		if (add(img, label, p, &z, &packed, d) < 0)
			return -1;
		done += n;
	}
	*ret = z;
	z = (struct zip_dir){ 0 };
	return 0;
}

/* False: it does not inflate to its size. */
static int inflate_member(const struct image *img, const struct zip_entry *e, zip_piece_fn piece, void *ctx, bool *ret_ok, struct diag *d)
{
	struct inflate_state *s CLEANUP_FREE = mem_new(struct inflate_state);
	uint8_t *in CLEANUP_FREE = mem_zeroed(1, COPY_LEN), *out CLEANUP_FREE = mem_zeroed(1, COPY_LEN);
	uint64_t done = 0, made = 0;
	isal_inflate_init(s);
	*ret_ok = false;
	while (s->block_state != ISAL_BLOCK_FINISH) {
		if (!s->avail_in && done < e->packed_len) {
			size_t n = (size_t)num_min(e->packed_len - done, COPY_LEN);
			if (image_read(img, e->at + done, in, n, d) < 0)
				return -1;
			s->next_in = in;
			s->avail_in = (uint32_t)n;
			done += n;
		}
		s->next_out = out;
		s->avail_out = COPY_LEN;
		uint32_t before = s->avail_in;
		if (isal_inflate(s) != ISAL_DECOMP_OK)
			return 0;
		size_t n = COPY_LEN - s->avail_out;
		if (n > e->len - made || (!n && before == s->avail_in && done == e->packed_len))
			return 0;
		if (piece(ctx, out, n, d) < 0)
			return -1;
		made += n;
	}
	*ret_ok = made == e->len;
	return 0;
}

static int walk(const struct image *img, const char *label, const struct zip_entry *e, zip_piece_fn piece, void *ctx, struct diag *d)
{
	struct loc loc = LOC_AT(label, e->at);
	bool ok = e->method == ZIP_STORED && e->len == e->packed_len;
	if (e->method == ZIP_DEFLATED) {
		if (inflate_member(img, e, piece, ctx, &ok, d) < 0)
			return -1;
	} else if (ok) {
		uint8_t *buf CLEANUP_FREE = mem_zeroed(1, COPY_LEN);
		for (uint64_t at = 0; at < e->len;) {
			size_t n = (size_t)num_min(e->len - at, COPY_LEN);
			if (image_read(img, e->at + at, buf, n, d) < 0 || piece(ctx, buf, n, d) < 0)
				return -1;
			at += n;
		}
	}
	return ok ? 0 : diag_fail(d, MVP0571, &loc, "the member '%s' does not unpack to its size", e->name);
}

struct taking {
	zip_piece_fn piece; /* NULL: nobody wants it */
	void *ctx;
	uint32_t crc;
};

static int take_piece(void *ctx, const uint8_t *data, size_t len, struct diag *d)
{
	struct taking *t = ctx;
	t->crc = crc32_gzip_refl(t->crc, data, len);
	return t->piece ? t->piece(t->ctx, data, len, d) : 0;
}

int zip_unpack(const struct image *img, const char *label, const struct zip_entry *e, zip_piece_fn piece, void *ctx, struct diag *d)
{
	struct loc loc = LOC_AT(label, e->at);
	struct taking t = { .piece = piece, .ctx = ctx };
	if (walk(img, label, e, take_piece, &t, d) < 0)
		return -1;
	return t.crc == e->crc ? 0 : diag_fail(d, MVP0571, &loc, "the CRC of the member '%s' is wrong", e->name);
}

/* No more comes than the member's length, which walk() holds. */
static int keep_piece(void *ctx, const uint8_t *data, size_t len, struct diag *d)
{
	uint8_t **at = ctx;
	(void)d;
	memcpy(*at, data, len);
	*at += len;
	return 0;
}

int zip_take(const struct image *img, const char *label, const struct zip_entry *e, size_t max, uint8_t **ret, struct diag *d)
{
	struct loc loc = LOC_AT(label, e->at);
	if (e->len > max)
		return diag_fail(d, MVP0570, &loc, "the member '%s' is larger than it may be", e->name);
	uint8_t *data CLEANUP_FREE = mem_zeroed(1, (size_t)e->len + 1), *at = data;
	if (zip_unpack(img, label, e, keep_piece, &at, d) < 0)
		return -1;
	*ret = TAKE(data);
	return 0;
}

int zip_check(const struct image *img, const char *label, const struct zip_entry *e, struct diag *d)
{
	return zip_unpack(img, label, e, NULL, NULL, d);
}
