/* Animations: what comes out is a PNG with the frames put in, and what is not a picture of the right kind is left out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <isa-l/crc.h>

#include "imagegen/base/buf.h"
#include "imagegen/base/bytes.h"
#include "imagegen/base/diag.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/tmpfile.h"
#include "imagegen/png/apng.h"

static const uint8_t signature[] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n' };

static void chunk(struct buf *b, const char *type, const void *data, size_t len)
{
	size_t at;
	(void)buf_be32(b, (uint32_t)len);
	at = b->len;
	(void)buf_append(b, type, 4);
	if (len)
		(void)buf_append(b, data, len);
	(void)buf_be32(b, crc32_gzip_refl(0, b->data + at, b->len - at));
}

/* A PNG file as far as this module looks: the data is text, in two chunks, with one between the header and them that is nobody's. */
static struct buf picture(uint32_t width, uint32_t height, uint8_t depth, const char *one, const char *two)
{
	struct buf b = BUF_INIT;
	uint8_t header[13] = { [8] = depth, [9] = 2 };
	put_be32(header, width);
	put_be32(header + 4, height);
	(void)buf_append(&b, signature, sizeof(signature));
	chunk(&b, "IHDR", header, sizeof(header));
	chunk(&b, "tEXt", "k\0v", 3);
	chunk(&b, "IDAT", one, strlen(one));
	chunk(&b, "IDAT", two, strlen(two));
	chunk(&b, "IEND", NULL, 0);
	return b;
}

struct file {
	int fd;
	struct apng *a;
	struct diag *d;
};

static struct file begin(void)
{
	struct file f = { .fd = tmpfile_unlinked("/tmp"), .d = diag_new() };
	assert_true(f.fd >= 0);
	f.a = apng_new(f.fd, 480, 992, "film.png");
	return f;
}

static bool add(struct file *f, struct buf b, uint64_t ms)
{
	bool added;
	assert_int_equal(apng_add(f->a, b.data, b.len, ms, &added, f->d), 0);
	buf_fini(&b);
	return added;
}

/* The chunks of the file as "TYPE ..." with what a reader of animations looks at. */
static char *finish(struct file *f, uint64_t ms, uint32_t want_frames)
{
	struct buf text = BUF_INIT;
	uint8_t *data CLEANUP_FREE = NULL;
	size_t len, at = sizeof(signature);
	uint32_t frames;
	assert_int_equal(apng_end(f->a, ms, &frames, f->d), 0);
	assert_int_equal(frames, want_frames);
	assert_int_equal(lseek(f->fd, 0, SEEK_SET), 0);
	assert_int_equal(io_read_fd(f->fd, 1 << 20, &data, &len), 0);
	if (len)
		assert_memory_equal(data, signature, sizeof(signature));
	for (; len && at < len; at += 12 + get_be32(data + at)) {
		const uint8_t *c = data + at + 8;
		uint32_t n = get_be32(data + at);
		assert_true(n <= len - at - 12);
		assert_int_equal(get_be32(c + n), crc32_gzip_refl(0, data + at + 4, n + 4));
		(void)buf_printf(&text, "%.4s", (const char *)data + at + 4);
		if (!memcmp(data + at + 4, "acTL", 4))
			(void)buf_printf(&text, " %u %u", get_be32(c), get_be32(c + 4));
		else if (!memcmp(data + at + 4, "fcTL", 4))
			(void)buf_printf(&text, " #%u %ux%u+%u+%u %u/%u %u%u", get_be32(c), get_be32(c + 4), get_be32(c + 8),
					 get_be32(c + 12), get_be32(c + 16), get_be16(c + 20), get_be16(c + 22), c[24], c[25]);
		else if (!memcmp(data + at + 4, "IDAT", 4))
			(void)buf_printf(&text, " %.*s", (int)n, (const char *)c);
		else if (!memcmp(data + at + 4, "fdAT", 4))
			(void)buf_printf(&text, " #%u %.*s", get_be32(c), (int)n - 4, (const char *)c + 4);
		(void)buf_puts(&text, "\n");
	}
	apng_free(f->a);
	assert_int_equal(close(f->fd), 0);
	assert_int_equal(diag_count(f->d), 0);
	diag_free(f->d);
	return (char *)buf_take(&text, &len);
}

