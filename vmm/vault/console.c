/* The console of the handset. The configuration chooses one of two modes.
 *
 * MUX, for people. The persona in front has the UART to itself. What the other one prints is kept (the last 16 KiB) and shown when it comes
 * to the front. The switch key (a byte, by default 0x1d, Ctrl-]) brings the next persona to the front, and a line `[mvp] NAME` in its
 * colour says so. The vault's own lines are `[mvp] TEXT`. While the persona in front is locked, the vault asks
 *     [mvp] NAME is locked. Passcode:
 * and reads it without echo: Enter ends it, Backspace and Delete take a character back, Ctrl-U takes all, 128 bytes at most.
 *
 * PREFIXED, for programs. Lines end with LF. Every line of output starts with its source, `|` and a space:
 *     personal| text of the persona        (the name of the persona, from the configuration)
 *     mvp| text of the vault
 * A CR in front of the LF is dropped. A line that a persona has begun and not ended, such as a prompt, is shown after 50 ms of silence, or
 * half a second after it began. If another source prints meanwhile, the unfinished line is ended, and its rest begins with the prefix
 * again. Input is taken by lines ending with LF, CR or both:
 *     NAME|text        sends text and LF to the console of persona NAME (other control characters pass as they are)
 *     mvp|COMMAND      is for the vault: unlock PASSCODE, status, network, disk, switch, poweroff, reset
 * `unlock` opens the persona that is locked. `status` prints `status NAME STATE` for each persona, with STATE one of waiting, locked,
 * unlocking, loading, running, off, failed, barred, wiping, wiped, and then `status front NAME`. `network` prints counts of frames, `disk`
 * what is under way. `serial`, `order BASE64`, `receipt`, `receipt-done N`, `attest HEXNONCE` and `contact` are those of the control port
 * (control.c); a question that comes before the last one is answered gets `mvp| busy`. Lines of other forms get `mvp| unknown line` or
 * `mvp| unknown command`. A line is at most 4100 bytes. Input waits while the persona it is for has no room for it.
 *
 * A persona's console is its UART or, once it has written to that, port 0 of its virtio console. */
#include "console.h"

#include "devices/vconsole.h"
#include "devices/vpl011.h"
#include "drivers/pl011.h"
#include "handset.h"
#include "net.h"
#include "orders.h"
#include "timer.h"

#define TX_SIZE 0x10000u
#define TX_PERSONAS (TX_SIZE / 2) /* personas stop here; the rest is the vault's */
#define HISTORY_SIZE 0x4000u
#define LINE_SIZE 256u                   /* output of a persona gathered before it is shown */
#define INPUT_SIZE (5 + ORDERS_LINE_MAX) /* with `mvp|` and a NUL */
#define PASSCODE_SIZE 128u
#define INPUT_BATCH 256 /* bytes read before others get a turn */
#define QUIET_MS 50
#define PATIENCE_MS 500
#define NOBODY 0

struct history {
	uint8_t data[HISTORY_SIZE];
	uint32_t at, len;
};

struct line {
	char data[LINE_SIZE];
	uint32_t len;
	uint64_t first, last; /* counter values at its first and last character */
};

/* Output; under the lock. */
static struct {
	struct spinlock lock;
	uint8_t tx[TX_SIZE];
	uint32_t tx_at, tx_len;
	bool column;    /* MUX: the last character was no newline */
	unsigned owner; /* PREFIXED: whose unfinished line is on the wire: 1 + persona, or NOBODY */
	unsigned front;
	bool ask; /* MUX: the passcode prompt is shown */
	struct history history[MVP_MAX_PERSONAS];
	struct line line[MVP_MAX_PERSONAS];
} out;

/* Input; CPU 0 only, but for waiting. */
static struct {
	char line[INPUT_SIZE];
	uint32_t len;
	bool too_long;
	bool after_cr;
	bool complete; /* the line waits for room at the persona it is for */
	bool waiting;  /* the UART's receive interrupt is off until then */
	char passcode[PASSCODE_SIZE];
	uint32_t passcode_len;
} in;

static bool prefixed(void)
{
	return mvp_vault_config.console == MVP_CONSOLE_PREFIXED;
}

