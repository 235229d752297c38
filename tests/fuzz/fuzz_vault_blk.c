/* A hostile physical disk: the input is a script of requests from the personas and the vault, on two CPUs, and of what the device says: it
 * completes what it was given in any order, with any status and length, or what it was not given, or nothing; and it writes its ring's
 * index as it likes. Every request is done at most once, and not before the device has said so of each of its pieces; the device is never
 * handed memory of a request that is done; nothing takes longer than the work there is. */
#include "tests/unit/vault_host.h"

/* What the vault sees as constant is another name of this, of which the compiler must not know. */
extern struct mvp_vault_config host_config;
struct mvp_vault_config host_config;
__asm__(".globl mvp_vault_config\n.set mvp_vault_config, host_config");

#include "vmm/vault/crypt.c"
#include "vmm/vault/disk.c"
#include "vmm/vault/drivers/virtio.c"
#undef MAGIC
#include "vmm/vault/drivers/virtio_blk.c"
#include "vmm/vault/lib.c"

const struct blk_driver blk_sdhci = { .start = start };

#define IOS 24
#define IO_LEN 0x6000u
#define VIEW_SECTORS 4096u
#define STEPS_MAX 1500
#define INTID 48

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct io ios[IOS];
static struct {
	bool live; /* begun and not done */
	uint8_t client;
} state[IOS];
static uint8_t *memory; /* IO_LEN for each */
static unsigned done_count;

/* The device's registers */
static uint64_t device_features, config_capacity;
static uint32_t features_sel, queue_num_max, discard_max, zeroes_max, block_size;
static uint32_t regs[0x100 / 4];
static unsigned accesses;

static uint16_t seen_avail; /* what the device took from the ring */
static uint16_t heads[QUEUE_MAX];
static unsigned heads_count;
static bool lied, jumped; /* jumped: nobody can say any more what the device still has */

uint8_t mmio_read8(uintptr_t at)
{
	(void)at;
	return 0;
}

void mmio_write8(uintptr_t at, uint8_t v)
{
	(void)at;
	(void)v;
}

static uint32_t read_config(uintptr_t at)
{
	switch (at) {
	case CONFIG_CAPACITY:
		return (uint32_t)config_capacity;
	case CONFIG_BLK_SIZE:
		return block_size;
	case CONFIG_MAX_DISCARD_SECTORS:
		return discard_max;
	case CONFIG_MAX_ZEROES_SECTORS:
		return zeroes_max;
	default:
		return 1;
	}
}

uint32_t mmio_read32(uintptr_t at)
{
	at -= host_config.virtio_pa;
	accesses++;
	switch (at) {
	case REG_MAGIC:
		return 0x74726976;
	case REG_VERSION:
		return 2;
	case REG_DEVICE_ID:
		return VIRTIO_ID_BLOCK;
	case REG_DEVICE_FEATURES:
		return (uint32_t)(device_features >> (32 * features_sel));
	case REG_QUEUE_NUM_MAX:
		return queue_num_max;
	case REG_QUEUE_READY:
		return 0;
	default:
		return at >= REG_CONFIG ? read_config(at - REG_CONFIG) : regs[at / 4];
	}
}

/* A piece's memory, as the device is told: data of a request that is live, bounce buffers, zeros, or the driver's own. */
static void check_memory(uint64_t at, uint32_t len)
{
	const uint8_t *p = (const uint8_t *)(uintptr_t)at;
	if (p >= memory && p < memory + (size_t)IOS * IO_LEN) {
		size_t i = (size_t)(p - memory) / IO_LEN;
		if (!state[i].live || len > (size_t)(memory + (i + 1) * IO_LEN - p))
			abort();
	}
}

static const struct vq_desc *chain_of(uint16_t head, unsigned *ret_count)
{
	const struct vq_desc *d = &queue.desc[head];
	*ret_count = SLOT_DESCS;
	if (d->flags & VQ_INDIRECT) {
		*ret_count = d->len / (uint32_t)sizeof(*d);
		return (const struct vq_desc *)(uintptr_t)d->at;
	}
	return d;
}

static void check_chain(uint16_t head)
{
	unsigned count;
	const struct vq_desc *d = chain_of(head, &count);
	for (unsigned i = 0; i < count; i++) {
		check_memory(d[i].at, d[i].len);
		if (!(d[i].flags & VQ_NEXT))
			break;
	}
}

