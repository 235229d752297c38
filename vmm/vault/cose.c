#include "cose.h"

#include "mvp/order.h"

#define PROTECTED_MAX 64
#define HEAD_MAX 16 /* of "Signature1" or a payload */

/* {1: -7, 3: type}: the only header there is, so that a message's is compared with it. */
static size_t protected_header(const char *type, uint8_t ret[PROTECTED_MAX])
{
	struct cbor_out out = cbor_out(ret, PROTECTED_MAX);
	cbor_put(&out, CBOR_MAP, 2);
	cbor_put(&out, CBOR_UINT, MVP_COSE_ALG);
	cbor_put(&out, CBOR_NINT, -1 - MVP_COSE_ES256);
	cbor_put(&out, CBOR_UINT, MVP_COSE_CONTENT_TYPE);
	cbor_put_string(&out, CBOR_TEXT, type, text_len(type));
	return out.len;
}

/* SHA-256 of Sig_structure (RFC 9052, 4.4), which is fed in pieces. */
void cose_digest(const char *type, const uint8_t *payload, size_t len, uint8_t ret_digest[SHA256_LEN])
{
	static const char context[] = "Signature1";
	uint8_t header[PROTECTED_MAX], front[PROTECTED_MAX + 2 * HEAD_MAX];
	size_t header_len = protected_header(type, header);
	struct cbor_out out = cbor_out(front, sizeof(front));
	cbor_put(&out, CBOR_ARRAY, 4);
	cbor_put_string(&out, CBOR_TEXT, context, sizeof(context) - 1);
	cbor_put_string(&out, CBOR_BYTES, header, header_len);
	cbor_put(&out, CBOR_BYTES, 0);
	cbor_put(&out, CBOR_BYTES, len);
	struct sha256 s;
	sha256_init(&s);
	sha256_add(&s, front, out.len);
	sha256_add(&s, payload, len);
	sha256_end(&s, ret_digest);
}

bool cose_parse(const uint8_t *message, size_t len, const char *type, struct cose *ret_cose)
{
	uint8_t want[PROTECTED_MAX];
	size_t want_len = protected_header(type, want), header_len, signature_len;
	struct cbor_in in = cbor_in(message, len);
	if (cbor_get(&in, CBOR_TAG) != MVP_COSE_TAG || cbor_get(&in, CBOR_ARRAY) != 4)
		return false;
	const uint8_t *header = cbor_get_string(&in, CBOR_BYTES, &header_len);
	if (in.bad || header_len != want_len || memcmp(header, want, want_len) || cbor_get(&in, CBOR_MAP) != 0)
		return false;
	ret_cose->payload = cbor_get_string(&in, CBOR_BYTES, &ret_cose->payload_len);
	ret_cose->signature = cbor_get_string(&in, CBOR_BYTES, &signature_len);
	if (!cbor_is_end(&in) || signature_len != MVP_P256_SIGNATURE_LEN)
		return false;
	cose_digest(type, ret_cose->payload, ret_cose->payload_len, ret_cose->digest);
	return true;
}

size_t cose_emit(const char *type, const uint8_t *payload, size_t len, const uint8_t signature[MVP_P256_SIGNATURE_LEN], uint8_t *ret,
		 size_t size)
{
	uint8_t header[PROTECTED_MAX];
	size_t header_len = protected_header(type, header);
	struct cbor_out out = cbor_out(ret, size);
	cbor_put(&out, CBOR_TAG, MVP_COSE_TAG);
	cbor_put(&out, CBOR_ARRAY, 4);
	cbor_put_string(&out, CBOR_BYTES, header, header_len);
	cbor_put(&out, CBOR_MAP, 0);
	cbor_put_string(&out, CBOR_BYTES, payload, len);
	cbor_put_string(&out, CBOR_BYTES, signature, MVP_P256_SIGNATURE_LEN);
	return out.full ? 0 : out.len;
}
