/* The machine a persona sees: the memory map and interrupts of QEMU's `virt` board, which every arm64 kernel knows.
 * Shared by core and vault, which emulate it, and by imagegen, which writes its device tree. Usable from assembler. */
#ifndef MVP_MACHINE_H
#define MVP_MACHINE_H

#define MVP_GUEST_GICD 0x08000000
#define MVP_GUEST_GICD_SIZE 0x10000
#define MVP_GUEST_GICR 0x080A0000 /* one redistributor (RD and SGI frame, 128 KiB) per vCPU */
#define MVP_GUEST_GICR_STRIDE 0x20000

#define MVP_GUEST_UART 0x09000000 /* PL011 */
#define MVP_GUEST_UART_SPI 1      /* SPI n is INTID 32 + n */
#define MVP_GUEST_RTC 0x09010000  /* PL031 */
#define MVP_GUEST_RTC_SPI 2
#define MVP_GUEST_VIRTIO 0x0A000000 /* virtio-mmio, version 2 */
#define MVP_GUEST_VIRTIO_STRIDE 0x200
#define MVP_GUEST_VIRTIO_SLOTS 32
#define MVP_GUEST_VIRTIO_SPI 16 /* of slot 0 */

/* Accesses in [MVP_GUEST_IO, MVP_GUEST_IO_END) go to the vault as ioreqs; other addresses outside RAM and GIC abort in the guest. */
#define MVP_GUEST_IO 0x09000000
#define MVP_GUEST_IO_END 0x0A004000

#define MVP_GUEST_RAM 0x40000000
#define MVP_GUEST_DTB MVP_GUEST_RAM /* the device tree, at most 2 MiB; the kernel is loaded above it */
#define MVP_GUEST_KERNEL (MVP_GUEST_RAM + 0x200000)

#define MVP_GUEST_VTIMER_INTID 27
#define MVP_GUEST_PTIMER_INTID 30
#define MVP_GUEST_SPIS 64

/* virtio-mmio slots in use */
#define MVP_SLOT_BLK 0
#define MVP_SLOT_CONSOLE 1
#define MVP_SLOT_RNG 2
#define MVP_SLOT_NET 3   /* only if the persona has a network */
#define MVP_SLOT_KEYS 4  /* keyboard; this and the next only if the board has a display */
#define MVP_SLOT_TOUCH 5 /* multi-touch, the size of the frame */

#define MVP_MAX_CPUS 8  /* physical CPUs */
#define MVP_MAX_VCPUS 8 /* vCPUs of one persona */
#define MVP_MAX_PERSONAS 2
#define MVP_BLOCK_SIZE 0x200000 /* granule of memory given to a domain: a stage 2 block */

#endif
