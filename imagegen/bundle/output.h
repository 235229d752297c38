/* The file a packer writes: unnamed until it is published, hashed on the way. Internal to imagegen/bundle. */
#ifndef IMAGEGEN_OUTPUT_H
#define IMAGEGEN_OUTPUT_H

#include "imagegen/bundle/packer.h"
#include "imagegen/oem/oem.h"

struct output;

/* dir/name will be its path. */
MUST_USE int output_open(const char *dir, const char *name, struct output **ret_o, struct diag *d);
void output_free(struct output *o); /* removes the file unless it was published; NULL is fine */
DEFINE_FREEP(struct output, output_free)
int output_fd(const struct output *o);           /* owned by o */
const char *output_path(const struct output *o); /* valid until o is freed */
MUST_USE int output_write(struct output *o, const void *data, size_t len, uint64_t at, struct diag *d);
/* The same for what is not going to be read back, past the page cache where the file system can and data, len and at are multiples of
 * 4096; any thread may call it. */
MUST_USE int output_store(struct output *o, const void *data, size_t len, uint64_t at, struct diag *d);
MUST_USE int output_read(struct output *o, void *data, size_t len, uint64_t at, struct diag *d);
MUST_USE int output_resize(struct output *o, uint64_t len, struct diag *d);
/* SHA-256 of the first len bytes, read back. For files that were not written from front to back. */
MUST_USE int output_hash(struct output *o, uint64_t len, uint8_t ret_sha256[32], struct diag *d);
MUST_USE int output_publish(struct output *o, struct diag *d);
/* Adds the output, complete with len bytes, to what a packer made. sha256 NULL: the file is read back for it. */
MUST_USE int output_done(struct output *o, const char *format, uint64_t len, const uint8_t *sha256, struct bundle_outputs *outputs,
			 struct diag *d);

/* The file name that the profile's template gives, or else the packer's own template. {product} {version} {board} {oem} {carrier} {csc}
 * {archive} stand for what they say; without a carrier 'open' and 'XAA'. Malloc'd; NULL and a diagnostic if it cannot be a file name. */
char *bundle_name(const struct bundle *b, const struct mstr *from_profile, const char *own, const char *archive, struct diag *d);
/* The image's name in archives; malloc'd. */
char *bundle_image_name(const struct bundle_part *p);

/* May s be part of a file name in a bundle? Letters, digits, '.', '_' and '-', not first '.' or '-', at most 64 bytes: safe in a shell, in
 * a batch file, on every file system and in a fastboot command. Reports what is wrong; what names the value. */
MUST_USE int bundle_check_name(const char *what, const char *s, struct diag *d);

extern const struct packer packer_disk, packer_fastboot, packer_disk_sparse, packer_bmap, packer_odin, packer_edl, packer_super, packer_kdz,
	packer_ota, packer_mtk;

#endif
