/* Package for LG's flashing tools: a KDZ container with one DZ archive, whose chunks are runs of sectors compressed with zlib. LG's own
 * carry a signed table of the partitions, which nobody else can make: its place stays zero, which readers take for missing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>

#include "imagegen/base/bytes.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/bundle/dz.h"
#include "imagegen/bundle/flash.h"
#include "imagegen/bundle/output.h"
#include "imagegen/oem/carrier.h"

#define CHUNK_MAX ((size_t)MIB * 4)
#define STORED_MAX 65535u /* bytes of a stored block: RFC 1951, 3.2.4 */
#define LUNS 8

struct kdz {
	const struct bundle *b;
	struct output *out;
	struct flash flash[LUNS];
	uint64_t at; /* bytes of the file written */
	EVP_MD_CTX *chunks_md5;
	uint32_t chunks;
	size_t part;     /* the partition of what is collected */
	uint64_t buf_at; /* byte of it where that begins */
	uint8_t *buf;    /* collected: CHUNK_MAX bytes */
	size_t buf_len;
	uint8_t *packed;
	struct isal_zstream stream;
	uint8_t *level_buf;
};
#define PACKED_MAX (CHUNK_MAX + CHUNK_MAX / 64 + 4096)

static void kdz_free(void *state)
{
	struct kdz *s = state;
	if (!s)
		return;
	for (size_t i = 0; i < LUNS; i++)
		flash_fini(&s->flash[i]);
	EVP_MD_CTX_free(s->chunks_md5);
	output_free(s->out);
	free(s->buf);
	free(s->packed);
	free(s->level_buf);
	free(s);
}
DEFINE_FREEP(void, kdz_free)

static void md5_init(EVP_MD_CTX *md)
{
	if (!md || EVP_DigestInit_ex(md, EVP_md5(), NULL) != 1)
		abort();
}

static void md5_add(EVP_MD_CTX *md, const void *data, size_t len)
{
	if (EVP_DigestUpdate(md, data, len) != 1)
		abort();
}

static void md5_get(EVP_MD_CTX *md, uint8_t ret[16])
{
	if (EVP_DigestFinal_ex(md, ret, NULL) != 1)
		abort();
}

static int put(struct kdz *s, const void *data, size_t len, struct diag *d)
{
	if (output_write(s->out, data, len, s->at, d) < 0)
		return -1;
	s->at += len;
	return 0;
}

/* One zlib stream (RFC 1950) of stored blocks. */
static size_t store(struct kdz *s, const uint8_t *data, size_t len)
{
	static const uint8_t begin[] = { 0x78, 0x01 };
	uint8_t *p = s->packed;
	memcpy(p, begin, sizeof(begin));
	p += sizeof(begin);
	for (size_t at = 0, n; at < len; at += n) {
		n = (size_t)num_min(len - at, STORED_MAX);
		*p++ = at + n == len; /* the last block */
		put_le16(p, (uint16_t)n);
		put_le16(p + 2, (uint16_t)~n);
		memcpy(p + 4, data + at, n);
		p += 4 + n;
	}
	put_be32(p, isal_adler32(1, data, len));
	return (size_t)(p + 4 - s->packed);
}

/* The same, deflated. */
static int compress(struct kdz *s, const uint8_t *data, size_t len, size_t *ret_len, struct diag *d)
{
	struct isal_zstream *z = &s->stream;
	isal_deflate_init(z);
	z->level = 1;
	z->level_buf = s->level_buf;
	z->level_buf_size = ISAL_DEF_LVL1_DEFAULT;
	z->gzip_flag = IGZIP_ZLIB;
	z->flush = NO_FLUSH;
	z->end_of_stream = 1;
	z->next_in = (uint8_t *)(uintptr_t)data; /* only read */
	z->avail_in = (uint32_t)len;
	z->next_out = s->packed;
	z->avail_out = PACKED_MAX;
	if (isal_deflate(z) != COMP_OK || z->internal_state.state != ZSTATE_END)
		return diag_fail(d, MVP0001, NULL, "ISA-L refused to deflate a chunk");
	*ret_len = PACKED_MAX - z->avail_out;
	return 0;
}

/* What is the same of a chunk wherever it goes. Ciphertext does not shrink: it is stored. */
static int pack_chunk(struct kdz *s, const uint8_t *data, size_t len, bool encrypted, struct dz_chunk *ret, struct diag *d)
{
	EVP_MD_CTX *md CLEANUP(EVP_MD_CTX_freep) = EVP_MD_CTX_new();
	size_t packed = 0;
	*ret = (struct dz_chunk){ .len = (uint32_t)len, .crc = crc32_gzip_refl(0, data, len) };
	md5_init(md);
	md5_add(md, data, len);
	md5_get(md, ret->md5);
	if (encrypted)
		packed = store(s, data, len);
	else if (compress(s, data, len, &packed, d) < 0)
		return -1;
	ret->packed_len = (uint32_t)packed;
	return 0;
}

