/* Alerts between the personas: policy and redaction, order, what waits, and that each comes once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture_notify.h"

enum { PERSONAL, WORK };
static struct heard h;

static int setup(void **state)
{
	(void)state;
	notify_reset();
	return 0;
}

static void expect_result(unsigned p, uint64_t seq, enum mvp_notify_answer answer)
{
	assert_true(hear(p, &h));
	assert_int_equal(h.head.type, MVP_NOTIFY_RESULT);
	assert_int_equal(h.head.seq, seq);
	assert_int_equal(h.result.answer, answer);
}

static void expect_error(unsigned p, enum mvp_notify_wrong why)
{
	assert_true(hear(p, &h));
	assert_int_equal(h.head.type, MVP_NOTIFY_ERROR);
	assert_int_equal(h.error.why, why);
	assert_false(hear(p, &h));
}

static const struct mvp_notify_item plain = { .category = MVP_NOTIFY_MAIL, .priority = MVP_NOTIFY_HIGH, .actions = 3, .time = 1700000000 };

static void test_an_alert_arrives_and_is_acknowledged(void **state)
{
	(void)state;
	struct mvp_notify_welcome w = begin(PERSONAL, 0, 0);
	assert_string_equal(w.persona, "personal");
	assert_string_equal(w.other, "work");
	assert_int_equal(w.taken, 0);
	begin(WORK, 0, 0);
	assert_true(say_alert(PERSONAL, 5, plain, "mail", "Title", "Body"));
	expect_result(PERSONAL, 5, MVP_NOTIFY_TAKEN);
	notify_poll();
	assert_true(woken[WORK]);
	assert_true(hear(WORK, &h));
	assert_int_equal(h.head.type, MVP_NOTIFY_ITEM);
	assert_int_equal(h.head.seq, 1);
	assert_int_equal(h.item.id, 5);
	assert_int_equal(h.item.level, MVP_NOTIFY_FULL);
	assert_int_equal(h.item.category, MVP_NOTIFY_MAIL);
	assert_memory_equal(h.bytes + sizeof(h.item), "mailTitleBody", 13);
	assert_int_equal(h.head.len, sizeof(h.item) + 13);
	assert_false(hear(WORK, &h));
	take(WORK, 1);
	assert_int_equal(peers[WORK].queue.len, 0);
	assert_int_equal(notify_alerts(PERSONAL), 1);
	assert_int_equal(notify_alerts(WORK), 0);
}

/* Every level, kind of text and category: what is withheld is in no byte of what comes, nor anywhere in the vault. */
static bool holds(const void *where, size_t size, const char *text)
{
	return memmem(where, size, text, strlen(text)) != NULL;
}

static void test_redaction_follows_the_policy(void **state)
{
	(void)state;
	begin(PERSONAL, 0, 0);
	begin(WORK, 0, 0);
	uint64_t seq = 0;
	for (unsigned from = 0; from < 2; from++) {
		for (unsigned category = 0; category < MVP_NOTIFY_CATEGORIES; category++) {
			for (unsigned level = MVP_NOTIFY_NONE; level <= MVP_NOTIFY_FULL; level++) {
				unsigned to = 1 - from, alerts = notify_alerts(from);
				memset(host_config.persona[from].notify_level, MVP_NOTIFY_FULL, MVP_NOTIFY_CATEGORIES);
				host_config.persona[from].notify_level[category] = (uint8_t)level;
				struct mvp_notify_item i = plain;
				i.category = (uint8_t)category;
				i.priority = MVP_NOTIFY_URGENT;
				assert_true(say_alert(from, ++seq, i, "AnApp", "TheTitle", "ASecretBody"));
				expect_result(from, seq, level == MVP_NOTIFY_NONE ? MVP_NOTIFY_DENIED : MVP_NOTIFY_TAKEN);
				assert_int_equal(holds(peers, sizeof(peers), "SecretBody"), level == MVP_NOTIFY_FULL);
				assert_int_equal(holds(peers, sizeof(peers), "TheTitle"), level >= MVP_NOTIFY_TITLE);
				assert_int_equal(hear(to, &h), level != MVP_NOTIFY_NONE);
				assert_int_equal(notify_alerts(from), alerts + (level != MVP_NOTIFY_NONE));
				if (level == MVP_NOTIFY_NONE)
					continue;
				bool title = level >= MVP_NOTIFY_TITLE, full = level == MVP_NOTIFY_FULL;
				assert_int_equal(h.item.level, level);
				assert_int_equal(h.item.app_len, title ? 5 : 0);
				assert_int_equal(h.item.title_len, title ? 8 : 0);
				assert_int_equal(h.item.body_len, full ? 11 : 0);
				assert_int_equal(h.item.category, title ? category : MVP_NOTIFY_OTHER);
				assert_int_equal(h.item.priority, title ? MVP_NOTIFY_URGENT : MVP_NOTIFY_NORMAL);
				assert_int_equal(holds(&h, sizeof(h), "TheTitle"), title);
				assert_int_equal(holds(&h, sizeof(h), "SecretBody"), full);
				take(to, h.head.seq);
				/* Nothing is left where it waited. */
				assert_false(holds(peers, sizeof(peers), "TheTitle"));
			}
		}
	}
}

