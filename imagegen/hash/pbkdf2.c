#include "imagegen/hash/pbkdf2.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "imagegen/base/bytes.h"
#include "imagegen/base/num.h"
#include "imagegen/base/secret.h"
#include "imagegen/hash/rounds.h"

#define DIGEST_LEN (4 * (size_t)ROUNDS_SHA256_WORDS)
#define LANES 2

/* HMAC's key, as digests that have taken its block, and the blocks of LANES of its messages. */
struct pbkdf2 {
	uint32_t inner[ROUNDS_SHA256_WORDS], outer[ROUNDS_SHA256_WORDS];
	uint8_t blocks[LANES][ROUNDS_BLOCK];
	uint32_t words[LANES][ROUNDS_SHA256_WORDS];
	uint32_t sum[LANES][ROUNDS_SHA256_WORDS];
};

static void compress(struct pbkdf2 *p)
{
	const struct rounds_sha256 lanes[LANES] = { { p->words[0], p->blocks[0] }, { p->words[1], p->blocks[1] } };
	rounds_sha256_two(lanes, 1);
}

static void take_key(struct pbkdf2 *p, const void *secret, size_t len)
{
	SECRET_ARRAY(key, ROUNDS_BLOCK);
	if (len > ROUNDS_BLOCK) {
		if (EVP_Digest(secret, len, key, NULL, EVP_sha256(), NULL) != 1)
			abort();
	} else if (len) {
		memcpy(key, secret, len);
	}
	for (size_t i = 0; i < ROUNDS_BLOCK; i++) {
		p->blocks[0][i] = key[i] ^ 0x36;
		p->blocks[1][i] = key[i] ^ 0x5c;
	}
	memcpy(p->words[0], rounds_sha256_first, sizeof(p->words[0]));
	memcpy(p->words[1], rounds_sha256_first, sizeof(p->words[1]));
	compress(p);
	memcpy(p->inner, p->words[0], sizeof(p->inner));
	memcpy(p->outer, p->words[1], sizeof(p->outer));
}

/* Behind the digest that a block begins with: SHA-256's end of a message of the key's block and it. */
static void pad(uint8_t block[ROUNDS_BLOCK])
{
	memset(block + DIGEST_LEN, 0, ROUNDS_BLOCK - DIGEST_LEN);
	block[DIGEST_LEN] = 0x80;
	put_be32(block + ROUNDS_BLOCK - 4, (uint32_t)(8 * (ROUNDS_BLOCK + DIGEST_LEN)));
}

static void put_words(struct pbkdf2 *p)
{
	for (size_t lane = 0; lane < LANES; lane++)
		for (size_t i = 0; i < ROUNDS_SHA256_WORDS; i++)
			put_be32(p->blocks[lane] + 4 * i, p->words[lane][i]);
}

/* The block of the lane: HMAC of the salt and the number of the result's block. */
static void first(struct pbkdf2 *p, size_t lane, const void *secret, size_t secret_len, const uint8_t *salt, size_t salt_len,
		  uint32_t number)
{
	uint8_t *message = malloc(salt_len + 4);
	if (!message)
		abort();
	if (salt_len)
		memcpy(message, salt, salt_len);
	put_be32(message + salt_len, number);
	if (!HMAC(EVP_sha256(), secret_len ? secret : "", (int)secret_len, message, salt_len + 4, p->blocks[lane], NULL))
		abort();
	free(message);
	pad(p->blocks[lane]);
	for (size_t i = 0; i < ROUNDS_SHA256_WORDS; i++)
		p->sum[lane][i] = get_be32(p->blocks[lane] + 4 * i);
}

static void iterate(struct pbkdf2 *p)
{
	const uint32_t *keys[] = { p->inner, p->outer };
	for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
		memcpy(p->words[0], keys[k], sizeof(p->words[0]));
		memcpy(p->words[1], keys[k], sizeof(p->words[1]));
		compress(p);
		put_words(p);
	}
	for (size_t lane = 0; lane < LANES; lane++)
		for (size_t i = 0; i < ROUNDS_SHA256_WORDS; i++)
			p->sum[lane][i] ^= p->words[lane][i];
}

void pbkdf2_hmac_sha256(const void *secret, size_t secret_len, const uint8_t *salt, size_t salt_len, uint32_t iterations, uint8_t *out,
			size_t out_len)
{
	struct pbkdf2 p;
	take_key(&p, secret, secret_len);
	for (uint32_t number = 1; out_len; number += LANES) {
		for (uint32_t lane = 0; lane < LANES; lane++)
			first(&p, lane, secret, secret_len, salt, salt_len, number + lane);
		for (uint32_t i = 1; i < iterations; i++)
			iterate(&p);
		for (size_t lane = 0; lane < LANES && out_len; lane++) {
			uint8_t *bytes = p.blocks[lane]; /* are not needed any more */
			size_t n = (size_t)num_min(out_len, DIGEST_LEN);
			for (size_t i = 0; i < ROUNDS_SHA256_WORDS; i++)
				put_be32(bytes + 4 * i, p.sum[lane][i]);
			memcpy(out, bytes, n);
			out += n;
			out_len -= n;
		}
	}
	secret_wipe(&p, sizeof(p));
}
