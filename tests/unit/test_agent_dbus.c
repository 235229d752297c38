/* The agent's D-Bus: messages of a real bus and made ones, compiled for the host. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

/* The desktop's loop is not run here. */
#include "vmm/guest/agent/dbus.c"
#include "vmm/guest/agent/desktop.c"
#include "vmm/guest/agent/item.c"
#include "vmm/guest/agent/util.c"

/* A signal of dbus-daemon, as strace shows it: NameAcquired(":1.0"). */
static const uint8_t name_acquired[] = "l\4\1\1\t\0\0\0\2\0\0\0\215\0\0\0"
				       "\1\1o\0\25\0\0\0/org/freedesktop/DBus\0\0\0"
				       "\2\1s\0\24\0\0\0org.freedesktop.DBus\0\0\0\0"
				       "\3\1s\0\f\0\0\0NameAcquired\0\0\0\0"
				       "\6\1s\0\4\0\0\0:1.0\0\0\0\0"
				       "\10\1g\0\1s\0\0"
				       "\7\1s\0\24\0\0\0org.freedesktop.DBus\0\0\0\0"
				       "\4\0\0\0:1.0";

static void test_a_message_of_a_bus(void **state)
{
	(void)state;
	struct dbus_message m;
	size_t len = sizeof(name_acquired); /* its own NUL ends the last text */
	assert_int_equal(dbus_message_len(name_acquired), len);
	assert_true(dbus_parse(name_acquired, len, &m));
	assert_int_equal(m.type, DBUS_SIGNAL);
	assert_int_equal(m.serial, 2);
	assert_string_equal(m.path, "/org/freedesktop/DBus");
	assert_string_equal(m.interface, "org.freedesktop.DBus");
	assert_string_equal(m.member, "NameAcquired");
	assert_string_equal(m.sender, "org.freedesktop.DBus");
	assert_string_equal(m.destination, ":1.0");
	assert_string_equal(m.signature, "s");
	assert_string_equal(dbus_get_string(&m.body), ":1.0");
	assert_false(m.body.wrong);
	assert_string_equal(dbus_get_string(&m.body), "");
	assert_true(m.body.wrong);
}

static void test_what_is_cut_or_changed_is_no_message(void **state)
{
	(void)state;
	struct dbus_message m;
	for (size_t len = 0; len < sizeof(name_acquired); len++) {
		/* A copy of its own, so that a byte read behind it is seen. */
		uint8_t *copy = malloc(len + 1);
		assert_non_null(copy);
		memcpy(copy, name_acquired, len);
		assert_false(dbus_parse(copy, len, &m));
		free(copy);
	}
	static const struct {
		size_t at;
		uint8_t value;
	} changes[] = { { 0, 'B' }, { 3, 2 }, { 4, 10 }, { 7, 0xff }, { 15, 0xff }, { 20, 0xff }, { 23, 0x7f }, { 45, 'x' } };
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		uint8_t copy[sizeof(name_acquired)];
		memcpy(copy, name_acquired, sizeof(copy));
		copy[changes[i].at] = changes[i].value;
		if (dbus_parse(copy, sizeof(copy), &m))
			fail_msg("taken with %u at %zu", changes[i].value, changes[i].at);
	}
}

static const struct dbus_call call = { "a.b", "/a", "a.b", "C", "susssasa{sv}i" };

static void test_what_is_written_is_read(void **state)
{
	(void)state;
	static uint8_t data[4096];
	struct dbus_writer w;
	struct dbus_message m;
	size_t end;
	dbus_begin(&w, data, sizeof(data), 7, &call);
	dbus_put_string(&w, "app");
	dbus_put_u32(&w, 5);
	dbus_put_string(&w, "");
	dbus_put_string(&w, "title");
	dbus_put_string(&w, "body");
	size_t array = dbus_put_array(&w, 4);
	dbus_put_string(&w, "default");
	dbus_put_string(&w, "Open");
	dbus_end_array(&w, array, 4);
	array = dbus_put_array(&w, 8);
	put_entry(&w, "urgency", "y");
	dbus_put_byte(&w, 2);
	put_entry(&w, "category", "s");
	dbus_put_string(&w, "email.arrived");
	dbus_end_array(&w, array, 8);
	dbus_put_u32(&w, UINT32_MAX);
	size_t len = dbus_end(&w);
	assert_int_equal(dbus_message_len(data), len);
	assert_true(dbus_parse(data, len, &m));
	assert_string_equal(m.member, "C");
	assert_string_equal(dbus_get_string(&m.body), "app");
	assert_int_equal(dbus_get_u32(&m.body), 5);
	dbus_skip(&m.body, "s");
	assert_string_equal(dbus_get_string(&m.body), "title");
	dbus_skip(&m.body, "sas");
	dbus_get_array(&m.body, 8, &end);
	struct item i = { 0 };
	take_hint(&m.body, &i);
	take_hint(&m.body, &i);
	assert_int_equal(m.body.at, end);
	assert_int_equal(i.fields.priority, MVP_NOTIFY_URGENT);
	assert_int_equal(i.fields.category, MVP_NOTIFY_MAIL);
	assert_int_equal(dbus_get_u32(&m.body), UINT32_MAX);
	assert_false(m.body.wrong);
	/* The whole of it, passed over. */
	assert_true(dbus_parse(data, len, &m));
	dbus_skip(&m.body, call.signature);
	assert_false(m.body.wrong);
	assert_int_equal(m.body.at, m.body.len);
	/* It says so when it does not fit, wherever that is. */
	for (size_t size = 0; size < len; size++) {
		dbus_begin(&w, data, size, 7, &call);
		for (unsigned k = 0; k < 200; k++)
			dbus_put_string(&w, "text");
		assert_int_equal(dbus_end(&w), 0);
	}
}

