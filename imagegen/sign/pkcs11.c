/* Debian 12 ships OpenSSL's way to tokens as an engine; the provider for OpenSSL 3 is not among its packages. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/engine.h>
#include <openssl/ui.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "imagegen/base/buf.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/mem.h"
#include "imagegen/sign/sign_int.h"

#define SCHEME "pkcs11:"
#define MODULE "module-path="

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* the engine is one for the process */

bool pkcs11_is_uri(const char *key)
{
	return !strncmp(key, SCHEME, strlen(SCHEME));
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* %41 is 'A' (RFC 3986, 2.1); malloc'd. */
static char *unescape(const char *s, size_t len)
{
	char *out = mem_zeroed(len + 1, 1);
	size_t n = 0;
	for (size_t i = 0; i < len; i++) {
		int hi = s[i] == '%' && i + 2 < len ? hex_digit(s[i + 1]) : -1, lo = hi >= 0 ? hex_digit(s[i + 2]) : -1;
		if (lo >= 0) {
			out[n++] = (char)(hi << 4 | lo);
			i += 2;
		} else {
			out[n++] = s[i];
		}
	}
	return out;
}

/* The URI without module-path, which this engine does not know; that goes to ret_module (malloc'd, NULL if there is none). */
static char *split_uri(const char *uri, char **ret_module)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT;
	const char *query = strchr(uri, '?');
	char sep = '?';
	*ret_module = NULL;
	if (!query)
		return mem_strdup(uri);
	(void)buf_append(&out, uri, (size_t)(query - uri));
	for (const char *p = query + 1; *p;) {
		size_t len = strcspn(p, "&");
		if (len > strlen(MODULE) && !strncmp(p, MODULE, strlen(MODULE))) {
			free(*ret_module);
			*ret_module = unescape(p + strlen(MODULE), len - strlen(MODULE));
		} else if (len) {
			(void)buf_putc(&out, sep);
			(void)buf_append(&out, p, len);
			sep = '&';
		}
		p += len + (p[len] == '&');
	}
	return mem_strdup(buf_str(&out));
}

/* The engine asks for the PIN only when the token wants one; NULL ctx: there is none to give, and nobody is asked. */
static int give_pin(UI *ui, UI_STRING *string)
{
	const struct secret *pin = UI_get0_user_data(ui);
	if (UI_get_string_type(string) != UIT_PROMPT && UI_get_string_type(string) != UIT_VERIFY)
		return 1;
	return pin && pin->len && UI_set_result_ex(ui, string, (const char *)pin->data, (int)pin->len) == 0;
}

static ENGINE *start_engine(const char *module)
{
	static ENGINE *engine;
	if (engine)
		return engine;
	ENGINE_load_builtin_engines();
	ENGINE *e = ENGINE_by_id("pkcs11");
	if (e && ((module && ENGINE_ctrl_cmd_string(e, "MODULE_PATH", module, 0) != 1) || ENGINE_init(e) != 1)) {
		(void)ENGINE_free(e);
		e = NULL;
	}
	if (e)
		(void)ENGINE_ctrl_cmd_string(e, "QUIET", NULL, 0); /* diagnostics are ours to write */
	engine = e;
	return e;
}

static int load(const struct sign_key *k, const char *uri, const char *module, const struct secret *pin, EVP_PKEY **ret_key, struct diag *d)
{
	char reason[256];
	UI_METHOD *ui = UI_create_method("mvpctl");
	ENGINE *e = start_engine(module);
	if (!ui || !e) {
		UI_destroy_method(ui);
		(void)diag_fail(d, MVP0632, &k->loc, "tokens cannot be used: %s", sign_reason(reason));
		diag_hint(d, "the package libengine-pkcs11-openssl reaches them; module-path= in the URI or $PKCS11_MODULE_PATH names the "
			     "token's library");
		return -1;
	}
	(void)UI_method_set_reader(ui, give_pin);
	*ret_key = ENGINE_load_private_key(e, uri, ui, (void *)(uintptr_t)pin);
	UI_destroy_method(ui);
	if (*ret_key)
		return 0;
	(void)diag_fail(d, MVP0632, &k->loc, "the token has no private key '%s', or does not give it: %s", uri, sign_reason(reason));
	if (!pin->len)
		diag_hint(d, "no PIN was given: 'passphrase' beside 'file' in the manifest, or --passphrase, says where it is: file:PATH, "
			     "env:NAME or fd:N");
	else
		diag_hint(d, "is the PIN right? `p11tool --list-all` or `pkcs11-tool --login -O` shows the token's keys");
	return -1;
}

int pkcs11_load(const struct sign_key *k, const struct secret *pin, EVP_PKEY **ret_key, struct diag *d)
{
	char *module CLEANUP_FREE = NULL, *uri CLEANUP_FREE = split_uri(k->key, &module);
	if (strstr(k->key, "pin-value="))
		return diag_fail(d, MVP0632, &k->loc, "the URI of the key holds its PIN; give it with 'passphrase' instead");
	(void)pthread_mutex_lock(&lock);
	int rc = load(k, uri, module, pin, ret_key, d);
	(void)pthread_mutex_unlock(&lock);
	return rc;
}
