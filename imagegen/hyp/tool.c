#include "imagegen/hyp/tool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "imagegen/base/child.h"
#include "imagegen/base/diag.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"

enum { OUTPUT_MAX = 1 << 20, NOTES_MAX = 30 };

/* Variables by which gcc and binutils take other headers, libraries or programs, or write more files. What they would change is in no
 * digest: machines that set them (module systems of clusters do) would build other hypervisors. */
static bool steers_compiler(const char *variable)
{
	static const char *const names[] = { "CPATH",           "C_INCLUDE_PATH",    "LIBRARY_PATH",        "COMPILER_PATH",
					     "GCC_EXEC_PREFIX", "GCC_COMPARE_DEBUG", "DEPENDENCIES_OUTPUT", "SUNPRO_DEPENDENCIES",
					     "LDEMULATION",     "LD_RUN_PATH" };
	size_t len = strcspn(variable, "=");
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strlen(names[i]) == len && !memcmp(names[i], variable, len))
			return true;
	return false;
}

int tool_run(const char *const *argv, struct buf *ret_output)
{
	int fd CLEANUP(fd_closep) = memfd_create("tool", MFD_CLOEXEC), status, rc;
	uint8_t *data CLEANUP_FREE = NULL;
	size_t len = 0;
	if (fd < 0)
		return -errno;
	rc = child_run(&(struct child){ argv, -1, fd, fd, steers_compiler }, &status);
	if (rc)
		return rc;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	/* Output beyond the ceiling is a symptom, not the result: the exit status still counts. */
	if (!io_read_fd(fd, OUTPUT_MAX, &data, &len))
		(void)buf_append(ret_output, data, len);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

char *tool_find(const char *name)
{
	const char *path = getenv("PATH");
	if (strchr(name, '/'))
		return access(name, X_OK) ? NULL : mem_strdup(name);
	for (const char *dir = path && *path ? path : "/usr/bin:/bin"; dir; dir = strchr(dir, ':') ? strchr(dir, ':') + 1 : NULL) {
		size_t len = strcspn(dir, ":");
		char *file CLEANUP_FREE = mem_printf("%.*s%s%s", (int)len, dir, len ? "/" : "./", name);
		if (!access(file, X_OK))
			return TAKE(file);
	}
	return NULL;
}

static void push(struct args *a, char *s TAKES)
{
	mem_grow((void **)&a->v, a->count + 1, &a->cap, sizeof(*a->v));
	a->v[a->count++] = s;
	a->v[a->count] = NULL;
}

void args_add(struct args *a, const char *s)
{
	push(a, mem_strdup(s));
}

void args_addf(struct args *a, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	push(a, mem_vprintf(fmt, ap));
	va_end(ap);
}

void args_fini(struct args *a)
{
	for (size_t i = 0; i < a->count; i++)
		free(a->v[i]);
	free(a->v);
	*a = (struct args){ 0 };
}

void tool_notes(struct diag *d, const struct buf *output)
{
	const char *line = buf_str(output);
	for (int i = 0; *line && i < NOTES_MAX; i++) {
		size_t len = strcspn(line, "\n");
		diag_note(d, "%.*s", (int)len, line);
		line += len + (line[len] == '\n');
	}
	if (*line)
		diag_note(d, "(more follows)");
}
