/* Device trees of the personas, read back with libfdt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>

#include "imagegen/base/diag.h"
#include "imagegen/hyp/fdt.h"
#include "mvp/machine.h"

static const struct board blind, with_display = { .display = {
							  .type = { .s = (char *)(uintptr_t) "ramfb" },
							  .width = { .v = 480 },
							  .height = { .v = 960 },
							  .bar = { .v = 32 },
						  } };

static struct guest_fdt build_for(const struct board *b, const char *network, uint64_t cpus, uint64_t memory)
{
	struct persona p = {
		.name = "work",
		.memory = { .v = memory },
		.cpus = { .v = cpus },
		.network = { .s = (char *)(uintptr_t)network },
	};
	struct guest_fdt f;
	struct diag *d = diag_new();
	assert_int_equal(guest_fdt_build(b, &p, &f, d), 0);
	assert_int_equal(fdt_check_full(f.data, f.len), 0);
	assert_int_equal(fdt_totalsize(f.data), f.len);
	diag_free(d);
	return f;
}

static struct guest_fdt build(uint64_t cpus, uint64_t memory)
{
	return build_for(&blind, "none", cpus, memory);
}

static const void *prop(const struct guest_fdt *f, const char *path, const char *name, int *ret_len)
{
	int node = fdt_path_offset(f->data, path);
	const void *value;
	assert_true(node >= 0);
	value = fdt_getprop(f->data, node, name, ret_len);
	assert_non_null(value);
	return value;
}

static uint64_t number(const struct guest_fdt *f, const char *path, const char *name, size_t i)
{
	int len;
	const char *v = prop(f, path, name, &len);
	fdt64_t be;
	assert_true((i + 1) * sizeof(be) <= (size_t)len);
	/* Values are aligned to 4 bytes only. */
	memcpy(&be, v + i * sizeof(be), sizeof(be));
	return fdt64_to_cpu(be);
}

static void test_machine_is_the_one_in_machine_h(void **state)
{
	struct guest_fdt f = build(2, 512 * MIB);
	(void)state;
	assert_string_equal(prop(&f, "/", "compatible", NULL), "linux,dummy-virt");
	assert_string_equal(prop(&f, "/psci", "method", NULL), "hvc");
	assert_int_equal(number(&f, "/memory@40000000", "reg", 0), MVP_GUEST_RAM);
	assert_int_equal(number(&f, "/memory@40000000", "reg", 1), 512 * MIB);
	assert_int_equal(number(&f, "/intc@8000000", "reg", 0), MVP_GUEST_GICD);
	assert_int_equal(number(&f, "/intc@8000000", "reg", 2), MVP_GUEST_GICR);
	assert_int_equal(number(&f, "/intc@8000000", "reg", 3), 2 * MVP_GUEST_GICR_STRIDE);
	assert_int_equal(number(&f, "/pl011@9000000", "reg", 0), MVP_GUEST_UART);
	assert_int_equal(number(&f, "/pl031@9010000", "reg", 0), MVP_GUEST_RTC);
	assert_int_equal(number(&f, "/virtio_mmio@a000000", "reg", 0), MVP_GUEST_VIRTIO);
	assert_true(fdt_path_offset(f.data, "/cpus/cpu@1") > 0);
	assert_int_equal(fdt_path_offset(f.data, "/cpus/cpu@2"), -FDT_ERR_NOTFOUND);
	guest_fdt_fini(&f);
}

static bool has_slot(const struct guest_fdt *f, unsigned slot)
{
	char path[64];
	(void)snprintf(path, sizeof(path), "/virtio_mmio@%x", MVP_GUEST_VIRTIO + slot * MVP_GUEST_VIRTIO_STRIDE);
	if (fdt_path_offset(f->data, path) < 0)
		return false;
	assert_int_equal(number(f, path, "reg", 0), MVP_GUEST_VIRTIO + slot * MVP_GUEST_VIRTIO_STRIDE);
	return true;
}

/* A slot without a device would cost the kernel a probe and show a device that is not there. */
static void test_slots_are_those_the_persona_has(void **state)
{
	static const struct {
		const struct board *b;
		const char *network;
		unsigned slots;
	} rows[] = {
		{ &blind, "none", 0x07 },
		{ &blind, "nat", 0x0f },
		{ &with_display, "none", 0x37 },
		{ &with_display, "nat", 0x3f },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct guest_fdt f = build_for(rows[i].b, rows[i].network, 1, 64 * MIB);
		for (unsigned slot = 0; slot < MVP_GUEST_VIRTIO_SLOTS; slot++)
			assert_int_equal(has_slot(&f, slot), rows[i].slots >> slot & 1);
		guest_fdt_fini(&f);
	}
}

