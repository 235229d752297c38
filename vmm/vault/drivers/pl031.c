#include "pl031.h"

#define REG_DR 0x00

uint32_t pl031_seconds(void)
{
	return mvp_vault_config.rtc_pa ? mmio_read32(mvp_vault_config.rtc_pa + REG_DR) : 0;
}
