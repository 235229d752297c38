/* The compression functions of MD5 (RFC 1321, section 3.4) and SHA-256 (FIPS 180-4, section 6.2.2), two at once. Each round of a digest
 * waits for the one before, so most of a CPU's units are idle meanwhile: where it has SHA instructions, both digests of the same bytes take
 * as long as MD5 alone, and two streams' SHA-256 two thirds of their time one by one. Elsewhere OpenSSL does one after the other. */
#ifndef IMAGEGEN_ROUNDS_H
#define IMAGEGEN_ROUNDS_H

#include "imagegen/base/base.h"

#define ROUNDS_BLOCK ((size_t)64) /* bytes, of both digests */
enum { ROUNDS_MD5_WORDS = 4, ROUNDS_SHA256_WORDS = 8 };
extern const uint32_t rounds_md5_first[ROUNDS_MD5_WORDS], rounds_sha256_first[ROUNDS_SHA256_WORDS];

/* Both digests' words, of the same blocks; they are replaced. */
void rounds_md5_sha256(uint32_t md5[ROUNDS_MD5_WORDS], uint32_t sha256[ROUNDS_SHA256_WORDS], const uint8_t *data, size_t blocks);

/* A stream: the words of its digest so far, which are replaced, and its next blocks. */
struct rounds_sha256 {
	uint32_t *words;
	const uint8_t *data;
};
/* In a time that does not depend on the data. */
void rounds_sha256_two(const struct rounds_sha256 streams[2], size_t blocks);

/* For tests: by OpenSSL also where there are SHA instructions. False if there are none, and so no other way. */
bool rounds_by_openssl(bool on);

#endif
