#include "bar.h"

#include "../control.h"
#include "../drivers/pl031.h"
#include "../job.h"
#include "../lease.h"
#include "../wipe.h"
#include "font.h"
#include "front.h"
#include "screen.h"

#define VAULT_NAME "mvp"
#define VAULT_COLOR 0xffffffu
#define EDGE_COLOR 0x000000u
#define EDGE 2u /* lines at the bottom, so that no frame goes on with the bar's colour */
#define ALERT_COLOR 0xffc107u
#define PAD 4u
#define COLUMNS 30u /* of a bar whose text is as high as it */
#define NO_CLOCK UINT32_MAX
#define UNVERIFIED UINT32_MAX /* beside the states */
#define LEASE_MAX 24u

/* What a bar depends on, besides the configuration. */
struct picture {
	uint32_t drawn; /* 1 */
	uint32_t minute;
	struct {
		uint32_t state, alerts, percent;
	} other[MVP_MAX_PERSONAS];
	char lease[LEASE_MAX]; /* of the managed persona */
};

static struct picture pictures[MVP_MAX_PERSONAS + 1];

static uint32_t minute(void)
{
	if (!mvp_vault_config.rtc_pa)
		return NO_CLOCK;
	uint32_t seconds = pl031_seconds();
	front_due(arch_counter() + (uint64_t)(60 - seconds % 60) * arch_counter_hz());
	return seconds / 60;
}

/* What there is to say about a persona that is not the bar's own. */
static void describe(uint32_t state, uint32_t alerts, uint32_t percent, char *text, size_t size)
{
	if (state == PERSONA_WIPING)
		text_format(text, size, "wiping %u%%", percent);
	else if (state == PERSONA_RUNNING && !alerts)
		text_format(text, size, "no alerts");
	else if (state == PERSONA_RUNNING)
		text_format(text, size, alerts == 1 ? "%u alert" : "%u alerts", alerts);
	else
		text_format(text, size, "%s",
			    state == PERSONA_LOCKED   ? "locked"
			    : state == PERSONA_OFF    ? "off"
			    : state == PERSONA_FAILED ? "failed"
			    : state == UNVERIFIED     ? "not verified"
			    : state == PERSONA_BARRED ? "locked"
			    : state == PERSONA_WIPED  ? "wiped"
						      : "starting");
}

/* The other persona's name and, below it, its state: [x, right) of the bar. Returns x, or right if there is no room from left on. */
static uint32_t draw_other(const struct canvas *bar, const struct picture *v, unsigned persona, uint32_t left, uint32_t right,
			   uint32_t scale)
{
	const struct mvp_vault_persona *p = &mvp_vault_config.persona[persona];
	bool alert = v->other[persona].state == PERSONA_RUNNING && v->other[persona].alerts;
	char text[16];
	describe(v->other[persona].state, v->other[persona].alerts, v->other[persona].percent, text, sizeof(text));
	uint32_t width = draw_text_width(scale, p->name), half = bar->height / 2;
	if (draw_text_width(scale, text) > width)
		width = draw_text_width(scale, text);
	width += 2 * PAD;
	if (left + width > right)
		return right;
	struct canvas box = draw_part(bar, &(struct rect){ right - width, 0, width, bar->height });
	draw_fill(&box, &(struct rect){ 0, 0, width, bar->height }, p->color);
	draw_text(&box, PAD, 0, scale, draw_contrast(p->color), p->name);
	uint32_t ground = alert ? ALERT_COLOR : p->color;
	draw_fill(&box, &(struct rect){ 0, half, width, bar->height - half }, ground);
	draw_text(&box, PAD, half, scale, draw_contrast(ground), text);
	return right - width;
}

static void draw_bar(unsigned screen, const struct picture *v)
{
	struct canvas bar = screen_bar(screen);
	bool own = screen == SCREEN_VAULT;
	const char *name = own ? VAULT_NAME : mvp_vault_config.persona[screen].name;
	uint32_t ground = own ? VAULT_COLOR : mvp_vault_config.persona[screen].color;
	uint32_t ink = draw_contrast(ground);
	uint32_t scale = (uint32_t)min_u64(bar.height / FONT_HEIGHT, bar.width / (COLUMNS * FONT_WIDTH));
	scale = scale ? scale : 1;
	uint32_t small = scale > 1 ? scale / 2 : 1;
	uint32_t y = bar.height > FONT_HEIGHT * scale ? (bar.height - FONT_HEIGHT * scale) / 2 : 0;
	uint32_t left = draw_text_width(scale, name) + 2 * PAD, right = bar.width;

	draw_fill(&bar, &(struct rect){ 0, 0, bar.width, bar.height }, ground);
	draw_text(&bar, PAD, y, scale, ink, name);
	uint32_t clock_width = draw_text_width(scale, "00:00") + 2 * PAD;
	if (v->minute != NO_CLOCK && left + clock_width <= right) {
		char text[8];
		uint32_t hour = v->minute / 60 % 24, past = v->minute % 60;
		text_format(text, sizeof(text), "%u%u:%u%u", hour / 10, hour % 10, past / 10, past % 10);
		draw_text(&bar, right - clock_width + PAD, y, scale, ink, text);
		right -= clock_width;
	}
	for (unsigned p = mvp_vault_config.personas; p-- > 0;) {
		if (p != screen && bar.height >= 2 * FONT_HEIGHT * small)
			right = draw_other(&bar, v, p, left, right, small);
	}
	if (v->lease[0] && left + draw_text_width(small, v->lease) + PAD <= right)
		draw_text(&bar, left, bar.height > FONT_HEIGHT * small ? (bar.height - FONT_HEIGHT * small) / 2 : 0, small, ink, v->lease);
	if (bar.height > FONT_HEIGHT + EDGE)
		draw_fill(&bar, &(struct rect){ 0, bar.height - EDGE, bar.width, EDGE }, EDGE_COLOR);
	draw_done(&bar);
}

void bar_update(void)
{
	if (!screen_is_on())
		return;
	struct picture all;
	memset(&all, 0, sizeof(all));
	all.drawn = 1;
	all.minute = minute();
	for (unsigned p = 0; p < mvp_vault_config.personas; p++) {
		bool unverified = personas[p].state == PERSONA_FAILED && personas[p].unverified;
		all.other[p].state = unverified ? UNVERIFIED : personas[p].state;
		all.other[p].alerts = control_alerts(p);
		all.other[p].percent = personas[p].state == PERSONA_WIPING ? wipe_percent() : 0;
	}
	lease_describe(all.lease, sizeof(all.lease));
	for (unsigned s = 0; s <= SCREEN_VAULT; s++) {
		struct picture v = all;
		if (s != SCREEN_VAULT)
			v.other[s].state = v.other[s].alerts = v.other[s].percent = 0;
		if (!memcmp(&v, &pictures[s], sizeof(v)))
			continue;
		pictures[s] = v;
		draw_bar(s, &v);
	}
}

void control_alerts_changed(void)
{
	bar_update();
}
