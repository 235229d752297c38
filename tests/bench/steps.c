/* Single steps of a build, for tests/bench/bench_steps.py:
 *
 *	steps verity IMAGE WORK-FOLDER OUT ROOTS JOBS    hash tree and parity of IMAGE behind its copy in OUT; prints seconds and the root
 *	steps encrypt IMAGE FOLDER NAME JOBS             a LUKS2 container of IMAGE, written and synced; prints seconds
 *	steps xts MIB JOBS                               OpenSSL's AES-256-XTS alone over that much memory; prints seconds
 *	steps write OUT MIB                              that much written and synced; prints seconds */
#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "imagegen/avb/verity.h"
#include "imagegen/base/diag.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/image.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/base/text.h"
#include "imagegen/bundle/output.h"
#include "imagegen/bundle/packer.h"
#include "imagegen/crypt/luks2.h"

#define PIECE ((size_t)1 << 20)
#define SECTOR 4096

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
	(void)fprintf(stderr, "steps: %s\n", what);
	return 1;
}

static int write_whole(const struct image *img, int fd, struct diag *d)
{
	uint8_t *piece CLEANUP_FREE = mem_zeroed(1, PIECE);
	for (uint64_t at = 0; at < image_len(img); at += PIECE) {
		size_t n = (size_t)num_min(PIECE, image_len(img) - at);
		if (image_read(img, at, piece, n, d) < 0 || io_pwrite_all(fd, piece, n, at) < 0)
			return -1;
	}
	return 0;
}

