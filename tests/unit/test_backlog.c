/* What a slow packer gets through its backlog is what was put, in order, however far behind it is. */
#include "tests/unit/formats.h"

#include <inttypes.h>
#include <pthread.h>

#include "imagegen/bundle/backlog.h"

#define ROOM (2 * MIB) /* the least: the ring's end falls into entries and into their data */
#define PIECES 40

/* Piece i: its length, and whether it is a hole. */
static uint64_t len_of(size_t i)
{
	return i % 5 == 3 ? 10 * GIB : 1 + i * 37003 % (MIB + MIB / 2);
}

static bool hole(size_t i)
{
	return i % 5 == 3;
}

struct taker {
	size_t piece; /* being taken */
	uint64_t done;
	size_t fail_at;       /* this piece is refused */
	pthread_mutex_t gate; /* it takes nothing as long as it is locked */
	uint64_t taken;
};

static int take(void *ctx, size_t part, uint64_t at, const void *data, uint64_t len, struct diag *d)
{
	struct taker *t = ctx;
	const uint8_t *p = data;
	(void)pthread_mutex_lock(&t->gate);
	(void)pthread_mutex_unlock(&t->gate);
	if (t->piece == t->fail_at)
		return diag_fail(d, MVP0811, NULL, "refused");
	assert_true(t->piece < PIECES);
	assert_int_equal(part, t->piece);
	assert_int_equal(at, 4096 * t->piece + t->done);
	assert_true(hole(t->piece) == !data && (hole(t->piece) || len <= MIB));
	for (uint64_t i = 0; data && i < len; i++)
		if (p[i] != (uint8_t)(t->piece * 31 + t->done + i))
			return diag_fail(d, MVP0001, NULL, "byte %" PRIu64 " of piece %zu", t->done + i, t->piece);
	t->done += len;
	t->taken += len;
	if (t->done == len_of(t->piece)) {
		t->piece++;
		t->done = 0;
	}
	return 0;
}

static int put(struct backlog *s, size_t i, struct diag *d)
{
	uint64_t len = len_of(i);
	uint8_t *data CLEANUP_FREE = hole(i) ? NULL : mem_zeroed(1, len);
	for (uint64_t k = 0; data && k < len; k++)
		data[k] = (uint8_t)(i * 31 + k);
	return backlog_put(s, i, 4096 * i, data, len, d);
}

static void begin(struct taker *t, size_t fail_at)
{
	*t = (struct taker){ .fail_at = fail_at };
	assert_int_equal(pthread_mutex_init(&t->gate, NULL), 0);
}

static void test_all_comes_in_order(void **state)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct backlog *s CLEANUP(backlog_freep) = NULL;
	struct taker t;
	(void)state;
	begin(&t, SIZE_MAX);
	assert_int_equal(backlog_new("/tmp", ROOM, take, &t, &s, d), 0);
	for (size_t i = 0; i < PIECES; i++)
		assert_int_equal(put(s, i, d), 0);
	assert_int_equal(backlog_end(s, d), 0);
	assert_int_equal(t.piece, PIECES);
	assert_int_equal(diag_count(d), 0);
}

/* A taker that does not move keeps nobody waiting as long as there is room. */
static void test_nobody_waits_for_the_taker(void **state)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct backlog *s CLEANUP(backlog_freep) = NULL;
	struct taker t;
	(void)state;
	begin(&t, SIZE_MAX);
	(void)pthread_mutex_lock(&t.gate);
	assert_int_equal(backlog_new("/tmp", 64 * MIB, take, &t, &s, d), 0);
	for (size_t i = 0; i < PIECES; i++)
		assert_int_equal(put(s, i, d), 0);
	assert_int_equal(t.taken, 0);
	(void)pthread_mutex_unlock(&t.gate);
	assert_int_equal(backlog_end(s, d), 0);
	assert_int_equal(t.piece, PIECES);
}

static void test_a_failure_is_said_once(void **state)
{
	(void)state;
	for (size_t fail_at = 0; fail_at < PIECES; fail_at += PIECES - 1) {
		struct diag *d CLEANUP(diag_freep) = diag_new();
		struct backlog *s CLEANUP(backlog_freep) = NULL;
		struct taker t;
		int r = 0;
		begin(&t, fail_at);
		assert_int_equal(backlog_new("/tmp", ROOM, take, &t, &s, d), 0);
		for (size_t i = 0; i < PIECES && r == 0; i++)
			r = put(s, i, d);
		assert_int_equal(r < 0 ? r : backlog_end(s, d), -1);
		/* and whoever asks again hears no more of it */
		assert_int_equal(put(s, PIECES - 1, d), -1);
		expect_only(&d, MVP0811);
	}
}

static void test_it_can_be_left(void **state)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct backlog *s CLEANUP(backlog_freep) = NULL, *unused CLEANUP(backlog_freep) = NULL;
	struct taker t;
	(void)state;
	begin(&t, SIZE_MAX);
	assert_int_equal(backlog_new("/tmp", ROOM, take, &t, &unused, d), 0);
	assert_int_equal(backlog_new("/tmp", ROOM, take, &t, &s, d), 0);
	assert_int_equal(put(s, 0, d), 0);
}

static void test_a_folder_that_is_not_there_is_named(void **state)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct backlog *s = NULL;
	struct taker t;
	(void)state;
	begin(&t, SIZE_MAX);
	assert_int_equal(backlog_new("/tmp/not-there.mvp", ROOM, take, &t, &s, d), -1);
	expect_only(&d, MVP0811);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_comes_in_order),
		cmocka_unit_test(test_nobody_waits_for_the_taker),
		cmocka_unit_test(test_a_failure_is_said_once),
		cmocka_unit_test(test_it_can_be_left),
		cmocka_unit_test(test_a_folder_that_is_not_there_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
