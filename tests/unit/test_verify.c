/* What mvpctl verify finds: boot images by hash, systems by hash tree, in a disk in a disk; and every kind of damage. */
#include "tests/unit/formats.h"

#include <stdio.h>
#include <unistd.h>

#include "imagegen/avb/verity.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/io.h"
#include "imagegen/base/tmpfile.h"
#include "imagegen/gpt/gpt.h"
#include "imagegen/verify/verify.h"
#include "tests/unit/fixture_signer.h"

static struct image *disk_of(struct gpt_part *parts, size_t count)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	const uint8_t uuid[16] = { 9 };
	struct image *img = NULL;
	for (size_t i = 0; i < count; i++) {
		memcpy(parts[i].type, gpt_type_linux, 16);
		parts[i].uuid[0] = (uint8_t)(i + 1);
	}
	assert_int_equal(gpt_compose(parts, count, uuid, 0, &img, d), 0);
	return img;
}

struct handset {
	struct image *disk;
	uint64_t boot_at, system_at, vbmeta_at; /* in the disk */
};

/* A disk with a disk in it: boot by its hash, system by its tree, the vbmeta that says so. */
static struct handset handset(void)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct image *boot CLEANUP(image_freep) = pattern(40960, 1), *system CLEANUP(image_freep) = pattern(300 * 4096, 2);
	struct avb a CLEANUP(avb_fini) = AVB_INIT;
	struct avb_digest h = { .salt_len = 32, .salt = { 7 } };
	const struct verity_opts vo = { .salt_len = 32, .salt = { 8 }, .jobs = 1, .tmp_dir = tmpdir_path(dir) };
	struct verity v CLEANUP(verity_fini) = { 0 };
	const struct avb_opts ao = { .signer = signer, .rollback_index = 3, .name = "vbmeta", .padding = AVB_BLOCK };
	uint8_t *bytes;
	size_t len;
	assert_int_equal(avb_hash_image(boot, &h, d), 0);
	assert_int_equal(verity_build(system, &vo, &v, d), 0);
	avb_add_hash(&a, "boot", image_len(boot), &h);
	avb_add_hashtree(&a, "system", &v.details);
	assert_int_equal(avb_emit(&a, &ao, &bytes, &len, d), 0);
	struct image *vbmeta CLEANUP(image_freep) = image_mem(bytes, len), *whole CLEANUP(image_freep) = verity_compose(system, &v);
	struct gpt_part inner[] = { { .name = "boot", .img = boot },
				    { .name = "vbmeta", .img = vbmeta },
				    { .name = "system", .img = whole } };
	struct image *persona CLEANUP(image_freep) = disk_of(inner, 3);
	struct gpt_part outer[] = { { .name = "personal", .img = persona } };
	struct handset r = { .disk = disk_of(outer, 1) };
	r.boot_at = outer[0].at + inner[0].at;
	r.vbmeta_at = outer[0].at + inner[1].at;
	r.system_at = outer[0].at + inner[2].at;
	return r;
}

/* Verifies the disk with the byte at `at` changed (UINT64_MAX: none). */
static int verify(const struct handset *s, uint64_t at, EVP_PKEY *key, struct verify *r, struct diag *d)
{
	char *path CLEANUP_FREE = mem_printf("%s/disk.img", tmpdir_path(dir));
	uint8_t *bytes CLEANUP_FREE = whole(s->disk);
	FILE *f CLEANUP(file_closep) = fopen(path, "we");
	const struct verify_opts o = { .keys = &key, .keys_count = key != NULL, .tmp_dir = tmpdir_path(dir) };
	if (at != UINT64_MAX)
		bytes[at] ^= 1;
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, image_len(s->disk), f), image_len(s->disk));
	assert_int_equal(fflush(f), 0);
	return verify_file(path, &o, r, d);
}

static void handset_fini(struct handset *s)
{
	image_freep(&s->disk);
}

static void test_a_sound_disk_is_found_so(void **state)
{
	(void)state;
	struct handset s CLEANUP(handset_fini) = handset();
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct verify r CLEANUP(verify_fini) = { 0 };
	static const char *const want[] = { "partition table", "personal", "personal/vbmeta", "personal/boot", "personal/system" };
	assert_int_equal(verify(&s, UINT64_MAX, signer_public(signer), &r, d), 0);
	assert_int_equal(diag_count(d), 0);
	assert_int_equal(r.count, ARRAY_LEN(want));
	for (size_t i = 0; i < r.count; i++) {
		assert_string_equal(r.v[i].name, want[i]);
		assert_false(r.v[i].open);
	}
}

static int verify_vbmeta(const struct avb *a, uint32_t flags, struct verify *r)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	const struct avb_opts o = { .signer = signer, .name = "vbmeta", .flags = flags };
	uint8_t *bytes;
	size_t len;
	assert_int_equal(avb_emit(a, &o, &bytes, &len, d), 0);
	struct handset s CLEANUP(handset_fini) = { .disk = image_mem(bytes, len) };
	return verify(&s, UINT64_MAX, signer_public(signer), r, d);
}

/* What nobody looks at is not passed over in silence. */
static void test_what_is_left_open_is_said(void **state)
{
	(void)state;
	struct avb a CLEANUP(avb_fini) = AVB_INIT;
	static const char *const flags[] = { NULL, "hash trees", "verification", "verification" };
	avb_add_chain(&a, "vbmeta_system", 2, (const uint8_t *)"key", 3);
	for (uint32_t i = 0; i < ARRAY_LEN(flags); i++) {
		struct verify r CLEANUP(verify_fini) = { 0 };
		assert_int_equal(verify_vbmeta(&a, i, &r), 0);
		const size_t last = r.count - 1;
		assert_int_equal(r.count, flags[i] ? 3 : 2);
		assert_string_equal(r.v[last].name, "vbmeta_system");
		assert_true(r.v[last].open);
		/* SHA-256 of "key" */
		assert_non_null(strstr(r.v[last].finding, "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683"));
		assert_true(!flags[i] || (r.v[1].open && strstr(r.v[1].finding, flags[i])));
	}
}

static void test_each_damage_is_found(void **state)
{
	(void)state;
	struct handset s CLEANUP(handset_fini) = handset();
	EVP_PKEY *other CLEANUP(EVP_PKEY_freep) = EVP_RSA_gen(2048);
	const struct {
		uint64_t at;
		enum diag_code code;
	} cases[] = {
		{ s.boot_at + 40959, MVP0643 },
		{ s.system_at + 299 * 4096, MVP0643 },
		{ s.vbmeta_at + 119, MVP0572 }, /* its rollback index */
		{ image_len(s.disk) - 512, MVP0503 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct diag *d CLEANUP(diag_freep) = diag_new();
		struct verify r CLEANUP(verify_fini) = { 0 };
		assert_int_equal(verify(&s, cases[i].at, signer_public(signer), &r, d), -1);
		expect_only(&d, cases[i].code);
	}
	/* Another key is wrong, and none leaves the signature open. */
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct verify r CLEANUP(verify_fini) = { 0 }, open CLEANUP(verify_fini) = { 0 };
	assert_int_equal(verify(&s, UINT64_MAX, other, &r, d), -1);
	expect_only(&d, MVP0572);
	assert_int_equal(verify(&s, UINT64_MAX, NULL, &open, d), 0);
	assert_true(open.v[2].open);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_sound_disk_is_found_so),
		cmocka_unit_test(test_what_is_left_open_is_said),
		cmocka_unit_test(test_each_damage_is_found),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
