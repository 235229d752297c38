#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "imagegen/base/mem.h"
#include "imagegen/manifest/manifest.h"
#include "imagegen/oem/carrier.h"
#include "imagegen/oem/oem.h"

enum { NAMES_MAX = 64 };

struct variants_args {
	struct opt_list oems, carriers;
	const char *format, *out;
};

static const char *const *format_choices(size_t *ret_count)
{
	static const char *const names[] = { "text", "ninja", "slurm" };
	*ret_count = ARRAY_LEN(names);
	return names;
}

static const struct opt opts[] = {
	OPT_LIST(0, "oem", struct variants_args, oems, "NAME", "an OEM profile, instead of the manifest's; may be repeated"),
	OPT_LIST(0, "carrier", struct variants_args, carriers, "NAME", "a carrier, instead of the manifest's; may be repeated"),
	OPT_STRING(0, "format", struct variants_args, format, "FORMAT", "text, ninja or slurm (default: text)", .choices = format_choices),
	OPT_STRING('o', "output", struct variants_args, out, "DIR", "where the variants are built, each in DIR/OEM-CARRIER (default: out)"),
};

/* The names of one axis of the matrix. */
struct axis {
	const char *names[NAMES_MAX];
	size_t count;
	char **owned;
	size_t owned_count;
};

static void axis_fini(struct axis *a)
{
	if (a->owned)
		profile_names_free(a->owned, a->owned_count);
}

static int add(struct axis *a, const char *name, struct diag *d)
{
	for (size_t i = 0; i < a->count; i++)
		if (!strcmp(a->names[i], name))
			return 0;
	if (a->count == NAMES_MAX)
		return diag_fail(d, MVP0003, NULL, "'%s' is one too many: there are at most %d profiles and as many carriers", name,
				 NAMES_MAX);
	a->names[a->count++] = name;
	return 0;
}

/* One's own profiles are named by a path: its last part without .yaml. */
static char *short_name(const char *name)
{
	const char *slash = strrchr(name, '/');
	const char *start = slash ? slash + 1 : name;
	size_t len = strlen(start);
	if (len > 5 && !strcmp(start + len - 5, ".yaml"))
		len -= 5;
	return mem_strndup(start, len);
}

/* Short names make the folder of a variant, and stand in files for the shell and for Ninja. */
static int check_names(const struct axis *a, const char *what, struct diag *d)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+-";
	int rc = 0;
	for (size_t i = 0; i < a->count; i++) {
		char *name CLEANUP_FREE = short_name(a->names[i]);
		if (!*name || name[strspn(name, allowed)])
			rc = diag_fail(d, MVP0003, NULL, "the %s '%s' cannot name a folder: letters, digits, '.', '_', '+' and '-' can",
				       what, a->names[i]);
		for (size_t k = 0; k < i; k++) {
			char *other CLEANUP_FREE = short_name(a->names[k]);
			if (!strcmp(name, other))
				rc = diag_fail(d, MVP0003, NULL, "the %ss '%s' and '%s' would be built in the same folders", what,
					       a->names[k], a->names[i]);
		}
	}
	return rc;
}

static int plan_axes(const struct manifest *m, const struct variants_args *v, struct axis *oems, struct axis *carriers, struct diag *d)
{
	int rc = 0;
	for (size_t i = 0; i < v->oems.count; i++)
		rc |= add(oems, v->oems.v[i], d);
	for (size_t i = 0; !v->oems.count && i < m->oem.count; i++)
		rc |= add(oems, m->oem.v[i].s, d);
	if (!oems->count)
		rc |= add(oems, "generic", d);
	for (size_t i = 0; i < v->carriers.count; i++)
		rc |= add(carriers, v->carriers.v[i], d);
	if (!carriers->count && m->carrier.s)
		rc |= add(carriers, m->carrier.s, d);
	if (!carriers->count) {
		carriers->owned_count = profile_names("carriers", &carriers->owned);
		for (size_t i = 0; i < carriers->owned_count; i++)
			rc |= add(carriers, carriers->owned[i], d);
	}
	for (size_t i = 0; i < oems->count; i++) {
		struct mstr s = { .s = (char *)(uintptr_t)oems->names[i] };
		struct oem *o CLEANUP(oem_freep) = NULL;
		rc |= oem_load(m, &s, &o, d);
	}
	for (size_t i = 0; i < carriers->count; i++) {
		struct mstr s = { .s = (char *)(uintptr_t)carriers->names[i] };
		struct carrier *c CLEANUP(carrier_freep) = NULL;
		rc |= carrier_load(m, &s, &c, d);
	}
	rc |= check_names(oems, "profile", d) | check_names(carriers, "carrier", d);
	return rc;
}

/* As one word of a shell; in Ninja's files a $ is written twice. */
static char *quote(const char *s, bool ninja)
{
	struct buf b CLEANUP(buf_fini) = BUF_INIT;
	size_t len;
	buf_putc(&b, '\'');
	for (; *s; s++) {
		if (*s == '\'')
			buf_puts(&b, "'\\''");
		else if (*s == '$' && ninja)
			buf_puts(&b, "$$");
		else
			buf_putc(&b, *s == '\n' ? ' ' : *s);
	}
	buf_putc(&b, '\'');
	return (char *)buf_take(&b, &len);
}

