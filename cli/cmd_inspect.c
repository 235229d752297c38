#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/inspect_html.h"
#include "cli/message.h"
#include "cli/plan.h"
#include "cli/render.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/base/text.h"
#include "imagegen/bundle/look.h"
#include "imagegen/inspect/inspect.h"

/* Manifests. */

static void print_persona(struct cli *cli, const struct persona *p)
{
	char size[TEXT_SIZE_LEN];
	cli_print(cli, "Persona %s:\n  memory    %s\n  cpus      %" PRIu64 "\n  kernel    %s\n  initrd    %s\n", p->name,
		  text_size(p->memory.v, size), p->cpus.v, p->boot.kernel.s, p->boot.initrd.s);
	if (p->has_system)
		cli_print(cli, "  system    %zu layer%s, %s\n", p->system.layers_count, p->system.layers_count == 1 ? "" : "s",
			  p->system.size.v ? text_size(p->system.size.v, size) : "as large as needed");
	if (p->userdata.size.v)
		cli_print(cli, "  userdata  %s\n", text_size(p->userdata.size.v, size));
	cli_print(cli, "  network   %s", p->network.s);
	if (p->network_limit.v && persona_has_network(p))
		cli_print(cli, ", at most %" PRIu64 " kbit/s", p->network_limit.v / 1000);
	cli_print(cli, "\n  color     #%06" PRIx64 "\n", p->color.v);
	if (p->encryption.on)
		cli_print(cli, "  encrypted, %" PRIu64 " tries, holes: %s%s\n", p->encryption.tries.v, p->encryption.holes.s,
			  strcmp(p->encryption.holes.s, "keep") == 0 ? " (shows which blocks are used)" : "");
}

static void json_persona(struct jsonw *j, const struct persona *p)
{
	char color[16];
	(void)snprintf(color, sizeof(color), "#%06" PRIx64, p->color.v);
	jsonw_object(j, NULL);
	jsonw_string(j, "name", p->name);
	jsonw_uint(j, "memory", p->memory.v);
	jsonw_uint(j, "cpus", p->cpus.v);
	jsonw_string(j, "kernel", p->boot.kernel.s);
	jsonw_string(j, "initrd", p->boot.initrd.s);
	jsonw_uint(j, "layers", p->system.layers_count);
	jsonw_uint(j, "userdata", p->userdata.size.v);
	jsonw_string(j, "network", p->network.s);
	jsonw_uint(j, "network_limit", p->network_limit.v);
	jsonw_string(j, "color", color);
	jsonw_bool(j, "encrypted", p->encryption.on);
	if (p->encryption.on)
		jsonw_string(j, "holes", p->encryption.holes.s);
	jsonw_end(j);
}

static int inspect_manifest(struct cli *cli, bool html)
{
	struct plan plan CLEANUP(plan_fini) = { 0 };
	if (plan_load(&plan, cli->operands[0], cli->diag) < 0)
		return -1;
	const struct manifest *m = plan.m;
	if (html) {
		inspect_html_manifest(cli, m, &plan.layout);
		return 0;
	}
	if (cli->json) {
		struct jsonw j = JSONW_INIT(&cli->out, true);
		jsonw_document(&j, "mvp.inspect", 1);
		jsonw_string(&j, "file", m->path);
		jsonw_string(&j, "kind", "manifest");
		jsonw_string(&j, "name", m->name.s);
		jsonw_string(&j, "release", m->version.s);
		jsonw_string(&j, "board", m->board.s);
		jsonw_array(&j, "personas");
		for (size_t i = 0; i < PERSONA_MAX; i++)
			json_persona(&j, &m->personas[i]);
		jsonw_end(&j);
		json_layout(&j, "memory", &plan.layout);
		cli_json_diagnostics(cli, &j);
		jsonw_end(&j);
		return 0;
	}
	cli_print(cli, "%s: manifest of %s %s for board %s\n", m->path, m->name.s, m->version.s, m->board.s);
	for (size_t i = 0; i < PERSONA_MAX; i++)
		print_persona(cli, &m->personas[i]);
	print_layout(cli, &plan.layout);
	return 0;
}

/* Images. */

