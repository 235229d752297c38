#include "imagegen/ledger/ledger.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/mem.h"

#define APPLICATION_ID 0x4d56504c /* "MVPL": what file(1) and we know the file by */
#define SCHEMA_VERSION 1
#define BUSY_MS 10000

struct ledger {
	sqlite3 *db;
	char *path;
};

static void stmt_freep(sqlite3_stmt **s)
{
	(void)sqlite3_finalize(*s); /* its error is that of the step before */
	*s = NULL;
}

static int fail(const struct ledger *l, struct diag *d)
{
	struct loc loc = LOC_FILE(l->path);
	return diag_fail(d, MVP1004, &loc, "the ledger cannot be used: %s", sqlite3_errmsg(l->db));
}

/* Prepares a statement and binds one parameter for each letter of types: t text, i uint64_t, b bytes and their count (size_t). */
static int prepare(struct ledger *l, sqlite3_stmt **ret, struct diag *d, const char *sql, const char *types, ...)
{
	va_list ap;
	int rc = sqlite3_prepare_v2(l->db, sql, -1, ret, NULL);
	va_start(ap, types);
	for (int i = 1; types[i - 1] && rc == SQLITE_OK; i++) {
		if (types[i - 1] == 't') {
			rc = sqlite3_bind_text(*ret, i, va_arg(ap, const char *), -1, SQLITE_TRANSIENT);
		} else if (types[i - 1] == 'i') {
			rc = sqlite3_bind_int64(*ret, i, (sqlite3_int64)va_arg(ap, uint64_t));
		} else {
			const void *bytes = va_arg(ap, const void *);
			rc = sqlite3_bind_blob(*ret, i, bytes, (int)va_arg(ap, size_t), SQLITE_TRANSIENT);
		}
	}
	va_end(ap);
	return rc == SQLITE_OK ? 0 : fail(l, d);
}

/* 0: a row, 1: no more. */
static int step(struct ledger *l, sqlite3_stmt *s, struct diag *d)
{
	int rc = sqlite3_step(s);
	return rc == SQLITE_ROW ? 0 : rc == SQLITE_DONE ? 1 : fail(l, d);
}

/* A statement without rows. */
static int finish(struct ledger *l, sqlite3_stmt *s, struct diag *d)
{
	return step(l, s, d) < 0 ? -1 : 0;
}

