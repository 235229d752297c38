/* mvpctl verify: is an image or a bundle whole, and signed by whom it should be? Digests, partition tables and headers of every format that
 * bundles are written in; vbmeta images with the partitions they vouch for; updates by what they make of partitions. */
#ifndef IMAGEGEN_VERIFY_H
#define IMAGEGEN_VERIFY_H

#include <openssl/types.h>

#include "imagegen/base/diag.h"

struct verify_item {
	char *name, *finding;
	bool open; /* nothing is wrong, but something could not be verified: a key was not given, content is encrypted */
};

struct verify {
	struct verify_item *v;
	size_t count, cap;
};
void verify_fini(struct verify *r);

struct verify_opts {
	EVP_PKEY *const *keys; /* a signature must be by one of them; none: signatures are only looked for */
	size_t keys_count;
	const char *tmp_dir; /* where compressed images are unpacked to, without a name */
};
/* All that is wrong is reported in d, each once; then -1. What was found right is in ret also then. */
MUST_USE int verify_file(const char *path, const struct verify_opts *o, struct verify *ret, struct diag *d);

#endif
