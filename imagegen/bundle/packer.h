/* Packers: one per bundle format, all fed by one pass over the same contents.
 * The driver (bundle_write) plans, then reads every content once, in order, and hands each piece to every packer whose bundle has a
 * partition for it. A packer's calls come one after the other, but from plan, publish and free another thread than from write and finish,
 * and store at any time between plan and finish; packers run beside each other. */
#ifndef IMAGEGEN_PACKER_H
#define IMAGEGEN_PACKER_H

#include "imagegen/base/base.h"
#include "imagegen/base/buf.h"
#include "imagegen/base/diag.h"

struct cache;
struct oem;
struct carrier;
struct manifest;
struct signer;

/* A partition of the handset. With slots its content is on the flash twice, as NAME_a and NAME_b, but comes once from the driver. */
struct bundle_part {
	const char *name;  /* without the slot's suffix */
	const char *file;  /* name of its image in archives; NULL: NAME.img */
	struct image *img; /* borrowed */
	const uint8_t *id; /* 32 bytes that stand for img's: equal ones are those of equal images; NULL: unknown; borrowed */
	uint64_t len;      /* bytes of the partition; >= image_len */
	uint8_t uuid[2][16];
	bool encrypted;          /* ciphertext: packers store it uncompressed */
	bool fill;               /* holes must be written as zeros on the device (hashed or encrypted content), never left as they were */
	bool own;                /* the device's own, in place since the flash was partitioned: what flashes devices leaves it alone */
	bool slots;              /* as above */
	bool dynamic;            /* inside the super partition; only while partitions are planned */
	bool persona;            /* holds what its user did: an update and HOME_CSC leave it alone */
	uint32_t lun;            /* logical unit of UFS storage */
	const char *archive;     /* of an Odin package: "AP", "BL", "CP", "CSC" */
	struct loc loc;          /* what to blame if it does not fit */
	const struct buf *super; /* of the super partition: what super_empty.img holds; borrowed */
};

struct bundle {
	const char *product, *version;   /* manifest name and version */
	const char *board;               /* for android-info.txt */
	const struct oem *oem;           /* borrowed; NULL: 512-byte sectors, no slots, no limits */
	const struct carrier *carrier;   /* borrowed; NULL: none */
	const struct manifest *manifest; /* borrowed; NULL: no component has a version */
	size_t component;                /* enum component: whose partitions an update replaces */
	struct bundle_part *parts;
	size_t parts_count;
	uint8_t disk_uuid[16];
	uint64_t flash_len;      /* bytes of the board's flash; 0: as large as the partitions need */
	int64_t epoch;           /* times inside archives */
	struct cache *cache;     /* for what packers know of an earlier bundle; borrowed; NULL: none */
	struct signer *signer;   /* of updates; borrowed; NULL: they are not signed */
	const char *update_from; /* package of the former build that an update starts from; NULL: it is a full one */
	const char *out_dir;     /* exists; outputs appear there under their final name only when all of them are complete */
	/* Asked when all is written and nothing has its name yet: -1, having said why, and nothing gets it. NULL: not asked. */
	int (*approve)(void *ctx, struct diag *d);
	void *approve_ctx;
	bool discard; /* all is packed, to see what has to be signed, and nothing gets its name */
};

struct bundle_output {
	const char *format; /* name of the packer */
	char *path;
	uint64_t len;
	uint8_t sha256[32];
};

struct bundle_outputs {
	struct bundle_output *v;
	size_t count, cap;
};
void bundle_outputs_fini(struct bundle_outputs *o);

struct packer {
	const char *name; /* in manifests, profiles and on the command line: "disk", "fastboot" */
	const char *summary;
	/* Decides names and sizes; what does not fit is reported here, before a byte is written. b must outlive ret_state, the packer's
	 * own. */
	int (*plan)(const struct bundle *b, void **ret_state, struct diag *d);
	/* A piece of partition part: data of len bytes, or NULL for a hole (of any length). Partitions come one after the other, in any
	 * order; the pieces of one ascend without gaps and cover its whole length. */
	int (*write)(void *state, size_t part, uint64_t at, const void *data, uint64_t len, struct diag *d);
	/* Optional: the same piece before write() gets it, by any thread and in any order, for what has its place from the start. */
	int (*store)(void *state, size_t part, uint64_t at, const void *data, uint64_t len, struct diag *d);
	/* Completes the outputs, still under temporary names, and adds each to outputs (output_done). */
	int (*finish)(void *state, struct bundle_outputs *outputs, struct diag *d);
	/* Gives the outputs their names. Called when all packers have finished. */
	int (*publish)(void *state, struct diag *d);
	void (*free)(void *state); /* without publish nothing of the outputs remains; NULL is fine */
	bool update;               /* gets the partitions that an update replaces (struct bundle_parts) instead of those of the flash */
};

const struct packer *packer_find(const char *name); /* NULL if there is none */
const struct packer *const *packer_all(size_t *ret_count);

/* One packer at work on one bundle. Contents are told apart by their image: bundles that share one get it from the same read. */
struct bundle_job {
	const struct bundle *bundle;
	const struct packer *packer;
};

/* done/total are bytes; called from the calling thread; may be NULL. Returning non-zero cancels (diag EXIT_INTERRUPTED). */
typedef int (*progress_fn)(void *ctx, const char *what, uint64_t done, uint64_t total);

/* One pass with threads worker threads reading (and so encrypting) ahead, in windows of 1 MiB; memory is bounded whatever the sizes.
 * ret_outputs: those of the first job, of the second and so on. The last progress call (done == total) comes when everything is
 * published. */
MUST_USE int bundle_write(const struct bundle_job *jobs, size_t jobs_count, unsigned threads, progress_fn progress, void *progress_ctx,
			  struct bundle_outputs *ret_outputs, struct diag *d);

/* What the build made, for bundle_parts. */
struct bundle_content {
	const char *name; /* one of oem_contents */
	struct image *img;
	const uint8_t *id; /* as a partition's */
	bool encrypted, fill, own;
};
/* Partitions as a profile lays them out: its own in its order, then the contents it does not name. Files are opened relative to the
 * manifest's folder. What does not fit is reported with the profile's line, all of it at once. */
struct bundle_parts {
	struct bundle_part *v;
	size_t count;
	struct bundle_part *update; /* what has slots and content, logical partitions apart */
	size_t update_count;
	struct image **images; /* owned: files and empty partitions */
	struct buf super_empty;
	size_t images_count;
};
MUST_USE int bundle_parts_plan(const struct oem *o, const struct manifest *m, const struct bundle_content *contents, size_t contents_count,
			       struct bundle_parts *ret, struct diag *d);
void bundle_parts_fini(struct bundle_parts *p);

#endif
