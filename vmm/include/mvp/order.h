/* Orders, receipts and attestations: COSE_Sign1 messages (RFC 9052, 4.2), ES256 (RFC 9053, 2.1), in CBOR's deterministic encoding (RFC
 * 8949, 4.2.1: shortest integers and lengths, no indefinite lengths, map keys ascending). A message that is not so encoded is malformed.
 *
 *     18([ protected, {}, payload, signature ])
 *
 * protected is the byte string of {1: -7, 3: TYPE}; TYPE, a text, keeps the kinds apart. The signature covers Sig_structure
 * ["Signature1", protected, h'', payload] and is r || s. payload is the byte string of a map with the integer keys below. Absent means not
 * there; a key that the kind does not have makes the message malformed. Times are seconds since 1970. */
#ifndef MVP_ORDER_H
#define MVP_ORDER_H

#define MVP_COSE_TAG 18
#define MVP_COSE_ALG 1
#define MVP_COSE_CONTENT_TYPE 3
#define MVP_COSE_ES256 (-7)

#define MVP_ORDER_TYPE "application/vnd.mvp.order+cbor"
#define MVP_RECEIPT_TYPE "application/vnd.mvp.receipt+cbor"
#define MVP_ATTEST_TYPE "application/vnd.mvp.attest+cbor"

#define MVP_ORDER_FILE "opt/org.mvp/order" /* in QEMU's fw_cfg: an order that the board brings, taken at its start */

#define MVP_ORDER_MAX 1024 /* bytes of a message */
#define MVP_RECEIPT_MAX 512
#define MVP_ATTEST_MAX 1024
#define MVP_REASON_MAX 128 /* bytes of UTF-8 */
#define MVP_NONCE_MIN 8
#define MVP_NONCE_MAX 64

#define MVP_MESSAGE_VERSION 1

/* An order, signed by the enterprise's order key. */
enum mvp_order_key {
	MVP_ORDER_VERSION = 1,    /* MVP_MESSAGE_VERSION */
	MVP_ORDER_ACTION = 2,     /* enum mvp_action */
	MVP_ORDER_SERIAL = 3,     /* text: the device it is for; or */
	MVP_ORDER_FLEET = 4,      /* text: all devices of a fleet. Exactly one of the two */
	MVP_ORDER_COUNTER = 5,    /* unsigned, above that of the last order which the device took, else it is stale */
	MVP_ORDER_ISSUED = 6,     /* time */
	MVP_ORDER_REASON = 7,     /* text, shown on the screen; may be absent */
	MVP_ORDER_LOCK_AFTER = 8, /* lease only, seconds from ISSUED: then the work persona is locked, 0 never */
	MVP_ORDER_WIPE_AFTER = 9, /* lease only, seconds from ISSUED: then it is wiped, 0 never; not below LOCK_AFTER where both are set */
	MVP_ORDER_NEW_KEY = 10,   /* rotate-key only: bytes, P-256 point (65) that is to sign orders from now on */
};

enum mvp_action {
	MVP_ACTION_WIPE = 1,
	MVP_ACTION_LOCK = 2,         /* drops the volume key, stops the persona; no passcode is taken until unlock-allow */
	MVP_ACTION_UNLOCK_ALLOW = 3, /* ends a lock, and forgives wrong passcodes */
	MVP_ACTION_LEASE = 4,        /* begins the lease anew */
	MVP_ACTION_ROTATE_KEY = 5,
};

/* A receipt, signed by the device: what became of an order, or of what the device did by itself. */
enum mvp_receipt_key {
	MVP_RECEIPT_VERSION = 1,
	MVP_RECEIPT_SEQUENCE = 2,     /* unsigned, from 1, of this device: none is missing or twice */
	MVP_RECEIPT_SERIAL = 3,       /* text */
	MVP_RECEIPT_CAUSE = 4,        /* enum mvp_cause */
	MVP_RECEIPT_ORDER = 5,        /* bytes, SHA-256 of the order message; with MVP_CAUSE_ORDER only */
	MVP_RECEIPT_ACTION = 6,       /* enum mvp_action; absent if the order could not be read */
	MVP_RECEIPT_OUTCOME = 7,      /* enum mvp_outcome */
	MVP_RECEIPT_COUNTER = 8,      /* unsigned, of the last order that was taken, 0: none yet */
	MVP_RECEIPT_TIME = 9,         /* by the device's clock, which never goes back */
	MVP_RECEIPT_MEASUREMENT = 10, /* 32 bytes, see below */
};

enum mvp_cause {
	MVP_CAUSE_ORDER = 1,
	MVP_CAUSE_PASSCODES = 2, /* too many wrong ones */
	MVP_CAUSE_LEASE = 3,     /* it ran out */
};

enum mvp_outcome {
	MVP_OUTCOME_DONE = 1,
	MVP_OUTCOME_MALFORMED = 2, /* the others refuse: nothing was changed */
	MVP_OUTCOME_SIGNATURE = 3,
	MVP_OUTCOME_DEVICE = 4, /* it is for another one */
	MVP_OUTCOME_STALE = 5,
	MVP_OUTCOME_UNKNOWN = 6, /* an action this device does not know */
	MVP_OUTCOME_WIPED = 7,   /* there is no work persona any more that could be locked or unlocked */
};

/* An answer to a verifier's nonce, signed by the device. */
enum mvp_attest_key {
	MVP_ATTEST_VERSION = 1,
	MVP_ATTEST_NONCE = 2, /* bytes, MVP_NONCE_MIN to MVP_NONCE_MAX */
	MVP_ATTEST_SERIAL = 3,
	MVP_ATTEST_TIME = 4,
	MVP_ATTEST_MEASUREMENT = 5,
	MVP_ATTEST_LOG = 6,   /* array of [name text, digest 32 bytes], in the order they were extended in */
	MVP_ATTEST_STATE = 7, /* of the work persona: enum mvp_work_state */
	MVP_ATTEST_COUNTER = 8,
};

enum mvp_work_state {
	MVP_WORK_LOCKED = 1, /* waits for its passcode */
	MVP_WORK_OPEN = 2,
	MVP_WORK_BARRED = 3, /* locked by an order or the lease */
	MVP_WORK_WIPING = 4,
	MVP_WORK_WIPED = 5,
	MVP_WORK_FAILED = 6, /* cannot be started: damaged, or not verified */
};

/* The measurement: M = 32 zero bytes at start; each component extends it, M = SHA-256(M || digest). In order: `hypervisor`, the image of
 * core and vault as the bootloader starts it, up to its end of what never changes (text and constants; the vault's too); then, each time
 * one is started for the first time since the handset was, `personal` or `work`: SHA-256 of the persona's boot image (its verified length).
 */
#define MVP_MEASUREMENT_LEN 32
#define MVP_MEASUREMENT_LOG_MAX 4

#endif
