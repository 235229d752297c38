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
	QUEUE_STRIDE = 0x3000, /* from a queue's areas to the next one's */
	QUEUE = 128,
	INTID = 48,
};

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
static uint32_t fake_discard_max, fake_zeroes_max;
static uint32_t random_state = 1;

static uint32_t rnd(void)
{
	random_state = random_state * 1664525 + 1013904223;
	return random_state >> 8;
}

const char *virtio_blk_start(struct blk_info *ret_info)
{
	*ret_info = (struct blk_info){ DISK_SECTORS, BLK_SLOTS, INTID, fake_discard_max, fake_zeroes_max, true, fake_read_only };
	return NULL;
}

/* The device does not look before it is told to. */
void virtio_blk_notify(void)
{
	for (unsigned i = 0; i < BLK_SLOTS; i++)
		fake[i].submitted |= fake[i].busy;
	fake_offered = 0;
}

void virtio_blk_submit(unsigned slot, enum blk_op op, uint64_t sector, const struct blk_seg *segs, unsigned segs_count)
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

void virtio_blk_submit_range(unsigned slot, enum blk_op op, uint64_t sector, uint32_t sectors, bool unmap)
{
	struct blk_seg range = { { 0 }, sectors * SECTOR };
	(void)unmap;
	assert_true(sectors && sectors <= (op == BLK_DISCARD ? fake_discard_max : fake_zeroes_max));
	virtio_blk_submit(slot, op, sector, &range, 1);
}

/* Any of the requests in flight, so that order proves nothing. */
bool virtio_blk_completed(unsigned *ret_slot, bool *ret_ok)
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

void virtio_blk_ack(void)
{
}

paddr_t dma_paddr(const void *at)
{
	return (paddr_t){ (uintptr_t)at };
}

static bool direct; /* requests come from the test itself */
static unsigned ios_done;

