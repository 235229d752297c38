/* The screens and the display behind them: a fake fw_cfg on the level of its registers, well-behaved and hostile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "vault_host.h"

/* Each test chooses its own: what the vault sees as constant is another name of this, of which the compiler must not know. */
extern struct mvp_vault_config host_config;
struct mvp_vault_config host_config;
__asm__(".globl mvp_vault_config\n.set mvp_vault_config, host_config");

#include "../../vmm/vault/drivers/fw_cfg.c"
#include "../../vmm/vault/drivers/ramfb.c"
#include "../../vmm/vault/ui/screen.c"

enum {
	MIB = 1 << 20,
	SCREENS_SIZE = 12 * MIB,
	WIDTH = 480,
	HEIGHT = 960,
	STRIDE = 1920,
	BAR = 32,
	FW_CFG_PA = 0x9020000,
	SCREENS_PA = 0x7c000000,
	KEY_RAMFB = 0x2a,
	FILES = 5,
};

/* The compiler takes the configuration for constant: what reads it after a change must be a call away from what read it before. */
#define OPAQUE __attribute__((noinline))

uint8_t host_screens[SCREENS_SIZE] __attribute__((aligned(4096)));

/* The console */
static char said[256];

void console_log(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(said, sizeof(said), format, args);
	va_end(args);
}

/* Memory as the device sees it: screens at their physical address, all else as it is. */
paddr_t dma_paddr(const void *at)
{
	const uint8_t *p = at;
	if (p >= host_screens && p < host_screens + SCREENS_SIZE)
		return (paddr_t){ SCREENS_PA + (uint64_t)(p - host_screens) };
	return (paddr_t){ (uintptr_t)at };
}

static uint64_t cleaned_from, cleaned_to;

void arch_clean(const void *at, size_t len)
{
	uint64_t from = (uint64_t)((const uint8_t *)at - host_screens);
	if (cleaned_to != from)
		cleaned_from = from;
	cleaned_to = from + len;
}

/* The device */
static struct {
	bool absent, refuses, hangs;
	uint32_t files;    /* that it says it has */
	uint32_t ramfb_at; /* which of them is etc/ramfb; UINT32_MAX: none */
	uint32_t ramfb_size;
	bool unterminated; /* other names fill their field */
	uint32_t fail_at;  /* entry whose transfer fails */
	uint32_t address_high;
	uint16_t selected;
	uint32_t offset; /* in the selected file */
	unsigned transfers, writes;
	uint8_t ramfb[64];
} device;

static uint32_t be32(uint32_t v)
{
	return __builtin_bswap32(v);
}

/* The file directory, made up as it is read. */
static uint8_t directory_byte(uint32_t at)
{
	if (at < 4)
		return (uint8_t)(device.files >> (24 - 8 * at));
	uint32_t i = (at - 4) / 64, k = (at - 4) % 64;
	bool ramfb = i == device.ramfb_at;
	uint32_t size = ramfb ? device.ramfb_size : 1000 + i, key = ramfb ? KEY_RAMFB : 0x100 + i;
	if (k < 4)
		return (uint8_t)(size >> (24 - 8 * k));
	if (k < 6)
		return (uint8_t)(key >> (40 - 8 * k));
	if (k < 8)
		return 0;
	/* Names that begin as the wanted one does, and one that goes on. */
	static const char *const names[] = { "etc/ram", "etc/ramfb2", "", "bootorder" };
	const char *name = ramfb ? "etc/ramfb" : names[i % 4];
	if (!ramfb && device.unterminated)
		return (uint8_t) "etc/ramfb"[(k - 8) % 9];
	return k - 8 < strlen(name) ? (uint8_t)name[k - 8] : 0;
}

