#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/sha.h>

#include "imagegen/base/buf.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/secret.h"
#include "imagegen/base/text.h"
#include "imagegen/crypt/luks2_head.h"
#include "imagegen/crypt/xts.h"
#include "imagegen/hash/pbkdf2.h"

/* The volume key has 512 random bits, so iterating its digest protects nothing; this is the specification's minimum. */
#define DIGEST_ITERATIONS MVP_LUKS2_ITERATIONS_MIN

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

/* A key slot: the secret that opens it. */
struct slot {
	const uint8_t *secret;
	size_t secret_len;
	uint32_t iterations;
	uint8_t salt[MVP_LUKS2_SALT_LEN];
};

static void derive_of(const struct luks2_opts *opts, unsigned slot, const char *what, uint8_t *out, size_t len)
{
	char info[64];
	snprintf(info, sizeof(info), "mvp luks2 slot %u %s", slot, what);
	derive(opts->master, opts->context, info, out, len);
}

static unsigned plan_slots(const struct luks2_opts *opts, struct slot slots[LUKS2_HEAD_SLOTS])
{
	/* The recovery secret is random: more iterations protect nothing. */
	slots[0] = (struct slot){ .secret = opts->secret, .secret_len = opts->secret_len, .iterations = opts->iterations };
	slots[1] = (struct slot){ .secret = opts->recovery, .secret_len = opts->recovery_len, .iterations = MVP_LUKS2_ITERATIONS_MIN };
	unsigned count = opts->recovery ? 2 : 1;
	for (unsigned i = 0; i < count; i++)
		derive_of(opts, i, "salt", slots[i].salt, sizeof(slots[i].salt));
	return count;
}

static void emit_area(const struct luks2_opts *opts, const uint8_t volume_key[MVP_LUKS2_KEY_LEN], unsigned i, const struct slot *s,
		      uint8_t *area)
{
	SECRET_ARRAY(stream_key, 32);
	SECRET_ARRAY(slot_key, 64);
	derive_of(opts, i, "stripes", stream_key, sizeof(stream_key));
	af_split(volume_key, stream_key, area);
	pbkdf2_hmac_sha256(s->secret, s->secret_len, s->salt, sizeof(s->salt), s->iterations, slot_key, sizeof(slot_key));
	struct xts *xts CLEANUP(xts_freep) = xts_new(slot_key, MVP_LUKS2_SLOT_SECTOR);
	xts_encrypt(xts, 0, area, (size_t)MVP_LUKS2_KEY_LEN * MVP_LUKS2_STRIPES);
}

static void put_base64(struct buf *b, const uint8_t *data, size_t len)
{
	char *text CLEANUP_FREE = mem_zeroed(1, (len + 2) / 3 * 4 + 1);
	EVP_EncodeBlock((uint8_t *)text, data, (int)len);
	buf_puts(b, text);
}

static void emit_slot(struct buf *b, unsigned i, const struct slot *s)
{
	buf_printf(b,
		   "%s\"%u\":{\"type\":\"luks2\",\"key_size\":%d,\"af\":{\"type\":\"luks1\",\"stripes\":%d,\"hash\":\"sha256\"},"
		   "\"area\":{\"type\":\"raw\",\"offset\":\"%u\",\"size\":\"%d\",\"encryption\":\"aes-xts-plain64\",\"key_size\":%d},"
		   "\"kdf\":{\"type\":\"pbkdf2\",\"hash\":\"sha256\",\"iterations\":%u,\"salt\":\"",
		   i ? "," : "", i, MVP_LUKS2_KEY_LEN, MVP_LUKS2_STRIPES, MVP_LUKS2_SLOT_AREA_AT + i * MVP_LUKS2_SLOT_AREA_LEN,
		   MVP_LUKS2_SLOT_AREA_LEN, MVP_LUKS2_KEY_LEN, s->iterations);
	put_base64(b, s->salt, sizeof(s->salt));
	buf_puts(b, "\"}}");
}

