/* cpio: one archive, in any compression, or several one behind the other, as initial RAM disks are made of: the kernel unpacks them all
 * (Linux, Documentation/driver-api/early-userspace/buffer-format.rst), and so does this. */
#include "imagegen/base/diag.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/layer/archive.h"

#define READ_LEN ((size_t)262144)
#define ARCHIVES_MAX 64

/* The file's bytes, unpacked if the file itself is compressed, from byte `at` on. */
struct stream {
	int fd;
	struct archive *raw;
	const uint8_t *block; /* borrowed from raw until its next block */
	size_t block_len;
	uint64_t block_at; /* of the block in the stream */
	uint64_t at;       /* next byte to hand out */
};

/* The next block that has something at s->at or behind it. 1: the end. */
static int stream_block(struct stream *s)
{
	while (s->at >= s->block_at + s->block_len) {
		const void *data;
		size_t len;
		la_int64_t at;
		int r = archive_read_data_block(s->raw, &data, &len, &at);
		if (r == ARCHIVE_EOF)
			return 1;
		if (r != ARCHIVE_OK || at < 0)
			return -1;
		s->block = data;
		s->block_len = len;
		s->block_at = (uint64_t)at;
	}
	return 0;
}

static la_ssize_t stream_read(struct archive *inner, void *ctx, const void **ret_data)
{
	struct stream *s = ctx;
	int r = stream_block(s);
	if (r < 0)
		archive_set_error(inner, archive_errno(s->raw), "%s", archive_error_string(s->raw));
	if (r != 0)
		return r < 0 ? -1 : 0;
	*ret_data = s->block + (s->at - s->block_at);
	size_t len = s->block_len - (size_t)(s->at - s->block_at);
	s->at += len;
	return (la_ssize_t)len;
}

static int stream_open(struct stream *s, const char *path, const struct origin *o, uint64_t at, struct diag *d)
{
	struct archive_entry *ae;
	s->at = at;
	s->fd = io_open_input(path);
	if (s->fd < 0)
		return diag_fail(d, MVP0302, o->loc, "'%s' cannot be read: %s", o->label, io_open_error(s->fd));
	if (archive_reader_new(ARCHIVE_KIND_RAW, &s->raw, d) < 0)
		return -1;
	if (archive_read_open_fd(s->raw, s->fd, READ_LEN) != ARCHIVE_OK || archive_read_next_header(s->raw, &ae) != ARCHIVE_OK)
		return archive_damaged(o, s->raw, d);
	return 0;
}

static void stream_fini(struct stream *s)
{
	archive_read_freep(&s->raw);
	fd_closep(&s->fd);
}

/* Skips the zeros between archives. 1: nothing follows. */
static int skip_padding(struct stream *s, const struct origin *o, struct diag *d)
{
	for (;;) {
		int r = stream_block(s);
		if (r != 0)
			return r < 0 ? archive_damaged(o, s->raw, d) : 1;
		while (s->at < s->block_at + s->block_len) {
			if (s->block[s->at - s->block_at] != 0)
				return 0;
			s->at++;
		}
	}
}

/* Merges the archive at byte *at of the stream and moves *at behind it. 1: there is none. */
static int merge_next(struct tree *t, const struct origin *o, const char *path, uint64_t *at, struct diag *d)
{
	struct stream s CLEANUP(stream_fini) = { .fd = -1 };
	struct archive *a CLEANUP(archive_read_freep) = NULL;
	if (stream_open(&s, path, o, *at, d) < 0)
		return -1;
	int r = skip_padding(&s, o, d);
	if (r != 0)
		return r;
	uint64_t start = s.at;
	if (archive_reader_new(ARCHIVE_KIND_CPIO, &a, d) < 0)
		return -1;
	if (archive_read_open(a, &s, NULL, stream_read, NULL) != ARCHIVE_OK)
		return archive_damaged(o, a, d);
	if (archive_merge(t, o, a, NULL, false, d) < 0)
		return -1;
	/* Of a packed archive behind an unpacked one the decoder does not tell where it ends; it is the last one. */
	bool packed = archive_filter_count(a) > 1;
	la_int64_t used = archive_filter_bytes(a, 0);
	*at = packed || used <= 0 ? UINT64_MAX : start + (uint64_t)used;
	return 0;
}

static int cpio_load(struct tree *t, const struct manifest *m, const struct layer *l, struct diag *d)
{
	struct utf8_scope scope CLEANUP(utf8_leave) = utf8_enter();
	(void)scope;
	for (size_t i = 0; i < l->paths.count; i++) {
		struct left_out left_out = { 0 };
		const struct origin o = { l->paths.v[i].s, &l->paths.v[i].loc, &left_out };
		char *path CLEANUP_FREE = manifest_path(m, o.label);
		uint64_t at = 0;
		int r = 0;
		if (access(path, F_OK) != 0)
			return diag_fail(d, MVP0301, o.loc, "there is no file '%s'", path);
		tree_add_input(t, path);
		for (unsigned n = 0; r == 0 && at != UINT64_MAX; n++) {
			if (n >= ARCHIVES_MAX)
				return diag_fail(d, MVP0307, o.loc, "'%s' is made of more than %d archives", o.label, ARCHIVES_MAX);
			r = merge_next(t, &o, path, &at, d);
			if (r == 1 && n == 0)
				return diag_fail(d, MVP0302, o.loc, "'%s' cannot be read: it holds nothing but zeros", o.label);
		}
		if (r < 0)
			return -1;
	}
	return 0;
}

const struct layer_source layer_cpio = { LAYER_CPIO, "cpio", cpio_load };
