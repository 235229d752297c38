/* A hostile virtio-blk driver: the input is a script of register accesses, writes to the persona's RAM and completions of the disk. The RAM
 * is its own allocation, so an access beside it is seen; the queue's areas lie in it where the script says. */
#include "tests/unit/vault_host.h"

#include "vmm/vault/crypt.c"
#include "vmm/vault/devices/ring.c"
#include "vmm/vault/devices/vblk.c"
#include "vmm/vault/devices/vdev.c"
#include "vmm/vault/disk.c"
#include "vmm/vault/lib.c"

static const struct mvp_vault_persona config = { .name = "fuzz" };

#define RAM_LEN 0x4000u
#define DISK_SECTORS 4096u
#define STEPS_MAX 2000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *memory;
static unsigned busy; /* bit map of slots */
static bool last_ok;

const char *virtio_blk_start(struct blk_info *ret_info)
{
	*ret_info = (struct blk_info){ DISK_SECTORS, BLK_SLOTS, 48, true, false };
	return NULL;
}

void virtio_blk_submit(unsigned slot, enum blk_op op, uint64_t sector, const struct blk_seg *segs, unsigned segs_count)
{
	uint64_t len = 0;
	if (slot >= BLK_SLOTS || (busy & 1u << slot) || segs_count > BLK_SLOT_SEGS || (op == BLK_FLUSH) != !segs_count)
		abort();
	busy |= 1u << slot;
	for (unsigned i = 0; i < segs_count; i++) {
		uint8_t *at = (uint8_t *)(uintptr_t)segs[i].at.v;
		bool in_ram = at >= memory && range_in((uint64_t)(at - memory), segs[i].len, RAM_LEN);
		bool in_bounce = at >= bounce[0] && range_in((uint64_t)(at - bounce[0]), segs[i].len, sizeof(bounce));
		if (!segs[i].len || (!in_ram && !in_bounce))
			abort();
		if (op == BLK_READ)
			memset(at, 0x5a, segs[i].len);
		len += segs[i].len;
	}
	if (len % SECTOR || !range_in(sector, len / SECTOR, DISK_SECTORS))
		abort();
}

bool virtio_blk_completed(unsigned *ret_slot, bool *ret_ok)
{
	if (!busy)
		return false;
	*ret_slot = (unsigned)__builtin_ctz(busy);
	*ret_ok = last_ok;
	busy &= busy - 1;
	return true;
}

void virtio_blk_ack(void)
{
}

paddr_t dma_paddr(const void *at)
{
	return (paddr_t){ (uintptr_t)at };
}

void disk_io_done(unsigned client, struct io *io)
{
	vblk_io_done(client, io);
}

static void start(bool secret)
{
	static struct crypt crypt = { .unit = 4096 };
	static struct view view;
	uint8_t key[XTS_KEY_LEN];
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)i;
	memset(vblks, 0, sizeof(vblks));
	memset(clients, 0, sizeof(clients));
	memset(&disk, 0, sizeof(disk));
	busy = 0;
	last_ok = true;
	aes_xts_set_key(&crypt.key, key);
	view = (struct view){ 64, 1024, secret ? &crypt : NULL };
	if (disk_start())
		abort();
	vblk_plug(&(struct guest){ 0, &config, &view, &(struct ram){ memory, RAM_LEN } });
	/* A working set-up to start from; the script may undo it. */
	static const uint32_t set_up[][2] = {
		{ 0x70, 3 },          { 0x24, 1 },          { 0x20, 1 },          { 0x70, 11 }, { 0x38, 16 },
		{ 0x80, 0x40000000 }, { 0x90, 0x40000400 }, { 0xa0, 0x40000800 }, { 0x44, 1 },  { 0x70, 15 }
	};
	for (size_t i = 0; i < ARRAY_LEN(set_up); i++)
		vdev_write(0, set_up[i][0], 4, set_up[i][1]);
}

/* One request of a script byte's liking in descriptors 0 to 2, so that a script need not find the whole form by itself. */
static void offer(const uint8_t *p)
{
	uint64_t header = MVP_GUEST_RAM + 0x1000, result = MVP_GUEST_RAM + 0x1100, at = MVP_GUEST_RAM + 0x1200 + p[1] % 64u;
	uint32_t lens[3] = { 16, SECTOR * (p[2] % 20u), 1 }, type = p[3] & 1;
	uint64_t ats[3] = { header, at, result }, sector = p[0];
	for (unsigned i = 0; i < 3; i++) {
		uint16_t flags = (uint16_t)((i < 2) | (i == 2 || (i == 1 && !type) ? 2 : 0)), next = (uint16_t)(i + 1);
		memcpy(memory + 16 * i, &ats[i], 8);
		memcpy(memory + 16 * i + 8, &lens[i], 4);
		memcpy(memory + 16 * i + 12, &flags, 2);
		memcpy(memory + 16 * i + 14, &next, 2);
	}
	memcpy(memory + 0x1000, &type, 4);
	memcpy(memory + 0x1008, &sector, 8);
	memset(memory + 0x404, 0, 32);
	uint16_t index = (uint16_t)(get_le16(memory + 0x402) + 1);
	memcpy(memory + 0x402, &index, 2);
	vdev_write(0, 0x50, 4, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	memory = aligned_alloc(4096, RAM_LEN);
	if (!memory)
		abort();
	memset(memory, 0, RAM_LEN);
	start(data[0] & 1);
	const uint8_t *p = data + 1, *end = data + size;
	for (unsigned n = 0; n < STEPS_MAX && end - p >= 6; n++, p += 6) {
		uint16_t at = get_le16(p + 1);
		switch (p[0] % 8) {
		case 0:
			vdev_write(0, at % MVP_GUEST_VIRTIO_STRIDE & ~3u, 4, p[3] | (uint32_t)p[4] << 8 | (uint32_t)p[5] << 24);
			break;
		case 1:
			(void)vdev_read(0, at % MVP_GUEST_VIRTIO_STRIDE, 1u << (p[3] & 3));
			break;
		case 2:
			memcpy(memory + at % (RAM_LEN - 4), p + 2, 4);
			break;
		case 3: /* the queue's own areas */
			memcpy(memory + at % 0xa00, p + 3, 3);
			break;
		case 4:
			last_ok = p[3] & 7;
			disk_irq(48);
			vblk_resume(0);
			break;
		case 5:
			offer(p + 2);
			break;
		case 6:
			vdev_write(0, 0x50, 4, 0);
			break;
		default:
			vdev_write(0, at % 0x200, 1u << (p[3] & 3), p[4]);
		}
	}
	vblk_unplug(0);
	for (unsigned n = 0; n < 100 && vblk_busy(0); n++)
		disk_irq(48);
	/* Whatever it did: everything comes to an end, and every slot comes back. */
	if (vblk_busy(0) || disk.slots_used || disk.bounces_used || vblks[0].requests_used || clients[0].slots || clients[0].alone)
		abort();
	free(memory);
	return 0;
}
