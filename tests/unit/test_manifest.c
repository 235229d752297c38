#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "imagegen/base/mem.h"
#include "imagegen/manifest/schema.h"

static const char good[] = "mvp: 1\n"
			   "name: acme-one\n"
			   "version: 1.10\n"
			   "board: qemu-virt\n"
			   "oem: google\n"
			   "keys: {master: keys/master.key}\n"
			   "personas:\n"
			   "  personal:\n"
			   "    memory: 512 MiB\n"
			   "    cpus: 2\n"
			   "    boot: {kernel: /boot/vmlinuz-*, cmdline: quiet}\n"
			   "    system:\n"
			   "      layers:\n"
			   "        - deb: [a-*.deb, b.deb]\n"
			   "        - files: [{path: /etc/motd, content: hi, mode: 0600, uid: 5}]\n"
			   "    userdata: {size: 64 MiB}\n"
			   "    network: none\n"
			   "  work:\n"
			   "    memory: 1 GiB\n"
			   "    cpus: 1\n"
			   "    boot: {kernel: \"file:Image\"}\n"
			   "    encryption: {passcode: {file: pass}}\n";

static struct manifest *parse(const char *text, struct diag *d)
{
	struct manifest *m = NULL;
	int r = manifest_parse("dir/phone.yaml", (const uint8_t *)text, strlen(text), false, &m, d);
	assert_int_equal(r, m ? 0 : -1);
	assert_int_equal(diag_errors(d) == 0, m != NULL);
	return m;
}

static void test_values_places_and_defaults(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct manifest *m CLEANUP(manifest_freep) = parse(good, d);
	assert_non_null(m);
	assert_int_equal(diag_count(d), 0);
	assert_string_equal(m->dir, "dir");
	assert_string_equal(m->version.s, "1.10"); /* text, never a number */
	assert_int_equal(m->version.loc.line, 3);
	assert_int_equal(m->version.loc.col, 10);
	assert_string_equal(m->version.loc.file, "dir/phone.yaml");
	assert_int_equal(m->oem.count, 1);
	assert_string_equal(m->oem.v[0].s, "google");
	const struct persona *p = &m->personas[PERSONA_PERSONAL], *w = &m->personas[PERSONA_WORK];
	assert_string_equal(p->name, "personal");
	assert_true(p->memory.v == 512 * MIB && p->memory.given && p->memory.loc.line == 9);
	assert_true(p->has_system && !w->has_system);
	assert_int_equal(p->system.layers_count, 2);
	assert_int_equal(p->system.layers[0].kind, LAYER_DEB);
	assert_string_equal(p->system.layers[0].paths.v[1].s, "b.deb");
	const struct layer_file *f = &p->system.layers[1].files[0];
	assert_string_equal(f->path.s, "/etc/motd");
	assert_string_equal(f->content.s, "hi");
	assert_null(f->link.s);
	assert_int_equal(f->mode, 0600);
	assert_int_equal(f->uid, 5);
	assert_int_equal(f->gid, 0);
	assert_true(p->userdata.size.v == 64 * MIB && w->userdata.size.v == 0);
	assert_true(!p->encryption.on && w->encryption.on);
	/* Defaults say where they would have been written. */
	assert_string_equal(p->boot.initrd.s, "generate");
	assert_string_equal(w->boot.initrd.s, "none");
	assert_string_equal(w->boot.cmdline.s, "");
	assert_string_equal(w->network.s, "nat");
	assert_string_equal(w->encryption.holes.s, "fill");
	assert_int_equal(w->encryption.tries.v, 10);
	assert_int_equal(w->encryption.tries.loc.line, 22);
	assert_false(w->encryption.tries.given);
	assert_int_equal(m->hypervisor.foreground_share.v, 80);
	assert_string_equal(m->hypervisor.switch_key.s, "leftmeta+tab");
	assert_string_equal(m->hypervisor.console_key.s, "ctrl-]");
	assert_true(p->color.v == 0x2e7d32 && w->color.v == 0x1565c0);
	assert_true(!persona_has_network(p) && persona_has_network(w));
	assert_int_equal(w->network_limit.v, 0);
	assert_int_equal(m->policy.switch_request.count, 0);
	assert_string_equal(m->hypervisor.console.s, "mux");
	assert_string_equal(m->policy.notifications.work_to_personal.s, "title");
	assert_null(m->carrier.s);
}

/* good with one line replaced by another. */
static char *changed(const char *old, const char *new)
{
	const char *at = strstr(good, old);
	assert_non_null(at);
	return mem_printf("%.*s%s%s", (int)(at - good), good, new, at + strlen(old));
}

