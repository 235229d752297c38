#include "imagegen/bundle/look_int.h"

#include <stdlib.h>
#include <string.h>

#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>

#include "imagegen/base/bytes.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/base/text.h"
#include "imagegen/bundle/dz.h"
#include "imagegen/bundle/payload.h"
#include "imagegen/bundle/pit.h"
#include "imagegen/bundle/tar.h"
#include "imagegen/zip/read.h"

#define PIT_MAX ((size_t)MIB)
#define LINE_MAX_LEN 512u
#define MEMBERS_MAX 4096u
#define CHUNK_MAX ((uint32_t)(256 * MIB)) /* uncompressed; others' writers use up to 128 MiB */
#define COPY_LEN MIB

void look_add(struct look *l, const char *name, uint64_t at, uint64_t len, char *detail TAKES)
{
	mem_grow(&l->items, l->count, &l->cap, sizeof(*l->items));
	l->items[l->count++] = (struct look_item){ .name = mem_strdup(name), .detail = detail, .at = at, .len = len };
}

void look_fini(struct look *l)
{
	for (size_t i = 0; i < l->count; i++) {
		free(l->items[i].name);
		free(l->items[i].detail);
	}
	free(l->items);
	free(l->title);
	*l = (struct look){ 0 };
}

static EVP_MD_CTX *md5_new(void)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	if (!md || EVP_DigestInit_ex(md, EVP_md5(), NULL) != 1)
		abort();
	return md;
}

static void md5_add(EVP_MD_CTX *md, const void *data, size_t len)
{
	if (EVP_DigestUpdate(md, data, len) != 1)
		abort();
}

static bool md5_is(EVP_MD_CTX *md, const uint8_t want[16])
{
	uint8_t got[16];
	if (EVP_DigestFinal_ex(md, got, NULL) != 1)
		abort();
	return !memcmp(got, want, sizeof(got));
}

static int md5_range(const struct image *img, uint64_t at, uint64_t len, EVP_MD_CTX *md, struct diag *d)
{
	uint8_t *buf CLEANUP_FREE = mem_zeroed(1, COPY_LEN);
	while (len) {
		size_t n = (size_t)num_min(len, COPY_LEN);
		if (image_read(img, at, buf, n, d) < 0)
			return -1;
		md5_add(md, buf, n);
		at += n;
		len -= n;
	}
	return 0;
}

static int look_pit(const struct image *img, const char *label, struct look *l, struct diag *d)
{
	size_t len = (size_t)num_min(image_len(img), PIT_MAX);
	uint8_t *data CLEANUP_FREE = mem_zeroed(1, len);
	struct pit pit CLEANUP(pit_fini) = { 0 };
	if (image_read(img, 0, data, len, d) < 0 || pit_parse(data, len, label, &pit, d) < 0)
		return -1;
	l->kind = "partition information table";
	l->title = mem_printf("%s, chip %s, %zu entries", pit.tag, pit.cpu, pit.count);
	for (size_t i = 0; i < pit.count; i++) {
		const struct pit_entry *e = &pit.entries[i];
		uint64_t unit = e->device == PIT_UFS ? 4096 : 512;
		look_add(l, e->name, e->start * unit, e->count * unit,
			 mem_printf("%s, file %s", e->device == PIT_UFS ? "UFS" : "eMMC", e->file[0] ? e->file : "-"));
	}
	return 0;
}

/* The number in a field of a tar header: octal, or base 256 from 8 GiB on. */
static bool tar_number(const uint8_t *field, size_t len, uint64_t *ret)
{
	uint64_t v = 0;
	if (field[0] == 0x80) {
		*ret = get_be64(field + len - 8);
		return true;
	}
	for (size_t i = 0; i < len && field[i] && field[i] != ' '; i++) {
		if (field[i] < '0' || field[i] > '7' || v >> 60)
			return false;
		v = v << 3 | (uint64_t)(field[i] - '0');
	}
	*ret = v;
	return true;
}

static bool printable(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || (unsigned char)*s >= 0x7f)
			return false;
	return true;
}

