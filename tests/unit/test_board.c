/* Board descriptions: what ships is right, and each kind of mistake is told with its line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/tmpfile.h"
#include "imagegen/hyp/board.h"

static struct tmpdir *folder;

/* The shipped description with one text replaced, read as a board. */
static int read_changed(const char *from, const char *to, struct board **ret, struct diag *d)
{
	char *path = mem_printf("%s/b.yaml", tmpdir_path(folder));
	uint8_t *text CLEANUP_FREE = NULL;
	size_t len;
	char *at;
	FILE *out;
	assert_int_equal(io_read_file("templates/boards/qemu-virt.yaml", 65536, &text, &len), 0);
	at = strstr((char *)text, from);
	assert_non_null(at);
	out = fopen(path, "we");
	assert_non_null(out);
	(void)fprintf(out, "%.*s%s%s", (int)(at - (char *)text), (char *)text, to, at + strlen(from));
	assert_int_equal(fclose(out), 0);
	return board_read(path, ret, d);
}

static void expect(const char *from, const char *to, enum diag_code code, const char *word)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct board *b = NULL;
	assert_int_equal(read_changed(from, to, &b, d), -1);
	assert_null(b);
	assert_int_equal(diag_errors(d), 1);
	assert_int_equal(diag_get(d, 0)->code, code);
	if (!diag_get(d, 0)->loc.line)
		fail_msg("no line: %s", diag_get(d, 0)->message);
	if (!strstr(diag_get(d, 0)->message, word) && !(diag_get(d, 0)->hint && strstr(diag_get(d, 0)->hint, word)))
		fail_msg("'%s' is not in: %s", word, diag_get(d, 0)->message);
}

static void test_shipped_board_is_read_whole(void **state)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct board *b CLEANUP(board_freep) = NULL;
	(void)state;
	assert_int_equal(board_read(mem_strdup("templates/boards/qemu-virt.yaml"), &b, d), 0);
	assert_int_equal(diag_count(d), 0);
	assert_string_equal(b->name.s, "qemu-virt");
	assert_int_equal(b->ram_base.v, 0x40000000);
	assert_int_equal(b->ram_size.v, 2 * GIB);
	assert_int_equal(b->cpus.count, 8);
	assert_int_equal(b->cpus.v[7].v, 7);
	assert_int_equal(b->gicr_size.v, 0xf60000);
	assert_int_equal(b->virtio_intid.v, 48);
	assert_int_equal(b->load.v, 0x40200000);
	assert_string_equal(b->qemu.machine.s, "virt,virtualization=on,gic-version=3");
	assert_string_equal(b->display.type.s, "ramfb");
	assert_true(b->display.width.v == 480 && b->display.height.v == 960 && b->display.bar.v == 32);
	assert_int_equal(board_stride(b), 1920);
	assert_int_equal(b->qemu.args.count, 4);
	assert_string_equal(b->qemu.args.v[1].s, "virtio-mmio.force-legacy=false");
}

static void test_unknown_key_names_the_nearest(void **state)
{
	(void)state;
	expect("redistributors-size:", "redistributor-size:", MVP0708, "redistributors-size");
	expect("firmware:\n", "firmwares:\n", MVP0708, "firmware");
	expect("  stride: 0x200", "  stride: 0x200\n  strid: 1", MVP0708, "stride");
}

static void test_wrong_values_are_refused(void **state)
{
	(void)state;
	expect("size: 2 GiB", "size: 2 GB", MVP0709, "2 GB");
	expect("size: 2 GiB", "size: 2049 KiB", MVP0709, "2 MiB");
	expect("size: 2 GiB", "size: 99999999999 GiB", MVP0709, "99999999999 GiB");
	expect("load: 0x40200000", "load: 0x40100000", MVP0709, "firmware.load");
	expect("load: 0x40200000", "load: 0xC0000000", MVP0709, "firmware.load");
	expect("type: pl011", "type: 16550", MVP0709, "pl011");
	expect("trigger: edge", "trigger: rising", MVP0709, "edge");
	expect("cpus: [0, 1, 2, 3, 4, 5, 6, 7]", "cpus: [0, 1, 1]", MVP0709, "twice");
	expect("cpus: [0, 1, 2, 3, 4, 5, 6, 7]", "cpus: []", MVP0709, "1 to 8");
	expect("cpus: [0, 1, 2, 3, 4, 5, 6, 7]", "cpus: 8", MVP0709, "list");
	expect("interrupt: 33", "interrupt: 27", MVP0709, "uart.interrupt");
	expect("interrupt: 48", "interrupt: 1000", MVP0709, "1019");
	expect("base: 0x09000000", "base: 0x09000010", MVP0709, "4096");
	expect("base: 0x0A000000", "base: 0x3FFFD000", MVP0709, "vault");
	expect("version: 3", "version: 2", MVP0709, "gic.version");
	expect("  cpu: cortex-a72\n", "", MVP0709, "cpu");
}

