/* Exceptions of guests (Arm DDI 0487): what is injected, how an access is answered; and the stage 2 tables, walked as the CPU does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/fake/check.h"
#include "tests/fake/drive.h"

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

/* ---- injection (D1.3.1, D1.3.2) ---- */

static void test_vectors_by_mode(void **state)
{
	(void)state;
	static const struct {
		uint64_t mode, vector, ec_same;
	} cases[] = { { 0x4, 0x000, 1 }, { 0x5, 0x200, 1 }, { 0x0, 0x400, 0 }, { 0x10, 0x600, 0 } };
	struct fake_cpu *c = &fake.cpu[0];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (int instruction = 0; instruction < 2; instruction++) {
			c->r[R_EL1 + EL1_VBAR] = 0xffff000012345800;
			v->regs.pc = MVP_GUEST_KERNEL + 0x40;
			v->regs.pstate = 0x60000000 | cases[i].mode;
			/* a permission fault of stage 2 is nothing that is emulated */
			check_sync(0, ESR(instruction ? EC_IABT : EC_DABT, 0xf), 0xffff800000001234, 0x12340);
			assert_int_equal(v->regs.pc, 0xffff000012345800 + cases[i].vector);
			assert_int_equal(v->regs.pstate & 0x3df, 0x3c5); /* EL1h, DAIF masked */
			assert_int_equal(c->r[R_EL1 + EL1_ELR], MVP_GUEST_KERNEL + 0x40);
			assert_int_equal(c->r[R_EL1 + EL1_SPSR], 0x60000000 | cases[i].mode);
			assert_int_equal(c->r[R_EL1 + EL1_FAR], 0xffff800000001234);
			assert_int_equal(c->r[R_EL1 + EL1_ESR] >> 26, (instruction ? 0x20 : 0x24) + cases[i].ec_same);
			assert_int_equal(c->r[R_EL1 + EL1_ESR] & 0x3f, 0x10); /* external abort */
		}
	}
}

/* PSTATE on an exception to EL1: PAN is set unless SCTLR_EL1.SPAN keeps it; SSBS is SCTLR_EL1.DSSBS; NZCV and DIT stay. */
static void test_pstate_on_injection(void **state)
{
	(void)state;
	struct fake_cpu *c = &fake.cpu[0];

	fake_set(0, "id_aa64mmfr1_el1", 1 << 20); /* PAN */
	c->r[R_EL1] &= ~BIT(23);
	v->regs.pstate = 0x90000005;
	check_sync(0, ESR(EC_DABT, 0xf), 0, 0);
	assert_true(v->regs.pstate & BIT(22));
	assert_int_equal(v->regs.pstate >> 28, 9);
	c->r[R_EL1] |= BIT(23);
	v->regs.pstate = 0x90000005;
	check_sync(0, ESR(EC_DABT, 0xf), 0, 0);
	assert_false(v->regs.pstate & BIT(22));
	v->regs.pstate = 0x90400005;
	check_sync(0, ESR(EC_DABT, 0xf), 0, 0);
	assert_true(v->regs.pstate & BIT(22));
}

static void test_unknown_classes_are_undefined_instructions(void **state)
{
	(void)state;
	static const uint8_t known[] = { 0x01, 0x07, 0x16, 0x17, 0x18, 0x20, 0x24 };

	for (uint64_t ec = 0; ec < 64; ec++) {
		bool skip = false;

		for (size_t i = 0; i < ARRAY_LEN(known); i++)
			skip |= known[i] == ec;
		if (skip)
			continue;
		v->regs.pc = MVP_GUEST_KERNEL;
		v->regs.pstate = 5;
		check_sync(0, ESR(ec, 0x1abcdef), 0, 0);
		assert_int_equal(fake.cpu[0].r[R_EL1 + EL1_ESR], BIT(25));
		assert_int_equal(fake.cpu[0].r[R_EL1 + EL1_ELR], MVP_GUEST_KERNEL);
		assert_ptr_equal(fake.cpu[0].guest, v);
	}
}

/* ---- accesses that the vault answers ---- */

