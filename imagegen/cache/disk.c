/* An entry: header, padded to 4096 bytes; the image, its holes being holes of the file; a trailer with the image's extents and a CRC-32 of
 * each MiB that is not all hole; the trailer's length. The header has the trailer's SHA-256. */
#include "imagegen/cache/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <isa-l/crc.h>
#include <openssl/sha.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/image.h"
#include "imagegen/base/io.h"
#include "imagegen/base/num.h"
#include "imagegen/base/text.h"
#include "imagegen/base/tmpfile.h"
#include "imagegen/cache/entry.h"
#include "imagegen/cache/fields.h"

#define DATA_AT ((uint64_t)4096)
#define WINDOW MIB
#define LEN_MAX ((uint64_t)1 << 44)
#define TRAILER_MAX ((size_t)256 << 20)

/* One read back. */
struct stored {
	struct cache *c; /* NULL while an entry is only checked */
	int fd;
	char *path;
	uint64_t len;
	struct extent *extents;
	size_t extents_count;
	uint32_t *crcs;
};

static void stored_free(void *ctx)
{
	struct stored *s = ctx;
	if (!s)
		return;
	fd_closep(&s->fd);
	free(s->path);
	free(s->extents);
	free(s->crcs);
	free(s);
}
DEFINE_FREEP(void, stored_free)

static struct extent stored_extent(void *ctx, uint64_t at)
{
	const struct stored *s = ctx;
	size_t low = 0, high = s->extents_count;
	while (low < high) { /* the first that ends after at */
		size_t mid = low + (high - low) / 2;
		if (s->extents[mid].at + s->extents[mid].len <= at)
			low = mid + 1;
		else
			high = mid;
	}
	if (low < s->extents_count && s->extents[low].at <= at)
		return s->extents[low];
	uint64_t start = low ? s->extents[low - 1].at + s->extents[low - 1].len : 0;
	uint64_t end = low < s->extents_count ? s->extents[low].at : s->len;
	return (struct extent){ .at = start, .len = end - start };
}

static bool all_hole(struct stored *s, uint64_t at, uint64_t len)
{
	struct extent e = stored_extent(s, at);
	return !e.data && e.at + e.len - at >= len;
}

static int damaged(struct stored *s, const char *how, struct diag *d)
{
	(void)unlink(s->path);
	if (s->c)
		cache_set_damaged(s->c);
	return diag_fail(d, MVP0832, &LOC_FILE(s->path), "the entry is damaged: %s", how);
}

/* A whole window into buf. */
static int read_window(struct stored *s, uint64_t window, uint8_t *buf, size_t len, struct diag *d)
{
	int r = io_pread_all(s->fd, buf, len, DATA_AT + window * WINDOW);
	if (r < 0)
		return damaged(s, strerror(-r), d);
	return crc32_gzip_refl(0, buf, len) == s->crcs[window] ? 0 : damaged(s, "its checksum is wrong", d);
}

static int stored_read(void *ctx, uint64_t at, void *buf, size_t len, struct diag *d)
{
	struct stored *s = ctx;
	uint8_t *out = buf, *spare CLEANUP_FREE = NULL;
	while (len) {
		uint64_t window = at / WINDOW, start = window * WINDOW;
		size_t whole = (size_t)num_min(WINDOW, s->len - start), skip = (size_t)(at - start), n = (size_t)num_min(len, whole - skip);
		if (all_hole(s, start, whole)) {
			memset(out, 0, n);
		} else if (n == whole) {
			if (read_window(s, window, out, whole, d) < 0)
				return -1;
		} else {
			spare = spare ? spare : mem_zeroed(1, WINDOW);
			if (read_window(s, window, spare, whole, d) < 0)
				return -1;
			memcpy(out, spare + skip, n);
		}
		out += n;
		at += n;
		len -= n;
	}
	return 0;
}

static bool parse_trailer(struct stored *s, const uint8_t *data, size_t len)
{
	uint64_t count, end = 0;
	if (!fields_num(&data, &len, &s->len) || s->len == 0 || s->len > LEN_MAX || !fields_num(&data, &len, &count) || count > len / 16)
		return false;
	s->extents = mem_array(struct extent, count);
	for (; s->extents_count < count; s->extents_count++) {
		struct extent *e = &s->extents[s->extents_count];
		if (!fields_num(&data, &len, &e->at) || !fields_num(&data, &len, &e->len))
			return false;
		e->data = true;
		/* Neighbours that touch would not be maximal. */
		if (!e->len || !num_inside(e->at, e->len, s->len) || (s->extents_count && e->at <= end))
			return false;
		end = e->at + e->len;
	}
	uint64_t windows = (s->len + WINDOW - 1) / WINDOW;
	if (len != windows * 4)
		return false;
	s->crcs = mem_array(uint32_t, windows);
	for (uint64_t i = 0; i < windows; i++)
		s->crcs[i] = get_le32(data + 4 * i);
	return true;
}

