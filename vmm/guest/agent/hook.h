/* The program that the configuration names for what comes from the other side. */
#ifndef GUEST_AGENT_HOOK_H
#define GUEST_AGENT_HOOK_H

#include "item.h"

/* Starts it and does not wait: what it is about is in its environment (mvp-agent(8)), the body on its standard input. */
void hook_run(const char *program, const char *from, const struct item *i);

#endif
