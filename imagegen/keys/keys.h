/* Key files: making a set of them for development, and saying what one is. Signing keys of production live in tokens and are never made
 * here. */
#ifndef IMAGEGEN_KEYS_H
#define IMAGEGEN_KEYS_H

#include "imagegen/base/base.h"

/* What keys_init makes, in this order. */
struct keys_file {
	const char *name, *what;
	bool secret; /* readable by its owner only */
};
const struct keys_file *keys_files(size_t *ret_count);

/* Called before each key with how many are done; non-zero stops (MVP0006). May be NULL. */
typedef int (*keys_step_fn)(void *ctx, const char *what, uint64_t done, uint64_t total);

/* Makes dir if missing and all files in it. If one of them exists, or anything fails, none is made. passphrase: of the private keys, as
 * sign_passphrase() takes it; NULL: they are not encrypted. The master key, which is no PEM, never is. */
MUST_USE int keys_init(const char *dir, const char *passphrase, keys_step_fn step, void *step_ctx, struct diag *d);

enum keys_kind { KEYS_PRIVATE, KEYS_PUBLIC, KEYS_CERTIFICATE, KEYS_MASTER };
struct keys_info {
	enum keys_kind kind;
	char algorithm[32]; /* "RSA", "EC"; empty for a master key */
	char group[32];     /* curve of an EC key */
	unsigned bits;
	uint8_t fingerprint[32]; /* SHA-256 of the SubjectPublicKeyInfo (DER); of a master key: of its HKDF, which reveals nothing of it */
	bool in_vbmeta;          /* an RSA key that verified boot can use */
	uint8_t vbmeta_digest[32];     /* SHA-256 of such a key in the form that vbmeta images hold: how verify and inspect name it */
	char *subject;                 /* of a certificate; malloc'd */
	int64_t not_before, not_after; /* of a certificate */
};
/* Says what a file is; warns in d if it is secret but others may read it. */
MUST_USE int keys_inspect(const char *path, struct keys_info *ret_info, struct diag *d);
void keys_info_fini(struct keys_info *info);

#endif