static uint64_t load(uint64_t esr_bits, uint32_t width, uint64_t answer)
{
	v->regs.x[5] = 0xdeadbeefdeadbeef;
	check_sync(0, (drive_dabt_esr(width, false, 5) & ~BIT(15)) | esr_bits, MVP_GUEST_UART & 0xfff, MVP_GUEST_UART >> 12 << 4);
	struct vcpu *vault = fake.cpu[0].guest;
	assert_true(is_vault(vault));
	assert_int_equal(vault->regs.x[0], MVP_EV_IOREQ);
	assert_int_equal(MVP_IOREQ_WIDTH(vault->regs.x[1]), width);
	assert_int_equal(vault->regs.x[2], MVP_GUEST_UART);
	vault->regs.x[0] = MVP_HC_WAIT;
	vault->regs.x[1] = answer;
	vault->regs.x[2] = 0;
	check_sync(0, ESR(EC_HVC, 0), 0, 0);
	assert_ptr_equal(fake.cpu[0].guest, v);
	return v->regs.x[5];
}

static void test_loads_extend_as_their_instruction_says(void **state)
{
	(void)state;
	enum { SSE = 1 << 21, SF = 1 << 15 };

	assert_int_equal(load(0, 1, 0x1234567890abcdef), 0xef);
	assert_int_equal(load(0, 2, 0x1234567890abcdef), 0xcdef);
	assert_int_equal(load(0, 4, 0x1234567890abcdef), 0x90abcdef);
	assert_int_equal(load(SF, 8, 0x1234567890abcdef), 0x1234567890abcdef);
	assert_int_equal(load(SSE | SF, 1, 0x80), 0xffffffffffffff80);
	assert_int_equal(load(SSE, 1, 0x80), 0xffffff80); /* a W register */
	assert_int_equal(load(SSE | SF, 2, 0x8000), 0xffffffffffff8000);
	assert_int_equal(load(SSE, 2, 0x7fff), 0x7fff);
	assert_int_equal(load(SSE | SF, 4, 0x80000000), 0xffffffff80000000);
}

/* The GIC's registers are loaded by the same instructions. */
static void test_gic_loads_extend_too(void **state)
{
	(void)state;
	drive_write(0, MVP_GUEST_GICD + 0x420, 1, 0xf8);
	check_begin();
	uint64_t ipa = MVP_GUEST_GICD + 0x420;
	check_sync(0, drive_dabt_esr(1, false, 5) | BIT(21) | BIT(15), ipa & 0xfff, ipa >> 12 << 4);
	assert_int_equal(v->regs.x[5], 0xfffffffffffffff8);
	assert_int_equal(drive_read(0, ipa, 1), 0xf8);
}

static void test_stores_have_their_width(void **state)
{
	(void)state;
	for (uint32_t width = 1; width <= 8; width *= 2) {
		assert_true(drive_until(v));
		drive_write(0, MVP_GUEST_UART, width, 0x1234567890abcdef);
		assert_true(is_vault(fake.cpu[0].guest));
		assert_int_equal(fake.cpu[0].guest->regs.x[3], 0x1234567890abcdef & (width == 8 ? ~0ull : BIT(8 * width) - 1));
		drive_vaults(0);
	}
	assert_true(drive_until(v));
	check_begin();
	check_sync(0, drive_dabt_esr(4, true, 31), 0, MVP_GUEST_UART >> 12 << 4);
	assert_int_equal(fake.cpu[0].guest->regs.x[3], 0); /* xzr */
}

static void test_what_cannot_be_emulated_aborts_in_the_guest(void **state)
{
	(void)state;
	static const struct {
		uint64_t clear, set, ipa;
	} cases[] = {
		{ BIT(24), 0, MVP_GUEST_UART }, /* no syndrome: pairs, exclusives, SIMD */
		{ 0, BIT(7), MVP_GUEST_UART },  /* a table walk */
		{ 0x3f, 0xf, MVP_GUEST_UART },  /* permission */
		{ 0x3f, 0x21, MVP_GUEST_UART }, /* alignment */
		{ 0, 0, MVP_GUEST_IO_END },     /* nothing there */
		{ 0, 0, MVP_GUEST_IO - 8 },
		{ 0, 0, MVP_GUEST_RAM + 0x04000000 },
		{ 0, 0, MVP_GUEST_GICD + MVP_GUEST_GICD_SIZE },
		{ 0, 0, MVP_GUEST_GICR + 2 * MVP_GUEST_GICR_STRIDE },
		{ 0, 0, MVP_GUEST_UART + 2 }, /* not aligned */
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t esr = (drive_dabt_esr(4, false, 5) & ~cases[i].clear) | cases[i].set;

		v->regs.pc = MVP_GUEST_KERNEL;
		v->regs.pstate = 5;
		check_sync(0, esr, cases[i].ipa & 0xfff, cases[i].ipa >> 12 << 4);
		assert_ptr_equal(fake.cpu[0].guest, v);
		assert_int_equal(fake.cpu[0].r[R_EL1 + EL1_ESR] >> 26, 0x25);
		assert_int_equal(fake.cpu[0].r[R_EL1 + EL1_ELR], MVP_GUEST_KERNEL);
	}
}

