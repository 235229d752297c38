#include "vgic.h"

enum { PRIO_BITS_MASK = 0xf8 }; /* five priority bits, as list registers have at least */

#define CTLR_GRP0 BIT(0)
#define CTLR_GRP1 BIT(1)
#define CTLR_FIXED (BIT(4) | BIT(6)) /* ARE, DS */
#define CTLR_WRITABLE (CTLR_GRP0 | CTLR_GRP1)

#define WAKER_SLEEP BIT(1)
#define WAKER_ASLEEP BIT(2)

#define IIDR 0x0143b /* Arm-style IIDR: no product claims */
#define PIDR2_GICV3 0x3b

void vgic_reset(struct vgic *g, uint32_t vcpus, uint32_t lrs)
{
	struct spinlock lock = g->lock;

	__builtin_memset(g, 0, sizeof(*g));
	g->lock = lock;
	g->vcpus = vcpus;
	g->lrs = lrs;
	for (uint32_t i = 0; i < vcpus; i++) {
		g->cpu[i].waker = WAKER_SLEEP;
		g->cpu[i].local.edge = 0xffff; /* SGIs are edge triggered */
	}
}

/* The bank of an INTID as vcpu sees it; NULL outside the implemented range. */
static struct vgic_bank *bank_of(struct vgic *g, uint32_t vcpu, uint32_t intid)
{
	if (intid < 32)
		return &g->cpu[vcpu].local;
	if (intid < 32 + MVP_GUEST_SPIS)
		return &g->spi[intid / 32 - 1];
	return NULL;
}

static uint32_t bank_pending(const struct vgic_bank *b)
{
	return b->latch | (b->line & ~b->edge);
}

/* What could enter a list register now. Active interrupts wait for their deactivation. */
static uint32_t bank_deliverable(const struct vgic *g, const struct vgic_bank *b)
{
	uint32_t groups = ((g->ctlr & CTLR_GRP1) ? b->group : 0) | ((g->ctlr & CTLR_GRP0) ? ~b->group : 0);

	return bank_pending(b) & b->enabled & groups & ~b->inlr & ~b->active;
}

/* GICD_IROUTER: the vCPU an SPI goes to. Affinities that are no vCPU, and 1-of-N, go to vCPU 0. */
static uint32_t spi_target(const struct vgic *g, uint32_t spi)
{
	uint64_t r = g->router[spi];

	if ((r & BIT(31)) || (r & 0xff00ffff00ull) || (r & 0xff) >= g->vcpus)
		return 0;
	return (uint32_t)(r & 0xff);
}

static void touch(struct vgic *g, uint32_t vcpu)
{
	g->cpu[vcpu].dirty = true;
	g->kick |= 1u << vcpu;
}

/* Marks every vCPU that bits of an SPI bank may concern. */
static void touch_bank(struct vgic *g, uint32_t vcpu, uint32_t first_intid, uint32_t bits)
{
	if (!bits)
		return;
	if (first_intid < 32) {
		touch(g, vcpu);
		return;
	}
	for (; bits; bits &= bits - 1)
		touch(g, spi_target(g, first_intid - 32 + (uint32_t)__builtin_ctz(bits)));
}

/* ---- list registers ---- */

/* A pending list register whose interrupt is no longer to be delivered goes back to where it came from. */
static void withdraw(struct vgic_bank *b, uint32_t bit, uint64_t lr)
{
	if ((lr & LR_HW) || (b->edge & bit))
		b->latch |= bit;
	b->inlr &= ~bit;
}

