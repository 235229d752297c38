#include "vblk.h"

#define STATUS_DRIVER_OK 0x04u
#define STATUS_FEATURES_OK 0x08u
#define STATUS_NEEDS_RESET 0x40u
#define STATUS_DRIVER_BITS 0x8fu /* what a driver may set: ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK, FAILED */

#define INTERRUPT_QUEUE 1u
#define INTERRUPT_CONFIG 2u

#define FEATURE_SEG_MAX (1ull << 2)
#define FEATURE_BLK_SIZE (1ull << 6)
#define FEATURE_FLUSH (1ull << 9)
#define FEATURE_TOPOLOGY (1ull << 10)
#define FEATURE_VERSION_1 (1ull << 32)
#define FEATURES (FEATURE_SEG_MAX | FEATURE_BLK_SIZE | FEATURE_FLUSH | FEATURE_TOPOLOGY | FEATURE_VERSION_1)

#define TYPE_IN 0
#define TYPE_OUT 1
#define TYPE_FLUSH 4
#define TYPE_GET_ID 8
#define ID_LEN 20

#define RESULT_OK 0
#define RESULT_IOERR 1
#define RESULT_UNSUPPORTED 2

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
	const struct view *view;
	struct ram ram;
	const char *name;
	struct ring ring;
	uint64_t driver_features;
	uint32_t device_features_sel, driver_features_sel, queue_sel;
	uint32_t status, interrupts;
	uint32_t old_status;    /* reads instead of 0 after a reset, until the requests of the last life are off the RAM */
	uint32_t generation;    /* of the queue: a request of an older one is not given back */
	bool line;              /* level of the interrupt */
	bool starved;           /* stopped taking requests before the ring was empty */
	uint32_t requests_used; /* bit map */
	struct request request[REQUESTS];
};

static struct vblk vblks[MVP_MAX_PERSONAS];
static struct ring_chain chains[MVP_MAX_PERSONAS]; /* scratch, under the client's lock */

static void update_line(unsigned persona)
{
	struct vblk *d = &vblks[persona];
	bool level = d->interrupts != 0;
	if (level != d->line) {
		d->line = level;
		hc(MVP_HC_IRQ_LINE, persona, MVP_GUEST_VIRTIO_SPI + MVP_SLOT_BLK, level);
	}
}

static void needs_reset(struct vblk *d)
{
	d->status |= STATUS_NEEDS_RESET;
	if (d->status & STATUS_DRIVER_OK)
		d->interrupts |= INTERRUPT_CONFIG;
}

static void answer(struct vblk *d, uint16_t head, uint8_t *result, uint8_t value, uint32_t data)
{
	*result = value;
	if (ring_push(&d->ring, head, data + 1))
		d->interrupts |= INTERRUPT_QUEUE;
}

void vblk_io_done(unsigned persona, struct io *io)
{
	struct vblk *d = &vblks[persona];
	struct request *r = (struct request *)io;
	d->requests_used &= ~(1u << (unsigned)(r - d->request));
	if (r->generation != d->generation || !d->ring.ready)
		return;
	answer(d, r->head, r->result, io->failed ? RESULT_IOERR : RESULT_OK, io->op == IO_READ && !io->failed ? (uint32_t)io->len : 0);
	update_line(persona);
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
	r->generation = d->generation;
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
	d->starved = false;
	if (!d->ring.ready || (d->status & (STATUS_DRIVER_OK | STATUS_NEEDS_RESET)) != STATUS_DRIVER_OK)
		return;
	for (unsigned n = 0;; n++) {
		struct parsed p;
		if (n == KICK_MAX || d->requests_used == UINT32_MAX) {
			d->starved = true;
			break;
		}
		enum ring_got got = ring_pop(&d->ring, &d->ram, &chains[persona]);
		if (got == RING_EMPTY)
			break;
		if (got == RING_BROKEN || !parse(&chains[persona], &p)) {
			needs_reset(d);
			break;
		}
		begin(persona, &chains[persona], &p);
	}
	update_line(persona);
	/* Requests in flight resume the ring when they are done; if it stopped only to give others a turn, CPU 0 does. */
	if (d->starved && !d->requests_used)
		hc(MVP_HC_DOORBELL, 0, 0, 0);
}

void vblk_resume(unsigned persona)
{
	disk_lock(persona);
	if (vblks[persona].starved)
		kick(persona);
	disk_unlock(persona);
}

/* The queue stops: what is in flight goes nowhere. */
static void stop_queue(unsigned persona)
{
	struct vblk *d = &vblks[persona];
	d->ring.ready = false;
	d->generation++;
	d->starved = false;
	disk_cancel(persona);
}

static void reset(unsigned persona)
{
	struct vblk *d = &vblks[persona];
	stop_queue(persona);
	d->old_status = d->status;
	d->status = 0;
	d->interrupts = 0;
	d->ring = (struct ring){ 0 };
	d->driver_features = 0;
	d->device_features_sel = 0;
	d->driver_features_sel = 0;
	d->queue_sel = 0;
	update_line(persona);
}

