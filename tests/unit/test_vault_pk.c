/* The vault's public key arithmetic against OpenSSL and published vectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "vault_host.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include "../../vmm/vault/modular.c"
#include "../../vmm/vault/p256.c"
#include "../../vmm/vault/rsa.c"
#include "../../vmm/vault/sha256.c"

#include "fixture_p256.h"

static void from_hex(const char *hex, uint8_t *out)
{
	for (; hex[0] && hex[1]; hex += 2) {
		const char pair[] = { hex[0], hex[1], 0 };
		*out++ = (uint8_t)strtoul(pair, NULL, 16);
	}
}

static void digest_of(const void *data, size_t len, uint8_t ret[SHA256_LEN])
{
	struct sha256 s;
	sha256_init(&s);
	sha256_add(&s, data, len);
	sha256_end(&s, ret);
}

/* HMAC */

static void test_hmac_matches_openssl(void **state)
{
	(void)state;
	uint8_t data[300], mine[SHA256_LEN], theirs[SHA256_LEN];
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 37 + 5);
	for (size_t key_len = 0; key_len <= 130; key_len += 13) {
		for (size_t len = 0; len <= sizeof(data); len += 43) {
			struct hmac_sha256 h;
			hmac_sha256_init(&h, data + 7, key_len);
			hmac_sha256_add(&h, data, len / 2);
			hmac_sha256_add(&h, data + len / 2, len - len / 2);
			hmac_sha256_end(&h, mine);
			assert_non_null(HMAC(EVP_sha256(), data + 7, (int)key_len, data, len, theirs, NULL));
			assert_memory_equal(mine, theirs, sizeof(mine));
			hmac_sha256(data + 7, key_len, data, len, mine);
			assert_memory_equal(mine, theirs, sizeof(mine));
		}
	}
}

/* P-256 */

static const char order_hex[] = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

/* RFC 6979, A.2.5: the key, and its signatures of "sample" and "test" with SHA-256. */
static const char rfc6979_secret[] = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721";
static const char rfc6979_public[] = "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
				     "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299";

static void test_rfc6979_vectors(void **state)
{
	(void)state;
	static const struct {
		const char *message, *signature;
	} vectors[] = {
		{ "sample", "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
			    "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8" },
		{ "test", "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367"
			  "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083" },
	};
	uint8_t secret[32], point[65], expected[65], digest[32], signature[64];
	from_hex(rfc6979_secret, secret);
	from_hex(rfc6979_public, expected);
	assert_true(p256_public(secret, point));
	assert_memory_equal(point, expected, sizeof(point));
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		digest_of(vectors[i].message, strlen(vectors[i].message), digest);
		from_hex(vectors[i].signature, expected);
		assert_true(p256_signs(secret, digest, signature));
		assert_memory_equal(signature, expected, sizeof(signature));
		assert_true(p256_verifies(point, digest, signature));
	}
}

static void test_secrets_out_of_range_are_refused(void **state)
{
	(void)state;
	uint8_t secret[32] = { 0 }, digest[32] = { 1 }, signature[64] = { 7 }, point[65] = { 7 };
	assert_false(p256_public(secret, point));
	assert_false(p256_signs(secret, digest, signature));
	from_hex(order_hex, secret);
	assert_false(p256_public(secret, point));
	assert_false(p256_signs(secret, digest, signature));
	assert_int_equal(signature[0], 7);
	assert_int_equal(point[0], 7);
	secret[31]--;
	assert_true(p256_public(secret, point));
	assert_true(p256_signs(secret, digest, signature));
	assert_true(p256_verifies(point, digest, signature));
	memset(secret, 0xff, sizeof(secret));
	assert_false(p256_public(secret, point));
}

/* An EC key of OpenSSL's: its parts as the vault takes them. */
static EVP_PKEY *new_p256(uint8_t secret[32], uint8_t point[65])
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	BIGNUM *d = NULL;
	size_t len = 0;
	assert_non_null(key);
	assert_int_equal(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &d), 1);
	assert_int_equal(BN_bn2binpad(d, secret, 32), 32);
	BN_clear_free(d);
	assert_int_equal(EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, point, 65, &len), 1);
	assert_int_equal(len, 65);
	return key;
}

