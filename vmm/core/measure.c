#include "measure.h"

#ifdef MVP_MEASURE
static struct {
	uint64_t begin, queued, longest[MEASURE_KINDS];
} times[MVP_MAX_CPUS];

void measure_begin(struct pcpu *p)
{
	times[p->index].begin = now();
}

void measure_end(struct pcpu *p, uint32_t kind)
{
	uint64_t t = now() - times[p->index].begin, *longest = &times[p->index].longest[kind];

	if (t > *longest)
		*longest = t;
}

void measure_queued(struct pcpu *p)
{
	if (!p->irq_count)
		times[p->index].queued = times[p->index].begin;
}

uint64_t measure_delivered(struct pcpu *p)
{
	return times[p->index].queued;
}

void measure_report(void)
{
	for (uint32_t kind = 0; kind < MEASURE_KINDS; kind++) {
		uint64_t longest = 0;

		for (uint32_t i = 0; i < MVP_MAX_CPUS; i++)
			if (times[i].longest[kind] > longest)
				longest = times[i].longest[kind];
		if (longest) {
			put_str("mvp core: longest entry ");
			put_hex(kind);
			put_str(" ");
			put_hex(longest);
			put_str("\n");
		}
	}
}
#endif
