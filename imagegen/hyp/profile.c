/* Description files read by a table. */
#include "imagegen/hyp/profile.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imagegen/base/buf.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/text.h"
#include "imagegen/hyp/hyp.h"
#include "imagegen/manifest/ynode.h"

enum { MAX_KEYS = 64, MAX_ITEMS = 1024 };

struct reader {
	const struct profile_field *fields;
	size_t fields_count;
	char *obj;
	bool seen[MAX_KEYS];
	struct diag *d;
};

static int read_document(struct reader *r, const struct ynode *root);

bool profile_parse_size(const char *s, uint64_t *ret)
{
	static const struct {
		const char *name;
		uint64_t factor;
	} units[] = { { "", 1 }, { "B", 1 }, { "KiB", KIB }, { "MiB", MIB }, { "GiB", GIB } };
	char *end;
	uint64_t v;
	if (s[0] < '0' || s[0] > '9')
		return false;
	errno = 0;
	v = strtoull(s, &end, s[0] == '0' && (s[1] == 'x' || s[1] == 'X') ? 16 : 10);
	if (errno)
		return false;
	while (*end == ' ')
		end++;
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (!strcmp(end, units[i].name))
			return !__builtin_mul_overflow(v, units[i].factor, ret);
	}
	return false;
}

/* The text of a scalar, or NULL after reporting that it is none. */
static const char *scalar(struct reader *r, const struct ynode *n, const char *key)
{
	if (n->kind == YNODE_SCALAR && !ynode_empty(n))
		return n->text;
	(void)diag_fail(r->d, MVP0709, &n->loc, "'%s' must be a single value, not %s", key, ynode_kind_name(n));
	return NULL;
}

static int read_num(struct reader *r, const struct profile_field *f, const struct ynode *n, struct mnum *ret)
{
	const char *s = scalar(r, n, f->key);
	uint64_t v;
	if (!s)
		return -1;
	if (!profile_parse_size(s, &v))
		return diag_fail(r->d, MVP0709, &n->loc, "'%s' is no %s for '%s'", s,
				 f->type == PROFILE_SIZE ? "size (a number with KiB, MiB or GiB)" : "number", f->key);
	if (f->max && f->min == f->max && v != f->min)
		return diag_fail(r->d, MVP0709, &n->loc, "'%s' is %s, expected %" PRIu64, f->key, s, f->min);
	if (v < f->min || (f->max && v > f->max))
		return diag_fail(r->d, MVP0709, &n->loc, "'%s' is %s, expected %" PRIu64 " to %" PRIu64, f->key, s, f->min,
				 f->max ? f->max : UINT64_MAX);
	*ret = (struct mnum){ .v = v, .loc = n->loc, .given = true };
	return 0;
}

static int read_str(struct reader *r, const struct profile_field *f, const struct ynode *n, struct mstr *ret)
{
	const char *s = scalar(r, n, f->key);
	if (!s)
		return -1;
	if (f->choices) {
		size_t count = 0;
		bool found = false;
		for (; f->choices[count]; count++)
			found |= !strcmp(s, f->choices[count]);
		if (!found) {
			(void)diag_fail(r->d, MVP0709, &n->loc, "'%s' cannot be '%s', expected '%s'", f->key, s, f->choices[0]);
			diag_hint_nearest(r->d, s, f->choices, count);
			return -1;
		}
	}
	*ret = (struct mstr){ .s = mem_strdup(s), .loc = n->loc, .given = true };
	return 0;
}

static int read_range(struct reader *r, const struct profile_field *f, const struct ynode *n, struct profile_range *ret)
{
	const char *s = scalar(r, n, f->key), *plus;
	char base[32];
	uint64_t end;
	if (!s)
		return -1;
	plus = strchr(s, '+');
	if (!plus || (size_t)(plus - s) >= sizeof(base))
		return diag_fail(r->d, MVP0709, &n->loc, "'%s' in '%s' must be written BASE+SIZE, e.g. 0x48000000+1 MiB", s, f->key);
	memcpy(base, s, (size_t)(plus - s));
	base[plus - s] = '\0';
	ret->loc = n->loc;
	if (!profile_parse_size(base, &ret->at) || !profile_parse_size(plus + 1, &ret->len) ||
	    __builtin_add_overflow(ret->at, ret->len, &end))
		return diag_fail(r->d, MVP0709, &n->loc, "'%s' in '%s' must be written BASE+SIZE, e.g. 0x48000000+1 MiB", s, f->key);
	return 0;
}

