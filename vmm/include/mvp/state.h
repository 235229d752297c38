/* The partition `mvp_state`: the vault's journal of what must not be forgotten or rolled back.
 *
 * The record of sequence number s lies at MVP_STATE_AT(s % MVP_STATE_COPIES). A commit writes the record with the next number over the copy
 * that is not the last one, flushes the disk, and only then counts. Whatever becomes of that write, torn or not begun, the last committed
 * record is untouched. The reader takes the sound record with the highest number; a record is sound if everything in its head is as below,
 * it lies where its number belongs, and checksum and MAC are right.
 *
 * The MAC's key is HMAC-SHA256(K, MVP_LABEL_STATE), K the device key (mvp/identity.h). On a board without one K is 32 zero bytes: then
 * the MAC keeps nobody out.
 *
 * Provisioning writes the first record: magic, version, len, sequence 0, checksum and MAC; all the rest zeros; and zeros over the other
 * copy. The vault does so itself on a handset that is not provisioned and has no record. A provisioned handset without a sound record has
 * been tampered with.
 *
 * Times are seconds since 1970 by the device's clock, which is the board's but never goes back. */
#ifndef MVP_STATE_H
#define MVP_STATE_H

#include <stdint.h>

#include "mvp/identity.h"

#define MVP_STATE_MAGIC "MVPSTATE"
#define MVP_STATE_VERSION 1
#define MVP_STATE_COPIES 2
#define MVP_STATE_AT(copy) ((copy)*0x10000)

#define MVP_STATE_RECEIPTS 16
#define MVP_STATE_PERSONAS 4
#define MVP_STATE_REASON 128

/* What is needed to make a receipt (mvp/order.h) again: it is kept until someone acknowledges that it arrived. */
struct mvp_state_receipt {
	uint64_t sequence, time, counter;
	uint8_t order[32]; /* digest of the order; zeros without one */
	uint8_t measurement[32];
	uint8_t cause, action, outcome; /* action 0: unknown */
	uint8_t reserved[5];
};

struct mvp_state_persona {
	uint32_t failures; /* wrong passcodes since the last right one, each counted before it is tried */
	uint32_t reserved;
	uint64_t not_before;     /* no passcode is tried until then */
	uint64_t rollback_index; /* the lowest that may start */
	uint8_t reserved_64[40];
};

enum mvp_wipe {
	MVP_WIPE_NONE = 0,
	MVP_WIPE_KEYS = 1, /* decided: the keys are to be destroyed, or are */
	MVP_WIPE_DATA = 2, /* the keys are destroyed, the data is being overwritten */
	MVP_WIPE_DONE = 3,
};

/* Integers little endian; every member lies where its alignment wants it, so there is no padding. */
struct mvp_state {
	uint8_t magic[8];
	uint32_t version;
	uint32_t len; /* of this structure */
	uint64_t sequence;
	uint64_t first_boot; /* when the handset started for the first time; 0: not yet */
	uint64_t time;       /* the highest that the clock has shown */
	/* Orders */
	uint64_t order_counter; /* of the last one that was taken; 0: none yet */
	uint8_t order_rotated;  /* 1: order_public counts, not the identity's */
	uint8_t order_public[MVP_P256_POINT_LEN];
	uint8_t reserved_order[6];
	/* Lease */
	uint64_t lease_issued; /* when it began: first_boot, or when the last lease order was issued */
	uint64_t lease_lock_after, lease_wipe_after;
	uint32_t lease_ordered; /* 1: the two above are an order's; 0: the configuration's count */
	/* Bar */
	uint32_t barred; /* 1: locked by an order */
	uint32_t reason_len;
	uint8_t reason[MVP_STATE_REASON]; /* of the last lock or wipe order */
	/* Wipe */
	uint32_t wipe;       /* enum mvp_wipe */
	uint32_t wipe_cause; /* enum mvp_cause */
	uint32_t reserved_wipe;
	uint64_t wipe_position; /* bytes of the partition that are overwritten */
	uint8_t wipe_order[32]; /* digest of the order */
	/* Receipts that are not acknowledged yet, the oldest first */
	uint64_t receipt_sequence; /* of the last receipt there was */
	uint32_t receipts_count;
	uint32_t reserved_receipts;
	struct mvp_state_receipt receipts[MVP_STATE_RECEIPTS];
	struct mvp_state_persona persona[MVP_STATE_PERSONAS]; /* by index in the configuration */
	uint8_t order_digest[32]; /* of the last order that was taken: one that is delivered again is no other */
	uint8_t reserved[1884];
	uint32_t checksum; /* CRC-32 (as GPT's) of all before it */
	uint8_t mac[32];   /* HMAC-SHA256 of all before it */
};

_Static_assert(sizeof(struct mvp_state_receipt) == 96, "layout of a pending receipt");
_Static_assert(sizeof(struct mvp_state_persona) == 64, "layout of a persona's state");
_Static_assert(sizeof(struct mvp_state) == 4096 && __builtin_offsetof(struct mvp_state, mac) == 4064, "layout of the state record");

#endif