static void indent(struct cli *cli, unsigned depth)
{
	cli_print(cli, "%*s", (int)(depth * 2), "");
}

static void print_luks2(struct cli *cli, const struct luks2_info *l, unsigned depth)
{
	char *uuid CLEANUP_FREE = render_clean(l->uuid), *label CLEANUP_FREE = render_clean(l->label),
		   *cipher CLEANUP_FREE = render_clean(l->cipher);
	indent(cli, depth);
	cli_print(cli, "uuid %s, label '%s', %s, %u-byte sectors, payload at %" PRIu64 "\n", uuid, label, cipher, l->sector_size,
		  l->data_at);
	if (!l->copy_ok[0] || !l->copy_ok[1]) {
		indent(cli, depth);
		cli_print(cli, "the %s header is damaged\n", l->copy_ok[0] ? "secondary" : "primary");
	}
	for (size_t i = 0; i < l->slots_count; i++) {
		char *id CLEANUP_FREE = render_clean(l->slots[i].id), *kdf CLEANUP_FREE = render_clean(l->slots[i].kdf);
		indent(cli, depth);
		cli_print(cli, "key slot %s: %s, cost %" PRIu64, id, kdf, l->slots[i].cost);
		if (l->slots[i].memory_kib)
			cli_print(cli, ", %" PRIu64 " KiB of memory", l->slots[i].memory_kib);
		cli_print(cli, ", %u-bit key\n", l->slots[i].key_len * 8);
	}
}

static void print_identity(struct cli *cli, const struct mvp_identity *id, unsigned depth)
{
	char when[TIME_TEXT_LEN], hex[2 * MVP_P256_POINT_LEN + 1];
	char *serial CLEANUP_FREE = render_clean((const char *)id->serial), *fleet CLEANUP_FREE = render_clean((const char *)id->fleet);
	indent(cli, depth);
	cli_print(cli, "serial %s", serial);
	if (id->fleet[0])
		cli_print(cli, ", fleet %s", fleet);
	cli_print(cli, ", provisioned %s\n", time_text(le64toh(id->provisioned_at), when));
	if (!cli->verbose)
		return;
	indent(cli, depth);
	cli_print(cli, "device key %s\n", text_hex(id->device_public, sizeof(id->device_public), hex));
	indent(cli, depth);
	cli_print(cli, "order key %s\n", text_hex(id->order_public, sizeof(id->order_public), hex));
}

static void print_content(struct cli *cli, const struct inspect *i, unsigned depth);

static void print_gpt(struct cli *cli, const struct inspect *i, unsigned depth)
{
	for (size_t p = 0; p < i->parts_count; p++) {
		const struct gpt_entry *e = &i->parts[p].entry;
		char len[TEXT_SIZE_LEN], data[TEXT_SIZE_LEN], uuid[TEXT_UUID_LEN], *name CLEANUP_FREE = render_clean(e->name);
		indent(cli, depth);
		cli_print(cli, "%-16s at %" PRIu64 ", %s, %s of data: %s\n", name, e->at, text_size(e->len, len),
			  text_size(i->parts[p].content.data_len, data), inspect_kind_name(i->parts[p].content.kind));
		if (cli->verbose) {
			indent(cli, depth + 1);
			cli_print(cli, "partition uuid %s\n", text_uuid(e->uuid, uuid));
		}
		if (strcmp(e->name, MVP_KEYS_PARTITION) == 0 && i->parts[p].content.kind == INSPECT_EMPTY) {
			indent(cli, depth + 1);
			cli_print(cli, "the device is not provisioned\n");
		}
		print_content(cli, &i->parts[p].content, depth + 1);
	}
}

