#include "imagegen/base/image.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"

struct image {
	atomic_uint refs;
	const struct image_ops *ops;
	void *ctx;
	uint64_t len;
};

uint64_t image_len(const struct image *img)
{
	return img->len;
}

int image_read(const struct image *img, uint64_t at, void *buf, size_t len, struct diag *d)
{
	assert(num_inside(at, len, img->len));
	if (!len)
		return 0;
	return diag_stopped(d) ? -1 : img->ops->read(img->ctx, at, buf, len, d);
}

struct extent image_extent(const struct image *img, uint64_t at)
{
	assert(at < img->len);
	struct extent e = img->ops->extent(img->ctx, at);
	assert(e.at <= at && at - e.at < e.len && num_inside(e.at, e.len, img->len));
	return e;
}

struct image *image_ref(struct image *img)
{
	atomic_fetch_add_explicit(&img->refs, 1, memory_order_relaxed);
	return img;
}

void image_free(struct image *img)
{
	/* Acquire and release: whoever drops the last reference sees everything the others did with the image. */
	if (!img || atomic_fetch_sub_explicit(&img->refs, 1, memory_order_acq_rel) != 1)
		return;
	if (img->ops->free)
		img->ops->free(img->ctx);
	free(img);
}

struct image *image_new(const struct image_ops *ops, void *ctx TAKES, uint64_t len)
{
	struct image *img = mem_new(struct image);
	atomic_init(&img->refs, 1);
	img->ops = ops;
	img->ctx = ctx;
	img->len = len;
	return img;
}

/* Data extents in ascending order, gaps are holes. Neighbours never touch, so that each is maximal. */
struct extents {
	struct extent *v;
	size_t count, cap;
	uint64_t total; /* bytes of the image */
};

static void extents_add(struct extents *x, uint64_t at, uint64_t len)
{
	if (len == 0)
		return;
	if (x->count && x->v[x->count - 1].at + x->v[x->count - 1].len == at) {
		x->v[x->count - 1].len += len;
		return;
	}
	assert(x->count == 0 || x->v[x->count - 1].at + x->v[x->count - 1].len < at);
	mem_grow(&x->v, x->count, &x->cap, sizeof(*x->v));
	x->v[x->count++] = (struct extent){ .at = at, .len = len, .data = true };
}

