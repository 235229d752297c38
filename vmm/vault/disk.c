#include "disk.h"

#include "dma.h"
#include "drivers/virtio_blk.h"

#define PIECE_PLAIN 0x80000u /* bytes: bounds what one piece can hold up behind it */
#define PIECE_CRYPT 0x10000u /* bounds the time one completion spends on decryption */
#define BOUNCES 8
#define NO_BOUNCE 0xff
#define SLOTS_VAULT 6 /* of the device's, kept for the vault itself; the personas share the rest equally */

struct client {
	struct spinlock lock;
	struct io *head, *tail;    /* requests with something left to issue */
	unsigned slots, slots_max; /* under disk.lock */
	unsigned pending;          /* requests not done */
	bool alone;                /* a write of part of a data unit is in flight: nothing else may be */
};

enum slot_kind {
	SLOT_WHOLE,      /* the segments are the caller's, or a bounce buffer with what he writes */
	SLOT_PART_READ,  /* a bounce buffer of whole units, of which he wants a part */
	SLOT_PART_WRITE, /* the same, read first, then changed and written */
	SLOT_PART_WRITTEN,
};

struct slot {
	struct io *io;
	uint8_t client, bounce, kind;
	uint64_t sector;            /* in the view */
	uint32_t skip, bytes;       /* of a SLOT_PART: what the caller wants of the bounce buffer */
	uint32_t io_seg, io_offset; /* and where it begins in his segments */
	uint32_t segs_count;
	struct seg segs[BLK_SLOT_SEGS];
};

static struct client clients[DISK_CLIENTS];

static struct {
	struct spinlock lock; /* covers the driver, slots_used, bounces_used and the clients' slots */
	struct blk_info info;
	uint32_t slots_used, bounces_used; /* bit maps */
	struct slot slot[BLK_SLOTS];
} disk;

static uint8_t bounce[BOUNCES][PIECE_CRYPT] __attribute__((aligned(4096)));
static uint8_t decrypt_scratch[4096] __attribute__((aligned(16))); /* CPU 0 */

const char *disk_start(void)
{
	const char *wrong = virtio_blk_start(&disk.info);
	if (wrong)
		return wrong;
	unsigned slots = disk.info.slots;
	unsigned vault = slots > SLOTS_VAULT * 2 ? SLOTS_VAULT : 1;
	unsigned persona = slots > vault ? (slots - vault) / MVP_MAX_PERSONAS : 0;
	for (unsigned i = 0; i < DISK_CLIENTS; i++)
		clients[i].slots_max = i == DISK_CLIENT_VAULT ? vault : persona;
	if (!persona)
		return "the disk's queue is too short for all personas";
	hc(MVP_HC_IRQ_ENABLE, disk.info.intid, 1, 0);
	return NULL;
}

uint64_t disk_sectors(void)
{
	return disk.info.sectors;
}

uint32_t view_unit(const struct view *v)
{
	return v->crypt ? v->crypt->unit : SECTOR;
}

struct spinlock *disk_client_lock(unsigned client)
{
	return &clients[client].lock;
}

void disk_lock(unsigned client)
{
	spin_lock(&clients[client].lock);
}

void disk_unlock(unsigned client)
{
	spin_unlock(&clients[client].lock);
}

bool disk_is_idle(unsigned client)
{
	return !clients[client].pending;
}

/* Takes a slot, with a bounce buffer if wanted; false when the client has to wait. */
static bool take_slot(unsigned client, bool want_bounce, unsigned *ret_slot)
{
	bool got = false;
	spin_lock(&disk.lock);
	uint32_t free_slots = ~disk.slots_used & (uint32_t)((1ull << disk.info.slots) - 1);
	uint32_t free_bounces = ~disk.bounces_used & ((1u << BOUNCES) - 1);
	if (free_slots && clients[client].slots < clients[client].slots_max && (!want_bounce || free_bounces)) {
		unsigned i = (unsigned)__builtin_ctz(free_slots);
		disk.slots_used |= 1u << i;
		clients[client].slots++;
		disk.slot[i].client = (uint8_t)client;
		disk.slot[i].bounce = NO_BOUNCE;
		if (want_bounce) {
			disk.slot[i].bounce = (uint8_t)__builtin_ctz(free_bounces);
			disk.bounces_used |= 1u << disk.slot[i].bounce;
		}
		*ret_slot = i;
		got = true;
	}
	spin_unlock(&disk.lock);
	return got;
}

static void give_slot(unsigned i)
{
	struct slot *s = &disk.slot[i];
	spin_lock(&disk.lock);
	disk.slots_used &= ~(1u << i);
	clients[s->client].slots--;
	if (s->bounce != NO_BOUNCE)
		disk.bounces_used &= ~(1u << s->bounce);
	s->io = NULL;
	spin_unlock(&disk.lock);
}

