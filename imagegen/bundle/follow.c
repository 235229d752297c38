#include "imagegen/bundle/follow.h"

#include <pthread.h>
#include <stdlib.h>

#include "imagegen/base/foreign.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"

#define PIECE (256 * KIB) /* stays in the CPU's cache between being read and being hashed */
#define WORTH_A_THREAD (4 * MIB)

struct follow {
	int fd;
	EVP_MD_CTX *md;
	uint8_t *buf;
	uint64_t at; /* bytes hashed; the thread's own while it runs */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint64_t to; /* under the lock, as what follows */
	bool ended, stop;
	bool started;
	pthread_t thread;
	int error; /* -errno */
};

struct follow *follow_new(int fd, const EVP_MD *md)
{
	struct follow *f = mem_new(struct follow);
	f->fd = fd;
	f->md = EVP_MD_CTX_new();
	if (!f->md || EVP_DigestInit_ex(f->md, md, NULL) != 1)
		abort();
	f->buf = mem_zeroed(1, PIECE);
	(void)pthread_mutex_init(&f->lock, NULL);
	(void)pthread_cond_init(&f->changed, NULL);
	return f;
}

static int advance(struct follow *f, uint64_t to)
{
	while (f->at < to) {
		size_t n = (size_t)num_min(PIECE, to - f->at);
		int r = io_pread_all(f->fd, f->buf, n, f->at);
		if (r < 0)
			return r;
		if (EVP_DigestUpdate(f->md, f->buf, n) != 1)
			abort();
		f->at += n;
	}
	return 0;
}

static void *run(void *ctx)
{
	struct follow *f = ctx;
	(void)pthread_mutex_lock(&f->lock);
	while (!f->stop && !f->error) {
		uint64_t to = num_min(f->to, f->at + WORTH_A_THREAD); /* looks up now and then */
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

static void join(struct follow *f)
{
	if (f->started)
		(void)pthread_join(f->thread, NULL);
	f->started = false;
}

int follow_end(struct follow *f, uint64_t len, uint8_t *ret_digest)
{
	tell(f, len, true, false);
	join(f);
	int r = f->error ? f->error : advance(f, len);
	if (!r && EVP_DigestFinal_ex(f->md, ret_digest, NULL) != 1)
		abort();
	return r;
}

void follow_free(struct follow *f)
{
	if (!f)
		return;
	tell(f, 0, false, true);
	join(f);
	(void)pthread_cond_destroy(&f->changed);
	(void)pthread_mutex_destroy(&f->lock);
	EVP_MD_CTX_free(f->md);
	free(f->buf);
	free(f);
}