static int execute(struct ledger *l, const char *sql, struct diag *d)
{
	return sqlite3_exec(l->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail(l, d);
}

static int number(struct ledger *l, const char *sql, int64_t *ret, struct diag *d)
{
	sqlite3_stmt *s CLEANUP(stmt_freep) = NULL;
	if (prepare(l, &s, d, sql, "") < 0 || step(l, s, d) < 0)
		return -1;
	*ret = sqlite3_column_int64(s, 0);
	return 0;
}

static const char schema[] =
	"CREATE TABLE device ("
	" id INTEGER PRIMARY KEY, serial TEXT NOT NULL, fleet TEXT NOT NULL, device_public BLOB NOT NULL, order_public BLOB NOT NULL,"
	" image_sha256 BLOB NOT NULL, provisioned_at INTEGER NOT NULL, complete INTEGER NOT NULL, retired INTEGER NOT NULL DEFAULT 0);"
	"CREATE UNIQUE INDEX device_serial ON device (serial) WHERE retired = 0;"
	"CREATE TABLE orders ("
	" digest BLOB PRIMARY KEY, serial TEXT NOT NULL, fleet TEXT NOT NULL, action INTEGER NOT NULL, counter INTEGER NOT NULL,"
	" issued INTEGER NOT NULL, message BLOB NOT NULL);"
	"CREATE TABLE receipt ("
	" serial TEXT NOT NULL, device_public BLOB NOT NULL, sequence INTEGER NOT NULL, order_digest BLOB, outcome INTEGER NOT NULL,"
	" counter INTEGER NOT NULL, time INTEGER NOT NULL, message BLOB NOT NULL, PRIMARY KEY (serial, device_public, sequence));";

/* A new file gets its tables; one of something else is left alone. */
static int check_schema(struct ledger *l, bool create, struct diag *d)
{
	struct loc loc = LOC_FILE(l->path);
	int64_t id, version, tables;
	if (number(l, "PRAGMA application_id", &id, d) < 0 || number(l, "PRAGMA user_version", &version, d) < 0 ||
	    number(l, "SELECT count(*) FROM sqlite_master", &tables, d) < 0)
		return -1;
	if (create && id == 0 && version == 0 && tables == 0) {
		char *pragmas CLEANUP_FREE =
			mem_printf("PRAGMA application_id = %d; PRAGMA user_version = %d;", APPLICATION_ID, SCHEMA_VERSION);
		return execute(l, schema, d) < 0 || execute(l, pragmas, d) < 0 ? -1 : 0;
	}
	if (id != APPLICATION_ID)
		return diag_fail(d, MVP1004, &loc, "this is not a ledger");
	if (version != SCHEMA_VERSION)
		return diag_fail(d, MVP1004, &loc, "this is a ledger of version %lld; expected %d", (long long)version, SCHEMA_VERSION);
	return 0;
}

int ledger_open(const char *path, bool create, struct ledger **ret_l, struct diag *d)
{
	struct ledger *l CLEANUP(ledger_freep) = mem_new(struct ledger);
	int flags = create ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
	struct loc loc = LOC_FILE(path);
	l->path = mem_strdup(path);
	if (!create && access(path, F_OK) < 0) {
		(void)diag_fail(d, MVP1004, &loc, "cannot open the ledger: %s", strerror(errno));
		if (errno == ENOENT)
			diag_hint(d, "`mvpctl provision --ledger` makes it, with the first device");
		return -1;
	}
	if (sqlite3_open_v2(path, &l->db, flags, NULL) != SQLITE_OK)
		return fail(l, d);
	(void)sqlite3_busy_timeout(l->db, BUSY_MS);
	/* Looking at a file takes no lock on it; making one must not happen twice. */
	int rc = create ? ledger_begin(l, d) : 0;
	if (rc == 0)
		rc = check_schema(l, create, d);
	if (rc == 0 && create)
		rc = ledger_commit(l, d);
	if (rc == 0)
		*ret_l = TAKE(l);
	return rc;
}

void ledger_free(struct ledger *l)
{
	if (!l)
		return;
	(void)sqlite3_close(l->db); /* rolls back */
	free(l->path);
	free(l);
}

int ledger_begin(struct ledger *l, struct diag *d)
{
	return execute(l, "BEGIN IMMEDIATE", d);
}

int ledger_commit(struct ledger *l, struct diag *d)
{
	return execute(l, "COMMIT", d);
}

/* Devices */

static void column_name(sqlite3_stmt *s, int column, char ret[MVP_SERIAL_MAX + 1])
{
	const unsigned char *text = sqlite3_column_text(s, column);
	(void)snprintf(ret, MVP_SERIAL_MAX + 1, "%s", text ? (const char *)text : "");
}

static bool column_bytes(sqlite3_stmt *s, int column, uint8_t *ret, size_t len)
{
	const void *blob = sqlite3_column_blob(s, column);
	if (!blob || sqlite3_column_bytes(s, column) != (int)len)
		return false;
	memcpy(ret, blob, len);
	return true;
}

#define DEVICE_COLUMNS "serial, fleet, device_public, order_public, image_sha256, provisioned_at, complete"

static int read_device(const struct ledger *l, sqlite3_stmt *s, struct ledger_device *ret, struct diag *d)
{
	struct loc loc = LOC_FILE(l->path);
	*ret = (struct ledger_device){ 0 };
	column_name(s, 0, ret->serial);
	column_name(s, 1, ret->fleet);
	if (!column_bytes(s, 2, ret->device_public, sizeof(ret->device_public)) ||
	    !column_bytes(s, 3, ret->order_public, sizeof(ret->order_public)) ||
	    !column_bytes(s, 4, ret->image_sha256, sizeof(ret->image_sha256)))
		return diag_fail(d, MVP1004, &loc, "the ledger is damaged: a key or digest of the device '%s' has the wrong length",
				 ret->serial);
	ret->provisioned_at = (uint64_t)sqlite3_column_int64(s, 5);
	ret->complete = sqlite3_column_int(s, 6) != 0;
	return 0;
}

int ledger_find(struct ledger *l, const char *serial, struct ledger_device *ret, struct diag *d)
{
	sqlite3_stmt *s CLEANUP(stmt_freep) = NULL;
	if (prepare(l, &s, d, "SELECT " DEVICE_COLUMNS " FROM device WHERE serial = ? AND retired = 0", "t", serial) < 0)
		return -1;
	int rc = step(l, s, d);
	return rc ? rc : read_device(l, s, ret, d);
}

int ledger_get(struct ledger *l, const char *serial, struct ledger_device *ret, struct diag *d)
{
	struct loc loc = LOC_FILE(l->path);
	int rc = ledger_find(l, serial, ret, d);
	return rc > 0 ? diag_fail(d, MVP1005, &loc, "the device '%s' is not in the ledger", serial) : rc;
}

int ledger_devices(struct ledger *l, const char *fleet, struct ledger_device **ret, size_t *ret_count, struct diag *d)
{
	sqlite3_stmt *s CLEANUP(stmt_freep) = NULL;
	struct ledger_device *v CLEANUP_FREE = NULL;
	size_t count = 0, cap = 0;
	int rc = fleet ? prepare(l, &s, d, "SELECT " DEVICE_COLUMNS " FROM device WHERE retired = 0 AND fleet = ? ORDER BY serial", "t",
				 fleet)
		       : prepare(l, &s, d, "SELECT " DEVICE_COLUMNS " FROM device WHERE retired = 0 ORDER BY serial", "");
	while (!rc && (rc = step(l, s, d)) == 0) {
		mem_grow(&v, count, &cap, sizeof(*v));
		rc = read_device(l, s, &v[count++], d);
	}
	if (rc < 0)
		return -1;
	*ret = TAKE(v);
	*ret_count = count;
	return 0;
}

int ledger_add(struct ledger *l, const struct ledger_device *dev, struct diag *d)
{
	sqlite3_stmt *retire CLEANUP(stmt_freep) = NULL, *s CLEANUP(stmt_freep) = NULL;
	if (prepare(l, &retire, d, "UPDATE device SET retired = 1 WHERE serial = ? AND retired = 0", "t", dev->serial) < 0 ||
	    finish(l, retire, d) < 0)
		return -1;
	if (prepare(l, &s, d, "INSERT INTO device (" DEVICE_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?)", "ttbbbii", dev->serial, dev->fleet,
		    dev->device_public, sizeof(dev->device_public), dev->order_public, sizeof(dev->order_public), dev->image_sha256,
		    sizeof(dev->image_sha256), dev->provisioned_at, (uint64_t)dev->complete) < 0)
		return -1;
	return finish(l, s, d);
}

