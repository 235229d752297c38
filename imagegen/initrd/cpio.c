#include "imagegen/initrd/cpio.h"

#include <string.h>
#include <sys/stat.h>

struct member {
	const char *path;
	uint32_t ino, mode, links, mtime, major, minor;
	const uint8_t *data;
	size_t len;
};

static void put(struct cpio *c, const struct member *m)
{
	/* magic, inode, mode, uid, gid, links, mtime, size, device (two), rdev (two), length of the name, checksum (unused in 070701) */
	(void)buf_printf(c->out, "070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x", m->ino, m->mode, 0u, 0u, m->links,
			 m->mtime, m->len, 0u, 0u, m->major, m->minor, strlen(m->path) + 1, 0u);
	(void)buf_append(c->out, m->path, strlen(m->path) + 1);
	(void)buf_align(c->out, 4);
	if (m->len > 0)
		(void)buf_append(c->out, m->data, m->len);
	(void)buf_align(c->out, 4);
}

void cpio_folder(struct cpio *c, const char *path, uint32_t mode)
{
	put(c, &(struct member){ .path = path, .ino = ++c->next_ino, .mode = S_IFDIR | mode, .links = 2, .mtime = c->mtime });
}

void cpio_file(struct cpio *c, const char *path, uint32_t mode, const uint8_t *data, size_t len)
{
	put(c, &(struct member){ path, ++c->next_ino, S_IFREG | mode, 1, c->mtime, 0, 0, data, len });
}

void cpio_char_device(struct cpio *c, const char *path, uint32_t mode, uint32_t major, uint32_t minor)
{
	put(c, &(struct member){ path, ++c->next_ino, S_IFCHR | mode, 1, c->mtime, major, minor, NULL, 0 });
}

void cpio_end(struct cpio *c)
{
	put(c, &(struct member){ .path = "TRAILER!!!", .links = 1 });
	(void)buf_align(c->out, 512);
}