static void test_quiet_hours(void **state)
{
	(void)state;
	static const struct {
		uint16_t from, to, hour;
		uint8_t priority;
		bool quiet;
	} rows[] = {
		{ 22 * 60, 7 * 60, 23, MVP_NOTIFY_HIGH, true },    { 22 * 60, 7 * 60, 6, MVP_NOTIFY_LOW, true },
		{ 22 * 60, 7 * 60, 7, MVP_NOTIFY_HIGH, false },    { 22 * 60, 7 * 60, 12, MVP_NOTIFY_HIGH, false },
		{ 22 * 60, 7 * 60, 23, MVP_NOTIFY_URGENT, false }, { 9 * 60, 17 * 60, 9, MVP_NOTIFY_NORMAL, true },
		{ 9 * 60, 17 * 60, 17, MVP_NOTIFY_NORMAL, false }, { 0, 0, 0, MVP_NOTIFY_NORMAL, false },
	};
	begin(PERSONAL, 0, 0);
	begin(WORK, 0, 0);
	for (unsigned n = 0; n < ARRAY_LEN(rows); n++) {
		struct mvp_notify_item i = plain;
		i.priority = rows[n].priority;
		host_config.quiet_from = rows[n].from;
		host_config.quiet_to = rows[n].to;
		clock_seconds = 86400u * 20000 + rows[n].hour * 3600u;
		assert_true(say_alert(WORK, n + 1, i, "a", "t", "b"));
		expect_result(WORK, n + 1, MVP_NOTIFY_TAKEN);
		assert_true(hear(PERSONAL, &h));
		assert_int_equal(h.item.flags, rows[n].quiet ? MVP_NOTIFY_QUIET : 0);
		take(PERSONAL, h.head.seq);
	}
}

static void test_items_wait_for_an_agent_and_come_once(void **state)
{
	(void)state;
	begin(WORK, 0, 0);
	for (uint64_t n = 1; n <= 20; n++) {
		assert_true(say_alert(WORK, n, plain, "a", "t", ""));
		expect_result(WORK, n, MVP_NOTIFY_TAKEN);
	}
	struct mvp_notify_welcome w = begin(PERSONAL, 0, 0);
	for (uint64_t n = 1; n <= WINDOW; n++) {
		assert_true(hear(PERSONAL, &h));
		assert_int_equal(h.item.id, n);
	}
	assert_false(hear(PERSONAL, &h)); /* no more than the window */
	take(PERSONAL, 2);
	/* The agent is killed, having written down five, of which the vault knows two. */
	notify_open(PERSONAL, false);
	assert_false(hear(PERSONAL, &h));
	begin(PERSONAL, w.epoch, 5);
	assert_true(hear(PERSONAL, &h));
	assert_int_equal(h.item.id, 6);
	/* One that remembers nothing, or another epoch, gets what nobody took. */
	begin(PERSONAL, w.epoch + 1, 20);
	assert_true(hear(PERSONAL, &h));
	assert_int_equal(h.item.id, 6);
	begin(PERSONAL, w.epoch, 20);
	assert_false(hear(PERSONAL, &h));
	/* A sender that was not told sends again. */
	w = begin(WORK, 0, 0);
	assert_int_equal(w.taken, 20);
	for (uint64_t n = 18; n <= 20; n++) {
		assert_true(say_alert(WORK, n, plain, "a", "t", ""));
		expect_result(WORK, n, MVP_NOTIFY_TAKEN);
	}
	assert_false(hear(PERSONAL, &h));
	assert_true(say_alert(WORK, 21, plain, "a", "t", ""));
	expect_result(WORK, 21, MVP_NOTIFY_TAKEN);
	assert_true(hear(PERSONAL, &h));
	assert_int_equal(h.item.id, 21);
}

