/* The board's storage on an SD card behind an SD host controller (SD Host Controller Simplified Specification 3.00; SD Physical Layer
 * Simplified Specification 6.00). The controller does one command at a time: what else was handed over waits here, in order. Data goes by
 * ADMA2 with 32-bit addresses, and a controller without it is refused. A card has no cache that it could be told to flush. */
#include "../console.h"
#include "../dma.h"
#include "blk.h"
#include "pci.h"

/* Registers, read and written as words of 32 bits. */
#define REG_BLOCK 0x04 /* size, count << 16 */
#define REG_ARGUMENT 0x08
#define REG_COMMAND 0x0c /* transfer mode, command << 16; starts it */
#define REG_RESPONSE 0x10
#define REG_PRESENT 0x24
#define PRESENT_BUSY 3u /* command or data line in use */
#define PRESENT_CARD (1u << 16)
#define PRESENT_WRITABLE (1u << 19)
#define REG_CONTROL 0x28
#define CONTROL_4BIT 2u
#define CONTROL_ADMA2 (2u << 3)
#define CONTROL_POWER (0xfu << 8) /* 3.3 V, on */
#define REG_CLOCK 0x2c
#define CLOCK_INTERNAL 1u
#define CLOCK_STABLE 2u
#define CLOCK_CARD 4u
#define CLOCK_TIMEOUT (0xeu << 16) /* the longest */
#define RESET_ALL (1u << 24)
#define RESET_LINES (6u << 24)
#define REG_STATUS 0x30
#define STATUS_COMMAND 1u
#define STATUS_TRANSFER 2u
#define STATUS_ERROR (1u << 15)
#define STATUS_ERRORS 0xffff0000u
#define REG_STATUS_ENABLE 0x34
#define REG_SIGNAL_ENABLE 0x38
#define REG_CAPABILITIES 0x40
#define CAPABILITY_CLOCK(c) ((c) >> 8 & 0xff) /* MHz */
#define CAPABILITY_ADMA2 (1u << 19)
#define REG_ADMA 0x58

#define MODE_DMA 1u
#define MODE_COUNT 2u
#define MODE_AUTO_STOP 4u
#define MODE_READ 0x10u
#define MODE_MULTI 0x20u

#define RESPONSE_NONE 0u
#define RESPONSE_R2 0x09u  /* 136 bits, CRC */
#define RESPONSE_R3 0x02u  /* 48 bits */
#define RESPONSE_R1 0x1au  /* 48 bits, CRC, index */
#define RESPONSE_R1B 0x1bu /* and busy */
#define WITH_DATA 0x20u
#define COMMAND(index, flags) ((uint32_t)(index) << 24 | (uint32_t)(flags) << 16)

#define GO_IDLE COMMAND(0, RESPONSE_NONE)
#define ALL_SEND_CID COMMAND(2, RESPONSE_R2)
#define SEND_ADDRESS COMMAND(3, RESPONSE_R1)
#define SELECT COMMAND(7, RESPONSE_R1B)
#define SEND_IF_COND COMMAND(8, RESPONSE_R1)
#define SEND_CSD COMMAND(9, RESPONSE_R2)
#define STOP COMMAND(12, RESPONSE_R1B)
#define SET_BLOCKLEN COMMAND(16, RESPONSE_R1)
#define READ_MULTIPLE COMMAND(18, RESPONSE_R1 | WITH_DATA)
#define WRITE_MULTIPLE COMMAND(25, RESPONSE_R1 | WITH_DATA)
#define APP COMMAND(55, RESPONSE_R1)
#define APP_BUS_WIDTH COMMAND(6, RESPONSE_R1)
#define APP_OP_COND COMMAND(41, RESPONSE_R3)

#define IF_COND 0x1aau      /* 2.7 to 3.6 V, and a pattern to echo */
#define OP_COND 0x40ff8000u /* all of these voltages, and addresses in sectors */
#define OP_READY (1u << 31)
#define OP_SECTORS (1u << 30)
#define ADDRESS_MASK 0xffff0000u

#define CLASS_SD_HOST 0x080500u
#define CLASS_MASK 0xffff00u

