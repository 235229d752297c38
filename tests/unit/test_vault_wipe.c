/* Orders, the journal, the lease and the wipe, on a disk whose power is cut at every write. */
#include "fixture_vault.h"

#include "fixture_p256.h"

#include <openssl/ec.h>
#include <openssl/obj_mac.h>

static uint8_t order_secret[32] = { 7 };

/* A device, provisioned as mvp/identity.h and mvp/state.h say */

static void mac_of(const char *label, const void *data, size_t len, uint8_t ret[32])
{
	uint8_t key[32];
	hmac_sha256(device_secret, sizeof(device_secret), label, strlen(label), key);
	hmac_sha256(key, sizeof(key), data, len, ret);
}

static void put_state_record(unsigned copy, struct mvp_state *s)
{
	memcpy(s->magic, MVP_STATE_MAGIC, 8);
	s->version = MVP_STATE_VERSION;
	s->len = sizeof(*s);
	s->checksum = crc32_add(0, (const uint8_t *)s, offsetof(struct mvp_state, checksum));
	mac_of(MVP_LABEL_STATE, s, offsetof(struct mvp_state, mac), s->mac);
	memcpy(disk_durable + STATE_AT * SECTOR + MVP_STATE_AT(copy), s, sizeof(*s));
}

static void provision(void)
{
	struct mvp_identity id = {
		.version = MVP_IDENTITY_VERSION, .len = sizeof(id), .serial = "S-1", .fleet = "F", .provisioned_at = 1000
	};
	struct mvp_state first = { .sequence = 0 };
	uint8_t secret[32], label[sizeof(MVP_LABEL_SIGNING)];
	memset(device_secret, 0x11, sizeof(device_secret));
	memcpy(label, MVP_LABEL_SIGNING, sizeof(label) - 1);
	label[sizeof(label) - 1] = 0;
	hmac_sha256(device_secret, sizeof(device_secret), label, sizeof(label), secret);
	memcpy(id.magic, MVP_IDENTITY_MAGIC, 8);
	assert_true(p256_public(secret, id.device_public));
	assert_true(p256_public(order_secret, id.order_public));
	mac_of(MVP_LABEL_IDENTITY, &id, offsetof(struct mvp_identity, mac), id.mac);
	memset(disk_durable, 0, WORK_AT * SECTOR);
	memcpy(disk_durable + MVP_IDENTITY_AT(0), &id, sizeof(id));
	memcpy(disk_durable + MVP_IDENTITY_AT(1), &id, sizeof(id));
	put_state_record(0, &first);
	memset(disk_durable + WORK_AT * SECTOR, 0xab, WORK_LEN);
}

/* The power comes back: nothing is left but what is on the disk. */
static void boot(void)
{
	memcpy(disk_now, disk_durable, DISK_LEN);
	memset(&current, 0, sizeof(current));
	memset(&found, 0, sizeof(found));
	memset(&journal, 0, sizeof(journal));
	memset(&wiper, 0, sizeof(wiper));
	memset(&w, 0, sizeof(w));
	memset(&opener, 0, sizeof(opener));
	memset(questions, 0, sizeof(questions));
	memset(personas, 0, sizeof(personas));
	memset(under_way, 0, sizeof(under_way));
	memset(&board, 0, sizeof(board));
	sequence = 0;
	look_at = 0;
	started = false;
	has_record = has_wrong = false;
	identity = IDENTITY_NONE;
	said[0] = 0;
	uint64_t writes = power.writes;
	bool discards = power.discards;
	memset(&power, 0, sizeof(power));
	power.left = UINT64_MAX;
	power.writes = writes;
	power.discards = discards;
	personas[0].config = &host_config.persona[0];
	personas[1].config = &host_config.persona[1];
	personas[1].partition = (struct view){ .sector = WORK_AT, .sectors = WORK_LEN / SECTOR };
	personas[1].job.persona = 1;
	personas[1].state = PERSONA_WAITING;
	opener.persona = MVP_MAX_PERSONAS;
	identity_start();
	opener.state = own_start(&opener, &(struct view){ .sector = KEYS_AT, .sectors = 0x20000 / SECTOR },
				 &(struct view){ .sector = STATE_AT, .sectors = 0x20000 / SECTOR });
}

