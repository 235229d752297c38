#include "imagegen/graph/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imagegen/base/mem.h"
#include "imagegen/cache/digest.h"
#include "imagegen/cache/fields.h"
#include "imagegen/hyp/sources.h"

enum { RECORD_MAX = 256 << 20, PARTS_MAX = 4096 };
#define KIND "record"

void record_fini(struct record *r)
{
	stamps_fini(&r->inputs);
	stamps_fini(&r->outputs);
	build_result_fini(&r->result);
}

/* The path from the root: what is relative means another file elsewhere. */
static void add_path(struct digest *g, const char *label, const char *path)
{
	char here[4096];
	if (path[0] != '/' && getcwd(here, sizeof(here)))
		digest_str(g, "below", here);
	digest_str(g, label, path);
}

void record_key(const struct manifest *m, const struct build_opts *o, uint8_t ret[CACHE_KEY_LEN])
{
	struct digest *g CLEANUP(digest_freep) = digest_new("mvp build 1");
	struct args sources CLEANUP(args_fini) = { 0 };
	add_path(g, "manifest", m->path);
	add_path(g, "output", o->out_dir);
	for (size_t i = 0; i < m->sections_count; i++)
		digest_add(g, m->sections[i].name, m->sections[i].digest, sizeof(m->sections[i].digest));
	digest_num(g, "epoch", (uint64_t)o->epoch);
	digest_str(g, "oem", o->oem);
	digest_str(g, "carrier", o->carrier);
	digest_num(g, "component", o->component);
	if (o->ota_from)
		add_path(g, "ota-from", o->ota_from);
	for (size_t i = 0; i < o->formats_count; i++)
		digest_str(g, "format", o->formats[i]);
	digest_str(g, "data", datadir());
	digest_str(g, "compiler", getenv("MVP_CROSS"));
	digest_str(g, "path", getenv("PATH"));
	/* A header that is new may be found before the one that was read. */
	sources_files(&sources);
	for (size_t i = 0; i < sources.count; i++)
		digest_str(g, "source", sources.v[i]);
	digest_get(g, ret);
}

void record_stamp_keys(const struct manifest *m, struct stamps *s)
{
	const struct mstr *keys[] = { &m->keys.oem.file,
				      &m->keys.oem.public_key,
				      &m->keys.enterprise.file,
				      &m->keys.enterprise.public_key,
				      &m->keys.orders,
				      &m->keys.escrow,
				      &m->keys.master,
				      &m->personas[PERSONA_PERSONAL].encryption.passcode_file,
				      &m->personas[PERSONA_WORK].encryption.passcode_file };
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		char *path CLEANUP_FREE = keys[i]->s ? manifest_path(m, keys[i]->s) : NULL;
		if (path) /* a key in a token is no file */
			stamps_add(s, path, access(path, F_OK) == 0);
	}
}

void record_stamp_self(struct stamps *s)
{
	/* Another mvpctl may make something else of the same inputs. */
	char *self CLEANUP_FREE = realpath("/proc/self/exe", NULL);
	if (self)
		stamps_add(s, self, false);
}

void record_stamp_common(const struct manifest *m, struct stamps *s)
{
	static const char *const tools[] = { "gcc", "as", "ld", "objcopy" };
	const char *cross = getenv("MVP_CROSS");
	struct args sources CLEANUP(args_fini) = { 0 };
	for (size_t i = 0; i < m->includes.count; i++)
		stamps_add(s, m->includes.v[i].s, true);
	record_stamp_keys(m, s);
	sources_files(&sources);
	for (size_t i = 0; i < sources.count; i++)
		stamps_add(s, sources.v[i], true);
	for (size_t i = 0; i < ARRAY_LEN(tools); i++) {
		char *name CLEANUP_FREE = mem_printf("%s%s", cross && *cross ? cross : "aarch64-linux-gnu-", tools[i]);
		char *path CLEANUP_FREE = tool_find(name);
		if (path)
			stamps_add(s, path, false);
	}
	record_stamp_self(s);
}

