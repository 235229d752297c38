#include "cli/message.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/render.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/text.h"
#include "imagegen/manifest/value.h"

const char *time_text(uint64_t seconds, char buf[TIME_TEXT_LEN])
{
	time_t t = (time_t)seconds;
	struct tm tm;
	if (seconds > INT64_MAX || !gmtime_r(&t, &tm) || !strftime(buf, TIME_TEXT_LEN, "%Y-%m-%dT%H:%M:%SZ", &tm))
		(void)snprintf(buf, TIME_TEXT_LEN, "%" PRIu64, seconds);
	return buf;
}

bool time_parse(const char *text, uint64_t *ret_seconds)
{
	struct tm tm = { 0 };
	uint64_t seconds;
	if (value_count(text, &seconds) == VALUE_OK) {
		*ret_seconds = seconds;
		return seconds <= INT64_MAX;
	}
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	time_t t = end && !*end ? timegm(&tm) : -1;
	*ret_seconds = (uint64_t)t;
	return t >= 0;
}

static int digit(char c)
{
	const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;
	return at ? (int)(at - digits) : -1;
}

bool hex_parse(const char *text, size_t max, uint8_t *ret, size_t *ret_len)
{
	size_t len = strlen(text);
	if (!len || len % 2 || len / 2 > max)
		return false;
	for (size_t i = 0; i < len; i += 2) {
		int high = digit(text[i]), low = digit(text[i + 1]);
		if (high < 0 || low < 0)
			return false;
		ret[i / 2] = (uint8_t)(high << 4 | low);
	}
	*ret_len = len / 2;
	return true;
}

static void print_hex(struct cli *cli, const char *what, const uint8_t *data, size_t len)
{
	char hex[2 * MVP_P256_POINT_LEN + 1];
	cli_print(cli, "  %-13s %s\n", what, text_hex(data, len, hex));
}

static void print_word(struct cli *cli, const char *what, uint64_t n, const char *word)
{
	if (word)
		cli_print(cli, "  %-13s %s\n", what, word);
	else
		cli_print(cli, "  %-13s %" PRIu64 " (unknown)\n", what, n);
}

static void print_time(struct cli *cli, const char *what, uint64_t seconds)
{
	char text[TIME_TEXT_LEN];
	cli_print(cli, "  %-13s %s\n", what, time_text(seconds, text));
}

static void print_number(struct cli *cli, const char *what, uint64_t n)
{
	cli_print(cli, "  %-13s %" PRIu64 "\n", what, n);
}

static void print_text(struct cli *cli, const char *what, const char *text)
{
	cli_print(cli, "  %-13s %s\n", what, text);
}

static void print_order(struct cli *cli, const struct message *m)
{
	const struct order *o = &m->order;
	char *reason CLEANUP_FREE = render_clean(o->reason);
	print_word(cli, "action", o->action, order_action_name(o->action));
	if (message_has(m, MVP_ORDER_SERIAL))
		print_text(cli, "device", o->serial);
	else
		print_text(cli, "fleet", o->fleet);
	print_number(cli, "counter", o->counter);
	print_time(cli, "issued", o->issued);
	if (message_has(m, MVP_ORDER_REASON))
		print_text(cli, "reason", reason);
	if (message_has(m, MVP_ORDER_LOCK_AFTER)) {
		cli_print(cli, "  %-13s %" PRIu64 " s\n", "lock after", o->lock_after);
		cli_print(cli, "  %-13s %" PRIu64 " s\n", "wipe after", o->wipe_after);
	}
	if (message_has(m, MVP_ORDER_NEW_KEY))
		print_hex(cli, "new key", o->new_key, sizeof(o->new_key));
}

static void print_receipt(struct cli *cli, const struct message *m)
{
	const struct receipt *r = &m->receipt;
	print_text(cli, "device", r->serial);
	print_number(cli, "number", r->sequence);
	print_word(cli, "cause", r->cause, receipt_cause_name(r->cause));
	if (message_has(m, MVP_RECEIPT_ORDER))
		print_hex(cli, "order", r->order, sizeof(r->order));
	if (message_has(m, MVP_RECEIPT_ACTION))
		print_word(cli, "action", r->action, order_action_name(r->action));
	print_word(cli, "outcome", r->outcome, receipt_outcome_name(r->outcome));
	print_number(cli, "counter", r->counter);
	print_time(cli, "time", r->time);
	print_hex(cli, "measurement", r->measurement, sizeof(r->measurement));
}

