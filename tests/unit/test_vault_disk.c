/* The vault's disk engine and virtual disk against a disk in memory: what a persona writes is on the disk under the container's cipher,
 * what it reads is what it wrote, whatever the alignment, the segments and the order of completions; and hostile rings get nowhere. */
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
	QUEUE = 128,
	INTID = 48,
};

static const struct mvp_vault_persona config = { .name = "personal" };

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
static unsigned fake_flushes, fake_in_flight_max;
static uint32_t random_state = 1;

static uint32_t rnd(void)
{
	random_state = random_state * 1664525 + 1013904223;
	return random_state >> 8;
}

const char *virtio_blk_start(struct blk_info *ret_info)
{
	*ret_info = (struct blk_info){ DISK_SECTORS, BLK_SLOTS, INTID, true, fake_read_only };
	return NULL;
}

void virtio_blk_submit(unsigned slot, enum blk_op op, uint64_t sector, const struct blk_seg *segs, unsigned segs_count)
{
	unsigned busy = 0;
	assert_true(slot < BLK_SLOTS && !fake[slot].busy && segs_count <= BLK_SLOT_SEGS);
	fake[slot] = (struct fake_request){ true, true, op, sector, { { { 0 }, 0 } }, segs_count };
	memcpy(fake[slot].segs, segs, segs_count * sizeof(*segs));
	for (unsigned i = 0; i < BLK_SLOTS; i++)
		busy += fake[i].busy;
	if (busy > fake_in_flight_max)
		fake_in_flight_max = busy;
}

/* Any of the requests in flight, so that order proves nothing. */
bool virtio_blk_completed(unsigned *ret_slot, bool *ret_ok)
{
	unsigned start = rnd() % BLK_SLOTS;
	for (unsigned k = 0; k < BLK_SLOTS; k++) {
		unsigned i = (start + k) % BLK_SLOTS;
		struct fake_request *f = &fake[i];
		if (!f->busy)
			continue;
		f->busy = false;
		*ret_slot = i;
		*ret_ok = !fake_fails;
		uint64_t at = f->sector * SECTOR;
		fake_flushes += f->op == BLK_FLUSH;
		for (unsigned s = 0; s < f->count && !fake_fails; s++) {
			uint8_t *p = (uint8_t *)(uintptr_t)f->segs[s].at.v;
			assert_true(range_in(at, f->segs[s].len, sizeof(image)));
			if (f->op == BLK_READ)
				memcpy(p, image + at, f->segs[s].len);
			else
				memcpy(image + at, p, f->segs[s].len);
			at += f->segs[s].len;
		}
		return true;
	}
	return false;
}

void virtio_blk_ack(void)
{
}

paddr_t dma_paddr(const void *at)
{
	return (paddr_t){ (uintptr_t)at };
}

static unsigned vault_done;

void disk_io_done(unsigned client, struct io *io)
{
	if (client == DISK_CLIENT_VAULT)
		vault_done++;
	else
		vblk_io_done(client, io);
}

/* The persona's side */
static uint8_t ram_bytes[RAM] __attribute__((aligned(4096)));
static struct crypt crypt_key;
static struct view plain_view = { .sector = VIEW_AT, .sectors = VIEW_SECTORS };
static struct view secret_view = { .sector = VIEW_AT, .sectors = VIEW_SECTORS, .crypt = &crypt_key };
static uint16_t avail_index, used_seen;

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
	uint8_t *p = ram_bytes + DESC_AT + 16 * i;
	memcpy(p, &at, 8);
	memcpy(p + 8, &len, 4);
	memcpy(p + 12, &flags, 2);
	memcpy(p + 14, &next, 2);
}

static void offer(uint16_t head)
{
	put16(AVAIL_AT + 4 + 2u * (avail_index % QUEUE), head);
	put16(AVAIL_AT + 2, ++avail_index);
}

static void wr(uint32_t at, uint32_t value)
{
	vdev_write(0, at, 4, value);
}

static uint32_t rd(uint32_t at)
{
	return (uint32_t)vdev_read(0, at, 4);
}

