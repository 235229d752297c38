#include "imagegen/graph/persona.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "imagegen/android/android.h"
#include "imagegen/base/image.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/base/num.h"
#include "imagegen/base/text.h"
#include "imagegen/bootimg/bootimg.h"
#include "imagegen/cache/digest.h"
#include "imagegen/crypt/escrow.h"
#include "imagegen/crypt/luks2.h"
#include "imagegen/fs/ext4.h"
#include "imagegen/fs/ext4_list.h"
#include "imagegen/gpt/gpt.h"
#include "imagegen/graph/secrets.h"
#include "imagegen/hyp/fdt.h"
#include "imagegen/hyp/hyp.h"
#include "imagegen/initrd/initrd.h"
#include "imagegen/initrd/modules.h"
#include "mvp/slots.h"

enum { FILE_MAX = 256 << 20, FS_BLOCK = 4096, CMDLINE_MAX = 1535, CERTIFICATE_MAX = 65536 };
/* A boot image that is updated in its slot may have grown by a quarter and this. */
#define BOOT_ROOM (4 * MIB)
#define MISC_LEN MIB
enum { RECOVERY_LEN = 32, RECOVERY_SIZE = 2 * RECOVERY_LEN + 1 };
#define ON_HOST "file:"

struct blob {
	uint8_t *data;
	size_t len;
};

static void blob_fini(struct blob *b)
{
	free(b->data);
	*b = (struct blob){ 0 };
}

struct work {
	const struct manifest *m;
	const struct persona *p;
	const struct persona_opts *opts;
	struct tree *tree;      /* NULL without layers of files */
	struct android android; /* partitions that layers bring whole */
	struct blob kernel, initrd;
	char *kernel_path; /* in the tree; NULL for a file of the host */
	bool foreign;      /* the kernel came as a flat binary or ELF */
	char *cmdline;
	struct stamps *inputs;
	uint8_t digest[32];
	struct verity verity; /* of the system partition, if it has one */
	struct diag *d;
};

static void work_fini(struct work *w)
{
	tree_free(w->tree);
	android_fini(&w->android);
	blob_fini(&w->kernel);
	blob_fini(&w->initrd);
	free(w->kernel_path);
	free(w->cmdline);
	verity_fini(&w->verity);
}

static bool of_android(const struct mstr *what)
{
	return strcmp(what->s, "android") == 0;
}

/* "file:PATH" or a path in the layers. */
static int read_part(struct work *w, const struct mstr *what, struct blob *ret, char **ret_path)
{
	char *path CLEANUP_FREE = NULL;
	int rc;
	if (strncmp(what->s, ON_HOST, strlen(ON_HOST))) {
		char *found CLEANUP_FREE = NULL;
		struct image *image = w->android.images[ANDROID_SYSTEM];
		if (w->tree)
			return tree_read_file(w->tree, what->s, &what->loc, &ret->data, &ret->len, ret_path, w->d);
		if (image && ext4_read_file(image, w->p->name, what->s, FILE_MAX, &what->loc, &ret->data, &ret->len, &found, w->d) < 0)
			return -1;
		if (image && ret_path)
			*ret_path = TAKE(found);
		if (image)
			return 0;
		(void)diag_fail(w->d, MVP0350, &what->loc, "'%s' is a path in the layers, but '%s' has no 'system'", what->s, w->p->name);
		diag_hint(w->d, "write file:PATH for a file of this machine, or add system layers");
		return -1;
	}
	path = manifest_path(w->m, what->s + strlen(ON_HOST));
	stamps_add(w->inputs, path, true);
	rc = io_read_file(path, FILE_MAX, &ret->data, &ret->len);
	if (rc)
		return diag_fail(w->d, MVP0351, &what->loc, "cannot read '%s': %s", path, strerror(-rc));
	return 0;
}

