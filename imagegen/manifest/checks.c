#include "imagegen/manifest/checks.h"

#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imagegen/base/buf.h"
#include "imagegen/base/mem.h"
#include "imagegen/manifest/value.h"

#define IN_SUPER "super:" /* a partition inside Android's super */

/* A check runs only if all it needs was given and well formed: a wrong value is reported once, where it is read. */
struct need {
	bool number;
	size_t at;
};
#define NEED_TEXT(type, member) \
	{ \
		false, _Generic(&((type *)0)->member, struct mstr * : offsetof(type, member)) \
	}
#define NEED_NUMBER(type, member) \
	{ \
		true, _Generic(&((type *)0)->member, struct mnum * : offsetof(type, member)) \
	}

struct context {
	const struct manifest *m;
	const struct persona *p; /* for checks of personas */
	bool look_at_files;
	struct diag *d;
};

struct check {
	const char *name;
	struct need needs[3];
	size_t needs_count;
	void (*run)(const struct context *c);
};

static bool needs_met(const struct check *check, const void *obj)
{
	for (size_t i = 0; i < check->needs_count; i++) {
		const char *at = (const char *)obj + check->needs[i].at;
		if (check->needs[i].number ? !((const struct mnum *)at)->given : !((const struct mstr *)at)->s)
			return false;
	}
	return true;
}

/* Files of the host. */

static void want_file(const struct context *c, const char *what, const char *name, const struct loc *loc, bool folder)
{
	if (!c->look_at_files)
		return;
	char *path CLEANUP_FREE = manifest_path(c->m, name);
	struct stat st;
	if (stat(path, &st) < 0) {
		diag_fail(c->d, MVP0210, loc, "%s '%s': %s", what, path, strerror(errno));
		if (errno == ENOENT && name[0] != '/')
			diag_hint(c->d, "relative paths start from the manifest's folder, '%s'", c->m->dir);
		return;
	}
	if (folder != (S_ISDIR(st.st_mode) != 0))
		diag_fail(c->d, MVP0210, loc, "%s '%s' is %s", what, path, folder ? "not a folder" : "a folder");
	else if (access(path, folder ? R_OK | X_OK : R_OK) < 0)
		diag_fail(c->d, MVP0210, loc, "%s '%s': %s", what, path, strerror(errno));
}

static void key_file(const struct context *c, const char *what, const struct mstr *s)
{
	static const char pkcs11[] = "pkcs11:";
	if (s->s && strncmp(s->s, pkcs11, strlen(pkcs11)) != 0)
		want_file(c, what, s->s, &s->loc, false);
}

/* One way to the private key, or only the public one. */
static void signing_key(const struct context *c, const char *what, const char *name, const struct mkey *k)
{
	if (!k->on)
		return;
	key_file(c, what, &k->file);
	key_file(c, what, &k->public_key);
	if (k->file.s && k->helper.s)
		diag_fail(c->d, MVP0213, &k->helper.loc, "'%s' has both 'file' and 'helper'; which of them signs would be a guess", name);
	else if (k->helper.s && !k->public_key.s)
		diag_fail(c->d, MVP0213, &k->helper.loc, "the helper of '%s' needs 'public', the file with the public key", name);
	else if (!k->file.s && !k->public_key.s)
		diag_fail(c->d, MVP0213, &k->loc,
			  "'%s' names no key: give 'file', 'helper' and 'public', or for `mvpctl sign` 'public' alone", name);
	else if (k->file.s && k->public_key.s)
		diag_fail(c->d, MVP0213, &k->public_key.loc, "'%s' has a private key in 'file'; 'public' says nothing then", name);
	else if (k->passphrase.s && !k->file.s)
		diag_fail(c->d, MVP0213, &k->passphrase.loc, "'%s' has a passphrase, but no 'file' that it opens", name);
}

static void check_signing_keys(const struct context *c)
{
	signing_key(c, "OEM key", "oem", &c->m->keys.oem);
	signing_key(c, "enterprise key", "enterprise", &c->m->keys.enterprise);
	key_file(c, "order key", &c->m->keys.orders);
	key_file(c, "escrow certificate", &c->m->keys.escrow);
}

static void check_master_key(const struct context *c)
{
	const struct mstr *s = &c->m->keys.master;
	if (strncmp(s->s, "pkcs11:", 7) == 0) {
		diag_fail(c->d, MVP0213, &s->loc,
			  "the master key has to be a file: keys are derived from its bytes, which a token does not give out");
		return;
	}
	want_file(c, "master key", s->s, &s->loc, false);
	if (diag_count(c->d) && diag_get(c->d, diag_count(c->d) - 1)->loc.line == s->loc.line)
		diag_hint(c->d, "`mvpctl keys init DIR` makes a set of keys");
}

