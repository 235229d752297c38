#include "cli/render.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/base/text.h"

#define SOURCE_MAX ((size_t)4 << 20) /* longer files are not quoted */
#define QUOTE_WIDTH 100u             /* columns of a quoted line */
#define LINE_MAX_LEN ((size_t)65536) /* longer lines are not quoted */
#define TAB 8u

/* The file quoted last. */
struct source {
	const char *file; /* borrowed from the diag */
	uint8_t *data;
	size_t len;
};

struct style {
	const char *error, *warning, *bold, *caret, *dim, *off;
};

static const struct style plain = { "", "", "", "", "", "" };
static const struct style colored = { "\033[1;31m", "\033[1;33m", "\033[1m", "\033[1;32m", "\033[2m", "\033[0m" };

/* Control characters of inputs never reach the terminal. */
static void put_clean(struct buf *b, const char *s, size_t len)
{
	while (len) {
		size_t n = text_utf8_len(s, len);
		unsigned char c = (unsigned char)*s;
		if (n == 0 || c < 0x20 || c == 0x7f || (n == 2 && c == 0xc2 && (unsigned char)s[1] < 0xa0)) {
			buf_putc(b, '?');
			n = n ? n : 1;
		} else {
			buf_append(b, s, n);
		}
		s += n;
		len -= n;
	}
}

char *render_clean(const char *text)
{
	struct buf b CLEANUP(buf_fini) = BUF_INIT;
	put_clean(&b, text, strlen(text));
	return mem_strdup(buf_str(&b));
}

static void put_text(struct buf *b, const char *s)
{
	put_clean(b, s, strlen(s));
}

/* Line number line (1-based) without its line feed; false if the file has changed or cannot be read any more. */
static bool source_line(struct source *src, const struct loc *loc, const char **ret_line, size_t *ret_len)
{
	if (!src->file || strcmp(src->file, loc->file) != 0) {
		mem_freep(&src->data);
		src->file = loc->file;
		if (io_read_file(loc->file, SOURCE_MAX, &src->data, &src->len) < 0)
			src->data = NULL;
	}
	if (!src->data)
		return false;
	const char *p = (const char *)src->data, *end = p + src->len;
	for (uint32_t line = 1; line < loc->line; line++) {
		p = memchr(p, '\n', (size_t)(end - p));
		if (!p++)
			return false;
	}
	const char *lf = memchr(p, '\n', (size_t)(end - p));
	*ret_line = p;
	*ret_len = (size_t)((lf ? lf : end) - p);
	if (*ret_len && p[*ret_len - 1] == '\r')
		--*ret_len;
	return *ret_len > 0 && *ret_len <= LINE_MAX_LEN;
}

/* Does the word end before s[i]? YAML's marks end it: a colon with a blank behind it, a comma, a bracket, a comment. */
static bool word_ends(const char *s, size_t len, size_t i)
{
	if (s[i] == ':')
		return i + 1 == len || s[i + 1] == ' ';
	if (s[i] == '#')
		return i > 0 && s[i - 1] == ' ';
	return i > 0 && strchr(",[]{}", s[i]) != NULL;
}

/* Columns to underline from s on: a word or a text in quotes. */
static size_t word_width(const char *s, size_t len)
{
	size_t width = 0, blanks = 0;
	char quote = len && (*s == '"' || *s == '\'') ? *s : 0;
	for (size_t i = 0; i < len && s[i];) {
		if (quote ? i > 1 && s[i - 1] == quote : word_ends(s, len, i))
			break;
		blanks = s[i] == ' ' ? blanks + 1 : 0;
		size_t n = text_utf8_len(s + i, len - i);
		i += n ? n : 1;
		width++;
	}
	return width > blanks ? width - blanks : 1;
}

/* Appends the line with tabs as blanks, cut to a window around the caret, and the caret line below it. */
static void quote(struct buf *out, const struct style *st, const char *line, size_t len, uint32_t number, uint32_t col)
{
	struct buf text CLEANUP(buf_fini) = BUF_INIT;
	/* starts[c]: where column c begins in text. Wide characters count as one column, as libyaml counts them. */
	size_t at = 0, column = 0, caret = SIZE_MAX, width = 1, *starts CLEANUP_FREE = mem_array(size_t, len * TAB + 2);
	for (uint32_t c = 1; at < len; c++) {
		size_t n = text_utf8_len(line + at, len - at);
		n = n ? n : 1;
		if (c == col) {
			caret = column;
			width = word_width(line + at, len - at);
		}
		size_t cells = line[at] == '\t' ? TAB - column % TAB : 1;
		for (size_t i = 0; i < cells; i++) {
			starts[column++] = text.len;
			if (line[at] == '\t')
				buf_putc(&text, ' ');
			else
				put_clean(&text, line + at, n);
		}
		at += n;
	}
	starts[column] = text.len;
	if (caret == SIZE_MAX)
		caret = column;
	size_t from = caret > QUOTE_WIDTH - 20 ? caret - (QUOTE_WIDTH - 20) : 0, to = num_min(column, from + QUOTE_WIDTH);
	width = num_min(width, to > caret ? to - caret : 1);
	buf_printf(out, "%s%5u |%s %s", st->dim, number, st->off, from ? "..." : "");
	buf_append(out, buf_str(&text) + starts[from], starts[to] - starts[from]);
	buf_printf(out, "%s\n%s      |%s %s%*s%s^", to < column ? "..." : "", st->dim, st->off, from ? "   " : "", (int)(caret - from), "",
		   st->caret);
	for (size_t i = 1; i < width; i++)
		buf_putc(out, '~');
	buf_printf(out, "%s\n", st->off);
}

