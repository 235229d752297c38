/* The whole line: board and memory first (they cost nothing and fail early), then hypervisor and both personas at once, then the
 * partitions, read once and packed by all packers. */
#include "imagegen/graph/build.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "imagegen/base/image.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/base/secret.h"
#include "imagegen/base/text.h"
#include "imagegen/base/tmpfile.h"
#include "imagegen/bootimg/bootimg.h"
#include "imagegen/cache/digest.h"
#include "imagegen/cache/disk.h"
#include "imagegen/cache/list.h"
#include "imagegen/crypt/luks2.h"
#include "imagegen/graph/overlay.h"
#include "imagegen/graph/pack.h"
#include "imagegen/graph/persona.h"
#include "imagegen/graph/recall.h"
#include "imagegen/graph/record.h"
#include "imagegen/graph/secrets.h"
#include "imagegen/graph/trust.h"
#include "imagegen/hyp/board.h"
#include "imagegen/hyp/sources.h"
#include "mvp/identity.h"

/* Parts are made by tasks; the vbmeta that vouches for them and the device's own partitions, which are empty, follow. */
enum { PARTS = 1 + PERSONA_MAX, VBMETA = PARTS, OWN, OWN_PARTS = 2, ALL_PARTS = OWN + OWN_PARTS };

/* The last one is done when the task is. */
enum { TASK_STEPS = PERSONA_STEPS };

/* One artifact made by a thread of its own, with diagnostics of its own. */
struct task {
	int (*run)(struct task *t);
	struct build *b;
	const struct persona *persona; /* NULL: the hypervisor */
	struct persona_disk disk;
	struct image *sealed;
	struct recall recall;
	bool recalled;     /* sealed is from the cache */
	atomic_uint steps; /* that are done, of TASK_STEPS */
	struct diag *d;
	int rc;
	pthread_t thread;
	bool started;
};

struct build {
	atomic_bool stop; /* the caller no longer wants it */
	const struct manifest *m;
	const struct build_opts *opts;
	struct diag *d;
	unsigned jobs;
	struct board *board;
	struct pack *pack;
	struct overlay overlay; /* of the personal persona, if there is a carrier */
	struct layout layout;
	struct cache *cache;           /* of the hypervisor */
	struct cache *signed_cache;    /* of what has signatures in it, and of whole runs; the same, or none */
	uint64_t bound;                /* bytes that the cache may take */
	struct stamps inputs;          /* what was read, as it was before */
	uint8_t record[CACHE_KEY_LEN]; /* of this run */
	bool made_out_dir;
	struct tmpdir *tmp;
	bool prepare; /* only ask for signatures */
	uint8_t master[32];
	struct trust trust;
	struct persona_opts persona_opts;
	struct task tasks[PARTS];
	struct hyp_result hyp;
	struct image *boot, *vbmeta;
	struct image *own[OWN_PARTS];
};

static void build_fini(struct build *b)
{
	board_free(b->board);
	overlay_fini(&b->overlay);
	pack_free(b->pack);
	for (size_t i = 0; i < PARTS; i++) {
		persona_disk_fini(&b->tasks[i].disk);
		image_free(b->tasks[i].sealed);
		recall_fini(&b->tasks[i].recall);
		diag_free(b->tasks[i].d);
	}
	hyp_result_fini(&b->hyp);
	stamps_fini(&b->inputs);
	image_free(b->boot);
	image_free(b->vbmeta);
	trust_fini(&b->trust);
	for (size_t i = 0; i < OWN_PARTS; i++)
		image_free(b->own[i]);
	secret_wipe(b->master, sizeof(b->master));
	tmpdir_free(b->tmp);
	if (b->signed_cache != b->cache)
		cache_free(b->signed_cache);
	cache_free(b->cache);
	/* A failed build leaves the folder as it found it; one that has files in it stays. */
	if (b->made_out_dir)
		(void)rmdir(b->opts->out_dir);
}

/* mkdir -p; remembers whether the last folder is new. */
static int make_out_dir(struct build *b)
{
	char *path CLEANUP_FREE = mem_strdup(b->opts->out_dir);
	struct loc loc = LOC_FILE(b->opts->out_dir);
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, 0777) && errno != EEXIST)
			return diag_fail(b->d, MVP0821, &loc, "cannot make the folder '%s': %s", path, strerror(errno));
		*slash = '/';
	}
	b->made_out_dir = !mkdir(path, 0777);
	if (!b->made_out_dir && errno != EEXIST)
		return diag_fail(b->d, MVP0821, &loc, "cannot make the folder: %s", strerror(errno));
	return 0;
}

