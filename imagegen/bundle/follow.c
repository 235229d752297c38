#define OPENSSL_SUPPRESS_DEPRECATED /* EVP's contexts cannot be kept in a file; these older ones can */
#include "imagegen/bundle/follow.h"

#include <openssl/md5.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "imagegen/base/bytes.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/hash/rounds.h"

#define PIECE (256 * KIB) /* stays in the CPU's cache between being read and being hashed */
#define WORTH_A_THREAD (4 * MIB)
#define BEHIND 10 /* the thread's nice value */

struct follow {
	int fd;
	/* The thread's own while it runs. */
	uint32_t md5[ROUNDS_MD5_WORDS], sha256[ROUNDS_SHA256_WORDS];
	uint64_t at; /* bytes hashed: whole blocks */
	size_t kept; /* of the marks */
	uint8_t *buf;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint64_t to; /* whole blocks; under the lock, as what follows */
	struct follow_state marks[FOLLOW_MARKS], skip;
	size_t marks_count;
	bool stop;
	bool started;
	pthread_t thread;
	int error; /* -errno */
};

struct follow *follow_new(int fd)
{
	struct follow *f = mem_new(struct follow);
	f->fd = fd;
	memcpy(f->md5, rounds_md5_first, sizeof(f->md5));
	memcpy(f->sha256, rounds_sha256_first, sizeof(f->sha256));
	(void)pthread_mutex_init(&f->lock, NULL);
	(void)pthread_cond_init(&f->changed, NULL);
	return f;
}

static void save(const struct follow *f, struct follow_state *s)
{
	for (size_t i = 0; i < ROUNDS_MD5_WORDS; i++)
		put_le32(s->words + 4 * i, f->md5[i]);
	for (size_t i = 0; i < ROUNDS_SHA256_WORDS; i++)
		put_le32(s->words + FOLLOW_MD5_LEN + 4 * i, f->sha256[i]);
}

static void load(struct follow *f, const struct follow_state *s)
{
	for (size_t i = 0; i < ROUNDS_MD5_WORDS; i++)
		f->md5[i] = get_le32(s->words + 4 * i);
	for (size_t i = 0; i < ROUNDS_SHA256_WORDS; i++)
		f->sha256[i] = get_le32(s->words + FOLLOW_MD5_LEN + 4 * i);
	f->at = s->at;
}

/* The mark that is next, or NULL. Marks that were skipped have no state: they go. */
static struct follow_state *next_mark(struct follow *f)
{
	while (f->kept < f->marks_count && f->marks[f->kept].at < f->at) {
		f->marks_count--;
		memmove(&f->marks[f->kept], &f->marks[f->kept + 1], (f->marks_count - f->kept) * sizeof(f->marks[0]));
	}
	return f->kept < f->marks_count ? &f->marks[f->kept] : NULL;
}

/* Under the lock, from where f->at is right: keeps the state if it is wanted here; how far to go at once. */
static uint64_t next_stop(struct follow *f, uint64_t to)
{
	if (f->skip.at > f->at)
		load(f, &f->skip);
	struct follow_state *mark = next_mark(f);
	if (mark && mark->at == f->at) {
		save(f, mark);
		f->kept++;
		mark = next_mark(f);
	}
	to = num_max(to, f->at);
	return mark ? num_min(to, mark->at) : to;
}

static int advance(struct follow *f, uint64_t to)
{
	if (!f->buf)
		f->buf = mem_zeroed(1, PIECE);
	while (f->at < to) {
		size_t n = (size_t)num_min(PIECE, to - f->at);
		int r = io_pread_all(f->fd, f->buf, n, f->at);
		if (r < 0)
			return r;
		rounds_md5_sha256(f->md5, f->sha256, f->buf, n / ROUNDS_BLOCK);
		f->at += n;
	}
	return 0;
}

