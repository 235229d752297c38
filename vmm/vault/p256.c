#include "p256.h"

#include "modular.h"

#define LIMBS P256_LIMBS
#define LEN (8 * LIMBS)
#define BITS (64 * LIMBS)

static const uint64_t curve_p[LIMBS] = { 0xffffffffffffffff, 0x00000000ffffffff, 0x0000000000000000, 0xffffffff00000001 };
static const uint64_t curve_n[LIMBS] = { 0xf3b9cac2fc632551, 0xbce6faada7179e84, 0xffffffffffffffff, 0xffffffff00000000 };

/* The fields of coordinates and of scalars, and what brings a number into Montgomery's form there: 2^512. */
static const struct modulus coordinates = { curve_p, 1, LIMBS }, scalars = { curve_n, 0xccd1c8aaee00bc4f, LIMBS };
static const uint64_t square_p[LIMBS] = { 0x0000000000000003, 0xfffffffbffffffff, 0xfffffffffffffffe, 0x00000004fffffffd };
static const uint64_t square_n[LIMBS] = { 0x83244c95be79eea2, 0x4699799c49bd6fa6, 0x2845b2392b6bec59, 0x66e12d94f3d95620 };

/* In that form. */
#define ONE \
	{ \
		0x0000000000000001, 0xffffffff00000000, 0xffffffffffffffff, 0x00000000fffffffe \
	}
static const uint64_t curve_b[LIMBS] = { 0xd89cdf6229c4bddf, 0xacf005cd78843090, 0xe5a220abf7212ed6, 0xdc30061d04874834 };
static const struct p256_point zero_point = { .y = ONE };
static const struct p256_point generator = {
	{ 0x79e730d418a9143c, 0x75ba95fc5fedb601, 0x79fb732b77622510, 0x18905f76a53755c6 },
	{ 0xddf25357ce95560a, 0x8b4ab8e4ba19e45c, 0xd2e88688dd21f325, 0x8571ff1825885d85 },
	ONE,
};

/* What is not in that form any more: 1 is the factor. */
static const uint64_t number_one[LIMBS] = { 1 };

/* Addition of any two points, also of equals, opposites and zeros, for a = -3 (J. Renes, C. Costello, L. Batina, Complete addition formulas
 * for prime order elliptic curves, 2016, algorithm 4): its steps as data, which is a fifth of what they are as calls. */
enum { X1, Y1, Z1, X2, Y2, Z2, X3, Y3, Z3, T0, T1, T2, T3, T4, B, REGISTERS };
enum { ADD, SUB, MUL };

static const struct {
	uint8_t op, to, left, right;
} addition[] = {
	{ MUL, T0, X1, X2 }, { MUL, T1, Y1, Y2 }, { MUL, T2, Z1, Z2 }, { ADD, T3, X1, Y1 }, { ADD, T4, X2, Y2 }, { MUL, T3, T3, T4 },
	{ ADD, T4, T0, T1 }, { SUB, T3, T3, T4 }, { ADD, T4, Y1, Z1 }, { ADD, X3, Y2, Z2 }, { MUL, T4, T4, X3 }, { ADD, X3, T1, T2 },
	{ SUB, T4, T4, X3 }, { ADD, X3, X1, Z1 }, { ADD, Y3, X2, Z2 }, { MUL, X3, X3, Y3 }, { ADD, Y3, T0, T2 }, { SUB, Y3, X3, Y3 },
	{ MUL, Z3, B, T2 },  { SUB, X3, Y3, Z3 }, { ADD, Z3, X3, X3 }, { ADD, X3, X3, Z3 }, { SUB, Z3, T1, X3 }, { ADD, X3, T1, X3 },
	{ MUL, Y3, B, Y3 },  { ADD, T1, T2, T2 }, { ADD, T2, T1, T2 }, { SUB, Y3, Y3, T2 }, { SUB, Y3, Y3, T0 }, { ADD, T1, Y3, Y3 },
	{ ADD, Y3, T1, Y3 }, { ADD, T1, T0, T0 }, { ADD, T0, T1, T0 }, { SUB, T0, T0, T2 }, { MUL, T1, T4, Y3 }, { MUL, T2, T0, Y3 },
	{ MUL, Y3, X3, Z3 }, { ADD, Y3, Y3, T2 }, { MUL, X3, T3, X3 }, { SUB, X3, X3, T1 }, { MUL, Z3, T4, Z3 }, { MUL, T1, T3, T0 },
	{ ADD, Z3, Z3, T1 },
};