static uint32_t word(const struct guest_fdt *f, const char *path, const char *name)
{
	fdt32_t be;
	int len;
	const void *v = prop(f, path, name, &len);
	assert_int_equal(len, sizeof(be));
	memcpy(&be, v, sizeof(be));
	return fdt32_to_cpu(be);
}

static void test_framebuffer_lies_above_the_memory(void **state)
{
	static const char path[] = "/chosen/framebuffer@60000000";
	struct guest_fdt f = build_for(&with_display, "none", 1, 512 * MIB);
	(void)state;
	assert_string_equal(prop(&f, path, "compatible", NULL), "simple-framebuffer");
	assert_string_equal(prop(&f, path, "format", NULL), "x8r8g8b8");
	assert_int_equal(number(&f, path, "reg", 0), MVP_GUEST_RAM + 512 * MIB);
	assert_int_equal(number(&f, path, "reg", 1), 480 * 960 * 4);
	assert_int_equal(word(&f, path, "width"), 480);
	assert_int_equal(word(&f, path, "height"), 960);
	assert_int_equal(word(&f, path, "stride"), 480 * 4);
	/* Linux maps its reg only with these in the parent. */
	assert_int_equal(word(&f, "/chosen", "#address-cells"), 2);
	assert_int_equal(word(&f, "/chosen", "#size-cells"), 2);
	guest_fdt_fini(&f);
	f = build(1, 512 * MIB);
	assert_int_equal(fdt_path_offset(f.data, path), -FDT_ERR_NOTFOUND);
	guest_fdt_fini(&f);
}

static void test_most_vcpus_fit(void **state)
{
	struct guest_fdt f = build(MVP_MAX_VCPUS, 2 * GIB);
	(void)state;
	assert_string_equal(prop(&f, "/cpus/cpu@7", "enable-method", NULL), "psci");
	assert_int_equal(number(&f, "/intc@8000000", "reg", 3), MVP_MAX_VCPUS * MVP_GUEST_GICR_STRIDE);
	assert_true(MVP_GUEST_GICR + MVP_MAX_VCPUS * MVP_GUEST_GICR_STRIDE <= MVP_GUEST_IO);
	guest_fdt_fini(&f);
}

/* Writing at the recorded offsets, as the vault does, changes those properties and nothing else. */
static void test_offsets_are_those_of_the_values(void **state)
{
	struct guest_fdt f = build(1, 64 * MIB);
	static const uint8_t start[8] = { 0, 0, 0, 0, 0x48 }, end[8] = { 0, 0, 0, 0, 0x49 };
	int len;
	(void)state;
	memcpy(f.data + f.bootargs_at, "quiet", 6);
	memcpy(f.data + f.initrd_start_at, start, 8);
	memcpy(f.data + f.initrd_end_at, end, 8);
	memset(f.data + f.kaslr_at, 0x11, 8);
	memset(f.data + f.rng_at, 0x22, f.rng_len);
	assert_int_equal(fdt_check_full(f.data, f.len), 0);
	assert_string_equal(prop(&f, "/chosen", "bootargs", &len), "quiet");
	assert_int_equal(len, f.bootargs_len);
	assert_true(f.bootargs_len >= 2048);
	assert_int_equal(number(&f, "/chosen", "linux,initrd-start", 0), 0x48000000);
	assert_int_equal(number(&f, "/chosen", "linux,initrd-end", 0), 0x49000000);
	assert_int_equal(number(&f, "/chosen", "kaslr-seed", 0), 0x1111111111111111);
	assert_int_equal(number(&f, "/chosen", "rng-seed", 3), 0x2222222222222222);
	(void)prop(&f, "/chosen", "rng-seed", &len);
	assert_int_equal(len, f.rng_len);
	guest_fdt_fini(&f);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_machine_is_the_one_in_machine_h),   cmocka_unit_test(test_slots_are_those_the_persona_has),
		cmocka_unit_test(test_framebuffer_lies_above_the_memory), cmocka_unit_test(test_most_vcpus_fit),
		cmocka_unit_test(test_offsets_are_those_of_the_values),
	};
	/* With a file name: write a tree there, for dtc and for QEMU. */
	if (argc > 1) {
		struct guest_fdt f = build_for(&with_display, "nat", 2, 512 * MIB);
		FILE *out = fopen(argv[1], "we");
		int rc = !out || fwrite(f.data, f.len, 1, out) != 1;
		rc |= out && fclose(out);
		guest_fdt_fini(&f);
		return rc;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
