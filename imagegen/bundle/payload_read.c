#include "imagegen/bundle/payload_read.h"

#include <stdlib.h>
#include <string.h>

#include "imagegen/base/foreign.h"
#include "imagegen/base/image.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/bundle/xz.h"

#define COPY_LEN ((size_t)MIB)
#define OP_MAX (256 * MIB) /* of data, and of what it becomes: others write up to some tens of MiB */
#define SIGNATURES_MAX 4
#define TYPES 15u

static EVP_MD_CTX *sha_new(void)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	if (!md || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1)
		abort();
	return md;
}

static void sha_add(EVP_MD_CTX *md, const void *data, size_t len)
{
	if (EVP_DigestUpdate(md, data, len) != 1)
		abort();
}

static void sha_end(EVP_MD_CTX *md, uint8_t ret[32])
{
	if (EVP_DigestFinal_ex(md, ret, NULL) != 1)
		abort();
}

static void sha_of(const void *data, size_t len, uint8_t ret[32])
{
	if (EVP_Digest(data, len, ret, NULL, EVP_sha256(), NULL) != 1)
		abort();
}

static int sha_range(const struct image *img, uint64_t at, uint64_t len, EVP_MD_CTX *md, struct diag *d)
{
	uint8_t *buf CLEANUP_FREE = mem_zeroed(1, COPY_LEN);
	while (len) {
		size_t n = (size_t)num_min(len, COPY_LEN);
		if (image_read(img, at, buf, n, d) < 0)
			return -1;
		sha_add(md, buf, n);
		at += n;
		len -= n;
	}
	return 0;
}

static int damaged(const struct payload_file *f, const char *fault, struct diag *d)
{
	struct loc loc = LOC_AT(f->label, f->at);
	return diag_fail(d, MVP0570, &loc, "the payload is damaged: %s", fault);
}

void payload_close(struct payload_file *f)
{
	payload_fini(&f->p);
	free(f->metadata_signatures);
	free(f->payload_signatures);
	*f = (struct payload_file){ 0 };
}

static int take_signatures(const struct payload_file *f, uint64_t at, uint64_t len, uint8_t **ret, struct diag *d)
{
	if (!len)
		return 0;
	if (len > MIB)
		return damaged(f, "its signature is too large", d);
	*ret = mem_zeroed(1, len);
	return image_read(f->img, at, *ret, (size_t)len, d);
}

int payload_open(const struct image *img, uint64_t at, uint64_t len, const char *label, struct payload_file *ret, struct diag *d)
{
	struct payload_file f CLEANUP(payload_close) = { .img = img, .label = label, .at = at, .len = len };
	uint8_t head[PAYLOAD_HEAD_LEN];
	if (len < sizeof(head))
		return damaged(&f, "it ends inside its header", d);
	if (image_read(img, at, head, sizeof(head), d) < 0)
		return -1;
	const char *fault = payload_parse_head(head, len, &f.head);
	if (fault)
		return damaged(&f, fault, d);
	size_t meta_len = PAYLOAD_HEAD_LEN + (size_t)f.head.manifest_len;
	uint8_t *meta CLEANUP_FREE = mem_try(1, meta_len);
	if (!meta)
		return damaged(&f, "its manifest is too large", d);
	if (image_read(img, at, meta, meta_len, d) < 0)
		return -1;
	sha_of(meta, meta_len, f.metadata_sha256);
	f.blobs_at = at + meta_len + f.head.signature_len;
	fault = payload_parse(meta + PAYLOAD_HEAD_LEN, (size_t)f.head.manifest_len, at + len - f.blobs_at, &f.p);
	if (fault)
		return damaged(&f, fault, d);
	if (take_signatures(&f, at + meta_len, f.head.signature_len, &f.metadata_signatures, d) < 0 ||
	    take_signatures(&f, f.blobs_at + f.p.signatures_at, f.p.signatures_len, &f.payload_signatures, d) < 0)
		return -1;
	*ret = f;
	f = (struct payload_file){ 0 };
	return 0;
}