static void start(void)
{
	boot();
	settle_all();
	if (personas[1].state == PERSONA_WAITING)
		personas[1].state = PERSONA_RUNNING;
}

static int setup(void **state)
{
	(void)state;
	host_config = (struct mvp_vault_config){ .personas = 2, .lock_after = 100000, .wipe_after = 200000 };
	memcpy(host_config.persona[1].name, "work", 5);
	host_config.persona[1].encrypted = 1;
	host_config.persona[1].managed = 1;
	disk_reset();
	rtc = 5000;
	host_time = 1000000;
	memset(&power, 0, sizeof(power));
	power.left = UINT64_MAX;
	provision();
	start();
	assert_int_equal(identity_get(), IDENTITY_SOUND);
	return 0;
}

/* An order, and what is asked about it */

struct wish {
	unsigned action;
	const char *serial, *fleet, *reason;
	uint64_t counter, issued, lock_after, wipe_after;
	const uint8_t *new_key;
};

static size_t make_order(const struct wish *o, const uint8_t secret[32], uint8_t ret[MVP_ORDER_MAX])
{
	uint8_t payload[600], digest[32], signature[64];
	struct cbor_out out = cbor_out(payload, sizeof(payload));
	bool lease = o->action == MVP_ACTION_LEASE;
	cbor_put(&out, CBOR_MAP, 5u + (o->reason != NULL) + 2u * lease + (o->new_key != NULL));
	put_pair(&out, 1, 1);
	put_pair(&out, 2, o->action);
	if (o->fleet)
		put_string(&out, 4, CBOR_TEXT, o->fleet, strlen(o->fleet));
	else
		put_string(&out, 3, CBOR_TEXT, o->serial ? o->serial : "S-1", strlen(o->serial ? o->serial : "S-1"));
	put_pair(&out, 5, o->counter);
	put_pair(&out, 6, o->issued);
	if (o->reason)
		put_string(&out, 7, CBOR_TEXT, o->reason, strlen(o->reason));
	if (lease) {
		put_pair(&out, 8, o->lock_after);
		put_pair(&out, 9, o->wipe_after);
	}
	if (o->new_key)
		put_string(&out, 10, CBOR_BYTES, o->new_key, MVP_P256_POINT_LEN);
	assert_false(out.full);
	cose_digest(MVP_ORDER_TYPE, payload, out.len, digest);
	assert_true(p256_signs(secret, digest, signature));
	size_t len = cose_emit(MVP_ORDER_TYPE, payload, out.len, signature, ret, MVP_ORDER_MAX);
	assert_true(len);
	return len;
}

static void ask_order(const uint8_t *message, size_t len)
{
	char line[ORDERS_LINE_MAX] = "order ";
	size_t at = 6 + base64_encode(message, len, line + 6, sizeof(line) - 6);
	assert_true(orders_ask(ORDERS_CONSOLE, line, at));
}

/* What was answered, without its newline; "" if nothing was. */
static const char *answered(void)
{
	static char text[ORDERS_ANSWER_MAX];
	size_t len = orders_answer(ORDERS_CONSOLE, text);
	text[len ? len - 1 : 0] = 0;
	return text;
}

static const char *ask(const char *line)
{
	assert_true(orders_ask(ORDERS_CONSOLE, line, strlen(line)));
	host_time += 1000000;
	settle_all();
	return answered();
}

static const char *give_order(const struct wish *o)
{
	uint8_t message[MVP_ORDER_MAX];
	host_time += 1000000; /* not more often than the vault likes */
	ask_order(message, make_order(o, order_secret, message));
	settle_all();
	return answered();
}

