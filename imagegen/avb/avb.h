/* Android Verified Boot 2.0 (AOSP external/avb, libavb 1.3): vbmeta images, footers and key blobs. All integers are big endian. */
#ifndef IMAGEGEN_AVB_H
#define IMAGEGEN_AVB_H

#include "imagegen/base/buf.h"
#include "imagegen/sign/sign.h"

enum {
	AVB_VBMETA_MAX = 65536,  /* bytes of a vbmeta image; libavb reads no more */
	AVB_FOOTER_LEN = 64,     /* the last bytes of a partition */
	AVB_DIGEST_MAX = 64,     /* SHA-512 */
	AVB_KEY_BLOB_MAX = 2056, /* RSA-8192 */
	AVB_BLOCK = 4096,
};

/* The public key as vbmeta images hold it: bits, -1/n mod 2^32, n, 2^(2*bits) mod n. RSA with exponent 65537 only. */
MUST_USE int avb_key_blob(EVP_PKEY *key, const struct loc *loc, uint8_t ret_blob[AVB_KEY_BLOB_MAX], size_t *ret_len, struct diag *d);

/* The SHA-256 of that, by which a key is named to people; false for a key that verified boot cannot use. */
bool avb_key_digest(EVP_PKEY *key, uint8_t ret[32]);

struct avb_digest {
	enum sign_hash hash;
	uint8_t salt[AVB_DIGEST_MAX], digest[AVB_DIGEST_MAX];
	size_t salt_len;
};
size_t avb_digest_len(enum sign_hash hash);

/* salt || img, read once. The digest is set, hash and salt are given. */
MUST_USE int avb_hash_image(const struct image *img, struct avb_digest *h, struct diag *d);

struct avb_hashtree {
	uint64_t image_len, tree_at, tree_len; /* bytes; image_len is a multiple of AVB_BLOCK */
	uint32_t fec_roots;                    /* 0: none */
	uint64_t fec_at, fec_len;
	struct avb_digest root;
};

/* Descriptors, in the order of the calls. What is wrong with one is reported by avb_emit(). */
struct avb {
	struct buf descriptors;
	uint32_t minor;     /* of the libavb that is needed at least */
	const char *failed; /* the first descriptor that could not be written */
};
#define AVB_INIT ((struct avb){ .descriptors = BUF_MAX(AVB_VBMETA_MAX) })
void avb_fini(struct avb *a);
void avb_add_property(struct avb *a, const char *key, const void *value, size_t value_len);
void avb_add_hash(struct avb *a, const char *partition, uint64_t image_len, const struct avb_digest *h);
void avb_add_hashtree(struct avb *a, const char *partition, const struct avb_hashtree *t);
enum { AVB_CMDLINE_ALWAYS = 0, AVB_CMDLINE_HASHTREE_ON = 1, AVB_CMDLINE_HASHTREE_OFF = 2 };
void avb_add_cmdline(struct avb *a, uint32_t flags, const char *cmdline);
/* The partition is verified by its own vbmeta, signed by that key; location: of its rollback index, 1 or more. */
void avb_add_chain(struct avb *a, const char *partition, uint32_t rollback_location, const uint8_t *key_blob, size_t key_blob_len);

struct avb_opts {
	struct signer *signer; /* NULL: algorithm NONE, nothing is signed */
	enum sign_hash hash;
	uint64_t rollback_index;
	uint32_t rollback_location;
	uint32_t flags;
	const char *release; /* at most 47 characters; NULL: this program's */
	const char *name;    /* of the image, for messages and signatures made elsewhere */
	uint64_t padding;    /* the image is padded with zeros to a multiple of this; 0: not */
};
/* ret_vbmeta: malloc'd. */
MUST_USE int avb_emit(const struct avb *a, const struct avb_opts *opts, uint8_t **ret_vbmeta, size_t *ret_len, struct diag *d);

/* A partition of partition_len bytes that carries its own vbmeta: data, padded to AVB_BLOCK; what belongs to it (tree, parity; may be
 * NULL), likewise; vbmeta; and the footer, in the last bytes. */
MUST_USE int avb_with_footer(struct image *data, struct image *more, const uint8_t *vbmeta, size_t vbmeta_len, uint64_t partition_len,
			     struct image **ret_img, struct diag *d);

/* Reading, for verification and inspection. Offsets and lengths are checked against the image; the signature is not verified. */
struct avb_info {
	uint32_t algorithm, flags, rollback_location;
	uint64_t rollback_index;
	char release[48];
	uint64_t auth_at, auth_len, aux_at, aux_len; /* bytes of the image */
	uint64_t hash_at, hash_len, signature_at, signature_len, key_at, key_len, descriptors_at, descriptors_len;
};
MUST_USE int avb_read(const uint8_t *data, size_t len, const char *label, struct avb_info *ret_info, struct diag *d);

struct avb_descriptor {
	uint64_t tag;        /* enum avb_tag */
	const uint8_t *data; /* of the whole descriptor, borrowed */
	size_t len;
	char partition[37]; /* of hash, hashtree and chain; the key of a property; else empty */
};
enum avb_tag { AVB_TAG_PROPERTY, AVB_TAG_HASHTREE, AVB_TAG_HASH, AVB_TAG_CMDLINE, AVB_TAG_CHAIN };
/* The descriptor at *at (0 first), which is moved behind it; 1 at the end, -1 when it does not hold together. */
MUST_USE int avb_next(const uint8_t *descriptors, size_t len, size_t *at, struct avb_descriptor *ret, const char *label, struct diag *d);

/* Is the image signed by this key, and do hash and signature hold? */
MUST_USE int avb_verify(const uint8_t *data, size_t len, EVP_PKEY *key, const char *label, struct diag *d);

#endif
