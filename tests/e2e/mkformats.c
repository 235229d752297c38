/* Writes a sample of every format into a folder, for tests/e2e/formats.sh to show to the tools that own these formats. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/image.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/crypt/luks2.h"

static struct diag *diag;
static const char *out_dir;

static void fail(const char *what)
{
	for (size_t i = 0; i < diag_count(diag); i++)
		fprintf(stderr, "MVP%04d %s\n", diag_get(diag, i)->code, diag_get(diag, i)->message);
	fprintf(stderr, "mkformats: %s\n", what);
	exit(1);
}

static int create(const char *name)
{
	char *path CLEANUP_FREE = mem_printf("%s/%s", out_dir, name);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		fail(path);
	return fd;
}

/* Data only; holes of the image stay holes of the file. */
static void save(const char *name, const struct image *img)
{
	int fd = create(name);
	uint8_t *buf CLEANUP_FREE = mem_zeroed(1, MIB);
	if (ftruncate(fd, (off_t)image_len(img)) < 0)
		fail(name);
	for (uint64_t at = 0; at < image_len(img);) {
		struct extent e = image_extent(img, at);
		size_t n = (size_t)num_min(e.at + e.len - at, e.data ? MIB : UINT64_MAX);
		if (e.data && (image_read(img, at, buf, n, diag) < 0 || io_pwrite_all(fd, buf, n, at) < 0))
			fail(name);
		at += n;
	}
	close(fd);
}

/* len bytes that neither compress nor repeat, different for each seed. */
static struct image *noise(uint64_t len, uint64_t seed)
{
	uint8_t *p = mem_zeroed(1, len);
	uint64_t x = seed * 2 + 1;
	for (uint64_t i = 0; i < len; i++) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		p[i] = (uint8_t)(x >> 56);
	}
	return image_mem(p, len);
}

/* A disk with data at its start, in its middle and at its end. */
static struct image *holey(uint64_t len, uint64_t seed)
{
	struct image *a CLEANUP(image_freep) = noise(100000, seed);
	struct image *b CLEANUP(image_freep) = noise(3 * MIB, seed + 1);
	struct image *c CLEANUP(image_freep) = noise(4096, seed + 2);
	const struct image_piece pieces[] = { { a, 0 }, { b, 5 * MIB + 512 }, { c, len - 4096 } };
	return image_compose(len, pieces, ARRAY_LEN(pieces));
}

static void luks2_samples(struct image *plain)
{
	struct luks2_opts opts = { .secret = (const uint8_t *)"correct horse", .secret_len = 13, .iterations = 2000, .label = "acme work" };
	memset(opts.master, 0x11, sizeof(opts.master));
	memset(opts.context, 0x22, sizeof(opts.context));
	struct image *full CLEANUP(image_freep) = NULL;
	struct image *sparse CLEANUP(image_freep) = NULL;
	if (luks2_wrap(plain, &opts, &full, diag) < 0)
		fail("luks2");
	opts.keep_holes = true;
	if (luks2_wrap(plain, &opts, &sparse, diag) < 0)
		fail("luks2");
	save("plain.img", plain);
	save("luks2.img", full);
	save("luks2-holes.img", sparse);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: mkformats FOLDER\n");
		return 2;
	}
	diag = diag_new();
	out_dir = argv[1];
	struct image *disk CLEANUP(image_freep) = holey(24 * MIB, 1);
	luks2_samples(disk);
	diag_free(diag);
	return 0;
}
