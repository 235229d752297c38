#include "imagegen/issue/issue.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/text.h"
#include "imagegen/base/tmpfile.h"
#include "imagegen/ledger/ledger.h"

/* One order on its way. */
struct issue {
	const struct issue_opts *opts;
	struct message *m;
	struct signer *signer;
	struct ledger *ledger; /* NULL: none */
	struct ledger_device *devices;
	size_t devices_count;
	struct buf bytes;
	struct diag *d;
};

static void issue_fini(struct issue *i)
{
	signer_free(i->signer);
	ledger_free(i->ledger);
	free(i->devices);
	buf_fini(&i->bytes);
}

/* The devices that are meant, as the ledger knows them. */
static int find_devices(struct issue *i)
{
	const struct order *o = &i->m->order;
	struct loc loc = LOC_FILE(i->opts->ledger);
	if (o->serial[0]) {
		i->devices = mem_new(struct ledger_device);
		i->devices_count = 1;
		return ledger_get(i->ledger, o->serial, i->devices, i->d);
	}
	if (ledger_devices(i->ledger, o->fleet, &i->devices, &i->devices_count, i->d) < 0)
		return -1;
	if (!i->devices_count)
		return diag_fail(i->d, MVP1005, &loc, "no device of the fleet '%s' is in the ledger", o->fleet);
	return 0;
}

/* All devices would refuse an order of another key: that is a mistake. Some of a fleet may have been rotated apart. */
static int check_key(struct issue *i)
{
	uint8_t point[MVP_P256_POINT_LEN];
	size_t others = 0;
	struct loc loc = LOC_FILE(i->opts->key->key);
	if (!p256_point(signer_public(i->signer), point))
		return diag_fail(i->d, MVP0630, &loc, "orders are signed with a key on P-256, which this is not");
	for (size_t k = 0; k < i->devices_count; k++)
		others += memcmp(i->devices[k].order_public, point, sizeof(point)) != 0;
	if (!others)
		return 0;
	if (others == i->devices_count)
		return diag_fail(i->d, MVP1006, &loc, "%s '%s' obeys another key", i->m->order.serial[0] ? "the device" : "the fleet",
				 i->m->order.serial[0] ? i->m->order.serial : i->m->order.fleet);
	diag_warn(i->d, MVP1006, &loc, "%zu of the %zu devices of the fleet '%s' obey another key and will refuse this order", others,
		  i->devices_count, i->m->order.fleet);
	return 0;
}

static int choose_counter(struct issue *i, struct issue_result *r)
{
	struct order *o = &i->m->order;
	i->m->has |= 1u << MVP_ORDER_COUNTER;
	if (!i->ledger) {
		o->counter = o->issued;
		return 0;
	}
	if (ledger_last_counter(i->ledger, o, &r->counter_above, i->d) < 0)
		return -1;
	o->counter = r->counter_above + 1;
	if (o->counter > INT64_MAX)
		return diag_fail(i->d, MVP1003, NULL, "the order's counter cannot be above %" PRIu64 ": there is no number left",
				 r->counter_above);
	return 0;
}

/* A counter of one's own may be one that was given before: then nobody would obey. */
static int check_counter(struct issue *i)
{
	const struct order *o = &i->m->order;
	uint64_t last;
	if (!i->ledger)
		return 0;
	if (ledger_last_counter(i->ledger, o, &last, i->d) < 0)
		return -1;
	if (o->counter <= last)
		diag_warn(i->d, MVP1003, NULL,
			  "the ledger knows of counter %" PRIu64 ": a device that saw it refuses this order, of %" PRIu64, last,
			  o->counter);
	return 0;
}

static int make(struct issue *i)
{
	struct buf payload CLEANUP(buf_fini) = BUF_INIT;
	struct message made;
	i->m->has |= 1u << MVP_ORDER_VERSION;
	if (message_emit(i->m, &payload) != 0)
		return diag_fail(i->d, MVP0001, NULL, "no memory for an order");
	if (cose_sign(i->signer, "order", MVP_ORDER_TYPE, payload.data, payload.len, &i->bytes, i->d) < 0)
		return -1;
	/* Read as the device will read it. */
	const char *fault = message_parse(i->bytes.data, i->bytes.len, &made);
	if (fault)
		return diag_fail(i->d, MVP1003, NULL, "a device would not take this order: %s", fault);
	memcpy(i->m->digest, made.digest, sizeof(made.digest));
	return 0;
}

