/* Gives the key slot that was just opened another passcode, or binds it to the device (mvp/identity.h). Whatever write the power fails in,
 * the container opens by the old secret or by the new one:
 *     the new key material goes to an area that no slot uses; flush;
 *     the header copy that is not the one in use is written with the next sequence number; flush;
 *     then the other one; flush;
 *     then the old key material is overwritten; flush.
 * A torn copy has a wrong checksum, and of two sound ones the higher sequence number counts: the copy in use names an area that is whole at
 * every moment. */
#include "console.h"
#include "identity.h"
#include "job.h"
#include "random.h"
#include "state.h"

#define KDF_PIECE 32u /* iterations between looks at the clock */
#define KEY_MATERIAL ((uint64_t)MVP_LUKS2_KEY_LEN * MVP_LUKS2_STRIPES)

enum phase { PHASE_AREA, PHASE_FIRST_COPY, PHASE_SECOND_COPY, PHASE_OLD_AREA };

/* Of the one container whose slot is being changed. */
static struct {
	const struct job *owner;
	enum phase phase;
	struct luks2_copy copy;
	struct luks2_change change;
	uint64_t old_area, copy_at[2]; /* in the order of writing */
	struct luks2_split split;
} rekey;
static uint8_t new_header[JOB_BUF] __attribute__((aligned(4096)));
static char new_text[JOB_BUF];
static struct json tokens;
static struct luks2 parsed;

static struct luks2_keyslot *used_slot(const struct job *j)
{
	return &personas[j->persona].luks.slot[j->unlock.slot];
}

static const struct view *partition(const struct job *j)
{
	return &personas[j->persona].partition;
}

void rekey_forget(const struct job *j)
{
	if (rekey.owner != j)
		return;
	wipe(&rekey, sizeof(rekey));
	wipe(new_header, sizeof(new_header));
	wipe(new_text, sizeof(new_text));
}

/* The persona is unlocked in any case. */
static enum job_state end(struct job *j, const char *wrong)
{
	const char *name = personas[j->persona].config->name;
	if (wrong && j->unlock.next_len)
		console_log("%s: passcode not changed: %s", name, wrong);
	else if (wrong)
		console_log("%s: not bound to this device: %s", name, wrong);
	else
		console_log(j->unlock.next_len ? "%s: passcode changed" : "%s: bound to this device", name);
	rekey_forget(j);
	return unlock_end(j);
}

static bool is_rekey(enum job_state s)
{
	return s >= JOB_REKEY_HEADER && s <= JOB_REKEY_FLUSHED;
}

bool rekey_stop(struct job *j)
{
	if (is_rekey(j->state))
		halt_start(j);
	return j->state != JOB_HALT;
}

bool rekey_wanted(const struct job *j)
{
	/* One that is decided later finds the job here (rekey_stop()). */
	if (state_get()->wipe != MVP_WIPE_NONE)
		return false;
	/* What has no token of ours was not made for a device. */
	bool binds = used_slot(j)->passcode && !used_slot(j)->bound && identity_get() == IDENTITY_SOUND;
	return j->unlock.next_len || binds;
}

enum job_state rekey_start(struct job *j)
{
	const struct luks2 *l = &personas[j->persona].luks;
	if (rekey.owner && rekey.owner != j && is_rekey(rekey.owner->state))
		return end(j, "another one is being changed");
	if (l->hdr_size > sizeof(new_header))
		return end(j, "the container's header is too large");
	rekey.owner = j;
	job_read(j, partition(j), l->copy_at, j->buf, l->hdr_size);
	return JOB_REKEY_HEADER;
}

/* The copy in buf is the one that the container was opened by. */
static bool take_header(struct job *j)
{
	const struct luks2 *l = &personas[j->persona].luks;
	struct sha256 s;
	uint8_t digest[SHA256_LEN];
	if (!luks2_check_binary(j->buf, l->copy_at, &rekey.copy) || rekey.copy.hdr_size != l->hdr_size || rekey.copy.seqid != l->seqid)
		return false;
	sha256_init(&s);
	sha256_add(&s, j->buf, l->hdr_size);
	sha256_end(&s, digest);
	return !memcmp(digest, rekey.copy.csum, sizeof(digest));
}

static const char *plan(struct job *j)
{
	const char *text = (const char *)j->buf + MVP_LUKS2_BIN_SIZE;
	uint64_t room = rekey.copy.hdr_size - MVP_LUKS2_BIN_SIZE, container_len = partition(j)->sectors * SECTOR;
	const char *wrong = luks2_parse(&tokens, text, room, &rekey.copy, container_len, &parsed);
	if (wrong)
		return wrong;
	size_t len = text_len(text); /* luks2_parse() found its end */
	if (!luks2_free_area(&tokens, text, len, &rekey.copy, &parsed, &rekey.change.area_at))
		return "the container has no room for another key";
	if (!random_bytes(rekey.change.salt, sizeof(rekey.change.salt)))
		return "there are no random numbers";
	rekey.change.slot = used_slot(j)->number;
	rekey.change.bound = used_slot(j)->bound || (used_slot(j)->passcode && identity_get() == IDENTITY_SOUND);
	rekey.old_area = used_slot(j)->area_at;
	bool primary = !personas[j->persona].luks.copy_at;
	rekey.copy_at[0] = primary ? rekey.copy.hdr_size : 0;
	rekey.copy_at[1] = primary ? 0 : rekey.copy.hdr_size;
	wrong = luks2_edit(&tokens, text, len, &rekey.change, new_text, room);
	if (wrong)
		return wrong;
	memcpy(new_header, j->buf, MVP_LUKS2_BIN_SIZE);
	memcpy(new_header + MVP_LUKS2_BIN_SIZE, new_text, room);
	return NULL;
}

