/* Hostile guests against the whole core on the fake machine (tests/fake): two CPUs, personas of three and two vCPUs, a vault. The input is
 * a stream of 12-byte events: what the guest of a CPU does next, which interrupts come, how much time passes. After each entry the core's
 * state is held against check.c. A panic of the core that no guest of the vault's rights asked for is a failure.
 *
 * In the environment: MVP_EVENTS=N says the number of events reached and ends after N of them (for soak); MVP_TRACE=1 prints each event. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/fake/check.h"
#include "tests/fake/drive.h"

enum { CPUS = 2, MAX_STEPS = 300, FRAME = 0x20000 };

struct event {
	uint8_t kind, flags;
	uint16_t a;
	uint32_t b, c;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Two vCPUs of the first persona share a CPU. */
const struct mvp_core_config mvp_core_config = {
	.revision = MVP_CONFIG_REVISION,
	.personas = 2,
	.gicd_pa = 0x08000000,
	.gicr_pa = 0x080a0000,
	.gicr_size = 0x00f60000,
	.debug_uart_pa = 0x09000000,
	.cpu_mpidr = { 0, 1 },
	.cpus = CPUS,
	.slice_us = 1000,
	.vault_pa = 0x50000000,
	.vault_size = 0x01000000,
	.vault_irqs_count = 3,
	.vault_irqs = { { 33, 0, 0 }, { 48, 1, 0 }, { 79, 1, 0 } },
	.persona = { { 0x60000000, 0x04000000, 3, 800, 200, 0, 0 }, { 0x70000000, 0x02000000, 2, 800, 200, 0, 0 } },
};

static struct {
	struct fake fake;
	struct pcpu pcpus[MVP_MAX_CPUS];
	struct vm vms[VM_COUNT];
	uint32_t pcpus_online;
} start;

static uint64_t events, events_limit;
static bool trace;

static void report(void)
{
	fprintf(stderr, "core_trap: %llu events, longest entry %llu register accesses\n", (unsigned long long)events,
		(unsigned long long)check_longest);
}

/* Interrupts of all kinds are enabled, so that runs go deep: SGIs, the timer, and SPIs by level and edge, in several priorities. */
static void set_up_gic(struct vcpu *v)
{
	uint32_t cpu = (uint32_t)(v->home - pcpus);
	uint64_t sgi = MVP_GUEST_GICR + v->index * FRAME + 0x10000;

	if (!drive_until(v))
		fake_fail("a persona does not run");
	drive_write(cpu, MVP_GUEST_GICD, 4, 3);
	drive_write(cpu, sgi + 0x80, 4, 0xffffff0f);
	drive_write(cpu, sgi + 0x100, 4, 0x4800ffff);
	for (uint32_t i = 32; i < 96; i += 32) {
		drive_write(cpu, MVP_GUEST_GICD + 0x80 + i / 8, 4, 0xfffffff7);
		drive_write(cpu, MVP_GUEST_GICD + 0x100 + i / 8, 4, 0x00ffffff);
		drive_write(cpu, MVP_GUEST_GICD + 0xc00 + i / 4, 4, 0xaaaaaaaa);
	}
	for (uint32_t i = 0; i < 96; i += 4)
		drive_write(cpu, (i < 32 ? sgi : MVP_GUEST_GICD) + 0x400 + i, 4, 0xa0a0a080 + i);
	fake.cpu[cpu].r[R_ICH_VMCR] = 0xff4c0003;
}

static void prepare(void)
{
	const char *limit = getenv("MVP_EVENTS");

	events_limit = limit ? strtoull(limit, NULL, 10) : 0;
	trace = getenv("MVP_TRACE");
	drive_start();
	for (uint32_t i = 0; i < mvp_core_config.personas; i++)
		for (uint32_t k = 0; k < vms[i].vcpus; k++)
			set_up_gic(&vms[i].vcpu[k]);
	fake_step_limit = MAX_STEPS;
	memcpy(&start.fake, &fake, sizeof(fake));
	memcpy(start.pcpus, pcpus, sizeof(pcpus));
	memcpy(start.vms, vms, sizeof(vms));
	start.pcpus_online = pcpus_online;
}

