/* One persona's disk: its layers, kernel and options made into a nested GPT disk image. */
#ifndef IMAGEGEN_PERSONA_H
#define IMAGEGEN_PERSONA_H

#include <stdatomic.h>

#include "imagegen/cache/stamps.h"
#include "imagegen/graph/trust.h"
#include "imagegen/hyp/hyp.h"
#include "imagegen/hyp/tool.h"
#include "imagegen/manifest/manifest.h"

struct persona_opts {
	const uint8_t *master; /* 32 bytes */
	int64_t epoch;
	const char *tmp_dir;
	unsigned jobs;
	const struct trust *trust;
	const struct board *board; /* what devices the device tree has, whose size places a kernel */
	uint8_t overlay[32];       /* digest of what a carrier adds to the personal persona; zeros: nothing */
	atomic_uint *steps;        /* counts those that are done, of PERSONA_STEPS; NULL: nobody asks */
};
enum { PERSONA_STEPS = 4 };

/* What an update replaces: a partition of a disk with slots, without the slot's suffix. */
struct persona_part {
	char name[40];
	struct image *img;
	uint64_t len; /* bytes of the partition */
	struct loc loc;
};

struct persona_disk {
	struct image *disk;                           /* plaintext */
	uint8_t digest[32];                           /* of all it is made from */
	struct stamps inputs;                         /* files read */
	struct persona_part parts[ANDROID_PARTS + 2]; /* with two slots: those of a slot */
	size_t parts_count;
};

/* ret is zero, or has inputs to which those of the layers are added. */
MUST_USE int persona_build(const struct manifest *m, const struct persona *p, const struct persona_opts *opts, struct persona_disk *ret,
			   struct diag *d);
void persona_disk_fini(struct persona_disk *pd);

/* What is put in the persona's partition: the disk itself, or the container around it. */
MUST_USE int persona_seal(const struct manifest *m, const struct persona *p, const struct persona_opts *opts, const struct persona_disk *pd,
			  struct image **ret_img, struct diag *d);

#endif
