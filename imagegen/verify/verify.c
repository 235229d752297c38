#include "imagegen/verify/verify.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "imagegen/avb/verity.h"
#include "imagegen/base/bytes.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/base/text.h"
#include "imagegen/bootimg/bootimg.h"
#include "imagegen/bundle/look.h"
#include "imagegen/bundle/ota.h"
#include "imagegen/bundle/payload_read.h"
#include "imagegen/crypt/luks2.h"
#include "imagegen/sparse/reader.h"
#include "imagegen/verify/set.h"
#include "imagegen/zip/read.h"

#define FLAG_HASHTREE_DISABLED 1u /* AVB_VBMETA_IMAGE_FLAGS_* of libavb */
#define FLAG_VERIFICATION_DISABLED 2u
#define DEPTH_MAX 4 /* handset, super or persona, and what is in it */

struct job {
	const struct verify_opts *o;
	struct verify *r;
	struct diag *d;
};

void verify_fini(struct verify *r)
{
	for (size_t i = 0; i < r->count; i++) {
		free(r->v[i].name);
		free(r->v[i].finding);
	}
	free(r->v);
	*r = (struct verify){ 0 };
}

void verify_found(struct verify *r, const char *name, bool open, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	mem_grow(&r->v, r->count, &r->cap, sizeof(*r->v));
	r->v[r->count++] = (struct verify_item){ .name = mem_strdup(name), .finding = mem_vprintf(fmt, ap), .open = open };
	va_end(ap);
}

/* Verified boot */

/* The signature by one of the keys. Without keys only the hash is looked at, by the key that is in the image. */
static int check_signature(const struct job *j, const uint8_t *data, size_t len, const struct avb_info *i, const char *name)
{
	struct loc loc = LOC_FILE(name);
	uint8_t sha256[32];
	char hex[65];
	if (!i->algorithm && j->o->keys_count)
		return diag_fail(j->d, MVP0572, &loc, "the vbmeta image is not signed");
	if (!i->algorithm) {
		verify_found(j->r, name, true, "not signed");
		return 0;
	}
	if (EVP_Digest(data + i->key_at, (size_t)i->key_len, sha256, NULL, EVP_sha256(), NULL) != 1)
		abort();
	for (size_t k = 0; k < j->o->keys_count; k++) {
		struct diag *tries CLEANUP(diag_freep) = diag_new();
		if (avb_verify(data, len, j->o->keys[k], name, tries))
			continue;
		verify_found(j->r, name, false, "signed, rollback index %llu", (unsigned long long)i->rollback_index);
		return 0;
	}
	if (j->o->keys_count)
		return diag_fail(j->d, MVP0572, &loc, "the vbmeta image is not signed by a key that was given, or was changed");
	verify_found(j->r, name, true, "signed by the key %s, which was not given", text_hex(sha256, sizeof(sha256), hex));
	return 0;
}

/* The parts of a hash descriptor and of a hashtree descriptor (AOSP avb_hash_descriptor.h, avb_hashtree_descriptor.h). */
enum { HASH_IMAGE_LEN = 16, HASH_ALGORITHM = 24, HASH_NAME_LEN = 56, HASH_FIXED = 132 };
enum { TREE_IMAGE_LEN = 20, TREE_ALGORITHM = 72, TREE_NAME_LEN = 104, TREE_FIXED = 180 };

/* Salt and digest follow the name. False: it is not a form that is known. */
static bool read_digest(const struct avb_descriptor *x, size_t algorithm_at, size_t name_len_at, size_t fixed, struct avb_digest *ret)
{
	const char *algorithm = (const char *)x->data + algorithm_at;
	uint64_t name_len = get_be32(x->data + name_len_at), salt_len = get_be32(x->data + name_len_at + 4),
		 digest_len = get_be32(x->data + name_len_at + 8);
	if (strncmp(algorithm, "sha256", 32) != 0 && strncmp(algorithm, "sha512", 32) != 0)
		return false;
	ret->hash = algorithm[3] == '5' ? SIGN_SHA512 : SIGN_SHA256;
	if (salt_len > AVB_DIGEST_MAX || digest_len != avb_digest_len(ret->hash) || fixed + name_len + salt_len + digest_len > x->len)
		return false;
	ret->salt_len = (size_t)salt_len;
	memcpy(ret->salt, x->data + fixed + name_len, (size_t)salt_len);
	memcpy(ret->digest, x->data + fixed + name_len + salt_len, (size_t)digest_len);
	return true;
}

