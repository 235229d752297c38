/* The GICv3 of the fake board (Arm IHI 0069): one security state, affinity routing, group 1; and the virtual CPU interface. All physical
 * interrupts have one priority, as the core sets them up. */
#include "machine.h"

enum { PPI_MAINTENANCE = 25, PPI_HYP_TIMER = 26, PPI_VTIMER = 27, SPECIAL = 1020 };
#define HCR_EN BIT(0)
#define HCR_UIE BIT(1)
#define HCR_LRENPIE BIT(2)
#define HCR_NPIE BIT(3)
#define HCR_EOICOUNT_SHIFT 27
#define VMCR_EOIM BIT(9)
#define LR_STATE_SHIFT 62

static uint32_t lr_count(void)
{
	return (uint32_t)(fake_vtr & 0x1f) + 1;
}

static uint32_t apr_count(void)
{
	return 1u << ((fake_vtr >> 26 & 7) - 4);
}

/* ---- physical interrupts ---- */

static bool timer_fires(uint64_t ctl, uint64_t cval)
{
	return (ctl & 3) == 1 && cval <= fake.time;
}

uint64_t fake_misr(const struct fake_cpu *c)
{
	uint64_t hcr = c->r[R_ICH_HCR], misr = 0;
	uint32_t valid = 0, pending = 0;

	if (!(hcr & HCR_EN))
		return 0;
	for (uint32_t i = 0; i < lr_count(); i++) {
		uint64_t lr = c->r[R_ICH_LR0 + i];

		valid += lr >> LR_STATE_SHIFT != 0;
		pending += lr >> LR_STATE_SHIFT == 1;
		if (!(lr >> LR_STATE_SHIFT) && !(lr & LR_HW) && (lr & LR_EOI))
			misr |= BIT(0);
	}
	if ((hcr & HCR_UIE) && valid <= 1)
		misr |= BIT(1);
	if ((hcr & HCR_LRENPIE) && hcr >> HCR_EOICOUNT_SHIFT & 0x1f)
		misr |= BIT(2);
	if ((hcr & HCR_NPIE) && !pending)
		misr |= BIT(3);
	/* VGrp0E, VGrp0D, VGrp1E, VGrp1D by the guest's group enables */
	uint64_t vmcr = c->r[R_ICH_VMCR];
	for (uint32_t k = 0; k < 4; k++)
		if ((hcr & BIT(4 + k)) && (vmcr >> (k / 2) & 1) == !(k & 1))
			misr |= BIT(4 + k);
	return misr;
}

static uint32_t local_lines(const struct fake_cpu *c)
{
	uint32_t lines = c->local.line;

	if (timer_fires(c->r[R_CNTV_CTL], c->r[R_CNTV_CVAL]))
		lines |= 1u << PPI_VTIMER;
	if (timer_fires(c->r[R_CNTHP_CTL], c->r[R_CNTHP_CVAL]))
		lines |= 1u << PPI_HYP_TIMER;
	if (fake_misr(c))
		lines |= 1u << PPI_MAINTENANCE;
	return lines;
}

static uint32_t deliverable(const struct fake_irqs *b, uint32_t lines)
{
	return (b->latch | (lines & ~b->edge)) & b->enabled & b->group & ~b->active;
}

uint32_t fake_gic_highest(const struct fake_cpu *c)
{
	if (!c->on || c->acked != FAKE_NONE || c->waker)
		return FAKE_NONE;
	uint32_t bits = deliverable(&c->local, local_lines(c));
	if (bits)
		return (uint32_t)__builtin_ctz(bits);
	for (uint32_t k = 0; k < FAKE_SPI_BANKS; k++) {
		for (bits = deliverable(&fake.spi[k], fake.spi[k].line); bits; bits &= bits - 1) {
			uint32_t n = k * 32 + (uint32_t)__builtin_ctz(bits);

			if (fake.router[n] == (c->r[R_MPIDR] & 0xff00ffffffull))
				return 32 + n;
		}
	}
	return FAKE_NONE;
}

static struct fake_irqs *bank(struct fake_cpu *c, uint32_t intid)
{
	if (intid < 32)
		return &c->local;
	return intid < 32 + FAKE_SPI_BANKS * 32 ? &fake.spi[intid / 32 - 1] : NULL;
}

