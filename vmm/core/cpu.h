/* What a physical CPU runs: domains (personas and the vault), their vCPUs, and the per-CPU state. vectors.S knows the offsets checked in
 * main.c. A vCPU lives on one physical CPU (its home) for its whole life: its registers, list registers, timer and FP state are touched
 * there only, so nothing of that needs a lock; others set its flags atomically and ring the home CPU. */
#ifndef CORE_CPU_H
#define CORE_CPU_H

#include "arch.h"
#include "mvp/abi.h"
#include "mvp/config.h"
#include "types.h"
#include "vgic.h"

enum { VM_VAULT = MVP_MAX_PERSONAS, VM_COUNT };

struct regs {
	uint64_t x[31];
	uint64_t pc, pstate;
};

/* EL1 and EL0 system registers that are a vCPU's own. */
struct el1_regs {
	uint64_t sctlr, cpacr, ttbr0, ttbr1, tcr, esr, afsr0, afsr1, far, mair, vbar, contextidr, amair, cntkctl, par, tpidr_el0, tpidrro,
		tpidr_el1, sp_el0, sp_el1, elr, spsr, csselr;
};

struct fp_regs {
	uint64_t q[64];
	uint64_t fpsr, fpcr;
} __attribute__((aligned(16)));

enum vcpu_state { /* atomically changed; see psci.c and sched.c */
		  VCPU_OFF,
		  VCPU_CLAIMED,    /* a CPU_ON caller is writing its arguments */
		  VCPU_ON_PENDING, /* CPU_ON accepted, its home has not seen it yet */
		  VCPU_READY,
		  VCPU_BLOCKED, /* in WFI */
		  VCPU_IOREQ,   /* the vault answers its access */
};

struct ioreq {
	uint64_t ipa, value;
	uint8_t log2_width, write, reg, sign_extend, reg64;
};

struct vcpu {
	struct regs regs; /* first: SP_EL2 points here while the vCPU runs */
	struct vm *vm;
	struct pcpu *home;
	uint32_t index; /* in its vm */
	uint32_t state; /* enum vcpu_state */
	struct el1_regs el1;
	struct fp_regs fp;
	uint64_t cntv_ctl, cntv_cval; /* while not loaded */
	uint64_t cntp_ctl, cntp_cval; /* the physical timer it sees */
	uint64_t flush_at;            /* set/way: offset in RAM of the next piece to clean, 0 while none is under way */
	uint64_t flush_done;          /* set/way: counter value when the last one was handled */
	uint64_t ich_vmcr, ich_ap0r[4], ich_ap1r[4];
	uint64_t vruntime; /* scheduler: weighted time, counter ticks */
	struct ioreq ioreq;
	uint32_t random_bits;          /* asked of the vault, 0 if it answers an access */
	uint64_t on_entry, on_context; /* CPU_ON arguments, valid in VCPU_ON_PENDING */
};

enum vm_stop { STOP_NONE, STOP_OFF, STOP_RESET, STOP_VAULT };

struct vm {
	uint64_t vttbr;
	uint64_t ram_pa, ram_size;
	uint32_t id; /* persona number, or VM_VAULT */
	uint32_t vcpus;
	uint32_t weight;
	uint32_t stopping; /* enum vm_stop; while not STOP_NONE no vCPU of it is run again */
	uint32_t live;     /* vCPUs that are not VCPU_OFF */
	struct vgic gic;
	struct vcpu vcpu[MVP_MAX_CPUS];
};

enum { MAX_QUEUED_IRQS = MVP_MAX_VAULT_IRQS };

struct pcpu {
	uint64_t stack_top;          /* offset 0: start.S, vectors.S */
	uint64_t canary;             /* offset 8: what the compiler guards this CPU's stack frames with (core.cflags) */
	struct vcpu *cur;            /* whose EL1 state is on the CPU; NULL before the first */
	struct vcpu *loaded;         /* persona vCPU whose timer and list registers are on the CPU, or NULL */
	struct vcpu *client;         /* persona vCPU the vault is answering, or NULL */
	struct vcpu *vault;          /* this CPU's vCPU of the vault */
	struct vcpu *fp_owner;       /* whose FP/SIMD registers are on the CPU, or NULL */
	struct vcpu *last[VM_COUNT]; /* the vCPU of each domain that ran here last: TLB entries are tagged by VMID only */
	struct vcpu *run[MVP_MAX_PERSONAS * MVP_MAX_VCPUS]; /* vCPUs at home here */
	uint32_t run_count;
	uint32_t index;
	uint64_t mpidr;
	uint64_t gicr_pa;
	uint64_t sgi_target;  /* this CPU as ICC_SGI1R_EL1 names it */
	struct vcpu *charged; /* who pays for the time since charged_since; NULL with charged_work: the vault's background work */
	struct vcpu *running; /* as charged, for other CPUs: who needs an exit to notice what they changed. Atomically accessed */
	bool charged_work;
	uint64_t charged_since;
	uint64_t slice_end; /* counter value; 0: nobody waits for the CPU */
	uint64_t min_vruntime;
	uint64_t vault_vruntime; /* of the vault's background work */
	uint64_t vault_since;    /* counter value: the vault has kept personas from the CPU since then; 0: it does not */
	uint32_t lrs_written;    /* bit per list register of the CPU that may hold something */
	bool resched;
	bool vault_waiting; /* the vault is in MVP_HC_WAIT here */
	bool vault_started;
	bool vault_work;      /* it has background work */
	bool twi;             /* HCR_EL2.TWI as on the CPU */
	uint64_t vault_timer; /* counter value, 0: none */
	bool vault_timer_due;
	uint32_t doorbell;                        /* 1 + index of the ringing CPU; atomically exchanged */
	uint32_t persona_event[MVP_MAX_PERSONAS]; /* enum vm_stop of a persona whose last vCPU ended here */
	uint32_t irq_queue[MAX_QUEUED_IRQS];      /* physical INTIDs for the vault */
	uint32_t irq_head, irq_count;
	uint32_t online;
};

