#include "imagegen/layer/archive.h"

#include <locale.h>
#include <string.h>
#include <sys/stat.h>

#include "imagegen/base/bytes.h"
#include "imagegen/base/diag.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"

#define ACL_ENTRIES_MAX 1024
#define REFER_LEN 65536 /* shorter files are read faster from where they lie side by side */

struct utf8_scope utf8_enter(void)
{
	struct utf8_scope s = { 0 };
	locale_t utf8 = newlocale(LC_ALL_MASK, "C.UTF-8", (locale_t)0);
	if (utf8 == (locale_t)0)
		return s; /* names that are no ASCII then come as their raw bytes, which are UTF-8 as well */
	s.locale = utf8;
	s.previous = uselocale(utf8);
	return s;
}

void utf8_leave(struct utf8_scope *s)
{
	if (!s->locale)
		return;
	(void)uselocale((locale_t)s->previous);
	freelocale((locale_t)s->locale);
	s->locale = NULL;
}

int archive_reader_new(enum archive_kind kind, struct archive **ret_a, struct diag *d)
{
	static int (*const filters[])(struct archive *) = {
		archive_read_support_filter_gzip,  archive_read_support_filter_xz,   archive_read_support_filter_zstd,
		archive_read_support_filter_bzip2, archive_read_support_filter_lzma, archive_read_support_filter_compress,
		archive_read_support_filter_lz4,
	};
	static int (*const formats[][2])(struct archive *) = {
		[ARCHIVE_KIND_TAR] = { archive_read_support_format_tar, archive_read_support_format_gnutar },
		[ARCHIVE_KIND_CPIO] = { archive_read_support_format_cpio },
		[ARCHIVE_KIND_RAW] = { archive_read_support_format_raw },
	};
	struct archive *a CLEANUP(archive_read_freep) = archive_read_new();
	bool ok = a != NULL;
	/* A warning means that libarchive would start a program for this compression; then it refuses such files. */
	for (size_t i = 0; ok && i < ARRAY_LEN(filters); i++)
		ok = filters[i](a) >= ARCHIVE_WARN;
	for (size_t i = 0; ok && i < ARRAY_LEN(formats[kind]) && formats[kind][i]; i++)
		ok = formats[kind][i](a) >= ARCHIVE_WARN;
	if (!ok)
		return diag_fail(d, MVP0001, NULL, "libarchive: %s", a ? archive_error_string(a) : "out of memory");
	*ret_a = TAKE(a);
	return 0;
}

int archive_damaged(const struct origin *o, struct archive *a, struct diag *d)
{
	const char *why = archive_error_string(a);
	return diag_fail(d, MVP0302, o->loc, "'%s' cannot be read: %s", o->label, why ? why : "damaged archive");
}

struct acl_entry {
	uint16_t tag, perm;
	uint32_t id;
};

