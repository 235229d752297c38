#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/help.h"
#include "imagegen/base/mem.h"

static int compare_infos(const void *a, const void *b)
{
	const struct diag_info *const *x = a, *const *y = b;
	return (int)(*x)->code - (int)(*y)->code;
}

static void json_info(struct jsonw *j, const struct diag_info *info)
{
	jsonw_format(j, "code", "MVP%04u", (unsigned)info->code);
	jsonw_uint(j, "exit", info->exit);
	jsonw_string(j, "title", info->title);
	jsonw_string(j, "explanation", info->explanation);
}

static void list(struct cli *cli)
{
	size_t count;
	const struct diag_info *all = diag_info_all(&count);
	const struct diag_info **sorted CLEANUP_FREE = mem_array(const struct diag_info *, count);
	for (size_t i = 0; i < count; i++)
		sorted[i] = &all[i];
	qsort(sorted, count, sizeof(const struct diag_info *), compare_infos);
	struct jsonw j = JSONW_INIT(&cli->out, true);
	if (cli->json) {
		jsonw_document(&j, "mvp.explain", 1);
		jsonw_array(&j, "codes");
	}
	for (size_t i = 0; i < count; i++) {
		if (cli->json) {
			jsonw_object(&j, NULL);
			json_info(&j, sorted[i]);
			jsonw_end(&j);
		} else {
			cli_print(cli, "MVP%04u  %s\n", (unsigned)sorted[i]->code, sorted[i]->title);
		}
	}
	if (cli->json) {
		jsonw_end(&j);
		jsonw_end(&j);
	}
}

/* "MVP0203", "mvp0203", "0203" or "203"; NULL for anything else. */
static const struct diag_info *find(const char *text)
{
	if (strncasecmp(text, "MVP", 3) == 0)
		text += 3;
	size_t digits = strspn(text, "0123456789");
	if (!digits || digits > 4 || text[digits])
		return NULL;
	return diag_info_find((unsigned)strtoul(text, NULL, 10));
}

static int run(struct cli *cli, const void *args)
{
	(void)args;
	if (cli->operands_count == 0) {
		list(cli);
		return 0;
	}
	const struct diag_info *info = find(cli->operands[0]);
	if (!info) {
		diag_fail(cli->diag, MVP0005, NULL, "no diagnostic has the code '%s'", cli->operands[0]);
		diag_hint(cli->diag, "`mvpctl explain` lists them all");
		return -1;
	}
	if (cli->json) {
		struct jsonw j = JSONW_INIT(&cli->out, true);
		jsonw_document(&j, "mvp.explain", 1);
		jsonw_array(&j, "codes");
		jsonw_object(&j, NULL);
		json_info(&j, info);
		jsonw_end(&j);
		jsonw_end(&j);
		jsonw_end(&j);
		return 0;
	}
	cli_print(cli, "MVP%04u: %s\n\n", (unsigned)info->code, info->title);
	help_text(info->explanation, &cli->out);
	cli_print(cli, "\n");
	cli_print(cli, "Exit status as an error: %d (%s)\n", (int)info->exit, exit_meaning(info->exit));
	return 0;
}

static const struct example examples[] = {
	{ "mvpctl explain MVP0203", "Say what the diagnostic means and how to mend its cause." },
	{ "mvpctl explain", "List all diagnostics." },
};

const struct cmd cmd_explain = {
	.name = "explain",
	.operands = "[CODE]",
	.operands_max = 1,
	.summary = "say what a diagnostic means and what to do",
	.group = "Help",
	.description = "Prints cause, example and mend of the diagnostic with this code, or lists all\n"
		       "diagnostics.",
	.json = CMD_JSON_DOCUMENT,
	CMD_LIST(examples, examples),
	.run = run,
};
