/* What the agent of a persona asks of the handset over its control port; the protocol is at the top of control.c. */
#ifndef VAULT_CONTROL_H
#define VAULT_CONTROL_H

#include "lib.h"
#include "orders.h"

#define CONTROL_ANSWER_MAX 64
#define CONTROL_EVENT_MAX ORDERS_ANSWER_MAX

/* The port, one at a time for each persona, any CPU. */
void control_plug(unsigned persona); /* the persona begins: nothing is known of it */
void control_open(unsigned persona); /* an agent begins: nothing is left of the one before */
/* The next byte from the agent. Returns the length of the answer that it completes, with its newline, or 0. */
size_t control_byte(unsigned persona, uint8_t c, char ret_answer[CONTROL_ANSWER_MAX]);
/* An answer is being worked out: no byte is taken before control_event() has told it. */
bool control_is_busy(unsigned persona);
/* The line to tell the agent without having been asked, or the answer that took long; 0 if there is none. */
size_t control_event(unsigned persona, char ret_line[CONTROL_EVENT_MAX]);

/* Supplied by the port: there is something for control_event() to tell. CPU 0. */
void control_wake(unsigned persona);

/* Supplied by the trusted bar: control_alerts() of a persona changed. CPU 0, at most ten times a second. */
void control_alerts_changed(void);

/* How many wait in it, up to 999: what its agent said, or how many it sent (notify.h), whichever is more. Any CPU. */
unsigned control_alerts(unsigned persona);
void control_alerts_moved(void); /* the latter changed. Any CPU, any lock may be held */
/* The persona gives the screen away, if it has it and may ask for a switch: what the line `switch` does. Any CPU, any lock may be held. */
bool control_yield(unsigned persona);
/* Acts on what agents asked for, and notices who is in front. CPU 0, after each event. */
void control_poll(void);

#endif
