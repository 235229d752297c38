/* Makes one particular device of a disk image: writes its identity and the first record of its journal, into the image or as files of their
 * own for a handset that is flashed already, and enters it in the ledger. */
#ifndef IMAGEGEN_PROVISION_H
#define IMAGEGEN_PROVISION_H

#include "imagegen/base/base.h"
#include "imagegen/ledger/ledger.h"

struct provision_opts {
	const char *image;          /* a file or a block device; written in place, but for output */
	const char *output;         /* a folder, made if missing, for the two partitions as files; NULL: in place */
	const char *serial, *fleet; /* fleet: NULL for none */
	const char *orders_key;     /* PEM: the public key whose orders the device will take */
	const char *ledger;         /* made if missing */
	/* The 32 bytes that only this device has, in a file: taken if it exists, else made, mode 0600. */
	const char *device_key;
	bool again;    /* also if the image or the ledger has an identity already */
	uint64_t time; /* seconds since 1970 */
};

struct provision_result {
	struct ledger_device device;
	bool key_made;
	bool was_complete; /* nothing was to be done */
};

/* An interrupted run is completed by the next one with the same arguments. */
MUST_USE int provision(const struct provision_opts *opts, struct provision_result *ret, struct diag *d);

#endif