static int open_out_dir(struct build *b)
{
	struct loc loc = LOC_FILE(b->opts->out_dir);
	int rc;
	if (make_out_dir(b))
		return -1;
	(void)tmpfile_sweep(b->opts->out_dir);
	rc = tmpdir_new(b->opts->out_dir, &b->tmp);
	return rc ? diag_fail(b->d, MVP0821, &loc, "cannot make a work folder there: %s", strerror(-rc)) : 0;
}

static struct hyp_job hyp_job(const struct build *b)
{
	const struct carrier *carrier = pack_carrier(b->pack);
	return (struct hyp_job){
		.board = b->board,
		.manifest = b->m,
		.layout = &b->layout,
		.trust = &b->trust.hyp,
		.logo = carrier ? carrier->logo.s : NULL,
		.cache = b->cache,
	};
}

static int run_hyp(struct task *t)
{
	struct build *b = t->b;
	const struct hyp_job job = hyp_job(b);
	return hyp_build(&job, tmpdir_path(b->tmp), b->jobs, &b->hyp, t->d);
}

/* Updates are of this persona alone. */
static bool is_updated(const struct build *b, const struct persona *p)
{
	return b->opts->component != COMPONENT_HYPERVISOR && !strcmp(component_names[b->opts->component], p->name);
}

/* The persona's partition is in the cache. Not looked for if updates are of it: these are made from its plain text, which is not kept. */
static bool find_persona(struct build *b, struct task *t)
{
	if (!is_updated(b, t->persona))
		return recall_find(b->signed_cache, b->m, t->persona, &b->persona_opts, &t->recall, &t->disk, &t->sealed);
	t->recall.why = mem_strdup("an update is made from what is in it");
	return false;
}

static int run_persona(struct task *t)
{
	struct build *b = t->b;
	t->recalled = find_persona(b, t);
	if (t->recalled)
		return 0;
	struct persona_opts opts = b->persona_opts;
	opts.steps = &t->steps;
	recall_stamp(b->m, &opts, &t->disk);
	if (persona_build(b->m, t->persona, &opts, &t->disk, t->d))
		return -1;
	return persona_seal(b->m, t->persona, &opts, &t->disk, &t->sealed, t->d);
}

static void *run_task(void *ctx)
{
	struct task *t = ctx;
	t->rc = t->run(t);
	atomic_store(&t->steps, TASK_STEPS);
	return NULL;
}

static int step(struct build *b, const char *what, uint64_t done, uint64_t total)
{
	if (b->opts->progress && b->opts->progress(b->opts->progress_ctx, what, done, total))
		return diag_fail(b->d, MVP0006, NULL, "interrupted");
	return 0;
}

static int tell_steps(struct build *b)
{
	unsigned done = 0;
	for (size_t i = 0; i < PARTS; i++)
		done += atomic_load(&b->tasks[i].steps);
	return step(b, "building", done, (uint64_t)PARTS * TASK_STEPS);
}

enum { ASK_EVERY_MS = 50 };

/* Waits for the task's end; meanwhile asks whether the build is still wanted, and stops all tasks if not. */
static void wait_task(struct build *b, struct task *t)
{
	while (t->started) {
		struct timespec until;
		(void)clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += ASK_EVERY_MS * 1000000L;
		until.tv_sec += until.tv_nsec / 1000000000L;
		until.tv_nsec %= 1000000000L;
		if (!pthread_timedjoin_np(t->thread, NULL, &until))
			return;
		if (!atomic_load(&b->stop) && tell_steps(b))
			atomic_store(&b->stop, true);
	}
}

static const struct persona *task_persona(const struct build *b, size_t i)
{
	if (!i)
		return NULL;
	return i == 1 + PERSONA_PERSONAL && pack_carrier(b->pack) ? &b->overlay.persona : &b->m->personas[i - 1];
}