/* The packed chunk (its length is a multiple of the sector) at byte at of a disk. */
static int put_chunk(struct kdz *s, const struct flash *f, const char *part, uint64_t part_at, uint64_t at, const struct dz_chunk *packed,
		     struct diag *d)
{
	uint8_t header[DZ_CHUNK_LEN];
	struct dz_chunk c = *packed;
	c.sector = (uint32_t)(at / f->sector_len);
	c.sectors = c.len / f->sector_len;
	c.lun = f->lun;
	c.id = s->chunks + 1;
	c.part_sector = (uint32_t)(part_at / f->sector_len);
	(void)snprintf(c.part, sizeof(c.part), "%s", part);
	(void)snprintf(c.file, sizeof(c.file), "%s_%u.bin", part, c.sector);
	dz_chunk_emit(&c, header);
	md5_add(s->chunks_md5, header, sizeof(header));
	s->chunks++;
	return put(s, header, sizeof(header), d) < 0 ? -1 : put(s, s->packed, c.packed_len, d);
}

/* What is collected becomes a chunk, or two if the partition has two slots. */
static int flush(struct kdz *s, struct diag *d)
{
	const struct bundle_part *p = &s->b->parts[s->part];
	const struct flash *f = &s->flash[p->lun];
	size_t len = s->buf_len;
	struct dz_chunk c;
	if (!len)
		return 0;
	memset(s->buf + len, 0, align_up(len, f->sector_len) - len);
	len = align_up(len, f->sector_len);
	if (pack_chunk(s, s->buf, len, p->encrypted, &c, d) < 0)
		return -1;
	for (size_t i = 0; i < f->places_count; i++) {
		const struct flash_place *place = &f->places[i];
		if (place->part == s->part && put_chunk(s, f, place->name, place->at, place->at + s->buf_at, &c, d) < 0)
			return -1;
	}
	s->buf_len = 0;
	return 0;
}

static int put_table(struct kdz *s, const struct flash *f, bool backup, struct diag *d)
{
	uint64_t len = backup ? gpt_back_len(f->sector_len) : gpt_front_len(f->sector_len);
	uint64_t at = backup ? image_len(f->frame) - len : 0;
	struct dz_chunk c;
	if (image_read(f->frame, at, s->buf, (size_t)len, d) < 0 || pack_chunk(s, s->buf, (size_t)len, false, &c, d) < 0)
		return -1;
	return put_chunk(s, f, backup ? "BackupGPT" : "PrimaryGPT", at, at, &c, d);
}

static int plan_units(struct kdz *s, struct diag *d)
{
	const struct bundle *b = s->b;
	for (size_t i = 0; i < b->parts_count; i++) {
		struct flash *f = &s->flash[b->parts[i].lun];
		if (strlen(b->parts[i].name) > 30)
			return diag_fail(d, MVP0552, &b->parts[i].loc, "the name of '%s' is longer than the 30 characters of a KDZ",
					 b->parts[i].name);
		if (f->places_count)
			continue;
		if (flash_plan(b, b->oem ? oem_sector_size(b->oem) : 512, (int)b->parts[i].lun, 0, f, d) < 0)
			return -1;
		if (image_len(f->frame) / f->sector_len > UINT32_MAX)
			return diag_fail(d, MVP0501, NULL, "the flash is too large for a KDZ, which counts sectors in 32 bits");
	}
	return 0;
}

static int kdz_plan(const struct bundle *b, void **ret_state, struct diag *d)
{
	void *state CLEANUP(kdz_freep) = mem_new(struct kdz);
	struct kdz *s = state;
	s->b = b;
	s->part = b->parts_count;
	if (plan_units(s, d) < 0)
		return -1;
	char *name CLEANUP_FREE = bundle_name(b, b->oem ? &b->oem->names.kdz : NULL, "{product}_{version}.kdz", NULL, d);
	if (!name || output_open(b->out_dir, name, &s->out, d) < 0)
		return -1;
	s->chunks_md5 = EVP_MD_CTX_new();
	md5_init(s->chunks_md5);
	s->buf = mem_zeroed(1, CHUNK_MAX);
	s->packed = mem_zeroed(1, PACKED_MAX);
	s->level_buf = mem_zeroed(1, ISAL_DEF_LVL1_DEFAULT);
	s->at = KDZ_DZ_AT + DZ_HEADER_LEN;
	for (size_t i = 0; i < LUNS; i++)
		if (s->flash[i].places_count && put_table(s, &s->flash[i], false, d) < 0)
			return -1;
	*ret_state = TAKE(state);
	return 0;
}