void vblk_plug(unsigned persona, const struct view *view, const struct ram *ram, const char *name)
{
	disk_lock(persona);
	struct vblk *d = &vblks[persona];
	reset(persona);
	d->view = view;
	d->ram = *ram;
	d->name = name;
	disk_unlock(persona);
}

void vblk_unplug(unsigned persona)
{
	disk_lock(persona);
	reset(persona);
	disk_unlock(persona);
}

bool vblk_is_idle(unsigned persona)
{
	disk_lock(persona);
	bool idle = disk_is_idle(persona);
	disk_unlock(persona);
	return idle;
}

/* Registers. `x` of a handler is the table's: which half of an address, which selector. */
struct reg {
	uint16_t at;
	uint32_t (*read)(unsigned persona, uint32_t x);
	void (*write)(unsigned persona, uint32_t x, uint32_t value);
	uint32_t x;
};

static uint32_t read_constant(unsigned persona, uint32_t x)
{
	(void)persona;
	return x;
}

static uint32_t read_device_features(unsigned persona, uint32_t x)
{
	(void)x;
	uint32_t sel = vblks[persona].device_features_sel;
	return sel < 2 ? (uint32_t)(FEATURES >> (32 * sel)) : 0;
}

static void write_device_features_sel(unsigned persona, uint32_t x, uint32_t value)
{
	(void)x;
	vblks[persona].device_features_sel = value;
}

static void write_driver_features(unsigned persona, uint32_t x, uint32_t value)
{
	(void)x;
	struct vblk *d = &vblks[persona];
	uint32_t sel = d->driver_features_sel;
	if (d->status & STATUS_FEATURES_OK)
		return;
	if (sel < 2)
		d->driver_features = (d->driver_features & ~(0xffffffffull << (32 * sel))) | (uint64_t)value << (32 * sel);
}

static void write_driver_features_sel(unsigned persona, uint32_t x, uint32_t value)
{
	(void)x;
	vblks[persona].driver_features_sel = value;
}

static void write_queue_sel(unsigned persona, uint32_t x, uint32_t value)
{
	(void)x;
	vblks[persona].queue_sel = value;
}

static uint32_t read_queue_num_max(unsigned persona, uint32_t x)
{
	(void)x;
	return vblks[persona].queue_sel == 0 ? RING_MAX : 0;
}

/* The one queue, if it is selected and its settings may change. */
static struct ring *settable_queue(struct vblk *d)
{
	return d->queue_sel == 0 && !d->ring.ready ? &d->ring : NULL;
}

static void write_queue_num(unsigned persona, uint32_t x, uint32_t value)
{
	(void)x;
	struct ring *r = settable_queue(&vblks[persona]);
	if (r)
		r->num = value <= RING_MAX ? (uint16_t)value : 0; /* 0 does not start */
}

static uint32_t read_queue_ready(unsigned persona, uint32_t x)
{
	(void)x;
	struct vblk *d = &vblks[persona];
	return d->queue_sel == 0 && d->ring.ready;
}

static void write_queue_ready(unsigned persona, uint32_t x, uint32_t value)
{
	(void)x;
	struct vblk *d = &vblks[persona];
	if (d->queue_sel != 0 || (value & 1) == d->ring.ready)
		return;
	if (!(value & 1)) {
		stop_queue(persona);
	} else if (!ring_start(&d->ring, &d->ram)) {
		needs_reset(d);
		update_line(persona);
	}
}

static void write_queue_notify(unsigned persona, uint32_t x, uint32_t value)
{
	(void)x;
	if (value == 0)
		kick(persona);
}

static uint32_t read_interrupts(unsigned persona, uint32_t x)
{
	(void)x;
	return vblks[persona].interrupts;
}

static void write_interrupt_ack(unsigned persona, uint32_t x, uint32_t value)
{
	(void)x;
	vblks[persona].interrupts &= ~value;
	update_line(persona);
}

static uint32_t read_status(unsigned persona, uint32_t x)
{
	(void)x;
	struct vblk *d = &vblks[persona];
	return d->status || disk_is_idle(persona) ? d->status : d->old_status;
}

static void write_status(unsigned persona, uint32_t x, uint32_t value)
{
	(void)x;
	struct vblk *d = &vblks[persona];
	if (!value) {
		reset(persona);
		return;
	}
	/* Section 2.2.2: features not offered, or a driver of the legacy interface, are refused by not keeping the bit. */
	if ((value & STATUS_FEATURES_OK) && !(d->status & STATUS_FEATURES_OK) &&
	    ((d->driver_features & ~FEATURES) || !(d->driver_features & FEATURE_VERSION_1)))
		value &= ~STATUS_FEATURES_OK;
	if (!((value | d->status) & STATUS_FEATURES_OK))
		value &= ~STATUS_DRIVER_OK;
	/* Bits are set one after the other and go only by a reset. */
	d->status |= value & STATUS_DRIVER_BITS;
	if (value & STATUS_DRIVER_OK)
		kick(persona);
}

