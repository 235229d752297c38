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
#include "imagegen/bootimg/bootimg.h"
#include "imagegen/bundle/packer.h"
#include "imagegen/crypt/luks2.h"
#include "imagegen/gpt/gpt.h"
#include "imagegen/manifest/manifest.h"
#include "imagegen/oem/carrier.h"
#include "imagegen/oem/oem.h"
#include "imagegen/sign/sign.h"
#include "imagegen/sparse/sparse.h"

static struct diag *diag;
static const char *out_dir;
static struct signer *signer; /* of updates */

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

static struct image *luks2_of(struct image *plain, bool keep_holes)
{
	struct luks2_opts opts = { .secret = (const uint8_t *)"correct horse", .secret_len = 13, .iterations = 2000, .label = "acme work" };
	struct image *img = NULL;
	memset(opts.master, 0x11, sizeof(opts.master));
	memset(opts.context, 0x22, sizeof(opts.context));
	opts.keep_holes = keep_holes;
	if (luks2_wrap(plain, &opts, &img, diag) < 0)
		fail("luks2");
	return img;
}

static void luks2_samples(struct image *plain)
{
	struct image *full CLEANUP(image_freep) = luks2_of(plain, false);
	struct image *sparse CLEANUP(image_freep) = luks2_of(plain, true);
	save("plain.img", plain);
	save("luks2.img", full);
	save("luks2-holes.img", sparse);
	/* A file system as the plaintext, for readers that want to see one. */
	struct stat st;
	char *path CLEANUP_FREE = mem_printf("%s/ext4.img", out_dir);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (fstat(fd, &st) < 0)
		fail(path);
	struct extent *all = mem_array(struct extent, 1);
	all[0] = (struct extent){ .at = 0, .len = (uint64_t)st.st_size, .data = true };
	struct image *fs CLEANUP(image_freep) = image_fd(fd, (uint64_t)st.st_size, all, 1, path);
	struct image *container CLEANUP(image_freep) = luks2_of(fs, false);
	save("luks2-ext4.img", container);
}

static void gpt_sample(struct image *content)
{
	struct gpt_part parts[] = {
		{ .name = "boot", .len = 3 * MIB, .uuid = { 1 } },
		{ .name = "system", .uuid = { 2 }, .img = content },
		{ .name = "a-name-of-exactly-thirty-six-letters", .len = 1, .uuid = { 3 } },
	};
	const uint8_t disk_uuid[16] = { 0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x46, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff };
	struct image *disk CLEANUP(image_freep) = NULL;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		memcpy(parts[i].type, gpt_type_linux, sizeof(parts[i].type));
	if (gpt_compose(parts, ARRAY_LEN(parts), disk_uuid, 0, &disk, diag) < 0)
		fail("gpt");
	save("disk.img", disk);
}

/* The inputs of the known answers. */
static struct image *known_disk(void)
{
	uint8_t *p = mem_zeroed(300, 4096);
	for (size_t i = 0; i < 300; i++)
		memset(p + i * 4096, (int)(i % 251), 4096);
	return image_mem(p, 300 * 4096);
}

static void bootimg_sample(void)
{
	uint8_t kernel[10240], ramdisk[5000];
	struct image *img CLEANUP(image_freep) = NULL;
	for (size_t i = 0; i < sizeof(kernel); i++)
		kernel[i] = (uint8_t)i;
	memset(ramdisk, 'R', sizeof(ramdisk));
	struct bootimg_parts parts = { .kernel = kernel,
				       .kernel_len = sizeof(kernel),
				       .ramdisk = ramdisk,
				       .ramdisk_len = sizeof(ramdisk),
				       .cmdline = "console=ttyAMA0",
				       .os_version = 14u << 25 | (2025 - 2000) << 4 | 8 };
	if (bootimg_compose(&parts, &img, diag) < 0)
		fail("bootimg");
	save("boot.img", img);
	struct image *k CLEANUP(image_freep) = image_mem(memcpy(mem_zeroed(1, sizeof(kernel)), kernel, sizeof(kernel)), sizeof(kernel));
	struct image *r CLEANUP(image_freep) = image_mem(memcpy(mem_zeroed(1, sizeof(ramdisk)), ramdisk, sizeof(ramdisk)), sizeof(ramdisk));
	save("kernel", k);
	save("ramdisk", r);
}

static int file_write(void *ctx, const void *data, size_t len, struct diag *d)
{
	(void)d;
	return io_write_all(*(int *)ctx, data, len) < 0 ? -1 : 0;
}

