/* In this order, so that what is on the flash can always be accounted for:
 *   the device key is in its file; the ledger has the device, incomplete; the journal's first record is on the flash; then the identity,
 * one copy after the other; the ledger says that it is complete. A run that ended in between left a device without identity, which takes no
 * orders, and a ledger that says so: the next run finds the key and the entry, and goes on. */
#include "imagegen/provision/provision.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/image.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/base/secret.h"
#include "imagegen/base/tmpfile.h"
#include "imagegen/device/device.h"
#include "imagegen/gpt/gpt.h"
#include "imagegen/inspect/inspect.h"

enum { HASH_LEN = 1 << 20 };

struct provisioning {
	const struct provision_opts *opts;
	int fd; /* of the image, for writing */
	struct image *img;
	struct gpt_entry keys, state;
	struct secret key;
	struct ledger *ledger;
	struct provision_result r;
	struct loc loc; /* of the image */
	struct loc own; /* of what is written: the image, or the folder of the files */
	struct diag *d;
};

static void provisioning_fini(struct provisioning *p)
{
	fd_closep(&p->fd);
	image_free(p->img);
	secret_fini(&p->key);
	ledger_free(p->ledger);
}

/* QEMU locks bytes from 100 on of an image that it uses (block/file-posix.c: RAW_LOCK_PERM_BASE, RAW_LOCK_SHARED_BASE, 64 bytes behind
 * each); a lock on all of them keeps it, and another mvpctl, away. Block devices and some file systems have no such locks. */
static int lock_image(struct provisioning *p)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 100, .l_len = 200 };
	if (fcntl(p->fd, F_OFD_SETLK, &lock) == 0 || errno == ENOTSUP || errno == EINVAL || errno == ENOLCK)
		return 0;
	return diag_fail(p->d, MVP1010, &p->loc, "the image is in use by another program: %s", strerror(errno));
}

