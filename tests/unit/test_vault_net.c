/* The personas' network: who may send what, who gets what, and that neither the other persona nor the wire can take more than its part. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/fixture_net.h"

#define SLOT MVP_SLOT_NET
#define NOBODY 0
#define BUFFER 2048u

static const uint8_t nic_mac[6] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 }, outside[6] = { 0x52, 0x55, 0x0a, 0, 2, 2 },
		     everybody[6] = { 255, 255, 255, 255, 255, 255 }, group[6] = { 0x01, 0, 0x5e, 0, 0, 1 };
static uint8_t macs[2][6];

static int setup(void **state)
{
	(void)state;
	guest_memory();
	host_config = (struct mvp_vault_config){ .personas = 2,
						 .persona = { { .name = "personal", .network = 1 }, { .name = "work", .network = 1 } } };
	host_time = 1000000;
	nic.there = true;
	nic.features = NIC_FEATURES;
	nic.queue_max = 256;
	memcpy(nic.config, nic_mac, 6);
	nic.config[6] = 1;
	nic.config[7] = 0;
	return 0;
}

static void begin_all(void)
{
	net_begin_all();
	for (unsigned p = 0; p < 2; p++) {
		assert_int_equal(guest_start(p, SLOT, (uint32_t)NIC_FEATURES, 2), 15);
		for (unsigned i = 0; i < 6; i++)
			macs[p][i] = (uint8_t)vdev_read(p, SLOT * MVP_GUEST_VIRTIO_STRIDE + 0x100 + i, 1);
	}
}

static size_t make(uint8_t *frame, const uint8_t *to, const uint8_t *from, size_t len, unsigned mark)
{
	for (size_t i = 12; i < len; i++)
		frame[i] = (uint8_t)(i * 7 + mark);
	memcpy(frame, to, 6);
	memcpy(frame + 6, from, 6);
	if (len >= 18)
		memcpy(frame + 14, &mark, 4);
	return len;
}

static unsigned mark_of(const uint8_t *frame)
{
	return get_le32(frame + 14);
}

/* A frame of a persona, cut into header, Ethernet header and the rest, not yet announced. */
static void offer_frame(unsigned p, const uint8_t *frame, size_t len, uint8_t flags, uint8_t gso)
{
	static uint32_t n;
	uint32_t at = GUEST_DATA_AT + n++ % RING_MAX * BUFFER;
	uint8_t *ram = guest_ram[p] + at;
	memset(ram, 0, HEADER_LEN);
	ram[0] = flags;
	ram[1] = gso;
	memcpy(ram + HEADER_LEN, frame, len);
	uint32_t cut = HEADER_LEN + (len > 14 ? 14 : 0);
	const struct piece pieces[] = { { at, cut, false }, { at + cut, HEADER_LEN + (uint32_t)len - cut, false } };
	guest_offer(p, SLOT, TX, pieces, pieces[1].len ? 2 : 1);
}

static void send_frame(unsigned p, const uint8_t *to, const uint8_t *from, size_t len, unsigned mark)
{
	uint8_t frame[NET_FRAME_MAX + 1];
	make(frame, to, from, len, mark);
	offer_frame(p, frame, len, 0, 0);
	guest_notify(p, SLOT, TX);
}

static void give_buffers(unsigned p, unsigned count, uint32_t len)
{
	static uint32_t n;
	for (; count; count--) {
		uint32_t at = GUEST_DATA_AT + 0x80000 + n++ % 64 * BUFFER;
		guest_offer(p, SLOT, RX, &(struct piece){ at, len, true }, 1);
	}
	guest_notify(p, SLOT, RX);
}

/* The next frame that a persona got, with its header checked; its length or 0. */
static size_t got_frame(unsigned p, uint8_t *frame)
{
	uint16_t head;
	uint32_t len;
	static const uint8_t header[HEADER_LEN] = { [10] = 1 };
	if (!guest_used(p, SLOT, RX, &head, &len))
		return 0;
	const uint8_t *at = guest_ram[p] + (get_le64(guest_queue_at(p, SLOT, RX) + 16u * head) - MVP_GUEST_RAM);
	assert_true(len > HEADER_LEN);
	assert_memory_equal(at, header, HEADER_LEN);
	memcpy(frame, at + HEADER_LEN, len - HEADER_LEN);
	return len - HEADER_LEN;
}

