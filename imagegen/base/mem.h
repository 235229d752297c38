/* Memory. The aborting calls are for small things this program decides the size of; anything sized by input goes through mem_try(), with a
 * ceiling and a diagnostic of the caller's. All memory but the large comes zeroed, and all is freed with free(). */
#ifndef IMAGEGEN_MEM_H
#define IMAGEGEN_MEM_H

#include <stdarg.h>
#include <stdlib.h>

#include "imagegen/base/base.h"

#define mem_new(type) ((type *)mem_zeroed(1, sizeof(type)))
#define mem_array(type, count) ((type *)mem_zeroed((count), sizeof(type)))

/* Never NULL, also for 0 items. */
void *mem_zeroed(size_t count, size_t size);
/* For what is some MiB: on huge pages where there are any, since a small one costs a virtual machine up to 20 us. What is in it is
 * undefined. */
void *mem_large(size_t len);
MUST_USE void *mem_try_large(size_t len); /* NULL when memory is out */
char *mem_strdup(const char *s);          /* NULL for NULL */
char *mem_strndup(const char *s, size_t len);
char *mem_printf(const char *fmt, ...) PRINTF_LIKE(1, 2);
char *mem_vprintf(const char *fmt, va_list ap) PRINTF_LIKE(1, 0);

/* Makes room for one more item after count ones: mem_grow((void **)&v, count, &capacity, sizeof(*v)). Aborts when memory runs out. */
void mem_grow(void *pointer_to_array, size_t count, size_t *capacity, size_t size);

/* NULL when count * size overflows or memory is out. */
MUST_USE void *mem_try(size_t count, size_t size);

static inline void mem_freep(void *pointer_to_pointer)
{
	void **p = pointer_to_pointer;
	free(*p);
	*p = NULL;
}

/* char *s CLEANUP_FREE = NULL; for any pointer got from malloc. */
#define CLEANUP_FREE CLEANUP(mem_freep)

#endif
