/* System registers as a persona reads and writes them (Arm DDI 0487): the whole table of feature registers on CPUs with everything and with
 * nothing, every encoding there is, and the emulated physical timer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/fake/check.h"
#include "tests/fake/drive.h"

enum { RT = 7 };

static struct vcpu *v;

static int setup(void **state)
{
	(void)state;
	drive_start();
	v = &vms[0].vcpu[0];
	assert_true(drive_until(v));
	check_begin();
	return 0;
}

static bool undefined(uint64_t pc)
{
	const struct fake_cpu *c = &fake.cpu[0];

	if (v->regs.pc == pc + 4)
		return false;
	assert_int_equal(c->r[R_EL1 + EL1_ESR], BIT(25)); /* EC 0, IL */
	assert_int_equal(c->r[R_EL1 + EL1_ELR], pc);
	return true;
}

/* MRS RT; true: it is defined. */
static bool mrs(uint32_t op0, uint32_t op1, uint32_t crn, uint32_t crm, uint32_t op2, uint64_t *ret)
{
	v->regs.pc = MVP_GUEST_KERNEL;
	v->regs.x[RT] = 0xdeadbeef;
	check_sync(0, ESR(EC_SYSREG, SYSREG_ISS(op0, op1, crn, crm, op2, RT, 1)), 0, 0);
	*ret = v->regs.x[RT];
	return !undefined(MVP_GUEST_KERNEL);
}

static bool msr(uint32_t op0, uint32_t op1, uint32_t crn, uint32_t crm, uint32_t op2, uint64_t val)
{
	v->regs.pc = MVP_GUEST_KERNEL;
	v->regs.x[RT] = val;
	check_sync(0, ESR(EC_SYSREG, SYSREG_ISS(op0, op1, crn, crm, op2, RT, 0)), 0, 0);
	return !undefined(MVP_GUEST_KERNEL);
}

static uint64_t id(uint32_t crm, uint32_t op2)
{
	uint64_t val;

	assert_true(mrs(3, 0, 0, crm, op2, &val));
	return val;
}

/* ---- feature registers (D19.2) ---- */

static const char *const id_names[8][8] = {
	[4] = { "id_aa64pfr0_el1", "id_aa64pfr1_el1", NULL, NULL, "id_aa64zfr0_el1", "id_aa64smfr0_el1" },
	[5] = { "id_aa64dfr0_el1", "id_aa64dfr1_el1", NULL, NULL, "id_aa64afr0_el1", "id_aa64afr1_el1" },
	[6] = { "id_aa64isar0_el1", "id_aa64isar1_el1", "id_aa64isar2_el1" },
	[7] = { "id_aa64mmfr0_el1", "id_aa64mmfr1_el1", "id_aa64mmfr2_el1" },
};

/* Every feature register of the CPU, AArch32's included, reads as value. */
static void cpu_has(uint64_t value)
{
	char name[16];

	for (uint32_t crm = 1; crm < 8; crm++) {
		for (uint32_t op2 = 0; op2 < 8; op2++) {
			snprintf(name, sizeof(name), "s3_0_c0_c%u_%u", crm, op2);
			fake_set(0, id_names[crm][op2] ? id_names[crm][op2] : name, value);
		}
	}
}

