#include "imagegen/bundle/payload.h"

#include <stdlib.h>
#include <string.h>

#include "imagegen/base/bytes.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"

#define MANIFEST_MAX (64 * MIB)
#define ITEMS_MAX 1000000u /* partitions, operations and extents of a stranger's manifest, together */
#define NAME_MAX_LEN 128u
#define BLOCKS_MAX ((uint64_t)1 << 50) /* no flash has more */

/* update_metadata.proto */
enum { EXTENT_START = 1, EXTENT_COUNT = 2 };
enum { SIGNATURES_SIGNATURE = 1, SIGNATURE_DATA = 2, SIGNATURE_LEN = 3 };
enum { INFO_LEN = 1, INFO_HASH = 2 };
enum { OP_TYPE = 1, OP_DATA_AT = 2, OP_DATA_LEN = 3, OP_SRC = 4, OP_DST = 6, OP_DATA_HASH = 8, OP_SRC_HASH = 9 };
enum { PART_NAME = 1, PART_OLD = 6, PART_NEW = 7, PART_OPS = 8, PART_VERSION = 17 };
enum {
	MANIFEST_BLOCK = 3,
	MANIFEST_SIGNATURES_AT = 4,
	MANIFEST_SIGNATURES_LEN = 5,
	MANIFEST_MINOR = 12,
	MANIFEST_PART = 13,
	MANIFEST_TIMESTAMP = 14,
	MANIFEST_DYNAMIC = 15,
	MANIFEST_PATCH_LEVEL = 18
};
enum { DYNAMIC_GROUP = 1, DYNAMIC_SNAPSHOTS = 2, GROUP_NAME = 1, GROUP_LEN = 2, GROUP_PART = 3 };

const char *payload_type_name(uint64_t type)
{
	static const char *const names[] = { "REPLACE",       "REPLACE_BZ", "MOVE",           "BSDIFF",           "SOURCE_COPY",
					     "SOURCE_BSDIFF", "ZERO",       "DISCARD",        "REPLACE_XZ",       "PUFFDIFF",
					     "BROTLI_BSDIFF", "ZUCCHINI",   "LZ4DIFF_BSDIFF", "LZ4DIFF_PUFFDIFF", "REPLACE_ZSTD" };
	return type < ARRAY_LEN(names) ? names[type] : NULL;
}

void payload_fini(struct payload *p)
{
	for (size_t i = 0; i < p->parts_count; i++) {
		struct payload_part *part = &p->parts[i];
		for (size_t k = 0; k < part->ops_count; k++) {
			free(part->ops[k].src.v);
			free(part->ops[k].dst.v);
		}
		free(part->ops);
		free(part->name);
		free(part->version);
	}
	free(p->parts);
	free(p->patch_level);
	*p = (struct payload){ 0 };
}

void payload_extend(struct payload_extents *e, uint64_t start, uint64_t count)
{
	struct payload_extent *last = e->count ? &e->v[e->count - 1] : NULL;
	if (last && last->start + last->count == start) {
		last->count += count;
		return;
	}
	mem_grow(&e->v, e->count, &e->cap, sizeof(*e->v));
	e->v[e->count++] = (struct payload_extent){ start, count };
}

uint64_t payload_blocks(const struct payload_extents *e)
{
	uint64_t n = 0;
	for (size_t i = 0; i < e->count; i++)
		n = num_min(n + e->v[i].count, BLOCKS_MAX);
	return n;
}

/* Writing */

