#include <errno.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/secret.h"
#include "imagegen/base/tmpfile.h"
#include "imagegen/keys/keys.h"
#include "imagegen/sign/sign.h"

#define RSA_BITS 4096u
#define MASTER_LEN 32
#define PASSPHRASE_ITERATIONS 600000 /* a tenth of a second for each guess */
#define ESCROW_DAYS (20 * 365)       /* handsets outlive short-lived certificates, and escrow must still open then */

enum {
	FILE_OEM,
	FILE_OEM_PUB,
	FILE_ENTERPRISE,
	FILE_ENTERPRISE_PUB,
	FILE_ORDERS,
	FILE_ORDERS_PUB,
	FILE_ESCROW,
	FILE_ESCROW_CRT,
	FILE_MASTER,
	FILE_COUNT
};

static const struct keys_file files[FILE_COUNT] = {
	[FILE_OEM] = { "oem.pem", "OEM signing key (RSA-4096)", true },
	[FILE_OEM_PUB] = { "oem.pub", "its public half", false },
	[FILE_ENTERPRISE] = { "enterprise.pem", "enterprise signing key (RSA-4096)", true },
	[FILE_ENTERPRISE_PUB] = { "enterprise.pub", "its public half", false },
	[FILE_ORDERS] = { "orders.pem", "order signing key (EC P-256)", true },
	[FILE_ORDERS_PUB] = { "orders.pub", "its public half", false },
	[FILE_ESCROW] = { "escrow.key", "escrow key (RSA-4096)", true },
	[FILE_ESCROW_CRT] = { "escrow.crt", "escrow certificate", false },
	[FILE_MASTER] = { "master.key", "master key (32 random bytes)", true },
};

const struct keys_file *keys_files(size_t *ret_count)
{
	*ret_count = FILE_COUNT;
	return files;
}

static int crypto_fail(struct diag *d, const char *what)
{
	char text[256];
	ERR_error_string_n(ERR_get_error(), text, sizeof(text));
	return diag_fail(d, MVP0602, NULL, "cannot make the %s: %s", what, text);
}

struct maker {
	const char *dir;
	keys_step_fn step;
	void *step_ctx;
	struct diag *d;
	EVP_PKEY *last;           /* the private key that was made last: its public half or its certificate comes next */
	struct secret passphrase; /* empty: none */
	struct tmpfile *made[FILE_COUNT];
};

static int write_file(struct maker *k, size_t i, const void *data, size_t len)
{
	int err = tmpfile_open(k->dir, files[i].name, files[i].secret ? 0600 : 0644, &k->made[i]);
	if (!err)
		err = io_write_all(tmpfile_fd(k->made[i]), data, len);
	if (!err)
		return 0;
	struct loc loc = LOC_FILE(k->dir);
	return diag_fail(k->d, MVP0811, &loc, "cannot write '%s': %s", files[i].name, strerror(-err));
}

static int write_bio(struct maker *k, size_t i, BIO *bio)
{
	char *data = NULL;
	long len = BIO_get_mem_data(bio, &data);
	return len > 0 ? write_file(k, i, data, (size_t)len) : crypto_fail(k->d, files[i].what);
}

/* PKCS #8 under PBES2 (RFC 8018, 6.2) with PBKDF2-SHA256 and AES-256: OpenSSL's own way to write it iterates 2048 times. */
static bool put_encrypted(BIO *bio, EVP_PKEY *key, const struct secret *passphrase)
{
	X509_ALGOR *how = PKCS5_pbe2_set_iv(EVP_aes_256_cbc(), PASSPHRASE_ITERATIONS, NULL, 16, NULL, NID_hmacWithSHA256);
	PKCS8_PRIV_KEY_INFO *plain CLEANUP(PKCS8_PRIV_KEY_INFO_freep) = EVP_PKEY2PKCS8(key);
	X509_SIG *sealed CLEANUP(X509_SIG_freep) = NULL;
	if (how && plain)
		sealed = PKCS8_set0_pbe((const char *)passphrase->data, (int)passphrase->len, plain, how);
	if (!sealed) /* else it has it */
		X509_ALGOR_free(how);
	return sealed && PEM_write_bio_PKCS8(bio, sealed) == 1;
}

static bool put_private(BIO *bio, EVP_PKEY *key, const struct secret *passphrase)
{
	return passphrase->len ? put_encrypted(bio, key, passphrase)
			       : PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1;
}

static int make_private(struct maker *k, size_t i)
{
	/* BIO_s_secmem wipes what it held. */
	BIO *bio CLEANUP(BIO_free_allp) = BIO_new(BIO_s_secmem());
	EVP_PKEY *key CLEANUP(EVP_PKEY_freep) = i == FILE_ORDERS ? EVP_EC_gen("P-256") : EVP_RSA_gen(RSA_BITS);
	if (!bio || !key || !put_private(bio, key, &k->passphrase))
		return crypto_fail(k->d, files[i].what);
	if (write_bio(k, i, bio) < 0)
		return -1;
	EVP_PKEY_free(k->last);
	k->last = TAKE(key);
	return 0;
}

static int make_public(struct maker *k, size_t i)
{
	BIO *bio CLEANUP(BIO_free_allp) = BIO_new(BIO_s_mem());
	if (!bio || PEM_write_bio_PUBKEY(bio, k->last) != 1)
		return crypto_fail(k->d, files[i].name);
	return write_bio(k, i, bio);
}