static int load_kernel(struct work *w)
{
	struct guest_fdt fdt = { 0 };
	if (of_android(&w->p->boot.kernel)) {
		w->kernel.data = TAKE(w->android.kernel);
		w->kernel.len = w->android.kernel_len;
		w->kernel_path = mem_strdup(persona_layer(w->p, LAYER_ANDROID)->android[ANDROID_BOOT].s);
	} else if (read_part(w, &w->p->boot.kernel, &w->kernel, &w->kernel_path)) {
		return -1;
	}
	if (guest_fdt_build(w->opts->board, w->p, &fdt, w->d))
		return -1;
	const struct kernel_place place = { .memory = w->p->memory.v, .dtb_len = fdt.len };
	guest_fdt_fini(&fdt);
	return kernel_check(&w->kernel.data, &w->kernel.len, &place, w->kernel_path ? w->kernel_path : w->p->boot.kernel.s, &w->foreign,
			    w->d);
}

static int generate_initrd(struct work *w)
{
	char *init CLEANUP_FREE = mem_printf("%s/guest/init", datadir());
	struct initrd_opts opts = {
		.kernel_path = w->kernel_path, .init_file = init, .epoch = w->opts->epoch, .verity = persona_verity(w->p)
	};
	struct image *system = of_android(&w->p->boot.kernel) ? NULL : w->android.images[ANDROID_SYSTEM];
	struct tree *own CLEANUP(tree_freep) = NULL;
	const char *release;
	if (!w->kernel_path || (!w->tree && !system)) {
		(void)diag_fail(w->d, MVP0352, &w->p->boot.initrd.loc,
				"no initrd can be generated for '%s': its kernel is not one of the layers' files", w->p->name);
		diag_hint(w->d, "the kernel's modules are looked for in the layers: name a kernel there, or write `initrd: none`");
		return -1;
	}
	if (!w->tree && (initrd_release(w->kernel_path, &release, w->d) < 0 ||
			 modules_of_image(system, w->p->name, release, w->opts->epoch, w->opts->tmp_dir, &own, w->d) < 0))
		return -1;
	stamps_add(w->inputs, init, true);
	return initrd_build(w->tree ? w->tree : own, &opts, &w->initrd.data, &w->initrd.len, w->d);
}

static int load_initrd(struct work *w)
{
	const struct mstr *initrd = &w->p->boot.initrd;
	if (!initrd->s || !strcmp(initrd->s, "none"))
		return 0;
	if (!strcmp(initrd->s, "generate"))
		return generate_initrd(w);
	if (of_android(initrd)) {
		w->initrd.data = TAKE(w->android.ramdisk);
		w->initrd.len = w->android.ramdisk_len;
		return 0;
	}
	return read_part(w, initrd, &w->initrd, NULL);
}

/* What every Linux is told, then the manifest's own words, which may override it. Other kernels get these words alone: to them the command
 * line is arguments. A kernel that comes with nothing is taken for one of these; a Linux finds its console by the device tree, too. */
static int check_cmdline(struct work *w)
{
	size_t len = strlen(w->cmdline);
	return len > CMDLINE_MAX ? diag_fail(w->d, MVP0353, &w->p->boot.cmdline.loc,
					     "the kernel command line of '%s' has %zu characters, a boot image takes %d", w->p->name, len,
					     CMDLINE_MAX)
				 : 0;
}

static int make_cmdline(struct work *w)
{
	const struct mstr *own = &w->p->boot.cmdline;
	const char *android = of_android(&w->p->boot.kernel) && w->android.cmdline ? w->android.cmdline : "";
	bool direct = w->p->has_system && !w->initrd.data;
	if (w->foreign || (!w->p->has_system && !w->initrd.data))
		w->cmdline = mem_strdup(own->s ? own->s : "");
	else
		w->cmdline = mem_printf("console=ttyAMA0%s%s%s%s%s%s", direct ? " root=PARTLABEL=system ro" : "",
					w->p->userdata.size.v ? " mvp.userdata=1" : "", *android ? " " : "", android,
					own->s && *own->s ? " " : "", own->s ? own->s : "");
	return check_cmdline(w);
}

static bool has_slots(const struct persona *p)
{
	return p->slots.v == 2;
}

static bool has_whole(const struct persona *p)
{
	return persona_layer(p, LAYER_ANDROID) || persona_layer(p, LAYER_IMAGE);
}

/* The root of the hash tree reaches the first process on the command line, which is part of the boot image and so of what is signed. */
static int add_verity_words(struct work *w)
{
	char *words CLEANUP_FREE = verity_words(&w->verity), *old CLEANUP_FREE = w->cmdline;
	w->cmdline = mem_printf("%s%smvp.verity=%s", old, *old ? " " : "", words);
	return check_cmdline(w);
}

