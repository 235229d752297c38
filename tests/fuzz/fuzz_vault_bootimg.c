/* The vault's plan for a boot image: whatever the headers say, what is read lies in the partition and what is written lies in RAM, above
 * the device tree and apart. The input is two sizes and the head of the image. */
#include "tests/unit/vault_host.h"

#include "mvp/machine.h"
#include "vmm/vault/bootimg.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t head[BOOTIMG_HEAD_LEN] = { 0 };
	struct bootplan p;
	if (size < 8)
		return 0;
	uint64_t ram = (uint64_t)get_le16(data) * MVP_BLOCK_SIZE, partition = (uint64_t)get_le32(data + 2) * SECTOR;
	memcpy(head, data + 8, min_u64(size - 8, sizeof(head)));
	if (data[6] & 1) {
		static const uint8_t android[] = { 'A', 'N', 'D', 'R', 'O', 'I', 'D', '!' }, magic[] = { 'A', 'R', 'M', 0x64 };
		memcpy(head, android, sizeof(android));
		memcpy(head + 4096 + 56, magic, sizeof(magic));
	}
	if (bootimg_plan(head, partition, ram, &p))
		return 0;
	uint64_t kernel_end = p.kernel_to + p.kernel_read;
	if (p.kernel_to < MVP_GUEST_KERNEL - MVP_GUEST_RAM || !range_in(p.kernel_to, p.kernel_read, ram) || p.used_end > ram ||
	    kernel_end > p.used_end)
		abort();
	if (!range_in(p.kernel_from, p.kernel_read, partition))
		abort();
	if (p.ramdisk_len && (p.ramdisk_to < kernel_end || !range_in(p.ramdisk_to, p.ramdisk_read, ram) || p.ramdisk_len > p.ramdisk_read ||
			      !range_in(p.ramdisk_from, p.ramdisk_read, partition)))
		abort();
	if (strnlen(p.cmdline, sizeof(p.cmdline)) == sizeof(p.cmdline))
		abort();
	return 0;
}
