/* From what the build made and how a profile lays the flash out to the partitions of a bundle. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imagegen/base/foreign.h"
#include "imagegen/base/image.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/base/text.h"
#include "imagegen/bundle/output.h"
#include "imagegen/lp/lp_write.h"

/* Partitions begin and end at multiples of it: what the partition tables that we write ask for. */
#define ALIGN MIB

static bool persona(const char *content)
{
	return !strcmp(content, "personal") || !strcmp(content, "work");
}

static int open_file(const struct oem_part *p, const char *path, struct image **ret, struct diag *d)
{
	int fd CLEANUP(fd_closep) = io_open_input(path);
	struct stat st;
	if (fd == -ENOENT && oem_yes(&p->optional))
		return 0;
	if (fd < 0)
		return diag_fail(d, MVP0554, &p->file.loc, "cannot open '%s' for the partition '%s': %s", path, p->name.s,
				 io_open_error(fd));
	if (fstat(fd, &st) < 0)
		return diag_fail(d, MVP0554, &p->file.loc, "cannot open '%s' for the partition '%s': %s", path, p->name.s, strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		return diag_fail(d, MVP0554, &p->file.loc, "'%s' for the partition '%s' is %s", path, p->name.s,
				 S_ISREG(st.st_mode) ? "empty" : "no file");
	struct extent *all = mem_new(struct extent);
	*all = (struct extent){ .len = (uint64_t)st.st_size, .data = true };
	*ret = image_fd(fd, (uint64_t)st.st_size, all, 1, path);
	fd = -1;
	return 0;
}

static struct bundle_part *add(struct bundle_parts *r, struct image *img, bool owned)
{
	struct bundle_part *p = &r->v[r->count++];
	*p = (struct bundle_part){ .img = img };
	if (owned)
		r->images[r->images_count++] = img;
	return p;
}

/* The size a partition gets; what does not fit is the profile's fault. */
static int decide_len(const struct oem_part *o, struct bundle_part *p, struct diag *d)
{
	char need[TEXT_SIZE_LEN], has[TEXT_SIZE_LEN];
	uint64_t len = image_len(p->img);
	if (o && o->size.v && o->size.v < len)
		return diag_fail(d, MVP0501, &o->size.loc, "the partition '%s' has %s, its content %s", p->name, text_size(o->size.v, has),
				 text_size(len, need));
	if (o)
		len = o->size.v ? o->size.v : num_max(len, o->min_size.v);
	if (!num_align_up(len, ALIGN, &p->len) || p->len > INT64_MAX / 4)
		return diag_fail(d, MVP0501, &p->loc, "the partition '%s' is too large", p->name);
	return 0;
}

static const struct bundle_content *find(const struct bundle_content *contents, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(contents[i].name, name))
			return &contents[i];
	return NULL;
}

static int add_from_profile(const struct oem_part *o, const struct manifest *m, const struct bundle_content *contents,
			    size_t contents_count, struct bundle_parts *r, struct diag *d)
{
	const struct bundle_content *c = o->content.s ? find(contents, contents_count, o->content.s) : NULL;
	struct image *img = NULL;
	if (o->content.s && !c && !o->size.v)
		return diag_fail(d, MVP0554, &o->content.loc,
				 "the build makes no '%s' for the partition '%s', which has no size of its own", o->content.s, o->name.s);
	if (o->file.s) {
		char *path CLEANUP_FREE = manifest_path(m, o->file.s);
		if (open_file(o, path, &img, d) < 0)
			return -1;
		if (!img && !o->size.v)
			return 0; /* optional, and nothing says how much room to leave */
	}
	struct bundle_part *p = c ? add(r, c->img, false) : add(r, img ? img : image_hole(0), true);
	p->name = o->name.s;
	p->file = o->image.s;
	p->id = c ? c->id : NULL;
	p->encrypted = c && c->encrypted;
	p->fill = c ? c->fill : img != NULL;
	p->own = c ? c->own : !img;
	p->slots = oem_yes(&o->slots);
	p->dynamic = o->in.s != NULL;
	p->persona = c && persona(c->name);
	p->lun = (uint32_t)o->lun.v;
	p->archive = o->archive.s ? o->archive.s : "AP";
	p->loc = o->loc;
	return decide_len(o, p, d);
}

static int add_unnamed(const struct bundle_content *c, const struct oem *o, struct bundle_parts *r, struct diag *d)
{
	for (size_t i = 0; o && i < oem_parts_count(o); i++)
		if (oem_part(o, i)->content.s && !strcmp(oem_part(o, i)->content.s, c->name))
			return 0;
	for (size_t i = 0; i < r->count; i++)
		if (!strcmp(r->v[i].name, c->name))
			return diag_fail(d, MVP0552, &r->v[i].loc, "the partition '%s' must say 'content: %s': the build makes it", c->name,
					 c->name);
	struct bundle_part *p = add(r, c->img, false);
	p->name = c->name;
	p->id = c->id;
	p->encrypted = c->encrypted;
	p->fill = c->fill;
	p->own = c->own;
	p->persona = persona(c->name);
	p->archive = "AP";
	return decide_len(NULL, p, d);
}

