/* The record of the handset's slots: what is marked, and when it is left alone. */
#include "tests/unit/vault_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "vmm/vault/slots.c"

/* What the job asks the disk for. */
static uint8_t disk[4096];
static unsigned reads, writes, flushes;
static bool fail_write;

void job_read(struct job *j, const struct view *v, uint64_t at, uint8_t *to, uint64_t len)
{
	assert_int_equal(at, 0);
	assert_int_equal(len, sizeof(disk));
	assert_int_equal(v->sector, 2048);
	memcpy(to, disk, sizeof(disk));
	j->io.failed = false;
	reads++;
}

void job_write(struct job *j, const struct view *v, uint64_t at, uint8_t *from, uint64_t len)
{
	assert_int_equal(at, 0);
	assert_int_equal(len, sizeof(disk));
	assert_int_equal(v->sector, 2048);
	j->io.failed = fail_write;
	if (!fail_write)
		memcpy(disk, from, sizeof(disk));
	writes++;
}

void job_flush(struct job *j, const struct view *v)
{
	(void)v;
	j->io.failed = false;
	flushes++;
}

bool job_read_failed(const struct job *j)
{
	return j->io.failed;
}

bool job_step(struct job *j, bool work)
{
	(void)work;
	if (j->state == JOB_IDLE)
		return false;
	j->state = j->state == JOB_SLOTS_READ ? slots_read(j) : j->state == JOB_SLOTS_WRITTEN ? slots_written(j) : slots_flushed(j);
	return true;
}

void console_log(const char *format, ...)
{
	(void)format;
}

uint32_t crc32_add(uint32_t crc, const uint8_t *data, size_t len)
{
	crc = ~crc;
	while (len--) {
		crc ^= *data++;
		for (unsigned i = 0; i < 8; i++)
			crc = crc >> 1 ^ (0xedb88320u & -(crc & 1));
	}
	return ~crc;
}

/* As U-Boot's ab_select writes it when it starts slot b with two tries left;
 * slot a has priority 14 and was successful. The checksum is that of Python's zlib.crc32. */
static struct mvp_slots record(void)
{
	static const uint8_t bytes[32] = { '_', 'b', 0, 0, 0x42, 0x43, 0x41, 0x42, 1, 2, 0, 0, 0x9e, 0,    0x2f, 0,
					   0,   0,   0, 0, 0,    0,    0,    0,    0, 0, 0, 0, 0x9b, 0xf8, 0x54, 0x6d };
	struct mvp_slots s;
	memcpy(&s, bytes, sizeof(s));
	return s;
}

static void test_the_slot_that_runs_is_marked(void **state)
{
	(void)state;
	struct mvp_slots s = record();
	assert_int_equal(s.checksum, sum_of(&s));
	assert_true(slots_mark(&s));
	assert_int_equal(s.slot[1], 0x9f); /* successful, one try, priority 15 */
	assert_int_equal(s.slot[0], 0x9e);
	assert_int_equal(s.checksum, sum_of(&s));
	assert_false(slots_mark(&s)); /* nothing is new */
}

static void test_what_is_not_sound_stays(void **state)
{
	(void)state;
	for (size_t bit = 0; bit < 8 * sizeof(struct mvp_slots); bit++) {
		struct mvp_slots s = record(), before;
		((uint8_t *)&s)[bit / 8] ^= (uint8_t)(1u << bit % 8);
		before = s;
		assert_false(slots_mark(&s));
		assert_memory_equal(&s, &before, sizeof(s));
	}
	static const char suffixes[][4] = { "_c", "_d", "_z", "b", "", "_", "_bb", "_A" };
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++) {
		struct mvp_slots s = record();
		memcpy(s.suffix, suffixes[i], 4);
		s.checksum = sum_of(&s);
		assert_false(slots_mark(&s));
	}
	struct mvp_slots s = record();
	s.count = 7; /* more than there is room for */
	s.suffix[1] = 'e';
	s.checksum = sum_of(&s);
	assert_false(slots_mark(&s));
}

static void run(void)
{
	for (unsigned i = 0; i < 10; i++)
		slots_poll();
}

static void test_a_start_marks_it_once(void **state)
{
	(void)state;
	struct mvp_slots s = record(), got;
	memcpy(disk + 2048, &s, sizeof(s));
	slots_open(&(struct view){ 0 });
	slots_good();
	run();
	assert_int_equal(reads, 0); /* there is no misc */
	slots_open(&(struct view){ .sector = 2048, .sectors = 2048 });
	run();
	assert_int_equal(reads, 0); /* nothing runs yet */
	slots_good();
	fail_write = true;
	run();
	assert_int_equal(writes, 1);
	assert_int_equal(flushes, 0);
	fail_write = false;
	slots_good();
	run();
	assert_int_equal(writes, 2);
	assert_int_equal(flushes, 1);
	memcpy(&got, disk + 2048, sizeof(got));
	assert_int_equal(got.slot[1], 0x9f);
	slots_good();
	run();
	assert_int_equal(reads, 3);
	assert_int_equal(writes, 2); /* it says so already */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_slot_that_runs_is_marked),
		cmocka_unit_test(test_what_is_not_sound_stays),
		cmocka_unit_test(test_a_start_marks_it_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
