/* Compiling the hypervisor: a small pair of programs in a data folder of the test's own, so that it is the driver that is tested. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/tmpfile.h"
#include "imagegen/hyp/board.h"
#include "imagegen/hyp/config.h"
#include "imagegen/hyp/elf.h"
#include "imagegen/hyp/sources.h"
#include "imagegen/hyp/tool.h"
#include "tests/unit/fixture_hyp.h"

static struct manifest *manifest(void)
{
	static struct manifest m = {
		.name = { .s = (char *)(uintptr_t) "test" },
		.version = { .s = (char *)(uintptr_t) "1\"\\" },
		.hypervisor = {
			.foreground_share = { .v = 80 },
			.switch_key = { .s = (char *)(uintptr_t) "leftmeta+tab" },
			.console_key = { .s = (char *)(uintptr_t) "ctrl-]" },
			.console = { .s = (char *)(uintptr_t) "mux" },
		},
		.personas = {
			{ .name = "personal", .memory = { .v = 256 * MIB }, .cpus = { .v = 2 } },
			{
				.name = "work",
				.memory = { .v = 256 * MIB },
				.cpus = { .v = 1 },
				.color = { .v = 0x00abcd },
				.network = { .s = (char *)(uintptr_t) "nat" },
				.network_limit = { .v = 100000000 },
				.encryption = { .on = true, .holes = { .s = (char *)(uintptr_t) "fill" } },
			},
		},
	};
	return &m;
}

static struct board *board(struct diag *d)
{
	struct board *b = NULL;
	assert_int_equal(board_read(mem_strdup("templates/boards/qemu-virt.yaml"), &b, d), 0);
	return b;
}

static void show(const struct diag *d)
{
	for (size_t i = 0; i < diag_count(d); i++) {
		const struct diag_item *item = diag_get(d, i);
		print_message("MVP%04d %s\n", (int)item->code, item->message);
		for (size_t k = 0; k < item->notes_count; k++)
			print_message("  %s\n", item->notes[k]);
	}
}

/* *ret_compiled: something was linked. */
static int build_cached(struct cache *cache, struct hyp_result *ret, bool *ret_compiled, struct diag *d)
{
	struct board *b CLEANUP(board_freep) = board(d);
	struct tmpdir *work CLEANUP(tmpdir_freep) = NULL;
	const struct hyp_trust trust = { 0 };
	struct layout l;
	assert_int_equal(tmpdir_new("/tmp", &work), 0);
	assert_int_equal(layout_plan(b, manifest(), &l, d), 0);
	const struct hyp_job job = { .board = b, .manifest = manifest(), .layout = &l, .trust = &trust, .cache = cache };
	struct hyp_result found CLEANUP(hyp_result_fini) = { 0 };
	struct diag *quiet CLEANUP(diag_freep) = diag_new();
	int missing = hyp_find(&job, &found, quiet);
	int rc = hyp_build(&job, tmpdir_path(work), 2, ret, d);
	/* What is foreseen is what happens. */
	if (rc == 0 && missing == 0)
		assert_memory_equal(found.image, ret->image, ret->image_len);
	show(d);
	char *elf CLEANUP_FREE = mem_printf("%s/core.elf", tmpdir_path(work));
	*ret_compiled = access(elf, F_OK) == 0;
	if (rc == 0)
		assert_int_equal(missing, *ret_compiled ? 1 : 0);
	return rc;
}

static int build(struct hyp_result *ret, struct diag *d)
{
	struct cache *cache CLEANUP(cache_freep) = cache_none();
	bool compiled;
	return build_cached(cache, ret, &compiled, d);
}

static void test_same_input_gives_same_image(void **state)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct hyp_result a = { 0 }, b = { 0 };
	(void)state;
	put_all();
	assert_int_equal(build(&a, d), 0);
	assert_int_equal(build(&b, d), 0);
	assert_int_equal(a.image_len, b.image_len);
	assert_memory_equal(a.image, b.image, a.image_len);
	assert_true(a.core_text > 4 && a.core_text < a.core_image);
	assert_int_equal(a.core_image + a.vault_image, a.image_len);
	/* What it measures of itself holds the vault, too. */
	uint8_t digest[32];
	assert_in_range(a.measured_len, a.vault_image, a.image_len);
	assert_int_equal(EVP_Digest(a.image, a.measured_len, digest, NULL, EVP_sha256(), NULL), 1);
	assert_memory_equal(a.measurement, digest, sizeof(digest));
	/* Neither the data folder nor the work folder is in what goes onto the handset. */
	assert_null(memmem(a.image, a.image_len, "/tmp", 4));
	assert_non_null(memmem(a.image, a.image_len, "vmm/core/main.c", 15));
	assert_non_null(memmem(a.image, a.image_len, "test 1\"\\", 9));
	hyp_result_fini(&a);
	hyp_result_fini(&b);
}