/* The oldest receipt, verified; its sequence number, 0: there is none. */
static uint64_t receipt(unsigned *ret_outcome, unsigned *ret_cause)
{
	uint8_t message[MVP_RECEIPT_MAX];
	size_t len = 0, skip;
	char text[ORDERS_ANSWER_MAX];
	struct cose c = { 0 };
	snprintf(text, sizeof(text), "%s", ask("receipt"));
	if (!strcmp(text, "receipt none"))
		return 0;
	uint64_t number = strtoull(text + 8, NULL, 10);
	const char *more = strchr(text + 8, ' ') + 1;
	assert_true(base64_decode(more, strlen(more), message, sizeof(message), &len));
	assert_true(cose_parse(message, len, MVP_RECEIPT_TYPE, &c));
	assert_true(p256_verifies(identity_record.device_public, c.digest, c.signature));
	struct cbor_in in = cbor_in(c.payload, c.payload_len);
	uint64_t pairs = cbor_get(&in, CBOR_MAP);
	for (uint64_t i = 0; i < pairs; i++) {
		uint64_t key = cbor_get(&in, CBOR_UINT);
		if (key == MVP_RECEIPT_SERIAL)
			(void)cbor_get_string(&in, CBOR_TEXT, &skip);
		else if (key == MVP_RECEIPT_ORDER || key == MVP_RECEIPT_MEASUREMENT)
			(void)cbor_get_string(&in, CBOR_BYTES, &skip);
		else if (key == MVP_RECEIPT_SEQUENCE)
			assert_int_equal(cbor_get(&in, CBOR_UINT), number);
		else if (key == MVP_RECEIPT_OUTCOME)
			*ret_outcome = (unsigned)cbor_get(&in, CBOR_UINT);
		else if (key == MVP_RECEIPT_CAUSE)
			*ret_cause = (unsigned)cbor_get(&in, CBOR_UINT);
		else
			(void)cbor_get(&in, CBOR_UINT);
	}
	assert_true(cbor_is_end(&in));
	return number;
}

static void acknowledge(uint64_t number)
{
	char line[40];
	snprintf(line, sizeof(line), "receipt-done %lu", (unsigned long)number);
	assert_string_equal(ask(line), "ok");
}

static void assert_receipt(uint64_t number, unsigned outcome)
{
	unsigned got_outcome = 0, cause = 0;
	assert_int_equal(receipt(&got_outcome, &cause), number);
	assert_int_equal(got_outcome, outcome);
	acknowledge(number);
}

/* Whether [at, at + len) of the partition still holds a byte of what was there. */
static bool holds_old(uint64_t at, uint64_t len)
{
	return memchr(disk_durable + WORK_AT * SECTOR + at, 0xab, len) != NULL;
}

/* Stories */

