/* Who this device is (mvp/identity.h): the board's unique key, what derives from it, and the record in `mvp_keys`. CPU 0 only, but for
 * identity_serial(). */
#ifndef VAULT_IDENTITY_H
#define VAULT_IDENTITY_H

#include "mvp/identity.h"
#include "p256.h"

enum identity {
	IDENTITY_NONE,  /* not provisioned */
	IDENTITY_SOUND, /* provisioned */
	IDENTITY_WRONG, /* there is a record, but not of this device: somebody put it there */
};

void identity_start(void);                                /* takes the device key from the board */
bool identity_has_device_key(void);                       /* without one K is zeros */
void identity_derive(const char *label, uint8_t ret[32]); /* HMAC-SHA256(K, label); the caller wipes it */

/* A copy of the record, `sector` bytes of it as read; each copy once. */
void identity_take(const uint8_t sector[SECTOR]);
/* After the last copy: what it comes to. Derives the signing key of a provisioned device, which takes as long as p256_public(). */
enum identity identity_settle(void);
enum identity identity_get(void);
void identity_end(void); /* the power goes: what is secret is forgotten */

/* Of a provisioned device; "" of another. */
const char *identity_serial(void);
const char *identity_fleet(void);
const uint8_t *identity_order_public(void); /* MVP_P256_POINT_LEN bytes */
uint64_t identity_provisioned_at(void);     /* 0 if it was not */

/* ECDSA by the device's own key, around p256_sign_step(); false unless the device is provisioned. */
bool identity_sign_begin(struct p256_sign *s, const uint8_t digest[SHA256_LEN]);
bool identity_sign_end(struct p256_sign *s, uint8_t ret_signature[MVP_P256_SIGNATURE_LEN]);

#endif
