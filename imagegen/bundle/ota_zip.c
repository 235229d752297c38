#include "imagegen/bundle/ota.h"

#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "imagegen/base/foreign.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/bundle/ota_sign.h"
#include "imagegen/sign/sign.h"
#include "imagegen/zip/zip.h"

#define COPY_LEN ((size_t)MIB)
#define PLACES 5
#define ROOM 15u /* for "offset:size", as others reserve it */

void ota_build_fini(struct ota_build *b)
{
	free(b->name);
	free(b->incremental);
	*b = (struct ota_build){ 0 };
}

/* The value of a line KEY=VALUE, malloc'd. */
static char *value_of(const char *text, const char *key)
{
	size_t len = strlen(key);
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, key, len) && line[len] == '=')
			return mem_strndup(line + len + 1, strcspn(line + len + 1, "\r\n"));
	}
	return NULL;
}

/* A number of the metadata; what is not there, or none, is 0. */
static uint64_t number_of(const char *text, const char *key)
{
	char *value CLEANUP_FREE = value_of(text, key), *end = NULL;
	uint64_t v = value && value[0] >= '0' && value[0] <= '9' ? strtoull(value, &end, 10) : 0;
	return end && !*end && v <= INT64_MAX ? v : 0;
}

#define VERSION_KEY "mvp-%s-version"
#define NEEDS_KEY "mvp-%s-needs-%s"

#define COMPONENT_KEY "mvp-component"
#define ROOM_KEY "mvp-room-%s"

uint64_t ota_room(const char *metadata, const char *partition)
{
	char *key CLEANUP_FREE = mem_printf(ROOM_KEY, partition);
	return number_of(metadata, key);
}

bool ota_build_parse(const char *metadata, struct ota_build *ret)
{
	*ret = (struct ota_build){ .name = value_of(metadata, "post-build"), .incremental = value_of(metadata, "post-build-incremental") };
	char *of CLEANUP_FREE = value_of(metadata, COMPONENT_KEY);
	for (size_t i = 0; of && i < COMPONENTS; i++)
		if (!strcmp(of, component_names[i]))
			ret->of = i;
	for (size_t i = 0; i < COMPONENTS; i++) {
		char *version CLEANUP_FREE = mem_printf(VERSION_KEY, component_names[i]);
		ret->component[i].version = number_of(metadata, version);
		for (size_t k = 0; k < COMPONENTS; k++) {
			char *needs CLEANUP_FREE = mem_printf(NEEDS_KEY, component_names[i], component_names[k]);
			ret->component[i].needs[k] = number_of(metadata, needs);
		}
	}
	return ret->name && ret->incremental;
}

/* In the order of their names, as all of the metadata. */
static void emit_components(const struct bundle *bundle, const struct ota_build *b, struct buf *out)
{
	if (b->of != COMPONENT_HYPERVISOR)
		buf_printf(out, COMPONENT_KEY "=%s\n", component_names[b->of]);
	for (size_t i = 0; i < COMPONENTS; i++) {
		for (size_t k = 0; i == COMPONENT_WORK && b->of != COMPONENT_HYPERVISOR && k < bundle->parts_count; k++)
			buf_printf(out, ROOM_KEY "=%llu\n", bundle->parts[k].name, (unsigned long long)bundle->parts[k].len);
		for (size_t k = 0; k < COMPONENTS; k++)
			if (b->component[i].needs[k])
				buf_printf(out, NEEDS_KEY "=%llu\n", component_names[i], component_names[k],
					   (unsigned long long)b->component[i].needs[k]);
		if (b->component[i].version)
			buf_printf(out, VERSION_KEY "=%llu\n", component_names[i], (unsigned long long)b->component[i].version);
	}
}

/* The payload */

struct writer {
	const struct ota_package *o;
	struct zip *zip;
	EVP_MD_CTX *file, *signed_part; /* SHA-256 of the payload, and of what its signature is over */
	uint64_t len;
};

static EVP_MD_CTX *sha_new(void)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	if (!md || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1)
		abort();
	return md;
}

static void sha_end(EVP_MD_CTX *md, uint8_t ret[32])
{
	if (EVP_DigestFinal_ex(md, ret, NULL) != 1)
		abort();
}

