#include "http.h"

#include <errno.h>
#include <netdb.h>
#include <nss.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define WIRE_MAX (HTTP_HEAD_MAX + 2 * HTTP_BODY_MAX) /* chunks have heads of their own */

bool http_url(const char *text, struct http_url *ret)
{
	const char *p = agent_after(text, "http://");
	ret->tls = false;
	if (!p) {
		p = agent_after(text, "https://");
		ret->tls = true;
	}
	if (!p)
		return false;
	for (const char *c = p; *c; c++) {
		if (*c <= ' ' || *c >= 0x7f || *c == '?' || *c == '#')
			return false;
	}
	bool bracket = *p == '[';
	size_t len = bracket ? strcspn(p + 1, "]/") : strcspn(p, ":/");
	const char *end = p + bracket + len;
	if (bracket && *end++ != ']')
		return false;
	if (!len || len >= sizeof(ret->host) || memchr(p, '@', (size_t)(end - p)))
		return false;
	memcpy(ret->host, p + bracket, len);
	ret->host[len] = 0;
	(void)agent_format(ret->port, sizeof(ret->port), "%s", ret->tls ? "443" : "80");
	if (*end == ':') {
		size_t n = strspn(++end, "0123456789");
		if (!n || n >= sizeof(ret->port))
			return false;
		memcpy(ret->port, end, n);
		ret->port[n] = 0;
		end += n;
	}
	ret->path = end;
	return !*end || *end == '/';
}

/* Parsing */

struct text {
	const char *at;
	size_t len;
};

/* Takes the next line off t, without its end (CR LF, or LF alone: section 2.2). False if there is no whole line. */
static bool next_line(struct text *t, struct text *ret)
{
	const char *end = t->len ? memchr(t->at, '\n', t->len) : NULL;
	if (!end)
		return false;
	*ret = (struct text){ t->at, (size_t)(end - t->at) };
	t->at = end + 1;
	t->len -= ret->len + 1;
	if (ret->len && ret->at[ret->len - 1] == '\r')
		ret->len--;
	return true;
}

/* The value of a field line if it has this name (section 5). */
static bool field(const struct text *line, const char *name, struct text *ret)
{
	size_t n = strlen(name);
	if (line->len <= n || line->at[n] != ':' || strncasecmp(line->at, name, n) != 0)
		return false;
	*ret = (struct text){ line->at + n + 1, line->len - n - 1 };
	while (ret->len && (*ret->at == ' ' || *ret->at == '\t')) {
		ret->at++;
		ret->len--;
	}
	while (ret->len && (ret->at[ret->len - 1] == ' ' || ret->at[ret->len - 1] == '\t'))
		ret->len--;
	return true;
}

static bool number(const struct text *t, unsigned base, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;
	for (size_t i = 0; i < t->len; i++) {
		char c = t->at[i];
		unsigned digit = c >= '0' && c <= '9'                 ? (unsigned)(c - '0')
				 : (c | 32) >= 'a' && (c | 32) <= 'f' ? (unsigned)((c | 32) - 'a' + 10)
								      : 99;
		if (digit >= base || v > max / base || digit > max - v * base)
			return false;
		v = v * base + digit;
	}
	*ret = v;
	return t->len != 0;
}

/* Section 7.1. */
static const char *unchunk(struct text t, struct http_answer *ret)
{
	for (;;) {
		struct text line;
		uint64_t len;
		if (!next_line(&t, &line))
			return "the answer is cut";
		const char *extension = line.len ? memchr(line.at, ';', line.len) : NULL;
		if (extension)
			line.len = (size_t)(extension - line.at);
		if (!number(&line, 16, HTTP_BODY_MAX, &len))
			return "a chunk's length is wrong";
		if (!len)
			return NULL;
		if (len > t.len)
			return "the answer is cut";
		if (len > HTTP_BODY_MAX - ret->body_len)
			return "the answer is too long";
		memcpy(ret->body + ret->body_len, t.at, len);
		ret->body_len += len;
		t.at += len;
		t.len -= len;
		if (!next_line(&t, &line) || line.len)
			return "a chunk's end is wrong";
	}
}

/* HTTP/1.x NNN ... (section 4). */
static bool status_line(const struct text *line, unsigned *ret)
{
	uint64_t status;
	if (line->len < 12 || memcmp(line->at, "HTTP/1.", 7) != 0 || line->at[8] != ' ' || (line->len > 12 && line->at[12] != ' ') ||
	    !number(&(struct text){ line->at + 9, 3 }, 10, 599, &status) || status < 100)
		return false;
	*ret = (unsigned)status;
	return true;
}