#define IDENTIFY_KHZ 400u
#define TRANSFER_KHZ 25000u
#define POLLS 1000000u /* of a register, each some 100 ns */
#define OP_TRIES 1000u /* a card may take a second to come up */
#define ALIGN 4u       /* of ADMA2's addresses and lengths */

/* ADMA2 (1.13.3) */
struct desc {
	uint16_t attr, len; /* len 0: 65536 */
	uint32_t at;
};
#define DESC_VALID 1u
#define DESC_END 2u
#define DESC_TRANSFER 0x20u
#define DESC_LEN_MAX 0x8000u /* a power of two that fits */
#define DESCS 48u

struct request {
	enum blk_op op;
	uint64_t sector;
	uint32_t count;
	unsigned segs_count;
	struct blk_seg segs[BLK_SLOT_SEGS];
};

static uintptr_t regs;
static bool by_sector; /* the card counts addresses in sectors, not in bytes */
static struct desc table[DESCS] __attribute__((aligned(64)));
static struct request requests[BLK_SLOTS];

/* Slots in the order they were handed over in, as counts that wrap: [done, next) are done, next is under way if busy, up to end they wait.
 */
static struct {
	uint8_t slot[BLK_SLOTS];
	bool well[BLK_SLOTS]; /* how it went */
	uint32_t done, next, end;
	bool busy;
} line;

static uint32_t get(unsigned reg)
{
	return mmio_read32(regs + reg);
}

static void set(unsigned reg, uint32_t v)
{
	mmio_write32(regs + reg, v);
}

/* Waits until the bits under mask are `want`; bounded, also when there is nobody to answer. */
static bool wait_for(unsigned reg, uint32_t mask, uint32_t want)
{
	for (uint32_t i = 0; i < POLLS; i++) {
		if ((get(reg) & mask) == want)
			return true;
		arch_relax();
	}
	return false;
}

/* Sends a command without data and waits for its end. */
static bool command(uint32_t what, uint32_t argument)
{
	bool holds = (what >> 16 & 3) == 3; /* the card stays busy for a while */
	if (!wait_for(REG_PRESENT, PRESENT_BUSY, 0))
		return false;
	set(REG_STATUS, STATUS_ERRORS | STATUS_COMMAND | STATUS_TRANSFER);
	set(REG_ARGUMENT, argument);
	set(REG_COMMAND, what);
	for (uint32_t i = 0; i < POLLS; i++) {
		uint32_t status = get(REG_STATUS);
		if (status & (STATUS_ERROR | STATUS_ERRORS))
			return false;
		if ((status & STATUS_COMMAND) && (!holds || (status & STATUS_TRANSFER)))
			return true;
		arch_relax();
	}
	return false;
}

static void reset_lines(void)
{
	set(REG_CLOCK, get(REG_CLOCK) | RESET_LINES);
	(void)wait_for(REG_CLOCK, RESET_LINES, 0);
}

static bool app_command(uint32_t what, uint32_t argument, uint32_t address)
{
	return command(APP, address) && command(what, argument);
}

/* The divider is 2 * n, n of 10 bits (2.2.14); 0: as fast as the base clock. */
static bool set_clock(uint32_t khz)
{
	uint32_t base = CAPABILITY_CLOCK(get(REG_CAPABILITIES)) * 1000, n = 0;
	if (base > khz)
		n = (base + 2 * khz - 1) / (2 * khz);
	if (n > 0x3ff)
		n = 0x3ff;
	uint32_t clock = CLOCK_TIMEOUT | (n & 0xff) << 8 | (n >> 8) << 6 | CLOCK_INTERNAL;
	set(REG_CLOCK, clock);
	if (!wait_for(REG_CLOCK, CLOCK_STABLE, CLOCK_STABLE))
		return false;
	set(REG_CLOCK, clock | CLOCK_CARD);
	return true;
}

/* Bit fields of the CSD (Physical Layer 5.3), of which the controller gives bits 127 to 8. */
static uint64_t sectors_of(const uint32_t csd[4])
{
	if (csd[3] >> 22 & 3)
		return ((uint64_t)(csd[1] >> 8 & 0x3fffff) + 1) * 1024;
	uint32_t size = (csd[2] & 3) << 10 | csd[1] >> 22, shift = (csd[1] >> 7 & 7) + 2 + (csd[2] >> 8 & 15);
	return ((uint64_t)size + 1) << shift >> 9;
}

