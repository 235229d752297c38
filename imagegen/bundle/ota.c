/* Update for handsets with two slots: a zip with an A/B payload, as Android's update_engine takes it. What is replaced is all that has
 * slots; each operation writes 2 MiB at most and can be unpacked alone. An update from one build to the next copies the blocks that are
 * there. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imagegen/base/foreign.h"
#include "imagegen/base/image.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/base/text.h"
#include "imagegen/base/tmpfile.h"
#include "imagegen/bundle/backlog.h"
#include "imagegen/bundle/delta.h"
#include "imagegen/bundle/ota.h"
#include "imagegen/bundle/payload_read.h"
#include "imagegen/bundle/xz.h"
#include "imagegen/sign/sign.h"
#include "imagegen/zip/read.h"

#define METADATA_MAX ((size_t)64 * KIB)
#define BLOCKS (PAYLOAD_CHUNK / PAYLOAD_BLOCK)
#define BEHIND (256 * MIB) /* how far compressing may fall behind the pass */

struct ota {
	const struct bundle *b;
	struct output *out;
	int blobs_fd;
	uint64_t blobs_len;
	struct payload p; /* its partitions are those of the bundle */
	const char **logical;
	struct ota_build build, old;
	struct image *old_img; /* the former update package; NULL: this is a full update */
	struct payload_file from;
	struct backlog *backlog; /* compressing takes several times as long as what others do: until finish what follows is its thread's */
	/* The partition being written: */
	size_t current;
	EVP_MD_CTX *md;
	uint64_t at; /* bytes before the chunk */
	size_t chunk_len;
	uint8_t *chunk, *packed; /* PAYLOAD_CHUNK each */
	struct image *old_part;
	struct delta *delta; /* NULL: it was not there before */
};

static void end_old(struct ota *s)
{
	delta_free(s->delta);
	image_free(s->old_part);
	s->delta = NULL;
	s->old_part = NULL;
}

static void ota_free(void *state)
{
	struct ota *s = state;
	if (!s)
		return;
	backlog_free(s->backlog);
	end_old(s);
	payload_fini(&s->p);
	if (s->old_img)
		payload_close(&s->from);
	image_free(s->old_img);
	EVP_MD_CTX_free(s->md);
	ota_build_fini(&s->build);
	ota_build_fini(&s->old);
	fd_closep(&s->blobs_fd);
	output_free(s->out);
	free(s->logical);
	free(s->chunk);
	free(s->packed);
	free(s);
}
DEFINE_FREEP(void, ota_free)

/* Planning */

/* The former build's disk has a slot for each of the persona's partitions, and that is large enough. */
static int check_room(const struct ota *s, const char *metadata, struct diag *d)
{
	char has[TEXT_SIZE_LEN], needs[TEXT_SIZE_LEN];
	int rc = 0;
	for (size_t i = 0; s->b->component != COMPONENT_HYPERVISOR && i < s->b->parts_count; i++) {
		const struct bundle_part *part = &s->b->parts[i];
		uint64_t room = ota_room(metadata, part->name);
		if (!room)
			rc = diag_fail(d, MVP0501, &part->loc, "the disk of the former build has no partition '%s'", part->name);
		else if (image_len(part->img) > room)
			rc = diag_fail(d, MVP0501, &part->loc, "the partition '%s' has %s in the former build, its content %s", part->name,
				       text_size(room, has), text_size(image_len(part->img), needs));
	}
	return rc;
}