void vgic_fold_locked(struct vgic *g, uint32_t vcpu)
{
	struct vgic_cpu *c = &g->cpu[vcpu];

	for (uint32_t used = c->lr_used; used; used &= used - 1) {
		uint32_t i = (uint32_t)__builtin_ctz(used);
		uint64_t lr = c->lr[i];
		uint32_t intid = LR_VINTID(lr);
		uint32_t bit = 1u << (intid & 31);
		struct vgic_bank *b = bank_of(g, vcpu, intid);

		if (!(lr & (LR_PENDING | LR_ACTIVE))) { /* deactivated by the guest */
			b->inlr &= ~bit;
			b->active &= ~bit;
			c->lr_used &= ~(1u << i);
			continue;
		}
		if (lr & LR_ACTIVE) {
			b->active |= bit;
			continue;
		}
		b->active &= ~bit;
		bool wanted = (b->enabled & bit) && ((b->edge & bit) || (lr & LR_HW) || (bank_pending(b) & bit));
		if (!wanted) {
			withdraw(b, bit, lr);
			c->lr_used &= ~(1u << i);
			c->lr[i] = 0;
		}
	}
}

struct candidate {
	uint32_t intid, priority;
	struct vgic_bank *bank;
};

static void consider(struct vgic_bank *b, uint32_t first, uint32_t bits, struct candidate *best)
{
	for (; bits; bits &= bits - 1) {
		uint32_t n = (uint32_t)__builtin_ctz(bits);

		if (b->priority[n] < best->priority)
			*best = (struct candidate){ first + n, b->priority[n], b };
	}
}

static struct candidate most_urgent(struct vgic *g, uint32_t vcpu)
{
	struct candidate best = { 0, 0x100, NULL };

	consider(&g->cpu[vcpu].local, 0, bank_deliverable(g, &g->cpu[vcpu].local), &best);
	for (uint32_t k = 0; k < VGIC_SPI_BANKS; k++) {
		uint32_t bits = bank_deliverable(g, &g->spi[k]);
		uint32_t mine = 0;

		for (uint32_t b = bits; b; b &= b - 1) {
			uint32_t n = (uint32_t)__builtin_ctz(b);

			if (spi_target(g, k * 32 + n) == vcpu)
				mine |= 1u << n;
		}
		consider(&g->spi[k], 32 + k * 32, mine, &best);
	}
	return best;
}

/* The least urgent list register that is pending only and less urgent than priority; -1 if there is none. */
static int evictable(const struct vgic_cpu *c, uint32_t priority)
{
	int worst = -1;

	for (uint32_t used = c->lr_used; used; used &= used - 1) {
		int i = __builtin_ctz(used);

		if (!(c->lr[i] & LR_ACTIVE) && !(c->lr[i] & LR_HW) && LR_PRIORITY_GET(c->lr[i]) > priority) {
			worst = i;
			priority = LR_PRIORITY_GET(c->lr[i]);
		}
	}
	return worst;
}

static uint64_t make_lr(const struct candidate *k)
{
	uint32_t bit = 1u << (k->intid & 31);
	uint64_t lr = k->intid | LR_PRIORITY(k->priority) | LR_PENDING;

	if (k->bank->group & bit)
		lr |= LR_GROUP1;
	if (k->intid == MVP_GUEST_VTIMER_INTID && (k->bank->latch & bit))
		lr |= LR_HW | LR_PINTID(MVP_GUEST_VTIMER_INTID); /* the guest's EOI deactivates the physical interrupt */
	else if (!(k->bank->edge & bit))
		lr |= LR_EOI; /* look at the line again when the guest is done */
	return lr;
}

