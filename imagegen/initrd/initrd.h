/* The generated initial RAM disk: a cpio (newc) archive with the persona's first process and the kernel modules it needs. */
#ifndef IMAGEGEN_INITRD_H
#define IMAGEGEN_INITRD_H

#include "imagegen/layer/tree.h"

struct initrd_opts {
	const char
		*kernel_path;  /* in the tree, as tree_read_file resolved it (/boot/vmlinuz-RELEASE); names the release for /lib/modules */
	const char *init_file; /* host path of the static arm64 /init (vmm/guest) */
	int64_t epoch;
	bool verity; /* a hash tree is to be verified: its modules are needed */
};

/* RELEASE of a kernel's path; borrowed from it. */
MUST_USE int initrd_release(const char *kernel_path, const char **ret_release, struct diag *d);

/* Wanted modules (virtio_mmio, virtio_blk, ext4, ... ) and their dependencies, found in the tree's /lib/modules/RELEASE or
 * /usr/lib/modules/RELEASE by reading .modinfo; a wanted module built into the kernel (modules.builtin) is skipped.
 * /modules.load lists them in load order, one path a line. ret_data is malloc'd. */
MUST_USE int initrd_build(const struct tree *t, const struct initrd_opts *opts, uint8_t **ret_data, size_t *ret_len, struct diag *d);

#endif
