#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/plan.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/text.h"
#include "imagegen/base/tmpfile.h"
#include "imagegen/graph/build.h"

/* The time of everything a build makes unless SOURCE_DATE_EPOCH says another: 2026-01-01. Any fixed moment after 1980, where zip begins,
 * would do; the clock would not, since builds are reproducible. */
#define DEFAULT_EPOCH 1767225600

struct build_args {
	const char *out, *depfile, *oem, *carrier, *ota_from, *component;
	bool no_cache, check, dry_run;
	struct opt_list formats;
};

const char *const *build_formats(size_t *ret_count)
{
	static const char *names[16];
	size_t count;
	const struct packer *const *all = packer_all(&count);
	for (size_t i = 0; i < count && i < ARRAY_LEN(names); i++)
		names[i] = all[i]->name;
	*ret_count = count < ARRAY_LEN(names) ? count : ARRAY_LEN(names);
	return names;
}

const char *const *build_components(size_t *ret_count)
{
	*ret_count = COMPONENTS;
	return component_names;
}

static const struct opt opts[] = {
	OPT_STRING('o', "output", struct build_args, out, "DIR", "write the bundles to DIR, made if missing (default: out)"),
	OPT_LIST(0, "format", struct build_args, formats, "FORMAT", "make only this bundle format, not those of the OEM; may be repeated",
		 .choices = build_formats),
	OPT_STRING(0, "oem", struct build_args, oem, "NAME", "build for this OEM profile, not for those of the manifest"),
	OPT_STRING(0, "carrier", struct build_args, carrier, "NAME", "build for this carrier, not for that of the manifest"),
	OPT_STRING(0, "component", struct build_args, component, "NAME",
		   "make updates of this component alone: hypervisor, personal or work; without --format nothing else",
		   .choices = build_components),
	OPT_STRING(0, "ota-from", struct build_args, ota_from, "FILE",
		   "make updates from the build whose full update package FILE is, not full ones"),
	OPT_FLAG(0, "no-cache", struct build_args, no_cache, "make everything anew: neither look into the cache nor keep anything there"),
	OPT_FLAG(0, "check-reproducible", struct build_args, check, "build twice, under different conditions, and compare every byte"),
	OPT_FLAG(0, "dry-run", struct build_args, dry_run, "say what would be made and why, and make nothing"),
	OPT_STRING(0, "depfile", struct build_args, depfile, "FILE", "write what was read as a rule for make to FILE"),
};

int build_epoch(int64_t *ret_epoch, struct diag *d)
{
	const char *text = getenv("SOURCE_DATE_EPOCH");
	*ret_epoch = DEFAULT_EPOCH;
	if (!text)
		return 0;
	int64_t v = 0;
	bool ok = *text != 0;
	for (const char *p = text; ok && *p; p++) {
		ok = *p >= '0' && *p <= '9' && v <= UINT32_MAX / 10;
		v = v * 10 + (*p - '0');
	}
	if (!ok || v > UINT32_MAX)
		return diag_fail(d, MVP0004, NULL, "SOURCE_DATE_EPOCH is '%s', not a number of seconds from 0 to %" PRIu32, text,
				 UINT32_MAX);
	*ret_epoch = v;
	return 0;
}

/* A file name as make reads it in a rule. */
static void depfile_name(struct buf *b, const char *name)
{
	for (; *name; name++) {
		if (*name == '$')
			buf_putc(b, '$');
		else if (strchr(" #\\:", *name))
			buf_putc(b, '\\');
		buf_putc(b, *name);
	}
}

