/* Kernels that are wrapped into arm64 Images. What the image's code does is done here by its steps, on a memory of bytes that are not zero
 * where the image and the device tree lie; tests/e2e/test_kernels.py runs the code itself. */
#include "tests/unit/formats.h"

#include <elf.h>

#include <lz4.h>
#include <lz4frame.h>

#include "imagegen/base/bytes.h"
#include "imagegen/bootimg/wrap.h"
#include "mvp/machine.h"

enum { RAM = MVP_GUEST_RAM, LOADED = MVP_GUEST_KERNEL, DTB_LEN = 6000 };
#define MEMORY (16 * MIB)

static uint64_t word(const uint8_t *image, size_t at)
{
	return get_le64(image + at);
}

static uint8_t dtb_byte(uint64_t i)
{
	return (uint8_t)((i * 3) | 1);
}

static uint8_t *at_address(uint8_t *ram, uint64_t address, uint64_t len)
{
	assert_true(address >= RAM && num_inside(address - RAM, len, MEMORY));
	return ram + (address - RAM);
}

/* What the persona's memory is when its kernel starts: malloc'd, MEMORY bytes. */
static uint8_t *started(const uint8_t *image, size_t len)
{
	uint8_t *ram = mem_zeroed(1, MEMORY);
	uint64_t run_at = word(image, WRAP_RUN_AT), dtb_at = word(image, WRAP_DTB_AT);
	for (size_t i = 0; i < DTB_LEN; i++)
		ram[i] = dtb_byte(i);
	assert_int_equal(word(image, WRAP_IMAGE_LEN), len);
	assert_int_equal(len % 16, 0);
	memcpy(at_address(ram, LOADED, len), image, len);
	assert_true(run_at == LOADED || run_at + len <= LOADED || run_at >= LOADED + len);
	memmove(at_address(ram, run_at, len), image, len);
	for (const uint8_t *step = image + WRAP_STEPS;; step += WRAP_STEP_LEN) {
		uint64_t to = word(step, 0), from = word(step, 8), n = word(step, 16);
		assert_true(step + WRAP_STEP_LEN <= image + len);
		if (!n)
			break;
		/* The code that does this, and the steps, stay as they are. */
		assert_true(to + n <= run_at || to >= run_at + (uint64_t)(step + 2 * WRAP_STEP_LEN - image));
		if (!from) {
			memset(at_address(ram, to, n), 0, n);
			continue;
		}
		assert_int_equal(to % 16, from % 16);
		assert_true(to + n <= from || from + n <= to);
		memcpy(at_address(ram, to, n), at_address(ram, from, n), n);
	}
	uint64_t dtb = dtb_at ? dtb_at : RAM;
	for (size_t i = 0; i < DTB_LEN; i++)
		assert_int_equal(at_address(ram, dtb, DTB_LEN)[i], dtb_byte(i));
	/* An initrd, which the vault puts behind image_size, meets nothing of this. */
	uint64_t end = LOADED + word(image, 16);
	assert_true(end >= dtb + DTB_LEN && end >= run_at + len && end <= RAM + MEMORY);
	memset(at_address(ram, dtb, DTB_LEN), 0, DTB_LEN);
	memset(at_address(ram, run_at, 4096), 0, num_min(len, WRAP_STEPS + 2000));
	return ram;
}

static int check_at(uint8_t **data, size_t *len, uint64_t memory, struct diag *d)
{
	const struct kernel_place place = { .memory = memory, .dtb_len = DTB_LEN };
	bool wrapped = false;
	int rc = kernel_check(data, len, &place, "kernel", &wrapped, d);
	assert_true(rc < 0 || wrapped);
	return rc;
}

static void expect_bytes(uint8_t *ram, uint64_t at, const uint8_t *bytes, size_t len)
{
	assert_memory_equal(at_address(ram, at, len), bytes, len);
	memset(at_address(ram, at, len), 0, len);
}

/* All that was expected has been seen and cleared. */
static void expect_rest_empty(const uint8_t *ram)
{
	for (size_t i = 0; i < MEMORY; i++)
		if (ram[i])
			fail_msg("0x%llx is not zero", (unsigned long long)(RAM + i));
}

static uint8_t *flat_new(size_t len, uint32_t first)
{
	uint8_t *p = mem_zeroed(1, len + 1);
	for (size_t i = 4; i < len; i++)
		p[i] = (uint8_t)((i * 7 + i / 251) % 255 + 1);
	put_le32(p, first);
	p[5] = 0; /* no text */
	return p;
}