void disk_io_done(unsigned client, struct io *io)
{
	if (direct)
		ios_done++;
	else
		vblk_io_done(client, io);
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

static void use_queue(unsigned queue)
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
static int request(uint32_t type, uint64_t sector, uint32_t len, uint32_t skew, unsigned cuts)
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

static uint8_t model[VIEW_SECTORS * SECTOR];

/* The nth range of a discard or write-zeroes request, where request() takes its data. */
static void put_range(unsigned n, uint64_t sector, uint32_t sectors, uint32_t flags)
{
	uint8_t *p = ram_bytes + DATA_AT + 16 * n;
	memcpy(p, &sector, 8);
	memcpy(p + 8, &sectors, 4);
	memcpy(p + 12, &flags, 4);
}

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
		host_cpu = rnd() % 3;
		use_queue(rnd() % 2);
		if (n % 7 == 6) {
			/* Two ranges: the first and the second half. */
			uint32_t half = sectors / 2;
			put_range(0, sector, half, n & 1);
			put_range(1, sector + half, sectors - half, 0);
			memset(model + sector * SECTOR, 0, len);
			assert_int_equal(request(TYPE_WRITE_ZEROES, 0, 32, 0, rnd() % 3), 0);
		} else if (rnd() & 1) {
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

static void test_zeroing_by_the_device_matches_model(void **state)
{
	(void)state;
	fake_zeroes_max = 17;
	assert_null(disk_start());
	fake_zeroes = 0;
	random_traffic(&plain_view);
	assert_true(fake_zeroes > 0);
	fake_zeroes = 0;
	random_traffic(&secret_view);
	assert_int_equal(fake_zeroes, 0); /* zeros on the disk are not zeros to the persona */
}

static void test_ranges_are_checked(void **state)
{
	(void)state;
	static const struct {
		uint64_t sector;
		uint32_t sectors, flags;
		int zeroes, discard;
	} rows[] = {
		{ 0, 8, 0, RESULT_OK, RESULT_OK },
		{ 0, 8, 1, RESULT_OK, RESULT_UNSUPPORTED },
		{ 0, 8, 2, RESULT_UNSUPPORTED, RESULT_UNSUPPORTED },
		{ 0, 0, 0, RESULT_OK, RESULT_OK },
		{ VIEW_SECTORS - 8, 8, 0, RESULT_OK, RESULT_OK },
		{ VIEW_SECTORS - 8, 9, 0, RESULT_IOERR, RESULT_IOERR },
		{ VIEW_SECTORS, 0, 0, RESULT_OK, RESULT_OK },
		{ UINT64_MAX, 1, 0, RESULT_IOERR, RESULT_IOERR },
		{ UINT64_MAX, 0, 0, RESULT_IOERR, RESULT_IOERR },
		{ 0, UINT32_MAX, 0, RESULT_IOERR, RESULT_IOERR },
	};
	assert_int_equal(request(TYPE_DISCARD, 0, 16, 0, 0), RESULT_UNSUPPORTED); /* was not offered */
	fake_discard_max = 5;
	assert_null(disk_start());
	plug(&plain_view);
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		put_range(0, 16, 8, 0);
		put_range(1, rows[i].sector, rows[i].sectors, rows[i].flags);
		assert_int_equal(request(TYPE_WRITE_ZEROES, 0, 32, 0, 0), rows[i].zeroes);
		assert_int_equal(request(TYPE_DISCARD, 0, 32, 0, 0), rows[i].discard);
	}
	assert_int_equal(request(TYPE_DISCARD, 0, 0, 0, 0), RESULT_IOERR);
	assert_int_equal(request(TYPE_DISCARD, 0, 17, 0, 0), RESULT_IOERR);
	assert_int_equal(request(TYPE_DISCARD, 0, 16 * (RANGES_MAX + 1), 0, 0), RESULT_IOERR);
	memset(ram_bytes + DATA_AT, 0, 16 * RANGES_MAX);
	assert_int_equal(request(TYPE_DISCARD, 0, 16 * RANGES_MAX, 0, 0), RESULT_OK);
}

static void test_discards_forget_whole_units_and_nothing_else(void **state)
{
	(void)state;
	fake_discard_max = 5;
	assert_null(disk_start());
	memset(image, 0x11, sizeof(image));
	plug(&secret_view);
	assert_int_equal(rd_features() & FEATURE_DISCARD, 0); /* the manifest did not allow it */
	put_range(0, 0, 64, 0);
	assert_int_equal(request(TYPE_DISCARD, 0, 16, 0, 0), RESULT_UNSUPPORTED);
	plug_as(&discarding, &secret_view);
	assert_int_equal(rd_features() & FEATURE_DISCARD, FEATURE_DISCARD);
	assert_int_equal(rd(0x100 + 44), 8);
	put_range(0, 3, 30, 0); /* 3..32: units at 8, 16 and 24 */
	put_range(1, 41, 6, 0);
	assert_int_equal(request(TYPE_DISCARD, 0, 32, 0, 0), RESULT_OK);
	for (uint32_t s = 0; s < DISK_SECTORS; s++)
		assert_int_equal(image[s * SECTOR], s >= VIEW_AT + 8 && s < VIEW_AT + 32 ? 0xdd : 0x11);
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
		interrupt_once();
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
	interrupt_once();
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

/* Requests given to the engine without a ring. */
static struct io ios[512];
static uint8_t io_data[DISK_SECTORS * SECTOR];

static struct io *make(unsigned i, const struct view *v, enum io_op op, uint64_t sector, uint32_t sectors, uint8_t *data)
{
	struct io *io = &ios[i];
	*io = (struct io){ .view = v, .op = op, .sector = sector, .len = (uint64_t)sectors * SECTOR };
	if (data) {
		io->segs_count = 1;
		io->segs[0] = (struct seg){ data, sectors * SECTOR };
	}
	return io;
}

static void test_personas_share_the_slots_then_their_queues(void **state)
{
	(void)state;
	unsigned n = 0;
	direct = true;
	/* A queue that never lets go takes its persona's share only. */
	for (; n < 100; n++)
		disk_submit(DISK_CLIENT(0, 0), make(n, &plain_view, IO_READ, n, 1, io_data));
	assert_int_equal(disk.share[0].slots, disk.share[0].slots_max);
	disk_submit(DISK_CLIENT(0, 1), make(n++, &plain_view, IO_READ, 0, 1, io_data));
	assert_int_equal(clients[DISK_CLIENT(0, 1)].slots, 0);
	disk_submit(DISK_CLIENT(1, 0), make(n++, &plain_view, IO_READ, 0, 1, io_data));
	disk_submit(DISK_CLIENT_VAULT, make(n++, &plain_view, IO_READ, 0, 1, io_data));
	assert_int_equal(clients[DISK_CLIENT(1, 0)].slots, 1);
	assert_int_equal(clients[DISK_CLIENT_VAULT].slots, 1);
	/* What comes free goes to the other queue first, whoever looks first. */
	for (fake_lets = 3; fake_lets;)
		interrupt_once(); /* three: two of those in flight are not this persona's */
	assert_true(ios[100].in_flight || clients[DISK_CLIENT(0, 1)].pending == 0);
	fake_lets = UINT_MAX;
	for (unsigned k = 0; k < 100 && ios_done < n; k++)
		interrupt_once();
	assert_int_equal(ios_done, n);
	for (unsigned i = 0; i < SHARES; i++)
		assert_int_equal(disk.share[i].slots + disk.share[i].waiting, 0);
}

/* Writes of single sectors, sixteen in each of the units, from both queues at once. */
static void test_parts_of_a_unit_written_by_several_queues_are_kept(void **state)
{
	(void)state;
	direct = true;
	for (uint32_t s = 0; s < 256; s += 8)
		aes_xts_encrypt(&crypt_key.key, s, memset(image + (VIEW_AT + s) * SECTOR, 0, 4096), 4096);
	for (unsigned i = 0; i < 256; i++) {
		memset(io_data + i * SECTOR, (int)(i % 255) + 1, SECTOR);
		host_cpu = i % 3;
		disk_submit(DISK_CLIENT(0, i % 5), make(i, &secret_view, IO_WRITE, i, 1, io_data + i * SECTOR));
	}
	for (unsigned k = 0; k < 2000 && ios_done < 256; k++)
		interrupt_once();
	assert_int_equal(ios_done, 256);
	for (uint32_t s = 0; s < 256; s += 8)
		aes_xts_decrypt(&crypt_key.key, s, image + (VIEW_AT + s) * SECTOR, 4096);
	assert_memory_equal(image + VIEW_AT * SECTOR, io_data, 256 * SECTOR);
}

static void test_zeroing_lets_others_pass(void **state)
{
	(void)state;
	direct = true;
	disk_submit(0, make(0, &secret_view, IO_ZEROES, 0, VIEW_SECTORS, NULL));
	disk_submit(0, make(1, &secret_view, IO_READ, 8, 8, io_data));
	assert_int_equal(ios[1].in_flight, 1);
	assert_int_equal(clients[0].slots, ZEROES_MAX + 1);
	for (unsigned k = 0; k < 1000 && ios_done < 2; k++)
		interrupt_once();
	assert_int_equal(ios_done, 2);
	for (uint32_t s = 0; s < VIEW_SECTORS; s += 8) {
		aes_xts_decrypt(&crypt_key.key, s, image + (VIEW_AT + s) * SECTOR, 4096);
		for (unsigned i = 0; i < 4096; i++)
			assert_int_equal(image[(VIEW_AT + s) * SECTOR + i], 0);
	}
}

/* A flush is handed over only behind the writes that were done before it was asked for, whose queue it may be; and the engine answers it no
 * earlier than the device does. */
static void test_flush_reaches_the_device_for_every_queue(void **state)
{
	(void)state;
	direct = true;
	for (unsigned q = 0; q < 3; q++) {
		unsigned before = fake_flushes, done = ios_done;
		disk_submit(DISK_CLIENT(0, q), make(0, &plain_view, IO_WRITE, 0, 8, io_data));
		interrupt_once();
		assert_int_equal(ios_done, done + 1);
		disk_submit(DISK_CLIENT(0, (q + 1) % 3), make(1, &plain_view, IO_FLUSH, 0, 0, NULL));
		assert_int_equal(ios_done, done + 1);
		interrupt_once();
		assert_int_equal(fake_flushes, before + 1);
		assert_int_equal(ios_done, done + 2);
	}
}

/* One event does a bounded amount of encryption, and goes on at the next. */
static void test_long_work_is_cut(void **state)
{
	(void)state;
	direct = true;
	disk_submit(0, make(0, &secret_view, IO_READ, 0, VIEW_SECTORS, io_data));
	unsigned slots = clients[0].slots;
	assert_int_equal(slots, VIEW_SECTORS * SECTOR / PIECE_CRYPT);
	assert_true(slots > EVENT_BYTES / PIECE_CRYPT);
	disk_irq(INTID);
	host_rung = 0;
	(void)disk_run();
	assert_int_equal(clients[0].slots, slots - EVENT_BYTES / PIECE_CRYPT);
	assert_int_equal(host_rung, 1);
	disk_submit(0, make(1, &secret_view, IO_WRITE, 0, VIEW_SECTORS, io_data));
	interrupt_once();
	while (host_rung || clients[0].slots)
		interrupt_once();
	assert_int_equal(ios_done, 2);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_random_requests_on_plain_disk_match_model, setup),
		cmocka_unit_test_setup(test_random_requests_on_encrypted_disk_match_model, setup),
		cmocka_unit_test_setup(test_zeroing_by_the_device_matches_model, setup),
		cmocka_unit_test_setup(test_ranges_are_checked, setup),
		cmocka_unit_test_setup(test_discards_forget_whole_units_and_nothing_else, setup),
		cmocka_unit_test_setup(test_many_requests_in_flight_complete, setup),
		cmocka_unit_test_setup(test_written_data_is_what_was_offered, setup),
		cmocka_unit_test_setup(test_requests_outside_the_disk_fail, setup),
		cmocka_unit_test_setup(test_flush_and_id_and_device_errors, setup),
		cmocka_unit_test_setup(test_reset_drops_requests_and_says_when_they_are_gone, setup),
		cmocka_unit_test_setup(test_broken_chains_stop_the_device, setup),
		cmocka_unit_test_setup(test_queue_addresses_are_checked, setup),
		cmocka_unit_test_setup(test_registers_row_by_row, setup),
		cmocka_unit_test_setup(test_features_are_negotiated, setup),
		cmocka_unit_test_setup(test_personas_share_the_slots_then_their_queues, setup),
		cmocka_unit_test_setup(test_parts_of_a_unit_written_by_several_queues_are_kept, setup),
		cmocka_unit_test_setup(test_zeroing_lets_others_pass, setup),
		cmocka_unit_test_setup(test_flush_reaches_the_device_for_every_queue, setup),
		cmocka_unit_test_setup(test_long_work_is_cut, setup),
		cmocka_unit_test_setup(test_stuck_disk_holds_up_its_own_requests_only, setup),
	};
	return cmocka_run_group_tests_name("vault disk", tests, NULL, NULL);
}