static void restore(void)
{
	memcpy(&fake, &start.fake, sizeof(fake));
	memcpy(pcpus, start.pcpus, sizeof(pcpus));
	memcpy(vms, start.vms, sizeof(vms));
	pcpus_online = start.pcpus_online;
	vault_ready = true;
	check_begin();
}

/* ---- the vault: right answers mostly, and any argument ---- */

static const uint64_t calls[] = { MVP_HC_IRQ_LINE,      MVP_HC_IRQ_DONE,   MVP_HC_IRQ_ENABLE, MVP_HC_PERSONA_START, MVP_HC_PERSONA_STOP,
				  MVP_HC_PERSONA_SCRUB, MVP_HC_FOREGROUND, MVP_HC_TIMER,      MVP_HC_DOORBELL,      MVP_HC_VERSION };

static void vault_call(uint32_t cpu, const struct event *e)
{
	struct vcpu *v = fake.cpu[cpu].guest;
	uint64_t *x = v->regs.x;
	bool raw = e->a & 0x8000; /* arguments as they come, else such that something happens */

	x[0] = calls[e->c % ARRAY_LEN(calls)];
	x[1] = raw ? (uint64_t)e->b << (e->a & 31) : e->a & 1;
	x[2] = raw ? e->c : e->b;
	x[3] = raw ? e->a : e->b >> 8 & 1;
	if (!raw && x[0] == MVP_HC_IRQ_LINE)
		x[2] = e->b % MVP_GUEST_SPIS;
	if (!raw && (x[0] == MVP_HC_IRQ_DONE || x[0] == MVP_HC_IRQ_ENABLE))
		x[1] = mvp_core_config.vault_irqs[e->b % mvp_core_config.vault_irqs_count].intid;
	if (!raw && x[0] == MVP_HC_PERSONA_START)
		x[2] = MVP_GUEST_KERNEL;
	if (!raw && x[0] == MVP_HC_PERSONA_SCRUB)
		x[2] = (uint64_t)(e->b % 300) << 18;
	if (!raw && x[0] == MVP_HC_TIMER)
		x[1] = fake.time + e->b % 1000000;
	if (e->a & 0x4000)
		x[0] = raw ? (uint64_t)e->b << 32 | e->c : MVP_HC_WAIT;
	if (x[0] == MVP_HC_POWER || x[0] == MVP_HC_PANIC) /* the vault may end everything: nothing to see */
		x[0] = MVP_HC_VERSION;
	check_sync(cpu, ESR(EC_HVC, 0), 0, 0);
}

static void vault_acts(uint32_t cpu, const struct event *e)
{
	struct vcpu *v = fake.cpu[cpu].guest;

	switch (e->kind & 7) {
	case 0:
	case 1:
	case 2:
		vault_call(cpu, e);
		break;
	case 3: /* anything else it could do wrong */
		check_sync(cpu, e->b & 0xfc000000 ? e->b : ESR(EC_DABT, 0), e->c, e->a);
		break;
	default:
		v->regs.x[0] = MVP_HC_WAIT;
		v->regs.x[1] = (uint64_t)e->c << 32 | e->b;
		v->regs.x[2] = e->a & 1;
		check_sync(cpu, ESR(EC_HVC, 0), 0, 0);
		break;
	}
}

/* ---- personas ---- */

static const uint16_t gic_rows[] = { 0x0,   0x4,   0x8,   0xc,   0x14,  0x40,  0x80,  0x84,  0x88,  0x100, 0x104,  0x108,  0x180,
				     0x184, 0x188, 0x200, 0x204, 0x208, 0x280, 0x284, 0x288, 0x300, 0x304, 0x308,  0x380,  0x384,
				     0x388, 0x400, 0x418, 0x41b, 0x420, 0x440, 0xc00, 0xc04, 0xc08, 0xc0c, 0x6100, 0x6104, 0xffe8 };

