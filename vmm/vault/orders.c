/* Questions:
 *     serial            serial NAME|none
 *     order BASE64      order accepted|refused
 *     receipt           receipt SEQUENCE BASE64, of the oldest that is pending, or receipt none
 *     receipt-done N    ok
 *     attest HEXNONCE   attest BASE64, or attest none from a device that is not provisioned
 *     contact           ok
 * Base64 is RFC 4648's with padding. What is malformed gets `unknown`. */
#include "orders.h"

#include "base64.h"
#include "console.h"
#include "drivers/fw_cfg.h"
#include "handset.h"
#include "identity.h"
#include "job.h"
#include "lease.h"
#include "order.h"
#include "p256.h"
#include "receipt.h"
#include "state.h"
#include "timer.h"
#include "wipe.h"

#define PAUSE_MS 500  /* between two questions of one source that take a signature */
#define RETRY_MS 1000 /* between two attempts to write the journal */

#define VERIFY_BITS 4 /* of a signature's verification, between looks at the clock */

enum progress { FREE, ASKED, VERIFYING, SIGNING, COMMITTING, ANSWERED };
enum kind { ASK_SERIAL, ASK_ORDER, ASK_RECEIPT, ASK_DROP, ASK_ATTEST, ASK_CONTACT };

struct question {
	uint32_t progress; /* atomic: the source's while FREE and ANSWERED, CPU 0's in between */
	uint32_t dropped;  /* atomic: nobody waits for the answer */
	enum kind kind;
	uint8_t data[MVP_ORDER_MAX]; /* order or nonce */
	size_t len;
	uint64_t number;
	/* CPU 0's */
	uint64_t not_before, retry_at; /* counter values: for the next question, for the journal */
	struct order order;            /* while VERIFYING; of data */
	uint8_t digest[SHA256_LEN];
	uint32_t ticket;
	bool wipes, accepted;
	uint32_t answer_len;
	char answer[ORDERS_ANSWER_MAX];
};

static struct question questions[ORDERS_SOURCES];
static unsigned turn;                   /* whose question is looked at first */
static struct p256_verify verification; /* of the one question that is VERIFYING */
static struct message signing;          /* of the one that is SIGNING, or the board's */
static uint64_t signing_sequence;       /* of the receipt, if it is one */
static struct {
	bool waits, signs; /* for the receipt of the board's order; that is being signed */
	uint8_t digest[SHA256_LEN];
} board;

static uint32_t progress(const struct question *q)
{
	return __atomic_load_n(&q->progress, __ATOMIC_ACQUIRE);
}

static void set_progress(struct question *q, uint32_t v)
{
	__atomic_store_n(&q->progress, v, __ATOMIC_RELEASE);
}

/* Asking */

static bool parse_number(const char *text, size_t len, uint64_t *ret)
{
	*ret = 0;
	if (!len || len > 20)
		return false;
	for (size_t i = 0; i < len; i++) {
		uint64_t digit = (uint64_t)(text[i] - '0');
		if (text[i] < '0' || text[i] > '9' || *ret > (UINT64_MAX - digit) / 10)
			return false;
		*ret = *ret * 10 + digit;
	}
	return true;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool parse_nonce(struct question *q, const char *text, size_t len)
{
	if (len % 2 || len < 2 * MVP_NONCE_MIN || len > 2 * MVP_NONCE_MAX)
		return false;
	for (size_t i = 0; i < len; i += 2) {
		int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);
		if (high < 0 || low < 0)
			return false;
		q->data[i / 2] = (uint8_t)(high << 4 | low);
	}
	q->len = len / 2;
	return true;
}