/* Moves the cursor over the io's segments by n bytes. If flat is given, they are copied to it or, if to_segs, from it. */
static void advance(const struct io *io, uint32_t *seg, uint32_t *offset, uint32_t n, uint8_t *flat, bool to_segs)
{
	while (n) {
		const struct seg *s = &io->segs[*seg];
		uint32_t step = (uint32_t)min_u64(n, s->len - *offset);
		if (flat && to_segs)
			memcpy(s->at + *offset, flat, step);
		else if (flat)
			memcpy(flat, s->at + *offset, step);
		flat = flat ? flat + step : NULL;
		n -= step;
		*offset += step;
		if (*offset == s->len) {
			++*seg;
			*offset = 0;
		}
	}
}

/* Lists up to max bytes from the io's cursor on and moves it; returns the bytes, a multiple of unit, or 0 if the segments are too small to
 * make up a unit in one piece. */
static uint32_t cut_piece(struct io *io, struct slot *s, uint32_t max, uint32_t unit)
{
	uint32_t total = 0, count = 0;
	uint32_t seg = io->seg, offset = io->seg_offset;

	while (seg < io->segs_count && count < BLK_SLOT_SEGS && total < max) {
		uint32_t n = (uint32_t)min_u64(io->segs[seg].len - offset, max - total);
		if (n)
			s->segs[count++] = (struct seg){ io->segs[seg].at + offset, n };
		total += n;
		offset += n;
		if (offset == io->segs[seg].len) {
			seg++;
			offset = 0;
		}
	}
	for (uint32_t over = total % unit; over;) {
		uint32_t n = (uint32_t)min_u64(over, s->segs[count - 1].len);
		s->segs[count - 1].len -= n;
		if (!s->segs[count - 1].len)
			count--;
		over -= n;
		total -= n;
	}
	advance(io, &io->seg, &io->seg_offset, total, NULL, false);
	s->segs_count = count;
	return total;
}

/* Copies n bytes of a write to the slot's bounce buffer, whose contents nobody else can change, and encrypts them there. */
static void bounce_piece(struct io *io, struct slot *s, uint32_t n)
{
	uint8_t *to = bounce[s->bounce];
	advance(io, &io->seg, &io->seg_offset, n, to, false);
	crypt_encrypt(io->view->crypt, s->sector, to, n);
	s->segs[0] = (struct seg){ to, n };
	s->segs_count = 1;
}

static void send(unsigned i, enum blk_op op, uint64_t sector)
{
	struct blk_seg segs[BLK_SLOT_SEGS] = { 0 };
	const struct slot *s = &disk.slot[i];
	for (uint32_t k = 0; k < s->segs_count; k++)
		segs[k] = (struct blk_seg){ dma_paddr(s->segs[k].at), s->segs[k].len };
	spin_lock(&disk.lock);
	virtio_blk_submit(i, op, sector, segs, s->segs_count);
	spin_unlock(&disk.lock);
}

/* Issues the next piece of a request that begins or ends inside a data unit, or whose segments are cut too small: through a bounce buffer
 * of whole units. A write reads them first, so nothing else of the client may be in flight meanwhile: it could be in the same unit. */
static bool issue_part(unsigned client, struct io *io)
{
	const struct view *v = io->view;
	bool writes = io->op == IO_WRITE;
	unsigned i;
	if ((writes && clients[client].slots) || !take_slot(client, true, &i))
		return false;
	uint64_t at = io->sector * SECTOR + io->issued;
	uint32_t unit = view_unit(v);
	struct slot *s = &disk.slot[i];
	s->io = io;
	s->kind = writes ? SLOT_PART_WRITE : SLOT_PART_READ;
	s->skip = (uint32_t)(at % unit);
	s->bytes = (uint32_t)min_u64(io->len - io->issued, PIECE_CRYPT - s->skip);
	s->sector = (at - s->skip) / SECTOR;
	s->segs[0] = (struct seg){ bounce[s->bounce], (s->skip + s->bytes + unit - 1) / unit * unit };
	s->segs_count = 1;
	s->io_seg = io->seg;
	s->io_offset = io->seg_offset;
	advance(io, &io->seg, &io->seg_offset, s->bytes, NULL, false);
	clients[client].alone = writes;
	io->issued += s->bytes;
	io->in_flight++;
	send(i, BLK_READ, v->sector + s->sector);
	return true;
}