/* Everything but the data. */
static bool read_tables(struct stored *s, const uint8_t key[CACHE_KEY_LEN])
{
	uint8_t head[CACHE_HEADER_LEN], tail[8], sum[SHA256_DIGEST_LENGTH], *trailer CLEANUP_FREE = NULL;
	struct cache_header h;
	struct stat st;
	if (fstat(s->fd, &st) < 0 || (uint64_t)st.st_size < DATA_AT + sizeof(tail) || io_pread_all(s->fd, head, sizeof(head), 0) < 0 ||
	    !cache_header_parse(head, &h) || strcmp(h.kind, CACHE_DISK) != 0 || memcmp(h.key, key, CACHE_KEY_LEN) != 0 ||
	    h.len != (uint64_t)st.st_size - CACHE_HEADER_LEN || io_pread_all(s->fd, tail, sizeof(tail), (uint64_t)st.st_size - 8) < 0)
		return false;
	uint64_t len = get_le64(tail), room = (uint64_t)st.st_size - DATA_AT - sizeof(tail);
	if (len > room || len > TRAILER_MAX)
		return false;
	trailer = mem_try(1, (size_t)len + 1);
	if (!trailer || io_pread_all(s->fd, trailer, (size_t)len, (uint64_t)st.st_size - 8 - len) < 0)
		return false;
	return memcmp(SHA256(trailer, (size_t)len, sum), h.sum, sizeof(sum)) == 0 && parse_trailer(s, trailer, (size_t)len) &&
	       room - len == s->len;
}

/* NULL: it is not there, or cannot be opened, or is damaged. */
static struct stored *open_stored(const char *path, const uint8_t key[CACHE_KEY_LEN], bool *ret_bad)
{
	void *ctx CLEANUP(stored_freep) = mem_new(struct stored);
	struct stored *s = ctx;
	s->path = mem_strdup(path);
	s->fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	*ret_bad = s->fd < 0 ? errno == ELOOP : !read_tables(s, key);
	return s->fd < 0 || *ret_bad ? NULL : TAKE(ctx);
}

struct image *cache_disk_get(struct cache *c, const uint8_t key[CACHE_KEY_LEN])
{
	static const struct image_ops ops = { .read = stored_read, .extent = stored_extent, .free = stored_free };
	char *path CLEANUP_FREE = cache_entry_path(c, CACHE_DISK, key);
	bool bad = false;
	struct stored *s = path ? open_stored(path, key, &bad) : NULL;
	if (!s) {
		if (path && bad)
			(void)unlink(path);
		return NULL;
	}
	s->c = c;
	(void)futimens(s->fd, NULL);
	return image_new(&ops, s, s->len);
}

bool cache_disk_intact(const char *path, const uint8_t key[CACHE_KEY_LEN])
{
	bool bad = false;
	void *ctx CLEANUP(stored_freep) = open_stored(path, key, &bad);
	struct stored *s = ctx;
	uint8_t *buf CLEANUP_FREE = mem_zeroed(1, WINDOW);
	for (uint64_t at = 0; s && at < s->len; at += WINDOW) {
		size_t n = (size_t)num_min(WINDOW, s->len - at);
		if (!all_hole(s, at, n) &&
		    (io_pread_all(s->fd, buf, n, DATA_AT + at) < 0 || crc32_gzip_refl(0, buf, n) != s->crcs[at / WINDOW]))
			return false;
	}
	return s != NULL;
}

/* One being written. */
struct cache_disk {
	uint8_t key[CACHE_KEY_LEN];
	const struct image *img; /* NULL: its length is what is added */
	struct tmpfile *file;
	uint64_t at;
	uint32_t crc, *crcs; /* of the window that byte at lies in, and of those before */
	size_t crcs_count, crcs_cap;
	bool failed;
};

void cache_disk_free(struct cache_disk *w)
{
	if (!w)
		return;
	tmpfile_free(w->file);
	free(w->crcs);
	free(w);
}