static void print_ninja(struct cli *cli, const char *manifest, const char *out, const struct axis *oems, const struct axis *carriers)
{
	char *m CLEANUP_FREE = quote(manifest, true), *dir CLEANUP_FREE = quote(out, true);
	cli_print(cli,
		  "# mvpctl itself finds out what has to be made anew, so every variant is asked for each time.\n"
		  "rule variant\n  command = mvpctl build -q --oem $oem --carrier $carrier -o %s/$name %s\n"
		  "  description = BUILD $name\n\nbuild always: phony\n",
		  dir, m);
	for (size_t i = 0; i < oems->count; i++) {
		for (size_t k = 0; k < carriers->count; k++) {
			char *a CLEANUP_FREE = short_name(oems->names[i]), *b CLEANUP_FREE = short_name(carriers->names[k]);
			char *oem CLEANUP_FREE = quote(oems->names[i], true), *carrier CLEANUP_FREE = quote(carriers->names[k], true);
			cli_print(cli, "build %s-%s: variant always\n  name = %s-%s\n  oem = %s\n  carrier = %s\n", a, b, a, b, oem,
				  carrier);
		}
	}
}

static void print_slurm(struct cli *cli, const char *manifest, const char *out, const struct axis *oems, const struct axis *carriers)
{
	char *m CLEANUP_FREE = quote(manifest, false), *dir CLEANUP_FREE = quote(out, false);
	size_t n = 0;
	cli_print(cli, "#!/bin/sh\n#SBATCH --job-name=mvpctl\n#SBATCH --array=0-%zu\nset -eu\ncase $SLURM_ARRAY_TASK_ID in\n",
		  oems->count * carriers->count - 1);
	for (size_t i = 0; i < oems->count; i++) {
		for (size_t k = 0; k < carriers->count; k++) {
			char *a CLEANUP_FREE = short_name(oems->names[i]), *b CLEANUP_FREE = short_name(carriers->names[k]);
			char *oem CLEANUP_FREE = quote(oems->names[i], false), *carrier CLEANUP_FREE = quote(carriers->names[k], false);
			cli_print(cli, "%zu) oem=%s carrier=%s name=%s-%s ;;\n", n++, oem, carrier, a, b);
		}
	}
	cli_print(cli,
		  "*) echo \"there is no variant $SLURM_ARRAY_TASK_ID\" >&2; exit 2 ;;\nesac\n"
		  "exec mvpctl build -q --oem \"$oem\" --carrier \"$carrier\" -o %s/\"$name\" %s\n",
		  dir, m);
}

static void print_list(struct cli *cli, const char *out, const struct axis *oems, const struct axis *carriers)
{
	struct jsonw j = JSONW_INIT(&cli->out, true);
	if (cli->json) {
		jsonw_document(&j, "mvp.variants", 1);
		jsonw_array(&j, "variants");
	}
	for (size_t i = 0; i < oems->count; i++) {
		for (size_t k = 0; k < carriers->count; k++) {
			char *a CLEANUP_FREE = short_name(oems->names[i]), *b CLEANUP_FREE = short_name(carriers->names[k]);
			if (!cli->json) {
				cli_print(cli, "%-16s %-16s %s/%s-%s\n", oems->names[i], carriers->names[k], out, a, b);
				continue;
			}
			jsonw_object(&j, NULL);
			jsonw_string(&j, "oem", oems->names[i]);
			jsonw_string(&j, "carrier", carriers->names[k]);
			jsonw_format(&j, "output", "%s/%s-%s", out, a, b);
			jsonw_end(&j);
		}
	}
	if (cli->json) {
		jsonw_end(&j);
		cli_json_diagnostics(cli, &j);
		jsonw_end(&j);
	}
}

static int run(struct cli *cli, const void *args)
{
	const struct variants_args *v = args;
	const char *out = v->out ? v->out : "out", *manifest = cli->operands[0];
	struct manifest *m CLEANUP(manifest_freep) = NULL;
	struct axis oems CLEANUP(axis_fini) = { 0 }, carriers CLEANUP(axis_fini) = { 0 };
	if (manifest_load(manifest, &m, cli->diag) < 0 || plan_axes(m, v, &oems, &carriers, cli->diag) < 0)
		return -1;
	if (v->format && !strcmp(v->format, "ninja") && !cli->json)
		print_ninja(cli, manifest, out, &oems, &carriers);
	else if (v->format && !strcmp(v->format, "slurm") && !cli->json)
		print_slurm(cli, manifest, out, &oems, &carriers);
	else
		print_list(cli, out, &oems, &carriers);
	return 0;
}

static const enum exit_status exits[] = { EXIT_MANIFEST, EXIT_INPUT };
static const struct example examples[] = {
	{ "mvpctl variants phone.yaml", "Every OEM of the manifest with every carrier there is." },
	{ "mvpctl variants --format ninja phone.yaml > build.ninja && ninja", "Build them all, as many at once as there are CPUs." },
	{ "mvpctl variants --format slurm phone.yaml | sbatch", "Spread them over a cluster." },
};

const struct cmd cmd_variants = {
	.name = "variants",
	.operands = "MANIFEST",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "list the variants of a handset: OEM by carrier",
	.group = "Build",
	.description = "Lists one variant for each OEM profile and carrier: those of the manifest, or\n"
		       "those given, or, for a manifest without a carrier, every carrier there is. As\n"
		       "text, as a file for ninja, or as a job array for Slurm.",
	CMD_LIST(opts, opts),
	.args_size = sizeof(struct variants_args),
	.json = CMD_JSON_DOCUMENT,
	CMD_LIST(exits, exits),
	CMD_LIST(examples, examples),
	.run = run,
};