static void test_orders_do_what_they_say(void **state)
{
	(void)state;
	uint8_t key[MVP_P256_POINT_LEN], message[MVP_ORDER_MAX];
	uint8_t other[32] = { 9 };
	assert_string_equal(ask("serial"), "serial S-1");
	assert_string_equal(ask("contact"), "ok");
	assert_string_equal(give_order(&(struct wish){ MVP_ACTION_LOCK, .counter = 3, .reason = "lost" }), "order accepted");
	assert_int_equal(personas[1].state, PERSONA_BARRED);
	assert_int_equal(state_get()->order_counter, 3);
	/* Again, as by somebody who has not heard that it arrived: nothing more happens, before the receipt was taken and after it. */
	for (int i = 0; i < 2; i++) {
		assert_string_equal(give_order(&(struct wish){ MVP_ACTION_LOCK, .counter = 3, .reason = "lost" }), "order accepted");
		if (!i)
			assert_receipt(1, MVP_OUTCOME_DONE);
		assert_string_equal(ask("receipt"), "receipt none");
	}
	assert_string_equal(give_order(&(struct wish){ MVP_ACTION_UNLOCK_ALLOW, .counter = 4, .fleet = "F" }), "order accepted");
	assert_int_equal(personas[1].state, PERSONA_LOCKED);
	assert_receipt(2, MVP_OUTCOME_DONE);
	assert_string_equal(give_order(&(struct wish){ MVP_ACTION_LEASE, .counter = 5, .issued = 6000, .lock_after = 10, .wipe_after = 0 }),
			    "order accepted");
	assert_int_equal(state_get()->lease_lock_after, 10);
	assert_receipt(3, MVP_OUTCOME_DONE);
	assert_true(p256_public(other, key));
	assert_string_equal(give_order(&(struct wish){ MVP_ACTION_ROTATE_KEY, .counter = 6, .new_key = key }), "order accepted");
	assert_receipt(4, MVP_OUTCOME_DONE);
	/* From now on the other key's. */
	assert_string_equal(give_order(&(struct wish){ MVP_ACTION_LOCK, .counter = 7 }), "order refused");
	assert_receipt(5, MVP_OUTCOME_SIGNATURE);
	ask_order(message, make_order(&(struct wish){ MVP_ACTION_LOCK, .counter = 7 }, other, message));
	host_time += 1000000;
	settle_all();
	assert_string_equal(answered(), "order accepted");
	assert_receipt(6, MVP_OUTCOME_DONE);
	/* All of it outlives the power. */
	start();
	assert_int_equal(state_get()->order_counter, 7);
	assert_int_equal(personas[1].state, PERSONA_BARRED);
	assert_string_equal(ask("receipt"), "receipt none");
}

static void test_refusals_change_nothing_and_are_signed(void **state)
{
	(void)state;
	static const struct {
		struct wish wish;
		unsigned outcome;
	} rows[] = {
		{ { MVP_ACTION_WIPE, .counter = 0 }, MVP_OUTCOME_STALE },
		{ { MVP_ACTION_WIPE, .counter = 1, .serial = "S-2" }, MVP_OUTCOME_DEVICE },
		{ { MVP_ACTION_WIPE, .counter = 1, .fleet = "G" }, MVP_OUTCOME_DEVICE },
		{ { 6, .counter = 1 }, MVP_OUTCOME_UNKNOWN },
		{ { MVP_ACTION_LEASE, .counter = 1, .lock_after = 2, .wipe_after = 1 }, MVP_OUTCOME_MALFORMED },
	};
	uint8_t message[MVP_ORDER_MAX], bad[MVP_P256_POINT_LEN] = { 4, 1, 2, 3 };
	uint64_t number = 0;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_string_equal(give_order(&rows[i].wish), "order refused");
		/* Again, before anybody took the receipt: the same one. */
		assert_string_equal(give_order(&rows[i].wish), "order refused");
		assert_receipt(++number, rows[i].outcome);
	}
	assert_string_equal(give_order(&(struct wish){ MVP_ACTION_ROTATE_KEY, .counter = 1, .new_key = bad }), "order refused");
	assert_receipt(++number, MVP_OUTCOME_MALFORMED);
	size_t len = make_order(&(struct wish){ MVP_ACTION_WIPE, .counter = 1 }, order_secret, message);
	message[len - 1] ^= 1;
	host_time += 1000000;
	ask_order(message, len);
	settle_all();
	assert_string_equal(answered(), "order refused");
	assert_receipt(++number, MVP_OUTCOME_SIGNATURE);
	assert_int_equal(state_get()->order_counter, 0);
	assert_int_equal(state_get()->wipe, MVP_WIPE_NONE);
	assert_int_equal(personas[1].state, PERSONA_RUNNING);
}

