#include "random.h"

#include "sha256.h"

enum { PURPOSE_SEED, PURPOSE_OUTPUT, PURPOSE_NEXT };

static struct spinlock lock;
static uint8_t pool[SHA256_LEN];
static bool seeded;

/* SHA-256 of purpose, state and extra. Neither the output nor the next state tells the other or the state they come from. */
static void derive(uint8_t purpose, const uint8_t *extra, size_t extra_len, uint8_t ret[SHA256_LEN])
{
	struct sha256 s;
	sha256_init(&s);
	sha256_add(&s, &purpose, 1);
	sha256_add(&s, pool, sizeof(pool));
	if (extra_len)
		sha256_add(&s, extra, extra_len);
	sha256_end(&s, ret);
}

void random_seed(const uint8_t seed[RANDOM_SEED_LEN])
{
	spin_lock(&lock);
	derive(PURPOSE_SEED, seed, RANDOM_SEED_LEN, pool);
	seeded = true;
	spin_unlock(&lock);
}

bool random_is_seeded(void)
{
	spin_lock(&lock);
	bool have = seeded;
	spin_unlock(&lock);
	return have;
}

bool random_bytes(uint8_t *ret, size_t len)
{
	uint8_t out[SHA256_LEN], index[4];
	spin_lock(&lock);
	bool have = seeded;
	for (uint32_t i = 0; have && len; i++) {
		size_t n = min_u64(len, sizeof(out));
		put_be32(index, i);
		derive(PURPOSE_OUTPUT, index, i ? sizeof(index) : 0, out);
		memcpy(ret, out, n);
		ret += n;
		len -= n;
	}
	if (have)
		derive(PURPOSE_NEXT, NULL, 0, pool);
	spin_unlock(&lock);
	wipe(out, sizeof(out));
	return have;
}

bool random_words(uint64_t ret[3])
{
	uint8_t out[24] = { 0 };
	bool have = random_bytes(out, sizeof(out));
	for (size_t i = 0; i < 3; i++)
		ret[i] = get_le64(out + 8 * i);
	wipe(out, sizeof(out));
	return have;
}
