/* One pass: the data are cut into columns of blocks, each column goes to a thread, which reads it stripe after stripe, hashes the blocks
 * and adds them to the parity of the column. Without parity there is one stripe. The tree's own blocks are added at the end. */
#include "imagegen/avb/verity.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "imagegen/avb/fec.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/base/text.h"
#include "imagegen/base/tmpfile.h"

enum { LEVELS_MAX = 16, THREADS_MAX = 64, COLUMN = 8 /* blocks */ };

struct level {
	uint64_t at, blocks; /* bytes from the start of the tree */
};

struct job {
	const struct image *data;
	const struct verity_opts *opts;
	struct fec *fec;
	EVP_MD *md;
	size_t digest_len;                    /* as stored: a power of two */
	uint64_t data_blocks, stripes, width; /* width: blocks of a stripe */
	struct level levels[LEVELS_MAX];      /* 0: the digests of the data */
	size_t levels_count;
	uint8_t *tree, *parity;
	uint64_t tree_len, parity_len;
	uint8_t zero_digest[AVB_DIGEST_MAX];
	atomic_ullong next; /* column */
	atomic_bool failed;
};

/* Big results live in files without a name: memory stays small however large the disk is. */
struct scratch {
	int fd;
	uint8_t *map;
	uint64_t len;
};

static void scratch_fini(struct scratch *s)
{
	if (s->map)
		(void)munmap(s->map, s->len);
	if (s->fd >= 0)
		(void)close(s->fd);
	*s = (struct scratch){ .fd = -1 };
}

static int scratch_init(struct scratch *s, const char *dir, uint64_t len, struct diag *d)
{
	struct loc loc = LOC_FILE(dir);
	int rc;
	*s = (struct scratch){ .fd = -1, .len = len };
	if (!len)
		return 0;
	s->fd = tmpfile_unlinked(dir);
	/* Reserved first: a mapping of a file that the disk has no room for would raise SIGBUS. */
	rc = s->fd < 0 ? s->fd : -posix_fallocate(s->fd, 0, (off_t)len);
	if (!rc) {
		void *map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
		if (map == MAP_FAILED)
			rc = -errno;
		else
			s->map = map;
	}
	if (rc)
		return diag_fail(d, MVP0644, &loc, "no room for a hash tree of %" PRIu64 " bytes: %s", len, strerror(-rc));
	return 0;
}

static struct image *scratch_image(struct scratch *s, const char *label)
{
	if (!s->len)
		return image_hole(0);
	struct extent *all = mem_new(struct extent);
	*all = (struct extent){ .len = s->len, .data = true };
	int fd = s->fd;
	s->fd = -1;
	return image_fd(fd, s->len, all, 1, label);
}

static bool hash_block(const struct job *j, EVP_MD_CTX *c, const uint8_t *block, uint8_t *digest)
{
	return EVP_DigestInit_ex2(c, j->md, NULL) == 1 && EVP_DigestUpdate(c, j->opts->salt, j->opts->salt_len) == 1 &&
	       EVP_DigestUpdate(c, block, AVB_BLOCK) == 1 && EVP_DigestFinal_ex(c, digest, NULL) == 1;
}

/* Sizes of the levels, from the digests of the data up to the one block that the root is the digest of. */
static void plan_levels(struct job *j)
{
	uint64_t per_block = AVB_BLOCK / j->digest_len, at = 0;
	for (uint64_t n = j->data_blocks; n > 1;) {
		n = (n + per_block - 1) / per_block;
		j->levels[j->levels_count++].blocks = n;
	}
	for (size_t i = j->levels_count; i-- > 0;) { /* the top comes first */
		j->levels[i].at = at;
		at += j->levels[i].blocks * AVB_BLOCK;
	}
	j->tree_len = at;
	j->stripes = j->fec ? fec_symbols(j->fec) : 1;
	j->width = (j->data_blocks + (j->fec ? at / AVB_BLOCK : 0) + j->stripes - 1) / j->stripes;
	j->parity_len = j->fec ? j->width * AVB_BLOCK * j->opts->fec_roots : 0;
}

static uint8_t *leaf(const struct job *j, uint64_t block)
{
	return j->tree + j->levels[0].at + block * j->digest_len;
}

struct worker {
	struct job *j;
	struct diag *d;
	EVP_MD_CTX *c;
	uint8_t *buf, *planes;
	int rc;
	pthread_t thread;
	bool started;
};

/* Blocks first..first+count of the data, which are symbols of one stripe. */
static int take_blocks(struct worker *w, uint64_t stripe, uint64_t first, uint64_t count)
{
	struct job *j = w->j;
	size_t len = (size_t)(count * AVB_BLOCK);
	struct extent e = image_extent(j->data, first * AVB_BLOCK);
	bool ok = true;
	if (!e.data && e.at + e.len >= first * AVB_BLOCK + len) { /* zeros add nothing to the parity */
		for (uint64_t i = 0; i < count; i++)
			memcpy(leaf(j, first + i), j->zero_digest, j->digest_len);
		return 0;
	}
	if (image_read(j->data, first * AVB_BLOCK, w->buf, len, w->d))
		return -1;
	for (uint64_t i = 0; ok && i < count; i++)
		ok = hash_block(j, w->c, w->buf + i * AVB_BLOCK, leaf(j, first + i));
	if (!ok)
		return diag_fail(w->d, MVP0001, NULL, "SHA-2 failed");
	if (j->fec)
		fec_add(j->fec, (uint32_t)stripe, w->buf, len, w->planes, (size_t)COLUMN * AVB_BLOCK);
	return 0;
}

