/* The configuration compiled into the hypervisor: two const objects that mvpctl writes for the board and the manifest. */
#ifndef MVP_CONFIG_H
#define MVP_CONFIG_H

#include <stdint.h>

#include "mvp/machine.h"
#include "mvp/notify.h"

#define MVP_CONFIG_REVISION 7 /* of the layout of these structures; core and vault check it at start */

#define MVP_MAX_VAULT_MMIO 8
#define MVP_MAX_VAULT_IRQS 64
#define MVP_PCI_BUS_SIZE 0x100000 /* configuration space of a bus: 32 devices, 8 functions, 4 KiB each */
#define MVP_PCI_INTS 4            /* INTA to INTD of a host bridge, consecutive INTIDs */

struct mvp_core_persona {
	uint64_t ram_pa, ram_size; /* multiples of MVP_BLOCK_SIZE */
	uint32_t vcpus;
	uint32_t weight_fg, weight_bg; /* scheduler weights on the screen and behind it, 1..1000 */
	/* The frame it draws into, part of the screens below; multiples of MVP_BLOCK_SIZE, size 0: none. It sees it right above its RAM. */
	uint64_t frame_pa, frame_size;
};

struct mvp_core_config {
	uint32_t revision;
	uint32_t personas;
	uint64_t gicd_pa, gicr_pa, gicr_size; /* physical GICv3 */
	uint64_t debug_uart_pa;               /* PL011, debug putc only */
	uint64_t cpu_mpidr[MVP_MAX_CPUS];     /* affinities that may exist; absent ones refuse PSCI CPU_ON. [0] is the boot CPU */
	uint32_t cpus;
	uint32_t slice_us;
	uint64_t vault_pa, vault_size;     /* multiples of MVP_BLOCK_SIZE */
	uint64_t screens_pa, screens_size; /* likewise; the vault sees them at MVP_VAULT_SCREENS; size 0: no display */
	uint32_t vault_mmio_count;
	uint32_t vault_irqs_count;
	struct {
		uint64_t pa, size; /* multiples of 4096; mapped at IPA = PA in the vault */
	} vault_mmio[MVP_MAX_VAULT_MMIO];
	struct {
		uint16_t intid; /* physical */
		uint8_t edge;   /* 1: edge triggered */
		uint8_t reserved;
	} vault_irqs[MVP_MAX_VAULT_IRQS];
	struct mvp_core_persona persona[MVP_MAX_PERSONAS];
};

extern const struct mvp_core_config mvp_core_config;

enum mvp_console { MVP_CONSOLE_MUX = 0, MVP_CONSOLE_PREFIXED = 1 };
enum mvp_storage { MVP_STORAGE_VIRTIO = 0, MVP_STORAGE_SDHCI = 1 };
enum mvp_display { MVP_DISPLAY_NONE = 0, MVP_DISPLAY_RAMFB = 1 };

#define MVP_MAX_CHORD 4 /* keys of the switch chord */

struct mvp_vault_persona {
	char name[16]; /* NUL terminated; also its partition's name in the handset's GPT */
	uint64_t ram_pa, ram_size;
	uint32_t vcpus;
	uint32_t encrypted;      /* 1: the partition is a LUKS2 container */
	uint32_t passcode_tries; /* wrong passcodes with which it is wiped; 0: no limit */
	uint32_t color;          /* 0x00RRGGBB, its colour in the trusted bar */
	/* Its device tree, complete but for these properties, which have room and whose bytes start at these offsets of it; without the
	 * room for the first, which is most of it: */
	const uint8_t *dtb; /* dtb_len - dtb_bootargs_len bytes */
	uint32_t dtb_len;
	uint32_t dtb_bootargs_at, dtb_bootargs_len;      /* NUL-padded string; the vault writes boot.img's command line, NUL-terminated */
	uint32_t dtb_initrd_start_at, dtb_initrd_end_at; /* 64-bit big-endian IPAs; both properties are dropped without an initrd */
	uint32_t dtb_kaslr_at;                           /* 8 random bytes */
	uint32_t dtb_rng_at, dtb_rng_len;                /* random bytes */
	uint32_t discard;                                /* 1: what it discards is discarded on the flash, which shows where nothing is */
	uint32_t network;                                /* 1: it has a network device, whose address derives from the board's */
	uint32_t may_switch;                             /* 1: its agent may ask for a switch of the screen */
	uint32_t managed;                                /* 1: orders and the lease are about it; one persona at most */
	uint64_t net_rate;                               /* bytes per second in each direction, 0: no limit */
	uint32_t verified;                               /* 1: the vbmeta of its disk must be signed by the key below, and hold */
	uint8_t avb_key_digest[32];                      /* SHA-256 of that key as vbmeta images hold it (AvbRSAPublicKeyHeader, n, rr) */
	uint8_t notify_level[MVP_NOTIFY_CATEGORIES];     /* enum mvp_notify_level: what the other one gets of its alerts */
	uint32_t clipboard;                              /* 1: its clipboard goes to the other one */
};

struct mvp_vault_config {
	uint32_t revision;
	uint32_t personas;
	uint64_t vault_pa, vault_size; /* where MVP_VAULT_BASE lies physically, for DMA */
	uint64_t uart_pa;              /* PL011 */
	uint32_t uart_intid;
	uint64_t rtc_pa;    /* PL031 */
	uint64_t virtio_pa; /* virtio-mmio transports, version 2 */
	uint32_t virtio_stride, virtio_count;
	uint32_t virtio_intid; /* of transport 0 */
	uint32_t storage;      /* enum mvp_storage */
	/* PCI Express, where the storage is on it: configuration space of bus 0, memory that BARs may be placed in, INTID of INTA of device
	 * 0. */
	uint64_t pci_ecam_pa, pci_mmio_pa, pci_mmio_size;
	uint32_t pci_intid;
	uint32_t console;                     /* enum mvp_console */
	uint32_t console_key;                 /* byte on the console that switches personas */
	uint16_t switch_chord[MVP_MAX_CHORD]; /* keys of the handset that do, as evdev codes, held down together; 0: fewer */
	uint64_t fw_cfg_pa;                   /* QEMU's fw_cfg, or 0 */
	/* Display: one screen per persona, then the vault's own, each a bar of bar_height lines and right below it the frame; x8r8g8b8. A
	 * persona's screen begins in front of a 2 MiB boundary so that its frame begins on it. */
	uint32_t display;                         /* enum mvp_display */
	uint32_t width, height, stride;           /* of the frame, pixels; bytes of a line, of bar and frame alike */
	uint32_t bar_height;                      /* lines */
	uint64_t screens_pa, screens_size;        /* multiples of MVP_BLOCK_SIZE */
	uint64_t screen_at[MVP_MAX_PERSONAS + 1]; /* first byte of each bar, from screens_pa */
	uint64_t lock_after, wipe_after;          /* seconds: the lease of the managed persona until an order changes it; 0: never */
	uint32_t notify_queue, notify_rate;       /* alerts that wait for a persona at most; that are taken from one a minute; >= 1 */
	uint16_t quiet_from, quiet_to;            /* minutes of the day by the board's clock between which alerts are quiet; equal: none */
	uint32_t good_after;                      /* seconds that a slot runs until it is good without having said so; >= 1 */
	const char *product;                      /* manifest name and version, for the greeting */
	const char *logo;                         /* what the vault's screen shows while a persona starts; NULL: nothing */
	struct mvp_vault_persona persona[MVP_MAX_PERSONAS];
};

extern const struct mvp_vault_config mvp_vault_config;

#endif
