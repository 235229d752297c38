/* mvpctl provision: makes one particular device of a disk image. */
#include <string.h>
#include <time.h>

#include "cli/commands.h"
#include "cli/message.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/text.h"
#include "imagegen/provision/provision.h"

struct provision_args {
	const char *serial, *fleet, *orders_key, *ledger, *device_key, *output;
	bool again;
};

/* Beside the ledger, by the serial. */
static char *default_key(const struct provision_args *a)
{
	const char *slash = strrchr(a->ledger, '/');
	return mem_printf("%.*s%s.device-key", slash ? (int)(slash - a->ledger + 1) : 0, a->ledger, a->serial);
}

static int check(struct cli *cli, const struct provision_args *a)
{
	const struct {
		const char *option, *value;
	} needed[] = { { "serial", a->serial }, { "orders-key", a->orders_key }, { "ledger", a->ledger } };
	for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
		if (!needed[i].value)
			return diag_fail(cli->diag, MVP0002, NULL, "the option --%s is missing", needed[i].option);
	}
	if (!message_is_name(a->serial) || (a->fleet && !message_is_name(a->fleet)))
		return diag_fail(cli->diag, MVP1003, NULL, "%s cannot be '%s', expected 1 to 63 of A-Z a-z 0-9 . _ -",
				 message_is_name(a->serial) ? "the fleet" : "the serial",
				 message_is_name(a->serial) ? a->fleet : a->serial);
	return 0;
}

static int run(struct cli *cli, const void *args)
{
	const struct provision_args *a = args;
	if (check(cli, a) < 0)
		return -1;
	char *made_up CLEANUP_FREE = default_key(a);
	const struct provision_opts opts = {
		.image = cli->operands[0],
		.output = a->output,
		.serial = a->serial,
		.fleet = a->fleet,
		.orders_key = a->orders_key,
		.ledger = a->ledger,
		.device_key = a->device_key ? a->device_key : made_up,
		.again = a->again,
		.time = (uint64_t)time(NULL),
	};
	struct provision_result r;
	char when[TIME_TEXT_LEN], hex[2 * 32 + 1];
	if (provision(&opts, &r, cli->diag) < 0)
		return -1;
	if (cli->json) {
		struct jsonw j = JSONW_INIT(&cli->out, true);
		jsonw_document(&j, "mvp.provision", 1);
		jsonw_string(&j, "image", cli->operands[0]);
		jsonw_string(&j, "output", a->output);
		jsonw_string(&j, "serial", r.device.serial);
		jsonw_string(&j, "fleet", r.device.fleet[0] ? r.device.fleet : NULL);
		jsonw_hex(&j, "device-public", r.device.device_public, sizeof(r.device.device_public));
		jsonw_hex(&j, "order-public", r.device.order_public, sizeof(r.device.order_public));
		jsonw_hex(&j, "image-sha256", r.device.image_sha256, sizeof(r.device.image_sha256));
		jsonw_uint(&j, "provisioned-at", r.device.provisioned_at);
		jsonw_string(&j, "device-key", opts.device_key);
		jsonw_bool(&j, "device-key-made", r.key_made);
		jsonw_bool(&j, "already", r.was_complete);
		cli_json_diagnostics(cli, &j);
		jsonw_end(&j);
		return 0;
	}
	cli_say(cli, "%s: %s the device '%s'%s%s, since %s\n", a->output ? a->output : cli->operands[0],
		r.was_complete ? "is already" : "is now", r.device.serial, r.device.fleet[0] ? " of the fleet " : "", r.device.fleet,
		time_text(r.device.provisioned_at, when));
	cli_say(cli, "  image sha256  %s\n", text_hex(r.device.image_sha256, sizeof(r.device.image_sha256), hex));
	cli_say(cli, "  device key    %s%s\n", opts.device_key, r.key_made ? " (new; keep it: the device is nothing without it)" : "");
	return 0;
}

static const struct opt opts_table[] = {
	OPT_STRING(0, "serial", struct provision_args, serial, "SERIAL", "the device's serial"),
	OPT_STRING(0, "fleet", struct provision_args, fleet, "NAME", "the fleet it belongs to"),
	OPT_STRING(0, "orders-key", struct provision_args, orders_key, "FILE", "public key whose orders it will take (PEM)"),
	OPT_STRING(0, "ledger", struct provision_args, ledger, "FILE", "enter it in this ledger, made if missing"),
	OPT_STRING(0, "device-key", struct provision_args, device_key, "FILE", "its unique key; made if missing"),
	OPT_STRING('o', "output", struct provision_args, output, "DIR", "write the partitions to DIR, not into the image"),
	OPT_FLAG(0, "again", struct provision_args, again, "also if it is provisioned already"),
};
static const enum exit_status exits[] = { EXIT_INPUT, EXIT_KEY, EXIT_OUTPUT, EXIT_INTERRUPTED };
static const struct example examples[] = {
	{ "mvpctl provision a1.img --serial A1 --orders-key orders.pub --ledger a.db", "Make the device A1 of an image." },
	{ "mvpctl provision phone.img --serial A3 --orders-key o.pub --ledger a.db -o a3", "For a handset that is flashed already." },
	{ "mvpctl provision a2.img --serial A2 --orders-key o.pub --ledger a.db --again", "Let a repaired one begin anew." },
};

const struct cmd cmd_provision = {
	.name = "provision",
	.operands = "IMAGE",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "make one particular device of a disk image",
	.group = "Devices",
	.description = "Writes a device's identity and the first record of its journal into a disk image,\n"
		       "in place, and enters it in the ledger, without which no receipt can be verified.\n"
		       "The device key is what the board has in its fuses: 32 bytes, never printed; by\n"
		       "default the file SERIAL.device-key beside the ledger. An interrupted run is\n"
		       "completed by giving the same command again.\n"
		       "\n"
		       "With -o the image, of which all devices are flashed, stays as it is; the device's\n"
		       "own partitions are the files mvp_keys.img and mvp_state.img in DIR.",
	CMD_LIST(opts, opts_table),
	.args_size = sizeof(struct provision_args),
	.json = CMD_JSON_DOCUMENT,
	CMD_LIST(exits, exits),
	CMD_LIST(examples, examples),
	.run = run,
};
