/* Compiles the hypervisor: every source of vault and core, the vault linked and flattened, then the core around it. Nothing of the host's
 * paths or clock gets into the result, and sources are linked in the order of their lists. */
#include "imagegen/hyp/hyp.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "imagegen/base/bytes.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/base/text.h"
#include "imagegen/cache/stamps.h"
#include "imagegen/hyp/config.h"
#include "imagegen/hyp/elf.h"
#include "imagegen/hyp/origin.h"
#include "imagegen/hyp/sources.h"
#include "mvp/abi.h"

enum { TEXT_MAX = 1 << 20, BINARY_MAX = 64 << 20 };
#define GENERAL_ONLY "-mgeneral-regs-only"
#define SIMD_ARCH "-march=armv8-a+crypto"
#define LINKED_PLAINLY "-fno-lto"
#define COMPILER_PACKAGE "gcc-aarch64-linux-gnu"
#define VAULT_HOLDER "core/vault_blob.S" /* includes the vault's image */

struct job {
	struct args args;
	char *object;   /* path of what it makes */
	bool whole;     /* C that is compiled together with the rest of its part */
	bool is_config; /* and no part of the code */
	bool unneeded;  /* what it makes is in code that is at hand */
	bool has_key;   /* for the cache */
	uint8_t key[CACHE_KEY_LEN];
	struct buf output;
	int status;
};

struct compile {
	const char *tmp;                  /* work folder */
	char *vmm;                        /* folder of the sources */
	char *cross;                      /* prefix of the tools */
	char *cflags;                     /* text of vmm/cflags */
	char *core_cflags, *vault_cflags; /* of vmm/PART.cflags, used when compiling and linking */
	struct cache *cache;
	char *version;         /* the compiler's */
	struct stamps sources; /* as they were before their digests were taken */
	bool has_common;
	uint8_t common[CACHE_KEY_LEN]; /* of what all objects are made from */
	struct buf configs[2];         /* texts of the vault's and the core's */
	unsigned jobs_at_once;
	struct job *jobs;
	size_t count, cap;
	atomic_size_t next;
};

static void compile_fini(struct compile *c)
{
	for (size_t i = 0; i < c->count; i++) {
		args_fini(&c->jobs[i].args);
		free(c->jobs[i].object);
		buf_fini(&c->jobs[i].output);
	}
	free(c->jobs);
	for (size_t i = 0; i < ARRAY_LEN(c->configs); i++)
		buf_fini(&c->configs[i]);
	stamps_fini(&c->sources);
	free(c->version);
	free(c->vmm);
	free(c->cross);
	free(c->cflags);
	free(c->core_cflags);
	free(c->vault_cflags);
}

static int read_text(const char *path, char **ret, struct diag *d)
{
	uint8_t *data;
	size_t len;
	struct loc loc = LOC_FILE(path);
	int rc = io_read_file(path, TEXT_MAX, &data, &len);
	if (rc) {
		(void)diag_fail(d, MVP0705, &loc, "cannot read: %s", strerror(-rc));
		diag_hint(d, "MVP_DATADIR can name the folder that has the hypervisor's sources in vmm/");
		return -1;
	}
	*ret = (char *)data;
	return 0;
}

/* Runs one tool to success; its name stands in args->v[0]. */
static int run_tool(const struct args *a, const char *what, struct buf *output, struct diag *d)
{
	int status = tool_run((const char *const *)a->v, output);
	if (status == 0)
		return 0;
	if (status == -ENOENT) {
		(void)diag_fail(d, MVP0701, NULL, "'%s' was not found: the hypervisor cannot be compiled", a->v[0]);
		diag_hint(d, "install the Debian package " COMPILER_PACKAGE ", or let MVP_CROSS be the prefix of another AArch64 GCC");
		return -1;
	}
	if (status < 0)
		return diag_fail(d, MVP0701, NULL, "'%s' could not be started: %s", a->v[0], strerror(-status));
	(void)diag_fail(d, MVP0702, NULL, "%s failed (%s, status %d)", what, a->v[0], status);
	tool_notes(d, output);
	return -1;
}

