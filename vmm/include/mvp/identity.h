/* What makes one handset differ from all others: the board's unique key and the partition `mvp_keys`.
 *
 * The board gives 32 secret bytes that no other board has and that are not on the flash: the device key, here K (qemu-virt: the fw_cfg file
 * MVP_DEVICE_KEY_FILE). What depends on it is HMAC-SHA256(K, label), with the label's ASCII bytes without a NUL:
 *     MVP_LABEL_IDENTITY    key of the MAC of the record below
 *     MVP_LABEL_STATE       key of the MACs of `mvp_state`
 *     MVP_LABEL_PASSCODE    binds passcodes: see below
 *     MVP_LABEL_SIGNING     followed by one byte c: the device's ECDSA P-256 private key, as a big-endian number d. c is 0, or the lowest
 * for which 0 < d < n. It is derived at each boot and stored nowhere; the ledger keeps its public half.
 *
 * The secret of a key slot bound to the device is what cryptsetup takes for the passphrase: the 64 lower-case hexadecimal digits of
 * HMAC-SHA256(HMAC-SHA256(K, MVP_LABEL_PASSCODE), uuid || passcode), where uuid is the container's, 36 ASCII bytes. That of an unbound slot
 * is the passcode itself. The token "mvp-passcode" of the container's metadata says which: "binding" is "device" or "none".
 *
 * The partition has the record twice, at MVP_IDENTITY_AT(0) and (1). It is written when the device is provisioned, never by the vault. A
 * device without a sound record is not provisioned: it takes no orders. One that has a record but whose MAC is wrong, or whose `mvp_state`
 * is empty, has been tampered with: its encrypted personas stay locked, and the screen says why. Without a record no bound slot is tried:
 * whoever erased both partitions would otherwise begin to count wrong passcodes anew. */
#ifndef MVP_IDENTITY_H
#define MVP_IDENTITY_H

#include <stdint.h>

#define MVP_DEVICE_KEY_FILE "opt/org.mvp/device-key"
#define MVP_DEVICE_KEY_LEN 32

#define MVP_LABEL_IDENTITY "mvp identity 1"
#define MVP_LABEL_STATE "mvp state 1"
#define MVP_LABEL_PASSCODE "mvp passcode 1"
#define MVP_LABEL_SIGNING "mvp device signing key 1"

#define MVP_KEYS_PARTITION "mvp_keys"
#define MVP_STATE_PARTITION "mvp_state"
#define MVP_KEYS_PARTITION_LEN 0x100000
#define MVP_STATE_PARTITION_LEN 0x100000

#define MVP_IDENTITY_MAGIC "MVPIDENT"
#define MVP_IDENTITY_VERSION 1
#define MVP_IDENTITY_COPIES 2
#define MVP_IDENTITY_AT(copy) ((copy)*0x10000)

#define MVP_SERIAL_MAX 63         /* characters of a serial or fleet name: A-Z a-z 0-9 . _ - */
#define MVP_P256_POINT_LEN 65     /* 0x04, X, Y: SEC 1, 2.3.3, uncompressed */
#define MVP_P256_SIGNATURE_LEN 64 /* r, s, each big endian */

/* Integers little endian. */
struct mvp_identity {
	uint8_t magic[8];
	uint32_t version;
	uint32_t len;                              /* of this structure */
	uint8_t serial[64];                        /* NUL padded */
	uint8_t fleet[64];                         /* NUL padded, empty: of no fleet */
	uint8_t device_public[MVP_P256_POINT_LEN]; /* of the key under MVP_LABEL_SIGNING: the vault compares */
	uint8_t order_public[MVP_P256_POINT_LEN];  /* who may sign orders, until one rotates it */
	uint8_t reserved[6];                       /* 0 */
	uint64_t provisioned_at;                   /* seconds since 1970: the device's clock is never before it */
	uint8_t mac[32];                           /* HMAC-SHA256 of all before it */
} __attribute__((packed));

_Static_assert(sizeof(struct mvp_identity) == 320, "layout of the identity record");
_Static_assert(sizeof(struct mvp_identity) <= 512, "the record is written in one sector");

#endif
