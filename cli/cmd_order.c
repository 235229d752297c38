/* mvpctl order: makes orders for devices, shows messages, and judges receipts. */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "cli/commands.h"
#include "cli/message.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/text.h"
#include "imagegen/issue/issue.h"
#include "imagegen/manifest/value.h"

struct make_args {
	const char *device, *fleet, *counter, *reason, *issued, *ledger, *output, *publish;
	const char *key, *passphrase, *helper, *public_key;
	const char *lock_after, *wipe_after; /* lease */
	const char *new_key;                 /* rotate-key */
};

static int bad_value(struct cli *cli, const char *what, const char *value, const char *expected)
{
	return diag_fail(cli->diag, MVP1003, NULL, "%s cannot be '%s', expected %s", what, value, expected);
}

static int take_name(struct cli *cli, const char *what, const char *value, char ret[MVP_SERIAL_MAX + 1])
{
	if (!message_is_name(value))
		return bad_value(cli, what, value, "1 to 63 of A-Z a-z 0-9 . _ -");
	memcpy(ret, value, strlen(value) + 1);
	return 0;
}

static int take_reason(struct cli *cli, const char *reason, struct message *m)
{
	size_t len = strlen(reason);
	if (len > MVP_REASON_MAX)
		return diag_fail(cli->diag, MVP1003, NULL, "the reason has %zu bytes; the handset shows at most %d", len, MVP_REASON_MAX);
	for (size_t at = 0, n; at < len; at += n) {
		n = text_utf8_len(reason + at, len - at);
		if (!n || (unsigned char)reason[at] < 0x20 || reason[at] == 0x7f)
			return diag_fail(cli->diag, MVP1003, NULL, "the reason has a character that cannot be shown (byte %zu)", at + 1);
	}
	memcpy(m->order.reason, reason, len + 1);
	m->has |= 1u << MVP_ORDER_REASON;
	return 0;
}

/* What all orders have. */
static int take_common(struct cli *cli, const struct make_args *a, struct message *m)
{
	struct order *o = &m->order;
	if (!a->device == !a->fleet)
		return diag_fail(cli->diag, MVP0002, NULL, "an order is for one device or one fleet: give --device or --fleet");
	if (!a->key && !a->helper)
		return diag_fail(cli->diag, MVP0002, NULL, "an order is signed: give --key");
	if (!a->output && !a->publish)
		return diag_fail(cli->diag, MVP0002, NULL, "the order goes nowhere: give --output or --publish");
	if ((a->device && take_name(cli, "the device", a->device, o->serial) < 0) ||
	    (a->fleet && take_name(cli, "the fleet", a->fleet, o->fleet) < 0))
		return -1;
	m->has |= 1u << (a->device ? MVP_ORDER_SERIAL : MVP_ORDER_FLEET) | 1u << MVP_ORDER_ACTION | 1u << MVP_ORDER_ISSUED;
	o->issued = (uint64_t)time(NULL);
	if (a->issued && !time_parse(a->issued, &o->issued))
		return bad_value(cli, "the time of issue", a->issued, "seconds since 1970 or a time like 2026-11-29T08:00:00Z");
	if (a->counter) {
		if (value_count(a->counter, &o->counter) != VALUE_OK || o->counter > INT64_MAX)
			return bad_value(cli, "the counter", a->counter, "a number of at most 9223372036854775807");
		m->has |= 1u << MVP_ORDER_COUNTER;
	}
	return a->reason ? take_reason(cli, a->reason, m) : 0;
}

static int take_duration(struct cli *cli, const char *what, const char *text, uint64_t *ret)
{
	if (strcmp(text, "never") == 0) {
		*ret = 0;
		return 0;
	}
	if (value_duration(text, ret) != VALUE_OK || *ret == 0 || *ret > UINT32_MAX)
		return bad_value(cli, what, text, "a time like '7 days' or '12 hours', or 'never'");
	return 0;
}