static void print_content(struct cli *cli, const struct inspect *i, unsigned depth)
{
	char a[TEXT_SIZE_LEN], b[TEXT_SIZE_LEN], uuid[TEXT_UUID_LEN];
	char *label CLEANUP_FREE = render_clean(i->ext4.label), *cmdline CLEANUP_FREE = render_clean(i->boot.cmdline);
	switch (i->kind) {
	case INSPECT_GPT:
	case INSPECT_SUPER:
		print_gpt(cli, i, depth);
		break;
	case INSPECT_VBMETA:
		indent(cli, depth);
		cli_print(cli, "%s, rollback index %" PRIu64 ", about: %s\n", i->vbmeta.algorithm ? "signed" : "not signed",
			  i->vbmeta.rollback_index, i->vouches[0] ? i->vouches : "nothing");
		for (size_t p = 0; p < i->properties_count; p++) {
			indent(cli, depth);
			cli_print(cli, "%s: %s\n", i->properties[p].key, i->properties[p].value);
		}
		break;
	case INSPECT_BOOTIMG:
		indent(cli, depth);
		cli_print(cli, "header version %u, kernel %s, ramdisk %s\n", i->boot.version, text_size(i->boot.kernel_len, a),
			  text_size(i->boot.ramdisk_len, b));
		if (i->boot.cmdline[0]) {
			indent(cli, depth);
			cli_print(cli, "command line '%s'\n", cmdline);
		}
		break;
	case INSPECT_LUKS2:
		print_luks2(cli, &i->luks2, depth);
		break;
	case INSPECT_EXT4:
		indent(cli, depth);
		cli_print(cli, "label '%s', uuid %s, %s, %s free\n", label, text_uuid(i->ext4.uuid, uuid),
			  text_size(i->ext4.blocks * i->ext4.block_len, a), text_size(i->ext4.free_blocks * i->ext4.block_len, b));
		break;
	case INSPECT_IDENTITY:
		print_identity(cli, &i->identity, depth);
		break;
	default:
		break;
	}
}

static void json_content(struct jsonw *j, const struct inspect *i);

static void json_gpt(struct jsonw *j, const struct inspect *i)
{
	jsonw_array(j, "partitions");
	for (size_t p = 0; p < i->parts_count; p++) {
		const struct gpt_entry *e = &i->parts[p].entry;
		char uuid[TEXT_UUID_LEN];
		jsonw_object(j, NULL);
		jsonw_string(j, "name", e->name);
		jsonw_uint(j, "at", e->at);
		jsonw_string(j, "uuid", text_uuid(e->uuid, uuid));
		jsonw_string(j, "type", text_uuid(e->type, uuid));
		json_content(j, &i->parts[p].content);
		jsonw_end(j);
	}
	jsonw_end(j);
}

static void json_luks2(struct jsonw *j, const struct luks2_info *l)
{
	jsonw_string(j, "uuid", l->uuid);
	jsonw_string(j, "label", l->label);
	jsonw_string(j, "cipher", l->cipher);
	jsonw_uint(j, "sector-size", l->sector_size);
	jsonw_uint(j, "payload-at", l->data_at);
	jsonw_bool(j, "primary-header", l->copy_ok[0]);
	jsonw_bool(j, "secondary-header", l->copy_ok[1]);
	jsonw_array(j, "key-slots");
	for (size_t i = 0; i < l->slots_count; i++) {
		jsonw_object(j, NULL);
		jsonw_string(j, "slot", l->slots[i].id);
		jsonw_string(j, "kdf", l->slots[i].kdf);
		jsonw_uint(j, "cost", l->slots[i].cost);
		jsonw_uint(j, "memory-kib", l->slots[i].memory_kib);
		jsonw_uint(j, "key-bits", l->slots[i].key_len * 8);
		jsonw_end(j);
	}
	jsonw_end(j);
}

static void json_identity(struct jsonw *j, const struct mvp_identity *id)
{
	jsonw_string(j, "serial", (const char *)id->serial);
	jsonw_string(j, "fleet", id->fleet[0] ? (const char *)id->fleet : NULL);
	jsonw_uint(j, "provisioned-at", le64toh(id->provisioned_at));
	jsonw_hex(j, "device-public", id->device_public, sizeof(id->device_public));
	jsonw_hex(j, "order-public", id->order_public, sizeof(id->order_public));
}

