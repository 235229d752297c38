#include "imagegen/manifest/schema.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "imagegen/base/mem.h"
#include "imagegen/base/text.h"
#include "imagegen/manifest/value.h"

#define KEYS_MAX 32    /* of one table */
#define LIST_MAX 2048u /* texts in a list; each is compared with all before it */

static void *member(void *obj, size_t at)
{
	return (char *)obj + at;
}

size_t schema_enter(struct reader *r, const char *name)
{
	size_t mark = r->where.len;
	buf_printf(&r->where, "%s%s", mark && name[0] != '[' ? "." : "", name);
	return mark;
}

void schema_leave(struct reader *r, size_t mark)
{
	r->where.len = mark;
	if (r->where.data)
		r->where.data[mark] = 0;
}

static const char *where(const struct reader *r)
{
	return r->where.len ? buf_str(&r->where) : "the manifest";
}

bool schema_want(struct reader *r, const struct ynode *n, enum ynode_kind kind, const char *what)
{
	if (n->kind == kind && !ynode_empty(n))
		return true;
	const char *name = n->key ? n->key : where(r);
	if (ynode_empty(n)) /* of a value that is absent only the key can be shown */
		diag_fail(r->d, MVP0206, &n->key_loc, "'%s' has no value; %s is expected", name, what);
	else
		diag_fail(r->d, MVP0206, &n->loc, "'%s' is %s; %s is expected", name, ynode_kind_name(n), what);
	return false;
}

/* The text of a scalar, or NULL and reported. */
static const char *scalar(struct reader *r, const struct key *k, const struct ynode *n, const char *what)
{
	if (!schema_want(r, n, YNODE_SCALAR, what))
		return NULL;
	if (!n->text[0] && !k->empty_ok) {
		diag_fail(r->d, MVP0206, &n->loc, "'%s' is empty; %s is expected", k->name, what);
		return NULL;
	}
	for (const char *p = n->text; *p; p++) {
		unsigned char c = (unsigned char)*p;
		if ((c < 0x20 || c == 0x7f) && !(k->kind == KEY_BLOCK && (c == '\n' || c == '\t'))) {
			diag_fail(r->d, MVP0209, &n->loc, "'%s' holds %s; %s is expected", k->name,
				  c == '\n' ? "a line break" : "a control character", what);
			return NULL;
		}
	}
	return n->text;
}

static void set_text(struct mstr *s, const struct ynode *n)
{
	free(s->s);
	*s = (struct mstr){ .s = mem_strdup(n->text), .loc = n->loc, .given = true };
}

static void read_name(struct reader *r, const struct key *k, const struct ynode *n, void *obj)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	static const char rest[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	const char *t = scalar(r, k, n, "a name");
	if (!t)
		return;
	size_t len = strlen(t);
	if (!strchr(first, t[0]) || strspn(t, rest) != len) {
		diag_fail(r->d, MVP0209, &n->loc, "'%s' is not a name", t);
		diag_hint(r->d, "a letter or digit, then letters, digits and any of . _ -");
	} else if (len > k->max) {
		diag_fail(r->d, MVP0208, &n->loc, "'%s' has %zu characters; at most %" PRIu64 " are allowed for '%s'", t, len, k->max,
			  k->name);
	} else {
		set_text(member(obj, k->at), n);
	}
}

/* "a, b or c". */
static void list_choices(const struct key *k, struct buf *ret)
{
	for (size_t i = 0; k->choices[i]; i++)
		buf_printf(ret, "%s%s", i == 0 ? "" : k->choices[i + 1] ? ", " : " or ", k->choices[i]);
}

/* Is the scalar one of the choices? Reported if not. */
static bool chosen(struct reader *r, const struct key *k, const struct ynode *n)
{
	struct buf all CLEANUP(buf_fini) = BUF_INIT;
	size_t count = 0;
	list_choices(k, &all);
	for (; k->choices[count]; count++) {
		if (strcmp(n->text, k->choices[count]) == 0)
			return true;
	}
	diag_fail(r->d, MVP0207, &n->loc, "'%s' cannot be '%s'; it is %s", k->name, n->text, buf_str(&all));
	diag_hint_nearest(r->d, n->text, k->choices, count);
	return false;
}

