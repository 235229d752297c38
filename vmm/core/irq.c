/* The physical GICv3 (Arm IHI 0069), one security state or the non-secure view of two. EOImode 1: priority drop and deactivation are
 * separate, so an interrupt handed to somebody else stays active, and thereby masked, until he is done. */
#include "arch.h"
#include "cpu.h"

enum {
	GICD_CTLR = 0x0000,
	GICD_TYPER = 0x0004,
	GICD_IGROUPR = 0x0080,
	GICD_ISENABLER = 0x0100,
	GICD_ICENABLER = 0x0180,
	GICD_ICPENDR = 0x0280,
	GICD_ISACTIVER = 0x0300,
	GICD_ICACTIVER = 0x0380,
	GICD_IPRIORITYR = 0x0400,
	GICD_ICFGR = 0x0c00,
	GICD_IROUTER = 0x6000,
	GICR_TYPER = 0x0008,
	GICR_WAKER = 0x0014,
	GICR_SGI = 0x10000, /* SGI frame */
	FRAME_STRIDE = 0x20000,
	SGI_KICK = 0,
	SGI_RESCHED = 1,
	INTID_MAINTENANCE = 25,
	INTID_HYP_TIMER = 26,
	INTID_VTIMER = 27,
	INTID_SPECIAL = 1020,
	PRIORITY = 0xa0,
	WAKE_POLLS = 1000000,
	IRQS_AT_ONCE = 16,
	MAX_LRS_USED = 8, /* lr_read, lr_write */
};

#define CTLR_RWP BIT(31)
#define CTLR_GRP1 BIT(1)
#define CTLR_ARE BIT(4)

static void dist_wait(void)
{
	for (int i = 0; i < WAKE_POLLS && (mmio_read32(mvp_core_config.gicd_pa + GICD_CTLR) & CTLR_RWP); i++)
		;
}

void irq_init_dist(void)
{
	uint64_t d = mvp_core_config.gicd_pa;
	uint32_t lines = ((mmio_read32(d + GICD_TYPER) & 0x1f) + 1) * 32;

	mmio_write32(d + GICD_CTLR, 0);
	dist_wait();
	mmio_write32(d + GICD_CTLR, (uint32_t)(CTLR_ARE | CTLR_GRP1));
	dist_wait();
	for (uint32_t i = 32; i < lines; i += 32) {
		mmio_write32(d + GICD_ICENABLER + i / 8, ~0u);
		mmio_write32(d + GICD_ICPENDR + i / 8, ~0u);
		mmio_write32(d + GICD_ICACTIVER + i / 8, ~0u);
		mmio_write32(d + GICD_IGROUPR + i / 8, ~0u); /* nobody before us has put them into group 1 */
	}
	for (uint32_t i = 32; i < lines; i += 4)
		mmio_write32(d + GICD_IPRIORITYR + i, PRIORITY * 0x01010101u);
	dist_wait();
}

/* The redistributor whose affinity is this CPU's. */
static uint64_t find_redist(uint64_t mpidr)
{
	uint64_t affinity = (mpidr & 0xffffff) | (mpidr >> 8 & 0xff000000);
	uint64_t pa = mvp_core_config.gicr_pa;

	for (uint64_t end = pa + mvp_core_config.gicr_size; pa + FRAME_STRIDE <= end;) {
		uint64_t typer = mmio_read64(pa + GICR_TYPER);

		if (typer >> 32 == affinity)
			return pa;
		if (typer & BIT(4)) /* Last */
			break;
		pa += typer & BIT(1) ? 2 * FRAME_STRIDE : FRAME_STRIDE; /* VLPIS: two more frames */
	}
	return 0;
}

uint32_t irq_list_registers(void)
{
	uint32_t n = (uint32_t)(sysreg_read_x(ICH_VTR_EL2) & 0x1f) + 1;

	return n < MAX_LRS_USED ? n : MAX_LRS_USED;
}