static int check_op(const struct payload_file *f, const struct payload_part *part, const struct payload_op *op, struct diag *d)
{
	EVP_MD_CTX *md CLEANUP(EVP_MD_CTX_freep) = sha_new();
	struct loc loc = LOC_AT(f->label, f->blobs_at + op->data_at);
	uint8_t sha256[32];
	if (!op->data_len || !op->has_data_sha256)
		return 0;
	if (sha_range(f->img, f->blobs_at + op->data_at, op->data_len, md, d) < 0)
		return -1;
	sha_end(md, sha256);
	return memcmp(sha256, op->data_sha256, 32) == 0 ? 0
							: diag_fail(d, MVP0571, &loc,
								    "data of the partition '%s' does not have the digest "
								    "that the manifest says",
								    part->name);
}

int payload_check(struct payload_file *f, struct diag *d)
{
	EVP_MD_CTX *md CLEANUP(EVP_MD_CTX_freep) = sha_new();
	for (size_t i = 0; i < f->p.parts_count; i++)
		for (size_t k = 0; k < f->p.parts[i].ops_count; k++)
			if (check_op(f, &f->p.parts[i], &f->p.parts[i].ops[k], d) < 0)
				return -1;
	if (!f->p.signatures_len)
		return 0;
	/* The signature of the metadata is not signed again. */
	if (sha_range(f->img, f->at, PAYLOAD_HEAD_LEN + f->head.manifest_len, md, d) < 0 ||
	    sha_range(f->img, f->blobs_at, f->p.signatures_at, md, d) < 0)
		return -1;
	sha_end(md, f->signed_sha256);
	return 0;
}

static bool one_verifies(const uint8_t *message, size_t len, const uint8_t sha256[32], EVP_PKEY *key)
{
	struct payload_signature v[SIGNATURES_MAX];
	size_t count;
	bool ok = false;
	if (!message || !payload_parse_signatures(message, len, v, SIGNATURES_MAX, &count))
		return false;
	for (size_t i = 0; i < count && !ok; i++) {
		EVP_PKEY_CTX *c CLEANUP(EVP_PKEY_CTX_freep) = EVP_PKEY_CTX_new(key, NULL);
		ok = c && EVP_PKEY_verify_init(c) == 1 && EVP_PKEY_CTX_set_signature_md(c, EVP_sha256()) == 1 &&
		     EVP_PKEY_verify(c, v[i].data, v[i].len, sha256, 32) == 1;
	}
	return ok;
}

bool payload_verify(const struct payload_file *f, EVP_PKEY *key)
{
	return one_verifies(f->metadata_signatures, f->head.signature_len, f->metadata_sha256, key) &&
	       one_verifies(f->payload_signatures, (size_t)f->p.signatures_len, f->signed_sha256, key);
}

/* Applying */

/* Between the blocks of extents, one after the other, and a buffer. */
static int copy_in(const struct image *old, const struct payload_extents *e, uint8_t *buf, struct diag *d)
{
	for (size_t i = 0; i < e->count; i++) {
		uint64_t at = e->v[i].start * PAYLOAD_BLOCK, len = e->v[i].count * PAYLOAD_BLOCK;
		uint64_t n = at < image_len(old) ? num_min(len, image_len(old) - at) : 0;
		memset(buf + n, 0, (size_t)(len - n));
		if (n && image_read(old, at, buf, (size_t)n, d) < 0)
			return -1;
		buf += len;
	}
	return 0;
}

static int copy_out(const struct payload_extents *e, const uint8_t *buf, int fd, const char *label, struct diag *d)
{
	struct loc loc = LOC_FILE(label);
	for (size_t i = 0; i < e->count; i++) {
		size_t len = (size_t)(e->v[i].count * PAYLOAD_BLOCK);
		int rc = io_pwrite_all(fd, buf, len, e->v[i].start * PAYLOAD_BLOCK);
		if (rc)
			return diag_fail(d, MVP0811, &loc, "what is unpacked cannot be written: %s", strerror(-rc));
		buf += len;
	}
	return 0;
}

