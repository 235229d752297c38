/* zip archives (PKWARE APPNOTE 6.3.10): stored and deflated members, zip64 where sizes ask for it, times from an epoch. Streams into a file
 * that can be written at any place: a member's header is written when its sizes are known. */
#ifndef IMAGEGEN_ZIP_H
#define IMAGEGEN_ZIP_H

#include "imagegen/base/base.h"

enum zip_method { ZIP_STORED = 0, ZIP_DEFLATED = 8 };

struct zip; /* one archive being written; not thread-safe */

/* The archive's first byte will be byte at of the file. fd is borrowed and must outlive z; label names the file in diagnostics (copied).
 * epoch: seconds, the time of every member (UTC; zip knows the years 1980 to 2107). */
struct zip *zip_new(int fd, uint64_t at, int64_t epoch, const char *label);
void zip_free(struct zip *z); /* without zip_end() the file is not a valid archive */
DEFINE_FREEP(struct zip, zip_free)

/* A member, until zip_member_end(). name: relative, ASCII. mode: permission bits. max_len: what its data cannot exceed; from 4 GiB on zip64
 * fields are kept ready. */
MUST_USE int zip_member(struct zip *z, const char *name, uint32_t mode, enum zip_method method, uint64_t max_len, struct diag *d);
MUST_USE int zip_write(struct zip *z, const void *data, size_t len, struct diag *d);
MUST_USE int zip_member_end(struct zip *z, struct diag *d);
/* Of the member that was ended last: CRC-32 and length of its data. */
void zip_last(const struct zip *z, uint32_t *ret_crc, uint64_t *ret_len);
/* The open deflated member's bytes as they stand in the archive go to fn, too. */
void zip_tee(struct zip *z, void (*fn)(void *ctx, const void *data, size_t len), void *ctx);
/* Instead of zip_write() and zip_member_end(): bytes that were deflated before, of data with this CRC-32 and length. */
MUST_USE int zip_write_packed(struct zip *z, const void *data, size_t len, struct diag *d);
MUST_USE int zip_packed_end(struct zip *z, uint32_t crc, uint64_t len, struct diag *d);
uint64_t zip_at(const struct zip *z); /* bytes of the archive so far, between members */
/* Bytes of a stored member in front of its data. */
uint64_t zip_front_len(const char *name, uint64_t max_len);
/* All three at once. */
MUST_USE int zip_add(struct zip *z, const char *name, uint32_t mode, enum zip_method method, const void *data, size_t len, struct diag *d);

/* A stored member that is itself an archive, written in its place by the result; z takes nothing else until zip_archive_end(). */
MUST_USE int zip_archive(struct zip *z, const char *name, uint32_t mode, uint64_t max_len, struct zip **ret_inner, struct diag *d);
/* Completes inner and frees it, also on failure. */
MUST_USE int zip_archive_end(struct zip *z, struct zip *inner TAKES, struct diag *d);

/* Writes the directory. *ret_len: bytes of the archive. */
MUST_USE int zip_end(struct zip *z, uint64_t *ret_len, struct diag *d);

/* Upper bound of the bytes that a member with this much data takes in an archive, directory included. */
uint64_t zip_bound(uint64_t data_len, const char *name);

/* CRC-32 of a || b from those of a and of b, which is len_b bytes long. */
uint32_t crc32_join(uint32_t crc_a, uint32_t crc_b, uint64_t len_b);

#endif
