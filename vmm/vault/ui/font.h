/* The vault's own font: printable ASCII in cells of 8 by 16 pixels. */
#ifndef VAULT_UI_FONT_H
#define VAULT_UI_FONT_H

#include "../lib.h"

#define FONT_WIDTH 8u
#define FONT_HEIGHT 16u

/* Rows from the top, bit 7 is the left pixel. A character without a picture is shown as '?'. */
const uint8_t *font_glyph(char c);

#endif
