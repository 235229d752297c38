/* The vault's jobs as they are, on a disk in memory whose power can be cut: before any write, in the middle of one, with or without what
 * was not flushed. Devices, screens and consoles are stubs. Include it first. */
#ifndef TESTS_UNIT_FIXTURE_VAULT_H
#define TESTS_UNIT_FIXTURE_VAULT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "vault_host.h"

extern struct mvp_vault_config host_config;
struct mvp_vault_config host_config;
__asm__(".globl mvp_vault_config\n.set mvp_vault_config, host_config");

#ifdef FIXTURE_UNLOCKS
/* Containers are opened and changed as they are. First, since what follows has short names. */
#include "../../vmm/vault/json.c"
#include "../../vmm/vault/luks2.c"
#define read_area open_read_area
#include "../../vmm/vault/open.c"
#undef read_area
#define finish unlock_finish
#define put_hex unlock_put_hex
#define slot(j) unlock_slot(j)
#include "../../vmm/vault/unlock.c"
#undef finish
#undef put_hex
#undef slot
#define plan rekey_plan
#define end rekey_end
#include "../../vmm/vault/rekey.c"
#undef plan
#undef end
#undef KDF_PIECE
#undef MERGE_PIECE
#endif
#include "../../vmm/vault/base64.c"
#include "../../vmm/vault/cbor.c"
#include "../../vmm/vault/clock.c"
#include "../../vmm/vault/cose.c"
#include "../../vmm/vault/halt.c"
#undef RETRIES
#include "../../vmm/vault/identity.c"
#include "../../vmm/vault/job.c"
#include "../../vmm/vault/lease.c"
#define put lib_put
#include "../../vmm/vault/lib.c"
#undef put
#include "../../vmm/vault/measure.c"
#include "../../vmm/vault/modular.c"
#define is_name order_is_name
#include "../../vmm/vault/order.c"
#undef is_name
#include "../../vmm/vault/orders.c"
#define settle own_settle
#include "../../vmm/vault/own.c"
#undef settle
#include "../../vmm/vault/p256.c"
#include "../../vmm/vault/random.c"
#define begin receipt_begin_message
#include "../../vmm/vault/receipt.c"
#undef begin
#include "../../vmm/vault/sha256.c"
#undef BLOCK
#include "../../vmm/vault/slots.c"
#include "../../vmm/vault/state.c"
#include "../../vmm/vault/timer.c"
#include "../../vmm/vault/wipe.c"

enum {
	KEYS_AT = 0, /* sectors */
	STATE_AT = 0x20000 / SECTOR,
	WORK_AT = STATE_AT + 0x20000 / SECTOR,
	WORK_LEN = MVP_LUKS2_DATA_OFFSET + 0x100000,
	DISK_LEN = WORK_AT * SECTOR + WORK_LEN,
	TEAR_MAX = 8, /* sectors in front of the tear */
};

/* The disk: what the vault sees, and what is still there after a cut. */
static uint8_t *disk_now, *disk_durable;
static struct {
	uint64_t left; /* writes until the power goes; UINT64_MAX: never */
	unsigned torn; /* sectors of the last write that get through */
	bool keeps;    /* the cache was written back before the cut anyway */
	bool off;
	uint64_t writes; /* that there were */
	bool discards, refuses;
} power;
/* Not 0: it decides which sectors of what was not flushed are there after a cut, and where the write under way was torn. */
static uint64_t power_chance;
static struct {
	struct io *io;
} under_way[8];
static uint8_t device_secret[32];
static uint64_t rtc;
static char said[8192];
static unsigned halts, scrubs;

static inline void disk_reset(void)
{
	if (!disk_now) {
		disk_now = malloc(DISK_LEN);
		disk_durable = malloc(DISK_LEN);
	}
	assert_non_null(disk_now);
	assert_non_null(disk_durable);
}

/* Below n (G. Marsaglia, Xorshift RNGs, 2003). */
static inline uint64_t power_draw(uint64_t n)
{
	power_chance ^= power_chance << 13;
	power_chance ^= power_chance >> 7;
	power_chance ^= power_chance << 17;
	return power_chance % n;
}

