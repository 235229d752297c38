/* The interface between core (EL2) and vault (EL1): hypercalls and events. Usable from assembler.
 *
 * The vault has one vCPU per physical CPU. Each is a run-to-completion loop around MVP_HC_WAIT, which returns the next event for this CPU;
 * it runs with all exceptions masked and takes no interrupt. A hypercall is `hvc #0` with the function id in x0 and arguments in x1..x5;
 * results are in x0..x4, other registers are preserved. Functions other than MVP_HC_WAIT return 0 or a negative MVP_E_* in x0 unless said
 * otherwise. Only the vault may make them.
 *
 * Address space of the vault (its IPA and, by its own stage 1 tables, its VA): devices at their physical address, its own memory at
 * MVP_VAULT_BASE, the RAM of persona p at MVP_VAULT_WINDOW(p), all screens at MVP_VAULT_SCREENS; at MVP_VAULT_CORE, to be read only, what
 * never changes of the hypervisor's own image, from its first byte on: code and constants, the vault's image among them. Offsets in a
 * window equal IPA - MVP_GUEST_RAM of the persona. */
#ifndef MVP_ABI_H
#define MVP_ABI_H

#define MVP_ABI_VERSION 3

#define MVP_VAULT_BASE 0x40000000
#define MVP_VAULT_WINDOW(p) (((p) + 1) * 0x1000000000)
#define MVP_VAULT_SCREENS 0x7000000000
#define MVP_VAULT_CORE 0x7800000000

#define MVP_HC(n) (0xC6000000 + (n)) /* SMCCC: fast call, 64 bit, vendor hypervisor service */

#define MVP_HC_VERSION MVP_HC(0) /* x0 = MVP_ABI_VERSION */
/* x1 = value read, if the last event was a read MVP_EV_IOREQ, or whether there is an answer to MVP_EV_RANDOM; x2 = 1: has background work;
 * x3..x5 = random words. Event in x0.. */
#define MVP_HC_WAIT MVP_HC(1)
#define MVP_HC_IRQ_LINE MVP_HC(2)      /* x1 = persona, x2 = SPI number (not INTID), x3 = level 0 or 1 */
#define MVP_HC_IRQ_DONE MVP_HC(3)      /* x1 = physical INTID got by MVP_EV_IRQ: unmask it */
#define MVP_HC_IRQ_ENABLE MVP_HC(4)    /* x1 = physical INTID (must be listed in the configuration), x2 = 0 or 1; routed to CPU 0 */
#define MVP_HC_PERSONA_START MVP_HC(5) /* x1 = persona, x2 = entry IPA, x3 = x0 of its vCPU 0. The vault has cleaned images to PoC */
#define MVP_HC_PERSONA_STOP MVP_HC(6)  /* x1 = persona. MVP_E_BUSY until every vCPU is off its CPU: call again */
#define MVP_HC_PERSONA_SCRUB \
	MVP_HC(7)                   /* x1 = persona (stopped), x2 = offset; zeroes a bounded piece; x0 = next offset, RAM size when done */
#define MVP_HC_FOREGROUND MVP_HC(8) /* x1 = persona that gets the foreground weight */
#define MVP_HC_TIMER MVP_HC(9)      /* x1 = absolute CNTVCT (= CNTPCT) value for MVP_EV_TIMER on this CPU; 0 cancels */
#define MVP_HC_POWER MVP_HC(10)     /* x1 = 0 off, 1 reset; of the board; does not return */
#define MVP_HC_DOORBELL MVP_HC(11)  /* x1 = physical CPU index whose vault vCPU gets MVP_EV_DOORBELL */
#define MVP_HC_PANIC MVP_HC(12)     /* x1 = cause, x2 = address; the core reports it on the debug UART and resets the board */

#define MVP_EV_IOREQ 1 /* x1 = MVP_IOREQ_*, x2 = IPA, x3 = value of a write (zero-extended) */
#define MVP_EV_IRQ 2   /* x1 = physical INTID, masked until MVP_HC_IRQ_DONE; x2 = with MVP_MEASURE, counter value when the core took it */
#define MVP_EV_TIMER 3
#define MVP_EV_DOORBELL 4 /* x1 = sender's CPU index (of the last one, if several rang) */
#define MVP_EV_WORK 5     /* a share of CPU time for background work: do a step of at most some 100 us */
#define MVP_EV_PERSONA 6  /* x1 = persona, x2 = MVP_PERSONA_*: it stopped by itself; already off all CPUs */
#define MVP_EV_RANDOM 7   /* x1 = MVP_IOREQ_PERSONA and _VCPU: a persona asks for entropy; answered with 3 x 64 bits */

#define MVP_IOREQ_PERSONA(x) ((x)&0xff)
#define MVP_IOREQ_VCPU(x) (((x) >> 8) & 0xff)
#define MVP_IOREQ_WIDTH(x) (1u << (((x) >> 16) & 3)) /* bytes */
#define MVP_IOREQ_WRITE(x) (((x) >> 24) & 1)
#define MVP_IOREQ_PACK(persona, vcpu, log2_width, write) ((persona) | (vcpu) << 8 | (log2_width) << 16 | (write) << 24)

#define MVP_PERSONA_OFF 0   /* PSCI SYSTEM_OFF */
#define MVP_PERSONA_RESET 1 /* PSCI SYSTEM_RESET */

#define MVP_E_INVAL (-1)
#define MVP_E_BUSY (-2)
#define MVP_E_DENIED (-3)

/* The vault is entered on every CPU at MVP_VAULT_BASE, at EL1h, MMU off, DAIF masked, x0 = CPU index, x1 = number of CPUs online, x2 =
 * bytes at MVP_VAULT_CORE. CPU 0 comes first; the other CPUs enter once CPU 0 has called MVP_HC_WAIT. */

#endif
