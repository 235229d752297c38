/* The pass over the partitions, with packers that only watch, and the packers' files. */
#include "tests/unit/formats.h"

#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include <openssl/sha.h>

#include "imagegen/base/foreign.h"
#include "imagegen/base/io.h"
#include "imagegen/base/tmpfile.h"
#include "imagegen/bundle/packer.h"
#include "imagegen/cache/cache.h"
#include "imagegen/gpt/gpt.h"
#include "imagegen/oem/oem.h"
#include "imagegen/zip/read.h"

static struct tmpdir *dir;

static int setup(void **state)
{
	(void)state;
	return tmpdir_new("/tmp", &dir);
}

static int teardown(void **state)
{
	(void)state;
	tmpdir_free(dir);
	dir = NULL;
	return 0;
}

static size_t files_in_dir(void)
{
	DIR *f CLEANUP(dir_closep) = opendir(tmpdir_path(dir));
	size_t n = 0;
	for (struct dirent *e; (e = readdir(f));)
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	return n;
}

/* Data in many small pieces, one long hole, data to the end. */
static struct image *busy(uint8_t seed)
{
	struct image *small CLEANUP(image_freep) = pattern(700, seed);
	struct image *big CLEANUP(image_freep) = pattern(2 * MIB + 333, (uint8_t)(seed + 1));
	struct image_piece pieces[301];
	for (size_t i = 0; i < 300; i++)
		pieces[i] = (struct image_piece){ small, i * 4000 + 5 };
	pieces[300] = (struct image_piece){ big, 9 * MIB + 77 };
	return image_compose(12 * MIB, pieces, ARRAY_LEN(pieces));
}

struct parts {
	struct image *boot, *personal, *work;
	struct bundle_part v[3];
	struct bundle b;
};

static void parts_init(struct parts *p)
{
	p->boot = pattern(10000, 9);
	p->personal = busy(1);
	p->work = pattern(3 * MIB, 50);
	p->v[0] = (struct bundle_part){ .name = "boot", .img = p->boot, .len = MIB };
	p->v[1] = (struct bundle_part){ .name = "personal", .img = p->personal, .len = 17 * MIB, .fill = true };
	p->v[2] = (struct bundle_part){ .name = "work", .img = p->work, .len = 3 * MIB, .encrypted = true, .fill = true };
	for (uint8_t i = 0; i < 3; i++)
		p->v[i].uuid[0][0] = (uint8_t)(i + 1);
	p->b = (struct bundle){ .product = "acme",
				.version = "1.0",
				.board = "qemu-virt",
				.parts = p->v,
				.parts_count = 3,
				.disk_uuid = { 7 },
				.epoch = 1700000000,
				.out_dir = tmpdir_path(dir) };
}

static void parts_fini(struct parts *p)
{
	image_free(p->boot);
	image_free(p->personal);
	image_free(p->work);
}

/* A packer that compares what comes with the images, and fails where it is told to. */
struct watcher {
	const struct bundle *b;
	size_t part;
	uint64_t at;
	bool finished;
};
static atomic_int watchers_published, watchers_finished, watchers_alive;
static uint64_t fail_write_at; /* byte of partition 1; 0: never */
static bool fail_finish;

static int watcher_plan(const struct bundle *b, void **ret_state, struct diag *d)
{
	(void)d;
	struct watcher *w = mem_new(struct watcher);
	w->b = b;
	*ret_state = w;
	watchers_alive++;
	return 0;
}

static int watcher_write(void *state, size_t part, uint64_t at, const void *data, uint64_t len, struct diag *d)
{
	struct watcher *w = state;
	if (w->part < part) {
		assert_int_equal(w->at, w->b->parts[w->part].len);
		assert_int_equal(part, w->part + 1);
		w->part = part;
		w->at = 0;
	}
	assert_int_equal(part, w->part);
	assert_int_equal(at, w->at);
	if (fail_write_at && part == 1 && at + len > fail_write_at)
		return diag_fail(d, MVP0811, NULL, "told to");
	const struct image *img = w->b->parts[part].img;
	uint64_t inside = at < image_len(img) ? num_min(len, image_len(img) - at) : 0;
	uint8_t *want CLEANUP_FREE = mem_zeroed(1, inside);
	assert_int_equal(image_read(img, at, want, inside, d), 0);
	for (uint64_t i = 0; i < inside; i++)
		if ((data ? ((const uint8_t *)data)[i] : 0) != want[i])
			fail_msg("partition %zu, byte %llu", part, (unsigned long long)(at + i));
	for (uint64_t i = inside; data && i < len; i++)
		assert_int_equal(((const uint8_t *)data)[i], 0);
	w->at += len;
	return 0;
}

