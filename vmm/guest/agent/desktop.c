#include "desktop.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "dbus.h"

#define SHOWN 64u   /* alerts of the other side, and of programs here, that are known at most */
#define PENDING 16u /* calls that were not answered yet */
#define ANSWER_MS 5000
#define NOTIFY "org.freedesktop.Notifications"
#define NOTIFY_PATH "/org/freedesktop/Notifications"
#define BUS "org.freedesktop.DBus"
#define BUS_PATH "/org/freedesktop/DBus"
#define CLOSED_BY_USER 2u
#define CLOSED_BY_CALL 3u

typedef unsigned long long ull;

static struct desktop {
	struct dbus bus, monitor;
	char own[64], epoch[20], other[20]; /* own: name on the bus */
	char state[128];                    /* file of what outlives this process, but not the session */
	bool greeted, asked;                /* HELLO of the agent came; it was asked for alerts */
	bool markup;
	uint32_t capabilities; /* serial of the question, 0: none is open */
	uint64_t mark;         /* the last alert that was shown */
	struct {
		uint64_t id;
		uint32_t number; /* the server's, 0 until it answers */
		uint32_t serial; /* of the call */
	} shown[SHOWN];
	unsigned shown_at;
	uint32_t programs[SHOWN]; /* numbers of what programs show and the other side was told */
	unsigned programs_at;
	struct {
		char sender[64];
		uint32_t serial;
		struct item item;
	} pending[PENDING];
	unsigned pending_at;
} desk;

/* Markup */

static const struct {
	char c;
	const char *entity;
} entities[] = { { '&', "&amp;" }, { '<', "&lt;" }, { '>', "&gt;" }, { '"', "&quot;" }, { '\'', "&apos;" }, { '\'', "&#39;" } };
#define ENTITIES (sizeof(entities) / sizeof(entities[0]))

void desktop_escape(char *ret, size_t size, const char *text)
{
	size_t at = 0;
	for (; *text; text++) {
		const char *piece = NULL;
		for (size_t i = 0; i < 3; i++)
			piece = *text == entities[i].c ? entities[i].entity : piece;
		size_t len = piece ? strlen(piece) : 1;
		if (at + len >= size)
			break;
		memcpy(ret + at, piece ? piece : text, len);
		at += len;
	}
	/* Not within a character. */
	while (*text && at && ((unsigned char)*text & 0xc0) == 0x80) {
		text--;
		at--;
	}
	ret[at] = 0;
}

/* A tag is '<', a letter or '/', up to '>'; any other '<' is one that a program did not escape. */
static size_t tag_len(const char *p)
{
	bool letter = (p[1] | 32) >= 'a' && (p[1] | 32) <= 'z';
	const char *end = *p == '<' && (letter || p[1] == '/') ? strchr(p, '>') : NULL;
	return end ? (size_t)(end - p) + 1 : 0;
}

void desktop_strip(char *ret, size_t size, const char *markup)
{
	size_t at = 0;
	while (*markup && at + 1 < size) {
		size_t len = tag_len(markup);
		if (len) {
			markup += len;
			continue;
		}
		const char *rest = NULL;
		for (size_t i = 0; i < ENTITIES && !rest; i++) {
			rest = agent_after(markup, entities[i].entity);
			if (rest)
				ret[at++] = entities[i].c;
		}
		if (!rest) {
			ret[at++] = *markup;
			rest = markup + 1;
		}
		markup = rest;
	}
	ret[at] = 0;
}

/* To the agent */

static void tell(const void *data, size_t len)
{
	(void)send(STDIN_FILENO, data, len, MSG_NOSIGNAL);
}

__attribute__((format(printf, 1, 2))) static void tell_text(const char *format, ...)
{
	char text[128];
	va_list args;
	va_start(args, format);
	int n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (n > 0 && (size_t)n < sizeof(text))
		tell(text, (size_t)n);
}

/* What outlives this process: which alerts were shown, in this session of this run of the handset. */

static void save(void)
{
	char text[SHOWN * 36 + 96];
	size_t at = 0;
	int n = snprintf(text, sizeof(text), "%s %s %llu\n", desk.bus.guid, desk.epoch, (ull)desk.mark);
	for (unsigned i = 0; n > 0 && i < SHOWN; i++) {
		at += (size_t)n;
		n = snprintf(text + at, sizeof(text) - at, "%llu %u\n", (ull)desk.shown[i].id, (unsigned)desk.shown[i].number);
		if (n < 0 || (size_t)n >= sizeof(text) - at)
			return;
	}
	at += n > 0 ? (size_t)n : 0;
	(void)agent_write_file(desk.state, text, at);
}