/* All pieces of img as NAME.0.simg, NAME.1.simg, ... */
static void sparse_sample(const char *name, const struct image *img, const struct sparse_opts *opts)
{
	struct sparse_plan *plan CLEANUP(sparse_plan_freep) = NULL;
	uint8_t *buf CLEANUP_FREE = mem_zeroed(1, MIB);
	if (sparse_plan_new(img, opts, &plan, diag) < 0)
		fail(name);
	for (size_t i = 0; i < sparse_plan_pieces(plan); i++) {
		char *file CLEANUP_FREE = mem_printf("%s.%zu.simg", name, i);
		int fd = create(file);
		const struct sparse_sink sink = { .write = file_write, .ctx = &fd };
		struct sparse *s CLEANUP(sparse_freep) = sparse_new(plan, i, &sink);
		for (uint64_t at = 0; at < image_len(img);) {
			size_t n = (size_t)num_min(image_len(img) - at, MIB);
			if (image_read(img, at, buf, n, diag) < 0 || sparse_add(s, buf, n, diag) < 0)
				fail(file);
			at += n;
		}
		if (sparse_add(s, NULL, opts->len - image_len(img), diag) < 0 || sparse_end(s, diag) < 0)
			fail(file);
		struct stat st;
		if (fstat(fd, &st) < 0 || (uint64_t)st.st_size != sparse_plan_len(plan, i))
			fail("a sparse image has another length than planned");
		close(fd);
	}
}

static void profile_samples(const struct bundle_content *contents, size_t count);

static void bundle_sample(struct image *personal, struct image *work_plain)
{
	struct image *work CLEANUP(image_freep) = luks2_of(work_plain, false);
	struct image *boot CLEANUP(image_freep) = noise(100 * 1000 / 4096 * 4096, 7);
	struct bundle_part parts[] = {
		{ .name = "boot", .img = boot, .len = 2 * MIB, .uuid = { { 1 } } },
		{ .name = "personal", .img = personal, .len = image_len(personal) + 3 * MIB, .uuid = { { 2 } }, .fill = true },
		{ .name = "work", .img = work, .len = image_len(work), .uuid = { { 3 } }, .encrypted = true, .fill = true },
	};
	struct bundle b = { .product = "acme-one",
			    .version = "2026.11.0",
			    .board = "qemu-virt",
			    .parts = parts,
			    .parts_count = ARRAY_LEN(parts),
			    .disk_uuid = { 9 },
			    .epoch = 1700000001,
			    .out_dir = out_dir };
	size_t count;
	const struct packer *const *packers = packer_all(&count);
	struct bundle_outputs outputs CLEANUP(bundle_outputs_fini) = { 0 };
	struct bundle_job *jobs CLEANUP_FREE = mem_array(struct bundle_job, count);
	size_t n = 0;
	for (size_t i = 0; i < count; i++)
		if (strcmp(packers[i]->name, "super") != 0 && strcmp(packers[i]->name, "mtk") != 0) /* which need a profile */
			jobs[n++] = (struct bundle_job){ &b, packers[i] };
	if (bundle_write(jobs, n, 2, NULL, NULL, &outputs, diag) < 0)
		fail("bundle");
	for (size_t i = 0; i < outputs.count; i++) {
		for (size_t k = 0; k < 32; k++)
			printf("%02x", outputs.v[i].sha256[k]);
		printf("  %s\n", outputs.v[i].path);
	}
	save("part-boot.img", boot);
	save("part-personal.img", personal);
	save("part-work.img", work);
	struct image *vbmeta CLEANUP(image_freep) = noise(8192, 78);
	save("part-vbmeta.img", vbmeta);
	const struct bundle_content contents[] = {
		{ .name = "boot", .img = boot },
		{ .name = "vbmeta", .img = vbmeta, .fill = true },
		{ .name = "personal", .img = personal },
		{ .name = "work", .img = work, .encrypted = true, .fill = true },
	};
	profile_samples(contents, ARRAY_LEN(contents));
}

static void make_dir(const char *name)
{
	char *path CLEANUP_FREE = mem_printf("%s/%s", out_dir, name);
	if (mkdir(path, 0777) < 0 && errno != EEXIST)
		fail(path);
}

/* The next version of what an update replaces, as an update from the one before: its blocks are in other places, and two are new. */
static void next_version(struct bundle *update)
{
	struct bundle_outputs outputs CLEANUP(bundle_outputs_fini) = { 0 };
	char *from CLEANUP_FREE = mem_printf("%s/google/acme-ota-7.zip", out_dir);
	struct image *made[16];
	update->version = "8";
	update->update_from = from;
	for (size_t i = 0; i < update->parts_count; i++) {
		struct bundle_part *p = &update->parts[i];
		uint64_t len = image_len(p->img), half = len / 2 / 4096 * 4096;
		struct image *front CLEANUP(image_freep) = image_slice(p->img, half, len - half);
		struct image *back CLEANUP(image_freep) = image_slice(p->img, 0, half);
		struct image *new CLEANUP(image_freep) = noise(5000, 100 + i);
		const struct image_piece pieces[] = { { front, 0 }, { new, len - half }, { back, len - half + 12288 } };
		char *name CLEANUP_FREE = mem_printf("new-%s.img", p->name);
		made[i] = image_compose(len + 12288, pieces, ARRAY_LEN(pieces));
		save(name, made[i]);
		p->img = made[i];
		p->len = align_up(len + 12288, MIB);
	}
	const struct bundle_job job = { update, packer_find("ota") };
	if (bundle_write(&job, 1, 2, NULL, NULL, &outputs, diag) < 0)
		fail("update");
	for (size_t i = 0; i < update->parts_count; i++)
		image_free(made[i]);
}

