/* Trapped system registers. Feature registers come from an allow-list over the complete encoding space S3_0_C0_C1..7_0..7: a field that is
 * not listed reads as zero, whatever the CPU has, so a feature nobody has looked at does not exist for guests. */
#include "arch.h"
#include "cpu.h"

#define SYS(op0, op1, crn, crm, op2) ((op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2))
#define FIELD(lsb) (0xfull << (lsb))

/* Fields whose feature needs nothing from us: no state that we would have to switch, no trap that we would have to take. */
#define PFR0_ALLOW (FIELD(16) | FIELD(20) | FIELD(48) | FIELD(56) | FIELD(60)) /* FP, AdvSIMD, DIT, CSV2, CSV3 */
#define PFR0_FIXED (0x1ull | 0x1ull << 4 | 0x1ull << 24)                       /* EL0, EL1: AArch64 only; GICv3 system registers */
#define PFR1_ALLOW (FIELD(0) | FIELD(4))                                       /* BTI, SSBS */
#define DFR0_FIXED (0x6ull | 0x1ull << 12 | 0x1ull << 20) /* Armv8 debug, the least breakpoints and watchpoints there can be; no PMU */
#define ISAR0_ALLOW (~FIELD(24))                          /* instructions; all but transactional memory */
#define ISAR1_ALLOW \
	(FIELD(0) | FIELD(12) | FIELD(16) | FIELD(20) | FIELD(32) | FIELD(36) | FIELD(40) | FIELD(44) | FIELD(48) | \
	 FIELD(52))                        /* DPB, JSCVT, FCMA, LRCPC, FRINTTS, SB, SPECRES, BF16, DGH, I8MM; no pointer authentication */
#define ISAR2_ALLOW (FIELD(4) | FIELD(28)) /* RPRES, CLRBHB */
#define MMFR0_ALLOW (FIELD(4) | FIELD(8) | FIELD(16) | FIELD(20) | FIELD(24) | FIELD(28)) /* ASIDBits, BigEnd, BigEndEL0, granules */
#define MMFR0_PARANGE 1ull                                                                /* 36 bits: inside our 39-bit stage 2 */
#define MMFR1_ALLOW (FIELD(0) | FIELD(12) | FIELD(20) | FIELD(36))                        /* HAFDBS, HPDS, PAN, ETS */
#define MMFR2_ALLOW \
	(FIELD(0) | FIELD(4) | FIELD(20) | FIELD(28) | FIELD(32) | FIELD(48) | FIELD(52) | FIELD(60)) /* CnP UAO CCIDX ST AT TTL BBM E0PD \
												       */

static uint64_t id_register(uint32_t crm, uint32_t op2)
{
	switch (crm << 3 | op2) {
	case 4 << 3 | 0:
		return (sysreg_read(id_aa64pfr0_el1) & PFR0_ALLOW) | PFR0_FIXED;
	case 4 << 3 | 1:
		return sysreg_read(id_aa64pfr1_el1) & PFR1_ALLOW;
	case 5 << 3 | 0:
		return DFR0_FIXED;
	case 6 << 3 | 0:
		return sysreg_read(id_aa64isar0_el1) & ISAR0_ALLOW;
	case 6 << 3 | 1:
		return sysreg_read(id_aa64isar1_el1) & ISAR1_ALLOW;
	case 6 << 3 | 2:
		return sysreg_read(S3_0_C0_C6_2) & ISAR2_ALLOW;
	case 7 << 3 | 0:
		return (sysreg_read(id_aa64mmfr0_el1) & MMFR0_ALLOW) | MMFR0_PARANGE;
	case 7 << 3 | 1:
		return sysreg_read(id_aa64mmfr1_el1) & MMFR1_ALLOW;
	case 7 << 3 | 2:
		return sysreg_read(S3_0_C0_C7_2) & MMFR2_ALLOW;
	default:
		return 0; /* AArch32 (not offered), SVE, SME, debug 1, aux, and what is unallocated today */
	}
}

/* Registers of hidden features that kernels touch without asking: read as zero, writes ignored. */
static bool raz_wi(uint32_t key)
{
	uint32_t op0 = key >> 14, op1 = key >> 11 & 7, crn = key >> 7 & 0xf, crm = key >> 3 & 0xf;

	if (op0 == 2) /* self-hosted debug; op1 1 is trace: undefined */
		return op1 == 0 || op1 == 3;
	if (op0 == 3 && op1 == 0 && crn == 1 && crm == 0) /* ACTLR_EL1 */
		return true;
	if (op0 == 3 && op1 == 3 && crn == 14 && crm == 2) /* CNTP_*: physical timer */
		return true;
	return op0 == 1; /* set/way maintenance: the memory is coherent for its guest, and no guest may flush another's cache */
}

bool sysreg_access(struct vcpu *v, uint32_t iss)
{
	uint32_t op0 = iss >> 20 & 3, op2 = iss >> 17 & 7, op1 = iss >> 14 & 7, crn = iss >> 10 & 0xf, crm = iss >> 1 & 0xf;
	uint32_t rt = iss >> 5 & 0x1f, key = SYS(op0, op1, crn, crm, op2);
	bool read = iss & 1;
	uint64_t val = read || rt == 31 ? 0 : v->regs.x[rt];

	if (op0 == 3 && op1 == 0 && crn == 0 && read) {
		val = id_register(crm, op2);
	} else if (!read && (key == SYS(3, 0, 12, 11, 5) || key == SYS(3, 0, 12, 11, 7))) { /* ICC_SGI1R_EL1, ICC_SGI0R_EL1 */
		if (is_vault(v))
			return false;
		vgic_sgi(&v->vm->gic, v->index, val, key == SYS(3, 0, 12, 11, 5));
		sched_kicked(v->vm);
	} else if (!raz_wi(key)) {
		return false;
	}
	if (read && rt != 31)
		v->regs.x[rt] = val;
	v->regs.pc += 4;
	return true;
}
