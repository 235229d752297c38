/* Keys that sign: files, a token, a helper, and signatures that come from elsewhere. */
#include "tests/unit/formats.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imagegen/base/foreign.h"
#include "imagegen/base/io.h"
#include "imagegen/sign/sign.h"

static char folder[] = "/tmp/mvp-test-sign.XXXXXX";

static const char *in_folder(const char *name)
{
	static char paths[64][256];
	static unsigned next;
	char *p = paths[next++ % ARRAY_LEN(paths)];
	(void)snprintf(p, sizeof(paths[0]), "%s/%s", folder, name);
	return p;
}

static void run(const char *fmt, ...) PRINTF_LIKE(1, 2);
static void run(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *words CLEANUP_FREE = mem_vprintf(fmt, ap);
	va_end(ap);
	char *command CLEANUP_FREE = mem_printf("cd %s && { %s; } >log 2>&1 || { cat log; exit 1; }", folder, words);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): words of this file */
}

static void put(const char *name, const void *data, size_t len, mode_t mode)
{
	int fd CLEANUP(fd_closep) = open(in_folder(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, data, len), 0);
}

static void put_text(const char *name, const char *text, mode_t mode)
{
	put(name, text, strlen(text), mode);
}

static int make_keys(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	run("openssl genrsa -out rsa.pem 2048 && openssl pkey -in rsa.pem -pubout -out rsa.pub");
	run("openssl ecparam -genkey -name prime256v1 -noout -out ec.pem && openssl pkey -in ec.pem -pubout -out ec.pub");
	run("printf 'open sesame\\n' >pass && openssl pkey -in rsa.pem -aes256 -passout file:pass -out locked.pem");
	run("openssl genrsa -out odd.pem 1024 && openssl ecparam -genkey -name secp384r1 -noout -out p384.pem");
	run("openssl req -new -x509 -key ec.pem -subj /CN=x -days 9 -out ec.crt");
	return 0;
}

static int remove_keys(void **state)
{
	(void)state;
	char *command CLEANUP_FREE = mem_printf("rm -rf %s", folder);
	return system(command); /* NOLINT(cert-env33-c) */
}

static const char message[] = "what is signed";

/* Signs with the key and has OpenSSL's program verify it against pub. */
static void expect_signs(struct signer *s, enum sign_hash hash, const char *pub)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	uint8_t sig[SIGN_LEN_MAX];
	size_t len = 0;
	int rc = signer_sign(s, "the test", hash, message, sizeof(message), sig, &len, d);
	if (rc)
		print_error("%s\n", diag_get(d, 0)->message);
	assert_int_equal(rc, 0);
	assert_true(sign_verify(signer_public(s), hash, message, sizeof(message), sig, len));
	sig[len / 2] ^= 1;
	assert_false(sign_verify(signer_public(s), hash, message, sizeof(message), sig, len));
	sig[len / 2] ^= 1;
	assert_false(sign_verify(signer_public(s), hash, message, sizeof(message) - 1, sig, len));
	if (!signer_is_rsa(s)) {
		assert_int_equal(len, 64);
		return;
	}
	assert_int_equal(len, signer_bits(s) / 8);
	put("message", message, sizeof(message), 0600);
	put("sig", sig, len, 0600);
	run("openssl dgst -%s -verify %s -signature sig message", hash == SIGN_SHA512 ? "sha512" : "sha256", pub);
}

static struct signer *open_key(const struct sign_key *k)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct signer *s = NULL;
	int rc = signer_open(k, &s, d);
	if (rc)
		print_error("%s\n", diag_get(d, 0)->message);
	assert_int_equal(rc, 0);
	return s;
}

static void expect_refused(const struct sign_key *k, enum diag_code code)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct signer *s = NULL;
	assert_int_equal(signer_open(k, &s, d), -1);
	expect_only(&d, code);
}

static void test_files_sign(void **state)
{
	(void)state;
	struct sign_key k = { .key = in_folder("rsa.pem") };
	struct signer *rsa CLEANUP(signer_freep) = open_key(&k);
	assert_true(signer_is_rsa(rsa));
	assert_int_equal(signer_bits(rsa), 2048);
	expect_signs(rsa, SIGN_SHA256, "rsa.pub");
	expect_signs(rsa, SIGN_SHA512, "rsa.pub");
	k.key = in_folder("ec.pem");
	struct signer *ec CLEANUP(signer_freep) = open_key(&k);
	assert_false(signer_is_rsa(ec));
	expect_signs(ec, SIGN_SHA256, "ec.pub");
	struct diag *d CLEANUP(diag_freep) = diag_new();
	uint8_t sig[SIGN_LEN_MAX];
	size_t len;
	assert_int_equal(signer_sign(ec, "x", SIGN_SHA512, message, sizeof(message), sig, &len, d), -1);
	expect_only(&d, MVP0630);
}