static void dma(uint64_t at)
{
	uint32_t control, len;
	uint64_t address;
	uint8_t *r = (uint8_t *)(uintptr_t)at;
	device.transfers++;
	memcpy(&control, r, 4);
	memcpy(&len, r + 4, 4);
	memcpy(&address, r + 8, 8);
	control = be32(control);
	len = be32(len);
	uint8_t *data = (uint8_t *)(uintptr_t)__builtin_bswap64(address);
	if (device.hangs)
		return;
	if (control & 8) {
		device.selected = (uint16_t)(control >> 16);
		device.offset = 0;
	}
	uint32_t failed = device.refuses;
	if (control & 2) {
		assert_int_equal(device.selected, 0x19);
		failed |= device.offset >= 4 && (device.offset - 4) / 64 == device.fail_at;
		for (uint32_t i = 0; i < len && !failed; i++)
			data[i] = directory_byte(device.offset++);
	} else {
		assert_int_equal(control & 0xffff, 8 | 16);
		assert_int_equal(device.selected, KEY_RAMFB);
		assert_true(len <= sizeof(device.ramfb));
		device.writes++;
		if (!failed)
			memcpy(device.ramfb, data, len);
	}
	failed = be32(failed);
	memcpy(r, &failed, 4);
}

uint32_t mmio_read32(uintptr_t at)
{
	assert_true(at == FW_CFG_PA + 16 || at == FW_CFG_PA + 20);
	if (device.absent)
		return 0;
	uint32_t v;
	memcpy(&v, at == FW_CFG_PA + 16 ? "QEMU" : " CFG", 4);
	return v;
}

void mmio_write32(uintptr_t at, uint32_t v)
{
	assert_true(at == FW_CFG_PA + 16 || at == FW_CFG_PA + 20);
	if (at == FW_CFG_PA + 16)
		device.address_high = be32(v);
	else
		dma((uint64_t)device.address_high << 32 | be32(v));
}

OPAQUE static int power_on(void **state)
{
	(void)state;
	memset(&device, 0, sizeof(device));
	memset(&host_config, 0, sizeof(host_config));
	memset(host_screens, 0x5a, sizeof(host_screens));
	device.files = FILES;
	device.ramfb_at = 3;
	device.ramfb_size = 28;
	device.fail_at = UINT32_MAX;
	said[0] = 0;
	driver = NULL;
	shown = NOT_SHOWN;
	host_config = (struct mvp_vault_config){
		.personas = 2,
		.fw_cfg_pa = FW_CFG_PA,
		.display = MVP_DISPLAY_RAMFB,
		.width = WIDTH,
		.height = HEIGHT,
		.stride = STRIDE,
		.bar_height = BAR,
		.screens_pa = SCREENS_PA,
		.screens_size = SCREENS_SIZE,
		.screen_at = { 2 * MIB - BAR * STRIDE, 6 * MIB - BAR * STRIDE, 8 * MIB },
	};
	return 0;
}

static uint32_t scanned_out(unsigned word)
{
	uint32_t v;
	memcpy(&v, device.ramfb + 4 * word, 4);
	return be32(v);
}

static void test_screen_is_shown_by_one_write(void **state)
{
	(void)state;
	screen_start();
	assert_true(screen_is_on());
	assert_int_equal(device.writes, 0);
	static const unsigned order[] = { 2, 0, 1, 0, 2 };
	static const uint64_t at[] = { SCREENS_PA + 2 * MIB - BAR * STRIDE, SCREENS_PA + 6 * MIB - BAR * STRIDE, SCREENS_PA + 8 * MIB };
	for (unsigned i = 0; i < ARRAY_LEN(order); i++) {
		unsigned before = device.transfers;
		assert_true(screen_show(order[i]));
		assert_int_equal(device.transfers, before + 1);
		assert_int_equal(scanned_out(0), at[order[i]] >> 32);
		assert_int_equal(scanned_out(1), (uint32_t)at[order[i]]);
		assert_memory_equal("XR24", &(uint32_t){ scanned_out(2) }, 4);
		assert_int_equal(scanned_out(3), 0);
		assert_int_equal(scanned_out(4), WIDTH);
		assert_int_equal(scanned_out(5), BAR + HEIGHT);
		assert_int_equal(scanned_out(6), STRIDE);
		/* It is there already. */
		assert_true(screen_show(order[i]));
		assert_int_equal(device.transfers, before + 1);
	}
	assert_int_equal(device.writes, ARRAY_LEN(order));
}

