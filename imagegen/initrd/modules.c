#include "imagegen/initrd/modules.h"

#include <fnmatch.h>
#include <string.h>
#include <sys/stat.h>

#include "imagegen/base/buf.h"
#include "imagegen/base/diag.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/mem.h"
#include "imagegen/initrd/modinfo.h"

#define FILE_MAX ((size_t)64 << 20) /* of a module or a list of them */
#define NAME_MAX_LEN 128
#define NEEDS_MAX 1024u /* of a module; real ones have a dozen */
#define MACHINE_AARCH64 183

enum state { UNSEEN, PENDING, LOADED };

/* A module file of the tree. */
struct module {
	char name[NAME_MAX_LEN]; /* normalised: '-' reads as '_' */
	const struct node *node;
	bool update; /* below updates/, which goes before the rest, as depmod has it */
	bool read;
	enum state state;
	struct module_file file;
	struct modinfo info; /* inside file.data */
	struct module *next_pending;
	size_t step; /* how many of its needs were looked at */
};

struct modules {
	const struct tree *t;
	const struct node *folder; /* with the modules of the release */
	char *release;
	struct module *v; /* sorted by name */
	size_t count, cap;
	char (*builtin)[NAME_MAX_LEN]; /* sorted */
	size_t builtin_count, builtin_cap;
	char *builtin_info; /* modules.builtin.modinfo: NUL-terminated MODULE.KEY=VALUE strings, or NULL */
	size_t builtin_info_len;
	struct module_file *order; /* borrows from v */
	size_t order_count, order_cap;
};

void modules_free(struct modules *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->count; i++) {
		free(m->v[i].file.name);
		free(m->v[i].file.data);
	}
	free(m->v);
	free(m->builtin);
	free(m->builtin_info);
	free(m->order);
	free(m->release);
	free(m);
}

/* name up to ".ko" or its end, '-' as '_'. false: too long or empty. */
static bool normalise(const char *name, size_t len, char ret[NAME_MAX_LEN])
{
	if (len == 0 || len >= NAME_MAX_LEN)
		return false;
	for (size_t i = 0; i < len; i++)
		ret[i] = name[i] == '-' ? '_' : name[i];
	ret[len] = '\0';
	return true;
}

/* Length of a module's name in a file name, 0 if it is none. */
static size_t module_name_len(const char *file)
{
	static const char *const ends[] = { ".ko", ".ko.xz", ".ko.gz", ".ko.zst" };
	size_t len = strlen(file);
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		size_t end = strlen(ends[i]);
		if (len > end && strcmp(file + len - end, ends[i]) == 0)
			return len - end;
	}
	return 0;
}

bool modules_is_file(const char *path)
{
	const char *slash = strrchr(path, '/');
	return module_name_len(slash ? slash + 1 : path) > 0;
}

static int by_name(const void *a, const void *b)
{
	const struct module *x = a, *y = b;
	int r = strcmp(x->name, y->name);
	return r != 0 ? r : (int)y->update - (int)x->update;
}

