/* Samsung's Partition Information Table: which partition is where, and which file of a package belongs to it. There is no public
 * specification; what is here was learned from heimdall's sources and from tables of real devices. */
#ifndef IMAGEGEN_PIT_H
#define IMAGEGEN_PIT_H

#include "imagegen/base/buf.h"
#include "imagegen/base/diag.h"

#define PIT_NAME_LEN 32
#define PIT_ENTRIES_MAX 512

enum pit_binary { PIT_AP = 0, PIT_CP = 1 };
enum pit_device { PIT_MMC = 2, PIT_UFS = 8 };

struct pit_entry {
	uint32_t binary, device, id, attributes, update_attributes;
	uint32_t start, count; /* in blocks of 512 bytes on MMC, of 4096 on UFS */
	uint32_t lun;
	char name[PIT_NAME_LEN + 1], file[PIT_NAME_LEN + 1], fota[PIT_NAME_LEN + 1];
};

struct pit {
	char tag[9], cpu[9]; /* "COM_TAR2", name of the chip */
	uint16_t luns;
	struct pit_entry *entries;
	size_t count;
};

void pit_emit(const struct pit *p, struct buf *out);
/* label names the file in diagnostics. Names that are not printable ASCII, or entries beyond the file, are errors. What follows the entries
 * (a signature) is not looked at. */
MUST_USE int pit_parse(const uint8_t *data, size_t len, const char *label, struct pit *ret, struct diag *d);
void pit_fini(struct pit *p);

#endif
