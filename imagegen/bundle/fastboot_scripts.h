/* The text files of a fastboot factory package. Names in the bundle have been checked: they need no quoting. Internal to imagegen/bundle.
 */
#ifndef IMAGEGEN_FASTBOOT_SCRIPTS_H
#define IMAGEGEN_FASTBOOT_SCRIPTS_H

#include "imagegen/base/buf.h"
#include "imagegen/bundle/packer.h"

void fastboot_emit_android_info(const struct bundle *b, struct buf *out);  /* requirements the client checks before `fastboot update` */
void fastboot_emit_fastboot_info(const struct bundle *b, struct buf *out); /* what `fastboot update` flashes, for clients from 34 on */
void fastboot_emit_sh(const struct bundle *b, struct buf *out);
void fastboot_emit_bat(const struct bundle *b, struct buf *out);

#endif
