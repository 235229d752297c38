/* Random numbers for personas that ask for entropy: a hash generator that forgets each state it leaves, seeded from the board's entropy
 * device whenever a persona is loaded. Any CPU. */
#ifndef VAULT_RANDOM_H
#define VAULT_RANDOM_H

#include "lib.h"

#define RANDOM_SEED_LEN 32

void random_seed(const uint8_t seed[RANDOM_SEED_LEN]);
bool random_is_seeded(void);
/* False, and nothing written, while there was no seed. The generator's lock is held for all of it: some hundred bytes at a time. */
bool random_bytes(uint8_t *ret, size_t len);
/* False while there was no seed; then ret is zeros. */
bool random_words(uint64_t ret[3]);

#endif
