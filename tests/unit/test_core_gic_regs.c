/* The virtual GICv3 (Arm IHI 0069) as a persona sees it: registers by memory accesses that trap, interrupts at the CPU interface of the
 * fake machine, whose list registers the core fills. test_core_gic.c has what they do to interrupts. */
#include "tests/unit/fixture_gic.h"

/* Distributor and redistributor: IHI 0069, 12.9 to 12.12. */
enum kind { RO, RW, SET, CLEAR, RAZ };

struct row {
	const char *name;
	uint32_t first, end; /* of the whole architected range */
	enum kind kind;
	uint32_t widths; /* allowed, or-ed */
	uint64_t mask;   /* writable bits of 32 (of RO: bits that matter) */
	uint64_t reset;  /* of the implemented part */
	uint32_t bits;   /* per INTID; 0: not by INTID */
};

static const struct row dist_rows[] = {
	{ "GICD_CTLR", 0x0000, 0x0004, RW, 4, 0x3, 0x50, 0 },
	{ "GICD_TYPER", 0x0004, 0x0008, RO, 4, 0x3ff, 2, 0 }, /* ITLinesNumber; CPUNumber, ESPI, SecurityExtn 0 */
	{ "GICD_IIDR", 0x0008, 0x000c, RO, 4, 0xfff, 0x43b, 0 },
	{ "GICD_TYPER2", 0x000c, 0x0010, RAZ, 4, 0, 0, 0 },
	{ "GICD_STATUSR", 0x0010, 0x0014, RAZ, 4, 0, 0, 0 },
	{ "GICD_SETSPI_NSR and others", 0x0040, 0x0080, RAZ, 4, 0, 0, 0 },
	{ "GICD_IGROUPR", 0x0080, 0x0100, RW, 4, ~0ull, 0, 1 },
	{ "GICD_ISENABLER", 0x0100, 0x0180, SET, 4, ~0ull, 0, 1 },
	{ "GICD_ICENABLER", 0x0180, 0x0200, CLEAR, 4, ~0ull, 0, 1 },
	{ "GICD_ISPENDR", 0x0200, 0x0280, SET, 4, ~0ull, 0, 1 },
	{ "GICD_ICPENDR", 0x0280, 0x0300, CLEAR, 4, ~0ull, 0, 1 },
	{ "GICD_ISACTIVER", 0x0300, 0x0380, SET, 4, ~0ull, 0, 1 },
	{ "GICD_ICACTIVER", 0x0380, 0x0400, CLEAR, 4, ~0ull, 0, 1 },
	{ "GICD_IPRIORITYR", 0x0400, 0x0800, RW, 4 | 1, 0xf8f8f8f8, 0, 8 },
	{ "GICD_ITARGETSR", 0x0800, 0x0c00, RAZ, 4 | 1, 0, 0, 8 }, /* RES0 with affinity routing */
	{ "GICD_ICFGR", 0x0c00, 0x0d00, RW, 4, 0xaaaaaaaa, 0, 2 },
	{ "GICD_IGRPMODR", 0x0d00, 0x0d80, RAZ, 4, 0, 0, 1 }, /* RES0 with one security state */
	{ "GICD_NSACR", 0x0e00, 0x0f00, RAZ, 4, 0, 0, 2 },
	{ "GICD_SGIR", 0x0f00, 0x0f04, RAZ, 4, 0, 0, 0 },
	{ "GICD_CPENDSGIR", 0x0f10, 0x0f30, RAZ, 4 | 1, 0, 0, 0 },
	{ "GICD_IGROUPRnE and on", 0x1000, 0x6000, RAZ, 4, 0, 0, 0 },
	{ "GICD_IROUTER", 0x6100, 0x6000 + 8 * 1020, RW, 8, 0xff80ffffffull, 0, 64 },
	{ "GICD_PIDR2", 0xffe8, 0xffec, RO, 4, 0xf0, 0x30, 0 },
};

static bool implemented(const struct row *r, uint32_t off, bool redist)
{
	uint32_t base = r->bits == 64 ? 0x6000 : r->first;
	uint32_t intid = r->bits ? (off - base) * 8 / r->bits : 0;

	return !r->bits || (redist ? intid < 32 : intid >= 32 && intid < 32 + SPIS);
}