static void *run(void *ctx)
{
	struct follow *f = ctx;
	/* Whoever the writer waits for goes first; the writer itself does what is left of this in the end. */
	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), BEHIND);
	(void)pthread_mutex_lock(&f->lock);
	while (!f->stop && !f->error) {
		uint64_t to = next_stop(f, num_min(f->to, f->at + WORTH_A_THREAD)); /* looks up now and then */
		if (to == f->at) {
			(void)pthread_cond_wait(&f->changed, &f->lock);
			continue;
		}
		(void)pthread_mutex_unlock(&f->lock);
		int r = advance(f, to);
		(void)pthread_mutex_lock(&f->lock);
		f->error = r;
	}
	(void)pthread_mutex_unlock(&f->lock);
	return NULL;
}

static void tell(struct follow *f, uint64_t to, bool stop)
{
	(void)pthread_mutex_lock(&f->lock);
	f->to = num_max(f->to, align_down(to, ROUNDS_BLOCK));
	f->stop |= stop;
	(void)pthread_cond_signal(&f->changed);
	(void)pthread_mutex_unlock(&f->lock);
}

void follow_to(struct follow *f, uint64_t at)
{
	tell(f, at, false);
	/* Without a thread all is hashed in the end. */
	if (!f->started && at >= WORTH_A_THREAD)
		f->started = !pthread_create(&f->thread, NULL, run, f);
}

void follow_mark(struct follow *f, uint64_t at)
{
	(void)pthread_mutex_lock(&f->lock);
	if (f->marks_count < FOLLOW_MARKS)
		f->marks[f->marks_count++].at = at;
	(void)pthread_mutex_unlock(&f->lock);
}

void follow_skip(struct follow *f, const struct follow_state *s)
{
	(void)pthread_mutex_lock(&f->lock);
	f->skip = *s;
	(void)pthread_mutex_unlock(&f->lock);
}

const struct follow_state *follow_states(const struct follow *f, size_t *ret_count)
{
	*ret_count = f->kept;
	return f->marks;
}

static void join(struct follow *f)
{
	if (f->started)
		(void)pthread_join(f->thread, NULL);
	f->started = false;
}

/* What no thread has done. */
static int catch_up(struct follow *f)
{
	int r = f->error;
	uint64_t to = next_stop(f, f->to);
	while (!r && to > f->at) {
		r = advance(f, to);
		to = next_stop(f, f->to);
	}
	return r;
}

/* The last bytes, which are no block, and the length, which both digests count in bits in two numbers of 32. */
static void finish_md5(const struct follow *f, const uint8_t *rest, size_t len, uint8_t *ret)
{
	MD5_CTX c;
	(void)MD5_Init(&c);
	c.A = f->md5[0];
	c.B = f->md5[1];
	c.C = f->md5[2];
	c.D = f->md5[3];
	c.Nl = (uint32_t)(f->at << 3);
	c.Nh = (uint32_t)(f->at >> 29);
	(void)MD5_Update(&c, rest, len);
	(void)MD5_Final(ret, &c);
}

static void finish_sha256(const struct follow *f, const uint8_t *rest, size_t len, uint8_t *ret)
{
	SHA256_CTX c;
	(void)SHA256_Init(&c);
	memcpy(c.h, f->sha256, sizeof(c.h));
	c.Nl = (uint32_t)(f->at << 3);
	c.Nh = (uint32_t)(f->at >> 29);
	(void)SHA256_Update(&c, rest, len);
	(void)SHA256_Final(ret, &c);
}

int follow_end(struct follow *f, uint64_t len, uint8_t ret_md5[FOLLOW_MD5_LEN], uint8_t ret_sha256[FOLLOW_SHA256_LEN])
{
	uint8_t rest[ROUNDS_BLOCK];
	size_t rest_len = len % ROUNDS_BLOCK;
	tell(f, len, true);
	join(f);
	int r = catch_up(f);
	if (!r && rest_len)
		r = io_pread_all(f->fd, rest, rest_len, f->at);
	if (r < 0)
		return r;
	finish_md5(f, rest, rest_len, ret_md5);
	finish_sha256(f, rest, rest_len, ret_sha256);
	return 0;
}

void follow_free(struct follow *f)
{
	if (!f)
		return;
	tell(f, 0, true);
	join(f);
	(void)pthread_cond_destroy(&f->changed);
	(void)pthread_mutex_destroy(&f->lock);
	free(f->buf);
	free(f);
}
