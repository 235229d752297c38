#include "vpl031.h"

#include "../drivers/pl031.h"
#include "../timer.h"
#include "mvp/machine.h"

#define REG_DR 0x00
#define REG_MR 0x04
#define REG_LR 0x08
#define REG_CR 0x0c
#define REG_IMSC 0x10
#define REG_RIS 0x14
#define REG_MIS 0x18
#define REG_ICR 0x1c
#define ID_AT 0xfe0

#define LOOK_MS 20 /* between looks at the clock in the second before an alarm: its seconds do not begin with the counter's */

static const uint8_t id[8] = { 0x31, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1 }; /* PeriphID r1, PCellID */

static struct clock {
	struct spinlock lock;
	uint32_t match, imsc, ris;
	bool armed;   /* the alarm is to come */
	unsigned cpu; /* whose timer waits for it */
	bool line;
} clocks[MVP_MAX_PERSONAS];

static void update_line(unsigned persona)
{
	struct clock *c = &clocks[persona];
	bool level = (c->ris & c->imsc) != 0;
	if (level != c->line) {
		c->line = level;
		hc(MVP_HC_IRQ_LINE, persona, MVP_GUEST_RTC_SPI, level);
	}
}

static void wait_for_match(struct clock *c)
{
	uint32_t left = c->match - pl031_seconds();
	c->cpu = arch_cpu();
	timer_at(arch_counter() + (left > 1 ? (uint64_t)(left - 1) * arch_counter_hz() : arch_ms(LOOK_MS)));
}

static void set_match(struct clock *c, uint32_t match)
{
	uint32_t left = match - pl031_seconds();
	c->match = match;
	/* An alarm in the past comes when the seconds have gone round, in up to 136 years: not here. */
	c->armed = left && left < 1u << 31;
	if (c->armed)
		wait_for_match(c);
	else if (!left)
		c->ris = 1;
}

void vpl031_tick(void)
{
	for (unsigned persona = 0; persona < MVP_MAX_PERSONAS; persona++) {
		struct clock *c = &clocks[persona];
		spin_lock(&c->lock);
		if (c->armed && c->cpu == arch_cpu()) {
			/* The tick may come late, and miss the second; but not by years. */
			if (pl031_seconds() - c->match < 1u << 31) {
				c->armed = false;
				c->ris = 1;
				update_line(persona);
			} else {
				wait_for_match(c);
			}
		}
		spin_unlock(&c->lock);
	}
}

void vpl031_reset(unsigned persona)
{
	struct clock *c = &clocks[persona];
	spin_lock(&c->lock);
	c->match = c->imsc = c->ris = 0;
	c->armed = false;
	update_line(persona);
	spin_unlock(&c->lock);
}

uint64_t vpl031_read(unsigned persona, uint32_t at, unsigned width)
{
	const struct clock *c = &clocks[persona]; /* single words, so no lock */
	if (width != 4)
		return 0;
	if (at >= ID_AT && at < ID_AT + 4 * sizeof(id))
		return (at & 3) ? 0 : id[(at - ID_AT) / 4];
	switch (at) {
	case REG_DR:
	case REG_LR:
		return pl031_seconds();
	case REG_MR:
		return c->match;
	case REG_CR:
		return 1; /* started; cannot be stopped */
	case REG_IMSC:
		return c->imsc;
	case REG_RIS:
		return c->ris;
	case REG_MIS:
		return c->ris & c->imsc;
	default:
		return 0;
	}
}

void vpl031_write(unsigned persona, uint32_t at, unsigned width, uint64_t value)
{
	struct clock *c = &clocks[persona];
	if (width != 4)
		return;
	spin_lock(&c->lock);
	if (at == REG_MR)
		set_match(c, (uint32_t)value);
	else if (at == REG_IMSC)
		c->imsc = value & 1;
	else if (at == REG_ICR)
		c->ris &= ~(uint32_t)value;
	update_line(persona);
	spin_unlock(&c->lock);
}
