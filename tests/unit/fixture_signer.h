/* A folder and a key to sign with, for one test program: setup() and teardown() of its group. */
#ifndef TESTS_FIXTURE_SIGNER_H
#define TESTS_FIXTURE_SIGNER_H

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/tmpfile.h"
#include "imagegen/manifest/manifest.h"
#include "imagegen/sign/sign.h"

static struct tmpdir *dir;
static struct signer *signer;

static inline int setup(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	if (tmpdir_new("/tmp", &dir))
		return -1;
	char *path CLEANUP_FREE = mem_printf("%s/oem.pem", tmpdir_path(dir));
	EVP_PKEY *key CLEANUP(EVP_PKEY_freep) = EVP_RSA_gen(2048);
	FILE *f CLEANUP(file_closep) = fopen(path, "we");
	if (!f || PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) != 1 || fflush(f) || chmod(path, 0600))
		return -1;
	const struct sign_key k = { .key = path };
	return signer_open(&k, &signer, d);
}

static inline int teardown(void **state)
{
	(void)state;
	signer_free(signer);
	tmpdir_free(dir);
	return 0;
}

#endif