static int put(struct writer *w, const void *data, size_t len, bool is_signed, struct diag *d)
{
	if (EVP_DigestUpdate(w->file, data, len) != 1 || (is_signed && EVP_DigestUpdate(w->signed_part, data, len) != 1))
		abort();
	w->len += len;
	return zip_write(w->zip, data, len, d);
}

static int put_blobs(struct writer *w, struct diag *d)
{
	uint8_t *buf CLEANUP_FREE = mem_zeroed(1, COPY_LEN);
	for (uint64_t at = 0; at < w->o->blobs_len;) {
		size_t n = (size_t)num_min(w->o->blobs_len - at, COPY_LEN);
		int rc = io_pread_all(w->o->blobs_fd, buf, n, at);
		if (rc)
			return diag_fail(d, MVP0811, NULL, "cannot read a temporary file back: %s", strerror(-rc));
		if (put(w, buf, n, true, d) < 0)
			return -1;
		at += n;
	}
	return 0;
}

/* What a signature that is made elsewhere is asked for as: each profile of a build has its own. */
static char *sign_name(const struct bundle *b, const char *what)
{
	bool whole = b->component == COMPONENT_HYPERVISOR;
	return mem_printf("ota-%s%s%s%s%s", b->oem ? b->oem->name.s : "", b->oem ? "-" : "", whole ? "" : component_names[b->component],
			  whole ? "" : "-", what);
}

static int put_signature(struct writer *w, const char *what, const uint8_t sha256[32], struct diag *d)
{
	char *name CLEANUP_FREE = sign_name(w->o->b, what);
	struct buf message CLEANUP(buf_fini) = BUF_INIT;
	uint8_t signature[SIGN_LEN_MAX];
	size_t len;
	if (!w->o->b->signer)
		return 0;
	if (signer_sign_sha256(w->o->b->signer, name, sha256, signature, &len, d) < 0)
		return -1;
	payload_emit_signatures(signature, len, &message);
	if (buf_error(&message) || message.len != w->o->p->signatures_len)
		return diag_fail(d, MVP0001, NULL, "the signature of an update has another length than planned");
	return put(w, message.data, message.len, false, d);
}

static void base64(const uint8_t sha256[32], char ret[45])
{
	(void)EVP_EncodeBlock((unsigned char *)ret, sha256, 32);
}

static uint64_t payload_len(const struct ota_package *o)
{
	return o->head->len + 2 * o->p->signatures_len + o->blobs_len;
}

static int put_payload(struct writer *w, struct buf *properties, struct diag *d)
{
	const struct buf *head = w->o->head;
	uint8_t metadata[32], sha256[32];
	char hash[45], metadata_hash[45];
	if (EVP_Digest(head->data, head->len, metadata, NULL, EVP_sha256(), NULL) != 1)
		abort();
	if (zip_member(w->zip, OTA_PAYLOAD, 0644, ZIP_STORED, payload_len(w->o), d) < 0 || put(w, head->data, head->len, true, d) < 0 ||
	    put_signature(w, "metadata", metadata, d) < 0 || put_blobs(w, d) < 0)
		return -1;
	sha_end(w->signed_part, sha256);
	if (put_signature(w, "payload", sha256, d) < 0 || zip_member_end(w->zip, d) < 0)
		return -1;
	sha_end(w->file, sha256);
	base64(sha256, hash);
	base64(metadata, metadata_hash);
	buf_printf(properties, "FILE_HASH=%s\nFILE_SIZE=%llu\nMETADATA_HASH=%s\nMETADATA_SIZE=%zu\n", hash, (unsigned long long)w->len,
		   metadata_hash, head->len);
	return 0;
}

/* What the package says of itself */

struct place {
	const char *name;
	uint64_t at, len;
};

/* NAME:OFFSET:SIZE of members, so that an update is streamed from its parts. Those that say it lie behind what they say: room for them is
 * kept, and filled up with blanks. */
static char *property_files(const struct place *places, size_t count, bool known)
{
	struct buf b CLEANUP(buf_fini) = BUF_INIT;
	size_t want = 0;
	for (size_t i = 0; i < count; i++) {
		bool own = !strncmp(places[i].name, "metadata", 8);
		char number[64];
		int n = snprintf(number, sizeof(number), "%llu:%llu", (unsigned long long)places[i].at, (unsigned long long)places[i].len);
		want += strlen(places[i].name) + 1 + (i > 0) + (own ? ROOM : (size_t)n);
		buf_printf(&b, "%s%s:%s", i ? "," : "", places[i].name, own && !known ? "" : number);
	}
	while (b.len < want)
		buf_putc(&b, ' ');
	return mem_strdup(buf_str(&b));
}