/* Fields whose feature has state that is not switched, or lets a guest do what is not trapped: never there, on no CPU. */
static const struct hidden {
	uint8_t crm, op2, lsb;
	const char *what;
} hidden[] = {
	{ 4, 0, 8, "EL2" },          { 4, 0, 12, "EL3" },      { 4, 0, 28, "RAS" },        { 4, 0, 32, "SVE" },
	{ 4, 0, 36, "SEL2" },        { 4, 0, 40, "MPAM" },     { 4, 0, 44, "AMU" },        { 4, 0, 52, "RME" },
	{ 4, 1, 8, "MTE" },          { 4, 1, 12, "RAS_frac" }, { 4, 1, 16, "MPAM_frac" },  { 4, 1, 24, "SME" },
	{ 4, 1, 32, "CSV2_frac" },   { 4, 1, 36, "NMI" },      { 4, 1, 40, "MTE_frac" },   { 4, 1, 44, "GCS" },
	{ 4, 1, 48, "THE" },         { 4, 1, 52, "MTEX" },     { 4, 1, 60, "PFAR" },       { 5, 0, 4, "TraceVer" },
	{ 5, 0, 8, "PMUVer" },       { 5, 0, 32, "PMSVer" },   { 5, 0, 36, "DoubleLock" }, { 5, 0, 40, "TraceFilt" },
	{ 5, 0, 44, "TraceBuffer" }, { 5, 0, 48, "MTPMU" },    { 5, 0, 52, "BRBE" },       { 6, 0, 24, "TME" },
	{ 6, 1, 4, "APA" },          { 6, 1, 8, "API" },       { 6, 1, 24, "GPA" },        { 6, 1, 28, "GPI" },
	{ 6, 1, 60, "LS64" },        { 6, 2, 8, "GPA3" },      { 6, 2, 12, "APA3" },       { 6, 2, 16, "MOPS" },
	{ 7, 0, 12, "SNSMem" },      { 7, 0, 56, "FGT" },      { 7, 0, 60, "ECV" },        { 7, 1, 4, "VMIDBits" },
	{ 7, 1, 8, "VH" },           { 7, 1, 16, "LO" },       { 7, 1, 40, "HCX" },        { 7, 2, 24, "NV" },
	{ 7, 2, 40, "FWB" },         { 7, 2, 56, "EVT" },
};

static void test_hidden_features_are_on_no_cpu(void **state)
{
	(void)state;
	for (uint64_t has = 0; has < 16; has++) {
		cpu_has(has * 0x1111111111111111ull);
		for (size_t i = 0; i < ARRAY_LEN(hidden); i++) {
			uint64_t field = id(hidden[i].crm, hidden[i].op2) >> hidden[i].lsb & 0xf;

			if (field)
				fail_msg("%s reads as %u on a CPU whose fields are %u", hidden[i].what, (unsigned)field, (unsigned)has);
		}
	}
}

static void test_registers_without_a_use_are_zero(void **state)
{
	(void)state;
	cpu_has(~0ull);
	for (uint32_t crm = 1; crm < 8; crm++) {
		for (uint32_t op2 = 0; op2 < 8; op2++) {
			bool used = (crm == 4 && op2 < 2) || (crm == 5 && op2 == 0) || (crm == 6 && op2 < 3) || (crm == 7 && op2 < 3);

			if (used)
				continue;
			/* crm 1 to 3: AArch32, which is UNKNOWN or zero where EL0 is AArch64 only */
			assert_int_equal(id(crm, op2), 0);
		}
	}
}

static void test_what_the_machine_fixes(void **state)
{
	(void)state;
	for (uint64_t has = 0; has < 16; has++) {
		cpu_has(has * 0x1111111111111111ull);
		assert_int_equal(id(4, 0) & 0xff, 0x11);   /* EL1 and EL0: AArch64 */
		assert_int_equal(id(4, 0) >> 24 & 0xf, 1); /* GIC system registers, 3.0 */
		assert_true((id(7, 0) & 0xf) <= 1);        /* PARange: 36 bits at most, stage 2 has 39 */
		assert_int_equal(id(5, 0) & 0xf, 6);       /* debug: Armv8.0 */
		assert_int_equal(id(5, 0) >> 12 & 0xf, 1); /* two breakpoints, the least there can be */
		assert_int_equal(id(5, 0) >> 20 & 0xf, 1);
	}
}

