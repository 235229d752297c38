/* mvpctl ledger: which devices there are, and what became of their orders. */
#include <inttypes.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/message.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/text.h"
#include "imagegen/ledger/ledger.h"
#include "imagegen/order/message.h"

struct ls_args {
	const char *fleet;
};

static void json_device(struct jsonw *j, const struct ledger_device *dev)
{
	jsonw_string(j, "serial", dev->serial);
	jsonw_string(j, "fleet", dev->fleet[0] ? dev->fleet : NULL);
	jsonw_hex(j, "device-public", dev->device_public, sizeof(dev->device_public));
	jsonw_hex(j, "order-public", dev->order_public, sizeof(dev->order_public));
	jsonw_hex(j, "image-sha256", dev->image_sha256, sizeof(dev->image_sha256));
	jsonw_uint(j, "provisioned-at", dev->provisioned_at);
	jsonw_bool(j, "complete", dev->complete);
}

static int run_ls(struct cli *cli, const void *args)
{
	const struct ls_args *a = args;
	struct ledger *l CLEANUP(ledger_freep) = NULL;
	struct ledger_device *devices CLEANUP_FREE = NULL;
	size_t count = 0;
	if (ledger_open(cli->operands[0], false, &l, cli->diag) < 0 || ledger_devices(l, a->fleet, &devices, &count, cli->diag) < 0)
		return -1;
	if (cli->json) {
		struct jsonw j = JSONW_INIT(&cli->out, true);
		jsonw_document(&j, "mvp.ledger", 1);
		jsonw_array(&j, "devices");
		for (size_t i = 0; i < count; i++) {
			jsonw_object(&j, NULL);
			json_device(&j, &devices[i]);
			jsonw_end(&j);
		}
		jsonw_end(&j);
		cli_json_diagnostics(cli, &j);
		jsonw_end(&j);
		return 0;
	}
	for (size_t i = 0; i < count; i++) {
		char when[TIME_TEXT_LEN];
		cli_print(cli, "%-24s %-16s %s%s\n", devices[i].serial, devices[i].fleet[0] ? devices[i].fleet : "-",
			  time_text(devices[i].provisioned_at, when), devices[i].complete ? "" : "  incomplete");
	}
	return 0;
}

static int run_show(struct cli *cli, const void *args)
{
	struct ledger *l CLEANUP(ledger_freep) = NULL;
	struct ledger_device dev;
	struct order to = { 0 };
	uint64_t counter, count, last;
	char when[TIME_TEXT_LEN], hex[2 * MVP_P256_POINT_LEN + 1];
	(void)args;
	if (ledger_open(cli->operands[0], false, &l, cli->diag) < 0 || ledger_get(l, cli->operands[1], &dev, cli->diag) < 0)
		return -1;
	memcpy(to.serial, dev.serial, sizeof(to.serial));
	if (ledger_last_counter(l, &to, &counter, cli->diag) < 0 || ledger_receipts(l, dev.serial, &count, &last, cli->diag) < 0)
		return -1;
	if (cli->json) {
		struct jsonw j = JSONW_INIT(&cli->out, true);
		jsonw_document(&j, "mvp.device", 1);
		json_device(&j, &dev);
		jsonw_uint(&j, "last-counter", counter);
		jsonw_uint(&j, "receipts", count);
		jsonw_uint(&j, "last-receipt", last);
		cli_json_diagnostics(cli, &j);
		jsonw_end(&j);
		return 0;
	}
	cli_print(cli, "%s%s\n", dev.serial, dev.complete ? "" : " (incomplete: give the same `mvpctl provision` again)");
	cli_print(cli, "  fleet         %s\n", dev.fleet[0] ? dev.fleet : "-");
	cli_print(cli, "  provisioned   %s\n", time_text(dev.provisioned_at, when));
	cli_print(cli, "  device key    %s\n", text_hex(dev.device_public, sizeof(dev.device_public), hex));
	cli_print(cli, "  order key     %s\n", text_hex(dev.order_public, sizeof(dev.order_public), hex));
	cli_print(cli, "  image sha256  %s\n", text_hex(dev.image_sha256, sizeof(dev.image_sha256), hex));
	cli_print(cli, "  last counter  %" PRIu64 "\n", counter);
	cli_print(cli, "  receipts      %" PRIu64 "%s\n", count, last > count ? ", some are missing" : "");
	return 0;
}

struct orders_args {
	const char *device, *fleet;
	bool open;
};

static void json_sent(struct jsonw *j, const struct ledger_sent *s)
{
	jsonw_object(j, NULL);
	jsonw_string(j, "device", s->serial);
	jsonw_uint(j, "counter", s->counter);
	jsonw_string(j, "action", order_action_name(s->action));
	jsonw_uint(j, "issued", s->issued);
	jsonw_string(j, "outcome", s->outcome ? receipt_outcome_name(s->outcome) : NULL);
	jsonw_bool(j, "passed", s->passed);
	if (s->outcome)
		jsonw_uint(j, "time", s->time);
	jsonw_end(j);
}