/* Logical partitions of a profile, with both slots of those that have slots: A has the content, B is empty until an update fills it. */
static int compose_super(const struct oem *o, const struct bundle_part *parts, size_t count, struct bundle_parts *r, struct image **ret,
			 struct diag *d)
{
	struct lp_new *logical CLEANUP_FREE = mem_array(struct lp_new, 2 * count);
	char **names = mem_array(char *, 2 * count);
	const struct lp_group groups[] = { { .name = "main_a" }, { .name = "main_b" } };
	struct lp_opts lo = { .device = o->super.name.s,
			      .len = o->super.size.v,
			      .metadata_len = o->super.metadata_size.given ? (uint32_t)o->super.metadata_size.v : 65536,
			      .slots = o->super.metadata_slots.given ? (uint32_t)o->super.metadata_slots.v : 2,
			      .virtual_ab = oem_yes(&o->super.virtual_ab),
			      .groups = groups,
			      .groups_count = ARRAY_LEN(groups),
			      .parts = logical,
			      .loc = o->super.name.loc };
	for (size_t i = 0; i < count; i++) {
		for (unsigned slot = 0; slot < (parts[i].slots ? 2u : 1u); slot++) {
			char *name = mem_printf("%s%s", parts[i].name, !parts[i].slots ? "" : slot ? "_b" : "_a");
			names[lo.parts_count] = name;
			logical[lo.parts_count++] = (struct lp_new){
				.name = name,
				.attributes = LP_READONLY,
				.group = parts[i].slots ? slot + 1 : 0,
				.img = slot || parts[i].own ? NULL : parts[i].img,
			};
		}
	}
	int rc = lp_compose(&lo, ret, &r->super_empty, d);
	for (size_t i = 0; i < lo.parts_count; i++)
		free(names[i]);
	free(names);
	return rc;
}

/* The logical partitions give way to the one that holds them, in the place of the first. */
static int fold_super(const struct oem *o, struct bundle_parts *r, struct diag *d)
{
	struct bundle_part *logical CLEANUP_FREE = mem_array(struct bundle_part, r->count);
	size_t count = 0, kept = 0, first = 0;
	struct image *img = NULL;
	for (size_t i = 0; i < r->count; i++) {
		if (r->v[i].dynamic) {
			first = count ? first : kept;
			kept += count == 0; /* its place */
			logical[count++] = r->v[i];
		} else {
			r->v[kept++] = r->v[i];
		}
	}
	if (!count)
		return 0;
	if (compose_super(o, logical, count, r, &img, d) < 0)
		return -1;
	r->images[r->images_count++] = img;
	r->count = kept;
	r->v[first] = (struct bundle_part){ .name = o->super.name.s,
					    .img = img,
					    .fill = true,
					    .archive = "AP",
					    .super = &r->super_empty,
					    .loc = o->super.name.loc,
					    .len = align_up(image_len(img), ALIGN) };
	return 0;
}

int bundle_parts_plan(const struct oem *o, const struct manifest *m, const struct bundle_content *contents, size_t contents_count,
		      struct bundle_parts *ret, struct diag *d)
{
	size_t max = contents_count + (o ? oem_parts_count(o) : 0);
	struct bundle_parts r CLEANUP(bundle_parts_fini) = { .v = mem_array(struct bundle_part, max) };
	int rc = 0;
	r.super_empty = BUF_INIT;
	r.images = mem_array(struct image *, max + 1);
	for (size_t i = 0; o && i < oem_parts_count(o); i++)
		rc |= add_from_profile(oem_part(o, i), m, contents, contents_count, &r, d);
	for (size_t i = 0; i < contents_count; i++)
		rc |= add_unnamed(&contents[i], o, &r, d);
	r.update = mem_array(struct bundle_part, r.count);
	for (size_t i = 0; i < r.count; i++)
		if (r.v[i].slots && !r.v[i].own)
			r.update[r.update_count++] = r.v[i];
	if (rc || (o && o->super.name.s && fold_super(o, &r, d) < 0))
		return -1;
	*ret = r;
	r = (struct bundle_parts){ 0 };
	for (size_t i = 0; i < ret->count; i++)
		if (ret->v[i].super)
			ret->v[i].super = &ret->super_empty;
	return 0;
}

void bundle_parts_fini(struct bundle_parts *p)
{
	for (size_t i = 0; i < p->images_count; i++)
		image_free(p->images[i]);
	buf_fini(&p->super_empty);
	free(p->images);
	free(p->update);
	free(p->v);
	*p = (struct bundle_parts){ 0 };
}
