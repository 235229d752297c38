/* Whether a secret of the vault shows in the time that it takes: memcheck tells when a branch or an address depends on memory that was
 * declared undefined, and here that is what is secret (A. Langley's ctgrind). tests/vmm.mk builds this as the vault is, but for the host.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <valgrind/memcheck.h>

#include "vault_host.h"

#include "../../vmm/vault/modular.c"
#include "../../vmm/vault/p256.c"
#include "../../vmm/vault/sha256.c"

static void hide(void *p, size_t len)
{
	(void)VALGRIND_MAKE_MEM_UNDEFINED(p, len);
}

static void show(void *p, size_t len)
{
	(void)VALGRIND_MAKE_MEM_DEFINED(p, len);
}

static unsigned errors(void)
{
	return (unsigned)VALGRIND_COUNT_ERRORS;
}

/* That it is seen at all: the same tests would fail. */
static void test_what_shows_is_seen(void **state)
{
	(void)state;
	static const uint8_t table[256] = { 1, 2, 3 };
	volatile uint8_t secret = 1, sink;
	unsigned before = errors();
	assert_true(RUNNING_ON_VALGRIND);
	hide((void *)(uintptr_t)&secret, 1);
	sink = table[secret];
	assert_int_equal(errors(), before + 1);
	if (secret)
		sink = 2;
	assert_int_equal(errors(), before + 2);
	(void)sink;
}

static void test_signing(void **state)
{
	(void)state;
	uint8_t secret[32], digest[32], signature[64];
	struct p256_sign s;
	unsigned before = errors();
	memset(secret, 0x5a, sizeof(secret));
	memset(digest, 0xc3, sizeof(digest));
	/* Whether a secret is one at all, and a nonce, may show. */
	assert_true(p256_sign_begin(&s, secret, digest));
	hide(secret, sizeof(secret));
	hide(s.nonce, sizeof(s.nonce));
	hide(s.sum.u, sizeof(s.sum.u));
	while (!p256_sign_step(&s, 4)) {
	}
	bool ok = p256_sign_end(&s, secret, signature);
	assert_int_equal(errors(), before);
	show(&ok, sizeof(ok));
	show(signature, sizeof(signature));
	assert_true(ok);
}

static void test_scalars(void **state)
{
	(void)state;
	uint8_t secret[32];
	uint64_t scalar[4];
	unsigned before = errors();
	memset(secret, 0x5a, sizeof(secret));
	hide(secret, sizeof(secret));
	bool ok = get_scalar(scalar, secret);
	show(&ok, sizeof(ok));
	assert_true(ok);
	assert_int_equal(errors(), before);
}

static void test_nonces(void **state)
{
	(void)state;
	uint8_t k[32] = { 1 }, v[32] = { 2 }, secret[32] = { 3 }, digest[32] = { 4 };
	unsigned before = errors();
	hide(secret, sizeof(secret));
	update_nonce(k, v, 0, secret, digest);
	update_nonce(k, v, 1, NULL, NULL);
	assert_int_equal(errors(), before);
}

static void test_public_key(void **state)
{
	(void)state;
	struct p256_sum s;
	uint64_t a[4] = { 0x1234567812345678, 2, 3, 4 }, inverse[4];
	unsigned before = errors();
	hide(a, sizeof(a));
	begin_sum(&s, &zero_point);
	memset(s.u, 0, sizeof(s.u));
	memcpy(s.u[0], a, sizeof(a));
	assert_true(step_sum(&s, 256));
	invert(&coordinates, inverse, s.sum.z);
	assert_int_equal(errors(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_shows_is_seen),
		cmocka_unit_test(test_signing),
		cmocka_unit_test(test_scalars),
		cmocka_unit_test(test_nonces),
		cmocka_unit_test(test_public_key),
	};
	return cmocka_run_group_tests_name("vault_ct", tests, NULL, NULL);
}
