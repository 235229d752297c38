#include "imagegen/graph/pack.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/cache/digest.h"
#include "imagegen/crypt/luks2.h"
#include "imagegen/oem/carrier.h"
#include "imagegen/oem/oem.h"

enum { OEM_MAX = 16, PACKERS_MAX = 16 };

/* What one profile's tools get. */
struct variant {
	struct oem *oem;
	const struct packer *packers[PACKERS_MAX];
	size_t packers_count;
	struct bundle_parts parts;
	struct bundle bundle, update;
	struct bundle_part *persona; /* what an update of a persona replaces */
	char *out_dir;
	bool made_out_dir; /* this run made it, and has put nothing there */
};

struct pack {
	const struct manifest *m;
	const struct board *board;
	const struct build_opts *opts;
	struct carrier *carrier;
	struct variant variants[OEM_MAX];
	size_t count;
};

static int load_oems(struct pack *p, struct diag *d)
{
	const struct mstr asked = { .s = (char *)(uintptr_t)(p->opts->oem ? p->opts->oem : "generic") };
	struct mstrs one = { .v = (struct mstr *)(uintptr_t)&asked, .count = 1 };
	const struct mstrs *names = p->opts->oem || !p->m->oem.count ? &one : &p->m->oem;
	int rc = 0;
	for (size_t i = 0; i < names->count; i++) {
		if (p->count == OEM_MAX)
			return diag_fail(d, MVP0550, &names->v[i].loc, "more than %d OEM profiles in one build", OEM_MAX);
		if (oem_load(p->m, &names->v[i], &p->variants[p->count].oem, d)) {
			rc = -1;
			continue;
		}
		for (size_t k = 0; k < p->count; k++) {
			if (!strcmp(p->variants[k].oem->name.s, p->variants[p->count].oem->name.s))
				rc = diag_fail(d, MVP0550, &names->v[i].loc, "two OEM profiles are named '%s'", p->variants[k].oem->name.s);
		}
		p->count++;
	}
	return rc;
}

static int load_carrier(struct pack *p, struct diag *d)
{
	const struct mstr asked = { .s = (char *)(uintptr_t)p->opts->carrier };
	const struct mstr *name = p->opts->carrier ? &asked : &p->m->carrier;
	return name->s ? carrier_load(p->m, name, &p->carrier, d) : 0;
}

static int add_packer(struct variant *v, const char *name, const struct loc *loc, struct diag *d)
{
	const struct packer *p = packer_find(name);
	if (!p) {
		size_t count;
		const struct packer *const *all = packer_all(&count);
		const char *names[PACKERS_MAX];
		for (size_t i = 0; i < count && i < PACKERS_MAX; i++)
			names[i] = all[i]->name;
		(void)diag_fail(d, MVP0551, loc, "there is no bundle format '%s'", name);
		diag_hint_nearest(d, name, names, num_min(count, PACKERS_MAX));
		return -1;
	}
	for (size_t i = 0; i < v->packers_count; i++) {
		if (v->packers[i] == p)
			return 0;
	}
	if (v->packers_count == PACKERS_MAX)
		return diag_fail(d, MVP0551, loc, "more than %d bundle formats", PACKERS_MAX);
	v->packers[v->packers_count++] = p;
	return 0;
}

/* Those asked for, else those of the profile, each once. */
static int choose_packers(const struct build_opts *opts, struct variant *v, struct diag *d)
{
	int rc = 0;
	for (size_t i = 0; i < opts->formats_count && !rc; i++)
		rc = add_packer(v, opts->formats[i], NULL, d);
	for (size_t k = 0; !opts->formats_count && k < v->oem->bundles.count; k++)
		rc |= add_packer(v, v->oem->bundles.v[k].s, &v->oem->bundles.v[k].loc, d);
	return rc;
}

static uint32_t boot_header(const struct pack *p, size_t variant)
{
	const struct mnum *header = &p->variants[variant].oem->boot_header;
	return header->given ? (uint32_t)header->v : 4;
}

/* There is one boot image: its hash is in what the maker signs. */
static int check_boot_headers(const struct pack *p, struct diag *d)
{
	int rc = 0;
	for (size_t i = 0; i < p->count; i++) {
		const struct mnum *header = &p->variants[i].oem->boot_header;
		unsigned wanted = boot_header(p, i), first = boot_header(p, 0);
		if (wanted == 3)
			rc = diag_fail(d, MVP0556, &header->loc, "boot images of version 3 are not made; 2 and 4 are");
		else if (wanted != first)
			rc = diag_fail(d, MVP0556, &header->loc,
				       "the profile '%s' wants a boot image of version %u and '%s' one of version %u: build them one by "
				       "one with --oem",
				       p->variants[i].oem->name.s, wanted, p->variants[0].oem->name.s, first);
		else if (wanted == 2 && p->board->load.v > UINT32_MAX)
			rc = diag_fail(d, MVP0556, &header->loc,
				       "a boot image of version 2 loads below 4 GiB, where the board's 'firmware.load' is not");
	}
	return rc;
}

