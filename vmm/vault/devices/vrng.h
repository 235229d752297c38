/* A persona's entropy device: virtio-entropy (virtio 1.2, section 5.4), fed by the vault's generator. */
#ifndef VAULT_VRNG_H
#define VAULT_VRNG_H

#include "devices.h"

void vrng_plug(const struct guest *g);
void vrng_unplug(unsigned persona);

#endif
