/* Every encoding of the system instruction space (DDI 0487, C5.1): MRS, MSR, SYS, SYSL, hints, barriers and PSTATE writes, as code in
 * memory. */
#include "hostile.h"

#define BATCH 512u
#define SPACE 0x4000u /* op1, CRn, CRm, op2 */

#define KEY(op0, op1, crn, crm, op2) ((uint32_t)((op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2)))

struct rule {
	uint32_t mask, key;
	const char *name;
};

#define OP0 (3u << 14)
#define OP1 (7u << 11)
#define CRN (15u << 7)
#define CRM (15u << 3)
#define ALL 0xffffu

/* Hidden: undefined, or reads zero whatever was written. */
static const struct rule hidden[] = {
	{ OP0, KEY(2, 0, 0, 0, 0), "debug or trace" },
	{ ALL, KEY(3, 0, 1, 2, 0), "ZCR_EL1" },
	{ ALL, KEY(3, 0, 1, 2, 4), "SMPRI_EL1" },
	{ ALL, KEY(3, 0, 1, 2, 6), "SMCR_EL1" },
	{ ALL, KEY(3, 1, 0, 0, 6), "SMIDR_EL1" },
	{ ALL, KEY(3, 3, 4, 2, 2), "SVCR" },
	{ ALL, KEY(3, 0, 1, 0, 5), "RGSR_EL1" },
	{ ALL, KEY(3, 0, 1, 0, 6), "GCR_EL1" },
	{ ALL & ~7u, KEY(3, 0, 5, 6, 0), "TFSR" },
	{ ALL, KEY(3, 1, 0, 0, 4), "GMID_EL1" },
	{ OP0 | OP1 | CRN | 8u << 3, KEY(3, 3, 9, 8, 0), "PMU" },
	{ OP0 | OP1 | CRN | 8u << 3, KEY(3, 0, 9, 8, 0), "PMU, SPE or TRBE" },
	{ OP0 | OP1 | CRN | 8u << 3, KEY(3, 3, 14, 8, 0), "PMU events" },
	{ OP0 | OP1 | CRN | CRM, KEY(3, 0, 5, 3, 0), "RAS records" },
	{ OP0 | OP1 | CRN | CRM, KEY(3, 0, 5, 4, 0), "RAS records" },
	{ OP0 | OP1 | CRN | CRM, KEY(3, 0, 5, 5, 0), "RAS records" },
	{ OP0 | OP1 | CRN | 2u << 3, KEY(3, 3, 13, 2, 0), "AMU" },
	{ OP0 | OP1 | CRN | 4u << 3, KEY(3, 3, 13, 4, 0), "AMU" },
	{ OP0 | OP1 | CRN | 8u << 3, KEY(3, 3, 13, 8, 0), "AMU" },
	{ OP0 | OP1 | CRN | CRM, KEY(3, 0, 10, 4, 0), "LOR, MPAMIDR" },
	{ OP0 | OP1 | CRN | CRM, KEY(3, 0, 10, 5, 0), "MPAM" },
	{ OP0 | OP1 | CRN | CRM, KEY(3, 0, 2, 1, 0), "pointer authentication keys" },
	{ OP0 | OP1 | CRN | CRM, KEY(3, 0, 2, 2, 0), "pointer authentication keys" },
	{ OP0 | OP1 | CRN | CRM, KEY(3, 0, 2, 3, 0), "pointer authentication keys" },
	{ OP0 | OP1 | CRN, KEY(3, 0, 11, 0, 0), "implementation defined" },
	{ OP0 | OP1 | CRN, KEY(3, 0, 15, 0, 0), "implementation defined" },
	{ OP0 | OP1, KEY(3, 4, 0, 0, 0), "EL2" },
	{ OP0 | OP1, KEY(3, 5, 0, 0, 0), "EL2 aliases" },
	{ OP0 | OP1, KEY(3, 6, 0, 0, 0), "EL3" },
	{ OP0 | OP1, KEY(3, 7, 0, 0, 0), "secure" },
};

/* May read something else each time. */
static const struct rule moving[] = {
	{ OP0 | OP1 | CRN | CRM, KEY(3, 3, 14, 0, 0), "counters" },
	{ ALL, KEY(3, 3, 14, 3, 0), "CNTV_TVAL_EL0" },
	{ OP0 | OP1 | CRN | CRM, KEY(3, 3, 14, 2, 0), "physical timer" },
	/* Belongs to SME, but no trap of SME covers it: it forgets, and check_fresh looks that it does. */
	{ ALL, KEY(3, 3, 13, 0, 5), "TPIDR2_EL0" },
	{ OP0 | OP1 | CRN, KEY(3, 0, 12, 0, 0), "GIC, ISR" },
	{ OP0 | OP1 | CRN | CRM, KEY(3, 3, 2, 4, 0), "RNDR" },
	{ OP0 | OP1 | CRN | CRM, KEY(3, 3, 4, 2, 0), "NZCV, DAIF" },
	{ OP0 | OP1 | CRN | CRM, KEY(3, 0, 4, 2, 0), "PSTATE" },
	{ OP0 | OP1 | CRN | CRM, KEY(3, 0, 4, 0, 0), "SPSR, ELR" },
	{ OP0 | OP1 | CRN | CRM, KEY(3, 0, 5, 2, 0), "ESR" },
	{ OP0 | OP1 | CRN | CRM, KEY(3, 0, 6, 0, 0), "FAR" },
	{ OP0 | OP1 | CRN | CRM, KEY(3, 0, 7, 4, 0), "PAR" },
};

