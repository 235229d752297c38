#include "sha256.h"

static const uint32_t initial[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };

void sha256_init(struct sha256 *s)
{
	memcpy(s->state, initial, sizeof(initial));
	s->len = 0;
}

void sha256_add(struct sha256 *s, const void *data, size_t len)
{
	const uint8_t *p = data;
	size_t fill = s->len % SHA256_BLOCK;
	s->len += len;
	if (fill) {
		size_t n = min_u64(len, SHA256_BLOCK - fill);
		memcpy(s->buf + fill, p, n);
		p += n;
		len -= n;
		if (fill + n < SHA256_BLOCK)
			return;
		sha256_compress(s->state, s->buf, 1);
	}
	if (len >= SHA256_BLOCK)
		sha256_compress(s->state, p, len / SHA256_BLOCK);
	memcpy(s->buf, p + len / SHA256_BLOCK * SHA256_BLOCK, len % SHA256_BLOCK);
}

static void put_state(uint8_t *out, const uint32_t state[8])
{
	for (int i = 0; i < 8; i++)
		put_be32(out + 4 * i, state[i]);
}

void sha256_end(struct sha256 *s, uint8_t ret_digest[SHA256_LEN])
{
	size_t fill = s->len % SHA256_BLOCK;
	s->buf[fill++] = 0x80;
	if (fill > SHA256_BLOCK - 8) {
		memset(s->buf + fill, 0, SHA256_BLOCK - fill);
		sha256_compress(s->state, s->buf, 1);
		fill = 0;
	}
	memset(s->buf + fill, 0, SHA256_BLOCK - 8 - fill);
	put_be64(s->buf + SHA256_BLOCK - 8, s->len * 8);
	sha256_compress(s->state, s->buf, 1);
	put_state(ret_digest, s->state);
	wipe(s, sizeof(*s));
}

static void hmac_pad(uint32_t state[8], const uint8_t key[SHA256_BLOCK], uint8_t pad)
{
	uint8_t block[SHA256_BLOCK];
	for (size_t i = 0; i < SHA256_BLOCK; i++)
		block[i] = key[i] ^ pad;
	memcpy(state, initial, sizeof(initial));
	sha256_compress(state, block, 1);
	wipe(block, sizeof(block));
}

/* The states after the two key blocks. */
static void hmac_key(const uint8_t *key, size_t key_len, uint32_t ret_inner[8], uint32_t ret_outer[8])
{
	uint8_t block[SHA256_BLOCK] = { 0 };
	if (key_len > SHA256_BLOCK) {
		struct sha256 s;
		sha256_init(&s);
		sha256_add(&s, key, key_len);
		sha256_end(&s, block);
	} else {
		memcpy(block, key, key_len);
	}
	hmac_pad(ret_inner, block, 0x36);
	hmac_pad(ret_outer, block, 0x5c);
	wipe(block, sizeof(block));
}

void hmac_sha256_init(struct hmac_sha256 *h, const uint8_t *key, size_t key_len)
{
	*h = (struct hmac_sha256){ .inner = { .len = SHA256_BLOCK } };
	hmac_key(key, key_len, h->inner.state, h->outer);
}

void hmac_sha256_add(struct hmac_sha256 *h, const void *data, size_t len)
{
	sha256_add(&h->inner, data, len);
}

void hmac_sha256_end(struct hmac_sha256 *h, uint8_t ret_mac[SHA256_LEN])
{
	uint8_t digest[SHA256_LEN];
	sha256_end(&h->inner, digest);
	memcpy(h->inner.state, h->outer, sizeof(h->outer));
	h->inner.len = SHA256_BLOCK;
	sha256_add(&h->inner, digest, sizeof(digest));
	sha256_end(&h->inner, ret_mac);
	wipe(digest, sizeof(digest));
	wipe(h, sizeof(*h));
}

void hmac_sha256(const uint8_t *key, size_t key_len, const void *data, size_t len, uint8_t ret_mac[SHA256_LEN])
{
	struct hmac_sha256 h;
	hmac_sha256_init(&h, key, key_len);
	hmac_sha256_add(&h, data, len);
	hmac_sha256_end(&h, ret_mac);
}

/* state continues from a key block with one last message block: 32 bytes of data, padding, and the length of 96 bytes. */
static void compress_tail(uint32_t state[8], const uint32_t data[8])
{
	uint8_t block[SHA256_BLOCK] = { 0 };
	put_state(block, data);
	block[32] = 0x80;
	put_be64(block + 56, (SHA256_BLOCK + SHA256_LEN) * 8);
	sha256_compress(state, block, 1);
}

/* u = HMAC(key, u) */
static void hmac_round(struct pbkdf2 *k)
{
	uint32_t inner[8], outer[8];
	memcpy(inner, k->inner, sizeof(inner));
	compress_tail(inner, k->u);
	memcpy(outer, k->outer, sizeof(outer));
	compress_tail(outer, inner);
	memcpy(k->u, outer, sizeof(outer));
}

/* u = t = HMAC(key, salt || be32(block number)) */
static void first_round(struct pbkdf2 *k)
{
	struct sha256 s;
	uint8_t number[4], digest[SHA256_LEN];
	memcpy(s.state, k->inner, sizeof(s.state));
	s.len = SHA256_BLOCK;
	sha256_add(&s, k->salt, k->salt_len);
	put_be32(number, (uint32_t)(k->out_at / SHA256_LEN) + 1);
	sha256_add(&s, number, sizeof(number));
	sha256_end(&s, digest);
	for (int i = 0; i < 8; i++)
		k->t[i] = get_be32(digest + 4 * i);
	memcpy(k->u, k->outer, sizeof(k->u));
	compress_tail(k->u, k->t);
	memcpy(k->t, k->u, sizeof(k->t));
	k->left = k->iterations - 1;
	wipe(digest, sizeof(digest));
}

void pbkdf2_start(struct pbkdf2 *k, const uint8_t *password, size_t password_len, const uint8_t *salt, size_t salt_len, uint32_t iterations,
		  size_t out_len)
{
	memset(k, 0, sizeof(*k));
	hmac_key(password, password_len, k->inner, k->outer);
	k->salt_len = min_u64(salt_len, sizeof(k->salt));
	memcpy(k->salt, salt, k->salt_len);
	k->iterations = iterations;
	k->out_len = min_u64(out_len, sizeof(k->out));
	first_round(k);
}

bool pbkdf2_step(struct pbkdf2 *k, uint32_t count)
{
	while (k->out_at < k->out_len) {
		for (; k->left && count; k->left--, count--) {
			hmac_round(k);
			for (int i = 0; i < 8; i++)
				k->t[i] ^= k->u[i];
		}
		if (k->left)
			return false;
		put_state(k->out + k->out_at, k->t);
		k->out_at += SHA256_LEN;
		if (k->out_at < k->out_len)
			first_round(k);
	}
	return true;
}