/* A flood of refusals leaves room for orders, and a flood of orders for the end of a wipe. */
static void test_the_queue_of_receipts_is_bounded(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 40; i++)
		assert_string_equal(give_order(&(struct wish){ MVP_ACTION_LOCK, .counter = 1, .serial = "X", .issued = i }),
				    "order refused");
	assert_int_equal(state_get()->receipts_count, REFUSALS_MAX);
	unsigned taken = 0;
	for (unsigned i = 0; i < 40; i++)
		taken += !strcmp(give_order(&(struct wish){ MVP_ACTION_LOCK, .counter = 1 + taken }), "order accepted");
	assert_int_equal(taken, MVP_STATE_RECEIPTS - 1 - REFUSALS_MAX);
	assert_int_equal(state_get()->order_counter, taken);
	wipe_start(MVP_CAUSE_PASSCODES);
	settle_all();
	assert_int_equal(state_get()->wipe, MVP_WIPE_DONE);
	assert_int_equal(state_get()->receipts_count, MVP_STATE_RECEIPTS);
	assert_int_equal(state_get()->receipts[MVP_STATE_RECEIPTS - 1].cause, MVP_CAUSE_PASSCODES);
	assert_int_equal(state_get()->receipts[MVP_STATE_RECEIPTS - 1].sequence, MVP_STATE_RECEIPTS);
}

static bool is_all_zero(const void *p, size_t len)
{
	uint8_t any = 0;
	for (size_t i = 0; i < len; i++)
		any |= ((const uint8_t *)p)[i];
	return !any;
}

/* A signature takes several shares of time, in which others ask, too. */
static void test_receipts_are_signed_between_other_questions(void **state)
{
	(void)state;
	char text[ORDERS_ANSWER_MAX];
	assert_string_equal(give_order(&(struct wish){ MVP_ACTION_LOCK, .counter = 1 }), "order accepted");
	host_time += 1000000;
	assert_true(orders_ask(ORDERS_CONSOLE, "receipt", 7));
	turn_once();
	assert_int_equal(progress(&questions[ORDERS_CONSOLE]), SIGNING);
	assert_true(orders_has_work());
	/* One signature after the other. */
	assert_true(orders_ask(1, "attest 0011223344556677", 23));
	assert_false(may_go(&questions[1]));
	/* It arrives by somebody else: it is not given once more. */
	assert_true(orders_ask(0, "receipt-done 1", 14));
	settle_all();
	assert_int_equal(orders_answer(0, text), 3);
	host_time += 1000000;
	settle_all();
	assert_string_equal(answered(), "receipt none");
	assert_true(orders_answer(1, text) > 100);
	assert_memory_equal(text, "attest ", 7);
	assert_true(is_all_zero(&signing.sign, sizeof(signing.sign)));
	/* The power goes in the middle of one. */
	host_time += 1000000;
	assert_true(orders_ask(1, "attest 0011223344556677", 23));
	turn_once();
	assert_int_equal(progress(&questions[1]), SIGNING);
	assert_false(is_all_zero(&signing.sign, sizeof(signing.sign)));
	orders_end();
	identity_end();
	assert_true(is_all_zero(&signing, sizeof(signing)));
	assert_true(is_all_zero(signing_key, sizeof(signing_key)) && is_all_zero(device_key, sizeof(device_key)));
}

static void test_a_wipe_leaves_nothing_and_comes_once(void **state)
{
	(void)state;
	unsigned outcome = 0, cause = 0;
	memset(&personas[1].crypt.key, 0x5a, sizeof(personas[1].crypt.key));
	assert_string_equal(give_order(&(struct wish){ MVP_ACTION_WIPE, .counter = 1, .reason = "left" }), "order accepted");
	settle_all();
	assert_int_equal(personas[1].state, PERSONA_WIPED);
	assert_null(memchr(&personas[1].crypt.key, 0x5a, sizeof(personas[1].crypt.key)));
	assert_true(personas[1].halted);
	assert_int_equal(alerts_forgotten, 1u << 1);
	assert_int_equal(frames_forgotten, 1u << 1);
	assert_false(holds_old(0, WORK_LEN));
	assert_int_equal(receipt(&outcome, &cause), 1);
	assert_int_equal(outcome, MVP_OUTCOME_DONE);
	assert_int_equal(cause, MVP_CAUSE_ORDER);
	start();
	assert_int_equal(personas[1].state, PERSONA_WIPED);
	acknowledge(1);
	assert_string_equal(ask("receipt"), "receipt none");
	/* Nothing is left to be locked; another wipe is done as soon as it is asked for. */
	assert_string_equal(give_order(&(struct wish){ MVP_ACTION_LOCK, .counter = 2 }), "order refused");
	assert_receipt(2, MVP_OUTCOME_WIPED);
	assert_string_equal(give_order(&(struct wish){ MVP_ACTION_WIPE, .counter = 2 }), "order accepted");
	assert_receipt(3, MVP_OUTCOME_DONE);
}