/* Everything that decides a bit of the disk: signatures (RSA, PKCS #1 version 1.5) follow from key and content. */
static int make_digest(struct work *w)
{
	uint8_t key[32];
	struct digest *g CLEANUP(digest_freep) = digest_new("mvp persona disk 1");
	uint8_t tree[32] = { 0 };
	/* Another mvpctl may lay the same content out otherwise: it is encrypted with another key. */
	digest_str(g, "program", MVP_VERSION);
	if (w->tree)
		tree_digest(w->tree, tree);
	digest_str(g, "name", w->p->name);
	digest_num(g, "has system", w->tree != NULL);
	digest_add(g, "tree", tree, sizeof(tree));
	digest_add(g, "kernel", w->kernel.data, w->kernel.len);
	digest_add(g, "initrd", w->initrd.data, w->initrd.len);
	digest_str(g, "cmdline", w->cmdline);
	digest_num(g, "system size", w->p->system.size.v);
	digest_num(g, "userdata size", w->p->userdata.size.v);
	digest_num(g, "epoch", (uint64_t)w->opts->epoch);
	if (has_whole(w->p))
		digest_add(g, "images", w->android.digest, sizeof(w->android.digest));
	if (trust_key_digest(trust_of(w->opts->trust, w->m, w->p), NULL, key, w->d))
		return -1;
	digest_add(g, "key", key, sizeof(key));
	digest_num(g, "rollback index", w->p->security_version.v);
	digest_num(g, "verity", persona_verity(w->p));
	digest_num(g, "parity roots", w->p->system.fec_roots.v);
	if (has_slots(w->p))
		digest_num(g, "slots", w->p->slots.v);
	digest_get(g, w->digest);
	return 0;
}

static void identify(const struct work *w, const char *what, uint8_t ret_uuid[16])
{
	char *info CLEANUP_FREE = mem_printf("mvp %s uuid", what);
	derive_uuid(w->opts->master, w->digest, info, ret_uuid);
}

static int build_fs(struct work *w, const struct tree *tree, const char *label, uint64_t len, const struct loc *loc, struct image **ret)
{
	struct ext4_opts o = {
		.label = label,
		.len = len ? align_up(len, MIB) : 0,
		.journal = !tree,
		.read_only = tree != NULL,
		.epoch = w->opts->epoch,
		.tmp_dir = w->opts->tmp_dir,
		.loc = *loc,
	};
	char *fs CLEANUP_FREE = mem_printf("%s file system", label), *seed CLEANUP_FREE = mem_printf("%s hash seed", label);
	identify(w, fs, o.uuid);
	identify(w, seed, o.hash_seed);
	return ext4_build(tree, &o, ret, w->d);
}

/* Partitions of a disk, with their names. */
struct parts {
	struct gpt_part v[2 * (ANDROID_PARTS + 2) + 2];
	char names[2 * (ANDROID_PARTS + 2) + 2][40];
	size_t count;
};

static void add_part(struct work *w, struct parts *parts, const char *name, const char *suffix, struct image *img, uint64_t len,
		     const struct loc *loc)
{
	struct gpt_part *part = &parts->v[parts->count];
	char *what CLEANUP_FREE = mem_printf("%s%s partition", name, suffix);
	(void)snprintf(parts->names[parts->count], sizeof(parts->names[0]), "%s%s", name, suffix);
	*part = (struct gpt_part){ .name = parts->names[parts->count], .img = img, .len = len, .loc = *loc };
	memcpy(part->type, gpt_type_linux, sizeof(part->type));
	identify(w, what, part->uuid);
	parts->count++;
}

/* In each of the slots, if there are two; the second has nothing in it before an update. len 0: as long as its image. */
static void add_slots(struct work *w, struct parts *parts, struct persona_disk *pd, const char *name, struct image *img, uint64_t len,
		      const struct loc *loc)
{
	if (!has_slots(w->p)) {
		add_part(w, parts, name, "", img, 0, loc);
		return;
	}
	len = align_up(num_max(len, image_len(img)), MIB);
	add_part(w, parts, name, "_a", img, len, loc);
	add_part(w, parts, name, "_b", NULL, len, loc);
	struct persona_part *part = &pd->parts[pd->parts_count++];
	*part = (struct persona_part){ .img = image_ref(img), .len = len, .loc = *loc };
	(void)snprintf(part->name, sizeof(part->name), "%s", name);
}

