#define OPENSSL_SUPPRESS_DEPRECATED /* EVP's contexts do not take a digest up where it was left; these older ones do */
#include "imagegen/hash/rounds.h"

#include <openssl/crypto.h>
#include <openssl/md5.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <string.h>

const uint32_t rounds_md5_first[ROUNDS_MD5_WORDS] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476 };
const uint32_t rounds_sha256_first[ROUNDS_SHA256_WORDS] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
							    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };

#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>

static bool has_shani;

static void look(void)
{
	unsigned a, b, c, d;
	has_shani = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSE4_1) && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA);
}

/* Has this CPU got SHA instructions? */
static bool shani_here(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT; /* to a virtual machine the question is a trap, which takes as long as 100 KiB */
	(void)pthread_once(&once, look);
	return has_shani;
}

/* Inlined with constant arguments, so that all indices, shifts and choices below are the compiler's. */
#define SHANI __attribute__((target("sha,sse4.1")))
#define SHANI_INLINE SHANI static inline __attribute__((always_inline))

static const uint32_t md5_k[64] = {
	0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501, 0x698098d8, 0x8b44f7af, 0xffff5bb1,
	0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821, 0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453,
	0xd8a1e681, 0xe7d3fbc8, 0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a, 0xfffa3942,
	0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70, 0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05,
	0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665, 0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d,
	0x85845dd1, 0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};
