#include "imagegen/bundle/delta.h"

#include <stdlib.h>
#include <string.h>

#include <isa-l/crc64.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/bundle/payload.h"

#define READ_LEN ((size_t)MIB)
#define TRIES 8 /* blocks with the same sum that are looked at */

struct seen {
	uint64_t sum;
	uint64_t block;
};

struct delta {
	const struct image *old;
	struct seen *v; /* by sum, then by block */
	size_t count;
	uint64_t next; /* behind the block found last */
	uint8_t sha256[32];
};

static uint64_t sum_of(const uint8_t *block)
{
	return crc64_ecma_refl(0, block, PAYLOAD_BLOCK);
}

static int by_sum(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;
	if (x->sum != y->sum)
		return x->sum < y->sum ? -1 : 1;
	return x->block < y->block ? -1 : x->block > y->block;
}

void delta_free(struct delta *x)
{
	if (!x)
		return;
	free(x->v);
	free(x);
}

int delta_new(const struct image *old, struct delta **ret, struct diag *d)
{
	struct delta *x CLEANUP(delta_freep) = mem_new(struct delta);
	uint8_t *buf CLEANUP_FREE = mem_zeroed(1, READ_LEN);
	EVP_MD_CTX *md CLEANUP(EVP_MD_CTX_freep) = EVP_MD_CTX_new();
	uint64_t len = image_len(old);
	x->old = old;
	x->v = mem_try((size_t)(len / PAYLOAD_BLOCK) + 1, sizeof(*x->v));
	if (!x->v || !md || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1)
		return diag_fail(d, MVP0001, NULL, "no memory to compare with the old partitions");
	for (uint64_t at = 0; at < len;) {
		size_t n = (size_t)num_min(len - at, READ_LEN);
		if (image_read(old, at, buf, n, d) < 0)
			return -1;
		if (EVP_DigestUpdate(md, buf, n) != 1)
			abort();
		for (size_t i = 0; i + PAYLOAD_BLOCK <= n; i += PAYLOAD_BLOCK)
			x->v[x->count++] = (struct seen){ sum_of(buf + i), (at + i) / PAYLOAD_BLOCK };
		at += n;
	}
	if (EVP_DigestFinal_ex(md, x->sha256, NULL) != 1)
		abort();
	qsort(x->v, x->count, sizeof(*x->v), by_sum);
	*ret = TAKE(x);
	return 0;
}

const uint8_t *delta_sha256(const struct delta *x)
{
	return x->sha256;
}

/* 0: the old image has it there; 1: not. */
static int is_at(struct delta *x, uint64_t block, const uint8_t *data, uint64_t *ret_block, struct diag *d)
{
	uint8_t there[PAYLOAD_BLOCK];
	if (block >= x->count)
		return 1;
	if (image_read(x->old, block * PAYLOAD_BLOCK, there, sizeof(there), d) < 0)
		return -1;
	if (memcmp(there, data, sizeof(there)) != 0)
		return 1;
	*ret_block = block;
	x->next = block + 1;
	return 0;
}

int delta_find(struct delta *x, uint64_t block, const uint8_t *data, uint64_t *ret_block, struct diag *d)
{
	int rc = is_at(x, x->next, data, ret_block, d);
	if (rc == 1)
		rc = is_at(x, block, data, ret_block, d);
	if (rc != 1)
		return rc;
	uint64_t sum = sum_of(data);
	size_t low = 0, high = x->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (x->v[middle].sum < sum)
			low = middle + 1;
		else
			high = middle;
	}
	for (size_t i = low; i < x->count && i < low + TRIES && x->v[i].sum == sum; i++) {
		rc = is_at(x, x->v[i].block, data, ret_block, d);
		if (rc != 1)
			return rc;
	}
	return 1;
}