int ledger_complete(struct ledger *l, const char *serial, struct diag *d)
{
	sqlite3_stmt *s CLEANUP(stmt_freep) = NULL;
	if (prepare(l, &s, d, "UPDATE device SET complete = 1 WHERE serial = ? AND retired = 0", "t", serial) < 0)
		return -1;
	return finish(l, s, d);
}

int ledger_set_order_key(struct ledger *l, const char *serial, const uint8_t point[MVP_P256_POINT_LEN], struct diag *d)
{
	sqlite3_stmt *s CLEANUP(stmt_freep) = NULL;
	if (prepare(l, &s, d, "UPDATE device SET order_public = ? WHERE serial = ? AND retired = 0", "bt", point,
		    (size_t)MVP_P256_POINT_LEN, serial) < 0)
		return -1;
	return finish(l, s, d);
}

/* Orders and receipts */

int ledger_last_counter(struct ledger *l, const struct order *o, uint64_t *ret_counter, struct diag *d)
{
	static const char sql[] =
		"WITH known AS (SELECT serial, fleet FROM device WHERE retired = 0"
		"  AND (serial = ?1 OR (?2 <> '' AND fleet = ?2)))"
		" SELECT coalesce(max(counter), 0) FROM ("
		"  SELECT counter FROM orders WHERE (serial <> '' AND (serial = ?1 OR serial IN (SELECT serial FROM known)))"
		"   OR (fleet <> '' AND (fleet = ?2 OR fleet IN (SELECT fleet FROM known)))"
		"  UNION ALL SELECT counter FROM receipt WHERE serial IN (SELECT serial FROM known))";
	sqlite3_stmt *s CLEANUP(stmt_freep) = NULL;
	if (prepare(l, &s, d, sql, "tt", o->serial, o->fleet) < 0 || step(l, s, d) < 0)
		return -1;
	*ret_counter = (uint64_t)sqlite3_column_int64(s, 0);
	return 0;
}

