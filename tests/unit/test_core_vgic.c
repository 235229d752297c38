/* The virtual GICv3 of vmm/core, row by row and rule by rule, with list registers in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../vmm/core/vgic.c"

enum { VCPUS = 2, LRS = 4, SGI_FRAME = 0x10000 };

static struct vgic g;

static uint32_t redist(uint32_t vcpu, uint32_t off)
{
	return vcpu * MVP_GUEST_GICR_STRIDE + SGI_FRAME + off;
}

static int setup(void **state)
{
	(void)state;
	vgic_reset(&g, VCPUS, LRS);
	vgic_dist_write(&g, 0, 4, CTLR_GRP0 | CTLR_GRP1);
	g.kick = 0;
	return 0;
}

/* Makes INTID usable: group 1, enabled, with a priority. */
static void enable(uint32_t vcpu, uint32_t intid, uint8_t priority)
{
	uint32_t word = intid / 32 * 4, bit = 1u << (intid & 31);

	if (intid < 32) {
		vgic_redist_write(&g, redist(vcpu, 0x80), 4, vgic_redist_read(&g, redist(vcpu, 0x80), 4) | bit);
		vgic_redist_write(&g, redist(vcpu, 0x400 + intid), 1, priority);
		vgic_redist_write(&g, redist(vcpu, 0x100), 4, bit);
	} else {
		vgic_dist_write(&g, 0x80 + word, 4, vgic_dist_read(&g, 0x80 + word, 4) | bit);
		vgic_dist_write(&g, 0x400 + intid, 1, priority);
		vgic_dist_write(&g, 0x100 + word, 4, bit);
	}
}

static void set_level(uint32_t intid)
{
	uint32_t off = 0xc00 + intid / 16 * 4;

	vgic_dist_write(&g, off, 4, vgic_dist_read(&g, off, 4) & ~(2ull << (intid % 16 * 2)));
}

static void set_edge(uint32_t intid)
{
	uint32_t off = 0xc00 + intid / 16 * 4;

	vgic_dist_write(&g, off, 4, vgic_dist_read(&g, off, 4) | 2ull << (intid % 16 * 2));
}

/* The list register that holds intid for vcpu, or NULL. */
static uint64_t *lr_of(uint32_t vcpu, uint32_t intid)
{
	for (uint32_t i = 0; i < LRS; i++)
		if ((g.cpu[vcpu].lr_used & (1u << i)) && LR_VINTID(g.cpu[vcpu].lr[i]) == intid)
			return &g.cpu[vcpu].lr[i];
	return NULL;
}

static void sync(uint32_t vcpu)
{
	vgic_fold_locked(&g, vcpu);
	vgic_flush_locked(&g, vcpu);
}

/* The guest takes the interrupt and ends it, as the CPU interface does. */
static void acknowledge(uint32_t vcpu, uint32_t intid)
{
	uint64_t *lr = lr_of(vcpu, intid);

	assert_non_null(lr);
	assert_true(*lr & LR_PENDING);
	*lr = (*lr & ~LR_PENDING) | LR_ACTIVE;
}

static void end(uint32_t vcpu, uint32_t intid)
{
	uint64_t *lr = lr_of(vcpu, intid);

	assert_non_null(lr);
	*lr &= ~LR_ACTIVE;
}

/* ---- registers ---- */

static void test_distributor_reads_as_gicv3(void **state)
{
	(void)state;
	assert_int_equal(vgic_dist_read(&g, 0x0, 4), CTLR_FIXED | CTLR_GRP0 | CTLR_GRP1); /* RWP never set */
	assert_int_equal(vgic_dist_read(&g, 0x4, 4) & 0x1f, MVP_GUEST_SPIS / 32);
	assert_int_equal(vgic_dist_read(&g, 0x4, 4) & BIT(17), 0); /* no LPIs */
	assert_int_equal(vgic_dist_read(&g, 0xffe8, 4) >> 4 & 0xf, 3);
	assert_int_equal(vgic_dist_read(&g, 0x8, 4) != 0, 1);
}

static void test_unknown_offsets_are_raz_wi(void **state)
{
	(void)state;
	for (uint32_t off = 0; off < MVP_GUEST_GICD_SIZE; off += 4) {
		if (row_of(off, 4) || off == 0 || off == 4 || off == 8 || off == 0xffe8)
			continue;
		vgic_dist_write(&g, off, 4, ~0ull);
		assert_int_equal(vgic_dist_read(&g, off, 4), 0);
	}
}

