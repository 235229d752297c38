#include "imagegen/zip/zip.h"

#include <string.h>
#include <time.h>

#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>

#include "imagegen/base/buf.h"
#include "imagegen/base/bytes.h"
#include "imagegen/base/diag.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"

#define LOCAL_LEN 30
#define ZIP64_LOCAL_LEN 20 /* extra field: both sizes */
#define NAME_MAX_LEN 1024
#define DEFLATE_OUT ((size_t)256 << 10)
#define NO32 UINT32_MAX /* "see the zip64 field" */

struct member {
	char *name;
	uint32_t mode, crc;
	enum zip_method method;
	uint64_t at, len, packed_len; /* at: of its local header, from the archive's start */
	bool zip64;                   /* its local header has the zip64 field */
};

struct zip {
	int fd;
	uint64_t base;            /* byte of the file where the archive starts */
	uint64_t at;              /* bytes of the archive written */
	_Atomic uint64_t pending; /* io_write_behind()'s */
	uint32_t crc;             /* of all of them up to the open member */
	uint16_t dos_time, dos_date;
	char *label;
	struct member *members;
	size_t count, cap;
	bool open; /* the last member is being written */
	uint64_t max_len;
	uint32_t packed_crc; /* of the open member's bytes in the archive */
	void (*tee)(void *ctx, const void *data, size_t len);
	void *tee_ctx;
	struct isal_zstream *deflate; /* made for the first deflated member */
	uint8_t *deflate_level, *deflate_out;
};

/* MS-DOS date and time, in steps of two seconds. */
static void set_time(struct zip *z, int64_t epoch)
{
	const int64_t first = 315532800, last = 4354819198; /* 1980-01-01 to 2107-12-31 23:59:58 */
	time_t t = (time_t)(epoch < first ? first : epoch > last ? last : epoch);
	struct tm tm = { 0 };
	gmtime_r(&t, &tm);
	z->dos_time = (uint16_t)(tm.tm_hour << 11 | tm.tm_min << 5 | tm.tm_sec / 2);
	z->dos_date = (uint16_t)((tm.tm_year - 80) << 9 | (tm.tm_mon + 1) << 5 | tm.tm_mday);
}

struct zip *zip_new(int fd, uint64_t at, int64_t epoch, const char *label)
{
	struct zip *z = mem_new(struct zip);
	z->fd = fd;
	z->base = at;
	z->label = mem_strdup(label);
	set_time(z, epoch);
	return z;
}

void zip_free(struct zip *z)
{
	if (!z)
		return;
	for (size_t i = 0; i < z->count; i++)
		free(z->members[i].name);
	free(z->members);
	free(z->deflate);
	free(z->deflate_level);
	free(z->deflate_out);
	free(z->label);
	free(z);
}

static int put_at(struct zip *z, const void *data, size_t len, uint64_t at, struct diag *d)
{
	int r = io_pwrite_all(z->fd, data, len, z->base + at);
	if (r == 0) {
		io_write_behind(z->fd, &z->pending, len);
		return 0;
	}
	struct loc loc = LOC_FILE(z->label);
	return diag_fail(d, MVP0811, &loc, "cannot write: %s", strerror(-r));
}

/* Bytes of the open member, as they stand in the archive. */
static int put_packed(struct zip *z, const void *data, size_t len, struct diag *d)
{
	if (put_at(z, data, len, z->at, d) < 0)
		return -1;
	z->packed_crc = crc32_gzip_refl(z->packed_crc, data, len);
	z->at += len;
	if (z->tee)
		z->tee(z->tee_ctx, data, len);
	return 0;
}

static size_t local_len(const struct member *m)
{
	return LOCAL_LEN + strlen(m->name) + (m->zip64 ? ZIP64_LOCAL_LEN : 0);
}

static struct member *current(struct zip *z)
{
	return &z->members[z->count - 1];
}

