/* CBOR, COSE and the messages over them: what is made is read back, and nothing that is encoded otherwise is taken. */
#include "tests/unit/formats.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <unistd.h>

#include "imagegen/base/foreign.h"
#include "imagegen/cose/cbor.h"
#include "imagegen/order/message.h"

static char folder[] = "/tmp/mvp-test-order.XXXXXX", key_path[64];
static EVP_PKEY *key;

static int setup(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(key_path, sizeof(key_path), "%s/key.pem", folder);
	key = EVP_EC_gen("P-256");
	FILE *f CLEANUP(file_closep) = fopen(key_path, "we");
	assert_non_null(f);
	assert_int_equal(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	EVP_PKEY_free(key);
	return unlink(key_path) || rmdir(folder);
}

/* RFC 8949, appendix A, as far as the types go that are used here. */
static void test_heads_are_those_of_the_standard(void **state)
{
	static const struct {
		enum cbor_major major;
		uint64_t value;
		const char *bytes;
		size_t len;
	} rows[] = {
		{ CBOR_UINT, 0, "\x00", 1 },
		{ CBOR_UINT, 23, "\x17", 1 },
		{ CBOR_UINT, 24, "\x18\x18", 2 },
		{ CBOR_UINT, 100, "\x18\x64", 2 },
		{ CBOR_UINT, 1000, "\x19\x03\xe8", 3 },
		{ CBOR_UINT, 1000000, "\x1a\x00\x0f\x42\x40", 5 },
		{ CBOR_UINT, 1000000000000, "\x1b\x00\x00\x00\xe8\xd4\xa5\x10\x00", 9 },
		{ CBOR_UINT, UINT64_MAX, "\x1b\xff\xff\xff\xff\xff\xff\xff\xff", 9 },
		{ CBOR_NINT, 9, "\x29", 1 }, /* -10 */
		{ CBOR_NINT, 999, "\x39\x03\xe7", 3 },
		{ CBOR_MAP, 2, "\xa2", 1 },
		{ CBOR_TAG, 32, "\xd8\x20", 2 },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf b CLEANUP(buf_fini) = BUF_INIT;
		assert_int_equal(cbor_write(&b, rows[i].major, rows[i].value), 0);
		assert_int_equal(b.len, rows[i].len);
		assert_memory_equal(b.data, rows[i].bytes, b.len);
		struct cbor_reader r = CBOR_READER(b.data, b.len);
		assert_true(cbor_read(&r, rows[i].major) == rows[i].value && cbor_read_all(&r));
		for (enum cbor_major other = CBOR_UINT; other <= CBOR_TAG; other++) {
			r = CBOR_READER(b.data, b.len);
			assert_int_equal(cbor_read(&r, other), other == rows[i].major ? rows[i].value : 0);
			assert_true(r.bad == (other != rows[i].major));
		}
		for (size_t len = 0; len < b.len; len++) { /* cut off */
			r = CBOR_READER(b.data, len);
			(void)cbor_read(&r, rows[i].major);
			assert_true(r.bad);
		}
	}
}

static void test_longer_forms_are_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} rows[] = {
		{ "\x18\x17", 2 }, { "\x19\x00\xff", 3 }, { "\x1a\x00\x00\xff\xff", 5 }, { "\x1b\x00\x00\x00\x00\xff\xff\xff\xff", 9 },
		{ "\x1c", 1 }, /* reserved */
		{ "\x1f", 1 }, /* indefinite */
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct cbor_reader r = CBOR_READER((const uint8_t *)rows[i].bytes, rows[i].len);
		assert_int_equal(cbor_read(&r, CBOR_UINT), 0);
		assert_true(r.bad);
	}
}

static void test_strings_stay_inside(void **state)
{
	static const uint8_t huge[] = "\x5b\xff\xff\xff\xff\xff\xff\xff\xff..", latin[] = "\x62\xe9!", nul[] = "\x40";
	size_t len;
	(void)state;
	struct cbor_reader r = CBOR_READER(huge, sizeof(huge) - 1);
	assert_null(cbor_read_string(&r, CBOR_BYTES, 0, SIZE_MAX, &len));
	assert_true(r.bad && len == 0);
	r = CBOR_READER(latin, sizeof(latin) - 1);
	assert_null(cbor_read_string(&r, CBOR_TEXT, 0, 9, &len));
	r = CBOR_READER(nul, sizeof(nul) - 1);
	assert_non_null(cbor_read_string(&r, CBOR_BYTES, 0, 9, &len));
	assert_true(cbor_read_all(&r));
	r = CBOR_READER(nul, sizeof(nul) - 1);
	assert_null(cbor_read_string(&r, CBOR_BYTES, 1, 9, &len));
}

