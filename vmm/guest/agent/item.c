#include "item.h"

#include <string.h>

static const char *const categories[MVP_NOTIFY_CATEGORIES] = { "other", "call", "message", "mail", "calendar", "alarm", "system" };
static const char *const priorities[MVP_NOTIFY_PRIORITIES] = { "low", "normal", "high", "urgent" };

/* Length of the UTF-8 sequence at p (RFC 3629, table of section 4), 0 if there is none; p ends with NUL. */
static size_t sequence(const unsigned char *p)
{
	size_t n = p[0] < 0x80                    ? 1
		   : p[0] >= 0xc2 && p[0] <= 0xdf ? 2
		   : p[0] >= 0xe0 && p[0] <= 0xef ? 3
		   : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4
						  : 0;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	bool overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
	bool beyond = (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf4 && p[1] > 0x8f);
	return overlong || beyond ? 0 : n;
}

void item_text(char *ret, size_t size, const char *text, bool lines)
{
	size_t at = 0;
	for (const unsigned char *p = (const unsigned char *)text; *p;) {
		size_t n = sequence(p);
		bool control = (p[0] < ' ' && !(lines && (p[0] == '\n' || p[0] == '\t'))) || p[0] == 0x7f || (p[0] == 0xc2 && p[1] < 0xa0);
		if (!n || control) {
			if (at + 1 >= size)
				break;
			ret[at++] = '?';
			p += n ? n : 1;
			continue;
		}
		if (at + n >= size)
			break;
		memcpy(ret + at, p, n);
		at += n;
		p += n;
	}
	ret[at] = 0;
}

size_t item_pack(struct item *i, uint8_t *ret)
{
	struct mvp_notify_item *f = &i->fields;
	f->app_len = (uint16_t)strlen(i->app);
	f->title_len = (uint16_t)strlen(i->title);
	f->body_len = (uint16_t)strlen(i->body);
	uint8_t *at = ret;
	memcpy(at, f, sizeof(*f));
	at += sizeof(*f);
	memcpy(at, i->app, f->app_len);
	at += f->app_len;
	memcpy(at, i->title, f->title_len);
	at += f->title_len;
	memcpy(at, i->body, f->body_len);
	return (size_t)(at + f->body_len - ret);
}

static bool take_text(const uint8_t **at, size_t len, char *ret, size_t size, bool lines)
{
	char text[MVP_NOTIFY_CLIPBOARD_MAX + 1];
	if (len >= size)
		return false;
	memcpy(text, *at, len);
	text[len] = 0;
	*at += len;
	item_text(ret, size, text, lines);
	return true;
}

bool item_unpack(const uint8_t *data, size_t len, struct item *ret)
{
	struct mvp_notify_item *f = &ret->fields;
	if (len < sizeof(*f))
		return false;
	memcpy(f, data, sizeof(*f));
	const uint8_t *at = data + sizeof(*f);
	return (size_t)f->app_len + f->title_len + f->body_len == len - sizeof(*f) && f->kind >= MVP_NOTIFY_ALERT &&
	       f->kind <= MVP_NOTIFY_CLIPBOARD && f->category < MVP_NOTIFY_CATEGORIES && f->priority < MVP_NOTIFY_PRIORITIES &&
	       f->level <= MVP_NOTIFY_FULL && take_text(&at, f->app_len, ret->app, sizeof(ret->app), false) &&
	       take_text(&at, f->title_len, ret->title, sizeof(ret->title), false) &&
	       take_text(&at, f->body_len, ret->body, sizeof(ret->body), true);
}

static int index_of(const char *const *names, int count, const char *name)
{
	for (int i = 0; i < count; i++) {
		if (strcmp(names[i], name) == 0)
			return i;
	}
	return -1;
}

const char *item_category_name(unsigned category)
{
	return category < MVP_NOTIFY_CATEGORIES ? categories[category] : "other";
}

int item_category(const char *name)
{
	return index_of(categories, MVP_NOTIFY_CATEGORIES, name);
}

const char *item_priority_name(unsigned priority)
{
	return priority < MVP_NOTIFY_PRIORITIES ? priorities[priority] : "normal";
}

int item_priority(const char *name)
{
	return index_of(priorities, MVP_NOTIFY_PRIORITIES, name);
}