static void drive_up(void)
{
	wr(0x70, 0);
	wr(0x70, 1);
	wr(0x70, 3);
	wr(0x24, 0);
	wr(0x20, 0x640 & 0x644);
	wr(0x24, 1);
	wr(0x20, 1);
	wr(0x70, 11);
	assert_int_equal(rd(0x70), 11);
	wr(0x30, 0);
	wr(0x38, QUEUE);
	wr(0x80, MVP_GUEST_RAM + DESC_AT);
	wr(0x84, 0);
	wr(0x90, MVP_GUEST_RAM + AVAIL_AT);
	wr(0x94, 0);
	wr(0xa0, MVP_GUEST_RAM + USED_AT);
	wr(0xa4, 0);
	wr(0x44, 1);
	assert_int_equal(rd(0x44), 1);
	wr(0x70, 15);
	avail_index = used_seen = 0;
}

static void plug(const struct view *v)
{
	const struct ram ram = { ram_bytes, RAM };
	memset(ram_bytes, 0, sizeof(ram_bytes));
	memset(fake, 0, sizeof(fake));
	fake_fails = false;
	vblk_plug(&(struct guest){ 0, &config, v, &ram });
	drive_up();
}

static int setup(void **state)
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
	fake_read_only = false;
	assert_null(disk_start());
	plug(&plain_view);
	return 0;
}

/* One request of len bytes at sector, cut into segments at random places, its data at DATA_AT + skew. Returns its result byte. */
static int request(uint32_t type, uint64_t sector, uint32_t len, uint32_t skew, unsigned cuts)
{
	uint32_t header_at = 0x8000, result_at = 0x8100;
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
	wr(0x50, 0);
	for (unsigned k = 0; k < 1000 && get16(USED_AT + 2) == used_seen; k++)
		disk_irq(INTID);
	assert_int_equal(get16(USED_AT + 2), (uint16_t)(used_seen + 1));
	used_seen++;
	assert_int_equal(host_lines[0][16], 1);
	assert_int_equal(rd(0x60) & 1, 1);
	wr(0x64, 1);
	assert_int_equal(host_lines[0][16], 0);
	return ram_bytes[result_at];
}

static uint8_t model[VIEW_SECTORS * SECTOR];

static void random_traffic(const struct view *v)
{
	memset(image, 0, sizeof(image));
	memset(model, 0, sizeof(model));
	if (v->crypt) {
		for (uint32_t s = 0; s < VIEW_SECTORS; s += 8)
			aes_xts_encrypt(&crypt_key.key, s, image + (VIEW_AT + s) * SECTOR, 4096);
	}
	plug(v);
	for (unsigned n = 0; n < 600; n++) {
		uint32_t sectors = 1 + rnd() % (n % 5 ? 24 : 400);
		uint32_t sector = rnd() % (VIEW_SECTORS - sectors);
		if (n % 3 == 0) {
			sector &= ~7u;
			sectors = (sectors + 7) & ~7u;
		}
		uint32_t len = sectors * SECTOR, skew = rnd() % 3000;
		uint8_t *data = ram_bytes + DATA_AT + skew;
		if (rnd() & 1) {
			for (uint32_t i = 0; i < len; i++)
				data[i] = (uint8_t)rnd();
			memcpy(model + sector * SECTOR, data, len);
			assert_int_equal(request(TYPE_OUT, sector, len, skew, rnd() % 40), 0);
		} else {
			memset(data, 0xaa, len);
			assert_int_equal(request(TYPE_IN, sector, len, skew, rnd() % 40), 0);
			assert_memory_equal(data, model + sector * SECTOR, len);
		}
	}
	uint8_t *stored = image + VIEW_AT * SECTOR;
	if (v->crypt) {
		for (uint32_t s = 0; s < VIEW_SECTORS; s += 8)
			aes_xts_decrypt(&crypt_key.key, s, stored + s * SECTOR, 4096);
	}
	assert_memory_equal(stored, model, sizeof(model));
	for (uint32_t i = 0; i < VIEW_AT * SECTOR; i++)
		assert_int_equal(image[i], 0);
}

static void test_random_requests_on_plain_disk_match_model(void **state)
{
	(void)state;
	random_traffic(&plain_view);
}

static void test_random_requests_on_encrypted_disk_match_model(void **state)
{
	(void)state;
	random_traffic(&secret_view);
}

