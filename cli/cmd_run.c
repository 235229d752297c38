/* mvpctl run: starts a finished handset in QEMU, by what its own boot partition holds. */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/mem.h"
#include "imagegen/graph/handset.h"
#include "imagegen/hyp/board.h"
#include "imagegen/hyp/tool.h"

#define QEMU "qemu-system-aarch64"
#define QEMU_PACKAGE "qemu-system-arm"
#define DEFAULT_BOARD "qemu-virt"
#define DEFAULT_OUT "out"

enum { POLL_MS = 100, GRACE_MS = 5000, EXEC_FAILED = 127 };

struct run_args {
	bool headless, snapshot;
	const char *out, *board, *cpu, *memory, *serial, *qmp;
	unsigned smp, timeout;
	struct opt_list qemu_args;
};

/* One handset to start. */
struct handset {
	struct cli *cli;
	const struct run_args *args;
	struct manifest *manifest; /* NULL unless one was named */
	struct board *board;
	char *disk;
	int kernel_fd;
	struct args argv;
	bool interactive;
};

static void handset_fini(struct handset *h)
{
	args_fini(&h->argv);
	fd_closep(&h->kernel_fd);
	free(h->disk);
	board_free(h->board);
	manifest_free(h->manifest);
}

/* The one disk image in a folder of build output. */
static int find_disk(struct handset *h, const char *dir)
{
	DIR *folder CLEANUP(dir_closep) = opendir(dir);
	struct loc loc = LOC_FILE(dir);
	struct dirent *e;
	if (!folder)
		return diag_fail(h->cli->diag, MVP0901, &loc, "cannot read the folder: %s", strerror(errno));
	while ((e = readdir(folder))) {
		if (fnmatch("*.img", e->d_name, FNM_PERIOD))
			continue;
		if (h->disk) {
			(void)diag_fail(h->cli->diag, MVP0901, &loc, "more than one disk image here ('%s' and '%s')",
					strrchr(h->disk, '/') + 1, e->d_name);
			diag_hint(h->cli->diag, "name the image instead of the folder");
			return -1;
		}
		h->disk = mem_printf("%s/%s", dir, e->d_name);
	}
	if (h->disk)
		return 0;
	(void)diag_fail(h->cli->diag, MVP0901, &loc, "no disk image (*.img) in this folder");
	diag_hint(h->cli->diag, "`mvpctl build -o %s MANIFEST` makes one", dir);
	return -1;
}

/* The operand is a disk image, a folder with one, or a manifest that was built into the output folder. */
static int find_handset(struct handset *h, const char *operand)
{
	struct manifest named = { .board = { .s = (char *)(uintptr_t)(h->args->board ? h->args->board : DEFAULT_BOARD) } };
	struct loc loc = LOC_FILE(operand);
	struct stat st;
	/* Paths of boards given on the command line count from the current folder. */
	named.dir = (char *)(uintptr_t) ".";
	if (stat(operand, &st))
		return diag_fail(h->cli->diag, MVP0901, &loc, "cannot open: %s", strerror(errno));
	if (S_ISDIR(st.st_mode)) {
		if (find_disk(h, operand))
			return -1;
	} else if (!fnmatch("*.yaml", operand, 0) || !fnmatch("*.yml", operand, 0)) {
		if (manifest_load(operand, &h->manifest, h->cli->diag))
			return -1;
		h->disk =
			mem_printf("%s/%s-%s.img", h->args->out ? h->args->out : DEFAULT_OUT, h->manifest->name.s, h->manifest->version.s);
	} else {
		h->disk = mem_strdup(operand);
	}
	if (board_load(h->manifest && !h->args->board ? h->manifest : &named, &h->board, h->cli->diag))
		return -1;
	if (!h->board->qemu.machine.s)
		return diag_fail(h->cli->diag, MVP0903, &LOC_FILE(h->board->path),
				 "the board '%s' has no 'qemu' section: it cannot be run here", h->board->name.s);
	return 0;
}

