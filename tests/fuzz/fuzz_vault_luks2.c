/* The vault's LUKS2 reader: a binary header, then metadata as text. What it accepts lies inside the container. */
#include "tests/unit/vault_host.h"

#include "vmm/vault/json.c"
#include "vmm/vault/lib.c"
#include "vmm/vault/luks2.c"
#include "vmm/vault/sha256.c"

#define CONTAINER_LEN ((uint64_t)64 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct luks2 *l)
{
	if (!l->payload_len || !range_in(l->payload_at, l->payload_len, CONTAINER_LEN) || l->payload_len % l->sector_size)
		abort();
	if (!l->slots_count || l->slots_count > LUKS2_SLOTS_MAX)
		abort();
	for (uint32_t i = 0; i < l->slots_count; i++) {
		const struct luks2_keyslot *s = &l->slot[i];
		if (!range_in(s->area_at, s->area_len, l->payload_at) || s->area_len < MVP_LUKS2_KEY_LEN * MVP_LUKS2_STRIPES ||
		    !s->iterations || s->salt_len > sizeof(s->salt) || s->digest >= LUKS2_SLOTS_MAX)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct json json;
	struct luks2_copy copy = { .hdr_size = MVP_LUKS2_HDR_SIZE };
	struct luks2 l;
	uint8_t bin[MVP_LUKS2_BIN_SIZE] = { 0 };
	memcpy(bin, data, min_u64(size, sizeof(bin)));
	for (uint64_t at = 0; at <= MVP_LUKS2_HDR_SIZE_MAX; at += MVP_LUKS2_HDR_SIZE) {
		struct luks2_copy found;
		if (luks2_check_binary(bin, at, &found) && (found.hdr_size > MVP_LUKS2_HDR_SIZE_MAX || (at && found.hdr_size != at)))
			abort();
	}
	/* The same bytes as metadata, in memory of just their size. */
	char *text = malloc(size + 1);
	if (!text)
		abort();
	memcpy(text, data, size);
	text[size] = 0;
	if (!luks2_parse(&json, text, size + 1, &copy, CONTAINER_LEN, &l))
		check(&l);
	free(text);
	return 0;
}