/* Output, with the lock held */

static void put(uint8_t c)
{
	if (!out.tx_len && pl011_put(c))
		return;
	if (out.tx_len == TX_SIZE)
		return; /* only the vault's own lines get this far */
	out.tx[(out.tx_at + out.tx_len++) % TX_SIZE] = c;
	pl011_tx_interrupt(true);
}

static void put_text(const char *text)
{
	for (; *text; text++)
		put((uint8_t)*text);
}

static void drain(void)
{
	while (out.tx_len && pl011_put(out.tx[out.tx_at])) {
		out.tx[out.tx_at] = 0; /* what a persona printed is not kept */
		out.tx_at = (out.tx_at + 1) % TX_SIZE;
		out.tx_len--;
	}
	pl011_tx_interrupt(out.tx_len != 0);
}

static void history_put(struct history *h, uint8_t c)
{
	if (h->len == HISTORY_SIZE) {
		h->at = (h->at + 1) % HISTORY_SIZE;
		h->len--;
	}
	h->data[(h->at + h->len++) % HISTORY_SIZE] = c;
}

/* Shows what the front persona's history holds, as far as there is room; the rest follows when the UART has sent some. */
static void replay(void)
{
	struct history *h = &out.history[out.front];
	while (h->len && out.tx_len < TX_PERSONAS) {
		uint8_t c = h->data[h->at];
		h->data[h->at] = 0;
		h->at = (h->at + 1) % HISTORY_SIZE;
		h->len--;
		out.column = c != '\n';
		put(c);
	}
}

static void prompt(void)
{
	put_text("[mvp] ");
	put_text(mvp_vault_config.persona[out.front].name);
	put_text(" is locked. Passcode: ");
	out.column = true;
}

static void vault_line(const char *text)
{
	if (prefixed()) {
		if (out.owner != NOBODY)
			put('\n');
		out.owner = NOBODY;
		put_text("mvp| ");
		put_text(text);
		put('\n');
		return;
	}
	if (out.column)
		put_text("\r\n");
	put_text("[mvp] ");
	put_text(text);
	put_text("\r\n");
	out.column = false;
	if (out.ask)
		prompt();
}

static void flush_line(unsigned persona, bool end)
{
	struct line *l = &out.line[persona];
	if (out.owner != 1 + persona) {
		if (out.owner != NOBODY)
			put('\n');
		put_text(mvp_vault_config.persona[persona].name);
		put_text("| ");
	}
	uint32_t len = l->len;
	if (end && len && l->data[len - 1] == '\r')
		len--;
	for (uint32_t i = 0; i < len; i++)
		put((uint8_t)l->data[i]);
	if (end)
		put('\n');
	out.owner = end ? NOBODY : 1 + persona;
	l->len = 0;
}

static void put_prefixed(unsigned persona, uint8_t c)
{
	struct line *l = &out.line[persona];
	uint64_t now = arch_counter();
	if (c == '\n') {
		flush_line(persona, true);
		return;
	}
	if (l->len == LINE_SIZE)
		flush_line(persona, false);
	if (!l->len) {
		l->first = now;
		timer_at(now + arch_ms(QUIET_MS));
	}
	l->last = now;
	l->data[l->len++] = (char)c;
}

static bool has_room(unsigned persona)
{
	if (prefixed())
		return out.tx_len < TX_PERSONAS;
	if (persona != out.front)
		return true;
	/* While old output is still being shown, new output queues up behind it. */
	return out.history[persona].len ? out.history[persona].len < HISTORY_SIZE : out.tx_len < TX_PERSONAS;
}

/* Interface */

bool console_has_room(unsigned persona)
{
	spin_lock(&out.lock);
	bool room = has_room(persona);
	spin_unlock(&out.lock);
	return room;
}

bool console_put(unsigned persona, uint8_t c)
{
	spin_lock(&out.lock);
	bool room = has_room(persona);
	if (!room) {
		/* Not taken. */
	} else if (prefixed()) {
		put_prefixed(persona, c);
	} else if (persona != out.front || out.history[persona].len || out.tx_len >= TX_PERSONAS) {
		history_put(&out.history[persona], c);
	} else {
		out.column = c != '\n';
		put(c);
	}
	spin_unlock(&out.lock);
	return room;
}

