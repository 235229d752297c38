/* CLEANUP functions for handles of the C library and of other libraries: EVP_MD_CTX *c CLEANUP(EVP_MD_CTX_freep) = EVP_MD_CTX_new(); */
#ifndef IMAGEGEN_FOREIGN_H
#define IMAGEGEN_FOREIGN_H

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <jansson.h> /* has json_decrefp itself */
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/cms.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <unistd.h>
#include <yaml.h>

#include "imagegen/base/base.h"

/* Where close() can lose data (written files) it is called and checked first; these are for the failure paths and for reading. */
static inline void fd_closep(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

static inline void file_closep(FILE **f)
{
	if (*f)
		(void)fclose(*f);
	*f = NULL;
}

static inline void dir_closep(DIR **d)
{
	if (*d)
		(void)closedir(*d);
	*d = NULL;
}

static inline void archive_read_freep(struct archive **a)
{
	if (*a)
		(void)archive_read_free(*a);
	*a = NULL;
}

static inline void archive_write_freep(struct archive **a)
{
	if (*a)
		(void)archive_write_free(*a);
	*a = NULL;
}

DEFINE_FREEP(struct archive_entry, archive_entry_free)
DEFINE_FREEP(EVP_MD, EVP_MD_free)
DEFINE_FREEP(EVP_MD_CTX, EVP_MD_CTX_free)
DEFINE_FREEP(EVP_CIPHER, EVP_CIPHER_free)
DEFINE_FREEP(EVP_CIPHER_CTX, EVP_CIPHER_CTX_free)
DEFINE_FREEP(EVP_PKEY, EVP_PKEY_free)
DEFINE_FREEP(EVP_PKEY_CTX, EVP_PKEY_CTX_free)
DEFINE_FREEP(EVP_MAC, EVP_MAC_free)
DEFINE_FREEP(EVP_MAC_CTX, EVP_MAC_CTX_free)
DEFINE_FREEP(EVP_KDF, EVP_KDF_free)
DEFINE_FREEP(EVP_KDF_CTX, EVP_KDF_CTX_free)
DEFINE_FREEP(BIO, BIO_free_all)
DEFINE_FREEP(BIGNUM, BN_free)
DEFINE_FREEP(OSSL_LIB_CTX, OSSL_LIB_CTX_free)
DEFINE_FREEP(CMS_ContentInfo, CMS_ContentInfo_free)
DEFINE_FREEP(PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free)
DEFINE_FREEP(X509_SIG, X509_SIG_free)
DEFINE_FREEP(X509, X509_free)
DEFINE_FREEP(X509_NAME, X509_NAME_free)
DEFINE_FREEP(X509_EXTENSION, X509_EXTENSION_free)

/* Both take storage that yaml_parser_initialize or yaml_document_initialize/load filled in successfully. */
DEFINE_FREEP(yaml_parser_t, yaml_parser_delete)
DEFINE_FREEP(yaml_document_t, yaml_document_delete)

#endif
