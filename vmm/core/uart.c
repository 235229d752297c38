/* The debug UART: a few words when something is wrong, no formatting. The vault owns the UART otherwise. */
#include "arch.h"
#include "cpu.h"

enum { UART_DR = 0x00, UART_FR = 0x18, FR_TXFF = 1 << 5, TX_POLLS = 100000 };

static void put_char(char c)
{
	uint64_t uart = mvp_core_config.debug_uart_pa;

	for (int i = 0; i < TX_POLLS && (mmio_read32(uart + UART_FR) & FR_TXFF); i++)
		; /* a dead UART must not hold us */
	mmio_write32(uart + UART_DR, (uint8_t)c);
}

void put_str(const char *s)
{
	for (; *s; s++) {
		if (*s == '\n')
			put_char('\r');
		put_char(*s);
	}
}

void put_hex(uint64_t v)
{
	put_str("0x");
	for (int shift = 60; shift >= 0; shift -= 4)
		if (v >> shift || shift == 0)
			put_char("0123456789abcdef"[(v >> shift) & 0xf]);
}

void put_line(const char *what, uint64_t v)
{
	put_str("\nmvp core: ");
	put_str(what);
	put_str(" ");
	put_hex(v);
	put_str("\n");
}