static void test_screen_stays_when_the_device_refuses(void **state)
{
	(void)state;
	screen_start();
	assert_true(screen_show(0));
	device.refuses = true;
	assert_false(screen_show(1));
	assert_false(screen_show(1));
	assert_true(screen_show(0));
	device.refuses = false;
	assert_true(screen_show(1));
	assert_int_equal(scanned_out(1), SCREENS_PA + 6 * MIB - BAR * STRIDE);
}

static void test_screen_waits_for_a_hanging_device_no_longer_than_so(void **state)
{
	(void)state;
	screen_start();
	device.hangs = true;
	assert_false(screen_show(1));
	assert_int_equal(device.transfers, 1 + 1 + 4);
}

OPAQUE static void start_screen(void)
{
	screen_start();
}

OPAQUE static void off(const char *why)
{
	screen_start();
	assert_false(screen_is_on());
	assert_true(screen_show(1));
	assert_int_equal(device.writes, 0);
	assert_true(strstr(said, why) || (!*why && !*said));
}

static void test_screen_goes_without_a_display(void **state)
{
	(void)state;
	host_config.display = MVP_DISPLAY_NONE;
	off("");
	assert_int_equal(device.transfers, 0);
	assert_true(screen_scrub(0, 0) == UINT64_MAX);
	assert_int_equal(host_screens[2 * MIB], 0x5a);
}

static void test_screen_says_what_is_wrong_with_the_board(void **state)
{
	power_on(state);
	device.absent = true;
	off("no ramfb");
	power_on(state);
	host_config.fw_cfg_pa = 0;
	off("no ramfb");
	power_on(state);
	device.ramfb_at = UINT32_MAX;
	off("no ramfb");
	assert_int_equal(device.transfers, 1 + FILES);
	power_on(state);
	device.ramfb_size = 27;
	off("another kind");
	power_on(state);
	device.ramfb_size = 0x10000000;
	off("another kind");
	power_on(state);
	device.hangs = true;
	off("no ramfb");
	assert_int_equal(device.transfers, 1);
	power_on(state);
	device.fail_at = 2;
	off("no ramfb");
	assert_int_equal(device.transfers, 1 + 3);
}

static void test_fw_cfg_looks_at_so_many_files_only(void **state)
{
	power_on(state);
	device.files = UINT32_MAX;
	device.ramfb_at = UINT32_MAX;
	off("no ramfb");
	assert_int_equal(device.transfers, 1 + 512);
	/* Names without an end, which the wanted one begins. */
	power_on(state);
	device.files = UINT32_MAX;
	device.ramfb_at = UINT32_MAX;
	device.unterminated = true;
	off("no ramfb");
	/* The last one that is looked at. */
	power_on(state);
	device.files = UINT32_MAX;
	device.ramfb_at = 511;
	device.unterminated = true;
	start_screen();
	assert_true(screen_is_on());
	/* None. */
	power_on(state);
	device.files = 0;
	device.ramfb_at = 0;
	off("no ramfb");
	assert_int_equal(device.transfers, 1);
}

static void test_fw_cfg_writes_no_more_than_the_file(void **state)
{
	(void)state;
	static const uint8_t data[32];
	struct fw_cfg_file f = { 0 };
	assert_true(fw_cfg_find("etc/ramfb", &f));
	assert_int_equal(f.key, KEY_RAMFB);
	assert_int_equal(f.size, 28);
	assert_false(fw_cfg_write(&f, data, 29));
	assert_int_equal(device.writes, 0);
	assert_true(fw_cfg_write(&f, data, 28));
	assert_int_equal(device.writes, 1);
}

