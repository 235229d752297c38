/* mvpctl verify: is an image or a bundle whole, and signed by whom it should be? */
#include "cli/commands.h"
#include "cli/render.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/mem.h"
#include "imagegen/sign/sign.h"
#include "imagegen/verify/verify.h"

enum { KEYS_MAX = 16 };

struct verify_args {
	struct opt_list keys;
};

struct keys {
	EVP_PKEY *v[KEYS_MAX];
	size_t count;
};

static void keys_fini(struct keys *k)
{
	for (size_t i = 0; i < k->count; i++)
		EVP_PKEY_free(k->v[i]);
}

static int read_keys(const struct opt_list *from, struct keys *ret, struct diag *d)
{
	if (from->count > KEYS_MAX)
		return diag_fail(d, MVP0003, NULL, "more than %d keys", KEYS_MAX);
	for (size_t i = 0; i < from->count; i++) {
		struct loc loc = LOC_FILE(from->v[i]);
		if (sign_read_public(from->v[i], &loc, &ret->v[ret->count], d) < 0)
			return -1;
		ret->count++;
	}
	return 0;
}

static void print(struct cli *cli, const char *path, const struct verify *r)
{
	struct jsonw j = JSONW_INIT(&cli->out, true);
	if (!cli->json) {
		for (size_t i = 0; i < r->count; i++) {
			char *name CLEANUP_FREE = render_clean(r->v[i].name), *finding CLEANUP_FREE = render_clean(r->v[i].finding);
			cli_print(cli, "%-4s %-24s %s\n", r->v[i].open ? "open" : "ok", name, finding);
		}
		return;
	}
	jsonw_document(&j, "mvp.verify", 1);
	jsonw_string(&j, "file", path);
	jsonw_array(&j, "findings");
	for (size_t i = 0; i < r->count; i++) {
		jsonw_object(&j, NULL);
		jsonw_string(&j, "name", r->v[i].name);
		jsonw_string(&j, "finding", r->v[i].finding);
		jsonw_bool(&j, "verified", !r->v[i].open);
		jsonw_end(&j);
	}
	jsonw_end(&j);
	cli_json_diagnostics(cli, &j);
	jsonw_end(&j);
}

static int run(struct cli *cli, const void *args)
{
	const struct verify_args *a = args;
	struct keys keys CLEANUP(keys_fini) = { 0 };
	struct verify r CLEANUP(verify_fini) = { 0 };
	if (read_keys(&a->keys, &keys, cli->diag) < 0)
		return -1;
	const struct verify_opts o = { .keys = keys.v, .keys_count = keys.count, .tmp_dir = cli_tmp_dir() };
	int rc = verify_file(cli->operands[0], &o, &r, cli->diag);
	/* What is wrong takes the place of the document. */
	if (rc == 0 || !cli->json)
		print(cli, cli->operands[0], &r);
	return rc;
}

static const struct opt opts[] = {
	OPT_LIST(0, "key", struct verify_args, keys, "FILE", "a public key or certificate (PEM) that may have signed; may be repeated"),
};
static const enum exit_status exits[] = { EXIT_INPUT, EXIT_VERIFY, EXIT_KEY, EXIT_OUTPUT, EXIT_INTERRUPTED };
static const struct example examples[] = {
	{ "mvpctl verify --key oem.pub out/phone-1.0.img", "Is the disk image whole, and signed by the maker?" },
	{ "mvpctl verify --json out/phone-ota-1.0.zip", "For a pipeline." },
};

const struct cmd cmd_verify = {
	.name = "verify",
	.operands = "FILE",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "verify that an image or a bundle is whole and signed",
	.group = "Build",
	.description = "Of every format that `mvpctl build` writes: digests and sums, both partition\n"
		       "tables, headers, what vbmeta images say of partitions (boot images by their hash,\n"
		       "systems by their hash tree), what an update makes of partitions. With --key also\n"
		       "the signatures of vbmeta images and updates. What cannot be verified, for want of\n"
		       "a key or because it is encrypted, is said to be open.",
	CMD_LIST(opts, opts),
	.args_size = sizeof(struct verify_args),
	.json = CMD_JSON_DOCUMENT,
	CMD_LIST(exits, exits),
	CMD_LIST(examples, examples),
	.run = run,
};
