#include "imagegen/bundle/output.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/image.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/base/tmpfile.h"

#define DIRECT_ALIGN 4096      /* of memory, length and place: no disk has larger blocks */
#define HASH_PIECE (128 * KIB) /* stays in the CPU's cache between being read and being hashed */

struct output {
	struct tmpfile *file;
	char *path;
	_Atomic uint64_t pending; /* io_write_behind()'s */
	int direct;               /* past the page cache; -1: the file system has no such thing */
};

static int io_failed(const char *path, const char *what, int error, struct diag *d)
{
	struct loc loc = LOC_FILE(path);
	return diag_fail(d, MVP0811, &loc, "cannot %s: %s", what, strerror(error));
}

int output_open(const char *dir, const char *name, struct output **ret_o, struct diag *d)
{
	struct output *o CLEANUP(output_freep) = mem_new(struct output);
	o->path = mem_printf("%s/%s", dir, name);
	o->direct = -1;
	int r = tmpfile_open(dir, name, 0666, &o->file);
	if (r < 0)
		return io_failed(o->path, "create", -r, d);
	o->direct = tmpfile_open_direct(o->file);
	*ret_o = TAKE(o);
	return 0;
}

void output_free(struct output *o)
{
	if (!o)
		return;
	fd_closep(&o->direct);
	tmpfile_free(o->file);
	free(o->path);
	free(o);
}

int output_fd(const struct output *o)
{
	return tmpfile_fd(o->file);
}

const char *output_path(const struct output *o)
{
	return o->path;
}

int output_write(struct output *o, const void *data, size_t len, uint64_t at, struct diag *d)
{
	int r = io_pwrite_all(output_fd(o), data, len, at);
	if (r < 0)
		return io_failed(o->path, "write", -r, d);
	io_write_behind(output_fd(o), &o->pending, len);
	return 0;
}

int output_store(struct output *o, const void *data, size_t len, uint64_t at, struct diag *d)
{
	bool aligned = ((uintptr_t)data | len | at) % DIRECT_ALIGN == 0;
	int r = o->direct >= 0 && aligned ? io_pwrite_all(o->direct, data, len, at) : -EINVAL;
	if (r == -EINVAL) /* a file system may take O_DIRECT when it opens a file, and refuse it when it writes */
		return output_write(o, data, len, at, d);
	return r < 0 ? io_failed(o->path, "write", -r, d) : 0;
}

int output_read(struct output *o, void *data, size_t len, uint64_t at, struct diag *d)
{
	int r = io_pread_all(output_fd(o), data, len, at);
	return r < 0 ? io_failed(o->path, "read back", -r, d) : 0;
}

int output_resize(struct output *o, uint64_t len, struct diag *d)
{
	return ftruncate(output_fd(o), (off_t)len) < 0 ? io_failed(o->path, "write", errno, d) : 0;
}

int output_hash(struct output *o, uint64_t len, uint8_t ret_sha256[32], struct diag *d)
{
	EVP_MD_CTX *md CLEANUP(EVP_MD_CTX_freep) = EVP_MD_CTX_new();
	struct image *file CLEANUP(image_freep) = NULL; /* which does not ask the kernel for what it did not get */
	uint8_t *buf CLEANUP_FREE = mem_zeroed(1, HASH_PIECE);
	int fd = fcntl(output_fd(o), F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return io_failed(o->path, "read back", errno, d);
	file = image_file(fd, len, o->path);
	if (!md || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1)
		abort();
	for (uint64_t at = 0; at < len;) {
		size_t n = (size_t)num_min(len - at, HASH_PIECE);
		if (image_read(file, at, buf, n, d) < 0)
			return -1;
		if (EVP_DigestUpdate(md, buf, n) != 1)
			abort();
		at += n;
	}
	if (EVP_DigestFinal_ex(md, ret_sha256, NULL) != 1)
		abort();
	return 0;
}

int output_publish(struct output *o, struct diag *d)
{
	int r = tmpfile_publish(o->file);
	return r < 0 ? io_failed(o->path, "publish", -r, d) : 0;
}

int output_done(struct output *o, const char *format, uint64_t len, const uint8_t *sha256, struct bundle_outputs *outputs, struct diag *d)
{
	struct bundle_output out = { .format = format, .len = len };
	if (sha256)
		memcpy(out.sha256, sha256, sizeof(out.sha256));
	else if (output_hash(o, len, out.sha256, d) < 0)
		return -1;
	/* All outputs of a build are on the disk before the first gets its name: then the renames follow each other, and a process that is
	 * killed hardly leaves a new one beside an old one. */
	if (fsync(output_fd(o)) < 0)
		return io_failed(o->path, "write", errno, d);
	out.path = mem_strdup(o->path);
	mem_grow(&outputs->v, outputs->count, &outputs->cap, sizeof(*outputs->v));
	outputs->v[outputs->count++] = out;
	return 0;
}

void bundle_outputs_fini(struct bundle_outputs *o)
{
	for (size_t i = 0; i < o->count; i++)
		free(o->v[i].path);
	free(o->v);
	*o = (struct bundle_outputs){ 0 };
}

char *bundle_image_name(const struct bundle_part *p)
{
	return p->file ? mem_strdup(p->file) : mem_printf("%s.img", p->name);
}
