/* Who is in front, and what the user sees of it: the trusted bars, the vault's own screen, the passcode. Texts are read back from the
 * pixels by a reader of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "vault_host.h"

/* Each test chooses its own: what the vault sees as constant is another name of this, of which the compiler must not know. */
extern struct mvp_vault_config host_config;
struct mvp_vault_config host_config;
__asm__(".globl mvp_vault_config\n.set mvp_vault_config, host_config");

#include "../../vmm/vault/lib.c"
#include "../../vmm/vault/timer.c"
#include "../../vmm/vault/ui/bar.c"
#include "../../vmm/vault/ui/draw.c"
#include "../../vmm/vault/ui/font.c"
#include "../../vmm/vault/ui/front.c"
#include "../../vmm/vault/ui/input.h"
#include "../../vmm/vault/ui/lock.c"
#include "../../vmm/vault/ui/screen.c"

enum { GUARD = 4096, SCREENS_SIZE = 6 << 20, NOTHING = -7, BLACK_INK = 0x000000, WHITE_INK = 0xffffff };
enum { GREEN = 0x2e7d32, BLUE = 0x1565c0 };

/* The compiler takes the configuration for constant: what reads it after a change must be a call away from what read it before. */
#define OPAQUE __attribute__((noinline))

uint8_t host_screens[SCREENS_SIZE] __attribute__((aligned(4096)));
struct persona personas[MVP_MAX_PERSONAS];
static uint32_t screens_used; /* bytes; guards around each screen */

/* What happened, in order */
static char events[256];

static void note(const char *format, ...)
{
	size_t at = strlen(events);
	va_list args;
	va_start(args, format);
	vsnprintf(events + at, sizeof(events) - at, format, args);
	va_end(args);
}

/* The rest of the handset */
static int focus, console, asks;
static unsigned alerts[MVP_MAX_PERSONAS];
static uint32_t seconds;
static char said[256];
static bool refuses;
static unsigned cleans;
static uint8_t unlocked_with[PASSCODE_MAX];
static size_t unlocked_len;
static unsigned unlocks, unlocked_persona;

/* Of the managed persona, if there is one: 1. */
static struct mvp_state vault_state;
static unsigned managed = 2, percent;
static const char *lease = "";

const struct mvp_state *state_get(void)
{
	return &vault_state;
}

unsigned handset_managed(void)
{
	return managed;
}

unsigned wipe_percent(void)
{
	return percent;
}

void lease_describe(char *text, size_t size)
{
	snprintf(text, size, "%s", lease);
}

paddr_t dma_paddr(const void *at)
{
	return (paddr_t){ (uint64_t)((const uint8_t *)at - host_screens) };
}

void arch_clean(const void *at, size_t len)
{
	assert_true((const uint8_t *)at >= host_screens && (const uint8_t *)at + len <= host_screens + SCREENS_SIZE);
	cleans++;
}

void console_log(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(said, sizeof(said), format, args);
	va_end(args);
}

void console_show(unsigned persona)
{
	console = (int)persona;
	note("console %u;", persona);
}

void console_ask_passcode(bool ask)
{
	asks = ask;
}

void input_focus(int who)
{
	if (who != focus)
		note("focus %d;", who);
	focus = who;
}

unsigned control_alerts(unsigned persona)
{
	return alerts[persona];
}

uint32_t pl031_seconds(void)
{
	return seconds;
}

void handset_unlock(unsigned persona, const uint8_t *code, size_t len)
{
	unlocks++;
	unlocked_persona = persona;
	unlocked_len = len;
	memcpy(unlocked_with, code, len);
	personas[persona].state = PERSONA_UNLOCKING;
	front_update();
}

void handset_change_passcode(unsigned persona, const uint8_t *code, size_t len, const uint8_t *next, size_t next_len)
{
	(void)next;
	(void)next_len;
	handset_unlock(persona, code, len);
}

/* The display */
static uint64_t scanned_at;

static const char *display_start(void)
{
	return NULL;
}

static bool display_show(const struct scanout *s)
{
	if (refuses)
		return false;
	scanned_at = s->at.v;
	note("show;");
	return true;
}

const struct display_driver ramfb_driver = { display_start, display_show };

