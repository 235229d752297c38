#include "screen.h"

#include "../console.h"
#include "../dma.h"
#include "../drivers/display.h"

#define SCRUB_PIECE 0x40000u
#define NOT_SHOWN UINT32_MAX

#ifdef MVP_HOST
extern uint8_t host_screens[];
#define SCREENS host_screens
#else
#define SCREENS ((uint8_t *)MVP_VAULT_SCREENS)
#endif

static const struct display_driver *const drivers[] = {
	[MVP_DISPLAY_RAMFB] = &ramfb_driver,
};

static const struct display_driver *driver; /* NULL: no display */
static unsigned shown = NOT_SHOWN;

static uint8_t *bar_at(unsigned screen)
{
	return SCREENS + mvp_vault_config.screen_at[screen];
}

static uint64_t bar_len(void)
{
	return (uint64_t)mvp_vault_config.bar_height * mvp_vault_config.stride;
}

/* What imagegen wrote is right, or the vault would draw over itself. */
static bool config_is_sound(void)
{
	const struct mvp_vault_config *c = &mvp_vault_config;
	uint64_t len = bar_len() + (uint64_t)c->height * c->stride;
	if (c->display >= ARRAY_LEN(drivers) || c->stride % 4 || c->stride / 4 < c->width || !c->width || !c->height || !c->bar_height)
		return false;
	for (unsigned i = 0; i <= SCREEN_VAULT; i++) {
		if (c->screen_at[i] % 4 || !range_in(c->screen_at[i], len, c->screens_size))
			return false;
	}
	return true;
}

void screen_start(void)
{
	if (mvp_vault_config.display == MVP_DISPLAY_NONE)
		return;
	if (!config_is_sound())
		vault_panic(VAULT_PANIC_CONFIG, mvp_vault_config.screens_size);
	const struct display_driver *d = drivers[mvp_vault_config.display];
	const char *wrong = d->start();
	if (wrong)
		console_log("the display does not work: %s", wrong);
	else
		driver = d;
}

bool screen_is_on(void)
{
	return driver != NULL;
}

bool screen_show(unsigned screen)
{
	const struct mvp_vault_config *c = &mvp_vault_config;
	if (!driver || screen == shown)
		return true;
	struct scanout s = { dma_paddr(bar_at(screen)), c->width, c->bar_height + c->height, c->stride };
	if (!driver->show(&s))
		return false;
	shown = screen;
	return true;
}

static struct canvas canvas(uint8_t *at, uint32_t height)
{
	return (struct canvas){ (uint32_t *)(void *)at, mvp_vault_config.stride / 4, mvp_vault_config.width, height };
}

struct canvas screen_bar(unsigned screen)
{
	return canvas(bar_at(screen), mvp_vault_config.bar_height);
}

struct canvas screen_frame(void)
{
	return canvas(bar_at(SCREEN_VAULT) + bar_len(), mvp_vault_config.height);
}

/* A frame is mapped for its persona in whole blocks. */
static uint64_t mapped_frame_len(void)
{
	uint64_t len = (uint64_t)mvp_vault_config.height * mvp_vault_config.stride;
	return (len + MVP_BLOCK_SIZE - 1) / MVP_BLOCK_SIZE * MVP_BLOCK_SIZE;
}

uint64_t screen_scrub(unsigned persona, uint64_t at)
{
	if (mvp_vault_config.display == MVP_DISPLAY_NONE)
		return UINT64_MAX;
	uint8_t *frame = bar_at(persona) + bar_len();
	uint64_t len = mapped_frame_len();
	uint64_t n = min_u64(SCRUB_PIECE, len - at);
	memset(frame + at, 0, n);
	/* It may map its frame uncached, and the display reads memory. */
	arch_clean(frame + at, n);
	return at + n < len ? at + n : UINT64_MAX;
}