/* Members of the object being written. */
static void json_content(struct jsonw *j, const struct inspect *i)
{
	char uuid[TEXT_UUID_LEN];
	jsonw_string(j, "kind", inspect_kind_name(i->kind));
	jsonw_uint(j, "size", i->len);
	jsonw_uint(j, "data", i->data_len);
	switch (i->kind) {
	case INSPECT_GPT:
	case INSPECT_SUPER:
		json_gpt(j, i);
		break;
	case INSPECT_VBMETA:
		jsonw_object(j, "vbmeta");
		jsonw_bool(j, "signed", i->vbmeta.algorithm != 0);
		jsonw_uint(j, "rollback-index", i->vbmeta.rollback_index);
		jsonw_string(j, "about", i->vouches);
		jsonw_object(j, "properties");
		for (size_t p = 0; p < i->properties_count; p++)
			jsonw_string(j, i->properties[p].key, i->properties[p].value);
		jsonw_end(j);
		jsonw_end(j);
		break;
	case INSPECT_BOOTIMG:
		jsonw_object(j, "boot");
		jsonw_uint(j, "header-version", i->boot.version);
		jsonw_uint(j, "kernel", i->boot.kernel_len);
		jsonw_uint(j, "ramdisk", i->boot.ramdisk_len);
		jsonw_string(j, "cmdline", i->boot.cmdline);
		jsonw_end(j);
		break;
	case INSPECT_LUKS2:
		jsonw_object(j, "luks2");
		json_luks2(j, &i->luks2);
		jsonw_end(j);
		break;
	case INSPECT_EXT4:
		jsonw_object(j, "ext4");
		jsonw_string(j, "label", i->ext4.label);
		jsonw_string(j, "uuid", text_uuid(i->ext4.uuid, uuid));
		jsonw_uint(j, "block-size", i->ext4.block_len);
		jsonw_uint(j, "blocks", i->ext4.blocks);
		jsonw_uint(j, "free-blocks", i->ext4.free_blocks);
		jsonw_end(j);
		break;
	case INSPECT_IDENTITY:
		jsonw_object(j, "identity");
		json_identity(j, &i->identity);
		jsonw_end(j);
		break;
	default:
		break;
	}
}

/* What another command looks at: says so. */
static int refuse_others(const struct image *img, const char *path, struct diag *d)
{
	static const struct {
		const char *magic, *what, *command;
	} others[] = {
		{ "-----BEGIN ", "a key or certificate", "keys show" },
		{ "SQLite format 3", "a ledger, if it is one of mvpctl", "ledger ls" },
		{ "\xd2\x84", "an order, a receipt or an attestation", "order show" }, /* CBOR: tag 18, an array of four */
	};
	char head[16];
	size_t len = (size_t)num_min(image_len(img), sizeof(head));
	struct loc loc = LOC_FILE(path);
	if (image_read(img, 0, head, len, d) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		size_t n = strlen(others[i].magic);
		if (len < n || memcmp(head, others[i].magic, n) != 0)
			continue;
		(void)diag_fail(d, MVP0009, &loc, "this is %s", others[i].what);
		diag_hint(d, "`mvpctl %s %s` shows it", others[i].command, path);
		return -1;
	}
	return 0;
}

/* Text holds no NUL; every image this program knows has one near its beginning. */
static int is_text(const struct image *img, bool *ret_text, struct diag *d)
{
	char head[4096];
	size_t len = (size_t)num_min(image_len(img), sizeof(head));
	if (image_read(img, 0, head, len, d) < 0)
		return -1;
	*ret_text = len > 0 && !memchr(head, 0, len);
	return 0;
}

/* Bundles of a maker's own format. */
static void print_look(struct cli *cli, const char *path, const struct look *l)
{
	char len[TEXT_SIZE_LEN];
	struct jsonw j = JSONW_INIT(&cli->out, true);
	if (!cli->json) {
		char *title CLEANUP_FREE = render_clean(l->title);
		cli_print(cli, "%s: %s, %s\n", path, l->kind, title);
		for (size_t i = 0; i < l->count; i++) {
			const struct look_item *it = &l->items[i];
			char *name CLEANUP_FREE = render_clean(it->name), *detail CLEANUP_FREE = render_clean(it->detail ? it->detail : "");
			cli_print(cli, "  %-24s at %" PRIu64 ", %s%s%s\n", name, it->at, text_size(it->len, len), it->detail ? ", " : "",
				  detail);
		}
		return;
	}
	jsonw_document(&j, "mvp.inspect", 1);
	jsonw_string(&j, "file", path);
	jsonw_string(&j, "kind", l->kind);
	jsonw_string(&j, "title", l->title);
	jsonw_array(&j, "items");
	for (size_t i = 0; i < l->count; i++) {
		jsonw_object(&j, NULL);
		jsonw_string(&j, "name", l->items[i].name);
		jsonw_uint(&j, "at", l->items[i].at);
		jsonw_uint(&j, "size", l->items[i].len);
		jsonw_string(&j, "detail", l->items[i].detail);
		jsonw_end(&j);
	}
	jsonw_end(&j);
	cli_json_diagnostics(cli, &j);
	jsonw_end(&j);
}

