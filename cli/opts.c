#include "cli/opts.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "imagegen/base/mem.h"
#include "imagegen/base/text.h"

const struct opt global_opts[] = {
	OPT_FLAG('h', "help", struct cli, help, "show this help"),
	OPT_FLAG(0, "version", struct cli, version, "show the version"),
	OPT_FLAG('q', "quiet", struct cli, quiet, "print errors only"),
	OPT_COUNT('v', "verbose", struct cli, verbose, "say more; may be repeated"),
	OPT_UINT('j', "jobs", struct cli, jobs, "N", "run at most N jobs at once; 0: one per CPU"),
	OPT_STRING('C', "directory", struct cli, directory, "DIR", "change to DIR first"),
	OPT_FLAG(0, "json", struct cli, json, "print JSON for programs on standard output"),
};
const size_t global_opts_count = ARRAY_LEN(global_opts);

struct parser {
	struct cli *cli;
	struct command_line *line;
	struct diag *d;
	char **argv;
	size_t argc, next;
};

const struct cmd *cmd_find(const char *name)
{
	for (size_t i = 0; i < commands_count; i++) {
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	}
	return NULL;
}

char *cmd_full_name(const struct cmd *cmd, const struct cmd *parent)
{
	return parent ? mem_printf("%s %s", parent->name, cmd->name) : mem_strdup(cmd->name);
}

void command_line_fini(struct command_line *l, const struct cmd *cmd)
{
	for (size_t i = 0; l->args && i < cmd->opts_count; i++) {
		if (cmd->opts[i].kind == OPT_KIND_LIST)
			free(((struct opt_list *)((char *)l->args + cmd->opts[i].at))->v);
	}
	free(l->args);
	free(l->operands);
	*l = (struct command_line){ 0 };
}

/* The option of this name or letter, the command's own first; *ret_base is what it fills. */
static const struct opt *find_opt(const struct parser *p, const char *name, size_t name_len, char letter, void **ret_base)
{
	const struct cmd *cmd = p->cli->cmd;
	size_t own = cmd && p->line->args ? cmd->opts_count : 0;
	for (size_t i = 0; i < own + global_opts_count; i++) {
		const struct opt *o = i < own ? &cmd->opts[i] : &global_opts[i - own];
		bool match = name ? strlen(o->name) == name_len && strncmp(o->name, name, name_len) == 0 : o->letter && o->letter == letter;
		if (match) {
			*ret_base = i < own ? p->line->args : p->cli;
			return o;
		}
	}
	return NULL;
}

static int unknown_opt(const struct parser *p, const char *name, size_t name_len, char letter)
{
	if (!name)
		return diag_fail(p->d, MVP0002, NULL, "unknown option '-%c'", letter);
	diag_fail(p->d, MVP0002, NULL, "unknown option '--%.*s'", (int)name_len, name);
	const char *names[64];
	size_t count = 0;
	const struct cmd *cmd = p->cli->cmd;
	for (size_t i = 0; cmd && i < cmd->opts_count && count < ARRAY_LEN(names); i++)
		names[count++] = cmd->opts[i].name;
	for (size_t i = 0; i < global_opts_count && count < ARRAY_LEN(names); i++)
		names[count++] = global_opts[i].name;
	char *word CLEANUP_FREE = mem_strndup(name, name_len);
	const char *near = text_nearest(word, names, count);
	if (near)
		diag_hint(p->d, "did you mean '--%s'?", near);
	return -1;
}

static int check_choice(const struct opt *o, const char *value, struct diag *d)
{
	if (!o->choices)
		return 0;
	size_t count = 0;
	const char *const *choices = o->choices(&count);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(choices[i], value) == 0)
			return 0;
	}
	diag_fail(d, MVP0003, NULL, "option '--%s' cannot be '%s'", o->name, value);
	diag_hint_nearest(d, value, choices, count);
	struct buf all CLEANUP(buf_fini) = BUF_INIT;
	for (size_t i = 0; i < count; i++)
		buf_printf(&all, "%s%s", i ? ", " : "", choices[i]);
	diag_note(d, "it is one of %s", buf_str(&all));
	return -1;
}

static int parse_uint(const char *text, unsigned *ret)
{
	uint64_t v = 0;
	if (!*text)
		return -1;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		v = v * 10 + (uint64_t)(*text - '0');
		if (v > UINT_MAX)
			return -1;
	}
	*ret = (unsigned)v;
	return 0;
}

static int missing_value(const struct parser *p, const struct opt *o)
{
	return diag_fail(p->d, MVP0003, NULL, "option '--%s' needs a value: %s", o->name, o->arg);
}

/* value is NULL for options without one. */
static int apply(const struct parser *p, const struct opt *o, void *base, const char *value)
{
	void *at = (char *)base + o->at;
	const char *v = value ? value : "";
	if (value && check_choice(o, value, p->d) < 0)
		return -1;
	switch (o->kind) {
	case OPT_KIND_FLAG:
		*(bool *)at = true;
		return 0;
	case OPT_KIND_COUNT:
		++*(unsigned *)at;
		return 0;
	case OPT_KIND_UINT:
		if (parse_uint(v, at) < 0)
			return diag_fail(p->d, MVP0003, NULL, "option '--%s' takes a whole number, not '%s'", o->name, v);
		return 0;
	case OPT_KIND_STRING:
		if (!*v)
			return diag_fail(p->d, MVP0003, NULL, "option '--%s' has an empty value", o->name);
		*(const char **)at = v;
		return 0;
	case OPT_KIND_LIST: {
		struct opt_list *list = at;
		const char **all = realloc(list->v, (list->count + 1) * sizeof(*all));
		if (!all)
			return diag_fail(p->d, MVP0001, NULL, "out of memory");
		all[list->count++] = v;
		list->v = all;
		return 0;
	}
	}
	return 0;
}

