/* A persona that wants the CPU, and says how much of it it got. Sleeps until a command comes on the console,
 *     run DELAY_MS MS WINDOW_US CPUS PERIOD_US WORK
 * then sleeps DELAY_MS more and wants CPUS of its two CPUs for MS: all the time if PERIOD_US is 0, else WORK units after each wake-up by
 * the virtual timer, every PERIOD_US. A unit is a loop of UNIT_LOOPS turns of two instructions. Afterwards it prints for each CPU bench:
 * windows CPU FIRST N...    units done in the windows FIRST, FIRST + 1... of WINDOW_US, counted from counter value 0 bench: wakes CPU MAX
 * SUM COUNT   ticks from the instant a timer was due until the instruction after WFI bench: gap CPU MAX AT            the longest time
 * between two units, in ticks, and the counter when it ended; not of sleepers and `bench: done`. `off` ends the persona. */
#include <stdbool.h>
#include <stdint.h>

#define GICD 0x08000000ull
#define GICR 0x080a0000ull
#define GICR_STRIDE 0x20000ull
#define GICR_SGI 0x10000ull
#define UART 0x09000000ull

enum {
	GICD_CTLR = 0x0,
	GICD_ISENABLER1 = 0x104,
	GICD_IGROUPR1 = 0x84,
	GICR_WAKER = 0x14,
	GICR_IGROUPR0 = 0x80,
	GICR_ISENABLER0 = 0x100,
	GICR_IPRIORITYR = 0x400,
	GICD_ISPENDR = 0x200,
	GICD_ICPENDR = 0x280,
	GICD_ISACTIVER = 0x300,
	GICD_ICENABLER = 0x180,
	GICD_ICFGR = 0xc00,
	GICD_IROUTER = 0x6000,
	UART_DATA = 0x0,
	UART_FLAGS = 0x18,
	UART_EMPTY = 0x10, /* nothing received */
	UART_LCRH = 0x2c,
	UART_IMSC = 0x38,
	UART_RECEIVE = 0x50, /* receive and receive timeout */
	INTID_VTIMER = 27,
	INTID_UART = 33,
	SGI_JOB = 1,
	CPUS = 2,
	WINDOWS = 8192,
	UNIT_LOOPS = 500,
	SPI_FIRST = 40, /* behind them is no device of this persona */
	SPI_END = 96,
	NESTED = 24,
	PER_LINE = 16,
};

#define PSCI_CPU_ON 0xc4000003u
#define PSCI_SYSTEM_OFF 0x84000008u
#define PSCI_SYSTEM_RESET 0x84000009u
#define PSCI_VERSION 0x84000000u
#define TRNG_RND 0x84000053u
#define RTC 0x09010000ull

struct job {
	uint64_t start, end, window, period; /* counter values and ticks; period 0: all the time */
	uint64_t cpus, work;
	bool storm;
};

static struct {
	uint32_t units[WINDOWS];
	uint64_t first, count; /* windows */
	uint64_t wake_max, wake_sum, wakes;
	uint64_t gap_max, gap_at;
	uint32_t turn; /* the number of the job that is done */
} done[CPUS];

static struct job job;
static uint32_t turn; /* number of the job, set when it is complete */

volatile uint64_t taken; /* start.S counts interrupts here; none is taken: they are acknowledged where we sleep */
extern char second[];
void bench(void);
void bench_second(void);
void bench_fault(uint64_t esr, uint64_t elr);

/* A simulator that runs one CPU at a time goes on with the next at a yield. After each exit there is one, so that no CPU waits in the core
 * for another one longer than it would if both ran. */
static uint32_t read32(uint64_t at)
{
	uint32_t v;

	__asm__ volatile("ldr %w0, [%1]\n\tyield" : "=r"(v) : "r"(at) : "memory");
	return v;
}

static void write32(uint64_t at, uint32_t v)
{
	__asm__ volatile("str %w0, [%1]\n\tyield" : : "r"(v), "r"(at) : "memory");
}

static void put(const char *s)
{
	for (; *s; s++)
		write32(UART + UART_DATA, (uint8_t)*s);
}

static void put_number(uint64_t v)
{
	char text[24], *at = text + sizeof(text) - 1;

	*at = 0;
	do
		*--at = (char)('0' + v % 10);
	while (v /= 10);
	put(" ");
	put(at);
}

