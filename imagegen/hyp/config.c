/* Writes the two const objects that are compiled into core and vault. */
#include "imagegen/hyp/config.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "imagegen/base/num.h"
#include "imagegen/hyp/fdt.h"
#include "imagegen/manifest/chord.h"
#include "imagegen/manifest/value.h"
#include "mvp/config.h"

enum { SLICE_US = 5000, PAGE = 4096 };

static const struct layout_region *region(const struct layout *l, const char *name)
{
	static const struct layout_region none = { .name = "" };
	for (size_t i = 0; i < l->regions_count; i++) {
		if (!strcmp(l->regions[i].name, name))
			return &l->regions[i];
	}
	return &none;
}

static void vault_mmio(struct buf *out, const struct board *b)
{
	const struct {
		const struct mnum *base;
		uint64_t size;
	} devices[] = {
		{ &b->uart, PAGE },
		{ &b->rtc, PAGE },
		{ &b->fw_cfg, PAGE },
		{ &b->virtio, align_up(b->virtio_stride.v * b->virtio_count.v, PAGE) },
		{ &b->storage.ecam, MVP_PCI_BUS_SIZE },
		{ &b->storage.window, b->storage.window_size.v },
	};
	unsigned count = 0;
	_Static_assert(ARRAY_LEN(devices) <= MVP_MAX_VAULT_MMIO, "vault_mmio");
	(void)buf_puts(out, "\t.vault_mmio = {\n");
	for (size_t i = 0; i < ARRAY_LEN(devices); i++) {
		if (devices[i].base->given) {
			(void)buf_printf(out, "\t\t{ 0x%" PRIx64 ", 0x%" PRIx64 " },\n", devices[i].base->v, devices[i].size);
			count++;
		}
	}
	(void)buf_printf(out, "\t},\n\t.vault_mmio_count = %u,\n", count);
}

static void vault_irqs(struct buf *out, const struct board *b)
{
	bool edge = !strcmp(b->virtio_trigger.s, "edge");
	unsigned pci = board_has_sdhci(b) ? MVP_PCI_INTS : 0;
	(void)buf_puts(out, "\t.vault_irqs = {\n");
	(void)buf_printf(out, "\t\t{ %" PRIu64 ", 0, 0 },\n\t\t{ %" PRIu64 ", 0, 0 },\n", b->uart_intid.v, b->rtc_intid.v);
	for (uint64_t i = 0; i < b->virtio_count.v; i++)
		(void)buf_printf(out, "\t\t{ %" PRIu64 ", %d, 0 },\n", b->virtio_intid.v + i, edge);
	for (unsigned i = 0; i < pci; i++)
		(void)buf_printf(out, "\t\t{ %" PRIu64 ", 0, 0 },\n", b->storage.intid.v + i);
	(void)buf_printf(out, "\t},\n\t.vault_irqs_count = %" PRIu64 ",\n", 2 + b->virtio_count.v + pci);
}

