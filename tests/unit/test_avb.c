/* Android Verified Boot and dm-verity against answers of avbtool 1.3.0 and veritysetup 2.6.1. */
#include "tests/unit/formats.h"

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>

#include "imagegen/avb/fec.h"
#include "imagegen/avb/verity.h"
#include "imagegen/base/bytes.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/text.h"

enum { BLOCKS = 300 };

/* Block i is filled with the byte i mod 251. */
static struct image *known_data(size_t blocks)
{
	uint8_t *p = mem_array(uint8_t, blocks * AVB_BLOCK);
	for (size_t i = 0; i < blocks; i++)
		memset(p + i * AVB_BLOCK, (int)(i % 251), AVB_BLOCK);
	return image_mem(p, blocks * AVB_BLOCK);
}

static struct verity_opts known_opts(uint32_t roots)
{
	struct verity_opts o = { .salt_len = 32, .fec_roots = roots, .jobs = 2, .tmp_dir = "/tmp" };
	for (size_t i = 0; i < o.salt_len; i++)
		o.salt[i] = (uint8_t)i;
	return o;
}

static void expect_hex(const uint8_t *data, size_t len, const char *hex)
{
	char text[2 * AVB_DIGEST_MAX + 1];
	assert_string_equal(text_hex(data, len, text), hex);
}

static void expect_sum(const struct image *img, const char *hex)
{
	uint8_t sum[32], *bytes CLEANUP_FREE = whole(img);
	SHA256(bytes, image_len(img), sum);
	expect_hex(sum, sizeof(sum), hex);
}

static void test_tree_and_parity_are_veritysetups(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct image *data CLEANUP(image_freep) = known_data(BLOCKS);
	struct verity v CLEANUP(verity_fini) = { 0 };
	struct verity_opts o = known_opts(2);
	expect_sum(data, "509fe517bad52d40eff189b566c87f642460a7c55f9d1aba999718e1fe7d7484");
	assert_int_equal(verity_build(data, &o, &v, d), 0);
	expect_hex(v.details.root.digest, 32, "5e0340a7ec05976e629e6811add3590c8e81dce85b601894c1b9dac49da9cfca");
	assert_int_equal(v.details.tree_len, 16384);
	expect_sum(v.tree, "efc68c2b13b43bc1771d816b85543050606b883dbfb67be2204a2ead236a2204");
	assert_int_equal(v.details.fec_len, 16384);
	expect_sum(v.fec, "4084cc181e910f2350752162e7bca5a953a988da1cea86665e0a65c1fc521978");
	char *words CLEANUP_FREE = verity_words(&v);
	assert_string_equal(words, "1,300,300,sha256,5e0340a7ec05976e629e6811add3590c8e81dce85b601894c1b9dac49da9cfca,"
				   "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f,2,304,304");
	struct image *all CLEANUP(image_freep) = verity_compose(data, &v);
	assert_int_equal(image_len(all), (300 + 4 + 4) * AVB_BLOCK);
}

/* Evaluates a codeword at the roots of the generator, where it must be zero: bit by bit, without ISA-L. */
static uint8_t times(uint8_t a, uint8_t b)
{
	unsigned r = 0;
	for (unsigned i = 0; i < 8; i++)
		if (b >> i & 1)
			r ^= (unsigned)a << i;
	for (unsigned i = 15; i > 7; i--)
		if (r >> i & 1)
			r ^= 0x11du << (i - 8);
	return (uint8_t)r;
}

static void expect_codewords(const struct image *all, const struct verity *v, uint32_t roots)
{
	uint8_t *p CLEANUP_FREE = whole(all);
	uint64_t message = v->details.image_len + v->details.tree_len, stripe = v->details.fec_len / roots;
	for (uint64_t c = 0; c < stripe; c += 1 + stripe / 97) {
		uint8_t root = 1;
		for (uint32_t k = 0; k < roots; k++) {
			uint8_t sum = 0;
			for (uint32_t i = 0; i < 255; i++) {
				uint64_t at = c + i * stripe;
				uint8_t symbol = i < 255 - roots ? (at < message ? p[at] : 0) : p[message + c * roots + i - (255 - roots)];
				sum = times(sum, root) ^ symbol;
			}
			assert_int_equal(sum, 0);
			root = times(root, 2);
		}
	}
}

static void test_any_size_and_number_of_threads(void **state)
{
	(void)state;
	static const size_t sizes[] = { 1, 2, 127, 128, 129, 253, 2100 };
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct diag *d CLEANUP(diag_freep) = diag_new();
		struct image *data CLEANUP(image_freep) = pattern(sizes[i] * AVB_BLOCK, 3);
		struct verity one CLEANUP(verity_fini) = { 0 }, many CLEANUP(verity_fini) = { 0 }, none CLEANUP(verity_fini) = { 0 };
		struct verity_opts o = known_opts(i % 2 ? 24 : 3);
		o.jobs = 1;
		assert_int_equal(verity_build(data, &o, &one, d), 0);
		o.jobs = 7;
		assert_int_equal(verity_build(data, &o, &many, d), 0);
		struct image *a CLEANUP(image_freep) = verity_compose(data, &one), *b CLEANUP(image_freep) = verity_compose(data, &many);
		uint8_t *pa CLEANUP_FREE = whole(a), *pb CLEANUP_FREE = whole(b);
		assert_int_equal(image_len(a), image_len(b));
		assert_memory_equal(pa, pb, image_len(a));
		expect_codewords(a, &one, o.fec_roots);
		o.fec_roots = 0;
		assert_int_equal(verity_build(data, &o, &none, d), 0);
		assert_memory_equal(none.details.root.digest, one.details.root.digest, 32);
		assert_null(none.fec);
	}
}

