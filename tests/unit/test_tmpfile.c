/* Temporary files, whole reads and writes, secrets. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "imagegen/base/foreign.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/secret.h"
#include "imagegen/base/tmpfile.h"

static int setup(void **state)
{
	char *dir = mem_strdup("/tmp/mvp-test-XXXXXX");
	*state = mkdtemp(dir);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	char *command CLEANUP_FREE = mem_printf("rm -rf '%s'", (char *)*state);
	free(*state);
	return system(command);
}

static size_t entries(const char *dir)
{
	size_t n = 0;
	DIR *d CLEANUP(dir_closep) = opendir(dir);
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));)
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	return n;
}

static void assert_content(const char *dir, const char *name, const char *want)
{
	char *path CLEANUP_FREE = mem_printf("%s/%s", dir, name);
	uint8_t *data CLEANUP_FREE = NULL;
	size_t len;
	assert_int_equal(io_read_file(path, 100, &data, &len), 0);
	assert_string_equal((char *)data, want);
	assert_int_equal(len, strlen(want));
}

static void put(const char *dir, const char *text, int (*publish)(struct tmpfile *), int want)
{
	struct tmpfile *t CLEANUP(tmpfile_freep) = NULL;
	assert_int_equal(tmpfile_open(dir, "out", 0644, &t), 0);
	assert_int_equal(io_write_all(tmpfile_fd(t), text, strlen(text)), 0);
	if (publish)
		assert_int_equal(publish(t), want);
}

static void test_published_appears_and_the_rest_vanishes(void **state)
{
	const char *dir = *state;
	put(dir, "never", NULL, 0);
	assert_int_equal(entries(dir), 0);
	put(dir, "one", tmpfile_publish, 0);
	put(dir, "two", tmpfile_publish, 0);
	put(dir, "three", NULL, 0);
	put(dir, "four", tmpfile_publish_new, -EEXIST);
	assert_content(dir, "out", "two");
	assert_int_equal(entries(dir), 1);
}

static void test_publish_new_makes_one_name(void **state)
{
	put(*state, "new", tmpfile_publish_new, 0);
	assert_content(*state, "out", "new");
	assert_int_equal(entries(*state), 1);
}

static void test_missing_folder_is_an_error(void **state)
{
	(void)state;
	struct tmpfile *t = NULL;
	struct tmpdir *td = NULL;
	assert_int_equal(tmpfile_open("/nonexistent", "x", 0644, &t), -ENOENT);
	assert_int_equal(tmpfile_unlinked("/nonexistent"), -ENOENT);
	assert_int_equal(tmpdir_new("/nonexistent", &td), -ENOENT);
}

static void test_work_folder_goes_with_all_it_holds(void **state)
{
	struct tmpdir *t = NULL;
	assert_int_equal(tmpdir_new(*state, &t), 0);
	char *sub CLEANUP_FREE = mem_printf("%s/a", tmpdir_path(t));
	char *link CLEANUP_FREE = mem_printf("%s/a/link", tmpdir_path(t));
	assert_int_equal(mkdir(sub, 0700), 0);
	assert_int_equal(symlink("/etc", link), 0); /* never followed */
	assert_int_equal(chmod(sub, 0), 0);
	tmpdir_free(t);
	assert_int_equal(entries(*state), 0);
	assert_int_equal(access("/etc/passwd", F_OK), 0);
}

/* A run that is killed cannot clean up; the next one does, and leaves a living run's files alone. */
static void test_sweep_takes_the_dead_and_spares_the_living(void **state)
{
	const char *dir = *state;
	int fds[2];
	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct tmpfile *t = NULL;
		struct tmpdir *td = NULL;
		if (tmpfile_open(dir, "x", 0644, &t) == 0 && tmpdir_new(dir, &td) == 0)
			(void)!write(fds[1], "x", 1);
		for (;;)
			pause();
	}
	char c;
	assert_int_equal(read(fds[0], &c, 1), 1);
	struct tmpfile *mine CLEANUP(tmpfile_freep) = NULL;
	assert_int_equal(tmpfile_open(dir, "y", 0644, &mine), 0);
	assert_int_equal(entries(dir), 3);
	assert_int_equal(tmpfile_sweep(dir), 0);
	assert_int_equal(entries(dir), 3);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(tmpfile_sweep(dir), 2);
	assert_int_equal(entries(dir), 1);
	assert_int_equal(tmpfile_publish(mine), 0);
	close(fds[0]);
	close(fds[1]);
}