static void test_many_requests_in_flight_complete(void **state)
{
	(void)state;
	memset(image, 0, sizeof(image));
	for (uint32_t s = 0; s < VIEW_SECTORS; s += 8)
		aes_xts_encrypt(&crypt_key.key, s, image + (VIEW_AT + s) * SECTOR, 4096);
	plug(&secret_view);
	fake_in_flight_max = 0;
	/* 42 requests of three descriptors, written units of their own, every third write inside a unit. */
	for (unsigned r = 0; r < 42; r++) {
		uint32_t header = 0x8000 + 32 * r, type = TYPE_OUT, len = r % 3 ? 4096 : 512;
		uint64_t sector = 8 * r + (r % 3 ? 0 : 3);
		memcpy(ram_bytes + header, &type, 4);
		memcpy(ram_bytes + header + 8, &sector, 8);
		memset(ram_bytes + DATA_AT + 4096 * r, (int)r + 1, 4096);
		put_desc(3 * r, MVP_GUEST_RAM + header, 16, 1, (uint16_t)(3 * r + 1));
		put_desc(3 * r + 1, MVP_GUEST_RAM + DATA_AT + 4096 * r, len, 1, (uint16_t)(3 * r + 2));
		put_desc(3 * r + 2, MVP_GUEST_RAM + header + 24, 1, 2, 0);
		offer((uint16_t)(3 * r));
	}
	wr(0x50, 0);
	/* The persona changes its buffers when the device has taken the whole-unit writes: too late. */
	for (unsigned k = 0; k < 1000 && get16(USED_AT + 2) != 42; k++) {
		disk_irq(INTID);
		vblk_resume(0);
	}
	assert_int_equal(get16(USED_AT + 2), 42);
	assert_true(fake_in_flight_max > 1);
	for (unsigned r = 0; r < 42; r++) {
		uint8_t unit[4096];
		memcpy(unit, image + (VIEW_AT + 8 * r) * SECTOR, 4096);
		aes_xts_decrypt(&crypt_key.key, 8 * r, unit, 4096);
		for (unsigned i = 0; i < 4096; i++) {
			bool mine = r % 3 || (i >= 3 * SECTOR && i < 4 * SECTOR);
			assert_int_equal(unit[i], mine ? r + 1 : 0);
		}
	}
	assert_false(vblk_busy(0));
}

static void test_written_data_is_what_was_offered(void **state)
{
	(void)state;
	plug(&secret_view);
	uint32_t type = TYPE_OUT;
	uint64_t sector = 0;
	memset(ram_bytes + 0x8000, 0, 16);
	memcpy(ram_bytes + 0x8000, &type, 4);
	memcpy(ram_bytes + 0x8008, &sector, 8);
	memset(ram_bytes + DATA_AT, 0x11, 4096);
	put_desc(0, MVP_GUEST_RAM + 0x8000, 16, 1, 1);
	put_desc(1, MVP_GUEST_RAM + DATA_AT, 4096, 1, 2);
	put_desc(2, MVP_GUEST_RAM + 0x8100, 1, 2, 0);
	offer(0);
	wr(0x50, 0);
	memset(ram_bytes + DATA_AT, 0x22, 4096);
	disk_irq(INTID);
	uint8_t unit[4096];
	memcpy(unit, image + VIEW_AT * SECTOR, 4096);
	aes_xts_decrypt(&crypt_key.key, 0, unit, 4096);
	assert_int_equal(unit[0], 0x11);
	assert_int_equal(unit[4095], 0x11);
}

static void test_requests_outside_the_disk_fail(void **state)
{
	(void)state;
	assert_int_equal(request(TYPE_IN, VIEW_SECTORS, 512, 0, 0), RESULT_IOERR);
	assert_int_equal(request(TYPE_IN, VIEW_SECTORS - 1, 1024, 0, 0), RESULT_IOERR);
	assert_int_equal(request(TYPE_OUT, UINT64_MAX, 512, 0, 0), RESULT_IOERR);
	assert_int_equal(request(TYPE_OUT, UINT64_MAX / 512 + 1, 512, 0, 0), RESULT_IOERR);
	assert_int_equal(request(TYPE_IN, 0, 511, 0, 0), RESULT_IOERR);
	assert_int_equal(request(TYPE_IN, 0, 0, 0, 0), RESULT_IOERR);
	assert_int_equal(request(99, 0, 512, 0, 0), RESULT_UNSUPPORTED);
	assert_int_equal(request(TYPE_IN, VIEW_SECTORS - 1, 512, 0, 0), RESULT_OK);
}

