#include "rsa.h"

bool rsa_verify_begin(struct rsa_verify *v, const uint8_t *modulus, size_t len, const uint8_t *signature, const uint8_t digest[SHA256_LEN])
{
	size_t limbs = len / 8, odd = limbs;
	if (len < RSA_LEN_MIN || len > RSA_LEN_MAX || len % 8 || !(modulus[0] & 0x80) || !(modulus[len - 1] & 1))
		return false;
	limbs_get(v->n, modulus, limbs);
	modulus_init(&v->m, v->n, limbs);
	limbs_get(v->signature, signature, limbs);
	memcpy(v->digest, digest, SHA256_LEN);
	v->done = v->squarings = 0;
	for (; !(odd & 1); odd /= 2)
		v->squarings++;
	/* 2^(64 limbs) - n is the form of 1, since n has its top bit set; then of 2^(64 odd). */
	memset(v->power, 0, 8 * limbs);
	(void)limbs_subtract(v->power, v->n, limbs);
	for (size_t i = 0; i < 64 * odd; i++)
		mod_add(&v->m, v->power, v->power, v->power);
	return limbs_are_below(v->signature, v->n, limbs);
}

/* The squarings that make 2^(128 limbs) of it, by which the signature comes into Montgomery's form; 16 for the exponent 65537; and the
 * signature once more, which is no form: the product is none. */
bool rsa_verify_step(struct rsa_verify *v)
{
	bool once = v->done == v->squarings || v->done == v->squarings + 17;
	mod_multiply(&v->m, v->power, v->power, once ? v->signature : v->power);
	return ++v->done == v->squarings + 18;
}

/* EMSA-PKCS1-v1_5 (RFC 8017, 9.2). */
static void encode_digest(uint8_t *ret, size_t len, const uint8_t digest[SHA256_LEN])
{
	static const uint8_t info[] = { 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
					0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20 };
	size_t at = len - SHA256_LEN - sizeof(info);
	memset(ret, 0xff, at);
	ret[0] = 0;
	ret[1] = 1;
	ret[at - 1] = 0;
	memcpy(ret + at, info, sizeof(info));
	memcpy(ret + at + sizeof(info), digest, SHA256_LEN);
}

bool rsa_verify_end(const struct rsa_verify *v)
{
	uint8_t is[RSA_LEN_MAX], expected[RSA_LEN_MAX];
	size_t len = 8 * v->m.limbs;
	limbs_put(is, v->power, v->m.limbs);
	encode_digest(expected, len, v->digest);
	return !memcmp(is, expected, len);
}
