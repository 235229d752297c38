/* What a device derives from its unique key, and the records that provisioning writes for it (mvp/identity.h, mvp/state.h). */
#ifndef IMAGEGEN_DEVICE_H
#define IMAGEGEN_DEVICE_H

#include "imagegen/base/base.h"
#include "mvp/identity.h"
#include "mvp/state.h"

/* HMAC-SHA256 of the label under the device key. */
MUST_USE int device_derive(const uint8_t key[MVP_DEVICE_KEY_LEN], const char *label, uint8_t ret[32], struct diag *d);
/* The public half of the key that the device signs with. */
MUST_USE int device_public(const uint8_t key[MVP_DEVICE_KEY_LEN], uint8_t ret_point[MVP_P256_POINT_LEN], struct diag *d);

struct device_id {
	const char *serial, *fleet; /* fleet: NULL or "" for none */
	uint8_t order_public[MVP_P256_POINT_LEN];
	uint64_t provisioned_at;
};
MUST_USE int device_identity(const uint8_t key[MVP_DEVICE_KEY_LEN], const struct device_id *id, struct mvp_identity *ret, struct diag *d);
/* The journal's first record. */
MUST_USE int device_state(const uint8_t key[MVP_DEVICE_KEY_LEN], struct mvp_state *ret, struct diag *d);

/* NULL if the record has the form of an identity: its MAC cannot be judged without the device key. Otherwise what is wrong; an empty place
 * (all zeros) is "empty". */
const char *device_identity_fault(const struct mvp_identity *id);
bool device_identity_is_empty(const struct mvp_identity *id);
/* Is it this device's? Compares the MAC in constant time. */
bool device_identity_holds(const struct mvp_identity *id, const uint8_t key[MVP_DEVICE_KEY_LEN]);
/* The sound one of the two copies in an mvp_keys partition; *ret_fault NULL if there is one. -1 only for an I/O error. */
MUST_USE int device_identity_read(const struct image *partition, struct mvp_identity *ret, const char **ret_fault, struct diag *d);

#endif
