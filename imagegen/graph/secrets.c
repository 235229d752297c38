#include "imagegen/graph/secrets.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/stat.h>

#include "imagegen/base/foreign.h"
#include "imagegen/base/mem.h"

enum { MASTER_MIN = 32, MASTER_MAX = 65536, PASSCODE_MAX = 128 };

static int read_secret(const char *path, size_t max, const struct loc *loc, const char *what, struct secret *ret, struct diag *d)
{
	struct stat st;
	int rc = secret_read_file(path, max, ret);
	if (rc == -EFBIG)
		return diag_fail(d, MVP0622, loc, "%s '%s' is longer than %zu bytes", what, path, max);
	if (rc)
		return diag_fail(d, MVP0621, loc, "cannot read %s '%s': %s", what, path, strerror(-rc));
	if (!stat(path, &st) && S_ISREG(st.st_mode) && st.st_mode & S_IROTH) {
		diag_warn(d, MVP0623, loc, "everybody on this machine can read %s '%s'", what, path);
		diag_hint(d, "chmod 600 %s", path);
	}
	return 0;
}

int secrets_master(const struct manifest *m, uint8_t ret_master[32], struct diag *d)
{
	static const char purpose[] = "mvp master key 1";
	struct secret content CLEANUP(secret_fini) = SECRET_INIT;
	EVP_MD_CTX *c CLEANUP(EVP_MD_CTX_freep) = NULL;
	char *path CLEANUP_FREE = NULL;
	if (!m->keys.master.s) {
		(void)diag_fail(d, MVP0620, &m->keys.master.loc,
				"'keys.master' is not set: there is nothing to derive volume keys and identifiers from");
		diag_hint(d, "add `keys: {master: keys/master.key}` and run `mvpctl keys init`");
		return -1;
	}
	path = manifest_path(m, m->keys.master.s);
	if (read_secret(path, MASTER_MAX, &m->keys.master.loc, "the master key", &content, d)) {
		diag_hint(d, "`mvpctl keys init` makes the key files that a manifest names");
		return -1;
	}
	if (content.len < MASTER_MIN)
		return diag_fail(d, MVP0622, &m->keys.master.loc, "the master key '%s' has %zu bytes, expected %d or more", path,
				 content.len, MASTER_MIN);
	c = EVP_MD_CTX_new();
	if (!c || !EVP_DigestInit_ex(c, EVP_sha256(), NULL) || !EVP_DigestUpdate(c, purpose, sizeof(purpose)) ||
	    !EVP_DigestUpdate(c, content.data, content.len) || !EVP_DigestFinal_ex(c, ret_master, NULL))
		return diag_fail(d, MVP0001, NULL, "SHA-256 failed");
	return 0;
}

int secrets_passcode(const struct manifest *m, const struct persona *p, struct secret *ret_passcode, struct diag *d)
{
	const struct mstr *file = &p->encryption.passcode_file;
	struct secret s CLEANUP(secret_fini) = SECRET_INIT;
	char *path CLEANUP_FREE = NULL;
	size_t len;
	if (!file->s)
		return diag_fail(d, MVP0620, &file->loc, "the passcode of '%s' has no file", p->name);
	path = manifest_path(m, file->s);
	if (read_secret(path, PASSCODE_MAX + 2, &file->loc, "the passcode", &s, d))
		return -1;
	len = s.len;
	if (len && s.data[len - 1] == '\n')
		len--;
	if (len && s.data[len - 1] == '\r')
		len--;
	if (!len || len > PASSCODE_MAX)
		return diag_fail(d, MVP0622, &file->loc, "the passcode in '%s' must have 1 to %d characters", path, PASSCODE_MAX);
	/* It is typed on a console: what a line editor would take for a command, or a terminal would send as several bytes, cannot be. */
	for (size_t i = 0; i < len; i++) {
		if (s.data[i] < 0x20 || s.data[i] > 0x7e)
			return diag_fail(d, MVP0622, &file->loc,
					 "the passcode in '%s' has a character that is not printable ASCII (byte %zu)", path, i + 1);
	}
	s.len = len;
	*ret_passcode = s;
	s = SECRET_INIT;
	return 0;
}
