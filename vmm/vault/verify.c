/* Verified boot of a persona: the vbmeta of its disk must be signed by the key of the configuration, and its boot image be what that says.
 * The image is hashed in the place where it will run, as it is loaded: no byte is read again that was verified. */
#include "job.h"
#include "measure.h"
#include "state.h"

#define HASH_PIECE 0x4000u /* bytes hashed between looks at the clock */

static enum job_state refuse(struct job *j, const char *wrong)
{
	personas[j->persona].unverified = true;
	return load_refuse(j, wrong);
}

enum job_state verify_start(struct job *j, const struct gpt_wanted *vbmeta)
{
	_Static_assert(MVP_AVB_VBMETA_MAX <= JOB_BUF, "a vbmeta is read at once");
	if (!vbmeta->found)
		return refuse(j, "it has no vbmeta");
	job_read(j, &personas[j->persona].disk, vbmeta->sector * SECTOR, j->buf, min_u64(vbmeta->sectors * SECTOR, MVP_AVB_VBMETA_MAX));
	return JOB_VBMETA;
}

enum job_state verify_vbmeta(struct job *j)
{
	if (job_read_failed(j))
		return load_fail(j, "its vbmeta cannot be read");
	const char *wrong = avb_read(j->buf, j->io.len, personas[j->persona].config->avb_key_digest, &j->load.avb);
	return wrong ? refuse(j, wrong) : JOB_SIGNATURE;
}

static const char forged[] = "the signature of its vbmeta is wrong";

enum job_state verify_signature(struct job *j)
{
	return avb_verify_begin(&j->load.avb, &j->load.signature) ? JOB_SIGNATURE_STEP : refuse(j, forged);
}

enum job_state verify_signature_step(struct job *j)
{
	uint64_t deadline = job_deadline();
	while (!rsa_verify_step(&j->load.signature)) {
		if (arch_counter() >= deadline)
			return JOB_SIGNATURE_STEP;
	}
	if (!rsa_verify_end(&j->load.signature))
		return refuse(j, forged);
	const char *wrong = avb_find_hash(&j->load.avb, "boot", &j->load.hash);
	if (!wrong && j->load.avb.rollback_index < state_get()->persona[j->persona].rollback_index)
		wrong = "it is older than what has run before";
	j->load.rollback_index = j->load.avb.rollback_index;
	if (!wrong && j->load.hash.image_size > j->load.boot.sectors * SECTOR)
		wrong = "its boot image is not whole";
	return wrong ? refuse(j, wrong) : load_boot(j);
}

static void add(struct job *j, const uint8_t *data, uint64_t len)
{
	sha256_add(&j->load.plain, data, len);
	if (j->load.hash.salt_len)
		sha256_add(&j->load.salted, data, len);
	j->load.hashed += len;
}

const char *verify_plan(struct job *j)
{
	struct avb_hash *h = &j->load.hash;
	if (!personas[j->persona].config->verified) {
		memset(h, 0, sizeof(*h));
		h->image_size = j->load.plan.content_end;
	}
	if (j->load.plan.content_end > h->image_size) {
		personas[j->persona].unverified = true;
		return "its boot image is longer than what is signed";
	}
	sha256_init(&j->load.plain);
	sha256_init(&j->load.salted);
	sha256_add(&j->load.salted, h->salt, h->salt_len);
	add(j, j->buf, MVP_BOOTIMG_PAGE);
	return NULL;
}

enum job_state verify_piece(struct job *j, uint8_t *data, uint64_t len)
{
	uint64_t left = j->load.hash.image_size - j->load.hashed;
	/* Reads are whole pages; what is behind the image is nobody's. */
	if (len > left) {
		memset(data + left, 0, len - left);
		len = left;
	}
	j->load.piece = data;
	j->load.piece_len = len;
	return JOB_HASH;
}

enum job_state verify_hash(struct job *j)
{
	uint64_t deadline = job_deadline();
	while (j->load.piece_len) {
		uint64_t n = min_u64(HASH_PIECE, j->load.piece_len);
		add(j, j->load.piece, n);
		j->load.piece += n;
		j->load.piece_len -= n;
		if (arch_counter() >= deadline)
			return JOB_HASH;
	}
	return load_next(j);
}

const char *verify_end(struct job *j)
{
	struct persona *p = &personas[j->persona];
	uint8_t plain[SHA256_LEN], salted[SHA256_LEN];
	sha256_end(&j->load.plain, plain);
	sha256_end(&j->load.salted, salted);
	const uint8_t *digest = j->load.hash.salt_len ? salted : plain;
	if (p->config->verified && memcmp(digest, j->load.hash.digest, SHA256_LEN) != 0) {
		p->unverified = true;
		return "its boot image is not what was signed";
	}
	if (!p->measured)
		measure_extend(p->config->name, plain);
	p->measured = true;
	return NULL;
}

void verify_good(struct job *j)
{
	struct mvp_state_persona *s = &state_edit()->persona[j->persona];
	if (!personas[j->persona].config->verified || s->rollback_index >= j->load.rollback_index)
		return;
	s->rollback_index = j->load.rollback_index;
	state_commit();
}
