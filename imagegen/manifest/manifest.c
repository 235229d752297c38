#include "imagegen/manifest/manifest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/base/text.h"
#include "imagegen/manifest/checks.h"
#include "imagegen/manifest/chord.h"
#include "imagegen/manifest/schema.h"
#include "imagegen/manifest/value.h"
#include "mvp/machine.h"

#define M(member) .at = offsetof(struct manifest, member)
#define P(member) .at = offsetof(struct persona, member)
#define F(member) .at = offsetof(struct layer_file, member)
#define KEYS(array) \
	{ \
		.v = (array), .count = ARRAY_LEN(array) \
	}

static const char *const persona_names[PERSONA_MAX + 1] = { "personal", "work", NULL };
static const char *const console_choices[] = { "mux", "prefixed", NULL };
static const char *const build_choices[] = { "release", "measure", NULL };
static const char *const network_choices[] = { "nat", "none", NULL };
static const char *const holes_choices[] = { "fill", "keep", NULL };
static const char *const redaction_choices[] = { "full", "title", "count", "none", NULL };
static const char *const clipboard_choices[] = { "none", "personal-to-work", "work-to-personal", "both", NULL };

static void read_kernel(struct reader *r, const struct key *k, const struct ynode *n, void *obj);
static void read_initrd(struct reader *r, const struct key *k, const struct ynode *n, void *obj);
static void read_layers(struct reader *r, const struct key *k, const struct ynode *n, void *obj);
static void read_mode(struct reader *r, const struct key *k, const struct ynode *n, void *obj);
static void read_id(struct reader *r, const struct key *k, const struct ynode *n, void *obj);
static void read_persona(struct reader *r, const struct key *k, const struct ynode *n, void *obj);
static void read_switch_key(struct reader *r, const struct key *k, const struct ynode *n, void *obj);
static void read_console_key(struct reader *r, const struct key *k, const struct ynode *n, void *obj);

#define SIGNING_LATER "signing and verified boot are not built in"

static const struct key keys_keys_v[] = {
	{ "oem", KEY_PATH, M(keys.oem), .later = SIGNING_LATER },
	{ "enterprise", KEY_PATH, M(keys.enterprise), .later = SIGNING_LATER },
	{ "orders", KEY_PATH, M(keys.orders), .later = "orders are not built in" },
	{ "escrow", KEY_PATH, M(keys.escrow), .later = "no recovery key is made" },
	{ "master", KEY_PATH, .required = true, M(keys.master) },
};
static const struct keys keys_keys = KEYS(keys_keys_v);

static const struct key hypervisor_keys_v[] = {
	{ "foreground-share", KEY_PERCENT, M(hypervisor.foreground_share), .min = 1, .max = 99, .def_num = 80 },
	{ "switch-key", KEY_CUSTOM, M(hypervisor.switch_key), .read = read_switch_key },
	{ "console-key", KEY_CUSTOM, M(hypervisor.console_key), .read = read_console_key },
	{ "console", KEY_CHOICE, M(hypervisor.console), .choices = console_choices, .def_text = "mux" },
	{ "build", KEY_CHOICE, M(hypervisor.build), .choices = build_choices, .def_text = "release" },
};
static const struct keys hypervisor_keys = KEYS(hypervisor_keys_v);

static const struct key boot_keys_v[] = {
	{ "kernel", KEY_CUSTOM, .required = true, P(boot.kernel), .read = read_kernel },
	{ "initrd", KEY_CUSTOM, P(boot.initrd), .read = read_initrd },
	{ "cmdline", KEY_TEXT, P(boot.cmdline), .empty_ok = true, .def_text = "" },
};
static const struct keys boot_keys = KEYS(boot_keys_v);

static const struct key file_keys_v[] = {
	{ "path", KEY_TEXT, .required = true, F(path) },
	{ "content", KEY_BLOCK, F(content), .empty_ok = true },
	{ "link", KEY_TEXT, F(link) },
	{ "mode", KEY_CUSTOM, F(mode), .read = read_mode },
	{ "uid", KEY_CUSTOM, F(uid), .read = read_id },
	{ "gid", KEY_CUSTOM, F(gid), .read = read_id },
};
static const struct keys file_keys = KEYS(file_keys_v);