static void test_sweep_touches_nothing_else(void **state)
{
	const char *dir = *state;
	char *link CLEANUP_FREE = mem_printf("%s/" TMPFILE_PREFIX "link", dir);
	assert_int_equal(symlink("/etc/passwd", link), 0);
	put(dir, "keep", tmpfile_publish, 0);
	assert_int_equal(tmpfile_sweep(dir), 0);
	assert_int_equal(entries(dir), 2);
	assert_int_equal(tmpfile_sweep("/nonexistent"), 0);
}

static void test_unlinked_file_has_no_name(void **state)
{
	int fd CLEANUP(fd_closep) = tmpfile_unlinked(*state);
	char buf[4] = "";
	assert_true(fd >= 0);
	assert_int_equal(entries(*state), 0);
	assert_int_equal(io_pwrite_all(fd, "abc", 3, 5), 0);
	assert_int_equal(io_pread_all(fd, buf, 3, 5), 0);
	assert_string_equal(buf, "abc");
	assert_int_equal(io_pread_all(fd, buf, 3, 6), -ENODATA);
	assert_int_equal(io_pread_all(fd, buf, 3, UINT64_MAX), -ENODATA);
	assert_int_equal(io_pwrite_all(fd, buf, 3, INT64_MAX), -EFBIG);
}

static void test_ceiling_of_reads(void **state)
{
	put(*state, "12345", tmpfile_publish, 0);
	char *path CLEANUP_FREE = mem_printf("%s/out", (char *)*state);
	uint8_t *data = NULL;
	size_t len;
	assert_int_equal(io_read_file(path, 4, &data, &len), -EFBIG);
	assert_null(data);
	assert_int_equal(io_read_file(path, 5, &data, &len), 0);
	free(data);
	data = NULL;
	assert_int_equal(io_read_file("/dev/zero", 100000, &data, &len), -EFBIG); /* no end, and no size either */
	assert_int_equal(io_read_file(*state, 100, &data, &len), -EISDIR);
	struct secret s CLEANUP(secret_fini) = SECRET_INIT;
	assert_int_equal(secret_read_file(path, 4, &s), -EFBIG);
	assert_int_equal(secret_read_file(*state, 100, &s), -EISDIR);
	assert_int_equal(secret_read_file(path, 5, &s), 0);
	assert_memory_equal(s.data, "12345", 6);
}

static void test_full_disk_is_an_error(void **state)
{
	(void)state;
	int fd CLEANUP(fd_closep) = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, "x", 1), -ENOSPC);
}

static void test_secret_array_is_wiped(void **state)
{
	(void)state;
	SECRET_ARRAY(key, 64);
	memset(key, 0xaa, sizeof(key));
	secret_wipe_guard(&key_guard_); /* what the end of the scope does */
	for (size_t i = 0; i < sizeof(key); i++)
		assert_int_equal(key[i], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_published_appears_and_the_rest_vanishes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_publish_new_makes_one_name, setup, teardown),
		cmocka_unit_test(test_missing_folder_is_an_error),
		cmocka_unit_test_setup_teardown(test_work_folder_goes_with_all_it_holds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sweep_takes_the_dead_and_spares_the_living, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sweep_touches_nothing_else, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unlinked_file_has_no_name, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ceiling_of_reads, setup, teardown),
		cmocka_unit_test(test_full_disk_is_an_error),
		cmocka_unit_test(test_secret_array_is_wiped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