static int long_opt(struct parser *p, const char *text)
{
	size_t len = strcspn(text, "=");
	const char *value = text[len] ? text + len + 1 : NULL;
	void *base;
	const struct opt *o = find_opt(p, text, len, 0, &base);
	if (!o)
		return unknown_opt(p, text, len, 0);
	if (!o->arg && value)
		return diag_fail(p->d, MVP0003, NULL, "option '--%s' takes no value", o->name);
	if (o->arg && !value) {
		if (p->next == p->argc)
			return missing_value(p, o);
		value = p->argv[p->next++];
	}
	return apply(p, o, base, value);
}

static int short_opts(struct parser *p, const char *text)
{
	for (; *text; text++) {
		void *base;
		const struct opt *o = find_opt(p, NULL, 0, *text, &base);
		if (!o)
			return unknown_opt(p, NULL, 0, *text);
		if (!o->arg) {
			if (apply(p, o, base, NULL) < 0)
				return -1;
			continue;
		}
		const char *value = text[1] ? text + 1 : p->next < p->argc ? p->argv[p->next++] : NULL;
		return value ? apply(p, o, base, value) : missing_value(p, o);
	}
	return 0;
}

/* A word that names a command, or one below a command that has some. */
static int command_word(struct parser *p, const char *word)
{
	struct cli *cli = p->cli;
	const struct cmd *const *list = cli->cmd ? cli->cmd->subs : commands;
	size_t count = cli->cmd ? cli->cmd->subs_count : commands_count;
	const char *names[64];
	for (size_t i = 0; i < count; i++) {
		if (i < ARRAY_LEN(names))
			names[i] = list[i]->name;
		if (strcmp(list[i]->name, word) != 0)
			continue;
		cli->parent = cli->cmd;
		cli->cmd = list[i];
		if (!cli->cmd->subs)
			p->line->args = mem_zeroed(1, cli->cmd->args_size);
		return 0;
	}
	diag_fail(p->d, MVP0002, NULL, "unknown command '%s%s%s'", cli->cmd ? cli->cmd->name : "", cli->cmd ? " " : "", word);
	diag_hint_nearest(p->d, word, names, count < ARRAY_LEN(names) ? count : ARRAY_LEN(names));
	return -1;
}

static int check_operands(const struct parser *p)
{
	const struct cmd *cmd = p->cli->cmd;
	char *name CLEANUP_FREE = cmd ? cmd_full_name(cmd, p->cli->parent) : NULL;
	if (!cmd || cmd->subs) {
		diag_fail(p->d, MVP0002, NULL, "a command is missing%s%s", cmd ? " behind " : "", cmd ? cmd->name : "");
		diag_hint(p->d, "`mvpctl help%s%s` lists them", cmd ? " " : "", cmd ? cmd->name : "");
		return -1;
	}
	size_t count = p->line->operands_count;
	if (count >= cmd->operands_min && count <= cmd->operands_max) {
		if (!p->cli->json || cmd->json != CMD_JSON_NONE)
			return 0;
		p->cli->json = false;
		return diag_fail(p->d, MVP0002, NULL, "'mvpctl %s' has no --json", name);
	}
	if (count < cmd->operands_min)
		diag_fail(p->d, MVP0002, NULL, "'mvpctl %s' needs %s", name, cmd->operands);
	else if (cmd->operands_max == 0)
		diag_fail(p->d, MVP0002, NULL, "'mvpctl %s' takes no operand; '%s' is one", name, p->line->operands[0]);
	else
		diag_fail(p->d, MVP0002, NULL, "'mvpctl %s' does not take '%s' as well", name, p->line->operands[cmd->operands_max]);
	diag_hint(p->d, "`mvpctl %s --help` shows the usage", name);
	return -1;
}

int opts_parse(struct cli *cli, char **argv, size_t argc, struct command_line *ret, struct diag *d)
{
	struct parser p = { .cli = cli, .line = ret, .d = d, .argv = argv, .argc = argc };
	bool options = true;
	ret->operands = mem_array(char *, argc + 1);
	while (p.next < argc) {
		char *word = argv[p.next++];
		int r = 0;
		if (options && strcmp(word, "--") == 0)
			options = false;
		else if (options && word[0] == '-' && word[1] == '-')
			r = long_opt(&p, word + 2);
		else if (options && word[0] == '-' && word[1])
			r = short_opts(&p, word + 1);
		else if (!cli->cmd || cli->cmd->subs)
			r = command_word(&p, word);
		else
			ret->operands[ret->operands_count++] = word;
		if (r < 0)
			return -1;
	}
	cli->operands = ret->operands;
	cli->operands_count = ret->operands_count;
	return cli->help || cli->version ? 0 : check_operands(&p);
}
