#include "disk.h"

#include "dma.h"
#include "drivers/blk.h"

#define PIECE_PLAIN 0x80000u /* bytes: bounds what one piece can hold up behind it */
#define PIECE_CRYPT 0x10000u /* bounds what is decrypted between two looks at the budget */
#define EVENT_BYTES 0x40000u /* that a CPU encrypts and decrypts before it looks for other events */
#define EVENT_MIN 0x1000u    /* a piece counts at least as much */
#define CHUNK 0x1000u        /* of bounce buffers */
#define CHUNKS 64u           /* of a share */
#define VAULT_CHUNKS (PIECE_CRYPT / CHUNK)
#define SLOTS_VAULT 8u /* of the device's, kept for the vault itself; the personas share the rest equally */
#define ZEROES_MAX 4u  /* pieces of one IO_ZEROES in flight: the others go ahead of the next */
#define SHARES (MVP_MAX_PERSONAS + 1)

struct client {
	struct spinlock lock;
	struct io *head, *tail; /* requests with something left to issue */
	unsigned pending;       /* requests not done */
	bool waits;             /* may be among its share's waiting */
	unsigned slots;         /* under disk.lock */
	uint32_t cpu;           /* that asked last, and serves it; atomic */
};

enum slot_kind {
	SLOT_WHOLE,      /* the segments are the caller's, or a bounce buffer with what he writes */
	SLOT_PART_READ,  /* a bounce buffer of whole units, of which he wants a part */
	SLOT_PART_WRITE, /* the same, read first, then changed and written */
	SLOT_PART_WRITTEN,
};

struct slot {
	struct io *io;
	uint8_t client, cpu, kind;
	uint8_t chunk, chunks; /* of the bounce buffers */
	bool ok;
	uint64_t sector, sectors;   /* in the view */
	uint32_t skip, bytes;       /* of a SLOT_PART: what the caller wants of the bounce buffer */
	uint32_t io_seg, io_offset; /* and where it begins in his segments */
	uint32_t segs_count;
	struct seg segs[BLK_SLOT_SEGS];
};

/* What a persona, or the vault, has of slots and bounce buffers. Under disk.lock. */
struct share {
	unsigned slots, slots_max;
	uint64_t chunks_free; /* bit map */
	uint32_t waiting;     /* clients that found too little */
	uint32_t parts;       /* SLOT_PART_WRITE and _WRITTEN in flight */
	bool freed;           /* something since the waiting ones looked */
};

static struct client clients[DISK_CLIENTS];

static struct {
	struct spinlock lock; /* covers the driver, slots_used, the shares and the clients' slots */
	const struct blk_driver *driver;
	struct blk_info info;
	uint64_t slots_used; /* bit map */
	bool offered;        /* the device was not told yet */
	bool more;           /* completions were left in its ring */
	struct share share[SHARES];
	struct slot slot[BLK_SLOTS];
} disk;

/* What waits for each CPU: others add, it takes. Atomic. */
static struct {
	uint64_t done;  /* slots */
	uint32_t again; /* clients */
	uint32_t turn;  /* own: where the next round begins, so that a long one comes round to everybody */
} cpus[MVP_MAX_CPUS];

static const struct blk_driver *const drivers[] = { [MVP_STORAGE_VIRTIO] = &blk_virtio, [MVP_STORAGE_SDHCI] = &blk_sdhci };

static uint8_t bounce[SHARES][CHUNKS * CHUNK] __attribute__((aligned(4096)));
static uint8_t zeros[PIECE_CRYPT] __attribute__((aligned(4096))); /* never written */
static uint8_t scratch_unit[MVP_MAX_CPUS][4096] __attribute__((aligned(16)));