static void load(void)
{
	char text[SHOWN * 36 + 97], guid[40], epoch[24];
	ull mark, id;
	unsigned number;
	if (agent_read_file(desk.state, text, sizeof(text)) < 0)
		return;
	/* NOLINTNEXTLINE(cert-err34-c): our own file */
	if (sscanf(text, "%39s %23s %llu", guid, epoch, &mark) != 3 || strcmp(guid, desk.bus.guid) != 0 || strcmp(epoch, desk.epoch) != 0)
		return;
	desk.mark = mark;
	const char *line = strchr(text, '\n');
	for (unsigned i = 0; line && i < SHOWN; i++, line = strchr(line + 1, '\n')) {
		if (sscanf(line + 1, "%llu %u", &id, &number) != 2) /* NOLINT(cert-err34-c): our own file */
			break;
		desk.shown[i].id = id;
		desk.shown[i].number = number;
	}
}

/* Calls */

static uint8_t out[32768];

static void begin(struct dbus *b, struct dbus_writer *w, const struct dbus_call *call)
{
	dbus_begin(w, out, sizeof(out), ++b->serial, call);
}

/* A call of the bus itself, with one text or none. */
static bool call_bus(struct dbus *b, const char *member, const char *text)
{
	const struct dbus_call call = { BUS, BUS_PATH, BUS, member, text ? "s" : "" };
	struct dbus_writer w;
	begin(b, &w, &call);
	if (text)
		dbus_put_string(&w, text);
	return dbus_send(b, out, dbus_end(&w));
}

/* Waits for the answer to the last call; whatever else comes meanwhile is of no use yet. */
static bool answered(struct dbus *b, char *ret, size_t size)
{
	uint64_t end = agent_now_ms() + ANSWER_MS;
	struct dbus_message m;
	for (;;) {
		while (dbus_next(b, &m)) {
			bool ours = m.reply_serial == b->serial && (m.type == DBUS_RETURN || m.type == DBUS_ERROR);
			bool ok = ours && m.type == DBUS_RETURN;
			if (ok && ret)
				ok = strcmp(m.signature, "s") == 0 && agent_format(ret, size, "%s", dbus_get_string(&m.body));
			dbus_done(b);
			if (ours)
				return ok;
		}
		uint64_t now = agent_now_ms();
		struct pollfd p = { b->fd, POLLIN, 0 };
		if (now >= end || poll(&p, 1, (int)(end - now)) <= 0 || !dbus_receive(b))
			return false;
	}
}

static bool ask_capabilities(void)
{
	const struct dbus_call call = { NOTIFY, NOTIFY_PATH, NOTIFY, "GetCapabilities", "" };
	struct dbus_writer w;
	begin(&desk.bus, &w, &call);
	desk.capabilities = desk.bus.serial;
	return dbus_send(&desk.bus, out, dbus_end(&w));
}

static bool close_number(uint32_t number)
{
	const struct dbus_call call = { NOTIFY, NOTIFY_PATH, NOTIFY, "CloseNotification", "u" };
	struct dbus_writer w;
	begin(&desk.bus, &w, &call);
	dbus_put_u32(&w, number);
	return dbus_send(&desk.bus, out, dbus_end(&w));
}

/* Showing */

/* Names of section "Categories", where there are any. */
static const struct {
	const char *prefix, *name;
	uint8_t category;
} known_categories[] = {
	{ "email", "email.arrived", MVP_NOTIFY_MAIL },      { "im", "im.received", MVP_NOTIFY_MESSAGE },
	{ "call", "call.incoming", MVP_NOTIFY_CALL },       { "x-mvp.calendar", "x-mvp.calendar", MVP_NOTIFY_CALENDAR },
	{ "x-mvp.alarm", "x-mvp.alarm", MVP_NOTIFY_ALARM }, { "device", "device", MVP_NOTIFY_SYSTEM },
	{ "network", "network", MVP_NOTIFY_SYSTEM },        { "transfer", "transfer", MVP_NOTIFY_SYSTEM },
};
#define CATEGORIES (sizeof(known_categories) / sizeof(known_categories[0]))

