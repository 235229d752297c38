#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/sha.h>

#include "imagegen/base/foreign.h"
#include "imagegen/base/secret.h"
#include "imagegen/base/text.h"
#include "imagegen/crypt/luks2_head.h"
#include "imagegen/crypt/xts.h"

/* The volume key has 512 random bits, so iterating its digest protects nothing; this is the specification's minimum. */
#define DIGEST_ITERATIONS MVP_LUKS2_ITERATIONS_MIN

#define BASE64_LEN(n) (((n) + 2) / 3 * 4 + 1)

static void pbkdf2(const void *secret, size_t secret_len, const uint8_t *salt, uint32_t iterations, uint8_t *out, size_t out_len)
{
	if (PKCS5_PBKDF2_HMAC(secret, (int)secret_len, salt, MVP_LUKS2_SALT_LEN, (int)iterations, EVP_sha256(), (int)out_len, out) != 1)
		abort();
}

/* H1 of the anti-forensic splitter: each 32-byte piece becomes SHA-256(big-endian number of the piece, piece). */
static void af_diffuse(uint8_t block[MVP_LUKS2_KEY_LEN])
{
	for (uint32_t i = 0; i < MVP_LUKS2_KEY_LEN / SHA256_DIGEST_LENGTH; i++) {
		SECRET_ARRAY(in, 4 + SHA256_DIGEST_LENGTH);
		uint32_t n = htobe32(i);
		memcpy(in, &n, 4);
		memcpy(in + 4, block + i * SHA256_DIGEST_LENGTH, SHA256_DIGEST_LENGTH);
		SHA256(in, sizeof(in), block + i * SHA256_DIGEST_LENGTH);
	}
}

/* Splits the volume key over the stripes; their random blocks are an AES-CTR key stream, so that equal builds give equal bytes. */
static void af_split(const uint8_t volume_key[MVP_LUKS2_KEY_LEN], const uint8_t stream_key[32], uint8_t *area)
{
	const uint8_t iv[16] = { 0 };
	const int random_len = (MVP_LUKS2_STRIPES - 1) * MVP_LUKS2_KEY_LEN;
	EVP_CIPHER_CTX *ctx CLEANUP(EVP_CIPHER_CTX_freep) = EVP_CIPHER_CTX_new();
	int n;
	memset(area, 0, (size_t)random_len);
	if (!ctx || EVP_EncryptInit_ex2(ctx, EVP_aes_256_ctr(), stream_key, iv, NULL) != 1 ||
	    EVP_EncryptUpdate(ctx, area, &n, area, random_len) != 1)
		abort();

	SECRET_ARRAY(block, MVP_LUKS2_KEY_LEN);
	for (size_t s = 0; s < MVP_LUKS2_STRIPES - 1; s++) {
		for (size_t i = 0; i < sizeof(block); i++)
			block[i] ^= area[s * sizeof(block) + i];
		af_diffuse(block);
	}
	for (size_t i = 0; i < sizeof(block); i++)
		area[(MVP_LUKS2_STRIPES - 1) * sizeof(block) + i] = block[i] ^ volume_key[i];
}

static void emit_slot(const struct luks2_opts *opts, const uint8_t volume_key[MVP_LUKS2_KEY_LEN], const uint8_t *salt, uint8_t *area)
{
	SECRET_ARRAY(stream_key, 32);
	SECRET_ARRAY(slot_key, 64);
	derive(opts->master, opts->context, "mvp luks2 slot 0 stripes", stream_key, sizeof(stream_key));
	af_split(volume_key, stream_key, area);
	pbkdf2(opts->secret, opts->secret_len, salt, opts->iterations, slot_key, sizeof(slot_key));
	struct xts *xts CLEANUP(xts_freep) = xts_new(slot_key, MVP_LUKS2_SLOT_SECTOR);
	xts_encrypt(xts, 0, area, (size_t)MVP_LUKS2_KEY_LEN * MVP_LUKS2_STRIPES);
}

