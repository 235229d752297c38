/* What the files of mvp-agent share: text, time, log. The agent runs in a Linux persona, is a convenience and is trusted by nobody: the
 * vault checks all that it says, and it checks all that comes from the network and from the vault. */
#ifndef GUEST_AGENT_H
#define GUEST_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AGENT_LINE_MAX 4096u  /* bytes of a line of the control port, its LF included */
#define AGENT_ORDER_MAX 3000u /* bytes of an order or receipt: in base64 it fits a line */

uint64_t agent_now_ms(void); /* monotonic */

/* A line on standard error, where init systems keep it. */
__attribute__((format(printf, 1, 2))) void agent_log(const char *format, ...);

/* The bytes behind prefix in s, or NULL. */
const char *agent_after(const char *s, const char *prefix);

/* Decimal digits and nothing else; false on anything else or beyond max. */
bool agent_number(const char *s, uint64_t max, uint64_t *ret);

/* Formats into size bytes; false, and an empty string, if it does not fit. */
__attribute__((format(printf, 3, 4))) bool agent_format(char *ret, size_t size, const char *format, ...);

/* Reads a whole file of less than size bytes and ends it with NUL; its length, or -1 with errno. */
long agent_read_file(const char *path, void *ret, size_t size);

/* Writes a file of this name, and waits until its content is on disk; false with errno, and there is none. */
bool agent_write_new(const char *path, const void *data, size_t len);
/* Replaces a file in one step (temporary name, fsync, rename, fsync of the folder); false with errno. */
bool agent_write_file(const char *path, const void *data, size_t len);
/* The names in a folder are on disk, too; false with errno. */
bool agent_sync_folder(const char *path);

/* RFC 4648, section 4. agent_base64() wants room for 4 * ((len + 2) / 3) + 1 bytes. agent_unbase64() is strict: padding, no white space;
 * -1 if it is none or does not fit. */
void agent_base64(const uint8_t *data, size_t len, char *ret);
long agent_unbase64(const char *text, size_t text_len, uint8_t *ret, size_t size);

#endif