/* What an operation makes, of len bytes. */
static int make(const struct payload_file *f, const struct payload_op *op, const struct image *old, uint8_t *out, size_t len,
		struct diag *d)
{
	uint8_t sha256[32];
	uint8_t *data CLEANUP_FREE = mem_try(1, (size_t)num_min(op->data_len, OP_MAX) + 1);
	if (op->data_len > OP_MAX || !data)
		return damaged(f, "an operation's data is too large", d);
	if (image_read(f->img, f->blobs_at + op->data_at, data, (size_t)op->data_len, d) < 0)
		return -1;
	switch (op->type) {
	case PAYLOAD_ZERO:
	case PAYLOAD_DISCARD:
		memset(out, 0, len);
		return 0;
	case PAYLOAD_REPLACE:
		if (op->data_len > len)
			return damaged(f, "an operation has more data than room", d);
		memset(out, 0, len);
		memcpy(out, data, (size_t)op->data_len);
		return 0;
	case PAYLOAD_REPLACE_XZ:
	case PAYLOAD_REPLACE_BZ:
		return xz_unpack(data, (size_t)op->data_len, op->type == PAYLOAD_REPLACE_BZ, out, len)
			       ? 0
			       : damaged(f, "an operation's data does not unpack to its blocks", d);
	case PAYLOAD_SOURCE_COPY:
		if (!old || payload_blocks(&op->src) != payload_blocks(&op->dst))
			return damaged(f, "blocks are copied from what is not there", d);
		if (copy_in(old, &op->src, out, d) < 0)
			return -1;
		sha_of(out, len, sha256);
		return op->has_src_sha256 && memcmp(sha256, op->src_sha256, 32) != 0
			       ? damaged(f, "blocks that it copies are not those that it was made from", d)
			       : 0;
	default:
		return damaged(f, "it has an operation that mvpctl cannot apply", d);
	}
}

static int apply_op(const struct payload_file *f, const struct payload_op *op, const struct image *old, int fd, struct diag *d)
{
	uint64_t len = payload_blocks(&op->dst) * PAYLOAD_BLOCK;
	uint8_t *out CLEANUP_FREE = len <= OP_MAX ? mem_try(1, (size_t)len + 1) : NULL;
	if (!out)
		return damaged(f, "an operation is too large", d);
	return make(f, op, old, out, (size_t)len, d) < 0 ? -1 : copy_out(&op->dst, out, fd, f->label, d);
}

static int check_result(const struct payload_file *f, const struct payload_part *part, int fd, struct diag *d)
{
	EVP_MD_CTX *md CLEANUP(EVP_MD_CTX_freep) = sha_new();
	uint8_t *buf CLEANUP_FREE = mem_zeroed(1, COPY_LEN);
	struct loc loc = LOC_AT(f->label, f->at);
	uint8_t sha256[32];
	for (uint64_t at = 0; at < part->new_len;) {
		size_t n = (size_t)num_min(part->new_len - at, COPY_LEN);
		if (io_pread_all(fd, buf, n, at) < 0)
			return damaged(f, "its operations leave the end of a partition out", d);
		sha_add(md, buf, n);
		at += n;
	}
	sha_end(md, sha256);
	return memcmp(sha256, part->new_sha256, 32) == 0
		       ? 0
		       : diag_fail(d, MVP0571, &loc, "what the payload makes of '%s' does not have the digest that its manifest says",
				   part->name);
}

int payload_apply(const struct payload_file *f, const struct payload_part *part, const struct image *old, int fd, struct diag *d)
{
	/* What an operation takes may be large, but the whole is no larger than its operations say. */
	for (size_t i = 0; i < part->ops_count; i++)
		if (apply_op(f, &part->ops[i], old, fd, d) < 0) {
			diag_note(d, "in the partition '%s'", part->name);
			return -1;
		}
	return check_result(f, part, fd, d);
}

char *payload_summary(const struct payload_part *part)
{
	unsigned counts[TYPES + 1] = { 0 };
	struct buf b CLEANUP(buf_fini) = BUF_INIT;
	for (size_t i = 0; i < part->ops_count; i++)
		counts[num_min(part->ops[i].type, TYPES)]++;
	for (unsigned i = 0; i <= TYPES; i++)
		if (counts[i])
			buf_printf(&b, "%s%u %s", b.len ? ", " : "", counts[i], i < TYPES ? payload_type_name(i) : "unknown");
	return mem_strdup(b.len ? buf_str(&b) : "nothing to do");
}
