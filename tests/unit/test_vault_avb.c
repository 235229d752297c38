/* The vault's reader of vbmeta images, on images signed by OpenSSL and damaged in every place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "vault_host.h"

#include "../../vmm/vault/avb.c"
#include "../../vmm/vault/modular.c"
#include "../../vmm/vault/rsa.c"
#include "../../vmm/vault/sha256.c"
#include "fixture_avb.h"

static EVP_PKEY *keys[2]; /* 2048 and 4096 bits */
static const uint8_t salt[32] = { 9, 8, 7 }, digest[32] = { 1, 2, 3 };

static size_t descriptors(uint8_t *at)
{
	/* A property, a hash of another partition, and that of boot. */
	static const uint8_t property[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,   0, 0,   24, 0, 0, 0, 0,
					    0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 'k', 0, 'v', 0,  0, 0, 0, 0 };
	size_t len = sizeof(property);
	memcpy(at, property, sizeof(property));
	len += avb_put_hash(at + len, "bootx", 5, salt, 32, salt);
	return len + avb_put_hash(at + len, "boot", 0x123456, salt, sizeof(salt), digest);
}

static struct avb_image *image(uint32_t bits)
{
	static struct avb_image v;
	uint8_t d[1024];
	size_t len = descriptors(d);
	avb_make(&v, keys[bits == 4096], bits, d, len, 42);
	return &v;
}

static bool is_signed(const struct avb *a)
{
	struct rsa_verify v;
	if (!avb_verify_begin(a, &v))
		return false;
	while (!rsa_verify_step(&v)) {
	}
	return rsa_verify_end(&v);
}

/* All three steps; NULL or the reason. */
static const char *judge(const struct avb_image *v, const uint8_t key_digest[32], struct avb_hash *h)
{
	/* A copy of exactly its length: a sanitizer sees what is read behind it. */
	struct avb a;
	uint8_t *copy = malloc(v->len ? v->len : 1);
	memcpy(copy, v->data, v->len);
	const char *wrong = avb_read(copy, v->len, key_digest, &a);
	if (!wrong && !is_signed(&a))
		wrong = "signature";
	if (!wrong && a.rollback_index != 42)
		wrong = "rollback";
	if (!wrong)
		wrong = avb_find_hash(&a, "boot", h);
	free(copy);
	return wrong;
}

static void test_signed_image_is_taken(void **state)
{
	(void)state;
	for (uint32_t bits = 2048; bits <= 4096; bits *= 2) {
		struct avb_image *v = image(bits);
		struct avb_hash h;
		assert_null(judge(v, v->key_digest, &h));
		assert_int_equal(h.image_size, 0x123456);
		assert_int_equal(h.salt_len, 32);
		assert_memory_equal(h.salt, salt, 32);
		assert_memory_equal(h.digest, digest, 32);
	}
}

static void test_other_key_is_refused(void **state)
{
	(void)state;
	struct avb_image *v = image(2048);
	struct avb_hash h;
	uint8_t other[32];
	memcpy(other, v->key_digest, 32);
	other[31] ^= 1;
	assert_string_equal(judge(v, other, &h), "its vbmeta is signed by another key");
	/* The right key in it, but another one signed. */
	v->key = keys[0];
	struct avb_image *w = image(2048);
	EVP_PKEY *stranger = avb_new_key(2048);
	w->key = stranger;
	avb_sign(w);
	assert_string_equal(judge(w, w->key_digest, &h), "signature");
	EVP_PKEY_free(stranger);
}

/* Every byte: refused, or one that nothing depends on: the rest of the authentication block. */
static void test_every_byte_is_covered(void **state)
{
	(void)state;
	struct avb_image *v = image(2048);
	struct avb_hash h;
	for (size_t i = 0; i < v->len; i++) {
		bool signature = i >= v->signature_at && i < v->signature_at + 256;
		bool unused = i >= v->signature_at + 256 && i < v->auxiliary_at;
		if (signature && i % 16)
			continue;
		v->data[i] ^= 0x41;
		const char *wrong = judge(v, v->key_digest, &h);
		if (unused)
			assert_null(wrong);
		else
			assert_non_null(wrong);
		v->data[i] ^= 0x41;
	}
	assert_null(judge(v, v->key_digest, &h));
}

static void test_every_length_is_refused(void **state)
{
	(void)state;
	struct avb_image *v = image(2048);
	struct avb_hash h;
	size_t len = v->len;
	for (v->len = 0; v->len < len; v->len += v->len < 300 ? 1 : 29)
		assert_non_null(judge(v, v->key_digest, &h));
	/* The partition is longer than the image. */
	v->len = len + 4096;
	assert_null(judge(v, v->key_digest, &h));
}

