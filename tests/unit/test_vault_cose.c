/* The vault's CBOR, COSE, Base64 and orders: what is written is read back, what is not deterministic is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "vault_host.h"

#include "../../vmm/vault/base64.c"
#include "../../vmm/vault/cbor.c"
#include "../../vmm/vault/cose.c"
#include "../../vmm/vault/lib.c"
#include "../../vmm/vault/order.c"
#include "../../vmm/vault/sha256.c"

static size_t from_hex(const char *hex, uint8_t *out)
{
	size_t n = 0;
	for (; hex[0] && hex[1]; hex += 2) {
		const char pair[] = { hex[0], hex[1], 0 };
		out[n++] = (uint8_t)strtoul(pair, NULL, 16);
	}
	return n;
}

/* RFC 8949, appendix A, and the longer forms of the same numbers, which its 4.2.1 does not want. */
static void test_cbor_takes_the_shortest_form_only(void **state)
{
	(void)state;
	static const struct {
		const char *hex;
		enum cbor_type type;
		uint64_t value;
		bool good;
	} rows[] = {
		{ "00", CBOR_UINT, 0, true },
		{ "17", CBOR_UINT, 23, true },
		{ "1818", CBOR_UINT, 24, true },
		{ "1903e8", CBOR_UINT, 1000, true },
		{ "1a000f4240", CBOR_UINT, 1000000, true },
		{ "1bffffffffffffffff", CBOR_UINT, UINT64_MAX, true },
		{ "20", CBOR_NINT, 0, true },
		{ "3903e7", CBOR_NINT, 999, true },
		{ "d2", CBOR_TAG, 18, true },
		{ "84", CBOR_ARRAY, 4, true },
		{ "1817", CBOR_UINT, 0, false },
		{ "190017", CBOR_UINT, 0, false },
		{ "1900ff", CBOR_UINT, 0, false },
		{ "1a0000ffff", CBOR_UINT, 0, false },
		{ "1b00000000ffffffff", CBOR_UINT, 0, false },
		{ "1c", CBOR_UINT, 0, false },
		{ "1f", CBOR_UINT, 0, false },
		{ "9f", CBOR_ARRAY, 0, false },
		{ "bf", CBOR_MAP, 0, false },
		{ "1903", CBOR_UINT, 0, false },
		{ "20", CBOR_UINT, 0, false },
		{ "", CBOR_UINT, 0, false },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t data[16], again[16];
		size_t len = from_hex(rows[i].hex, data);
		struct cbor_in in = cbor_in(data, len);
		assert_int_equal(cbor_get(&in, rows[i].type), rows[i].value);
		assert_int_equal(cbor_is_end(&in), rows[i].good);
		if (!rows[i].good)
			continue;
		struct cbor_out out = cbor_out(again, sizeof(again));
		cbor_put(&out, rows[i].type, rows[i].value);
		assert_int_equal(out.len, len);
		assert_memory_equal(again, data, len);
	}
}

static void test_cbor_text_is_utf8(void **state)
{
	(void)state;
	static const struct {
		const char *hex;
		bool good;
	} rows[] = {
		{ "60", true },          { "62c3bc", true },      { "63e6b0b4", true },  { "64f0908591", true },
		{ "61ff", false },       { "62c0af", false },     { "63e08080", false }, { "63eda080", false },
		{ "64f08080af", false }, { "64f4908080", false }, { "61c3", false },     { "62c3", false },
		{ "62c341", false },     { "63e6b041", false },   { "78026162", false }, { "7b7fffffffffffffff61", false },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t data[16];
		size_t len = from_hex(rows[i].hex, data), text_size;
		struct cbor_in in = cbor_in(data, len);
		(void)cbor_get_string(&in, CBOR_TEXT, &text_size);
		assert_int_equal(cbor_is_end(&in), rows[i].good);
	}
}

static void test_cbor_does_not_write_past_the_end(void **state)
{
	(void)state;
	uint8_t data[5];
	for (size_t size = 0; size < sizeof(data); size++) {
		memset(data, 0xee, sizeof(data));
		struct cbor_out out = cbor_out(data, size);
		cbor_put_string(&out, CBOR_BYTES, "abcd", 4);
		assert_true(out.full);
		assert_int_equal(data[size], 0xee);
	}
	struct cbor_out out = cbor_out(data, sizeof(data));
	cbor_put_string(&out, CBOR_BYTES, "abcd", 4);
	assert_false(out.full);
}

/* RFC 4648, 10, and what it does not want. */
static void test_base64_has_one_form(void **state)
{
	(void)state;
	static const struct {
		const char *text, *data;
	} rows[] = { { "", "" },
		     { "Zg==", "f" },
		     { "Zm8=", "fo" },
		     { "Zm9v", "foo" },
		     { "Zm9vYg==", "foob" },
		     { "Zm9vYmE=", "fooba" },
		     { "Zm9vYmFy", "foobar" } };
	static const char *const bad[] = { "Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "Zm 9", "Zm9v\n", "Zg==Zg==", "Zm9vY*==", "-_-_" };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t data[8];
		char text[16] = { 0 };
		size_t len = 99;
		assert_true(base64_decode(rows[i].text, strlen(rows[i].text), data, sizeof(data), &len));
		assert_int_equal(len, strlen(rows[i].data));
		assert_memory_equal(data, rows[i].data, len);
		assert_int_equal(base64_encode(data, len, text, sizeof(text) - 1), strlen(rows[i].text));
		assert_string_equal(text, rows[i].text);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		uint8_t data[8];
		size_t len;
		assert_false(base64_decode(bad[i], strlen(bad[i]), data, sizeof(data), &len));
	}
	uint8_t small[2];
	size_t len;
	char text[7];
	assert_false(base64_decode("Zm9v", 4, small, sizeof(small), &len));
	assert_int_equal(base64_encode((const uint8_t *)"foob", 4, text, sizeof(text)), 0);
}