int config_core(const struct board *b, const struct manifest *m, const struct layout *l, struct buf *ret, struct diag *d)
{
	const struct layout_region *vault = region(l, "vault");
	const struct layout_screens *screens = &l->screens;
	uint64_t share = m->hypervisor.foreground_share.v;
	(void)buf_puts(ret, "#include \"mvp/config.h\"\n\nconst struct mvp_core_config mvp_core_config = {\n");
	(void)buf_printf(ret, "\t.revision = %d,\n\t.personas = %d,\n", MVP_CONFIG_REVISION, PERSONA_MAX);
	(void)buf_printf(ret, "\t.gicd_pa = 0x%" PRIx64 ",\n\t.gicr_pa = 0x%" PRIx64 ",\n\t.gicr_size = 0x%" PRIx64 ",\n", b->gicd.v,
			 b->gicr.v, b->gicr_size.v);
	(void)buf_printf(ret, "\t.debug_uart_pa = 0x%" PRIx64 ",\n\t.cpus = %zu,\n\t.cpu_mpidr = {", b->uart.v, b->cpus.count);
	for (size_t i = 0; i < b->cpus.count; i++)
		(void)buf_printf(ret, " 0x%" PRIx64 ",", b->cpus.v[i].v);
	(void)buf_printf(ret, " },\n\t.slice_us = %d,\n", SLICE_US);
	(void)buf_printf(ret, "\t.vault_pa = 0x%" PRIx64 ",\n\t.vault_size = 0x%" PRIx64 ",\n", vault->pa, vault->size);
	(void)buf_printf(ret, "\t.screens_pa = 0x%" PRIx64 ",\n\t.screens_size = 0x%" PRIx64 ",\n", screens->pa, screens->size);
	vault_mmio(ret, b);
	vault_irqs(ret, b);
	(void)buf_puts(ret, "\t.persona = {\n");
	for (size_t i = 0; i < PERSONA_MAX; i++) {
		const struct persona *p = &m->personas[i];
		const struct layout_region *ram = region(l, p->name);
		if (p->cpus.v < 1 || p->cpus.v > MVP_MAX_VCPUS)
			return diag_fail(d, MVP0711, &p->cpus.loc, "'%s' has %" PRIu64 " CPUs, expected 1 to %d", p->name, p->cpus.v,
					 MVP_MAX_VCPUS);
		(void)buf_printf(ret,
				 "\t\t{ .ram_pa = 0x%" PRIx64 ", .ram_size = 0x%" PRIx64 ", .vcpus = %" PRIu64 ", .weight_fg = %" PRIu64
				 ", .weight_bg = %" PRIu64 ",\n\t\t  .frame_pa = 0x%" PRIx64 ", .frame_size = 0x%" PRIx64 " },\n",
				 ram->pa, ram->size, p->cpus.v, share, 100 - share, screens->frame_pa[i], screens->frame_size);
	}
	(void)buf_puts(ret, "\t},\n};\n");
	return buf_error(ret) ? diag_fail(d, MVP0001, NULL, "the configuration is too long") : 0;
}

static void dtb_bytes(struct buf *out, const char *name, const struct guest_fdt *f)
{
	(void)buf_printf(out, "static const uint8_t %s_dtb[] = {", name);
	for (uint32_t i = 0; i < f->len; i++) {
		if (i < f->bootargs_at || i >= f->bootargs_at + f->bootargs_len)
			(void)buf_printf(out, "%s%u,", i % 32 ? "" : "\n\t", f->data[i]);
	}
	(void)buf_puts(out, "\n};\n\n");
}

/* A string literal: what could end it or start an escape is written as octal. */
static void c_string(struct buf *out, const char *s)
{
	(void)buf_putc(out, '"');
	for (; *s; s++) {
		if (isalnum((unsigned char)*s) || strchr(" .-_+", *s))
			(void)buf_putc(out, *s);
		else
			(void)buf_printf(out, "\\%03o", (unsigned char)*s);
	}
	(void)buf_putc(out, '"');
}

/* Is the persona's name in the list? */
static bool listed(const struct mstrs *names, const char *name)
{
	for (size_t i = 0; i < names->count; i++) {
		if (!strcmp(names->v[i].s, name))
			return true;
	}
	return false;
}

static void persona_trust(struct buf *out, bool verified, const uint8_t digest[32])
{
	(void)buf_printf(out, "\t\t\t.verified = %d,\n\t\t\t.avb_key_digest = {", verified);
	for (size_t i = 0; i < 32; i++)
		(void)buf_printf(out, " 0x%02x,", verified ? digest[i] : 0);
	(void)buf_puts(out, " },\n");
}

