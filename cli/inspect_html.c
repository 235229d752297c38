#include "cli/inspect_html.h"

#include <inttypes.h>
#include <string.h>

#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/base/text.h"

/* A map is a bar of this width, in which nothing that is there gets narrower than this. */
#define WIDTH 1000.0
#define NARROWEST 6.0

static const char style[] =
	"<style>body{font:14px sans-serif;margin:2em;max-width:1040px}table{border-collapse:collapse;margin:.5em 0 1.5em}"
	"td,th{text-align:left;padding:.2em 1em .2em 0;border-bottom:1px solid #ccc;vertical-align:top}"
	"td.n{text-align:right;font-family:monospace}svg{border:1px solid #888}"
	".d{fill:#90a4ae}.b{fill:#7986cb}.l{fill:#e57373}.e{fill:#eee}.g{fill:#81c784}.v{fill:#ffb74d}</style>";

static void text(struct cli *cli, const char *s)
{
	for (; *s; s++) {
		if (*s == '<')
			cli_print(cli, "&lt;");
		else if (*s == '>')
			cli_print(cli, "&gt;");
		else if (*s == '&')
			cli_print(cli, "&amp;");
		else if (*s == '"')
			cli_print(cli, "&quot;");
		else
			cli_print(cli, "%c", *s);
	}
}