static ipa_t *queue_address(struct ring *r, uint32_t x)
{
	return (x & 6) == 0 ? &r->desc : (x & 6) == 2 ? &r->driver : &r->device;
}

/* x: twice the index of the area, plus 1 for the high half */
static void write_queue_address(unsigned persona, uint32_t x, uint32_t value)
{
	struct ring *r = settable_queue(&vblks[persona]);
	if (!r)
		return;
	ipa_t *at = queue_address(r, x);
	if (x & 1)
		at->v = (at->v & 0xffffffff) | (uint64_t)value << 32;
	else
		at->v = (at->v & ~0xffffffffull) | value;
}

static const struct reg regs[] = {
	{ 0x000, read_constant, NULL, 0x74726976 }, /* MagicValue */
	{ 0x004, read_constant, NULL, 2 },          /* Version */
	{ 0x008, read_constant, NULL, 2 },          /* DeviceID: block */
	{ 0x00c, read_constant, NULL, 0x0050564d }, /* VendorID: "MVP" */
	{ 0x010, read_device_features, NULL, 0 },
	{ 0x014, NULL, write_device_features_sel, 0 },
	{ 0x020, NULL, write_driver_features, 0 },
	{ 0x024, NULL, write_driver_features_sel, 0 },
	{ 0x030, NULL, write_queue_sel, 0 },
	{ 0x034, read_queue_num_max, NULL, 0 },
	{ 0x038, NULL, write_queue_num, 0 },
	{ 0x044, read_queue_ready, write_queue_ready, 0 },
	{ 0x050, NULL, write_queue_notify, 0 },
	{ 0x060, read_interrupts, NULL, 0 },
	{ 0x064, NULL, write_interrupt_ack, 0 },
	{ 0x070, read_status, write_status, 0 },
	{ 0x080, NULL, write_queue_address, 0 }, /* QueueDesc */
	{ 0x084, NULL, write_queue_address, 1 },
	{ 0x090, NULL, write_queue_address, 2 }, /* QueueDriver */
	{ 0x094, NULL, write_queue_address, 3 },
	{ 0x0a0, NULL, write_queue_address, 4 }, /* QueueDevice */
	{ 0x0a4, NULL, write_queue_address, 5 },
	{ 0x0b0, read_constant, NULL, 0xffffffff }, /* SHMLen: there is no shared memory region (section 4.2.2.1) */
	{ 0x0b4, read_constant, NULL, 0xffffffff },
	{ 0x0b8, read_constant, NULL, 0xffffffff }, /* SHMBase */
	{ 0x0bc, read_constant, NULL, 0xffffffff },
	{ 0x0fc, read_constant, NULL, 0 }, /* ConfigGeneration: the configuration never changes */
};

#define CONFIG_AT 0x100

/* struct virtio_blk_config up to topology. Blocks are 512 bytes, since the partition table in the disk counts in them; where data units are
 * larger, the topology says so, and a driver that heeds it hardly ever asks for a part of one. */
static uint64_t read_config(const struct vblk *d, uint32_t at, unsigned width)
{
	uint8_t config[32] = { 0 };
	uint64_t value = 0;
	uint64_t capacity = d->view ? d->view->sectors : 0;
	uint32_t per_unit = d->view ? view_unit(d->view) / SECTOR : 1;
	for (unsigned i = 0; i < 8; i++)
		config[i] = (uint8_t)(capacity >> (8 * i));
	config[12] = SEG_MAX;
	config[21] = SECTOR >> 8;                      /* blk_size, 32 bits at 20 */
	config[24] = (uint8_t)__builtin_ctz(per_unit); /* physical_block_exp */
	config[26] = (uint8_t)per_unit;                /* min_io_size */
	for (unsigned i = 0; i < width && at + i < sizeof(config); i++)
		value |= (uint64_t)config[at + i] << (8 * i);
	return value;
}

uint64_t vblk_read(unsigned persona, uint32_t at, unsigned width)
{
	uint64_t value = 0;
	disk_lock(persona);
	if (at >= CONFIG_AT) {
		value = read_config(&vblks[persona], at - CONFIG_AT, width);
	} else if (width == 4) {
		for (size_t i = 0; i < ARRAY_LEN(regs); i++) {
			if (regs[i].at == at && regs[i].read)
				value = regs[i].read(persona, regs[i].x);
		}
	}
	disk_unlock(persona);
	return value;
}

void vblk_write(unsigned persona, uint32_t at, unsigned width, uint64_t value)
{
	if (width != 4)
		return;
	disk_lock(persona);
	for (size_t i = 0; i < ARRAY_LEN(regs); i++) {
		if (regs[i].at == at && regs[i].write)
			regs[i].write(persona, regs[i].x, (uint32_t)value);
	}
	disk_unlock(persona);
}
