/* The vault prints `receipt N BASE64` (mvp-vmm(7)). A persona may print the like: a line that is not the vault's is passed over, and so is
 * what is no receipt for the order. On a console for people the persona in front can print the vault's lines, too: whether the device
 * signed the receipt is for `mvpctl order verify`. */
#include "cli/receipt.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "imagegen/base/foreign.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/order/message.h"

int receipt_catch_init(struct receipt_catch *r, const char *path, const char *order, struct diag *d)
{
	uint8_t *data CLEANUP_FREE = NULL;
	size_t len;
	struct message m;
	if (!path)
		return 0;
	if (!order)
		return diag_fail(d, MVP0904, NULL, "--receipt is of the order that --order brings");
	if (message_read(order, &data, &len, &m, d))
		return -1;
	if (m.kind != MESSAGE_ORDER)
		return diag_fail(d, MVP1001, &LOC_FILE(order), "this is not an order but a message of the kind '%s'",
				 message_kind_name(m.kind));
	memcpy(r->order, m.digest, sizeof(r->order));
	const char *slash = strrchr(path, '/');
	char *dir CLEANUP_FREE = slash ? mem_strndup(path, slash == path ? 1 : (size_t)(slash - path)) : mem_strdup(".");
	int rc = tmpfile_open(dir, slash ? slash + 1 : path, 0666, &r->file);
	if (rc)
		return diag_fail(d, MVP0907, &LOC_FILE(path), "cannot write: %s", strerror(-rc));
	r->path = path;
	r->log_fd = memfd_create("console", MFD_CLOEXEC);
	return r->log_fd < 0 ? diag_fail(d, MVP0907, NULL, "no memory for the console's output: %s", strerror(errno)) : 0;
}

void receipt_catch_fini(struct receipt_catch *r)
{
	tmpfile_free(r->file);
	fd_closep(&r->log_fd);
}

/* The base64 behind "receipt N " of a line that is the vault's own, on a console for programs or for people; else NULL. */
static const char *find_base64(const char *line)
{
	static const char *const starts[] = { "mvp| receipt ", "[mvp] receipt " };
	for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
		size_t len = strlen(starts[i]);
		if (strncmp(line, starts[i], len) != 0)
			continue;
		const char *number = line + len, *end = number + strspn(number, "0123456789");
		return end > number && *end == ' ' ? end + 1 : NULL;
	}
	return NULL;
}

/* Bytes of the message, 0 if it is none for the order. */
static size_t decode(const struct receipt_catch *r, const char *text, uint8_t ret[RECEIPT_LINE_MAX])
{
	size_t len = strlen(text), out_len;
	struct message m;
	while (len && isspace((unsigned char)text[len - 1]))
		len--;
	if (!len || len % 4 || EVP_DecodeBlock(ret, (const unsigned char *)text, (int)len) < 0)
		return 0;
	out_len = len / 4 * 3 - (text[len - 1] == '=') - (text[len - 2] == '=');
	if (message_parse(ret, out_len, &m) || m.kind != MESSAGE_RECEIPT || !message_has(&m, MVP_RECEIPT_ORDER))
		return 0;
	return memcmp(m.receipt.order, r->order, sizeof(r->order)) ? 0 : out_len;
}

static int take_line(struct receipt_catch *r, struct diag *d)
{
	uint8_t message[RECEIPT_LINE_MAX];
	const char *text = find_base64(r->line);
	size_t len = text ? decode(r, text, message) : 0;
	if (!len)
		return 0;
	int rc = io_pwrite_all(tmpfile_fd(r->file), message, len, 0);
	if (!rc)
		rc = tmpfile_publish(r->file);
	if (rc)
		return diag_fail(d, MVP0907, &LOC_FILE(r->path), "cannot write: %s", strerror(-rc));
	r->caught = true;
	return 0;
}

static int take(struct receipt_catch *r, const char *data, size_t len, struct diag *d)
{
	for (size_t i = 0; i < len && !r->caught; i++) {
		if (data[i] != '\n') {
			if (r->line_len < RECEIPT_LINE_MAX)
				r->line[r->line_len] = data[i];
			r->line_len++;
			continue;
		}
		bool whole = r->line_len <= RECEIPT_LINE_MAX;
		r->line[whole ? r->line_len : 0] = '\0';
		r->line_len = 0;
		if (take_line(r, d))
			return -1;
	}
	return 0;
}

int receipt_catch_tick(struct receipt_catch *r, struct diag *d)
{
	char piece[16384];
	ssize_t n;
	if (!r->path)
		return 0;
	while ((n = pread(r->log_fd, piece, sizeof(piece), r->at)) > 0) {
		if (!r->caught && take(r, piece, (size_t)n, d))
			return -1;
		r->at += n;
	}
	/* What was looked at takes no memory any longer. */
	(void)fallocate(r->log_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, r->at);
	return 0;
}

int receipt_catch_end(struct receipt_catch *r, struct diag *d)
{
	if (receipt_catch_tick(r, d))
		return -1;
	return r->path && !r->caught ? diag_fail(d, MVP0907, &LOC_FILE(r->path), "the handset's end came before the receipt") : 0;
}
