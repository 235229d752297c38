#include "imagegen/bundle/scatter.h"

#include <stdlib.h>
#include <string.h>

#include "imagegen/base/mem.h"

#define PARTS_MAX 1024u
#define VALUE_MAX 255u

struct line {
	const char *key, *value;
	size_t key_len, value_len;
	bool entry; /* it begins one */
};

void scatter_fini(struct scatter *s)
{
	for (size_t i = 0; i < s->count; i++) {
		free(s->parts[i].name);
		free(s->parts[i].file);
	}
	free(s->parts);
	free(s->platform);
	free(s->project);
	free(s->storage);
	*s = (struct scatter){ 0 };
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* A line without a colon, or one that is empty or a comment, has no key. */
static void split(const char *p, size_t len, struct line *ret)
{
	*ret = (struct line){ 0 };
	while (len && is_space(p[len - 1]))
		len--;
	for (; len && (is_space(*p) || *p == '-'); p++, len--)
		ret->entry |= *p == '-';
	const char *colon = len && *p != '#' ? memchr(p, ':', len) : NULL;
	if (!colon)
		return;
	ret->key = p;
	ret->key_len = (size_t)(colon - p);
	ret->value = colon + 1;
	ret->value_len = len - ret->key_len - 1;
	for (; ret->value_len && is_space(*ret->value); ret->value_len--)
		ret->value++;
}

static bool is_key(const struct line *l, const char *key)
{
	return l->key && l->key_len == strlen(key) && !memcmp(l->key, key, l->key_len);
}

static bool take_text(const struct line *l, char **ret)
{
	if (l->value_len == 0 || l->value_len > VALUE_MAX)
		return false;
	for (size_t i = 0; i < l->value_len; i++)
		if (l->value[i] < 0x20 || l->value[i] > 0x7e)
			return false;
	free(*ret);
	*ret = mem_strndup(l->value, l->value_len);
	return true;
}

static bool take_number(const struct line *l, uint64_t *ret)
{
	uint64_t v = 0;
	if (l->value_len < 3 || l->value_len > 18 || l->value[0] != '0' || l->value[1] != 'x')
		return false;
	for (size_t i = 2; i < l->value_len; i++) {
		char c = l->value[i];
		int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
		if (digit < 0)
			return false;
		v = v << 4 | (uint64_t)digit;
	}
	*ret = v;
	return true;
}

static const char *take_general(struct scatter *s, const struct line *l)
{
	bool ok = true;
	if (is_key(l, "platform"))
		ok = take_text(l, &s->platform);
	else if (is_key(l, "project"))
		ok = take_text(l, &s->project);
	else if (is_key(l, "storage"))
		ok = take_text(l, &s->storage);
	return ok ? NULL : "what it is for is not printable ASCII";
}

static const char *take_part(struct scatter_part *p, const struct line *l)
{
	if (is_key(l, "partition_name"))
		return take_text(l, &p->name) ? NULL : "the name of a partition cannot be";
	if (is_key(l, "file_name"))
		return take_text(l, &p->file) ? NULL : "the name of a file cannot be";
	if (is_key(l, "linear_start_addr"))
		return take_number(l, &p->at) ? NULL : "the place of a partition is no hexadecimal number";
	if (is_key(l, "partition_size"))
		return take_number(l, &p->len) ? NULL : "the size of a partition is no hexadecimal number";
	return NULL;
}

static const char *take_line(struct scatter *s, const struct line *l)
{
	if (is_key(l, "partition_index") && l->entry) {
		if (s->count == PARTS_MAX)
			return "it has too many partitions";
		mem_grow(&s->parts, s->count, &s->cap, sizeof(*s->parts));
		s->parts[s->count++] = (struct scatter_part){ 0 };
		return NULL;
	}
	return s->count ? take_part(&s->parts[s->count - 1], l) : take_general(s, l);
}

const char *scatter_parse(const uint8_t *data, size_t len, struct scatter *ret)
{
	const char *p = (const char *)data, *fault = NULL;
	*ret = (struct scatter){ 0 };
	while (len && !fault) {
		const char *end = memchr(p, '\n', len);
		size_t n = end ? (size_t)(end - p) : len;
		struct line l;
		split(p, n, &l);
		fault = take_line(ret, &l);
		n += end != NULL;
		p += n;
		len -= n;
	}
	for (size_t i = 0; i < ret->count && !fault; i++) {
		struct scatter_part *part = &ret->parts[i];
		if (!part->name)
			fault = "a partition has no name";
		if (part->file && !strcmp(part->file, "NONE")) {
			free(part->file);
			part->file = NULL;
		}
	}
	return fault ? fault : ret->count ? NULL : "it has no partitions";
}