void fake_spi(uint32_t intid, bool level)
{
	struct fake_irqs *b = bank(&fake.cpu[0], intid);
	uint32_t bit = 1u << (intid & 31);

	if (level && !(b->line & bit))
		b->latch |= bit & b->edge;
	b->line = level ? b->line | bit : b->line & ~bit;
}

static uint64_t acknowledge(struct fake_cpu *c)
{
	uint32_t intid = fake_gic_highest(c);

	if (intid == FAKE_NONE)
		return FAKE_NONE;
	struct fake_irqs *b = bank(c, intid);
	b->latch &= ~(1u << (intid & 31));
	b->active |= 1u << (intid & 31);
	c->acked = intid;
	return intid;
}

static void deactivate(struct fake_cpu *c, uint32_t intid)
{
	struct fake_irqs *b = bank(c, intid);

	if (b)
		b->active &= ~(1u << (intid & 31));
}

static void send_sgi(uint64_t v)
{
	uint64_t aff = (v >> 48 & 0xff) << 32 | (v >> 32 & 0xff) << 16 | (v >> 16 & 0xff) << 8;

	for (uint32_t i = 0; i < FAKE_CPUS; i++) {
		uint64_t m = fake.cpu[i].r[R_MPIDR] & 0xff00ffffffull;
		uint32_t aff0 = (uint32_t)m & 0xff;
		bool hit = v & BIT(40) ? &fake.cpu[i] != fake_now
				       : (m & ~0xffull) == aff && aff0 / 16 == (v >> 44 & 0xf) && (v >> aff0 % 16 & 1);

		if (hit)
			fake.cpu[i].local.latch |= 1u << (v >> 24 & 0xf);
	}
}

static void need_register(bool there, uint32_t slot)
{
	if (!there)
		fake_fail("a register that this CPU has not: %s %u", slot < R_ICH_AP0R0 ? "ICH_LR" : "ICH_AP0R and AP1R",
			  slot < R_ICH_AP0R0 ? slot - R_ICH_LR0 : (slot - R_ICH_AP0R0) % 4);
}

uint64_t fake_gic_reg_read(struct fake_cpu *c, uint32_t slot)
{
	uint64_t v = 0;

	switch (slot) {
	case R_ICC_IAR1:
		return acknowledge(c);
	case R_ICH_VTR:
		return fake_vtr;
	case R_ICH_MISR:
		return fake_misr(c);
	case R_ICH_EISR:
		for (uint32_t i = 0; i < lr_count(); i++)
			if (!(c->r[R_ICH_LR0 + i] >> LR_STATE_SHIFT) && (c->r[R_ICH_LR0 + i] & (LR_HW | LR_EOI)) == LR_EOI)
				v |= BIT(i);
		return v;
	case R_ICH_ELRSR:
		for (uint32_t i = 0; i < lr_count(); i++)
			if (!(c->r[R_ICH_LR0 + i] >> LR_STATE_SHIFT) && (c->r[R_ICH_LR0 + i] & (LR_HW | LR_EOI)) != LR_EOI)
				v |= BIT(i);
		return v;
	default:
		if (slot < R_ICH_LR0)
			fake_fail("read of a write-only register, slot %u", slot);
		need_register(slot <= R_ICH_LR15 ? slot - R_ICH_LR0 < lr_count() : (slot - R_ICH_AP0R0) % 4 < apr_count(), slot);
		return c->r[slot];
	}
}

void fake_check_lrs(const struct fake_cpu *c)
{
	for (uint32_t n = 0; n < lr_count() && (c->r[R_ICH_HCR] & HCR_EN); n++) {
		uint64_t lr = c->r[R_ICH_LR0 + n];

		if (!(lr >> LR_STATE_SHIFT))
			continue;
		if ((lr & LR_HW) && lr >> LR_STATE_SHIFT == 3)
			fake_fail("list register %u: pending and active with HW (IHI 0069, ICH_LR<n>_EL2.State)", n);
		if ((lr & LR_HW) && (lr >> 32 & 0x1fff) < 16)
			fake_fail("list register %u: tied to a physical SGI", n);
		for (uint32_t i = 0; i < n; i++)
			if (c->r[R_ICH_LR0 + i] >> LR_STATE_SHIFT && LR_VINTID(c->r[R_ICH_LR0 + i]) == LR_VINTID(lr))
				fake_fail("INTID %u in list registers %u and %u", LR_VINTID(lr), i, n);
	}
}

