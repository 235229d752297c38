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
#include "imagegen/manifest/layers.h"
#include "imagegen/manifest/schema.h"
#include "imagegen/manifest/section.h"
#include "imagegen/manifest/value.h"
#include "mvp/machine.h"

#define M(member) .at = offsetof(struct manifest, member)
#define P(member) .at = offsetof(struct persona, member)
#define K(member) .at = offsetof(struct mkey, member)

static const char *const persona_names[PERSONA_MAX + 1] = { "personal", "work", NULL };
const char *const component_names[COMPONENTS + 1] = { "hypervisor", "personal", "work", NULL };
static const char *const console_choices[] = { "mux", "prefixed", NULL };
static const char *const build_choices[] = { "release", "measure", NULL };
static const char *const network_choices[] = { "nat", "none", NULL };
static const char *const holes_choices[] = { "fill", "keep", NULL };
static const char *const verity_choices[] = { "on", "off", NULL };
static const char *const redaction_choices[] = { "full", "title", "count", "none", NULL };
static const char *const clipboard_choices[] = { "none", "personal-to-work", "work-to-personal", "both", NULL };

static void read_kernel(struct reader *r, const struct key *k, const struct ynode *n, void *obj);
static void read_initrd(struct reader *r, const struct key *k, const struct ynode *n, void *obj);
static void read_persona(struct reader *r, const struct key *k, const struct ynode *n, void *obj);
static void read_switch_key(struct reader *r, const struct key *k, const struct ynode *n, void *obj);
static void read_quiet(struct reader *r, const struct key *k, const struct ynode *n, void *obj);
static void read_console_key(struct reader *r, const struct key *k, const struct ynode *n, void *obj);
static void read_signing_key(struct reader *r, const struct key *k, const struct ynode *n, void *obj);

static const struct key signing_key_keys_v[] = {
	{ "file", KEY_TEXT, K(file) },
	{ "passphrase", KEY_TEXT, K(passphrase) },
	{ "helper", KEY_TEXT, K(helper) },
	{ "public", KEY_PATH, K(public_key) },
};
static const struct keys signing_key_keys = KEYS(signing_key_keys_v);

static const struct key keys_keys_v[] = {
	{ "oem", KEY_CUSTOM, M(keys.oem), .read = read_signing_key, .map = &signing_key_keys },
	{ "enterprise", KEY_CUSTOM, M(keys.enterprise), .read = read_signing_key, .map = &signing_key_keys },
	{ "orders", KEY_PATH, M(keys.orders), .later = "mvpctl provision gives a device its key of orders" },
	{ "escrow", KEY_PATH, M(keys.escrow) },
	{ "master", KEY_PATH, .required = true, M(keys.master) },
};
static const struct keys keys_keys = KEYS(keys_keys_v);

static const struct key hypervisor_needs_v[] = {
	{ "personal", KEY_COUNT, M(hypervisor.component.needs[COMPONENT_PERSONAL]), .max = INT64_MAX },
	{ "work", KEY_COUNT, M(hypervisor.component.needs[COMPONENT_WORK]), .max = INT64_MAX },
};
static const struct keys hypervisor_needs = KEYS(hypervisor_needs_v);

static const struct key hypervisor_keys_v[] = {
	{ "foreground-share", KEY_PERCENT, M(hypervisor.foreground_share), .min = 1, .max = 99, .def_num = 80 },
	{ "switch-key", KEY_CUSTOM, M(hypervisor.switch_key), .read = read_switch_key },
	{ "console-key", KEY_CUSTOM, M(hypervisor.console_key), .read = read_console_key },
	{ "console", KEY_CHOICE, M(hypervisor.console), .choices = console_choices, .def_text = "mux" },
	{ "build", KEY_CHOICE, M(hypervisor.build), .choices = build_choices, .def_text = "release" },
	{ "security-version", KEY_COUNT, M(hypervisor.security_version), .max = INT64_MAX },
	{ "component-version", KEY_COUNT, M(hypervisor.component.version), .max = INT64_MAX },
	{ "needs", KEY_MAP, .map = &hypervisor_needs },
	{ "good-after", KEY_DURATION, M(hypervisor.good_after), .min = 1, .max = 86400, .def_num = 60 },
};
static const struct keys hypervisor_keys = KEYS(hypervisor_keys_v);

static const struct key boot_keys_v[] = {
	{ "kernel", KEY_CUSTOM, .required = true, P(boot.kernel), .read = read_kernel },
	{ "initrd", KEY_CUSTOM, P(boot.initrd), .read = read_initrd },
	{ "cmdline", KEY_TEXT, P(boot.cmdline), .empty_ok = true, .def_text = "" },
};
static const struct keys boot_keys = KEYS(boot_keys_v);

