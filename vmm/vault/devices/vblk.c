#include "vblk.h"

#include "vdev.h"

#define FEATURE_SEG_MAX (1ull << 2)
#define FEATURE_BLK_SIZE (1ull << 6)
#define FEATURE_FLUSH (1ull << 9)
#define FEATURE_TOPOLOGY (1ull << 10)
#define FEATURES (FEATURE_SEG_MAX | FEATURE_BLK_SIZE | FEATURE_FLUSH | FEATURE_TOPOLOGY)

#define TYPE_IN 0
#define TYPE_OUT 1
#define TYPE_FLUSH 4
#define TYPE_GET_ID 8
#define ID_LEN 20

#define RESULT_OK 0
#define RESULT_IOERR 1
#define RESULT_UNSUPPORTED 2

#define CONFIG_LEN 32
#define HEADER_LEN 16
#define SEG_MAX 62 /* data segments of a request that the driver is told to stay within */
#define REQUESTS 32
#define KICK_MAX RING_MAX /* requests taken from the ring before something else gets a turn */

struct request {
	struct io io;    /* first: vblk_io_done() finds the request by it */
	uint8_t *result; /* in the persona's RAM */
	uint32_t generation;
	uint16_t head;
};

struct vblk {
	struct vdev dev; /* first */
	const struct view *view;
	const char *name;
	uint8_t config[CONFIG_LEN];
	bool starved;           /* stopped taking requests before the ring was empty */
	uint32_t requests_used; /* bit map */
	struct request request[REQUESTS];
};

static struct vblk vblks[MVP_MAX_PERSONAS];

static void answer(struct vblk *d, uint16_t head, uint8_t *result, uint8_t value, uint32_t data)
{
	*result = value;
	vdev_push(&d->dev, 0, head, data + 1);
}

void vblk_io_done(unsigned persona, struct io *io)
{
	struct vblk *d = &vblks[persona];
	struct request *r = (struct request *)io;
	d->requests_used &= ~(1u << (unsigned)(r - d->request));
	if (r->generation != d->dev.queue[0].generation || !vdev_live(&d->dev, 0))
		return;
	answer(d, r->head, r->result, io->failed ? RESULT_IOERR : RESULT_OK, io->op == IO_READ && !io->failed ? (uint32_t)io->len : 0);
	vdev_signal(&d->dev);
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

static void answer_id(struct vblk *d, const struct ring_chain *c, const struct parsed *p)
{
	char id[ID_LEN] = { 0 };
	uint32_t done = 0;
	text_format(id, sizeof(id), "mvp-%s", d->name);
	for (uint32_t i = p->in; i < c->count && done < ID_LEN; i++) {
		uint32_t n = (uint32_t)min_u64(c->buffer[i].len, ID_LEN - done);
		memcpy(c->buffer[i].at, id + done, n);
		done += n;
	}
	answer(d, c->head, p->result, done == ID_LEN ? RESULT_OK : RESULT_IOERR, done);
}

/* Starts the disk's part of a request, or answers it. */
static void begin(unsigned persona, const struct ring_chain *c, const struct parsed *p)
{
	struct vblk *d = &vblks[persona];
	bool reads = p->type == TYPE_IN, writes = p->type == TYPE_OUT;
	if (p->type == TYPE_GET_ID) {
		answer_id(d, c, p);
		return;
	}
	if (!reads && !writes && p->type != TYPE_FLUSH) {
		answer(d, c->head, p->result, RESULT_UNSUPPORTED, 0);
		return;
	}
	uint64_t len = reads ? p->in_len : writes ? p->out_len : 0;

	if (p->type != TYPE_FLUSH &&
	    (!len || len % SECTOR || len > UINT32_MAX - 1 || !range_in(p->sector, len / SECTOR, d->view->sectors))) {
		answer(d, c->head, p->result, RESULT_IOERR, 0);
		return;
	}

	unsigned i = (unsigned)__builtin_ctz(~d->requests_used);
	d->requests_used |= 1u << i;
	struct request *r = &d->request[i];
	r->head = c->head;
	r->result = p->result;
	r->generation = d->dev.queue[0].generation;
	r->io.view = d->view;
	r->io.op = reads ? IO_READ : writes ? IO_WRITE : IO_FLUSH;
	r->io.sector = p->sector;
	r->io.len = len;
	r->io.segs_count = 0;
	uint32_t from = reads ? p->in : p->out;
	uint32_t to = reads ? c->count : writes ? p->in : from;
	for (uint32_t k = from; k < to; k++) {
		if (c->buffer[k].len)
			r->io.segs[r->io.segs_count++] = (struct seg){ c->buffer[k].at, c->buffer[k].len };
	}
	disk_submit(persona, &r->io);
}

static void kick(unsigned persona)
{
	struct vblk *d = &vblks[persona];
	struct ring_chain *c = vdev_scratch();
	d->starved = false;
	for (unsigned n = 0;; n++) {
		struct parsed p;
		if (n == KICK_MAX || d->requests_used == UINT32_MAX) {
			d->starved = true;
			break;
		}
		if (!vdev_pop(&d->dev, 0, c))
			break;
		if (!parse(c, &p)) {
			vdev_broken(&d->dev);
			break;
		}
		begin(persona, c, &p);
	}
	/* Requests in flight resume the ring when they are done; if it stopped only to give others a turn, CPU 0 does. */
	if (d->starved && !d->requests_used)
		hc(MVP_HC_DOORBELL, 0, 0, 0);
}

void vblk_resume(unsigned persona)
{
	struct vblk *d = &vblks[persona];
	disk_lock(persona);
	if (d->starved)
		kick(persona);
	disk_unlock(persona);
	vdev_signal(&d->dev);
}

static void vblk_notify(struct vdev *d, unsigned queue)
{
	(void)queue;
	kick(d->persona);
}

static void vblk_stopped(struct vdev *d, unsigned queue)
{
	(void)queue;
	vblks[d->persona].starved = false;
	disk_cancel(d->persona);
}

static bool vblk_in_flight(struct vdev *d)
{
	return !disk_is_idle(d->persona);
}

static const struct vdev_model vblk_model = {
	.device_id = 2,
	.queue_max = RING_MAX,
	.notify = vblk_notify,
	.stopped = vblk_stopped,
	.busy = vblk_in_flight,
};

/* struct virtio_blk_config up to topology. Blocks are 512 bytes, since the partition table in the disk counts in them; where data units are
 * larger, the topology says so, and a driver that heeds it hardly ever asks for a part of one. */
static void write_config(struct vblk *d)
{
	uint32_t per_unit = view_unit(d->view) / SECTOR;
	memset(d->config, 0, sizeof(d->config));
	for (unsigned i = 0; i < 8; i++)
		d->config[i] = (uint8_t)(d->view->sectors >> (8 * i));
	d->config[12] = SEG_MAX;
	d->config[21] = SECTOR >> 8;                      /* blk_size, 32 bits at 20 */
	d->config[24] = (uint8_t)__builtin_ctz(per_unit); /* physical_block_exp */
	d->config[26] = (uint8_t)per_unit;                /* min_io_size */
}

void vblk_plug(const struct guest *g)
{
	struct vblk *d = &vblks[g->persona];
	d->view = g->disk;
	d->name = g->config->name;
	write_config(d);
	d->dev.model = &vblk_model;
	d->dev.features = FEATURES;
	d->dev.queues = 1;
	d->dev.config = d->config;
	d->dev.config_len = sizeof(d->config);
	d->dev.queue[0].lock = disk_client_lock(g->persona);
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
