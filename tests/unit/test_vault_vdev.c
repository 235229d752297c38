/* The virtio-mmio transport as the virtual disk uses it: registers, negotiation, queues, reset; and hostile rings get nowhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture_disk.h"

static void test_reset_drops_requests_and_says_when_they_are_gone(void **state)
{
	(void)state;
	uint32_t type = TYPE_IN;
	memset(ram_bytes + 0x8000, 0, 16);
	memcpy(ram_bytes + 0x8000, &type, 4);
	put_desc(0, MVP_GUEST_RAM + 0x8000, 16, 1, 1);
	put_desc(1, MVP_GUEST_RAM + DATA_AT, 0x100000, 3, 2);
	put_desc(2, MVP_GUEST_RAM + 0x8100, 1, 2, 0);
	ram_bytes[0x8100] = 0xee;
	offer(0);
	wr(0x50, 0);
	assert_true(vblk_busy(0));
	wr(0x70, 0);
	assert_int_not_equal(rd(0x70), 0); /* data may still arrive */
	wr(0x70, 0);
	assert_int_not_equal(rd(0x70), 0); /* another reset changes nothing about that */
	for (unsigned k = 0; k < 100; k++)
		interrupt_once();
	assert_false(vblk_busy(0));
	assert_int_equal(rd(0x70), 0);
	assert_int_equal(rd(0x44), 0);
	assert_int_equal(ram_bytes[0x8100], 0xee);
	assert_int_equal(get16(USED_AT + 2), 0);
	assert_int_equal(host_lines[0][16], 0);
}

static void expect_broken(void)
{
	offer(0);
	wr(0x50, 0);
	assert_int_equal(rd(0x70) & STATUS_NEEDS_RESET, STATUS_NEEDS_RESET);
	assert_int_equal(rd(0x60) & INTERRUPT_CONFIG, INTERRUPT_CONFIG);
	assert_int_equal(get16(USED_AT + 2), 0);
	for (unsigned i = 0; i < BLK_SLOTS; i++)
		assert_false(fake[i].busy);
	/* Nothing more is taken until the reset. */
	put_desc(0, MVP_GUEST_RAM + 0x8000, 16, 1, 1);
	put_desc(1, MVP_GUEST_RAM + 0x8100, 1, 2, 0);
	offer(0);
	wr(0x50, 0);
	assert_int_equal(get16(USED_AT + 2), 0);
	plug(&plain_view);
	assert_int_equal(request(TYPE_IN, 0, 512, 0, 0), RESULT_OK);
	plug(&plain_view);
}

static void test_broken_chains_stop_the_device(void **state)
{
	(void)state;
	static const struct {
		uint64_t at;
		uint32_t len;
		uint16_t flags, next;
	} bad[] = {
		{ MVP_GUEST_RAM + DATA_AT, 512, 3, 1 },     /* a loop */
		{ MVP_GUEST_RAM + DATA_AT, 512, 3, QUEUE }, /* next outside the table */
		{ MVP_GUEST_RAM + RAM - 511, 512, 2, 0 },   /* across the end of RAM */
		{ MVP_GUEST_RAM - 1, 512, 2, 0 },           /* before it */
		{ UINT64_MAX - 100, 512, 2, 0 },            /* overflow */
		{ 0x09000000, 4, 2, 0 },                    /* a device */
		{ MVP_GUEST_RAM + DATA_AT, 512, 4, 0 },     /* INDIRECT was not offered */
		{ MVP_GUEST_RAM + DATA_AT, 512, 0, 0 },     /* nowhere to put the result */
	};
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
		put_desc(0, MVP_GUEST_RAM + 0x8000, 16, 1, 1);
		put_desc(1, bad[i].at, bad[i].len, bad[i].flags, bad[i].next);
		expect_broken();
	}
	/* Readable behind writable. */
	put_desc(0, MVP_GUEST_RAM + 0x8000, 16, 3, 1);
	put_desc(1, MVP_GUEST_RAM + 0x8000, 16, 0, 0);
	expect_broken();
	/* Head outside the table. */
	put16(AVAIL_AT + 4, QUEUE);
	put16(AVAIL_AT + 2, ++avail_index);
	wr(0x50, 0);
	assert_int_equal(rd(0x70) & STATUS_NEEDS_RESET, STATUS_NEEDS_RESET);
	plug(&plain_view);
	/* More waiting than the ring holds. */
	put16(AVAIL_AT + 2, QUEUE + 1);
	wr(0x50, 0);
	assert_int_equal(rd(0x70) & STATUS_NEEDS_RESET, STATUS_NEEDS_RESET);
}

