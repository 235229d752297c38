/* A persona's network device: virtio-net (virtio 1.2, section 5.1), one queue in each direction, no offloads. */
#ifndef VAULT_VNET_H
#define VAULT_VNET_H

#include "devices.h"

void vnet_plug(const struct guest *g); /* nothing, if the persona has no network */
void vnet_unplug(unsigned persona);

#endif
