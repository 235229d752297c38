/* The board's UART, an Arm PrimeCell PL011 (DDI 0183). The firmware set line speed and format. The caller holds the console lock. */
#ifndef VAULT_DRIVERS_PL011_H
#define VAULT_DRIVERS_PL011_H

#include "../lib.h"

void pl011_start(uintptr_t base);
bool pl011_put(uint8_t c);        /* false while the transmit FIFO is full */
int pl011_get(void);              /* -1 if nothing was received */
void pl011_tx_interrupt(bool on); /* when the transmit FIFO has room again */
void pl011_rx_interrupt(bool on);
void pl011_ack(void);

#endif
