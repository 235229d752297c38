/* Trapped system registers. Feature registers come from an allow-list over the complete encoding space S3_0_C0_C1..7_0..7: a field that is
 * not listed reads as zero, and a listed one never as more than what was looked at, whatever the CPU has. */
#include "arch.h"
#include "cpu.h"

#define SYS(op0, op1, crn, crm, op2) ((op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2))
#define ID(crm, op2) ((crm) << 3 | (op2)) /* S3_0_C0_C<crm>_<op2> */

/* Four bits of a feature register (DDI 0487, D19.2). */
struct id_field {
	uint8_t reg, lsb, limit;
};

enum { SIGNED = 0x10, FIXED = 0x20 }; /* 0xf means "not there", and stays; the value is ours, not the CPU's */

/* Features that need nothing from us: no state that we would have to switch, no trap that we would have to take. */
static const struct id_field id_fields[] = {
	/* PFR0: EL0 and EL1 are AArch64 only; FP, AdvSIMD; GICv3 system registers; DIT, CSV2 without SCXTNUM, CSV3 */
	{ ID(4, 0), 0, FIXED | 1 },
	{ ID(4, 0), 4, FIXED | 1 },
	{ ID(4, 0), 16, SIGNED | 1 },
	{ ID(4, 0), 20, SIGNED | 1 },
	{ ID(4, 0), 24, FIXED | 1 },
	{ ID(4, 0), 48, 1 },
	{ ID(4, 0), 56, 1 },
	{ ID(4, 0), 60, 1 },
	/* PFR1: BTI, SSBS */
	{ ID(4, 1), 0, 1 },
	{ ID(4, 1), 4, 2 },
	/* DFR0: Armv8 debug with the least breakpoints and watchpoints there can be; no PMU */
	{ ID(5, 0), 0, FIXED | 6 },
	{ ID(5, 0), 12, FIXED | 1 },
	{ ID(5, 0), 20, FIXED | 1 },
	/* ISAR0: AES SHA1 SHA2 CRC32 Atomic RDM SHA3 SM3 SM4 DP FHM TS TLB RNDR; no transactional memory */
	{ ID(6, 0), 4, 2 },
	{ ID(6, 0), 8, 1 },
	{ ID(6, 0), 12, 2 },
	{ ID(6, 0), 16, 1 },
	{ ID(6, 0), 20, 2 },
	{ ID(6, 0), 28, 1 },
	{ ID(6, 0), 32, 1 },
	{ ID(6, 0), 36, 1 },
	{ ID(6, 0), 40, 1 },
	{ ID(6, 0), 44, 1 },
	{ ID(6, 0), 48, 1 },
	{ ID(6, 0), 52, 2 },
	{ ID(6, 0), 56, 2 },
	{ ID(6, 0), 60, 1 },
	/* ISAR1: DPB JSCVT FCMA LRCPC FRINTTS SB SPECRES BF16 DGH I8MM; no pointer authentication, no 64-byte stores */
	{ ID(6, 1), 0, 2 },
	{ ID(6, 1), 12, 1 },
	{ ID(6, 1), 16, 1 },
	{ ID(6, 1), 20, 2 },
	{ ID(6, 1), 32, 1 },
	{ ID(6, 1), 36, 1 },
	{ ID(6, 1), 40, 1 },
	{ ID(6, 1), 44, 1 },
	{ ID(6, 1), 48, 1 },
	{ ID(6, 1), 52, 1 },
	/* ISAR2: RPRES, CLRBHB */
	{ ID(6, 2), 4, 1 },
	{ ID(6, 2), 28, 1 },
	/* MMFR0: 36 bits of physical address, inside our 39-bit stage 2; ASIDBits BigEnd BigEndEL0, granules without 52 bits */
	{ ID(7, 0), 0, FIXED | 1 },
	{ ID(7, 0), 4, 2 },
	{ ID(7, 0), 8, 1 },
	{ ID(7, 0), 16, 1 },
	{ ID(7, 0), 20, 1 },
	{ ID(7, 0), 24, SIGNED | 0 },
	{ ID(7, 0), 28, SIGNED | 0 },
	/* MMFR1: HAFDBS HPDS PAN ETS */
	{ ID(7, 1), 0, 2 },
	{ ID(7, 1), 12, 2 },
	{ ID(7, 1), 20, 3 },
	{ ID(7, 1), 36, 1 },
	/* MMFR2: CnP UAO CCIDX ST AT TTL BBM E0PD; no nested virtualisation, no 52-bit addresses */
	{ ID(7, 2), 0, 1 },
	{ ID(7, 2), 4, 1 },
	{ ID(7, 2), 20, 1 },
	{ ID(7, 2), 28, 1 },
	{ ID(7, 2), 32, 1 },
	{ ID(7, 2), 48, 1 },
	{ ID(7, 2), 52, 2 },
	{ ID(7, 2), 60, 1 },
};