static int read_old_package(struct ota *s, struct diag *d)
{
	const char *path = s->b->update_from;
	struct loc loc = LOC_FILE(path);
	struct zip_dir zip CLEANUP(zip_dir_fini) = { 0 };
	uint8_t *text CLEANUP_FREE = NULL, head[4] = { 0 };
	int rc = image_open(path, &s->old_img);
	if (rc)
		return diag_fail(d, MVP0558, &loc, "cannot open it: %s", strerror(-rc));
	if (image_read(s->old_img, 0, head, (size_t)num_min(image_len(s->old_img), sizeof(head)), d) < 0)
		return -1;
	if (!zip_is(head))
		return diag_fail(d, MVP0558, &loc, "it is no update package; expected the former build's");
	if (zip_read(s->old_img, path, &zip, d) < 0)
		return -1;
	const struct zip_entry *payload = zip_find(&zip, OTA_PAYLOAD), *metadata = zip_find(&zip, OTA_METADATA);
	if (!payload || payload->method != 0 || !metadata)
		return diag_fail(d, MVP0558, &loc, "it is no update package: it has no '%s', or no metadata", OTA_PAYLOAD);
	if (zip_take(s->old_img, path, metadata, METADATA_MAX, &text, d) < 0 ||
	    payload_open(s->old_img, payload->at, payload->len, path, &s->from, d) < 0)
		return -1;
	if (s->from.p.minor != PAYLOAD_FULL)
		return diag_fail(d, MVP0558, &loc, "it is itself an update from another build; expected a full one");
	if (!ota_build_parse((const char *)text, &s->old))
		return diag_fail(d, MVP0558, &loc, "its metadata does not say what it updates to");
	if (s->old.of != s->b->component)
		return diag_fail(d, MVP0558, &loc, "it is an update of '%s', expected one of '%s'", component_names[s->old.of],
				 component_names[s->b->component]);
	if (check_room(s, (const char *)text, d) < 0)
		return -1;
	return bundle_check_name("version of the former build", s->old.incremental, d);
}

static void take_components(struct ota *s)
{
	s->build.of = s->b->component;
	for (size_t i = 0; s->b->manifest && i < COMPONENTS; i++) {
		const struct component_version *c = manifest_component(s->b->manifest, i);
		s->build.component[i].version = c->version.v;
		for (size_t k = 0; k < COMPONENTS; k++)
			s->build.component[i].needs[k] = c->needs[k].v;
	}
}

/* Of the build that is left where the update does not bring it, and of this one where it does. */
static uint64_t version_after(const struct ota *s, const bool brings[COMPONENTS], size_t i)
{
	return brings[i] ? s->build.component[i].version : s->old.component[i].version;
}

/* Component i, as it is after the update, finds what it needs. */
static int check_needs(const struct ota *s, const bool brings[COMPONENTS], size_t i, struct diag *d)
{
	const struct component_version *c = manifest_component(s->b->manifest, i);
	for (size_t k = 0; k < COMPONENTS; k++) {
		uint64_t least = brings[i] ? s->build.component[i].needs[k] : s->old.component[i].needs[k];
		uint64_t has = version_after(s, brings, k);
		if (has < least)
			return diag_fail(d, MVP0213, brings[i] ? &c->needs[k].loc : &c->version.loc,
					 "after this update '%s' would need '%s' of component version %" PRIu64
					 " at least, and find %" PRIu64,
					 component_names[i], component_names[k], least, has);
	}
	return 0;
}

/* What the handset has after the update has to work together, and nothing goes back. */
static int check_components(const struct ota *s, struct diag *d)
{
	bool brings[COMPONENTS] = { 0 };
	int rc = 0;
	for (size_t i = 0; i < s->b->parts_count; i++) {
		size_t c = s->b->component; /* with the hypervisor goes all that is the maker's */
		for (size_t k = 0; k < COMPONENTS; k++)
			if (s->b->parts[i].persona && !strcmp(s->b->parts[i].name, component_names[k]))
				c = k;
		brings[c] = true;
	}
	for (size_t i = 0; s->b->manifest && i < COMPONENTS; i++)
		if (brings[i] && s->build.component[i].version < s->old.component[i].version)
			rc = diag_fail(d, MVP0213, &manifest_component(s->b->manifest, i)->version.loc,
				       "'%s' would go back from component version %" PRIu64 " to %" PRIu64, component_names[i],
				       s->old.component[i].version, s->build.component[i].version);
	for (size_t i = 0; !rc && s->b->manifest && i < COMPONENTS; i++)
		rc = check_needs(s, brings, i, d);
	return rc;
}

static int plan_parts(struct ota *s, struct diag *d)
{
	const struct bundle *b = s->b;
	struct payload *p = &s->p;
	s->logical = mem_array(const char *, b->parts_count);
	p->parts = mem_array(struct payload_part, b->parts_count);
	for (size_t i = 0; i < b->parts_count; i++) {
		const struct bundle_part *from = &b->parts[i];
		struct payload_part *to = &p->parts[p->parts_count++];
		to->name = mem_strdup(from->name);
		if (!num_align_up(image_len(from->img), PAYLOAD_BLOCK, &to->new_len))
			return diag_fail(d, MVP0501, &from->loc, "the partition '%s' is too large", from->name);
		if (from->dynamic) {
			s->logical[p->logical_count++] = from->name;
			p->group_len += align_up(to->new_len, MIB);
		}
	}
	if (b->oem && p->logical_count) {
		p->group = "main";
		p->logical = s->logical;
		p->snapshots = oem_yes(&b->oem->super.virtual_ab);
		if (b->oem->super.size.v)
			p->group_len = p->snapshots ? b->oem->super.size.v : b->oem->super.size.v / 2;
	}
	return 0;
}