const char *disk_start(void)
{
	if (mvp_vault_config.storage >= ARRAY_LEN(drivers))
		vault_panic(VAULT_PANIC_CONFIG, mvp_vault_config.storage);
	disk.driver = drivers[mvp_vault_config.storage];
	const char *wrong = disk.driver->start(&disk.info);
	if (wrong)
		return wrong;
	unsigned slots = disk.info.slots;
	unsigned vault = slots >= SLOTS_VAULT * 4 ? SLOTS_VAULT : slots > 7 ? slots / 8 : 1;
	unsigned persona = slots > vault ? (slots - vault) / MVP_MAX_PERSONAS : 0;
	for (unsigned i = 0; i < MVP_MAX_PERSONAS; i++)
		disk.share[i] = (struct share){ .slots_max = persona, .chunks_free = UINT64_MAX };
	disk.share[MVP_MAX_PERSONAS] = (struct share){ .slots_max = vault, .chunks_free = (1ull << VAULT_CHUNKS) - 1 };
	if (!persona)
		return "the disk's queue is too short for all personas";
	hc(MVP_HC_IRQ_ENABLE, disk.info.intid, 1, 0);
	return NULL;
}

uint64_t disk_sectors(void)
{
	return disk.info.sectors;
}

static unsigned count_bits(uint64_t v)
{
	unsigned n = 0;
	for (; v; v &= v - 1)
		n++;
	return n;
}

void disk_in_use(unsigned *ret_slots, unsigned *ret_pages)
{
	spin_lock(&disk.lock);
	*ret_slots = count_bits(disk.slots_used);
	*ret_pages = MVP_MAX_PERSONAS * CHUNKS + VAULT_CHUNKS;
	for (unsigned i = 0; i < SHARES; i++)
		*ret_pages -= count_bits(disk.share[i].chunks_free);
	spin_unlock(&disk.lock);
}

bool disk_discards(void)
{
	return disk.info.discard_max && !disk.info.read_only;
}

