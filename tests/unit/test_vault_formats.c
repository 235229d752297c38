/* The vault's readers of what lies on the disk, against what imagegen writes and against bytes damaged on purpose. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "vault_host.h"

#include "imagegen/base/diag.h"
#include "imagegen/base/image.h"
#include "imagegen/bootimg/bootimg.h"
#include "imagegen/crypt/luks2.h"
#include "imagegen/gpt/gpt.h"

/* Both sides have a gpt.h and a luks2.h; these are the vault's. */
#include "../../vmm/vault/bootimg.c"
#include "../../vmm/vault/crypt.c"
#include "../../vmm/vault/gpt.c"
#include "../../vmm/vault/json.c"
#include "../../vmm/vault/lib.c"
#include "../../vmm/vault/luks2.c"
#include "../../vmm/vault/sha256.c"

static uint8_t *bytes_of(struct image *img)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	uint8_t *p = malloc(image_len(img));
	assert_non_null(p);
	assert_int_equal(image_read(img, 0, p, image_len(img), d), 0);
	return p;
}

/* lib */

static void test_text_is_cut_and_ended(void **state)
{
	(void)state;
	char t[8];
	assert_int_equal(text_format(t, sizeof(t), "%s %u%%", "ab", 42u), 6);
	assert_string_equal(t, "ab 42%");
	assert_int_equal(text_format(t, sizeof(t), "%lx%c", 0x1234567890abcdefUL, 'z'), 7);
	assert_string_equal(t, "1234567");
	assert_int_equal(text_format(t, 1, "abc"), 0);
	assert_string_equal(t, "");
}

static void test_crc32_matches_check_value(void **state)
{
	(void)state;
	assert_int_equal(crc32_add(0, (const uint8_t *)"123456789", 9), 0xcbf43926);
	assert_int_equal(crc32_add(crc32_add(0, (const uint8_t *)"1234", 4), (const uint8_t *)"56789", 5), 0xcbf43926);
}

static void test_sha256_and_pbkdf2_match_openssl(void **state)
{
	(void)state;
	uint8_t data[300], mine[64], theirs[64];
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 31);
	for (size_t len = 0; len <= sizeof(data); len += 7) {
		struct sha256 s;
		sha256_init(&s);
		sha256_add(&s, data, len / 3);
		sha256_add(&s, data + len / 3, len - len / 3);
		sha256_end(&s, mine);
		SHA256(data, len, theirs);
		assert_memory_equal(mine, theirs, SHA256_LEN);
	}
	for (size_t len = 0; len <= 130; len += 13) {
		struct pbkdf2 k;
		uint32_t iterations = 1 + (uint32_t)len;
		pbkdf2_start(&k, data, len, data + 50, 32, iterations, 64);
		unsigned steps = 0;
		while (!pbkdf2_step(&k, 5))
			steps++;
		assert_true(steps >= iterations / 5);
		PKCS5_PBKDF2_HMAC((const char *)data, (int)len, data + 50, 32, (int)iterations, EVP_sha256(), 64, theirs);
		assert_memory_equal(k.out, theirs, 64);
	}
}

/* GPT */

struct disk {
	uint8_t *bytes;
	uint64_t sectors;
	struct image *img;
};

static struct disk make_gpt(void)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	static const uint8_t uuid[16] = { 1 };
	struct gpt_part parts[2] = {
		{ .name = "personal", .len = 3 * MIB, .uuid = { 2 } },
		{ .name = "work", .len = 2 * MIB, .uuid = { 3 } },
	};
	struct disk disk = { 0 };
	for (size_t i = 0; i < 2; i++)
		memcpy(parts[i].type, gpt_type_linux, 16);
	assert_int_equal(gpt_compose(parts, 2, uuid, 0, &disk.img, d), 0);
	disk.bytes = bytes_of(disk.img);
	disk.sectors = image_len(disk.img) / SECTOR;
	return disk;
}

static void free_disk(struct disk *disk)
{
	free(disk->bytes);
	image_free(disk->img);
}

static bool scan(const struct disk *disk, uint64_t lba, struct gpt_scan *s)
{
	struct gpt_table t;
	s->wanted_count = 3;
	s->wanted[0].name = "work";
	s->wanted[1].name = "personal";
	s->wanted[2].name = "personal2";
	if (!gpt_check_header(disk->bytes + lba * SECTOR, lba, disk->sectors, &t))
		return false;
	gpt_scan_start(s, &t);
	for (uint64_t done = 0; done < t.entries_len; done += 1024)
		gpt_scan_feed(s, disk->bytes + t.entries_sector * SECTOR + done, 1024);
	return gpt_scan_end(s);
}

