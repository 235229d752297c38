#include "check.h"

#include <string.h>

#include "drive.h"

/* What a vCPU left in its registers when it ran last. */
struct shadow {
	struct regs regs;
	uint64_t el1[FAKE_EL1];
	uint64_t fp[66];
	uint64_t ctl, cval, vmcr, ap0r[4], ap1r[4];
	struct ioreq ioreq;
	bool on;       /* the rest is valid */
	bool ioreq_on; /* the vault has its access, or (random) its call for random numbers */
	bool random;
	bool waiting; /* a vault's vCPU: it waits */
	/* An exception was injected since it ran: ESR and FAR are new, ELR and SPSR these. It may have been if where it would go is where
	 * the guest was. */
	bool injected, maybe_injected;
	uint64_t elr, spsr;
};

static struct shadow shadows[VM_COUNT][MVP_MAX_VCPUS];
uint64_t check_longest;

/* Controls that keep a guest in (DDI 0487, D19.2): VM, SWIO, FMO, IMO, AMO, TID3, TSC, TIDCP, TACR, RW, TLOR; and those that would let
 * it out: TGE, HCD, E2H, DC, ID, CD, APK, API, NV, ATA, TERR's neighbours stay as they are. */
#define HCR_MUST (BIT(0) | BIT(1) | BIT(3) | BIT(4) | BIT(5) | BIT(18) | BIT(19) | BIT(20) | BIT(21) | BIT(31) | BIT(35))
#define HCR_MUST_NOT \
	(BIT(6) | BIT(7) | BIT(8) | BIT(12) | BIT(27) | BIT(29) | BIT(32) | BIT(33) | BIT(34) | BIT(40) | BIT(41) | BIT(42) | BIT(56))
#define CPTR_MUST (BIT(8) | BIT(12) | BIT(20) | BIT(30) | 0x22ff)
#define MDCR_MUST (BIT(5) | BIT(6) | BIT(9) | BIT(10) | BIT(11) | BIT(14) | BIT(19))

static struct shadow *shadow_of(const struct vcpu *v)
{
	return &shadows[v->vm->id][v->index];
}

static bool runs(const struct vcpu *v)
{
	return v->state != VCPU_OFF && v->state != VCPU_CLAIMED && v->state != VCPU_ON_PENDING;
}

static uint32_t cpu_of(const struct vcpu *v)
{
	return (uint32_t)(v->home - pcpus);
}

void check_before(uint32_t cpu)
{
	struct fake_cpu *c = &fake.cpu[cpu];
	const struct vcpu *v = c->guest;

	if (!v)
		return;
	struct shadow *s = shadow_of(v);
	s->regs = v->regs;
	memcpy(s->el1, &c->r[R_EL1], sizeof(s->el1));
	if (!(c->r[R_CPTR] & BIT(10)))
		memcpy(s->fp, c->fp, sizeof(s->fp));
	if (is_vault(v))
		return;
	s->ctl = c->r[R_CNTV_CTL] & 3;
	s->cval = c->r[R_CNTV_CVAL];
	s->vmcr = c->r[R_ICH_VMCR];
	memcpy(s->ap0r, &c->r[R_ICH_AP0R0], sizeof(s->ap0r));
	memcpy(s->ap1r, &c->r[R_ICH_AP1R0], sizeof(s->ap1r));
}

/* The warm reset state that PSCI CPU_ON and a boot give (DEN 0022, 6.4; what is UNKNOWN after reset must be nobody else's: zero). */
static void expect_reset(const struct vcpu *v, struct shadow *s)
{
	memset(s, 0, sizeof(*s));
	s->on = true;
	s->regs.x[0] = v->on_context;
	s->regs.pc = v->on_entry;
	s->regs.pstate = 0x3c5;
	s->el1[0] = 0x30d00800;
	if (memcmp(&s->regs, &v->regs, sizeof(s->regs)))
		fake_fail("vCPU %u of domain %u starts with other registers than its reset state", v->index, v->vm->id);
}

