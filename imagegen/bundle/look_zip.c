/* Zip archives of firmware: factory packages of fastboot, packages for Qualcomm's download mode, updates. */
#include <stdlib.h>
#include <string.h>

#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/text.h"
#include "imagegen/bundle/look_int.h"
#include "imagegen/bundle/ota.h"
#include "imagegen/bundle/payload_read.h"
#include "imagegen/bundle/scatter.h"
#include "imagegen/zip/read.h"
#include "imagegen/zip/zip.h"

#define TEXT_MAX ((size_t)64 * KIB)
#define SCATTER_MAX ((size_t)MIB)

int look_payload(const struct image *img, uint64_t at, uint64_t len, const char *label, struct look *l, struct diag *d)
{
	struct payload_file f CLEANUP(payload_close) = { 0 };
	if (payload_open(img, at, len, label, &f, d) < 0 || payload_check(&f, d) < 0)
		return -1;
	for (size_t i = 0; i < f.p.parts_count; i++) {
		const struct payload_part *p = &f.p.parts[i];
		char *summary CLEANUP_FREE = payload_summary(p), hex[65];
		look_add(l, p->name, f.blobs_at, p->new_len,
			 mem_printf("%s, sha256 %s", summary, text_hex(p->new_sha256, sizeof(p->new_sha256), hex)));
	}
	if (!l->kind) {
		l->kind = "update payload";
		l->title = mem_printf("minor version %llu, %zu partitions, %s, digests right", (unsigned long long)f.p.minor,
				      f.p.parts_count, f.p.signatures_len ? "signed" : "not signed");
	}
	return 0;
}

/* MEMBER or OUTER/MEMBER of an archive in an archive. */
static int look_members(const struct image *img, uint64_t at, const struct zip_dir *z, const char *outer, const char *label, struct look *l,
			struct diag *d)
{
	for (size_t i = 0; i < z->count; i++) {
		const struct zip_entry *e = &z->v[i];
		char *name CLEANUP_FREE = outer ? mem_printf("%s/%s", outer, e->name) : mem_strdup(e->name);
		char size[TEXT_SIZE_LEN];
		if (zip_check(img, label, e, d) < 0)
			return -1;
		look_add(l, name, at + e->at, e->packed_len,
			 e->method == ZIP_STORED ? mem_strdup("stored") : mem_printf("%s unpacked", text_size(e->len, size)));
	}
	return 0;
}

/* The package of images in a factory package. */
static const struct zip_entry *find_inner(const struct zip_dir *z)
{
	for (size_t i = 0; i < z->count; i++) {
		const char *slash = strrchr(z->v[i].name, '/'), *name = slash ? slash + 1 : z->v[i].name;
		size_t len = strlen(name);
		if (len > 10 && !strncmp(name, "image-", 6) && !strcmp(name + len - 4, ".zip") && z->v[i].method == ZIP_STORED &&
		    z->v[i].len == z->v[i].packed_len)
			return &z->v[i];
	}
	return NULL;
}

static int look_factory(const struct image *img, const struct zip_entry *e, const char *label, struct look *l, struct diag *d)
{
	struct image *inner CLEANUP(image_freep) = image_slice((struct image *)(uintptr_t)img, e->at, e->len);
	struct zip_dir z CLEANUP(zip_dir_fini) = { 0 };
	const char *slash = strrchr(e->name, '/');
	if (zip_read(inner, label, &z, d) < 0 || look_members(inner, e->at, &z, slash ? slash + 1 : e->name, label, l, d) < 0)
		return -1;
	l->kind = "fastboot factory package";
	l->title = mem_printf("%zu files to flash, CRCs right", z.count);
	return 0;
}

