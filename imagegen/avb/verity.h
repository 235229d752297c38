/* dm-verity hash trees (version 1, without superblock; Linux Documentation/admin-guide/device-mapper/verity.rst) and their forward error
 * correction: Reed-Solomon (255, 255 - roots) over GF(2^8), field polynomial 0x11d, first root 1, interleaved over the whole area. The
 * bytes are those that veritysetup writes. */
#ifndef IMAGEGEN_VERITY_H
#define IMAGEGEN_VERITY_H

#include "imagegen/avb/avb.h"

enum { VERITY_ROOTS_MIN = 2, VERITY_ROOTS_MAX = 24 };

struct verity_opts {
	enum sign_hash hash;
	uint8_t salt[AVB_DIGEST_MAX];
	size_t salt_len;
	uint32_t fec_roots;  /* 0: no parity; else VERITY_ROOTS_MIN.._MAX */
	unsigned jobs;       /* threads, 1 or more */
	const char *tmp_dir; /* for tree and parity, which grow with the data */
};

/* What follows the data in its partition: the tree, then the parity. */
struct verity {
	struct image *tree, *fec;    /* fec: NULL without roots. The tree of a single block is empty */
	struct avb_hashtree details; /* offsets from the start of the data */
};

/* Reads the data once; its length is a multiple of AVB_BLOCK. */
MUST_USE int verity_build(const struct image *data, const struct verity_opts *opts, struct verity *ret, struct diag *d);
void verity_fini(struct verity *v);

/* The whole partition: data, tree, parity. */
struct image *verity_compose(struct image *data, const struct verity *v);

/* What the persona's first process sets the device up from: "1,DATA_BLOCKS,TREE_BLOCK,HASH,ROOT,SALT", and with parity
 * ",ROOTS,FEC_BLOCK,FEC_BLOCKS" (of data and tree); blocks of AVB_BLOCK. malloc'd. */
char *verity_words(const struct verity *v);

#endif