/* A system that came as an image, in a partition of the size that the manifest gives. */
static int place_image(struct work *w, struct image *img, struct image **ret)
{
	const struct mnum *size = &w->p->system.size;
	char has[TEXT_SIZE_LEN], given[TEXT_SIZE_LEN];
	if (size->v == 0 || size->v == image_len(img)) {
		*ret = image_ref(img);
		return 0;
	}
	if (size->v < image_len(img)) {
		(void)diag_fail(w->d, MVP0401, &size->loc, "the system of '%s' is an image of %s, but is given %s", w->p->name,
				text_size(image_len(img), has), text_size(size->v, given));
		diag_hint(w->d, "give it at least %s, or 'size: auto'", has);
		return -1;
	}
	const struct image_piece piece = { img, 0 };
	*ret = image_compose(size->v, &piece, 1);
	return 0;
}

static int make_system(struct work *w, struct image **ret)
{
	struct image *image = w->android.images[ANDROID_SYSTEM];
	if (w->tree)
		return build_fs(w, w->tree, "system", w->p->system.size.v, &w->p->system.loc, ret);
	return image ? place_image(w, image, ret) : 0;
}

static int build_boot(struct work *w, struct image **ret)
{
	struct bootimg_parts bp = {
		.kernel = w->kernel.data,
		.kernel_len = w->kernel.len,
		.ramdisk = w->initrd.data,
		.ramdisk_len = w->initrd.len,
		.cmdline = w->cmdline,
		.os_version = of_android(&w->p->boot.kernel) ? w->android.os_version : 0,
	};
	if (bootimg_compose(&bp, ret, w->d))
		return -1;
	blob_fini(&w->kernel);
	blob_fini(&w->initrd);
	return 0;
}

/* The file system, and what its hash tree adds behind it. */
static int build_system(struct work *w, struct image **ret)
{
	struct image *fs CLEANUP(image_freep) = NULL;
	struct verity_opts o = {
		.salt_len = 32,
		.fec_roots = (uint32_t)w->p->system.fec_roots.v,
		.jobs = w->opts->jobs,
		.tmp_dir = w->opts->tmp_dir,
	};
	if (make_system(w, &fs))
		return -1;
	if (!fs || !persona_verity(w->p)) {
		*ret = TAKE(fs);
		return 0;
	}
	derive(w->opts->master, w->digest, "mvp system salt", o.salt, o.salt_len);
	if (verity_build(fs, &o, &w->verity, w->d) || add_verity_words(w))
		return -1;
	struct image *all CLEANUP(image_freep) = verity_compose(fs, &w->verity);
	/* In a container that keeps holes, what the tree covers must not be whatever the flash held. */
	*ret = w->p->encryption.on ? image_solid(all) : TAKE(all);
	return 0;
}

/* Vouches for the boot image, and by its hash tree for the system. */
static int build_vbmeta(struct work *w, const struct image *boot, struct image **ret)
{
	struct avb a CLEANUP(avb_fini) = AVB_INIT;
	struct avb_digest h = { .salt_len = 32 };
	char *name CLEANUP_FREE = mem_printf("vbmeta-%s", w->p->name);
	derive(w->opts->master, w->digest, "mvp boot salt", h.salt, h.salt_len);
	if (avb_hash_image(boot, &h, w->d))
		return -1;
	avb_add_hash(&a, "boot", image_len(boot), &h);
	if (w->verity.tree)
		avb_add_hashtree(&a, "system", &w->verity.details);
	return trust_vbmeta(&a, trust_of(w->opts->trust, w->m, w->p), name, w->p->security_version.v, ret, w->d);
}