static void test_one_mistake_gives_one_error(void **state)
{
	(void)state;
	static const struct {
		const char *old, *new;
		enum diag_code code;
		unsigned line;
	} rows[] = {
		{ "name: acme-one", "nmae: acme-one", MVP0203, 2 },
		{ "name: acme-one", "name: acme-one\nname: b", MVP0204, 3 },
		{ "    cpus: 2\n", "", MVP0205, 8 },
		{ "    cpus: 2\n", "    cpu: 2\n", MVP0203, 10 },
		{ "cpus: 2", "cpus: [2]", MVP0206, 10 },
		{ "cpus: 2", "cpus:", MVP0206, 10 },
		{ "network: none", "network: nothing", MVP0207, 17 },
		{ "cpus: 2", "cpus: 0", MVP0208, 10 },
		{ "name: acme-one", "name: a2345678901234567890123456789012", MVP0208, 2 },
		{ "1 GiB", "1 GB", MVP0209, 19 },
		{ "a-*.deb", "\"a-[.deb\"", MVP0211, 14 },
		{ "content: hi", "link: hi", MVP0213, 15 },
		{ "content: hi, ", "", MVP0205, 15 },
		{ "path: /etc/motd", "path: /etc/../motd", MVP0209, 15 },
		{ "\"file:Image\"", "/Image", MVP0213, 21 },
		{ "\"file:Image\"", "\"file:Image\", initrd: generate", MVP0213, 21 },
		{ "b.deb", "a-*.deb", MVP0214, 14 },
		{ "oem: google", "oem: [google, google]", MVP0214, 5 },
		{ "mvp: 1", "mvp: 2", MVP0215, 1 },
		{ "mvp: 1", "mvp: one", MVP0209, 1 },
		{ "deb: [a-*.deb, b.deb]", "android: super.img", MVP0206, 14 },
		{ "deb: [a-*.deb, b.deb]", "android: {sytem: a.img}", MVP0203, 14 },
		{ "deb: [a-*.deb, b.deb]", "android: {system: a.img}", MVP0213, 14 },
		{ "deb: [a-*.deb, b.deb]", "android: {system_ext: 'super:system_ext'}", MVP0213, 14 },
		{ "deb: [a-*.deb, b.deb]", "image: a.img", MVP0213, 14 },
		{ "deb: [a-*.deb, b.deb]", "{dir: b, whiteouts: oci}", MVP0213, 14 },
		{ "deb: [a-*.deb, b.deb]", "{tar: b, whiteouts: aufs}", MVP0207, 14 },
		{ "deb: [a-*.deb, b.deb]", "remove: doc", MVP0209, 14 },
		{ "deb: [a-*.deb, b.deb]", "remove: [/doc, '/a[b']", MVP0211, 14 },
		{ "deb: [a-*.deb, b.deb]", "attributes: [{path: /a}]", MVP0205, 14 },
		{ "deb: [a-*.deb, b.deb]", "attributes: [{path: /a, mode: 9}]", MVP0209, 14 },
		{ "deb: [a-*.deb, b.deb]", "attributes: [{path: /a, xattrs: [user.a]}]", MVP0206, 14 },
		{ "deb: [a-*.deb, b.deb]", "attributes: []", MVP0206, 14 },
		{ "kernel: /boot/vmlinuz-*", "kernel: android", MVP0213, 11 },
		{ "deb: [a-*.deb, b.deb]", "debs: [a.deb]", MVP0203, 14 },
		{ "deb: [a-*.deb, b.deb]", "{deb: a.deb, dir: b}", MVP0213, 14 },
		{ "name: acme-one", "name: \"a\\nb\"", MVP0209, 2 },
		{ "    userdata", "    encryption: {}\n    userdata", MVP0203, 16 },
		{ "cmdline: quiet", "cmdline: {}", MVP0206, 11 },
		{ "personas:", "personas: &a", MVP0202, 7 },
		{ "name: acme-one", "name: acme: one", MVP0201, 2 },
		{ "personas:", "hypervisor:\n  switch-key: ctrl-]\npersonas:", MVP0209, 8 },
		{ "personas:", "hypervisor: {switch-key: leftmeta+tap}\npersonas:", MVP0209, 7 },
		{ "personas:", "hypervisor: {switch-key: a}\npersonas:", MVP0209, 7 },
		{ "personas:", "hypervisor: {switch-key: f1+f2+f3+f4+f5}\npersonas:", MVP0208, 7 },
		{ "personas:", "hypervisor: {console-key: ctrl-m}\npersonas:", MVP0209, 7 },
		{ "personas:", "policy: {switch-request: [work, home]}\npersonas:", MVP0207, 7 },
		{ "personas:", "policy: {switch-request: [work, work]}\npersonas:", MVP0214, 7 },
		{ "network: none", "network: none\n    color: green", MVP0209, 18 },
		{ "network: none", "network: none\n    color: '#2e7d3'", MVP0209, 18 },
		{ "network: none", "network-limit: 100 MB/s", MVP0209, 17 },
		{ "network: none", "network-limit: 63 kbit/s", MVP0208, 17 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct diag *d CLEANUP(diag_freep) = diag_new();
		char *text CLEANUP_FREE = changed(rows[i].old, rows[i].new);
		assert_null(parse(text, d));
		const struct diag_item *it = diag_get(d, 0);
		if (diag_count(d) != 1 || it->code != rows[i].code || it->loc.line != rows[i].line)
			print_error("row %zu: %zu items, MVP%04u line %u: %s\n", i, diag_count(d), (unsigned)it->code, it->loc.line,
				    it->message);
		assert_int_equal(diag_count(d), 1);
		assert_int_equal(it->code, rows[i].code);
		assert_int_equal(it->loc.line, rows[i].line);
		assert_true(it->loc.col > 0);
	}
}

static void test_policy_and_keys_are_read(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	char *text CLEANUP_FREE = mem_printf("%scarrier: verizon\n"
					     "hypervisor: {switch-key: volumeup+volumedown, console-key: ctrl-t}\n"
					     "policy:\n"
					     "  notifications:\n"
					     "    work-to-personal: count\n"
					     "    categories: {call: {work-to-personal: full}, mail: {personal-to-work: none}}\n"
					     "    quiet: 22:00-07:30\n"
					     "  clipboard: both\n"
					     "  switch-request: [work]\n"
					     "  lease: {lock-after: 7 days, wipe-after: 30 days}\n",
					     good);
	struct manifest *m CLEANUP(manifest_freep) = parse(text, d);
	assert_non_null(m);
	assert_int_equal(diag_count(d), 0);
	assert_string_equal(m->carrier.s, "verizon");
	assert_string_equal(m->hypervisor.switch_key.s, "volumeup+volumedown");
	assert_string_equal(m->hypervisor.console_key.s, "ctrl-t");
	assert_int_equal(m->policy.switch_request.count, 1);
	assert_string_equal(m->policy.switch_request.v[0].s, "work");
	assert_string_equal(m->policy.notifications.work_to_personal.s, "count");
	assert_string_equal(m->policy.notifications.personal_to_work.s, "full");
	assert_int_equal(manifest_notify_level(m, PERSONA_WORK, MVP_NOTIFY_CALL), MVP_NOTIFY_FULL);
	assert_int_equal(manifest_notify_level(m, PERSONA_WORK, MVP_NOTIFY_MAIL), MVP_NOTIFY_COUNT);
	assert_int_equal(manifest_notify_level(m, PERSONA_PERSONAL, MVP_NOTIFY_CALL), MVP_NOTIFY_FULL);
	assert_int_equal(manifest_notify_level(m, PERSONA_PERSONAL, MVP_NOTIFY_MAIL), MVP_NOTIFY_NONE);
	assert_true(manifest_clipboard(m, PERSONA_WORK) && manifest_clipboard(m, PERSONA_PERSONAL));
	assert_int_equal(m->policy.notifications.quiet_from.v, 22 * 60);
	assert_int_equal(m->policy.notifications.quiet_to.v, 7 * 60 + 30);
	assert_int_equal(m->policy.notifications.queue.v, 64);
	assert_int_equal(m->policy.lease.wipe_after.v, 30 * 86400);
}

static void test_paths_start_from_the_manifest(void **state)
{
	(void)state;
	static const struct {
		const char *dir, *path, *want;
	} rows[] = { { "a/b", "c", "a/b/c" }, { "/", "c", "/c" }, { ".", "c", "c" }, { "a", "/c", "/c" } };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct manifest m = { .dir = (char *)rows[i].dir };
		char *p CLEANUP_FREE = manifest_path(&m, rows[i].path);
		assert_string_equal(p, rows[i].want);
	}
}

