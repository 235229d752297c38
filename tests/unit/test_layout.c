/* Physical memory: nothing overlaps, everything is aligned, and what does not fit is blamed on its key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "imagegen/base/diag.h"
#include "imagegen/hyp/board.h"
#include "mvp/machine.h"

static struct board board(uint64_t ram, struct profile_range *reserved, size_t reserved_count)
{
	return (struct board){
		.ram_base = { .v = 0x40000000 },
		.ram_size = { .v = ram },
		.load = { .v = 0x40200000 },
		.ram_reserved = { reserved, reserved_count },
	};
}

static struct manifest manifest(uint64_t personal, uint64_t work)
{
	return (struct manifest){
		.personas = {
			{ .name = "personal", .memory = { .v = personal, .loc = { .file = "m", .line = 7, .col = 3 } } },
			{ .name = "work", .memory = { .v = work, .loc = { .file = "m", .line = 9, .col = 3 } } },
		},
	};
}

static void check(const struct board *b, const struct layout *l)
{
	for (size_t i = 0; i < l->regions_count; i++) {
		const struct layout_region *r = &l->regions[i];
		assert_int_equal(r->pa % MVP_BLOCK_SIZE, 0);
		assert_int_equal(r->size % MVP_BLOCK_SIZE, 0);
		assert_true(r->pa >= l->ram_pa && r->pa + r->size <= l->ram_pa + l->ram_size);
		for (size_t k = 0; k < i; k++)
			assert_true(r->pa + r->size <= l->regions[k].pa || l->regions[k].pa + l->regions[k].size <= r->pa);
		for (size_t k = 0; k < b->ram_reserved.count; k++) {
			const struct profile_range *f = &b->ram_reserved.v[k];
			assert_true(r->pa + r->size <= f->at || f->at + f->len <= r->pa);
		}
	}
}

static void test_all_get_their_memory(void **state)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct board b = board(2 * GIB, NULL, 0);
	struct manifest m = manifest(512 * MIB, 768 * MIB);
	struct layout l;
	(void)state;
	assert_int_equal(layout_plan(&b, &m, &l, d), 0);
	assert_int_equal(l.regions_count, 4);
	assert_string_equal(l.regions[0].name, "core");
	assert_int_equal(l.regions[0].pa, 0x40200000);
	assert_int_equal(l.regions[0].size, 2 * MIB);
	assert_string_equal(l.regions[1].name, "vault");
	assert_int_equal(l.regions[1].size, 16 * MIB);
	assert_string_equal(l.regions[2].name, "personal");
	assert_int_equal(l.regions[2].size, 512 * MIB);
	assert_string_equal(l.regions[3].name, "work");
	assert_int_equal(l.regions[3].size, 768 * MIB);
	check(&b, &l);
}

/* What is mapped for a persona begins behind its bar and shares no block with anything else. */
static void test_screens_are_apart(void **state)
{
	static const struct {
		uint64_t width, height, bar, size;
	} rows[] = { { 480, 960, 32, 10 * MIB }, { 160, 160, 16, 10 * MIB }, { 4096, 4096, 128, 2 * (2 + 64) * MIB + 66 * MIB } };
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct diag *d CLEANUP(diag_freep) = diag_new();
		struct board b = board(2 * GIB, NULL, 0);
		struct manifest m = manifest(512 * MIB, 512 * MIB);
		struct layout l;
		b.display.type.s = (char *)(uintptr_t) "ramfb";
		b.display.width.v = rows[i].width;
		b.display.height.v = rows[i].height;
		b.display.bar.v = rows[i].bar;
		uint64_t stride = board_stride(&b), frame = stride * rows[i].height, bar = stride * rows[i].bar, end = 0;
		assert_int_equal(layout_plan(&b, &m, &l, d), 0);
		check(&b, &l);
		assert_int_equal(l.regions_count, 5);
		assert_string_equal(l.regions[2].name, "screens");
		assert_true(l.screens.pa == l.regions[2].pa && l.screens.size == l.regions[2].size);
		assert_int_equal(l.screens.size, rows[i].size);
		for (size_t k = 0; k < PERSONA_MAX; k++) {
			uint64_t frame_at = l.screens.frame_pa[k] - l.screens.pa;
			assert_int_equal(l.screens.screen_at[k] + bar, frame_at);
			assert_true(l.screens.screen_at[k] >= end);
			assert_int_equal(l.screens.frame_pa[k] % MVP_BLOCK_SIZE, 0);
			assert_int_equal(l.screens.frame_size % MVP_BLOCK_SIZE, 0);
			assert_true(l.screens.frame_size >= frame);
			end = frame_at + l.screens.frame_size;
		}
		assert_true(l.screens.screen_at[PERSONA_MAX] >= end);
		assert_true(l.screens.screen_at[PERSONA_MAX] + bar + frame <= l.screens.size);
	}
}

