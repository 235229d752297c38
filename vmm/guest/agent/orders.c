#include "orders.h"

#include <stdio.h>
#include <string.h>

#define FIRST_BACKOFF_MS 5000u
#define FIRST_HURRY_MS 1000u

/* Devices must not all ask at once: three quarters to five quarters of the time. */
static uint64_t spread(uint64_t ms)
{
	return ms - ms / 4 + (uint64_t)orders_random() * (ms / 2) / UINT32_MAX;
}

/* The round ended; when the next one comes. */
static void rest(struct orders *o, bool well, uint64_t now)
{
	uint64_t wait = o->interval_ms;
	if (!well) {
		o->backoff_ms = o->backoff_ms ? o->backoff_ms * 2 : FIRST_BACKOFF_MS;
		if (o->backoff_ms > ORDERS_BACKOFF_MAX_MS)
			o->backoff_ms = ORDERS_BACKOFF_MAX_MS;
		wait = o->backoff_ms;
	} else {
		o->backoff_ms = 0;
		if (o->hurry_ms) {
			wait = o->hurry_ms < wait ? o->hurry_ms : wait;
			o->hurry_ms = o->hurry_ms < o->interval_ms ? o->hurry_ms * 2 : 0;
		}
	}
	o->step = ORDERS_IDLE;
	o->due = now + spread(wait);
}

static void ask(struct orders *o, enum orders_step step, const char *line, uint64_t now)
{
	o->step = step;
	if (!orders_ask(line))
		rest(o, false, now);
}

static void fetch(struct orders *o, enum orders_step step, const struct http_request *r, uint64_t now)
{
	o->step = step;
	if (!orders_fetch(r))
		rest(o, false, now);
}

/* Address of one of the device's files: its folder is two hexadecimal digits of the serial number's digest, so that no folder of a big
 * fleet is too big. */
static bool address(struct orders *o, const char *end)
{
	uint8_t digest[AGENT_SHA256_LEN];
	agent_sha256(o->serial, strlen(o->serial), digest);
	return agent_format(o->url, sizeof(o->url), "%s/%02x/%s%s", o->base, digest[0], o->serial, end);
}

/* The state file: what the last order was, so that a restart does not give it to the vault again */

static void load(struct orders *o)
{
	char text[HTTP_ETAG_MAX + 2 * AGENT_SHA256_LEN + 32];
	if (!o->state_path || agent_read_file(o->state_path, text, sizeof(text)) < 0)
		return;
	const char *order = agent_after(text, "order ");
	const char *etag = order && strlen(order) > 2 * AGENT_SHA256_LEN ? agent_after(order + 2 * AGENT_SHA256_LEN, "\netag ") : NULL;
	for (unsigned i = 0; etag && i < AGENT_SHA256_LEN; i++) {
		unsigned v;
		if (sscanf(order + (size_t)2 * i, "%2x", &v) != 1) /* NOLINT(cert-err34-c): two digits cannot overflow */
			return;
		o->digest[i] = (uint8_t)v;
	}
	if (!etag || strlen(etag) > HTTP_ETAG_MAX + 1)
		return;
	o->known = true;
	(void)agent_format(o->etag, sizeof(o->etag), "%.*s", (int)strcspn(etag, "\n"), etag);
}

static void save(const struct orders *o)
{
	char text[HTTP_ETAG_MAX + 2 * AGENT_SHA256_LEN + 32], hex[2 * AGENT_SHA256_LEN + 1];
	for (size_t i = 0; i < AGENT_SHA256_LEN; i++)
		(void)agent_format(hex + 2 * i, 3, "%02x", o->digest[i]);
	if (!o->state_path || !agent_format(text, sizeof(text), "order %s\netag %s\n", hex, o->etag))
		return;
	if (!agent_write_file(o->state_path, text, strlen(text)))
		agent_log("cannot write '%s': after a restart the vault gets its last order again", o->state_path);
}

/* Steps */

void orders_start(struct orders *o, uint64_t now)
{
	o->step = ORDERS_IDLE;
	o->due = now;
	load(o);
}

void orders_now(struct orders *o, uint64_t now)
{
	if (o->step == ORDERS_IDLE)
		o->due = now;
}

uint64_t orders_tick(struct orders *o, uint64_t now)
{
	if (!o->base || o->step != ORDERS_IDLE)
		return UINT64_MAX;
	if (now >= o->due)
		ask(o, ORDERS_SERIAL, "serial", now);
	return o->step == ORDERS_IDLE ? o->due : UINT64_MAX;
}

/* A serial number becomes part of an address: letters, digits, '-', '_' and '.', not first. */
static bool serial_is_good(const char *s)
{
	size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.");
	return n && n <= ORDERS_SERIAL_MAX && !s[n] && *s != '.';
}

