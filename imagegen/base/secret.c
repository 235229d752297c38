#include "imagegen/base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "imagegen/base/foreign.h"
#include "imagegen/base/mem.h"

#define PAGE ((size_t)4096)

void secret_wipe(void *p, size_t len)
{
	if (p && len)
		OPENSSL_cleanse(p, len);
}

void secret_fini(struct secret *s)
{
	secret_wipe(s->data, s->len);
	free(s->data);
	*s = SECRET_INIT;
}

void secret_alloc(struct secret *s, size_t len)
{
	/* Pages of its own: MADV_DONTDUMP works on whole pages. */
	size_t size = (len + PAGE) / PAGE * PAGE;
	void *p = size > len ? aligned_alloc(PAGE, size) : NULL;
	if (!p)
		abort();
	memset(p, 0, size);
	(void)madvise(p, size, MADV_DONTDUMP); /* a hint; refusal leaves the secret as safe as any other memory */
	*s = (struct secret){ p, len };
}

int secret_read_file(const char *path, size_t max, struct secret *ret_s)
{
	int fd CLEANUP(fd_closep) = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	struct stat st;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	struct secret s CLEANUP(secret_fini) = SECRET_INIT;
	secret_alloc(&s, max + 1);
	size_t len = 0;
	while (len <= max) {
		ssize_t n = read(fd, s.data + len, max + 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	if (len > max)
		return -EFBIG;
	s.len = len; /* the rest of the pages is still zero */
	*ret_s = s;
	s = SECRET_INIT;
	return 0;
}
