#include <string.h>

#include "cli/commands.h"
#include "cli/help.h"
#include "cli/opts.h"

static int run(struct cli *cli, const void *args)
{
	(void)args;
	if (cli->json) {
		help_json(&cli->out);
		return 0;
	}
	if (cli->operands_count == 0) {
		help_overview(&cli->out);
		return 0;
	}
	const struct cmd *parent = NULL, *cmd = NULL;
	for (size_t i = 0; i < cli->operands_count; i++) {
		const struct cmd *const *list = cmd ? cmd->subs : commands;
		size_t count = cmd ? cmd->subs_count : commands_count;
		const struct cmd *found = NULL;
		const char *names[64];
		size_t names_count = 0;
		for (size_t k = 0; k < count && k < ARRAY_LEN(names); k++) {
			names[names_count++] = list[k]->name;
			if (strcmp(list[k]->name, cli->operands[i]) == 0)
				found = list[k];
		}
		if (!found) {
			diag_fail(cli->diag, MVP0002, NULL, "unknown command '%s'", cli->operands[i]);
			diag_hint_nearest(cli->diag, cli->operands[i], names, names_count);
			return -1;
		}
		parent = cmd;
		cmd = found;
	}
	help_command(cmd, parent, &cli->out);
	return 0;
}

static const struct example examples[] = {
	{ "mvpctl help", "List the commands." },
	{ "mvpctl help keys init", "Describe a command below another one." },
};

const struct cmd cmd_help = {
	.name = "help",
	.operands = "[COMMAND]...",
	.operands_max = 2,
	.summary = "describe mvpctl or one of its commands",
	.group = "Help",
	.description = "Lists the commands, or describes one as its --help does. With --json, prints all\n"
		       "commands and options as one document (schema mvp.help), for editors and tests.",
	.json = CMD_JSON_DOCUMENT,
	CMD_LIST(examples, examples),
	.run = run,
};
