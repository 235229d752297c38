#include "vpl031.h"

#include "drivers/pl031.h"
#include "mvp/machine.h"

#define REG_DR 0x00
#define REG_MR 0x04
#define REG_LR 0x08
#define REG_CR 0x0c
#define REG_IMSC 0x10
#define ID_AT 0xfe0

static const uint8_t id[8] = { 0x31, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1 }; /* PeriphID, PCellID */

static struct {
	uint32_t match, mask; /* single words, so no lock */
} clocks[MVP_MAX_PERSONAS];

uint64_t vpl031_read(unsigned persona, uint32_t at, unsigned width)
{
	if (width != 4)
		return 0;
	if (at >= ID_AT && at < ID_AT + 4 * sizeof(id))
		return (at & 3) ? 0 : id[(at - ID_AT) / 4];
	switch (at) {
	case REG_DR:
	case REG_LR:
		return pl031_seconds();
	case REG_MR:
		return clocks[persona].match;
	case REG_CR:
		return 1; /* started; cannot be stopped */
	case REG_IMSC:
		return clocks[persona].mask;
	default:
		return 0;
	}
}

void vpl031_write(unsigned persona, uint32_t at, unsigned width, uint64_t value)
{
	if (width == 4 && at == REG_MR)
		clocks[persona].match = (uint32_t)value;
	if (width == 4 && at == REG_IMSC)
		clocks[persona].mask = value & 1;
}