/* v += w, which may be v */
static void add_point(struct p256_point *v, const struct p256_point *w)
{
	uint64_t r[REGISTERS][LIMBS];
	memcpy(r[X1], v, sizeof(*v));
	memcpy(r[X2], w, sizeof(*w));
	memcpy(r[B], curve_b, sizeof(curve_b));
	for (size_t i = 0; i < ARRAY_LEN(addition); i++) {
		uint64_t *to = r[addition[i].to], *left = r[addition[i].left], *right = r[addition[i].right];
		if (addition[i].op == MUL)
			mod_multiply(&coordinates, to, left, right);
		else if (addition[i].op == ADD)
			mod_add(&coordinates, to, left, right);
		else
			mod_subtract(&coordinates, to, left, right);
	}
	memcpy(v, r[X3], sizeof(*v));
	wipe(r, sizeof(r));
}

/* a / 2^256: out of Montgomery's form. */
static void leave_form(const struct modulus *m, uint64_t *ret, const uint64_t *a)
{
	mod_multiply(m, ret, a, number_one);
}

/* 1 / a by Fermat's little theorem, both in Montgomery's form; a is not 0. The exponent is public. */
static void invert(const struct modulus *m, uint64_t *ret, const uint64_t *a)
{
	static const uint64_t two[LIMBS] = { 2 };
	uint64_t exponent[LIMBS], base[LIMBS];
	memcpy(exponent, m->n, sizeof(exponent));
	(void)limbs_subtract(exponent, two, LIMBS);
	memcpy(base, a, sizeof(base));
	memcpy(ret, base, sizeof(base)); /* for the top bit, which is set */
	for (unsigned i = BITS - 1; i-- > 0;) {
		mod_multiply(m, ret, ret, ret);
		if (exponent[i / 64] >> i % 64 & 1)
			mod_multiply(m, ret, ret, base);
	}
	wipe(base, sizeof(base));
}

/* False if it is not on the curve. */
static bool get_point(struct p256_point *v, const uint8_t bytes[MVP_P256_POINT_LEN])
{
	static const uint64_t form_of_one[LIMBS] = ONE;
	uint64_t left[LIMBS], right[LIMBS];
	limbs_get(v->x, bytes + 1, LIMBS);
	limbs_get(v->y, bytes + 1 + LEN, LIMBS);
	if (bytes[0] != 4 || !limbs_are_below(v->x, curve_p, LIMBS) || !limbs_are_below(v->y, curve_p, LIMBS))
		return false;
	mod_multiply(&coordinates, v->x, v->x, square_p);
	mod_multiply(&coordinates, v->y, v->y, square_p);
	memcpy(v->z, form_of_one, sizeof(v->z));
	/* y^2 = x^3 - 3 x + b */
	mod_multiply(&coordinates, left, v->y, v->y);
	mod_multiply(&coordinates, right, v->x, v->x);
	for (int i = 0; i < 3; i++)
		mod_subtract(&coordinates, right, right, form_of_one);
	mod_multiply(&coordinates, right, right, v->x);
	mod_add(&coordinates, right, right, curve_b);
	return !memcmp(left, right, sizeof(left));
}

bool p256_is_point(const uint8_t point[MVP_P256_POINT_LEN])
{
	struct p256_point v;
	return get_point(&v, point);
}

/* 0 < the scalar < n */
static bool get_scalar(uint64_t *ret, const uint8_t bytes[LEN])
{
	limbs_get(ret, bytes, LIMBS);
	bool wrong = limbs_are_zero(ret, LIMBS);
	wrong |= !limbs_are_below(ret, curve_n, LIMBS); /* no branch, unlike || */
	return !wrong;
}

/* Of the generator and a point, maybe the curve's zero; u is the caller's. */
static void begin_sum(struct p256_sum *s, const struct p256_point *point)
{
	s->table[0] = zero_point;
	s->table[1] = generator;
	s->table[2] = *point;
	s->table[3] = generator;
	add_point(&s->table[3], point);
	s->sum = zero_point;
	s->bits = BITS;
}

