/* The interrupt controller: random and hostile use by both CPUs at once, and sequences that a well-behaved kernel relies on. */
#include "hostile.h"

#define ISENABLER 0x100u
#define ICENABLER 0x180u
#define ISPENDR 0x200u
#define ICPENDR 0x280u
#define ISACTIVER 0x300u
#define ICACTIVER 0x380u
#define IPRIORITYR 0x400u
#define ICFGR 0xc00u
#define IROUTER 0x6000u
#define PATIENCE_US 20000000u /* far beyond what a busy host machine and a small share explain */

static uint64_t sgi_frame(uint32_t cpu)
{
	return GICR + cpu * GICR_STRIDE + GICR_SGI;
}

/* The register with one bit for INTID: bank and bit. */
static void set_bit(struct cpu *c, uint32_t reg, uint32_t intid)
{
	store((intid < 32 ? sgi_frame(c->index) : GICD) + reg + intid / 32 * 4, 4, 1u << (intid & 31));
	c->exits++;
}

static bool get_bit(struct cpu *c, uint32_t reg, uint32_t intid)
{
	c->exits++;
	return load((intid < 32 ? sgi_frame(c->index) : GICD) + reg + intid / 32 * 4, 4) >> (intid & 31) & 1;
}

static void set_priority(struct cpu *c, uint32_t intid, uint32_t priority)
{
	store((intid < 32 ? sgi_frame(c->index) : GICD) + IPRIORITYR + intid, 1, priority);
	c->exits++;
}

static void route(uint32_t intid, uint32_t cpu)
{
	store(GICD + IROUTER + intid * 8, 8, cpu);
}

static void send_sgi(struct cpu *c, uint64_t value)
{
	sysreg_write("icc_sgi1r_el1", value);
	isb();
	c->exits++;
}

void gic_local(struct cpu *c, uint32_t intid, bool on)
{
	set_bit(c, on ? ISENABLER : ICENABLER, intid);
}

static void clean_local(struct cpu *c)
{
	uint64_t sgi = sgi_frame(c->index);

	sysreg_write("cntv_ctl_el0", 0);
	store(sgi - GICR_SGI + 0x14, 4, 0); /* WAKER */
	store(sgi + ICENABLER, 4, ~0u);
	store(sgi + ICPENDR, 4, ~0u);
	store(sgi + ICACTIVER, 4, ~0u);
	store(sgi + 0x80, 4, ~0u); /* IGROUPR0 */
	store(sgi + ICFGR + 4, 4, 0);
	for (uint32_t i = 0; i < 32; i += 4)
		store(sgi + IPRIORITYR + i, 4, 0xa0a0a0a0);
	sysreg_write("icc_igrpen0_el1", 0);
	sysreg_write("icc_igrpen1_el1", 0);
	sysreg_write("icc_ctlr_el1", 0);
	sysreg_write("icc_pmr_el1", 0xff);
	sysreg_write("icc_bpr0_el1", 0);
	sysreg_write("icc_bpr1_el1", 0);
	sysreg_write("icc_ap0r0_el1", 0);
	sysreg_write("icc_ap1r0_el1", 0);
	isb();
}

static void clean_dist(void)
{
	store(GICD, 4, 0);
	for (uint32_t i = 32; i < INTIDS; i += 32) {
		store(GICD + ICENABLER + i / 8, 4, ~0u);
		store(GICD + ICPENDR + i / 8, 4, ~0u);
		store(GICD + ICACTIVER + i / 8, 4, ~0u);
		store(GICD + 0x80 + i / 8, 4, ~0u);
	}
	for (uint32_t i = 32; i < INTIDS; i++) {
		route(i, 0);
		if (i % 4 == 0)
			store(GICD + IPRIORITYR + i, 4, 0xa0a0a0a0);
		if (i % 16 == 0)
			store(GICD + ICFGR + i / 4, 4, 0);
	}
	store(GICD, 4, 0x12); /* ARE, group 1 */
}

void gic_clean(struct cpu *c)
{
	masked(true);
	c->on_intid = NULL;
	c->keep = false;
	meet(c); /* nobody sends SGIs any more */
	clean_local(c);
	meet(c);
	if (c->index == 0)
		clean_dist();
	meet(c);
	/* What stood active in a list register when its SPI was cleared by the other CPU. */
	clean_local(c);
	sysreg_write("icc_igrpen1_el1", 1);
	isb();
	for (uint32_t i = 0; i < INTIDS; i++)
		c->taken[i] = 0;
	c->spurious = 0;
	meet(c);
}

