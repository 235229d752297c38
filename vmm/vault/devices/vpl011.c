#include "vpl011.h"

#include "../console.h"
#include "mvp/machine.h"

#define RX_SIZE 2048 /* bytes kept for a persona: more than the FIFO of the real one, so that scripts may type ahead */
#define FIFO_LEN 32

#define INT_RX 0x10u
#define INT_TX 0x20u
#define INT_RT 0x40u

#define FR_CTS_DSR_DCD 0x07u
#define FR_RXFE 0x10u
#define FR_TXFF 0x20u
#define FR_RXFF 0x40u
#define FR_TXFE 0x80u
#define LCRH_FEN 0x10u

struct vpl011 {
	struct spinlock lock;
	uint8_t rx[RX_SIZE];
	uint32_t rx_at, rx_len;
	uint32_t ilpr, ibrd, fbrd, lcrh, cr, ifls, imsc, ris, dmacr;
	bool line;
	bool held; /* saw a full transmit FIFO: gets a TX interrupt when there is room */
};

static struct vpl011 uarts[MVP_MAX_PERSONAS];

static void update_line(unsigned persona)
{
	struct vpl011 *u = &uarts[persona];
	bool level = (u->ris & u->imsc) != 0;
	if (level != u->line) {
		u->line = level;
		hc(MVP_HC_IRQ_LINE, persona, MVP_GUEST_UART_SPI, level);
	}
}

/* Receive interrupts follow the FIFO: RX from the trigger level up, RT while there is anything (the line is idle at once). */
static void update_rx(struct vpl011 *u)
{
	static const uint8_t trigger[8] = { 4, 8, 16, 24, 28, 28, 28, 28 };
	uint32_t level = u->lcrh & LCRH_FEN ? trigger[(u->ifls >> 3) & 7] : 1;
	u->ris &= ~(INT_RX | INT_RT);
	if (u->rx_len >= level)
		u->ris |= INT_RX;
	if (u->rx_len)
		u->ris |= INT_RT;
}

static uint32_t read_dr(unsigned persona)
{
	struct vpl011 *u = &uarts[persona];
	if (!u->rx_len)
		return 0;
	uint8_t c = u->rx[u->rx_at];
	u->rx_at = (u->rx_at + 1) % RX_SIZE;
	u->rx_len--;
	update_rx(u);
	if (!u->rx_len)
		console_wants_input(persona);
	return c;
}

static uint32_t read_fr(unsigned persona)
{
	struct vpl011 *u = &uarts[persona];
	uint32_t fr = FR_CTS_DSR_DCD;
	uint32_t fifo = u->lcrh & LCRH_FEN ? FIFO_LEN : 1;
	if (!u->rx_len)
		fr |= FR_RXFE;
	if (u->rx_len >= fifo)
		fr |= FR_RXFF;
	if (console_has_room(persona)) {
		fr |= FR_TXFE;
	} else {
		fr |= FR_TXFF;
		u->held = true;
	}
	return fr;
}

static void write_dr(unsigned persona, uint32_t value)
{
	struct vpl011 *u = &uarts[persona];
	/* A write to a full FIFO is lost, as on the real one. */
	if (console_put(persona, (uint8_t)value)) {
		u->ris |= INT_TX;
	} else {
		u->ris &= ~INT_TX;
		u->held = true;
	}
}

static void write_icr(unsigned persona, uint32_t value)
{
	uarts[persona].ris &= ~value;
	update_rx(&uarts[persona]);
}

static uint32_t read_mis(unsigned persona)
{
	return uarts[persona].ris & uarts[persona].imsc;
}

/* Plain registers are stored: offset in struct vpl011 and the bits that exist. Others have functions. */
struct reg {
	uint16_t at, field;
	uint32_t mask;
	uint32_t (*read)(unsigned persona);
	void (*write)(unsigned persona, uint32_t value);
};
#define STORED(at, field, mask) \
	{ \
		at, offsetof(struct vpl011, field), mask, NULL, NULL \
	}

