/* The driver of the SD host controller against a model of one that keeps to the specification, and that says when the driver does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture_sdhci.h"

enum { CARD_SECTORS = 8192, CARD_RCA = 0x1234, BRIDGE = 0, NIC = 1 };

static struct {
	bool old_card, write_protected, no_card, no_adma, hangs; /* what to be */
	uint32_t fail_at;                                        /* the n-th data command from now on fails, 0: none */
	uint32_t bars[3], command[3];                            /* by device: bridge, network, controller */
	uint32_t block, argument, response[4], control, clock, status, status_enable, signal_enable, adma;
	bool app, selected, idle, four_bits;
	unsigned data_commands, stops;
	uint8_t image[CARD_SECTORS * SECTOR];
} dev;

static uint32_t pci_read(uintptr_t at)
{
	unsigned d = (unsigned)(at >> 15 & 31), reg = (unsigned)(at & 0xfff);
	static const uint32_t ids[] = { 0x00081b36, 0x10001af4, 0x00071b36 }, classes[] = { 0x06000000, 0x02000000, 0x08050101 };
	if (d > SLOT || (at >> 12 & 7))
		return UINT32_MAX;
	switch (reg) {
	case CFG_ID:
		return ids[d];
	case CFG_COMMAND:
		return dev.command[d] | 0x00100000;
	case CFG_CLASS:
		return classes[d];
	case CFG_BAR0:
		return dev.bars[d];
	case CFG_PIN:
		return 0x0100;
	default:
		return 0;
	}
}

static void pci_write(uintptr_t at, uint32_t v)
{
	unsigned d = (unsigned)(at >> 15 & 31), reg = (unsigned)(at & 0xfff);
	assert_true(d <= SLOT);
	if (reg == CFG_COMMAND) {
		assert_int_equal(v >> 16, 0); /* would clear status */
		dev.command[d] = v;
	} else if (reg == CFG_BAR0) {
		assert_false(dev.command[d] & COMMAND_MEMORY);
		dev.bars[d] = v & 0xffffff00;
	} else {
		fail();
	}
}

static bool decodes(uintptr_t at)
{
	return (dev.command[SLOT] & COMMAND_MEMORY) && at >= dev.bars[SLOT] && at - dev.bars[SLOT] < 0x100;
}

/* The memory that a descriptor names, or the driver's table. */
static uint8_t *bus(uint32_t at, uint32_t len)
{
	assert_true(dev.command[SLOT] & COMMAND_MASTER);
	assert_int_equal(at % 4, 0);
	assert_true(at >= BUS_BASE && range_in(at - BUS_BASE, len, BUS_LEN));
	if (at - BUS_BASE >= TABLE_AT)
		return (uint8_t *)table + (at - BUS_BASE - TABLE_AT);
	return bus_memory + (at - BUS_BASE);
}

/* A command with data, to its end. */
static void transfer(bool read)
{
	uint64_t left = (uint64_t)(dev.block >> 16) * SECTOR;
	uint64_t from = dev.old_card ? dev.argument : (uint64_t)dev.argument * SECTOR;
	assert_int_equal(dev.block & 0xffff, SECTOR);
	assert_true(dev.selected && dev.four_bits && (dev.control & CONTROL_ADMA2) && from % SECTOR == 0);
	if (++dev.data_commands == dev.fail_at) {
		dev.status |= STATUS_ERROR | 1u << 20; /* data timeout */
		return;
	}
	assert_true(range_in(from, left, sizeof(dev.image)));
	for (uint32_t d = dev.adma; left; d += 8) {
		struct desc desc;
		memcpy(&desc, bus(d, 8), sizeof(desc));
		uint32_t len = desc.len ? desc.len : 0x10000;
		assert_int_equal(desc.attr & ~DESC_END, DESC_VALID | DESC_TRANSFER);
		assert_true(len <= left);
		uint8_t *p = bus(desc.at, len);
		memcpy(read ? p : dev.image + from, read ? dev.image + from : p, len);
		from += len;
		left -= len;
		assert_int_equal(!left, !!(desc.attr & DESC_END));
	}
	dev.status |= STATUS_TRANSFER;
}

static void respond(uint32_t v)
{
	dev.response[0] = v;
	dev.status |= STATUS_COMMAND;
}

