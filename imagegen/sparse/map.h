/* A sparse image whose content does not come in order: first everything but the content of its raw chunks, then that wherever it goes. */
#ifndef IMAGEGEN_SPARSE_MAP_H
#define IMAGEGEN_SPARSE_MAP_H

#include "imagegen/sparse/sparse.h"

struct sparse_map; /* where a plan's blocks stand in its file; immutable */
/* plan, which has one piece, is only used during the call. frame gets the file's bytes that are not content, each with its place. */
MUST_USE int sparse_map_new(const struct sparse_plan *plan,
			    int (*frame)(void *ctx, const void *data, size_t len, uint64_t at, struct diag *d), void *ctx,
			    struct sparse_map **ret_map, struct diag *d);
void sparse_map_free(struct sparse_map *m);
DEFINE_FREEP(struct sparse_map, sparse_map_free)

/* Byte at of the image. *ret_len, at most len: how many from there on have a place, which follow each other from *ret_at on, or have none,
 * which is false: the file says in another way what they are. at + len lies inside the image. */
bool sparse_map_find(const struct sparse_map *m, uint64_t at, uint64_t len, uint64_t *ret_at, uint64_t *ret_len);

#endif