static int put(struct issue *i, const char *dir, const char *name)
{
	struct tmpfile *t CLEANUP(tmpfile_freep) = NULL;
	char *path CLEANUP_FREE = mem_printf("%s/%s", dir, name);
	struct loc loc = LOC_FILE(path);
	int rc = tmpfile_open(dir, name, 0666, &t);
	if (!rc)
		rc = io_write_all(tmpfile_fd(t), i->bytes.data, i->bytes.len);
	if (!rc)
		rc = tmpfile_publish(t);
	return rc ? diag_fail(i->d, MVP1007, &loc, "cannot write the order: %s", strerror(-rc)) : 0;
}

static int put_output(struct issue *i)
{
	const char *slash = i->opts->output ? strrchr(i->opts->output, '/') : NULL;
	if (!i->opts->output)
		return 0;
	char *dir CLEANUP_FREE = slash == i->opts->output ? mem_strdup("/")
				 : slash                  ? mem_strndup(i->opts->output, (size_t)(slash - i->opts->output))
							  : mem_strdup(".");
	return put(i, dir, slash ? slash + 1 : i->opts->output);
}

/* Before a counter is taken. The root is the server's: one that is missing is a typing mistake, or a share that is not mounted. */
static int check_root(const char *dir, struct diag *d)
{
	struct loc loc = LOC_FILE(dir);
	struct stat st;
	int why = stat(dir, &st) < 0 ? errno : S_ISDIR(st.st_mode) ? 0 : ENOTDIR;
	if (!why)
		return 0;
	(void)diag_fail(d, MVP1007, &loc, "cannot publish there: %s", strerror(why));
	diag_hint(d, "--publish takes the root folder of the web server, which has to be there");
	return -1;
}

static int put_published(struct issue *i, const char *serial)
{
	uint8_t digest[32];
	char hex[3];
	if (EVP_Digest(serial, strlen(serial), digest, NULL, EVP_sha256(), NULL) != 1)
		return diag_fail(i->d, MVP0001, NULL, "SHA-256 failed");
	char *dir CLEANUP_FREE = mem_printf("%s/%s", i->opts->publish, text_hex(digest, 1, hex));
	char *name CLEANUP_FREE = mem_printf("%s.order", serial);
	struct loc loc = LOC_FILE(dir);
	if (mkdir(dir, 0777) < 0 && errno != EEXIST)
		return diag_fail(i->d, MVP1007, &loc, "cannot make the folder: %s", strerror(errno));
	return put(i, dir, name);
}

static int put_all(struct issue *i, struct issue_result *r)
{
	if (put_output(i) < 0)
		return -1;
	if (!i->opts->publish)
		return 0;
	if (!i->ledger) {
		r->published = 1;
		return put_published(i, i->m->order.serial);
	}
	for (; r->published < i->devices_count; r->published++) {
		if (put_published(i, i->devices[r->published].serial) < 0)
			return -1;
	}
	return 0;
}

int issue_order(const struct issue_opts *opts, struct message *m, struct issue_result *ret, struct diag *d)
{
	struct issue i CLEANUP(issue_fini) = { .opts = opts, .m = m, .bytes = BUF_MAX(MESSAGE_MAX * 4), .d = d };
	struct issue_result r = { 0 };
	if (opts->publish && !opts->ledger && !m->order.serial[0])
		return diag_fail(d, MVP1003, NULL, "an order for a fleet is published for each device of the ledger: which one?");
	if (opts->publish && check_root(opts->publish, d) < 0)
		return -1;
	if (signer_open(opts->key, &i.signer, d) < 0)
		return -1;
	/* Held until the counter is taken: two orders must not get the same one. */
	if (opts->ledger && (ledger_open(opts->ledger, false, &i.ledger, d) < 0))
		return -1;
	if (opts->ledger) {
		ledger_free(TAKE(i.ledger)); /* it is there, and a ledger: none is made by a typing mistake */
		if (ledger_open(opts->ledger, true, &i.ledger, d) < 0 || ledger_begin(i.ledger, d) < 0 || find_devices(&i) < 0)
			return -1;
	}
	if (check_key(&i) < 0 || (opts->choose_counter ? choose_counter(&i, &r) : check_counter(&i)) < 0 || make(&i) < 0)
		return -1;
	/* The ledger first: a counter that is lost with a crash does no harm, one that is given twice makes an order stale. */
	if (i.ledger && (ledger_add_order(i.ledger, m, i.bytes.data, i.bytes.len, d) < 0 || ledger_commit(i.ledger, d) < 0))
		return -1;
	if (put_all(&i, &r) < 0)
		return -1;
	*ret = r;
	return 0;
}