static void test_private_interrupts_are_not_in_the_distributor(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(field_rows); i++) {
		uint32_t off = field_rows[i].first;

		if (field_rows[i].field == F_ROUTER)
			continue;
		vgic_dist_write(&g, off, 4, ~0ull);
		assert_int_equal(vgic_dist_read(&g, off, 4), 0);
	}
	assert_int_equal(g.cpu[0].local.enabled, 0);
}

static void test_every_spi_row_keeps_what_is_written(void **state)
{
	(void)state;
	for (uint32_t k = 0; k < VGIC_SPI_BANKS; k++) {
		uint32_t w = 4 + k * 4;

		vgic_dist_write(&g, 0x080 + w, 4, 0xa5a5a5a5);
		assert_int_equal(vgic_dist_read(&g, 0x080 + w, 4), 0xa5a5a5a5);
		vgic_dist_write(&g, 0x100 + w, 4, 0xff00ff00);
		assert_int_equal(vgic_dist_read(&g, 0x100 + w, 4), 0xff00ff00);
		vgic_dist_write(&g, 0x180 + w, 4, 0x0f000f00);
		assert_int_equal(vgic_dist_read(&g, 0x180 + w, 4), 0xf000f000);
		vgic_dist_write(&g, 0x200 + w, 4, 0x11);
		assert_int_equal(vgic_dist_read(&g, 0x200 + w, 4), 0x11);
		assert_int_equal(vgic_dist_read(&g, 0x280 + w, 4), 0x11);
		vgic_dist_write(&g, 0x280 + w, 4, 0x01);
		assert_int_equal(vgic_dist_read(&g, 0x200 + w, 4), 0x10);
		vgic_dist_write(&g, 0x300 + w, 4, 0x30);
		assert_int_equal(vgic_dist_read(&g, 0x300 + w, 4), 0x30);
		vgic_dist_write(&g, 0x380 + w, 4, 0x10);
		assert_int_equal(vgic_dist_read(&g, 0x380 + w, 4), 0x20);
	}
	assert_int_equal(vgic_dist_read(&g, 0x080 + 4 + VGIC_SPI_BANKS * 4, 4), 0); /* past the last bank */
}

static void test_priority_takes_bytes_and_words_of_five_bits(void **state)
{
	(void)state;
	vgic_dist_write(&g, 0x400 + 32, 4, 0xffa08010);
	assert_int_equal(vgic_dist_read(&g, 0x400 + 32, 4), 0xf8a08010);
	vgic_dist_write(&g, 0x400 + 33, 1, 0x47);
	assert_int_equal(vgic_dist_read(&g, 0x400 + 33, 1), 0x40);
	assert_int_equal(vgic_dist_read(&g, 0x400 + 32, 4), 0xf8a04010);
	assert_int_equal(vgic_dist_read(&g, 0x400 + 33, 4), 0); /* unaligned */
	assert_int_equal(vgic_dist_read(&g, 0x400 + 32, 8), 0); /* too wide */
}

static void test_router_is_64_bits_in_one_or_two_pieces(void **state)
{
	(void)state;
	vgic_dist_write(&g, 0x6000 + 40 * 8, 8, 0x12ff80000001ull);
	assert_int_equal(vgic_dist_read(&g, 0x6000 + 40 * 8, 8), 0xff80000001ull & 0xff80ffffffull);
	vgic_dist_write(&g, 0x6000 + 41 * 8 + 4, 4, 0x7);
	vgic_dist_write(&g, 0x6000 + 41 * 8, 4, 0x80000002);
	assert_int_equal(vgic_dist_read(&g, 0x6000 + 41 * 8, 8), 0x780000002ull);
	assert_int_equal(vgic_dist_read(&g, 0x6000 + 41 * 8 + 4, 4), 7);
	assert_int_equal(vgic_dist_read(&g, 0x6000 + 31 * 8, 8), 0);
}