static const struct key system_keys_v[] = {
	{ "layers", KEY_CUSTOM, .required = true, .read = layers_read, .map = &layer_keys },
	{ "size", KEY_SIZE, P(system.size), .auto_ok = true, .min = 8 * MIB, .max = 1024 * GIB, .unit = 4096 },
	{ "verity", KEY_CHOICE, P(system.verity), .choices = verity_choices },
	{ "fec-roots", KEY_COUNT, P(system.fec_roots), .max = 24 },
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

static const struct key personal_needs_v[] = {
	{ "hypervisor", KEY_COUNT, P(component.needs[COMPONENT_HYPERVISOR]), .max = INT64_MAX },
	{ "work", KEY_COUNT, P(component.needs[COMPONENT_WORK]), .max = INT64_MAX },
};
static const struct key work_needs_v[] = {
	{ "hypervisor", KEY_COUNT, P(component.needs[COMPONENT_HYPERVISOR]), .max = INT64_MAX },
	{ "personal", KEY_COUNT, P(component.needs[COMPONENT_PERSONAL]), .max = INT64_MAX },
};
static const struct keys personal_needs = KEYS(personal_needs_v), work_needs = KEYS(work_needs_v);

/* Below 64 kbit/s a full frame would wait for longer than TCP does. */
#define PERSONA_KEYS(color_, needs_) \
	{ "memory", KEY_SIZE, .required = true, P(memory), .min = 16 * MIB, .max = 64 * GIB, .unit = 2 * MIB }, \
		{ "cpus", KEY_COUNT, .required = true, P(cpus), .min = 1, .max = MVP_MAX_VCPUS }, \
		{ "security-version", KEY_COUNT, P(security_version), .max = INT64_MAX }, \
		{ "component-version", KEY_COUNT, P(component.version), .max = INT64_MAX }, { "needs", KEY_MAP, .map = &(needs_) }, \
		{ "slots", KEY_COUNT, P(slots), .min = 1, .max = 2, .def_num = 1 }, \
		{ "boot", KEY_MAP, .required = true, .map = &boot_keys }, \
		{ "system", KEY_MAP, .map = &system_keys, .loc_at = offsetof(struct persona, system.loc), \
		  .on_at = offsetof(struct persona, has_system) }, \
		{ "userdata", KEY_MAP, .map = &userdata_keys, .loc_at = offsetof(struct persona, userdata.loc) }, \
		{ "tools", KEY_BOOL, P(tools), .max = 1 }, { "color", KEY_COLOR, P(color), .max = 0xffffff, .def_num = (color_) }, \
		{ "network", KEY_CHOICE, P(network), .choices = network_choices, .def_text = "nat" }, \
	{ \
		"network-limit", KEY_RATE, P(network_limit), .min = 64 * 1000, .max = 100 * (uint64_t)1000000000 \
	}

static const struct key personal_keys_v[] = { PERSONA_KEYS(0x2e7d32, personal_needs) };
static const struct key work_keys_v[] = {
	PERSONA_KEYS(0x1565c0, work_needs),
	{ "encryption", KEY_MAP, .required = true, .map = &encryption_keys, .loc_at = offsetof(struct persona, encryption.loc),
	  .on_at = offsetof(struct persona, encryption.on) },
};
static const struct keys persona_keys[PERSONA_MAX] = { KEYS(personal_keys_v), KEYS(work_keys_v) };

static const struct key personas_keys_v[] = {
	{ "personal", KEY_CUSTOM, .required = true, .read = read_persona, .map = &persona_keys[PERSONA_PERSONAL] },
	{ "work", KEY_CUSTOM, .required = true, .read = read_persona, .map = &persona_keys[PERSONA_WORK] },
};
static const struct keys personas_keys = KEYS(personas_keys_v);

/* One object of keys per category, in the order of enum mvp_notify_category. */
#define CATEGORY(NAME, n) \
	static const struct key NAME##_keys_v[] = { \
		{ "work-to-personal", KEY_CHOICE, M(policy.notifications.category[n].work_to_personal), .choices = redaction_choices }, \
		{ "personal-to-work", KEY_CHOICE, M(policy.notifications.category[n].personal_to_work), .choices = redaction_choices }, \
	}; \
	static const struct keys NAME##_keys = KEYS(NAME##_keys_v)
