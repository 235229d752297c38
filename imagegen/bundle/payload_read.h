/* Payloads of A/B updates, read: their digests, their signatures and what they make of partitions. Internal to imagegen/bundle. */
#ifndef IMAGEGEN_PAYLOAD_READ_H
#define IMAGEGEN_PAYLOAD_READ_H

#include <openssl/types.h>

#include "imagegen/bundle/payload.h"

struct payload_file {
	const struct image *img; /* borrowed */
	const char *label;       /* borrowed */
	uint64_t at, len;        /* of the payload in the image */
	struct payload_head head;
	struct payload p;
	uint64_t blobs_at;            /* in the image */
	uint8_t metadata_sha256[32];  /* of header and manifest */
	uint8_t signed_sha256[32];    /* of what the payload's signature is over; zero if there is none */
	uint8_t *metadata_signatures; /* Signatures messages; NULL: none */
	uint8_t *payload_signatures;
};

/* Reads the manifest only. */
MUST_USE int payload_open(const struct image *img, uint64_t at, uint64_t len, const char *label, struct payload_file *ret, struct diag *d);
void payload_close(struct payload_file *f);
/* Are the digests of all operations' data right? MVP0571. */
MUST_USE int payload_check(struct payload_file *f, struct diag *d);
/* Does one of the signatures, of metadata and of payload, verify with the key? */
bool payload_verify(const struct payload_file *f, EVP_PKEY *key);
/* Writes what a partition becomes to fd, at its place, and compares its digest. old: its image before the update; NULL: there is none. */
MUST_USE int payload_apply(const struct payload_file *f, const struct payload_part *part, const struct image *old, int fd, struct diag *d);
/* What its operations are, as text, malloc'd: "12 SOURCE_COPY, 3 REPLACE_XZ". */
char *payload_summary(const struct payload_part *part);

#endif
