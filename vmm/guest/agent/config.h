/* What the agent is told: the defaults, /etc/mvp/agent.conf, options. */
#ifndef GUEST_AGENT_CONFIG_H
#define GUEST_AGENT_CONFIG_H

#include "agent.h"

#define CONFIG_TEXT_MAX 512u
#define AGENT_SOCKET "/run/mvp-agent.sock"

struct config {
	char orders[CONFIG_TEXT_MAX];  /* address that orders are fetched from; empty: none are */
	char ca[CONFIG_TEXT_MAX];      /* file with the certificates that https trusts; empty: the persona's own */
	char https[CONFIG_TEXT_MAX];   /* program that does https:// (fetch.h) */
	char state[CONFIG_TEXT_MAX];   /* folder of what outlives a restart */
	char socket[CONFIG_TEXT_MAX];  /* for mvp-agent's other commands */
	char control[CONFIG_TEXT_MAX]; /* device file of the control port; empty: found by the port's name */
	char notify[CONFIG_TEXT_MAX];  /* likewise of the alerts' port */
	char hook[CONFIG_TEXT_MAX];    /* program that is started for what comes from the other side; empty: none */
	char bus[CONFIG_TEXT_MAX];     /* socket of a session's bus, "auto" or "none" */
	char interval[16];             /* seconds between looks for orders */
	char keep[16];                 /* alerts of the other side that are kept at most */
	uint64_t interval_ms, keep_count;
};

/* False, with a log line, if something in it is wrong. args: those of the command line, each --NAME=VALUE; a file that is named by --config
 * must be there. Returns in ret_rest the first that is none of these. */
bool config_read(struct config *c, char *const *args, char *const **ret_rest);

#endif