/* Which general registers the trap may change in the guest that trapped; pc_step: it may be stepped over. */
static uint32_t may_change(const struct vcpu *v, uint32_t kind, uint64_t esr, bool *ret_pc_step)
{
	*ret_pc_step = false;
	if (kind != FAKE_TRAP_SYNC)
		return 0;
	switch (esr >> 26 & 0x3f) {
	case EC_WFX:
		*ret_pc_step = true;
		return 0;
	case EC_HVC:
		return is_vault(v) ? 0x1f : 0xf;
	case EC_SMC:
		*ret_pc_step = true;
		return is_vault(v) ? 0 : 0xf;
	case EC_SYSREG:
		*ret_pc_step = true;
		return esr & 1 ? 1u << (esr >> 5 & 0x1f) : 0;
	case EC_DABT:
		*ret_pc_step = true;
		return (esr & BIT(24)) && !(esr & BIT(6)) ? 1u << (esr >> 16 & 0x1f) : 0;
	default:
		return 0;
	}
}

static bool injected(const struct shadow *s, const struct regs *r)
{
	uint64_t mode = s->regs.pstate & 0x1f;
	uint64_t vector = mode == 4 ? 0 : mode == 5 ? 0x200 : mode == 0 ? 0x400 : 0x600;

	if ((r->pstate & 0x3df) != 0x3c5 || r->pc - s->el1[EL1_VBAR] - vector > 0x180)
		return false;
	return (r->pc - s->el1[EL1_VBAR]) % 0x80 == 0;
}

static void follow_regs(const struct vcpu *v, struct shadow *s, uint32_t change, bool step, bool inject)
{
	const struct regs *r = &v->regs;

	for (uint32_t i = 0; i < 31; i++)
		if (r->x[i] != s->regs.x[i] && !(change & (1u << i)))
			fake_fail("x%u of vCPU %u, domain %u, changed from 0x%llx to 0x%llx", i, v->index, v->vm->id,
				  (unsigned long long)s->regs.x[i], (unsigned long long)r->x[i]);
	bool moved = r->pstate != s->regs.pstate || (r->pc != s->regs.pc && !(step && r->pc == s->regs.pc + 4));
	bool target = inject && injected(s, r);
	if (moved && !target)
		fake_fail("PC of vCPU %u, domain %u, went from 0x%llx to 0x%llx, PSTATE 0x%llx", v->index, v->vm->id,
			  (unsigned long long)s->regs.pc, (unsigned long long)r->pc, (unsigned long long)r->pstate);
	s->injected = target && moved;
	s->maybe_injected = target && !moved;
	s->elr = s->regs.pc;
	s->spsr = s->regs.pstate;
	s->regs = *r;
}

static void follow(struct vcpu *v, const struct vcpu *trapped, uint32_t kind, uint64_t esr)
{
	struct shadow *s = shadow_of(v);
	uint32_t change = 0;
	bool step = false;

	if (!runs(v)) {
		s->on = false;
		return;
	}
	if (!s->on) {
		expect_reset(v, s);
		return;
	}
	if (v == trapped)
		change = may_change(v, kind, esr, &step);
	if (is_vault(v) && s->waiting)
		change |= 0x1f;
	if (s->ioreq_on && v->state != VCPU_IOREQ && s->random) {
		change |= 0xf;
	} else if (s->ioreq_on && v->state != VCPU_IOREQ) {
		change |= s->ioreq.write ? 0 : 1u << s->ioreq.reg;
		if (v->regs.pc != s->regs.pc + 4)
			fake_fail("an access was answered, but its instruction not stepped over");
		step = true;
	}
	/* While the vault has the access nothing of the vCPU may move. */
	if (v->state == VCPU_IOREQ && v == trapped)
		change = 0, step = kind == FAKE_TRAP_SYNC && (esr >> 26 & 0x3f) == EC_SMC;
	if (v == trapped || memcmp(&v->regs, &s->regs, sizeof(s->regs)))
		follow_regs(v, s, change, step, v == trapped && kind != FAKE_TRAP_IRQ);
	s->ioreq_on = v->state == VCPU_IOREQ;
	s->ioreq = v->ioreq;
	s->random = v->random_bits;
	s->waiting = is_vault(v) && v->home && v->home->vault_waiting;
}

