/* The last stage of a build: what was made becomes the partitions of each OEM profile, and these become bundles. Internal to
 * imagegen/graph. */
#ifndef IMAGEGEN_PACK_H
#define IMAGEGEN_PACK_H

#include "imagegen/graph/build.h"
#include "imagegen/graph/persona.h"
#include "imagegen/hyp/board.h"
#include "imagegen/hyp/sources.h"

struct pack;

/* Profiles and packers; what is wrong with them is reported, all of it. m, board and opts are borrowed and must outlive the result, which
 * is given also on failure and may then only be freed. */
MUST_USE int pack_plan(const struct manifest *m, const struct board *board, const struct build_opts *opts, struct pack **ret,
		       struct diag *d);
void pack_free(struct pack *p);
const struct carrier *pack_carrier(const struct pack *p); /* NULL: none */

uint32_t pack_boot_header(const struct pack *p); /* version of the boot image that all profiles want */

struct pack_opts {
	const uint8_t *master;
	uint8_t digest[32]; /* of the build: partitions' UUIDs derive from it */
	const struct bundle_content *contents;
	size_t contents_count;
	unsigned jobs;
	struct signer *signer;                     /* of updates; NULL: they are not signed */
	const struct persona_disk *persona;        /* whose slots updates are for; NULL: the handset's */
	struct cache *cache;                       /* borrowed */
	const struct bundle_job *more;             /* packers besides those of the profiles; NULL: none */
	int (*approve)(void *ctx, struct diag *d); /* as in struct bundle */
	void *approve_ctx;
	bool discard; /* as in struct bundle, and of updates alone */
};
bool pack_has_updates(const struct pack *p);
/* Fills the partitions and outputs of r. */
MUST_USE int pack_run(struct pack *p, const struct pack_opts *o, struct build_result *r, struct diag *d);
/* The same before anything is made: partitions and bundles of ret. A content without bytes stands for one whose size is not known. */
MUST_USE int pack_foresee(struct pack *p, const struct bundle_content *contents, size_t contents_count, struct build_plan *ret,
			  struct diag *d);
void pack_inputs(const struct pack *p, struct stamps *s); /* files that are read, also those that may be missing */

#endif
