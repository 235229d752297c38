/* Rectangles and text on a piece of memory; whatever lies outside is clipped. */
#ifndef VAULT_UI_DRAW_H
#define VAULT_UI_DRAW_H

#include "../lib.h"

/* Pixels are 0x00RRGGBB. */
struct canvas {
	uint32_t *pixels;
	uint32_t stride; /* pixels from one line to the next */
	uint32_t width, height;
};

struct rect {
	uint32_t x, y, width, height;
};

/* A part of a canvas as one; empty where r lies outside. */
struct canvas draw_part(const struct canvas *c, const struct rect *r);
void draw_fill(const struct canvas *c, const struct rect *r, uint32_t color);
/* Each pixel of the font becomes scale by scale. The ground stays as it is. */
void draw_text(const struct canvas *c, uint32_t x, uint32_t y, uint32_t scale, uint32_t color, const char *text);
uint32_t draw_text_width(uint32_t scale, const char *text);
uint32_t draw_contrast(uint32_t ground); /* black or white, whichever is easier to read on it */
void draw_done(const struct canvas *c);  /* what was drawn is for the display to see */

#endif
