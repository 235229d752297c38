#include "vblk.h"

#include "vdev.h"

#define FEATURE_SEG_MAX (1ull << 2)
#define FEATURE_BLK_SIZE (1ull << 6)
#define FEATURE_FLUSH (1ull << 9)
#define FEATURE_TOPOLOGY (1ull << 10)
#define FEATURE_MQ (1ull << 12)
#define FEATURE_DISCARD (1ull << 13)
#define FEATURE_WRITE_ZEROES (1ull << 14)
#define FEATURES (FEATURE_SEG_MAX | FEATURE_BLK_SIZE | FEATURE_FLUSH | FEATURE_TOPOLOGY | FEATURE_MQ | FEATURE_WRITE_ZEROES)

#define TYPE_IN 0
#define TYPE_OUT 1
#define TYPE_FLUSH 4
#define TYPE_GET_ID 8
#define TYPE_DISCARD 11
#define TYPE_WRITE_ZEROES 13
#define ID_LEN 20

#define RESULT_OK 0
#define RESULT_IOERR 1
#define RESULT_UNSUPPORTED 2

#define CONFIG_LEN 60
#define HEADER_LEN 16
#define SEG_MAX 62 /* data segments of a request that the driver is told to stay within */
#define REQUESTS 32
#define KICK_MAX RING_MAX /* requests taken from the ring before something else gets a turn */

#define RANGES_MAX 16 /* of a discard or write-zeroes request */
#define RANGE_LEN 16
#define RANGE_UNMAP 1u
#define DISCARD_SECTORS 0x200000u /* of a range at most */
#define ZEROES_SECTORS 0x10000u   /* likewise: on an encrypted disk these are encrypted and written */

struct range {
	uint64_t sector, sectors;
	bool unmap;
};

struct request {
	struct io io;    /* first: vblk_io_done() finds the request by it */
	uint8_t *result; /* in the persona's RAM */
	uint32_t generation;
	uint16_t head;
	uint8_t ranges_count, ranges_done;
	struct range ranges[RANGES_MAX];
};

/* Under the queue's lock, which is the disk client's. */
struct queue {
	bool starved;           /* stopped taking requests before the ring was empty */
	uint32_t requests_used; /* bit map */
	struct request request[REQUESTS];
};

struct vblk {
	struct vdev dev; /* first */
	const struct view *view;
	const char *name;
	uint8_t config[CONFIG_LEN];
	struct queue queue[DISK_QUEUES];
};

static struct vblk vblks[MVP_MAX_PERSONAS];

static struct vblk *vblk_of(const struct vdev *d)
{
	return &vblks[d->persona];
}

static void answer(struct vblk *d, unsigned queue, uint16_t head, uint8_t *result, uint8_t value, uint32_t data)
{
	*result = value;
	vdev_push(&d->dev, queue, head, data + 1);
}

static void add(struct vblk *d, unsigned queue, struct request *r)
{
	if (r->ranges_count) {
		const struct range *range = &r->ranges[r->ranges_done++];
		r->io.sector = range->sector;
		r->io.len = range->sectors * SECTOR;
		r->io.unmap = range->unmap;
	}
	disk_add(DISK_CLIENT(d->dev.persona, queue), &r->io);
}

void vblk_io_done(unsigned client, struct io *io)
{
	struct vblk *d = &vblks[client / DISK_QUEUES];
	unsigned queue = client % DISK_QUEUES;
	struct queue *q = &d->queue[queue];
	struct request *r = (struct request *)io;
	bool live = r->generation == d->dev.queue[queue].generation && vdev_live(&d->dev, queue);
	if (live && !io->failed && r->ranges_done < r->ranges_count) {
		add(d, queue, r);
		return;
	}
	q->requests_used &= ~(1u << (unsigned)(r - q->request));
	if (live)
		answer(d, queue, r->head, r->result, io->failed ? RESULT_IOERR : RESULT_OK,
		       io->op == IO_READ && !io->failed ? (uint32_t)io->len : 0);
	else if (arch_cpu() != 0)
		hc(MVP_HC_DOORBELL, 0, 0, 0); /* whoever waits for the last of an earlier life */
}