static void persona_config(struct buf *out, const struct manifest *m, const struct persona *p, const struct layout_region *ram,
			   const struct hyp_trust *trust, const struct guest_fdt *f)
{
	size_t index = (size_t)(p - m->personas);
	/* What is not encrypted hides nothing; what is shows which blocks are used only if the manifest agreed to that. */
	bool discard = !p->encryption.on || !strcmp(p->encryption.holes.s, "keep");
	(void)buf_printf(out, "\t\t{\n\t\t\t.name = \"%s\",\n\t\t\t.ram_pa = 0x%" PRIx64 ",\n\t\t\t.ram_size = 0x%" PRIx64 ",\n", p->name,
			 ram->pa, ram->size);
	(void)buf_printf(
		out, "\t\t\t.vcpus = %" PRIu64 ",\n\t\t\t.encrypted = %d,\n\t\t\t.passcode_tries = %" PRIu64 ",\n\t\t\t.color = 0x%06x,\n",
		p->cpus.v, p->encryption.on, p->encryption.on ? num_min(p->encryption.tries.v, UINT32_MAX) : 0, (unsigned)p->color.v);
	(void)buf_printf(out, "\t\t\t.discard = %d,\n\t\t\t.network = %d,\n\t\t\t.may_switch = %d,\n\t\t\t.net_rate = %" PRIu64 ",\n",
			 discard, persona_has_network(p), listed(&m->policy.switch_request, p->name), p->network_limit.v / 8);
	(void)buf_printf(out, "\t\t\t.managed = %d,\n", p == &m->personas[PERSONA_WORK]);
	persona_trust(out, trust->persona[index].verified, trust->persona[index].avb_key_digest);
	(void)buf_printf(out, "\t\t\t.clipboard = %d,\n\t\t\t.notify_level = {", manifest_clipboard(m, index));
	for (int c = 0; c < MVP_NOTIFY_CATEGORIES; c++)
		(void)buf_printf(out, " %d,", manifest_notify_level(m, index, (enum mvp_notify_category)c));
	(void)buf_puts(out, " },\n");
	(void)buf_printf(out, "\t\t\t.dtb = %s_dtb,\n\t\t\t.dtb_len = %u,\n", p->name, f->len);
	(void)buf_printf(out, "\t\t\t.dtb_bootargs_at = %u,\n\t\t\t.dtb_bootargs_len = %u,\n", f->bootargs_at, f->bootargs_len);
	(void)buf_printf(out, "\t\t\t.dtb_initrd_start_at = %u,\n\t\t\t.dtb_initrd_end_at = %u,\n", f->initrd_start_at, f->initrd_end_at);
	(void)buf_printf(out, "\t\t\t.dtb_kaslr_at = %u,\n\t\t\t.dtb_rng_at = %u,\n\t\t\t.dtb_rng_len = %u,\n\t\t},\n", f->kaslr_at,
			 f->rng_at, f->rng_len);
}

static int switch_keys(struct buf *out, const struct manifest *m, struct diag *d)
{
	const struct mstr *chord = &m->hypervisor.switch_key, *console = &m->hypervisor.console_key;
	uint16_t codes[CHORD_MAX];
	const char *bad;
	size_t bad_len;
	uint8_t key;
	_Static_assert((int)CHORD_MAX == MVP_MAX_CHORD, "switch_chord");
	if (value_console_key(console->s, &key))
		return diag_fail(d, MVP0711, &console->loc, "'%s' is no key of the console, expected one like 'ctrl-]'", console->s);
	if (chord_parse(chord->s, codes, &bad, &bad_len))
		return diag_fail(d, MVP0711, &chord->loc, "'%s' are no keys of a handset, expected some like 'leftmeta+tab'", chord->s);
	(void)buf_printf(out, "\t.console_key = %d,\n\t.switch_chord = { %d, %d, %d, %d },\n", key, codes[0], codes[1], codes[2], codes[3]);
	return 0;
}

static void display(struct buf *out, const struct board *b, const struct layout *l)
{
	if (!b->display.type.s)
		return;
	(void)buf_printf(out,
			 "\t.display = MVP_DISPLAY_RAMFB,\n\t.width = %" PRIu64 ",\n\t.height = %" PRIu64 ",\n\t.stride = %" PRIu64
			 ",\n\t.bar_height = %" PRIu64 ",\n",
			 b->display.width.v, b->display.height.v, board_stride(b), b->display.bar.v);
	(void)buf_printf(out, "\t.screens_pa = 0x%" PRIx64 ",\n\t.screens_size = 0x%" PRIx64 ",\n\t.screen_at = {", l->screens.pa,
			 l->screens.size);
	for (size_t i = 0; i < ARRAY_LEN(l->screens.screen_at); i++)
		(void)buf_printf(out, " 0x%" PRIx64 ",", l->screens.screen_at[i]);
	(void)buf_puts(out, " },\n");
}