static void test_queue_addresses_are_checked(void **state)
{
	(void)state;
	static const struct {
		uint32_t reg;
		uint32_t value;
	} bad[] = {
		{ 0x80, MVP_GUEST_RAM + RAM - 16 },
		{ 0x80, 0 },
		{ 0x80, MVP_GUEST_RAM + 8 },
		{ 0x84, 0xffffffff },
		{ 0x90, MVP_GUEST_RAM + 1 },
		{ 0xa0, 2 },
		{ 0x90, 0x08000000 },
		{ 0xa0, MVP_GUEST_RAM + RAM - 4 },
		{ 0x38, 0 },
		{ 0x38, 129 },
		{ 0x38, 100 },
		{ 0x38, 0x10080 },
	};
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
		plug(&plain_view);
		wr(0x44, 0);
		assert_int_equal(rd(0x44), 0);
		wr(bad[i].reg, bad[i].value);
		wr(0x44, 1);
		assert_int_equal(rd(0x44), 0);
		assert_int_equal(rd(0x70) & STATUS_NEEDS_RESET, STATUS_NEEDS_RESET);
	}
}

static void test_registers_row_by_row(void **state)
{
	(void)state;
	static const struct {
		uint32_t at, value;
	} rows[] = {
		{ 0x000, 0x74726976 }, { 0x004, 2 },          { 0x008, 2 },
		{ 0x00c, 0x0050564d }, { 0x034, 128 },        { 0x070, 15 },
		{ 0x0fc, 0 },          { 0x014, 0 },          { 0x020, 0 },
		{ 0x050, 0 },          { 0x064, 0 },          { 0x080, 0 },
		{ 0x0b0, 0xffffffff }, { 0x208, 0 },          { 0x002, 0 },
		{ 0x100, 2048 },       { 0x114, 512 },        { 0x118, 0x00010000 },
		{ 0x10c, 62 },         { 0x120, 0x00020000 }, { 0x130, ZEROES_SECTORS },
		{ 0x134, RANGES_MAX }, { 0x138, 0 },          { 0x104, 0 },
		{ 0x044, 1 },          { 0x011, 0 },          { 0x1fc, 0 },
	};
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(rd(rows[i].at), rows[i].value);
	wr(0x14, 0);
	assert_int_equal(rd(0x10), 0x5644);
	wr(0x14, 1);
	assert_int_equal(rd(0x10), 1);
	wr(0x14, 2);
	assert_int_equal(rd(0x10), 0);
	wr(0x30, 2);
	assert_int_equal(rd(0x34), 0);
	assert_int_equal(rd(0x44), 0);
	assert_int_equal(vdev_read(0, 0x100, 8), 2048);
	assert_int_equal(vdev_read(0, 0x101, 1), 8);
	assert_int_equal(vdev_read(0, 0x000, 1), 0);
	plug(&secret_view);
	assert_int_equal(rd(0x118), 0x00080003); /* 4096-byte physical blocks */
	assert_int_equal(rd(0x114), 512);
}

static void test_features_are_negotiated(void **state)
{
	(void)state;
	static const struct {
		uint32_t low, high;
		bool ok;
	} sets[] = { { 0, 1, true },           { 0x5644, 1, true },  { 0, 0, false }, { 0x644, 0, false },
		     { 0x10005644, 1, false }, { 0x2644, 1, false }, { 0, 3, false } };
	for (unsigned i = 0; i < ARRAY_LEN(sets); i++) {
		wr(0x70, 0);
		assert_int_equal(rd(0x70), 0);
		wr(0x70, 3);
		wr(0x24, 0);
		wr(0x20, sets[i].low);
		wr(0x24, 1);
		wr(0x20, sets[i].high);
		wr(0x70, 11);
		assert_int_equal(rd(0x70), sets[i].ok ? 11 : 3);
		wr(0x70, 15);
		assert_int_equal(rd(0x70) & STATUS_DRIVER_OK, sets[i].ok ? STATUS_DRIVER_OK : 0);
	}
}

/* A disk that does not answer holds up those who ask it, and nobody else. */
static void test_stuck_disk_holds_up_its_own_requests_only(void **state)
{
	(void)state;
	uint8_t *second = ram_bytes + RAM / 2;
	const struct ram ram = { second, RAM / 2 };
	vblk_plug(&(struct guest){ 1, &config, &plain_view, &ram });
	fake_lets = 0;
	for (unsigned q = 0; q < 2; q++) {
		use_queue(q);
		for (unsigned i = 0; i < 40; i++) {
			put_desc(3 * i, MVP_GUEST_RAM + 0xf000, 16, 1, (uint16_t)(3 * i + 1));
			put_desc(3 * i + 1, MVP_GUEST_RAM + DATA_AT, 512, 3, (uint16_t)(3 * i + 2));
			put_desc(3 * i + 2, MVP_GUEST_RAM + 0xf100, 1, 2, 0);
			offer((uint16_t)(3 * i));
		}
		wr(0x50, q);
	}
	for (unsigned k = 0; k < 10; k++)
		interrupt_once();
	assert_int_equal(disk.share[0].slots, disk.share[0].slots_max);
	assert_int_equal(disk.share[1].slots, 0);
	wr(0x70, 0);
	assert_int_equal(rd(0x70), 15); /* not yet */
	vblk_unplug(0);
	assert_true(vblk_busy(0));
	assert_false(vblk_busy(1));
	unsigned rings = host_doorbells;
	for (unsigned k = 0; k < 10; k++)
		interrupt_once();
	assert_int_equal(host_doorbells, rings); /* nothing spins */
	fake_lets = UINT_MAX;
	interrupt_once();
	assert_false(vblk_busy(0));
	assert_int_equal(rd(0x70), 0);
	assert_int_equal(get16(USED_AT + 2), 0);
}

