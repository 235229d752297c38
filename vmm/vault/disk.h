/* The physical disk, shared by clients: each queue of a persona's virtual disk is one, the vault itself another. A request (struct io)
 * covers any length; it is cut into pieces, several of which are in flight, encrypted and decrypted on the way by the CPU that asked. When
 * slots or bounce buffers run out, requests wait in their client's queue. Both are shared out to the personas first, then among a persona's
 * clients. */
#ifndef VAULT_DISK_H
#define VAULT_DISK_H

#include "crypt.h"
#include "lib.h"
#include "mvp/machine.h"

#define DISK_QUEUES MVP_MAX_VCPUS /* clients of a persona */
#define DISK_CLIENT(persona, queue) ((persona)*DISK_QUEUES + (queue))
#define DISK_CLIENT_VAULT (MVP_MAX_PERSONAS * DISK_QUEUES) /* CPU 0 only */
#define DISK_CLIENTS (DISK_CLIENT_VAULT + 1)

#define IO_SEGS_MAX 128

/* A stretch of the disk, in the clear for its users. */
struct view {
	uint64_t sector, sectors;  /* on the physical disk */
	const struct crypt *crypt; /* NULL: stored as it is */
};
uint32_t view_unit(const struct view *v); /* bytes of a data unit. Requests that are not whole units are slower */

enum io_op {
	IO_READ,
	IO_WRITE,
	IO_FLUSH, /* covers what was done before, for any client */
	IO_DISCARD,
	IO_ZEROES,
};

/* The caller sets the first group and keeps the io until it is done; the rest belongs to disk.c. */
struct io {
	const struct view *view;
	enum io_op op;
	bool unmap;      /* IO_ZEROES: by forgetting what is there, if the disk can */
	uint64_t sector; /* in the view */
	uint64_t len;    /* bytes: sum of the segments, if there are any; 0 for a flush */
	uint32_t segs_count;
	struct seg segs[IO_SEGS_MAX]; /* in a persona's RAM or the vault's memory, as VAs */

	bool failed;
	struct io *next;
	uint64_t issued;    /* bytes handed to the device */
	uint32_t in_flight; /* pieces */
	uint32_t seg;       /* where the next piece starts */
	uint32_t seg_offset;
	bool queued;
};

const char *disk_start(void); /* NULL, or why there is no disk */
uint64_t disk_sectors(void);
/* What is in use now: slots of the device, pages of bounce buffers. Both 0 when nobody asks for anything. */
void disk_in_use(unsigned *ret_slots, unsigned *ret_pages);
bool disk_discards(void); /* the device knows IO_DISCARD */
bool disk_unmaps(void);   /* it makes zeros itself, maybe by forgetting what is there */

bool disk_irq(uint32_t intid); /* CPU 0; false if the interrupt is not the disk's. Then disk_run() */
/* Goes on with what this CPU asked for; at every doorbell. Bounded: rings again if there is more. Returns the clients, as a bit map, for
 * whom something may have been done: their users may have more for them. */
uint32_t disk_run(void);

/* A client's lock covers its requests; the following want it held. */
struct spinlock *disk_client_lock(unsigned client);
void disk_lock(unsigned client);
void disk_unlock(unsigned client);
/* The caller checked that the request is whole sectors, lies in the view (for IO_DISCARD: whole units), and that its segments add up to it.
 */
void disk_add(unsigned client, struct io *io);    /* also from disk_io_done() */
void disk_go(unsigned client);                    /* begins what was added; may call disk_io_done() */
void disk_submit(unsigned client, struct io *io); /* both */
void disk_again(unsigned client);                 /* disk_run() on this CPU is to return the client */
/* Drops what is not in flight yet; those requests are done as failed when their last piece is. */
void disk_cancel(unsigned client);
bool disk_is_idle(unsigned client); /* nothing queued or in flight */

/* Supplied by the users of the disk; called with the client's lock held, exactly once per request. */
void disk_io_done(unsigned client, struct io *io);

#endif
