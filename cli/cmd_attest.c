/* mvpctl attest: judges what a device says of itself. */
#include <string.h>

#include "cli/commands.h"
#include "cli/message.h"
#include "imagegen/base/mem.h"
#include "imagegen/issue/issue.h"

struct attest_args {
	const char *ledger, *device_key, *nonce;
	struct opt_list measurements;
};

enum { MEASUREMENTS_MAX = 64 };

static int run_verify(struct cli *cli, const void *args)
{
	const struct attest_args *a = args;
	uint8_t *data CLEANUP_FREE = NULL;
	uint8_t nonce[MVP_NONCE_MAX], wanted[MEASUREMENTS_MAX][MVP_MEASUREMENT_LEN];
	struct issue_attest c = { .ledger = a->ledger, .device_key = a->device_key, .nonce = nonce, .measurements = wanted };
	struct message m;
	size_t len;
	struct loc loc = LOC_FILE(cli->operands[0]);
	if (!a->ledger == !a->device_key)
		return diag_fail(cli->diag, MVP0002, NULL, "whose attestation is it? give --ledger or --device-key, one of the two");
	if (!a->nonce)
		return diag_fail(cli->diag, MVP0002, NULL, "an attestation answers a nonce: give --nonce");
	if (!hex_parse(a->nonce, sizeof(nonce), nonce, &c.nonce_len) || c.nonce_len < MVP_NONCE_MIN)
		return diag_fail(cli->diag, MVP0003, NULL, "--nonce cannot be '%s', expected %d to %d bytes in hexadecimal", a->nonce,
				 MVP_NONCE_MIN, MVP_NONCE_MAX);
	if (a->measurements.count > MEASUREMENTS_MAX)
		return diag_fail(cli->diag, MVP0003, NULL, "more than %d measurements", MEASUREMENTS_MAX);
	for (; c.measurements_count < a->measurements.count; c.measurements_count++) {
		const char *text = a->measurements.v[c.measurements_count];
		if (!hex_parse(text, MVP_MEASUREMENT_LEN, wanted[c.measurements_count], &len) || len != MVP_MEASUREMENT_LEN)
			return diag_fail(cli->diag, MVP0003, NULL, "--measurement cannot be '%s', expected %d hexadecimal digits", text,
					 2 * MVP_MEASUREMENT_LEN);
	}
	if (message_read(cli->operands[0], &data, &len, &m, cli->diag) < 0)
		return -1;
	if (m.kind != MESSAGE_ATTEST)
		return diag_fail(cli->diag, MVP1001, &loc, "not an attestation but %s %s", m.kind == MESSAGE_ORDER ? "an" : "a",
				 message_kind_name(m.kind));
	if (issue_check_attest(&c, &m, cli->diag) < 0)
		return -1;
	if (cli->json) {
		struct jsonw j = JSONW_INIT(&cli->out, true);
		jsonw_document(&j, "mvp.attest", 1);
		jsonw_string(&j, "file", cli->operands[0]);
		json_message(&j, &m);
		jsonw_bool(&j, "measurement-checked", c.measurements_count > 0);
		cli_json_diagnostics(cli, &j);
		jsonw_end(&j);
		return 0;
	}
	cli_print(cli, "%s: attestation, signed by the device%s\n", cli->operands[0],
		  c.measurements_count ? ", which runs what it should" : "; what it runs was not compared");
	print_message(cli, &m);
	return 0;
}

static const struct opt opts[] = {
	OPT_STRING(0, "ledger", struct attest_args, ledger, "FILE", "take the device's key from this ledger"),
	OPT_STRING(0, "device-key", struct attest_args, device_key, "FILE", "the device's public key (PEM)"),
	OPT_STRING(0, "nonce", struct attest_args, nonce, "HEX", "what the device was asked with"),
	OPT_LIST(0, "measurement", struct attest_args, measurements, "HEX", "what the device should run; may be repeated"),
};
static const enum exit_status exits[] = { EXIT_INPUT, EXIT_VERIFY, EXIT_KEY };
static const struct example examples[] = { { "mvpctl attest verify a1.attest --nonce 00112233445566778899 --ledger a.db",
					     "Is it A1, and is the answer fresh?" } };

static const struct cmd verify_cmd = {
	.name = "verify",
	.operands = "FILE",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "verify an attestation",
	.description = "Verifies that an attestation is signed by the device that it names, that it answers\n"
		       "the nonce, that its log gives its measurement and, with --measurement, that the\n"
		       "device runs one of these.",
	CMD_LIST(opts, opts),
	.args_size = sizeof(struct attest_args),
	.json = CMD_JSON_DOCUMENT,
	CMD_LIST(exits, exits),
	CMD_LIST(examples, examples),
	.run = run_verify,
};

static const struct cmd *const subs[] = { &verify_cmd };

const struct cmd cmd_attest = {
	.name = "attest",
	.summary = "verify what a device says it runs",
	.group = "Devices",
	.description = "An attestation is a device's signed answer to a nonce: who it is, what it started\n"
		       "and in which state its work persona is. mvp-orders(5) describes it.",
	CMD_LIST(subs, subs),
};