static bool openssl_verifies(EVP_PKEY *key, const uint8_t digest[32], const uint8_t signature[64])
{
	ECDSA_SIG *sig = ECDSA_SIG_new();
	uint8_t *der = NULL;
	assert_int_equal(ECDSA_SIG_set0(sig, BN_bin2bn(signature, 32, NULL), BN_bin2bn(signature + 32, 32, NULL)), 1);
	int len = i2d_ECDSA_SIG(sig, &der);
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(key, NULL);
	assert_int_equal(EVP_PKEY_verify_init(c), 1);
	bool ok = EVP_PKEY_verify(c, der, (size_t)len, digest, 32) == 1;
	EVP_PKEY_CTX_free(c);
	OPENSSL_free(der);
	ECDSA_SIG_free(sig);
	return ok;
}

static void openssl_signs(EVP_PKEY *key, const uint8_t digest[32], uint8_t ret[64])
{
	uint8_t der[80];
	const uint8_t *p = der;
	size_t len = sizeof(der);
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(key, NULL);
	assert_int_equal(EVP_PKEY_sign_init(c), 1);
	assert_int_equal(EVP_PKEY_sign(c, der, &len, digest, 32), 1);
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)len);
	assert_non_null(sig);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(sig), ret, 32), 32);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(sig), ret + 32, 32), 32);
	ECDSA_SIG_free(sig);
	EVP_PKEY_CTX_free(c);
}

static void test_p256_and_openssl_take_each_others_signatures(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		uint8_t secret[32], point[65], mine[65], digest[32], signature[64];
		EVP_PKEY *key = new_p256(secret, point);
		digest_of(secret, (size_t)i, digest);
		assert_true(p256_public(secret, mine));
		assert_memory_equal(mine, point, sizeof(point));
		assert_true(p256_signs(secret, digest, signature));
		assert_true(openssl_verifies(key, digest, signature));
		openssl_signs(key, digest, signature);
		assert_true(p256_verifies(point, digest, signature));
		EVP_PKEY_free(key);
	}
}

