#include "imagegen/cache/list.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/tmpfile.h"
#include "imagegen/cache/disk.h"
#include "imagegen/cache/entry.h"

#define DEFAULT_BOUND (10 * GIB)
#define SMALL_MAX ((size_t)512 << 20) /* entries that are read whole */

static bool is_kind(const char *s)
{
	size_t len = strlen(s);
	return len > 0 && len < 16 && strspn(s, "abcdefghijklmnopqrstuvwxyz-") == len;
}

static bool is_key(const char *s)
{
	return strlen(s) == (size_t)2 * CACHE_KEY_LEN && strspn(s, "0123456789abcdef") == (size_t)2 * CACHE_KEY_LEN;
}

static void list_kind(const char *path, const char *kind, struct cache_list *l)
{
	DIR *dir CLEANUP(dir_closep) = opendir(path);
	for (const struct dirent *e; dir && (e = readdir(dir));) {
		struct stat st;
		if (!is_key(e->d_name) || fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
			continue;
		mem_grow((void **)&l->v, l->count, &l->cap, sizeof(*l->v));
		l->v[l->count++] = (struct cache_entry){
			.path = mem_printf("%s/%s", path, e->d_name),
			.kind = mem_strdup(kind),
			.name = mem_strdup(e->d_name),
			.len = (uint64_t)st.st_blocks * 512,
			.used = st.st_mtim.tv_sec,
		};
		l->len += (uint64_t)st.st_blocks * 512;
	}
}

static int by_use(const void *a, const void *b)
{
	const struct cache_entry *x = a, *y = b;
	if (x->used != y->used)
		return x->used < y->used ? -1 : 1;
	return strcmp(x->path, y->path);
}

void cache_list(const struct cache *c, struct cache_list *ret)
{
	*ret = (struct cache_list){ 0 };
	DIR *dir CLEANUP(dir_closep) = cache_path(c) ? opendir(cache_path(c)) : NULL;
	for (const struct dirent *e; dir && (e = readdir(dir));) {
		char *path CLEANUP_FREE = mem_printf("%s/%s", cache_path(c), e->d_name);
		if (is_kind(e->d_name))
			list_kind(path, e->d_name, ret);
	}
	if (ret->count)
		qsort(ret->v, ret->count, sizeof(*ret->v), by_use);
}

void cache_list_fini(struct cache_list *l)
{
	for (size_t i = 0; i < l->count; i++) {
		free(l->v[i].path);
		free(l->v[i].kind);
		free(l->v[i].name);
	}
	free(l->v);
	*l = (struct cache_list){ 0 };
}

/* A run that was killed while it wrote an entry left a file without its final name. */
static void sweep(const struct cache *c)
{
	DIR *dir CLEANUP(dir_closep) = opendir(cache_path(c));
	for (const struct dirent *e; dir && (e = readdir(dir));) {
		char *path CLEANUP_FREE = mem_printf("%s/%s", cache_path(c), e->d_name);
		if (is_kind(e->d_name))
			(void)tmpfile_sweep(path);
	}
}

void cache_prune(struct cache *c, uint64_t max_len, struct cache_pruned *ret)
{
	struct cache_list l CLEANUP(cache_list_fini) = { 0 };
	*ret = (struct cache_pruned){ 0 };
	if (!cache_path(c))
		return;
	sweep(c);
	cache_list(c, &l);
	ret->kept_count = l.count;
	ret->kept_len = l.len;
	for (size_t i = 0; i < l.count && ret->kept_len > max_len; i++) {
		/* Another run may have it open: it keeps what it opened. */
		if (!cache_entry_remove(&l.v[i]))
			continue;
		ret->removed_count++;
		ret->removed_len += l.v[i].len;
		ret->kept_count--;
		ret->kept_len -= l.v[i].len;
	}
}

bool cache_entry_remove(const struct cache_entry *e)
{
	return unlink(e->path) == 0;
}

/* The key as the file's name says it. */
static void read_key(const char *name, uint8_t ret[CACHE_KEY_LEN])
{
	for (size_t i = 0; i < CACHE_KEY_LEN; i++) {
		char digits[3] = { name[2 * i], name[2 * i + 1], 0 };
		ret[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
}

bool cache_entry_intact(const struct cache_entry *e)
{
	uint8_t *file CLEANUP_FREE = NULL, key[CACHE_KEY_LEN];
	size_t len;
	read_key(e->name, key);
	if (strcmp(e->kind, CACHE_DISK) == 0)
		return cache_disk_intact(e->path, key);
	return io_read_file(e->path, SMALL_MAX, &file, &len) == 0 && cache_entry_valid(file, len, e->kind, key);
}

int cache_bound(const char *text, uint64_t *ret_len, struct diag *d)
{
	static const struct {
		const char *name;
		uint64_t bytes;
	} units[] = { { "", 1 }, { "KiB", KIB }, { "MiB", MIB }, { "GiB", GIB }, { "TiB", GIB * 1024 } };
	const char *from = text ? text : getenv("MVP_CACHE_SIZE");
	*ret_len = DEFAULT_BOUND;
	if (!text && (!from || !*from))
		return 0;
	char *end = NULL;
	unsigned long long n = *from >= '0' && *from <= '9' ? strtoull(from, &end, 10) : 0;
	for (size_t i = 0; end && i < ARRAY_LEN(units); i++) {
		if (strcmp(end + strspn(end, " "), units[i].name) != 0 || n > INT64_MAX / units[i].bytes)
			continue;
		*ret_len = n || text ? n * units[i].bytes : UINT64_MAX;
		return 0;
	}
	return diag_fail(d, MVP0833, NULL, "%s is '%s', not a size like '20 GiB'", text ? "--max-size" : "MVP_CACHE_SIZE", from);
}
