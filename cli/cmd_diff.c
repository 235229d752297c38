#include <string.h>

#include "cli/commands.h"
#include "cli/render.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/text.h"
#include "imagegen/diff/facts.h"

struct report {
	struct cli *cli;
	struct jsonw *j; /* NULL: text */
	/* The last thing that only one has, and which: what is in it is told with it, unless -v asks. */
	const char *whole;
	bool whole_is;
};

/* a/b and a:/b are in a. */
static bool is_within(const char *where, const char *whole)
{
	size_t len = strlen(whole);
	return strncmp(where, whole, len) == 0 && (where[len] == '/' || where[len] == ':' || (len && whole[len - 1] == '/'));
}

typedef void (*attribute_fn)(const struct report *r, const char *name, int name_len, const char *was, const char *is);

/* Every attribute that is not the same in both, in the order of the first, then those that only the second has. */
static void each_attribute(const struct report *r, const struct fact *was, const struct fact *is, attribute_fn fn)
{
	size_t at = 0;
	for (const char *text; was && (text = fact_next(was, &at));) {
		size_t len = strcspn(text, "=");
		const char *other = is ? fact_value(is, text, len) : NULL;
		if (!other || strcmp(text + len + 1, other) != 0)
			fn(r, text, (int)len, text + len + 1, other);
	}
	at = 0;
	for (const char *text; is && (text = fact_next(is, &at));) {
		size_t len = strcspn(text, "=");
		if (!was || !fact_value(was, text, len))
			fn(r, text, (int)len, NULL, text + len + 1);
	}
}

static void print_attribute(const struct report *r, const char *name, int name_len, const char *was, const char *is)
{
	char *what CLEANUP_FREE = mem_strndup(name, (size_t)name_len), *clean CLEANUP_FREE = render_clean(what);
	char *a CLEANUP_FREE = render_clean(was ? was : "(none)"), *b CLEANUP_FREE = render_clean(is ? is : "(none)");
	cli_print(r->cli, "  %s: %s -> %s\n", clean, a, b);
}

static void json_attribute(const struct report *r, const char *name, int name_len, const char *was, const char *is)
{
	jsonw_object(r->j, NULL);
	jsonw_format(r->j, "name", "%.*s", name_len, name);
	jsonw_string(r->j, "was", was);
	jsonw_string(r->j, "is", is);
	jsonw_end(r->j);
}

static void report_one(void *ctx, const struct fact *was, const struct fact *is)
{
	struct report *r = ctx;
	const char *where = is ? is->where : "", *change = "added";
	char *clean CLEANUP_FREE = NULL;
	if (was) {
		where = was->where;
		change = is ? "changed" : "removed";
	}
	clean = render_clean(where);
	if (r->j) {
		jsonw_object(r->j, NULL);
		jsonw_string(r->j, "where", where);
		jsonw_string(r->j, "change", change);
		jsonw_array(r->j, "attributes");
		each_attribute(r, was, is, json_attribute);
		jsonw_end(r->j);
		jsonw_end(r->j);
	} else if (was && is) {
		cli_print(r->cli, "%s\n", clean);
		each_attribute(r, was, is, print_attribute);
	} else if (!r->whole || r->whole_is != (is != NULL) || !is_within(where, r->whole) || r->cli->verbose) {
		r->whole = where;
		r->whole_is = is != NULL;
		cli_print(r->cli, "Only in %s: %s\n", r->cli->operands[is ? 1 : 0], clean);
	}
}

static int run(struct cli *cli, const void *args)
{
	struct facts a CLEANUP(facts_fini) = { 0 }, b CLEANUP(facts_fini) = { 0 };
	struct jsonw j = JSONW_INIT(&cli->out, true);
	struct report r = { .cli = cli, .j = cli->json ? &j : NULL };
	(void)args;
	if (facts_gather(cli->operands[0], cli_tmp_dir(), &a, cli->diag) < 0 ||
	    facts_gather(cli->operands[1], cli_tmp_dir(), &b, cli->diag) < 0)
		return -1;
	if (cli->json) {
		jsonw_document(&j, "mvp.diff", 1);
		jsonw_string(&j, "was", cli->operands[0]);
		jsonw_string(&j, "is", cli->operands[1]);
		jsonw_array(&j, "differences");
	}
	cli->differ = facts_compare(&a, &b, report_one, &r) > 0;
	if (cli->json) {
		jsonw_end(&j);
		jsonw_bool(&j, "same", !cli->differ);
		cli_json_diagnostics(cli, &j);
		jsonw_end(&j);
	}
	return 0;
}

static const enum exit_status exits[] = { EXIT_INPUT, EXIT_VERIFY, EXIT_OUTPUT, EXIT_INTERRUPTED };
static const struct example examples[] = {
	{ "mvpctl diff old/phone-1.0.img out/phone-1.1.img", "What has changed from one release to the next." },
	{ "mvpctl diff --json a/AP_phone_1.0.tar.md5 b/AP_phone_1.0.tar.md5", "The same of two packages, for a program." },
};

const struct cmd cmd_diff = {
	.name = "diff",
	.operands = "FILE FILE",
	.operands_min = 2,
	.operands_max = 2,
	.summary = "compare two images or bundles, down to the files in them",
	.group = "Build",
	.description = "Takes both apart: members of archives, partitions and the partitions inside them,\n"
		       "files in ext4 with modes, owners, attributes and digests, kernels and command\n"
		       "lines of boot images, keys and descriptors of vbmeta images, key slots of LUKS2\n"
		       "containers. Says what only one has, and of everything else which attributes\n"
		       "differ. Nothing is decrypted, so of a container only that its bytes differ. What\n"
		       "is packed is unpacked into files without a name in $TMPDIR, else /tmp.\n"
		       "\n"
		       "As that of diff(1), the exit status is 0 if both are the same, and 1 if not.",
	.json = CMD_JSON_DOCUMENT,
	CMD_LIST(exits, exits),
	CMD_LIST(examples, examples),
	.run = run,
};