struct files {
	char *all, *streaming;
};

static void emit_text(const struct ota_package *o, const struct files *f, struct buf *out)
{
	const struct oem *oem = o->b->oem;
	emit_components(o->b, o->build, out);
	buf_printf(out, "ota-property-files=%s\nota-required-cache=0\nota-streaming-property-files=%s\nota-type=AB\n", f->all,
		   f->streaming);
	buf_printf(out, "post-build=%s\npost-build-incremental=%s\n", o->build->name, o->build->incremental);
	if (oem && oem->ota.patch_level.s)
		buf_printf(out, "post-security-patch-level=%s\n", oem->ota.patch_level.s);
	buf_printf(out, "post-timestamp=%lld\n", (long long)o->b->epoch);
	if (o->old)
		buf_printf(out, "pre-build=%s\npre-build-incremental=%s\n", o->old->name, o->old->incremental);
	buf_printf(out, "pre-device=%s\n", oem && oem->ota.device.s ? oem->ota.device.s : o->b->product);
}

/* ota_metadata.proto */
enum { META_TYPE = 1, META_FILES = 4, META_BEFORE = 5, META_AFTER = 6, META_TYPE_AB = 1 };
enum { STATE_DEVICE = 1, STATE_BUILD = 2, STATE_INCREMENTAL = 3, STATE_TIMESTAMP = 4, STATE_PATCH_LEVEL = 6 };

static void put_files(struct buf *out, const char *key, const char *value)
{
	struct buf x CLEANUP(buf_fini) = BUF_INIT;
	wire_text(&x, 1, key);
	wire_text(&x, 2, value);
	wire_message(out, META_FILES, &x);
}

static void emit_proto(const struct ota_package *o, const struct files *f, struct buf *out)
{
	const struct oem *oem = o->b->oem;
	struct buf before CLEANUP(buf_fini) = BUF_INIT, after CLEANUP(buf_fini) = BUF_INIT;
	const char *device = oem && oem->ota.device.s ? oem->ota.device.s : o->b->product;
	wire_text(&before, STATE_DEVICE, device);
	if (o->old) {
		wire_text(&before, STATE_BUILD, o->old->name);
		wire_text(&before, STATE_INCREMENTAL, o->old->incremental);
	}
	wire_text(&after, STATE_DEVICE, device);
	wire_text(&after, STATE_BUILD, o->build->name);
	wire_text(&after, STATE_INCREMENTAL, o->build->incremental);
	wire_number(&after, STATE_TIMESTAMP, (uint64_t)o->b->epoch);
	wire_text(&after, STATE_PATCH_LEVEL, oem ? oem->ota.patch_level.s : NULL);
	wire_number(out, META_TYPE, META_TYPE_AB);
	put_files(out, "ota-property-files", f->all);
	put_files(out, "ota-streaming-property-files", f->streaming);
	wire_message(out, META_BEFORE, &before);
	wire_message(out, META_AFTER, &after);
}

/* Both forms of the metadata; `known` says whether the places of both are. */
static void emit_metadata(const struct writer *w, const struct place places[PLACES], bool known, struct buf *text, struct buf *proto)
{
	const struct place streaming[] = { places[1], places[2], places[3] };
	char *all CLEANUP_FREE = property_files(places, PLACES, known);
	char *some CLEANUP_FREE = property_files(streaming, ARRAY_LEN(streaming), known);
	const struct files f = { all, some };
	emit_text(w->o, &f, text);
	emit_proto(w->o, &f, proto);
}

