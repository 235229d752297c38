/* The signing keys that a manifest names, and the vbmeta images of the handset and of its personas' disks that are signed with them. */
#ifndef IMAGEGEN_TRUST_H
#define IMAGEGEN_TRUST_H

#include "imagegen/avb/verity.h"
#include "imagegen/hyp/hyp.h"
#include "imagegen/manifest/manifest.h"

struct trust {
	struct signer *oem, *enterprise; /* NULL: what they would sign is not signed */
	struct hyp_trust hyp;            /* what the vault is told */
};

/* Opens the keys; one that is missing is warned about. exchange, prepare: as in struct sign_key. */
MUST_USE int trust_open(const struct manifest *m, const char *exchange, bool prepare, struct trust *ret, struct diag *d);
void trust_fini(struct trust *t);
/* Who signs a persona's disk: the OEM the personal one, the enterprise the other. */
struct signer *trust_of(const struct trust *t, const struct manifest *m, const struct persona *p);

/* SHA-256 of the key blob; zeros without a key. */
MUST_USE int trust_key_digest(const struct signer *s, const struct loc *loc, uint8_t ret[32], struct diag *d);

/* A vbmeta image of descriptors collected in a, as an image. */
MUST_USE int trust_vbmeta(const struct avb *a, struct signer *s, const char *name, uint64_t rollback_index, struct image **ret_img,
			  struct diag *d);

#endif
