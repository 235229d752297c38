#include "imagegen/oem/carrier.h"

#include <stdlib.h>
#include <string.h>

#include "imagegen/base/mem.h"

enum { LOGO_MAX = 40 }; /* a line of the vault's screen */

#define FIELD(key_, type_, member, ...) \
	{ \
		.key = (key_), .type = PROFILE_##type_, .offset = offsetof(struct carrier, member), __VA_ARGS__ \
	}
#define APN(key_, type_, member, ...) \
	{ \
		.key = (key_), .type = PROFILE_##type_, .offset = offsetof(struct carrier_apn, member), __VA_ARGS__ \
	}
#define ITEM(key_, type_, member, ...) \
	{ \
		.key = (key_), .type = PROFILE_##type_, .offset = offsetof(struct carrier_item, member), __VA_ARGS__ \
	}
#define PRELOAD(key_, type_, member, ...) \
	{ \
		.key = (key_), .type = PROFILE_##type_, .offset = offsetof(struct carrier_preload, member), __VA_ARGS__ \
	}

static const char *const protocols[] = { "IP", "IPV6", "IPV4V6", "PPP", "NON-IP", "UNSTRUCTURED", NULL };
static const char *const auths[] = { "none", "pap", "chap", "pap-chap", NULL };
static const char *const locks[] = { "locked", "unlocked", NULL };
static const char *const policies[] = { "install", "offer", "disable", NULL };

static const struct profile_field apn_fields[] = {
	APN("name", STR, name, .required = true),
	APN("apn", STR, apn, .required = true),
	APN("types", STR, types, .required = true),
	APN("protocol", STR, protocol, .choices = protocols),
	APN("roaming-protocol", STR, roaming_protocol, .choices = protocols),
	APN("mmsc", STR, mmsc),
	APN("mmsproxy", STR, mmsproxy),
	APN("mmsport", STR, mmsport),
	APN("user", STR, user),
	APN("password", STR, password),
	APN("auth", STR, auth, .choices = auths),
	APN("profile-id", NUM, profile_id, .max = 1000),
	APN("mtu", NUM, mtu, .max = 65535),
	APN("networks", STRS, mccmnc),
};
static const struct profile_table apn_table = { apn_fields, ARRAY_LEN(apn_fields), sizeof(struct carrier_apn) };

static const struct profile_field item_fields[] = {
	ITEM("key", STR, key, .required = true),
	ITEM("value", STR, value),
	ITEM("values", STRS, values),
};
static const struct profile_table item_table = { item_fields, ARRAY_LEN(item_fields), sizeof(struct carrier_item) };

static const struct profile_field preload_fields[] = {
	PRELOAD("package", STR, package, .required = true),
	PRELOAD("policy", STR, policy, .required = true, .choices = policies),
	PRELOAD("file", STR, file),
};
static const struct profile_table preload_table = { preload_fields, ARRAY_LEN(preload_fields), sizeof(struct carrier_preload) };

static const struct profile_field fields[] = {
	FIELD("carrier", NUM, format, .required = true, .min = 1, .max = 1),
	FIELD("name", STR, name, .required = true),
	FIELD("title", STR, title, .required = true),
	FIELD("country", STR, country),
	FIELD("country-iso", STR, country_iso),
	FIELD("id", NUM, id, .max = INT32_MAX),
	FIELD("networks", STRS, mccmnc, .required = true),
	FIELD("apns", MAPS, apns, .items = &apn_table),
	FIELD("config", MAPS, config, .items = &item_table),
	FIELD("csc.code", STR, csc),
	FIELD("csc.features", MAPS, features, .items = &item_table),
	FIELD("preload", MAPS, preload, .items = &preload_table),
	FIELD("boot-logo.text", STR, logo),
	FIELD("lock", STR, lock, .choices = locks),
};

/* "310004": three digits of country, two or three of network. */
static int check_networks(const struct mstrs *all, struct diag *d)
{
	for (size_t i = 0; i < all->count; i++) {
		size_t len = strlen(all->v[i].s);
		if (len < 5 || len > 6 || strspn(all->v[i].s, "0123456789") != len)
			return diag_fail(d, MVP0561, &all->v[i].loc,
					 "'%s' is no network: expected 3 digits of country and 2 or 3 of network", all->v[i].s);
	}
	return 0;
}

static const char *const suffixes[] = { "_bool", "_int", "_long", "_string", "_double", "_int_array", "_string_array", NULL };

static bool ends(const char *s, const char *end)
{
	size_t n = strlen(s), k = strlen(end);
	return n > k && !strcmp(s + n - k, end);
}

