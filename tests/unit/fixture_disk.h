/* The vault's disk engine and virtual disk between a disk in memory, whose completions come in any order, and a persona's driver. Include
 * it instead of vault_host.h and cmocka.h. */
#ifndef TESTS_UNIT_FIXTURE_DISK_H
#define TESTS_UNIT_FIXTURE_DISK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vault_host.h"

#include "../../vmm/vault/crypt.c"
#include "../../vmm/vault/devices/ring.c"
#include "../../vmm/vault/devices/vblk.c"
#include "../../vmm/vault/devices/vdev.c"
#include "../../vmm/vault/disk.c"
#include "../../vmm/vault/lib.c"

enum {
	DISK_SECTORS = 4096,
	VIEW_AT = 128, /* of the encrypted view on the disk */
	VIEW_SECTORS = 2048,
	RAM = 0x200000,
	DESC_AT = 0x1000,
	AVAIL_AT = 0x2000,
	USED_AT = 0x3000,
	DATA_AT = 0x10000,
	QUEUE_STRIDE = 0x3000, /* from a queue's areas to the next one's */
	QUEUE = 128,
	INTID = 48,
};

const struct mvp_vault_config mvp_vault_config = { .revision = MVP_CONFIG_REVISION };
static const struct mvp_vault_persona config = { .name = "personal", .vcpus = 2 };
static const struct mvp_vault_persona discarding = { .name = "work", .vcpus = 1, .discard = 1 };

/* The device under the engine. */
static uint8_t image[DISK_SECTORS * SECTOR];
static struct fake_request {
	bool busy, submitted;
	enum blk_op op;
	uint64_t sector;
	struct blk_seg segs[BLK_SLOT_SEGS];
	unsigned count;
} fake[BLK_SLOTS];
static bool fake_fails, fake_read_only;
static unsigned fake_lets; /* completions to come */
static unsigned fake_flushes, fake_discards, fake_zeroes, fake_in_flight_max, fake_offered;
static uint32_t fake_discard_max, fake_zeroes_max, fake_align;
static uint32_t random_state = 1;

static uint32_t rnd(void)
{
	random_state = random_state * 1664525 + 1013904223;
	return random_state >> 8;
}

static const char *fake_start(struct blk_info *ret_info)
{
	*ret_info = (struct blk_info){ .sectors = DISK_SECTORS,
				       .slots = BLK_SLOTS,
				       .intid = INTID,
				       .discard_max = fake_discard_max,
				       .zeroes_max = fake_zeroes_max,
				       .flush = true,
				       .read_only = fake_read_only,
				       .align = fake_align };
	return NULL;
}

/* The device does not look before it is told to. */
static bool fake_notify(void)
{
	for (unsigned i = 0; i < BLK_SLOTS; i++)
		fake[i].submitted |= fake[i].busy;
	fake_offered = 0;
	return false;
}

static void fake_submit(unsigned slot, enum blk_op op, uint64_t sector, const struct blk_seg *segs, unsigned segs_count)
{
	unsigned busy = 0;
	assert_true(slot < BLK_SLOTS && !fake[slot].busy && segs_count <= BLK_SLOT_SEGS);
	fake[slot] = (struct fake_request){ true, false, op, sector, { { { 0 }, 0 } }, segs_count };
	memcpy(fake[slot].segs, segs, segs_count * sizeof(*segs));
	fake_offered++;
	for (unsigned i = 0; i < BLK_SLOTS; i++)
		busy += fake[i].busy;
	if (busy > fake_in_flight_max)
		fake_in_flight_max = busy;
}

static void fake_submit_range(unsigned slot, enum blk_op op, uint64_t sector, uint32_t sectors, bool unmap)
{
	struct blk_seg range = { { 0 }, sectors * SECTOR };
	(void)unmap;
	assert_true(sectors && sectors <= (op == BLK_DISCARD ? fake_discard_max : fake_zeroes_max));
	fake_submit(slot, op, sector, &range, 1);
}

