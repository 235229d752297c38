/* Diagnostics for people and for programs. */
#ifndef CLI_RENDER_H
#define CLI_RENDER_H

#include "cli/cli.h"

/* Text of all items, those of one file in the order of its lines: place, message, the line with a caret, help, notes. */
void render_text(const struct diag *d, bool color, bool errors_only, struct buf *out);
/* The members of one item: severity, code, title, message, file, line, column, offset, hint, notes. */
void render_json_item(const struct diag_item *it, struct jsonw *j);
/* What a stranger wrote, with '?' for all that a terminal would take for a command and for line ends, which would forge lines of ours;
 * malloc'd. */
char *render_clean(const char *text);

#endif