static void test_a_full_queue_refuses_and_loses_nothing(void **state)
{
	(void)state;
	host_config.notify_queue = 3;
	begin(WORK, 0, 0);
	for (uint64_t n = 1; n <= 5; n++) {
		assert_true(say_alert(WORK, n, plain, "a", "t", ""));
		expect_result(WORK, n, n <= 3 ? MVP_NOTIFY_TAKEN : MVP_NOTIFY_BUSY);
	}
	begin(PERSONAL, 0, 0);
	assert_true(hear(PERSONAL, &h));
	take(PERSONAL, 1);
	/* There is room for one: it is not the fifth, or the fourth would be taken for one that was had before. */
	host_time += 60000000;
	assert_true(say_alert(WORK, 5, plain, "a", "t", ""));
	expect_result(WORK, 5, MVP_NOTIFY_BUSY);
	assert_true(say_alert(WORK, 4, plain, "a", "t", ""));
	expect_result(WORK, 4, MVP_NOTIFY_TAKEN);
	assert_true(say_alert(WORK, 5, plain, "a", "t", ""));
	expect_result(WORK, 5, MVP_NOTIFY_BUSY);
	assert_true(hear(PERSONAL, &h) && h.item.id == 2);
	assert_true(hear(PERSONAL, &h) && h.item.id == 3);
	take(PERSONAL, 3);
	assert_true(say_alert(WORK, 5, plain, "a", "t", ""));
	expect_result(WORK, 5, MVP_NOTIFY_TAKEN);
	assert_true(hear(PERSONAL, &h) && h.item.id == 4);
	assert_true(hear(PERSONAL, &h) && h.item.id == 5);
}

static void test_long_items_fill_the_queue_and_wrap_in_it(void **state)
{
	(void)state;
	static char text[MVP_NOTIFY_TEXT_MAX + 1];
	uint64_t sent = 0, got = 0;
	host_config.notify_queue = 256;
	begin(PERSONAL, 0, 0);
	begin(WORK, 0, 0);
	for (unsigned n = 0; n < 300; n++) {
		memset(text, 'a' + (int)(n % 26), sizeof(text) - 1);
		assert_true(say_alert(PERSONAL, ++sent, plain, "app", "title", text));
		assert_true(hear(PERSONAL, &h) && h.head.type == MVP_NOTIFY_RESULT);
		if (h.result.answer == MVP_NOTIFY_BUSY) {
			sent--;
			assert_true(QUEUE_BYTES - peers[WORK].queue.len < sizeof(text) + 200);
			while (peers[WORK].queue.len) {
				assert_true(hear(WORK, &h));
				assert_int_equal(h.item.id, ++got);
				assert_int_equal(h.item.body_len, sizeof(text) - 1);
				const char *body = (const char *)h.bytes + sizeof(h.item) + 8;
				assert_true(body[0] == body[2047] && body[0] == body[1000]);
				take(WORK, h.head.seq);
			}
			host_time += 1000000;
		}
	}
	assert_true(got > 100);
}

