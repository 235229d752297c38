/* Strict JSON (RFC 8259) into a flat array of tokens: no heap, no recursion, depth and count bounded. The text is borrowed. */
#ifndef VAULT_JSON_H
#define VAULT_JSON_H

#include "lib.h"

#define JSON_TOKENS_MAX 1536
#define JSON_DEPTH_MAX 16

enum json_kind { JSON_OBJECT, JSON_ARRAY, JSON_STRING, JSON_NUMBER, JSON_TRUE, JSON_FALSE, JSON_NULL };

struct json_token {
	uint8_t kind;
	uint32_t at, len; /* of the text; a string without its quotes, its escapes not resolved */
	uint32_t after;   /* index of the first token behind this one's children */
};

/* An object's children are key, value, key, value...; a key is a JSON_STRING token. */
struct json {
	const char *text;
	uint32_t count;
	struct json_token token[JSON_TOKENS_MAX];
};

/* len bytes, one value, nothing but white space behind it. Token 0 is the value. */
bool json_parse(struct json *j, const char *text, size_t len);

/* A token's index; JSON_NONE if not there, not of this kind, or there twice. Passing JSON_NONE as the object gives JSON_NONE. */
#define JSON_NONE UINT32_MAX
uint32_t json_member(const struct json *j, uint32_t object, const char *key, enum json_kind kind);

/* Children one after the other: 0 < the result, or JSON_NONE behind the last. In objects the index is the key's, its value is at + 1. */
uint32_t json_first(const struct json *j, uint32_t parent);
uint32_t json_next(const struct json *j, uint32_t parent, uint32_t child);

bool json_is(const struct json *j, uint32_t token, const char *string); /* a string without escapes, equal */
/* Whole decimal numbers, as number or, if as_string, as string of digits. */
bool json_uint(const struct json *j, uint32_t token, bool as_string, uint64_t max, uint64_t *ret);
/* Base64 (RFC 4648, padded) of a string; the number of bytes, or -1. */
int json_base64(const struct json *j, uint32_t token, uint8_t *out, size_t size);

#endif