static void lose_some(const struct io *io, uint64_t at)
{
	for (uint64_t sector = 0; sector < DISK_LEN; sector += SECTOR) {
		if (memcmp(disk_durable + sector, disk_now + sector, SECTOR) != 0 && power_draw(2))
			memcpy(disk_durable + sector, disk_now + sector, SECTOR);
	}
	if (io->op == IO_WRITE)
		memcpy(disk_durable + at, io->segs[0].at, power_draw(2) ? power_draw(io->len + 1) : power_draw(SECTOR));
}

static void transfer_io(struct io *io)
{
	uint64_t at = io->view ? (io->view->sector + io->sector) * SECTOR : 0;
	if (power.off) {
		io->failed = true;
		return;
	}
	io->failed = false;
	if (io->op == IO_READ) {
		memcpy(io->segs[0].at, disk_now + at, io->len);
		return;
	}
	if (power.refuses) {
		io->failed = true;
		return;
	}
	if (io->op != IO_FLUSH)
		power.writes++;
	if (power.left != UINT64_MAX && power.left-- == 0) {
		power.off = true;
		io->failed = true;
		if (power_chance) {
			lose_some(io, at);
			return;
		}
		if (power.keeps)
			memcpy(disk_durable, disk_now, DISK_LEN);
		/* The write on its way: some of its sectors get to the flash. */
		if (io->op == IO_WRITE)
			memcpy(disk_durable + at, io->segs[0].at, min_u64(io->len, power.torn * SECTOR));
		return;
	}
	if (io->op == IO_WRITE)
		memcpy(disk_now + at, io->segs[0].at, io->len);
	else if (io->op == IO_DISCARD)
		memset(disk_now + at, 0xdd, io->len);
	else
		memcpy(disk_durable, disk_now, DISK_LEN);
}

void disk_submit(unsigned client, struct io *io)
{
	assert_int_equal(client, DISK_CLIENT_VAULT);
	for (unsigned i = 0; i < ARRAY_LEN(under_way); i++) {
		if (!under_way[i].io) {
			under_way[i].io = io;
			return;
		}
	}
	fail();
}

void disk_lock(unsigned client)
{
	(void)client;
}

void disk_unlock(unsigned client)
{
	(void)client;
}

bool disk_discards(void)
{
	return power.discards;
}

void vblk_io_done(unsigned client, struct io *io)
{
	(void)client;
	(void)io;
	fail();
}

/* The handset */
struct persona personas[MVP_MAX_PERSONAS];

void console_log(const char *format, ...)
{
	size_t at = strlen(said);
	va_list args;
	va_start(args, format);
	at += text_vformat(said + at, sizeof(said) - at - 2, format, args);
	va_end(args);
	if (at < sizeof(said) - 2)
		strcpy(said + at, "\n");
}

void console_line(const char *text)
{
	console_log("%s", text);
}

static unsigned alerts_forgotten;
void notify_forget(unsigned persona)
{
	alerts_forgotten |= 1u << persona;
}

void console_forget(unsigned persona)
{
	assert_int_equal(persona, 1);
}

static unsigned frames_forgotten;
void net_forget(unsigned persona)
{
	frames_forgotten |= 1u << persona;
}

void orders_answered(unsigned source)
{
	(void)source;
}

uint32_t pl031_seconds(void)
{
	return (uint32_t)rtc;
}

bool fw_cfg_find(const char *name, struct fw_cfg_file *ret_file)
{
	*ret_file = (struct fw_cfg_file){ 1, sizeof(device_secret) };
	return !strcmp(name, MVP_DEVICE_KEY_FILE);
}

bool fw_cfg_read(const struct fw_cfg_file *f, void *to, uint32_t len)
{
	(void)f;
	memcpy(to, device_secret, len);
	return true;
}

void devices_unplug(unsigned persona)
{
	(void)persona;
}

bool devices_busy(unsigned persona)
{
	(void)persona;
	return false;
}

enum scrub load_scrub_piece(struct job *j)
{
	(void)j;
	scrubs++;
	return SCRUB_DONE;
}

