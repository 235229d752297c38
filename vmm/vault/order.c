#include "order.h"

static uint32_t key_bit(enum mvp_order_key key)
{
	return 1u << key;
}

static void take_string(struct cbor_in *in, enum cbor_type type, const uint8_t **ret, size_t *ret_len, size_t min, size_t max)
{
	*ret = cbor_get_string(in, type, ret_len);
	if (*ret_len < min || *ret_len > max)
		in->bad = true;
}

static void take_value(struct cbor_in *in, uint64_t key, struct order *o)
{
	size_t len;
	switch (key) {
	case MVP_ORDER_VERSION:
		if (cbor_get(in, CBOR_UINT) != MVP_MESSAGE_VERSION)
			in->bad = true;
		break;
	case MVP_ORDER_ACTION:
		o->action = cbor_get(in, CBOR_UINT);
		break;
	case MVP_ORDER_SERIAL:
		take_string(in, CBOR_TEXT, &o->serial, &o->serial_len, 1, MVP_SERIAL_MAX);
		break;
	case MVP_ORDER_FLEET:
		take_string(in, CBOR_TEXT, &o->fleet, &o->fleet_len, 1, MVP_SERIAL_MAX);
		break;
	case MVP_ORDER_COUNTER:
		o->counter = cbor_get(in, CBOR_UINT);
		break;
	case MVP_ORDER_ISSUED:
		o->issued = cbor_get(in, CBOR_UINT);
		break;
	case MVP_ORDER_REASON:
		take_string(in, CBOR_TEXT, &o->reason, &o->reason_len, 0, MVP_REASON_MAX);
		break;
	case MVP_ORDER_LOCK_AFTER:
		o->lock_after = cbor_get(in, CBOR_UINT);
		break;
	case MVP_ORDER_WIPE_AFTER:
		o->wipe_after = cbor_get(in, CBOR_UINT);
		break;
	case MVP_ORDER_NEW_KEY:
		take_string(in, CBOR_BYTES, &o->new_key, &len, MVP_P256_POINT_LEN, MVP_P256_POINT_LEN);
		break;
	default:
		in->bad = true;
	}
}

/* The keys that an action has: the common ones, one of serial and fleet, and maybe a reason. */
static bool has_right_keys(const struct order *o, uint32_t keys)
{
	const uint32_t common =
		key_bit(MVP_ORDER_VERSION) | key_bit(MVP_ORDER_ACTION) | key_bit(MVP_ORDER_COUNTER) | key_bit(MVP_ORDER_ISSUED);
	uint32_t device = keys & (key_bit(MVP_ORDER_SERIAL) | key_bit(MVP_ORDER_FLEET)), own = 0;
	if (o->action == MVP_ACTION_LEASE)
		own = key_bit(MVP_ORDER_LOCK_AFTER) | key_bit(MVP_ORDER_WIPE_AFTER);
	else if (o->action == MVP_ACTION_ROTATE_KEY)
		own = key_bit(MVP_ORDER_NEW_KEY);
	if (device != key_bit(MVP_ORDER_SERIAL) && device != key_bit(MVP_ORDER_FLEET))
		return false;
	return (keys & ~(device | key_bit(MVP_ORDER_REASON))) == (common | own);
}

bool order_parse(const uint8_t *message, size_t len, struct order *ret_order)
{
	uint32_t keys = 0;
	uint64_t last = 0;
	memset(ret_order, 0, sizeof(*ret_order));
	if (len > MVP_ORDER_MAX || !cose_parse(message, len, MVP_ORDER_TYPE, &ret_order->cose))
		return false;
	struct cbor_in in = cbor_in(ret_order->cose.payload, ret_order->cose.payload_len);
	uint64_t pairs = cbor_get(&in, CBOR_MAP);
	for (uint64_t i = 0; i < pairs && !in.bad; i++) {
		uint64_t key = cbor_get(&in, CBOR_UINT);
		if (in.bad || key <= last || key > MVP_ORDER_NEW_KEY)
			return false; /* keys begin with 1 and ascend: none is there twice */
		last = key;
		keys |= 1u << key;
		take_value(&in, key, ret_order);
	}
	const struct order *o = ret_order;
	if (!cbor_is_end(&in) || !has_right_keys(o, keys))
		return false;
	return !o->lock_after || !o->wipe_after || o->lock_after <= o->wipe_after;
}

static bool is_name(const uint8_t *text, size_t len, const char *name)
{
	return len && len == text_len(name) && !memcmp(text, name, len);
}

bool order_is_for(const struct order *o, const char *serial, const char *fleet)
{
	return is_name(o->serial, o->serial_len, serial) || is_name(o->fleet, o->fleet_len, fleet);
}
