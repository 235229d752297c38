#include "imagegen/base/diag.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "imagegen/base/mem.h"
#include "imagegen/base/text.h"

struct diag {
	struct diag_item *items;
	size_t count, cap;
	size_t errors;
	const atomic_bool *stop; /* NULL: never */
};

struct diag *diag_new(void)
{
	return mem_new(struct diag);
}

static void item_fini(struct diag_item *it)
{
	free((char *)it->loc.file);
	free(it->message);
	free(it->hint);
	for (size_t n = 0; n < it->notes_count; n++)
		free(it->notes[n]);
	free(it->notes);
}

void diag_free(struct diag *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->count; i++)
		item_fini(&d->items[i]);
	free(d->items);
	free(d);
}

static void report(struct diag *d, enum diag_code code, enum diag_severity severity, const struct loc *loc, const char *fmt, va_list ap)
{
	mem_grow(&d->items, d->count, &d->cap, sizeof(*d->items));
	struct diag_item *it = &d->items[d->count++];
	*it = (struct diag_item){ .code = code, .severity = severity, .loc = loc ? *loc : LOC_NONE };
	it->loc.file = mem_strdup(it->loc.file);
	it->message = mem_vprintf(fmt, ap);
	d->errors += severity == DIAG_ERROR;
}

void diag_watch(struct diag *d, const atomic_bool *stop)
{
	d->stop = stop;
}

bool diag_stopped(struct diag *d)
{
	if (!d->stop || !atomic_load_explicit(d->stop, memory_order_relaxed))
		return false;
	(void)diag_fail(d, MVP0006, NULL, "interrupted");
	return true;
}

int diag_fail(struct diag *d, enum diag_code code, const struct loc *loc, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	report(d, code, DIAG_ERROR, loc, fmt, ap);
	va_end(ap);
	return -1;
}

void diag_warn(struct diag *d, enum diag_code code, const struct loc *loc, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	report(d, code, DIAG_WARNING, loc, fmt, ap);
	va_end(ap);
}

void diag_hint(struct diag *d, const char *fmt, ...)
{
	assert(d->count);
	struct diag_item *it = &d->items[d->count - 1];
	va_list ap;
	va_start(ap, fmt);
	char *hint = mem_vprintf(fmt, ap);
	va_end(ap);
	if (it->hint) {
		char *both = mem_printf("%s; %s", it->hint, hint);
		free(it->hint);
		free(hint);
		hint = both;
	}
	it->hint = hint;
}

void diag_note(struct diag *d, const char *fmt, ...)
{
	assert(d->count);
	struct diag_item *it = &d->items[d->count - 1];
	char **notes = realloc(it->notes, (it->notes_count + 1) * sizeof(*notes));
	if (!notes)
		abort();
	it->notes = notes;
	va_list ap;
	va_start(ap, fmt);
	it->notes[it->notes_count++] = mem_vprintf(fmt, ap);
	va_end(ap);
}

void diag_hint_nearest(struct diag *d, const char *word, const char *const *candidates, size_t candidates_count)
{
	const char *near = text_nearest(word, candidates, candidates_count);
	if (near)
		diag_hint(d, "did you mean '%s'?", near);
}

size_t diag_count(const struct diag *d)
{
	return d->count;
}

const struct diag_item *diag_get(const struct diag *d, size_t i)
{
	assert(i < d->count);
	return &d->items[i];
}

size_t diag_errors(const struct diag *d)
{
	return d->errors;
}

enum exit_status diag_exit_status(const struct diag *d)
{
	for (size_t i = 0; i < d->count; i++) {
		if (d->items[i].severity != DIAG_ERROR)
			continue;
		const struct diag_info *info = diag_info_find((unsigned)d->items[i].code);
		return info ? info->exit : EXIT_INTERNAL;
	}
	return EXIT_OK;
}

/* Errors of no place, such as a full disk: several workers that meet one say it once. */
static bool said_already(const struct diag *d, const struct diag_item *it)
{
	for (size_t i = 0; i < d->count && it->severity == DIAG_ERROR && !it->loc.file; i++) {
		const struct diag_item *is = &d->items[i];
		if (is->code == it->code && is->severity == it->severity && !is->loc.file && strcmp(is->message, it->message) == 0)
			return true;
	}
	return false;
}

void diag_merge(struct diag *d, struct diag *from TAKES)
{
	if (!from)
		return;
	for (size_t i = 0; i < from->count; i++) {
		struct diag_item *it = &from->items[i];
		if (said_already(d, it)) {
			item_fini(it);
			continue;
		}
		mem_grow(&d->items, d->count, &d->cap, sizeof(*d->items));
		d->items[d->count++] = *it;
		d->errors += it->severity == DIAG_ERROR;
	}
	from->count = 0;
	diag_free(from);
}

static const struct diag_info infos[] = {
#define DIAG(n, exit_class, title_text, explanation_text) \
	{ .code = MVP##n, .exit = exit_class, .title = title_text, .explanation = explanation_text },
#include "imagegen/base/diag_codes.def"
#undef DIAG
};

const struct diag_info *diag_info_find(unsigned code)
{
	for (size_t i = 0; i < ARRAY_LEN(infos); i++) {
		if ((unsigned)infos[i].code == code)
			return &infos[i];
	}
	return NULL;
}

const struct diag_info *diag_info_all(size_t *ret_count)
{
	*ret_count = ARRAY_LEN(infos);
	return infos;
}
