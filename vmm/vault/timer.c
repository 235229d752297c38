#include "timer.h"

static uint64_t armed[MVP_MAX_CPUS]; /* 0: not; each CPU has its own */

void timer_at(uint64_t when)
{
	unsigned cpu = arch_cpu();
	if (armed[cpu] && armed[cpu] <= when)
		return;
	armed[cpu] = when;
	hc(MVP_HC_TIMER, when, 0, 0);
}

void timer_fired(void)
{
	armed[arch_cpu()] = 0;
}
