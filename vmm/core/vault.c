/* Calls between core and vault (mvp/abi.h). The vault's vCPU on a CPU either waits, or runs until it waits again. */
#include "arch.h"
#include "cpu.h"
#include "measure.h"

enum { SCRUB_STEP = 128 * 1024 };

bool vault_ready;

void vault_queue_irq(struct pcpu *p, uint32_t intid)
{
	/* At most one entry for each listed interrupt: it stays active until the vault is done with it, and a vault that says so before it
	 * was given the interrupt gets it once. */
	for (uint32_t i = 0; i < p->irq_count; i++)
		if (p->irq_queue[(p->irq_head + i) % MAX_QUEUED_IRQS] == intid)
			return;
	measure_queued(p);
	if (p->irq_count == MAX_QUEUED_IRQS)
		core_panic("interrupt not listed in the configuration", intid);
	p->irq_queue[(p->irq_head + p->irq_count++) % MAX_QUEUED_IRQS] = intid;
}

static bool persona_event(const struct pcpu *p)
{
	for (uint32_t i = 0; i < MVP_MAX_PERSONAS; i++)
		if (p->persona_event[i])
			return true;
	return false;
}

bool vault_pending(const struct pcpu *p)
{
	return p->irq_count || p->vault_timer_due || __atomic_load_n(&p->doorbell, __ATOMIC_ACQUIRE) || persona_event(p);
}

static struct vcpu *resume_vault(struct pcpu *p, uint64_t event, uint64_t a1, uint64_t a2, uint64_t a3)
{
	struct vcpu *v = p->vault;

	p->vault_waiting = false;
	v->regs.x[0] = event;
	v->regs.x[1] = a1;
	v->regs.x[2] = a2;
	v->regs.x[3] = a3;
	switch_to(p, v);
	return v;
}

struct vcpu *vault_deliver(struct pcpu *p)
{
	if (!p->vault_since)
		p->vault_since = now();
	if (p->irq_count) {
		uint32_t intid = p->irq_queue[p->irq_head];

		p->irq_head = (p->irq_head + 1) % MAX_QUEUED_IRQS;
		p->irq_count--;
		return resume_vault(p, MVP_EV_IRQ, intid, measure_delivered(p), 0);
	}
	if (p->vault_timer_due) {
		p->vault_timer_due = false;
		return resume_vault(p, MVP_EV_TIMER, 0, 0, 0);
	}
	for (uint32_t i = 0; i < MVP_MAX_PERSONAS; i++) {
		if (p->persona_event[i]) {
			uint64_t what = p->persona_event[i] == STOP_RESET ? MVP_PERSONA_RESET : MVP_PERSONA_OFF;

			p->persona_event[i] = 0;
			return resume_vault(p, MVP_EV_PERSONA, i, what, 0);
		}
	}
	uint32_t from = __atomic_exchange_n(&p->doorbell, 0, __ATOMIC_ACQ_REL);
	return resume_vault(p, MVP_EV_DOORBELL, from - 1, 0, 0);
}

struct vcpu *vault_background(struct pcpu *p)
{
	return resume_vault(p, MVP_EV_WORK, 0, 0, 0);
}

/* Runs the vault for v, which goes on when it has answered. */
static void serve(struct pcpu *p, struct vcpu *v, uint64_t event, uint64_t log2_width, uint64_t write, uint64_t a2, uint64_t a3)
{
	__atomic_store_n(&v->state, VCPU_IOREQ, __ATOMIC_RELAXED);
	p->client = v;
	resume_vault(p, event, MVP_IOREQ_PACK((uint64_t)v->vm->id, (uint64_t)v->index, log2_width, write), a2, a3);
}

void vault_ioreq(struct pcpu *p, struct vcpu *v)
{
	const struct ioreq *r = &v->ioreq;

	serve(p, v, MVP_EV_IOREQ, r->log2_width, r->write, r->ipa, r->value);
}

void vault_random(struct pcpu *p, struct vcpu *v)
{
	serve(p, v, MVP_EV_RANDOM, 0, 0, 0, 0);
}

