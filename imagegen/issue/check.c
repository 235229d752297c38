/* Judging receipts and attestations. */
#include <inttypes.h>
#include <openssl/crypto.h>
#include <string.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/mem.h"
#include "imagegen/issue/issue.h"
#include "imagegen/ledger/ledger.h"

/* The key of the device that the message is said to be from, by the ledger or as it was given. */
static int device_key(struct ledger *l, const char *path, const char *serial, EVP_PKEY **ret_key, struct diag *d)
{
	struct ledger_device dev;
	struct loc loc = LOC_FILE(path);
	if (!l)
		return sign_read_public(path, &loc, ret_key, d);
	if (ledger_get(l, serial, &dev, d) < 0)
		return -1;
	*ret_key = p256_key(dev.device_public);
	return *ret_key ? 0 : diag_fail(d, MVP1004, NULL, "the ledger is damaged: the key of the device '%s' is none", serial);
}

static int check_signature(struct ledger *l, const char *path, const char *serial, const struct message *m, struct diag *d)
{
	EVP_PKEY *key CLEANUP(EVP_PKEY_freep) = NULL;
	if (device_key(l, path, serial, &key, d) < 0)
		return -1;
	if (!cose_verify(&m->cose, key))
		return diag_fail(d, MVP1002, NULL, "the %s's signature is not that of the device '%s'", message_kind_name(m->kind), serial);
	return 0;
}

/* What a device says of an order must fit what the order says. */
static int compare(const struct receipt *r, const struct message *order, struct diag *d)
{
	const struct order *o = &order->order;
	if (r->cause != MVP_CAUSE_ORDER || CRYPTO_memcmp(r->order, order->digest, sizeof(r->order)) != 0)
		return diag_fail(d, MVP1002, NULL, "the receipt is not for this order");
	if (r->outcome != MVP_OUTCOME_DONE)
		return 0;
	if (r->action != o->action || r->counter < o->counter || (o->serial[0] && strcmp(o->serial, r->serial) != 0))
		return diag_fail(d, MVP1002, NULL, "the receipt says it did something else than the order asks for");
	return 0;
}

static int check_order(const struct issue_check *c, struct ledger *l, const struct message *m, struct issue_checked *ret, struct diag *d)
{
	uint8_t *bytes CLEANUP_FREE = NULL;
	struct message order;
	size_t len;
	struct loc loc = LOC_FILE(c->order);
	if (c->order) {
		if (message_read(c->order, &bytes, &len, &order, d) < 0)
			return -1;
		if (order.kind != MESSAGE_ORDER)
			return diag_fail(d, MVP1001, &loc, "not an order but %s %s", order.kind == MESSAGE_ATTEST ? "an" : "a",
					 message_kind_name(order.kind));
	} else {
		int rc = l && message_has(m, MVP_RECEIPT_ORDER) ? ledger_find_order(l, m->receipt.order, &bytes, &order, d) : 1;
		if (rc)
			return rc < 0 ? -1 : 0;
	}
	ret->order_known = true;
	return compare(&m->receipt, &order, d);
}

/* A device that took a new order key says so in its receipt: from then on the ledger has it, too. */
static int follow_rotation(struct ledger *l, const struct message *m, struct diag *d)
{
	uint8_t *bytes CLEANUP_FREE = NULL;
	struct message order;
	const struct receipt *r = &m->receipt;
	if (r->action != MVP_ACTION_ROTATE_KEY || r->outcome != MVP_OUTCOME_DONE || !message_has(m, MVP_RECEIPT_ORDER))
		return 0;
	int rc = ledger_find_order(l, r->order, &bytes, &order, d);
	if (rc == 0)
		return ledger_set_order_key(l, r->serial, order.order.new_key, d);
	if (rc > 0)
		diag_warn(d, MVP1006, NULL,
			  "the device '%s' obeys a new key, which the ledger does not know: the order was made without it", r->serial);
	return rc < 0 ? -1 : 0;
}

static int record(struct ledger *l, const struct message *m, const uint8_t *data, size_t len, struct issue_checked *ret, struct diag *d)
{
	uint64_t count, last;
	if (ledger_begin(l, d) < 0)
		return -1;
	int rc = ledger_add_receipt(l, m, data, len, d);
	if (rc < 0 || (rc == 0 && follow_rotation(l, m, d) < 0) || ledger_commit(l, d) < 0 ||
	    ledger_receipts(l, m->receipt.serial, &count, &last, d) < 0)
		return -1;
	ret->recorded = rc == 0;
	ret->missing = last > count ? last - count : 0;
	return 0;
}

int issue_check_receipt(const struct issue_check *c, const struct message *m, const uint8_t *data, size_t len, struct issue_checked *ret,
			struct diag *d)
{
	struct ledger *l CLEANUP(ledger_freep) = NULL;
	const struct receipt *r = &m->receipt;
	*ret = (struct issue_checked){ 0 };
	if (c->ledger && ledger_open(c->ledger, false, &l, d) < 0)
		return -1;
	if (check_signature(l, c->device_key, r->serial, m, d) < 0 || check_order(c, l, m, ret, d) < 0)
		return -1;
	if (c->record) {
		ledger_free(TAKE(l));
		if (ledger_open(c->ledger, true, &l, d) < 0 || record(l, m, data, len, ret, d) < 0)
			return -1;
	}
	if (c->done && r->outcome != MVP_OUTCOME_DONE) {
		const char *outcome = receipt_outcome_name(r->outcome);
		return diag_fail(d, MVP1002, NULL, "the device '%s' did not do it: its receipt says '%s'", r->serial,
				 outcome ? outcome : "something unknown");
	}
	return 0;
}

int issue_check_attest(const struct issue_attest *c, const struct message *m, struct diag *d)
{
	struct ledger *l CLEANUP(ledger_freep) = NULL;
	const struct attest *a = &m->attest;
	bool wanted = c->measurements_count == 0;
	if (c->ledger && ledger_open(c->ledger, false, &l, d) < 0)
		return -1;
	if (check_signature(l, c->device_key, a->serial, m, d) < 0)
		return -1;
	if (a->nonce_len != c->nonce_len || CRYPTO_memcmp(a->nonce, c->nonce, c->nonce_len) != 0)
		return diag_fail(d, MVP1002, NULL, "the attestation answers another nonce: it may be an old one");
	if (!attest_log_holds(a))
		return diag_fail(d, MVP1002, NULL, "the attestation's log does not give its measurement");
	for (size_t i = 0; i < c->measurements_count; i++)
		wanted |= memcmp(c->measurements[i], a->measurement, MVP_MEASUREMENT_LEN) == 0;
	return wanted ? 0
		      : diag_fail(d, MVP1002, NULL, "the device '%s' runs something else: its measurement is none of those given",
				  a->serial);
}
