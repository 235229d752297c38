#include "imagegen/manifest/value.h"

#include <string.h>

#include "imagegen/base/num.h"

struct unit {
	const char *name;
	uint64_t factor;
};

/* The digits at *text, which is moved behind them. */
static enum value_error digits(const char **text, uint64_t *ret_v)
{
	const char *p = *text;
	uint64_t v = 0;
	if (*p < '0' || *p > '9')
		return VALUE_MALFORMED;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (!num_mul(v, 10, &v) || !num_add(v, (uint64_t)(*p - '0'), &v))
			return VALUE_TOO_LARGE;
	}
	*text = p;
	*ret_v = v;
	return VALUE_OK;
}

static enum value_error with_unit(const char *text, const struct unit *units, size_t units_count, uint64_t *ret_v)
{
	uint64_t v;
	enum value_error e = digits(&text, &v);
	if (e != VALUE_OK)
		return e;
	while (*text == ' ')
		text++;
	if (!*text)
		return VALUE_NO_UNIT;
	for (size_t i = 0; i < units_count; i++) {
		if (strcmp(text, units[i].name) == 0)
			return num_mul(v, units[i].factor, ret_v) ? VALUE_OK : VALUE_TOO_LARGE;
	}
	return strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ%", *text) ? VALUE_BAD_UNIT : VALUE_MALFORMED;
}

enum value_error value_size(const char *text, uint64_t *ret_bytes)
{
	static const struct unit units[] = { { "B", 1 }, { "KiB", KIB }, { "MiB", MIB }, { "GiB", GIB }, { "TiB", 1024 * GIB } };
	return with_unit(text, units, ARRAY_LEN(units), ret_bytes);
}

enum value_error value_percent(const char *text, uint64_t *ret_percent)
{
	static const struct unit units[] = { { "%", 1 } };
	return with_unit(text, units, ARRAY_LEN(units), ret_percent);
}

enum value_error value_duration(const char *text, uint64_t *ret_seconds)
{
	static const struct unit units[] = {
		{ "second", 1 },   { "seconds", 1 }, { "minute", 60 },  { "minutes", 60 },  { "hour", 3600 },
		{ "hours", 3600 }, { "day", 86400 }, { "days", 86400 }, { "week", 604800 }, { "weeks", 604800 }
	};
	return with_unit(text, units, ARRAY_LEN(units), ret_seconds);
}

enum value_error value_count(const char *text, uint64_t *ret_v)
{
	uint64_t v;
	enum value_error e = digits(&text, &v);
	if (e != VALUE_OK)
		return e;
	if (*text)
		return VALUE_MALFORMED;
	*ret_v = v;
	return VALUE_OK;
}

enum value_error value_mode(const char *text, uint32_t *ret_mode)
{
	size_t len = strlen(text);
	if (len < 3 || len > 4 || strspn(text, "01234567") != len)
		return VALUE_MALFORMED;
	uint32_t v = 0;
	for (; *text; text++)
		v = v * 8 + (uint32_t)(*text - '0');
	*ret_mode = v;
	return VALUE_OK;
}

enum value_error value_console_key(const char *text, uint8_t *ret_byte)
{
	static const char prefix[] = "ctrl-", unusable[] = "hijm["; /* Backspace, Tab, line feed, Enter, Escape */
	if (strncmp(text, prefix, strlen(prefix)) != 0)
		return VALUE_MALFORMED;
	text += strlen(prefix);
	if (!text[0] || text[1])
		return VALUE_MALFORMED;
	char c = *text;
	if (!((c >= 'a' && c <= 'z') || (c >= '[' && c <= '_')) || strchr(unusable, c))
		return VALUE_MALFORMED;
	*ret_byte = (uint8_t)(c & 0x1f);
	return VALUE_OK;
}

enum value_error value_rate(const char *text, uint64_t *ret_bits)
{
	static const struct unit units[] = { { "kbit/s", 1000 }, { "Mbit/s", 1000 * 1000 }, { "Gbit/s", 1000 * 1000 * 1000 } };
	return with_unit(text, units, ARRAY_LEN(units), ret_bits);
}

enum value_error value_color(const char *text, uint64_t *ret_rgb)
{
	static const char digit[] = "0123456789abcdef";
	uint64_t v = 0;
	if (strlen(text) != 7 || text[0] != '#')
		return VALUE_MALFORMED;
	for (text++; *text; text++) {
		const char *at = strchr(digit, *text >= 'A' && *text <= 'F' ? *text - 'A' + 'a' : *text);
		if (!at)
			return VALUE_MALFORMED;
		v = v * 16 + (uint64_t)(at - digit);
	}
	*ret_rgb = v;
	return VALUE_OK;
}

enum value_error value_bool(const char *text, uint64_t *ret_v)
{
	bool on = !strcmp(text, "true");
	if (!on && strcmp(text, "false") != 0)
		return VALUE_MALFORMED;
	*ret_v = on;
	return VALUE_OK;
}

/* "22:00" up to the character `end`; what follows, or NULL. */
static const char *time_of_day(const char *text, char end, uint64_t *ret_minutes)
{
	for (size_t i = 0; i < 5; i++) {
		if (i == 2 ? text[i] != ':' : text[i] < '0' || text[i] > '9')
			return NULL;
	}
	uint64_t hours = (uint64_t)(text[0] - '0') * 10 + (uint64_t)(text[1] - '0');
	uint64_t minutes = (uint64_t)(text[3] - '0') * 10 + (uint64_t)(text[4] - '0');
	if (text[5] != end || hours > 23 || minutes > 59)
		return NULL;
	*ret_minutes = hours * 60 + minutes;
	return text + 6;
}

enum value_error value_hours(const char *text, uint64_t *ret_from, uint64_t *ret_to)
{
	uint64_t from, to;
	const char *second = time_of_day(text, '-', &from);
	if (!second || !time_of_day(second, '\0', &to) || from == to)
		return VALUE_MALFORMED;
	*ret_from = from;
	*ret_to = to;
	return VALUE_OK;
}

bool value_is_glob(const char *text)
{
	return strpbrk(text, "*?[") != NULL;
}

bool value_glob_ok(const char *pattern)
{
	for (const char *p = pattern; *p; p++) {
		if (*p == '\\') {
			if (!*++p)
				return false;
			continue;
		}
		if (*p != '[')
			continue;
		/* A ']' that comes first, or behind the negation, stands for itself (POSIX 2.13.1). */
		p++;
		if (*p == '!' || *p == '^')
			p++;
		if (*p)
			p++;
		while (*p && *p != ']')
			p++;
		if (!*p)
			return false;
	}
	return true;
}
