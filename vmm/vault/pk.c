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

bool pk_rsa_verify(const uint8_t *modulus, size_t len, const uint8_t *signature, const uint8_t digest[SHA256_LEN])
{
	static const uint8_t exponent[] = { 1, 0, 1 };
	/* BearSSL does not write to them. */
	const br_rsa_public_key key = { (uint8_t *)(uintptr_t)modulus, len, (uint8_t *)(uintptr_t)exponent, sizeof(exponent) };
	uint8_t signed_digest[SHA256_LEN];
	guard_stack();
	if (len < PK_RSA_LEN_MIN || len > PK_RSA_LEN_MAX || !modulus[0] || !(modulus[len - 1] & 1))
		return false;
	return br_rsa_i62_pkcs1_vrfy(signature, len, BR_HASH_OID_SHA256, sizeof(signed_digest), &key, signed_digest) &&
	       same_secret(signed_digest, digest, sizeof(signed_digest));
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