static void put_entry(struct dbus_writer *w, const char *name, const char *type)
{
	dbus_put_align(w, 8);
	dbus_put_string(w, name);
	dbus_put_signature(w, type);
}

static void put_hints(struct dbus_writer *w, const struct item *i)
{
	static const uint8_t urgency[MVP_NOTIFY_PRIORITIES] = { 0, 1, 1, 2 };
	size_t hints = dbus_put_array(w, 8);
	put_entry(w, "urgency", "y");
	dbus_put_byte(w, urgency[i->fields.priority]);
	for (size_t k = 0; k < CATEGORIES; k++) {
		if (known_categories[k].category != i->fields.category)
			continue;
		put_entry(w, "category", "s");
		dbus_put_string(w, known_categories[k].name);
		break;
	}
	dbus_end_array(w, hints, 8);
}

/* Whose it is stands in front of the title: servers do not always show who calls. */
static bool show(const struct item *i)
{
	static char summary[MVP_NOTIFY_TITLE_MAX + 32], body[6 * MVP_NOTIFY_TEXT_MAX + 1];
	const struct dbus_call call = { NOTIFY, NOTIFY_PATH, NOTIFY, "Notify", "susssasa{sv}i" };
	struct dbus_writer w;
	(void)agent_format(summary, sizeof(summary), "%s: %s", desk.other, i->title[0] ? i->title : i->app[0] ? i->app : "an alert");
	if (desk.markup)
		desktop_escape(body, sizeof(body), i->body);
	else
		(void)agent_format(body, sizeof(body), "%s", i->body);
	begin(&desk.bus, &w, &call);
	dbus_put_string(&w, i->app[0] ? i->app : desk.other);
	dbus_put_u32(&w, 0);
	dbus_put_string(&w, "");
	dbus_put_string(&w, summary);
	dbus_put_string(&w, body);
	size_t actions = dbus_put_array(&w, 4);
	if (i->fields.actions & MVP_NOTIFY_CAN_OPEN) {
		dbus_put_string(&w, "default");
		dbus_put_string(&w, "Open");
	}
	dbus_end_array(&w, actions, 4);
	put_hints(&w, i);
	dbus_put_u32(&w, UINT32_MAX); /* -1: as long as the server likes */
	desk.shown[desk.shown_at].id = i->fields.id;
	desk.shown[desk.shown_at].number = 0;
	desk.shown[desk.shown_at].serial = desk.bus.serial;
	desk.shown_at = (desk.shown_at + 1) % SHOWN;
	desk.mark = i->fields.id;
	return dbus_send(&desk.bus, out, dbus_end(&w));
}

/* From the agent */

static bool on_item(const uint8_t *data, size_t len)
{
	static struct item i;
	if (!item_unpack(data, len, &i) || i.fields.kind != MVP_NOTIFY_ALERT || i.fields.id <= desk.mark)
		return true;
	/* In quiet hours nothing pops up; it is in the agent's list. */
	bool ok = i.fields.flags & MVP_NOTIFY_QUIET ? true : show(&i);
	desk.mark = i.fields.id;
	save();
	return ok;
}

static bool on_gone(const char *number)
{
	uint64_t id;
	bool ok = true;
	for (unsigned i = 0; agent_number(number, UINT64_MAX, &id) && i < SHOWN; i++) {
		if (desk.shown[i].id != id || !id)
			continue;
		/* If the server did not answer yet, when it does. */
		ok = !desk.shown[i].number || close_number(desk.shown[i].number);
		desk.shown[i].id = desk.shown[i].number = 0;
	}
	return ok;
}

static bool on_dismissed(const char *key)
{
	const char *digits = agent_after(key, DESKTOP_KEY_PREFIX);
	uint64_t number;
	bool ok = true;
	for (unsigned i = 0; digits && agent_number(digits, UINT32_MAX, &number) && i < SHOWN; i++) {
		if (!number || desk.programs[i] != number)
			continue;
		desk.programs[i] = 0; /* it need not be told */
		ok = close_number((uint32_t)number);
	}
	return ok;
}