struct parsed {
	uint32_t type;
	uint64_t sector;
	uint8_t *result;
	uint32_t in, out; /* first segment of data the device writes, and reads; of the chain */
	uint64_t in_len, out_len;
};

/* Takes header and result out of the chain, which may cut them anywhere (VERSION_1 allows any layout). False if one is missing. */
static bool parse(struct ring_chain *c, struct parsed *p)
{
	uint8_t header[HEADER_LEN] = { 0 };
	uint32_t got = 0, i = 0;
	*p = (struct parsed){ 0 };
	for (; i < c->count && !c->buffer[i].write && got < HEADER_LEN; i++) {
		uint32_t n = (uint32_t)min_u64(c->buffer[i].len, HEADER_LEN - got);
		memcpy(header + got, c->buffer[i].at, n);
		got += n;
		c->buffer[i].at += n;
		c->buffer[i].len -= n;
		if (c->buffer[i].len)
			break;
	}
	p->type = get_le32(header);
	p->sector = get_le64(header + 8);
	p->out = i;
	for (; i < c->count && !c->buffer[i].write; i++)
		p->out_len += c->buffer[i].len;
	p->in = i;
	for (; i < c->count; i++)
		p->in_len += c->buffer[i].len;
	if (got < HEADER_LEN || !p->in_len)
		return false;
	while (!c->buffer[c->count - 1].len)
		c->count--;
	struct ring_buffer *last = &c->buffer[c->count - 1];
	last->len--;
	p->in_len--;
	p->result = last->at + last->len;
	return true;
}

/* Requests begin: each of these takes what its kind needs out of the chain. What they return is the result to answer with at once; if it is
 * RESULT_OK, the request goes to the disk, unless there is nothing to do there. */

static uint8_t begin_data(struct vblk *d, const struct ring_chain *c, const struct parsed *p, struct request *r)
{
	bool reads = p->type == TYPE_IN;
	uint64_t len = reads ? p->in_len : p->out_len;
	if (!len || len % SECTOR || len > UINT32_MAX - 1 || !range_in(p->sector, len / SECTOR, d->view->sectors))
		return RESULT_IOERR;
	r->io.op = reads ? IO_READ : IO_WRITE;
	r->io.sector = p->sector;
	r->io.len = len;
	for (uint32_t k = reads ? p->in : p->out; k < (reads ? c->count : p->in); k++) {
		if (c->buffer[k].len)
			r->io.segs[r->io.segs_count++] = (struct seg){ c->buffer[k].at, c->buffer[k].len };
	}
	return RESULT_OK;
}

/* One range of a request, if it is sound. Of a discard, whole data units are left: it is a hint, and half a unit cannot be forgotten. */
static uint8_t take_range(const struct vblk *d, bool discards, const uint8_t raw[RANGE_LEN], struct request *r)
{
	uint64_t sector = get_le64(raw), sectors = get_le32(raw + 8), per_unit = view_unit(d->view) / SECTOR;
	uint32_t flags = get_le32(raw + 12);
	/* Section 5.2.6.2: unknown flags, and unmap for a discard, are not supported. */
	if (flags & ~RANGE_UNMAP || (discards && flags))
		return RESULT_UNSUPPORTED;
	if (sectors > (discards ? DISCARD_SECTORS : ZEROES_SECTORS) || !range_in(sector, sectors, d->view->sectors))
		return RESULT_IOERR;
	if (discards) {
		uint64_t from = (sector + per_unit - 1) / per_unit * per_unit, to = (sector + sectors) / per_unit * per_unit;
		sector = from;
		sectors = from < to ? to - from : 0;
	}
	if (sectors)
		r->ranges[r->ranges_count++] = (struct range){ sector, sectors, flags & RANGE_UNMAP };
	return RESULT_OK;
}

