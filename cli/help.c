#include "cli/help.h"

#include <string.h>

#include "cli/opts.h"
#include "imagegen/base/mem.h"

#define WIDTH 80u
#define OPT_COLUMN 28u /* where the help of an option begins */

static const struct {
	enum exit_status status;
	const char *meaning;
} meanings[] = {
	{ EXIT_OK, "done" },
	{ EXIT_INTERNAL, "internal error" },
	{ EXIT_USAGE, "wrong usage" },
	{ EXIT_MANIFEST, "the manifest is wrong" },
	{ EXIT_INPUT, "an input is missing or damaged" },
	{ EXIT_NO_FIT, "something does not fit" },
	{ EXIT_VERIFY, "a verification failed" },
	{ EXIT_KEY, "a key or signer failed" },
	{ EXIT_TOOL, "a tool is missing or failed" },
	{ EXIT_OUTPUT, "output could not be written" },
	{ EXIT_NOT_REPRODUCIBLE, "not reproducible" },
	{ EXIT_INTERRUPTED, "interrupted" },
};

const char *exit_meaning(enum exit_status status)
{
	for (size_t i = 0; i < ARRAY_LEN(meanings); i++) {
		if (meanings[i].status == status)
			return meanings[i].meaning;
	}
	return NULL;
}

/* text in words from column at on; further lines begin there too. */
static void wrap(struct buf *out, const char *text, size_t at)
{
	size_t column = at;
	while (*text) {
		size_t len = strcspn(text, " ");
		if (column > at && column + 1 + len > WIDTH - 1) {
			buf_printf(out, "\n%*s", (int)at, "");
			column = at;
		}
		if (column > at) {
			buf_putc(out, ' ');
			column++;
		}
		buf_append(out, text, len);
		column += len;
		text += len;
		while (*text == ' ')
			text++;
	}
	buf_putc(out, '\n');
}

void help_text(const char *text, struct buf *out)
{
	struct buf paragraph CLEANUP(buf_fini) = BUF_INIT;
	while (*text) {
		size_t len = strcspn(text, "\n");
		bool verbatim = len == 0 || text[0] == ' ';
		if (verbatim && paragraph.len) {
			wrap(out, buf_str(&paragraph), 0);
			buf_fini(&paragraph);
		}
		if (verbatim) {
			buf_append(out, text, len);
			buf_putc(out, '\n');
		} else {
			buf_puts(&paragraph, paragraph.len ? " " : "");
			buf_append(&paragraph, text, len);
		}
		text += len + (text[len] == '\n');
	}
	if (paragraph.len)
		wrap(out, buf_str(&paragraph), 0);
}

static void help_opts(const struct opt *opts, size_t count, struct buf *out)
{
	for (size_t i = 0; i < count; i++) {
		const struct opt *o = &opts[i];
		char letter[8] = "    ";
		if (o->letter)
			memcpy(letter, (char[]){ '-', o->letter, ',', ' ', 0 }, 5);
		char *left CLEANUP_FREE = mem_printf("  %s--%s%s%s", letter, o->name, o->arg ? " " : "", o->arg ? o->arg : "");
		if (strlen(left) + 2 > OPT_COLUMN)
			buf_printf(out, "%s\n%*s", left, (int)OPT_COLUMN, "");
		else
			buf_printf(out, "%-*s", (int)OPT_COLUMN, left);
		wrap(out, o->help, OPT_COLUMN);
	}
}

void help_overview(struct buf *out)
{
	buf_puts(out, "Usage: mvpctl [OPTION]... COMMAND [ARGUMENT]...\n\n"
		      "Builds a handset that runs two operating systems at once, from one manifest.\n");
	const char *group = "";
	for (size_t i = 0; i < commands_count; i++) {
		const struct cmd *c = commands[i];
		if (strcmp(group, c->group) != 0) {
			group = c->group;
			buf_printf(out, "\n%s:\n", group);
		}
		buf_printf(out, "  %-12s  ", c->name);
		wrap(out, c->summary, 16);
	}
	buf_puts(out, "\nOptions of every command:\n");
	help_opts(global_opts, global_opts_count, out);
	buf_puts(out, "\n`mvpctl COMMAND --help` describes a command, `mvpctl explain CODE` a diagnostic.\n");
}

static void help_exits(const struct cmd *cmd, struct buf *out)
{
	static const enum exit_status always[] = { EXIT_OK, EXIT_INTERNAL, EXIT_USAGE };
	buf_puts(out, "\nExit status:\n");
	for (size_t i = 0; i < ARRAY_LEN(always) + cmd->exits_count; i++) {
		enum exit_status s = i < ARRAY_LEN(always) ? always[i] : cmd->exits[i - ARRAY_LEN(always)];
		buf_printf(out, "  %3d  %s\n", (int)s, exit_meaning(s));
	}
}

/* Allocated; a command below another, as it is typed. */
static char *left_of(const struct cmd *c)
{
	return mem_printf("%s%s%s", c->name, c->operands ? " " : "", c->operands ? c->operands : "");
}

