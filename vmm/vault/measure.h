/* The boot measurement: what ran on this handset since it was started (mvp/order.h, at its end). CPU 0 only. */
#ifndef VAULT_MEASURE_H
#define VAULT_MEASURE_H

#include "mvp/order.h"
#include "sha256.h"

struct measure_entry {
	char name[16];
	uint8_t digest[SHA256_LEN];
};

/* Extends the measurement by a component. The first MVP_MEASUREMENT_LOG_MAX are logged; there are no more. */
void measure_extend(const char *name, const uint8_t digest[SHA256_LEN]);
void measure_hypervisor(const void *image, size_t len); /* the first component */
void measure_get(uint8_t ret[MVP_MEASUREMENT_LEN]);
unsigned measure_count(void);
const struct measure_entry *measure_log(unsigned index);

#endif