/* The whole of a wipe, with the power cut at its n-th write and all ways that write and what was not flushed may end. */
static void cut_wipe(uint64_t n, unsigned torn, bool keeps, bool *ret_was_cut)
{
	uint8_t message[MVP_ORDER_MAX];
	size_t len = make_order(&(struct wish){ MVP_ACTION_WIPE, .counter = 1 }, order_secret, message);
	provision();
	start();
	power.left = n;
	power.torn = torn;
	power.keeps = keeps;
	host_time += 1000000;
	ask_order(message, len);
	settle_all();
	*ret_was_cut = power.off;
	bool accepted = !strcmp(answered(), "order accepted");
	start();
	uint32_t wipe_now = state_get()->wipe;
	if (wipe_now == MVP_WIPE_NONE) {
		/* Untouched, and the order is as good as it was. */
		assert_false(accepted);
		assert_int_equal(state_get()->order_counter, 0);
		assert_null(memchr(disk_durable + WORK_AT * SECTOR, 0, WORK_LEN));
		host_time += 1000000;
		ask_order(message, len);
		settle_all();
		assert_string_equal(answered(), "order accepted");
		settle_all();
	}
	assert_int_equal(state_get()->wipe, MVP_WIPE_DONE);
	assert_int_equal(personas[1].state, PERSONA_WIPED);
	assert_false(holds_old(0, WORK_LEN));
	assert_receipt(1, MVP_OUTCOME_DONE);
	assert_string_equal(ask("receipt"), "receipt none");
	start();
	assert_int_equal(personas[1].state, PERSONA_WIPED);
	assert_string_equal(ask("receipt"), "receipt none");
}

static uint64_t writes_of_a_wipe(void)
{
	uint64_t before = power.writes;
	assert_string_equal(give_order(&(struct wish){ MVP_ACTION_WIPE, .counter = 1 }), "order accepted");
	settle_all();
	return power.writes - before;
}

static void cut_at_all_writes(bool discards)
{
	static const unsigned tears[] = { 0, 1, TEAR_MAX };
	power.discards = discards;
	/* Counted with the flushes, which may be the last to come, too. */
	uint64_t writes = 2 * writes_of_a_wipe() + 8, cuts = 0;
	/* The 256 writes over the keys are alike: every one at their begin and end, and some between. */
	for (uint64_t n = 0; n < writes; n += n >= 12 && n < 240 ? 19 : 1) {
		bool cut = false;
		power.discards = discards;
		cut_wipe(n, tears[n % ARRAY_LEN(tears)], n % 2, &cut);
		cuts += cut;
		if (!cut)
			break;
	}
	assert_true(cuts > 30);
}

/* Anywhere, with any sectors of what was not flushed. MVP_CUTS=N: so many. */
static void test_a_wipe_outlives_random_cuts(void **state)
{
	(void)state;
	const char *many = getenv("MVP_CUTS");
	unsigned long count = many ? strtoul(many, NULL, 10) : 60, cuts = 0;
	uint64_t writes[2];
	for (unsigned discards = 0; discards < 2; discards++) {
		provision();
		start();
		power.discards = discards;
		writes[discards] = writes_of_a_wipe() + 12;
	}
	for (unsigned long i = 1; i <= count; i++) {
		bool cut = false;
		power_chance = i * 0x9e3779b97f4a7c15;
		power.discards = i % 2;
		cut_wipe(power_draw(writes[i % 2]), 0, false, &cut);
		cuts += cut;
		power_chance = 0;
	}
	assert_true(cuts > count / 2);
}