uint32_t pack_boot_header(const struct pack *p)
{
	return boot_header(p, 0);
}

int pack_plan(const struct manifest *m, const struct board *board, const struct build_opts *opts, struct pack **ret, struct diag *d)
{
	struct pack *p = mem_new(struct pack);
	int rc;
	*p = (struct pack){ .m = m, .board = board, .opts = opts };
	*ret = p;
	rc = load_oems(p, d) | load_carrier(p, d);
	rc |= check_boot_headers(p, d);
	for (size_t i = 0; i < p->count; i++) {
		struct variant *v = &p->variants[i];
		int failed = choose_packers(opts, v, d);
		rc |= failed;
		if (failed && opts->formats_count)
			break; /* the command line is wrong, not each profile */
		v->out_dir = p->count > 1 ? mem_printf("%s/%s", opts->out_dir, v->oem->name.s) : mem_strdup(opts->out_dir);
	}
	return rc ? -1 : 0;
}

void pack_free(struct pack *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->count; i++) {
		struct variant *v = &p->variants[i];
		bundle_parts_fini(&v->parts);
		free(v->persona);
		if (v->made_out_dir)
			(void)rmdir(v->out_dir);
		free(v->out_dir);
		oem_free(v->oem);
	}
	carrier_free(p->carrier);
	free(p);
}

const struct carrier *pack_carrier(const struct pack *p)
{
	return p->carrier;
}

static void derive_part_uuid(const struct pack_opts *o, const struct bundle_part *part, unsigned slot, uint8_t ret[16])
{
	char *info CLEANUP_FREE = mem_printf("mvp handset partition %s%s uuid", part->name, !part->slots ? "" : slot ? "_b" : "_a");
	derive_uuid(o->master, o->digest, info, ret);
}

/* An update of a persona alone: the partitions of a slot of its disk. */
static void update_persona(struct variant *v, const struct persona_disk *disk, size_t component)
{
	v->persona = mem_array(struct bundle_part, disk->parts_count + 1);
	for (size_t i = 0; i < disk->parts_count; i++) {
		const struct persona_part *from = &disk->parts[i];
		v->persona[i] =
			(struct bundle_part){ .name = from->name, .img = from->img, .len = from->len, .fill = true, .loc = from->loc };
	}
	v->update.parts = v->persona;
	v->update.parts_count = disk->parts_count;
	v->update.component = component;
}

static int plan_variant(struct pack *p, struct variant *v, const struct pack_opts *o, struct diag *d)
{
	if (bundle_parts_plan(v->oem, p->m, o->contents, o->contents_count, &v->parts, d))
		return -1;
	for (size_t i = 0; i < v->parts.count; i++) {
		derive_part_uuid(o, &v->parts.v[i], 0, v->parts.v[i].uuid[0]);
		derive_part_uuid(o, &v->parts.v[i], 1, v->parts.v[i].uuid[1]);
	}
	v->bundle = (struct bundle){
		.product = p->m->name.s,
		.version = p->m->version.s,
		.board = p->board->name.s,
		.flash_len = p->board->storage.size.v,
		.oem = v->oem,
		.carrier = p->carrier,
		.manifest = p->m,
		.parts = v->parts.v,
		.parts_count = v->parts.count,
		.epoch = p->opts->epoch,
		.signer = o->signer,
		.cache = o->cache,
		.update_from = p->opts->ota_from,
		.out_dir = v->out_dir,
		.approve = o->approve,
		.approve_ctx = o->approve_ctx,
		.discard = o->discard,
	};
	derive_uuid(o->master, o->digest, "mvp handset disk uuid", v->bundle.disk_uuid);
	v->update = v->bundle;
	v->update.parts = v->parts.update;
	v->update.parts_count = v->parts.update_count;
	if (o->persona)
		update_persona(v, o->persona, p->opts->component);
	return 0;
}

static int make_out_dirs(struct pack *p, struct diag *d)
{
	for (size_t i = 0; p->count > 1 && i < p->count; i++) {
		struct variant *v = &p->variants[i];
		struct loc loc = LOC_FILE(v->out_dir);
		v->made_out_dir = !mkdir(v->out_dir, 0777);
		if (!v->made_out_dir && errno != EEXIST)
			return diag_fail(d, MVP0821, &loc, "cannot make the folder: %s", strerror(errno));
	}
	return 0;
}

static uint64_t data_len(const struct image *img)
{
	uint64_t total = 0;
	for (uint64_t at = 0; at < image_len(img);) {
		struct extent e = image_extent(img, at);
		total += e.data ? e.len : 0;
		at = e.at + e.len;
	}
	return total;
}

