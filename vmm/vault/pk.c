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

/* Verification, of which nothing is secret: BearSSL's takes as long as with secrets, in one piece. Numbers are limbs, the lowest first,
 * modulo an odd number whose top bit is set, multiplied by Montgomery's method (Modular multiplication without trial division, 1985). */

#define LIMBS_MAX (PK_RSA_LEN_MAX / 8)

struct modulus {
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
static void twice(const struct modulus *m, uint64_t *a)
{
	uint64_t carry = 0;
	for (size_t i = 0; i < m->limbs; i++) {
		uint64_t top = a[i] >> 63;
		a[i] = a[i] << 1 | carry;
		carry = top;
	}
	if (carry || !is_below(a, m->n, m->limbs))
		subtract(a, m->n, m->limbs);
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
static void multiply(const struct modulus *m, uint64_t *ret, const uint64_t *a, const uint64_t *b)
{
	uint64_t t[2 * LIMBS_MAX];
	uint64_t carry = 0; /* of weight limbs + i */
	memset(t, 0, 16 * m->limbs);
	for (size_t i = 0; i < m->limbs; i++) {
		unsigned __int128 top = (unsigned __int128)add_product(t + i, a, b[i], m->limbs) + carry;
		/* The lowest limb becomes 0. */
		top += add_product(t + i, m->n, t[i] * m->negative_inverse, m->limbs);
		t[i + m->limbs] = (uint64_t)top;
		carry = (uint64_t)(top >> 64);
	}
	memcpy(ret, t + m->limbs, 8 * m->limbs);
	if (carry || !is_below(ret, m->n, m->limbs))
		subtract(ret, m->n, m->limbs);
}

static void modulus_init(struct modulus *m, const uint8_t *bytes, size_t limbs)
{
	m->limbs = limbs;
	get_limbs(m->n, bytes, limbs);
	/* Newton's iteration doubles the right bits, of which an odd number is 3 of its own inverse: 6, 12, 24, 48, 96. */
	uint64_t inverse = m->n[0];
	for (int i = 0; i < 5; i++)
		inverse *= 2 - m->n[0] * inverse;
	m->negative_inverse = 0 - inverse;
}

/* ret = 2^(128 limbs) mod n, which brings a number into Montgomery's form. */
static void square_of_base(const struct modulus *m, uint64_t *ret)
{
	size_t odd = m->limbs;
	unsigned squarings = 0;
	for (; !(odd & 1); odd /= 2)
		squarings++;
	/* 2^(64 limbs) - n is 1 in that form, since n has its top bit set. */
	memset(ret, 0, 8 * m->limbs);
	subtract(ret, m->n, m->limbs);
	for (size_t i = 0; i < 64 * odd; i++)
		twice(m, ret);
	for (; squarings; squarings--)
		multiply(m, ret, ret, ret);
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
	struct modulus m;
	uint64_t s[LIMBS_MAX], x[LIMBS_MAX];
	uint8_t expected[PK_RSA_LEN_MAX];
	if (len < PK_RSA_LEN_MIN || len > PK_RSA_LEN_MAX || len % 8 || !(modulus[0] & 0x80) || !(modulus[len - 1] & 1))
		return false;
	modulus_init(&m, modulus, len / 8);
	get_limbs(s, signature, m.limbs);
	if (!is_below(s, m.n, m.limbs))
		return false;
	/* 24 multiplications for the exponent 65537, with the way into Montgomery's form. */
	square_of_base(&m, x);
	multiply(&m, x, x, s);
	for (int i = 0; i < 16; i++)
		multiply(&m, x, x, x);
	multiply(&m, x, x, s); /* of which only one is in Montgomery's form: the product is not */
	encode(expected, len, digest);
	get_limbs(s, expected, m.limbs);
	return !memcmp(x, s, len);
}

/* P-256 (SP 800-186, 3.2.1.3). Coordinates are in Montgomery's form, points Jacobian: (x / z^2, y / z^3), and z = 0 is the curve's zero. */

#define LIMBS PK_P256_LIMBS
#define SCALAR_BITS (64 * LIMBS)

static const uint8_t p256_p[8 * LIMBS] = { 0xff, 0xff, 0xff, 0xff, 0,    0,    0,    1,    [20] = 0xff, 0xff,
					   0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,        0xff };
static const uint8_t p256_b[8 * LIMBS] = { 0x5a, 0xc6, 0x35, 0xd8, 0xaa, 0x3a, 0x93, 0xe7, 0xb3, 0xeb, 0xbd, 0x55, 0x76, 0x98, 0x86, 0xbc,
					   0x65, 0x1d, 0x06, 0xb0, 0xcc, 0x53, 0xb0, 0xf6, 0x3b, 0xce, 0x3c, 0x3e, 0x27, 0xd2, 0x60, 0x4b };

/* The fields of coordinates and of scalars. */
static struct {
	struct modulus p, n;
	uint64_t one[LIMBS], square_p[LIMBS], square_n[LIMBS]; /* 1; see square_of_base() */
} curve;

static const uint8_t *order_bytes(void)
{
	size_t len;
	return br_ec_p256_m31.order(BR_EC_secp256r1, &len);
}

static void start_curve(void)
{
	static const uint64_t one[LIMBS] = { 1 };
	if (curve.p.limbs)
		return;
	modulus_init(&curve.n, order_bytes(), LIMBS);
	square_of_base(&curve.n, curve.square_n);
	modulus_init(&curve.p, p256_p, LIMBS);
	square_of_base(&curve.p, curve.square_p);
	multiply(&curve.p, curve.one, curve.square_p, one);
}

static void fp_mul(uint64_t *ret, const uint64_t *a, const uint64_t *b)
{
	multiply(&curve.p, ret, a, b);
}

/* ret = a + b, of which the carry is returned. */
static uint64_t add_limbs(uint64_t *ret, const uint64_t *a, const uint64_t *b)
{
	uint64_t carry = 0;
	for (size_t i = 0; i < LIMBS; i++) {
		unsigned __int128 s = (unsigned __int128)a[i] + b[i] + carry;
		ret[i] = (uint64_t)s;
		carry = (uint64_t)(s >> 64);
	}
	return carry;
}

static void fp_add(uint64_t *ret, const uint64_t *a, const uint64_t *b)
{
	if (add_limbs(ret, a, b) || !is_below(ret, curve.p.n, LIMBS))
		subtract(ret, curve.p.n, LIMBS);
}

static void fp_sub(uint64_t *ret, const uint64_t *a, const uint64_t *b)
{
	uint64_t d[LIMBS];
	memcpy(d, a, sizeof(d));
	subtract(d, b, LIMBS);
	if (is_below(a, b, LIMBS))
		(void)add_limbs(d, d, curve.p.n);
	memcpy(ret, d, sizeof(d));
}

static bool limbs_are_zero(const uint64_t *a)
{
	return !(a[0] | a[1] | a[2] | a[3]);
}

/* The curve's a is -3: x^2 - z^4 is a product (D. Bernstein, T. Lange, Explicit-Formulas Database, dbl-2001-b). */
static void point_double(struct p256_point *v)
{
	uint64_t delta[LIMBS], gamma[LIMBS], beta[LIMBS], alpha[LIMBS], t[LIMBS];
	fp_mul(delta, v->z, v->z);
	fp_mul(gamma, v->y, v->y);
	fp_mul(beta, v->x, gamma);
	fp_sub(t, v->x, delta);
	fp_add(alpha, v->x, delta);
	fp_mul(t, t, alpha);
	fp_add(alpha, t, t);
	fp_add(alpha, alpha, t);
	fp_add(t, v->y, v->z);
	fp_mul(t, t, t);
	fp_sub(t, t, gamma);
	fp_sub(v->z, t, delta);
	fp_add(beta, beta, beta);
	fp_add(beta, beta, beta);
	fp_mul(v->x, alpha, alpha);
	fp_sub(v->x, v->x, beta);
	fp_sub(v->x, v->x, beta);
	fp_sub(t, beta, v->x);
	fp_mul(v->y, alpha, t);
	fp_mul(gamma, gamma, gamma);
	for (int i = 0; i < 3; i++)
		fp_add(gamma, gamma, gamma);
	fp_sub(v->y, v->y, gamma);
}

/* v += w (the same, add-1998-cmo-2); of zeros, of equals and of opposites, too. */
static void point_add(struct p256_point *v, const struct p256_point *w)
{
	uint64_t u[LIMBS], s[LIMBS], h[LIMBS], r[LIMBS], t[LIMBS];
	if (limbs_are_zero(w->z))
		return;
	if (limbs_are_zero(v->z)) {
		*v = *w;
		return;
	}
	fp_mul(t, w->z, w->z);
	fp_mul(u, v->x, t);
	fp_mul(t, t, w->z);
	fp_mul(s, v->y, t);
	fp_mul(t, v->z, v->z);
	fp_mul(h, w->x, t);
	fp_sub(h, h, u);
	fp_mul(t, t, v->z);
	fp_mul(r, w->y, t);
	fp_sub(r, r, s);
	if (limbs_are_zero(h) && limbs_are_zero(r)) {
		point_double(v);
		return;
	}
	fp_mul(v->z, v->z, w->z);
	fp_mul(v->z, v->z, h);
	fp_mul(t, h, h);
	fp_mul(u, u, t);
	fp_mul(h, h, t);
	fp_mul(s, s, h);
	fp_mul(v->x, r, r);
	fp_sub(v->x, v->x, h);
	fp_sub(v->x, v->x, u);
	fp_sub(v->x, v->x, u);
	fp_sub(u, u, v->x);
	fp_mul(v->y, r, u);
	fp_sub(v->y, v->y, s);
}

/* False if it is not on the curve. */
static bool get_point(struct p256_point *v, const uint8_t bytes[MVP_P256_POINT_LEN])
{
	uint64_t left[LIMBS], right[LIMBS];
	start_curve();
	get_limbs(v->x, bytes + 1, LIMBS);
	get_limbs(v->y, bytes + 1 + 8 * LIMBS, LIMBS);
	if (bytes[0] != 4 || !is_below(v->x, curve.p.n, LIMBS) || !is_below(v->y, curve.p.n, LIMBS))
		return false;
	fp_mul(v->x, v->x, curve.square_p);
	fp_mul(v->y, v->y, curve.square_p);
	memcpy(v->z, curve.one, sizeof(v->z));
	/* y^2 = x^3 - 3 x + b */
	fp_mul(left, v->y, v->y);
	fp_mul(right, v->x, v->x);
	for (int i = 0; i < 3; i++)
		fp_sub(right, right, curve.one);
	fp_mul(right, right, v->x);
	get_limbs(v->z, p256_b, LIMBS);
	fp_mul(v->z, v->z, curve.square_p);
	fp_add(right, right, v->z);
	memcpy(v->z, curve.one, sizeof(v->z));
	return !memcmp(left, right, sizeof(left));
}

bool pk_p256_is_point(const uint8_t point[MVP_P256_POINT_LEN])
{
	struct p256_point v;
	return get_point(&v, point);
}

static unsigned bit_of(const uint64_t *a, unsigned at)
{
	return a[at / 64] >> at % 64 & 1;
}

/* ret = 2^256 / a mod n, by Fermat's little theorem; a is not 0. */
static void invert_scalar(uint64_t *ret, const uint64_t *a)
{
	static const uint64_t two[LIMBS] = { 2 };
	uint64_t exponent[LIMBS], base[LIMBS];
	memcpy(exponent, curve.n.n, sizeof(exponent));
	subtract(exponent, two, LIMBS);
	multiply(&curve.n, base, a, curve.square_n);
	memcpy(ret, base, sizeof(base)); /* for the top bit, which is set */
	for (unsigned i = SCALAR_BITS - 1; i-- > 0;) {
		multiply(&curve.n, ret, ret, ret);
		if (bit_of(exponent, i))
			multiply(&curve.n, ret, ret, base);
	}
}

static bool get_scalar(uint64_t *ret, const uint8_t *bytes)
{
	get_limbs(ret, bytes, LIMBS);
	return !limbs_are_zero(ret) && is_below(ret, curve.n.n, LIMBS);
}

bool pk_p256_verify_begin(struct p256_verify *v, const uint8_t point[MVP_P256_POINT_LEN], const uint8_t digest[SHA256_LEN],
			  const uint8_t signature[MVP_P256_SIGNATURE_LEN])
{
	uint64_t s[LIMBS], e[LIMBS];
	size_t len;
	if (!get_point(&v->table[1], point) || !get_scalar(v->r, signature) || !get_scalar(s, signature + 8 * LIMBS) ||
	    !get_point(&v->table[0], br_ec_p256_m31.generator(BR_EC_secp256r1, &len)))
		return false;
	v->table[2] = v->table[0];
	point_add(&v->table[2], &v->table[1]);
	get_limbs(e, digest, LIMBS);
	if (!is_below(e, curve.n.n, LIMBS))
		subtract(e, curve.n.n, LIMBS);
	invert_scalar(s, s);
	multiply(&curve.n, v->u[0], e, s);
	multiply(&curve.n, v->u[1], v->r, s);
	memset(&v->sum, 0, sizeof(v->sum));
	v->bits = SCALAR_BITS;
	return true;
}

/* u[0] G + u[1] Q, both at once from their top bits down (Shamir's trick). */
bool pk_p256_verify_step(struct p256_verify *v, unsigned bits)
{
	for (; v->bits && bits; bits--) {
		v->bits--;
		unsigned which = bit_of(v->u[0], v->bits) | bit_of(v->u[1], v->bits) << 1;
		point_double(&v->sum);
		if (which)
			point_add(&v->sum, &v->table[which - 1]);
	}
	return !v->bits;
}

/* Whether x / z^2 is r modulo the order: it may be r, or r + n, which is still below p for few r. */
bool pk_p256_verify_end(const struct p256_verify *v)
{
	uint64_t z2[LIMBS], r[LIMBS], room[LIMBS], x[LIMBS];
	if (limbs_are_zero(v->sum.z))
		return false;
	fp_mul(z2, v->sum.z, v->sum.z);
	fp_mul(r, v->r, curve.square_p);
	fp_mul(x, r, z2);
	if (!memcmp(x, v->sum.x, sizeof(x)))
		return true;
	memcpy(room, curve.p.n, sizeof(room));
	subtract(room, curve.n.n, LIMBS);
	if (!is_below(v->r, room, LIMBS))
		return false;
	(void)add_limbs(r, v->r, curve.n.n);
	fp_mul(r, r, curve.square_p);
	fp_mul(x, r, z2);
	return !memcmp(x, v->sum.x, sizeof(x));
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
	const uint8_t *n = order_bytes();
	unsigned borrow = 0, any = 0;
	for (size_t i = PK_P256_SECRET_LEN; i-- > 0;) {
		borrow = ((unsigned)secret[i] - n[i] - borrow) >> 31;
		any |= secret[i];
	}
	return borrow && any;
}

bool pk_p256_public(const uint8_t secret[PK_P256_SECRET_LEN], uint8_t ret_point[MVP_P256_POINT_LEN])
{
	guard_stack();
	return is_secret(secret) && br_ec_p256_m31.mulgen(ret_point, secret, PK_P256_SECRET_LEN, BR_EC_secp256r1) == MVP_P256_POINT_LEN;
}