static bool on_hello(const char *text)
{
	const char *space = strchr(text, ' ');
	if (desk.greeted || !space || !agent_format(desk.epoch, sizeof(desk.epoch), "%.*s", (int)(space - text), text) ||
	    !agent_format(desk.other, sizeof(desk.other), "%s", space + 1))
		return false; /* the handset's numbers begin again: so does this process */
	desk.greeted = true;
	load();
	return ask_capabilities();
}

static bool from_agent(void)
{
	static char packet[DESKTOP_PACKET_MAX + 1];
	ssize_t n = recv(STDIN_FILENO, packet, sizeof(packet) - 1, 0);
	if (n <= 0)
		return false;
	packet[n] = 0;
	switch (packet[0]) {
	case 'H':
		return on_hello(packet + 1);
	case 'I':
		return on_item((const uint8_t *)packet + 1, (size_t)n - 1);
	case 'C':
		return on_gone(packet + 1);
	case 'K':
		return on_dismissed(packet + 1);
	default:
		return true;
	}
}

/* From the bus */

static void on_capabilities(struct dbus_message *m)
{
	size_t end = 0;
	desk.capabilities = 0;
	desk.markup = false;
	if (m->type == DBUS_RETURN && strcmp(m->signature, "as") == 0)
		dbus_get_array(&m->body, 4, &end);
	while (!m->body.wrong && m->body.at < end)
		desk.markup |= strcmp(dbus_get_string(&m->body), "body-markup") == 0;
	/* Without a server, when there is one. */
	if (m->type == DBUS_RETURN && !desk.asked) {
		desk.asked = true;
		tell_text("A%llu", (ull)desk.mark);
	}
}

static bool on_shown(struct dbus_message *m)
{
	bool ok = true;
	for (unsigned i = 0; i < SHOWN; i++) {
		if (desk.shown[i].serial != m->reply_serial || !m->reply_serial)
			continue;
		desk.shown[i].serial = 0;
		if (m->type == DBUS_RETURN && strcmp(m->signature, "u") == 0)
			desk.shown[i].number = dbus_get_u32(&m->body);
		if (!desk.shown[i].id && desk.shown[i].number) { /* gone meanwhile */
			ok = close_number(desk.shown[i].number);
			desk.shown[i].number = 0;
		}
		save();
	}
	return ok;
}

/* The user did something about an alert of the other side. */
static void on_signal(struct dbus_message *m)
{
	uint32_t number = dbus_get_u32(&m->body), reason = 0;
	bool open = strcmp(m->member, "ActionInvoked") == 0 && strcmp(m->signature, "us") == 0;
	bool closed = strcmp(m->member, "NotificationClosed") == 0 && strcmp(m->signature, "uu") == 0;
	if (open && strcmp(dbus_get_string(&m->body), "default") != 0)
		return;
	if (closed)
		reason = dbus_get_u32(&m->body);
	for (unsigned i = 0; i < SHOWN && number; i++) {
		if (desk.shown[i].number != number || !(open || reason == CLOSED_BY_USER))
			continue;
		tell_text("%c%llu", open ? 'o' : 'd', (ull)desk.shown[i].id);
		desk.shown[i].id = desk.shown[i].number = 0;
		save();
	}
}

static bool on_owner(struct dbus_message *m)
{
	const char *name = dbus_get_string(&m->body);
	(void)dbus_get_string(&m->body);
	const char *now = dbus_get_string(&m->body);
	if (m->body.wrong || strcmp(name, NOTIFY) != 0)
		return true;
	/* Another server's numbers are others. */
	memset(desk.shown, 0, sizeof(desk.shown));
	memset(desk.programs, 0, sizeof(desk.programs));
	return !*now || !desk.greeted || ask_capabilities();
}

static bool turn_bus(void)
{
	struct dbus_message m;
	bool ok = true;
	while (ok && dbus_next(&desk.bus, &m)) {
		bool answer = m.type == DBUS_RETURN || m.type == DBUS_ERROR;
		if (answer && desk.capabilities && m.reply_serial == desk.capabilities)
			on_capabilities(&m);
		else if (answer)
			ok = on_shown(&m);
		else if (m.type == DBUS_SIGNAL && strcmp(m.interface, NOTIFY) == 0)
			on_signal(&m);
		else if (m.type == DBUS_SIGNAL && strcmp(m.interface, BUS) == 0 && strcmp(m.member, "NameOwnerChanged") == 0)
			ok = on_owner(&m);
		dbus_done(&desk.bus);
	}
	return ok;
}

