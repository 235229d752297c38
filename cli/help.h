/* Help, usage lines and completion scripts, all from the tables. */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include "cli/cli.h"

/* All commands by group. */
void help_overview(struct buf *out);
/* One command: usage, description, options, exit status, examples. Lines have at most 80 columns. */
void help_command(const struct cmd *cmd, const struct cmd *parent, struct buf *out);
/* Commands, options and exit statuses as one JSON document. */
void help_json(struct buf *out);

/* Paragraphs filled to at most 79 columns; lines that begin with a blank are left as they are. */
void help_text(const char *text, struct buf *out);

/* What an exit status means; NULL if it is none. */
const char *exit_meaning(enum exit_status status);

/* A completion script; shell is "bash", "zsh" or "fish", anything else false. */
bool completion_script(const char *shell, struct buf *out);
const char *const *completion_shells(size_t *ret_count);

#endif
