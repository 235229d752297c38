#include "lock.h"

#include "../handset.h"
#include "../job.h"
#include "../lease.h"
#include "../state.h"
#include "../wipe.h"
#include "font.h"
#include "front.h"
#include "screen.h"

#define GROUND 0x14181cu
#define BOX_COLOR 0x2a3138u
#define INK 0xf0f0f0u
#define WARN_COLOR 0xffc107u

#define PASSCODE_MAX 128u
#define DOTS_ROW 32u
#define ROWS_MAX (PASSCODE_MAX / DOTS_ROW + 1)
#define UNITS 16u /* the frame's height in lines of the layout */
#define TEXT_MAX 64u
#define NOBODY UINT32_MAX

/* Texts, each centred on its line of the layout. The title is on a band of the persona's colour. */
enum field { TITLE, STATUS, PROMPT, WRONG, WAIT, HINT, FIELDS };

static const struct {
	uint32_t line, scale; /* the scale of a frame 480 wide; smaller where the text would not fit */
	uint32_t ink;
} fields[FIELDS] = {
	[TITLE] = { 1, 3, 0 },           [STATUS] = { 4, 2, INK },       [PROMPT] = { 6, 2, INK },
	[WRONG] = { 10, 2, WARN_COLOR }, [WAIT] = { 11, 2, WARN_COLOR }, [HINT] = { 14, 1, INK },
};
#define BAND 3u /* lines of the layout */
#define BOX_AT 7u
#define BOX_LINES 3u

static struct {
	unsigned persona; /* whose the screen is */
	char text[FIELDS][TEXT_MAX];
	bool box;
	uint32_t dots;
} drawn = { .persona = NOBODY };

/* What is being typed, and what was before it: the passcode as it is, then as it is to be, twice. */
enum entry { ENTRY_UNLOCK, ENTRY_OLD, ENTRY_NEXT, ENTRY_AGAIN, ENTRIES };

static const char *const prompts[ENTRIES] = {
	[ENTRY_UNLOCK] = "Passcode",
	[ENTRY_OLD] = "Old passcode",
	[ENTRY_NEXT] = "New passcode",
	[ENTRY_AGAIN] = "New passcode again",
};

static uint8_t passcode[PASSCODE_MAX];
static uint32_t passcode_len;
static enum entry entry;
static struct {
	uint8_t text[PASSCODE_MAX];
	uint32_t len;
} entered[ENTRIES];
static bool differed; /* the new one, from itself */

static uint32_t ground_of(enum field f)
{
	return f == TITLE ? mvp_vault_config.persona[drawn.persona].color : GROUND;
}