static int check_hash(const struct job *j, const struct avb_descriptor *x, struct image *part, const char *name)
{
	struct loc loc = LOC_FILE(name);
	struct avb_digest want = { 0 }, got;
	uint64_t len = get_be64(x->data + HASH_IMAGE_LEN);
	if (!read_digest(x, HASH_ALGORITHM, HASH_NAME_LEN, HASH_FIXED, &want) || len > image_len(part))
		return diag_fail(j->d, MVP0643, &loc, "what its vbmeta says of it cannot be");
	got = want;
	struct image *slice CLEANUP(image_freep) = image_slice(part, 0, len);
	if (avb_hash_image(slice, &got, j->d) < 0)
		return -1;
	if (memcmp(got.digest, want.digest, avb_digest_len(want.hash)) != 0)
		return diag_fail(j->d, MVP0643, &loc, "it is not what its vbmeta says: its hash is another");
	verify_found(j->r, name, false, "its hash is what vbmeta says");
	return 0;
}

static int check_tree(const struct job *j, const struct avb_descriptor *x, struct image *part, const char *name)
{
	struct loc loc = LOC_FILE(name);
	struct avb_digest want = { 0 };
	uint64_t len = get_be64(x->data + TREE_IMAGE_LEN);
	if (!read_digest(x, TREE_ALGORITHM, TREE_NAME_LEN, TREE_FIXED, &want) || len > image_len(part) || !len || len % AVB_BLOCK)
		return diag_fail(j->d, MVP0643, &loc, "what its vbmeta says of it cannot be");
	struct verity_opts o = { .hash = want.hash, .salt_len = want.salt_len, .jobs = 2, .tmp_dir = j->o->tmp_dir };
	struct verity v CLEANUP(verity_fini) = { 0 };
	struct image *slice CLEANUP(image_freep) = image_slice(part, 0, len);
	memcpy(o.salt, want.salt, want.salt_len);
	if (verity_build(slice, &o, &v, j->d) < 0)
		return -1;
	if (memcmp(v.details.root.digest, want.digest, avb_digest_len(want.hash)) != 0)
		return diag_fail(j->d, MVP0643, &loc, "it is not what its vbmeta says: the root of its hash tree is another");
	verify_found(j->r, name, false, "the root of its hash tree is what vbmeta says");
	return 0;
}

enum { CHAIN_NAME_LEN = 20, CHAIN_FIXED = 92 };

/* The partition's own vbmeta image, which may be in a footer, is to be signed by this key. */
static void found_chain(const struct job *j, const struct avb_descriptor *x, const char *name)
{
	uint64_t name_len = get_be32(x->data + CHAIN_NAME_LEN), key_len = get_be32(x->data + CHAIN_NAME_LEN + 4);
	uint8_t sha256[32];
	char hex[65];
	if (key_len > x->len - CHAIN_FIXED - name_len)
		key_len = 0;
	if (EVP_Digest(x->data + CHAIN_FIXED + name_len, (size_t)key_len, sha256, NULL, EVP_sha256(), NULL) != 1)
		abort();
	verify_found(j->r, name, true, "its own vbmeta, by the key %s, vouches for it", text_hex(sha256, sizeof(sha256), hex));
}

/* The maker's word that the device may do without, which libavb heeds. */
static void found_flags(const struct job *j, const struct avb_info *i, const char *name)
{
	if (i->flags & FLAG_VERIFICATION_DISABLED)
		verify_found(j->r, name, true, "its flags disable verification: whoever boots it checks nothing that follows");
	else if (i->flags & FLAG_HASHTREE_DISABLED)
		verify_found(j->r, name, true, "its flags disable hash trees: whoever boots it does not check them");
}

