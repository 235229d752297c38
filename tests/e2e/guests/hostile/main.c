/* Commands from the console: `FAMILY`, `all` or `some PICKS` (every family once), `soak EXITS`, `mix SECONDS`, `hog MILLISECONDS`,
 * `reset HOW`, `off`. Between
 * commands the guest sleeps and CPU 1 is off, so that it costs nobody anything. */
#include "hostile.h"

#define CPU_ON 0xc4000003u
#define CPU_OFF 0x84000002u
#define SYSTEM_OFF 0x84000008u
#define SYSTEM_RESET 0x84000009u

void hostile_main(uint64_t dtb);
void hostile_secondary(struct cpu *c);

_Static_assert(sizeof(struct cpu) == 4096 && offsetof(struct cpu, resume) == 32 && offsetof(struct cpu, serrors) == 48, "start.S");

static const struct attack attacks[] = {
	{ "registers", attack_registers, false, 2000 },
	{ "mmio-gic", attack_mmio_gic, false, 100000 },
	{ "mmio-devices", attack_mmio_devices, false, 2000 },
	{ "odd", attack_odd, false, 2000 },
	{ "walks", attack_walks, false, 500 },
	{ "user", attack_user, false, 500 },
	{ "ipa", attack_ipa, false, 100000 },
	{ "calls", attack_calls, false, 100000 },
	{ "gic-random", attack_gic_random, false, 40000 },
	{ "gic-overflow", attack_gic_overflow, false, 1000 },
	{ "gic-order", attack_gic_order, false, 400 },
	{ "gic-pending", attack_gic_level, false, 400 },
	{ "sgi", attack_sgi, false, 80 },
	{ "timer", attack_timer, false, 400 },
	{ "wait", attack_wait, false, 400 },
	{ "cpu-on", attack_cpu_on, true, 200 },
};
#define ATTACKS (sizeof(attacks) / sizeof(attacks[0]))

static uint64_t seed;
static uint64_t total_exits, total_tries, total_bads;

/* No attack: a busy neighbour that never leaves the guest by itself, what the storms are compared with. picks in milliseconds. */
static void hog(struct cpu *c, uint32_t picks)
{
	masked(true);
	for (uint64_t start = ticks(); ticks() - start < us(1000) * picks;)
		c->tries++;
}
static const struct attack neighbour = { "hog", hog, false, 0 };

/* What CPU 1 does next; it takes a job when `number` moves. */
static struct {
	uint32_t number;
	const struct attack *attack; /* NULL: go off */
	uint32_t picks;
	uint64_t salt;
} job;

static void begin(struct cpu *c, const struct attack *a, uint64_t salt)
{
	uint64_t name = 0;

	for (const char *s = a->name; *s; s++)
		name = name * 31 + (uint8_t)*s;
	c->rng = seed ^ salt * 0x2545f4914f6cdd1dull ^ name << 32 ^ (uint64_t)c->index << 24;
	c->tries = c->refused = c->exits = 0;
	c->bads = 0;
	c->resume = c->mark = 0;
}

void hostile_secondary(struct cpu *c)
{
	static uint32_t seen;

	masked(true);
	__atomic_store_n(&second_on, 1, __ATOMIC_RELEASE);
	for (;;) {
		while (__atomic_load_n(&job.number, __ATOMIC_ACQUIRE) == seen)
			__asm__ volatile("yield");
		seen = job.number;
		if (!job.attack)
			break;
		begin(c, job.attack, job.salt);
		job.attack->run(c, job.picks);
		gic_check(c);
		meet(c);
	}
	__atomic_store_n(&second_on, 0, __ATOMIC_RELEASE);
	hvc(CPU_OFF, 0, 0, 0);
	put("bad: CPU 1 went on after CPU_OFF;\n");
	for (;;)
		;
}

static void start_second(struct cpu *c)
{
	uint64_t start = ticks();
	int64_t e;

	if (second_on)
		return;
	while ((e = hvc(CPU_ON, 1, (uint64_t)secondary, 1)) == -4 && ticks() - start < us(20000000)) /* on its way off */
		;
	while (!__atomic_load_n(&second_on, __ATOMIC_ACQUIRE)) {
		if (ticks() - start > us(20000000)) {
			bad(c, "CPU 1 does not start, CPU_ON answered", (uint64_t)e);
			return;
		}
	}
}

static void stop_second(void)
{
	if (!second_on)
		return;
	job.attack = NULL;
	__atomic_add_fetch(&job.number, 1, __ATOMIC_RELEASE);
	while (__atomic_load_n(&second_on, __ATOMIC_ACQUIRE))
		;
}

/* One family on both CPUs, then the controller must still serve a well-behaved kernel. */
static void attack(struct cpu *c, const struct attack *a, uint32_t picks, uint64_t salt, bool quiet)
{
	uint64_t start = ticks();

	begin(c, a, salt);
	if (a->alone)
		stop_second();
	else
		start_second(c);
	job.attack = a;
	job.picks = picks;
	job.salt = salt;
	c->longest_wait = cpus[1].longest_wait = 0;
	cpus[1].bads = 0;
	cpus[1].tries = cpus[1].refused = cpus[1].exits = 0;
	if (second_on)
		__atomic_add_fetch(&job.number, 1, __ATOMIC_RELEASE);
	a->run(c, picks);
	gic_check(c);
	meet(c);
	uint32_t bads = c->bads + cpus[1].bads;
	uint64_t tries = c->tries + cpus[1].tries, exits = c->exits + cpus[1].exits;
	uint64_t wait = c->longest_wait > cpus[1].longest_wait ? c->longest_wait : cpus[1].longest_wait;
	total_exits += exits;
	total_tries += tries;
	total_bads += bads;
	if (!quiet || bads)
		put_line("storm: %s %l tries, %l refused, %l exits, %l ms, longest wait %l us, %u bad", a->name, tries,
			 c->refused + cpus[1].refused, exits, (ticks() - start) / us(1000), wait * 1000 / us(1000), bads);
	if (bads)
		put_line("storm: again by: seed=%l, %s %u %l", seed, a->name, picks, salt);
}

