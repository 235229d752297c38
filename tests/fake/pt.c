/* The core's table builder with a way to give all tables back, for the next boot in the same process. */
#include <string.h>

#include "machine.h"
#include "vmm/core/pt.c"

void fake_pt_reset(void)
{
	memset(pool, 0, sizeof(pool));
	pool_used = 0;
}