static int collect(struct kdz *s, const uint8_t *data, uint64_t len, struct diag *d)
{
	while (len) {
		size_t n = (size_t)num_min(len, CHUNK_MAX - s->buf_len);
		if (data)
			memcpy(s->buf + s->buf_len, data, n);
		else
			memset(s->buf + s->buf_len, 0, n);
		s->buf_len += n;
		if (s->buf_len == CHUNK_MAX) {
			uint64_t next = s->buf_at + CHUNK_MAX;
			if (flush(s, d) < 0)
				return -1;
			s->buf_at = next;
		}
		data = data ? data + n : NULL;
		len -= n;
	}
	return 0;
}

static int kdz_write(void *state, size_t part, uint64_t at, const void *data, uint64_t len, struct diag *d)
{
	struct kdz *s = state;
	const struct bundle_part *p = &s->b->parts[part];
	if (p->own)
		return 0;
	if (part != s->part) {
		if (s->part != s->b->parts_count && flush(s, d) < 0)
			return -1;
		s->part = part;
		s->buf_at = at;
	}
	/* A hole that may stay what it was ends a chunk, if there is a sector of it. */
	if (!data && !p->fill && len >= 4096 && (at + len) % 4096 == 0) {
		uint64_t skip = align_up(at, 4096);
		if (collect(s, NULL, skip - at, d) < 0 || flush(s, d) < 0)
			return -1;
		s->buf_at = at + len;
		return 0;
	}
	return collect(s, data, len, d);
}

/* The digest of the DZ needs its finished header in front: the file is read back. */
static int seal(struct kdz *s, struct dz_header *h, struct diag *d)
{
	EVP_MD_CTX *md CLEANUP(EVP_MD_CTX_freep) = EVP_MD_CTX_new();
	uint8_t header[DZ_HEADER_LEN];
	md5_init(md);
	dz_emit(h, true, header);
	md5_add(md, header, sizeof(header));
	for (uint64_t at = KDZ_DZ_AT + DZ_HEADER_LEN; at < s->at;) {
		size_t n = (size_t)num_min(s->at - at, CHUNK_MAX);
		if (output_read(s->out, s->buf, n, at, d) < 0)
			return -1;
		md5_add(md, s->buf, n);
		at += n;
	}
	md5_get(md, h->data_md5);
	dz_emit(h, false, header);
	return output_write(s->out, header, sizeof(header), KDZ_DZ_AT, d);
}

static int kdz_finish(void *state, struct bundle_outputs *outputs, struct diag *d)
{
	struct kdz *s = state;
	const struct bundle *b = s->b;
	const struct oem *o = b->oem;
	struct dz_header h = { .compression = 1, .ufs = o && oem_sector_size(o) == 4096 };
	struct kdz_header k = { .version = o && o->kdz.version.given ? (unsigned)o->kdz.version.v : 3, .dz_at = KDZ_DZ_AT };
	uint8_t header[KDZ_HEADER_LEN];
	if (s->part != b->parts_count && flush(s, d) < 0)
		return -1;
	for (size_t i = 0; i < LUNS; i++)
		if (s->flash[i].places_count && put_table(s, &s->flash[i], true, d) < 0)
			return -1;
	(void)snprintf(h.model, sizeof(h.model), "%s", o && o->kdz.model.s ? o->kdz.model.s : b->product);
	(void)snprintf(h.version, sizeof(h.version), "%s", b->version);
	(void)snprintf(h.android, sizeof(h.android), "%s", o && o->kdz.android.s ? o->kdz.android.s : "");
	(void)snprintf(h.target, sizeof(h.target), "%s", o && o->kdz.product.s ? o->kdz.product.s : b->board);
	if (b->carrier)
		(void)snprintf(h.operator_code, sizeof(h.operator_code), "%.3s.%.2s", carrier_csc(b->carrier),
			       b->carrier->country_iso.s ? b->carrier->country_iso.s : "");
	h.chunks = s->chunks;
	md5_get(s->chunks_md5, h.chunks_md5);
	if (seal(s, &h, d) < 0)
		return -1;
	k.dz_len = s->at - KDZ_DZ_AT;
	(void)snprintf(k.dz_name, sizeof(k.dz_name), "%s_%s.dz", b->product, b->version);
	kdz_emit(&k, header);
	if (output_write(s->out, header, sizeof(header), 0, d) < 0)
		return -1;
	return output_done(s->out, "kdz", s->at, NULL, outputs, d);
}

static int kdz_publish(void *state, struct diag *d)
{
	struct kdz *s = state;
	return output_publish(s->out, d);
}

const struct packer packer_kdz = {
	.name = "kdz",
	.summary = "KDZ for LG's flashing tools, with a DZ archive of compressed chunks",
	.plan = kdz_plan,
	.write = kdz_write,
	.finish = kdz_finish,
	.publish = kdz_publish,
	.free = kdz_free,
};
