#include "pl011.h"

#define REG_DR 0x00
#define REG_FR 0x18
#define REG_LCRH 0x2c
#define REG_CR 0x30
#define REG_IFLS 0x34
#define REG_IMSC 0x38
#define REG_ICR 0x44

#define FR_RXFE 0x10u
#define FR_TXFF 0x20u
#define LCRH_FEN 0x10u
#define LCRH_8BIT 0x60u
#define CR_ON 0x301u /* UARTEN, TXE, RXE */
#define INT_RX 0x10u
#define INT_TX 0x20u
#define INT_RT 0x40u

static uintptr_t uart;
static uint32_t mask;

void pl011_start(uintptr_t base)
{
	uart = base;
	mask = INT_RX | INT_RT;
	mmio_write32(uart + REG_ICR, 0x7ff);
	mmio_write32(uart + REG_LCRH, LCRH_FEN | LCRH_8BIT);
	/* Transmit at 1/8 full, receive at 1/8 full: the longest run without an interrupt, and the soonest. */
	mmio_write32(uart + REG_IFLS, 0);
	mmio_write32(uart + REG_CR, CR_ON);
	mmio_write32(uart + REG_IMSC, mask);
}

bool pl011_put(uint8_t c)
{
	if (mmio_read32(uart + REG_FR) & FR_TXFF)
		return false;
	mmio_write32(uart + REG_DR, c);
	return true;
}

int pl011_get(void)
{
	if (mmio_read32(uart + REG_FR) & FR_RXFE)
		return -1;
	return (uint8_t)mmio_read32(uart + REG_DR);
}

static void set_mask(uint32_t bits, bool on)
{
	uint32_t next = on ? mask | bits : mask & ~bits;
	if (next != mask)
		mmio_write32(uart + REG_IMSC, next);
	mask = next;
}

void pl011_tx_interrupt(bool on)
{
	set_mask(INT_TX, on);
}

void pl011_rx_interrupt(bool on)
{
	set_mask(INT_RX | INT_RT, on);
}

void pl011_ack(void)
{
	mmio_write32(uart + REG_ICR, INT_TX);
}
