/* Factory package for fastboot: NAME-factory-VERSION.zip holds the update package (an image per partition) and scripts that flash it. */
#include <stdlib.h>
#include <string.h>

#include "imagegen/base/buf.h"
#include "imagegen/base/diag.h"
#include "imagegen/base/mem.h"
#include "imagegen/bundle/fastboot_scripts.h"
#include "imagegen/bundle/imgfile.h"
#include "imagegen/bundle/output.h"
#include "imagegen/zip/zip.h"

struct member {
	char *name;
	struct imgfile file;
	enum zip_method method;
};

struct fastboot {
	const struct bundle *b;
	struct output *out;
	struct zip *outer, *inner; /* inner: the update package, written in its place in outer */
	struct member *members;    /* as many as partitions */
	size_t current;            /* the member being written; parts_count before the first */
};

static void fastboot_free(void *state)
{
	struct fastboot *s = state;
	if (!s)
		return;
	for (size_t i = 0; s->members && i < s->b->parts_count; i++) {
		free(s->members[i].name);
		imgfile_fini(&s->members[i].file);
	}
	free(s->members);
	zip_free(s->inner);
	zip_free(s->outer);
	output_free(s->out);
	free(s);
}
DEFINE_FREEP(void, fastboot_free)

static int plan_member(const struct bundle_part *p, struct member *m, struct diag *d)
{
	m->name = bundle_image_name(p);
	if (bundle_check_name("partition name", p->name, d) < 0 || bundle_check_name("image name", m->name, d) < 0)
		return -1;
	m->method = p->encrypted ? ZIP_STORED : ZIP_DEFLATED; /* ciphertext does not shrink */
	return imgfile_plan(p, true, &m->file, d);
}

static int add_text(struct zip *z, const char *name, uint32_t mode, struct buf *text, struct diag *d)
{
	if (buf_error(text))
		return diag_fail(d, MVP0001, NULL, "no memory for the scripts of a bundle");
	return zip_add(z, name, mode, ZIP_DEFLATED, text->data, text->len, d);
}

/* Everything in front of the first partition's image. */
static int write_front(struct fastboot *s, uint64_t inner_max, struct diag *d)
{
	const struct bundle *b = s->b;
	struct buf sh CLEANUP(buf_fini) = BUF_INIT;
	struct buf bat CLEANUP(buf_fini) = BUF_INIT;
	struct buf android_info CLEANUP(buf_fini) = BUF_INIT;
	struct buf fastboot_info CLEANUP(buf_fini) = BUF_INIT;
	char *sh_name CLEANUP_FREE = mem_printf("%s-factory-%s/flash-all.sh", b->product, b->version);
	char *bat_name CLEANUP_FREE = mem_printf("%s-factory-%s/flash-all.bat", b->product, b->version);
	char *inner_name CLEANUP_FREE = mem_printf("%s-factory-%s/image-%s-%s.zip", b->product, b->version, b->product, b->version);
	fastboot_emit_sh(b, &sh);
	fastboot_emit_bat(b, &bat);
	fastboot_emit_android_info(b, &android_info);
	fastboot_emit_fastboot_info(b, &fastboot_info);
	inner_max += zip_bound(android_info.len, "android-info.txt") + zip_bound(fastboot_info.len, "fastboot-info.txt");

	if (add_text(s->outer, sh_name, 0755, &sh, d) < 0 || add_text(s->outer, bat_name, 0644, &bat, d) < 0 ||
	    zip_archive(s->outer, inner_name, 0644, inner_max, &s->inner, d) < 0)
		return -1;
	if (add_text(s->inner, "android-info.txt", 0644, &android_info, d) < 0)
		return -1;
	return add_text(s->inner, "fastboot-info.txt", 0644, &fastboot_info, d);
}

static int fastboot_plan(const struct bundle *b, void **ret_state, struct diag *d)
{
	void *state CLEANUP(fastboot_freep) = mem_new(struct fastboot);
	struct fastboot *s = state;
	uint64_t inner_max = 0;
	if (bundle_check_name("product name", b->product, d) < 0 || bundle_check_name("version", b->version, d) < 0 ||
	    bundle_check_name("board name", b->board, d) < 0)
		return -1;
	s->b = b;
	s->current = b->parts_count;
	s->members = mem_array(struct member, b->parts_count);
	for (size_t i = 0; i < b->parts_count; i++) {
		if (b->parts[i].own)
			continue;
		if (plan_member(&b->parts[i], &s->members[i], d) < 0)
			return -1;
		inner_max += zip_bound(s->members[i].file.len, s->members[i].name);
	}
	char *name CLEANUP_FREE = bundle_name(b, b->oem ? &b->oem->names.fastboot : NULL, "{product}-factory-{version}.zip", NULL, d);
	if (!name || output_open(b->out_dir, name, &s->out, d) < 0)
		return -1;
	s->outer = zip_new(output_fd(s->out), 0, b->epoch, output_path(s->out));
	if (write_front(s, inner_max, d) < 0)
		return -1;
	*ret_state = TAKE(state);
	return 0;
}

static int sink_write(void *ctx, const void *data, size_t len, struct diag *d)
{
	return zip_write(ctx, data, len, d);
}

static int end_member(struct fastboot *s, struct diag *d)
{
	if (s->current == s->b->parts_count)
		return 0;
	return imgfile_end(&s->members[s->current].file, d) < 0 ? -1 : zip_member_end(s->inner, d);
}

static int begin_member(struct fastboot *s, size_t part, struct diag *d)
{
	struct member *m = &s->members[part];
	const struct sparse_sink sink = { .write = sink_write, .ctx = s->inner };
	if (end_member(s, d) < 0 || zip_member(s->inner, m->name, 0644, m->method, m->file.len, d) < 0)
		return -1;
	s->current = part;
	imgfile_begin(&m->file, &sink);
	return 0;
}

static int fastboot_write(void *state, size_t part, uint64_t at, const void *data, uint64_t len, struct diag *d)
{
	struct fastboot *s = state;
	if (s->b->parts[part].own)
		return 0;
	if (part != s->current && begin_member(s, part, d) < 0)
		return -1;
	return imgfile_write(&s->members[part].file, at, data, len, d);
}

static int fastboot_finish(void *state, struct bundle_outputs *outputs, struct diag *d)
{
	struct fastboot *s = state;
	uint64_t len;
	if (end_member(s, d) < 0 || zip_archive_end(s->outer, TAKE(s->inner), d) < 0 || zip_end(s->outer, &len, d) < 0)
		return -1;
	/* Read back, since headers were filled in behind the data. */
	return output_done(s->out, "fastboot", len, NULL, outputs, d);
}

static int fastboot_publish(void *state, struct diag *d)
{
	struct fastboot *s = state;
	return output_publish(s->out, d);
}

const struct packer packer_fastboot = {
	.name = "fastboot",
	.summary = "factory zip for fastboot: sparse images, android-info.txt, flash-all scripts",
	.plan = fastboot_plan,
	.write = fastboot_write,
	.finish = fastboot_finish,
	.publish = fastboot_publish,
	.free = fastboot_free,
};