static void test_flush_and_id_and_device_errors(void **state)
{
	(void)state;
	unsigned before = fake_flushes;
	assert_int_equal(request(TYPE_FLUSH, 0, 0, 0, 0), RESULT_OK);
	assert_int_equal(fake_flushes, before + 1);
	assert_int_equal(request(TYPE_GET_ID, 0, 20, 0, 3), RESULT_OK);
	assert_string_equal((const char *)ram_bytes + DATA_AT, "mvp-personal");
	fake_fails = true;
	assert_int_equal(request(TYPE_IN, 0, 4096, 0, 0), RESULT_IOERR);
	plug(&secret_view);
	fake_fails = true;
	assert_int_equal(request(TYPE_OUT, 3, 512, 0, 0), RESULT_IOERR);
	fake_fails = false;
	assert_int_equal(request(TYPE_OUT, 0, 4096, 0, 0), RESULT_OK);
	disk.info.read_only = true;
	assert_int_equal(request(TYPE_OUT, 0, 4096, 0, 0), RESULT_IOERR);
	assert_int_equal(request(TYPE_IN, 0, 4096, 0, 0), RESULT_OK);
}

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
	for (unsigned k = 0; k < 100; k++)
		disk_irq(INTID);
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
		{ 0x000, 0x74726976 }, { 0x004, 2 }, { 0x008, 2 }, { 0x00c, 0x0050564d }, { 0x034, 128 }, { 0x070, 15 },
		{ 0x0fc, 0 },          { 0x014, 0 }, { 0x020, 0 }, { 0x050, 0 },          { 0x064, 0 },   { 0x080, 0 },
		{ 0x0b0, 0xffffffff }, { 0x208, 0 }, { 0x002, 0 }, { 0x100, 2048 },       { 0x114, 512 }, { 0x118, 0x00010000 },
		{ 0x10c, 62 },         { 0x104, 0 }, { 0x044, 1 }, { 0x011, 0 },          { 0x1fc, 0 },
	};
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(rd(rows[i].at), rows[i].value);
	wr(0x14, 0);
	assert_int_equal(rd(0x10), 0x644);
	wr(0x14, 1);
	assert_int_equal(rd(0x10), 1);
	wr(0x14, 2);
	assert_int_equal(rd(0x10), 0);
	wr(0x30, 1);
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
	} sets[] = { { 0, 1, true }, { 0x644, 1, true }, { 0, 0, false }, { 0x644, 0, false }, { 0x10000644, 1, false }, { 0, 3, false } };
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

static void test_personas_share_the_slots(void **state)
{
	(void)state;
	/* A client that never lets go takes its share only. */
	unsigned slot, taken = 0;
	while (take_slot(0, false, &slot))
		taken++;
	assert_true(taken > 0 && taken < BLK_SLOTS);
	assert_true(take_slot(1, false, &slot));
	assert_true(take_slot(DISK_CLIENT_VAULT, false, &slot));
	for (unsigned i = 0; i < BLK_SLOTS; i++) {
		if (disk.slots_used & 1u << i)
			give_slot(i);
	}
	assert_int_equal(disk.slots_used, 0);
	assert_int_equal(clients[0].slots, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_random_requests_on_plain_disk_match_model, setup),
		cmocka_unit_test_setup(test_random_requests_on_encrypted_disk_match_model, setup),
		cmocka_unit_test_setup(test_many_requests_in_flight_complete, setup),
		cmocka_unit_test_setup(test_written_data_is_what_was_offered, setup),
		cmocka_unit_test_setup(test_requests_outside_the_disk_fail, setup),
		cmocka_unit_test_setup(test_flush_and_id_and_device_errors, setup),
		cmocka_unit_test_setup(test_reset_drops_requests_and_says_when_they_are_gone, setup),
		cmocka_unit_test_setup(test_broken_chains_stop_the_device, setup),
		cmocka_unit_test_setup(test_queue_addresses_are_checked, setup),
		cmocka_unit_test_setup(test_registers_row_by_row, setup),
		cmocka_unit_test_setup(test_features_are_negotiated, setup),
		cmocka_unit_test_setup(test_personas_share_the_slots, setup),
	};
	return cmocka_run_group_tests_name("vault disk", tests, NULL, NULL);
}
