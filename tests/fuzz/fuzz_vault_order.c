/* Orders as anybody may send them, in Base64 or raw: nothing is read outside the message, and one that is taken encodes to itself. */
#include "tests/unit/vault_host.h"

#include "vmm/vault/base64.c"
#include "vmm/vault/cbor.c"
#include "vmm/vault/cose.c"
#include "vmm/vault/lib.c"
#include "vmm/vault/order.c"
#include "vmm/vault/sha256.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const uint8_t *message, size_t len)
{
	struct order o;
	uint8_t again[MVP_ORDER_MAX];
	if (!order_parse(message, len, &o))
		return;
	size_t again_len = cose_emit(MVP_ORDER_TYPE, o.cose.payload, o.cose.payload_len, o.cose.signature, again, sizeof(again));
	if (again_len != len || memcmp(again, message, len) || (o.serial_len != 0) == (o.fleet_len != 0) || o.reason_len > MVP_REASON_MAX)
		abort();
	(void)order_is_for(&o, "S-1", "F");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t decoded[MVP_ORDER_MAX];
	char text[MVP_ORDER_MAX * 4 / 3 + 4];
	size_t len;
	look(data, size);
	if (base64_decode((const char *)data, size, decoded, sizeof(decoded), &len)) {
		if (base64_encode(decoded, len, text, sizeof(text)) != size || memcmp(text, data, size))
			abort();
		look(decoded, len);
	}
	return 0;
}
