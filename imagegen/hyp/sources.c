#include "imagegen/hyp/sources.h"

#include <stdlib.h>
#include <string.h>

#include "imagegen/base/diag.h"
#include "imagegen/base/mem.h"

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

void sources_flags(const char *text, const char *drop, struct args *a)
{
	for (const char *word = text + strspn(text, blanks); *word; word += strspn(word, blanks)) {
		size_t len = strcspn(word, blanks);
		if (!drop || strlen(drop) != len || memcmp(word, drop, len))
			args_addf(a, "%.*s", (int)len, word);
		word += len;
	}
}