static void test_addresses_derive_from_the_device(void **state)
{
	(void)state;
	static const uint8_t rows[][6] = {
		{ 0x52, 0x54, 0, 0x12, 0x34, 0x56 },
		{ 0, 1, 2, 3, 4, 5 },
		{ 0xfe, 255, 255, 255, 255, 255 },
		{ 0, 0, 0, 0, 0, 0 },
		{ 1, 2, 3, 4, 5, 6 },
	};
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		memcpy(nic.config, rows[i], 6);
		begin_all();
		for (unsigned p = 0; p < 2; p++) {
			assert_int_equal(macs[p][0] & 3, 2);
			assert_memory_not_equal(macs[p], rows[i], 6);
			if (i < 3)
				assert_memory_equal(macs[p] + 1, rows[i] + 1, 5);
		}
		assert_memory_not_equal(macs[0], macs[1], 6);
		uint8_t before[2][6];
		memcpy(before, macs, sizeof(macs));
		begin_all();
		assert_memory_equal(before, macs, sizeof(macs));
	}
}

static void test_frames_go_out_as_they_are(void **state)
{
	(void)state;
	static const size_t lens[] = { 14, 15, 18, 60, 590, 1513, 1514 };
	begin_all();
	give_buffers(1, 16, BUFFER);
	for (unsigned i = 0; i < ARRAY_LEN(lens); i++) {
		uint8_t frame[NET_FRAME_MAX];
		const uint8_t *to[] = { outside, macs[1], everybody };
		make(frame, to[i % 3], macs[0], lens[i], i);
		send_frame(0, to[i % 3], macs[0], lens[i], i);
		assert_int_equal(nic_send(10), 1);
		assert_int_equal(nic.sent[i].len, lens[i]);
		assert_memory_equal(nic.sent[i].frame, frame, lens[i]);
		assert_int_equal(guest_used_count(0, SLOT, TX), 1);
		nic_interrupt();
	}
	/* The other persona saw none of it, not even what was for it or for all. */
	assert_int_equal(guest_used_count(1, SLOT, RX), 0);
	assert_int_equal(net.port[0].count.sent, ARRAY_LEN(lens));
}

static void test_what_may_not_be_sent_is_dropped_and_counted(void **state)
{
	(void)state;
	begin_all();
	static const struct {
		size_t len;
		uint8_t flags, gso;
		bool own, goes;
		unsigned malformed, forged;
	} rows[] = {
		{ 60, 0, 0, true, true, 0, 0 },  { 60, 0, 0, false, false, 0, 1 },  { 13, 0, 0, true, false, 1, 1 },
		{ 0, 0, 0, true, false, 2, 1 },  { 1515, 0, 0, true, false, 3, 1 }, { 60, 1, 0, true, false, 4, 1 },
		{ 60, 0, 1, true, false, 5, 1 }, { 60, 0x82, 0, true, true, 5, 1 },
	};
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t frame[NET_FRAME_MAX + 1];
		make(frame, outside, rows[i].own ? macs[0] : macs[1], rows[i].len, 0);
		offer_frame(0, frame, rows[i].len, rows[i].flags, rows[i].gso);
		guest_notify(0, SLOT, TX);
		assert_int_equal(nic_send(10), rows[i].goes);
		assert_int_equal(guest_used_count(0, SLOT, TX), 1);
		assert_int_equal(net.port[0].count.malformed, rows[i].malformed);
		assert_int_equal(net.port[0].count.forged, rows[i].forged);
		nic_interrupt();
	}
	/* A chain without room for the header, and one with nothing. */
	guest_offer(0, SLOT, TX, &(struct piece){ GUEST_DATA_AT, 11, false }, 1);
	guest_offer(0, SLOT, TX, &(struct piece){ GUEST_DATA_AT, 100, true }, 1);
	guest_notify(0, SLOT, TX);
	assert_int_equal(guest_used_count(0, SLOT, TX), 2);
	assert_int_equal(nic_send(10), 0);
	nic_interrupt();
	assert_int_equal(net.used, 0);
	assert_int_equal(net.port[0].slots, 0);
}

