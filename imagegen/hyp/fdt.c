/* Device trees of the personas, written front to back by libfdt's sequential calls. Node names, interrupts and properties are those that
 * QEMU's virt board gives: what boots there boots here. */
#include "imagegen/hyp/fdt.h"

#include <inttypes.h>
#include <libfdt.h>
#include <stdlib.h>
#include <string.h>

#include "imagegen/base/mem.h"
#include "mvp/machine.h"

enum {
	FDT_ROOM = 16 * 1024,
	BOOTARGS_LEN = 2048,
	RNG_SEED_LEN = 32,
	PHANDLE_GIC = 1,
	PHANDLE_CLOCK = 2,
	/* interrupt cells of arm,gic-v3: type, number, trigger */
	GIC_SPI = 0,
	GIC_PPI = 1,
	EDGE_RISING = 1,
	LEVEL_HIGH = 4,
	LEVEL_LOW = 8,
};

/* The tree being written. The first libfdt error sticks. */
struct writer {
	void *fdt;
	int error;
};

static void keep(struct writer *w, int rc)
{
	if (!w->error)
		w->error = rc;
}

static void node(struct writer *w, const char *name)
{
	keep(w, fdt_begin_node(w->fdt, name));
}

static void end(struct writer *w)
{
	keep(w, fdt_end_node(w->fdt));
}

static void prop(struct writer *w, const char *name, const void *value, size_t len)
{
	keep(w, fdt_property(w->fdt, name, value, (int)len));
}

static void str(struct writer *w, const char *name, const char *value)
{
	prop(w, name, value, strlen(value) + 1);
}

static void flag(struct writer *w, const char *name)
{
	prop(w, name, NULL, 0);
}

static void cells(struct writer *w, const char *name, const uint32_t *values, size_t count)
{
	fdt32_t be[16];
	for (size_t i = 0; i < count; i++)
		be[i] = cpu_to_fdt32(values[i]);
	prop(w, name, be, count * sizeof(be[0]));
}

static void cell(struct writer *w, const char *name, uint32_t value)
{
	cells(w, name, &value, 1);
}

/* reg with 2 address and 2 size cells: pairs of base and size. */
static void reg(struct writer *w, const uint64_t *values, size_t count)
{
	fdt64_t be[8];
	for (size_t i = 0; i < count; i++)
		be[i] = cpu_to_fdt64(values[i]);
	prop(w, "reg", be, count * sizeof(be[0]));
}

static void reg1(struct writer *w, uint64_t base, uint64_t size)
{
	reg(w, (const uint64_t[]){ base, size }, 2);
}

static void spi(struct writer *w, uint32_t number, uint32_t trigger)
{
	cells(w, "interrupts", (const uint32_t[]){ GIC_SPI, number, trigger }, 3);
}

/* What it draws into lies right above its RAM (struct mvp_core_persona). */
static void framebuffer(struct writer *w, const struct board *b, const struct persona *p)
{
	uint64_t at = MVP_GUEST_RAM + p->memory.v;
	char *name CLEANUP_FREE = mem_printf("framebuffer@%" PRIx64, at);
	node(w, name);
	str(w, "compatible", "simple-framebuffer");
	reg1(w, at, board_stride(b) * b->display.height.v);
	cell(w, "width", (uint32_t)b->display.width.v);
	cell(w, "height", (uint32_t)b->display.height.v);
	cell(w, "stride", (uint32_t)board_stride(b));
	str(w, "format", "x8r8g8b8");
	end(w);
}

static void chosen(struct writer *w, const struct board *b, const struct persona *p)
{
	static const uint8_t zeros[BOOTARGS_LEN];
	node(w, "chosen");
	/* For the framebuffer, whose address is one of the whole machine. */
	cell(w, "#address-cells", 2);
	cell(w, "#size-cells", 2);
	flag(w, "ranges");
	str(w, "stdout-path", "/pl011@9000000");
	prop(w, "bootargs", zeros, BOOTARGS_LEN);
	prop(w, "linux,initrd-start", zeros, 8);
	prop(w, "linux,initrd-end", zeros, 8);
	prop(w, "kaslr-seed", zeros, 8);
	prop(w, "rng-seed", zeros, RNG_SEED_LEN);
	if (b->display.type.s)
		framebuffer(w, b, p);
	end(w);
}

static void cpus(struct writer *w, uint32_t count)
{
	node(w, "cpus");
	cell(w, "#address-cells", 1);
	cell(w, "#size-cells", 0);
	for (uint32_t i = 0; i < count; i++) {
		char *name CLEANUP_FREE = mem_printf("cpu@%x", i);
		node(w, name);
		str(w, "device_type", "cpu");
		str(w, "compatible", "arm,armv8");
		str(w, "enable-method", "psci");
		cell(w, "reg", i);
		end(w);
	}
	end(w);
}

static void interrupt_controller(struct writer *w, uint32_t vcpus)
{
	const uint64_t regs[] = { MVP_GUEST_GICD, MVP_GUEST_GICD_SIZE, MVP_GUEST_GICR, (uint64_t)vcpus * MVP_GUEST_GICR_STRIDE };
	node(w, "intc@8000000");
	str(w, "compatible", "arm,gic-v3");
	cell(w, "#interrupt-cells", 3);
	cell(w, "#address-cells", 2);
	cell(w, "#size-cells", 2);
	flag(w, "ranges");
	flag(w, "interrupt-controller");
	cell(w, "#redistributor-regions", 1);
	reg(w, regs, 4);
	cell(w, "phandle", PHANDLE_GIC);
	end(w);
}