static int write_depfile(const char *path, const struct manifest *m, const struct build_result *r, struct diag *d)
{
	struct buf b CLEANUP(buf_fini) = BUF_INIT;
	for (size_t i = 0; i < r->outputs.count; i++) {
		buf_puts(&b, i ? " " : "");
		depfile_name(&b, r->outputs.v[i].path);
	}
	buf_puts(&b, ": ");
	depfile_name(&b, m->path);
	for (size_t i = 0; i < r->inputs_count; i++) {
		if (strcmp(r->inputs[i], m->path) == 0)
			continue;
		buf_puts(&b, " \\\n ");
		depfile_name(&b, r->inputs[i]);
	}
	buf_putc(&b, '\n');
	/* An input that is removed later must not stop make: each is a target of its own, too. */
	for (size_t i = 0; i < r->inputs_count; i++) {
		depfile_name(&b, r->inputs[i]);
		buf_puts(&b, ":\n");
	}
	const char *slash = strrchr(path, '/');
	char *dir CLEANUP_FREE = slash ? mem_strndup(path, slash == path ? 1 : (size_t)(slash - path)) : mem_strdup(".");
	struct tmpfile *t CLEANUP(tmpfile_freep) = NULL;
	int err = buf_error(&b);
	if (!err)
		err = tmpfile_open(dir, slash ? slash + 1 : path, 0666, &t);
	if (!err)
		err = io_write_all(tmpfile_fd(t), buf_str(&b), b.len);
	if (!err)
		err = tmpfile_publish(t);
	struct loc loc = LOC_FILE(path);
	return err ? diag_fail(d, MVP0811, &loc, "cannot write the depfile: %s", strerror(-err)) : 0;
}

static void json_outputs(struct jsonw *j, const struct bundle_outputs *o)
{
	jsonw_array(j, "outputs");
	for (size_t i = 0; i < o->count; i++) {
		jsonw_object(j, NULL);
		jsonw_string(j, "format", o->v[i].format);
		jsonw_string(j, "path", o->v[i].path);
		jsonw_uint(j, "size", o->v[i].len);
		jsonw_hex(j, "sha256", o->v[i].sha256, sizeof(o->v[i].sha256));
		jsonw_end(j);
	}
	jsonw_end(j);
}

static void json_result(struct cli *cli, const struct build_result *r)
{
	struct jsonw j;
	cli_event(cli, &j, "result");
	jsonw_bool(&j, "unchanged", r->unchanged);
	json_outputs(&j, &r->outputs);
	jsonw_object(&j, "hypervisor");
	jsonw_uint(&j, "core-text", r->core_text);
	jsonw_uint(&j, "core-image", r->core_image);
	jsonw_uint(&j, "vault-image", r->vault_image);
	jsonw_hex(&j, "measurement", r->measurement, sizeof(r->measurement));
	jsonw_end(&j);
	jsonw_array(&j, "partitions");
	for (size_t i = 0; i < r->parts_count; i++) {
		jsonw_object(&j, NULL);
		if (r->parts[i].oem[0])
			jsonw_string(&j, "oem", r->parts[i].oem);
		jsonw_string(&j, "name", r->parts[i].name);
		jsonw_uint(&j, "size", r->parts[i].len);
		jsonw_uint(&j, "data", r->parts[i].data_len);
		jsonw_bool(&j, "encrypted", r->parts[i].encrypted);
		jsonw_end(&j);
	}
	jsonw_end(&j);
	json_layout(&j, "memory", &r->layout);
	cli_event_end(cli, &j);
}

static void print_result(struct cli *cli, const struct build_result *r)
{
	char a[TEXT_SIZE_LEN], b[TEXT_SIZE_LEN];
	cli_say(cli, "Hypervisor: core text %" PRIu64 " bytes, core %s, vault %s, %s in all\n", r->core_text, text_size(r->core_image, a),
		text_size(r->vault_image, b), text_size(r->core_image + r->vault_image, (char[TEXT_SIZE_LEN]){ 0 }));
	print_layout(cli, &r->layout);
	cli_say(cli, "Partitions:\n");
	for (size_t i = 0; i < r->parts_count; i++) {
		if (r->parts[i].oem[0] && (i == 0 || strcmp(r->parts[i].oem, r->parts[i - 1].oem) != 0))
			cli_say(cli, " of %s:\n", r->parts[i].oem);
		cli_say(cli, "  %-16s %12s, %s of data%s\n", r->parts[i].name, text_size(r->parts[i].len, a),
			text_size(r->parts[i].data_len, b), r->parts[i].encrypted ? ", encrypted" : "");
	}
	cli_say(cli, r->unchanged ? "Outputs (nothing has changed):\n" : "Outputs:\n");
	for (size_t i = 0; i < r->outputs.count; i++) {
		char hex[2 * sizeof(r->outputs.v[i].sha256) + 1];
		cli_say(cli, "  %s  %s\n    sha256 %s\n", r->outputs.v[i].path, text_size(r->outputs.v[i].len, a),
			text_hex(r->outputs.v[i].sha256, sizeof(r->outputs.v[i].sha256), hex));
	}
}

