#include "cli/commands.h"
#include "cli/plan.h"
#include "imagegen/manifest/manifest.h"

static int run(struct cli *cli, const void *args)
{
	(void)args;
	struct plan plan CLEANUP(plan_fini) = { 0 };
	if (plan_load(&plan, cli->operands[0], cli->diag) < 0)
		return -1;
	if (cli->json) {
		struct jsonw j = JSONW_INIT(&cli->out, true);
		jsonw_document(&j, "mvp.validate", 1);
		jsonw_string(&j, "manifest", plan.m->path);
		jsonw_string(&j, "name", plan.m->name.s);
		jsonw_string(&j, "release", plan.m->version.s);
		cli_json_diagnostics(cli, &j);
		jsonw_end(&j);
		return 0;
	}
	cli_say(cli, "%s: %s %s is valid\n", plan.m->path, plan.m->name.s, plan.m->version.s);
	return 0;
}

static const enum exit_status exits[] = { EXIT_MANIFEST, EXIT_INPUT, EXIT_NO_FIT };
static const struct example examples[] = {
	{ "mvpctl validate phone.yaml", "Report every mistake of the manifest at once." },
	{ "mvpctl validate --json phone.yaml", "The same for an editor or a pipeline." },
};

const struct cmd cmd_validate = {
	.name = "validate",
	.operands = "MANIFEST",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "check a manifest without building anything",
	.group = "Build",
	.description = "Reads the manifest, the board and the OEM profiles it names, checks every value\n"
		       "and every file it refers to, and plans the memory. All mistakes are reported in\n"
		       "one run. Nothing is written.",
	.json = CMD_JSON_DOCUMENT,
	CMD_LIST(exits, exits),
	CMD_LIST(examples, examples),
	.run = run,
};