static void test_a_flood_is_limited(void **state)
{
	(void)state;
	unsigned taken = 0;
	host_config.notify_rate = 60; /* one a second, and a queue's worth at once */
	host_config.notify_queue = 4;
	begin(WORK, 0, 0);
	begin(PERSONAL, 0, 0);
	uint64_t seq = 1;
	for (unsigned n = 0; n < 100; n++, host_time += 100000) { /* ten seconds */
		assert_true(say_alert(WORK, seq, plain, "a", "t", ""));
		assert_true(hear(WORK, &h));
		if (h.result.answer == MVP_NOTIFY_TAKEN) {
			taken++;
			seq++;
			assert_true(hear(PERSONAL, &h));
			take(PERSONAL, h.head.seq);
		}
	}
	assert_in_range(taken, 13, 15);
}

static void test_dismissed_on_one_side_is_dismissed_on_the_other(void **state)
{
	(void)state;
	begin(WORK, 0, 0);
	begin(PERSONAL, 0, 0);
	for (uint64_t n = 1; n <= 3; n++) {
		say_alert(WORK, n, plain, "a", "t", "");
		expect_result(WORK, n, MVP_NOTIFY_TAKEN);
	}
	assert_true(hear(PERSONAL, &h));
	take(PERSONAL, 1);
	assert_int_equal(notify_alerts(WORK), 3);
	/* By the receiver: the sender hears that one of its own is dismissed. */
	assert_true(say_about(PERSONAL, 1, MVP_NOTIFY_DISMISS, 1, 0));
	assert_true(hear(PERSONAL, &h));
	assert_true(h.head.type == MVP_NOTIFY_RESULT || h.head.type == MVP_NOTIFY_ITEM);
	assert_int_equal(notify_alerts(WORK), 2);
	assert_true(hear(WORK, &h));
	assert_int_equal(h.item.kind, MVP_NOTIFY_DISMISS);
	assert_int_equal(h.item.id, 1);
	assert_int_equal(h.item.flags, MVP_NOTIFY_MINE);
	take(WORK, h.head.seq);
	/* Twice is once. */
	say_about(PERSONAL, 2, MVP_NOTIFY_DISMISS, 1, 0);
	say_about(WORK, 4, MVP_NOTIFY_DISMISS, 1, MVP_NOTIFY_MINE);
	expect_result(WORK, 4, MVP_NOTIFY_TAKEN);
	assert_false(hear(WORK, &h));
	assert_int_equal(notify_alerts(WORK), 2);
	/* By the sender, after it was given and before. */
	say_about(WORK, 5, MVP_NOTIFY_DISMISS, 2, MVP_NOTIFY_MINE);
	expect_result(WORK, 5, MVP_NOTIFY_TAKEN);
	assert_int_equal(notify_alerts(WORK), 1);
}

static void test_withdrawn_before_it_was_given_never_comes(void **state)
{
	(void)state;
	begin(WORK, 0, 0);
	for (uint64_t n = 1; n <= 20; n++) {
		say_alert(WORK, n, plain, "a", "withdrawn", "");
		expect_result(WORK, n, MVP_NOTIFY_TAKEN);
	}
	for (uint64_t n = 1; n <= 19; n++) {
		say_about(WORK, 20 + n, MVP_NOTIFY_DISMISS, n == 19 ? 20 : n, MVP_NOTIFY_MINE);
		expect_result(WORK, 20 + n, MVP_NOTIFY_TAKEN);
	}
	assert_int_equal(peers[PERSONAL].queue.count, 1);
	begin(PERSONAL, 0, 0);
	assert_true(hear(PERSONAL, &h));
	assert_int_equal(h.item.id, 19);
	assert_int_equal(h.head.seq, 19);
	assert_false(hear(PERSONAL, &h));
	take(PERSONAL, 19);
	assert_false(hear(PERSONAL, &h));
	assert_int_equal(notify_alerts(WORK), 1);
	assert_int_equal(peers[PERSONAL].queue.count, 0);
}

