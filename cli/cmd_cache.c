#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "cli/commands.h"
#include "imagegen/base/text.h"
#include "imagegen/cache/list.h"

struct prune_args {
	const char *max_size;
};
struct verify_args {
	bool remove;
};

static void json_entry(struct jsonw *j, const struct cache_entry *e)
{
	jsonw_object(j, NULL);
	jsonw_string(j, "kind", e->kind);
	jsonw_string(j, "key", e->name);
	jsonw_uint(j, "size", e->len);
	jsonw_uint(j, "used", (uint64_t)e->used);
	jsonw_end(j);
}

static int run_ls(struct cli *cli, const void *args)
{
	(void)args;
	struct cache *c CLEANUP(cache_freep) = cache_open(cli->diag);
	struct cache_list l CLEANUP(cache_list_fini) = { 0 };
	char size[TEXT_SIZE_LEN];
	cache_list(c, &l);
	if (cli->json) {
		struct jsonw j = JSONW_INIT(&cli->out, true);
		jsonw_document(&j, "mvp.cache", 1);
		jsonw_string(&j, "folder", cache_path(c));
		jsonw_uint(&j, "size", l.len);
		jsonw_array(&j, "entries");
		for (size_t i = 0; i < l.count; i++)
			json_entry(&j, &l.v[i]);
		jsonw_end(&j);
		cli_json_diagnostics(cli, &j);
		jsonw_end(&j);
		return 0;
	}
	for (size_t i = 0; i < l.count; i++) {
		char when[32] = "?";
		time_t t = (time_t)l.v[i].used;
		struct tm tm;
		if (gmtime_r(&t, &tm))
			(void)strftime(when, sizeof(when), "%Y-%m-%d %H:%M", &tm);
		cli_print(cli, "%s  %12s  %-10s  %.16s\n", when, text_size(l.v[i].len, size), l.v[i].kind, l.v[i].name);
	}
	cli_say(cli, "%zu entries, %s in %s\n", l.count, text_size(l.len, size), cache_path(c) ? cache_path(c) : "no folder");
	return 0;
}

static int run_prune(struct cli *cli, const void *args)
{
	const struct prune_args *a = args;
	struct cache *c CLEANUP(cache_freep) = cache_open(cli->diag);
	struct cache_pruned p;
	uint64_t bound;
	char removed[TEXT_SIZE_LEN], kept[TEXT_SIZE_LEN];
	if (cache_bound(a->max_size, &bound, cli->diag) < 0)
		return -1;
	cache_prune(c, bound, &p);
	if (cli->json) {
		struct jsonw j = JSONW_INIT(&cli->out, true);
		jsonw_document(&j, "mvp.cache.prune", 1);
		jsonw_uint(&j, "removed", p.removed_count);
		jsonw_uint(&j, "removed-size", p.removed_len);
		jsonw_uint(&j, "kept", p.kept_count);
		jsonw_uint(&j, "kept-size", p.kept_len);
		cli_json_diagnostics(cli, &j);
		jsonw_end(&j);
		return 0;
	}
	cli_say(cli, "%" PRIu64 " entries removed, %s; %" PRIu64 " kept, %s\n", p.removed_count, text_size(p.removed_len, removed),
		p.kept_count, text_size(p.kept_len, kept));
	return 0;
}

static int run_verify(struct cli *cli, const void *args)
{
	const struct verify_args *a = args;
	struct cache *c CLEANUP(cache_freep) = cache_open(cli->diag);
	struct cache_list l CLEANUP(cache_list_fini) = { 0 };
	struct jsonw j = JSONW_INIT(&cli->out, true);
	size_t damaged = 0;
	cache_list(c, &l);
	if (cli->json) {
		jsonw_document(&j, "mvp.cache.verify", 1);
		jsonw_array(&j, "damaged");
	}
	for (size_t i = 0; i < l.count; i++) {
		if (cli_progress(cli, "verifying", i, l.count))
			return diag_fail(cli->diag, MVP0006, NULL, "interrupted");
		if (cache_entry_intact(&l.v[i]))
			continue;
		damaged++;
		if (cli->json)
			json_entry(&j, &l.v[i]);
		if (a->remove && cache_entry_remove(&l.v[i]))
			diag_warn(cli->diag, MVP0832, &LOC_FILE(l.v[i].path), "the entry was damaged and is removed");
		else
			(void)diag_fail(cli->diag, MVP0832, &LOC_FILE(l.v[i].path), "the entry is damaged");
	}
	cli_progress_end(cli, true);
	if (!cli->json) {
		cli_say(cli, "%zu entries verified, %zu damaged\n", l.count, damaged);
		return diag_errors(cli->diag) ? -1 : 0;
	}
	jsonw_end(&j);
	jsonw_uint(&j, "verified", l.count);
	cli_json_diagnostics(cli, &j);
	jsonw_end(&j);
	return diag_errors(cli->diag) ? -1 : 0;
}

static const struct opt prune_opts[] = {
	OPT_STRING(0, "max-size", struct prune_args, max_size, "SIZE", "keep at most this much (default: MVP_CACHE_SIZE, else 10 GiB)"),
};
static const struct opt verify_opts[] = {
	OPT_FLAG(0, "remove", struct verify_args, remove, "remove damaged entries"),
};
static const enum exit_status verify_exits[] = { EXIT_INPUT, EXIT_INTERRUPTED };
static const struct example ls_examples[] = { { "mvpctl cache ls --json", "What the cache holds, for a script." } };
static const struct example prune_examples[] = { { "mvpctl cache prune --max-size '2 GiB'", "Make room on the disk." } };
static const struct example verify_examples[] = { { "mvpctl cache verify --remove", "After a disk failure." } };

static const struct cmd cache_ls_cmd = {
	.name = "ls",
	.summary = "list the cache",
	.description = "Lists what builds keep: when each entry was last used, its size, kind and key.\n"
		       "Used longest ago comes first.",
	.json = CMD_JSON_DOCUMENT,
	CMD_LIST(examples, ls_examples),
	.run = run_ls,
};

static const struct cmd cache_prune_cmd = {
	.name = "prune",
	.summary = "make room in the cache",
	.description = "Removes what was used longest ago until the rest is no larger than the bound,\n"
		       "and what builds that were killed left behind. Builds running meanwhile are safe.",
	CMD_LIST(opts, prune_opts),
	.args_size = sizeof(struct prune_args),
	.json = CMD_JSON_DOCUMENT,
	CMD_LIST(examples, prune_examples),
	.run = run_prune,
};

static const struct cmd cache_verify_cmd = {
	.name = "verify",
	.summary = "check every entry of the cache",
	.description = "Reads all entries and compares them with their checksums.",
	CMD_LIST(opts, verify_opts),
	.args_size = sizeof(struct verify_args),
	.json = CMD_JSON_DOCUMENT,
	CMD_LIST(exits, verify_exits),
	CMD_LIST(examples, verify_examples),
	.run = run_verify,
};

static const struct cmd *const subs[] = { &cache_ls_cmd, &cache_prune_cmd, &cache_verify_cmd };

const struct cmd cmd_cache = {
	.name = "cache",
	.summary = "look after what builds keep",
	.group = "Build",
	.description = "Builds keep what they made in $XDG_CACHE_HOME/mvp, else ~/.cache/mvp, and make\n"
		       "nothing twice. It may be removed at any time.",
	CMD_LIST(subs, subs),
};