static void put_result(struct buf *b, const struct build_result *r)
{
	buf_le64(b, r->core_text);
	buf_le64(b, r->core_image);
	buf_le64(b, r->vault_image);
	(void)buf_append(b, r->measurement, sizeof(r->measurement));
	buf_le64(b, r->parts_count);
	for (size_t i = 0; i < r->parts_count; i++) {
		const struct build_part *p = &r->parts[i];
		fields_put_str(b, p->oem);
		fields_put_str(b, p->name);
		buf_le64(b, p->len);
		buf_le64(b, p->data_len);
		buf_le64(b, p->encrypted);
	}
	buf_le64(b, r->outputs.count);
	for (size_t i = 0; i < r->outputs.count; i++) {
		const struct bundle_output *o = &r->outputs.v[i];
		fields_put_str(b, o->format);
		fields_put_str(b, o->path);
		buf_le64(b, o->len);
		buf_append(b, o->sha256, sizeof(o->sha256));
	}
}

static bool get_part(const uint8_t **data, size_t *len, struct build_part *ret)
{
	char *oem CLEANUP_FREE = NULL, *name CLEANUP_FREE = NULL;
	uint64_t encrypted;
	if (!fields_str(data, len, &oem) || !fields_str(data, len, &name) || !fields_num(data, len, &ret->len) ||
	    !fields_num(data, len, &ret->data_len) || !fields_num(data, len, &encrypted))
		return false;
	(void)snprintf(ret->oem, sizeof(ret->oem), "%s", oem);
	(void)snprintf(ret->name, sizeof(ret->name), "%s", name);
	ret->encrypted = encrypted != 0;
	return true;
}

static bool get_output(const uint8_t **data, size_t *len, struct bundle_outputs *ret)
{
	char *format CLEANUP_FREE = NULL, *path CLEANUP_FREE = NULL;
	const uint8_t *sum;
	uint64_t size;
	if (!fields_str(data, len, &format) || !fields_str(data, len, &path) || !fields_num(data, len, &size) ||
	    !fields_take(data, len, 32, &sum))
		return false;
	const struct packer *p = packer_find(format);
	if (!p)
		return false;
	mem_grow((void **)&ret->v, ret->count, &ret->cap, sizeof(*ret->v));
	struct bundle_output *o = &ret->v[ret->count++];
	*o = (struct bundle_output){ .format = p->name, .path = TAKE(path), .len = size };
	memcpy(o->sha256, sum, sizeof(o->sha256));
	return true;
}

static bool get_result(const uint8_t **data, size_t *len, struct build_result *r)
{
	uint64_t parts, outputs;
	const uint8_t *measurement;
	if (!fields_num(data, len, &r->core_text) || !fields_num(data, len, &r->core_image) || !fields_num(data, len, &r->vault_image) ||
	    !fields_take(data, len, sizeof(r->measurement), &measurement) || !fields_num(data, len, &parts) || parts > PARTS_MAX)
		return false;
	memcpy(r->measurement, measurement, sizeof(r->measurement));
	r->parts = mem_array(struct build_part, parts);
	for (; r->parts_count < parts; r->parts_count++)
		if (!get_part(data, len, &r->parts[r->parts_count]))
			return false;
	if (!fields_num(data, len, &outputs) || outputs > PARTS_MAX)
		return false;
	for (uint64_t i = 0; i < outputs; i++)
		if (!get_output(data, len, &r->outputs))
			return false;
	return true;
}

bool record_parse(const uint8_t *data, size_t len, struct record *ret)
{
	struct record r CLEANUP(record_fini) = { 0 };
	if (!stamps_parse(&data, &len, &r.inputs) || !stamps_parse(&data, &len, &r.outputs) || !get_result(&data, &len, &r.result) || len)
		return false;
	*ret = r;
	r = (struct record){ 0 };
	return true;
}

bool record_get(struct cache *c, const uint8_t key[CACHE_KEY_LEN], struct record *ret)
{
	uint8_t *data CLEANUP_FREE = NULL;
	size_t len;
	return cache_get(c, KIND, key, RECORD_MAX, &data, &len) && record_parse(data, len, ret);
}

void record_put(struct cache *c, const uint8_t key[CACHE_KEY_LEN], const struct stamps *inputs, const struct build_result *r)
{
	struct stamps outputs CLEANUP(stamps_fini) = { 0 };
	struct buf b CLEANUP(buf_fini) = BUF_MAX(RECORD_MAX);
	for (size_t i = 0; i < r->outputs.count; i++) {
		stamps_add(&outputs, r->outputs.v[i].path, false);
		outputs.v[i].young = false; /* we wrote it ourselves */
	}
	stamps_emit(inputs, &b);
	stamps_emit(&outputs, &b);
	put_result(&b, r);
	if (!buf_error(&b))
		cache_put(c, KIND, key, b.data, b.len);
}
