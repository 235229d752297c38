/* LG's KDZ container and the DZ archive in it, versions 2 and 3 of the one, 2.1 of the other. There is no public specification; what is
 * here was learned from independent extractors. */
#ifndef IMAGEGEN_DZ_H
#define IMAGEGEN_DZ_H

#include "imagegen/base/base.h"

#define KDZ_HEADER_LEN 1320u
#define KDZ_DZ_AT 0x14800u /* behind the place of the signed table of partitions (zero here) and of the memory id */
#define DZ_HEADER_LEN 512u
#define DZ_CHUNK_LEN 512u /* of a chunk's header */

struct kdz_header {
	unsigned version; /* 2 or 3 */
	char dz_name[257];
	uint64_t dz_at, dz_len;
};

struct dz_header {
	char model[33], version[129], android[11], target[25], operator_code[25];
	uint32_t chunks;
	uint8_t chunks_md5[16]; /* of all chunk headers */
	uint8_t data_md5[16];   /* of header and chunks */
	uint8_t compression;    /* 1: zlib, 4: zstd */
	bool ufs;
};

struct dz_chunk {
	char part[33];
	char file[65];
	uint32_t len, packed_len;
	uint8_t md5[16];
	uint32_t sector, sectors, lun, crc, id, part_sector;
};

void kdz_emit(const struct kdz_header *h, uint8_t ret[KDZ_HEADER_LEN]);
/* With the data's digest as it is, or as it counts in that digest. */
void dz_emit(const struct dz_header *h, bool for_digest, uint8_t ret[DZ_HEADER_LEN]);
void dz_chunk_emit(const struct dz_chunk *c, uint8_t ret[DZ_CHUNK_LEN]);

bool kdz_is(const uint8_t head[8]); /* begins like one of version 2 or 3 */
/* NULL, or what is wrong. file_len bounds what the header names. */
const char *kdz_parse(const uint8_t data[KDZ_HEADER_LEN], uint64_t file_len, struct kdz_header *ret);
const char *dz_parse(const uint8_t data[DZ_HEADER_LEN], struct dz_header *ret);
const char *dz_chunk_parse(const uint8_t data[DZ_CHUNK_LEN], struct dz_chunk *ret);

#endif
