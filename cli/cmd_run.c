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
#include "cli/receipt.h"
#include "cli/screen.h"
#include "imagegen/base/foreign.h"
#include "imagegen/base/mem.h"
#include "imagegen/graph/handset.h"
#include "imagegen/hyp/board.h"
#include "imagegen/hyp/tool.h"
#include "mvp/identity.h"
#include "mvp/order.h"

#define QEMU "qemu-system-aarch64"
#define QEMU_PACKAGE "qemu-system-arm"
#define WINDOW_PACKAGE "qemu-system-gui"
#define DEFAULT_BOARD "qemu-virt"
#define DEFAULT_OUT "out"

enum { POLL_MS = 100, GRACE_MS = 5000, EXEC_FAILED = 127 };

struct run_args {
	bool headless, snapshot;
	const char *out, *board, *cpu, *memory, *serial, *qmp, *net, *screenshot, *record, *device_key, *order, *receipt;
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
	const char *window, *no_window; /* QEMU's display, or why there is none; NULL: not asked for */
	struct screen screen;
	struct receipt_catch receipt;
};

static void handset_fini(struct handset *h)
{
	receipt_catch_fini(&h->receipt);
	screen_fini(&h->screen);
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
	char *log CLEANUP_FREE = h->receipt.path ? mem_printf(",logfile=/proc/self/fd/%d", h->receipt.log_fd) : mem_strdup("");
	args_add(&h->argv, "-chardev");
	if (!strcmp(kind, "pty")) {
		args_addf(&h->argv, "pty,id=console%s", log);
	} else if (!strcmp(kind, "stdio")) {
		h->interactive = !h->args->headless && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
		/* Multiplexed only for people: QEMU's own key (Ctrl-A) would be taken out of a script's bytes. */
		args_addf(&h->argv, "stdio,id=console%s%s", h->interactive ? ",signal=off,mux=on" : "", log);
	} else if (unix_path(kind)) {
		char *path CLEANUP_FREE = escaped(unix_path(kind));
		args_addf(&h->argv, "socket,id=console,path=%s,server=on,wait=off%s", path, log);
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

/* What the board brings the vault: a file of the firmware's (QEMU's fw_cfg). QEMU's own word for one it cannot read names no option of
 * ours.
 */
static int add_file(struct handset *h, const char *name, const char *path, uint64_t len_max)
{
	char *value CLEANUP_FREE = NULL;
	struct stat st;
	if (!path)
		return 0;
	if (stat(path, &st) || access(path, R_OK))
		return diag_fail(h->cli->diag, MVP0901, &LOC_FILE(path), "cannot open: %s", strerror(errno));
	if (!S_ISREG(st.st_mode) || !st.st_size || (uint64_t)st.st_size > len_max)
		return diag_fail(h->cli->diag, MVP0901, &LOC_FILE(path), "expected a file of 1 to %" PRIu64 " bytes", len_max);
	value = escaped(path);
	args_add(&h->argv, "-fw_cfg");
	args_addf(&h->argv, "name=%s,file=%s", name, value);
	return 0;
}

/* "none", or "user" and what it forwards: "user,hostfwd=tcp::2222-10.0.2.15:22". Other options are QEMU's own business (--qemu-arg). */
static int add_net(struct handset *h)
{
	static const char user[] = "user", forward[] = ",hostfwd=";
	const char *net = h->args->net ? h->args->net : user, *more;
	if (!strcmp(net, "none"))
		return 0;
	more = strncmp(net, user, strlen(user)) ? "?" : net + strlen(user);
	if (*more && *more != ',')
		return diag_fail(h->cli->diag, MVP0904, NULL, "--net cannot be '%s', expected none, user or user,hostfwd=...", net);
	for (const char *p = strchr(more, ','); p; p = strchr(p + 1, ',')) {
		size_t len = strlen(forward);
		if (strncmp(p, forward, len) || !p[len] || p[len] == ',')
			return diag_fail(h->cli->diag, MVP0904, NULL,
					 "--net takes 'hostfwd=tcp::PORT-ADDRESS:PORT' behind 'user,', not '%s'", p + 1);
	}
	args_add(&h->argv, "-netdev");
	args_addf(&h->argv, "user,id=net%s", more);
	two(h, "-device", "virtio-net-device,netdev=net");
	return 0;
}

static int add_pictures(struct handset *h)
{
	const struct board *b = h->board;
	const struct screen_opts opts = {
		.screenshot = h->args->screenshot,
		.record = h->args->record,
		.keep_recent = h->window || h->interactive,
		.width = (uint32_t)b->display.width.v,
		.height = (uint32_t)(b->display.height.v + b->display.bar.v),
	};
	if (!opts.screenshot && !opts.record)
		return 0;
	if (!b->display.type.s)
		return diag_fail(h->cli->diag, MVP0904, NULL, "the board '%s' has no display to take pictures of", b->name.s);
	return screen_init(&h->screen, &opts, &h->argv, h->cli->diag);
}

/* The first of the displays with a window that this QEMU has. */
static void find_window(struct handset *h)
{
	static const char *const displays[] = { "gtk", "sdl" };
	static const char *const ask[] = { QEMU, "-display", "help", NULL };
	const char *x11 = getenv("DISPLAY"), *wayland = getenv("WAYLAND_DISPLAY");
	struct buf output CLEANUP(buf_fini) = BUF_INIT;
	if (h->args->headless || !h->board->display.type.s)
		return;
	if (!(x11 && *x11) && !(wayland && *wayland)) {
		h->no_window = "neither DISPLAY nor WAYLAND_DISPLAY is set";
		return;
	}
	/* A QEMU that cannot be started is reported when the handset is. */
	if (tool_run(ask, &output) == 0) {
		for (size_t i = 0; i < ARRAY_LEN(displays) && !h->window; i++) {
			char *line CLEANUP_FREE = mem_printf("\n%s\n", displays[i]);
			h->window = strstr(buf_str(&output), line) ? displays[i] : NULL;
		}
	}
	if (!h->window)
		h->no_window = "this QEMU has no window; install the Debian package " WINDOW_PACKAGE;
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
	two(h, "-display", h->window ? h->window : "none");
	args_add(&h->argv, "-nodefaults");
	for (size_t i = 0; i < b->qemu.args.count; i++)
		args_add(&h->argv, b->qemu.args.v[i].s);
	return 0;
}

/* The board's unique key. QEMU reads the file itself: the key is in no argument. */
static int add_device_key(struct handset *h)
{
	struct stat st;
	const char *path = h->args->device_key;
	if (!path)
		return 0;
	if (stat(path, &st))
		return diag_fail(h->cli->diag, MVP0904, &LOC_FILE(path), "cannot read the device key: %s", strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_size != MVP_DEVICE_KEY_LEN)
		return diag_fail(h->cli->diag, MVP0904, &LOC_FILE(path), "a device key is a file of %d bytes", MVP_DEVICE_KEY_LEN);
	char *file CLEANUP_FREE = escaped(path);
	args_add(&h->argv, "-fw_cfg");
	args_addf(&h->argv, "name=" MVP_DEVICE_KEY_FILE ",file=%s", file);
	return 0;
}

static int make_argv(struct handset *h)
{
	char *disk CLEANUP_FREE = escaped(h->disk);
	find_window(h);
	if (receipt_catch_init(&h->receipt, h->args->receipt, h->args->order, h->cli->diag) || add_machine(h))
		return -1;
	args_add(&h->argv, "-kernel");
	args_addf(&h->argv, "/proc/self/fd/%d", h->kernel_fd);
	args_add(&h->argv, "-drive");
	args_addf(&h->argv, "if=none,id=flash,format=raw,cache=writeback,discard=unmap%s,file=%s", h->args->snapshot ? ",snapshot=on" : "",
		  disk);
	if (board_has_sdhci(h->board)) {
		two(h, "-device", "sdhci-pci");
		two(h, "-device", "sd-card,drive=flash");
	} else {
		two(h, "-device", "virtio-blk-device,drive=flash");
	}
	two(h, "-device", "virtio-rng-device");
	if (h->board->display.type.s) {
		two(h, "-device", "virtio-keyboard-device");
		two(h, "-device", "virtio-tablet-device");
	}
	if (add_net(h) || add_device_key(h) || add_file(h, MVP_ORDER_FILE, h->args->order, MVP_ORDER_MAX) || add_serial(h) || add_qmp(h) ||
	    add_pictures(h))
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
	if (h->receipt.log_fd >= 0)
		(void)fcntl(h->receipt.log_fd, F_SETFD, 0);
	screen_pass_on(&h->screen);
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

/* Why QEMU is ended, if not by itself. */
enum ending { RUNNING, OFF, LATE, INTERRUPTED, NO_ANSWER, FAILED };

static bool has_pictures(const struct handset *h)
{
	return h->args->screenshot || h->args->record;
}

static enum ending look(struct handset *h, int64_t end)
{
	bool off = false;
	if (receipt_catch_tick(&h->receipt, h->cli->diag) || (has_pictures(h) && screen_tick(&h->screen, &off, h->cli->diag)))
		return FAILED;
	if (off)
		return OFF;
	if (now_ms() >= end)
		return LATE;
	return cli_interrupted() ? INTERRUPTED : RUNNING;
}

/* Waits until QEMU has ended, for whatever reason; kills it if it does not end when asked. */
static int reap(pid_t pid, int fd, int64_t kill_at)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	int status;
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (now_ms() >= kill_at)
			(void)kill(pid, SIGKILL);
		(void)poll(&wait, 1, POLL_MS);
	}
	return status;
}

static int judge(struct handset *h, enum ending why, int status)
{
	struct diag *d = h->cli->diag;
	if (why == FAILED)
		return -1;
	if (why == INTERRUPTED)
		return diag_fail(d, MVP0006, NULL, "interrupted");
	/* Who wants a picture or a receipt by some time has got it. */
	if (why == LATE && !has_pictures(h) && !h->receipt.path)
		return diag_fail(d, MVP0905, NULL, "the handset was still running after %u seconds", h->args->timeout);
	if (why == LATE)
		return 0;
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return why == NO_ANSWER ? diag_fail(d, MVP0906, NULL, QEMU " cannot be asked for pictures") : 0;
	(void)diag_fail(d, MVP0902, NULL, QEMU " ended with %s %d", WIFEXITED(status) ? "status" : "signal",
			WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	if (h->window)
		diag_hint(d, "with --headless no window is opened, if that is what failed");
	return -1;
}

/* Waits for QEMU; ends it when the time is over, somebody interrupts us, or the handset is off and QEMU waits for us to look. */
static int supervise(struct handset *h, pid_t pid)
{
	int64_t end = h->args->timeout ? now_ms() + (int64_t)h->args->timeout * 1000 : INT64_MAX;
	int fd CLEANUP(fd_closep) = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	enum ending why = RUNNING;
	if (has_pictures(h) && !screen_begin(&h->screen))
		why = NO_ANSWER;
	while (why == RUNNING && poll(&wait, 1, 0) <= 0) {
		why = look(h, end);
		if (why == RUNNING)
			(void)poll(&wait, 1, POLL_MS);
	}
	if (has_pictures(h) && why < NO_ANSWER && screen_end(&h->screen, h->cli->diag))
		why = FAILED;
	if (why != RUNNING)
		(void)kill(pid, SIGTERM);
	if (judge(h, why, reap(pid, fd, now_ms() + GRACE_MS)))
		return -1;
	return receipt_catch_end(&h->receipt, h->cli->diag);
}

static void greet(const struct handset *h)
{
	const char *key = h->manifest ? h->manifest->hypervisor.console_key.s : NULL;
	if (h->cli->quiet)
		return;
	if (h->no_window)
		(void)fprintf(stderr, "No window: %s.\n", h->no_window);
	if (!h->interactive)
		return;
	(void)fprintf(stderr, "Console of the handset. %s%s switches between the personas; `poweroff` in a persona ends that persona.\n",
		      key ? key : "The manifest's console-key", key ? "" : " (ctrl-] by default)");
	(void)fprintf(stderr, "Ctrl-A X switches the handset off at once, Ctrl-A Ctrl-A types a Ctrl-A.\n");
}

static int run(struct cli *cli, const void *args)
{
	struct handset h CLEANUP(
		handset_fini) = { .cli = cli, .args = args, .kernel_fd = -1, .screen = SCREEN_INIT, .receipt = RECEIPT_CATCH_INIT };
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
	OPT_FLAG(0, "headless", struct run_args, headless, "no window, and leave the terminal alone: console is plain stdio"),
	OPT_STRING('o', "output", struct run_args, out, "DIR", "with a MANIFEST: where it was built (default: " DEFAULT_OUT ")"),
	OPT_STRING(0, "board", struct run_args, board, "NAME", "without a MANIFEST: the board (default: " DEFAULT_BOARD ")"),
	OPT_STRING(0, "cpu", struct run_args, cpu, "MODEL", "QEMU's CPU model instead of the board's"),
	OPT_UINT(0, "smp", struct run_args, smp, "N", "number of CPUs instead of the board's"),
	OPT_STRING(0, "memory", struct run_args, memory, "SIZE", "RAM, more than the board has (e.g. '4 GiB')"),
	OPT_FLAG(0, "disk-snapshot", struct run_args, snapshot, "forget what is written to the disk"),
	OPT_STRING(0, "serial", struct run_args, serial, "WHERE", "console: stdio (default), pty or unix:PATH"),
	OPT_STRING(0, "qmp", struct run_args, qmp, "unix:PATH", "QEMU's machine protocol on a socket"),
	OPT_STRING(0, "order", struct run_args, order, "FILE", "an order for the vault; its receipt comes on the console"),
	OPT_STRING(0, "receipt", struct run_args, receipt, "FILE", "where that receipt is kept"),
	OPT_STRING(0, "net", struct run_args, net, "WHAT", "network: none, or user[,hostfwd=...] (default: user)"),
	OPT_STRING(0, "device-key", struct run_args, device_key, "FILE", "the board's unique key, 32 bytes"),
	OPT_STRING(0, "screenshot", struct run_args, screenshot, "FILE", "PNG of the screen at the end, and on SIGUSR1"),
	OPT_STRING(0, "record", struct run_args, record, "FILE", "animated PNG of the screen, whole at the end"),
	OPT_LIST(0, "qemu-arg", struct run_args, qemu_args, "ARG", "one more argument for QEMU; may be repeated"),
	OPT_UINT(0, "timeout", struct run_args, timeout, "SECONDS", "switch the handset off after that time"),
};

static const enum exit_status exits[] = { EXIT_MANIFEST, EXIT_INPUT, EXIT_TOOL, EXIT_OUTPUT, EXIT_INTERRUPTED };

static const struct example examples[] = {
	{ "mvpctl run out", "the handset built into the folder out, its console on this terminal" },
	{ "mvpctl run --headless --timeout 60 --screenshot screen.png out", "what the screen shows after a minute" },
	{ "mvpctl run --headless --timeout 300 --disk-snapshot out", "for a script: the console on pipes, the disk left as it was" },
};

const struct cmd cmd_run = {
	.name = "run",
	.operands = "DISK|DIR|MANIFEST",
	.summary = "start a built handset in QEMU",
	.group = "Handsets",
	.description = "The operand is a handset's disk image, a folder with one, or a manifest that\n"
		       "was built. QEMU gets the board's arguments, the hypervisor from the disk's\n"
		       "boot partition, and the disk, which keeps what the handset writes to it.\n"
		       "The screen is a window of QEMU's, if there is a display to open it on.\n",
	CMD_LIST(opts, opts),
	.args_size = sizeof(struct run_args),
	.operands_min = 1,
	.operands_max = 1,
	.json = CMD_JSON_NONE,
	CMD_LIST(exits, exits),
	CMD_LIST(examples, examples),
	.run = run,
};
