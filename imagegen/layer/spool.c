#include "imagegen/layer/spool.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "imagegen/base/bytes.h"
#include "imagegen/base/diag.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/image.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/base/tmpfile.h"

#define WRITE_LEN ((size_t)1 << 20)      /* bytes collected for one write */
#define CONTENT_MAX ((uint64_t)16 << 40) /* bytes; ext4 with 4096-byte blocks holds no larger file */
#define SPOOL_SHIFT 46
#define SPOOL_MAX ((uint64_t)1 << SPOOL_SHIFT) /* the places below are the spool's own, those from k times that on file k's */
#define FILES_MAX 256

static const uint8_t zero_block[SPOOL_BLOCK];

struct spool {
	int fd;
	char *dir;    /* where the file, which has no name, takes its room */
	uint64_t len; /* bytes handed over, written or still in out */
	uint8_t *out;
	size_t out_len;
	EVP_MD *sha256;
	EVP_MD_CTX *md;

	struct image *files[1 + FILES_MAX]; /* contents that stay where they are; 0: the spool itself, in the end */
	size_t files_count;

	/* The content being written */
	uint64_t at;                /* bytes put so far */
	uint8_t stage[SPOOL_BLOCK]; /* its last, incomplete block */
	uint64_t stage_from;        /* the place of that */
	uint64_t zero_blocks;       /* seen since the last block stored, not decided upon yet */
	uint64_t zero_from;         /* the place of the first */
	uint64_t data_at, data_len; /* what lies together in the content, wherever its parts are */
	struct content_run *runs;
	size_t runs_count, runs_cap;
};

void content_fini(struct content *c)
{
	free(c->runs);
	*c = (struct content){ 0 };
}

void spool_free(struct spool *s)
{
	if (!s)
		return;
	fd_closep(&s->fd);
	for (size_t i = 0; i < ARRAY_LEN(s->files); i++)
		image_free(s->files[i]);
	EVP_MD_CTX_free(s->md);
	EVP_MD_free(s->sha256);
	free(s->dir);
	free(s->out);
	free(s->runs);
	free(s);
}

int spool_new(const char *tmp_dir, struct spool **ret_s, struct diag *d)
{
	struct spool *s CLEANUP(spool_freep) = mem_new(struct spool);
	s->dir = mem_strdup(tmp_dir);
	s->fd = tmpfile_unlinked(tmp_dir);
	if (s->fd < 0)
		return diag_fail(d, MVP0313, NULL, "cannot make a work file in '%s': %s", tmp_dir, strerror(-s->fd));
	s->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	s->md = EVP_MD_CTX_new();
	if (!s->sha256 || !s->md)
		return diag_fail(d, MVP0001, NULL, "libcrypto offers no SHA-256");
	s->out = mem_zeroed(1, WRITE_LEN);
	*ret_s = TAKE(s);
	return 0;
}

void spool_begin(struct spool *s)
{
	s->at = 0;
	s->zero_blocks = 0;
	s->data_len = 0;
	free(s->runs);
	s->runs = NULL;
	s->runs_count = s->runs_cap = 0;
	(void)EVP_DigestInit_ex2(s->md, s->sha256, NULL);
}

static int flush(struct spool *s, struct diag *d)
{
	int r = io_write_all(s->fd, s->out, s->out_len);
	if (r < 0)
		return diag_fail(d, MVP0313, NULL, "cannot write to the work file of the layers in '%s': %s", s->dir, strerror(-r));
	s->out_len = 0;
	return 0;
}

static void end_run(struct spool *s)
{
	uint8_t trailer[16];
	if (!s->data_len)
		return;
	put_le64(trailer, s->data_at);
	put_le64(trailer + 8, s->data_len);
	(void)EVP_DigestUpdate(s->md, trailer, sizeof trailer);
	s->data_len = 0;
}

static uint64_t behind(uint64_t from, uint64_t len)
{
	return from == SPOOL_NOWHERE ? from : from + len;
}

/* A copy; its place. */
static int copy(struct spool *s, const uint8_t *data, size_t len, uint64_t *ret_from, struct diag *d)
{
	if (s->len + len > SPOOL_MAX)
		return diag_fail(d, MVP0307, NULL, "the layers hold more than %llu TiB", (unsigned long long)(SPOOL_MAX >> 40));
	*ret_from = s->len;
	s->len += len;
	while (len > 0) {
		size_t n = WRITE_LEN - s->out_len < len ? WRITE_LEN - s->out_len : len;
		memcpy(s->out + s->out_len, data, n);
		s->out_len += n;
		data += n;
		len -= n;
		if (s->out_len == WRITE_LEN && flush(s, d) < 0)
			return -1;
	}
	return 0;
}