/* Before and after writes of all ones and all zeros the register is what its row says. */
static void check_register(const struct row *r, uint64_t ipa, uint32_t width, uint64_t mask, uint64_t reset)
{
	uint64_t ones = width == 8 ? ~0ull : BIT(8 * width) - 1;

	switch (r->kind) {
	case RAZ:
		assert_int_equal(rd(ipa, width), 0);
		wr(ipa, width, ones);
		assert_int_equal(rd(ipa, width), 0);
		break;
	case RO: {
		uint64_t before = rd(ipa, width);
		assert_int_equal(before & r->mask, reset);
		wr(ipa, width, ~before & ones);
		assert_int_equal(rd(ipa, width), before);
		break;
	}
	case RW:
		assert_int_equal(rd(ipa, width), reset);
		wr(ipa, width, ones);
		assert_int_equal(rd(ipa, width) & mask, mask & ones);
		assert_int_equal(rd(ipa, width) & ~mask, reset & ~mask);
		wr(ipa, width, 0);
		assert_int_equal(rd(ipa, width), reset & ~mask);
		wr(ipa, width, reset);
		break;
	case SET: /* the clearing one stands 0x80 behind */
		assert_int_equal(rd(ipa, width), reset);
		wr(ipa, width, 0xa5a5a5a5 & mask);
		wr(ipa, width, 0);
		assert_int_equal(rd(ipa, width), 0xa5a5a5a5 & mask);
		assert_int_equal(rd(ipa + 0x80, width), 0xa5a5a5a5 & mask);
		wr(ipa + 0x80, width, 0x05050505);
		assert_int_equal(rd(ipa, width), 0xa0a0a0a0 & mask);
		wr(ipa + 0x80, width, ones);
		assert_int_equal(rd(ipa, width), 0);
		break;
	case CLEAR:
		wr(ipa, width, ones);
		assert_int_equal(rd(ipa, width), reset);
		break;
	}
}

static void check_row(const struct row *r, uint64_t base, bool redist)
{
	for (uint32_t off = r->first; off < r->end; off += r->bits == 64 ? 8 : 4) {
		for (uint32_t width = 1; width <= 8; width *= 2) {
			bool there = implemented(r, off, redist);
			uint64_t reset = r->reset;
			struct row gone = { r->name, off, off + 4, RAZ, 0, 0, 0, 0 };

			if (r->bits == 64 && width < 8) /* its halves have a test of their own */
				continue;
			if (r->kind == RW && width == 1)
				reset &= 0xff;
			if (!(r->widths & width) || !there) /* unsupported width: RAZ/WI is one of the choices (12.1.3) */
				check_register(&gone, base + (off & ~(width - 1)), width, 0, 0);
			else
				check_register(r, base + (off & ~(width - 1)), width, width == 1 ? r->mask & 0xff : r->mask, reset);
		}
	}
}

static void test_distributor_row_by_row(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(dist_rows); i++)
		check_row(&dist_rows[i], GICD(0), false);
}

/* SGIs and PPIs; edge configuration of SGIs is fixed, the timers' PPIs have their lines. */
static const struct row sgi_rows[] = {
	{ "GICR_IGROUPR0", 0x0080, 0x0084, RW, 4, ~0ull, 0, 1 },
	{ "GICR_IGROUPRnE", 0x0084, 0x008c, RAZ, 4, 0, 0, 0 },
	{ "GICR_ISENABLER0", 0x0100, 0x0104, SET, 4, 0xffffffff, 0, 1 },
	{ "GICR_ISPENDR0", 0x0200, 0x0204, SET, 4, ~(BIT(27) | BIT(30)), 0, 1 },
	{ "GICR_ISACTIVER0", 0x0300, 0x0304, SET, 4, ~(BIT(27) | BIT(30)), 0, 1 },
	{ "GICR_IPRIORITYR", 0x0400, 0x0420, RW, 4 | 1, 0xf8f8f8f8, 0, 8 },
	{ "GICR_ICFGR0", 0x0c00, 0x0c04, RO, 4, 0xaaaaaaaa, 0xaaaaaaaa, 0 },
	{ "GICR_ICFGR1", 0x0c04, 0x0c08, RW, 4, 0xaaaaaaaa, 0, 0 },
	{ "GICR_IGRPMODR0", 0x0d00, 0x0d04, RAZ, 4, 0, 0, 0 },
	{ "GICR_NSACR", 0x0e00, 0x0e04, RAZ, 4, 0, 0, 0 },
};

