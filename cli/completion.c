/* Completion scripts from the tables: whole words, no call of mvpctl while one types. */
#include <string.h>

#include "cli/help.h"
#include "cli/opts.h"
#include "imagegen/base/mem.h"

static const char *const shells[] = { "bash", "zsh", "fish" };

const char *const *completion_shells(size_t *ret_count)
{
	*ret_count = ARRAY_LEN(shells);
	return shells;
}

static void bash_words(const struct opt *opts, size_t count, struct buf *out)
{
	for (size_t i = 0; i < count; i++) {
		if (opts[i].letter)
			buf_printf(out, " -%c", opts[i].letter);
		buf_printf(out, " --%s", opts[i].name);
	}
}

/* Arms of the script's first `case`: the words that may follow an option of a command. */
static void bash_choices(const struct cmd *cmd, const struct cmd *parent, struct buf *out)
{
	char *name CLEANUP_FREE = cmd_full_name(cmd, parent);
	for (size_t i = 0; i < cmd->opts_count; i++) {
		const struct opt *o = &cmd->opts[i];
		if (!o->choices)
			continue;
		buf_printf(out, "\t\"%s --%s\"", name, o->name);
		if (o->letter)
			buf_printf(out, " | \"%s -%c\"", name, o->letter);
		size_t n;
		const char *const *choices = o->choices(&n);
		buf_puts(out, ") words=\"");
		for (size_t k = 0; k < n; k++)
			buf_printf(out, "%s%s", k ? " " : "", choices[k]);
		buf_puts(out, "\"; return ;;\n");
	}
	for (size_t i = 0; i < cmd->subs_count; i++)
		bash_choices(cmd->subs[i], cmd, out);
}

/* One arm of the script's `case`: the words that may follow a command. */
static void bash_arm(const struct cmd *cmd, const struct cmd *parent, struct buf *out)
{
	char *name CLEANUP_FREE = cmd_full_name(cmd, parent);
	buf_printf(out, "\t\"%s\") words=\"", name);
	for (size_t i = 0; i < cmd->subs_count; i++)
		buf_printf(out, "%s%s", i ? " " : "", cmd->subs[i]->name);
	if (!cmd->subs)
		bash_words(cmd->opts, cmd->opts_count, out);
	bash_words(global_opts, global_opts_count, out);
	buf_printf(out, "\"; files=%d ;;\n", cmd->operands != NULL);
	for (size_t i = 0; i < cmd->subs_count; i++)
		bash_arm(cmd->subs[i], cmd, out);
}

static void bash_script(struct buf *out)
{
	buf_puts(out, "# Completion of mvpctl; sets words and files from the words typed so far.\n"
		      "_mvpctl_words()\n{\n\tlocal name=\"\" word\n");
	buf_puts(out, "\tfor word in $1; do\n\t\tcase $word in -*) continue ;; esac\n\t\tcase \" $name \" in\n");
	for (size_t i = 0; i < commands_count; i++) {
		if (commands[i]->subs)
			buf_printf(out, "\t\t\" %s \") name=\"$name $word\"; break ;;\n", commands[i]->name);
	}
	buf_puts(out, "\t\t\"  \") name=$word ;;\n\t\tesac\n\tdone\n\tcase \"$name $2\" in\n");
	for (size_t i = 0; i < commands_count; i++)
		bash_choices(commands[i], NULL, out);
	buf_puts(out, "\tesac\n\tcase $name in\n");
	for (size_t i = 0; i < commands_count; i++)
		bash_arm(commands[i], NULL, out);
	buf_puts(out, "\t*) files=0; words=\"");
	for (size_t i = 0; i < commands_count; i++)
		buf_printf(out, "%s%s", i ? " " : "", commands[i]->name);
	bash_words(global_opts, global_opts_count, out);
	buf_puts(out, "\" ;;\n\tesac\n}\n");
}

