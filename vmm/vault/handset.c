#include "handset.h"

#include "clock.h"
#include "console.h"
#include "drivers/virtio_rng.h"
#include "identity.h"
#include "job.h"
#include "lease.h"
#include "orders.h"
#include "slots.h"
#include "state.h"
#include "timer.h"
#include "ui/front.h"
#include "wipe.h"

#define FREE_TRIES 3 /* wrong passcodes without a delay */
#define DELAY_MAX_S 60u
#define DELAY_TRIES_S 300u /* from the configured number of wrong passcodes on */
#define FLUSH_MS 2000      /* that the disk gets before the power goes */

struct persona personas[MVP_MAX_PERSONAS];

static struct job disk_job; /* of no persona */
static uint32_t rng_intid;
static bool has_entropy;

static struct {
	bool wanted, reset;
	uint64_t until; /* counter value: not later, flushed or not */
} power;

static const char *const state_names[] = {
	[PERSONA_WAITING] = "waiting", [PERSONA_LOCKED] = "locked", [PERSONA_UNLOCKING] = "unlocking", [PERSONA_LOADING] = "loading",
	[PERSONA_RUNNING] = "running", [PERSONA_OFF] = "off",       [PERSONA_FAILED] = "failed",       [PERSONA_BARRED] = "barred",
	[PERSONA_WIPING] = "wiping",   [PERSONA_WIPED] = "wiped",
};

bool handset_has_entropy(void)
{
	return has_entropy;
}

static const char *name_of(unsigned persona)
{
	return mvp_vault_config.persona[persona].name;
}

/* Power */

/* Memory may outlive a reset. The volume keys stay: other CPUs may be writing by them yet. */
static _Noreturn void power_now(void)
{
	orders_end();
	identity_end();
	hc(MVP_HC_POWER, power.reset, 0, 0);
	vault_panic(VAULT_PANIC_INTERNAL, MVP_HC_POWER);
}

enum job_state handset_flushed(struct job *j)
{
	(void)j;
	power_now();
}

static void power_down(bool reset)
{
	if (power.wanted)
		return;
	power.wanted = true;
	power.reset = reset;
	power.until = arch_counter() + arch_ms(FLUSH_MS);
	console_log(reset ? "reset" : "power off");
	timer_at(power.until);
	if (disk_job.state != JOB_IDLE)
		return; /* nothing was written yet */
	disk_job.state = JOB_FLUSH;
	job_flush(&disk_job, disk_job.io.view);
}

void handset_power_off(void)
{
	power_down(false);
}

void handset_reset(void)
{
	power_down(true);
}

/* Personas */

static void load(unsigned persona)
{
	console_log("%s: loading", name_of(persona));
	personas[persona].state = PERSONA_LOADING;
	personas[persona].wrong = NULL;
	personas[persona].unverified = false;
	__atomic_store_n(&personas[persona].up, 0, __ATOMIC_RELEASE);
	load_start(&personas[persona].job);
	front_update();
}

/* A wipe has begun while the persona was being unlocked or loaded: what comes of that no longer matters. */
static bool is_being_wiped(unsigned persona)
{
	return personas[persona].state == PERSONA_WIPING || personas[persona].state == PERSONA_WIPED;
}

void handset_load_result(unsigned persona, const char *wrong)
{
	if (is_being_wiped(persona))
		return;
	personas[persona].state = wrong ? PERSONA_FAILED : PERSONA_RUNNING;
	personas[persona].wrong = wrong;
	if (wrong)
		console_log("%s: not started: %s", name_of(persona), wrong);
	else
		console_log("%s: started", name_of(persona));
	personas[persona].good = false;
	personas[persona].good_at = arch_counter() + mvp_vault_config.good_after * (uint64_t)arch_counter_hz();
	front_update();
}

void handset_persona_up(unsigned persona)
{
	if (!__atomic_exchange_n(&personas[persona].up, 1, __ATOMIC_ACQ_REL) && arch_cpu() != 0)
		hc(MVP_HC_DOORBELL, 0, 0, 0);
}

/* Is it known by now to run well? Then what is older may not start any more. */
static void look_if_good(unsigned persona)
{
	struct persona *p = &personas[persona];
	if (p->state != PERSONA_RUNNING || p->good)
		return;
	if (!__atomic_load_n(&p->up, __ATOMIC_ACQUIRE) && arch_counter() < p->good_at) {
		timer_at(p->good_at);
		return;
	}
	p->good = true;
	verify_good(&p->job);
	slots_good(persona);
}

