/* Payloads of updates: the manifest's bytes field by field, what a stranger may write, packages full and from a former build. */
#include "tests/unit/formats.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <unistd.h>

#include "imagegen/base/bytes.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/io.h"
#include "imagegen/base/tmpfile.h"
#include "imagegen/bundle/delta.h"
#include "imagegen/bundle/packer.h"
#include "imagegen/bundle/payload_read.h"
#include "imagegen/bundle/xz.h"
#include "imagegen/manifest/manifest.h"
#include "imagegen/sign/sign.h"
#include "imagegen/zip/read.h"
#include "tests/unit/fixture_signer.h"

/* The manifest */

static void test_manifest_has_the_fields_of_the_format(void **state)
{
	(void)state;
	/* Tags are field << 3 | wire type (0 number, 2 bytes), by hand from update_metadata.proto. */
	static const uint8_t
		want
			[] = {
				0x18, 0x80, 0x20,                         /* 3 block_size: 4096 */
				0x20, 0xac, 0x02,                         /* 4 signatures_offset: 300 */
				0x28, 0x07,                               /* 5 signatures_size: 7 */
				0x60, 0x04,                               /* 12 minor_version: 4 */
				0x6a, 0x85, 0x01,                         /* 13 partitions: 133 bytes */
				0x0a, 0x04, 'b',  'o',  'o',  't',        /* 1 partition_name */
				0x32, 0x25, 0x08, 0x80, 0x20, 0x12, 0x20, /* 6 old_partition_info: 1 size 4096, 2 hash */
				1,    1,    1,    1,    1,    1,    1,    1,   1,    1,    1, 1, 1, 1, 1, 1,    1,
				1,    1,    1,    1,    1,    1,    1,    1,   1,    1,    1, 1, 1, 1, 1, 0x3a, 0x25,
				0x08, 0x80, 0x40, 0x12, 0x20, /* 7 new_partition_info: 1 size 8192, 2 hash */
				2,    2,    2,    2,    2,    2,    2,    2,   2,    2,    2, 2, 2, 2, 2, 2,    2,
				2,    2,    2,    2,    2,    2,    2,    2,   2,    2,    2, 2, 2, 2, 2, 0x42, 0x2f, /* 8 operations */
				0x08, 0x08,                         /* 1 type: REPLACE_XZ */
				0x10, 0x05,                         /* 2 data_offset */
				0x18, 0x80, 0x01,                   /* 3 data_length: 128 */
				0x32, 0x04, 0x08, 0x00, 0x10, 0x02, /* 6 dst_extents: 1 start_block 0, 2 num_blocks 2 */
				0x42, 0x20,                         /* 8 data_sha256_hash */
				3,    3,    3,    3,    3,    3,    3,    3,   3,    3,    3, 3, 3, 3, 3, 3,    3,
				3,    3,    3,    3,    3,    3,    3,    3,   3,    3,    3, 3, 3, 3, 3, 0x70, 0x2a, /* 14 max_timestamp */
				0x7a, 0x15,                                                /* 15 dynamic_partition_metadata */
				0x0a, 0x11, 0x0a, 0x04, 'm',  'a',  'i',  'n', 0x10, 0x09, /* 1 groups: 1 name, 2 size */
				0x1a, 0x07, 'p',  'r',  'o',  'd',  'u',  'c', 't',        /* 3 partition_names */
				0x10, 0x01,                                                /* 2 snapshot_enabled */
				0x92, 0x01, 0x02, '2',  '6',                               /* 18 security_patch_level */
			};
	const char *logical[] = { "product" };
	struct buf got CLEANUP(buf_fini) = BUF_INIT;
	struct payload p CLEANUP(payload_fini) = { .block_len = 4096,
						   .signatures_at = 300,
						   .signatures_len = 7,
						   .minor = 4,
						   .max_timestamp = 42,
						   .patch_level = mem_strdup("26"),
						   .group = "main",
						   .group_len = 9,
						   .logical = logical,
						   .logical_count = 1,
						   .snapshots = true };
	p.parts = mem_array(struct payload_part, 1);
	p.parts_count = 1;
	p.parts[0] = (struct payload_part){ .name = mem_strdup("boot"), .has_old = true, .old_len = 4096, .new_len = 8192 };
	memset(p.parts[0].old_sha256, 1, 32);
	memset(p.parts[0].new_sha256, 2, 32);
	p.parts[0].ops = mem_array(struct payload_op, 1);
	p.parts[0].ops_count = 1;
	p.parts[0].ops[0] = (struct payload_op){ .type = 8, .data_at = 5, .data_len = 128, .has_data_sha256 = true };
	memset(p.parts[0].ops[0].data_sha256, 3, 32);
	payload_extend(&p.parts[0].ops[0].dst, 0, 1);
	payload_extend(&p.parts[0].ops[0].dst, 1, 1);
	payload_emit(&p, &got);
	assert_int_equal(buf_error(&got), 0);
	assert_int_equal(got.len, sizeof(want));
	assert_memory_equal(got.data, want, sizeof(want));

	struct payload read CLEANUP(payload_fini) = { 0 };
	assert_null(payload_parse(got.data, got.len, 307, &read));
	assert_int_equal(read.parts_count, 1);
	assert_string_equal(read.parts[0].name, "boot");
	assert_string_equal(read.patch_level, "26");
	assert_int_equal(read.minor, 4);
	assert_int_equal(read.parts[0].new_len, 8192);
	assert_memory_equal(read.parts[0].old_sha256, p.parts[0].old_sha256, 32);
	assert_int_equal(read.parts[0].ops[0].type, PAYLOAD_REPLACE_XZ);
	assert_int_equal(read.parts[0].ops[0].dst.v[0].count, 2);
	/* Cut off anywhere it is no manifest, or one that lacks something. */
	for (size_t len = 11; len < 13 + 133; len++) {
		struct payload cut CLEANUP(payload_fini) = { 0 };
		assert_non_null(payload_parse(got.data, len, 307, &cut));
	}
	struct payload out CLEANUP(payload_fini) = { 0 };
	assert_string_equal(payload_parse(got.data, got.len, 306, &out), "its signature lies outside");
	struct payload small CLEANUP(payload_fini) = { 0 };
	assert_string_equal(payload_parse(got.data, got.len, 132, &small), "an operation cannot be");
}

