/* mvpctl inspect --html: one page that needs nothing else. */
#ifndef CLI_INSPECT_HTML_H
#define CLI_INSPECT_HTML_H

#include "cli/cli.h"
#include "imagegen/hyp/hyp.h"
#include "imagegen/inspect/inspect.h"
#include "imagegen/manifest/manifest.h"

void inspect_html_manifest(struct cli *cli, const struct manifest *m, const struct layout *l);
void inspect_html_image(struct cli *cli, const char *path, const struct inspect *i);

#endif
