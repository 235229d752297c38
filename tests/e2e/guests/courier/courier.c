/* Alerts in bulk, for the end-to-end tests and the benchmark; linked statically.
 *
 *   courier send COUNT GAP        posts alerts to the agent, GAP ms apart; each has the counter's value for a title
 *   courier receive COUNT         subscribes to the agent and says how long COUNT of them were under way: `courier: N alerts, median M, 99
 * % P, most X ticks` courier flood KIND SECONDS    speaks to the vault itself, as no agent should. KIND: items, as many as it takes, with
 * their answers read; mute, the same and nothing read; garbage. `flood: N written, T taken, B busy, E errors`
 *
 * Whatever is wrong it says in a line `wrong: ...`, and ends with status 1. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "mvp/notify.h"

#define SOCKET "/run/mvp-agent.sock"
#define COUNT_MAX 100000

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

/* The virtual counter: the same in both personas. */
static uint64_t counter(void)
{
	uint64_t v;

	__asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(v) : : "memory");
	return v;
}

static size_t make_item(uint8_t *ret, const char *title)
{
	struct mvp_notify_item i = { .kind = MVP_NOTIFY_ALERT, .priority = MVP_NOTIFY_NORMAL, .actions = MVP_NOTIFY_ACTIONS };

	i.title_len = (uint16_t)strlen(title);
	memcpy(ret, &i, sizeof(i));
	memcpy(ret + sizeof(i), title, i.title_len);
	return sizeof(i) + i.title_len;
}

/* Over the agent */

static int join(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = SOCKET };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		wrong("%s: %m", SOCKET);
	return fd;
}

static int send_some(unsigned long count, unsigned long gap)
{
	for (unsigned long i = 0; i < count; i++) {
		struct timespec t = { (time_t)(gap / 1000), (long)(gap % 1000) * 1000000 };
		char title[32], answer[64];
		uint8_t packet[128] = "post \n";
		int fd = join();

		snprintf(title, sizeof(title), "%llu", (unsigned long long)counter());
		size_t len = 6 + make_item(packet + 6, title);
		if (send(fd, packet, len, 0) != (ssize_t)len || recv(fd, answer, sizeof(answer), 0) < 2 || memcmp(answer, "ok", 2))
			wrong("the agent does not take an alert");
		close(fd);
		nanosleep(&t, NULL);
	}
	printf("courier: %lu sent\n", count);
	return 0;
}

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static int receive(unsigned long count)
{
	static uint64_t times[COUNT_MAX];
	int fd = join();
	char text[64];

	if (!count || count > COUNT_MAX || send(fd, "subscribe", 9, 0) != 9 || recv(fd, text, sizeof(text), 0) < 3 ||
	    memcmp(text, "ok ", 3))
		wrong("the agent takes no subscription");
	printf("courier: waits\n");
	fflush(stdout);
	for (unsigned long n = 0; n < count;) {
		uint8_t packet[MVP_NOTIFY_BODY_MAX + 1];
		struct mvp_notify_item i;
		ssize_t len = recv(fd, packet, sizeof(packet) - 1, 0);
		uint64_t now = counter();

		if (len < (ssize_t)sizeof(i))
			wrong("the agent hung up after %lu", n);
		memcpy(&i, packet, sizeof(i));
		if (i.kind != MVP_NOTIFY_ALERT)
			continue;
		packet[sizeof(i) + i.app_len + i.title_len] = 0;
		times[n++] = now - strtoull((char *)packet + sizeof(i) + i.app_len, NULL, 10);
	}
	qsort(times, count, sizeof(times[0]), ascending);
	printf("courier: %lu alerts, median %llu, 99 %% %llu, most %llu ticks\n", count, (unsigned long long)times[count / 2],
	       (unsigned long long)times[(count * 99 + 99) / 100 - 1], (unsigned long long)times[count - 1]);
	return 0;
}

/* Beside the agent */

static int open_port(void)
{
	char path[300] = "", name[64];
	DIR *dir = opendir("/sys/class/virtio-ports");
	const struct dirent *e;

	while (dir && (e = readdir(dir))) {
		snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", e->d_name);
		FILE *f = e->d_name[0] == '.' ? NULL : fopen(path, "re");
		bool found = f && fgets(name, sizeof(name), f) && !strcmp(name, "org.mvp.notify\n");
		if (f)
			fclose(f);
		if (!found)
			continue;
		snprintf(path, sizeof(path), "/dev/%s", e->d_name);
		closedir(dir);
		int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
		if (fd < 0)
			wrong("%s: %m", path);
		return fd;
	}
	wrong("no port is named org.mvp.notify");
}

static struct flood {
	int fd;
	bool reads, garbage;
	uint64_t seq; /* of the next item */
	uint64_t written, taken, busy, errors;
	uint8_t in[4096], out[65536];
	size_t in_len, out_len, out_at;
} flood;

