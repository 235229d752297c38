/* Carries orders from a web server to the vault, and receipts back: the contract is in mvp-agent(8). The vault decides what an order is
 * worth; nothing here is trusted, and nothing is lost if this ends at any time. */
#ifndef GUEST_AGENT_ORDERS_H
#define GUEST_AGENT_ORDERS_H

#include "http.h"
#include "sha256.h"

#define ORDERS_SERIAL_MAX 64u
#define ORDERS_BACKOFF_MAX_MS 3600000u

enum orders_step { ORDERS_IDLE, ORDERS_SERIAL, ORDERS_GET, ORDERS_GIVE, ORDERS_RECEIPT, ORDERS_PUT, ORDERS_DONE };

struct orders {
	/* Set before orders_start(): base is an http:// or https:// address without a slash at its end, or NULL: nothing is done. */
	const char *base, *state_path;
	uint64_t interval_ms;

	enum orders_step step; /* what is being waited for */
	uint64_t due;          /* of the next round, while IDLE */
	uint64_t backoff_ms;   /* after failures; 0: the last round went well */
	uint64_t hurry_ms;     /* after an order: its receipt comes soon; 0: none */
	char serial[ORDERS_SERIAL_MAX + 1];
	char url[1024];
	char etag[HTTP_ETAG_MAX + 1], new_etag[HTTP_ETAG_MAX + 1]; /* of the last order that the vault answered; of the one it has now */
	bool known, new_known;
	uint8_t digest[AGENT_SHA256_LEN], new_digest[AGENT_SHA256_LEN]; /* likewise */
	uint64_t seq;                                                   /* of the receipt under way */
	uint8_t receipt[AGENT_ORDER_MAX];
	size_t receipt_len;
};

void orders_start(struct orders *o, uint64_t now);
/* Time passed; returns when to call again, UINT64_MAX while something else is waited for. */
uint64_t orders_tick(struct orders *o, uint64_t now);
void orders_now(struct orders *o, uint64_t now); /* the next round begins at once */
/* What was asked came: the vault's line (NULL: the port is gone), the server's answer (NULL: there is none). */
void orders_answer(struct orders *o, const char *line, uint64_t now);
void orders_fetched(struct orders *o, const struct http_answer *a, uint64_t now);

/* Supplied by the agent: false if it cannot be done now. One at a time of each; the answers come to the two functions above. */
bool orders_ask(const char *line);
bool orders_fetch(const struct http_request *r);
uint32_t orders_random(void);

#endif
