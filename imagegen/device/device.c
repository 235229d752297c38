#include "imagegen/device/device.h"

#include <endian.h>
#include <isa-l/crc.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/hmac.h>
#include <string.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/image.h"
#include "imagegen/base/secret.h"

#define LABEL_MAX 64

static bool hmac(const uint8_t key[32], const void *data, size_t len, uint8_t ret[32])
{
	return HMAC(EVP_sha256(), key, 32, data, len, ret, NULL) != NULL;
}

static int crypto_fail(struct diag *d)
{
	return diag_fail(d, MVP0001, NULL, "a device's keys cannot be derived");
}

int device_derive(const uint8_t key[MVP_DEVICE_KEY_LEN], const char *label, uint8_t ret[32], struct diag *d)
{
	return hmac(key, label, strlen(label), ret) ? 0 : crypto_fail(d);
}

DEFINE_FREEP(EC_GROUP, EC_GROUP_free)
DEFINE_FREEP(EC_POINT, EC_POINT_free)
DEFINE_FREEP(BIGNUM, BN_clear_free)

/* d = HMAC(K, label || c) for the lowest c with 0 < d < n; the point d * G. The time of it is OpenSSL's for a secret scalar. */
static bool public_of(const uint8_t key[MVP_DEVICE_KEY_LEN], uint8_t ret_point[MVP_P256_POINT_LEN])
{
	static const char label[] = MVP_LABEL_SIGNING;
	EC_GROUP *group CLEANUP(EC_GROUP_freep) = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	EC_POINT *point CLEANUP(EC_POINT_freep) = group ? EC_POINT_new(group) : NULL;
	BIGNUM *scalar CLEANUP(BN_clear_freep) = BN_secure_new();
	SECRET_ARRAY(bytes, 32);
	uint8_t message[sizeof(label)]; /* the counter where the NUL was */
	if (!point || !scalar)
		return false;
	BN_set_flags(scalar, BN_FLG_CONSTTIME);
	memcpy(message, label, sizeof(label));
	for (unsigned c = 0; c <= UINT8_MAX; c++) {
		message[sizeof(label) - 1] = (uint8_t)c;
		if (!hmac(key, message, sizeof(message), bytes) || !BN_bin2bn(bytes, sizeof(bytes), scalar))
			return false;
		if (BN_is_zero(scalar) || BN_cmp(scalar, EC_GROUP_get0_order(group)) >= 0)
			continue;
		return EC_POINT_mul(group, point, scalar, NULL, NULL, NULL) == 1 &&
		       EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, ret_point, MVP_P256_POINT_LEN, NULL) ==
			       MVP_P256_POINT_LEN;
	}
	return false;
}

int device_public(const uint8_t key[MVP_DEVICE_KEY_LEN], uint8_t ret_point[MVP_P256_POINT_LEN], struct diag *d)
{
	return public_of(key, ret_point) ? 0 : crypto_fail(d);
}

static bool identity_mac(const struct mvp_identity *id, const uint8_t key[MVP_DEVICE_KEY_LEN], uint8_t ret[32])
{
	SECRET_ARRAY(mac_key, 32);
	return hmac(key, MVP_LABEL_IDENTITY, strlen(MVP_LABEL_IDENTITY), mac_key) &&
	       hmac(mac_key, (const uint8_t *)id, offsetof(struct mvp_identity, mac), ret);
}

int device_identity(const uint8_t key[MVP_DEVICE_KEY_LEN], const struct device_id *id, struct mvp_identity *ret, struct diag *d)
{
	struct mvp_identity r = { .version = htole32(MVP_IDENTITY_VERSION),
				  .len = htole32(sizeof(r)),
				  .provisioned_at = htole64(id->provisioned_at) };
	memcpy(r.magic, MVP_IDENTITY_MAGIC, sizeof(r.magic));
	memcpy(r.serial, id->serial, strnlen(id->serial, MVP_SERIAL_MAX));
	if (id->fleet)
		memcpy(r.fleet, id->fleet, strnlen(id->fleet, MVP_SERIAL_MAX));
	memcpy(r.order_public, id->order_public, sizeof(r.order_public));
	if (device_public(key, r.device_public, d) < 0)
		return -1;
	if (!identity_mac(&r, key, r.mac))
		return crypto_fail(d);
	*ret = r;
	return 0;
}

int device_state(const uint8_t key[MVP_DEVICE_KEY_LEN], struct mvp_state *ret, struct diag *d)
{
	SECRET_ARRAY(mac_key, 32);
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->magic, MVP_STATE_MAGIC, sizeof(ret->magic));
	ret->version = htole32(MVP_STATE_VERSION);
	ret->len = htole32(sizeof(*ret));
	ret->checksum = htole32(crc32_gzip_refl(0, (const uint8_t *)ret, offsetof(struct mvp_state, checksum)));
	if (device_derive(key, MVP_LABEL_STATE, mac_key, d) < 0)
		return -1;
	return hmac(mac_key, ret, offsetof(struct mvp_state, mac), ret->mac) ? 0 : crypto_fail(d);
}

static bool is_name(const uint8_t name[64], bool may_be_empty)
{
	size_t len = strnlen((const char *)name, 64);
	if (len > MVP_SERIAL_MAX || (len == 0 && !may_be_empty))
		return false;
	for (size_t i = 0; i < 64; i++) {
		char c = (char)name[i];
		bool ok = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c && strchr("._-", c));
		if (i < len ? !ok : c != 0)
			return false;
	}
	return true;
}

bool device_identity_is_empty(const struct mvp_identity *id)
{
	static const struct mvp_identity zero;
	return memcmp(id, &zero, sizeof(zero)) == 0;
}

const char *device_identity_fault(const struct mvp_identity *id)
{
	if (device_identity_is_empty(id))
		return "empty";
	if (memcmp(id->magic, MVP_IDENTITY_MAGIC, sizeof(id->magic)) != 0)
		return "it does not begin as an identity record";
	if (le32toh(id->version) != MVP_IDENTITY_VERSION || le32toh(id->len) != sizeof(*id))
		return "its version is unknown";
	if (!is_name(id->serial, false) || !is_name(id->fleet, true))
		return "its serial or fleet is no name";
	return NULL;
}

bool device_identity_holds(const struct mvp_identity *id, const uint8_t key[MVP_DEVICE_KEY_LEN])
{
	uint8_t mac[32];
	return !device_identity_fault(id) && identity_mac(id, key, mac) && CRYPTO_memcmp(mac, id->mac, sizeof(mac)) == 0;
}

int device_identity_read(const struct image *partition, struct mvp_identity *ret, const char **ret_fault, struct diag *d)
{
	struct mvp_identity copy;
	*ret_fault = "the partition is too small";
	if (image_len(partition) < MVP_IDENTITY_AT(MVP_IDENTITY_COPIES - 1) + sizeof(copy))
		return 0;
	for (unsigned i = 0; i < MVP_IDENTITY_COPIES; i++) {
		if (image_read(partition, MVP_IDENTITY_AT(i), &copy, sizeof(copy), d) < 0)
			return -1;
		const char *fault = device_identity_fault(&copy);
		if (!fault) {
			*ret = copy;
			*ret_fault = NULL;
			return 0;
		}
		if (i == 0 || !device_identity_is_empty(&copy))
			*ret_fault = fault;
	}
	return 0;
}