static void test_redistributor_identifies_its_vcpu(void **state)
{
	(void)state;
	assert_int_equal(vgic_redist_read(&g, 8, 8), 0);
	assert_int_equal(vgic_redist_read(&g, MVP_GUEST_GICR_STRIDE + 8, 8), 1ull << 32 | 1 << 8 | BIT(4)); /* the last one */
	assert_int_equal(vgic_redist_read(&g, MVP_GUEST_GICR_STRIDE + 12, 4), 1);
	assert_int_equal(vgic_redist_read(&g, 0xffe8, 4) >> 4 & 0xf, 3);
	assert_int_equal(vgic_redist_read(&g, VCPUS * MVP_GUEST_GICR_STRIDE + 8, 8), 0); /* past the last one */
}

static void test_waker_follows_processor_sleep(void **state)
{
	(void)state;
	assert_int_equal(vgic_redist_read(&g, 0x14, 4), WAKER_SLEEP | WAKER_ASLEEP);
	vgic_redist_write(&g, 0x14, 4, 0);
	assert_int_equal(vgic_redist_read(&g, 0x14, 4), 0);
}

static void test_private_banks_are_separate(void **state)
{
	(void)state;
	vgic_redist_write(&g, redist(1, 0x100), 4, 0x8000000);
	assert_int_equal(vgic_redist_read(&g, redist(1, 0x100), 4), 0x8000000);
	assert_int_equal(vgic_redist_read(&g, redist(0, 0x100), 4), 0);
}

static void test_sgis_stay_edge_triggered(void **state)
{
	(void)state;
	vgic_redist_write(&g, redist(0, 0xc00), 4, 0);
	assert_int_equal(vgic_redist_read(&g, redist(0, 0xc00), 4), 0xaaaaaaaa);
	vgic_redist_write(&g, redist(0, 0xc04), 4, 0xffffffff);
	assert_int_equal(vgic_redist_read(&g, redist(0, 0xc04), 4), 0xaaaaaaaa); /* odd bits only */
}

/* ---- delivery ---- */

static void test_pending_survives_disable(void **state)
{
	(void)state;
	set_edge(40);
	vgic_spi_line(&g, 8, true);
	sync(0);
	assert_null(lr_of(0, 40));
	enable(0, 40, 0xa0);
	sync(0);
	assert_non_null(lr_of(0, 40));
	vgic_dist_write(&g, 0x184, 4, 1 << 8); /* disabled while it waits in a list register */
	sync(0);
	assert_null(lr_of(0, 40));
	assert_int_equal(vgic_dist_read(&g, 0x204, 4), 1 << 8);
	enable(0, 40, 0xa0);
	sync(0);
	assert_non_null(lr_of(0, 40));
}

static void test_level_interrupt_ends_when_the_line_drops(void **state)
{
	(void)state;
	enable(0, 33, 0xa0);
	set_level(33);
	vgic_spi_line(&g, 1, true);
	sync(0);
	assert_true(*lr_of(0, 33) & LR_EOI);
	vgic_spi_line(&g, 1, false); /* before the guest took it */
	sync(0);
	assert_null(lr_of(0, 33));
}

static void test_level_interrupt_comes_again_while_the_line_is_high(void **state)
{
	(void)state;
	enable(0, 33, 0xa0);
	set_level(33);
	vgic_spi_line(&g, 1, true);
	sync(0);
	acknowledge(0, 33);
	sync(0);
	assert_false(*lr_of(0, 33) & LR_PENDING);
	end(0, 33);
	sync(0);
	assert_true(*lr_of(0, 33) & LR_PENDING);
}

static void test_edge_while_active_makes_pending_and_active(void **state)
{
	(void)state;
	enable(0, 48, 0xa0);
	set_edge(48);
	vgic_spi_line(&g, 16, true);
	sync(0);
	acknowledge(0, 48);
	vgic_spi_line(&g, 16, false);
	vgic_spi_line(&g, 16, true);
	sync(0);
	assert_int_equal(*lr_of(0, 48) >> 62, 3);
	end(0, 48);
	sync(0);
	assert_true(*lr_of(0, 48) & LR_PENDING);
	acknowledge(0, 48);
	end(0, 48);
	sync(0);
	assert_null(lr_of(0, 48));
}