static void test_open_needs_leave(void **state)
{
	(void)state;
	begin(WORK, 0, 0);
	begin(PERSONAL, 0, 0);
	say_alert(WORK, 1, plain, "a", "t", "");
	expect_result(WORK, 1, MVP_NOTIFY_TAKEN);
	assert_true(hear(PERSONAL, &h));
	take(PERSONAL, 1);
	say_about(PERSONAL, 1, MVP_NOTIFY_OPEN, 1, 0);
	expect_result(PERSONAL, 1, MVP_NOTIFY_DENIED);
	assert_false(hear(WORK, &h));
	may_yield = true;
	say_about(PERSONAL, 2, MVP_NOTIFY_OPEN, 1, 0);
	expect_result(PERSONAL, 2, MVP_NOTIFY_TAKEN);
	assert_int_equal(yields, 1);
	assert_true(hear(WORK, &h));
	assert_int_equal(h.item.kind, MVP_NOTIFY_OPEN);
	assert_int_equal(h.item.id, 1);
	assert_int_equal(h.item.flags, MVP_NOTIFY_MINE);
	assert_int_equal(notify_alerts(WORK), 0);
	/* Of an alert that there is not, or no longer. */
	say_about(PERSONAL, 3, MVP_NOTIFY_OPEN, 1, 0);
	expect_result(PERSONAL, 3, MVP_NOTIFY_DENIED);
	say_about(PERSONAL, 4, MVP_NOTIFY_OPEN, 77, 0);
	expect_result(PERSONAL, 4, MVP_NOTIFY_DENIED);
	assert_int_equal(yields, 1);
}

static void test_the_clipboard_goes_one_way(void **state)
{
	(void)state;
	static char text[MVP_NOTIFY_CLIPBOARD_MAX + 2];
	static uint8_t item[MVP_NOTIFY_BODY_MAX + 2];
	begin(WORK, 0, 0);
	begin(PERSONAL, 0, 0);
	memset(text, 'c', MVP_NOTIFY_CLIPBOARD_MAX);
	size_t len = item_make(item, (struct mvp_notify_item){ .kind = MVP_NOTIFY_CLIPBOARD }, "", "", text);
	assert_true(say(PERSONAL, MVP_NOTIFY_ITEM, 1, item, len));
	expect_result(PERSONAL, 1, MVP_NOTIFY_TAKEN);
	assert_true(hear(WORK, &h));
	assert_int_equal(h.item.body_len, MVP_NOTIFY_CLIPBOARD_MAX);
	assert_true(say(WORK, MVP_NOTIFY_ITEM, 1, item, len));
	expect_result(WORK, 1, MVP_NOTIFY_DENIED);
	assert_false(hear(PERSONAL, &h));
	text[MVP_NOTIFY_CLIPBOARD_MAX] = 'c';
	len = item_make(item, (struct mvp_notify_item){ .kind = MVP_NOTIFY_CLIPBOARD }, "", "", text);
	assert_true(say(PERSONAL, MVP_NOTIFY_ITEM, 2, item, len));
	expect_error(PERSONAL, MVP_NOTIFY_WRONG_FRAME);
}