static void test_cache_maintenance_outside_memory_is_stepped_over(void **state)
{
	(void)state;
	v->regs.pc = MVP_GUEST_KERNEL;
	check_sync(0, ESR(EC_DABT, BIT(8) | BIT(6) | 6), 0, 0x12340);
	assert_int_equal(v->regs.pc, MVP_GUEST_KERNEL + 4);
}

static void test_serror_is_the_guests_own(void **state)
{
	(void)state;
	fake.cpu[0].r[R_ESR_EL2] = 0xbf000000;
	check_trap(0, FAKE_TRAP_SERROR);
	assert_ptr_equal(fake.cpu[0].guest, v);
	assert_int_equal(fake.cpu[0].r[R_EL1 + EL1_ELR], MVP_GUEST_KERNEL);
}

/* ---- stage 2 ---- */

/* Walks as VTCR_EL2 of the core says: 4 KiB granule, 39 bits, from level 1 (D8.2). The leaf descriptor; 0: fault. */
static uint64_t walk(const struct vm *vm, uint64_t ipa, uint64_t *ret_pa)
{
	const uint64_t *table = (const uint64_t *)(vm->vttbr & 0xfffffffff000);

	if (ipa >> 39)
		return 0;
	for (uint32_t shift = 30;; shift -= 9) {
		uint64_t d = table[ipa >> shift & 511];

		if (!(d & 1))
			return 0;
		if (shift == 12 || !(d & 2)) {
			*ret_pa = (d & 0xfffffffff000 & ~(BIT(shift) - 1)) | (ipa & (BIT(shift) - 1));
			return d;
		}
		table = (const uint64_t *)(d & 0xfffffffff000);
	}
}

static void test_stage_2_gives_a_persona_its_memory_and_nothing_else(void **state)
{
	(void)state;
	assert_int_equal(fake.cpu[0].r[R_VTCR] & 0x3f, 25);  /* T0SZ: 39 bits */
	assert_int_equal(fake.cpu[0].r[R_VTCR] >> 6 & 3, 1); /* SL0: level 1 */
	for (uint32_t i = 0; i < mvp_core_config.personas; i++) {
		const struct mvp_core_persona *c = &mvp_core_config.persona[i];
		uint64_t mapped = 0;

		for (uint64_t ipa = 0; ipa < BIT(39); ipa += ipa >= 4ull << 30 ? BIT(30) : 0x200000) {
			uint64_t pa = 0, d = walk(&vms[i], ipa, &pa);
			bool ram = ipa >= MVP_GUEST_RAM && ipa - MVP_GUEST_RAM < c->ram_size;
			bool frame = !ram && ipa >= MVP_GUEST_RAM && ipa - MVP_GUEST_RAM - c->ram_size < c->frame_size;

			assert_int_equal(d != 0, ram || frame);
			if (!d)
				continue;
			mapped += 0x200000;
			assert_int_equal(pa, frame ? c->frame_pa + ipa - MVP_GUEST_RAM - c->ram_size : c->ram_pa + ipa - MVP_GUEST_RAM);
			assert_int_equal(d & 3, 1);                   /* blocks of 2 MiB */
			assert_int_equal(d >> 2 & 0xf, 0xf);          /* Normal, write-back */
			assert_int_equal(d >> 6 & 3, 3);              /* read, write */
			assert_int_equal(d >> 53 & 3, frame ? 2 : 0); /* RAM can be executed */
		}
		assert_int_equal(mapped, c->ram_size + c->frame_size);
	}
}

