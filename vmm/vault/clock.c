#include "clock.h"

#include "drivers/pl031.h"

static struct {
	uint64_t seconds, counter; /* it was that late when the counter was there */
} origin;

/* A board's clock that was set back or stands still does not matter: the counter goes on. One that is ahead is believed. */
uint64_t clock_now(void)
{
	uint64_t now = origin.seconds + (arch_counter() - origin.counter) / arch_counter_hz();
	uint64_t board = pl031_seconds();
	if (board <= now)
		return now;
	origin.seconds = board;
	origin.counter = arch_counter();
	return board;
}

void clock_start(uint64_t at_least)
{
	origin.seconds = at_least;
	origin.counter = arch_counter();
}
