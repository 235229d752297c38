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

/* What may be delivered when it is pending. */
static uint32_t bank_allowed(const struct vgic *g, const struct vgic_bank *b)
{
	return b->enabled & (((g->ctlr & CTLR_GRP1) ? b->group : 0) | ((g->ctlr & CTLR_GRP0) ? ~b->group : 0));
}

/* GICD_IROUTER: the vCPU an SPI goes to. Affinities that are no vCPU, and 1-of-N, go to vCPU 0. */
static uint32_t spi_target(const struct vgic *g, uint32_t spi)
{
	uint64_t r = g->router[spi];

	if ((r & BIT(31)) || (r & 0xff00ffff00ull) || (r & 0xff) >= g->vcpus)
		return 0;
	return (uint32_t)(r & 0xff);
}

/* Marks the state of vcpu as changed. */
static void touch(struct vgic *g, uint32_t vcpu)
{
	g->cpu[vcpu].dirty = true;
	g->kick |= 1u << vcpu;
}

/* The vCPU that a change of an SPI concerns: who has it in a list register, or who would get it. */
static void touch_spi(struct vgic *g, uint32_t spi)
{
	touch(g, g->spi[spi / 32].inlr >> (spi & 31) & 1 ? g->owner[spi] : spi_target(g, spi));
}

/* Marks every vCPU that bits of a bank may concern. */
static void touch_bank(struct vgic *g, uint32_t vcpu, uint32_t first_intid, uint32_t bits)
{
	if (first_intid < 32)
		touch(g, vcpu);
	else
		for (; bits; bits &= bits - 1)
			touch_spi(g, first_intid - 32 + (uint32_t)__builtin_ctz(bits));
}

/* ---- list registers ---- */

struct candidate {
	uint16_t intid, priority;
	bool more; /* it is not the only one */
	struct vgic_bank *bank;
};

/* The most urgent interrupt for vcpu that is in no list register: deliverable, or (spilled) active. bank NULL: none. */
static struct candidate most_urgent(struct vgic *g, uint32_t vcpu, bool spilled)
{
	struct candidate best = { 0, 0x100, false, NULL };
	struct vgic_bank *b = &g->cpu[vcpu].local;

	for (uint32_t first = 0; first < 32 + MVP_GUEST_SPIS; first += 32) {
		/* Active interrupts wait for their deactivation. */
		uint32_t bits = ~b->inlr & (spilled ? b->active : bank_pending(b) & ~b->active);

		if (bits && !spilled)
			bits &= bank_allowed(g, b);
		for (; bits; bits &= bits - 1) {
			uint32_t n = (uint32_t)__builtin_ctz(bits);

			if (first && spi_target(g, first - 32 + n) != vcpu)
				continue;
			best.more = best.bank != NULL;
			if (b->priority[n] < best.priority) {
				best.intid = (uint16_t)(first + n);
				best.priority = b->priority[n];
				best.bank = b;
			}
		}
		b = &g->spi[first / 32];
	}
	return best;
}

/* A list register's content goes back to where it came from. A level-triggered interrupt without LR_EOI was made pending by software. */
static void withdraw(struct vgic_bank *b, uint64_t lr)
{
	uint32_t bit = 1u << (lr & 31);

	if ((lr & LR_PENDING) && !(lr & LR_EOI))
		b->latch |= bit;
	b->inlr &= ~bit;
	b->lr_pending &= ~bit;
}

/* Whether a pending list register is still to be delivered here. */
static bool still_wanted(const struct vgic *g, uint32_t vcpu, const struct vgic_bank *b, uint64_t lr)
{
	uint32_t bit = 1u << (lr & 31);

	if ((lr & LR_HW) && g->cpu[vcpu].vtimer_low)
		return false;
	return (bank_allowed(g, b) & bit) && (LR_VINTID(lr) < 32 || spi_target(g, LR_VINTID(lr) - 32) == vcpu) &&
	       (!(lr & LR_EOI) || (b->line & bit));
}

