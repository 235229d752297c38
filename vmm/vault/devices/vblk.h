/* A persona's virtual disk: virtio-blk behind virtio-mmio, version 2 (virtio 1.2, sections 4.2 and 5.2).
 * Logical blocks are 512 bytes on every disk; the data units of an encrypted one are its physical blocks. */
#ifndef VAULT_VBLK_H
#define VAULT_VBLK_H

#include "devices.h"

void vblk_plug(const struct guest *g);
void vblk_unplug(unsigned persona);
bool vblk_busy(unsigned persona);

/* Goes on with requests that had to wait in the ring. */
void vblk_resume(unsigned persona);

/* What disk_io_done() does for a persona's request. */
void vblk_io_done(unsigned persona, struct io *io);

#endif