static void test_head_is_big_endian(void **state)
{
	(void)state;
	static const uint8_t want[] = { 'C', 'r', 'A', 'U', 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 1, 0x0f };
	struct buf b CLEANUP(buf_fini) = BUF_INIT;
	struct payload_head h;
	payload_emit_head(258, 271, &b);
	assert_int_equal(b.len, sizeof(want));
	assert_memory_equal(b.data, want, sizeof(want));
	assert_null(payload_parse_head(b.data, 24 + 258 + 271, &h));
	assert_int_equal(h.manifest_len, 258);
	assert_int_equal(h.signature_len, 271);
	assert_non_null(payload_parse_head(b.data, 24 + 258 + 270, &h));
	put_be64(b.data + 12, UINT64_MAX);
	assert_non_null(payload_parse_head(b.data, UINT64_MAX, &h));
	put_be64(b.data + 4, 1);
	assert_non_null(payload_parse_head(b.data, 1000, &h));
}

static void test_signatures_message(void **state)
{
	(void)state;
	static const uint8_t want[] = { 0x0a, 0x0a, 0x12, 0x03, 7, 8, 9, 0x1d, 3, 0, 0, 0 };
	struct buf b CLEANUP(buf_fini) = BUF_INIT;
	struct payload_signature s[2];
	size_t count = 0;
	payload_emit_signatures((const uint8_t[]){ 7, 8, 9 }, 3, &b);
	assert_int_equal(b.len, sizeof(want));
	assert_memory_equal(b.data, want, sizeof(want));
	assert_true(payload_parse_signatures(b.data, b.len, s, 2, &count));
	assert_int_equal(count, 1);
	assert_int_equal(s[0].len, 3);
	assert_memory_equal(s[0].data, want + 4, 3);
	assert_false(payload_parse_signatures(b.data, b.len - 1, s, 2, &count));
}

