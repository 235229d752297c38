/* File capabilities in words, as setcap(8) takes them, and as the attribute security.capability holds them. */
#ifndef IMAGEGEN_LAYER_CAPABILITY_H
#define IMAGEGEN_LAYER_CAPABILITY_H

#include "imagegen/base/base.h"

#define CAPABILITY_LEN 20 /* struct vfs_cap_data, revision 2 */

/* "cap_net_raw,cap_net_admin+ep": names, then '+' or '=' and any of the sets e, i and p. false if text is not that. */
MUST_USE bool capability_parse(const char *text, uint8_t ret[CAPABILITY_LEN]);

#endif
