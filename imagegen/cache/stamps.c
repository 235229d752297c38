#include "imagegen/cache/stamps.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "imagegen/base/bytes.h"
#include "imagegen/base/mem.h"
#include "imagegen/cache/digest.h"
#include "imagegen/cache/fields.h"

enum { PATH_LEN_MAX = 65536, COUNT_MAX = 1 << 24 };
/* Linux stamps files with the tick of its clock, of 10 ms at most: two changes in one tick look like one. */
#define YOUNG_NS 50000000

static void add_stat(struct digest *g, const struct stat *st)
{
	digest_num(g, "device", (uint64_t)st->st_dev);
	digest_num(g, "inode", (uint64_t)st->st_ino);
	digest_num(g, "mode", st->st_mode);
	digest_num(g, "owner", (uint64_t)st->st_uid << 32 | st->st_gid);
	digest_num(g, "size", (uint64_t)st->st_size);
	digest_num(g, "content changed", (uint64_t)st->st_mtim.tv_sec);
	digest_num(g, "and", (uint64_t)st->st_mtim.tv_nsec);
	digest_num(g, "inode changed", (uint64_t)st->st_ctim.tv_sec);
	digest_num(g, "and", (uint64_t)st->st_ctim.tv_nsec);
}

static bool is_young(const struct stat *st)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	int64_t s = (int64_t)now.tv_sec - (int64_t)st->st_ctim.tv_sec;
	/* A server's clock may be ahead of ours. */
	return s < 0 || (s < 10 && s * 1000000000 + now.tv_nsec - st->st_ctim.tv_nsec < YOUNG_NS);
}

/* A link and what it leads to both count. */
static bool take(const char *path, uint8_t ret[32])
{
	struct digest *g CLEANUP(digest_freep) = digest_new("mvp stamp 1");
	struct stat st;
	bool young = false;
	if (!lstat(path, &st)) {
		add_stat(g, &st);
		young = is_young(&st);
		if (S_ISLNK(st.st_mode) && !stat(path, &st)) {
			add_stat(g, &st);
			young |= is_young(&st);
		}
	}
	digest_get(g, ret);
	return young;
}

static struct stamp *append(struct stamps *s, const char *path, size_t len)
{
	mem_grow((void **)&s->v, s->count, &s->cap, sizeof(*s->v));
	s->v[s->count] = (struct stamp){ .path = mem_strndup(path, len) };
	return &s->v[s->count++];
}

void stamps_add(struct stamps *s, const char *path, bool listed)
{
	struct stamp *one = append(s, path, strlen(path));
	one->listed = listed;
	one->young = take(path, one->id);
}

void stamps_join(struct stamps *s, const struct stamps *from)
{
	for (size_t i = 0; i < from->count; i++) {
		struct stamp *one = append(s, from->v[i].path, strlen(from->v[i].path));
		memcpy(one->id, from->v[i].id, sizeof(one->id));
		one->listed = from->v[i].listed;
		one->young = from->v[i].young;
	}
}

void stamps_fini(struct stamps *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->v[i].path);
	free(s->v);
	*s = (struct stamps){ 0 };
}

const struct stamp *stamps_changed(const struct stamps *s, bool files_only)
{
	for (size_t i = 0; i < s->count; i++) {
		uint8_t now[32];
		struct stat st;
		if (files_only && (!s->v[i].listed || (!stat(s->v[i].path, &st) && !S_ISREG(st.st_mode))))
			continue;
		(void)take(s->v[i].path, now);
		if (memcmp(now, s->v[i].id, sizeof(now)) != 0)
			return &s->v[i];
	}
	return NULL;
}

void stamps_emit(const struct stamps *s, struct buf *b)
{
	static const uint8_t never[32];
	buf_le64(b, s->count);
	for (size_t i = 0; i < s->count; i++) {
		const struct stamp *one = &s->v[i];
		fields_put_str(b, one->path);
		buf_append(b, one->young ? never : one->id, sizeof(one->id));
		buf_putc(b, (char)one->listed);
	}
}

bool stamps_parse(const uint8_t **data, size_t *len, struct stamps *ret)
{
	struct stamps s CLEANUP(stamps_fini) = { 0 };
	uint64_t count;
	if (!fields_num(data, len, &count) || count > COUNT_MAX)
		return false;
	for (uint64_t i = 0; i < count; i++) {
		const uint8_t *path, *id, *listed;
		uint64_t path_len;
		if (!fields_num(data, len, &path_len) || path_len > PATH_LEN_MAX || !fields_take(data, len, path_len, &path) ||
		    memchr(path, 0, (size_t)path_len) || !fields_take(data, len, sizeof(s.v->id), &id) ||
		    !fields_take(data, len, 1, &listed))
			return false;
		struct stamp *one = append(&s, (const char *)path, (size_t)path_len);
		memcpy(one->id, id, sizeof(one->id));
		one->listed = *listed != 0;
	}
	*ret = s;
	s = (struct stamps){ 0 };
	return true;
}