static int compose(struct work *w, struct persona_disk *pd)
{
	struct image *boot CLEANUP(image_freep) = NULL, *vbmeta CLEANUP(image_freep) = NULL, *system CLEANUP(image_freep) = NULL,
			   *userdata CLEANUP(image_freep) = NULL;
	struct parts *parts CLEANUP_FREE = mem_new(struct parts);
	uint8_t uuid[16];
	if (build_system(w, &system) || build_boot(w, &boot) || build_vbmeta(w, boot, &vbmeta))
		return -1;
	add_slots(w, parts, pd, "boot", boot, image_len(boot) / 4 * 5 + BOOT_ROOM, &w->p->boot.kernel.loc);
	add_slots(w, parts, pd, "vbmeta", vbmeta, 0, &w->p->loc);
	if (system)
		add_slots(w, parts, pd, "system", system, w->p->system.size.v, &w->p->system.loc);
	for (size_t i = 0; i < ANDROID_PARTS; i++)
		if (w->android.images[i] && i != ANDROID_SYSTEM)
			add_slots(w, parts, pd, android_part_names[i], w->android.images[i], 0, &w->p->system.loc);
	if (has_slots(w->p))
		add_part(w, parts, MVP_MISC_PARTITION, "", NULL, MISC_LEN, &w->p->slots.loc);
	if (w->p->userdata.size.v) {
		if (build_fs(w, NULL, "userdata", w->p->userdata.size.v, &w->p->userdata.size.loc, &userdata))
			return -1;
		add_part(w, parts, "userdata", "", userdata, 0, &w->p->userdata.size.loc);
	}
	identify(w, "disk", uuid);
	return gpt_compose(parts->v, parts->count, uuid, 0, &pd->disk, w->d);
}

static void take_inputs(struct work *w)
{
	if (w->tree)
		stamps_join(w->inputs, tree_inputs(w->tree));
	stamps_join(w->inputs, &w->android.inputs);
}

/* The guest tools are a layer below the persona's own, which may replace any of their files. When mvpctl was compiled or installed is no
 * part of what is built. */
static int load_tree(struct work *w)
{
	struct persona p = *w->p;
	if (!w->p->tools.v)
		return tree_load(w->m, &p, w->opts->epoch, w->opts->tmp_dir, &w->tree, w->d);
	char *dir CLEANUP_FREE = mem_printf("%s/guest/tools", datadir());
	struct mstr path = { .s = dir, .loc = p.tools.loc, .given = true };
	struct layer *layers CLEANUP_FREE = mem_array(struct layer, p.system.layers_count + 1);
	layers[0] =
		(struct layer){ .kind = LAYER_DIR, .paths = { .v = &path, .count = 1, .loc = path.loc }, .undated = true, .loc = path.loc };
	for (size_t i = 0; i < p.system.layers_count; i++)
		layers[i + 1] = p.system.layers[i];
	p.system.layers = layers;
	p.system.layers_count++;
	return tree_load(w->m, &p, w->opts->epoch, w->opts->tmp_dir, &w->tree, w->d);
}

static void stepped(const struct persona_opts *opts)
{
	if (opts->steps)
		atomic_fetch_add(opts->steps, 1);
}

int persona_build(const struct manifest *m, const struct persona *p, const struct persona_opts *opts, struct persona_disk *ret,
		  struct diag *d)
{
	struct persona_disk pd CLEANUP(persona_disk_fini) = *ret;
	*ret = (struct persona_disk){ 0 };
	struct work w CLEANUP(work_fini) = { .m = m, .p = p, .opts = opts, .inputs = &pd.inputs, .d = d };
	if (p->tools.v && !persona_has_tree(p)) {
		(void)diag_fail(d, MVP0350, &p->tools.loc, "'tools' are files of a system, but '%s' has no layers for one", p->name);
		return -1;
	}
	if (persona_has_tree(p) && load_tree(&w))
		return -1;
	if (has_whole(p) && android_load(m, p, &w.android, d))
		return -1;
	take_inputs(&w);
	stepped(opts);
	if (load_kernel(&w) || load_initrd(&w) || make_cmdline(&w))
		return -1;
	stepped(opts);
	if (make_digest(&w) || compose(&w, &pd))
		return -1;
	stepped(opts);
	memcpy(pd.digest, w.digest, sizeof(pd.digest));
	*ret = pd;
	pd = (struct persona_disk){ 0 };
	return 0;
}

void persona_disk_fini(struct persona_disk *pd)
{
	image_free(pd->disk);
	for (size_t i = 0; i < pd->parts_count; i++)
		image_free(pd->parts[i].img);
	stamps_fini(&pd->inputs);
	*pd = (struct persona_disk){ 0 };
}

