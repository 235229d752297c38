/* The first process of a measured Linux: work of several kinds, each timed by the virtual counter. Prints `bench: NAME TICKS COUNT` like
 * guest/cost.c. Under QEMU's instruction counter the ticks are instructions of everybody on all CPUs, and idle time; so whatever sleeps
 * here hands over to somebody who runs, but for the timers, whose idle time is soaked up by a spinning process. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum {
	CPU_ROUNDS = 20000000,
	MEMORY_LEN = 32 << 20,
	SYSCALLS = 50000,
	FORKS = 200,
	EXECS = 100,
	PIPE_TRIPS = 4000,
	TIMERS = 1000, /* one a millisecond */
	SPIN = 500,
	SPIN_ROUND = 2 * SPIN + 5, /* instructions */
	CONSOLE_LINES = 128,
	REPEATS = 5, /* the best counts: the kernel's own ticks fall into some */
};
#define NS_PER_MS 1000000
#define NS_PER_S 1000000000

static void die(const char *what)
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

static uint64_t frequency(void)
{
	uint64_t f;

	__asm__("mrs %0, cntfrq_el0" : "=r"(f));
	return f;
}

static void report(const char *name, uint64_t t, uint64_t count)
{
	printf("bench: %s %llu %llu\n", name, (unsigned long long)t, (unsigned long long)count);
}

static void best(const char *name, void (*work)(void), uint64_t count)
{
	uint64_t min = UINT64_MAX;

	work(); /* warm: page tables, caches of the kernel */
	for (int i = 0; i < REPEATS; i++) {
		uint64_t t = ticks();

		work();
		t = ticks() - t;
		if (t < min)
			min = t;
	}
	report(name, min, count);
}

static void pin(unsigned cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
}

static void work_cpu(void)
{
	uint64_t x = 1;

	for (int i = 0; i < CPU_ROUNDS; i++) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		x ^= x >> 29;
		__asm__ volatile("" : "+r"(x));
	}
}

