/* What can be said of a handset before it is built. */
#ifndef CLI_PLAN_H
#define CLI_PLAN_H

#include "cli/cli.h"
#include "imagegen/hyp/hyp.h"
#include "imagegen/manifest/manifest.h"

struct plan {
	struct manifest *m;
	struct board *board;
	struct layout layout;
};

/* The manifest, its board and OEM profiles, and the memory layout; mistakes of all of them are reported. */
MUST_USE int plan_load(struct plan *p, const char *path, struct diag *d);
void plan_fini(struct plan *p);

/* Regions of physical memory in ascending order. */
void print_layout(struct cli *cli, const struct layout *l);
void json_layout(struct jsonw *j, const char *key, const struct layout *l);

/* cmd_build.c: what a build takes from elsewhere than its manifest. */
MUST_USE int build_epoch(int64_t *ret_epoch, struct diag *d); /* SOURCE_DATE_EPOCH, or a fixed time */
const char *const *build_formats(size_t *ret_count);          /* names of bundle formats */
const char *const *build_components(size_t *ret_count);       /* names of what can be updated alone */
struct build_opts;
/* name is one of them, or NULL: then updates are of the whole handset. Without formats of its own an update is all that is made. */
void build_take_component(struct build_opts *o, const char *name);

#endif