static void test_gpt_finds_partitions_in_both_tables(void **state)
{
	(void)state;
	struct disk disk = make_gpt();
	const uint64_t headers[] = { 1, disk.sectors - 1 };
	for (size_t i = 0; i < 2; i++) {
		struct gpt_scan s = { 0 };
		assert_true(scan(&disk, headers[i], &s));
		assert_true(s.wanted[0].found && s.wanted[1].found && !s.wanted[2].found);
		assert_int_equal(s.wanted[1].sector, 2048);
		assert_int_equal(s.wanted[1].sectors, 6144);
		assert_int_equal(s.wanted[0].sector, 8192);
		assert_int_equal(s.wanted[0].sectors, 4096);
	}
	free_disk(&disk);
}

static void test_gpt_refuses_every_damaged_byte(void **state)
{
	(void)state;
	struct disk disk = make_gpt();
	struct gpt_scan s = { 0 };
	/* Whatever is covered by a checksum: the header but not the rest of its sector, all entries. */
	for (size_t at = SECTOR; at < SECTOR + sizeof(struct mvp_gpt_header); at++) {
		disk.bytes[at] ^= 0x10;
		assert_false(scan(&disk, 1, &s));
		disk.bytes[at] ^= 0x10;
	}
	for (size_t at = 2 * SECTOR; at < 34 * SECTOR; at += 97) {
		disk.bytes[at] ^= 0x10;
		assert_false(scan(&disk, 1, &s));
		disk.bytes[at] ^= 0x10;
	}
	assert_true(scan(&disk, 1, &s));
	free_disk(&disk);
}

/* Sets an entry or header field and mends the checksums. */
static void set_field(struct disk *disk, size_t at, uint64_t value, size_t len)
{
	for (size_t i = 0; i < len; i++)
		disk->bytes[at + i] = (uint8_t)(value >> (8 * i));
	uint32_t crc = crc32_add(0, disk->bytes + 2 * SECTOR, 128 * 128);
	memcpy(disk->bytes + SECTOR + 88, &crc, 4);
	memset(disk->bytes + SECTOR + 16, 0, 4);
	crc = crc32_add(0, disk->bytes + SECTOR, 92);
	memcpy(disk->bytes + SECTOR + 16, &crc, 4);
}

static void test_gpt_refuses_impossible_tables_with_right_checksums(void **state)
{
	(void)state;
	static const struct {
		size_t at;
		uint64_t value;
		size_t len;
	} bad[] = {
		{ SECTOR + 24, 2, 8 },          /* my_lba */
		{ SECTOR + 40, UINT64_MAX, 8 }, /* first usable behind last */
		{ SECTOR + 48, 1u << 30, 8 },   /* last usable outside the disk */
		{ SECTOR + 72, UINT64_MAX, 8 }, /* entries outside the disk */
		{ SECTOR + 72, 1, 8 },          /* entries over the header */
		{ SECTOR + 80, 0, 4 },          /* no entries */
		{ SECTOR + 80, 0xffffffff, 4 },
		{ SECTOR + 84, 127, 4 }, /* entry size */
		{ SECTOR + 84, 384, 4 },
		{ SECTOR + 84, 8192, 4 },
		{ 2 * SECTOR + 32, 1, 8 },          /* a partition over the table */
		{ 2 * SECTOR + 32, 9000, 8 },       /* first behind last */
		{ 2 * SECTOR + 40, UINT64_MAX, 8 }, /* last outside */
		{ 2 * SECTOR + 40, 9000, 8 },       /* overlap */
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct disk disk = make_gpt();
		struct gpt_scan s = { 0 };
		set_field(&disk, bad[i].at, bad[i].value, bad[i].len);
		assert_false(scan(&disk, 1, &s));
		free_disk(&disk);
	}
	struct disk disk = make_gpt();
	struct gpt_scan s = { 0 };
	memcpy(disk.bytes + 2 * SECTOR + 128 + 56, disk.bytes + 2 * SECTOR + 56, 72); /* a name twice */
	set_field(&disk, SECTOR + 20, 0, 4);
	assert_false(scan(&disk, 1, &s));
	free_disk(&disk);
}

/* Boot image */