/* Fresh pages every time: faults, page tables, and copying. */
static void work_memory(void)
{
	char *m = mmap(NULL, MEMORY_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (m == MAP_FAILED)
		die("mmap");
	memset(m, 0x5a, MEMORY_LEN / 2);
	memcpy(m + MEMORY_LEN / 2, m, MEMORY_LEN / 2);
	if (munmap(m, MEMORY_LEN))
		die("munmap");
}

static void work_syscall(void)
{
	for (int i = 0; i < SYSCALLS; i++)
		syscall(SYS_getppid);
}

static void reap(pid_t child)
{
	int status;

	if (child < 0 || waitpid(child, &status, 0) != child || status)
		die("a child process");
}

static void work_fork(void)
{
	for (int i = 0; i < FORKS; i++) {
		pid_t child = fork();

		if (!child)
			_exit(0);
		reap(child);
	}
}

static void work_exec(void)
{
	for (int i = 0; i < EXECS; i++) {
		pid_t child = fork();

		if (!child) {
			execl("/init", "child", (char *)NULL);
			_exit(1);
		}
		reap(child);
	}
}

/* A byte to another process and back. */
static void ping_pong(unsigned other_cpu)
{
	int there[2], back[2];
	char c = 0;

	if (pipe(there) || pipe(back))
		die("pipe");
	pid_t child = fork();
	if (!child) {
		pin(other_cpu);
		while (read(there[0], &c, 1) == 1 && c == 0)
			if (write(back[1], &c, 1) != 1)
				_exit(1);
		_exit(0);
	}
	for (int i = 0; i < PIPE_TRIPS; i++)
		if (write(there[1], &c, 1) != 1 || read(back[0], &c, 1) != 1)
			die("a pipe");
	c = 1;
	if (write(there[1], &c, 1) != 1)
		die("a pipe");
	reap(child);
	close(there[0]);
	close(there[1]);
	close(back[0]);
	close(back[1]);
}

static void work_pipe_one(void)
{
	ping_pong(0);
}

static void work_pipe_two(void)
{
	ping_pong(1);
}

static struct timespec after(struct timespec t, long ns)
{
	t.tv_nsec += ns;
	while (t.tv_nsec >= NS_PER_S) {
		t.tv_nsec -= NS_PER_S;
		t.tv_sec++;
	}
	return t;
}

/* A timer a millisecond on a CPU whose idle time a process of the lowest class spins away. What it got in that time is what the timers
 * left. Reports the time that passed and the ticks left. */
static void timers(void)
{
	uint64_t *spun = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct timespec at;

	if (spun == MAP_FAILED)
		die("mmap");
	pid_t spinner = fork();
	if (!spinner) {
		struct sched_param none = { .sched_priority = 0 };

		if (sched_setscheduler(0, SCHED_IDLE, &none))
			_exit(1);
		/* A round is SPIN_ROUND instructions, its count in memory the last but one. */
		__asm__ volatile("1: mov x1, %1\n\t"
				 "2: subs x1, x1, #1\n\tb.ne 2b\n\t"
				 "ldr x2, [%0]\n\tadd x2, x2, #1\n\tstr x2, [%0]\n\tb 1b"
				 :
				 : "r"(spun), "i"(SPIN)
				 : "x1", "x2", "cc", "memory");
	}
	clock_gettime(CLOCK_MONOTONIC, &at);
	for (int i = 0; i < TIMERS / 10; i++) { /* until it has settled */
		at = after(at, NS_PER_MS);
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
	}
	uint64_t first = __atomic_load_n(spun, __ATOMIC_RELAXED), from = ticks();
	for (int i = 0; i < TIMERS; i++) {
		at = after(at, NS_PER_MS);
		if (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL))
			die("clock_nanosleep");
	}
	uint64_t passed = ticks() - from, rounds = __atomic_load_n(spun, __ATOMIC_RELAXED) - first;
	if (!rounds || waitpid(spinner, NULL, WNOHANG) != 0)
		die("the spinning process");
	kill(spinner, SIGKILL);
	waitpid(spinner, NULL, 0);
	report("timers-passed", passed, TIMERS);
	report("timers-left", rounds * SPIN_ROUND * frequency() / NS_PER_S, TIMERS);
}

/* Two accesses of the PL011 a byte and more: its flags and its data. */
static void work_console(void)
{
	static char line[64];
	int left;

	memset(line, '.', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\n';
	for (int i = 0; i < CONSOLE_LINES; i++)
		if (write(STDOUT_FILENO, line, sizeof(line)) != sizeof(line))
			die("the console");
	do
		if (ioctl(STDOUT_FILENO, TIOCOUTQ, &left))
			die("the console's queue");
	while (left);
}

int main(int argc, char **argv)
{
	struct timespec now;

	if (argc && !strcmp(argv[0], "child"))
		return 0;
	clock_gettime(CLOCK_MONOTONIC, &now);
	setvbuf(stdout, NULL, _IOLBF, 0);
	report("frequency", frequency(), 1);
	report("boot", ((uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec) * frequency() / NS_PER_S, 1);
	if (sysconf(_SC_NPROCESSORS_ONLN) != 2)
		die("counting the CPUs, which are not two");
	pin(0);
	best("cpu", work_cpu, CPU_ROUNDS / 1000);
	best("memory", work_memory, MEMORY_LEN / 4096);
	best("syscall", work_syscall, SYSCALLS);
	best("fork", work_fork, FORKS);
	best("exec", work_exec, EXECS);
	best("pipe-one", work_pipe_one, PIPE_TRIPS);
	best("pipe-two", work_pipe_two, PIPE_TRIPS);
	timers();
	best("console", work_console, CONSOLE_LINES * 64);
	printf("bench: done\n");
	for (;;)
		pause();
}