static const char *size_or(uint64_t len, const char *unknown, char buf[TEXT_SIZE_LEN])
{
	return len ? text_size(len, buf) : unknown;
}

static void print_plan(struct cli *cli, const struct build_plan *p)
{
	char size[TEXT_SIZE_LEN];
	if (p->unchanged) {
		cli_print(cli, "Nothing would be made: nothing has changed.\n");
		for (size_t i = 0; i < p->last.outputs.count; i++)
			cli_print(cli, "  %s  %s\n", p->last.outputs.v[i].path, text_size(p->last.outputs.v[i].len, size));
		return;
	}
	cli_print(cli, "A build is needed: %s.\n", p->why);
	for (size_t i = 0; i < p->steps_count; i++) {
		const struct build_step *s = &p->steps[i];
		if (s->made)
			cli_print(cli, "  %-16s to be made: %s\n", s->name, s->why);
		else
			cli_print(cli, "  %-16s from the cache, %s\n", s->name, text_size(s->len, size));
	}
	cli_print(cli, "Partitions:\n");
	for (size_t i = 0; i < p->parts_count; i++) {
		if (p->parts[i].oem[0] && (i == 0 || strcmp(p->parts[i].oem, p->parts[i - 1].oem) != 0))
			cli_print(cli, " of %s:\n", p->parts[i].oem);
		cli_print(cli, "  %-16s %s%s\n", p->parts[i].name, size_or(p->parts[i].len, "as large as its content", size),
			  p->parts[i].encrypted ? ", encrypted" : "");
	}
	cli_print(cli, "Bundles to be written:\n");
	for (size_t i = 0; i < p->bundles_count; i++)
		cli_print(cli, "  %-16s in %s\n", p->bundles[i].format, p->bundles[i].folder);
}

static void json_size(struct jsonw *j, uint64_t len)
{
	if (len)
		jsonw_uint(j, "size", len);
	else
		jsonw_null(j, "size");
}

static void json_plan(struct cli *cli, const struct build_plan *p)
{
	struct jsonw j;
	cli_event(cli, &j, "plan");
	jsonw_bool(&j, "unchanged", p->unchanged);
	jsonw_string(&j, "why", p->why);
	jsonw_array(&j, "steps");
	for (size_t i = 0; i < p->steps_count; i++) {
		jsonw_object(&j, NULL);
		jsonw_string(&j, "name", p->steps[i].name);
		jsonw_bool(&j, "made", p->steps[i].made);
		jsonw_string(&j, "why", p->steps[i].why);
		json_size(&j, p->steps[i].len);
		jsonw_end(&j);
	}
	jsonw_end(&j);
	jsonw_array(&j, "partitions");
	for (size_t i = 0; i < p->parts_count; i++) {
		jsonw_object(&j, NULL);
		if (p->parts[i].oem[0])
			jsonw_string(&j, "oem", p->parts[i].oem);
		jsonw_string(&j, "name", p->parts[i].name);
		json_size(&j, p->parts[i].len);
		jsonw_bool(&j, "encrypted", p->parts[i].encrypted);
		jsonw_end(&j);
	}
	jsonw_end(&j);
	jsonw_array(&j, "bundles");
	for (size_t i = 0; i < p->bundles_count; i++) {
		jsonw_object(&j, NULL);
		if (p->bundles[i].oem[0])
			jsonw_string(&j, "oem", p->bundles[i].oem);
		jsonw_string(&j, "format", p->bundles[i].format);
		jsonw_string(&j, "folder", p->bundles[i].folder);
		jsonw_end(&j);
	}
	jsonw_end(&j);
	json_outputs(&j, &p->last.outputs);
	json_layout(&j, "memory", &p->layout);
	cli_event_end(cli, &j);
}

static int dry_run(struct cli *cli, const struct manifest *m, const struct build_opts *o)
{
	struct build_plan p CLEANUP(build_plan_fini) = { 0 };
	if (build_foresee(m, o, &p, cli->diag) < 0)
		return -1;
	if (cli->json)
		json_plan(cli, &p);
	else
		print_plan(cli, &p);
	return 0;
}

