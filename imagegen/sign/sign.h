/* Keys that sign, wherever they are: a PEM file (encrypted or not), a token behind a pkcs11: URI, or a program that reaches one.
 * RSA of 2048, 4096 and 8192 bits signs by RSASSA-PKCS1-v1_5 (RFC 8017, 8.2), EC on P-256 by ECDSA (FIPS 186-4). */
#ifndef IMAGEGEN_SIGN_H
#define IMAGEGEN_SIGN_H

#include <openssl/types.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/secret.h"

/* Where a key is. All text is borrowed for the call; exactly one of key, helper and public_key alone. */
struct sign_key {
	const char *key;        /* a PEM file with the private key, or a URI as of RFC 7512 */
	const char *passphrase; /* of the file, or PIN of the token: as sign_passphrase() takes it; NULL: there is none */
	const char *helper; /* a program (avbtool's contract): HELPER ALGORITHM PUBLIC_KEY, padded digest on stdin, signature on stdout */
	const char *public_key; /* a PEM file: with a helper; alone, it is that of a key elsewhere, whose signatures arrive as files */
	const char *exchange;   /* folder for those: NAME.tbs is what to sign, NAME.sig its signature */
	bool prepare;           /* write what is to be signed where no signature is, and go on with one of zeros */
	struct loc loc;         /* of the key's name in the manifest; file NULL: none */
};

enum sign_hash { SIGN_SHA256, SIGN_SHA512 };
enum { SIGN_LEN_MAX = 1024 }; /* RSA-8192 */

struct signer; /* any thread may use it; one signature is made at a time */
MUST_USE int signer_open(const struct sign_key *k, struct signer **ret_s, struct diag *d);
void signer_free(struct signer *s);
DEFINE_FREEP(struct signer, signer_free)

EVP_PKEY *signer_public(const struct signer *s); /* the public key alone; borrowed */
bool signer_is_rsa(const struct signer *s);      /* else EC on P-256 */
unsigned signer_bits(const struct signer *s);
/* Signatures that prepare mode wrote requests for, instead of signing. */
unsigned signer_missing(const struct signer *s);

/* Signs the digest of the message. RSA: as many bytes as the key has; EC: r || s, 64 bytes, with SHA-256 (as COSE's ES256 wants it).
 * What a key gives is verified before it is returned. name: of what is signed, for messages and as a file name. */
MUST_USE int signer_sign(struct signer *s, const char *name, enum sign_hash hash, const void *message, size_t len,
			 uint8_t ret_signature[SIGN_LEN_MAX], size_t *ret_len, struct diag *d);
/* The same for a message that is not at hand, of which the SHA-256 is known. An exchange asks for it with NAME.padded alone. */
MUST_USE int signer_sign_sha256(struct signer *s, const char *name, const uint8_t sha256[32], uint8_t ret_signature[SIGN_LEN_MAX],
				size_t *ret_len, struct diag *d);

/* Does it verify? The signature has the form that signer_sign() gives. */
bool sign_verify(EVP_PKEY *public_key, enum sign_hash hash, const void *message, size_t len, const uint8_t *signature,
		 size_t signature_len);

/* A public key of PEM: a PUBLIC KEY, or that of a CERTIFICATE. ret_key is the caller's (EVP_PKEY_free). */
MUST_USE int sign_read_public(const char *path, const struct loc *loc, EVP_PKEY **ret_key, struct diag *d);

/* A passphrase without its line end from file:PATH, env:NAME or fd:N (the next line of it). Nothing is taken from an argument itself. */
MUST_USE int sign_passphrase(const char *source, const struct loc *loc, struct secret *ret_s, struct diag *d);

#endif
