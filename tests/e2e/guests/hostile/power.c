/* Waiting, waking, timers, and CPUs that come and go. */
#include "hostile.h"

#define CPU_ON 0xc4000003u
#define CPU_OFF 0x84000002u
#define CPU_SUSPEND 0xc4000001u
#define AFFINITY_INFO 0xc4000004u
#define CTL_ENABLE 1u
#define CTL_IMASK 2u
#define PATIENCE_US 20000000u

/* ---- the timer ---- */

static void set_timer(uint64_t at, uint32_t ctl)
{
	sysreg_write("cntv_cval_el0", at);
	sysreg_write("cntv_ctl_el0", ctl);
	isb();
}

static uint32_t fired(struct cpu *c)
{
	return __atomic_load_n(&c->taken[INTID_VTIMER], __ATOMIC_ACQUIRE);
}

/* Fires once, not before its time, and at all. */
static void timer_once(struct cpu *c, uint64_t in_us)
{
	uint64_t start = ticks(), at = start + us(in_us);
	uint32_t before = fired(c);

	set_timer(at, CTL_ENABLE);
	while (fired(c) == before && ticks() - start < us(in_us + PATIENCE_US))
		;
	if (fired(c) == before)
		bad(c, "lost the timer, us", in_us);
	else if (ticks() < at)
		bad(c, "the timer came before its time, ticks", at - ticks());
	c->tries++;
	c->exits++;
}

void attack_timer(struct cpu *c, uint32_t picks)
{
	masked(true);
	gic_clean(c);
	gic_local(c, INTID_VTIMER, true);
	for (uint32_t i = 0; i < (picks ? picks : 3000); i++) {
		uint64_t r = rnd(c), t = ticks();
		static const uint64_t odd[] = { 0, 1, BIT(63), ~0ull, BIT(63) - 1, BIT(32), ~0ull >> 1 };

		masked(r & 1);
		switch (r >> 8 & 7) {
		case 0: /* long past, far ahead: never ends, or at once and again */
			set_timer(odd[(r >> 16) % 7], r >> 24 & 3);
			break;
		case 1: /* a tick or two ahead, over and over */
			for (uint32_t k = 0; k < 8; k++)
				set_timer(ticks() + (r >> 16 & 3), CTL_ENABLE);
			break;
		case 2:
			set_timer(t, CTL_ENABLE | CTL_IMASK);
			sysreg_write("cntv_ctl_el0", CTL_ENABLE);
			break;
		case 3: /* disabled at the controller while it fires */
			gic_local(c, INTID_VTIMER, false);
			set_timer(t, CTL_ENABLE);
			gic_local(c, INTID_VTIMER, true);
			break;
		case 4:
			sysreg_write("cntv_tval_el0", r >> 32);
			break;
		case 5:
			set_timer(0, CTL_ENABLE);
			set_timer(~0ull, CTL_ENABLE);
			set_timer(0, CTL_ENABLE | CTL_IMASK);
			break;
		default:
			masked(false);
			timer_once(c, r >> 16 & 127);
			break;
		}
		c->tries++;
		c->exits++;
	}
	masked(false);
	for (uint64_t n = 1; n <= 1000; n *= 10)
		timer_once(c, n);
	masked(true);
	set_timer(0, 0);
}

/* ---- WFI, WFE, CPU_SUSPEND ---- */

static void wait_one(struct cpu *c, uint64_t r)
{
	bool open = r & 1, pending = r & 2;
	uint64_t t = ticks();

	masked(!open);
	if (pending)
		set_timer(0, CTL_ENABLE);
	else
		set_timer(t + us(r >> 16 & 63), CTL_ENABLE);
	switch (r >> 8 & 7) {
	case 0:
		__asm__ volatile("wfe" ::: "memory");
		break;
	case 1:
		__asm__ volatile("sevl\n\twfe\n\twfe\n\tsev\n\twfe" ::: "memory");
		break;
	case 2:
		masked(true);
		if (!fired(c) && hvc(CPU_SUSPEND, hostile_value(c), hostile_value(c), hostile_value(c)))
			bad(c, "CPU_SUSPEND did not succeed", 0);
		break;
	case 3:
		__asm__ volatile(".inst 0xd503103f" ::: "x16", "x17", "memory"); /* WFIT xzr, where there is one: a time long past */
		break;
	default:
		masked(true);
		if (!fired(c)) /* else it came before we could wait for it */
			__asm__ volatile("wfi" ::: "memory");
		masked(!open);
		break;
	}
	c->tries++;
	c->exits++;
	masked(true);
	set_timer(0, 0);
	c->taken[INTID_VTIMER] = 0;
}