static void check_passcode_file(const struct context *c)
{
	want_file(c, "passcode file", c->p->encryption.passcode_file.s, &c->p->encryption.passcode_file.loc, false);
}

static void boot_file(const struct context *c, const char *what, const struct mstr *s)
{
	const struct layer *android = persona_layer(c->p, LAYER_ANDROID);
	if (strncmp(s->s, "file:", 5) == 0) {
		want_file(c, what, s->s + 5, &s->loc, false);
	} else if (strcmp(s->s, "android") == 0 && !(android && android->android[ANDROID_BOOT].s)) {
		diag_fail(c->d, MVP0213, &s->loc, "%s 'android' is that of a boot image, but %s has no layer 'android' with 'boot'", what,
			  c->p->name);
	} else if (s->s[0] == '/' && c->p->system.layers_count > 0 && !persona_has_tree(c->p) && !persona_layer(c->p, LAYER_IMAGE)) {
		diag_fail(c->d, MVP0213, &s->loc, "%s '%s' is looked for in the layers, but %s has no layer of files", what, s->s,
			  c->p->name);
		diag_hint(c->d, "write 'android' for that of the boot image, or 'file:PATH' for a file of this machine");
	} else if (s->s[0] == '/' && !c->p->has_system) {
		diag_fail(c->d, MVP0213, &s->loc, "%s '%s' is looked for in the layers, but %s has no 'system'", what, s->s, c->p->name);
		diag_hint(c->d, "for a file of this machine write 'file:%s'", s->s);
	}
}

static void check_kernel(const struct context *c)
{
	boot_file(c, "kernel", &c->p->boot.kernel);
}

static void check_initrd(const struct context *c)
{
	const struct mstr *s = &c->p->boot.initrd;
	if (!s->given && strcmp(s->s, "android") == 0)
		return; /* it follows the kernel, which is reported */
	boot_file(c, "initrd", s);
	if (strcmp(s->s, "generate") == 0 && !c->p->has_system)
		diag_fail(c->d, MVP0213, &s->loc, "an initrd is generated from the layers, but %s has no 'system'", c->p->name);
}

/* An initrd is generated for the release that the kernel's path in the layers names. */
static void check_generated_initrd(const struct context *c)
{
	if (strcmp(c->p->boot.initrd.s, "generate") != 0 || c->p->boot.kernel.s[0] == '/' || !c->p->has_system)
		return;
	diag_fail(c->d, MVP0213, &c->p->boot.initrd.loc, "an initrd can be generated only for a kernel of the layers, not for '%s'",
		  c->p->boot.kernel.s);
	diag_hint(c->d, "give 'initrd' as file:PATH or none");
}

/* Bootloaders take 1535 characters; what mvpctl adds (console, root) needs less than 512 of them. */
#define CMDLINE_MAX ((size_t)1023)

static void check_verity(const struct context *c)
{
	const struct mstr *verity = &c->p->system.verity;
	const struct mnum *roots = &c->p->system.fec_roots;
	if (verity->s && strcmp(verity->s, "on") == 0 && strstr(c->p->boot.cmdline.s, "mvp.system=rw"))
		diag_fail(c->d, MVP0213, &verity->loc,
			  "a system with a hash tree cannot be written, as 'mvp.system=rw' in 'cmdline' asks for");
	if (roots->v == 1)
		diag_fail(c->d, MVP0208, &roots->loc, "'fec-roots' is 0, for no parity, or from 2 to 24");
	else if (roots->v && !persona_verity(c->p))
		diag_fail(c->d, MVP0213, &roots->loc, "parity belongs to a hash tree, but %s has none: write 'verity: on'", c->p->name);
}

static void check_cmdline(const struct context *c)
{
	const struct mstr *s = &c->p->boot.cmdline;
	if (strlen(s->s) > CMDLINE_MAX)
		diag_fail(c->d, MVP0208, &s->loc, "the command line has %zu characters; at most %zu are allowed", strlen(s->s),
			  CMDLINE_MAX);
}

static char *glob_pattern(const struct manifest *m, const char *pattern)
{
	if (pattern[0] == '/' || strcmp(m->dir, ".") == 0)
		return mem_strdup(pattern);
	/* Only the manifest's own words are a pattern, not the folder it lies in. */
	struct buf b CLEANUP(buf_fini) = BUF_INIT;
	for (const char *p = m->dir; *p; p++) {
		if (strchr("*?[]\\", *p))
			buf_putc(&b, '\\');
		buf_putc(&b, *p);
	}
	buf_printf(&b, "/%s", pattern);
	return mem_strdup(buf_str(&b));
}