/* ---- the CPU that has been in the core ---- */

static void check_controls(const struct fake_cpu *c, const struct vcpu *g)
{
	uint64_t hcr = c->r[R_HCR];

	if ((hcr & HCR_MUST) != HCR_MUST || (hcr & HCR_MUST_NOT))
		fake_fail("HCR_EL2 0x%llx", (unsigned long long)hcr);
	if ((c->r[R_CPTR] & CPTR_MUST) != CPTR_MUST || (c->r[R_CPTR] & BIT(31)))
		fake_fail("CPTR_EL2 0x%llx", (unsigned long long)c->r[R_CPTR]);
	if ((c->r[R_MDCR] & MDCR_MUST) != MDCR_MUST)
		fake_fail("MDCR_EL2 0x%llx", (unsigned long long)c->r[R_MDCR]);
	if ((c->r[R_CNTHCTL] & 3) != 1 || c->r[R_CNTVOFF])
		fake_fail("CNTHCTL_EL2 0x%llx, CNTVOFF_EL2 0x%llx", (unsigned long long)c->r[R_CNTHCTL],
			  (unsigned long long)c->r[R_CNTVOFF]);
	if (c->r[R_VTTBR] != g->vm->vttbr)
		fake_fail("stage 2 of another domain");
	if (c->r[R_VMPIDR] != (BIT(31) | g->index))
		fake_fail("VMPIDR_EL2 0x%llx", (unsigned long long)c->r[R_VMPIDR]);
}

static void check_el1(const struct fake_cpu *c, const struct vcpu *g, struct shadow *s)
{
	for (uint32_t i = 0; i < FAKE_EL1; i++) {
		uint64_t v = c->r[R_EL1 + i];

		if ((s->injected || s->maybe_injected) && (i == EL1_ESR || i == EL1_FAR))
			s->el1[i] = v;
		if (s->injected && (i == EL1_ELR || i == EL1_SPSR))
			s->el1[i] = i == EL1_ELR ? s->elr : s->spsr;
		if (s->maybe_injected && v == (i == EL1_ELR ? s->elr : s->spsr) && (i == EL1_ELR || i == EL1_SPSR))
			s->el1[i] = v;
		if (v != s->el1[i])
			fake_fail("%s of vCPU %u, domain %u: 0x%llx, was 0x%llx", fake_el1_names[i], g->index, g->vm->id,
				  (unsigned long long)v, (unsigned long long)s->el1[i]);
	}
	s->injected = s->maybe_injected = false;
	if (!(c->r[R_CPTR] & BIT(10)) && memcmp(s->fp, c->fp, sizeof(s->fp)))
		fake_fail("FP registers of vCPU %u, domain %u, are not its own", g->index, g->vm->id);
}

static void check_persona_cpu(const struct fake_cpu *c, const struct pcpu *p, const struct vcpu *g, const struct shadow *s)
{
	if (p->loaded != g || g->vm->stopping || p->client)
		fake_fail("a vCPU runs that is not loaded, that stops, or while the vault answers");
	if ((c->r[R_CNTV_CTL] & 3) != s->ctl || c->r[R_CNTV_CVAL] != s->cval)
		fake_fail("the timer of vCPU %u, domain %u, is not its own", g->index, g->vm->id);
	if (c->r[R_ICH_VMCR] != s->vmcr || memcmp(s->ap0r, &c->r[R_ICH_AP0R0], sizeof(s->ap0r)) ||
	    memcmp(s->ap1r, &c->r[R_ICH_AP1R0], sizeof(s->ap1r)))
		fake_fail("the interrupt interface of vCPU %u, domain %u, is not its own", g->index, g->vm->id);
	if (!(c->r[R_ICH_HCR] & BIT(0)))
		fake_fail("a vCPU runs without its interrupt interface");
}