/* What guests wrote to the state of an interrupt while it was in a list register. */
static uint64_t apply_writes(struct vgic *g, uint32_t vcpu, struct vgic_bank *b, uint32_t bit, uint64_t lr)
{
	if ((b->drop_pending & bit) && !(lr & LR_HW))
		lr &= ~LR_PENDING;
	if ((b->drop_active & bit) && (lr & LR_ACTIVE)) {
		lr &= ~LR_ACTIVE;
		g->cpu[vcpu].release_vtimer |= (lr & LR_HW) != 0;
	}
	if (b->set_active & bit)
		lr = (lr & LR_HW ? lr & ~LR_PENDING : lr) | LR_ACTIVE; /* a tied one cannot be both */
	b->drop_pending &= ~bit;
	b->drop_active &= ~bit;
	b->set_active &= ~bit;
	return lr;
}

/* One list register: what the guest did to it on the CPU, and what was written to its interrupt's state meanwhile. Returns its new value.
 */
static uint64_t fold_one(struct vgic *g, uint32_t vcpu, uint64_t lr)
{
	struct vgic_bank *b = bank_of(g, vcpu, LR_VINTID(lr));
	uint32_t bit = 1u << (lr & 31);

	if ((b->drop_pending | b->drop_active | b->set_active) & bit)
		lr = apply_writes(g, vcpu, b, bit, lr);
	withdraw(b, lr);
	b->active = lr & LR_ACTIVE ? b->active | bit : b->active & ~bit;
	if ((lr & LR_PENDING) && !still_wanted(g, vcpu, b, lr)) {
		if (LR_VINTID(lr) >= 32)
			touch_spi(g, LR_VINTID(lr) - 32); /* perhaps another vCPU's now */
		lr &= ~LR_PENDING;
	}
	if (!(lr & (LR_PENDING | LR_ACTIVE))) {
		if ((lr & LR_HW) && !(b->latch & bit)) /* the guest's EOI, or we, ended the physical one, too */
			b->tied = 0;
		return 0;
	}
	b->inlr |= bit;
	if (lr & LR_PENDING) {
		b->lr_pending |= bit;
		if ((lr & LR_HW) || !((lr & LR_EOI) || (b->tied & bit)))
			b->latch &= ~bit;
	}
	return lr;
}

void vgic_fold_locked(struct vgic *g, uint32_t vcpu)
{
	struct vgic_cpu *c = &g->cpu[vcpu];

	for (uint32_t used = c->lr_used; used; used &= used - 1) {
		uint32_t i = (uint32_t)__builtin_ctz(used);

		c->lr[i] = fold_one(g, vcpu, c->lr[i]);
		if (!c->lr[i])
			c->lr_used &= ~(1u << i);
	}
	if (c->vtimer_low && c->local.tied & ~c->local.inlr) { /* the timer was set anew before its interrupt was taken */
		c->local.latch &= ~c->local.tied;
		c->local.tied = 0;
		c->release_vtimer = true;
	}
	c->vtimer_low = false;
	for (; c->eoi_count; c->eoi_count--) { /* an EOI ends what is most urgent of the active ones */
		struct candidate k = most_urgent(g, vcpu, true);

		if (k.bank)
			k.bank->active &= ~(1u << (k.intid & 31));
	}
}

/* The list register to give up for an interrupt of this priority: the least urgent one that is only pending and less urgent; if none is
 * pending at all, the least urgent active one (its EOI is then counted by the CPU, or trapped). -1: none. */
static int evictable(const struct vgic_cpu *c, uint32_t priority)
{
	int pending = -1, active = -1;
	uint32_t active_priority = 0;

	for (uint32_t used = c->lr_used; used; used &= used - 1) {
		int i = __builtin_ctz(used);
		uint64_t lr = c->lr[i];
		uint32_t p = LR_PRIORITY_GET(lr);

		if (!(lr & LR_ACTIVE)) {
			active_priority = 0x100; /* the pending one is delivered first; then we are called again */
			if (!(lr & LR_HW) && p > priority) {
				pending = i;
				priority = p;
			}
		} else if (!(lr & LR_HW) && p >= active_priority) {
			active = i;
			active_priority = p;
		}
	}
	return pending >= 0 ? pending : active_priority < 0x100 ? active : -1;
}