static int watcher_finish(void *state, struct bundle_outputs *outputs, struct diag *d)
{
	struct watcher *w = state;
	if (fail_finish)
		return diag_fail(d, MVP0811, NULL, "told to");
	assert_int_equal(w->part, w->b->parts_count - 1);
	assert_int_equal(w->at, w->b->parts[w->part].len);
	mem_grow(&outputs->v, outputs->count, &outputs->cap, sizeof(*outputs->v));
	outputs->v[outputs->count++] = (struct bundle_output){ .format = "watcher", .path = mem_strdup("watched") };
	watchers_finished++;
	return 0;
}

static int watcher_publish(void *state, struct diag *d)
{
	(void)state;
	(void)d;
	watchers_published++;
	return 0;
}

static void watcher_free(void *state)
{
	watchers_alive--;
	free(state);
}

static const struct packer watcher = {
	.name = "watcher",
	.summary = "",
	.plan = watcher_plan,
	.write = watcher_write,
	.finish = watcher_finish,
	.publish = watcher_publish,
	.free = watcher_free,
};

/* bundle_write of one bundle with these packers. */
static int write_all(const struct bundle *b, const struct packer *const *packers, size_t count, unsigned threads, progress_fn progress,
		     void *ctx, struct bundle_outputs *ret, struct diag *d)
{
	struct bundle_job jobs[16];
	size_t n = 0;
	for (size_t i = 0; i < count; i++)
		if (strcmp(packers[i]->name, "super") != 0 && (strcmp(packers[i]->name, "mtk") != 0 || b->oem)) /* which need a profile */
			jobs[n++] = (struct bundle_job){ b, packers[i] };
	return bundle_write(jobs, n, threads, progress, ctx, ret, d);
}

static void reset(void)
{
	watchers_published = watchers_finished = watchers_alive = 0;
	fail_write_at = 0;
	fail_finish = false;
}

static void test_every_packer_sees_every_byte_in_order(void **state)
{
	(void)state;
	struct parts p CLEANUP(parts_fini);
	const struct packer *packers[] = { &watcher, &watcher, &watcher };
	parts_init(&p);
	for (unsigned jobs = 0; jobs < 6; jobs++) {
		struct diag *d CLEANUP(diag_freep) = diag_new();
		struct bundle_outputs outputs CLEANUP(bundle_outputs_fini) = { 0 };
		reset();
		assert_int_equal(write_all(&p.b, packers, 3, jobs, NULL, NULL, &outputs, d), 0);
		assert_int_equal(watchers_published, 3);
		assert_int_equal(watchers_alive, 0);
		assert_string_equal(outputs.v[2].path, "watched");
	}
}

static int refuse(void *ctx, struct diag *d)
{
	/* Everything is there by now, and nothing of it has its name. */
	assert_int_equal(watchers_finished, *(const int *)ctx);
	assert_int_equal(watchers_published, 0);
	return diag_fail(d, MVP0831, NULL, "told to");
}

static void test_nothing_is_published_that_is_not_approved(void **state)
{
	(void)state;
	struct parts p CLEANUP(parts_fini);
	const struct packer *packers[] = { &watcher, packer_find("disk"), &watcher };
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct bundle_outputs outputs CLEANUP(bundle_outputs_fini) = { 0 };
	int finished = 2;
	char *path CLEANUP_FREE = mem_printf("%s/acme-1.0.img", tmpdir_path(dir));
	(void)unlink(path);
	parts_init(&p);
	reset();
	p.b.approve = refuse;
	p.b.approve_ctx = &finished;
	assert_int_equal(write_all(&p.b, packers, 3, 2, NULL, NULL, &outputs, d), -1);
	expect_only(&d, MVP0831);
	assert_int_equal(outputs.count, 0);
	assert_int_equal(watchers_published, 0);
	assert_int_equal(access(path, F_OK), -1);
}