/* A value inside one of QEMU's comma-separated options. */
static char *escaped(const char *s)
{
	struct buf b = BUF_INIT;
	size_t len;
	for (; *s; s++) {
		if (*s == ',')
			(void)buf_putc(&b, ',');
		(void)buf_putc(&b, *s);
	}
	(void)buf_putc(&b, '\0');
	return (char *)buf_take(&b, &len);
}

/* "unix:PATH": the path, or NULL. */
static const char *unix_path(const char *s)
{
	return !strncmp(s, "unix:", 5) && s[5] ? s + 5 : NULL;
}

static void two(struct handset *h, const char *option, const char *value)
{
	args_add(&h->argv, option);
	args_add(&h->argv, value);
}

static int add_serial(struct handset *h)
{
	const char *kind = h->args->serial ? h->args->serial : "stdio";
	args_add(&h->argv, "-chardev");
	if (!strcmp(kind, "pty")) {
		args_add(&h->argv, "pty,id=console");
	} else if (!strcmp(kind, "stdio")) {
		h->interactive = !h->args->headless && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
		/* Multiplexed only for people: QEMU's own key (Ctrl-A) would be taken out of a script's bytes. */
		args_add(&h->argv, h->interactive ? "stdio,id=console,signal=off,mux=on" : "stdio,id=console");
	} else if (unix_path(kind)) {
		char *path CLEANUP_FREE = escaped(unix_path(kind));
		args_addf(&h->argv, "socket,id=console,path=%s,server=on,wait=off", path);
	} else {
		return diag_fail(h->cli->diag, MVP0904, NULL, "--serial cannot be '%s', expected pty, stdio or unix:PATH", kind);
	}
	two(h, "-serial", "chardev:console");
	if (h->interactive)
		two(h, "-mon", "chardev=console,mode=readline");
	return 0;
}

static int add_qmp(struct handset *h)
{
	char *path CLEANUP_FREE = NULL;
	if (!h->args->qmp)
		return 0;
	if (!unix_path(h->args->qmp))
		return diag_fail(h->cli->diag, MVP0904, NULL, "--qmp cannot be '%s', expected unix:PATH", h->args->qmp);
	path = escaped(unix_path(h->args->qmp));
	args_add(&h->argv, "-qmp");
	args_addf(&h->argv, "unix:%s,server=on,wait=off", path);
	return 0;
}

static int add_machine(struct handset *h)
{
	const struct board *b = h->board;
	uint64_t ram = b->ram_size.v;
	if (h->args->memory && (!profile_parse_size(h->args->memory, &ram) || ram < b->ram_size.v || ram % MIB))
		return diag_fail(h->cli->diag, MVP0904, NULL, "--memory cannot be '%s', expected at least the board's %" PRIu64 " MiB",
				 h->args->memory, b->ram_size.v / MIB);
	if (h->args->smp > b->cpus.count)
		return diag_fail(h->cli->diag, MVP0904, NULL, "--smp %u is more than the %zu CPUs of the board '%s'", h->args->smp,
				 b->cpus.count, b->name.s);
	args_add(&h->argv, QEMU);
	two(h, "-machine", b->qemu.machine.s);
	two(h, "-cpu", h->args->cpu ? h->args->cpu : b->qemu.cpu.s);
	args_add(&h->argv, "-smp");
	args_addf(&h->argv, "%" PRIu64, h->args->smp ? h->args->smp : b->qemu.smp.v);
	args_add(&h->argv, "-m");
	args_addf(&h->argv, "%" PRIu64 "M", ram / MIB);
	two(h, "-display", "none");
	args_add(&h->argv, "-nodefaults");
	for (size_t i = 0; i < b->qemu.args.count; i++)
		args_add(&h->argv, b->qemu.args.v[i].s);
	return 0;
}