/* Any of the requests in flight, so that order proves nothing. */
static bool fake_completed(unsigned *ret_slot, bool *ret_ok)
{
	unsigned start = rnd() % BLK_SLOTS;
	for (unsigned k = 0; k < BLK_SLOTS; k++) {
		unsigned i = (start + k) % BLK_SLOTS;
		struct fake_request *f = &fake[i];
		if (!f->submitted || !fake_lets)
			continue;
		f->submitted = false;
		fake_lets--;
		f->busy = false;
		*ret_slot = i;
		*ret_ok = !fake_fails;
		uint64_t at = f->sector * SECTOR;
		fake_flushes += f->op == BLK_FLUSH;
		fake_discards += f->op == BLK_DISCARD;
		fake_zeroes += f->op == BLK_ZEROES;
		for (unsigned s = 0; s < f->count && !fake_fails; s++) {
			uint8_t *p = (uint8_t *)(uintptr_t)f->segs[s].at.v;
			assert_true(range_in(at, f->segs[s].len, sizeof(image)));
			if (f->op == BLK_READ)
				memcpy(p, image + at, f->segs[s].len);
			else if (f->op == BLK_DISCARD || f->op == BLK_ZEROES)
				memset(image + at, f->op == BLK_DISCARD ? 0xdd : 0, f->segs[s].len);
			else
				memcpy(image + at, p, f->segs[s].len);
			at += f->segs[s].len;
		}
		return true;
	}
	return false;
}

static void fake_ack(void)
{
}

const struct blk_driver blk_virtio = { fake_start, fake_submit, fake_submit_range, fake_notify, fake_completed, fake_ack };
const struct blk_driver blk_sdhci = { .start = fake_start };

paddr_t dma_paddr(const void *at)
{
	return (paddr_t){ (uintptr_t)at };
}

static bool direct; /* requests come from the test itself */
static unsigned ios_done;

void disk_io_done(unsigned client, struct io *io)
{
	if (direct) {
		__atomic_fetch_add(&ios_done, 1, __ATOMIC_RELAXED);
		io->view = NULL; /* to be seen under the client's lock */
	} else {
		vblk_io_done(client, io);
	}
}

/* What the vault does at the disk's interrupt, on CPU 0 and on those it rings. */
static void interrupt_once(void)
{
	host_cpu = 0;
	disk_irq(INTID);
	host_rung |= 1;
	while (host_rung) {
		host_cpu = (unsigned)__builtin_ctz(host_rung);
		host_rung &= host_rung - 1;
		vblk_resume(disk_run());
		assert_int_equal(fake_offered, 0);
	}
	host_cpu = 0;
}

/* The persona's side */
static uint8_t ram_bytes[RAM] __attribute__((aligned(4096)));
static struct crypt crypt_key;
static struct view plain_view = { .sector = VIEW_AT, .sectors = VIEW_SECTORS };
static struct view secret_view = { .sector = VIEW_AT, .sectors = VIEW_SECTORS, .crypt = &crypt_key };
static uint16_t avail_index, used_seen; /* of the queue in use */
static uint16_t other_avail, other_used;
static unsigned queue_at; /* which is */

static void swap16(uint16_t *a, uint16_t *b)
{
	uint16_t was = *a;
	*a = *b;
	*b = was;
}

static inline void use_queue(unsigned queue)
{
	if (queue == queue_at)
		return;
	queue_at = queue;
	swap16(&avail_index, &other_avail);
	swap16(&used_seen, &other_used);
}

/* Where in the RAM an area of the queue in use lies. */
static uint32_t here(uint32_t at)
{
	return at + queue_at * QUEUE_STRIDE;
}

static void put16(uint32_t at, uint16_t v)
{
	memcpy(ram_bytes + at, &v, 2);
}

static uint16_t get16(uint32_t at)
{
	return get_le16(ram_bytes + at);
}

static void put_desc(unsigned i, uint64_t at, uint32_t len, uint16_t flags, uint16_t next)
{
	uint8_t *p = ram_bytes + here(DESC_AT) + 16 * i;
	memcpy(p, &at, 8);
	memcpy(p + 8, &len, 4);
	memcpy(p + 12, &flags, 2);
	memcpy(p + 14, &next, 2);
}

static void offer(uint16_t head)
{
	put16(here(AVAIL_AT) + 4 + 2u * (avail_index % QUEUE), head);
	put16(here(AVAIL_AT) + 2, ++avail_index);
}

static void wr(uint32_t at, uint32_t value)
{
	vdev_write(0, at, 4, value);
}

