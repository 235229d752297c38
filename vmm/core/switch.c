/* Putting vCPUs on a physical CPU and taking them off. Three kinds of state move separately, each only when it has to: the EL1 context
 * (switch_to), a persona's timer and list registers (load_persona; they stay while the vault answers for it), and FP/SIMD (fp_claim). */
#include "arch.h"
#include "cpu.h"
#include "hcr.h"

void fp_save(struct fp_regs *fp);
void fp_load(const struct fp_regs *fp);

#define SCTLR_EL1_RESET 0x30d00800 /* MMU and caches off, RES1 bits */
#define PSTATE_EL1H_MASKED 0x3c5

void vcpu_reset(struct vcpu *v, uint64_t entry, uint64_t x0)
{
	struct pcpu *p = v->home;

	fp_drop(p, v);
	if (p->loaded == v)
		load_persona(p, NULL);
	v->regs = (struct regs){ .x = { x0 }, .pc = entry, .pstate = PSTATE_EL1H_MASKED };
	v->el1 = (struct el1_regs){ .sctlr = SCTLR_EL1_RESET };
	v->fp = (struct fp_regs){ 0 };
	v->cntv_ctl = 0;
	v->cntv_cval = 0;
	v->cntp_ctl = 0;
	v->flush_at = 0;
	v->ich_vmcr = 0;
	for (int i = 0; i < 4; i++)
		v->ich_ap0r[i] = v->ich_ap1r[i] = 0;
	if (p->last[v->vm->id] == v) /* its stale TLB entries go when it runs again */
		p->last[v->vm->id] = NULL;
	if (p->cur == v) /* its registers on the CPU are not worth saving */
		p->cur = NULL;
}

static void el1_save(struct el1_regs *r)
{
	r->sctlr = sysreg_read(sctlr_el1);
	r->cpacr = sysreg_read(cpacr_el1);
	r->ttbr0 = sysreg_read(ttbr0_el1);
	r->ttbr1 = sysreg_read(ttbr1_el1);
	r->tcr = sysreg_read(tcr_el1);
	r->esr = sysreg_read(esr_el1);
	r->afsr0 = sysreg_read(afsr0_el1);
	r->afsr1 = sysreg_read(afsr1_el1);
	r->far = sysreg_read(far_el1);
	r->mair = sysreg_read(mair_el1);
	r->vbar = sysreg_read(vbar_el1);
	r->contextidr = sysreg_read(contextidr_el1);
	r->amair = sysreg_read(amair_el1);
	r->cntkctl = sysreg_read(cntkctl_el1);
	r->par = sysreg_read(par_el1);
	r->tpidr_el0 = sysreg_read(tpidr_el0);
	r->tpidrro = sysreg_read(tpidrro_el0);
	r->tpidr_el1 = sysreg_read(tpidr_el1);
	r->sp_el0 = sysreg_read(sp_el0);
	r->sp_el1 = sysreg_read(sp_el1);
	r->elr = sysreg_read(elr_el1);
	r->spsr = sysreg_read(spsr_el1);
	r->csselr = sysreg_read(csselr_el1);
}

static void el1_load(const struct el1_regs *r)
{
	sysreg_write(cpacr_el1, r->cpacr);
	sysreg_write(ttbr0_el1, r->ttbr0);
	sysreg_write(ttbr1_el1, r->ttbr1);
	sysreg_write(esr_el1, r->esr);
	sysreg_write(afsr0_el1, r->afsr0);
	sysreg_write(afsr1_el1, r->afsr1);
	sysreg_write(far_el1, r->far);
	sysreg_write(mair_el1, r->mair);
	sysreg_write(vbar_el1, r->vbar);
	sysreg_write(contextidr_el1, r->contextidr);
	sysreg_write(amair_el1, r->amair);
	sysreg_write(cntkctl_el1, r->cntkctl);
	sysreg_write(par_el1, r->par);
	sysreg_write(tpidr_el0, r->tpidr_el0);
	sysreg_write(tpidrro_el0, r->tpidrro);
	sysreg_write(tpidr_el1, r->tpidr_el1);
	sysreg_write(sp_el0, r->sp_el0);
	sysreg_write(sp_el1, r->sp_el1);
	sysreg_write(elr_el1, r->elr);
	sysreg_write(spsr_el1, r->spsr);
	sysreg_write(csselr_el1, r->csselr);
	/* Cortex-A57/A72 erratum 1319537: the walk controls come back only once stage 2 is this domain's. */
	isb();
	sysreg_write(sctlr_el1, r->sctlr);
	sysreg_write(tcr_el1, r->tcr);
}

