/* SHA-256 (FIPS 180-4) of short public data: where a device's orders lie on the server, and which order was the last. */
#ifndef GUEST_AGENT_SHA256_H
#define GUEST_AGENT_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define AGENT_SHA256_LEN 32

void agent_sha256(const void *data, size_t len, uint8_t ret[AGENT_SHA256_LEN]);

#endif
