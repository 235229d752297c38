/* A transfer in a process of its own: one at a time, bounded in time. http:// is done by http.c in a child of the agent; https:// by a
 * program that needs the persona's libcurl and is started only then:
 *
 *     mvp-https METHOD URL ETAG CA    GET or PUT; an ETag of the last answer or "", a file of certificates or ""; a body on standard input
 *
 * Both say on their output a line with the status, a line with the ETag or nothing, and the body; or a line that begins with '!' and says
 * what is wrong. */
#ifndef GUEST_AGENT_FETCH_H
#define GUEST_AGENT_FETCH_H

#include "http.h"

struct fetch {
	int fd; /* the child's output, to be polled; -1: none */
	int pid;
	size_t len;
	uint8_t data[HTTP_HEAD_MAX + HTTP_BODY_MAX];
};

struct fetch_tls {
	const char *program;
	const char *ca; /* a file of certificates in PEM; "": the persona's own */
};

/* All strings are borrowed for the call. False with a log line. */
bool fetch_start(struct fetch *f, const struct http_request *r, const struct fetch_tls *tls);
/* There is something to read. 0: go on; 1: done, ret is set; -1: failed, said in the log. After 1 and -1 another may start. */
int fetch_read(struct fetch *f, struct http_answer *ret);
void fetch_stop(struct fetch *f);

#endif