/* What programs show */

static void take_hint(struct dbus_reader *r, struct item *i)
{
	dbus_align(r, 8);
	const char *name = dbus_get_string(r), *type = dbus_get_signature(r);
	if (strcmp(name, "urgency") == 0 && strcmp(type, "y") == 0) {
		uint8_t urgency = dbus_get_byte(r);
		i->fields.priority = urgency == 0 ? MVP_NOTIFY_LOW : urgency == 1 ? MVP_NOTIFY_NORMAL : MVP_NOTIFY_URGENT;
	} else if (strcmp(name, "category") == 0 && strcmp(type, "s") == 0) {
		const char *category = dbus_get_string(r);
		for (size_t k = 0; k < CATEGORIES; k++) {
			if (agent_after(category, known_categories[k].prefix)) {
				i->fields.category = known_categories[k].category;
				break;
			}
		}
	} else {
		dbus_skip(r, type);
	}
}

static void on_notify(struct dbus_message *m)
{
	static char plain[4 * MVP_NOTIFY_TEXT_MAX];
	struct dbus_reader *r = &m->body;
	size_t end;
	if (strcmp(m->signature, "susssasa{sv}i") != 0 || strcmp(m->sender, desk.own) == 0 ||
	    strlen(m->sender) >= sizeof(desk.pending[0].sender))
		return;
	struct item *i = &desk.pending[desk.pending_at].item;
	memset(i, 0, sizeof(*i));
	i->fields.kind = MVP_NOTIFY_ALERT;
	i->fields.priority = MVP_NOTIFY_NORMAL;
	i->fields.actions = MVP_NOTIFY_ACTIONS;
	i->fields.time = (uint64_t)time(NULL);
	item_text(i->app, MVP_NOTIFY_APP_MAX + 1, dbus_get_string(r), false);
	(void)dbus_get_u32(r);
	(void)dbus_get_string(r);
	item_text(i->title, MVP_NOTIFY_TITLE_MAX + 1, dbus_get_string(r), false);
	desktop_strip(plain, sizeof(plain), dbus_get_string(r));
	item_text(i->body, MVP_NOTIFY_TEXT_MAX + 1, plain, true);
	dbus_skip(r, "as");
	dbus_get_array(r, 8, &end);
	while (!r->wrong && r->at < end)
		take_hint(r, i);
	if (r->wrong)
		return;
	(void)agent_format(desk.pending[desk.pending_at].sender, sizeof(desk.pending[0].sender), "%s", m->sender);
	desk.pending[desk.pending_at].serial = m->serial;
	desk.pending_at = (desk.pending_at + 1) % PENDING;
}

static bool is_told(uint32_t number)
{
	bool found = false;
	for (unsigned i = 0; i < SHOWN; i++) {
		if (desk.programs[i] != number || !number)
			continue;
		desk.programs[i] = 0;
		found = true;
	}
	return found;
}

/* The server gave it a number: by that it is known to the agent. */
static void on_numbered(struct dbus_message *m)
{
	static char packet[DESKTOP_PACKET_MAX];
	uint32_t number = strcmp(m->signature, "u") == 0 ? dbus_get_u32(&m->body) : 0;
	for (unsigned i = 0; i < PENDING && number; i++) {
		if (!desk.pending[i].serial || desk.pending[i].serial != m->reply_serial ||
		    strcmp(desk.pending[i].sender, m->destination) != 0)
			continue;
		desk.pending[i].serial = 0;
		if (is_told(number)) /* it takes the place of an older one */
			tell_text("W%s%u", DESKTOP_KEY_PREFIX, (unsigned)number);
		desk.programs[desk.programs_at] = number;
		desk.programs_at = (desk.programs_at + 1) % SHOWN;
		int n = snprintf(packet, 64, "P%s%u\n", DESKTOP_KEY_PREFIX, (unsigned)number);
		tell(packet, (size_t)n + item_pack(&desk.pending[i].item, (uint8_t *)packet + n));
	}
}

static void on_program_closed(struct dbus_message *m)
{
	uint32_t number = dbus_get_u32(&m->body), reason = dbus_get_u32(&m->body);
	/* One that ran out of time was perhaps not seen. */
	if (!m->body.wrong && (reason == CLOSED_BY_USER || reason == CLOSED_BY_CALL) && is_told(number))
		tell_text("W%s%u", DESKTOP_KEY_PREFIX, (unsigned)number);
}

