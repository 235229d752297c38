/* The personas' entropy device: what it gives comes from the generator, no more of it than asked for, and nothing before there is a seed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/fixture_guest.h"

#include "vmm/vault/devices/vrng.c"
#include "vmm/vault/random.c"
#include "vmm/vault/sha256.c"

#define SLOT MVP_SLOT_RNG
#define DATA (guest_ram[0] + GUEST_DATA_AT)

static void plug(unsigned p)
{
	static const struct mvp_vault_persona config = { .name = "one" };
	vrng_plug(&(struct guest){ p, &config, NULL, &(struct ram){ guest_ram[p], GUEST_RAM } });
}

static int setup(void **state)
{
	(void)state;
	const uint8_t seed[RANDOM_SEED_LEN] = { 1, 2, 3 };
	guest_memory();
	random_seed(seed);
	plug(0);
	assert_int_equal(guest_start(0, SLOT, 0, 1), 15);
	return 0;
}

static unsigned nonzero(uint32_t at, uint32_t len)
{
	unsigned n = 0;
	for (uint32_t i = 0; i < len; i++)
		n += DATA[at + i] != 0;
	return n;
}

static void offer(uint32_t at, uint32_t len)
{
	guest_offer(0, SLOT, 0, &(struct piece){ GUEST_DATA_AT + at, len, true }, 1);
}

static void test_nothing_is_given_before_there_is_a_seed(void **state)
{
	(void)state;
	uint16_t head = 0;
	uint32_t len = 0;
	seeded = false;
	offer(0, 64);
	guest_notify(0, SLOT, 0);
	assert_false(guest_used(0, SLOT, 0, &head, &len));
	assert_int_equal(nonzero(0, 64), 0);
	/* The seed of another persona's start answers it. */
	const uint8_t seed[RANDOM_SEED_LEN] = { 9 };
	random_seed(seed);
	plug(1);
	assert_true(guest_used(0, SLOT, 0, &head, &len));
	assert_int_equal(len, 64);
	assert_true(nonzero(0, 64) > 32);
	assert_int_equal(host_lines[0][MVP_GUEST_VIRTIO_SPI + SLOT], 1);
}

static void test_a_chain_gets_what_fits_and_not_more(void **state)
{
	(void)state;
	static const struct {
		uint32_t asked, given;
	} rows[] = { { 0, 0 }, { 1, 1 }, { 31, 31 }, { 33, 33 }, { 256, 256 }, { 257, 256 }, { 0x8000, 256 } };
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		uint16_t head = 0;
		uint32_t len = 0;
		memset(DATA, 0, 0x9000);
		offer(0, rows[i].asked);
		guest_notify(0, SLOT, 0);
		assert_true(guest_used(0, SLOT, 0, &head, &len));
		assert_int_equal(len, rows[i].given);
		assert_true(nonzero(0, rows[i].given) >= rows[i].given * 3 / 4);
		assert_int_equal(nonzero(rows[i].given, 0x8800 - rows[i].given), 0);
	}
}

static void test_it_is_what_the_generator_gives(void **state)
{
	(void)state;
	uint8_t state_before[SHA256_LEN], want[100];
	const struct piece pieces[] = { { GUEST_DATA_AT, 8, false }, { GUEST_DATA_AT + 64, 10, true }, { GUEST_DATA_AT + 200, 90, true } };
	memcpy(state_before, pool, sizeof(pool));
	assert_true(random_bytes(want, sizeof(want)));
	memcpy(pool, state_before, sizeof(pool));
	guest_offer(0, SLOT, 0, pieces, 3);
	guest_notify(0, SLOT, 0);
	assert_int_equal(nonzero(0, 8), 0);
	assert_memory_equal(DATA + 64, want, 10);
	assert_memory_equal(DATA + 200, want + 10, 90);
	assert_memory_not_equal(pool, state_before, sizeof(pool));
}

static void test_a_full_queue_is_answered_and_none_is_like_another(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 16; i++)
		offer(32 * i, 32);
	guest_notify(0, SLOT, 0);
	assert_int_equal(guest_used_count(0, SLOT, 0), 16);
	for (unsigned i = 0; i < 16; i++) {
		for (unsigned k = 0; k < i; k++)
			assert_memory_not_equal(DATA + 32 * i, DATA + 32 * k, 32);
	}
}

static void test_a_broken_chain_stops_the_device(void **state)
{
	(void)state;
	guest_offer(0, SLOT, 0, &(struct piece){ GUEST_RAM - 8, 16, true }, 1);
	guest_notify(0, SLOT, 0);
	assert_int_equal(guest_read(0, SLOT, STATUS_REG), 0x4f);
	offer(0, 16);
	guest_notify(0, SLOT, 0);
	assert_int_equal(guest_used_count(0, SLOT, 0), 0);
	assert_int_equal(guest_start(0, SLOT, 0, 1), 15);
	offer(0, 16);
	guest_notify(0, SLOT, 0);
	assert_int_equal(guest_used_count(0, SLOT, 0), 1);
	vrng_unplug(0);
	offer(0, 16);
	guest_notify(0, SLOT, 0);
	assert_int_equal(guest_used_count(0, SLOT, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_nothing_is_given_before_there_is_a_seed, setup),
		cmocka_unit_test_setup(test_a_chain_gets_what_fits_and_not_more, setup),
		cmocka_unit_test_setup(test_it_is_what_the_generator_gives, setup),
		cmocka_unit_test_setup(test_a_full_queue_is_answered_and_none_is_like_another, setup),
		cmocka_unit_test_setup(test_a_broken_chain_stops_the_device, setup),
	};
	int failed = cmocka_run_group_tests_name("vault entropy device", tests, NULL, NULL);
	for (unsigned p = 0; p < MVP_MAX_PERSONAS; p++)
		free(guest_ram[p]);
	return failed;
}