static void test_holes_give_what_zeros_give(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct image *part CLEANUP(image_freep) = pattern(5 * AVB_BLOCK + 100, 9);
	const struct image_piece pieces[] = { { part, 3 * AVB_BLOCK + 50 }, { part, 150 * AVB_BLOCK } };
	struct image *sparse CLEANUP(image_freep) = image_compose(500 * AVB_BLOCK, pieces, 2);
	struct image *full CLEANUP(image_freep) = image_mem(whole(sparse), 500 * AVB_BLOCK);
	struct verity a CLEANUP(verity_fini) = { 0 }, b CLEANUP(verity_fini) = { 0 };
	struct verity_opts o = known_opts(2);
	assert_int_equal(verity_build(sparse, &o, &a, d), 0);
	assert_int_equal(verity_build(full, &o, &b, d), 0);
	uint8_t *ta CLEANUP_FREE = whole(a.tree), *tb CLEANUP_FREE = whole(b.tree), *fa CLEANUP_FREE = whole(a.fec),
		    *fb CLEANUP_FREE = whole(b.fec);
	assert_memory_equal(ta, tb, image_len(a.tree));
	assert_memory_equal(fa, fb, image_len(a.fec));
	assert_memory_equal(a.details.root.digest, b.details.root.digest, 32);
}

static void test_refuses_what_has_no_tree(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct image *odd CLEANUP(image_freep) = pattern(AVB_BLOCK + 1, 1), *none CLEANUP(image_freep) = image_hole(0);
	struct image *data CLEANUP(image_freep) = known_data(4);
	struct verity v = { 0 };
	struct verity_opts o = known_opts(0);
	assert_int_equal(verity_build(odd, &o, &v, d), -1);
	expect_only(&d, MVP0644);
	assert_int_equal(verity_build(none, &o, &v, d), -1);
	expect_only(&d, MVP0644);
	o.fec_roots = 1;
	assert_int_equal(verity_build(data, &o, &v, d), -1);
	expect_only(&d, MVP0644);
	o.fec_roots = 25;
	assert_int_equal(verity_build(data, &o, &v, d), -1);
	expect_only(&d, MVP0644);
	o.fec_roots = 2;
	o.tmp_dir = "/nowhere";
	assert_int_equal(verity_build(data, &o, &v, d), -1);
	expect_only(&d, MVP0644);
}

/* avbtool add_hashtree_footer --algorithm NONE --do_not_generate_fec. */
static void test_hashtree_footer_is_avbtools(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct image *data CLEANUP(image_freep) = known_data(BLOCKS), *img CLEANUP(image_freep) = NULL;
	struct verity v CLEANUP(verity_fini) = { 0 };
	struct verity_opts o = known_opts(0);
	struct avb a CLEANUP(avb_fini) = AVB_INIT;
	uint8_t *vbmeta CLEANUP_FREE = NULL;
	size_t len;
	assert_int_equal(verity_build(data, &o, &v, d), 0);
	avb_add_hashtree(&a, "system", &v.details);
	const struct avb_opts ao = { .release = "avbtool 1.3.0", .name = "system" };
	assert_int_equal(avb_emit(&a, &ao, &vbmeta, &len, d), 0);
	assert_int_equal(len, 512);
	assert_int_equal(avb_with_footer(data, v.tree, vbmeta, len, 2097152, &img, d), 0);
	expect_sum(img, "c467dc63277903f2927e78a6be1ba77b580bf6a9a17e8a499054a507472e9e35");
	image_free(img);
	img = NULL;
	assert_int_equal(avb_with_footer(data, v.tree, vbmeta, len, 1228800 + 16384 + 4096, &img, d), -1);
	expect_only(&d, MVP0641);
}

static EVP_PKEY *test_key;

static int make_key(void **state)
{
	(void)state;
	test_key = EVP_RSA_gen(2048);
	return test_key ? 0 : -1;
}

static int free_key(void **state)
{
	(void)state;
	EVP_PKEY_free(test_key);
	return 0;
}

