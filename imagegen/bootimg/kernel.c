#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include <isa-l/igzip_lib.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/bootimg/wrap.h"
#include "mvp/bootimg.h"

#define KERNEL_MAX ((size_t)256 << 20) /* unpacked */

/* gzip (RFC 1952), one member. */
static int unpack(const uint8_t *in, size_t in_len, const char *label, uint8_t **ret_out, size_t *ret_len, struct diag *d)
{
	struct loc loc = LOC_FILE(label);
	struct inflate_state *s CLEANUP_FREE = mem_new(struct inflate_state);
	size_t cap = num_min(in_len, KERNEL_MAX / 4) * 4 + 4096, len = 0;
	uint8_t *out CLEANUP_FREE = mem_try(1, cap);
	if (in_len > UINT32_MAX)
		return diag_fail(d, MVP0506, &loc, "the compressed kernel has %zu bytes; no kernel is that large", in_len);
	isal_inflate_init(s);
	s->crc_flag = ISAL_GZIP;
	s->next_in = (uint8_t *)(uintptr_t)in; /* only read */
	s->avail_in = (uint32_t)in_len;
	while (out) {
		s->next_out = out + len;
		s->avail_out = (uint32_t)(cap - len);
		int r = isal_inflate(s);
		len = cap - s->avail_out;
		if (r != ISAL_DECOMP_OK)
			return diag_fail(d, MVP0506, &loc, "the kernel's gzip data is damaged");
		if (s->block_state == ISAL_BLOCK_FINISH)
			break;
		if (s->avail_out)
			return diag_fail(d, MVP0506, &loc, "the kernel's gzip data is cut off");
		if (cap >= KERNEL_MAX)
			return diag_fail(d, MVP0506, &loc, "the kernel unpacks to more than %zu MiB", KERNEL_MAX >> 20);
		uint8_t *bigger = realloc(out, num_min(cap * 2, KERNEL_MAX));
		if (!bigger)
			return diag_fail(d, MVP0506, &loc, "no memory to unpack the kernel");
		out = bigger;
		cap = num_min(cap * 2, KERNEL_MAX);
	}
	if (!out)
		return diag_fail(d, MVP0506, &loc, "no memory to unpack the kernel");
	*ret_out = TAKE(out);
	*ret_len = len;
	return 0;
}

/* What a file that is no kernel is, when a magic of at least `sure` bytes tells. */
static const char *other_kind(const uint8_t *data, size_t len, size_t sure)
{
	static const struct {
		size_t at, len;
		const char *magic, *what;
	} kinds[] = {
		{ 4, 4, "zimg", "an EFI zboot image, which only EFI firmware unpacks" },
		{ 0, 4, "\x02\x21\x4c\x18", "compressed with lz4, twice" },
		{ 0, 4, "\x04\x22\x4d\x18", "compressed with lz4, twice" },
		{ 0, 4, "\x28\xb5\x2f\xfd", "compressed with zstd" },
		{ 0, 5,
		  "\xfd"
		  "7zXZ",
		  "compressed with xz" },
		{ 0, 3, "BZh", "compressed with bzip2" },
		{ 0, 4, "\x27\x05\x19\x56", "a U-Boot image" },
		{ 0, 4, "\xd0\x0d\xfe\xed", "a device tree or a FIT image" },
		{ 0, 8, "ANDROID!", "an Android boot image" },
		{ 0, 4, "\x3a\xff\x26\xed", "an Android sparse image" },
		{ 514, 4, "HdrS", "an x86 kernel" },
		{ 36, 4, "\x18\x28\x6f\x01", "a 32-bit arm kernel" },
		{ 0, 5, "07070", "an initial RAM disk (cpio archive)" },
		{ 257, 5, "ustar", "a tar archive" },
		{ 0, 2, "PK", "a zip archive" },
		{ 0, 2, "#!", "a script" },
		{ 510, 2, "\x55\xaa", "a disk image or a boot sector" },
	};
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (kinds[i].len >= sure && num_inside(kinds[i].at, kinds[i].len, len) &&
		    memcmp(data + kinds[i].at, kinds[i].magic, kinds[i].len) == 0)
			return kinds[i].what;
	return NULL;
}