/* Asked once before all the compiling, so that a missing compiler is one error. */
static int find_compiler(struct compile *c, struct diag *d)
{
	struct args a CLEANUP(args_fini) = { 0 };
	struct buf output CLEANUP(buf_fini) = BUF_INIT;
	args_addf(&a, "%sgcc", c->cross);
	args_add(&a, "--version");
	if (run_tool(&a, "asking the compiler for its version", &output, d))
		return -1;
	c->version = mem_strdup(buf_str(&output));
	return 0;
}

static struct job *add_job(struct compile *c)
{
	mem_grow((void **)&c->jobs, c->count, &c->cap, sizeof(*c->jobs));
	c->jobs[c->count] = (struct job){ .output = BUF_INIT };
	return &c->jobs[c->count++];
}

/* What every call of the compiler gets. */
static void add_flags(const struct compile *c, const char *part, bool simd, struct args *a)
{
	args_addf(a, "%sgcc", c->cross);
	sources_flags(c->cflags, a);
	sources_flags(strcmp(part, "core") ? c->vault_cflags : c->core_cflags, a);
	args_add(a, simd ? SIMD_ARCH : GENERAL_ONLY);
	/* The flags are for small code; what uses these instructions is there for its speed. */
	if (simd) {
		args_add(a, "-O2");
		args_add(a, LINKED_PLAINLY);
	}
	args_addf(a, "-I%s/include", c->vmm);
	args_addf(a, "-I%s/%s", c->vmm, part);
	/* Debug information and assertions name the same files wherever the tree lies. */
	args_addf(a, "-ffile-prefix-map=%s=vmm", c->vmm);
	args_addf(a, "-ffile-prefix-map=%s=config", c->tmp);
}

/* What the object is made from: source and arguments of its own, headers and compiler, and the vault's image, which only the core's
 * assembler may include. */
static void find_key(const struct compile *c, const char *include, struct job *j)
{
	struct digest *g CLEANUP(digest_freep) = digest_new("mvp hypervisor object 1");
	digest_add(g, "common", c->common, sizeof(c->common));
	origin_add_args(g, &j->args, c->vmm, c->tmp);
	j->has_key = c->has_common && origin_add_file(g, "source", j->args.v[j->args.count - 1]) &&
		     (!include || origin_add_file(g, "included", include));
	digest_get(g, j->key);
}

/* include: a file besides the sources that it includes, or NULL. Returns the job until the next is added. */
static struct job *add_compile(struct compile *c, const char *part, const char *source, bool simd, const char *flag, const char *include)
{
	struct job *j = add_job(c);
	assert(source);
	const char *slash = strrchr(source, '/');
	char *flat CLEANUP_FREE = mem_strdup(slash ? slash + 1 : source);
	j->object = mem_printf("%s/%s-%zu-%s.o", c->tmp, part, c->count, flat);
	add_flags(c, part, simd, &j->args);
	if (flag)
		args_add(&j->args, flag);
	args_add(&j->args, "-c");
	args_add(&j->args, source);
	find_key(c, include, j);
	args_add(&j->args, "-o");
	args_add(&j->args, j->object);
	return j;
}

static int write_file(const char *path, const void *data, size_t len)
{
	FILE *out = fopen(path, "we");
	bool ok = out && fwrite(data, 1, len, out) == len;
	if (out && fclose(out))
		ok = false;
	return ok ? 0 : -1;
}

/* From the cache, else by the compiler. */
static void run_job(struct compile *c, struct job *j)
{
	uint8_t *object CLEANUP_FREE = NULL;
	size_t len;
	if (j->unneeded)
		return;
	if (j->has_key && cache_get(c->cache, "object", j->key, BINARY_MAX, &object, &len) && !write_file(j->object, object, len))
		return;
	free(TAKE(object));
	j->status = tool_run((const char *const *)j->args.v, &j->output);
	/* Sources that changed since their digest was taken would be found under the digest of what they were. */
	if (!j->status && j->has_key && !stamps_changed(&c->sources, false) && !io_read_file(j->object, BINARY_MAX, &object, &len))
		cache_put(c->cache, "object", j->key, object, len);
}

