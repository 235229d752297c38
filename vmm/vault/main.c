/* The loop of each CPU around MVP_HC_WAIT. */
#include "console.h"
#include "control.h"
#include "devices/devices.h"
#include "devices/vblk.h"
#include "devices/vconsole.h"
#include "devices/vpl031.h"
#include "disk.h"
#include "handset.h"
#include "measure.h"
#include "mvp/machine.h"
#include "net.h"
#include "notify.h"
#include "random.h"
#include "timer.h"
#include "ui/front.h"
#include "ui/input.h"

_Noreturn void vault_main(uint64_t cpu, uint64_t cpus, uint64_t core_len);

static void on_ioreq(const struct event *e, struct answer *a)
{
	unsigned persona = MVP_IOREQ_PERSONA(e->x1), width = MVP_IOREQ_WIDTH(e->x1);
	if (persona >= mvp_vault_config.personas)
		vault_panic(VAULT_PANIC_INTERNAL, e->x1);
	if (MVP_IOREQ_WRITE(e->x1))
		devices_write(persona, e->x2, width, e->x3);
	else
		a->value = devices_read(persona, e->x2, width);
}

static void on_random(const struct event *e, struct answer *a)
{
	(void)e;
	a->value = random_words(a->words);
}

static void run_disks(void)
{
	vblk_resume(disk_run());
}

static bool on_disk_irq(uint32_t intid)
{
	if (!disk_irq(intid))
		return false;
	run_disks();
	return true;
}

static void poll(void)
{
	handset_poll(false);
	notify_poll();
	control_poll();
}

/* Physical interrupts come to CPU 0. Each device knows its own. */
static bool (*const irqs[])(uint32_t intid) = { on_disk_irq, console_irq, handset_irq, net_irq, input_irq };

static void on_irq(const struct event *e, struct answer *a)
{
	(void)a;
	uint32_t intid = (uint32_t)e->x1;
#ifdef MVP_MEASURE
	front_measure(e->x2);
#endif
	for (size_t i = 0; i < ARRAY_LEN(irqs) && !irqs[i](intid); i++)
		;
	hc(MVP_HC_IRQ_DONE, intid, 0, 0);
#ifdef MVP_MEASURE
	front_measure(0);
#endif
	if (arch_cpu() == 0)
		poll();
}

/* Who set timer_at() on this CPU knows what for: everyone looks whether it is time. */
static void on_timer(const struct event *e, struct answer *a)
{
	(void)a;
	(void)e;
	timer_fired();
	console_tick(arch_counter());
	vpl031_tick();
	vconsole_tick();
	net_tick();
	if (arch_cpu() == 0) {
		input_tick(arch_counter());
		front_tick();
		poll();
	}
}

static void on_doorbell(const struct event *e, struct answer *a)
{
	(void)a;
	(void)e;
	run_disks();
	if (arch_cpu() == 0) {
		console_input();
		poll();
	}
}

static void on_work(const struct event *e, struct answer *a)
{
	(void)a;
	(void)e;
	if (arch_cpu() == 0)
		handset_poll(true);
}

static void on_persona(const struct event *e, struct answer *a)
{
	(void)a;
	handset_persona_stopped((unsigned)e->x1, e->x2);
	if (arch_cpu() == 0)
		handset_poll(false);
}

static void (*const handlers[])(const struct event *e, struct answer *a) = {
	[MVP_EV_IOREQ] = on_ioreq, [MVP_EV_IRQ] = on_irq,         [MVP_EV_TIMER] = on_timer,   [MVP_EV_DOORBELL] = on_doorbell,
	[MVP_EV_WORK] = on_work,   [MVP_EV_PERSONA] = on_persona, [MVP_EV_RANDOM] = on_random,
};

/* The vault needs the AES and SHA-256 instructions (ID_AA64ISAR0_EL1, Arm ARM D13.2.61). */
static void check_cpu(void)
{
	uint64_t isar0;
	__asm__("mrs %0, id_aa64isar0_el1" : "=r"(isar0));
	if (!(isar0 >> 4 & 15) || !(isar0 >> 12 & 15))
		vault_panic(VAULT_PANIC_CPU, isar0);
}

_Noreturn void vault_main(uint64_t cpu, uint64_t cpus, uint64_t core_len)
{
	struct answer answer = { 0 };
	int64_t version = hc(MVP_HC_VERSION, 0, 0, 0);
	if (version != MVP_ABI_VERSION)
		vault_panic(VAULT_PANIC_ABI, (uint64_t)version);
	check_cpu();
	if (cpu == 0) {
		console_start();
		measure_hypervisor((const void *)MVP_VAULT_CORE, core_len);
		handset_start((unsigned)cpus);
		net_start();
		input_start();
		handset_poll(false);
	}
	for (;;) {
		struct event e = hc_wait(&answer, cpu == 0 && handset_has_work());
		answer = (struct answer){ 0 };
		if (e.what >= ARRAY_LEN(handlers) || !handlers[e.what])
			vault_panic(VAULT_PANIC_INTERNAL, e.what);
		handlers[e.what](&e, &answer);
	}
}
