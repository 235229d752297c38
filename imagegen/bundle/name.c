/* File names of bundles, from templates. */
#include <string.h>

#include "imagegen/base/buf.h"
#include "imagegen/base/mem.h"
#include "imagegen/bundle/output.h"
#include "imagegen/oem/carrier.h"

struct placeholder {
	const char *name, *value;
};

/* The placeholder at s, with its length; NULL if it is none of them. */
static const struct placeholder *find(const char *s, const struct placeholder *all, size_t count, size_t *ret_len)
{
	for (size_t i = 0; i < count; i++) {
		size_t n = strlen(all[i].name);
		if (!strncmp(s, all[i].name, n)) {
			*ret_len = n;
			return &all[i];
		}
	}
	return NULL;
}

char *bundle_name(const struct bundle *b, const struct mstr *from_profile, const char *own, const char *archive, struct diag *d)
{
	const struct placeholder all[] = {
		{ "{product}", b->product },
		{ "{version}", b->version },
		{ "{board}", b->board },
		{ "{oem}", b->oem ? b->oem->name.s : "" },
		{ "{archive}", archive ? archive : "" },
		{ "{carrier}", b->carrier ? carrier_name(b->carrier) : "open" },
		{ "{csc}", b->carrier ? carrier_csc(b->carrier) : "XAA" },
	};
	bool given = from_profile && from_profile->s;
	struct buf out CLEANUP(buf_fini) = BUF_MAX(4096);
	for (const char *s = given ? from_profile->s : own; *s;) {
		size_t n = 1;
		const struct placeholder *p = *s == '{' ? find(s, all, ARRAY_LEN(all), &n) : NULL;
		if (*s == '{' && !p) {
			(void)diag_fail(d, MVP0555, given ? &from_profile->loc : NULL, "'%s' has an unknown placeholder at '%.16s'",
					given ? from_profile->s : own, s);
			return NULL;
		}
		if (p)
			buf_puts(&out, p->value);
		else
			buf_putc(&out, *s);
		s += n;
	}
	if (bundle_check_name("file name", buf_str(&out), d) < 0)
		return NULL;
	return mem_strdup(buf_str(&out));
}
