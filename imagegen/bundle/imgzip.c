#include "imagegen/bundle/imgzip.h"

#include <stdlib.h>

#include "imagegen/base/mem.h"

int imgzip_open(const struct bundle *b, const struct mstr *from_profile, const char *own, struct imgzip *ret, struct diag *d)
{
	*ret = (struct imgzip){ .b = b, .current = b->parts_count, .files = mem_array(struct imgfile, b->parts_count) };
	for (size_t i = 0; i < b->parts_count; i++) {
		char *image CLEANUP_FREE = bundle_image_name(&b->parts[i]);
		if (bundle_check_name("partition name", b->parts[i].name, d) < 0 || bundle_check_name("image name", image, d) < 0)
			return -1;
		if (!b->parts[i].own && imgfile_plan(&b->parts[i], true, &ret->files[i], d) < 0)
			return -1;
	}
	char *name CLEANUP_FREE = bundle_name(b, from_profile, own, NULL, d);
	if (!name || output_open(b->out_dir, name, &ret->out, d) < 0)
		return -1;
	ret->zip = zip_new(output_fd(ret->out), 0, b->epoch, output_path(ret->out));
	return 0;
}

bool imgzip_is_sparse(const struct imgzip *z, size_t part)
{
	return z->files[part].plan != NULL;
}

static int sink_write(void *ctx, const void *data, size_t len, struct diag *d)
{
	return zip_write(ctx, data, len, d);
}

static int end_part(struct imgzip *z, struct diag *d)
{
	if (z->current == z->b->parts_count)
		return 0;
	return imgfile_end(&z->files[z->current], d) < 0 ? -1 : zip_member_end(z->zip, d);
}

static int begin_part(struct imgzip *z, size_t part, struct diag *d)
{
	const struct bundle_part *p = &z->b->parts[part];
	const struct sparse_sink sink = { .write = sink_write, .ctx = z->zip };
	char *image CLEANUP_FREE = bundle_image_name(p);
	if (end_part(z, d) < 0 || zip_member(z->zip, image, 0644, p->encrypted ? ZIP_STORED : ZIP_DEFLATED, z->files[part].len, d) < 0)
		return -1;
	z->current = part;
	imgfile_begin(&z->files[part], &sink);
	return 0;
}

int imgzip_write(struct imgzip *z, size_t part, uint64_t at, const void *data, uint64_t len, struct diag *d)
{
	if (z->b->parts[part].own)
		return 0;
	if (part != z->current && begin_part(z, part, d) < 0)
		return -1;
	return imgfile_write(&z->files[part], at, data, len, d);
}

int imgzip_finish(struct imgzip *z, const char *format, struct bundle_outputs *outputs, struct diag *d)
{
	uint64_t len;
	if (end_part(z, d) < 0 || zip_end(z->zip, &len, d) < 0)
		return -1;
	return output_done(z->out, format, len, NULL, outputs, d);
}

void imgzip_fini(struct imgzip *z)
{
	for (size_t i = 0; z->files && i < z->b->parts_count; i++)
		imgfile_fini(&z->files[i]);
	free(z->files);
	zip_free(z->zip);
	output_free(z->out);
	*z = (struct imgzip){ 0 };
}
