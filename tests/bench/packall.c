/* packall FOLDER MIB: packs the partitions of one build, the personas' disks MIB large, by each packer alone and by all at once, for
 * tests/bench/bench_pack.py. Prints `NAME SECONDS READ DATA` for each: the bytes that were read of the partitions, and those that they
 * hold. FOLDER holds firmware/google/product.img, which goes into the super partition. */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/bundle/packer.h"
#include "imagegen/manifest/manifest.h"
#include "imagegen/oem/oem.h"

#define THREADS 4
#define RUN (256 * KIB) /* data and holes take turns in a persona's disk */

static struct diag *diag;
static const char *folder;
static atomic_ullong bytes_read;

static _Noreturn void fail(const char *what)
{
	for (size_t i = 0; i < diag_count(diag); i++)
		(void)fprintf(stderr, "MVP%04d %s\n", diag_get(diag, i)->code, diag_get(diag, i)->message);
	(void)fprintf(stderr, "packall: %s\n", what);
	exit(1);
}

/* Content that is made as it is read, and counts how much of it was. */
struct made {
	uint64_t len, seed;
	bool holes;
	bool dense; /* does not shrink, as ciphertext */
};

static struct extent made_extent(void *ctx, uint64_t at)
{
	const struct made *m = ctx;
	if (!m->holes)
		return (struct extent){ .len = m->len, .data = true };
	uint64_t first = at - at % RUN;
	return (struct extent){ .at = first, .len = num_min(RUN, m->len - first), .data = at / RUN % 4 != 3 };
}

/* splitmix64 by the word; what is to shrink has each four times, and so shrinks about as much as programs do. */
static int made_read(void *ctx, uint64_t at, void *buf, size_t len, struct diag *d)
{
	const struct made *m = ctx;
	uint8_t *p = buf;
	(void)d;
	atomic_fetch_add(&bytes_read, len);
	for (size_t i = 0; i < len; i += 8) {
		uint64_t word = (at + i) / 8, x = m->seed + (m->dense ? word : word & ~3ull) * 0x9e3779b97f4a7c15u;
		x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
		x = (x ^ x >> 27) * 0x94d049bb133111ebu;
		x ^= x >> 31;
		memcpy(p + i, &x, num_min(8, len - i));
	}
	return 0;
}

static const struct image_ops made_ops = { .read = made_read, .extent = made_extent, .free = free };

static struct image *made(uint64_t len, uint64_t seed, bool holes, bool dense)
{
	struct made *m = mem_new(struct made);
	*m = (struct made){ .len = len, .seed = seed, .holes = holes, .dense = dense };
	return image_new(&made_ops, m, len);
}

static uint64_t data_of(const struct bundle_content *contents, size_t count)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < count; i++)
		for (uint64_t at = 0; at < image_len(contents[i].img);) {
			struct extent e = image_extent(contents[i].img, at);
			sum += e.data ? e.len : 0;
			at = e.at + e.len;
		}
	return sum;
}

/* A profile, and what its tools get. */
struct variant {
	const char *oem;
	const char *packers[6];
	struct oem *profile;
	struct bundle_parts parts;
	struct bundle bundle, update;
};
static struct variant variants[] = {
	{ .oem = "google", .packers = { "disk", "disk-sparse", "fastboot", "super", "ota" } },
	{ .oem = "samsung", .packers = { "odin" } },
	{ .oem = "lg", .packers = { "kdz" } },
	{ .oem = "qualcomm", .packers = { "edl" } },
};

static void plan(struct variant *v, const struct manifest *m, const struct bundle_content *contents, size_t count)
{
	char *file CLEANUP_FREE = mem_printf("templates/oem/%s.yaml", v->oem), *dir = mem_printf("%s/%s", folder, v->oem);
	if (mkdir(dir, 0777) < 0 && errno != EEXIST)
		fail(dir);
	if (oem_load_file(file, &v->profile, diag) < 0 || bundle_parts_plan(v->profile, m, contents, count, &v->parts, diag) < 0)
		fail(v->oem);
	v->bundle = (struct bundle){ .product = "acme",
				     .version = "1",
				     .board = "qemu-virt",
				     .oem = v->profile,
				     .parts = v->parts.v,
				     .parts_count = v->parts.count,
				     .epoch = 1700000000,
				     .out_dir = dir };
	v->update = v->bundle;
	v->update.parts = v->parts.update;
	v->update.parts_count = v->parts.update_count;
}

static double now(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void measure(const char *name, const struct bundle_job *jobs, size_t count, uint64_t data)
{
	struct bundle_outputs outputs CLEANUP(bundle_outputs_fini) = { 0 };
	double start = now();
	atomic_store(&bytes_read, 0);
	if (bundle_write(jobs, count, THREADS, NULL, NULL, &outputs, diag) < 0)
		fail(name);
	printf("%s %.3f %llu %llu\n", name, now() - start, (unsigned long long)atomic_load(&bytes_read), (unsigned long long)data);
	for (size_t i = 0; i < outputs.count; i++)
		(void)unlink(outputs.v[i].path);
}

int main(int argc, char **argv)
{
	static const char text[] =
		"mvp: 1\nname: acme\nversion: '1'\nboard: qemu-virt\nkeys: {master: k}\npersonas:\n"
		"  personal: {memory: 64 MiB, cpus: 1, boot: {kernel: 'file:k', initrd: none}}\n"
		"  work: {memory: 64 MiB, cpus: 1, boot: {kernel: 'file:k', initrd: none}, encryption: {passcode: {file: p}}}\n";
	struct manifest *m CLEANUP(manifest_freep) = NULL;
	struct bundle_job jobs[16];
	size_t count = 0;
	uint64_t size = argc == 3 ? strtoull(argv[2], NULL, 10) * MIB : 0;
	if (!size || size > 64 * GIB) {
		(void)fprintf(stderr, "usage: packall FOLDER MIB\n");
		return 2;
	}
	folder = argv[1];
	diag = diag_new();
	char *path CLEANUP_FREE = mem_printf("%s/phone.yaml", folder);
	if (manifest_parse(path, (const uint8_t *)text, sizeof(text) - 1, false, &m, diag) < 0)
		fail("manifest");
	const struct bundle_content contents[] = {
		{ .name = "boot", .img = made(16 * MIB, 1, false, false) },
		{ .name = "vbmeta", .img = made(64 * KIB, 2, false, true) },
		{ .name = "personal", .img = made(size, 3, true, false) },
		{ .name = "work", .img = made(size, 4, false, true), .encrypted = true, .fill = true },
	};
	uint64_t data = data_of(contents, ARRAY_LEN(contents));
	for (size_t i = 0; i < ARRAY_LEN(variants); i++) {
		struct variant *v = &variants[i];
		plan(v, m, contents, ARRAY_LEN(contents));
		for (size_t k = 0; v->packers[k]; k++) {
			const struct packer *p = packer_find(v->packers[k]);
			if (!p)
				fail(v->packers[k]);
			jobs[count] = (struct bundle_job){ p->update ? &v->update : &v->bundle, p };
			measure(p->name, &jobs[count++], 1, data);
		}
	}
	measure("all", jobs, count, data);
	return 0;
}