static int ota_plan(const struct bundle *b, void **ret_state, struct diag *d)
{
	void *state CLEANUP(ota_freep) = mem_new(struct ota);
	struct ota *s = state;
	char *own CLEANUP_FREE = NULL, *name CLEANUP_FREE = NULL;
	bool whole = b->component == COMPONENT_HYPERVISOR;
	s->b = b;
	s->current = SIZE_MAX;
	s->blobs_fd = -1;
	if (!b->parts_count && !whole) {
		(void)diag_fail(d, MVP0557, b->manifest ? &b->manifest->personas[b->component == COMPONENT_WORK].loc : NULL,
				"an update of '%s' alone needs two slots on its disk", component_names[b->component]);
		diag_hint(d, "write 'slots: 2' there");
		return -1;
	}
	if (!b->parts_count)
		return diag_fail(d, MVP0557, NULL, "the bundle format 'ota' needs a profile that has partitions with 'slots: yes'");
	s->build = (struct ota_build){ .name = mem_printf("%s/%s:%s", b->product, b->board, b->version),
				       .incremental = mem_strdup(b->version) };
	take_components(s);
	if (b->update_from && (read_old_package(s, d) < 0 || check_components(s, d) < 0))
		return -1;
	own = mem_printf("{product}-ota-%s%s%s%s{version}.zip", whole ? "" : component_names[b->component], whole ? "" : "-",
			 s->old_img ? s->old.incremental : "", s->old_img ? "-to-" : "");
	s->p.block_len = PAYLOAD_BLOCK;
	s->p.minor = s->old_img ? PAYLOAD_DELTA : PAYLOAD_FULL;
	s->p.max_timestamp = (uint64_t)b->epoch;
	s->p.patch_level = b->oem ? mem_strdup(b->oem->ota.patch_level.s) : NULL;
	name = bundle_name(b, b->oem && whole ? &b->oem->names.ota : NULL, own, NULL, d);
	if (!name || plan_parts(s, d) < 0 || output_open(b->out_dir, name, &s->out, d) < 0)
		return -1;
	s->blobs_fd = tmpfile_unlinked(b->out_dir);
	if (s->blobs_fd < 0) {
		struct loc loc = LOC_FILE(b->out_dir);
		return diag_fail(d, MVP0811, &loc, "cannot make a temporary file there: %s", strerror(-s->blobs_fd));
	}
	s->chunk = mem_zeroed(1, PAYLOAD_CHUNK);
	s->packed = mem_zeroed(1, PAYLOAD_CHUNK);
	*ret_state = TAKE(state);
	return 0;
}

/* Operations */

static struct payload_op *add_op(struct ota *s, enum payload_type type, uint64_t block, uint64_t count)
{
	struct payload_part *part = &s->p.parts[s->current];
	mem_grow(&part->ops, part->ops_count, &part->ops_cap, sizeof(*part->ops));
	struct payload_op *op = &part->ops[part->ops_count++];
	*op = (struct payload_op){ .type = type };
	payload_extend(&op->dst, block, count);
	return op;
}

static void sha256(const void *data, size_t len, uint8_t ret[32])
{
	if (EVP_Digest(data, len, ret, NULL, EVP_sha256(), NULL) != 1)
		abort();
}

/* Blocks whose content comes with the update. */
static int replace(struct ota *s, uint64_t first, size_t count, struct diag *d)
{
	const uint8_t *data = s->chunk + first * PAYLOAD_BLOCK;
	size_t len = count * PAYLOAD_BLOCK, packed = xz_pack(data, len, s->packed);
	struct payload_op *op = add_op(s, packed ? PAYLOAD_REPLACE_XZ : PAYLOAD_REPLACE, s->at / PAYLOAD_BLOCK + first, count);
	op->data_at = s->blobs_len;
	op->data_len = packed ? packed : len;
	op->has_data_sha256 = true;
	sha256(packed ? s->packed : data, (size_t)op->data_len, op->data_sha256);
	int rc = io_pwrite_all(s->blobs_fd, packed ? s->packed : data, (size_t)op->data_len, s->blobs_len);
	struct loc loc = LOC_FILE(output_path(s->out));
	s->blobs_len += op->data_len;
	return rc ? diag_fail(d, MVP0811, &loc, "cannot write: %s", strerror(-rc)) : 0;
}

