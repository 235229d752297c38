#include "imagegen/android/android.h"

#include <openssl/evp.h>
#include <string.h>

#include "imagegen/android/ramdisk.h"
#include "imagegen/base/bytes.h"
#include "imagegen/base/diag.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/bootimg/vendor.h"
#include "imagegen/lp/lp.h"
#include "imagegen/sparse/reader.h"

#define IN_SUPER "super:"
#define BLOCK 4096u
#define PIECE ((size_t)1 << 20)
#define HOLE_LEN (16 * (uint64_t)BLOCK) /* of zeros, at least; as in what is built from layers */

struct load {
	const struct manifest *m;
	struct android *a;
	EVP_MD_CTX *md;
	uint8_t *piece;
	struct lp *lp; /* of super */
	struct diag *d;
};

static void load_fini(struct load *w)
{
	EVP_MD_CTX_free(w->md);
	free(w->piece);
	lp_free(w->lp);
}

void android_fini(struct android *a)
{
	for (size_t i = 0; i < ANDROID_PARTS; i++)
		image_free(a->images[i]);
	free(a->kernel);
	free(a->ramdisk);
	free(a->cmdline);
	stamps_fini(&a->inputs);
	*a = (struct android){ 0 };
}

static int digest_failed(struct load *w)
{
	return diag_fail(w->d, MVP0001, NULL, "libcrypto failed at SHA-256");
}

/* Runs of data as pieces of the image. */
struct runs {
	struct image *img;
	struct image_piece *v;
	size_t count, cap;
	uint64_t at, end; /* the last one, which may grow */
};

static void runs_fini(struct runs *r)
{
	for (size_t i = 0; i < r->count; i++)
		image_free(r->v[i].img);
	free(r->v);
}

static void end_run(struct runs *r)
{
	if (r->at == r->end)
		return;
	struct image *slice CLEANUP(image_freep) = image_slice(r->img, r->at, r->end - r->at);
	mem_grow((void **)&r->v, r->count, &r->cap, sizeof(*r->v));
	r->v[r->count++] = (struct image_piece){ image_solid(slice), r->at };
}

static void add_run(struct runs *r, uint64_t at, uint64_t end)
{
	if (r->at == r->end || at - r->end >= HOLE_LEN) {
		end_run(r);
		r->at = at;
	}
	r->end = end;
}

static bool is_zero(const uint8_t *p, size_t len)
{
	return !p[0] && !memcmp(p, p + 1, len - 1);
}

/* The blocks of a piece that are not all zeros: they are hashed, each with its place, and added to runs. */
static int digest_piece(struct load *w, uint64_t at, size_t len, struct runs *r)
{
	uint8_t place[8];
	for (size_t i = 0; i < len; i += BLOCK) {
		size_t n = (size_t)num_min(BLOCK, len - i);
		if (is_zero(w->piece + i, n))
			continue;
		put_le64(place, at + i);
		if (EVP_DigestUpdate(w->md, place, sizeof(place)) != 1 || EVP_DigestUpdate(w->md, w->piece + i, n) != 1)
			return digest_failed(w);
		add_run(r, at + i, at + i + n);
	}
	return 0;
}

/* Name, length, and the content, into the digest. The same bytes make the same digest and an image with the same holes, whether the file
 * system stores their zeros (after a copy, a download) or not: keys, and so all that is encrypted, come from the digest, and outputs have
 * holes where inputs do. */
static int digest_image(struct load *w, const char *name, struct image **img)
{
	struct runs r CLEANUP(runs_fini) = { .img = *img };
	uint8_t head[16];
	uint64_t len = image_len(*img);
	put_le64(head, len);
	put_le64(head + 8, strlen(name));
	if (EVP_DigestUpdate(w->md, head, sizeof(head)) != 1 || EVP_DigestUpdate(w->md, name, strlen(name)) != 1)
		return digest_failed(w);
	for (uint64_t at = 0, n; at < len; at += n) {
		struct extent e = image_extent(*img, at);
		n = num_min(PIECE, len - at);
		if (!e.data && e.at + e.len >= at + n) {
			n = e.at + e.len == len ? len - at : align_down(e.at + e.len - at, PIECE);
			continue;
		}
		if (diag_stopped(w->d) || image_read(*img, at, w->piece, (size_t)n, w->d) < 0 || digest_piece(w, at, (size_t)n, &r) < 0)
			return -1;
	}
	end_run(&r);
	memset(head, 0xff, sizeof(head)); /* no place of a block */
	if (EVP_DigestUpdate(w->md, head, sizeof(head)) != 1)
		return digest_failed(w);
	struct image *same = image_compose(len, r.v, r.count);
	image_free(*img);
	*img = same;
	return 0;
}

