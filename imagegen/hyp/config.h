/* The configuration objects of mvp/config.h as C source. */
#ifndef IMAGEGEN_CONFIG_H
#define IMAGEGEN_CONFIG_H

#include "imagegen/base/buf.h"
#include "imagegen/hyp/board.h"

/* ret: initialised by the caller; the definition of mvp_core_config. */
MUST_USE int config_core(const struct board *b, const struct manifest *m, const struct layout *l, struct buf *ret, struct diag *d);
/* The definition of mvp_vault_config with the personas' device trees. logo: NULL, or ASCII that the screen shows while a persona starts. */
MUST_USE int config_vault(const struct board *b, const struct manifest *m, const struct layout *l, const struct hyp_trust *trust,
			  const char *logo, struct buf *ret, struct diag *d);

#endif