enum job_state rekey_header(struct job *j)
{
	if (job_read_failed(j) || !take_header(j))
		return end(j, "its header cannot be read again");
	const char *wrong = plan(j);
	if (wrong)
		return end(j, wrong);
	uint8_t secret[UNLOCK_SECRET_MAX];
	bool next = j->unlock.next_len;
	size_t len = unlock_secret(&personas[j->persona].luks, rekey.change.bound, next ? j->unlock.next : j->unlock.passcode,
				   next ? j->unlock.next_len : j->unlock.passcode_len, secret);
	pbkdf2_start(&j->unlock.kdf, secret, len, rekey.change.salt, sizeof(rekey.change.salt), used_slot(j)->iterations, XTS_KEY_LEN);
	wipe(secret, sizeof(secret));
	return JOB_REKEY_KDF;
}

enum job_state rekey_kdf(struct job *j)
{
	uint64_t deadline = job_deadline();
	while (!pbkdf2_step(&j->unlock.kdf, KDF_PIECE)) {
		if (arch_counter() >= deadline)
			return JOB_REKEY_KDF;
	}
	aes_xts_set_key(&j->unlock.area_key, j->unlock.kdf.out);
	wipe(&j->unlock.kdf, sizeof(j->unlock.kdf));
	rekey.phase = PHASE_AREA;
	j->unlock.done = 0;
	j->unlock.area_len = 0;
	return JOB_REKEY_FILL;
}

/* Fills buf, a sector at a time: with stripes of the key, encrypted; or, over old key material, with nothing but random bytes. */
enum job_state rekey_fill(struct job *j)
{
	uint64_t deadline = job_deadline();
	uint32_t want = (uint32_t)min_u64(KEY_MATERIAL - j->unlock.done, JOB_BUF);
	while (j->unlock.area_len < want) {
		uint8_t *sector = j->buf + j->unlock.area_len;
		if (!random_bytes(sector, SECTOR))
			return end(j, "there are no random numbers");
		if (rekey.phase == PHASE_AREA) {
			luks2_split_feed(&rekey.split, j->unlock.merge.d, sector, SECTOR);
			aes_xts_encrypt(&j->unlock.area_key, (j->unlock.done + j->unlock.area_len) / MVP_LUKS2_SLOT_SECTOR, sector, SECTOR);
		}
		j->unlock.area_len += SECTOR;
		if (arch_counter() >= deadline)
			return JOB_REKEY_FILL;
	}
	uint64_t at = rekey.phase == PHASE_AREA ? rekey.change.area_at : rekey.old_area;
	job_write(j, partition(j), at + j->unlock.done, j->buf, want);
	return JOB_REKEY_AREA;
}

enum job_state rekey_area(struct job *j)
{
	if (job_read_failed(j))
		return end(j, "the disk does not take it");
	j->unlock.done += j->unlock.area_len;
	j->unlock.area_len = 0;
	if (j->unlock.done < KEY_MATERIAL)
		return JOB_REKEY_FILL;
	job_flush(j, partition(j));
	return JOB_REKEY_FLUSHED;
}

static enum job_state write_copy(struct job *j, unsigned index)
{
	uint8_t salt[64];
	if (!random_bytes(salt, sizeof(salt)))
		return end(j, "there are no random numbers");
	luks2_seal(new_header, rekey.copy.hdr_size, rekey.copy_at[index], rekey.copy.seqid + 1, salt);
	job_write(j, partition(j), rekey.copy_at[index], new_header, rekey.copy.hdr_size);
	return JOB_REKEY_COPY;
}

enum job_state rekey_copy(struct job *j)
{
	if (job_read_failed(j))
		return end(j, "the disk does not take it");
	job_flush(j, partition(j));
	return JOB_REKEY_FLUSHED;
}

/* From the first copy on the container is what it says. */
static void take_change(struct job *j)
{
	struct luks2 *l = &personas[j->persona].luks;
	struct luks2_keyslot *s = used_slot(j);
	l->copy_at = rekey.copy_at[0];
	l->seqid = rekey.copy.seqid + 1;
	s->area_at = rekey.change.area_at;
	s->bound = rekey.change.bound;
	s->salt_len = sizeof(rekey.change.salt);
	memcpy(s->salt, rekey.change.salt, sizeof(rekey.change.salt));
}

enum job_state rekey_flushed(struct job *j)
{
	if (job_read_failed(j))
		return end(j, "the disk does not take it");
	switch (rekey.phase++) {
	case PHASE_AREA:
		return write_copy(j, 0);
	case PHASE_FIRST_COPY:
		take_change(j);
		return write_copy(j, 1);
	case PHASE_SECOND_COPY:
		/* Both are as good: the primary is what other readers look at first. */
		personas[j->persona].luks.copy_at = 0;
		j->unlock.done = 0;
		return JOB_REKEY_FILL;
	case PHASE_OLD_AREA:
		break;
	}
	return end(j, NULL);
}