static int read_item(struct reader *r, const struct profile_field *f, const struct ynode *n, void *items, size_t i)
{
	if (f->type == PROFILE_STRS)
		return read_str(r, f, n, (struct mstr *)items + i);
	if (f->type == PROFILE_NUMS)
		return read_num(r, f, n, (struct mnum *)items + i);
	return read_range(r, f, n, (struct profile_range *)items + i);
}

/* The list types have their pointer and count as first members; a list of another type is written through the right struct. */
static void set_list(const struct profile_field *f, void *member, void *items, size_t count, const struct loc *loc)
{
	if (f->type == PROFILE_STRS)
		*(struct mstrs *)member = (struct mstrs){ .v = items, .count = count, .loc = *loc };
	else if (f->type == PROFILE_NUMS)
		*(struct profile_nums *)member = (struct profile_nums){ .v = items, .count = count, .loc = *loc };
	else
		*(struct profile_ranges *)member = (struct profile_ranges){ .v = items, .count = count };
}

static int read_list(struct reader *r, const struct profile_field *f, const struct ynode *n, void *member)
{
	size_t item_len = f->type == PROFILE_STRS   ? sizeof(struct mstr)
			  : f->type == PROFILE_NUMS ? sizeof(struct mnum)
						    : sizeof(struct profile_range);
	size_t count = n->count;
	void *items;
	int rc = 0;
	if (n->kind != YNODE_LIST)
		return diag_fail(r->d, MVP0709, &n->loc, "'%s' must be a list", f->key);
	if (count > MAX_ITEMS)
		return diag_fail(r->d, MVP0709, &n->loc, "'%s' has %zu items, at most %d are taken", f->key, count, MAX_ITEMS);
	items = mem_zeroed(count, item_len);
	for (size_t i = 0; i < count; i++) {
		if (read_item(r, f, &n->items[i], items, i))
			rc = -1;
	}
	set_list(f, member, items, count, &n->loc);
	return rc;
}

/* Tables of items have no lists of mappings, so this goes one level deep. */
static int read_maps(struct reader *r, const struct profile_field *f, const struct ynode *n, struct profile_maps *ret)
{
	int rc = 0;
	if (n->kind != YNODE_LIST)
		return diag_fail(r->d, MVP0709, &n->loc, "'%s' must be a list", f->key);
	if (n->count > MAX_ITEMS)
		return diag_fail(r->d, MVP0709, &n->loc, "'%s' has %zu items, at most %d are taken", f->key, n->count, MAX_ITEMS);
	*ret = (struct profile_maps){ .v = mem_zeroed(n->count, f->items->item_len), .count = n->count, .loc = n->loc };
	for (size_t i = 0; i < n->count; i++) {
		const struct ynode *item = &n->items[i];
		struct reader inner = { .fields = f->items->fields, .fields_count = f->items->fields_count, .d = r->d };
		inner.obj = (char *)ret->v + i * f->items->item_len;
		*(struct loc *)(void *)inner.obj = item->loc;
		if (item->kind != YNODE_MAP)
			rc = diag_fail(r->d, MVP0709, &item->loc, "'%s' must hold mappings, not %s", f->key, ynode_kind_name(item));
		else if (read_document(&inner, item))
			rc = -1;
	}
	return rc;
}

static int read_value(struct reader *r, const struct profile_field *f, const struct ynode *n)
{
	void *member = r->obj + f->offset;
	switch (f->type) {
	case PROFILE_NUM:
	case PROFILE_SIZE:
		return read_num(r, f, n, member);
	case PROFILE_STR:
		return read_str(r, f, n, member);
	case PROFILE_MAPS:
		return read_maps(r, f, n, member);
	case PROFILE_STRS:
	case PROFILE_NUMS:
	case PROFILE_RANGES:
		break;
	}
	return read_list(r, f, n, member);
}