/* Stores blocks of the content, the first of which lies at byte at. */
static int store(struct spool *s, uint64_t at, const uint8_t *data, size_t len, uint64_t from, struct diag *d)
{
	if (s->data_at + s->data_len != at)
		end_run(s);
	if (!s->data_len)
		s->data_at = at;
	s->data_len += len;
	(void)EVP_DigestUpdate(s->md, data, len);
	if (from == SPOOL_NOWHERE && copy(s, data, len, &from, d) < 0)
		return -1;
	struct content_run *run = s->runs_count > 0 ? &s->runs[s->runs_count - 1] : NULL;
	if (!run || run->at + run->len != at || run->spool_at + run->len != from) {
		mem_grow(&s->runs, s->runs_count, &s->runs_cap, sizeof *s->runs);
		run = &s->runs[s->runs_count++];
		*run = (struct content_run){ .at = at, .spool_at = from };
	}
	run->len += len;
	return 0;
}

static void add_zeros(struct spool *s, uint64_t blocks, uint64_t from)
{
	if (!s->zero_blocks)
		s->zero_from = from;
	else if (behind(s->zero_from, s->zero_blocks * SPOOL_BLOCK) != from)
		s->zero_from = SPOOL_NOWHERE;
	s->zero_blocks += blocks;
}

/* Zeros that are too few for a hole; what follows them lies at byte end. */
static int store_zeros(struct spool *s, uint64_t end, struct diag *d)
{
	uint64_t count = s->zero_blocks < SPOOL_HOLE_BLOCKS ? s->zero_blocks : 0;
	for (uint64_t i = 0; i < count; i++)
		if (store(s, end - (count - i) * SPOOL_BLOCK, zero_block, SPOOL_BLOCK, behind(s->zero_from, i * SPOOL_BLOCK), d) < 0)
			return -1;
	s->zero_blocks = 0;
	return 0;
}

/* Whole blocks, at byte at. Zeros wait until it is known how many they are. */
static int take_blocks(struct spool *s, uint64_t at, const uint8_t *data, size_t blocks, uint64_t from, struct diag *d)
{
	for (size_t i = 0; i < blocks;) {
		if (memcmp(data + i * SPOOL_BLOCK, zero_block, SPOOL_BLOCK) == 0) {
			add_zeros(s, 1, behind(from, i * SPOOL_BLOCK));
			i++;
			continue;
		}
		size_t first = i;
		while (++i < blocks && memcmp(data + i * SPOOL_BLOCK, zero_block, SPOOL_BLOCK) != 0)
			;
		uint64_t skip = first * SPOOL_BLOCK;
		if (store_zeros(s, at + skip, d) < 0 ||
		    store(s, at + skip, data + skip, (i - first) * SPOOL_BLOCK, behind(from, skip), d) < 0)
			return -1;
	}
	return 0;
}

/* Zeros up to byte at, which is beyond s->at. */
static int skip_to(struct spool *s, uint64_t at, struct diag *d)
{
	size_t staged = s->at % SPOOL_BLOCK;
	if (staged > 0) {
		uint64_t n = num_min(SPOOL_BLOCK - staged, at - s->at);
		memset(s->stage + staged, 0, (size_t)n);
		s->stage_from = SPOOL_NOWHERE;
		s->at += n;
		if (s->at % SPOOL_BLOCK == 0 && take_blocks(s, s->at - SPOOL_BLOCK, s->stage, 1, SPOOL_NOWHERE, d) < 0)
			return -1;
	}
	if ((at - s->at) / SPOOL_BLOCK > 0)
		add_zeros(s, (at - s->at) / SPOOL_BLOCK, SPOOL_NOWHERE);
	if (at % SPOOL_BLOCK != 0 && at > s->at) {
		memset(s->stage, 0, at % SPOOL_BLOCK);
		s->stage_from = SPOOL_NOWHERE;
	}
	s->at = at;
	return 0;
}

int spool_put(struct spool *s, uint64_t at, const void *data, size_t len, const char *label, struct diag *d)
{
	return spool_refer(s, at, data, len, SPOOL_NOWHERE, label, d);
}

int spool_refer(struct spool *s, uint64_t at, const void *data, size_t len, uint64_t from, const char *label, struct diag *d)
{
	const uint8_t *p = data;
	if (diag_stopped(d))
		return -1;
	if (at > CONTENT_MAX || len > CONTENT_MAX - at)
		return diag_fail(d, MVP0307, &LOC_FILE(label), "a file larger than %llu TiB", (unsigned long long)(CONTENT_MAX >> 40));
	if (at < s->at)
		return diag_fail(d, MVP0302, &LOC_FILE(label), "the pieces of a sparse file overlap at byte %llu", (unsigned long long)at);
	if (at > s->at && skip_to(s, at, d) < 0)
		return -1;
	size_t staged = s->at % SPOOL_BLOCK;
	if (staged > 0) {
		size_t n = SPOOL_BLOCK - staged < len ? SPOOL_BLOCK - staged : len;
		memcpy(s->stage + staged, p, n);
		if (behind(s->stage_from, staged) != from)
			s->stage_from = SPOOL_NOWHERE;
		s->at += n;
		p += n;
		len -= n;
		from = behind(from, n);
		if (s->at % SPOOL_BLOCK == 0 && take_blocks(s, s->at - SPOOL_BLOCK, s->stage, 1, s->stage_from, d) < 0)
			return -1;
	}
	size_t blocks = len / SPOOL_BLOCK;
	if (blocks > 0 && take_blocks(s, s->at, p, blocks, from, d) < 0)
		return -1;
	p += blocks * SPOOL_BLOCK;
	len -= blocks * SPOOL_BLOCK;
	if (len > 0) {
		memcpy(s->stage, p, len);
		s->stage_from = behind(from, blocks * SPOOL_BLOCK);
	}
	s->at += blocks * SPOOL_BLOCK + len;
	return 0;
}

