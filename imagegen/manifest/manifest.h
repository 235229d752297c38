/* The manifest as a typed tree. Every value keeps the place it was written at, so that later stages report against it too.
 * The vocabulary is documented in mvp-manifest(5). */
#ifndef IMAGEGEN_MANIFEST_H
#define IMAGEGEN_MANIFEST_H

#include "imagegen/base/base.h"
#include "imagegen/base/diag.h"
#include "mvp/notify.h"

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

/* A key that signs: a file or pkcs11: URI, a program that reaches it. */
struct mkey {
	struct mstr file;       /* relative to the manifest's folder, or a pkcs11: URI */
	struct mstr passphrase; /* file:PATH, env:NAME or fd:N */
	struct mstr helper, public_key;
	struct loc loc;
	bool on;
};

enum layer_kind {
	/* Files, merged into the persona's tree. */
	LAYER_TAR,
	LAYER_CPIO,
	LAYER_DEB,
	LAYER_DIR,
	LAYER_FILES,
	/* Changes to what earlier layers brought. */
	LAYER_REMOVE,
	LAYER_ATTRIBUTES,
	/* Whole file systems and partitions, which no files are merged with. */
	LAYER_IMAGE,
	LAYER_ANDROID,
};

/* files: inline entries. */
struct layer_file {
	struct mstr path;    /* absolute path in the persona */
	struct mstr content; /* text for a regular file; NULL if link is set */
	struct mstr link;    /* symlink target; s NULL if not a link */
	struct mstr host;    /* file of the host that it is a copy of, instead of content; not from the manifest */
	uint32_t mode;       /* permission bits, default 0644 */
	uint32_t uid, gid;
	struct loc loc;
};

/* attributes: what is to be changed; what is not given stays. */
struct layer_attributes {
	struct mstr path; /* pattern */
	struct mnum mode, uid, gid;
	struct layer_xattr {
		char *name;
		struct mstr value; /* s NULL: the attribute is removed */
	} * xattrs;
	size_t xattrs_count;
	struct loc loc;
};

/* android: the images of an Android system by the name of their partition. */
enum android_part {
	ANDROID_BOOT,
	ANDROID_INIT_BOOT,
	ANDROID_VENDOR_BOOT,
	ANDROID_DTBO,
	ANDROID_SUPER,
	ANDROID_SYSTEM, /* from here on file systems, each of which may be named super:PARTITION */
	ANDROID_SYSTEM_EXT,
	ANDROID_PRODUCT,
	ANDROID_VENDOR,
	ANDROID_VENDOR_DLKM,
	ANDROID_SYSTEM_DLKM,
	ANDROID_ODM,
	ANDROID_ODM_DLKM,
	ANDROID_PARTS,
};
extern const char *const android_part_names[ANDROID_PARTS];

struct layer {
	enum layer_kind kind;
	/* tar, cpio, dir, image: one file or folder; deb: one or more, glob patterns allowed; remove: patterns of paths in the persona.
	 * Those of the host are relative to the manifest's folder. */
	struct mstrs paths;
	bool undated;             /* dir: its files have the tree's epoch for a time; not from the manifest */
	struct mstr whiteouts;    /* tar: "oci", or NULL */
	struct layer_file *files; /* LAYER_FILES */
	size_t files_count;
	struct layer_attributes *attributes; /* LAYER_ATTRIBUTES */
	size_t attributes_count;
	struct mstr android[ANDROID_PARTS]; /* LAYER_ANDROID */
	struct loc loc;
};

/* What an update may bring alone. Its version only grows, and says from which version of the others on it works with them. */
enum component {
	COMPONENT_HYPERVISOR,
	COMPONENT_PERSONAL,
	COMPONENT_WORK,
	COMPONENTS,
};
extern const char *const component_names[COMPONENTS + 1]; /* NULL-terminated */
struct component_version {
	struct mnum version;           /* 0: not said, older than all others */
	struct mnum needs[COMPONENTS]; /* least version of the others */
};