static void collect(struct modules *m, const struct node *folder)
{
	const struct node *end = node_next_beside(folder);
	for (const struct node *n = node_next(folder); n && n != end; n = node_next(n)) {
		struct module one = { .node = n };
		size_t len = S_ISREG(n->inode->mode) ? module_name_len(n->name) : 0;
		if (len == 0 || !normalise(n->name, len, one.name))
			continue;
		for (const struct node *up = n->parent; up != folder; up = up->parent)
			one.update |= up->parent == folder && strcmp(up->name, "updates") == 0;
		mem_grow(&m->v, m->count, &m->cap, sizeof *m->v);
		m->v[m->count++] = one;
	}
	if (m->count == 0)
		return;
	qsort(m->v, m->count, sizeof *m->v, by_name);
	size_t kept = 1; /* of equal names the first counts */
	for (size_t i = 1; i < m->count; i++)
		if (strcmp(m->v[i].name, m->v[kept - 1].name) != 0)
			m->v[kept++] = m->v[i];
	m->count = kept;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

static int read_list(struct modules *m, const char *name, uint8_t **ret_data, size_t *ret_len, struct diag *d)
{
	char *folder CLEANUP_FREE = node_path(m->folder), *path CLEANUP_FREE = mem_printf("%s/%s", folder, name);
	const struct node *n = tree_find(m->t, path);
	if (!n || !S_ISREG(n->inode->mode))
		return 0;
	return node_read(m->t, n, FILE_MAX, ret_data, ret_len, d);
}

/* modules.builtin: a path a line, as in "kernel/fs/ext4/ext4.ko". */
static int read_builtin(struct modules *m, struct diag *d)
{
	uint8_t *data CLEANUP_FREE = NULL;
	size_t len = 0;
	if (read_list(m, "modules.builtin", &data, &len, d) < 0)
		return -1;
	for (const char *p = (const char *)data; p && *p != '\0';) {
		size_t line = strcspn(p, "\n");
		const char *slash = memrchr(p, '/', line);
		const char *name = slash ? slash + 1 : p;
		size_t name_len = (size_t)(p + line - name);
		if (name_len > 3 && strncmp(name + name_len - 3, ".ko", 3) == 0) {
			mem_grow(&m->builtin, m->builtin_count, &m->builtin_cap, sizeof *m->builtin);
			if (normalise(name, name_len - 3, m->builtin[m->builtin_count]))
				m->builtin_count++;
		}
		p += line + (p[line] == '\n');
	}
	if (m->builtin_count > 0)
		qsort(m->builtin, m->builtin_count, sizeof *m->builtin, compare_names);
	uint8_t *info = NULL;
	if (read_list(m, "modules.builtin.modinfo", &info, &m->builtin_info_len, d) < 0)
		return -1;
	m->builtin_info = (char *)info;
	return 0;
}

int modules_open(const struct tree *t, const char *release, struct modules **ret_m, bool *ret_found, struct diag *d)
{
	char *path CLEANUP_FREE = mem_printf("/lib/modules/%s", release);
	char *usr_path CLEANUP_FREE = mem_printf("/usr/lib/modules/%s", release);
	struct modules *m CLEANUP(modules_freep) = mem_new(struct modules);
	m->t = t;
	m->release = mem_strdup(release);
	m->folder = tree_find(t, path);
	if (!m->folder)
		m->folder = tree_find(t, usr_path);
	*ret_found = m->folder && S_ISDIR(m->folder->inode->mode);
	if (*ret_found) {
		collect(m, m->folder);
		if (read_builtin(m, d) < 0)
			return -1;
	}
	*ret_m = TAKE(m);
	return 0;
}

static int unpack(const struct module *mod, struct module_file *f, struct diag *d)
{
	struct archive *a CLEANUP(archive_read_freep) = archive_read_new();
	struct archive_entry *ae;
	struct buf out CLEANUP(buf_fini) = BUF_MAX(FILE_MAX);
	char *piece CLEANUP_FREE = mem_zeroed(1, 65536);
	if (!a)
		return diag_fail(d, MVP0001, NULL, "no memory for an archive reader");
	(void)archive_read_support_format_raw(a);
	(void)archive_read_support_filter_xz(a);
	(void)archive_read_support_filter_gzip(a);
	(void)archive_read_support_filter_zstd(a);
	int r = archive_read_open_memory(a, f->data, f->len);
	if (r == ARCHIVE_OK)
		r = archive_read_next_header(a, &ae);
	while (r == ARCHIVE_OK) {
		la_ssize_t n = archive_read_data(a, piece, 65536);
		if (n < 0)
			r = ARCHIVE_FATAL;
		if (n <= 0)
			break;
		if (buf_append(&out, piece, (size_t)n) < 0)
			return diag_fail(d, MVP0411, NULL, "module '%s' of the layers is larger than %zu bytes", mod->node->name, FILE_MAX);
	}
	if (r != ARCHIVE_OK)
		return diag_fail(d, MVP0411, NULL, "module '%s' of the layers cannot be unpacked: %s", mod->node->name,
				 archive_error_string(a));
	free(f->data);
	f->data = buf_take(&out, &f->len);
	return 0;
}

/* Brings a module's file into memory. */
static int read_module(struct modules *m, struct module *mod, struct diag *d)
{
	size_t name_len = module_name_len(mod->node->name) + 3;
	uint16_t machine = 0;
	if (mod->read)
		return 0;
	if (node_read(m->t, mod->node, FILE_MAX, &mod->file.data, &mod->file.len, d) < 0)
		return -1;
	mod->file.name = mem_strndup(mod->node->name, name_len);
	if (mod->node->name[name_len] != '\0' && unpack(mod, &mod->file, d) < 0)
		return -1;
	enum modinfo_result r = modinfo_parse(mod->file.data, mod->file.len, &mod->info, &machine);
	if (r == MODINFO_NO_ELF || r == MODINFO_DAMAGED)
		return diag_fail(d, MVP0411, NULL, "module '%s' of the layers is no intact ELF64 file", mod->node->name);
	if (machine != MACHINE_AARCH64)
		return diag_fail(d, MVP0411, NULL, "module '%s' of the layers is for another processor (ELF machine %u, AArch64 is %d)",
				 mod->node->name, machine, MACHINE_AARCH64);
	if (r == MODINFO_NO_SECTION)
		mod->info = (struct modinfo){ "", 0 };
	mod->read = true;
	return 0;
}

static struct module *find(struct modules *m, const char *name)
{
	struct module key = { 0 };
	size_t low = 0, high = m->count;
	if (!normalise(name, strlen(name), key.name))
		return NULL;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int r = strcmp(m->v[mid].name, key.name);
		if (r == 0)
			return &m->v[mid];
		if (r < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static bool alias_fits(const char *alias, const char *wanted)
{
	char pattern[NAME_MAX_LEN], name[NAME_MAX_LEN];
	return normalise(alias, strlen(alias), pattern) && normalise(wanted, strlen(wanted), name) && fnmatch(pattern, name, 0) == 0;
}

/* Is it in the kernel itself, by name or by alias? */
static bool is_builtin(const struct modules *m, const char *name)
{
	char key[NAME_MAX_LEN];
	if (!normalise(name, strlen(name), key))
		return false;
	if (m->builtin_count > 0 && bsearch(key, m->builtin, m->builtin_count, sizeof *m->builtin, compare_names))
		return true;
	for (const char *p = m->builtin_info; p && p < m->builtin_info + m->builtin_info_len; p += strlen(p) + 1) {
		const char *alias = strstr(p, ".alias=");
		if (alias && alias_fits(alias + 7, name))
			return true;
	}
	return false;
}

/* Aliases name algorithms and devices. Only the folders where algorithms live are searched: reading every module of a kernel would take
 * longer than the rest of the build. */
static bool may_bear_alias(const struct module *mod)
{
	for (const struct node *n = mod->node->parent; n->parent != n; n = n->parent)
		if (strcmp(n->name, "crypto") == 0 || (strcmp(n->name, "lib") == 0 && n->depth > 3)) /* not /usr/lib */
			return true;
	return false;
}

/* The stack holds a chain, each module wanted by the one below it. */
static bool push(struct module **stack, struct module *mod)
{
	if (mod->state != UNSEEN)
		return false;
	mod->state = PENDING;
	mod->next_pending = *stack;
	*stack = mod;
	return true;
}

/* Pushes what name stands for: one module at a time, so an alias is asked for again until nothing is pushed any more. *ret_found: is there
 * anything of that name (a built-in one counts)? */
static int push_named(struct modules *m, struct module **stack, const char *name, bool *ret_found, bool *ret_pushed, struct diag *d)
{
	struct module *mod = find(m, name);
	*ret_found = true;
	*ret_pushed = mod && push(stack, mod);
	if (mod || is_builtin(m, name))
		return 0;
	*ret_found = false;
	for (size_t i = 0; i < m->count; i++) {
		if (!may_bear_alias(&m->v[i]))
			continue;
		if (read_module(m, &m->v[i], d) < 0)
			return -1;
		for (const char *a = NULL; (a = modinfo_next(&m->v[i].info, "alias", a)) != NULL;) {
			if (!alias_fits(a, name))
				continue;
			*ret_found = true;
			*ret_pushed = push(stack, &m->v[i]);
			if (*ret_pushed)
				return 0;
			break;
		}
	}
	return 0;
}

/* The index-th need of a module: "depends=a,b" and "softdep=pre: c d post: e" (only what comes before it). malloc'd; NULL at the end. */
static char *need(const struct module *mod, size_t index, bool *ret_soft)
{
	size_t at = 0;
	for (const char *v = NULL; (v = modinfo_next(&mod->info, "depends", v)) != NULL;)
		for (const char *p = v + strspn(v, ","); *p != '\0'; p += strspn(p, ",")) {
			size_t len = strcspn(p, ",");
			if (at++ == index) {
				*ret_soft = false;
				return mem_strndup(p, len);
			}
			p += len;
		}
	for (const char *v = NULL; (v = modinfo_next(&mod->info, "softdep", v)) != NULL;) {
		bool before = false;
		for (const char *p = v + strspn(v, " \t"); *p != '\0'; p += strspn(p, " \t")) {
			size_t len = strcspn(p, " \t");
			if (len > 0 && p[len - 1] == ':')
				before = len == 4 && strncmp(p, "pre:", 4) == 0;
			else if (before && at++ == index) {
				*ret_soft = true;
				return mem_strndup(p, len);
			}
			p += len;
		}
	}
	return NULL;
}

/* Takes modules from the stack once all their needs are in the load order. A circle of needs is cut where it closes. */
static int settle(struct modules *m, struct module *stack, struct diag *d)
{
	while (stack) {
		struct module *mod = stack;
		bool soft, found, pushed;
		if (read_module(m, mod, d) < 0)
			return -1;
		char *name CLEANUP_FREE = need(mod, mod->step, &soft);
		if (name) {
			if (mod->step >= NEEDS_MAX)
				return diag_fail(d, MVP0411, NULL, "module '%s' of the layers claims to need more than %u others",
						 mod->name, NEEDS_MAX);
			if (push_named(m, &stack, name, &found, &pushed, d) < 0)
				return -1;
			mod->step += pushed ? 0 : 1;
			if (!found && !soft)
				return diag_fail(d, MVP0412, NULL, "module '%s' needs '%s', which is not in the layers' /lib/modules/%s",
						 mod->name, name, m->release);
			continue;
		}
		stack = mod->next_pending;
		mod->state = LOADED;
		mem_grow(&m->order, m->order_count, &m->order_cap, sizeof *m->order);
		m->order[m->order_count++] = mod->file;
	}
	return 0;
}

int modules_want(struct modules *m, const char *name, bool optional, struct diag *d)
{
	bool found, pushed;
	do {
		struct module *stack = NULL;
		if (push_named(m, &stack, name, &found, &pushed, d) < 0 || settle(m, stack, d) < 0)
			return -1;
	} while (pushed);
	if (!found && !optional) {
		(void)diag_fail(d, MVP0412, NULL, "module '%s' is neither in the layers' /lib/modules/%s nor built into that kernel", name,
				m->release);
		diag_hint(d, "a persona cannot reach its disk without it; add the package with the kernel's modules");
		return -1;
	}
	return 0;
}

const struct module_file *modules_order(const struct modules *m, size_t *ret_count)
{
	*ret_count = m->order_count;
	return m->order;
}