static const struct key layer_tar = { .name = "tar", .kind = KEY_PATH };
static const struct key layer_deb = { .name = "deb", .kind = KEY_STRINGS };
static const struct key layer_dir = { .name = "dir", .kind = KEY_PATH };
/* Of a layer exactly one is given; read_layer() sees to that. */
static const struct key layer_keys_v[] = {
	{ .name = "tar", .kind = KEY_PATH },
	{ .name = "deb", .kind = KEY_STRINGS },
	{ .name = "dir", .kind = KEY_PATH },
	{ "files", KEY_CUSTOM, .map = &file_keys },
};
static const struct keys layer_keys = KEYS(layer_keys_v);

static const struct key system_keys_v[] = {
	{ "layers", KEY_CUSTOM, .required = true, .read = read_layers, .map = &layer_keys },
	{ "size", KEY_SIZE, P(system.size), .auto_ok = true, .min = 8 * MIB, .max = 1024 * GIB, .unit = 4096 },
};
static const struct keys system_keys = KEYS(system_keys_v);

static const struct key userdata_keys_v[] = {
	{ "size", KEY_SIZE, .required = true, P(userdata.size), .min = 8 * MIB, .max = 1024 * GIB, .unit = 4096 },
};
static const struct keys userdata_keys = KEYS(userdata_keys_v);

static const struct key passcode_keys_v[] = {
	{ "file", KEY_PATH, .required = true, P(encryption.passcode_file) },
	{ "tries", KEY_COUNT, P(encryption.tries), .min = 1, .max = 100, .def_num = 10 },
	{ "iterations", KEY_COUNT, P(encryption.iterations), .min = 1000, .max = 10000000, .def_num = 200000 },
};
static const struct keys passcode_keys = KEYS(passcode_keys_v);

static const struct key encryption_keys_v[] = {
	{ "passcode", KEY_MAP, .required = true, .map = &passcode_keys },
	{ "holes", KEY_CHOICE, P(encryption.holes), .choices = holes_choices, .def_text = "fill" },
};
static const struct keys encryption_keys = KEYS(encryption_keys_v);

/* Below 64 kbit/s a full frame would wait for longer than TCP does. */
#define PERSONA_KEYS(color_) \
	{ "memory", KEY_SIZE, .required = true, P(memory), .min = 16 * MIB, .max = 64 * GIB, .unit = 2 * MIB }, \
		{ "cpus", KEY_COUNT, .required = true, P(cpus), .min = 1, .max = MVP_MAX_VCPUS }, \
		{ "security-version", KEY_COUNT, P(security_version), .max = UINT64_MAX, .later = SIGNING_LATER }, \
		{ "boot", KEY_MAP, .required = true, .map = &boot_keys }, \
		{ "system", KEY_MAP, .map = &system_keys, .loc_at = offsetof(struct persona, system.loc), \
		  .on_at = offsetof(struct persona, has_system) }, \
		{ "userdata", KEY_MAP, .map = &userdata_keys, .loc_at = offsetof(struct persona, userdata.loc) }, \
		{ "color", KEY_COLOR, P(color), .max = 0xffffff, .def_num = (color_) }, \
		{ "network", KEY_CHOICE, P(network), .choices = network_choices, .def_text = "nat" }, \
	{ \
		"network-limit", KEY_RATE, P(network_limit), .min = 64 * 1000, .max = 100 * (uint64_t)1000000000 \
	}

static const struct key personal_keys_v[] = { PERSONA_KEYS(0x2e7d32) };
static const struct key work_keys_v[] = {
	PERSONA_KEYS(0x1565c0),
	{ "encryption", KEY_MAP, .required = true, .map = &encryption_keys, .loc_at = offsetof(struct persona, encryption.loc),
	  .on_at = offsetof(struct persona, encryption.on) },
};
static const struct keys persona_keys[PERSONA_MAX] = { KEYS(personal_keys_v), KEYS(work_keys_v) };

static const struct key personas_keys_v[] = {
	{ "personal", KEY_CUSTOM, .required = true, .read = read_persona, .map = &persona_keys[PERSONA_PERSONAL] },
	{ "work", KEY_CUSTOM, .required = true, .read = read_persona, .map = &persona_keys[PERSONA_WORK] },
};
static const struct keys personas_keys = KEYS(personas_keys_v);