static int put_metadata(struct writer *w, struct place places[PLACES], struct diag *d)
{
	struct buf text CLEANUP(buf_fini) = BUF_INIT, proto CLEANUP(buf_fini) = BUF_INIT;
	emit_metadata(w, places, false, &text, &proto);
	places[3].at = zip_at(w->zip) + zip_front_len(OTA_METADATA, text.len);
	places[3].len = text.len;
	places[4].at = places[3].at + text.len + zip_front_len(OTA_METADATA_PB, proto.len);
	places[4].len = proto.len;
	buf_fini(&text);
	buf_fini(&proto);
	emit_metadata(w, places, true, &text, &proto);
	if (buf_error(&text) || buf_error(&proto) || text.len != places[3].len || proto.len != places[4].len)
		return diag_fail(d, MVP0001, NULL, "the metadata of an update does not fit the room that was left for it");
	return zip_add(w->zip, OTA_METADATA, 0644, ZIP_STORED, text.data, text.len, d) < 0
		       ? -1
		       : zip_add(w->zip, OTA_METADATA_PB, 0644, ZIP_STORED, proto.data, proto.len, d);
}

static int put_certificate(struct writer *w, struct buf *ret_der, struct diag *d)
{
	BIO *bio CLEANUP(BIO_free_allp) = BIO_new(BIO_s_mem());
	char *pem = NULL;
	if (ota_certificate(w->o->b->signer, w->o->b->product, ret_der, d) < 0)
		return -1;
	if (!bio || PEM_write_bio(bio, "CERTIFICATE", "", ret_der->data, (long)ret_der->len) <= 0)
		return diag_fail(d, MVP0001, NULL, "a certificate cannot be written as PEM");
	long len = BIO_get_mem_data(bio, &pem);
	return zip_add(w->zip, OTA_CERTIFICATE, 0644, ZIP_STORED, pem, (size_t)len, d);
}

/* The signature of the whole is its comment, whose length the archive's last two bytes are; they are not signed. */
static int sign_whole(const struct ota_package *o, struct output *out, const struct buf *certificate, uint64_t *len, struct diag *d)
{
	struct buf comment CLEANUP(buf_fini) = BUF_INIT;
	uint8_t sha256[32], size[2];
	char *name CLEANUP_FREE = sign_name(o->b, "package");
	if (output_hash(out, *len - 2, sha256, d) < 0 || ota_comment(o->b->signer, name, certificate, sha256, &comment, d) < 0)
		return -1;
	size[0] = (uint8_t)comment.len;
	size[1] = (uint8_t)(comment.len >> 8);
	if (output_write(out, size, sizeof(size), *len - 2, d) < 0 || output_write(out, comment.data, comment.len, *len, d) < 0)
		return -1;
	*len += comment.len;
	return 0;
}

int ota_write(const struct ota_package *o, struct output *out, uint64_t *ret_len, struct diag *d)
{
	struct zip *zip CLEANUP(zip_freep) = zip_new(output_fd(out), 0, o->b->epoch, output_path(out));
	EVP_MD_CTX *file CLEANUP(EVP_MD_CTX_freep) = sha_new(), *signed_part CLEANUP(EVP_MD_CTX_freep) = sha_new();
	struct writer w = { .o = o, .zip = zip, .file = file, .signed_part = signed_part };
	struct buf properties CLEANUP(buf_fini) = BUF_INIT, certificate CLEANUP(buf_fini) = BUF_INIT;
	struct place places[PLACES] = { { .name = "payload_metadata.bin" },
					{ .name = OTA_PAYLOAD },
					{ .name = OTA_PROPERTIES },
					{ .name = "metadata" },
					{ .name = "metadata.pb" } };
	places[0].at = places[1].at = zip_front_len(OTA_PAYLOAD, payload_len(o));
	places[0].len = o->head->len + o->p->signatures_len;
	if (put_payload(&w, &properties, d) < 0)
		return -1;
	places[1].len = w.len;
	places[2].at = zip_at(zip) + zip_front_len(OTA_PROPERTIES, properties.len);
	places[2].len = properties.len;
	if (zip_add(zip, OTA_PROPERTIES, 0644, ZIP_STORED, properties.data, properties.len, d) < 0)
		return -1;
	if (o->b->signer && put_certificate(&w, &certificate, d) < 0)
		return -1;
	if (put_metadata(&w, places, d) < 0 || zip_end(zip, ret_len, d) < 0)
		return -1;
	/* What is still to be signed is in it: nobody can know yet what the whole will be. */
	if (!o->b->signer || signer_missing(o->b->signer))
		return 0;
	return sign_whole(o, out, &certificate, ret_len, d);
}