static void test_passphrases_come_from_files_variables_and_descriptors(void **state)
{
	(void)state;
	char *file CLEANUP_FREE = mem_printf("file:%s", in_folder("pass"));
	struct sign_key k = { .key = in_folder("locked.pem"), .passphrase = file };
	struct signer *s CLEANUP(signer_freep) = open_key(&k);
	expect_signs(s, SIGN_SHA256, "rsa.pub");
	assert_int_equal(setenv("MVP_TEST_PASS", "open sesame", 1), 0);
	k.passphrase = "env:MVP_TEST_PASS";
	struct signer *by_env CLEANUP(signer_freep) = open_key(&k);
	expect_signs(by_env, SIGN_SHA256, "rsa.pub");
	/* Two keys read two lines of one descriptor. */
	put_text("two", "open sesame\nwrong\n", 0600);
	int fd CLEANUP(fd_closep) = open(in_folder("two"), O_RDONLY | O_CLOEXEC);
	char *by_number CLEANUP_FREE = mem_printf("fd:%d", fd);
	k.passphrase = by_number;
	struct signer *by_fd CLEANUP(signer_freep) = open_key(&k);
	expect_signs(by_fd, SIGN_SHA256, "rsa.pub");
	int inherited = dup(fd); /* as from whoever started us; not for whom we start */
	assert_true(inherited >= 0);
	char *by_inherited CLEANUP_FREE = mem_printf("fd:%d", inherited);
	k.passphrase = by_inherited;
	expect_refused(&k, MVP0631); /* "wrong" */
	assert_true(fcntl(inherited, F_GETFD) & FD_CLOEXEC);
	(void)close(inherited);
	k.passphrase = by_number;
	expect_refused(&k, MVP0631); /* nothing left */
	static const char *const bad[] = { NULL,  "open sesame", "pass:open sesame",        "file:/nowhere", "env:MVP_TEST_NO_SUCH",
					   "fd:", "fd:x",        "fd:99999999999999999999", "fd:60000" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		k.passphrase = bad[i];
		expect_refused(&k, MVP0631);
	}
}

static void test_what_is_no_key_of_ours_is_refused(void **state)
{
	(void)state;
	put_text("text", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", 0600);
	static const char *const bad[] = { "nowhere", "text", "rsa.pub", "odd.pem", "p384.pem", "." };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct sign_key k = { .key = in_folder(bad[i]) };
		expect_refused(&k, MVP0630);
	}
	struct sign_key k = { .public_key = in_folder("text") };
	expect_refused(&k, MVP0630);
	k.public_key = in_folder("ec.crt");
	struct signer *s CLEANUP(signer_freep) = open_key(&k);
	assert_false(signer_is_rsa(s));
}

#define HELPER_SIGNS "openssl rsautl -sign -raw -inkey ${2%.pub}.pem 2>/dev/null\n"

/* The helper gets avbtool's arguments and the padded digest; openssl's bare private operation makes the signature of it. */
static void test_a_helper_signs(void **state)
{
	(void)state;
	put_text("helper",
		 "#!/bin/sh\n"
		 "[ $# = 2 ] && [ \"$1\" = SHA512_RSA2048 -o \"$1\" = SHA256_RSA2048 ] && [ -f \"$2\" ] || exit 3\n" HELPER_SIGNS,
		 0700);
	struct sign_key k = { .helper = in_folder("helper"), .public_key = in_folder("rsa.pub") };
	struct signer *s CLEANUP(signer_freep) = open_key(&k);
	expect_signs(s, SIGN_SHA256, "rsa.pub");
	expect_signs(s, SIGN_SHA512, "rsa.pub");
}

/* A passphrase that was read from a variable is not for the helper; other variables are. */
static void test_a_helper_does_not_get_passphrases(void **state)
{
	(void)state;
	assert_int_equal(setenv("MVP_TEST_HIDDEN", "open sesame", 1), 0);
	assert_int_equal(setenv("MVP_TEST_HIDDEN_NOT", "seen", 1), 0);
	signer_free(open_key(&(struct sign_key){ .key = in_folder("locked.pem"), .passphrase = "env:MVP_TEST_HIDDEN" }));
	put_text("helper",
		 "#!/bin/sh\n"
		 "[ -z \"${MVP_TEST_HIDDEN+is there}\" ] && [ \"$MVP_TEST_HIDDEN_NOT\" = seen ] || exit 3\n" HELPER_SIGNS,
		 0700);
	struct sign_key k = { .helper = in_folder("helper"), .public_key = in_folder("rsa.pub") };
	struct signer *s CLEANUP(signer_freep) = open_key(&k);
	expect_signs(s, SIGN_SHA256, "rsa.pub");
}

static void test_a_bad_helper_is_caught(void **state)
{
	(void)state;
	static const struct {
		const char *script;
		enum diag_code code;
	} bad[] = {
		{ "#!/bin/sh\nexit 3\n", MVP0633 },
		{ "#!/bin/sh\nkill -9 $$\n", MVP0633 },
		{ "#!/bin/sh\nexit 0\n", MVP0633 },
		{ "#!/bin/sh\nhead -c 5000 /dev/zero\n", MVP0633 },
		{ "#!/bin/sh\nhead -c 256 /dev/zero\n", MVP0634 },
		{ "#!/bin/sh\nhead -c 255 /dev/zero\n", MVP0634 },
		{ "#!/bin/sh\ncat\n", MVP0634 },
		{ "no program", MVP0633 },
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct diag *d CLEANUP(diag_freep) = diag_new();
		uint8_t sig[SIGN_LEN_MAX];
		size_t len;
		put_text("bad-helper", bad[i].script, 0700);
		struct sign_key k = { .helper = in_folder("bad-helper"), .public_key = in_folder("rsa.pub") };
		struct signer *s CLEANUP(signer_freep) = open_key(&k);
		assert_int_equal(signer_sign(s, "x", SIGN_SHA256, message, sizeof(message), sig, &len, d), -1);
		expect_only(&d, bad[i].code);
	}
}

