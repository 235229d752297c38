#include "identity.h"

#include "drivers/fw_cfg.h"
#include "p256.h"

static uint8_t device_key[MVP_DEVICE_KEY_LEN]; /* in memory of the vault's own, where the board's firmware may write it */
static bool has_device_key;
static struct mvp_identity identity_record;
static bool has_record, has_wrong; /* a sound copy; one that is not */
static uint8_t signing_key[P256_SECRET_LEN];
static enum identity identity;

void identity_start(void)
{
	struct fw_cfg_file file;
	has_device_key = fw_cfg_find(MVP_DEVICE_KEY_FILE, &file) && file.size == sizeof(device_key) &&
			 fw_cfg_read(&file, device_key, sizeof(device_key));
	if (!has_device_key)
		wipe(device_key, sizeof(device_key));
}

bool identity_has_device_key(void)
{
	return has_device_key;
}

void identity_derive(const char *label, uint8_t ret[32])
{
	hmac_sha256(device_key, sizeof(device_key), label, text_len(label), ret);
}

/* A name of at most MVP_SERIAL_MAX characters, then NULs up to the field's end. */
static bool is_name(const uint8_t field[64], bool empty_ok)
{
	size_t len = 0;
	for (; len < 64 && field[len]; len++) {
		uint8_t c = field[len];
		bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
		if (!letter && !(c >= '0' && c <= '9') && c != '.' && c != '_' && c != '-')
			return false;
	}
	for (size_t i = len; i < 64; i++) {
		if (field[i])
			return false;
	}
	return len <= MVP_SERIAL_MAX && (len || empty_ok);
}

static bool is_zero(const uint8_t *data, size_t len)
{
	uint8_t any = 0;
	for (size_t i = 0; i < len; i++)
		any |= data[i];
	return !any;
}

static bool is_sound(const struct mvp_identity *r)
{
	uint8_t key[SHA256_LEN], mac[SHA256_LEN];
	identity_derive(MVP_LABEL_IDENTITY, key);
	hmac_sha256(key, sizeof(key), r, offsetof(struct mvp_identity, mac), mac);
	bool right = same_secret(mac, r->mac, sizeof(mac));
	wipe(key, sizeof(key));
	wipe(mac, sizeof(mac));
	return right && !memcmp(r->magic, MVP_IDENTITY_MAGIC, sizeof(r->magic)) && r->version == MVP_IDENTITY_VERSION &&
	       r->len == sizeof(*r) && is_name(r->serial, false) && is_name(r->fleet, true);
}

void identity_take(const uint8_t sector[SECTOR])
{
	struct mvp_identity copy;
	memcpy(&copy, sector, sizeof(copy));
	if (is_zero(sector, SECTOR))
		return;
	if (!is_sound(&copy)) {
		has_wrong = true;
	} else if (!has_record) {
		identity_record = copy;
		has_record = true;
	}
}

/* The private key as mvp/identity.h derives it. */
static bool derive_signing_key(void)
{
	uint8_t label[sizeof(MVP_LABEL_SIGNING)], point[MVP_P256_POINT_LEN];
	memcpy(label, MVP_LABEL_SIGNING, sizeof(label) - 1);
	for (unsigned c = 0; c < 256; c++) {
		label[sizeof(label) - 1] = (uint8_t)c;
		hmac_sha256(device_key, sizeof(device_key), label, sizeof(label), signing_key);
		if (p256_public(signing_key, point))
			return !memcmp(point, identity_record.device_public, sizeof(point));
	}
	return false;
}

enum identity identity_settle(void)
{
	/* One copy may be damaged by a write that a power cut tore; two that are there and both wrong are not. */
	if (has_record && has_device_key && derive_signing_key())
		identity = IDENTITY_SOUND;
	else
		identity = has_record || has_wrong ? IDENTITY_WRONG : IDENTITY_NONE;
	if (identity != IDENTITY_SOUND) {
		wipe(signing_key, sizeof(signing_key));
		memset(&identity_record, 0, sizeof(identity_record));
	}
	return identity;
}

void identity_end(void)
{
	identity = IDENTITY_NONE;
	has_device_key = false;
	wipe(device_key, sizeof(device_key));
	wipe(signing_key, sizeof(signing_key));
}

enum identity identity_get(void)
{
	return identity;
}

const char *identity_serial(void)
{
	return (const char *)identity_record.serial;
}

const char *identity_fleet(void)
{
	return (const char *)identity_record.fleet;
}

const uint8_t *identity_order_public(void)
{
	return identity_record.order_public;
}

uint64_t identity_provisioned_at(void)
{
	return identity_record.provisioned_at;
}

bool identity_sign_begin(struct p256_sign *s, const uint8_t digest[SHA256_LEN])
{
	return identity == IDENTITY_SOUND && p256_sign_begin(s, signing_key, digest);
}

bool identity_sign_end(struct p256_sign *s, uint8_t ret_signature[MVP_P256_SIGNATURE_LEN])
{
	return p256_sign_end(s, signing_key, ret_signature);
}
