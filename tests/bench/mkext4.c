/* mkext4 OUT WORK-FOLDER KIND PATH [KIND PATH]...: layers (tar, dir, cpio) to an ext4 image, as a build makes the system partition; for
 * tests/bench/bench_ext4.py and tests/e2e/test_layers.py. Prints the seconds that reading the layers, laying out the file system and
 * writing the image took, and the peak of memory in KiB. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/image.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/fs/ext4.h"
#include "imagegen/layer/tree.h"

#define EPOCH 1700000000
#define LAYERS_MAX 8
#define PIECE ((size_t)1 << 20)

static double now(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int fail(const struct diag *d, const char *what)
{
	for (size_t i = 0; i < diag_count(d); i++)
		(void)fprintf(stderr, "MVP%04d %s\n", diag_get(d, i)->code, diag_get(d, i)->message);
	(void)fprintf(stderr, "mkext4: %s\n", what);
	return 1;
}

static int write_image(const struct image *img, const char *path, struct diag *d)
{
	int fd CLEANUP(fd_closep) = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	uint8_t *piece CLEANUP_FREE = mem_zeroed(1, PIECE);
	if (fd < 0 || ftruncate(fd, (off_t)image_len(img)) != 0)
		return -1;
	for (uint64_t at = 0; at < image_len(img);) {
		struct extent e = image_extent(img, at);
		for (uint64_t n; e.data && at < e.at + e.len; at += n) {
			n = num_min(PIECE, e.at + e.len - at);
			if (image_read(img, at, piece, (size_t)n, d) < 0 || io_pwrite_all(fd, piece, (size_t)n, at) < 0)
				return -1;
		}
		at = e.at + e.len;
	}
	return 0;
}

static bool kind_of(const char *name, enum layer_kind *ret)
{
	static const struct {
		const char *name;
		enum layer_kind kind;
	} kinds[] = { { "tar", LAYER_TAR }, { "dir", LAYER_DIR }, { "cpio", LAYER_CPIO } };
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strcmp(kinds[i].name, name) == 0) {
			*ret = kinds[i].kind;
			return true;
		}
	return false;
}

int main(int argc, char **argv)
{
	struct layer layers[LAYERS_MAX] = { 0 };
	struct mstr paths[LAYERS_MAX] = { 0 };
	struct manifest m = { .path = (char *)(uintptr_t) "bench.yaml", .dir = (char *)(uintptr_t) "." };
	struct persona p = { .name = "personal", .system.layers = layers };
	struct ext4_opts opts = { .label = "system", .uuid = { 1 }, .hash_seed = { 2 }, .read_only = true, .epoch = EPOCH };
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct tree *t CLEANUP(tree_freep) = NULL;
	struct image *img CLEANUP(image_freep) = NULL;
	struct rusage used;
	if (argc < 5 || argc % 2 == 0 || argc > 3 + 2 * LAYERS_MAX)
		return fail(d, "OUT WORK-FOLDER KIND PATH [KIND PATH]...");
	for (int i = 3; i < argc; i += 2) {
		size_t n = p.system.layers_count++;
		paths[n].s = argv[i + 1];
		layers[n].paths = (struct mstrs){ .v = &paths[n], .count = 1 };
		if (!kind_of(argv[i], &layers[n].kind))
			return fail(d, "the kinds are tar, dir and cpio");
	}
	opts.tmp_dir = argv[2];
	double start = now();
	if (tree_load(&m, &p, EPOCH, argv[2], &t, d) < 0)
		return fail(d, "the layers cannot be read");
	double loaded = now();
	if (ext4_build(t, &opts, &img, d) < 0)
		return fail(d, "no file system");
	double built = now();
	if (write_image(img, argv[1], d) < 0)
		return fail(d, "the image cannot be written");
	(void)getrusage(RUSAGE_SELF, &used);
	(void)printf("%.3f %.3f %.3f %ld\n", loaded - start, built - loaded, now() - built, used.ru_maxrss);
	return 0;
}
