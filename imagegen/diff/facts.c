#include "imagegen/diff/facts.h"

#include <stdlib.h>
#include <string.h>

#include "imagegen/base/mem.h"

void facts_fini(struct facts *f)
{
	for (size_t i = 0; i < f->count; i++) {
		free(f->v[i].where);
		free(f->v[i].attributes);
	}
	free(f->v);
	*f = (struct facts){ 0 };
}

void facts_add(struct facts *f, const char *where, struct buf *b)
{
	mem_grow(&f->v, f->count, &f->cap, sizeof(*f->v));
	struct fact *one = &f->v[f->count++];
	*one = (struct fact){ .where = mem_strdup(where) };
	one->attributes = (char *)buf_take(b, &one->len);
}

void facts_put(struct buf *b, const char *name, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	buf_printf(b, "%s=", name);
	buf_vprintf(b, fmt, ap);
	buf_putc(b, '\0');
	va_end(ap);
}

const char *fact_next(const struct fact *f, size_t *at)
{
	if (*at >= f->len)
		return NULL;
	const char *text = f->attributes + *at;
	*at += strlen(text) + 1;
	return text;
}

const char *fact_value(const struct fact *f, const char *name, size_t name_len)
{
	size_t at = 0;
	for (const char *text; (text = fact_next(f, &at));)
		if (strncmp(text, name, name_len) == 0 && text[name_len] == '=')
			return text + name_len + 1;
	return NULL;
}

static bool same(const struct fact *a, const struct fact *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->attributes, b->attributes, a->len) == 0);
}

size_t facts_compare(const struct facts *a, const struct facts *b, void (*fn)(void *ctx, const struct fact *was, const struct fact *is),
		     void *ctx)
{
	size_t i = 0, k = 0, count = 0;
	while (i < a->count || k < b->count) {
		int order = i == a->count ? 1 : k == b->count ? -1 : strcmp(a->v[i].where, b->v[k].where);
		const struct fact *was = order <= 0 ? &a->v[i++] : NULL, *is = order >= 0 ? &b->v[k++] : NULL;
		if (was && is && same(was, is))
			continue;
		fn(ctx, was, is);
		count++;
	}
	return count;
}
