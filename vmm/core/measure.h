/* The longest stay in EL2 by kind of entry, kept when the manifest says `hypervisor.build: measure` (MVP_MEASURE); nothing otherwise.
 * Waiting for an interrupt is not counted. */
#ifndef CORE_MEASURE_H
#define CORE_MEASURE_H

#include "cpu.h"

/* Kinds: exception class of a trap (0..63), then these. */
enum { MEASURE_IRQ = 64, MEASURE_SERROR, MEASURE_HC /* + number of the vault's hypercall */, MEASURE_KINDS = MEASURE_HC + 16 };

#ifdef MVP_MEASURE
void measure_begin(struct pcpu *p);
void measure_end(struct pcpu *p, uint32_t kind);
/* A device's interrupt is queued for the vault: it came when this entry began. Then, when the vault is given one, the oldest such time. */
void measure_queued(struct pcpu *p);
uint64_t measure_delivered(struct pcpu *p);
/* A line per kind that occurred, on the debug UART: kind and counter ticks. */
void measure_report(void);
#else
static inline void measure_begin(struct pcpu *p)
{
	(void)p;
}

static inline void measure_end(struct pcpu *p, uint32_t kind)
{
	(void)p;
	(void)kind;
}

static inline void measure_queued(struct pcpu *p)
{
	(void)p;
}

static inline uint64_t measure_delivered(struct pcpu *p)
{
	(void)p;
	return 0;
}

static inline void measure_report(void)
{
}
#endif

#endif
