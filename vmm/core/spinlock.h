/* A ticket lock: fair, so that no CPU waits longer than the others' critical sections. On the host (unit tests) the same code runs. */
#ifndef CORE_SPINLOCK_H
#define CORE_SPINLOCK_H

#include "types.h"

struct spinlock {
	uint32_t next, owner;
};

/* One turn of waiting for another CPU. A simulator that runs one CPU at a time goes on with the next. */
static inline void relax(void)
{
#ifdef __aarch64__
	__asm__ volatile("yield" ::: "memory");
#endif
}

static inline void spin_lock(struct spinlock *l)
{
	uint32_t ticket = __atomic_fetch_add(&l->next, 1, __ATOMIC_RELAXED);

	/* Acquire: what the previous owner wrote is visible before the critical section reads it. */
	while (__atomic_load_n(&l->owner, __ATOMIC_ACQUIRE) != ticket)
		relax();
}

static inline void spin_unlock(struct spinlock *l)
{
	/* Release: all writes of the critical section are visible before the next owner enters. Only the owner writes this field. */
	__atomic_store_n(&l->owner, l->owner + 1, __ATOMIC_RELEASE);
}

#endif