static void test_displays_are_whole_or_absent(void **state)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct board *b CLEANUP(board_freep) = NULL;
	(void)state;
	expect("type: ramfb", "type: vga", MVP0709, "ramfb");
	expect("  type: ramfb\n", "", MVP0709, "display.type");
	expect("  bar: 32\n", "", MVP0709, "'bar'");
	expect("width: 480", "width: 4097", MVP0709, "4096");
	expect("height: 960", "height: 100", MVP0709, "160");
	expect("bar: 32", "bar: 129", MVP0709, "128");
	expect("fw-cfg:\n  base: 0x09020000\n", "", MVP0709, "fw-cfg");
	assert_int_equal(read_changed("display:\n  type: ramfb\n  width: 480\n  height: 960\n  bar: 32\n", "", &b, d), 0);
	assert_null(b->display.type.s);
}

static void test_missing_key_is_named(void **state)
{
	(void)state;
	expect("  distributor: 0x08000000\n", "", MVP0709, "gic.distributor");
	expect("board: 1\n", "", MVP0709, "board");
}

static void test_all_mistakes_come_at_once(void **state)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct board *b = NULL;
	(void)state;
	assert_int_equal(read_changed("ram:\n  base: 0x40000000\n  size: 2 GiB", "ram:\n  bas: 1\n  size: x", &b, d), -1);
	assert_int_equal(diag_errors(d), 2);
}

static void test_reserved_ranges_are_read(void **state)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct board *b CLEANUP(board_freep) = NULL;
	(void)state;
	assert_int_equal(read_changed("  size: 2 GiB", "  size: 2 GiB\n  reserved: [0x48000000+1 MiB, 0x50000000+0x1000]", &b, d), 0);
	assert_int_equal(b->ram_reserved.count, 2);
	assert_int_equal(b->ram_reserved.v[0].len, MIB);
	assert_int_equal(b->ram_reserved.v[1].at, 0x50000000);
	expect("  size: 2 GiB", "  size: 2 GiB\n  reserved: [0x48000000]", MVP0709, "BASE+SIZE");
	expect("  size: 2 GiB", "  size: 2 GiB\n  reserved: [0xFFFFFFFFFFFFFFFF+2]", MVP0709, "BASE+SIZE");
}

static void test_board_of_ones_own_lies_beside_the_manifest(void **state)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct manifest m = { .dir = (char *)(uintptr_t)tmpdir_path(folder), .board = { .s = (char *)(uintptr_t) "b.yaml" } };
	struct board *b CLEANUP(board_freep) = NULL, *none = NULL;
	(void)state;
	assert_int_equal(read_changed("name: qemu-virt", "name: own", &b, d), 0);
	board_free(b);
	b = NULL;
	assert_int_equal(board_load(&m, &b, d), 0);
	assert_string_equal(b->name.s, "own");
	m.board.s = (char *)(uintptr_t) "./none.yaml";
	assert_int_equal(board_load(&m, &none, d), -1);
	m.board.s = (char *)(uintptr_t) "qemu-vrit";
	assert_int_equal(board_load(&m, &none, d), -1);
	assert_int_equal(diag_errors(d), 2);
	assert_int_equal(diag_get(d, 1)->code, MVP0706);
	assert_non_null(diag_get(d, 1)->hint);
	assert_non_null(strstr(diag_get(d, 1)->hint, "qemu-virt"));
}

static void test_sizes(void **state)
{
	uint64_t v;
	(void)state;
	assert_true(profile_parse_size("0x10", &v) && v == 16);
	assert_true(profile_parse_size("010", &v) && v == 10);
	assert_true(profile_parse_size("3 MiB", &v) && v == 3 * MIB);
	assert_true(profile_parse_size("18446744073709551615", &v) && v == UINT64_MAX);
	assert_false(profile_parse_size("18446744073709551616", &v));
	assert_false(profile_parse_size("18014398509481984 KiB", &v));
	assert_false(profile_parse_size("-1", &v));
	assert_false(profile_parse_size("", &v));
	assert_false(profile_parse_size("1 mib", &v));
	assert_false(profile_parse_size(" 1", &v));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shipped_board_is_read_whole),
		cmocka_unit_test(test_unknown_key_names_the_nearest),
		cmocka_unit_test(test_wrong_values_are_refused),
		cmocka_unit_test(test_displays_are_whole_or_absent),
		cmocka_unit_test(test_missing_key_is_named),
		cmocka_unit_test(test_all_mistakes_come_at_once),
		cmocka_unit_test(test_reserved_ranges_are_read),
		cmocka_unit_test(test_board_of_ones_own_lies_beside_the_manifest),
		cmocka_unit_test(test_sizes),
	};
	int rc;
	if (tmpdir_new("/tmp", &folder) || setenv("MVP_DATADIR", ".", 1))
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	tmpdir_free(folder);
	return rc;
}