/* Hypervisor and personas; with more than one job at the same time. Diagnostics are merged in a fixed order. */
static int run_tasks(struct build *b)
{
	int rc = tell_steps(b);
	if (rc)
		return rc;
	for (size_t i = 0; i < PARTS; i++) {
		struct task *t = &b->tasks[i];
		t->b = b;
		t->d = diag_new();
		diag_watch(t->d, &b->stop);
		t->persona = task_persona(b, i);
		t->run = i ? run_persona : run_hyp;
		t->started = !pthread_create(&t->thread, NULL, run_task, t);
		if (!t->started)
			(void)run_task(t);
		if (b->jobs == 1) {
			wait_task(b, t);
			t->started = false;
		}
	}
	for (size_t i = 0; i < PARTS; i++)
		wait_task(b, &b->tasks[i]);
	/* A key press that interrupts us also ended the compilers: that is not their failure. */
	if (atomic_load(&b->stop) || step(b, "building", 1, 1))
		return -1;
	for (size_t i = 0; i < PARTS; i++) {
		diag_merge(b->d, TAKE(b->tasks[i].d));
		rc |= b->tasks[i].rc;
	}
	return rc;
}

/* Identifies the build: its disks, its hypervisor, its names. */
static void build_digest(const struct build *b, uint8_t ret[32])
{
	struct digest *g CLEANUP(digest_freep) = digest_new("mvp handset 1");
	digest_str(g, "name", b->m->name.s);
	digest_str(g, "version", b->m->version.s);
	digest_add(g, "hypervisor", b->hyp.image, b->hyp.image_len);
	for (size_t i = 1; i < PARTS; i++)
		digest_add(g, b->tasks[i].persona->name, b->tasks[i].disk.digest, sizeof(b->tasks[i].disk.digest));
	digest_get(g, ret);
}

static int make_boot(struct build *b)
{
	struct bootimg_parts parts = {
		.kernel = b->hyp.image,
		.kernel_len = b->hyp.image_len,
		.header = pack_boot_header(b->pack),
		.load = (uint32_t)b->board->load.v,
	};
	return bootimg_compose(&parts, &b->boot, b->d);
}

/* What the bootloader verifies: the hash of the hypervisor, which knows the keys of the personas. These are named as properties, for
 * people. Chain descriptors would make every bootloader look for vbmeta images in the personas' partitions, where it cannot read them: the
 * work side's is encrypted, and would be seen by all outside it. */
static int make_vbmeta(struct build *b, const uint8_t digest[32])
{
	struct avb a CLEANUP(avb_fini) = AVB_INIT;
	struct avb_digest h = { .salt_len = 32 };
	char hex[65];
	derive(b->master, digest, "mvp handset boot salt", h.salt, h.salt_len);
	if (avb_hash_image(b->boot, &h, b->d))
		return -1;
	avb_add_hash(&a, "boot", image_len(b->boot), &h);
	for (size_t i = 0; i < PERSONA_MAX; i++) {
		char *key CLEANUP_FREE = mem_printf("mvp.%s.key", b->m->personas[i].name);
		text_hex(b->trust.hyp.persona[i].avb_key_digest, 32, hex);
		if (b->trust.hyp.persona[i].verified)
			avb_add_property(&a, key, hex, 64);
	}
	/* What the device will attest: only the build knows which bytes of the image these are. */
	text_hex(b->hyp.measurement, sizeof(b->hyp.measurement), hex);
	avb_add_property(&a, "mvp.hypervisor.measurement", hex, 64);
	return trust_vbmeta(&a, b->trust.oem, "vbmeta", b->m->hypervisor.security_version.v, &b->vbmeta, b->d);
}

/* What a device is given when it is provisioned, and what it remembers (mvp/identity.h, mvp/state.h): a place, and nothing in it yet. */
static void make_own(struct build *b, struct bundle_content contents[OWN_PARTS])
{
	static const struct {
		const char *name;
		uint64_t len;
	} own[OWN_PARTS] = {
		{ MVP_KEYS_PARTITION, MVP_KEYS_PARTITION_LEN },
		{ MVP_STATE_PARTITION, MVP_STATE_PARTITION_LEN },
	};
	for (size_t i = 0; i < OWN_PARTS; i++) {
		b->own[i] = image_hole(own[i].len);
		contents[i] = (struct bundle_content){ .name = own[i].name, .img = b->own[i], .own = true };
	}
}

static void list_contents(struct build *b, struct bundle_content contents[ALL_PARTS])
{
	for (size_t i = 0; i < PARTS; i++) {
		const struct persona *p = b->tasks[i].persona;
		struct bundle_content *c = &contents[i];
		*c = (struct bundle_content){ .name = p ? p->name : "boot", .img = p ? b->tasks[i].sealed : b->boot };
		c->id = b->tasks[i].recall.identified ? b->tasks[i].recall.id : NULL;
		c->encrypted = p && p->encryption.on;
		/* keep: the container's holes say which sectors are free, and the user preferred that to writing them. */
		c->fill = c->encrypted && !(p->encryption.holes.s && !strcmp(p->encryption.holes.s, "keep"));
		/* Zeros that a hash tree covers must be zeros, whatever the flash held before. */
		c->fill |= p && !c->encrypted && persona_verity(p);
	}
	contents[VBMETA] = (struct bundle_content){ .name = "vbmeta", .img = b->vbmeta };
	make_own(b, contents + OWN);
}