OPAQUE static void configure(uint32_t width, uint32_t height, uint32_t bar, const char *name0, const char *name1)
{
	uint32_t stride = (width * 4 + 63) / 64 * 64;
	uint32_t len = (height + bar) * stride;
	screens_used = GUARD + 3 * (len + GUARD);
	assert_true(screens_used <= SCREENS_SIZE);
	memset(host_screens, 0x5a, screens_used);
	host_config = (struct mvp_vault_config){
		.personas = 2,
		.display = MVP_DISPLAY_RAMFB,
		.width = width,
		.height = height,
		.stride = stride,
		.bar_height = bar,
		.rtc_pa = 0x9010000,
		.screens_size = screens_used,
		.screen_at = { GUARD, 2 * GUARD + len, 3 * GUARD + 2 * len },
		.persona = { { .color = GREEN }, { .color = BLUE } },
	};
	snprintf(host_config.persona[0].name, 16, "%s", name0);
	snprintf(host_config.persona[1].name, 16, "%s", name1);
}

OPAQUE static void restart(void)
{
	memset(pictures, 0, sizeof(pictures));
	memset(&drawn, 0, sizeof(drawn));
	drawn.persona = NOBODY;
	lock_forget();
	memset(armed, 0, sizeof(armed));
	for (unsigned p = 0; p < 2; p++)
		personas[p].config = &host_config.persona[p];
	driver = NULL;
	shown = NOT_SHOWN;
	front = 0;
	due = NEVER;
	focus = console = asks = NOTHING;
	refuses = false;
	scanned_at = UINT64_MAX;
	unlocks = 0;
	host_time = 1000000;
	seconds = 1700000000 / 86400 * 86400 + 12 * 3600 + 34 * 60;
	said[0] = events[0] = 0;
	front_start();
	events[0] = 0;
}

static int power_on(void **state)
{
	(void)state;
	configure(480, 960, 32, "personal", "work");
	memset(personas, 0, sizeof(personas));
	alerts[0] = alerts[1] = 0;
	restart();
	return 0;
}

static void set_state(unsigned persona, enum persona_state s)
{
	personas[persona].state = s;
	front_update();
}

static int screen_shown(void)
{
	for (int i = 0; i < 3; i++) {
		if (scanned_at == host_config.screen_at[i])
			return i;
	}
	return NOTHING;
}

static void check_untouched(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (p[i] != 0x5a)
			fail_msg("byte %zu of %zu was written", i, len);
	}
}

/* Reading */

static uint32_t pixel_at(const struct canvas *c, uint32_t x, uint32_t y)
{
	return x < c->width && y < c->height ? c->pixels[(size_t)y * c->stride + x] : UINT32_MAX;
}

/* The character whose cell begins at (x, y), in this ink on anything else; 0 if there is none. */
static char read_char(const struct canvas *c, uint32_t x, uint32_t y, uint32_t scale, uint32_t ink)
{
	for (int ch = 126; ch >= 32; ch--) {
		bool same = true;
		for (uint32_t i = 0; i < 8 * 14 * scale * scale && same; i++) {
			uint32_t px = i % (8 * scale), py = i / (8 * scale);
			bool set = font_glyph((char)ch)[py / scale] >> (7 - px / scale) & 1;
			same = set == (pixel_at(c, x + px, y + py) == ink);
		}
		if (same)
			return (char)ch;
	}
	return 0;
}

static const char *read_text(const struct canvas *c, uint32_t x, uint32_t y, uint32_t scale, uint32_t ink)
{
	static char text[64];
	unsigned n = 0;
	memset(text, 0, sizeof(text));
	for (; n < sizeof(text) - 1; n++) {
		char ch = read_char(c, x + n * 8 * scale, y, scale, ink);
		if (!ch || (n && ch == ' ' && text[n - 1] == ' '))
			break;
		text[n] = ch;
	}
	while (n && text[n - 1] == ' ')
		text[--n] = 0;
	return text;
}

/* A text that is centred somewhere on a line of the vault's own screen. */
static const char *read_line(uint32_t line, uint32_t scale, uint32_t ink)
{
	struct canvas c = screen_frame();
	uint32_t y = line * (c.height / 16);
	for (uint32_t x = 0; x + 8 * scale <= c.width; x++) {
		for (uint32_t k = 0; k < 16 * scale; k++) {
			if (pixel_at(&c, x, y + k) == ink) {
				/* Glyphs begin one or two columns into their cells. */
				for (uint32_t back = 0; back <= 3; back++) {
					const char *text = x >= back * scale ? read_text(&c, x - back * scale, y, scale, ink) : "";
					if (*text)
						return text;
				}
			}
		}
	}
	return "";
}

