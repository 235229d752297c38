/* GUID partition tables as they lie on the disk (UEFI 2.10, section 5). Shared by imagegen and the vault; freestanding.
 * All integers are little endian. GUIDs are mixed-endian: the first three fields little endian, the other eight bytes as written. */
#ifndef MVP_GPT_H
#define MVP_GPT_H

#include <stdint.h>

#define MVP_GPT_SECTOR 512                   /* bytes; the only logical block size we write or read */
#define MVP_GPT_SIGNATURE 0x5452415020494645 /* "EFI PART" */
#define MVP_GPT_REVISION 0x00010000
#define MVP_GPT_HEADER_SIZE 92 /* bytes the header's CRC covers, in tables we write */
#define MVP_GPT_ENTRIES 128    /* in tables we write; readers take up to MVP_GPT_ENTRIES_MAX */
#define MVP_GPT_ENTRIES_MAX 1024
#define MVP_GPT_ENTRY_SIZE 128 /* in tables we write; a multiple of 128 up to MVP_GPT_ENTRY_SIZE_MAX is legal */
#define MVP_GPT_ENTRY_SIZE_MAX 4096
#define MVP_GPT_NAME_CHARS 36
#define MVP_GPT_ALIGN 0x100000 /* bytes; partitions we write start and end at multiples of it */

#define MVP_MBR_SIGNATURE 0xAA55 /* at byte 510 of the first sector */
#define MVP_MBR_ENTRY_AT 446
#define MVP_MBR_TYPE_GPT 0xEE

struct mvp_gpt_header {
	uint64_t signature;
	uint32_t revision;
	uint32_t header_size; /* 92..512 */
	uint32_t header_crc;  /* CRC-32 (reflected 0xEDB88320, init and xor ~0) over header_size bytes with this field 0 */
	uint32_t reserved;
	uint64_t my_lba;
	uint64_t alternate_lba;
	uint64_t first_usable_lba;
	uint64_t last_usable_lba; /* inclusive */
	uint8_t disk_guid[16];
	uint64_t entries_lba;
	uint32_t entries_count;
	uint32_t entry_size;
	uint32_t entries_crc; /* over entries_count * entry_size bytes */
} __attribute__((packed));

struct mvp_gpt_entry {
	uint8_t type_guid[16]; /* all zero: unused */
	uint8_t guid[16];
	uint64_t first_lba;
	uint64_t last_lba; /* inclusive */
	uint64_t attributes;
	uint16_t name[MVP_GPT_NAME_CHARS]; /* UTF-16, ends at the first 0 or at the end of the field */
} __attribute__((packed));

struct mvp_mbr_entry {
	uint8_t boot;
	uint8_t chs_first[3];
	uint8_t type;
	uint8_t chs_last[3];
	uint32_t first_lba;
	uint32_t sectors;
} __attribute__((packed));

_Static_assert(sizeof(struct mvp_gpt_header) == 92, "GPT header");
_Static_assert(sizeof(struct mvp_gpt_entry) == 128, "GPT entry");
_Static_assert(sizeof(struct mvp_mbr_entry) == 16, "MBR entry");

#endif
