#include "keymap.h"

#include "../evdev.h"

/* Runs of codes that follow each other on the keyboard, too. */
static const struct {
	uint8_t first;
	const char *plain, *shifted;
} runs[] = {
	{ 2, "1234567890-=\b", "!@#$%^&*()_+\b" },
	{ 15, "\t", "\t" },
	{ 16, "qwertyuiop[]\r", "QWERTYUIOP{}\r" },
	{ 30, "asdfghjkl;'`", "ASDFGHJKL:\"~" },
	{ 43, "\\zxcvbnm,./", "|ZXCVBNM<>?" },
	{ 55, "*", "*" },
	{ 57, " ", " " },
	{ 71, "789-456+1230.", "789-456+1230." }, /* the number pad, whatever number lock says */
	{ 86, "\\", "|" },
	{ 96, "\r", "\r" },
	{ 98, "/", "/" },
};

uint8_t keymap_char(unsigned code, bool shift, bool capitals)
{
	for (size_t i = 0; i < ARRAY_LEN(runs); i++) {
		if (code < runs[i].first || code - runs[i].first >= text_len(runs[i].plain))
			continue;
		unsigned at = code - runs[i].first;
		char c = runs[i].plain[at];
		bool letter = c >= 'a' && c <= 'z';
		return (uint8_t)(shift != (letter && capitals) ? runs[i].shifted[at] : c);
	}
	return 0;
}