static uint32_t rd(uint32_t at)
{
	return (uint32_t)vdev_read(0, at, 4);
}

static uint32_t rd_features(void)
{
	wr(0x14, 0);
	return rd(0x10);
}

static void drive_up(void)
{
	wr(0x70, 0);
	wr(0x70, 1);
	wr(0x70, 3);
	wr(0x24, 0);
	wr(0x20, 0x7644 & rd_features());
	wr(0x24, 1);
	wr(0x20, 1);
	wr(0x70, 11);
	assert_int_equal(rd(0x70), 11);
	for (unsigned i = rd(0x120) >> 16; i-- > 0;) {
		queue_at = i;
		wr(0x30, i);
		wr(0x38, QUEUE);
		wr(0x80, MVP_GUEST_RAM + here(DESC_AT));
		wr(0x84, 0);
		wr(0x90, MVP_GUEST_RAM + here(AVAIL_AT));
		wr(0x94, 0);
		wr(0xa0, MVP_GUEST_RAM + here(USED_AT));
		wr(0xa4, 0);
		wr(0x44, 1);
		assert_int_equal(rd(0x44), 1);
	}
	wr(0x70, 15);
	avail_index = used_seen = other_avail = other_used = 0;
}

static void plug_as(const struct mvp_vault_persona *c, const struct view *v)
{
	const struct ram ram = { ram_bytes, RAM };
	memset(ram_bytes, 0, sizeof(ram_bytes));
	memset(fake, 0, sizeof(fake));
	fake_fails = false;
	vblk_plug(&(struct guest){ 0, c, v, &ram });
	drive_up();
}

static void plug(const struct view *v)
{
	plug_as(&config, v);
}

static inline int setup(void **state)
{
	(void)state;
	uint8_t key[XTS_KEY_LEN];
	for (unsigned i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(i * 3 + 1);
	aes_xts_set_key(&crypt_key.key, key);
	crypt_key.unit = 4096;
	crypt_key.iv_base = 0;
	memset(&disk, 0, sizeof(disk));
	memset(clients, 0, sizeof(clients));
	memset(cpus, 0, sizeof(cpus));
	memset(vblks, 0, sizeof(vblks));
	host_rung = 0;
	direct = false;
	fake_lets = UINT_MAX;
	ios_done = 0;
	fake_read_only = false;
	fake_discard_max = 0;
	fake_zeroes_max = 0;
	assert_null(disk_start());
	plug(&plain_view);
	return 0;
}

/* One request of len bytes at sector, cut into segments at random places, its data at DATA_AT + skew. Returns its result byte. */
static inline int request(uint32_t type, uint64_t sector, uint32_t len, uint32_t skew, unsigned cuts)
{
	uint32_t header_at = 0xf000, result_at = 0xf100;
	unsigned i = 1;
	memcpy(ram_bytes + header_at, &type, 4);
	memset(ram_bytes + header_at + 4, 0, 4);
	memcpy(ram_bytes + header_at + 8, &sector, 8);
	ram_bytes[result_at] = 0xee;
	put_desc(0, MVP_GUEST_RAM + header_at, 16, 1, 1);
	for (uint32_t done = 0; done < len; i++) {
		uint32_t n = i <= cuts ? 1 + rnd() % (len / (cuts + 1) + 1) : len - done;
		n = (uint32_t)min_u64(n, len - done);
		put_desc(i, MVP_GUEST_RAM + DATA_AT + skew + done, n, (uint16_t)(1 | (type == TYPE_IN || type == TYPE_GET_ID ? 2 : 0)),
			 (uint16_t)(i + 1));
		done += n;
	}
	put_desc(i, MVP_GUEST_RAM + result_at, 1, 2, 0);
	offer(0);
	wr(0x50, queue_at);
	for (unsigned k = 0; k < 1000 && get16(here(USED_AT) + 2) == used_seen; k++)
		interrupt_once();
	assert_int_equal(get16(here(USED_AT) + 2), (uint16_t)(used_seen + 1));
	used_seen++;
	assert_int_equal(host_lines[0][16], 1);
	assert_int_equal(rd(0x60) & 1, 1);
	wr(0x64, 1);
	assert_int_equal(host_lines[0][16], 0);
	return ram_bytes[result_at];
}

#endif
