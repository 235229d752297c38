/* Virtual GICv3 of one persona: distributor, redistributors and the choice of list registers (Arm IHI 0069). No ITS, no LPIs, one security
 * state (GICD_CTLR.DS = 1). Portable: touches no hardware; switch.c moves list registers between struct vgic_cpu and the CPU. */
#ifndef CORE_VGIC_H
#define CORE_VGIC_H

#include "mvp/machine.h"
#include "spinlock.h"
#include "types.h"

#define VGIC_SPI_BANKS (MVP_GUEST_SPIS / 32)
#define VGIC_MAX_LRS 16

/* List register fields (IHI 0069, ICH_LR<n>_EL2) */
#define LR_VINTID(lr) ((uint32_t)(lr))
#define LR_EOI BIT(41) /* HW = 0: maintenance interrupt at EOI */
#define LR_PINTID(p) ((uint64_t)(p) << 32)
#define LR_PRIORITY(p) ((uint64_t)(p) << 48)
#define LR_PRIORITY_GET(lr) ((uint8_t)((lr) >> 48))
#define LR_GROUP1 BIT(60)
#define LR_HW BIT(61)
#define LR_PENDING BIT(62)
#define LR_ACTIVE BIT(63)

/* 32 interrupts. Pending is: latch (an edge, a set-pending write, an SGI), or line while level triggered. An interrupt in a list register
 * has its inlr bit set; its latch has moved into the register's pending state. */
struct vgic_bank {
	uint32_t enabled, group, latch, line, active, edge, inlr;
	uint32_t tied;                                  /* the forwarded timer while its physical interrupt stands active */
	uint32_t lr_pending;                            /* of inlr: pending, as last folded */
	uint32_t drop_pending, drop_active, set_active; /* of inlr: written by a guest, done to the list register at its next fold */
	uint8_t priority[32];
};

struct vgic_cpu {
	struct vgic_bank local;    /* SGIs and PPIs */
	uint64_t lr[VGIC_MAX_LRS]; /* as last moved from or to the CPU */
	uint32_t lr_used;          /* bit per list register in use */
	bool overflow;             /* more deliverable interrupts than list registers: ask for a maintenance interrupt */
	bool dirty;                /* state changed: fold and flush before the vCPU runs again. Under the vgic's lock */
	bool in_memory;            /* lr[] is newer than the CPU's list registers (set by whoever saves them, cleared on load) */
	bool spilled;              /* an active interrupt is in no list register: its end must be noticed */
	uint8_t eoi_count;         /* EOIs the CPU has counted for such ones; taken by the next fold */
	bool vtimer_low;           /* whoever folds says so: the timer no longer asks for its tied interrupt */
	bool release_vtimer;       /* a tied interrupt ended without an EOI on the CPU: deactivate the physical one too */
	uint32_t waker;            /* GICR_WAKER.ProcessorSleep */
};

struct vgic {
	struct spinlock lock; /* of everything here, list registers in memory included */
	uint32_t ctlr;        /* GICD_CTLR enables */
	uint32_t vcpus;
	uint32_t lrs; /* list registers the CPUs have */
	struct vgic_bank spi[VGIC_SPI_BANKS];
	uint64_t router[MVP_GUEST_SPIS]; /* GICD_IROUTER as written */
	uint8_t owner[MVP_GUEST_SPIS];   /* the vCPU with the list register, valid while inlr */
	struct vgic_cpu cpu[MVP_MAX_VCPUS];
	uint32_t kick; /* vCPUs whose state changed by this call: the caller wakes them and clears it */
};

/* To reset state: lines low, everything disabled. lrs <= VGIC_MAX_LRS. */
void vgic_reset(struct vgic *g, uint32_t vcpus, uint32_t lrs);

/* One guest access to the distributor (dist; off from its base), or to the redistributors (off from the first one's). width in bytes.
 * Unknown registers are RAZ/WI. Both take the lock themselves. The calling vCPU's list registers must have been folded (vgic_needs_fold).
 */
uint64_t vgic_read(struct vgic *g, bool dist, uint32_t off, uint32_t width);
void vgic_write(struct vgic *g, bool dist, uint32_t off, uint32_t width, uint64_t val);

/* Whether the access needs the list registers folded first (pending and active state). off within its 64 KiB frame. */
bool vgic_needs_fold(uint32_t off);

/* The source of intid (of vcpu, if below 32) sets the level of its line. An edge-triggered interrupt latches a rising edge. */
void vgic_line(struct vgic *g, uint32_t vcpu, uint32_t intid, bool level);
/* The forwarded virtual timer interrupt of vCPU fired: enters a list register tied to the physical interrupt. */
void vgic_vtimer(struct vgic *g, uint32_t vcpu);
/* ICC_SGI1R_EL1 (group1) or ICC_SGI0R_EL1 written by vcpu. */
void vgic_sgi(struct vgic *g, uint32_t vcpu, uint64_t val, bool group1);
/* ICC_DIR_EL1 trapped: vcpu deactivates intid, which may be anything. The vCPU's list registers have been folded. */
void vgic_deactivate(struct vgic *g, uint32_t vcpu, uint32_t intid);

/* Moves what the list registers of vcpu say back into the state; lr[] and eoi_count hold the CPU's values. */
void vgic_fold_locked(struct vgic *g, uint32_t vcpu);
/* Fills free list registers with what is deliverable, most urgent first; clears dirty. */
void vgic_flush_locked(struct vgic *g, uint32_t vcpu);
/* Whether the vCPU has something to take: a pending list register or a deliverable interrupt. For WFI; ignores masks inside the vCPU. */
bool vgic_has_work(struct vgic *g, uint32_t vcpu);

#endif
