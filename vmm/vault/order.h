/* Reading orders (mvp/order.h). Portable; what becomes of them is decided in orders.c. */
#ifndef VAULT_ORDER_H
#define VAULT_ORDER_H

#include "cose.h"
#include "mvp/order.h"

/* Strings are borrowed from the message. */
struct order {
	uint64_t action; /* enum mvp_action, or one we do not know */
	const uint8_t *serial, *fleet;
	size_t serial_len, fleet_len; /* one of the two is 0 */
	uint64_t counter, issued;
	const uint8_t *reason;
	size_t reason_len;
	uint64_t lock_after, wipe_after;
	const uint8_t *new_key; /* MVP_P256_POINT_LEN bytes */
	struct cose cose;
};

/* False if it is no well formed order. Nothing of it is to be believed before its signature was verified. */
bool order_parse(const uint8_t *message, size_t len, struct order *ret_order);
bool order_is_for(const struct order *o, const char *serial, const char *fleet);

#endif
