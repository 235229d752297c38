#include "fw_cfg.h"

#include "../dma.h"

#define REG_DMA 16 /* 64 bits, big-endian: where the request lies; writing the low half starts it. Reads as the signature */
#define SIGNATURE_HIGH 0x51454d55u
#define SIGNATURE_LOW 0x20434647u

#define KEY_DIRECTORY 0x19
#define FILES_MAX 512u /* that are looked at */
#define NAME_SIZE 56u

#define DMA_ERROR 1u
#define DMA_READ 2u
#define DMA_SELECT 8u
#define DMA_WRITE 16u
#define POLLS 1000000u /* QEMU is done when the access is */

/* All big-endian. */
static struct {
	uint32_t control, len;
	uint64_t at;
} request __attribute__((aligned(16)));

static struct {
	uint32_t size;
	uint16_t key, reserved;
	char name[NAME_SIZE];
} entry;
static uint32_t count;

static bool transfer(uint32_t control, const void *data, uint32_t len)
{
	uintptr_t reg = mvp_vault_config.fw_cfg_pa + REG_DMA;
	volatile uint32_t *done = &request.control;
	uint64_t at = dma_paddr(&request).v;
	request.len = __builtin_bswap32(len);
	request.at = __builtin_bswap64(dma_paddr(data).v);
	*done = __builtin_bswap32(control);
	/* Request and data before the address that makes the device read them. */
	arch_dmb_device();
	mmio_write32(reg, __builtin_bswap32((uint32_t)(at >> 32)));
	mmio_write32(reg + 4, __builtin_bswap32((uint32_t)at));
	uint32_t left = POLLS;
	while (__builtin_bswap32(*done) & ~DMA_ERROR) {
		if (!--left)
			return false;
		arch_relax();
	}
	/* The control word before what the device wrote. */
	arch_dmb_device();
	return !*done;
}

static bool is_there(void)
{
	uintptr_t reg = mvp_vault_config.fw_cfg_pa + REG_DMA;
	return mvp_vault_config.fw_cfg_pa && __builtin_bswap32(mmio_read32(reg)) == SIGNATURE_HIGH &&
	       __builtin_bswap32(mmio_read32(reg + 4)) == SIGNATURE_LOW;
}

/* The entry's name may lack its NUL. */
static bool is_named(const char *name)
{
	for (uint32_t i = 0; i < NAME_SIZE; i++) {
		if (entry.name[i] != name[i])
			return false;
		if (!name[i])
			return true;
	}
	return false;
}

bool fw_cfg_find(const char *name, struct fw_cfg_file *ret_file)
{
	if (!is_there() || !transfer((uint32_t)KEY_DIRECTORY << 16 | DMA_SELECT | DMA_READ, &count, sizeof(count)))
		return false;
	uint32_t files = __builtin_bswap32(count);
	for (uint32_t i = 0; i < files && i < FILES_MAX; i++) {
		if (!transfer(DMA_READ, &entry, sizeof(entry)))
			return false;
		if (is_named(name)) {
			*ret_file = (struct fw_cfg_file){ __builtin_bswap16(entry.key), __builtin_bswap32(entry.size) };
			return true;
		}
	}
	return false;
}

bool fw_cfg_write(const struct fw_cfg_file *f, const void *data, uint32_t len)
{
	return len <= f->size && transfer((uint32_t)f->key << 16 | DMA_SELECT | DMA_WRITE, data, len);
}

bool fw_cfg_read(const struct fw_cfg_file *f, void *to, uint32_t len)
{
	return len <= f->size && transfer((uint32_t)f->key << 16 | DMA_SELECT | DMA_READ, to, len);
}
