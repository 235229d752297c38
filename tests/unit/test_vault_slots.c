/* The records of slots: what is chosen, what is marked, and when they are left alone. */
#include "tests/unit/vault_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "vmm/vault/slots.c"

struct persona personas[MVP_MAX_PERSONAS];

/* What the job asks the disk for: misc of the handset, or a persona's disk. */
static uint8_t disk[4096], persona_disk[4096];
#define RECORD_AT 0x300000u /* of the persona's */
static unsigned reads, writes, flushes;
static bool fail_write;

static uint8_t *at_disk(const struct view *v, uint64_t at)
{
	assert_true(v == &personas[1].disk || v->sector == 2048);
	assert_int_equal(at, v == &personas[1].disk ? RECORD_AT : 0);
	return v == &personas[1].disk ? persona_disk : disk;
}

void job_read(struct job *j, const struct view *v, uint64_t at, uint8_t *to, uint64_t len)
{
	memcpy(to, at_disk(v, at), sizeof(disk));
	assert_int_equal(len, sizeof(disk));
	j->io.failed = false;
	reads++;
}

void job_write(struct job *j, const struct view *v, uint64_t at, uint8_t *from, uint64_t len)
{
	assert_int_equal(len, sizeof(disk));
	j->io.failed = fail_write;
	if (!fail_write)
		memcpy(at_disk(v, at), from, sizeof(disk));
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

/* The slot that is chosen, and what the words of both are then. */
static void assert_choice(struct mvp_slots *s, unsigned refused, unsigned want, unsigned a, unsigned b)
{
	static const char suffixes[SLOTS][4] = { "_a", "_b" };
	assert_int_equal(slots_choose(s, refused), want);
	if (want < SLOTS)
		assert_memory_equal(s->suffix, suffixes[want], 4);
	assert_int_equal(s->slot[0], a);
	assert_int_equal(s->slot[1], b);
	assert_true(is_record(s));
}

static void test_tries_run_out_and_the_other_slot_is_chosen(void **state)
{
	(void)state;
	struct mvp_slots s = record(); /* a: priority 14, good; b: 15, two tries */
	assert_choice(&s, 0, 1, 0x9e, 0x1f);
	assert_choice(&s, 0, 1, 0x9e, 0x0f);
	for (unsigned i = 0; i < 3; i++)
		assert_choice(&s, 0, 0, 0x9e, 0x0f); /* a good one costs nothing */
	s = record();
	assert_choice(&s, 0, 1, 0x9e, 0x1f);
	assert_true(slots_mark(&s));
	for (unsigned i = 0; i < 3; i++)
		assert_choice(&s, 0, 1, 0x9e, 0x9f);
}

static void test_what_is_refused_is_not_chosen_again(void **state)
{
	(void)state;
	struct mvp_slots s = record();
	assert_choice(&s, 2, 0, 0x9e, 0);     /* the update is broken */
	assert_choice(&s, 0, 0, 0x9e, 0);     /* and stays so at the next start */
	assert_choice(&s, 1, 1, 0, 0x6f - 1); /* what ran has broken: what is left is better than nothing */
	assert_choice(&s, 3, SLOTS, 0, 0);
	assert_choice(&s, 0, 0, 0x6f, 0x7e); /* at the next start all begins anew */
}

static void test_a_record_that_is_lost_begins_anew(void **state)
{
	(void)state;
	struct mvp_slots s = { 0 };
	for (unsigned tries = 7; tries > 0; tries--)
		assert_choice(&s, 0, 0, (tries - 1) << 4 | 0xf, 0x7e);
	for (unsigned tries = 7; tries > 0; tries--)
		assert_choice(&s, 0, 1, 0xf, (tries - 1) << 4 | 0xe);
	assert_choice(&s, 0, 0, 0x6f, 0x7e);
	for (size_t bit = 0; bit < 8 * sizeof(s); bit++) {
		s = record();
		((uint8_t *)&s)[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_choice(&s, 0, 0, 0x6f, 0x7e);
	}
	/* Of a disk that was built: B has never held anything. */
	s = record();
	s.slot[0] = 0x1f;
	s.slot[1] = 0;
	s.checksum = sum_of(&s);
	assert_choice(&s, 0, 0, 0x0f, 0);
	assert_choice(&s, 0, 0, 0x6f, 0x7e);
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
	slots_good(0);
	run();
	assert_int_equal(reads, 0); /* there is no misc */
	slots_open(&(struct view){ .sector = 2048, .sectors = 2048 });
	run();
	assert_int_equal(reads, 0); /* nothing runs yet */
	slots_good(0);
	fail_write = true;
	run();
	assert_int_equal(writes, 1);
	assert_int_equal(flushes, 0);
	fail_write = false;
	slots_good(0);
	run();
	assert_int_equal(writes, 2);
	assert_int_equal(flushes, 1);
	memcpy(&got, disk + 2048, sizeof(got));
	assert_int_equal(got.slot[1], 0x9f);
	slots_good(0);
	run();
	assert_int_equal(reads, 3);
	assert_int_equal(writes, 2); /* it says so already */
}

static void test_each_owner_is_marked(void **state)
{
	(void)state;
	static const struct mvp_vault_persona config = { .name = "work" };
	struct mvp_slots s = record(), got;
	personas[1].config = &config;
	memcpy(disk + 2048, &s, sizeof(s));
	memcpy(persona_disk + 2048, &s, sizeof(s));
	slots_open(&(struct view){ .sector = 2048, .sectors = 2048 });
	reads = writes = flushes = 0;
	slots_open_persona(1, RECORD_AT);
	slots_good(0); /* which has no slots */
	run();
	assert_int_equal(writes, 1);
	memcpy(&got, persona_disk + 2048, sizeof(got));
	assert_memory_equal(&got, &s, sizeof(s));
	slots_good(1);
	assert_true(slots_poll());
	assert_true(slots_busy(1) && !slots_busy(0));
	run();
	assert_false(slots_busy(1));
	memcpy(&got, persona_disk + 2048, sizeof(got));
	assert_int_equal(got.slot[1], 0x9f);
	assert_int_equal(flushes, 2);
	/* Nothing is begun on a disk that is being taken away. */
	memcpy(persona_disk + 2048, &s, sizeof(s));
	slots_good(1);
	slots_open_persona(1, 0);
	run();
	memcpy(&got, persona_disk + 2048, sizeof(got));
	assert_memory_equal(&got, &s, sizeof(s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_slot_that_runs_is_marked),
		cmocka_unit_test(test_what_is_not_sound_stays),
		cmocka_unit_test(test_a_start_marks_it_once),
		cmocka_unit_test(test_tries_run_out_and_the_other_slot_is_chosen),
		cmocka_unit_test(test_what_is_refused_is_not_chosen_again),
		cmocka_unit_test(test_a_record_that_is_lost_begins_anew),
		cmocka_unit_test(test_each_owner_is_marked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