static uint64_t make_lr(const struct candidate *k)
{
	uint32_t bit = 1u << (k->intid & 31);
	uint64_t lr = k->intid | LR_PRIORITY(k->priority) | LR_PENDING;

	if (k->bank->group & bit)
		lr |= LR_GROUP1;
	if (k->bank->tied & k->bank->latch & bit)
		lr |= LR_HW | LR_PINTID(MVP_GUEST_VTIMER_INTID); /* the guest's EOI deactivates the physical interrupt */
	else if (k->bank->line & ~k->bank->edge & bit)
		lr |= LR_EOI; /* look at the line again when the guest is done */
	return lr;
}

/* Brings a list register that stays up to date with what its interrupt's sources say now. */
static uint64_t refresh(const struct vgic *g, struct vgic_bank *b, uint64_t lr)
{
	uint32_t bit = 1u << (lr & 31);

	if (lr & LR_HW)
		return lr;
	if (b->latch & ~b->tied & bit & bank_allowed(g, b)) { /* again, while it is active: pending and active */
		b->latch &= ~bit;
		b->lr_pending |= bit;
		lr |= LR_PENDING;
	}
	if (b->line & ~b->edge & bit)
		lr |= LR_EOI;
	else if (!(lr & LR_PENDING)) /* nothing to look at when the guest is done: no exit for it */
		lr &= ~LR_EOI;
	return lr;
}

void vgic_flush_locked(struct vgic *g, uint32_t vcpu)
{
	struct vgic_cpu *c = &g->cpu[vcpu];

	c->dirty = false;
	c->overflow = false;
	for (uint32_t used = c->lr_used; used; used &= used - 1) {
		uint64_t *lr = &c->lr[__builtin_ctz(used)];

		*lr = refresh(g, bank_of(g, vcpu, LR_VINTID(*lr)), *lr);
	}
	struct candidate k = { .more = true };
	while (k.more) {
		k = most_urgent(g, vcpu, false);
		uint32_t free = ~c->lr_used & (uint32_t)(BIT(g->lrs) - 1), bit = 1u << (k.intid & 31);

		if (!k.bank)
			break;
		int i = free ? __builtin_ctz(free) : evictable(c, k.priority);
		c->overflow = !free;
		if (i < 0)
			break;
		if (!free)
			withdraw(bank_of(g, vcpu, LR_VINTID(c->lr[i])), c->lr[i]);
		c->lr[i] = make_lr(&k);
		c->lr_used |= 1u << i;
		if (!(c->lr[i] & LR_EOI))
			k.bank->latch &= ~bit;
		k.bank->inlr |= bit;
		k.bank->lr_pending |= bit;
		if (k.intid >= 32)
			g->owner[k.intid - 32] = (uint8_t)vcpu;
	}
	uint32_t spilled = c->local.active & ~c->local.inlr;
	for (const struct vgic_bank *b = g->spi; b < g->spi + VGIC_SPI_BANKS; b++)
		spilled |= b->active & ~b->inlr;
	c->spilled = spilled != 0;
}

bool vgic_has_work(struct vgic *g, uint32_t vcpu)
{
	struct vgic_cpu *c = &g->cpu[vcpu];
	bool work = false;

	spin_lock(&g->lock);
	for (uint32_t used = c->lr_used; used; used &= used - 1)
		work |= (c->lr[__builtin_ctz(used)] & LR_PENDING) != 0;
	work = work || most_urgent(g, vcpu, false).bank;
	spin_unlock(&g->lock);
	return work;
}

/* ---- sources ---- */

