/* Description files (boards, OEM profiles): small YAML documents read by a flat table of dotted keys into a struct of the caller's.
 * All mistakes are reported at once, each with its line, unknown keys with the nearest known one. */
#ifndef IMAGEGEN_PROFILE_H
#define IMAGEGEN_PROFILE_H

#include "imagegen/manifest/manifest.h"

/* A run of bytes written as BASE+SIZE. */
struct profile_range {
	uint64_t at, len;
	struct loc loc;
};
struct profile_ranges {
	struct profile_range *v;
	size_t count;
};
struct profile_nums {
	struct mnum *v;
	size_t count;
	struct loc loc; /* of the list */
};

/* A list of mappings, each read by a table of its own into an item whose first member is its struct loc. */
struct profile_maps {
	void *v;
	size_t count;
	struct loc loc; /* of the list */
};
struct profile_table;

/* Which member a key fills: NUM and SIZE a struct mnum, STR a struct mstr, STRS a struct mstrs, NUMS, RANGES and MAPS the structs above.
 * SIZE takes units (KiB, MiB, GiB); all numbers may be hexadecimal. */
enum profile_type { PROFILE_NUM, PROFILE_SIZE, PROFILE_STR, PROFILE_STRS, PROFILE_NUMS, PROFILE_RANGES, PROFILE_MAPS };

struct profile_field {
	const char *key; /* "gic.distributor": the key distributor in the mapping gic */
	enum profile_type type;
	size_t offset; /* of the member */
	bool required;
	uint64_t min, max;                 /* of each number; max 0: no limit */
	const char *const *choices;        /* of a string; NULL-terminated; NULL: any */
	const struct profile_table *items; /* of MAPS; without MAPS of its own */
};

struct profile_table {
	const struct profile_field *fields;
	size_t fields_count;
	size_t item_len; /* bytes of the struct that is filled */
};

/* Fills obj (zeroed by the caller). Values' locs borrow path, which must outlive obj. On failure what was filled must still be given to
 * profile_fini. */
MUST_USE int profile_load(const char *path, const struct profile_field *fields, size_t fields_count, void *obj, struct diag *d);
void profile_fini(const struct profile_field *fields, size_t fields_count, void *obj);

/* "64", "0x40000000", "2 GiB": digits, then an optional unit. False when it is something else or too large. */
bool profile_parse_size(const char *s, uint64_t *ret);

/* Path of DATADIR/templates/KIND/NAME.yaml, or of NAME beside the manifest (m NULL: in the current folder) when it has a '/' or
 * ends in .yaml. -1 with code and the
 * nearest name when there is no such file. ret_path is malloc'd. */
MUST_USE int profile_find(const struct manifest *m, const char *kind, const struct mstr *name, enum diag_code code, char **ret_path,
			  struct diag *d);

/* The names there are in DATADIR/templates/KIND, sorted; malloc'd strings in a malloc'd array. */
size_t profile_names(const char *kind, char ***ret_names);
void profile_names_free(char **names, size_t count);

#endif