static void offer_read(uint32_t data_at)
{
	uint32_t header[4] = { TYPE_IN };
	memcpy(ram_bytes + 0xf000, header, sizeof(header));
	put_desc(0, MVP_GUEST_RAM + 0xf000, 16, 1, 1);
	put_desc(1, MVP_GUEST_RAM + data_at, 512, 3, 2);
	put_desc(2, MVP_GUEST_RAM + 0xf100 + queue_at, 1, 2, 0);
	offer(0);
	wr(0x50, queue_at);
}

/* A queue that is taken out of use drops what is its own; the other one goes on, and it may come back. */
static void test_queues_stop_by_themselves(void **state)
{
	(void)state;
	for (unsigned q = 0; q < 2; q++) {
		use_queue(q);
		offer_read(DATA_AT + 0x1000 * q);
	}
	wr(0x30, 1);
	wr(0x44, 0);
	assert_int_equal(rd(0x44), 0);
	interrupt_once();
	assert_int_equal(get16(here(USED_AT) + 2), 0);
	use_queue(0);
	assert_int_equal(get16(here(USED_AT) + 2), 1);
	assert_int_equal(rd(0x70), 15);
	wr(0x64, 1);
	/* A notification for it, or for a queue that never was, is nothing. */
	for (unsigned q = 1; q < 16; q++)
		wr(0x50, q);
	wr(0x50, UINT32_MAX);
	interrupt_once();
	assert_int_equal(host_lines[0][16], 0);
	use_queue(1);
	memset(ram_bytes + here(AVAIL_AT), 0, 4);
	memset(ram_bytes + here(USED_AT), 0, 4);
	avail_index = used_seen = 0;
	wr(0x44, 1);
	assert_int_equal(rd(0x44), 1);
	assert_int_equal(request(TYPE_IN, 0, 512, 0, 0), RESULT_OK);
}

/* The interrupt says that something came back, once for all queues, and is silent where the driver asked for that. */
static void test_one_interrupt_for_all_queues(void **state)
{
	(void)state;
	for (unsigned q = 0; q < 2; q++) {
		use_queue(q);
		offer_read(DATA_AT + 0x1000 * q);
	}
	assert_int_equal(rd(0x60), 0);
	interrupt_once();
	assert_int_equal(rd(0x60), 1);
	assert_int_equal(host_lines[0][16], 1);
	wr(0x64, 2); /* another cause */
	assert_int_equal(host_lines[0][16], 1);
	wr(0x64, 1);
	assert_int_equal(rd(0x60), 0);
	assert_int_equal(host_lines[0][16], 0);
	for (unsigned q = 0; q < 2; q++) {
		use_queue(q);
		put16(here(AVAIL_AT), 1); /* VIRTQ_AVAIL_F_NO_INTERRUPT */
		offer_read(DATA_AT);
	}
	interrupt_once();
	assert_int_equal(get16(here(USED_AT) + 2), 2);
	assert_int_equal(rd(0x60), 0);
	assert_int_equal(host_lines[0][16], 0);
}

/* The personas' kernels take the line by its edge: what an acknowledgement leaves, because it came meanwhile, must make a new one. */
static void test_acknowledging_leaves_an_edge_for_the_rest(void **state)
{
	(void)state;
	use_queue(0);
	offer_read(DATA_AT);
	interrupt_once();
	unsigned edges = host_edges[0][16];
	vblks[0].dev.interrupts |= INTERRUPT_CONFIG; /* as if by another CPU */
	wr(0x64, INTERRUPT_QUEUE);
	assert_int_equal(rd(0x60), INTERRUPT_CONFIG);
	assert_int_equal(host_lines[0][16], 1);
	assert_int_equal(host_edges[0][16], edges + 1);
	wr(0x64, INTERRUPT_CONFIG);
	assert_int_equal(host_lines[0][16], 0);
	assert_int_equal(host_edges[0][16], edges + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_reset_drops_requests_and_says_when_they_are_gone, setup),
		cmocka_unit_test_setup(test_broken_chains_stop_the_device, setup),
		cmocka_unit_test_setup(test_queue_addresses_are_checked, setup),
		cmocka_unit_test_setup(test_registers_row_by_row, setup),
		cmocka_unit_test_setup(test_features_are_negotiated, setup),
		cmocka_unit_test_setup(test_queues_stop_by_themselves, setup),
		cmocka_unit_test_setup(test_one_interrupt_for_all_queues, setup),
		cmocka_unit_test_setup(test_acknowledging_leaves_an_edge_for_the_rest, setup),
		cmocka_unit_test_setup(test_stuck_disk_holds_up_its_own_requests_only, setup),
	};
	return cmocka_run_group_tests_name("vault vdev", tests, NULL, NULL);
}
