/* A persona's partition from an earlier build: looked up by what the persona is made from, without reading it. Internal to imagegen/graph.
 *
 * What is kept is the partition as bundles show it: of an encrypted persona the container, never its plaintext. */
#ifndef IMAGEGEN_RECALL_H
#define IMAGEGEN_RECALL_H

#include "imagegen/bundle/packer.h"
#include "imagegen/cache/cache.h"
#include "imagegen/graph/persona.h"

struct recall {
	uint8_t key[CACHE_KEY_LEN]; /* of the recipe: everything but the inputs' contents */
	char *why;                  /* it was not found */
	uint8_t id[CACHE_KEY_LEN];  /* of the partition, if it is in the cache or is going to be */
	bool identified;
};
void recall_fini(struct recall *r);

/* True: *ret_img is the partition and pd has digest and inputs. Else r->why says what is new; r->key is set in either case. */
MUST_USE bool recall_find(struct cache *c, const struct manifest *m, const struct persona *p, const struct persona_opts *opts,
			  struct recall *r, struct persona_disk *pd, struct image **ret_img);

/* Inputs that a persona's build does not name itself, before it is built. */
void recall_stamp(const struct manifest *m, const struct persona_opts *opts, struct persona_disk *pd);

/* Keeping partitions, as a packer that makes no output: its write() gets them as they stream by. */
struct recall_part {
	struct recall *recall;
	const struct persona_disk *disk;
};
struct recall_job {
	struct cache *cache;
	struct bundle bundle; /* the first member of bundle_job points here */
	struct bundle_part *parts;
	struct recall_part from[PERSONA_MAX];
	uint64_t bound; /* bytes that the cache may take: what would be a quarter of it or more is not kept */
};
/* One that is larger is warned of: each build makes it anew. */
void recall_add(struct recall_job *j, const char *name, struct image *img, struct recall *r, const struct persona_disk *pd, struct diag *d);
void recall_job_fini(struct recall_job *j);
extern const struct packer recall_packer;

#endif