static void read_choice(struct reader *r, const struct key *k, const struct ynode *n, void *obj)
{
	struct buf all CLEANUP(buf_fini) = BUF_INIT;
	list_choices(k, &all);
	if (!scalar(r, k, n, "one of its choices"))
		diag_hint(r->d, "choices are %s", buf_str(&all));
	else if (chosen(r, k, n))
		set_text(member(obj, k->at), n);
}

struct number_type {
	const char *what; /* "a size" */
	const char *example;
	enum value_error (*parse)(const char *text, uint64_t *ret);
};

static const struct number_type number_types[] = {
	[KEY_SIZE] = { "a size", "512 MiB", value_size },         [KEY_PERCENT] = { "a percentage", "80%", value_percent },
	[KEY_COUNT] = { "a whole number", "2", value_count },     [KEY_DURATION] = { "a duration", "7 days", value_duration },
	[KEY_RATE] = { "a data rate", "100 Mbit/s", value_rate }, [KEY_COLOR] = { "a colour", "#2e7d32", value_color },
	[KEY_BOOL] = { "true or false", "true", value_bool },
};

static void malformed(struct reader *r, const struct key *k, const struct ynode *n, enum value_error e)
{
	const struct number_type *nt = &number_types[k->kind];
	if (e == VALUE_TOO_LARGE) {
		diag_fail(r->d, MVP0208, &n->loc, "'%s' is too large a number", n->text);
		return;
	}
	diag_fail(r->d, MVP0209, &n->loc, "'%s' is not %s%s", n->text, nt->what, e == VALUE_NO_UNIT ? ": it has no unit" : "");
	if (k->kind == KEY_SIZE && e == VALUE_BAD_UNIT)
		diag_hint(r->d, "units are B, KiB, MiB, GiB and TiB, as in '%s'", nt->example);
	else if (k->kind == KEY_DURATION && e == VALUE_BAD_UNIT)
		diag_hint(r->d, "units are seconds, minutes, hours, days and weeks, as in '%s'", nt->example);
	else if (k->kind == KEY_RATE && e == VALUE_BAD_UNIT)
		diag_hint(r->d, "units are kbit/s, Mbit/s and Gbit/s, as in '%s'", nt->example);
	else if (k->kind == KEY_COLOR)
		diag_hint(r->d, "write red, green and blue as six hexadecimal digits in quotes, like \"%s\"", nt->example);
	else
		diag_hint(r->d, "write it like '%s'%s", nt->example, k->auto_ok ? ", or 'auto'" : "");
}

/* A bound the way the manifest writes it. */
static const char *bound(const struct key *k, uint64_t v, char buf[TEXT_SIZE_LEN])
{
	if (k->kind == KEY_SIZE)
		return text_size(v, buf);
	snprintf(buf, TEXT_SIZE_LEN, "%" PRIu64 "%s", v,
		 k->kind == KEY_PERCENT    ? "%"
		 : k->kind == KEY_DURATION ? " seconds"
		 : k->kind == KEY_RATE     ? " bit/s"
					   : "");
	return buf;
}

static void read_number(struct reader *r, const struct key *k, const struct ynode *n, void *obj)
{
	const struct number_type *nt = &number_types[k->kind];
	const char *t = scalar(r, k, n, nt->what);
	if (!t)
		return;
	struct mnum *num = member(obj, k->at);
	uint64_t v = 0;
	if (!(k->auto_ok && strcmp(t, "auto") == 0)) {
		enum value_error e = nt->parse(t, &v);
		char lo[TEXT_SIZE_LEN], hi[TEXT_SIZE_LEN];
		if (e != VALUE_OK) {
			malformed(r, k, n, e);
			return;
		}
		if (v < k->min || v > k->max) {
			diag_fail(r->d, MVP0208, &n->loc, "'%s' is out of range for '%s': from %s to %s", t, k->name, bound(k, k->min, lo),
				  bound(k, k->max, hi));
			return;
		}
		if (k->unit && v % k->unit) {
			diag_fail(r->d, MVP0208, &n->loc, "'%s' is not a multiple of %s, as '%s' has to be", t, bound(k, k->unit, lo),
				  k->name);
			diag_hint(r->d, "the next one is '%s'", text_size(v - v % k->unit + k->unit, hi));
			return;
		}
	}
	*num = (struct mnum){ .v = v, .loc = n->loc, .given = true };
}

