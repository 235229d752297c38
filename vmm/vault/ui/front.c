#include "front.h"

#include "../console.h"
#include "../job.h"
#include "../timer.h"
#include "bar.h"
#include "input.h"
#include "lock.h"
#include "screen.h"

#define NEVER UINT64_MAX

static unsigned front;
static uint64_t due = NEVER; /* counter value of front_tick()'s next work */

#ifdef MVP_MEASURE
static uint64_t measured_since;

void front_measure(uint64_t since)
{
	measured_since = since;
}

static void say_measured(uint64_t end)
{
	if (measured_since)
		console_log("switch %lu ticks", (unsigned long)(end - measured_since));
}
#endif

unsigned front_persona(void)
{
	return front;
}

static bool runs(unsigned persona)
{
	return personas[persona].state == PERSONA_RUNNING;
}

/* A persona that does not run has nothing to show and reads no input: both are the vault's. */
static unsigned screen_of(unsigned persona)
{
	return runs(persona) ? persona : SCREEN_VAULT;
}

static void give_input(unsigned persona)
{
	if (mvp_vault_config.display != MVP_DISPLAY_NONE)
		input_focus(runs(persona) ? (int)persona : INPUT_VAULT);
}

/* The vault's own screen is made ready for whoever will need it: the one in front, or else the one that the next switch brings there. */
static void prepare(void)
{
	unsigned persona = front;
	for (unsigned i = 0; i < mvp_vault_config.personas && runs(persona); i++)
		persona = (persona + 1) % mvp_vault_config.personas;
	if (!runs(persona))
		lock_prepare(persona);
}

static void show(void)
{
	if (!screen_show(screen_of(front)))
		console_log("the display does not answer");
}

void front_update(void)
{
	prepare();
	show();
	give_input(front);
	console_ask_passcode(personas[front].state == PERSONA_LOCKED);
	bar_update();
}

bool front_switch(unsigned persona)
{
	lock_forget();
	/* No more than a look if it was made ready, so in time before it is seen. */
	if (!runs(persona))
		lock_prepare(persona);
	/* First, as it is the one that may fail: what is on the glass and who gets the keys must not differ. */
	if (!screen_show(screen_of(persona))) {
		console_log("the display does not answer");
		return false;
	}
#ifdef MVP_MEASURE
	uint64_t end = arch_counter();
#endif
	front = persona;
	give_input(persona);
	hc(MVP_HC_FOREGROUND, persona, 0, 0);
	console_show(persona);
#ifdef MVP_MEASURE
	say_measured(end);
#endif
	front_update();
	return true;
}

void front_due(uint64_t when)
{
	if (when < due)
		due = when;
	timer_at(when);
}

void front_tick(void)
{
	if (due == NEVER)
		return;
	/* Most timers are others'. */
	if (arch_counter() < due) {
		timer_at(due);
		return;
	}
	due = NEVER;
	prepare();
	bar_update();
}

void front_start(void)
{
	screen_start();
	lock_start();
	hc(MVP_HC_FOREGROUND, front, 0, 0);
	front_update();
}
