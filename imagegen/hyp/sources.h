/* The lists in vmm/ that say what core and vault are made of. */
#ifndef IMAGEGEN_SOURCES_H
#define IMAGEGEN_SOURCES_H

#include "imagegen/hyp/tool.h"

struct source {
	char *path; /* relative to vmm/ */
	bool simd;  /* may use FP and SIMD registers */
	bool assembler;
};
struct sources {
	struct source *v;
	size_t count;
};

/* One source a line, `#` comments, an optional word `simd`. text is NUL-terminated; label names it in diagnostics. */
MUST_USE int sources_parse(const char *text, const char *label, struct sources *ret, struct diag *d);
void sources_fini(struct sources *s);

/* The words of a compiler response file, without quoting (ours have none). */
void sources_flags(const char *text, struct args *a);

/* Adds every file the hypervisor is made of (sources, headers, lists, linker scripts), sorted. */
void sources_files(struct args *a);

#endif
