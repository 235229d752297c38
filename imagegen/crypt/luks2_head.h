/* The front of a LUKS2 container, from byte 0 to the end of its key slots. Internal to imagegen/crypt. */
#ifndef IMAGEGEN_LUKS2_HEAD_H
#define IMAGEGEN_LUKS2_HEAD_H

#include "imagegen/crypt/luks2.h"
#include "mvp/luks2.h"

#define LUKS2_HEAD_SLOTS 2u
#define LUKS2_HEAD_LEN ((size_t)MVP_LUKS2_SLOT_AREA_AT + LUKS2_HEAD_SLOTS * MVP_LUKS2_SLOT_AREA_LEN)

/* opts has been checked. head is LUKS2_HEAD_LEN zero bytes. */
void luks2_head_emit(const struct luks2_opts *opts, const uint8_t volume_key[MVP_LUKS2_KEY_LEN], uint8_t *head);

#endif