static void app_command_sent(unsigned index)
{
	if (index == 41)
		respond(0x00ff8000 | (dev.argument ? OP_READY : 0) | (dev.old_card || !(dev.argument & OP_SECTORS) ? 0 : OP_SECTORS));
	else if (index == 6)
		dev.four_bits = dev.argument == 2;
	else
		fail();
	dev.status |= STATUS_COMMAND;
}

static void csd(void)
{
	/* Version 2 counts in 512 KiB; version 1: READ_BL_LEN 9, C_SIZE_MULT 2, so 16 blocks for each of C_SIZE + 1. */
	if (dev.old_card) {
		uint32_t size = CARD_SECTORS / 16 - 1;
		dev.response[3] = 0;
		dev.response[2] = 9u << 8 | size >> 10;
		dev.response[1] = size << 22 | 2u << 7;
	} else {
		dev.response[3] = 1u << 22;
		dev.response[1] = (CARD_SECTORS / 1024 - 1) << 8;
	}
	dev.status |= STATUS_COMMAND;
}

static void command_sent(uint32_t v)
{
	unsigned index = v >> 24 & 63;
	assert_int_equal(dev.status & (STATUS_COMMAND | STATUS_TRANSFER | STATUS_ERRORS), 0);
	assert_true(dev.clock & CLOCK_CARD);
	if (dev.hangs)
		return;
	if (dev.app) {
		dev.app = false;
		app_command_sent(index);
		return;
	}
	switch (index) {
	case 0:
		dev.idle = true;
		dev.status |= STATUS_COMMAND;
		break;
	case 8:
		if (dev.old_card)
			dev.status |= STATUS_ERROR | 1u << 16;
		else
			respond(dev.argument & 0xfff);
		break;
	case 2:
	case 16:
		respond(0);
		break;
	case 3:
		respond((uint32_t)CARD_RCA << 16);
		break;
	case 55:
		dev.app = true;
		respond(0x20);
		break;
	case 9:
		assert_int_equal(dev.argument, CARD_RCA << 16);
		csd();
		break;
	case 7:
		dev.selected = dev.argument == (uint32_t)CARD_RCA << 16;
		respond(0);
		dev.status |= STATUS_TRANSFER;
		break;
	case 12:
		dev.stops++;
		respond(0);
		dev.status |= STATUS_TRANSFER;
		break;
	case 18:
	case 25:
		assert_int_equal(v & 0xffff, MODE_DMA | MODE_COUNT | MODE_AUTO_STOP | MODE_MULTI | (index == 18 ? MODE_READ : 0));
		transfer(index == 18);
		break;
	default:
		fail();
	}
}

uint32_t mmio_read32(uintptr_t at)
{
	if (at >= ECAM)
		return pci_read(at - ECAM);
	assert_true(decodes(at));
	switch (at - dev.bars[SLOT]) {
	case REG_PRESENT:
		return (dev.no_card ? 0 : PRESENT_CARD) | (dev.write_protected ? 0 : PRESENT_WRITABLE);
	case REG_CLOCK:
		return dev.clock | (dev.clock & CLOCK_INTERNAL ? CLOCK_STABLE : 0);
	case REG_STATUS:
		return dev.status & dev.status_enable ? dev.status : 0;
	case REG_CAPABILITIES:
		return 52u << 8 | (dev.no_adma ? 0 : CAPABILITY_ADMA2);
	case REG_RESPONSE:
	case REG_RESPONSE + 4:
	case REG_RESPONSE + 8:
	case REG_RESPONSE + 12:
		return dev.response[(at - dev.bars[SLOT] - REG_RESPONSE) / 4];
	default:
		fail();
		return 0;
	}
}

void mmio_write32(uintptr_t at, uint32_t v)
{
	if (at >= ECAM) {
		pci_write(at - ECAM, v);
		return;
	}
	assert_true(decodes(at));
	switch (at - dev.bars[SLOT]) {
	case REG_BLOCK:
		dev.block = v;
		break;
	case REG_ARGUMENT:
		dev.argument = v;
		break;
	case REG_COMMAND:
		command_sent(v);
		break;
	case REG_CONTROL:
		dev.control = v;
		break;
	case REG_CLOCK:
		dev.clock = v & ~(RESET_ALL | RESET_LINES);
		break;
	case REG_STATUS:
		dev.status &= ~(v & ~STATUS_ERROR); /* which sums up the errors */
		if (!(dev.status & STATUS_ERRORS))
			dev.status &= ~STATUS_ERROR;
		break;
	case REG_STATUS_ENABLE:
		dev.status_enable = v;
		break;
	case REG_SIGNAL_ENABLE:
		dev.signal_enable = v;
		break;
	case REG_ADMA:
		dev.adma = v;
		break;
	default:
		fail();
	}
}

