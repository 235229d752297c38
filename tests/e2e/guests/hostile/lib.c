#include "hostile.h"

#include <stdarg.h>

struct cpu cpus[CPUS];
static uint32_t line_lock;

static void put_char(char ch)
{
	while (*(volatile uint32_t *)(UART + 0x18) & 0x20) /* FR.TXFF */
		;
	*(volatile uint32_t *)UART = (uint8_t)ch;
}

void put(const char *s)
{
	while (__atomic_exchange_n(&line_lock, 1, __ATOMIC_ACQUIRE))
		;
	for (; *s; s++)
		put_char(*s);
	__atomic_store_n(&line_lock, 0, __ATOMIC_RELEASE);
}

static char *add_number(char *at, const char *end, uint64_t v, uint32_t base)
{
	char digits[24];
	uint32_t n = 0;

	do
		digits[n++] = "0123456789abcdef"[v % base];
	while (v /= base);
	while (n && at < end)
		*at++ = digits[--n];
	return at;
}

void put_line(const char *format, ...)
{
	char text[200], *at = text;
	const char *end = text + sizeof(text) - 3;
	va_list args;

	va_start(args, format);
	for (; *format && at < end; format++) {
		if (*format != '%') {
			*at++ = *format;
			continue;
		}
		switch (*++format) {
		case 's':
			for (const char *s = va_arg(args, const char *); *s && at < end; s++)
				*at++ = *s;
			break;
		case 'u':
			at = add_number(at, end, va_arg(args, uint32_t), 10);
			break;
		case 'l':
			at = add_number(at, end, va_arg(args, uint64_t), 10);
			break;
		default:
			at = add_number(at, end, va_arg(args, uint64_t), 16);
			break;
		}
	}
	va_end(args);
	*at++ = ';'; /* the console may break a line, but not this */
	*at++ = '\n';
	*at = 0;
	put(text);
}

bool get_line(char *line, size_t size)
{
	static char text[64];
	static size_t len;

	while (!(load(UART + 0x18, 4) & 0x10)) { /* FR.RXFE */
		char ch = (char)load(UART, 4);

		if (ch == '\r')
			continue;
		if (ch != '\n') {
			if (len < sizeof(text) - 1)
				text[len++] = ch;
			continue;
		}
		size_t n = len < size - 1 ? len : size - 1;
		for (size_t i = 0; i < n; i++)
			line[i] = text[i];
		line[n] = 0;
		len = 0;
		return true;
	}
	return false;
}

/* splitmix64: any seed will do. */
uint64_t rnd(struct cpu *c)
{
	uint64_t z = c->rng += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

uint64_t hostile_value(struct cpu *c)
{
	uint64_t r = rnd(c);

	switch (r >> 60) {
	case 0:
		return 0;
	case 1:
		return ~0ull;
	case 2:
		return BIT(r & 63);
	case 3:
		return BIT(r & 63) - 1;
	case 4:
		return ~BIT(r & 63);
	case 5:
		return 0xffffffff80000000ull;
	case 6:
		return RAM + (r & 0xffffff);
	case 7:
		return r & 0xff;
	case 8:
		return GICD + (r & 0x3ffffff);
	default:
		return rnd(c);
	}
}

uint64_t ticks(void)
{
	isb();
	return sysreg_read("cntvct_el0");
}

uint64_t us(uint64_t n)
{
	return sysreg_read("cntfrq_el0") * n / 1000000;
}

void busy(uint64_t for_ticks)
{
	for (uint64_t t = ticks(); ticks() - t < for_ticks;)
		;
}

int64_t hvc(uint64_t fn, uint64_t a1, uint64_t a2, uint64_t a3)
{
	register uint64_t x0 __asm__("x0") = fn;
	register uint64_t x1 __asm__("x1") = a1;
	register uint64_t x2 __asm__("x2") = a2;
	register uint64_t x3 __asm__("x3") = a3;

	__asm__ volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3) : : "x4", "x5", "x6", "x7", "x16", "x17", "memory");
	return (int64_t)x0;
}

uint64_t load(uint64_t at, uint32_t width)
{
	uint64_t v = 0xdeadbeefdeadbeefull;

	switch (width) {
	case 1:
		__asm__ volatile("ldrb %w0, [%1]" : "+r"(v) : "r"(at) : "x16", "x17", "memory");
		break;
	case 2:
		__asm__ volatile("ldrh %w0, [%1]" : "+r"(v) : "r"(at) : "x16", "x17", "memory");
		break;
	case 4:
		__asm__ volatile("ldr %w0, [%1]" : "+r"(v) : "r"(at) : "x16", "x17", "memory");
		break;
	default:
		__asm__ volatile("ldr %0, [%1]" : "+r"(v) : "r"(at) : "x16", "x17", "memory");
		break;
	}
	return v;
}

void store(uint64_t at, uint32_t width, uint64_t value)
{
	switch (width) {
	case 1:
		__asm__ volatile("strb %w0, [%1]" : : "r"(value), "r"(at) : "x16", "x17", "memory");
		break;
	case 2:
		__asm__ volatile("strh %w0, [%1]" : : "r"(value), "r"(at) : "x16", "x17", "memory");
		break;
	case 4:
		__asm__ volatile("str %w0, [%1]" : : "r"(value), "r"(at) : "x16", "x17", "memory");
		break;
	default:
		__asm__ volatile("str %0, [%1]" : : "r"(value), "r"(at) : "x16", "x17", "memory");
		break;
	}
}

