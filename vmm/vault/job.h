/* Long work in steps, on CPU 0: opening the disk, opening a container, loading a persona. A job is a state machine; each state waits for
 * one thing (a read, a share of CPU time) and has one step function, which says what comes next. */
#ifndef VAULT_JOB_H
#define VAULT_JOB_H

#include "avb.h"
#include "bootimg.h"
#include "devices/ring.h"
#include "disk.h"
#include "gpt.h"
#include "luks2.h"
#include "mvp/config.h"

#define JOB_BUF 0x10000u
#define UNLOCK_SECRET_MAX 128u /* bytes of a passcode */

enum job_state {
	JOB_IDLE,
	/* gpt_job.c: the tables of a view, then job->after_gpt */
	JOB_GPT_HEADER,
	JOB_GPT_ENTRIES,
	/* open.c: the handset's disk */
	JOB_OPEN_TABLE,
	JOB_OPEN_COPY,
	JOB_OPEN_AREA,
	JOB_FLUSH,
	/* own.c: the device's own partitions */
	JOB_OWN_IDENTITY,
	JOB_OWN_STATE,
	JOB_OWN_WIPE,
	/* state.c */
	JOB_STATE_WRITTEN,
	JOB_STATE_FLUSHED,
	/* slots.c */
	JOB_SLOTS_READ,
	JOB_SLOTS_WRITTEN,
	JOB_SLOTS_FLUSHED,
	/* unlock.c */
	JOB_COUNTED,
	JOB_KDF,
	JOB_SLOT_AREA,
	JOB_SLOT_MERGE,
	JOB_DIGEST,
	/* rekey.c */
	JOB_REKEY_HEADER,
	JOB_REKEY_KDF,
	JOB_REKEY_FILL,
	JOB_REKEY_AREA,
	JOB_REKEY_COPY,
	JOB_REKEY_FLUSHED,
	/* load.c */
	JOB_DRAIN,
	JOB_SCRUB,
	JOB_LOAD_TABLE,
	JOB_LOAD_SLOT,
	JOB_LOAD_SLOT_WRITTEN,
	JOB_LOAD_SLOT_FLUSHED,
	JOB_VBMETA,
	JOB_SIGNATURE,
	JOB_SIGNATURE_STEP,
	JOB_HEAD,
	JOB_KERNEL,
	JOB_RAMDISK,
	JOB_REST,
	JOB_HASH,
	JOB_SEED,
	JOB_CLEAN,
	/* halt.c */
	JOB_HALT,
	JOB_HALT_STOP,
	JOB_HALT_DRAIN,
	JOB_HALT_SCRUB,
	/* wipe.c */
	JOB_WIPE_DECIDED,
	JOB_WIPE_KEYS,
	JOB_WIPE_KEYS_FLUSHED,
	JOB_WIPE_HALTED,
	JOB_WIPE_TURN,
	JOB_WIPE_DATA,
	JOB_WIPE_FLUSHED,
	JOB_WIPE_DONE,
	JOB_STATES
};

/* Owned by one job; all of it is overwritten when the job starts. */
struct job {
	enum job_state state;
	unsigned persona; /* MVP_MAX_PERSONAS for the disk's job */
	bool reading;     /* io is under way; set under the disk lock */
	uint32_t ticket;  /* of a commit that it waits for: state.h */
	struct io io;
	uint8_t buf[JOB_BUF] __attribute__((aligned(4096)));

	struct {
		const struct view *view;
		struct gpt_scan scan;
		enum job_state after;
		bool backup, ok;
	} gpt;
	struct {
		unsigned persona;       /* whose container is being looked at */
		uint64_t copy_at, done; /* of the header copy; bytes of it hashed */
		unsigned attempt;       /* which place for the secondary copy */
		struct luks2_copy copy, best;
		struct sha256 hash;
	} open;
	struct {
		struct pbkdf2 kdf;
		uint8_t passcode[UNLOCK_SECRET_MAX], next[UNLOCK_SECRET_MAX];
		size_t passcode_len, next_len; /* next: what it is to be from now on, if there is one */
		uint32_t slot;
		struct luks2_merge merge;
		struct aes_xts_key area_key;
		uint64_t done;             /* bytes of the area read */
		uint32_t area_len, merged; /* of the piece in buf */
	} unlock;
	struct {
		struct view boot;
		bool slotted;      /* the disk has slots */
		unsigned slot;     /* that is loaded */
		unsigned refused;  /* bit map of those that do not hold what they should */
		const char *wrong; /* with the first of them */
		struct bootplan plan;
		uint64_t done, frame_done;
		struct avb avb; /* of what is in buf */
		struct rsa_verify signature;
		struct avb_hash hash; /* what the boot image has to be; without verification only as long as its content */
		struct sha256 plain, salted;
		uint64_t rollback_index;
		uint64_t hashed; /* bytes of the image */
		uint8_t *piece;  /* of it, that is being hashed */
		uint64_t piece_len;
	} load;
};

