#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "imagegen/avb/avb.h"
#include "imagegen/base/diag.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/secret.h"
#include "imagegen/crypt/luks2.h"
#include "imagegen/keys/keys.h"

#define FILE_MAX ((size_t)256 << 10)
#define MASTER_LEN 32

void keys_info_fini(struct keys_info *info)
{
	free(info->subject);
	*info = (struct keys_info){ 0 };
}

/* Keys with a passphrase are refused rather than asked for: nothing here needs their secret. */
static int no_passphrase(char *buf, int size, int rwflag, void *ctx)
{
	(void)rwflag;
	if (size > 0)
		buf[0] = 0;
	*(bool *)ctx = true;
	return -1;
}

static bool describe_key(EVP_PKEY *key, struct keys_info *info)
{
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(key, &der);
	unsigned digest_len = 0;
	bool ok = len > 0 && EVP_Digest(der, (size_t)len, info->fingerprint, &digest_len, EVP_sha256(), NULL) == 1;
	OPENSSL_free(der);
	info->in_vbmeta = avb_key_digest(key, info->vbmeta_digest);
	const char *type = EVP_PKEY_get0_type_name(key);
	snprintf(info->algorithm, sizeof(info->algorithm), "%s", type ? type : "unknown");
	info->bits = (unsigned)EVP_PKEY_get_bits(key);
	size_t group_len = 0;
	if (EVP_PKEY_get_group_name(key, info->group, sizeof(info->group), &group_len) != 1)
		info->group[0] = 0;
	return ok;
}

static int64_t asn1_seconds(const ASN1_TIME *t)
{
	struct tm tm = { 0 };
	return ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static bool describe_certificate(X509 *cert, struct keys_info *info)
{
	BIO *bio CLEANUP(BIO_free_allp) = BIO_new(BIO_s_mem());
	char *text = NULL;
	EVP_PKEY *key = X509_get0_pubkey(cert);
	if (!bio || !key || X509_NAME_print_ex(bio, X509_get_subject_name(cert), 0, XN_FLAG_RFC2253) < 0)
		return false;
	long len = BIO_get_mem_data(bio, &text);
	info->subject = strndup(text ? text : "", len > 0 ? (size_t)len : 0);
	info->not_before = asn1_seconds(X509_get0_notBefore(cert));
	info->not_after = asn1_seconds(X509_get0_notAfter(cert));
	return describe_key(key, info);
}

/* PEM says what it holds in its first line. */
static bool read_pem(const struct secret *s, struct keys_info *info, bool *ret_encrypted)
{
	BIO *bio CLEANUP(BIO_free_allp) = BIO_new_mem_buf(s->data, (int)s->len);
	if (!bio)
		return false;
	const char *text = (const char *)s->data;
	if (strstr(text, "-----BEGIN CERTIFICATE-----")) {
		X509 *cert CLEANUP(X509_freep) = PEM_read_bio_X509(bio, NULL, no_passphrase, ret_encrypted);
		info->kind = KEYS_CERTIFICATE;
		return cert && describe_certificate(cert, info);
	}
	info->kind = strstr(text, "PRIVATE KEY-----") ? KEYS_PRIVATE : KEYS_PUBLIC;
	EVP_PKEY *key CLEANUP(EVP_PKEY_freep) = info->kind == KEYS_PRIVATE
							? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, ret_encrypted)
							: PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, ret_encrypted);
	return key && describe_key(key, info);
}

int keys_inspect(const char *path, struct keys_info *ret_info, struct diag *d)
{
	struct loc loc = LOC_FILE(path);
	struct secret s CLEANUP(secret_fini) = SECRET_INIT;
	struct keys_info info CLEANUP(keys_info_fini) = { 0 };
	bool encrypted = false;
	int err = secret_read_file(path, FILE_MAX, &s);
	if (err < 0)
		return diag_fail(d, MVP0603, &loc, "cannot read the key: %s", strerror(-err));
	if (s.len == MASTER_LEN && !memmem(s.data, s.len, "-----", 5)) {
		static const uint8_t context[32] = { 0 };
		info.kind = KEYS_MASTER;
		info.bits = MASTER_LEN * 8;
		derive(s.data, context, "mvp master key fingerprint", info.fingerprint, sizeof(info.fingerprint));
	} else if (!memmem(s.data, s.len, "-----BEGIN ", 11)) {
		return diag_fail(d, MVP0603, &loc, "not a key: neither PEM nor the %d bytes of a master key", MASTER_LEN);
	} else if (!read_pem(&s, &info, &encrypted)) {
		char text[256];
		ERR_error_string_n(ERR_get_error(), text, sizeof(text));
		return diag_fail(d, MVP0603, &loc, "not a key that can be read: %s", encrypted ? "it has a passphrase" : text);
	}
	struct stat st;
	if ((info.kind == KEYS_PRIVATE || info.kind == KEYS_MASTER) && stat(path, &st) == 0 && (st.st_mode & 077)) {
		diag_warn(d, MVP0604, &loc, "the key is secret, but its mode is %04o", (unsigned)(st.st_mode & 07777));
		diag_hint(d, "chmod 600 %s", path);
	}
	*ret_info = info;
	info = (struct keys_info){ 0 };
	return 0;
}