static void deflate_start(struct zip *z)
{
	if (!z->deflate) {
		z->deflate = mem_new(struct isal_zstream);
		z->deflate_level = mem_zeroed(1, ISAL_DEF_LVL1_DEFAULT);
		z->deflate_out = mem_zeroed(1, DEFLATE_OUT);
	}
	isal_deflate_init(z->deflate);
	z->deflate->level = 1;
	z->deflate->level_buf = z->deflate_level;
	z->deflate->level_buf_size = ISAL_DEF_LVL1_DEFAULT;
	z->deflate->gzip_flag = IGZIP_DEFLATE;
	z->deflate->flush = NO_FLUSH;
}

/* Feeds len bytes (below 4 GiB); the last call of a member says so. */
static int deflate_add(struct zip *z, const void *data, size_t len, bool last, struct diag *d)
{
	struct isal_zstream *s = z->deflate;
	s->next_in = (uint8_t *)(uintptr_t)data; /* only read */
	s->avail_in = (uint32_t)len;
	s->end_of_stream = last;
	do {
		s->next_out = z->deflate_out;
		s->avail_out = DEFLATE_OUT;
		if (isal_deflate(s) != COMP_OK)
			return diag_fail(d, MVP0001, NULL, "ISA-L refused to deflate");
		if (put_packed(z, z->deflate_out, DEFLATE_OUT - s->avail_out, d) < 0)
			return -1;
	} while (s->avail_in || (last ? s->internal_state.state != ZSTATE_END : s->avail_out == 0));
	return 0;
}

/* Upper bound of deflated data: incompressible blocks are stored, with a few bytes of overhead each. */
static uint64_t packed_bound(uint64_t len)
{
	return len + len / 1024 + 4096;
}

int zip_member(struct zip *z, const char *name, uint32_t mode, enum zip_method method, uint64_t max_len, struct diag *d)
{
	struct loc loc = LOC_FILE(z->label);
	size_t name_len = strlen(name);
	if (z->open)
		return diag_fail(d, MVP0001, NULL, "a member of an archive is begun inside another");
	if (name_len == 0 || name_len > NAME_MAX_LEN || name[0] == '/')
		return diag_fail(d, MVP0508, &loc, "a member's name has %zu bytes; expected 1 to %d, not absolute", name_len, NAME_MAX_LEN);
	if (max_len > INT64_MAX / 4)
		return diag_fail(d, MVP0508, &loc, "the member '%s' is too large", name);
	mem_grow(&z->members, z->count, &z->cap, sizeof(*z->members));
	struct member *m = &z->members[z->count++];
	*m = (struct member){ .name = mem_strdup(name), .mode = mode, .method = method, .at = z->at };
	m->zip64 = (method == ZIP_STORED ? max_len : packed_bound(max_len)) >= NO32;
	z->max_len = max_len;
	z->open = true;
	z->packed_crc = 0;
	z->at += local_len(m); /* written by zip_member_end */
	if (method == ZIP_DEFLATED)
		deflate_start(z);
	return 0;
}

int zip_write(struct zip *z, const void *data, size_t len, struct diag *d)
{
	struct member *m = current(z);
	const uint8_t *p = data;
	if (len > z->max_len - m->len)
		return diag_fail(d, MVP0001, NULL, "a member of an archive is larger than planned");
	m->len += len;
	if (m->method == ZIP_STORED)
		return put_packed(z, p, len, d);
	m->crc = crc32_gzip_refl(m->crc, p, len);
	while (len) {
		size_t n = (size_t)num_min(len, GIB);
		if (deflate_add(z, p, n, false, d) < 0)
			return -1;
		p += n;
		len -= n;
	}
	return 0;
}

static uint16_t version_needed(bool zip64)
{
	return zip64 ? 45 : 20;
}

/* The fields that local header and directory share, from "version needed" to the length of the name. */
static void put_common(struct buf *b, const struct zip *z, const struct member *m, bool zip64, uint64_t packed_len, uint64_t len)
{
	buf_le16(b, version_needed(zip64));
	buf_le16(b, 0); /* flags */
	buf_le16(b, (uint16_t)m->method);
	buf_le16(b, z->dos_time);
	buf_le16(b, z->dos_date);
	buf_le32(b, m->crc);
	buf_le32(b, (uint32_t)num_min(packed_len, NO32));
	buf_le32(b, (uint32_t)num_min(len, NO32));
	buf_le16(b, (uint16_t)strlen(m->name));
}