enum persona_state {
	PERSONA_WAITING, /* for the disk */
	PERSONA_LOCKED,
	PERSONA_UNLOCKING,
	PERSONA_LOADING,
	PERSONA_RUNNING,
	PERSONA_OFF,
	PERSONA_FAILED,
	PERSONA_BARRED, /* by an order or the lease */
	PERSONA_WIPING,
	PERSONA_WIPED,
};

/* What the handset knows of a persona. */
struct persona {
	const struct mvp_vault_persona *config;
	enum persona_state state;
	struct view partition; /* on the handset's disk, as stored */
	struct view disk;      /* what the persona sees of it */
	struct crypt crypt;
	struct luks2 luks;
	struct ram ram;
	const char *wrong;   /* why it failed, or NULL */
	bool unverified;     /* because of what is on its disk */
	bool measured;       /* since the handset was started */
	bool good;           /* what was started is known to run well */
	uint32_t up;         /* it says so; any CPU writes */
	uint64_t good_at;    /* counter value: from then on without its word */
	unsigned failures;   /* wrong passcodes since the last right one */
	uint64_t not_before; /* counter value: no attempt until then */
	uint32_t stopped;    /* 1 + MVP_PERSONA_* when it stopped by itself; any CPU writes */
	bool halted;         /* its memory holds nothing: halt.c is done */
	struct job job;
};

extern struct persona personas[MVP_MAX_PERSONAS];

/* Reads len bytes at `at` of a view into to: whole sectors inside it, or the read fails. Then the state's step runs. */
void job_read(struct job *j, const struct view *v, uint64_t at, uint8_t *to, uint64_t len);
/* The same for writing, discarding whole units, and flushing what was written before to the disk that the view is of. */
void job_write(struct job *j, const struct view *v, uint64_t at, uint8_t *from, uint64_t len);
void job_discard(struct job *j, const struct view *v, uint64_t at, uint64_t len);
void job_flush(struct job *j, const struct view *v);
bool job_read_failed(const struct job *j); /* the last of them, whichever it was */

/* Counter value until which a step may go on computing: a fraction of a millisecond from now. */
uint64_t job_deadline(void);

/* One step of a job, if what it waits for is there; work: this is a share of CPU time. False when it has to wait. */
bool job_step(struct job *j, bool work);
bool job_computes(const struct job *j); /* its state waits for CPU time */

/* Reads the tables of a view, looking for j->gpt.scan.wanted; then state `after`, with gpt.ok. */
void gpt_job_start(struct job *j, const struct view *v, enum job_state after);

