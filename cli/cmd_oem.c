#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/text.h"
#include "imagegen/bundle/packer.h"
#include "imagegen/hyp/hyp.h"
#include "imagegen/oem/oem.h"

/* A name of templates/oem, or the path of a file. */
static int load(const char *name, struct oem **ret, struct diag *d)
{
	struct mstr s = { .s = (char *)(uintptr_t)name };
	char *path CLEANUP_FREE = NULL;
	if (strchr(name, '/') || (strlen(name) > 5 && !strcmp(name + strlen(name) - 5, ".yaml")))
		return oem_load_file(name, ret, d);
	return profile_find(NULL, "oem", &s, MVP0550, &path, d) < 0 ? -1 : oem_load_file(path, ret, d);
}

static int check_bundles(const struct oem *o, struct diag *d)
{
	int rc = 0;
	for (size_t i = 0; i < o->bundles.count; i++)
		if (!packer_find(o->bundles.v[i].s))
			rc = diag_fail(d, MVP0551, &o->bundles.v[i].loc, "there is no bundle format '%s'", o->bundles.v[i].s);
	return rc;
}

static void names_of(const struct mstrs *list, char *buf, size_t len)
{
	size_t at = 0;
	buf[0] = 0;
	for (size_t i = 0; i < list->count && at < len; i++)
		at += (size_t)snprintf(buf + at, len - at, "%s%s", i ? " " : "", list->v[i].s);
}

static int run_ls(struct cli *cli, const void *args)
{
	(void)args;
	char **names;
	size_t count = profile_names("oem", &names);
	struct jsonw j = JSONW_INIT(&cli->out, true);
	int rc = 0;
	if (cli->json) {
		jsonw_document(&j, "mvp.oem", 1);
		jsonw_array(&j, "profiles");
	}
	for (size_t i = 0; i < count && !rc; i++) {
		struct oem *o CLEANUP(oem_freep) = NULL;
		char bundles[256];
		rc = load(names[i], &o, cli->diag);
		if (rc)
			break;
		names_of(&o->bundles, bundles, sizeof(bundles));
		if (!cli->json) {
			cli_print(cli, "%-12s %-24s %s\n", o->name.s, bundles, o->summary.s ? o->summary.s : "");
			continue;
		}
		jsonw_object(&j, NULL);
		jsonw_string(&j, "name", o->name.s);
		jsonw_string(&j, "summary", o->summary.s);
		jsonw_string(&j, "bundles", bundles);
		jsonw_string(&j, "file", o->path);
		jsonw_end(&j);
	}
	if (cli->json) {
		jsonw_end(&j);
		cli_json_diagnostics(cli, &j);
		jsonw_end(&j);
	}
	profile_names_free(names, count);
	return rc;
}

static const char *holds(const struct oem_part *p)
{
	return p->content.s ? p->content.s : p->file.s ? p->file.s : "nothing";
}

static void print_oem(struct cli *cli, const struct oem *o)
{
	char bundles[256], size[TEXT_SIZE_LEN];
	names_of(&o->bundles, bundles, sizeof(bundles));
	cli_print(cli, "%s%s%s\n  bundles   %s\n  storage   %s, %u-byte sectors\n  slots     %llu\n  signing   %s\n", o->name.s,
		  o->summary.s ? ": " : "", o->summary.s ? o->summary.s : "", bundles, o->storage.type.s ? o->storage.type.s : "emmc",
		  oem_sector_size(o), (unsigned long long)o->slots.v, o->signing.s ? o->signing.s : "none");
	if (o->max_download.v)
		cli_print(cli, "  download  at most %s at once\n", text_size(o->max_download.v, size));
	cli_print(cli, "Partitions:\n");
	for (size_t i = 0; i < oem_parts_count(o); i++) {
		const struct oem_part *p = oem_part(o, i);
		cli_print(cli, "  %-16s %12s  %s%s%s%s\n", p->name.s, p->size.v ? text_size(p->size.v, size) : "as needed", holds(p),
			  oem_yes(&p->slots) ? ", both slots" : "", p->in.s ? ", in super" : "", oem_yes(&p->optional) ? ", optional" : "");
	}
}