static void *worker(void *ctx)
{
	struct compile *c = ctx;
	size_t i;
	while ((i = atomic_fetch_add(&c->next, 1)) < c->count)
		run_job(c, &c->jobs[i]);
	return NULL;
}

/* Runs the jobs from c->next on. */
static int run_jobs(struct compile *c, struct diag *d)
{
	size_t first = c->next, failed = 0;
	pthread_t threads[64];
	unsigned count = 0;
	while (count + 1 < c->jobs_at_once && count < ARRAY_LEN(threads) && !pthread_create(&threads[count], NULL, worker, c))
		count++;
	(void)worker(c);
	while (count)
		(void)pthread_join(threads[--count], NULL);
	c->next = c->count;
	for (size_t i = first; i < c->count; i++) {
		const struct job *j = &c->jobs[i];
		const char *source = j->args.v[j->args.count - 3];
		if (!j->status)
			continue;
		failed++;
		if (j->status < 0)
			(void)diag_fail(d, MVP0701, NULL, "'%s' could not be started: %s", j->args.v[0], strerror(-j->status));
		else
			(void)diag_fail(d, MVP0702, &LOC_FILE(source), "does not compile (status %d)", j->status);
		tool_notes(d, &j->output);
	}
	return failed ? -1 : 0;
}

static int write_config(const struct compile *c, const char *name, const struct buf *text, char **ret_path, struct diag *d)
{
	char *path CLEANUP_FREE = mem_printf("%s/%s.c", c->tmp, name);
	struct loc loc = LOC_FILE(path);
	if (write_file(path, text->data, text->len))
		return diag_fail(d, MVP0820, &loc, "cannot write: %s", strerror(errno));
	*ret_path = TAKE(path);
	return 0;
}

/* Jobs for the sources of one part; assembler only or the rest only, and without that which holds the vault. */
static int add_sources(struct compile *c, const char *part, bool assembler, const char *define, struct diag *d)
{
	char *list CLEANUP_FREE = mem_printf("%s/%s.sources", c->vmm, part), *text CLEANUP_FREE = NULL;
	struct sources s CLEANUP(sources_fini) = { 0 };
	if (read_text(list, &text, d) || sources_parse(text, list, &s, d))
		return -1;
	for (size_t i = 0; i < s.count; i++) {
		char *path CLEANUP_FREE = mem_printf("%s/%s", c->vmm, s.v[i].path);
		if (s.v[i].assembler == assembler && strcmp(s.v[i].path, VAULT_HOLDER) != 0)
			add_compile(c, part, path, s.v[i].simd, define, NULL)->whole = !assembler && !s.v[i].simd;
	}
	return 0;
}

static void add_link(const struct compile *c, const char *part, const char *elf, struct args *a)
{
	static const char *const flags[] = { "-nostdlib",
					     "-static",
					     "-Wl,--gc-sections",
					     "-Wl,--build-id=none",
					     "-Wl,--fatal-warnings",
					     "-Wl,-z,max-page-size=4096",
					     "-Wl,-z,noexecstack" };
	add_flags(c, part, false, a); /* code may be generated now, too */
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		args_add(a, flags[i]);
	args_add(a, "-T");
	args_addf(a, "%s/%s/%s.ld", c->vmm, part, part);
	args_add(a, "-o");
	args_addf(a, "%s/%s.elf", c->tmp, elf);
}

/* What the compiler saw of a part's C, compiled as a whole. It outlives all that it does not depend on: that of the vault any change of the
 * configuration, that of the core any change of the vault. */