enum wire { WIRE_NUMBER = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

static void put_varint(struct buf *b, uint64_t v)
{
	while (v >= 0x80) {
		buf_putc(b, (char)(v | 0x80));
		v >>= 7;
	}
	buf_putc(b, (char)v);
}

void wire_number(struct buf *b, unsigned field, uint64_t v)
{
	put_varint(b, field << 3 | WIRE_NUMBER);
	put_varint(b, v);
}

void wire_bytes(struct buf *b, unsigned field, const void *data, size_t len)
{
	put_varint(b, field << 3 | WIRE_BYTES);
	put_varint(b, len);
	buf_append(b, data, len);
}

void wire_text(struct buf *b, unsigned field, const char *s)
{
	if (s)
		wire_bytes(b, field, s, strlen(s));
}

void wire_message(struct buf *b, unsigned field, const struct buf *message)
{
	if (buf_error(message))
		b->error = buf_error(message);
	wire_bytes(b, field, message->data, message->len);
}

static void put_extents(struct buf *b, unsigned field, const struct payload_extents *e)
{
	for (size_t i = 0; i < e->count; i++) {
		struct buf x CLEANUP(buf_fini) = BUF_INIT;
		wire_number(&x, EXTENT_START, e->v[i].start);
		wire_number(&x, EXTENT_COUNT, e->v[i].count);
		wire_message(b, field, &x);
	}
}

static void put_info(struct buf *b, unsigned field, uint64_t len, const uint8_t sha256[32])
{
	struct buf x CLEANUP(buf_fini) = BUF_INIT;
	wire_number(&x, INFO_LEN, len);
	wire_bytes(&x, INFO_HASH, sha256, 32);
	wire_message(b, field, &x);
}

static void put_op(struct buf *b, const struct payload_op *op)
{
	struct buf x CLEANUP(buf_fini) = BUF_INIT;
	wire_number(&x, OP_TYPE, op->type);
	if (op->data_len) {
		wire_number(&x, OP_DATA_AT, op->data_at);
		wire_number(&x, OP_DATA_LEN, op->data_len);
	}
	put_extents(&x, OP_SRC, &op->src);
	put_extents(&x, OP_DST, &op->dst);
	if (op->has_data_sha256)
		wire_bytes(&x, OP_DATA_HASH, op->data_sha256, 32);
	if (op->has_src_sha256)
		wire_bytes(&x, OP_SRC_HASH, op->src_sha256, 32);
	wire_message(b, PART_OPS, &x);
}

static void put_part(struct buf *b, const struct payload_part *p)
{
	struct buf x CLEANUP(buf_fini) = BUF_INIT;
	wire_text(&x, PART_NAME, p->name);
	if (p->has_old)
		put_info(&x, PART_OLD, p->old_len, p->old_sha256);
	put_info(&x, PART_NEW, p->new_len, p->new_sha256);
	for (size_t i = 0; i < p->ops_count; i++)
		put_op(&x, &p->ops[i]);
	wire_text(&x, PART_VERSION, p->version);
	wire_message(b, MANIFEST_PART, &x);
}

static void put_dynamic(struct buf *b, const struct payload *p)
{
	struct buf x CLEANUP(buf_fini) = BUF_INIT, group CLEANUP(buf_fini) = BUF_INIT;
	wire_text(&group, GROUP_NAME, p->group);
	wire_number(&group, GROUP_LEN, p->group_len);
	for (size_t i = 0; i < p->logical_count; i++)
		wire_text(&group, GROUP_PART, p->logical[i]);
	wire_message(&x, DYNAMIC_GROUP, &group);
	wire_number(&x, DYNAMIC_SNAPSHOTS, p->snapshots);
	wire_message(b, MANIFEST_DYNAMIC, &x);
}

void payload_emit(const struct payload *p, struct buf *out)
{
	wire_number(out, MANIFEST_BLOCK, p->block_len);
	if (p->signatures_len) {
		wire_number(out, MANIFEST_SIGNATURES_AT, p->signatures_at);
		wire_number(out, MANIFEST_SIGNATURES_LEN, p->signatures_len);
	}
	wire_number(out, MANIFEST_MINOR, p->minor);
	for (size_t i = 0; i < p->parts_count; i++)
		put_part(out, &p->parts[i]);
	wire_number(out, MANIFEST_TIMESTAMP, p->max_timestamp);
	if (p->group)
		put_dynamic(out, p);
	wire_text(out, MANIFEST_PATCH_LEVEL, p->patch_level);
}

void payload_emit_head(uint64_t manifest_len, uint32_t signature_len, struct buf *out)
{
	buf_append(out, "CrAU", 4);
	buf_be64(out, 2);
	buf_be64(out, manifest_len);
	buf_be32(out, signature_len);
}

void payload_emit_signatures(const uint8_t *signature, size_t len, struct buf *out)
{
	struct buf x CLEANUP(buf_fini) = BUF_INIT;
	if (!len)
		return;
	wire_bytes(&x, SIGNATURE_DATA, signature, len);
	put_varint(&x, SIGNATURE_LEN << 3 | WIRE_32);
	buf_le32(&x, (uint32_t)len);
	wire_message(out, SIGNATURES_SIGNATURE, &x);
}

/* Reading */

struct cursor {
	const uint8_t *p;
	size_t len;
	bool bad;
};

struct field {
	uint64_t number;
	enum wire type;
	uint64_t value;      /* WIRE_NUMBER */
	const uint8_t *data; /* WIRE_BYTES */
	size_t len;
};

static bool take_varint(struct cursor *c, uint64_t *ret)
{
	uint64_t v = 0;
	for (unsigned shift = 0; shift < 64 && c->len; shift += 7) {
		uint8_t byte = *c->p++;
		c->len--;
		if (shift == 63 && byte > 1)
			return false;
		v |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret = v;
			return true;
		}
	}
	return false;
}

static bool skip(struct cursor *c, size_t len)
{
	if (len > c->len)
		return false;
	c->p += len;
	c->len -= len;
	return true;
}

