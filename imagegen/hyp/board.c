/* Board descriptions: the table of their keys, and what must hold between them. */
#include "imagegen/hyp/board.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "imagegen/base/mem.h"
#include "mvp/abi.h"
#include "mvp/config.h"

#define FIELD(key_, type_, member, ...) \
	{ \
		.key = (key_), .type = PROFILE_##type_, .offset = offsetof(struct board, member), __VA_ARGS__ \
	}
#define REQUIRED .required = true
/* SPIs: private interrupts cannot be routed to the vault. */
#define SPI .min = 32, .max = 1019

static const char *const triggers[] = { "edge", "level", NULL };

/* Fixed values of the drivers there are: a board with something else needs a driver, so the key is read and checked, not skipped. */
static const char *const uart_types[] = { "pl011", NULL };
static const char *const rtc_types[] = { "pl031", NULL };
static const char *const storage_types[] = { "virtio-blk", "sdhci-pci", NULL };
static const char *const display_types[] = { "ramfb", NULL };

struct board_file {
	struct board b;
	struct mnum format, gic_version;
	struct mstr uart_type, rtc_type;
};

#define OWN_FIELD(key_, type_, member, ...) \
	{ \
		.key = (key_), .type = PROFILE_##type_, .offset = offsetof(struct board_file, member), __VA_ARGS__ \
	}

static const struct profile_field fields[] = {
	OWN_FIELD("board", NUM, format, REQUIRED, .min = 1, .max = 1),
	FIELD("name", STR, name, REQUIRED),
	FIELD("summary", STR, summary),
	FIELD("ram.base", NUM, ram_base, REQUIRED),
	FIELD("ram.size", SIZE, ram_size, REQUIRED),
	FIELD("ram.reserved", RANGES, ram_reserved),
	FIELD("cpus", NUMS, cpus, REQUIRED, .max = 0xff00ffffff),
	OWN_FIELD("gic.version", NUM, gic_version, REQUIRED, .min = 3, .max = 3),
	FIELD("gic.distributor", NUM, gicd, REQUIRED),
	FIELD("gic.redistributors", NUM, gicr, REQUIRED),
	FIELD("gic.redistributors-size", SIZE, gicr_size, REQUIRED, .min = 0x20000),
	OWN_FIELD("uart.type", STR, uart_type, REQUIRED, .choices = uart_types),
	FIELD("uart.base", NUM, uart, REQUIRED),
	FIELD("uart.interrupt", NUM, uart_intid, REQUIRED, SPI),
	OWN_FIELD("rtc.type", STR, rtc_type, REQUIRED, .choices = rtc_types),
	FIELD("rtc.base", NUM, rtc, REQUIRED),
	FIELD("rtc.interrupt", NUM, rtc_intid, REQUIRED, SPI),
	FIELD("virtio-mmio.base", NUM, virtio, REQUIRED),
	FIELD("virtio-mmio.stride", SIZE, virtio_stride, REQUIRED, .min = 0x200, .max = 0x10000),
	FIELD("virtio-mmio.count", NUM, virtio_count, REQUIRED, .min = 1, .max = 32),
	FIELD("virtio-mmio.interrupt", NUM, virtio_intid, REQUIRED, SPI),
	FIELD("virtio-mmio.trigger", STR, virtio_trigger, REQUIRED, .choices = triggers),
	FIELD("fw-cfg.base", NUM, fw_cfg),
	FIELD("storage.type", STR, storage.type, .choices = storage_types),
	FIELD("storage.size", SIZE, storage.size),
	FIELD("storage.ecam", NUM, storage.ecam),
	FIELD("storage.window", NUM, storage.window),
	FIELD("storage.window-size", SIZE, storage.window_size, .min = 0x1000),
	FIELD("storage.interrupt", NUM, storage.intid, SPI),
	FIELD("display.type", STR, display.type, .choices = display_types),
	FIELD("display.width", NUM, display.width, .min = 160, .max = 4096),
	FIELD("display.height", NUM, display.height, .min = 160, .max = 4096),
	FIELD("display.bar", NUM, display.bar, .min = 16, .max = 128),
	FIELD("firmware.load", NUM, load, REQUIRED),
	FIELD("qemu.machine", STR, qemu.machine),
	FIELD("qemu.cpu", STR, qemu.cpu),
	FIELD("qemu.smp", NUM, qemu.smp, .min = 1, .max = MVP_MAX_CPUS),
	FIELD("qemu.arguments", STRS, qemu.args),
};
_Static_assert(offsetof(struct board_file, b) == 0, "FIELD counts from struct board");