static int by_path(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Every file that was read, sorted, each once. */
static void collect_inputs(const struct stamps *from, struct build_result *r)
{
	struct args all = { 0 };
	size_t kept = 0;
	for (size_t i = 0; i < from->count; i++)
		if (from->v[i].listed)
			args_add(&all, from->v[i].path);
	if (all.count)
		qsort(all.v, all.count, sizeof(*all.v), by_path);
	for (size_t i = 0; i < all.count; i++) {
		if (kept && !strcmp(all.v[kept - 1], all.v[i]))
			free(all.v[i]);
		else
			all.v[kept++] = all.v[i];
	}
	r->inputs = all.v;
	r->inputs_count = kept;
}

/* Before anything else is read: a file that changes from now on is seen to have changed. */
static void stamp_inputs(struct build *b)
{
	stamps_add(&b->inputs, b->m->path, true);
	stamps_add(&b->inputs, b->board->path, true);
	pack_inputs(b->pack, &b->inputs);
	if (b->opts->ota_from)
		stamps_add(&b->inputs, b->opts->ota_from, true);
	record_stamp_common(b->m, &b->inputs);
}

static int approve(void *ctx, struct diag *d)
{
	const struct build *b = ctx;
	const struct stamp *changed = stamps_changed(&b->inputs, true);
	if (!changed)
		return 0;
	return diag_fail(d, MVP0831, &LOC_FILE(changed->path), "the file changed while the build was reading its inputs");
}

/* What personas and hypervisor are made from has been read by now, but for images that are taken as they are: they are read while they are
 * packed, and looked at again before anything gets its name. */
static int check_inputs(struct build *b)
{
	for (size_t i = 1; i < PARTS; i++)
		stamps_join(&b->inputs, &b->tasks[i].disk.inputs);
	return approve(b, b->d);
}

/* Was all of this made by an earlier run, and has nothing changed since? If not, *ret_why says why; malloc'd. */
static bool find_unchanged(struct build *b, struct build_result *ret, char **ret_why)
{
	struct record r CLEANUP(record_fini) = { 0 };
	const struct stamp *changed;
	record_key(b->m, b->opts, b->record);
	if (!record_get(b->signed_cache, b->record, &r)) {
		*ret_why = mem_strdup("nothing is known of an earlier build of this manifest, with these options, into this folder");
		return false;
	}
	changed = stamps_changed(&r.inputs, false);
	if (changed) {
		*ret_why = mem_printf("'%s' has changed", changed->path);
		return false;
	}
	changed = stamps_changed(&r.outputs, false);
	if (changed) {
		*ret_why = mem_printf("'%s' is not what was made", changed->path);
		return false;
	}
	*ret = r.result;
	r.result = (struct build_result){ 0 };
	ret->layout = b->layout;
	ret->unchanged = true;
	collect_inputs(&r.inputs, ret);
	return true;
}

static unsigned missing(const struct build *b)
{
	return (b->trust.oem ? signer_missing(b->trust.oem) : 0) + (b->trust.enterprise ? signer_missing(b->trust.enterprise) : 0);
}

/* When signatures are only asked for, updates are packed to see what they sign, once all that goes into them is signed. */
static int pack(struct build *b, struct build_result *r)
{
	struct bundle_content contents[ALL_PARTS];
	struct pack_opts o = { .master = b->master,
			       .contents = contents,
			       .contents_count = ALL_PARTS,
			       .jobs = b->jobs,
			       .signer = b->trust.oem,
			       .cache = b->signed_cache,
			       .discard = b->prepare };
	o.approve = approve;
	o.approve_ctx = b;
	struct recall_job keep CLEANUP(
		recall_job_fini) = { .cache = b->signed_cache, .bundle = { .out_dir = b->opts->out_dir }, .bound = b->bound };
	const struct bundle_job more = { .bundle = &keep.bundle, .packer = &recall_packer };
	build_digest(b, o.digest);
	if (make_boot(b) || make_vbmeta(b, o.digest))
		return -1;
	if (b->prepare && (missing(b) || !pack_has_updates(b->pack)))
		return 0;
	for (size_t i = 1; i < PARTS; i++) {
		const struct task *t = &b->tasks[i];
		if (is_updated(b, t->persona)) {
			o.persona = &t->disk;
			o.signer = trust_of(&b->trust, b->m, &b->m->personas[i - 1]);
		}
	}
	for (size_t i = 1; i < PARTS && !b->prepare; i++)
		if (!b->tasks[i].recalled && !is_updated(b, b->tasks[i].persona))
			recall_add(&keep, b->tasks[i].persona->name, b->tasks[i].sealed, &b->tasks[i].recall, &b->tasks[i].disk, b->d);
	list_contents(b, contents);
	if (keep.bundle.parts_count)
		o.more = &more;
	if (pack_run(b->pack, &o, r, b->d))
		return -1;
	if (b->prepare)
		return 0;
	b->made_out_dir = false;
	r->layout = b->layout;
	r->core_text = b->hyp.core_text;
	r->core_image = b->hyp.core_image;
	r->vault_image = b->hyp.vault_image;
	memcpy(r->measurement, b->hyp.measurement, sizeof(r->measurement));
	collect_inputs(&b->inputs, r);
	record_put(b->signed_cache, b->record, &b->inputs, r);
	return 0;
}

/* What can be wrong without anything having been read or written: all of it is reported at once. */
static int plan(struct build *b)
{
	int rc = board_load(b->m, &b->board, b->d);
	if (!rc)
		rc = layout_plan(b->board, b->m, &b->layout, b->d);
	rc |= pack_plan(b->m, b->board, b->opts, &b->pack, b->d);
	rc |= secrets_master(b->m, b->master, b->d);
	rc |= trust_open(b->m, b->opts->exchange, b->prepare, &b->trust, b->d);
	if (!rc && pack_carrier(b->pack))
		rc = overlay_init(&b->overlay, b->m, &b->m->personas[PERSONA_PERSONAL], pack_carrier(b->pack), b->d);
	return rc ? -1 : 0;
}

static void count_jobs(struct build *b)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	b->jobs = b->opts->jobs;
	if (!b->jobs)
		b->jobs = cpus > 0 ? (unsigned)num_min((uint64_t)cpus, 64) : 1;
}

