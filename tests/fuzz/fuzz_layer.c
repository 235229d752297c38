/* A tar archive from outside, merged into a tree on top of a little one: links, folders and files to collide with. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/image.h"
#include "imagegen/layer/node.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct layer_file base[] = {
	{ .path = { .s = (char *)(uintptr_t) "/bin" }, .link = { .s = (char *)(uintptr_t) "usr/bin" } },
	{ .path = { .s = (char *)(uintptr_t) "/usr/bin/sh" }, .content = { .s = (char *)(uintptr_t) "sh" } },
	{ .path = { .s = (char *)(uintptr_t) "/a" }, .link = { .s = (char *)(uintptr_t) "b" } },
	{ .path = { .s = (char *)(uintptr_t) "/b" }, .link = { .s = (char *)(uintptr_t) "a" } },
	{ .path = { .s = (char *)(uintptr_t) "/up" }, .link = { .s = (char *)(uintptr_t) "../../.." } },
};

/* The finished tree's own rules. */
static void check(const struct tree *t)
{
	uint8_t digest[32];
	for (const struct node *n = tree_root(t); n; n = node_next(n)) {
		if (n->depth > NODE_DEPTH_MAX || n->inode->links == 0 || n->inode->index >= tree_inodes_count(t))
			__builtin_trap();
		for (size_t i = 0; i < n->inode->children_count; i++) {
			const struct node *c = n->inode->children[i];
			if (c->parent != n || c->pos != i || (i > 0 && strcmp(n->inode->children[i - 1]->name, c->name) >= 0))
				__builtin_trap();
		}
		if (strchr(n->name, '/') || strcmp(n->name, "..") == 0 || strcmp(n->name, ".") == 0 ||
		    (n->parent != n && n->name[0] == '\0'))
			__builtin_trap();
		for (size_t i = 0; i < n->inode->content.runs_count; i++)
			if (n->inode->content.runs[i].spool_at + n->inode->content.runs[i].len > image_len(tree_spool(t)))
				__builtin_trap();
	}
	tree_digest(t, digest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[64];
	int fd = memfd_create("tar", MFD_CLOEXEC);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	struct manifest m = { .path = (char *)(uintptr_t) "m", .dir = (char *)(uintptr_t) "." };
	struct mstr tar = { .s = path };
	struct layer layers[] = {
		{ .kind = LAYER_FILES, .files = base, .files_count = ARRAY_LEN(base) },
		{ .kind = LAYER_TAR, .paths = { .v = &tar, .count = 1 } },
	};
	struct persona p = { .name = "personal", .system = { .layers = layers, .layers_count = ARRAY_LEN(layers) } };
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct tree *t CLEANUP(tree_freep) = NULL;
	int r = tree_load(&m, &p, 1700000000, "/tmp", &t, d);
	if ((r < 0) != (diag_errors(d) == 1))
		__builtin_trap();
	if (r == 0)
		check(t);
	(void)close(fd);
	return 0;
}