static bool parse(struct question *q, const char *line, size_t len)
{
	static const struct {
		const char *word;
		enum kind kind;
		bool more;
	} words[] = {
		{ "serial", ASK_SERIAL, false },    { "order", ASK_ORDER, true },   { "receipt", ASK_RECEIPT, false },
		{ "receipt-done", ASK_DROP, true }, { "attest", ASK_ATTEST, true }, { "contact", ASK_CONTACT, false },
	};
	size_t word_len = 0;
	while (word_len < len && line[word_len] != ' ')
		word_len++;
	const char *more = line + word_len + 1;
	size_t more_len = word_len < len ? len - word_len - 1 : 0;
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (text_len(words[i].word) != word_len || memcmp(words[i].word, line, word_len) || words[i].more != (word_len < len))
			continue;
		q->kind = words[i].kind;
		if (q->kind == ASK_ORDER)
			return base64_decode(more, more_len, q->data, sizeof(q->data), &q->len);
		if (q->kind == ASK_ATTEST)
			return parse_nonce(q, more, more_len);
		return q->kind != ASK_DROP || parse_number(more, more_len, &q->number);
	}
	return false;
}

bool orders_ask(unsigned source, const char *line, size_t len)
{
	struct question *q = &questions[source];
	if (progress(q) != FREE || !parse(q, line, len))
		return false;
	__atomic_store_n(&q->dropped, 0, __ATOMIC_RELAXED);
	set_progress(q, ASKED);
	hc(MVP_HC_DOORBELL, 0, 0, 0);
	return true;
}

bool orders_is_asked(unsigned source)
{
	return progress(&questions[source]) != FREE;
}

size_t orders_answer(unsigned source, char ret[ORDERS_ANSWER_MAX])
{
	struct question *q = &questions[source];
	size_t len = 0;
	if (progress(q) != ANSWERED)
		return 0;
	if (!__atomic_load_n(&q->dropped, __ATOMIC_RELAXED)) {
		len = q->answer_len;
		memcpy(ret, q->answer, len);
	}
	set_progress(q, FREE);
	return len;
}

void orders_forget(unsigned source)
{
	__atomic_store_n(&questions[source].dropped, 1, __ATOMIC_RELAXED);
}

/* Answering */

static void answer(unsigned source, size_t len)
{
	struct question *q = &questions[source];
	q->answer_len = (uint32_t)len;
	wipe(q->data, sizeof(q->data));
	set_progress(q, ANSWERED);
	orders_answered(source);
}

static void say(unsigned source, const char *text)
{
	answer(source, text_format(questions[source].answer, ORDERS_ANSWER_MAX, "%s\n", text));
}

/* A message behind what the answer has so far. */
static void say_message(unsigned source, size_t at, const uint8_t *message, size_t len)
{
	char *to = questions[source].answer;
	at += base64_encode(message, len, to + at, ORDERS_ANSWER_MAX - 1 - at);
	to[at++] = '\n';
	answer(source, at);
}

static void rest(struct question *q)
{
	q->not_before = arch_counter() + arch_ms(PAUSE_MS);
}

/* Of an order whose signature is right. */
static enum mvp_outcome judge(const struct order *o)
{
	const struct mvp_state *s = state_get();
	if (!order_is_for(o, identity_serial(), identity_fleet()))
		return MVP_OUTCOME_DEVICE;
	if (o->counter <= s->order_counter)
		return MVP_OUTCOME_STALE;
	if (o->action < MVP_ACTION_WIPE || o->action > MVP_ACTION_ROTATE_KEY)
		return MVP_OUTCOME_UNKNOWN;
	if (o->action == MVP_ACTION_ROTATE_KEY && !p256_is_point(o->new_key))
		return MVP_OUTCOME_MALFORMED;
	bool about_work = o->action == MVP_ACTION_LOCK || o->action == MVP_ACTION_UNLOCK_ALLOW || o->action == MVP_ACTION_LEASE;
	return about_work && s->wipe == MVP_WIPE_DONE ? MVP_OUTCOME_WIPED : MVP_OUTCOME_DONE;
}

static void keep_reason(struct mvp_state *s, const struct order *o)
{
	s->reason_len = (uint32_t)o->reason_len;
	memset(s->reason, 0, sizeof(s->reason));
	if (o->reason_len)
		memcpy(s->reason, o->reason, o->reason_len);
}

