/* What the data of an update's operations is packed with. Internal to imagegen/bundle. */
#ifndef IMAGEGEN_XZ_H
#define IMAGEGEN_XZ_H

#include "imagegen/base/base.h"

/* An xz stream that update_engine's small decoder takes: LZMA2 alone, check CRC-32. Into ret, of len bytes: 0 if it does not get smaller.
 */
size_t xz_pack(const uint8_t *data, size_t len, uint8_t *ret);
/* Unpacks an xz stream or (bzip2) a bzip2 stream of data_len bytes to exactly len ones. */
MUST_USE bool xz_unpack(const uint8_t *data, size_t data_len, bool bzip2, uint8_t *ret, size_t len);

#endif