static unsigned count_dots(void)
{
	struct canvas c = screen_frame();
	unsigned dots = 0;
	uint32_t from = 7 * (c.height / 16), to = 10 * (c.height / 16);
	for (uint32_t y = from; y < to; y++) {
		const uint32_t *line = c.pixels + (size_t)y * c.stride, *above = line - c.stride;
		for (uint32_t x = 1; x < c.width; x++)
			dots += line[x] == INK && line[x - 1] != INK && above[x] != INK;
	}
	return dots;
}

/* Front */

static void test_front_shows_what_runs_and_else_the_vault(void **state)
{
	/* 7 states of each, either in front. */
	for (unsigned i = 0; i < 2 * 7 * 7; i++) {
		enum persona_state s[2] = { (enum persona_state)(i / 2 % 7), (enum persona_state)(i / 14) };
		unsigned f = i % 2;
		bool own = s[f] == PERSONA_RUNNING;
		power_on(state);
		set_state(0, s[0]);
		set_state(1, s[1]);
		if (f)
			assert_true(front_switch(1));
		assert_int_equal(front_persona(), f);
		assert_int_equal(screen_shown(), own ? (int)f : 2);
		assert_int_equal(focus, own ? (int)f : INPUT_VAULT);
		assert_int_equal(asks, s[f] == PERSONA_LOCKED);
		if (!own) {
			assert_int_equal(pixel_at(&(struct canvas){ screen_frame().pixels, 480, 480, 960 }, 3, 3), f ? BLUE : GREEN);
			assert_string_equal(read_line(1, 3, WHITE_INK), f ? "work" : "personal");
		}
		/* Whatever happens behind it stays there. */
		uint64_t before = scanned_at;
		int had = focus;
		for (int t = 0; t < 7; t++) {
			set_state(1 - f, (enum persona_state)t);
			assert_true(scanned_at == before && focus == had);
			if (!own)
				assert_string_equal(read_line(1, 3, WHITE_INK), f ? "work" : "personal");
		}
	}
}

static void test_front_switches_display_first_and_all_at_once(void **state)
{
	(void)state;
	set_state(0, PERSONA_RUNNING);
	set_state(1, PERSONA_RUNNING);
	events[0] = 0;
	assert_true(front_switch(1));
	assert_string_equal(events, "show;focus 1;console 1;");
	assert_true(front_switch(0));
	assert_string_equal(events, "show;focus 1;console 1;show;focus 0;console 0;");
}

static void test_front_stays_when_the_display_refuses(void **state)
{
	(void)state;
	set_state(0, PERSONA_RUNNING);
	set_state(1, PERSONA_RUNNING);
	events[0] = 0;
	refuses = true;
	assert_false(front_switch(1));
	assert_string_equal(events, "");
	assert_int_equal(front_persona(), 0);
	assert_string_equal(said, "the display does not answer");
	refuses = false;
	assert_true(front_switch(1));
}

static unsigned drawn_before_show;

static bool counting_show(const struct scanout *s)
{
	drawn_before_show = cleans;
	return display_show(s);
}

static void test_front_draws_nothing_before_it_has_switched(void **state)
{
	(void)state;
	static const struct display_driver counting = { display_start, counting_show };
	for (int i = 0; i < 7; i++) {
		power_on(state);
		driver = &counting;
		set_state(0, PERSONA_RUNNING);
		set_state(1, (enum persona_state)i);
		cleans = 0;
		drawn_before_show = UINT32_MAX;
		assert_true(front_switch(1));
		assert_int_equal(drawn_before_show, 0);
		/* And back. */
		cleans = 0;
		assert_true(front_switch(0));
		assert_int_equal(drawn_before_show, 0);
	}
}

static void test_front_goes_without_a_display(void **state)
{
	(void)state;
	host_config.display = MVP_DISPLAY_NONE;
	memset(host_screens, 0x5a, screens_used);
	restart();
	set_state(0, PERSONA_RUNNING);
	set_state(1, PERSONA_LOCKED);
	assert_int_equal(asks, 0);
	assert_true(front_switch(1));
	assert_string_equal(events, "console 1;");
	assert_int_equal(asks, 1);
	front_tick();
	check_untouched(host_screens, screens_used);
}