void vgic_flush_locked(struct vgic *g, uint32_t vcpu)
{
	struct vgic_cpu *c = &g->cpu[vcpu];

	c->dirty = false;
	c->overflow = false;
	/* A new edge of an interrupt that is still active: pending and active in its register. */
	for (uint32_t used = c->lr_used; used; used &= used - 1) {
		uint32_t i = (uint32_t)__builtin_ctz(used);
		uint32_t intid = LR_VINTID(c->lr[i]);
		uint32_t bit = 1u << (intid & 31);
		struct vgic_bank *b = bank_of(g, vcpu, intid);

		if ((b->latch & b->edge & bit) && (b->enabled & bit) && !(c->lr[i] & LR_HW)) {
			b->latch &= ~bit;
			c->lr[i] |= LR_PENDING;
		}
	}
	for (;;) {
		struct candidate k = most_urgent(g, vcpu);

		if (!k.bank)
			return;
		uint32_t free = ~c->lr_used & (uint32_t)(BIT(g->lrs) - 1);
		int i = free ? __builtin_ctz(free) : evictable(c, k.priority);
		if (i < 0) {
			c->overflow = true;
			return;
		}
		if (!free) {
			uint32_t old = LR_VINTID(c->lr[i]);

			withdraw(bank_of(g, vcpu, old), 1u << (old & 31), c->lr[i]);
			c->overflow = true;
		}
		c->lr[i] = make_lr(&k);
		c->lr_used |= 1u << i;
		k.bank->latch &= ~(1u << (k.intid & 31));
		k.bank->inlr |= 1u << (k.intid & 31);
	}
}

bool vgic_has_work(struct vgic *g, uint32_t vcpu)
{
	struct vgic_cpu *c = &g->cpu[vcpu];
	bool work = false;

	spin_lock(&g->lock);
	for (uint32_t used = c->lr_used; used; used &= used - 1)
		work |= (c->lr[__builtin_ctz(used)] & LR_PENDING) != 0;
	work = work || most_urgent(g, vcpu).bank;
	spin_unlock(&g->lock);
	return work;
}

/* ---- sources ---- */

void vgic_spi_line(struct vgic *g, uint32_t spi, bool level)
{
	struct vgic_bank *b = &g->spi[spi / 32];
	uint32_t bit = 1u << (spi & 31);

	spin_lock(&g->lock);
	bool was = (b->line & bit) != 0;
	if (level && !was) {
		b->line |= bit;
		if (b->edge & bit)
			b->latch |= bit;
		if ((b->enabled & bit) || (b->inlr & bit))
			touch(g, spi_target(g, spi));
	} else if (!level && was) {
		b->line &= ~bit;
		if (b->inlr & bit & ~b->edge)
			touch(g, spi_target(g, spi));
	}
	spin_unlock(&g->lock);
}

void vgic_vtimer(struct vgic *g, uint32_t vcpu)
{
	spin_lock(&g->lock);
	g->cpu[vcpu].local.latch |= 1u << MVP_GUEST_VTIMER_INTID;
	touch(g, vcpu);
	spin_unlock(&g->lock);
}

void vgic_sgi(struct vgic *g, uint32_t vcpu, uint64_t val, bool group1)
{
	uint32_t bit = 1u << ((val >> 24) & 0xf);
	uint32_t targets;

	if (val & BIT(40)) /* IRM: all but the sender */
		targets = ((1u << g->vcpus) - 1) & ~(1u << vcpu);
	else if ((val & 0x00ff00ff00ff0000ull) || ((val >> 44) & 0xf)) /* affinities and ranges without vCPUs */
		targets = 0;
	else
		targets = (uint32_t)val & 0xffff & ((1u << g->vcpus) - 1);

	spin_lock(&g->lock);
	for (; targets; targets &= targets - 1) {
		uint32_t t = (uint32_t)__builtin_ctz(targets);
		struct vgic_bank *b = &g->cpu[t].local;

		if (((b->group & bit) != 0) != group1)
			continue;
		b->latch |= bit;
		touch(g, t);
	}
	spin_unlock(&g->lock);
}

/* ---- registers ---- */

enum field { F_GROUP, F_SENABLE, F_CENABLE, F_SPEND, F_CPEND, F_SACTIVE, F_CACTIVE, F_PRIORITY, F_CONFIG, F_ROUTER, F_NONE };

