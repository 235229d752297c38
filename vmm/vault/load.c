/* Loads a persona from its disk into its RAM and starts it. Before that its RAM is scrubbed and no request of its last life touches it. */
#include "console.h"
#include "devices/devices.h"
#include "drivers/virtio_rng.h"
#include "job.h"
#include "random.h"
#include "slots.h"
#include "ui/screen.h"

#define CLEAN_PIECE 0x40000u /* bytes cleaned between looks at the clock */
#define SEED_MAX 64u
#define FDT_NOP 4u

/* Without slots; of slot A, of slot B; the record of the slots. */
enum { BOOT, VBMETA, BOOT_A, VBMETA_A, BOOT_B, VBMETA_B, MISC, WANTED };
static const char *const wanted[WANTED] = { "boot", "vbmeta", "boot_a", "vbmeta_a", "boot_b", "vbmeta_b", MVP_MISC_PARTITION };
_Static_assert(WANTED <= GPT_WANTED_MAX, "room for all that is looked for");
static const char *const slot_options[SLOTS] = { " androidboot.slot_suffix=_a", " androidboot.slot_suffix=_b" }; /* as Android is told */

void load_start(struct job *j)
{
	devices_unplug(j->persona);
	slots_open_persona(j->persona, 0);
	j->load.refused = 0;
	j->load.slotted = false;
	j->load.done = 0;
	j->load.frame_done = 0;
	j->load.hashed = 0;
	j->state = JOB_DRAIN;
}

enum job_state load_fail(struct job *j, const char *wrong)
{
	handset_load_result(j->persona, wrong);
	return JOB_IDLE;
}

enum job_state load_refuse(struct job *j, const char *wrong)
{
	struct persona *p = &personas[j->persona];
	if (!j->load.slotted)
		return load_fail(j, wrong);
	console_log("%s: slot %s is not started: %s", p->config->name, j->load.slot ? "b" : "a", wrong);
	if (!j->load.refused)
		j->load.wrong = wrong;
	j->load.refused |= 1u << j->load.slot;
	/* What was read of it is in memory. */
	j->load.done = 0;
	j->load.frame_done = 0;
	j->load.hashed = 0;
	return JOB_SCRUB;
}

enum job_state load_drain(struct job *j)
{
	return devices_busy(j->persona) || slots_busy(j->persona) ? JOB_DRAIN : JOB_SCRUB;
}

enum scrub load_scrub_piece(struct job *j)
{
	uint64_t deadline = job_deadline();
	do {
		if (j->load.done < personas[j->persona].ram.size) {
			int64_t next = hc(MVP_HC_PERSONA_SCRUB, j->persona, j->load.done, 0);
			if (next < 0)
				return next == MVP_E_BUSY ? SCRUB_MORE : SCRUB_FAILED;
			j->load.done = (uint64_t)next;
			continue;
		}
		/* Its frame, which is no part of its RAM. */
		j->load.frame_done = screen_scrub(j->persona, j->load.frame_done);
		if (j->load.frame_done == UINT64_MAX)
			return SCRUB_DONE;
	} while (arch_counter() < deadline);
	return SCRUB_MORE;
}

enum job_state load_scrub(struct job *j)
{
	enum scrub s = load_scrub_piece(j);
	if (s != SCRUB_DONE)
		return s == SCRUB_MORE ? JOB_SCRUB : load_fail(j, "its memory cannot be scrubbed");
	j->gpt.scan.wanted_count = WANTED;
	for (unsigned i = 0; i < WANTED; i++)
		j->gpt.scan.wanted[i].name = wanted[i];
	gpt_job_start(j, &personas[j->persona].disk, JOB_LOAD_TABLE);
	return j->state;
}

static enum job_state start_with(struct job *j, const struct gpt_wanted *boot, const struct gpt_wanted *vbmeta)
{
	if (boot->sectors < BOOTIMG_HEAD_LEN / SECTOR)
		return load_refuse(j, "its boot partition is too small");
	j->load.boot = (struct view){ .sector = boot->sector, .sectors = boot->sectors };
	return personas[j->persona].config->verified ? verify_start(j, vbmeta) : load_boot(j);
}

enum job_state load_table(struct job *j)
{
	const struct gpt_wanted *w = j->gpt.scan.wanted;
	if (!j->gpt.ok)
		return load_fail(j, "its disk has no sound partition table");
	j->load.slotted = !w[BOOT].found;
	if (!j->load.slotted)
		return start_with(j, &w[BOOT], &w[VBMETA]);
	if (!w[BOOT_A].found || !w[BOOT_B].found)
		return load_fail(j, "its disk has no boot partition");
	if (!w[MISC].found || w[MISC].sectors < SLOTS_BLOCK / SECTOR)
		return load_fail(j, "its disk has slots and no room for their record");
	job_read(j, &personas[j->persona].disk, w[MISC].sector * SECTOR, j->buf, SLOTS_BLOCK);
	return JOB_LOAD_SLOT;
}