static int take_column(struct worker *w, uint64_t at)
{
	struct job *j = w->j;
	uint64_t count = num_min(COLUMN, j->width - at);
	if (j->fec)
		memset(w->planes, 0, (size_t)COLUMN * AVB_BLOCK * j->opts->fec_roots);
	for (uint64_t s = 0; s < j->stripes; s++) {
		uint64_t first = s * j->width + at;
		if (first < j->data_blocks && take_blocks(w, s, first, num_min(count, j->data_blocks - first)))
			return -1;
	}
	if (j->fec)
		fec_store(j->fec, w->planes, (size_t)COLUMN * AVB_BLOCK, (size_t)count * AVB_BLOCK,
			  j->parity + at * AVB_BLOCK * j->opts->fec_roots);
	return 0;
}

static void *work(void *ctx)
{
	struct worker *w = ctx;
	struct job *j = w->j;
	for (;;) {
		uint64_t at = atomic_fetch_add(&j->next, 1) * COLUMN;
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): set on every path, which the analyser does not follow */
		if (at >= j->width || atomic_load(&j->failed))
			return NULL;
		if (diag_stopped(w->d) || take_column(w, at)) {
			w->rc = -1;
			atomic_store(&j->failed, true);
			return NULL;
		}
	}
}

static void worker_init(struct worker *w, struct job *j, struct diag *d)
{
	*w = (struct worker){ .j = j, .d = d, .c = EVP_MD_CTX_new() };
	w->buf = mem_array(uint8_t, (size_t)COLUMN * AVB_BLOCK);
	w->planes = mem_array(uint8_t, j->fec ? (size_t)COLUMN * AVB_BLOCK * j->opts->fec_roots : 1);
	if (!w->c)
		abort();
}

static void worker_fini(struct worker *w)
{
	EVP_MD_CTX_free(w->c);
	free(w->buf);
	free(w->planes);
}

/* This thread is the first worker, with the caller's diagnostics; of several that failed the first one's are reported. */
static int run_workers(struct job *j, struct diag *d)
{
	struct worker w[THREADS_MAX] = { 0 };
	unsigned count = (unsigned)num_min(num_max(j->opts->jobs, 1), num_min(THREADS_MAX, j->width / COLUMN + 1));
	int rc = 0;
	for (unsigned i = 0; i < count; i++)
		worker_init(&w[i], j, i ? diag_new() : d);
	for (unsigned i = 1; i < count; i++)
		w[i].started = !pthread_create(&w[i].thread, NULL, work, &w[i]);
	(void)work(&w[0]);
	for (unsigned i = 0; i < count; i++) {
		if (w[i].started)
			(void)pthread_join(w[i].thread, NULL);
		if (i && w[i].rc && !rc)
			diag_merge(d, TAKE(w[i].d));
		else if (i)
			diag_free(w[i].d);
		rc |= w[i].rc;
		worker_fini(&w[i]);
	}
	return rc;
}

/* The levels above the first, each the digests of the one below; then the root. */
static bool hash_levels(struct job *j, EVP_MD_CTX *c, uint8_t *root)
{
	for (size_t l = 1; l < j->levels_count; l++) {
		for (uint64_t b = 0; b < j->levels[l - 1].blocks; b++) {
			if (!hash_block(j, c, j->tree + j->levels[l - 1].at + b * AVB_BLOCK, j->tree + j->levels[l].at + b * j->digest_len))
				return false;
		}
	}
	return hash_block(j, c, j->tree, root);
}

static void add_tree_parity(struct job *j)
{
	uint32_t roots = j->opts->fec_roots;
	uint8_t *planes CLEANUP_FREE = mem_array(uint8_t, (size_t)AVB_BLOCK * roots);
	for (uint64_t t = 0; t < j->tree_len / AVB_BLOCK; t++) {
		uint64_t block = j->data_blocks + t;
		memset(planes, 0, (size_t)AVB_BLOCK * roots);
		fec_add(j->fec, (uint32_t)(block / j->width), j->tree + t * AVB_BLOCK, AVB_BLOCK, planes, AVB_BLOCK);
		fec_store(j->fec, planes, AVB_BLOCK, AVB_BLOCK, j->parity + block % j->width * AVB_BLOCK * roots);
	}
}