static void test_flat_is_put_512_kib_into_memory(void **state)
{
	/* Small; one that meets the place it is loaded at; one that covers it; odd lengths. */
	static const size_t lengths[] = { 64, 100001, 0x180000, 0x180000 + 12345, 5 * MIB + 3 };
	struct diag *d CLEANUP(diag_freep) = diag_new();
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		uint8_t *flat CLEANUP_FREE = flat_new(lengths[i], 0xd53800a0), *image CLEANUP_FREE = mem_zeroed(1, lengths[i]);
		size_t len = lengths[i];
		memcpy(image, flat, len);
		assert_int_equal(check_at(&image, &len, MEMORY, d), 0);
		assert_int_equal(get_le32(image + 56), 0x644d5241);
		assert_int_equal(word(image, WRAP_ENTRY), RAM + 0x80000);
		/* As on the virt board, or behind what is used there. */
		if (lengths[i] < 5 * MIB)
			assert_int_equal(word(image, WRAP_DTB_AT), RAM + MEMORY / 2);
		assert_true(word(image, WRAP_DTB_AT) >= RAM + MEMORY / 2);
		uint8_t *ram CLEANUP_FREE = started(image, len);
		expect_bytes(ram, RAM + 0x80000, flat, lengths[i]);
		expect_rest_empty(ram);
	}
	assert_int_equal(diag_count(d), 0);
}

static void test_flat_that_does_not_fit_is_refused(void **state)
{
	static const struct {
		size_t len, memory;
	} cases[] = {
		{ 2 * MIB, 2 * MIB },  /* behind the end */
		{ 3 * MIB, 4 * MIB },  /* no room to load it above 2 MiB */
		{ 7 * MIB, 10 * MIB }, /* none to move it */
		{ 64, 2 * MIB },       /* the smallest memory has no place for any kernel */
	};
	struct diag *d CLEANUP(diag_freep) = diag_new();
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t *image CLEANUP_FREE = flat_new(cases[i].len, 0xd53800a0);
		size_t len = cases[i].len;
		assert_int_equal(check_at(&image, &len, cases[i].memory, d), -1);
		expect_only(&d, MVP0510);
	}
}

struct segment {
	uint64_t virtual, physical, len, room;
};

/* An ELF executable; segment i is filled with i + 1. *ret_len has its length. */
static uint8_t *elf_new(const struct segment *s, size_t count, uint64_t entry, size_t *ret_len)
{
	size_t len = sizeof(Elf64_Ehdr) + count * sizeof(Elf64_Phdr);
	for (size_t i = 0; i < count; i++)
		len += s[i].len;
	uint8_t *p = mem_zeroed(1, len);
	size_t at = sizeof(Elf64_Ehdr) + count * sizeof(Elf64_Phdr);
	Elf64_Ehdr h = { .e_type = ET_EXEC,
			 .e_machine = EM_AARCH64,
			 .e_version = 1,
			 .e_entry = entry,
			 .e_phoff = sizeof(h),
			 .e_ehsize = sizeof(h),
			 .e_phentsize = sizeof(Elf64_Phdr),
			 .e_phnum = (Elf64_Half)count };
	memcpy(h.e_ident, ELFMAG, SELFMAG);
	h.e_ident[EI_CLASS] = ELFCLASS64;
	h.e_ident[EI_DATA] = ELFDATA2LSB;
	h.e_ident[EI_VERSION] = 1;
	memcpy(p, &h, sizeof(h));
	for (size_t i = 0; i < count; i++) {
		const Elf64_Phdr ph = { .p_type = PT_LOAD,
					.p_flags = PF_R | PF_X,
					.p_offset = at,
					.p_vaddr = s[i].virtual,
					.p_paddr = s[i].physical,
					.p_filesz = s[i].len,
					.p_memsz = s[i].room };
		memcpy(p + sizeof(h) + i * sizeof(ph), &ph, sizeof(ph));
		memset(p + at, (int)i + 1, s[i].len);
		at += s[i].len;
	}
	*ret_len = len;
	return p;
}