static unsigned objects(const struct cache *cache)
{
	char *path CLEANUP_FREE = mem_printf("%s/object", cache_path(cache));
	DIR *dir CLEANUP(dir_closep) = opendir(path);
	unsigned count = 0;
	assert_non_null(dir);
	for (const struct dirent *e; (e = readdir(dir));)
		count += e->d_name[0] != '.';
	return count;
}

/* Nothing twice; after a change of one source that one and no other, of a header all of them, of the configuration neither the vault's code
 * as a whole nor what it is made of. */
static void test_cache_saves_compiling(void **state)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct tmpdir *home CLEANUP(tmpdir_freep) = NULL;
	struct hyp_result results[5] = { 0 };
	bool compiled;
	unsigned all;
	(void)state;
	put_all();
	assert_int_equal(tmpdir_new("/tmp", &home), 0);
	assert_int_equal(setenv("XDG_CACHE_HOME", tmpdir_path(home), 1), 0);
	struct cache *cache CLEANUP(cache_freep) = cache_open(d);
	assert_int_equal(build_cached(cache, &results[0], &compiled, d), 0);
	assert_true(compiled);
	all = objects(cache);
	assert_int_equal(build_cached(cache, &results[1], &compiled, d), 0);
	assert_false(compiled);
	put("vmm/core/start.S", "\t.section .head, \"ax\"\n\t.global head\nhead:\tb core_main\n\tnop\n");
	assert_int_equal(build_cached(cache, &results[2], &compiled, d), 0);
	assert_true(compiled);
	assert_int_equal(objects(cache), all + 2); /* it, and the core as a whole */
	put("vmm/vault/new.h", "\n");
	assert_int_equal(build_cached(cache, &results[3], &compiled, d), 0);
	assert_int_equal(objects(cache), 2 * all + 2);
	/* The vault's configuration, and what embeds the vault's image. */
	manifest()->personas[1].color.v ^= 1;
	assert_int_equal(build_cached(cache, &results[4], &compiled, d), 0);
	manifest()->personas[1].color.v ^= 1;
	assert_true(compiled);
	assert_int_equal(objects(cache), 2 * all + 4);
	assert_int_equal(results[0].image_len, results[1].image_len);
	assert_memory_equal(results[0].image, results[1].image, results[0].image_len);
	assert_int_equal(results[0].core_text, results[1].core_text);
	assert_int_equal(results[0].vault_image, results[1].vault_image);
	assert_true(results[2].core_text > results[0].core_text);
	for (size_t i = 0; i < ARRAY_LEN(results); i++)
		hyp_result_fini(&results[i]);
	char *header CLEANUP_FREE = mem_printf("%s/vmm/vault/new.h", tmpdir_path(data));
	assert_int_equal(unlink(header), 0);
}

static void expect_failure(enum diag_code code, const char *word)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct hyp_result r = { 0 };
	const struct diag_item *item;
	bool found = false;
	assert_int_equal(build(&r, d), -1);
	assert_null(r.image);
	assert_int_equal(diag_errors(d), 1);
	item = diag_get(d, 0);
	assert_int_equal(item->code, code);
	found = strstr(item->message, word) || (item->hint && strstr(item->hint, word));
	for (size_t i = 0; i < item->notes_count; i++)
		found |= strstr(item->notes[i], word) != NULL;
	assert_true(found);
}

static void has(const struct buf *text, const char *line)
{
	if (!strstr(buf_str(text), line))
		fail_msg("'%s' is not in:\n%s", line,
			 strstr(buf_str(text), "mvp_vault_config = ") ? strstr(buf_str(text), "mvp_vault_config = ") : buf_str(text));
}