static bool is_zero(const uint8_t *block)
{
	return !block[0] && !memcmp(block, block + 1, PAYLOAD_BLOCK - 1);
}

/* What becomes of each block of a chunk: it is found in the old partition, is all zeros, or comes with the update. */
enum { FRESH = -1, ZEROS = -2 };

/* Blocks from `first` on that go the same way as it does. */
static size_t run_len(const int64_t *way, size_t first, size_t count)
{
	size_t n = 1;
	while (first + n < count && way[first + n] == (way[first] < 0 ? way[first] : way[first] + (int64_t)n))
		n++;
	return n;
}

static int put_run(struct ota *s, const int64_t *way, size_t first, size_t n, struct diag *d)
{
	if (way[first] == FRESH)
		return replace(s, first, n, d);
	struct payload_op *op = add_op(s, way[first] == ZEROS ? PAYLOAD_ZERO : PAYLOAD_SOURCE_COPY, s->at / PAYLOAD_BLOCK + first, n);
	if (way[first] == ZEROS)
		return 0;
	payload_extend(&op->src, (uint64_t)way[first], n);
	op->has_src_sha256 = true;
	sha256(s->chunk + first * PAYLOAD_BLOCK, n * PAYLOAD_BLOCK, op->src_sha256);
	return 0;
}

static int flush_delta(struct ota *s, size_t count, struct diag *d)
{
	int64_t way[BLOCKS];
	for (size_t i = 0; i < count; i++) {
		const uint8_t *block = s->chunk + i * PAYLOAD_BLOCK;
		uint64_t found = 0;
		int rc = is_zero(block) ? 1 : delta_find(s->delta, s->at / PAYLOAD_BLOCK + i, block, &found, d);
		if (rc < 0)
			return -1;
		way[i] = rc == 0 ? (int64_t)found : is_zero(block) ? ZEROS : FRESH;
	}
	for (size_t i = 0; i < count;) {
		size_t n = run_len(way, i, count);
		if (put_run(s, way, i, n, d) < 0)
			return -1;
		i += n;
	}
	return 0;
}

static int flush(struct ota *s, struct diag *d)
{
	size_t len = (size_t)align_up(s->chunk_len, PAYLOAD_BLOCK);
	memset(s->chunk + s->chunk_len, 0, len - s->chunk_len);
	if (!len)
		return 0;
	if (EVP_DigestUpdate(s->md, s->chunk, len) != 1)
		abort();
	int rc = s->delta ? flush_delta(s, len / PAYLOAD_BLOCK, d) : replace(s, 0, len / PAYLOAD_BLOCK, d);
	s->at += len;
	s->chunk_len = 0;
	return rc;
}

/* Partitions */

static int end_part(struct ota *s, struct diag *d)
{
	if (s->current == SIZE_MAX)
		return 0;
	struct payload_part *part = &s->p.parts[s->current];
	if (flush(s, d) < 0)
		return -1;
	if (s->at != part->new_len)
		return diag_fail(d, MVP0001, NULL, "the partition '%s' came in part", part->name);
	if (EVP_DigestFinal_ex(s->md, part->new_sha256, NULL) != 1)
		abort();
	end_old(s);
	s->current = SIZE_MAX;
	return 0;
}

/* The partition as the former update left it. */
static int unpack_old(struct ota *s, const struct payload_part *old, struct diag *d)
{
	struct payload_part *part = &s->p.parts[s->current];
	int fd CLEANUP(fd_closep) = tmpfile_unlinked(s->b->out_dir);
	struct loc loc = LOC_FILE(s->b->out_dir);
	if (fd < 0)
		return diag_fail(d, MVP0811, &loc, "cannot make a temporary file there: %s", strerror(-fd));
	if (payload_apply(&s->from, old, NULL, fd, d) < 0)
		return -1;
	struct extent *all = mem_new(struct extent);
	*all = (struct extent){ .len = old->new_len, .data = true };
	s->old_part = image_fd(fd, old->new_len, all, 1, s->b->update_from);
	fd = -1;
	if (delta_new(s->old_part, &s->delta, d) < 0)
		return -1;
	part->has_old = true;
	part->old_len = old->new_len;
	memcpy(part->old_sha256, delta_sha256(s->delta), sizeof(part->old_sha256));
	return 0;
}