static void got_serial(struct orders *o, const char *line, uint64_t now)
{
	const char *serial = agent_after(line, "serial ");
	if (serial && strcmp(serial, "none") == 0) {
		rest(o, true, now); /* not provisioned: nobody can order anything */
		return;
	}
	if (!serial || !serial_is_good(serial) || !agent_format(o->serial, sizeof(o->serial), "%s", serial) || !address(o, ".order")) {
		agent_log("the vault tells no serial number: %s", line);
		rest(o, false, now);
		return;
	}
	fetch(o, ORDERS_GET, &(struct http_request){ "GET", o->url, o->etag[0] ? o->etag : NULL, NULL, 0 }, now);
}

static void got_order(struct orders *o, const struct http_answer *a, uint64_t now)
{
	char line[AGENT_LINE_MAX] = "order ";
	if (a->status == 304 || a->status == 404) {
		ask(o, ORDERS_RECEIPT, "receipt", now);
		return;
	}
	if (a->status != 200) {
		agent_log("%s: the server says %u", o->url, a->status);
		rest(o, false, now);
		return;
	}
	if (!a->body_len || a->body_len > AGENT_ORDER_MAX) {
		agent_log("%s: %zu bytes are no order", o->url, a->body_len);
		rest(o, false, now);
		return;
	}
	agent_sha256(a->body, a->body_len, o->new_digest);
	(void)agent_format(o->new_etag, sizeof(o->new_etag), "%s", a->etag);
	/* A server need not know ETags. */
	if (o->known && memcmp(o->digest, o->new_digest, sizeof(o->digest)) == 0) {
		ask(o, ORDERS_RECEIPT, "receipt", now);
		return;
	}
	agent_base64(a->body, a->body_len, line + strlen(line));
	ask(o, ORDERS_GIVE, line, now);
}

static void given(struct orders *o, const char *line, uint64_t now)
{
	if (strcmp(line, "order accepted") != 0 && strcmp(line, "order refused") != 0) {
		agent_log("the vault does not take orders: %s", line);
		rest(o, false, now);
		return;
	}
	agent_log("%s", line);
	o->known = true;
	memcpy(o->digest, o->new_digest, sizeof(o->digest));
	memcpy(o->etag, o->new_etag, sizeof(o->etag));
	save(o);
	o->hurry_ms = FIRST_HURRY_MS;
	ask(o, ORDERS_RECEIPT, "receipt", now);
}

/* receipt SEQ BASE64 or receipt none. */
static void got_receipt(struct orders *o, const char *line, uint64_t now)
{
	const char *rest_of_line = agent_after(line, "receipt "), *space = rest_of_line ? strchr(rest_of_line, ' ') : NULL;
	char number[24], end[48];
	if (rest_of_line && strcmp(rest_of_line, "none") == 0) {
		rest(o, true, now);
		return;
	}
	long len = space ? agent_unbase64(space + 1, strlen(space + 1), o->receipt, sizeof(o->receipt)) : -1;
	if (len <= 0 || !agent_format(number, sizeof(number), "%.*s", (int)(space - rest_of_line), rest_of_line) ||
	    !agent_number(number, UINT64_MAX, &o->seq) || !agent_format(end, sizeof(end), ".%s.receipt", number) || !address(o, end)) {
		agent_log("the vault tells no receipt: %s", line);
		rest(o, false, now);
		return;
	}
	o->receipt_len = (size_t)len;
	fetch(o, ORDERS_PUT, &(struct http_request){ "PUT", o->url, NULL, o->receipt, o->receipt_len }, now);
}

static void uploaded(struct orders *o, const struct http_answer *a, uint64_t now)
{
	char line[48];
	if (a->status < 200 || a->status > 299) {
		agent_log("%s: the server says %u", o->url, a->status);
		rest(o, false, now);
		return;
	}
	(void)agent_format(line, sizeof(line), "receipt-done %llu", (unsigned long long)o->seq);
	agent_log("receipt %llu is with the server", (unsigned long long)o->seq);
	ask(o, ORDERS_DONE, line, now);
}

void orders_answer(struct orders *o, const char *line, uint64_t now)
{
	if (!line)
		rest(o, false, now);
	else if (o->step == ORDERS_SERIAL)
		got_serial(o, line, now);
	else if (o->step == ORDERS_GIVE)
		given(o, line, now);
	else if (o->step == ORDERS_RECEIPT)
		got_receipt(o, line, now);
	else if (o->step == ORDERS_DONE && strcmp(line, "ok") == 0)
		ask(o, ORDERS_RECEIPT, "receipt", now);
	else
		rest(o, false, now);
}

void orders_fetched(struct orders *o, const struct http_answer *a, uint64_t now)
{
	if (!a)
		rest(o, false, now);
	else if (o->step == ORDERS_GET)
		got_order(o, a, now);
	else if (o->step == ORDERS_PUT)
		uploaded(o, a, now);
}