static void turn_monitor(void)
{
	struct dbus_message m;
	while (desk.monitor.fd >= 0 && dbus_next(&desk.monitor, &m)) {
		struct dbus_message copy = m;
		if (m.type == DBUS_CALL && strcmp(m.member, "Notify") == 0 && strcmp(m.path, NOTIFY_PATH) == 0)
			on_notify(&m);
		else if (m.type == DBUS_RETURN)
			on_numbered(&m);
		else if (m.type == DBUS_SIGNAL && strcmp(m.member, "NotificationClosed") == 0 && strcmp(m.signature, "uu") == 0)
			on_program_closed(&m);
		/* A server tells only who asked it to show something, which was perhaps the process before this one. */
		if (copy.type == DBUS_SIGNAL)
			on_signal(&copy);
		dbus_done(&desk.monitor);
	}
}

/* Start */

static const char *join_bus(const char *bus_path)
{
	static const char *const matches[] = { "type='signal',interface='" NOTIFY "',path='" NOTIFY_PATH "'",
					       "type='signal',sender='" BUS "',member='NameOwnerChanged',arg0='" NOTIFY "'" };
	const char *wrong = dbus_open(&desk.bus, bus_path);
	if (wrong)
		return wrong;
	if (!call_bus(&desk.bus, "Hello", NULL) || !answered(&desk.bus, desk.own, sizeof(desk.own)))
		return "the bus does not greet us";
	for (size_t i = 0; i < sizeof(matches) / sizeof(matches[0]); i++) {
		if (!call_bus(&desk.bus, "AddMatch", matches[i]) || !answered(&desk.bus, NULL, 0))
			return "the bus does not say what happens on it";
	}
	return NULL;
}

/* D-Bus Specification, org.freedesktop.DBus.Monitoring. */
static const char *join_as_monitor(const char *bus_path)
{
	static const char *const rules[] = { "type='method_call',interface='" NOTIFY "',member='Notify'",
					     "type='method_return',sender='" NOTIFY "'",
					     "type='signal',interface='" NOTIFY "',sender='" NOTIFY "'" };
	const struct dbus_call call = { BUS, BUS_PATH, BUS ".Monitoring", "BecomeMonitor", "asu" };
	struct dbus_writer w;
	const char *wrong = dbus_open(&desk.monitor, bus_path);
	if (wrong)
		return wrong;
	if (!call_bus(&desk.monitor, "Hello", NULL) || !answered(&desk.monitor, NULL, 0))
		return "the bus does not greet us twice";
	begin(&desk.monitor, &w, &call);
	size_t array = dbus_put_array(&w, 4);
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		dbus_put_string(&w, rules[i]);
	dbus_end_array(&w, array, 4);
	dbus_put_u32(&w, 0);
	return dbus_send(&desk.monitor, out, dbus_end(&w)) && answered(&desk.monitor, NULL, 0) ? NULL : "the bus lets nobody listen";
}

int desktop_run(const char *bus_path)
{
	const char *slash = strrchr(bus_path, '/');
	(void)agent_format(desk.state, sizeof(desk.state), "%.*s/mvp-shown", slash ? (int)(slash - bus_path) : 1, slash ? bus_path : ".");
	const char *wrong = join_bus(bus_path);
	if (wrong) {
		agent_log("'%s': %s", bus_path, wrong);
		return 1;
	}
	wrong = join_as_monitor(bus_path);
	if (wrong) {
		agent_log("'%s': %s: alerts of this side's programs do not go to the other side", bus_path, wrong);
		if (desk.monitor.fd >= 0)
			close(desk.monitor.fd);
		desk.monitor.fd = -1;
	}
	while (turn_bus()) {
		turn_monitor();
		struct pollfd fds[] = { { STDIN_FILENO, POLLIN, 0 }, { desk.bus.fd, POLLIN, 0 }, { desk.monitor.fd, POLLIN, 0 } };
		if (poll(fds, 3, -1) < 0 && errno != EINTR)
			return 1;
		if ((fds[0].revents && !from_agent()) || (fds[1].revents && !dbus_receive(&desk.bus)) ||
		    (fds[2].revents && !dbus_receive(&desk.monitor)))
			return 0;
	}
	return 0;
}