static int take_lease(struct cli *cli, const struct make_args *a, struct message *m)
{
	struct order *o = &m->order;
	if (!a->lock_after || !a->wipe_after)
		return diag_fail(cli->diag, MVP0002, NULL, "a lease has two ends: give --lock-after and --wipe-after");
	if (take_duration(cli, "--lock-after", a->lock_after, &o->lock_after) < 0 ||
	    take_duration(cli, "--wipe-after", a->wipe_after, &o->wipe_after) < 0)
		return -1;
	if (o->lock_after && o->wipe_after && o->wipe_after < o->lock_after)
		return diag_fail(cli->diag, MVP1003, NULL, "the lease would wipe after '%s', before it locks", a->wipe_after);
	m->has |= 1u << MVP_ORDER_LOCK_AFTER | 1u << MVP_ORDER_WIPE_AFTER;
	return 0;
}

static int take_new_key(struct cli *cli, const struct make_args *a, struct message *m)
{
	EVP_PKEY *key CLEANUP(EVP_PKEY_freep) = NULL;
	struct loc loc = LOC_FILE(a->new_key);
	if (!a->new_key)
		return diag_fail(cli->diag, MVP0002, NULL, "which key is to sign orders from now on? give --new-key");
	if (sign_read_public(a->new_key, &loc, &key, cli->diag) < 0)
		return -1;
	if (!p256_point(key, m->order.new_key))
		return diag_fail(cli->diag, MVP0630, &loc, "orders are signed with a key on P-256, which this is not");
	m->has |= 1u << MVP_ORDER_NEW_KEY;
	return 0;
}

static void say(struct cli *cli, const struct make_args *a, const struct message *m, const struct issue_result *r)
{
	if (cli->json) {
		struct jsonw j = JSONW_INIT(&cli->out, true);
		jsonw_document(&j, "mvp.order", 1);
		json_message(&j, m);
		jsonw_string(&j, "file", a->output);
		jsonw_uint(&j, "published", r->published);
		cli_json_diagnostics(cli, &j);
		jsonw_end(&j);
		return;
	}
	if (!a->counter && a->ledger)
		cli_say(cli, "Counter %" PRIu64 ": one above the last that the ledger knows, %" PRIu64 ".\n", m->order.counter,
			r->counter_above);
	else if (!a->counter)
		cli_say(cli, "Counter %" PRIu64 ": the time of issue in seconds, since there is no ledger to count by.\n",
			m->order.counter);
	if (a->output)
		cli_say(cli, "%s: order to %s\n", a->output, order_action_name(m->order.action));
	if (r->published)
		cli_say(cli, "Published for %zu device%s in '%s'.\n", r->published, r->published == 1 ? "" : "s", a->publish);
	if (!cli->quiet)
		print_message(cli, m);
}

static int run_make(struct cli *cli, const struct make_args *a, enum mvp_action action)
{
	struct message m = { .kind = MESSAGE_ORDER, .order.action = action };
	struct sign_key key = { .key = a->key, .passphrase = a->passphrase, .helper = a->helper, .public_key = a->public_key };
	const struct issue_opts opts = {
		.key = &key, .choose_counter = !a->counter, .ledger = a->ledger, .output = a->output, .publish = a->publish
	};
	struct issue_result result;
	if (take_common(cli, a, &m) < 0 || (action == MVP_ACTION_LEASE && take_lease(cli, a, &m) < 0) ||
	    (action == MVP_ACTION_ROTATE_KEY && take_new_key(cli, a, &m) < 0))
		return -1;
	if (issue_order(&opts, &m, &result, cli->diag) < 0)
		return -1;
	say(cli, a, &m, &result);
	return 0;
}

static int run_wipe(struct cli *cli, const void *args)
{
	return run_make(cli, args, MVP_ACTION_WIPE);
}

