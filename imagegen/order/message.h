/* Orders, receipts and attestations (mvp/order.h): what they say, as structures, and as the payloads of COSE_Sign1 messages. */
#ifndef IMAGEGEN_MESSAGE_H
#define IMAGEGEN_MESSAGE_H

#include "imagegen/cose/cose.h"
#include "mvp/order.h"

enum message_kind { MESSAGE_ORDER, MESSAGE_RECEIPT, MESSAGE_ATTEST };

struct order {
	uint64_t action; /* enum mvp_action, or one of a later version */
	char serial[MVP_SERIAL_MAX + 1], fleet[MVP_SERIAL_MAX + 1];
	uint64_t counter, issued;
	char reason[MVP_REASON_MAX + 1];
	uint64_t lock_after, wipe_after;
	uint8_t new_key[MVP_P256_POINT_LEN];
};

struct receipt {
	uint64_t sequence;
	char serial[MVP_SERIAL_MAX + 1];
	uint64_t cause;
	uint8_t order[32];
	uint64_t action, outcome, counter, time;
	uint8_t measurement[MVP_MEASUREMENT_LEN];
};

struct attest {
	uint8_t nonce[MVP_NONCE_MAX];
	size_t nonce_len;
	char serial[MVP_SERIAL_MAX + 1];
	uint64_t time;
	uint8_t measurement[MVP_MEASUREMENT_LEN];
	struct attest_event {
		char name[16];
		uint8_t digest[32];
	} log[MVP_MEASUREMENT_LOG_MAX];
	size_t log_count;
	uint64_t state, counter;
};

struct message {
	enum message_kind kind;
	uint32_t has;       /* bit n: the key n of its kind is there */
	uint8_t digest[32]; /* SHA-256 of the whole message */
	struct cose cose;   /* borrows the bytes that were parsed */
	union {
		struct order order;
		struct receipt receipt;
		struct attest attest;
	};
};

static inline bool message_has(const struct message *m, unsigned key)
{
	return m->has >> key & 1;
}

#define MESSAGE_MAX 1024 /* bytes of the largest kind */

/* NULL, or why it is none of the three. The signature is not verified. */
const char *message_parse(const uint8_t *data, size_t len, struct message *ret_m);
/* Reads a file; m->cose borrows *ret_data (malloc'd). MVP1001 if it is none of the three. */
MUST_USE int message_read(const char *path, uint8_t **ret_data, size_t *ret_len, struct message *ret_m, struct diag *d);

/* The keys that has names, as a payload. What they hold is the caller's business: message_parse() takes it if it is sound. */
MUST_USE int message_emit(const struct message *m, struct buf *out);

/* A serial or the name of a fleet: 1 to MVP_SERIAL_MAX of A-Z a-z 0-9 . _ - and not of dots alone, since it becomes a file name. */
bool message_is_name(const char *s);

/* Whether replaying the log gives the measurement. */
bool attest_log_holds(const struct attest *a);

const char *message_kind_name(enum message_kind kind); /* "order", ... */
/* Words for the numbers; NULL for one that is not known. */
const char *order_action_name(uint64_t action);
const char *receipt_cause_name(uint64_t cause);
const char *receipt_outcome_name(uint64_t outcome);
const char *attest_state_name(uint64_t state);

#endif