static void test_what_breaks_the_rules_ends_the_session(void **state)
{
	(void)state;
	static const char *const bad_texts[] = { "\x01", "\x7f",     "\xc2", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
						 "\xff", "\xc2\x85", "a\nb" };
	struct mvp_notify_item bad[] = {
		{ .kind = 0 },
		{ .kind = 5 },
		{ .kind = MVP_NOTIFY_ALERT, .category = MVP_NOTIFY_CATEGORIES },
		{ .kind = MVP_NOTIFY_ALERT, .priority = MVP_NOTIFY_PRIORITIES },
		{ .kind = MVP_NOTIFY_ALERT, .actions = 4 },
		{ .kind = MVP_NOTIFY_ALERT, .level = MVP_NOTIFY_FULL },
		{ .kind = MVP_NOTIFY_ALERT, .flags = MVP_NOTIFY_QUIET },
		{ .kind = MVP_NOTIFY_ALERT, .id = 1 },
		{ .kind = MVP_NOTIFY_ALERT, .reserved = 1 },
		{ .kind = MVP_NOTIFY_ALERT, .app_len = 1 },
		{ .kind = MVP_NOTIFY_DISMISS },
		{ .kind = MVP_NOTIFY_DISMISS, .id = 1, .flags = 2 },
		{ .kind = MVP_NOTIFY_OPEN, .id = 1, .flags = 1 },
		{ .kind = MVP_NOTIFY_OPEN, .id = 1, .category = 1 },
		{ .kind = MVP_NOTIFY_CLIPBOARD, .id = 1 },
	};
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
		begin(WORK, 0, 0);
		say(WORK, MVP_NOTIFY_ITEM, 1, &bad[i], sizeof(bad[i]));
		expect_error(WORK, MVP_NOTIFY_WRONG_ITEM);
		/* Nothing it says now matters. */
		assert_true(say_alert(WORK, 2, plain, "a", "t", ""));
		assert_false(hear(WORK, &h));
	}
	for (unsigned i = 0; i < ARRAY_LEN(bad_texts); i++) {
		begin(WORK, 0, 0);
		say_alert(WORK, 1, plain, "a", bad_texts[i], "");
		expect_error(WORK, MVP_NOTIFY_WRONG_ITEM);
	}
	begin(WORK, 0, 0);
	assert_true(say_alert(WORK, 1, plain, "a", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "lines\nand\ttabs"));
	expect_result(WORK, 1, MVP_NOTIFY_TAKEN);
	/* Before HELLO, twice HELLO, numbers that were not given. */
	notify_open(WORK, true);
	say_alert(WORK, 2, plain, "a", "t", "");
	expect_error(WORK, MVP_NOTIFY_WRONG_ORDER);
	begin(WORK, 0, 0);
	say(WORK, MVP_NOTIFY_HELLO, 0, &(struct mvp_notify_hello){ 0, 0 }, 16);
	expect_error(WORK, MVP_NOTIFY_WRONG_ORDER);
	begin(WORK, 0, 0);
	say_alert(WORK, 0, plain, "a", "t", "");
	expect_error(WORK, MVP_NOTIFY_WRONG_ORDER);
	begin(PERSONAL, 0, 0);
	take(PERSONAL, 1); /* it waits, but this agent was not given it */
	expect_error(PERSONAL, MVP_NOTIFY_WRONG_ORDER);
	begin(PERSONAL, 0, 0);
	assert_true(hear(PERSONAL, &h));
	assert_int_equal(h.item.id, 1);
	/* Another version, another magic. */
	static const uint8_t heads[][16] = {
		{ 'M', 'N', 2, 1 }, { 'X', 'N', 1, 1 }, { 'M', 'N', 1, 2 }, { 'M', 'N', 1, 9 }, { 'M', 'N', 1, 3, 0, 0, 0, 1 }
	};
	static const enum mvp_notify_wrong whys[] = { 2, 1, 1, 1, 1 };
	for (unsigned i = 0; i < ARRAY_LEN(heads); i++) {
		notify_open(WORK, true);
		notify_take(WORK, heads[i], 16);
		expect_error(WORK, whys[i]); /* to whoever opened the port, greeted or not */
	}
}

static void test_an_agent_that_does_not_read_is_not_listened_to(void **state)
{
	(void)state;
	static uint8_t item[256], frame[400];
	uint64_t seq = 1;
	begin(WORK, 0, 0);
	for (;; seq++) {
		size_t n = item_make(item, (struct mvp_notify_item){ .kind = MVP_NOTIFY_ALERT }, "a", "t", "");
		n = frame_make(frame, MVP_NOTIFY_ITEM, seq, item, n);
		/* Two at once, so that what is left over is seen. */
		memcpy(frame + n, frame, n);
		struct mvp_notify_head second = { MVP_NOTIFY_MAGIC, MVP_NOTIFY_VERSION, MVP_NOTIFY_ITEM, (uint32_t)(n - 16), seq + 1 };
		memcpy(frame + n, &second, sizeof(second));
		if (notify_take(WORK, frame, 2 * n) < 2 * n)
			break;
		seq++;
		assert_true(seq < 100);
	}
	assert_int_equal(seq - 1, RESULTS);
	for (uint64_t n = 1; n <= RESULTS + 1; n++) /* and the one that was whole but had to wait */
		expect_result(WORK, n, MVP_NOTIFY_TAKEN);
}