static bool has_magic(const uint8_t *data, size_t len)
{
	struct mvp_arm64_header h;
	if (len < sizeof(h))
		return false;
	memcpy(&h, data, sizeof(h));
	return le32toh(h.magic) == MVP_ARM64_MAGIC;
}

static int check_image(const uint8_t *data, const char *label, struct diag *d)
{
	struct mvp_arm64_header h;
	struct loc loc = LOC_FILE(label);
	memcpy(&h, data, sizeof(h));
	if (le64toh(h.flags) & MVP_ARM64_FLAG_BE)
		return diag_fail(d, MVP0506, &loc, "the kernel is big-endian; handsets are little-endian");
	if (h.image_size == 0)
		return diag_fail(d, MVP0506, &loc, "the kernel does not say how much memory it needs (older than Linux 3.17)");
	if (le64toh(h.image_size) > GIB)
		return diag_fail(d, MVP0506, &loc, "the kernel claims %llu MiB of memory",
				 (unsigned long long)(le64toh(h.image_size) / MIB));
	if (le64toh(h.text_offset) >= MVP_ARM64_BASE_ALIGN || le64toh(h.text_offset) % 4096)
		return diag_fail(d, MVP0506, &loc, "the kernel's text offset 0x%llx is not a page below 2 MiB",
				 (unsigned long long)le64toh(h.text_offset));
	return 0;
}

static int refuse(const uint8_t *data, size_t len, const char *label, struct diag *d)
{
	struct loc loc = LOC_FILE(label);
	const char *kind = other_kind(data, len, 0);
	diag_fail(d, MVP0506, &loc, "no AArch64 kernel: it is %s",
		  kind ? kind : "neither an arm64 Image nor ELF, and does not begin like machine code");
	diag_hint(d, "name an arm64 'Image', plain or compressed with gzip or lz4, as Debian's /boot/vmlinuz-*-arm64 is, an ELF "
		     "executable, or a flat "
		     "binary");
	return -1;
}

/* What is to replace the image, or NULL in *ret_wrapped if nothing. */
static int check_kind(const uint8_t *image, size_t len, const struct kernel_place *place, const char *label, uint8_t **ret_wrapped,
		      size_t *ret_len, struct diag *d)
{
	if (len >= 4 && memcmp(image,
			       "\x7f"
			       "ELF",
			       4) == 0)
		return kernel_wrap_elf(image, len, place, label, ret_wrapped, ret_len, d);
	if (has_magic(image, len) && !other_kind(image, len, 4))
		return check_image(image, label, d);
	if (!other_kind(image, len, 0) && kernel_is_flat(image, len))
		return kernel_wrap_flat(image, len, place, label, ret_wrapped, ret_len, d);
	return refuse(image, len, label, d);
}

int kernel_check(uint8_t **data, size_t *len, const struct kernel_place *place, const char *label, bool *ret_wrapped, struct diag *d)
{
	uint8_t *unpacked CLEANUP_FREE = NULL, *wrapped CLEANUP_FREE = NULL;
	size_t unpacked_len = 0, wrapped_len = 0;
	bool gzip = *len >= 3 && memcmp(*data, "\x1f\x8b\x08", 3) == 0;
	if (gzip && unpack(*data, *len, label, &unpacked, &unpacked_len, d) < 0)
		return -1;
	if (kernel_is_lz4(*data, *len) && kernel_unpack_lz4(*data, *len, KERNEL_MAX, label, &unpacked, &unpacked_len, d) < 0)
		return -1;
	if (check_kind(unpacked ? unpacked : *data, unpacked ? unpacked_len : *len, place, label, &wrapped, &wrapped_len, d) < 0)
		return -1;
	*ret_wrapped = wrapped != NULL;
	if (wrapped || unpacked) {
		free(*data);
		*len = wrapped ? wrapped_len : unpacked_len;
		*data = wrapped ? TAKE(wrapped) : TAKE(unpacked);
	}
	return 0;
}