uint64_t spool_add_file(struct spool *s, int fd TAKES, const char *path)
{
	int own CLEANUP(fd_closep) = fd;
	struct stat st;
	if (s->files_count == FILES_MAX || fstat(own, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= 0 ||
	    (uint64_t)st.st_size > SPOOL_MAX)
		return SPOOL_NOWHERE;
	struct extent *all = mem_new(struct extent);
	*all = (struct extent){ .len = (uint64_t)st.st_size, .data = true };
	s->files[++s->files_count] = image_fd(own, all->len, all, 1, path);
	own = -1;
	return (uint64_t)s->files_count << SPOOL_SHIFT;
}

int spool_end(struct spool *s, uint64_t len, const char *label, struct content *ret_content, struct diag *d)
{
	if (len < s->at)
		return diag_fail(d, MVP0302, &LOC_FILE(label), "a file is longer than its %llu bytes", (unsigned long long)len);
	if (len > CONTENT_MAX)
		return diag_fail(d, MVP0307, &LOC_FILE(label), "a file larger than %llu TiB", (unsigned long long)(CONTENT_MAX >> 40));
	if (len > s->at && skip_to(s, len, d) < 0)
		return -1;
	size_t staged = len % SPOOL_BLOCK;
	if (staged > 0) {
		memset(s->stage + staged, 0, SPOOL_BLOCK - staged);
		if (take_blocks(s, len - staged, s->stage, 1, SPOOL_NOWHERE, d) < 0)
			return -1;
	}
	if (store_zeros(s, align_up(len, SPOOL_BLOCK), d) < 0)
		return -1;
	end_run(s);
	if (EVP_DigestFinal_ex(s->md, ret_content->digest, NULL) != 1)
		return diag_fail(d, MVP0001, NULL, "libcrypto failed at SHA-256");
	ret_content->len = len;
	ret_content->runs_count = s->runs_count;
	ret_content->runs = TAKE(s->runs);
	s->runs_count = s->runs_cap = 0;
	return 0;
}

/* The spool and the files, each at its place. */
struct bank {
	struct image *files[1 + FILES_MAX];
	size_t count;
};

static int bank_read(void *ctx, uint64_t at, void *buf, size_t len, struct diag *d)
{
	const struct bank *b = ctx;
	const struct image *img = b->files[at >> SPOOL_SHIFT];
	uint64_t in_file = at & (SPOOL_MAX - 1);
	if (!img || !num_inside(in_file, len, image_len(img)))
		return diag_fail(d, MVP0801, NULL, "an archive of the layers has grown since it was opened");
	return image_read(img, in_file, buf, len, d);
}

static struct extent bank_extent(void *ctx, uint64_t at)
{
	const struct bank *b = ctx;
	(void)at;
	return (struct extent){ .len = (uint64_t)b->count << SPOOL_SHIFT, .data = true };
}

static void bank_free(void *ctx)
{
	struct bank *b = ctx;
	for (size_t i = 0; i < b->count; i++)
		image_free(b->files[i]);
	free(b);
}

static const struct image_ops bank_ops = { .read = bank_read, .extent = bank_extent, .free = bank_free };

int spool_finish(struct spool *s, struct image **ret_img, struct diag *d)
{
	*ret_img = NULL;
	if (flush(s, d) < 0)
		return -1;
	free(s->out);
	s->out = NULL;
	if (s->len == 0 && s->files_count == 0)
		return 0;
	if (s->len) {
		struct extent *all = mem_new(struct extent);
		*all = (struct extent){ .len = s->len, .data = true };
		s->files[0] = image_fd(s->fd, s->len, all, 1, "the work file of the layers");
		s->fd = -1;
	}
	struct bank *b = mem_new(struct bank);
	b->count = 1 + s->files_count;
	for (size_t i = 0; i < b->count; i++)
		b->files[i] = TAKE(s->files[i]);
	*ret_img = image_new(&bank_ops, b, (uint64_t)b->count << SPOOL_SHIFT);
	return 0;
}
