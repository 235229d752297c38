/* A device made of an image: also when the work is cut off after any of its steps. */
#include "tests/unit/formats.h"

#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imagegen/base/foreign.h"
#include "imagegen/base/io.h"
#include "imagegen/base/tmpfile.h"
#include "imagegen/device/device.h"
#include "imagegen/gpt/gpt.h"
#include "imagegen/inspect/inspect.h"
#include "imagegen/provision/provision.h"

static struct tmpdir *dir;
static char image_path[128], orders_path[128], ledger_path[128], key_path[128];
static struct gpt_part parts[3];

static void write_image(void)
{
	static const uint8_t uuid[16] = { 1 };
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct image *content CLEANUP(image_freep) = pattern(5000, 1), *disk CLEANUP(image_freep) = NULL;
	for (size_t i = 0; i < 3; i++)
		memcpy(parts[i].type, gpt_type_linux, 16);
	parts[0].name = "boot";
	parts[0].img = content;
	parts[1].name = MVP_KEYS_PARTITION;
	parts[2].name = MVP_STATE_PARTITION;
	parts[1].len = parts[2].len = MIB;
	assert_int_equal(gpt_compose(parts, 3, uuid, 0, &disk, d), 0);
	uint8_t *bytes CLEANUP_FREE = whole(disk);
	int fd CLEANUP(fd_closep) = open(image_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0 && io_write_all(fd, bytes, image_len(disk)) == 0);
}

static int setup(void **state)
{
	(void)state;
	assert_int_equal(tmpdir_new("/tmp", &dir), 0);
	(void)snprintf(image_path, sizeof(image_path), "%s/flash.img", tmpdir_path(dir));
	(void)snprintf(orders_path, sizeof(orders_path), "%s/orders.pub", tmpdir_path(dir));
	(void)snprintf(ledger_path, sizeof(ledger_path), "%s/ledger.db", tmpdir_path(dir));
	(void)snprintf(key_path, sizeof(key_path), "%s/device.key", tmpdir_path(dir));
	EVP_PKEY *key CLEANUP(EVP_PKEY_freep) = EVP_EC_gen("P-256");
	FILE *f = fopen(orders_path, "we");
	bool written = f && PEM_write_PUBKEY(f, key) == 1;
	if (f)
		(void)fclose(f);
	assert_true(written);
	write_image();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tmpdir_free(dir);
	return 0;
}

static int run(const char *serial, bool again, struct provision_result *r, struct diag *d)
{
	const struct provision_opts opts = { .image = image_path,
					     .serial = serial,
					     .orders_key = orders_path,
					     .ledger = ledger_path,
					     .device_key = key_path,
					     .again = again,
					     .time = 1795939200 };
	return provision(&opts, r, d);
}

/* The whole flash; its length is that of the image, which does not change. */
static uint8_t *flash(void)
{
	uint8_t *bytes;
	size_t len;
	assert_int_equal(io_read_file(image_path, 64 * MIB, &bytes, &len), 0);
	return bytes;
}

static void expect_device(const char *serial)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct ledger *l CLEANUP(ledger_freep) = NULL;
	struct ledger_device dev;
	struct mvp_identity id;
	uint8_t *bytes CLEANUP_FREE = flash(), *key CLEANUP_FREE = NULL;
	size_t len;
	assert_int_equal(io_read_file(key_path, 32, &key, &len), 0);
	for (unsigned i = 0; i < MVP_IDENTITY_COPIES; i++) {
		memcpy(&id, bytes + parts[1].at + MVP_IDENTITY_AT(i), sizeof(id));
		assert_true(device_identity_holds(&id, key));
		assert_string_equal((char *)id.serial, serial);
	}
	assert_int_equal(ledger_open(ledger_path, false, &l, d), 0);
	assert_int_equal(ledger_get(l, serial, &dev, d), 0);
	assert_true(dev.complete);
	assert_memory_equal(dev.device_public, id.device_public, sizeof(dev.device_public));
}