/* Would end the guest's own run when written: they get what they hold. With op0 0, those that would open interrupts or change the stack. */
static const struct rule own[] = {
	{ OP0 | OP1 | CRN | CRM, KEY(3, 0, 1, 0, 0), "SCTLR, CPACR" },
	{ OP0 | OP1 | CRN | CRM, KEY(3, 0, 2, 0, 0), "translation" },
	{ OP0 | OP1 | CRN | CRM, KEY(3, 0, 10, 2, 0), "MAIR" },
	{ OP0 | OP1 | CRN | CRM, KEY(3, 0, 12, 0, 0), "VBAR" },
	{ OP0 | OP1 | CRN | CRM, KEY(3, 0, 4, 2, 0), "SPSel, PAN" },
	{ OP0 | OP1 | CRN | CRM, KEY(3, 3, 4, 2, 0), "DAIF" },
	{ ALL, KEY(3, 0, 13, 0, 4), "TPIDR_EL1" },
};

static const struct rule left_out[] = {
	{ ALL, KEY(0, 3, 2, 0, 3), "WFI: attack_wait" },
	{ OP0 | OP1 | CRN, KEY(0, 3, 1, 0, 0), "WFET, WFIT: attack_wait" },
	{ OP0 | OP1 | CRN | 7u, KEY(0, 3, 4, 0, 7), "DAIFClr" },
	{ OP0 | OP1 | CRN | 7u, KEY(0, 0, 4, 0, 5), "SPSel" },
};

struct batch {
	uint32_t code[BATCH * 3 + 1];
	uint32_t key[BATCH];
	uint32_t count;
	uint64_t in[BATCH], out[BATCH];
};

static struct batch batches[CPUS];
static uint64_t scratch[CPUS][1024] __attribute__((aligned(4096)));

static const struct rule *find(const struct rule *rules, size_t count, uint32_t key)
{
	for (size_t i = 0; i < count; i++)
		if ((key & rules[i].mask) == rules[i].key)
			return &rules[i];
	return NULL;
}
#define FIND(rules, key) find(rules, sizeof(rules) / sizeof(rules[0]), key)

static uint32_t insn(uint32_t key, bool read)
{
	uint32_t op0 = key >> 14;

	return 0xd5000000u | (read ? 1u << 21 : 0) | key << 5 | (op0 ? 0 : 31);
}

static void add(struct batch *b, uint32_t key, bool read, uint64_t in)
{
	uint32_t *at = &b->code[b->count * 3];

	*at++ = 0xf8408640; /* ldr x0, [x18], #8 */
	*at++ = insn(key, read);
	*at++ = 0xf8008660; /* str x0, [x19], #8 */
	*at = 0xd61f0280;   /* br x20 */
	b->key[b->count] = key;
	b->in[b->count++] = in;
}

static void run(struct cpu *c, struct batch *b)
{
	if (!b->count)
		return;
	flush_code(b->code, sizeof(b->code));
	c->mark = MARK;
	run_batch(b->code, b->in, b->out);
	c->mark = 0;
	c->tries += b->count;
	for (uint32_t i = 0; i < b->count; i++)
		c->refused += b->out[i] == MARK;
	__asm__ volatile("msr spsel, #1" ::: "memory");
}

static bool is_id(uint32_t key)
{
	return (key & (OP0 | OP1 | CRN)) == KEY(3, 0, 0, 0, 0) && (key & CRM);
}

/* Reads a batch twice with writes in between; judges what came. */
static void read_write_read(struct cpu *c, struct batch *b)
{
	static uint64_t first[CPUS][BATCH];
	uint32_t keys[BATCH], count = b->count;

	run(c, b);
	for (uint32_t i = 0; i < count; i++) {
		keys[i] = b->key[i];
		first[c->index][i] = b->out[i];
	}
	b->count = 0;
	for (uint32_t i = 0; i < count; i++) {
		uint64_t v = first[c->index][i];
		bool keep = FIND(own, keys[i]) || (v != MARK && !FIND(hidden, keys[i]) && !is_id(keys[i]));

		add(b, keys[i], false, keep ? (v == MARK ? 0 : v) : hostile_value(c));
	}
	run(c, b);
	b->count = 0;
	for (uint32_t i = 0; i < count; i++)
		add(b, keys[i], true, 0);
	run(c, b);
	for (uint32_t i = 0; i < count; i++) {
		uint64_t v = b->out[i], was = first[c->index][i];
		const struct rule *h = FIND(hidden, keys[i]);

		if (h && v && v != MARK) {
			bad(c, h->name, v);
			bad(c, "a hidden register reads", keys[i]);
		} else if (v != was && !FIND(moving, keys[i])) {
			bad(c, "a register changed", keys[i]);
		}
		c->exits += is_id(keys[i]) ? 2 : 0;
	}
	b->count = 0;
}