/* Index of the first extent that ends behind byte at; count if there is none. */
static size_t extents_from(const struct extents *x, uint64_t at)
{
	size_t lo = 0, hi = x->count;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (x->v[mid].at + x->v[mid].len <= at)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct extent extents_find(const struct extents *x, uint64_t at)
{
	size_t i = extents_from(x, at);
	if (i < x->count && x->v[i].at <= at)
		return x->v[i];
	uint64_t start = i ? x->v[i - 1].at + x->v[i - 1].len : 0;
	uint64_t end = i < x->count ? x->v[i].at : x->total;
	return (struct extent){ .at = start, .len = end - start, .data = false };
}

/* A hole. */

static int hole_read(void *ctx, uint64_t at, void *buf, size_t len, struct diag *d)
{
	(void)ctx;
	(void)at;
	(void)d;
	memset(buf, 0, len);
	return 0;
}

static struct extent hole_extent(void *ctx, uint64_t at)
{
	(void)at;
	return (struct extent){ .at = 0, .len = *(uint64_t *)ctx, .data = false };
}

static const struct image_ops hole_ops = { .read = hole_read, .extent = hole_extent, .free = free };

struct image *image_hole(uint64_t len)
{
	uint64_t *ctx = mem_new(uint64_t);
	*ctx = len;
	return image_new(&hole_ops, ctx, len);
}

/* Memory. */

struct mem_ctx {
	uint8_t *data;
	size_t len;
};

static int mem_read(void *ctx, uint64_t at, void *buf, size_t len, struct diag *d)
{
	(void)d;
	const struct mem_ctx *m = ctx;
	memcpy(buf, m->data + at, len);
	return 0;
}

static struct extent mem_extent(void *ctx, uint64_t at)
{
	(void)at;
	const struct mem_ctx *m = ctx;
	return (struct extent){ .at = 0, .len = m->len, .data = true };
}

static void mem_ctx_free(void *ctx)
{
	struct mem_ctx *m = ctx;
	free(m->data);
	free(m);
}

static const struct image_ops mem_ops = { .read = mem_read, .extent = mem_extent, .free = mem_ctx_free };

struct image *image_mem(void *buf TAKES, size_t len)
{
	struct mem_ctx *m = mem_new(struct mem_ctx);
	m->data = buf;
	m->len = len;
	return image_new(&mem_ops, m, len);
}

/* A file. */

struct fd_ctx {
	int fd;
	char *label;
	struct extents x;
};

static int fd_read(void *ctx, uint64_t at, void *buf, size_t len, struct diag *d)
{
	const struct fd_ctx *f = ctx;
	uint8_t *p = buf;
	while (len) {
		struct extent e = extents_find(&f->x, at);
		size_t n = (size_t)num_min(len, e.at + e.len - at);
		if (!e.data) {
			memset(p, 0, n);
		} else {
			int r = io_pread_all(f->fd, p, n, at);
			if (r < 0) {
				struct loc loc = LOC_AT(f->label, at);
				return diag_fail(d, MVP0801, &loc, "cannot read %zu bytes: %s", n,
						 r == -ENODATA ? "the file is shorter than when it was opened" : strerror(-r));
			}
		}
		p += n;
		at += n;
		len -= n;
	}
	return 0;
}

static struct extent fd_extent(void *ctx, uint64_t at)
{
	return extents_find(&((struct fd_ctx *)ctx)->x, at);
}

static void fd_ctx_free(void *ctx)
{
	struct fd_ctx *f = ctx;
	(void)close(f->fd); /* only read from */
	free(f->label);
	free(f->x.v);
	free(f);
}

static const struct image_ops fd_ops = { .read = fd_read, .extent = fd_extent, .free = fd_ctx_free };

struct image *image_fd(int fd TAKES, uint64_t len, struct extent *extents TAKES, size_t extents_count, const char *label)
{
	struct fd_ctx *f = mem_new(struct fd_ctx);
	f->fd = fd;
	f->label = mem_strdup(label);
	f->x.total = len;
	for (size_t i = 0; i < extents_count; i++) {
		assert(num_inside(extents[i].at, extents[i].len, len));
		extents_add(&f->x, extents[i].at, extents[i].len);
	}
	free(extents);
	return image_new(&fd_ops, f, len);
}

/* A composition. Nested compositions are taken apart when they are put in, and the extents are known from the start: a look-up is one
 * binary search however deep the nesting was. */

struct compose_ctx {
	struct image_piece *pieces; /* each holds a reference; ascending, none empty, none a composition */
	size_t count, cap;
	struct extents x;
};

/* Index of the first piece that ends behind byte at; count if there is none. */
static size_t compose_from(const struct compose_ctx *c, uint64_t at)
{
	size_t lo = 0, hi = c->count;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (c->pieces[mid].at + c->pieces[mid].img->len <= at)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int compose_read(void *ctx, uint64_t at, void *buf, size_t len, struct diag *d)
{
	const struct compose_ctx *c = ctx;
	uint8_t *p = buf;
	for (size_t i = compose_from(c, at); len; i++) {
		uint64_t start = i < c->count ? c->pieces[i].at : UINT64_MAX;
		if (start > at) {
			size_t gap = (size_t)num_min(len, start - at);
			memset(p, 0, gap);
			p += gap;
			at += gap;
			len -= gap;
		}
		if (len == 0)
			break;
		const struct image *img = c->pieces[i].img;
		size_t n = (size_t)num_min(len, img->len - (at - start));
		if (image_read(img, at - start, p, n, d) < 0)
			return -1;
		p += n;
		at += n;
		len -= n;
	}
	return 0;
}

static struct extent compose_extent(void *ctx, uint64_t at)
{
	return extents_find(&((struct compose_ctx *)ctx)->x, at);
}

static void compose_free(void *ctx)
{
	struct compose_ctx *c = ctx;
	for (size_t i = 0; i < c->count; i++)
		image_free(c->pieces[i].img);
	free(c->pieces);
	free(c->x.v);
	free(c);
}

static const struct image_ops compose_ops = { .read = compose_read, .extent = compose_extent, .free = compose_free };

static void compose_add(struct compose_ctx *c, struct image *img, uint64_t at)
{
	if (img->len == 0)
		return;
	mem_grow(&c->pieces, c->count, &c->cap, sizeof(*c->pieces));
	c->pieces[c->count++] = (struct image_piece){ .img = image_ref(img), .at = at };
	for (uint64_t pos = 0; pos < img->len;) {
		struct extent e = image_extent(img, pos);
		if (e.data)
			extents_add(&c->x, at + pos, e.at + e.len - pos);
		pos = e.at + e.len;
	}
}

struct image *image_compose(uint64_t len, const struct image_piece *pieces, size_t pieces_count)
{
	struct compose_ctx *c = mem_new(struct compose_ctx);
	c->x.total = len;
	uint64_t end = 0;
	for (size_t i = 0; i < pieces_count; i++) {
		struct image *img = pieces[i].img;
		assert(pieces[i].at >= end && num_inside(pieces[i].at, img->len, len));
		end = pieces[i].at + img->len;
		if (img->ops != &compose_ops) {
			compose_add(c, img, pieces[i].at);
			continue;
		}
		const struct compose_ctx *inner = img->ctx;
		for (size_t k = 0; k < inner->count; k++)
			compose_add(c, inner->pieces[k].img, pieces[i].at + inner->pieces[k].at);
	}
	return image_new(&compose_ops, c, len);
}

/* A slice. */

struct slice_ctx {
	struct image *img;
	uint64_t at, len;
};

static int slice_read(void *ctx, uint64_t at, void *buf, size_t len, struct diag *d)
{
	const struct slice_ctx *s = ctx;
	return image_read(s->img, s->at + at, buf, len, d);
}

static struct extent slice_extent(void *ctx, uint64_t at)
{
	const struct slice_ctx *s = ctx;
	struct extent e = image_extent(s->img, s->at + at);
	uint64_t start = num_max(e.at, s->at), end = num_min(e.at + e.len, s->at + s->len);
	return (struct extent){ .at = start - s->at, .len = end - start, .data = e.data };
}

static void slice_free(void *ctx)
{
	struct slice_ctx *s = ctx;
	image_free(s->img);
	free(s);
}

static const struct image_ops slice_ops = { .read = slice_read, .extent = slice_extent, .free = slice_free };

struct image *image_slice(struct image *img, uint64_t at, uint64_t len)
{
	assert(num_inside(at, len, img->len));
	struct slice_ctx *s = mem_new(struct slice_ctx);
	*s = (struct slice_ctx){ .img = image_ref(img), .at = at, .len = len };
	return image_new(&slice_ops, s, len);
}

/* Without holes. */

static int solid_read(void *ctx, uint64_t at, void *buf, size_t len, struct diag *d)
{
	return image_read(ctx, at, buf, len, d);
}

static struct extent solid_extent(void *ctx, uint64_t at)
{
	(void)at;
	return (struct extent){ .len = image_len(ctx), .data = true };
}

static void solid_free(void *ctx)
{
	image_free(ctx);
}

static const struct image_ops solid_ops = { .read = solid_read, .extent = solid_extent, .free = solid_free };

struct image *image_solid(struct image *img)
{
	return image_new(&solid_ops, image_ref(img), img->len);
}