static void set_persona_opts(struct build *b)
{
	b->persona_opts = (struct persona_opts){
		.master = b->master,
		.epoch = b->opts->epoch,
		.tmp_dir = b->tmp ? tmpdir_path(b->tmp) : NULL,
		.jobs = b->jobs,
		.trust = &b->trust,
		.board = b->board,
	};
	memcpy(b->persona_opts.overlay, b->overlay.digest, sizeof(b->persona_opts.overlay));
}

/* Everything that goes into the partitions. */
static int make_parts(struct build *b)
{
	stamp_inputs(b);
	if (open_out_dir(b))
		return -1;
	set_persona_opts(b);
	return run_tasks(b) || check_inputs(b) ? -1 : 0;
}

/* Signatures that come as files are no inputs that a later run would know again; in the hypervisor there are none. */
static void open_caches(struct build *b)
{
	b->cache = b->opts->cache ? cache_open(b->d) : cache_none();
	b->signed_cache = b->opts->exchange ? cache_none() : b->cache;
}

static int run_once(const struct manifest *m, const struct build_opts *opts, struct build_result *ret, bool *ret_damaged, struct diag *d)
{
	struct build b CLEANUP(build_fini) = { .m = m, .opts = opts, .d = d };
	struct build_result r CLEANUP(build_result_fini) = { 0 };
	struct cache_pruned pruned;
	char *why CLEANUP_FREE = NULL;
	count_jobs(&b);
	if (plan(&b) || cache_bound(NULL, &b.bound, d))
		return -1;
	open_caches(&b);
	if (find_unchanged(&b, ret, &why)) {
		(void)tmpfile_sweep(opts->out_dir); /* what a run that was killed left goes also when there is nothing to build */
		return 0;
	}
	if (make_parts(&b) || pack(&b, &r)) {
		*ret_damaged = cache_damaged(b.cache);
		return -1;
	}
	cache_prune(b.cache, b.bound, &pruned);
	*ret = r;
	r = (struct build_result){ 0 };
	return 0;
}

int build_prepare(const struct manifest *m, const struct build_opts *opts, unsigned *ret_missing, struct diag *d)
{
	struct build b CLEANUP(build_fini) = { .m = m, .opts = opts, .d = d, .prepare = true };
	struct build_result r CLEANUP(build_result_fini) = { 0 };
	count_jobs(&b);
	if (plan(&b))
		return -1;
	open_caches(&b);
	if (make_parts(&b) || pack(&b, &r))
		return -1;
	*ret_missing = missing(&b);
	return 0;
}