static int setup(void **state)
{
	(void)state;
	memset(&dev, 0, sizeof(dev));
	for (size_t i = 0; i < sizeof(dev.image); i++)
		dev.image[i] = (uint8_t)(i / SECTOR * 7 + i);
	dev.command[NIC] = dev.command[SLOT] = COMMAND_MEMORY | COMMAND_MASTER;
	host_config.pci_ecam_pa = ECAM;
	host_config.pci_mmio_pa = WINDOW;
	host_config.pci_mmio_size = WINDOW_SIZE;
	host_config.pci_intid = 35;
	return 0;
}

static struct blk_info started(void)
{
	struct blk_info info;
	assert_null(blk_sdhci.start(&info));
	return info;
}

static struct blk_seg seg(uint32_t at, uint32_t len)
{
	return (struct blk_seg){ dma_paddr(bus_memory + at), len };
}

/* Interrupts until nothing is under way; returns how many requests ended, all as `ok`, in the order of their slots from `first` on. */
static unsigned finish(unsigned first, bool ok)
{
	unsigned n = 0, slot;
	bool went;
	while (dev.status & dev.signal_enable) {
		blk_sdhci.ack();
		while (blk_sdhci.completed(&slot, &went)) {
			assert_int_equal(slot, first + n++);
			assert_int_equal(went, ok);
		}
	}
	return n;
}

static void test_finds_controller_and_card(void **state)
{
	(void)state;
	struct blk_info info = started();
	assert_int_equal(info.sectors, CARD_SECTORS);
	assert_int_equal(info.intid, 35 + SLOT);
	assert_int_equal(info.slots, BLK_SLOTS);
	assert_false(info.read_only || info.flush || info.discard_max);
	assert_int_equal(dev.bars[SLOT], WINDOW);
	assert_false(dev.command[NIC] & COMMAND_MASTER); /* what the bootloader left running */
	assert_int_equal(dev.signal_enable, STATUS_ERRORS | STATUS_TRANSFER);
}

static void test_keeps_a_place_in_the_window(void **state)
{
	(void)state;
	dev.bars[SLOT] = WINDOW + 0x4000;
	started();
	assert_int_equal(dev.bars[SLOT], WINDOW + 0x4000);
	dev.bars[SLOT] = WINDOW + WINDOW_SIZE;
	started();
	assert_int_equal(dev.bars[SLOT], WINDOW);
}

static void test_old_card_counts_bytes(void **state)
{
	(void)state;
	dev.old_card = true;
	assert_int_equal(started().sectors, CARD_SECTORS);
	struct blk_seg s = seg(0, 1024);
	blk_sdhci.submit(0, BLK_READ, 100, &s, 1);
	assert_false(blk_sdhci.notify());
	assert_int_equal(dev.argument, 100 * SECTOR);
	assert_int_equal(finish(0, true), 1);
	assert_memory_equal(bus_memory, dev.image + 100 * SECTOR, 1024);
}

static void test_says_what_is_missing(void **state)
{
	struct blk_info info;
	dev.no_card = true;
	assert_string_equal(blk_sdhci.start(&info), "no SD card");
	setup(state);
	dev.no_adma = true;
	assert_string_equal(blk_sdhci.start(&info), "the SD host controller has no ADMA2");
	setup(state);
	dev.hangs = true;
	assert_string_equal(blk_sdhci.start(&info), "the SD card does not answer");
	setup(state);
	host_config.pci_ecam_pa = 0;
	assert_string_equal(blk_sdhci.start(&info), "no SD host controller on PCI");
	setup(state);
	dev.write_protected = true;
	assert_true(started().read_only);
}