static void fp_trap(bool on)
{
	sysreg_write(cptr_el2, on ? CPTR_GUEST | CPTR_TFP : CPTR_GUEST);
}

void switch_to(struct pcpu *p, struct vcpu *next)
{
	if (p->cur == next)
		return;
	if (p->cur)
		el1_save(&p->cur->el1);
	dsb(ish); /* a guest's own barrier on the next CPU must not have to complete accesses of this one */
	sysreg_write(vttbr_el2, next->vm->vttbr);
	sysreg_write(vmpidr_el2, BIT(31) | next->index);
	isb();
	if (p->last[next->vm->id] != next) {
		/* Another vCPU of the domain ran here, with other tables under the same VMID and ASIDs: its entries must not be hit. */
		if (p->last[next->vm->id] || !is_vault(next))
			tlb_flush_vm_local();
		p->last[next->vm->id] = next;
	}
	el1_load(&next->el1);
	if (sysreg_read(id_aa64pfr1_el1) >> 24 & 0xf) /* SME is hidden, but without fine-grained traps not this register of it */
		sysreg_write(S3_3_C13_C0_5, 0);       /* TPIDR2_EL0 */
	if (sysreg_read(id_aa64pfr0_el1) >> 28 & 0xf) /* nor this one of RAS, for which there is no trap */
		sysreg_write(S3_4_C12_C1_1, 0);       /* VDISR_EL2: the guest's DISR_EL1 */
	fp_trap(p->fp_owner != next);
	p->cur = next;
	isb();
}

void fp_claim(struct pcpu *p, struct vcpu *v)
{
	fp_trap(false);
	isb();
	if (p->fp_owner == v)
		return;
	if (p->fp_owner)
		fp_save(&p->fp_owner->fp);
	fp_load(&v->fp);
	p->fp_owner = v;
}

void fp_drop(struct pcpu *p, struct vcpu *v)
{
	if (p->fp_owner == v)
		p->fp_owner = NULL;
}

/* ---- timer and list registers ---- */

static uint64_t lr_read(uint32_t n)
{
#define LR_CASE(i, reg) \
	case i: \
		return sysreg_read(reg)
	switch (n) {
		LR_CASE(0, S3_4_C12_C12_0);
		LR_CASE(1, S3_4_C12_C12_1);
		LR_CASE(2, S3_4_C12_C12_2);
		LR_CASE(3, S3_4_C12_C12_3);
		LR_CASE(4, S3_4_C12_C12_4);
		LR_CASE(5, S3_4_C12_C12_5);
		LR_CASE(6, S3_4_C12_C12_6);
		LR_CASE(7, S3_4_C12_C12_7);
	default:
		return 0;
	}
#undef LR_CASE
}

static void lr_write(uint32_t n, uint64_t v)
{
#define LR_CASE(i, reg) \
	case i: \
		sysreg_write(reg, v); \
		break
	switch (n) {
		LR_CASE(0, S3_4_C12_C12_0);
		LR_CASE(1, S3_4_C12_C12_1);
		LR_CASE(2, S3_4_C12_C12_2);
		LR_CASE(3, S3_4_C12_C12_3);
		LR_CASE(4, S3_4_C12_C12_4);
		LR_CASE(5, S3_4_C12_C12_5);
		LR_CASE(6, S3_4_C12_C12_6);
		LR_CASE(7, S3_4_C12_C12_7);
	default:
		break;
	}
#undef LR_CASE
}

