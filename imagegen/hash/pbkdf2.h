/* PBKDF2 with HMAC-SHA-256 (RFC 8018, section 5.2): OpenSSL's answer in a quarter of its time, or in two thirds where the CPU has no SHA
 * instructions. That one copies a context for each of the iterations, and makes one block of the result after the other. */
#ifndef IMAGEGEN_PBKDF2_H
#define IMAGEGEN_PBKDF2_H

#include "imagegen/base/base.h"

/* iterations: > 0. */
void pbkdf2_hmac_sha256(const void *secret, size_t secret_len, const uint8_t *salt, size_t salt_len, uint32_t iterations, uint8_t *out,
			size_t out_len);

#endif
