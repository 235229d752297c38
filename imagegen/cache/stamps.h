/* Files that something was made from, each with what the file system says of it (inode, size, times of change): as long as that stays, the
 * content does, and nothing has to be read to know it. */
#ifndef IMAGEGEN_STAMPS_H
#define IMAGEGEN_STAMPS_H

#include "imagegen/base/buf.h"

struct stamp {
	char *path;
	uint8_t id[32];
	bool listed; /* an input in the eyes of others (make); else a folder, a link or a tool, whose change counts too */
	bool young;  /* changed so shortly before that another change might not show: not to be relied on later */
};
struct stamps {
	struct stamp *v;
	size_t count, cap;
};

/* The file as it is now: stamp it before reading it. What is not there has a stamp, too. */
void stamps_add(struct stamps *s, const char *path, bool listed);
void stamps_join(struct stamps *s, const struct stamps *from); /* copies */
void stamps_fini(struct stamps *s);
/* The first that is no longer as it was; NULL if there is none. files_only: of the regular files that are inputs. */
const struct stamp *stamps_changed(const struct stamps *s, bool files_only);

void stamps_emit(const struct stamps *s, struct buf *b);
/* Takes bytes off the front of *data; false if they are none of stamps_emit's. */
MUST_USE bool stamps_parse(const uint8_t **data, size_t *len, struct stamps *ret);

#endif