/* Bars */

static void check_bar(unsigned screen, const char *name, uint32_t ink)
{
	struct canvas bar = screen_bar(screen);
	char want[16];
	snprintf(want, sizeof(want), "%s", name);
	assert_memory_equal(read_text(&bar, 4, 0, 2, ink), want, strlen(want));
	assert_string_equal(read_text(&bar, 480 - 4 - 80, 0, 2, ink), "12:34");
}

static void check_other(unsigned screen, uint32_t right, const char *name, const char *text, bool alert)
{
	struct canvas bar = screen_bar(screen);
	size_t len = strlen(name) > strlen(text) ? strlen(name) : strlen(text);
	uint32_t x = right - (uint32_t)len * 8 - 4;
	assert_memory_equal(read_text(&bar, x, 0, 1, WHITE_INK), name, strlen(name));
	assert_memory_equal(read_text(&bar, x, 16, 1, alert ? BLACK_INK : WHITE_INK), text, strlen(text));
	assert_int_equal(pixel_at(&bar, x - 1, 29), alert ? 0xffc107 : !strcmp(name, "work") || name[0] == 'W' ? BLUE : GREEN);
}

static void test_bar_says_whose_screen_it_is(void **state)
{
	(void)state;
	set_state(0, PERSONA_RUNNING);
	set_state(1, PERSONA_LOCKED);
	check_bar(0, "personal", WHITE_INK);
	check_bar(1, "work", WHITE_INK);
	check_bar(2, "mvp", BLACK_INK);
	check_other(0, 392, "work", "locked", false);
	check_other(1, 392, "personal", "no alerts", false);
	check_other(2, 392, "work", "locked", false);
	check_other(2, 392 - 6 * 8 - 8, "personal", "no alerts", false);
	struct canvas bar = screen_bar(0);
	assert_int_equal(pixel_at(&bar, 0, 0), GREEN);
	assert_int_equal(pixel_at(&bar, 0, 31), 0);
	bar = screen_bar(1);
	assert_int_equal(pixel_at(&bar, 0, 0), BLUE);
	bar = screen_bar(2);
	assert_int_equal(pixel_at(&bar, 0, 0), 0xffffff);
}

static void test_bar_counts_alerts_of_a_name_of_15_characters(void **state)
{
	(void)state;
	static const struct {
		unsigned alerts;
		const char *text;
	} rows[] = { { 0, "no alerts" }, { 1, "1 alert" }, { 2, "2 alerts" }, { 999, "999 alerts" }, { 0, "no alerts" } };
	configure(480, 960, 32, "PPPPPPPPPPPPPPP", "WWWWWWWWWWWWWWW");
	restart();
	set_state(0, PERSONA_RUNNING);
	set_state(1, PERSONA_RUNNING);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		alerts[1] = rows[i].alerts;
		control_alerts_changed();
		check_bar(0, "PPPPPPPPPPPPPPP", WHITE_INK);
		check_other(0, 392, "WWWWWWWWWWWWWWW", rows[i].text, rows[i].alerts);
		check_other(1, 392, "PPPPPPPPPPPPPPP", "no alerts", false);
	}
	/* Alerts of who does not run are nobody's. */
	alerts[1] = 5;
	set_state(1, PERSONA_OFF);
	check_other(0, 392, "WWWWWWWWWWWWWWW", "off", false);
}

static void test_bar_is_redrawn_when_something_changed(void **state)
{
	(void)state;
	set_state(0, PERSONA_RUNNING);
	set_state(1, PERSONA_RUNNING);
	cleans = 0;
	for (int i = 0; i < 59; i++) {
		seconds++;
		host_time += 1000000;
		front_tick();
		front_update();
	}
	assert_true(front_switch(1));
	assert_int_equal(cleans, 0);
	/* Its neighbour's and the vault's. */
	alerts[1] = 3;
	bar_update();
	assert_int_equal(cleans, 2 * 32);
	seconds++;
	host_time += 1000000;
	front_tick();
	assert_int_equal(cleans, 5 * 32);
	struct canvas bar = screen_bar(0);
	assert_string_equal(read_text(&bar, 480 - 4 - 80, 0, 2, WHITE_INK), "12:35");
	seconds = UINT32_MAX;
	bar_update();
	assert_string_equal(read_text(&bar, 480 - 4 - 80, 0, 2, WHITE_INK), "06:28");
}

