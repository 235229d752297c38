/* One pass over the contents of all bundles. Workers read windows of them, in any order, into idle slots; each packer has a thread that
 * takes the windows in order. A slot is free again when every packer is done with it, so the slowest of all sets the pace and memory
 * is bounded. */
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
/* Windows at once: what many workers read, and how far packers can be apart: one may hash zeros while another compresses. */
#define SLOTS_MIN 16
#define SLOTS_MAX 32
#define WORKERS_MAX 64
/* Pieces of a window; what is more fragmented is read with its holes. */
#define PIECES_MAX 64
#define PROGRESS_NS 100000000

struct piece {
	uint32_t len;
	bool data;
};

/* What is read: an image that one or more bundles have a partition for. */
struct source {
	const struct image *img;
	const char *name; /* of the first such partition */
	uint64_t len;     /* of the longest one */
};

#define NO_PART SIZE_MAX

struct slot {
	uint64_t number; /* of the window it holds, or held */
	bool ready;
	size_t source;
	uint64_t at, len; /* in the source; longer than WINDOW only for a hole */
	bool hole;
	struct piece pieces[PIECES_MAX];
	size_t pieces_count;
	uint8_t *buf; /* WINDOW bytes of the pass's memory */
};

struct pass;

struct consumer {
	struct pass *pass;
	const struct packer *packer;
	const struct bundle *b;
	size_t *parts; /* of each source: the index of its partition in b, or NO_PART */
	void *state;
	struct bundle_outputs outputs;
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
	struct source *sources;
	size_t sources_count;
	pthread_mutex_t lock; /* of all that follows but the contents of slots that are being filled or read */
	/* Apart, since a thread that is woken for nothing costs more than what it waits for: a window is ready; the slowest packer is done
	 * with one; a packer has ended. */
	pthread_cond_t filled, freed, ended;
	size_t hungry, full; /* packers that wait for the first, workers for the second */
	size_t source;       /* the next window to be read ... */
	uint64_t at;
	uint64_t number; /* ... and its number */
	bool stop;       /* something failed, or the caller cancelled */
	struct slot *slots;
	size_t slots_count;
	uint8_t *memory;        /* of all slots */
	size_t idle[SLOTS_MAX]; /* a stack: what was used last is still in the CPU's cache */
	size_t idle_count;
	size_t holder[SLOTS_MAX]; /* of window n in [n % SLOTS_MAX]: its slot */
	uint64_t over;            /* windows that every packer is done with */
	struct consumer *consumers;
	size_t consumers_count;
	struct worker *workers;
	size_t workers_count;
};

/* The next window, a long hole as one; there is one. */
static void next_window(struct pass *p, struct slot *s)
{
	const struct source *source = &p->sources[p->source];
	uint64_t left = source->len - p->at, img_len = image_len(source->img), hole_end = source->len;
	s->source = p->source;
	s->at = p->at;
	s->hole = p->at >= img_len;
	if (!s->hole) {
		struct extent e = image_extent(source->img, p->at);
		s->hole = !e.data && (e.at + e.len - p->at >= WINDOW || e.at + e.len == img_len);
		if (e.at + e.len < img_len)
			hole_end = align_down(e.at + e.len, WINDOW);
	}
	s->len = s->hole ? hole_end - p->at : num_min(left, WINDOW);
	p->at += s->len;
	if (p->at == source->len) {
		p->source++;
		p->at = 0;
	}
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
static int fill(const struct source *source, struct slot *s, struct diag *d)
{
	const struct image *img = source->img;
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
			diag_note(d, "while the content of partition '%s' was read", source->name);
			return -1;
		}
		add_piece(s, n, data);
		done += n;
	}
	return 0;
}

typedef int (*take_fn)(void *state, size_t part, uint64_t at, const void *data, uint64_t len, struct diag *d);

/* The part of a piece that lies inside the packer's partition: it may be shorter than another bundle's. */
static int give(const struct consumer *c, take_fn take, size_t part, uint64_t at, const void *data, uint64_t len, struct diag *d)
{
	uint64_t end = c->b->parts[part].len;
	return at < end ? take(c->state, part, at, data, num_min(len, end - at), d) : 0;
}

/* A window; take is the packer's write or store. */
static int give_window(const struct consumer *c, take_fn take, const struct slot *s, struct diag *d)
{
	size_t part = c->parts[s->source];
	if (part == NO_PART)
		return 0;
	if (s->hole)
		return give(c, take, part, s->at, NULL, s->len, d);
	uint64_t done = 0;
	for (size_t i = 0; i < s->pieces_count; i++) {
		const struct piece *q = &s->pieces[i];
		if (give(c, take, part, s->at + done, q->data ? s->buf + done : NULL, q->len, d) < 0)
			return -1;
		done += q->len;
	}
	return 0;
}

