/* The ledger of provisioned devices, and of the orders and receipts there were for them: one SQLite file. Several processes may use it at
 * the same time. It holds no secret. */
#ifndef IMAGEGEN_LEDGER_H
#define IMAGEGEN_LEDGER_H

#include "imagegen/base/base.h"
#include "imagegen/order/message.h"

struct ledger_device {
	char serial[MVP_SERIAL_MAX + 1], fleet[MVP_SERIAL_MAX + 1]; /* fleet "": of none */
	uint8_t device_public[MVP_P256_POINT_LEN], order_public[MVP_P256_POINT_LEN];
	uint8_t image_sha256[32]; /* of the flash without what provisioning writes */
	uint64_t provisioned_at;
	bool complete; /* false: provisioning began, but did not say that it ended */
};

struct ledger;
/* create: make the file if it is missing, and write; otherwise it is only read. */
MUST_USE int ledger_open(const char *path, bool create, struct ledger **ret_l, struct diag *d);
void ledger_free(struct ledger *l); /* what was not committed is undone */
DEFINE_FREEP(struct ledger, ledger_free)

/* Everything between the two is done at once or not at all, and no other process writes meanwhile. */
MUST_USE int ledger_begin(struct ledger *l, struct diag *d);
MUST_USE int ledger_commit(struct ledger *l, struct diag *d);

/* 1 if there is no such device. */
MUST_USE int ledger_find(struct ledger *l, const char *serial, struct ledger_device *ret, struct diag *d);
/* As ledger_find, but -1 and MVP1005 if there is none. */
MUST_USE int ledger_get(struct ledger *l, const char *serial, struct ledger_device *ret, struct diag *d);
/* All devices (of a fleet, unless it is NULL) by serial, malloc'd. */
MUST_USE int ledger_devices(struct ledger *l, const char *fleet, struct ledger_device **ret, size_t *ret_count, struct diag *d);
/* Writes a device down. One of the same serial is retired: it stays in the file, but is no longer found. */
MUST_USE int ledger_add(struct ledger *l, const struct ledger_device *dev, struct diag *d);
MUST_USE int ledger_complete(struct ledger *l, const char *serial, struct diag *d);
MUST_USE int ledger_set_order_key(struct ledger *l, const char *serial, const uint8_t point[MVP_P256_POINT_LEN], struct diag *d);

/* The highest counter of all orders and receipts that the devices of this order's serial or fleet can have seen; 0: none. */
MUST_USE int ledger_last_counter(struct ledger *l, const struct order *o, uint64_t *ret_counter, struct diag *d);
MUST_USE int ledger_add_order(struct ledger *l, const struct message *m, const uint8_t *bytes, size_t len, struct diag *d);
/* The order with this digest; 1 if it is not there. ret_m borrows from *ret_bytes (malloc'd). */
MUST_USE int ledger_find_order(struct ledger *l, const uint8_t digest[32], uint8_t **ret_bytes, struct message *ret_m, struct diag *d);
/* 1 if this very receipt is there already; -1 and MVP1002 if another one has its number. */
MUST_USE int ledger_add_receipt(struct ledger *l, const struct message *m, const uint8_t *bytes, size_t len, struct diag *d);
/* An order, once for each device that it is for, and what became of it there. */
struct ledger_sent {
	char serial[MVP_SERIAL_MAX + 1];
	uint64_t counter, issued;
	unsigned action;
	unsigned outcome; /* of the device's receipt; 0: it has not answered */
	uint64_t time;    /* of that receipt */
	bool passed;      /* not answered, but the device has taken a later one: this one would be stale */
};
/* By device and counter; serial and fleet: NULL for all. malloc'd. */
MUST_USE int ledger_sent(struct ledger *l, const char *serial, const char *fleet, struct ledger_sent **ret, size_t *ret_count,
			 struct diag *d);
/* How many receipts there are of a device, and the highest number among them. */
MUST_USE int ledger_receipts(struct ledger *l, const char *serial, uint64_t *ret_count, uint64_t *ret_last, struct diag *d);

#endif