static void test_stage_2_of_the_vault(void **state)
{
	(void)state;
	const struct mvp_core_config *c = &mvp_core_config;
	uint64_t pa = 0;

	assert_true(walk(&vms[VM_VAULT], MVP_VAULT_BASE, &pa));
	assert_int_equal(pa, c->vault_pa);
	assert_false(walk(&vms[VM_VAULT], MVP_VAULT_BASE + c->vault_size, &pa));
	for (uint32_t i = 0; i < c->vault_mmio_count; i++) {
		uint64_t d = walk(&vms[VM_VAULT], c->vault_mmio[i].pa, &pa);

		assert_int_equal(pa, c->vault_mmio[i].pa);
		assert_int_equal(d >> 2 & 0xf, 1); /* Device-nGnRE */
		assert_true(d & BIT(54));
		assert_false(walk(&vms[VM_VAULT], c->vault_mmio[i].pa + c->vault_mmio[i].size, &pa));
	}
	for (uint32_t i = 0; i < c->personas; i++) {
		uint64_t d = walk(&vms[VM_VAULT], MVP_VAULT_WINDOW((uint64_t)i), &pa);

		assert_int_equal(pa, c->persona[i].ram_pa);
		assert_true(d & BIT(54)); /* never executed */
		assert_false(walk(&vms[VM_VAULT], MVP_VAULT_WINDOW((uint64_t)i) + c->persona[i].ram_size, &pa));
	}
	assert_true(walk(&vms[VM_VAULT], MVP_VAULT_SCREENS + c->screens_size - 1, &pa) & BIT(54));
	assert_int_equal(pa, c->screens_pa + c->screens_size - 1);
	assert_false(walk(&vms[VM_VAULT], MVP_VAULT_SCREENS + c->screens_size, &pa));
	assert_false(walk(&vms[VM_VAULT], c->gicd_pa, &pa)); /* the GIC is the core's */
	assert_false(walk(&vms[VM_VAULT], c->gicr_pa, &pa));
}

static void test_domains_have_tags_of_their_own(void **state)
{
	(void)state;
	assert_true(vms[0].vttbr >> 48 && vms[1].vttbr >> 48 && vms[VM_VAULT].vttbr >> 48);
	assert_int_not_equal(vms[0].vttbr >> 48, vms[1].vttbr >> 48);
	assert_int_not_equal(vms[0].vttbr >> 48, vms[VM_VAULT].vttbr >> 48);
	assert_int_not_equal(vms[1].vttbr >> 48, vms[VM_VAULT].vttbr >> 48);
}

/* ---- the vault's hypercalls with what they must refuse ---- */

/* A vault that says too early that it is done with an interrupt, again and again, gets it once, and the core is not impressed. */
static void test_an_interrupt_waits_for_the_vault_once(void **state)
{
	(void)state;
	(void)drive_read(0, MVP_GUEST_UART, 4); /* the vault runs on CPU 0 */
	assert_int_equal(drive_hc(0, MVP_HC_IRQ_ENABLE, 33, 1, 0), 0);
	for (unsigned n = 0; n < 2 * MAX_QUEUED_IRQS; n++) {
		fake_spi(33, true);
		fake_run_irqs(0);
		assert_int_equal(drive_hc(0, MVP_HC_IRQ_DONE, 33, 0, 0), 0);
	}
	fake_spi(33, false);
	assert_int_equal(pcpus[0].irq_count, 1);
	assert_int_equal(drive_hc(0, MVP_HC_WAIT, 0, 0, 0), MVP_EV_IRQ);
	assert_int_equal(fake.cpu[0].guest->regs.x[1], 33);
	assert_int_equal(pcpus[0].irq_count, 0);
}

