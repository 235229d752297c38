/* mvpctl sign: signatures of keys that this machine does not have, by files that go there and come back. */
#include <inttypes.h>

#include "cli/commands.h"
#include "cli/plan.h"
#include "imagegen/base/text.h"
#include "imagegen/graph/build.h"

#define DEFAULT_DIR "signatures"

struct sign_args {
	bool prepare, attach, no_cache;
	const char *dir, *out, *oem, *carrier, *component, *ota_from;
	struct opt_list formats;
};

static const struct opt opts[] = {
	OPT_FLAG(0, "prepare", struct sign_args, prepare, "write what is to be signed, and make no bundle"),
	OPT_FLAG(0, "attach", struct sign_args, attach, "build the bundles with the signatures that came back"),
	OPT_STRING(0, "signatures", struct sign_args, dir, "DIR", "folder of the files (default: " DEFAULT_DIR ")"),
	OPT_STRING('o', "output", struct sign_args, out, "DIR", "write the bundles to DIR, made if missing (default: out)"),
	OPT_LIST(0, "format", struct sign_args, formats, "FORMAT", "make only this bundle format; may be repeated",
		 .choices = build_formats),
	OPT_STRING(0, "oem", struct sign_args, oem, "NAME", "build for this OEM profile, not for those of the manifest"),
	OPT_STRING(0, "carrier", struct sign_args, carrier, "NAME", "build for this carrier, not for that of the manifest"),
	OPT_STRING(0, "component", struct sign_args, component, "NAME",
		   "make updates of this component alone: hypervisor, personal or work; without --format nothing else",
		   .choices = build_components),
	OPT_STRING(0, "ota-from", struct sign_args, ota_from, "FILE",
		   "make updates from the build whose full update package FILE is, not full ones"),
	OPT_FLAG(0, "no-cache", struct sign_args, no_cache,
		 "compile the hypervisor anew: neither look into the cache nor keep anything there"),
};

static int prepare(struct cli *cli, const struct manifest *m, const struct build_opts *o)
{
	unsigned missing;
	if (build_prepare(m, o, &missing, cli->diag))
		return -1;
	cli_progress_end(cli, true);
	if (cli->json) {
		struct jsonw j;
		cli_event(cli, &j, "result");
		jsonw_string(&j, "folder", o->exchange);
		jsonw_uint(&j, "missing", missing);
		cli_event_end(cli, &j);
	} else if (missing) {
		cli_say(cli, "%u signatures are missing. For each NAME.tbs in %s:\n", missing, o->exchange);
		cli_say(cli, "  openssl dgst -sha256 -sign KEY -out NAME.sig NAME.tbs\n");
	} else {
		cli_say(cli, "No signature is missing.\n");
	}
	return 0;
}

static int attach(struct cli *cli, const struct manifest *m, const struct build_opts *o)
{
	struct build_result r CLEANUP(build_result_fini) = { 0 };
	struct jsonw j;
	char size[TEXT_SIZE_LEN];
	if (build_run(m, o, &r, cli->diag))
		return -1;
	cli_progress_end(cli, true);
	if (!cli->json) {
		for (size_t i = 0; i < r.outputs.count; i++)
			cli_say(cli, "%s  %s\n", r.outputs.v[i].path, text_size(r.outputs.v[i].len, size));
		return 0;
	}
	cli_event(cli, &j, "result");
	jsonw_array(&j, "outputs");
	for (size_t i = 0; i < r.outputs.count; i++) {
		jsonw_object(&j, NULL);
		jsonw_string(&j, "format", r.outputs.v[i].format);
		jsonw_string(&j, "path", r.outputs.v[i].path);
		jsonw_uint(&j, "size", r.outputs.v[i].len);
		jsonw_hex(&j, "sha256", r.outputs.v[i].sha256, sizeof(r.outputs.v[i].sha256));
		jsonw_end(&j);
	}
	jsonw_end(&j);
	cli_event_end(cli, &j);
	return 0;
}

static int run(struct cli *cli, const void *args)
{
	const struct sign_args *a = args;
	const char *dir = a->dir ? a->dir : DEFAULT_DIR;
	struct build_opts o = {
		.out_dir = a->prepare ? dir
			   : a->out   ? a->out
				      : "out",
		.cache = !a->no_cache,
		.jobs = cli->jobs,
		.formats = a->formats.v,
		.formats_count = a->formats.count,
		.oem = a->oem,
		.carrier = a->carrier,
		.ota_from = a->ota_from,
		.exchange = dir,
		.progress = cli_progress,
		.progress_ctx = cli,
	};
	struct manifest *m CLEANUP(manifest_freep) = NULL;
	build_take_component(&o, a->component);
	if (a->prepare == a->attach)
		return diag_fail(cli->diag, MVP0003, NULL, "expected one of --prepare and --attach");
	if (build_epoch(&o.epoch, cli->diag) || manifest_load(cli->operands[0], &m, cli->diag))
		return -1;
	return (a->prepare ? prepare : attach)(cli, m, &o);
}

static const enum exit_status exits[] = { EXIT_MANIFEST, EXIT_INPUT, EXIT_NO_FIT, EXIT_VERIFY,
					  EXIT_KEY,      EXIT_TOOL,  EXIT_OUTPUT, EXIT_INTERRUPTED };
static const struct example examples[] = {
	{ "mvpctl sign --prepare phone.yaml", "Write what is to be signed to signatures/." },
	{ "mvpctl sign --attach -o out phone.yaml", "With the signatures there, make the bundles." },
};

const struct cmd cmd_sign = {
	.name = "sign",
	.operands = "MANIFEST",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "build with signatures that are made elsewhere",
	.group = "Keys",
	.description = "For keys of which the manifest names only the public half: --prepare builds as\n"
		       "far as everything that they sign is known, and writes it to files; --attach\n"
		       "takes the signatures, verifies them and builds the bundles. What goes into them\n"
		       "must be the same both times, SOURCE_DATE_EPOCH included: a signature that does\n"
		       "not fit is refused.\n"
		       "\n"
		       "NAME.tbs is the message; NAME.padded, its padded digest as a bare private\n"
		       "operation takes it; NAME.pub, the key that is asked for; NAME.sig, what is to\n"
		       "come back: the signature, raw.",
	CMD_LIST(opts, opts),
	.args_size = sizeof(struct sign_args),
	.json = CMD_JSON_EVENTS,
	CMD_LIST(exits, exits),
	CMD_LIST(examples, examples),
	.run = run,
};