static void report(const struct pack *p, struct build_result *r)
{
	size_t count = 0;
	for (size_t i = 0; i < p->count; i++)
		count += p->variants[i].parts.count;
	r->parts = mem_array(struct build_part, count);
	for (size_t i = 0; i < p->count; i++) {
		const struct variant *v = &p->variants[i];
		for (size_t k = 0; k < v->parts.count; k++) {
			const struct bundle_part *from = &v->parts.v[k];
			struct build_part *to = &r->parts[r->parts_count++];
			*to = (struct build_part){ .len = from->len, .data_len = data_len(from->img), .encrypted = from->encrypted };
			(void)snprintf(to->name, sizeof(to->name), "%s", from->name);
			(void)snprintf(to->oem, sizeof(to->oem), "%s", p->count > 1 ? v->oem->name.s : "");
		}
	}
}

static struct bundle_job job_of(const struct variant *v, const struct packer *p)
{
	return (struct bundle_job){ p->update ? &v->update : &v->bundle, p };
}

bool pack_has_updates(const struct pack *p)
{
	for (size_t i = 0; i < p->count; i++)
		for (size_t k = 0; k < p->variants[i].packers_count; k++)
			if (p->variants[i].packers[k]->update)
				return true;
	return false;
}

int pack_run(struct pack *p, const struct pack_opts *o, struct build_result *r, struct diag *d)
{
	struct bundle_job *jobs CLEANUP_FREE = NULL;
	size_t count = 0;
	int rc = 0;
	for (size_t i = 0; i < p->count; i++) {
		rc |= plan_variant(p, &p->variants[i], o, d);
		count += p->variants[i].packers_count;
	}
	if (rc || make_out_dirs(p, d))
		return -1;
	jobs = mem_array(struct bundle_job, count + 1);
	count = 0;
	for (size_t i = 0; i < p->count; i++)
		for (size_t k = 0; k < p->variants[i].packers_count; k++)
			if (!o->discard || p->variants[i].packers[k]->update)
				jobs[count++] = job_of(&p->variants[i], p->variants[i].packers[k]);
	if (o->more)
		jobs[count++] = *o->more;
	if (bundle_write(jobs, count, o->jobs, p->opts->progress, p->opts->progress_ctx, &r->outputs, d))
		return -1;
	for (size_t i = 0; i < p->count && !o->discard; i++)
		p->variants[i].made_out_dir = false;
	report(p, r);
	return 0;
}

/* A partition that is as large as its content, or at least that large. */
static bool by_content(const struct oem *o, const char *name)
{
	for (size_t i = 0; i < oem_parts_count(o); i++)
		if (!strcmp(oem_part(o, i)->name.s, name))
			return !oem_part(o, i)->size.v;
	return true;
}

static void foresee_variant(const struct pack *p, const struct variant *v, struct build_plan *ret)
{
	const char *oem = p->count > 1 ? v->oem->name.s : "";
	for (size_t i = 0; i < v->parts.count; i++) {
		const struct bundle_part *from = &v->parts.v[i];
		struct build_part *to = &ret->parts[ret->parts_count++];
		bool unknown = !image_len(from->img) && by_content(v->oem, from->name);
		*to = (struct build_part){ .len = unknown ? 0 : from->len, .encrypted = from->encrypted };
		(void)snprintf(to->name, sizeof(to->name), "%s", from->name);
		(void)snprintf(to->oem, sizeof(to->oem), "%s", oem);
	}
	for (size_t i = 0; i < v->packers_count; i++) {
		struct build_bundle *to = &ret->bundles[ret->bundles_count++];
		*to = (struct build_bundle){ .format = v->packers[i]->name, .folder = mem_strdup(v->out_dir) };
		(void)snprintf(to->oem, sizeof(to->oem), "%s", oem);
	}
}

int pack_foresee(struct pack *p, const struct bundle_content *contents, size_t contents_count, struct build_plan *ret, struct diag *d)
{
	size_t parts = 0, bundles = 0;
	int rc = 0;
	for (size_t i = 0; i < p->count; i++) {
		struct variant *v = &p->variants[i];
		rc |= bundle_parts_plan(v->oem, p->m, contents, contents_count, &v->parts, d);
		parts += v->parts.count;
		bundles += v->packers_count;
	}
	if (rc)
		return -1;
	ret->parts = mem_array(struct build_part, parts);
	ret->bundles = mem_array(struct build_bundle, bundles);
	for (size_t i = 0; i < p->count; i++)
		foresee_variant(p, &p->variants[i], ret);
	return 0;
}

void pack_inputs(const struct pack *p, struct stamps *s)
{
	if (p->carrier)
		stamps_add(s, p->carrier->path, true);
	for (size_t i = 0; i < p->count; i++) {
		const struct oem *o = p->variants[i].oem;
		stamps_add(s, o->path, true);
		for (size_t k = 0; k < oem_parts_count(o); k++) {
			char *path CLEANUP_FREE = oem_part(o, k)->file.s ? manifest_path(p->m, oem_part(o, k)->file.s) : NULL;
			if (path) /* what may be missing is an input once it is there */
				stamps_add(s, path, access(path, F_OK) == 0);
		}
	}
}
