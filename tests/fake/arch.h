/* vmm/core/arch.h for the host: the same interface, on the machine of machine.h. Included before a file of the core (-include), it stands
 * in for the real header by its guard. A system register is a slot found by its name at the first use, so the core may use any. */
#ifndef CORE_ARCH_H
#define CORE_ARCH_H

#include "vmm/core/types.h"

uint32_t fake_slot(const char *name); /* > 0; names are not case sensitive, and S3_... of a register that has a name is that register */
uint64_t fake_reg_read(uint32_t slot);
void fake_reg_write(uint32_t slot, uint64_t v);
uint64_t fake_mmio_read(uint64_t pa, uint32_t width);
void fake_mmio_write(uint64_t pa, uint64_t v, uint32_t width);
void fake_smc(uint64_t r[4]);
void fake_wfi(void);
void *fake_cpu_local(void);
void fake_zero(void *p, uint64_t len);

enum fake_op { OP_ISB, OP_DSB, OP_TLBI_VM_LOCAL, OP_TLBI_VM, OP_TLBI_LOCAL, OP_TLBI_EL2, OP_CACHE, OP_ICACHE, OP_COUNT };
void fake_op(enum fake_op op, uint64_t arg);

#define fake_slot_of(reg) \
	__extension__({ \
		static uint32_t slot_; \
		if (!slot_) \
			slot_ = fake_slot(#reg); \
		slot_; \
	})
#define sysreg_read(reg) fake_reg_read(fake_slot_of(reg))
#define sysreg_write(reg, val) fake_reg_write(fake_slot_of(reg), (uint64_t)(val))
#define sysreg_read_x(reg) sysreg_read(reg)
#define sysreg_write_x(reg, val) sysreg_write(reg, val)

#define isb() fake_op(OP_ISB, 0)
#define dsb(kind) fake_op(OP_DSB, 0)
#define wfi() fake_wfi()

static inline uint32_t mmio_read32(uint64_t pa)
{
	return (uint32_t)fake_mmio_read(pa, 4);
}

static inline uint64_t mmio_read64(uint64_t pa)
{
	return fake_mmio_read(pa, 8);
}

static inline void mmio_write32(uint64_t pa, uint32_t v)
{
	fake_mmio_write(pa, v, 4);
}

static inline void mmio_write64(uint64_t pa, uint64_t v)
{
	fake_mmio_write(pa, v, 8);
}

static inline void smc(uint64_t r[4])
{
	fake_smc(r);
}

static inline void *cpu_local(void)
{
	return fake_cpu_local();
}

static inline void tlb_flush_vm_local(void)
{
	fake_op(OP_TLBI_VM_LOCAL, 0);
}

static inline void tlb_flush_vm(void)
{
	fake_op(OP_TLBI_VM, 0);
}

static inline void tlb_flush_guests_local(void)
{
	fake_op(OP_TLBI_LOCAL, 0);
}

static inline void tlb_flush_el2_page(uint64_t va)
{
	fake_op(OP_TLBI_EL2, va);
}

enum { CACHE_LINE = 64 };

static inline void cache_flush(const void *p, uint64_t len)
{
	(void)p;
	fake_op(OP_CACHE, len);
}

static inline void zero_blocks(void *p, uint64_t len)
{
	fake_zero(p, len);
}

static inline void icache_flush(void)
{
	fake_op(OP_ICACHE, 0);
}

#endif
