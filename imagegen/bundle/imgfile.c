#include "imagegen/bundle/imgfile.h"

#include "imagegen/base/image.h"
#include "imagegen/base/num.h"

/* Nothing to gain from the sparse format: no hole that would have to be written or could be left out. */
static bool all_data(const struct bundle_part *p)
{
	uint64_t len = image_len(p->img);
	if (len == 0 || (p->fill && len != p->len))
		return false;
	struct extent e = image_extent(p->img, 0);
	return e.data && e.len == len;
}

int imgfile_plan(const struct bundle_part *p, bool allow_sparse, struct imgfile *ret, struct diag *d)
{
	const struct sparse_opts opts = { .len = p->len, .fill = p->fill };
	*ret = (struct imgfile){ .len = p->fill ? p->len : image_len(p->img) };
	if (!allow_sparse || all_data(p))
		return 0;
	if (sparse_plan_new(p->img, &opts, &ret->plan, d) < 0) {
		diag_note(d, "in the image of partition '%s'", p->name);
		return -1;
	}
	/* Flashers compare the file with the partition before they look into it. */
	if (sparse_plan_len(ret->plan, 0) <= p->len) {
		ret->len = sparse_plan_len(ret->plan, 0);
	} else {
		sparse_plan_free(ret->plan);
		ret->plan = NULL;
	}
	return 0;
}

void imgfile_begin(struct imgfile *f, const struct sparse_sink *sink)
{
	f->sink = *sink;
	if (f->plan)
		f->writer = sparse_new(f->plan, 0, sink);
}

int imgfile_write(struct imgfile *f, uint64_t at, const void *data, uint64_t len, struct diag *d)
{
	static const uint8_t zeros[65536];
	if (f->writer)
		return sparse_add(f->writer, data, len, d);
	if (at >= f->len)
		return 0;
	len = num_min(len, f->len - at); /* a raw image may end before the partition does */
	if (data)
		return f->sink.write(f->sink.ctx, data, (size_t)len, d);
	while (len) {
		size_t n = (size_t)num_min(len, sizeof(zeros));
		if (f->sink.write(f->sink.ctx, zeros, n, d) < 0)
			return -1;
		len -= n;
	}
	return 0;
}

int imgfile_end(struct imgfile *f, struct diag *d)
{
	int rc = f->writer ? sparse_end(f->writer, d) : 0;
	sparse_free(f->writer);
	f->writer = NULL;
	return rc;
}

void imgfile_fini(struct imgfile *f)
{
	sparse_free(f->writer);
	sparse_plan_free(f->plan);
	*f = (struct imgfile){ 0 };
}
