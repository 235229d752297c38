#include "cli/commands.h"
#include "cli/help.h"

static int run(struct cli *cli, const void *args)
{
	(void)args;
	if (completion_script(cli->operands[0], &cli->out))
		return 0;
	size_t count;
	const char *const *shells = completion_shells(&count);
	diag_fail(cli->diag, MVP0002, NULL, "no completion for the shell '%s'; there is bash, zsh and fish", cli->operands[0]);
	diag_hint_nearest(cli->diag, cli->operands[0], shells, count);
	return -1;
}

static const struct example examples[] = {
	{ "mvpctl completion bash >~/.local/share/bash-completion/completions/mvpctl", "Complete commands and options in bash." },
};

const struct cmd cmd_completion = {
	.name = "completion",
	.operands = "SHELL",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "print a completion script for bash, zsh or fish",
	.group = "Help",
	.description = "Prints a script that makes SHELL (bash, zsh or fish) complete the commands and\n"
		       "options of mvpctl.",
	CMD_LIST(examples, examples),
	.run = run,
};
