#include "dbus.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define SKIP_DEPTH 8u /* of variants in variants */
#define OPEN_S 5
#define FIELD_PATH 1u
#define FIELD_INTERFACE 2u
#define FIELD_MEMBER 3u
#define FIELD_ERROR 4u
#define FIELD_REPLY 5u
#define FIELD_DESTINATION 6u
#define FIELD_SENDER 7u
#define FIELD_SIGNATURE 8u
#define BODY_MAX 0x8000000u /* 128 MiB: the protocol's own limit */

/* Reading */

static const uint8_t *get(struct dbus_reader *r, size_t len)
{
	if (r->wrong || len > r->len - r->at) {
		r->wrong = true;
		return NULL;
	}
	r->at += len;
	return r->data + r->at - len;
}

void dbus_align(struct dbus_reader *r, size_t alignment)
{
	(void)get(r, (alignment - r->at % alignment) % alignment);
}

uint8_t dbus_get_byte(struct dbus_reader *r)
{
	const uint8_t *p = get(r, 1);
	return p ? *p : 0;
}

uint32_t dbus_get_u32(struct dbus_reader *r)
{
	uint32_t v = 0;
	dbus_align(r, 4);
	const uint8_t *p = get(r, 4);
	if (p)
		memcpy(&v, p, 4);
	return v;
}

/* len bytes and a NUL, none of them a NUL. */
static const char *get_text(struct dbus_reader *r, size_t len)
{
	const uint8_t *p = get(r, len);
	const uint8_t *end = get(r, 1);
	if (!p || !end || *end || (len && memchr(p, 0, len))) {
		r->wrong = true;
		return "";
	}
	return (const char *)p;
}

const char *dbus_get_string(struct dbus_reader *r)
{
	return get_text(r, dbus_get_u32(r));
}

const char *dbus_get_signature(struct dbus_reader *r)
{
	return get_text(r, dbus_get_byte(r));
}

void dbus_get_array(struct dbus_reader *r, size_t alignment, size_t *ret_end)
{
	size_t len = dbus_get_u32(r);
	dbus_align(r, alignment);
	if (r->wrong || len > r->len - r->at) {
		r->wrong = true;
		len = 0;
	}
	*ret_end = r->at + len;
}

static size_t alignment_of(char type)
{
	static const char types[] = "ybnqiuxtdsoghav({";
	static const uint8_t alignments[] = { 1, 4, 2, 2, 4, 4, 8, 8, 8, 4, 4, 1, 4, 4, 1, 8, 8 };
	const char *at = type ? strchr(types, type) : NULL;
	return at ? alignments[at - types] : 0;
}

/* Behind the one complete type that begins here; NULL if there is none. */
static const char *behind_type(const char *s)
{
	unsigned depth = 0;
	for (; *s; s++) {
		if (!alignment_of(*s) && *s != ')' && *s != '}')
			return NULL;
		if (*s == '(' || *s == '{')
			depth++;
		if ((*s == ')' || *s == '}') && !depth--)
			return NULL;
		if (*s != 'a' && !depth)
			return s + 1;
	}
	return NULL;
}

static void skip_array(struct dbus_reader *r, const char **signature)
{
	size_t end = 0, alignment = alignment_of(**signature);
	*signature = alignment ? behind_type(*signature) : NULL;
	if (!*signature) {
		r->wrong = true;
		return;
	}
	dbus_get_array(r, alignment, &end);
	if (!r->wrong)
		r->at = end;
}

/* A struct's members lie one after the other, as those of the message do; an array says how long it is. Only a variant brings a signature
 * of its own, so a few are kept, and nothing calls itself. */
void dbus_skip(struct dbus_reader *r, const char *signature)
{
	const char *stack[SKIP_DEPTH] = { signature };
	unsigned depth = 1;
	while (depth && !r->wrong) {
		const char **s = &stack[depth - 1];
		char type = **s;
		if (!type) {
			depth--;
			continue;
		}
		(*s)++;
		switch (type) {
		case ')':
			break;
		case '(':
			dbus_align(r, 8);
			break;
		case 's':
		case 'o':
			(void)dbus_get_string(r);
			break;
		case 'g':
			(void)dbus_get_signature(r);
			break;
		case 'a':
			skip_array(r, s);
			break;
		case 'v':
			if (depth == SKIP_DEPTH)
				r->wrong = true;
			else
				stack[depth++] = dbus_get_signature(r);
			break;
		default: {
			size_t len = type == '{' || type == '}' ? 0 : type == 'b' ? 4 : alignment_of(type);
			r->wrong |= !len;
			if (len) {
				dbus_align(r, len);
				(void)get(r, len);
			}
		}
		}
	}
}