void help_command(const struct cmd *cmd, const struct cmd *parent, struct buf *out)
{
	char *name CLEANUP_FREE = cmd_full_name(cmd, parent);
	buf_printf(out, "Usage: mvpctl %s%s%s%s\n\n", name, cmd->subs ? "" : " [OPTION]...",
		   cmd->subs       ? " COMMAND"
		   : cmd->operands ? " "
				   : "",
		   cmd->operands && !cmd->subs ? cmd->operands : "");
	help_text(cmd->description, out);
	if (cmd->subs) {
		buf_puts(out, "\nCommands:\n");
		size_t column = 0;
		for (size_t i = 0; i < cmd->subs_count; i++) {
			char *left CLEANUP_FREE = left_of(cmd->subs[i]);
			if (strlen(left) > column)
				column = strlen(left);
		}
		for (size_t i = 0; i < cmd->subs_count; i++) {
			char *left CLEANUP_FREE = left_of(cmd->subs[i]);
			buf_printf(out, "  %-*s  ", (int)column, left);
			wrap(out, cmd->subs[i]->summary, column + 4);
		}
		return;
	}
	if (cmd->opts_count) {
		buf_puts(out, "\nOptions:\n");
		help_opts(cmd->opts, cmd->opts_count, out);
	}
	buf_puts(out, "\nOptions of every command:\n");
	help_opts(global_opts, global_opts_count, out);
	help_exits(cmd, out);
	if (cmd->examples_count)
		buf_puts(out, "\nExamples:\n");
	for (size_t i = 0; i < cmd->examples_count; i++) {
		buf_printf(out, "  %s\n      ", cmd->examples[i].command);
		wrap(out, cmd->examples[i].text, 6);
	}
}

static void json_opts(struct jsonw *j, const char *key, const struct opt *opts, size_t count)
{
	jsonw_array(j, key);
	for (size_t i = 0; i < count; i++) {
		const struct opt *o = &opts[i];
		jsonw_object(j, NULL);
		jsonw_format(j, "name", "--%s", o->name);
		if (o->letter)
			jsonw_format(j, "letter", "-%c", o->letter);
		if (o->arg)
			jsonw_string(j, "value", o->arg);
		jsonw_bool(j, "repeatable", o->kind == OPT_KIND_LIST || o->kind == OPT_KIND_COUNT);
		size_t choices_count = 0;
		const char *const *choices = o->choices ? o->choices(&choices_count) : NULL;
		if (choices) {
			jsonw_array(j, "choices");
			for (size_t c = 0; c < choices_count; c++)
				jsonw_string(j, NULL, choices[c]);
			jsonw_end(j);
		}
		jsonw_string(j, "help", o->help);
		jsonw_end(j);
	}
	jsonw_end(j);
}

/* parent and its commands are no more than two levels. */
static void json_command(struct jsonw *j, const struct cmd *cmd, const struct cmd *parent)
{
	if (cmd->subs) {
		for (size_t i = 0; i < cmd->subs_count; i++)
			json_command(j, cmd->subs[i], cmd);
		return;
	}
	char *name CLEANUP_FREE = cmd_full_name(cmd, parent);
	jsonw_object(j, NULL);
	jsonw_string(j, "name", name);
	jsonw_string(j, "operands", cmd->operands);
	jsonw_string(j, "summary", cmd->summary);
	jsonw_string(j, "group", parent ? parent->group : cmd->group);
	jsonw_string(j, "json", cmd->json == CMD_JSON_NONE ? "none" : cmd->json == CMD_JSON_DOCUMENT ? "document" : "events");
	json_opts(j, "options", cmd->opts, cmd->opts_count);
	jsonw_array(j, "exits");
	for (size_t i = 0; i < cmd->exits_count; i++)
		jsonw_uint(j, NULL, cmd->exits[i]);
	jsonw_end(j);
	jsonw_array(j, "examples");
	for (size_t i = 0; i < cmd->examples_count; i++)
		jsonw_string(j, NULL, cmd->examples[i].command);
	jsonw_end(j);
	jsonw_end(j);
}

void help_json(struct buf *out)
{
	struct jsonw j = JSONW_INIT(out, true);
	jsonw_document(&j, "mvp.help", 1);
	jsonw_string(&j, "release", MVP_VERSION);
	json_opts(&j, "options", global_opts, global_opts_count);
	jsonw_array(&j, "exits");
	for (size_t i = 0; i < ARRAY_LEN(meanings); i++) {
		jsonw_object(&j, NULL);
		jsonw_uint(&j, "status", meanings[i].status);
		jsonw_string(&j, "meaning", meanings[i].meaning);
		jsonw_end(&j);
	}
	jsonw_end(&j);
	jsonw_array(&j, "commands");
	for (size_t i = 0; i < commands_count; i++)
		json_command(&j, commands[i], NULL);
	jsonw_end(&j);
	jsonw_end(&j);
}