/* An operation of a manifest with this destination, in a partition of two blocks. */
static const char *parse_op(uint64_t start, uint64_t blocks, uint64_t data_len)
{
	struct buf extent CLEANUP(buf_fini) = BUF_INIT, op CLEANUP(buf_fini) = BUF_INIT, part CLEANUP(buf_fini) = BUF_INIT,
			  info CLEANUP(buf_fini) = BUF_INIT, all CLEANUP(buf_fini) = BUF_INIT;
	static const uint8_t hash[32];
	struct payload p CLEANUP(payload_fini) = { 0 };
	wire_number(&extent, 1, start);
	wire_number(&extent, 2, blocks);
	wire_number(&op, 1, 0);
	wire_number(&op, 2, 10);
	wire_number(&op, 3, data_len);
	wire_message(&op, 6, &extent);
	wire_number(&info, 1, 8192);
	wire_bytes(&info, 2, hash, 32);
	wire_text(&part, 1, "boot");
	wire_message(&part, 7, &info);
	wire_message(&part, 8, &op);
	wire_message(&all, 13, &part);
	return payload_parse(all.data, all.len, 100, &p);
}

static void test_operations_stay_inside(void **state)
{
	(void)state;
	assert_null(parse_op(0, 2, 90));
	assert_null(parse_op(1, 1, 0));
	assert_string_equal(parse_op(0, 2, 91), "an operation cannot be");
	assert_string_equal(parse_op(0, 2, UINT64_MAX - 5), "an operation cannot be");
	assert_string_equal(parse_op(0, 3, 1), "an operation reaches outside its partition");
	assert_string_equal(parse_op(2, 1, 1), "an operation reaches outside its partition");
	assert_string_equal(parse_op(UINT64_MAX, 2, 1), "an operation cannot be");
	assert_string_equal(parse_op(0, 0, 1), "an operation cannot be");
}

static void test_xz_packs_and_unpacks(void **state)
{
	(void)state;
	static uint8_t data[100000], packed[100000], back[100000];
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i / 100);
	size_t len = xz_pack(data, sizeof(data), packed);
	assert_true(len > 0 && len < 10000);
	assert_memory_equal(packed,
			    "\xfd"
			    "7zXZ\0\0\1",
			    8); /* stream flags: check is CRC-32 */
	assert_true(xz_unpack(packed, len, false, back, sizeof(back)));
	assert_memory_equal(back, data, sizeof(data));
	assert_false(xz_unpack(packed, len, false, back, sizeof(back) - 1));
	assert_false(xz_unpack(packed, len - 1, false, back, sizeof(back)));
	assert_false(xz_unpack(packed, len, true, back, sizeof(back)));
	packed[len / 2] ^= 1;
	assert_false(xz_unpack(packed, len, false, back, sizeof(back)));
	uint32_t x = 1;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)((x = x * 1664525 + 1013904223) >> 24);
	assert_int_equal(xz_pack(data, sizeof(data), packed), 0);
}

/* Blocks, each filled with what the text says: '.' is zeros. */
static struct image *blocks(const char *text)
{
	size_t len = strlen(text) * 4096;
	uint8_t *p = mem_zeroed(1, len);
	for (size_t i = 0; text[i]; i++)
		for (size_t k = 0; text[i] != '.' && k < 4096; k++)
			p[i * 4096 + k] = (uint8_t)(text[i] * 31 + (int)(k * k) % 251);
	return image_mem(p, len);
}

static void test_delta_finds_blocks(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct image *old CLEANUP(image_freep) = blocks("abcdbx");
	struct image *new CLEANUP(image_freep) = blocks("dbcbyx");
	static const int want[] = { 3, 4, 2, 1, -1, 5 };
	struct delta *x CLEANUP(delta_freep) = NULL;
	uint8_t *all CLEANUP_FREE = whole(new), *was CLEANUP_FREE = whole(old), sum[32];
	assert_int_equal(delta_new(old, &x, d), 0);
	SHA256(was, image_len(old), sum);
	assert_memory_equal(delta_sha256(x), sum, 32);
	for (uint64_t i = 0; i < 6; i++) {
		uint64_t found = 99;
		int rc = delta_find(x, i, all + i * 4096, &found, d);
		assert_int_equal(rc, want[i] < 0);
		assert_int_equal(rc ? -1 : (int)found, want[i]);
	}
}

