#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/help.h"
#include "cli/opts.h"
#include "cli/render.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"

static void setup_terminal(struct cli *cli)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	bool terminal = isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
	cli->color = terminal && !(no_color && *no_color);
	cli->progress = terminal && !cli->quiet && !cli->json;
}

static void show_help(struct cli *cli)
{
	if (cli->json)
		help_json(&cli->out);
	else if (cli->cmd)
		help_command(cli->cmd, cli->parent, &cli->out);
	else
		help_overview(&cli->out);
}

static void show_version(struct cli *cli)
{
	if (!cli->json) {
		cli_print(cli, "mvpctl %s\n", MVP_VERSION);
		return;
	}
	struct jsonw j = JSONW_INIT(&cli->out, true);
	jsonw_document(&j, "mvp.version", 1);
	jsonw_string(&j, "release", MVP_VERSION);
	jsonw_end(&j);
}

static int run(struct cli *cli, const struct command_line *line)
{
	if (cli->directory && chdir(cli->directory) < 0)
		return diag_fail(cli->diag, MVP0007, NULL, "cannot change to '%s': %s", cli->directory, strerror(errno));
	setup_terminal(cli);
	return cli->cmd->run(cli, line->args);
}

/* With --json, what went wrong goes where the program that called us reads. */
static void report_json(struct cli *cli, enum exit_status status)
{
	struct jsonw j;
	if (cli->cmd && cli->cmd->json == CMD_JSON_EVENTS) {
		for (size_t i = 0; i < diag_count(cli->diag); i++) {
			cli_event(cli, &j, "diagnostic");
			render_json_item(diag_get(cli->diag, i), &j);
			jsonw_end(&j);
		}
		cli_event(cli, &j, "end");
		jsonw_uint(&j, "exit", status);
		jsonw_end(&j);
	} else if (status != EXIT_OK) {
		buf_fini(&cli->out); /* half a document helps nobody */
		j = JSONW_INIT(&cli->out, true);
		jsonw_document(&j, "mvp.diagnostics", 1);
		jsonw_uint(&j, "exit", status);
		cli_json_diagnostics(cli, &j);
		jsonw_end(&j);
	}
}

/* Writes everything still to be written; the last word on the exit status. */
static enum exit_status finish(struct cli *cli, int result)
{
	cli_progress_end(cli, false);
	enum exit_status status = diag_exit_status(cli->diag);
	if (result < 0 && status == EXIT_OK) {
		(void)diag_fail(cli->diag, MVP0001, NULL, "the command failed without saying why");
		status = EXIT_INTERNAL;
	}
	bool json = cli->json;
	if (json)
		report_json(cli, status);
	if (cli_flush(cli) < 0) {
		status = status == EXIT_OK ? diag_exit_status(cli->diag) : status;
		json = false;
	}
	if (!json) {
		struct buf text CLEANUP(buf_fini) = BUF_INIT;
		render_text(cli->diag, cli->color, cli->quiet, &text);
		if (io_write_all(STDERR_FILENO, buf_str(&text), text.len) < 0 && status == EXIT_OK)
			status = EXIT_OUTPUT; /* nowhere left to say more */
	}
	return status == EXIT_OK && cli->differ ? (enum exit_status)1 : status;
}

int main(int argc, char **argv)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct cli cli = { .diag = d, .out = BUF_INIT };
	struct command_line line = { 0 };
	(void)setlocale(LC_CTYPE, "C.UTF-8");
	interrupt_catch(d);
	int result = opts_parse(&cli, argv + 1, argc > 0 ? (size_t)argc - 1 : 0, &line, d);
	if (result < 0)
		setup_terminal(&cli);
	else if (cli.help)
		show_help(&cli);
	else if (cli.version)
		show_version(&cli);
	else
		result = run(&cli, &line);
	enum exit_status status = finish(&cli, result);
	command_line_fini(&line, cli.cmd);
	buf_fini(&cli.out);
	return (int)status;
}