bool disk_unmaps(void)
{
	return disk.info.zeroes_max && !disk.info.read_only;
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

/* Slots and bounce buffers */

static unsigned share_of(unsigned client)
{
	return client / DISK_QUEUES; /* the vault's follows the personas' */
}

static void poke(unsigned client, unsigned cpu)
{
	__atomic_fetch_or(&cpus[cpu].again, 1u << client, __ATOMIC_RELEASE);
	hc(MVP_HC_DOORBELL, cpu, 0, 0);
}

void disk_again(unsigned client)
{
	poke(client, arch_cpu());
}

/* The first of count free chunks in a row, or CHUNKS. */
static unsigned find_chunks(uint64_t chunks_free, unsigned count)
{
	for (unsigned i = 1; i < count; i++)
		chunks_free &= chunks_free >> 1;
	return chunks_free ? (unsigned)__builtin_ctzll(chunks_free) : CHUNKS;
}

static uint64_t chunks_mask(unsigned first, unsigned count)
{
	return ((1ull << count) - 1) << first;
}

/* Whether what the slot is to do may not overlap with what is in flight: a write of part of a unit reads the unit first and writes it
 * whole. Reads need no such care, nor do writes of whole units among each other. */
static bool conflicts(const struct share *sh, unsigned share, bool part, uint64_t sector, uint64_t sectors)
{
	if (!part && !sh->parts)
		return false;
	for (uint64_t used = disk.slots_used; used; used &= used - 1) {
		const struct slot *s = &disk.slot[__builtin_ctzll(used)];
		bool other_part = s->kind == SLOT_PART_WRITE || s->kind == SLOT_PART_WRITTEN;
		if (share_of(s->client) != share || (!other_part && (!part || s->io->op == IO_READ || s->io->op == IO_FLUSH)))
			continue;
		if (s->sector < sector + sectors && sector < s->sector + s->sectors)
			return true;
	}
	return false;
}

/* A client that has something in flight leaves room for those of its share that have nothing: its own completion brings it back. */
static bool others_first(const struct share *sh, unsigned client)
{
	if (!clients[client].slots)
		return false;
	for (uint32_t w = sh->waiting & ~(1u << client); w; w &= w - 1) {
		if (!clients[__builtin_ctz(w)].slots)
			return true;
	}
	return false;
}

/* Takes a slot for what `want` says (io, kind, sector, sectors), with a bounce buffer of that many bytes; NULL when the client has to wait.
 */
static struct slot *take_slot(unsigned client, const struct slot *want, uint32_t bounce_len)
{
	unsigned share = share_of(client), chunks = (bounce_len + CHUNK - 1) / CHUNK;
	struct share *sh = &disk.share[share];
	struct slot *s = NULL;
	bool part = want->kind == SLOT_PART_WRITE, writes = want->io->op != IO_READ && want->io->op != IO_FLUSH;

	spin_lock(&disk.lock);
	uint64_t all = disk.info.slots < 64 ? (1ull << disk.info.slots) - 1 : UINT64_MAX;
	uint64_t free_slots = ~disk.slots_used & all;
	unsigned chunk = chunks ? find_chunks(sh->chunks_free, chunks) : 0;
	if (free_slots && sh->slots < sh->slots_max && chunk < CHUNKS && !others_first(sh, client) &&
	    !(writes && conflicts(sh, share, part, want->sector, want->sectors))) {
		unsigned i = (unsigned)__builtin_ctzll(free_slots);
		s = &disk.slot[i];
		*s = *want;
		s->client = (uint8_t)client;
		s->cpu = (uint8_t)arch_cpu();
		s->chunk = (uint8_t)chunk;
		s->chunks = (uint8_t)chunks;
		disk.slots_used |= 1ull << i;
		if (chunks)
			sh->chunks_free &= ~chunks_mask(chunk, chunks);
		sh->slots++;
		sh->parts += part;
		sh->waiting &= ~(1u << client);
		clients[client].slots++;
	} else {
		sh->waiting |= 1u << client;
	}
	spin_unlock(&disk.lock);
	return s;
}

static void give_slot(struct slot *s)
{
	struct share *sh = &disk.share[share_of(s->client)];
	spin_lock(&disk.lock);
	disk.slots_used &= ~(1ull << (s - disk.slot));
	if (s->chunks)
		sh->chunks_free |= chunks_mask(s->chunk, s->chunks);
	sh->slots--;
	sh->parts -= s->kind == SLOT_PART_WRITE || s->kind == SLOT_PART_WRITTEN;
	sh->freed = true;
	clients[s->client].slots--;
	s->io = NULL;
	spin_unlock(&disk.lock);
}

static uint8_t *bounce_of(const struct slot *s)
{
	return bounce[share_of(s->client)] + (size_t)s->chunk * CHUNK;
}

/* Tells the device of what was handed over, and those who wait of what was given back. Once after a batch. */
static void settle(void)
{
	uint32_t wake = 0;
	spin_lock(&disk.lock);
	bool ended = disk.offered && disk.driver->notify();
	disk.offered = false;
	if (ended)
		__atomic_store_n(&disk.more, true, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < SHARES; i++) {
		struct share *sh = &disk.share[i];
		if (!sh->freed)
			continue;
		wake |= sh->waiting;
		sh->freed = false;
	}
	spin_unlock(&disk.lock);
	if (ended)
		hc(MVP_HC_DOORBELL, 0, 0, 0);
	for (; wake; wake &= wake - 1) {
		unsigned client = (unsigned)__builtin_ctz(wake);
		poke(client, __atomic_load_n(&clients[client].cpu, __ATOMIC_RELAXED));
	}
}

/* Requests */

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

/* The next n bytes of what the io writes; moves the cursor. */
static void gather(const struct io *io, uint32_t *seg, uint32_t *offset, uint32_t n, uint8_t *to)
{
	if (io->op == IO_ZEROES)
		memset(to, 0, n);
	else
		advance(io, seg, offset, n, to, false);
}

/* Lists up to max bytes from the io's cursor on; returns the bytes, a multiple of unit, or 0 if the segments are too small to make up a
 * unit in one piece. */
static uint32_t cut_piece(const struct io *io, struct slot *s, uint32_t max, uint32_t unit)
{
	uint32_t total = 0, count = 0;
	uint32_t seg = io->seg, offset = io->seg_offset, align = disk.info.align ? disk.info.align : 1;

	while (seg < io->segs_count && count < BLK_SLOT_SEGS && total < max) {
		uint32_t n = (uint32_t)min_u64(io->segs[seg].len - offset, max - total);
		/* What the device cannot address goes through a bounce buffer. */
		if (((uintptr_t)(io->segs[seg].at + offset) | n) % align)
			break;
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
	s->segs_count = count;
	return total;
}

static void send(const struct slot *s, enum blk_op op)
{
	struct blk_seg segs[BLK_SLOT_SEGS] = { 0 };
	unsigned i = (unsigned)(s - disk.slot);
	uint64_t sector = s->io->view->sector + s->sector;
	for (uint32_t k = 0; k < s->segs_count; k++)
		segs[k] = (struct blk_seg){ dma_paddr(s->segs[k].at), s->segs[k].len };
	spin_lock(&disk.lock);
	if (op == BLK_DISCARD || op == BLK_ZEROES)
		disk.driver->submit_range(i, op, sector, (uint32_t)s->sectors, s->io->unmap);
	else
		disk.driver->submit(i, op, op == BLK_FLUSH ? 0 : sector, segs, s->segs_count);
	disk.offered = true;
	spin_unlock(&disk.lock);
}

static void spend(uint32_t *budget, uint32_t n)
{
	*budget -= (uint32_t)min_u64(*budget, n < EVENT_MIN ? EVENT_MIN : n);
}

/* How the next piece of a request goes. */
struct plan {
	struct slot slot;
	enum blk_op op;
	uint64_t bytes;  /* of the request */
	uint32_t bounce; /* bytes of bounce buffer */
	bool fill;       /* which gets what is written */
};

/* Through a bounce buffer: writes that are encrypted, what begins or ends inside a data unit, and segments cut too small. */
static void plan_bounced(const struct io *io, uint64_t at, uint64_t left, uint32_t unit, struct plan *p)
{
	struct slot *s = &p->slot;
	uint32_t skip = (uint32_t)(at % unit);
	bool whole = !skip && left >= unit;
	p->bytes = whole ? min_u64(left / unit * unit, PIECE_CRYPT) : min_u64(left, unit - skip);
	p->bounce = whole ? (uint32_t)p->bytes : unit;
	p->fill = whole && io->op != IO_READ;
	p->op = p->fill ? BLK_WRITE : BLK_READ;
	s->kind = p->fill ? SLOT_WHOLE : io->op == IO_READ ? SLOT_PART_READ : SLOT_PART_WRITE;
	s->skip = skip;
	s->bytes = (uint32_t)p->bytes;
	s->sector = (at - skip) / SECTOR;
	s->sectors = p->bounce / SECTOR;
}

/* Without one: the segments themselves, ranges, or zeros for a plain disk. */
static void plan_direct(const struct io *io, uint64_t at, uint64_t left, struct plan *p)
{
	struct slot *s = &p->slot;
	p->bytes = left;
	if (io->op == IO_DISCARD) {
		p->op = BLK_DISCARD;
		p->bytes = min_u64(left, (uint64_t)disk.info.discard_max * SECTOR);
	} else if (io->op == IO_ZEROES && disk.info.zeroes_max) {
		p->op = BLK_ZEROES;
		p->bytes = min_u64(left, (uint64_t)disk.info.zeroes_max * SECTOR);
	} else if (io->op == IO_ZEROES) {
		p->op = BLK_WRITE;
		p->bytes = min_u64(left, sizeof(zeros));
		s->segs[0] = (struct seg){ zeros, (uint32_t)p->bytes };
		s->segs_count = 1;
	} else if (io->op != IO_FLUSH) {
		p->op = io->op == IO_READ ? BLK_READ : BLK_WRITE;
		p->bytes = cut_piece(io, s, (uint32_t)min_u64(left, io->view->crypt ? PIECE_CRYPT : PIECE_PLAIN), view_unit(io->view));
	}
	s->sector = at / SECTOR;
	s->sectors = p->bytes / SECTOR;
}

static struct plan plan_piece(struct io *io)
{
	struct plan p = { .slot = { .io = io, .kind = SLOT_WHOLE, .io_seg = io->seg, .io_offset = io->seg_offset }, .op = BLK_FLUSH };
	uint64_t at = io->sector * SECTOR + io->issued, left = io->len - io->issued;
	uint32_t unit = view_unit(io->view);
	bool encrypts = io->view->crypt && (io->op == IO_WRITE || io->op == IO_ZEROES);
	bool parts = (io->op == IO_READ || io->op == IO_WRITE) && (at % unit || left < unit);
	if (!encrypts && !parts)
		plan_direct(io, at, left, &p);
	if (io->op != IO_FLUSH && !p.bytes)
		plan_bounced(io, at, left, unit, &p);
	return p;
}

enum went { WENT, WAITS, LATER };

/* Issues the next piece of io. */
static enum went issue(unsigned client, struct io *io, uint32_t *budget)
{
	if (io->op == IO_ZEROES && io->in_flight >= ZEROES_MAX)
		return LATER;
	struct plan p = plan_piece(io);
	struct slot *s = take_slot(client, &p.slot, p.bounce);
	if (!s)
		return WAITS;
	if (p.bounce) {
		s->segs[0] = (struct seg){ bounce_of(s), p.bounce };
		s->segs_count = 1;
	}
	if (p.fill) {
		/* Copied first: the persona may change its memory while it is encrypted, and the cipher's input must not change. */
		gather(io, &io->seg, &io->seg_offset, (uint32_t)p.bytes, s->segs[0].at);
		if (io->view->crypt)
			crypt_encrypt(io->view->crypt, s->sector, s->segs[0].at, (size_t)p.bytes);
	} else if (io->segs_count) {
		advance(io, &io->seg, &io->seg_offset, (uint32_t)p.bytes, NULL, false);
	}
	spend(budget, p.fill ? (uint32_t)p.bytes : 0);
	io->issued += p.bytes;
	io->in_flight++;
	send(s, p.op);
	return WENT;
}

static bool all_issued(const struct io *io)
{
	if (io->op == IO_FLUSH)
		return io->failed || io->in_flight || !disk.info.flush; /* without a write cache every completed write is durable */
	return io->failed || io->issued == io->len;
}

static void finish(unsigned client, struct io *io)
{
	clients[client].pending--;
	disk_io_done(client, io);
}

/* Issues what can be issued, in order, but for long zeroing, which lets others pass. */
static void pump(unsigned client, uint32_t *budget)
{
	struct client *c = &clients[client];
	struct io *before = NULL, *io = c->head;
	while (io) {
		enum went went = WENT;
		while (!all_issued(io) && went == WENT && *budget)
			went = issue(client, io, budget);
		c->waits |= went == WAITS;
		if (!all_issued(io) && went != LATER)
			break;
		if (went == LATER) {
			before = io;
			io = io->next;
			continue;
		}
		*(before ? &before->next : &c->head) = io->next;
		if (c->tail == io)
			c->tail = before;
		io->queued = false;
		if (!io->in_flight)
			finish(client, io); /* may add to the end */
		io = before ? before->next : c->head;
	}
	if (io && !*budget)
		disk_again(client);
	if (!c->head && c->waits) {
		/* What it waited for was cancelled. */
		spin_lock(&disk.lock);
		disk.share[share_of(client)].waiting &= ~(1u << client);
		disk.share[share_of(client)].freed = true; /* others may have waited behind it */
		spin_unlock(&disk.lock);
		c->waits = false;
	}
}

void disk_add(unsigned client, struct io *io)
{
	struct client *c = &clients[client];
	__atomic_store_n(&c->cpu, arch_cpu(), __ATOMIC_RELAXED);
	io->failed = disk.info.read_only && io->op != IO_READ && io->op != IO_FLUSH;
	io->next = NULL;
	io->issued = 0;
	io->in_flight = 0;
	io->seg = 0;
	io->seg_offset = 0;
	io->queued = true;
	c->pending++;
	if (c->head)
		c->tail->next = io;
	else
		c->head = io;
	c->tail = io;
}

void disk_go(unsigned client)
{
	uint32_t budget = EVENT_BYTES;
	pump(client, &budget);
	settle();
}

void disk_submit(unsigned client, struct io *io)
{
	disk_add(client, io);
	disk_go(client);
}

void disk_cancel(unsigned client)
{
	for (struct io *io = clients[client].head; io; io = io->next)
		io->failed = true;
	disk_go(client);
}

/* Completions */

/* What was read has come: decrypts it, and for a part, moves it between bounce buffer and caller. The slot's segments are ours until the
 * slot is given back, and view and segments of a request in flight do not change: no lock. */
static void took(struct slot *s)
{
	const struct io *io = s->io;
	const struct crypt *crypt = io->view->crypt;
	uint32_t seg = s->io_seg, offset = s->io_offset;
	uint8_t *flat = s->segs[0].at;
	if (crypt)
		crypt_decrypt(crypt, s->sector, s->segs, s->segs_count, scratch_unit[arch_cpu()]);
	if (s->kind == SLOT_PART_READ)
		advance(io, &seg, &offset, s->bytes, flat + s->skip, true);
	if (s->kind == SLOT_PART_READ && crypt)
		wipe(flat, s->segs[0].len); /* the persona's data is in its memory only */
	if (s->kind != SLOT_PART_WRITE)
		return;
	gather(io, &seg, &offset, s->bytes, flat + s->skip);
	if (crypt)
		crypt_encrypt(crypt, s->sector, flat, s->segs[0].len);
}

static void slot_done(struct slot *s, uint32_t *budget)
{
	struct io *io = s->io;
	unsigned client = s->client;

	spend(budget, io->view->crypt && io->op == IO_READ ? (uint32_t)(s->sectors * SECTOR) : 0);
	if (s->ok && (io->op == IO_READ || s->kind == SLOT_PART_WRITE))
		took(s);
	if (s->ok && s->kind == SLOT_PART_WRITE) {
		spin_lock(&disk.lock); /* others look at it in conflicts() */
		s->kind = SLOT_PART_WRITTEN;
		spin_unlock(&disk.lock);
		send(s, BLK_WRITE);
		return;
	}
	disk_lock(client);
	bool ok = s->ok;
	give_slot(s);
	io->in_flight--;
	if (!ok)
		io->failed = true;
	if (!io->in_flight && !io->queued)
		finish(client, io);
	disk_unlock(client);
}

/* Takes what the device has done and lays it before the CPUs that asked. */
static void collect(void)
{
	uint32_t ring = 0;
	unsigned n = 0, i;
	bool ok;
	spin_lock(&disk.lock);
	for (; n < BLK_SLOTS && disk.driver->completed(&i, &ok); n++) {
		struct slot *s = &disk.slot[i];
		s->ok = ok;
		ring |= 1u << s->cpu;
		/* What the device wrote, and ok, before the bit that shows it. */
		__atomic_fetch_or(&cpus[s->cpu].done, 1ull << i, __ATOMIC_RELEASE);
	}
	disk.more = n == BLK_SLOTS;
	spin_unlock(&disk.lock);
	ring &= ~(1u << arch_cpu());
	if (n == BLK_SLOTS)
		ring |= 1u << arch_cpu();
	for (; ring; ring &= ring - 1)
		hc(MVP_HC_DOORBELL, (uint64_t)__builtin_ctz(ring), 0, 0);
}

bool disk_irq(uint32_t intid)
{
	if (intid != disk.info.intid)
		return false;
	spin_lock(&disk.lock);
	disk.driver->ack();
	spin_unlock(&disk.lock);
	collect();
	return true;
}

uint32_t disk_run(void)
{
	unsigned cpu = arch_cpu();
	uint32_t budget = EVENT_BYTES, turn = cpus[cpu].turn++;
	if (cpu == 0 && __atomic_load_n(&disk.more, __ATOMIC_RELAXED))
		collect();
	uint64_t done = __atomic_exchange_n(&cpus[cpu].done, 0, __ATOMIC_ACQUIRE), left = 0;
	uint32_t ran = __atomic_exchange_n(&cpus[cpu].again, 0, __ATOMIC_ACQUIRE);
	if (!done && !ran)
		return 0;

	for (unsigned k = 0; k < BLK_SLOTS; k++) {
		unsigned i = (turn + k) % BLK_SLOTS;
		if (!(done & 1ull << i))
			continue;
		if (!budget) {
			left |= 1ull << i;
			continue;
		}
		ran |= 1u << disk.slot[i].client;
		slot_done(&disk.slot[i], &budget);
	}
	for (unsigned k = 0; k < DISK_CLIENTS; k++) {
		unsigned client = (turn + k) % DISK_CLIENTS;
		if (!(ran & 1u << client))
			continue;
		disk_lock(client);
		pump(client, &budget);
		disk_unlock(client);
	}
	settle();
	if (left) {
		__atomic_fetch_or(&cpus[cpu].done, left, __ATOMIC_RELEASE);
		hc(MVP_HC_DOORBELL, cpu, 0, 0);
	}
	return ran;
}