static int run_lock(struct cli *cli, const void *args)
{
	return run_make(cli, args, MVP_ACTION_LOCK);
}

static int run_unlock_allow(struct cli *cli, const void *args)
{
	return run_make(cli, args, MVP_ACTION_UNLOCK_ALLOW);
}

static int run_lease(struct cli *cli, const void *args)
{
	return run_make(cli, args, MVP_ACTION_LEASE);
}

static int run_rotate_key(struct cli *cli, const void *args)
{
	return run_make(cli, args, MVP_ACTION_ROTATE_KEY);
}

static int run_show(struct cli *cli, const void *args)
{
	uint8_t *data CLEANUP_FREE = NULL;
	struct message m;
	size_t len;
	(void)args;
	if (message_read(cli->operands[0], &data, &len, &m, cli->diag) < 0)
		return -1;
	if (cli->json) {
		struct jsonw j = JSONW_INIT(&cli->out, true);
		jsonw_document(&j, "mvp.message", 1);
		jsonw_string(&j, "file", cli->operands[0]);
		json_message(&j, &m);
		cli_json_diagnostics(cli, &j);
		jsonw_end(&j);
		return 0;
	}
	cli_print(cli, "%s: %s, signature not checked\n", cli->operands[0], message_kind_name(m.kind));
	print_message(cli, &m);
	return 0;
}

struct verify_args {
	const char *ledger, *device_key, *order;
	bool done, record;
};

static void say_checked(struct cli *cli, const struct verify_args *a, const struct message *m, const struct issue_checked *c)
{
	if (cli->json) {
		struct jsonw j = JSONW_INIT(&cli->out, true);
		jsonw_document(&j, "mvp.receipt", 1);
		jsonw_string(&j, "file", cli->operands[0]);
		json_message(&j, m);
		jsonw_bool(&j, "order-known", c->order_known);
		if (a->record) {
			jsonw_bool(&j, "recorded", c->recorded);
			jsonw_uint(&j, "missing", c->missing);
		}
		cli_json_diagnostics(cli, &j);
		jsonw_end(&j);
		return;
	}
	cli_print(cli, "%s: receipt, signed by the device%s\n", cli->operands[0],
		  c->order_known                        ? ", for the order"
		  : m->receipt.cause == MVP_CAUSE_ORDER ? "; the order is not known here"
							: "");
	print_message(cli, m);
	if (a->record && !c->recorded)
		cli_print(cli, "The ledger has it already.\n");
	if (c->missing)
		cli_print(cli, "The ledger lacks %" PRIu64 " receipt%s of this device.\n", c->missing, c->missing == 1 ? "" : "s");
}

static int run_verify(struct cli *cli, const void *args)
{
	const struct verify_args *a = args;
	const struct issue_check c = {
		.ledger = a->ledger, .device_key = a->device_key, .order = a->order, .done = a->done, .record = a->record
	};
	uint8_t *data CLEANUP_FREE = NULL;
	struct issue_checked checked;
	struct message m;
	size_t len;
	struct loc loc = LOC_FILE(cli->operands[0]);
	if (!a->ledger == !a->device_key)
		return diag_fail(cli->diag, MVP0002, NULL, "whose receipt is it? give --ledger or --device-key, one of the two");
	if (a->record && !a->ledger)
		return diag_fail(cli->diag, MVP0002, NULL, "--record needs --ledger");
	if (message_read(cli->operands[0], &data, &len, &m, cli->diag) < 0)
		return -1;
	if (m.kind != MESSAGE_RECEIPT)
		return diag_fail(cli->diag, MVP1001, &loc, "not a receipt but an %s", message_kind_name(m.kind));
	if (issue_check_receipt(&c, &m, data, len, &checked, cli->diag) < 0)
		return -1;
	say_checked(cli, a, &m, &checked);
	return 0;
}