/* What the core said about a persona that stopped by itself. */
static void take_stopped(unsigned persona)
{
	struct persona *p = &personas[persona];
	uint32_t stopped = __atomic_exchange_n(&p->stopped, 0, __ATOMIC_ACQUIRE);
	if (!stopped || p->state != PERSONA_RUNNING)
		return;
	if (stopped - 1 == MVP_PERSONA_RESET) {
		console_log("%s: restarts", name_of(persona));
		load(persona);
		return;
	}
	handset_halt(persona); /* its key and what is in its memory are nobody's any more */
	p->state = PERSONA_OFF;
	console_log("%s: off", name_of(persona));
	front_update();
	for (unsigned i = 0; i < mvp_vault_config.personas; i++) {
		enum persona_state s = personas[i].state;
		if (s == PERSONA_RUNNING || s == PERSONA_LOADING || s == PERSONA_UNLOCKING || s == PERSONA_WIPING)
			return;
	}
	power_down(false);
}

void handset_persona_stopped(unsigned persona, uint64_t how)
{
	if (persona >= mvp_vault_config.personas)
		return;
	__atomic_store_n(&personas[persona].stopped, 1 + (uint32_t)how, __ATOMIC_RELEASE);
	if (arch_cpu() != 0)
		hc(MVP_HC_DOORBELL, 0, 0, 0);
}

/* Unlocking */

/* Wrong passcodes are counted in the journal, by seconds of the clock; what is shown counts down by the counter. */

static bool is_bound(const struct persona *p)
{
	for (uint32_t i = 0; i < p->luks.slots_count; i++) {
		if (!p->luks.slot[i].bound)
			return false;
	}
	return true;
}

static void take_failures(unsigned persona)
{
	struct persona *p = &personas[persona];
	const struct mvp_state_persona *s = &state_get()->persona[persona];
	uint64_t now = clock_now(), left = s->not_before > now ? min_u64(s->not_before - now, DELAY_TRIES_S) : 0;
	p->failures = s->failures;
	p->not_before = arch_counter() + left * arch_counter_hz();
}

/* Too many for this persona. Looked at when the handset starts, too: an attempt is counted before it is made, and its end may not come. */
static bool is_used_up(unsigned persona)
{
	const struct persona *p = &personas[persona];
	return persona == handset_managed() && p->config->encrypted && p->config->passcode_tries &&
	       p->failures >= p->config->passcode_tries;
}

/* Seconds, with which the last of the failures is answered. */
static uint64_t delay_of(const struct persona *p)
{
	if (p->config->passcode_tries && p->failures >= p->config->passcode_tries)
		return DELAY_TRIES_S;
	if (p->failures <= FREE_TRIES)
		return 0;
	return p->failures - FREE_TRIES < 6 ? 1u << (p->failures - FREE_TRIES) : DELAY_MAX_S;
}

#ifdef MVP_MEASURE
/* Counter ticks that CPU 0 computed since the last try or look, and at most without a break. */
static struct {
	uint64_t sum, longest;
} computed;

void handset_say_computed(void)
{
	console_log("computed %lu ticks, at most %lu at once", (unsigned long)computed.sum, (unsigned long)computed.longest);
	memset(&computed, 0, sizeof(computed));
}
#endif

static void try_passcodes(unsigned persona, const struct passcodes *codes)
{
	struct persona *p = &personas[persona];
	uint64_t now = arch_counter();
	if (p->state != PERSONA_LOCKED) {
		console_log("%s: not locked", name_of(persona));
	} else if (now < p->not_before) {
		console_log("%s: wait %lu s", name_of(persona), (unsigned long)((p->not_before - now) / arch_counter_hz() + 1));
	} else if (is_bound(p) && !identity_has_device_key()) {
		handset_unlock_refused(persona, "it is bound to a device whose key is not here");
	} else if (is_bound(p) && identity_get() != IDENTITY_SOUND) {
		/* Only a provisioned device binds: its identity was erased, and with it the count of wrong passcodes. */
		handset_unlock_refused(persona, "it is bound to a device whose identity is not here");
	} else {
		console_log("%s: unlocking", name_of(persona));
		p->state = PERSONA_UNLOCKING;
		p->wrong = NULL;
#ifdef MVP_MEASURE
		memset(&computed, 0, sizeof(computed));
#endif
		struct mvp_state_persona *s = &state_edit()->persona[persona];
		p->failures = ++s->failures;
		/* Counted with it: who cuts the power when he sees that it was wrong does not get round the wait. */
		s->not_before = clock_now() + delay_of(p);
		unlock_start(&p->job, codes, state_commit());
	}
	front_update();
}

void handset_unlock(unsigned persona, const uint8_t *passcode, size_t len)
{
	try_passcodes(persona, &(struct passcodes){ .passcode = passcode, .passcode_len = len });
}

