/* What a persona can reach: firmware, board, other domains. Prints a line per check and `probe: N passed, M failed`, then turns itself off
 * by SMC, which must end this persona and nothing else. */
#include <stdint.h>

#define UART 0x09000000ull
#define RAM 0x40000000ull
#define FRAME 0x200000ull /* of 480 x 960 pixels, rounded up to a block */

enum { NOT_SUPPORTED = -1, INVALID_PARAMETERS = -2, ALREADY_ON = -4, INVALID_ADDRESS = -9 };
#define EC(esr) ((esr) >> 26)
#define EC_UNDEFINED 0
#define EC_DATA_ABORT 0x25
#define FSC_EXTERNAL 0x10

volatile uint64_t fault[2];
static unsigned passed, failed;
extern char second[];
void probe(uint64_t dtb);
void probe_second(uint64_t context);

static void put(const char *s)
{
	for (; *s; s++)
		*(volatile uint32_t *)UART = (uint8_t)*s;
}

static void put_number(uint64_t v)
{
	char text[24], *at = text + sizeof(text) - 1;

	*at = 0;
	do
		*--at = (char)('0' + v % 10);
	while (v /= 10);
	put(at);
}

static void check(const char *what, int ok)
{
	put(ok ? "ok - " : "not ok - ");
	put(what);
	put("\n");
	if (ok)
		passed++;
	else
		failed++;
}