static struct image *make_bootimg(size_t kernel_len, size_t ramdisk_len)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	uint8_t *kernel = calloc(1, kernel_len), *ramdisk = calloc(1, ramdisk_len + 1);
	assert_true(kernel && ramdisk);
	struct mvp_arm64_header h = { .text_offset = 0, .image_size = kernel_len + 5000, .magic = MVP_ARM64_MAGIC };
	memcpy(kernel, &h, sizeof(h));
	struct bootimg_parts parts = { .kernel = kernel,
				       .kernel_len = kernel_len,
				       .ramdisk = ramdisk_len ? ramdisk : NULL,
				       .ramdisk_len = ramdisk_len,
				       .cmdline = "quiet" };
	struct image *img = NULL;
	assert_int_equal(bootimg_compose(&parts, &img, d), 0);
	free(kernel);
	free(ramdisk);
	return img;
}

static void test_bootimg_is_placed(void **state)
{
	(void)state;
	struct image *img = make_bootimg(100000, 70000);
	uint8_t *b = bytes_of(img);
	struct bootplan p = { 0 };
	assert_null(bootimg_plan(b, image_len(img), 64 * MIB, &p));
	assert_int_equal(p.kernel_from, 4096);
	assert_int_equal(p.kernel_to, 2 * MIB);
	assert_int_equal(p.kernel_read, 102400);
	assert_int_equal(p.ramdisk_from, 4096 + 102400);
	assert_int_equal(p.ramdisk_len, 70000);
	assert_int_equal(p.ramdisk_read, 73728);
	assert_true(p.ramdisk_to >= p.kernel_to + 105000 && p.ramdisk_to % 4096 == 0);
	assert_int_equal(p.used_end, p.ramdisk_to + 73728);
	assert_string_equal(p.cmdline, "quiet");
	/* A byte of RAM too few, and just enough. */
	uint64_t enough = p.used_end;
	assert_non_null(bootimg_plan(b, image_len(img), enough - 1, &p));
	assert_null(bootimg_plan(b, image_len(img), enough, &p));
	assert_non_null(bootimg_plan(b, image_len(img) - 4096, 64 * MIB, &p));
	free(b);
	image_free(img);
}

static void test_bootimg_refuses_bad_headers(void **state)
{
	(void)state;
	static const struct {
		size_t at;
		uint64_t value;
		size_t len;
	} bad[] = {
		{ 0, 0, 1 },
		{ 8, 0, 4 },
		{ 8, 0xffffffff, 4 },
		{ 8, 63, 4 },
		{ 12, 0xffffffff, 4 },
		{ 20, 1580, 4 },
		{ 40, 2, 4 },
		{ 40, 5, 4 },
		{ 44 + 1535, 'x', 1 },
		{ 4096 + 8, 4096 * 513, 8 }, /* text_offset */
		{ 4096 + 8, 8, 8 },
		{ 4096 + 8, UINT64_MAX, 8 },
		{ 4096 + 16, 0, 8 },
		{ 4096 + 16, UINT64_MAX, 8 },
		{ 4096 + 16, 64 * MIB, 8 }, /* image_size */
		{ 4096 + 24, 1, 8 },        /* big endian */
		{ 4096 + 56, 0, 4 },        /* magic */
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct image *img = make_bootimg(100000, 70000);
		uint8_t *b = bytes_of(img);
		struct bootplan p = { 0 };
		for (size_t k = 0; k < bad[i].len; k++)
			b[bad[i].at + k] = (uint8_t)(bad[i].value >> (8 * k));
		assert_non_null(bootimg_plan(b, image_len(img), 64 * MIB, &p));
		free(b);
		image_free(img);
	}
}

/* JSON */

static struct json json;

static bool parses(const char *text)
{
	return json_parse(&json, text, strlen(text));
}

static void test_json_takes_what_the_rfc_allows_and_nothing_else(void **state)
{
	(void)state;
	static const char *const good[] = {
		"{}", "[]", " 1 ", "-0.5e+10", "\"a\\u00e9\\n\"", "[1,[2,{\"a\":null}],true]", "{\"a\":{\"b\":[]}}"
	};
	static const char *const bad[] = { "",          "{",     "[1,]",     "{\"a\"}", "{\"a\":1,}",  "{a:1}",    "01",
					   "1.",        "-",     "\"\n\"",   "\"\\x\"", "\"\\u12g4\"", "[1 2]",    "tru",
					   "{}{}",      "[1]]",  "{\"a\"1}", "[,1]",    "+1",          "\"",       "1e",
					   "[\"a\":1]", "{1:2}", "nulls",    "\"\\",    "[1}",         "{\"a\":1]" };
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(parses(good[i]));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(parses(bad[i]));
	/* Depth and count are bounded. */
	char deep[64], wide[4 * JSON_TOKENS_MAX];
	memset(deep, '[', 32);
	memset(deep + 32, ']', 32);
	assert_true(json_parse(&json, deep + 32 - JSON_DEPTH_MAX, 2 * JSON_DEPTH_MAX));
	assert_false(json_parse(&json, deep + 31 - JSON_DEPTH_MAX, 2 * JSON_DEPTH_MAX + 2));
	memset(wide, ' ', sizeof(wide));
	for (size_t i = 0; i < sizeof(wide); i += 2) {
		wide[i] = '0';
		wide[i + 1] = ',';
	}
	wide[0] = '[';
	wide[1] = ' ';
	wide[sizeof(wide) - 1] = ']';
	assert_false(json_parse(&json, wide, sizeof(wide)));
}

