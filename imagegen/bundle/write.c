/* One pass over the partitions. Workers read windows of them, in any order, into a ring of slots; each packer has a thread that takes the
 * windows in order. A slot is free again when every packer is done with it, so the slowest of all sets the pace and memory is bounded. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/base/tmpfile.h"
#include "imagegen/bundle/packer.h"

#define WINDOW MIB
#define SLOTS_MIN 6
#define SLOTS_MAX 32
#define WORKERS_MAX 64
/* Pieces of a window; what is more fragmented is read with its holes. */
#define PIECES_MAX 64
#define PROGRESS_NS 100000000

struct piece {
	uint32_t len;
	bool data;
};

struct slot {
	uint64_t number; /* of the window it holds */
	bool ready;
	size_t part;
	uint64_t at, len; /* in the partition; longer than WINDOW only for a hole */
	bool hole;
	struct piece pieces[PIECES_MAX];
	size_t pieces_count;
	uint8_t *buf; /* WINDOW bytes */
};

struct pass;

struct consumer {
	struct pass *pass;
	const struct packer *packer;
	void *state;
	struct bundle_output output;
	struct diag *diag;
	uint64_t windows, bytes; /* done with */
	bool running;
	pthread_t thread;
};

struct worker {
	struct pass *pass;
	struct diag *diag;
	pthread_t thread;
};

struct pass {
	const struct bundle *b;
	pthread_mutex_t lock; /* of all that follows but the contents of slots that are being filled or read */
	pthread_cond_t changed;
	size_t part; /* the next window to be read ... */
	uint64_t at;
	uint64_t number; /* ... and its number */
	bool stop;       /* something failed, or the caller cancelled */
	struct slot *slots;
	size_t slots_count;
	struct consumer *consumers;
	size_t consumers_count;
	struct worker *workers;
	size_t workers_count;
};

/* The next window, a long hole as one. False when there is none. */
static bool next_window(struct pass *p, struct slot *s)
{
	if (p->part == p->b->parts_count)
		return false;
	const struct bundle_part *part = &p->b->parts[p->part];
	uint64_t left = part->len - p->at, img_len = image_len(part->img), hole_end = part->len;
	s->part = p->part;
	s->at = p->at;
	s->hole = p->at >= img_len;
	if (!s->hole) {
		struct extent e = image_extent(part->img, p->at);
		s->hole = !e.data && (e.at + e.len - p->at >= WINDOW || e.at + e.len == img_len);
		if (e.at + e.len < img_len)
			hole_end = align_down(e.at + e.len, WINDOW);
	}
	s->len = s->hole ? hole_end - p->at : num_min(left, WINDOW);
	p->at += s->len;
	if (p->at == part->len) {
		p->part++;
		p->at = 0;
	}
	return true;
}

static void add_piece(struct slot *s, uint64_t len, bool data)
{
	struct piece *last = s->pieces_count ? &s->pieces[s->pieces_count - 1] : NULL;
	if (last && last->data == data)
		last->len += (uint32_t)len;
	else
		s->pieces[s->pieces_count++] = (struct piece){ .len = (uint32_t)len, .data = data };
}

/* Reads a window; touches the slot and the image only. */
static int fill(const struct bundle *b, struct slot *s, struct diag *d)
{
	const struct image *img = b->parts[s->part].img;
	s->pieces_count = 0;
	if (s->hole)
		return 0;
	for (uint64_t done = 0; done < s->len;) {
		uint64_t at = s->at + done, n = s->len - done;
		bool data = false;
		if (at < image_len(img)) {
			struct extent e = image_extent(img, at);
			n = num_min(n, e.at + e.len - at);
			data = e.data;
			if (s->pieces_count >= PIECES_MAX - 2) {
				n = num_min(s->len - done, image_len(img) - at);
				data = true;
			}
		}
		if (data && image_read(img, at, s->buf + done, n, d) < 0) {
			diag_note(d, "while the content of partition '%s' was read", b->parts[s->part].name);
			return -1;
		}
		add_piece(s, n, data);
		done += n;
	}
	return 0;
}

static uint64_t slowest(const struct pass *p)
{
	uint64_t n = UINT64_MAX;
	for (size_t i = 0; i < p->consumers_count; i++)
		n = num_min(n, p->consumers[i].windows);
	return n;
}