static bool is_word(const char **at, const char *word)
{
	const char *s = *at;

	while (*word && *s == *word)
		s++, word++;
	if (*word || (*s && *s != ' '))
		return false;
	*at = *s ? s + 1 : s;
	return true;
}

static uint64_t number(const char **at)
{
	uint64_t v = 0;

	for (; **at >= '0' && **at <= '9'; ++*at)
		v = v * 10 + (uint64_t)(**at - '0');
	if (**at == ' ')
		++*at;
	return v;
}

static void all(struct cpu *c, uint32_t picks)
{
	for (uint32_t i = 0; i < ATTACKS; i++)
		attack(c, &attacks[i], picks, 0, false);
}

/* A random mixture until the guest has counted so many exits, or until a time. */
static void soak(struct cpu *c, uint64_t exits, uint64_t until)
{
	uint64_t rng = seed, salt = 1, end = exits ? total_exits + exits : ~0ull, next = 0;

	for (; total_exits < end && ticks() < until; salt++) {
		rng = rng * 6364136223846793005ull + 1442695040888963407ull;
		const struct attack *a = &attacks[(rng >> 33) % ATTACKS];

		attack(c, a, a->soak >> ((rng >> 61 & 3) + (exits ? 0 : 3)), salt, true);
		if (ticks() >= next) {
			put_line("soak: %l turns, %l exits, %l bad", salt, total_exits, total_bads);
			next = ticks() + us(5000000);
		}
	}
}

/* CPU 1 resets the persona too, or takes an exception for which there is no vector, for ever. */
static void end_second(struct cpu *c, uint32_t too)
{
	if (c->index && too)
		hvc(SYSTEM_RESET, 0, 0, 0);
	sysreg_write("vbar_el1", NOWHERE);
	isb();
	__asm__ volatile("svc #0");
}
static const struct attack last = { "last", end_second, false, 0 };

/* How a persona may end: in the middle of things. */
static void reset(struct cpu *c, uint64_t how)
{
	static const char *const names[] = { "quietly", "while CPU 1 storms", "while CPU 1 cannot reach its vectors", "from both CPUs" };

	put_line("reset: %s", names[how & 3]);
	if (how & 3) {
		start_second(c);
		job.attack = &attacks[how % ATTACKS];
		job.picks = 0;
		job.salt = how;
	}
	if ((how & 3) == 1)
		__atomic_add_fetch(&job.number, 1, __ATOMIC_RELEASE);
	if (how & 2) {
		job.attack = &last;
		job.picks = how & 1;
		__atomic_add_fetch(&job.number, 1, __ATOMIC_RELEASE);
	}
	busy(us(2000));
	hvc(SYSTEM_RESET, 0, 0, 0);
	put("bad: went on after SYSTEM_RESET;\n");
	for (;;)
		;
}

static void command(struct cpu *c, const char *line)
{
	if (is_word(&line, "all"))
		all(c, 0);
	else if (is_word(&line, "some"))
		all(c, (uint32_t)number(&line));
	else if (is_word(&line, "soak"))
		soak(c, number(&line), ~0ull);
	else if (is_word(&line, "mix"))
		soak(c, 0, ticks() + us(1000000) * number(&line));
	else if (is_word(&line, "hog"))
		attack(c, &neighbour, (uint32_t)number(&line), 0, false);
	else if (is_word(&line, "reset"))
		reset(c, number(&line));
	else if (is_word(&line, "off"))
		hvc(SYSTEM_OFF, 0, 0, 0);
	else {
		for (uint32_t i = 0; i < ATTACKS; i++) {
			if (!is_word(&line, attacks[i].name))
				continue;
			uint32_t picks = (uint32_t)number(&line);
			attack(c, &attacks[i], picks, number(&line), false);
			break;
		}
	}
	stop_second();
	put_line("done: %l tries, %l exits, %l bad", total_tries, total_exits, total_bads);
}

static void sleep(struct cpu *c)
{
	gic_clean(c);
	store(GICD + 0x104, 4, 1u << (INTID_UART - 32)); /* ISENABLER1 */
	store(UART + 0x2c, 4, 0x70);                     /* LCRH: 8 bits, FIFO */
	store(UART + 0x38, 4, 0x50);                     /* IMSC: receive, receive timeout */
	__asm__ volatile("wfi" ::: "memory");
	store(UART + 0x38, 4, 0);
}

void hostile_main(uint64_t dtb)
{
	struct cpu *c = &cpus[0];
	char line[64];

	masked(true);
	if (!seed_of(dtb, &seed))
		put("bad: no seed=N on the command line;\n");
	put_line("hostile: seed %l", seed);
	check_fresh(c);
	for (;;) {
		if (get_line(line, sizeof(line)))
			command(c, line);
		else
			sleep(c);
	}
}