static int build_tree(struct job *j, struct avb_digest *root, struct diag *d)
{
	EVP_MD_CTX *c CLEANUP(EVP_MD_CTX_freep) = EVP_MD_CTX_new();
	uint8_t *zeros CLEANUP_FREE = mem_array(uint8_t, AVB_BLOCK);
	if (!c || !hash_block(j, c, zeros, j->zero_digest))
		return diag_fail(d, MVP0001, NULL, "SHA-2 failed");
	if (!j->levels_count) { /* of one block its digest is the root, and there is no tree */
		if (image_read(j->data, 0, zeros, AVB_BLOCK, d))
			return -1;
		if (!hash_block(j, c, zeros, root->digest))
			return diag_fail(d, MVP0001, NULL, "SHA-2 failed");
		if (j->fec) {
			uint8_t *planes CLEANUP_FREE = mem_array(uint8_t, (size_t)AVB_BLOCK * j->opts->fec_roots);
			fec_add(j->fec, 0, zeros, AVB_BLOCK, planes, AVB_BLOCK);
			fec_store(j->fec, planes, AVB_BLOCK, AVB_BLOCK, j->parity);
		}
		return 0;
	}
	if (run_workers(j, d))
		return -1;
	if (!hash_levels(j, c, root->digest))
		return diag_fail(d, MVP0001, NULL, "SHA-2 failed");
	if (j->fec)
		add_tree_parity(j);
	return 0;
}

static int build(struct job *j, struct scratch *tree, struct scratch *parity, struct verity *ret, struct diag *d)
{
	const struct verity_opts *o = j->opts;
	struct avb_hashtree *t = &ret->details;
	plan_levels(j);
	if (scratch_init(tree, o->tmp_dir, j->tree_len, d) || scratch_init(parity, o->tmp_dir, j->parity_len, d))
		return -1;
	j->tree = tree->map;
	j->parity = parity->map;
	*t = (struct avb_hashtree){ .image_len = image_len(j->data), .tree_at = image_len(j->data), .tree_len = j->tree_len };
	t->root.hash = o->hash;
	t->root.salt_len = o->salt_len;
	memcpy(t->root.salt, o->salt, o->salt_len);
	if (build_tree(j, &t->root, d))
		return -1;
	if (j->fec) {
		t->fec_roots = o->fec_roots;
		t->fec_at = t->tree_at + t->tree_len;
		t->fec_len = j->parity_len;
		ret->fec = scratch_image(parity, "parity of a hash tree");
	}
	ret->tree = scratch_image(tree, "hash tree");
	return 0;
}

int verity_build(const struct image *data, const struct verity_opts *opts, struct verity *ret, struct diag *d)
{
	struct scratch tree CLEANUP(scratch_fini) = { .fd = -1 }, parity CLEANUP(scratch_fini) = { .fd = -1 };
	struct fec *fec CLEANUP(fec_freep) = opts->fec_roots ? fec_new(opts->fec_roots) : NULL;
	EVP_MD *md CLEANUP(EVP_MD_freep) = EVP_MD_fetch(NULL, opts->hash == SIGN_SHA512 ? "SHA512" : "SHA256", NULL);
	struct job j = { .data = data, .opts = opts, .fec = fec, .md = md, .digest_len = avb_digest_len(opts->hash) };
	struct verity v CLEANUP(verity_fini) = { 0 };
	j.data_blocks = image_len(data) / AVB_BLOCK;
	if (!j.data_blocks || image_len(data) % AVB_BLOCK || image_len(data) > (uint64_t)1 << 50 || !md || (opts->fec_roots && !fec) ||
	    opts->salt_len > sizeof(opts->salt))
		return diag_fail(d, MVP0644, NULL, "no hash tree can be made of %" PRIu64 " bytes with %u roots", image_len(data),
				 opts->fec_roots);
	if (build(&j, &tree, &parity, &v, d))
		return -1;
	*ret = v;
	v = (struct verity){ 0 };
	return 0;
}

void verity_fini(struct verity *v)
{
	image_free(v->tree);
	image_free(v->fec);
	*v = (struct verity){ 0 };
}

struct image *verity_compose(struct image *data, const struct verity *v)
{
	const struct avb_hashtree *t = &v->details;
	const struct image_piece pieces[] = { { data, 0 }, { v->tree, t->tree_at }, { v->fec, t->fec_at } };
	uint64_t len = v->fec ? t->fec_at + t->fec_len : t->tree_at + t->tree_len;
	return image_compose(len, pieces, v->fec ? 3 : 2);
}

char *verity_words(const struct verity *v)
{
	const struct avb_hashtree *t = &v->details;
	char root[2 * AVB_DIGEST_MAX + 1], salt[2 * AVB_DIGEST_MAX + 1];
	text_hex(t->root.digest, avb_digest_len(t->root.hash), root);
	text_hex(t->root.salt, t->root.salt_len, salt);
	char *fec CLEANUP_FREE = t->fec_roots ? mem_printf(",%u,%" PRIu64 ",%" PRIu64, t->fec_roots, t->fec_at / AVB_BLOCK,
							   (t->image_len + t->tree_len) / AVB_BLOCK)
					      : mem_strdup("");
	return mem_printf("1,%" PRIu64 ",%" PRIu64 ",%s,%s,%s%s", t->image_len / AVB_BLOCK, t->tree_at / AVB_BLOCK,
			  t->root.hash == SIGN_SHA512 ? "sha512" : "sha256", root, t->root.salt_len ? salt : "-", fec);
}
