/* Opens a persona's container with a passcode: each key slot in order, in steps. */
#include "job.h"

#define MERGE_PIECE 0x2000u /* bytes merged between looks at the clock */
#define KDF_PIECE 32u       /* iterations, likewise */

static struct luks2_keyslot *slot(const struct job *j)
{
	return &personas[j->persona].luks.slot[j->unlock.slot];
}

static enum job_state finish(struct job *j, bool right)
{
	wipe(&j->unlock, sizeof(j->unlock));
	wipe(j->buf, sizeof(j->buf));
	handset_unlock_result(j->persona, right);
	return j->state; /* the result may have started what comes next */
}

static enum job_state try_slot(struct job *j)
{
	if (j->unlock.slot == personas[j->persona].luks.slots_count) {
		j->state = JOB_IDLE;
		return finish(j, false);
	}
	const struct luks2_keyslot *s = slot(j);
	pbkdf2_start(&j->unlock.kdf, j->unlock.passcode, j->unlock.passcode_len, s->salt, s->salt_len, s->iterations, XTS_KEY_LEN);
	return JOB_KDF;
}

void unlock_start(struct job *j, const uint8_t *passcode, size_t len)
{
	wipe(&j->unlock, sizeof(j->unlock));
	j->unlock.passcode_len = min_u64(len, sizeof(j->unlock.passcode));
	memcpy(j->unlock.passcode, passcode, j->unlock.passcode_len);
	j->state = try_slot(j);
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
	j->state = JOB_IDLE;
	return finish(j, true);
}