static void test_forgetting(void **state)
{
	(void)state;
	begin(WORK, 0, 0);
	begin(PERSONAL, 0, 0);
	say_alert(WORK, 7, plain, "a", "OfWork", "");
	say_alert(PERSONAL, 1, plain, "a", "ForWork", "");
	notify_open(PERSONAL, false);
	notify_open(WORK, false);
	assert_true(holds(peers, sizeof(peers), "OfWork") && holds(peers, sizeof(peers), "ForWork"));
	notify_forget(WORK);
	assert_false(holds(peers, sizeof(peers), "OfWork") || holds(peers, sizeof(peers), "ForWork"));
	assert_int_equal(notify_alerts(WORK), 0);
	struct mvp_notify_welcome w = begin(WORK, 0, 0);
	assert_int_equal(w.taken, 0);
	assert_false(hear(WORK, &h));
	begin(PERSONAL, 0, 0);
	assert_false(hear(PERSONAL, &h));
	say_alert(WORK, 1, plain, "a", "New", "");
	assert_true(hear(PERSONAL, &h));
	assert_int_equal(h.item.id, 1);
	assert_int_equal(h.head.seq, 2); /* numbers to the other side go on */
}

static void test_the_window_of_alerts_moves_on(void **state)
{
	(void)state;
	begin(WORK, 0, 0);
	begin(PERSONAL, 0, 0);
	for (uint64_t n = 1; n <= 3 * RECENT; n++) {
		say_alert(WORK, n, plain, "a", "t", "");
		expect_result(WORK, n, MVP_NOTIFY_TAKEN);
		assert_true(hear(PERSONAL, &h));
		take(PERSONAL, h.head.seq);
		host_time += 10000;
	}
	assert_int_equal(notify_alerts(WORK), RECENT);
	/* A sender that leaps over numbers. */
	say_alert(WORK, UINT64_MAX - 1, plain, "a", "t", "");
	expect_result(WORK, UINT64_MAX - 1, MVP_NOTIFY_TAKEN);
	assert_int_equal(notify_alerts(WORK), 1);
}

/* Both agents in a storm: they end at any time, also between what they took and its answer, and go on with what they wrote down. */
#define STORM 4000u
static struct model {
	bool open;
	uint64_t sent, answered;     /* its own items: the last said, and the last with a result */
	uint64_t known_epoch, got;   /* written down */
	uint64_t last_id;            /* of the alerts that it has */
	unsigned has;                /* how many */
	uint8_t category[STORM + 1]; /* of what it sent */
	bool through[STORM + 1];     /* the policy lets it through */
} models[2];

static uint32_t storm_random(uint32_t below)
{
	static uint64_t x = 88172645463325252;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (uint32_t)(x >> 32) % below;
}

static void storm_item(unsigned p)
{
	struct model *m = &models[p];
	enum mvp_notify_level level = host_config.persona[1 - p].notify_level[models[1 - p].category[h.item.id]];
	char text[64];
	if (h.head.seq > m->got) {
		assert_true(h.item.id > m->last_id && h.item.id <= models[1 - p].sent);
		for (uint64_t n = m->last_id + 1; n < h.item.id; n++)
			assert_false(models[1 - p].through[n]); /* none is lost */
		assert_true(models[1 - p].through[h.item.id]);
		m->last_id = h.item.id;
		m->got = h.head.seq;
		m->has++;
	}
	(void)snprintf(text, sizeof(text), "%s%s%s", level >= MVP_NOTIFY_TITLE ? "app" : "", level >= MVP_NOTIFY_TITLE ? "title" : "",
		       level == MVP_NOTIFY_FULL ? "body" : "");
	assert_int_equal(h.item.level, level);
	assert_int_equal(h.head.len, sizeof(h.item) + strlen(text));
	assert_memory_equal(h.bytes + sizeof(h.item), text, strlen(text));
	if (storm_random(8))
		take(p, h.head.seq);
	else
		m->open = false; /* it ended before it answered */
}