static void test_nothing_is_published_when_a_packer_fails(void **state)
{
	(void)state;
	struct parts p CLEANUP(parts_fini);
	const struct packer *packers[] = { packer_find("disk"), &watcher, packer_find("fastboot") };
	parts_init(&p);
	for (int how = 0; how < 3; how++) {
		struct diag *d CLEANUP(diag_freep) = diag_new();
		struct bundle_outputs outputs CLEANUP(bundle_outputs_fini) = { 0 };
		reset();
		fail_write_at = how == 0 ? 1 : how == 1 ? 17 * MIB - 1 : 0;
		fail_finish = how == 2;
		assert_int_equal(write_all(&p.b, packers, 3, 2, NULL, NULL, &outputs, d), -1);
		expect_only(&d, MVP0811);
		assert_int_equal(outputs.count, 0);
		assert_int_equal(watchers_published, 0);
		assert_int_equal(watchers_alive, 0);
		assert_int_equal(files_in_dir(), 0);
	}
	reset();
}

static int broken_read(void *ctx, uint64_t at, void *buf, size_t len, struct diag *d)
{
	(void)ctx;
	memset(buf, 1, len);
	return at + len > 5 * MIB ? diag_fail(d, MVP0801, NULL, "told to") : 0;
}

static struct extent broken_extent(void *ctx, uint64_t at)
{
	(void)ctx;
	(void)at;
	return (struct extent){ 0, 17 * MIB, true };
}

static void test_a_read_error_is_reported_once(void **state)
{
	(void)state;
	static const struct image_ops ops = { broken_read, broken_extent, NULL };
	struct parts p CLEANUP(parts_fini);
	parts_init(&p);
	struct image *broken CLEANUP(image_freep) = image_new(&ops, NULL, 17 * MIB);
	p.v[1].img = broken;
	const struct packer *packers[] = { packer_find("disk"), packer_find("fastboot") };
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct bundle_outputs outputs CLEANUP(bundle_outputs_fini) = { 0 };
	assert_int_equal(write_all(&p.b, packers, 2, 1, NULL, NULL, &outputs, d), -1);
	assert_string_equal(diag_get(d, 0)->notes[0], "while the content of partition 'personal' was read");
	expect_only(&d, MVP0801);
	assert_int_equal(files_in_dir(), 0);
}

struct progress {
	uint64_t last, total;
	unsigned calls, cancel_at;
};

static int on_progress(void *ctx, const char *what, uint64_t done, uint64_t total)
{
	struct progress *p = ctx;
	assert_string_equal(what, "bundles");
	assert_true(done >= p->last && done <= total);
	p->last = done;
	p->total = total;
	return ++p->calls == p->cancel_at;
}

static void test_progress_ends_at_the_whole_and_can_cancel(void **state)
{
	(void)state;
	struct parts p CLEANUP(parts_fini);
	parts_init(&p);
	const struct packer *packers[] = { packer_find("disk") };
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct bundle_outputs outputs CLEANUP(bundle_outputs_fini) = { 0 };
	struct progress progress = { .cancel_at = 1 };
	assert_int_equal(write_all(&p.b, packers, 1, 2, on_progress, &progress, &outputs, d), -1);
	expect_only(&d, MVP0006);
	assert_int_equal(files_in_dir(), 0);
	progress = (struct progress){ 0 };
	assert_int_equal(write_all(&p.b, packers, 1, 2, on_progress, &progress, &outputs, d), 0);
	assert_int_equal(progress.last, 21 * MIB);
	assert_int_equal(progress.total, 21 * MIB);
	assert_int_equal(files_in_dir(), 1);
}

