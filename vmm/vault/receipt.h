/* Receipts and attestations (mvp/order.h). A receipt is a few facts in `mvp_state` until somebody says it arrived; it is signed whenever it
 * is asked for, and each time comes out the same (RFC 6979). CPU 0 only. */
#ifndef VAULT_RECEIPT_H
#define VAULT_RECEIPT_H

#include "mvp/order.h"
#include "mvp/state.h"
#include "p256.h"

/* Refusals may not use up the places of what matters, nor orders that of the end of a wipe, which is there once. */
enum receipt_kind { RECEIPT_REFUSAL, RECEIPT_ORDER, RECEIPT_WIPE };

bool receipt_has_room(enum receipt_kind kind);
/* Adds one to state_edit(); the caller commits. order is NULL without one. The queue has room. */
void receipt_add(enum mvp_cause cause, const uint8_t *order, enum mvp_action action, enum mvp_outcome outcome);
/* The pending one of this order and outcome, or of this order alone if outcome is 0; NULL if there is none. */
const struct mvp_state_receipt *receipt_find(const uint8_t order[SHA256_LEN], enum mvp_outcome outcome);
const struct mvp_state_receipt *receipt_oldest(void); /* NULL: none is pending */
/* It arrived: true if it was pending, and then the caller commits. */
bool receipt_drop(uint64_t sequence);

/* A message that is being signed: begin, steps until it can end, end. */
struct message {
	const char *type;
	uint8_t payload[MVP_ATTEST_MAX];
	size_t len;
	struct p256_sign sign;
};

/* False if the device is not provisioned. */
bool receipt_begin(struct message *m, const struct mvp_state_receipt *r);
bool attest_begin(struct message *m, const uint8_t *nonce, size_t nonce_len, enum mvp_work_state work);
bool message_step(struct message *m);
size_t message_end(struct message *m, uint8_t ret[MVP_ATTEST_MAX]); /* its length; 0: there is none */

#endif
