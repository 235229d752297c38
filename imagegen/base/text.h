/* Small text helpers: nearest words and sizes for people. */
#ifndef IMAGEGEN_TEXT_H
#define IMAGEGEN_TEXT_H

#include "imagegen/base/base.h"

/* The candidate a typing mistake away from word (insertions, deletions, substitutions, swaps of neighbours; case does not count), or NULL
 * when none is near enough to be worth naming. Of equally near ones the first. */
const char *text_nearest(const char *word, const char *const *candidates, size_t candidates_count);

/* "512 MiB", "1.5 KiB", "37 bytes"; exact when a whole number of units, else with one decimal. Returns buf. */
#define TEXT_SIZE_LEN 48
const char *text_size(uint64_t bytes, char buf[TEXT_SIZE_LEN]);

/* Lower-case hexadecimal; buf holds 2 * len + 1. Returns buf. */
const char *text_hex(const uint8_t *data, size_t len, char *buf);

/* 8-4-4-4-12 of 16 bytes in RFC 4122 order. Returns buf. */
#define TEXT_UUID_LEN 37
const char *text_uuid(const uint8_t uuid[16], char buf[TEXT_UUID_LEN]);

/* Length of the UTF-8 character at s (1..4), 0 if the bytes at s (at most len) are not one. */
size_t text_utf8_len(const char *s, size_t len);

#endif
