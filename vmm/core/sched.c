/* Scheduling of the vCPUs at home on one CPU: weighted fair time by virtual run time. The vault's background work takes part as one more
 * entity; its answers to events do not wait for anybody. */
#include "arch.h"
#include "cpu.h"
#include "hcr.h"
#include "measure.h"

/* Background work is what a person waits for: unlocking, loading. It gets as much of its CPU as a persona on the screen. */
enum { WEIGHT_SCALE = 1024, WEIGHT_WORK = 1000 };

static uint64_t slice_ticks(void)
{
	return sysreg_read(cntfrq_el0) / 1000000 * mvp_core_config.slice_us;
}

void ring(struct pcpu *p)
{
	if (p == this_cpu())
		p->resched = true;
	else if (__atomic_load_n(&p->online, __ATOMIC_ACQUIRE))
		irq_send_kick(p, true);
}

void sched_wake(struct vcpu *v)
{
	uint32_t blocked = VCPU_BLOCKED;

	if (__atomic_compare_exchange_n(&v->state, &blocked, VCPU_READY, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		ring(v->home);
	else if (v->home != this_cpu() && __atomic_load_n(&v->home->running, __ATOMIC_SEQ_CST) == v)
		irq_send_kick(v->home, false); /* an exit is all it needs; while somebody else runs there he is left in peace */
}

void sched_kicked(struct vm *vm)
{
	uint32_t kick = __atomic_load_n(&vm->gic.kick, __ATOMIC_RELAXED);

	if (kick)
		kick = __atomic_exchange_n(&vm->gic.kick, 0, __ATOMIC_ACQ_REL);

	for (; kick; kick &= kick - 1)
		sched_wake(&vm->vcpu[__builtin_ctz(kick)]);
}

void vm_request_stop(struct vm *vm, enum vm_stop why)
{
	uint32_t none = STOP_NONE;

	/* The first reason stays. */
	__atomic_compare_exchange_n(&vm->stopping, &none, (uint32_t)why, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	for (uint32_t i = 0; i < vm->vcpus; i++)
		ring(vm->vcpu[i].home);
}

/* Takes a vCPU of an ending persona, or one that turned itself off, from its CPU for good. */
static void retire(struct pcpu *p, struct vcpu *v)
{
	struct vm *vm = v->vm;

	vcpu_reset(v, 0, 0); /* what its registers held ends with it: scrubbing covers RAM alone */
	__atomic_store_n(&v->state, VCPU_OFF, __ATOMIC_RELEASE);
	/* Read while it lives: who sees that it does not may start it anew. */
	uint32_t why = __atomic_load_n(&vm->stopping, __ATOMIC_ACQUIRE);
	if (__atomic_sub_fetch(&vm->live, 1, __ATOMIC_ACQ_REL))
		return;
	if (why != STOP_VAULT) /* a persona whose vCPUs all turned off is off, too */
		p->persona_event[vm->id] = why == STOP_RESET ? STOP_RESET : STOP_OFF;
}

void vcpu_block(struct vcpu *v)
{
	__atomic_store_n(&v->state, VCPU_BLOCKED, __ATOMIC_SEQ_CST);
	/* Whoever makes an interrupt pending does so before he looks at the state: it is seen here, or he sees BLOCKED. */
	vgic_save(v);
	if (vgic_has_work(&v->vm->gic, v->index))
		__atomic_store_n(&v->state, VCPU_READY, __ATOMIC_RELEASE);
}

void vcpu_off(struct vcpu *v)
{
	retire(v->home, v);
}

static uint64_t min64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t max64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void account(struct pcpu *p, uint64_t t)
{
	uint64_t used = t - p->charged_since;

	p->charged_since = t;
	if (p->charged)
		p->charged->vruntime += used * WEIGHT_SCALE / __atomic_load_n(&p->charged->vm->weight, __ATOMIC_RELAXED);
	else if (p->charged_work)
		p->vault_vruntime += used * WEIGHT_SCALE / WEIGHT_WORK;
	/* Who was alone took nothing from anybody: a newcomer starts beside him, not where he was when he began. */
	if (!p->slice_end)
		p->min_vruntime = max64(p->min_vruntime, p->charged ? p->charged->vruntime : p->charged_work ? p->vault_vruntime : 0);
}

/* The virtual run time of one that slept, and comes back: at most a slice of credit, which in its own measure is longer the less it weighs.
 */
static uint64_t after_sleep(const struct pcpu *p, uint64_t vruntime, uint32_t weight)
{
	uint64_t credit = slice_ticks() * WEIGHT_SCALE / weight;

	return max64(vruntime, p->min_vruntime > credit ? p->min_vruntime - credit : 0);
}

/* Brings the states of the CPU's vCPUs up to date; returns the READY one that is furthest behind, NULL without; counts the READY ones. */
static struct vcpu *pick(struct pcpu *p, uint64_t t, uint32_t *ret_ready)
{
	struct vcpu *best = NULL;

	*ret_ready = 0;
	for (uint32_t i = 0; i < p->run_count; i++) {
		struct vcpu *v = p->run[i];
		uint32_t state = __atomic_load_n(&v->state, __ATOMIC_ACQUIRE);

		if (state == VCPU_OFF || state == VCPU_CLAIMED || state == VCPU_IOREQ)
			continue;
		if (__atomic_load_n(&v->vm->stopping, __ATOMIC_ACQUIRE)) {
			retire(p, v);
			continue;
		}
		if (state == VCPU_ON_PENDING) {
			vcpu_reset(v, v->on_entry, v->on_context);
			v->vruntime = p->min_vruntime;
			__atomic_store_n(&v->state, VCPU_READY, __ATOMIC_RELEASE);
		} else if (state == VCPU_BLOCKED) {
			if (timer_next(v) > t)
				continue;
			__atomic_store_n(&v->state, VCPU_READY, __ATOMIC_RELEASE);
		}
		v->vruntime = after_sleep(p, v->vruntime, __atomic_load_n(&v->vm->weight, __ATOMIC_RELAXED));
		++*ret_ready;
		if (!best || v->vruntime < best->vruntime)
			best = v;
	}
	if (best)
		p->min_vruntime = max64(p->min_vruntime, best->vruntime);
	return best;
}

void sched_arm(struct pcpu *p)
{
	uint64_t at = p->slice_end ? p->slice_end : UINT64_MAX;

	if (p->vault_timer)
		at = min64(at, p->vault_timer);
	for (uint32_t i = 0; i < p->run_count; i++) {
		const struct vcpu *v = p->run[i];

		if (v == p->charged || __atomic_load_n(&v->state, __ATOMIC_RELAXED) == VCPU_BLOCKED)
			at = min64(at, timer_next(v));
	}
	if (at == UINT64_MAX) {
		sysreg_write(cnthp_ctl_el2, 0);
		return;
	}
	sysreg_write(cnthp_cval_el2, at);
	sysreg_write(cnthp_ctl_el2, CNT_ENABLE);
}

void sched_tick(struct pcpu *p)
{
	sysreg_write(cnthp_ctl_el2, 0);
	isb(); /* the level is gone before its interrupt is deactivated */
	if (p->vault_timer && now() >= p->vault_timer) {
		p->vault_timer = 0;
		p->vault_timer_due = true;
	}
	p->resched = true;
}

static void set_twi(struct pcpu *p, bool on)
{
	if (p->twi == on)
		return;
	p->twi = on;
	sysreg_write(hcr_el2, on ? HCR_GUEST | HCR_TWI : HCR_GUEST);
}

struct vcpu *sched_next(struct pcpu *p)
{
	for (;;) {
		uint64_t t = now();
		uint32_t ready;

		account(p, t);
		p->charged = NULL;
		p->charged_work = false;
		__atomic_store_n(&p->running, NULL, __ATOMIC_RELAXED);
		p->resched = false;
		if (!p->vault_started && __atomic_load_n(&vault_ready, __ATOMIC_ACQUIRE)) {
			p->vault_started = true;
			switch_to(p, p->vault);
			return p->vault;
		}
		uint64_t slice = slice_ticks();
		struct vcpu *v = pick(p, t, &ready);
		bool work = p->vault_waiting && p->vault_work;
		p->slice_end = v && ready + work > 1 ? t + slice : 0;
		if (p->vault_waiting && vault_pending(p)) {
			sched_arm(p);
			return vault_deliver(p);
		}
		/* Personas wait for no more than a slice, the events before the work counted, and its last step, which is up to a fifth of
		 * one. */
		if (!p->vault_since)
			p->vault_since = t;
		bool over = t - p->vault_since >= slice * 4 / 5;
		p->vault_vruntime = after_sleep(p, p->vault_vruntime, WEIGHT_WORK);
		if (work && (!v || (!over && p->vault_vruntime < v->vruntime))) {
			p->charged_work = true;
			sched_arm(p);
			return vault_background(p);
		}
		if (v) {
			p->charged = v;
			p->vault_since = 0;
			/* In this order: who changes its state and does not see it run has changed it before the last look below. */
			__atomic_store_n(&p->running, v, __ATOMIC_SEQ_CST);
			load_persona(p, v);
			ptimer_update(v);
			switch_to(p, v);
			set_twi(p, ready > 1 || work);
			sched_arm(p);
			vgic_sync(v);
			return v;
		}
		sched_arm(p);
		dsb(sy);
		measure_end(p, MEASURE_IRQ);
		wfi(); /* wakes on a pending interrupt though they are masked here */
		measure_begin(p);
		irq_handle(p);
	}
}