/* ret = table[which], of which all are read. */
static void choose_point(struct p256_point *ret, const struct p256_point table[4], uint64_t which)
{
	memset(ret, 0, sizeof(*ret));
	for (uint64_t i = 0; i < 4; i++) {
		uint64_t mask = 0 - (((i ^ which) - 1) >> 63);
		for (size_t j = 0; j < LIMBS; j++) {
			ret->x[j] |= table[i].x[j] & mask;
			ret->y[j] |= table[i].y[j] & mask;
			ret->z[j] |= table[i].z[j] & mask;
		}
	}
}

/* Both multiples at once, from their top bits down (Shamir's trick). True when it is done. */
static bool step_sum(struct p256_sum *s, unsigned bits)
{
	struct p256_point chosen;
	for (; s->bits && bits; bits--) {
		s->bits--;
		size_t limb = s->bits / 64;
		unsigned at = s->bits % 64;
		choose_point(&chosen, s->table, (s->u[0][limb] >> at & 1) | (s->u[1][limb] >> at & 1) << 1);
		add_point(&s->sum, &s->sum);
		add_point(&s->sum, &chosen);
	}
	wipe(&chosen, sizeof(chosen));
	return !s->bits;
}

bool p256_verify_begin(struct p256_verify *v, const uint8_t point[MVP_P256_POINT_LEN], const uint8_t digest[SHA256_LEN],
		       const uint8_t signature[MVP_P256_SIGNATURE_LEN])
{
	struct p256_point q;
	uint64_t s[LIMBS], e[LIMBS];
	if (!get_point(&q, point) || !get_scalar(v->r, signature) || !get_scalar(s, signature + LEN))
		return false;
	limbs_get(e, digest, LIMBS);
	mod_reduce(&scalars, e, 0);
	mod_multiply(&scalars, s, s, square_n);
	invert(&scalars, s, s);
	mod_multiply(&scalars, v->sum.u[0], e, s);
	mod_multiply(&scalars, v->sum.u[1], v->r, s);
	begin_sum(&v->sum, &q);
	return true;
}

bool p256_verify_step(struct p256_verify *v, unsigned bits)
{
	return step_sum(&v->sum, bits);
}

/* Whether x / z is r modulo the order: it may be r, or r + n, which is still below p for few r. */
bool p256_verify_end(const struct p256_verify *v)
{
	const struct p256_point *sum = &v->sum.sum;
	uint64_t r[LIMBS], room[LIMBS], x[LIMBS];
	if (limbs_are_zero(sum->z, LIMBS))
		return false;
	mod_multiply(&coordinates, r, v->r, square_p);
	mod_multiply(&coordinates, x, r, sum->z);
	if (!memcmp(x, sum->x, sizeof(x)))
		return true;
	memcpy(room, curve_p, sizeof(room));
	(void)limbs_subtract(room, curve_n, LIMBS);
	if (!limbs_are_below(v->r, room, LIMBS))
		return false;
	mod_multiply(&coordinates, x, curve_n, square_p);
	mod_add(&coordinates, r, r, x);
	mod_multiply(&coordinates, x, r, sum->z);
	return !memcmp(x, sum->x, sizeof(x));
}

/* The generator, as often as the secret says. */
static void begin_secret(struct p256_sum *s, const uint64_t secret[LIMBS])
{
	begin_sum(s, &zero_point);
	memcpy(s->u[0], secret, sizeof(s->u[0]));
	memset(s->u[1], 0, sizeof(s->u[1]));
}

/* K and V of RFC 6979, 3.2 d to g. secret and digest may be NULL. */
static void update_nonce(uint8_t k[SHA256_LEN], uint8_t v[SHA256_LEN], uint8_t which, const uint8_t *secret, const uint8_t *digest)
{
	struct hmac_sha256 h;
	hmac_sha256_init(&h, k, SHA256_LEN);
	hmac_sha256_add(&h, v, SHA256_LEN);
	hmac_sha256_add(&h, &which, 1);
	if (secret)
		hmac_sha256_add(&h, secret, LEN);
	if (digest)
		hmac_sha256_add(&h, digest, LEN);
	hmac_sha256_end(&h, k);
	hmac_sha256(k, SHA256_LEN, v, SHA256_LEN, v);
}