void ioreq_finish(struct vcpu *v, uint64_t value)
{
	const struct ioreq *r = &v->ioreq;

	v->regs.pc += 4;
	if (r->write || r->reg == 31)
		return;
	uint32_t unused = 64 - (8u << r->log2_width);
	value <<= unused;
	value = r->sign_extend ? (uint64_t)((int64_t)value >> unused) : value >> unused;
	v->regs.x[r->reg] = r->reg64 ? value : (uint32_t)value;
}

static struct vcpu *hc_wait(struct pcpu *p, struct vcpu *vault)
{
	struct vcpu *v = p->client;

	p->vault_work = vault->regs.x[2] == 1;
	p->vault_waiting = true;
	p->client = NULL;
	if (v) {
		if (v->random_bits)
			psci_random(v, vault->regs.x[1], &vault->regs.x[3]);
		else
			ioreq_finish(v, vault->regs.x[1]);
		__atomic_store_n(&v->state, VCPU_READY, __ATOMIC_RELEASE);
	}
	if (!__atomic_load_n(&vault_ready, __ATOMIC_RELAXED)) {
		__atomic_store_n(&vault_ready, true, __ATOMIC_RELEASE);
		for (uint32_t i = 1; i < MVP_MAX_CPUS; i++)
			ring(&pcpus[i]);
	}
	if (vault_pending(p))
		return vault_deliver(p);
	/* New background work needs a slice that ends, or a busy persona would keep the CPU from it. */
	if (!v || p->resched || (p->vault_work && !p->slice_end) || __atomic_load_n(&v->vm->stopping, __ATOMIC_ACQUIRE))
		return sched_next(p);
	switch_to(p, v);
	vgic_sync(v);
	return v;
}

static struct vm *persona(uint64_t id)
{
	return id < mvp_core_config.personas ? &vms[id] : NULL;
}

static int64_t irq_line(uint64_t id, uint64_t spi, uint64_t level)
{
	struct vm *vm = persona(id);

	if (!vm || spi >= MVP_GUEST_SPIS || level > 1)
		return MVP_E_INVAL;
	vgic_line(&vm->gic, 0, 32 + (uint32_t)spi, level);
	sched_kicked(vm);
	return 0;
}

static int64_t irq_enable(uint64_t intid, uint64_t on)
{
	const struct mvp_core_config *c = &mvp_core_config;

	for (uint32_t i = 0; i < c->vault_irqs_count; i++) {
		if (c->vault_irqs[i].intid == intid) {
			irq_enable_spi((uint32_t)intid, c->vault_irqs[i].edge, on != 0);
			return 0;
		}
	}
	return MVP_E_INVAL;
}

static int64_t irq_done(uint64_t intid)
{
	const struct mvp_core_config *c = &mvp_core_config;

	for (uint32_t i = 0; i < c->vault_irqs_count; i++) {
		if (c->vault_irqs[i].intid == intid) {
			sysreg_write_x(ICC_DIR_EL1, intid);
			isb();
			return 0;
		}
	}
	return MVP_E_INVAL;
}

static int64_t persona_start(uint64_t id, uint64_t entry, uint64_t x0)
{
	struct vm *vm = persona(id);

	if (!vm || (entry & 3) || entry < MVP_GUEST_RAM || entry - MVP_GUEST_RAM >= vm->ram_size)
		return MVP_E_INVAL;
	if (__atomic_load_n(&vm->live, __ATOMIC_ACQUIRE))
		return MVP_E_BUSY;
	vgic_reset(&vm->gic, vm->vcpus, vm->gic.lrs);

	/* Its memory has new content: translations and instructions of its last life must not be hit on any CPU. */
	uint64_t vttbr = sysreg_read(vttbr_el2);
	sysreg_write(vttbr_el2, vm->vttbr);
	isb();
	tlb_flush_vm();
	sysreg_write(vttbr_el2, vttbr);
	isb();

	struct vcpu *v = &vm->vcpu[0];
	v->on_entry = entry;
	v->on_context = x0;
	__atomic_store_n(&vm->live, 1, __ATOMIC_RELEASE);
	__atomic_store_n(&vm->stopping, STOP_NONE, __ATOMIC_RELEASE);
	__atomic_store_n(&v->state, VCPU_ON_PENDING, __ATOMIC_RELEASE);
	ring(v->home);
	return 0;
}