static void test_all_types_are_passed_over(void **state)
{
	(void)state;
	/* A picture, as the hint image-data has it, and variants in variants. */
	static const uint8_t picture[] = "\3\0\0\0\3\0\0\0\14\0\0\0\0\0\0\0\10\0\0\0\4\0\0\0\5\0\0\0abcd";
	struct dbus_reader r = { picture, 33, 0, false };
	dbus_skip(&r, "(iiibiiay)");
	assert_false(r.wrong);
	assert_int_equal(r.at, 33);
	static const uint8_t nested[] = { 1, 'v', 0, 1, 'v', 0, 1, 'y', 0, 42 };
	r = (struct dbus_reader){ nested, sizeof(nested), 0, false };
	dbus_skip(&r, "v");
	assert_true(!r.wrong && r.at == sizeof(nested));
	static const char *const bad[] = { "(", "a", "a{", "?", "}", "a)", "a{sv", "aaaaaa" };
	static const uint8_t zeros[64];
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		r = (struct dbus_reader){ zeros, sizeof(zeros), 0, false };
		dbus_skip(&r, bad[i]);
		/* An open struct ends where its text does. */
		if (!r.wrong && strcmp(bad[i], "(") != 0)
			fail_msg("'%s' was taken", bad[i]);
	}
	/* Without an end. */
	static uint8_t deep[3 * 64];
	for (size_t i = 0; i < sizeof(deep); i += 3)
		memcpy(deep + i, "\1v", 3);
	r = (struct dbus_reader){ deep, sizeof(deep), 0, false };
	dbus_skip(&r, "v");
	assert_true(r.wrong);
}

static void test_markup(void **state)
{
	(void)state;
	static const struct {
		const char *markup, *plain;
	} rows[] = {
		{ "<b>Lunch</b> &amp; <a href=\"x\">more</a>", "Lunch & more" },
		{ "1 < 2 &gt; 0 &quot;&apos;&#39;", "1 < 2 > 0 \"''" },
		{ "<b>open", "open" },
		{ "<b", "<b" },
		{ "&amp;lt;", "&lt;" },
		{ "a<img src='x' alt=''/>b&unknown;", "ab&unknown;" },
	};
	char text[64];
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		desktop_strip(text, sizeof(text), rows[i].markup);
		assert_string_equal(text, rows[i].plain);
	}
	static const char raw[] = "a<b>&\"c";
	desktop_escape(text, sizeof(text), raw);
	assert_string_equal(text, "a&lt;b&gt;&amp;\"c");
	char back[64];
	desktop_strip(back, sizeof(back), text);
	assert_string_equal(back, raw);
	/* Cut between characters and entities. */
	for (size_t size = 1; size < sizeof(text); size++) {
		char clean[64];
		desktop_escape(text, size, "\xc3\xa4<\xe2\x82\xac>");
		assert_true(strlen(text) < size);
		item_text(clean, sizeof(clean), text, false);
		assert_string_equal(clean, text);
		assert_null(strchr(text, '<'));
		desktop_strip(back, sizeof(back), text);
		assert_true(!strchr(text, '&') || !strchr(back, '&'));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_message_of_a_bus),
		cmocka_unit_test(test_what_is_cut_or_changed_is_no_message),
		cmocka_unit_test(test_what_is_written_is_read),
		cmocka_unit_test(test_all_types_are_passed_over),
		cmocka_unit_test(test_markup),
	};
	return cmocka_run_group_tests_name("agent_dbus", tests, NULL, NULL);
}
