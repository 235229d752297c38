/* Random bytes from the board's virtio entropy device (virtio 1.2, section 5.4). CPU 0 only. */
#ifndef VAULT_DRIVERS_VIRTIO_RNG_H
#define VAULT_DRIVERS_VIRTIO_RNG_H

#include "../lib.h"

/* False if there is none. */
bool virtio_rng_start(uint32_t *ret_intid);
void virtio_rng_irq(void);
/* Takes len <= 256 bytes; false while the device has not delivered enough: try again after its interrupt. Bytes are given once. */
bool virtio_rng_take(uint8_t *out, size_t len);

#endif