void fake_gic_reg_write(struct fake_cpu *c, uint32_t slot, uint64_t v)
{
	switch (slot) {
	case R_ICC_EOIR1:
		if (c->acked != (v & 0xffffff))
			fake_fail("end of interrupt %u, acknowledged was %u", (unsigned)v, c->acked);
		c->acked = FAKE_NONE;
		return;
	case R_ICC_DIR:
		deactivate(c, (uint32_t)v & 0xffffff);
		return;
	case R_ICC_SGI1R:
		send_sgi(v);
		return;
	default:
		if (slot < R_ICH_LR0)
			fake_fail("write to a read-only register, slot %u", slot);
		need_register(slot <= R_ICH_LR15 ? slot - R_ICH_LR0 < lr_count() : (slot - R_ICH_AP0R0) % 4 < apr_count(), slot);
		c->r[slot] = v;
	}
}

static void *field_of(struct fake_irqs *b, uint32_t off)
{
	switch (off & ~0x7fu) {
	case 0x080:
		return &b->group;
	case 0x100:
	case 0x180:
		return &b->enabled;
	case 0x200:
	case 0x280:
		return &b->latch;
	case 0x300:
	case 0x380:
		return &b->active;
	default:
		return NULL;
	}
}

static uint64_t banked(struct fake_cpu *c, uint32_t off, uint64_t v, bool write)
{
	uint32_t first = off < 0x400 ? (off & 0x7f) * 8 : off < 0x800 ? off - 0x400 : (off - 0xc00) * 4;
	struct fake_irqs *b = bank(c, first);

	if (!b || off >= 0xd00 || (off >= 0x800 && off < 0xc00))
		fake_fail("GIC register at 0x%x", off);
	if (off >= 0x400 && off < 0x800)
		return 0xa0a0a0a0; /* all alike */
	if (off >= 0xc00) {
		uint64_t r = 0;

		for (uint32_t i = 0; i < 16; i++) {
			uint32_t bit = 1u << ((first & 31) + i);

			if (write)
				b->edge = v & BIT(2 * i + 1) ? b->edge | bit : b->edge & ~bit;
			r |= b->edge & bit ? BIT(2 * i + 1) : 0;
		}
		return r;
	}
	uint32_t *field = field_of(b, off);
	if (!field)
		fake_fail("GIC register at 0x%x", off);
	if (write && off < 0x100)
		*field = (uint32_t)v;
	else if (write)
		*field = off & 0x80 ? *field & ~(uint32_t)v : *field | (uint32_t)v;
	return *field;
}

static uint64_t redist(struct fake_cpu *c, uint32_t off, uint64_t v, bool write)
{
	uint64_t m = c->r[R_MPIDR];

	if (off >= 0x10000)
		return banked(c, off - 0x10000, v, write);
	switch (off) {
	case 0x08:
		return (m & 0xffffff) << 32 | (c == &fake.cpu[FAKE_CPUS - 1] ? BIT(4) : 0);
	case 0x14:
		if (write)
			c->waker = v & 2 ? 6 : 0;
		return c->waker;
	default:
		fake_fail("redistributor register at 0x%x", off);
	}
}

uint64_t fake_gic_mmio(uint64_t pa, uint64_t v, uint32_t width, bool write)
{
	uint64_t off = pa - mvp_core_config.gicd_pa;

	if (pa - mvp_core_config.gicr_pa < mvp_core_config.gicr_size && (pa - mvp_core_config.gicr_pa) / 0x20000 < FAKE_CPUS)
		return redist(&fake.cpu[(pa - mvp_core_config.gicr_pa) / 0x20000], (uint32_t)(pa - mvp_core_config.gicr_pa) % 0x20000, v,
			      write);
	if (off >= 0x6000 && off < 0x8000 && width == 8 && (off - 0x6000) / 8 - 32 < FAKE_SPI_BANKS * 32) {
		if (write)
			fake.router[(off - 0x6000) / 8 - 32] = v;
		return fake.router[(off - 0x6000) / 8 - 32];
	}
	if (off >= 0xd00 || width != 4)
		fake_fail("physical access to 0x%llx", (unsigned long long)pa);
	if (off >= 0x80)
		return banked(&fake.cpu[0], (uint32_t)off, v, write);
	if (off == 0 && write)
		fake.gicd_ctlr = (uint32_t)v;
	return off == 0 ? fake.gicd_ctlr : off == 4 ? FAKE_SPI_BANKS : 0;
}