static void persona_gic(uint32_t cpu, const struct event *e)
{
	uint32_t width = 1u << (e->b & 3), reg = e->b >> 2 & 31;
	uint64_t off = gic_rows[e->a % ARRAY_LEN(gic_rows)];

	if (e->a & 0x8000)
		off = e->b >> 8 & 0x1ffff;
	else if (off >= 0x6000)
		off += (e->b >> 8 & 0x3f) * 8;
	else if (off >= 0x400)
		off += e->b >> 8 & 0x1f;
	off &= ~(uint64_t)(width - 1);
	uint64_t ipa = MVP_GUEST_GICD + (off & 0xffff);
	if (e->a & 0x4000)
		ipa = MVP_GUEST_GICR + (e->b >> 20 & 3) * FRAME + (e->a & 0x2000 ? off : 0x10000 + (off & 0xffff));
	if (e->b & 0x80000000)
		ipa += e->b >> 24 & 7;
	if (reg < 31)
		fake.cpu[cpu].guest->regs.x[reg] = (uint64_t)e->c << 32 | e->c;
	check_sync(cpu, drive_dabt_esr(width, e->b & 0x80, reg), ipa & 0xfff, ipa >> 12 << 4);
}

static void persona_io(uint32_t cpu, const struct event *e)
{
	static const uint64_t at[] = {
		MVP_GUEST_UART, MVP_GUEST_VIRTIO, MVP_GUEST_IO_END, MVP_GUEST_GICR + 3 * FRAME, 0, MVP_GUEST_RAM - 1
	};
	uint64_t ipa = (e->a & 0x8000 ? (uint64_t)e->c << 8 : at[e->a % ARRAY_LEN(at)]) + (e->c & 0xfff);
	uint64_t esr = drive_dabt_esr(1u << (e->b & 3), e->b & 4, e->b >> 3 & 31) | (e->b & 0x100 ? BIT(21) : 0);

	if (e->b & 0x1000)
		esr ^= (uint64_t)(e->b >> 13) & 0x1ffffff; /* other faults, no syndrome, cache maintenance, table walks */
	check_sync(cpu, esr, ipa & 0xfff, ipa >> 12 << 4);
}

static const uint32_t functions[] = { 0x84000000, 0x84000001, 0xc4000001, 0x84000002, 0x84000003, 0xc4000003, 0x84000004, 0xc4000004,
				      0x84000006, 0x8400000a, 0x80000000, 0x80000001, 0x84000050, 0x84000051, 0x84000053, 0xc4000053,
				      0x80008000, 0xc6000001, 0x8600ff01, 0xc400000e, 0x84000008, 0x84000009 };

static void persona_call(uint32_t cpu, const struct event *e)
{
	uint64_t *x = fake.cpu[cpu].guest->regs.x;
	uint32_t n = e->a & 0x3f;

	/* Ending the persona is one of many, so that runs go deep. */
	if (n >= ARRAY_LEN(functions) || (n >= ARRAY_LEN(functions) - 2 && (e->a & 0x3f00)))
		n = 4 + (n & 3);
	x[0] = e->a & 0x80 ? e->b : functions[n];
	x[1] = e->a & 0x40 ? e->b : e->b & 3;
	x[2] = e->c & 0x80000000 ? e->c : MVP_GUEST_RAM + (e->c & 0x3fffffc);
	x[3] = e->c;
	check_sync(cpu, ESR(e->a & 0x8000 ? EC_SMC : EC_HVC, e->c & 0xffff), 0, 0);
}