void console_log(const char *format, ...)
{
	char text[200];
	va_list args;
	va_start(args, format);
	text_vformat(text, sizeof(text), format, args);
	va_end(args);
	spin_lock(&out.lock);
	vault_line(text);
	spin_unlock(&out.lock);
}

void console_line(const char *text)
{
	spin_lock(&out.lock);
	vault_line(text);
	spin_unlock(&out.lock);
}

void console_answer(unsigned source)
{
	char text[ORDERS_ANSWER_MAX];
	size_t len = orders_answer(source, text);
	if (!len)
		return;
	text[len - 1] = 0; /* its newline */
	console_line(text);
}

void console_forget(unsigned persona)
{
	spin_lock(&out.lock);
	wipe(&out.history[persona], sizeof(out.history[persona]));
	wipe(&out.line[persona], sizeof(out.line[persona]));
	spin_unlock(&out.lock);
}

void console_tick(uint64_t now)
{
	uint64_t quiet = arch_ms(QUIET_MS);
	spin_lock(&out.lock);
	for (unsigned p = 0; p < mvp_vault_config.personas; p++) {
		struct line *l = &out.line[p];
		if (!l->len)
			continue;
		/* A CR may be the first half of a line's end. */
		bool due = now - l->last >= quiet || now - l->first >= arch_ms(PATIENCE_MS);
		if (due && !(l->len == 1 && l->data[0] == '\r' && out.owner == 1 + p))
			flush_line(p, false);
		else if (!due)
			timer_at(l->last + quiet);
	}
	spin_unlock(&out.lock);
}

void console_start(void)
{
	pl011_start(mvp_vault_config.uart_pa);
	hc(MVP_HC_IRQ_ENABLE, mvp_vault_config.uart_intid, 1, 0);
}

unsigned console_front(void)
{
	return out.front;
}

void console_show(unsigned persona)
{
	const struct mvp_vault_persona *p = &mvp_vault_config.persona[persona];
	char text[80];
	spin_lock(&out.lock);
	bool changed = persona != out.front;
	out.front = persona;
	if (!prefixed() && changed) {
		out.ask = false;
		text_format(text, sizeof(text), "%s\033[1;38;2;%u;%u;%um[mvp] %s\033[0m\r\n", out.column ? "\r\n" : "",
			    p->color >> 16 & 255, p->color >> 8 & 255, p->color & 255, p->name);
		put_text(text);
		out.column = false;
		replay();
	}
	spin_unlock(&out.lock);
	wipe(in.passcode, sizeof(in.passcode));
	in.passcode_len = 0;
}

void console_ask_passcode(bool ask)
{
	if (prefixed())
		return;
	spin_lock(&out.lock);
	if (ask && !out.ask) {
		if (out.column)
			put_text("\r\n");
		prompt();
	}
	out.ask = ask;
	spin_unlock(&out.lock);
}

/* Input */

static void passcode_byte(uint8_t c)
{
	if (c == '\r' || c == '\n') {
		spin_lock(&out.lock);
		out.ask = false;
		spin_unlock(&out.lock);
		handset_unlock(out.front, (const uint8_t *)in.passcode, in.passcode_len);
		wipe(in.passcode, sizeof(in.passcode));
		in.passcode_len = 0;
	} else if (c == 0x08 || c == 0x7f) {
		if (in.passcode_len)
			in.passcode[--in.passcode_len] = 0;
	} else if (c == 0x15) {
		wipe(in.passcode, sizeof(in.passcode));
		in.passcode_len = 0;
	} else if (in.passcode_len < PASSCODE_SIZE) {
		in.passcode[in.passcode_len++] = (char)c;
	}
}

/* Input goes where the persona's console is. False, and nothing taken, if there is no room for all of it. */
static bool give(unsigned persona, const uint8_t *data, size_t len)
{
	return vconsole_has_input(persona) ? vconsole_receive(persona, data, len) : vpl011_receive(persona, data, len);
}

