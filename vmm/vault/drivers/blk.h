/* What a driver of the board's storage offers: a fixed number of slots, each a request in flight. The caller holds the disk lock around all
 * of it but start(). A driver is one file that ends in a const object; disk.c has the table of them. */
#ifndef VAULT_DRIVERS_BLK_H
#define VAULT_DRIVERS_BLK_H

#include "../lib.h"

#define BLK_SLOTS 64
#define BLK_SLOT_SEGS 14

enum blk_op { BLK_READ = 0, BLK_WRITE = 1, BLK_FLUSH = 4, BLK_DISCARD = 11, BLK_ZEROES = 13 }; /* values of the virtio request */

struct blk_seg {
	paddr_t at;
	uint32_t len;
};

struct blk_info {
	uint64_t sectors;
	uint32_t slots; /* 1..BLK_SLOTS that may be in flight */
	uint32_t intid;
	uint32_t discard_max, zeroes_max; /* sectors of one such request; 0: the device has none */
	bool flush;                       /* the device has a write cache and can flush it */
	bool read_only;
	uint32_t align; /* of the address and length of a segment, bytes; a power of two up to a sector, 0 or 1: any */
};

struct blk_driver {
	/* NULL, or why there is no disk to use. */
	const char *(*start)(struct blk_info *ret_info);
	/* These hand a request over; the device looks at it at the next notify(). slot < slots and not in flight. */
	/* BLK_READ and BLK_WRITE: lengths are multiples of a sector in sum. A BLK_FLUSH has no segments. */
	void (*submit)(unsigned slot, enum blk_op op, uint64_t sector, const struct blk_seg *segs, unsigned segs_count);
	/* BLK_DISCARD and BLK_ZEROES: up to the device's maximum. unmap: zeros may be made by forgetting what is there. */
	void (*submit_range)(unsigned slot, enum blk_op op, uint64_t sector, uint32_t sectors, bool unmap);
	/* True if requests ended that raise no interrupt: they cannot be done at all. */
	bool (*notify)(void);
	/* A request that is done: its slot and whether it went well. False if there is none. */
	bool (*completed)(unsigned *ret_slot, bool *ret_ok);
	void (*ack)(void); /* at an interrupt, before looking for what is done */
};

extern const struct blk_driver blk_virtio; /* virtio 1.2, section 5.2 */
extern const struct blk_driver blk_sdhci;  /* an SD card behind an SD host controller on PCI */

#endif