static void persona_sysreg(uint32_t cpu, const struct event *e)
{
	uint64_t *x = fake.cpu[cpu].guest->regs.x;
	static const uint64_t known[] = { SYSREG_ISS(3, 0, 12, 11, 5, 0, 0), SYSREG_ISS(3, 0, 12, 11, 5, 0, 0),
					  SYSREG_ISS(3, 0, 12, 11, 7, 0, 0), SYSREG_ISS(3, 0, 12, 11, 6, 0, 0),
					  SYSREG_ISS(3, 3, 14, 2, 0, 0, 0),  SYSREG_ISS(3, 3, 14, 2, 1, 0, 0),
					  SYSREG_ISS(3, 3, 14, 2, 2, 0, 0),  SYSREG_ISS(3, 0, 12, 11, 1, 0, 0),
					  SYSREG_ISS(1, 0, 7, 6, 2, 0, 0),   SYSREG_ISS(3, 0, 1, 0, 1, 0, 0),
					  SYSREG_ISS(2, 0, 0, 2, 2, 0, 0) };
	uint64_t iss = known[e->a % ARRAY_LEN(known)] | (e->a & 0x100 ? 1 : 0) | (uint64_t)(e->b & 31) << 5;

	if (e->a & 0x8000)
		iss = e->b & 0x1ffffff;
	if (e->a & 0x4000) /* the table of feature registers */
		iss = SYSREG_ISS(3, 0, 0, e->b & 7, e->b >> 3 & 7, e->b >> 6 & 31, 1);
	uint32_t rt = (uint32_t)(iss >> 5) & 31;
	if (rt < 31 && !(iss & 1)) /* targets, INTID, IRM; for timers a time near now */
		x[rt] = e->a & 0x200 ? (uint64_t)e->c << 16 : (e->c & 0x0f000003) | (e->c & 0x80000000 ? BIT(40) : 0);
	check_sync(cpu, ESR(EC_SYSREG, iss), 0, 0);
}

/* What a guest does without a trap. */
static void persona_silent(uint32_t cpu, const struct event *e)
{
	struct fake_cpu *c = &fake.cpu[cpu];
	struct vcpu *v = c->guest;
	static const uint8_t modes[] = { 0x0, 0x4, 0x5, 0x10 };

	switch (e->a & 15) {
	case 0:
		c->r[R_ICH_VMCR] = (e->b & 0xff) << 24 | (e->b & 0x21f) | 0x4c0000;
		break;
	case 1:
		c->r[R_ICH_VMCR] = 0xff4c0003 | (e->b & 1 ? BIT(9) : 0);
		break;
	case 2: /* it may write its active priorities, too */
		c->r[e->b & 1 ? R_ICH_AP0R0 : R_ICH_AP1R0] = e->c & (e->c >> 8);
		break;
	case 3:
	case 4:
	case 5:
		c->r[R_CNTV_CVAL] = e->b & 0x80000000 ? (uint64_t)e->c << 32 | e->b : fake.time + (e->b & 0xfffff) - 0x10000;
		c->r[R_CNTV_CTL] = e->c & 3;
		break;
	case 6:
	case 7:
		c->r[R_EL1 + e->b % FAKE_EL1] = (uint64_t)e->c << 32 | e->b;
		break;
	case 8:
		v->regs.pstate = (e->b & 0xf00003c0) | modes[e->c & 3];
		v->regs.pc = e->c;
		break;
	case 9:
		for (uint32_t i = 0; i < 31; i++)
			v->regs.x[i] = (uint64_t)e->b * (i + 1);
		break;
	default: /* FP: trapped, or its own already */
		if (c->r[R_CPTR] & BIT(10))
			check_sync(cpu, ESR(EC_FP, 0), 0, 0);
		else
			c->fp[e->b % 66] = e->c;
		break;
	}
}

static void persona_interrupt(uint32_t cpu, const struct event *e)
{
	struct fake_cpu *c = &fake.cpu[cpu];
	uint32_t n = (uint32_t)(fake_vtr & 0x1f) + 1, group = e->a >> 4 & 1;
	uint32_t intid = e->a & 0x20 ? e->b : LR_VINTID(c->r[R_ICH_LR0 + e->b % n]);

	switch (e->a & 3) {
	case 0: /* ICH_HCR_EL2.TDIR */
		if (c->r[R_ICH_HCR] & BIT(14)) {
			c->guest->regs.x[0] = intid;
			check_sync(cpu, ESR(EC_SYSREG, SYSREG_ISS(3, 0, 12, 11, 1, 0, 0)), 0, 0);
		} else {
			fake_guest_dir(c, intid);
		}
		break;
	case 1:
		fake_guest_eoi(c, group, intid);
		break;
	default:
		(void)fake_guest_ack(c, !group);
		break;
	}
}