static void check_idle(uint32_t cpu)
{
	const struct pcpu *p = &pcpus[cpu];

	if (fake.cpu[cpu].local.latch & 0xffff) /* it has been rung and wakes */
		return;
	for (uint32_t i = 0; i < p->run_count; i++)
		if (p->run[i]->state == VCPU_READY || p->run[i]->state == VCPU_ON_PENDING || (runs(p->run[i]) && p->run[i]->vm->stopping))
			fake_fail("CPU %u idles though vCPU %u of domain %u could run", cpu, p->run[i]->index, p->run[i]->vm->id);
	if (p->vault_waiting && (vault_pending(p) || p->vault_work))
		fake_fail("CPU %u idles though its vault has something to do", cpu);
}

/* ---- all vCPUs ---- */

static void check_sleeper(struct vcpu *v)
{
	const struct fake_cpu *c = &fake.cpu[cpu_of(v)];
	const struct pcpu *p = v->home;

	if (vgic_has_work(&v->vm->gic, v->index))
		fake_fail("vCPU %u of persona %u sleeps though an interrupt waits", v->index, v->vm->id);
	bool held = (v->vm->gic.cpu[v->index].local.latch | v->vm->gic.cpu[v->index].local.inlr) & BIT(MVP_GUEST_VTIMER_INTID);
	if (p->loaded == v || (v->cntv_ctl & 3) != 1 || held || p->resched || (c->local.latch & 0xffff))
		return;
	if ((c->r[R_CNTHP_CTL] & 3) != 1 || c->r[R_CNTHP_CVAL] > v->cntv_cval)
		fake_fail("vCPU %u of persona %u sleeps and nothing wakes it for its timer", v->index, v->vm->id);
}

static void check_lrs(struct vm *vm)
{
	const struct vgic *g = &vm->gic;
	uint32_t spi[VGIC_SPI_BANKS] = { 0 };

	for (uint32_t i = 0; i < vm->vcpus; i++) {
		const struct vgic_cpu *c = &g->cpu[i];
		uint32_t local = 0;

		if (c->lr_used >> g->lrs)
			fake_fail("list registers in use that do not exist");
		for (uint32_t used = c->lr_used; used; used &= used - 1) {
			uint32_t n = (uint32_t)__builtin_ctz(used), intid = LR_VINTID(c->lr[n]);

			if (intid >= 32 + MVP_GUEST_SPIS)
				fake_fail("INTID %u in a list register", intid);
			uint32_t *seen = intid < 32 ? &local : &spi[intid / 32 - 1];
			if (*seen & (1u << (intid & 31)))
				fake_fail("INTID %u of persona %u in two list registers", intid, vm->id);
			*seen |= 1u << (intid & 31);
			if ((c->lr[n] & LR_HW) && c->lr[n] >> 62 == 3)
				fake_fail("INTID %u pending and active with HW", intid);
		}
		if (local != c->local.inlr)
			fake_fail("vCPU %u: in list registers 0x%x, said to be 0x%x", i, local, c->local.inlr);
	}
	for (uint32_t k = 0; k < VGIC_SPI_BANKS; k++)
		if (spi[k] != g->spi[k].inlr)
			fake_fail("SPI bank %u: in list registers 0x%x, said to be 0x%x", k, spi[k], g->spi[k].inlr);
}

