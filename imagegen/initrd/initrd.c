#include "imagegen/initrd/initrd.h"

#include <string.h>

#include "imagegen/base/buf.h"
#include "imagegen/base/diag.h"
#include "imagegen/base/io.h"
#include "imagegen/base/mem.h"
#include "imagegen/initrd/cpio.h"
#include "imagegen/initrd/modules.h"

#define INITRD_MAX ((size_t)512 << 20)
#define INIT_MAX ((size_t)16 << 20)

/* What the machine of vmm/include/mvp/machine.h has devices for, and what the persona's disk is made of. */
static const struct {
	const char *name;
	bool optional, verity;
} wanted[] = {
	{ "virtio_mmio", false, false }, { "virtio_blk", false, false },    { "crypto-crc32c", true, false }, { "ext4", false, false },
	{ "virtio_net", true, false },   { "virtio_console", true, false }, { "virtio_input", true, false },  { "evdev", true, false },
	{ "virtio-rng", true, false },   { "crypto-sha256", true, true },   { "crypto-sha512", true, true },  { "dm-verity", false, true },
};

int initrd_release(const char *path, const char **ret_release, struct diag *d)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	const char *dash = strchr(name, '-');
	if (!dash || dash[1] == '\0') {
		(void)diag_fail(d, MVP0410, NULL, "the kernel '%s' has no release in its name", path);
		diag_hint(d, "its modules are looked for in /lib/modules/RELEASE: name it vmlinuz-RELEASE, or bring an initrd");
		return -1;
	}
	*ret_release = dash + 1;
	return 0;
}

static int add_modules(const struct tree *t, const char *release, bool verity, struct cpio *c, struct diag *d)
{
	struct modules *m CLEANUP(modules_freep) = NULL;
	struct buf list CLEANUP(buf_fini) = BUF_INIT;
	bool found;
	size_t count;
	if (modules_open(t, release, &m, &found, d) < 0)
		return -1;
	if (!found) {
		diag_warn(d, MVP0413, NULL, "the layers have no /lib/modules/%s: the kernel must have all its drivers built in", release);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
		if ((verity || !wanted[i].verity) && modules_want(m, wanted[i].name, wanted[i].optional, d) < 0)
			return -1;
	const struct module_file *files = modules_order(m, &count);
	cpio_folder(c, "modules", 0755);
	for (size_t i = 0; i < count; i++) {
		char *path CLEANUP_FREE = mem_printf("modules/%s", files[i].name);
		cpio_file(c, path, 0644, files[i].data, files[i].len);
		(void)buf_printf(&list, "/%s\n", path);
	}
	cpio_file(c, "modules.load", 0644, list.data, list.len);
	return 0;
}

int initrd_build(const struct tree *t, const struct initrd_opts *opts, uint8_t **ret_data, size_t *ret_len, struct diag *d)
{
	static const char *const folders[] = { "dev", "proc", "root", "sys" };
	struct buf out CLEANUP(buf_fini) = BUF_MAX(INITRD_MAX);
	int64_t time = opts->epoch < 0 ? 0 : opts->epoch;
	struct cpio c = { .out = &out, .mtime = time > UINT32_MAX ? UINT32_MAX : (uint32_t)time };
	uint8_t *init CLEANUP_FREE = NULL;
	size_t init_len;
	const char *release;
	if (initrd_release(opts->kernel_path, &release, d) < 0)
		return -1;
	int r = io_read_file(opts->init_file, INIT_MAX, &init, &init_len);
	if (r < 0) {
		(void)diag_fail(d, MVP0414, &LOC_FILE(opts->init_file), "the persona's first process cannot be read: %s", strerror(-r));
		diag_hint(d, "it is made and installed with mvpctl; $MVP_DATADIR names the folder it lies below");
		return -1;
	}
	for (size_t i = 0; i < ARRAY_LEN(folders); i++)
		cpio_folder(&c, folders[i], 0755);
	cpio_char_device(&c, "dev/console", 0600, 5, 1); /* the kernel opens it before devtmpfs is there */
	cpio_file(&c, "init", 0755, init, init_len);
	if (add_modules(t, release, opts->verity, &c, d) < 0)
		return -1;
	cpio_end(&c);
	if (buf_error(&out))
		return diag_fail(d, MVP0410, NULL, "the initial RAM disk would be larger than %zu MiB", INITRD_MAX >> 20);
	*ret_data = buf_take(&out, ret_len);
	return 0;
}