static void test_json_values_are_found_and_read(void **state)
{
	(void)state;
	uint64_t v;
	uint8_t out[8];
	assert_true(parses("{\"a\":[1,2],\"b\":\"77\",\"n\":18446744073709551615,\"o\":18446744073709551616,\"f\":1.0,"
			   "\"s\":\"/+8=\",\"t\":\"\\/+8=\",\"x\":\"A\",\"y\":\"AA=A\",\"z\":\"====\",\"d\":1,\"d\":1,\"e\":\"\"}"));
	assert_int_equal(json_member(&json, 0, "missing", JSON_STRING), JSON_NONE);
	assert_int_equal(json_member(&json, 0, "a", JSON_STRING), JSON_NONE);
	assert_int_equal(json_member(&json, 0, "d", JSON_NUMBER), JSON_NONE); /* twice */
	uint32_t a = json_member(&json, 0, "a", JSON_ARRAY);
	uint32_t one = json_first(&json, a), two = json_next(&json, a, one);
	assert_true(json_uint(&json, two, false, 10, &v) && v == 2);
	assert_int_equal(json_next(&json, a, two), JSON_NONE);
	assert_true(json_uint(&json, json_member(&json, 0, "b", JSON_STRING), true, 77, &v) && v == 77);
	assert_false(json_uint(&json, json_member(&json, 0, "b", JSON_STRING), true, 76, &v));
	assert_false(json_uint(&json, json_member(&json, 0, "b", JSON_STRING), false, 77, &v));
	assert_true(json_uint(&json, json_member(&json, 0, "n", JSON_NUMBER), false, UINT64_MAX, &v) && v == UINT64_MAX);
	assert_false(json_uint(&json, json_member(&json, 0, "o", JSON_NUMBER), false, UINT64_MAX, &v));
	assert_false(json_uint(&json, json_member(&json, 0, "f", JSON_NUMBER), false, UINT64_MAX, &v));
	assert_int_equal(json_base64(&json, json_member(&json, 0, "s", JSON_STRING), out, 8), 2);
	assert_true(out[0] == 0xff && out[1] == 0xef);
	assert_int_equal(json_base64(&json, json_member(&json, 0, "t", JSON_STRING), out, 8), 2);
	assert_int_equal(json_base64(&json, json_member(&json, 0, "s", JSON_STRING), out, 1), -1);
	assert_int_equal(json_base64(&json, json_member(&json, 0, "x", JSON_STRING), out, 8), -1);
	assert_int_equal(json_base64(&json, json_member(&json, 0, "y", JSON_STRING), out, 8), -1);
	assert_int_equal(json_base64(&json, json_member(&json, 0, "z", JSON_STRING), out, 8), -1);
	assert_int_equal(json_base64(&json, json_member(&json, 0, "e", JSON_STRING), out, 8), 0);
}

/* LUKS2 */

enum { PLAIN_LEN = 256 * 1024, ITERATIONS = 1200 };
static const char passcode[] = "sesame 1234";

static struct image *make_container(uint8_t *plain)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	uint8_t *copy = malloc(PLAIN_LEN);
	assert_non_null(copy);
	for (size_t i = 0; i < PLAIN_LEN; i++)
		copy[i] = plain[i] = (uint8_t)(i * 7 + i / 4096);
	struct image *img = image_mem(copy, PLAIN_LEN), *ret = NULL;
	struct luks2_opts opts = {
		.secret = (const uint8_t *)passcode,
		.secret_len = sizeof(passcode) - 1,
		.master = { 1 },
		.context = { 2 },
		.iterations = ITERATIONS,
		.label = "work",
	};
	assert_int_equal(luks2_wrap(img, &opts, &ret, d), 0);
	image_free(img);
	return ret;
}