void schema_strings(struct reader *r, const struct key *k, const struct ynode *n, struct mstrs *ret)
{
	const struct ynode *items = n->kind == YNODE_LIST ? n->items : n;
	size_t count = n->kind == YNODE_LIST ? n->count : 1;
	if (n->kind == YNODE_MAP || ynode_empty(n)) {
		(void)schema_want(r, n, YNODE_SCALAR, "text or a list of texts");
		return;
	}
	if (count == 0 || count > LIST_MAX) {
		diag_fail(r->d, count ? MVP0208 : MVP0206, &n->loc, "'%s' is a list of %zu; from 1 to %u are expected", k->name, count,
			  LIST_MAX);
		return;
	}
	ret->loc = n->loc;
	ret->v = mem_array(struct mstr, count);
	for (size_t i = 0; i < count; i++) {
		if (!scalar(r, k, &items[i], "text") || (k->choices && !chosen(r, k, &items[i])))
			continue;
		bool twice = false;
		for (size_t p = 0; p < ret->count && !twice; p++) {
			twice = strcmp(ret->v[p].s, items[i].text) == 0;
			if (twice)
				diag_fail(r->d, MVP0214, &items[i].loc, "'%s' is listed twice in '%s'", items[i].text, k->name);
		}
		if (!twice)
			set_text(&ret->v[ret->count++], &items[i]);
	}
}

static void read_map(struct reader *r, const struct key *k, const struct ynode *n, void *obj)
{
	if (!schema_want(r, n, YNODE_MAP, "a mapping"))
		return;
	if (k->on_at)
		*(bool *)member(obj, k->on_at) = true;
	if (k->loc_at)
		*(struct loc *)member(obj, k->loc_at) = n->key_loc;
	size_t mark = schema_enter(r, k->name);
	schema_read(r, k->map, n, obj);
	schema_leave(r, mark);
}

static void read_key(struct reader *r, const struct key *k, const struct ynode *n, void *obj)
{
	switch (k->kind) {
	case KEY_TEXT:
	case KEY_BLOCK:
	case KEY_PATH:
		if (scalar(r, k, n, k->kind == KEY_PATH ? "a path" : "text"))
			set_text(member(obj, k->at), n);
		break;
	case KEY_NAME:
		read_name(r, k, n, obj);
		break;
	case KEY_CHOICE:
		read_choice(r, k, n, obj);
		break;
	case KEY_SIZE:
	case KEY_PERCENT:
	case KEY_COUNT:
	case KEY_DURATION:
	case KEY_RATE:
	case KEY_COLOR:
	case KEY_BOOL:
		read_number(r, k, n, obj);
		break;
	case KEY_MAP:
		read_map(r, k, n, obj);
		break;
	case KEY_STRINGS:
		schema_strings(r, k, n, member(obj, k->at));
		break;
	case KEY_CUSTOM:
		k->read(r, k, n, obj);
		break;
	}
}

static void warn_later(struct reader *r, const struct key *k, const struct ynode *n)
{
	if (!k->later || (k->later_unless && n->kind == YNODE_SCALAR && strcmp(n->text, k->later_unless) == 0))
		return;
	size_t mark = schema_enter(r, k->name);
	diag_warn(r->d, MVP0290, &n->key_loc, "'%s' has no effect yet: %s", buf_str(&r->where), k->later);
	schema_leave(r, mark);
}

