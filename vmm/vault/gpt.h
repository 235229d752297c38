/* Reads a GUID partition table (UEFI 2.10, section 5.3) that comes in pieces, looking for partitions by name. Strict and bounded. */
#ifndef VAULT_GPT_H
#define VAULT_GPT_H

#include "lib.h"
#include "mvp/gpt.h"
#include "mvp/machine.h"

#define GPT_WANTED_MAX 7 /* a persona's: boot and vbmeta, alone or in two slots, and misc */

struct gpt_table {
	uint64_t entries_sector, entries_len; /* bytes: entries_count * entry_size */
	uint64_t first_usable, last_usable;
	uint32_t entries_count, entry_size, entries_crc;
};

/* sector: the 512 bytes read at my_lba of a disk of disk_sectors. False if it is not a sound header. */
bool gpt_check_header(const uint8_t *sector, uint64_t my_lba, uint64_t disk_sectors, struct gpt_table *ret_table);

struct gpt_wanted {
	const char *name;
	bool found;
	uint64_t sector, sectors;
};

struct gpt_scan {
	struct gpt_table table;
	struct gpt_wanted wanted[GPT_WANTED_MAX];
	unsigned wanted_count;
	uint64_t fed;
	uint32_t crc;
	bool bad; /* an entry outside the usable range, or a name found twice */
};

/* Forgets what was found; wanted names stay. */
void gpt_scan_start(struct gpt_scan *s, const struct gpt_table *t);
/* The next bytes of the entry array; len is a multiple of the entry size. */
void gpt_scan_feed(struct gpt_scan *s, const uint8_t *data, size_t len);
/* True if the array was complete, its CRC is right and no entry was bad. Only then are the finds valid. */
bool gpt_scan_end(const struct gpt_scan *s);

#endif
