#include <stdio.h>
#include <time.h>

#include "cli/commands.h"
#include "imagegen/base/text.h"
#include "imagegen/keys/keys.h"

struct init_args {
	const char *passphrase;
};

static int run_init(struct cli *cli, const void *args)
{
	const struct init_args *a = args;
	const char *dir = cli->operands[0];
	if (keys_init(dir, a->passphrase, cli_progress, cli, cli->diag) < 0)
		return -1;
	cli_progress_end(cli, true);
	size_t count;
	const struct keys_file *files = keys_files(&count);
	struct jsonw j = JSONW_INIT(&cli->out, true);
	if (cli->json) {
		cli_event(cli, &j, "result");
		jsonw_string(&j, "folder", dir);
		jsonw_array(&j, "files");
		for (size_t i = 0; i < count; i++) {
			jsonw_object(&j, NULL);
			jsonw_string(&j, "name", files[i].name);
			jsonw_bool(&j, "secret", files[i].secret);
			jsonw_end(&j);
		}
		jsonw_end(&j);
		cli_event_end(cli, &j);
		return 0;
	}
	for (size_t i = 0; i < count; i++)
		cli_say(cli, "%s/%-16s %s%s\n", dir, files[i].name, files[i].what, files[i].secret ? ", secret" : "");
	return 0;
}

static void date(int64_t seconds, char buf[32])
{
	time_t t = (time_t)seconds;
	struct tm tm;
	if (!gmtime_r(&t, &tm) || !strftime(buf, 32, "%Y-%m-%d", &tm))
		snprintf(buf, 32, "%s", "unknown");
}

static int run_show(struct cli *cli, const void *args)
{
	(void)args;
	static const char *const kinds[] = { [KEYS_PRIVATE] = "private key",
					     [KEYS_PUBLIC] = "public key",
					     [KEYS_CERTIFICATE] = "certificate",
					     [KEYS_MASTER] = "master key" };
	struct keys_info info CLEANUP(keys_info_fini) = { 0 };
	if (keys_inspect(cli->operands[0], &info, cli->diag) < 0)
		return -1;
	char hex[2 * sizeof(info.fingerprint) + 1], vbmeta[2 * sizeof(info.vbmeta_digest) + 1], from[32], to[32];
	text_hex(info.fingerprint, sizeof(info.fingerprint), hex);
	text_hex(info.vbmeta_digest, sizeof(info.vbmeta_digest), vbmeta);
	date(info.not_before, from);
	date(info.not_after, to);
	if (cli->json) {
		struct jsonw j = JSONW_INIT(&cli->out, true);
		jsonw_document(&j, "mvp.key", 1);
		jsonw_string(&j, "file", cli->operands[0]);
		jsonw_string(&j, "kind", kinds[info.kind]);
		jsonw_string(&j, "algorithm", info.algorithm[0] ? info.algorithm : NULL);
		jsonw_string(&j, "group", info.group[0] ? info.group : NULL);
		jsonw_uint(&j, "bits", info.bits);
		jsonw_string(&j, "fingerprint", hex);
		jsonw_string(&j, "vbmeta-digest", info.in_vbmeta ? vbmeta : NULL);
		if (info.kind == KEYS_CERTIFICATE) {
			jsonw_string(&j, "subject", info.subject);
			jsonw_string(&j, "not-before", from);
			jsonw_string(&j, "not-after", to);
		}
		cli_json_diagnostics(cli, &j);
		jsonw_end(&j);
		return 0;
	}
	cli_print(cli, "%s: %s", cli->operands[0], kinds[info.kind]);
	if (info.algorithm[0])
		cli_print(cli, ", %s%s%s", info.algorithm, info.group[0] ? " " : "", info.group);
	cli_print(cli, ", %u bits\n", info.bits);
	if (info.kind == KEYS_CERTIFICATE)
		cli_print(cli, "  subject      %s\n  valid        %s to %s\n", info.subject, from, to);
	cli_print(cli, "  fingerprint  %s\n", hex);
	if (info.in_vbmeta)
		cli_print(cli, "  in vbmeta    %s\n", vbmeta);
	return 0;
}

static const enum exit_status init_exits[] = { EXIT_KEY, EXIT_OUTPUT, EXIT_INTERRUPTED };
static const enum exit_status show_exits[] = { EXIT_KEY };
static const struct example init_examples[] = {
	{ "mvpctl keys init keys", "Make a set of development keys in keys/." },
	{ "mvpctl keys init --passphrase env:WORDS keys", "The same, the private ones encrypted." },
};
static const struct opt init_opts[] = {
	OPT_STRING(0, "passphrase", struct init_args, passphrase, "SOURCE", "of the private keys: file:PATH, env:NAME or fd:N"),
};
static const struct example show_examples[] = { { "mvpctl keys show keys/oem.pem", "Say what a key file is." } };

static const struct cmd keys_init_cmd = {
	.name = "init",
	.operands = "DIR",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "make a set of development keys",
	.description = "Makes the keys that a manifest names, in DIR (made if missing):\n"
		       "\n"
		       "  oem.pem, enterprise.pem    signing keys, RSA-4096\n"
		       "  orders.pem                 signing key of orders, EC P-256\n"
		       "  escrow.key, escrow.crt     escrow key, RSA-4096, and its certificate\n"
		       "  master.key                 32 random bytes; volume keys derive from it\n"
		       "  oem.pub, enterprise.pub, orders.pub\n"
		       "                             the public halves\n"
		       "\n"
		       "Secret files can be read by their owner only; with a passphrase, private keys\n"
		       "are encrypted as well (not the master key). Nothing is ever overwritten: if one\n"
		       "of the files exists, none is made.",
	CMD_LIST(opts, init_opts),
	.args_size = sizeof(struct init_args),
	.json = CMD_JSON_EVENTS,
	CMD_LIST(exits, init_exits),
	CMD_LIST(examples, init_examples),
	.run = run_init,
};

static const struct cmd keys_show_cmd = {
	.name = "show",
	.operands = "FILE",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "say what a key file is",
	.description = "Prints kind, algorithm and SHA-256 fingerprint of a key or certificate; nothing\n"
		       "secret. Of an RSA key also the digest by which verify and inspect name a key in\n"
		       "vbmeta images. Warns when a secret file can be read by others.",
	.json = CMD_JSON_DOCUMENT,
	CMD_LIST(exits, show_exits),
	CMD_LIST(examples, show_examples),
	.run = run_show,
};

static const struct cmd *const subs[] = { &keys_init_cmd, &keys_show_cmd };

const struct cmd cmd_keys = {
	.name = "keys",
	.summary = "make and look at key files",
	.group = "Keys",
	.description = "Makes keys for development and says what a key file is.",
	CMD_LIST(subs, subs),
};