static void storm_step(unsigned p)
{
	struct model *m = &models[p];
	if (!m->open || !storm_random(40)) {
		struct mvp_notify_welcome w = begin(p, m->known_epoch, m->got);
		m->known_epoch = w.epoch;
		m->answered = w.taken > m->answered ? w.taken : m->answered;
		m->open = true;
	}
	if (storm_random(3) && m->answered < STORM) {
		struct mvp_notify_item i = plain;
		uint64_t seq = m->answered + 1;
		if (seq > m->sent)
			m->category[seq] = (uint8_t)storm_random(MVP_NOTIFY_CATEGORIES);
		m->sent = seq;
		i.category = m->category[seq];
		m->through[seq] = host_config.persona[p].notify_level[i.category] != MVP_NOTIFY_NONE;
		say_alert(p, seq, i, "app", "title", "body");
	}
	for (unsigned n = storm_random(4); n && m->open && hear(p, &h); n--) {
		if (h.head.type == MVP_NOTIFY_ITEM)
			storm_item(p);
		else if (h.head.type == MVP_NOTIFY_RESULT && h.result.answer != MVP_NOTIFY_BUSY && h.head.seq > m->answered)
			m->answered = h.head.seq;
	}
	host_time += storm_random(3000);
}

static void test_a_storm_loses_and_doubles_nothing(void **state)
{
	(void)state;
	unsigned wanted[2] = { 0, 0 }, steps = 0;
	memset(models, 0, sizeof(models));
	host_config.notify_queue = 12;
	for (unsigned p = 0; p < 2; p++) {
		for (unsigned c = 0; c < MVP_NOTIFY_CATEGORIES; c++)
			host_config.persona[p].notify_level[c] = (uint8_t)storm_random(MVP_NOTIFY_FULL + 1);
		host_config.persona[p].notify_level[p] = MVP_NOTIFY_FULL;
	}
	while (models[0].answered < STORM || models[1].answered < STORM || peers[0].queue.count || peers[1].queue.count) {
		storm_step(storm_random(2));
		assert_true(++steps < 400 * STORM);
	}
	for (unsigned p = 0; p < 2; p++) {
		for (unsigned n = 1; n <= STORM; n++)
			wanted[p] += models[p].through[n];
		assert_true(wanted[p] > STORM / 20);
		assert_int_equal(models[1 - p].has, wanted[p]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_an_alert_arrives_and_is_acknowledged, setup),
		cmocka_unit_test_setup(test_redaction_follows_the_policy, setup),
		cmocka_unit_test_setup(test_quiet_hours, setup),
		cmocka_unit_test_setup(test_items_wait_for_an_agent_and_come_once, setup),
		cmocka_unit_test_setup(test_a_full_queue_refuses_and_loses_nothing, setup),
		cmocka_unit_test_setup(test_long_items_fill_the_queue_and_wrap_in_it, setup),
		cmocka_unit_test_setup(test_a_flood_is_limited, setup),
		cmocka_unit_test_setup(test_dismissed_on_one_side_is_dismissed_on_the_other, setup),
		cmocka_unit_test_setup(test_withdrawn_before_it_was_given_never_comes, setup),
		cmocka_unit_test_setup(test_open_needs_leave, setup),
		cmocka_unit_test_setup(test_the_clipboard_goes_one_way, setup),
		cmocka_unit_test_setup(test_what_breaks_the_rules_ends_the_session, setup),
		cmocka_unit_test_setup(test_an_agent_that_does_not_read_is_not_listened_to, setup),
		cmocka_unit_test_setup(test_forgetting, setup),
		cmocka_unit_test_setup(test_the_window_of_alerts_moves_on, setup),
		cmocka_unit_test_setup(test_a_storm_loses_and_doubles_nothing, setup),
	};
	return cmocka_run_group_tests_name("alerts", tests, NULL, NULL);
}