static void assert_refused(char *text TAKES, enum diag_code code)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	assert_null(parse(text, d));
	assert_int_equal(diag_get(d, 0)->code, code);
	free(text);
}

static char *repeat(const char *head, const char *piece, size_t count)
{
	struct buf b CLEANUP(buf_fini) = BUF_INIT;
	buf_puts(&b, head);
	for (size_t i = 0; i < count; i++)
		buf_puts(&b, piece);
	return (char *)buf_take(&b, NULL);
}

static void test_limits(void **state)
{
	(void)state;
	assert_refused(repeat("a: ", "[", 5000), MVP0202);
	assert_refused(repeat("a: [", "x,", 70000), MVP0202);
	assert_refused(repeat("", "# comment\n", 200000), MVP0202);
	struct buf b CLEANUP(buf_fini) = BUF_INIT;
	for (size_t i = 0; i < 600; i++)
		buf_printf(&b, "k%zu: 1\n", i);
	assert_refused((char *)buf_take(&b, NULL), MVP0202);
	assert_refused(mem_strdup(""), MVP0201);
	assert_refused(mem_strdup("\xff\xfe"), MVP0201);
}

/* The JSON Schema and the tables say the same: every key of one is in the other, required or not, with the same choices. */

static const json_t *resolve(const json_t *root, const json_t *node)
{
	const char *ref = json_string_value(json_object_get(node, "$ref"));
	if (!ref)
		return node;
	assert_memory_equal(ref, "#/$defs/", 8);
	const json_t *target = json_object_get(json_object_get(root, "$defs"), ref + 8);
	assert_non_null(target);
	return target;
}