int ledger_add_order(struct ledger *l, const struct message *m, const uint8_t *bytes, size_t len, struct diag *d)
{
	sqlite3_stmt *s CLEANUP(stmt_freep) = NULL;
	const struct order *o = &m->order;
	if (prepare(l, &s, d,
		    "INSERT OR IGNORE INTO orders (digest, serial, fleet, action, counter, issued, message)"
		    " VALUES (?, ?, ?, ?, ?, ?, ?)",
		    "bttiiib", m->digest, sizeof(m->digest), o->serial, o->fleet, o->action, o->counter, o->issued, bytes, len) < 0)
		return -1;
	return finish(l, s, d);
}

int ledger_find_order(struct ledger *l, const uint8_t digest[32], uint8_t **ret_bytes, struct message *ret_m, struct diag *d)
{
	struct loc loc = LOC_FILE(l->path);
	sqlite3_stmt *s CLEANUP(stmt_freep) = NULL;
	if (prepare(l, &s, d, "SELECT message FROM orders WHERE digest = ?", "b", digest, (size_t)32) < 0)
		return -1;
	int rc = step(l, s, d);
	if (rc)
		return rc;
	const void *blob = sqlite3_column_blob(s, 0);
	int len = sqlite3_column_bytes(s, 0);
	uint8_t *bytes CLEANUP_FREE = mem_zeroed(1, (size_t)len + 1);
	if (blob)
		memcpy(bytes, blob, (size_t)len);
	if (message_parse(bytes, (size_t)len, ret_m) || ret_m->kind != MESSAGE_ORDER)
		return diag_fail(d, MVP1004, &loc, "the ledger is damaged: what it keeps as an order is none");
	*ret_bytes = TAKE(bytes);
	return 0;
}