static const struct reg regs[] = {
	{ 0x000, 0, 0, read_dr, write_dr }, { 0x018, 0, 0, read_fr, NULL },
	STORED(0x020, ilpr, 0xff),          STORED(0x024, ibrd, 0xffff),
	STORED(0x028, fbrd, 0x3f),          STORED(0x02c, lcrh, 0xff),
	STORED(0x030, cr, 0xff87),          STORED(0x034, ifls, 0x3f),
	STORED(0x038, imsc, 0x7ff),         { 0x03c, offsetof(struct vpl011, ris), 0, NULL, NULL },
	{ 0x040, 0, 0, read_mis, NULL },    { 0x044, 0, 0, NULL, write_icr },
	STORED(0x048, dmacr, 0x7),
};

#define ID_AT 0xfe0
static const uint8_t id[8] = { 0x11, 0x10, 0x34, 0x00, 0x0d, 0xf0, 0x05, 0xb1 }; /* PeriphID r1p5, PCellID */

static const struct reg *find(uint32_t at)
{
	for (size_t i = 0; i < ARRAY_LEN(regs); i++) {
		if (regs[i].at == at)
			return &regs[i];
	}
	return NULL;
}

static uint32_t *field(unsigned persona, const struct reg *r)
{
	return (uint32_t *)(void *)((uint8_t *)&uarts[persona] + r->field);
}

uint64_t vpl011_read(unsigned persona, uint32_t at, unsigned width)
{
	const struct reg *r = find(at & ~3u);
	uint32_t value = 0;
	if (at >= ID_AT && at < ID_AT + 4 * sizeof(id))
		return (at & 3) ? 0 : id[(at - ID_AT) / 4];
	if (!r || (at & 3) + width > 4)
		return 0;
	spin_lock(&uarts[persona].lock);
	if (r->read)
		value = r->read(persona);
	else if (r->field)
		value = *field(persona, r);
	update_line(persona);
	spin_unlock(&uarts[persona].lock);
	return value >> (8 * (at & 3));
}

void vpl011_write(unsigned persona, uint32_t at, unsigned width, uint64_t value)
{
	const struct reg *r = find(at);
	(void)width; /* narrower writes reach the low byte lanes, which is all that a register here has in use by them */
	if (!r)
		return;
	spin_lock(&uarts[persona].lock);
	if (r->write)
		r->write(persona, (uint32_t)value);
	else if (r->mask)
		*field(persona, r) = (uint32_t)value & r->mask;
	update_rx(&uarts[persona]);
	update_line(persona);
	spin_unlock(&uarts[persona].lock);
}

void vpl011_reset(unsigned persona)
{
	struct vpl011 *u = &uarts[persona];
	spin_lock(&u->lock);
	u->rx_at = 0;
	u->rx_len = 0;
	memset(u->rx, 0, sizeof(u->rx)); /* what was typed */
	u->ilpr = u->ibrd = u->fbrd = u->lcrh = u->imsc = u->ris = u->dmacr = 0;
	u->cr = 0x300;
	u->ifls = 0x12;
	u->held = false;
	update_line(persona);
	spin_unlock(&u->lock);
}

bool vpl011_receive(unsigned persona, const uint8_t *data, size_t len)
{
	struct vpl011 *u = &uarts[persona];
	spin_lock(&u->lock);
	bool fits = len <= RX_SIZE - u->rx_len;
	for (size_t i = 0; fits && i < len; i++)
		u->rx[(u->rx_at + u->rx_len++) % RX_SIZE] = data[i];
	update_rx(u);
	update_line(persona);
	spin_unlock(&u->lock);
	return fits;
}

void vpl011_room(unsigned persona)
{
	struct vpl011 *u = &uarts[persona];
	spin_lock(&u->lock);
	if (u->held && console_has_room(persona)) {
		u->held = false;
		u->ris |= INT_TX;
	}
	update_line(persona);
	spin_unlock(&u->lock);
}
