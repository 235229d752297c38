#include "notify_item.h"

#define HEAD sizeof(struct mvp_notify_item)

/* Length of the UTF-8 sequence at p (RFC 3629), or 0 if there is none within len bytes. */
static size_t sequence(const uint8_t *p, size_t len)
{
	static const struct {
		uint8_t first, last, low, high; /* of the first byte; of the second */
		uint8_t len;
	} rows[] = {
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};
	if (p[0] < 0x80)
		return 1;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (p[0] < rows[i].first || p[0] > rows[i].last)
			continue;
		if (len < rows[i].len || p[1] < rows[i].low || p[1] > rows[i].high)
			return 0;
		for (size_t k = 2; k < rows[i].len; k++) {
			if (p[k] < 0x80 || p[k] > 0xbf)
				return 0;
		}
		return rows[i].len;
	}
	return 0;
}

static bool text_sound(const uint8_t *p, size_t len, bool lines)
{
	for (size_t at = 0; at < len;) {
		size_t n = sequence(p + at, len - at);
		if (!n || p[at] == 0x7f || (p[at] < ' ' && !(lines && (p[at] == '\n' || p[at] == '\t'))))
			return false;
		if (n == 2 && p[at] == 0xc2 && p[at + 1] < 0xa0) /* C1 controls */
			return false;
		at += n;
	}
	return true;
}

bool notify_item_sound(const uint8_t *item, size_t len)
{
	struct mvp_notify_item i;
	if (len < HEAD)
		return false;
	memcpy(&i, item, HEAD);
	if (i.level || i.reserved || (size_t)i.app_len + i.title_len + i.body_len != len - HEAD)
		return false;
	bool plain = !i.category && !i.priority && !i.actions && !i.app_len && !i.title_len && !i.time;
	switch (i.kind) {
	case MVP_NOTIFY_ALERT:
		if (i.category >= MVP_NOTIFY_CATEGORIES || i.priority >= MVP_NOTIFY_PRIORITIES || (i.actions & ~MVP_NOTIFY_ACTIONS) ||
		    i.flags || i.id || i.app_len > MVP_NOTIFY_APP_MAX || i.title_len > MVP_NOTIFY_TITLE_MAX ||
		    i.body_len > MVP_NOTIFY_TEXT_MAX)
			return false;
		break;
	case MVP_NOTIFY_DISMISS:
		return plain && i.id && !i.body_len && !(i.flags & ~MVP_NOTIFY_MINE);
	case MVP_NOTIFY_OPEN:
		return plain && i.id && !i.body_len && !i.flags;
	case MVP_NOTIFY_CLIPBOARD:
		if (!plain || i.id || i.flags || i.body_len > MVP_NOTIFY_CLIPBOARD_MAX)
			return false;
		break;
	default:
		return false;
	}
	const uint8_t *text = item + HEAD;
	return text_sound(text, i.app_len, false) && text_sound(text + i.app_len, i.title_len, false) &&
	       text_sound(text + i.app_len + i.title_len, i.body_len, true);
}

size_t notify_item_redact(uint8_t *item, size_t len, enum mvp_notify_level level)
{
	struct mvp_notify_item i;
	memcpy(&i, item, HEAD);
	i.level = (uint8_t)level;
	if (level < MVP_NOTIFY_FULL)
		i.body_len = 0;
	if (level < MVP_NOTIFY_TITLE) {
		i.app_len = i.title_len = 0;
		i.category = MVP_NOTIFY_OTHER;
		i.priority = MVP_NOTIFY_NORMAL;
	}
	size_t left = HEAD + i.app_len + i.title_len + i.body_len;
	memcpy(item, &i, HEAD);
	wipe(item + left, len - left);
	return left;
}

bool notify_is_quiet(uint32_t minute, uint32_t from, uint32_t to)
{
	return from <= to ? minute >= from && minute < to : minute >= from || minute < to;
}
