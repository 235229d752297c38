/* Packers: one per bundle format, all fed by one pass over the same partitions.
 * The driver (bundle_write) plans, then reads every partition once, in order, and hands each piece to every packer. A packer's calls come
 * one after the other, but from plan, publish and free another thread than from write and finish; packers run beside each other. */
#ifndef IMAGEGEN_PACKER_H
#define IMAGEGEN_PACKER_H

#include "imagegen/base/base.h"

struct bundle_part {
	const char *name;  /* partition name in the handset's GPT */
	struct image *img; /* borrowed */
	uint64_t len;      /* bytes of the partition; >= image_len */
	uint8_t uuid[16];
	bool encrypted; /* ciphertext: packers store it uncompressed */
	bool fill;      /* holes must be written as zeros on the device (hashed or encrypted content), never left as they were */
	bool own;       /* the device's own, in place since the flash was partitioned: what flashes devices leaves it alone */
};

struct bundle {
	const char *product, *version; /* manifest name and version */
	const char *board;             /* for android-info.txt */
	struct bundle_part *parts;
	size_t parts_count;
	uint8_t disk_uuid[16];
	uint64_t flash_len;  /* bytes of the board's flash; 0: as large as the partitions need */
	int64_t epoch;       /* times inside archives */
	const char *out_dir; /* exists; outputs appear there under their final name only when all of them are complete */
};

struct bundle_output {
	char *path;
	uint64_t len;
	uint8_t sha256[32];
};

struct packer {
	const char *name; /* in manifests, profiles and on the command line: "disk", "fastboot" */
	const char *summary;
	/* Decides names and sizes; what does not fit is reported here, before a byte is written. b must outlive ret_state, the packer's
	 * own. */
	int (*plan)(const struct bundle *b, void **ret_state, struct diag *d);
	/* A piece of partition part: data of len bytes, or NULL for a hole (of any length). Pieces come in ascending order without gaps and
	 * cover the whole length of every partition. */
	int (*write)(void *state, size_t part, uint64_t at, const void *data, uint64_t len, struct diag *d);
	/* Completes the output, still under a temporary name; fills ret_output (its path is malloc'd). */
	int (*finish)(void *state, struct bundle_output *ret_output, struct diag *d);
	/* Gives the output its name. Called when all packers have finished. */
	int (*publish)(void *state, struct diag *d);
	void (*free)(void *state); /* without publish nothing of the output remains; NULL is fine */
};

const struct packer *packer_find(const char *name); /* NULL if there is none */
const struct packer *const *packer_all(size_t *ret_count);

/* done/total are bytes; called from the calling thread; may be NULL. Returning non-zero cancels (diag EXIT_INTERRUPTED). */
typedef int (*progress_fn)(void *ctx, const char *what, uint64_t done, uint64_t total);

/* One pass with jobs worker threads reading (and so encrypting) ahead, in windows of 1 MiB; memory is bounded whatever the sizes.
 * *ret_outputs: packers_count items in the order of packers, freed with bundle_outputs_free(). The last progress call (done == total) comes
 * when everything is published. */
MUST_USE int bundle_write(const struct bundle *b, const struct packer *const *packers, size_t packers_count, unsigned jobs,
			  progress_fn progress, void *progress_ctx, struct bundle_output **ret_outputs, struct diag *d);
void bundle_outputs_free(struct bundle_output *outputs, size_t count); /* NULL is fine */

#endif