static const struct key notification_keys_v[] = {
	{ "work-to-personal", KEY_CHOICE, M(policy.notifications.work_to_personal), .choices = redaction_choices, .def_text = "title" },
	{ "personal-to-work", KEY_CHOICE, M(policy.notifications.personal_to_work), .choices = redaction_choices, .def_text = "full" },
};
static const struct keys notification_keys = KEYS(notification_keys_v);

static const struct key lease_keys_v[] = {
	{ "lock-after", KEY_DURATION, M(policy.lease.lock_after), .min = 60, .max = 10 * 365 * (uint64_t)86400 },
	{ "wipe-after", KEY_DURATION, M(policy.lease.wipe_after), .min = 60, .max = 10 * 365 * (uint64_t)86400 },
};
static const struct keys lease_keys = KEYS(lease_keys_v);

static const struct key policy_keys_v[] = {
	{ "notifications", KEY_MAP, .map = &notification_keys, .later = "notifications are not carried between personas" },
	{ "clipboard", KEY_CHOICE, M(policy.clipboard), .choices = clipboard_choices, .def_text = "none",
	  .later = "no clipboard is carried between personas", .later_unless = "none" },
	{ "lease", KEY_MAP, .map = &lease_keys, .later = "leases are not enforced" },
	{ "switch-request", KEY_STRINGS, M(policy.switch_request), .choices = persona_names },
};
static const struct keys policy_keys = KEYS(policy_keys_v);

static const struct key top_keys_v[] = {
	{ "mvp", KEY_COUNT, .required = true, M(format), .min = 1, .max = 1 },
	{ "name", KEY_NAME, .required = true, M(name), .max = 31 },
	{ "version", KEY_NAME, .required = true, M(version), .max = 31 },
	{ "board", KEY_TEXT, .required = true, M(board) },
	{ "oem", KEY_STRINGS, M(oem) },
	{ "carrier", KEY_NAME, M(carrier), .max = 31, .later = "there are no carrier profiles" },
	{ "keys", KEY_MAP, .required = true, .map = &keys_keys },
	{ "hypervisor", KEY_MAP, .map = &hypervisor_keys },
	{ "personas", KEY_MAP, .required = true, .map = &personas_keys },
	{ "policy", KEY_MAP, .map = &policy_keys },
};
static const struct keys top_keys = KEYS(top_keys_v);

const struct keys *manifest_keys(void)
{
	return &top_keys;
}

static void set(struct mstr *s, const char *text, struct loc loc, bool given)
{
	free(s->s);
	*s = (struct mstr){ .s = mem_strdup(text), .loc = loc, .given = given };
}

/* A value that is text of a form of its own: NULL and reported if it is not text. */
static const char *plain_text(struct reader *r, const struct ynode *n, const char *what)
{
	if (!schema_want(r, n, YNODE_SCALAR, what))
		return NULL;
	if (n->text[0] && !strpbrk(n->text, "\n\r\t"))
		return n->text;
	diag_fail(r->d, MVP0209, &n->loc, "'%s' is not %s", n->key, what);
	return NULL;
}

#define KERNEL_WHAT "an absolute path in the layers, or file:PATH"

/* A file of the persona's layers, or with file: in front one of the host. */
static void read_boot_file(struct reader *r, const struct ynode *n, const char *t, struct mstr *ret)
{
	bool host = strncmp(t, "file:", 5) == 0;
	if (host ? !t[5] : t[0] != '/') {
		diag_fail(r->d, MVP0209, &n->loc, "'%s' cannot be '%s'; it is " KERNEL_WHAT "%s", n->key, t,
			  strcmp(n->key, "initrd") == 0 ? ", or generate, or none" : "");
		if (!host)
			diag_hint(r->d, "for a file beside the manifest write 'file:%s'", t);
		return;
	}
	if (!host && !value_glob_ok(t)) {
		diag_fail(r->d, MVP0211, &n->loc, "'%s' is not a pattern: a bracket is not closed", t);
		return;
	}
	set(ret, t, n->loc, true);
}

static void read_kernel(struct reader *r, const struct key *k, const struct ynode *n, void *obj)
{
	(void)k;
	const char *t = plain_text(r, n, KERNEL_WHAT);
	if (t)
		read_boot_file(r, n, t, &((struct persona *)obj)->boot.kernel);
}

