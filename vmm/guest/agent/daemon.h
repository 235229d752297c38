/* The agent itself: the loop around its ports, transfers and clients. */
#ifndef GUEST_AGENT_DAEMON_H
#define GUEST_AGENT_DAEMON_H

#include "config.h"

/* Until a signal ends it; returns an exit status. */
int daemon_run(const struct config *config);

#endif