static uint8_t begin_ranges(struct vblk *d, const struct ring_chain *c, const struct parsed *p, struct request *r)
{
	bool discards = p->type == TYPE_DISCARD;
	uint8_t raw[RANGES_MAX * RANGE_LEN], result = RESULT_OK;
	if (discards && !(d->dev.features & FEATURE_DISCARD))
		return RESULT_UNSUPPORTED;
	if (!p->out_len || p->out_len % RANGE_LEN || p->out_len > sizeof(raw))
		return RESULT_IOERR;
	vdev_copy_out(c, 0, raw, (size_t)p->out_len); /* parse() has taken the header away */
	for (uint64_t at = 0; at < p->out_len && result == RESULT_OK; at += RANGE_LEN)
		result = take_range(d, discards, raw + at, r);
	r->io.op = discards ? IO_DISCARD : IO_ZEROES;
	return result;
}

static void answer_id(struct vblk *d, unsigned queue, const struct ring_chain *c, const struct parsed *p)
{
	char id[ID_LEN] = { 0 };
	text_format(id, sizeof(id), "mvp-%s", d->name);
	/* The result byte is no longer part of the chain. */
	size_t done = vdev_copy_in(c, 0, id, sizeof(id));
	answer(d, queue, c->head, p->result, done == ID_LEN ? RESULT_OK : RESULT_IOERR, (uint32_t)done);
}

static void begin(struct vblk *d, unsigned queue, const struct ring_chain *c, const struct parsed *p)
{
	struct queue *q = &d->queue[queue];
	unsigned i = (unsigned)__builtin_ctz(~q->requests_used);
	struct request *r = &q->request[i];
	uint8_t result = RESULT_UNSUPPORTED;

	r->head = c->head;
	r->result = p->result;
	r->generation = d->dev.queue[queue].generation;
	r->ranges_count = 0;
	r->ranges_done = 0;
	r->io.view = d->view;
	r->io.op = IO_FLUSH;
	r->io.unmap = false;
	r->io.sector = 0;
	r->io.len = 0;
	r->io.segs_count = 0;
	if (p->type == TYPE_GET_ID) {
		answer_id(d, queue, c, p);
		return;
	}
	if (p->type == TYPE_IN || p->type == TYPE_OUT)
		result = begin_data(d, c, p, r);
	else if (p->type == TYPE_DISCARD || p->type == TYPE_WRITE_ZEROES)
		result = begin_ranges(d, c, p, r);
	else if (p->type == TYPE_FLUSH)
		result = RESULT_OK;
	bool nothing = (r->io.op == IO_DISCARD || r->io.op == IO_ZEROES) && !r->ranges_count;
	if (result != RESULT_OK || nothing) {
		answer(d, queue, c->head, p->result, result, 0);
		return;
	}
	q->requests_used |= 1u << i;
	add(d, queue, r);
}

static void kick(struct vblk *d, unsigned queue)
{
	struct queue *q = &d->queue[queue];
	struct ring_chain *c = vdev_scratch();
	unsigned client = DISK_CLIENT(d->dev.persona, queue), taken = 0;
	q->starved = false;
	for (;; taken++) {
		struct parsed p;
		if (taken == KICK_MAX || q->requests_used == UINT32_MAX) {
			q->starved = true;
			break;
		}
		if (!vdev_pop(&d->dev, queue, c))
			break;
		if (!parse(c, &p)) {
			vdev_broken(&d->dev);
			break;
		}
		begin(d, queue, c, &p);
	}
	disk_go(client);
	/* Requests in flight resume the ring when they are done; if it stopped only to give others a turn, the next round does. */
	if (q->starved && q->requests_used != UINT32_MAX)
		disk_again(client);
}

