/* The small part of HTTP/1.1 (RFC 9112) that orders and receipts need: one request a connection, no redirects. Blocking; runs in a process
 * of its own (fetch.h), so that what a server sends is never parsed in the agent. */
#ifndef GUEST_AGENT_HTTP_H
#define GUEST_AGENT_HTTP_H

#include "agent.h"

#define HTTP_BODY_MAX 0x10000u
#define HTTP_HEAD_MAX 0x4000u
#define HTTP_ETAG_MAX 200u

struct http_request {
	const char *method, *url;
	const char *if_none_match; /* an ETag, or NULL */
	const uint8_t *body;
	size_t body_len;
};

struct http_answer {
	unsigned status;              /* 100..599 */
	char etag[HTTP_ETAG_MAX + 1]; /* empty: none, or one that is too long to be kept */
	uint8_t body[HTTP_BODY_MAX];
	size_t body_len;
};

struct http_url {
	char host[256], port[6];
	const char *path; /* in the text parsed; "" if there is none */
	bool tls;
};
/* http://HOST[:PORT][/PATH] or https://...; no user, query or fragment, no white space or control characters. */
bool http_url(const char *text, struct http_url *ret);

/* A whole answer, up to the connection's end. NULL, or what is wrong. */
const char *http_parse(const uint8_t *data, size_t len, struct http_answer *ret);

/* NULL, or why there is no answer. */
const char *http_do(const struct http_request *r, struct http_answer *ret);

#endif