static int look_members(const struct image *img, uint64_t len, const char *label, struct look *l, struct diag *d)
{
	for (uint64_t at = 0; at + TAR_BLOCK <= len && l->count < MEMBERS_MAX;) {
		uint8_t h[TAR_BLOCK];
		char name[101] = { 0 };
		uint64_t size, padded;
		struct loc loc = LOC_AT(label, at);
		if (image_read(img, at, h, sizeof(h), d) < 0)
			return -1;
		if (!h[0])
			return 0; /* the end */
		memcpy(name, h, 100);
		if (!tar_number(h + 124, 12, &size) || !num_align_up(size, TAR_BLOCK, &padded) ||
		    !num_inside(at + TAR_BLOCK, padded, len) || !printable(name))
			return diag_fail(d, MVP0570, &loc, "a member of the archive has a header that cannot be");
		look_add(l, name, at + TAR_BLOCK, size, NULL);
		at += TAR_BLOCK + padded;
	}
	return 0;
}

/* The line behind the archive: everything after its last NUL. */
static int look_tar_md5(const struct image *img, const char *label, struct look *l, struct diag *d)
{
	uint64_t len = image_len(img);
	size_t n = (size_t)num_min(len, LINE_MAX_LEN), start;
	uint8_t tail[LINE_MAX_LEN + 1] = { 0 };
	struct loc loc = LOC_AT(label, len - n);
	if (image_read(img, len - n, tail, n, d) < 0)
		return -1;
	for (start = n; start && tail[start - 1]; start--)
		;
	const char *line = (const char *)tail + start;
	size_t line_len = n - start;
	if (!start || line_len < 36 || strspn(line, "0123456789abcdef") != 32 || strncmp(line + 32, "  ", 2) != 0 ||
	    line[line_len - 1] != '\n')
		return 1;
	uint8_t want[16];
	for (size_t i = 0; i < 16; i++) {
		char hex[3] = { line[2 * i], line[2 * i + 1], 0 };
		want[i] = (uint8_t)strtoul(hex, NULL, 16);
	}
	EVP_MD_CTX *md CLEANUP(EVP_MD_CTX_freep) = md5_new();
	if (md5_range(img, 0, len - line_len, md, d) < 0)
		return -1;
	if (!md5_is(md, want))
		return diag_fail(d, MVP0571, &loc, "the MD5 at the end of the package is not that of the archive");
	l->kind = "Odin package";
	l->title = mem_printf("MD5 %.32s, right", line);
	return look_members(img, len - line_len, label, l, d);
}

/* One chunk: unpacked in full, for both its sums. */
static int look_chunk(const struct image *img, uint64_t at, const struct dz_chunk *c, const struct loc *loc, struct diag *d)
{
	uint8_t *packed CLEANUP_FREE = mem_try(1, c->packed_len), *data CLEANUP_FREE = mem_try(1, c->len ? c->len : 1);
	struct inflate_state *z CLEANUP_FREE = mem_new(struct inflate_state);
	EVP_MD_CTX *md CLEANUP(EVP_MD_CTX_freep) = md5_new();
	if (!packed || !data)
		return diag_fail(d, MVP0570, loc, "a chunk of %u bytes is too large", c->len);
	if (image_read(img, at, packed, c->packed_len, d) < 0)
		return -1;
	isal_inflate_init(z);
	z->crc_flag = ISAL_ZLIB;
	z->next_in = packed;
	z->avail_in = c->packed_len;
	z->next_out = data;
	z->avail_out = c->len;
	if (isal_inflate(z) != ISAL_DECOMP_OK || z->avail_out || z->block_state != ISAL_BLOCK_FINISH)
		return diag_fail(d, MVP0571, loc, "a chunk of '%s' does not unpack to its size", c->part);
	md5_add(md, data, c->len);
	if (!md5_is(md, c->md5) || crc32_gzip_refl(0, data, c->len) != c->crc)
		return diag_fail(d, MVP0571, loc, "a chunk of '%s' does not have the digests that its header says", c->part);
	return 0;
}