void vblk_resume(uint32_t ran)
{
	ran &= (1u << DISK_CLIENT_VAULT) - 1;
	for (; ran; ran &= ran - 1) {
		unsigned client = (unsigned)__builtin_ctz(ran);
		struct vblk *d = &vblks[client / DISK_QUEUES];
		disk_lock(client);
		if (d->queue[client % DISK_QUEUES].starved)
			kick(d, client % DISK_QUEUES);
		disk_unlock(client);
		vdev_signal(&d->dev);
	}
}

static void vblk_notify(struct vdev *d, unsigned queue)
{
	kick(vblk_of(d), queue);
}

static void vblk_stopped(struct vdev *d, unsigned queue)
{
	vblk_of(d)->queue[queue].starved = false;
	disk_cancel(DISK_CLIENT(d->persona, queue));
}

static bool vblk_in_flight(struct vdev *d)
{
	bool idle = true;
	for (unsigned i = 0; i < d->queues && idle; i++) {
		vdev_queue_lock(d, i);
		idle = disk_is_idle(DISK_CLIENT(d->persona, i));
		vdev_queue_unlock(d, i);
	}
	return !idle;
}

static const struct vdev_model vblk_model = {
	.device_id = 2,
	.queue_max = RING_MAX,
	.notify = vblk_notify,
	.stopped = vblk_stopped,
	.busy = vblk_in_flight,
};

static void put32(uint8_t *p, uint32_t v)
{
	put_be32(p, __builtin_bswap32(v));
}

/* struct virtio_blk_config. Blocks are 512 bytes, since the partition table in the disk counts in them; where data units are larger, the
 * topology says so, and a driver that heeds it hardly ever asks for a part of one. */
static void write_config(struct vblk *d)
{
	uint8_t *c = d->config;
	uint32_t per_unit = view_unit(d->view) / SECTOR;
	memset(c, 0, CONFIG_LEN);
	put32(c, (uint32_t)d->view->sectors);
	put32(c + 4, (uint32_t)(d->view->sectors >> 32));
	put32(c + 12, SEG_MAX);
	put32(c + 20, SECTOR);                    /* blk_size */
	c[24] = (uint8_t)__builtin_ctz(per_unit); /* physical_block_exp */
	c[26] = (uint8_t)per_unit;                /* min_io_size, 16 bits */
	c[34] = (uint8_t)d->dev.queues;           /* num_queues, 16 bits */
	put32(c + 48, ZEROES_SECTORS);            /* max_write_zeroes_sectors */
	put32(c + 52, RANGES_MAX);                /* max_write_zeroes_seg */
	c[56] = !d->view->crypt && disk_unmaps(); /* write_zeroes_may_unmap */
	if (!(d->dev.features & FEATURE_DISCARD))
		return;
	put32(c + 36, DISCARD_SECTORS); /* max_discard_sectors */
	put32(c + 40, RANGES_MAX);      /* max_discard_seg */
	put32(c + 44, per_unit);        /* discard_sector_alignment */
}

void vblk_plug(const struct guest *g)
{
	struct vblk *d = &vblks[g->persona];
	uint32_t vcpus = g->config->vcpus;
	d->view = g->disk;
	d->name = g->config->name;
	d->dev.model = &vblk_model;
	d->dev.features = FEATURES;
	/* What an encrypted disk discards shows on the flash where nothing is: the manifest decides. */
	if (disk_discards() && (!d->view->crypt || g->config->discard))
		d->dev.features |= FEATURE_DISCARD;
	d->dev.queues = vcpus > DISK_QUEUES ? DISK_QUEUES : vcpus ? vcpus : 1;
	d->dev.config = d->config;
	d->dev.config_len = sizeof(d->config);
	write_config(d);
	for (unsigned i = 0; i < DISK_QUEUES; i++)
		d->dev.queue[i].lock = disk_client_lock(DISK_CLIENT(g->persona, i));
	vdev_plug(&d->dev, g->persona, MVP_SLOT_BLK, g->ram);
}

void vblk_unplug(unsigned persona)
{
	vdev_unplug(&vblks[persona].dev);
}

bool vblk_busy(unsigned persona)
{
	return vdev_busy(&vblks[persona].dev);
}