static bool is_required(const json_t *object, const char *name)
{
	size_t i;
	json_t *v;
	json_array_foreach(json_object_get(object, "required"), i, v)
	{
		if (strcmp(json_string_value(v), name) == 0)
			return true;
	}
	return false;
}

static void compare_choices(const struct key *k, const json_t *node)
{
	const json_t *list = json_object_get(node, "enum"), *either = json_object_get(node, "oneOf");
	size_t count = 0;
	if (k->kind == KEY_STRINGS && either) { /* one, or a list of them */
		assert_int_equal(json_array_size(either), 2);
		compare_choices(k, json_array_get(either, 0));
		list = json_object_get(json_object_get(json_array_get(either, 1), "items"), "enum");
	}
	while (k->choices[count])
		count++;
	assert_int_equal(json_array_size(list), count);
	for (size_t i = 0; i < count; i++)
		assert_string_equal(json_string_value(json_array_get(list, i)), k->choices[i]);
}

/* Of a list, the schema of its items; of alternatives, of which one is a mapping, that one. */
static const json_t *items_of(const json_t *root, const json_t *node)
{
	const json_t *either = json_object_get(node, "oneOf");
	for (size_t i = 0; i < json_array_size(either); i++) {
		const json_t *one = resolve(root, json_array_get(either, i));
		if (json_object_get(one, "properties"))
			return one;
	}
	const json_t *items = json_object_get(node, "items");
	return items ? resolve(root, items) : node;
}

/* Depth is that of the tables. */
static void compare(const json_t *root, const json_t *object, const struct keys *keys)
{
	const json_t *properties = json_object_get(object, "properties");
	assert_true(json_is_false(json_object_get(object, "additionalProperties")));
	if (json_object_size(properties) != keys->count)
		print_error("a table of %zu keys beginning with '%s'\n", keys->count, keys->v[0].name);
	assert_int_equal(json_object_size(properties), keys->count);
	for (size_t i = 0; i < keys->count; i++) {
		const struct key *k = &keys->v[i];
		const json_t *node = json_object_get(properties, k->name);
		if (!node)
			print_error("'%s' is not in the schema\n", k->name);
		assert_non_null(node);
		assert_true(json_object_get(node, "description") || json_object_get(resolve(root, node), "description"));
		assert_int_equal(is_required(object, k->name), k->required);
		node = resolve(root, node);
		if (k->choices)
			compare_choices(k, node);
		if (k->map)
			compare(root, items_of(root, node), k->map);
	}
}

static void test_json_schema_agrees_with_the_tables(void **state)
{
	(void)state;
	json_error_t error;
	json_t *root = json_load_file("manifests/schema.json", JSON_REJECT_DUPLICATES, &error);
	if (!root)
		print_error("manifests/schema.json:%d: %s\n", error.line, error.text);
	assert_non_null(root);
	compare(root, root, manifest_keys());
	json_decref(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_places_and_defaults),
		cmocka_unit_test(test_one_mistake_gives_one_error),
		cmocka_unit_test(test_policy_and_keys_are_read),
		cmocka_unit_test(test_paths_start_from_the_manifest),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_json_schema_agrees_with_the_tables),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