static void test_frames_come_to_whom_they_are_for(void **state)
{
	(void)state;
	begin_all();
	const struct {
		const uint8_t *to, *from;
		unsigned who; /* bit map */
	} rows[] = {
		{ macs[0], outside, 1 },      { macs[1], outside, 2 },      { everybody, outside, 3 },    { group, outside, 3 },
		{ nic_mac, outside, NOBODY }, { outside, outside, NOBODY }, { macs[0], macs[1], NOBODY }, { everybody, macs[0], NOBODY },
		{ macs[1], macs[1], NOBODY }, { group, macs[1], NOBODY },   { macs[0], nic_mac, 1 },
	};
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t frame[NET_FRAME_MAX], got[NET_FRAME_MAX];
		size_t len = make(frame, rows[i].to, rows[i].from, i ? 60 + i : NET_FRAME_MAX, i);
		give_buffers(0, 1, BUFFER);
		give_buffers(1, 1, HEADER_LEN + NET_FRAME_MAX);
		assert_true(nic_wire(frame, len));
		nic_interrupt();
		for (unsigned p = 0; p < 2; p++) {
			bool mine = rows[i].who >> p & 1;
			assert_int_equal(got_frame(p, got), mine ? len : 0);
			if (mine)
				assert_memory_equal(got, frame, len);
		}
	}
	assert_int_equal(host_lines[0][MVP_GUEST_VIRTIO_SPI + SLOT], 1);
	/* A persona without a network has no device and gets nothing. */
	host_config.persona[1].network = 0;
	net_begin_all();
	memset(vdevs[1], 0, sizeof(vdevs[1]));
	assert_int_equal(guest_read(1, SLOT, 8), 0);
	assert_false(net.port[1].on);
}

static void test_a_persona_without_buffers_holds_nobody_up(void **state)
{
	(void)state;
	uint8_t frame[60], got[NET_FRAME_MAX];
	begin_all();
	give_buffers(1, 20, BUFFER);
	for (unsigned i = 0; i < 20; i++) {
		make(frame, everybody, outside, sizeof(frame), i);
		assert_true(nic_wire(frame, sizeof(frame)));
		nic_interrupt();
	}
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(got_frame(1, got), sizeof(frame));
		assert_int_equal(mark_of(got), i);
	}
	assert_int_equal(net.port[0].count.unwanted, 20);
	/* One whose buffers are too small gets them back empty. */
	give_buffers(0, 1, HEADER_LEN + 59);
	make(frame, macs[0], outside, sizeof(frame), 0);
	nic_wire(frame, sizeof(frame));
	nic_interrupt();
	uint16_t head;
	uint32_t len;
	assert_true(guest_used(0, SLOT, RX, &head, &len));
	assert_int_equal(len, 0);
	assert_int_equal(net.port[0].count.unwanted, 21);
}

static void test_sending_slots_are_shared(void **state)
{
	(void)state;
	uint8_t frame[64];
	begin_all();
	for (unsigned i = 0; i < 60; i++) {
		make(frame, outside, macs[0], sizeof(frame), i);
		offer_frame(0, frame, sizeof(frame), 0, 0);
	}
	guest_notify(0, SLOT, TX);
	assert_int_equal(nic.queue[QUEUE_TX].offered_count, NIC_SLOTS / 2);
	assert_true(nic_interrupts(QUEUE_TX)); /* it waits to hear */
	assert_true(nic.queue[QUEUE_TX].notified > 0);
	/* The other persona's frames go although the first one's do not end. */
	for (unsigned i = 0; i < NIC_SLOTS / 2; i++)
		send_frame(1, outside, macs[1], 64, 1000 + i);
	assert_int_equal(guest_used_count(1, SLOT, TX), NIC_SLOTS / 2);
	unsigned next[2] = { 0, 1000 };
	for (unsigned round = 0; round < 100 && nic_send(5); round++)
		nic_interrupt();
	for (unsigned i = 0; i < nic.sent_count; i++) {
		unsigned p = !memcmp(nic.sent[i].frame + 6, macs[1], 6);
		assert_int_equal(mark_of(nic.sent[i].frame), next[p]++);
	}
	assert_int_equal(next[0], 60);
	assert_int_equal(next[1], 1000 + NIC_SLOTS / 2);
	assert_int_equal(net.used, 0);
	assert_false(nic_interrupts(QUEUE_TX)); /* nobody waits */
}