static void read_initrd(struct reader *r, const struct key *k, const struct ynode *n, void *obj)
{
	(void)k;
	struct mstr *initrd = &((struct persona *)obj)->boot.initrd;
	const char *t = plain_text(r, n, "generate, none, " KERNEL_WHAT);
	if (!t)
		return;
	if (strcmp(t, "generate") == 0 || strcmp(t, "none") == 0)
		set(initrd, t, n->loc, true);
	else
		read_boot_file(r, n, t, initrd);
}

static void no_such_key(struct reader *r, const struct ynode *n, const char *word, size_t len)
{
	char *bad CLEANUP_FREE = mem_strndup(word, len);
	const char *names[128];
	size_t count = 0;
	while (count < ARRAY_LEN(names) && (names[count] = chord_key_name(count)))
		count++;
	diag_fail(r->d, MVP0209, &n->loc, "'%s' is no key of a handset", bad);
	if (text_nearest(bad, names, count))
		diag_hint_nearest(r->d, bad, names, count);
	else
		diag_hint(r->d, "keys joined by '+', like leftmeta+tab, leftctrl+leftalt+f1 or volumeup+volumedown");
}

static void read_switch_key(struct reader *r, const struct key *k, const struct ynode *n, void *obj)
{
	(void)k;
	struct manifest *m = obj;
	uint16_t codes[CHORD_MAX];
	const char *bad = "";
	size_t bad_len = 0;
	uint8_t byte;
	const char *t = plain_text(r, n, "keys like leftmeta+tab");
	if (!t)
		return;
	if (value_console_key(t, &byte) == VALUE_OK) {
		diag_fail(r->d, MVP0209, &n->loc, "'%s' is a key of the console, 'switch-key' is keys of the handset", t);
		diag_hint(r->d, "write 'console-key: %s'; the default of 'switch-key' is leftmeta+tab", t);
		return;
	}
	switch (chord_parse(t, codes, &bad, &bad_len)) {
	case CHORD_OK:
		set(&m->hypervisor.switch_key, t, n->loc, true);
		break;
	case CHORD_UNKNOWN:
		no_such_key(r, n, bad, bad_len);
		break;
	case CHORD_COUNT:
		diag_fail(r->d, MVP0208, &n->loc, "'%s' is not 1 to %d different keys", t, CHORD_MAX);
		break;
	case CHORD_TYPING:
		diag_fail(r->d, MVP0209, &n->loc, "'%s' would be lost for typing", t);
		diag_hint(r->d, "take a meta, ctrl or alt key along, as in leftmeta+tab, or a key like f12 or power");
		break;
	}
}

static void read_console_key(struct reader *r, const struct key *k, const struct ynode *n, void *obj)
{
	(void)k;
	struct manifest *m = obj;
	uint8_t byte;
	const char *t = plain_text(r, n, "a key like ctrl-]");
	if (!t)
		return;
	if (value_console_key(t, &byte) == VALUE_OK) {
		set(&m->hypervisor.console_key, t, n->loc, true);
		return;
	}
	diag_fail(r->d, MVP0209, &n->loc, "'%s' is not a key that can be given to switching", t);
	diag_hint(r->d, "write ctrl- and one of a-z ] \\ ^ _ except h, i, j and m (Backspace, Tab, Enter)");
}