static void registers(struct cpu *c, uint32_t picks)
{
	struct batch *b = &batches[c->index];
	uint32_t total = picks ? picks : 2 * SPACE;

	b->count = 0;
	for (uint32_t i = picks ? 0 : c->index; i < total; i += picks ? 1 : CPUS) {
		add(b, 2 * SPACE + (picks ? (uint32_t)rnd(c) % (2 * SPACE) : i), true, 0x5555);
		if (b->count == BATCH)
			read_write_read(c, b);
	}
	read_write_read(c, b);
}

/* SYS, SYSL, hints, barriers: x0 is an address in RAM, or anything. */
static void instructions(struct cpu *c, uint32_t picks)
{
	struct batch *b = &batches[c->index];
	uint32_t total = picks ? picks : 2 * SPACE;

	b->count = 0;
	for (uint32_t i = picks ? 0 : c->index; i < total; i += picks ? 1 : CPUS) {
		uint32_t key = picks ? (uint32_t)rnd(c) % (2 * SPACE) : i;
		uint64_t r = rnd(c);

		if (FIND(left_out, key))
			continue;
		/* DC IVAC, DC ZVA and AT get our own page or nothing at all; others anything. */
		uint64_t v = r & 3                    ? (uint64_t)scratch[c->index] + (r >> 8 & 0xfc0)
			     : (key & CRN) == 7u << 7 ? NOWHERE + (r & 0xfff)
						      : hostile_value(c);
		add(b, key, r >> 63, v);
		if (b->count == BATCH) {
			run(c, b);
			b->count = 0;
		}
	}
	run(c, b);
	b->count = 0;
}

/* What the feature registers promise must be there. */
static void promises(struct cpu *c)
{
	static const struct {
		uint32_t id, shift, least, key;
		const char *name;
	} promise[] = {
		{ KEY(3, 0, 0, 6, 0), 60, 1, KEY(3, 3, 2, 4, 0), "RNDR" },         { KEY(3, 0, 0, 4, 0), 48, 1, KEY(3, 3, 4, 2, 5), "DIT" },
		{ KEY(3, 0, 0, 4, 0), 56, 2, KEY(3, 3, 13, 0, 7), "SCXTNUM_EL0" }, { KEY(3, 0, 0, 4, 1), 4, 2, KEY(3, 3, 4, 2, 6), "SSBS" },
		{ KEY(3, 0, 0, 7, 1), 20, 1, KEY(3, 0, 4, 2, 3), "PAN" },          { KEY(3, 0, 0, 7, 2), 4, 1, KEY(3, 0, 4, 2, 4), "UAO" },
		{ KEY(3, 0, 0, 7, 2), 20, 1, KEY(3, 1, 0, 0, 2), "CCSIDR2_EL1" },
	};
	struct batch *b = &batches[c->index];

	b->count = 0;
	for (uint32_t i = 0; i < sizeof(promise) / sizeof(promise[0]); i++) {
		add(b, promise[i].id, true, 0);
		add(b, promise[i].key, true, 0);
	}
	run(c, b);
	for (uint32_t i = 0; i < sizeof(promise) / sizeof(promise[0]); i++)
		if ((b->out[2 * i] >> promise[i].shift & 15) >= promise[i].least && b->out[2 * i + 1] == MARK)
			bad(c, promise[i].name, b->out[2 * i]);
	b->count = 0;
}

/* What no trap covers must not carry anything from whoever had the CPU before: called before this life has written it. */
void check_fresh(struct cpu *c)
{
	struct batch *b = &batches[c->index];

	b->count = 0;
	add(b, KEY(3, 3, 13, 0, 5), true, 0);
	add(b, KEY(3, 3, 13, 0, 2), true, 0);
	add(b, KEY(3, 3, 13, 0, 3), true, 0);
	add(b, KEY(3, 3, 4, 4, 1), true, 0);
	add(b, KEY(3, 0, 7, 4, 0), true, 0);
	add(b, KEY(3, 0, 13, 0, 1), true, 0);
	add(b, KEY(3, 0, 12, 1, 1), true, 0); /* DISR_EL1 */
	run(c, b);
	for (uint32_t i = 0; i < b->count; i++)
		if (b->out[i] && b->out[i] != MARK)
			bad(c, "holds something at the start of a life", b->key[i]);
	b->count = 0;
}

void attack_registers(struct cpu *c, uint32_t picks)
{
	masked(true);
	promises(c);
	registers(c, picks);
	instructions(c, picks);
	if (c->index == 0)
		sysreg_write("cntv_ctl_el0", 0);
}