/* Partitions are whole blocks. */
static struct image *whole_blocks(struct image *img TAKES)
{
	uint64_t len = align_up(image_len(img), BLOCK);
	if (len == image_len(img))
		return img;
	const struct image_piece piece = { img, 0 };
	struct image *padded = image_compose(len, &piece, 1);
	image_free(img);
	return padded;
}

/* What a file system begins with: ext4 and f2fs (superblock 1024 bytes in), EROFS, squashfs. */
static int check_file_system(const struct image *img, const char *label, const struct loc *loc, bool ext4_only, struct diag *d)
{
	uint8_t head[4096] = { 0 };
	if (image_len(img) > 0 && image_read(img, 0, head, (size_t)num_min(sizeof(head), image_len(img)), d) < 0)
		return -1;
	const uint8_t *super = head + 1024;
	if (get_le16(super + 56) == 0xef53) {
		uint64_t blocks = get_le32(super + 4) | (get_le32(super + 0x60) & 0x80 ? (uint64_t)get_le32(super + 0x150) << 32 : 0);
		uint32_t log = get_le32(super + 24);
		uint64_t len;
		if (log <= 6 && num_mul(blocks, (uint64_t)1024 << log, &len) && len <= image_len(img))
			return 0;
		return diag_fail(d, MVP0333, loc, "the file system in '%s' is larger than the image, which was cut off", label);
	}
	bool other = get_le32(super) == 0xe0f5e1e2 || get_le32(super) == 0xf2f52010 || memcmp(head, "hsqs", 4) == 0;
	if (other && !ext4_only)
		return 0;
	(void)diag_fail(d, MVP0333, loc, "'%s' holds no %sfile system%s", label, ext4_only ? "ext4 " : "",
			ext4_only ? "" : " that is known (ext4, EROFS, f2fs, squashfs)");
	if (ext4_only)
		diag_hint(d, "an image of the whole disk is none; extract its partition first");
	return -1;
}

/* Opens the file that s names; its bytes go into the digest. */
static int open_image(struct load *w, const char *name, const struct mstr *s, struct image **ret)
{
	char *path CLEANUP_FREE = manifest_path(w->m, s->s);
	struct image *img CLEANUP(image_freep) = NULL;
	stamps_add(&w->a->inputs, path, true);
	if (sparse_open(path, &s->loc, &img, w->d) < 0 || digest_image(w, name, &img) < 0)
		return -1;
	if (image_len(img) == 0)
		return diag_fail(w->d, MVP0333, &s->loc, "the image '%s' is empty", s->s);
	*ret = whole_blocks(TAKE(img));
	return 0;
}

/* Takes a partition out of super, to be the partition `part` of the disk. */
static int open_logical(struct load *w, const char *part, const struct mstr *s, struct image **ret)
{
	const char *name = s->s + strlen(IN_SUPER);
	const struct lp_partition *p = lp_find(w->lp, name);
	size_t count;
	const struct lp_partition *all = lp_partitions(w->lp, &count);
	if (p && p->len > 0) {
		struct image *img = NULL;
		/* Its content was hashed with super. */
		if (EVP_DigestUpdate(w->md, part, strlen(part) + 1) != 1 || EVP_DigestUpdate(w->md, p->name, strlen(p->name) + 1) != 1)
			return digest_failed(w);
		if (lp_image(w->lp, p, &img, w->d) < 0)
			return -1;
		*ret = whole_blocks(img);
		return 0;
	}
	(void)diag_fail(w->d, MVP0333, &s->loc, "super holds no partition '%s'%s", name, p ? " with content" : "");
	for (size_t i = 0; i < count && i < 16; i++)
		if (all[i].len > 0)
			diag_note(w->d, "it has '%s' (%llu bytes)", all[i].name, (unsigned long long)all[i].len);
	return -1;
}

