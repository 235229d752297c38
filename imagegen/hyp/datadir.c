/* Where templates/ and the hypervisor's sources are. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imagegen/hyp/hyp.h"

static char found[4096];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static bool has_templates(const char *dir)
{
	char probe[4200];
	int n = snprintf(probe, sizeof(probe), "%s/templates/boards", dir);
	return n > 0 && (size_t)n < sizeof(probe) && !access(probe, R_OK | X_OK);
}

static void find(void)
{
	/* Beside the program in a build folder, the source tree around build/, an installation moved as a whole. */
	static const char *const beside[] = { "share/mvp", "..", "../share/mvp" };
	const char *env = getenv("MVP_DATADIR");
	char exe[3000];
	ssize_t n;
	if (env && *env) {
		(void)snprintf(found, sizeof(found), "%s", env);
		return;
	}
	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	if (n > 0) {
		char *slash;
		exe[n] = '\0';
		slash = strrchr(exe, '/');
		if (slash)
			*slash = '\0';
		for (size_t i = 0; slash && i < ARRAY_LEN(beside); i++) {
			char real[4096];
			(void)snprintf(found, sizeof(found), "%s/%s", exe, beside[i]);
			if (has_templates(found)) {
				if (realpath(found, real))
					(void)snprintf(found, sizeof(found), "%s", real);
				return;
			}
		}
	}
	(void)snprintf(found, sizeof(found), "%s", MVP_DATADIR);
}

const char *datadir(void)
{
	(void)pthread_once(&once, find);
	return found;
}