struct inspect_args {
	bool html;
};

static int run(struct cli *cli, const void *args)
{
	const struct inspect_args *a = args;
	const char *path = cli->operands[0];
	struct loc loc = LOC_FILE(path);
	struct image *img CLEANUP(image_freep) = NULL;
	struct inspect i CLEANUP(inspect_fini) = { 0 };
	bool text = false;
	if (inspect_open(path, &img, cli->diag) < 0 || refuse_others(img, path, cli->diag) < 0 || is_text(img, &text, cli->diag) < 0)
		return -1;
	if (text)
		return inspect_manifest(cli, a->html);
	struct look look CLEANUP(look_fini) = { 0 };
	int other = look_open(img, path, &look, cli->diag);
	if (a->html && other == 0)
		return diag_fail(cli->diag, MVP0009, &loc, "--html draws manifests and disk images, not a %s", look.kind);
	if (other <= 0) {
		if (other == 0)
			print_look(cli, path, &look);
		return other;
	}
	if (inspect_image(img, path, &i, cli->diag) < 0)
		return -1;
	if (i.kind == INSPECT_DATA || i.kind == INSPECT_EMPTY)
		return diag_fail(cli->diag, MVP0009, &loc, "neither a manifest nor an image that mvpctl knows");
	if (a->html) {
		inspect_html_image(cli, path, &i);
		return 0;
	}
	if (cli->json) {
		struct jsonw j = JSONW_INIT(&cli->out, true);
		jsonw_document(&j, "mvp.inspect", 1);
		jsonw_string(&j, "file", path);
		json_content(&j, &i);
		cli_json_diagnostics(cli, &j);
		jsonw_end(&j);
		return 0;
	}
	char len[TEXT_SIZE_LEN], data[TEXT_SIZE_LEN];
	cli_print(cli, "%s: %s%s, %s, %s of data\n", path, i.sparse ? "sparse image, " : "", inspect_kind_name(i.kind),
		  text_size(i.len, len), text_size(i.data_len, data));
	print_content(cli, &i, 1);
	return 0;
}

static const struct opt opts[] = {
	OPT_FLAG(0, "html", struct inspect_args, html, "print a page for a browser: what lies where, and who vouches for what"),
};
static const enum exit_status exits[] = { EXIT_MANIFEST, EXIT_INPUT, EXIT_NO_FIT, EXIT_VERIFY, EXIT_INTERRUPTED };
static const struct example examples[] = {
	{ "mvpctl inspect phone.yaml", "Show the personas and how memory is laid out." },
	{ "mvpctl inspect out/phone-1.0.img", "Show partitions, containers and boot images of a disk image." },
	{ "mvpctl inspect --html out/phone-1.0.img >flash.html", "Draw them." },
};

const struct cmd cmd_inspect = {
	.name = "inspect",
	.operands = "FILE",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "show what a manifest plans or an image holds",
	.group = "Build",
	.description = "Of a manifest: the personas and the layout of physical memory. Of a disk image:\n"
		       "its partitions and what is in them, down to the persona's own partitions; LUKS2\n"
		       "headers, Android boot images, vbmeta images, super partitions and ext4 file\n"
		       "systems alone, too, also when they are sparse images. Of a bundle (fastboot, EDL\n"
		       "or update zip, Odin package, PIT, KDZ) and of an update's payload: what is in it,\n"
		       "once its digests have been found right.\n"
		       "No key is needed and nothing is written.",
	CMD_LIST(opts, opts),
	.args_size = sizeof(struct inspect_args),
	.json = CMD_JSON_DOCUMENT,
	CMD_LIST(exits, exits),
	CMD_LIST(examples, examples),
	.run = run,
};