static void test_a_wipe_outlives_a_cut_at_any_write(void **state)
{
	(void)state;
	cut_at_all_writes(true);
}

static void test_a_wipe_that_overwrites_outlives_a_cut_at_any_write(void **state)
{
	(void)state;
	cut_at_all_writes(false);
}

/* The journal: what was committed is never lost, whatever sector of the next write is the last. */
static void test_the_journal_outlives_torn_writes(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 2; n++) { /* the write, and its flush */
		for (unsigned torn = 0; torn <= TEAR_MAX; torn++) {
			for (unsigned keeps = 0; keeps < 2; keeps++) {
				provision();
				start();
				for (unsigned i = 1; i <= 3; i++) {
					state_edit()->persona[1].failures = i;
					state_commit();
					settle_all();
				}
				power.left = n;
				power.torn = torn;
				power.keeps = keeps;
				state_edit()->persona[1].failures = 4;
				state_commit();
				settle_all();
				assert_true(power.off);
				start();
				uint32_t failures = state_get()->persona[1].failures;
				assert_true(failures == 3 || failures == 4);
				/* A whole write may count, one that is torn never does. */
				if (n == 0 && torn < TEAR_MAX)
					assert_int_equal(failures, 3);
			}
		}
	}
}

/* An attempt is counted before it is made: whenever the power goes, it was. */
static void test_a_counted_attempt_stays_counted(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 4; n++) {
		provision();
		start();
		power.left = n;
		state_edit()->persona[1].failures++;
		uint32_t ticket = state_commit();
		settle_all();
		bool tried = state_settled(ticket) == STATE_DONE;
		start();
		assert_true(!tried || state_get()->persona[1].failures == 1);
	}
}

static void test_a_disk_that_refuses_is_tried_again(void **state)
{
	(void)state;
	power.refuses = true;
	uint32_t ticket = state_commit();
	settle_all();
	assert_int_equal(state_settled(ticket), STATE_FAILED);
	power.refuses = false;
	state_edit()->persona[1].failures = 2;
	ticket = state_commit();
	settle_all();
	assert_int_equal(state_settled(ticket), STATE_DONE);
	start();
	assert_int_equal(state_get()->persona[1].failures, 2);
}

static void test_the_lease_locks_then_wipes(void **state)
{
	(void)state;
	char text[64];
	assert_int_equal(state_get()->first_boot, 5000);
	lease_describe(text, sizeof(text));
	assert_string_equal(text, "locks in 27 hours");
	assert_in_range(lease_left(), 99900, 100000);
	rtc = 5000 + 99999;
	host_time += 70000000;
	settle_all();
	assert_int_equal(personas[1].state, PERSONA_RUNNING);
	rtc = 5000 + 100000;
	host_time += 70000000;
	settle_all();
	assert_int_equal(personas[1].state, PERSONA_BARRED);
	lease_describe(text, sizeof(text));
	assert_string_equal(text, "wiped in 27 hours");
	assert_int_equal(lease_left(), 0);
	/* Setting the clock back helps nobody, nor does taking the power away. */
	rtc = 5000;
	start();
	assert_int_equal(lease_get(), LEASE_LOCKED);
	/* A new lease does. */
	assert_string_equal(
		give_order(&(struct wish){ MVP_ACTION_LEASE, .counter = 1, .issued = 105000, .lock_after = 500, .wipe_after = 1000 }),
		"order accepted");
	assert_int_equal(personas[1].state, PERSONA_LOCKED);
	assert_receipt(1, MVP_OUTCOME_DONE);
	rtc = 106000;
	host_time += 70000000;
	settle_all();
	settle_all();
	assert_int_equal(personas[1].state, PERSONA_WIPED);
	unsigned outcome = 0, cause = 0;
	assert_int_equal(receipt(&outcome, &cause), 2);
	assert_int_equal(cause, MVP_CAUSE_LEASE);
}

