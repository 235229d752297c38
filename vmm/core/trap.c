/* Exceptions from EL1 and EL0: one table by exception class; what a handler does not know becomes an exception inside the guest. Nothing a
 * guest does stops a CPU. */
#include "arch.h"
#include "cpu.h"
#include "measure.h"

enum { TRAP_SYNC, TRAP_IRQ, TRAP_SERROR };
enum result { HANDLED, UNDEFINED, GONE }; /* go on with the vCPU; undefined instruction; the vCPU does not go on now */

#define ESR_EC(esr) ((uint32_t)((esr) >> 26) & 0x3f)
#define ESR_ISS(esr) ((uint32_t)(esr)&0x1ffffff)
#define ESR_IL BIT(25)
#define EC_UNKNOWN 0x00ull
#define EC_IABT_LOWER 0x20ull
#define EC_IABT_SAME 0x21ull
#define EC_DABT_LOWER 0x24ull
#define EC_DABT_SAME 0x25ull
#define FSC_EXTERNAL 0x10ull
#define PSTATE_EL1H_MASKED 0x3c5
#define PSTATE_SSBS BIT(12)
#define PSTATE_PAN BIT(22)
#define PSTATE_KEPT (0xfull << 28 | BIT(24) | PSTATE_PAN) /* NZCV, DIT, PAN */
#define SCTLR_SPAN BIT(23)                                /* RES1 on a CPU without PAN */
#define SCTLR_DSSBS BIT(44)                               /* RES0 on a CPU without SSBS */
#define PSTATE_MODE_MASK 0x1full
#define MODE_EL0 0x0
#define MODE_EL1T 0x4
#define MODE_EL1H 0x5

struct vcpu *trap(struct vcpu *v, uint32_t kind);
void core_exception(uint64_t esr, uint64_t elr, uint64_t far);

/* Takes an exception to the guest's EL1 as the hardware would (DDI 0487, D1.3.1); the guest's EL1 registers are on the CPU. */
static void enter_el1(struct vcpu *v, uint64_t esr)
{
	uint64_t mode = v->regs.pstate & PSTATE_MODE_MASK, sctlr = sysreg_read(sctlr_el1);
	uint64_t vector = mode == MODE_EL1T ? 0x000 : mode == MODE_EL1H ? 0x200 : mode == MODE_EL0 ? 0x400 : 0x600;

	sysreg_write(esr_el1, esr);
	sysreg_write(elr_el1, v->regs.pc);
	sysreg_write(spsr_el1, v->regs.pstate);
	v->regs.pc = sysreg_read(vbar_el1) + vector;
	v->regs.pstate = (v->regs.pstate & PSTATE_KEPT) | PSTATE_EL1H_MASKED;
	if (!(sctlr & SCTLR_SPAN))
		v->regs.pstate |= PSTATE_PAN;
	if (sctlr & SCTLR_DSSBS)
		v->regs.pstate |= PSTATE_SSBS;
}

void inject_undef(struct vcpu *v)
{
	enter_el1(v, EC_UNKNOWN << 26 | ESR_IL);
}

void inject_abort(struct vcpu *v, uint64_t far, bool instruction)
{
	bool same = (v->regs.pstate & PSTATE_MODE_MASK) == MODE_EL1H || (v->regs.pstate & PSTATE_MODE_MASK) == MODE_EL1T;
	uint64_t ec = instruction ? (same ? EC_IABT_SAME : EC_IABT_LOWER) : (same ? EC_DABT_SAME : EC_DABT_LOWER);

	sysreg_write(far_el1, far);
	enter_el1(v, ec << 26 | ESR_IL | FSC_EXTERNAL);
}

static enum result on_wfx(struct pcpu *p, struct vcpu *v, uint64_t esr)
{
	(void)p;
	v->regs.pc += 4;
	if (is_vault(v) || (esr & 1)) /* WFE is not trapped; were it, it is a hint */
		return HANDLED;
	vcpu_block(v);
	return GONE;
}

static enum result on_fp(struct pcpu *p, struct vcpu *v, uint64_t esr)
{
	(void)esr;
	fp_claim(p, v);
	return HANDLED;
}

static enum result on_call(struct pcpu *p, struct vcpu *v, uint64_t esr)
{
	if (is_vault(v)) /* its HVCs took the short way in trap(); SMC is not for it */
		return UNDEFINED;
	if (ESR_EC(esr) == 0x17) /* SMC: the saved PC is the instruction itself */
		v->regs.pc += 4;
	return psci_call(p, v) ? HANDLED : GONE;
}

static enum result on_sysreg(struct pcpu *p, struct vcpu *v, uint64_t esr)
{
	return sysreg_access(p, v, ESR_ISS(esr)) ? HANDLED : UNDEFINED;
}

static enum result on_instruction_abort(struct pcpu *p, struct vcpu *v, uint64_t esr)
{
	(void)p;
	(void)esr;
	inject_abort(v, sysreg_read(far_el2), true);
	return HANDLED;
}

static uint64_t register_value(const struct vcpu *v, uint32_t reg, uint32_t log2_width)
{
	uint64_t val = reg < 31 ? v->regs.x[reg] : 0;

	return log2_width == 3 ? val : val & (BIT(8u << log2_width) - 1);
}