static void check_deb(const struct context *c, const struct mstr *s)
{
	if (!value_is_glob(s->s)) {
		want_file(c, "package", s->s, &s->loc, false);
		return;
	}
	if (!c->look_at_files || !value_glob_ok(s->s))
		return;
	char *pattern CLEANUP_FREE = glob_pattern(c->m, s->s);
	glob_t g = { 0 };
	int r = glob(pattern, GLOB_NOSORT, NULL, &g);
	globfree(&g);
	if (r == 0)
		return;
	diag_fail(c->d, MVP0212, &s->loc, "'%s' matches no file%s", s->s, r == GLOB_NOSPACE ? ": out of memory" : "");
	if (s->s[0] != '/')
		diag_hint(c->d, "relative patterns start from the manifest's folder, '%s'", c->m->dir);
}

static void check_android_files(const struct context *c, const struct layer *l)
{
	for (size_t i = 0; i < ANDROID_PARTS; i++) {
		const struct mstr *s = &l->android[i];
		if (!s->s)
			continue;
		if (i < ANDROID_SYSTEM || strncmp(s->s, IN_SUPER, strlen(IN_SUPER)) != 0) {
			want_file(c, "image", s->s, &s->loc, false);
		} else if (!l->android[ANDROID_SUPER].s) {
			diag_fail(c->d, MVP0213, &s->loc, "'%s' is taken out of 'super', but there is no 'super'", android_part_names[i]);
			diag_hint(c->d, "give 'super: FILE' in the same layer, or the image's own file");
		}
	}
}

static void check_layers(const struct context *c)
{
	for (size_t i = 0; i < c->p->system.layers_count; i++) {
		const struct layer *l = &c->p->system.layers[i];
		if (l->kind == LAYER_ANDROID)
			check_android_files(c, l);
		for (size_t k = 0; l->kind != LAYER_REMOVE && k < l->paths.count; k++) {
			const struct mstr *s = &l->paths.v[k];
			const char *what = l->kind == LAYER_DIR ? "folder" : l->kind == LAYER_IMAGE ? "image" : "archive";
			if (l->kind == LAYER_DEB)
				check_deb(c, s);
			else
				want_file(c, what, s->s, &s->loc, l->kind == LAYER_DIR);
		}
	}
}

/* A system partition comes from one place: files that are merged, an image, or Android's. */
static void check_one_system(const struct context *c)
{
	const struct layer *image = persona_layer(c->p, LAYER_IMAGE), *android = persona_layer(c->p, LAYER_ANDROID);
	for (size_t i = 0; i < c->p->system.layers_count; i++) {
		const struct layer *l = &c->p->system.layers[i];
		if ((l->kind == LAYER_IMAGE && l != image) || (l->kind == LAYER_ANDROID && l != android)) {
			diag_fail(c->d, MVP0213, &l->loc, "a second layer of kind '%s'", l->kind == LAYER_IMAGE ? "image" : "android");
			diag_hint(c->d, "a persona has one 'image' and one 'android' at most");
			return;
		}
	}
	const struct mstr *system = android && android->android[ANDROID_SYSTEM].s ? &android->android[ANDROID_SYSTEM] : NULL;
	const struct loc *whole = system ? &system->loc : image ? &image->loc : NULL;
	if (!whole || (persona_has_tree(c->p) + (image != NULL) + (system != NULL)) < 2)
		return;
	diag_fail(c->d, MVP0213, whole, "an image becomes the system partition as it is; no other layer can add to it");
	diag_hint(c->d, "leave the other layers out, or bring the image's files as 'tar' or 'dir'");
}

static int compare_paths(const void *a, const void *b)
{
	const struct layer_file *const *x = a, *const *y = b;
	int r = strcmp((*x)->path.s, (*y)->path.s);
	return r ? r : (*x > *y) - (*x < *y);
}

/* Nobody but the first process knows which slot's system is meant. */
static void check_slots(const struct context *c)
{
	const struct layer *android = persona_layer(c->p, LAYER_ANDROID);
	if (c->p->slots.v < 2)
		return;
	if (android && android->android[ANDROID_SUPER].s) {
		diag_fail(c->d, MVP0213, &c->p->slots.loc, "a disk with two slots cannot have a 'super', which has slots of its own");
		diag_hint(c->d, "take its partitions out of it one by one: 'system: super:system'");
	} else if (c->p->has_system && !strcmp(c->p->boot.initrd.s, "none")) {
		diag_fail(c->d, MVP0213, &c->p->slots.loc, "a disk with two slots needs an initrd, which mounts the system of the slot");
		diag_hint(c->d, "write 'initrd: generate'");
	}
}

