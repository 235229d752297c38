/* Carrier profiles (templates/carriers/NAME.yaml): what a mobile network operator changes in a handset. mvp-carrier(5) has the keys. */
#ifndef IMAGEGEN_CARRIER_H
#define IMAGEGEN_CARRIER_H

#include "imagegen/base/buf.h"
#include "imagegen/hyp/profile.h"

struct carrier_apn {
	struct loc loc;
	struct mstr name, apn, types, protocol, roaming_protocol, mmsc, mmsproxy, mmsport, user, password, auth;
	struct mnum profile_id, mtu;
	struct mstrs mccmnc; /* networks it is for; none: all of the carrier */
};
/* CarrierConfig: the end of the key says what kind of value it is (_bool, _int, _long, _string, _int_array, _string_array). */
struct carrier_item {
	struct loc loc;
	struct mstr key, value;
	struct mstrs values; /* of an array */
};
struct carrier_preload {
	struct loc loc;
	struct mstr package, policy, file; /* file: the package on the host, relative to the manifest's folder; NULL: the system has it */
};

struct carrier {
	char *path; /* locs name it */
	struct mnum format;
	struct mstr name, title, country, country_iso;
	struct mnum id; /* in Android's list of carriers */
	struct mstrs mccmnc;
	struct profile_maps apns, config, features, preload;
	struct mstr csc;  /* Samsung's sales code */
	struct mstr logo; /* text under the boot logo */
	struct mstr lock; /* "locked" or "unlocked" */
};

MUST_USE int carrier_load(const struct manifest *m, const struct mstr *name, struct carrier **ret_c, struct diag *d);
MUST_USE int carrier_load_file(const char *path, struct carrier **ret_c, struct diag *d);
void carrier_free(struct carrier *c);
DEFINE_FREEP(struct carrier, carrier_free)
const char *carrier_name(const struct carrier *c);
const char *carrier_csc(const struct carrier *c); /* "XAA" (no particular carrier) if it has none */

/* Files of the carrier, as Android and Samsung's software read them. */
void carrier_emit_apns(const struct carrier *c, struct buf *out);                            /* apns-conf.xml */
void carrier_emit_config(const struct carrier *c, struct buf *out);                          /* carrier_config_carrierid_ID_NAME.xml */
void carrier_emit_cscfeature(const struct carrier *c, const char *version, struct buf *out); /* Samsung's cscfeature.xml */
void carrier_emit_customer(const struct carrier *c, struct buf *out);                        /* Samsung's customer.xml */
void carrier_emit_props(const struct carrier *c, struct buf *out);                           /* mvp-carrier.prop */
void carrier_emit_rc(const struct carrier *c, struct buf *out);                              /* the same, for Android's init */
void carrier_emit_preload(const struct carrier *c, struct buf *out);                         /* Android's sysconfig */

#endif
