/* The cache: what was put is found again, what is damaged is not, and an unusable folder is no failure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/tmpfile.h"
#include "imagegen/cache/cache.h"
#include "imagegen/cache/disk.h"
#include "imagegen/cache/entry.h"

static struct tmpdir *home;

static const uint8_t key_a[CACHE_KEY_LEN] = { 1 }, key_b[CACHE_KEY_LEN] = { 2 };

static int setup(void **state)
{
	(void)state;
	return tmpdir_new("/tmp", &home) || setenv("XDG_CACHE_HOME", tmpdir_path(home), 1);
}

static int teardown(void **state)
{
	(void)state;
	tmpdir_free(home);
	home = NULL;
	return 0;
}

static struct cache *usable(void)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct cache *c = cache_open(d);
	assert_int_equal(diag_count(d), 0);
	assert_non_null(cache_path(c));
	return c;
}

static bool finds(struct cache *c, const char *kind, const uint8_t *key, const char *want)
{
	uint8_t *data CLEANUP_FREE = NULL;
	size_t len;
	if (!cache_get(c, kind, key, 4096, &data, &len))
		return false;
	assert_int_equal(len, strlen(want));
	assert_memory_equal(data, want, len);
	return true;
}

static void test_finds_what_was_put(void **state)
{
	struct cache *c CLEANUP(cache_freep) = usable();
	struct stat st;
	char *path CLEANUP_FREE = cache_entry_path(c, "object", key_a);
	(void)state;
	assert_false(finds(c, "object", key_a, ""));
	cache_put(c, "object", key_a, "hello", 5);
	assert_true(finds(c, "object", key_a, "hello"));
	assert_false(finds(c, "object", key_b, ""));
	assert_false(finds(c, "other", key_a, ""));
	cache_put(c, "object", key_a, "again", 5);
	assert_true(finds(c, "object", key_a, "again"));
	/* Nobody else may look into it. */
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(stat(cache_path(c), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	/* Another opening finds it, too. */
	struct cache *again CLEANUP(cache_freep) = usable();
	assert_true(finds(again, "object", key_a, "again"));
}

/* Every single byte of an entry counts, and so does its length. */
static void test_damaged_entry_is_removed(void **state)
{
	struct cache *c CLEANUP(cache_freep) = usable();
	char *path CLEANUP_FREE = cache_entry_path(c, "object", key_a);
	(void)state;
	for (int at = -1; at < CACHE_HEADER_LEN + 5; at++) {
		cache_put(c, "object", key_a, "hello", 5);
		FILE *f CLEANUP(file_closep) = fopen(path, "r+e");
		assert_non_null(f);
		if (at < 0) {
			assert_int_equal(ftruncate(fileno(f), CACHE_HEADER_LEN + 4), 0);
		} else {
			assert_int_equal(fseek(f, at, SEEK_SET), 0);
			int byte = fgetc(f);
			assert_int_equal(fseek(f, at, SEEK_SET), 0);
			assert_int_equal(fputc(byte ^ 1, f), byte ^ 1);
			assert_int_equal(fflush(f), 0);
		}
		if (finds(c, "object", key_a, "hello"))
			fail_msg("found with byte %d changed", at);
		assert_int_equal(access(path, F_OK), -1);
	}
}

/* That no more files can be opened says nothing of the entry. */
static void test_a_disk_that_cannot_be_opened_is_kept(void **state)
{
	struct cache *c CLEANUP(cache_freep) = usable();
	char *path CLEANUP_FREE = cache_entry_path(c, CACHE_DISK, key_a);
	struct cache_disk *w CLEANUP(cache_disk_freep) = cache_disk_new(c, key_a, NULL);
	struct rlimit was, none;
	(void)state;
	assert_true(cache_disk_add(w, "hello", 5));
	cache_disk_end(w);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = was;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	struct image *no = cache_disk_get(c, key_a);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_null(no);
	assert_int_equal(access(path, F_OK), 0);
	struct image *img CLEANUP(image_freep) = cache_disk_get(c, key_a);
	assert_non_null(img);
	assert_int_equal(image_len(img), 5);
	assert_int_equal(truncate(path, 7), 0);
	assert_null(cache_disk_get(c, key_a));
	assert_int_equal(access(path, F_OK), -1);
}

static void test_entry_larger_than_wanted_is_not_read(void **state)
{
	struct cache *c CLEANUP(cache_freep) = usable();
	uint8_t *data CLEANUP_FREE = NULL;
	size_t len;
	(void)state;
	cache_put(c, "object", key_a, "hello", 5);
	assert_false(cache_get(c, "object", key_a, 4, &data, &len));
}

static void test_unusable_folder_is_warned_of(void **state)
{
	char *path CLEANUP_FREE = mem_printf("%s/mvp", tmpdir_path(home));
	(void)state;
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(chmod(path, 0770), 0);
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct cache *c CLEANUP(cache_freep) = cache_open(d);
	assert_null(cache_path(c));
	assert_int_equal(diag_count(d), 1);
	assert_int_equal(diag_errors(d), 0);
	assert_int_equal(diag_get(d, 0)->code, MVP0830);
	cache_put(c, "object", key_a, "hello", 5);
	assert_false(finds(c, "object", key_a, ""));
	assert_int_equal(rmdir(path), 0); /* nothing was put there */
}

static void test_no_home_is_no_cache(void **state)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	char *was CLEANUP_FREE = mem_strdup(getenv("HOME"));
	(void)state;
	assert_int_equal(unsetenv("HOME"), 0);
	assert_int_equal(setenv("XDG_CACHE_HOME", "relative", 1), 0);
	struct cache *c CLEANUP(cache_freep) = cache_open(d);
	if (was)
		(void)setenv("HOME", was, 1);
	assert_null(cache_path(c));
	assert_int_equal(diag_count(d), 0);
}

int main(void)
{
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_finds_what_was_put),
		CASE(test_damaged_entry_is_removed),
		CASE(test_a_disk_that_cannot_be_opened_is_kept),
		CASE(test_entry_larger_than_wanted_is_not_read),
		CASE(test_unusable_folder_is_warned_of),
		CASE(test_no_home_is_no_cache),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
