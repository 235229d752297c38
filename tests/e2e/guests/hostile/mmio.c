/* Every offset of every emulated device, in every width and both directions, with hostile values; unaligned ones with the MMU off. */
#include "hostile.h"

struct region {
	uint64_t at, size;
	uint64_t step; /* between the offsets that a complete sweep visits */
};

static const struct region gic_regions[] = {
	{ GICD, 0x10000, 1 },
	{ GICR, 0x10000, 4 },
	{ GICR + GICR_SGI, 0x10000, 1 },
	{ GICR + GICR_STRIDE, 0x10000, 4 },
	{ GICR + GICR_STRIDE + GICR_SGI, 0x10000, 4 },
	{ GICR + CPUS * GICR_STRIDE, 0x10000, 16 }, /* behind the last */
};

static const struct region device_regions[] = {
	{ UART, 0x1000, 1 },
	{ RTC, 0x1000, 1 },
	{ VIRTIO, VIRTIO_SIZE, 2 },
	{ 0x09020000, 0x1000, 16 }, /* the board's fw_cfg would be here */
	{ VIRTIO + VIRTIO_SIZE, 0x1000, 16 },
};

static bool is_console_data(uint64_t at, uint32_t width)
{
	return at < UART + 4 && at + width > UART;
}

static void access(struct cpu *c, uint64_t at, uint32_t width, bool write)
{
	uint64_t faults = c->faults, value = hostile_value(c);

	if (is_console_data(at, width)) /* what is typed is the test's, and what is printed is read by it */
		return;
	if (write)
		store(at, width, value);
	else
		(void)load(at, width);
	c->tries++;
	c->exits++;
	if (c->faults == faults)
		return;
	c->refused++;
	if (EC(c->esr) != EC_DABT)
		bad(c, "an access became exception", c->esr);
	else if (c->far != at)
		bad(c, "an access was refused at another address", c->far);
}

static void sweep(struct cpu *c, const struct region *r)
{
	for (uint64_t off = c->index * r->step; off < r->size; off += CPUS * r->step)
		for (uint32_t width = 1; width <= 8; width *= 2)
			for (uint32_t write = 0; write < 2; write++)
				if (!(off & (width - 1)))
					access(c, r->at + off, width, write);
}

static void some(struct cpu *c, const struct region *regions, uint32_t count, uint32_t picks)
{
	for (uint32_t i = 0; i < picks; i++) {
		const struct region *r = &regions[rnd(c) % count];
		uint64_t v = rnd(c);
		uint32_t width = 1u << (v & 3);

		/* Registers crowd at the beginning of a frame. */
		access(c, r->at + ((v >> 8) % (v & 64 ? r->size : 0x1000) & ~(uint64_t)(width - 1)), width, v & 4);
	}
}

/* With the MMU off every access is to device memory, and whether unaligned ones fault is the CPU's choice. */
static void unaligned(struct cpu *c, const struct region *regions, uint32_t count, uint32_t picks)
{
	mmu(false);
	for (uint32_t i = 0; i < picks; i++) {
		const struct region *r = &regions[rnd(c) % count];
		uint64_t v = rnd(c), at = r->at + (v >> 8) % r->size;
		uint32_t width = 2u << (v & 3) % 3;

		access(c, at | 1, width, v & 4);
	}
	mmu(true);
}

void attack_mmio_gic(struct cpu *c, uint32_t picks)
{
	uint32_t count = sizeof(gic_regions) / sizeof(gic_regions[0]);

	masked(true);
	for (uint32_t i = 0; !picks && i < count; i++)
		sweep(c, &gic_regions[i]);
	some(c, gic_regions, count, picks ? picks : 2000);
	unaligned(c, gic_regions, count, picks ? picks / 4 : 2000);
}

static void check_identity(struct cpu *c)
{
	if (load(UART + 0xfe0, 4) != 0x11 || load(UART + 0xff0, 4) != 0x0d)
		bad(c, "the UART's identity", load(UART + 0xfe0, 4));
	if (load(VIRTIO, 4) != 0x74726976 || load(VIRTIO + 4, 4) != 2)
		bad(c, "the first virtio slot's identity", load(VIRTIO, 4));
}

void attack_mmio_devices(struct cpu *c, uint32_t picks)
{
	uint32_t count = sizeof(device_regions) / sizeof(device_regions[0]);

	masked(true);
	for (uint32_t i = 0; !picks && i < count; i++)
		sweep(c, &device_regions[i]);
	some(c, device_regions, count, picks ? picks : 2000);
	unaligned(c, device_regions, count, picks ? picks / 4 : 2000);
	meet(c);
	if (c->index)
		return;
	for (uint64_t slot = 0; slot < 32; slot++)
		store(VIRTIO + slot * 0x200 + 0x70, 4, 0); /* Status: reset */
	store(UART + 0x38, 4, 0);                          /* IMSC */
	store(UART + 0x44, 4, 0x7ff);                      /* ICR */
	store(UART + 0x2c, 4, 0x70);                       /* LCRH: 8 bits, FIFO */
	store(UART + 0x30, 4, 0x301);                      /* CR */
	check_identity(c);
}
