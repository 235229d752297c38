/* The vault's font and what draws with it: every character has a picture of its own inside its cell, and nothing is drawn outside a canvas.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vault_host.h"

#include "../../vmm/vault/ui/draw.c"
#include "../../vmm/vault/ui/font.c"

enum { WIDTH = 60, HEIGHT = 40, STRIDE = 64, MARGIN = 3, GROUND = 0x123456, INK = 0xabcdef, SENTINEL = 0x5aa55a };

static uint32_t memory[(HEIGHT + 2 * MARGIN) * STRIDE];
static uint32_t cleaned; /* bytes */

void arch_clean(const void *at, size_t len)
{
	assert_true((const uint32_t *)at >= memory && (const uint32_t *)at < memory + sizeof(memory) / 4);
	cleaned += (uint32_t)len;
}

static struct canvas fresh(void)
{
	struct canvas c = { memory + MARGIN * STRIDE + MARGIN, STRIDE, WIDTH, HEIGHT };
	for (size_t i = 0; i < ARRAY_LEN(memory); i++)
		memory[i] = SENTINEL;
	for (uint32_t y = 0; y < HEIGHT; y++) {
		for (uint32_t x = 0; x < WIDTH; x++)
			c.pixels[y * STRIDE + x] = GROUND;
	}
	return c;
}

/* What a pixel must be when `text` was drawn at (x, y): looked up from the pixel's side. */
static uint32_t expected(int64_t px, int64_t py, int64_t x, int64_t y, int64_t scale, const char *text)
{
	int64_t dx = px - x, dy = py - y, len = (int64_t)strlen(text);
	if (dx < 0 || dy < 0 || dy >= 16 * scale || dx >= len * 8 * scale)
		return GROUND;
	const uint8_t *glyph = font_glyph(text[dx / (8 * scale)]);
	return glyph[dy / scale] >> (7 - dx / scale % 8) & 1 ? INK : GROUND;
}

static void check_canvas(uint32_t x, uint32_t y, uint32_t scale, const char *text)
{
	for (int64_t i = 0; i < (int64_t)ARRAY_LEN(memory); i++) {
		int64_t px = i % STRIDE - MARGIN, py = i / STRIDE - MARGIN;
		bool inside = px >= 0 && px < WIDTH && py >= 0 && py < HEIGHT;
		uint32_t want = inside ? expected(px, py, x, y, scale, text) : SENTINEL;
		if (memory[i] != want)
			fail_msg("'%s' at %u,%u x%u: pixel %d,%d is %06x, not %06x", text, x, y, scale, (int)px, (int)py, memory[i], want);
	}
}

static unsigned bits(const uint8_t *a, const uint8_t *b)
{
	unsigned n = 0;
	for (unsigned r = 0; r < 16; r++)
		n += (unsigned)__builtin_popcount((unsigned)(a[r] ^ b[r]));
	return n;
}

static void test_font_shows_every_character_differently(void **state)
{
	(void)state;
	static const uint8_t blank[16];
	for (int a = 32; a < 127; a++) {
		assert_true((bits(font_glyph((char)a), blank) == 0) == (a == ' '));
		for (int b = a + 1; b < 127; b++) {
			/* A bar is not read with a magnifying glass: those next to each other in shape are 3 pixels apart or more. */
			if (bits(font_glyph((char)a), font_glyph((char)b)) < 3)
				fail_msg("'%c' and '%c' look alike", a, b);
		}
	}
}

static void test_font_keeps_within_its_cells(void **state)
{
	(void)state;
	for (int c = 32; c < 127; c++) {
		const uint8_t *g = font_glyph((char)c);
		bool low = strchr("gjpqyQ,;_|", c) != NULL;
		/* Lines and characters next to each other do not touch. */
		assert_int_equal(g[0] | g[15], 0);
		for (unsigned r = 0; r < 16; r++) {
			if (g[r] & 1 && !strchr("_~", c))
				fail_msg("'%c' touches what follows", c);
			if (r > 11 && g[r] && !low)
				fail_msg("'%c' reaches below the base line", c);
		}
	}
	for (int c = '0'; c <= '9'; c++)
		assert_true(font_glyph((char)c)[2] && font_glyph((char)c)[11]);
	for (int c = 'A'; c <= 'Z'; c++)
		assert_true(font_glyph((char)c)[2] && font_glyph((char)c)[11] && !font_glyph((char)c)[1]);
}