/* Packages */

struct package {
	char *path;
	struct image *img;
	struct zip_dir zip;
	struct payload_file f;
};

static void package_fini(struct package *p)
{
	if (p->img)
		payload_close(&p->f);
	zip_dir_fini(&p->zip);
	image_free(p->img);
	free(p->path);
}

static const struct manifest *components; /* whose versions the packages have */

static int pack(struct image *boot, struct image *product, const char *version, const char *from, struct signer *s, struct diag *d,
		char **ret_path)
{
	struct bundle_part parts[] = {
		{ .name = "boot", .img = boot, .len = align_up(image_len(boot), MIB), .slots = true },
		{ .name = "product", .img = product, .len = align_up(image_len(product), MIB), .slots = true },
	};
	struct bundle b = { .product = "acme",
			    .manifest = components,
			    .version = version,
			    .board = "virt",
			    .parts = parts,
			    .parts_count = 2,
			    .epoch = 1700000000,
			    .signer = s,
			    .update_from = from,
			    .out_dir = tmpdir_path(dir) };
	const struct bundle_job job = { &b, packer_find("ota") };
	struct bundle_outputs outputs CLEANUP(bundle_outputs_fini) = { 0 };
	if (bundle_write(&job, 1, 2, NULL, NULL, &outputs, d) < 0)
		return -1;
	assert_int_equal(outputs.count, 1);
	*ret_path = mem_strdup(outputs.v[0].path);
	return 0;
}

static void open_package(struct package *p)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	assert_int_equal(image_open(p->path, &p->img), 0);
	assert_int_equal(zip_read(p->img, p->path, &p->zip, d), 0);
	const struct zip_entry *e = zip_find(&p->zip, "payload.bin");
	assert_non_null(e);
	assert_int_equal(e->method, 0);
	assert_int_equal(payload_open(p->img, e->at, e->len, p->path, &p->f, d), 0);
	for (size_t i = 0; i < p->zip.count; i++)
		assert_int_equal(zip_check(p->img, p->path, &p->zip.v[i], d), 0);
}

static void expect_result(const struct package *p, size_t part, const struct image *old, const struct image *want)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	int fd CLEANUP(fd_closep) = tmpfile_unlinked(tmpdir_path(dir));
	uint8_t *bytes CLEANUP_FREE = whole(want), *got CLEANUP_FREE = mem_zeroed(1, image_len(want));
	assert_int_equal(payload_apply(&p->f, &p->f.p.parts[part], old, fd, d), 0);
	assert_int_equal(io_pread_all(fd, got, image_len(want), 0), 0);
	assert_memory_equal(got, bytes, image_len(want));
	assert_int_equal(p->f.p.parts[part].new_len, align_up(image_len(want), 4096));
}

static void test_full_package_has_everything(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct image *boot CLEANUP(image_freep) = pattern(10000, 3), *data CLEANUP(image_freep) = pattern(3 * MIB + 5, 9);
	const struct image_piece pieces[] = { { data, MIB } };
	struct image *product CLEANUP(image_freep) = image_compose(5 * MIB, pieces, 1);
	struct package p CLEANUP(package_fini) = { 0 };
	assert_int_equal(pack(boot, product, "1", NULL, signer, d, &p.path), 0);
	assert_non_null(strstr(p.path, "/acme-ota-1.zip"));
	open_package(&p);
	assert_int_equal(p.f.p.minor, 0);
	assert_int_equal(p.f.p.parts[0].ops_count, 1);
	assert_int_equal(p.f.p.parts[1].ops_count, 3);
	expect_result(&p, 0, NULL, boot);
	expect_result(&p, 1, NULL, product);
	assert_int_equal(payload_check(&p.f, d), 0);
	assert_true(payload_verify(&p.f, signer_public(signer)));
	EVP_PKEY *other CLEANUP(EVP_PKEY_freep) = EVP_RSA_gen(2048);
	assert_false(payload_verify(&p.f, other));
	/* The places that the metadata names are those of the members. */
	uint8_t *text CLEANUP_FREE = NULL;
	const struct zip_entry *e = zip_find(&p.zip, "META-INF/com/android/metadata"), *payload = zip_find(&p.zip, "payload.bin"),
			       *pb = zip_find(&p.zip, "META-INF/com/android/metadata.pb");
	assert_int_equal(zip_take(p.img, p.path, e, 65536, &text, d), 0);
	char *places CLEANUP_FREE = mem_printf("payload.bin:%llu:%llu,", (unsigned long long)payload->at, (unsigned long long)payload->len);
	char *own CLEANUP_FREE = mem_printf("metadata:%llu:%llu,metadata.pb:%llu:%llu", (unsigned long long)e->at,
					    (unsigned long long)e->len, (unsigned long long)pb->at, (unsigned long long)pb->len);
	assert_non_null(strstr((char *)text, places));
	assert_non_null(strstr((char *)text, own));
	assert_non_null(strstr((char *)text, "\npost-build=acme/virt:1\n"));
	assert_null(strstr((char *)text, "pre-build"));
}