/* No field promises more than the CPU has: fields count up from 0, but for those in which 15 is "not there" (D19.1.3). */
static void test_no_field_is_more_than_the_cpu_has(void **state)
{
	(void)state;
	static const struct hidden fixed[] = { { 4, 0, 0, "" },  { 4, 0, 4, "" },  { 4, 0, 24, "" }, { 5, 0, 0, "" },
					       { 5, 0, 12, "" }, { 5, 0, 20, "" }, { 7, 0, 0, "" } };

	for (uint64_t has = 0; has < 16; has++) {
		cpu_has(has * 0x1111111111111111ull);
		for (uint32_t crm = 4; crm < 8; crm++) {
			for (uint32_t op2 = 0; op2 < 8; op2++) {
				uint64_t val = id(crm, op2);

				for (uint8_t lsb = 0; lsb < 64; lsb = (uint8_t)(lsb + 4)) {
					bool is_signed = (crm == 4 && op2 == 0 && (lsb == 16 || lsb == 20)) ||
							 (crm == 7 && op2 == 0 && (lsb == 24 || lsb == 28));
					bool is_fixed = false;
					uint64_t field = val >> lsb & 0xf;

					for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
						is_fixed |= fixed[i].crm == crm && fixed[i].op2 == op2 && fixed[i].lsb == lsb;
					if (is_signed && has == 15)
						assert_int_equal(field, 15);
					else if (!is_fixed)
						assert_true(field <= has);
				}
			}
		}
	}
}

static void test_allowed_features_are_there(void **state)
{
	(void)state;
	cpu_has(0x1111111111111111ull);
	assert_int_equal(id(4, 0) >> 16 & 0xff, 0x11);    /* FP and SIMD with half precision */
	assert_int_equal(id(6, 0) >> 4 & 0xffff, 0x1111); /* AES, SHA1, SHA2, CRC32 */
	assert_int_equal(id(6, 0) >> 20 & 0xf, 1);        /* atomics */
	assert_int_equal(id(7, 1) >> 20 & 0xf, 1);        /* PAN */
	cpu_has(0);
	assert_int_equal(id(7, 0) >> 24 & 0xff, 0); /* 4 KiB and 64 KiB granules, whose 0 is "there" */
	assert_int_equal(id(6, 0), 0);
}

static void test_feature_registers_are_read_only(void **state)
{
	(void)state;
	for (uint32_t crm = 1; crm < 8; crm++)
		for (uint32_t op2 = 0; op2 < 8; op2++)
			assert_false(msr(3, 0, 0, crm, op2, 0));
}

/* ---- hidden features are trapped, too ---- */

static void test_registers_of_hidden_features_are_undefined(void **state)
{
	(void)state;
	static const uint8_t regs[][5] = {
		{ 3, 0, 1, 2, 0 },  /* ZCR_EL1 */ { 3, 0, 1, 2, 6 },        /* SMCR_EL1 */ { 3, 3, 4, 2, 2 },      /* SVCR */
		{ 3, 3, 9, 12, 0 }, /* PMCR_EL0 */ { 3, 3, 9, 13, 0 },      /* PMCCNTR_EL0 */ { 3, 3, 14, 15, 7 }, /* PMCCFILTR_EL0 */
		{ 3, 0, 9, 14, 1 }, /* PMINTENSET_EL1 */ { 3, 0, 9, 9, 0 }, /* PMSCR_EL1 */ { 3, 0, 9, 11, 0 },    /* TRBLIMITR_EL1 */
		{ 3, 0, 5, 3, 0 },  /* ERRIDR_EL1 */ { 3, 0, 5, 4, 0 },     /* ERXFR_EL1 */ { 3, 0, 10, 4, 3 },    /* LORC_EL1 */
		{ 3, 0, 2, 1, 0 },  /* APIAKEYLO_EL1 */ { 3, 0, 2, 3, 1 },  /* APGAKEYHI */ { 3, 3, 13, 2, 0 },    /* AMCR_EL0 */
		{ 2, 1, 0, 1, 0 },  /* TRCPRGCTLR */ { 3, 0, 1, 2, 1 },     /* TRFCR_EL1 */ { 3, 4, 1, 1, 0 },     /* HCR_EL2 */
		{ 3, 1, 15, 0, 0 }, /* implementation defined */
	};

	for (size_t i = 0; i < ARRAY_LEN(regs); i++) {
		uint64_t val;

		assert_false(mrs(regs[i][0], regs[i][1], regs[i][2], regs[i][3], regs[i][4], &val));
		assert_int_equal(val, 0xdeadbeef);
		assert_false(msr(regs[i][0], regs[i][1], regs[i][2], regs[i][3], regs[i][4], ~0ull));
	}
}