/* Makes the order's changes, all but the counter and the receipt. True if it begins a wipe, whose end has the receipt. */
static bool carry_out(struct mvp_state *s, const struct order *o, const uint8_t digest[SHA256_LEN])
{
	switch ((enum mvp_action)o->action) {
	case MVP_ACTION_WIPE:
		if (s->wipe == MVP_WIPE_DONE)
			return false;
		keep_reason(s, o);
		s->wipe = MVP_WIPE_KEYS;
		s->wipe_cause = MVP_CAUSE_ORDER;
		memcpy(s->wipe_order, digest, SHA256_LEN);
		return true;
	case MVP_ACTION_LOCK:
		keep_reason(s, o);
		s->barred = 1;
		return false;
	case MVP_ACTION_UNLOCK_ALLOW:
		s->barred = 0;
		s->reason_len = 0;
		/* Contact, too: where the lease had locked it, it would at once again. */
		if (o->issued > s->lease_issued)
			s->lease_issued = o->issued;
		handset_forgive();
		return false;
	case MVP_ACTION_LEASE:
		s->lease_issued = o->issued;
		s->lease_lock_after = o->lock_after;
		s->lease_wipe_after = o->wipe_after;
		s->lease_ordered = 1;
		return false;
	case MVP_ACTION_ROTATE_KEY:
		memcpy(s->order_public, o->new_key, MVP_P256_POINT_LEN);
		s->order_rotated = 1;
		return false;
	}
	return false;
}

/* Makes the order's changes, which are not durable yet. */
static void decide(unsigned source, enum mvp_outcome outcome)
{
	struct question *q = &questions[source];
	struct mvp_state *s = state_edit();
	const struct order *o = &q->order;
	const uint8_t *digest = q->digest;
	enum mvp_action action = o->action <= MVP_ACTION_ROTATE_KEY ? (enum mvp_action)o->action : 0;
	bool refused = outcome != MVP_OUTCOME_DONE;
	/* A refusal that somebody keeps asking for is on its way already. */
	bool known = refused && receipt_find(digest, outcome);
	q->accepted = !refused && receipt_has_room(RECEIPT_ORDER);
	q->wipes = false;
	rest(q);
	if (known || !receipt_has_room(refused ? RECEIPT_REFUSAL : RECEIPT_ORDER)) {
		say(source, "order refused");
		return;
	}
	if (q->accepted) {
		s->order_counter = o->counter;
		memcpy(s->order_digest, digest, sizeof(s->order_digest));
		q->wipes = carry_out(s, o, digest);
	}
	if (!q->wipes)
		receipt_add(MVP_CAUSE_ORDER, digest, action, outcome);
	q->ticket = state_commit();
	q->retry_at = 0;
	set_progress(q, COMMITTING);
	console_log(q->accepted ? "order %u taken" : "order refused (%u)", q->accepted ? (unsigned)action : (unsigned)outcome);
}

static void take_order(unsigned source)
{
	struct question *q = &questions[source];
	const struct mvp_state *s = state_get();
	struct sha256 hash;
	sha256_init(&hash);
	sha256_add(&hash, q->data, q->len);
	sha256_end(&hash, q->digest);
	if (source == ORDERS_BOARD) {
		board.waits = true;
		memcpy(board.digest, q->digest, sizeof(board.digest));
	}
	if (!memcmp(q->digest, s->order_digest, sizeof(q->digest))) { /* whose answer got lost: there is one receipt, and not a second */
		rest(q);
		say(source, "order accepted");
		return;
	}
	if (!order_parse(q->data, q->len, &q->order)) {
		q->order.action = 0;
		decide(source, MVP_OUTCOME_MALFORMED);
	} else if (!p256_verify_begin(&verification, s->order_rotated ? s->order_public : identity_order_public(), q->order.cose.digest,
				      q->order.cose.signature)) {
		decide(source, MVP_OUTCOME_SIGNATURE);
	} else {
		set_progress(q, VERIFYING);
	}
}

