/* The named ports of the persona's virtio-console (mvp-vmm(7)). */
#ifndef GUEST_AGENT_PORT_H
#define GUEST_AGENT_PORT_H

/* Opens the port of this name, or the file `path` if it is not NULL, without blocking. -1 with errno: ENOENT if there is none. */
int port_open(const char *name, const char *path);

#endif
