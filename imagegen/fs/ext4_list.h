/* Reading ext4 file systems that others made, too: every name in them, and whose a block is. Nothing is mounted. */
#ifndef IMAGEGEN_EXT4_LIST_H
#define IMAGEGEN_EXT4_LIST_H

#include "imagegen/base/diag.h"

/* One name; what it points at is valid during the call only. */
struct ext4_file {
	const char *path; /* absolute */
	uint32_t mode;    /* type and permission bits, values of Linux */
	uint32_t uid, gid, links;
	uint32_t rdev_major, rdev_minor; /* devices */
	int64_t mtime;
	uint64_t len;
	const char *target;    /* symbolic links; else NULL */
	bool has_content;      /* regular files: */
	uint8_t content[32];   /* SHA-256 */
	const uint8_t *xattrs; /* SHA-256 of all extended attributes, sorted by name; NULL: none */
};
typedef int (*ext4_file_fn)(void *ctx, const struct ext4_file *f, struct diag *d);

/* Calls fn for every name, folders before what is in them. label names the image in diagnostics. -1 when fn does. */
MUST_USE int ext4_list(struct image *img, const char *label, ext4_file_fn fn, void *ctx, struct diag *d);

/* Calls fn for every name below the folder at path (absolute; symbolic links on the way are followed inside the file system), f->path being
 * below it, too, without a digest; of a regular file it may read the content, piece by piece, until *ret_got is 0. A folder that is not
 * there has no names. */
struct ext4_content;
MUST_USE int ext4_content_read(struct ext4_content *c, void *buf, size_t len, size_t *ret_got, struct diag *d);
typedef int (*ext4_below_fn)(void *ctx, const struct ext4_file *f, struct ext4_content *c, struct diag *d);
MUST_USE int ext4_list_below(struct image *img, const char *label, const char *path, ext4_below_fn fn, void *ctx, struct diag *d);

/* Content of the regular file at path, an absolute path that may hold glob patterns (fnmatch, no '/' crossing; exactly one match is
 * wanted); symbolic links are followed inside the file system. loc is where it was asked for. ret_data is malloc'd, ret_path, too. */
MUST_USE int ext4_read_file(struct image *img, const char *label, const char *path, size_t max, const struct loc *loc, uint8_t **ret_data,
			    size_t *ret_len, char **ret_path, struct diag *d);

/* What the file system keeps at that byte: the path of a file, malloc'd, or in words what else. */
MUST_USE int ext4_owner(struct image *img, const char *label, uint64_t at, char **ret_what, struct diag *d);

#endif