static uint64_t hvc(uint64_t fn, uint64_t a1, uint64_t a2, uint64_t a3)
{
	register uint64_t x0 __asm__("x0") = fn;
	register uint64_t x1 __asm__("x1") = a1;
	register uint64_t x2 __asm__("x2") = a2;
	register uint64_t x3 __asm__("x3") = a3;

	__asm__ volatile("hvc #0"
			 : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)
			 :
			 : "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17", "memory");
	return x0;
}

static void off(void)
{
	hvc(PSCI_SYSTEM_OFF, 0, 0, 0);
	for (;;)
		__asm__ volatile("wfi");
}

static void fail(const char *what, uint64_t a, uint64_t b)
{
	put("bench: failed: ");
	put(what);
	put_number(a);
	put_number(b);
	put("\n");
	off();
}

void bench_fault(uint64_t esr, uint64_t elr)
{
	fail("exception", esr, elr);
}

static uint64_t ticks(void)
{
	uint64_t t;

	__asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(t) : : "memory");
	return t;
}

static uint64_t us(uint64_t n)
{
	uint64_t frequency;

	__asm__("mrs %0, cntfrq_el0" : "=r"(frequency));
	return n * (frequency / 100000) / 10;
}

static void timer(uint64_t at, bool on)
{
	__asm__ volatile("msr cntv_cval_el0, %0\n\tmsr cntv_ctl_el0, %1\n\tisb" : : "r"(at), "r"((uint64_t)on) : "memory");
}

static void send_sgi(uint64_t intid, uint64_t cpu)
{
	__asm__ volatile("dsb ishst\n\tmsr S3_0_C12_C11_5, %0\n\tisb\n\tyield" : : "r"(intid << 24 | 1ull << cpu) : "memory");
}

/* Acknowledges and ends all that is pending. What has a level is quiet before its end. */
static void end_interrupts(void)
{
	uint64_t intid;

	for (;;) {
		__asm__ volatile("mrs %0, S3_0_C12_C12_0\n\tdsb sy\n\tisb" : "=r"(intid) : : "memory");
		if (intid >= 1020)
			return;
		if (intid == INTID_VTIMER)
			timer(0, false);
		if (intid == INTID_UART)
			write32(UART + UART_IMSC, 0);
		__asm__ volatile("msr S3_0_C12_C12_1, %0\n\tisb" : : "r"(intid) : "memory");
	}
}

static void nap(void)
{
	__asm__ volatile("dsb sy\n\twfi" : : : "memory");
	end_interrupts();
}

/* Until the counter's value; returns how late it is. */
static uint64_t sleep_until(uint64_t at)
{
	uint64_t late;

	timer(at, true);
	for (;;) {
		__asm__ volatile("wfi" : : : "memory");
		late = ticks() - at;
		if ((int64_t)late >= 0)
			break;
		end_interrupts();
	}
	end_interrupts();
	timer(0, false);
	return late;
}

/* One unit of work, entered in the window it began in; returns the counter's value then. A simulator that runs one CPU at a time goes on
 * with the next at the yield, so that the CPUs take turns of a unit. */
static uint64_t unit(uint64_t cpu)
{
	uint64_t n = UNIT_LOOPS, t = ticks(), at = t / job.window - done[cpu].first;

	if (at < WINDOWS)
		done[cpu].units[at]++;
	__asm__ volatile("1:\tsubs %0, %0, #1\n\tb.ne 1b\n\tyield" : "+r"(n) : : "cc");
	return t;
}

static void spin(uint64_t cpu)
{
	for (uint64_t last = ticks(), t = last; t < job.end; last = t) {
		t = unit(cpu);
		if (t - last > done[cpu].gap_max) {
			done[cpu].gap_max = t - last;
			done[cpu].gap_at = t;
		}
	}
}

static void wake_and_work(uint64_t cpu)
{
	uint64_t due = job.start;

	for (;;) {
		uint64_t t = ticks();

		due += job.period;
		if (due <= t) /* the work took longer: the next instant that is still to come */
			due += ((t - due) / job.period + 1) * job.period;
		if (due >= job.end)
			return;
		uint64_t late = sleep_until(due);
		done[cpu].wake_sum += late;
		done[cpu].wakes++;
		if (late > done[cpu].wake_max)
			done[cpu].wake_max = late;
		for (uint64_t i = 0; i < job.work; i++)
			unit(cpu);
	}
}

