#include "imagegen/graph/overlay.h"

#include <stdlib.h>
#include <string.h>

#include "imagegen/base/buf.h"
#include "imagegen/base/mem.h"
#include "imagegen/cache/digest.h"

static int add_file(struct overlay *o, size_t i, char *path TAKES, struct buf *text, const struct loc *loc, struct diag *d)
{
	size_t len;
	o->texts[2 * i] = path;
	if (buf_error(text))
		return diag_fail(d, MVP0001, NULL, "no memory for the carrier's files");
	o->texts[2 * i + 1] = (char *)buf_take(text, &len);
	o->files[i] = (struct layer_file){
		.path = { .s = path, .loc = *loc, .given = true },
		.content = { .s = o->texts[2 * i + 1], .loc = *loc, .given = true },
		.mode = 0644,
		.loc = *loc,
	};
	return 0;
}

int overlay_init(struct overlay *ret, const struct persona *p, const struct carrier *c, struct diag *d)
{
	struct buf apns CLEANUP(buf_fini) = BUF_INIT, config CLEANUP(buf_fini) = BUF_INIT, props CLEANUP(buf_fini) = BUF_INIT;
	size_t count = p->system.layers_count;
	const struct loc loc = c->name.loc;
	*ret = (struct overlay){ .persona = *p };
	if (!p->has_system)
		return 0;
	carrier_emit_apns(c, &apns);
	carrier_emit_config(c, &config);
	carrier_emit_props(c, &props);
	if (add_file(ret, 0, mem_strdup("/product/etc/apns-conf.xml"), &apns, &loc, d) < 0 ||
	    add_file(ret, 1,
		     mem_printf("/product/etc/carrierconfig/carrier_config_carrierid_%llu_%s.xml", (unsigned long long)c->id.v, c->name.s),
		     &config, &loc, d) < 0 ||
	    add_file(ret, 2, mem_strdup("/product/etc/mvp-carrier.prop"), &props, &loc, d) < 0)
		return -1;
	struct digest *g CLEANUP(digest_freep) = digest_new("mvp carrier 1");
	for (size_t i = 0; i < ARRAY_LEN(ret->texts); i++)
		digest_str(g, "text", ret->texts[i]);
	digest_get(g, ret->digest);
	ret->layers = mem_array(struct layer, count + 1);
	memcpy(ret->layers, p->system.layers, count * sizeof(*ret->layers));
	ret->layers[count] = (struct layer){ .kind = LAYER_FILES, .files = ret->files, .files_count = OVERLAY_FILES, .loc = loc };
	ret->persona.system.layers = ret->layers;
	ret->persona.system.layers_count = count + 1;
	return 0;
}

void overlay_fini(struct overlay *o)
{
	for (size_t i = 0; i < ARRAY_LEN(o->texts); i++)
		free(o->texts[i]);
	free(o->layers);
	*o = (struct overlay){ 0 };
}