static void test_every_bit_of_a_p256_signature_matters(void **state)
{
	(void)state;
	uint8_t secret[32], point[65], digest[32], signature[64];
	from_hex(rfc6979_secret, secret);
	from_hex(rfc6979_public, point);
	digest_of("sample", 6, digest);
	assert_true(p256_signs(secret, digest, signature));
	for (size_t bit = 0; bit < 8 * sizeof(signature); bit += 5) {
		signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(p256_verifies(point, digest, signature));
		signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t bit = 0; bit < 8 * sizeof(digest); bit += 7) {
		digest[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(p256_verifies(point, digest, signature));
		digest[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	/* A point off the curve, compressed or hybrid forms, infinity. */
	for (size_t bit = 0; bit < 8 * sizeof(point); bit += 9) {
		point[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(p256_verifies(point, digest, signature));
		point[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_true(p256_verifies(point, digest, signature));
	uint8_t nothing[65] = { 0 };
	assert_false(p256_verifies(nothing, digest, signature));
}

static void test_p256_signatures_out_of_range_are_refused(void **state)
{
	(void)state;
	uint8_t point[65], digest[32], signature[64];
	from_hex(rfc6979_public, point);
	digest_of("sample", 6, digest);
	memset(signature, 0, sizeof(signature));
	assert_false(p256_verifies(point, digest, signature));
	/* r or s of 0 or the order, the other one fine. */
	for (int half = 0; half < 2; half++) {
		memset(signature, 0, sizeof(signature));
		signature[32 * half + 31] = 1;
		assert_false(p256_verifies(point, digest, signature));
		from_hex(order_hex, signature + (half ? 0 : 32));
		assert_false(p256_verifies(point, digest, signature));
	}
	memset(signature, 0xff, sizeof(signature));
	assert_false(p256_verifies(point, digest, signature));
}

/* Keys with which the sums meet equal and opposite points; digests of 0 and above the order. */
static void test_p256_verification_of_special_keys(void **state)
{
	(void)state;
	for (int i = 0; i < 6; i++) {
		uint8_t secret[32] = { 0 }, point[65], digest[32], signature[64];
		if (i & 1)
			from_hex(order_hex, secret);
		secret[31] = (uint8_t)(i & 1 ? secret[31] - 1 - i / 2 : 1 + i / 2);
		assert_true(p256_public(secret, point));
		assert_true(p256_is_point(point));
		for (int fill = 0; fill < 256; fill += 51) {
			memset(digest, fill, sizeof(digest));
			assert_true(p256_signs(secret, digest, signature));
			assert_true(p256_verifies(point, digest, signature));
			digest[i] ^= 4;
			assert_false(p256_verifies(point, digest, signature));
		}
	}
}

/* x of a point may be above the order: r is what is left of it (a vector of Wycheproof's, "k*G has a large x-coordinate"). */
static void test_p256_takes_an_x_above_the_order(void **state)
{
	(void)state;
	uint8_t point[65], digest[32], signature[64];
	from_hex("040ad99500288d466940031d72a9f5445a4d43784640855bf0a69874d2de5fe103"
		 "c5011e6ef2c42dcd50d5d3d29f99ae6eba2c80c9244f4c5422f0979ff0c3ba5e",
		 point);
	from_hex("000000000000000000000000000000004319055358e8617b0c46353d039cdaab"
		 "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc63254e",
		 signature);
	digest_of("123400", 6, digest);
	assert_true(p256_verifies(point, digest, signature));
	signature[31] ^= 1;
	assert_false(p256_verifies(point, digest, signature));
}

/* The numbers behind all of this, which are written down as limbs. */
static void test_p256_constants(void **state)
{
	(void)state;
	BN_CTX *c = BN_CTX_new();
	BIGNUM *p = BN_new(), *a = BN_new(), *b = BN_new(), *r = BN_new(), *x = BN_new(), *y = BN_new();
	EC_GROUP *g = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	assert_int_equal(EC_GROUP_get_curve(g, p, a, b, c), 1);
	assert_int_equal(EC_POINT_get_affine_coordinates(g, EC_GROUP_get0_generator(g), x, y, c), 1);
	const BIGNUM *n = EC_GROUP_get0_order(g);
	const struct {
		const uint64_t *limbs;
		const BIGNUM *modulus, *value; /* NULL: the modulus itself, or 1 */
		int shift;
	} all[] = {
		{ curve_p, p, NULL, -1 },   { curve_n, n, NULL, -1 },       { square_p, p, NULL, 512 },
		{ square_n, n, NULL, 512 }, { zero_point.y, p, NULL, 256 }, { generator.z, p, NULL, 256 },
		{ curve_b, p, b, 256 },     { generator.x, p, x, 256 },     { generator.y, p, y, 256 },
	};
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		uint8_t expected[32], is[32];
		if (all[i].value)
			assert_non_null(BN_copy(r, all[i].value));
		else
			assert_int_equal(BN_one(r), 1);
		if (all[i].shift < 0)
			assert_non_null(BN_copy(r, all[i].modulus));
		else
			assert_int_equal(BN_lshift(r, r, all[i].shift) && BN_mod(r, r, all[i].modulus, c), 1);
		assert_int_equal(BN_bn2binpad(r, expected, 32), 32);
		limbs_put(is, all[i].limbs, 4);
		assert_memory_equal(is, expected, sizeof(is));
	}
	assert_int_equal(coordinates.negative_inverse * curve_p[0], UINT64_MAX);
	assert_int_equal(scalars.negative_inverse * curve_n[0], UINT64_MAX);
	for (int i = 0; i < 6; i++)
		BN_free((BIGNUM *[]){ p, a, b, r, x, y }[i]);
	EC_GROUP_free(g);
	BN_CTX_free(c);
}

/* In steps of any size, to the same signature, and nothing is left of it. */
static void test_signing_in_steps(void **state)
{
	(void)state;
	uint8_t secret[32], digest[32], whole[64], signature[64];
	struct p256_sign s;
	from_hex(rfc6979_secret, secret);
	digest_of("sample", 6, digest);
	assert_true(p256_signs(secret, digest, whole));
	static const unsigned sizes[] = { 1, 3, 64, 255, 256, 1000 };
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		unsigned steps = 1, most = (256 + sizes[i] - 1) / sizes[i] + 1;
		assert_true(p256_sign_begin(&s, secret, digest));
		for (; !p256_sign_step(&s, sizes[i]); steps++)
			assert_true(steps < most);
		assert_int_equal(steps, most);
		assert_true(p256_sign_step(&s, sizes[i]));
		assert_true(p256_sign_end(&s, secret, signature));
		assert_memory_equal(signature, whole, sizeof(whole));
		for (size_t at = 0; at < sizeof(s); at++)
			assert_int_equal(((const uint8_t *)&s)[at], 0);
	}
}

/* Complete addition: zeros, equals and opposites, which a signature does not meet. */
static void test_sums_of_special_points(void **state)
{
	(void)state;
	struct p256_point v = generator, w = generator;
	memset(w.y, 0, sizeof(w.y));
	mod_subtract(&coordinates, w.y, w.y, generator.y);
	add_point(&v, &w); /* G - G */
	assert_true(limbs_are_zero(v.z, 4) && limbs_are_zero(v.x, 4) && !limbs_are_zero(v.y, 4));
	add_point(&v, &v);
	assert_true(limbs_are_zero(v.z, 4) && !limbs_are_zero(v.y, 4));
	add_point(&v, &generator);
	uint64_t left[4], right[4];
	mod_multiply(&coordinates, left, v.x, generator.z);
	mod_multiply(&coordinates, right, generator.x, v.z);
	assert_memory_equal(left, right, sizeof(left));
	w = generator;
	v = generator;
	add_point(&v, &w); /* as doubling */
	add_point(&w, &w);
	mod_multiply(&coordinates, left, v.x, w.z);
	mod_multiply(&coordinates, right, w.x, v.z);
	assert_memory_equal(left, right, sizeof(left));
}

/* RSA */

static bool rsa_verifies(const uint8_t *modulus, size_t len, const uint8_t *signature, const uint8_t digest[SHA256_LEN])
{
	struct rsa_verify v;
	if (!rsa_verify_begin(&v, modulus, len, signature, digest))
		return false;
	for (unsigned steps = 1; !rsa_verify_step(&v); steps++)
		assert_true(steps < 24);
	return rsa_verify_end(&v);
}

static EVP_PKEY *new_rsa(unsigned bits, unsigned exponent, uint8_t *modulus)
{
	EVP_PKEY *key = NULL;
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	BIGNUM *e = BN_new(), *n = NULL;
	assert_int_equal(BN_set_word(e, exponent), 1);
	assert_int_equal(EVP_PKEY_keygen_init(c), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_bits(c, (int)bits), 1);
	assert_int_equal(EVP_PKEY_CTX_set1_rsa_keygen_pubexp(c, e), 1);
	assert_int_equal(EVP_PKEY_generate(c, &key), 1);
	assert_int_equal(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n), 1);
	assert_int_equal(BN_bn2binpad(n, modulus, (int)bits / 8), (int)bits / 8);
	BN_free(n);
	BN_free(e);
	EVP_PKEY_CTX_free(c);
	return key;
}

static void rsa_signs(EVP_PKEY *key, int padding, const EVP_MD *md, const uint8_t *digest, size_t digest_len, uint8_t *signature,
		      size_t len)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(key, NULL);
	assert_int_equal(EVP_PKEY_sign_init(c), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(c, padding), 1);
	if (md)
		assert_int_equal(EVP_PKEY_CTX_set_signature_md(c, md), 1);
	assert_int_equal(EVP_PKEY_sign(c, signature, &len, digest, digest_len), 1);
	EVP_PKEY_CTX_free(c);
}

static void test_rsa_takes_openssl_signatures(void **state)
{
	(void)state;
	static const unsigned sizes[] = { 2048, 3072, 4096 };
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		uint8_t modulus[512], signature[512], digest[32];
		size_t len = sizes[i] / 8;
		EVP_PKEY *key = new_rsa(sizes[i], 65537, modulus);
		digest_of(&i, sizeof(i), digest);
		rsa_signs(key, RSA_PKCS1_PADDING, EVP_sha256(), digest, 32, signature, len);
		assert_true(rsa_verifies(modulus, len, signature, digest));
		for (size_t bit = 0; bit < 8 * len; bit += 61) {
			signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_false(rsa_verifies(modulus, len, signature, digest));
			signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
			modulus[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_false(rsa_verifies(modulus, len, signature, digest));
			modulus[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		digest[31] ^= 1;
		assert_false(rsa_verifies(modulus, len, signature, digest));
		digest[31] ^= 1;
		assert_false(rsa_verifies(modulus, len - 1, signature, digest));
		/* Other paddings and hashes of the same key. */
		rsa_signs(key, RSA_PKCS1_PSS_PADDING, EVP_sha256(), digest, 32, signature, len);
		assert_false(rsa_verifies(modulus, len, signature, digest));
		rsa_signs(key, RSA_PKCS1_PADDING, NULL, digest, 32, signature, len); /* no DigestInfo */
		assert_false(rsa_verifies(modulus, len, signature, digest));
		EVP_PKEY_free(key);
	}
}

/* The padding must fill the whole block (CVE-2006-4339: a digest followed by rubbish lets a cube root forge it). */
static void test_rsa_padding_is_whole(void **state)
{
	(void)state;
	uint8_t modulus[256], signature[256], digest[32], block[256];
	static const uint8_t info[] = { 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
					0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20 };
	EVP_PKEY *key = new_rsa(2048, 65537, modulus);
	digest_of("x", 1, digest);
	for (size_t shift = 0; shift < 4; shift++) {
		size_t at = sizeof(block) - sizeof(info) - 32 - shift;
		memset(block, 0xff, sizeof(block));
		block[0] = 0;
		block[1] = 1;
		block[at - 1] = 0;
		memcpy(block + at, info, sizeof(info));
		memcpy(block + at + sizeof(info), digest, 32);
		rsa_signs(key, RSA_NO_PADDING, NULL, block, sizeof(block), signature, sizeof(signature));
		assert_int_equal(rsa_verifies(modulus, sizeof(modulus), signature, digest), shift == 0);
	}
	EVP_PKEY_free(key);
}

static void test_rsa_hostile_keys_are_refused(void **state)
{
	(void)state;
	uint8_t modulus[600], signature[600] = { 0 }, digest[32] = { 0 };
	for (int fill = 0; fill < 256; fill += 51) {
		memset(modulus, fill, sizeof(modulus));
		for (size_t len = 0; len <= sizeof(modulus); len += 8)
			assert_false(rsa_verifies(modulus, len, signature, digest));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hmac_matches_openssl),
		cmocka_unit_test(test_rfc6979_vectors),
		cmocka_unit_test(test_secrets_out_of_range_are_refused),
		cmocka_unit_test(test_p256_and_openssl_take_each_others_signatures),
		cmocka_unit_test(test_every_bit_of_a_p256_signature_matters),
		cmocka_unit_test(test_p256_signatures_out_of_range_are_refused),
		cmocka_unit_test(test_p256_verification_of_special_keys),
		cmocka_unit_test(test_p256_takes_an_x_above_the_order),
		cmocka_unit_test(test_p256_constants),
		cmocka_unit_test(test_signing_in_steps),
		cmocka_unit_test(test_sums_of_special_points),
		cmocka_unit_test(test_rsa_takes_openssl_signatures),
		cmocka_unit_test(test_rsa_padding_is_whole),
		cmocka_unit_test(test_rsa_hostile_keys_are_refused),
	};
	return cmocka_run_group_tests_name("vault_pk", tests, NULL, NULL);
}
