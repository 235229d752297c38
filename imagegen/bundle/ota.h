/* The zip around a payload: what it says of itself, and its signature. Internal to imagegen/bundle. */
#ifndef IMAGEGEN_OTA_H
#define IMAGEGEN_OTA_H

#include "imagegen/bundle/output.h"
#include "imagegen/bundle/payload.h"
#include "imagegen/manifest/manifest.h"

#define OTA_PAYLOAD "payload.bin"
#define OTA_PROPERTIES "payload_properties.txt"
#define OTA_CERTIFICATE "META-INF/com/android/otacert"
#define OTA_METADATA "META-INF/com/android/metadata"
#define OTA_METADATA_PB "META-INF/com/android/metadata.pb"

/* A build as updates name it. */
struct ota_build {
	char *name; /* PRODUCT/BOARD:VERSION */
	char *incremental;
	size_t of; /* enum component: whose partitions are in the package */
	struct {
		uint64_t version, needs[COMPONENTS]; /* as in struct component_version */
	} component[COMPONENTS];
};
void ota_build_fini(struct ota_build *b);
/* From the metadata of an update package: what it updates to. False: it does not say. */
bool ota_build_parse(const char *metadata, struct ota_build *ret);

/* From the same of a persona's package: bytes of the slot that the partition has; 0: it has none. */
uint64_t ota_room(const char *metadata, const char *partition);

struct ota_package {
	const struct bundle *b;
	const struct ota_build *build, *old; /* old NULL: a full update */
	const struct buf *head;              /* the payload's header and manifest */
	int blobs_fd;                        /* its blobs */
	uint64_t blobs_len;
	struct payload *p;
};
/* Writes the package into out, which is empty. ret_len: its bytes. */
MUST_USE int ota_write(const struct ota_package *o, struct output *out, uint64_t *ret_len, struct diag *d);

#endif