static void test_signatures_come_from_elsewhere(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	uint8_t sig[SIGN_LEN_MAX];
	size_t len;
	struct sign_key k = { .public_key = in_folder("rsa.pub"), .exchange = in_folder("exchange") };
	struct signer *build CLEANUP(signer_freep) = open_key(&k);
	assert_int_equal(signer_sign(build, "boot", SIGN_SHA256, message, sizeof(message), sig, &len, d), -1);
	expect_only(&d, MVP0635);
	k.prepare = true;
	struct signer *ask CLEANUP(signer_freep) = open_key(&k);
	assert_int_equal(signer_sign(ask, "boot", SIGN_SHA256, message, sizeof(message), sig, &len, d), 0);
	assert_int_equal(signer_missing(ask), 1);
	run("cmp exchange/boot.pub rsa.pub");
	run("openssl dgst -sha256 -sign rsa.pem -out exchange/boot.sig exchange/boot.tbs");
	run("openssl rsautl -sign -raw -inkey rsa.pem -in exchange/boot.padded | cmp - exchange/boot.sig");
	assert_int_equal(signer_sign(build, "boot", SIGN_SHA256, message, sizeof(message), sig, &len, d), 0);
	/* A signature of something older is found out. */
	assert_int_equal(signer_sign(build, "boot", SIGN_SHA256, message, sizeof(message) - 1, sig, &len, d), -1);
	expect_only(&d, MVP0634);
	run("head -c 2000 /dev/zero >exchange/boot.sig");
	assert_int_equal(signer_sign(build, "boot", SIGN_SHA256, message, sizeof(message), sig, &len, d), -1);
	expect_only(&d, MVP0635);
}

/* A token in software, reached by the engine as one of hardware is. */
static void test_a_token_signs(void **state)
{
	(void)state;
	static const char lib[] = "/usr/lib/softhsm/libsofthsm2.so";
	char *conf CLEANUP_FREE = mem_printf("directories.tokendir = %s/tokens\n", folder);
	put_text("softhsm2.conf", conf, 0600);
	assert_int_equal(setenv("SOFTHSM2_CONF", in_folder("softhsm2.conf"), 1), 0);
	run("mkdir tokens && softhsm2-util --init-token --free --label acme --so-pin 1234 --pin 4321");
	run("pkcs11-tool --module %s --token-label acme -l --pin 4321 --keypairgen --key-type rsa:2048 --id 01 --label 'oem key'", lib);
	run("pkcs11-tool --module %s --token-label acme -l --pin 4321 --keypairgen --key-type EC:prime256v1 --id 02 --label orders", lib);
	run("pkcs11-tool --module %s --token-label acme --read-object --type pubkey --id 01 -o t.der && "
	    "openssl pkey -pubin -inform DER -in t.der -out token.pub",
	    lib);
	put_text("pin", "4321\n", 0600);
	char *pin CLEANUP_FREE = mem_printf("file:%s", in_folder("pin"));
	char *rsa_uri CLEANUP_FREE = mem_printf("pkcs11:token=acme;object=oem%%20key?module-path=%s", lib);
	struct sign_key k = { .key = rsa_uri, .passphrase = pin };
	struct signer *rsa CLEANUP(signer_freep) = open_key(&k);
	expect_signs(rsa, SIGN_SHA256, "token.pub");
	expect_signs(rsa, SIGN_SHA512, "token.pub");
	k.key = "pkcs11:token=acme;object=orders";
	struct signer *ec CLEANUP(signer_freep) = open_key(&k);
	expect_signs(ec, SIGN_SHA256, NULL);
	k.key = "pkcs11:token=acme;object=nothing";
	expect_refused(&k, MVP0632);
	k.key = "pkcs11:token=acme;object=orders?pin-value=4321";
	expect_refused(&k, MVP0632);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files_sign),
		cmocka_unit_test(test_passphrases_come_from_files_variables_and_descriptors),
		cmocka_unit_test(test_what_is_no_key_of_ours_is_refused),
		cmocka_unit_test(test_a_helper_signs),
		cmocka_unit_test(test_a_helper_does_not_get_passphrases),
		cmocka_unit_test(test_a_bad_helper_is_caught),
		cmocka_unit_test(test_signatures_come_from_elsewhere),
		cmocka_unit_test(test_a_token_signs),
	};
	/* OpenSSL would unload the engine and the token's library at exit, and then nothing points to what they still hold. */
	assert_int_equal(OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL), 1);
	return cmocka_run_group_tests(tests, make_keys, remove_keys);
}