static int begin_part(struct ota *s, size_t part, struct diag *d)
{
	if (end_part(s, d) < 0)
		return -1;
	s->current = part;
	s->at = 0;
	if (!s->md)
		s->md = EVP_MD_CTX_new();
	if (!s->md || EVP_DigestInit_ex(s->md, EVP_sha256(), NULL) != 1)
		abort();
	for (size_t i = 0; s->old_img && i < s->from.p.parts_count; i++)
		if (!strcmp(s->from.p.parts[i].name, s->p.parts[part].name))
			return s->from.p.parts[i].new_len ? unpack_old(s, &s->from.p.parts[i], d) : 0;
	return 0;
}

static int take_piece(void *state, size_t part, uint64_t at, const void *data, uint64_t len, struct diag *d)
{
	struct ota *s = state;
	if (part != s->current && begin_part(s, part, d) < 0)
		return -1;
	const uint8_t *p = data;
	uint64_t end = s->p.parts[part].new_len;
	len = at < end ? num_min(len, end - at) : 0; /* a partition's room behind its image is not updated */
	while (len) {
		size_t n = (size_t)num_min(len, PAYLOAD_CHUNK - s->chunk_len);
		if (p)
			memcpy(s->chunk + s->chunk_len, p, n);
		else
			memset(s->chunk + s->chunk_len, 0, n);
		p = p ? p + n : NULL;
		s->chunk_len += n;
		len -= n;
		if (s->chunk_len == PAYLOAD_CHUNK && flush(s, d) < 0)
			return -1;
	}
	return 0;
}

static int ota_write_piece(void *state, size_t part, uint64_t at, const void *data, uint64_t len, struct diag *d)
{
	struct ota *s = state;
	if (!s->backlog && backlog_new(s->b->out_dir, BEHIND, take_piece, s, &s->backlog, d) < 0)
		return -1;
	return backlog_put(s->backlog, part, at, data, len, d);
}

/* The manifest with its header: its signatures' sizes are known before they are. */
static int emit_head(struct ota *s, struct buf *ret, struct diag *d)
{
	static const uint8_t none[SIGN_LEN_MAX];
	struct buf manifest CLEANUP(buf_fini) = BUF_INIT, signatures CLEANUP(buf_fini) = BUF_INIT;
	if (s->b->signer)
		payload_emit_signatures(none, signer_bits(s->b->signer) / 8, &signatures);
	s->p.signatures_at = s->blobs_len;
	s->p.signatures_len = signatures.len;
	payload_emit(&s->p, &manifest);
	payload_emit_head(manifest.len, (uint32_t)signatures.len, ret);
	buf_append(ret, manifest.data, manifest.len);
	return buf_error(&manifest) || buf_error(&signatures) || buf_error(ret)
		       ? diag_fail(d, MVP0001, NULL, "no memory for the manifest of an update")
		       : 0;
}

static int ota_finish(void *state, struct bundle_outputs *outputs, struct diag *d)
{
	struct ota *s = state;
	struct buf head CLEANUP(buf_fini) = BUF_INIT;
	uint64_t len = 0;
	if ((s->backlog && backlog_end(s->backlog, d) < 0) || end_part(s, d) < 0 || emit_head(s, &head, d) < 0)
		return -1;
	const struct ota_package package = { .b = s->b,
					     .build = &s->build,
					     .old = s->old_img ? &s->old : NULL,
					     .head = &head,
					     .blobs_fd = s->blobs_fd,
					     .blobs_len = s->blobs_len,
					     .p = &s->p };
	return ota_write(&package, s->out, &len, d) < 0 ? -1 : output_done(s->out, "ota", len, NULL, outputs, d);
}

static int ota_publish(void *state, struct diag *d)
{
	struct ota *s = state;
	return output_publish(s->out, d);
}

const struct packer packer_ota = {
	.name = "ota",
	.summary = "update package with an A/B payload, full or from a former build",
	.update = true,
	.plan = ota_plan,
	.write = ota_write_piece,
	.finish = ota_finish,
	.publish = ota_publish,
	.free = ota_free,
};