static void test_once_and_never_twice(void **state)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct provision_result r;
	struct stat st;
	(void)state;
	assert_int_equal(run("A1", false, &r, d), 0);
	assert_true(r.key_made && !r.was_complete);
	assert_int_equal(stat(key_path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(st.st_size, MVP_DEVICE_KEY_LEN);
	expect_device("A1");
	uint8_t *once CLEANUP_FREE = flash();
	assert_int_equal(run("A1", false, &r, d), 0);
	assert_true(!r.key_made && r.was_complete);
	assert_int_equal(run("A2", false, &r, d), -1);
	expect_only(&d, MVP1011);
	uint8_t *twice CLEANUP_FREE = flash();
	assert_memory_equal(once, twice, parts[2].at + parts[2].len);
	assert_int_equal(run("A2", true, &r, d), 0);
	expect_device("A2");
	assert_int_equal(diag_count(d), 0);
}

/* What a run leaves that ended with the ledger's entry, with the journal, in the middle of the identity, or before the last step. */
static void test_a_run_that_was_cut_off_is_completed(void **state)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct provision_result first, r;
	(void)state;
	assert_int_equal(run("A1", false, &first, d), 0);
	uint8_t *want CLEANUP_FREE = flash();
	size_t len = parts[2].at + parts[2].len;
	const struct {
		uint64_t from[3], count[3]; /* what is not there yet */
	} cuts[] = {
		{ { parts[2].at, parts[1].at }, { MIB, MIB } },
		{ { parts[1].at }, { MIB } },
		{ { parts[1].at + MVP_IDENTITY_AT(1) }, { 4096 } },
		{ { parts[1].at + MVP_IDENTITY_AT(0) + 100, parts[1].at + MVP_IDENTITY_AT(1) }, { 412, 4096 } }, /* torn */
		{ { 0 }, { 0 } },
	};
	for (size_t i = 0; i < ARRAY_LEN(cuts); i++) {
		static const uint8_t zeros[MIB];
		struct ledger *l CLEANUP(ledger_freep) = NULL;
		struct ledger_device dev = first.device;
		int fd CLEANUP(fd_closep) = open(image_path, O_WRONLY | O_CLOEXEC);
		for (size_t k = 0; k < 3; k++)
			assert_int_equal(io_pwrite_all(fd, zeros, cuts[i].count[k], cuts[i].from[k]), 0);
		dev.complete = false;
		assert_int_equal(ledger_open(ledger_path, true, &l, d), 0);
		assert_int_equal(ledger_add(l, &dev, d), 0);
		assert_int_equal(run("A1", false, &r, d), 0);
		assert_true(!r.was_complete && !r.key_made);
		uint8_t *got CLEANUP_FREE = flash();
		assert_memory_equal(got, want, len);
		expect_device("A1");
	}
	assert_int_equal(diag_count(d), 0);
}

static void test_an_image_in_use_is_left_alone(void **state)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct provision_result r;
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 103, .l_len = 1 }; /* as a running QEMU has it */
	int fd CLEANUP(fd_closep) = open(image_path, O_RDWR | O_CLOEXEC);
	(void)state;
	uint8_t *before CLEANUP_FREE = flash();
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	assert_int_equal(run("A1", false, &r, d), -1);
	expect_only(&d, MVP1010);
	uint8_t *after CLEANUP_FREE = flash();
	assert_memory_equal(before, after, parts[2].at + parts[2].len);
	assert_int_equal(access(key_path, F_OK), -1);
}

static void test_what_is_no_ledger_is_left_alone(void **state)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct provision_result r;
	int fd CLEANUP(fd_closep) = open(ledger_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	(void)state;
	assert_int_equal(io_write_all(fd,
				      "a letter to my mother, certainly longer than a hundred bytes so that it might be taken for a data"
				      " base if one does not look at it",
				      128),
			 0);
	assert_int_equal(run("A1", false, &r, d), -1);
	expect_only(&d, MVP1004);
	assert_int_equal(lseek(fd, 0, SEEK_END), 128);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_once_and_never_twice, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_run_that_was_cut_off_is_completed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_an_image_in_use_is_left_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_no_ledger_is_left_alone, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