void vgic_line(struct vgic *g, uint32_t vcpu, uint32_t intid, bool level)
{
	struct vgic_bank *b = bank_of(g, vcpu, intid);
	uint32_t bit = 1u << (intid & 31);

	if (!b || level == ((b->line & bit) != 0)) /* only its one source changes a line */
		return;
	spin_lock(&g->lock);
	b->line ^= bit;
	if (level)
		b->latch |= b->edge & bit;
	if ((level ? b->enabled | b->inlr : b->inlr & ~b->edge) & bit)
		touch_bank(g, vcpu, intid & ~31u, bit);
	spin_unlock(&g->lock);
}

void vgic_vtimer(struct vgic *g, uint32_t vcpu)
{
	spin_lock(&g->lock);
	g->cpu[vcpu].local.latch |= 1u << MVP_GUEST_VTIMER_INTID;
	g->cpu[vcpu].local.tied = 1u << MVP_GUEST_VTIMER_INTID;
	touch(g, vcpu);
	spin_unlock(&g->lock);
}

void vgic_sgi(struct vgic *g, uint32_t vcpu, uint64_t val, bool group1)
{
	uint32_t bit = 1u << ((val >> 24) & 0xf);
	uint32_t all = (1u << g->vcpus) - 1, targets = (uint32_t)val & 0xffff & all;

	if (val & BIT(40)) /* IRM: all but the sender */
		targets = all & ~(1u << vcpu);
	else if (val & 0x00fff0ff00ff0000ull) /* affinities and ranges without vCPUs */
		targets = 0;

	spin_lock(&g->lock);
	for (; targets; targets &= targets - 1) {
		uint32_t t = (uint32_t)__builtin_ctz(targets);
		struct vgic_bank *b = &g->cpu[t].local;

		if (((b->group & bit) != 0) == group1) {
			b->latch |= bit;
			touch(g, t);
		}
	}
	spin_unlock(&g->lock);
}

void vgic_deactivate(struct vgic *g, uint32_t vcpu, uint32_t intid)
{
	struct vgic_bank *b = bank_of(g, vcpu, intid);
	uint32_t bit = 1u << (intid & 31);

	if (!b)
		return;
	spin_lock(&g->lock);
	b->drop_active |= b->inlr & bit;
	b->active &= ~bit;
	touch_bank(g, vcpu, intid & ~31u, bit);
	spin_unlock(&g->lock);
}

/* ---- registers ---- */

enum { DIST = 1, RD = 2, SGI = 4 }; /* frames: distributor, a redistributor's two */
enum field {
	F_CTLR,
	F_DTYPER,
	F_IIDR,
	F_PIDR2,
	F_RTYPER,
	F_WAKER,
	F_ROUTER,
	F_GROUP, /* from here on: 32 interrupts of one bank */
	F_SENABLE,
	F_CENABLE,
	F_SPEND,
	F_CPEND,
	F_SACTIVE,
	F_CACTIVE,
	F_PRIORITY,
	F_CONFIG,
};

/* Every register that is not RAZ/WI (IHI 0069, 12.8 to 12.11). Banked ones stand at the same offsets in the distributor (INTIDs from 32)
 * and in a redistributor's SGI frame (below 32). */