void handset_change_passcode(unsigned persona, const uint8_t *passcode, size_t len, const uint8_t *next, size_t next_len)
{
	try_passcodes(persona, &(struct passcodes){ .passcode = passcode, .passcode_len = len, .next = next, .next_len = next_len });
}

void handset_unlock_refused(unsigned persona, const char *wrong)
{
	if (is_being_wiped(persona))
		return;
	personas[persona].state = PERSONA_LOCKED;
	personas[persona].wrong = wrong;
	console_log("%s: not unlocked: %s", name_of(persona), wrong);
	front_update();
}

void handset_unlock_any(const uint8_t *passcode, size_t len)
{
	for (unsigned p = 0; p < mvp_vault_config.personas; p++) {
		if (personas[p].state == PERSONA_LOCKED) {
			handset_unlock(p, passcode, len);
			return;
		}
	}
	console_log("no persona is locked");
}

static void forgive(unsigned persona)
{
	struct mvp_state_persona *s = &state_edit()->persona[persona];
	s->failures = 0;
	s->not_before = 0;
	personas[persona].failures = 0;
	personas[persona].not_before = 0;
}

void handset_unlock_result(unsigned persona, bool right)
{
	struct persona *p = &personas[persona];
	if (is_being_wiped(persona))
		return;
#ifdef MVP_MEASURE
	handset_say_computed();
#endif
	if (right) {
		forgive(persona);
		state_commit();
		console_log("%s: unlocked", name_of(persona));
		load(persona);
		return;
	}
	uint64_t delay = delay_of(p);
	console_log("%s: wrong passcode (%u)", name_of(persona), p->failures);
	p->state = PERSONA_LOCKED;
	if (is_used_up(persona)) {
		wipe_start(MVP_CAUSE_PASSCODES);
		return;
	}
	p->not_before = arch_counter() + delay * arch_counter_hz();
	if (delay)
		console_log("%s: wait %lu s", name_of(persona), (unsigned long)delay);
	front_update();
}

/* The managed persona's end, for a while or for good */

unsigned handset_managed(void)
{
	unsigned p = 0;
	while (p < mvp_vault_config.personas && !mvp_vault_config.persona[p].managed)
		p++;
	return p;
}

enum mvp_work_state handset_work_state(void)
{
	unsigned p = handset_managed();
	switch (p < mvp_vault_config.personas ? personas[p].state : PERSONA_FAILED) {
	case PERSONA_WAITING:
	case PERSONA_LOCKED:
	case PERSONA_UNLOCKING:
	case PERSONA_OFF:
		return MVP_WORK_LOCKED;
	case PERSONA_LOADING:
	case PERSONA_RUNNING:
		return MVP_WORK_OPEN;
	case PERSONA_BARRED:
		return MVP_WORK_BARRED;
	case PERSONA_WIPING:
		return MVP_WORK_WIPING;
	case PERSONA_WIPED:
		return MVP_WORK_WIPED;
	case PERSONA_FAILED:
		break;
	}
	return MVP_WORK_FAILED;
}

void handset_halt(unsigned persona)
{
	halt_start(&personas[persona].job);
}

void handset_halted(unsigned persona)
{
	console_log("%s: stopped, its memory is scrubbed", name_of(persona));
	lease_changed(); /* the bar may have been lifted meanwhile */
	front_update();
}

static bool is_gone(const struct persona *p)
{
	return p->state == PERSONA_FAILED || p->state == PERSONA_WIPING || p->state == PERSONA_WIPED;
}

void handset_bar(unsigned persona, bool barred)
{
	struct persona *p = &personas[persona];
	if (is_gone(p) || barred == (p->state == PERSONA_BARRED))
		return;
	if (!barred && !p->halted)
		return; /* soon: the lease is looked at again */
	console_log(barred ? "%s: barred" : "%s: may be opened again", name_of(persona));
	if (barred) {
		p->state = PERSONA_BARRED;
		handset_halt(persona);
	} else if (p->config->encrypted) {
		p->state = PERSONA_LOCKED;
	} else {
		load(persona);
	}
	front_update();
}

void handset_forgive(void)
{
	for (unsigned p = 0; p < mvp_vault_config.personas; p++)
		forgive(p);
}

void handset_wiping(unsigned persona)
{
	personas[persona].state = PERSONA_WIPING;
	front_update();
}

void handset_wiped(unsigned persona)
{
	if (persona == mvp_vault_config.personas)
		return;
	personas[persona].state = PERSONA_WIPED;
	console_log("%s: wiped", name_of(persona));
	front_update();
}