const char *http_parse(const uint8_t *data, size_t len, struct http_answer *ret)
{
	struct text t = { (const char *)data, len }, line, value;
	uint64_t body_len = UINT64_MAX;
	bool chunked = false;
	ret->body_len = 0;
	do { /* answers 1xx announce another */
		ret->etag[0] = 0;
		if (!next_line(&t, &line) || !status_line(&line, &ret->status))
			return "the answer is not HTTP";
		for (;;) {
			if (!next_line(&t, &line))
				return "the answer is cut";
			if (!line.len)
				break;
			if (field(&line, "etag", &value) && value.len <= HTTP_ETAG_MAX) {
				memcpy(ret->etag, value.at, value.len);
				ret->etag[value.len] = 0;
			} else if (field(&line, "content-length", &value)) {
				if (!number(&value, 10, HTTP_BODY_MAX, &body_len))
					return "the answer's length is wrong, or too long";
			} else if (field(&line, "transfer-encoding", &value)) {
				if (value.len != 7 || strncasecmp(value.at, "chunked", 7) != 0)
					return "the answer's transfer encoding is not known";
				chunked = true;
			}
		}
	} while (ret->status < 200);
	for (const char *c = ret->etag; *c; c++) {
		if (*c < ' ' || *c >= 0x7f)
			ret->etag[0] = 0;
	}
	if (ret->status == 204 || ret->status == 304) /* section 6.3 */
		return NULL;
	if (chunked)
		return unchunk(t, ret);
	if (body_len == UINT64_MAX)
		body_len = t.len;
	if (body_len > t.len)
		return "the answer is cut";
	if (body_len > HTTP_BODY_MAX)
		return "the answer is too long";
	memcpy(ret->body, t.at, body_len);
	ret->body_len = body_len;
	return NULL;
}

/* The connection */

static int open_to(const struct http_url *url, const char **ret_wrong)
{
	struct addrinfo *list = NULL, hints = { .ai_socktype = SOCK_STREAM };
	/* This program is static: other services of nsswitch.conf would be libraries of another libc. */
	(void)__nss_configure_lookup("hosts", "files dns");
	int error = getaddrinfo(url->host, url->port, &hints, &list), fd = -1;
	*ret_wrong = error ? gai_strerror(error) : "nobody listens there";
	for (struct addrinfo *a = error ? NULL : list; a && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
		if (fd < 0 || connect(fd, a->ai_addr, a->ai_addrlen) == 0)
			continue;
		*ret_wrong = strerror(errno);
		close(fd);
		fd = -1;
	}
	if (!error)
		freeaddrinfo(list);
	return fd;
}

static bool send_all(int fd, const void *data, size_t len)
{
	const uint8_t *from = data;
	while (len) {
		ssize_t n = send(fd, from, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		from += n;
		len -= (size_t)n;
	}
	return true;
}

static bool send_request(int fd, const struct http_request *r, const struct http_url *url)
{
	char head[1536], match[HTTP_ETAG_MAX + 32] = "", length[96] = "";
	bool six = strchr(url->host, ':') != NULL;
	if (r->if_none_match && !agent_format(match, sizeof(match), "If-None-Match: %s\r\n", r->if_none_match))
		return false;
	if (r->body && !agent_format(length, sizeof(length), "Content-Type: application/cose\r\nContent-Length: %zu\r\n", r->body_len))
		return false;
	return agent_format(head, sizeof(head),
			    "%s %s HTTP/1.1\r\nHost: %s%s%s:%s\r\nUser-Agent: mvp-agent\r\nConnection: close\r\n%s%s\r\n", r->method,
			    *url->path ? url->path : "/", six ? "[" : "", url->host, six ? "]" : "", url->port, match, length) &&
	       send_all(fd, head, strlen(head)) && send_all(fd, r->body, r->body_len);
}

const char *http_do(const struct http_request *r, struct http_answer *ret)
{
	static uint8_t wire[WIRE_MAX];
	struct http_url url;
	const char *wrong;
	if (!http_url(r->url, &url) || url.tls)
		return "the address is wrong";
	int fd = open_to(&url, &wrong);
	if (fd < 0)
		return wrong;
	if (!send_request(fd, r, &url)) {
		close(fd);
		return "the request cannot be sent";
	}
	size_t len = 0;
	ssize_t n;
	while ((n = recv(fd, wire + len, sizeof(wire) - len, 0)) > 0 || (n < 0 && errno == EINTR)) {
		len += n > 0 ? (size_t)n : 0;
		if (len == sizeof(wire))
			break;
	}
	close(fd);
	if (n < 0)
		return "the connection broke";
	return len == sizeof(wire) ? "the answer is too long" : http_parse(wire, len, ret);
}