static void quiet(uint32_t intid)
{
	if (intid == INTID_VTIMER)
		sysreg_write("cntv_ctl_el0", 2);
	else if (intid == INTID_UART)
		store(UART + 0x38, 4, 0);
	isb();
}

void on_interrupt(struct cpu *c, uint32_t group);
void on_interrupt(struct cpu *c, uint32_t group)
{
	uint32_t intid = (uint32_t)(group ? sysreg_read("icc_iar1_el1") : sysreg_read("icc_iar0_el1"));

	dsb();
	if (intid >= INTIDS) {
		c->spurious++;
		return;
	}
	c->taken[intid]++;
	quiet(intid);
	if (c->on_intid)
		c->on_intid(c, intid);
	if (c->keep)
		return;
	if (group)
		sysreg_write("icc_eoir1_el1", intid);
	else
		sysreg_write("icc_eoir0_el1", intid);
	isb();
	if (sysreg_read("icc_ctlr_el1") & 2)
		sysreg_write("icc_dir_el1", intid);
	isb();
}

static uint32_t taken(struct cpu *c, uint32_t intid)
{
	return __atomic_load_n(&c->taken[intid], __ATOMIC_ACQUIRE);
}

/* Interrupts are open: waits until INTID was taken count times. */
static void want(struct cpu *c, uint32_t intid, uint32_t count, const char *what)
{
	uint64_t start = ticks(), waited = 0;

	while (taken(c, intid) < count && waited <= us(PATIENCE_US))
		waited = ticks() - start;
	if (waited > c->longest_wait)
		c->longest_wait = waited;
	if (taken(c, intid) >= count)
		return;
	put_line("INTID %u: taken %u, wanted %u, enabled %u pending %u active %u, PMR %x RPR %x HPPIR %x", intid, taken(c, intid), count,
		 (uint32_t)get_bit(c, ISENABLER, intid), (uint32_t)get_bit(c, ISPENDR, intid), (uint32_t)get_bit(c, ISACTIVER, intid),
		 sysreg_read("icc_pmr_el1"), sysreg_read("icc_rpr_el1"), sysreg_read("icc_hppir1_el1"));
	bad(c, what, intid);
}

static void check_sgis(struct cpu *c)
{
	for (uint32_t n = 0; n < 16; n++) {
		gic_local(c, n, true);
		send_sgi(c, BIT(c->index) | (uint64_t)n << 24);
		want(c, n, 1, "check: lost an SGI to itself");
	}
	meet(c);
	for (uint32_t n = 0; second_on && n < 16; n++) {
		send_sgi(c, BIT(c->index ^ 1) | (uint64_t)n << 24);
		want(c, n, 2, "check: lost an SGI from the other CPU");
		meet(c);
	}
}

static void check_spis(struct cpu *c)
{
	uint32_t edge = INTID_FREE + c->index, level = 48 + c->index;

	if (c->index == 0)
		store(GICD + ICFGR + 32 / 4, 4, 0xaaaa0000); /* 40-47 */
	meet(c);
	route(edge, c->index);
	route(level, c->index);
	set_bit(c, ISENABLER, edge);
	set_bit(c, ISENABLER, level);
	set_bit(c, ISPENDR, edge);
	want(c, edge, 1, "check: lost an edge-triggered SPI");
	set_bit(c, ISPENDR, level);
	want(c, level, 1, "check: lost a level-sensitive SPI made pending by software");
}

void gic_check(struct cpu *c)
{
	gic_clean(c);
	masked(false);
	check_sgis(c);
	gic_local(c, INTID_VTIMER, true);
	sysreg_write("cntv_cval_el0", ticks() + us(50));
	sysreg_write("cntv_ctl_el0", 1);
	want(c, INTID_VTIMER, 1, "check: lost the timer");
	meet(c);
	check_spis(c);
	meet(c);
	busy(us(200));
	for (uint32_t i = 0; i < INTIDS; i++) {
		uint32_t right = i < 16 ? 1 + second_on : i == INTID_VTIMER || i == INTID_FREE + c->index || i == 48 + c->index;

		if (taken(c, i) > right)
			bad(c, "check: an interrupt came too often", i);
	}
	if (c->spurious)
		bad(c, "check: spurious interrupts", c->spurious);
	masked(true);
	meet(c);
	gic_clean(c);
}

/* ---- anything at any time ---- */

