/* A hostile virtio-blk driver: the input is a script of register accesses, writes to the persona's RAM and completions of the disk, on two
 * queues and CPUs. The RAM is its own allocation, so an access beside it is seen; the queues' areas lie in it where the script says.
 *
 * In the environment: MVP_RING_OPS=N says the number of ring operations reached and ends after N of them (for soak). */
#include "tests/unit/vault_host.h"

#include <stdio.h>
#include <unistd.h>

#include "tests/unit/counted_ring.h"
#include "vmm/vault/crypt.c"
#include "vmm/vault/devices/vblk.c"
#include "vmm/vault/devices/vdev.c"
#include "vmm/vault/disk.c"
#include "vmm/vault/lib.c"

static uint64_t ring_ops_limit;

const struct mvp_vault_config mvp_vault_config = { .revision = MVP_CONFIG_REVISION };
static const struct mvp_vault_persona config = { .name = "fuzz", .vcpus = 2, .discard = 1 };

#define RAM_LEN 0x4000u
#define DISK_SECTORS 4096u
#define STEPS_MAX 2000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *memory;
static uint64_t busy; /* bit map of slots */
static bool last_ok, device_zeroes;

static const char *device_start(struct blk_info *ret_info)
{
	*ret_info = (struct blk_info){ .sectors = DISK_SECTORS,
				       .slots = BLK_SLOTS,
				       .intid = 48,
				       .discard_max = 9,
				       .zeroes_max = device_zeroes ? 7 : 0,
				       .flush = true };
	return NULL;
}

static void device_submit(unsigned slot, enum blk_op op, uint64_t sector, const struct blk_seg *segs, unsigned segs_count)
{
	uint64_t len = 0;
	if (slot >= BLK_SLOTS || (busy & 1ull << slot) || segs_count > BLK_SLOT_SEGS || (op == BLK_FLUSH) != !segs_count)
		abort();
	busy |= 1ull << slot;
	for (unsigned i = 0; i < segs_count; i++) {
		uint8_t *at = (uint8_t *)(uintptr_t)segs[i].at.v;
		bool in_ram = at >= memory && range_in((uint64_t)(at - memory), segs[i].len, RAM_LEN);
		bool in_bounce = at >= bounce[0] && range_in((uint64_t)(at - bounce[0]), segs[i].len, sizeof(bounce[0]));
		bool in_zeros = op == BLK_WRITE && at == zeros && segs[i].len <= sizeof(zeros);
		if (!segs[i].len || (!in_ram && !in_bounce && !in_zeros))
			abort();
		if (op == BLK_READ)
			memset(at, 0x5a, segs[i].len);
		len += segs[i].len;
	}
	if (len % SECTOR || !range_in(sector, len / SECTOR, DISK_SECTORS))
		abort();
}

static void device_submit_range(unsigned slot, enum blk_op op, uint64_t sector, uint32_t sectors, bool unmap)
{
	(void)unmap;
	if (slot >= BLK_SLOTS || (busy & 1ull << slot) || !sectors || sectors > (op == BLK_DISCARD ? 9 : 7) ||
	    !range_in(sector, sectors, DISK_SECTORS) || (op != BLK_DISCARD && op != BLK_ZEROES))
		abort();
	busy |= 1ull << slot;
}

static bool device_notify(void)
{
	return false;
}

static bool device_completed(unsigned *ret_slot, bool *ret_ok)
{
	if (!busy)
		return false;
	*ret_slot = (unsigned)__builtin_ctzll(busy);
	*ret_ok = last_ok;
	busy &= busy - 1;
	return true;
}

static void device_ack(void)
{
}

const struct blk_driver blk_virtio = { device_start, device_submit, device_submit_range, device_notify, device_completed, device_ack };
const struct blk_driver blk_sdhci = { .start = device_start };

paddr_t dma_paddr(const void *at)
{
	return (paddr_t){ (uintptr_t)at };
}

void disk_io_done(unsigned client, struct io *io)
{
	vblk_io_done(client, io);
}

#define QUEUES_AT 0xc00 /* the second queue's areas, from the first one's: descriptors, avail at 0x400, used at 0x800 */

static void start(bool secret)
{
	static struct crypt crypt = { .unit = 4096 };
	static struct view view;
	uint8_t key[XTS_KEY_LEN];
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)i;
	memset(vblks, 0, sizeof(vblks));
	memset(clients, 0, sizeof(clients));
	memset(cpus, 0, sizeof(cpus));
	memset(&disk, 0, sizeof(disk));
	busy = 0;
	last_ok = true;
	host_rung = 0;
	host_cpu = 0;
	aes_xts_set_key(&crypt.key, key);
	view = (struct view){ 64, 1024, secret ? &crypt : NULL };
	if (disk_start())
		abort();
	vblk_plug(&(struct guest){ 0, &config, &view, &(struct ram){ memory, RAM_LEN } });
	/* A working set-up to start from; the script may undo it. */
	static const uint32_t set_up[][2] = {
		{ 0x70, 3 },          { 0x24, 1 },  { 0x20, 1 },          { 0x24, 0 },          { 0x20, 0x7000 },
		{ 0x70, 11 },         { 0x38, 16 }, { 0x80, 0x40000000 }, { 0x90, 0x40000400 }, { 0xa0, 0x40000800 },
		{ 0x44, 1 },          { 0x30, 1 },  { 0x38, 16 },         { 0x80, 0x40000c00 }, { 0x90, 0x40001000 },
		{ 0xa0, 0x40001400 }, { 0x44, 1 },  { 0x30, 0 },          { 0x70, 15 },
	};
	for (size_t i = 0; i < ARRAY_LEN(set_up); i++)
		vdev_write(0, set_up[i][0], 4, set_up[i][1]);
}

