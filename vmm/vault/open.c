/* Opens the handset's disk: finds the personas' partitions and reads the headers of the encrypted ones. */
#include "console.h"
#include "job.h"
#include "mvp/identity.h"
#include "slots.h"

static struct view whole;

/* Metadata of one container at a time. */
static char json_text[LUKS2_JSON_MAX];
static struct json json;
static struct luks2 candidate;

void open_start(struct job *j)
{
	whole = (struct view){ .sector = 0, .sectors = disk_sectors() };
	unsigned personas_count = mvp_vault_config.personas;
	_Static_assert(MVP_MAX_PERSONAS + 3 <= GPT_WANTED_MAX, "room for the personas, the device's own, and misc");
	for (unsigned p = 0; p < personas_count; p++)
		j->gpt.scan.wanted[p].name = mvp_vault_config.persona[p].name;
	j->gpt.scan.wanted[personas_count].name = MVP_KEYS_PARTITION;
	j->gpt.scan.wanted[personas_count + 1].name = MVP_STATE_PARTITION;
	j->gpt.scan.wanted[personas_count + 2].name = MVP_MISC_PARTITION;
	j->gpt.scan.wanted_count = personas_count + 3;
	gpt_job_start(j, &whole, JOB_OPEN_TABLE);
}

static enum job_state next_container(struct job *j);

/* Reads the binary header of a copy; false if it would lie outside the partition. */
static bool read_copy(struct job *j, uint64_t at)
{
	const struct view *v = &personas[j->open.persona].partition;
	if (!range_in(at, MVP_LUKS2_BIN_SIZE, v->sectors * SECTOR))
		return false;
	j->open.copy_at = at;
	job_read(j, v, at, j->buf, MVP_LUKS2_BIN_SIZE);
	return true;
}

/* The secondary copy: behind the primary if that is sound, else at any of the places where one may be. */
static enum job_state try_secondary(struct job *j)
{
	while (j->open.attempt < 9) {
		uint64_t at = (uint64_t)MVP_LUKS2_HDR_SIZE << j->open.attempt++;
		if (j->open.best.hdr_size && at != j->open.best.hdr_size)
			continue;
		if (read_copy(j, at))
			return JOB_OPEN_COPY;
	}
	/* No more copies. */
	struct persona *p = &personas[j->open.persona];
	if (!j->open.best.hdr_size) {
		console_log("%s: no LUKS2 header that is sound", p->config->name);
		p->state = PERSONA_FAILED;
		p->wrong = "no LUKS2 header that is sound";
	}
	j->open.persona++;
	return next_container(j);
}

static enum job_state after_copy(struct job *j)
{
	return try_secondary(j);
}

/* Starts with the container of the next encrypted persona. */
static enum job_state next_container(struct job *j)
{
	for (; j->open.persona < mvp_vault_config.personas; j->open.persona++) {
		struct persona *p = &personas[j->open.persona];
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): each persona has its configuration from handset_start() on */
		if (!p->config->encrypted || p->state != PERSONA_WAITING)
			continue;
		j->open.attempt = 0;
		j->open.best = (struct luks2_copy){ 0 };
		if (read_copy(j, 0))
			return JOB_OPEN_COPY;
		console_log("%s: the partition is too small", p->config->name);
		p->state = PERSONA_FAILED;
		p->wrong = "its partition is too small";
	}
	handset_opened(true);
	return JOB_IDLE;
}

enum job_state open_table(struct job *j)
{
	if (!j->gpt.ok) {
		console_log("the disk has no sound partition table");
		handset_opened(false);
		return JOB_IDLE;
	}
	for (unsigned i = 0; i < mvp_vault_config.personas; i++) {
		const struct gpt_wanted *w = &j->gpt.scan.wanted[i];
		struct persona *p = &personas[i];
		if (!w->found) {
			console_log("partition %s: not found", w->name);
			p->state = PERSONA_FAILED;
			p->wrong = "its partition is not found";
			continue;
		}
		console_log("partition %s: %lu MiB%s", w->name, (unsigned long)(w->sectors / 2048),
			    p->config->encrypted ? ", encrypted" : "");
		p->partition = (struct view){ .sector = w->sector, .sectors = w->sectors };
		p->disk = p->partition;
	}
	const struct gpt_wanted *own = &j->gpt.scan.wanted[mvp_vault_config.personas];
	slots_open(&(struct view){ .sector = own[2].sector, .sectors = own[2].found ? own[2].sectors : 0 });
	return own_start(j, &(struct view){ .sector = own[0].sector, .sectors = own[0].found ? own[0].sectors : 0 },
			 &(struct view){ .sector = own[1].sector, .sectors = own[1].found ? own[1].sectors : 0 });
}

enum job_state open_containers(struct job *j)
{
	j->open.persona = 0;
	return next_container(j);
}

static enum job_state read_area(struct job *j)
{
	uint64_t left = j->open.copy.hdr_size - j->open.done;
	job_read(j, &personas[j->open.persona].partition, j->open.copy_at + j->open.done, j->buf, min_u64(left, JOB_BUF));
	return JOB_OPEN_AREA;
}

enum job_state open_copy(struct job *j)
{
	const struct view *v = &personas[j->open.persona].partition;
	if (job_read_failed(j) || !luks2_check_binary(j->buf, j->open.copy_at, &j->open.copy) ||
	    !range_in(j->open.copy_at, j->open.copy.hdr_size, v->sectors * SECTOR))
		return after_copy(j);
	sha256_init(&j->open.hash);
	sha256_add(&j->open.hash, j->buf, MVP_LUKS2_BIN_SIZE);
	j->open.done = MVP_LUKS2_BIN_SIZE;
	return read_area(j);
}

/* Takes the metadata of a copy whose checksum is right. */
static void take_copy(struct job *j)
{
	struct persona *p = &personas[j->open.persona];
	if (j->open.best.hdr_size && j->open.best.seqid >= j->open.copy.seqid)
		return;
	const char *wrong = luks2_parse(&json, json_text, min_u64(j->open.copy.hdr_size - MVP_LUKS2_BIN_SIZE, sizeof(json_text)),
					&j->open.copy, p->partition.sectors * SECTOR, &candidate);
	if (wrong) {
		console_log("%s: %s", p->config->name, wrong);
		return;
	}
	j->open.best = j->open.copy;
	p->luks = candidate;
	if (p->state == PERSONA_WAITING) /* not while it is wiped or barred already */
		p->state = PERSONA_LOCKED;
	p->disk = (struct view){
		.sector = p->partition.sector + candidate.payload_at / SECTOR,
		.sectors = candidate.payload_len / SECTOR,
		.crypt = &p->crypt,
	};
	p->crypt.unit = candidate.sector_size;
	p->crypt.iv_base = candidate.iv_tweak;
}

enum job_state open_area(struct job *j)
{
	if (job_read_failed(j))
		return after_copy(j);
	uint64_t text_at = j->open.done - MVP_LUKS2_BIN_SIZE;
	if (text_at < sizeof(json_text))
		memcpy(json_text + text_at, j->buf, min_u64(j->io.len, sizeof(json_text) - text_at));
	sha256_add(&j->open.hash, j->buf, j->io.len);
	j->open.done += j->io.len;
	if (j->open.done < j->open.copy.hdr_size)
		return read_area(j);
	uint8_t digest[SHA256_LEN];
	sha256_end(&j->open.hash, digest);
	if (!memcmp(digest, j->open.copy.csum, sizeof(digest)))
		take_copy(j);
	return after_copy(j);
}