static void test_bar_wakes_up_at_the_next_minute(void **state)
{
	(void)state;
	seconds += 13;
	armed[0] = 0;
	bar_update();
	assert_int_equal(armed[0], host_time + 47 * 1000000);
	/* Another's timer does not take it away. */
	timer_fired();
	front_tick();
	assert_int_equal(armed[0], host_time + 47 * 1000000);
	/* No clock, no time. */
	host_config.rtc_pa = 0;
	armed[0] = 0;
	bar_update();
	assert_int_equal(armed[0], 0);
	struct canvas bar = screen_bar(0);
	for (uint32_t x = 480 - 88; x < 480; x++)
		assert_int_not_equal(pixel_at(&bar, x, 12), UINT32_MAX);
	check_other(0, 480, "work", "starting", false);
}

OPAQUE static void check_small_bar(unsigned screen, uint32_t width, uint32_t height)
{
	struct canvas bar = screen_bar(screen);
	const uint8_t *from = (const uint8_t *)bar.pixels, *to = from + (size_t)height * host_config.stride;
	uint32_t scale = height / 16 < width / 240 ? height / 16 : width / 240;
	scale = scale ? scale : 1;
	uint32_t y = height > 16 * scale ? (height - 16 * scale) / 2 : 0;
	size_t fits = width > 12 ? (width - 4) / (8 * scale) : 0;
	/* Nothing right of its lines, above or below. */
	for (uint32_t row = 0; row < height; row++)
		check_untouched(from + row * host_config.stride + width * 4, host_config.stride - width * 4);
	check_untouched(from - GUARD, GUARD);
	check_untouched(to, 200 * host_config.stride + GUARD);
	/* As much of the name as there is room for comes before anything else. */
	const char *name = host_config.persona[screen].name;
	if (height < 16)
		return;
	const char *text = read_text(&bar, 4, y, scale, WHITE_INK);
	if (strncmp(text, name, strlen(name) < fits ? strlen(name) : fits))
		fail_msg("bar %u of %u by %u: '%s'", screen, width, height, text);
}

static void test_bar_is_clipped_on_small_screens(void **state)
{
	(void)state;
	static const uint32_t widths[] = { 1, 7, 8, 16, 40, 64, 100, 160, 200, 240, 320, 479, 500 },
			      bars[] = { 1, 2, 8, 15, 16, 18, 19, 31, 33, 64 };
	for (size_t i = 0; i < ARRAY_LEN(widths) * ARRAY_LEN(bars); i++) {
		uint32_t width = widths[i % ARRAY_LEN(widths)], height = bars[i / ARRAY_LEN(widths)];
		configure(width, 200, height, "WWWWWWWWWWWWWWW", "work");
		personas[0].state = personas[1].state = PERSONA_RUNNING;
		alerts[0] = alerts[1] = 999;
		restart();
		check_small_bar(0, width, height);
		check_small_bar(1, width, height);
	}
}

/* The vault's own screen */

static void type_text(const char *text)
{
	for (; *text; text++)
		lock_char((uint8_t)*text);
}

static void test_lock_takes_a_passcode_and_forgets_it(void **state)
{
	(void)state;
	static const uint8_t nothing[PASSCODE_MAX];
	set_state(0, PERSONA_RUNNING);
	set_state(1, PERSONA_LOCKED);
	assert_true(front_switch(1));
	assert_string_equal(read_line(4, 2, INK), "locked");
	assert_string_equal(read_line(6, 2, INK), "Passcode");
	assert_int_equal(count_dots(), 0);
	type_text("24\b58x\b0q\b");
	assert_int_equal(count_dots(), 4);
	assert_memory_equal(passcode + 4, nothing, sizeof(nothing) - 4);
	type_text("\r");
	assert_int_equal(unlocks, 1);
	assert_int_equal(unlocked_persona, 1);
	assert_int_equal(unlocked_len, 4);
	assert_memory_equal(unlocked_with, "2580", 4);
	assert_memory_equal(passcode, nothing, sizeof(nothing));
	assert_int_equal(passcode_len, 0);
	assert_string_equal(read_line(4, 2, INK), "unlocking ...");
	assert_string_equal(read_line(6, 2, INK), "");
	assert_int_equal(count_dots(), 0);
	/* Nobody asks now. */
	type_text("1\r");
	assert_int_equal(unlocks, 1);
	assert_int_equal(passcode_len, 0);
	set_state(1, PERSONA_LOADING);
	assert_string_equal(read_line(4, 2, INK), "starting ...");
	set_state(1, PERSONA_RUNNING);
	assert_int_equal(screen_shown(), 1);
}

