/* cpio archives from outside, one or several, packed or not, merged into a tree; then a layer that takes away and one that changes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/image.h"
#include "imagegen/layer/node.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[64];
	int fd = memfd_create("cpio", MFD_CLOEXEC);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	struct manifest m = { .path = (char *)(uintptr_t) "m", .dir = (char *)(uintptr_t) "." };
	struct mstr cpio = { .s = path }, all = { .s = (char *)(uintptr_t) "/*/**" };
	struct layer_file file = { .path = { .s = (char *)(uintptr_t) "/keep/this/x" }, .content = { .s = (char *)(uintptr_t) "x" } };
	struct layer_attributes change = { .path = { .s = (char *)(uintptr_t) "/**" }, .uid = { .v = 7, .given = true } };
	struct layer layers[] = {
		{ .kind = LAYER_FILES, .files = &file, .files_count = 1 },
		{ .kind = LAYER_CPIO, .paths = { .v = &cpio, .count = 1 } },
		{ .kind = LAYER_ATTRIBUTES, .attributes = &change, .attributes_count = 1 },
		{ .kind = LAYER_REMOVE, .paths = { .v = &all, .count = 1 } },
	};
	struct persona p = { .name = "personal", .system = { .layers = layers, .layers_count = ARRAY_LEN(layers) } };
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct tree *t CLEANUP(tree_freep) = NULL;
	int r = tree_load(&m, &p, 1700000000, "/tmp", &t, d);
	if ((r < 0) != (diag_errors(d) == 1))
		__builtin_trap();
	for (const struct node *n = r == 0 ? tree_root(t) : NULL; n; n = node_next(n)) {
		/* Only the folders at the top are left, and what every persona has. */
		if (n->depth > 1 || n->inode->links == 0 || n->inode->index >= tree_inodes_count(t) ||
		    (n->depth == 1 && n->inode->uid % 7 != 0))
			__builtin_trap();
	}
	(void)close(fd);
	return 0;
}