/* ICH_HCR_EL2: maintenance when no list register is pending, and for the end of an interrupt that is in none. NPIE is set only when one is
 * pending, so that it cannot come again at once. */
enum { HCR_EN = 1, HCR_LRENPIE = 1 << 2, HCR_NPIE = 1 << 3, HCR_TDIR = 1 << 14, HCR_EOI_COUNT_AT = 27 };

/* CPU -> memory, without interpreting. Lock held. */
static void lrs_save_locked(struct vgic_cpu *c)
{
	if (c->in_memory)
		return;
	for (uint32_t used = c->lr_used; used; used &= used - 1) {
		uint32_t i = (uint32_t)__builtin_ctz(used);

		c->lr[i] = lr_read(i);
	}
	c->eoi_count = sysreg_read_x(ICH_HCR_EL2) >> HCR_EOI_COUNT_AT & 0x1f;
	c->in_memory = true;
}

static void lrs_load_locked(struct pcpu *p, struct vgic_cpu *c)
{
	for (uint32_t used = c->lr_used | p->lrs_written; used; used &= used - 1) {
		uint32_t i = (uint32_t)__builtin_ctz(used);

		lr_write(i, c->lr_used & (1u << i) ? c->lr[i] : 0);
	}
	p->lrs_written = c->lr_used;
	sysreg_write_x(ICH_HCR_EL2, HCR_EN | (c->overflow ? HCR_NPIE : 0) | (c->spilled ? HCR_LRENPIE | HCR_TDIR : 0));
	c->in_memory = false;
}

static void fold_locked(struct vcpu *v)
{
	struct vgic *g = &v->vm->gic;
	struct vgic_cpu *c = &g->cpu[v->index];

	lrs_save_locked(c);
	if (c->local.tied)
		c->vtimer_low = (sysreg_read(cntv_ctl_el0) & (CNT_ENABLE | CNT_IMASK | CNT_ISTATUS)) != (CNT_ENABLE | CNT_ISTATUS);
	vgic_fold_locked(g, v->index);
	if (c->release_vtimer) {
		c->release_vtimer = false;
		irq_vtimer_active(v->home, false);
	}
}

void vgic_sync(struct vcpu *v)
{
	struct vgic *g = &v->vm->gic;
	struct vgic_cpu *c = &g->cpu[v->index];

	if (!__atomic_load_n(&c->dirty, __ATOMIC_ACQUIRE) && !c->in_memory)
		return;
	spin_lock(&g->lock);
	fold_locked(v);
	vgic_flush_locked(g, v->index);
	lrs_load_locked(v->home, c);
	spin_unlock(&g->lock);
	sched_kicked(v->vm);  /* something may have been rerouted */
	if (v->home->resched) /* to one that slept here, after the look at that: v is left again at once */
		irq_send_kick(v->home, true);
}

void vgic_save(struct vcpu *v)
{
	struct vgic *g = &v->vm->gic;

	spin_lock(&g->lock);
	fold_locked(v);
	spin_unlock(&g->lock);
}

/* How many of the active priority registers exist: one per 32 preemption levels (IHI 0069, ICH_AP1R<n>_EL2). */
static uint32_t apr_count(void)
{
	return 1u << ((sysreg_read_x(ICH_VTR_EL2) >> 26 & 7) - 4);
}

