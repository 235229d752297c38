#include "imagegen/manifest/chord.h"

#include <linux/input-event-codes.h>
#include <string.h>

enum use { TYPES, SHIFTS, MODIFIES, ACTS };

/* Names are those of Linux's input-event-codes.h without KEY_, in lower case. */
static const struct {
	const char *name;
	uint16_t code;
	enum use use;
} keys[] = {
	{ "a", KEY_A, TYPES },
	{ "b", KEY_B, TYPES },
	{ "c", KEY_C, TYPES },
	{ "d", KEY_D, TYPES },
	{ "e", KEY_E, TYPES },
	{ "f", KEY_F, TYPES },
	{ "g", KEY_G, TYPES },
	{ "h", KEY_H, TYPES },
	{ "i", KEY_I, TYPES },
	{ "j", KEY_J, TYPES },
	{ "k", KEY_K, TYPES },
	{ "l", KEY_L, TYPES },
	{ "m", KEY_M, TYPES },
	{ "n", KEY_N, TYPES },
	{ "o", KEY_O, TYPES },
	{ "p", KEY_P, TYPES },
	{ "q", KEY_Q, TYPES },
	{ "r", KEY_R, TYPES },
	{ "s", KEY_S, TYPES },
	{ "t", KEY_T, TYPES },
	{ "u", KEY_U, TYPES },
	{ "v", KEY_V, TYPES },
	{ "w", KEY_W, TYPES },
	{ "x", KEY_X, TYPES },
	{ "y", KEY_Y, TYPES },
	{ "z", KEY_Z, TYPES },
	{ "0", KEY_0, TYPES },
	{ "1", KEY_1, TYPES },
	{ "2", KEY_2, TYPES },
	{ "3", KEY_3, TYPES },
	{ "4", KEY_4, TYPES },
	{ "5", KEY_5, TYPES },
	{ "6", KEY_6, TYPES },
	{ "7", KEY_7, TYPES },
	{ "8", KEY_8, TYPES },
	{ "9", KEY_9, TYPES },
	{ "tab", KEY_TAB, TYPES },
	{ "space", KEY_SPACE, TYPES },
	{ "enter", KEY_ENTER, TYPES },
	{ "backspace", KEY_BACKSPACE, TYPES },
	{ "esc", KEY_ESC, TYPES },
	{ "delete", KEY_DELETE, TYPES },
	{ "up", KEY_UP, TYPES },
	{ "down", KEY_DOWN, TYPES },
	{ "left", KEY_LEFT, TYPES },
	{ "right", KEY_RIGHT, TYPES },
	{ "leftshift", KEY_LEFTSHIFT, SHIFTS },
	{ "rightshift", KEY_RIGHTSHIFT, SHIFTS },
	{ "leftmeta", KEY_LEFTMETA, MODIFIES },
	{ "rightmeta", KEY_RIGHTMETA, MODIFIES },
	{ "leftctrl", KEY_LEFTCTRL, MODIFIES },
	{ "rightctrl", KEY_RIGHTCTRL, MODIFIES },
	{ "leftalt", KEY_LEFTALT, MODIFIES },
	{ "rightalt", KEY_RIGHTALT, MODIFIES },
	{ "f1", KEY_F1, ACTS },
	{ "f2", KEY_F2, ACTS },
	{ "f3", KEY_F3, ACTS },
	{ "f4", KEY_F4, ACTS },
	{ "f5", KEY_F5, ACTS },
	{ "f6", KEY_F6, ACTS },
	{ "f7", KEY_F7, ACTS },
	{ "f8", KEY_F8, ACTS },
	{ "f9", KEY_F9, ACTS },
	{ "f10", KEY_F10, ACTS },
	{ "f11", KEY_F11, ACTS },
	{ "f12", KEY_F12, ACTS },
	{ "home", KEY_HOME, ACTS },
	{ "end", KEY_END, ACTS },
	{ "pageup", KEY_PAGEUP, ACTS },
	{ "pagedown", KEY_PAGEDOWN, ACTS },
	{ "insert", KEY_INSERT, ACTS },
	{ "pause", KEY_PAUSE, ACTS },
	{ "sysrq", KEY_SYSRQ, ACTS },
	{ "menu", KEY_MENU, ACTS },
	{ "back", KEY_BACK, ACTS },
	{ "homepage", KEY_HOMEPAGE, ACTS },
	{ "search", KEY_SEARCH, ACTS },
	{ "camera", KEY_CAMERA, ACTS },
	{ "mute", KEY_MUTE, ACTS },
	{ "volumedown", KEY_VOLUMEDOWN, ACTS },
	{ "volumeup", KEY_VOLUMEUP, ACTS },
	{ "power", KEY_POWER, ACTS },
	{ "sleep", KEY_SLEEP, ACTS },
};

const char *chord_key_name(size_t i)
{
	return i < ARRAY_LEN(keys) ? keys[i].name : NULL;
}

static size_t find(const char *text, size_t len)
{
	size_t i = 0;
	while (i < ARRAY_LEN(keys) && (strlen(keys[i].name) != len || strncmp(keys[i].name, text, len) != 0))
		i++;
	return i;
}

enum chord_error chord_parse(const char *text, uint16_t ret[CHORD_MAX], const char **ret_bad, size_t *ret_bad_len)
{
	uint16_t codes[CHORD_MAX] = { 0 };
	size_t count = 0;
	bool uses[ACTS + 1] = { false };
	for (bool more = true; more; count++) {
		size_t len = strcspn(text, "+"), key = find(text, len);
		if (key == ARRAY_LEN(keys)) {
			*ret_bad = text;
			*ret_bad_len = len;
			return CHORD_UNKNOWN;
		}
		for (size_t i = 0; i < count; i++) {
			if (codes[i] == keys[key].code)
				return CHORD_COUNT;
		}
		if (count == CHORD_MAX)
			return CHORD_COUNT;
		codes[count] = keys[key].code;
		uses[keys[key].use] = true;
		more = text[len] == '+';
		text += len + more;
	}
	/* A modifier alone is pressed in typing as well. */
	if (!uses[ACTS] && (!uses[MODIFIES] || count == 1))
		return CHORD_TYPING;
	memcpy(ret, codes, sizeof(codes));
	return CHORD_OK;
}