static void persona_acts(uint32_t cpu, const struct event *e)
{
	switch (e->kind & 15) {
	case 0: /* any syndrome at all */
		check_sync(cpu, e->b, (uint64_t)e->c << 32 | e->c, (uint64_t)e->c << 4);
		break;
	case 1:
	case 2:
	case 3:
		persona_gic(cpu, e);
		break;
	case 4:
		persona_io(cpu, e);
		break;
	case 5:
	case 6:
		persona_call(cpu, e);
		break;
	case 7:
	case 8:
		persona_sysreg(cpu, e);
		break;
	case 9: /* sleeps: trapped, or the CPU itself waits */
		if (fake.cpu[cpu].r[R_HCR] & BIT(13))
			check_sync(cpu, ESR(EC_WFX, e->a & 1), 0, 0);
		else if (fake_next_timer(cpu) != UINT64_MAX && fake_next_timer(cpu) > fake.time)
			fake.time = fake_next_timer(cpu);
		break;
	case 10:
	case 11:
		persona_silent(cpu, e);
		check_before(cpu);
		break;
	case 12:
	case 13:
	case 14:
		persona_interrupt(cpu, e);
		check_before(cpu);
		break;
	default:
		fake.cpu[cpu].r[R_ESR_EL2] = (uint64_t)0x2f << 26 | (e->b & 0x1ffffff);
		check_trap(cpu, FAKE_TRAP_SERROR);
		break;
	}
}

/* ---- the world ---- */

static void world(const struct event *e)
{
	uint32_t shift = e->flags >> 3;

	fake.time += shift < 24 ? e->b & (BIT(shift) - 1) : 0;
	if (e->flags & 4) /* a device of the vault */
		fake_spi(mvp_core_config.vault_irqs[e->c % mvp_core_config.vault_irqs_count].intid, e->c & 0x100);
}

/* Nobody runs: time goes on to the next timer. */
static void wake_somebody(void)
{
	uint64_t at = UINT64_MAX;

	for (uint32_t i = 0; i < CPUS; i++) {
		if (!fake.cpu[i].idle || fake_irq_pending(i))
			return;
		if (fake_next_timer(i) < at)
			at = fake_next_timer(i);
	}
	if (at != UINT64_MAX && at > fake.time)
		fake.time = at;
	else if (at == UINT64_MAX) /* everybody sleeps for ever: a device */
		fake_spi(mvp_core_config.vault_irqs[0].intid, true);
}

static void take_irqs(uint32_t cpu)
{
	for (int i = 0; fake_irq_pending(cpu); i++) {
		if (i == 64)
			fake_fail("interrupts without an end: %u is pending still", fake_gic_highest(&fake.cpu[cpu]));
		check_trap(cpu, FAKE_TRAP_IRQ);
	}
}

static void happen(const struct event *e)
{
	uint32_t cpu = e->flags & 1;

	world(e);
	wake_somebody();
	/* An exception and an interrupt at the same time: either may be first. */
	if (!(e->flags & 2) || fake.cpu[cpu].idle)
		take_irqs(cpu);
	const struct vcpu *v = fake.cpu[cpu].guest;
	if (trace)
		fprintf(stderr, "%llu: CPU %u, domain %d vCPU %d: kind %u flags 0x%x a 0x%x b 0x%x c 0x%x\n", (unsigned long long)fake.time,
			cpu, v ? (int)v->vm->id : -1, v ? (int)v->index : -1, e->kind, e->flags, e->a, e->b, e->c);
	if (!v)
		return;
	if (is_vault(v))
		vault_acts(cpu, e);
	else
		persona_acts(cpu, e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool prepared;

	if (!prepared)
		prepare();
	prepared = true;
	restore();
	for (; size >= sizeof(struct event); data += sizeof(struct event), size -= sizeof(struct event)) {
		struct event e;

		memcpy(&e, data, sizeof(e));
		happen(&e);
		if (++events == events_limit) {
			report();
			_exit(0); /* exit() is a crash to libFuzzer */
		}
	}
	return 0;
}
