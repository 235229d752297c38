/* What the end-to-end tests run in a Linux guest besides its shell, linked statically.
 *
 *   probe events                          what every input device says, a line `NUMBER TYPE CODE VALUE` each (decimal), until it is killed
 *   probe load DISK ADDRESS PORT SECONDS  keeps the block device and the server, which echoes, busy, and listens to the input devices.
 *                                         A line `beat N GAP` a second (GAP: longest sleep beyond 100 ms that this second had, in ms),
 *                                         in the end `load: disk N net N keys N` with what was done, all of it verified
 *   probe port NAME                       a shell's standard input and output for the virtio port of that name: sends its arguments as
 * lines, each after the answer to the last, and prints the answers
 *
 * Whatever is wrong it says in a line `wrong: ...`, and ends with status 1. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	DEVICES = 8,
	AREA = 16 << 20, /* bytes of the disk that are used */
	UNIT = 4096,
	UNITS = AREA / UNIT,
	RUN_MAX = 32, /* units of a request */
	DISK_THREADS = 2,
	ECHO_LEN = 8192,
	BEAT_MS = 100,
	STALL_S = 60, /* nothing that is waited for takes as long */
};

static _Noreturn __attribute__((format(printf, 1, 2))) void wrong(const char *format, ...)
{
	char text[300];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	printf("wrong: %s\n", text);
	fflush(stdout);
	_exit(1);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static uint64_t next_random(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

/* Input */

static nfds_t open_devices(struct pollfd *fds)
{
	nfds_t count = 0;

	for (unsigned i = 0; i < DEVICES; i++) {
		char path[40];

		snprintf(path, sizeof(path), "/dev/input/event%u", i);
		fds[i] = (struct pollfd){ .fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), .events = POLLIN };
		if (fds[i].fd < 0)
			break;
		count++;
	}
	return count;
}

/* Returns the number of events, 0 if there are none now. */
static unsigned read_events(int fd, struct input_event *events, unsigned max)
{
	ssize_t n = read(fd, events, max * sizeof(*events));

	if (n < 0 && errno != EAGAIN)
		wrong("reading an input device: %m");
	return n < 0 ? 0 : (unsigned)n / sizeof(*events);
}

static int print_events(void)
{
	struct pollfd fds[DEVICES];
	nfds_t count = open_devices(fds);

	if (!count)
		wrong("no input devices");
	printf("events of %u devices\n", (unsigned)count);
	for (;;) {
		fflush(stdout);
		if (poll(fds, count, -1) < 0)
			wrong("poll: %m");
		for (unsigned i = 0; i < count; i++) {
			struct input_event events[64];
			unsigned n = read_events(fds[i].fd, events, 64);

			for (unsigned k = 0; k < n; k++)
				printf("%u %u %u %d\n", i, events[k].type, events[k].code, events[k].value);
		}
	}
}

/* A named port */

static int open_port(const char *name)
{
	DIR *folder = opendir("/sys/class/virtio-ports");

	for (struct dirent *e; folder && (e = readdir(folder));) {
		char path[320], shown[100] = "";
		snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", e->d_name);
		FILE *f = fopen(path, "r");

		if (!f)
			continue;
		if (!fgets(shown, sizeof(shown), f))
			shown[0] = 0;
		fclose(f);
		shown[strcspn(shown, "\n")] = 0;
		if (strcmp(shown, name))
			continue;
		snprintf(path, sizeof(path), "/dev/%s", e->d_name);
		closedir(folder);
		return open(path, O_RDWR | O_CLOEXEC);
	}
	return -1;
}

/* Prints lines until one came that answers: news come at any time. */
static void await_answer(int fd)
{
	char line[200];
	unsigned len = 0;

	for (uint64_t end = now_ms() + 10000;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		char c;

		if (now_ms() > end)
			wrong("the port does not answer");
		if (poll(&p, 1, 1000) <= 0 || read(fd, &c, 1) != 1)
			continue;
		if (len < sizeof(line) - 1)
			line[len++] = c;
		if (c != '\n')
			continue;
		line[len - 1] = 0;
		len = 0;
		printf("port: %s\n", line);
		if (strcmp(line, "front") && strcmp(line, "behind"))
			return;
	}
}

static int talk(int argc, char **argv)
{
	int fd = open_port(argv[0]);

	if (fd < 0)
		wrong("no port %s: %m", argv[0]);
	for (int i = 1; i < argc; i++) {
		if (dprintf(fd, "%s\n", argv[i]) < 0)
			wrong("writing to the port: %m");
		await_answer(fd);
	}
	return 0;
}

/* Load */

static atomic_bool stop;
static atomic_ulong disk_done, net_done, keys_done;
static int disk;
static const char *address;
static uint16_t port;

/* The units are dealt out to the threads, so that each knows what must be in its own. */
struct disk_worker {
	pthread_t thread;
	unsigned number;
	uint32_t version[UNITS / DISK_THREADS];
};

static struct disk_worker disk_workers[DISK_THREADS];

static void fill_unit(uint64_t *unit, uint64_t number, uint32_t version)
{
	uint64_t s = (number << 32 | version) * 0x9e3779b97f4a7c15u + 1;

	for (unsigned i = 0; i < UNIT / 8; i++)
		unit[i] = next_random(&s);
}

static void transfer(bool writes, uint64_t *buffer, uint64_t unit, unsigned count)
{
	size_t len = (size_t)count * UNIT;
	off_t at = (off_t)(unit * UNIT);
	uint64_t began = now_ms();
	ssize_t n = writes ? pwrite(disk, buffer, len, at) : pread(disk, buffer, len, at);

	if (n != (ssize_t)len)
		wrong("%s %u units at %llu: %m", writes ? "writing" : "reading", count, (unsigned long long)unit);
	if (now_ms() - began > STALL_S * 1000)
		wrong("a request to the disk took %llu ms", (unsigned long long)(now_ms() - began));
	disk_done++;
}

/* Writes runs of units and reads others back; in the end all of them. */
static void *disk_main(void *arg)
{
	struct disk_worker *w = arg;
	unsigned mine = UNITS / DISK_THREADS, first = w->number * mine;
	uint64_t seed = 88172645463325252u + w->number, want[UNIT / 8];
	uint64_t *buffer = mmap(NULL, RUN_MAX * UNIT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	bool last = false;

	if (buffer == MAP_FAILED)
		wrong("mmap: %m");
	for (unsigned at = 0;;) {
		uint64_t r = next_random(&seed);
		unsigned count = 1 + (unsigned)(r >> 8) % RUN_MAX;
		bool writes = !last && (r & 1);

		if (!last && stop) {
			last = true;
			at = 0;
			continue;
		}
		if (!last)
			at = (unsigned)(r >> 32) % mine;
		else if (at == mine)
			break;
		if (count > mine - at)
			count = mine - at;
		for (unsigned i = 0; writes && i < count; i++)
			fill_unit(buffer + i * (UNIT / 8), first + at + i, ++w->version[at + i]);
		transfer(writes, buffer, first + at, count);
		for (unsigned i = 0; !writes && i < count; i++) {
			if (!w->version[at + i])
				continue;
			fill_unit(want, first + at + i, w->version[at + i]);
			if (memcmp(buffer + i * (UNIT / 8), want, UNIT))
				wrong("unit %u is not what was written last", first + at + i);
		}
		if (last)
			at += count;
		else if ((r >> 16 & 63) == 0 && fdatasync(disk))
			wrong("fdatasync: %m");
	}
	return NULL;
}

static void *net_main(void *arg)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct timeval limit = { .tv_sec = STALL_S };
	static uint64_t sent[ECHO_LEN / 8], back[ECHO_LEN / 8];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)arg;

	if (fd < 0 || inet_pton(AF_INET, address, &to.sin_addr) != 1 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)))
		wrong("connecting to %s: %m", address);
	for (uint64_t n = 1; !stop; n++) {
		uint64_t s = n;

		for (unsigned i = 0; i < ECHO_LEN / 8; i++)
			sent[i] = next_random(&s);
		if (send(fd, sent, ECHO_LEN, MSG_NOSIGNAL) != ECHO_LEN)
			wrong("sending to the server: %m");
		if (recv(fd, back, ECHO_LEN, MSG_WAITALL) != ECHO_LEN)
			wrong("the server's answer %llu does not come: %m", (unsigned long long)n);
		if (memcmp(sent, back, ECHO_LEN))
			wrong("the server's answer %llu is not what was sent", (unsigned long long)n);
		net_done++;
	}
	close(fd);
	return NULL;
}

