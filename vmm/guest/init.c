/* The persona's first process: runs from the generated initial RAM disk, loads the modules listed in /modules.load, finds the persona's
 * partitions by name, mounts them and hands over to the persona's own init. No libc: one static file of a few kilobytes, nothing mapped
 * both writable and executable.
 *
 * Kernel command line: mvp.system=rw mounts the system partition writable; mvp.userdata=1 wants a userdata partition, mounted on /data;
 * init=PATH names the program to start; androidboot.slot_suffix=_a the slot whose system is meant;
 * mvp.verity=VERSION,DATA_BLOCKS,TREE_BLOCK,HASH,ROOT,SALT[,ROOTS,FEC_BLOCK,FEC_BLOCKS] has the system partition verified block by block
 * (dm-verity) before anything of it is used. Whatever fails is said on the console, then the persona is powered off. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	NR_IOCTL = 29,
	NR_MKDIRAT = 34,
	NR_UNLINKAT = 35,
	NR_UMOUNT2 = 39,
	NR_MOUNT = 40,
	NR_CHDIR = 49,
	NR_CHROOT = 51,
	NR_OPENAT = 56,
	NR_CLOSE = 57,
	NR_GETDENTS64 = 61,
	NR_READ = 63,
	NR_WRITE = 64,
	NR_NEWFSTATAT = 79,
	NR_SYNC = 81,
	NR_EXIT = 93,
	NR_NANOSLEEP = 101,
	NR_REBOOT = 142,
	NR_GETPID = 172,
	NR_DUP3 = 24,
	NR_EXECVE = 221,
	NR_FINIT_MODULE = 273,
};

/* Values of the arm64 Linux system call interface. */
enum {
	FD_CWD = -100,
	O_RDWR_ = 02,
	O_DIRECTORY_ = 040000,
	O_NOFOLLOW_ = 0100000,
	O_CLOEXEC_ = 02000000,
	UNLINK_DIR = 0x200,
	STAT_NOFOLLOW = 0x100,
	MOUNT_RDONLY = 1,
	MOUNT_NOSUID = 2,
	MOUNT_NODEV = 4,
	MOUNT_NOEXEC = 8,
	MOUNT_MOVE = 8192,
	UMOUNT_DETACH = 2,
	DT_DIR_ = 4,
	MODE_TYPE = 0170000,
	MODE_DIR = 0040000,
	ERR_NOENT = 2,
	ERR_EXIST = 17,
	ERR_BUSY = 16,
	ERR_NODEV = 19,
};

#define REBOOT_MAGIC1 0xfee1dead
#define REBOOT_MAGIC2 672274793
#define REBOOT_POWER_OFF 0x4321fedc

#define WAIT_MS 30000 /* for a partition to appear */
#define POLL_MS 50
#define GOODBYE_MS 5000   /* the reason of a failure stays readable this long */
#define TREE_DEPTH_MAX 16 /* of the initial RAM disk; ours has 7 levels */

struct stat64 { /* struct stat of arm64 */
	uint64_t dev, ino;
	uint32_t mode, nlink, uid, gid;
	uint64_t rdev, pad;
	int64_t size;
	int32_t blksize, pad2;
	int64_t blocks, times[6];
	uint32_t unused[2];
};

struct dirent64 {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

struct timespec64 {
	int64_t sec, nsec;
};

static char cmdline[4096];
static char module_list[65536];
static char work[4096];
static uint64_t dirents[TREE_DEPTH_MAX + 1][512]; /* a buffer per level, aligned for struct dirent64 */

void start(uint64_t *stack) __attribute__((noreturn, used));
void *memset(void *to, int c, size_t len);
void *memcpy(void *to, const void *from, size_t len);

__asm__(".globl _start\n.type _start, %function\n_start:\n"
	"	mov x29, xzr\n	mov x30, xzr\n	mov x0, sp\n	and sp, x0, #-16\n	b start\n");

static long call(long nr, long a, long b, long c, long d, long e)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	__asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory", "cc");
	return x0;
}

/* The compiler may ask for these two. */
void *memset(void *to, int c, size_t len)
{
	volatile char *p = to;
	for (size_t i = 0; i < len; i++)
		p[i] = (char)c;
	return to;
}

void *memcpy(void *to, const void *from, size_t len)
{
	volatile char *p = to;
	const char *q = from;
	for (size_t i = 0; i < len; i++)
		p[i] = q[i];
	return to;
}

