/* Items as they come from an agent: hostile; and what the policy leaves of them. Portable, no state. */
#ifndef VAULT_NOTIFY_ITEM_H
#define VAULT_NOTIFY_ITEM_H

#include "lib.h"
#include "mvp/notify.h"

/* Whether len bytes are one item that keeps all rules, of an agent. */
bool notify_item_sound(const uint8_t *item, size_t len);

/* What is left of an alert at this level, in place; what is withheld is zeroed. Returns its new length. */
size_t notify_item_redact(uint8_t *item, size_t len, enum mvp_notify_level level);

/* minute: of the day. from == to: there are no quiet hours; they may go over midnight. */
bool notify_is_quiet(uint32_t minute, uint32_t from, uint32_t to);

#endif
