/* Secrets for the eyes of whoever has the escrow key: CMS AuthEnvelopedData (RFC 5083), AES-256-GCM, the content key encrypted to a
 * certificate (RSA: OAEP, EC: ECDH). `openssl cms -decrypt -inform DER -inkey escrow.key` opens it. */
#ifndef IMAGEGEN_ESCROW_H
#define IMAGEGEN_ESCROW_H

#include "imagegen/base/buf.h"
#include "imagegen/base/diag.h"

#define ESCROW_MAX 4096 /* bytes of an envelope: it has to fit into a container's header */

/* path: the certificate (PEM). All randomness of the envelope derives from seed, which must be secret and belong to this content alone:
 * equal calls give equal bytes. Appends DER to ret_envelope. */
MUST_USE int escrow_seal(const char *path, const struct loc *loc, const uint8_t *secret, size_t len, const uint8_t seed[32],
			 struct buf *ret_envelope, struct diag *d);

#endif