OPAQUE static void check_scrub(unsigned persona, uint64_t from)
{
	unsigned steps = 0;
	for (uint64_t at = 0; at != UINT64_MAX; steps++) {
		uint64_t next = screen_scrub(persona, at);
		assert_true(next == UINT64_MAX || (next > at && next - at <= 0x40000));
		at = next;
	}
	assert_int_equal(steps, 8);
	assert_int_equal(cleaned_from, from);
	assert_int_equal(cleaned_to, from + 2 * MIB);
	/* 480 by 960 are not quite a block, but the persona has all of it. */
	for (uint64_t i = 0; i < SCREENS_SIZE; i++) {
		if (host_screens[i] != (i >= from && i < from + 2 * MIB ? 0 : 0x5a))
			fail_msg("byte 0x%x is %x", (unsigned)i, host_screens[i]);
	}
}

static void test_screen_scrub_zeroes_a_whole_frame_in_steps(void **state)
{
	check_scrub(0, 2 * MIB);
	power_on(state);
	check_scrub(1, 6 * MIB);
}

static void test_screen_bars_and_frame_lie_where_the_display_reads_them(void **state)
{
	(void)state;
	struct canvas c = screen_bar(1);
	assert_ptr_equal(c.pixels, host_screens + 6 * MIB - BAR * STRIDE);
	assert_int_equal(c.stride, STRIDE / 4);
	assert_int_equal(c.width, WIDTH);
	assert_int_equal(c.height, BAR);
	c = screen_frame();
	assert_ptr_equal(c.pixels, host_screens + 8 * MIB + BAR * STRIDE);
	assert_int_equal(c.height, HEIGHT);
}

OPAQUE static bool sound(void)
{
	__asm__ volatile("" : : : "memory"); /* or its value would be taken for constant, too */
	return config_is_sound();
}

static void test_screen_refuses_a_configuration_that_overlaps(void **state)
{
	static const struct {
		uint32_t width, height, stride, bar;
		uint64_t at;
	} bad[] = {
		{ 0, HEIGHT, STRIDE, BAR, 0 },
		{ WIDTH, 0, STRIDE, BAR, 0 },
		{ WIDTH, HEIGHT, STRIDE, 0, 0 },
		{ WIDTH, HEIGHT, STRIDE - 4, BAR, 0 },
		{ WIDTH, HEIGHT, STRIDE + 2, BAR, 0 },
		{ WIDTH, HEIGHT, STRIDE, BAR, 2 },
		{ WIDTH, HEIGHT, STRIDE, BAR, SCREENS_SIZE - (HEIGHT + BAR) * STRIDE + 4 },
		{ WIDTH, HEIGHT, STRIDE, BAR, UINT64_MAX - 3 },
		{ WIDTH, UINT32_MAX, UINT32_MAX - 3, BAR, 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		power_on(state);
		assert_true(sound());
		host_config.width = bad[i].width;
		host_config.height = bad[i].height;
		host_config.stride = bad[i].stride;
		host_config.bar_height = bad[i].bar;
		host_config.screen_at[2] = bad[i].at;
		assert_false(sound());
	}
	power_on(state);
	host_config.display = 77;
	assert_false(sound());
	host_config.display = MVP_DISPLAY_RAMFB;
	host_config.screen_at[2] = SCREENS_SIZE - (HEIGHT + BAR) * STRIDE;
	assert_true(sound());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_screen_is_shown_by_one_write, power_on),
		cmocka_unit_test_setup(test_screen_stays_when_the_device_refuses, power_on),
		cmocka_unit_test_setup(test_screen_waits_for_a_hanging_device_no_longer_than_so, power_on),
		cmocka_unit_test_setup(test_screen_goes_without_a_display, power_on),
		cmocka_unit_test_setup(test_screen_says_what_is_wrong_with_the_board, power_on),
		cmocka_unit_test_setup(test_fw_cfg_looks_at_so_many_files_only, power_on),
		cmocka_unit_test_setup(test_fw_cfg_writes_no_more_than_the_file, power_on),
		cmocka_unit_test_setup(test_screen_scrub_zeroes_a_whole_frame_in_steps, power_on),
		cmocka_unit_test_setup(test_screen_bars_and_frame_lie_where_the_display_reads_them, power_on),
		cmocka_unit_test_setup(test_screen_refuses_a_configuration_that_overlaps, power_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
