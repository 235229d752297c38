/* Orders, receipts and attestations with any content. The first byte says whether the rest is a message, or the payload of one of a kind;
 * what is taken must come out again byte by byte, since there is one encoding only. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "imagegen/cose/cbor.h"
#include "imagegen/order/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* A message around the payload, with a signature of zeros. */
static void wrap(const char *type, const uint8_t *payload, size_t len, struct buf *out)
{
	static const uint8_t signature[MVP_P256_SIGNATURE_LEN];
	struct buf header CLEANUP(buf_fini) = BUF_INIT;
	(void)cbor_write(&header, CBOR_MAP, 2);
	(void)cbor_write(&header, CBOR_UINT, MVP_COSE_ALG);
	(void)cbor_write(&header, CBOR_NINT, -1 - MVP_COSE_ES256);
	(void)cbor_write(&header, CBOR_UINT, MVP_COSE_CONTENT_TYPE);
	(void)cbor_write_string(&header, CBOR_TEXT, type, strlen(type));
	(void)cbor_write(out, CBOR_TAG, MVP_COSE_TAG);
	(void)cbor_write(out, CBOR_ARRAY, 4);
	(void)cbor_write_string(out, CBOR_BYTES, header.data, header.len);
	(void)cbor_write(out, CBOR_MAP, 0);
	(void)cbor_write_string(out, CBOR_BYTES, payload, len);
	(void)cbor_write_string(out, CBOR_BYTES, signature, sizeof(signature));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const types[] = { MVP_ORDER_TYPE, MVP_RECEIPT_TYPE, MVP_ATTEST_TYPE };
	struct buf b CLEANUP(buf_fini) = BUF_INIT, again CLEANUP(buf_fini) = BUF_INIT;
	struct message m;
	if (len < 1)
		return 0;
	unsigned kind = data[0] % (ARRAY_LEN(types) + 1);
	if (kind == ARRAY_LEN(types))
		(void)buf_append(&b, data + 1, len - 1);
	else
		wrap(types[kind], data + 1, len - 1, &b);
	if (buf_error(&b) || message_parse(b.data ? b.data : data, b.len, &m))
		return 0;
	if (message_emit(&m, &again) != 0 || again.len != m.cose.payload_len || memcmp(again.data, m.cose.payload, again.len) != 0)
		abort();
	return 0;
}
