/* Digests of what artifacts are made from: a sequence of labelled fields, each with its length, so that no two sequences run together. */
#ifndef IMAGEGEN_DIGEST_H
#define IMAGEGEN_DIGEST_H

#include "imagegen/base/base.h"

struct digest;
struct digest *digest_new(const char *kind); /* never NULL */
void digest_add(struct digest *g, const char *label, const void *data, size_t len);
void digest_str(struct digest *g, const char *label, const char *s); /* NULL differs from "" */
void digest_num(struct digest *g, const char *label, uint64_t v);
void digest_get(struct digest *g, uint8_t ret[32]); /* once */
void digest_free(struct digest *g);
DEFINE_FREEP(struct digest, digest_free)

#endif