static const uint32_t sha256_k[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
	0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
	0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
	0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
	0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
	0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

struct md5 {
	const uint8_t *data;
	uint32_t a, b, c, d;
};

/* Operation i. In the second round the two halves of the function have no bit in common: added one by one, they wait less for b. */
SHANI_INLINE void md5_step(unsigned i, const uint8_t *data, uint32_t *a, uint32_t b, uint32_t c, uint32_t d)
{
	static const uint8_t shifts[16] = { 7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21 };
	static const uint8_t first[4] = { 0, 1, 5, 0 }, stride[4] = { 1, 5, 3, 7 };
	unsigned round = i / 16, shift = shifts[4 * round + i % 4];
	uint32_t word;
	memcpy(&word, data + 4 * ((first[round] + stride[round] * i) % 16), sizeof(word));
	*a += word + md5_k[i];
	switch (round) {
	case 0:
		*a += ((c ^ d) & b) ^ d;
		break;
	case 1:
		*a += ~d & c;
		*a += d & b;
		break;
	case 2:
		*a += b ^ (c ^ d);
		break;
	default:
		*a += c ^ (b | ~d);
	}
	*a = (*a << shift | *a >> (32 - shift)) + b;
}

/* Two operations of four, the first ones or the others. */
SHANI_INLINE void md5_two(struct md5 *v, unsigned group, bool first)
{
	if (first) {
		md5_step(4 * group, v->data, &v->a, v->b, v->c, v->d);
		md5_step(4 * group + 1, v->data, &v->d, v->a, v->b, v->c);
	} else {
		md5_step(4 * group + 2, v->data, &v->c, v->d, v->a, v->b);
		md5_step(4 * group + 3, v->data, &v->b, v->c, v->d, v->a);
	}
}

/* The instructions' order of the words: a b e f, c d g h. */
struct sha256 {
	const uint8_t *data;
	__m128i abef, cdgh;
	__m128i old_abef, old_cdgh; /* before the block */
	__m128i schedule[4];
	__m128i w;
};

SHANI_INLINE __m128i load(const void *p)
{
	return _mm_loadu_si128(p);
}

SHANI_INLINE void sha256_enter(struct sha256 *v, const uint32_t *words, const uint8_t *data)
{
	__m128i badc = _mm_shuffle_epi32(load(words), 0xb1), efgh = _mm_shuffle_epi32(load(words + 4), 0x1b);
	v->data = data;
	v->abef = _mm_alignr_epi8(badc, efgh, 8);
	v->cdgh = _mm_blend_epi16(efgh, badc, 0xf0);
}

SHANI_INLINE void sha256_leave(const struct sha256 *v, uint32_t *words)
{
	__m128i feba = _mm_shuffle_epi32(v->abef, 0x1b), dchg = _mm_shuffle_epi32(v->cdgh, 0xb1);
	_mm_storeu_si128((void *)words, _mm_blend_epi16(feba, dchg, 0xf0));
	_mm_storeu_si128((void *)(words + 4), _mm_alignr_epi8(dchg, feba, 8));
}

SHANI_INLINE void sha256_begin(struct sha256 *v)
{
	const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
	v->old_abef = v->abef;
	v->old_cdgh = v->cdgh;
	v->schedule[0] = _mm_shuffle_epi8(load(v->data), big_endian);
	v->schedule[1] = _mm_shuffle_epi8(load(v->data + 16), big_endian);
	v->schedule[2] = _mm_shuffle_epi8(load(v->data + 32), big_endian);
	v->schedule[3] = _mm_shuffle_epi8(load(v->data + 48), big_endian);
	v->data += ROUNDS_BLOCK;
}

/* Two rounds of four, the first ones or the others. */
SHANI_INLINE void sha256_two(struct sha256 *v, unsigned group, bool first)
{
	__m128i *now = &v->schedule[group % 4], last = v->schedule[(group + 3) % 4];
	if (first) {
		v->w = _mm_add_epi32(*now, load(sha256_k + 4 * (size_t)group));
		v->cdgh = _mm_sha256rnds2_epu32(v->cdgh, v->abef, v->w);
		return;
	}
	if (group < 12) { /* the words that this place has four groups later */
		*now = _mm_sha256msg1_epu32(*now, v->schedule[(group + 1) % 4]);
		*now = _mm_add_epi32(*now, _mm_alignr_epi8(last, v->schedule[(group + 2) % 4], 4));
		*now = _mm_sha256msg2_epu32(*now, last);
	}
	v->abef = _mm_sha256rnds2_epu32(v->abef, v->cdgh, _mm_shuffle_epi32(v->w, 0x0e));
}

SHANI_INLINE void sha256_end(struct sha256 *v)
{
	v->abef = _mm_add_epi32(v->abef, v->old_abef);
	v->cdgh = _mm_add_epi32(v->cdgh, v->old_cdgh);
}

#define FOUR_OF_BOTH(group) \
	do { \
		sha256_two(&s, group, true); \
		md5_two(&m, group, true); \
		sha256_two(&s, group, false); \
		md5_two(&m, group, false); \
	} while (0)
#define FOUR_OF_TWO(group) \
	do { \
		sha256_two(&a, group, true); \
		sha256_two(&b, group, true); \
		sha256_two(&a, group, false); \
		sha256_two(&b, group, false); \
	} while (0)
/* By name, since no compiler unrolls a loop before it decides what of a structure can be a register. */
#define ALL_GROUPS(four) \
	do { \
		four(0); \
		four(1); \
		four(2); \
		four(3); \
		four(4); \
		four(5); \
		four(6); \
		four(7); \
		four(8); \
		four(9); \
		four(10); \
		four(11); \
		four(12); \
		four(13); \
		four(14); \
		four(15); \
	} while (0)

SHANI static void md5_sha256(uint32_t md5[ROUNDS_MD5_WORDS], uint32_t sha256[ROUNDS_SHA256_WORDS], const uint8_t *data, size_t blocks)
{
	struct md5 m = { data, md5[0], md5[1], md5[2], md5[3] };
	struct sha256 s;
	sha256_enter(&s, sha256, data);
	for (; blocks; blocks--) {
		const struct md5 old = m;
		sha256_begin(&s);
		ALL_GROUPS(FOUR_OF_BOTH);
		sha256_end(&s);
		m = (struct md5){ m.data + ROUNDS_BLOCK, m.a + old.a, m.b + old.b, m.c + old.c, m.d + old.d };
	}
	sha256_leave(&s, sha256);
	md5[0] = m.a;
	md5[1] = m.b;
	md5[2] = m.c;
	md5[3] = m.d;
}

SHANI static void sha256_twice(const struct rounds_sha256 streams[2], size_t blocks)
{
	struct sha256 a, b;
	sha256_enter(&a, streams[0].words, streams[0].data);
	sha256_enter(&b, streams[1].words, streams[1].data);
	for (; blocks; blocks--) {
		sha256_begin(&a);
		sha256_begin(&b);
		ALL_GROUPS(FOUR_OF_TWO);
		sha256_end(&a);
		sha256_end(&b);
	}
	sha256_leave(&a, streams[0].words);
	sha256_leave(&b, streams[1].words);
}

#else

static bool shani_here(void)
{
	return false;
}

static void md5_sha256(uint32_t md5[ROUNDS_MD5_WORDS], uint32_t sha256[ROUNDS_SHA256_WORDS], const uint8_t *data, size_t blocks)
{
	(void)md5;
	(void)sha256;
	(void)data;
	(void)blocks;
}

static void sha256_twice(const struct rounds_sha256 streams[2], size_t blocks)
{
	(void)streams;
	(void)blocks;
}

#endif

static void md5_alone(uint32_t words[ROUNDS_MD5_WORDS], const uint8_t *data, size_t blocks)
{
	MD5_CTX c;
	(void)MD5_Init(&c);
	c.A = words[0];
	c.B = words[1];
	c.C = words[2];
	c.D = words[3];
	(void)MD5_Update(&c, data, blocks * ROUNDS_BLOCK);
	words[0] = c.A;
	words[1] = c.B;
	words[2] = c.C;
	words[3] = c.D;
}

static void sha256_alone(uint32_t words[ROUNDS_SHA256_WORDS], const uint8_t *data, size_t blocks)
{
	SHA256_CTX c;
	(void)SHA256_Init(&c);
	memcpy(c.h, words, sizeof(c.h));
	(void)SHA256_Update(&c, data, blocks * ROUNDS_BLOCK);
	memcpy(words, c.h, sizeof(c.h));
	OPENSSL_cleanse(&c, sizeof(c));
}

static _Atomic bool openssl_only;

bool rounds_by_openssl(bool on)
{
	openssl_only = on;
	return shani_here();
}

void rounds_md5_sha256(uint32_t md5[ROUNDS_MD5_WORDS], uint32_t sha256[ROUNDS_SHA256_WORDS], const uint8_t *data, size_t blocks)
{
	if (shani_here() && !openssl_only) {
		md5_sha256(md5, sha256, data, blocks);
		return;
	}
	md5_alone(md5, data, blocks);
	sha256_alone(sha256, data, blocks);
}

void rounds_sha256_two(const struct rounds_sha256 streams[2], size_t blocks)
{
	if (shani_here() && !openssl_only) {
		sha256_twice(streams, blocks);
		return;
	}
	sha256_alone(streams[0].words, streams[0].data, blocks);
	sha256_alone(streams[1].words, streams[1].data, blocks);
}