/* RFC 6979, 3.2, with as many bits in a digest as in a scalar. Of 2^32 nonces one is refused: that shows, but not what comes instead. */
static void make_nonce(uint64_t ret[LIMBS], const uint8_t secret[LEN], const uint64_t digest[LIMBS])
{
	uint8_t k[SHA256_LEN] = { 0 }, v[SHA256_LEN], h[LEN];
	memset(v, 1, sizeof(v));
	limbs_put(h, digest, LIMBS);
	update_nonce(k, v, 0, secret, h);
	update_nonce(k, v, 1, secret, h);
	hmac_sha256(k, sizeof(k), v, sizeof(v), v);
	while (!get_scalar(ret, v)) {
		update_nonce(k, v, 0, NULL, NULL);
		hmac_sha256(k, sizeof(k), v, sizeof(v), v);
	}
	wipe(k, sizeof(k));
	wipe(v, sizeof(v));
}

bool p256_sign_begin(struct p256_sign *s, const uint8_t secret[P256_SECRET_LEN], const uint8_t digest[SHA256_LEN])
{
	bool right = get_scalar(s->nonce, secret);
	if (right) {
		limbs_get(s->digest, digest, LIMBS);
		mod_reduce(&scalars, s->digest, 0);
		make_nonce(s->nonce, secret, s->digest);
		begin_secret(&s->sum, s->nonce);
		s->has_r = false;
	} else {
		wipe(s->nonce, sizeof(s->nonce));
	}
	return right;
}

/* x is only below p, which is less than 2 n. */
static void find_r(struct p256_sign *s)
{
	const struct p256_point *sum = &s->sum.sum;
	invert(&coordinates, s->r, sum->z);
	mod_multiply(&coordinates, s->r, s->r, sum->x);
	leave_form(&coordinates, s->r, s->r);
	mod_reduce(&scalars, s->r, 0);
}

/* The two inversions, of about 30 bits each, are steps of their own: this one, and the end. */
bool p256_sign_step(struct p256_sign *s, unsigned bits)
{
	if (s->sum.bits) {
		(void)step_sum(&s->sum, bits);
	} else if (!s->has_r) {
		find_r(s);
		s->has_r = true;
	}
	return s->has_r;
}

/* (digest + r secret) / nonce */
bool p256_sign_end(struct p256_sign *s, const uint8_t secret[P256_SECRET_LEN], uint8_t ret_signature[MVP_P256_SIGNATURE_LEN])
{
	uint64_t a[LIMBS];
	limbs_get(a, secret, LIMBS);
	mod_multiply(&scalars, a, a, square_n);
	mod_multiply(&scalars, a, a, s->r);
	mod_add(&scalars, a, a, s->digest);
	mod_multiply(&scalars, s->nonce, s->nonce, square_n);
	invert(&scalars, s->nonce, s->nonce);
	mod_multiply(&scalars, a, a, s->nonce);
	limbs_put(ret_signature, s->r, LIMBS);
	limbs_put(ret_signature + LEN, a, LIMBS);
	bool wrong = limbs_are_zero(s->r, LIMBS);
	wrong |= limbs_are_zero(a, LIMBS);
	wipe(s, sizeof(*s));
	return !wrong;
}

bool p256_public(const uint8_t secret[P256_SECRET_LEN], uint8_t ret_point[MVP_P256_POINT_LEN])
{
	struct p256_sum s;
	uint64_t a[LIMBS], inverse[LIMBS];
	bool right = get_scalar(a, secret);
	if (right) {
		begin_secret(&s, a);
		(void)step_sum(&s, BITS);
		invert(&coordinates, inverse, s.sum.z);
		ret_point[0] = 4;
		mod_multiply(&coordinates, a, s.sum.x, inverse);
		leave_form(&coordinates, a, a);
		limbs_put(ret_point + 1, a, LIMBS);
		mod_multiply(&coordinates, a, s.sum.y, inverse);
		leave_form(&coordinates, a, a);
		limbs_put(ret_point + 1 + LEN, a, LIMBS);
		wipe(&s, sizeof(s));
	}
	wipe(a, sizeof(a));
	return right;
}
