/* Super partitions: the bytes that AOSP's lpmake makes of the same, and what our reader finds in them. */
#include "tests/unit/formats.h"

#include <openssl/sha.h>

#include "imagegen/base/text.h"
#include "imagegen/lp/lp_write.h"

static void expect_sha256(const uint8_t *data, size_t len, const char *want)
{
	uint8_t sum[32];
	char hex[65];
	SHA256(data, len, sum);
	assert_string_equal(text_hex(sum, sizeof(sum), hex), want);
}

/* 300 blocks, block i filled with i % 251. */
static struct image *known(void)
{
	uint8_t *p = mem_zeroed(300, 4096);
	for (size_t i = 0; i < 300; i++)
		memset(p + i * 4096, (int)(i % 251), 4096);
	return image_mem(p, 300 * (size_t)4096);
}

static const struct lp_group groups[] = { { "g_a", 32 * MIB }, { "g_b", 32 * MIB } };

static struct lp_opts opts_of(const struct lp_new *parts, size_t count)
{
	return (struct lp_opts){ .device = "super",
				 .len = 64 * MIB,
				 .metadata_len = 65536,
				 .slots = 3,
				 .virtual_ab = true,
				 .groups = groups,
				 .groups_count = 2,
				 .parts = parts,
				 .parts_count = count };
}

static void test_the_bytes_are_lpmakes(void **state)
{
	(void)state;
	struct image *img CLEANUP(image_freep) = known(), *super CLEANUP(image_freep) = NULL;
	const struct lp_new parts[] = { { "system_a", LP_READONLY, 1, img }, { "system_b", LP_READONLY, 2, NULL } };
	const struct lp_opts o = opts_of(parts, 2);
	struct buf empty CLEANUP(buf_fini) = BUF_INIT;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	assert_int_equal(lp_compose(&o, &super, &empty, d), 0);
	assert_int_equal(empty.len, 4688);
	expect_sha256(empty.data, empty.len, "bc491c2987e0c8dbe1587716def2550c3ffcb44eed4574e5a866b18d12d31a1e");
	uint8_t *all CLEANUP_FREE = whole(super);
	expect_sha256(all, image_len(super), "c00563f658fe15bfd72cdd22bf5835f0fc47a2e1156488337d7400503ce84b61");
}

static void test_our_reader_finds_what_was_written(void **state)
{
	(void)state;
	struct image *img CLEANUP(image_freep) = known(), *super CLEANUP(image_freep) = NULL, *got CLEANUP(image_freep) = NULL;
	const struct lp_new parts[] = { { "empty", 0, 0, NULL }, { "product", LP_READONLY, 0, img } };
	const struct lp_opts o = { .device = "super", .metadata_len = 4096, .slots = 2, .parts = parts, .parts_count = 2 };
	struct buf empty CLEANUP(buf_fini) = BUF_INIT;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct lp *lp CLEANUP(lp_freep) = NULL;
	assert_int_equal(lp_compose(&o, &super, &empty, d), 0);
	assert_int_equal(image_len(super), 3 * MIB);
	assert_int_equal(lp_read(super, "super", &lp, d), 0);
	const struct lp_partition *p = lp_find(lp, "product");
	assert_non_null(p);
	assert_int_equal(p->len, image_len(img));
	assert_int_equal(lp_image(lp, p, &got, d), 0);
	uint8_t *want CLEANUP_FREE = whole(img), *have CLEANUP_FREE = whole(got);
	assert_memory_equal(want, have, image_len(img));
	assert_int_equal(lp_find(lp, "empty")->len, 0);
}

static void test_what_does_not_fit_is_refused(void **state)
{
	(void)state;
	struct image *img CLEANUP(image_freep) = image_hole(33 * MIB);
	struct lp_new part = { "system_a", LP_READONLY, 1, img };
	for (int i = 0; i < 4; i++) {
		struct diag *d CLEANUP(diag_freep) = diag_new();
		struct buf empty CLEANUP(buf_fini) = BUF_INIT;
		struct image *super CLEANUP(image_freep) = NULL;
		struct lp_opts o = opts_of(&part, 1);
		part.group = i == 0; /* more than the group may have */
		if (i == 1)
			o.len = 33 * MIB; /* the metadata needs room, too */
		if (i == 2)
			o.metadata_len = 512;
		part.name = i == 3 ? "a name" : "system_a";
		assert_int_equal(lp_compose(&o, &super, &empty, d), -1);
		expect_only(&d, i == 3 ? MVP0552 : MVP0501);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_bytes_are_lpmakes),
		cmocka_unit_test(test_our_reader_finds_what_was_written),
		cmocka_unit_test(test_what_does_not_fit_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