static int run_verity(char **argv, struct diag *d)
{
	struct image *img CLEANUP(image_freep) = NULL, *all CLEANUP(image_freep) = NULL;
	struct verity v CLEANUP(verity_fini) = { 0 };
	struct verity_opts o = { .salt = { 1, 2, 3, 4 }, .salt_len = 32, .tmp_dir = argv[3] };
	char root[65];
	o.fec_roots = (uint32_t)strtoul(argv[5], NULL, 10);
	o.jobs = (unsigned)strtoul(argv[6], NULL, 10);
	if (image_open(argv[2], &img) < 0)
		return fail(d, "the image cannot be read");
	double start = now();
	if (verity_build(img, &o, &v, d) < 0)
		return fail(d, "no hash tree");
	double built = now();
	int fd CLEANUP(fd_closep) = open(argv[4], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	all = verity_compose(img, &v);
	if (fd < 0 || write_whole(all, fd, d) < 0)
		return fail(d, "the result cannot be written");
	(void)printf("%.3f %s\n", built - start, text_hex(v.details.root.digest, 32, root));
	return 0;
}

/* A packer that does nothing but write what comes, as that of a disk image writes, so that the pass of a build reads and encrypts as it
 * does there. */
static int out_plan(const struct bundle *b, void **ret_state, struct diag *d)
{
	struct output *o = NULL;
	if (output_open(b->out_dir, b->product, &o, d) < 0)
		return -1;
	*ret_state = o;
	return output_resize(o, b->parts[0].len, d);
}

static int out_store(void *state, size_t part, uint64_t at, const void *data, uint64_t len, struct diag *d)
{
	(void)part;
	return data ? output_store(state, data, (size_t)len, at, d) : 0;
}

static int out_write(void *state, size_t part, uint64_t at, const void *data, uint64_t len, struct diag *d)
{
	(void)state;
	(void)part;
	(void)at;
	(void)data;
	(void)len;
	(void)d;
	return 0;
}

static int out_finish(void *state, struct bundle_outputs *outputs, struct diag *d)
{
	static const uint8_t unknown[32];
	return output_done(state, "out", 0, unknown, outputs, d);
}

static int out_publish(void *state, struct diag *d)
{
	return output_publish(state, d);
}

static void out_free(void *state)
{
	output_free(state);
}

static int run_encrypt(char **argv, struct diag *d)
{
	static const struct packer out = {
		.name = "out",
		.plan = out_plan,
		.write = out_write,
		.store = out_store,
		.finish = out_finish,
		.publish = out_publish,
		.free = out_free,
	};
	static const uint8_t secret[] = "2580";
	struct image *img CLEANUP(image_freep) = NULL, *container CLEANUP(image_freep) = NULL;
	struct bundle_outputs outputs CLEANUP(bundle_outputs_fini) = { 0 };
	const struct luks2_opts o = { .secret = secret, .secret_len = 4, .iterations = 1000 };
	if (image_open(argv[2], &img) < 0 || luks2_wrap(img, &o, &container, d) < 0)
		return fail(d, "the image cannot be encrypted");
	struct bundle_part part = { .name = "work", .img = container, .len = align_up(image_len(container), MIB), .encrypted = true };
	const struct bundle b = { .product = argv[4], .version = "1", .board = "x", .parts = &part, .parts_count = 1, .out_dir = argv[3] };
	const struct bundle_job job = { &b, &out };
	double start = now();
	if (bundle_write(&job, 1, (unsigned)strtoul(argv[5], NULL, 10), NULL, NULL, &outputs, d) < 0)
		return fail(d, "the container cannot be written");
	(void)printf("%.3f\n", now() - start);
	return 0;
}

struct xts_work {
	atomic_size_t left; /* pieces */
};

static void *encrypt(void *ctx)
{
	static const uint8_t key[64] = { 1, [32] = 2 };
	struct xts_work *w = ctx;
	EVP_CIPHER_CTX *c CLEANUP(EVP_CIPHER_CTX_freep) = EVP_CIPHER_CTX_new();
	uint8_t *piece CLEANUP_FREE = mem_zeroed(1, PIECE), iv[16] = { 0 };
	int n;
	if (!c || EVP_EncryptInit_ex(c, EVP_aes_256_xts(), NULL, key, iv) != 1)
		abort();
	for (size_t i; (i = atomic_fetch_sub(&w->left, 1)) > 0 && i < SIZE_MAX / 2;)
		for (size_t at = 0; at < PIECE; at += SECTOR) {
			memcpy(iv, &i, sizeof(i));
			if (EVP_EncryptInit_ex(c, NULL, NULL, NULL, iv) != 1 ||
			    EVP_EncryptUpdate(c, piece + at, &n, piece + at, SECTOR) != 1)
				abort();
		}
	return NULL;
}

static int run_xts(char **argv, struct diag *d)
{
	struct xts_work w = { .left = strtoul(argv[2], NULL, 10) };
	unsigned jobs = (unsigned)num_min(strtoul(argv[3], NULL, 10), 64);
	pthread_t threads[64];
	double start = now();
	for (unsigned i = 0; i < jobs; i++)
		if (pthread_create(&threads[i], NULL, encrypt, &w))
			return fail(d, "no thread");
	for (unsigned i = 0; i < jobs; i++)
		(void)pthread_join(threads[i], NULL);
	(void)printf("%.3f\n", now() - start);
	return 0;
}

static int run_write(char **argv, struct diag *d)
{
	int fd CLEANUP(fd_closep) = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	uint8_t *piece CLEANUP_FREE = mem_zeroed(1, PIECE);
	uint64_t len = strtoull(argv[3], NULL, 10) * MIB;
	memset(piece, 0x5a, PIECE);
	double start = now();
	for (uint64_t at = 0; at < len; at += PIECE)
		if (io_pwrite_all(fd, piece, PIECE, at) < 0)
			return fail(d, "cannot write");
	if (fsync(fd))
		return fail(d, "cannot write");
	(void)printf("%.3f\n", now() - start);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int argc;
		int (*run)(char **argv, struct diag *d);
	} steps[] = { { "verity", 7, run_verity }, { "encrypt", 6, run_encrypt }, { "xts", 4, run_xts }, { "write", 4, run_write } };
	struct diag *d CLEANUP(diag_freep) = diag_new();
	for (size_t i = 0; argc > 1 && i < ARRAY_LEN(steps); i++)
		if (strcmp(argv[1], steps[i].name) == 0 && argc == steps[i].argc)
			return steps[i].run(argv, d);
	return fail(d, "verity, encrypt, xts or write, with their arguments");
}
