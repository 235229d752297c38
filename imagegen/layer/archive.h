/* Reading archives into the tree, by libarchive. */
#ifndef IMAGEGEN_LAYER_ARCHIVE_H
#define IMAGEGEN_LAYER_ARCHIVE_H

#include "imagegen/base/foreign.h"
#include "imagegen/layer/merge.h"

enum archive_kind {
	ARCHIVE_KIND_TAR,  /* GNU, pax, ustar */
	ARCHIVE_KIND_CPIO, /* newc, crc, odc, old binary */
	ARCHIVE_KIND_RAW,  /* no archive: one entry, the file itself unpacked */
};
/* A reader for archives in every compression that libarchive decodes by itself: none that starts another program. */
MUST_USE int archive_reader_new(enum archive_kind kind, struct archive **ret_a, struct diag *d);
/* The file that an archive is read from, if it can be read again: what libarchive was given last, and where that lies (spool.h). */
struct archive_file {
	const uint8_t *data;
	size_t len;
	uint64_t from; /* SPOOL_NOWHERE: nothing may be referred to */
};
/* Puts every entry of the opened archive into the tree. f: NULL if contents have to be copied. whiteouts: entries named .wh.NAME remove
 * NAME of earlier layers (OCI image specification, "Image Layer Filesystem Changeset"). */
MUST_USE int archive_merge(struct tree *t, const struct origin *o, struct archive *a, const struct archive_file *f, bool whiteouts,
			   struct diag *d);
/* Reports what libarchive has to say. */
int archive_damaged(const struct origin *o, struct archive *a, struct diag *d);

/* libarchive converts names to the locale's character set; inside the scope of one of these that is UTF-8, whatever the program's locale.
 */
struct utf8_scope {
	void *locale, *previous;
};
struct utf8_scope utf8_enter(void);
void utf8_leave(struct utf8_scope *s);

#endif
