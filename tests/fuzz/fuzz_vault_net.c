/* The personas' network between two hostile drivers and a hostile device of the board: the input is a script of what drivers, device and
 * time do. Whatever happens, what is sent carries its persona's address, what a persona gets is for it and from outside, no more than its
 * part of the slots is a persona's, and all of them come back from a device that does not lie. Each persona's RAM is an allocation of its
 * own. */
#define GUEST_RAM 0x14000u
#include "tests/unit/fixture_net.h"

#define STEPS_MAX 3000
#define STEP_LEN 9
#define SLOT MVP_SLOT_NET

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool lied;

static bool is_persona(const uint8_t *mac)
{
	return !memcmp(mac, net.port[0].mac, MAC_LEN) || !memcmp(mac, net.port[1].mac, MAC_LEN);
}

static void check_delivery(unsigned persona, const uint8_t *frame, size_t len)
{
	if (len < NET_FRAME_MIN || len > NET_FRAME_MAX || is_persona(frame + MAC_LEN))
		abort();
	if (!(frame[0] & 1) && memcmp(frame, net.port[persona].mac, MAC_LEN))
		abort();
}

static void check_sent(unsigned before)
{
	for (; before != nic.sent_count; before++) {
		/* A device that lies about what it has sent sees the next frame being made. */
		if (!lied && !is_persona(nic.sent[before % NIC_LOG].frame + MAC_LEN))
			abort();
	}
}

static void check_slots(void)
{
	unsigned slots[MVP_MAX_PERSONAS] = { 0 };
	for (unsigned i = 0; i < NIC_SLOTS; i++) {
		if (net.used >> i & 1)
			slots[net.owner[i]]++;
	}
	for (unsigned p = 0; p < MVP_MAX_PERSONAS; p++) {
		if (slots[p] != net.port[p].slots || (net.there && slots[p] > net.share))
			abort();
	}
}

static void make(uint8_t *frame, uint8_t to, uint8_t from)
{
	static const uint8_t outside[MAC_LEN] = { 0x52, 0x55, 1, 2, 3, 4 }, everybody[MAC_LEN] = { 255, 255, 255, 255, 255, 255 };
	const uint8_t *macs[] = { net.port[0].mac, net.port[1].mac, outside, everybody };
	memcpy(frame, macs[to % 4], MAC_LEN);
	memcpy(frame + MAC_LEN, macs[from % 4], MAC_LEN);
}

static void offer_frame(unsigned persona, const uint8_t *p)
{
	uint32_t at = GUEST_DATA_AT + p[1] * 16u, len = (p[2] | (uint32_t)p[3] << 8) % (NET_FRAME_MAX + 3);
	if (!guest_queue[persona][SLOT][TX].num)
		return;
	memset(guest_ram[persona] + at, 0, HEADER_LEN);
	make(guest_ram[persona] + at + HEADER_LEN, p[4], p[4] & 0x80 ? p[5] : (uint8_t)persona);
	guest_offer(persona, SLOT, TX, &(struct piece){ at, HEADER_LEN + len, false }, 1);
	if (p[6] & 1)
		guest_notify(persona, SLOT, TX);
}

static void plug(unsigned persona)
{
	vnet_unplug(persona);
	memset(guest_queue[persona], 0, sizeof(guest_queue[persona]));
	vnet_plug(&(struct guest){ persona, &host_config.persona[persona], NULL, &(struct ram){ guest_ram[persona], GUEST_RAM } });
}

static void lie(const uint8_t *p)
{
	unsigned queue = p[1] & 1;
	lied = true;
	nic.queue[QUEUE_RX].lied = nic.queue[QUEUE_TX].lied = true;
	nic_complete(queue, p[2] & 1 ? get_le32(p + 3) : p[3] % NIC_SLOTS, get_le32(p + 4));
}

static void pass(uint64_t ticks)
{
	host_time += ticks;
	if (!armed[0] || armed[0] > host_time)
		return;
	timer_fired();
	net_tick();
}

static void step(const uint8_t *p)
{
	unsigned persona = p[0] >> 7, before = nic.sent_count;
	uint8_t frame[NET_FRAME_MAX] = { 0 };
	switch (p[0] % 16) {
	case 8:
	case 9:
		offer_frame(persona, p);
		break;
	case 10:
		make(frame, p[1], p[2]);
		if (nic.there)
			nic_wire(frame, (p[3] | (size_t)p[4] << 8) % NET_FRAME_MAX);
		break;
	case 11:
		if (nic.there)
			nic_interrupt();
		break;
	case 12:
		if (nic.there)
			nic_send(p[1] % 64);
		check_sent(before);
		break;
	case 13:
		lie(p);
		break;
	case 14:
		pass(p[1] * 40u);
		break;
	case 15:
		if (p[1] & 1)
			nic.config[6] = p[2];
		else if (!(p[1] & 0xf0))
			plug(persona);
		break;
	default:
		guest_fuzz(persona, SLOT, 2, p + 1);
	}
	check_slots();
}

/* A device that has told the truth so far gives everything back. */
static void finish(void)
{
	for (unsigned p = 0; p < MVP_MAX_PERSONAS; p++)
		vnet_unplug(p);
	for (unsigned i = 0; i < 200 && net.there; i++) {
		nic_send(NIC_SLOTS);
		nic_interrupt();
		pass(RX_PAUSE_US);
	}
	check_slots();
	if (!lied && net.there && (net.used || nic.queue[QUEUE_RX].offered_count != net.info.slots))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t rates[] = { 0, 125000, 12500000, 1 };
	guest_count("vault_net");
	if (size < 1)
		return 0;
	guest_memory();
	memset(guest_queue, 0, sizeof(guest_queue));
	host_config =
		(struct mvp_vault_config){ .personas = 2, .persona = { { .name = "a", .network = 1 }, { .name = "b", .network = 1 } } };
	host_config.persona[0].net_rate = rates[data[0] & 3];
	host_config.persona[1].net_rate = rates[data[0] >> 2 & 3];
	host_time = 1000000;
	lied = false;
	on_deliver = check_delivery;
	nic.there = (data[0] & 0xf0) != 0xf0;
	nic.features = NIC_FEATURES;
	nic.queue_max = data[0] & 0x20 ? 8 : 256;
	memcpy(nic.config, (const uint8_t[8]){ 0x52, 0x54, 0, 1, 2, 3, 1, 0 }, 8);
	net_begin_all();
	for (unsigned p = 0; p < MVP_MAX_PERSONAS; p++)
		guest_start(p, SLOT, (uint32_t)NIC_FEATURES, 2);
	const uint8_t *p = data + 1, *end = data + size;
	for (unsigned n = 0; n < STEPS_MAX && end - p >= STEP_LEN; n++, p += STEP_LEN)
		step(p);
	finish();
	return 0;
}
