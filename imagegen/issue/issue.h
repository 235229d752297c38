/* What the office does that gives devices their orders: makes and publishes them, and judges what comes back. */
#ifndef IMAGEGEN_ISSUE_H
#define IMAGEGEN_ISSUE_H

#include "imagegen/base/base.h"
#include "imagegen/order/message.h"

struct issue_opts {
	const struct sign_key *key; /* on P-256 */
	bool choose_counter;        /* one above all that the ledger knows; without a ledger, the time of issue */
	const char *ledger;         /* NULL: none. Gets a copy of the order */
	const char *output;         /* the file to write, or NULL */
	/* Or NULL: the root folder of a static web server. The order becomes <publish>/<xx>/<serial>.order, where xx are the first two
	 * digits of the SHA-256 of the serial, in place of an older one; an order for a fleet, once for each of its devices in the ledger.
	 */
	const char *publish;
};

struct issue_result {
	uint64_t counter_above; /* the ledger's last counter; meaningful with choose_counter and a ledger */
	size_t published;       /* files */
};

/* m is an order without version and, with choose_counter, without counter; both are filled in, as is its digest. The device must be in the
 * ledger, if one is given, and obey the key. */
MUST_USE int issue_order(const struct issue_opts *opts, struct message *m, struct issue_result *ret, struct diag *d);

struct issue_check {
	const char *ledger, *device_key; /* exactly one of the two; device_key: PEM */
	const char *order;               /* the file of the order that the receipt must answer, or NULL */
	bool done;                       /* a refusal is a failure */
	bool record;                     /* keep the receipt in the ledger */
};
struct issue_checked {
	bool order_known; /* the order was found, in the file or in the ledger */
	bool recorded;    /* it is new in the ledger */
	uint64_t missing; /* receipts with lower numbers that the ledger does not have; with record only */
};
/* m is a receipt whose bytes are data: signed by the device it names, and an answer to the order. */
MUST_USE int issue_check_receipt(const struct issue_check *c, const struct message *m, const uint8_t *data, size_t len,
				 struct issue_checked *ret, struct diag *d);

struct issue_attest {
	const char *ledger, *device_key;
	const uint8_t *nonce;
	size_t nonce_len;
	const uint8_t (*measurements)[MVP_MEASUREMENT_LEN]; /* one of these is wanted; count 0: any */
	size_t measurements_count;
};
MUST_USE int issue_check_attest(const struct issue_attest *c, const struct message *m, struct diag *d);

#endif
