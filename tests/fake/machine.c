#include "machine.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fake fake;
struct fake_cpu *fake_now = &fake.cpu[0];
uint64_t fake_step_limit;
uint64_t fake_vtr = 0x90b80003; /* QEMU's and a Cortex-A72's: 4 list registers, 5 bits of priority and preemption */
void (*fake_smc_hook)(uint64_t r[4]);
jmp_buf *fake_power_off;
const struct vcpu *fake_trapped;

static jmp_buf leave; /* out of the core: a guest is entered, or the CPU idles */
static uint64_t steps_at_entry;

extern char stacks[], vectors[], secondary_start[], vault_blob[], vault_blob_end[], __core_end[], __core_start[];
char stacks[1], vectors[1], secondary_start[1], __core_end[1], __core_start[1];
extern char __rodata_end[1] __attribute__((alias("__core_start"))); /* nothing to be measured */
char vault_blob[64];
__asm__(".globl vault_blob_end\n\t.set vault_blob_end, vault_blob + 64");
void enter_guest(struct vcpu *v) __attribute__((noreturn));
void fp_save(struct fp_regs *fp);
void fp_load(const struct fp_regs *fp);

const char *const fake_el1_names[FAKE_EL1] = { "sctlr_el1", "cpacr_el1",   "ttbr0_el1", "ttbr1_el1", "tcr_el1",     "esr_el1",
					       "afsr0_el1", "afsr1_el1",   "far_el1",   "mair_el1",  "vbar_el1",    "contextidr_el1",
					       "amair_el1", "cntkctl_el1", "par_el1",   "tpidr_el0", "tpidrro_el0", "tpidr_el1",
					       "sp_el0",    "sp_el1",      "elr_el1",   "spsr_el1",  "csselr_el1" };

static const char *const fixed_names[R_EL1] = {
	[R_CNTPCT] = "cntpct_el0",
	[R_CNTVCT] = "cntvct_el0",
	[R_CNTFRQ] = "cntfrq_el0",
	[R_ICC_IAR1] = "icc_iar1_el1",
	[R_ICC_EOIR1] = "icc_eoir1_el1",
	[R_ICC_DIR] = "icc_dir_el1",
	[R_ICC_SGI1R] = "icc_sgi1r_el1",
	[R_ICH_VTR] = "ich_vtr_el2",
	[R_ICH_MISR] = "ich_misr_el2",
	[R_ICH_EISR] = "ich_eisr_el2",
	[R_ICH_ELRSR] = "ich_elrsr_el2",
	[R_ICH_HCR] = "ich_hcr_el2",
	[R_ICH_VMCR] = "ich_vmcr_el2",
	[R_CNTV_CTL] = "cntv_ctl_el0",
	[R_CNTV_CVAL] = "cntv_cval_el0",
	[R_CNTHP_CTL] = "cnthp_ctl_el2",
	[R_CNTHP_CVAL] = "cnthp_cval_el2",
	[R_TPIDR_EL2] = "tpidr_el2",
	[R_HCR] = "hcr_el2",
	[R_CPTR] = "cptr_el2",
	[R_MDCR] = "mdcr_el2",
	[R_CNTHCTL] = "cnthctl_el2",
	[R_CNTVOFF] = "cntvoff_el2",
	[R_VTTBR] = "vttbr_el2",
	[R_VTCR] = "vtcr_el2",
	[R_VMPIDR] = "vmpidr_el2",
	[R_VPIDR] = "vpidr_el2",
	[R_HSTR] = "hstr_el2",
	[R_ESR_EL2] = "esr_el2",
	[R_FAR_EL2] = "far_el2",
	[R_HPFAR_EL2] = "hpfar_el2",
	[R_MPIDR] = "mpidr_el1",
	[R_ICC_SRE_EL2] = "icc_sre_el2",
};

/* Registers the core calls by their encoding (DDI 0487, D19; IHI 0069, 12.2 and 12.4). */
static const struct {
	const char *encoding, *name;
} encodings[] = {
	{ "s3_4_c12_c9_5", "icc_sre_el2" },     { "s3_0_c12_c12_0", "icc_iar1_el1" },  { "s3_0_c12_c12_1", "icc_eoir1_el1" },
	{ "s3_0_c12_c11_1", "icc_dir_el1" },    { "s3_0_c12_c11_5", "icc_sgi1r_el1" }, { "s3_4_c12_c11_0", "ich_hcr_el2" },
	{ "s3_4_c12_c11_1", "ich_vtr_el2" },    { "s3_4_c12_c11_2", "ich_misr_el2" },  { "s3_4_c12_c11_3", "ich_eisr_el2" },
	{ "s3_4_c12_c11_5", "ich_elrsr_el2" },  { "s3_4_c12_c11_7", "ich_vmcr_el2" },  { "s3_0_c0_c6_2", "id_aa64isar2_el1" },
	{ "s3_0_c0_c7_2", "id_aa64mmfr2_el1" },
};

