/* The vault's GPT reader: the input is the head of a disk. Checksums are mended half of the time, so that what lies behind them is reached.
 */
#include "tests/unit/vault_host.h"

#include "vmm/vault/gpt.c"
#include "vmm/vault/lib.c"

#define DISK_LEN 0x10000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void mend(uint8_t *disk)
{
	uint64_t entries = get_le64(disk + SECTOR + 72);
	uint64_t len = (uint64_t)get_le32(disk + SECTOR + 80) * get_le32(disk + SECTOR + 84);
	uint32_t header = get_le32(disk + SECTOR + 12);
	if (entries < DISK_LEN / SECTOR && len <= DISK_LEN - entries * SECTOR) {
		uint32_t crc = crc32_add(0, disk + entries * SECTOR, len);
		memcpy(disk + SECTOR + 88, &crc, 4);
	}
	if (header <= SECTOR) {
		memset(disk + SECTOR + 16, 0, 4);
		uint32_t crc = crc32_add(0, disk + SECTOR, header);
		memcpy(disk + SECTOR + 16, &crc, 4);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t disk[DISK_LEN];
	struct gpt_scan s = { .wanted_count = 2, .wanted = { { .name = "personal" }, { .name = "work" } } };
	struct gpt_table t;
	if (size < 1)
		return 0;
	size_t len = min_u64(size - 1, sizeof(disk));
	memset(disk, 0, sizeof(disk));
	memcpy(disk, data + 1, len);
	if (data[0] & 1)
		mend(disk);
	if (!gpt_check_header(disk + SECTOR, 1, DISK_LEN / SECTOR, &t))
		return 0;
	if (!range_in(t.entries_sector * SECTOR, t.entries_len, DISK_LEN))
		abort();
	gpt_scan_start(&s, &t);
	/* A copy as long as a piece: reading past it is seen. */
	size_t piece = t.entry_size * (1 + (data[0] >> 1) % 8u);
	for (uint64_t done = 0; done < t.entries_len; done += piece) {
		size_t n = min_u64(piece, t.entries_len - done);
		uint8_t *copy = malloc(n);
		if (!copy)
			abort();
		memcpy(copy, disk + t.entries_sector * SECTOR + done, n);
		gpt_scan_feed(&s, copy, n);
		free(copy);
	}
	if (!gpt_scan_end(&s))
		return 0;
	for (unsigned i = 0; i < s.wanted_count; i++) {
		if (s.wanted[i].found && (!s.wanted[i].sectors || !range_in(s.wanted[i].sector, s.wanted[i].sectors, DISK_LEN / SECTOR)))
			abort();
	}
	return 0;
}
