#include "imagegen/hyp/origin.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/hyp/sources.h"

enum { SOURCE_MAX = 16 << 20 };

void origin_add_tools(struct digest *g, const char *cross, const char *version)
{
	static const char *const names[] = { "gcc", "as", "ld", "objcopy" };
	digest_str(g, "version", version);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char *name CLEANUP_FREE = mem_printf("%s%s", cross, names[i]), *path CLEANUP_FREE = tool_find(name);
		struct stat st;
		digest_str(g, "tool", name);
		if (!path || stat(path, &st))
			continue;
		digest_num(g, "length", (uint64_t)st.st_size);
		digest_num(g, "time", (uint64_t)st.st_mtim.tv_sec);
		digest_num(g, "nanoseconds", (uint64_t)st.st_mtim.tv_nsec);
	}
}

bool origin_add_file(struct digest *g, const char *label, const char *path)
{
	uint8_t *data CLEANUP_FREE = NULL;
	size_t len;
	if (io_read_file(path, SOURCE_MAX, &data, &len))
		return false;
	digest_add(g, label, data, len);
	return true;
}

bool origin_add_files(struct digest *g, const char *vmm, bool headers_only)
{
	struct args files CLEANUP(args_fini) = { 0 };
	size_t skip = strlen(vmm);
	sources_files(&files);
	for (size_t i = 0; i < files.count; i++) {
		const char *path = files.v[i], *dot = strrchr(path, '.');
		if (headers_only && (!dot || strcmp(dot, ".h")))
			continue;
		if (!origin_add_file(g, strncmp(path, vmm, skip) ? path : path + skip, path))
			return false;
	}
	return true;
}

/* Cuts prefix out of the argument, wherever it stands in it. */
static void add_without(struct digest *g, const char *arg, const char *vmm, const char *tmp)
{
	const char *at = strstr(arg, vmm), *prefix = vmm;
	if (!at) {
		at = strstr(arg, tmp);
		prefix = tmp;
	}
	if (!at) {
		digest_str(g, "argument", arg);
		return;
	}
	digest_add(g, prefix == vmm ? "before the sources" : "before the work folder", arg, (size_t)(at - arg));
	digest_str(g, "behind it", at + strlen(prefix));
}

void origin_add_args(struct digest *g, const struct args *a, const char *vmm, const char *tmp)
{
	for (size_t i = 0; i < a->count; i++)
		add_without(g, a->v[i], vmm, tmp);
}
