/* A Linux guest's first process that measures its disk: requests of 4 KiB, 64 KiB and 1 MiB, one or 16 of them in flight, in order and at
 * random, past the page cache (O_DIRECT, io_submit). Lines on the console:
 *
 *   run direct|crypt N M    each job M times, with N requests of 4 KiB, N / 4 and N / 32 of the larger; crypt: through dm-crypt, with the
 *                           cipher and the sectors of an encrypted persona. Prints `bench: JOB TICKS REQUESTS`, in the end `bench: done`
 *   off                     powers off
 *
 * HINT #0x7a stands right before and behind each job (plugin/count.c). Every block of 4096 bytes says which it is, and what is read is
 * checked. It works on the first AREA bytes of the partition `userdata`, which it overwrites. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/dm-ioctl.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { BLOCK = 4096, AREA = 128 << 20, LARGEST = 1 << 20, DEPTH_MAX = 8, THREADS_MAX = 2, TRIES = 200 };

/* A job and one of the threads it is done by. */
struct job {
	const char *name;
	bool writes, random;
	unsigned size, depth, threads, requests; /* depth and requests: of each thread */
};

struct worker {
	const struct job *job;
	pthread_t thread;
	unsigned number;
	uint64_t seed;
	uint8_t *buffers; /* DEPTH_MAX of LARGEST */
};

static int disk = -1;
static struct worker workers[THREADS_MAX];
static pthread_barrier_t ready, go, done;

static _Noreturn void die(const char *what)
{
	printf("bench: failed in %s: %m\n", what);
	for (;;)
		pause();
}

static uint64_t ticks(void)
{
	uint64_t t;

	__asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(t) : : "memory");
	return t;
}

static void mark(void)
{
	__asm__ volatile("hint #0x7a" : : : "memory");
}

static uint64_t next_random(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

static uint64_t block_word(uint64_t block)
{
	return (block + 1) * 0x9e3779b97f4a7c15u;
}

static void stamp(uint8_t *buffer, uint64_t at, unsigned size)
{
	for (unsigned i = 0; i < size; i += BLOCK) {
		uint64_t word = block_word((at + i) / BLOCK);
		memcpy(buffer + i, &word, sizeof(word));
	}
}

static void check_stamps(const uint8_t *buffer, uint64_t at, unsigned size)
{
	for (unsigned i = 0; i < size; i += BLOCK) {
		uint64_t word;

		memcpy(&word, buffer + i, sizeof(word));
		if (word != block_word((at + i) / BLOCK)) {
			printf("bench: failed: block %llu is not what was written\n", (unsigned long long)((at + i) / BLOCK));
			for (;;)
				pause();
		}
	}
}

/* Where the n-th request of a worker goes. */
static uint64_t place(struct worker *w, unsigned n)
{
	const struct job *j = w->job;
	uint64_t blocks = AREA / j->threads / j->size, block = j->random ? next_random(&w->seed) % blocks : n % blocks;

	return (uint64_t)w->number * (AREA / j->threads) + block * j->size;
}

static void put(aio_context_t aio, struct worker *w, struct iocb *cb, unsigned slot, unsigned n)
{
	const struct job *j = w->job;
	uint8_t *buffer = w->buffers + slot * LARGEST;
	struct iocb *list[] = { cb };

	*cb = (struct iocb){
		.aio_data = slot,
		.aio_lio_opcode = j->writes ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD,
		.aio_fildes = (uint32_t)disk,
		.aio_buf = (uintptr_t)buffer,
		.aio_nbytes = j->size,
		.aio_offset = (int64_t)place(w, n),
	};
	if (j->writes)
		stamp(buffer, (uint64_t)cb->aio_offset, j->size);
	if (syscall(SYS_io_submit, aio, 1, list) != 1)
		die("io_submit");
}

static void work(struct worker *w)
{
	static struct iocb cbs[THREADS_MAX][DEPTH_MAX];
	const struct job *j = w->job;
	aio_context_t aio = 0;
	unsigned sent = 0, came = 0;

	if (syscall(SYS_io_setup, DEPTH_MAX, &aio))
		die("io_setup");
	pthread_barrier_wait(&ready);
	pthread_barrier_wait(&go);
	for (; sent < j->depth && sent < j->requests; sent++)
		put(aio, w, &cbs[w->number][sent], sent, sent);
	while (came < j->requests) {
		struct io_event events[DEPTH_MAX];
		long n = syscall(SYS_io_getevents, aio, 1, DEPTH_MAX, events, NULL);

		if (n < 1 && errno != EINTR)
			die("io_getevents");
		for (long i = 0; i < n; i++, came++) {
			unsigned slot = (unsigned)events[i].data;
			struct iocb *cb = &cbs[w->number][slot];

			errno = events[i].res < 0 ? (int)-events[i].res : EIO;
			if (events[i].res != j->size)
				die(j->writes ? "a write" : "a read");
			if (!j->writes)
				check_stamps(w->buffers + slot * LARGEST, (uint64_t)cb->aio_offset, j->size);
			if (sent < j->requests)
				put(aio, w, cb, slot, sent++);
		}
	}
	pthread_barrier_wait(&done);
	syscall(SYS_io_destroy, aio);
}

static void pin(unsigned cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;

	pin(w->number);
	work(w);
	return NULL;
}

static void do_job(const struct job *j)
{
	pthread_barrier_init(&ready, NULL, j->threads + 1);
	pthread_barrier_init(&go, NULL, j->threads + 1);
	pthread_barrier_init(&done, NULL, j->threads + 1);
	for (unsigned i = 0; i < j->threads; i++) {
		workers[i].job = j;
		workers[i].number = i;
		workers[i].seed = 88172645463325252u + i;
		if (pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]))
			die("pthread_create");
	}
	pthread_barrier_wait(&ready);
	mark();
	uint64_t t = ticks();
	pthread_barrier_wait(&go);
	pthread_barrier_wait(&done);
	t = ticks() - t;
	mark();
	for (unsigned i = 0; i < j->threads; i++)
		pthread_join(workers[i].thread, NULL);
	printf("bench: %s %llu %u\n", j->name, (unsigned long long)t, j->threads * j->requests);
}

