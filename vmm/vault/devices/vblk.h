/* A persona's virtual disk: virtio-blk behind virtio-mmio, version 2 (virtio 1.2, sections 4.2 and 5.2).
 * Logical blocks are 512 bytes on every disk; the data units of an encrypted one are its physical blocks. There is a queue for each vCPU,
 * each a client of the disk of its own, so that vCPUs encrypt in parallel. */
#ifndef VAULT_VBLK_H
#define VAULT_VBLK_H

#include "devices.h"

void vblk_plug(const struct guest *g);
void vblk_unplug(unsigned persona);
bool vblk_busy(unsigned persona);

/* Goes on with requests that had to wait in the ring, for the clients of a bit map that disk_run() returned. */
void vblk_resume(uint32_t ran);

/* What disk_io_done() does for a persona's request. */
void vblk_io_done(unsigned client, struct io *io);

#endif