static void test_elf_segments_are_put_in_place(void **state)
{
	static const struct {
		struct segment s[3];
		size_t count;
	} cases[] = {
		{ { { RAM + 0x80000, RAM + 0x80000, 5000, 5000 }, { RAM + 0x90000, RAM + 0x90000, 777, 70000 } }, 2 },
		/* across the place it is loaded at, in the wrong order, at odd addresses */
		{ { { 0, LOADED + 100003, 70001, 900001 }, { 0x1000000, LOADED - 4000, 100000, 100001 } }, 2 },
		/* on the device tree, and up to the end of memory */
		{ { { RAM, RAM, 10000, 300000 }, { LOADED, LOADED, 40000, 50000 }, { RAM + 15 * MIB, RAM + 15 * MIB, 0, MIB } }, 3 },
		/* in the middle of the device tree, and all but the image's own place is taken */
		{ { { RAM + 3001, RAM + 3001, 1, LOADED - RAM - 3001 }, { LOADED + 5 * MIB, LOADED + 5 * MIB, MIB, 2 * MIB } }, 2 },
		/* linked to virtual addresses, loaded to physical ones */
		{ { { 0xffff000000080000, RAM + 0x80000, 4096, 8192 } }, 1 },
	};
	struct diag *d CLEANUP(diag_freep) = diag_new();
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct segment *s = cases[i].s;
		size_t len;
		uint64_t inside = s[0].len > 4 ? s[0].len / 8 * 4 : 0;
		const struct segment *first = inside ? &s[0] : &s[1];
		inside = first->len / 8 * 4;
		while ((first->physical + inside) % 4)
			inside++;
		uint8_t *image CLEANUP_FREE = elf_new(s, cases[i].count, first->virtual + inside, &len);
		assert_int_equal(check_at(&image, &len, MEMORY, d), 0);
		assert_int_equal(word(image, WRAP_ENTRY), first->physical + inside);
		uint8_t *ram CLEANUP_FREE = started(image, len);
		for (size_t n = 0; n < cases[i].count; n++) {
			uint8_t *content CLEANUP_FREE = mem_zeroed(1, s[n].room);
			memset(content, (int)n + 1, s[n].len);
			expect_bytes(ram, s[n].physical, content, s[n].room);
		}
		expect_rest_empty(ram);
	}
	assert_int_equal(diag_count(d), 0);
}

static void test_elf_outside_memory_is_refused(void **state)
{
	static const struct segment cases[] = {
		{ 0, 0, 4096, 4096 },                                     /* linked to 0, as a position-independent program */
		{ 0xffff800008000000, 0xffff800008000000, 4096, 4096 },   /* Linux's vmlinux */
		{ RAM + MEMORY - 4096, RAM + MEMORY - 4096, 4096, 4097 }, /* zeros behind the end */
		{ RAM, RAM, 4096, UINT64_MAX },
		{ UINT64_MAX - 4095, UINT64_MAX - 4095, 4096, 4096 },
	};
	struct diag *d CLEANUP(diag_freep) = diag_new();
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t len;
		uint8_t *image CLEANUP_FREE = elf_new(&cases[i], 1, cases[i].virtual, &len);
		assert_int_equal(check_at(&image, &len, MEMORY, d), -1);
		assert_non_null(diag_get(d, 0)->hint);
		expect_only(&d, MVP0510);
	}
}

static void test_damaged_elf_is_refused(void **state)
{
	enum { PH = sizeof(Elf64_Ehdr) };
	static const struct {
		size_t at, len;
		uint64_t value;
	} cases[] = {
		{ EI_CLASS, 1, ELFCLASS32 },
		{ EI_DATA, 1, ELFDATA2MSB },
		{ offsetof(Elf64_Ehdr, e_type), 2, ET_REL },
		{ offsetof(Elf64_Ehdr, e_machine), 2, EM_X86_64 },
		{ offsetof(Elf64_Ehdr, e_phentsize), 2, 32 },
		{ offsetof(Elf64_Ehdr, e_phnum), 2, 0xffff },
		{ offsetof(Elf64_Ehdr, e_phnum), 2, 0 },
		{ offsetof(Elf64_Ehdr, e_phoff), 8, UINT64_MAX - 8 },
		{ offsetof(Elf64_Ehdr, e_entry), 8, RAM },
		{ offsetof(Elf64_Ehdr, e_entry), 8, RAM + 0x100002 },
		{ PH + offsetof(Elf64_Phdr, p_type), 4, PT_INTERP },
		{ PH + offsetof(Elf64_Phdr, p_offset), 8, UINT64_MAX - 100 },
		{ PH + offsetof(Elf64_Phdr, p_filesz), 8, 4097 },          /* cut off */
		{ PH + offsetof(Elf64_Phdr, p_memsz), 8, 4095 },           /* less memory than data */
		{ PH + offsetof(Elf64_Phdr, p_paddr), 8, RAM + 0x101fff }, /* on the second */
	};
	static const struct segment s[] = { { RAM + 0x100000, RAM + 0x100000, 4096, 4096 }, { RAM + 0x102000, RAM + 0x102000, 0, 4096 } };
	struct diag *d CLEANUP(diag_freep) = diag_new();
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t len;
		uint8_t *image CLEANUP_FREE = elf_new(s, 2, RAM + 0x100000, &len);
		uint8_t value[8];
		put_le64(value, cases[i].value);
		memcpy(image + cases[i].at, value, cases[i].len);
		assert_int_equal(check_at(&image, &len, MEMORY, d), -1);
		expect_only(&d, MVP0506);
	}
	for (size_t cut = 4; cut < sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr) + 4096; cut += 13) {
		size_t len;
		uint8_t *image CLEANUP_FREE = elf_new(s, 2, RAM + 0x100000, &len);
		assert_int_equal(check_at(&image, &cut, MEMORY, d), -1);
		expect_only(&d, MVP0506);
	}
}