static int64_t persona_stop(uint64_t id)
{
	struct vm *vm = persona(id);

	if (!vm)
		return MVP_E_INVAL;
	if (!__atomic_load_n(&vm->live, __ATOMIC_ACQUIRE))
		return 0;
	vm_request_stop(vm, STOP_VAULT);
	return MVP_E_BUSY;
}

static int64_t persona_scrub(uint64_t id, uint64_t offset)
{
	struct vm *vm = persona(id);

	if (!vm || offset % SCRUB_STEP || offset >= vm->ram_size)
		return MVP_E_INVAL;
	if (__atomic_load_n(&vm->live, __ATOMIC_ACQUIRE))
		return MVP_E_BUSY;
	char *at = window_map((paddr_t){ vm->ram_pa + offset });
	zero_blocks(at, SCRUB_STEP);
	cache_flush(at, SCRUB_STEP); /* out to memory, so that a guest with its caches off sees zeros, too */
	window_unmap();
	return (int64_t)(offset + SCRUB_STEP);
}

static int64_t foreground(uint64_t id)
{
	if (!persona(id))
		return MVP_E_INVAL;
	for (uint32_t i = 0; i < mvp_core_config.personas; i++) {
		const struct mvp_core_persona *c = &mvp_core_config.persona[i];

		__atomic_store_n(&vms[i].weight, i == id ? c->weight_fg : c->weight_bg, __ATOMIC_RELAXED);
	}
	return 0;
}

static int64_t doorbell(const struct pcpu *p, uint64_t cpu)
{
	if (cpu >= MVP_MAX_CPUS || !__atomic_load_n(&pcpus[cpu].online, __ATOMIC_ACQUIRE))
		return MVP_E_INVAL;
	__atomic_store_n(&pcpus[cpu].doorbell, p->index + 1, __ATOMIC_RELEASE);
	ring(&pcpus[cpu]);
	return 0;
}

struct vcpu *vault_hypercall(struct pcpu *p, struct vcpu *v)
{
	uint64_t *x = v->regs.x;

	switch (x[0]) {
	case MVP_HC_WAIT:
		return hc_wait(p, v);
	case MVP_HC_VERSION:
		x[0] = MVP_ABI_VERSION;
		break;
	case MVP_HC_IRQ_LINE:
		x[0] = (uint64_t)irq_line(x[1], x[2], x[3]);
		break;
	case MVP_HC_IRQ_DONE:
		x[0] = (uint64_t)irq_done(x[1]);
		break;
	case MVP_HC_IRQ_ENABLE:
		x[0] = (uint64_t)irq_enable(x[1], x[2]);
		break;
	case MVP_HC_PERSONA_START:
		x[0] = (uint64_t)persona_start(x[1], x[2], x[3]);
		break;
	case MVP_HC_PERSONA_STOP:
		x[0] = (uint64_t)persona_stop(x[1]);
		break;
	case MVP_HC_PERSONA_SCRUB:
		x[0] = (uint64_t)persona_scrub(x[1], x[2]);
		break;
	case MVP_HC_FOREGROUND:
		x[0] = (uint64_t)foreground(x[1]);
		break;
	case MVP_HC_TIMER:
		p->vault_timer = x[1];
		p->vault_timer_due = false;
		sched_arm(p);
		x[0] = 0;
		break;
	case MVP_HC_POWER:
		board_power(x[1] != 0);
	case MVP_HC_DOORBELL:
		x[0] = (uint64_t)doorbell(p, x[1]);
		break;
	case MVP_HC_PANIC:
		put_line("vault fault, address", x[2]);
		core_panic("vault fault, cause", x[1]);
	default:
		x[0] = (uint64_t)MVP_E_INVAL;
	}
	return v;
}