static void random_cpu_interface(uint64_t r)
{
	uint64_t intid = r >> 32 & 127;

	switch (r & 15) {
	case 0:
	case 1:
		sysreg_write("icc_eoir1_el1", intid);
		break;
	case 2:
		sysreg_write("icc_eoir0_el1", r >> 32 & 1 ? intid : 1020 + (intid & 3));
		break;
	case 3:
	case 4:
		sysreg_write("icc_dir_el1", intid);
		break;
	case 5:
		(void)sysreg_read("icc_iar1_el1");
		break;
	case 6:
		(void)sysreg_read("icc_iar0_el1");
		break;
	case 7:
		sysreg_write("icc_pmr_el1", r >> 40 & 0xff);
		break;
	case 8:
		sysreg_write("icc_bpr1_el1", r >> 40 & 7);
		break;
	case 9:
		sysreg_write("icc_ctlr_el1", r >> 40 & 3);
		break;
	case 10:
		sysreg_write("icc_igrpen0_el1", r >> 40 & 1);
		sysreg_write("icc_igrpen1_el1", r >> 41 & 1);
		break;
	case 11:
		sysreg_write("icc_ap1r0_el1", r >> 40 & 3 ? 0 : r >> 32);
		break;
	case 12:
		sysreg_write("icc_ap0r0_el1", 0);
		break;
	case 13:
		(void)sysreg_read("icc_hppir1_el1");
		(void)sysreg_read("icc_rpr_el1");
		break;
	case 14:
		sysreg_write("cntv_cval_el0", ticks() + (r >> 48));
		sysreg_write("cntv_ctl_el0", r >> 40 & 3);
		break;
	default:
		masked(r >> 40 & 1);
		break;
	}
	isb();
}

static void random_sgi(struct cpu *c, uint64_t r)
{
	uint64_t v = r & BIT(63) ? (r & 0xf000003) | (r & BIT(40)) : r;

	if (r & BIT(62))
		send_sgi(c, v);
	else if (r & BIT(61))
		sysreg_write("icc_sgi0r_el1", v);
	else
		sysreg_write("icc_asgi1r_el1", v);
}

static void random_register(struct cpu *c, uint64_t r)
{
	static const uint16_t regs[] = { 0x80, ISENABLER, ISENABLER, ICENABLER, ISPENDR, ISPENDR, ICPENDR, ISACTIVER, ICACTIVER };
	uint32_t bank = r >> 8 & 3, what = (uint32_t)(r >> 16 & 15);
	uint64_t base = bank ? GICD : sgi_frame(r >> 10 & 1), v = r >> 20 & BIT(12) ? rnd(c) & rnd(c) : rnd(c);

	c->exits++;
	if (what < sizeof(regs) / sizeof(regs[0]))
		store(base + regs[what] + bank * 4, 4, v);
	else if (what < 12)
		store(base + IPRIORITYR + (r >> 24 & 127), 1u << (v & 2), v >> 8);
	else if (what == 12)
		store(base + ICFGR + (r >> 24 & 31) * 4, 4, v);
	else if (what == 13)
		store(GICD + IROUTER + (32 + (r >> 24 & 63)) * 8, v & 2 ? 8 : 4, v & 4 ? v : v & 1);
	else if (what == 14)
		store(GICD, 4, v);
	else
		(void)load(base + regs[r >> 24 & 7] + bank * 4, 4);
}

/* Now and then an interrupt is not ended. */
static void forget_some(struct cpu *c, uint32_t intid)
{
	c->keep = (c->rng >> 7 & 7) == 0 && intid != INTID_UART;
}

void attack_gic_random(struct cpu *c, uint32_t picks)
{
	gic_clean(c);
	c->on_intid = forget_some;
	sysreg_write("icc_igrpen0_el1", 1);
	for (uint32_t i = 0; i < (picks ? picks : 40000); i++) {
		uint64_t r = rnd(c);

		c->tries++;
		if (r >> 60 < 7)
			random_register(c, r);
		else if (r >> 60 < 14)
			random_cpu_interface(r);
		else
			random_sgi(c, rnd(c));
	}
	masked(true);
}

/* ---- more interrupts than list registers: each comes, once, and the urgent first ---- */

static struct {
	uint8_t priority[INTIDS];
	uint32_t last;
	bool wrong_order;
} order[CPUS];

static void note_order(struct cpu *c, uint32_t intid)
{
	if (order[c->index].priority[intid] < order[c->index].last)
		order[c->index].wrong_order = true;
	order[c->index].last = order[c->index].priority[intid];
}

static bool is_mine(struct cpu *c, uint32_t intid)
{
	return intid < 16 || (intid >= INTID_FREE && (intid & 1) == c->index);
}

