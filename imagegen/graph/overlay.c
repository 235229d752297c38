#include "imagegen/graph/overlay.h"

#include <stdlib.h>
#include <string.h>

#include "imagegen/base/buf.h"
#include "imagegen/base/mem.h"
#include "imagegen/cache/digest.h"

enum { OWN_FILES = 5 };

static struct layer_file *add(struct overlay *o, char *path TAKES, const struct loc *loc)
{
	struct layer_file *f = &o->files[o->files_count++];
	*f = (struct layer_file){ .path = { .s = path, .loc = *loc, .given = true }, .mode = 0644, .loc = *loc };
	return f;
}

static int add_text(struct overlay *o, char *path TAKES, void (*emit)(const struct carrier *c, struct buf *out), const struct carrier *c,
		    struct diag *d)
{
	struct buf text CLEANUP(buf_fini) = BUF_INIT;
	struct layer_file *f = add(o, path, &c->name.loc);
	size_t len;
	emit(c, &text);
	if (buf_error(&text))
		return diag_fail(d, MVP0001, NULL, "no memory for the carrier's files");
	f->content = (struct mstr){ .s = (char *)buf_take(&text, &len), .loc = c->name.loc, .given = true };
	return 0;
}

static void add_packages(struct overlay *o, const struct manifest *m, const struct carrier *c)
{
	for (size_t i = 0; i < c->preload.count; i++) {
		const struct carrier_preload *p = (const struct carrier_preload *)c->preload.v + i;
		if (!p->file.s)
			continue;
		struct layer_file *f = add(o, mem_printf("/product/app/%s/%s.apk", p->package.s, p->package.s), &p->loc);
		f->host = (struct mstr){ .s = manifest_path(m, p->file.s), .loc = p->file.loc, .given = true };
	}
}

static int add_files(struct overlay *o, const struct manifest *m, const struct carrier *c, struct diag *d)
{
	o->files = mem_array(struct layer_file, OWN_FILES + c->preload.count);
	if (add_text(o, mem_strdup("/product/etc/apns-conf.xml"), carrier_emit_apns, c, d) < 0 ||
	    add_text(o,
		     mem_printf("/product/etc/carrierconfig/carrier_config_carrierid_%llu_%s.xml", (unsigned long long)c->id.v, c->name.s),
		     carrier_emit_config, c, d) < 0 ||
	    add_text(o, mem_strdup("/product/etc/mvp-carrier.prop"), carrier_emit_props, c, d) < 0 ||
	    add_text(o, mem_strdup("/product/etc/init/mvp-carrier.rc"), carrier_emit_rc, c, d) < 0 ||
	    (c->preload.count && add_text(o, mem_strdup("/product/etc/sysconfig/mvp-carrier.xml"), carrier_emit_preload, c, d) < 0))
		return -1;
	add_packages(o, m, c);
	return 0;
}

int overlay_init(struct overlay *ret, const struct manifest *m, const struct persona *p, const struct carrier *c, struct diag *d)
{
	size_t count = p->system.layers_count;
	*ret = (struct overlay){ .persona = *p };
	if (!p->has_system)
		return 0;
	if (add_files(ret, m, c, d) < 0)
		return -1;
	struct digest *g CLEANUP(digest_freep) = digest_new("mvp carrier 2");
	for (size_t i = 0; i < ret->files_count; i++) {
		digest_str(g, "path", ret->files[i].path.s);
		digest_str(g, "content", ret->files[i].host.s ? ret->files[i].host.s : ret->files[i].content.s);
	}
	digest_get(g, ret->digest);
	ret->layers = mem_array(struct layer, count + 1);
	memcpy(ret->layers, p->system.layers, count * sizeof(*ret->layers));
	ret->layers[count] =
		(struct layer){ .kind = LAYER_FILES, .files = ret->files, .files_count = ret->files_count, .loc = c->name.loc };
	ret->persona.system.layers = ret->layers;
	ret->persona.system.layers_count = count + 1;
	return 0;
}

void overlay_fini(struct overlay *o)
{
	for (size_t i = 0; i < o->files_count; i++) {
		free(o->files[i].path.s);
		free(o->files[i].content.s);
		free(o->files[i].host.s);
	}
	free(o->files);
	free(o->layers);
	*o = (struct overlay){ 0 };
}
