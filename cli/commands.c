#include "cli/commands.h"

/* In the order of `mvpctl help`; commands of one group stand together. */
const struct cmd *const commands[] = {
	&cmd_build, &cmd_validate, &cmd_inspect,   &cmd_diff,   &cmd_verify, &cmd_variants, &cmd_oem,     &cmd_cache, &cmd_run,
	&cmd_keys,  &cmd_sign,     &cmd_provision, &cmd_ledger, &cmd_order,  &cmd_attest,   &cmd_explain, &cmd_help,  &cmd_completion,
};
const size_t commands_count = ARRAY_LEN(commands);
