/* A hostile storage behind the vault's SD driver: PCI, controller and card answer whatever the input says. Every request is given back
 * once at most, and once each when the device is quiet at last; nothing takes longer than its bound, and what the controller is told of
 * memory is the request's. */
#include "tests/unit/fixture_sdhci.h"

#define STEPS_MAX 200

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *input, *input_end;
static bool honest; /* from now on the device does what it is told */
static bool busy_slot[BLK_SLOTS];
static uint32_t told_status;

static uint32_t next_word(void)
{
	uint32_t v = 0;
	for (unsigned i = 0; i < 4; i++)
		v = v << 8 | (input < input_end ? *input++ : 0xff);
	return v;
}

uint32_t mmio_read32(uintptr_t at)
{
	bool registers = at < ECAM;
	if (!host_config.pci_mmio_size || (registers && !range_in(at - WINDOW, 4, WINDOW_SIZE)))
		abort();
	/* What every bounded wait looks for, often enough to get somewhere. */
	if (!registers && (at & 0xff) == REG_PRESENT)
		return honest || (input < input_end && *input & 1) ? PRESENT_CARD | PRESENT_WRITABLE : next_word();
	if (!registers && (at & 0xff) == REG_STATUS && honest)
		return STATUS_COMMAND | STATUS_TRANSFER;
	if (!registers && (at & 0xff) == REG_CLOCK && (honest || (input < input_end && *input & 2)))
		return CLOCK_STABLE;
	/* An input that ends does not keep a wait to its bound. */
	if (input >= input_end)
		return registers && (at & 0xff) == REG_STATUS ? STATUS_COMMAND | STATUS_TRANSFER | told_status : 0;
	return next_word();
}

void mmio_write32(uintptr_t at, uint32_t v)
{
	if (at >= ECAM)
		return;
	if (!range_in(at - WINDOW, 4, WINDOW_SIZE))
		abort();
	if ((at & 0xff) != REG_COMMAND || !(v & WITH_DATA << 16))
		return;
	/* The table is within the memory of a request that was handed over, and of its length. */
	const struct request *r = &requests[line.slot[line.next % BLK_SLOTS]];
	uint64_t len = 0;
	unsigned n = 0;
	do {
		if (n == DESCS || (uint64_t)table[n].at < BUS_BASE || !range_in(table[n].at - BUS_BASE, table[n].len, BUS_LEN))
			abort();
		len += table[n].len;
	} while (!(table[n++].attr & DESC_END));
	if (len != (uint64_t)r->count * SECTOR || !busy_slot[line.slot[line.next % BLK_SLOTS]])
		abort();
}

static void collect(void)
{
	unsigned slot, n = 0;
	bool ok;
	while (blk_sdhci.completed(&slot, &ok)) {
		if (slot >= BLK_SLOTS || !busy_slot[slot] || n++ == BLK_SLOTS)
			abort();
		busy_slot[slot] = false;
	}
}

static void request(const uint8_t *p)
{
	unsigned slot = p[0] % BLK_SLOTS, count = 1 + p[1] % BLK_SLOT_SEGS;
	struct blk_seg segs[BLK_SLOT_SEGS];
	if (busy_slot[slot])
		return;
	for (unsigned i = 0; i < count; i++)
		segs[i] = (struct blk_seg){ { BUS_BASE + (uint64_t)p[2] * 512 + i * 0x4000u + (p[3] & 1) }, (1 + p[4] % 8u) * SECTOR };
	if (p[3] & 2)
		segs[0].at.v = (1 + (uint64_t)p[4]) << 32;
	busy_slot[slot] = true;
	blk_sdhci.submit(slot, p[3] & 4 ? BLK_WRITE : BLK_READ, (uint64_t)p[2] << (p[3] >> 3), segs, count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct blk_info info;
	if (size < 8)
		return 0;
	host_config.pci_ecam_pa = ECAM;
	host_config.pci_mmio_pa = WINDOW;
	host_config.pci_mmio_size = WINDOW_SIZE;
	host_config.pci_intid = 35;
	memset(busy_slot, 0, sizeof(busy_slot));
	honest = false;
	input = data;
	input_end = data + size;
	if (blk_sdhci.start(&info)) {
		/* Once a device is in use it was sound at start; what it does later is what matters. */
		regs = WINDOW;
		line.done = line.next = line.end = 0;
		line.busy = false;
	}
	for (unsigned n = 0; n < STEPS_MAX && input_end - input >= 6; n++) {
		uint8_t step[6];
		memcpy(step, input, sizeof(step));
		input += sizeof(step);
		if (step[0] & 3) {
			request(step + 1);
		} else if (step[0] & 4) {
			told_status = (uint32_t)step[1] << 16;
			blk_sdhci.ack();
			collect();
		} else {
			(void)blk_sdhci.notify();
			collect();
		}
	}
	honest = true;
	(void)blk_sdhci.notify();
	for (unsigned n = 0; n <= BLK_SLOTS; n++) {
		collect();
		blk_sdhci.ack();
	}
	collect();
	for (unsigned i = 0; i < BLK_SLOTS; i++) {
		if (busy_slot[i])
			abort();
	}
	return 0;
}
