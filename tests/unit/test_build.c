/* The whole line with small inputs: what comes out is the same every time, and a build that fails leaves nothing behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "imagegen/avb/avb.h"
#include "imagegen/base/bytes.h"
#include "imagegen/base/diag.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/image.h"
#include "imagegen/base/io.h"
#include "imagegen/crypt/luks2.h"
#include "imagegen/gpt/gpt.h"
#include "imagegen/graph/build.h"
#include "imagegen/graph/handset.h"
#include "tests/unit/fixture_hyp.h"

/* Incompressible enough to be searched for. */
#define WORK_WORDS "only the work side says zanzibar"

static const char phone[] =
	"mvp: 1\nname: test\nversion: '1'\nboard: qemu-virt\nkeys: {master: keys/master, oem: keys/oem, enterprise: keys/enterprise}\n"
	"personas:\n"
	"  personal:\n    memory: 64 MiB\n    cpus: 1\n    boot: {kernel: 'file:Image', initrd: none}\n"
	"    system:\n      layers:\n        - files:\n            - {path: /etc/motd, content: personal}\n"
	"  work:\n    memory: 64 MiB\n    cpus: 1\n    boot: {kernel: 'file:Image', initrd: none}\n"
	"    system:\n      layers:\n        - files:\n            - {path: /etc/motd, content: '" WORK_WORDS "'}\n"
	"    userdata: {size: 8 MiB}\n"
	"    encryption: {passcode: {file: keys/passcode, iterations: 1000}}\n";

/* An arm64 Image header (Documentation/arm64/booting.rst) and nothing else. */
static void put_kernel(void)
{
	uint8_t image[4096] = { 0 };
	char *path CLEANUP_FREE = mem_printf("%s/Image", tmpdir_path(data));
	FILE *out;
	put_le32(image, 0x14000010); /* b . + 0x40 */
	put_le64(image + 16, sizeof(image));
	put_le64(image + 24, 0xa);
	put_le32(image + 56, 0x644d5241);
	out = fopen(path, "we");
	assert_non_null(out);
	assert_int_equal(fwrite(image, sizeof(image), 1, out), 1);
	assert_int_equal(fclose(out), 0);
}

static void put_secret(const char *name, const char *text)
{
	char *path CLEANUP_FREE = mem_printf("%s/%s", tmpdir_path(data), name);
	put(name, text);
	assert_int_equal(chmod(path, 0600), 0);
}

/* Two keys, made once; the tests take turns with them. */
static void put_key(const char *name)
{
	static char *pem[2];
	size_t i = !strcmp(name, "keys/oem");
	if (!pem[i]) {
		EVP_PKEY *key CLEANUP(EVP_PKEY_freep) = EVP_RSA_gen(2048);
		BIO *bio CLEANUP(BIO_free_allp) = BIO_new(BIO_s_mem());
		char *text;
		assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
		long len = BIO_get_mem_data(bio, &text);
		pem[i] = mem_strndup(text, (size_t)len);
	}
	put_secret(name, pem[i]);
}

/* An input that goes away between the check of the manifest and the build; NULL: none. */
static const char *vanishing;

static int setup(void **state)
{
	(void)state;
	vanishing = NULL;
	put_all();
	put_kernel();
	put("phone.yaml", phone);
	put_secret("keys/master", "0123456789abcdef0123456789abcdef\n");
	put_secret("keys/passcode", "2580\n");
	put_key("keys/oem");
	put_key("keys/enterprise");
	return 0;
}

static int build(const char *out, unsigned jobs, progress_fn progress, struct build_result *ret, struct diag *d)
{
	char *path CLEANUP_FREE = mem_printf("%s/phone.yaml", tmpdir_path(data)),
		   *dir CLEANUP_FREE = mem_printf("%s/%s", tmpdir_path(data), out);
	struct manifest *m CLEANUP(manifest_freep) = NULL;
	struct build_opts o = { .out_dir = dir, .jobs = jobs, .epoch = 1700000000, .progress = progress };
	int rc;
	if (manifest_load(path, &m, d))
		fail_msg("the manifest: %s", diag_get(d, 0)->message);
	if (vanishing) {
		char *gone CLEANUP_FREE = mem_printf("%s/%s", tmpdir_path(data), vanishing);
		assert_int_equal(unlink(gone), 0);
	}
	rc = build_run(m, &o, ret, d);
	for (size_t i = 0; i < diag_count(d); i++)
		print_message("MVP%04d %s\n", (int)diag_get(d, i)->code, diag_get(d, i)->message);
	return rc;
}