static void test_a_high_line_is_one_edge(void **state)
{
	(void)state;
	enable(0, 48, 0xa0);
	set_edge(48);
	vgic_spi_line(&g, 16, true);
	sync(0);
	acknowledge(0, 48);
	vgic_spi_line(&g, 16, true);
	end(0, 48);
	sync(0);
	assert_null(lr_of(0, 48));
}

static void test_overflow_keeps_the_most_urgent_and_loses_none(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 8; i++) {
		enable(0, 40 + i, (uint8_t)(0xf0 - i * 0x10)); /* later ones are more urgent */
		set_edge(40 + i);
		vgic_spi_line(&g, 8 + i, true);
		sync(0);
	}
	assert_true(g.cpu[0].overflow);
	for (uint32_t i = 4; i < 8; i++)
		assert_non_null(lr_of(0, 40 + i));
	for (int i = 7; i >= 0; i--) { /* taken in order of urgency */
		acknowledge(0, 40 + (uint32_t)i);
		end(0, 40 + (uint32_t)i);
		sync(0);
	}
	assert_int_equal(g.cpu[0].lr_used, 0);
	assert_false(g.cpu[0].overflow);
}

static void test_active_registers_are_not_evicted(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < LRS; i++) {
		enable(0, 40 + i, 0xf0);
		set_edge(40 + i);
		vgic_spi_line(&g, 8 + i, true);
		sync(0);
		acknowledge(0, 40 + i);
	}
	enable(0, 50, 0x00);
	set_edge(50);
	vgic_spi_line(&g, 18, true);
	sync(0);
	assert_null(lr_of(0, 50));
	assert_true(g.cpu[0].overflow);
	end(0, 41);
	sync(0);
	assert_non_null(lr_of(0, 50));
}

static void test_spi_goes_where_it_is_routed(void **state)
{
	(void)state;
	enable(0, 60, 0xa0);
	set_edge(60);
	vgic_dist_write(&g, 0x6000 + 60 * 8, 8, 1);
	g.kick = 0;
	vgic_spi_line(&g, 28, true);
	assert_int_equal(g.kick, 2);
	sync(0);
	assert_null(lr_of(0, 60));
	sync(1);
	assert_non_null(lr_of(1, 60));
}

static void test_routes_to_nowhere_go_to_the_first_vcpu(void **state)
{
	(void)state;
	static const uint64_t routes[] = { 5, 0x100, 0x10000, 1ull << 32, 1ull << 31 };

	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		vgic_dist_write(&g, 0x6000 + 60 * 8, 8, routes[i]);
		assert_int_equal(spi_target(&g, 28), 0);
	}
}

static void test_sgi_reaches_its_targets_only(void **state)
{
	(void)state;
	enable(0, 3, 0xa0);
	enable(1, 3, 0xa0);
	vgic_sgi(&g, 0, 3ull << 24 | 2, true); /* target list: vCPU 1 */
	sync(0);
	sync(1);
	assert_null(lr_of(0, 3));
	assert_non_null(lr_of(1, 3));
	vgic_sgi(&g, 1, 3ull << 24 | BIT(40), true); /* all but self */
	sync(0);
	assert_non_null(lr_of(0, 3));
}

static void test_sgi_with_foreign_affinity_is_dropped(void **state)
{
	(void)state;
	enable(0, 3, 0xa0);
	vgic_sgi(&g, 1, 3ull << 24 | 1 | 1ull << 16, true); /* Aff1 = 1 */
	vgic_sgi(&g, 1, 3ull << 24 | 1 | 1ull << 44, true); /* range 16-31 */
	vgic_sgi(&g, 1, 3ull << 24 | 0xfffc, true);         /* no such vCPUs */
	vgic_sgi(&g, 1, 3ull << 24 | 1, false);             /* group 0 */
	sync(0);
	assert_null(lr_of(0, 3));
}

static void test_group_enable_gates_delivery(void **state)
{
	(void)state;
	enable(0, 3, 0xa0);
	vgic_dist_write(&g, 0, 4, CTLR_GRP0);
	vgic_sgi(&g, 1, 3ull << 24 | 1, true);
	sync(0);
	assert_null(lr_of(0, 3));
	vgic_dist_write(&g, 0, 4, CTLR_GRP1);
	sync(0);
	assert_non_null(lr_of(0, 3));
	assert_true(*lr_of(0, 3) & LR_GROUP1);
}