static void emit_json(const struct luks2_opts *opts, const uint8_t *slot_salt, const uint8_t *digest_salt, const uint8_t *digest,
		      char *json, size_t json_len)
{
	char slot_salt64[BASE64_LEN(MVP_LUKS2_SALT_LEN)], digest_salt64[BASE64_LEN(MVP_LUKS2_SALT_LEN)],
		digest64[BASE64_LEN(MVP_LUKS2_DIGEST_LEN)];
	EVP_EncodeBlock((uint8_t *)slot_salt64, slot_salt, MVP_LUKS2_SALT_LEN);
	EVP_EncodeBlock((uint8_t *)digest_salt64, digest_salt, MVP_LUKS2_SALT_LEN);
	EVP_EncodeBlock((uint8_t *)digest64, digest, MVP_LUKS2_DIGEST_LEN);
	int n = snprintf(json, json_len,
			 "{\"keyslots\":{\"0\":{\"type\":\"luks2\",\"key_size\":%d,"
			 "\"af\":{\"type\":\"luks1\",\"stripes\":%d,\"hash\":\"sha256\"},"
			 "\"area\":{\"type\":\"raw\",\"offset\":\"%d\",\"size\":\"%d\",\"encryption\":\"aes-xts-plain64\",\"key_size\":%d},"
			 "\"kdf\":{\"type\":\"pbkdf2\",\"hash\":\"sha256\",\"iterations\":%u,\"salt\":\"%s\"}}},"
			 "\"tokens\":{},"
			 "\"segments\":{\"0\":{\"type\":\"crypt\",\"offset\":\"%d\",\"size\":\"dynamic\",\"iv_tweak\":\"0\","
			 "\"encryption\":\"aes-xts-plain64\",\"sector_size\":%d}},"
			 "\"digests\":{\"0\":{\"type\":\"pbkdf2\",\"keyslots\":[\"0\"],\"segments\":[\"0\"],\"hash\":\"sha256\","
			 "\"iterations\":%d,\"salt\":\"%s\",\"digest\":\"%s\"}},"
			 "\"config\":{\"json_size\":\"%d\",\"keyslots_size\":\"%d\"}}",
			 MVP_LUKS2_KEY_LEN, MVP_LUKS2_STRIPES, MVP_LUKS2_SLOT_AREA_AT, MVP_LUKS2_SLOT_AREA_LEN, MVP_LUKS2_KEY_LEN,
			 opts->iterations, slot_salt64, MVP_LUKS2_DATA_OFFSET, MVP_LUKS2_SECTOR, DIGEST_ITERATIONS, digest_salt64, digest64,
			 MVP_LUKS2_HDR_SIZE - MVP_LUKS2_BIN_SIZE, MVP_LUKS2_DATA_OFFSET - MVP_LUKS2_SLOT_AREA_AT);
	if (n < 0 || (size_t)n >= json_len)
		abort();
}

/* Completes one copy of the header, whose JSON area is filled. */
static void seal_copy(const struct luks2_opts *opts, bool second, uint8_t *copy)
{
	struct mvp_luks2_header h = { .version = htobe16(MVP_LUKS2_VERSION), .hdr_size = htobe64(MVP_LUKS2_HDR_SIZE), .seqid = htobe64(1) };
	uint8_t uuid[16], csum[SHA256_DIGEST_LENGTH];
	char uuid_text[TEXT_UUID_LEN];
	memcpy(h.magic, second ? MVP_LUKS2_MAGIC_2ND : MVP_LUKS2_MAGIC_1ST, MVP_LUKS2_MAGIC_LEN);
	if (opts->label)
		memcpy(h.label, opts->label, strnlen(opts->label, sizeof(h.label) - 1));
	memcpy(h.checksum_alg, "sha256", sizeof("sha256"));
	derive(opts->master, opts->context, second ? "mvp luks2 header 1" : "mvp luks2 header 0", h.salt, sizeof(h.salt));
	derive_uuid(opts->master, opts->context, "mvp luks2 uuid", uuid);
	memcpy(h.uuid, text_uuid(uuid, uuid_text), TEXT_UUID_LEN);
	h.hdr_offset = htobe64(second ? MVP_LUKS2_HDR_SIZE : 0);
	memcpy(copy, &h, sizeof(h));
	SHA256(copy, MVP_LUKS2_HDR_SIZE, csum);
	memcpy(copy + MVP_LUKS2_CSUM_AT, csum, sizeof(csum));
}

void luks2_head_emit(const struct luks2_opts *opts, const uint8_t volume_key[MVP_LUKS2_KEY_LEN], uint8_t *head)
{
	uint8_t slot_salt[MVP_LUKS2_SALT_LEN], digest_salt[MVP_LUKS2_SALT_LEN], digest[MVP_LUKS2_DIGEST_LEN];
	derive(opts->master, opts->context, "mvp luks2 slot 0 salt", slot_salt, sizeof(slot_salt));
	derive(opts->master, opts->context, "mvp luks2 digest 0 salt", digest_salt, sizeof(digest_salt));
	pbkdf2(volume_key, MVP_LUKS2_KEY_LEN, digest_salt, DIGEST_ITERATIONS, digest, sizeof(digest));

	char *json = (char *)head + MVP_LUKS2_BIN_SIZE;
	emit_json(opts, slot_salt, digest_salt, digest, json, MVP_LUKS2_HDR_SIZE - MVP_LUKS2_BIN_SIZE);
	memcpy(head + MVP_LUKS2_HDR_SIZE + MVP_LUKS2_BIN_SIZE, json, MVP_LUKS2_HDR_SIZE - MVP_LUKS2_BIN_SIZE);
	seal_copy(opts, false, head);
	seal_copy(opts, true, head + MVP_LUKS2_HDR_SIZE);
	emit_slot(opts, volume_key, slot_salt, head + MVP_LUKS2_SLOT_AREA_AT);
}