#define MAKE_OPTS \
	OPT_STRING(0, "device", struct make_args, device, "SERIAL", "the device that the order is for"), \
		OPT_STRING(0, "fleet", struct make_args, fleet, "NAME", "all devices of this fleet"), \
		OPT_STRING(0, "key", struct make_args, key, "KEY", "the order key: a PEM file or a pkcs11: URI"), \
		OPT_STRING(0, "passphrase", struct make_args, passphrase, "SOURCE", "of the key: file:PATH, env:NAME or fd:N"), \
		OPT_STRING(0, "helper", struct make_args, helper, "PROGRAM", "a program that signs, with --public-key"), \
		OPT_STRING(0, "public-key", struct make_args, public_key, "FILE", "the helper's public key"), \
		OPT_STRING(0, "ledger", struct make_args, ledger, "FILE", "count by this ledger, and write the order down"), \
		OPT_STRING(0, "counter", struct make_args, counter, "N", "the order's counter"), \
		OPT_STRING(0, "reason", struct make_args, reason, "TEXT", "shown on the handset's screen"), \
		OPT_STRING(0, "issued", struct make_args, issued, "TIME", "the time of issue; default: now"), \
		OPT_STRING('o', "output", struct make_args, output, "FILE", "write the order to FILE"), \
		OPT_STRING(0, "publish", struct make_args, publish, "DIR", "put it where handsets look, below DIR")

static const struct opt make_opts[] = { MAKE_OPTS };
static const struct opt lease_opts[] = {
	MAKE_OPTS,
	OPT_STRING(0, "lock-after", struct make_args, lock_after, "TIME", "lock that long after the order was issued"),
	OPT_STRING(0, "wipe-after", struct make_args, wipe_after, "TIME", "wipe that long after the order was issued"),
};
static const struct opt rotate_opts[] = {
	MAKE_OPTS,
	OPT_STRING(0, "new-key", struct make_args, new_key, "FILE", "public key that signs orders from now on"),
};
static const struct opt verify_opts[] = {
	OPT_STRING(0, "ledger", struct verify_args, ledger, "FILE", "take the device's key from this ledger"),
	OPT_STRING(0, "device-key", struct verify_args, device_key, "FILE", "the device's public key (PEM)"),
	OPT_STRING(0, "order", struct verify_args, order, "FILE", "the receipt must be for this order"),
	OPT_FLAG(0, "done", struct verify_args, done, "fail unless the device did what it was told"),
	OPT_FLAG(0, "record", struct verify_args, record, "write the receipt down in the ledger"),
};

static const enum exit_status make_exits[] = { EXIT_INPUT, EXIT_KEY, EXIT_TOOL, EXIT_OUTPUT };
static const enum exit_status show_exits[] = { EXIT_INPUT };
static const enum exit_status verify_exits[] = { EXIT_INPUT, EXIT_VERIFY, EXIT_KEY };