static void begin(struct cli *cli, const char *title)
{
	cli_print(cli, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>");
	text(cli, title);
	cli_print(cli, "</title>%s</head><body>\n<h1>", style);
	text(cli, title);
	cli_print(cli, "</h1>\n");
}

static void end(struct cli *cli)
{
	cli_print(cli, "</body></html>\n");
}

struct piece {
	const char *name, *class;
	uint64_t at, len;
};

/* True to scale but for what would vanish. Pieces ascend. */
static void map(struct cli *cli, const struct piece *v, size_t count, uint64_t from, uint64_t len)
{
	double x = 0, scale = WIDTH / (double)num_max(len, 1);
	cli_print(cli, "<svg width=\"%.0f\" height=\"40\" viewBox=\"0 0 %.0f 40\" preserveAspectRatio=\"none\">", WIDTH, WIDTH);
	for (size_t i = 0; i < count; i++) {
		double at = (double)(v[i].at - from) * scale, width = (double)v[i].len * scale;
		x = at > x ? at : x;
		width = width > NARROWEST ? width : NARROWEST;
		cli_print(cli, "<rect class=\"%s\" x=\"%.2f\" y=\"0\" width=\"%.2f\" height=\"40\" stroke=\"#fff\"><title>", v[i].class, x,
			  width);
		text(cli, v[i].name);
		cli_print(cli, "</title></rect>");
		x += width;
	}
	cli_print(cli, "</svg>\n");
}

static void memory_map(struct cli *cli, const struct layout *l)
{
	struct piece *v CLEANUP_FREE = mem_array(struct piece, l->regions_count);
	char size[TEXT_SIZE_LEN];
	for (size_t i = 0; i < l->regions_count; i++)
		v[i] = (struct piece){ l->regions[i].name, i % 2 ? "b" : "g", l->regions[i].pa, l->regions[i].size };
	cli_print(cli, "<h2>Memory, %s</h2>\n", text_size(l->ram_size, size));
	map(cli, v, l->regions_count, l->ram_pa, l->ram_size);
	cli_print(cli, "<table><tr><th>address</th><th>size</th><th>what</th></tr>\n");
	for (size_t i = 0; i < l->regions_count; i++) {
		cli_print(cli, "<tr><td class=\"n\">0x%" PRIx64 "</td><td class=\"n\">%s</td><td>", l->regions[i].pa,
			  text_size(l->regions[i].size, size));
		text(cli, l->regions[i].name);
		cli_print(cli, "</td></tr>\n");
	}
	cli_print(cli, "</table>\n");
}

static void trust_row(struct cli *cli, const char *what, const char *who, const char *by)
{
	cli_print(cli, "<tr><td>%s</td><td>%s</td><td>%s</td></tr>\n", what, who, by);
}

void inspect_html_manifest(struct cli *cli, const struct manifest *m, const struct layout *l)
{
	char *title CLEANUP_FREE = mem_printf("%s %s for board %s", m->name.s, m->version.s, m->board.s);
	bool oem = m->keys.oem.on, enterprise = m->keys.enterprise.on;
	begin(cli, title);
	memory_map(cli, l);
	cli_print(cli, "<h2>Trust</h2>\n<table><tr><th>what</th><th>is verified by</th><th>against</th></tr>\n");
	trust_row(cli, "hypervisor (boot)", "the bootloader", oem ? "vbmeta, signed by keys.oem" : "nothing: keys.oem is not set");
	trust_row(cli, "personal: boot image, system", "the hypervisor, the kernel",
		  oem ? "its own vbmeta, signed by keys.oem" : "nothing: keys.oem is not set");
	trust_row(cli, "work: boot image, system", "the hypervisor, the kernel",
		  enterprise ? "its own vbmeta, signed by keys.enterprise" : "nothing: keys.enterprise is not set");
	trust_row(cli, "orders: wipe, lock, lease", "the hypervisor", "the key of orders in the device's identity");
	cli_print(cli, "</table>\n");
	end(cli);
}

static const char *class_of(const struct inspect *i)
{
	switch (i->kind) {
	case INSPECT_BOOTIMG:
	case INSPECT_KERNEL:
		return "b";
	case INSPECT_LUKS2:
		return "l";
	case INSPECT_GPT:
	case INSPECT_SUPER:
		return "g";
	case INSPECT_VBMETA:
		return "v";
	case INSPECT_EMPTY:
		return "e";
	default:
		return "d";
	}
}

static void partitions(struct cli *cli, const char *name, const struct inspect *i)
{
	struct piece *v CLEANUP_FREE = mem_array(struct piece, i->parts_count);
	char size[TEXT_SIZE_LEN], data[TEXT_SIZE_LEN];
	uint64_t at = 0;
	for (size_t p = 0; p < i->parts_count; p++) {
		const struct gpt_entry *e = &i->parts[p].entry;
		/* What is in a super partition has no one place: it is drawn end to end. */
		v[p] = (struct piece){ e->name, class_of(&i->parts[p].content), i->kind == INSPECT_SUPER ? at : e->at, e->len };
		at += e->len;
	}
	cli_print(cli, "<h2>");
	text(cli, name);
	cli_print(cli, ": %s, %s</h2>\n", inspect_kind_name(i->kind), text_size(i->len, size));
	map(cli, v, i->parts_count, 0, i->len);
	cli_print(cli, "<table><tr><th>partition</th><th>at</th><th>size</th><th>of data</th><th>holds</th></tr>\n");
	for (size_t p = 0; p < i->parts_count; p++) {
		const struct inspect *c = &i->parts[p].content;
		cli_print(cli, "<tr><td>");
		text(cli, v[p].name);
		cli_print(cli, "</td><td class=\"n\">%" PRIu64 "</td><td class=\"n\">%s</td><td class=\"n\">%s</td><td>%s%s</td></tr>\n",
			  v[p].at, text_size(v[p].len, size), text_size(c->data_len, data), inspect_kind_name(c->kind),
			  c->kind == INSPECT_LUKS2 ? ", encrypted" : "");
	}
	cli_print(cli, "</table>\n");
}

static void vouches(struct cli *cli, const char *name, const struct inspect *i)
{
	for (size_t p = 0; p < i->parts_count; p++) {
		const struct inspect *c = &i->parts[p].content;
		if (c->kind != INSPECT_VBMETA)
			continue;
		cli_print(cli, "<tr><td>");
		text(cli, name);
		cli_print(cli, " / ");
		text(cli, i->parts[p].entry.name);
		cli_print(cli, "</td><td>%s, rollback index %" PRIu64 "</td><td>", c->vbmeta.algorithm ? "signed" : "not signed",
			  c->vbmeta.rollback_index);
		text(cli, c->vouches);
		cli_print(cli, "</td></tr>\n");
	}
}

/* The disk and the tables in its partitions: personas' disks, super. */
static void each(struct cli *cli, const char *path, const struct inspect *i, void (*fn)(struct cli *, const char *, const struct inspect *))
{
	if (i->kind == INSPECT_GPT || i->kind == INSPECT_SUPER)
		fn(cli, path, i);
	for (size_t p = 0; p < i->parts_count; p++)
		if (i->parts[p].content.parts_count)
			fn(cli, i->parts[p].entry.name, &i->parts[p].content);
}

void inspect_html_image(struct cli *cli, const char *path, const struct inspect *i)
{
	begin(cli, path);
	each(cli, path, i, partitions);
	cli_print(cli, "<h2>Trust</h2>\n<table><tr><th>vbmeta image</th><th>signature</th><th>vouches for</th></tr>\n");
	each(cli, path, i, vouches);
	cli_print(
		cli,
		"</table>\n<p>Whether signatures and hashes hold is what mvpctl verify says. What is encrypted cannot be seen here.</p>\n");
	end(cli);
}
