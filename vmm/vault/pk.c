#include "pk.h"

#include <bearssl.h>

#include "random.h"

#ifndef MVP_HOST
/* BearSSL is compiled with the stack protector of the AAPCS64 toolchains, which wants these two. */
extern uintptr_t __stack_chk_guard;
_Noreturn void __stack_chk_fail(void);

uintptr_t __stack_chk_guard = 0xa7c3915e0d62f800; /* until there are random numbers; a zero byte stops a string */

_Noreturn void __stack_chk_fail(void)
{
	vault_panic(VAULT_PANIC_INTERNAL, (uint64_t)__builtin_return_address(0));
}

/* Debian's library is fortified, too: copies into objects whose size the compiler knew. */
void *__memcpy_chk(void *to, const void *from, size_t len, size_t size);
void *__memset_chk(void *to, int c, size_t len, size_t size);

void *__memcpy_chk(void *to, const void *from, size_t len, size_t size)
{
	if (len > size)
		__stack_chk_fail();
	return memcpy(to, from, len);
}

void *__memset_chk(void *to, int c, size_t len, size_t size)
{
	if (len > size)
		__stack_chk_fail();
	return memset(to, c, len);
}

/* Called while no function of BearSSL is on the stack. */
static void guard_stack(void)
{
	static bool random;
	uintptr_t guard;
	if (random || !random_bytes((uint8_t *)&guard, sizeof(guard)))
		return;
	random = true;
	__stack_chk_guard = guard & ~(uintptr_t)0xff;
}
#else
static void guard_stack(void)
{
}
#endif

/* SHA-256 as BearSSL wants its hash functions: there is one in the vault already. */
struct hash {
	const br_hash_class *vtable;
	struct sha256 s;
};
_Static_assert(sizeof(struct hash) <= sizeof(br_hash_compat_context), "BearSSL keeps a context of ours in one of its own");

static const br_hash_class hash_class;

static void hash_init(const br_hash_class **ctx)
{
	struct hash *h = (struct hash *)ctx;
	h->vtable = &hash_class;
	sha256_init(&h->s);
}

static void hash_update(const br_hash_class **ctx, const void *data, size_t len)
{
	sha256_add(&((struct hash *)ctx)->s, data, len);
}

static void hash_out(const br_hash_class *const *ctx, void *digest)
{
	struct sha256 s = ((const struct hash *)ctx)->s;
	sha256_end(&s, digest);
}

/* The state after whole blocks, and how many bytes these were. */
static uint64_t hash_state(const br_hash_class *const *ctx, void *state)
{
	const struct sha256 *s = &((const struct hash *)ctx)->s;
	memcpy(state, s->state, sizeof(s->state));
	return s->len;
}

static void hash_set_state(const br_hash_class **ctx, const void *state, uint64_t len)
{
	struct sha256 *s = &((struct hash *)ctx)->s;
	memcpy(s->state, state, sizeof(s->state));
	s->len = len;
}

static const br_hash_class hash_class = {
	.context_size = sizeof(struct hash),
	.desc = BR_HASHDESC_ID(br_sha256_ID) | BR_HASHDESC_OUT(SHA256_LEN) | BR_HASHDESC_STATE(SHA256_LEN) | BR_HASHDESC_LBLEN(6) |
		BR_HASHDESC_MD_PADDING | BR_HASHDESC_MD_PADDING_BE,
	.init = hash_init,
	.update = hash_update,
	.out = hash_out,
	.state = hash_state,
	.set_state = hash_set_state,
};

/* RSA with the exponent 65537: 24 Montgomery multiplications (P. Montgomery, Modular multiplication without trial division, 1985).
 * BearSSL's, made for secret exponents, takes 60. Nothing here is secret. Numbers are limbs, the lowest first. */

#define LIMBS_MAX (PK_RSA_LEN_MAX / 8)

struct rsa {
	uint64_t n[LIMBS_MAX], negative_inverse; /* of n, modulo 2^64 */
	size_t limbs;
};

static void get_limbs(uint64_t *ret, const uint8_t *bytes, size_t limbs)
{
	for (size_t i = 0; i < limbs; i++)
		ret[i] = get_be64(bytes + 8 * (limbs - 1 - i));
}

static bool is_below(const uint64_t *a, const uint64_t *b, size_t limbs)
{
	for (size_t i = limbs; i-- > 0;) {
		if (a[i] != b[i])
			return a[i] < b[i];
	}
	return false;
}

/* a -= b modulo 2^(64 limbs) */
static void subtract(uint64_t *a, const uint64_t *b, size_t limbs)
{
	uint64_t borrow = 0;
	for (size_t i = 0; i < limbs; i++) {
		unsigned __int128 d = (unsigned __int128)a[i] - b[i] - borrow;
		a[i] = (uint64_t)d;
		borrow = (uint64_t)(d >> 64) & 1;
	}
}

/* a = 2 a mod n */
static void twice(const struct rsa *r, uint64_t *a)
{
	uint64_t carry = 0;
	for (size_t i = 0; i < r->limbs; i++) {
		uint64_t top = a[i] >> 63;
		a[i] = a[i] << 1 | carry;
		carry = top;
	}
	if (carry || !is_below(a, r->n, r->limbs))
		subtract(a, r->n, r->limbs);
}

/* t += a * b, from the lowest limb on; the carry out of the last one is returned. */
static uint64_t add_product(uint64_t *t, const uint64_t *a, uint64_t b, size_t limbs)
{
	uint64_t carry = 0;
	for (size_t i = 0; i < limbs; i++) {
		unsigned __int128 sum = (unsigned __int128)a[i] * b + t[i] + carry;
		t[i] = (uint64_t)sum;
		carry = (uint64_t)(sum >> 64);
	}
	return carry;
}