/* Writes the whole area once. */
static void fill(void)
{
	for (uint64_t at = 0; at < AREA; at += LARGEST) {
		for (unsigned i = 0; i < LARGEST; i++)
			workers[0].buffers[i] = (uint8_t)(i * 37 >> 3);
		stamp(workers[0].buffers, at, LARGEST);
		if (pwrite(disk, workers[0].buffers, LARGEST, (int64_t)at) != LARGEST)
			die("filling the disk");
	}
	if (fsync(disk))
		die("fsync");
}

static void run_jobs(unsigned count, unsigned repeats)
{
	static const struct {
		const char *name;
		unsigned size, part;
	} sizes[] = { { "4k", 4096, 1 }, { "64k", 65536, 4 }, { "1m", 1 << 20, 32 } };
	char name[32];

	for (unsigned s = 0; s < 3; s++) {
		for (unsigned kind = 0; kind < 8; kind++) {
			bool writes = kind & 1, random = kind & 2, many = kind & 4;
			struct job j = { name, writes, random, sizes[s].size, many ? 8 : 1, many ? 2 : 1, 0 };

			j.requests = count / sizes[s].part / j.threads;
			snprintf(name, sizeof(name), "%s-%s-%s-%u", writes ? "write" : "read", random ? "random" : "seq", sizes[s].name,
				 many ? 16 : 1);
			for (unsigned i = 0; i < repeats; i++)
				do_job(&j);
		}
	}
}

static void dm_call(int control, unsigned long request, struct dm_ioctl *dm, const char *what)
{
	dm->version[0] = DM_VERSION_MAJOR;
	dm->data_start = sizeof(*dm);
	strcpy(dm->name, "bench");
	if (ioctl(control, request, dm))
		die(what);
}

