#include "imagegen/bundle/dz.h"

#include <string.h>

#include <isa-l/crc.h>

#include "imagegen/base/bytes.h"
#include "imagegen/base/num.h"

#define KDZ2_MAGIC 0x80253134u
#define KDZ3_MAGIC 0x25223824u
#define DZ_MAGIC 0x74189632u
#define CHUNK_MAGIC 0x78951230u
#define MARKER_AT 552

static void put_text(uint8_t *p, size_t len, const char *s)
{
	memcpy(p, s, strnlen(s, len));
}

static bool get_text(const uint8_t *p, size_t len, char *ret)
{
	size_t n = strnlen((const char *)p, len);
	for (size_t i = 0; i < n; i++)
		if (p[i] < 0x20 || p[i] >= 0x7f)
			return false;
	memcpy(ret, p, n);
	ret[n] = 0;
	return true;
}

void kdz_emit(const struct kdz_header *h, uint8_t ret[KDZ_HEADER_LEN])
{
	memset(ret, 0, KDZ_HEADER_LEN);
	put_le32(ret, KDZ_HEADER_LEN);
	put_le32(ret + 4, h->version == 3 ? KDZ3_MAGIC : KDZ2_MAGIC);
	put_text(ret + 8, 256, h->dz_name);
	put_le64(ret + 8 + 256, h->dz_len);
	put_le64(ret + 8 + 264, h->dz_at);
}

bool kdz_is(const uint8_t head[8])
{
	return get_le32(head) == KDZ_HEADER_LEN && (get_le32(head + 4) == KDZ2_MAGIC || get_le32(head + 4) == KDZ3_MAGIC);
}

const char *kdz_parse(const uint8_t data[KDZ_HEADER_LEN], uint64_t file_len, struct kdz_header *ret)
{
	*ret = (struct kdz_header){ .version = get_le32(data + 4) == KDZ3_MAGIC ? 3 : 2 };
	if (!kdz_is(data))
		return "no KDZ of version 2 or 3";
	if (data[MARKER_AT] != 0 && data[MARKER_AT] != 3)
		return "the marker behind the second record is neither 0 nor 3";
	ret->dz_len = get_le64(data + 8 + 256);
	ret->dz_at = get_le64(data + 8 + 264);
	if (!get_text(data + 8, 256, ret->dz_name) || !ret->dz_name[0])
		return "the name of the DZ is not printable ASCII";
	return num_inside(ret->dz_at, ret->dz_len, file_len) && ret->dz_len >= DZ_HEADER_LEN ? NULL : "the DZ lies outside the file";
}

/* The header with everything but its CRC and the data's digest. */
static void emit_plain(const struct dz_header *h, uint8_t ret[DZ_HEADER_LEN])
{
	memset(ret, 0, DZ_HEADER_LEN);
	put_le32(ret, DZ_MAGIC);
	put_le32(ret + 4, 2);
	put_le32(ret + 8, 1);
	put_text(ret + 16, 32, h->model);
	put_text(ret + 48, 128, h->version);
	put_le32(ret + 192, h->chunks);
	memcpy(ret + 196, h->chunks_md5, 16);
	ret[213] = h->compression;
	put_text(ret + 288, 16, "user");
	put_text(ret + 312, 10, h->android);
	ret[333] = 'N'; /* not signed */
	put_le32(ret + 337, h->ufs);
	put_text(ret + 409, 24, h->target);
	ret[434] = '0';
	ret[439] = 'F'; /* factory image */
	put_text(ret + 440, 24, h->operator_code);
}

void dz_emit(const struct dz_header *h, bool for_digest, uint8_t ret[DZ_HEADER_LEN])
{
	emit_plain(h, ret);
	put_le32(ret + 308, crc32_gzip_refl(0, ret, DZ_HEADER_LEN));
	if (for_digest)
		memset(ret + 222, 0xff, 16);
	else
		memcpy(ret + 222, h->data_md5, 16);
}

const char *dz_parse(const uint8_t data[DZ_HEADER_LEN], struct dz_header *ret)
{
	uint8_t copy[DZ_HEADER_LEN];
	*ret = (struct dz_header){ .chunks = get_le32(data + 192), .compression = data[213], .ufs = get_le32(data + 337) != 0 };
	if (get_le32(data) != DZ_MAGIC || get_le32(data + 4) != 2 || get_le32(data + 8) != 1)
		return "no DZ of version 2.1";
	memcpy(copy, data, sizeof(copy));
	memset(copy + 222, 0, 16);
	put_le32(copy + 308, 0);
	if (get_le32(data + 308) && crc32_gzip_refl(0, copy, sizeof(copy)) != get_le32(data + 308))
		return "the CRC of its header is wrong";
	if (!get_text(data + 16, 32, ret->model) || !get_text(data + 48, 128, ret->version) || !get_text(data + 312, 10, ret->android) ||
	    !get_text(data + 409, 24, ret->target) || !get_text(data + 440, 24, ret->operator_code))
		return "its header holds text that is not printable ASCII";
	if (ret->compression != 1 && ret->compression != 4)
		return "its chunks are compressed in an unknown way";
	memcpy(ret->chunks_md5, data + 196, 16);
	memcpy(ret->data_md5, data + 222, 16);
	return NULL;
}

void dz_chunk_emit(const struct dz_chunk *c, uint8_t ret[DZ_CHUNK_LEN])
{
	memset(ret, 0, DZ_CHUNK_LEN);
	put_le32(ret, CHUNK_MAGIC);
	put_text(ret + 4, 32, c->part);
	put_text(ret + 36, 64, c->file);
	put_le32(ret + 100, c->len);
	put_le32(ret + 104, c->packed_len);
	memcpy(ret + 108, c->md5, 16);
	put_le32(ret + 124, c->sector);
	put_le32(ret + 128, c->sectors);
	put_le32(ret + 132, c->lun);
	put_le32(ret + 136, c->crc);
	put_le32(ret + 140, c->id);
	put_le32(ret + 152, c->part_sector);
}

const char *dz_chunk_parse(const uint8_t data[DZ_CHUNK_LEN], struct dz_chunk *ret)
{
	*ret = (struct dz_chunk){ .len = get_le32(data + 100),
				  .packed_len = get_le32(data + 104),
				  .sector = get_le32(data + 124),
				  .sectors = get_le32(data + 128),
				  .lun = get_le32(data + 132),
				  .crc = get_le32(data + 136),
				  .id = get_le32(data + 140),
				  .part_sector = get_le32(data + 152) };
	if (get_le32(data) != CHUNK_MAGIC)
		return "a chunk does not begin with its magic number";
	if (!get_text(data + 4, 32, ret->part) || !get_text(data + 36, 64, ret->file) || !ret->part[0])
		return "a chunk has a name that is not printable ASCII";
	memcpy(ret->md5, data + 108, 16);
	return NULL;
}
