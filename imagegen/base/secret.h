/* Bytes that are wiped when they leave their scope: struct secret s CLEANUP(secret_fini) = SECRET_INIT; for fixed arrays
 * uint8_t key[64] CLEANUP(...) does not know its length, so declare SECRET_ARRAY(key, 64). */
#ifndef IMAGEGEN_SECRET_H
#define IMAGEGEN_SECRET_H

#include "imagegen/base/base.h"

struct secret {
	uint8_t *data;
	size_t len;
};
#define SECRET_INIT ((struct secret){ 0 })

void secret_wipe(void *p, size_t len); /* zeroes; never optimised away */
void secret_fini(struct secret *s);    /* wipes and frees */
/* len zero bytes, kept out of core dumps. Aborts when memory is out: len is small. */
void secret_alloc(struct secret *s, size_t len);
/* The whole file (at most max bytes) without a stray copy: 0 or -errno as io_read_file. */
MUST_USE int secret_read_file(const char *path, size_t max, struct secret *ret_s);

/* An array of len bytes on the stack, wiped at the end of its scope. */
#define SECRET_ARRAY(name, array_len) \
	uint8_t name[array_len] = { 0 }; \
	struct secret name##_guard_ CLEANUP(secret_wipe_guard) = { name, sizeof(name) }; \
	(void)name##_guard_

static inline void secret_wipe_guard(struct secret *s)
{
	secret_wipe(s->data, s->len);
}

#endif
