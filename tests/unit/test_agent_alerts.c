/* What the agent keeps on disk, compiled for the host: that nothing is sent under two numbers, or in another order, whenever it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/socket.h>

#include "vmm/guest/agent/alerts.c"
#include "vmm/guest/agent/item.c"
#include "vmm/guest/agent/util.c"

static unsigned came, went;
static char dir[64];
static int vault; /* the other end of the port */

void alerts_came(const struct item *i)
{
	(void)i;
	came++;
}

void alerts_went(uint64_t id)
{
	(void)id;
	went++;
}

static int setup(void **state)
{
	(void)state;
	came = went = 0;
	(void)snprintf(dir, sizeof(dir), "/tmp/test_agent_alerts.XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[128];
	(void)state;
	(void)snprintf(command, sizeof(command), "rm -r '%s'", dir);
	return system(command); /* NOLINT(cert-env33-c): a folder of our own */
}

/* An agent's start, on a port whose vault has taken so many. */
static struct alerts *begin(uint64_t taken)
{
	static struct alerts agent;
	struct {
		struct mvp_notify_head head;
		struct mvp_notify_hello hello;
	} hello;
	struct {
		struct mvp_notify_head head;
		struct mvp_notify_welcome body;
	} welcome = { { MVP_NOTIFY_MAGIC, MVP_NOTIFY_VERSION, MVP_NOTIFY_WELCOME, sizeof(welcome.body), 0 },
		      { .epoch = 7, .taken = taken, .persona = "work", .other = "personal" } };
	int fds[2];
	free(agent.waits);
	memset(&agent, 0, sizeof(agent));
	agent.dir = dir;
	agent.keep = 10;
	alerts_start(&agent);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	vault = fds[1];
	alerts_open(&agent, fds[0]);
	assert_true(alerts_write(&agent));
	assert_int_equal(read(vault, &hello, sizeof(hello)), sizeof(hello));
	assert_int_equal(hello.head.type, MVP_NOTIFY_HELLO);
	assert_int_equal(write(vault, &welcome, sizeof(welcome)), sizeof(welcome));
	assert_true(alerts_read(&agent));
	assert_true(agent.greeted);
	return &agent;
}

static void end(struct alerts *a)
{
	alerts_close(a);
	close(vault);
}

/* The next item that the agent sends: its number, its title; 0: none. */
static uint64_t sent_item(struct alerts *a, char title[32])
{
	uint8_t frame[4096];
	struct mvp_notify_head h;
	struct item i;
	/* As the loop does: again, if it is time to. */
	if (alerts_tick(a, agent_now_ms()) <= agent_now_ms())
		(void)alerts_tick(a, agent_now_ms());
	if (!alerts_wants_write(a))
		return 0;
	assert_true(alerts_write(a));
	ssize_t n = read(vault, frame, sizeof(frame));
	assert_true(n > (ssize_t)sizeof(h));
	memcpy(&h, frame, sizeof(h));
	assert_int_equal(h.type, MVP_NOTIFY_ITEM);
	assert_true(item_unpack(frame + sizeof(h), h.len, &i));
	assert_true(agent_format(title, 32, "%s", i.title));
	return h.seq;
}

static void answer(struct alerts *a, uint64_t seq, uint32_t what)
{
	struct {
		struct mvp_notify_head head;
		struct mvp_notify_result body;
	} r = { { MVP_NOTIFY_MAGIC, MVP_NOTIFY_VERSION, MVP_NOTIFY_RESULT, sizeof(r.body), seq }, { what, 0 } };
	assert_int_equal(write(vault, &r, sizeof(r)), sizeof(r));
	assert_true(alerts_read(a));
}

static void spool(const char *title, const char *key)
{
	struct item i = { .fields = { .kind = MVP_NOTIFY_ALERT } };
	assert_true(agent_format(i.title, sizeof(i.title), "%s", title));
	assert_true(alerts_spool(dir, &i, key));
}

static void test_an_agent_that_ends_goes_on_with_the_same_number(void **state)
{
	(void)state;
	char title[32];
	spool("one", "");
	spool("two", "");
	struct alerts *a = begin(4);
	assert_int_equal(sent_item(a, title), 5);
	assert_string_equal(title, "one");
	end(a); /* before the answer; and the vault did not take it */
	a = begin(4);
	assert_int_equal(sent_item(a, title), 5);
	assert_string_equal(title, "one");
	end(a); /* it did, and its answer was lost */
	a = begin(5);
	assert_int_equal(sent_item(a, title), 6);
	assert_string_equal(title, "two");
	answer(a, 6, MVP_NOTIFY_BUSY);
	assert_int_equal(sent_item(a, title), 6);
	answer(a, 6, MVP_NOTIFY_TAKEN);
	assert_int_equal(sent_item(a, title), 0);
	end(a);
}

static void test_what_waits_stays_in_order_when_the_clock_is_set_back(void **state)
{
	(void)state;
	char path[128], title[32];
	spool("first", "");
	/* As if it had been sent in some hundred years. */
	struct alerts list = { .dir = dir };
	size_t count;
	uint64_t *numbers = numbers_in(&list, "out", "", &count);
	assert_int_equal(count, 1);
	char from[ALERTS_PATH_MAX];
	(void)snprintf(path, sizeof(path), "%s/out/05000000000000000000", dir);
	assert_int_equal(rename(path_of(&list, from, "out/" NUMBER, (ull)numbers[0]), path), 0);
	free(numbers);
	spool("second", "");
	spool("third", "");
	struct alerts *a = begin(0);
	static const char *const wanted[] = { "first", "second", "third" };
	for (uint64_t n = 1; n <= 3; n++) {
		assert_int_equal(sent_item(a, title), n);
		assert_string_equal(title, wanted[n - 1]);
		answer(a, n, MVP_NOTIFY_TAKEN);
	}
	end(a);
}

static void test_names_of_what_was_sent(void **state)
{
	(void)state;
	char title[32];
	spool("one", "a key");
	spool("two", "");
	spool("three", "another");
	struct alerts *a = begin(0);
	for (uint64_t n = 1; n <= 2; n++) {
		assert_int_equal(sent_item(a, title), n);
		answer(a, n, MVP_NOTIFY_TAKEN);
	}
	assert_string_equal(alerts_key_of(a, 1), "a key");
	assert_string_equal(alerts_key_of(a, 2), "");
	assert_string_equal(alerts_key_of(a, 0), "");
	/* What waits goes without a word, what was sent is taken back. */
	assert_int_equal(alerts_withdraw(a, "another"), 1);
	assert_int_equal(alerts_withdraw(a, "another"), 0);
	assert_int_equal(alerts_withdraw(a, "a key"), 1);
	assert_int_equal(alerts_withdraw(a, ""), 0);
	assert_int_equal(sent_item(a, title), 3);
	assert_string_equal(title, "");
	end(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_an_agent_that_ends_goes_on_with_the_same_number, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_waits_stays_in_order_when_the_clock_is_set_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names_of_what_was_sent, setup, teardown),
	};
	return cmocka_run_group_tests_name("agent_alerts", tests, NULL, NULL);
}
