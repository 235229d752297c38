/* COSE_Sign1 messages in the one form that mvp/order.h has. Portable. */
#ifndef VAULT_COSE_H
#define VAULT_COSE_H

#include "cbor.h"
#include "mvp/identity.h"
#include "sha256.h"

struct cose {
	const uint8_t *payload; /* borrowed from the message */
	size_t payload_len;
	const uint8_t *signature;   /* MVP_P256_SIGNATURE_LEN bytes */
	uint8_t digest[SHA256_LEN]; /* that the signature is of */
};

/* Takes a message of this type apart; false if it is no such message. The signature is not looked at. */
bool cose_parse(const uint8_t *message, size_t len, const char *type, struct cose *ret_cose);

/* What is to be signed for a payload of this type. */
void cose_digest(const char *type, const uint8_t *payload, size_t len, uint8_t ret_digest[SHA256_LEN]);
/* The message; its length, or 0 if it would be longer than size. */
size_t cose_emit(const char *type, const uint8_t *payload, size_t len, const uint8_t signature[MVP_P256_SIGNATURE_LEN], uint8_t *ret,
		 size_t size);

#endif