/* Everything pending at once, more than there are list registers, priorities all over; some of it taken, and ended in another order. */
static void storm_gic(uint64_t round)
{
	uint64_t taken_id[NESTED], n = 0;

	for (uint64_t i = SPI_FIRST; i < SPI_END; i += 4)
		write32(GICD + GICR_IPRIORITYR + i, (uint32_t)(0x10203040 + (i * round & 0x70) * 0x01010101));
	for (uint64_t i = SPI_FIRST; i < SPI_END; i++) {
		uint64_t at = GICD + GICD_IROUTER + 8 * i;

		__asm__ volatile("str %0, [%1]\n\tyield" : : "r"((i + round) & 1), "r"(at) : "memory");
	}
	for (uint64_t word = 4; word < SPI_END / 8; word += 4) {
		write32(GICD + GICD_ISENABLER1 - 4 + word, ~0u << (word == 4 ? SPI_FIRST - 32 : 0));
		write32(GICD + GICD_ISPENDR + word, ~0u << (word == 4 ? SPI_FIRST - 32 : 0));
	}
	send_sgi(round & 15, 0);
	send_sgi((round + 3) & 15, 1);
	for (; n < NESTED; n++) {
		__asm__ volatile("mrs %0, S3_0_C12_C12_0\n\tdsb sy\n\tisb" : "=r"(taken_id[n]) : : "memory");
		if (taken_id[n] >= 1020)
			break;
	}
	for (uint64_t word = 0; word < SPI_END / 8; word += 4) {
		(void)read32(GICD + GICD_ISPENDR + word);
		(void)read32(GICD + GICD_ISACTIVER + word);
	}
	for (uint64_t i = 0; i < n; i++)
		__asm__ volatile("msr S3_0_C12_C12_1, %0\n\tisb" : : "r"(taken_id[i]) : "memory");
	for (uint64_t word = 4; word < SPI_END / 8; word += 4) {
		write32(GICD + GICD_ICENABLER + word, ~0u << (word == 4 ? SPI_FIRST - 32 : 0));
		write32(GICD + GICD_ICPENDR + word, ~0u << (word == 4 ? SPI_FIRST - 32 : 0));
		write32(GICD + GICD_ICFGR + 4 * word, (uint32_t)round & 0xaaaaaaaa);
	}
}

static void storm(uint64_t cpu)
{
	for (uint64_t round = cpu; ticks() < job.end; round++) {
		storm_gic(round);
		hvc(PSCI_VERSION, 0, 0, 0);
		hvc(TRNG_RND, 96, 0, 0);
		__asm__ volatile("mov w0, #0x84000000\n\tsmc #0" : : : "x0", "x1", "x2", "x3", "memory");
		__asm__ volatile(".inst 0x9e6703e0\n\t" /* fmov d0, xzr */
				 "dc isw, xzr\n\tyield"
				 :
				 :
				 : "memory");
		(void)read32(RTC);
		__asm__ volatile("msr cntp_tval_el0, %0\n\tmsr cntp_ctl_el0, %1\n\tisb" : : "r"(100ull), "r"(1ull) : "memory");
		sleep_until(ticks() + us(20));
		__asm__ volatile("msr cntp_ctl_el0, xzr\n\tyield" : : : "memory");
		done[cpu].units[0]++;
	}
}

static void run(uint64_t cpu)
{
	if (cpu < job.cpus) {
		uint64_t count = (job.end - job.start) / job.window + 2;

		done[cpu].first = job.start / job.window;
		done[cpu].count = count;
		for (uint64_t i = 0; i < count; i++)
			done[cpu].units[i] = 0;
		done[cpu].wake_max = done[cpu].wake_sum = done[cpu].wakes = done[cpu].gap_max = done[cpu].gap_at = 0;
		uint64_t late = sleep_until(job.start);
		if (job.storm)
			storm(cpu);
		else if (job.period)
			wake_and_work(cpu);
		else {
			done[cpu].wake_max = done[cpu].wake_sum = late;
			done[cpu].wakes = 1;
			spin(cpu);
		}
	}
	__atomic_store_n(&done[cpu].turn, turn, __ATOMIC_RELEASE);
	if (cpu)
		send_sgi(SGI_JOB, 0);
}

static void print(uint64_t cpu)
{
	for (uint64_t i = 0; i < done[cpu].count; i += PER_LINE) {
		put("bench: windows");
		put_number(cpu);
		put_number(done[cpu].first + i);
		for (uint64_t k = i; k < done[cpu].count && k < i + PER_LINE; k++)
			put_number(done[cpu].units[k]);
		put("\n");
	}
	put("bench: wakes");
	put_number(cpu);
	put_number(done[cpu].wake_max);
	put_number(done[cpu].wake_sum);
	put_number(done[cpu].wakes);
	put("\nbench: gap");
	put_number(cpu);
	put_number(done[cpu].gap_max);
	put_number(done[cpu].gap_at);
	put("\n");
}