static void test_many_segments_are_refused(void **state)
{
	struct segment s[WRAP_PARTS_MAX + 1] = { 0 };
	struct diag *d CLEANUP(diag_freep) = diag_new();
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(s); i++)
		s[i] = (struct segment){ RAM + 0x80000 + i * 48, RAM + 0x80000 + i * 48, 31, 33 };
	for (size_t count = WRAP_PARTS_MAX; count <= WRAP_PARTS_MAX + 1; count++) {
		size_t len;
		uint8_t *image CLEANUP_FREE = elf_new(s, count, s[0].virtual, &len);
		assert_int_equal(check_at(&image, &len, MEMORY, d), count > WRAP_PARTS_MAX ? -1 : 0);
		if (count > WRAP_PARTS_MAX)
			expect_only(&d, MVP0506);
		else
			free(started(image, len));
	}
}

static void test_first_instructions_tell_a_flat_binary(void **state)
{
	static const struct {
		uint32_t first;
		bool is;
	} cases[] = {
		{ 0x14000010, true },                         /* b . + 64 */
		{ 0x17ffffff, false },                        /* b . - 4 */
		{ 0x14000000, false },                        /* b . */
		{ 0x14100000, false },                        /* b behind the end */
		{ 0x94000010, true },                         /* bl */
		{ 0x90000004, true },                         /* adrp x4, . */
		{ 0x10000780, true },                         /* adr x0, . + 240 */
		{ 0x10fffde0, false },                        /* adr x0, . - 68 */
		{ 0x58000441, true },                         /* ldr x1, . + 136 */
		{ 0x580fffe1, false },                        /* ldr x1, behind the end */
		{ 0xd53800a0, true },                         /* mrs x0, mpidr_el1 */
		{ 0xd50343df, true },                         /* msr daifset, 3 */
		{ 0xd503201f, true },                         /* nop */
		{ 0xaa0003f3, true },                         /* mov x19, x0 */
		{ 0xd2800000, true },                         /* mov x0, 0 */
		{ 0xd10043ff, true },                         /* sub sp, sp, 16 */
		{ 0xa9bf7bfd, true },                         /* stp x29, x30, [sp, -16]! */
		{ 0xd4000002, true },                         /* hvc 0 */
		{ 0xb4000040, true },                         /* cbz x0, . + 8 */
		{ 0x00000000, false },                        /* udf */
		{ 0xffffffff, false }, { 0xea000006, false }, /* 32-bit arm: b */
		{ 0xe59ff018, false },                        /* 32-bit arm: ldr pc, [pc, 24] */
		{ 0xf1402573, false },                        /* RISC-V: csrr a0, mhartid */
		{ 0x00000297, false },                        /* RISC-V: auipc t0, 0 */
		{ 0x04034b50, false },                        /* zip */
		{ 0x474e5089, false },                        /* PNG */
		{ 0xe0ffd8ff, false },                        /* JPEG */
		{ 0x184d2204, false },                        /* lz4 */
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t *flat CLEANUP_FREE = flat_new(4096, cases[i].first);
		if (kernel_is_flat(flat, 4096) != cases[i].is)
			fail_msg("case %zu: 0x%08x", i, cases[i].first);
		assert_false(kernel_is_flat(flat, 63));
	}
}

/* An arm64 Image of 9 MiB: more than one block of the older format. */
static uint8_t *linux_new(size_t len)
{
	uint8_t *p = flat_new(len, 0x14000010);
	memset(p + 4, 0, 60);
	put_le64(p + 16, len);
	put_le64(p + 24, 0xa);
	put_le32(p + 56, 0x644d5241);
	return p;
}