/* A build has two stages, each counted from 0 on a scale of its own: making hypervisor and personas, which takes somewhat less than half of
 * the time, and the pass over all partitions. */
#define FIRST_STAGE_PERCENT 40.0

static int progress(void *ctx, const char *what, uint64_t done, uint64_t total)
{
	bool last = strcmp(what, "bundles") == 0;
	double share = total ? (double)done / (double)total : 0;
	double percent = last ? FIRST_STAGE_PERCENT + share * (100 - FIRST_STAGE_PERCENT) : share * FIRST_STAGE_PERCENT;
	return cli_progress(ctx, what, (uint64_t)(percent * 1000), 100 * 1000);
}

void build_take_component(struct build_opts *o, const char *name)
{
	static const char *const updates[] = { "ota" };
	for (size_t i = 0; name && i < COMPONENTS; i++)
		if (!strcmp(component_names[i], name))
			o->component = i;
	if (name && !o->formats_count) {
		o->formats = updates;
		o->formats_count = ARRAY_LEN(updates);
	}
}

static int run(struct cli *cli, const void *args)
{
	const struct build_args *a = args;
	struct build_opts o = {
		.out_dir = a->out ? a->out : "out",
		.jobs = cli->jobs,
		.cache = !a->no_cache,
		.formats = a->formats.v,
		.formats_count = a->formats.count,
		.oem = a->oem,
		.carrier = a->carrier,
		.ota_from = a->ota_from,
		.progress = progress,
		.progress_ctx = cli,
	};
	build_take_component(&o, a->component);
	if (a->dry_run && (a->check || a->depfile))
		return diag_fail(cli->diag, MVP0002, NULL, "--dry-run makes nothing that %s could be about",
				 a->check ? "--check-reproducible" : "--depfile");
	if (build_epoch(&o.epoch, cli->diag) < 0)
		return -1;
	struct manifest *m CLEANUP(manifest_freep) = NULL;
	if (manifest_load(cli->operands[0], &m, cli->diag) < 0)
		return -1;
	if (a->dry_run)
		return dry_run(cli, m, &o);
	struct build_result r CLEANUP(build_result_fini) = { 0 };
	if ((a->check ? build_check : build_run)(m, &o, &r, cli->diag) < 0)
		return -1;
	if (a->depfile && write_depfile(a->depfile, m, &r, cli->diag) < 0)
		return -1;
	cli_progress_end(cli, true);
	if (cli->json)
		json_result(cli, &r);
	else
		print_result(cli, &r);
	return 0;
}

static const enum exit_status exits[] = { EXIT_MANIFEST, EXIT_INPUT,  EXIT_NO_FIT,           EXIT_VERIFY,     EXIT_KEY,
					  EXIT_TOOL,     EXIT_OUTPUT, EXIT_NOT_REPRODUCIBLE, EXIT_INTERRUPTED };
static const struct example examples[] = {
	{ "mvpctl build phone.yaml", "Make the bundles that the manifest's OEM profiles ask for, in out/." },
	{ "mvpctl build -o /tmp/phone --format disk phone.yaml", "Make only the disk image, for QEMU." },
	{ "mvpctl build --component work --ota-from out/phone-ota-work-1.zip phone.yaml", "An update of the work side alone." },
	{ "mvpctl build --dry-run phone.yaml", "What a build would make anew, and why." },
	{ "mvpctl build --json --depfile phone.d phone.yaml", "For a build system." },
};

const struct cmd cmd_build = {
	.name = "build",
	.operands = "MANIFEST",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "build the handset that a manifest describes",
	.group = "Build",
	.description = "Compiles the hypervisor for the board, makes both personas' disks, encrypts the\n"
		       "work disk and packs everything into bundles. Needs no root. Outputs appear under\n"
		       "their final names only when they are complete; equal inputs give equal bytes.\n"
		       "\n"
		       "SOURCE_DATE_EPOCH sets the time of everything made (default: 2026-01-01). Work\n"
		       "files are made in the output folder and removed at the end.",
	CMD_LIST(opts, opts),
	.args_size = sizeof(struct build_args),
	.json = CMD_JSON_EVENTS,
	CMD_LIST(exits, exits),
	CMD_LIST(examples, examples),
	.run = run,
};