static int open_image(struct provisioning *p)
{
	struct gpt_entry *entries CLEANUP_FREE = NULL;
	size_t count;
	bool has_keys = false, has_state = false;
	bool in_place = !p->opts->output;
	p->fd = open(p->opts->image, (in_place ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	if (p->fd < 0)
		return diag_fail(p->d, MVP1010, &p->loc, "cannot open the image%s: %s", in_place ? " for writing" : "", strerror(errno));
	if ((in_place && lock_image(p) < 0) || inspect_open(p->opts->image, &p->img, p->d) < 0)
		return -1;
	if (gpt_read(p->img, p->opts->image, &entries, &count, p->d) < 0) {
		diag_hint(p->d, "what is provisioned is a disk image, the bundle 'disk' of mvpctl build: NAME-VERSION.img");
		return -1;
	}
	for (size_t i = 0; i < count; i++) {
		bool keys = strcmp(entries[i].name, MVP_KEYS_PARTITION) == 0, state = strcmp(entries[i].name, MVP_STATE_PARTITION) == 0;
		if (keys)
			p->keys = entries[i];
		if (state)
			p->state = entries[i];
		has_keys |= keys;
		has_state |= state;
	}
	if (!has_keys || !has_state || p->keys.len < MVP_KEYS_PARTITION_LEN || p->state.len < MVP_STATE_PARTITION_LEN)
		return diag_fail(p->d, MVP1010, &p->loc, "the image has no partitions '%s' and '%s' of 1 MiB", MVP_KEYS_PARTITION,
				 MVP_STATE_PARTITION);
	return 0;
}

/* Everything but the two partitions that are the device's own: equal for all devices of a build, and before and after. */
static int digest_image(struct provisioning *p)
{
	EVP_MD_CTX *md CLEANUP(EVP_MD_CTX_freep) = EVP_MD_CTX_new();
	uint8_t *buf CLEANUP_FREE = mem_array(uint8_t, HASH_LEN);
	bool ok = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1;
	for (uint64_t at = 0; ok && at < image_len(p->img);) {
		size_t n = (size_t)num_min(HASH_LEN, image_len(p->img) - at);
		if (diag_stopped(p->d) || image_read(p->img, at, buf, n, p->d) < 0)
			return -1;
		const struct gpt_entry *own[] = { &p->keys, &p->state };
		for (size_t i = 0; i < ARRAY_LEN(own); i++) {
			uint64_t from = num_max(at, own[i]->at), to = num_min(at + n, own[i]->at + own[i]->len);
			if (from < to)
				memset(buf + (from - at), 0, (size_t)(to - from));
		}
		ok = EVP_DigestUpdate(md, buf, n) == 1;
		at += n;
	}
	ok = ok && EVP_DigestFinal_ex(md, p->r.device.image_sha256, NULL) == 1;
	return ok ? 0 : diag_fail(p->d, MVP0001, NULL, "SHA-256 failed");
}

static int make_key(struct provisioning *p)
{
	const char *path = p->opts->device_key, *slash = strrchr(path, '/');
	struct tmpfile *t CLEANUP(tmpfile_freep) = NULL;
	struct loc loc = LOC_FILE(path);
	char *dir CLEANUP_FREE = slash == path ? mem_strdup("/") : slash ? mem_strndup(path, (size_t)(slash - path)) : mem_strdup(".");
	secret_alloc(&p->key, MVP_DEVICE_KEY_LEN);
	if (RAND_priv_bytes(p->key.data, MVP_DEVICE_KEY_LEN) != 1)
		return diag_fail(p->d, MVP1013, &loc, "no random numbers for a device key");
	int rc = tmpfile_open(dir, slash ? slash + 1 : path, 0600, &t);
	if (!rc)
		rc = io_write_all(tmpfile_fd(t), p->key.data, MVP_DEVICE_KEY_LEN);
	if (!rc)
		rc = tmpfile_publish_new(t);
	if (rc)
		return diag_fail(p->d, MVP1013, &loc, "cannot make the device key: %s", strerror(-rc));
	p->r.key_made = true;
	return device_public(p->key.data, p->r.device.device_public, p->d);
}

static int take_key(struct provisioning *p)
{
	struct loc loc = LOC_FILE(p->opts->device_key);
	struct stat st;
	int rc = secret_read_file(p->opts->device_key, MVP_DEVICE_KEY_LEN, &p->key);
	if (rc == -ENOENT)
		return 0; /* made when it is sure that it is needed */
	if (rc && rc != -EFBIG)
		return diag_fail(p->d, MVP1013, &loc, "cannot read the device key: %s", strerror(-rc));
	if (rc || p->key.len != MVP_DEVICE_KEY_LEN)
		return diag_fail(p->d, MVP1013, &loc, "not a device key: it must have exactly %d bytes", MVP_DEVICE_KEY_LEN);
	if (stat(p->opts->device_key, &st) == 0 && (st.st_mode & 077)) {
		diag_warn(p->d, MVP0604, &loc, "the key is secret, but its mode is %04o", (unsigned)(st.st_mode & 07777));
		diag_hint(p->d, "chmod 600 %s", p->opts->device_key);
	}
	return device_public(p->key.data, p->r.device.device_public, p->d);
}

static int take_orders_key(struct provisioning *p)
{
	EVP_PKEY *key CLEANUP(EVP_PKEY_freep) = NULL;
	struct loc loc = LOC_FILE(p->opts->orders_key);
	if (sign_read_public(p->opts->orders_key, &loc, &key, p->d) < 0)
		return -1;
	if (!p256_point(key, p->r.device.order_public))
		return diag_fail(p->d, MVP0630, &loc, "orders are signed with a key on P-256, which this is not");
	return 0;
}

/* Is it the entry that an interrupted run of ours, or a complete one, left? */
static bool is_ours(const struct provisioning *p, const struct ledger_device *there)
{
	const struct ledger_device *dev = &p->r.device;
	return memcmp(there->device_public, dev->device_public, sizeof(dev->device_public)) == 0 && strcmp(there->fleet, dev->fleet) == 0 &&
	       memcmp(there->image_sha256, dev->image_sha256, sizeof(dev->image_sha256)) == 0 &&
	       memcmp(there->order_public, dev->order_public, sizeof(dev->order_public)) == 0;
}

/* The name of a file for what belongs into a partition; malloc'd. */
static char *file_of(const struct provisioning *p, const char *partition)
{
	return mem_printf("%s/%s.img", p->opts->output, partition);
}

/* The identity that is where one is to be written. */
static int read_identity(struct provisioning *p, struct mvp_identity *ret, const char **ret_fault)
{
	struct image *part CLEANUP(image_freep) = NULL;
	*ret_fault = "empty";
	if (!p->opts->output) {
		part = image_slice(p->img, p->keys.at, p->keys.len);
	} else {
		char *path CLEANUP_FREE = file_of(p, MVP_KEYS_PARTITION);
		int rc = image_open(path, &part);
		if (rc == -ENOENT)
			return 0;
		if (rc)
			return diag_fail(p->d, MVP1010, &p->own, "cannot open '%s': %s", path, strerror(-rc));
		if (image_len(part) < MVP_KEYS_PARTITION_LEN) {
			*ret_fault = "it is too short";
			return 0;
		}
	}
	return device_identity_read(part, ret, ret_fault, p->d);
}

static int refuse_known(struct provisioning *p, const struct ledger_device *there)
{
	const struct ledger_device *dev = &p->r.device;
	(void)diag_fail(p->d, MVP1011, &LOC_FILE(p->opts->ledger), "the ledger has a device '%s' already", p->opts->serial);
	if (strcmp(there->fleet, dev->fleet) != 0)
		diag_note(p->d, "that one is of %s%s", there->fleet[0] ? "the fleet " : "no fleet", there->fleet);
	if (memcmp(there->image_sha256, dev->image_sha256, sizeof(dev->image_sha256)) != 0)
		diag_note(p->d, "that one is of another image");
	if (memcmp(there->order_public, dev->order_public, sizeof(dev->order_public)) != 0)
		diag_note(p->d, "that one takes orders of another key");
	if (!p->key.len)
		diag_note(p->d, "its device key is not in '%s'", p->opts->device_key);
	else if (memcmp(there->device_public, dev->device_public, sizeof(dev->device_public)) != 0)
		diag_note(p->d, "that one has another device key than '%s'", p->opts->device_key);
	if (is_ours(p, there))
		diag_note(p->d, "it is the same device, but its identity is not in '%s'", p->own.file);
	diag_hint(p->d, "another device needs another serial; --again lets this one begin anew");
	return -1;
}

/* 0: to be written, 1: all is there. *ret_resume: the ledger has the entry already. */
static int judge(struct provisioning *p, bool *ret_resume)
{
	struct ledger_device there;
	struct mvp_identity id;
	const char *fault;
	int rc = ledger_find(p->ledger, p->opts->serial, &there, p->d);
	if (rc < 0 || read_identity(p, &id, &fault) < 0)
		return -1;
	bool known = rc == 0, mine = known && is_ours(p, &there);
	bool serial = !fault && strcmp((const char *)id.serial, p->opts->serial) == 0,
	     same = serial && p->key.len && device_identity_holds(&id, p->key.data);
	*ret_resume = mine && !there.complete;
	if (p->opts->again)
		return 0;
	if (mine && there.complete && same) {
		p->r.device = there;
		return 1;
	}
	if (known && !*ret_resume)
		return refuse_known(p, &there);
	if (!fault && !(*ret_resume && serial)) { /* the MAC may be what was not written any more */
		(void)diag_fail(p->d, MVP1011, &p->own, "%s that of the device '%s'",
				p->opts->output ? "the identity there is" : "the image is", (const char *)id.serial);
		diag_hint(p->d, "each device needs %s; --again makes another device of this one",
			  p->opts->output ? "a folder of its own" : "a copy of the image that was built");
		return -1;
	}
	if (fault && strcmp(fault, "empty") != 0 && !*ret_resume)
		return diag_fail(p->d, MVP1011, &p->own, "there is an identity that cannot be read: %s", fault);
	return 0;
}

static int put(struct provisioning *p, const void *data, size_t len, uint64_t at)
{
	int rc = io_pwrite_all(p->fd, data, len, at);
	return rc ? diag_fail(p->d, MVP1012, &p->loc, "cannot write: %s", strerror(-rc)) : 0;
}

static int flush(struct provisioning *p)
{
	return fsync(p->fd) == 0 ? 0 : diag_fail(p->d, MVP1012, &p->loc, "cannot write: %s", strerror(errno));
}

static int write_in_place(struct provisioning *p, const struct mvp_state *state, const struct mvp_identity *id)
{
	static const struct mvp_state no_state;
	if (put(p, &no_state, sizeof(no_state), p->state.at + MVP_STATE_AT(1)) < 0 ||
	    put(p, state, sizeof(*state), p->state.at + MVP_STATE_AT(0)) < 0 || flush(p) < 0)
		return -1;
	for (unsigned i = 0; i < MVP_IDENTITY_COPIES; i++) {
		if (put(p, id, sizeof(*id), p->keys.at + MVP_IDENTITY_AT(i)) < 0 || flush(p) < 0)
			return -1;
	}
	return 0;
}

/* A partition's content: the record at its places, zeros elsewhere. */
static int write_file(struct provisioning *p, const struct gpt_entry *part, const void *record, size_t len, const uint64_t *at,
		      size_t count)
{
	struct tmpfile *t CLEANUP(tmpfile_freep) = NULL;
	char *name CLEANUP_FREE = mem_printf("%s.img", part->name);
	int rc = tmpfile_open(p->opts->output, name, 0666, &t);
	if (!rc && ftruncate(tmpfile_fd(t), (off_t)part->len) < 0)
		rc = -errno;
	for (size_t i = 0; i < count && !rc; i++)
		rc = io_pwrite_all(tmpfile_fd(t), record, len, at[i]);
	if (!rc)
		rc = tmpfile_publish(t);
	return rc ? diag_fail(p->d, MVP1012, &p->own, "cannot write '%s': %s", name, strerror(-rc)) : 0;
}

static int write_files(struct provisioning *p, const struct mvp_state *state, const struct mvp_identity *id)
{
	static const uint64_t state_at[] = { MVP_STATE_AT(0) };
	uint64_t keys_at[MVP_IDENTITY_COPIES];
	for (unsigned i = 0; i < MVP_IDENTITY_COPIES; i++)
		keys_at[i] = MVP_IDENTITY_AT(i);
	if (mkdir(p->opts->output, 0777) < 0 && errno != EEXIST)
		return diag_fail(p->d, MVP1012, &p->own, "cannot make the folder: %s", strerror(errno));
	tmpfile_sweep(p->opts->output);
	return write_file(p, &p->state, state, sizeof(*state), state_at, ARRAY_LEN(state_at)) < 0 ||
			       write_file(p, &p->keys, id, sizeof(*id), keys_at, ARRAY_LEN(keys_at)) < 0
		       ? -1
		       : 0;
}

static int write_records(struct provisioning *p)
{
	struct mvp_state state;
	struct mvp_identity id;
	const struct device_id what = { .serial = p->opts->serial, .fleet = p->opts->fleet, .provisioned_at = p->r.device.provisioned_at };
	struct device_id with_key = what;
	memcpy(with_key.order_public, p->r.device.order_public, sizeof(with_key.order_public));
	if (device_state(p->key.data, &state, p->d) < 0 || device_identity(p->key.data, &with_key, &id, p->d) < 0)
		return -1;
	return p->opts->output ? write_files(p, &state, &id) : write_in_place(p, &state, &id);
}

/* In the ledger before anything is on the flash. An interrupted run's time stays, so that its records come out the same. */
static int enter(struct provisioning *p, bool resume)
{
	struct ledger_device there;
	if (resume && !p->opts->again) {
		if (ledger_find(p->ledger, p->opts->serial, &there, p->d) < 0)
			return -1;
		p->r.device.provisioned_at = there.provisioned_at;
		return 0;
	}
	if (ledger_begin(p->ledger, p->d) < 0)
		return -1;
	/* Another station may have taken the serial since it was judged. */
	int rc = p->opts->again ? 1 : ledger_find(p->ledger, p->opts->serial, &there, p->d);
	if (rc == 0)
		return refuse_known(p, &there);
	return rc < 0 || ledger_add(p->ledger, &p->r.device, p->d) < 0 || ledger_commit(p->ledger, p->d) < 0 ? -1 : 0;
}

int provision(const struct provision_opts *opts, struct provision_result *ret, struct diag *d)
{
	struct provisioning p CLEANUP(provisioning_fini) = { .opts = opts, .fd = -1, .loc = LOC_FILE(opts->image), .d = d };
	p.own = opts->output ? LOC_FILE(opts->output) : p.loc;
	bool resume = false;
	memcpy(p.r.device.serial, opts->serial, strnlen(opts->serial, MVP_SERIAL_MAX));
	if (opts->fleet)
		memcpy(p.r.device.fleet, opts->fleet, strnlen(opts->fleet, MVP_SERIAL_MAX));
	p.r.device.provisioned_at = opts->time;
	if (take_orders_key(&p) < 0 || open_image(&p) < 0 || digest_image(&p) < 0 || ledger_open(opts->ledger, true, &p.ledger, d) < 0 ||
	    take_key(&p) < 0)
		return -1;
	int rc = judge(&p, &resume);
	if (rc < 0 || (!p.key.len && make_key(&p) < 0))
		return -1;
	p.r.was_complete = rc > 0;
	if (rc == 0) {
		if (enter(&p, resume) < 0 || write_records(&p) < 0 || ledger_complete(p.ledger, opts->serial, d) < 0)
			return -1;
		p.r.device.complete = true;
	}
	*ret = p.r;
	return 0;
}