struct code {
	const char *part;
	size_t first, end; /* its jobs */
	char *extra;       /* argument that it is linked with; NULL: none */
	char *object;
	bool found, has_key;
	uint8_t key[CACHE_KEY_LEN];
};

static void code_fini(struct code *k)
{
	free(k->extra);
	free(k->object);
}

/* From the cache, and then nobody needs the objects that it was made of. */
static void find_code(struct compile *c, struct code *k)
{
	struct digest *g CLEANUP(digest_freep) = digest_new("mvp hypervisor code 1");
	uint8_t *code CLEANUP_FREE = NULL;
	size_t len;
	k->object = mem_printf("%s/%s-code.o", c->tmp, k->part);
	k->has_key = true;
	for (size_t i = k->first; i < k->end; i++) {
		const struct job *j = &c->jobs[i];
		if (j->is_config)
			continue;
		k->has_key &= j->has_key;
		digest_add(g, "object", j->key, sizeof(j->key));
	}
	digest_get(g, k->key);
	k->found = k->has_key && cache_get(c->cache, "object", k->key, BINARY_MAX, &code, &len) && !write_file(k->object, code, len);
	for (size_t i = k->first; k->found && i < k->end; i++)
		c->jobs[i].unneeded = c->jobs[i].whole;
}

/* GCC generates the code when it links (-flto), so it is given all there is to link, and its assembly is what is kept of that. */
static int generate(struct compile *c, const struct code *k, size_t end, struct diag *d)
{
	struct args whole CLEANUP(args_fini) = { 0 }, assemble CLEANUP(args_fini) = { 0 };
	struct buf output CLEANUP(buf_fini) = BUF_INIT;
	char *what CLEANUP_FREE = mem_printf("compiling the %s as a whole", k->part), *elf CLEANUP_FREE = mem_printf("%s-whole", k->part);
	add_link(c, k->part, elf, &whole);
	args_add(&whole, "-g0"); /* debug information would point into the objects */
	args_add(&whole, "-flto-partition=one");
	args_add(&whole, "-save-temps=obj");
	for (size_t i = k->first; i < end; i++)
		args_add(&whole, c->jobs[i].object);
	if (k->extra)
		args_add(&whole, k->extra);
	if (run_tool(&whole, what, &output, d))
		return -1;
	args_addf(&assemble, "%sgcc", c->cross);
	args_add(&assemble, "-c");
	args_addf(&assemble, "%s/%s.elf.ltrans0.ltrans.s", c->tmp, elf);
	args_add(&assemble, "-o");
	args_add(&assemble, k->object);
	return run_tool(&assemble, what, &output, d);
}

/* end: of the part's jobs, those that the code does not depend on included. */
static int make_code(struct compile *c, const struct code *k, size_t end, struct diag *d)
{
	uint8_t *code CLEANUP_FREE = NULL;
	size_t len;
	if (k->found)
		return 0;
	if (generate(c, k, end, d))
		return -1;
	if (k->has_key && !stamps_changed(&c->sources, false) && !io_read_file(k->object, BINARY_MAX, &code, &len))
		cache_put(c->cache, "object", k->key, code, len);
	return 0;
}

/* Links the code of a part with the objects that are no part of it. */
static int link_part(struct compile *c, const struct code *k, size_t end, struct diag *d)
{
	struct args link CLEANUP(args_fini) = { 0 }, flatten CLEANUP(args_fini) = { 0 };
	struct buf output CLEANUP(buf_fini) = BUF_INIT;
	const char *part = k->part;
	char *what CLEANUP_FREE = mem_printf("linking the %s", part);
	add_link(c, part, part, &link);
	args_add(&link, k->object);
	for (size_t i = k->first; i < end; i++) {
		if (!c->jobs[i].whole)
			args_add(&link, c->jobs[i].object);
	}
	if (k->extra)
		args_add(&link, k->extra);
	if (run_tool(&link, what, &output, d))
		return -1;
	args_addf(&flatten, "%sobjcopy", c->cross);
	args_add(&flatten, "-O");
	args_add(&flatten, "binary");
	args_addf(&flatten, "%s/%s.elf", c->tmp, part);
	args_addf(&flatten, "%s/%s.bin", c->tmp, part);
	return run_tool(&flatten, what, &output, d);
}