static void print_attest(struct cli *cli, const struct attest *a)
{
	print_text(cli, "device", a->serial);
	print_hex(cli, "nonce", a->nonce, a->nonce_len);
	print_time(cli, "time", a->time);
	print_word(cli, "work", a->state, attest_state_name(a->state));
	print_number(cli, "counter", a->counter);
	print_hex(cli, "measurement", a->measurement, sizeof(a->measurement));
	for (size_t i = 0; i < a->log_count; i++) {
		char *name CLEANUP_FREE = render_clean(a->log[i].name);
		char *what CLEANUP_FREE = mem_printf("  %s", name);
		print_hex(cli, what, a->log[i].digest, sizeof(a->log[i].digest));
	}
}

void print_message(struct cli *cli, const struct message *m)
{
	if (m->kind == MESSAGE_ORDER)
		print_order(cli, m);
	else if (m->kind == MESSAGE_RECEIPT)
		print_receipt(cli, m);
	else
		print_attest(cli, &m->attest);
	print_hex(cli, "digest", m->digest, sizeof(m->digest));
}

/* JSON: words where there are some, and always the number of what has one. */

static void json_word(struct jsonw *j, const char *key, uint64_t n, const char *word)
{
	jsonw_string(j, key, word);
	if (!word) {
		char *number CLEANUP_FREE = mem_printf("%s-number", key);
		jsonw_uint(j, number, n);
	}
}

static void json_order(struct jsonw *j, const struct message *m)
{
	const struct order *o = &m->order;
	json_word(j, "action", o->action, order_action_name(o->action));
	if (message_has(m, MVP_ORDER_SERIAL))
		jsonw_string(j, "device", o->serial);
	else
		jsonw_string(j, "fleet", o->fleet);
	jsonw_uint(j, "counter", o->counter);
	jsonw_uint(j, "issued", o->issued);
	if (message_has(m, MVP_ORDER_REASON))
		jsonw_string(j, "reason", o->reason);
	if (message_has(m, MVP_ORDER_LOCK_AFTER)) {
		jsonw_uint(j, "lock-after", o->lock_after);
		jsonw_uint(j, "wipe-after", o->wipe_after);
	}
	if (message_has(m, MVP_ORDER_NEW_KEY))
		jsonw_hex(j, "new-key", o->new_key, sizeof(o->new_key));
}

static void json_receipt(struct jsonw *j, const struct message *m)
{
	const struct receipt *r = &m->receipt;
	jsonw_string(j, "device", r->serial);
	jsonw_uint(j, "number", r->sequence);
	json_word(j, "cause", r->cause, receipt_cause_name(r->cause));
	if (message_has(m, MVP_RECEIPT_ORDER))
		jsonw_hex(j, "order", r->order, sizeof(r->order));
	if (message_has(m, MVP_RECEIPT_ACTION))
		json_word(j, "action", r->action, order_action_name(r->action));
	json_word(j, "outcome", r->outcome, receipt_outcome_name(r->outcome));
	jsonw_uint(j, "counter", r->counter);
	jsonw_uint(j, "time", r->time);
	jsonw_hex(j, "measurement", r->measurement, sizeof(r->measurement));
}

static void json_attest(struct jsonw *j, const struct attest *a)
{
	jsonw_string(j, "device", a->serial);
	jsonw_hex(j, "nonce", a->nonce, a->nonce_len);
	jsonw_uint(j, "time", a->time);
	json_word(j, "work", a->state, attest_state_name(a->state));
	jsonw_uint(j, "counter", a->counter);
	jsonw_hex(j, "measurement", a->measurement, sizeof(a->measurement));
	jsonw_array(j, "log");
	for (size_t i = 0; i < a->log_count; i++) {
		jsonw_object(j, NULL);
		jsonw_string(j, "name", a->log[i].name);
		jsonw_hex(j, "digest", a->log[i].digest, sizeof(a->log[i].digest));
		jsonw_end(j);
	}
	jsonw_end(j);
}

void json_message(struct jsonw *j, const struct message *m)
{
	jsonw_string(j, "kind", message_kind_name(m->kind));
	if (m->kind == MESSAGE_ORDER)
		json_order(j, m);
	else if (m->kind == MESSAGE_RECEIPT)
		json_receipt(j, m);
	else
		json_attest(j, &m->attest);
	jsonw_hex(j, "digest", m->digest, sizeof(m->digest));
}