static void verify_order(unsigned source)
{
	uint64_t deadline = job_deadline();
	while (!p256_verify_step(&verification, VERIFY_BITS)) {
		if (arch_counter() >= deadline)
			return;
	}
	decide(source, p256_verify_end(&verification) ? judge(&questions[source].order) : MVP_OUTCOME_SIGNATURE);
}

/* Nothing is answered, nor done, before it is durable; but nothing is gained by sparing the keys for a journal that cannot be written. */
static void finish_order(unsigned source)
{
	struct question *q = &questions[source];
	enum state_done done = state_settled(q->ticket);
	if (done == STATE_PENDING)
		return;
	if (q->wipes)
		wipe_run(q->ticket);
	q->wipes = false;
	lease_changed();
	if (done == STATE_DONE) {
		say(source, q->accepted ? "order accepted" : "order refused");
		return;
	}
	q->ticket = state_commit();
	q->retry_at = arch_counter() + arch_ms(RETRY_MS);
	timer_at(q->retry_at);
}

static void take_receipt(unsigned source)
{
	const struct mvp_state_receipt *r = receipt_oldest();
	rest(&questions[source]);
	if (r && receipt_begin(&signing, r)) {
		signing_sequence = r->sequence;
		set_progress(&questions[source], SIGNING);
	} else {
		say(source, "receipt none");
	}
}

static void take_attestation(unsigned source)
{
	struct question *q = &questions[source];
	rest(q);
	if (attest_begin(&signing, q->data, q->len, handset_work_state()))
		set_progress(q, SIGNING);
	else
		say(source, "attest none");
}

/* True when the message in `signing` can end. */
static bool sign(void)
{
	uint64_t deadline = job_deadline();
	while (!message_step(&signing)) {
		if (arch_counter() >= deadline)
			return false;
	}
	return arch_counter() < deadline; /* the end is as long as a step of its own */
}

static void sign_answer(unsigned source)
{
	struct question *q = &questions[source];
	const struct mvp_state_receipt *r = receipt_oldest();
	uint8_t message[MVP_ATTEST_MAX];
	if (!sign())
		return;
	size_t len = message_end(&signing, message), at;
	if (q->kind == ASK_RECEIPT && (!r || r->sequence != signing_sequence)) { /* it has arrived, by somebody else: the next one */
		set_progress(q, ASKED);
		return;
	}
	if (q->kind == ASK_RECEIPT)
		at = text_format(q->answer, ORDERS_ANSWER_MAX, "receipt %lu ", (unsigned long)signing_sequence);
	else
		at = text_format(q->answer, ORDERS_ANSWER_MAX, "attest ");
	if (len)
		say_message(source, at, message, len);
	else
		say(source, q->kind == ASK_RECEIPT ? "receipt none" : "attest none");
}

/* Whether a question takes a public key's work, and so has to wait for a share of CPU time. */
static bool computes(const struct question *q)
{
	bool provisioned = identity_get() == IDENTITY_SOUND;
	return provisioned && (q->kind == ASK_ORDER || q->kind == ASK_ATTEST || (q->kind == ASK_RECEIPT && receipt_oldest()));
}

static bool signature_is_under_way(void)
{
	bool any = board.signs;
	for (unsigned i = 0; i < ORDERS_SOURCES; i++)
		any |= progress(&questions[i]) == SIGNING;
	return any;
}

static bool order_is_under_way(void)
{
	for (unsigned i = 0; i < ORDERS_SOURCES; i++) {
		enum progress now = progress(&questions[i]);
		if (now == VERIFYING || now == COMMITTING)
			return true;
	}
	return false;
}

/* Whether it is the turn of a question that CPU 0 has not answered. One order after the other: the next may be the same. One that comes in
 * the middle of a wipe waits for its end. */