#define CALL(insn) \
	register uint64_t x0 __asm__("x0") = fn; \
	register uint64_t x1 __asm__("x1") = a1; \
	register uint64_t x2 __asm__("x2") = a2; \
	register uint64_t x3 __asm__("x3") = a3; \
	__asm__ volatile(insn " #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3) : : "x4", "x5", "x6", "x7", "x16", "x17", "memory"); \
	return (int64_t)x0

static int64_t smc(uint64_t fn, uint64_t a1, uint64_t a2, uint64_t a3)
{
	CALL("smc");
}

static int64_t hvc(uint64_t fn, uint64_t a1, uint64_t a2, uint64_t a3)
{
	CALL("hvc");
}

static uint32_t read32(uint64_t at)
{
	uint32_t v = 0xdeadbeef;

	__asm__ volatile("ldr %w0, [%1]" : "+r"(v) : "r"(at) : "x16", "x17", "memory");
	return v;
}

static void write32(uint64_t at, uint32_t v)
{
	__asm__ volatile("str %w0, [%1]" : : "r"(v), "r"(at) : "x16", "x17", "memory");
}

/* Whether the access was refused by an external abort. */
static int refused(uint64_t at, int write)
{
	fault[0] = 0;
	if (write)
		write32(at, 0x41414141);
	else
		(void)read32(at);
	return EC(fault[0]) == EC_DATA_ABORT && (fault[0] & 0x3f) == FSC_EXTERNAL && fault[1] == at;
}

static volatile int64_t second_says[3];

void probe_second(uint64_t context)
{
	uint64_t el;

	__asm__("mrs %0, CurrentEL" : "=r"(el));
	second_says[0] = smc(0xc4000004, 7, 0, 0);
	second_says[1] = (int64_t)el >> 2;
	second_says[2] = (int64_t)context;
	smc(0x84000002, 0, 0, 0);
	put("a CPU went on after CPU_OFF\n");
	for (;;)
		;
}

static void firmware(void)
{
	check("PSCI version 1.1 by HVC", hvc(0x84000000, 0, 0, 0) == 0x10001);
	check("PSCI version 1.1 by SMC", smc(0x84000000, 0, 0, 0) == 0x10001);
	for (uint64_t cpu = 2; cpu < 8; cpu++) { /* the board has them, this persona does not */
		check("a CPU of the board is no CPU here, AFFINITY_INFO", smc(0xc4000004, cpu, 0, 0) == INVALID_PARAMETERS);
		check("a CPU of the board is no CPU here, CPU_ON", smc(0xc4000003, cpu, RAM, 0) == INVALID_PARAMETERS);
	}
	check("CPU_ON outside RAM", smc(0xc4000003, 1, 0x1000, 0) == INVALID_ADDRESS);
	check("CPU_ON at an odd address", smc(0xc4000003, 1, (uint64_t)second + 2, 0) == INVALID_ADDRESS);
	check("CPU_ON of oneself", smc(0xc4000003, 0, (uint64_t)second, 0) == ALREADY_ON);
	check("CPU_ON", smc(0xc4000003, 1, (uint64_t)second, 4711) == 0);
	for (unsigned i = 0; i < 100000000 && !second_says[2]; i++)
		;
	check("the other CPU runs with its context", second_says[2] == 4711);
	check("the other CPU runs at EL1", second_says[1] == 1);
	check("SMC is trapped on the other CPU too", second_says[0] == INVALID_PARAMETERS);
	int64_t state = 0;
	for (unsigned i = 0; i < 1000000 && state != 1; i++)
		state = hvc(0xc4000004, 1, 0, 0);
	check("the other CPU is off", state == 1);
	check("unknown SMC", smc(0x8600ff01, 0, 0, 0) == NOT_SUPPORTED);
	check("SMC of the standard secure service range", smc(0x84000060, 0, 0, 0) == NOT_SUPPORTED);
	for (uint64_t n = 0; n < 16; n++)
		check("calls of the vault are not a persona's", hvc(0xc6000000 + n, 0, 0, 0) == NOT_SUPPORTED);
}

static void memory(uint64_t size)
{
	static const uint64_t outside[] = { 0,          0x1000,     0x04000000,   0x08020000,   0x09020000 + 0x2000000, 0x0c000000,
					    0x10000000, 0x3ffff000, 0x4000000000, 0x1000000000, 0x2000000000,           0x7ffffff000 };

	check("the last word of RAM is there", (write32(RAM + size - 4, 0x1234), read32(RAM + size - 4) == 0x1234));
	check("the frame is right above RAM", (write32(RAM + size, 0x5678), read32(RAM + size) == 0x5678));
	check("so is all of its block", (write32(RAM + size + FRAME - 4, 0x9abc), read32(RAM + size + FRAME - 4) == 0x9abc));
	check("behind the frame there is nothing to read", refused(RAM + size + FRAME, 0));
	check("behind the frame there is nothing to write", refused(RAM + size + FRAME, 1));
	for (unsigned i = 0; i < sizeof(outside) / sizeof(outside[0]); i++)
		check("nothing outside RAM and devices", refused(outside[i], 0) && refused(outside[i], 1));
	fault[0] = 0;
	__asm__ volatile("ldp x0, x1, [%0]" : : "r"(UART) : "x0", "x1", "x16", "x17", "memory");
	check("a pair from a device is an abort", EC(fault[0]) == EC_DATA_ABORT);
	fault[0] = 0;
	__asm__ volatile("dc civac, %0" : : "r"(0x04000000ull) : "x16", "x17", "memory");
	check("cache maintenance of nothing is nothing", fault[0] == 0);
	check("the board's fw_cfg is not here", read32(0x09020000) != 0x554d4551 && read32(0x09020000) != 0x51454d55);
	unsigned devices = 0;
	for (unsigned slot = 6; slot < 32; slot++) /* the persona's own are before, the board's stand in the last slots */
		devices += read32(0x0a000000 + slot * 0x200 + 8) != 0;
	check("none of the board's devices is here", devices == 0);
}

#define UNDEFINED(name, code) \
	do { \
		fault[0] = 1; \
		__asm__ volatile(code : : : "x0", "x16", "x17", "memory"); \
		check(name " is undefined", fault[0] != 1 && EC(fault[0]) == EC_UNDEFINED); \
	} while (0)

static void registers(void)
{
	uint64_t v, el;

	__asm__("mrs %0, CurrentEL" : "=r"(el));
	check("runs at EL1", el >> 2 == 1);
	__asm__("mrs %0, mpidr_el1" : "=r"(v));
	check("is CPU 0", (v & 0xffffff) == 0);
	__asm__("mrs %0, id_aa64pfr0_el1" : "=r"(v));
	check("no EL2, EL3, SVE, AMU, RAS, MPAM", (v & 0x0000fffff000ff00ull & ~(0xffull << 48)) == 0);
	__asm__("mrs %0, id_aa64dfr0_el1" : "=r"(v));
	check("no PMU, trace, SPE", (v & 0xffffffff00000ff0ull) == 0);
	__asm__("mrs %0, id_aa64isar1_el1" : "=r"(v));
	check("no pointer authentication", (v & 0xff000ff0ull) == 0);
	fault[0] = 0;
	__asm__ volatile(
		"mrs x0, S3_0_C0_C1_0\n mrs x0, S3_0_C0_C2_7\n mrs x0, S3_0_C0_C3_3\n mrs x0, S3_0_C0_C4_4\n mrs x0, S3_0_C0_C4_5\n"
		"mrs x0, S3_0_C0_C5_7\n mrs x0, S3_0_C0_C6_7\n mrs x0, S3_0_C0_C7_7"
		:
		:
		: "x0", "x16", "x17");
	check("unallocated feature registers read", fault[0] == 0);
	UNDEFINED("PMCR_EL0", "mrs x0, pmcr_el0");
	UNDEFINED("HCR_EL2", "mrs x0, hcr_el2");
	UNDEFINED("LORC_EL1", "mrs x0, S3_0_C10_C4_3");
	UNDEFINED("TRCPRGCTLR", "mrs x0, S2_1_C0_C1_0");
	UNDEFINED("ZCR_EL1", "mrs x0, S3_0_C1_C2_0");
	UNDEFINED("an SVE instruction", ".inst 0x04bf5020"); /* rdvl x0, #1 */
	fault[0] = 0;
	__asm__ volatile("msr mdscr_el1, xzr\n mrs x0, mdscr_el1\n msr oslar_el1, xzr\n msr actlr_el1, xzr\n dc isw, xzr"
			 :
			 :
			 : "x0", "x16", "x17");
	check("debug, ACTLR and set/way are ignored", fault[0] == 0);
}

void probe(uint64_t dtb)
{
	uint64_t size = (uint64_t)PROBE_RAM_MIB << 20;

	put("probe: waiting for a line\n");
	while (read32(UART + 0x18) & 0x10 || read32(UART) != '\n') /* FR.RXFE, DR */
		;
	put("probe: begin\n");
	check("the device tree is handed over", __builtin_bswap32(read32(dtb)) == 0xd00dfeed);
	registers();
	firmware();
	memory(size);
	put("probe: ");
	put_number(passed);
	put(" passed, ");
	put_number(failed);
	put(" failed\n");
	smc(0x84000008, 0, 0, 0);
	put("went on after SYSTEM_OFF\n");
	for (;;)
		;
}