static int look_update(const struct image *img, const struct zip_dir *z, const char *label, struct look *l, struct diag *d)
{
	const struct zip_entry *payload = zip_find(z, OTA_PAYLOAD), *metadata = zip_find(z, OTA_METADATA);
	struct ota_build to CLEANUP(ota_build_fini) = { 0 };
	uint8_t *text CLEANUP_FREE = NULL;
	struct payload_file f CLEANUP(payload_close) = { 0 };
	if (payload->method != ZIP_STORED || payload->len != payload->packed_len) {
		struct loc loc = LOC_AT(label, payload->at);
		return diag_fail(d, MVP0570, &loc, "the payload of the update is not stored as it is");
	}
	if (metadata && zip_take(img, label, metadata, TEXT_MAX, &text, d) < 0)
		return -1;
	(void)(text && ota_build_parse((const char *)text, &to));
	l->kind = "update package";
	if (payload_open(img, payload->at, payload->len, label, &f, d) < 0)
		return -1;
	bool alone = to.of != COMPONENT_HYPERVISOR;
	l->title = mem_printf("%s%s%s to %s, payload %s, package %s, digests right", alone ? component_names[to.of] : "",
			      alone ? " alone, " : "", f.p.minor ? "from a former build" : "full",
			      to.incremental ? to.incremental : "an unknown version", f.p.signatures_len ? "signed" : "not signed",
			      z->comment_len ? "signed" : "not signed");
	return look_payload(img, payload->at, payload->len, label, l, d);
}

/* MediaTek's: PLATFORM_Android_scatter.txt says which member goes where. */
static const struct zip_entry *find_scatter(const struct zip_dir *z)
{
	static const char end[] = "_Android_scatter.txt";
	for (size_t i = 0; i < z->count; i++) {
		size_t len = strlen(z->v[i].name);
		if (len >= sizeof(end) - 1 && !strcmp(z->v[i].name + len - (sizeof(end) - 1), end))
			return &z->v[i];
	}
	return NULL;
}

static int look_scatter(const struct image *img, const struct zip_dir *z, const struct zip_entry *e, const char *label, struct look *l,
			struct diag *d)
{
	struct loc loc = LOC_AT(label, e->at);
	struct scatter s CLEANUP(scatter_fini) = { 0 };
	uint8_t *text CLEANUP_FREE = NULL;
	size_t files = 0;
	if (zip_take(img, label, e, SCATTER_MAX, &text, d) < 0)
		return -1;
	const char *wrong = scatter_parse(text, (size_t)e->len, &s);
	if (wrong)
		return diag_fail(d, MVP0570, &loc, "the scatter file of the package is damaged: %s", wrong);
	for (size_t i = 0; i < s.count; i++) {
		const struct scatter_part *p = &s.parts[i];
		if (p->file && !zip_find(z, p->file))
			return diag_fail(d, MVP0570, &loc,
					 "the scatter file names '%s' for partition '%s', which the package does not have", p->file,
					 p->name);
		files += p->file != NULL;
		look_add(l, p->name, p->at, p->len, mem_printf("partition, file %s", p->file ? p->file : "-"));
	}
	l->kind = "package for MediaTek's flashing tools";
	l->title = mem_printf("%s, project %s, %s, %zu partitions, %zu of them with a file, CRCs right", s.platform ? s.platform : "-",
			      s.project ? s.project : "-", s.storage ? s.storage : "-", s.count, files);
	return 0;
}

int look_zip(const struct image *img, const char *label, struct look *l, struct diag *d)
{
	struct zip_dir z CLEANUP(zip_dir_fini) = { 0 };
	if (zip_read(img, label, &z, d) < 0 || look_members(img, 0, &z, NULL, label, l, d) < 0)
		return -1;
	const struct zip_entry *inner = find_inner(&z);
	if (zip_find(&z, OTA_PAYLOAD))
		return look_update(img, &z, label, l, d);
	if (inner)
		return look_factory(img, inner, label, l, d);
	const struct zip_entry *scatter = find_scatter(&z);
	if (scatter)
		return look_scatter(img, &z, scatter, label, l, d);
	l->kind = zip_find(&z, "rawprogram0.xml")    ? "package for the emergency download mode"
		  : zip_find(&z, "android-info.txt") ? "fastboot update package"
						     : "zip archive";
	l->title = mem_printf("%zu files, CRCs right", z.count);
	return 0;
}