/* Values that the compiler cannot check: it takes any number. */
static void test_configuration_says_what_the_manifest_says(void **state)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct board *b CLEANUP(board_freep) = board(d);
	struct buf vault CLEANUP(buf_fini) = BUF_INIT, core CLEANUP(buf_fini) = BUF_INIT, keep CLEANUP(buf_fini) = BUF_INIT;
	struct mstr work = { .s = (char *)(uintptr_t) "work" };
	struct manifest m = *manifest();
	struct hyp_trust trust = { .persona[PERSONA_WORK] = { .verified = true, .avb_key_digest = { 0xab, 0xcd } } };
	struct layout l;
	(void)state;
	m.policy.clipboard.s = (char *)(uintptr_t) "personal-to-work";
	m.policy.notifications.work_to_personal.s = (char *)(uintptr_t) "title";
	m.policy.notifications.personal_to_work.s = (char *)(uintptr_t) "full";
	m.policy.notifications.category[MVP_NOTIFY_CALL].work_to_personal.s = (char *)(uintptr_t) "count";
	m.policy.notifications.category[MVP_NOTIFY_SYSTEM].personal_to_work.s = (char *)(uintptr_t) "none";
	m.policy.notifications.queue.v = 64;
	m.hypervisor.good_after.v = 90;
	m.policy.notifications.rate.v = 120;
	m.policy.notifications.quiet_from.v = 1320;
	m.policy.notifications.quiet_to.v = 420;
	m.policy.switch_request = (struct mstrs){ .v = &work, .count = 1 };
	assert_int_equal(layout_plan(b, &m, &l, d), 0);
	assert_int_equal(config_vault(b, &m, &l, &trust, "Own \"&\" you", &vault, d), 0);
	assert_int_equal(config_core(b, &m, &l, &core, d), 0);
	has(&vault, ".console_key = 29,\n\t.switch_chord = { 125, 15, 0, 0 },\n");
	has(&vault, ".display = MVP_DISPLAY_RAMFB,\n\t.width = 480,\n\t.height = 960,\n\t.stride = 1920,\n\t.bar_height = 32,\n");
	/* 32 lines of 1920 bytes below the first block's end, and the next one's; then the vault's. */
	has(&vault, ".screens_size = 0xa00000,\n\t.screen_at = { 0x1f1000, 0x5f1000, 0x800000, },\n");
	has(&vault, ".fw_cfg_pa = 0x9020000,\n");
	has(&vault, "\t.good_after = 90,\n");
	has(&vault, "\t.logo = \"Own \\042\\046\\042 you\",\n");
	has(&vault, "\t.notify_queue = 64,\n\t.notify_rate = 120,\n\t.quiet_from = 1320,\n\t.quiet_to = 420,\n");
	has(&vault, ".clipboard = 1,\n\t\t\t.notify_level = { 3, 3, 3, 3, 3, 3, 0, },\n");
	has(&vault, ".clipboard = 0,\n\t\t\t.notify_level = { 2, 1, 2, 2, 2, 2, 2, },\n");
	has(&vault, ".discard = 1,\n\t\t\t.network = 0,\n\t\t\t.may_switch = 0,\n\t\t\t.net_rate = 0,\n");
	has(&vault, ".color = 0x00abcd,\n\t\t\t.discard = 0,\n\t\t\t.network = 1,\n\t\t\t.may_switch = 1,\n\t\t\t.net_rate = 12500000,\n");
	has(&vault, ".net_rate = 0,\n\t\t\t.managed = 0,\n\t\t\t.verified = 0,\n\t\t\t.avb_key_digest = { 0x00, 0x00, ");
	has(&vault, ".net_rate = 12500000,\n\t\t\t.managed = 1,\n\t\t\t.verified = 1,\n\t\t\t.avb_key_digest = { 0xab, 0xcd, 0x00, ");
	has(&core, ".screens_pa = 0x41400000,\n\t.screens_size = 0xa00000,\n");
	has(&core, ".frame_pa = 0x41600000, .frame_size = 0x200000 }");
	has(&core, ".frame_pa = 0x41a00000, .frame_size = 0x200000 }");
	m.personas[PERSONA_WORK].encryption.holes.s = (char *)(uintptr_t) "keep";
	assert_int_equal(config_vault(b, &m, &l, &trust, NULL, &keep, d), 0);
	has(&keep, ".color = 0x00abcd,\n\t\t\t.discard = 1,\n");
	assert_int_equal(diag_count(d), 0);
}