/* Hidden registers that no trap covers: what one domain leaves in them the next one does not find. */
static void test_what_no_trap_covers_is_forgotten(void **state)
{
	(void)state;
	static const char *const names[] = { "s3_3_c13_c0_5", "s3_4_c12_c1_1" }; /* TPIDR2_EL0; VDISR_EL2, which EL1 has as DISR_EL1 */

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		fake_set(0, names[i], 0x5ec12e7);
	const struct vcpu *before = fake.cpu[0].guest;
	(void)drive_read(0, MVP_GUEST_UART, 4);
	assert_ptr_not_equal(fake.cpu[0].guest, before);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		assert_int_equal(fake_get(0, names[i]), 0);
}

static void test_debug_registers_read_as_zero(void **state)
{
	(void)state;
	static const uint8_t regs[][5] = {
		{ 2, 0, 0, 2, 2 }, /* MDSCR_EL1 */ { 2, 0, 0, 0, 4 }, /* DBGBVR0_EL1 */ { 2, 0, 0, 1, 7 }, /* DBGWCR1_EL1 */
		{ 2, 0, 1, 1, 4 }, /* OSLSR_EL1 */ { 2, 0, 1, 3, 4 }, /* OSDLR_EL1 */ { 3, 0, 1, 0, 1 },   /* ACTLR_EL1 */
	};

	for (size_t i = 0; i < ARRAY_LEN(regs); i++) {
		uint64_t val;

		assert_true(msr(regs[i][0], regs[i][1], regs[i][2], regs[i][3], regs[i][4], ~0ull));
		assert_true(mrs(regs[i][0], regs[i][1], regs[i][2], regs[i][3], regs[i][4], &val));
		assert_int_equal(val, 0);
	}
}

/* Every encoding there is, as a trap: answered or undefined, and nothing else of the guest changes (check.c). */
static void test_every_encoding_is_answered_or_undefined(void **state)
{
	(void)state;
	uint32_t answered = 0;

	for (uint32_t key = 0; key < 1u << 16; key++) {
		for (int read = 0; read < 2; read++) {
			uint64_t val;
			uint32_t op0 = key >> 14, op1 = key >> 11 & 7, crn = key >> 7 & 0xf, crm = key >> 3 & 0xf, op2 = key & 7;

			answered += read ? mrs(op0, op1, crn, crm, op2, &val) : msr(op0, op1, crn, crm, op2, 0);
			if (fake.cpu[0].guest != v && !drive_until(v))
				fail_msg("encoding 0x%x: its vCPU is gone", key);
		}
	}
	assert_true(answered > 100);
	assert_true(answered < 1u << 14); /* an allow-list, not most of what there is */
}

static void test_xzr_takes_nothing_and_gives_zero(void **state)
{
	(void)state;
	struct regs before = v->regs;

	check_sync(0, ESR(EC_SYSREG, SYSREG_ISS(3, 0, 0, 4, 0, 31, 1)), 0, 0);
	before.pc += 4;
	assert_memory_equal(&v->regs, &before, sizeof(before));
	assert_true(msr(3, 3, 14, 2, 2, 0x1234)); /* CNTP_CVAL */
	check_sync(0, ESR(EC_SYSREG, SYSREG_ISS(3, 3, 14, 2, 2, 31, 0)), 0, 0);
	uint64_t val;
	assert_true(mrs(3, 3, 14, 2, 2, &val));
	assert_int_equal(val, 0);
}

/* ---- the physical timer (D11.2.4) ---- */

enum { TVAL, CTL, CVAL };

static uint64_t cntp(uint32_t op2)
{
	uint64_t val;

	assert_true(mrs(3, 3, 14, 2, op2, &val));
	return val;
}