static char names[FAKE_REGS][32];
static uint32_t names_count;

void fake_fail(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fprintf(stderr, "fake machine, CPU %d: ", (int)(fake_now - fake.cpu));
	vfprintf(stderr, format, ap);
	fprintf(stderr, "\n%.*s\n", (int)fake.uart_len, fake.uart);
	va_end(ap);
	abort();
}

static void init_names(void)
{
	if (names_count)
		return;
	for (uint32_t i = 1; i < R_EL1; i++)
		if (fixed_names[i])
			snprintf(names[i], sizeof(names[i]), "%s", fixed_names[i]);
	for (uint32_t i = 0; i < FAKE_LRS; i++)
		snprintf(names[R_ICH_LR0 + i], sizeof(names[0]), "ich_lr%u_el2", i);
	for (uint32_t i = 0; i < 4; i++) {
		snprintf(names[R_ICH_AP0R0 + i], sizeof(names[0]), "ich_ap0r%u_el2", i);
		snprintf(names[R_ICH_AP1R0 + i], sizeof(names[0]), "ich_ap1r%u_el2", i);
	}
	for (uint32_t i = 0; i < FAKE_EL1; i++)
		snprintf(names[R_EL1 + i], sizeof(names[0]), "%s", fake_el1_names[i]);
	names_count = R_EL1 + FAKE_EL1;
}

uint32_t fake_slot(const char *given)
{
	char name[32];
	unsigned n, m;
	size_t len = strlen(given);

	init_names();
	if (len >= sizeof(name))
		fake_fail("register name %s", given);
	for (size_t i = 0; i <= len; i++)
		name[i] = (char)tolower((unsigned char)given[i]);
	if (sscanf(name, "s3_4_c12_c%u_%u", &n, &m) == 2 && (n == 12 || n == 13))
		return R_ICH_LR0 + (n - 12) * 8 + m;
	if (sscanf(name, "s3_4_c12_c%u_%u", &n, &m) == 2 && (n == 8 || n == 9) && m < 4)
		return (n == 8 ? R_ICH_AP0R0 : R_ICH_AP1R0) + m;
	for (size_t i = 0; i < ARRAY_LEN(encodings); i++)
		if (!strcmp(name, encodings[i].encoding))
			snprintf(name, sizeof(name), "%s", encodings[i].name);
	for (uint32_t i = 1; i < names_count; i++)
		if (!strcmp(names[i], name))
			return i;
	if (names_count == FAKE_REGS)
		fake_fail("more registers than FAKE_REGS: %s", given);
	snprintf(names[names_count], sizeof(names[0]), "%.31s", name);
	return names_count++;
}

static void step(void)
{
	fake.steps++;
	if (fake_step_limit && fake.steps - steps_at_entry > fake_step_limit)
		fake_fail("one entry to the core takes more than %llu register accesses", (unsigned long long)fake_step_limit);
}

/* CNTx_CTL with ISTATUS, which does not depend on IMASK. */
static uint64_t timer_control(uint32_t ctl, uint32_t cval)
{
	return fake_now->r[ctl] | ((fake_now->r[ctl] & 1) && fake_now->r[cval] <= fake.time ? BIT(2) : 0);
}

uint64_t fake_reg_read(uint32_t slot)
{
	step();
	if (slot >= R_HOOKED)
		return fake_now->r[slot];
	switch (slot) {
	case R_CNTV_CTL:
		return timer_control(R_CNTV_CTL, R_CNTV_CVAL);
	case R_CNTHP_CTL:
		return timer_control(R_CNTHP_CTL, R_CNTHP_CVAL);
	case R_CNTPCT:
	case R_CNTVCT:
		return fake.time;
	case R_CNTFRQ:
		return FAKE_HZ;
	default:
		return fake_gic_reg_read(fake_now, slot);
	}
}

void fake_reg_write(uint32_t slot, uint64_t v)
{
	step();
	if (slot >= R_HOOKED)
		fake_now->r[slot] = v;
	else if (slot == R_CNTV_CTL || slot == R_CNTHP_CTL)
		fake_now->r[slot] = v & 3;
	else if (slot == R_CNTPCT || slot == R_CNTVCT || slot == R_CNTFRQ)
		fake_fail("write to %s", names[slot]);
	else
		fake_gic_reg_write(fake_now, slot, v);
}