static size_t length(const char *s)
{
	size_t n = 0;
	while (s[n] != '\0')
		n++;
	return n;
}

static bool same(const char *a, const char *b)
{
	while (*a != '\0' && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

/* What follows prefix in s, or NULL. */
static const char *after(const char *s, const char *prefix)
{
	while (*prefix != '\0')
		if (*s++ != *prefix++)
			return NULL;
	return s;
}

static void say(const char *const *words)
{
	static char line[1024]; /* one write a line: two processes' lines do not mix */
	size_t n = 0;
	for (; *words != NULL; words++)
		for (const char *p = *words; *p != '\0' && n < sizeof line - 1; p++)
			line[n++] = *p;
	line[n++] = '\n';
	(void)call(NR_WRITE, 2, (long)line, (long)n, 0, 0);
}
#define SAY(...) say((const char *const[]){ "mvp-init: ", __VA_ARGS__, NULL })

static const char *error_text(long result)
{
	static const struct {
		int number;
		const char *text;
	} texts[] = {
		{ 1, "not permitted" },
		{ 2, "not found" },
		{ 5, "input/output error" },
		{ 6, "no such device" },
		{ 8, "not an executable" },
		{ 12, "out of memory" },
		{ 13, "permission denied" },
		{ 16, "busy" },
		{ 19, "no such device or file system" },
		{ 20, "not a directory" },
		{ 22, "invalid" },
		{ 30, "read-only" },
		{ 40, "too many links" },
		{ 74, "damaged" },
		{ 117, "damaged" },
		{ 126, "a key is missing" },
		{ 129, "the key refused" },
	};
	static char number[16];
	long n = -result;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		if (texts[i].number == n)
			return texts[i].text;
	size_t at = sizeof number - 1;
	do {
		number[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0 && at > 7);
	static const char word[] = "error ";
	for (size_t i = sizeof word - 1; i > 0; i--)
		number[--at] = word[i - 1];
	return number + at;
}

static void pause_ms(int64_t ms)
{
	struct timespec64 t = { ms / 1000, ms % 1000 * 1000000 };
	(void)call(NR_NANOSLEEP, (long)&t, 0, 0, 0, 0);
}

__attribute__((noreturn)) static void power_off(void)
{
	SAY("this persona is powered off");
	pause_ms(GOODBYE_MS);
	(void)call(NR_SYNC, 0, 0, 0, 0, 0);
	for (;;) {
		(void)call(NR_REBOOT, (long)REBOOT_MAGIC1, REBOOT_MAGIC2, REBOOT_POWER_OFF, 0, 0);
		pause_ms(1000);
	}
}
#define FAIL(...) \
	do { \
		SAY(__VA_ARGS__); \
		power_off(); \
	} while (0)

static long open_at(long dir, const char *path, long flags)
{
	return call(NR_OPENAT, dir, (long)path, flags | O_CLOEXEC_, 0, 0);
}

static void close_fd(long fd)
{
	(void)call(NR_CLOSE, fd, 0, 0, 0, 0);
}

/* Reads a text file, at most size - 1 bytes; the length or a negative errno. A file that does not fit is an error (-27, EFBIG). */
static long read_text(const char *path, char *buf, size_t size)
{
	long fd = open_at(FD_CWD, path, 0);
	if (fd < 0)
		return fd;
	size_t n = 0;
	long got;
	while ((got = call(NR_READ, fd, (long)(buf + n), (long)(size - n), 0, 0)) > 0) {
		n += (size_t)got;
		if (n == size) {
			got = -27;
			break;
		}
	}
	close_fd(fd);
	if (got < 0)
		return got;
	buf[n] = '\0';
	return (long)n;
}

static long mount(const char *what, const char *where, const char *kind, long flags, const char *options)
{
	return call(NR_MOUNT, (long)what, (long)where, (long)kind, flags, (long)options);
}

static bool is_dir(const char *path)
{
	struct stat64 st;
	return call(NR_NEWFSTATAT, FD_CWD, (long)path, (long)&st, STAT_NOFOLLOW, 0) == 0 && (st.mode & MODE_TYPE) == MODE_DIR;
}

static void use_console(void)
{
	long fd = open_at(FD_CWD, "/dev/console", O_RDWR_);
	if (fd < 0)
		return;
	for (long i = 0; i < 3; i++)
		if (i != fd)
			(void)call(NR_DUP3, fd, i, 0, 0, 0);
	if (fd > 2)
		close_fd(fd);
}

/* The value of the last option name=value on the kernel command line, or NULL. name ends in '='. Valid until the next call. */
static const char *option(const char *name)
{
	static char value[512];
	const char *found = NULL;
	for (const char *p = cmdline; *p != '\0';) {
		while (*p == ' ' || *p == '\n')
			p++;
		const char *v = after(p, name);
		if (v != NULL)
			found = v;
		while (*p != '\0' && *p != ' ' && *p != '\n')
			p++;
	}
	if (found == NULL)
		return NULL;
	size_t n = 0;
	while (found[n] != '\0' && found[n] != ' ' && found[n] != '\n' && n < sizeof value - 1) {
		value[n] = found[n];
		n++;
	}
	value[n] = '\0';
	return value;
}

static void load_modules(void)
{
	long n = read_text("/modules.load", module_list, sizeof module_list);
	if (n == -ERR_NOENT)
		return;
	if (n < 0)
		FAIL("cannot read /modules.load: ", error_text(n));
	for (char *p = module_list; *p != '\0';) {
		char *path = p;
		while (*p != '\0' && *p != '\n')
			p++;
		if (*p == '\n')
			*p++ = '\0';
		if (*path == '\0')
			continue;
		long fd = open_at(FD_CWD, path, 0);
		long r = fd < 0 ? fd : call(NR_FINIT_MODULE, fd, (long)"", 0, 0, 0);
		/* Not fatal: what the module was needed for says more when it is missed. ERR_NODEV: this processor or machine has no use
		 * for it. */
		if (r < 0 && r != -ERR_EXIST && r != -ERR_NODEV)
			SAY("module ", path, ": ", error_text(r));
		if (fd >= 0)
			close_fd(fd);
	}
}

/* The line KEY=value of a uevent file; the value is cut at its end in ret. */
static bool uevent_value(const char *text, const char *key, char *ret, size_t size)
{
	while (*text != '\0') {
		const char *v = after(text, key);
		if (v != NULL) {
			size_t n = 0;
			while (v[n] != '\0' && v[n] != '\n' && n < size - 1) {
				ret[n] = v[n];
				n++;
			}
			ret[n] = '\0';
			return true;
		}
		while (*text != '\0' && *text++ != '\n')
			;
	}
	return false;
}

/* Device file of the partition (the first found, should several bear the name), in ret_path ("/dev/NAME"). */
static bool find_partition(const char *name, char *ret_path, size_t size)
{
	static char value[64], path[320];
	long fd = open_at(FD_CWD, "/sys/class/block", O_DIRECTORY_);
	if (fd < 0)
		return false;
	bool found = false;
	long got;
	while (!found && (got = call(NR_GETDENTS64, fd, (long)dirents[0], sizeof dirents[0], 0, 0)) > 0) {
		for (long at = 0; at < got && !found;) {
			const struct dirent64 *e = (const struct dirent64 *)((const char *)dirents[0] + at);
			at += e->reclen;
			if (e->name[0] == '.')
				continue;
			static const char head[] = "/sys/class/block/", tail[] = "/uevent";
			size_t len = length(e->name);
			if (len > sizeof path - sizeof head - sizeof tail)
				continue;
			memcpy(path, head, sizeof head - 1);
			memcpy(path + sizeof head - 1, e->name, len);
			memcpy(path + sizeof head - 1 + len, tail, sizeof tail);
			if (read_text(path, work, sizeof work) < 0 || !uevent_value(work, "PARTNAME=", value, sizeof value) ||
			    !same(value, name))
				continue;
			memcpy(ret_path, "/dev/", 5);
			found = uevent_value(work, "DEVNAME=", ret_path + 5, size - 5);
		}
	}
	close_fd(fd);
	return found;
}

static void wait_for_partition(const char *name, char *ret_path, size_t size)
{
	struct stat64 st;
	for (int64_t ms = 0; ms < WAIT_MS; ms += POLL_MS) {
		if (find_partition(name, ret_path, size) && call(NR_NEWFSTATAT, FD_CWD, (long)ret_path, (long)&st, 0, 0) == 0)
			return;
		if (ms == 2000)
			SAY("waiting for the partition '", name, "'");
		pause_ms(POLL_MS);
	}
	FAIL("no partition is named '", name,
	     "' after 30 seconds: is the disk there, and are its driver's modules in the initial RAM disk?");
}

/* The device mapper's ioctls (Linux include/uapi/linux/dm-ioctl.h), one buffer for the call and the one target that follows it. */
enum {
	DM_DEV_CREATE = 3,
	DM_DEV_RESUME = 6, /* DM_DEV_SUSPEND without its flag */
	DM_TABLE_LOAD = 9,
	DM_READONLY = 1,
	DM_CALL_LEN = 312,
	VERITY_BLOCK = 4096,
	SECTOR = 512,
};
#define DM_CALL(nr) ((long)(3u << 30 | (unsigned)DM_CALL_LEN << 16 | 0xfdu << 8 | (unsigned)(nr)))

static struct {
	uint32_t version[3], data_size, data_start, target_count;
	int32_t open_count;
	uint32_t flags, event_nr, padding;
	uint64_t dev;
	char name[128], uuid[129], data[7];
	/* struct dm_target_spec */
	uint64_t sector_start, length;
	int32_t status;
	uint32_t next;
	char target_type[16];
	char parameters[1024];
} dm;
_Static_assert(__builtin_offsetof(__typeof__(dm), sector_start) == DM_CALL_LEN, "struct dm_ioctl");
_Static_assert(__builtin_offsetof(__typeof__(dm), parameters) == DM_CALL_LEN + 40, "struct dm_target_spec");

static long dm_call(long control, unsigned nr, uint32_t flags, uint32_t targets)
{
	dm.version[0] = 4;
	dm.version[1] = 0;
	dm.version[2] = 0;
	dm.data_size = sizeof dm;
	dm.data_start = DM_CALL_LEN;
	dm.target_count = targets;
	dm.open_count = 0;
	dm.flags = flags;
	dm.event_nr = 0;
	dm.dev = 0; /* the name says which; the kernel takes one of both */
	memset(dm.name, 0, sizeof dm.name);
	memcpy(dm.name, "system", 7);
	memset(dm.uuid, 0, sizeof dm.uuid);
	return call(NR_IOCTL, control, DM_CALL(nr), (long)&dm, 0, 0);
}

/* Adds words to a string, as far as there is room; false if there is not. */
static bool add_words(char *to, size_t size, const char *const *words)
{
	size_t n = length(to);
	for (; *words != NULL; words++)
		for (const char *p = *words; *p != '\0'; p++) {
			if (n + 1 >= size)
				return false;
			to[n++] = *p;
		}
	to[n] = '\0';
	return true;
}
#define ADD(to, ...) add_words((to), sizeof(to), (const char *const[]){ __VA_ARGS__, NULL })

enum { VERITY_WORDS = 6, VERITY_WORDS_FEC = 9 };

/* Cuts the option at its commas; how many words it has. */
static size_t cut_words(char *text, const char *words[VERITY_WORDS_FEC + 1])
{
	size_t count = 0;
	while (count <= VERITY_WORDS_FEC) {
		words[count++] = text;
		while (*text != '\0' && *text != ',')
			text++;
		if (*text == '\0')
			break;
		*text++ = '\0';
	}
	return count;
}

static uint64_t decimal(const char *s)
{
	uint64_t v = 0;
	for (; *s >= '0' && *s <= '9' && v < UINT64_MAX / 16; s++)
		v = v * 10 + (uint64_t)(*s - '0');
	return *s == '\0' ? v : 0;
}

/* Documentation/admin-guide/device-mapper/verity.rst: what the target is told. false: the option is not one of ours. */
static bool verity_table(char *option_text, const char *device)
{
	const char *w[VERITY_WORDS_FEC + 1];
	size_t count = cut_words(option_text, w);
	if (count != VERITY_WORDS && count != VERITY_WORDS_FEC)
		return false;
	dm.sector_start = 0;
	dm.length = decimal(w[1]) * (VERITY_BLOCK / SECTOR);
	dm.status = 0;
	dm.next = 0;
	memset(dm.target_type, 0, sizeof dm.target_type);
	memcpy(dm.target_type, "verity", 7);
	dm.parameters[0] = '\0';
	bool ok = dm.length != 0 &&
		  ADD(dm.parameters, w[0], " ", device, " ", device, " 4096 4096 ", w[1], " ", w[2], " ", w[3], " ", w[4], " ", w[5]);
	if (ok && count == VERITY_WORDS_FEC)
		ok = ADD(dm.parameters, " 8 use_fec_from_device ", device, " fec_roots ", w[6], " fec_start ", w[7], " fec_blocks ", w[8]);
	return ok;
}

/* Replaces device by one whose every block is verified when it is read. */
static void set_up_verity(const char *verity, char *device, size_t size)
{
	static char words[512], name[] = "/dev/dm-00000000";
	size_t n = length(verity);
	if (n >= sizeof words)
		FAIL("mvp.verity is too long");
	memcpy(words, verity, n + 1);
	long control = open_at(FD_CWD, "/dev/mapper/control", O_RDWR_);
	if (control < 0)
		FAIL("the kernel has no device mapper, and the system would not be verified: ", error_text(control));
	long r = dm_call(control, DM_DEV_CREATE, 0, 0);
	uint64_t dev = dm.dev;
	if (r == 0 && !verity_table(words, device))
		FAIL("mvp.verity is not understood: ", verity);
	if (r == 0)
		r = dm_call(control, DM_TABLE_LOAD, DM_READONLY, 1);
	if (r == 0)
		r = dm_call(control, DM_DEV_RESUME, 0, 0);
	if (r < 0)
		FAIL("the system partition ", device, " cannot be verified: ", error_text(r));
	close_fd(control);
	uint64_t minor = (dev & 0xff) | (dev >> 12 & 0xfff00); /* Linux new_encode_dev() */
	size_t at = sizeof name - 1;
	name[at] = '\0';
	do {
		name[--at] = (char)('0' + minor % 10);
		minor /= 10;
	} while (minor > 0);
	device[0] = '\0';
	if (!add_words(device, size, (const char *const[]){ "/dev/dm-", name + at, NULL }))
		FAIL("no room for a device's name");
}

static void mount_system(bool writable)
{
	static char device[80], name[16] = "system";
	const char *slot = option("androidboot.slot_suffix=");
	if (slot != NULL && !ADD(name, slot))
		FAIL("no slot is named ", slot);
	wait_for_partition(name, device, sizeof device);
	const char *verity = option("mvp.verity=");
	if (verity != NULL) {
		if (writable)
			FAIL("mvp.system=rw: a verified system cannot be written");
		set_up_verity(verity, device, sizeof device);
	}
	(void)call(NR_MKDIRAT, FD_CWD, (long)"/root", 0755, 0, 0);
	long r = mount(device, "/root", "ext4", writable ? 0 : MOUNT_RDONLY, "");
	if (r < 0)
		FAIL("cannot mount the system partition ", device, " as ext4: ", error_text(r),
		     verity != NULL ? "; it may have been changed: see what the kernel says of device-mapper" : "");
}

static void mount_userdata(void)
{
	static char device[80];
	if (!is_dir("/root/data")) {
		SAY("the system has no folder /data; userdata is not mounted");
		return;
	}
	wait_for_partition("userdata", device, sizeof device);
	long r = mount(device, "/root/data", "ext4", MOUNT_NOSUID | MOUNT_NODEV, "");
	if (r < 0)
		FAIL("cannot mount the userdata partition ", device, " as ext4: ", error_text(r));
}

/* Empties the folder open at dir (closed here) of what lies on the device dev, to give the initial RAM disk's memory back. The depth is
 * bounded; what lies deeper stays. */
static void remove_tree(long dir, uint64_t dev, unsigned depth)
{
	long got;
	while ((got = call(NR_GETDENTS64, dir, (long)dirents[depth], sizeof dirents[depth], 0, 0)) > 0) {
		for (long at = 0; at < got;) {
			const struct dirent64 *e = (const struct dirent64 *)((const char *)dirents[depth] + at);
			struct stat64 st;
			at += e->reclen;
			if (same(e->name, ".") || same(e->name, ".."))
				continue;
			if (call(NR_NEWFSTATAT, dir, (long)e->name, (long)&st, STAT_NOFOLLOW, 0) < 0 || st.dev != dev)
				continue;
			bool folder = (st.mode & MODE_TYPE) == MODE_DIR;
			if (folder && depth < TREE_DEPTH_MAX) {
				long sub = open_at(dir, e->name, O_DIRECTORY_ | O_NOFOLLOW_);
				if (sub >= 0)
					remove_tree(sub, dev, depth + 1);
			}
			(void)call(NR_UNLINKAT, dir, (long)e->name, folder ? UNLINK_DIR : 0, 0, 0);
		}
	}
	close_fd(dir);
}

static void move_mount(const char *from, const char *to)
{
	long r = mount(from, to, "", MOUNT_MOVE, "");
	if (r < 0) {
		SAY("cannot move ", from, " to ", to, ": ", error_text(r));
		(void)call(NR_UMOUNT2, (long)from, UMOUNT_DETACH, 0, 0, 0);
	}
}

static void switch_root(bool writable)
{
	move_mount("/proc", "/root/proc");
	move_mount("/sys", "/root/sys");
	move_mount("/dev", "/root/dev");
	if (is_dir("/root/run"))
		(void)mount("tmpfs", "/root/run", "tmpfs", MOUNT_NOSUID | MOUNT_NODEV, "mode=0755");
	if (!writable && is_dir("/root/tmp"))
		(void)mount("tmpfs", "/root/tmp", "tmpfs", MOUNT_NOSUID | MOUNT_NODEV, "mode=1777");

	/* Only a RAM disk is emptied, never a real root: it must be another device than /root. */
	struct stat64 old, new;
	if (call(NR_NEWFSTATAT, FD_CWD, (long)"/", (long)&old, 0, 0) == 0 &&
	    call(NR_NEWFSTATAT, FD_CWD, (long)"/root", (long)&new, 0, 0) == 0 && old.dev != new.dev) {
		long dir = open_at(FD_CWD, "/", O_DIRECTORY_);
		if (dir >= 0)
			remove_tree(dir, old.dev, 0);
	}
	long r = call(NR_CHDIR, (long)"/root", 0, 0, 0, 0);
	if (r == 0)
		r = mount(".", "/", "", MOUNT_MOVE, "");
	if (r == 0)
		r = call(NR_CHROOT, (long)".", 0, 0, 0, 0);
	if (r == 0)
		r = call(NR_CHDIR, (long)"/", 0, 0, 0, 0);
	if (r < 0)
		FAIL("cannot make the system partition the root: ", error_text(r));
}

static long execute(const char *path, char **argv, char **envp)
{
	static char copy[512]; /* argv[0] is not const for execve */
	size_t len = length(path);
	if (len >= sizeof copy)
		return -36;
	memcpy(copy, path, len + 1);
	argv[0] = copy;
	return call(NR_EXECVE, (long)copy, (long)argv, (long)envp, 0, 0);
}

__attribute__((noreturn)) static void start_system(const char *init, char **argv, char **envp)
{
	static const char *const usual[] = { "/sbin/init", "/etc/init", "/bin/init", "/bin/sh" };
	if (init != NULL) {
		long r = execute(init, argv, envp);
		FAIL("cannot start ", init, " (init= on the command line): ", error_text(r));
	}
	for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++) {
		long r = execute(usual[i], argv, envp);
		if (r != -ERR_NOENT)
			SAY("cannot start ", usual[i], ": ", error_text(r));
	}
	FAIL("the system has none of /sbin/init, /etc/init, /bin/init and /bin/sh that could be started");
}

void start(uint64_t *stack)
{
	char **argv = (char **)(stack + 1);
	char **envp = argv + stack[0] + 1;
	if (call(NR_GETPID, 0, 0, 0, 0, 0) != 1) {
		SAY("only the first process of a persona may run this program");
		for (;;)
			(void)call(NR_EXIT, 1, 0, 0, 0, 0);
	}
	static const char *const folders[] = { "/proc", "/sys", "/dev", "/root" };
	for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
		(void)call(NR_MKDIRAT, FD_CWD, (long)folders[i], 0755, 0, 0);
	long dev = mount("devtmpfs", "/dev", "devtmpfs", MOUNT_NOSUID, "mode=0755");
	use_console();
	if (dev < 0 && dev != -ERR_BUSY)
		FAIL("cannot mount devtmpfs on /dev: ", error_text(dev));
	long r = mount("proc", "/proc", "proc", MOUNT_NOSUID | MOUNT_NODEV | MOUNT_NOEXEC, "");
	if (r < 0)
		FAIL("cannot mount proc on /proc: ", error_text(r));
	r = mount("sysfs", "/sys", "sysfs", MOUNT_NOSUID | MOUNT_NODEV | MOUNT_NOEXEC, "");
	if (r < 0)
		FAIL("cannot mount sysfs on /sys: ", error_text(r));
	r = read_text("/proc/cmdline", cmdline, sizeof cmdline);
	if (r < 0)
		FAIL("cannot read /proc/cmdline: ", error_text(r));

	load_modules();
	const char *mode = option("mvp.system=");
	bool writable = mode != NULL && same(mode, "rw");
	mount_system(writable);
	const char *userdata = option("mvp.userdata=");
	if (userdata != NULL && same(userdata, "1"))
		mount_userdata();
	switch_root(writable);
	start_system(option("init="), argv, envp);
}
