/* mvpctl build: manifest -> hypervisor, persona disks, work container, partitions, bundles. */
#ifndef IMAGEGEN_BUILD_H
#define IMAGEGEN_BUILD_H

#include "imagegen/bundle/packer.h"
#include "imagegen/hyp/hyp.h"
#include "imagegen/manifest/manifest.h"

struct build_opts {
	const char *out_dir;        /* made if missing */
	unsigned jobs;              /* 0: one per CPU */
	bool cache;                 /* use the cache */
	int64_t epoch;              /* SOURCE_DATE_EPOCH, or a fixed default; never the clock */
	const char *const *formats; /* packers by name; NULL: those of each OEM profile */
	size_t formats_count;
	const char *ota_from;      /* the former build's update package; NULL: updates are full ones */
	size_t component;          /* enum component: what updates are of */
	const char *oem, *carrier; /* instead of the manifest's; NULL: those */
	/* Folder through which the signatures of keys elsewhere come (sign/sign.h), or NULL. With it the cache is not used. */
	const char *exchange;
	progress_fn progress;
	void *progress_ctx;
};

struct build_part {
	char oem[64]; /* "" with only one profile */
	char name[40];
	uint64_t len, data_len;
	bool encrypted;
};

struct build_result {
	bool unchanged; /* nothing had to be made: all of it was there from the last run */
	struct layout layout;
	uint64_t core_text, core_image, vault_image;
	uint8_t measurement[32];  /* of the hypervisor, as it measures itself */
	struct build_part *parts; /* of all OEM profiles, one after the other */
	size_t parts_count;
	struct bundle_outputs outputs;
	char **inputs; /* every file read, for the depfile */
	size_t inputs_count;
};

/* What a build would do. */
struct build_step {
	const char *name; /* "hypervisor", or a persona's; the manifest's */
	bool made;        /* it is to be made; else the cache has it */
	char *why;        /* it is to be made; NULL otherwise */
	uint64_t len;     /* bytes; 0: only known when it has been made */
};
struct build_bundle {
	char oem[64]; /* "" with only one profile */
	const char *format;
	char *folder; /* where it will be */
};
struct build_plan {
	bool unchanged;
	char *why; /* not; NULL if unchanged */
	struct layout layout;
	struct build_step steps[1 + PERSONA_MAX];
	size_t steps_count;
	struct build_part *parts; /* len 0: that of a content which is to be made; data_len 0 */
	size_t parts_count;
	struct build_bundle *bundles;
	size_t bundles_count;
	struct build_result last; /* if unchanged */
};
/* Reads what decides it; builds, signs and writes nothing. m must outlive ret. */
MUST_USE int build_foresee(const struct manifest *m, const struct build_opts *opts, struct build_plan *ret, struct diag *d);
void build_plan_fini(struct build_plan *p);

MUST_USE int build_run(const struct manifest *m, const struct build_opts *opts, struct build_result *ret, struct diag *d);
/* Builds, then builds once more without the cache in another folder, at another time, with another number of workers, umask, locale and
 * time zone. -1 and MVP0834 (EXIT_NOT_REPRODUCIBLE) if a byte differs; what was built first stays. No other thread may run. */
MUST_USE int build_check(const struct manifest *m, const struct build_opts *opts, struct build_result *ret, struct diag *d);
/* As far as everything that is signed is known: writes requests for the signatures that are missing in opts->exchange, which is made, and
 * no bundle. */
MUST_USE int build_prepare(const struct manifest *m, const struct build_opts *opts, unsigned *ret_missing, struct diag *d);
void build_result_fini(struct build_result *r);

#endif
