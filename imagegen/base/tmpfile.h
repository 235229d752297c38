/* Files that appear under their final name only when they are complete, and work folders that vanish with their owner.
 * Everything here is named ".mvp-tmp." + a random word, and is locked (flock) by the process that made it: what is not locked was left by a
 * run that died, and tmpfile_sweep() removes it. All calls return 0 or -errno. */
#ifndef IMAGEGEN_TMPFILE_H
#define IMAGEGEN_TMPFILE_H

#include <sys/types.h>

#include "imagegen/base/base.h"

#define TMPFILE_PREFIX ".mvp-tmp."

struct tmpfile;

/* A file that will become dir/name with this mode (as umask allows). Open for reading and writing. */
MUST_USE int tmpfile_open(const char *dir, const char *name, mode_t mode, struct tmpfile **ret_t);
int tmpfile_fd(const struct tmpfile *t);           /* owned by t: never close it */
const char *tmpfile_path(const struct tmpfile *t); /* the final name */
/* Another descriptor of it, that writes past the page cache (O_DIRECT of open(2)): the caller's, or -errno. */
MUST_USE int tmpfile_open_direct(const struct tmpfile *t);
/* fsync, rename over dir/name, fsync of the folder. On failure the name has what it had before, unless the last step failed: then the file
 * is complete, but a power cut may still undo the renaming. */
MUST_USE int tmpfile_publish(struct tmpfile *t);
/* As tmpfile_publish, but -EEXIST if dir/name exists already; a race cannot overwrite it. */
MUST_USE int tmpfile_publish_new(struct tmpfile *t);
/* As tmpfile_publish, but a power cut may undo it or damage the content: for what can be made again, and is checked when it is read. */
MUST_USE int tmpfile_publish_unsynced(struct tmpfile *t);
void tmpfile_free(struct tmpfile *t); /* removes the file unless it was published */
DEFINE_FREEP(struct tmpfile, tmpfile_free)

/* A file without a name, gone when its descriptor is closed. Returns the descriptor (O_CLOEXEC) or -errno. */
MUST_USE int tmpfile_unlinked(const char *dir);

/* A work folder in dir, removed with all it holds. */
struct tmpdir;
MUST_USE int tmpdir_new(const char *dir, struct tmpdir **ret_t);
const char *tmpdir_path(const struct tmpdir *t);
void tmpdir_free(struct tmpdir *t);
DEFINE_FREEP(struct tmpdir, tmpdir_free)

/* Removes what dead runs left in dir (not below it). Best effort: what cannot be removed stays. Returns how many were removed. */
unsigned tmpfile_sweep(const char *dir);

#endif