/* The next field. False at the end, and with bad when it is none. */
static bool next(struct cursor *c, struct field *f)
{
	uint64_t tag, len;
	bool ok = true;
	*f = (struct field){ 0 };
	if (!c->len || c->bad)
		return false;
	c->bad = true;
	if (!take_varint(c, &tag))
		return false;
	f->number = tag >> 3;
	f->type = (enum wire)(tag & 7);
	switch (f->type) {
	case WIRE_NUMBER:
		ok = take_varint(c, &f->value);
		break;
	case WIRE_64:
		ok = skip(c, 8);
		break;
	case WIRE_32:
		ok = skip(c, 4);
		break;
	case WIRE_BYTES:
		ok = take_varint(c, &len) && len <= c->len;
		f->data = c->p;
		f->len = ok ? (size_t)len : 0;
		ok = ok && skip(c, f->len);
		break;
	default:
		ok = false;
	}
	c->bad = !ok;
	return ok;
}

static bool is_number(const struct field *f, unsigned number)
{
	return f->number == number && f->type == WIRE_NUMBER;
}

static bool is_bytes(const struct field *f, unsigned number)
{
	return f->number == number && f->type == WIRE_BYTES;
}

static bool is_hash(const struct field *f, unsigned number, uint8_t ret[32])
{
	if (!is_bytes(f, number) || f->len != 32)
		return false;
	memcpy(ret, f->data, 32);
	return true;
}

struct parse {
	struct payload *p;
	unsigned items; /* so far */
	uint64_t blobs_len;
};

static struct cursor inside(const struct field *f)
{
	return (struct cursor){ .p = f->data, .len = f->len };
}

static bool parse_extent(struct parse *s, const struct field *from, struct payload_extents *e)
{
	struct cursor c = inside(from);
	struct field f;
	uint64_t start = 0, count = 0;
	while (next(&c, &f)) {
		if (is_number(&f, EXTENT_START))
			start = f.value;
		else if (is_number(&f, EXTENT_COUNT))
			count = f.value;
	}
	if (c.bad || ++s->items > ITEMS_MAX || !count || count > BLOCKS_MAX || start > BLOCKS_MAX)
		return false;
	payload_extend(e, start, count);
	return true;
}

static bool parse_info(const struct field *from, uint64_t *ret_len, uint8_t ret_sha256[32])
{
	struct cursor c = inside(from);
	struct field f;
	bool hash = false;
	while (next(&c, &f)) {
		if (is_number(&f, INFO_LEN))
			*ret_len = f.value;
		else if (is_hash(&f, INFO_HASH, ret_sha256))
			hash = true;
	}
	return !c.bad && hash && *ret_len <= UINT64_MAX / 4;
}

static bool parse_op(struct parse *s, const struct field *from, struct payload_part *part)
{
	struct cursor c = inside(from);
	struct field f;
	if (++s->items > ITEMS_MAX)
		return false;
	mem_grow(&part->ops, part->ops_count, &part->ops_cap, sizeof(*part->ops));
	struct payload_op *op = &part->ops[part->ops_count++];
	*op = (struct payload_op){ .type = UINT64_MAX };
	while (next(&c, &f)) {
		bool ok = true;
		if (is_number(&f, OP_TYPE))
			op->type = f.value;
		else if (is_number(&f, OP_DATA_AT))
			op->data_at = f.value;
		else if (is_number(&f, OP_DATA_LEN))
			op->data_len = f.value;
		else if (is_bytes(&f, OP_SRC))
			ok = parse_extent(s, &f, &op->src);
		else if (is_bytes(&f, OP_DST))
			ok = parse_extent(s, &f, &op->dst);
		else if (is_hash(&f, OP_DATA_HASH, op->data_sha256))
			op->has_data_sha256 = true;
		else if (is_hash(&f, OP_SRC_HASH, op->src_sha256))
			op->has_src_sha256 = true;
		if (!ok)
			return false;
	}
	return !c.bad && op->type != UINT64_MAX && num_inside(op->data_at, op->data_len, s->blobs_len);
}

static bool parse_text(const struct field *f, char **ret)
{
	if (f->len == 0 || f->len > NAME_MAX_LEN)
		return false;
	for (size_t i = 0; i < f->len; i++)
		if (f->data[i] < 0x20 || f->data[i] > 0x7e)
			return false;
	free(*ret);
	*ret = mem_strndup((const char *)f->data, f->len);
	return true;
}

static bool extents_inside(const struct payload_extents *e, uint64_t len)
{
	uint64_t blocks = len / PAYLOAD_BLOCK + (len % PAYLOAD_BLOCK != 0);
	for (size_t i = 0; i < e->count; i++)
		if (!num_inside(e->v[i].start, e->v[i].count, blocks))
			return false;
	return true;
}

