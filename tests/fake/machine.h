/* A board for the core on the host: CPUs with registers, generic timers and GICv3 CPU interfaces, a distributor with redistributors, and a
 * counter that moves only when told to. One thread: a CPU runs until the core enters a guest or idles. What the hardware would not survive
 * (a register that is not there, an acknowledge ended twice) and what the core may not do ends in fake_fail(). */
#ifndef FAKE_MACHINE_H
#define FAKE_MACHINE_H

#include <setjmp.h>

#include "arch.h"
#include "vmm/core/cpu.h"

enum { FAKE_CPUS = 4, FAKE_REGS = 192, FAKE_LRS = 16, FAKE_SPI_BANKS = 4, FAKE_UART_LEN = 512, FAKE_VMIDS = 4, FAKE_NONE = 1023 };
enum { FAKE_HZ = 62500000 };

/* Registers with behaviour, and those the tests look at: slots known at compile time. */
enum fake_reg {
	R_NONE,
	R_CNTPCT,
	R_CNTVCT,
	R_CNTFRQ,
	R_ICC_IAR1,
	R_ICC_EOIR1,
	R_ICC_DIR,
	R_ICC_SGI1R,
	R_ICH_VTR,
	R_ICH_MISR,
	R_ICH_EISR,
	R_ICH_ELRSR,
	R_ICH_LR0,
	R_ICH_LR15 = R_ICH_LR0 + FAKE_LRS - 1,
	R_ICH_AP0R0,
	R_ICH_AP0R3 = R_ICH_AP0R0 + 3,
	R_ICH_AP1R0,
	R_ICH_AP1R3 = R_ICH_AP1R0 + 3,
	R_CNTV_CTL,
	R_CNTHP_CTL,
	R_HOOKED, /* those before have behaviour */
	R_ICH_HCR = R_HOOKED,
	R_ICH_VMCR,
	R_CNTV_CVAL,
	R_CNTHP_CVAL,
	R_TPIDR_EL2,
	R_HCR,
	R_CPTR,
	R_MDCR,
	R_CNTHCTL,
	R_CNTVOFF,
	R_VTTBR,
	R_VTCR,
	R_VMPIDR,
	R_VPIDR,
	R_HSTR,
	R_ESR_EL2,
	R_FAR_EL2,
	R_HPFAR_EL2,
	R_MPIDR,
	R_ICC_SRE_EL2,
	R_EL1, /* the EL1 and EL0 registers that are a guest's own, FAKE_EL1 of them */
};

/* Order of fake_el1_names. */
enum { FAKE_EL1 = 23, EL1_ESR = 5, EL1_FAR = 8, EL1_VBAR = 10, EL1_ELR = 20, EL1_SPSR = 21 };

struct fake_irqs { /* 32 interrupts */
	uint32_t enabled, latch, line, active, group, edge;
};

struct fake_cpu {
	uint64_t r[FAKE_REGS];
	uint64_t fp[66]; /* as struct fp_regs */
	struct fake_irqs local;
	uint32_t acked;                     /* acknowledged, not yet priority-dropped; FAKE_NONE */
	struct vcpu *guest;                 /* entered last; NULL while the CPU idles in the core or is off */
	bool on, idle;                      /* idle: in WFI inside the core */
	const struct vcpu *tlb[FAKE_VMIDS]; /* whose entries the TLB may hold, by VMID */
	uint32_t waker;
};

struct fake {
	struct fake_cpu cpu[FAKE_CPUS];
	struct fake_irqs spi[FAKE_SPI_BANKS];
	uint64_t router[FAKE_SPI_BANKS * 32];
	uint32_t gicd_ctlr;
	uint64_t time;
	uint64_t steps; /* register and MMIO accesses so far */
	uint64_t ops[OP_COUNT];
	uint32_t smcs;
	uint64_t zeroed_pa, window_pa; /* of the last zero_blocks; of the window, ~0 when it is not mapped */
	char uart[FAKE_UART_LEN];
	uint32_t uart_len;
};

extern struct fake fake;
extern struct fake_cpu *fake_now;            /* the CPU that runs */
extern uint64_t fake_step_limit;             /* an entry to the core that takes more fails; 0: none */
extern uint64_t fake_vtr;                    /* ICH_VTR_EL2; set before fake_boot() */
extern void (*fake_smc_hook)(uint64_t r[4]); /* the firmware, apart from PSCI calls that fake_boot() needs; NULL: not supported */
extern const char *const fake_el1_names[FAKE_EL1];

__attribute__((noreturn, format(printf, 1, 2))) void fake_fail(const char *format, ...);

/* Powers the board up from nothing: the core boots on CPU 0 and enters the vault. */
void fake_boot(void);
/* Where the core may end for good (the vault asked for it); without one that is a failure. */
extern jmp_buf *fake_power_off;

uint64_t fake_get(uint32_t cpu, const char *name); /* without behaviour and counting */
void fake_set(uint32_t cpu, const char *name, uint64_t v);

extern const struct vcpu *fake_trapped; /* whose exception the core took last; NULL: the CPU was idle */
/* The guest of cpu traps. The new fake.cpu[cpu].guest is what runs then; NULL: idle. */
void fake_trap(uint32_t cpu, uint32_t kind);
void fake_sync(uint32_t cpu, uint64_t esr, uint64_t far, uint64_t hpfar);
/* Takes interrupts on cpu as long as there are some; bounded. */
void fake_run_irqs(uint32_t cpu);
bool fake_irq_pending(uint32_t cpu);
/* The next counter value at which a timer of the CPU fires, UINT64_MAX without. */
uint64_t fake_next_timer(uint32_t cpu);

void fake_pt_reset(void); /* pt.c */

/* ---- gic.c ---- */
uint64_t fake_gic_reg_read(struct fake_cpu *c, uint32_t slot);
void fake_gic_reg_write(struct fake_cpu *c, uint32_t slot, uint64_t v);
uint64_t fake_gic_mmio(uint64_t pa, uint64_t v, uint32_t width, bool write);
uint32_t fake_gic_highest(const struct fake_cpu *c); /* INTID, FAKE_NONE */
void fake_spi(uint32_t intid, bool level);
void fake_check_lrs(const struct fake_cpu *c); /* what the architecture forbids, and an INTID twice */
uint64_t fake_misr(const struct fake_cpu *c);
/* The guest at its CPU interface: ICC_IARn, ICC_EOIRn, ICC_DIR. */
uint32_t fake_guest_ack(struct fake_cpu *c, uint32_t group);
void fake_guest_eoi(struct fake_cpu *c, uint32_t group, uint32_t intid);
void fake_guest_dir(struct fake_cpu *c, uint32_t intid);
bool fake_guest_irq(const struct fake_cpu *c); /* the virtual IRQ or FIQ is asserted */

/* ---- what the core has in assembler ---- */
void core_main(void);
void core_secondary(struct pcpu *p);
struct vcpu *trap(struct vcpu *v, uint32_t kind);
enum { FAKE_TRAP_SYNC, FAKE_TRAP_IRQ, FAKE_TRAP_SERROR };

#endif