static uint64_t id_of_cpu(uint32_t reg)
{
	switch (reg) {
	case ID(4, 0):
		return sysreg_read(id_aa64pfr0_el1);
	case ID(4, 1):
		return sysreg_read(id_aa64pfr1_el1);
	case ID(6, 0):
		return sysreg_read(id_aa64isar0_el1);
	case ID(6, 1):
		return sysreg_read(id_aa64isar1_el1);
	case ID(6, 2):
		return sysreg_read(S3_0_C0_C6_2);
	case ID(7, 0):
		return sysreg_read(id_aa64mmfr0_el1);
	case ID(7, 1):
		return sysreg_read(id_aa64mmfr1_el1);
	case ID(7, 2):
		return sysreg_read(S3_0_C0_C7_2);
	default:
		return 0;
	}
}

static uint64_t id_register(uint32_t reg)
{
	uint64_t cpu = id_of_cpu(reg), val = 0;

	for (const struct id_field *f = id_fields; f < id_fields + ARRAY_LEN(id_fields); f++) {
		uint64_t has = cpu >> f->lsb & 0xf, limit = f->limit & 0xf;

		if (f->reg != reg)
			continue;
		if ((f->limit & FIXED) || (has > limit && !((f->limit & SIGNED) && has == 0xf)))
			has = limit;
		val |= has << f->lsb;
	}
	return val;
}

/* ---- the physical timer, which belongs to EL2: emulated (DDI 0487, D11.2.4) ---- */

static uint64_t cntp_access(struct pcpu *p, struct vcpu *v, uint32_t op2, bool read, uint64_t val)
{
	uint64_t t = now();

	if (!read) {
		if (op2 == 1)
			v->cntp_ctl = val & (CNT_ENABLE | CNT_IMASK);
		else
			v->cntp_cval = op2 ? val : t + (uint64_t)(int64_t)(int32_t)val;
		ptimer_update(v);
		sched_arm(p);
		return 0;
	}
	if (op2 == 1)
		return v->cntp_ctl | ((v->cntp_ctl & CNT_ENABLE) && v->cntp_cval <= t ? CNT_ISTATUS : 0);
	return op2 ? v->cntp_cval : (uint32_t)(v->cntp_cval - t);
}

/* ---- set/way cache maintenance ---- */

enum { FLUSH_STEP = 256 * 1024 };

/* Sets and ways of a cache say nothing below a hypervisor. Who uses them wants everything clean: all RAM of the persona is, by address, at
 * the first of a burst of such instructions; those that follow within a millisecond are part of it. Returns whether the instruction is
 * done: it takes bounded steps, and is executed again between them. */
static bool set_way(struct vcpu *v)
{
	uint64_t t = now();

	if (v->flush_at || t - v->flush_done > sysreg_read(cntfrq_el0) / 1024) {
		cache_flush(window_map((paddr_t){ v->vm->ram_pa + v->flush_at }), FLUSH_STEP);
		window_unmap();
		v->flush_at = (v->flush_at + FLUSH_STEP) % v->vm->ram_size;
	}
	v->flush_done = t;
	return !v->flush_at;
}

/* Registers of hidden features that kernels touch without asking: read as zero, writes ignored. */
static bool raz_wi(uint32_t key)
{
	uint32_t op1 = key >> 11 & 7;

	if (key >> 14 == 2) /* self-hosted debug; op1 1 is trace: undefined */
		return op1 == 0 || op1 == 3;
	return key == SYS(3, 0, 1, 0, 1); /* ACTLR_EL1 */
}

bool sysreg_access(struct pcpu *p, struct vcpu *v, uint32_t iss)
{
	/* ISS: op0 21:20, op2 19:17, op1 16:14, CRn 13:10, Rt 9:5, CRm 4:1, read 0 */
	uint32_t key = (iss >> 20 & 3) << 14 | (iss >> 14 & 7) << 11 | (iss >> 10 & 0xf) << 7 | (iss >> 1 & 0xf) << 3 | (iss >> 17 & 7);
	uint32_t rt = iss >> 5 & 0x1f, op2 = key & 7;
	bool read = iss & 1;
	uint64_t val = read || rt == 31 ? 0 : v->regs.x[rt];

	if ((key & ~0x7fu) == SYS(3, 0, 0, 0, 0) && read) {
		val = id_register(key & 0x7f);
	} else if (is_vault(v)) {
		return false;
	} else if ((key & ~7u) == SYS(3, 0, 12, 11, 0) && !read && op2 >= 5) { /* ICC_SGI1R, ICC_ASGI1R, ICC_SGI0R */
		vgic_sgi(&v->vm->gic, v->index, val, op2 == 5);
		sched_kicked(v->vm);
	} else if (key == SYS(3, 0, 12, 11, 1) && !read) { /* ICC_DIR */
		vgic_save(v);
		vgic_deactivate(&v->vm->gic, v->index, (uint32_t)val & 0xffffff);
		sched_kicked(v->vm);
	} else if ((key & ~7u) == SYS(3, 3, 14, 2, 0) && op2 <= 2) {
		val = cntp_access(p, v, op2, read, val);
	} else if ((key & ~(0xfu << 3)) == SYS(1, 0, 7, 0, 2)) {
		if (!set_way(v))
			return true;
	} else if (!raz_wi(key)) {
		return false;
	}
	if (read && rt != 31)
		v->regs.x[rt] = val;
	v->regs.pc += 4;
	return true;
}