/* n0inv and rr by their definitions. */
static void test_key_blob_has_what_it_should(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	uint8_t blob[AVB_KEY_BLOB_MAX];
	size_t len;
	assert_int_equal(avb_key_blob(test_key, NULL, blob, &len, d), 0);
	assert_int_equal(len, 520);
	assert_int_equal(get_be32(blob), 2048);
	assert_int_equal((uint32_t)(get_be32(blob + 4) * get_be32(blob + 8 + 252)), 0xffffffff);
	EVP_PKEY *ec CLEANUP(EVP_PKEY_freep) = EVP_EC_gen("P-256"), *small CLEANUP(EVP_PKEY_freep) = EVP_RSA_gen(1024);
	assert_int_equal(avb_key_blob(ec, NULL, blob, &len, d), -1);
	expect_only(&d, MVP0640);
	assert_int_equal(avb_key_blob(small, NULL, blob, &len, d), -1);
	expect_only(&d, MVP0640);
}

static void test_too_much_is_refused(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct avb a CLEANUP(avb_fini) = AVB_INIT;
	uint8_t *big CLEANUP_FREE = mem_array(uint8_t, AVB_VBMETA_MAX), *v = NULL;
	size_t len;
	const struct avb_opts o = { .name = "x" };
	avb_add_property(&a, "key", big, AVB_VBMETA_MAX - 200);
	assert_int_equal(avb_emit(&a, &o, &v, &len, d), -1);
	expect_only(&d, MVP0641);
	avb_add_property(&a, "key", big, 1000);
	assert_int_equal(avb_emit(&a, &o, &v, &len, d), -1);
	expect_only(&d, MVP0641);
}

/* Every descriptor, written and read again; then every byte of the image damaged, one after the other: reading never fails otherwise than
 * by saying so, and what is covered by the hash is missed. */
static void test_what_is_written_is_read(void **state)
{
	(void)state;
	static const uint64_t tags[] = { AVB_TAG_CHAIN, AVB_TAG_HASH, AVB_TAG_PROPERTY, AVB_TAG_CMDLINE, AVB_TAG_HASHTREE };
	static const char *const names[] = { "other", "boot", "com.android.x", "", "system" };
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct avb a CLEANUP(avb_fini) = AVB_INIT;
	uint8_t blob[AVB_KEY_BLOB_MAX], *v CLEANUP_FREE = NULL;
	size_t blob_len, len, at = 0;
	struct avb_info i;
	struct avb_descriptor e;
	assert_int_equal(avb_key_blob(test_key, NULL, blob, &blob_len, d), 0);
	struct avb_digest h = { .salt_len = 5 };
	struct avb_hashtree t = { .image_len = 8192, .tree_at = 8192, .tree_len = 4096 };
	avb_add_chain(&a, "other", 1, blob, blob_len);
	avb_add_hash(&a, "boot", 12345, &h);
	avb_add_property(&a, "com.android.x", "14", 2);
	avb_add_cmdline(&a, AVB_CMDLINE_HASHTREE_ON, "quiet");
	avb_add_hashtree(&a, "system", &t);
	const struct avb_opts o = { .name = "x", .rollback_index = 7, .rollback_location = 3, .padding = 4096 };
	assert_int_equal(avb_emit(&a, &o, &v, &len, d), 0);
	assert_int_equal(len, 4096);
	assert_int_equal(avb_read(v, len, "x", &i, d), 0);
	assert_int_equal(i.rollback_index, 7);
	assert_int_equal(i.rollback_location, 3);
	assert_int_equal(i.algorithm, 0);
	for (size_t n = 0; n < ARRAY_LEN(tags); n++) {
		assert_int_equal(avb_next(v + i.descriptors_at, i.descriptors_len, &at, &e, "x", d), 0);
		assert_int_equal(e.tag, tags[n]);
		assert_string_equal(e.partition, names[n]);
	}
	assert_int_equal(avb_next(v + i.descriptors_at, i.descriptors_len, &at, &e, "x", d), 1);
	assert_int_equal(avb_verify(v, len, test_key, "x", d), -1);
	expect_only(&d, MVP0643);
	for (size_t cut = 0; cut < 300; cut++) {
		assert_int_equal(avb_read(v, cut, "x", &i, d), -1);
		expect_only(&d, MVP0642);
	}
	for (size_t b = 0; b < len; b++) {
		struct diag *quiet CLEANUP(diag_freep) = diag_new();
		v[b] ^= 0xff;
		at = 0;
		if (avb_read(v, len, "x", &i, quiet) == 0)
			while (avb_next(v + i.descriptors_at, i.descriptors_len, &at, &e, "x", quiet) == 0)
				assert_true(e.len <= i.descriptors_len);
		v[b] ^= 0xff;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tree_and_parity_are_veritysetups),
		cmocka_unit_test(test_any_size_and_number_of_threads),
		cmocka_unit_test(test_holes_give_what_zeros_give),
		cmocka_unit_test(test_refuses_what_has_no_tree),
		cmocka_unit_test(test_hashtree_footer_is_avbtools),
		cmocka_unit_test(test_key_blob_has_what_it_should),
		cmocka_unit_test(test_too_much_is_refused),
		cmocka_unit_test(test_what_is_written_is_read),
	};
	return cmocka_run_group_tests(tests, make_key, free_key);
}