static struct build_result build_ok(const char *out, unsigned jobs)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct build_result r = { 0 };
	assert_int_equal(build(out, jobs, NULL, &r, d), 0);
	assert_int_equal(diag_count(d), 0);
	return r;
}

static void expect(enum diag_code code, progress_fn progress)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct build_result r = { 0 };
	char *out CLEANUP_FREE = mem_printf("%s/none", tmpdir_path(data));
	assert_int_equal(build("none", 2, progress, &r, d), -1);
	assert_int_equal(diag_errors(d), 1);
	assert_int_equal(diag_get(d, 0)->code, code);
	assert_int_equal(access(out, F_OK), -1);
	assert_int_equal(r.outputs.count, 0);
}

static void test_equal_input_gives_equal_bytes(void **state)
{
	struct build_result a = build_ok("a", 1), b = build_ok("b", 3);
	(void)state;
	assert_int_equal(a.outputs.count, 2);
	assert_int_equal(b.outputs.count, 2);
	for (size_t i = 0; i < 2; i++)
		assert_memory_equal(a.outputs.v[i].sha256, b.outputs.v[i].sha256, 32);
	build_result_fini(&a);
	build_result_fini(&b);
}

static void test_other_content_gets_another_key(void **state)
{
	struct build_result a = build_ok("a", 2), b;
	uint8_t *x CLEANUP_FREE = NULL, *y CLEANUP_FREE = NULL;
	size_t x_len, y_len, equal = 0, at, len;
	char *changed CLEANUP_FREE = mem_strdup(phone);
	(void)state;
	strstr(changed, WORK_WORDS)[0] = 'O';
	put("phone.yaml", changed);
	b = build_ok("b", 2);
	assert_int_equal(io_read_file(a.outputs.v[0].path, (size_t)1 << 30, &x, &x_len), 0);
	assert_int_equal(io_read_file(b.outputs.v[0].path, (size_t)1 << 30, &y, &y_len), 0);
	assert_int_equal(x_len, y_len);
	/* One letter differs in the plaintext; with an equal key nearly all of the ciphertext would be equal. */
	at = (size_t)(1 * MIB + a.parts[0].len + a.parts[1].len + LUKS2_DATA_OFFSET);
	len = (size_t)(a.parts[2].len - LUKS2_DATA_OFFSET);
	for (size_t i = 0; i < len; i += 16)
		equal += !memcmp(x + at + i, y + at + i, 16);
	assert_int_equal(equal, 0);
	build_result_fini(&a);
	build_result_fini(&b);
}

static void test_outputs_say_what_they_are(void **state)
{
	static const char *const names[] = { "boot", "personal", "work", "vbmeta", "mvp_keys", "mvp_state" };
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct build_result r = build_ok("a", 2);
	struct gpt_entry *entries CLEANUP_FREE = NULL;
	struct image *img CLEANUP(image_freep) = NULL;
	uint8_t *disk, *head CLEANUP_FREE = NULL;
	size_t len, count, head_len;
	int fd CLEANUP(fd_closep) = -1;
	(void)state;
	assert_int_equal(io_read_file(r.outputs.v[0].path, (size_t)1 << 30, &disk, &len), 0);
	img = image_mem(disk, len);
	assert_int_equal(gpt_read(img, "disk", &entries, &count, d), 0);
	assert_int_equal(count, ARRAY_LEN(names));
	for (size_t i = 0; i < count; i++) {
		assert_string_equal(entries[i].name, names[i]);
		assert_int_equal(entries[i].len, r.parts[i].len);
	}
	assert_true(r.parts[2].encrypted && !r.parts[1].encrypted);
	assert_memory_equal(disk + entries[2].at, "LUKS\xba\xbe", 6);
	assert_null(memmem(disk, len, WORK_WORDS, strlen(WORK_WORDS)));
	assert_non_null(memmem(disk, len, "personal", 8));
	assert_int_equal(handset_kernel(r.outputs.v[0].path, &fd, d), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(io_read_fd(fd, (size_t)1 << 20, &head, &head_len), 0);
	assert_int_equal(head_len, r.core_image + r.vault_image);
	build_result_fini(&r);
}

static void test_inputs_are_sorted_and_exist(void **state)
{
	struct build_result r = build_ok("a", 2);
	bool kernel = false, source = false;
	(void)state;
	for (size_t i = 0; i < r.inputs_count; i++) {
		assert_int_equal(access(r.inputs[i], R_OK), 0);
		assert_true(!i || strcmp(r.inputs[i - 1], r.inputs[i]) < 0);
		kernel |= strstr(r.inputs[i], "/Image") != NULL;
		source |= strstr(r.inputs[i], "/vmm/core/main.c") != NULL;
	}
	assert_true(kernel && source);
	build_result_fini(&r);
}

static void test_vanished_inputs_leave_nothing(void **state)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct build_result r = { 0 };
	char *out CLEANUP_FREE = mem_printf("%s/none", tmpdir_path(data));
	vanishing = "keys/master";
	expect(MVP0621, NULL);
	assert_int_equal(setup(state), 0);
	vanishing = "keys/passcode";
	expect(MVP0621, NULL);
	assert_int_equal(setup(state), 0);
	/* Both personas want the kernel, and both say so. */
	vanishing = "Image";
	assert_int_equal(build("none", 2, NULL, &r, d), -1);
	assert_int_equal(diag_errors(d), 2);
	assert_int_equal(diag_get(d, 1)->code, MVP0351);
	assert_int_equal(access(out, F_OK), -1);
}

