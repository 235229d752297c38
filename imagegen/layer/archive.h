/* Reading tar streams into the tree, by libarchive. */
#ifndef IMAGEGEN_LAYER_ARCHIVE_H
#define IMAGEGEN_LAYER_ARCHIVE_H

#include "imagegen/base/foreign.h"
#include "imagegen/layer/merge.h"

/* A reader for tar (GNU, pax, ustar) in every compression libarchive decodes by itself: none that starts another program. */
MUST_USE int tar_reader_new(struct archive **ret_a, struct diag *d);
/* Puts every entry of the opened archive into the tree. */
MUST_USE int tar_merge(struct tree *t, const struct origin *o, struct archive *a, struct diag *d);

/* libarchive converts names to the locale's character set; inside the scope of one of these that is UTF-8, whatever the program's locale.
 */
struct utf8_scope {
	void *locale, *previous;
};
struct utf8_scope utf8_enter(void);
void utf8_leave(struct utf8_scope *s);

#endif