/* An active physical timer interrupt that no virtual one stands for is never deactivated: the timer is dead. */
static void check_vtimer(uint32_t cpu)
{
	const struct vcpu *v = pcpus[cpu].loaded;

	if (!(fake.cpu[cpu].local.active & BIT(MVP_GUEST_VTIMER_INTID)))
		return;
	if (!v)
		fake_fail("the timer interrupt is active and nobody's");
	const struct vgic_bank *b = &v->vm->gic.cpu[v->index].local;
	if (!((b->latch | b->inlr) & BIT(MVP_GUEST_VTIMER_INTID)))
		fake_fail("the timer interrupt of vCPU %u, persona %u, is active for ever", v->index, v->vm->id);
}

void check_after(uint32_t cpu, uint32_t kind, uint64_t esr)
{
	const struct fake_cpu *c = &fake.cpu[cpu];
	const struct pcpu *p = &pcpus[cpu];
	const struct vcpu *g = c->guest;

	for (uint32_t i = 0; i < VM_COUNT; i++) {
		for (uint32_t k = 0; k < vms[i].vcpus; k++)
			if (vms[i].vcpu[k].home)
				follow(&vms[i].vcpu[k], fake_trapped, kind, esr);
		if (i != VM_VAULT && vms[i].vcpus)
			check_lrs(&vms[i]);
	}
	for (uint32_t i = 0; i < mvp_core_config.cpus; i++)
		check_vtimer(i);
	for (uint32_t i = 0; i < VM_VAULT; i++)
		for (uint32_t k = 0; k < vms[i].vcpus; k++)
			if (vms[i].vcpu[k].state == VCPU_BLOCKED)
				check_sleeper(&vms[i].vcpu[k]);
	if (!g) {
		check_idle(cpu);
		return;
	}
	if (g->home != p || p->cur != g || g->state != VCPU_READY)
		fake_fail("vCPU %u of domain %u runs: home %d, current %d, state %u", g->index, g->vm->id, g->home == p, p->cur == g,
			  g->state);
	check_controls(c, g);
	check_el1(c, g, shadow_of(g));
	if (!is_vault(g))
		check_persona_cpu(c, p, g, shadow_of(g));
}

void check_begin(void)
{
	memset(shadows, 0, sizeof(shadows));
	for (uint32_t i = 0; i < VM_COUNT; i++) {
		for (uint32_t k = 0; k < vms[i].vcpus; k++) {
			const struct vcpu *v = &vms[i].vcpu[k];
			struct shadow *s = shadow_of(v);

			if (!v->home || !runs(v))
				continue;
			const struct fake_cpu *c = &fake.cpu[cpu_of(v)];
			s->on = true;
			s->regs = v->regs;
			memcpy(s->el1, v->home->cur == v ? &c->r[R_EL1] : (const uint64_t *)&v->el1, sizeof(s->el1));
			memcpy(s->fp, v->home->fp_owner == v ? c->fp : (const uint64_t *)&v->fp, sizeof(s->fp));
			bool here = v->home->loaded == v;
			s->ctl = here ? c->r[R_CNTV_CTL] & 3 : v->cntv_ctl & 3;
			s->cval = here ? c->r[R_CNTV_CVAL] : v->cntv_cval;
			s->vmcr = here ? c->r[R_ICH_VMCR] : v->ich_vmcr;
			s->waiting = is_vault(v) && v->home->vault_waiting;
		}
	}
}

void check_trap(uint32_t cpu, uint32_t kind)
{
	uint64_t before = fake.steps;
	uint64_t esr = fake.cpu[cpu].r[R_ESR_EL2];

	check_before(cpu);
	fake_trap(cpu, kind);
	check_after(cpu, kind, esr);
	if (fake.steps - before > check_longest)
		check_longest = fake.steps - before;
}

void check_sync(uint32_t cpu, uint64_t esr, uint64_t far, uint64_t hpfar)
{
	fake.cpu[cpu].r[R_ESR_EL2] = esr;
	fake.cpu[cpu].r[R_FAR_EL2] = far;
	fake.cpu[cpu].r[R_HPFAR_EL2] = hpfar;
	check_trap(cpu, FAKE_TRAP_SYNC);
}
