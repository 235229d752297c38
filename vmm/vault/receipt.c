#include "receipt.h"

#include "clock.h"
#include "cose.h"
#include "identity.h"
#include "measure.h"
#include "state.h"

#define REFUSALS_MAX (MVP_STATE_RECEIPTS / 2)
#define SIGN_BITS 4 /* of a signature, between looks at the clock */

bool receipt_has_room(enum receipt_kind kind)
{
	uint32_t max = kind == RECEIPT_REFUSAL ? REFUSALS_MAX : kind == RECEIPT_ORDER ? MVP_STATE_RECEIPTS - 1 : MVP_STATE_RECEIPTS;
	return state_get()->receipts_count < max;
}

void receipt_add(enum mvp_cause cause, const uint8_t *order, enum mvp_action action, enum mvp_outcome outcome)
{
	struct mvp_state *s = state_edit();
	if (s->receipts_count == MVP_STATE_RECEIPTS)
		return;
	struct mvp_state_receipt *r = &s->receipts[s->receipts_count++];
	memset(r, 0, sizeof(*r));
	r->sequence = ++s->receipt_sequence;
	r->time = clock_now();
	r->counter = s->order_counter;
	r->cause = (uint8_t)cause;
	r->action = (uint8_t)action;
	r->outcome = (uint8_t)outcome;
	if (order)
		memcpy(r->order, order, sizeof(r->order));
	measure_get(r->measurement);
}

const struct mvp_state_receipt *receipt_find(const uint8_t order[SHA256_LEN], enum mvp_outcome outcome)
{
	const struct mvp_state *s = state_get();
	for (uint32_t i = 0; i < s->receipts_count; i++) {
		const struct mvp_state_receipt *r = &s->receipts[i];
		if (r->cause == MVP_CAUSE_ORDER && !memcmp(r->order, order, sizeof(r->order)) && (!outcome || r->outcome == outcome))
			return r;
	}
	return NULL;
}

const struct mvp_state_receipt *receipt_oldest(void)
{
	const struct mvp_state *s = state_get();
	return s->receipts_count ? &s->receipts[0] : NULL;
}

bool receipt_drop(uint64_t sequence)
{
	struct mvp_state *s = state_edit();
	for (uint32_t i = 0; i < s->receipts_count; i++) {
		if (s->receipts[i].sequence != sequence)
			continue;
		for (; i + 1 < s->receipts_count; i++)
			s->receipts[i] = s->receipts[i + 1];
		memset(&s->receipts[--s->receipts_count], 0, sizeof(s->receipts[0]));
		return true;
	}
	return false;
}

/* Messages */

static void put_pair(struct cbor_out *out, unsigned key, uint64_t value)
{
	cbor_put(out, CBOR_UINT, key);
	cbor_put(out, CBOR_UINT, value);
}

static void put_string(struct cbor_out *out, unsigned key, enum cbor_type type, const void *data, size_t len)
{
	cbor_put(out, CBOR_UINT, key);
	cbor_put_string(out, type, data, len);
}

static bool begin(struct message *m, const char *type, const struct cbor_out *payload)
{
	uint8_t digest[SHA256_LEN];
	cose_digest(type, payload->data, payload->len, digest);
	m->type = type;
	m->len = payload->len;
	return !payload->full && identity_sign_begin(&m->sign, digest);
}

bool message_step(struct message *m)
{
	return p256_sign_step(&m->sign, SIGN_BITS);
}

size_t message_end(struct message *m, uint8_t ret[MVP_ATTEST_MAX])
{
	uint8_t signature[MVP_P256_SIGNATURE_LEN];
	if (!identity_sign_end(&m->sign, signature))
		return 0;
	return cose_emit(m->type, m->payload, m->len, signature, ret, MVP_ATTEST_MAX);
}

bool receipt_begin(struct message *m, const struct mvp_state_receipt *r)
{
	struct cbor_out out = cbor_out(m->payload, sizeof(m->payload));
	bool ordered = r->cause == MVP_CAUSE_ORDER;
	cbor_put(&out, CBOR_MAP, 8u + ordered + (r->action != 0));
	put_pair(&out, MVP_RECEIPT_VERSION, MVP_MESSAGE_VERSION);
	put_pair(&out, MVP_RECEIPT_SEQUENCE, r->sequence);
	put_string(&out, MVP_RECEIPT_SERIAL, CBOR_TEXT, identity_serial(), text_len(identity_serial()));
	put_pair(&out, MVP_RECEIPT_CAUSE, r->cause);
	if (ordered)
		put_string(&out, MVP_RECEIPT_ORDER, CBOR_BYTES, r->order, sizeof(r->order));
	if (r->action)
		put_pair(&out, MVP_RECEIPT_ACTION, r->action);
	put_pair(&out, MVP_RECEIPT_OUTCOME, r->outcome);
	put_pair(&out, MVP_RECEIPT_COUNTER, r->counter);
	put_pair(&out, MVP_RECEIPT_TIME, r->time);
	put_string(&out, MVP_RECEIPT_MEASUREMENT, CBOR_BYTES, r->measurement, sizeof(r->measurement));
	return begin(m, MVP_RECEIPT_TYPE, &out);
}

bool attest_begin(struct message *m, const uint8_t *nonce, size_t nonce_len, enum mvp_work_state work)
{
	uint8_t measurement[MVP_MEASUREMENT_LEN];
	struct cbor_out out = cbor_out(m->payload, sizeof(m->payload));
	unsigned count = measure_count();
	measure_get(measurement);
	cbor_put(&out, CBOR_MAP, 8);
	put_pair(&out, MVP_ATTEST_VERSION, MVP_MESSAGE_VERSION);
	put_string(&out, MVP_ATTEST_NONCE, CBOR_BYTES, nonce, nonce_len);
	put_string(&out, MVP_ATTEST_SERIAL, CBOR_TEXT, identity_serial(), text_len(identity_serial()));
	put_pair(&out, MVP_ATTEST_TIME, clock_now());
	put_string(&out, MVP_ATTEST_MEASUREMENT, CBOR_BYTES, measurement, sizeof(measurement));
	cbor_put(&out, CBOR_UINT, MVP_ATTEST_LOG);
	cbor_put(&out, CBOR_ARRAY, count);
	for (unsigned i = 0; i < count; i++) {
		const struct measure_entry *e = measure_log(i);
		cbor_put(&out, CBOR_ARRAY, 2);
		cbor_put_string(&out, CBOR_TEXT, e->name, text_len(e->name));
		cbor_put_string(&out, CBOR_BYTES, e->digest, sizeof(e->digest));
	}
	put_pair(&out, MVP_ATTEST_STATE, work);
	put_pair(&out, MVP_ATTEST_COUNTER, state_get()->order_counter);
	return begin(m, MVP_ATTEST_TYPE, &out);
}