/* Steps; they return the next state. */
enum job_state gpt_job_header(struct job *j);
enum job_state gpt_job_entries(struct job *j);
enum job_state handset_flushed(struct job *j);
enum job_state own_identity(struct job *j);
enum job_state own_state(struct job *j);
enum job_state own_wipe(struct job *j);
enum job_state state_written(struct job *j);
enum job_state state_flushed(struct job *j);
enum job_state slots_read(struct job *j);
enum job_state slots_written(struct job *j);
enum job_state slots_flushed(struct job *j);
enum job_state open_table(struct job *j);
enum job_state open_copy(struct job *j);
enum job_state open_area(struct job *j);
enum job_state unlock_counted(struct job *j);
enum job_state unlock_kdf(struct job *j);
enum job_state unlock_area(struct job *j);
enum job_state unlock_merge(struct job *j);
enum job_state unlock_digest(struct job *j);
enum job_state rekey_header(struct job *j);
enum job_state rekey_kdf(struct job *j);
enum job_state rekey_fill(struct job *j);
enum job_state rekey_area(struct job *j);
enum job_state rekey_copy(struct job *j);
enum job_state rekey_flushed(struct job *j);
enum job_state load_drain(struct job *j);
enum job_state load_scrub(struct job *j);
enum job_state load_table(struct job *j);
enum job_state load_slot(struct job *j);
enum job_state load_slot_written(struct job *j);
enum job_state load_slot_flushed(struct job *j);
enum job_state verify_vbmeta(struct job *j);
enum job_state verify_signature(struct job *j);
enum job_state verify_signature_step(struct job *j);
enum job_state load_head(struct job *j);
enum job_state load_kernel(struct job *j);
enum job_state load_ramdisk(struct job *j);
enum job_state load_rest(struct job *j);
enum job_state verify_hash(struct job *j);
enum job_state load_seed(struct job *j);
enum job_state load_clean(struct job *j);
enum job_state halt(struct job *j);
enum job_state halt_stop(struct job *j);
enum job_state halt_drain(struct job *j);
enum job_state halt_scrub(struct job *j);
enum job_state wipe_decided(struct job *j);
enum job_state wipe_keys(struct job *j);
enum job_state wipe_keys_flushed(struct job *j);
enum job_state wipe_halted(struct job *j);
enum job_state wipe_turn(struct job *j);
enum job_state wipe_data(struct job *j);
enum job_state wipe_flushed(struct job *j);
enum job_state wipe_done(struct job *j);

void open_start(struct job *j); /* the handset's disk */
/* The attempt was counted by the commit with this ticket: it begins when that is settled. next_len 0: the passcode stays. */
struct passcodes {
	const uint8_t *passcode, *next;
	size_t passcode_len, next_len;
};
void unlock_start(struct job *j, const struct passcodes *p, uint32_t ticket);
void load_start(struct job *j);
void halt_start(struct job *j);

/* Reads the device's own partitions (a sector count of 0: there is none), then goes on with open_containers(). */
enum job_state own_start(struct job *j, const struct view *keys, const struct view *state);
enum job_state open_containers(struct job *j);

/* A piece of the persona's RAM and frame, from j->load.done and frame_done on. */
enum scrub { SCRUB_MORE, SCRUB_DONE, SCRUB_FAILED };
enum scrub load_scrub_piece(struct job *j);

/* unlock.c, for rekey.c. The secret of a slot (mvp/identity.h): its length. The caller wipes it. */
size_t unlock_secret(const struct luks2 *l, bool bound, const uint8_t *passcode, size_t len, uint8_t ret[UNLOCK_SECRET_MAX]);
enum job_state unlock_end(struct job *j); /* the container is open */

/* rekey.c: a slot was opened, its volume key is in j->unlock.merge. */
bool rekey_wanted(const struct job *j);
enum job_state rekey_start(struct job *j);
void rekey_forget(const struct job *j); /* it was broken off */
/* The keys are about to be destroyed: no write of the job's is to come after. False until the one under way is done: ask again. */
bool rekey_stop(struct job *j);

/* load.c, for verify.c */
enum job_state load_fail(struct job *j, const char *wrong);
/* What is to be started is not what it should be: the other slot is tried, if there is one. */
enum job_state load_refuse(struct job *j, const char *wrong);
enum job_state load_boot(struct job *j); /* the vbmeta is right: the boot image is next */
enum job_state load_next(struct job *j); /* what is read of it is hashed */

/* verify.c */
enum job_state verify_start(struct job *j, const struct gpt_wanted *vbmeta);
const char *verify_plan(struct job *j); /* the head of the boot image is in buf */
enum job_state verify_piece(struct job *j, uint8_t *data, uint64_t len);
const char *verify_end(struct job *j); /* all of it is hashed */
void verify_good(struct job *j);       /* and runs well: what is older may not any more */

/* handset.c */
bool handset_has_entropy(void);
void handset_opened(bool ok);
void handset_unlock_result(unsigned persona, bool right);
void handset_unlock_refused(unsigned persona, const char *wrong); /* nothing was tried */
void handset_load_result(unsigned persona, const char *wrong);    /* NULL: it runs */
void handset_halted(unsigned persona);

#endif