CATEGORY(other, MVP_NOTIFY_OTHER);
CATEGORY(call, MVP_NOTIFY_CALL);
CATEGORY(message, MVP_NOTIFY_MESSAGE);
CATEGORY(mail, MVP_NOTIFY_MAIL);
CATEGORY(calendar, MVP_NOTIFY_CALENDAR);
CATEGORY(alarm, MVP_NOTIFY_ALARM);
CATEGORY(system_alert, MVP_NOTIFY_SYSTEM);
static const struct key category_keys_v[MVP_NOTIFY_CATEGORIES] = {
	{ "other", KEY_MAP, .map = &other_keys },         { "call", KEY_MAP, .map = &call_keys },
	{ "message", KEY_MAP, .map = &message_keys },     { "mail", KEY_MAP, .map = &mail_keys },
	{ "calendar", KEY_MAP, .map = &calendar_keys },   { "alarm", KEY_MAP, .map = &alarm_keys },
	{ "system", KEY_MAP, .map = &system_alert_keys },
};
static const struct keys category_keys = KEYS(category_keys_v);

static const struct key notification_keys_v[] = {
	{ "work-to-personal", KEY_CHOICE, M(policy.notifications.work_to_personal), .choices = redaction_choices, .def_text = "title" },
	{ "personal-to-work", KEY_CHOICE, M(policy.notifications.personal_to_work), .choices = redaction_choices, .def_text = "full" },
	{ "categories", KEY_MAP, .map = &category_keys },
	{ "quiet", KEY_CUSTOM, M(policy.notifications.quiet_from), .read = read_quiet },
	{ "rate", KEY_COUNT, M(policy.notifications.rate), .min = 1, .max = 100000, .def_num = 120 },
	{ "queue", KEY_COUNT, M(policy.notifications.queue), .min = 1, .max = 256, .def_num = 64 },
};
static const struct keys notification_keys = KEYS(notification_keys_v);

static const struct key lease_keys_v[] = {
	{ "lock-after", KEY_DURATION, M(policy.lease.lock_after), .min = 60, .max = 10 * 365 * (uint64_t)86400 },
	{ "wipe-after", KEY_DURATION, M(policy.lease.wipe_after), .min = 60, .max = 10 * 365 * (uint64_t)86400 },
};
static const struct keys lease_keys = KEYS(lease_keys_v);

static const struct key policy_keys_v[] = {
	{ "notifications", KEY_MAP, .map = &notification_keys },
	{ "clipboard", KEY_CHOICE, M(policy.clipboard), .choices = clipboard_choices, .def_text = "personal-to-work" },
	{ "lease", KEY_MAP, .map = &lease_keys },
	{ "switch-request", KEY_STRINGS, M(policy.switch_request), .choices = persona_names },
};
static const struct keys policy_keys = KEYS(policy_keys_v);