/* ret = a b / 2^(64 limbs) mod n; a and b are below n. ret may be one of them. */
static void multiply(const struct rsa *r, uint64_t *ret, const uint64_t *a, const uint64_t *b)
{
	uint64_t t[2 * LIMBS_MAX] = { 0 };
	uint64_t carry = 0; /* of weight limbs + i */
	for (size_t i = 0; i < r->limbs; i++) {
		unsigned __int128 top = (unsigned __int128)add_product(t + i, a, b[i], r->limbs) + carry;
		/* The lowest limb becomes 0. */
		top += add_product(t + i, r->n, t[i] * r->negative_inverse, r->limbs);
		t[i + r->limbs] = (uint64_t)top;
		carry = (uint64_t)(top >> 64);
	}
	memcpy(ret, t + r->limbs, 8 * r->limbs);
	if (carry || !is_below(ret, r->n, r->limbs))
		subtract(ret, r->n, r->limbs);
}

/* ret = 2^(128 limbs) mod n, which brings a number into Montgomery's form. */
static void square_of_base(const struct rsa *r, uint64_t *ret)
{
	size_t odd = r->limbs;
	unsigned squarings = 0;
	for (; !(odd & 1); odd /= 2)
		squarings++;
	/* 2^(64 limbs) - n is 1 in that form, since n has its top bit set. */
	memset(ret, 0, 8 * r->limbs);
	subtract(ret, r->n, r->limbs);
	for (size_t i = 0; i < 64 * odd; i++)
		twice(r, ret);
	for (; squarings; squarings--)
		multiply(r, ret, ret, ret);
}

/* EMSA-PKCS1-v1_5 (RFC 8017, 9.2). */
static void encode(uint8_t *ret, size_t len, const uint8_t digest[SHA256_LEN])
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

bool pk_rsa_verify(const uint8_t *modulus, size_t len, const uint8_t *signature, const uint8_t digest[SHA256_LEN])
{
	struct rsa r = { .limbs = len / 8 };
	uint64_t s[LIMBS_MAX], x[LIMBS_MAX];
	uint8_t expected[PK_RSA_LEN_MAX];
	if (len < PK_RSA_LEN_MIN || len > PK_RSA_LEN_MAX || len % 8 || !(modulus[0] & 0x80) || !(modulus[len - 1] & 1))
		return false;
	get_limbs(r.n, modulus, r.limbs);
	get_limbs(s, signature, r.limbs);
	if (!is_below(s, r.n, r.limbs))
		return false;
	/* Newton's iteration doubles the right bits, of which an odd number is 3 of its own inverse: 6, 12, 24, 48, 96. */
	uint64_t inverse = r.n[0];
	for (int i = 0; i < 5; i++)
		inverse *= 2 - r.n[0] * inverse;
	r.negative_inverse = 0 - inverse;

	square_of_base(&r, x);
	multiply(&r, x, x, s);
	for (int i = 0; i < 16; i++)
		multiply(&r, x, x, x);
	multiply(&r, x, x, s); /* of which only one is in Montgomery's form: the product is not */
	encode(expected, len, digest);
	get_limbs(s, expected, r.limbs);
	return !memcmp(x, s, len);
}

bool pk_p256_verify(const uint8_t point[MVP_P256_POINT_LEN], const uint8_t digest[SHA256_LEN],
		    const uint8_t signature[MVP_P256_SIGNATURE_LEN])
{
	const br_ec_public_key key = { BR_EC_secp256r1, (uint8_t *)(uintptr_t)point, MVP_P256_POINT_LEN };
	guard_stack();
	return br_ecdsa_i31_vrfy_raw(&br_ec_p256_m31, digest, SHA256_LEN, &key, signature, MVP_P256_SIGNATURE_LEN);
}

bool pk_p256_sign(const uint8_t secret[PK_P256_SECRET_LEN], const uint8_t digest[SHA256_LEN], uint8_t ret_signature[MVP_P256_SIGNATURE_LEN])
{
	const br_ec_private_key key = { BR_EC_secp256r1, (uint8_t *)(uintptr_t)secret, PK_P256_SECRET_LEN };
	guard_stack();
	return br_ecdsa_i31_sign_raw(&br_ec_p256_m31, &hash_class, digest, &key, ret_signature) == MVP_P256_SIGNATURE_LEN;
}

/* 0 < secret < n, in constant time. */
static bool is_secret(const uint8_t secret[PK_P256_SECRET_LEN])
{
	size_t order_len;
	const uint8_t *order = br_ec_p256_m31.order(BR_EC_secp256r1, &order_len);
	unsigned borrow = 0, any = 0;
	for (size_t i = PK_P256_SECRET_LEN; i-- > 0;) {
		borrow = ((unsigned)secret[i] - order[i] - borrow) >> 31;
		any |= secret[i];
	}
	return borrow && any;
}

bool pk_p256_public(const uint8_t secret[PK_P256_SECRET_LEN], uint8_t ret_point[MVP_P256_POINT_LEN])
{
	guard_stack();
	return is_secret(secret) && br_ec_p256_m31.mulgen(ret_point, secret, PK_P256_SECRET_LEN, BR_EC_secp256r1) == MVP_P256_POINT_LEN;
}

bool pk_p256_is_point(const uint8_t point[MVP_P256_POINT_LEN])
{
	static const uint8_t one[1] = { 1 };
	uint8_t copy[MVP_P256_POINT_LEN];
	guard_stack();
	memcpy(copy, point, sizeof(copy));
	return br_ec_p256_m31.mul(copy, sizeof(copy), one, sizeof(one), BR_EC_secp256r1) == 1;
}