/* The message signed by the key of this test. */
static void sign(const struct message *m, const char *type, struct buf *out)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct signer *s CLEANUP(signer_freep) = NULL;
	struct buf payload CLEANUP(buf_fini) = BUF_INIT;
	const struct sign_key k = { .key = key_path };
	assert_int_equal(signer_open(&k, &s, d), 0);
	assert_int_equal(message_emit(m, &payload), 0);
	assert_int_equal(cose_sign(s, "test", type, payload.data, payload.len, out, d), 0);
}

#define BIT(key) (1u << (key))

static struct message an_order(void)
{
	struct message m = { .kind = MESSAGE_ORDER,
			     .has = BIT(MVP_ORDER_VERSION) | BIT(MVP_ORDER_ACTION) | BIT(MVP_ORDER_SERIAL) | BIT(MVP_ORDER_COUNTER) |
				    BIT(MVP_ORDER_ISSUED) | BIT(MVP_ORDER_REASON),
			     .order = {
				     .action = MVP_ACTION_WIPE, .serial = "A1", .counter = 300, .issued = 1795939200, .reason = "why" } };
	return m;
}

static void test_an_order_comes_back(void **state)
{
	struct message m = an_order(), got;
	struct buf b CLEANUP(buf_fini) = BUF_INIT;
	(void)state;
	sign(&m, MVP_ORDER_TYPE, &b);
	assert_null(message_parse(b.data, b.len, &got));
	assert_int_equal(got.kind, MESSAGE_ORDER);
	assert_int_equal(got.has, m.has);
	assert_string_equal(got.order.serial, "A1");
	assert_string_equal(got.order.fleet, "");
	assert_string_equal(got.order.reason, "why");
	assert_true(got.order.action == MVP_ACTION_WIPE && got.order.counter == 300 && got.order.issued == 1795939200);
	assert_true(cose_verify(&got.cose, key));
	EVP_PKEY *other CLEANUP(EVP_PKEY_freep) = EVP_EC_gen("P-256");
	assert_false(cose_verify(&got.cose, other));
}

/* Whatever bit of a message is turned over: it is no message any more, or its signature is wrong. */
static void test_every_flipped_bit_is_noticed(void **state)
{
	struct message m = an_order(), got;
	struct buf b CLEANUP(buf_fini) = BUF_INIT;
	size_t parsed = 0;
	(void)state;
	sign(&m, MVP_ORDER_TYPE, &b);
	for (size_t bit = 0; bit < b.len * 8; bit++) {
		b.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (!message_parse(b.data, b.len, &got)) {
			parsed++;
			assert_false(cose_verify(&got.cose, key));
		}
		b.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_true(parsed > 64 * 8); /* those of the signature at least */
	assert_null(message_parse(b.data, b.len, &got));
	assert_true(cose_verify(&got.cose, key));
	for (size_t len = 0; len < b.len; len++)
		assert_non_null(message_parse(b.data, len, &got));
	assert_int_equal(buf_putc(&b, 0), 0);
	assert_non_null(message_parse(b.data, b.len, &got)); /* something behind it */
}

static void expect_refused(const struct message *m, const char *type)
{
	struct buf b CLEANUP(buf_fini) = BUF_INIT;
	struct message got;
	sign(m, type, &b);
	assert_non_null(message_parse(b.data, b.len, &got));
}

static void test_orders_that_contradict_themselves_are_refused(void **state)
{
	struct message m = an_order();
	(void)state;
	expect_refused(&m, MVP_RECEIPT_TYPE);
	expect_refused(&m, "text/plain");
	m.has |= BIT(MVP_ORDER_FLEET); /* for both */
	(void)snprintf(m.order.fleet, sizeof(m.order.fleet), "sales");
	expect_refused(&m, MVP_ORDER_TYPE);
	m.has &= ~(BIT(MVP_ORDER_FLEET) | BIT(MVP_ORDER_SERIAL)); /* for nobody */
	expect_refused(&m, MVP_ORDER_TYPE);
	for (unsigned k = MVP_ORDER_VERSION; k <= MVP_ORDER_ISSUED; k++) {
		m = an_order();
		m.has &= ~BIT(k);
		if (k != MVP_ORDER_FLEET)
			expect_refused(&m, MVP_ORDER_TYPE);
	}
	for (unsigned k = MVP_ORDER_LOCK_AFTER; k <= MVP_ORDER_NEW_KEY; k++) { /* not a wipe's */
		m = an_order();
		m.has |= BIT(k);
		expect_refused(&m, MVP_ORDER_TYPE);
	}
	m = an_order();
	m.has |= BIT(MVP_ORDER_LOCK_AFTER) | BIT(MVP_ORDER_WIPE_AFTER);
	m.order.action = MVP_ACTION_LEASE;
	m.order.lock_after = 2;
	m.order.wipe_after = 1;
	expect_refused(&m, MVP_ORDER_TYPE);
	(void)snprintf(m.order.serial, sizeof(m.order.serial), "a/b");
	m.order.wipe_after = 3;
	expect_refused(&m, MVP_ORDER_TYPE);
}

static struct message a_receipt(void)
{
	struct message m = { .kind = MESSAGE_RECEIPT,
			     .has = BIT(MVP_RECEIPT_MEASUREMENT + 1) - 2,
			     .receipt = { .sequence = 1,
					  .serial = "A1",
					  .cause = MVP_CAUSE_ORDER,
					  .action = MVP_ACTION_WIPE,
					  .outcome = MVP_OUTCOME_DONE,
					  .counter = 7,
					  .time = 1795939300 } };
	return m;
}

static void test_receipts(void **state)
{
	struct message m = a_receipt(), got;
	struct buf b CLEANUP(buf_fini) = BUF_INIT, without CLEANUP(buf_fini) = BUF_INIT;
	(void)state;
	sign(&m, MVP_RECEIPT_TYPE, &b);
	assert_null(message_parse(b.data, b.len, &got));
	assert_memory_equal(&got.receipt, &m.receipt, sizeof(got.receipt));
	m.has &= ~BIT(MVP_RECEIPT_ORDER); /* of an order, but which? */
	expect_refused(&m, MVP_RECEIPT_TYPE);
	m.receipt.cause = MVP_CAUSE_LEASE;
	sign(&m, MVP_RECEIPT_TYPE, &without);
	assert_null(message_parse(without.data, without.len, &got));
	m.has &= ~BIT(MVP_RECEIPT_TIME);
	expect_refused(&m, MVP_RECEIPT_TYPE);
}

static void test_attestations(void **state)
{
	struct message m = { .kind = MESSAGE_ATTEST,
			     .has = BIT(MVP_ATTEST_COUNTER + 1) - 2,
			     .attest = { .nonce = { 1, 2 }, .nonce_len = 8, .serial = "A1", .state = MVP_WORK_OPEN, .log_count = 2 } };
	struct message got;
	struct buf b CLEANUP(buf_fini) = BUF_INIT;
	uint8_t both[64] = { 0 };
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct attest_event *e = &m.attest.log[i];
		(void)snprintf(e->name, sizeof(e->name), "part %zu", i);
		memset(e->digest, (int)i + 1, sizeof(e->digest));
		memcpy(both + 32, e->digest, 32);
		assert_int_equal(EVP_Digest(both, 64, both, NULL, EVP_sha256(), NULL), 1);
	}
	memcpy(m.attest.measurement, both, 32);
	sign(&m, MVP_ATTEST_TYPE, &b);
	assert_null(message_parse(b.data, b.len, &got));
	assert_memory_equal(&got.attest, &m.attest, sizeof(got.attest));
	assert_true(attest_log_holds(&got.attest));
	got.attest.log[0].digest[0] ^= 1;
	assert_false(attest_log_holds(&got.attest));
	got.attest.log_count = 0;
	assert_false(attest_log_holds(&got.attest));
	m.attest.nonce_len = MVP_NONCE_MIN - 1;
	expect_refused(&m, MVP_ATTEST_TYPE);
}