static bool uart_at(uint64_t pa)
{
	return pa - mvp_core_config.debug_uart_pa < 0x1000;
}

uint64_t fake_mmio_read(uint64_t pa, uint32_t width)
{
	step();
	return uart_at(pa) ? 0 : fake_gic_mmio(pa, 0, width, false);
}

void fake_mmio_write(uint64_t pa, uint64_t v, uint32_t width)
{
	step();
	if (!uart_at(pa))
		(void)fake_gic_mmio(pa, v, width, true);
	else if (fake.uart_len < FAKE_UART_LEN)
		fake.uart[fake.uart_len++] = (char)v;
}

void *fake_cpu_local(void)
{
	return (void *)fake_now->r[R_TPIDR_EL2];
}

void fake_op(enum fake_op op, uint64_t arg)
{
	uint64_t vmid = fake_now->r[R_VTTBR] >> 48;

	(void)arg;
	fake.ops[op]++;
	if (op == OP_TLBI_VM_LOCAL && vmid < FAKE_VMIDS)
		fake_now->tlb[vmid] = NULL;
	for (uint32_t i = 0; op == OP_TLBI_VM && vmid < FAKE_VMIDS && i < FAKE_CPUS; i++)
		fake.cpu[i].tlb[vmid] = NULL;
	if (op == OP_TLBI_LOCAL)
		memset(fake_now->tlb, 0, sizeof(fake_now->tlb));
}

void fake_wfi(void)
{
	if (fake_irq_pending((uint32_t)(fake_now - fake.cpu)))
		return;
	fake_now->guest = NULL;
	fake_now->idle = true;
	longjmp(leave, 1);
}

/* What the TLB model knows of the guest that is entered. */
static void enter_tlb(const struct vcpu *v)
{
	uint64_t vmid = fake_now->r[R_VTTBR] >> 48;

	if (!vmid || vmid >= FAKE_VMIDS)
		fake_fail("VMID %u", (unsigned)vmid);
	if (fake_now->tlb[vmid] && fake_now->tlb[vmid] != v)
		fake_fail("another vCPU of the domain left entries in the TLB");
	fake_now->tlb[vmid] = v;
}

void enter_guest(struct vcpu *v)
{
	if (fake_now->acked != FAKE_NONE)
		fake_fail("a guest is entered while the priority of interrupt %u is raised", fake_now->acked);
	fake_now->guest = v;
	fake_now->idle = false;
	enter_tlb(v);
	fake_check_lrs(fake_now);
	longjmp(leave, 1);
}

void fp_save(struct fp_regs *fp)
{
	memcpy(fp, fake_now->fp, sizeof(fake_now->fp));
}

void fp_load(const struct fp_regs *fp)
{
	memcpy(fake_now->fp, fp, sizeof(fake_now->fp));
}

/* ---- the window (mmu.c is about the real address space) ---- */

static char window[MVP_BLOCK_SIZE];

void *window_map(paddr_t pa)
{
	if (fake.window_pa != ~0ull)
		fake_fail("the window is mapped twice");
	fake.window_pa = pa.v & ~((uint64_t)MVP_BLOCK_SIZE - 1);
	return window + (pa.v & (MVP_BLOCK_SIZE - 1));
}

void window_unmap(void)
{
	if (fake.window_pa == ~0ull)
		fake_fail("the window is not mapped");
	fake.window_pa = ~0ull;
}

void fake_zero(void *p, uint64_t len)
{
	uint64_t at = (uint64_t)((char *)p - window);

	if (fake.window_pa == ~0ull || at > MVP_BLOCK_SIZE || len > MVP_BLOCK_SIZE - at)
		fake_fail("zeroes outside the window");
	fake.zeroed_pa = fake.window_pa + at;
}

/* ---- running ---- */

static void start_cpu(uint32_t i, struct pcpu *p)
{
	struct fake_cpu *c = &fake.cpu[i];
	struct fake_cpu *caller = fake_now;
	jmp_buf outer;

	memcpy(&outer, &leave, sizeof(outer));
	fake_now = c;
	c->on = true;
	c->r[R_TPIDR_EL2] = (uint64_t)p;
	if (!_setjmp(leave)) {
		if (p == &pcpus[0])
			core_main();
		else
			core_secondary(p);
		fake_fail("the core returned");
	}
	memcpy(&leave, &outer, sizeof(leave));
	fake_now = caller;
}

