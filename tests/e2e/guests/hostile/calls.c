/* Every hypercall and firmware call worth a try, by HVC and SMC, with hostile arguments. */
#include "hostile.h"

#define NOT_SUPPORTED (-1)
#define PSCI_64 0x40000000u

/* Calls that would end or stop this CPU, here: attack_wait, attack_cpu_on and the resets are for them. */
static bool ends(uint32_t fn)
{
	uint32_t n = fn & ~PSCI_64;

	return n == 0x84000001 || n == 0x84000002 || n == 0x84000008 || n == 0x84000009 || fn == 0x8400000e || fn == 0xc400000e ||
	       n == 0x84000012; /* CPU_SUSPEND, CPU_OFF, SYSTEM_OFF, SYSTEM_RESET, SYSTEM_SUSPEND, SYSTEM_RESET2 */
}

/* What a persona may be answered with something else than NOT_SUPPORTED. */
static bool is_served(uint32_t fn)
{
	uint32_t n = fn & ~PSCI_64;

	return (n >= 0x84000000 && n <= 0x8400001f) || (n >= 0x84000050 && n <= 0x84000053) || (n >= 0x80000000 && n <= 0x8000ffff);
}

static void check_result(struct cpu *c, const struct call *call)
{
	uint32_t fn = (uint32_t)call->x[0];
	int64_t r = (int64_t)call->ret[0];
	bool refused = r == NOT_SUPPORTED || (uint32_t)r == (uint32_t)NOT_SUPPORTED;

	c->refused += refused || r < 0;
	if (call->changed)
		bad(c, "a call changed registers that it must preserve, function", fn);
	if (!is_served(fn) && !refused)
		bad(c, "a call was answered, function", fn);
	if ((fn & ~PSCI_64) == 0x84000003 && r >= 0) /* this CPU and the other one run, others do not exist */
		bad(c, "CPU_ON of nobody succeeded, target", call->x[1]);
}

static void call_one(struct cpu *c, uint32_t fn)
{
	struct call call;

	if (ends(fn))
		return;
	call.x[0] = fn | (rnd(c) & 1 ? 0 : rnd(c) & 0xffffffff00000000ull);
	for (uint32_t i = 1; i < 8; i++)
		call.x[i] = hostile_value(c);
	if ((fn & ~PSCI_64) == 0x84000003 && rnd(c) & 1) { /* a CPU that runs, an entry that may be right */
		call.x[1] = rnd(c) & 1;
		call.x[2] = RAM + (rnd(c) & 0x7ffffff);
	}
	if (rnd(c) & 1)
		call_hvc(&call);
	else
		call_smc(&call);
	c->tries++;
	c->exits++;
	check_result(c, &call);
}

/* `hvc #imm` and `smc #imm`: only immediate 0 is a call; others must be one too, or undefined, and nothing else. */
static void with_immediate(struct cpu *c, uint32_t imm)
{
	static uint32_t code[CPUS][2] __attribute__((aligned(64)));
	uint32_t *k = code[c->index];
	uint64_t faults = c->faults;

	k[0] = (rnd(c) & 1 ? 0xd4000002u : 0xd4000003u) | imm << 5;
	k[1] = 0xd65f03c0; /* ret */
	flush_code(k, sizeof(code[0]));
	uint64_t r = try_at(k, 0x8600ff01, 0);
	c->tries++;
	c->exits++;
	c->refused++;
	if (c->faults == faults ? (int64_t)r != NOT_SUPPORTED : EC(c->esr) != EC_UNDEFINED)
		bad(c, "a call with an immediate", imm);
}

static void known_answers(struct cpu *c)
{
	static const struct {
		uint32_t fn;
		uint64_t a1, a2;
		int64_t answer;
	} known[] = {
		{ 0x84000000, 0, 0, 0x10001 },
		{ 0x84000006, 0, 0, 2 },
		{ 0xc4000003, 0, RAM, -4 },
		{ 0xc4000003, CPUS, RAM, -2 },
		{ 0xc4000003, 0xff00000000, RAM, -2 },
		{ 0xc4000004, 0, 0, 0 },
		{ 0xc4000004, CPUS, 0, -2 },
		{ 0xc4000004, 0, 1, -2 },
		{ 0x8400000a, 0x84000002, 0, 0 },
		{ 0x8400000a, 0xc6000001, 0, -1 },
		{ 0x84000005, 0, 0, -1 },
		{ 0x84000007, 0, 0, -1 },
	};

	for (uint32_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		int64_t r = hvc(known[i].fn, known[i].a1, known[i].a2, 0);

		if ((int32_t)r != (int32_t)known[i].answer)
			bad(c, "a wrong answer to function", known[i].fn);
		c->tries++;
		c->exits++;
	}
}

void attack_calls(struct cpu *c, uint32_t picks)
{
	static const uint32_t ranges[] = { 0x84000000, 0xc4000000, 0x80000000, 0xc0000000, 0x86000000, 0x8600ff00, 0xc6000000, 0x82000000,
					   0x83000000, 0x85000000, 0xb2000000, 0xbf00ff00, 0x04000000, 0x06000000, 0,          0xf2000000 };

	masked(true);
	known_answers(c);
	for (uint32_t i = 0; !picks && i < sizeof(ranges) / sizeof(ranges[0]); i++)
		for (uint32_t n = 0; n < 256; n++)
			call_one(c, ranges[i] + n);
	for (uint32_t i = 0; i < (picks ? picks : 20000); i++) {
		uint64_t r = rnd(c);

		call_one(c, r & BIT(40) ? (uint32_t)r : ranges[(r >> 32) % (sizeof(ranges) / sizeof(ranges[0]))] + (r & 0x1ff));
	}
	for (uint32_t i = 0; i < (picks ? picks / 8 : 256); i++)
		with_immediate(c, picks || i >= 16 ? (uint32_t)rnd(c) & 0xffff : 1u << i);
	known_answers(c);
}
