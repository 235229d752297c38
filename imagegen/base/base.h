/* Attributes and ownership helpers every module uses. Knows nothing above it. */
#ifndef IMAGEGEN_BASE_H
#define IMAGEGEN_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define NORETURN __attribute__((noreturn))

/* Runs fn(&variable) when the variable leaves its scope. */
#define CLEANUP(fn) __attribute__((cleanup(fn)))

/* Marks a parameter the callee owns from the call on, also when it fails. */
#define TAKES

/* Moves a pointer out of a CLEANUP variable. */
#define TAKE(p) \
	__extension__({ \
		__typeof__(p) taken_ = (p); \
		(p) = NULL; \
		taken_; \
	})

/* DEFINE_FREEP(struct x, x_free) makes x_freep(struct x **) for CLEANUP; the free function takes NULL. */
#define DEFINE_FREEP(type, free_fn) \
	static inline void free_fn##p(type **p) \
	{ \
		free_fn(*p); \
		*p = NULL; \
	}

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define KIB ((uint64_t)1024)
#define MIB (KIB * 1024)
#define GIB (MIB * 1024)

struct diag;
struct image;

#endif