static enum job_state start_slot(struct job *j)
{
	const struct gpt_wanted *w = j->gpt.scan.wanted;
	if (j->load.slot == SLOTS) {
		personas[j->persona].unverified = personas[j->persona].config->verified;
		return load_fail(j, j->load.wrong);
	}
	personas[j->persona].unverified = false;
	console_log("%s: slot %s", personas[j->persona].config->name, j->load.slot ? "b" : "a");
	return j->load.slot ? start_with(j, &w[BOOT_B], &w[VBMETA_B]) : start_with(j, &w[BOOT_A], &w[VBMETA_A]);
}

/* The try counts before it is made: the persona may take the handset's power with it. */
enum job_state load_slot(struct job *j)
{
	struct mvp_slots *s = (struct mvp_slots *)(j->buf + MVP_SLOTS_AT), before;
	if (job_read_failed(j))
		return load_fail(j, "its disk cannot be read");
	memcpy(&before, s, sizeof(before));
	j->load.slot = slots_choose(s, j->load.refused);
	if (!memcmp(&before, s, sizeof(before)))
		return start_slot(j);
	job_write(j, &personas[j->persona].disk, j->gpt.scan.wanted[MISC].sector * SECTOR, j->buf, SLOTS_BLOCK);
	return JOB_LOAD_SLOT_WRITTEN;
}

enum job_state load_slot_written(struct job *j)
{
	if (job_read_failed(j))
		return load_fail(j, "the record of its slots cannot be written");
	job_flush(j, &personas[j->persona].disk);
	return JOB_LOAD_SLOT_FLUSHED;
}

enum job_state load_slot_flushed(struct job *j)
{
	return job_read_failed(j) ? load_fail(j, "the record of its slots cannot be written") : start_slot(j);
}

enum job_state load_boot(struct job *j)
{
	job_read(j, &personas[j->persona].disk, j->load.boot.sector * SECTOR, j->buf, BOOTIMG_HEAD_LEN);
	return JOB_HEAD;
}

/* Reads len bytes at `from` of the boot partition to offset `to` of the persona's RAM; the plan checked both. */
static void read_to_ram(struct job *j, uint64_t from, uint64_t to, uint64_t len)
{
	const struct persona *p = &personas[j->persona];
	job_read(j, &p->disk, j->load.boot.sector * SECTOR + from, p->ram.base + to, len);
}

enum job_state load_head(struct job *j)
{
	struct bootplan *plan = &j->load.plan;
	if (job_read_failed(j))
		return load_fail(j, "its disk cannot be read");
	const char *wrong = bootimg_plan(j->buf, j->load.boot.sectors * SECTOR, personas[j->persona].ram.size, plan);
	if (!wrong)
		wrong = verify_plan(j);
	if (wrong)
		return load_refuse(j, wrong);
	read_to_ram(j, plan->kernel_from, plan->kernel_to, plan->kernel_read);
	return JOB_KERNEL;
}

enum job_state load_kernel(struct job *j)
{
	const struct bootplan *plan = &j->load.plan;
	uint8_t *kernel = personas[j->persona].ram.base + plan->kernel_to;
	if (job_read_failed(j))
		return load_fail(j, "its kernel cannot be read");
	/* The plan comes from the first reading of this page, and what is hashed from the second. */
	if (memcmp(kernel, j->buf + MVP_BOOTIMG_PAGE, MVP_BOOTIMG_PAGE) != 0)
		return load_fail(j, "its disk changes while it is read");
	return verify_piece(j, kernel, plan->kernel_read);
}

enum job_state load_ramdisk(struct job *j)
{
	const struct bootplan *plan = &j->load.plan;
	if (job_read_failed(j))
		return load_fail(j, "its ramdisk cannot be read");
	return verify_piece(j, personas[j->persona].ram.base + plan->ramdisk_to, plan->ramdisk_read);
}

/* What stands behind the parts that are used is hashed, too. */
enum job_state load_rest(struct job *j)
{
	return job_read_failed(j) ? load_fail(j, "its boot image cannot be read") : verify_piece(j, j->buf, j->io.len);
}

enum job_state load_next(struct job *j)
{
	const struct bootplan *plan = &j->load.plan;
	uint64_t left = j->load.hash.image_size - j->load.hashed;
	if (plan->ramdisk_len && j->load.hashed == plan->ramdisk_from) {
		read_to_ram(j, plan->ramdisk_from, plan->ramdisk_to, plan->ramdisk_read);
		return JOB_RAMDISK;
	}
	if (left) {
		/* From a page's start on: only the image's end is not one. */
		uint64_t len = min_u64((left + SECTOR - 1) & ~(uint64_t)(SECTOR - 1), JOB_BUF);
		job_read(j, &personas[j->persona].disk, j->load.boot.sector * SECTOR + j->load.hashed, j->buf, len);
		return JOB_REST;
	}
	const char *wrong = verify_end(j);
	return wrong ? load_refuse(j, wrong) : JOB_SEED;
}

