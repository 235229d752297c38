/* Scalars with a unit, as manifests write them. Pure functions of the text: the caller knows the place and reports. */
#ifndef IMAGEGEN_VALUE_H
#define IMAGEGEN_VALUE_H

#include "imagegen/base/base.h"

enum value_error {
	VALUE_OK = 0,
	VALUE_MALFORMED, /* not a number, or something behind it */
	VALUE_NO_UNIT,   /* a number without the unit it needs */
	VALUE_BAD_UNIT,  /* an unknown unit */
	VALUE_TOO_LARGE, /* does not fit in 64 bits */
};

/* "512 MiB", "512MiB": bytes. Units B, KiB, MiB, GiB, TiB. */
MUST_USE enum value_error value_size(const char *text, uint64_t *ret_bytes);
/* "80%". */
MUST_USE enum value_error value_percent(const char *text, uint64_t *ret_percent);
/* "7 days": seconds. Units second(s), minute(s), hour(s), day(s), week(s). */
MUST_USE enum value_error value_duration(const char *text, uint64_t *ret_seconds);
/* Decimal digits. */
MUST_USE enum value_error value_count(const char *text, uint64_t *ret_v);
/* Permission bits in octal, three or four digits ("644", "0755", "4755"). */
MUST_USE enum value_error value_mode(const char *text, uint32_t *ret_mode);
/* "ctrl-]": the byte a terminal sends for it. Keys that shells and line discipline need (Enter, Tab, Escape, Backspace) are malformed. */
MUST_USE enum value_error value_console_key(const char *text, uint8_t *ret_byte);
/* "100 Mbit/s": bits per second. Units kbit/s, Mbit/s, Gbit/s, decimal. */
MUST_USE enum value_error value_rate(const char *text, uint64_t *ret_bits);
/* "true" or "false": 1 or 0. */
MUST_USE enum value_error value_bool(const char *text, uint64_t *ret_v);
/* "22:00-07:00": minutes of the day, which differ. */
MUST_USE enum value_error value_hours(const char *text, uint64_t *ret_from, uint64_t *ret_to);
/* "#2e7d32": red, green and blue, 0x2e7d32. */
MUST_USE enum value_error value_color(const char *text, uint64_t *ret_rgb);

/* Are the brackets of a glob pattern closed, and is no backslash its last character? */
bool value_glob_ok(const char *pattern);
bool value_is_glob(const char *text); /* holds *, ? or [ */

#endif