struct cache_disk *cache_disk_new(struct cache *c, const uint8_t key[CACHE_KEY_LEN], const struct image *img)
{
	struct cache_disk *w CLEANUP(cache_disk_freep) = mem_new(struct cache_disk);
	char hex[2 * CACHE_KEY_LEN + 1];
	if (!cache_path(c) || (img && image_len(img) == 0))
		return NULL;
	char *dir CLEANUP_FREE = mem_printf("%s/" CACHE_DISK, cache_path(c));
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return NULL;
	if (tmpfile_open(dir, text_hex(key, CACHE_KEY_LEN, hex), 0600, &w->file) < 0)
		return NULL;
	memcpy(w->key, key, sizeof(w->key));
	w->img = img;
	return TAKE(w);
}

/* That of a window; those of windows that are all hole are 0. */
static void put_crc(struct cache_disk *w, uint64_t window, uint32_t crc)
{
	while (w->crcs_count <= window) {
		mem_grow((void **)&w->crcs, w->crcs_count, &w->crcs_cap, sizeof(*w->crcs));
		w->crcs[w->crcs_count++] = 0;
	}
	w->crcs[window] = crc;
}

static void add_crc(struct cache_disk *w, const uint8_t *data, uint64_t len)
{
	static const uint8_t zeros[65536];
	while (len) {
		uint64_t n = num_min(len, WINDOW - w->at % WINDOW);
		if (!data)
			n = num_min(n, sizeof(zeros));
		w->crc = crc32_gzip_refl(w->crc, data ? data : zeros, n);
		w->at += n;
		put_crc(w, (w->at - 1) / WINDOW, w->crc);
		if (w->at % WINDOW == 0)
			w->crc = 0;
		data = data ? data + n : NULL;
		len -= n;
	}
}

/* Windows that are all hole are not looked at: nothing of them is ever read. */
static void skip_hole(struct cache_disk *w, uint64_t len)
{
	uint64_t head = num_min(len, (WINDOW - w->at % WINDOW) % WINDOW);
	add_crc(w, NULL, head);
	len -= head;
	w->at += align_down(len, WINDOW);
	add_crc(w, NULL, len % WINDOW);
}

bool cache_disk_add(struct cache_disk *w, const void *data, uint64_t len)
{
	if (w->img)
		len = num_min(len, image_len(w->img) - w->at); /* a partition may be longer than its content */
	if (w->failed || (data && io_pwrite_all(tmpfile_fd(w->file), data, (size_t)len, DATA_AT + w->at) < 0)) {
		w->failed = true;
		return false;
	}
	if (data)
		add_crc(w, data, len);
	else
		skip_hole(w, len);
	return true;
}

static uint64_t entry_len(const struct cache_disk *w)
{
	return w->img ? image_len(w->img) : w->at;
}

static struct extent entry_extent(const struct cache_disk *w, uint64_t at)
{
	return w->img ? image_extent(w->img, at) : (struct extent){ .len = w->at, .data = true };
}

static void put_trailer(const struct cache_disk *w, struct buf *b)
{
	uint64_t len = entry_len(w), count = 0;
	buf_le64(b, len);
	size_t count_at = b->len;
	buf_le64(b, 0);
	for (uint64_t at = 0; at < len;) {
		struct extent e = entry_extent(w, at);
		if (e.data) {
			buf_le64(b, e.at);
			buf_le64(b, e.len);
			count++;
		}
		at = e.at + e.len;
	}
	if (!buf_error(b))
		put_le64(b->data + count_at, count);
	for (uint64_t i = 0; i < (len + WINDOW - 1) / WINDOW; i++)
		buf_le32(b, i < w->crcs_count ? w->crcs[i] : 0);
}

void cache_disk_end(struct cache_disk *w)
{
	struct buf b CLEANUP(buf_fini) = BUF_MAX(TRAILER_MAX);
	uint8_t head[CACHE_HEADER_LEN];
	struct cache_header h = { .kind = CACHE_DISK };
	uint64_t end = DATA_AT + entry_len(w);
	put_trailer(w, &b);
	if (w->failed || w->at != entry_len(w) || w->at == 0 || buf_error(&b))
		return;
	h.len = end + b.len + 8 - CACHE_HEADER_LEN;
	memcpy(h.key, w->key, sizeof(h.key));
	SHA256(b.data, b.len, h.sum);
	cache_header_emit(&h, head);
	buf_le64(&b, b.len);
	if (buf_error(&b) || io_pwrite_all(tmpfile_fd(w->file), head, sizeof(head), 0) < 0 ||
	    io_pwrite_all(tmpfile_fd(w->file), b.data, b.len, end) < 0)
		return;
	int r = tmpfile_publish_unsynced(w->file);
	(void)r; /* what is not kept is made again */
}
