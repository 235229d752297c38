/* The digests of a file that is hashed while it is written are those of its final bytes. */
#include "tests/unit/formats.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <unistd.h>

#include "imagegen/base/foreign.h"
#include "imagegen/base/io.h"
#include "imagegen/base/tmpfile.h"
#include "imagegen/bundle/follow.h"

#define PIECE ((size_t)300000)

static void fill(uint8_t *p, size_t len, uint8_t with)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(with + i * 7);
}

static void check_end(struct follow *f, const uint8_t *all, size_t len)
{
	uint8_t md5[FOLLOW_MD5_LEN], sha256[FOLLOW_SHA256_LEN], want[FOLLOW_SHA256_LEN];
	assert_int_equal(follow_end(f, len, md5, sha256), 0);
	assert_int_equal(EVP_Digest(all, len, want, NULL, EVP_sha256(), NULL), 1);
	assert_memory_equal(sha256, want, sizeof(sha256));
	assert_int_equal(EVP_Digest(all, len, want, NULL, EVP_md5(), NULL), 1);
	assert_memory_equal(md5, want, sizeof(md5));
}

/* pieces pieces, each written, then changed at its front, then called final. */
static void write_and_check(size_t pieces)
{
	int fd CLEANUP(fd_closep) = tmpfile_unlinked("/tmp");
	uint8_t *all CLEANUP_FREE = mem_zeroed(pieces + 1, PIECE);
	assert_true(fd >= 0);
	struct follow *f CLEANUP(follow_freep) = follow_new(fd);
	for (size_t i = 0; i < pieces; i++) {
		uint8_t *p = all + i * PIECE;
		fill(p, PIECE, 0xff);
		assert_int_equal(io_pwrite_all(fd, p, PIECE, i * PIECE), 0);
		fill(p, 512, (uint8_t)i);
		assert_int_equal(io_pwrite_all(fd, p, 512, i * PIECE), 0);
		follow_to(f, (i + 1) * PIECE);
	}
	check_end(f, all, pieces * PIECE);
	memset(all + pieces * PIECE, 't', PIECE);
	assert_int_equal(io_pwrite_all(fd, all + pieces * PIECE, PIECE, pieces * PIECE), 0);
	check_end(f, all, pieces * PIECE + 5);
	check_end(f, all, (pieces + 1) * PIECE);
}

static void test_follow_hashes_what_is_final(void **state)
{
	(void)state;
	write_and_check(0);
	write_and_check(1);
	write_and_check(60); /* enough for a thread of its own */
}

static void test_follow_reports_a_short_file(void **state)
{
	(void)state;
	int fd CLEANUP(fd_closep) = tmpfile_unlinked("/tmp");
	uint8_t md5[FOLLOW_MD5_LEN], sha256[FOLLOW_SHA256_LEN];
	for (uint64_t len = 1; len <= 64 * MIB; len *= 64) {
		struct follow *f CLEANUP(follow_freep) = follow_new(fd);
		follow_to(f, len);
		assert_int_equal(follow_end(f, len, md5, sha256), -ENODATA);
	}
}

static void test_follow_can_be_left(void **state)
{
	(void)state;
	int fd CLEANUP(fd_closep) = tmpfile_unlinked("/tmp");
	assert_int_equal(ftruncate(fd, 256 << 20), 0);
	struct follow *f = follow_new(fd);
	follow_to(f, 256 << 20);
	follow_free(f);
	follow_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_follow_hashes_what_is_final),
		cmocka_unit_test(test_follow_reports_a_short_file),
		cmocka_unit_test(test_follow_can_be_left),
	};
	return cmocka_run_group_tests_name("follow", tests, NULL, NULL);
}