/* What a vbmeta image vouches for, as far as it is at hand. */
static int check_descriptor(const struct job *j, const struct set *s, const struct avb_descriptor *x, const char *prefix,
			    const char *suffix)
{
	char *name CLEANUP_FREE = mem_printf("%s%s%s", prefix, x->partition, suffix);
	if (x->tag == AVB_TAG_CHAIN)
		found_chain(j, x, name);
	if (x->tag != AVB_TAG_HASH && x->tag != AVB_TAG_HASHTREE)
		return 0;
	struct image *part = set_find(s, x->partition, suffix);
	if (!part)
		part = set_find(s, x->partition, "");
	if (!part) {
		verify_found(j->r, name, true, "it is not here to be verified");
		return 0;
	}
	return x->tag == AVB_TAG_HASH ? check_hash(j, x, part, name) : check_tree(j, x, part, name);
}

static int check_vbmeta(const struct job *j, const struct set *s, const struct set_image *of, const char *prefix)
{
	size_t len = (size_t)num_min(image_len(of->img), AVB_VBMETA_MAX), name_len = strlen(of->name), at = 0;
	uint8_t *data CLEANUP_FREE = mem_zeroed(1, len);
	char *name CLEANUP_FREE = mem_printf("%s%s", prefix, of->name);
	const char *suffix = name_len > 2 && (!strcmp(of->name + name_len - 2, "_a") || !strcmp(of->name + name_len - 2, "_b"))
				     ? of->name + name_len - 2
				     : "";
	struct avb_info i;
	struct avb_descriptor x;
	if (image_read(of->img, 0, data, len, j->d) < 0 || avb_read(data, len, name, &i, j->d) < 0)
		return -1;
	int rc = check_signature(j, data, len, &i, name), next;
	found_flags(j, &i, name);
	while (!(next = avb_next(data + i.descriptors_at, (size_t)i.descriptors_len, &at, &x, name, j->d)))
		rc |= check_descriptor(j, s, &x, prefix, suffix);
	return next < 0 || rc ? -1 : 0;
}

/* Other contents */

static int check_luks2(const struct job *j, struct image *img, const char *name)
{
	struct luks2_info info;
	struct loc loc = LOC_FILE(name);
	if (luks2_read_info(img, name, &info, j->d) < 0)
		return -1;
	if (!info.copy_ok[0] || !info.copy_ok[1])
		return diag_fail(j->d, MVP0613, &loc, "the %s header of the container is damaged",
				 info.copy_ok[0] ? "secondary" : "primary");
	verify_found(j->r, name, true, "both headers are sound; what is encrypted cannot be verified without its key");
	return 0;
}

/* The tables of contents of one level: what they vouch for, and the levels below that are to be looked into, as sets of their own. */
struct level {
	struct set set;
	char *prefix;
};

static void level_fini(struct level *l)
{
	set_fini(&l->set);
	free(l->prefix);
	*l = (struct level){ 0 };
}

/* 1: it is a container, now in the level below. */
static int check_image(const struct job *j, const struct level *l, const struct set_image *of, struct level *below)
{
	uint8_t head[8] = { 0 };
	char *name CLEANUP_FREE = mem_printf("%s%s", l->prefix, of->name);
	struct bootimg_info boot;
	if (image_read(of->img, 0, head, (size_t)num_min(image_len(of->img), sizeof(head)), j->d) < 0)
		return -1;
	if (!memcmp(head, "AVB0", 4))
		return check_vbmeta(j, &l->set, of, l->prefix);
	if (!memcmp(head, "ANDROID!", 8))
		return bootimg_read(of->img, name, &boot, j->d);
	if (luks2_is(of->img))
		return check_luks2(j, of->img, name);
	int rc = zip_is(head) ? 1 : set_open(of->img, name, j->o, &below->set, j->d);
	if (rc == 0) {
		verify_found(j->r, name, false, "its table is sound, %zu partitions", below->set.count);
		below->prefix = mem_printf("%s/", name);
	}
	return rc == 1 ? 0 : rc < 0 ? -1 : 1;
}