static void default_key(const struct key *k, const struct loc *loc, void *obj)
{
	switch (k->kind) {
	case KEY_TEXT:
	case KEY_BLOCK:
	case KEY_NAME:
	case KEY_CHOICE:
	case KEY_PATH:
		free(((struct mstr *)member(obj, k->at))->s); /* the default of an absent parent, when that is read after all */
		*(struct mstr *)member(obj, k->at) = (struct mstr){ .s = mem_strdup(k->def_text), .loc = *loc };
		break;
	case KEY_SIZE:
	case KEY_PERCENT:
	case KEY_COUNT:
	case KEY_DURATION:
	case KEY_RATE:
	case KEY_COLOR:
	case KEY_BOOL:
		*(struct mnum *)member(obj, k->at) = (struct mnum){ .v = k->def_num, .loc = *loc };
		break;
	case KEY_MAP:
		if (k->loc_at)
			*(struct loc *)member(obj, k->loc_at) = *loc;
		schema_defaults(k->map, loc, obj);
		break;
	case KEY_STRINGS:
		((struct mstrs *)member(obj, k->at))->loc = *loc;
		break;
	case KEY_CUSTOM:
		break;
	}
}

void schema_defaults(const struct keys *keys, const struct loc *loc, void *obj)
{
	for (size_t i = 0; i < keys->count; i++)
		default_key(&keys->v[i], loc, obj);
}

static const struct key *find(const struct keys *keys, const char *name)
{
	for (size_t i = 0; i < keys->count; i++) {
		if (strcmp(keys->v[i].name, name) == 0)
			return &keys->v[i];
	}
	return NULL;
}

static void unknown_key(struct reader *r, const struct keys *keys, const struct ynode *n)
{
	const char *names[KEYS_MAX];
	size_t count = 0;
	for (; count < keys->count && count < KEYS_MAX; count++)
		names[count] = keys->v[count].name;
	diag_fail(r->d, MVP0203, &n->key_loc, "unknown key '%s' in %s", n->key, where(r));
	if (text_nearest(n->key, names, count)) {
		diag_hint_nearest(r->d, n->key, names, count);
		return;
	}
	struct buf all CLEANUP(buf_fini) = BUF_INIT;
	for (size_t i = 0; i < count; i++)
		buf_printf(&all, "%s%s", i ? ", " : "", names[i]);
	diag_hint(r->d, "keys are %s", buf_str(&all));
}

/* A required key that was mistyped is not missing as well: its unknown neighbour is the mistake. */
static bool mistyped(const struct keys *keys, const struct ynode *map, const char *name)
{
	for (size_t i = 0; i < map->count; i++) {
		if (!find(keys, map->items[i].key) && text_nearest(map->items[i].key, &name, 1))
			return true;
	}
	return false;
}

void schema_read(struct reader *r, const struct keys *keys, const struct ynode *map, void *obj)
{
	for (size_t i = 0; i < map->count; i++) {
		const struct ynode *n = &map->items[i];
		if (ynode_find(map, n->key) != n)
			continue; /* given twice: reported */
		const struct key *k = find(keys, n->key);
		if (!k) {
			unknown_key(r, keys, n);
			continue;
		}
		size_t errors = diag_errors(r->d);
		default_key(k, &n->key_loc, obj);
		if (k->def_text && k->kind != KEY_MAP) {
			/* A wrong value is no value; the default was for an absent one. */
			struct mstr *s = member(obj, k->at);
			mem_freep(&s->s);
		}
		read_key(r, k, n, obj);
		if (diag_errors(r->d) == errors)
			warn_later(r, k, n);
	}
	for (size_t i = 0; i < keys->count; i++) {
		const struct key *k = &keys->v[i];
		if (ynode_find(map, k->name))
			continue;
		default_key(k, &map->key_loc, obj);
		if (k->required && !mistyped(keys, map, k->name))
			diag_fail(r->d, MVP0205, &map->key_loc, "%s lacks the key '%s'", where(r), k->name);
	}
}

void schema_set(struct mstr *s, const char *text, struct loc loc, bool given)
{
	free(s->s);
	*s = (struct mstr){ .s = mem_strdup(text), .loc = loc, .given = given };
}

const char *schema_plain_text(struct reader *r, const struct ynode *n, const char *what)
{
	if (!schema_want(r, n, YNODE_SCALAR, what))
		return NULL;
	if (n->text[0] && !strpbrk(n->text, "\n\r\t"))
		return n->text;
	diag_fail(r->d, MVP0209, &n->loc, "'%s' is not %s", n->key, what);
	return NULL;
}

void mstrs_fini(struct mstrs *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->v[i].s);
	free(s->v);
	*s = (struct mstrs){ 0 };
}
