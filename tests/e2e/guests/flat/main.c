/* A bare-metal guest without a header: says how it was started and what it finds in memory, and turns itself off after a
 * line of input. Runs with its MMU off. */
#include <stddef.h>
#include <stdint.h>

#define UART ((volatile uint32_t *)0x09000000)
#define RAM 0x40000000ull
#define LOOK (4u << 20) /* bytes of memory that are looked through */
#define FDT_MAGIC 0xd00dfeedu
#define PSCI_SYSTEM_OFF 0x84000008

#define GICD_CTLR ((volatile uint32_t *)0x08000000)
#define GICR 0x080a0000ull
#define GICR_WAKER ((volatile uint32_t *)(GICR + 0x14))
#define GICR_IGROUPR0 ((volatile uint32_t *)(GICR + 0x10080))
#define GICR_ISENABLER0 ((volatile uint32_t *)(GICR + 0x10100))
#define INTID_VTIMER 27
#define NAPS_PER_S 100

extern const uint8_t head[], fill[], fill_end[];
extern uint8_t zeros_start[], zeros_end[];
static uint8_t zeros[100000];
void guest(uint64_t dtb, uint64_t at, uint64_t level);

static void put(const char *s)
{
	for (; *s; s++)
		*UART = (uint8_t)*s;
}

static void put_hex(const char *name, uint64_t v)
{
	put("flat: ");
	put(name);
	put(" 0x");
	for (int shift = 60; shift >= 0; shift -= 4)
		if (v >> shift || !shift)
			*UART = (uint8_t) "0123456789abcdef"[v >> shift & 15];
	put("\n");
}

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int equal(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

/* The value of the first property with this name (Devicetree Specification 5.4), or NULL. */
static const uint8_t *property(const uint8_t *dtb, const char *name)
{
	const uint8_t *at = dtb + be32(dtb + 8), *strings = dtb + be32(dtb + 12);
	for (;;) {
		uint32_t token = be32(at);
		at += 4;
		if (token == 1) { /* begin node: its name */
			while (*at)
				at++;
			at = (const uint8_t *)(((uintptr_t)at + 4) & ~(uintptr_t)3);
		} else if (token == 3) {
			if (equal((const char *)strings + be32(at + 4), name))
				return at + 8;
			at += 8 + ((be32(at) + 3) & ~3u);
		} else if (token != 2 && token != 4) {
			return NULL;
		}
	}
}

/* Of memory that is neither this program's nor the device tree's: on a board it is empty. */
static uint64_t others(const uint8_t *dtb)
{
	uint64_t count = 0;
	for (uint64_t at = RAM; at < RAM + LOOK; at++) {
		const uint8_t *p = (const uint8_t *)(uintptr_t)at;
		if ((p >= head && p < zeros_end) || (p >= fill && p < fill_end) || (p >= dtb && p < dtb + be32(dtb + 4)))
			continue;
		if (!(at & 7) && !*(const uint64_t *)(uintptr_t)at) {
			at += 7;
			continue;
		}
		count += *p != 0;
	}
	return count;
}

/* The timer's interrupt gets as far as this CPU, which masks it: it wakes, and nothing else. */
static void let_timer_wake(void)
{
	*GICD_CTLR = 0x12; /* ARE, group 1 */
	*GICR_WAKER = 0;
	while (*GICR_WAKER & 4)
		;
	*GICR_IGROUPR0 = ~0u;
	*GICR_ISENABLER0 = 1u << INTID_VTIMER;
	__asm__ volatile("msr S3_0_C12_C12_5, %0\n\tisb\n\t" /* ICC_SRE_EL1 */
			 "msr S3_0_C4_C6_0, %1\n\t"          /* ICC_PMR_EL1 */
			 "msr S3_0_C12_C12_7, %0\n\tisb"     /* ICC_IGRPEN1_EL1 */
			 :
			 : "r"(1ull), "r"(0xffull)
			 : "memory");
}

/* Who waits for a line for long leaves the processor to others. */
static void nap(void)
{
	uint64_t hz;
	__asm__ volatile("mrs %0, cntfrq_el0" : "=r"(hz));
	__asm__ volatile("msr cntv_tval_el0, %0\n\tmsr cntv_ctl_el0, %1\n\tisb\n\tdsb sy\n\twfi"
			 :
			 : "r"(hz / NAPS_PER_S), "r"(1ull)
			 : "memory");
}

void guest(uint64_t dtb_at, uint64_t at, uint64_t level)
{
	const uint8_t *dtb = (const uint8_t *)(uintptr_t)dtb_at;
	uint64_t sum = 0, set = 0;

	put_hex("at", at);
	put_hex("level", level >> 2);
	for (size_t i = 0; i < sizeof(zeros); i++)
		set += zeros[i] != 0;
	put_hex("bytes set in bss", set);
	for (const uint8_t *p = fill; p < fill_end; p++)
		sum = sum * 31 + *p;
	put_hex("fill", sum);
	put_hex("device tree", be32(dtb) == FDT_MAGIC ? dtb_at : 0);
	put("flat: command line '");
	put((const char *)property(dtb, "bootargs"));
	put("'\n");
	put_hex("initrd", property(dtb, "linux,initrd-start") != NULL);
	put_hex("bytes of others", others(dtb));
	put("flat: waiting for a line\n");
	let_timer_wake();
	for (;;) {
		if (UART[6] & 0x10) /* FR.RXFE */
			nap();
		else if ((uint8_t)*UART == '\n') /* DR */
			break;
	}
	register uint64_t x0 __asm__("x0") = PSCI_SYSTEM_OFF;
	__asm__ volatile("hvc #0" : "+r"(x0) : : "x1", "x2", "x3", "memory");
	put("flat: went on after SYSTEM_OFF\n");
}
