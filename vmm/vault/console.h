/* The console of the handset: one UART for both personas and the vault. The syntax is at the top of console.c. */
#ifndef VAULT_CONSOLE_H
#define VAULT_CONSOLE_H

#include "lib.h"

void console_start(void);
bool console_irq(uint32_t intid); /* CPU 0; false if the interrupt is not the UART's */
void console_input(void);         /* CPU 0: goes on reading input that had to wait */
void console_tick(uint64_t now);  /* shows unfinished lines that have waited long enough */

/* One line of the vault's own. No newline in it. */
__attribute__((format(printf, 1, 2))) void console_log(const char *format, ...);

/* The same of any length. */
void console_line(const char *text);
void console_answer(unsigned source);  /* orders.h has an answer for the console, or for the board's order */
void console_forget(unsigned persona); /* what is kept of the persona's output (CPU 0) */

/* Output of a persona; false, and not taken, when there is no room: console_has_room() says when. vpl011_room() is called then. */
bool console_put(unsigned persona, uint8_t c);
bool console_has_room(unsigned persona);

void console_wants_input(unsigned persona); /* it has read all it had */

/* The persona in front changed (CPU 0). */
void console_show(unsigned persona);
unsigned console_front(void);
/* The front persona waits for its passcode, or no longer does (CPU 0). */
void console_ask_passcode(bool ask);

#endif