static void overflow_once(struct cpu *c)
{
	bool open = rnd(c) & 1;

	for (uint32_t i = 0; i < INTIDS; i++) {
		if (!is_mine(c, i))
			continue;
		c->taken[i] = 0;
		order[c->index].priority[i] = (uint8_t)(8 + (rnd(c) % 30) * 8);
		set_priority(c, i, order[c->index].priority[i]);
	}
	order[c->index].last = 0;
	order[c->index].wrong_order = false;
	masked(!open);
	for (uint32_t i = 0; i < INTIDS; i++)
		if (is_mine(c, i))
			set_bit(c, ISPENDR, i);
	masked(false);
	for (uint32_t i = 0; i < INTIDS; i++)
		if (is_mine(c, i))
			want(c, i, 1, "lost one of many pending interrupts");
	for (uint32_t i = 0; i < INTIDS; i++) {
		if (taken(c, i) > (is_mine(c, i) ? 1 : 0))
			bad(c, "one of many pending interrupts came too often", i);
		c->tries += is_mine(c, i);
	}
	if (!open && order[c->index].wrong_order)
		bad(c, "an urgent interrupt came after one less urgent", order[c->index].last);
}

void attack_gic_overflow(struct cpu *c, uint32_t picks)
{
	gic_clean(c);
	for (uint32_t i = 0; i < INTIDS; i++) {
		if (!is_mine(c, i))
			continue;
		if (i >= 32)
			route(i, c->index);
	}
	if (c->index == 0)
		for (uint32_t i = 32; i < INTIDS; i += 16)
			store(GICD + ICFGR + i / 4, 4, 0xaaaaaaaa);
	meet(c);
	c->on_intid = note_order;
	for (uint32_t i = 0; i < INTIDS; i++)
		if (is_mine(c, i))
			set_bit(c, ISENABLER, i);
	for (uint32_t i = 0; c->bads < 4 && i < (picks ? picks / 64 + 1 : 12); i++)
		overflow_once(c);
	masked(true);
}

/* ---- nested, ended and deactivated in any order ---- */

#define NEST 4 /* as many as there are list registers: what is active holds one */

static void order_once(struct cpu *c, uint32_t first)
{
	uint32_t left = (1u << NEST) - 1;

	for (uint32_t i = 0; i < NEST; i++) {
		set_priority(c, first + 2 * i, 0xa0 - i * 0x20);
		set_bit(c, ISPENDR, first + 2 * i);
		uint64_t start = ticks();
		uint32_t got;
		while ((got = (uint32_t)sysreg_read("icc_iar1_el1")) == 1023 && ticks() - start < us(PATIENCE_US))
			;
		if (got != first + 2 * i)
			bad(c, "a nested interrupt was not acknowledged, IAR", got);
	}
	while (left) {
		uint32_t i = (uint32_t)rnd(c) % NEST;

		if (!(left & 1u << i))
			continue;
		left &= ~(1u << i);
		sysreg_write("icc_eoir1_el1", first + 2 * i); /* drops the running priority, whichever it is */
		isb();
		if (rnd(c) & 1)
			(void)get_bit(c, ISACTIVER, first);
	}
	if (sysreg_read("icc_rpr_el1") != 0xff)
		bad(c, "running priority after as many ends as acknowledges", sysreg_read("icc_rpr_el1"));
	for (left = (1u << NEST) - 1; left;) {
		uint32_t i = (uint32_t)rnd(c) % NEST;

		if (!(left & 1u << i))
			continue;
		left &= ~(1u << i);
		sysreg_write("icc_dir_el1", first + 2 * i);
		isb();
		if (rnd(c) & 1 && get_bit(c, ISACTIVER, first + 2 * i))
			bad(c, "active after its deactivation", first + 2 * i);
	}
	c->tries += NEST;
	for (uint32_t i = 0; i < NEST; i++) {
		c->taken[first + 2 * i] = 0;
		set_bit(c, ISPENDR, first + 2 * i);
		masked(false);
		want(c, first + 2 * i, 1, "lost an interrupt after it was deactivated");
		masked(true);
	}
}

void attack_gic_order(struct cpu *c, uint32_t picks)
{
	gic_clean(c);
	sysreg_write("icc_ctlr_el1", 2); /* EOImode */
	isb();
	if (c->index == 0)
		for (uint32_t i = 32; i < INTIDS; i += 16)
			store(GICD + ICFGR + i / 4, 4, 0xaaaaaaaa);
	meet(c);
	for (uint32_t i = INTID_FREE + c->index; i < INTIDS; i += 2) {
		route(i, c->index);
		set_bit(c, ISENABLER, i);
	}
	for (uint32_t i = 0; c->bads < 4 && i < (picks ? picks / 16 + 1 : 100); i++)
		order_once(c, INTID_FREE + c->index + 2 * ((uint32_t)rnd(c) % 20));
}

