/* The digests of an archive are those of its bytes, also when those of its beginning are an earlier build's; and only then. */
#include "tests/unit/formats.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <unistd.h>

#include "imagegen/base/foreign.h"
#include "imagegen/base/io.h"
#include "imagegen/base/tmpfile.h"
#include "imagegen/bundle/prefix.h"
#include "imagegen/cache/cache.h"

enum { HEADER = 512, MEMBERS = 3 };
#define LARGE ((size_t)6 << 20) /* enough for threads of their own */

/* What goes into an archive: the last member, which has no identity, differs from build to build. */
struct content {
	uint8_t id[MEMBERS - 1][32];
	uint8_t first, last; /* bytes that the first member and the last are full of */
	size_t len[MEMBERS];
};
static const struct content usual = { .id = { { 1 }, { 2 } }, .first = 'a', .last = 'z', .len = { LARGE, LARGE + 512, 512 } };

struct sums {
	uint8_t md5[16], sha256[32];
};

static void put(int fd, struct prefix *p, uint64_t *at, const uint8_t *data, size_t len)
{
	assert_int_equal(io_pwrite_all(fd, data, len, *at), 0);
	prefix_put(p, data, len);
	*at += len;
}

static void put_member(int fd, struct prefix *p, uint64_t *at, const struct content *c, size_t i)
{
	uint8_t *data CLEANUP_FREE = mem_zeroed(1, c->len[i]), header[HEADER];
	const struct prefix_member m = { .id = i < MEMBERS - 1 ? c->id[i] : NULL, .name = "x", .len = c->len[i], .stored = i == 1 };
	uint64_t header_at = *at;
	memset(data, i == 0 ? c->first : i == 1 ? 'm' : c->last, c->len[i]);
	memset(header, (int)i + 1, sizeof(header));
	prefix_begin(p, &m, HEADER);
	*at += HEADER;
	if (m.stored) { /* then the header is known at once, and what follows is final piece by piece */
		assert_int_equal(io_pwrite_all(fd, header, HEADER, header_at), 0);
		prefix_front(p, header, HEADER);
	}
	for (size_t done = 0; done < c->len[i]; done += c->len[i] / 2) {
		put(fd, p, at, data + done, c->len[i] / 2);
		if (m.stored)
			prefix_settle(p);
	}
	if (!m.stored) {
		assert_int_equal(io_pwrite_all(fd, header, HEADER, header_at), 0);
		prefix_front(p, header, HEADER);
	}
	prefix_joined(p);
	prefix_end(p);
}

static void hash(int fd, uint64_t len, struct sums *ret)
{
	uint8_t *all CLEANUP_FREE = mem_zeroed(1, len);
	assert_int_equal(io_pread_all(fd, all, len, 0), 0);
	assert_int_equal(EVP_Digest(all, len, ret->md5, NULL, EVP_md5(), NULL), 1);
	assert_int_equal(EVP_Digest(all, len, ret->sha256, NULL, EVP_sha256(), NULL), 1);
}

/* Ours and those of the file as it is. spoil: a byte of the first member is another one before anything is hashed for good. */
static void write_one(struct cache *cache, const struct content *c, bool spoil, struct sums *ret_ours, struct sums *ret_real)
{
	int fd CLEANUP(fd_closep) = tmpfile_unlinked("/tmp");
	struct prefix *p CLEANUP(prefix_freep) = prefix_new(fd, cache);
	uint64_t at = 0;
	prefix_name(p, "front", 5);
	put(fd, p, &at, (const uint8_t *)"front", 5);
	uint8_t pad[507] = { 0 };
	put(fd, p, &at, pad, sizeof(pad));
	put_member(fd, p, &at, c, 0);
	if (spoil)
		assert_int_equal(io_pwrite_all(fd, "!", 1, 4096), 0);
	put_member(fd, p, &at, c, 1);
	put_member(fd, p, &at, c, 2);
	assert_int_equal(prefix_md5(p, ret_ours->md5), 0);
	assert_int_equal(prefix_sha256(p, ret_ours->sha256), 0);
	hash(fd, at, ret_real);
}

static void assert_same(const struct sums *a, const struct sums *b)
{
	assert_memory_equal(a->md5, b->md5, sizeof(a->md5));
	assert_memory_equal(a->sha256, b->sha256, sizeof(a->sha256));
}

static struct cache *open_cache(struct tmpdir **home, struct diag *d)
{
	assert_int_equal(tmpdir_new("/tmp", home), 0);
	assert_int_equal(setenv("XDG_CACHE_HOME", tmpdir_path(*home), 1), 0);
	return cache_open(d);
}

static void test_digests_are_those_of_the_bytes(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct tmpdir *home CLEANUP(tmpdir_freep) = NULL;
	struct cache *cache CLEANUP(cache_freep) = open_cache(&home, d);
	struct sums ours, real;
	write_one(NULL, &usual, false, &ours, &real);
	assert_same(&ours, &real);
	for (unsigned i = 0; i < 3; i++) { /* the first fills the cache */
		struct content c = usual;
		c.last = (uint8_t)i;
		write_one(cache, &c, false, &ours, &real);
		assert_same(&ours, &real);
	}
	assert_int_equal(diag_count(d), 0);
}

static void test_a_known_beginning_is_not_read_again(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct tmpdir *home CLEANUP(tmpdir_freep) = NULL;
	struct cache *cache CLEANUP(cache_freep) = open_cache(&home, d);
	struct sums first, ours, real;
	write_one(cache, &usual, false, &first, &real);
	write_one(cache, &usual, true, &ours, &real);
	assert_same(&ours, &first);
	assert_memory_not_equal(ours.md5, real.md5, sizeof(real.md5));
}

/* Whatever says that it is the same and is not: its length, its bytes, what stands before it. */
static void test_what_only_claims_to_be_known_is_read(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct tmpdir *home CLEANUP(tmpdir_freep) = NULL;
	struct cache *cache CLEANUP(cache_freep) = open_cache(&home, d);
	struct sums ours, real;
	struct content other = usual, longer = usual, last = usual;
	other.first = 'b';
	longer.len[1] += 1024;
	last.id[1][0] = 9;
	const struct content *all[] = { &usual, &other, &longer, &last, &usual };
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		write_one(cache, all[i], false, &ours, &real);
		assert_same(&ours, &real);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_digests_are_those_of_the_bytes),
		cmocka_unit_test(test_a_known_beginning_is_not_read_again),
		cmocka_unit_test(test_what_only_claims_to_be_known_is_read),
	};
	return cmocka_run_group_tests_name("prefix", tests, NULL, NULL);
}
