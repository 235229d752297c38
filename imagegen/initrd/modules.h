/* The kernel modules of one release in a tree: finding them by name or alias, and the order in which wanted ones must be loaded. */
#ifndef IMAGEGEN_MODULES_H
#define IMAGEGEN_MODULES_H

#include "imagegen/layer/node.h"

struct modules;

/* release: as in /lib/modules/RELEASE. found is false (and 0 returned) when the tree has no such folder. */
MUST_USE int modules_open(const struct tree *t, const char *release, struct modules **ret_m, bool *ret_found, struct diag *d);
void modules_free(struct modules *m);
DEFINE_FREEP(struct modules, modules_free)

/* Is that a module, by its file name? */
bool modules_is_file(const char *path);

/* A tree with nothing but the modules of that release and their lists, out of the image of an ext4 file system. */
MUST_USE int modules_of_image(struct image *system, const char *label, const char *release, int64_t epoch, const char *tmp_dir,
			      struct tree **ret_t, struct diag *d);

/* Adds a module (or every module with such an alias) and all it needs to the load order. Built-in ones need nothing. optional: none may
 * be there. */
MUST_USE int modules_want(struct modules *m, const char *name, bool optional, struct diag *d);

/* The load order. name: file name without compression suffix ("ext4.ko"); data: the plain ELF file. Borrowed, valid until modules_free. */
struct module_file {
	char *name;
	uint8_t *data;
	size_t len;
};
const struct module_file *modules_order(const struct modules *m, size_t *ret_count);

#endif