/* Orders: keys and values as given, signed by nobody, for nothing here looks at the signature. */

static size_t message_of(const uint8_t *payload, size_t len, uint8_t ret[MVP_ORDER_MAX])
{
	static const uint8_t signature[MVP_P256_SIGNATURE_LEN];
	return cose_emit(MVP_ORDER_TYPE, payload, len, signature, ret, MVP_ORDER_MAX);
}

static bool parses(const char *payload_hex)
{
	uint8_t payload[256], message[MVP_ORDER_MAX];
	struct order o;
	size_t len = from_hex(payload_hex, payload);
	return order_parse(message, message_of(payload, len, message), &o);
}

static void test_orders_have_exactly_their_keys(void **state)
{
	(void)state;
	/* 1: version 1, 2: action, 3: serial "A", 5: counter 7, 6: issued 9 */
	assert_true(parses("a501010201036141050706"
			   "09"));
	assert_true(parses("a501010202046141050706"
			   "09")); /* a fleet instead */
	assert_true(parses("a601010201036141050706"
			   "09076161")); /* and a reason */
	assert_true(parses("a501011863"
			   "036141050706"
			   "09") == false); /* a value where a key belongs */
	assert_true(parses("a50101021863036141050706"
			   "09")); /* an action that nobody knows */
	assert_false(parses("a501020201036141050706"
			    "09")); /* another version */
	assert_false(parses("a601010201036141046141050706"
			    "09")); /* serial and fleet */
	assert_false(parses("a4010102010507"
			    "0609")); /* neither */
	assert_false(parses("a401010201036141"
			    "0609")); /* no counter */
	assert_false(parses("a501010201036141060905"
			    "07"));                           /* not ascending */
	assert_false(parses("a601010101020103614105070609")); /* twice */
	assert_false(parses("a601010201036141050706"
			    "090b00")); /* a key that no order has */
	assert_false(parses("a701010201036141050706"
			    "0908000900")); /* a lease's keys without a lease */
	assert_true(parses("a701010204036141050706"
			   "0908000900"));
	assert_true(parses("a701010204036141050706"
			   "0908050900"));
	assert_false(parses("a701010204036141050706"
			    "0908050904")); /* wiped before it is locked */
	assert_false(parses("a601010204036141050706"
			    "090805")); /* half a lease */
	assert_false(parses("a501010205036141050706"
			    "09")); /* a new key without one */
	assert_false(parses("a501010201036141050706"
			    "0900"));                   /* something behind it */
	assert_false(parses("a501010201036141050706")); /* cut */
	assert_false(parses("a501010201036"
			    "0050706"
			    "09")); /* an empty serial */
	assert_false(parses("a5010102010341410507"
			    "0609")); /* a serial of bytes */
	assert_false(parses("bf01010201036141050706"
			    "09ff")); /* of indefinite length */
}

static void test_orders_are_for_whom_they_name(void **state)
{
	(void)state;
	uint8_t payload[64], message[MVP_ORDER_MAX];
	struct order o;
	size_t len = from_hex("a50101020103624131050706"
			      "09",
			      payload);
	assert_true(order_parse(message, message_of(payload, len, message), &o));
	assert_true(order_is_for(&o, "A1", ""));
	assert_false(order_is_for(&o, "A", ""));
	assert_false(order_is_for(&o, "A12", ""));
	assert_false(order_is_for(&o, "", "A1"));
	payload[5] = 4;
	assert_true(order_parse(message, message_of(payload, len, message), &o));
	assert_true(order_is_for(&o, "X", "A1"));
	assert_false(order_is_for(&o, "A1", ""));
}

/* Every single byte of the frame counts; those of payload and signature are the signature's business. */
static void test_frames_are_exact(void **state)
{
	(void)state;
	uint8_t payload[64], message[MVP_ORDER_MAX];
	struct cose c;
	size_t len = from_hex("a501010201036141050706"
			      "09",
			      payload),
	       total = message_of(payload, len, message);
	size_t payload_at = total - 2 - MVP_P256_SIGNATURE_LEN - len;
	assert_true(cose_parse(message, total, MVP_ORDER_TYPE, &c));
	assert_false(cose_parse(message, total, MVP_RECEIPT_TYPE, &c));
	for (size_t i = 0; i < total; i++) {
		assert_false(cose_parse(message, i, MVP_ORDER_TYPE, &c));
		if (i >= payload_at && (i < payload_at + len || i >= payload_at + len + 2))
			continue;
		for (unsigned bit = 0; bit < 8; bit++) {
			message[i] ^= (uint8_t)(1 << bit);
			assert_false(cose_parse(message, total, MVP_ORDER_TYPE, &c));
			message[i] ^= (uint8_t)(1 << bit);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cbor_takes_the_shortest_form_only),
		cmocka_unit_test(test_cbor_text_is_utf8),
		cmocka_unit_test(test_cbor_does_not_write_past_the_end),
		cmocka_unit_test(test_base64_has_one_form),
		cmocka_unit_test(test_orders_have_exactly_their_keys),
		cmocka_unit_test(test_orders_are_for_whom_they_name),
		cmocka_unit_test(test_frames_are_exact),
	};
	return cmocka_run_group_tests_name("vault messages", tests, NULL, NULL);
}