static const char bash_tail[] = "_mvpctl()\n"
				"{\n"
				"\tlocal words=\"\" files=0\n"
				"\t_mvpctl_words \"${COMP_WORDS[*]:1:COMP_CWORD-1}\" \"${COMP_WORDS[COMP_CWORD-1]}\"\n"
				"\tCOMPREPLY=($(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n"
				"\tif [ \"$files\" = 1 ]; then\n"
				"\t\tCOMPREPLY+=($(compgen -f -- \"${COMP_WORDS[COMP_CWORD]}\"))\n"
				"\tfi\n"
				"}\n"
				"complete -o filenames -F _mvpctl mvpctl\n";

static const char zsh_tail[] = "_mvpctl()\n"
			       "{\n"
			       "\tlocal typed=\"${words[2,CURRENT-1]}\" before=\"${words[CURRENT-1]}\" files=0\n"
			       "\tlocal -a found\n"
			       "\t() {\n"
			       "\t\temulate -L sh\n"
			       "\t\tlocal words=\"\"\n"
			       "\t\t_mvpctl_words \"$1\" \"$2\"\n"
			       "\t\tfound=($words)\n"
			       "\t} \"$typed\" \"$before\"\n"
			       "\tcompadd -- $found\n"
			       "\tif [ \"$files\" = 1 ]; then _files; fi\n"
			       "}\n"
			       "# Autoloaded, this file is the body of _mvpctl at its first call.\n"
			       "if [ \"$funcstack[1]\" = _mvpctl ]; then _mvpctl \"$@\"; else compdef _mvpctl mvpctl; fi\n";

/* Text between single quotes of fish. */
static void fish_quoted(const char *s, struct buf *out)
{
	buf_putc(out, '\'');
	for (; *s; s++) {
		if (*s == '\'' || *s == '\\')
			buf_putc(out, '\\');
		buf_putc(out, *s);
	}
	buf_putc(out, '\'');
}

static void fish_opts(const char *condition, const struct opt *opts, size_t count, struct buf *out)
{
	for (size_t i = 0; i < count; i++) {
		buf_puts(out, "complete -c mvpctl");
		if (condition)
			buf_printf(out, " -n '%s'", condition);
		if (opts[i].letter)
			buf_printf(out, " -s %c", opts[i].letter);
		buf_printf(out, " -l %s%s", opts[i].name, opts[i].arg ? " -r" : "");
		if (opts[i].choices) {
			size_t n;
			const char *const *choices = opts[i].choices(&n);
			buf_puts(out, " -f -a '");
			for (size_t k = 0; k < n; k++)
				buf_printf(out, "%s%s", k ? " " : "", choices[k]);
			buf_putc(out, '\'');
		}
		buf_puts(out, " -d ");
		fish_quoted(opts[i].help, out);
		buf_putc(out, '\n');
	}
}

static void fish_script(struct buf *out)
{
	fish_opts(NULL, global_opts, global_opts_count, out);
	for (size_t i = 0; i < commands_count; i++) {
		const struct cmd *c = commands[i];
		buf_printf(out, "complete -c mvpctl -n __fish_use_subcommand -f -a %s -d ", c->name);
		fish_quoted(c->summary, out);
		buf_putc(out, '\n');
		char *seen CLEANUP_FREE = mem_printf("__fish_seen_subcommand_from %s", c->name);
		fish_opts(seen, c->opts, c->opts_count, out);
		for (size_t k = 0; k < c->subs_count; k++) {
			buf_printf(out, "complete -c mvpctl -n '%s' -f -a %s -d ", seen, c->subs[k]->name);
			fish_quoted(c->subs[k]->summary, out);
			buf_putc(out, '\n');
			char *both CLEANUP_FREE = mem_printf("%s; and __fish_seen_subcommand_from %s", seen, c->subs[k]->name);
			fish_opts(both, c->subs[k]->opts, c->subs[k]->opts_count, out);
		}
	}
}

bool completion_script(const char *shell, struct buf *out)
{
	if (strcmp(shell, "fish") == 0) {
		fish_script(out);
		return true;
	}
	bool zsh = strcmp(shell, "zsh") == 0;
	if (!zsh && strcmp(shell, "bash") != 0)
		return false;
	if (zsh)
		buf_puts(out, "#compdef mvpctl\n");
	bash_script(out);
	buf_puts(out, zsh ? zsh_tail : bash_tail);
	return true;
}
