/* Signatures that are made elsewhere travel as files: NAME.tbs is the message, NAME.padded its digest as a bare private operation takes it,
 * NAME.pub the key that is asked for; NAME.sig is what comes back. `openssl dgst -sha256 -sign KEY -out NAME.sig NAME.tbs` makes one. */
#include <errno.h>
#include <openssl/pem.h>
#include <string.h>
#include <sys/stat.h>

#include "imagegen/base/foreign.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/tmpfile.h"
#include "imagegen/sign/sign_int.h"

int exchange_take(const char *dir, const char *name, uint8_t ret[SIGN_LEN_MAX], size_t *ret_len, bool *ret_found, const struct loc *loc,
		  struct diag *d)
{
	char *path CLEANUP_FREE = mem_printf("%s/%s.sig", dir, name);
	uint8_t *data CLEANUP_FREE = NULL;
	size_t len;
	int rc = io_read_file(path, SIGN_LEN_MAX, &data, &len);
	*ret_found = !rc;
	if (rc == -ENOENT)
		return 0;
	if (rc)
		return diag_fail(d, MVP0635, loc, "cannot read the signature '%s': %s", path, strerror(-rc));
	memcpy(ret, data, len);
	*ret_len = len;
	return 0;
}

static int write_file(const char *dir, const char *name, const char *ending, const void *data, size_t len, const struct loc *loc,
		      struct diag *d)
{
	char *file CLEANUP_FREE = mem_printf("%s.%s", name, ending);
	struct tmpfile *t CLEANUP(tmpfile_freep) = NULL;
	int rc = tmpfile_open(dir, file, 0644, &t);
	if (!rc)
		rc = io_write_all(tmpfile_fd(t), data, len);
	if (!rc)
		rc = tmpfile_publish(t);
	return rc ? diag_fail(d, MVP0811, loc, "cannot write '%s/%s': %s", dir, file, strerror(-rc)) : 0;
}

int exchange_ask(const char *dir, const char *name, const void *message, size_t len, const uint8_t *padded, size_t padded_len,
		 EVP_PKEY *public_key, const struct loc *loc, struct diag *d)
{
	BIO *bio CLEANUP(BIO_free_allp) = BIO_new(BIO_s_mem());
	char *pem = NULL;
	if (!bio || PEM_write_bio_PUBKEY(bio, public_key) != 1)
		return diag_fail(d, MVP0001, NULL, "a public key cannot be written as PEM");
	long pem_len = BIO_get_mem_data(bio, &pem);
	if (mkdir(dir, 0777) && errno != EEXIST)
		return diag_fail(d, MVP0811, loc, "cannot make the folder '%s': %s", dir, strerror(errno));
	if (write_file(dir, name, "pub", pem, (size_t)pem_len, loc, d) || write_file(dir, name, "padded", padded, padded_len, loc, d))
		return -1;
	return message ? write_file(dir, name, "tbs", message, len, loc, d) : 0;
}