static void timer(struct writer *w)
{
	/* Secure, non-secure, virtual, hypervisor: PPI n is INTID 16 + n. Linux takes the virtual one at EL1. */
	static const uint32_t interrupts[] = {
		GIC_PPI, 13, LEVEL_LOW, GIC_PPI, 14, LEVEL_LOW, GIC_PPI, MVP_GUEST_VTIMER_INTID - 16, LEVEL_LOW, GIC_PPI, 10, LEVEL_LOW,
	};
	node(w, "timer");
	str(w, "compatible", "arm,armv8-timer");
	flag(w, "always-on");
	cells(w, "interrupts", interrupts, ARRAY_LEN(interrupts));
	end(w);
}

static void clocks_of(struct writer *w, const char *names, size_t names_len, size_t count)
{
	static const uint32_t phandles[] = { PHANDLE_CLOCK, PHANDLE_CLOCK };
	cells(w, "clocks", phandles, count);
	prop(w, "clock-names", names, names_len);
}

/* Only the slots in use: each empty one costs the kernel a probe at boot. */
static void virtio(struct writer *w, uint32_t slot)
{
	uint64_t at = MVP_GUEST_VIRTIO + slot * MVP_GUEST_VIRTIO_STRIDE;
	char *name CLEANUP_FREE = mem_printf("virtio_mmio@%" PRIx64, at);
	node(w, name);
	str(w, "compatible", "virtio,mmio");
	reg1(w, at, MVP_GUEST_VIRTIO_STRIDE);
	spi(w, MVP_GUEST_VIRTIO_SPI + slot, EDGE_RISING);
	flag(w, "dma-coherent");
	end(w);
}

static void devices(struct writer *w, const struct board *b, const struct persona *p)
{
	static const char pl011[] = "arm,pl011\0arm,primecell", pl031[] = "arm,pl031\0arm,primecell";
	static const char uart_clocks[] = "uartclk\0apb_pclk", rtc_clocks[] = "apb_pclk";
	node(w, "apb-pclk");
	str(w, "compatible", "fixed-clock");
	cell(w, "#clock-cells", 0);
	cell(w, "clock-frequency", 24000000);
	str(w, "clock-output-names", "clk24mhz");
	cell(w, "phandle", PHANDLE_CLOCK);
	end(w);
	node(w, "pl011@9000000");
	prop(w, "compatible", pl011, sizeof(pl011));
	reg1(w, MVP_GUEST_UART, 0x1000);
	spi(w, MVP_GUEST_UART_SPI, LEVEL_HIGH);
	clocks_of(w, uart_clocks, sizeof(uart_clocks), 2);
	end(w);
	node(w, "pl031@9010000");
	prop(w, "compatible", pl031, sizeof(pl031));
	reg1(w, MVP_GUEST_RTC, 0x1000);
	spi(w, MVP_GUEST_RTC_SPI, LEVEL_HIGH);
	clocks_of(w, rtc_clocks, sizeof(rtc_clocks), 1);
	end(w);
	virtio(w, MVP_SLOT_BLK);
	virtio(w, MVP_SLOT_CONSOLE);
	virtio(w, MVP_SLOT_RNG);
	if (persona_has_network(p))
		virtio(w, MVP_SLOT_NET);
	if (b->display.type.s) {
		virtio(w, MVP_SLOT_KEYS);
		virtio(w, MVP_SLOT_TOUCH);
	}
}

static void machine(struct writer *w, const struct board *b, const struct persona *p)
{
	static const char psci[] = "arm,psci-1.0\0arm,psci-0.2";
	node(w, "");
	str(w, "compatible", "linux,dummy-virt");
	str(w, "model", p->name);
	cell(w, "#address-cells", 2);
	cell(w, "#size-cells", 2);
	cell(w, "interrupt-parent", PHANDLE_GIC);
	chosen(w, b, p);
	node(w, "aliases");
	str(w, "serial0", "/pl011@9000000");
	end(w);
	node(w, "psci");
	prop(w, "compatible", psci, sizeof(psci));
	str(w, "method", "hvc");
	end(w);
	node(w, "memory@40000000");
	str(w, "device_type", "memory");
	reg1(w, MVP_GUEST_RAM, p->memory.v);
	end(w);
	cpus(w, (uint32_t)p->cpus.v);
	interrupt_controller(w, (uint32_t)p->cpus.v);
	timer(w);
	devices(w, b, p);
	end(w);
}

static uint32_t value_at(const void *fdt, const char *name)
{
	const void *value = fdt_getprop(fdt, fdt_path_offset(fdt, "/chosen"), name, NULL);
	return value ? (uint32_t)((const char *)value - (const char *)fdt) : 0;
}

int guest_fdt_build(const struct board *b, const struct persona *p, struct guest_fdt *ret, struct diag *d)
{
	void *room CLEANUP_FREE = mem_zeroed(1, FDT_ROOM);
	struct writer w = { .fdt = room };
	keep(&w, fdt_create(room, FDT_ROOM));
	keep(&w, fdt_finish_reservemap(room));
	machine(&w, b, p);
	keep(&w, fdt_finish(room));
	if (w.error)
		return diag_fail(d, MVP0001, &p->loc, "the device tree of '%s' cannot be written: %s", p->name, fdt_strerror(w.error));
	*ret = (struct guest_fdt){
		.len = fdt_totalsize(room),
		.bootargs_at = value_at(room, "bootargs"),
		.initrd_start_at = value_at(room, "linux,initrd-start"),
		.initrd_end_at = value_at(room, "linux,initrd-end"),
		.kaslr_at = value_at(room, "kaslr-seed"),
		.rng_at = value_at(room, "rng-seed"),
		.bootargs_len = BOOTARGS_LEN,
		.rng_len = RNG_SEED_LEN,
	};
	ret->data = TAKE(room);
	return 0;
}

void guest_fdt_fini(struct guest_fdt *f)
{
	free(f->data);
	*f = (struct guest_fdt){ 0 };
}