static void test_reads_and_writes_by_segments(void **state)
{
	(void)state;
	started();
	for (size_t i = 0; i < 0x40000; i++)
		bus_memory[i] = (uint8_t)(i * 31 + i / 509);
	/* Lengths that are no sectors, one longer than a descriptor takes. */
	struct blk_seg out[] = { seg(0, 516), seg(0x1000, 508), seg(0x10000, 0x20000), seg(0x8000, 512) };
	blk_sdhci.submit(3, BLK_WRITE, 50, out, 4);
	struct blk_seg in = seg(0x100000, 1024 + 0x20000 + 512);
	blk_sdhci.submit(4, BLK_READ, 50, &in, 1);
	assert_int_equal(dev.data_commands, 0); /* not before it is told */
	assert_false(blk_sdhci.notify());
	assert_int_equal(dev.data_commands, 1); /* one at a time */
	assert_int_equal(finish(3, true), 2);
	assert_memory_equal(bus_memory + 0x100000, bus_memory, 516);
	assert_memory_equal(bus_memory + 0x100000 + 516, bus_memory + 0x1000, 508);
	assert_memory_equal(bus_memory + 0x100000 + 1024, bus_memory + 0x10000, 0x20000);
	assert_memory_equal(bus_memory + 0x100000 + 1024 + 0x20000, bus_memory + 0x8000, 512);
}

static void test_all_slots_in_order(void **state)
{
	(void)state;
	started();
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < BLK_SLOTS; i++) {
			struct blk_seg s = seg(i * SECTOR, SECTOR);
			blk_sdhci.submit(i, BLK_READ, i + round, &s, 1);
		}
		assert_false(blk_sdhci.notify());
		assert_int_equal(finish(0, true), BLK_SLOTS);
		assert_memory_equal(bus_memory, dev.image + round * SECTOR, BLK_SLOTS * SECTOR);
	}
}

static void test_failure_is_told_and_the_next_goes_well(void **state)
{
	(void)state;
	unsigned slot;
	bool ok;
	started();
	dev.fail_at = 1;
	struct blk_seg s = seg(0, SECTOR);
	blk_sdhci.submit(0, BLK_READ, 1, &s, 1);
	blk_sdhci.submit(1, BLK_READ, 2, &s, 1);
	assert_false(blk_sdhci.notify());
	blk_sdhci.ack();
	assert_true(blk_sdhci.completed(&slot, &ok));
	assert_int_equal(slot, 0);
	assert_false(ok);
	assert_int_equal(dev.stops, 1);
	assert_int_equal(finish(1, true), 1);
	assert_memory_equal(bus_memory, dev.image + 2 * SECTOR, SECTOR);
}

static void test_what_cannot_be_addressed_fails(void **state)
{
	(void)state;
	unsigned slot;
	bool ok;
	started();
	struct blk_seg bad[] = { seg(2, SECTOR), { { UINT32_MAX }, SECTOR }, { { 1ull << 32 }, SECTOR } };
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
		blk_sdhci.submit(i, BLK_WRITE, 0, &bad[i], 1);
		assert_true(blk_sdhci.notify());
		assert_true(blk_sdhci.completed(&slot, &ok));
		assert_int_equal(slot, i);
		assert_false(ok);
	}
	/* Beyond what an argument of 32 bits reaches. */
	struct blk_seg s = seg(0, SECTOR);
	blk_sdhci.submit(5, BLK_READ, 1ull << 32, &s, 1);
	assert_true(blk_sdhci.notify());
	assert_int_equal(dev.data_commands, 0);
	/* An interrupt that comes for nothing. */
	assert_true(blk_sdhci.completed(&slot, &ok));
	blk_sdhci.ack();
	assert_false(blk_sdhci.completed(&slot, &ok));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_finds_controller_and_card, setup),
		cmocka_unit_test_setup(test_keeps_a_place_in_the_window, setup),
		cmocka_unit_test_setup(test_old_card_counts_bytes, setup),
		cmocka_unit_test_setup(test_says_what_is_missing, setup),
		cmocka_unit_test_setup(test_reads_and_writes_by_segments, setup),
		cmocka_unit_test_setup(test_all_slots_in_order, setup),
		cmocka_unit_test_setup(test_failure_is_told_and_the_next_goes_well, setup),
		cmocka_unit_test_setup(test_what_cannot_be_addressed_fails, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