static const struct key top_keys_v[] = {
	{ "mvp", KEY_COUNT, .required = true, M(format), .min = 1, .max = 1 },
	{ "name", KEY_NAME, .required = true, M(name), .max = 31 },
	{ "version", KEY_NAME, .required = true, M(version), .max = 31 },
	{ "board", KEY_TEXT, .required = true, M(board) },
	{ "oem", KEY_STRINGS, M(oem) },
	{ "carrier", KEY_TEXT, M(carrier) },
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

#define KERNEL_WHAT "an absolute path in the layers, or file:PATH"

/* A file of the persona's layers, or with file: in front one of the host. */
static void read_boot_file(struct reader *r, const struct ynode *n, const char *t, struct mstr *ret)
{
	bool host = strncmp(t, "file:", 5) == 0;
	if (host ? !t[5] : t[0] != '/') {
		diag_fail(r->d, MVP0209, &n->loc, "'%s' cannot be '%s'; it is " KERNEL_WHAT "%s", n->key, t,
			  strcmp(n->key, "initrd") == 0 ? ", or generate, android or none" : ", or android");
		if (!host)
			diag_hint(r->d, "for a file beside the manifest write 'file:%s'", t);
		return;
	}
	if (!host && !value_glob_ok(t)) {
		diag_fail(r->d, MVP0211, &n->loc, "'%s' is not a pattern: a bracket is not closed", t);
		return;
	}
	schema_set(ret, t, n->loc, true);
}

static void read_kernel(struct reader *r, const struct key *k, const struct ynode *n, void *obj)
{
	(void)k;
	struct mstr *kernel = &((struct persona *)obj)->boot.kernel;
	const char *t = schema_plain_text(r, n, KERNEL_WHAT ", or android");
	if (!t)
		return;
	if (strcmp(t, "android") == 0)
		schema_set(kernel, t, n->loc, true);
	else
		read_boot_file(r, n, t, kernel);
}

static void read_initrd(struct reader *r, const struct key *k, const struct ynode *n, void *obj)
{
	(void)k;
	struct mstr *initrd = &((struct persona *)obj)->boot.initrd;
	const char *t = schema_plain_text(r, n, "generate, none, android, " KERNEL_WHAT);
	if (!t)
		return;
	if (strcmp(t, "generate") == 0 || strcmp(t, "none") == 0 || strcmp(t, "android") == 0)
		schema_set(initrd, t, n->loc, true);
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
	const char *t = schema_plain_text(r, n, "keys like leftmeta+tab");
	if (!t)
		return;
	if (value_console_key(t, &byte) == VALUE_OK) {
		diag_fail(r->d, MVP0209, &n->loc, "'%s' is a key of the console, 'switch-key' is keys of the handset", t);
		diag_hint(r->d, "write 'console-key: %s'; the default of 'switch-key' is leftmeta+tab", t);
		return;
	}
	switch (chord_parse(t, codes, &bad, &bad_len)) {
	case CHORD_OK:
		schema_set(&m->hypervisor.switch_key, t, n->loc, true);
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

/* "22:00-07:00". */
static void read_quiet(struct reader *r, const struct key *k, const struct ynode *n, void *obj)
{
	struct manifest *m = obj;
	uint64_t from, to;
	(void)k;
	const char *t = schema_plain_text(r, n, "hours like 22:00-07:00");
	if (!t)
		return;
	if (value_hours(t, &from, &to) != VALUE_OK) {
		diag_fail(r->d, MVP0208, &n->loc, "'%s' are no hours, expected two different times like 22:00-07:00", t);
		return;
	}
	m->policy.notifications.quiet_from = (struct mnum){ .v = from, .loc = n->loc, .given = true };
	m->policy.notifications.quiet_to = (struct mnum){ .v = to, .loc = n->loc, .given = true };
}

static void read_console_key(struct reader *r, const struct key *k, const struct ynode *n, void *obj)
{
	(void)k;
	struct manifest *m = obj;
	uint8_t byte;
	const char *t = schema_plain_text(r, n, "a key like ctrl-]");
	if (!t)
		return;
	if (value_console_key(t, &byte) == VALUE_OK) {
		schema_set(&m->hypervisor.console_key, t, n->loc, true);
		return;
	}
	diag_fail(r->d, MVP0209, &n->loc, "'%s' is not a key that can be given to switching", t);
	diag_hint(r->d, "write ctrl- and one of a-z ] \\ ^ _ except h, i, j and m (Backspace, Tab, Enter)");
}

/* One text is a file or a URI; more than that is a mapping. */
static void read_signing_key(struct reader *r, const struct key *k, const struct ynode *n, void *obj)
{
	struct mkey *key = (struct mkey *)(void *)((char *)obj + k->at);
	size_t errors = diag_errors(r->d);
	if (n->kind != YNODE_MAP) {
		const char *t = schema_plain_text(r, n, "a file, a pkcs11: URI or a mapping");
		if (t)
			schema_set(&key->file, t, n->loc, true);
	} else {
		size_t mark = schema_enter(r, k->name);
		schema_read(r, k->map, n, key);
		schema_leave(r, mark);
	}
	key->loc = n->loc;
	key->on = diag_errors(r->d) == errors;
}

/* What the tables cannot give: the defaults of keys with a reader of their own. */
static void persona_defaults(struct persona *p)
{
	const char *kernel = p->boot.kernel.s;
	const char *initrd = kernel && strcmp(kernel, "android") == 0 ? "android" : p->has_system ? "generate" : "none";
	if (!p->boot.initrd.s)
		p->boot.initrd = (struct mstr){ .s = mem_strdup(initrd), .loc = p->loc };
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

/* The files beside manifests say what they are in their first key, too: one error, not one for each key that a manifest lacks. */
static bool is_profile(struct reader *r, const struct ynode *root)
{
	static const struct {
		const char *key, *title;
	} kinds[] = { { "board", "a board" }, { "oem", "an OEM profile" }, { "carrier", "a carrier profile" } };
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const struct ynode *n = ynode_find(root, kinds[i].key);
		if (!n || n->kind != YNODE_SCALAR || strcmp(n->text, "1") != 0 || ynode_find(root, "mvp"))
			continue;
		(void)diag_fail(r->d, MVP0206, &n->key_loc, "this is %s, not a manifest", kinds[i].title);
		if (strcmp(kinds[i].key, "oem") == 0)
			diag_hint(r->d, "`mvpctl oem check %s` checks it", r->path);
		else
			diag_hint(r->d, "validate a manifest that names it: '%s: %s'", kinds[i].key, r->path);
		return true;
	}
	return false;
}

static int read_manifest(struct reader *r, const uint8_t *data, size_t len, bool look_at_files)
{
	struct ynode *root CLEANUP(ynode_freep) = NULL;
	if (ynode_parse(r->path, data, len, &root, r->d) < 0)
		return -1;
	if (root->kind != YNODE_MAP)
		return diag_fail(r->d, MVP0206, &root->loc, "the manifest is %s; a mapping of keys is expected", ynode_kind_name(root));
	if (is_profile(r, root))
		return -1;
	if (!version_ok(r, root))
		return -1; /* its other keys may mean something else */
	schema_read(r, &top_keys, root, r->m);
	sections_find(r->m, root);
	for (size_t i = 0; i < PERSONA_MAX; i++)
		persona_defaults(&r->m->personas[i]);
	if (!r->m->hypervisor.switch_key.s)
		schema_set(&r->m->hypervisor.switch_key, "leftmeta+tab", root->loc, false);
	if (!r->m->hypervisor.console_key.s)
		schema_set(&r->m->hypervisor.console_key, "ctrl-]", root->loc, false);
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

static void persona_fini(struct persona *p)
{
	layers_free(p->system.layers, p->system.layers_count);
	free(p->system.verity.s);
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
				 &m->keys.oem.file,
				 &m->keys.oem.passphrase,
				 &m->keys.oem.helper,
				 &m->keys.oem.public_key,
				 &m->keys.enterprise.file,
				 &m->keys.enterprise.passphrase,
				 &m->keys.enterprise.helper,
				 &m->keys.enterprise.public_key,
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
	for (size_t i = 0; i < MVP_NOTIFY_CATEGORIES; i++) {
		free(m->policy.notifications.category[i].work_to_personal.s);
		free(m->policy.notifications.category[i].personal_to_work.s);
	}
	for (size_t i = 0; i < PERSONA_MAX; i++)
		persona_fini(&m->personas[i]);
	mstrs_fini(&m->oem);
	mstrs_fini(&m->policy.switch_request);
	mstrs_fini(&m->includes);
	sections_fini(m);
	free(m->path);
	free(m->dir);
	free(m);
}

bool persona_verity(const struct persona *p)
{
	if (!p->has_system || p->system.verity.s)
		return p->has_system && !strcmp(p->system.verity.s, "on");
	return p->boot.initrd.s && !strcmp(p->boot.initrd.s, "generate") && !strstr(p->boot.cmdline.s, "mvp.system=rw");
}

const struct component_version *manifest_component(const struct manifest *m, size_t c)
{
	return c == COMPONENT_HYPERVISOR ? &m->hypervisor.component
					 : &m->personas[c == COMPONENT_WORK ? PERSONA_WORK : PERSONA_PERSONAL].component;
}

enum mvp_notify_level manifest_notify_level(const struct manifest *m, size_t from, enum mvp_notify_category category)
{
	static const enum mvp_notify_level levels[] = { MVP_NOTIFY_FULL, MVP_NOTIFY_TITLE, MVP_NOTIFY_COUNT, MVP_NOTIFY_NONE };
	const struct mstr *own = from == PERSONA_WORK ? &m->policy.notifications.category[category].work_to_personal
						      : &m->policy.notifications.category[category].personal_to_work;
	const struct mstr *all =
		from == PERSONA_WORK ? &m->policy.notifications.work_to_personal : &m->policy.notifications.personal_to_work;
	const char *text = own->s ? own->s : all->s;
	for (size_t i = 0; text && redaction_choices[i]; i++) {
		if (!strcmp(text, redaction_choices[i]))
			return levels[i];
	}
	return MVP_NOTIFY_NONE;
}

bool manifest_clipboard(const struct manifest *m, size_t from)
{
	const char *text = m->policy.clipboard.s;
	return text && (!strcmp(text, "both") || !strcmp(text, from == PERSONA_WORK ? "work-to-personal" : "personal-to-work"));
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

const struct layer *persona_layer(const struct persona *p, enum layer_kind kind)
{
	for (size_t i = 0; i < p->system.layers_count; i++)
		if (p->system.layers[i].kind == kind)
			return &p->system.layers[i];
	return NULL;
}

bool persona_has_tree(const struct persona *p)
{
	for (size_t i = 0; i < p->system.layers_count; i++)
		if (p->system.layers[i].kind != LAYER_IMAGE && p->system.layers[i].kind != LAYER_ANDROID)
			return true;
	return false;
}