static void test_hypercalls_refuse_what_is_out_of_range(void **state)
{
	(void)state;
	(void)drive_read(0, MVP_GUEST_UART, 4);
	static const struct {
		uint64_t fn, a1, a2, a3;
	} wrong[] = {
		{ MVP_HC_IRQ_LINE, 2, 0, 0 },
		{ MVP_HC_IRQ_LINE, 0, MVP_GUEST_SPIS, 0 },
		{ MVP_HC_IRQ_LINE, 0, 0, 2 },
		{ MVP_HC_IRQ_DONE, 34, 0, 0 },
		{ MVP_HC_IRQ_ENABLE, 34, 1, 0 },
		{ MVP_HC_IRQ_ENABLE, 27, 1, 0 },
		{ MVP_HC_PERSONA_START, 2, MVP_GUEST_RAM, 0 },
		{ MVP_HC_PERSONA_START, 0, MVP_GUEST_RAM + 2, 0 },
		{ MVP_HC_PERSONA_START, 0, MVP_GUEST_RAM - 4, 0 },
		{ MVP_HC_PERSONA_START, 0, MVP_GUEST_RAM + 0x04000000, 0 },
		{ MVP_HC_PERSONA_STOP, 2, 0, 0 },
		{ MVP_HC_PERSONA_SCRUB, 2, 0, 0 },
		{ MVP_HC_PERSONA_SCRUB, 0, 4096, 0 },
		{ MVP_HC_PERSONA_SCRUB, 0, 0x04000000, 0 },
		{ MVP_HC_FOREGROUND, 2, 0, 0 },
		{ MVP_HC_DOORBELL, 2, 0, 0 },
		{ MVP_HC_DOORBELL, MVP_MAX_CPUS, 0, 0 },
		{ MVP_HC(99), 0, 0, 0 },
		{ ~0ull, 0, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_true((int64_t)drive_hc(0, wrong[i].fn, wrong[i].a1, wrong[i].a2, wrong[i].a3) < 0);
	assert_int_equal(drive_hc(0, MVP_HC_PERSONA_START, 0, MVP_GUEST_RAM, 0), (uint64_t)MVP_E_BUSY); /* it runs */
	assert_int_equal(drive_hc(0, MVP_HC_PERSONA_SCRUB, 0, 0, 0), (uint64_t)MVP_E_BUSY);
}

static void test_scrub_zeroes_all_of_a_stopped_persona(void **state)
{
	(void)state;
	(void)drive_read(0, MVP_GUEST_UART, 4);
	while (drive_hc(0, MVP_HC_PERSONA_STOP, 1, 0, 0)) {
		fake_run_irqs(1);
		drive_hc(0, MVP_HC_WAIT, 0, 0, 0);
		drive_vaults(0);
		assert_true(drive_until(v));
		(void)drive_read(0, MVP_GUEST_UART, 4);
	}
	const struct mvp_core_persona *c = &mvp_core_config.persona[1];
	uint64_t at = 0;
	while (at < c->ram_size) {
		uint64_t next = drive_hc(0, MVP_HC_PERSONA_SCRUB, 1, at, 0);

		assert_true(next > at && next - at <= 0x200000);
		assert_int_equal(fake.zeroed_pa, c->ram_pa + at);
		at = next;
	}
	assert_int_equal(at, c->ram_size);
	assert_int_equal(drive_hc(0, MVP_HC_PERSONA_START, 1, MVP_GUEST_KERNEL, 5), 0);
	drive_hc(0, MVP_HC_WAIT, 0, 0, 0);
	assert_true(drive_until(&vms[1].vcpu[0]));
	assert_int_equal(vms[1].vcpu[0].regs.x[0], 5);
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_vectors_by_mode),
		T(test_pstate_on_injection),
		T(test_unknown_classes_are_undefined_instructions),
		T(test_loads_extend_as_their_instruction_says),
		T(test_gic_loads_extend_too),
		T(test_stores_have_their_width),
		T(test_what_cannot_be_emulated_aborts_in_the_guest),
		T(test_cache_maintenance_outside_memory_is_stepped_over),
		T(test_serror_is_the_guests_own),
		T(test_stage_2_gives_a_persona_its_memory_and_nothing_else),
		T(test_stage_2_of_the_vault),
		T(test_domains_have_tags_of_their_own),
		T(test_an_interrupt_waits_for_the_vault_once),
		T(test_hypercalls_refuse_what_is_out_of_range),
		T(test_scrub_zeroes_all_of_a_stopped_persona),
	};

	return cmocka_run_group_tests_name("core_trap", tests, NULL, NULL);
}