static int check_item(const struct carrier_item *it, struct diag *d)
{
	bool array = ends(it->key.s, "_array");
	size_t i = 0;
	while (suffixes[i] && !ends(it->key.s, suffixes[i]))
		i++;
	if (!suffixes[i] || strspn(it->key.s, "abcdefghijklmnopqrstuvwxyz0123456789_.") != strlen(it->key.s))
		return diag_fail(d, MVP0561, &it->key.loc,
				 "'%s' is no key of CarrierConfig: those end in _bool, _int, _long, _double, _string, _int_array or "
				 "_string_array",
				 it->key.s);
	if (array != (it->values.count != 0) || array == (it->value.s != NULL))
		return diag_fail(d, MVP0561, &it->loc, "'%s' needs %s", it->key.s, array ? "'values', a list" : "'value'");
	/* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): set on every path, which the analyser does not follow */
	if (ends(it->key.s, "_bool") && strcmp(it->value.s, "true") != 0 && strcmp(it->value.s, "false") != 0)
		return diag_fail(d, MVP0561, &it->value.loc, "'%s' is '%s', expected 'true' or 'false'", it->key.s, it->value.s);
	return 0;
}

/* Becomes part of file names and paths. */
static int check_word(const struct mstr *s, const char *what, size_t max, struct diag *d)
{
	size_t len = s->s ? strlen(s->s) : 1;
	if (s->s && (len == 0 || len > max || strspn(s->s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") != len))
		return diag_fail(d, MVP0561, &s->loc, "the %s '%s' must be 1 to %zu letters, digits, '_' or '-'", what, s->s, max);
	return 0;
}

/* The name becomes a path and a property. */
static int check_preload(const struct carrier_preload *p, struct diag *d)
{
	const char *s = p->package.s;
	size_t len = strlen(s);
	if (len > 100 || strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.") != len || s[0] == '.' ||
	    strstr(s, ".."))
		return diag_fail(d, MVP0561, &p->package.loc, "'%s' is no name of a package", s);
	if (p->file.s && !strcmp(p->policy.s, "disable"))
		return diag_fail(d, MVP0561, &p->file.loc, "a package that is disabled is not brought: leave 'file' out");
	return 0;
}

static int check(const struct carrier *c, struct diag *d)
{
	int rc = check_networks(&c->mccmnc, d) | check_word(&c->name, "name", 32, d) | check_word(&c->csc, "CSC code", 3, d);
	for (const char *s = c->logo.s; s && *s; s++) {
		if (*s < ' ' || *s > '~' || s - c->logo.s == LOGO_MAX) {
			rc = diag_fail(d, MVP0561, &c->logo.loc,
				       "'%s' cannot be shown: expected at most %d letters, digits and marks of ASCII", c->logo.s, LOGO_MAX);
			break;
		}
	}
	if (!c->mccmnc.count)
		rc = diag_fail(d, MVP0561, &c->mccmnc.loc, "a carrier has one network at least");
	for (size_t i = 0; i < c->apns.count; i++)
		rc |= check_networks(&((const struct carrier_apn *)c->apns.v)[i].mccmnc, d);
	for (size_t i = 0; i < c->config.count; i++)
		rc |= check_item((const struct carrier_item *)c->config.v + i, d);
	for (size_t i = 0; i < c->preload.count; i++)
		rc |= check_preload((const struct carrier_preload *)c->preload.v + i, d);
	for (size_t i = 0; i < c->features.count; i++) {
		const struct carrier_item *it = (const struct carrier_item *)c->features.v + i;
		if (check_word(&it->key, "CSC feature", 128, d))
			rc = -1;
		else if (strncmp(it->key.s, "CscFeature_", 11) != 0 || !it->value.s)
			rc = diag_fail(d, MVP0561, &it->loc, "a CSC feature has a key CscFeature_... and a 'value'");
	}
	return rc ? -1 : 0;
}

int carrier_load_file(const char *path, struct carrier **ret_c, struct diag *d)
{
	struct carrier *c CLEANUP(carrier_freep) = mem_new(struct carrier);
	c->path = mem_strdup(path);
	if (profile_load(c->path, fields, ARRAY_LEN(fields), c, d) || check(c, d))
		return -1;
	*ret_c = TAKE(c);
	return 0;
}

int carrier_load(const struct manifest *m, const struct mstr *name, struct carrier **ret_c, struct diag *d)
{
	char *path CLEANUP_FREE = NULL;
	return profile_find(m, "carriers", name, MVP0560, &path, d) ? -1 : carrier_load_file(path, ret_c, d);
}

void carrier_free(struct carrier *c)
{
	if (!c)
		return;
	profile_fini(fields, ARRAY_LEN(fields), c);
	free(c->path);
	free(c);
}

const char *carrier_name(const struct carrier *c)
{
	return c->name.s;
}

const char *carrier_csc(const struct carrier *c)
{
	return c->csc.s ? c->csc.s : "XAA";
}
