/* The machine seam of the vault: hypercalls, barriers, counters, device registers. Portable files include only this, and a host program
 * that tests them (MVP_HOST defined) supplies the functions itself. */
#ifndef VAULT_ARCH_H
#define VAULT_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mvp/abi.h"
#include "mvp/config.h"

/* A hypercall with up to three arguments; returns x0. */
#ifdef MVP_HOST
int64_t hc(uint64_t fn, uint64_t a1, uint64_t a2, uint64_t a3);
uint64_t arch_counter(void);
uint32_t arch_counter_hz(void);
unsigned arch_cpu(void);

uint8_t mmio_read8(uintptr_t at);
void mmio_write8(uintptr_t at, uint8_t v);
uint32_t mmio_read32(uintptr_t at);
void mmio_write32(uintptr_t at, uint32_t v);
void arch_clean(const void *at, size_t len);

static inline void arch_dmb_guest(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static inline void arch_dmb_device(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static inline void arch_relax(void)
{
}
#else
static inline int64_t hc(uint64_t fn, uint64_t a1, uint64_t a2, uint64_t a3)
{
	register uint64_t x0 __asm__("x0") = fn;
	register uint64_t x1 __asm__("x1") = a1;
	register uint64_t x2 __asm__("x2") = a2;
	register uint64_t x3 __asm__("x3") = a3;
	register uint64_t x4 __asm__("x4");
	__asm__ volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3), "=r"(x4) : : "memory");
	return (int64_t)x0;
}

/* MVP_HC_WAIT: the next event of this CPU. */
struct event {
	uint64_t what, x1, x2, x3;
};

/* What the last event is answered with: the value of a read access; whether there are random words, and these. */
struct answer {
	uint64_t value, words[3];
};

static inline struct event hc_wait(const struct answer *a, bool has_work)
{
	register uint64_t x0 __asm__("x0") = MVP_HC_WAIT;
	register uint64_t x1 __asm__("x1") = a->value;
	register uint64_t x2 __asm__("x2") = has_work;
	register uint64_t x3 __asm__("x3") = a->words[0];
	register uint64_t x4 __asm__("x4") = a->words[1];
	register uint64_t x5 __asm__("x5") = a->words[2];
	__asm__ volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3), "+r"(x4), "+r"(x5) : : "memory");
	return (struct event){ x0, x1, x2, x3 };
}

static inline uint64_t arch_counter(void)
{
	uint64_t v;
	__asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(v) : : "memory");
	return v;
}

static inline uint32_t arch_counter_hz(void)
{
	uint64_t v;
	__asm__("mrs %0, cntfrq_el0" : "=r"(v));
	return (uint32_t)v;
}

/* TPIDR_EL1 holds the CPU index; start.S sets it. */
static inline unsigned arch_cpu(void)
{
	uint64_t v;
	__asm__("mrs %0, tpidr_el1" : "=r"(v));
	return (unsigned)v;
}

/* Orders accesses to memory shared with a persona's CPUs. */
static inline void arch_dmb_guest(void)
{
	__asm__ volatile("dmb ish" : : : "memory");
}

/* Orders accesses to memory shared with a physical device, and those to its registers. */
static inline void arch_dmb_device(void)
{
	__asm__ volatile("dmb osh" : : : "memory");
}

static inline void arch_relax(void)
{
	__asm__ volatile("yield" : : : "memory");
}

static inline uint8_t mmio_read8(uintptr_t at)
{
	uint32_t v;
	__asm__ volatile("ldrb %w0, [%1]" : "=r"(v) : "r"(at) : "memory");
	return (uint8_t)v;
}

static inline void mmio_write8(uintptr_t at, uint8_t v)
{
	__asm__ volatile("strb %w0, [%1]" : : "r"((uint32_t)v), "r"(at) : "memory");
}

static inline uint32_t mmio_read32(uintptr_t at)
{
	uint32_t v;
	__asm__ volatile("ldr %w0, [%1]" : "=r"(v) : "r"(at) : "memory");
	return v;
}

static inline void mmio_write32(uintptr_t at, uint32_t v)
{
	__asm__ volatile("str %w0, [%1]" : : "r"(v), "r"(at) : "memory");
}

/* Data cache clean and invalidate to the point of coherency, [at, at + len): a persona starts with its caches off and reads memory. */
void arch_clean(const void *at, size_t len);

#endif

static inline uint64_t arch_ms(uint64_t ms)
{
	return ms * (arch_counter_hz() / 1000);
}

/* Stops the whole handset: the core reports cause and address, and resets the board. */
_Noreturn static inline void vault_panic(uint64_t cause, uint64_t address)
{
	hc(MVP_HC_PANIC, cause, address, 0);
	for (;;)
		arch_relax();
}

/* Causes of panics that are not exceptions (whose cause is ESR_EL1, always >= 0x2000000 or 0). */
enum vault_cause {
	VAULT_PANIC_ABI = 1,      /* the core speaks another ABI version */
	VAULT_PANIC_CONFIG = 2,   /* configuration revision or sizes */
	VAULT_PANIC_MAP = 3,      /* out of translation tables, or a range of the configuration is not aligned */
	VAULT_PANIC_INTERNAL = 4, /* an invariant of our own does not hold */
	VAULT_PANIC_CPU = 5,      /* no AES or SHA-256 instructions */
};

#endif