static void render_item(const struct diag_item *it, const struct style *st, struct source *src, struct buf *out)
{
	bool error = it->severity == DIAG_ERROR;
	if (it->loc.file) {
		buf_puts(out, st->bold);
		put_text(out, it->loc.file);
		if (it->loc.line)
			buf_printf(out, ":%u:%u", it->loc.line, it->loc.col);
		else if (it->loc.has_offset)
			buf_printf(out, ":0x%" PRIx64, it->loc.offset);
		buf_printf(out, ":%s ", st->off);
	} else {
		buf_puts(out, "mvpctl: ");
	}
	buf_printf(out, "%s%s[MVP%04u]:%s %s", error ? st->error : st->warning, error ? "error" : "warning", (unsigned)it->code, st->off,
		   st->bold);
	put_text(out, it->message);
	buf_printf(out, "%s\n", st->off);
	const char *line;
	size_t len;
	if (it->loc.file && it->loc.line && source_line(src, &it->loc, &line, &len))
		quote(out, st, line, len, it->loc.line, it->loc.col);
	if (it->hint) {
		buf_printf(out, "%shelp:%s ", st->caret, st->off);
		put_text(out, it->hint);
		buf_putc(out, '\n');
	}
	for (size_t i = 0; i < it->notes_count; i++) {
		buf_printf(out, "%snote:%s ", st->bold, st->off);
		put_text(out, it->notes[i]);
		buf_putc(out, '\n');
	}
}

/* Items of one text file that follow each other are sorted by place; the order of all others is kept. */
struct ranked {
	const struct diag_item *it;
	size_t run, index;
};

static int compare_ranked(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;
	if (x->run != y->run)
		return x->run < y->run ? -1 : 1;
	if (x->it->loc.line != y->it->loc.line)
		return x->it->loc.line < y->it->loc.line ? -1 : 1;
	if (x->it->loc.col != y->it->loc.col)
		return x->it->loc.col < y->it->loc.col ? -1 : 1;
	return (x->index > y->index) - (x->index < y->index);
}

static bool same_run(const struct diag_item *a, const struct diag_item *b)
{
	return a->loc.line && b->loc.line && a->loc.file && b->loc.file && strcmp(a->loc.file, b->loc.file) == 0;
}

void render_text(const struct diag *d, bool color, bool errors_only, struct buf *out)
{
	size_t count = diag_count(d), shown = 0, warnings = 0;
	struct ranked *items CLEANUP_FREE = mem_array(struct ranked, count);
	for (size_t i = 0, run = 0; i < count; i++) {
		if (i && !same_run(diag_get(d, i - 1), diag_get(d, i)))
			run++;
		items[i] = (struct ranked){ diag_get(d, i), run, i };
		warnings += diag_get(d, i)->severity == DIAG_WARNING;
	}
	qsort(items, count, sizeof(*items), compare_ranked);
	struct source src = { 0 };
	const struct style *st = color ? &colored : &plain;
	for (size_t i = 0; i < count; i++) {
		if (errors_only && items[i].it->severity == DIAG_WARNING)
			continue;
		render_item(items[i].it, st, &src, out);
		shown++;
	}
	free(src.data);
	size_t errors = diag_errors(d);
	if (shown > 1 && errors) {
		buf_printf(out, "mvpctl: %zu error%s", errors, errors == 1 ? "" : "s");
		if (shown > errors)
			buf_printf(out, ", %zu warning%s", warnings, warnings == 1 ? "" : "s");
		buf_puts(out, "; `mvpctl explain CODE` says more about one\n");
	}
}

void render_json_item(const struct diag_item *it, struct jsonw *j)
{
	const struct diag_info *info = diag_info_find((unsigned)it->code);
	jsonw_string(j, "severity", it->severity == DIAG_ERROR ? "error" : "warning");
	jsonw_format(j, "code", "MVP%04u", (unsigned)it->code);
	jsonw_string(j, "title", info ? info->title : NULL);
	jsonw_string(j, "message", it->message);
	if (it->loc.file)
		jsonw_string(j, "file", it->loc.file);
	if (it->loc.line) {
		jsonw_uint(j, "line", it->loc.line);
		jsonw_uint(j, "column", it->loc.col);
	}
	if (it->loc.has_offset)
		jsonw_uint(j, "offset", it->loc.offset);
	if (it->hint)
		jsonw_string(j, "help", it->hint);
	if (it->notes_count) {
		jsonw_array(j, "notes");
		for (size_t i = 0; i < it->notes_count; i++)
			jsonw_string(j, NULL, it->notes[i]);
		jsonw_end(j);
	}
}