static void test_bad_secrets_are_refused(void **state)
{
	put_secret("keys/master", "short");
	expect(MVP0622, NULL);
	assert_int_equal(setup(state), 0);
	put_secret("keys/passcode", "\n");
	expect(MVP0622, NULL);
	put_secret("keys/passcode", "tab\there\n");
	expect(MVP0622, NULL);
}

static void test_secrets_open_to_all_are_named(void **state)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct build_result r = { 0 };
	char *path CLEANUP_FREE = mem_printf("%s/keys/passcode", tmpdir_path(data));
	(void)state;
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(build("a", 2, NULL, &r, d), 0);
	assert_int_equal(diag_count(d), 1);
	assert_int_equal(diag_get(d, 0)->code, MVP0623);
	assert_int_equal(diag_get(d, 0)->severity, DIAG_WARNING);
	build_result_fini(&r);
}

static int stop_at_once(void *ctx, const char *what, uint64_t done, uint64_t total)
{
	(void)ctx, (void)what, (void)done, (void)total;
	return 1;
}

static int stop_while_packing(void *ctx, const char *what, uint64_t done, uint64_t total)
{
	(void)ctx, (void)what, (void)done;
	return total > 1;
}

static void test_interrupted_build_leaves_nothing(void **state)
{
	(void)state;
	expect(MVP0006, stop_at_once);
	expect(MVP0006, stop_while_packing);
}

/* An input changes when everything has been read, and nothing was made of it yet. */
static int change_the_kernel(void *ctx, const char *what, uint64_t done, uint64_t total)
{
	(void)ctx;
	if (strcmp(what, "building") == 0 && done == total)
		put_kernel();
	return 0;
}

static void test_input_that_changes_under_way_is_noticed(void **state)
{
	(void)state;
	expect(MVP0831, change_the_kernel);
}

static void test_failure_keeps_what_was_there(void **state)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct build_result r = { 0 };
	char *kept CLEANUP_FREE = mem_printf("%s/kept/test-1.img", tmpdir_path(data)),
		   *folder CLEANUP_FREE = mem_printf("%s/kept", tmpdir_path(data));
	uint8_t *text CLEANUP_FREE = NULL;
	DIR *dir CLEANUP(dir_closep) = NULL;
	size_t len, entries = 0;
	(void)state;
	put("kept/test-1.img", "the last build");
	assert_int_equal(build("kept", 2, stop_while_packing, &r, d), -1);
	assert_int_equal(io_read_file(kept, 100, &text, &len), 0);
	assert_string_equal((char *)text, "the last build");
	dir = opendir(folder);
	assert_non_null(dir);
	for (const struct dirent *e; (e = readdir(dir));)
		entries += strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
	assert_int_equal(entries, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_equal_input_gives_equal_bytes, setup),
		cmocka_unit_test_setup(test_other_content_gets_another_key, setup),
		cmocka_unit_test_setup(test_outputs_say_what_they_are, setup),
		cmocka_unit_test_setup(test_inputs_are_sorted_and_exist, setup),
		cmocka_unit_test_setup(test_vanished_inputs_leave_nothing, setup),
		cmocka_unit_test_setup(test_bad_secrets_are_refused, setup),
		cmocka_unit_test_setup(test_secrets_open_to_all_are_named, setup),
		cmocka_unit_test_setup(test_interrupted_build_leaves_nothing, setup),
		cmocka_unit_test_setup(test_input_that_changes_under_way_is_noticed, setup),
		cmocka_unit_test_setup(test_failure_keeps_what_was_there, setup),
	};
	int rc;
	fixture_hyp_open();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	fixture_hyp_close();
	return rc;
}