static int check_ram(const struct board *b, struct diag *d)
{
	uint64_t end;
	int rc = 0;
	if (b->ram_base.v % MVP_BLOCK_SIZE)
		rc = diag_fail(d, MVP0709, &b->ram_base.loc, "'ram.base' must be a multiple of 2 MiB");
	if (b->ram_size.v % MVP_BLOCK_SIZE || !b->ram_size.v)
		rc = diag_fail(d, MVP0709, &b->ram_size.loc, "'ram.size' must be a multiple of 2 MiB");
	/* 48 bits: what the core's own translation tables reach. */
	if (__builtin_add_overflow(b->ram_base.v, b->ram_size.v, &end) || end > (uint64_t)1 << 48)
		return diag_fail(d, MVP0709, &b->ram_size.loc, "the RAM ends beyond 256 TiB");
	if (b->load.v % MVP_BLOCK_SIZE || b->load.v < b->ram_base.v || b->load.v >= end)
		rc = diag_fail(d, MVP0709, &b->load.loc,
			       "'firmware.load' must be a multiple of 2 MiB inside the RAM (0x%" PRIx64 " to 0x%" PRIx64 ")", b->ram_base.v,
			       end);
	return rc;
}

/* The vault sees devices at their physical address and its own memory at MVP_VAULT_BASE: they must not meet. */
static int check_device(const struct mnum *base, uint64_t len, const char *key, struct diag *d)
{
	if (base->v % 0x1000)
		return diag_fail(d, MVP0709, &base->loc, "'%s' must be a multiple of 4096", key);
	if (base->v > MVP_VAULT_BASE - len)
		return diag_fail(d, MVP0709, &base->loc, "'%s' lies above 0x%x, where the vault has its own memory", key, MVP_VAULT_BASE);
	return 0;
}

static int check_cpus(const struct board *b, struct diag *d)
{
	int rc = 0;
	if (!b->cpus.count || b->cpus.count > MVP_MAX_CPUS)
		return diag_fail(d, MVP0709, &b->cpus.loc, "'cpus' lists %zu affinities, expected 1 to %d", b->cpus.count, MVP_MAX_CPUS);
	for (size_t i = 0; i < b->cpus.count; i++) {
		for (size_t k = 0; k < i; k++) {
			if (b->cpus.v[i].v == b->cpus.v[k].v)
				rc = diag_fail(d, MVP0709, &b->cpus.v[i].loc, "the affinity 0x%" PRIx64 " is in 'cpus' twice",
					       b->cpus.v[i].v);
		}
	}
	return rc;
}

uint64_t board_stride(const struct board *b)
{
	return b->display.width.v * 4; /* x8r8g8b8 */
}

/* A bar must fit into the block in front of its frame (mvp/config.h); with the largest width and bar it does. */
_Static_assert(4096 * 4 * 128 <= MVP_BLOCK_SIZE, "bar");

static int check_display(const struct board *b, struct diag *d)
{
	const struct {
		const char *key;
		const struct mnum *value;
	} sizes[] = { { "width", &b->display.width }, { "height", &b->display.height }, { "bar", &b->display.bar } };
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		if (b->display.type.s && !sizes[i].value->given)
			return diag_fail(d, MVP0709, &b->display.type.loc, "'display' needs '%s' beside 'type'", sizes[i].key);
		if (!b->display.type.s && sizes[i].value->given)
			return diag_fail(d, MVP0709, &sizes[i].value->loc, "'display.%s' needs 'display.type' beside it", sizes[i].key);
	}
	if (b->display.type.s && !b->fw_cfg.given)
		return diag_fail(d, MVP0709, &b->display.type.loc, "a display of type '%s' is reached by 'fw-cfg', which the board lacks",
				 b->display.type.s);
	return 0;
}

bool board_has_sdhci(const struct board *b)
{
	return b->storage.type.s && !strcmp(b->storage.type.s, "sdhci-pci");
}