#define MAKE_COMMAND(variable, name_, options, run_, summary_, text, shown) \
	static const struct example variable##_examples[] = { shown }; \
	static const struct cmd variable = { \
		.name = (name_), \
		.summary = (summary_), \
		.description = text, \
		.opts = (options), \
		.opts_count = ARRAY_LEN(options), \
		.args_size = sizeof(struct make_args), \
		.json = CMD_JSON_DOCUMENT, \
		.exits = make_exits, \
		.exits_count = ARRAY_LEN(make_exits), \
		.examples = variable##_examples, \
		.examples_count = ARRAY_LEN(variable##_examples), \
		.run = (run_), \
	}
#define EXAMPLE(command, text) \
	{ \
		command, text \
	}

#define COUNTING \
	"\nThe counter must be above that of every order the device took before. By default\n" \
	"it is one above the last that the ledger knows or, without a ledger, the time of\n" \
	"issue in seconds."

MAKE_COMMAND(wipe_cmd, "wipe", make_opts, run_wipe, "make an order to wipe the work persona",
	     "Makes a signed order that destroys the work persona's keys and data. It cannot be\n"
	     "taken back. The personal persona is not touched.\n" COUNTING,
	     EXAMPLE("mvpctl order wipe --device A1 --key orders.pem --ledger a.db -o a1.order", "Wipe the work side of A1."));
MAKE_COMMAND(lock_cmd, "lock", make_opts, run_lock, "make an order to lock the work persona",
	     "Makes a signed order that stops the work persona, forgets its key and takes no\n"
	     "passcode any more, until an order to unlock-allow.\n" COUNTING,
	     EXAMPLE("mvpctl order lock --fleet sales --key orders.pem --ledger a.db --publish web", "Lock all devices of a fleet."));
MAKE_COMMAND(unlock_cmd, "unlock-allow", make_opts, run_unlock_allow, "make an order that ends a lock",
	     "Makes a signed order that lets the work persona be unlocked again with its\n"
	     "passcode, and forgives wrong ones.\n" COUNTING,
	     EXAMPLE("mvpctl order unlock-allow --device A1 --key orders.pem -o a1.order", "Let A1 be unlocked again."));
MAKE_COMMAND(lease_cmd, "lease", lease_opts, run_lease, "make an order that renews the lease",
	     "Makes a signed order that begins the device's lease anew: times like '7 days' after\n"
	     "it was issued, the work persona is locked, and then wiped, unless another lease\n"
	     "comes before; 'never' means never.\n" COUNTING,
	     EXAMPLE("mvpctl order lease --fleet f --key k -o o --lock-after 1day --wipe-after never",
		     "Lock within a day if this office is silent."));
MAKE_COMMAND(rotate_cmd, "rotate-key", rotate_opts, run_rotate_key, "make an order that changes the order key",
	     "Makes an order, signed by the present key, that makes the device obey another key\n"
	     "from then on, and the present one no more.\n" COUNTING,
	     EXAMPLE("mvpctl order rotate-key --device A1 --key old.pem --new-key a.pub -o a1.order", "Obey another key."));

static const struct example show_examples[] = { { "mvpctl order show a1.order", "Say what an order, receipt or attestation says." } };
static const struct cmd show_cmd = {
	.name = "show",
	.operands = "FILE",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "say what an order, receipt or attestation says",
	.description = "Prints what a message says. Its signature is not checked: anybody may have made\n"
		       "it.",
	.json = CMD_JSON_DOCUMENT,
	CMD_LIST(exits, show_exits),
	CMD_LIST(examples, show_examples),
	.run = run_show,
};

static const struct example verify_examples[] = { { "mvpctl order verify a1.receipt --ledger a.db --done",
						    "Fail unless A1 did what it was told." } };
static const struct cmd verify_cmd = {
	.name = "verify",
	.operands = "RECEIPT",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "verify a receipt",
	.description = "Verifies that a receipt is signed by the device that it names and that it answers\n"
		       "the order given, or the one that the ledger has. A refusal is a sound receipt, too:\n"
		       "with --done, it is a failure. With --record, the ledger keeps the receipt, follows\n"
		       "a change of the order key, and says how many receipts are missing.",
	CMD_LIST(opts, verify_opts),
	.args_size = sizeof(struct verify_args),
	.json = CMD_JSON_DOCUMENT,
	CMD_LIST(exits, verify_exits),
	CMD_LIST(examples, verify_examples),
	.run = run_verify,
};

static const struct cmd *const subs[] = { &wipe_cmd, &lock_cmd, &unlock_cmd, &lease_cmd, &rotate_cmd, &show_cmd, &verify_cmd };

const struct cmd cmd_order = {
	.name = "order",
	.summary = "make orders for devices, and verify receipts",
	.group = "Devices",
	.description = "Orders are signed messages that a handset obeys whoever delivers them; receipts are\n"
		       "its signed answers. mvp-orders(5) describes both.",
	CMD_LIST(subs, subs),
};
