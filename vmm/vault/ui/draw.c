#include "draw.h"

#include "font.h"

#define BLACK 0x000000u
#define WHITE 0xffffffu

struct canvas draw_part(const struct canvas *c, const struct rect *r)
{
	uint32_t x = (uint32_t)min_u64(r->x, c->width), y = (uint32_t)min_u64(r->y, c->height);
	return (struct canvas){
		.pixels = c->pixels + (size_t)y * c->stride + x,
		.stride = c->stride,
		.width = (uint32_t)min_u64(r->width, c->width - x),
		.height = (uint32_t)min_u64(r->height, c->height - y),
	};
}

void draw_fill(const struct canvas *c, const struct rect *r, uint32_t color)
{
	struct canvas part = draw_part(c, r);
	for (uint32_t y = 0; y < part.height; y++) {
		uint32_t *line = part.pixels + (size_t)y * part.stride;
		for (uint32_t x = 0; x < part.width; x++)
			line[x] = color;
	}
}

void draw_text(const struct canvas *c, uint32_t x, uint32_t y, uint32_t scale, uint32_t color, const char *text)
{
	for (; *text && x < c->width; text++, x += FONT_WIDTH * scale) {
		const uint8_t *rows = font_glyph(*text);
		for (uint32_t row = 0; row < FONT_HEIGHT; row++) {
			for (uint32_t column = 0; rows[row] && column < FONT_WIDTH; column++) {
				if (rows[row] & 0x80 >> column)
					draw_fill(c, &(struct rect){ x + column * scale, y + row * scale, scale, scale }, color);
			}
		}
	}
}

uint32_t draw_text_width(uint32_t scale, const char *text)
{
	return (uint32_t)text_len(text) * FONT_WIDTH * scale;
}

uint32_t draw_contrast(uint32_t ground)
{
	/* Luma by ITU-R BT.601, in thousandths. */
	uint32_t luma = (ground >> 16 & 255) * 299 + (ground >> 8 & 255) * 587 + (ground & 255) * 114;
	return luma > 140 * 1000 ? BLACK : WHITE;
}

void draw_done(const struct canvas *c)
{
	for (uint32_t y = 0; y < c->height; y++)
		arch_clean(c->pixels + (size_t)y * c->stride, c->width * sizeof(*c->pixels));
}
