/* What the operations of a guest that a hypervisor has a hand in cost. Prints `bench: NAME TICKS COUNT` for each: what COUNT operations
 * took by the virtual counter, the best of several batches; `bench: done` last. The machine is QEMU's virt with a GICv3, or looks like it.
 */
#include <stdbool.h>
#include <stdint.h>

#define GICD 0x08000000ull
#define GICR 0x080a0000ull
#define GICR_STRIDE 0x20000ull
#define GICR_SGI 0x10000ull
#define UART 0x09000000ull
#define VIRTIO 0x0a000000ull

enum {
	GICD_CTLR = 0x0,
	GICD_IIDR = 0x8,
	GICD_ICENABLER1 = 0x184,
	GICR_WAKER = 0x14,
	GICR_IGROUPR0 = 0x80,
	GICR_ISENABLER0 = 0x100,
	GICR_IPRIORITYR = 0x400,
	VIRTIO_DEVICE_ID = 0x8,
	INTID_VTIMER = 27,
	SGI_SELF = 0,
	SGI_PING = 1,
	UART_FLAGS = 0x18,
	UART_EMPTY = 0x10, /* nothing received */
#ifdef PROFILE
	COUNT = 16,
#else
	COUNT = 1024,
#endif
	BATCHES = 8,
	SLEEP_TICKS = 4096,   /* long enough for any hypervisor to have put the vCPU to sleep */
	START_POLLS = 100000, /* CPU_ON to its first interrupt */
};

enum sample { SAMPLE_NOTHING, SAMPLE_EOI, SAMPLE_WFI };

#define PSCI_VERSION 0x84000000u
#define PSCI_CPU_ON 0xc4000003u
#define PSCI_SYSTEM_OFF 0x84000008u

volatile uint64_t taken; /* interrupts of CPU 0 */
volatile bool second_ready;
extern char second[];
void irq_window(void);
void bench(void);
void bench_second(void);
void bench_fault(uint64_t esr, uint64_t elr);

static uint32_t read32(uint64_t at)
{
	uint32_t v;

	__asm__ volatile("ldr %w0, [%1]" : "=r"(v) : "r"(at) : "memory");
	return v;
}

static void write32(uint64_t at, uint32_t v)
{
	__asm__ volatile("str %w0, [%1]" : : "r"(v), "r"(at) : "memory");
}

static void put(const char *s)
{
	for (; *s; s++)
		write32(UART, (uint8_t)*s);
}

static void put_number(uint64_t v)
{
	char text[24], *at = text + sizeof(text) - 1;

	*at = 0;
	do
		*--at = (char)('0' + v % 10);
	while (v /= 10);
	put(at);
}

static void report(const char *name, uint64_t ticks, uint64_t count)
{
	put("bench: ");
	put(name);
	put(" ");
	put_number(ticks);
	put(" ");
	put_number(count);
	put("\n");
}

static uint64_t hvc(uint64_t fn, uint64_t a1, uint64_t a2, uint64_t a3)
{
	register uint64_t x0 __asm__("x0") = fn;
	register uint64_t x1 __asm__("x1") = a1;
	register uint64_t x2 __asm__("x2") = a2;
	register uint64_t x3 __asm__("x3") = a3;

	__asm__ volatile("hvc #0"
			 : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)
			 :
			 : "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17", "memory");
	return x0;
}

static void off(void)
{
	hvc(PSCI_SYSTEM_OFF, 0, 0, 0);
	for (;;)
		__asm__ volatile("wfi");
}

void bench_fault(uint64_t esr, uint64_t elr)
{
	report("fault", esr, elr);
	off();
}

static uint64_t ticks(void)
{
	uint64_t t;

	__asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(t) : : "memory");
	return t;
}