static int open_all(struct load *w, const struct layer *l)
{
	bool taken_apart = false;
	struct image **images = w->a->images;
	if (l->android[ANDROID_SUPER].s) {
		if (open_image(w, "super", &l->android[ANDROID_SUPER], &images[ANDROID_SUPER]) < 0 ||
		    lp_read(images[ANDROID_SUPER], l->android[ANDROID_SUPER].s, &w->lp, w->d) < 0)
			return -1;
	}
	for (size_t i = 0; i < ANDROID_PARTS; i++) {
		const struct mstr *s = &l->android[i];
		bool logical = s->s && i >= ANDROID_SYSTEM && strncmp(s->s, IN_SUPER, strlen(IN_SUPER)) == 0;
		if (!s->s || i == ANDROID_SUPER)
			continue;
		if (logical ? open_logical(w, android_part_names[i], s, &images[i]) < 0
			    : open_image(w, android_part_names[i], s, &images[i]) < 0)
			return -1;
		taken_apart = taken_apart || logical;
		if (i >= ANDROID_SYSTEM && check_file_system(images[i], s->s, &s->loc, false, w->d) < 0)
			return -1;
	}
	/* A super whose partitions were taken out is only where they came from. */
	if (taken_apart)
		image_freep(&images[ANDROID_SUPER]);
	return 0;
}

static struct named_image named(const struct load *w, const struct layer *l, enum android_part part)
{
	return (struct named_image){ w->a->images[part], l->android[part].s, &l->android[part].loc };
}

static int load_android(struct load *w, const struct layer *l)
{
	struct image **images = w->a->images;
	size_t overlays;
	if (open_all(w, l) < 0)
		return -1;
	if (images[ANDROID_DTBO] && dtbo_check(images[ANDROID_DTBO], l->android[ANDROID_DTBO].s, &overlays, w->d) < 0)
		return -1;
	const struct named_image boot = named(w, l, ANDROID_BOOT), init_boot = named(w, l, ANDROID_INIT_BOOT),
				 vendor_boot = named(w, l, ANDROID_VENDOR_BOOT);
	if (boot.img && ramdisk_compose(&boot, &init_boot, &vendor_boot, w->a, w->d) < 0)
		return -1;
	if (!boot.img && (init_boot.img || vendor_boot.img))
		return diag_fail(w->d, MVP0333, &l->loc, "there is a ramdisk, but no 'boot' with a kernel");
	image_freep(&images[ANDROID_BOOT]);
	return 0;
}

static int load_image(struct load *w, const struct layer *l)
{
	struct image **system = &w->a->images[ANDROID_SYSTEM];
	const struct mstr *s = &l->paths.v[0];
	if (open_image(w, "image", s, system) < 0)
		return -1;
	return check_file_system(*system, s->s, &s->loc, true, w->d);
}

int android_load(const struct manifest *m, const struct persona *p, struct android *ret, struct diag *d)
{
	const struct layer *android = persona_layer(p, LAYER_ANDROID), *image = persona_layer(p, LAYER_IMAGE);
	struct android a CLEANUP(android_fini) = { 0 };
	struct load w CLEANUP(load_fini) = { .m = m, .a = &a, .md = EVP_MD_CTX_new(), .piece = mem_zeroed(1, PIECE), .d = d };
	if (!w.md || EVP_DigestInit_ex(w.md, EVP_sha256(), NULL) != 1)
		return digest_failed(&w);
	if ((image && load_image(&w, image) < 0) || (android && load_android(&w, android) < 0))
		return -1;
	if (EVP_DigestFinal_ex(w.md, a.digest, NULL) != 1)
		return digest_failed(&w);
	*ret = a;
	a = (struct android){ 0 };
	return 0;
}