size_t dbus_message_len(const uint8_t head[DBUS_HEAD])
{
	uint32_t body, fields;
	memcpy(&body, head + 4, 4);
	memcpy(&fields, head + 12, 4);
	if (head[0] != 'l' || head[3] != 1 || body > BODY_MAX || fields > BODY_MAX)
		return 0;
	return DBUS_HEAD + ((size_t)fields + 7) / 8 * 8 + body;
}

static void parse_field(struct dbus_reader *r, struct dbus_message *m)
{
	static const struct {
		uint8_t code;
		const char *type;
		size_t at;
	} texts[] = {
		{ FIELD_PATH, "o", offsetof(struct dbus_message, path) },
		{ FIELD_INTERFACE, "s", offsetof(struct dbus_message, interface) },
		{ FIELD_MEMBER, "s", offsetof(struct dbus_message, member) },
		{ FIELD_ERROR, "s", offsetof(struct dbus_message, error) },
		{ FIELD_DESTINATION, "s", offsetof(struct dbus_message, destination) },
		{ FIELD_SENDER, "s", offsetof(struct dbus_message, sender) },
	};
	dbus_align(r, 8);
	uint8_t code = dbus_get_byte(r);
	const char *type = dbus_get_signature(r);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (texts[i].code != code || strcmp(type, texts[i].type) != 0)
			continue;
		const char *text = dbus_get_string(r);
		memcpy((uint8_t *)m + texts[i].at, &text, sizeof(text));
		return;
	}
	if (code == FIELD_REPLY && strcmp(type, "u") == 0)
		m->reply_serial = dbus_get_u32(r);
	else if (code == FIELD_SIGNATURE && strcmp(type, "g") == 0)
		m->signature = dbus_get_signature(r);
	else
		dbus_skip(r, type);
}

bool dbus_parse(const uint8_t *data, size_t len, struct dbus_message *ret)
{
	struct dbus_reader r = { data, len, 12, false };
	*ret = (struct dbus_message){
		.path = "", .interface = "", .member = "", .error = "", .sender = "", .destination = "", .signature = ""
	};
	size_t end;
	if (len < DBUS_HEAD || dbus_message_len(data) != len)
		return false;
	ret->type = data[1];
	ret->flags = data[2];
	memcpy(&ret->serial, data + 8, 4);
	dbus_get_array(&r, 8, &end);
	while (!r.wrong && r.at < end)
		parse_field(&r, ret);
	r.wrong |= r.at != end;
	dbus_align(&r, 8);
	if (r.wrong)
		return false;
	/* The body begins at a multiple of 8, so positions in it are aligned as those of the message are. */
	ret->body = (struct dbus_reader){ data + r.at, len - r.at, 0, false };
	return true;
}

/* Writing */

static void put(struct dbus_writer *w, const void *data, size_t len)
{
	if (w->full || len > w->size - w->len) {
		w->full = true;
		return;
	}
	memcpy(w->data + w->len, data, len);
	w->len += len;
}

void dbus_put_align(struct dbus_writer *w, size_t alignment)
{
	static const uint8_t zeros[8];
	put(w, zeros, (alignment - w->len % alignment) % alignment);
}

void dbus_put_byte(struct dbus_writer *w, uint8_t v)
{
	put(w, &v, 1);
}

void dbus_put_u32(struct dbus_writer *w, uint32_t v)
{
	dbus_put_align(w, 4);
	put(w, &v, 4);
}

void dbus_put_string(struct dbus_writer *w, const char *text)
{
	size_t len = strlen(text);
	w->full |= len > DBUS_MESSAGE_MAX;
	dbus_put_u32(w, (uint32_t)len);
	put(w, text, len + 1);
}

void dbus_put_signature(struct dbus_writer *w, const char *text)
{
	size_t len = strlen(text);
	w->full |= len > 255;
	dbus_put_byte(w, (uint8_t)len);
	put(w, text, len + 1);
}

size_t dbus_put_array(struct dbus_writer *w, size_t alignment)
{
	dbus_put_u32(w, 0);
	size_t at = w->len;
	dbus_put_align(w, alignment);
	return at;
}

/* The length does not count the padding in front of the first element. */
void dbus_end_array(struct dbus_writer *w, size_t array, size_t alignment)
{
	if (w->full)
		return;
	size_t first = array + (alignment - array % alignment) % alignment;
	uint32_t len = (uint32_t)(w->len - first);
	memcpy(w->data + array - 4, &len, 4);
}

static void put_field(struct dbus_writer *w, uint8_t code, const char *type, const char *text)
{
	if (!*text)
		return;
	dbus_put_align(w, 8);
	dbus_put_byte(w, code);
	dbus_put_signature(w, type);
	if (*type == 'g')
		dbus_put_signature(w, text);
	else
		dbus_put_string(w, text);
}