/* The body COUNT times, in a loop of two instructions; REG holds the address it may use. */
#define LOOP(body, reg) \
	do { \
		register uint64_t x19 __asm__("x19") = COUNT; \
		register uint64_t x20 __asm__("x20") = (reg); \
		__asm__ volatile("1:\n\t" body "subs x19, x19, #1\n\tb.ne 1b" \
				 : "+r"(x19) \
				 : "r"(x20) \
				 : "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", \
				   "x16", "x17", "cc", "memory"); \
	} while (0)

static void loop_empty(void)
{
	LOOP("", 0);
}

static void loop_hypercall(void)
{
	LOOP("mov w0, #0x84000000\n\thvc #0\n\t", 0);
}

static void loop_gic_read(void)
{
	LOOP("ldr w0, [x20]\n\t", GICD + GICD_IIDR);
}

static void loop_gic_write(void)
{
	LOOP("mov w0, #0x80000000\n\tstr w0, [x20]\n\t", GICD + GICD_ICENABLER1);
}

static void loop_device(void)
{
	LOOP("ldr w0, [x20]\n\t", VIRTIO + VIRTIO_DEVICE_ID);
}

static void send_sgi(uint64_t intid, uint64_t cpu)
{
	__asm__ volatile("msr S3_0_C12_C11_5, %0\n\tisb" : : "r"(intid << 24 | 1ull << cpu) : "memory");
}

static void await(uint64_t count)
{
	while (taken < count)
		;
}

/* Those that take an interrupt run with interrupts on: it arrives while the loop waits for the count. */
static void loop_sgi_self(void)
{
	uint64_t count = taken;

	__asm__ volatile("msr daifclr, #2" : : : "memory");
	for (int i = 0; i < COUNT; i++) {
		send_sgi(SGI_SELF, 0);
		await(++count);
	}
	__asm__ volatile("msr daifset, #2" : : : "memory");
}

static void set_timer(uint64_t at)
{
	__asm__ volatile("msr cntv_cval_el0, %0\n\tmsr cntv_ctl_el0, %1\n\tisb" : : "r"(at), "r"(1ull) : "memory");
}

static void loop_timer(void)
{
	uint64_t count = taken;

	__asm__ volatile("msr daifclr, #2" : : : "memory");
	for (int i = 0; i < COUNT; i++) {
		set_timer(0); /* the past: due at once */
		await(++count);
	}
	__asm__ volatile("msr daifset, #2" : : : "memory");
}

/* To the other CPU, which sleeps, and back, sleeping meanwhile. */
static void loop_ipi(void)
{
	for (uint64_t i = 0, count = taken; i < COUNT; i++) {
		send_sgi(SGI_PING, 1);
		for (count++; taken < count; irq_window())
			__asm__ volatile("wfi" : : : "memory");
	}
}

/* Seen by who traces what runs: begin and end of what is reported next. */
static void mark(void)
{
#ifdef PROFILE
	register uint64_t x0 __asm__("x0") = PSCI_VERSION;

	__asm__ volatile("hvc #0xbe" : "+r"(x0) : : "x1", "x2", "x3", "memory");
#endif
}

static void best(const char *name, void (*loop)(void))
{
	uint64_t min = UINT64_MAX;

	for (int i = 0; i < BATCHES; i++) {
		if (i == BATCHES - 1)
			mark();
		uint64_t t = ticks();

		loop();
		t = ticks() - t;
		if (t < min)
			min = t;
	}
	mark();
	report(name, min, COUNT);
}

/* N instructions, 0 to 15, so that samples meet every phase of the counter's tick. */
static void slide(uint64_t n)
{
	__asm__ volatile("adr x16, 1f\n\tsub x16, x16, %0, lsl #2\n\tbr x16\n\t.rept 15\n\tnop\n\t.endr\n1:" : : "r"(n) : "x16", "memory");
}

/* What cannot be repeated back to back is timed alone, by the counter, whose tick is 16 instructions. Each sample starts from the virtual
 * timer, that is from a tick, and slides on by 0 to 15 instructions: the sum of floor((c + k) / 16) over these k is c, so the mean is
 * exact. */