static void json_oem(struct cli *cli, const struct oem *o)
{
	struct jsonw j = JSONW_INIT(&cli->out, true);
	jsonw_document(&j, "mvp.oem", 1);
	jsonw_string(&j, "name", o->name.s);
	jsonw_string(&j, "summary", o->summary.s);
	jsonw_string(&j, "file", o->path);
	jsonw_array(&j, "bundles");
	for (size_t i = 0; i < o->bundles.count; i++)
		jsonw_string(&j, NULL, o->bundles.v[i].s);
	jsonw_end(&j);
	jsonw_string(&j, "storage", o->storage.type.s ? o->storage.type.s : "emmc");
	jsonw_uint(&j, "sector-size", oem_sector_size(o));
	jsonw_uint(&j, "slots", o->slots.v);
	jsonw_uint(&j, "max-download", o->max_download.v);
	jsonw_array(&j, "partitions");
	for (size_t i = 0; i < oem_parts_count(o); i++) {
		const struct oem_part *p = oem_part(o, i);
		jsonw_object(&j, NULL);
		jsonw_string(&j, "name", p->name.s);
		jsonw_string(&j, "content", p->content.s);
		jsonw_string(&j, "file", p->file.s);
		jsonw_uint(&j, "size", p->size.v);
		jsonw_bool(&j, "slots", oem_yes(&p->slots));
		jsonw_bool(&j, "super", p->in.s != NULL);
		jsonw_bool(&j, "optional", oem_yes(&p->optional));
		jsonw_end(&j);
	}
	jsonw_end(&j);
	cli_json_diagnostics(cli, &j);
	jsonw_end(&j);
}

static int run_show(struct cli *cli, const void *args)
{
	(void)args;
	struct oem *o CLEANUP(oem_freep) = NULL;
	if (load(cli->operands[0], &o, cli->diag) < 0)
		return -1;
	if (cli->json)
		json_oem(cli, o);
	else
		print_oem(cli, o);
	return 0;
}

static int run_check(struct cli *cli, const void *args)
{
	(void)args;
	struct oem *o CLEANUP(oem_freep) = NULL;
	if (load(cli->operands[0], &o, cli->diag) < 0 || check_bundles(o, cli->diag) < 0)
		return -1;
	if (cli->json)
		json_oem(cli, o);
	else
		cli_say(cli, "%s: a sound profile with %zu partitions\n", o->path, oem_parts_count(o));
	return 0;
}

static const enum exit_status exits[] = { EXIT_MANIFEST, EXIT_INPUT };
static const struct example ls_examples[] = { { "mvpctl oem ls", "Which profiles there are." } };
static const struct example show_examples[] = { { "mvpctl oem show samsung", "What the profile lays out and packs." } };
static const struct example check_examples[] = { { "mvpctl oem check my-oem.yaml", "Look for mistakes in a profile of one's own." } };

static const struct cmd oem_ls_cmd = {
	.name = "ls",
	.summary = "list the profiles there are",
	.description = "Lists the profiles that came with mvpctl: name, bundle formats, summary.",
	.json = CMD_JSON_DOCUMENT,
	CMD_LIST(exits, exits),
	CMD_LIST(examples, ls_examples),
	.run = run_ls,
};
static const struct cmd oem_show_cmd = {
	.name = "show",
	.operands = "NAME",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "show a profile",
	.description = "Shows what a profile says: storage, slots, bundle formats and the partitions in\n"
		       "their order. NAME is one of `mvpctl oem ls`, or a file.",
	.json = CMD_JSON_DOCUMENT,
	CMD_LIST(exits, exits),
	CMD_LIST(examples, show_examples),
	.run = run_show,
};
static const struct cmd oem_check_cmd = {
	.name = "check",
	.operands = "FILE",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "look for mistakes in a profile",
	.description = "Reads a profile as a build would, and says every mistake with its line.",
	.json = CMD_JSON_DOCUMENT,
	CMD_LIST(exits, exits),
	CMD_LIST(examples, check_examples),
	.run = run_check,
};

static const struct cmd *const subs[] = { &oem_ls_cmd, &oem_show_cmd, &oem_check_cmd };

const struct cmd cmd_oem = {
	.name = "oem",
	.summary = "look at OEM profiles",
	.group = "Build",
	.description = "OEM profiles say how a maker's flash is laid out and which bundles its tools\n"
		       "take. mvp-oem(5) has their keys.",
	CMD_LIST(subs, subs),
};