static int read_made(const struct compile *c, const char *name, uint8_t **ret, size_t *ret_len, struct diag *d)
{
	char *path CLEANUP_FREE = mem_printf("%s/%s", c->tmp, name);
	struct loc loc = LOC_FILE(path);
	int rc = io_read_file(path, BINARY_MAX, ret, ret_len);
	return rc ? diag_fail(d, MVP0702, &loc, "cannot read what was linked: %s", strerror(-rc)) : 0;
}

/* Does the linked program lie at base and fit into room bytes there? */
static int check_elf(const struct compile *c, const char *part, uint64_t base, uint64_t room, struct elf_sizes *ret_sizes, struct diag *d)
{
	char *name CLEANUP_FREE = mem_printf("%s.elf", part), need[TEXT_SIZE_LEN], has[TEXT_SIZE_LEN];
	uint8_t *data CLEANUP_FREE = NULL;
	struct elf_sizes sizes;
	size_t len;
	if (read_made(c, name, &data, &len, d))
		return -1;
	if (!elf_read_sizes(data, len, &sizes))
		return diag_fail(d, MVP0702, NULL, "the linker made no ELF program of the %s", part);
	if (sizes.start != base)
		return diag_fail(d, MVP0702, NULL, "the %s was linked at 0x%" PRIx64 " instead of 0x%" PRIx64, part, sizes.start, base);
	if (sizes.end - sizes.start > room)
		return diag_fail(d, MVP0704, NULL, "the %s needs %s of memory, its place has %s", part,
				 text_size(sizes.end - sizes.start, need), text_size(room, has));
	*ret_sizes = sizes;
	return 0;
}

static const struct layout_region *region(const struct layout *l, const char *name)
{
	for (size_t i = 0; i < l->regions_count; i++) {
		if (!strcmp(l->regions[i].name, name))
			return &l->regions[i];
	}
	return &l->regions[0];
}

static int build_vault(struct compile *c, const struct code *k, const struct layout *l, struct diag *d)
{
	struct elf_sizes sizes;
	if (make_code(c, k, k->end, d) || link_part(c, k, k->end, d))
		return -1;
	return check_elf(c, "vault", MVP_VAULT_BASE, region(l, "vault")->size, &sizes, d);
}

static int add_vault(struct compile *c, struct diag *d)
{
	char *path CLEANUP_FREE = mem_printf("%s/" VAULT_HOLDER, c->vmm);
	char *bin CLEANUP_FREE = mem_printf("%s/vault.bin", c->tmp), *blob CLEANUP_FREE = mem_printf("-DMVP_VAULT_BLOB=\"%s\"", bin);
	add_compile(c, "core", path, false, blob, bin);
	return run_jobs(c, d);
}

static int build_core(struct compile *c, const struct code *k, const struct layout *l, struct hyp_result *ret, struct diag *d)
{
	const struct layout_region *core = region(l, "core");
	uint8_t *vault CLEANUP_FREE = NULL, *image CLEANUP_FREE = NULL;
	struct elf_sizes sizes;
	size_t vault_len, image_len;
	if (add_vault(c, d) || make_code(c, k, c->count, d) || link_part(c, k, c->count, d) ||
	    check_elf(c, "core", core->pa, core->size, &sizes, d))
		return -1;
	if (read_made(c, "vault.bin", &vault, &vault_len, d) || read_made(c, "core.bin", &image, &image_len, d))
		return -1;
	if (image_len < vault_len)
		return diag_fail(d, MVP0702, NULL, "the hypervisor's image does not hold the vault");
	/* NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign): set on every path, which the analyser does not follow */
	ret->core_text = sizes.text_len;
	ret->measured_len = sizes.const_end > core->pa ? num_min(sizes.const_end - core->pa, image_len) : 0;
	ret->core_image = image_len - vault_len;
	ret->vault_image = vault_len;
	ret->image = TAKE(image);
	ret->image_len = image_len;
	return 0;
}