static void test_redistributor_row_by_row(void **state)
{
	(void)state;
	for (uint32_t vcpu = 0; vcpu < 2; vcpu++)
		for (size_t i = 0; i < ARRAY_LEN(sgi_rows); i++)
			check_row(&sgi_rows[i], GICR(vcpu, SGI_FRAME), true);
}

/* RD_base: identification, no LPIs (12.11). */
static void test_redistributor_control_frame(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "GICR_CTLR", 0x0000, 0x0004, RAZ, 4, 0, 0, 0 },       { "GICR_IIDR", 0x0004, 0x0008, RO, 4, 0xfff, 0x43b, 0 },
		{ "GICR_STATUSR", 0x0010, 0x0014, RAZ, 4, 0, 0, 0 },    { "GICR_SETLPIR", 0x0040, 0x0050, RAZ, 4, 0, 0, 0 },
		{ "GICR_PROPBASER", 0x0070, 0x0080, RAZ, 8, 0, 0, 0 },  { "GICR_INVLPIR", 0x00a0, 0x00c8, RAZ, 4, 0, 0, 0 },
		{ "GICR_PIDR2", 0xffe8, 0xffec, RO, 4, 0xf0, 0x30, 0 },
	};

	for (uint32_t vcpu = 0; vcpu < 2; vcpu++) {
		for (size_t i = 0; i < ARRAY_LEN(rows); i++)
			check_row(&rows[i], GICR(vcpu, 0), true);
		uint64_t typer = rd(GICR(vcpu, 8), 8);
		assert_int_equal(typer >> 32, vcpu);         /* affinity as MPIDR */
		assert_int_equal(typer >> 8 & 0xffff, vcpu); /* Processor_Number */
		assert_int_equal(typer >> 4 & 1, vcpu == 1); /* Last */
		assert_int_equal(typer & 0xf, 0);            /* no LPIs, no direct injection */
		assert_int_equal(rd(GICR(vcpu, 8), 4), (uint32_t)typer);
		assert_int_equal(rd(GICR(vcpu, 12), 4), typer >> 32);
	}
	assert_int_equal(rd(GICR(0, 0x14), 4), 6); /* asleep at reset */
	wr(GICR(0, 0x14), 4, 0);
	assert_int_equal(rd(GICR(0, 0x14), 4), 0);
	wr(GICR(0, 0x14), 4, 2);
	assert_int_equal(rd(GICR(0, 0x14), 4), 6); /* ChildrenAsleep follows at once */
}

static void test_router_in_two_halves(void **state)
{
	(void)state;
	wr(GICD(0x6000 + 8 * 40), 8, 0xab00000001ull);
	assert_int_equal(rd(GICD(0x6000 + 8 * 40), 4), 1);
	assert_int_equal(rd(GICD(0x6004 + 8 * 40), 4), 0xab);
	wr(GICD(0x6004 + 8 * 40), 4, 0);
	assert_int_equal(rd(GICD(0x6000 + 8 * 40), 8), 1);
	wr(GICD(0x6000 + 8 * 40), 4, 0);
	assert_int_equal(rd(GICD(0x6000 + 8 * 40), 8), 0);
	assert_int_equal(rd(GICD(0x6000), 8), 0); /* INTID 0 to 31 have no route */
}

static void test_private_interrupts_are_banked(void **state)
{
	(void)state;
	wr(GICR(0, SGI_FRAME + 0x100), 4, BIT(20));
	wr(GICR(1, SGI_FRAME + 0x100), 4, BIT(21));
	assert_int_equal(rd(GICR(0, SGI_FRAME + 0x100), 4), BIT(20));
	assert_int_equal(rd(GICR(1, SGI_FRAME + 0x100), 4), BIT(21));
	assert_int_equal(rd(GICD(0x100), 4), 0); /* with affinity routing the distributor has none of them */
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_distributor_row_by_row), T(test_redistributor_row_by_row),      T(test_redistributor_control_frame),
		T(test_router_in_two_halves),   T(test_private_interrupts_are_banked),
	};

	return cmocka_run_group_tests_name("core_gic_regs", tests, NULL, NULL);
}
