#include "json.h"

struct reader {
	struct json *j;
	size_t at, len;
};

static int peek(const struct reader *r)
{
	return r->at < r->len ? (uint8_t)r->j->text[r->at] : -1;
}

static void skip_space(struct reader *r)
{
	int c = peek(r);
	while (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
		r->at++;
		c = peek(r);
	}
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(int c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_escape(int c)
{
	static const char letters[] = { '"', '\\', '/', 'b', 'f', 'n', 'r', 't', 'u' };
	for (size_t i = 0; i < sizeof(letters); i++) {
		if (c == letters[i])
			return true;
	}
	return false;
}

static struct json_token *add_token(struct reader *r, enum json_kind kind)
{
	if (r->j->count == JSON_TOKENS_MAX)
		return NULL;
	struct json_token *t = &r->j->token[r->j->count++];
	*t = (struct json_token){ .kind = (uint8_t)kind, .at = (uint32_t)r->at, .after = r->j->count };
	return t;
}

static bool read_string(struct reader *r)
{
	if (peek(r) != '"')
		return false;
	r->at++;
	struct json_token *t = add_token(r, JSON_STRING);
	if (!t)
		return false;
	for (int c = peek(r); c != '"'; c = peek(r)) {
		if (c < 0x20) /* control character, or the end */
			return false;
		r->at++;
		if (c != '\\')
			continue;
		c = peek(r);
		if (!is_escape(c))
			return false;
		r->at++;
		for (int i = 0; c == 'u' && i < 4; i++, r->at++) {
			if (!is_hex(peek(r)))
				return false;
		}
	}
	t->len = (uint32_t)r->at - t->at;
	r->at++;
	return true;
}

static bool read_digits(struct reader *r)
{
	if (!is_digit(peek(r)))
		return false;
	while (is_digit(peek(r)))
		r->at++;
	return true;
}

static bool read_number(struct reader *r)
{
	struct json_token *t = add_token(r, JSON_NUMBER);
	if (!t)
		return false;
	if (peek(r) == '-')
		r->at++;
	if (peek(r) == '0')
		r->at++;
	else if (!read_digits(r))
		return false;
	if (peek(r) == '.') {
		r->at++;
		if (!read_digits(r))
			return false;
	}
	if (peek(r) == 'e' || peek(r) == 'E') {
		r->at++;
		if (peek(r) == '+' || peek(r) == '-')
			r->at++;
		if (!read_digits(r))
			return false;
	}
	t->len = (uint32_t)r->at - t->at;
	return true;
}

static bool read_word(struct reader *r)
{
	static const struct {
		const char *word;
		uint8_t len, kind;
	} words[] = { { "true", 4, JSON_TRUE }, { "false", 5, JSON_FALSE }, { "null", 4, JSON_NULL } };
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (r->len - r->at < words[i].len || memcmp(r->j->text + r->at, words[i].word, words[i].len) != 0)
			continue;
		struct json_token *t = add_token(r, words[i].kind);
		if (!t)
			return false;
		t->len = words[i].len;
		r->at += words[i].len;
		return true;
	}
	return false;
}

static bool read_scalar(struct reader *r)
{
	int c = peek(r);
	if (c == '"')
		return read_string(r);
	return c == '-' || is_digit(c) ? read_number(r) : read_word(r);
}

static bool read_key(struct reader *r)
{
	skip_space(r);
	if (!read_string(r))
		return false;
	skip_space(r);
	if (peek(r) != ':')
		return false;
	r->at++;
	return true;
}

bool json_parse(struct json *j, const char *text, size_t len)
{
	struct reader reader = { j, 0, len }, *r = &reader;
	uint32_t open[JSON_DEPTH_MAX]; /* tokens of the objects and arrays we are in */
	unsigned depth = 0;
	j->text = text;
	j->count = 0;
	if (len > UINT32_MAX)
		return false;

	for (;;) {
		/* A value is expected here. */
		skip_space(r);
		int c = peek(r);
		if (c == '{' || c == '[') {
			if (depth == JSON_DEPTH_MAX || !add_token(r, c == '{' ? JSON_OBJECT : JSON_ARRAY))
				return false;
			open[depth++] = j->count - 1;
			r->at++;
			skip_space(r);
			if (peek(r) != (c == '{' ? '}' : ']')) {
				if (c == '{' && !read_key(r))
					return false;
				continue;
			}
		} else if (!read_scalar(r)) {
			return false;
		}
		/* A value is complete: close what ends here, until a comma or the end. */
		for (;;) {
			skip_space(r);
			c = peek(r);
			if (!depth)
				return c < 0;
			struct json_token *t = &j->token[open[depth - 1]];
			bool object = t->kind == JSON_OBJECT;
			if (c == ',') {
				r->at++;
				if (object && !read_key(r))
					return false;
				break;
			}
			if (c != (object ? '}' : ']'))
				return false;
			r->at++;
			t->len = (uint32_t)r->at - t->at;
			t->after = j->count;
			depth--;
		}
	}
}

uint32_t json_first(const struct json *j, uint32_t parent)
{
	if (parent == JSON_NONE || j->token[parent].kind > JSON_ARRAY || j->token[parent].after == parent + 1)
		return JSON_NONE;
	return parent + 1;
}

uint32_t json_next(const struct json *j, uint32_t parent, uint32_t child)
{
	uint32_t value = j->token[parent].kind == JSON_OBJECT ? child + 1 : child;
	uint32_t next = j->token[value].after;
	return next < j->token[parent].after ? next : JSON_NONE;
}

bool json_is(const struct json *j, uint32_t token, const char *string)
{
	if (token == JSON_NONE || j->token[token].kind != JSON_STRING)
		return false;
	const struct json_token *t = &j->token[token];
	for (uint32_t i = 0; i < t->len; i++) {
		/* A NUL byte is not in a token, so string's end differs too. */
		if (j->text[t->at + i] != string[i])
			return false;
	}
	return !string[t->len];
}

uint32_t json_member(const struct json *j, uint32_t object, const char *key, enum json_kind kind)
{
	uint32_t found = JSON_NONE;
	if (object == JSON_NONE || j->token[object].kind != JSON_OBJECT)
		return JSON_NONE;
	for (uint32_t i = json_first(j, object); i != JSON_NONE; i = json_next(j, object, i)) {
		if (!json_is(j, i, key))
			continue;
		if (found != JSON_NONE)
			return JSON_NONE;
		found = i + 1;
	}
	return found != JSON_NONE && j->token[found].kind == kind ? found : JSON_NONE;
}

bool json_uint(const struct json *j, uint32_t token, bool as_string, uint64_t max, uint64_t *ret)
{
	if (token == JSON_NONE || j->token[token].kind != (as_string ? JSON_STRING : JSON_NUMBER) || !j->token[token].len)
		return false;
	const struct json_token *t = &j->token[token];
	uint64_t v = 0;
	for (uint32_t i = 0; i < t->len; i++) {
		int c = j->text[t->at + i];
		if (!is_digit(c) || v > (UINT64_MAX - (uint64_t)(c - '0')) / 10)
			return false;
		v = v * 10 + (uint64_t)(c - '0');
	}
	*ret = v;
	return v <= max;
}

static int base64_digit(int c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (is_digit(c))
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int json_base64(const struct json *j, uint32_t token, uint8_t *out, size_t size)
{
	if (token == JSON_NONE || j->token[token].kind != JSON_STRING)
		return -1;
	const char *p = j->text + j->token[token].at;
	uint32_t bits = 0;
	unsigned digits = 0, pads = 0;
	size_t len = 0;
	for (uint32_t i = 0; i < j->token[token].len; i++) {
		int c = p[i];
		if (c == '\\' && i + 1 < j->token[token].len && p[i + 1] == '/')
			continue; /* JSON writers may escape the slash */
		if (c == '=') {
			pads++;
			continue;
		}
		int v = base64_digit(c);
		if (v < 0 || pads)
			return -1;
		bits = bits << 6 | (uint32_t)v;
		if (++digits % 4 == 1)
			continue;
		unsigned left = (4 - digits % 4) % 4 * 2; /* bits that belong to the next byte */
		if (len == size)
			return -1;
		out[len++] = (uint8_t)(bits >> left);
	}
	return (digits + pads) % 4 || pads > 2 || digits % 4 == 1 ? -1 : (int)len;
}