enum { CNT_ENABLE = 1, CNT_IMASK = 2, CNT_ISTATUS = 4 }; /* of every timer's control register */

extern struct pcpu pcpus[MVP_MAX_CPUS];
extern uint32_t pcpus_online;
extern struct vm vms[VM_COUNT];
extern bool vault_ready; /* CPU 0's vault has reached its first wait; atomically set */

static inline struct pcpu *this_cpu(void)
{
	return cpu_local();
}

static inline uint64_t now(void)
{
	isb(); /* the counter is not read ahead of what was done before */
	return sysreg_read(cntpct_el0);
}

static inline bool is_vault(const struct vcpu *v)
{
	return v->vm->id == VM_VAULT;
}

/* ---- switch.c: putting vCPUs on and off the CPU ---- */
void vcpu_reset(struct vcpu *v, uint64_t entry, uint64_t x0); /* to the architecture's warm reset state */
void switch_to(struct pcpu *p, struct vcpu *next);            /* EL1 context; FP stays with its owner until used */
void load_persona(struct pcpu *p, struct vcpu *v);            /* timer and list registers; v NULL: unload only */
void fp_claim(struct pcpu *p, struct vcpu *v);                /* FP/SIMD trap: make v the owner */
void fp_drop(struct pcpu *p, struct vcpu *v);
void vgic_sync(struct vcpu *v);            /* brings list registers up to date if the vgic says dirty; v is loaded here */
void vgic_save(struct vcpu *v);            /* list registers into memory and folded; v is loaded here */
uint64_t timer_next(const struct vcpu *v); /* counter value at which a timer of v needs us; UINT64_MAX: none does */
void ptimer_update(struct vcpu *v);        /* the line of its physical timer's interrupt; v is at home here */

/* ---- sched.c ---- */
struct vcpu *sched_next(struct pcpu *p);               /* picks, loads and switches; idles in it while there is nothing. Never NULL */
void sched_wake(struct vcpu *v);                       /* v may have something to do: from any CPU */
void sched_kicked(struct vm *vm);                      /* wakes what vm->gic.kick names */
void sched_arm(struct pcpu *p);                        /* CNTHP for the nearest of slice, sleepers' timers and the vault's timer */
void sched_tick(struct pcpu *p);                       /* CNTHP fired */
void vcpu_block(struct vcpu *v);                       /* WFI: sleeps until an interrupt, unless one waits already; v is on its CPU */
void vcpu_off(struct vcpu *v);                         /* PSCI CPU_OFF; v is on its CPU */
void vm_request_stop(struct vm *vm, enum vm_stop why); /* rings all homes; vCPUs leave as their CPUs see it */
void ring(struct pcpu *p);                             /* makes CPU p look at its flags */

/* ---- vault.c: calls between core and vault ---- */
void ioreq_finish(struct vcpu *v, uint64_t value); /* steps over the access in v->ioreq; a read gets value, cut to its width */
void vault_ioreq(struct pcpu *p, struct vcpu *v);  /* v->ioreq is set */
void vault_random(struct pcpu *p, struct vcpu *v); /* v->random_bits is set */
struct vcpu *vault_hypercall(struct pcpu *p, struct vcpu *v);
bool vault_pending(const struct pcpu *p);   /* an event waits for this CPU's vault */
struct vcpu *vault_deliver(struct pcpu *p); /* the vault waits and vault_pending() */
struct vcpu *vault_background(struct pcpu *p);
void vault_queue_irq(struct pcpu *p, uint32_t intid);

/* ---- irq.c: physical GICv3 ---- */
void irq_init_dist(void);
void irq_init_cpu(struct pcpu *p);
uint32_t irq_list_registers(void); /* of this CPU, as many as we use */
void irq_handle(struct pcpu *p);   /* acknowledges and handles everything pending */
void irq_enable_spi(uint32_t intid, bool edge, bool on);
void irq_vtimer_active(struct pcpu *p, bool active);     /* active state of this CPU's physical virtual timer interrupt */
void irq_send_kick(const struct pcpu *to, bool resched); /* makes the CPU exit, and choose anew who runs */

/* ---- psci.c, sysreg.c, trap.c ---- */
/* PSCI and SMCCC for a persona: result in x0. False: the vCPU does not go on (off, suspended, whole persona ending). */
bool psci_call(struct pcpu *p, struct vcpu *v);
void psci_init(void);
void psci_init_cpu(void); /* the same for a further CPU: what personas may not switch off is on */
/* The vault's answer to a call for v->random_bits. */
void psci_random(struct vcpu *v, bool have, const uint64_t words[3]);
/* A trapped MSR/MRS with the syndrome's ISS. False: unknown, undefined for the guest. */
bool sysreg_access(struct pcpu *p, struct vcpu *v, uint32_t iss);
void inject_undef(struct vcpu *v);
void inject_abort(struct vcpu *v, uint64_t far, bool instruction);

/* ---- stage2.c, mmu.c ---- */
void stage2_init(void);
void *window_map(paddr_t pa); /* the 2 MiB block that holds pa, at this CPU's place, no-exec; one at a time */
void window_unmap(void);
void mmu_init(void);

/* ---- uart.c ---- */
void put_str(const char *s);
void put_hex(uint64_t v);
void put_line(const char *what, uint64_t v);                             /* "mvp core: what 0x..." */
__attribute__((noreturn)) void core_panic(const char *what, uint64_t v); /* our own invariant broke: report, reset the board */
__attribute__((noreturn)) void board_power(bool reset);

#endif
