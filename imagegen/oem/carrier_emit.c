/* A carrier's files. XML by hand: five small documents, whose only danger is text that is not escaped. */
#include <stdio.h>
#include <string.h>

#include "imagegen/oem/carrier.h"

static void xml_text(struct buf *out, const char *s)
{
	for (; *s; s++) {
		switch (*s) {
		case '&':
			buf_puts(out, "&amp;");
			break;
		case '<':
			buf_puts(out, "&lt;");
			break;
		case '>':
			buf_puts(out, "&gt;");
			break;
		case '"':
			buf_puts(out, "&quot;");
			break;
		default:
			/* XML 1.0 has no way to say other control characters. */
			buf_putc(out, (unsigned char)*s < 0x20 && *s != '\t' ? ' ' : *s);
			break;
		}
	}
}

static void attribute(struct buf *out, const char *name, const char *value)
{
	if (!value)
		return;
	buf_printf(out, " %s=\"", name);
	xml_text(out, value);
	buf_putc(out, '"');
}

static void number(struct buf *out, const char *name, const struct mnum *n)
{
	if (n->given)
		buf_printf(out, " %s=\"%llu\"", name, (unsigned long long)n->v);
}

static void element(struct buf *out, const char *name, const char *text)
{
	buf_printf(out, "<%s>", name);
	xml_text(out, text ? text : "");
	buf_printf(out, "</%s>", name);
}

static const char *auth_number(const struct mstr *auth)
{
	static const char *const names[] = { "none", "pap", "chap", "pap-chap" };
	static const char *const numbers[] = { "0", "1", "2", "3" };
	for (size_t i = 0; auth->s && i < ARRAY_LEN(names); i++)
		if (!strcmp(auth->s, names[i]))
			return numbers[i];
	return NULL;
}

static void emit_apn(const struct carrier *c, const struct carrier_apn *a, const char *network, struct buf *out)
{
	char mcc[4] = { network[0], network[1], network[2], 0 };
	buf_puts(out, "    <apn");
	attribute(out, "carrier", a->name.s);
	number(out, "carrier_id", &c->id);
	attribute(out, "mcc", mcc);
	attribute(out, "mnc", network + 3);
	attribute(out, "apn", a->apn.s);
	attribute(out, "user", a->user.s);
	attribute(out, "password", a->password.s);
	attribute(out, "authtype", auth_number(&a->auth));
	attribute(out, "mmsc", a->mmsc.s);
	attribute(out, "mmsproxy", a->mmsproxy.s);
	attribute(out, "mmsport", a->mmsport.s);
	attribute(out, "type", a->types.s);
	attribute(out, "protocol", a->protocol.s);
	attribute(out, "roaming_protocol", a->roaming_protocol.s);
	number(out, "profile_id", &a->profile_id);
	number(out, "mtu", &a->mtu);
	buf_puts(out, "/>\n");
}

void carrier_emit_apns(const struct carrier *c, struct buf *out)
{
	/* Version 8 is what the TelephonyProvider of current Android reads. */
	buf_puts(out, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<apns version=\"8\">\n");
	for (size_t i = 0; i < c->apns.count; i++) {
		const struct carrier_apn *a = (const struct carrier_apn *)c->apns.v + i;
		const struct mstrs *networks = a->mccmnc.count ? &a->mccmnc : &c->mccmnc;
		for (size_t k = 0; k < networks->count; k++)
			emit_apn(c, a, networks->v[k].s, out);
	}
	buf_puts(out, "</apns>\n");
}

static bool ends(const char *s, const char *end)
{
	size_t n = strlen(s), k = strlen(end);
	return n > k && !strcmp(s + n - k, end);
}

static void emit_item(const struct carrier_item *it, struct buf *out)
{
	static const char *const scalars[] = { "bool", "int", "long", "double" };
	static const char *const elements[] = { "boolean", "int", "long", "double" };
	if (it->values.count) {
		const char *kind = ends(it->key.s, "_int_array") ? "int-array" : "string-array";
		buf_printf(out, "        <%s name=\"%s\" num=\"%zu\">\n", kind, it->key.s, it->values.count);
		for (size_t i = 0; i < it->values.count; i++) {
			buf_puts(out, "            <item");
			attribute(out, "value", it->values.v[i].s);
			buf_puts(out, "/>\n");
		}
		buf_printf(out, "        </%s>\n", kind);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(scalars); i++) {
		const char *end = strrchr(it->key.s, '_');
		if (end && !strcmp(end + 1, scalars[i])) {
			buf_printf(out, "        <%s name=\"%s\"", elements[i], it->key.s);
			attribute(out, "value", it->value.s);
			buf_puts(out, "/>\n");
			return;
		}
	}
	buf_printf(out, "        <string name=\"%s\">", it->key.s);
	xml_text(out, it->value.s);
	buf_puts(out, "</string>\n");
}

