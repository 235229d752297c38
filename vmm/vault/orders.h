/* Orders on their way through the vault, and what else people far away may ask it: the lines of the control port and the console
 * (control.c) that take longer than the asking CPU has. Each source has one question at a time; CPU 0 answers them in turn, as background
 * work. */
#ifndef VAULT_ORDERS_H
#define VAULT_ORDERS_H

#include "lib.h"
#include "mvp/machine.h"
#include "mvp/order.h"

/* Sources: each persona's agent by its index, and these. */
enum { ORDERS_CONSOLE = MVP_MAX_PERSONAS, ORDERS_BOARD, ORDERS_SOURCES };

#define ORDERS_LINE_MAX 4096   /* bytes of a question */
#define ORDERS_ANSWER_MAX 1536 /* of an answer, with its newline */

/* Any CPU; a source's calls come one after the other. */

/* Takes a line that is a question (without newline); false if it is none. There must be none under way. */
bool orders_ask(unsigned source, const char *line, size_t len);
bool orders_is_asked(unsigned source); /* the answer was not taken yet */
/* The answer, with newline, if it is there; 0: not yet. */
size_t orders_answer(unsigned source, char ret[ORDERS_ANSWER_MAX]);
void orders_forget(unsigned source); /* who asked is gone: nobody wants the answer. An order is carried out nevertheless */

/* Supplied by the sources: there is an answer. CPU 0. */
void orders_answered(unsigned source);

/* CPU 0. */
void orders_start(void);     /* takes what the board brings: the state is open */
void orders_end(void);       /* the power goes: a signature that is being made is forgotten */
bool orders_poll(bool work); /* work: a share of CPU time is there; returns whether it still is */
bool orders_has_work(void);

#endif