static uint8_t *read_output(const struct bundle_output *o)
{
	uint8_t *bytes, sum[32];
	size_t len;
	assert_int_equal(io_read_file(o->path, 256 * MIB, &bytes, &len), 0);
	assert_int_equal(len, o->len);
	SHA256(bytes, len, sum);
	assert_memory_equal(sum, o->sha256, 32);
	return bytes;
}

static void test_disk_is_what_gpt_compose_makes(void **state)
{
	(void)state;
	struct parts p CLEANUP(parts_fini);
	parts_init(&p);
	const struct packer *packers[] = { packer_find("disk") };
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct bundle_outputs outputs CLEANUP(bundle_outputs_fini) = { 0 };
	assert_int_equal(write_all(&p.b, packers, 1, 2, NULL, NULL, &outputs, d), 0);
	uint8_t *got CLEANUP_FREE = read_output(&outputs.v[0]);
	struct gpt_part parts[3];
	for (size_t i = 0; i < 3; i++) {
		parts[i] = (struct gpt_part){ .name = p.v[i].name, .len = p.v[i].len, .img = p.v[i].img };
		memcpy(parts[i].type, gpt_type_linux, 16);
		memcpy(parts[i].uuid, p.v[i].uuid[0], 16);
	}
	struct image *disk CLEANUP(image_freep) = NULL;
	assert_int_equal(gpt_compose(parts, 3, p.b.disk_uuid, 0, &disk, d), 0);
	uint8_t *want CLEANUP_FREE = whole(disk);
	assert_int_equal(outputs.v[0].len, image_len(disk));
	assert_memory_equal(got, want, image_len(disk));
}

static void test_bytes_do_not_depend_on_the_number_of_jobs(void **state)
{
	(void)state;
	struct parts p CLEANUP(parts_fini);
	parts_init(&p);
	size_t count;
	const struct packer *const *packers = packer_all(&count);
	struct bundle_outputs first CLEANUP(bundle_outputs_fini) = { 0 };
	for (unsigned jobs = 1; jobs < 5; jobs++) {
		struct diag *d CLEANUP(diag_freep) = diag_new();
		struct bundle_outputs outputs CLEANUP(bundle_outputs_fini) = { 0 };
		assert_int_equal(write_all(&p.b, packers, count, jobs, NULL, NULL, &outputs, d), 0);
		assert_true(outputs.count >= count - 2 && (!first.count || first.count == outputs.count));
		for (size_t i = 0; i < outputs.count; i++) {
			uint8_t *bytes CLEANUP_FREE = read_output(&outputs.v[i]);
			assert_non_null(bytes);
			if (first.count && memcmp(first.v[i].sha256, outputs.v[i].sha256, 32) != 0)
				fail_msg("%s differs with %u jobs", outputs.v[i].path, jobs);
		}
		if (!first.count) {
			first = outputs;
			outputs = (struct bundle_outputs){ 0 };
		}
	}
}

/* Of the tables, a partition with a file, and one that is the device's own. */
static const char scatter[] = "# Where each image of this package goes.\n"
			      "- general: MTK_PLATFORM_CFG\n"
			      "  info:\n"
			      "    - config_version: V1.1.2\n"
			      "      platform: MT6765\n"
			      "      project: acme\n"
			      "      storage: UFS\n"
			      "      boot_channel: UFS_0\n"
			      "      block_size: 0x20000\n"
			      "- partition_index: SYS0\n"
			      "  partition_name: pgpt\n"
			      "  file_name: NONE\n"
			      "  is_download: false\n"
			      "  type: NORMAL_ROM\n"
			      "  linear_start_addr: 0x0\n"
			      "  physical_start_addr: 0x0\n"
			      "  partition_size: 0x6000\n"
			      "  region: UFS_LU2\n"
			      "  storage: HW_STORAGE_UFS\n"
			      "  boundary_check: true\n"
			      "  is_reserved: false\n"
			      "  operation_type: INVISIBLE\n"
			      "  is_upgradable: false\n"
			      "  empty_boot_needed: false\n"
			      "  combo_partsize_check: false\n"
			      "  reserve: 0x00\n"
			      "- partition_index: SYS1\n"
			      "  partition_name: boot\n"
			      "  file_name: boot.img\n"
			      "  is_download: true\n"
			      "  type: NORMAL_ROM\n"
			      "  linear_start_addr: 0x100000\n"
			      "  physical_start_addr: 0x100000\n"
			      "  partition_size: 0x100000\n"
			      "  region: UFS_LU2\n"
			      "  storage: HW_STORAGE_UFS\n"
			      "  boundary_check: true\n"
			      "  is_reserved: false\n"
			      "  operation_type: UPDATE\n"
			      "  is_upgradable: true\n"
			      "  empty_boot_needed: false\n"
			      "  combo_partsize_check: false\n"
			      "  reserve: 0x00\n"
			      "- partition_index: SYS2\n"
			      "  partition_name: personal\n"
			      "  file_name: NONE\n"
			      "  is_download: false\n";