/* Takes a property out of a device tree by overwriting token, length, name and value with NOPs (device tree specification 5.4.1). */
static void drop_property(uint8_t *dtb, uint32_t value_at, uint32_t value_len)
{
	for (uint32_t at = value_at - 12; at < value_at + value_len; at += 4)
		put_be32(dtb + at, FDT_NOP);
}

/* Writes what is new at this boot. False if a place that the configuration names lies outside the tree. slot: what the slot's option adds
 * to the command line, or "". */
static bool patch_dtb(const struct persona *p, const struct bootplan *plan, const char *slot, const uint8_t *seed)
{
	const struct mvp_vault_persona *c = p->config;
	uint8_t *dtb = p->ram.base;
	size_t own_len = text_len(plan->cmdline), cmdline_len = own_len + text_len(slot) + 1;
	if (c->dtb_len > MVP_GUEST_KERNEL - MVP_GUEST_DTB || c->dtb_len > p->ram.size || cmdline_len > c->dtb_bootargs_len ||
	    !range_in(c->dtb_bootargs_at, c->dtb_bootargs_len, c->dtb_len) || !range_in(c->dtb_initrd_start_at, 8, c->dtb_len) ||
	    !range_in(c->dtb_initrd_end_at, 8, c->dtb_len) || !range_in(c->dtb_kaslr_at, 8, c->dtb_len) ||
	    !range_in(c->dtb_rng_at, c->dtb_rng_len, c->dtb_len) || c->dtb_initrd_start_at < 12 || c->dtb_initrd_end_at < 12 ||
	    c->dtb_kaslr_at < 12 || c->dtb_rng_at < 12 || c->dtb_rng_len % 4)
		return false;
	uint32_t behind = c->dtb_bootargs_at + c->dtb_bootargs_len;
	memcpy(dtb, c->dtb, c->dtb_bootargs_at);
	memset(dtb + c->dtb_bootargs_at, 0, c->dtb_bootargs_len);
	memcpy(dtb + behind, c->dtb + c->dtb_bootargs_at, c->dtb_len - behind);
	memcpy(dtb + c->dtb_bootargs_at, plan->cmdline, own_len);
	memcpy(dtb + c->dtb_bootargs_at + own_len, slot, cmdline_len - own_len);
	if (plan->ramdisk_len) {
		put_be64(dtb + c->dtb_initrd_start_at, MVP_GUEST_RAM + plan->ramdisk_to);
		put_be64(dtb + c->dtb_initrd_end_at, MVP_GUEST_RAM + plan->ramdisk_to + plan->ramdisk_len);
	} else {
		drop_property(dtb, c->dtb_initrd_start_at, 8);
		drop_property(dtb, c->dtb_initrd_end_at, 8);
	}
	if (seed) {
		memcpy(dtb + c->dtb_kaslr_at, seed, 8);
		memcpy(dtb + c->dtb_rng_at, seed + 8, c->dtb_rng_len);
	} else {
		/* Zeros would be taken for randomness. */
		drop_property(dtb, c->dtb_kaslr_at, 8);
		drop_property(dtb, c->dtb_rng_at, c->dtb_rng_len);
	}
	return true;
}

enum job_state load_seed(struct job *j)
{
	struct persona *p = &personas[j->persona];
	uint8_t seed[RANDOM_SEED_LEN + 8 + SEED_MAX];
	if (p->config->dtb_rng_len > SEED_MAX)
		return load_fail(j, "its device tree wants too long a seed");
	bool have = handset_has_entropy();
	if (have && !virtio_rng_take(seed, RANDOM_SEED_LEN + 8 + p->config->dtb_rng_len))
		return JOB_SEED;
	if (have)
		random_seed(seed);
	bool ok = patch_dtb(p, &j->load.plan, j->load.slotted ? slot_options[j->load.slot] : "", have ? seed + RANDOM_SEED_LEN : NULL);
	wipe(seed, sizeof(seed));
	j->load.done = 0;
	return ok ? JOB_CLEAN : load_fail(j, "its device tree has no room for the command line");
}

/* The persona reads its memory with its caches off: what was written for it must be in memory (Arm ARM B2.8, booting.rst). */
enum job_state load_clean(struct job *j)
{
	struct persona *p = &personas[j->persona];
	uint64_t deadline = job_deadline();
	while (j->load.done < j->load.plan.used_end) {
		uint64_t n = min_u64(CLEAN_PIECE, j->load.plan.used_end - j->load.done);
		arch_clean(p->ram.base + j->load.done, n);
		j->load.done += n;
		if (arch_counter() >= deadline)
			return JOB_CLEAN;
	}
	devices_plug(&(struct guest){ j->persona, p->config, &p->disk, &p->ram });
	int64_t error = hc(MVP_HC_PERSONA_START, j->persona, MVP_GUEST_RAM + j->load.plan.kernel_to, MVP_GUEST_DTB);
	if (!error && j->load.slotted)
		slots_open_persona(j->persona, j->gpt.scan.wanted[MISC].sector * SECTOR);
	else if (!error)
		verify_good(j); /* there is nothing older to fall back to */
	handset_load_result(j->persona, error ? "the core refuses to start it" : NULL);
	return JOB_IDLE;
}
