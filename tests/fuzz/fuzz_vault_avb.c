/* The vault's vbmeta reader on hostile bytes: as they are, and with the key and the hash that they contain declared right, so that what
 * lies behind those checks is reached. The signature is not: without the key nobody gets past it. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "tests/unit/vault_host.h"

#include "../../vmm/vault/avb.c"
#include "../../vmm/vault/modular.c"
#include "../../vmm/vault/rsa.c"
#include "../../vmm/vault/sha256.c"

static void look(const uint8_t *image, size_t len, const uint8_t key_digest[32])
{
	struct avb a;
	struct avb_hash h;
	struct rsa_verify v;
	if (avb_read(image, len, key_digest, &a))
		return;
	/* One multiplication of 18 and more, for speed: they are all alike. */
	if (avb_verify_begin(&a, &v)) {
		(void)rsa_verify_step(&v);
		(void)rsa_verify_end(&v);
	}
	if (!avb_find_hash(&a, "boot", &h) && h.salt_len > sizeof(h.salt))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t key_digest[32] = { 0 };
	struct mvp_avb_header h;
	look(data, len, key_digest);
	if (len < sizeof(h) || len > MVP_AVB_VBMETA_MAX)
		return 0;
	uint8_t *copy = malloc(len);
	memcpy(copy, data, len);
	take_header(copy, &h);
	if (places_are_sound(&h, len) && h.hash_size == SHA256_LEN) {
		const uint8_t *auxiliary = copy + sizeof(h) + h.authentication_size;
		struct sha256 s;
		sha256_init(&s);
		sha256_add(&s, auxiliary + h.key_offset, h.key_size);
		sha256_end(&s, key_digest);
		sha256_init(&s);
		sha256_add(&s, copy, sizeof(h));
		sha256_add(&s, auxiliary, h.auxiliary_size);
		sha256_end(&s, copy + sizeof(h) + h.hash_offset);
		look(copy, len, key_digest);
	}
	free(copy);
	return 0;
}
