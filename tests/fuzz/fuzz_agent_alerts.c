/* What the vault's end of the alert port says to mvp-agent, well-formed or not, and texts of programs: the agent's files are in a folder of
 * memory. Whatever comes, it ends the session or keeps what it was given, cleaned. */
#include <ftw.h>

#include "vmm/guest/agent/alerts.c"
#include "vmm/guest/agent/item.c"
#include "vmm/guest/agent/util.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void clean(const char *text, size_t max)
{
	char again[MVP_NOTIFY_CLIPBOARD_MAX + 1];
	if (strlen(text) > max)
		__builtin_trap();
	/* What was cleaned stays as it is. */
	item_text(again, sizeof(again), text, true);
	if (strcmp(again, text) != 0)
		__builtin_trap();
}

void alerts_came(const struct item *i)
{
	clean(i->app, MVP_NOTIFY_APP_MAX);
	clean(i->title, MVP_NOTIFY_TITLE_MAX);
	clean(i->body, MVP_NOTIFY_CLIPBOARD_MAX);
}

void alerts_went(uint64_t id)
{
	(void)id;
}

static char dir[64]; /* of the agent's files */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

/* libFuzzer ends by exit(). */
static void remove_dir(void)
{
	(void)nftw(dir, remove_one, 4, FTW_DEPTH | FTW_PHYS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct alerts a;
	int fds[2];
	if (!dir[0]) {
		(void)snprintf(dir, sizeof(dir), "/dev/shm/fuzz_agent.%ld", (long)getpid());
		if (mkdir(dir, 0700) != 0 || atexit(remove_dir) != 0)
			__builtin_trap();
	}
	memset(&a, 0, sizeof(a));
	a.dir = dir;
	a.keep = 4;
	alerts_start(&a);
	if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) != 0)
		__builtin_trap();
	/* A head for free every now and then, so that bodies are reached. */
	for (size_t at = 0; at + 2 <= size;) {
		size_t len = data[at + 1] < size - at - 2 ? data[at + 1] : size - at - 2;
		struct mvp_notify_head h = { MVP_NOTIFY_MAGIC, MVP_NOTIFY_VERSION, data[at] % 7, (uint32_t)len, data[at] / 8 };
		if ((data[at] & 0x80 ? 0 : write(fds[1], &h, sizeof(h))) < 0 || write(fds[1], data + at + 2, len) < 0)
			break;
		at += 2 + len;
	}
	close(fds[1]);
	alerts_open(&a, fds[0]);
	for (unsigned n = 0; n < 64 && alerts_read(&a); n++) {
		a.out_len = 0;
		(void)alerts_tick(&a, n);
	}
	alerts_close(&a);
	free(a.waits);
	return 0;
}