static void test_a_scatter_file_says_where_images_go(void **state)
{
	(void)state;
	struct parts p CLEANUP(parts_fini);
	struct oem oem = { .storage.type.s = (char *)(uintptr_t) "ufs", .mtk.platform.s = (char *)(uintptr_t) "MT6765" };
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct bundle_outputs outputs CLEANUP(bundle_outputs_fini) = { 0 }, none = { 0 };
	struct zip_dir zip CLEANUP(zip_dir_fini) = { 0 };
	struct image *img CLEANUP(image_freep) = NULL;
	uint8_t *text CLEANUP_FREE = NULL;
	const struct packer *mtk = packer_find("mtk");
	parts_init(&p);
	p.b.oem = &oem;
	p.v[1].own = true;
	assert_int_equal(write_all(&p.b, &mtk, 1, 2, NULL, NULL, &outputs, d), 0);
	assert_int_equal(image_open(outputs.v[0].path, &img), 0);
	assert_int_equal(zip_read(img, "mtk", &zip, d), 0);
	assert_int_equal(zip.count, 3); /* and the images of boot and work */
	assert_int_equal(zip_take(img, "mtk", zip_find(&zip, "MT6765_Android_scatter.txt"), 65536, &text, d), 0);
	assert_int_equal(strncmp((const char *)text, scatter, sizeof(scatter) - 1), 0);
	/* Without a platform it has no name, and it knows one unit of the storage. */
	oem.mtk.platform.s = NULL;
	assert_int_equal(write_all(&p.b, &mtk, 1, 1, NULL, NULL, &none, d), -1);
	expect_only(&d, MVP0553);
	oem.mtk.platform.s = (char *)(uintptr_t) "MT6765";
	p.v[2].lun = 1;
	assert_int_equal(write_all(&p.b, &mtk, 1, 1, NULL, NULL, &none, d), -1);
	expect_only(&d, MVP0553);
}

static void test_names_that_need_quoting_are_refused(void **state)
{
	(void)state;
	static const char *const names[] = { "", "a b", "-rf", ".hidden", "a/b", "$(id)", "a'b", "caf\xc3\xa9" };
	size_t count;
	const struct packer *const *packers = packer_all(&count);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		for (int field = 0; field < 4; field++) {
			struct parts p CLEANUP(parts_fini);
			struct diag *d CLEANUP(diag_freep) = diag_new();
			struct bundle_outputs outputs CLEANUP(bundle_outputs_fini) = { 0 };
			const struct packer *fastboot = packer_find("fastboot");
			parts_init(&p);
			*(field == 0 ? &p.b.product : field == 1 ? &p.b.version : field == 2 ? &p.b.board : &p.v[1].name) = names[i];
			assert_int_equal(write_all(&p.b, &fastboot, 1, 1, NULL, NULL, &outputs, d), -1);
			expect_only(&d, MVP0509);
			assert_int_equal(files_in_dir(), 0);
		}
	assert_true(count >= 2);
	assert_null(packer_find("odim"));
	assert_ptr_equal(packer_find("disk"), packers[0]);
}