static void test_physical_timer_counts(void **state)
{
	(void)state;
	assert_true(msr(3, 3, 14, 2, CVAL, fake.time + 5000));
	assert_int_equal(cntp(TVAL), 5000);
	fake.time += 1000;
	assert_int_equal(cntp(TVAL), 4000);
	assert_true(msr(3, 3, 14, 2, TVAL, 0xffffffff80000000ull | 300)); /* 32 bits, signed */
	assert_int_equal(cntp(CVAL), fake.time - 0x80000000ull + 300);
	assert_true(msr(3, 3, 14, 2, TVAL, 300));
	assert_int_equal(cntp(CVAL), fake.time + 300);
	assert_true(msr(3, 3, 14, 2, CTL, ~0ull));
	assert_int_equal(cntp(CTL), 3); /* ENABLE, IMASK; ISTATUS not yet */
	fake.time += 301;
	assert_int_equal(cntp(CTL), 7);
	assert_int_equal(cntp(TVAL), 0xffffffff);
	assert_true(msr(3, 3, 14, 2, CTL, 0));
	assert_int_equal(cntp(CTL), 0); /* ISTATUS is not valid without ENABLE: we say 0 */
}

static void test_physical_timer_interrupts(void **state)
{
	(void)state;
	uint64_t sgi = MVP_GUEST_GICR + 0x10000;

	drive_write(0, MVP_GUEST_GICD, 4, 2);
	drive_write(0, sgi + 0x80, 4, ~0u);
	drive_write(0, sgi + 0x100, 4, 1u << 30);
	fake.cpu[0].r[R_ICH_VMCR] = 0xff4c0002;
	check_begin();
	assert_true(msr(3, 3, 14, 2, CVAL, fake.time + 5000));
	assert_true(msr(3, 3, 14, 2, CTL, 1));
	drive_time(4000);
	assert_true(drive_until(v));
	assert_int_equal(fake_guest_ack(&fake.cpu[0], 1), FAKE_NONE);
	drive_time(2000);
	assert_true(drive_until(v));
	assert_int_equal(fake_guest_ack(&fake.cpu[0], 1), 30);
	/* A level: while it asks it comes again. */
	fake_guest_eoi(&fake.cpu[0], 1, 30);
	fake_run_irqs(0);
	assert_true(drive_until(v));
	assert_int_equal(fake_guest_ack(&fake.cpu[0], 1), 30);
	check_begin();
	assert_true(msr(3, 3, 14, 2, CTL, 0));
	fake_guest_eoi(&fake.cpu[0], 1, 30);
	fake_run_irqs(0);
	assert_true(drive_until(v));
	assert_int_equal(fake_guest_ack(&fake.cpu[0], 1), FAKE_NONE);
}

static void test_physical_timer_wakes_a_sleeper(void **state)
{
	(void)state;
	uint64_t sgi = MVP_GUEST_GICR + 0x10000;

	drive_write(0, MVP_GUEST_GICD, 4, 2);
	drive_write(0, sgi + 0x80, 4, ~0u);
	drive_write(0, sgi + 0x100, 4, 1u << 30);
	check_begin();
	assert_true(msr(3, 3, 14, 2, CVAL, fake.time + 5000));
	assert_true(msr(3, 3, 14, 2, CTL, 1));
	drive_wfi(0);
	assert_int_equal(v->state, VCPU_BLOCKED);
	drive_time(6000);
	assert_int_equal(v->state, VCPU_READY);
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_hidden_features_are_on_no_cpu),
		T(test_registers_without_a_use_are_zero),
		T(test_what_the_machine_fixes),
		T(test_no_field_is_more_than_the_cpu_has),
		T(test_allowed_features_are_there),
		T(test_feature_registers_are_read_only),
		T(test_registers_of_hidden_features_are_undefined),
		T(test_what_no_trap_covers_is_forgotten),
		T(test_debug_registers_read_as_zero),
		T(test_every_encoding_is_answered_or_undefined),
		T(test_xzr_takes_nothing_and_gives_zero),
		T(test_physical_timer_counts),
		T(test_physical_timer_interrupts),
		T(test_physical_timer_wakes_a_sleeper),
	};

	return cmocka_run_group_tests_name("core_sysreg", tests, NULL, NULL);
}
