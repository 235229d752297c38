/* The manifest as a typed tree. Every value keeps the place it was written at, so that later stages report against it too.
 * The vocabulary is documented in mvp-manifest(5). */
#ifndef IMAGEGEN_MANIFEST_H
#define IMAGEGEN_MANIFEST_H

#include "imagegen/base/base.h"
#include "imagegen/base/diag.h"

enum { PERSONA_PERSONAL = 0, PERSONA_WORK = 1, PERSONA_MAX = 2 };

/* A scalar: its text (NULL when absent and without a default) and place. A defaulted value has the loc of its parent. */
struct mstr {
	char *s;
	struct loc loc;
	bool given;
};
struct mnum {
	uint64_t v;
	struct loc loc;
	bool given;
};
struct mstrs {
	struct mstr *v;
	size_t count;
	struct loc loc;
};

enum layer_kind { LAYER_TAR, LAYER_DEB, LAYER_DIR, LAYER_FILES };

/* files: inline entries. */
struct layer_file {
	struct mstr path;    /* absolute path in the persona */
	struct mstr content; /* text for a regular file; NULL if link is set */
	struct mstr link;    /* symlink target; s NULL if not a link */
	uint32_t mode;       /* permission bits, default 0644 */
	uint32_t uid, gid;
	struct loc loc;
};

struct layer {
	enum layer_kind kind;
	struct mstrs paths;       /* tar: one; dir: one; deb: one or more, glob patterns allowed; relative to the manifest's folder */
	struct layer_file *files; /* LAYER_FILES */
	size_t files_count;
	struct loc loc;
};

struct persona {
	const char *name; /* "personal" or "work" */
	struct loc loc;
	struct mnum memory; /* bytes, a multiple of 2 MiB */
	struct mnum cpus;
	struct mnum security_version;
	struct {
		struct mstr kernel;  /* "file:PATH" on the host, else an absolute path or glob in the layers */
		struct mstr initrd;  /* "generate" (default), "none", "file:PATH" or a path in the layers */
		struct mstr cmdline; /* added to what mvpctl gives (root, console) */
	} boot;
	struct {
		struct layer *layers;
		size_t layers_count;
		struct mnum size; /* bytes; 0: auto, content plus headroom */
		struct loc loc;
	} system;
	bool has_system; /* a bare-metal kernel may come without a disk */
	struct {
		struct mnum size; /* bytes; 0: no userdata partition */
		struct loc loc;
	} userdata;
	struct mnum color;         /* 0xRRGGBB */
	struct mstr network;       /* "nat" (default) or "none" */
	struct mnum network_limit; /* bits per second in each direction, 0: none */
	struct {
		bool on;                   /* work only */
		struct mstr passcode_file; /* relative to the manifest's folder */
		struct mnum tries;
		struct mnum iterations; /* PBKDF2 iterations of the key slot */
		struct mstr holes;      /* "fill" (default) or "keep" */
		struct loc loc;
	} encryption;
};

struct manifest {
	char *path;         /* as given by the user; locs name it */
	char *dir;          /* folder that relative paths start from */
	struct mnum format; /* mvp: 1 */
	struct mstr name, version, board, carrier;
	struct mstrs oem;
	struct {
		struct mstr oem, enterprise, orders, escrow, master; /* paths relative to dir */
	} keys;
	struct {
		struct mnum foreground_share; /* percent, 1..99 */
		struct mstr switch_key;       /* keys of the handset: "leftmeta+tab"; chord_parse() tells them */
		struct mstr console_key;      /* of the console: "ctrl-]" and the like; value_console_key() tells the byte */
		struct mstr console;          /* "mux" or "prefixed" */
		struct mstr build;            /* "release" or "measure" */
	} hypervisor;
	struct persona personas[PERSONA_MAX];
	struct {
		struct {
			struct mstr work_to_personal, personal_to_work; /* "full", "title", "count" or "none" */
		} notifications;
		struct mstr clipboard; /* "none", "personal-to-work", "work-to-personal" or "both" */
		struct {
			struct mnum lock_after, wipe_after; /* seconds without contact; 0: never */
		} lease;
		struct mstrs switch_request; /* names of the personas whose agents may ask for a switch of the screen */
	} policy;
	struct mstrs includes; /* files read besides path, for the depfile */
};

/* Reads and checks the file; what it says but nothing acts on yet becomes a warning. All mistakes are reported at once; -1 if there was an
 * error (ret_m unset). */
MUST_USE int manifest_load(const char *path, struct manifest **ret_m, struct diag *d);
/* The same of text at hand; path names it and gives the folder. Without look_at_files nothing else is read: whether the files it names
 * exist is then not checked. */
MUST_USE int manifest_parse(const char *path, const uint8_t *data, size_t len, bool look_at_files, struct manifest **ret_m, struct diag *d);
void manifest_free(struct manifest *m);
DEFINE_FREEP(struct manifest, manifest_free)

bool persona_has_network(const struct persona *p);

/* path as the manifest's folder sees it; malloc'd. Absolute paths are returned as they are. */
char *manifest_path(const struct manifest *m, const char *path);

#endif
