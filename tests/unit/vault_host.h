/* The machine that vault code sees in a host program: hypercalls are recorded, time is a variable, AES and SHA-256 are OpenSSL's. Include
 * it first: it defines MVP_HOST. A program with several threads gives each a CPU of its own. */
#ifndef TESTS_UNIT_VAULT_HOST_H
#define TESTS_UNIT_VAULT_HOST_H

#define MVP_HOST 1
#define OPENSSL_SUPPRESS_DEPRECATED /* SHA256_Transform: the bare compression function is what the vault has */

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>

#include "vmm/vault/aes.h"
#include "vmm/vault/lib.h"
#include "vmm/vault/sha256.h"

static uint64_t host_time;                        /* counter; 1 MHz */
static unsigned host_lines[MVP_MAX_PERSONAS][64]; /* levels by MVP_HC_IRQ_LINE */
static unsigned host_edges[MVP_MAX_PERSONAS][64]; /* rising ones */
static bool host_irqs[128];                       /* physical ones that MVP_HC_IRQ_ENABLE has on */
static unsigned host_doorbells, host_timers;
static uint32_t host_rung; /* CPUs whose doorbell was rung: bit map */
static _Thread_local unsigned host_cpu;
static uint64_t host_timer;

int64_t hc(uint64_t fn, uint64_t a1, uint64_t a2, uint64_t a3)
{
	if (fn == MVP_HC_IRQ_LINE && a1 < MVP_MAX_PERSONAS && a2 < 64) {
		host_edges[a1][a2] += a3 && !host_lines[a1][a2];
		host_lines[a1][a2] = (unsigned)a3;
	}
	if (fn == MVP_HC_IRQ_ENABLE && a1 < 128)
		host_irqs[a1] = a2;
	if (fn == MVP_HC_DOORBELL) {
		__atomic_fetch_add(&host_doorbells, 1, __ATOMIC_RELAXED);
		__atomic_fetch_or(&host_rung, 1u << a1, __ATOMIC_RELEASE);
	}
	if (fn == MVP_HC_TIMER) {
		host_timers++;
		host_timer = a1;
	}
	if (fn == MVP_HC_PANIC)
		abort();
	return 0;
}

uint64_t arch_counter(void)
{
	return host_time;
}

uint32_t arch_counter_hz(void)
{
	return 1000000;
}

unsigned arch_cpu(void)
{
	return host_cpu;
}

void sha256_compress(uint32_t state[8], const uint8_t *blocks, size_t count)
{
	SHA256_CTX c;
	SHA256_Init(&c);
	for (int i = 0; i < 8; i++)
		c.h[i] = state[i];
	for (; count; count--, blocks += SHA256_BLOCK)
		SHA256_Transform(&c, blocks);
	for (int i = 0; i < 8; i++)
		state[i] = c.h[i];
}

/* The raw key is kept where the round keys would be. */
void aes_xts_set_key(struct aes_xts_key *k, const uint8_t key[XTS_KEY_LEN])
{
	memcpy(k->encrypt, key, XTS_KEY_LEN);
}

static void host_xts(const struct aes_xts_key *k, uint64_t iv, uint8_t *data, size_t len, int encrypt)
{
	uint8_t tweak[16] = { 0 };
	int n = 0;
	for (int i = 0; i < 8; i++)
		tweak[i] = (uint8_t)(iv >> (8 * i));
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	if (!c || !EVP_CipherInit_ex(c, EVP_aes_256_xts(), NULL, k->encrypt[0], tweak, encrypt) ||
	    !EVP_CipherUpdate(c, data, &n, data, (int)len) || n != (int)len)
		abort();
	EVP_CIPHER_CTX_free(c);
}

void aes_xts_encrypt(const struct aes_xts_key *k, uint64_t iv, uint8_t *data, size_t len)
{
	host_xts(k, iv, data, len, 1);
}

void aes_xts_decrypt(const struct aes_xts_key *k, uint64_t iv, uint8_t *data, size_t len)
{
	host_xts(k, iv, data, len, 0);
}

#endif
