/* AES-256-XTS by the instructions of FEAT_AES (Arm ARM C7.2: AESE, AESD, AESMC, AESIMC). AESE adds the round key first, then substitutes
 * and shifts, so round i of FIPS 197 is AESE with key i-1 and AESMC, and the last key is added by hand. */
#include <arm_neon.h>

#include "aes.h"

#define LANES 4 /* blocks in flight: hides the latency of the AES unit on cores from Cortex-A53 up */

/* 16 bytes anywhere: the MMU is on here, while intrinsics would obey -mstrict-align byte by byte. */
static inline uint8x16_t load(const uint8_t *p)
{
	uint8x16_t v;
	__asm__("ldr %q0, %1" : "=w"(v) : "Q"(*(const uint8_t(*)[16])p));
	return v;
}

static inline void store(uint8_t *p, uint8x16_t v)
{
	__asm__("str %q1, %0" : "=Q"(*(uint8_t(*)[16])p) : "w"(v));
}

/* No key material stays in the registers. */
static __attribute__((noinline)) void forget_registers(void)
{
	__asm__ volatile(
		"movi v0.2d, #0\n\tmovi v1.2d, #0\n\tmovi v2.2d, #0\n\tmovi v3.2d, #0\n\tmovi v4.2d, #0\n\tmovi v5.2d, #0\n\t"
		"movi v6.2d, #0\n\tmovi v7.2d, #0\n\tmovi v16.2d, #0\n\tmovi v17.2d, #0\n\tmovi v18.2d, #0\n\tmovi v19.2d, #0\n\t"
		"movi v20.2d, #0\n\tmovi v21.2d, #0\n\tmovi v22.2d, #0\n\tmovi v23.2d, #0\n\tmovi v24.2d, #0\n\tmovi v25.2d, #0\n\t"
		"movi v26.2d, #0\n\tmovi v27.2d, #0\n\tmovi v28.2d, #0\n\tmovi v29.2d, #0\n\tmovi v30.2d, #0\n\tmovi v31.2d, #0"
		:
		:
		: "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25",
		  "v26", "v27", "v28", "v29", "v30", "v31");
}

/* SubWord of FIPS 197 without a table: AESE with a zero key substitutes every byte; all columns are equal, so the shift changes nothing. */
static uint32_t sub_word(uint32_t w)
{
	uint8x16_t v = vreinterpretq_u8_u32(vdupq_n_u32(w));
	return vgetq_lane_u32(vreinterpretq_u32_u8(vaeseq_u8(v, vdupq_n_u8(0))), 0);
}

static void expand(uint8_t out[AES_ROUNDS + 1][16], const uint8_t key[32])
{
	uint32_t w[4 * (AES_ROUNDS + 1)];
	uint32_t rcon = 1;
	memcpy(w, key, 32);
	for (unsigned i = 8; i < ARRAY_LEN(w); i++) {
		uint32_t t = w[i - 1];
		if (i % 8 == 0) {
			t = sub_word(t >> 8 | t << 24) ^ rcon; /* little endian: RotWord is a rotation right */
			rcon <<= 1;                            /* at most 0x40: seven steps */
		} else if (i % 8 == 4) {
			t = sub_word(t);
		}
		w[i] = w[i - 8] ^ t;
	}
	memcpy(out, w, sizeof(w));
	wipe(w, sizeof(w));
}

void aes_xts_set_key(struct aes_xts_key *k, const uint8_t key[XTS_KEY_LEN])
{
	expand(k->encrypt, key);
	expand(k->tweak, key + 32);
	/* Equivalent inverse cipher, FIPS 197 section 5.3.5. */
	for (unsigned i = 0; i <= AES_ROUNDS; i++) {
		uint8x16_t v = load(k->encrypt[AES_ROUNDS - i]);
		if (i != 0 && i != AES_ROUNDS)
			v = vaesimcq_u8(v);
		store(k->decrypt[i], v);
	}
	forget_registers();
}