static void put(uint8_t type, uint64_t seq, const void *body, size_t len)
{
	struct mvp_notify_head h = { MVP_NOTIFY_MAGIC, MVP_NOTIFY_VERSION, type, (uint32_t)len, seq };

	memcpy(flood.out + flood.out_len, &h, sizeof(h));
	memcpy(flood.out + flood.out_len + sizeof(h), body, len);
	flood.out_len += sizeof(h) + len;
}

static void fill(void)
{
	uint8_t item[64];

	flood.out_at = flood.out_len = 0;
	if (flood.garbage) {
		/* Now and then with a head that is one, so that there is something to it. */
		struct mvp_notify_hello hello = { 0, 0 };
		put(MVP_NOTIFY_HELLO, 0, &hello, sizeof(hello));
		if (getrandom(flood.out + flood.out_len, 4000, 0) != 4000)
			wrong("getrandom");
		flood.out_len += 4000;
		return;
	}
	size_t len = make_item(item, "flood");
	for (unsigned i = 0; i < 64; i++)
		put(MVP_NOTIFY_ITEM, flood.seq + i, item, len);
}

static void begin(void)
{
	struct mvp_notify_hello hello = { 0, 0 };

	if (flood.fd >= 0)
		close(flood.fd);
	flood.fd = open_port();
	flood.in_len = flood.out_at = flood.out_len = 0;
	if (!flood.garbage)
		put(MVP_NOTIFY_HELLO, 0, &hello, sizeof(hello));
}

static void take_frame(const struct mvp_notify_head *h, const uint8_t *body)
{
	struct mvp_notify_result r;
	struct mvp_notify_welcome w;

	if (h->type == MVP_NOTIFY_WELCOME && h->len == sizeof(w)) {
		memcpy(&w, body, sizeof(w));
		flood.seq = w.taken + 1;
	} else if (h->type == MVP_NOTIFY_RESULT && h->len == sizeof(r)) {
		memcpy(&r, body, sizeof(r));
		flood.taken += r.answer != MVP_NOTIFY_BUSY && h->seq >= flood.seq;
		flood.busy += r.answer == MVP_NOTIFY_BUSY;
		if (r.answer != MVP_NOTIFY_BUSY && h->seq >= flood.seq)
			flood.seq = h->seq + 1;
	} else if (h->type == MVP_NOTIFY_ERROR) {
		flood.errors++;
		begin();
	}
}

static void read_some(void)
{
	ssize_t n = read(flood.fd, flood.in + flood.in_len, sizeof(flood.in) - flood.in_len);
	struct mvp_notify_head h;

	flood.in_len += n > 0 ? (size_t)n : 0;
	while (flood.in_len >= sizeof(h)) {
		memcpy(&h, flood.in, sizeof(h));
		if (h.magic != MVP_NOTIFY_MAGIC || h.len > sizeof(flood.in) - sizeof(h))
			wrong("the vault says something else");
		if (flood.in_len < sizeof(h) + h.len)
			return;
		uint8_t body[sizeof(flood.in)];
		memcpy(body, flood.in + sizeof(h), h.len);
		flood.in_len -= sizeof(h) + h.len;
		memmove(flood.in, flood.in + sizeof(h) + h.len, flood.in_len);
		take_frame(&h, body);
	}
}

static int run_flood(const char *kind, unsigned long seconds)
{
	uint64_t end = now_ms() + seconds * 1000;

	flood.fd = -1;
	flood.seq = 1;
	flood.reads = strcmp(kind, "mute");
	flood.garbage = !strcmp(kind, "garbage");
	if (!flood.garbage && flood.reads && strcmp(kind, "items"))
		wrong("no flood of %s is known", kind);
	printf("flood: begun\n");
	fflush(stdout);
	begin();
	while (now_ms() < end) {
		struct pollfd p = { flood.fd, (short)(POLLOUT | (flood.reads ? POLLIN : 0)), 0 };
		if (poll(&p, 1, 100) <= 0)
			continue;
		if (p.revents & POLLIN)
			read_some();
		if (flood.out_at == flood.out_len)
			fill();
		ssize_t n = write(flood.fd, flood.out + flood.out_at, flood.out_len - flood.out_at);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			wrong("write: %m");
		flood.out_at += n > 0 ? (size_t)n : 0;
		flood.written += n > 0 ? (uint64_t)n : 0;
	}
	printf("flood: %llu written, %llu taken, %llu busy, %llu errors\n", (unsigned long long)flood.written,
	       (unsigned long long)flood.taken, (unsigned long long)flood.busy, (unsigned long long)flood.errors);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "send"))
		return send_some(strtoul(argv[2], NULL, 10), strtoul(argv[3], NULL, 10));
	if (argc == 3 && !strcmp(argv[1], "receive"))
		return receive(strtoul(argv[2], NULL, 10));
	if (argc == 4 && !strcmp(argv[1], "flood"))
		return run_flood(argv[2], strtoul(argv[3], NULL, 10));
	wrong("usage: courier send COUNT GAP | receive COUNT | flood KIND SECONDS");
}