/* The GIC is part of the core: interrupts must not depend on the vault. */
static void gic_access(struct vcpu *v, bool dist, uint32_t off)
{
	struct ioreq *r = &v->ioreq;
	struct vgic *g = &v->vm->gic;
	uint32_t width = 1u << r->log2_width;

	if (vgic_needs_fold(off & 0xffff))
		vgic_save(v);
	if (r->write)
		vgic_write(g, dist, off, width, r->value);
	ioreq_finish(v, r->write ? 0 : vgic_read(g, dist, off, width));
	sched_kicked(v->vm);
}

static enum result on_data_abort(struct pcpu *p, struct vcpu *v, uint64_t esr)
{
	uint32_t iss = ESR_ISS(esr);
	uint64_t far = sysreg_read(far_el2);
	bool translation = (iss & 0x3c) == 0x04; /* HPFAR_EL2 is valid for these; permission faults do not happen: RAM is RWX */

	if (iss & BIT(8)) { /* cache maintenance by address outside RAM: nothing there to maintain */
		v->regs.pc += 4;
		return HANDLED;
	}
	if (is_vault(v) || !translation || (iss & BIT(7)) ||
	    !(iss & BIT(24))) { /* S1PTW; no instruction syndrome (pairs, exclusives, SIMD) */
		inject_abort(v, far, false);
		return HANDLED;
	}
	struct ioreq *r = &v->ioreq;
	r->ipa = (sysreg_read(hpfar_el2) & 0xffffffffff0ull) << 8 | (far & 0xfff);
	r->log2_width = iss >> 22 & 3;
	r->sign_extend = iss >> 21 & 1;
	r->reg = iss >> 16 & 0x1f;
	r->reg64 = iss >> 15 & 1;
	r->write = iss >> 6 & 1;
	r->value = r->write ? register_value(v, r->reg, r->log2_width) : 0;
	if (r->ipa & ((1u << r->log2_width) - 1)) {
		inject_abort(v, far, false);
	} else if (r->ipa - MVP_GUEST_GICD < MVP_GUEST_GICD_SIZE) {
		gic_access(v, true, (uint32_t)(r->ipa - MVP_GUEST_GICD));
	} else if (r->ipa - MVP_GUEST_GICR < (uint64_t)MVP_GUEST_GICR_STRIDE * v->vm->vcpus) {
		gic_access(v, false, (uint32_t)(r->ipa - MVP_GUEST_GICR));
	} else if (r->ipa >= MVP_GUEST_IO && r->ipa < MVP_GUEST_IO_END) {
		vault_ioreq(p, v);
		return GONE;
	} else {
		inject_abort(v, far, false);
	}
	return HANDLED;
}

/* By exception class (DDI 0487, ESR_EL2.EC); those not listed are undefined instructions for the guest. */
static enum result (*const handlers[64])(struct pcpu *p, struct vcpu *v, uint64_t esr) = {
	[0x01] = on_wfx,        [0x07] = on_fp,
	[0x16] = on_call, /* HVC */
	[0x17] = on_call, /* SMC */
	[0x18] = on_sysreg,     [0x20] = on_instruction_abort,
	[0x24] = on_data_abort,
};

/* v's EL1 context is on the CPU: goes on with it, unless something more urgent has come up. */
static struct vcpu *resume(struct pcpu *p, struct vcpu *v)
{
	if (is_vault(v)) /* runs until it waits */
		return v;
	if (p->resched || __atomic_load_n(&v->vm->stopping, __ATOMIC_RELAXED))
		return sched_next(p);
	if (vault_pending(p))
		return vault_deliver(p);
	vgic_sync(v);
	return v;
}

static struct vcpu *on_sync(struct pcpu *p, struct vcpu *v)
{
	uint64_t esr = sysreg_read(esr_el2);

	if (is_vault(v) && ESR_EC(esr) == 0x16) {
		uint32_t number = v->regs.x[0] & 0xf;

		v = vault_hypercall(p, v);
		measure_end(p, MEASURE_HC + number);
		return v;
	}
	enum result (*handler)(struct pcpu *, struct vcpu *, uint64_t) = handlers[ESR_EC(esr)];
	enum result r = handler ? handler(p, v, esr) : UNDEFINED;
	if (r == UNDEFINED)
		inject_undef(v);
	v = r != GONE ? resume(p, v) : p->client == v ? p->vault : sched_next(p);
	measure_end(p, ESR_EC(esr));
	return v;
}

struct vcpu *trap(struct vcpu *v, uint32_t kind)
{
	struct pcpu *p = this_cpu();

	measure_begin(p);
	if (kind == TRAP_SYNC)
		return on_sync(p, v);
	if (kind == TRAP_IRQ) {
		irq_handle(p);
	} else { /* an SError taken while a guest ran is that guest's */
		if (is_vault(v))
			core_panic("SError in the vault", sysreg_read(esr_el2));
		inject_abort(v, 0, false);
	}
	v = resume(p, v);
	measure_end(p, kind == TRAP_IRQ ? MEASURE_IRQ : MEASURE_SERROR);
	return v;
}

void core_exception(uint64_t esr, uint64_t elr, uint64_t far)
{
	put_line("exception in the core, syndrome", esr);
	put_line("address", far);
	core_panic("at", elr);
}