static void print_sent(struct cli *cli, const struct ledger_sent *s)
{
	char issued[TIME_TEXT_LEN], when[TIME_TEXT_LEN];
	cli_print(cli, "%-24s %10" PRIu64 "  %-12s %s  ", s->serial, s->counter, order_action_name(s->action),
		  time_text(s->issued, issued));
	if (s->outcome)
		cli_print(cli, "%s, %s\n", receipt_outcome_name(s->outcome), time_text(s->time, when));
	else
		cli_print(cli, "%s\n", s->passed ? "not taken; a later one was" : "no receipt");
}

static int run_orders(struct cli *cli, const void *args)
{
	const struct orders_args *a = args;
	struct ledger *l CLEANUP(ledger_freep) = NULL;
	struct ledger_sent *sent CLEANUP_FREE = NULL;
	struct ledger_device dev;
	size_t count = 0;
	if (ledger_open(cli->operands[0], false, &l, cli->diag) < 0 || (a->device && ledger_get(l, a->device, &dev, cli->diag) < 0) ||
	    ledger_sent(l, a->device, a->fleet, &sent, &count, cli->diag) < 0)
		return -1;
	struct jsonw j = JSONW_INIT(&cli->out, true);
	if (cli->json) {
		jsonw_document(&j, "mvp.orders", 1);
		jsonw_array(&j, "orders");
	}
	for (size_t i = 0; i < count; i++) {
		if (a->open && (sent[i].outcome || sent[i].passed))
			continue;
		if (cli->json)
			json_sent(&j, &sent[i]);
		else
			print_sent(cli, &sent[i]);
	}
	if (cli->json) {
		jsonw_end(&j);
		cli_json_diagnostics(cli, &j);
		jsonw_end(&j);
	}
	return 0;
}

static const struct opt ls_opts[] = {
	OPT_STRING(0, "fleet", struct ls_args, fleet, "NAME", "only the devices of this fleet"),
};
static const enum exit_status exits[] = { EXIT_INPUT };
static const struct example ls_examples[] = { { "mvpctl ledger ls factory.db", "List the devices." } };
static const struct example show_examples[] = { { "mvpctl ledger show factory.db A1", "Say what is known of one." } };

static const struct cmd ls_cmd = {
	.name = "ls",
	.operands = "LEDGER",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "list the devices of a ledger",
	.description = "Lists serial, fleet and time of provisioning of each device.",
	CMD_LIST(opts, ls_opts),
	.args_size = sizeof(struct ls_args),
	.json = CMD_JSON_DOCUMENT,
	CMD_LIST(exits, exits),
	CMD_LIST(examples, ls_examples),
	.run = run_ls,
};

static const struct cmd show_cmd = {
	.name = "show",
	.operands = "LEDGER SERIAL",
	.operands_min = 2,
	.operands_max = 2,
	.summary = "say what a ledger knows of a device",
	.description = "Prints a device's public keys, the image it was made of, the counter of the last\n"
		       "order and how many receipts there are. A ledger holds no secret.",
	.json = CMD_JSON_DOCUMENT,
	CMD_LIST(exits, exits),
	CMD_LIST(examples, show_examples),
	.run = run_show,
};

static const struct opt orders_opts[] = {
	OPT_STRING(0, "device", struct orders_args, device, "SERIAL", "only the orders of this device"),
	OPT_STRING(0, "fleet", struct orders_args, fleet, "NAME", "only those of the devices of this fleet"),
	OPT_FLAG(0, "open", struct orders_args, open, "only those that a device has yet to answer"),
};
static const struct example orders_examples[] = {
	{ "mvpctl ledger orders factory.db", "List the orders, and what became of them." },
	{ "mvpctl ledger orders factory.db --fleet sales --open", "Whose answer is still missing?" },
};

static const struct cmd orders_cmd = {
	.name = "orders",
	.operands = "LEDGER",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "list orders and what became of them",
	.description = "Lists for each device the orders that it was given by this ledger: counter,\n"
		       "action, time of issue, and the outcome by the receipt that `mvpctl order verify\n"
		       "--record` kept. One that has no receipt, while the device has taken a later one,\n"
		       "will have none.",
	CMD_LIST(opts, orders_opts),
	.args_size = sizeof(struct orders_args),
	.json = CMD_JSON_DOCUMENT,
	CMD_LIST(exits, exits),
	CMD_LIST(examples, orders_examples),
	.run = run_orders,
};

static const struct cmd *const subs[] = { &ls_cmd, &show_cmd, &orders_cmd };

const struct cmd cmd_ledger = {
	.name = "ledger",
	.summary = "look at the ledger of provisioned devices",
	.group = "Devices",
	.description = "The ledger is the file that `mvpctl provision` enters devices in, and orders and\n"
		       "receipts are counted by.",
	CMD_LIST(subs, subs),
};