/* A device that was provisioned again counts its receipts from 1 again: what tells them apart is its key. */
int ledger_add_receipt(struct ledger *l, const struct message *m, const uint8_t *bytes, size_t len, struct diag *d)
{
	const struct receipt *r = &m->receipt;
	sqlite3_stmt *s CLEANUP(stmt_freep) = NULL, *there CLEANUP(stmt_freep) = NULL;
	struct ledger_device dev;
	if (ledger_get(l, r->serial, &dev, d) < 0 ||
	    prepare(l, &there, d, "SELECT message FROM receipt WHERE serial = ? AND device_public = ? AND sequence = ?", "tbi", r->serial,
		    dev.device_public, sizeof(dev.device_public), r->sequence) < 0)
		return -1;
	int rc = step(l, there, d);
	if (rc < 0)
		return -1;
	if (rc == 0) {
		struct message old;
		const void *blob = sqlite3_column_blob(there, 0);
		size_t old_len = (size_t)sqlite3_column_bytes(there, 0);
		/* A device signs a receipt again when it is asked again; with another random number that is another signature. */
		if (blob && !message_parse(blob, old_len, &old) && old.cose.payload_len == m->cose.payload_len &&
		    memcmp(old.cose.payload, m->cose.payload, m->cose.payload_len) == 0)
			return 1;
		return diag_fail(d, MVP1002, NULL, "the ledger has another receipt with the number %llu of the device '%s'",
				 (unsigned long long)r->sequence, r->serial);
	}
	if (prepare(l, &s, d,
		    "INSERT INTO receipt (serial, device_public, sequence, order_digest, outcome, counter, time, message)"
		    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		    "tbibiiib", r->serial, dev.device_public, sizeof(dev.device_public), r->sequence, r->order,
		    message_has(m, MVP_RECEIPT_ORDER) ? sizeof(r->order) : (size_t)0, r->outcome, r->counter, r->time, bytes, len) < 0)
		return -1;
	return finish(l, s, d);
}

int ledger_receipts(struct ledger *l, const char *serial, uint64_t *ret_count, uint64_t *ret_last, struct diag *d)
{
	sqlite3_stmt *s CLEANUP(stmt_freep) = NULL;
	if (prepare(l, &s, d,
		    "SELECT count(*), coalesce(max(sequence), 0) FROM receipt WHERE (serial, device_public) ="
		    " (SELECT serial, device_public FROM device WHERE serial = ? AND retired = 0)",
		    "t", serial) < 0 ||
	    step(l, s, d) < 0)
		return -1;
	*ret_count = (uint64_t)sqlite3_column_int64(s, 0);
	*ret_last = (uint64_t)sqlite3_column_int64(s, 1);
	return 0;
}

int ledger_sent(struct ledger *l, const char *serial, const char *fleet, struct ledger_sent **ret, size_t *ret_count, struct diag *d)
{
	static const char sql[] =
		"SELECT d.serial, o.counter, o.issued, o.action, coalesce(r.outcome, 0), coalesce(r.time, 0), r.outcome IS NULL AND "
		"o.counter <="
		"  (SELECT coalesce(max(counter), 0) FROM receipt WHERE serial = d.serial AND device_public = d.device_public)"
		" FROM device d JOIN orders o ON (o.serial <> '' AND o.serial = d.serial) OR (o.fleet <> '' AND o.fleet = d.fleet)"
		" LEFT JOIN receipt r ON r.serial = d.serial AND r.device_public = d.device_public AND r.order_digest = o.digest"
		" WHERE d.retired = 0 AND (?1 = '' OR d.serial = ?1) AND (?2 = '' OR d.fleet = ?2) ORDER BY d.serial, o.counter, "
		"r.sequence";
	sqlite3_stmt *s CLEANUP(stmt_freep) = NULL;
	struct ledger_sent *v CLEANUP_FREE = NULL;
	size_t count = 0, cap = 0;
	int rc = prepare(l, &s, d, sql, "tt", serial ? serial : "", fleet ? fleet : "");
	while (!rc && (rc = step(l, s, d)) == 0) {
		mem_grow(&v, count, &cap, sizeof(*v));
		struct ledger_sent *one = &v[count++];
		*one = (struct ledger_sent){
			.counter = (uint64_t)sqlite3_column_int64(s, 1),
			.issued = (uint64_t)sqlite3_column_int64(s, 2),
			.action = (unsigned)sqlite3_column_int(s, 3),
			.outcome = (unsigned)sqlite3_column_int(s, 4),
			.time = (uint64_t)sqlite3_column_int64(s, 5),
			.passed = sqlite3_column_int(s, 6) != 0,
		};
		column_name(s, 0, one->serial);
	}
	if (rc < 0)
		return -1;
	*ret = TAKE(v);
	*ret_count = count;
	return 0;
}