void attack_wait(struct cpu *c, uint32_t picks)
{
	gic_clean(c);
	gic_local(c, INTID_VTIMER, true);
	for (uint32_t i = 0; i < (picks ? picks : 3000); i++)
		wait_one(c, rnd(c));
	/* A timer that ends the wait must do so, masked or not, not before its time and with its interrupt. */
	for (uint32_t i = 0; i < 50; i++) {
		uint64_t at = ticks() + us(20 + (rnd(c) & 255));

		set_timer(at, CTL_ENABLE);
		__asm__ volatile("wfi" ::: "memory");
		while (!(sysreg_read("cntv_ctl_el0") & 4) && ticks() < at + us(PATIENCE_US)) /* ISTATUS */
			__asm__ volatile("wfi" ::: "memory");
		masked(false);
		isb();
		for (uint64_t t = ticks(); !fired(c) && ticks() - t < us(PATIENCE_US);)
			;
		masked(true);
		if (fired(c) != 1)
			bad(c, "timer interrupts after a wait", fired(c));
		c->taken[INTID_VTIMER] = 0;
		c->tries++;
	}
	set_timer(0, 0);
}

/* ---- CPU_ON and CPU_OFF: CPU 1 goes as soon as it has come; each call that succeeds must start it once ---- */

extern volatile uint32_t starts;
volatile uint32_t starts;

/* CPU 1 enters here without a stack: counts, looks at its context and goes. */
__asm__("	.text\n"
	"	.global flash\n"
	"flash:	adrp x1, starts\n"
	"	add x1, x1, :lo12:starts\n"
	"	ldr w2, [x1]\n"
	"	add w2, w2, #1\n"
	"	str w2, [x1]\n"
	"	dsb sy\n"
	"	mrs x3, CurrentEL\n"
	"	mrs x4, sctlr_el1\n"
	"	orr x3, x3, x4, lsl #32\n"
	"	adrp x1, flash_saw\n"
	"	add x1, x1, :lo12:flash_saw\n"
	"	stp x0, x3, [x1]\n"
	"	dsb sy\n"
	"	mov w0, #2\n"
	"	movk w0, #0x8400, lsl #16\n"
	"	hvc #0\n"
	"	adrp x1, flash_saw\n"
	"	add x1, x1, :lo12:flash_saw\n"
	"	str w0, [x1, #16]\n"
	"	b .\n");
extern char flash[];
volatile uint64_t flash_saw[3];

static void drop_cached(const volatile void *at)
{
	__asm__ volatile("dc civac, %0\n\tdsb sy" : : "r"(at) : "memory");
}

static bool wait_off(struct cpu *c)
{
	uint64_t start = ticks();

	while (hvc(AFFINITY_INFO, 1, 0, 0) != 1) { /* not counted: asking over and over is no attack */
		if (ticks() - start > us(PATIENCE_US)) {
			bad(c, "a CPU does not go off, AFFINITY_INFO", (uint64_t)hvc(AFFINITY_INFO, 1, 0, 0));
			return false;
		}
	}
	return true;
}

void attack_cpu_on(struct cpu *c, uint32_t picks)
{
	uint32_t accepted = 0;

	masked(true);
	if (c->index || !wait_off(c))
		return;
	starts = 0;
	for (uint32_t i = 0; i < (picks ? picks : 2000) && !c->bads; i++) {
		uint64_t r = rnd(c);
		int64_t e = hvc(CPU_ON, 1, (uint64_t)flash | (r & 7 ? 0 : r >> 8 & 3), i);

		c->tries++;
		c->exits++;
		if (e == 0)
			accepted++;
		else
			c->refused++;
		if (e != 0 && e != -4 && e != -5 && e != -9)
			bad(c, "CPU_ON answered", (uint64_t)e);
		int64_t state = hvc(AFFINITY_INFO, 1, 0, 0);
		if (state < 0 || state > 2)
			bad(c, "AFFINITY_INFO answered", (uint64_t)state);
		if (r >> 16 & 1) {
			if (!wait_off(c))
				return;
			drop_cached(&starts);
			if (e == 0 && flash_saw[0] != i)
				bad(c, "a CPU started with another context", flash_saw[0]);
		}
	}
	if (!wait_off(c))
		return;
	drop_cached(&starts);
	drop_cached(flash_saw);
	if (starts != accepted)
		bad(c, "CPU_ON was accepted more often than the CPU started, by", (uint64_t)accepted - starts);
	if ((flash_saw[1] & 0xc) != 4 || (flash_saw[1] >> 32 & 1))
		bad(c, "a CPU starts at this level with its MMU", flash_saw[1]);
	if (flash_saw[2])
		bad(c, "a CPU went on after CPU_OFF", flash_saw[2]);
}
