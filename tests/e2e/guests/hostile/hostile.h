/* A persona that attacks: a bare-metal program at EL1 with two vCPUs. Families of attacks stand in one table (main.c); each counts its
 * tries and what was refused, and calls bad() for what must not be. Everything follows from the seed on the kernel's command line. */
#ifndef HOSTILE_H
#define HOSTILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CPUS 2
#define RAM 0x40000000ull
#define GICD 0x08000000ull
#define GICR 0x080a0000ull
#define GICR_STRIDE 0x20000ull
#define GICR_SGI 0x10000ull
#define UART 0x09000000ull
#define RTC 0x09010000ull
#define VIRTIO 0x0a000000ull
#define VIRTIO_SIZE 0x4000ull
#define NOWHERE 0x04000000ull /* an IPA with nothing behind it */

#define SPIS 64
#define INTIDS (32 + SPIS)
#define INTID_VTIMER 27
#define INTID_UART 33
#define INTID_FREE 40 /* SPIs from here on have no device of this guest: it has no disk */

#define EC(esr) ((uint32_t)((esr) >> 26))
#define EC_UNDEFINED 0x00u
#define EC_IABT_LOWER 0x20u
#define EC_IABT 0x21u
#define EC_DABT_LOWER 0x24u
#define EC_DABT 0x25u
#define FSC(esr) ((esr)&0x3f)
#define FSC_EXTERNAL 0x10u
#define MARK 0xfa017edfa017ed00ull /* what x0 becomes when an instruction of a batch faults */

#define BIT(n) (1ull << (n))

#define sysreg_read(reg) \
	__extension__({ \
		uint64_t v_; \
		__asm__ volatile("mrs %0, " reg : "=r"(v_) : : "memory"); \
		v_; \
	})
#define sysreg_write(reg, val) __asm__ volatile("msr " reg ", %x0" : : "rZ"((uint64_t)(val)) : "memory")
#define isb() __asm__ volatile("isb" ::: "memory")
#define dsb() __asm__ volatile("dsb sy" ::: "memory")

struct cpu {                    /* TPIDR_EL1 points here; start.S knows the first members */
	uint64_t esr, far, elr; /* of the last synchronous exception */
	uint64_t faults;
	uint64_t resume; /* where the next one goes on; 0: behind the instruction */
	uint64_t mark;
	uint64_t serrors;
	uint32_t index;
	uint64_t rng;
	uint64_t tries, refused, exits; /* of this family; exits: those that surely left the guest */
	uint32_t bads;
	uint32_t spurious;
	uint64_t longest_wait;                           /* ticks, for an interrupt that came */
	uint32_t taken[INTIDS];                          /* interrupts by INTID */
	void (*on_intid)(struct cpu *c, uint32_t intid); /* called between acknowledge and end */
	bool keep;                                       /* on_intid ends the interrupt itself */
} __attribute__((aligned(4096)));

/* One family. picks 0: all there is to try, or the usual number; else that many, chosen at random. Both CPUs run it at the same time; what
 * only one of them may do asks c->index. */
struct attack {
	const char *name;
	void (*run)(struct cpu *c, uint32_t picks);
	bool alone;    /* CPU 1 is off meanwhile */
	uint32_t soak; /* picks of a turn in the mixture: some tenths of a second */
};

struct call {
	uint64_t x[8];    /* in */
	uint64_t ret[4];  /* out */
	uint64_t changed; /* out: registers of x4-x28 that did not survive */
};

extern struct cpu cpus[CPUS];
extern char secondary[];
extern const uint32_t odd_words[], odd_words_end[];

/* ---- start.S ---- */
void run_batch(const uint32_t *code, const uint64_t *in, uint64_t *out);
uint64_t try_at(const uint32_t *code, uint64_t address, uint64_t value);
void jump_to(uint64_t address);
uint64_t to_el0(uint64_t address, uint64_t spsr);
void call_hvc(struct call *call);
void call_smc(struct call *call);

/* ---- lib.c ---- */
void put(const char *s);                /* a whole line at once: the CPUs' lines do not mix */
void put_line(const char *format, ...); /* %s, %u (uint32_t), %l (uint64_t decimal), %x (uint64_t hexadecimal) */
bool get_line(char *line, size_t size); /* false: nothing typed yet */
uint64_t rnd(struct cpu *c);
uint64_t hostile_value(struct cpu *c); /* often one at an edge */
uint64_t ticks(void);
uint64_t us(uint64_t n); /* in ticks */
int64_t hvc(uint64_t fn, uint64_t a1, uint64_t a2, uint64_t a3);
uint64_t load(uint64_t at, uint32_t width);
void store(uint64_t at, uint32_t width, uint64_t value);
void bad(struct cpu *c, const char *what, uint64_t value);
void flush_code(const void *at, size_t len);
void mmu_setup(void);
void mmu(bool on);
bool seed_of(uint64_t dtb, uint64_t *ret_seed);
void meet(struct cpu *c);  /* both CPUs wait for each other, while second_on */
extern uint32_t second_on; /* CPU 1 takes part */
void busy(uint64_t for_ticks);

static inline struct cpu *other(struct cpu *c)
{
	return &cpus[c->index ^ 1];
}

static inline void masked(bool on)
{
	if (on)
		__asm__ volatile("msr daifset, #3" ::: "memory");
	else
		__asm__ volatile("msr daifclr, #3" ::: "memory");
}

/* ---- gic.c ---- */
void gic_clean(struct cpu *c); /* this CPU's part, CPU 0 the distributor, too: nothing enabled, pending, active */
void gic_check(struct cpu *c); /* a well-behaved sequence; bad() for each interrupt lost, doubled or from nowhere */
void gic_local(struct cpu *c, uint32_t intid, bool on);
void attack_gic_random(struct cpu *c, uint32_t picks);
void attack_gic_overflow(struct cpu *c, uint32_t picks);
void attack_gic_order(struct cpu *c, uint32_t picks);
void attack_gic_level(struct cpu *c, uint32_t picks);
void attack_sgi(struct cpu *c, uint32_t picks);

/* ---- others, by file ---- */
void check_fresh(struct cpu *c);
void attack_registers(struct cpu *c, uint32_t picks);
void attack_mmio_gic(struct cpu *c, uint32_t picks);
void attack_mmio_devices(struct cpu *c, uint32_t picks);
void attack_odd(struct cpu *c, uint32_t picks);
void attack_walks(struct cpu *c, uint32_t picks);
void attack_user(struct cpu *c, uint32_t picks);
void attack_ipa(struct cpu *c, uint32_t picks);
void attack_calls(struct cpu *c, uint32_t picks);
void attack_timer(struct cpu *c, uint32_t picks);
void attack_wait(struct cpu *c, uint32_t picks);
void attack_cpu_on(struct cpu *c, uint32_t picks);

#endif
