/* What a session's programs say over the bus, well-formed or not, and the agent's end of the desktop's socket: the input is a stream of
 * messages for both connections. Whatever comes, what goes to the agent is text that it takes. */
#include <stdlib.h>

#include "vmm/guest/agent/dbus.c"
#include "vmm/guest/agent/desktop.c"
#include "vmm/guest/agent/item.c"
#include "vmm/guest/agent/util.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The desktop's standard input is its socket to the agent. */
static int agent = -1;

static void check_agent(void)
{
	static char packet[DESKTOP_PACKET_MAX + 1];
	static struct item i;
	ssize_t n;
	while ((n = recv(agent, packet, sizeof(packet) - 1, MSG_DONTWAIT)) > 0) {
		packet[n] = 0;
		const char *end = packet[0] == 'P' ? memchr(packet, '\n', (size_t)n) : NULL;
		if (!strchr("APWdo", packet[0]) || (packet[0] == 'P' && !end))
			abort();
		if (!end)
			continue;
		size_t at = (size_t)(end - packet) + 1;
		if (!item_unpack((const uint8_t *)packet + at, (size_t)n - at, &i) || i.fields.kind != MVP_NOTIFY_ALERT ||
		    strlen(i.body) > MVP_NOTIFY_TEXT_MAX || !agent_after(packet + 1, DESKTOP_KEY_PREFIX))
			abort();
	}
}

/* A message with the input as its body, so that bodies are reached. */
static size_t wrap(uint8_t kind, const uint8_t *data, size_t len, uint8_t *ret, size_t size)
{
	static const struct dbus_call calls[] = {
		{ "", NOTIFY_PATH, NOTIFY, "Notify", "susssasa{sv}i" },
		{ "", NOTIFY_PATH, NOTIFY, "NotificationClosed", "uu" },
		{ "", NOTIFY_PATH, NOTIFY, "ActionInvoked", "us" },
		{ "", BUS_PATH, BUS, "NameOwnerChanged", "sss" },
		{ "", "", "", "", "as" },
		{ "", "", "", "", "u" },
	};
	struct dbus_writer w;
	const struct dbus_call *c = &calls[kind % 6];
	dbus_begin(&w, ret, size, 1 + kind / 6, c);
	put(&w, data, len);
	size_t n = dbus_end(&w);
	ret[1] = kind % 6 == 0 ? DBUS_CALL : kind % 6 < 4 ? DBUS_SIGNAL : DBUS_RETURN;
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t message[70000];
	int bus[2];
	if (agent < 0) {
		int fds[2];
		if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds) != 0 || dup2(fds[1], STDIN_FILENO) < 0)
			abort();
		agent = fds[0];
		(void)snprintf(desk.state, sizeof(desk.state), "/dev/shm/fuzz_dbus.%ld", (long)getpid());
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, bus) != 0)
		abort();
	char state[sizeof(desk.state)];
	memcpy(state, desk.state, sizeof(state));
	memset(&desk, 0, sizeof(desk));
	memcpy(desk.state, state, sizeof(state));
	desk.bus.fd = desk.monitor.fd = bus[0];
	desk.greeted = true;
	for (unsigned i = 0; i < 4; i++) {
		desk.shown[i].id = i + 1;
		desk.shown[i].serial = i + 1;
		desk.programs[i] = i + 1;
	}
	/* Two bytes in front of each piece: what it is, and its length. */
	for (size_t at = 0; at + 2 <= size;) {
		struct dbus *b = data[at] & 0x80 ? &desk.monitor : &desk.bus;
		size_t len = (size_t)data[at + 1] * 4;
		len = len < size - at - 2 ? len : size - at - 2;
		bool raw = (data[at] & 0x40) != 0;
		size_t n = raw ? len : wrap(data[at] & 0x3f, data + at + 2, len, message, sizeof(message));
		if (n <= sizeof(b->in) - b->in_len) {
			memcpy(b->in + b->in_len, raw ? data + at + 2 : message, n);
			b->in_len += n;
		}
		if (data[at] & 0x80)
			turn_monitor();
		else
			(void)turn_bus();
		check_agent();
		/* What it calls goes nowhere. */
		static uint8_t sink[65536];
		while (recv(bus[1], sink, sizeof(sink), MSG_DONTWAIT) > 0)
			;
		at += 2 + len;
	}
	close(bus[0]);
	close(bus[1]);
	return 0;
}