void handset_opened(bool ok)
{
	for (unsigned p = 0; p < mvp_vault_config.personas; p++) {
		struct persona *persona = &personas[p];
		if (!ok) {
			persona->state = PERSONA_FAILED;
			persona->wrong = "the disk cannot be used";
		}
		if (ok && persona->state == PERSONA_LOCKED)
			take_failures(p);
		if (ok && persona->state == PERSONA_LOCKED && is_used_up(p))
			wipe_start(MVP_CAUSE_PASSCODES);
		else if (ok && p == handset_managed() && (persona->state == PERSONA_WAITING || persona->state == PERSONA_LOCKED) &&
			 lease_bars())
			handset_bar(p, true);
		else if (persona->state == PERSONA_WAITING && !persona->config->encrypted)
			load(p);
		else if (persona->state == PERSONA_LOCKED)
			console_log("%s: locked", name_of(p));
	}
	if (ok)
		orders_start();
	front_update();
}

/* The user's other wishes */

void handset_switch(void)
{
	if (mvp_vault_config.personas < 2)
		return;
	unsigned next = (front_persona() + 1) % mvp_vault_config.personas;
	if (front_switch(next) && mvp_vault_config.console == MVP_CONSOLE_PREFIXED)
		console_log("front %s", name_of(next));
}

void handset_status(void)
{
	for (unsigned p = 0; p < mvp_vault_config.personas; p++)
		console_log("status %s %s", name_of(p), state_names[personas[p].state]);
	console_log("status front %s", name_of(front_persona()));
}

void handset_disk_status(void)
{
	unsigned slots, pages;
	disk_in_use(&slots, &pages);
	console_log("disk %u requests and %u buffers in use", slots, pages);
}

/* Events */

/* Each job a step further. True if one of them moved; the share of computation is used up by the first that computes, the next one gets
 * the next. */
static bool step_jobs(bool *work)
{
	bool moved = false;
	for (unsigned p = 0; p < mvp_vault_config.personas; p++) {
		take_stopped(p);
		look_if_good(p);
		bool computes = job_computes(&personas[p].job);
		moved |= job_step(&personas[p].job, *work);
		*work &= !computes;
	}
	moved |= job_step(&disk_job, false);
	bool computes = wipe_has_work();
	moved |= wipe_step(*work);
	*work &= !computes;
	moved |= state_poll();
	return moved | slots_poll();
}

static void poll(bool work)
{
	do {
		/* A job's end may be another's start. Each turn brings a job on, so there are not many. */
		while (step_jobs(&work))
			;
		work = orders_poll(work);
		lease_poll();
		/* An order or the lease may have begun a wipe or a record of the journal: no event would bring these on. */
	} while (step_jobs(&work));
	if (power.wanted && (disk_job.state != JOB_FLUSH || arch_counter() >= power.until))
		power_now();
}

void handset_poll(bool work)
{
#ifdef MVP_MEASURE
	uint64_t begin = arch_counter();
#endif
	poll(work);
#ifdef MVP_MEASURE
	uint64_t took = arch_counter() - begin;
	computed.sum += took;
	if (took > computed.longest)
		computed.longest = took;
#endif
}

bool handset_has_work(void)
{
	for (unsigned p = 0; p < mvp_vault_config.personas; p++) {
		if (job_computes(&personas[p].job))
			return true;
	}
	return wipe_has_work() || orders_has_work();
}

bool handset_irq(uint32_t intid)
{
	if (!has_entropy || intid != rng_intid)
		return false;
	virtio_rng_irq();
	return true;
}

void handset_start(unsigned cpus)
{
	const struct mvp_vault_config *c = &mvp_vault_config;
	console_log("%s", c->product);
	console_log("%u CPUs, %u personas", cpus, c->personas);
	for (unsigned p = 0; p < c->personas; p++) {
		personas[p].config = &c->persona[p];
		personas[p].state = PERSONA_WAITING;
		personas[p].ram = (struct ram){ (uint8_t *)MVP_VAULT_WINDOW((uint64_t)p), c->persona[p].ram_size };
		personas[p].job.persona = p;
	}
	disk_job.persona = MVP_MAX_PERSONAS;
	identity_start();
	has_entropy = virtio_rng_start(&rng_intid);
	if (has_entropy) {
		hc(MVP_HC_IRQ_ENABLE, rng_intid, 1, 0);
		virtio_rng_irq(); /* its edge may have come before */
	} else {
		console_log("no entropy device: personas get no seeds");
	}
	front_start();

	const char *wrong = disk_start();
	if (wrong) {
		console_log("%s", wrong);
		handset_opened(false);
		return;
	}
	console_log("disk %lu MiB", (unsigned long)(disk_sectors() / 2048));
	open_start(&disk_job);
}
