/* The vault's disk engine and virtual disk against a disk in memory: what a persona writes is on the disk under the container's cipher,
 * what it reads is what it wrote, whatever the alignment, the segments, the queue and the order of completions; and nobody takes another's
 * share. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture_disk.h"

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
	unsigned slots, pages;
	disk_in_use(&slots, &pages);
	assert_int_equal(slots, 0);
	assert_int_equal(pages, 0);
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

/* What a persona reads or writes of its encrypted disk, whole units or parts, stays in no buffer of the vault. */
static void test_no_plaintext_stays_in_bounce_buffers(void **state)
{
	(void)state;
	static const uint8_t text[16] = { 's', 'e', 'c', 'r', 'e', 't', 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 };
	static const uint32_t lens[] = { 4096, 512, 1024 };
	plug(&secret_view);
	for (unsigned n = 0; n < ARRAY_LEN(lens); n++) {
		for (uint32_t i = 0; i < lens[n]; i += sizeof(text))
			memcpy(ram_bytes + DATA_AT + i, text, sizeof(text));
		assert_int_equal(request(TYPE_OUT, 8 * n, lens[n], 0, 0), 0);
		memset(ram_bytes + DATA_AT, 0, lens[n]);
		assert_int_equal(request(TYPE_IN, 8 * n, lens[n], 0, 0), 0);
		assert_memory_equal(ram_bytes + DATA_AT, text, sizeof(text));
		for (const uint8_t *b = bounce[0]; b < (const uint8_t *)bounce + sizeof(bounce); b += sizeof(text))
			assert_memory_not_equal(b, text, sizeof(text));
	}
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

/* Three CPUs at once, each a thread with a client of its own, that write and read back sectors of the same data units; CPU 0 takes the
 * interrupts. */
enum { THREADS = 3, THREAD_OPS = 80, THREAD_DEPTH = 4, THREAD_SECTORS = 96 };

static unsigned threads_left;

struct worker {
	unsigned cpu, wrong;
	uint8_t data[THREAD_DEPTH][SECTOR], expected[THREAD_SECTORS];
	bool busy[THREAD_DEPTH], reads[THREAD_DEPTH];
	unsigned place[THREAD_DEPTH];
};

static unsigned serve(unsigned cpu)
{
	sched_yield(); /* there may be fewer CPUs than threads */
	if (cpu == 0)
		disk_irq(INTID);
	if (cpu == 0 || __atomic_fetch_and(&host_rung, ~(1u << cpu), __ATOMIC_ACQUIRE) & 1u << cpu)
		return disk_run();
	return 0;
}

/* Takes the place of a request that is done; false while it is not. */
static bool reap(struct worker *w, unsigned k)
{
	struct io *io = &ios[w->cpu * THREAD_DEPTH + k];
	disk_lock(w->cpu);
	bool busy = io->view;
	disk_unlock(w->cpu);
	if (busy)
		return false;
	for (unsigned i = 0; w->busy[k] && w->reads[k] && i < SECTOR; i++)
		w->wrong += w->data[k][i] != w->expected[w->place[k]];
	w->busy[k] = false;
	return true;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	unsigned begun = 0, left = 1, seed = w->cpu;
	host_cpu = w->cpu;
	while (begun < THREAD_OPS || left) {
		left = 0;
		for (unsigned k = 0; k < THREAD_DEPTH; k++) {
			if (!reap(w, k)) {
				left++;
				continue;
			}
			if (begun == THREAD_OPS)
				continue;
			/* Places of the requests in flight are apart: THREAD_DEPTH classes. */
			seed = seed * 1664525 + 1013904223;
			unsigned place = (seed >> 8) % (THREAD_SECTORS / THREAD_DEPTH) * THREAD_DEPTH + k;
			bool reads = seed >> 30 & 1;
			w->busy[k] = true;
			w->reads[k] = reads;
			w->place[k] = place;
			if (!reads) {
				w->expected[place] = (uint8_t)(seed >> 16);
				memset(w->data[k], w->expected[place], SECTOR);
			}
			disk_lock(w->cpu);
			disk_submit(w->cpu, make(w->cpu * THREAD_DEPTH + k, &secret_view, reads ? IO_READ : IO_WRITE,
						 place * THREADS + w->cpu, 1, w->data[k]));
			disk_unlock(w->cpu);
			begun++;
			left++;
		}
		(void)serve(w->cpu);
	}
	__atomic_fetch_sub(&threads_left, 1, __ATOMIC_ACQ_REL);
	while (w->cpu == 0 && __atomic_load_n(&threads_left, __ATOMIC_ACQUIRE))
		(void)serve(0);
	return NULL;
}

static void test_cpus_share_data_units_at_once(void **state)
{
	(void)state;
	static struct worker workers[THREADS];
	pthread_t threads[THREADS];
	direct = true;
	for (uint32_t s = 0; s < VIEW_SECTORS; s += 8)
		aes_xts_encrypt(&crypt_key.key, s, memset(image + (VIEW_AT + s) * SECTOR, 0, 4096), 4096);
	memset(ios, 0, sizeof(ios));
	threads_left = THREADS;
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i].cpu = i;
		assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(ios_done, THREADS * THREAD_OPS);
	assert_int_equal(disk.slots_used, 0);
	for (uint32_t s = 0; s < VIEW_SECTORS; s += 8)
		aes_xts_decrypt(&crypt_key.key, s, image + (VIEW_AT + s) * SECTOR, 4096);
	for (unsigned i = 0; i < THREADS; i++) {
		assert_int_equal(workers[i].wrong, 0);
		for (unsigned p = 0; p < THREAD_SECTORS; p++)
			assert_int_equal(image[(VIEW_AT + p * THREADS + i) * SECTOR], workers[i].expected[p]);
	}
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
		cmocka_unit_test_setup(test_no_plaintext_stays_in_bounce_buffers, setup),
		cmocka_unit_test_setup(test_written_data_is_what_was_offered, setup),
		cmocka_unit_test_setup(test_requests_outside_the_disk_fail, setup),
		cmocka_unit_test_setup(test_flush_and_id_and_device_errors, setup),
		cmocka_unit_test_setup(test_personas_share_the_slots_then_their_queues, setup),
		cmocka_unit_test_setup(test_parts_of_a_unit_written_by_several_queues_are_kept, setup),
		cmocka_unit_test_setup(test_zeroing_lets_others_pass, setup),
		cmocka_unit_test_setup(test_flush_reaches_the_device_for_every_queue, setup),
		cmocka_unit_test_setup(test_long_work_is_cut, setup),
		cmocka_unit_test_setup(test_cpus_share_data_units_at_once, setup),
	};
	return cmocka_run_group_tests_name("vault disk", tests, NULL, NULL);
}