void bad(struct cpu *c, const char *what, uint64_t value)
{
	if (++c->bads <= 20)
		put_line("bad: %s: %x (CPU %u)", what, value, c->index);
}

/* Instructions written as data are fetched after this (DDI 0487, B2.4.4). */
void flush_code(const void *at, size_t len)
{
	for (uint64_t a = (uint64_t)at & ~15ull; a < (uint64_t)at + len; a += 16)
		__asm__ volatile("dc cvau, %0" : : "r"(a) : "x16", "x17", "memory");
	dsb();
	for (uint64_t a = (uint64_t)at & ~15ull; a < (uint64_t)at + len; a += 16)
		__asm__ volatile("ic ivau, %0" : : "r"(a) : "x16", "x17", "memory");
	dsb();
	isb();
}

/* ---- stage 1: everything at its own address, RAM cached, the rest device and executable ---- */

#define BLOCK_DEVICE (1ull | 1ull << 10)                      /* valid, AF, MAIR 0 */
#define BLOCK_RAM (1ull | 1ull << 10 | 3ull << 8 | 1ull << 2) /* inner shareable, MAIR 1 */
/* T0SZ = T1SZ = 25, write-back inner-shareable walks, 4 KiB granules, IPS 40 bits; the upper half is attack_walks' */
#define TCR \
	(25ull | 1ull << 8 | 1ull << 10 | 3ull << 12 | 25ull << 16 | 1ull << 24 | 1ull << 26 | 3ull << 28 | 2ull << 30 | 2ull << 32 | \
	 BIT(23))
#define SCTLR_RES1 (0x30d00800ull | BIT(16) | BIT(18)) /* WFI and WFE of EL0 are not ours to trap */
#define SCTLR_M_C_I (1ull | 1ull << 2 | 1ull << 12)

static uint64_t table[512] __attribute__((aligned(4096)));

void mmu_setup(void)
{
	struct cpu *c = (struct cpu *)sysreg_read("tpidr_el1");

	c->index = c == &cpus[1];
	for (uint64_t i = 0; c->index == 0 && i < 512; i++)
		table[i] = i << 30 | (i == RAM >> 30 ? BLOCK_RAM : BLOCK_DEVICE);
	dsb();
	sysreg_write("mair_el1", 0xff00);
	sysreg_write("tcr_el1", TCR);
	sysreg_write("ttbr0_el1", (uint64_t)table);
	__asm__ volatile("tlbi vmalle1\n\tdsb sy\n\tisb" ::: "memory");
	mmu(true);
}

void mmu(bool on)
{
	sysreg_write("sctlr_el1", SCTLR_RES1 | (on ? SCTLR_M_C_I : 0));
	isb();
}

/* ---- /chosen/bootargs of the device tree (DTSpec 5.4): `seed=N` ---- */

static uint32_t be32(const char *at)
{
	return (uint32_t)(uint8_t)at[0] << 24 | (uint32_t)(uint8_t)at[1] << 16 | (uint32_t)(uint8_t)at[2] << 8 | (uint8_t)at[3];
}

static bool begins(const char *s, const char *with)
{
	while (*with && *s == *with)
		s++, with++;
	return !*with;
}

static bool parse_seed(const char *args, uint32_t len, uint64_t *ret_seed)
{
	for (uint32_t i = 0; i + 5 < len; i++) {
		if (!begins(args + i, "seed="))
			continue;
		*ret_seed = 0;
		for (i += 5; i < len && args[i] >= '0' && args[i] <= '9'; i++)
			*ret_seed = *ret_seed * 10 + (uint64_t)(args[i] - '0');
		return true;
	}
	return false;
}

bool seed_of(uint64_t dtb, uint64_t *ret_seed)
{
	const char *d = (const char *)dtb, *names = d + be32(d + 12), *at = d + be32(d + 8);
	bool chosen = false;

	if (be32(d) != 0xd00dfeed)
		return false;
	for (;;) {
		uint32_t token = be32(at);

		at += 4;
		if (token == 1) { /* BEGIN_NODE */
			chosen = begins(at, "chosen");
			size_t n = 0;
			while (at[n])
				n++;
			at += (n + 4) & ~3ull;
		} else if (token == 3) { /* PROP */
			uint32_t len = be32(at);

			if (chosen && begins(names + be32(at + 4), "bootargs"))
				return parse_seed(at + 8, len, ret_seed);
			at += (8 + len + 3) & ~3ull;
		} else if (token == 9) { /* END */
			return false;
		}
	}
}

/* ---- the two CPUs ---- */

uint32_t second_on;

void meet(struct cpu *c)
{
	static uint32_t arrived[CPUS];

	if (!__atomic_load_n(&second_on, __ATOMIC_ACQUIRE))
		return;
	uint32_t mine = __atomic_add_fetch(&arrived[c->index], 1, __ATOMIC_ACQ_REL);
	while ((int32_t)(__atomic_load_n(&arrived[c->index ^ 1], __ATOMIC_ACQUIRE) - mine) < 0)
		__asm__ volatile("yield");
}
