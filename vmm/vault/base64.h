/* Base64 (RFC 4648, 4) with padding, in one piece. Portable. */
#ifndef VAULT_BASE64_H
#define VAULT_BASE64_H

#include "lib.h"

/* False if the text is not the one way to write these bytes, or they are more than size. */
bool base64_decode(const char *text, size_t len, uint8_t *ret, size_t size, size_t *ret_len);
/* Returns the length of the text, which is not NUL-terminated, or 0 if size is too small for it. */
size_t base64_encode(const uint8_t *data, size_t len, char *ret, size_t size);

#endif