static int by_tag(const void *a, const void *b)
{
	const struct acl_entry *x = a, *y = b;
	if (x->tag != y->tag)
		return x->tag < y->tag ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

/* Linux's form of a POSIX ACL (posix_acl_xattr.h): version 2, then tag, permissions and id of each entry, sorted. */
static int add_acl(struct archive_entry *ae, int kind, const char *name, const struct origin *o, struct entry *e, struct diag *d)
{
	static const struct {
		int theirs;
		uint16_t tag;
	} tags[] = {
		{ ARCHIVE_ENTRY_ACL_USER_OBJ, 0x01 }, { ARCHIVE_ENTRY_ACL_USER, 0x02 }, { ARCHIVE_ENTRY_ACL_GROUP_OBJ, 0x04 },
		{ ARCHIVE_ENTRY_ACL_GROUP, 0x08 },    { ARCHIVE_ENTRY_ACL_MASK, 0x10 }, { ARCHIVE_ENTRY_ACL_OTHER, 0x20 },
	};
	int type, perm, tag, id;
	const char *who;
	size_t count = 0;
	int announced = archive_entry_acl_reset(ae, kind);
	if (announced <= (kind == ARCHIVE_ENTRY_ACL_TYPE_ACCESS ? 3 : 0)) /* the three that are the mode again */
		return 0;
	if (announced > ACL_ENTRIES_MAX)
		return diag_fail(d, MVP0309, o->loc, "'%s': entry '%s' has an access list of %d entries", o->label,
				 archive_entry_pathname(ae), announced);
	struct acl_entry *v CLEANUP_FREE = mem_array(struct acl_entry, (size_t)announced);
	while (count < (size_t)announced && archive_entry_acl_next(ae, kind, &type, &perm, &tag, &id, &who) == ARCHIVE_OK) {
		bool named = tag == ARCHIVE_ENTRY_ACL_USER || tag == ARCHIVE_ENTRY_ACL_GROUP;
		if (named && id < 0)
			return diag_fail(d, MVP0309, o->loc, "'%s': the access list of '%s' names '%s' without a number", o->label,
					 archive_entry_pathname(ae), who ? who : "?");
		for (size_t i = 0; i < ARRAY_LEN(tags); i++)
			if (tags[i].theirs == tag)
				v[count++] = (struct acl_entry){ tags[i].tag, (uint16_t)(perm & 7), named ? (uint32_t)id : UINT32_MAX };
	}
	qsort(v, count, sizeof *v, by_tag);
	uint8_t *bytes CLEANUP_FREE = mem_zeroed(4 + count * 8, 1);
	put_le32(bytes, 2);
	for (size_t i = 0; i < count; i++) {
		put_le16(bytes + 4 + i * 8, v[i].tag);
		put_le16(bytes + 6 + i * 8, v[i].perm);
		put_le32(bytes + 8 + i * 8, v[i].id);
	}
	(void)entry_add_xattr(e, name, bytes, 4 + count * 8);
	return 0;
}

static int fill_attributes(struct archive_entry *ae, const struct origin *o, struct entry *e, struct diag *d)
{
	const char *path = archive_entry_pathname(ae);
	int64_t uid = archive_entry_uid(ae), gid = archive_entry_gid(ae);
	if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
		return diag_fail(d, MVP0309, o->loc, "'%s': entry '%s' belongs to user %lld, group %lld; both are 32-bit numbers", o->label,
				 path, (long long)uid, (long long)gid);
	e->mode = (uint32_t)archive_entry_perm(ae) & 07777;
	e->uid = (uint32_t)uid;
	e->gid = (uint32_t)gid;
	e->mtime = archive_entry_mtime_is_set(ae) ? archive_entry_mtime(ae) : 0;
	e->mtime_ns = (uint32_t)archive_entry_mtime_nsec(ae);
	switch (archive_entry_filetype(ae)) {
	case AE_IFREG:
		e->mode |= S_IFREG;
		break;
	case AE_IFDIR:
		e->mode |= S_IFDIR;
		break;
	case AE_IFLNK:
		e->mode |= S_IFLNK;
		e->target = mem_strdup(archive_entry_symlink(ae));
		break;
	case AE_IFCHR:
	case AE_IFBLK:
		e->mode |= archive_entry_filetype(ae) == AE_IFCHR ? S_IFCHR : S_IFBLK;
		e->rdev_major = (uint32_t)archive_entry_rdevmajor(ae);
		e->rdev_minor = (uint32_t)archive_entry_rdevminor(ae);
		if (e->rdev_major > 0xfff || e->rdev_minor > 0xfffff)
			return diag_fail(d, MVP0309, o->loc, "'%s': entry '%s' is device %u:%u; Linux has 12 and 20 bits", o->label, path,
					 e->rdev_major, e->rdev_minor);
		break;
	case AE_IFIFO:
		e->mode |= S_IFIFO;
		break;
	default:
		return diag_fail(d, MVP0309, o->loc, "'%s': entry '%s' is of an unknown type", o->label, path);
	}
	const char *name;
	const void *value;
	size_t len;
	(void)archive_entry_xattr_reset(ae);
	while (archive_entry_xattr_next(ae, &name, &value, &len) == ARCHIVE_OK)
		if (!entry_add_xattr(e, name, value, len))
			origin_left_xattr(o, path, name, d);
	if (S_ISLNK(e->mode))
		return 0;
	if (add_acl(ae, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, "system.posix_acl_access", o, e, d) < 0)
		return -1;
	return S_ISDIR(e->mode) ? add_acl(ae, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT, "system.posix_acl_default", o, e, d) : 0;
}

/* Where data lies that libarchive points to: it hands out what it was given, unless it had to unpack or join it. */
static uint64_t place_of(const struct archive_file *f, const void *data, size_t len)
{
	uintptr_t start = f ? (uintptr_t)f->data : 0, at = (uintptr_t)data;
	if (!f || f->from == SPOOL_NOWHERE || at < start || !num_inside(at - start, len, f->len))
		return SPOOL_NOWHERE;
	return f->from + (at - start);
}

static int read_content(struct tree *t, const struct origin *o, struct archive *a, const struct archive_file *f, uint64_t len,
			struct content *ret, struct diag *d)
{
	struct spool *s = tree_spooler(t);
	const void *data;
	size_t n;
	la_int64_t at;
	int r;
	/* Filters: more than one means that something is unpacked. */
	f = len >= REFER_LEN && archive_filter_count(a) == 1 ? f : NULL;
	spool_begin(s);
	while ((r = archive_read_data_block(a, &data, &n, &at)) == ARCHIVE_OK)
		if (at < 0 || spool_refer(s, (uint64_t)at, data, n, place_of(f, data, n), o->label, d) < 0)
			return at < 0 ? archive_damaged(o, a, d) : -1;
	if (r != ARCHIVE_EOF)
		return archive_damaged(o, a, d);
	return spool_end(s, len, o->label, ret, d);
}

static int merge_entry(struct tree *t, const struct origin *o, struct archive *a, const struct archive_file *f, struct archive_entry *ae,
		       struct diag *d)
{
	const char *path = archive_entry_pathname(ae);
	const char *link = archive_entry_hardlink(ae);
	la_int64_t len = archive_entry_size(ae);
	if (!path || (archive_entry_filetype(ae) == AE_IFLNK && !link && !archive_entry_symlink(ae)))
		return diag_fail(d, MVP0303, o->loc, "'%s': an entry has a name that cannot be read", o->label);
	if (len < 0)
		return diag_fail(d, MVP0302, o->loc, "'%s': entry '%s' has a negative size", o->label, path);
	if (link) {
		struct content c CLEANUP(content_fini) = { 0 };
		if (tree_put_link(t, o, path, link, d) < 0)
			return -1;
		if (len == 0)
			return 0;
		return read_content(t, o, a, f, (uint64_t)len, &c, d) < 0 ? -1 : tree_put_content(t, o, path, &c, d);
	}
	if (archive_entry_filetype(ae) == AE_IFSOCK) {
		origin_left_socket(o, path, d);
		return 0;
	}
	struct entry e CLEANUP(entry_fini) = { 0 };
	if (fill_attributes(ae, o, &e, d) < 0)
		return -1;
	if (S_ISREG(e.mode) && read_content(t, o, a, f, (uint64_t)len, &e.content, d) < 0)
		return -1;
	return tree_put(t, o, path, &e, d);
}

/* The entry of a layer of a container image that takes something away. 1: it was one. */
static int merge_whiteout(struct tree *t, const struct origin *o, const char *path, struct diag *d)
{
	static const char mark[] = ".wh.", opaque[] = ".wh..wh..opq", other[] = ".wh..wh.";
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;
	if (strncmp(base, mark, strlen(mark)) != 0)
		return 0;
	char *folder CLEANUP_FREE = slash ? mem_strndup(path, (size_t)(slash + 1 - path)) : mem_strdup("/");
	if (strcmp(base, opaque) == 0)
		return tree_whiteout_below(t, o, folder, d) < 0 ? -1 : 1;
	if (strncmp(base, other, strlen(other)) == 0)
		return 1; /* what aufs keeps for itself */
	const char *name = base + strlen(mark);
	if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return diag_fail(d, MVP0303, o->loc, "'%s': the whiteout '%s' names nothing that can be removed", o->label, path);
	char *target CLEANUP_FREE = mem_printf("%s%s", folder, name);
	return tree_whiteout(t, o, target, d) < 0 ? -1 : 1;
}

int archive_merge(struct tree *t, const struct origin *o, struct archive *a, const struct archive_file *f, bool whiteouts, struct diag *d)
{
	for (;;) {
		struct archive_entry *ae;
		int r = archive_read_next_header(a, &ae);
		if (r == ARCHIVE_EOF)
			return 0;
		/* ARCHIVE_WARN: a name that is no UTF-8; it comes as its raw bytes, which is what the file system stores. */
		if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
			return archive_damaged(o, a, d);
		const char *path = archive_entry_pathname(ae);
		int taken = whiteouts && path ? merge_whiteout(t, o, path, d) : 0;
		if (taken < 0 || (taken == 0 && merge_entry(t, o, a, f, ae, d) < 0))
			return -1;
	}
}