static int make_argv(struct handset *h)
{
	char *disk CLEANUP_FREE = escaped(h->disk);
	if (add_machine(h))
		return -1;
	args_add(&h->argv, "-kernel");
	args_addf(&h->argv, "/proc/self/fd/%d", h->kernel_fd);
	args_add(&h->argv, "-drive");
	args_addf(&h->argv, "if=none,id=flash,format=raw,cache=writeback%s,file=%s", h->args->snapshot ? ",snapshot=on" : "", disk);
	two(h, "-device", "virtio-blk-device,drive=flash");
	two(h, "-device", "virtio-rng-device");
	two(h, "-netdev", "user,id=net");
	two(h, "-device", "virtio-net-device,netdev=net");
	if (h->board->display.type.s) {
		two(h, "-device", "virtio-keyboard-device");
		two(h, "-device", "virtio-tablet-device");
	}
	if (add_serial(h) || add_qmp(h))
		return -1;
	for (size_t i = 0; i < h->args->qemu_args.count; i++)
		args_add(&h->argv, h->args->qemu_args.v[i]);
	return 0;
}

/* The child's side of start(): only async-signal-safe calls. */
static NORETURN void become_qemu(const struct handset *h, int report_fd)
{
	int error;
	/* Whoever kills mvpctl kills the handset. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)fcntl(h->kernel_fd, F_SETFD, 0);
	(void)execvp(h->argv.v[0], h->argv.v);
	error = errno;
	(void)!write(report_fd, &error, sizeof(error));
	_exit(EXEC_FAILED);
}

static int start(struct handset *h, pid_t *ret_pid)
{
	int fds[2], error = 0;
	pid_t pid;
	ssize_t n;
	if (pipe2(fds, O_CLOEXEC))
		return diag_fail(h->cli->diag, MVP0902, NULL, "cannot start " QEMU ": %s", strerror(errno));
	pid = fork();
	if (!pid)
		become_qemu(h, fds[1]);
	(void)close(fds[1]);
	if (pid < 0) {
		error = errno;
	} else {
		do {
			n = read(fds[0], &error, sizeof(error));
		} while (n < 0 && errno == EINTR);
		/* End of file: exec succeeded and closed the pipe. */
		if (n != (ssize_t)sizeof(error))
			error = 0;
	}
	(void)close(fds[0]);
	if (!error) {
		*ret_pid = pid;
		return 0;
	}
	if (pid > 0)
		(void)waitpid(pid, NULL, 0);
	(void)diag_fail(h->cli->diag, MVP0902, NULL, "cannot start " QEMU ": %s", strerror(error));
	if (error == ENOENT)
		diag_hint(h->cli->diag, "install the Debian package " QEMU_PACKAGE);
	return -1;
}

