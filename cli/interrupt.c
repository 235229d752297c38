#include <signal.h>
#include <stdatomic.h>

#include "cli/cli.h"

static atomic_bool interrupted;

bool cli_interrupted(void)
{
	return atomic_load_explicit(&interrupted, memory_order_relaxed);
}

static void on_signal(int sig)
{
	(void)sig;
	atomic_store_explicit(&interrupted, true, memory_order_relaxed);
}

/* The first signal asks for an orderly end, which all that reads images heeds; SA_RESETHAND lets the second one kill. Writing into a pipe
 * without a reader is an error to report, not a reason to die in the middle of a build. */
void interrupt_catch(struct diag *d)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };
	sigemptyset(&sa.sa_mask);
	(void)sigaction(SIGINT, &sa, NULL);
	(void)sigaction(SIGTERM, &sa, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	diag_watch(d, &interrupted);
}
