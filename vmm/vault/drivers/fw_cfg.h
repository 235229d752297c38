/* QEMU's fw_cfg device over its DMA interface (QEMU docs/specs/fw_cfg.rst): files of the firmware, by name. CPU 0 only. */
#ifndef VAULT_DRIVERS_FW_CFG_H
#define VAULT_DRIVERS_FW_CFG_H

#include "../lib.h"

struct fw_cfg_file {
	uint16_t key;
	uint32_t size; /* bytes */
};

/* False if the board has no fw_cfg with DMA, or that no file of this name. */
bool fw_cfg_find(const char *name, struct fw_cfg_file *ret_file);
/* Writes len bytes to the start of a file; data lies in the vault's own memory. One access of the device. False if it refuses. */
bool fw_cfg_write(const struct fw_cfg_file *f, const void *data, uint32_t len);
/* The same the other way: the first len bytes of a file. */
bool fw_cfg_read(const struct fw_cfg_file *f, void *to, uint32_t len);

#endif
