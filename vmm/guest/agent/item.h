/* Items of mvp/notify.h, made of texts and taken apart. Texts from programs are cut and cleaned to what the vault takes. */
#ifndef GUEST_AGENT_ITEM_H
#define GUEST_AGENT_ITEM_H

#include "agent.h"
#include "mvp/notify.h"

struct item {
	struct mvp_notify_item fields; /* lengths are those of the texts */
	char app[MVP_NOTIFY_APP_MAX + 1], title[MVP_NOTIFY_TITLE_MAX + 1], body[MVP_NOTIFY_CLIPBOARD_MAX + 1];
};

/* Copies text into size bytes: what is not UTF-8 or is a control character becomes '?', what is too long is cut between characters. lines:
 * tabs and line feeds stay. */
void item_text(char *ret, size_t size, const char *text, bool lines);

/* The item as bytes; its lengths are set from the texts. ret has room for MVP_NOTIFY_BODY_MAX. */
size_t item_pack(struct item *i, uint8_t *ret);
/* False if the bytes are no item. Texts are cleaned, so that they may be shown. */
bool item_unpack(const uint8_t *data, size_t len, struct item *ret);

/* Names of enum mvp_notify_category and enum mvp_notify_priority; -1 if it is none. */
const char *item_category_name(unsigned category);
int item_category(const char *name);
const char *item_priority_name(unsigned priority);
int item_priority(const char *name);

#endif
