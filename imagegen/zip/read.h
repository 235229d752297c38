/* The directory of a zip archive from a stranger (PKWARE APPNOTE 6.3.10): where its members' data is. Encrypted and split archives are not
 * read. */
#ifndef IMAGEGEN_ZIP_READ_H
#define IMAGEGEN_ZIP_READ_H

#include "imagegen/base/base.h"

struct zip_entry {
	char *name;
	uint16_t method; /* enum zip_method, or a stranger's */
	uint32_t crc;    /* of the unpacked data */
	uint64_t at;     /* of its data in the file; inside it with packed_len */
	uint64_t len, packed_len;
};

struct zip_dir {
	struct zip_entry *v;
	size_t count, cap;
	uint64_t end_at;      /* of the end of central directory record */
	uint16_t comment_len; /* of the archive's comment, the file's last bytes */
};

bool zip_is(const uint8_t head[4]); /* does a file that begins so look like one? */
MUST_USE int zip_read(const struct image *img, const char *label, struct zip_dir *ret, struct diag *d);
void zip_dir_fini(struct zip_dir *z);
const struct zip_entry *zip_find(const struct zip_dir *z, const char *name); /* NULL: it is not there */
/* The data of a member of at most max bytes, malloc'd and followed by a NUL, its CRC checked. */
MUST_USE int zip_take(const struct image *img, const char *label, const struct zip_entry *e, size_t max, uint8_t **ret, struct diag *d);
/* Gives a member's data in pieces; -1 and MVP0571 unless size and CRC are right. piece reports its own failures. */
typedef int (*zip_piece_fn)(void *ctx, const uint8_t *data, size_t len, struct diag *d);
MUST_USE int zip_unpack(const struct image *img, const char *label, const struct zip_entry *e, zip_piece_fn piece, void *ctx,
			struct diag *d);
/* The same without keeping it. */
MUST_USE int zip_check(const struct image *img, const char *label, const struct zip_entry *e, struct diag *d);

#endif
