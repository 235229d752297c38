/* dir: a folder of the host with all it holds. Everything in it belongs to root (0:0): the builder's own numbers mean nothing on the
 * handset, nor do the labels of its security modules. Modes, times, links, devices and all other extended attributes are kept. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/mem.h"
#include "imagegen/layer/merge.h"

#define PIECE_LEN ((size_t)1 << 20)
#define NAMES_MAX ((size_t)4 << 20) /* entries of one folder */
#define XATTR_LIST_MAX 65536

/* A file met under one of several names. */
struct seen {
	dev_t dev;
	ino_t ino;
	char *path;
};

struct walk {
	struct tree *t;
	struct origin o;
	struct left_out left_out;
	bool undated;
	const char *base; /* the folder on the host */
	char **todo;      /* folders below base still to read, a stack; "" is base itself */
	size_t todo_count, todo_cap;
	struct seen *seen; /* open addressing by device and inode */
	size_t seen_count, seen_slots;
	uint8_t *piece;
};

static void walk_fini(struct walk *w)
{
	for (size_t i = 0; i < w->todo_count; i++)
		free(w->todo[i]);
	free(w->todo);
	for (size_t i = 0; i < w->seen_slots; i++)
		free(w->seen[i].path);
	free(w->seen);
	free(w->piece);
}

static struct seen *seen_slot(struct seen *v, size_t slots, dev_t dev, ino_t ino)
{
	size_t i = (size_t)((ino * 0x9e3779b97f4a7c15u ^ dev * 0xff51afd7ed558ccdu) >> 20) & (slots - 1);
	while (v[i].path && (v[i].dev != dev || v[i].ino != ino))
		i = (i + 1) & (slots - 1);
	return &v[i];
}

/* The name under which the file was met before, or NULL; then it is noted under path. */
static const char *met_before(struct walk *w, const struct stat *st, const char *path)
{
	if (w->seen_count * 2 >= w->seen_slots) {
		size_t slots = w->seen_slots ? w->seen_slots * 2 : 64;
		struct seen *grown = mem_array(struct seen, slots);
		for (size_t i = 0; i < w->seen_slots; i++)
			if (w->seen[i].path)
				*seen_slot(grown, slots, w->seen[i].dev, w->seen[i].ino) = w->seen[i];
		free(w->seen);
		w->seen = grown;
		w->seen_slots = slots;
	}
	struct seen *s = seen_slot(w->seen, w->seen_slots, st->st_dev, st->st_ino);
	if (s->path)
		return s->path;
	*s = (struct seen){ st->st_dev, st->st_ino, mem_strdup(path) };
	w->seen_count++;
	return NULL;
}

static int host_error(const struct walk *w, const char *path, const char *what, struct diag *d)
{
	return diag_fail(d, MVP0302, w->o.loc, "'%s' cannot be %s: %s", path, what, strerror(errno));
}

/* Labels and seals of the builder's own security modules: like its user numbers, they mean nothing on the handset. */
static bool is_hosts_own(const char *name)
{
	static const char *const own[] = { "security.selinux", "security.apparmor", "security.ima", "security.evm" };
	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		if (strcmp(name, own[i]) == 0)
			return true;
	return strncmp(name, "security.SMACK64", strlen("security.SMACK64")) == 0;
}

static int read_xattrs(const struct walk *w, const char *path, struct entry *e, struct diag *d)
{
	char *names CLEANUP_FREE = mem_zeroed(1, XATTR_LIST_MAX + 1);
	uint8_t *value CLEANUP_FREE = NULL;
	ssize_t len = llistxattr(path, names, XATTR_LIST_MAX);
	if (len < 0)
		return errno == ENOTSUP ? 0 : host_error(w, path, "asked for its attributes", d);
	if (len > 0)
		value = mem_zeroed(1, XATTR_LIST_MAX);
	for (const char *name = names; name < names + len; name += strlen(name) + 1) {
		if (is_hosts_own(name))
			continue;
		ssize_t n = lgetxattr(path, name, value, XATTR_LIST_MAX);
		if (n < 0)
			return host_error(w, path, "asked for its attributes", d);
		if (!entry_add_xattr(e, name, value, (size_t)n))
			origin_left_xattr(&w->o, path, name, d);
	}
	return 0;
}

static int read_file(struct walk *w, const char *path, struct content *ret, struct diag *d)
{
	struct spool *s = tree_spooler(w->t);
	uint64_t at = 0;
	tree_add_input(w->t, path);
	int fd CLEANUP(fd_closep) = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW); /* it may have become a pipe by now */
	if (fd < 0)
		return host_error(w, path, "read", d);
	spool_begin(s);
	for (;;) {
		ssize_t n = read(fd, w->piece, PIECE_LEN);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return host_error(w, path, "read", d);
		if (n == 0)
			break;
		if (spool_put(s, at, w->piece, (size_t)n, path, d) < 0)
			return -1;
		at += (uint64_t)n;
	}
	return spool_end(s, at, path, ret, d);
}

