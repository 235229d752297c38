#include "virtio_input.h"

#include "../dma.h"
#include "virtio.h"

#define QUEUE_LEN 64 /* events the device can have for us; one that has more loses reports */
#define QUEUE_MIN 8
#define CONFIG_SELECT 0
#define CONFIG_SUBSEL 1

static struct device {
	struct vq queue;
	VQ_MEMORY(QUEUE_LEN) memory;
	uint8_t events[QUEUE_LEN][EVDEV_EVENT_LEN]; /* the device writes here */
	uint64_t offered;                           /* bit map of the buffers it has */
	struct input_info info;
} devices[INPUT_DEVICES];

/* Asks for a piece of the configuration: what is not there is zeros. Returns its length. */
static unsigned query(const struct virtio *v, unsigned select, unsigned subsel, uint8_t ret[VIRTIO_INPUT_DATA_MAX])
{
	memset(ret, 0, VIRTIO_INPUT_DATA_MAX);
	virtio_config8_write(v, CONFIG_SELECT, (uint8_t)select);
	virtio_config8_write(v, CONFIG_SUBSEL, (uint8_t)subsel);
	unsigned len = (unsigned)min_u64(virtio_config8(v, VIRTIO_INPUT_CONFIG_SIZE), VIRTIO_INPUT_DATA_MAX);
	for (unsigned i = 0; i < len; i++)
		ret[i] = virtio_config8(v, VIRTIO_INPUT_CONFIG_DATA + i);
	return len;
}

static bool bit(const uint8_t *bits, unsigned n)
{
	return bits[n / 8] >> (n % 8) & 1;
}

static struct input_axis read_axis(const struct virtio *v, unsigned code)
{
	uint8_t data[VIRTIO_INPUT_DATA_MAX];
	if (query(v, VIRTIO_INPUT_ABS_INFO, code, data) < 8)
		return (struct input_axis){ 0 };
	return (struct input_axis){ (int32_t)get_le32(data), (int32_t)get_le32(data + 4) };
}

static bool is_axis(const struct input_axis *a)
{
	return a->max > a->min;
}

static void read_info(const struct virtio *v, struct input_info *info)
{
	uint8_t data[VIRTIO_INPUT_DATA_MAX];
	unsigned len = query(v, VIRTIO_INPUT_ID_NAME, 0, data);
	for (unsigned i = 0; i < len && i + 1 < sizeof(info->name) && data[i]; i++)
		info->name[i] = data[i] >= ' ' && data[i] <= '~' ? (char)data[i] : '?';

	query(v, VIRTIO_INPUT_EV_BITS, EV_KEY, data);
	for (unsigned i = 0; i < 0x100 / 8; i++)
		info->keys |= data[i] != 0;
	bool button = bit(data, BTN_LEFT) || bit(data, BTN_TOUCH);

	query(v, VIRTIO_INPUT_EV_BITS, EV_ABS, data);
	if (bit(data, ABS_MT_SLOT) && bit(data, ABS_MT_TRACKING_ID)) {
		info->x = read_axis(v, ABS_MT_POSITION_X);
		info->y = read_axis(v, ABS_MT_POSITION_Y);
		info->multi = is_axis(&info->x) && is_axis(&info->y);
	}
	if (!info->multi && button) {
		info->x = read_axis(v, ABS_X);
		info->y = read_axis(v, ABS_Y);
		info->single = is_axis(&info->x) && is_axis(&info->y);
	}
}

static void offer(struct device *d, unsigned i)
{
	d->offered |= 1ull << i;
	vq_offer(&d->queue, (uint16_t)i);
}

static bool start(struct device *d, const struct virtio *v)
{
	uint64_t features;
	d->info = (struct input_info){ .intid = v->intid };
	if (!virtio_begin(v, 0, &features))
		return false;
	read_info(v, &d->info);
	if (!vq_start(&d->queue, v, 0, QUEUE_LEN, d->memory.desc, d->memory.avail, d->memory.used) || d->queue.num < QUEUE_MIN)
		return false;
	virtio_go(v);
	d->offered = 0;
	for (unsigned i = 0; i < d->queue.num; i++) {
		d->memory.desc[i] = (struct vq_desc){ dma_paddr(d->events[i]).v, EVDEV_EVENT_LEN, VQ_WRITE, 0 };
		offer(d, i);
	}
	vq_notify(&d->queue);
	return true;
}

unsigned virtio_input_start(void)
{
	unsigned count = 0;
	struct virtio v;
	for (unsigned nth = 0; nth < INPUT_DEVICES && virtio_find(VIRTIO_ID_INPUT, nth, &v); nth++)
		count += start(&devices[count], &v);
	return count;
}

const struct input_info *virtio_input_info(unsigned device)
{
	return &devices[device].info;
}

void virtio_input_ack(unsigned device)
{
	virtio_ack(&devices[device].queue.dev);
}

unsigned virtio_input_take(unsigned device, unsigned max, struct evdev_event *ret_events, unsigned *ret_seen)
{
	struct device *d = &devices[device];
	uint32_t head, len;
	unsigned count = 0, seen = 0;
	while (seen < max && vq_completed(&d->queue, &head, &len)) {
		seen++;
		/* A device that gives back what it does not have is broken; what it says about it means nothing. */
		if (head >= d->queue.num || !(d->offered & 1ull << head))
			continue;
		if (len >= EVDEV_EVENT_LEN) {
			const uint8_t *e = d->events[head];
			ret_events[count++] = (struct evdev_event){ get_le16(e), get_le16(e + 2), get_le32(e + 4) };
		}
		wipe(d->events[head], EVDEV_EVENT_LEN);
		offer(d, head);
	}
	if (seen)
		vq_notify(&d->queue);
	*ret_seen = seen;
	return count;
}