static inline uint8x16_t encrypt_block(const uint8_t keys[AES_ROUNDS + 1][16], uint8x16_t v)
{
	for (unsigned i = 0; i < AES_ROUNDS - 1; i++)
		v = vaesmcq_u8(vaeseq_u8(v, load(keys[i])));
	v = vaeseq_u8(v, load(keys[AES_ROUNDS - 1]));
	return veorq_u8(v, load(keys[AES_ROUNDS]));
}

/* Tweak of the next block: times x in GF(2^128), IEEE 1619 section 5.2. */
static inline uint8x16_t next_tweak(uint8x16_t t)
{
	int64x2_t sign = vshrq_n_s64(vreinterpretq_s64_u8(t), 63); /* all ones where the half's top bit is set */
	uint64x2_t carry =
		vreinterpretq_u64_s64(vextq_s64(sign, sign, 1)); /* low half gets the high one's carry, and the other way round */
	const uint64x2_t mask = vcombine_u64(vcreate_u64(0x87), vcreate_u64(1));
	return vreinterpretq_u8_u64(veorq_u64(vshlq_n_u64(vreinterpretq_u64_u8(t), 1), vandq_u64(carry, mask)));
}

/* The 15 round keys, for which the compiler has registers beside those of the lanes: loaded once for a data unit. */
struct round_keys {
	uint8x16_t k[AES_ROUNDS + 1];
};

static inline __attribute__((always_inline)) void load_keys(struct round_keys *r, const uint8_t keys[AES_ROUNDS + 1][16])
{
#pragma GCC unroll 16
	for (unsigned i = 0; i <= AES_ROUNDS; i++)
		r->k[i] = load(keys[i]);
}

/* n blocks at data, whose tweaks begin with *tweak, all rounds of all blocks in step. */
static inline __attribute__((always_inline)) void cipher(const struct round_keys *r, uint8_t *data, unsigned n, uint8x16_t *tweak,
							 bool encrypt)
{
	uint8x16_t v[LANES], t[LANES];
#pragma GCC unroll 8
	for (unsigned l = 0; l < n; l++) {
		t[l] = *tweak;
		*tweak = next_tweak(*tweak);
		v[l] = veorq_u8(load(data + (size_t)16 * l), t[l]);
	}
#pragma GCC unroll 16
	for (unsigned i = 0; i < AES_ROUNDS - 1; i++) {
#pragma GCC unroll 8
		for (unsigned l = 0; l < n; l++)
			v[l] = encrypt ? vaesmcq_u8(vaeseq_u8(v[l], r->k[i])) : vaesimcq_u8(vaesdq_u8(v[l], r->k[i]));
	}
#pragma GCC unroll 8
	for (unsigned l = 0; l < n; l++) {
		v[l] = encrypt ? vaeseq_u8(v[l], r->k[AES_ROUNDS - 1]) : vaesdq_u8(v[l], r->k[AES_ROUNDS - 1]);
		store(data + (size_t)16 * l, veorq_u8(veorq_u8(v[l], r->k[AES_ROUNDS]), t[l]));
	}
}

static inline __attribute__((always_inline)) void xts(const struct aes_xts_key *k, uint64_t iv, uint8_t *data, size_t len, bool encrypt)
{
	uint8x16_t tweak = encrypt_block(k->tweak, vreinterpretq_u8_u64(vcombine_u64(vcreate_u64(iv), vcreate_u64(0))));
	struct round_keys r;

	load_keys(&r, encrypt ? k->encrypt : k->decrypt);
	for (; len >= 16 * LANES; data += 16 * LANES, len -= 16 * LANES)
		cipher(&r, data, LANES, &tweak, encrypt);
	for (; len >= 16; data += 16, len -= 16)
		cipher(&r, data, 1, &tweak, encrypt);
	forget_registers();
}

void aes_xts_encrypt(const struct aes_xts_key *k, uint64_t iv, uint8_t *data, size_t len)
{
	xts(k, iv, data, len, true);
}

void aes_xts_decrypt(const struct aes_xts_key *k, uint64_t iv, uint8_t *data, size_t len)
{
	xts(k, iv, data, len, false);
}
