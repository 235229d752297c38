/* Instructions without a syndrome, fetches, page tables and EL0 code where there is no memory. */
#include "hostile.h"

static const uint64_t places[] = {
	UART,
	UART + 0xff0,
	RTC,
	GICD,
	GICD + 0xfff8,
	GICR,
	GICR + GICR_STRIDE - 8,
	GICR + CPUS *GICR_STRIDE,
	VIRTIO,
	VIRTIO + 0x100,
	VIRTIO + VIRTIO_SIZE - 8,
	VIRTIO + VIRTIO_SIZE,
	NOWHERE,
	0,
	0x3ffffff8,
	0x7ffffff8,
	BIT(32),
	0x1000000000,
	0x2000000000,
	0x7fffffffc0,
	0x10000000,
	0x0c000000,
};
#define PLACES (sizeof(places) / sizeof(places[0]))

static uint32_t code[CPUS][4] __attribute__((aligned(64)));

static bool is_abort(uint64_t esr)
{
	return EC(esr) == EC_DABT || EC(esr) == EC_IABT || EC(esr) == EC_DABT_LOWER || EC(esr) == EC_IABT_LOWER;
}

/* Far enough from the console's data register: what is typed and printed is the test's. */
static uint64_t away_from_console(uint64_t at)
{
	return at >= UART - 64 && at < UART + 64 ? UART + 0x100 : at;
}

static void odd_one(struct cpu *c, uint32_t word, uint64_t at)
{
	uint32_t *k = code[c->index];
	uint64_t faults = c->faults;

	k[0] = word;
	k[1] = 0xd65f03c0; /* ret */
	flush_code(k, 8);
	at = away_from_console(at);
	uint64_t base = try_at(k, at, hostile_value(c));
	c->tries++;
	c->exits++;
	if (c->faults == faults)
		return;
	c->refused++;
	if (!is_abort(c->esr) && EC(c->esr) != EC_UNDEFINED)
		bad(c, "an odd access became exception", c->esr);
	if (base != at)
		bad(c, "an access that was refused changed its base register, instruction", word);
}

void attack_odd(struct cpu *c, uint32_t picks)
{
	uint32_t words = (uint32_t)(odd_words_end - odd_words);

	masked(true);
	for (uint32_t pass = 0; pass < 2; pass++) { /* with the MMU off, also unaligned */
		if (pass)
			mmu(false);
		for (uint32_t i = 0; !picks && i < words * PLACES; i++)
			odd_one(c, odd_words[i % words], places[i / words] + (pass ? rnd(c) & 15 : 0));
		for (uint32_t i = 0; i < (picks ? picks : 500); i++)
			odd_one(c, odd_words[rnd(c) % words], places[rnd(c) % PLACES] + (rnd(c) & (pass ? 0x3f : 0x38)));
	}
	mmu(true);
	for (uint32_t i = 0; i < (picks ? picks / 4 : PLACES); i++) {
		uint64_t faults = c->faults, at = places[picks ? rnd(c) % PLACES : i] & ~3ull;

		jump_to(at);
		c->tries++;
		c->exits++;
		c->refused += c->faults != faults;
		if (c->faults == faults)
			bad(c, "executed", at);
		else if (EC(c->esr) != EC_IABT && EC(c->esr) != EC_UNDEFINED)
			bad(c, "a fetch from nowhere became exception", c->esr);
	}
}

/* ---- stage 1 tables that are no memory ---- */

static uint64_t tables[CPUS][512] __attribute__((aligned(4096)));

static void walk_once(struct cpu *c, uint64_t ttbr, uint64_t va, bool fetch)
{
	uint64_t faults = c->faults;

	sysreg_write("ttbr1_el1", ttbr);
	__asm__ volatile("tlbi vmalle1\n\tdsb nsh\n\tisb" ::: "memory");
	if (fetch)
		jump_to(va);
	else if (ttbr & BIT(13))
		store(va, 8, ttbr);
	else
		(void)load(va, 4);
	c->tries++;
	c->exits++;
	if (c->faults == faults)
		return;
	c->refused++;
	if (!is_abort(c->esr))
		bad(c, "a walk outside memory became exception", c->esr);
}

