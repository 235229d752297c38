/* Command lines: finds the command, fills the options, collects the operands. */
#ifndef CLI_OPTS_H
#define CLI_OPTS_H

#include "cli/cli.h"

/* The options every command takes. */
extern const struct opt global_opts[];
extern const size_t global_opts_count;

struct command_line {
	void *args; /* what the command's options fill in; NULL before a command is known */
	char **operands;
	size_t operands_count;
};

/* argv without the program's name. Sets cli->cmd and the global options; with --help or --version nothing is demanded of the rest. */
MUST_USE int opts_parse(struct cli *cli, char **argv, size_t argc, struct command_line *ret, struct diag *d);
void command_line_fini(struct command_line *l, const struct cmd *cmd);

/* "build", or "keys init" for a sub-command: the words behind the program's name. malloc'd. */
char *cmd_full_name(const struct cmd *cmd, const struct cmd *parent);
const struct cmd *cmd_find(const char *name); /* NULL if there is none */

#endif