void carrier_emit_config(const struct carrier *c, struct buf *out)
{
	buf_puts(out, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<carrier_config_list>\n    <carrier_config>\n");
	for (size_t i = 0; i < c->config.count; i++)
		emit_item((const struct carrier_item *)c->config.v + i, out);
	buf_puts(out, "    </carrier_config>\n</carrier_config_list>\n");
}

void carrier_emit_cscfeature(const struct carrier *c, const char *version, struct buf *out)
{
	buf_puts(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<SamsungMobileFeature>\n  ");
	element(out, "Version", version);
	buf_puts(out, "\n  ");
	element(out, "Country", c->country.s);
	buf_puts(out, "\n  ");
	element(out, "CountryISO", c->country_iso.s);
	buf_puts(out, "\n  ");
	element(out, "SalesCode", carrier_csc(c));
	buf_puts(out, "\n  <FeatureSet>\n");
	for (size_t i = 0; i < c->features.count; i++) {
		const struct carrier_item *it = (const struct carrier_item *)c->features.v + i;
		buf_puts(out, "    ");
		element(out, it->key.s, it->value.s);
		buf_putc(out, '\n');
	}
	buf_puts(out, "  </FeatureSet>\n</SamsungMobileFeature>\n");
}

void carrier_emit_customer(const struct carrier *c, struct buf *out)
{
	buf_puts(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<CustomerData>\n  <GeneralInfo>\n    ");
	element(out, "SalesCode", carrier_csc(c));
	buf_puts(out, "\n    ");
	element(out, "Country", c->country.s);
	buf_puts(out, "\n    ");
	element(out, "CountryISO", c->country_iso.s);
	for (size_t i = 0; i < c->mccmnc.count; i++) {
		buf_puts(out, "\n    <NetworkInfo>");
		element(out, "NetworkName", c->title.s);
		element(out, "MCCMNC", c->mccmnc.v[i].s);
		buf_puts(out, "</NetworkInfo>");
	}
	buf_puts(out, "\n  </GeneralInfo>\n</CustomerData>\n");
}

/* Properties, as whoever reads them writes them down. */
typedef void (*property_fn)(struct buf *out, const char *name, const char *value);

/* A value ends with its line. */
static void in_a_line(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, "%s=", name);
	for (; *value; value++)
		buf_putc(out, (unsigned char)*value < 0x20 ? ' ' : *value);
	buf_putc(out, '\n');
}

/* Of Android's init language: in quotes a backslash takes the next character as it is, and two dollars are one. */
static void of_init(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, "    setprop %s \"", name);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			buf_putc(out, '\\');
		if (*value == '$')
			buf_putc(out, '$');
		buf_putc(out, (unsigned char)*value < 0x20 ? ' ' : *value);
	}
	buf_puts(out, "\"\n");
}

static void put(struct buf *out, property_fn how, const char *name, const char *value)
{
	if (value)
		how(out, name, value);
}

static void properties(const struct carrier *c, property_fn how, struct buf *out)
{
	char id[24];
	put(out, how, "ro.carrier", c->name.s);
	put(out, how, "ro.mvp.carrier.title", c->title.s);
	(void)snprintf(id, sizeof(id), "%llu", (unsigned long long)c->id.v);
	put(out, how, "ro.mvp.carrier.id", c->id.given ? id : NULL);
	put(out, how, "ro.csc.sales_code", c->csc.s);
	put(out, how, "ro.csc.country_code", c->country.s);
	put(out, how, "ro.csc.countryiso_code", c->country_iso.s);
	put(out, how, "ro.mvp.boot.logo", c->logo.s);
	put(out, how, "ro.mvp.carrier.lock", c->lock.s);
	/* What Settings asks before they offer OEM unlocking. */
	put(out, how, "ro.oem_unlock_supported", !c->lock.s ? NULL : strcmp(c->lock.s, "locked") ? "1" : "0");
	for (size_t i = 0; i < c->preload.count; i++) {
		const struct carrier_preload *p = (const struct carrier_preload *)c->preload.v + i;
		char name[128];
		(void)snprintf(name, sizeof(name), "ro.mvp.preload.%s", p->package.s);
		put(out, how, name, p->policy.s);
	}
}

void carrier_emit_props(const struct carrier *c, struct buf *out)
{
	properties(c, in_a_line, out);
}

void carrier_emit_rc(const struct carrier *c, struct buf *out)
{
	buf_puts(out, "on early-init\n");
	properties(c, of_init, out);
}

/* AOSP frameworks/base: SystemConfig reads the first, which stays off until a SIM card of the carrier asks for it;
 * UserSystemPackageInstaller the second. */
void carrier_emit_preload(const struct carrier *c, struct buf *out)
{
	buf_puts(out, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<config>\n");
	for (size_t i = 0; i < c->preload.count; i++) {
		const struct carrier_preload *p = (const struct carrier_preload *)c->preload.v + i;
		bool off = !strcmp(p->policy.s, "disable");
		if (!strcmp(p->policy.s, "install"))
			continue;
		buf_printf(out, off ? "    <install-in-user-type" : "    <disabled-until-used-preinstalled-carrier-app");
		attribute(out, "package", p->package.s);
		buf_puts(out,
			 off ? ">\n        <do-not-install-in user-type=\"FULL\" />\n        <do-not-install-in user-type=\"PROFILE\" />\n"
			       "    </install-in-user-type>\n"
			     : " />\n");
	}
	buf_puts(out, "</config>\n");
}