static void test_screens_that_do_not_fit_are_an_error(void **state)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct board b = board(26 * MIB, NULL, 0);
	struct manifest m = manifest(2 * MIB, 2 * MIB);
	struct layout l;
	(void)state;
	b.display.type.s = (char *)(uintptr_t) "ramfb";
	b.display.width.v = 480;
	b.display.height = (struct mnum){ .v = 960, .loc = { .file = "b", .line = 5, .col = 1 } };
	b.display.bar.v = 32;
	assert_int_equal(layout_plan(&b, &m, &l, d), -1);
	assert_int_equal(diag_errors(d), 1);
	assert_int_equal(diag_get(d, 0)->code, MVP0710);
	assert_int_equal(diag_get(d, 0)->loc.line, 5);
}

static void test_reserved_ranges_are_skipped(void **state)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct profile_range reserved[] = { { .at = 0x48000000, .len = MIB }, { .at = 0x40500000, .len = 4096 } };
	struct board b = board(2 * GIB, reserved, 2);
	struct manifest m = manifest(512 * MIB, 512 * MIB);
	struct layout l;
	(void)state;
	assert_int_equal(layout_plan(&b, &m, &l, d), 0);
	check(&b, &l);
	assert_int_equal(l.regions[2].pa, 0x48200000);
}

/* Exactly full: the last byte of RAM is used; one block more is refused. */
static void test_limit_is_exact(void **state)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct board b = board(GIB, NULL, 0);
	uint64_t rest = GIB - 20 * MIB - 256 * MIB;
	struct manifest m = manifest(256 * MIB, rest), more = manifest(256 * MIB, rest + 2 * MIB);
	struct layout l;
	(void)state;
	assert_int_equal(layout_plan(&b, &m, &l, d), 0);
	check(&b, &l);
	assert_int_equal(layout_plan(&b, &more, &l, d), -1);
	assert_int_equal(diag_errors(d), 1);
	assert_int_equal(diag_get(d, 0)->code, MVP0710);
	assert_int_equal(diag_get(d, 0)->loc.line, 9);
	assert_int_equal(diag_exit_status(d), EXIT_NO_FIT);
	assert_true(diag_get(d, 0)->notes_count >= 4);
}

static void test_absurd_sizes_do_not_fit(void **state)
{
	static const uint64_t sizes[] = { UINT64_MAX - MVP_BLOCK_SIZE + 1, (uint64_t)1 << 63, 4 * GIB };
	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct diag *d CLEANUP(diag_freep) = diag_new();
		struct board b = board(2 * GIB, NULL, 0);
		struct manifest m = manifest(sizes[i], 64 * MIB);
		struct layout l;
		assert_int_equal(layout_plan(&b, &m, &l, d), -1);
		assert_int_equal(diag_get(d, 0)->code, MVP0710);
		assert_int_equal(diag_get(d, 0)->loc.line, 7);
	}
}

static void test_odd_memory_is_refused(void **state)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct board b = board(2 * GIB, NULL, 0);
	struct manifest m = manifest(64 * MIB, 65 * MIB);
	struct layout l;
	(void)state;
	assert_int_equal(layout_plan(&b, &m, &l, d), -1);
	assert_int_equal(diag_get(d, 0)->code, MVP0711);
	assert_int_equal(diag_get(d, 0)->loc.line, 9);
}

/* Firmware on the load address, or over all the rest. */
static void test_reserved_load_address_is_an_error(void **state)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct profile_range on_core = { .at = 0x40300000, .len = 4096 }, behind = { .at = 0x40400000, .len = 2 * GIB - 4 * MIB };
	struct board b = board(2 * GIB, &on_core, 1);
	struct manifest m = manifest(64 * MIB, 64 * MIB);
	struct layout l;
	(void)state;
	assert_int_equal(layout_plan(&b, &m, &l, d), -1);
	b.ram_reserved.v = &behind;
	assert_int_equal(layout_plan(&b, &m, &l, d), -1);
	assert_int_equal(diag_errors(d), 2);
	assert_int_equal(diag_get(d, 0)->code, MVP0710);
	assert_int_equal(diag_get(d, 1)->code, MVP0710);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_get_their_memory),  cmocka_unit_test(test_reserved_ranges_are_skipped),
		cmocka_unit_test(test_limit_is_exact),        cmocka_unit_test(test_absurd_sizes_do_not_fit),
		cmocka_unit_test(test_screens_are_apart),     cmocka_unit_test(test_screens_that_do_not_fit_are_an_error),
		cmocka_unit_test(test_odd_memory_is_refused), cmocka_unit_test(test_reserved_load_address_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