/* The banked registers stand at the same offsets in the distributor and in a redistributor's SGI frame (IHI 0069, 12.8 and 12.11). */
static const struct field_row {
	uint16_t first, end;
	uint8_t field;
	uint8_t widths;    /* allowed access widths in bytes, or-ed */
	uint8_t bits_log2; /* bits per interrupt, log2 */
} field_rows[] = {
	{ 0x0080, 0x0100, F_GROUP, 4, 0 },      { 0x0100, 0x0180, F_SENABLE, 4, 0 },      { 0x0180, 0x0200, F_CENABLE, 4, 0 },
	{ 0x0200, 0x0280, F_SPEND, 4, 0 },      { 0x0280, 0x0300, F_CPEND, 4, 0 },        { 0x0300, 0x0380, F_SACTIVE, 4, 0 },
	{ 0x0380, 0x0400, F_CACTIVE, 4, 0 },    { 0x0400, 0x0800, F_PRIORITY, 4 | 1, 3 }, { 0x0c00, 0x0d00, F_CONFIG, 4, 1 },
	{ 0x6000, 0x8000, F_ROUTER, 8 | 4, 6 },
};

bool vgic_needs_fold(uint32_t off)
{
	return off >= 0x200 && off < 0x400;
}

static const struct field_row *row_of(uint32_t off, uint32_t width)
{
	for (size_t i = 0; i < ARRAY_LEN(field_rows); i++)
		if (off >= field_rows[i].first && off < field_rows[i].end)
			return (field_rows[i].widths & width) && !(off & (width - 1)) ? &field_rows[i] : NULL;
	return NULL;
}

/* Pending as the guest sees it: with what waits in list registers. */
static uint32_t seen_pending(struct vgic *g, uint32_t vcpu, uint32_t first, const struct vgic_bank *b)
{
	uint32_t pending = bank_pending(b);

	for (uint32_t v = 0; v < g->vcpus; v++) {
		const struct vgic_cpu *c = &g->cpu[v];

		if (first < 32 && v != vcpu)
			continue;
		for (uint32_t used = c->lr_used; used; used &= used - 1) {
			uint64_t lr = c->lr[__builtin_ctz(used)];

			if ((lr & LR_PENDING) && (LR_VINTID(lr) & ~31u) == first)
				pending |= 1u << (LR_VINTID(lr) & 31);
		}
	}
	return pending;
}

static uint64_t field_read(struct vgic *g, uint32_t vcpu, const struct field_row *r, uint32_t off, uint32_t width)
{
	uint32_t bit_at = (off - r->first) * 8;
	uint32_t intid = bit_at >> r->bits_log2;

	if (r->field == F_ROUTER) {
		if (intid < 32 || intid >= 32 + MVP_GUEST_SPIS)
			return 0;
		uint64_t v = g->router[intid - 32];
		return width == 8 ? v : (uint32_t)(off & 4 ? v >> 32 : v);
	}
	const struct vgic_bank *b = bank_of(g, vcpu, intid);
	if (!b)
		return 0;
	uint32_t n = intid & 31;
	uint64_t v = 0;
	switch (r->field) {
	case F_GROUP:
		return b->group;
	case F_SENABLE:
	case F_CENABLE:
		return b->enabled;
	case F_SPEND:
	case F_CPEND:
		return seen_pending(g, vcpu, intid & ~31u, b);
	case F_SACTIVE:
	case F_CACTIVE:
		return b->active;
	case F_PRIORITY:
		for (uint32_t i = 0; i < width; i++)
			v |= (uint64_t)b->priority[n + i] << (8 * i);
		return v;
	case F_CONFIG:
		for (uint32_t i = 0; i < 16; i++)
			v |= (uint64_t)((b->edge >> (n + i)) & 1) << (2 * i + 1);
		return v;
	default:
		return 0;
	}
}