static void aprs_save(struct vcpu *v)
{
	uint32_t n = apr_count();

	v->ich_vmcr = sysreg_read_x(ICH_VMCR_EL2);
	v->ich_ap0r[0] = sysreg_read_x(ICH_AP0R0_EL2);
	v->ich_ap1r[0] = sysreg_read_x(ICH_AP1R0_EL2);
	if (n >= 2) {
		v->ich_ap0r[1] = sysreg_read_x(ICH_AP0R1_EL2);
		v->ich_ap1r[1] = sysreg_read_x(ICH_AP1R1_EL2);
	}
	if (n >= 4) {
		v->ich_ap0r[2] = sysreg_read_x(ICH_AP0R2_EL2);
		v->ich_ap1r[2] = sysreg_read_x(ICH_AP1R2_EL2);
		v->ich_ap0r[3] = sysreg_read_x(ICH_AP0R3_EL2);
		v->ich_ap1r[3] = sysreg_read_x(ICH_AP1R3_EL2);
	}
}

static void aprs_load(const struct vcpu *v)
{
	uint32_t n = apr_count();

	sysreg_write_x(ICH_VMCR_EL2, v->ich_vmcr);
	sysreg_write_x(ICH_AP0R0_EL2, v->ich_ap0r[0]);
	sysreg_write_x(ICH_AP1R0_EL2, v->ich_ap1r[0]);
	if (n >= 2) {
		sysreg_write_x(ICH_AP0R1_EL2, v->ich_ap0r[1]);
		sysreg_write_x(ICH_AP1R1_EL2, v->ich_ap1r[1]);
	}
	if (n >= 4) {
		sysreg_write_x(ICH_AP0R2_EL2, v->ich_ap0r[2]);
		sysreg_write_x(ICH_AP1R2_EL2, v->ich_ap1r[2]);
		sysreg_write_x(ICH_AP0R3_EL2, v->ich_ap0r[3]);
		sysreg_write_x(ICH_AP1R3_EL2, v->ich_ap1r[3]);
	}
}

/* Whether the physical interrupt of its virtual timer stands active. */
static bool vtimer_held(const struct vcpu *v)
{
	return v && v->vm->gic.cpu[v->index].local.tied;
}

void load_persona(struct pcpu *p, struct vcpu *v)
{
	struct vcpu *old = p->loaded;

	if (old == v)
		return;
	if (old) {
		vgic_save(old);
		aprs_save(old);
		old->cntv_ctl = sysreg_read(cntv_ctl_el0);
		old->cntv_cval = sysreg_read(cntv_cval_el0);
		sysreg_write(cntv_ctl_el0, 0);
	}
	sysreg_write_x(ICH_HCR_EL2, 0);
	isb(); /* the timer is off before its interrupt's active state changes hands */
	p->loaded = v;
	if (vtimer_held(old) != vtimer_held(v))
		irq_vtimer_active(p, vtimer_held(v));
	if (!v)
		return;
	sysreg_write(cntv_cval_el0, v->cntv_cval);
	sysreg_write(cntv_ctl_el0, v->cntv_ctl);
	isb();
	aprs_load(v);
	__atomic_store_n(&v->vm->gic.cpu[v->index].dirty, true, __ATOMIC_RELAXED);
	vgic_sync(v);
}

static bool fires(uint64_t ctl)
{
	return (ctl & (CNT_ENABLE | CNT_IMASK)) == CNT_ENABLE;
}

uint64_t timer_next(const struct vcpu *v)
{
	bool raised = v->vm->gic.cpu[v->index].local.line & 1u << MVP_GUEST_PTIMER_INTID;
	uint64_t at = fires(v->cntp_ctl) && !raised ? v->cntp_cval : UINT64_MAX;

	/* While it is loaded its virtual timer fires by itself; so it has, once its interrupt stands active. */
	if (v->home->loaded != v && fires(v->cntv_ctl) && !vtimer_held(v) && v->cntv_cval < at)
		at = v->cntv_cval;
	return at;
}

void ptimer_update(struct vcpu *v)
{
	vgic_line(&v->vm->gic, v->index, MVP_GUEST_PTIMER_INTID, fires(v->cntp_ctl) && v->cntp_cval <= now());
	sched_kicked(v->vm);
}