/* What an attacker without the key could try, if the digest were all: signed anew, so that it is the field that is judged. */
static void test_fields_out_of_range_are_refused(void **state)
{
	(void)state;
	static const uint64_t wild[] = { 1, 63, 64, 4096, 0x10000, 1ull << 32, 1ull << 63, UINT64_MAX, UINT64_MAX - 63, UINT64_MAX - 255 };
	struct avb_hash h;
	for (size_t field = 12; field < 112; field += field == 20 ? 12 : 8) {
		for (size_t i = 0; i < ARRAY_LEN(wild); i++) {
			struct avb_image *v = image(2048);
			/* The metadata of the key is not used: any place inside is fine. */
			bool harmless = (field == 80 && wild[i] <= 64) || (field == 88 && wild[i] == 1) || (field == 80 && wild[i] == 4096);
			put_be64(v->data + field, wild[i]);
			avb_sign(v);
			const char *wrong = judge(v, v->key_digest, &h);
			if (!harmless)
				assert_non_null(wrong);
		}
	}
}

static void test_what_it_does_not_know_is_refused(void **state)
{
	(void)state;
	static const struct {
		size_t at;
		uint32_t value;
		const char *wrong;
	} cases[] = {
		{ 4, 2, "its vbmeta is of a version that is not known" },
		{ 8, 4, "its vbmeta is of a version that is not known" },
		{ 28, 0, "its vbmeta is not signed" },
		{ 28, 3, "its vbmeta is signed by an algorithm that is not known" },
		{ 28, 0xffffffff, "its vbmeta is signed by an algorithm that is not known" },
		{ 28, 2, "its vbmeta is not sound" },
		{ 120, 1, "its vbmeta forbids verification" },
		{ 120, 2, "its vbmeta forbids verification" },
	};
	struct avb_hash h;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct avb_image *v = image(2048);
		avb_put32(v->data + cases[i].at, cases[i].value);
		avb_sign(v);
		assert_string_equal(judge(v, v->key_digest, &h), cases[i].wrong);
	}
}

static const char *with_descriptors(const uint8_t *d, size_t len)
{
	static struct avb_image v;
	struct avb_hash h;
	avb_make(&v, keys[0], 2048, d, len, 42);
	return judge(&v, v.key_digest, &h);
}

static void test_descriptors_are_strict(void **state)
{
	(void)state;
	uint8_t d[1024] = { 0 }, saved[1024];
	assert_string_equal(with_descriptors(d, 0), "its vbmeta does not name its boot image");
	size_t one = avb_put_hash(d, "boot", 5, salt, 32, digest);
	assert_null(with_descriptors(d, one));
	/* Twice: which one? */
	size_t two = one + avb_put_hash(d + one, "boot", 6, salt, 32, digest);
	assert_string_equal(with_descriptors(d, two), "its vbmeta is not sound");
	/* Another algorithm or digest length, a salt too long, lengths beyond the end. */
	memcpy(saved, d, sizeof(d));
	d[29] = '4';
	assert_non_null(with_descriptors(d, one));
	memcpy(d, saved, sizeof(d));
	d[30] = '0';
	assert_non_null(with_descriptors(d, one));
	for (size_t at = 56; at < 68; at += 4) {
		static const uint32_t wild[] = { 0, 1, 31, 33, 65, 4096, 0x7fffffff, 0xffffffff, 0xffffff00 };
		for (size_t i = 0; i < ARRAY_LEN(wild); i++) {
			memcpy(d, saved, sizeof(d));
			avb_put32(d + at, wild[i]);
			/* A shorter salt in front of a digest of other bytes is well formed. */
			const char *wrong = with_descriptors(d, one);
			if (at != 60 || wild[i] > 33)
				assert_non_null(wrong);
		}
	}
	memcpy(d, saved, sizeof(d));
	for (uint64_t len = 0; len < 400; len++) {
		put_be64(d + 8, len);
		const char *wrong = with_descriptors(d, one);
		if (len != one - 16)
			assert_non_null(wrong);
	}
	put_be64(d + 8, UINT64_MAX - 7);
	assert_non_null(with_descriptors(d, one));
}

static int open_keys(void **state)
{
	(void)state;
	keys[0] = avb_new_key(2048);
	keys[1] = avb_new_key(4096);
	return !keys[0] || !keys[1];
}

static int close_keys(void **state)
{
	(void)state;
	EVP_PKEY_free(keys[0]);
	EVP_PKEY_free(keys[1]);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signed_image_is_taken),           cmocka_unit_test(test_other_key_is_refused),
		cmocka_unit_test(test_every_byte_is_covered),           cmocka_unit_test(test_every_length_is_refused),
		cmocka_unit_test(test_fields_out_of_range_are_refused), cmocka_unit_test(test_what_it_does_not_know_is_refused),
		cmocka_unit_test(test_descriptors_are_strict),
	};
	return cmocka_run_group_tests_name("vault_avb", tests, open_keys, close_keys);
}