static void test_points_that_are_none(void **state)
{
	uint8_t point[MVP_P256_POINT_LEN], again[MVP_P256_POINT_LEN];
	EVP_PKEY *other CLEANUP(EVP_PKEY_freep) = EVP_EC_gen("P-384");
	(void)state;
	assert_true(p256_point(key, point));
	EVP_PKEY *same CLEANUP(EVP_PKEY_freep) = p256_key(point);
	assert_non_null(same);
	assert_true(p256_point(same, again));
	assert_memory_equal(point, again, sizeof(point));
	assert_false(p256_point(other, again));
	point[64] ^= 1;
	assert_null(p256_key(point));
	memset(point + 1, 0, sizeof(point) - 1);
	assert_null(p256_key(point));
	memset(point, 0, sizeof(point));
	assert_null(p256_key(point));
}

static void test_names(void **state)
{
	char longest[MVP_SERIAL_MAX + 2];
	(void)state;
	memset(longest, 'a', sizeof(longest));
	longest[MVP_SERIAL_MAX + 1] = 0;
	assert_false(message_is_name(longest));
	assert_true(message_is_name(longest + 1));
	assert_true(message_is_name("A-1_b.c"));
	assert_false(message_is_name(""));
	assert_false(message_is_name("."));
	assert_false(message_is_name(".."));
	assert_false(message_is_name("a/b"));
	assert_false(message_is_name("a b"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_heads_are_those_of_the_standard),
		cmocka_unit_test(test_longer_forms_are_refused),
		cmocka_unit_test(test_strings_stay_inside),
		cmocka_unit_test(test_an_order_comes_back),
		cmocka_unit_test(test_every_flipped_bit_is_noticed),
		cmocka_unit_test(test_orders_that_contradict_themselves_are_refused),
		cmocka_unit_test(test_receipts),
		cmocka_unit_test(test_attestations),
		cmocka_unit_test(test_points_that_are_none),
		cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