/* The hypervisor; of each persona its partition, and that packed in two ways. */
enum { DAMAGED_MAX = 1 + 3 * PERSONA_MAX };

int build_run(const struct manifest *m, const struct build_opts *opts, struct build_result *ret, struct diag *d)
{
	/* An entry of the cache that turns out to be damaged when half of it has been read is gone by then: the next attempt makes it. */
	for (unsigned i = 0;; i++) {
		struct diag *attempt = diag_new();
		bool damaged = false;
		int rc = run_once(m, opts, ret, &damaged, attempt);
		if (rc && damaged && i < DAMAGED_MAX) {
			diag_free(attempt);
			continue;
		}
		diag_merge(d, attempt);
		return rc;
	}
}

/* The hypervisor; its boot image, if it is known. */
static int foresee_hyp(struct build *b, struct build_step *ret)
{
	const struct hyp_job job = hyp_job(b);
	int missing = hyp_find(&job, &b->hyp, b->d);
	if (missing < 0)
		return -1;
	*ret = (struct build_step){ .name = "hypervisor", .made = missing != 0 };
	if (missing) {
		ret->why = mem_strdup("the cache has none of these sources, options and keys");
		return 0;
	}
	ret->len = b->hyp.image_len;
	return make_boot(b);
}

static void foresee_persona(struct build *b, size_t i, struct build_step *ret)
{
	struct task *t = &b->tasks[i];
	t->persona = task_persona(b, i);
	t->recalled = find_persona(b, t);
	*ret = (struct build_step){ .name = t->persona->name, .made = !t->recalled };
	ret->why = TAKE(t->recall.why);
	ret->len = t->recalled ? image_len(t->sealed) : 0;
}

/* Partitions whose sizes can be told already. What is still to be made stands as an image without bytes. */
static int foresee_parts(struct build *b, struct build_plan *ret)
{
	struct bundle_content contents[ALL_PARTS];
	for (size_t i = 1; i < PARTS; i++)
		if (!b->tasks[i].sealed)
			b->tasks[i].sealed = image_hole(0);
	b->boot = b->boot ? b->boot : image_hole(0);
	b->vbmeta = image_hole(0); /* it is signed, which may cost somebody the press of a key */
	list_contents(b, contents);
	return pack_foresee(b->pack, contents, ALL_PARTS, ret, b->d);
}

static int foresee(struct build *b, struct build_plan *ret)
{
	struct build_result known CLEANUP(build_result_fini) = { 0 };
	ret->layout = b->layout;
	ret->unchanged = find_unchanged(b, &known, &ret->why);
	if (ret->unchanged) {
		ret->last = known;
		known = (struct build_result){ 0 };
		return 0;
	}
	if (!b->opts->cache) {
		free(ret->why);
		ret->why = mem_strdup("everything is to be made anew");
	}
	set_persona_opts(b);
	if (foresee_hyp(b, &ret->steps[0]))
		return -1;
	ret->steps_count = 1;
	for (size_t i = 1; i < PARTS; i++)
		foresee_persona(b, i, &ret->steps[ret->steps_count++]);
	return foresee_parts(b, ret);
}

int build_foresee(const struct manifest *m, const struct build_opts *opts, struct build_plan *ret, struct diag *d)
{
	struct build b CLEANUP(build_fini) = { .m = m, .opts = opts, .d = d };
	struct build_plan p CLEANUP(build_plan_fini) = { 0 };
	count_jobs(&b);
	if (plan(&b))
		return -1;
	open_caches(&b);
	if (foresee(&b, &p))
		return -1;
	*ret = p;
	p = (struct build_plan){ 0 };
	return 0;
}

void build_plan_fini(struct build_plan *p)
{
	for (size_t i = 0; i < p->steps_count; i++)
		free(p->steps[i].why);
	for (size_t i = 0; i < p->bundles_count; i++)
		free(p->bundles[i].folder);
	free(p->bundles);
	free(p->parts);
	free(p->why);
	build_result_fini(&p->last);
	*p = (struct build_plan){ 0 };
}

void build_result_fini(struct build_result *r)
{
	bundle_outputs_fini(&r->outputs);
	free(r->parts);
	for (size_t i = 0; i < r->inputs_count; i++)
		free(r->inputs[i]);
	free(r->inputs);
	*r = (struct build_result){ 0 };
}
