#include "imagegen/layer/spool.h"

#include <errno.h>
#include <string.h>

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
#define SPOOL_MAX ((uint64_t)1 << 46)

static const uint8_t zero_block[SPOOL_BLOCK];

struct spool {
	int fd;
	char *dir;    /* where the file, which has no name, takes its room */
	uint64_t len; /* bytes handed over, written or still in out */
	uint8_t *out;
	size_t out_len;
	EVP_MD *sha256;
	EVP_MD_CTX *md;

	/* The content being written */
	uint64_t at;                /* bytes put so far */
	uint8_t stage[SPOOL_BLOCK]; /* its last, incomplete block */
	uint64_t zero_blocks;       /* seen since the last block stored, not decided upon yet */
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
	if (!s->runs || s->runs_count == 0)
		return;
	const struct content_run *run = &s->runs[s->runs_count - 1];
	put_le64(trailer, run->at);
	put_le64(trailer + 8, run->len);
	(void)EVP_DigestUpdate(s->md, trailer, sizeof trailer);
}

/* Stores blocks of the content, the first of which lies at byte at. */
static int store(struct spool *s, uint64_t at, const uint8_t *data, size_t len, struct diag *d)
{
	struct content_run *run = s->runs_count > 0 ? &s->runs[s->runs_count - 1] : NULL;
	if (!run || run->at + run->len != at) {
		end_run(s);
		mem_grow(&s->runs, s->runs_count, &s->runs_cap, sizeof *s->runs);
		run = &s->runs[s->runs_count++];
		*run = (struct content_run){ .at = at, .spool_at = s->len };
	}
	if (s->len + len > SPOOL_MAX)
		return diag_fail(d, MVP0307, NULL, "the layers hold more than %llu TiB", (unsigned long long)(SPOOL_MAX >> 40));
	run->len += len;
	s->len += len;
	(void)EVP_DigestUpdate(s->md, data, len);
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

/* Whole blocks, at byte at. Zeros wait until it is known how many they are. */
static int take_blocks(struct spool *s, uint64_t at, const uint8_t *data, size_t blocks, struct diag *d)
{
	for (size_t i = 0; i < blocks;) {
		if (memcmp(data + i * SPOOL_BLOCK, zero_block, SPOOL_BLOCK) == 0) {
			s->zero_blocks++;
			i++;
			continue;
		}
		size_t first = i;
		while (++i < blocks && memcmp(data + i * SPOOL_BLOCK, zero_block, SPOOL_BLOCK) != 0)
			;
		uint64_t first_at = at + first * SPOOL_BLOCK;
		if (s->zero_blocks < SPOOL_HOLE_BLOCKS)
			for (uint64_t z = s->zero_blocks; z > 0; z--)
				if (store(s, first_at - z * SPOOL_BLOCK, zero_block, SPOOL_BLOCK, d) < 0)
					return -1;
		s->zero_blocks = 0;
		if (store(s, first_at, data + first * SPOOL_BLOCK, (i - first) * SPOOL_BLOCK, d) < 0)
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
		s->at += n;
		if (s->at % SPOOL_BLOCK == 0 && take_blocks(s, s->at - SPOOL_BLOCK, s->stage, 1, d) < 0)
			return -1;
	}
	s->zero_blocks += (at - s->at) / SPOOL_BLOCK;
	if (at % SPOOL_BLOCK != 0 && at > s->at)
		memset(s->stage, 0, at % SPOOL_BLOCK);
	s->at = at;
	return 0;
}

int spool_put(struct spool *s, uint64_t at, const void *data, size_t len, const char *label, struct diag *d)
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
		s->at += n;
		p += n;
		len -= n;
		if (s->at % SPOOL_BLOCK == 0 && take_blocks(s, s->at - SPOOL_BLOCK, s->stage, 1, d) < 0)
			return -1;
	}
	size_t blocks = len / SPOOL_BLOCK;
	if (blocks > 0 && take_blocks(s, s->at, p, blocks, d) < 0)
		return -1;
	p += blocks * SPOOL_BLOCK;
	len -= blocks * SPOOL_BLOCK;
	if (len > 0)
		memcpy(s->stage, p, len);
	s->at += blocks * SPOOL_BLOCK + len;
	return 0;
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
		if (take_blocks(s, len - staged, s->stage, 1, d) < 0)
			return -1;
	}
	uint64_t end = align_up(len, SPOOL_BLOCK);
	if (s->zero_blocks < SPOOL_HOLE_BLOCKS)
		for (uint64_t z = s->zero_blocks; z > 0; z--)
			if (store(s, end - z * SPOOL_BLOCK, zero_block, SPOOL_BLOCK, d) < 0)
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

int spool_finish(struct spool *s, struct image **ret_img, struct diag *d)
{
	*ret_img = NULL;
	if (flush(s, d) < 0)
		return -1;
	free(s->out);
	s->out = NULL;
	if (s->len == 0)
		return 0;
	struct extent *all = mem_new(struct extent);
	*all = (struct extent){ .len = s->len, .data = true };
	int fd = s->fd;
	s->fd = -1;
	*ret_img = image_fd(fd, s->len, all, 1, "the work file of the layers");
	return 0;
}
