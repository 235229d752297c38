/* What every part of the vault uses: bytes, checked ranges, locks, small text. Freestanding, no heap. */
#ifndef VAULT_LIB_H
#define VAULT_LIB_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "arch.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define SECTOR 512u /* bytes; unit of every disk address */

/* Kinds of address that must not be mixed. A C pointer is a VA. */
typedef struct {
	uint64_t v;
} paddr_t; /* physical: what a device is given for DMA */
typedef struct {
	uint64_t v;
} ipa_t; /* a persona's idea of an address: hostile */

/* True if [at, at + len) lies in [0, size), without overflow. */
static inline bool range_in(uint64_t at, uint64_t len, uint64_t size)
{
	return at <= size && len <= size - at;
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint16_t get_le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t get_le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t get_le64(const uint8_t *p)
{
	return get_le32(p) | (uint64_t)get_le32(p + 4) << 32;
}

static inline uint32_t get_be32(const uint8_t *p)
{
	return __builtin_bswap32(get_le32(p));
}

static inline uint64_t get_be64(const uint8_t *p)
{
	return __builtin_bswap64(get_le64(p));
}

static inline void put_be32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (24 - 8 * i));
}

static inline void put_be64(uint8_t *p, uint64_t v)
{
	put_be32(p, (uint32_t)(v >> 32));
	put_be32(p + 4, (uint32_t)v);
}

/* Zeroes a secret; the compiler may not leave it out. */
static inline void wipe(void *p, size_t len)
{
	memset(p, 0, len);
	__asm__ volatile("" : : "r"(p) : "memory");
}

static inline size_t text_len(const char *s)
{
	size_t n = 0;
	while (s[n])
		n++;
	return n;
}

/* Compares secrets: the time does not depend on the contents. */
static inline bool same_secret(const uint8_t *a, const uint8_t *b, size_t len)
{
	unsigned diff = 0;
	for (size_t i = 0; i < len; i++)
		diff |= (unsigned)(a[i] ^ b[i]);
	return diff == 0;
}

/* Locks. A vault vCPU is never preempted while it runs, so waiting is short. Order, outermost first:
 *   client lock (struct client) -> disk lock;   UART lock (struct vpl011) or console device's lock (struct vconsole) -> console lock;
 *   sending queue's lock (struct vnet) -> net lock;   console device's lock -> lock of the alerts (notify.c).
 * Nothing holds locks of two families at once. */
struct spinlock {
	uint32_t held;
};

static inline void spin_lock(struct spinlock *l)
{
	while (__atomic_exchange_n(&l->held, 1, __ATOMIC_ACQUIRE)) {
		while (__atomic_load_n(&l->held, __ATOMIC_RELAXED))
			arch_relax();
	}
}

static inline void spin_unlock(struct spinlock *l)
{
	__atomic_store_n(&l->held, 0, __ATOMIC_RELEASE);
}

/* Formats into buf, always NUL-terminated, cut to size; returns the length without NUL. Knows %s, %c, %u, %lu, %lx, %%. */
__attribute__((format(printf, 3, 0))) size_t text_vformat(char *buf, size_t size, const char *format, va_list args);
__attribute__((format(printf, 3, 4))) size_t text_format(char *buf, size_t size, const char *format, ...);

/* CRC-32 as in GPT (reflected 0xEDB88320): start with 0, feed pieces. */
uint32_t crc32_add(uint32_t crc, const uint8_t *data, size_t len);

#endif