static struct pollfd inputs[DEVICES];
static nfds_t inputs_count;

/* Counts presses. Each key has to go down and up in turn: an event too many or too few shows. */
static void *keys_main(void *arg)
{
	bool down[KEY_CNT] = { 0 };
	(void)arg;

	while (!stop && inputs_count) {
		if (poll(inputs, inputs_count, BEAT_MS) < 0)
			wrong("poll: %m");
		for (unsigned i = 0; i < inputs_count; i++) {
			struct input_event events[64];
			unsigned n = read_events(inputs[i].fd, events, 64);

			for (unsigned k = 0; k < n; k++) {
				const struct input_event *e = &events[k];
				if (e->type == EV_SYN && e->code == SYN_DROPPED)
					wrong("the kernel dropped events");
				if (e->type != EV_KEY || e->code >= KEY_CNT)
					continue;
				if (down[e->code] == (e->value != 0))
					wrong("key %u came %s twice", e->code, e->value ? "down" : "up");
				down[e->code] = e->value;
				keys_done += e->value != 0;
			}
		}
	}
	return NULL;
}

static int load(char **argv)
{
	pthread_t net, keys;
	unsigned long seconds = strtoul(argv[3], NULL, 10);

	address = argv[1];
	port = (uint16_t)strtoul(argv[2], NULL, 10);
	disk = open(argv[0], O_RDWR | O_DIRECT | O_CLOEXEC);
	if (disk < 0)
		wrong("%s: %m", argv[0]);
	for (unsigned i = 0; i < DISK_THREADS; i++) {
		disk_workers[i].number = i;
		if (pthread_create(&disk_workers[i].thread, NULL, disk_main, &disk_workers[i]))
			wrong("pthread_create");
	}
	/* Before it is said that the load has begun: who reads that types, and no event before this is seen. */
	inputs_count = open_devices(inputs);
	if (pthread_create(&net, NULL, net_main, NULL) || pthread_create(&keys, NULL, keys_main, NULL))
		wrong("pthread_create");
	printf("load: begun\n");
	fflush(stdout);
	uint64_t begun = now_ms(), second = 0;
	while (second < seconds) {
		uint64_t gap = 0;

		for (unsigned k = 0; k < 1000 / BEAT_MS; k++) {
			struct timespec t = { .tv_nsec = BEAT_MS * 1000000 };
			uint64_t began = now_ms();

			nanosleep(&t, NULL);
			uint64_t over = now_ms() - began - BEAT_MS;
			gap = over > gap ? over : gap;
		}
		/* Of the clock: what a busy host adds to each sleep must not make the whole longer. */
		second = (now_ms() - begun) / 1000;
		printf("beat %llu %llu\n", (unsigned long long)second, (unsigned long long)gap);
		fflush(stdout);
	}
	stop = true;
	for (unsigned i = 0; i < DISK_THREADS; i++)
		pthread_join(disk_workers[i].thread, NULL);
	pthread_join(net, NULL);
	pthread_join(keys, NULL);
	printf("load: disk %lu net %lu keys %lu\n", disk_done, net_done, keys_done);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "events"))
		return print_events();
	if (argc == 6 && !strcmp(argv[1], "load"))
		return load(argv + 2);
	if (argc > 2 && !strcmp(argv[1], "port"))
		return talk(argc - 2, argv + 2);
	wrong("usage: probe events | load DISK ADDRESS PORT SECONDS | port NAME LINE...");
}
