/* Factory package for fastboot: NAME-factory-VERSION.zip holds the update package (an image per partition) and scripts that flash it. */
#include <isa-l.h>
#include <stdlib.h>
#include <string.h>

#include "imagegen/base/buf.h"
#include "imagegen/base/bytes.h"
#include "imagegen/base/diag.h"
#include "imagegen/base/mem.h"
#include "imagegen/bundle/fastboot_scripts.h"
#include "imagegen/bundle/imgfile.h"
#include "imagegen/bundle/kept.h"
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
	struct kept *kept;         /* it, in the cache; given: it was found there */
	bool given;
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
	kept_free(s->kept);
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

static int give_packed(void *ctx, const void *data, size_t len, struct diag *d)
{
	return zip_write_packed(ctx, data, len, d);
}

static void keep_packed(void *ctx, const void *data, size_t len)
{
	kept_add(ctx, data, len);
}

/* The member from the cache, if it is there; else it will be. */
static int look_for(struct fastboot *s, struct diag *d)
{
	const struct member *m = &s->members[s->current];
	char *how CLEANUP_FREE = mem_printf("deflate by ISA-L %d.%d.%d", ISAL_MAJOR_VERSION, ISAL_MINOR_VERSION, ISAL_PATCH_VERSION);
	uint8_t note[KEPT_NOTE_LEN];
	if (m->method != ZIP_DEFLATED)
		return 0;
	s->kept = kept_open(s->b->cache, &s->b->parts[s->current], m->file.len, how);
	s->given = kept_found(s->kept);
	if (!s->given && s->kept)
		zip_tee(s->inner, keep_packed, s->kept);
	if (!s->given)
		return 0;
	if (kept_read(s->kept, give_packed, s->inner, note, d) < 0)
		return -1;
	return zip_packed_end(s->inner, get_le32(note + 8), get_le64(note), d);
}

static void keep(struct fastboot *s)
{
	uint8_t note[KEPT_NOTE_LEN] = { 0 };
	uint64_t len;
	uint32_t crc;
	zip_last(s->inner, &crc, &len);
	put_le64(note, len);
	put_le32(note + 8, crc);
	kept_end(s->kept, note);
}

static int end_member(struct fastboot *s, struct diag *d)
{
	if (s->current == s->b->parts_count)
		return 0;
	if (!s->given) {
		if (imgfile_end(&s->members[s->current].file, d) < 0 || zip_member_end(s->inner, d) < 0)
			return -1;
		keep(s);
	}
	kept_freep(&s->kept);
	s->given = false;
	return 0;
}

static int begin_member(struct fastboot *s, size_t part, struct diag *d)
{
	struct member *m = &s->members[part];
	const struct sparse_sink sink = { .write = sink_write, .ctx = s->inner };
	if (end_member(s, d) < 0 || zip_member(s->inner, m->name, 0644, m->method, m->file.len, d) < 0)
		return -1;
	s->current = part;
	if (look_for(s, d) < 0)
		return -1;
	if (!s->given)
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
	return s->given ? 0 : imgfile_write(&s->members[part].file, at, data, len, d);
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