static int put_local(struct zip *z, const struct member *m, struct diag *d)
{
	struct buf b CLEANUP(buf_fini) = BUF_INIT;
	buf_le32(&b, 0x04034b50);
	put_common(&b, z, m, m->zip64, m->zip64 ? NO32 : m->packed_len, m->zip64 ? NO32 : m->len);
	buf_le16(&b, m->zip64 ? ZIP64_LOCAL_LEN : 0);
	buf_puts(&b, m->name);
	if (m->zip64) {
		buf_le16(&b, 1);
		buf_le16(&b, ZIP64_LOCAL_LEN - 4);
		buf_le64(&b, m->len);
		buf_le64(&b, m->packed_len);
	}
	if (buf_error(&b) || b.len != local_len(m))
		return diag_fail(d, MVP0001, NULL, "no memory for a zip header");
	z->crc = crc32_join(z->crc, crc32_gzip_refl(0, b.data, b.len), b.len);
	return put_at(z, b.data, b.len, m->at, d);
}

static int end_member(struct zip *z, struct diag *d)
{
	struct member *m = current(z);
	z->open = false;
	z->tee = NULL;
	m->packed_len = z->at - m->at - local_len(m);
	if (!m->zip64 && (m->packed_len >= NO32 || m->len >= NO32))
		return diag_fail(d, MVP0001, NULL, "a member of an archive packs to more than was planned");
	if (put_local(z, m, d) < 0)
		return -1;
	z->crc = crc32_join(z->crc, z->packed_crc, m->packed_len);
	return 0;
}

int zip_member_end(struct zip *z, struct diag *d)
{
	struct member *m = current(z);
	if (m->method == ZIP_DEFLATED && deflate_add(z, NULL, 0, true, d) < 0)
		return -1;
	if (m->method == ZIP_STORED)
		m->crc = z->packed_crc;
	return end_member(z, d);
}

void zip_last(const struct zip *z, uint32_t *ret_crc, uint64_t *ret_len)
{
	*ret_crc = z->members[z->count - 1].crc;
	*ret_len = z->members[z->count - 1].len;
}

void zip_tee(struct zip *z, void (*fn)(void *ctx, const void *data, size_t len), void *ctx)
{
	z->tee = fn;
	z->tee_ctx = ctx;
}

int zip_write_packed(struct zip *z, const void *data, size_t len, struct diag *d)
{
	return put_packed(z, data, len, d);
}

int zip_packed_end(struct zip *z, uint32_t crc, uint64_t len, struct diag *d)
{
	struct member *m = current(z);
	if (len > z->max_len)
		return diag_fail(d, MVP0001, NULL, "a member of an archive is larger than planned");
	m->crc = crc;
	m->len = len;
	return end_member(z, d);
}

uint64_t zip_at(const struct zip *z)
{
	return z->at;
}

uint64_t zip_front_len(const char *name, uint64_t max_len)
{
	return LOCAL_LEN + strlen(name) + (max_len >= NO32 ? ZIP64_LOCAL_LEN : 0);
}

int zip_add(struct zip *z, const char *name, uint32_t mode, enum zip_method method, const void *data, size_t len, struct diag *d)
{
	return zip_member(z, name, mode, method, len, d) < 0 || zip_write(z, data, len, d) < 0 ? -1 : zip_member_end(z, d);
}

int zip_archive(struct zip *z, const char *name, uint32_t mode, uint64_t max_len, struct zip **ret_inner, struct diag *d)
{
	if (zip_member(z, name, mode, ZIP_STORED, max_len, d) < 0)
		return -1;
	struct zip *inner = zip_new(z->fd, z->base + z->at, 0, z->label);
	inner->dos_time = z->dos_time;
	inner->dos_date = z->dos_date;
	*ret_inner = inner;
	return 0;
}