void front_update(void)
{
}

unsigned handset_managed(void)
{
	return 1;
}

enum mvp_work_state handset_work_state(void)
{
	return MVP_WORK_LOCKED;
}

void handset_bar(unsigned persona, bool barred)
{
	struct persona *p = &personas[persona];
	if (p->state == PERSONA_WIPING || p->state == PERSONA_WIPED || barred == (p->state == PERSONA_BARRED))
		return;
	p->state = barred ? PERSONA_BARRED : PERSONA_LOCKED;
}

void handset_forgive(void)
{
	state_edit()->persona[1].failures = 0;
}

void handset_wiping(unsigned persona)
{
	personas[persona].state = PERSONA_WIPING;
}

void handset_halt(unsigned persona)
{
	halts++;
	halt_start(&personas[persona].job);
}

void handset_halted(unsigned persona)
{
	(void)persona;
}

void handset_wiped(unsigned persona)
{
	personas[persona].state = PERSONA_WIPED;
}

/* Stubs of steps that belong to other stories. */
#define STUB_STEP(name) \
	enum job_state name(struct job *j) \
	{ \
		(void)j; \
		fail(); \
		return JOB_IDLE; \
	}
STUB_STEP(gpt_job_header)
STUB_STEP(gpt_job_entries)
STUB_STEP(handset_flushed)
STUB_STEP(load_drain)
STUB_STEP(load_scrub)
STUB_STEP(load_rest)
STUB_STEP(verify_vbmeta)
STUB_STEP(verify_signature)
STUB_STEP(verify_signature_step)
STUB_STEP(verify_hash)
STUB_STEP(load_table)
STUB_STEP(load_slot)
STUB_STEP(load_slot_written)
STUB_STEP(load_slot_flushed)
STUB_STEP(load_head)
STUB_STEP(load_kernel)
STUB_STEP(load_ramdisk)
STUB_STEP(load_seed)
STUB_STEP(load_clean)

#ifndef FIXTURE_UNLOCKS
enum job_state open_containers(struct job *j)
{
	(void)j;
	return JOB_IDLE;
}
STUB_STEP(open_table)
STUB_STEP(open_copy)
STUB_STEP(open_area)
STUB_STEP(unlock_counted)
STUB_STEP(unlock_kdf)
STUB_STEP(unlock_area)
STUB_STEP(unlock_merge)
STUB_STEP(unlock_digest)
STUB_STEP(rekey_header)
STUB_STEP(rekey_kdf)
STUB_STEP(rekey_fill)
STUB_STEP(rekey_area)
STUB_STEP(rekey_copy)
STUB_STEP(rekey_flushed)

void rekey_forget(const struct job *j)
{
	(void)j;
}

bool rekey_stop(struct job *j)
{
	(void)j;
	return true;
}
#endif

static struct job opener;

/* One turn of the vault's loop: everything that can go on does, with a share of CPU time. */
static void turn_once(void)
{
	for (unsigned i = 0; i < ARRAY_LEN(under_way); i++) {
		struct io *io = under_way[i].io;
		if (!io)
			continue;
		under_way[i].io = NULL;
		transfer_io(io);
		disk_io_done(DISK_CLIENT_VAULT, io);
	}
	for (bool moved = true; moved;) {
		moved = job_step(&opener, false);
		moved |= job_step(&personas[1].job, true);
		moved |= wipe_step(false);
		moved |= state_poll();
		moved |= slots_poll();
	}
	wipe_step(true);
	orders_poll(true);
	lease_poll();
	host_time += 1000; /* a millisecond */
}

/* Until nothing happens any more, or the power is off. */
static inline void settle_all(void)
{
	for (unsigned idle = 0; idle < 4 && !power.off;) {
		bool busy = wipe_has_work() || orders_has_work() || !state_is_idle() || opener.state != JOB_IDLE || wiper.state != JOB_IDLE;
		for (unsigned i = 0; i < ARRAY_LEN(under_way); i++)
			busy |= under_way[i].io != NULL;
		turn_once();
		idle = busy ? 0 : idle + 1;
	}
}

#endif
