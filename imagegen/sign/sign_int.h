/* Internal to imagegen/sign. */
#ifndef IMAGEGEN_SIGN_INT_H
#define IMAGEGEN_SIGN_INT_H

#include "imagegen/sign/sign.h"

enum { SIGN_MESSAGE_MAX = 1 << 20 };

/* pkcs11.c: the private key of a token, by OpenSSL's engine; pin may be empty. The engine is never unloaded: its keys outlive any order of
 * freeing. */
MUST_USE int pkcs11_load(const struct sign_key *k, const struct secret *pin, EVP_PKEY **ret_key, struct diag *d);
bool pkcs11_is_uri(const char *key);

/* helper.c: runs `helper algorithm public_key` with input on stdin; its output (at most ret_len bytes) is the signature. */
MUST_USE int helper_run(const char *helper, const char *algorithm, const char *public_key, const uint8_t *input, size_t input_len,
			uint8_t *ret, size_t *ret_len, const struct loc *loc, struct diag *d);

/* exchange.c: the signature in exchange/NAME.sig, or -1 and a diagnostic that says what to do. */
MUST_USE int exchange_take(const char *dir, const char *name, uint8_t ret[SIGN_LEN_MAX], size_t *ret_len, bool *ret_found,
			   const struct loc *loc, struct diag *d);
MUST_USE int exchange_ask(const char *dir, const char *name, const void *message, size_t len, const uint8_t *padded, size_t padded_len,
			  EVP_PKEY *public_key, const struct loc *loc, struct diag *d);

/* reason.c: the reason OpenSSL gives for its last failure; empties its queue. Returns buf. */
const char *sign_reason(char buf[256]);

#endif
