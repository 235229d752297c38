/* Basic types of the core. An IPA and a PA cannot be mixed up: each is a struct of its own. */
#ifndef CORE_TYPES_H
#define CORE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
	uint64_t v;
} paddr_t;

typedef struct {
	uint64_t v;
} ipa_t;

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(n) (1ull << (n))

#endif