static void test_lock_shows_a_dot_for_each_character(void **state)
{
	(void)state;
	set_state(1, PERSONA_LOCKED);
	assert_true(front_switch(1));
	for (unsigned i = 1; i <= 140; i++) {
		lock_char('a');
		assert_int_equal(count_dots(), i < 128 ? i : 128);
	}
	/* What is no character is none. */
	lock_char(0);
	lock_char(7);
	lock_char(0x7f);
	lock_char(0xe4);
	assert_int_equal(passcode_len, 128);
	for (unsigned i = 1; i <= 130; i++) {
		lock_char('\b');
		assert_int_equal(count_dots(), i < 128 ? 128 - i : 0);
	}
	type_text("abcdefghijklmnopqrstuvwxyz0123456789");
	assert_int_equal(count_dots(), 36);
	lock_char(0x15);
	assert_int_equal(count_dots(), 0);
	lock_char('\r');
	assert_int_equal(unlocks, 0);
	type_text("~ \r");
	assert_int_equal(unlocked_len, 2);
}

static void test_lock_forgets_at_every_switch(void **state)
{
	(void)state;
	static const uint8_t nothing[PASSCODE_MAX];
	set_state(0, PERSONA_LOCKED);
	set_state(1, PERSONA_LOCKED);
	type_text("abc");
	assert_int_equal(count_dots(), 3);
	assert_true(front_switch(1));
	assert_memory_equal(passcode, nothing, sizeof(nothing));
	assert_int_equal(count_dots(), 0);
	type_text("z\r");
	assert_int_equal(unlocked_persona, 1);
	assert_int_equal(unlocked_len, 1);
	type_text("rest");
	assert_true(front_switch(0));
	type_text("y\r");
	assert_int_equal(unlocked_persona, 0);
	assert_int_equal(unlocked_len, 1);
}

static void test_lock_counts_wrong_passcodes_and_the_time_to_wait(void **state)
{
	(void)state;
	set_state(0, PERSONA_RUNNING);
	assert_true(front_switch(1));
	personas[1].failures = 4;
	personas[1].not_before = host_time + 12 * 1000000;
	set_state(1, PERSONA_LOCKED);
	assert_string_equal(read_line(10, 2, WARN_COLOR), "wrong passcode (4)");
	for (int left = 12; left > 0; left--) {
		char want[32];
		snprintf(want, sizeof(want), "wait %d s", left);
		assert_string_equal(read_line(11, 2, WARN_COLOR), want);
		/* The clock on it goes on by itself. */
		assert_true(armed[0] && armed[0] <= host_time + 1000000);
		host_time = armed[0];
		timer_fired();
		front_tick();
	}
	assert_string_equal(read_line(11, 2, WARN_COLOR), "");
	assert_string_equal(read_line(10, 2, WARN_COLOR), "wrong passcode (4)");
	personas[1].failures = 0;
	set_state(1, PERSONA_LOADING);
	assert_string_equal(read_line(10, 2, WARN_COLOR), "");
}

static void test_lock_says_why_there_is_nothing_to_see(void **state)
{
	(void)state;
	set_state(1, PERSONA_RUNNING);
	personas[0].wrong = "its kernel cannot be read";
	set_state(0, PERSONA_FAILED);
	assert_string_equal(read_line(4, 2, INK), "not started");
	assert_string_equal(read_line(10, 2, WARN_COLOR), "its kernel cannot be read");
	/* Too long for its size: smaller. */
	personas[0].wrong = "its device tree has no room for the command line";
	set_state(0, PERSONA_FAILED);
	assert_string_equal(read_line(10, 1, WARN_COLOR), "its device tree has no room for the command line");
	personas[0].wrong = NULL;
	set_state(0, PERSONA_OFF);
	assert_string_equal(read_line(4, 2, INK), "off");
	assert_string_equal(read_line(10, 2, WARN_COLOR), "");
}