/* Depth first, with a stack of bounded height instead of recursion. */
static int check_levels(const struct job *j, struct level levels[DEPTH_MAX])
{
	size_t at[DEPTH_MAX] = { 0 };
	unsigned depth = 0;
	int rc = 0;
	for (;;) {
		struct level *l = &levels[depth];
		if (at[depth] == l->set.count) {
			level_fini(l);
			at[depth] = 0;
			if (!depth)
				return rc;
			depth--;
			continue;
		}
		struct level deep CLEANUP(level_fini) = { 0 };
		struct level *below = depth + 1 < DEPTH_MAX ? &levels[depth + 1] : &deep;
		int r = check_image(j, l, &l->set.v[at[depth]++], below);
		rc |= r < 0;
		if (r == 1 && below != &deep)
			depth++;
		else if (below != &deep)
			level_fini(below);
	}
}

/* Updates */

static int check_update(const struct job *j, struct image *img, const struct zip_entry *e, const char *label)
{
	struct payload_file f CLEANUP(payload_close) = { 0 };
	struct loc loc = LOC_FILE(label);
	if (payload_open(img, e->at, e->len, label, &f, j->d) < 0 || payload_check(&f, j->d) < 0)
		return -1;
	for (size_t i = 0; i < f.p.parts_count; i++)
		verify_found(j->r, f.p.parts[i].name, f.p.minor != PAYLOAD_FULL,
			     f.p.minor == PAYLOAD_FULL ? "what the update makes of it has the digest that its manifest says"
						       : "it is made from a former build, which is not here");
	for (size_t i = 0; i < j->o->keys_count; i++) {
		if (!payload_verify(&f, j->o->keys[i]))
			continue;
		verify_found(j->r, OTA_PAYLOAD, false, "signed: metadata and payload");
		return 0;
	}
	if (j->o->keys_count)
		return diag_fail(j->d, MVP0572, &loc, "the update's payload is not signed by a key that was given");
	verify_found(j->r, OTA_PAYLOAD, true, f.p.signatures_len ? "signed by a key that was not given" : "not signed");
	return 0;
}

static int check_zip(const struct job *j, struct image *img, const char *label)
{
	uint8_t head[4] = { 0 };
	struct zip_dir z CLEANUP(zip_dir_fini) = { 0 };
	if (image_read(img, 0, head, (size_t)num_min(image_len(img), sizeof(head)), j->d) < 0)
		return -1;
	if (!zip_is(head))
		return 0;
	if (zip_read(img, label, &z, j->d) < 0)
		return -1;
	const struct zip_entry *e = zip_find(&z, OTA_PAYLOAD);
	return e ? check_update(j, img, e, label) : 0;
}

static int check_all(const struct job *j, struct image *img, const char *path)
{
	struct look look CLEANUP(look_fini) = { 0 };
	struct level levels[DEPTH_MAX] = { { .prefix = mem_strdup("") } };
	struct loc loc = LOC_FILE(path);
	int bundle = look_open(img, path, &look, j->d), rc = bundle < 0 ? -1 : 0;
	if (bundle == 0)
		verify_found(j->r, look.kind, false, "%s", look.title);
	int opened = rc ? 1 : set_open(img, path, j->o, &levels[0].set, j->d);
	if (opened == 0 && !bundle)
		rc = check_zip(j, img, path);
	else if (opened == 0)
		verify_found(j->r, "partition table", false, "sound, %zu partitions", levels[0].set.count);
	if (opened == 1 && bundle == 1) { /* an image by itself */
		set_add(&levels[0].set, "image", img);
		size_t before = j->r->count, errors = diag_count(j->d);
		rc = check_levels(j, levels);
		if (!rc && j->r->count == before && diag_count(j->d) == errors)
			rc = diag_fail(j->d, MVP0009, &loc, "there is nothing in it that could be verified");
		return rc;
	}
	rc |= check_levels(j, levels);
	return opened < 0 ? -1 : rc;
}

int verify_file(const char *path, const struct verify_opts *o, struct verify *ret, struct diag *d)
{
	const struct job j = { .o = o, .r = ret, .d = d };
	struct image *img CLEANUP(image_freep) = NULL;
	struct loc loc = LOC_FILE(path);
	if (sparse_open(path, &loc, &img, d) < 0)
		return -1;
	return check_all(&j, img, path) ? -1 : 0;
}