static int prepare(struct compile *c, struct diag *d)
{
	const char *cross = getenv("MVP_CROSS");
	char *cflags CLEANUP_FREE = NULL, *core CLEANUP_FREE = NULL, *vault CLEANUP_FREE = NULL;
	c->vmm = mem_printf("%s/vmm", datadir());
	c->cross = mem_strdup(cross && *cross ? cross : "aarch64-linux-gnu-");
	cflags = mem_printf("%s/cflags", c->vmm);
	core = mem_printf("%s/core.cflags", c->vmm);
	vault = mem_printf("%s/vault.cflags", c->vmm);
	if (read_text(cflags, &c->cflags, d) || read_text(core, &c->core_cflags, d) || read_text(vault, &c->vault_cflags, d))
		return -1;
	return find_compiler(c, d);
}

static int add_config(struct compile *c, const char *part, const struct buf *text, struct diag *d)
{
	char *name CLEANUP_FREE = mem_printf("config_%s", part), *path CLEANUP_FREE = NULL;
	bool seen = !strcmp(part, "core");
	if (write_config(c, name, text, &path, d))
		return -1;
	/* The core's is seen by what uses it; the vault's code outlives a change of it. */
	struct job *j = add_compile(c, part, path, false, seen ? NULL : LINKED_PLAINLY, NULL);
	j->whole = seen;
	j->is_config = !seen;
	return 0;
}

/* In an entry of the cache: three sizes, then the image. */
enum { SIZES_LEN = 4 * 8 };

static bool find_cached(struct compile *c, const uint8_t key[CACHE_KEY_LEN], struct hyp_result *ret)
{
	uint8_t *data CLEANUP_FREE = NULL;
	size_t len;
	if (!cache_get(c->cache, "hypervisor", key, BINARY_MAX, &data, &len) || len <= SIZES_LEN)
		return false;
	*ret = (struct hyp_result){
		.core_text = get_le64(data),
		.core_image = get_le64(data + 8),
		.vault_image = get_le64(data + 16),
		.measured_len = get_le64(data + 24),
		.image_len = len - SIZES_LEN,
	};
	memmove(data, data + SIZES_LEN, ret->image_len);
	ret->image = TAKE(data);
	return true;
}

static void keep(struct compile *c, const uint8_t key[CACHE_KEY_LEN], const struct hyp_result *r)
{
	struct buf b CLEANUP(buf_fini) = BUF_MAX(BINARY_MAX + SIZES_LEN);
	buf_le64(&b, r->core_text);
	buf_le64(&b, r->core_image);
	buf_le64(&b, r->vault_image);
	buf_le64(&b, r->measured_len);
	if (!buf_append(&b, r->image, r->image_len))
		cache_put(c->cache, "hypervisor", key, b.data, b.len);
}

/* Of everything that the whole is made from, and of the bounds it was checked against. */
static bool whole_key(struct compile *c, const struct layout *l, const char *define, uint8_t ret[CACHE_KEY_LEN])
{
	struct digest *g CLEANUP(digest_freep) = digest_new("mvp hypervisor 3");
	struct digest *common CLEANUP(digest_freep) = digest_new("mvp hypervisor objects' common sources 1");
	struct args files CLEANUP(args_fini) = { 0 };
	sources_files(&files);
	for (size_t i = 0; i < files.count; i++)
		stamps_add(&c->sources, files.v[i], true);
	origin_add_tools(common, c->cross, c->version);
	c->has_common = origin_add_files(common, c->vmm, true);
	digest_get(common, c->common);
	digest_add(g, "common", c->common, sizeof(c->common));
	digest_str(g, "define", define);
	for (size_t i = 0; i < ARRAY_LEN(c->configs); i++)
		digest_add(g, "configuration", c->configs[i].data, c->configs[i].len);
	digest_num(g, "core at", region(l, "core")->pa);
	digest_num(g, "core room", region(l, "core")->size);
	digest_num(g, "vault room", region(l, "vault")->size);
	bool ok = c->has_common && origin_add_files(g, c->vmm, false);
	digest_get(g, ret);
	return ok;
}