static bool may_go(const struct question *q)
{
	enum progress now = progress(q);
	uint32_t wipe_now = state_get()->wipe;
	bool wiping = wipe_now == MVP_WIPE_KEYS || wipe_now == MVP_WIPE_DATA;
	if ((now != ASKED && now != VERIFYING && now != SIGNING) || (q->kind == ASK_ORDER && wiping))
		return false;
	if (q->kind == ASK_RECEIPT && !state_is_idle())
		return false; /* a receipt that leaves must be durable */
	if (now != ASKED)
		return true;
	bool other = q->kind == ASK_ORDER ? order_is_under_way() : computes(q) && signature_is_under_way();
	return arch_counter() >= q->not_before && !other;
}

static void take(unsigned source)
{
	struct question *q = &questions[source];
	char line[16 + MVP_SERIAL_MAX];
	bool provisioned = identity_get() == IDENTITY_SOUND;
	if (progress(q) == VERIFYING) {
		verify_order(source);
		return;
	}
	if (progress(q) == SIGNING) {
		sign_answer(source);
		return;
	}
	switch (q->kind) {
	case ASK_SERIAL:
		text_format(line, sizeof(line), "serial %s", provisioned ? identity_serial() : "none");
		say(source, line);
		return;
	case ASK_ORDER:
		if (provisioned)
			take_order(source);
		else
			say(source, "order refused");
		return;
	case ASK_RECEIPT:
		take_receipt(source);
		return;
	case ASK_DROP:
		if (receipt_drop(q->number))
			state_commit();
		say(source, "ok");
		return;
	case ASK_ATTEST:
		take_attestation(source);
		return;
	case ASK_CONTACT:
		say(source, "ok");
		return;
	}
}

/* Whoever brought the order by the board gets its receipt on the console, once. */
static bool board_receipt_is_there(void)
{
	return board.signs || (board.waits && identity_get() == IDENTITY_SOUND && state_is_idle() && receipt_find(board.digest, 0) &&
			       !signature_is_under_way());
}

static void sign_board_receipt(void)
{
	const struct mvp_state_receipt *r = receipt_find(board.digest, 0);
	board.waits = false;
	board.signs = r && receipt_begin(&signing, r);
	signing_sequence = r ? r->sequence : 0;
}

static void show_board_receipt(void)
{
	uint8_t message[MVP_ATTEST_MAX];
	char line[ORDERS_ANSWER_MAX];
	if (!sign())
		return;
	board.signs = false;
	size_t len = message_end(&signing, message), at;
	at = text_format(line, sizeof(line), "receipt %lu ", (unsigned long)signing_sequence);
	line[at + base64_encode(message, len, line + at, sizeof(line) - 1 - at)] = 0;
	console_line(line);
}

bool orders_poll(bool work)
{
	for (unsigned i = 0; i < ORDERS_SOURCES; i++) {
		unsigned source = (turn + i) % ORDERS_SOURCES;
		struct question *q = &questions[source];
		if (progress(q) == COMMITTING && arch_counter() >= q->retry_at)
			finish_order(source);
		if (progress(q) == ASKED && q->not_before > arch_counter())
			timer_at(q->not_before);
		if (!may_go(q))
			continue;
		if (computes(q) && !work)
			continue;
		if (computes(q)) {
			work = false; /* it is used up */
			turn = (source + 1) % ORDERS_SOURCES;
		}
		take(source);
	}
	if (!work || !board_receipt_is_there())
		return work;
	if (board.signs)
		show_board_receipt();
	else
		sign_board_receipt();
	return false;
}

bool orders_has_work(void)
{
	for (unsigned i = 0; i < ORDERS_SOURCES; i++) {
		const struct question *q = &questions[i];
		if (may_go(q) && computes(q))
			return true;
	}
	return board_receipt_is_there();
}

void orders_end(void)
{
	wipe(&signing, sizeof(signing));
}

void orders_start(void)
{
	struct question *q = &questions[ORDERS_BOARD];
	struct fw_cfg_file file;
	if (!fw_cfg_find(MVP_ORDER_FILE, &file))
		return;
	if (file.size > sizeof(q->data) || !fw_cfg_read(&file, q->data, file.size)) {
		console_log("the board's order cannot be read");
		return;
	}
	q->kind = ASK_ORDER;
	q->len = file.size;
	set_progress(q, ASKED);
}