void dbus_begin(struct dbus_writer *w, uint8_t *data, size_t size, uint32_t serial, const struct dbus_call *call)
{
	*w = (struct dbus_writer){ .data = data, .size = size };
	put(w, (const uint8_t[]){ 'l', DBUS_CALL, 0, 1 }, 4);
	dbus_put_u32(w, 0); /* the body's length, known in the end */
	dbus_put_u32(w, serial);
	size_t fields = dbus_put_array(w, 8);
	put_field(w, FIELD_PATH, "o", call->path);
	put_field(w, FIELD_DESTINATION, "s", call->destination);
	put_field(w, FIELD_INTERFACE, "s", call->interface);
	put_field(w, FIELD_MEMBER, "s", call->member);
	put_field(w, FIELD_SIGNATURE, "g", call->signature);
	dbus_end_array(w, fields, 8);
	dbus_put_align(w, 8);
	w->body_at = w->len;
}

size_t dbus_end(struct dbus_writer *w)
{
	if (w->full)
		return 0;
	uint32_t len = (uint32_t)(w->len - w->body_at);
	memcpy(w->data + 4, &len, 4);
	return w->len;
}

/* The connection */

/* A line of the authentication, without its CR LF; ret holds size bytes. */
static bool get_line(int fd, char *ret, size_t size)
{
	/* Byte by byte: what is behind it is no line any more. */
	for (size_t n = 0; n < size; n++) {
		if (recv(fd, ret + n, 1, 0) != 1)
			return false;
		if (ret[n] != '\n')
			continue;
		ret[n && ret[n - 1] == '\r' ? n - 1 : n] = 0;
		return true;
	}
	return false;
}

/* "Authentication Protocol": EXTERNAL, by the socket's credentials. */
static bool authenticate(struct dbus *b)
{
	char uid[16], hex[40] = "", line[128];
	(void)agent_format(uid, sizeof(uid), "%u", (unsigned)geteuid());
	for (size_t i = 0; uid[i]; i++)
		(void)agent_format(hex + 2 * i, sizeof(hex) - 2 * i, "%02x", (unsigned)(unsigned char)uid[i]);
	line[0] = 0; /* a NUL comes first of all */
	int n = snprintf(line + 1, sizeof(line) - 1, "AUTH EXTERNAL %s\r\n", hex);
	if (n < 0 || send(b->fd, line, (size_t)n + 1, MSG_NOSIGNAL) != n + 1 || !get_line(b->fd, line, sizeof(line)))
		return false;
	const char *guid = agent_after(line, "OK ");
	return guid && agent_format(b->guid, sizeof(b->guid), "%.32s", guid) && send(b->fd, "BEGIN\r\n", 7, MSG_NOSIGNAL) == 7;
}

const char *dbus_open(struct dbus *b, const char *socket_path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const struct timeval patience = { .tv_sec = OPEN_S };
	b->serial = 0;
	b->in_len = b->skip = 0;
	b->fd = -1;
	if (!agent_format(address.sun_path, sizeof(address.sun_path), "%s", socket_path))
		return "the socket's name is too long";
	b->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (b->fd < 0 || connect(b->fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		return strerror(errno);
	(void)setsockopt(b->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	(void)setsockopt(b->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	return authenticate(b) ? NULL : "the bus does not let us in";
}

bool dbus_send(struct dbus *b, const uint8_t *data, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = send(b->fd, data + done, len - done, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return len != 0;
}

bool dbus_receive(struct dbus *b)
{
	ssize_t n = recv(b->fd, b->in + b->in_len, sizeof(b->in) - b->in_len, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		return false;
	b->in_len += (size_t)n;
	return true;
}

static void drop(struct dbus *b, size_t len)
{
	b->in_len -= len;
	memmove(b->in, b->in + len, b->in_len);
}

bool dbus_next(struct dbus *b, struct dbus_message *ret)
{
	for (;;) {
		size_t n = b->skip < b->in_len ? b->skip : b->in_len;
		drop(b, n);
		b->skip -= n;
		if (b->in_len < DBUS_HEAD)
			return false;
		size_t len = dbus_message_len(b->in);
		if (!len) {
			/* Nothing says where the next one begins. */
			(void)shutdown(b->fd, SHUT_RDWR);
			b->in_len = 0;
			return false;
		}
		if (len > sizeof(b->in)) {
			b->skip = len;
			continue;
		}
		if (b->in_len < len)
			return false;
		if (dbus_parse(b->in, len, ret))
			return true;
		b->skip = len;
	}
}

void dbus_done(struct dbus *b)
{
	drop(b, dbus_message_len(b->in));
}