/* What `cryptsetup open` does with LUKS2: dm-crypt as it is by default. */
static void set_up_crypt(const char *below, char *ret_path, size_t ret_len)
{
	union {
		struct dm_ioctl dm;
		char bytes[4096];
	} u = { 0 };
	struct dm_target_spec *target = (struct dm_target_spec *)(u.bytes + sizeof(u.dm));
	uint64_t sectors = AREA / 512;
	int control = open("/dev/mapper/control", O_RDWR);

	if (control < 0)
		die("/dev/mapper/control");
	u.dm.data_size = sizeof(u);
	dm_call(control, DM_DEV_CREATE, &u.dm, "DM_DEV_CREATE");
	memset(&u, 0, sizeof(u));
	u.dm.data_size = sizeof(u);
	u.dm.target_count = 1;
	target->length = sectors;
	strcpy(target->target_type, "crypt");
	char *parameters = (char *)(target + 1);
	int n = sprintf(parameters, "aes-xts-plain64 ");
	for (unsigned i = 0; i < 64; i++)
		n += sprintf(parameters + n, "%02x", (i * 59 + 7) & 0xff);
	n += sprintf(parameters + n, " 0 %s 0 1 sector_size:4096", below);
	target->next = (uint32_t)(sizeof(*target) + (size_t)n + 8) & ~7u;
	dm_call(control, DM_TABLE_LOAD, &u.dm, "DM_TABLE_LOAD");
	memset(&u, 0, sizeof(u));
	u.dm.data_size = sizeof(u);
	dm_call(control, DM_DEV_SUSPEND, &u.dm, "DM_DEV_SUSPEND");
	close(control);
	snprintf(ret_path, ret_len, "/dev/dm-0");
}

static bool is_userdata(const char *name)
{
	char path[300], text[512];
	snprintf(path, sizeof(path), "/sys/class/block/%s/uevent", name);
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	if (n < 0)
		return false;
	text[n] = 0;
	return strstr(text, "PARTNAME=userdata\n");
}

static void find_userdata(char *ret_path, size_t ret_len)
{
	for (unsigned i = 0; i < TRIES; i++, usleep(50000)) {
		DIR *folder = opendir("/sys/class/block");

		for (struct dirent *e; folder && (e = readdir(folder));) {
			if (e->d_name[0] != '.' && is_userdata(e->d_name)) {
				snprintf(ret_path, ret_len, "/dev/%s", e->d_name);
				closedir(folder);
				return;
			}
		}
		if (folder)
			closedir(folder);
	}
	errno = ENOENT;
	die("looking for userdata");
}

static void load_modules(void)
{
	FILE *list = fopen("/modules/list", "r");
	char path[200];

	if (!list)
		die("/modules/list");
	while (fgets(path, sizeof(path), list)) {
		path[strcspn(path, "\n")] = 0;
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST))
			die(path);
		close(fd);
	}
	fclose(list);
}

static void open_disk(bool crypt)
{
	char path[300];

	if (disk >= 0)
		return;
	find_userdata(path, sizeof(path));
	if (crypt) {
		char below[300];

		memcpy(below, path, sizeof(below));
		set_up_crypt(below, path, sizeof(path));
	}
	for (unsigned i = 0; disk < 0 && i < TRIES; i++, usleep(50000))
		disk = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (disk < 0)
		die(path);
}

int main(void)
{
	char line[100], how[8];
	unsigned count, repeats;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (mount("proc", "/proc", "proc", 0, NULL) || mount("sysfs", "/sys", "sysfs", 0, NULL) ||
	    (mount("dev", "/dev", "devtmpfs", 0, NULL) && errno != EBUSY))
		die("mount");
	load_modules();
	for (unsigned i = 0; i < THREADS_MAX; i++) {
		workers[i].buffers =
			mmap(NULL, DEPTH_MAX * LARGEST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
		if (workers[i].buffers == MAP_FAILED)
			die("mmap");
	}
	printf("bench: ready\n");
	while (fgets(line, sizeof(line), stdin)) {
		if (!strcmp(line, "off\n")) {
			reboot(RB_POWER_OFF);
		} else if (sscanf(line, "run %7s %u %u", how, &count, &repeats) == 3) {
			open_disk(!strcmp(how, "crypt"));
			fill();
			printf("bench: filled\n");
			run_jobs(count, repeats);
			printf("bench: done\n");
		}
	}
	die("reading the console");
}
