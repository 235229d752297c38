#define OPENSSL_SUPPRESS_DEPRECATED /* EVP's contexts cannot be kept in a file; these older ones can */
#include "imagegen/bundle/follow.h"

#include <openssl/md5.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "imagegen/base/bytes.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"

#define PIECE (256 * KIB) /* stays in the CPU's cache between being read and being hashed */
#define WORTH_A_THREAD (4 * MIB)

struct follow {
	int fd;
	enum follow_kind kind;
	union {
		MD5_CTX md5;
		SHA256_CTX sha256;
	} md;
	uint8_t *buf;
	uint64_t at; /* bytes hashed; the thread's own while it runs, as md, and what is kept of the marks */
	size_t kept;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint64_t to; /* under the lock, as what follows */
	struct follow_state marks[FOLLOW_MARKS], skip;
	size_t marks_count;
	bool ended, stop;
	bool started;
	pthread_t thread;
	int error; /* -errno */
};

struct follow *follow_new(int fd, enum follow_kind kind)
{
	struct follow *f = mem_new(struct follow);
	f->fd = fd;
	f->kind = kind;
	if (kind == FOLLOW_MD5)
		(void)MD5_Init(&f->md.md5);
	else
		(void)SHA256_Init(&f->md.sha256);
	f->buf = mem_zeroed(1, PIECE);
	(void)pthread_mutex_init(&f->lock, NULL);
	(void)pthread_cond_init(&f->changed, NULL);
	return f;
}

static void hash(struct follow *f, const uint8_t *data, size_t len)
{
	if (f->kind == FOLLOW_MD5)
		(void)MD5_Update(&f->md.md5, data, len);
	else
		(void)SHA256_Update(&f->md.sha256, data, len);
	f->at += len;
}

static void save(const struct follow *f, struct follow_state *s)
{
	const uint32_t md5[] = { f->md.md5.A, f->md.md5.B, f->md.md5.C, f->md.md5.D };
	for (size_t i = 0; i < (f->kind == FOLLOW_MD5 ? 4 : 8); i++)
		put_le32(s->words + 4 * i, f->kind == FOLLOW_MD5 ? md5[i] : f->md.sha256.h[i]);
}

/* Both count bits in two numbers of 32 bits; between blocks nothing else is in the context. */
static void load(struct follow *f, const struct follow_state *s)
{
	uint32_t low = (uint32_t)(s->at << 3), high = (uint32_t)(s->at >> 29), w[8];
	for (size_t i = 0; i < ARRAY_LEN(w); i++)
		w[i] = get_le32(s->words + 4 * i);
	if (f->kind == FOLLOW_MD5) {
		(void)MD5_Init(&f->md.md5);
		f->md.md5.A = w[0];
		f->md.md5.B = w[1];
		f->md.md5.C = w[2];
		f->md.md5.D = w[3];
		f->md.md5.Nl = low;
		f->md.md5.Nh = high;
	} else {
		(void)SHA256_Init(&f->md.sha256);
		memcpy(f->md.sha256.h, w, sizeof(w));
		f->md.sha256.Nl = low;
		f->md.sha256.Nh = high;
	}
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
	while (f->at < to) {
		size_t n = (size_t)num_min(PIECE, to - f->at);
		int r = io_pread_all(f->fd, f->buf, n, f->at);
		if (r < 0)
			return r;
		hash(f, f->buf, n);
	}
	return 0;
}

static void *run(void *ctx)
{
	struct follow *f = ctx;
	(void)pthread_mutex_lock(&f->lock);
	while (!f->stop && !f->error) {
		uint64_t to = next_stop(f, num_min(f->to, f->at + WORTH_A_THREAD)); /* looks up now and then */
		if (to == f->at && f->ended)
			break;
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

static void tell(struct follow *f, uint64_t to, bool ended, bool stop)
{
	(void)pthread_mutex_lock(&f->lock);
	f->to = num_max(f->to, to);
	f->ended |= ended;
	f->stop |= stop;
	(void)pthread_cond_signal(&f->changed);
	(void)pthread_mutex_unlock(&f->lock);
}

void follow_to(struct follow *f, uint64_t at)
{
	tell(f, at, false, false);
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

/* What no thread did. */
static int finish(struct follow *f, uint64_t len)
{
	int r = f->error;
	uint64_t to = next_stop(f, len);
	while (!r && to > f->at) {
		r = advance(f, to);
		to = next_stop(f, len);
	}
	return r;
}

int follow_end(struct follow *f, uint64_t len, uint8_t *ret_digest)
{
	tell(f, len, true, false);
	join(f);
	int r = finish(f, len);
	if (r < 0)
		return r;
	if (f->kind == FOLLOW_MD5)
		(void)MD5_Final(ret_digest, &f->md.md5);
	else
		(void)SHA256_Final(ret_digest, &f->md.sha256);
	return 0;
}

void follow_free(struct follow *f)
{
	if (!f)
		return;
	tell(f, 0, false, true);
	join(f);
	(void)pthread_cond_destroy(&f->changed);
	(void)pthread_mutex_destroy(&f->lock);
	free(f->buf);
	free(f);
}