static unsigned count_ops(const struct payload_part *part, uint64_t type)
{
	unsigned n = 0;
	for (size_t i = 0; i < part->ops_count; i++)
		n += part->ops[i].type == type;
	return n;
}

static void test_an_update_copies_what_was_there(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct image *boot CLEANUP(image_freep) = pattern(10000, 3), *boot2 CLEANUP(image_freep) = pattern(10000, 4);
	struct image *old CLEANUP(image_freep) = blocks("abcdefghijkl"), *new CLEANUP(image_freep) = blocks("abXcdef..ghl");
	struct package from CLEANUP(package_fini) = { 0 }, p CLEANUP(package_fini) = { 0 };
	assert_int_equal(pack(boot, old, "1", NULL, signer, d, &from.path), 0);
	assert_int_equal(pack(boot2, new, "2", from.path, NULL, d, &p.path), 0);
	assert_non_null(strstr(p.path, "/acme-ota-1-to-2.zip"));
	open_package(&from);
	open_package(&p);
	const struct payload_part *part = &p.f.p.parts[1];
	assert_int_equal(p.f.p.minor, 4);
	assert_int_equal(p.f.p.signatures_len, 0);
	assert_false(payload_verify(&p.f, signer_public(signer)));
	/* ab, X, cdef, .., gh, l */
	assert_int_equal(part->ops_count, 6);
	assert_int_equal(count_ops(part, PAYLOAD_SOURCE_COPY), 4);
	assert_int_equal(count_ops(part, PAYLOAD_ZERO), 1);
	assert_int_equal(part->ops[2].src.v[0].start, 2);
	assert_int_equal(part->ops[2].src.v[0].count, 4);
	assert_true(part->ops[2].has_src_sha256);
	assert_true(part->has_old);
	assert_memory_equal(part->old_sha256, from.f.p.parts[1].new_sha256, 32);
	expect_result(&p, 0, boot, boot2);
	expect_result(&p, 1, old, new);
	/* On anything else it fails, and says so. */
	int fd CLEANUP(fd_closep) = tmpfile_unlinked(tmpdir_path(dir));
	assert_int_equal(payload_apply(&p.f, part, new, fd, d), -1);
	expect_only(&d, MVP0570);
	assert_int_equal(payload_apply(&p.f, part, NULL, fd, d), -1);
	expect_only(&d, MVP0570);
	/* An update is nothing to start from. */
	char *no CLEANUP_FREE = NULL;
	assert_int_equal(pack(boot2, new, "3", p.path, NULL, d, &no), -1);
	expect_only(&d, MVP0558);
	assert_int_equal(pack(boot2, new, "3", "/dev/null/none", NULL, d, &no), -1);
	expect_only(&d, MVP0558);
}