/* While what was read is still in this CPU's cache. */
static int store(const struct pass *p, const struct slot *s, struct diag *d)
{
	for (size_t i = 0; i < p->consumers_count; i++) {
		const struct consumer *c = &p->consumers[i];
		if (c->packer->store && give_window(c, c->packer->store, s, d) < 0)
			return -1;
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

/* Slots of windows that every packer is done with now. */
static void release(struct pass *p)
{
	for (uint64_t n = slowest(p); p->over < n; p->over++)
		p->idle[p->idle_count++] = p->holder[p->over % SLOTS_MAX];
}

/* Is there a slot for the next window, or none to read? */
static bool may_read(const struct pass *p)
{
	return p->stop || p->source == p->sources_count || p->idle_count;
}

static void stop(struct pass *p)
{
	p->stop = true;
	pthread_cond_broadcast(&p->filled);
	pthread_cond_broadcast(&p->freed);
	pthread_cond_broadcast(&p->ended);
}

static void *work(void *ctx)
{
	struct worker *w = ctx;
	struct pass *p = w->pass;
	pthread_mutex_lock(&p->lock);
	for (;;) {
		p->full++;
		while (!may_read(p))
			pthread_cond_wait(&p->freed, &p->lock);
		p->full--;
		if (p->stop || p->source == p->sources_count)
			break;
		size_t slot = p->idle[--p->idle_count];
		struct slot *s = &p->slots[slot];
		next_window(p, s);
		p->holder[p->number % SLOTS_MAX] = slot;
		s->number = p->number++;
		s->ready = false;
		pthread_mutex_unlock(&p->lock);
		int r = fill(&p->sources[s->source], s, w->diag) < 0 || store(p, s, w->diag) < 0 ? -1 : 0;
		pthread_mutex_lock(&p->lock);
		s->ready = r == 0;
		if (r < 0)
			stop(p);
		else if (p->hungry)
			pthread_cond_broadcast(&p->filled);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static bool at_end(const struct pass *p, const struct consumer *c)
{
	return p->source == p->sources_count && c->windows == p->number;
}

static void *pack(void *ctx)
{
	struct consumer *c = ctx;
	struct pass *p = c->pass;
	int r = 0;
	pthread_mutex_lock(&p->lock);
	while (!p->stop && !at_end(p, c)) {
		const struct slot *s = &p->slots[p->holder[c->windows % SLOTS_MAX]];
		if (!s->ready || s->number != c->windows) {
			p->hungry++;
			pthread_cond_wait(&p->filled, &p->lock);
			p->hungry--;
			continue;
		}
		pthread_mutex_unlock(&p->lock);
		r = give_window(c, c->packer->write, s, c->diag);
		pthread_mutex_lock(&p->lock);
		if (r < 0)
			stop(p);
		c->windows++;
		c->bytes += s->len;
		release(p);
		if (p->full && may_read(p))
			pthread_cond_broadcast(&p->freed);
	}
	bool stopped = p->stop;
	pthread_mutex_unlock(&p->lock);
	if (!stopped)
		r = c->packer->finish(c->state, &c->outputs, c->diag);
	pthread_mutex_lock(&p->lock);
	if (r < 0)
		stop(p);
	c->running = false;
	pthread_cond_broadcast(&p->ended);
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
			if (cancelled)
				stop(p);
		}
		struct timespec until;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += PROGRESS_NS;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		(void)pthread_cond_timedwait(&p->ended, &p->lock, &until);
	}
	pthread_mutex_unlock(&p->lock);
	return cancelled ? -1 : 0;
}

static void pass_init(struct pass *p, unsigned threads, size_t jobs_count)
{
	pthread_condattr_t attr;
	*p = (struct pass){ 0 };
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->ended, &attr);
	pthread_cond_init(&p->filled, NULL);
	pthread_cond_init(&p->freed, NULL);
	pthread_condattr_destroy(&attr);
	p->workers_count = (size_t)num_min(num_max(threads, 1), WORKERS_MAX);
	p->slots_count = (size_t)num_min(num_max(2 * p->workers_count + 2, SLOTS_MIN), SLOTS_MAX);
	p->slots = mem_array(struct slot, p->slots_count);
	p->memory = mem_large(p->slots_count * WINDOW);
	for (size_t i = 0; i < p->slots_count; i++) {
		p->slots[i].buf = p->memory + i * WINDOW;
		p->idle[p->idle_count++] = i;
	}
	p->workers = mem_array(struct worker, p->workers_count);
	p->consumers = mem_array(struct consumer, jobs_count);
}

static void pass_fini(struct pass *p)
{
	for (size_t i = 0; i < p->consumers_count; i++) {
		p->consumers[i].packer->free(p->consumers[i].state);
		bundle_outputs_fini(&p->consumers[i].outputs);
		free(p->consumers[i].parts);
		diag_free(p->consumers[i].diag);
	}
	for (size_t i = 0; i < p->workers_count; i++)
		diag_free(p->workers[i].diag);
	free(p->memory);
	free(p->slots);
	free(p->workers);
	free(p->consumers);
	free(p->sources);
	pthread_cond_destroy(&p->filled);
	pthread_cond_destroy(&p->freed);
	pthread_cond_destroy(&p->ended);
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
		stop(p);
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

/* The packers of a build share sources; so do the partitions of different bundles. */
static size_t source_of(struct pass *p, const struct bundle_part *part)
{
	for (size_t i = 0; i < p->sources_count; i++)
		if (p->sources[i].img == part->img)
			return i;
	p->sources[p->sources_count] = (struct source){ .img = part->img, .name = part->name };
	return p->sources_count++;
}

static int check_part(const struct bundle_part *part, uint64_t *total, struct diag *d)
{
	if (part->len && part->len % 4096 == 0 && part->len >= image_len(part->img) && num_add(*total, part->len, total) &&
	    *total <= INT64_MAX)
		return 0;
	return diag_fail(d, MVP0501, part->loc.file ? &part->loc : NULL,
			 "the partition '%s' has %llu bytes and its content %llu; expected a multiple of 4096 that holds it", part->name,
			 (unsigned long long)part->len, (unsigned long long)image_len(part->img));
}

static int find_sources(struct pass *p, const struct bundle_job *jobs, size_t jobs_count, uint64_t *ret_total, struct diag *d)
{
	size_t max = 0;
	uint64_t total = 0;
	for (size_t i = 0; i < jobs_count; i++)
		max += jobs[i].bundle->parts_count;
	p->sources = mem_array(struct source, max);
	for (size_t i = 0; i < jobs_count; i++) {
		const struct bundle *b = jobs[i].bundle;
		uint64_t sum = 0;
		for (size_t k = 0; k < b->parts_count; k++) {
			if (check_part(&b->parts[k], &sum, d) < 0)
				return -1;
			struct source *s = &p->sources[source_of(p, &b->parts[k])];
			s->len = num_max(s->len, b->parts[k].len);
		}
		if (sum == 0)
			return diag_fail(d, MVP0501, NULL, "there is no partition to make a bundle of");
	}
	for (size_t i = 0; i < p->sources_count; i++)
		if (!num_add(total, p->sources[i].len, &total))
			return diag_fail(d, MVP0501, NULL, "the partitions of all bundles are too large together");
	*ret_total = total;
	return 0;
}

static int plan(struct pass *p, const struct bundle_job *job, struct diag *d)
{
	struct consumer *c = &p->consumers[p->consumers_count];
	c->packer = job->packer;
	c->b = job->bundle;
	c->parts = mem_array(size_t, p->sources_count);
	for (size_t i = 0; i < p->sources_count; i++)
		c->parts[i] = NO_PART;
	for (size_t i = 0; i < c->b->parts_count; i++)
		c->parts[source_of(p, &c->b->parts[i])] = i;
	p->consumers_count++;
	return c->packer->plan(c->b, &c->state, d);
}

int bundle_write(const struct bundle_job *jobs, size_t jobs_count, unsigned threads, progress_fn progress, void *progress_ctx,
		 struct bundle_outputs *ret_outputs, struct diag *d)
{
	uint64_t total = 0;
	struct pass p CLEANUP(pass_fini);
	pass_init(&p, threads, jobs_count);
	if (find_sources(&p, jobs, jobs_count, &total, d) < 0)
		return -1;
	for (size_t i = 0; i < jobs_count; i++) {
		(void)tmpfile_sweep(jobs[i].bundle->out_dir);
		if (plan(&p, &jobs[i], d) < 0)
			return -1;
	}
	if (run(&p, total, progress, progress_ctx, d) < 0)
		return -1;
	if (jobs[0].bundle->discard)
		return 0;
	for (size_t i = 0; i < jobs_count; i++) {
		const struct bundle *b = jobs[i].bundle;
		if (b->approve && (i == 0 || b != jobs[i - 1].bundle) && b->approve(b->approve_ctx, d) < 0)
			return -1;
	}
	for (size_t i = 0; i < jobs_count; i++)
		if (p.consumers[i].packer->publish(p.consumers[i].state, d) < 0)
			return -1;
	for (size_t i = 0; i < jobs_count; i++) {
		struct bundle_outputs *from = &p.consumers[i].outputs;
		for (size_t k = 0; k < from->count; k++) {
			mem_grow(&ret_outputs->v, ret_outputs->count, &ret_outputs->cap, sizeof(*ret_outputs->v));
			ret_outputs->v[ret_outputs->count++] = from->v[k];
		}
		from->count = 0;
	}
	if (progress)
		(void)progress(progress_ctx, "bundles", total, total);
	return 0;
}
