/* AArch64 instructions and system registers the core uses. Machine code only; no policy. */
#ifndef CORE_ARCH_H
#define CORE_ARCH_H

#include "types.h"

#define sysreg_read(reg) \
	__extension__({ \
		uint64_t v_; \
		__asm__ volatile("mrs %0, " #reg : "=r"(v_)); \
		v_; \
	})
#define sysreg_write(reg, val) __asm__ volatile("msr " #reg ", %x0" : : "rZ"((uint64_t)(val)))

/* System registers the assembler has no name for without extensions. */
#define ICC_SRE_EL2 S3_4_C12_C9_5
#define ICC_IAR1_EL1 S3_0_C12_C12_0
#define ICC_EOIR1_EL1 S3_0_C12_C12_1
#define ICC_DIR_EL1 S3_0_C12_C11_1
#define ICC_PMR_EL1 S3_0_C4_C6_0
#define ICC_BPR1_EL1 S3_0_C12_C12_3
#define ICC_CTLR_EL1 S3_0_C12_C12_4
#define ICC_SGI1R_EL1 S3_0_C12_C11_5
#define ICC_IGRPEN1_EL1 S3_0_C12_C12_7
#define ICH_HCR_EL2 S3_4_C12_C11_0
#define ICH_VTR_EL2 S3_4_C12_C11_1
#define ICH_VMCR_EL2 S3_4_C12_C11_7
#define ICH_AP0R0_EL2 S3_4_C12_C8_0
#define ICH_AP0R1_EL2 S3_4_C12_C8_1
#define ICH_AP0R2_EL2 S3_4_C12_C8_2
#define ICH_AP0R3_EL2 S3_4_C12_C8_3
#define ICH_AP1R0_EL2 S3_4_C12_C9_0
#define ICH_AP1R1_EL2 S3_4_C12_C9_1
#define ICH_AP1R2_EL2 S3_4_C12_C9_2
#define ICH_AP1R3_EL2 S3_4_C12_C9_3

/* The extra level expands the macro name above before it becomes text. */
#define sysreg_read_x(reg) sysreg_read(reg)
#define sysreg_write_x(reg, val) sysreg_write(reg, val)

#define isb() __asm__ volatile("isb" ::: "memory")
#define dsb(kind) __asm__ volatile("dsb " #kind ::: "memory")
#define wfi() __asm__ volatile("wfi" ::: "memory")

static inline uint32_t mmio_read32(uint64_t pa)
{
	return *(volatile uint32_t *)pa;
}

static inline uint64_t mmio_read64(uint64_t pa)
{
	return *(volatile uint64_t *)pa;
}

static inline void mmio_write32(uint64_t pa, uint32_t v)
{
	*(volatile uint32_t *)pa = v;
}

static inline void mmio_write64(uint64_t pa, uint64_t v)
{
	*(volatile uint64_t *)pa = v;
}

/* Firmware call by SMC (Arm DEN 0028): r holds x0..x3, arguments and results. */
static inline void smc(uint64_t r[4])
{
	register uint64_t x0 __asm__("x0") = r[0];
	register uint64_t x1 __asm__("x1") = r[1];
	register uint64_t x2 __asm__("x2") = r[2];
	register uint64_t x3 __asm__("x3") = r[3];

	__asm__ volatile("smc #0"
			 : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)
			 :
			 : "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17", "memory");
	r[0] = x0;
	r[1] = x1;
	r[2] = x2;
	r[3] = x3;
}

/* This CPU's struct pcpu, as irq and trap handling set it in TPIDR_EL2. */
static inline void *cpu_local(void)
{
	void *v;

	__asm__("mrs %0, tpidr_el2" : "=r"(v));
	return v;
}

/* TLB maintenance (DDI 0487, D8.14). What takes a right away is done twice: on many cores a broadcast invalidation and its barrier may be
 * complete before the stores of another core that still used the old entry (the repeat-TLBI erratum, CVE-2025-10263). */

/* Stage 1 and instructions of the domain in VTTBR_EL2, on this CPU. */
static inline void tlb_flush_vm_local(void)
{
	__asm__ volatile("tlbi vmalle1\n\tic iallu\n\tdsb nsh\n\tisb" ::: "memory");
}

/* Both stages and instructions of the domain in VTTBR_EL2, on all CPUs. */
static inline void tlb_flush_vm(void)
{
	__asm__ volatile("tlbi vmalls12e1is\n\tdsb ish\n\ttlbi vmalls12e1is\n\tic ialluis\n\tdsb ish\n\tisb" ::: "memory");
}

/* All domains, on this CPU. */
static inline void tlb_flush_guests_local(void)
{
	__asm__ volatile("tlbi alle1\n\tdsb nsh\n\tisb" ::: "memory");
}

/* One page of EL2's own address space, on all CPUs. */
static inline void tlb_flush_el2_page(uint64_t va)
{
	__asm__ volatile("tlbi vae2is, %0\n\tdsb ish\n\ttlbi vae2is, %0\n\tdsb ish" : : "r"(va >> 12) : "memory");
}

enum { CACHE_LINE = 64 }; /* no Armv8-A core has shorter lines; longer ones are then hit more than once */

/* Cleans and invalidates [p, p + len) to the point of coherency; both multiples of CACHE_LINE. */
static inline void cache_flush(const void *p, uint64_t len)
{
	for (const char *line = p; line < (const char *)p + len; line += CACHE_LINE)
		__asm__ volatile("dc civac, %0" : : "r"(line) : "memory");
	dsb(sy);
}

/* Zeroes [p, p + len), multiples of 2 KiB, the largest block DC ZVA may have. Normal memory. */
static inline void zero_blocks(void *p, uint64_t len)
{
	uint64_t step = 4ull << (sysreg_read(dczid_el0) & 0xf);

	for (char *at = p; at < (char *)p + len; at += step)
		__asm__ volatile("dc zva, %0" : : "r"(at) : "memory");
}

static inline void icache_flush(void)
{
	__asm__ volatile("ic ialluis\n\tdsb ish\n\tisb" ::: "memory");
}

#endif