static void test_partitions_that_cannot_be_are_refused(void **state)
{
	(void)state;
	const struct packer *disk = packer_find("disk");
	const uint64_t lens[] = { 0, 4095, MIB + 1, 16 * MIB + 4096 - 4096 - 5 * MIB, UINT64_MAX - 4095 };
	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		struct parts p CLEANUP(parts_fini);
		struct diag *d CLEANUP(diag_freep) = diag_new();
		struct bundle_outputs outputs CLEANUP(bundle_outputs_fini) = { 0 };
		parts_init(&p);
		p.v[1].len = lens[i];
		assert_int_equal(write_all(&p.b, &disk, 1, 1, NULL, NULL, &outputs, d), -1);
		expect_only(&d, MVP0501);
	}
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

enum { SUMS_MAX = 8 };
struct sums {
	uint8_t v[SUMS_MAX][32];
	size_t count;
};

static void make(const char *format, const struct parts *p, struct sums *ret)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct bundle_outputs outputs CLEANUP(bundle_outputs_fini) = { 0 };
	const struct bundle_job job = { &p->b, packer_find(format) };
	assert_int_equal(bundle_write(&job, 1, 2, NULL, NULL, &outputs, d), 0);
	assert_in_range(outputs.count, 1, SUMS_MAX);
	ret->count = outputs.count;
	for (size_t i = 0; i < outputs.count; i++)
		memcpy(ret->v[i], outputs.v[i].sha256, 32);
}

static bool same(const struct sums *a, const struct sums *b)
{
	return a->count == b->count && memcmp(a->v, b->v, a->count * sizeof(a->v[0])) == 0;
}

/* Another hypervisor, the same personas: what the cache knows of an earlier bundle changes no byte; and it is really used. */
static void cache_changes_nothing(const char *format)
{
	static const uint8_t ids[2][32] = { { 1 }, { 2 } };
	struct tmpdir *home CLEANUP(tmpdir_freep) = NULL;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct parts p CLEANUP(parts_fini);
	struct sums plain, other, got;
	assert_int_equal(tmpdir_new("/tmp", &home), 0);
	assert_int_equal(setenv("XDG_CACHE_HOME", tmpdir_path(home), 1), 0);
	struct cache *cache CLEANUP(cache_freep) = cache_open(d);
	parts_init(&p);
	p.v[1].id = ids[0];
	p.v[2].id = ids[1];
	make(format, &p, &plain);
	p.b.cache = cache;
	for (size_t i = 0; i < 2; i++) { /* filling it, then finding all in it */
		make(format, &p, &got);
		assert_true(same(&got, &plain));
	}
	image_free(p.boot);
	p.boot = p.v[0].img = pattern(9000, 77);
	make(format, &p, &got);
	p.b.cache = NULL;
	make(format, &p, &other);
	assert_true(same(&got, &other));
	assert_false(same(&got, &plain));
	/* Something else under the same name: what was kept comes instead. */
	image_free(p.personal);
	p.personal = p.v[1].img = busy(99);
	p.b.cache = cache;
	make(format, &p, &got);
	assert_true(same(&got, &other));
	p.b.cache = NULL;
	make(format, &p, &got);
	assert_false(same(&got, &other));
	assert_int_equal(diag_count(d), 0);
}

static void test_the_cache_changes_no_byte(void **state)
{
	(void)state;
	cache_changes_nothing("fastboot");
	cache_changes_nothing("odin");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_cache_changes_no_byte, setup, teardown),
		IN_DIR(test_every_packer_sees_every_byte_in_order),
		IN_DIR(test_nothing_is_published_that_is_not_approved),
		IN_DIR(test_nothing_is_published_when_a_packer_fails),
		IN_DIR(test_a_read_error_is_reported_once),
		IN_DIR(test_progress_ends_at_the_whole_and_can_cancel),
		IN_DIR(test_disk_is_what_gpt_compose_makes),
		IN_DIR(test_bytes_do_not_depend_on_the_number_of_jobs),
		IN_DIR(test_a_scatter_file_says_where_images_go),
		IN_DIR(test_names_that_need_quoting_are_refused),
		IN_DIR(test_partitions_that_cannot_be_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