static const char *identify(uint64_t *ret_sectors)
{
	static const char silent[] = "the SD card does not answer";
	uint32_t csd[4], op = 0, address;
	if (!command(GO_IDLE, 0))
		return silent;
	/* Cards of version 1 do not know SEND_IF_COND. */
	bool new_card = command(SEND_IF_COND, IF_COND);
	if (!new_card)
		reset_lines();
	else if ((get(REG_RESPONSE) & 0xfff) != IF_COND)
		return "the SD card does not take the voltage";
	for (unsigned i = 0; i < OP_TRIES && !(op & OP_READY); i++) {
		if (!app_command(APP_OP_COND, new_card ? OP_COND : OP_COND & ~OP_SECTORS, 0))
			return silent;
		op = get(REG_RESPONSE);
	}
	if (!(op & OP_READY))
		return "the SD card does not come up";
	by_sector = op & OP_SECTORS;
	if (!command(ALL_SEND_CID, 0) || !command(SEND_ADDRESS, 0))
		return silent;
	address = get(REG_RESPONSE) & ADDRESS_MASK;
	if (!command(SEND_CSD, address))
		return silent;
	for (unsigned i = 0; i < ARRAY_LEN(csd); i++)
		csd[i] = get(REG_RESPONSE + 4 * i);
	*ret_sectors = sectors_of(csd);
	if (!command(SELECT, address) || !app_command(APP_BUS_WIDTH, 2, address) || !command(SET_BLOCKLEN, SECTOR))
		return silent;
	return NULL;
}

static const char *start(struct blk_info *ret_info)
{
	struct pci pci;
	if (!pci_start(CLASS_SD_HOST, CLASS_MASK, &pci))
		return "no SD host controller on PCI";
	regs = pci.regs;
	line.done = line.next = line.end = 0;
	line.busy = false;
	set(REG_CLOCK, RESET_ALL);
	if (!wait_for(REG_CLOCK, RESET_ALL, 0))
		return "the SD host controller does not reset";
	if (!(get(REG_CAPABILITIES) & CAPABILITY_ADMA2) || !CAPABILITY_CLOCK(get(REG_CAPABILITIES)))
		return "the SD host controller has no ADMA2";
	if (!(get(REG_PRESENT) & PRESENT_CARD))
		return "no SD card";
	set(REG_CONTROL, CONTROL_POWER | CONTROL_ADMA2);
	set(REG_STATUS_ENABLE, STATUS_ERRORS | STATUS_COMMAND | STATUS_TRANSFER);
	if (!set_clock(IDENTIFY_KHZ))
		return "the SD host controller's clock does not run";
	*ret_info = (struct blk_info){ .slots = BLK_SLOTS, .intid = pci.intid, .align = ALIGN };
	const char *wrong = identify(&ret_info->sectors);
	if (wrong)
		return wrong;
	set(REG_CONTROL, CONTROL_POWER | CONTROL_ADMA2 | CONTROL_4BIT);
	if (!set_clock(TRANSFER_KHZ))
		return "the SD host controller's clock does not run";
	ret_info->read_only = !(get(REG_PRESENT) & PRESENT_WRITABLE);
	set(REG_STATUS, STATUS_ERRORS | STATUS_COMMAND | STATUS_TRANSFER);
	set(REG_SIGNAL_ENABLE, STATUS_ERRORS | STATUS_TRANSFER);
	return NULL;
}

static void submit(unsigned slot, enum blk_op op, uint64_t sector, const struct blk_seg *segs, unsigned segs_count)
{
	struct request *r = &requests[slot];
	uint64_t len = 0;
	*r = (struct request){ .op = op, .sector = sector, .segs_count = segs_count };
	for (unsigned i = 0; i < segs_count && i < BLK_SLOT_SEGS; i++) {
		r->segs[i] = segs[i];
		len += segs[i].len;
	}
	r->count = (uint32_t)(len / SECTOR);
	line.slot[line.end++ % BLK_SLOTS] = (uint8_t)slot;
}