/* The managed persona: why it is closed, and for how long it is open. */
static void test_lock_shows_orders_and_the_lease(void **state)
{
	(void)state;
	managed = 0;
	set_state(1, PERSONA_RUNNING);
	memset(&vault_state, 0, sizeof(vault_state));
	memcpy(vault_state.reason, "lost: call 1\xc3\xa9\x07", 15);
	vault_state.reason_len = 15;
	lease = "locked by order";
	set_state(0, PERSONA_BARRED);
	assert_string_equal(read_line(4, 2, INK), "locked");
	assert_string_equal(read_line(10, 2, WARN_COLOR), "lost: call 1??");
	assert_string_equal(read_line(11, 2, WARN_COLOR), "locked by order");
	/* No passcode is taken. */
	lock_char('1');
	lock_char('\r');
	assert_int_equal(unlocks, 0);
	vault_state.reason_len = 0;
	vault_state.wipe_cause = MVP_CAUSE_LEASE;
	percent = 42;
	set_state(0, PERSONA_WIPING);
	assert_string_equal(read_line(4, 2, INK), "wiping ...");
	assert_string_equal(read_line(10, 2, WARN_COLOR), "its lease has run out");
	assert_string_equal(read_line(11, 2, WARN_COLOR), "42%");
	set_state(0, PERSONA_WIPED);
	assert_string_equal(read_line(4, 2, INK), "wiped");
	assert_string_equal(read_line(11, 2, WARN_COLOR), "");
	lease = "locks in 3 days";
	set_state(0, PERSONA_LOCKED);
	assert_string_equal(read_line(11, 2, WARN_COLOR), "locks in 3 days");
	managed = 2;
	lease = "";
}

OPAQUE static void check_small_lock(uint32_t width, uint32_t height)
{
	for (int k = 0; k < 140; k++)
		lock_char('x');
	const uint8_t *from = host_screens + host_config.screen_at[2];
	for (uint32_t row = 0; row < height + 4; row++)
		check_untouched(from + row * host_config.stride + width * 4, host_config.stride - width * 4);
	check_untouched(from - GUARD, GUARD);
	check_untouched(from + (size_t)(height + 4) * host_config.stride, GUARD);
}

static void test_lock_is_clipped_on_small_screens(void **state)
{
	(void)state;
	static const uint32_t sizes[] = { 1, 5, 16, 33, 100, 300 };
	for (size_t i = 0; i < ARRAY_LEN(sizes) * ARRAY_LEN(sizes); i++) {
		uint32_t width = sizes[i % ARRAY_LEN(sizes)], height = sizes[i / ARRAY_LEN(sizes)];
		configure(width, height, 4, "WWWWWWWWWWWWWWW", "work");
		personas[0] = (struct persona){ .state = PERSONA_LOCKED, .failures = 1, .not_before = UINT64_MAX / 2 };
		restart();
		check_small_lock(width, height);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_front_shows_what_runs_and_else_the_vault, power_on),
		cmocka_unit_test_setup(test_front_switches_display_first_and_all_at_once, power_on),
		cmocka_unit_test_setup(test_front_stays_when_the_display_refuses, power_on),
		cmocka_unit_test_setup(test_front_draws_nothing_before_it_has_switched, power_on),
		cmocka_unit_test_setup(test_front_goes_without_a_display, power_on),
		cmocka_unit_test_setup(test_bar_says_whose_screen_it_is, power_on),
		cmocka_unit_test_setup(test_bar_counts_alerts_of_a_name_of_15_characters, power_on),
		cmocka_unit_test_setup(test_bar_is_redrawn_when_something_changed, power_on),
		cmocka_unit_test_setup(test_bar_wakes_up_at_the_next_minute, power_on),
		cmocka_unit_test_setup(test_bar_is_clipped_on_small_screens, power_on),
		cmocka_unit_test_setup(test_lock_takes_a_passcode_and_forgets_it, power_on),
		cmocka_unit_test_setup(test_lock_shows_a_dot_for_each_character, power_on),
		cmocka_unit_test_setup(test_lock_forgets_at_every_switch, power_on),
		cmocka_unit_test_setup(test_lock_counts_wrong_passcodes_and_the_time_to_wait, power_on),
		cmocka_unit_test_setup(test_lock_says_why_there_is_nothing_to_see, power_on),
		cmocka_unit_test_setup(test_lock_shows_orders_and_the_lease, power_on),
		cmocka_unit_test_setup(test_lock_is_clipped_on_small_screens, power_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
