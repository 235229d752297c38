#include "imagegen/cache/digest.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "imagegen/base/bytes.h"
#include "imagegen/base/mem.h"

struct digest {
	EVP_MD_CTX *ctx;
};

/* SHA-256 of OpenSSL fails for want of memory only. */
static void check(int ok)
{
	if (!ok) {
		(void)fputs("mvpctl: out of memory\n", stderr);
		abort();
	}
}

static void field(struct digest *g, const void *data, size_t len)
{
	uint8_t head[8];
	put_le64(head, len);
	check(EVP_DigestUpdate(g->ctx, head, sizeof(head)));
	check(EVP_DigestUpdate(g->ctx, data, len));
}

struct digest *digest_new(const char *kind)
{
	struct digest *g = mem_new(struct digest);
	g->ctx = EVP_MD_CTX_new();
	check(g->ctx && EVP_DigestInit_ex(g->ctx, EVP_sha256(), NULL));
	field(g, kind, strlen(kind));
	return g;
}

void digest_add(struct digest *g, const char *label, const void *data, size_t len)
{
	field(g, label, strlen(label));
	field(g, data ? data : "", len);
}

void digest_str(struct digest *g, const char *label, const char *s)
{
	field(g, label, strlen(label));
	field(g, s ? "1" : "0", 1);
	field(g, s ? s : "", s ? strlen(s) : 0);
}

void digest_num(struct digest *g, const char *label, uint64_t v)
{
	uint8_t le[8];
	put_le64(le, v);
	digest_add(g, label, le, sizeof(le));
}

void digest_get(struct digest *g, uint8_t ret[32])
{
	check(EVP_DigestFinal_ex(g->ctx, ret, NULL));
}

void digest_free(struct digest *g)
{
	if (!g)
		return;
	EVP_MD_CTX_free(g->ctx);
	free(g);
}
