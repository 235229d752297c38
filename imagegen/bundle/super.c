/* The super partition alone: super.img, sparse, and super_empty.img, which has its metadata and no content. For `fastboot flash super`,
 * `fastboot update-super`, and for tools that put a package together themselves. */
#include <stdlib.h>

#include "imagegen/base/mem.h"
#include "imagegen/bundle/imgfile.h"
#include "imagegen/bundle/output.h"

struct super {
	const struct bundle *b;
	size_t part;
	struct imgfile file;
	struct output *out, *empty;
	uint64_t at; /* bytes written */
};

static void super_free(void *state)
{
	struct super *s = state;
	if (!s)
		return;
	imgfile_fini(&s->file);
	output_free(s->out);
	output_free(s->empty);
	free(s);
}
DEFINE_FREEP(void, super_free)

static int sink_write(void *ctx, const void *data, size_t len, struct diag *d)
{
	struct super *s = ctx;
	if (output_write(s->out, data, len, s->at, d) < 0)
		return -1;
	s->at += len;
	return 0;
}

static int super_plan(const struct bundle *b, void **ret_state, struct diag *d)
{
	void *state CLEANUP(super_freep) = mem_new(struct super);
	struct super *s = state;
	const struct sparse_sink sink = { .write = sink_write, .ctx = s };
	s->b = b;
	while (s->part < b->parts_count && !b->parts[s->part].super)
		s->part++;
	if (s->part == b->parts_count)
		return diag_fail(d, MVP0553, NULL, "the bundle format 'super' needs a profile that has partitions with 'in: super'");
	char *name CLEANUP_FREE = bundle_name(b, &b->oem->names.super, "{product}-{version}-super.img", NULL, d);
	char *empty CLEANUP_FREE = mem_printf("%s-%s-super_empty.img", b->product, b->version);
	const struct bundle_part *p = &b->parts[s->part];
	if (!name || bundle_check_name("file name", empty, d) < 0 || imgfile_plan(p, true, &s->file, d) < 0 ||
	    output_open(b->out_dir, name, &s->out, d) < 0 || output_open(b->out_dir, empty, &s->empty, d) < 0 ||
	    output_write(s->empty, p->super->data, p->super->len, 0, d) < 0)
		return -1;
	imgfile_begin(&s->file, &sink);
	*ret_state = TAKE(state);
	return 0;
}

static int super_write(void *state, size_t part, uint64_t at, const void *data, uint64_t len, struct diag *d)
{
	struct super *s = state;
	return part == s->part ? imgfile_write(&s->file, at, data, len, d) : 0;
}

static int super_finish(void *state, struct bundle_outputs *outputs, struct diag *d)
{
	struct super *s = state;
	if (imgfile_end(&s->file, d) < 0 || output_done(s->out, "super", s->at, NULL, outputs, d) < 0)
		return -1;
	return output_done(s->empty, "super", s->b->parts[s->part].super->len, NULL, outputs, d);
}

static int super_publish(void *state, struct diag *d)
{
	struct super *s = state;
	return output_publish(s->out, d) < 0 ? -1 : output_publish(s->empty, d);
}

const struct packer packer_super = {
	.name = "super",
	.summary = "Android super partition (sparse) and super_empty.img",
	.plan = super_plan,
	.write = super_write,
	.finish = super_finish,
	.publish = super_publish,
	.free = super_free,
};