/* ---- pending is kept whatever happens meanwhile ---- */

static void level_once(struct cpu *c, uint32_t intid, bool edge)
{
	uint64_t r = rnd(c);
	const char *what = edge ? "lost or doubled an edge-triggered interrupt" : "lost or doubled a level-sensitive interrupt";

	c->taken[intid] = 0;
	masked(true);
	if (r & 1)
		set_bit(c, ICENABLER, intid);
	set_bit(c, ISPENDR, intid);
	for (uint32_t i = 0; i < (r >> 8 & 3); i++) { /* what makes the list registers be looked at */
		if (r >> (16 + i) & 1)
			(void)get_bit(c, ISPENDR, intid);
		else
			set_bit(c, r >> (20 + i) & 1 ? ISENABLER : ICENABLER, 95);
	}
	if (r & 2) {
		set_bit(c, ICENABLER, intid);
		set_bit(c, ISENABLER, intid);
	}
	if (r & 4) { /* active: must wait for its deactivation */
		set_bit(c, ISACTIVER, intid);
		masked(false);
		set_bit(c, ISENABLER, intid);
		busy(us(20));
		masked(true);
		if (taken(c, intid))
			bad(c, "an interrupt came though it was active", intid);
		set_bit(c, ICACTIVER, intid);
	}
	if ((r & 0xf8) == 0) {
		set_bit(c, ICPENDR, intid);
		set_bit(c, ISENABLER, intid);
		masked(false);
		busy(us(20));
		masked(true);
		if (taken(c, intid))
			bad(c, "an interrupt whose pending state was cleared came", intid);
		return;
	}
	set_bit(c, ISENABLER, intid);
	masked(false);
	want(c, intid, 1, what);
	masked(true);
	c->tries++;
}

void attack_gic_level(struct cpu *c, uint32_t picks)
{
	gic_clean(c);
	if (c->index == 0)
		store(GICD + ICFGR + 48 / 4, 4, 0xaaaaaaaa); /* 48-63 are edge triggered */
	meet(c);
	for (uint32_t i = INTID_FREE + c->index; i < INTIDS; i += 2)
		route(i, c->index);
	for (uint32_t i = 0; c->bads < 4 && i < (picks ? picks / 4 + 1 : 400); i++) {
		uint32_t intid = INTID_FREE + 2 * (uint32_t)(rnd(c) % 24) + c->index;

		level_once(c, intid, intid >= 48 && intid < 64);
		if (taken(c, intid) > 1)
			bad(c, "an interrupt came twice", intid);
	}
	masked(true);
}

/* ---- SGIs: none lost, none to those who are not named ---- */

#define SGI_PING 3u
#define SGI_NOISE 4u

void attack_sgi(struct cpu *c, uint32_t picks)
{
	uint32_t rounds = picks ? picks : 3000, all_but_me = 0;

	gic_clean(c);
	gic_local(c, SGI_PING, true);
	gic_local(c, SGI_NOISE, true);
	meet(c);
	masked(false);
	for (uint32_t i = 1; i <= rounds; i++) {
		uint64_t r = rnd(c);

		/* Affinities, ranges and targets that nobody has. */
		static const uint8_t field[4] = { 16, 32, 48, 44 }; /* Aff1, Aff2, Aff3, RS */
		uint64_t wrong = 3 | BIT(field[r >> 1 & 3] + (r >> 8) % 4);
		send_sgi(c, (uint64_t)SGI_NOISE << 24 | (r & 1 ? r >> 16 & 0xfffc : wrong));
		if (c->index == 0 || !second_on) { /* ping */
			send_sgi(c, (uint64_t)SGI_PING << 24 | BIT(second_on));
			want(c, SGI_PING, i, "lost an SGI");
		} else { /* pong */
			want(c, SGI_PING, i, "lost an SGI");
			send_sgi(c, (uint64_t)SGI_PING << 24 | BIT(0));
		}
		c->tries += 2;
		c->refused++;
		if (c->bads)
			break;
	}
	meet(c);
	if (taken(c, SGI_NOISE))
		bad(c, "SGIs for affinities that nobody has came", taken(c, SGI_NOISE));
	meet(c);
	if (second_on && c->index == 0)
		send_sgi(c, BIT(40) | (uint64_t)SGI_NOISE << 24); /* all but me */
	if (second_on && c->index == 1)
		want(c, SGI_NOISE, 1, "lost an SGI to all others");
	meet(c);
	all_but_me = taken(c, SGI_NOISE);
	if (all_but_me != (second_on && c->index == 1))
		bad(c, "an SGI to all others came this often", all_but_me);
	masked(true);
}