/* ---- the guest's CPU interface (IHI 0069, 4.8 and the pseudocode of ICV_IAR1_EL1, ICV_EOIR1_EL1, ICV_DIR_EL1) ---- */

static uint32_t active_priority(const struct fake_cpu *c)
{
	for (uint32_t i = 0; i < 4; i++)
		for (uint32_t n = 0; n < 32; n++)
			if ((c->r[R_ICH_AP0R0 + i] | c->r[R_ICH_AP1R0 + i]) & BIT(n))
				return (i * 32 + n) << (apr_count() == 1 ? 3 : apr_count() == 2 ? 2 : 1);
	return 0x100;
}

static int highest_pending(const struct fake_cpu *c)
{
	uint64_t vmcr = c->r[R_ICH_VMCR];
	int best = -1;

	if (!(c->r[R_ICH_HCR] & HCR_EN))
		return -1;
	for (uint32_t i = 0; i < lr_count(); i++) {
		uint64_t lr = c->r[R_ICH_LR0 + i];
		bool enabled = lr & LR_GROUP1 ? vmcr & BIT(1) : vmcr & BIT(0);

		if (lr >> LR_STATE_SHIFT == 1 && enabled &&
		    (best < 0 || LR_PRIORITY_GET(lr) < LR_PRIORITY_GET(c->r[R_ICH_LR0 + (uint32_t)best])))
			best = (int)i;
	}
	if (best < 0)
		return -1;
	uint32_t priority = LR_PRIORITY_GET(c->r[R_ICH_LR0 + (uint32_t)best]);
	return priority < (vmcr >> 24 & 0xff) && priority < active_priority(c) ? best : -1;
}

bool fake_guest_irq(const struct fake_cpu *c)
{
	return highest_pending(c) >= 0;
}

uint32_t fake_guest_ack(struct fake_cpu *c, uint32_t group)
{
	int i = highest_pending(c);

	if (i < 0)
		return FAKE_NONE;
	uint64_t *lr = &c->r[R_ICH_LR0 + (uint32_t)i];
	if (((*lr & LR_GROUP1) != 0) != group)
		return FAKE_NONE;
	uint32_t bit = LR_PRIORITY_GET(*lr) >> (apr_count() == 1 ? 3 : apr_count() == 2 ? 2 : 1);
	*lr ^= LR_PENDING | LR_ACTIVE;
	c->r[(group ? R_ICH_AP1R0 : R_ICH_AP0R0) + bit / 32] |= BIT(bit % 32);
	return LR_VINTID(*lr);
}

static void end_active(struct fake_cpu *c, uint32_t intid)
{
	for (uint32_t i = 0; i < lr_count(); i++) {
		uint64_t *lr = &c->r[R_ICH_LR0 + i];

		if (!(*lr & LR_ACTIVE) || LR_VINTID(*lr) != intid)
			continue;
		*lr &= ~LR_ACTIVE;
		if (*lr & LR_HW)
			deactivate(c, (uint32_t)(*lr >> 32) & 0x1fff);
		return;
	}
	uint64_t count = (c->r[R_ICH_HCR] >> HCR_EOICOUNT_SHIFT) + 1;
	c->r[R_ICH_HCR] = (c->r[R_ICH_HCR] & (BIT(HCR_EOICOUNT_SHIFT) - 1)) | (count & 0x1f) << HCR_EOICOUNT_SHIFT;
}

void fake_guest_eoi(struct fake_cpu *c, uint32_t group, uint32_t intid)
{
	uint64_t *apr = &c->r[group ? R_ICH_AP1R0 : R_ICH_AP0R0];

	if (intid >= SPECIAL)
		return;
	for (uint32_t i = 0; i < apr_count(); i++) {
		if (!apr[i])
			continue;
		apr[i] &= apr[i] - 1;
		if (!(c->r[R_ICH_VMCR] & VMCR_EOIM))
			end_active(c, intid);
		return;
	}
}

void fake_guest_dir(struct fake_cpu *c, uint32_t intid)
{
	if (intid < SPECIAL && (c->r[R_ICH_VMCR] & VMCR_EOIM))
		end_active(c, intid);
}