static void test_a_lease_order_outlives_a_cut(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 3; n++) {
		provision();
		start();
		uint8_t message[MVP_ORDER_MAX];
		size_t len = make_order(&(struct wish){ MVP_ACTION_LEASE, .counter = 1, .issued = 7000, .lock_after = 9 }, order_secret,
					message);
		power.left = n;
		power.torn = 3;
		host_time += 1000000;
		ask_order(message, len);
		settle_all();
		bool accepted = !strcmp(answered(), "order accepted");
		start();
		bool taken = state_get()->order_counter == 1;
		assert_true(!accepted || taken);
		assert_int_equal(state_get()->lease_lock_after, taken ? 9 : 0);
		assert_int_equal(state_get()->receipts_count, taken);
	}
}

static void test_tampering_locks_everything(void **state)
{
	(void)state;
	/* A journal that is gone. */
	memset(disk_durable + STATE_AT * SECTOR, 0, 0x20000);
	start();
	assert_int_equal(personas[1].state, PERSONA_FAILED);
	assert_string_equal(personas[1].wrong, "its journal is lost");
	/* One that somebody else sealed. */
	provision();
	device_secret[0] ^= 1;
	struct mvp_state s = { .sequence = 0 };
	put_state_record(0, &s);
	device_secret[0] ^= 1;
	start();
	assert_int_equal(personas[1].state, PERSONA_FAILED);
	/* Another device's identity. */
	provision();
	disk_durable[offsetof(struct mvp_identity, serial)] ^= 1;
	disk_durable[MVP_IDENTITY_AT(1) + offsetof(struct mvp_identity, serial)] ^= 1;
	start();
	assert_int_equal(personas[1].state, PERSONA_FAILED);
	assert_string_equal(personas[1].wrong, "its identity is not this device's");
	/* One bad copy is no harm, and no record at all is no identity. */
	provision();
	disk_durable[offsetof(struct mvp_identity, serial)] ^= 1;
	start();
	assert_int_equal(identity_get(), IDENTITY_SOUND);
	memset(disk_durable, 0, 0x20000);
	start();
	assert_int_equal(identity_get(), IDENTITY_NONE);
	assert_int_equal(personas[1].state, PERSONA_RUNNING);
	assert_string_equal(ask("serial"), "serial none");
	assert_string_equal(give_order(&(struct wish){ MVP_ACTION_WIPE, .counter = 1 }), "order refused");
	assert_string_equal(ask("receipt"), "receipt none");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_orders_do_what_they_say, setup),
		cmocka_unit_test_setup(test_refusals_change_nothing_and_are_signed, setup),
		cmocka_unit_test_setup(test_the_queue_of_receipts_is_bounded, setup),
		cmocka_unit_test_setup(test_receipts_are_signed_between_other_questions, setup),
		cmocka_unit_test_setup(test_a_wipe_leaves_nothing_and_comes_once, setup),
		cmocka_unit_test_setup(test_the_journal_outlives_torn_writes, setup),
		cmocka_unit_test_setup(test_a_counted_attempt_stays_counted, setup),
		cmocka_unit_test_setup(test_a_disk_that_refuses_is_tried_again, setup),
		cmocka_unit_test_setup(test_the_lease_locks_then_wipes, setup),
		cmocka_unit_test_setup(test_a_lease_order_outlives_a_cut, setup),
		cmocka_unit_test_setup(test_tampering_locks_everything, setup),
		cmocka_unit_test_setup(test_a_wipe_outlives_random_cuts, setup),
		cmocka_unit_test_setup(test_a_wipe_outlives_a_cut_at_any_write, setup),
		cmocka_unit_test_setup(test_a_wipe_that_overwrites_outlives_a_cut_at_any_write, setup),
	};
	int failed = cmocka_run_group_tests_name("vault orders and wipe", tests, NULL, NULL);
	free(disk_now);
	free(disk_durable);
	return failed;
}