static void psci_cpu_on(uint64_t r[4])
{
	for (uint32_t i = 0; i < FAKE_CPUS; i++) {
		if ((fake.cpu[i].r[R_MPIDR] & 0xff00ffffffull) != r[1] || fake.cpu[i].on)
			continue;
		start_cpu(i, (struct pcpu *)r[3]); /* comes back when it waits for the vault of CPU 0 */
		r[0] = 0;
		return;
	}
	r[0] = (uint64_t)-2;
}

void fake_smc(uint64_t r[4])
{
	fake.smcs++;
	switch ((uint32_t)r[0]) {
	case 0xc4000003:
		psci_cpu_on(r);
		return;
	case 0x84000008:
	case 0x84000009:
		if (!fake_power_off)
			fake_fail("the core gives up");
		longjmp(*fake_power_off, 1);
	default:
		if (fake_smc_hook)
			fake_smc_hook(r);
		else
			r[0] = (uint64_t)-1;
	}
}

void fake_boot(void)
{
	memset(&fake, 0, sizeof(fake));
	memset(pcpus, 0, sizeof(pcpus));
	memset(vms, 0, sizeof(vms));
	fake_pt_reset();
	pcpus_online = 0;
	vault_ready = false;
	init_names();
	fake.window_pa = ~0ull;
	fake.time = 1000000;
	for (uint32_t i = 0; i < FAKE_CPUS; i++) {
		struct fake_cpu *c = &fake.cpu[i];

		/* Reset values are unknown on hardware: what the core does not write must not matter. */
		for (uint32_t k = R_HOOKED; k < FAKE_REGS; k++)
			c->r[k] = 0xa5a5a5a5a5a5a5a5ull;
		c->r[R_MPIDR] = BIT(31) | i;
		c->acked = FAKE_NONE;
		c->waker = 6;
		fake_set(i, "id_aa64pfr0_el1", 0x1011000011); /* no AArch32 but EL0 to EL2; SIMD and FP, GICv3 */
		fake_set(i, "id_aa64dfr0_el1", 0x10305106);
		fake_set(i, "id_aa64mmfr0_el1", 0x1124);
	}
	start_cpu(0, &pcpus[0]);
}

void fake_trap(uint32_t cpu, uint32_t kind)
{
	struct fake_cpu *c = &fake.cpu[cpu];

	steps_at_entry = fake.steps;
	fake_now = c;
	fake_trapped = c->idle ? NULL : c->guest;
	if (_setjmp(leave))
		return;
	if (!c->idle)
		enter_guest(trap(c->guest, kind));
	/* The core's idle loop goes on: the same as what it does after its WFI (sched.c), or at its start (main.c). */
	struct pcpu *p = fake_cpu_local();
	if (!p->vault || !p->vault->home)
		core_secondary(p);
	irq_handle(p);
	enter_guest(sched_next(p));
}

void fake_sync(uint32_t cpu, uint64_t esr, uint64_t far, uint64_t hpfar)
{
	fake.cpu[cpu].r[R_ESR_EL2] = esr;
	fake.cpu[cpu].r[R_FAR_EL2] = far;
	fake.cpu[cpu].r[R_HPFAR_EL2] = hpfar;
	fake_trap(cpu, FAKE_TRAP_SYNC);
}

void fake_run_irqs(uint32_t cpu)
{
	for (int i = 0; fake.cpu[cpu].on && fake_irq_pending(cpu); i++) {
		if (i == 64)
			fake_fail("interrupts without an end: %u is pending still", fake_gic_highest(&fake.cpu[cpu]));
		fake_trap(cpu, FAKE_TRAP_IRQ);
	}
}

bool fake_irq_pending(uint32_t cpu)
{
	return fake_gic_highest(&fake.cpu[cpu]) != FAKE_NONE;
}

uint64_t fake_next_timer(uint32_t cpu)
{
	const struct fake_cpu *c = &fake.cpu[cpu];
	uint64_t at = UINT64_MAX;

	if ((c->r[R_CNTHP_CTL] & 3) == 1)
		at = c->r[R_CNTHP_CVAL];
	if ((c->r[R_CNTV_CTL] & 3) == 1 && !(c->local.active & BIT(27)) && c->r[R_CNTV_CVAL] < at)
		at = c->r[R_CNTV_CVAL];
	return at;
}

uint64_t fake_get(uint32_t cpu, const char *name)
{
	return fake.cpu[cpu].r[fake_slot(name)];
}

void fake_set(uint32_t cpu, const char *name, uint64_t v)
{
	fake.cpu[cpu].r[fake_slot(name)] = v;
}
