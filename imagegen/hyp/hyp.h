/* The hypervisor for one handset: physical memory layout, device trees, configuration objects, compilation. */
#ifndef IMAGEGEN_HYP_H
#define IMAGEGEN_HYP_H

#include "imagegen/base/base.h"
#include "imagegen/cache/cache.h"
#include "imagegen/manifest/manifest.h"

/* templates/boards/NAME.yaml */
struct board;
MUST_USE int board_load(const struct manifest *m, struct board **ret_board, struct diag *d);
void board_free(struct board *b);
DEFINE_FREEP(struct board, board_free)

/* Physical memory, decided at build time. */
struct layout_region {
	const char *name; /* "core", "vault", "personal", ... */
	uint64_t pa, size;
};
/* Where the screens are: first byte of each bar, personas' first, then the vault's own; and the personas' frames. All 0 without a display.
 */
struct layout_screens {
	uint64_t pa, size;
	uint64_t screen_at[PERSONA_MAX + 1]; /* from pa */
	uint64_t frame_pa[PERSONA_MAX], frame_size;
};
struct layout {
	struct layout_region regions[8];
	size_t regions_count;
	uint64_t ram_pa, ram_size;
	struct layout_screens screens; /* in the region "screens" */
};
MUST_USE int layout_plan(const struct board *b, const struct manifest *m, struct layout *ret_layout, struct diag *d);

/* Whose signature the vault wants to see before it starts a persona. */
struct hyp_trust {
	struct {
		bool verified;
		uint8_t avb_key_digest[32]; /* SHA-256 of the key blob */
	} persona[PERSONA_MAX];
};

struct hyp_result {
	uint8_t *image; /* flat, starts with an arm64 Linux Image header; malloc'd */
	size_t image_len;
	uint64_t core_text, core_image, vault_image; /* bytes; what the size budget counts */
	uint64_t measured_len;                       /* bytes of the image that never change while it runs: code and constants */
	uint8_t measurement[32];                     /* SHA-256 of these: the component `hypervisor` of mvp/order.h's measurement */
};
/* What it is made for; all borrowed. */
struct hyp_job {
	const struct board *board;
	const struct manifest *manifest;
	const struct layout *layout;
	const struct hyp_trust *trust;
	const char *logo; /* what the screen says while a persona starts; NULL: nothing */
	struct cache *cache;
};
/* Compiles core and vault in tmp_dir with jobs compilers at once; what the cache has of it is not compiled again. */
MUST_USE int hyp_build(const struct hyp_job *job, const char *tmp_dir, unsigned jobs, struct hyp_result *ret, struct diag *d);
/* 0: the cache has the whole, which is ret but for the measurement. 1: it is to be made. */
MUST_USE int hyp_find(const struct hyp_job *job, struct hyp_result *ret, struct diag *d);
void hyp_result_fini(struct hyp_result *r);

/* Folder with templates/, vmm/ and guest/: $MVP_DATADIR, else share/mvp beside the program, else the source tree the program was built
 * in, else the installed one. Borrowed, never NULL, the same for the whole run. */
const char *datadir(void);

#endif
