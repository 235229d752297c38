#include "measure.h"

static struct {
	uint8_t value[MVP_MEASUREMENT_LEN];
	struct measure_entry entry[MVP_MEASUREMENT_LOG_MAX];
	unsigned count;
} measured;

void measure_extend(const char *name, const uint8_t digest[SHA256_LEN])
{
	struct sha256 s;
	if (measured.count == MVP_MEASUREMENT_LOG_MAX)
		return;
	text_format(measured.entry[measured.count].name, sizeof(measured.entry[measured.count].name), "%s", name);
	memcpy(measured.entry[measured.count].digest, digest, SHA256_LEN);
	measured.count++;
	sha256_init(&s);
	sha256_add(&s, measured.value, sizeof(measured.value));
	sha256_add(&s, digest, SHA256_LEN);
	sha256_end(&s, measured.value);
}

void measure_hypervisor(const void *image, size_t len)
{
	struct sha256 s;
	uint8_t digest[SHA256_LEN];
	sha256_init(&s);
	sha256_add(&s, image, len);
	sha256_end(&s, digest);
	measure_extend("hypervisor", digest);
}

void measure_get(uint8_t ret[MVP_MEASUREMENT_LEN])
{
	memcpy(ret, measured.value, sizeof(measured.value));
}

unsigned measure_count(void)
{
	return measured.count;
}

const struct measure_entry *measure_log(unsigned index)
{
	return &measured.entry[index];
}