static bool checksum_is_right(const uint8_t *container, const struct luks2_copy *copy, uint64_t at)
{
	uint8_t digest[SHA256_LEN];
	struct sha256 s;
	sha256_init(&s);
	sha256_add(&s, container + at, copy->hdr_size);
	sha256_end(&s, digest);
	return !memcmp(digest, copy->csum, sizeof(digest));
}

/* The volume key by slot 0, or false for the wrong passcode. */
static bool open_slot(const uint8_t *container, const struct luks2 *l, const char *with, uint8_t key[64])
{
	struct pbkdf2 k;
	struct aes_xts_key area_key;
	struct luks2_merge m = { 0 };
	const struct luks2_keyslot *slot = &l->slot[0];
	const struct luks2_digest *digest = &l->digest[slot->digest];
	uint8_t piece[SECTOR];
	bool whole = false;
	pbkdf2_start(&k, (const uint8_t *)with, strlen(with), slot->salt, slot->salt_len, slot->iterations, 64);
	assert_true(pbkdf2_step(&k, UINT32_MAX));
	aes_xts_set_key(&area_key, k.out);
	for (uint64_t s = 0; !whole; s++) {
		memcpy(piece, container + slot->area_at + s * SECTOR, SECTOR);
		aes_xts_decrypt(&area_key, s, piece, SECTOR);
		whole = luks2_merge_feed(&m, piece, SECTOR);
	}
	memcpy(key, m.d, 64);
	pbkdf2_start(&k, key, 64, digest->salt, digest->salt_len, digest->iterations, 32);
	assert_true(pbkdf2_step(&k, UINT32_MAX));
	return same_secret(k.out, digest->digest, 32);
}

static void test_luks2_container_of_imagegen_opens(void **state)
{
	(void)state;
	uint8_t *plain = malloc(PLAIN_LEN), key[64];
	assert_non_null(plain);
	struct image *img = make_container(plain);
	uint8_t *c = bytes_of(img);
	const uint64_t copies[] = { 0, MVP_LUKS2_HDR_SIZE };
	struct luks2 l = { 0 };
	for (size_t i = 0; i < 2; i++) {
		struct luks2_copy copy = { 0 };
		assert_true(luks2_check_binary(c + copies[i], copies[i], &copy));
		assert_int_equal(copy.hdr_size, MVP_LUKS2_HDR_SIZE);
		assert_true(checksum_is_right(c, &copy, copies[i]));
		assert_null(luks2_parse(&json, (char *)c + copies[i] + MVP_LUKS2_BIN_SIZE, copy.hdr_size - MVP_LUKS2_BIN_SIZE, &copy,
					image_len(img), &l));
	}
	assert_int_equal(l.payload_at, 16 * MIB);
	assert_int_equal(l.payload_len, PLAIN_LEN);
	assert_int_equal(l.sector_size, 4096);
	assert_int_equal(l.slots_count, 1);
	assert_int_equal(l.slot[0].iterations, ITERATIONS);
	assert_false(open_slot(c, &l, "sesame 1235", key));
	assert_true(open_slot(c, &l, passcode, key));

	/* The payload, read in segments that cut units anywhere. */
	struct crypt crypt = { .unit = l.sector_size, .iv_base = l.iv_tweak };
	uint8_t scratch[4096], *p = c + l.payload_at;
	aes_xts_set_key(&crypt.key, key);
	const struct seg segs[] = { { p, 1000 }, { p + 1000, 0 }, { p + 1000, 9000 }, { p + 10000, 1 }, { p + 10001, PLAIN_LEN - 10001 } };
	crypt_decrypt(&crypt, 0, segs, ARRAY_LEN(segs), scratch);
	assert_memory_equal(p, plain, PLAIN_LEN);
	crypt_encrypt(&crypt, 8, p + 4096, 8192);
	crypt_decrypt(&crypt, 8, &(struct seg){ p + 4096, 8192 }, 1, scratch);
	assert_memory_equal(p, plain, PLAIN_LEN);
	free(c);
	free(plain);
	image_free(img);
}