void attack_walks(struct cpu *c, uint32_t picks)
{
	static const uint64_t bases[] = { UART,       GICD,    GICR,    VIRTIO,       NOWHERE, 0,
					  0x7ffff000, BIT(32), BIT(38), 0x7ffffff000, BIT(39), 0xffffffff000 };
	uint64_t tcr = sysreg_read("tcr_el1"), *t = tables[c->index];
	uint64_t hafdbs = sysreg_read("id_aa64mmfr1_el1") & 15;

	masked(true);
	for (uint32_t i = 0; i < (picks ? picks : 600); i++) {
		uint64_t r = rnd(c), base = bases[r % (sizeof(bases) / sizeof(bases[0]))];
		uint64_t va = 0xffffff8000000000ull | (r >> 8 & 0x7ffffffff8ull);

		if (hafdbs && (r & BIT(62))) /* hardware update of the access flag, in a table that is a device */
			sysreg_write("tcr_el1", tcr | BIT(39));
		isb();
		if (r & BIT(63)) { /* the root is not memory */
			walk_once(c, base, va, r & BIT(61));
		} else { /* the next table is not, or the block is not, or anything */
			for (uint32_t k = 0; k < 512; k++)
				t[k] = r & BIT(60) ? base | 3 : (r & BIT(59) ? (base & ~0x3fffffffull) | 0x401 : hostile_value(c));
			dsb();
			walk_once(c, (uint64_t)t, va, r & BIT(61));
		}
		sysreg_write("tcr_el1", tcr);
		isb();
	}
	sysreg_write("ttbr1_el1", 0);
	__asm__ volatile("tlbi vmalle1\n\tdsb nsh\n\tisb" ::: "memory");
}

/* ---- EL0, also AArch32, with the MMU off: it may read and write everything that is ours ---- */

#define EL0T 0x3c0ull
#define EL0_32 0x1d0ull /* A32, user mode */
#define EL0_T32 0x1f0ull

static const uint32_t user_words[] = {
	0xd4000002, 0xd4000003, 0xd4000001, 0xd503207f, 0xd503205f, 0xd53800a0, 0xd53b9c00, 0xd53bd0a0, 0xd51e1100, 0xd5380000,
	0x04bf5020, 0xd50b7e21, 0xd50b7421, 0xd4400000, 0xd4a00001, 0xd69f03e0, 0x00000000, 0xd5033fdf, 0xd53be020, 0xd53be220,
};
static const uint32_t user_words_32[] = {
	0xe1400070, 0xe1600070, 0xef000000, 0xe320f003, 0xe320f002, 0xee110f10, 0xee1d0f70, 0xee190f1c, 0xec510f1e, 0xee010f10,
	0xf57ff06f, 0xe7f000f0, 0xee100f15, 0xeef80a10, 0xe1200070, 0xf1020013, 0xe10f0000, 0xe121f000, 0x00000000, 0xbf30bf30,
};

/* The halfword that is executed first is the low one. */
static const uint32_t user_words_t32[] = {
	0xdf00bf30, 0xdf00bf20, 0x8000f7f0, 0x8000f7e0, 0x0f10ee11, 0x0f10ee01, 0x0f1eec51, 0xdf00de00,
	0xdf00b672, 0xdf00be00, 0x8000f3ef, 0x0a10eef8, 0xbf30bf08, 0x0f70ee1d, 0x0f15ee10, 0x0f1cee19,
};
#define T32_WFI_BKPT 0xbe00bf30