static void test_a_device_that_never_sends_is_no_trap(void **state)
{
	(void)state;
	begin_all();
	for (unsigned i = 0; i < 300; i++) {
		if (i < 40)
			send_frame(0, outside, macs[0], 100, i);
		guest_notify(0, SLOT, TX);
		nic_interrupt();
	}
	assert_int_equal(nic.queue[QUEUE_TX].offered_count, NIC_SLOTS / 2);
	/* Its persona begins again; what the device has is still counted as its. */
	vnet_unplug(0);
	begin_all();
	send_frame(1, outside, macs[1], 100, 0);
	assert_int_equal(nic_send(1), 1);
}

static bool is_clean(const uint8_t *at, size_t len)
{
	uint8_t any = 0;
	for (size_t i = 0; i < len; i++)
		any |= at[i];
	return !any;
}

static unsigned dirty_slots(void)
{
	unsigned dirty = 0;
	for (unsigned i = 0; i < NIC_SLOTS; i++)
		dirty += !is_clean(tx_buffer[i], sizeof(tx_buffer[i]));
	return dirty;
}

/* What was received is gone at once; what was sent once the persona is forgotten, or, of what the device has yet, once it has sent that. */
static void test_nothing_stays_of_a_persona(void **state)
{
	(void)state;
	uint8_t frame[NET_FRAME_MAX];
	begin_all();
	memset(tx_buffer, 0, sizeof(tx_buffer)); /* of other tests */
	memset(rx_buffer, 0, sizeof(rx_buffer));
	give_buffers(1, 4, BUFFER);
	for (unsigned i = 0; i < 4; i++) {
		make(frame, macs[1], outside, 1000, i);
		assert_true(nic_wire(frame, 1000));
	}
	assert_false(is_clean(rx_buffer[0], sizeof(rx_buffer)));
	nic_interrupt();
	assert_int_equal(guest_used_count(1, SLOT, RX), 4);
	assert_true(is_clean(rx_buffer[0], sizeof(rx_buffer)));
	for (unsigned i = 0; i < 6; i++)
		send_frame(1, outside, macs[1], 1000, i);
	send_frame(0, outside, macs[0], 900, 7);
	assert_int_equal(nic_send(3), 3);
	assert_int_equal(dirty_slots(), 7);
	net_forget(1);
	assert_int_equal(__builtin_popcountll(net.stale), 3);
	assert_int_equal(dirty_slots(), 4);
	/* They go out as they were, and leave nothing; that of the other one is its own. */
	assert_int_equal(nic_send(10), 4);
	for (unsigned i = 0; i < 6; i++) {
		make(frame, outside, macs[1], 1000, i);
		assert_memory_equal(nic.sent[i].frame, frame, 1000);
	}
	assert_true(nic_interrupts(QUEUE_TX));
	nic_interrupt();
	assert_int_equal(dirty_slots(), 1);
	assert_int_equal(net.stale, 0);
}

/* Bytes sent in some seconds by a persona that always has more. */
static uint64_t sent_in(uint64_t rate, unsigned seconds, size_t len)
{
	uint8_t frame[NET_FRAME_MAX];
	uint64_t bytes = 0, end = host_time + seconds * 1000000ull;
	host_config.persona[0].net_rate = rate;
	begin_all();
	while (host_time < end) {
		while ((uint16_t)(guest_queue[0][SLOT][TX].avail - get_le16(guest_queue_at(0, SLOT, TX) + 0xa02)) < 40) {
			make(frame, outside, macs[0], len, 0);
			offer_frame(0, frame, len, 0, 0);
		}
		guest_notify(0, SLOT, TX);
		while (nic_send(1))
			bytes += len;
		nic_interrupt();
		uint64_t step = host_time + 500;
		host_time = armed[0] && armed[0] < step && armed[0] > host_time ? armed[0] : step;
		if (armed[0] && host_time >= armed[0]) {
			timer_fired();
			net_tick();
		}
	}
	return bytes;
}