static void unpacks_to(const uint8_t *packed, size_t packed_len, const uint8_t *want, size_t want_len)
{
	struct diag *d CLEANUP(diag_freep) = diag_new();
	const struct kernel_place place = { .memory = 64 * MIB, .dtb_len = DTB_LEN };
	uint8_t *data CLEANUP_FREE = memcpy(mem_zeroed(1, packed_len), packed, packed_len);
	size_t len = packed_len;
	bool wrapped = true;
	assert_int_equal(kernel_check(&data, &len, &place, "kernel", &wrapped, d), 0);
	assert_false(wrapped);
	assert_int_equal(len, want_len);
	assert_memory_equal(data, want, want_len);
	/* Cut off anywhere, it is refused. */
	for (size_t cut = 4; cut < packed_len; cut += 1 + packed_len / 7) {
		uint8_t *part = memcpy(mem_zeroed(1, cut), packed, cut);
		size_t part_len = cut;
		int rc = kernel_check(&part, &part_len, &place, "kernel", &wrapped, d);
		free(part);
		assert_int_equal(rc, -1);
		expect_only(&d, MVP0506);
	}
}

static void test_lz4_is_unpacked(void **state)
{
	(void)state;
	const size_t len = 9 * MIB + 5;
	uint8_t *image CLEANUP_FREE = linux_new(len), *packed CLEANUP_FREE = mem_zeroed(1, LZ4F_compressFrameBound(len, NULL) + 64);
	size_t n = LZ4F_compressFrame(packed, LZ4F_compressFrameBound(len, NULL), image, len, NULL);
	assert_false(LZ4F_isError(n));
	unpacks_to(packed, n, image, len);
	/* As `lz4 -l` does: the magic, then blocks of 8 MiB, each behind its length. */
	put_le32(packed, 0x184c2102);
	n = 4;
	for (size_t at = 0; at < len; at += 8 * MIB) {
		size_t piece = num_min(8 * MIB, len - at);
		int m = LZ4_compress_default((const char *)image + at, (char *)packed + n + 4, (int)piece, LZ4_compressBound((int)piece));
		assert_true(m > 0);
		put_le32(packed + n, (uint32_t)m);
		n += 4 + (size_t)m;
	}
	unpacks_to(packed, n, image, len);
}

static void test_other_files_are_refused(void **state)
{
	/* Each begins like machine code otherwise: the opening of a flat binary is written where the case leaves it alone. */
	static const struct {
		size_t at, len;
		const char *bytes;
	} cases[] = {
		{ 0, 6, "070701" },
		{ 257, 5, "ustar" },
		{ 0, 4, "PK\3\4" },
		{ 0, 8, "\x89PNG\r\n\x1a\n" },
		{ 0, 4, "\x28\xb5\x2f\xfd" },
		{ 0, 4, "\x02\x21\x4c\x18" },
		{ 0, 4, "\x04\x22\x4d\x18" },
		{ 0, 5,
		  "\xfd"
		  "7zXZ" },
		{ 0, 3, "BZh" },
		{ 0, 4, "\x27\x05\x19\x56" },
		{ 0, 4, "\xd0\x0d\xfe\xed" },
		{ 0, 4, "\x3a\xff\x26\xed" },
		{ 510, 2, "\x55\xaa" },
		{ 514, 4, "HdrS" },
		{ 36, 4, "\x18\x28\x6f\x01" },
		{ 0, 10, "#!/bin/sh\n" },
	};
	static const char script[] = "echo this is a script without its first line, which is longer than 64 characters\n";
	struct diag *d CLEANUP(diag_freep) = diag_new();
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t *file CLEANUP_FREE = flat_new(4096, 0xd53800a0);
		size_t len = 4096;
		memcpy(file + cases[i].at, cases[i].bytes, cases[i].len);
		assert_int_equal(check_at(&file, &len, MEMORY, d), -1);
		expect_only(&d, MVP0506);
	}
	for (size_t len = 0; len < sizeof(script); len += len < 64 ? 1 : 5) {
		uint8_t *file CLEANUP_FREE = memcpy(mem_zeroed(1, sizeof(script)), script, sizeof(script));
		size_t file_len = len;
		assert_int_equal(check_at(&file, &file_len, MEMORY, d), -1);
		expect_only(&d, MVP0506);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flat_is_put_512_kib_into_memory),
		cmocka_unit_test(test_flat_that_does_not_fit_is_refused),
		cmocka_unit_test(test_elf_segments_are_put_in_place),
		cmocka_unit_test(test_elf_outside_memory_is_refused),
		cmocka_unit_test(test_damaged_elf_is_refused),
		cmocka_unit_test(test_many_segments_are_refused),
		cmocka_unit_test(test_first_instructions_tell_a_flat_binary),
		cmocka_unit_test(test_lz4_is_unpacked),
		cmocka_unit_test(test_other_files_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
