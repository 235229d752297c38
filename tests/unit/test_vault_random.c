/* The vault's generator: nothing before a seed, then a ratchet whose every value an independent SHA-256 reproduces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/vault_host.h"
#include "vmm/vault/random.c"
#include "vmm/vault/sha256.c"

/* SHA-256 of purpose, from and extra, by OpenSSL as a whole. */
static void digest(uint8_t purpose, const uint8_t from[32], const uint8_t *extra, size_t extra_len, uint8_t ret[32])
{
	uint8_t text[1 + 32 + 32];
	text[0] = purpose;
	memcpy(text + 1, from, 32);
	if (extra_len)
		memcpy(text + 33, extra, extra_len);
	assert_int_equal(EVP_Digest(text, 33 + extra_len, ret, NULL, EVP_sha256(), NULL), 1);
}

static void test_nothing_before_a_seed(void **unused)
{
	uint64_t words[3] = { 1, 2, 3 };
	(void)unused;
	assert_false(random_words(words));
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(words[i], 0);
}

static void test_a_long_answer_is_made_of_independent_blocks(void **unused)
{
	uint8_t seed[RANDOM_SEED_LEN] = { 7 }, from[32], index[4] = { 0, 0, 0, 1 }, out[32], got[50], next[24];
	(void)unused;
	random_seed(seed);
	memcpy(from, pool, sizeof(from));
	got[49] = 0;
	assert_true(random_bytes(got, 49));
	digest(1, from, NULL, 0, out);
	assert_memory_equal(got, out, 32);
	digest(1, from, index, sizeof(index), out);
	assert_memory_equal(got + 32, out, 17);
	assert_int_equal(got[49], 0);
	digest(2, from, NULL, 0, out);
	assert_memory_equal(pool, out, 32);
	assert_true(random_bytes(next, sizeof(next)));
	assert_memory_not_equal(next, got, sizeof(next));
}

static void test_each_answer_leaves_a_new_state(void **unused)
{
	uint8_t seed[RANDOM_SEED_LEN], at[32] = { 0 }, next[32], out[32];
	uint64_t words[3];
	(void)unused;
	memset(seed, 0x5a, sizeof(seed));
	digest(0, at, seed, sizeof(seed), next);
	random_seed(seed);
	for (int round = 0; round < 5; round++) {
		memcpy(at, next, sizeof(at));
		digest(1, at, NULL, 0, out);
		digest(2, at, NULL, 0, next);
		assert_true(random_words(words));
		for (size_t i = 0; i < 3; i++)
			assert_int_equal(words[i], get_le64(out + 8 * i));
	}
	/* A second seed is mixed in, it does not replace. */
	memcpy(at, next, sizeof(at));
	digest(0, at, seed, sizeof(seed), next);
	random_seed(seed);
	digest(1, next, NULL, 0, out);
	assert_true(random_words(words));
	assert_int_equal(words[0], get_le64(out));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_before_a_seed),
		cmocka_unit_test(test_each_answer_leaves_a_new_state),
		cmocka_unit_test(test_a_long_answer_is_made_of_independent_blocks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