static void test_rates_hold_and_are_reached(void **state)
{
	(void)state;
	static const struct {
		uint64_t rate;
		size_t len;
	} rows[] = { { 1000, 60 }, { 125000, 1514 }, { 125000, 60 }, { 1250000, 1514 }, { 12500000, 1514 }, { 10000, 1514 } };
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t bytes = sent_in(rows[i].rate, 5, rows[i].len), burst = rows[i].rate / TX_PARTS;
		if (burst < TX_BURST_MIN)
			burst = TX_BURST_MIN;
		assert_true(bytes <= rows[i].rate * 5 + burst + NET_FRAME_MAX);
		assert_true(bytes >= rows[i].rate * 4);
	}
	/* The first of these sends as much as the device can take. */
	assert_true(sent_in(0, 1, 1514) > 100 * 1250000ull / 2);
}

static void test_a_rate_limits_what_comes_in(void **state)
{
	(void)state;
	uint8_t frame[1000], got[NET_FRAME_MAX];
	uint64_t bytes = 0;
	host_config.persona[0].net_rate = 100000;
	begin_all();
	for (unsigned i = 0; i < 10000; i++, host_time += 1000) {
		give_buffers(0, 1, BUFFER);
		give_buffers(1, 1, BUFFER);
		make(frame, everybody, outside, sizeof(frame), i);
		nic_wire(frame, sizeof(frame));
		nic_interrupt();
		while (got_frame(0, got))
			bytes += sizeof(frame);
		assert_int_equal(got_frame(1, got), sizeof(frame)); /* which has no limit */
		if (guest_queue[0][SLOT][RX].avail - guest_queue[0][SLOT][RX].used > 60)
			guest_start(0, SLOT, (uint32_t)NIC_FEATURES, 2);
	}
	assert_true(bytes >= 990000 && bytes <= 1000000 + RX_BURST_MIN + 1000);
	assert_int_equal(net.port[0].count.limited, 10000 - bytes / 1000);
}

static void test_a_flood_is_taken_in_batches_with_pauses(void **state)
{
	(void)state;
	uint8_t frame[60], got[NET_FRAME_MAX];
	begin_all();
	give_buffers(0, 64, BUFFER);
	for (unsigned i = 0; i < 50; i++) {
		make(frame, macs[0], outside, sizeof(frame), i);
		assert_true(nic_wire(frame, sizeof(frame)));
	}
	nic_interrupt();
	assert_int_equal(net.port[0].count.received, RX_BATCH);
	assert_false(nic_interrupts(QUEUE_RX));
	assert_int_equal(host_timer, host_time + RX_PAUSE_US);
	/* Until then nothing makes it go on. */
	nic_interrupt();
	net_tick();
	assert_int_equal(net.port[0].count.received, RX_BATCH);
	host_time += RX_PAUSE_US;
	timer_fired();
	net_tick();
	assert_int_equal(net.port[0].count.received, 50);
	assert_true(nic_interrupts(QUEUE_RX));
	for (unsigned i = 0; i < 50; i++) {
		assert_int_equal(got_frame(0, got), sizeof(frame));
		assert_int_equal(mark_of(got), i);
	}
	assert_int_equal(nic.queue[QUEUE_RX].offered_count, NIC_SLOTS);
}

static void test_link_is_what_the_device_says(void **state)
{
	(void)state;
	begin_all();
	assert_int_equal(vdev_read(0, SLOT * MVP_GUEST_VIRTIO_STRIDE + 0x106, 2), 1);
	nic.config[6] = 0;
	nic_interrupt();
	assert_int_equal(vdev_read(0, SLOT * MVP_GUEST_VIRTIO_STRIDE + 0x106, 2), 0);
	assert_int_equal(guest_read(0, SLOT, 0x60), 2);
	assert_int_equal(guest_read(1, SLOT, 0x60), 2);
	guest_write(0, SLOT, 0x64, 2);
	nic_interrupt();
	assert_int_equal(guest_read(0, SLOT, 0x60), 0); /* no news */
	nic.config[6] = 1;
	nic_interrupt();
	assert_int_equal(guest_read(0, SLOT, 0x60), 2);
	assert_int_equal(vdev_read(0, SLOT * MVP_GUEST_VIRTIO_STRIDE + 0x106, 2), 1);
}