static void *work(void *ctx)
{
	struct worker *w = ctx;
	struct pass *p = w->pass;
	pthread_mutex_lock(&p->lock);
	for (;;) {
		while (!p->stop && p->part < p->b->parts_count && p->number - slowest(p) >= p->slots_count)
			pthread_cond_wait(&p->changed, &p->lock);
		struct slot *s = &p->slots[p->number % p->slots_count];
		if (p->stop || !next_window(p, s))
			break;
		s->number = p->number++;
		s->ready = false;
		pthread_mutex_unlock(&p->lock);
		int r = fill(p->b, s, w->diag);
		pthread_mutex_lock(&p->lock);
		s->ready = r == 0;
		p->stop |= r < 0;
		pthread_cond_broadcast(&p->changed);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static int consume(struct consumer *c, const struct slot *s)
{
	if (s->hole)
		return c->packer->write(c->state, s->part, s->at, NULL, s->len, c->diag);
	uint64_t done = 0;
	for (size_t i = 0; i < s->pieces_count; i++) {
		const struct piece *q = &s->pieces[i];
		if (c->packer->write(c->state, s->part, s->at + done, q->data ? s->buf + done : NULL, q->len, c->diag) < 0)
			return -1;
		done += q->len;
	}
	return 0;
}

static bool at_end(const struct pass *p, const struct consumer *c)
{
	return p->part == p->b->parts_count && c->windows == p->number;
}

static void *pack(void *ctx)
{
	struct consumer *c = ctx;
	struct pass *p = c->pass;
	int r = 0;
	pthread_mutex_lock(&p->lock);
	while (!p->stop && !at_end(p, c)) {
		struct slot *s = &p->slots[c->windows % p->slots_count];
		if (!s->ready || s->number != c->windows) {
			pthread_cond_wait(&p->changed, &p->lock);
			continue;
		}
		pthread_mutex_unlock(&p->lock);
		r = consume(c, s);
		pthread_mutex_lock(&p->lock);
		p->stop |= r < 0;
		c->windows++;
		c->bytes += s->len;
		pthread_cond_broadcast(&p->changed);
	}
	bool stop = p->stop;
	pthread_mutex_unlock(&p->lock);
	if (!stop)
		r = c->packer->finish(c->state, &c->output, c->diag);
	pthread_mutex_lock(&p->lock);
	p->stop |= r < 0;
	c->running = false;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* Until all packers are through. Progress never reports the whole: that comes when everything has its name. -1: the caller cancelled. */
static int watch(struct pass *p, uint64_t total, progress_fn progress, void *progress_ctx)
{
	bool cancelled = false;
	pthread_mutex_lock(&p->lock);
	for (;;) {
		bool running = false;
		uint64_t done = total - 1;
		for (size_t i = 0; i < p->consumers_count; i++) {
			running |= p->consumers[i].running;
			done = num_min(done, p->consumers[i].bytes);
		}
		if (!running)
			break;
		if (progress && !cancelled) {
			pthread_mutex_unlock(&p->lock);
			cancelled = progress(progress_ctx, "bundles", done, total) != 0;
			pthread_mutex_lock(&p->lock);
			p->stop |= cancelled;
			if (cancelled)
				pthread_cond_broadcast(&p->changed);
		}
		struct timespec until;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += PROGRESS_NS;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		/* Packers wake us at every window; look again only when the time is over or one has ended. */
		int r = 0;
		while (r != ETIMEDOUT) {
			size_t left = 0;
			for (size_t i = 0; i < p->consumers_count; i++)
				left += p->consumers[i].running;
			if (left == 0)
				break;
			r = pthread_cond_timedwait(&p->changed, &p->lock, &until);
		}
	}
	pthread_mutex_unlock(&p->lock);
	return cancelled ? -1 : 0;
}

static void pass_init(struct pass *p, const struct bundle *b, unsigned jobs, size_t packers_count)
{
	pthread_condattr_t attr;
	*p = (struct pass){ .b = b };
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->changed, &attr);
	pthread_condattr_destroy(&attr);
	p->workers_count = (size_t)num_min(num_max(jobs, 1), WORKERS_MAX);
	p->slots_count = (size_t)num_min(num_max(2 * p->workers_count + 2, SLOTS_MIN), SLOTS_MAX);
	p->slots = mem_array(struct slot, p->slots_count);
	for (size_t i = 0; i < p->slots_count; i++)
		p->slots[i].buf = mem_zeroed(1, WINDOW);
	p->workers = mem_array(struct worker, p->workers_count);
	p->consumers = mem_array(struct consumer, packers_count);
}

static void pass_fini(struct pass *p)
{
	for (size_t i = 0; i < p->consumers_count; i++) {
		p->consumers[i].packer->free(p->consumers[i].state);
		free(p->consumers[i].output.path);
		diag_free(p->consumers[i].diag);
	}
	for (size_t i = 0; i < p->workers_count; i++)
		diag_free(p->workers[i].diag);
	for (size_t i = 0; i < p->slots_count; i++)
		free(p->slots[i].buf);
	free(p->slots);
	free(p->workers);
	free(p->consumers);
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
}

/* Runs all threads to their end. -1 when something failed; the diags of the threads are merged into d in a fixed order. */
static int run(struct pass *p, uint64_t total, progress_fn progress, void *progress_ctx, struct diag *d)
{
	size_t workers = 0, consumers = 0;
	int error = 0;
	for (; consumers < p->consumers_count && !error; consumers++) {
		struct consumer *c = &p->consumers[consumers];
		c->pass = p;
		c->diag = diag_new();
		c->running = true;
		error = pthread_create(&c->thread, NULL, pack, c);
		if (error) {
			c->running = false;
			break;
		}
	}
	for (; workers < p->workers_count && !error; workers++) {
		struct worker *w = &p->workers[workers];
		w->pass = p;
		w->diag = diag_new();
		error = pthread_create(&w->thread, NULL, work, w);
		if (error)
			break;
	}
	if (error && workers == 0) { /* with one worker at least, the job gets done */
		pthread_mutex_lock(&p->lock);
		p->stop = true;
		pthread_cond_broadcast(&p->changed);
		pthread_mutex_unlock(&p->lock);
	}
	bool cancelled = watch(p, total, progress, progress_ctx) < 0;
	for (size_t i = 0; i < consumers; i++)
		pthread_join(p->consumers[i].thread, NULL);
	for (size_t i = 0; i < workers; i++)
		pthread_join(p->workers[i].thread, NULL);

	for (size_t i = 0; i < workers; i++)
		diag_merge(d, TAKE(p->workers[i].diag));
	for (size_t i = 0; i < consumers; i++)
		diag_merge(d, TAKE(p->consumers[i].diag));
	if (error && workers == 0)
		return diag_fail(d, MVP0001, NULL, "cannot start a thread: %s", strerror(error));
	if (cancelled)
		return diag_fail(d, MVP0006, NULL, "the bundles were not finished");
	return p->stop ? -1 : 0;
}

static int check_parts(const struct bundle *b, uint64_t *ret_total, struct diag *d)
{
	uint64_t total = 0;
	for (size_t i = 0; i < b->parts_count; i++) {
		const struct bundle_part *p = &b->parts[i];
		if (p->len == 0 || p->len % 4096 || p->len < image_len(p->img) || !num_add(total, p->len, &total) || total > INT64_MAX)
			return diag_fail(
				d, MVP0501, NULL,
				"the partition '%s' has %llu bytes and its content %llu; expected a multiple of 4096 that holds it",
				p->name, (unsigned long long)p->len, (unsigned long long)image_len(p->img));
	}
	if (total == 0)
		return diag_fail(d, MVP0501, NULL, "there is no partition to make a bundle of");
	*ret_total = total;
	return 0;
}

int bundle_write(const struct bundle *b, const struct packer *const *packers, size_t packers_count, unsigned jobs, progress_fn progress,
		 void *progress_ctx, struct bundle_output **ret_outputs, struct diag *d)
{
	uint64_t total = 0;
	if (check_parts(b, &total, d) < 0)
		return -1;
	(void)tmpfile_sweep(b->out_dir);
	struct pass p CLEANUP(pass_fini);
	pass_init(&p, b, jobs, packers_count);
	for (size_t i = 0; i < packers_count; i++) {
		struct consumer *c = &p.consumers[i];
		c->packer = packers[i];
		if (c->packer->plan(b, &c->state, d) < 0)
			return -1;
		p.consumers_count++;
	}
	if (run(&p, total, progress, progress_ctx, d) < 0)
		return -1;
	for (size_t i = 0; i < packers_count; i++)
		if (p.consumers[i].packer->publish(p.consumers[i].state, d) < 0)
			return -1;
	struct bundle_output *outputs = mem_array(struct bundle_output, packers_count);
	for (size_t i = 0; i < packers_count; i++) {
		outputs[i] = p.consumers[i].output;
		outputs[i].path = TAKE(p.consumers[i].output.path);
	}
	*ret_outputs = outputs;
	if (progress)
		(void)progress(progress_ctx, "bundles", total, total);
	return 0;
}