/* Returns the syndrome of the exception that ended it. */
static uint64_t user_one(struct cpu *c, uint32_t word, uint64_t spsr)
{
	uint32_t *k = code[c->index];

	k[0] = word;
	k[1] = spsr == EL0T ? 0xd4000001 : spsr == EL0_32 ? 0xef000000 : 0xdf00df00; /* svc: back to us */
	k[2] = k[3] = k[1];
	flush_code(k, 16);
	mmu(false);
	uint64_t esr = to_el0((uint64_t)k, spsr);
	mmu(true);
	c->tries++;
	c->refused += EC(esr) != 0x15 && EC(esr) != 0x11;
	if (EC(esr) == EC_DABT || EC(esr) == EC_IABT)
		bad(c, "an exception of EL0 says it came from EL1", esr);
	return esr;
}

#define COUNT(array) ((uint32_t)(sizeof(array) / sizeof(array[0])))

void attack_user(struct cpu *c, uint32_t picks)
{
	bool has_32 = EC(user_one(c, 0xef000000, EL0_32)) == 0x11;

	gic_clean(c);
	gic_local(c, INTID_VTIMER, true); /* pending all the time: nothing waits for long */
	sysreg_write("cntv_cval_el0", 0);
	sysreg_write("cntv_ctl_el0", 1);
	for (uint32_t i = 0; i < (picks ? picks : 10 * COUNT(user_words)); i++)
		user_one(c, user_words[rnd(c) % COUNT(user_words)], EL0T);
	for (uint32_t i = 0; has_32 && i < (picks ? picks : 20 * COUNT(user_words_32)); i++) {
		user_one(c, user_words_32[rnd(c) % COUNT(user_words_32)], EL0_32);
		user_one(c, user_words_t32[rnd(c) % COUNT(user_words_t32)], EL0_T32);
		if (EC(user_one(c, T32_WFI_BKPT, EL0_T32)) != 0x38)
			bad(c, "a 16-bit WFI took the next instruction with it", 0);
	}
	sysreg_write("cntv_ctl_el0", 0);
}

/* ---- stage 2 ---- */

static void ipa_one(struct cpu *c, uint64_t at)
{
	uint64_t faults = c->faults;

	if (rnd(c) & 1)
		(void)load(at, 4);
	else
		store(at, 4, 0);
	if (c->faults == faults)
		bad(c, "there is something at IPA", at);
	else if (EC(c->esr) != EC_DABT)
		bad(c, "an access outside became exception", c->esr);
	faults = c->faults;
	jump_to(at);
	if (c->faults == faults)
		bad(c, "executed at IPA", at);
	c->tries += 2;
	c->refused += 2;
	c->exits += 2;
}

static uint64_t ram_end;

static bool is_ours(uint64_t at)
{
	return (at >= RAM && at < ram_end) || (at >= GICD && at < GICR + CPUS * GICR_STRIDE) || (at >= UART && at < VIRTIO + VIRTIO_SIZE);
}

static void find_ram_end(struct cpu *c)
{
	uint64_t at = RAM + (16 << 20);

	for (uint64_t faults = c->faults; c->faults == faults; at += 2 << 20)
		(void)load(at, 4);
	ram_end = at - (2 << 20);
}

void attack_ipa(struct cpu *c, uint32_t picks)
{
	masked(true);
	if (c->index == 0)
		find_ram_end(c);
	meet(c);
	for (uint64_t block = c->index; !picks && block < BIT(39 - 21); block += CPUS) /* each 2 MiB of what stage 2 can map */
		if (!is_ours(block << 21))
			ipa_one(c, block << 21 | (rnd(c) & 0x1ffffc));
	mmu(false); /* the stage 1 mapping ends at 39 bits */
	for (uint32_t i = 0; i < (picks ? picks : 1000); i++) {
		uint64_t at = rnd(c) >> (12 + rnd(c) % 28) & ~3ull;

		if (!is_ours(at))
			ipa_one(c, at);
	}
	mmu(true);
}