static void read_mode(struct reader *r, const struct key *k, const struct ynode *n, void *obj)
{
	(void)k;
	const char *t = plain_text(r, n, "permission bits in octal, like 0644");
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
	const char *t = plain_text(r, n, "a numeric user or group id");
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

static void read_file(struct reader *r, const struct ynode *n, struct layer_file *f)
{
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

static void read_files(struct reader *r, const struct ynode *n, struct layer *l)
{
	if (!schema_want(r, n, YNODE_LIST, "a list of files"))
		return;
	if (n->count == 0) {
		diag_fail(r->d, MVP0206, &n->loc, "'files' is an empty list");
		return;
	}
	l->files = mem_array(struct layer_file, n->count);
	l->files_count = n->count;
	for (size_t i = 0; i < n->count; i++) {
		char name[32];
		snprintf(name, sizeof(name), "[%zu]", i);
		size_t mark = schema_enter(r, name);
		read_file(r, &n->items[i], &l->files[i]);
		schema_leave(r, mark);
	}
}

static void read_paths(struct reader *r, const struct ynode *n, struct layer *l)
{
	if (l->kind == LAYER_DEB) {
		schema_strings(r, &layer_deb, n, &l->paths);
	} else if (schema_want(r, n, YNODE_SCALAR, "a path")) {
		schema_strings(r, l->kind == LAYER_TAR ? &layer_tar : &layer_dir, n, &l->paths);
	}
	for (size_t i = 0; i < l->paths.count; i++) {
		const struct mstr *p = &l->paths.v[i];
		if (l->kind == LAYER_DEB && !value_glob_ok(p->s))
			diag_fail(r->d, MVP0211, &p->loc, "'%s' is not a pattern: a bracket is not closed", p->s);
	}
}

static void read_layer(struct reader *r, const struct ynode *n, struct layer *l)
{
	static const char *const names[] = { "tar", "deb", "dir", "files" };
	static const enum layer_kind kinds[] = { LAYER_TAR, LAYER_DEB, LAYER_DIR, LAYER_FILES };
	l->loc = n->loc;
	if (!schema_want(r, n, YNODE_MAP, "a mapping like 'tar: FILE'"))
		return;
	if (n->count != 1) {
		diag_fail(r->d, MVP0213, n->count ? &n->items[1].key_loc : &n->loc, "a layer has one key; this one has %zu", n->count);
		diag_hint(r->d, "begin each layer with a '-' of its own");
		return;
	}
	const struct ynode *v = &n->items[0];
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcmp(v->key, names[i]) != 0)
			continue;
		l->kind = kinds[i];
		size_t mark = schema_enter(r, names[i]);
		if (l->kind == LAYER_FILES)
			read_files(r, v, l);
		else
			read_paths(r, v, l);
		schema_leave(r, mark);
		return;
	}
	static const char *const later[] = { "cpio", "android", "image" };
	for (size_t i = 0; i < ARRAY_LEN(later); i++) {
		if (strcmp(v->key, later[i]) == 0) {
			diag_fail(r->d, MVP0216, &v->key_loc, "layers of kind '%s' are not built in yet", v->key);
			return;
		}
	}
	diag_fail(r->d, MVP0203, &v->key_loc, "unknown kind of layer '%s' in %s", v->key, buf_str(&r->where));
	diag_hint_nearest(r->d, v->key, names, ARRAY_LEN(names));
	if (!diag_get(r->d, diag_count(r->d) - 1)->hint)
		diag_hint(r->d, "kinds are tar, deb, dir and files");
}

static void read_layers(struct reader *r, const struct key *k, const struct ynode *n, void *obj)
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

/* What the tables cannot give: the defaults of keys with a reader of their own. */
static void persona_defaults(struct persona *p)
{
	if (!p->boot.initrd.s)
		p->boot.initrd = (struct mstr){ .s = mem_strdup(p->has_system ? "generate" : "none"), .loc = p->loc };
}

static void read_persona(struct reader *r, const struct key *k, const struct ynode *n, void *obj)
{
	(void)obj;
	size_t i = strcmp(k->name, persona_names[PERSONA_WORK]) == 0 ? PERSONA_WORK : PERSONA_PERSONAL;
	struct persona *p = &r->m->personas[i];
	p->loc = n->key_loc;
	if (!schema_want(r, n, YNODE_MAP, "a mapping"))
		return;
	size_t mark = schema_enter(r, k->name);
	schema_read(r, k->map, n, p);
	schema_leave(r, mark);
}

static bool version_ok(struct reader *r, const struct ynode *root)
{
	const struct ynode *n = ynode_find(root, "mvp");
	uint64_t v;
	if (!n || n->kind != YNODE_SCALAR || value_count(n->text, &v) != VALUE_OK || v == 1)
		return true; /* right, or wrong in a way the table reports */
	diag_fail(r->d, MVP0215, &n->loc, "manifest format %s; this mvpctl knows format 1", n->text);
	return false;
}