/* One layer naming a path twice is a mistake; a later layer replacing it is what layers are for. */
static void check_inline_files(const struct context *c)
{
	for (size_t i = 0; i < c->p->system.layers_count; i++) {
		const struct layer *l = &c->p->system.layers[i];
		const struct layer_file **sorted CLEANUP_FREE = mem_array(const struct layer_file *, l->files_count);
		size_t count = 0;
		for (size_t k = 0; k < l->files_count; k++) {
			if (l->files[k].path.s)
				sorted[count++] = &l->files[k];
		}
		qsort(sorted, count, sizeof(const struct layer_file *), compare_paths);
		for (size_t k = 1; k < count; k++) {
			if (strcmp(sorted[k - 1]->path.s, sorted[k]->path.s) != 0)
				continue;
			diag_fail(c->d, MVP0214, &sorted[k]->path.loc, "'%s' is given twice in one layer", sorted[k]->path.s);
			diag_note(c->d, "it was given first in line %u", sorted[k - 1]->path.loc.line);
		}
	}
}

/* Policy. */

static void check_lease(const struct context *c)
{
	const struct mnum *lock = &c->m->policy.lease.lock_after, *wipe = &c->m->policy.lease.wipe_after;
	if (lock->v >= wipe->v) {
		diag_fail(c->d, MVP0213, &wipe->loc, "'wipe-after' has to be longer than 'lock-after'");
		diag_note(c->d, "'lock-after' is in line %u", lock->loc.line);
	}
}

/* What is built together has to work together. */
static void check_components(const struct context *c)
{
	for (size_t i = 0; i < COMPONENTS; i++) {
		for (size_t k = 0; k < COMPONENTS; k++) {
			const struct mnum *least = &manifest_component(c->m, i)->needs[k];
			const struct mnum *has = &manifest_component(c->m, k)->version;
			if (has->v >= least->v)
				continue;
			diag_fail(c->d, MVP0213, &least->loc,
				  "'%s' needs '%s' of component version %" PRIu64 " at least; this one has %" PRIu64, component_names[i],
				  component_names[k], least->v, has->v);
			if (!has->given)
				diag_hint(c->d, "give '%s' a 'component-version'", component_names[k]);
		}
	}
}

static const struct check manifest_checks[] = {
	{ "components", { { 0 } }, 0, check_components },
	{ "signing-keys", { { 0 } }, 0, check_signing_keys },
	{ "master-key", { NEED_TEXT(struct manifest, keys.master) }, 1, check_master_key },
	{ "lease",
	  { NEED_NUMBER(struct manifest, policy.lease.lock_after), NEED_NUMBER(struct manifest, policy.lease.wipe_after) },
	  2,
	  check_lease },
};

static const struct check persona_checks[] = {
	{ "kernel", { NEED_TEXT(struct persona, boot.kernel) }, 1, check_kernel },
	{ "initrd", { NEED_TEXT(struct persona, boot.initrd) }, 1, check_initrd },
	{ "generated-initrd",
	  { NEED_TEXT(struct persona, boot.initrd), NEED_TEXT(struct persona, boot.kernel) },
	  2,
	  check_generated_initrd },
	{ "cmdline", { NEED_TEXT(struct persona, boot.cmdline) }, 1, check_cmdline },
	{ "verity", { NEED_TEXT(struct persona, boot.cmdline), NEED_TEXT(struct persona, boot.initrd) }, 2, check_verity },
	{ "layers", { { 0 } }, 0, check_layers },
	{ "slots", { NEED_TEXT(struct persona, boot.initrd) }, 1, check_slots },
	{ "one-system", { { 0 } }, 0, check_one_system },
	{ "inline-files", { { 0 } }, 0, check_inline_files },
	{ "passcode-file", { NEED_TEXT(struct persona, encryption.passcode_file) }, 1, check_passcode_file },
};

static void run_checks(const struct check *checks, size_t checks_count, const void *obj, const struct context *c)
{
	for (size_t i = 0; i < checks_count; i++) {
		if (needs_met(&checks[i], obj))
			checks[i].run(c);
	}
}

void manifest_check(const struct manifest *m, bool look_at_files, struct diag *d)
{
	struct context c = { .m = m, .look_at_files = look_at_files, .d = d };
	run_checks(manifest_checks, ARRAY_LEN(manifest_checks), m, &c);
	for (size_t i = 0; i < PERSONA_MAX; i++) {
		c.p = &m->personas[i];
		run_checks(persona_checks, ARRAY_LEN(persona_checks), c.p, &c);
	}
}