static void gic_init_cpu(uint64_t cpu)
{
	uint64_t frame = GICR + GICR_STRIDE * cpu, sgi = frame + GICR_SGI;

	write32(frame + GICR_WAKER, 0);
	while (read32(frame + GICR_WAKER) & 4)
		;
	write32(sgi + GICR_IGROUPR0, ~0u);
	for (unsigned i = 0; i < 32; i += 4)
		write32(sgi + GICR_IPRIORITYR + i, 0xa0a0a0a0);
	write32(sgi + GICR_ISENABLER0, 0xffffu | 1u << INTID_VTIMER);
	__asm__ volatile("msr S3_0_C12_C12_5, %0\n\tisb\n\t" /* ICC_SRE_EL1 */
			 "msr S3_0_C4_C6_0, %1\n\t"          /* ICC_PMR_EL1 */
			 "msr S3_0_C12_C12_7, %2\n\t"        /* ICC_IGRPEN1_EL1 */
			 "msr cpacr_el1, %3\n\tisb"
			 :
			 : "r"(7ull), "r"(0xf0ull), "r"(1ull), "r"(3ull << 20)
			 : "memory");
}

void bench_second(void)
{
	gic_init_cpu(1);
	for (uint32_t seen = 0;;) {
		uint32_t now = __atomic_load_n(&turn, __ATOMIC_ACQUIRE);

		if (now == seen) {
			nap();
			continue;
		}
		seen = now;
		run(1);
	}
}

static uint64_t number(const char **at)
{
	uint64_t v = 0;

	for (; **at == ' '; ++*at)
		;
	for (; **at >= '0' && **at <= '9'; ++*at)
		v = v * 10 + (uint64_t)(**at - '0');
	return v;
}

static bool begins(const char **line, const char *word)
{
	const char *at = *line;

	for (; *word; at++, word++)
		if (*at != *word)
			return false;
	*line = at;
	return true;
}

static void command(const char *line)
{
	bool storms = begins(&line, "storm");

	if (begins(&line, "off"))
		off();
	if (begins(&line, "boot"))
		hvc(PSCI_SYSTEM_RESET, 0, 0, 0);
	if (!storms && !begins(&line, "run"))
		fail("unknown command", (uint8_t)line[0], 0);
	uint64_t start = ticks() + us(1000 * number(&line)), ms = number(&line);
	uint64_t window = us(number(&line)), cpus = number(&line), period = us(number(&line));
	job = (struct job){ start, start + us(1000 * ms), window, period, cpus, number(&line), storms };
	if (!window || us(1000 * ms) / window + 2 > WINDOWS || cpus > CPUS)
		fail("too many windows or CPUs", ms, cpus);
	write32(UART + UART_IMSC, 0); /* nothing but the timer is to wake us */
	__atomic_store_n(&turn, turn + 1, __ATOMIC_RELEASE);
	send_sgi(SGI_JOB, 1);
	run(0);
	while (__atomic_load_n(&done[1].turn, __ATOMIC_ACQUIRE) != turn)
		nap();
	for (uint64_t cpu = 0; cpu < cpus; cpu++)
		print(cpu);
	put("bench: done\n");
}

void bench(void)
{
	static char line[128];
	uint32_t len = 0;

	write32(GICD + GICD_CTLR, 0x12); /* affinity routing, group 1 */
	gic_init_cpu(0);
	for (unsigned word = 4; word < SPI_END / 8; word += 4)
		write32(GICD + GICD_IGROUPR1 - 4 + word, ~0u);
	write32(GICD + GICR_IPRIORITYR + (INTID_UART & ~3), 0xa0a0a0a0);
	write32(GICD + GICD_ISENABLER1, 1u << (INTID_UART - 32));
	write32(UART + UART_LCRH, 0x70); /* 8 bits, FIFO */
	if (hvc(PSCI_CPU_ON, 1, (uint64_t)second, 0))
		fail("CPU 1 does not start", 0, 0);
	put("bench: ready\n");
	for (;;) {
		while (!(read32(UART + UART_FLAGS) & UART_EMPTY)) {
			char c = (char)read32(UART + UART_DATA);

			if (c == '\n') {
				line[len] = 0;
				len = 0;
				command(line);
			} else if (c != '\r' && len < sizeof(line) - 1) {
				line[len++] = c;
			}
		}
		write32(UART + UART_IMSC, UART_RECEIVE);
		nap();
	}
}