/* Set and clear writes on state that may sit in a list register: the register is brought back by a fold before its vCPU runs again. */
static void clear_pending(struct vgic *g, struct vgic_bank *b, uint32_t vcpu, uint32_t first, uint32_t bits)
{
	if (first < 32) /* the timer's line keeps it pending, and its latch stands for an active physical interrupt */
		bits &= ~(1u << MVP_GUEST_VTIMER_INTID);
	b->latch &= ~bits;
	for (uint32_t v = 0; v < g->vcpus; v++) {
		struct vgic_cpu *c = &g->cpu[v];

		if (first < 32 && v != vcpu)
			continue;
		for (uint32_t used = c->lr_used; used; used &= used - 1) {
			uint64_t *lr = &c->lr[__builtin_ctz(used)];
			uint32_t bit = 1u << (LR_VINTID(*lr) & 31);

			if ((LR_VINTID(*lr) & ~31u) == first && (bits & bit) && !(*lr & LR_HW)) {
				*lr &= ~LR_PENDING;
				touch(g, v);
			}
		}
	}
}

static void clear_active(struct vgic *g, struct vgic_bank *b, uint32_t vcpu, uint32_t first, uint32_t bits)
{
	b->active &= ~bits;
	for (uint32_t v = 0; v < g->vcpus; v++) {
		struct vgic_cpu *c = &g->cpu[v];

		if (first < 32 && v != vcpu)
			continue;
		for (uint32_t used = c->lr_used; used; used &= used - 1) {
			uint64_t *lr = &c->lr[__builtin_ctz(used)];

			if ((LR_VINTID(*lr) & ~31u) != first || !(bits & (1u << (LR_VINTID(*lr) & 31))) || !(*lr & LR_ACTIVE))
				continue;
			*lr &= ~LR_ACTIVE;
			if (*lr & LR_HW)
				c->release_vtimer = true;
		}
	}
}

static void config_write(struct vgic_bank *b, uint32_t n, uint64_t val)
{
	for (uint32_t i = 0; i < 16; i++) {
		uint32_t bit = 1u << (n + i);

		b->edge = val & BIT(2 * i + 1) ? b->edge | bit : b->edge & ~bit;
	}
}

static void field_write(struct vgic *g, uint32_t vcpu, const struct field_row *r, uint32_t off, uint32_t width, uint64_t val)
{
	uint32_t intid = (off - r->first) * 8 >> r->bits_log2;
	uint32_t w = (uint32_t)val;

	if (r->field == F_ROUTER) {
		if (intid < 32 || intid >= 32 + MVP_GUEST_SPIS)
			return;
		uint64_t *p = &g->router[intid - 32];
		if (width == 8)
			*p = val & 0xff80ffffffull;
		else if (off & 4)
			*p = (*p & 0xffffffffull) | (val & 0xff) << 32;
		else
			*p = (*p & 0xff00000000ull) | (val & 0x80ffffffull);
		touch(g, spi_target(g, intid - 32));
		return;
	}
	struct vgic_bank *b = bank_of(g, vcpu, intid);
	if (!b)
		return;
	uint32_t first = intid & ~31u;
	switch (r->field) {
	case F_GROUP:
		b->group = w;
		break;
	case F_SENABLE:
		b->enabled |= w;
		break;
	case F_CENABLE:
		b->enabled &= ~w;
		break;
	case F_SPEND:
		b->latch |= w;
		break;
	case F_CPEND:
		clear_pending(g, b, vcpu, first, w);
		break;
	case F_SACTIVE:
		b->active |= w;
		break;
	case F_CACTIVE:
		clear_active(g, b, vcpu, first, w);
		break;
	case F_PRIORITY:
		for (uint32_t i = 0; i < width; i++)
			b->priority[(intid & 31) + i] = (uint8_t)(val >> (8 * i)) & PRIO_BITS_MASK;
		return;
	case F_CONFIG:
		if (intid >= 16) /* SGIs stay edge triggered */
			config_write(b, intid & 31, val);
		return;
	default:
		return;
	}
	touch_bank(g, vcpu, first, w);
}

