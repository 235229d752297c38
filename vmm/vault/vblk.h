/* A persona's virtual disk: virtio-blk behind virtio-mmio, version 2 (virtio 1.2, sections 4.2 and 5.2).
 * Logical blocks are 512 bytes on every disk; the data units of an encrypted one are its physical blocks. */
#ifndef VAULT_VBLK_H
#define VAULT_VBLK_H

#include "disk.h"
#include "ring.h"

/* Before the persona starts: forgets everything of its last life. Not while vblk_is_idle() is false. view must stay valid. */
void vblk_plug(unsigned persona, const struct view *view, const struct ram *ram, const char *name);
void vblk_unplug(unsigned persona);  /* resets the device; requests in flight finish by themselves */
bool vblk_is_idle(unsigned persona); /* no request of the last life can touch the persona's RAM any more */

/* Accesses to the device's registers. width is 1, 2, 4 or 8 bytes; at < MVP_GUEST_VIRTIO_STRIDE. */
uint64_t vblk_read(unsigned persona, uint32_t at, unsigned width);
void vblk_write(unsigned persona, uint32_t at, unsigned width, uint64_t value);

/* Goes on with requests that had to wait in the ring. */
void vblk_resume(unsigned persona);

/* What disk_io_done() does for a persona's request. */
void vblk_io_done(unsigned persona, struct io *io);

#endif