static int read_manifest(struct reader *r, const uint8_t *data, size_t len, bool look_at_files)
{
	struct ynode *root CLEANUP(ynode_freep) = NULL;
	if (ynode_parse(r->path, data, len, &root, r->d) < 0)
		return -1;
	if (root->kind != YNODE_MAP)
		return diag_fail(r->d, MVP0206, &root->loc, "the manifest is %s; a mapping of keys is expected", ynode_kind_name(root));
	if (!version_ok(r, root))
		return -1; /* its other keys may mean something else */
	schema_read(r, &top_keys, root, r->m);
	for (size_t i = 0; i < PERSONA_MAX; i++)
		persona_defaults(&r->m->personas[i]);
	if (!r->m->hypervisor.switch_key.s)
		set(&r->m->hypervisor.switch_key, "leftmeta+tab", root->loc, false);
	if (!r->m->hypervisor.console_key.s)
		set(&r->m->hypervisor.console_key, "ctrl-]", root->loc, false);
	manifest_check(r->m, look_at_files, r->d);
	return 0;
}

int manifest_parse(const char *path, const uint8_t *data, size_t len, bool look_at_files, struct manifest **ret_m, struct diag *d)
{
	struct manifest *m CLEANUP(manifest_freep) = mem_new(struct manifest);
	m->path = mem_strdup(path);
	const char *slash = strrchr(path, '/');
	m->dir = slash ? mem_strndup(path, slash == path ? 1 : (size_t)(slash - path)) : mem_strdup(".");
	for (size_t i = 0; i < PERSONA_MAX; i++)
		m->personas[i].name = persona_names[i];
	struct reader r = { .m = m, .d = d, .path = m->path, .where = BUF_INIT };
	size_t errors = diag_errors(d);
	int result = read_manifest(&r, data, len, look_at_files);
	buf_fini(&r.where);
	if (result < 0 || diag_errors(d) > errors)
		return -1;
	*ret_m = TAKE(m);
	return 0;
}

int manifest_load(const char *path, struct manifest **ret_m, struct diag *d)
{
	struct loc file = LOC_FILE(path);
	uint8_t *data CLEANUP_FREE = NULL;
	size_t len = 0;
	int err = io_read_file(path, YNODE_LEN_MAX, &data, &len);
	if (err < 0)
		return diag_fail(d, MVP0200, &file, "cannot read the manifest: %s", strerror(-err));
	return manifest_parse(path, data, len, true, ret_m, d);
}

static void strings_fini(struct mstrs *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->v[i].s);
	free(s->v);
}

static void persona_fini(struct persona *p)
{
	for (size_t i = 0; i < p->system.layers_count; i++) {
		struct layer *l = &p->system.layers[i];
		strings_fini(&l->paths);
		for (size_t f = 0; f < l->files_count; f++) {
			free(l->files[f].path.s);
			free(l->files[f].content.s);
			free(l->files[f].link.s);
		}
		free(l->files);
	}
	free(p->system.layers);
	free(p->boot.kernel.s);
	free(p->boot.initrd.s);
	free(p->boot.cmdline.s);
	free(p->network.s);
	free(p->encryption.passcode_file.s);
	free(p->encryption.holes.s);
}

void manifest_free(struct manifest *m)
{
	if (!m)
		return;
	struct mstr *texts[] = { &m->name,
				 &m->version,
				 &m->board,
				 &m->carrier,
				 &m->keys.oem,
				 &m->keys.enterprise,
				 &m->keys.orders,
				 &m->keys.escrow,
				 &m->keys.master,
				 &m->hypervisor.switch_key,
				 &m->hypervisor.console_key,
				 &m->hypervisor.console,
				 &m->hypervisor.build,
				 &m->policy.notifications.work_to_personal,
				 &m->policy.notifications.personal_to_work,
				 &m->policy.clipboard };
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		free(texts[i]->s);
	for (size_t i = 0; i < PERSONA_MAX; i++)
		persona_fini(&m->personas[i]);
	strings_fini(&m->oem);
	strings_fini(&m->policy.switch_request);
	strings_fini(&m->includes);
	free(m->path);
	free(m->dir);
	free(m);
}

bool persona_has_network(const struct persona *p)
{
	return p->network.s && strcmp(p->network.s, "none") != 0;
}

char *manifest_path(const struct manifest *m, const char *path)
{
	if (path[0] == '/' || strcmp(m->dir, ".") == 0)
		return mem_strdup(path);
	return mem_printf("%s%s%s", m->dir, m->dir[strlen(m->dir) - 1] == '/' ? "" : "/", path);
}
