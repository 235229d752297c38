#include "imagegen/order/message.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/cose/cbor.h"

enum field_kind { FIELD_VERSION, FIELD_UINT, FIELD_NAME, FIELD_TEXT, FIELD_BYTES, FIELD_NONCE, FIELD_LOG };

/* One key of a kind of message. */
struct field {
	enum field_kind kind;
	size_t at;  /* of the member in struct message */
	size_t len; /* FIELD_TEXT: most bytes; FIELD_BYTES: exactly */
};

#define FIELD(key, kind_, member, ...) [key] = { .kind = FIELD_##kind_, .at = offsetof(struct message, member), __VA_ARGS__ }
#define VERSION [1] = { .kind = FIELD_VERSION }

static const struct field order_fields[] = {
	VERSION,
	FIELD(MVP_ORDER_ACTION, UINT, order.action),
	FIELD(MVP_ORDER_SERIAL, NAME, order.serial),
	FIELD(MVP_ORDER_FLEET, NAME, order.fleet),
	FIELD(MVP_ORDER_COUNTER, UINT, order.counter),
	FIELD(MVP_ORDER_ISSUED, UINT, order.issued),
	FIELD(MVP_ORDER_REASON, TEXT, order.reason, .len = MVP_REASON_MAX),
	FIELD(MVP_ORDER_LOCK_AFTER, UINT, order.lock_after),
	FIELD(MVP_ORDER_WIPE_AFTER, UINT, order.wipe_after),
	FIELD(MVP_ORDER_NEW_KEY, BYTES, order.new_key, .len = MVP_P256_POINT_LEN),
};

static const struct field receipt_fields[] = {
	VERSION,
	FIELD(MVP_RECEIPT_SEQUENCE, UINT, receipt.sequence),
	FIELD(MVP_RECEIPT_SERIAL, NAME, receipt.serial),
	FIELD(MVP_RECEIPT_CAUSE, UINT, receipt.cause),
	FIELD(MVP_RECEIPT_ORDER, BYTES, receipt.order, .len = 32),
	FIELD(MVP_RECEIPT_ACTION, UINT, receipt.action),
	FIELD(MVP_RECEIPT_OUTCOME, UINT, receipt.outcome),
	FIELD(MVP_RECEIPT_COUNTER, UINT, receipt.counter),
	FIELD(MVP_RECEIPT_TIME, UINT, receipt.time),
	FIELD(MVP_RECEIPT_MEASUREMENT, BYTES, receipt.measurement, .len = MVP_MEASUREMENT_LEN),
};

static const struct field attest_fields[] = {
	VERSION,
	FIELD(MVP_ATTEST_NONCE, NONCE, attest.nonce),
	FIELD(MVP_ATTEST_SERIAL, NAME, attest.serial),
	FIELD(MVP_ATTEST_TIME, UINT, attest.time),
	FIELD(MVP_ATTEST_MEASUREMENT, BYTES, attest.measurement, .len = MVP_MEASUREMENT_LEN),
	FIELD(MVP_ATTEST_LOG, LOG, attest.log),
	FIELD(MVP_ATTEST_STATE, UINT, attest.state),
	FIELD(MVP_ATTEST_COUNTER, UINT, attest.counter),
};

static const struct kind {
	const char *name, *type;
	size_t max; /* bytes of a message */
	const struct field *fields;
	size_t count; /* with the key 0, which there is not */
} kinds[] = {
	[MESSAGE_ORDER] = { "order", MVP_ORDER_TYPE, MVP_ORDER_MAX, order_fields, ARRAY_LEN(order_fields) },
	[MESSAGE_RECEIPT] = { "receipt", MVP_RECEIPT_TYPE, MVP_RECEIPT_MAX, receipt_fields, ARRAY_LEN(receipt_fields) },
	[MESSAGE_ATTEST] = { "attestation", MVP_ATTEST_TYPE, MVP_ATTEST_MAX, attest_fields, ARRAY_LEN(attest_fields) },
};

const char *message_kind_name(enum message_kind kind)
{
	return kinds[kind].name;
}

bool message_is_name(const char *s)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t len = strlen(s);
	return len > 0 && len <= MVP_SERIAL_MAX && strspn(s, allowed) == len && strspn(s, ".") < len;
}

/* Reading */

static void read_text(struct cbor_reader *r, size_t min, size_t max, char *ret)
{
	size_t len;
	const uint8_t *text = cbor_read_string(r, CBOR_TEXT, min, max, &len);
	if (!text || memchr(text, 0, len)) {
		r->bad = true;
		return;
	}
	memcpy(ret, text, len);
	ret[len] = 0;
}

static void read_bytes(struct cbor_reader *r, size_t min, size_t max, uint8_t *ret, size_t *ret_len)
{
	const uint8_t *bytes = cbor_read_string(r, CBOR_BYTES, min, max, ret_len);
	if (bytes)
		memcpy(ret, bytes, *ret_len);
}