void irq_init_cpu(struct pcpu *p)
{
	uint64_t m = p->mpidr;

	p->sgi_target = (m >> 32 & 0xff) << 48 | (m >> 16 & 0xff) << 32 | (m >> 8 & 0xff) << 16 | (m >> 4 & 0xf) << 44 | BIT(m & 0xf);
	p->gicr_pa = find_redist(p->mpidr);
	if (!p->gicr_pa)
		core_panic("no GICv3 redistributor for CPU", p->mpidr);
	mmio_write32(p->gicr_pa + GICR_WAKER, 0);
	for (int i = 0; i < WAKE_POLLS && (mmio_read32(p->gicr_pa + GICR_WAKER) & BIT(2)); i++)
		;
	uint64_t sgi = p->gicr_pa + GICR_SGI;
	mmio_write32(sgi + GICD_ICENABLER, ~0u);
	mmio_write32(sgi + GICD_ICPENDR, ~0u);
	mmio_write32(sgi + GICD_ICACTIVER, ~0u);
	mmio_write32(sgi + GICD_IGROUPR, ~0u);
	for (uint32_t i = 0; i < 32; i += 4)
		mmio_write32(sgi + GICD_IPRIORITYR + i, PRIORITY * 0x01010101u);

	sysreg_write_x(ICC_SRE_EL2, 0xf); /* SRE, DFB, DIB, Enable: EL1 may use its (virtual) system registers */
	isb();
	if (!(sysreg_read_x(ICC_SRE_EL2) & 1))
		core_panic("no GICv3 system registers on CPU", p->mpidr);
	sysreg_write_x(ICH_HCR_EL2, 0);
	p->lrs_written = (1u << irq_list_registers()) - 1; /* UNKNOWN at reset */
	sysreg_write_x(ICC_PMR_EL1, 0xff);
	sysreg_write_x(ICC_BPR1_EL1, 0);
	sysreg_write_x(ICC_CTLR_EL1, BIT(1)); /* EOImode */
	sysreg_write_x(ICC_IGRPEN1_EL1, 1);
	isb();
	mmio_write32(sgi + GICD_ISENABLER,
		     BIT(SGI_KICK) | BIT(SGI_RESCHED) | BIT(INTID_MAINTENANCE) | BIT(INTID_HYP_TIMER) | BIT(INTID_VTIMER));
}

void irq_enable_spi(uint32_t intid, bool edge, bool on)
{
	uint64_t d = mvp_core_config.gicd_pa;

	if (!on) {
		mmio_write32(d + GICD_ICENABLER + intid / 32 * 4, 1u << (intid & 31));
		return;
	}
	uint64_t cfg = d + GICD_ICFGR + intid / 16 * 4;
	uint32_t bit = 2u << (intid % 16 * 2);
	mmio_write32(cfg, edge ? mmio_read32(cfg) | bit : mmio_read32(cfg) & ~bit);
	mmio_write64(d + GICD_IROUTER + intid * 8, pcpus[0].mpidr & 0xff00ffffffull);
	mmio_write32(d + GICD_ISENABLER + intid / 32 * 4, 1u << (intid & 31));
}

void irq_vtimer_active(struct pcpu *p, bool active)
{
	mmio_write32(p->gicr_pa + GICR_SGI + (active ? GICD_ISACTIVER : GICD_ICACTIVER), 1u << INTID_VTIMER);
}

void irq_send_kick(const struct pcpu *to, bool resched)
{
	dsb(ishst); /* flags the target will look at are visible before it is interrupted */
	sysreg_write_x(ICC_SGI1R_EL1, to->sgi_target | (uint64_t)(resched ? SGI_RESCHED : SGI_KICK) << 24);
}

static void vtimer_fired(struct pcpu *p)
{
	struct vcpu *v = p->loaded;

	if (!v) { /* nobody's: it was disabled in the meantime */
		sysreg_write_x(ICC_DIR_EL1, INTID_VTIMER);
		return;
	}
	vgic_vtimer(&v->vm->gic, v->index); /* stays active until the guest's EOI */
	sched_kicked(v->vm);
}

void irq_handle(struct pcpu *p)
{
	/* What is left then is still pending when a guest is entered; nobody who makes interrupts all the time keeps us here. */
	for (int i = 0; i < IRQS_AT_ONCE; i++) {
		uint32_t intid = (uint32_t)sysreg_read_x(ICC_IAR1_EL1) & 0xffffff;

		if (intid >= INTID_SPECIAL && intid < 8192)
			return;
		dsb(sy); /* the acknowledge is done before the device or the flags are looked at */
		sysreg_write_x(ICC_EOIR1_EL1, intid);
		isb();
		switch (intid) {
		case INTID_VTIMER:
			vtimer_fired(p);
			continue;
		case INTID_HYP_TIMER:
			sched_tick(p);
			break;
		case INTID_MAINTENANCE:
			if (p->loaded) {
				struct vgic *g = &p->loaded->vm->gic;

				spin_lock(&g->lock);
				g->cpu[p->loaded->index].dirty = true;
				spin_unlock(&g->lock);
				vgic_sync(p->loaded);
			} else {
				sysreg_write_x(ICH_HCR_EL2, 0);
			}
			isb();
			break;
		case SGI_KICK: /* the exit was all */
			break;
		case SGI_RESCHED:
			p->resched = true;
			break;
		default: /* a device of the vault; deactivated by MVP_HC_IRQ_DONE */
			vault_queue_irq(p, intid);
			continue;
		}
		sysreg_write_x(ICC_DIR_EL1, intid);
	}
}