static void test_font_letters_are_what_they_should_be(void **state)
{
	(void)state;
	static const struct {
		char c;
		const char *rows[16];
	} pictures[] = {
		{ 'A',
		  { "........", "........", "...##...", "..####..", ".##..##.", ".##..##.", ".##..##.", ".######.", ".##..##.", ".##..##.",
		    ".##..##.", ".##..##.", "........", "........", "........", "........" } },
		{ 'g',
		  { "........", "........", "........", "........", "........", "..#####.", ".##..##.", ".##..##.", ".##..##.", ".##..##.",
		    ".##..##.", "..#####.", ".....##.", ".##..##.", "..####..", "........" } },
		{ '2',
		  { "........", "........", "..####..", ".##..##.", ".....##.", ".....##.", "....##..", "...##...", "..##....", ".##.....",
		    ".##.....", ".######.", "........", "........", "........", "........" } },
	};
	for (size_t i = 0; i < ARRAY_LEN(pictures); i++) {
		for (unsigned y = 0; y < 16; y++) {
			for (unsigned x = 0; x < 8; x++)
				assert_int_equal(font_glyph(pictures[i].c)[y] >> (7 - x) & 1, pictures[i].rows[y][x] == '#');
		}
	}
}

static void test_font_has_a_picture_for_what_it_does_not_know(void **state)
{
	(void)state;
	static const char odd[] = { 0, 1, 31, 127, (char)0x80, (char)0xff };
	for (size_t i = 0; i < sizeof(odd); i++)
		assert_ptr_equal(font_glyph(odd[i]), font_glyph('?'));
}

static void test_draw_text_is_clipped_everywhere(void **state)
{
	(void)state;
	static const char *const texts[] = { "", "W", "Agj", "0123456789" };
	for (uint32_t scale = 1; scale <= 4; scale++) {
		for (uint32_t x = 0; x < WIDTH + 4; x += 7) {
			for (uint32_t y = 0; y < HEIGHT + 4; y += 9) {
				for (size_t t = 0; t < ARRAY_LEN(texts); t++) {
					struct canvas c = fresh();
					draw_text(&c, x, y, scale, INK, texts[t]);
					check_canvas(x, y, scale, texts[t]);
				}
			}
		}
	}
	assert_int_equal(draw_text_width(3, "abcd"), 96);
}

static void test_draw_fill_is_clipped_everywhere(void **state)
{
	(void)state;
	static const uint32_t at[] = { 0, 1, 30, WIDTH - 1, WIDTH, WIDTH + 1, UINT32_MAX };
	for (size_t i = 0; i < ARRAY_LEN(at) * ARRAY_LEN(at) * ARRAY_LEN(at); i++) {
		size_t n = ARRAY_LEN(at);
		struct rect r = { at[i % n], at[i / n % n], at[i / n / n], at[(i / n + i) % n] };
		struct canvas c = fresh();
		draw_fill(&c, &r, INK);
		for (int64_t k = 0; k < (int64_t)ARRAY_LEN(memory); k++) {
			int64_t x = k % STRIDE - MARGIN, y = k / STRIDE - MARGIN;
			bool inside = x >= 0 && x < WIDTH && y >= 0 && y < HEIGHT;
			bool filled = inside && x >= r.x && y >= r.y && x - r.x < r.width && y - r.y < r.height;
			assert_int_equal(memory[k], !inside ? SENTINEL : filled ? INK : GROUND);
		}
	}
}

static void test_draw_parts_of_parts_stay_inside(void **state)
{
	(void)state;
	struct canvas c = fresh();
	struct canvas part = draw_part(&c, &(struct rect){ 50, 30, 100, 100 });
	assert_int_equal(part.width, 10);
	assert_int_equal(part.height, 10);
	part = draw_part(&part, &(struct rect){ 9, 20, 100, 1 });
	assert_int_equal(part.width, 1);
	assert_int_equal(part.height, 0);
	draw_fill(&part, &(struct rect){ 0, 0, 5, 5 }, INK);
	check_canvas(0, 0, 1, "");
}

static void test_draw_contrast_is_readable(void **state)
{
	(void)state;
	assert_int_equal(draw_contrast(0xffffff), 0);
	assert_int_equal(draw_contrast(0xffc107), 0);
	assert_int_equal(draw_contrast(0x000000), 0xffffff);
	assert_int_equal(draw_contrast(0x2e7d32), 0xffffff);
	assert_int_equal(draw_contrast(0x1565c0), 0xffffff);
	assert_int_equal(draw_contrast(0x00ff00), 0);
	assert_int_equal(draw_contrast(0x0000ff), 0xffffff);
}

static void test_draw_done_cleans_what_is_seen(void **state)
{
	(void)state;
	struct canvas c = fresh();
	cleaned = 0;
	draw_done(&c);
	assert_int_equal(cleaned, WIDTH * HEIGHT * 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_font_shows_every_character_differently),
		cmocka_unit_test(test_font_keeps_within_its_cells),
		cmocka_unit_test(test_font_letters_are_what_they_should_be),
		cmocka_unit_test(test_font_has_a_picture_for_what_it_does_not_know),
		cmocka_unit_test(test_draw_text_is_clipped_everywhere),
		cmocka_unit_test(test_draw_fill_is_clipped_everywhere),
		cmocka_unit_test(test_draw_parts_of_parts_stay_inside),
		cmocka_unit_test(test_draw_contrast_is_readable),
		cmocka_unit_test(test_draw_done_cleans_what_is_seen),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