/* One request of a script byte's liking in three descriptors, so that a script need not find the whole form by itself. Requests of a queue
 * lie side by side and share their data. */
static void offer(const uint8_t *p)
{
	static const uint32_t types[8] = { TYPE_IN, TYPE_OUT, TYPE_IN, TYPE_OUT, TYPE_DISCARD, TYPE_WRITE_ZEROES, TYPE_FLUSH, TYPE_GET_ID };
	unsigned queue = p[0] & 1, at = QUEUES_AT * queue;
	uint8_t *base = memory + at;
	uint16_t index = get_le16(base + 0x402);
	unsigned first = 3u * (index % 5u);
	uint32_t type = types[p[3] & 7], header_at = 0x1800 + 64 * (first + 16 * queue);
	uint64_t data = MVP_GUEST_RAM + 0x2200 + p[1] % 64u, sector = p[0];
	bool in = type == TYPE_IN || type == TYPE_GET_ID, ranges = type == TYPE_DISCARD || type == TYPE_WRITE_ZEROES;
	uint64_t ats[3] = { MVP_GUEST_RAM + header_at, data, MVP_GUEST_RAM + header_at + 32 };
	uint32_t lens[3] = { 16, ranges ? 16 * (p[2] % 4u) : SECTOR * (p[2] % 10u), 1 };
	for (unsigned i = 0; i < 3; i++) {
		uint8_t *desc = base + 16 * (size_t)(first + i);
		uint16_t flags = (uint16_t)((i < 2) | (i == 2 || (i == 1 && in) ? 2 : 0)), next = (uint16_t)(first + i + 1);
		memcpy(desc, &ats[i], 8);
		memcpy(desc + 8, &lens[i], 4);
		memcpy(desc + 12, &flags, 2);
		memcpy(desc + 14, &next, 2);
	}
	memcpy(memory + header_at, &type, 4);
	memcpy(memory + header_at + 8, &sector, 8);
	if (ranges) {
		uint32_t sectors = p[2], flags = p[3] >> 6 & 1;
		memcpy(memory + (data - MVP_GUEST_RAM), &sector, 8);
		memcpy(memory + (data - MVP_GUEST_RAM) + 8, &sectors, 4);
		memcpy(memory + (data - MVP_GUEST_RAM) + 12, &flags, 4);
	}
	uint16_t head = (uint16_t)first;
	memcpy(base + 0x404 + 2 * (index % 16u), &head, 2);
	index++;
	memcpy(base + 0x402, &index, 2);
	if (!(p[3] & 0x20)) /* else a batch: the next one rings */
		vdev_write(0, 0x50, 4, queue);
}

static void run(void)
{
	host_cpu = 0;
	disk_irq(48);
	host_rung |= 1;
	for (unsigned n = 0; host_rung; n++) {
		if (n == 1000)
			abort(); /* CPUs that ring each other for ever */
		host_cpu = (unsigned)__builtin_ctz(host_rung);
		host_rung &= host_rung - 1;
		vblk_resume(disk_run());
	}
	host_cpu = 0;
}

static void report(void)
{
	fprintf(stderr, "vault_ring: %llu ring operations\n", (unsigned long long)ring_ops);
}

static void prepare(void)
{
	const char *limit = getenv("MVP_RING_OPS");
	static bool once;
	if (once)
		return;
	once = true;
	ring_ops_limit = limit ? strtoull(limit, NULL, 10) : 0;
}

static void step(const uint8_t *p)
{
	uint16_t at = get_le16(p + 1);
	host_cpu = p[0] >> 6 & 1;
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
	case 3: /* the queues' own areas */
		memcpy(memory + at % (2 * QUEUES_AT), p + 3, 3);
		break;
	case 4:
		last_ok = p[3] & 7;
		run();
		break;
	case 5:
	case 6:
		offer(p + 2);
		break;
	default:
		vdev_write(0, at % 0x200, 1u << (p[3] & 3), p[4]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	prepare();
	memory = aligned_alloc(4096, RAM_LEN);
	if (!memory)
		abort();
	memset(memory, 0, RAM_LEN);
	device_zeroes = data[0] & 2;
	start(data[0] & 1);
	const uint8_t *p = data + 1, *end = data + size;
	for (unsigned n = 0; n < STEPS_MAX && end - p >= 6; n++, p += 6)
		step(p);
	vblk_unplug(0);
	for (unsigned n = 0; n < 100 && vblk_busy(0); n++)
		run();
	/* Whatever it did: everything comes to an end, and every slot comes back. */
	if (vblk_busy(0) || disk.slots_used || disk.share[0].slots || ~disk.share[0].chunks_free || disk.share[0].parts ||
	    disk.share[0].waiting)
		abort();
	for (unsigned q = 0; q < 2; q++) {
		if (vblks[0].queue[q].requests_used || clients[q].slots || clients[q].head)
			abort();
	}
	free(memory);
	if (ring_ops_limit && ring_ops >= ring_ops_limit) {
		report();
		_exit(0); /* libFuzzer takes exit() for a crash */
	}
	return 0;
}