/* The device takes what was offered. */
static void take_offers(void)
{
	while (seen_avail != queue.avail[1]) {
		uint16_t head = queue.avail[2 + (seen_avail++ & (queue.num - 1))];
		if (head >= queue.num || heads_count == QUEUE_MAX)
			abort();
		check_chain(head);
		heads[heads_count++] = head;
	}
}

void mmio_write32(uintptr_t at, uint32_t v)
{
	at -= host_config.virtio_pa;
	accesses++;
	if (at == REG_DEVICE_FEATURES_SEL)
		features_sel = v & 1;
	else if (at == REG_QUEUE_NOTIFY)
		take_offers();
	else if (at < sizeof(regs))
		regs[at / 4] = v;
}

/* What the device still has lies in live requests only. */
static void check_held(void)
{
	for (unsigned n = 0; n < heads_count && !jumped; n++)
		check_chain(heads[n]);
}

paddr_t dma_paddr(const void *at)
{
	return (paddr_t){ (uintptr_t)at };
}

void console_log(const char *format, ...)
{
	(void)format;
}

void disk_io_done(unsigned client, struct io *io)
{
	size_t i = (size_t)(io - ios);
	if (!state[i].live || state[i].client != client || io->in_flight)
		abort();
	state[i].live = false;
	check_held(); /* the device has nothing of it any more */
	done_count++;
}

static struct crypt secret = { .unit = 4096 };
static const struct view views[2] = { { 64, VIEW_SECTORS, NULL }, { 8192, VIEW_SECTORS, &secret } };

/* The device writes an entry of the used ring and its index. */
static void use(uint32_t head, uint32_t len, uint16_t by)
{
	uint16_t index = (uint16_t)(queue.used[0] >> 16);
	uint32_t at = index & (queue.num - 1u);
	/* It gives away what it says is done, even if it lies. */
	for (unsigned n = 0; n < heads_count; n++) {
		if (heads[n] == head)
			heads[n--] = heads[--heads_count];
	}
	queue.used[1 + 2 * at] = head;
	queue.used[2 + 2 * at] = len;
	queue.used[0] = (uint32_t)(uint16_t)(index + by) << 16;
}

/* Moves the index anywhere: what the ring's entries say, old ones too, counts as done from here on, now or later. */
static void jump(uint16_t by)
{
	queue.used[0] += (uint32_t)by << 16;
	jumped = true;
}

/* Completes the nth of what it has, with a status. */
static void complete(unsigned n, uint8_t result, uint32_t len)
{
	if (!heads_count)
		return;
	unsigned count;
	uint16_t head = heads[n % heads_count];
	const struct vq_desc *d = chain_of(head, &count);
	for (unsigned i = 0; i < count; i++) {
		uint8_t *p = (uint8_t *)(uintptr_t)d[i].at;
		if (d[i].flags & VQ_WRITE)
			memset(p, d[i].flags & VQ_NEXT ? 0x5a : result, d[i].len);
		if (!(d[i].flags & VQ_NEXT))
			break;
	}
	use(head, len, 1);
}

static void request(const uint8_t *p)
{
	static const uint8_t users[4] = { DISK_CLIENT(0, 0), DISK_CLIENT(0, 1), DISK_CLIENT(1, 0), DISK_CLIENT_VAULT };
	static const enum io_op ops[8] = { IO_READ, IO_WRITE, IO_READ, IO_WRITE, IO_READ, IO_FLUSH, IO_DISCARD, IO_ZEROES };
	size_t i = p[0] % IOS;
	if (state[i].live)
		return;
	struct io *io = &ios[i];
	uint8_t client = users[p[1] & 3];
	*io = (struct io){ .view = &views[p[1] >> 2 & 1], .op = ops[p[2] & 7], .unmap = p[2] & 8 };
	if ((io->op == IO_DISCARD && !disk_discards()) || (client == DISK_CLIENT_VAULT && io->op == IO_WRITE))
		io->op = IO_READ;
	uint32_t sectors = 1 + p[3] % (IO_LEN / SECTOR), left = sectors * SECTOR, at = 0;
	io->sector = p[4] * 3u;
	if (io->op != IO_FLUSH)
		io->len = left;
	for (unsigned k = 0; (io->op == IO_READ || io->op == IO_WRITE) && left; k++) {
		uint32_t n = k < 20 && p[2] & 16 ? 1 + (p[4] * 7u + k * 131u) % 700u : left;
		n = n < left ? n : left;
		io->segs[io->segs_count++] = (struct seg){ memory + i * IO_LEN + at, n };
		at += n;
		left -= n;
	}
	state[i].live = true;
	state[i].client = client;
	host_cpu = client == DISK_CLIENT_VAULT ? 0 : p[1] >> 7;
	disk_lock(client);
	disk_submit(client, io);
	disk_unlock(client);
	host_cpu = 0;
}