static void mux_byte(uint8_t c)
{
	if (c == mvp_vault_config.console_key)
		handset_switch();
	else if (out.ask)
		passcode_byte(c);
	else
		give(out.front, &c, 1);
}

static bool begins(const char *line, const char *word)
{
	while (*word && *line == *word) {
		line++;
		word++;
	}
	return !*word;
}

static void command(const char *text, uint32_t len)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} commands[] = {
		{ "status", handset_status },         { "network", net_status },         { "disk", handset_disk_status },
		{ "switch", handset_switch },         { "poweroff", handset_power_off }, { "reset", handset_reset },
#ifdef MVP_MEASURE
		{ "computed", handset_say_computed },
#endif
	};
	if (begins(text, "unlock ")) {
		handset_unlock_any((const uint8_t *)text + 7, len - 7);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (begins(text, commands[i].name) && !text[text_len(commands[i].name)]) {
			commands[i].run();
			return;
		}
	}
	if (orders_ask(ORDERS_CONSOLE, text, len))
		return;
	console_log(orders_is_asked(ORDERS_CONSOLE) ? "busy" : begins(text, "order ") ? "order refused" : "unknown command");
}

/* Acts on the complete line in in.line; false if it has to wait. */
static bool take_line(void)
{
	if (in.too_long) {
		console_log("line too long");
		return true;
	}
	in.line[in.len] = 0;
	if (begins(in.line, "mvp|")) {
		command(in.line + 4, in.len - 4);
		return true;
	}
	for (unsigned p = 0; p < mvp_vault_config.personas; p++) {
		uint32_t name = (uint32_t)text_len(mvp_vault_config.persona[p].name);
		if (!begins(in.line, mvp_vault_config.persona[p].name) || in.line[name] != '|')
			continue;
		in.line[in.len] = '\n';
		return give(p, (const uint8_t *)in.line + name + 1, in.len - name);
	}
	if (in.len)
		console_log("unknown line");
	return true;
}

static void prefixed_byte(uint8_t c)
{
	bool second_half = c == '\n' && in.after_cr;
	in.after_cr = c == '\r';
	if (second_half)
		return;
	if (c == '\n' || c == '\r')
		in.complete = true;
	else if (in.len < INPUT_SIZE - 1)
		in.line[in.len++] = (char)c;
	else
		in.too_long = true;
}

/* Acts on a complete line; false while it has to wait. */
static bool settle_line(void)
{
	if (!in.complete)
		return true;
	/* Set first: a persona that reads its last byte from here on rings CPU 0. */
	__atomic_store_n(&in.waiting, true, __ATOMIC_SEQ_CST);
	bool taken = take_line();
	if (taken) {
		__atomic_store_n(&in.waiting, false, __ATOMIC_SEQ_CST);
		wipe(in.line, sizeof(in.line));
		in.len = 0;
		in.complete = false;
		in.too_long = false;
	}
	spin_lock(&out.lock);
	pl011_rx_interrupt(taken);
	spin_unlock(&out.lock);
	return taken;
}

void console_input(void)
{
	for (unsigned n = 0; n < INPUT_BATCH && settle_line(); n++) {
		spin_lock(&out.lock);
		int c = pl011_get();
		spin_unlock(&out.lock);
		if (c < 0)
			return;
		if (prefixed())
			prefixed_byte((uint8_t)c);
		else
			mux_byte((uint8_t)c);
	}
	settle_line();
}

void console_wants_input(unsigned persona)
{
	(void)persona;
	if (__atomic_load_n(&in.waiting, __ATOMIC_SEQ_CST))
		hc(MVP_HC_DOORBELL, 0, 0, 0);
}

bool console_irq(uint32_t intid)
{
	if (intid != mvp_vault_config.uart_intid)
		return false;
	spin_lock(&out.lock);
	pl011_ack();
	drain();
	if (!prefixed())
		replay();
	spin_unlock(&out.lock);
	console_input();
	for (unsigned p = 0; p < mvp_vault_config.personas; p++) {
		vpl011_room(p);
		vconsole_room(p);
	}
	return true;
}