static uint64_t dist_id_read(const struct vgic *g, uint32_t off)
{
	switch (off) {
	case 0x0000:
		return g->ctlr | CTLR_FIXED;
	case 0x0004: /* TYPER: ITLinesNumber, IDbits = 16, A3V = 0, No1N = 1 */
		return VGIC_SPI_BANKS | (15u << 19) | BIT(25);
	case 0x0008:
		return IIDR;
	case 0xffe8:
		return PIDR2_GICV3;
	default:
		return 0;
	}
}

uint64_t vgic_dist_read(struct vgic *g, uint32_t off, uint32_t width)
{
	const struct field_row *r = row_of(off, width);
	uint64_t v = 0;

	spin_lock(&g->lock);
	if (r) {
		/* With affinity routing the registers of INTIDs 0-31 live in the redistributors only. */
		if (r->field == F_ROUTER || ((off - r->first) * 8 >> r->bits_log2) >= 32)
			v = field_read(g, 0, r, off, width);
	} else if (width == 4) {
		v = dist_id_read(g, off);
	}
	spin_unlock(&g->lock);
	return v;
}

void vgic_dist_write(struct vgic *g, uint32_t off, uint32_t width, uint64_t val)
{
	const struct field_row *r = row_of(off, width);

	spin_lock(&g->lock);
	if (r) {
		if (r->field == F_ROUTER || ((off - r->first) * 8 >> r->bits_log2) >= 32)
			field_write(g, 0, r, off, width, val);
	} else if (off == 0 && width == 4) {
		g->ctlr = (uint32_t)(val & CTLR_WRITABLE);
		for (uint32_t v = 0; v < g->vcpus; v++)
			touch(g, v);
	}
	spin_unlock(&g->lock);
}

static uint64_t redist_id_read(const struct vgic *g, uint32_t vcpu, uint32_t off, uint32_t width)
{
	uint64_t typer = (uint64_t)vcpu << 32 | (uint64_t)vcpu << 8 | (vcpu + 1 == g->vcpus ? BIT(4) : 0);

	switch (off) {
	case 0x0004:
		return IIDR;
	case 0x0008:
		return width == 8 ? typer : (uint32_t)typer;
	case 0x000c:
		return typer >> 32;
	case 0x0014:
		return g->cpu[vcpu].waker & WAKER_SLEEP ? WAKER_SLEEP | WAKER_ASLEEP : 0;
	case 0xffe8:
		return PIDR2_GICV3;
	default:
		return 0;
	}
}

uint64_t vgic_redist_read(struct vgic *g, uint32_t off, uint32_t width)
{
	uint32_t vcpu = off / MVP_GUEST_GICR_STRIDE;
	uint64_t v = 0;

	if (vcpu >= g->vcpus)
		return 0;
	off %= MVP_GUEST_GICR_STRIDE;
	spin_lock(&g->lock);
	if (off < 0x10000) {
		if (width == 4 || (width == 8 && off == 8))
			v = redist_id_read(g, vcpu, off, width);
	} else {
		const struct field_row *r = row_of(off - 0x10000, width);

		if (r && r->field != F_ROUTER && ((off - 0x10000 - r->first) * 8 >> r->bits_log2) < 32)
			v = field_read(g, vcpu, r, off - 0x10000, width);
	}
	spin_unlock(&g->lock);
	return v;
}

void vgic_redist_write(struct vgic *g, uint32_t off, uint32_t width, uint64_t val)
{
	uint32_t vcpu = off / MVP_GUEST_GICR_STRIDE;

	if (vcpu >= g->vcpus)
		return;
	off %= MVP_GUEST_GICR_STRIDE;
	spin_lock(&g->lock);
	if (off == 0x14 && width == 4) {
		g->cpu[vcpu].waker = (uint32_t)(val & WAKER_SLEEP);
	} else if (off >= 0x10000) {
		const struct field_row *r = row_of(off - 0x10000, width);

		if (r && r->field != F_ROUTER && ((off - 0x10000 - r->first) * 8 >> r->bits_log2) < 32)
			field_write(g, vcpu, r, off - 0x10000, width, val);
	}
	spin_unlock(&g->lock);
}