static int look_chunks(const struct image *img, const struct kdz_header *k, const struct dz_header *h, const char *label, struct look *l,
		       struct diag *d)
{
	EVP_MD_CTX *headers CLEANUP(EVP_MD_CTX_freep) = md5_new();
	uint64_t at = k->dz_at + DZ_HEADER_LEN, end = k->dz_at + k->dz_len;
	struct loc loc = LOC_AT(label, k->dz_at);
	for (uint32_t i = 0; i < h->chunks; i++) {
		uint8_t header[DZ_CHUNK_LEN];
		struct dz_chunk c;
		loc.offset = at;
		if (!num_inside(at, DZ_CHUNK_LEN, end))
			return diag_fail(d, MVP0570, &loc, "chunk %u of %u lies outside the DZ", i + 1, h->chunks);
		if (image_read(img, at, header, sizeof(header), d) < 0)
			return -1;
		const char *fault = dz_chunk_parse(header, &c);
		if (fault)
			return diag_fail(d, MVP0570, &loc, "%s", fault);
		md5_add(headers, header, sizeof(header));
		at += DZ_CHUNK_LEN;
		if (!num_inside(at, c.packed_len, end) || c.len > CHUNK_MAX)
			return diag_fail(d, MVP0570, &loc, "chunk %u of %u lies outside the DZ, or is too large", i + 1, h->chunks);
		if (h->compression == 1 && look_chunk(img, at, &c, &loc, d) < 0)
			return -1;
		look_add(l, c.part, at, c.packed_len, mem_printf("%u sectors from %u, unit %u", c.sectors, c.sector, c.lun));
		at += c.packed_len;
	}
	loc.offset = k->dz_at;
	return md5_is(headers, h->chunks_md5) ? 0 : diag_fail(d, MVP0571, &loc, "the MD5 of the chunks' headers is wrong");
}

static int look_kdz(const struct image *img, const char *label, struct look *l, struct diag *d)
{
	uint8_t header[KDZ_HEADER_LEN], dz[DZ_HEADER_LEN];
	struct loc loc = LOC_AT(label, 0);
	struct kdz_header k;
	struct dz_header h;
	EVP_MD_CTX *md CLEANUP(EVP_MD_CTX_freep) = md5_new();
	if (image_read(img, 0, header, sizeof(header), d) < 0)
		return -1;
	const char *fault = kdz_parse(header, image_len(img), &k);
	if (!fault) {
		loc.offset = k.dz_at;
		if (image_read(img, k.dz_at, dz, sizeof(dz), d) < 0)
			return -1;
		fault = dz_parse(dz, &h);
	}
	if (fault)
		return diag_fail(d, MVP0570, &loc, "the KDZ is damaged: %s", fault);
	memset(dz + 222, 0xff, 16);
	md5_add(md, dz, sizeof(dz));
	if (md5_range(img, k.dz_at + DZ_HEADER_LEN, k.dz_len - DZ_HEADER_LEN, md, d) < 0)
		return -1;
	if (!md5_is(md, h.data_md5))
		return diag_fail(d, MVP0571, &loc, "the MD5 of the DZ's data is wrong");
	l->kind = "KDZ";
	l->title = mem_printf("version %u, %s, model %s, software %s, operator %s, %u chunks, digests right", k.version, k.dz_name, h.model,
			      h.version, h.operator_code[0] ? h.operator_code : "none", h.chunks);
	return look_chunks(img, &k, &h, label, l, d);
}

int look_open(const struct image *img, const char *label, struct look *ret, struct diag *d)
{
	uint8_t head[TAR_BLOCK] = { 0 };
	struct look l CLEANUP(look_fini) = { 0 };
	int rc = 1;
	if (image_read(img, 0, head, (size_t)num_min(image_len(img), sizeof(head)), d) < 0)
		return -1;
	if (get_le32(head) == 0x12349876)
		rc = look_pit(img, label, &l, d);
	else if (kdz_is(head) && image_len(img) >= KDZ_HEADER_LEN)
		rc = look_kdz(img, label, &l, d);
	else if (payload_is(head, sizeof(head)))
		rc = look_payload(img, 0, image_len(img), label, &l, d);
	else if (zip_is(head))
		rc = look_zip(img, label, &l, d);
	else if (!memcmp(head + 257, "ustar", 5))
		rc = look_tar_md5(img, label, &l, d);
	if (rc)
		return rc;
	*ret = l;
	l = (struct look){ 0 };
	return 0;
}