static void interrupt(void)
{
	accesses = 0;
	host_cpu = 0;
	disk_irq(INTID);
	host_rung |= 1;
	for (unsigned n = 0; host_rung; n++) {
		/* What a broken device may cost: a ring's worth of nonsense at each look. */
		if (n == 1000)
			abort();
		host_cpu = (unsigned)__builtin_ctz(host_rung);
		host_rung &= host_rung - 1;
		(void)disk_run();
	}
	host_cpu = 0;
	if (accesses > 5000)
		abort();
}

static bool prepare(const uint8_t *p)
{
	uint8_t key[XTS_KEY_LEN] = { 1 };
	memset(&disk, 0, sizeof(disk));
	memset(clients, 0, sizeof(clients));
	memset(cpus, 0, sizeof(cpus));
	memset(state, 0, sizeof(state));
	memset(&queue_memory, 0, sizeof(queue_memory));
	memset(in_flight, 0, sizeof(in_flight));
	memset(regs, 0, sizeof(regs));
	host_rung = 0;
	host_cpu = 0;
	seen_avail = 0;
	heads_count = 0;
	lied = false;
	jumped = false;
	host_config.virtio_pa = 0x10000;
	host_config.virtio_stride = 0x200;
	host_config.virtio_count = 1;
	host_config.virtio_intid = INTID;
	device_features = FEATURE_VERSION_1 | (p[0] & 1 ? FEATURES & ~FEATURE_RO : 0) | (p[0] & 2 ? FEATURE_INDIRECT : 0) |
			  (p[0] & 4 ? FEATURE_RO : 0) | (p[0] & 8 ? FEATURE_FLUSH : 0);
	queue_num_max = p[0] & 16 ? p[1] : 256;
	block_size = p[0] & 32 ? p[1] : SECTOR;
	discard_max = p[2];
	zeroes_max = p[3];
	config_capacity = UINT32_MAX;
	aes_xts_set_key(&secret.key, key);
	return !disk_start();
}

static void step(const uint8_t *p)
{
	switch (p[0] % 8) {
	case 0:
	case 1:
	case 2:
		request(p + 1);
		break;
	case 3:
	case 4:
		complete(p[1], p[2] & 7 ? 0 : p[2], p[3] * 512u);
		if (p[4] & 1)
			interrupt();
		break;
	case 5:
		interrupt();
		break;
	case 6: /* what it was never given, or the same again */
		lied = true;
		use(p[1] & 1 ? p[2] : get_le32(p + 2), p[3], 1);
		if (p[1] & 2)
			jump(get_le16(p + 4));
		interrupt();
		break;
	default: {
		unsigned client = p[1] & 1 ? DISK_CLIENT(0, 0) : DISK_CLIENT(1, 0);
		disk_lock(client);
		disk_cancel(client);
		disk_unlock(client);
	}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 4)
		return 0;
	if (!prepare(data))
		return 0;
	memory = calloc(IOS, IO_LEN);
	if (!memory)
		abort();
	const uint8_t *p = data + 4, *end = data + size;
	for (unsigned n = 0; n < STEPS_MAX && end - p >= 6; n++, p += 6)
		step(p);
	/* A device that only was slow, or failed, does all it has: then everything is done, and every slot is back. After lies a slot may
	 * be lost for ever, with the device to blame. */
	interrupt();
	for (unsigned n = 0; n < 2000 && heads_count; n++) {
		complete(n, 0, 0);
		interrupt();
	}
	for (size_t i = 0; i < IOS && !lied; i++) {
		if (state[i].live)
			abort();
	}
	if (!lied && (disk.slots_used || heads_count))
		abort();
	free(memory);
	return 0;
}