static bool add_extension(X509 *cert, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
	X509_EXTENSION *ext CLEANUP(X509_EXTENSION_freep) = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	return ext && X509_add_ext(cert, ext, -1) == 1;
}

/* A random serial number of 127 bits, positive as RFC 5280, 4.1.2.2 wants it. */
static bool set_serial(X509 *cert)
{
	BIGNUM *serial CLEANUP(BN_freep) = BN_new();
	return serial && BN_rand(serial, 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
	       BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(cert));
}

static int make_escrow_certificate(struct maker *k)
{
	X509 *cert CLEANUP(X509_freep) = X509_new();
	BIO *bio CLEANUP(BIO_free_allp) = BIO_new(BIO_s_mem());
	const char *what = files[FILE_ESCROW_CRT].what;
	if (!cert || !bio)
		return crypto_fail(k->d, what);
	X509_NAME *name = X509_get_subject_name(cert); /* the certificate's own */
	bool ok = X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
		  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"mvp escrow", -1, -1, 0) == 1 &&
		  X509_set_issuer_name(cert, name) == 1 && X509_gmtime_adj(X509_getm_notBefore(cert), 0) &&
		  X509_time_adj_ex(X509_getm_notAfter(cert), ESCROW_DAYS, 0, NULL) && X509_set_pubkey(cert, k->last) == 1 &&
		  add_extension(cert, NID_basic_constraints, "critical,CA:FALSE") &&
		  add_extension(cert, NID_key_usage, "critical,keyEncipherment") &&
		  add_extension(cert, NID_subject_key_identifier, "hash") && X509_sign(cert, k->last, EVP_sha256()) > 0 &&
		  PEM_write_bio_X509(bio, cert) == 1;
	return ok ? write_bio(k, FILE_ESCROW_CRT, bio) : crypto_fail(k->d, what);
}

static int make_master(struct maker *k)
{
	SECRET_ARRAY(master, MASTER_LEN);
	if (RAND_priv_bytes(master, sizeof(master)) != 1)
		return crypto_fail(k->d, files[FILE_MASTER].what);
	return write_file(k, FILE_MASTER, master, sizeof(master));
}

static int make(struct maker *k, size_t i)
{
	switch (i) {
	case FILE_OEM_PUB:
	case FILE_ENTERPRISE_PUB:
	case FILE_ORDERS_PUB:
		return make_public(k, i);
	case FILE_ESCROW_CRT:
		return make_escrow_certificate(k);
	case FILE_MASTER:
		return make_master(k);
	default:
		return make_private(k, i);
	}
}

static int refuse_existing(const char *dir, struct diag *d)
{
	int result = 0;
	for (size_t i = 0; i < FILE_COUNT; i++) {
		char *path CLEANUP_FREE = mem_printf("%s/%s", dir, files[i].name);
		struct stat st;
		if (lstat(path, &st) < 0)
			continue;
		struct loc loc = LOC_FILE(path);
		result = diag_fail(d, MVP0601, &loc, "this file exists already; keys are never overwritten");
	}
	return result;
}

/* All files appear one after the other at the end; if one cannot, those before it go again. */
static int publish_all(struct maker *k)
{
	for (size_t i = 0; i < FILE_COUNT; i++) {
		int err = tmpfile_publish_new(k->made[i]);
		if (!err)
			continue;
		struct loc loc = LOC_FILE(tmpfile_path(k->made[i]));
		diag_fail(k->d, err == -EEXIST ? MVP0601 : MVP0811, &loc, "cannot make the file: %s", strerror(-err));
		while (i-- > 0)
			(void)unlink(tmpfile_path(k->made[i]));
		return -1;
	}
	return 0;
}

static int make_all(struct maker *k)
{
	for (size_t i = 0; i < FILE_COUNT; i++) {
		if (k->step && k->step(k->step_ctx, files[i].what, i, FILE_COUNT) != 0)
			return diag_fail(k->d, MVP0006, NULL, "interrupted; no key was made");
		if (make(k, i) < 0)
			return -1;
	}
	return publish_all(k);
}

int keys_init(const char *dir, const char *passphrase, keys_step_fn step, void *step_ctx, struct diag *d)
{
	struct loc loc = LOC_FILE(dir);
	struct secret words CLEANUP(secret_fini) = SECRET_INIT;
	if (passphrase && sign_passphrase(passphrase, &LOC_NONE, &words, d))
		return -1;
	bool made_dir = mkdir(dir, 0700) == 0;
	if (!made_dir && errno != EEXIST)
		return diag_fail(d, MVP0811, &loc, "cannot make the folder: %s", strerror(errno));
	if (refuse_existing(dir, d) < 0)
		return -1;
	tmpfile_sweep(dir);
	struct maker k = { .dir = dir, .step = step, .step_ctx = step_ctx, .d = d, .passphrase = words };
	int result = make_all(&k);
	for (size_t i = 0; i < FILE_COUNT; i++)
		tmpfile_free(k.made[i]);
	EVP_PKEY_free(k.last);
	if (result < 0 && made_dir)
		(void)rmdir(dir); /* stays if somebody put something in */
	return result;
}