static int read_target(const struct walk *w, const char *path, char **ret, struct diag *d)
{
	char target[4096];
	ssize_t n = readlink(path, target, sizeof target);
	if (n < 0)
		return host_error(w, path, "read", d);
	*ret = mem_strndup(target, (size_t)n);
	return 0;
}

static void push_folder(struct walk *w, const char *rel, const char *path)
{
	mem_grow(&w->todo, w->todo_count, &w->todo_cap, sizeof *w->todo);
	w->todo[w->todo_count++] = mem_strdup(rel);
	tree_add_input(w->t, path);
}

/* rel: the path below base. */
static int put_one(struct walk *w, const char *rel, struct diag *d)
{
	char *path CLEANUP_FREE = mem_printf("%s/%s", w->base, rel);
	struct stat st;
	if (lstat(path, &st) != 0)
		return host_error(w, path, "read", d);
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		tree_add_stamp(w->t, path);
	if (S_ISSOCK(st.st_mode)) {
		origin_left_socket(&w->o, path, d);
		return 0;
	}
	if (!S_ISDIR(st.st_mode) && st.st_nlink > 1) {
		const char *first = met_before(w, &st, rel);
		if (first)
			return tree_put_link(w->t, &w->o, rel, first, d);
	}
	struct entry e CLEANUP(entry_fini) = { .mode = st.st_mode, .mtime = st.st_mtim.tv_sec, .mtime_ns = (uint32_t)st.st_mtim.tv_nsec };
	if (w->undated) {
		e.mtime = tree_epoch(w->t);
		e.mtime_ns = 0;
	}
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) {
		e.rdev_major = major(st.st_rdev);
		e.rdev_minor = minor(st.st_rdev);
	}
	if (read_xattrs(w, path, &e, d) < 0)
		return -1;
	if (S_ISLNK(st.st_mode) && read_target(w, path, &e.target, d) < 0)
		return -1;
	if (S_ISREG(st.st_mode) && read_file(w, path, &e.content, d) < 0)
		return -1;
	if (S_ISDIR(st.st_mode))
		push_folder(w, rel, path);
	return tree_put(w->t, &w->o, rel, &e, d);
}

struct names {
	char **v;
	size_t count, cap;
};

static void names_fini(struct names *n)
{
	for (size_t i = 0; i < n->count; i++)
		free(n->v[i]);
	free(n->v);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int read_folder(struct walk *w, const char *rel, struct diag *d)
{
	char *path CLEANUP_FREE = rel[0] ? mem_printf("%s/%s", w->base, rel) : mem_strdup(w->base);
	struct names names CLEANUP(names_fini) = { 0 };
	DIR *dir CLEANUP(dir_closep) = opendir(path);
	if (!dir)
		return host_error(w, path, "read", d);
	for (;;) {
		errno = 0;
		const struct dirent *e = readdir(dir);
		if (!e && errno != 0)
			return host_error(w, path, "read", d);
		if (!e)
			break;
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (names.count >= NAMES_MAX)
			return diag_fail(d, MVP0307, w->o.loc, "folder '%s' holds more than %zu entries", path, NAMES_MAX);
		mem_grow(&names.v, names.count, &names.cap, sizeof *names.v);
		names.v[names.count++] = rel[0] ? mem_printf("%s/%s", rel, e->d_name) : mem_strdup(e->d_name);
	}
	dir_closep(&dir);
	if (names.count > 0)
		qsort(names.v, names.count, sizeof *names.v, by_name);
	for (size_t i = 0; i < names.count; i++)
		if (put_one(w, names.v[i], d) < 0)
			return -1;
	return 0;
}

static int dir_load(struct tree *t, const struct manifest *m, const struct layer *l, struct diag *d)
{
	for (size_t i = 0; i < l->paths.count; i++) {
		char *base CLEANUP_FREE = manifest_path(m, l->paths.v[i].s);
		struct walk w CLEANUP(walk_fini) = { .t = t, .o = { l->paths.v[i].s, &l->paths.v[i].loc, NULL }, .base = base };
		struct stat st;
		if (stat(base, &st) != 0 || !S_ISDIR(st.st_mode))
			return diag_fail(d, MVP0301, w.o.loc, "there is no folder '%s'", base);
		w.o.left_out = &w.left_out;
		w.undated = l->undated;
		w.piece = mem_zeroed(1, PIECE_LEN);
		/* The folder itself gives the root no attributes: its mode is that of a working folder, often of nobody's choosing. */
		push_folder(&w, "", base);
		while (w.todo_count > 0) {
			char *rel CLEANUP_FREE = w.todo[--w.todo_count];
			if (read_folder(&w, rel, d) < 0)
				return -1;
		}
	}
	return 0;
}

const struct layer_source layer_dir = { LAYER_DIR, "dir", dir_load };