static const struct row {
	uint16_t first, last;
	uint8_t frames, field;
	uint8_t widths;    /* allowed access widths in bytes, or-ed */
	uint8_t bits_log2; /* bits per interrupt, log2 */
} rows[] = {
	{ 0x0100, 0x017f, DIST | SGI, F_SENABLE, 4, 0 }, /* kernels use these two all the time */
	{ 0x0180, 0x01ff, DIST | SGI, F_CENABLE, 4, 0 },
	{ 0x0008, 0x000b, DIST, F_IIDR, 4, 0 },
	{ 0x0000, 0x0003, DIST, F_CTLR, 4, 0 },
	{ 0x0004, 0x0007, DIST, F_DTYPER, 4, 0 },
	{ 0x0004, 0x0007, RD, F_IIDR, 4, 0 },
	{ 0x0008, 0x000f, RD, F_RTYPER, 8 | 4, 0 },
	{ 0x0014, 0x0017, RD, F_WAKER, 4, 0 },
	{ 0xffe8, 0xffeb, DIST | RD, F_PIDR2, 4, 0 },
	{ 0x0080, 0x00ff, DIST | SGI, F_GROUP, 4, 0 },
	{ 0x0200, 0x027f, DIST | SGI, F_SPEND, 4, 0 },
	{ 0x0280, 0x02ff, DIST | SGI, F_CPEND, 4, 0 },
	{ 0x0300, 0x037f, DIST | SGI, F_SACTIVE, 4, 0 },
	{ 0x0380, 0x03ff, DIST | SGI, F_CACTIVE, 4, 0 },
	{ 0x0400, 0x07ff, DIST | SGI, F_PRIORITY, 4 | 1, 3 },
	{ 0x0c00, 0x0cff, DIST | SGI, F_CONFIG, 4, 1 },
	{ 0x6000, 0x7fff, DIST, F_ROUTER, 8 | 4, 6 },
};

bool vgic_needs_fold(uint32_t off)
{
	return off >= 0x200 && off < 0x400;
}

/* A decoded access. */
struct place {
	struct vgic *g;
	struct vgic_bank *b; /* of a banked register, else NULL */
	uint32_t vcpu, field, off, width;
	uint32_t intid; /* of the first interrupt in the access */
};

/* False: RAZ/WI. off counts from GICD, or from the first redistributor. */
static bool decode(struct vgic *g, bool dist, uint32_t off, uint32_t width, struct place *p)
{
	uint32_t frame = dist ? DIST : off & 0x10000 ? SGI : RD;

	p->g = g;
	p->b = NULL;
	p->vcpu = dist ? 0 : off / MVP_GUEST_GICR_STRIDE;
	p->off = off & 0xffff;
	p->width = width;
	if (p->vcpu >= g->vcpus || (off & (width - 1)))
		return false;
	for (const struct row *r = rows; r < rows + ARRAY_LEN(rows); r++) {
		if (p->off < r->first || p->off > r->last || !(r->frames & frame) || !(r->widths & width))
			continue;
		p->field = r->field;
		p->intid = (p->off - r->first) * 8 >> r->bits_log2;
		if (p->field < F_ROUTER)
			return true;
		p->b = bank_of(g, p->vcpu, p->intid);
		return p->b && dist == (p->intid >= 32);
	}
	return false;
}

/* A field per interrupt, spread over the register. */
static uint64_t spread(const struct place *p)
{
	uint32_t n = p->intid & 31;
	uint64_t v = 0;

	if (p->field == F_PRIORITY)
		for (uint32_t i = 0; i < p->width; i++)
			v |= (uint64_t)p->b->priority[n + i] << (8 * i);
	else
		for (uint32_t i = 0; i < 16; i++)
			v |= (uint64_t)(p->b->edge >> (n + i) & 1) << (2 * i + 1);
	return v;
}

static uint64_t wide_read(const struct place *p, uint64_t v)
{
	return p->width == 8 ? v : (uint32_t)(p->off & 4 ? v >> 32 : v);
}

