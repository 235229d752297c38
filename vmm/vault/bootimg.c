#include "bootimg.h"

#include "mvp/machine.h"

static uint64_t page_up(uint64_t v)
{
	return (v + MVP_BOOTIMG_PAGE - 1) & ~(uint64_t)(MVP_BOOTIMG_PAGE - 1);
}

/* Sizes fit 32 bits (kernel, ramdisk) or are checked against ram_size first, so no sum below overflows. */
static const char *place_kernel(const uint8_t *kernel, uint32_t kernel_size, uint64_t ram_size, struct bootplan *p)
{
	struct mvp_arm64_header h;
	memcpy(&h, kernel, sizeof(h));

	if (kernel_size < sizeof(h) || h.magic != MVP_ARM64_MAGIC)
		return "the kernel is not an arm64 Image";
	if (h.flags & MVP_ARM64_FLAG_BE)
		return "the kernel is big endian";
	/* Before Linux 3.17 the field was 0 and text_offset could not be trusted. */
	if (!h.image_size || h.image_size > ram_size || h.text_offset >= MVP_ARM64_BASE_ALIGN || h.text_offset % MVP_BOOTIMG_PAGE)
		return "the kernel's Image header has an impossible size or offset";

	p->kernel_to = MVP_GUEST_KERNEL - MVP_GUEST_RAM + h.text_offset;
	p->kernel_read = page_up(kernel_size);
	uint64_t memory = h.image_size > p->kernel_read ? h.image_size : p->kernel_read;
	if (!range_in(p->kernel_to, memory, ram_size))
		return "the kernel does not fit the persona's RAM";
	p->used_end = p->kernel_to + memory;
	return NULL;
}

const char *bootimg_plan(const uint8_t *head, uint64_t partition_len, uint64_t ram_size, struct bootplan *ret_plan)
{
	struct bootplan *p = ret_plan;
	struct mvp_bootimg_v4 h;
	memcpy(&h, head, sizeof(h));

	if (memcmp(h.magic, MVP_BOOTIMG_MAGIC, MVP_BOOTIMG_MAGIC_LEN) != 0)
		return "no Android boot image";
	if (h.header_version != 3 && h.header_version != 4)
		return "the boot image's header version is neither 3 nor 4";
	if (h.header_size != (h.header_version == 4 ? MVP_BOOTIMG_V4_SIZE : MVP_BOOTIMG_V3_SIZE))
		return "the boot image's header size does not belong to its version";
	if (h.cmdline[MVP_BOOTIMG_CMDLINE - 1])
		return "the boot image's command line has no end";
	if (!h.kernel_size)
		return "the boot image has no kernel";

	p->kernel_from = MVP_BOOTIMG_PAGE;
	p->ramdisk_from = p->kernel_from + page_up(h.kernel_size);
	p->ramdisk_len = h.ramdisk_size;
	p->ramdisk_read = page_up(h.ramdisk_size);
	p->content_end = h.ramdisk_size ? p->ramdisk_from + h.ramdisk_size : p->kernel_from + h.kernel_size;
	if (p->ramdisk_from + p->ramdisk_read > partition_len)
		return "the boot image is longer than its partition";
	const char *wrong = place_kernel(head + MVP_BOOTIMG_PAGE, h.kernel_size, ram_size, p);
	if (wrong)
		return wrong;

	p->ramdisk_to = page_up(p->used_end);
	if (p->ramdisk_len) {
		if (!range_in(p->ramdisk_to, p->ramdisk_read, ram_size))
			return "the ramdisk does not fit the persona's RAM";
		p->used_end = p->ramdisk_to + p->ramdisk_read;
	}
	memcpy(p->cmdline, h.cmdline, sizeof(p->cmdline));
	return NULL;
}