static bool same_text(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

static void put_field(enum field f, const char *text)
{
	if (same_text(drawn.text[f], text))
		return;
	text_format(drawn.text[f], TEXT_MAX, "%s", text);
	struct canvas frame = screen_frame();
	uint32_t unit = frame.height / UNITS;
	uint32_t scale = (frame.width * fields[f].scale + 240) / 480;
	while (scale > 1 && (draw_text_width(scale, text) > frame.width || FONT_HEIGHT * scale > unit))
		scale--;
	struct canvas line = draw_part(&frame, &(struct rect){ 0, fields[f].line * unit, frame.width, unit });
	uint32_t width = draw_text_width(scale ? scale : 1, text);
	uint32_t ground = ground_of(f);
	draw_fill(&line, &(struct rect){ 0, 0, line.width, line.height }, ground);
	draw_text(&line, width < line.width ? (line.width - width) / 2 : 0, 0, scale ? scale : 1,
		  f == TITLE ? draw_contrast(ground) : fields[f].ink, text);
	draw_done(&line);
}

/* The box with a dot for each character: one row of it, and more while they are needed */

static uint32_t rows_for(bool box, uint32_t dots)
{
	return box ? (dots + DOTS_ROW) / DOTS_ROW : 0;
}

static void put_box(bool box, uint32_t dots)
{
	uint32_t rows = rows_for(box, dots), rows_drawn = rows_for(drawn.box, drawn.dots);
	if (rows == rows_drawn && dots == drawn.dots)
		return;
	struct canvas frame = screen_frame();
	uint32_t unit = frame.height / UNITS;
	uint32_t size = (uint32_t)min_u64(frame.width / (DOTS_ROW + 4), BOX_LINES * unit / (2 * ROWS_MAX));
	uint32_t width = DOTS_ROW * size, height = 2 * size;
	struct rect place = { (frame.width - width) / 2, BOX_AT * unit, width, ROWS_MAX * height };
	struct canvas c = draw_part(&frame, &place);
	if (rows < rows_drawn)
		draw_fill(&c, &(struct rect){ 0, rows * height, width, (rows_drawn - rows) * height }, GROUND);
	else
		draw_fill(&c, &(struct rect){ 0, rows_drawn * height, width, (rows - rows_drawn) * height }, BOX_COLOR);
	for (uint32_t i = (uint32_t)min_u64(dots, drawn.dots); i < dots || (i < drawn.dots && i / DOTS_ROW < rows); i++) {
		struct rect dot = { i % DOTS_ROW * size + size / 4, i / DOTS_ROW * height + height / 2 - size / 4, (size + 1) / 2,
				    (size + 1) / 2 };
		draw_fill(&c, &dot, i < dots ? INK : BOX_COLOR);
	}
	draw_done(&c);
	drawn.box = box;
	drawn.dots = dots;
}

/* Another persona's screen: everything anew, but the ground of the frame is what it was. */
static void put_persona(unsigned persona)
{
	if (persona == drawn.persona)
		return;
	struct canvas frame = screen_frame();
	struct canvas band = draw_part(&frame, &(struct rect){ 0, 0, frame.width, BAND * (frame.height / UNITS) });
	drawn.persona = persona;
	drawn.text[TITLE][0] = 0;
	draw_fill(&band, &(struct rect){ 0, 0, band.width, band.height }, ground_of(TITLE));
	draw_done(&band);
}

static const char *status(enum persona_state s)
{
	switch (s) {
	case PERSONA_WAITING:
	case PERSONA_LOADING:
		return "starting ...";
	case PERSONA_LOCKED:
		return "locked";
	case PERSONA_UNLOCKING:
		return "unlocking ...";
	case PERSONA_FAILED:
		return "not started";
	case PERSONA_OFF:
		return "off";
	case PERSONA_BARRED:
		return "locked";
	case PERSONA_WIPING:
		return "wiping ...";
	case PERSONA_WIPED:
		return "wiped";
	case PERSONA_RUNNING:
		break;
	}
	return "running";
}

/* Who wiped or locked it gave a reason, in UTF-8: what the font does not have becomes a mark. */
static void put_reason(char *text, size_t size)
{
	const struct mvp_state *s = state_get();
	size_t n = 0;
	for (uint32_t i = 0; i < s->reason_len && n + 1 < size; i++) {
		uint8_t c = s->reason[i];
		if ((c & 0xc0) != 0x80)
			text[n++] = c >= ' ' && c < 0x7f ? (char)c : '?';
	}
	text[n] = 0;
}

/* What there is to say about the managed persona besides its state. */
static void describe_managed(enum persona_state state, char *wrong, char *wait, size_t size)
{
	static const char *const causes[] = {
		[MVP_CAUSE_ORDER] = "by order of its owner",
		[MVP_CAUSE_PASSCODES] = "after too many wrong passcodes",
		[MVP_CAUSE_LEASE] = "its lease has run out",
	};
	uint32_t cause = state_get()->wipe_cause;
	bool wipes = state == PERSONA_WIPING || state == PERSONA_WIPED;
	if (wipes && cause < ARRAY_LEN(causes) && causes[cause])
		text_format(wrong, size, "%s", causes[cause]);
	if (state == PERSONA_BARRED || (wipes && state_get()->reason_len))
		put_reason(wrong, size);
	if (state == PERSONA_WIPING)
		text_format(wait, size, "%u%%", wipe_percent());
	else if (!wipes && !wait[0])
		lease_describe(wait, size);
}

void lock_prepare(unsigned persona)
{
	const struct persona *p = &personas[persona];
	bool locked = p->state == PERSONA_LOCKED;
	uint64_t now = arch_counter(), hz = arch_counter_hz();
	char wrong[TEXT_MAX] = "", wait[TEXT_MAX] = "";
	if (!screen_is_on())
		return;
	if (p->state == PERSONA_FAILED && p->wrong)
		text_format(wrong, sizeof(wrong), "%s", p->wrong);
	if (locked && p->wrong)
		text_format(wrong, sizeof(wrong), "%s", p->wrong);
	else if (locked && entry == ENTRY_NEXT && differed)
		text_format(wrong, sizeof(wrong), "the two differ");
	else if (locked && p->failures)
		text_format(wrong, sizeof(wrong), "wrong passcode (%u)", p->failures);
	if (locked && now < p->not_before) {
		uint64_t seconds = (p->not_before - now + hz - 1) / hz;
		text_format(wait, sizeof(wait), "wait %lu s", (unsigned long)seconds);
		front_due(p->not_before - (seconds - 1) * hz);
	}
	if (persona == handset_managed())
		describe_managed(p->state, wrong, wait, TEXT_MAX);
	put_persona(persona);
	put_field(TITLE, p->config->name);
	put_field(STATUS, status(p->state));
	bool starts = p->state == PERSONA_WAITING || p->state == PERSONA_LOADING;
	put_field(PROMPT, locked ? prompts[entry] : starts && mvp_vault_config.logo ? mvp_vault_config.logo : "");
	put_field(HINT, !locked ? "" : entry == ENTRY_UNLOCK ? "Tab: another passcode" : "Tab: back");
	put_box(locked, locked && persona == front_persona() ? passcode_len : 0);
	put_field(WRONG, wrong);
	put_field(WAIT, wait);
}

void lock_start(void)
{
	if (!screen_is_on())
		return;
	struct canvas frame = screen_frame();
	draw_fill(&frame, &(struct rect){ 0, 0, frame.width, frame.height }, GROUND);
	draw_done(&frame);
}

/* The line that is typed. */
static void forget_line(void)
{
	wipe(passcode, sizeof(passcode));
	passcode_len = 0;
}

void lock_forget(void)
{
	forget_line();
	wipe(entered, sizeof(entered));
	entry = ENTRY_UNLOCK;
	differed = false;
}

static bool is_same(const uint8_t *text, uint32_t len)
{
	return len == passcode_len && same_secret(text, passcode, len);
}

static void enter(unsigned persona)
{
	switch (entry) {
	case ENTRY_UNLOCK:
		handset_unlock(persona, passcode, passcode_len);
		lock_forget();
		return;
	case ENTRY_AGAIN:
		differed = !is_same(entered[ENTRY_NEXT].text, entered[ENTRY_NEXT].len);
		if (!differed) {
			handset_change_passcode(persona, entered[ENTRY_OLD].text, entered[ENTRY_OLD].len, passcode, passcode_len);
			lock_forget();
			return;
		}
		entry = ENTRY_NEXT;
		break;
	default:
		memcpy(entered[entry].text, passcode, sizeof(passcode));
		entered[entry].len = passcode_len;
		entry++;
		break;
	}
	forget_line();
}

void lock_char(uint8_t c)
{
	unsigned persona = front_persona();
	if (personas[persona].state != PERSONA_LOCKED)
		return;
	if (c == '\r' && passcode_len) {
		enter(persona);
	} else if (c == '\t') {
		enum entry next = entry == ENTRY_UNLOCK ? ENTRY_OLD : ENTRY_UNLOCK;
		lock_forget();
		entry = next;
	} else if (c == 0x15) {
		forget_line();
	} else if (c == '\b' && passcode_len) {
		passcode[--passcode_len] = 0;
	} else if (c >= ' ' && c < 0x7f && passcode_len < PASSCODE_MAX) {
		passcode[passcode_len++] = c;
	}
	lock_prepare(persona);
}
