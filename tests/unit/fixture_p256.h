/* Signing and verifying by the vault's own P-256 in one go, for tests that include vmm/vault/p256.c. */
#ifndef TESTS_UNIT_FIXTURE_P256_H
#define TESTS_UNIT_FIXTURE_P256_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#ifndef MVP_HOST
#define MVP_HOST 1
#endif
#include "vmm/vault/p256.h"

static inline bool p256_verifies(const uint8_t point[MVP_P256_POINT_LEN], const uint8_t digest[SHA256_LEN],
				 const uint8_t signature[MVP_P256_SIGNATURE_LEN])
{
	struct p256_verify v;
	if (!p256_verify_begin(&v, point, digest, signature))
		return false;
	for (unsigned steps = 1; !p256_verify_step(&v, 5); steps++)
		assert_true(steps < 52);
	return p256_verify_end(&v);
}

static inline bool p256_signs(const uint8_t secret[P256_SECRET_LEN], const uint8_t digest[SHA256_LEN],
			      uint8_t ret_signature[MVP_P256_SIGNATURE_LEN])
{
	struct p256_sign s;
	if (!p256_sign_begin(&s, secret, digest))
		return false;
	for (unsigned steps = 1; !p256_sign_step(&s, 5); steps++)
		assert_true(steps < 53);
	return p256_sign_end(&s, secret, ret_signature);
}

#endif
