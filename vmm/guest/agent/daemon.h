/* The agent itself: the loop around its ports, transfers and clients. */
#ifndef GUEST_AGENT_DAEMON_H
#define GUEST_AGENT_DAEMON_H

#include "config.h"

/* A request of another mvp-agent process is one packet on the agent's socket, and so is its answer: text. */
#define DAEMON_PACKET_MAX 8192u

/* Until a signal ends it; returns an exit status. */
int daemon_run(const struct config *config);

#endif