static int64_t now_ms(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Waits for QEMU; ends it when the time is over or somebody interrupts us. */
static int supervise(struct handset *h, pid_t pid)
{
	int64_t end = h->args->timeout ? now_ms() + (int64_t)h->args->timeout * 1000 : INT64_MAX, kill_at = INT64_MAX;
	bool late = false, interrupted = false;
	int status, fd CLEANUP(fd_closep) = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	while (waitpid(pid, &status, WNOHANG) == 0) {
		int64_t now = now_ms();
		if (!late && !interrupted && (now >= end || cli_interrupted())) {
			late = now >= end;
			interrupted = !late;
			(void)kill(pid, SIGTERM);
			kill_at = now + GRACE_MS;
		} else if (now >= kill_at) {
			(void)kill(pid, SIGKILL);
		}
		(void)poll(&wait, 1, POLL_MS);
	}
	if (interrupted)
		return diag_fail(h->cli->diag, MVP0006, NULL, "interrupted");
	if (late)
		return diag_fail(h->cli->diag, MVP0905, NULL, "the handset was still running after %u seconds", h->args->timeout);
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	return diag_fail(h->cli->diag, MVP0902, NULL, QEMU " ended with %s %d", WIFEXITED(status) ? "status" : "signal",
			 WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

static void greet(const struct handset *h)
{
	const char *key = h->manifest ? h->manifest->hypervisor.console_key.s : NULL;
	if (h->cli->quiet || !h->interactive)
		return;
	(void)fprintf(stderr, "Console of the handset. %s%s switches between the personas; `poweroff` in a persona ends that persona.\n",
		      key ? key : "The manifest's console-key", key ? "" : " (ctrl-] by default)");
	(void)fprintf(stderr, "Ctrl-A X switches the handset off at once, Ctrl-A Ctrl-A types a Ctrl-A.\n");
}

static int run(struct cli *cli, const void *args)
{
	struct handset h CLEANUP(handset_fini) = { .cli = cli, .args = args, .kernel_fd = -1 };
	struct termios terminal;
	bool saved;
	pid_t pid = -1;
	int rc;
	if (find_handset(&h, cli->operands[0]) || handset_kernel(h.disk, &h.kernel_fd, cli->diag) || make_argv(&h))
		return -1;
	greet(&h);
	if (cli_flush(cli))
		return -1;
	saved = h.interactive && !tcgetattr(STDIN_FILENO, &terminal);
	rc = start(&h, &pid);
	if (!rc)
		rc = supervise(&h, pid);
	/* QEMU puts it right itself, unless it was killed. */
	if (saved)
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &terminal);
	return rc;
}

static const struct opt opts[] = {
	OPT_FLAG(0, "headless", struct run_args, headless, "leave the terminal alone: the console is plain stdin and stdout"),
	OPT_STRING('o', "output", struct run_args, out, "DIR", "with a MANIFEST: where it was built (default: " DEFAULT_OUT ")"),
	OPT_STRING(0, "board", struct run_args, board, "NAME", "without a MANIFEST: the board (default: " DEFAULT_BOARD ")"),
	OPT_STRING(0, "cpu", struct run_args, cpu, "MODEL", "QEMU's CPU model instead of the board's"),
	OPT_UINT(0, "smp", struct run_args, smp, "N", "number of CPUs instead of the board's"),
	OPT_STRING(0, "memory", struct run_args, memory, "SIZE", "RAM, more than the board has (e.g. '4 GiB')"),
	OPT_FLAG(0, "disk-snapshot", struct run_args, snapshot, "forget what is written to the disk"),
	OPT_STRING(0, "serial", struct run_args, serial, "WHERE", "console: stdio (default), pty or unix:PATH"),
	OPT_STRING(0, "qmp", struct run_args, qmp, "unix:PATH", "QEMU's machine protocol on a socket"),
	OPT_LIST(0, "qemu-arg", struct run_args, qemu_args, "ARG", "one more argument for QEMU; may be repeated"),
	OPT_UINT(0, "timeout", struct run_args, timeout, "SECONDS", "switch the handset off after that time, and fail"),
};

static const enum exit_status exits[] = { EXIT_MANIFEST, EXIT_INPUT, EXIT_TOOL, EXIT_INTERRUPTED };

static const struct example examples[] = {
	{ "mvpctl run out", "the handset built into the folder out, its console on this terminal" },
	{ "mvpctl run --headless --timeout 300 --disk-snapshot out", "for a script: the console on pipes, the disk left as it was" },
};

const struct cmd cmd_run = {
	.name = "run",
	.operands = "DISK|DIR|MANIFEST",
	.summary = "start a built handset in QEMU",
	.group = "Handsets",
	.description = "The operand is a handset's disk image, a folder with one, or a manifest that\n"
		       "was built. QEMU gets the board's arguments, the hypervisor from the disk's\n"
		       "boot partition, and the disk, which keeps what the handset writes to it.\n",
	.opts = opts,
	.opts_count = ARRAY_LEN(opts),
	.args_size = sizeof(struct run_args),
	.operands_min = 1,
	.operands_max = 1,
	.json = CMD_JSON_NONE,
	.exits = exits,
	.exits_count = ARRAY_LEN(exits),
	.examples = examples,
	.examples_count = ARRAY_LEN(examples),
	.run = run,
};