/* Never asked for: start() says that there is no such thing. */
static void submit_range(unsigned slot, enum blk_op op, uint64_t sector, uint32_t sectors, bool unmap)
{
	(void)sectors;
	(void)unmap;
	submit(slot, op, sector, NULL, 0);
}

/* Fills the table; false if the request cannot be put into it. */
static bool describe(const struct request *r)
{
	unsigned n = 0;
	for (unsigned i = 0; i < r->segs_count; i++) {
		uint64_t from = r->segs[i].at.v;
		uint32_t left = r->segs[i].len;
		if (!range_in(from, left, (uint64_t)UINT32_MAX + 1) || from % ALIGN || left % ALIGN)
			return false;
		for (; left && n < DESCS; n++) {
			uint32_t len = (uint32_t)min_u64(left, DESC_LEN_MAX);
			table[n] = (struct desc){ DESC_VALID | DESC_TRANSFER, (uint16_t)len, (uint32_t)from };
			from += len;
			left -= len;
		}
		if (left)
			return false;
	}
	if (n)
		table[n - 1].attr |= DESC_END;
	return n;
}

/* Begins the request at the head; false if that cannot be. */
static bool begin(const struct request *r)
{
	uint64_t address = by_sector ? r->sector : r->sector * SECTOR;
	uint64_t where = dma_paddr(table).v;
	if ((r->op != BLK_READ && r->op != BLK_WRITE) || !r->count || r->count > 0xffff || address > UINT32_MAX || where > UINT32_MAX ||
	    !describe(r))
		return false;
	/* The table, and what is written, before the command that makes the controller read them. */
	arch_dmb_device();
	set(REG_ADMA, (uint32_t)where);
	set(REG_BLOCK, SECTOR | r->count << 16);
	set(REG_ARGUMENT, (uint32_t)address);
	set(REG_COMMAND,
	    (r->op == BLK_READ ? READ_MULTIPLE | MODE_READ : WRITE_MULTIPLE) | MODE_DMA | MODE_COUNT | MODE_AUTO_STOP | MODE_MULTI);
	return true;
}

/* True if a request ended by that. */
static bool go_on(void)
{
	uint32_t before = line.next;
	while (!line.busy && line.next != line.end) {
		line.busy = begin(&requests[line.slot[line.next % BLK_SLOTS]]);
		if (!line.busy)
			line.well[line.next++ % BLK_SLOTS] = false;
	}
	return line.next != before;
}

static bool notify(void)
{
	return go_on();
}

/* After an error the lines are reset and the card is told to stop (3.10): the next command finds both as new. */
static void recover(void)
{
	set(REG_SIGNAL_ENABLE, 0);
	reset_lines();
	(void)command(STOP, 0);
	reset_lines();
	set(REG_STATUS, STATUS_ERRORS | STATUS_COMMAND | STATUS_TRANSFER);
	set(REG_SIGNAL_ENABLE, STATUS_ERRORS | STATUS_TRANSFER);
}

static void ack(void)
{
	uint32_t status = get(REG_STATUS);
	bool bad = status & (STATUS_ERROR | STATUS_ERRORS);
	if (!bad && !(status & STATUS_TRANSFER))
		return;
	set(REG_STATUS, status & (STATUS_ERRORS | STATUS_COMMAND | STATUS_TRANSFER));
	if (bad)
		recover();
	if (!line.busy)
		return;
	/* The interrupt before what was read. */
	arch_dmb_device();
	line.busy = false;
	line.well[line.next++ % BLK_SLOTS] = !bad;
	(void)go_on(); /* what ends by that is looked for after us */
}

static bool completed(unsigned *ret_slot, bool *ret_ok)
{
	if (line.done == line.next)
		return false;
	*ret_slot = line.slot[line.done % BLK_SLOTS];
	*ret_ok = line.well[line.done % BLK_SLOTS];
	line.done++;
	return true;
}

const struct blk_driver blk_sdhci = {
	.start = start,
	.submit = submit,
	.submit_range = submit_range,
	.notify = notify,
	.completed = completed,
	.ack = ack,
};