static void emit_tokens(struct buf *b, const struct luks2_opts *opts)
{
	buf_puts(b, "\"tokens\":{\"0\":{\"type\":\"mvp-passcode\",\"keyslots\":[\"0\"],\"binding\":\"none\"}");
	if (opts->recovery) {
		buf_puts(b, ",\"1\":{\"type\":\"mvp-recovery\",\"keyslots\":[\"1\"]");
		if (opts->envelope) {
			buf_puts(b, ",\"escrow\":\"");
			put_base64(b, opts->envelope, opts->envelope_len);
			buf_putc(b, '"');
		}
		buf_putc(b, '}');
	}
	buf_puts(b, "},");
}

/* Digest of the volume key: the one in which all slots agree. */
static void emit_digest(struct buf *b, const struct luks2_opts *opts, const uint8_t volume_key[MVP_LUKS2_KEY_LEN])
{
	uint8_t salt[MVP_LUKS2_SALT_LEN], digest[MVP_LUKS2_DIGEST_LEN];
	derive(opts->master, opts->context, "mvp luks2 digest 0 salt", salt, sizeof(salt));
	pbkdf2_hmac_sha256(volume_key, MVP_LUKS2_KEY_LEN, salt, MVP_LUKS2_SALT_LEN, DIGEST_ITERATIONS, digest, sizeof(digest));
	buf_printf(b,
		   "\"digests\":{\"0\":{\"type\":\"pbkdf2\",\"keyslots\":[\"0\"%s],\"segments\":[\"0\"],\"hash\":\"sha256\","
		   "\"iterations\":%d,\"salt\":\"",
		   opts->recovery ? ",\"1\"" : "", DIGEST_ITERATIONS);
	put_base64(b, salt, sizeof(salt));
	buf_puts(b, "\",\"digest\":\"");
	put_base64(b, digest, sizeof(digest));
	buf_puts(b, "\"}},");
}

static void emit_json(const struct luks2_opts *opts, const struct slot *slots, unsigned count, const uint8_t volume_key[MVP_LUKS2_KEY_LEN],
		      char *json, size_t json_len)
{
	struct buf b CLEANUP(buf_fini) = BUF_MAX(json_len - 1);
	buf_puts(&b, "{\"keyslots\":{");
	for (unsigned i = 0; i < count; i++)
		emit_slot(&b, i, &slots[i]);
	buf_puts(&b, "},");
	emit_tokens(&b, opts);
	buf_printf(&b,
		   "\"segments\":{\"0\":{\"type\":\"crypt\",\"offset\":\"%d\",\"size\":\"dynamic\",\"iv_tweak\":\"0\","
		   "\"encryption\":\"aes-xts-plain64\",\"sector_size\":%d}},",
		   MVP_LUKS2_DATA_OFFSET, MVP_LUKS2_SECTOR);
	emit_digest(&b, opts, volume_key);
	buf_printf(&b, "\"config\":{\"json_size\":\"%d\",\"keyslots_size\":\"%d\"}}", MVP_LUKS2_HDR_SIZE - MVP_LUKS2_BIN_SIZE,
		   MVP_LUKS2_DATA_OFFSET - MVP_LUKS2_SLOT_AREA_AT);
	/* The only part whose length is not known is the envelope, whose ceiling leaves room. */
	if (buf_error(&b))
		abort();
	memcpy(json, b.data, b.len);
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
	struct slot slots[LUKS2_HEAD_SLOTS];
	unsigned count = plan_slots(opts, slots);
	char *json = (char *)head + MVP_LUKS2_BIN_SIZE;
	emit_json(opts, slots, count, volume_key, json, MVP_LUKS2_HDR_SIZE - MVP_LUKS2_BIN_SIZE);
	memcpy(head + MVP_LUKS2_HDR_SIZE + MVP_LUKS2_BIN_SIZE, json, MVP_LUKS2_HDR_SIZE - MVP_LUKS2_BIN_SIZE);
	seal_copy(opts, false, head);
	seal_copy(opts, true, head + MVP_LUKS2_HDR_SIZE);
	for (unsigned i = 0; i < count; i++)
		emit_area(opts, volume_key, i, &slots[i], head + MVP_LUKS2_SLOT_AREA_AT + (size_t)i * MVP_LUKS2_SLOT_AREA_LEN);
}