static void storage(struct buf *out, const struct board *b)
{
	if (!board_has_sdhci(b))
		return;
	(void)buf_printf(out,
			 "\t.storage = MVP_STORAGE_SDHCI,\n\t.pci_ecam_pa = 0x%" PRIx64 ",\n\t.pci_mmio_pa = 0x%" PRIx64
			 ",\n\t.pci_mmio_size = 0x%" PRIx64 ",\n\t.pci_intid = %" PRIu64 ",\n",
			 b->storage.ecam.v, b->storage.window.v, b->storage.window_size.v, b->storage.intid.v);
}

int config_vault(const struct board *b, const struct manifest *m, const struct layout *l, const struct hyp_trust *trust, const char *logo,
		 struct buf *ret, struct diag *d)
{
	const struct layout_region *vault = region(l, "vault");
	struct guest_fdt trees[PERSONA_MAX] = { 0 };
	int rc = 0;
	(void)buf_puts(ret, "#include \"mvp/config.h\"\n\n");
	for (size_t i = 0; i < PERSONA_MAX && !rc; i++) {
		rc = guest_fdt_build(b, &m->personas[i], &trees[i], d);
		if (!rc)
			dtb_bytes(ret, m->personas[i].name, &trees[i]);
	}
	(void)buf_puts(ret, "const struct mvp_vault_config mvp_vault_config = {\n");
	(void)buf_printf(ret, "\t.revision = %d,\n\t.personas = %d,\n", MVP_CONFIG_REVISION, PERSONA_MAX);
	(void)buf_printf(ret, "\t.vault_pa = 0x%" PRIx64 ",\n\t.vault_size = 0x%" PRIx64 ",\n", vault->pa, vault->size);
	(void)buf_printf(ret, "\t.uart_pa = 0x%" PRIx64 ",\n\t.uart_intid = %" PRIu64 ",\n\t.rtc_pa = 0x%" PRIx64 ",\n", b->uart.v,
			 b->uart_intid.v, b->rtc.v);
	(void)buf_printf(ret, "\t.virtio_pa = 0x%" PRIx64 ",\n\t.virtio_stride = %" PRIu64 ",\n\t.virtio_count = %" PRIu64 ",\n",
			 b->virtio.v, b->virtio_stride.v, b->virtio_count.v);
	(void)buf_printf(ret, "\t.virtio_intid = %" PRIu64 ",\n\t.console = %s,\n", b->virtio_intid.v,
			 !strcmp(m->hypervisor.console.s, "prefixed") ? "MVP_CONSOLE_PREFIXED" : "MVP_CONSOLE_MUX");
	if (!rc)
		rc = switch_keys(ret, m, d);
	storage(ret, b);
	display(ret, b, l);
	(void)buf_printf(ret, "\t.lock_after = %" PRIu64 ",\n\t.wipe_after = %" PRIu64 ",\n", m->policy.lease.lock_after.v,
			 m->policy.lease.wipe_after.v);
	(void)buf_printf(ret,
			 "\t.notify_queue = %" PRIu64 ",\n\t.notify_rate = %" PRIu64 ",\n\t.quiet_from = %" PRIu64
			 ",\n\t.quiet_to = %" PRIu64 ",\n",
			 m->policy.notifications.queue.v, m->policy.notifications.rate.v, m->policy.notifications.quiet_from.v,
			 m->policy.notifications.quiet_to.v);
	(void)buf_printf(ret, "\t.good_after = %" PRIu64 ",\n\t.fw_cfg_pa = 0x%" PRIx64 ",\n\t.product = ", m->hypervisor.good_after.v,
			 b->fw_cfg.v);
	c_string(ret, m->name.s);
	(void)buf_puts(ret, " \" \" ");
	c_string(ret, m->version.s);
	if (logo) {
		(void)buf_puts(ret, ",\n\t.logo = ");
		c_string(ret, logo);
	}
	(void)buf_puts(ret, ",\n\t.persona = {\n");
	for (size_t i = 0; i < PERSONA_MAX && !rc; i++)
		persona_config(ret, m, &m->personas[i], region(l, m->personas[i].name), trust, &trees[i]);
	(void)buf_puts(ret, "\t},\n};\n");
	for (size_t i = 0; i < PERSONA_MAX; i++)
		guest_fdt_fini(&trees[i]);
	if (!rc && buf_error(ret))
		rc = diag_fail(d, MVP0001, NULL, "the configuration is too long");
	return rc;
}
