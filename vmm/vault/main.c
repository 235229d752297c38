/* The loop of each CPU around MVP_HC_WAIT. */
#include "console.h"
#include "disk.h"
#include "handset.h"
#include "mvp/machine.h"
#include "random.h"
#include "timer.h"
#include "vblk.h"
#include "vpl011.h"
#include "vpl031.h"

_Noreturn void vault_main(uint64_t cpu, uint64_t cpus);

/* The machine a persona sees (mvp/machine.h). Handlers get offsets. Other offsets read 0 and ignore writes. */
static uint64_t empty_slot_read(unsigned persona, uint32_t at, unsigned width)
{
	static const uint32_t identity[] = { 0x74726976, 2, 0, 0x0050564d }; /* magic, version, no device, vendor "MVP" */
	(void)persona;
	at %= MVP_GUEST_VIRTIO_STRIDE;
	return width == 4 && at % 4 == 0 && at / 4 < ARRAY_LEN(identity) ? identity[at / 4] : 0;
}

static void empty_slot_write(unsigned persona, uint32_t at, unsigned width, uint64_t value)
{
	(void)persona, (void)at, (void)width, (void)value;
}

static const struct {
	uint64_t at, size;
	uint64_t (*read)(unsigned persona, uint32_t at, unsigned width);
	void (*write)(unsigned persona, uint32_t at, unsigned width, uint64_t value);
} devices[] = {
	{ MVP_GUEST_VIRTIO + MVP_SLOT_BLK * MVP_GUEST_VIRTIO_STRIDE, MVP_GUEST_VIRTIO_STRIDE, vblk_read, vblk_write },
	{ MVP_GUEST_UART, 0x1000, vpl011_read, vpl011_write },
	{ MVP_GUEST_RTC, 0x1000, vpl031_read, vpl031_write },
	{ MVP_GUEST_VIRTIO, MVP_GUEST_VIRTIO_STRIDE *MVP_GUEST_VIRTIO_SLOTS, empty_slot_read, empty_slot_write },
};

static void on_ioreq(const struct event *e, struct answer *a)
{
	unsigned persona = MVP_IOREQ_PERSONA(e->x1), width = MVP_IOREQ_WIDTH(e->x1);
	if (persona >= mvp_vault_config.personas)
		vault_panic(VAULT_PANIC_INTERNAL, e->x1);
	for (size_t i = 0; i < ARRAY_LEN(devices); i++) {
		uint64_t at = e->x2 - devices[i].at;
		if (e->x2 < devices[i].at || !range_in(at, width, devices[i].size))
			continue;
		if (MVP_IOREQ_WRITE(e->x1))
			devices[i].write(persona, (uint32_t)at, width, e->x3);
		else
			a->value = devices[i].read(persona, (uint32_t)at, width);
		return;
	}
}

static void on_random(const struct event *e, struct answer *a)
{
	(void)e;
	a->value = random_words(a->words);
}

static void resume_disks(void)
{
	for (unsigned p = 0; p < mvp_vault_config.personas; p++)
		vblk_resume(p);
}

static void on_irq(const struct event *e, struct answer *a)
{
	(void)a;
	uint32_t intid = (uint32_t)e->x1;
	if (disk_irq(intid))
		resume_disks();
	else if (!console_irq(intid))
		handset_irq(intid);
	hc(MVP_HC_IRQ_DONE, intid, 0, 0);
	if (arch_cpu() == 0)
		handset_poll(false);
}

static void on_timer(const struct event *e, struct answer *a)
{
	(void)a;
	(void)e;
	timer_fired();
	console_tick(arch_counter());
	vpl031_tick();
	if (arch_cpu() == 0)
		handset_poll(false);
}

static void on_doorbell(const struct event *e, struct answer *a)
{
	(void)a;
	(void)e;
	if (arch_cpu() == 0) {
		console_input();
		resume_disks();
		handset_poll(false);
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

_Noreturn void vault_main(uint64_t cpu, uint64_t cpus)
{
	struct answer answer = { 0 };
	int64_t version = hc(MVP_HC_VERSION, 0, 0, 0);
	if (version != MVP_ABI_VERSION)
		vault_panic(VAULT_PANIC_ABI, (uint64_t)version);
	check_cpu();
	if (cpu == 0) {
		console_start();
		handset_start((unsigned)cpus);
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
