/* The trap controls of EL2, every bit by name with its reason; the zero ones that matter are named too (Arm DDI 0487, D19.2). */
#ifndef CORE_HCR_H
#define CORE_HCR_H

#include "types.h"

#define HCR_VM BIT(0)   /* stage 2 on */
#define HCR_SWIO BIT(1) /* set/way invalidate becomes clean and invalidate: no guest discards another's data */
#define HCR_PTW BIT(2)  /* table walks into device memory fault */
#define HCR_FMO BIT(3)  /* physical FIQ, IRQ, SError come to EL2; virtual ones enabled */
#define HCR_IMO BIT(4)
#define HCR_AMO BIT(5)
#define HCR_FB BIT(9)      /* TLB and I-cache maintenance broadcast */
#define HCR_BSU_IS BIT(10) /* barriers reach the inner shareable domain at least */
#define HCR_TWI BIT(13)    /* WFI: only while somebody else can use the CPU (set at run time) */
/* TWE 0: WFE is a hint and never blocks for long. TID0, TID1, TID2 0: cache and implementation ids are harmless, CTR_EL0 is hot */
#define HCR_TID3 BIT(18)  /* feature registers: answered from the allow-list */
#define HCR_TSC BIT(19)   /* SMC: never reaches the firmware */
#define HCR_TIDCP BIT(20) /* implementation defined registers */
#define HCR_TACR BIT(21)  /* ACTLR_EL1 */
#define HCR_TSW BIT(22)   /* set/way operations: meaningless below a hypervisor */
/* TPCP, TPU, TTLB, TVM, TRVM 0: by-address maintenance and stage 1 set-up stay native. TGE 0, E2H 0: guests run below us. TDZ 0 */
/* HCD 0: HVC is our call interface */
#define HCR_RW BIT(31)   /* EL1 is AArch64 */
#define HCR_TLOR BIT(35) /* LORegions */
#define HCR_TERR BIT(36) /* error records; RES0 without RAS */
#define HCR_TEA BIT(37)  /* external aborts of guests are ours to judge; RES0 without RAS */
/* APK, API 0: pointer authentication is hidden, and trapped. NV, AT, FWB, ATA (MTE), TICAB, TOCU 0: hidden features */

#define HCR_GUEST \
	(HCR_VM | HCR_SWIO | HCR_PTW | HCR_FMO | HCR_IMO | HCR_AMO | HCR_FB | HCR_BSU_IS | HCR_TID3 | HCR_TSC | HCR_TIDCP | HCR_TACR | \
	 HCR_TSW | HCR_RW | HCR_TLOR | HCR_TERR | HCR_TEA)

#define CPTR_RES1 0x22ffull /* bits 0-7, 9, 13 */
#define CPTR_TZ BIT(8)      /* SVE; RES1 without it */
#define CPTR_TFP BIT(10)    /* FP/SIMD: switched lazily, set at run time */
#define CPTR_TSM BIT(12)    /* SME; RES1 without it */
#define CPTR_TTA BIT(20)    /* trace registers */
#define CPTR_TAM BIT(30)    /* activity monitors; RES0 without them */
/* TCPAC 0: CPACR_EL1 is the guest's own */
#define CPTR_GUEST (CPTR_RES1 | CPTR_TZ | CPTR_TSM | CPTR_TTA | CPTR_TAM)

#define MDCR_TPMCR BIT(5) /* performance counters: hidden, trapped */
#define MDCR_TPM BIT(6)
#define MDCR_TDE 0ull   /* guests keep their own debug exceptions (BRK) */
#define MDCR_TDA BIT(9) /* debug registers: read as zero, writes ignored */
#define MDCR_TDOSA BIT(10)
#define MDCR_TDRA BIT(11)
#define MDCR_TPMS BIT(14) /* statistical profiling; RES0 without it */
#define MDCR_TTRF BIT(19) /* trace filter; RES0 without it */
#define MDCR_GUEST (MDCR_TPMCR | MDCR_TPM | MDCR_TDE | MDCR_TDA | MDCR_TDOSA | MDCR_TDRA | MDCR_TPMS | MDCR_TTRF) /* HPMN is or-ed in */

#define CNTHCTL_EL1PCTEN BIT(0) /* the physical counter may be read: it equals the virtual one (CNTVOFF 0) */
/* EL1PCEN 0: the physical timer is not the guest's */
#define CNTHCTL_GUEST CNTHCTL_EL1PCTEN

/* Zero as a whole. HSTR_EL2: AArch32 EL1 only. CNTVOFF_EL2: guests see the board's time, also after they had to wait. HCRX_EL2, HFG*_EL2
 * (where the CPU has them): each feature they open is hidden; the fine-grained traps of accesses that stay native are not wanted. */
#define HSTR_GUEST 0ull
#define HCRX_GUEST 0ull
#define HFG_GUEST 0ull

#define VTCR_GUEST \
	(BIT(31) | 1ull << 6 | 1ull << 8 | 1ull << 10 | 3ull << 12 | 25) /* RES1, SL0 = level 1, WB WB IS walks, T0SZ 25; PS or-ed in */

#endif
