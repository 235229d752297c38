#include "imagegen/manifest/layers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "imagegen/base/mem.h"
#include "imagegen/manifest/value.h"

#define F(member) .at = offsetof(struct layer_file, member)
#define A(member) .at = offsetof(struct layer_attributes, member)
#define L(member) .at = offsetof(struct layer, member)

#define XATTRS_MAX 64

static void read_mode(struct reader *r, const struct key *k, const struct ynode *n, void *obj);
static void read_id(struct reader *r, const struct key *k, const struct ynode *n, void *obj);
static void read_change(struct reader *r, const struct key *k, const struct ynode *n, void *obj);
static void read_xattrs(struct reader *r, const struct key *k, const struct ynode *n, void *obj);

static const struct key file_keys_v[] = {
	{ "path", KEY_TEXT, .required = true, F(path) },
	{ "content", KEY_BLOCK, F(content), .empty_ok = true },
	{ "link", KEY_TEXT, F(link) },
	{ "mode", KEY_CUSTOM, F(mode), .read = read_mode },
	{ "uid", KEY_CUSTOM, F(uid), .read = read_id },
	{ "gid", KEY_CUSTOM, F(gid), .read = read_id },
};
static const struct keys file_keys = KEYS(file_keys_v);

static const struct key attributes_keys_v[] = {
	{ "path", KEY_TEXT, .required = true, A(path) },    { "mode", KEY_CUSTOM, A(mode), .read = read_change },
	{ "uid", KEY_CUSTOM, A(uid), .read = read_change }, { "gid", KEY_CUSTOM, A(gid), .read = read_change },
	{ "xattrs", KEY_CUSTOM, .read = read_xattrs },
};
static const struct keys attributes_keys = KEYS(attributes_keys_v);

const char *const android_part_names[ANDROID_PARTS] = {
	[ANDROID_BOOT] = "boot",
	[ANDROID_INIT_BOOT] = "init_boot",
	[ANDROID_VENDOR_BOOT] = "vendor_boot",
	[ANDROID_DTBO] = "dtbo",
	[ANDROID_SUPER] = "super",
	[ANDROID_SYSTEM] = "system",
	[ANDROID_SYSTEM_EXT] = "system_ext",
	[ANDROID_PRODUCT] = "product",
	[ANDROID_VENDOR] = "vendor",
	[ANDROID_VENDOR_DLKM] = "vendor_dlkm",
	[ANDROID_SYSTEM_DLKM] = "system_dlkm",
	[ANDROID_ODM] = "odm",
	[ANDROID_ODM_DLKM] = "odm_dlkm",
};
static const struct key android_keys_v[] = {
	{ "boot", KEY_PATH, L(android[ANDROID_BOOT]) },
	{ "init_boot", KEY_PATH, L(android[ANDROID_INIT_BOOT]) },
	{ "vendor_boot", KEY_PATH, L(android[ANDROID_VENDOR_BOOT]) },
	{ "dtbo", KEY_PATH, L(android[ANDROID_DTBO]) },
	{ "super", KEY_PATH, L(android[ANDROID_SUPER]) },
	{ "system", KEY_PATH, L(android[ANDROID_SYSTEM]) },
	{ "system_ext", KEY_PATH, L(android[ANDROID_SYSTEM_EXT]) },
	{ "product", KEY_PATH, L(android[ANDROID_PRODUCT]) },
	{ "vendor", KEY_PATH, L(android[ANDROID_VENDOR]) },
	{ "vendor_dlkm", KEY_PATH, L(android[ANDROID_VENDOR_DLKM]) },
	{ "system_dlkm", KEY_PATH, L(android[ANDROID_SYSTEM_DLKM]) },
	{ "odm", KEY_PATH, L(android[ANDROID_ODM]) },
	{ "odm_dlkm", KEY_PATH, L(android[ANDROID_ODM_DLKM]) },
};
static const struct keys android_keys = KEYS(android_keys_v);

static const char *const whiteouts_choices[] = { "oci", NULL };
#define WHITEOUTS_KEY \
	{ \
		"whiteouts", KEY_CHOICE, L(whiteouts), .choices = whiteouts_choices \
	}
static const struct key tar_keys_v[] = { WHITEOUTS_KEY };
static const struct keys tar_keys = KEYS(tar_keys_v);