int zip_archive_end(struct zip *z, struct zip *inner TAKES, struct diag *d)
{
	struct zip *in CLEANUP(zip_freep) = inner;
	uint64_t len = 0;
	if (zip_end(in, &len, d) < 0)
		return -1;
	if (len > z->max_len)
		return diag_fail(d, MVP0001, NULL, "an archive in an archive is larger than planned");
	current(z)->len = len;
	z->packed_crc = in->crc;
	z->at += len;
	return zip_member_end(z, d);
}

static void put_directory_entry(struct buf *b, const struct zip *z, const struct member *m)
{
	bool big_len = m->len >= NO32, big_packed = m->packed_len >= NO32, big_at = m->at >= NO32;
	uint16_t fields = (uint16_t)(big_len + big_packed + big_at);
	buf_le32(b, 0x02014b50);
	buf_le16(b, (uint16_t)(3 << 8 | 45)); /* made by: Unix, so that the mode counts */
	put_common(b, z, m, m->zip64 || fields, m->packed_len, m->len);
	buf_le16(b, fields ? (uint16_t)(4 + 8 * fields) : 0);
	buf_le16(b, 0); /* comment */
	buf_le16(b, 0); /* disk */
	buf_le16(b, 0); /* internal attributes */
	buf_le32(b, (0100000 | m->mode) << 16);
	buf_le32(b, (uint32_t)num_min(m->at, NO32));
	buf_puts(b, m->name);
	if (fields) {
		buf_le16(b, 1);
		buf_le16(b, (uint16_t)(8 * fields));
	}
	if (big_len)
		buf_le64(b, m->len);
	if (big_packed)
		buf_le64(b, m->packed_len);
	if (big_at)
		buf_le64(b, m->at);
}

static void put_end(struct buf *b, const struct zip *z, uint64_t dir_at, uint64_t dir_len)
{
	uint64_t end64_at = dir_at + dir_len;
	if (z->count >= UINT16_MAX || dir_at >= NO32 || dir_len >= NO32) {
		buf_le32(b, 0x06064b50);
		buf_le64(b, 44); /* bytes that follow in this record */
		buf_le16(b, (uint16_t)(3 << 8 | 45));
		buf_le16(b, 45);
		buf_le32(b, 0);
		buf_le32(b, 0);
		buf_le64(b, z->count);
		buf_le64(b, z->count);
		buf_le64(b, dir_len);
		buf_le64(b, dir_at);
		buf_le32(b, 0x07064b50); /* its locator */
		buf_le32(b, 0);
		buf_le64(b, end64_at);
		buf_le32(b, 1);
	}
	buf_le32(b, 0x06054b50);
	buf_le16(b, 0);
	buf_le16(b, 0);
	buf_le16(b, (uint16_t)num_min(z->count, UINT16_MAX));
	buf_le16(b, (uint16_t)num_min(z->count, UINT16_MAX));
	buf_le32(b, (uint32_t)num_min(dir_len, NO32));
	buf_le32(b, (uint32_t)num_min(dir_at, NO32));
	buf_le16(b, 0); /* comment */
}

int zip_end(struct zip *z, uint64_t *ret_len, struct diag *d)
{
	struct buf b CLEANUP(buf_fini) = BUF_INIT;
	if (z->open)
		return diag_fail(d, MVP0001, NULL, "an archive ends inside a member");
	for (size_t i = 0; i < z->count; i++)
		put_directory_entry(&b, z, &z->members[i]);
	put_end(&b, z, z->at, b.len);
	if (buf_error(&b))
		return diag_fail(d, MVP0001, NULL, "no memory for the directory of an archive");
	if (put_at(z, b.data, b.len, z->at, d) < 0)
		return -1;
	z->crc = crc32_join(z->crc, crc32_gzip_refl(0, b.data, b.len), b.len);
	z->at += b.len;
	*ret_len = z->at;
	return 0;
}

uint64_t zip_bound(uint64_t data_len, const char *name)
{
	/* Local header, directory entry with all its zip64 fields; the ends of the archive count with every member. */
	return packed_bound(data_len) + 2 * strlen(name) + 256;
}