static uint64_t read_locked(const struct place *p)
{
	struct vgic *g = p->g;

	switch (p->field) {
	case F_CTLR:
		return g->ctlr | CTLR_FIXED;
	case F_DTYPER: /* ITLinesNumber, IDbits = 16, A3V = 0, No1N = 1 */
		return VGIC_SPI_BANKS | (15u << 19) | BIT(25);
	case F_IIDR:
		return IIDR;
	case F_PIDR2:
		return PIDR2_GICV3;
	case F_RTYPER: /* affinity, processor number, Last */
		return wide_read(p, (uint64_t)p->vcpu << 32 | (uint64_t)p->vcpu << 8 | (p->vcpu + 1 == g->vcpus ? BIT(4) : 0));
	case F_WAKER:
		return g->cpu[p->vcpu].waker ? WAKER_SLEEP | WAKER_ASLEEP : 0;
	case F_ROUTER:
		return wide_read(p, g->router[p->intid - 32]);
	case F_GROUP:
		return p->b->group;
	case F_SENABLE:
	case F_CENABLE:
		return p->b->enabled;
	case F_SPEND:
	case F_CPEND:
	case F_SACTIVE:
	case F_CACTIVE:
		/* What another vCPU has done to its list registers is seen at its next exit: ask for one. */
		touch_bank(g, p->vcpu, p->intid, p->b->inlr);
		if (p->field <= F_CPEND)
			return bank_pending(p->b) | (p->b->lr_pending & ~p->b->drop_pending);
		return (p->b->active & ~p->b->drop_active) | p->b->set_active;
	default:
		return spread(p);
	}
}

static void spread_write(const struct place *p, uint64_t val)
{
	struct vgic_bank *b = p->b;
	uint32_t n = p->intid & 31;

	if (p->field == F_PRIORITY) {
		for (uint32_t i = 0; i < p->width; i++)
			b->priority[n + i] = (uint8_t)(val >> (8 * i)) & PRIO_BITS_MASK;
	} else if (p->intid >= 16) { /* SGIs stay edge triggered */
		for (uint32_t i = 0; i < 16; i++)
			b->edge = (b->edge & ~(1u << (n + i))) | (uint32_t)(val >> (2 * i + 1) & 1) << (n + i);
	}
}

static void router_write(const struct place *p, uint64_t val)
{
	uint64_t *r = &p->g->router[p->intid - 32], mask = p->width == 8 ? ~0ull : p->off & 4 ? ~0ull << 32 : 0xffffffffull;

	if (p->width == 4 && (p->off & 4))
		val <<= 32;
	*r = (*r & ~mask) | (val & mask & 0xff80ffffffull);
	touch_spi(p->g, p->intid - 32); /* who has it now folds it back; it then goes on to the new target */
}

static void write_locked(const struct place *p, uint64_t val)
{
	struct vgic *g = p->g;
	struct vgic_bank *b = p->b;
	uint32_t w = (uint32_t)val, changed = w;

	switch (p->field) {
	case F_CTLR:
		g->ctlr = (uint32_t)(val & CTLR_WRITABLE);
		for (uint32_t v = 0; v < g->vcpus; v++)
			touch(g, v);
		return;
	case F_WAKER:
		g->cpu[p->vcpu].waker = (uint32_t)(val & WAKER_SLEEP);
		return;
	case F_ROUTER:
		router_write(p, val);
		return;
	case F_GROUP:
		changed = b->group ^ w;
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
		w &= ~b->tied; /* the timer's line keeps it pending, and its latch stands for an active physical interrupt */
		b->latch &= ~w;
		b->drop_pending |= w & b->inlr;
		break;
	case F_SACTIVE:
		b->active |= w;
		b->set_active |= w & b->inlr;
		b->drop_active &= ~w;
		break;
	case F_CACTIVE:
		b->active &= ~w;
		b->drop_active |= w & b->inlr;
		b->set_active &= ~w;
		break;
	case F_PRIORITY:
	case F_CONFIG:
		spread_write(p, val);
		return;
	default: /* read only */
		return;
	}
	touch_bank(g, p->vcpu, p->intid, changed);
}

uint64_t vgic_read(struct vgic *g, bool dist, uint32_t off, uint32_t width)
{
	struct place p;
	uint64_t v = 0;

	if (decode(g, dist, off, width, &p)) {
		spin_lock(&g->lock);
		v = read_locked(&p);
		spin_unlock(&g->lock);
	}
	return v;
}

void vgic_write(struct vgic *g, bool dist, uint32_t off, uint32_t width, uint64_t val)
{
	struct place p;

	if (decode(g, dist, off, width, &p)) {
		spin_lock(&g->lock);
		write_locked(&p, val);
		spin_unlock(&g->lock);
	}
}