/* A recovery key like the volume key of this very content, for who has the escrow key: 64 hexadecimal digits. */
static int make_recovery(const struct manifest *m, const struct luks2_opts *o, char ret_key[RECOVERY_SIZE], struct buf *ret_envelope,
			 struct diag *d)
{
	SECRET_ARRAY(key, RECOVERY_LEN);
	SECRET_ARRAY(seed, 32);
	char *path CLEANUP_FREE = manifest_path(m, m->keys.escrow.s);
	derive(o->master, o->context, "mvp luks2 recovery key", key, sizeof(key));
	derive(o->master, o->context, "mvp escrow seed", seed, sizeof(seed));
	text_hex(key, sizeof(key), ret_key);
	return escrow_seal(path, &m->keys.escrow.loc, (const uint8_t *)ret_key, RECOVERY_SIZE - 1, seed, ret_envelope, d);
}

static int escrow_digest(const struct manifest *m, struct digest *g, struct diag *d)
{
	uint8_t *cert CLEANUP_FREE = NULL;
	size_t len;
	if (!m->keys.escrow.s)
		return 0;
	char *path CLEANUP_FREE = manifest_path(m, m->keys.escrow.s);
	int rc = io_read_file(path, CERTIFICATE_MAX, &cert, &len);
	if (rc)
		return diag_fail(d, MVP0624, &m->keys.escrow.loc, "cannot read the escrow certificate '%s': %s", path, strerror(-rc));
	digest_add(g, "escrow", cert, len);
	return 0;
}

/* The options that change what is written are part of what the keys derive from, too: no seed serves two envelopes. */
static int seal_context(const struct manifest *m, const struct persona_disk *pd, const struct luks2_opts *o, uint8_t ret[32],
			struct diag *d)
{
	struct digest *g CLEANUP(digest_freep) = digest_new("mvp work container 2");
	digest_add(g, "disk", pd->digest, sizeof(pd->digest));
	digest_num(g, "iterations", o->iterations);
	digest_num(g, "keep holes", o->keep_holes);
	if (escrow_digest(m, g, d))
		return -1;
	digest_get(g, ret);
	return 0;
}

static int wrap(const struct manifest *m, const struct persona_disk *pd, struct luks2_opts *o, struct image **ret_img, struct diag *d)
{
	SECRET_ARRAY(recovery, RECOVERY_SIZE);
	struct buf envelope CLEANUP(buf_fini) = BUF_MAX(ESCROW_MAX);
	if (seal_context(m, pd, o, o->context, d))
		return -1;
	if (m->keys.escrow.s) {
		if (make_recovery(m, o, (char *)recovery, &envelope, d))
			return -1;
		o->recovery = recovery;
		o->recovery_len = RECOVERY_SIZE - 1;
		o->envelope = envelope.data;
		o->envelope_len = envelope.len;
	}
	int rc = luks2_wrap(pd->disk, o, ret_img, d);
	/* The container's head is made: what the options named ends here. */
	o->recovery = NULL;
	o->envelope = NULL;
	o->recovery_len = o->envelope_len = 0;
	return rc;
}

int persona_seal(const struct manifest *m, const struct persona *p, const struct persona_opts *opts, const struct persona_disk *pd,
		 struct image **ret_img, struct diag *d)
{
	struct secret passcode CLEANUP(secret_fini) = SECRET_INIT;
	struct luks2_opts o = { .label = p->name, .keep_holes = p->encryption.holes.s && !strcmp(p->encryption.holes.s, "keep") };
	int rc;
	if (!p->encryption.on) {
		*ret_img = image_ref(pd->disk);
		return 0;
	}
	if (p->encryption.iterations.v > UINT32_MAX)
		return diag_fail(d, MVP0622, &p->encryption.iterations.loc, "the iterations of '%s' are too many", p->name);
	if (secrets_passcode(m, p, &passcode, d))
		return -1;
	o.secret = passcode.data;
	o.secret_len = passcode.len;
	o.iterations = (uint32_t)p->encryption.iterations.v;
	memcpy(o.master, opts->master, sizeof(o.master));
	rc = wrap(m, pd, &o, ret_img, d);
	secret_wipe(o.master, sizeof(o.master));
	return rc;
}