static int check_storage(const struct board *b, struct diag *d)
{
	const struct {
		const char *key;
		const struct mnum *value;
	} keys[] = { { "ecam", &b->storage.ecam },
		     { "window", &b->storage.window },
		     { "window-size", &b->storage.window_size },
		     { "interrupt", &b->storage.intid } };
	bool sdhci = board_has_sdhci(b);
	uint64_t end;
	int rc = 0;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		if (sdhci && !keys[i].value->given)
			rc = diag_fail(d, MVP0709, &b->storage.type.loc, "a storage of type 'sdhci-pci' needs 'storage.%s'", keys[i].key);
		if (!sdhci && keys[i].value->given)
			rc = diag_fail(d, MVP0709, &keys[i].value->loc, "'storage.%s' needs 'storage.type: sdhci-pci' beside it",
				       keys[i].key);
	}
	if (b->storage.size.v % MIB)
		rc = diag_fail(d, MVP0709, &b->storage.size.loc, "'storage.size' must be a multiple of 1 MiB");
	if (!sdhci || rc)
		return rc;
	if (b->storage.window_size.v % 0x1000)
		rc = diag_fail(d, MVP0709, &b->storage.window_size.loc, "'storage.window-size' must be a multiple of 4096");
	rc |= check_device(&b->storage.ecam, MVP_PCI_BUS_SIZE, "storage.ecam", d);
	rc |= check_device(&b->storage.window, b->storage.window_size.v, "storage.window", d);
	/* ADMA2 with 32-bit addresses reads and writes the personas' memory. */
	if (__builtin_add_overflow(b->ram_base.v, b->ram_size.v, &end) || end > (uint64_t)UINT32_MAX + 1)
		rc = diag_fail(d, MVP0709, &b->ram_size.loc, "the RAM ends above 4 GiB, where storage of type 'sdhci-pci' cannot reach");
	return rc;
}

int board_check(const struct board *b, struct diag *d)
{
	uint64_t virtio_len = b->virtio_stride.v * b->virtio_count.v;
	int rc = 0;
	rc |= check_ram(b, d);
	rc |= check_cpus(b, d);
	rc |= check_device(&b->uart, 0x1000, "uart.base", d);
	rc |= check_device(&b->rtc, 0x1000, "rtc.base", d);
	rc |= check_device(&b->virtio, (virtio_len + 0xfff) & ~(uint64_t)0xfff, "virtio-mmio.base", d);
	if (b->fw_cfg.given)
		rc |= check_device(&b->fw_cfg, 0x1000, "fw-cfg.base", d);
	rc |= check_display(b, d);
	rc |= check_storage(b, d);
	if (b->virtio_intid.v + b->virtio_count.v > 1020)
		rc |= diag_fail(d, MVP0709, &b->virtio_intid.loc, "the interrupts of 'virtio-mmio' end beyond 1019");
	if (b->qemu.machine.s && (!b->qemu.cpu.s || !b->qemu.smp.given))
		rc |= diag_fail(d, MVP0709, &b->qemu.machine.loc, "'qemu' needs 'cpu' and 'smp' beside 'machine'");
	return rc ? -1 : 0;
}

static void file_free(struct board_file *f)
{
	if (!f)
		return;
	profile_fini(fields, ARRAY_LEN(fields), f);
	free(f->b.path);
	free(f);
}
DEFINE_FREEP(struct board_file, file_free)

void board_free(struct board *b)
{
	/* Every struct board is the head of a struct board_file: board_read makes no other. */
	file_free((struct board_file *)b);
}

int board_read(char *path TAKES, struct board **ret_board, struct diag *d)
{
	struct board_file *f CLEANUP(file_freep) = mem_new(struct board_file);
	f->b.path = path;
	if (profile_load(path, fields, ARRAY_LEN(fields), f, d) || board_check(&f->b, d))
		return -1;
	*ret_board = &TAKE(f)->b;
	return 0;
}

int board_load(const struct manifest *m, struct board **ret_board, struct diag *d)
{
	char *path = NULL;
	if (profile_find(m, "boards", &m->board, MVP0706, &path, d))
		return -1;
	return board_read(path, ret_board, d);
}