/* Keys of the table below prefix ("" or "gic."), each component once; what an unknown key could have meant. */
static size_t keys_below(const struct reader *r, const char *prefix, char (*names)[64], const char **ret)
{
	size_t count = 0;
	for (size_t i = 0; i < r->fields_count && count < MAX_KEYS; i++) {
		const char *key = r->fields[i].key, *dot;
		bool seen = false;
		if (strncmp(key, prefix, strlen(prefix)))
			continue;
		key += strlen(prefix);
		dot = strchr(key, '.');
		(void)snprintf(names[count], 64, "%.*s", dot ? (int)(dot - key) : 63, key);
		for (size_t k = 0; k < count; k++)
			seen |= !strcmp(names[k], names[count]);
		if (!seen) {
			ret[count] = names[count];
			count++;
		}
	}
	return count;
}

/* The key it was probably meant to be counts as seen: one mistake gives one error, not also a missing key. */
static int unknown_key(struct reader *r, const char *prefix, const char *key, const struct loc *loc)
{
	char names[MAX_KEYS][64];
	const char *near[MAX_KEYS], *meant;
	size_t count = keys_below(r, prefix, names, near);
	(void)diag_fail(r->d, MVP0708, loc, "unknown key '%s%s'", prefix, key);
	diag_hint_nearest(r->d, key, near, count);
	meant = text_nearest(key, near, count);
	for (size_t i = 0; meant && i < r->fields_count; i++) {
		const char *field = r->fields[i].key + strlen(prefix);
		if (!strncmp(r->fields[i].key, prefix, strlen(prefix)) && !strncmp(field, meant, strlen(meant)) &&
		    (!field[strlen(meant)] || field[strlen(meant)] == '.'))
			r->seen[i] = true;
	}
	return -1;
}

struct frame {
	const struct ynode *map;
	size_t next; /* value */
	char prefix[128];
};

/* One value of a mapping: 0 or -1, or 1 when it opens a mapping, whose frame is then filled in. */
static int read_member(struct reader *r, const struct frame *f, const struct ynode *value, struct frame *ret_inner)
{
	char full[128];
	if (strchr(value->key, '.') || (size_t)snprintf(full, sizeof(full), "%s%s.", f->prefix, value->key) >= sizeof(full))
		return unknown_key(r, f->prefix, value->key, &value->key_loc);
	for (size_t i = 0; i < r->fields_count; i++) {
		const struct profile_field *field = &r->fields[i];
		if (!strncmp(field->key, full, strlen(full))) {
			if (value->kind != YNODE_MAP)
				return diag_fail(r->d, MVP0709, &value->loc, "'%s%s' must be a mapping, not %s", f->prefix, value->key,
						 ynode_kind_name(value));
			*ret_inner = (struct frame){ .map = value };
			memcpy(ret_inner->prefix, full, sizeof(full));
			return 1;
		}
		if (!strncmp(field->key, full, strlen(full) - 1) && strlen(field->key) == strlen(full) - 1) {
			r->seen[i] = true;
			return read_value(r, field, value);
		}
	}
	return unknown_key(r, f->prefix, value->key, &value->key_loc);
}

static int read_document(struct reader *r, const struct ynode *root)
{
	struct frame stack[4] = { { .map = root } };
	size_t depth = 1;
	int rc = 0;
	while (depth > 0) {
		struct frame *f = &stack[depth - 1], inner;
		int got;
		if (f->next >= f->map->count) {
			depth--;
			continue;
		}
		got = read_member(r, f, &f->map->items[f->next++], &inner);
		/* Only prefixes of the table's keys open a frame, so the table bounds the depth. */
		if (got > 0 && depth < ARRAY_LEN(stack))
			stack[depth++] = inner;
		else if (got)
			rc = -1;
	}
	for (size_t i = 0; i < r->fields_count; i++) {
		if (r->fields[i].required && !r->seen[i])
			rc = diag_fail(r->d, MVP0709, &root->loc, "'%s' is missing", r->fields[i].key);
	}
	return rc;
}