struct persona {
	const char *name; /* "personal" or "work" */
	struct loc loc;
	struct mnum memory; /* bytes, a multiple of 2 MiB */
	struct mnum cpus;
	struct mnum security_version;
	struct component_version component;
	struct mnum slots; /* of its disk: 1, or 2 for updates beside what runs */
	struct {
		struct mstr kernel;  /* "android", "file:PATH" on the host, else an absolute path or glob in the layers */
		struct mstr initrd;  /* "generate" (default), "android", "none", "file:PATH" or a path in the layers */
		struct mstr cmdline; /* added to what mvpctl gives (root, console) */
	} boot;
	struct {
		struct layer *layers;
		size_t layers_count;
		struct mnum size;      /* bytes; 0: auto, content plus headroom */
		struct mstr verity;    /* "on", "off", or NULL: as persona_verity() decides */
		struct mnum fec_roots; /* Reed-Solomon roots of its parity, 0: none */
		struct loc loc;
	} system;
	bool has_system; /* a bare-metal kernel may come without a disk */
	struct {
		struct mnum size; /* bytes; 0: no userdata partition */
		struct loc loc;
	} userdata;
	struct mnum tools;         /* 1: mvp-agent is part of the system */
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
		struct mkey oem, enterprise;        /* sign the handset and its personal side, and its work side */
		struct mstr orders, escrow, master; /* paths relative to dir */
	} keys;
	struct {
		struct mnum foreground_share; /* percent, 1..99 */
		struct mstr switch_key;       /* keys of the handset: "leftmeta+tab"; chord_parse() tells them */
		struct mstr console_key;      /* of the console: "ctrl-]" and the like; value_console_key() tells the byte */
		struct mstr console;          /* "mux" or "prefixed" */
		struct mstr build;            /* "release" or "measure" */
		struct mnum security_version; /* rollback index of the handset's own vbmeta */
		struct component_version component;
		struct mnum good_after; /* seconds that a slot runs until it is good without having said so */
	} hypervisor;
	struct persona personas[PERSONA_MAX];
	struct {
		struct {
			struct mstr work_to_personal, personal_to_work; /* "full", "title", "count" or "none" */
			/* By enum mvp_notify_category; s NULL: as above */
			struct {
				struct mstr work_to_personal, personal_to_work;
			} category[MVP_NOTIFY_CATEGORIES];
			struct mnum quiet_from, quiet_to; /* minutes of the day; equal: no quiet hours */
			struct mnum rate;                 /* alerts taken from a persona in a minute */
			struct mnum queue;                /* alerts that wait for a persona */
		} notifications;
		struct mstr clipboard; /* "none", "personal-to-work", "work-to-personal" or "both" */
		struct {
			struct mnum lock_after, wipe_after; /* seconds without contact; 0: never */
		} lease;
		struct mstrs switch_request; /* names of the personas whose agents may ask for a switch of the screen */
	} policy;
	/* What is written below each key of the top, and below each of `personas` ("personas.work"), in order. */
	struct section {
		char *name;
		uint8_t digest[32];
	} * sections;
	size_t sections_count, sections_cap;
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

/* c: enum component. */
const struct component_version *manifest_component(const struct manifest *m, size_t c);
/* Has its system partition a hash tree? If nothing is said: where the first process is ours, which sees to it that it holds. */
bool persona_verity(const struct persona *p);
/* How much of an alert of this category of persona `from` (PERSONA_*) the other one gets. */
enum mvp_notify_level manifest_notify_level(const struct manifest *m, size_t from, enum mvp_notify_category category);
bool manifest_clipboard(const struct manifest *m, size_t from); /* what persona `from` copies goes to the other one */

bool persona_has_network(const struct persona *p);
/* The first layer of that kind; NULL if there is none. */
const struct layer *persona_layer(const struct persona *p, enum layer_kind kind);
/* Has it layers that are merged to a tree of files? */
bool persona_has_tree(const struct persona *p);

/* path as the manifest's folder sees it; malloc'd. Absolute paths are returned as they are. */
char *manifest_path(const struct manifest *m, const char *path);

#endif
