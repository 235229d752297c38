#include "imagegen/hyp/sources.h"

#include <fts.h>
#include <stdlib.h>
#include <string.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/mem.h"
#include "imagegen/hyp/hyp.h"

static const char blanks[] = " \t\r\n";

static bool ends_with(const char *s, size_t len, const char *end)
{
	return len > strlen(end) && !memcmp(s + len - strlen(end), end, strlen(end));
}

/* One line without its comment; 0 also for an empty one. */
static int parse_line(const char *line, size_t len, const struct loc *loc, struct sources *s, size_t *cap, struct diag *d)
{
	size_t skip = strspn(line, " \t"), path_len, word_len;
	const char *path = line + skip, *word;
	if (skip >= len)
		return 0;
	path_len = strcspn(path, " \t\r\n#");
	word = path + path_len + strspn(path + path_len, " \t\r");
	word_len = word < line + len ? strcspn(word, " \t\r\n#") : 0;
	if (!ends_with(path, path_len, ".c") && !ends_with(path, path_len, ".S"))
		return diag_fail(d, MVP0705, loc, "'%.*s' is no source: expected a name ending in .c or .S", (int)path_len, path);
	if (word_len && (word_len != 4 || memcmp(word, "simd", 4)))
		return diag_fail(d, MVP0705, loc, "unknown word '%.*s', expected 'simd'", (int)word_len, word);
	mem_grow((void **)&s->v, s->count, cap, sizeof(*s->v));
	s->v[s->count++] = (struct source){
		.path = mem_strndup(path, path_len),
		.simd = word_len > 0,
		.assembler = ends_with(path, path_len, ".S"),
	};
	return 0;
}

int sources_parse(const char *text, const char *label, struct sources *ret, struct diag *d)
{
	struct sources s = { 0 };
	struct loc loc = { .file = label, .line = 1, .col = 1 };
	size_t cap = 0;
	int rc = 0;
	for (const char *line = text; *line && !rc; loc.line++) {
		size_t whole = strcspn(line, "\n"), len = strcspn(line, "#\n");
		rc = parse_line(line, len, &loc, &s, &cap, d);
		line += whole + (line[whole] == '\n');
	}
	if (!rc && !s.count)
		rc = diag_fail(d, MVP0705, &loc, "the list of sources is empty");
	if (rc) {
		sources_fini(&s);
		return -1;
	}
	*ret = s;
	return 0;
}

void sources_fini(struct sources *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->v[i].path);
	free(s->v);
	*s = (struct sources){ 0 };
}

void sources_flags(const char *text, struct args *a)
{
	for (const char *word = text + strspn(text, blanks); *word; word += strspn(word, blanks)) {
		size_t len = strcspn(word, blanks);
		args_addf(a, "%.*s", (int)len, word);
		word += len;
	}
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

void sources_files(struct args *a)
{
	static const char *const parts[] = { "cflags",        "core.cflags", "vault.cflags", "core.sources",
					     "vault.sources", "core",        "include",      "vault" };
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		char *path CLEANUP_FREE = mem_printf("%s/vmm/%s", datadir(), parts[i]);
		char *roots[] = { path, NULL };
		FTS *fts = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, by_name);
		FTSENT *e;
		while (fts && (e = fts_read(fts))) {
			if (e->fts_info == FTS_F)
				args_add(a, e->fts_path);
		}
		if (fts)
			(void)fts_close(fts);
	}
}