/* The same contents, as each profile of templates/oem lays them out and packs them. */
static void profile_samples(const struct bundle_content *contents, size_t count)
{
	static const char manifest[] = "mvp: 1\nname: acme\nversion: '7'\nboard: qemu-virt\nkeys: {master: k}\npersonas:\n"
				       "  personal: {memory: 64 MiB, cpus: 1, boot: {kernel: 'file:k', initrd: none}}\n"
				       "  work: {memory: 64 MiB, cpus: 1, boot: {kernel: 'file:k', initrd: none},\n"
				       "         encryption: {passcode: {file: p}}}\n";
	static const char *const names[] = { "google", "samsung", "lg", "qualcomm", "mediatek" };
	char *path CLEANUP_FREE = mem_printf("%s/phone.yaml", out_dir);
	struct manifest *m CLEANUP(manifest_freep) = NULL;
	struct carrier *carrier CLEANUP(carrier_freep) = NULL;
	if (manifest_parse(path, (const uint8_t *)manifest, sizeof(manifest) - 1, false, &m, diag) < 0 ||
	    carrier_load_file("templates/carriers/verizon.yaml", &carrier, diag) < 0)
		fail("manifest or carrier");
	make_dir("firmware");
	make_dir("firmware/google");
	struct image *product CLEANUP(image_freep) = noise(5 * MIB + 4096, 77);
	save("firmware/google/product.img", product);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char *file CLEANUP_FREE = mem_printf("templates/oem/%s.yaml", names[i]),
			   *dir CLEANUP_FREE = mem_printf("%s/%s", out_dir, names[i]);
		struct bundle_job jobs[16];
		struct oem *o CLEANUP(oem_freep) = NULL;
		struct bundle_parts parts CLEANUP(bundle_parts_fini) = { 0 };
		struct bundle_outputs outputs CLEANUP(bundle_outputs_fini) = { 0 };
		if (mkdir(dir, 0777) < 0 && errno != EEXIST)
			fail(dir);
		if (oem_load_file(file, &o, diag) < 0 || bundle_parts_plan(o, m, contents, count, &parts, diag) < 0)
			fail(names[i]);
		for (size_t k = 0; k < parts.count; k++)
			parts.v[k].uuid[0][0] = parts.v[k].uuid[1][15] = (uint8_t)(k + 1);
		struct bundle b = { .product = "acme",
				    .version = "7",
				    .signer = signer,
				    .board = "qemu-virt",
				    .oem = o,
				    .carrier = carrier,
				    .parts = parts.v,
				    .parts_count = parts.count,
				    .disk_uuid = { 9 },
				    .epoch = 1700000001,
				    .out_dir = dir };
		struct bundle update = b;
		update.parts = parts.update;
		update.parts_count = parts.update_count;
		for (size_t k = 0; k < o->bundles.count; k++) {
			const struct packer *packer = packer_find(o->bundles.v[k].s);
			if (!packer)
				fail(o->bundles.v[k].s);
			jobs[k] = (struct bundle_job){ packer->update ? &update : &b, packer };
		}
		size_t n = o->bundles.count;
		if (o->super.name.s)
			jobs[n++] = (struct bundle_job){ &b, packer_find("super") };
		if (bundle_write(jobs, n, 2, NULL, NULL, &outputs, diag) < 0)
			fail(names[i]);
		if (!strcmp(names[i], "google"))
			next_version(&update);
	}
}

int main(int argc, char **argv)
{
	if (argc != 2 && argc != 3) {
		fprintf(stderr, "usage: mkformats FOLDER [KEY]\n");
		return 2;
	}
	diag = diag_new();
	out_dir = argv[1];
	const struct sign_key key = { .key = argc > 2 ? argv[2] : NULL };
	if (key.key && signer_open(&key, &signer, diag) < 0)
		fail("key");
	struct image *disk CLEANUP(image_freep) = holey(24 * MIB, 1);
	luks2_samples(disk);
	gpt_sample(disk);
	bootimg_sample();
	struct image *known CLEANUP(image_freep) = known_disk();
	save("d.img", known);
	sparse_sample("known", known, &(struct sparse_opts){ .len = image_len(known), .scan = true });
	sparse_sample("filled", disk, &(struct sparse_opts){ .len = image_len(disk) + MIB, .fill = true });
	sparse_sample("holes", disk, &(struct sparse_opts){ .len = image_len(disk) });
	sparse_sample("split", disk, &(struct sparse_opts){ .len = image_len(disk), .fill = true, .limit = MIB });
	bundle_sample(disk, disk);
	signer_free(signer);
	diag_free(diag);
	return 0;
}