static int compile_all(struct compile *c, const struct layout *l, const char *define, struct hyp_result *ret, struct diag *d)
{
	struct code vault CLEANUP(code_fini) = { .part = "vault" }, core CLEANUP(code_fini) = { .part = "core" };
	if (add_config(c, "vault", &c->configs[0], d) || add_sources(c, "vault", false, define, d) ||
	    add_sources(c, "vault", true, define, d))
		return -1;
	vault.end = core.first = c->count;
	if (add_config(c, "core", &c->configs[1], d) || add_sources(c, "core", false, define, d) || add_sources(c, "core", true, NULL, d))
		return -1;
	core.end = c->count;
	core.extra = mem_printf("-Wl,--defsym,LOAD_PA=0x%" PRIx64, region(l, "core")->pa);
	find_code(c, &vault);
	find_code(c, &core);
	return run_jobs(c, d) || build_vault(c, &vault, l, d) || build_core(c, &core, l, ret, d) ? -1 : 0;
}

/* What the key of the whole is made of is read; the key itself, if it could be found. */
static int open_compile(struct compile *c, const struct hyp_job *job, const char **ret_define, uint8_t key[CACHE_KEY_LEN],
			bool *ret_has_key, struct diag *d)
{
	const struct manifest *m = job->manifest;
	c->cache = job->cache;
	*ret_define = m->hypervisor.build.s && !strcmp(m->hypervisor.build.s, "measure") ? "-DMVP_MEASURE" : NULL;
	for (size_t i = 0; i < ARRAY_LEN(c->configs); i++)
		c->configs[i] = BUF_INIT;
	if (prepare(c, d) || config_vault(job->board, m, job->layout, job->trust, job->logo, &c->configs[0], d) ||
	    config_core(job->board, m, job->layout, &c->configs[1], d))
		return -1;
	*ret_has_key = whole_key(c, job->layout, *ret_define, key);
	return 0;
}

int hyp_find(const struct hyp_job *job, struct hyp_result *ret, struct diag *d)
{
	struct compile c CLEANUP(compile_fini) = { .tmp = "" };
	uint8_t key[CACHE_KEY_LEN];
	const char *define;
	bool has_key;
	if (open_compile(&c, job, &define, key, &has_key, d))
		return -1;
	return has_key && find_cached(&c, key, ret) ? 0 : 1;
}

int hyp_build(const struct hyp_job *job, const char *tmp_dir, unsigned jobs, struct hyp_result *ret, struct diag *d)
{
	struct compile c CLEANUP(compile_fini) = { .tmp = tmp_dir, .jobs_at_once = jobs ? jobs : 1 };
	struct hyp_result result CLEANUP(hyp_result_fini) = { 0 };
	uint8_t key[CACHE_KEY_LEN];
	const char *define;
	bool has_key;
	if (open_compile(&c, job, &define, key, &has_key, d))
		return -1;
	if (!has_key || !find_cached(&c, key, &result)) {
		if (compile_all(&c, job->layout, define, &result, d))
			return -1;
		if (has_key && !stamps_changed(&c.sources, false))
			keep(&c, key, &result);
	}
	if (!EVP_Digest(result.image, num_min(result.measured_len, result.image_len), result.measurement, NULL, EVP_sha256(), NULL))
		return diag_fail(d, MVP0702, NULL, "the hypervisor cannot be measured");
	*ret = result;
	result = (struct hyp_result){ 0 };
	return 0;
}

void hyp_result_fini(struct hyp_result *r)
{
	free(r->image);
	*r = (struct hyp_result){ 0 };
}