static void read_log(struct cbor_reader *r, struct attest *a)
{
	uint64_t count = cbor_read(r, CBOR_ARRAY);
	if (count > MVP_MEASUREMENT_LOG_MAX)
		r->bad = true;
	for (a->log_count = 0; a->log_count < count && !r->bad; a->log_count++) {
		struct attest_event *e = &a->log[a->log_count];
		size_t len;
		if (cbor_read(r, CBOR_ARRAY) != 2)
			r->bad = true;
		read_text(r, 1, sizeof(e->name) - 1, e->name);
		read_bytes(r, sizeof(e->digest), sizeof(e->digest), e->digest, &len);
	}
}

static void read_field(struct cbor_reader *r, const struct field *f, struct message *m)
{
	void *member = (char *)m + f->at;
	size_t len;
	switch (f->kind) {
	case FIELD_VERSION:
		if (cbor_read(r, CBOR_UINT) != MVP_MESSAGE_VERSION)
			r->bad = true;
		break;
	case FIELD_UINT:
		*(uint64_t *)member = cbor_read(r, CBOR_UINT);
		break;
	case FIELD_NAME:
		read_text(r, 1, MVP_SERIAL_MAX, member);
		if (!r->bad && !message_is_name(member))
			r->bad = true;
		break;
	case FIELD_TEXT:
		read_text(r, 0, f->len, member);
		break;
	case FIELD_BYTES:
		read_bytes(r, f->len, f->len, member, &len);
		break;
	case FIELD_NONCE:
		read_bytes(r, MVP_NONCE_MIN, MVP_NONCE_MAX, member, &m->attest.nonce_len);
		break;
	case FIELD_LOG:
		read_log(r, &m->attest);
		break;
	}
}

#define BIT(key) (1u << (key))

/* Which keys go together. */
static const char *order_fault(const struct message *m)
{
	const struct order *o = &m->order;
	uint32_t device = m->has & (BIT(MVP_ORDER_SERIAL) | BIT(MVP_ORDER_FLEET)), own = 0;
	if (o->action == MVP_ACTION_LEASE)
		own = BIT(MVP_ORDER_LOCK_AFTER) | BIT(MVP_ORDER_WIPE_AFTER);
	else if (o->action == MVP_ACTION_ROTATE_KEY)
		own = BIT(MVP_ORDER_NEW_KEY);
	if (device != BIT(MVP_ORDER_SERIAL) && device != BIT(MVP_ORDER_FLEET))
		return "it is not for one device or one fleet";
	if ((m->has & ~(device | BIT(MVP_ORDER_REASON))) !=
	    (own | BIT(MVP_ORDER_VERSION) | BIT(MVP_ORDER_ACTION) | BIT(MVP_ORDER_COUNTER) | BIT(MVP_ORDER_ISSUED)))
		return "it lacks a key, or has one that its action does not have";
	if (o->lock_after && o->wipe_after && o->wipe_after < o->lock_after)
		return "its lease wipes before it locks";
	return NULL;
}

static const char *receipt_fault(const struct message *m)
{
	const uint32_t maybe = BIT(MVP_RECEIPT_ORDER) | BIT(MVP_RECEIPT_ACTION);
	if ((m->has | maybe) != (BIT(ARRAY_LEN(receipt_fields)) - 2))
		return "it lacks a key";
	if (message_has(m, MVP_RECEIPT_ORDER) != (m->receipt.cause == MVP_CAUSE_ORDER))
		return "its cause and its order do not go together";
	return NULL;
}

static const char *attest_fault(const struct message *m)
{
	return m->has == BIT(ARRAY_LEN(attest_fields)) - 2 ? NULL : "it lacks a key";
}

static const char *parse_payload(struct message *m)
{
	const struct kind *k = &kinds[m->kind];
	struct cbor_reader r = CBOR_READER(m->cose.payload, m->cose.payload_len);
	uint64_t pairs = cbor_read(&r, CBOR_MAP), key = 0;
	for (uint64_t i = 0; i < pairs && !r.bad; i++) {
		key = cbor_read_key(&r, key);
		if (r.bad || key >= k->count)
			return "its keys are not ascending, or one is unknown";
		m->has |= BIT(key);
		read_field(&r, &k->fields[key], m);
	}
	if (!cbor_read_all(&r))
		return "a value is not what its key wants, or not in deterministic encoding";
	return m->kind == MESSAGE_ORDER ? order_fault(m) : m->kind == MESSAGE_RECEIPT ? receipt_fault(m) : attest_fault(m);
}

const char *message_parse(const uint8_t *data, size_t len, struct message *ret_m)
{
	struct message m = { 0 };
	const char *fault = cose_parse(data, len, &m.cose);
	if (fault)
		return fault;
	while (strcmp(kinds[m.kind].type, m.cose.type) != 0) {
		if (++m.kind == ARRAY_LEN(kinds))
			return "its content type is none of an order, a receipt or an attestation";
	}
	if (len > kinds[m.kind].max)
		return "it is too long for its kind";
	fault = parse_payload(&m);
	if (fault)
		return fault;
	if (EVP_Digest(data, len, m.digest, NULL, EVP_sha256(), NULL) != 1)
		return "SHA-256 failed";
	*ret_m = m;
	return NULL;
}