int profile_load(const char *path, const struct profile_field *fields, size_t fields_count, void *obj, struct diag *d)
{
	struct reader r = { .fields = fields, .fields_count = fields_count, .obj = obj, .d = d };
	struct ynode *root CLEANUP(ynode_freep) = NULL;
	uint8_t *data CLEANUP_FREE = NULL;
	size_t len;
	int rc = io_read_file(path, YNODE_LEN_MAX, &data, &len);
	if (rc)
		return diag_fail(d, MVP0707, &LOC_FILE(path), "cannot read: %s", strerror(-rc));
	if (fields_count > MAX_KEYS)
		return diag_fail(d, MVP0001, NULL, "a description has more than %d keys", MAX_KEYS);
	if (ynode_parse(path, data, len, &root, d))
		return -1;
	if (root->kind != YNODE_MAP)
		return diag_fail(d, MVP0707, &root->loc, "expected a mapping of keys to values, not %s", ynode_kind_name(root));
	return read_document(&r, root);
}

void profile_fini(const struct profile_field *fields, size_t fields_count, void *obj)
{
	for (size_t i = 0; i < fields_count; i++) {
		void *member = (char *)obj + fields[i].offset;
		struct mstrs *strs = member;
		struct profile_maps *maps;
		switch (fields[i].type) {
		case PROFILE_STR:
			free(((struct mstr *)member)->s);
			break;
		case PROFILE_STRS:
			for (size_t k = 0; k < strs->count; k++)
				free(strs->v[k].s);
			free(strs->v);
			break;
		case PROFILE_NUMS:
			free(((struct profile_nums *)member)->v);
			break;
		case PROFILE_RANGES:
			free(((struct profile_ranges *)member)->v);
			break;
		case PROFILE_MAPS:
			maps = member;
			for (size_t k = 0; k < maps->count; k++)
				profile_fini(fields[i].items->fields, fields[i].items->fields_count,
					     (char *)maps->v + k * fields[i].items->item_len);
			free(maps->v);
			break;
		case PROFILE_NUM:
		case PROFILE_SIZE:
			break;
		}
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

size_t profile_names(const char *kind, char ***ret_names)
{
	char *folder CLEANUP_FREE = mem_printf("%s/templates/%s", datadir(), kind);
	DIR *dir CLEANUP(dir_closep) = opendir(folder);
	char **names = mem_array(char *, MAX_KEYS);
	size_t count = 0;
	struct dirent *e;
	while (dir && count < MAX_KEYS && (e = readdir(dir))) {
		if (!fnmatch("*.yaml", e->d_name, FNM_PERIOD))
			names[count++] = mem_strndup(e->d_name, strlen(e->d_name) - strlen(".yaml"));
	}
	qsort(names, count, sizeof(*names), by_name);
	*ret_names = names;
	return count;
}

void profile_names_free(char **names, size_t count)
{
	while (count)
		free(names[--count]);
	free(names);
}

static void note_names(char **names, size_t count, struct diag *d)
{
	struct buf all CLEANUP(buf_fini) = BUF_INIT;
	for (size_t i = 0; i < count; i++)
		(void)buf_printf(&all, "%s%s", i ? ", " : "", names[i]);
	diag_note(d, "there are %s; a file of your own is given by its path, with a '/' or ending in .yaml", buf_str(&all));
}

int profile_find(const struct manifest *m, const char *kind, const struct mstr *name, enum diag_code code, char **ret_path, struct diag *d)
{
	bool own = strchr(name->s, '/') || !fnmatch("*.yaml", name->s, 0);
	char *folder CLEANUP_FREE = mem_printf("%s/templates/%s", datadir(), kind);
	char *path CLEANUP_FREE = own && m ? manifest_path(m, name->s)
				  : own    ? mem_strdup(name->s)
					   : mem_printf("%s/%s.yaml", folder, name->s);
	char **names;
	size_t count;
	if (!access(path, R_OK)) {
		*ret_path = TAKE(path);
		return 0;
	}
	if (own)
		return diag_fail(d, code, &name->loc, "cannot read '%s': %s", path, strerror(errno));
	count = profile_names(kind, &names);
	(void)diag_fail(d, code, &name->loc, "there is no '%s' in %s", name->s, folder);
	if (text_nearest(name->s, (const char *const *)names, count))
		diag_hint_nearest(d, name->s, (const char *const *)names, count);
	else if (count)
		note_names(names, count, d);
	else
		diag_note(d, "no description at all was found there; MVP_DATADIR can name the folder that has templates/");
	profile_names_free(names, count);
	return -1;
}
