/* The part of D-Bus that a client of notifications needs (D-Bus Specification, "Message Protocol"): messages as bytes, little-endian ones,
 * and the way to a bus over a Unix socket. Written out, not a library's, so that the agent stays one static file that runs beside any C
 * library. What comes from the bus is anybody's in the session: bounds, alignment, terminators and UTF-8 are checked. */
#ifndef GUEST_AGENT_DBUS_H
#define GUEST_AGENT_DBUS_H

#include "agent.h"

#define DBUS_MESSAGE_MAX 0x40000u /* bytes of one that is looked at; pictures in others may be longer */
#define DBUS_NAME_MAX 255u

enum dbus_type { DBUS_CALL = 1, DBUS_RETURN = 2, DBUS_ERROR = 3, DBUS_SIGNAL = 4 };

/* Bytes that are taken one after the other; the first that are not there make it wrong, and all later ones empty. */
struct dbus_reader {
	const uint8_t *data;
	size_t len, at;
	bool wrong;
};

uint8_t dbus_get_byte(struct dbus_reader *r);
uint32_t dbus_get_u32(struct dbus_reader *r);
const char *dbus_get_string(struct dbus_reader *r);    /* borrowed from the data; "" if it is wrong */
const char *dbus_get_signature(struct dbus_reader *r); /* likewise */
/* The bytes of an array whose elements are aligned so; *ret_end is where it ends. */
void dbus_get_array(struct dbus_reader *r, size_t alignment, size_t *ret_end);
void dbus_align(struct dbus_reader *r, size_t alignment);
/* Passes over values of these types. */
void dbus_skip(struct dbus_reader *r, const char *signature);

struct dbus_message {
	uint8_t type, flags;
	uint32_t serial, reply_serial;
	const char *path, *interface, *member, *error, *sender, *destination, *signature; /* borrowed; "" if there is none */
	struct dbus_reader body;
};
/* How many bytes the message has that begins with these 16; 0: it is none, or of the other byte order. */
#define DBUS_HEAD 16u
size_t dbus_message_len(const uint8_t head[DBUS_HEAD]);
bool dbus_parse(const uint8_t *data, size_t len, struct dbus_message *ret);

/* A message being made; `full` when it did not fit. */
struct dbus_writer {
	uint8_t *data;
	size_t size, len, body_at;
	bool full;
};
/* Begins a call of a method of the object, which is named as its interface. signature: of the values that follow. */
struct dbus_call {
	const char *destination, *path, *interface, *member, *signature;
};
void dbus_begin(struct dbus_writer *w, uint8_t *data, size_t size, uint32_t serial, const struct dbus_call *call);
void dbus_put_byte(struct dbus_writer *w, uint8_t v);
void dbus_put_u32(struct dbus_writer *w, uint32_t v);
void dbus_put_string(struct dbus_writer *w, const char *text);
void dbus_put_signature(struct dbus_writer *w, const char *text);
size_t dbus_put_array(struct dbus_writer *w, size_t alignment); /* begins one; returns what ends it */
void dbus_end_array(struct dbus_writer *w, size_t array, size_t alignment);
void dbus_put_align(struct dbus_writer *w, size_t alignment);
/* The whole message's length, 0 if it did not fit. */
size_t dbus_end(struct dbus_writer *w);

/* A connection. */
struct dbus {
	int fd;
	uint32_t serial; /* last given */
	char guid[33];   /* of the bus */
	uint8_t in[DBUS_MESSAGE_MAX];
	size_t in_len, skip; /* skip: bytes of a long message that are still to come */
};
/* Blocking, for a few seconds at most; NULL or what is wrong. */
const char *dbus_open(struct dbus *b, const char *socket_path);
bool dbus_send(struct dbus *b, const uint8_t *data, size_t len); /* waits for room; false: the bus is gone */
bool dbus_receive(struct dbus *b);                               /* there is something to read; false: the bus is gone */
/* The next message that is whole, valid until dbus_done(). */
bool dbus_next(struct dbus *b, struct dbus_message *ret);
void dbus_done(struct dbus *b);

#endif
