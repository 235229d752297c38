/* Opens a persona's container with a passcode: each key slot in order, in steps. */
#include "identity.h"
#include "job.h"
#include "state.h"

#define MERGE_PIECE 0x2000u /* bytes merged between looks at the clock */
#define KDF_PIECE 32u       /* iterations, likewise */

static struct luks2_keyslot *slot(const struct job *j)
{
	return &personas[j->persona].luks.slot[j->unlock.slot];
}

static void forget(struct job *j)
{
	wipe(&j->unlock, sizeof(j->unlock));
	wipe(j->buf, sizeof(j->buf));
	j->state = JOB_IDLE;
}

static enum job_state finish(struct job *j, bool right)
{
	forget(j);
	handset_unlock_result(j->persona, right);
	return j->state; /* the result may have started what comes next */
}

enum job_state unlock_end(struct job *j)
{
	return finish(j, true);
}

static void put_hex(uint8_t *to, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < 2 * len; i++) {
		uint8_t digit = i % 2 ? bytes[i / 2] & 15 : bytes[i / 2] >> 4;
		/* By arithmetic: a table would show in the cache which digits they are. */
		to[i] = (uint8_t)('0' + digit + (((9 - digit) >> 8) & ('a' - '0' - 10)));
	}
}

size_t unlock_secret(const struct luks2 *l, bool bound, const uint8_t *passcode, size_t len, uint8_t ret[UNLOCK_SECRET_MAX])
{
	uint8_t key[SHA256_LEN], mac[SHA256_LEN];
	struct hmac_sha256 h;
	_Static_assert(2 * SHA256_LEN <= UNLOCK_SECRET_MAX, "a bound secret is the digits of a MAC");
	if (!bound) {
		memcpy(ret, passcode, len);
		return len;
	}
	identity_derive(MVP_LABEL_PASSCODE, key);
	hmac_sha256_init(&h, key, sizeof(key));
	hmac_sha256_add(&h, l->uuid, LUKS2_UUID_LEN);
	hmac_sha256_add(&h, passcode, len);
	hmac_sha256_end(&h, mac);
	put_hex(ret, mac, sizeof(mac));
	wipe(key, sizeof(key));
	wipe(mac, sizeof(mac));
	return 2 * sizeof(mac);
}

static enum job_state try_slot(struct job *j)
{
	if (j->unlock.slot == personas[j->persona].luks.slots_count)
		return finish(j, false);
	const struct luks2_keyslot *s = slot(j);
	uint8_t secret[UNLOCK_SECRET_MAX];
	size_t len = unlock_secret(&personas[j->persona].luks, s->bound, j->unlock.passcode, j->unlock.passcode_len, secret);
	pbkdf2_start(&j->unlock.kdf, secret, len, s->salt, s->salt_len, s->iterations, XTS_KEY_LEN);
	wipe(secret, sizeof(secret));
	return JOB_KDF;
}

void unlock_start(struct job *j, const struct passcodes *p, uint32_t ticket)
{
	wipe(&j->unlock, sizeof(j->unlock));
	j->unlock.passcode_len = min_u64(p->passcode_len, sizeof(j->unlock.passcode));
	memcpy(j->unlock.passcode, p->passcode, j->unlock.passcode_len);
	j->unlock.next_len = min_u64(p->next_len, sizeof(j->unlock.next));
	if (j->unlock.next_len)
		memcpy(j->unlock.next, p->next, j->unlock.next_len);
	j->ticket = ticket;
	j->state = JOB_COUNTED;
}

/* No attempt that is not counted, whenever the power goes. */
enum job_state unlock_counted(struct job *j)
{
	enum state_done done = state_settled(j->ticket);
	if (done == STATE_PENDING)
		return JOB_COUNTED;
	if (done == STATE_DONE)
		return try_slot(j);
	forget(j);
	handset_unlock_refused(j->persona, "the attempt cannot be recorded");
	return j->state;
}

static enum job_state read_area(struct job *j)
{
	uint64_t left = (uint64_t)MVP_LUKS2_KEY_LEN * MVP_LUKS2_STRIPES - j->unlock.done;
	/* Key material ends inside a sector: 64 * 4000 bytes are 500 of them. */
	_Static_assert(MVP_LUKS2_KEY_LEN * MVP_LUKS2_STRIPES % SECTOR == 0, "the area is whole sectors");
	job_read(j, &personas[j->persona].partition, slot(j)->area_at + j->unlock.done, j->buf, min_u64(left, JOB_BUF));
	return JOB_SLOT_AREA;
}

enum job_state unlock_kdf(struct job *j)
{
	uint64_t deadline = job_deadline();
	do {
		if (pbkdf2_step(&j->unlock.kdf, KDF_PIECE)) {
			aes_xts_set_key(&j->unlock.area_key, j->unlock.kdf.out);
			wipe(&j->unlock.kdf, sizeof(j->unlock.kdf));
			wipe(&j->unlock.merge, sizeof(j->unlock.merge));
			j->unlock.done = 0;
			return read_area(j);
		}
	} while (arch_counter() < deadline);
	return JOB_KDF;
}

enum job_state unlock_area(struct job *j)
{
	if (job_read_failed(j)) {
		j->unlock.slot++;
		return try_slot(j);
	}
	j->unlock.area_len = (uint32_t)j->io.len;
	j->unlock.merged = 0;
	return JOB_SLOT_MERGE;
}

enum job_state unlock_merge(struct job *j)
{
	uint64_t deadline = job_deadline();
	do {
		uint32_t n = (uint32_t)min_u64(MERGE_PIECE, j->unlock.area_len - j->unlock.merged);
		uint8_t *piece = j->buf + j->unlock.merged;
		for (uint32_t at = 0; at < n; at += MVP_LUKS2_SLOT_SECTOR)
			aes_xts_decrypt(&j->unlock.area_key, (j->unlock.done + at) / MVP_LUKS2_SLOT_SECTOR, piece + at,
					MVP_LUKS2_SLOT_SECTOR);
		j->unlock.done += n;
		j->unlock.merged += n;
		if (luks2_merge_feed(&j->unlock.merge, piece, n)) {
			const struct luks2_digest *d = &personas[j->persona].luks.digest[slot(j)->digest];
			wipe(j->buf, sizeof(j->buf));
			pbkdf2_start(&j->unlock.kdf, j->unlock.merge.d, MVP_LUKS2_KEY_LEN, d->salt, d->salt_len, d->iterations,
				     MVP_LUKS2_DIGEST_LEN);
			return JOB_DIGEST;
		}
		if (j->unlock.merged == j->unlock.area_len)
			return read_area(j);
	} while (arch_counter() < deadline);
	return JOB_SLOT_MERGE;
}

enum job_state unlock_digest(struct job *j)
{
	uint64_t deadline = job_deadline();
	struct persona *p = &personas[j->persona];
	while (!pbkdf2_step(&j->unlock.kdf, KDF_PIECE)) {
		if (arch_counter() >= deadline)
			return JOB_DIGEST;
	}
	if (!same_secret(j->unlock.kdf.out, p->luks.digest[slot(j)->digest].digest, MVP_LUKS2_DIGEST_LEN)) {
		j->unlock.slot++;
		return try_slot(j);
	}
	aes_xts_set_key(&p->crypt.key, j->unlock.merge.d);
	return rekey_wanted(j) ? rekey_start(j) : finish(j, true);
}