/* Of a layer exactly one is given, whiteouts with a tar besides; read_layer() sees to that. */
static const struct key layer_keys_v[] = {
	{ .name = "tar", .kind = KEY_PATH },
	{ .name = "cpio", .kind = KEY_PATH },
	{ .name = "deb", .kind = KEY_STRINGS },
	{ .name = "dir", .kind = KEY_PATH },
	{ "files", KEY_CUSTOM, .map = &file_keys },
	{ .name = "remove", .kind = KEY_STRINGS },
	{ "attributes", KEY_CUSTOM, .map = &attributes_keys },
	{ .name = "image", .kind = KEY_PATH },
	{ "android", KEY_MAP, .map = &android_keys },
	WHITEOUTS_KEY,
};
const struct keys layer_keys = KEYS(layer_keys_v);

static void read_mode(struct reader *r, const struct key *k, const struct ynode *n, void *obj)
{
	(void)k;
	const char *t = schema_plain_text(r, n, "permission bits in octal, like 0644");
	if (!t)
		return;
	if (value_mode(t, &((struct layer_file *)obj)->mode) != VALUE_OK) {
		diag_fail(r->d, MVP0209, &n->loc, "'%s' is not a file mode", t);
		diag_hint(r->d, "write three or four octal digits, like 0644 or 0755");
	}
}

static void read_id(struct reader *r, const struct key *k, const struct ynode *n, void *obj)
{
	uint64_t v = 0;
	const char *t = schema_plain_text(r, n, "a numeric user or group id");
	if (!t)
		return;
	enum value_error e = value_count(t, &v);
	if (e == VALUE_TOO_LARGE || v >= UINT32_MAX) /* 2^32 - 1 means "unchanged" to chown */
		diag_fail(r->d, MVP0208, &n->loc, "'%s' is out of range for '%s': from 0 to 4294967294", t, k->name);
	else if (e != VALUE_OK)
		diag_fail(r->d, MVP0209, &n->loc, "'%s' is not a numeric user or group id", t);
	else
		*(uint32_t *)((char *)obj + k->at) = (uint32_t)v;
}

/* A number that changes nothing unless it is given. */
static void read_change(struct reader *r, const struct key *k, const struct ynode *n, void *obj)
{
	struct mnum *num = (struct mnum *)(void *)((char *)obj + k->at);
	size_t errors = diag_errors(r->d);
	struct layer_file f = { 0 };
	if (strcmp(k->name, "mode") == 0)
		read_mode(r, k, n, &f);
	else
		read_id(r, &(struct key){ .name = k->name, F(uid) }, n, &f);
	if (diag_errors(r->d) == errors)
		*num = (struct mnum){ .v = strcmp(k->name, "mode") == 0 ? f.mode : f.uid, .loc = n->loc, .given = true };
}

static void read_xattrs(struct reader *r, const struct key *k, const struct ynode *n, void *obj)
{
	struct layer_attributes *a = obj;
	if (!schema_want(r, n, YNODE_MAP, "a mapping of attribute names to values"))
		return;
	if (n->count == 0 || n->count > XATTRS_MAX) {
		diag_fail(r->d, n->count ? MVP0208 : MVP0206, &n->loc, "'%s' names %zu attributes; from 1 to %d are expected", k->name,
			  n->count, XATTRS_MAX);
		return;
	}
	a->xattrs = mem_array(struct layer_xattr, n->count);
	for (size_t i = 0; i < n->count; i++) {
		const struct ynode *v = &n->items[i];
		if (v->kind != YNODE_SCALAR) {
			(void)schema_want(r, v, YNODE_SCALAR, "text, 0x and hexadecimal digits, or null");
			continue;
		}
		struct layer_xattr *x = &a->xattrs[a->xattrs_count++];
		x->name = mem_strdup(v->key);
		x->value.loc = v->loc;
		if (!ynode_empty(v) || v->quoted)
			schema_set(&x->value, v->text, v->loc, true);
	}
}

