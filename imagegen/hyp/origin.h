/* What the hypervisor and its objects are compiled from, as digests for the cache. Internal to imagegen/hyp. */
#ifndef IMAGEGEN_HYP_ORIGIN_H
#define IMAGEGEN_HYP_ORIGIN_H

#include "imagegen/cache/digest.h"
#include "imagegen/hyp/tool.h"

/* The compiler: what it says of its version, and the programs that PATH leads to. */
void origin_add_tools(struct digest *g, const char *cross, const char *version);
/* Names and contents of the hypervisor's files below vmm: all of them, or the headers alone, which any object may be made from. False if
 * one cannot be read: then there is nothing to be looked up by. */
MUST_USE bool origin_add_files(struct digest *g, const char *vmm, bool headers_only);
MUST_USE bool origin_add_file(struct digest *g, const char *label, const char *path);
/* Arguments of a tool, the same wherever sources and work folder lie. */
void origin_add_args(struct digest *g, const struct args *a, const char *vmm, const char *tmp);

#endif
