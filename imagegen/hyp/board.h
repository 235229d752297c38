/* What a board description (templates/boards/NAME.yaml) says; mvp-board(5) documents the keys. */
#ifndef IMAGEGEN_BOARD_H
#define IMAGEGEN_BOARD_H

#include "imagegen/hyp/hyp.h"
#include "imagegen/hyp/profile.h"

struct board {
	char *path; /* of the description; locs name it */
	struct mstr name, summary;
	struct mnum ram_base, ram_size;
	struct profile_ranges ram_reserved; /* by the firmware, at run time */
	struct profile_nums cpus;           /* MPIDR affinities; the first is the boot CPU */
	struct mnum gicd, gicr, gicr_size;  /* GICv3 */
	struct mnum uart, uart_intid;       /* PL011 */
	struct mnum rtc, rtc_intid;         /* PL031 */
	struct mnum virtio, virtio_stride, virtio_count, virtio_intid;
	struct mstr virtio_trigger; /* "edge" or "level" */
	struct mnum fw_cfg;
	struct {
		struct mstr type;                      /* "virtio-blk" (default) or "sdhci-pci" */
		struct mnum size;                      /* bytes of the flash; 0: as large as what is on it */
		struct mnum ecam, window, window_size; /* of PCI: configuration space of bus 0, memory for BARs */
		struct mnum intid;                     /* of INTA of PCI device 0; the other three follow */
	} storage;
	struct {
		struct mstr type;               /* "ramfb"; s NULL: the board has no display */
		struct mnum width, height, bar; /* pixels; height is the frame's, without the bar's lines */
	} display;
	struct mnum load; /* where the bootloader puts the hypervisor */
	struct {
		struct mstr machine, cpu;
		struct mnum smp;
		struct mstrs args;
	} qemu; /* machine.s NULL: the board is not one QEMU has */
};

/* Bytes of a line of the screen, bar and frame alike. */
uint64_t board_stride(const struct board *b);

bool board_has_sdhci(const struct board *b);

/* Checks that reach across keys; profile_load has done those of single ones. */
MUST_USE int board_check(const struct board *b, struct diag *d);
/* Reads one description file. */
MUST_USE int board_read(char *path TAKES, struct board **ret_board, struct diag *d);

#endif