static void test_luks2_binary_header_is_checked(void **state)
{
	(void)state;
	uint8_t *plain = malloc(PLAIN_LEN), bin[MVP_LUKS2_BIN_SIZE];
	assert_non_null(plain);
	struct image *img = make_container(plain);
	uint8_t *c = bytes_of(img);
	struct luks2_copy copy;
	static const size_t at[] = { 0, 5, 7, 8, 14, 72, 78, 256, 263 };
	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		memcpy(bin, c, sizeof(bin));
		bin[at[i]] ^= 0x40;
		assert_false(luks2_check_binary(bin, 0, &copy));
	}
	memcpy(bin, c, sizeof(bin));
	assert_false(luks2_check_binary(bin, MVP_LUKS2_HDR_SIZE, &copy));
	assert_true(luks2_check_binary(bin, 0, &copy));
	free(c);
	free(plain);
	image_free(img);
}

/* Replaces what stands once in the metadata; lengths may differ. */
static const char *parse_changed(const char *text, const char *from, const char *to, struct luks2 *l)
{
	static char changed[MVP_LUKS2_HDR_SIZE];
	const struct luks2_copy copy = { .hdr_size = MVP_LUKS2_HDR_SIZE };
	const char *p = strstr(text, from);
	assert_non_null(p);
	memset(changed, 0, sizeof(changed));
	int len = snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(p - text), text, to, p + strlen(from));
	assert_in_range(len, 1, sizeof(changed) - 1);
	return luks2_parse(&json, changed, sizeof(changed), &copy, 16 * MIB + PLAIN_LEN, l);
}

static void test_luks2_metadata_is_checked(void **state)
{
	(void)state;
	uint8_t *plain = malloc(PLAIN_LEN);
	assert_non_null(plain);
	struct image *img = make_container(plain);
	uint8_t *c = bytes_of(img);
	const char *text = (const char *)c + MVP_LUKS2_BIN_SIZE;
	struct luks2 l = { 0 };
	static const char *const changes[][2] = {
		{ "\"type\":\"crypt\"", "\"type\":\"linear\"" },
		{ "\"sector_size\":4096", "\"sector_size\":8192" },
		{ "\"sector_size\":4096", "\"sector_size\":1536" },
		{ "\"offset\":\"16777216\"", "\"offset\":\"16777217\"" },
		{ "\"offset\":\"16777216\"", "\"offset\":\"18446744073709547520\"" },
		{ "\"offset\":\"16777216\"", "\"offset\":16777216" },
		{ "\"offset\":\"16777216\"", "\"offset\":\"4096\"" },
		{ "\"size\":\"dynamic\"", "\"size\":\"18446744073709547520\"" },
		{ "\"size\":\"dynamic\"", "\"size\":\"1000\"" },
		{ "\"size\":\"dynamic\"", "\"size\":\"0\"" },
		{ "\"iterations\":1200", "\"iterations\":0" },
		{ "\"iterations\":1200", "\"iterations\":4294967297" },
		{ "\"stripes\":4000", "\"stripes\":4001" },
		{ "\"offset\":\"32768\"", "\"offset\":\"16777216\"" },
		{ "\"offset\":\"32768\"", "\"offset\":\"0\"" },
		{ "\"offset\":\"32768\"", "\"offset\":\"32769\"" },
		{ "\"keyslots\":", "\"keyslotz\":" },
		{ "\"digests\":", "\"digestz\":" },
		{ "{", "{{" },
	};
	assert_null(parse_changed(text, "{", "{", &l));
	for (size_t i = 0; i < ARRAY_LEN(changes); i++)
		assert_non_null(parse_changed(text, changes[i][0], changes[i][1], &l));
	assert_null(parse_changed(text, "\"sector_size\":4096", "\"sector_size\":512", &l));
	assert_int_equal(l.sector_size, 512);
	free(c);
	free(plain);
	image_free(img);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_is_cut_and_ended),
		cmocka_unit_test(test_crc32_matches_check_value),
		cmocka_unit_test(test_sha256_and_pbkdf2_match_openssl),
		cmocka_unit_test(test_gpt_finds_partitions_in_both_tables),
		cmocka_unit_test(test_gpt_refuses_every_damaged_byte),
		cmocka_unit_test(test_gpt_refuses_impossible_tables_with_right_checksums),
		cmocka_unit_test(test_bootimg_is_placed),
		cmocka_unit_test(test_bootimg_refuses_bad_headers),
		cmocka_unit_test(test_json_takes_what_the_rfc_allows_and_nothing_else),
		cmocka_unit_test(test_json_values_are_found_and_read),
		cmocka_unit_test(test_luks2_container_of_imagegen_opens),
		cmocka_unit_test(test_luks2_binary_header_is_checked),
		cmocka_unit_test(test_luks2_metadata_is_checked),
	};
	return cmocka_run_group_tests_name("vault formats", tests, NULL, NULL);
}