static void test_a_board_without_a_network_says_so_once(void **state)
{
	(void)state;
	nic.there = false;
	begin_all();
	assert_int_equal(nic_lines, 1);
	assert_int_equal(vdev_read(0, SLOT * MVP_GUEST_VIRTIO_STRIDE + 0x106, 2), 0);
	for (unsigned i = 0; i < 200; i++)
		send_frame(0, outside, macs[0], 1514, i);
	assert_int_equal(guest_used_count(0, SLOT, TX), 200); /* gone, not stuck */
	assert_false(net_irq(NIC_INTID));
	net_tick();
	/* If nobody is to have a network the device is left alone. */
	nic.there = true;
	host_config.persona[0].network = host_config.persona[1].network = 0;
	net_begin_all();
	assert_int_equal(nic_lines, 0);
	assert_null(nic.queue[0].vq);
}

static void test_a_device_that_lies_breaks_nothing(void **state)
{
	(void)state;
	static const struct {
		unsigned queue;
		uint32_t head, len;
	} lies[] = {
		{ QUEUE_RX, 64, 100 },      { QUEUE_RX, UINT32_MAX, 100 }, { QUEUE_RX, 0, 0 },          { QUEUE_RX, 1, 12 },
		{ QUEUE_RX, 2, 12 + 1515 }, { QUEUE_RX, 3, UINT32_MAX },   { QUEUE_RX, 4, 25 },         { QUEUE_RX, 4, 100 },
		{ QUEUE_TX, 0, 0 },         { QUEUE_TX, 64, 0 },           { QUEUE_TX, UINT32_MAX, 0 }, { QUEUE_TX, 63, 0 },
	};
	begin_all();
	give_buffers(0, 32, BUFFER);
	nic.queue[QUEUE_RX].lied = nic.queue[QUEUE_TX].lied = true;
	for (unsigned i = 0; i < ARRAY_LEN(lies); i++) {
		nic_complete(lies[i].queue, lies[i].head, lies[i].len);
		nic_interrupt();
	}
	assert_int_equal(guest_used_count(0, SLOT, RX), 0);
	assert_int_equal(net.used, 0);
	/* One that says without end that it has more is heard in batches. */
	for (unsigned i = 0; i < 4000; i++)
		nic_complete(QUEUE_RX, 77, 0);
	nic_interrupt();
	assert_int_equal(nic.queue[QUEUE_RX].used_to - nic.queue[QUEUE_RX].used_from, 4000 - RX_BATCH);
	for (unsigned i = 0; i < 4000; i++)
		nic_complete(QUEUE_TX, 77, 0);
	unsigned before = nic.queue[QUEUE_TX].used_from;
	nic_interrupt();
	assert_true(nic.queue[QUEUE_TX].used_from - before <= NIC_SLOTS);
	/* A device with a short queue is used as far as it goes. */
	nic.queue_max = 4;
	begin_all();
	for (unsigned i = 0; i < 5; i++)
		send_frame(0, outside, macs[0], 100, i);
	assert_int_equal(nic.queue[QUEUE_TX].offered_count, 2);
	assert_int_equal(nic.queue[QUEUE_RX].offered_count, 4);
	while (nic_send(1))
		nic_interrupt();
	assert_int_equal(nic.sent_count, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_addresses_derive_from_the_device, setup),
		cmocka_unit_test_setup(test_frames_go_out_as_they_are, setup),
		cmocka_unit_test_setup(test_what_may_not_be_sent_is_dropped_and_counted, setup),
		cmocka_unit_test_setup(test_frames_come_to_whom_they_are_for, setup),
		cmocka_unit_test_setup(test_a_persona_without_buffers_holds_nobody_up, setup),
		cmocka_unit_test_setup(test_sending_slots_are_shared, setup),
		cmocka_unit_test_setup(test_a_device_that_never_sends_is_no_trap, setup),
		cmocka_unit_test_setup(test_nothing_stays_of_a_persona, setup),
		cmocka_unit_test_setup(test_rates_hold_and_are_reached, setup),
		cmocka_unit_test_setup(test_a_rate_limits_what_comes_in, setup),
		cmocka_unit_test_setup(test_a_flood_is_taken_in_batches_with_pauses, setup),
		cmocka_unit_test_setup(test_link_is_what_the_device_says, setup),
		cmocka_unit_test_setup(test_a_board_without_a_network_says_so_once, setup),
		cmocka_unit_test_setup(test_a_device_that_lies_breaks_nothing, setup),
	};
	int failed = cmocka_run_group_tests_name("vault network", tests, NULL, NULL);
	for (unsigned p = 0; p < MVP_MAX_PERSONAS; p++)
		free(guest_ram[p]);
	return failed;
}