int message_read(const char *path, uint8_t **ret_data, size_t *ret_len, struct message *ret_m, struct diag *d)
{
	struct loc loc = LOC_FILE(path);
	uint8_t *data CLEANUP_FREE = NULL;
	size_t len;
	int rc = io_read_file(path, MESSAGE_MAX, &data, &len);
	if (rc == -EFBIG)
		return diag_fail(d, MVP1001, &loc, "neither an order nor a receipt nor an attestation: longer than %d bytes", MESSAGE_MAX);
	if (rc)
		return diag_fail(d, MVP1001, &loc, "cannot read the message: %s", strerror(-rc));
	const char *fault = message_parse(data, len, ret_m);
	if (fault)
		return diag_fail(d, MVP1001, &loc, "neither an order nor a receipt nor an attestation: %s", fault);
	*ret_data = TAKE(data);
	*ret_len = len;
	return 0;
}

/* Writing */

static void write_log(const struct attest *a, struct buf *out)
{
	(void)cbor_write(out, CBOR_ARRAY, a->log_count);
	for (size_t i = 0; i < a->log_count; i++) {
		(void)cbor_write(out, CBOR_ARRAY, 2);
		(void)cbor_write_string(out, CBOR_TEXT, a->log[i].name, strlen(a->log[i].name));
		(void)cbor_write_string(out, CBOR_BYTES, a->log[i].digest, sizeof(a->log[i].digest));
	}
}

int message_emit(const struct message *m, struct buf *out)
{
	const struct kind *k = &kinds[m->kind];
	(void)cbor_write(out, CBOR_MAP, (uint64_t)__builtin_popcount(m->has));
	for (unsigned key = 1; key < k->count; key++) {
		const struct field *f = &k->fields[key];
		const void *member = (const char *)m + f->at;
		if (!message_has(m, key))
			continue;
		(void)cbor_write(out, CBOR_UINT, key);
		switch (f->kind) {
		case FIELD_VERSION:
			(void)cbor_write(out, CBOR_UINT, MVP_MESSAGE_VERSION);
			break;
		case FIELD_UINT:
			(void)cbor_write(out, CBOR_UINT, *(const uint64_t *)member);
			break;
		case FIELD_NAME:
		case FIELD_TEXT:
			(void)cbor_write_string(out, CBOR_TEXT, member, strlen(member));
			break;
		case FIELD_BYTES:
			(void)cbor_write_string(out, CBOR_BYTES, member, f->len);
			break;
		case FIELD_NONCE:
			(void)cbor_write_string(out, CBOR_BYTES, member, m->attest.nonce_len);
			break;
		case FIELD_LOG:
			write_log(&m->attest, out);
			break;
		}
	}
	return buf_error(out);
}

bool attest_log_holds(const struct attest *a)
{
	uint8_t both[2 * MVP_MEASUREMENT_LEN] = { 0 };
	for (size_t i = 0; i < a->log_count; i++) {
		memcpy(both + MVP_MEASUREMENT_LEN, a->log[i].digest, sizeof(a->log[i].digest));
		if (EVP_Digest(both, sizeof(both), both, NULL, EVP_sha256(), NULL) != 1)
			return false;
	}
	return memcmp(both, a->measurement, MVP_MEASUREMENT_LEN) == 0;
}

/* Words */

static const char *word(const char *const *words, size_t count, uint64_t n)
{
	return n < count ? words[n] : NULL;
}

const char *order_action_name(uint64_t action)
{
	static const char *const words[] = { [MVP_ACTION_WIPE] = "wipe",
					     [MVP_ACTION_LOCK] = "lock",
					     [MVP_ACTION_UNLOCK_ALLOW] = "unlock-allow",
					     [MVP_ACTION_LEASE] = "lease",
					     [MVP_ACTION_ROTATE_KEY] = "rotate-key" };
	return word(words, ARRAY_LEN(words), action);
}

const char *receipt_cause_name(uint64_t cause)
{
	static const char *const words[] = {
		[MVP_CAUSE_ORDER] = "order", [MVP_CAUSE_PASSCODES] = "passcodes", [MVP_CAUSE_LEASE] = "lease"
	};
	return word(words, ARRAY_LEN(words), cause);
}

const char *receipt_outcome_name(uint64_t outcome)
{
	static const char *const words[] = {
		[MVP_OUTCOME_DONE] = "done",     [MVP_OUTCOME_MALFORMED] = "malformed", [MVP_OUTCOME_SIGNATURE] = "signature",
		[MVP_OUTCOME_DEVICE] = "device", [MVP_OUTCOME_STALE] = "stale",         [MVP_OUTCOME_UNKNOWN] = "unknown",
		[MVP_OUTCOME_WIPED] = "wiped"
	};
	return word(words, ARRAY_LEN(words), outcome);
}

const char *attest_state_name(uint64_t state)
{
	static const char *const words[] = { [MVP_WORK_LOCKED] = "locked", [MVP_WORK_OPEN] = "open",   [MVP_WORK_BARRED] = "barred",
					     [MVP_WORK_WIPING] = "wiping", [MVP_WORK_WIPED] = "wiped", [MVP_WORK_FAILED] = "failed" };
	return word(words, ARRAY_LEN(words), state);
}
