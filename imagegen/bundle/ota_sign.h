/* What an update package needs of X.509 and PKCS #7, made with a signer of any kind. Internal to imagegen/bundle. */
#ifndef IMAGEGEN_OTA_SIGN_H
#define IMAGEGEN_OTA_SIGN_H

#include "imagegen/base/base.h"
#include "imagegen/base/buf.h"

struct signer;

/* A certificate (X.509 version 1, DER) of the signer's key, signed by itself: devices keep it to recognise updates by. The same key gives
 * the same bytes. */
MUST_USE int ota_certificate(struct signer *s, const char *name, struct buf *ret_der, struct diag *d);
/* The comment of a signed package: PKCS #7 SignedData over what it is appended to, whose SHA-256 is given, and where it starts. name: of
 * the signature, if it is made elsewhere. */
MUST_USE int ota_comment(struct signer *s, const char *name, const struct buf *certificate, const uint8_t sha256[32], struct buf *ret,
			 struct diag *d);

#endif