/* The hypervisor is updated, the personas stay. */
static void test_what_an_update_leaves_must_fit_what_it_brings(void **state)
{
	(void)state;
	static const struct {
		uint64_t hypervisor, personal, work; /* versions of the new build */
		uint64_t needs_work;                 /* by its hypervisor */
		bool ok;
	} cases[] = {
		{ 4, 2, 1, 0, true }, { 3, 2, 1, 0, true },  { 2, 2, 1, 0, false }, /* back */
		{ 5, 2, 1, 1, true }, { 5, 9, 9, 2, false }, /* a work side that is in this build, but not on the handset */
		{ 5, 0, 0, 0, true },                        /* nor does it matter that it is older */
	};
	struct image *boot CLEANUP(image_freep) = pattern(10000, 3), *product CLEANUP(image_freep) = pattern(8192, 9);
	struct manifest old = { .hypervisor.component = { .version.v = 3 } };
	struct package from CLEANUP(package_fini) = { 0 };
	struct diag *d CLEANUP(diag_freep) = diag_new();
	old.personas[PERSONA_PERSONAL].component = (struct component_version){ .version.v = 2, .needs[COMPONENT_HYPERVISOR].v = 3 };
	old.personas[PERSONA_WORK].component.version.v = 1;
	components = &old;
	assert_int_equal(pack(boot, product, "1", NULL, NULL, d, &from.path), 0);
	open_package(&from);
	uint8_t *text CLEANUP_FREE = NULL;
	assert_int_equal(zip_take(from.img, from.path, zip_find(&from.zip, "META-INF/com/android/metadata"), 65536, &text, d), 0);
	static const char want[] =
		"mvp-hypervisor-version=3\nmvp-personal-needs-hypervisor=3\nmvp-personal-version=2\nmvp-work-version=1\nota-";
	assert_memory_equal(text, want, strlen(want));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct manifest m = { .hypervisor.component = { .version.v = cases[i].hypervisor,
								.needs[COMPONENT_WORK].v = cases[i].needs_work } };
		char *path CLEANUP_FREE = NULL;
		m.personas[PERSONA_PERSONAL].component.version.v = cases[i].personal;
		m.personas[PERSONA_WORK].component.version.v = cases[i].work;
		components = &m;
		assert_int_equal(pack(boot, product, "2", from.path, NULL, d, &path), cases[i].ok ? 0 : -1);
		if (!cases[i].ok)
			expect_only(&d, MVP0213);
	}
	components = NULL;
}

static void test_a_wrong_byte_is_found(void **state)
{
	(void)state;
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct image *boot CLEANUP(image_freep) = pattern(10000, 3), *product CLEANUP(image_freep) = pattern(8192, 9);
	struct package p CLEANUP(package_fini) = { 0 };
	assert_int_equal(pack(boot, product, "5", NULL, signer, d, &p.path), 0);
	open_package(&p);
	uint8_t *bytes = whole(p.img);
	bytes[p.f.blobs_at + 100] ^= 1;
	struct image *bad CLEANUP(image_freep) = image_mem(bytes, image_len(p.img));
	struct payload_file f CLEANUP(payload_close) = { 0 };
	assert_int_equal(payload_open(bad, p.f.at, p.f.len, "bad", &f, d), 0);
	assert_int_equal(payload_check(&f, d), -1);
	expect_only(&d, MVP0571);
	assert_int_equal(zip_check(bad, "bad", zip_find(&p.zip, "payload.bin"), d), -1);
	expect_only(&d, MVP0571);
	int fd CLEANUP(fd_closep) = tmpfile_unlinked(tmpdir_path(dir));
	assert_int_equal(payload_apply(&f, &f.p.parts[0], NULL, fd, d), -1);
	expect_only(&d, MVP0570);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_manifest_has_the_fields_of_the_format),
		cmocka_unit_test(test_head_is_big_endian),
		cmocka_unit_test(test_signatures_message),
		cmocka_unit_test(test_operations_stay_inside),
		cmocka_unit_test(test_xz_packs_and_unpacks),
		cmocka_unit_test(test_delta_finds_blocks),
		cmocka_unit_test(test_full_package_has_everything),
		cmocka_unit_test(test_an_update_copies_what_was_there),
		cmocka_unit_test(test_what_an_update_leaves_must_fit_what_it_brings),
		cmocka_unit_test(test_a_wrong_byte_is_found),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
