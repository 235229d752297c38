/* Scatter files: what is said of each partition, and damage refused. That ours are read is seen in tests/e2e/bundles.sh. */
#include "tests/unit/formats.h"

#include "imagegen/base/buf.h"
#include "imagegen/bundle/scatter.h"

static const char general[] = "# a comment: with a colon\r\n"
			      "- general: MTK_PLATFORM_CFG\r\n"
			      "  info:\r\n"
			      "    - config_version: V1.1.2\r\n"
			      "      platform: MT6765\r\n"
			      "      project: acme one\r\n"
			      "      storage: EMMC\r\n";
static const char parts[] = "- partition_index: SYS0\n"
			    "  partition_name: boot_a\n"
			    "  file_name: boot.img\n"
			    "  linear_start_addr: 0x1aB000\n"
			    "  physical_start_addr: 0x1000\n"
			    "  partition_size: 0x800000\n"
			    "\n"
			    "- partition_index: SYS1\n"
			    "  partition_name: nvram\n"
			    "  file_name: NONE\n"
			    "  linear_start_addr: 0xffff0000\n"
			    "  partition_size: 0x0"; /* no newline at the end */

static void test_what_goes_where(void **state)
{
	(void)state;
	struct scatter s CLEANUP(scatter_fini) = { 0 };
	char *text CLEANUP_FREE = mem_printf("%s%s", general, parts);
	assert_null(scatter_parse((const uint8_t *)text, strlen(text), &s));
	assert_string_equal(s.platform, "MT6765");
	assert_string_equal(s.project, "acme one");
	assert_string_equal(s.storage, "EMMC");
	assert_int_equal(s.count, 2);
	assert_string_equal(s.parts[0].name, "boot_a");
	assert_string_equal(s.parts[0].file, "boot.img");
	assert_int_equal(s.parts[0].at, 0x1ab000);
	assert_int_equal(s.parts[0].len, 0x800000);
	assert_string_equal(s.parts[1].name, "nvram");
	assert_null(s.parts[1].file);
	assert_int_equal(s.parts[1].at, 0xffff0000);
	assert_int_equal(s.parts[1].len, 0);
}

static void test_what_is_not_said_is_missing(void **state)
{
	(void)state;
	struct scatter s CLEANUP(scatter_fini) = { 0 };
	assert_null(scatter_parse((const uint8_t *)parts, sizeof(parts) - 1, &s));
	assert_null(s.platform);
	assert_int_equal(s.count, 2);
}

static void test_damage_is_refused(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"",
		"- general: MTK_PLATFORM_CFG\n",
		"- partition_index: SYS0\n",
		"- partition_index: SYS0\n  partition_name:\n",
		"- partition_index: SYS0\n  partition_name: a\tb\n",
		"- partition_index: SYS0\n  partition_name: a\n  file_name: \x80\n",
		"- partition_index: SYS0\n  partition_name: a\n  linear_start_addr: 4096\n",
		"- partition_index: SYS0\n  partition_name: a\n  linear_start_addr: 0x\n",
		"- partition_index: SYS0\n  partition_name: a\n  partition_size: 0x11112222333344445\n",
		"- partition_index: SYS0\n  partition_name: a\n  partition_size: 0x12g4\n",
		"  platform: \x1b[31m\n- partition_index: SYS0\n  partition_name: a\n",
	};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct scatter s CLEANUP(scatter_fini) = { 0 };
		if (!scatter_parse((const uint8_t *)texts[i], strlen(texts[i]), &s))
			fail_msg("accepted: %s", texts[i]);
	}
}

static void test_there_is_a_most_of_partitions(void **state)
{
	(void)state;
	struct buf b CLEANUP(buf_fini) = BUF_INIT;
	for (size_t i = 0; i <= 1024; i++) {
		struct scatter s CLEANUP(scatter_fini) = { 0 };
		if (i == 1024)
			assert_null(scatter_parse(b.data, b.len, &s));
		buf_puts(&b, "- partition_index: SYS\n  partition_name: a\n");
	}
	struct scatter s CLEANUP(scatter_fini) = { 0 };
	assert_non_null(scatter_parse(b.data, b.len, &s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_goes_where),
		cmocka_unit_test(test_what_is_not_said_is_missing),
		cmocka_unit_test(test_damage_is_refused),
		cmocka_unit_test(test_there_is_a_most_of_partitions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