static void test_environment_steers_no_compiler(void **state)
{
	(void)state;
	static const char *const argv[] = { "env", NULL };
	struct buf output CLEANUP(buf_fini) = BUF_INIT;
	assert_int_equal(setenv("CPATH", "/opt/other/include", 1), 0);
	assert_int_equal(setenv("CPATH_OF_MINE", "kept", 1), 0);
	int rc = tool_run(argv, &output);
	assert_int_equal(unsetenv("CPATH") | unsetenv("CPATH_OF_MINE"), 0);
	assert_int_equal(rc, 0);
	assert_null(strstr(buf_str(&output), "CPATH="));
	assert_non_null(strstr(buf_str(&output), "CPATH_OF_MINE=kept"));
}

static void test_missing_compiler_names_its_package(void **state)
{
	(void)state;
	put_all();
	assert_int_equal(setenv("MVP_CROSS", "no-such-compiler-", 1), 0);
	expect_failure(MVP0701, "gcc-aarch64-linux-gnu");
	assert_int_equal(unsetenv("MVP_CROSS"), 0);
}

static void test_compiler_messages_are_shown(void **state)
{
	(void)state;
	put_all();
	put("vmm/core/main.c", "int core_main(void) { return mistake_here; }\n");
	expect_failure(MVP0702, "mistake_here");
}

static void test_undefined_symbol_fails_the_link(void **state)
{
	(void)state;
	put_all();
	put("vmm/vault/start.S", "\t.section .text.start, \"ax\"\n\t.global _start\n_start:\tb nowhere\n");
	expect_failure(MVP0702, "nowhere");
}

static void test_simd_is_only_where_it_is_listed(void **state)
{
	(void)state;
	put_all();
	put("vmm/vault.sources", "vault/start.S\nvault/main.c\n");
	expect_failure(MVP0702, "general-regs-only");
}

static void test_too_large_core_does_not_fit(void **state)
{
	(void)state;
	put_all();
	put("vmm/core/main.c",
	    "void core_main(void);\nvolatile char room[3 << 20];\nvoid core_main(void) { for (int i = 0;; i++) room[i] = 1; }\n");
	expect_failure(MVP0704, "core");
}

static void test_damaged_list_is_reported_with_its_line(void **state)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	struct sources s = { 0 };
	(void)state;
	assert_int_equal(sources_parse("# c\ncore/a.c\ncore/b.c fast\n", "list", &s, d), -1);
	assert_int_equal(diag_get(d, 0)->code, MVP0705);
	assert_int_equal(diag_get(d, 0)->loc.line, 3);
	assert_int_equal(sources_parse("core/a.o\n", "list", &s, d), -1);
	assert_int_equal(sources_parse("\n#\n", "list", &s, d), -1);
	assert_int_equal(diag_errors(d), 3);
	assert_int_equal(sources_parse("  a.c\tsimd\r\nb.S#x", "list", &s, d), 0);
	assert_int_equal(s.count, 2);
	assert_true(s.v[0].simd && !s.v[0].assembler && !s.v[1].simd && s.v[1].assembler);
	assert_string_equal(s.v[1].path, "b.S");
	sources_fini(&s);
}

static void test_cut_elf_is_refused(void **state)
{
	uint8_t elf[256] = { 0x7f, 'E', 'L', 'F', 2, 1, 1 };
	struct elf_sizes sizes;
	(void)state;
	elf[18] = 183; /* EM_AARCH64 */
	assert_false(elf_read_sizes(elf, 10, &sizes));
	assert_false(elf_read_sizes(elf, sizeof(elf), &sizes));
	/* One program header far outside: e_phoff, e_phentsize, e_phnum. */
	memset(elf + 32, 0xff, 8);
	elf[54] = 56;
	elf[56] = 1;
	assert_false(elf_read_sizes(elf, sizeof(elf), &sizes));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_input_gives_same_image),
		cmocka_unit_test(test_cache_saves_compiling),
		cmocka_unit_test(test_configuration_says_what_the_manifest_says),
		cmocka_unit_test(test_environment_steers_no_compiler),
		cmocka_unit_test(test_missing_compiler_names_its_package),
		cmocka_unit_test(test_compiler_messages_are_shown),
		cmocka_unit_test(test_undefined_symbol_fails_the_link),
		cmocka_unit_test(test_simd_is_only_where_it_is_listed),
		cmocka_unit_test(test_too_large_core_does_not_fit),
		cmocka_unit_test(test_damaged_list_is_reported_with_its_line),
		cmocka_unit_test(test_cut_elf_is_refused),
	};
	int rc;
	fixture_hyp_open();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	fixture_hyp_close();
	return rc;
}