static const char *parse_part(struct parse *s, const struct field *from)
{
	struct cursor c = inside(from);
	struct field f;
	struct payload *p = s->p;
	if (++s->items > ITEMS_MAX)
		return "it has too many parts";
	mem_grow(&p->parts, p->parts_count, &p->parts_cap, sizeof(*p->parts));
	struct payload_part *part = &p->parts[p->parts_count++];
	*part = (struct payload_part){ 0 };
	while (next(&c, &f)) {
		if (is_bytes(&f, PART_NAME) && !parse_text(&f, &part->name))
			return "the name of a partition cannot be";
		if (is_bytes(&f, PART_VERSION) && f.len && !parse_text(&f, &part->version))
			return "the version of a partition cannot be";
		if (is_bytes(&f, PART_OLD)) {
			part->has_old = parse_info(&f, &part->old_len, part->old_sha256);
			if (!part->has_old)
				return "what is said of an old partition cannot be";
		}
		if (is_bytes(&f, PART_NEW)) {
			part->has_new = parse_info(&f, &part->new_len, part->new_sha256);
			if (!part->has_new)
				return "what is said of a new partition cannot be";
		}
		if (is_bytes(&f, PART_OPS) && !parse_op(s, &f, part))
			return "an operation cannot be";
	}
	if (c.bad || !part->name || !part->has_new)
		return "a partition is not described in full";
	for (size_t i = 0; i < part->ops_count; i++) {
		const struct payload_op *op = &part->ops[i];
		if (!extents_inside(&op->dst, part->new_len) || !extents_inside(&op->src, part->has_old ? part->old_len : 0))
			return "an operation reaches outside its partition";
	}
	return NULL;
}

bool payload_is(const uint8_t *data, size_t len)
{
	return len >= 4 && !memcmp(data, "CrAU", 4);
}

const char *payload_parse_head(const uint8_t head[PAYLOAD_HEAD_LEN], uint64_t len, struct payload_head *ret)
{
	if (!payload_is(head, PAYLOAD_HEAD_LEN) || get_be64(head + 4) != 2)
		return "it is no payload of version 2";
	ret->manifest_len = get_be64(head + 12);
	ret->signature_len = get_be32(head + 20);
	if (ret->manifest_len > MANIFEST_MAX || ret->signature_len > MIB)
		return "its manifest is too large";
	return num_inside(PAYLOAD_HEAD_LEN, ret->manifest_len + ret->signature_len, len) ? NULL : "it ends inside its manifest";
}

const char *payload_parse(const uint8_t *data, size_t len, uint64_t blobs_len, struct payload *ret)
{
	struct cursor c = { .p = data, .len = len };
	struct parse s = { .p = ret, .blobs_len = blobs_len };
	struct field f;
	*ret = (struct payload){ .block_len = PAYLOAD_BLOCK };
	while (next(&c, &f)) {
		const char *fault = NULL;
		if (is_number(&f, MANIFEST_BLOCK))
			ret->block_len = f.value;
		else if (is_number(&f, MANIFEST_SIGNATURES_AT))
			ret->signatures_at = f.value;
		else if (is_number(&f, MANIFEST_SIGNATURES_LEN))
			ret->signatures_len = f.value;
		else if (is_number(&f, MANIFEST_MINOR))
			ret->minor = f.value;
		else if (is_number(&f, MANIFEST_TIMESTAMP))
			ret->max_timestamp = f.value;
		else if (is_bytes(&f, MANIFEST_PATCH_LEVEL) && f.len && !parse_text(&f, &ret->patch_level))
			fault = "its security patch level cannot be";
		else if (is_bytes(&f, MANIFEST_PART))
			fault = parse_part(&s, &f);
		if (fault)
			return fault;
	}
	if (c.bad)
		return "its manifest is no sound protocol buffer";
	if (ret->block_len != PAYLOAD_BLOCK)
		return "its blocks do not have 4096 bytes";
	return num_inside(ret->signatures_at, ret->signatures_len, blobs_len) ? NULL : "its signature lies outside";
}

bool payload_parse_signatures(const uint8_t *data, size_t len, struct payload_signature *ret, size_t max, size_t *ret_count)
{
	struct cursor c = { .p = data, .len = len };
	struct field f;
	*ret_count = 0;
	while (next(&c, &f)) {
		struct cursor in = inside(&f);
		struct field g;
		if (!is_bytes(&f, SIGNATURES_SIGNATURE))
			continue;
		while (next(&in, &g)) {
			if (is_bytes(&g, SIGNATURE_DATA) && *ret_count < max)
				ret[(*ret_count)++] = (struct payload_signature){ g.data, g.len };
		}
		if (in.bad)
			return false;
	}
	return !c.bad;
}
