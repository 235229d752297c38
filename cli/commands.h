/* Every command, each from the file of its name. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "cli/cli.h"

extern const struct cmd cmd_attest, cmd_build, cmd_cache, cmd_completion, cmd_diff, cmd_explain, cmd_help, cmd_inspect, cmd_keys,
	cmd_ledger, cmd_oem, cmd_order, cmd_provision, cmd_run, cmd_sign, cmd_validate, cmd_variants, cmd_verify;

#endif
