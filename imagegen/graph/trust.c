#include "imagegen/graph/trust.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"

enum { PERSONA_BITS_MAX = 4096 }; /* of the keys that the vault verifies with */

static bool is_uri(const char *s)
{
	return !strncmp(s, "pkcs11:", 7);
}

/* A program in PATH stays a name, as a shell has it. */
static char *helper_path(const struct manifest *m, const char *s)
{
	return strchr(s, '/') ? manifest_path(m, s) : mem_strdup(s);
}

static char *passphrase_source(const struct manifest *m, const char *s)
{
	if (strncmp(s, "file:", 5))
		return mem_strdup(s);
	char *path CLEANUP_FREE = manifest_path(m, s + 5);
	return mem_printf("file:%s", path);
}

static int open_key(const struct manifest *m, const struct mkey *k, const char *what, const char *signs, const char *exchange, bool prepare,
		    struct signer **ret, struct diag *d)
{
	if (!k->on) {
		diag_warn(d, MVP0645, &m->keys.master.loc, "'keys.%s' is not set: %s is not signed, and anybody can change it", what,
			  signs);
		diag_hint(d, "add `%s: keys/%s.pem` to 'keys'; `mvpctl keys init` makes one", what, what);
		return 0;
	}
	char *file CLEANUP_FREE = !k->file.s ? NULL : is_uri(k->file.s) ? mem_strdup(k->file.s) : manifest_path(m, k->file.s);
	char *passphrase CLEANUP_FREE = k->passphrase.s ? passphrase_source(m, k->passphrase.s) : NULL;
	char *helper CLEANUP_FREE = k->helper.s ? helper_path(m, k->helper.s) : NULL;
	char *public_key CLEANUP_FREE = k->public_key.s ? manifest_path(m, k->public_key.s) : NULL;
	const struct sign_key key = {
		.key = file,
		.passphrase = passphrase,
		.helper = helper,
		.public_key = public_key,
		.exchange = exchange,
		.prepare = prepare,
		.loc = k->loc,
	};
	uint8_t digest[32];
	if (signer_open(&key, ret, d) || trust_key_digest(*ret, &k->loc, digest, d))
		return -1;
	if (signer_bits(*ret) > PERSONA_BITS_MAX)
		return diag_fail(d, MVP0640, &k->loc, "'keys.%s' has %u bits; the handset verifies keys of at most %d", what,
				 signer_bits(*ret), PERSONA_BITS_MAX);
	return 0;
}

struct signer *trust_of(const struct trust *t, const struct manifest *m, const struct persona *p)
{
	return p == &m->personas[PERSONA_WORK] ? t->enterprise : t->oem;
}

int trust_key_digest(const struct signer *s, const struct loc *loc, uint8_t ret[32], struct diag *d)
{
	uint8_t blob[AVB_KEY_BLOB_MAX];
	size_t len;
	memset(ret, 0, 32);
	if (!s)
		return 0;
	if (avb_key_blob(signer_public(s), loc, blob, &len, d))
		return -1;
	if (EVP_Digest(blob, len, ret, NULL, EVP_sha256(), NULL) != 1)
		return diag_fail(d, MVP0001, NULL, "SHA-2 failed");
	return 0;
}

int trust_open(const struct manifest *m, const char *exchange, bool prepare, struct trust *ret, struct diag *d)
{
	struct trust t CLEANUP(trust_fini) = { 0 };
	int rc = open_key(m, &m->keys.oem, "oem", "the handset with its personal side", exchange, prepare, &t.oem, d);
	rc |= open_key(m, &m->keys.enterprise, "enterprise", "the work side", exchange, prepare, &t.enterprise, d);
	for (size_t i = 0; i < PERSONA_MAX && !rc; i++) {
		struct signer *s = trust_of(&t, m, &m->personas[i]);
		t.hyp.persona[i].verified = s != NULL;
		rc = trust_key_digest(s, NULL, t.hyp.persona[i].avb_key_digest, d);
	}
	if (rc)
		return -1;
	*ret = t;
	t = (struct trust){ 0 };
	return 0;
}

void trust_fini(struct trust *t)
{
	signer_free(t->oem);
	signer_free(t->enterprise);
	*t = (struct trust){ 0 };
}

int trust_vbmeta(const struct avb *a, struct signer *s, const char *name, uint64_t rollback_index, struct image **ret_img, struct diag *d)
{
	const struct avb_opts o = { .signer = s, .rollback_index = rollback_index, .name = name, .padding = AVB_BLOCK };
	uint8_t *vbmeta;
	size_t len;
	if (avb_emit(a, &o, &vbmeta, &len, d))
		return -1;
	*ret_img = image_mem(vbmeta, len);
	return 0;
}