static void test_timer_is_tied_to_the_physical_interrupt(void **state)
{
	(void)state;
	enable(0, 27, 0x20);
	vgic_vtimer(&g, 0);
	sync(0);
	assert_int_equal(*lr_of(0, 27) >> 61, 3); /* pending, HW; never with the EOI bit, which is part of pINTID then */
	assert_int_equal(*lr_of(0, 27) >> 32 & 0x3ff, 27);
	acknowledge(0, 27);
	end(0, 27);
	sync(0);
	assert_null(lr_of(0, 27));
}

static void test_timer_is_not_lost_by_a_pending_clear(void **state)
{
	(void)state;
	vgic_vtimer(&g, 0);
	vgic_redist_write(&g, redist(0, 0x280), 4, 1u << 27);
	enable(0, 27, 0x20);
	sync(0);
	assert_non_null(lr_of(0, 27));
}

static void test_clearing_the_active_timer_releases_the_physical_one(void **state)
{
	(void)state;
	enable(0, 27, 0x20);
	vgic_vtimer(&g, 0);
	sync(0);
	acknowledge(0, 27);
	vgic_redist_write(&g, redist(0, 0x380), 4, 1u << 27);
	assert_true(g.cpu[0].release_vtimer);
	sync(0);
	assert_null(lr_of(0, 27));
}

static void test_active_by_write_holds_delivery_back(void **state)
{
	(void)state;
	enable(0, 40, 0xa0);
	set_edge(40);
	vgic_dist_write(&g, 0x304, 4, 1 << 8);
	vgic_spi_line(&g, 8, true);
	sync(0);
	assert_null(lr_of(0, 40));
	vgic_dist_write(&g, 0x384, 4, 1 << 8);
	sync(0);
	assert_non_null(lr_of(0, 40));
}

static void test_has_work_sees_what_waits(void **state)
{
	(void)state;
	assert_false(vgic_has_work(&g, 0));
	enable(0, 3, 0xa0);
	vgic_sgi(&g, 1, 3ull << 24 | 1, true);
	assert_true(vgic_has_work(&g, 0));
	sync(0);
	assert_true(vgic_has_work(&g, 0));
	acknowledge(0, 3);
	assert_false(vgic_has_work(&g, 0));
}

static void test_reset_forgets_everything_but_the_lock(void **state)
{
	(void)state;
	enable(0, 40, 0xa0);
	vgic_spi_line(&g, 8, true);
	vgic_reset(&g, VCPUS, LRS);
	assert_false(vgic_has_work(&g, 0));
	assert_int_equal(vgic_dist_read(&g, 0x104, 4), 0);
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_distributor_reads_as_gicv3),
		T(test_unknown_offsets_are_raz_wi),
		T(test_private_interrupts_are_not_in_the_distributor),
		T(test_every_spi_row_keeps_what_is_written),
		T(test_priority_takes_bytes_and_words_of_five_bits),
		T(test_router_is_64_bits_in_one_or_two_pieces),
		T(test_redistributor_identifies_its_vcpu),
		T(test_waker_follows_processor_sleep),
		T(test_private_banks_are_separate),
		T(test_sgis_stay_edge_triggered),
		T(test_pending_survives_disable),
		T(test_level_interrupt_ends_when_the_line_drops),
		T(test_level_interrupt_comes_again_while_the_line_is_high),
		T(test_edge_while_active_makes_pending_and_active),
		T(test_a_high_line_is_one_edge),
		T(test_overflow_keeps_the_most_urgent_and_loses_none),
		T(test_active_registers_are_not_evicted),
		T(test_spi_goes_where_it_is_routed),
		T(test_routes_to_nowhere_go_to_the_first_vcpu),
		T(test_sgi_reaches_its_targets_only),
		T(test_sgi_with_foreign_affinity_is_dropped),
		T(test_group_enable_gates_delivery),
		T(test_timer_is_tied_to_the_physical_interrupt),
		T(test_timer_is_not_lost_by_a_pending_clear),
		T(test_clearing_the_active_timer_releases_the_physical_one),
		T(test_active_by_write_holds_delivery_back),
		T(test_has_work_sees_what_waits),
		T(test_reset_forgets_everything_but_the_lock),
	};

	return cmocka_run_group_tests_name("core_vgic", tests, NULL, NULL);
}
