#include "vdev.h"

#define STATUS_DRIVER_OK 0x04u
#define STATUS_FEATURES_OK 0x08u
#define STATUS_NEEDS_RESET 0x40u
#define STATUS_DRIVER_BITS 0x8fu /* what a driver may set: ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK, FAILED */

#define INTERRUPT_QUEUE 1u
#define INTERRUPT_CONFIG 2u

#define MAGIC 0x74726976u
#define VERSION 2u
#define VENDOR 0x0050564du /* "MVP" */
#define CONFIG_AT 0x100u

static struct vdev *vdevs[MVP_MAX_PERSONAS][MVP_GUEST_VIRTIO_SLOTS];
static struct ring_chain scratch[MVP_MAX_CPUS]; /* a vault vCPU is never preempted */

struct ring_chain *vdev_scratch(void)
{
	return &scratch[arch_cpu()];
}

static uint32_t get(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

/* Interrupts */

static void set_line(struct vdev *d, bool level)
{
	if (level == d->line)
		return;
	d->line = level;
	hc(MVP_HC_IRQ_LINE, d->persona, MVP_GUEST_VIRTIO_SPI + d->slot, level);
}

void vdev_signal(struct vdev *d)
{
	spin_lock(&d->line_lock);
	set_line(d, get(&d->interrupts) != 0);
	spin_unlock(&d->line_lock);
}

/* The interrupt is edge triggered for the persona: what came while it acknowledged must make another edge, or it would wait for ever. */
static void acknowledge(struct vdev *d, uint32_t why)
{
	spin_lock(&d->line_lock);
	set_line(d, false);
	set_line(d, __atomic_and_fetch(&d->interrupts, ~why, __ATOMIC_ACQ_REL) != 0);
	spin_unlock(&d->line_lock);
}

static void interrupt(struct vdev *d, uint32_t why)
{
	__atomic_fetch_or(&d->interrupts, why, __ATOMIC_ACQ_REL);
}

void vdev_broken(struct vdev *d)
{
	uint32_t before = __atomic_fetch_or(&d->status, STATUS_NEEDS_RESET, __ATOMIC_ACQ_REL);
	if (before & STATUS_DRIVER_OK)
		interrupt(d, INTERRUPT_CONFIG);
}

void vdev_config_changed(struct vdev *d)
{
	d->config_generation++;
	if (get(&d->status) & STATUS_DRIVER_OK)
		interrupt(d, INTERRUPT_CONFIG);
	vdev_signal(d);
}

/* Queues */

void vdev_queue_lock(struct vdev *d, unsigned queue)
{
	spin_lock(d->queue[queue].lock);
}

void vdev_queue_unlock(struct vdev *d, unsigned queue)
{
	spin_unlock(d->queue[queue].lock);
}

bool vdev_live(const struct vdev *d, unsigned queue)
{
	return (get(&d->status) & (STATUS_DRIVER_OK | STATUS_NEEDS_RESET)) == STATUS_DRIVER_OK && d->queue[queue].ring.ready;
}

bool vdev_has(const struct vdev *d, uint64_t feature)
{
	return d->driver_features & feature;
}

bool vdev_pop(struct vdev *d, unsigned queue, struct ring_chain *ret_chain)
{
	if (!vdev_live(d, queue))
		return false;
	enum ring_got got = ring_pop(&d->queue[queue].ring, &d->ram, ret_chain);
	if (got == RING_BROKEN)
		vdev_broken(d);
	return got == RING_CHAIN;
}

void vdev_push(struct vdev *d, unsigned queue, uint16_t head, uint32_t written)
{
	if (ring_push(&d->queue[queue].ring, head, written))
		interrupt(d, INTERRUPT_QUEUE);
}

static void stop(struct vdev *d, unsigned queue)
{
	struct vqueue *q = &d->queue[queue];
	q->ring.ready = false;
	q->generation++;
	if (d->model->stopped)
		d->model->stopped(d, queue);
}

static void queue_notify(struct vdev *d, unsigned queue)
{
	vdev_queue_lock(d, queue);
	if (vdev_live(d, queue))
		d->model->notify(d, queue);
	vdev_queue_unlock(d, queue);
	vdev_signal(d);
}

/* Chains */

static size_t copy(const struct ring_chain *c, bool in, size_t at, uint8_t *flat, size_t len)
{
	size_t done = 0;
	for (uint32_t i = 0; i < c->count && done < len; i++) {
		const struct ring_buffer *b = &c->buffer[i];
		if (b->write != in)
			continue;
		if (at >= b->len) {
			at -= b->len;
			continue;
		}
		size_t n = min_u64(len - done, b->len - at);
		if (in)
			memcpy(b->at + at, flat + done, n);
		else
			memcpy(flat + done, b->at + at, n);
		done += n;
		at = 0;
	}
	return done;
}

size_t vdev_copy_out(const struct ring_chain *c, size_t at, void *to, size_t len)
{
	return copy(c, false, at, to, len);
}

size_t vdev_copy_in(const struct ring_chain *c, size_t at, const void *from, size_t len)
{
	return copy(c, true, at, (uint8_t *)(uintptr_t)from, len);
}

void vdev_chain_len(const struct ring_chain *c, uint64_t *ret_out, uint64_t *ret_in)
{
	*ret_out = 0;
	*ret_in = 0;
	for (uint32_t i = 0; i < c->count; i++)
		*(c->buffer[i].write ? ret_in : ret_out) += c->buffer[i].len;
}

/* Life */

static bool model_busy(struct vdev *d)
{
	return d->model->busy && d->model->busy(d);
}

/* Device's lock held. */
static void reset(struct vdev *d)
{
	uint32_t status = get(&d->status);
	if (status) /* a second reset does not end the wait for what the first one left */
		d->old_status = status;
	/* Nothing is taken from a queue from here on, whoever looks at it. */
	__atomic_store_n(&d->status, 0, __ATOMIC_RELEASE);
	for (unsigned i = 0; i < d->queues; i++) {
		vdev_queue_lock(d, i);
		stop(d, i);
		d->queue[i].ring = (struct ring){ 0 };
		vdev_queue_unlock(d, i);
	}
	__atomic_store_n(&d->interrupts, 0, __ATOMIC_RELEASE);
	d->driver_features = 0;
	d->device_features_sel = 0;
	d->driver_features_sel = 0;
	d->queue_sel = 0;
	vdev_signal(d);
}

void vdev_plug(struct vdev *d, unsigned persona, unsigned slot, const struct ram *ram)
{
	for (unsigned i = 0; i < VDEV_QUEUES; i++) {
		if (!d->queue[i].lock)
			d->queue[i].lock = &d->queue[i].own_lock;
	}
	spin_lock(&d->lock);
	d->persona = persona;
	d->slot = slot;
	d->ram = *ram;
	reset(d);
	d->old_status = 0;
	spin_unlock(&d->lock);
	vdevs[persona][slot] = d;
}

void vdev_unplug(struct vdev *d)
{
	if (!d->queue[0].lock)
		return; /* was never plugged */
	spin_lock(&d->lock);
	reset(d);
	spin_unlock(&d->lock);
}

bool vdev_busy(struct vdev *d)
{
	spin_lock(&d->lock);
	bool b = d->queue[0].lock && model_busy(d);
	spin_unlock(&d->lock);
	return b;
}

/* Registers. `x` of a handler is the table's: which half of an address, which constant. Device's lock held. */
struct reg {
	uint32_t at;
	uint32_t x;
	uint32_t (*read)(struct vdev *d, uint32_t x);
	void (*write)(struct vdev *d, uint32_t x, uint32_t value);
};

static uint32_t read_constant(struct vdev *d, uint32_t x)
{
	(void)d;
	return x;
}

static uint32_t read_device_id(struct vdev *d, uint32_t x)
{
	(void)x;
	return d->model->device_id;
}

static uint32_t read_device_features(struct vdev *d, uint32_t x)
{
	(void)x;
	uint64_t offered = d->features | VDEV_VERSION_1;
	return d->device_features_sel < 2 ? (uint32_t)(offered >> (32 * d->device_features_sel)) : 0;
}

static void write_device_features_sel(struct vdev *d, uint32_t x, uint32_t value)
{
	(void)x;
	d->device_features_sel = value;
}

static void write_driver_features(struct vdev *d, uint32_t x, uint32_t value)
{
	(void)x;
	uint32_t sel = d->driver_features_sel;
	if ((get(&d->status) & STATUS_FEATURES_OK) || sel > 1)
		return;
	d->driver_features = (d->driver_features & ~(0xffffffffull << (32 * sel))) | (uint64_t)value << (32 * sel);
}

static void write_driver_features_sel(struct vdev *d, uint32_t x, uint32_t value)
{
	(void)x;
	d->driver_features_sel = value;
}

static void write_queue_sel(struct vdev *d, uint32_t x, uint32_t value)
{
	(void)x;
	d->queue_sel = value;
}

static uint32_t read_queue_num_max(struct vdev *d, uint32_t x)
{
	(void)x;
	return d->queue_sel < d->queues ? d->model->queue_max : 0;
}

static uint32_t read_queue_ready(struct vdev *d, uint32_t x)
{
	(void)x;
	return d->queue_sel < d->queues && d->queue[d->queue_sel].ring.ready;
}

/* The selected queue, if its settings may change. */
static struct ring *settable_queue(struct vdev *d)
{
	if (d->queue_sel >= d->queues || d->queue[d->queue_sel].ring.ready)
		return NULL;
	return &d->queue[d->queue_sel].ring;
}

static void write_queue_num(struct vdev *d, uint32_t x, uint32_t value)
{
	(void)x;
	struct ring *r = settable_queue(d);
	if (r)
		r->num = value <= d->model->queue_max ? (uint16_t)value : 0; /* 0 does not start */
}

static void write_queue_ready(struct vdev *d, uint32_t x, uint32_t value)
{
	(void)x;
	if (d->queue_sel >= d->queues || (value & 1) == d->queue[d->queue_sel].ring.ready)
		return;
	vdev_queue_lock(d, d->queue_sel);
	if (!(value & 1))
		stop(d, d->queue_sel);
	else if (!ring_start(&d->queue[d->queue_sel].ring, &d->ram))
		vdev_broken(d);
	vdev_queue_unlock(d, d->queue_sel);
	vdev_signal(d);
}

static uint32_t read_interrupts(struct vdev *d, uint32_t x)
{
	(void)x;
	return get(&d->interrupts);
}

static void write_interrupt_ack(struct vdev *d, uint32_t x, uint32_t value)
{
	(void)x;
	acknowledge(d, value);
}

static uint32_t read_status(struct vdev *d, uint32_t x)
{
	(void)x;
	uint32_t status = get(&d->status);
	return status || !model_busy(d) ? status : d->old_status;
}

static void write_status(struct vdev *d, uint32_t x, uint32_t value)
{
	(void)x;
	if (!value) {
		reset(d);
		return;
	}
	uint32_t status = get(&d->status);
	/* Section 2.2.2: features not offered, or a driver of the legacy interface, are refused by not keeping the bit. */
	if ((value & STATUS_FEATURES_OK) && !(status & STATUS_FEATURES_OK) &&
	    ((d->driver_features & ~(d->features | VDEV_VERSION_1)) || !(d->driver_features & VDEV_VERSION_1)))
		value &= ~STATUS_FEATURES_OK;
	if (!((value | status) & STATUS_FEATURES_OK))
		value &= ~STATUS_DRIVER_OK;
	/* Bits are set one after the other and go only by a reset. */
	__atomic_fetch_or(&d->status, value & STATUS_DRIVER_BITS, __ATOMIC_ACQ_REL);
	if (!(value & STATUS_DRIVER_OK))
		return;
	for (unsigned i = 0; i < d->queues; i++)
		queue_notify(d, i);
}

static ipa_t *queue_address(struct ring *r, uint32_t x)
{
	return (x & 6) == 0 ? &r->desc : (x & 6) == 2 ? &r->driver : &r->device;
}

/* x: twice the index of the area, plus 1 for the high half */
static void write_queue_address(struct vdev *d, uint32_t x, uint32_t value)
{
	struct ring *r = settable_queue(d);
	if (!r)
		return;
	ipa_t *at = queue_address(r, x);
	if (x & 1)
		at->v = (at->v & 0xffffffff) | (uint64_t)value << 32;
	else
		at->v = (at->v & ~0xffffffffull) | value;
}

static uint32_t read_config_generation(struct vdev *d, uint32_t x)
{
	(void)x;
	return d->config_generation;
}

#define REG_QUEUE_NOTIFY 0x050

static const struct reg regs[] = {
	{ 0x060, 0, read_interrupts, NULL }, /* with every interrupt: found first */
	{ 0x064, 0, NULL, write_interrupt_ack },
	{ 0x000, MAGIC, read_constant, NULL },
	{ 0x004, VERSION, read_constant, NULL },
	{ 0x008, 0, read_device_id, NULL },
	{ 0x00c, VENDOR, read_constant, NULL },
	{ 0x010, 0, read_device_features, NULL },
	{ 0x014, 0, NULL, write_device_features_sel },
	{ 0x020, 0, NULL, write_driver_features },
	{ 0x024, 0, NULL, write_driver_features_sel },
	{ 0x030, 0, NULL, write_queue_sel },
	{ 0x034, 0, read_queue_num_max, NULL },
	{ 0x038, 0, NULL, write_queue_num },
	{ 0x044, 0, read_queue_ready, write_queue_ready },
	{ 0x070, 0, read_status, write_status },
	{ 0x080, 0, NULL, write_queue_address }, /* QueueDesc */
	{ 0x084, 1, NULL, write_queue_address },
	{ 0x090, 2, NULL, write_queue_address }, /* QueueDriver */
	{ 0x094, 3, NULL, write_queue_address },
	{ 0x0a0, 4, NULL, write_queue_address }, /* QueueDevice */
	{ 0x0a4, 5, NULL, write_queue_address },
	{ 0x0b0, 0xffffffff, read_constant, NULL }, /* SHMLen: there is no shared memory region (section 4.2.2.1) */
	{ 0x0b4, 0xffffffff, read_constant, NULL },
	{ 0x0b8, 0xffffffff, read_constant, NULL }, /* SHMBase */
	{ 0x0bc, 0xffffffff, read_constant, NULL },
	{ 0x0fc, 0, read_config_generation, NULL },
};

static const struct reg *find(uint32_t at, unsigned width)
{
	for (size_t i = 0; width == 4 && i < ARRAY_LEN(regs); i++) {
		if (regs[i].at == at)
			return &regs[i];
	}
	return NULL;
}

static uint64_t read_config(const struct vdev *d, uint32_t at, unsigned width)
{
	uint64_t value = 0;
	for (unsigned i = 0; i < width && at + i < d->config_len; i++)
		value |= (uint64_t)d->config[at + i] << (8 * i);
	return value;
}

static uint64_t read_empty(uint32_t at, unsigned width)
{
	static const uint32_t identity[] = { MAGIC, VERSION, 0, VENDOR };
	return width == 4 && at % 4 == 0 && at / 4 < ARRAY_LEN(identity) ? identity[at / 4] : 0;
}

uint64_t vdev_read(unsigned persona, uint32_t at, unsigned width)
{
	struct vdev *d = vdevs[persona][at / MVP_GUEST_VIRTIO_STRIDE % MVP_GUEST_VIRTIO_SLOTS];
	const struct reg *r;
	uint64_t value = 0;
	at %= MVP_GUEST_VIRTIO_STRIDE;
	if (!d)
		return read_empty(at, width);
	spin_lock(&d->lock);
	if (at >= CONFIG_AT) {
		value = read_config(d, at - CONFIG_AT, width);
	} else if ((r = find(at, width)) && r->read) {
		value = r->read(d, r->x);
	}
	spin_unlock(&d->lock);
	return value;
}

void vdev_write(unsigned persona, uint32_t at, unsigned width, uint64_t value)
{
	struct vdev *d = vdevs[persona][at / MVP_GUEST_VIRTIO_STRIDE % MVP_GUEST_VIRTIO_SLOTS];
	const struct reg *r;
	at %= MVP_GUEST_VIRTIO_STRIDE;
	if (!d)
		return;
	if (at == REG_QUEUE_NOTIFY) {
		/* Without the device's lock: this is the one that is hot, and that takes long. */
		if (width == 4 && value < d->queues)
			queue_notify(d, (unsigned)value);
		return;
	}
	spin_lock(&d->lock);
	if (at >= CONFIG_AT) {
		if (d->model->config_write && range_in(at - CONFIG_AT, width, d->config_len))
			d->model->config_write(d, at - CONFIG_AT, width, value);
	} else if ((r = find(at, width)) && r->write) {
		r->write(d, r->x, (uint32_t)value);
	}
	spin_unlock(&d->lock);
}