/* An absolute path without "", "." and ".." components. */
static bool persona_path_ok(const char *p)
{
	if (p[0] != '/' || !p[1])
		return false;
	while (*p == '/') {
		size_t len = strcspn(++p, "/");
		if (len == 0 || (len == 1 && p[0] == '.') || (len == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		p += len;
	}
	return true;
}

static void read_file(struct reader *r, const struct ynode *n, void *item)
{
	struct layer_file *f = item;
	*f = (struct layer_file){ .mode = 0644, .loc = n->loc };
	if (!schema_want(r, n, YNODE_MAP, "a mapping"))
		return;
	size_t errors = diag_errors(r->d);
	schema_read(r, &file_keys, n, f);
	if (f->path.s && !persona_path_ok(f->path.s)) {
		diag_fail(r->d, MVP0209, &f->path.loc, "'%s' is not an absolute path without '.' and '..'", f->path.s);
		return;
	}
	if (diag_errors(r->d) != errors)
		return;
	if (f->link.s && f->content.s)
		diag_fail(r->d, MVP0213, &f->link.loc, "'link' and 'content' exclude each other");
	else if (!f->link.s && !f->content.s)
		diag_fail(r->d, MVP0205, &n->loc, "'%s' has neither 'content' nor 'link'", f->path.s ? f->path.s : "a file");
	else if (f->link.s && ynode_find(n, "mode"))
		diag_fail(r->d, MVP0213, &ynode_find(n, "mode")->key_loc, "a symbolic link has no 'mode'");
}

/* The items of a list, each read by read() into an element of the array that is returned. NULL and reported if there are none. */
static void *read_items(struct reader *r, const struct ynode *n, const char *what, size_t size,
			void (*read)(struct reader *r, const struct ynode *n, void *item), size_t *ret_count)
{
	if (!schema_want(r, n, YNODE_LIST, what))
		return NULL;
	if (n->count == 0) {
		diag_fail(r->d, MVP0206, &n->loc, "'%s' is an empty list", n->key);
		return NULL;
	}
	char *v = mem_zeroed(n->count, size);
	*ret_count = n->count;
	for (size_t i = 0; i < n->count; i++) {
		char name[32];
		snprintf(name, sizeof(name), "[%zu]", i);
		size_t mark = schema_enter(r, name);
		read(r, &n->items[i], v + i * size);
		schema_leave(r, mark);
	}
	return v;
}

/* A pattern of paths in the persona. */
static void check_pattern(struct reader *r, const struct mstr *s)
{
	if (!persona_path_ok(s->s))
		diag_fail(r->d, MVP0209, &s->loc, "'%s' is not an absolute path without '.' and '..'", s->s);
	else if (!value_glob_ok(s->s))
		diag_fail(r->d, MVP0211, &s->loc, "'%s' is not a pattern: a bracket is not closed", s->s);
}

static void read_attributes(struct reader *r, const struct ynode *n, void *item)
{
	struct layer_attributes *a = item;
	a->loc = n->loc;
	if (!schema_want(r, n, YNODE_MAP, "a mapping"))
		return;
	size_t errors = diag_errors(r->d);
	schema_read(r, &attributes_keys, n, a);
	if (a->path.s)
		check_pattern(r, &a->path);
	if (diag_errors(r->d) == errors && !a->mode.given && !a->uid.given && !a->gid.given && a->xattrs_count == 0)
		diag_fail(r->d, MVP0205, &n->loc, "'%s' is given none of 'mode', 'uid', 'gid' and 'xattrs'", a->path.s);
}

static void read_paths(struct reader *r, const struct key *k, const struct ynode *n, struct layer *l)
{
	if (k->kind == KEY_STRINGS || schema_want(r, n, YNODE_SCALAR, "a path"))
		schema_strings(r, k, n, &l->paths);
	for (size_t i = 0; i < l->paths.count; i++) {
		const struct mstr *p = &l->paths.v[i];
		if (l->kind == LAYER_REMOVE)
			check_pattern(r, p);
		else if (l->kind == LAYER_DEB && !value_glob_ok(p->s))
			diag_fail(r->d, MVP0211, &p->loc, "'%s' is not a pattern: a bracket is not closed", p->s);
	}
}

static void read_android(struct reader *r, const struct ynode *n, struct layer *l)
{
	if (!schema_want(r, n, YNODE_MAP, "a mapping of partitions to images"))
		return;
	schema_read(r, &android_keys, n, l);
	if (n->count == 0)
		diag_fail(r->d, MVP0206, &n->loc, "'%s' names no image", n->key);
}

static const struct {
	const char *name;
	enum layer_kind kind;
} kinds[] = {
	{ "tar", LAYER_TAR },
	{ "cpio", LAYER_CPIO },
	{ "deb", LAYER_DEB },
	{ "dir", LAYER_DIR },
	{ "files", LAYER_FILES },
	{ "remove", LAYER_REMOVE },
	{ "attributes", LAYER_ATTRIBUTES },
	{ "image", LAYER_IMAGE },
	{ "android", LAYER_ANDROID },
};

static const struct key *key_of(const char *name)
{
	for (size_t i = 0; i < layer_keys.count; i++)
		if (strcmp(layer_keys.v[i].name, name) == 0)
			return &layer_keys.v[i];
	return NULL;
}

static void read_kind(struct reader *r, const struct ynode *v, struct layer *l)
{
	size_t mark = schema_enter(r, v->key);
	switch (l->kind) {
	case LAYER_FILES:
		l->files = read_items(r, v, "a list of files", sizeof(*l->files), read_file, &l->files_count);
		break;
	case LAYER_ATTRIBUTES:
		l->attributes = read_items(r, v, "a list of paths with their attributes", sizeof(*l->attributes), read_attributes,
					   &l->attributes_count);
		break;
	case LAYER_ANDROID:
		read_android(r, v, l);
		break;
	default:
		read_paths(r, key_of(v->key), v, l);
		break;
	}
	schema_leave(r, mark);
}

/* 'whiteouts' beside 'tar'. */
static void read_whiteouts(struct reader *r, const struct ynode *n, struct layer *l)
{
	const struct ynode *w = ynode_find(n, "whiteouts");
	if (!w)
		return;
	if (l->kind != LAYER_TAR) {
		diag_fail(r->d, MVP0213, &w->key_loc, "'whiteouts' goes with 'tar' only");
		return;
	}
	const struct ynode only = {
		.kind = YNODE_MAP, .loc = n->loc, .key_loc = n->key_loc, .items = (struct ynode *)(uintptr_t)w, .count = 1
	};
	schema_read(r, &tar_keys, &only, l);
}

static void read_layer(struct reader *r, const struct ynode *n, struct layer *l)
{
	const char *names[ARRAY_LEN(kinds)];
	l->loc = n->loc;
	if (!schema_want(r, n, YNODE_MAP, "a mapping like 'tar: FILE'"))
		return;
	size_t extra = ynode_find(n, "whiteouts") ? 1 : 0;
	if (n->count != 1 + extra) {
		diag_fail(r->d, MVP0213, n->count > 1 + extra ? &n->items[1 + extra].key_loc : &n->loc,
			  "a layer has one key that names its kind; this one has %zu", n->count - extra);
		diag_hint(r->d, "begin each layer with a '-' of its own");
		return;
	}
	const struct ynode *v = &n->items[extra && strcmp(n->items[0].key, "whiteouts") == 0 ? 1 : 0];
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		names[i] = kinds[i].name;
		if (strcmp(v->key, kinds[i].name) != 0)
			continue;
		l->kind = kinds[i].kind;
		read_kind(r, v, l);
		read_whiteouts(r, n, l);
		return;
	}
	diag_fail(r->d, MVP0203, &v->key_loc, "unknown kind of layer '%s' in %s", v->key, buf_str(&r->where));
	diag_hint_nearest(r->d, v->key, names, ARRAY_LEN(names));
	if (!diag_get(r->d, diag_count(r->d) - 1)->hint)
		diag_hint(r->d, "kinds are tar, cpio, deb, dir, files, remove, attributes, image and android");
}

void layers_read(struct reader *r, const struct key *k, const struct ynode *n, void *obj)
{
	struct persona *p = obj;
	if (!schema_want(r, n, YNODE_LIST, "a list of layers"))
		return;
	if (n->count == 0) {
		diag_fail(r->d, MVP0206, &n->loc, "'%s' is an empty list; at least one layer is expected", k->name);
		return;
	}
	p->system.layers = mem_array(struct layer, n->count);
	p->system.layers_count = n->count;
	for (size_t i = 0; i < n->count; i++) {
		char name[40];
		snprintf(name, sizeof(name), "layers[%zu]", i);
		size_t mark = schema_enter(r, name);
		read_layer(r, &n->items[i], &p->system.layers[i]);
		schema_leave(r, mark);
	}
}

static void attributes_fini(struct layer_attributes *a)
{
	free(a->path.s);
	for (size_t i = 0; i < a->xattrs_count; i++) {
		free(a->xattrs[i].name);
		free(a->xattrs[i].value.s);
	}
	free(a->xattrs);
}

void layers_free(struct layer *v, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct layer *l = &v[i];
		mstrs_fini(&l->paths);
		free(l->whiteouts.s);
		for (size_t f = 0; f < l->files_count; f++) {
			free(l->files[f].path.s);
			free(l->files[f].content.s);
			free(l->files[f].link.s);
		}
		free(l->files);
		for (size_t a = 0; a < l->attributes_count; a++)
			attributes_fini(&l->attributes[a]);
		free(l->attributes);
		for (size_t a = 0; a < ANDROID_PARTS; a++)
			free(l->android[a].s);
	}
	free(v);
}