static void test_frames_follow_each_other(void **state)
{
	struct file f = begin();
	(void)state;
	assert_true(add(&f, picture(480, 992, 8, "a", "b"), 1000));
	assert_true(add(&f, picture(480, 992, 8, "c", "d"), 1200));
	assert_true(add(&f, picture(480, 992, 8, "a", "b"), 91200));
	char *text CLEANUP_FREE = finish(&f, 91700, 3);
	assert_string_equal(text, "IHDR\nacTL 3 0\n"
				  "fcTL #0 480x992+0+0 200/1000 00\nIDAT a\nIDAT b\n"
				  "fcTL #1 480x992+0+0 9000/100 00\nfdAT #2 c\nfdAT #3 d\n"
				  "fcTL #4 480x992+0+0 500/1000 00\nfdAT #5 a\nfdAT #6 b\nIEND\n");
}

static void test_unchanged_pictures_only_last_longer(void **state)
{
	struct file f = begin();
	(void)state;
	assert_true(add(&f, picture(480, 992, 8, "a", "b"), 0));
	for (uint64_t ms = 200; ms < 1000; ms += 200)
		assert_false(add(&f, picture(480, 992, 8, "a", "b"), ms));
	char *text CLEANUP_FREE = finish(&f, 1000, 1);
	assert_string_equal(text, "IHDR\nacTL 1 0\nfcTL #0 480x992+0+0 1000/1000 00\nIDAT a\nIDAT b\nIEND\n");
}

static void test_longest_delay_is_what_the_format_can_say(void **state)
{
	struct file f = begin();
	(void)state;
	assert_true(add(&f, picture(480, 992, 8, "a", "b"), 0));
	char *text CLEANUP_FREE = finish(&f, UINT64_MAX / 2000, 1);
	assert_non_null(strstr(text, " 65535/1 "));
}

static void test_other_pictures_are_left_out(void **state)
{
	struct file f = begin();
	(void)state;
	assert_false(add(&f, picture(640, 480, 8, "a", "b"), 0));
	assert_true(add(&f, picture(480, 992, 8, "a", "b"), 100));
	assert_false(add(&f, picture(480, 992, 16, "c", "d"), 200));
	assert_false(add(&f, picture(480, 991, 8, "c", "d"), 300));
	char *text CLEANUP_FREE = finish(&f, 400, 1);
	assert_non_null(strstr(text, " 300/1000 "));
}

static void test_nothing_seen_writes_nothing(void **state)
{
	struct file f = begin();
	(void)state;
	char *text CLEANUP_FREE = finish(&f, 100, 0);
	assert_string_equal(text, "");
}

/* Cut at every length, and with every byte changed: none is taken, the whole one is. */
static void test_damaged_pictures_are_left_out(void **state)
{
	struct buf b CLEANUP(buf_fini) = picture(480, 992, 8, "abc", "def");
	struct file f = begin();
	bool added;
	(void)state;
	for (size_t len = 0; len < b.len; len++) {
		uint8_t *cut = malloc(len ? len : 1); /* so that a read behind it is seen */
		assert_non_null(cut);
		memcpy(cut, b.data, len);
		assert_int_equal(apng_add(f.a, cut, len, 0, &added, f.d), 0);
		assert_false(added);
		free(cut);
	}
	for (size_t i = 0; i < b.len; i++) {
		b.data[i] ^= 0x80;
		assert_int_equal(apng_add(f.a, b.data, b.len, 0, &added, f.d), 0);
		assert_false(added);
		b.data[i] ^= 0x80;
	}
	assert_int_equal(apng_add(f.a, b.data, b.len, 0, &added, f.d), 0);
	assert_true(added);
	char *text CLEANUP_FREE = finish(&f, 1, 1);
	assert_non_null(strstr(text, "IDAT abc"));
}

static void test_full_disk_is_reported(void **state)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	int fd CLEANUP(fd_closep) = open("/dev/full", O_RDWR | O_CLOEXEC);
	struct apng *a CLEANUP(apng_freep) = apng_new(fd, 480, 992, "film.png");
	struct buf b CLEANUP(buf_fini) = picture(480, 992, 8, "a", "b");
	uint32_t frames;
	bool added;
	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(apng_add(a, b.data, b.len, 0, &added, d), 0);
	assert_int_equal(apng_end(a, 1, &frames, d), -1);
	assert_int_equal(diag_errors(d), 1);
	assert_int_equal(diag_get(d, 0)->code, MVP0820);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames_follow_each_other),
		cmocka_unit_test(test_unchanged_pictures_only_last_longer),
		cmocka_unit_test(test_longest_delay_is_what_the_format_can_say),
		cmocka_unit_test(test_other_pictures_are_left_out),
		cmocka_unit_test(test_nothing_seen_writes_nothing),
		cmocka_unit_test(test_damaged_pictures_are_left_out),
		cmocka_unit_test(test_full_disk_is_reported),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