/* Issues the next piece of io; false when it has to wait. */
static bool issue(unsigned client, struct io *io)
{
	const struct view *v = io->view;
	bool encrypts = io->op == IO_WRITE && v->crypt;
	unsigned i;
	if (clients[client].alone)
		return false;
	if (io->parts)
		return issue_part(client, io);
	if (!take_slot(client, encrypts, &i))
		return false;
	struct slot *s = &disk.slot[i];
	s->io = io;
	s->kind = SLOT_WHOLE;
	s->segs_count = 0;
	if (io->op == IO_FLUSH) {
		io->in_flight++;
		send(i, BLK_FLUSH, 0);
		return true;
	}
	s->sector = io->sector + io->issued / SECTOR;
	uint32_t n = (uint32_t)min_u64(io->len - io->issued, v->crypt ? PIECE_CRYPT : PIECE_PLAIN);
	if (encrypts)
		bounce_piece(io, s, n);
	else
		n = cut_piece(io, s, n, view_unit(v));
	if (!n) {
		io->parts = true;
		give_slot(i);
		return true;
	}
	io->issued += n;
	io->in_flight++;
	send(i, io->op == IO_READ ? BLK_READ : BLK_WRITE, v->sector + s->sector);
	return true;
}

static bool all_issued(const struct io *io)
{
	return io->failed || (io->issued == io->len && (io->op != IO_FLUSH || io->in_flight));
}

static void finish(unsigned client, struct io *io)
{
	clients[client].pending--;
	disk_io_done(client, io);
}

/* Issues what can be issued, in order. */
static void pump(unsigned client)
{
	struct client *c = &clients[client];
	while (c->head) {
		struct io *io = c->head;
		while (!all_issued(io)) {
			if (!issue(client, io))
				return;
		}
		c->head = io->next;
		io->queued = false;
		if (!io->in_flight)
			finish(client, io);
	}
}

void disk_submit(unsigned client, struct io *io)
{
	struct client *c = &clients[client];
	io->failed = false;
	io->next = NULL;
	io->issued = 0;
	io->in_flight = 0;
	io->seg = 0;
	io->seg_offset = 0;
	io->queued = true;
	io->parts = io->op != IO_FLUSH && (io->sector * SECTOR % view_unit(io->view) || io->len % view_unit(io->view));
	c->pending++;
	if (io->op == IO_FLUSH && !disk.info.flush) {
		/* Without a write cache every completed write is durable. */
		io->queued = false;
		finish(client, io);
		return;
	}
	if (io->op == IO_WRITE && disk.info.read_only)
		io->failed = true;
	if (c->head)
		c->tail->next = io;
	else
		c->head = io;
	c->tail = io;
	pump(client);
}

void disk_cancel(unsigned client)
{
	for (struct io *io = clients[client].head; io; io = io->next)
		io->failed = true;
	pump(client);
}

/* What was read has come: decrypts it, and for a part, moves it between bounce buffer and caller. The slot's segments are ours until the
 * slot is given back, and view and segments of a request in flight do not change: no lock. */
static void took(struct slot *s)
{
	const struct io *io = s->io;
	const struct crypt *crypt = io->view->crypt;
	uint32_t seg = s->io_seg, offset = s->io_offset;
	if (crypt)
		crypt_decrypt(crypt, s->sector, s->segs, s->segs_count, decrypt_scratch);
	if (s->kind == SLOT_WHOLE)
		return;
	advance(io, &seg, &offset, s->bytes, bounce[s->bounce] + s->skip, s->kind == SLOT_PART_READ);
	if (s->kind == SLOT_PART_WRITE && crypt)
		crypt_encrypt(crypt, s->sector, bounce[s->bounce], s->segs[0].len);
}

static void completed(unsigned i, bool ok)
{
	struct slot *s = &disk.slot[i];
	struct io *io = s->io;
	unsigned client = s->client;

	if (ok && (io->op == IO_READ || s->kind == SLOT_PART_WRITE))
		took(s);
	if (ok && s->kind == SLOT_PART_WRITE) {
		s->kind = SLOT_PART_WRITTEN;
		send(i, BLK_WRITE, io->view->sector + s->sector);
		return;
	}
	disk_lock(client);
	if (s->kind == SLOT_PART_WRITE || s->kind == SLOT_PART_WRITTEN)
		clients[client].alone = false;
	give_slot(i);
	io->in_flight--;
	if (!ok)
		io->failed = true;
	if (!io->in_flight && !io->queued)
		finish(client, io);
	disk_unlock(client);
}

bool disk_irq(uint32_t intid)
{
	if (intid != disk.info.intid)
		return false;
	spin_lock(&disk.lock);
	virtio_blk_ack();
	spin_unlock(&disk.lock);
	for (;;) {
		unsigned slot;
		bool ok;
		spin_lock(&disk.lock);
		bool any = virtio_blk_completed(&slot, &ok);
		spin_unlock(&disk.lock);
		if (!any)
			break;
		completed(slot, ok);
	}
	/* Slots and bounce buffers are free again: whoever waited for them goes on. */
	for (unsigned client = 0; client < DISK_CLIENTS; client++) {
		disk_lock(client);
		pump(client);
		disk_unlock(client);
	}
	return true;
}
