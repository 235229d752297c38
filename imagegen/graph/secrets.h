/* What a build reads from the manifest's key files. */
#ifndef IMAGEGEN_SECRETS_H
#define IMAGEGEN_SECRETS_H

#include "imagegen/base/secret.h"
#include "imagegen/manifest/manifest.h"

/* The key all volume keys, salts and UUIDs derive from: the digest of the file named by keys.master, which must have 32 bytes or more. */
MUST_USE int secrets_master(const struct manifest *m, uint8_t ret_master[32], struct diag *d);
/* The passcode of an encrypted persona: its file's content without the line end. */
MUST_USE int secrets_passcode(const struct manifest *m, const struct persona *p, struct secret *ret_passcode, struct diag *d);

#endif