static void sample(const char *name, enum sample what)
{
	uint64_t sum = 0;

	mark();
	for (uint64_t i = 0; i < COUNT; i++) {
		uint64_t at = ticks() + SLEEP_TICKS, intid, from;

		set_timer(at);
		do
			__asm__ volatile("wfi" : : : "memory");
		while (ticks() < at);
		if (what == SAMPLE_WFI) {
			slide(i % 16);
			sum += ticks() - at;
			irq_window();
			continue;
		}
		do
			__asm__ volatile("mrs %0, S3_0_C12_C12_0\n\tisb" : "=r"(intid) : : "memory");
		while (intid >= 1020);
		__asm__ volatile("msr cntv_ctl_el0, xzr\n\tisb" : : : "memory");
		slide(i % 16);
		from = ticks();
		if (what == SAMPLE_EOI)
			__asm__ volatile("msr S3_0_C12_C12_1, %0" : : "r"(intid) : "memory");
		sum += ticks() - from;
		if (what == SAMPLE_NOTHING)
			__asm__ volatile("msr S3_0_C12_C12_1, %0" : : "r"(intid) : "memory");
	}
	mark();
	report(name, sum, COUNT);
}

static void gic_init_cpu(uint64_t cpu)
{
	uint64_t frame = GICR + GICR_STRIDE * cpu, sgi = frame + GICR_SGI;

	write32(frame + GICR_WAKER, 0);
	while (read32(frame + GICR_WAKER) & 4)
		;
	write32(sgi + GICR_IGROUPR0, ~0u);
	for (unsigned i = 0; i < 32; i += 4)
		write32(sgi + GICR_IPRIORITYR + i, 0xa0a0a0a0);
	write32(sgi + GICR_ISENABLER0, 0xffffu | 1u << INTID_VTIMER);
	__asm__ volatile("msr S3_0_C12_C12_5, %0\n\tisb\n\t" /* ICC_SRE_EL1 */
			 "msr S3_0_C4_C6_0, %1\n\t"          /* ICC_PMR_EL1 */
			 "msr S3_0_C12_C12_7, %2\n\tisb"     /* ICC_IGRPEN1_EL1 */
			 :
			 : "r"(7ull), "r"(0xf0ull), "r"(1ull)
			 : "memory");
}

void bench_second(void)
{
	gic_init_cpu(1);
	second_ready = true;
}

static bool start_second(void)
{
	int64_t result = (int64_t)hvc(PSCI_CPU_ON, 1, (uint64_t)second, 0);

	if (result) {
		report("cpu-on-refused", (uint64_t)-result, 0);
		return false;
	}
	for (int i = 0; i < START_POLLS && !second_ready; i++) {
		set_timer(ticks() + SLEEP_TICKS); /* gives way to the other CPU, whoever runs it */
		__asm__ volatile("wfi" : : : "memory");
		irq_window();
	}
	return second_ready;
}

void bench(void)
{
	uint64_t frequency;

	write32(GICD + GICD_CTLR, 0x12); /* affinity routing, group 1 */
	gic_init_cpu(0);
	__asm__ volatile("mrs %0, cntfrq_el0" : "=r"(frequency));
	report("frequency", frequency, 1);
#ifdef PROFILE
	put("bench: ready\n");
	while (read32(UART + UART_FLAGS) & UART_EMPTY)
		;
#endif
	best("empty", loop_empty);
	best("hypercall", loop_hypercall);
	best("gic-read", loop_gic_read);
	best("gic-write", loop_gic_write);
	best("device", loop_device);
	best("sgi-self", loop_sgi_self);
	best("timer", loop_timer);
	sample("eoi-empty", SAMPLE_NOTHING);
	sample("eoi", SAMPLE_EOI);
	sample("wfi", SAMPLE_WFI);
	if (!start_second()) {
		put("bench: the second CPU does not start\n");
		off();
	}
	best("ipi", loop_ipi);
	put("bench: done\n");
	off();
}
