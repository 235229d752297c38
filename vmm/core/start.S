/* Entry from the bootloader (Documentation/arm64/booting.rst): EL2, MMU off, x0 = device tree, which we do not need. */
#include "mvp/machine.h"
#include "stack.h"

	.section .head, "ax"
	.global head
head:
	b	start
	.long	0
	.quad	0 /* text_offset */
	.quad	__core_end - head /* image_size, with .bss */
	.quad	2 /* little endian, 4 KiB pages, near the start of RAM */
	.quad	0, 0, 0
	.ascii	"ARM\x64"
	.long	0

start:
	msr	daifset, #0xf
	mrs	x1, CurrentEL
	cmp	x1, #(2 << 2)
1:	b.ne	1b /* only EL2 can isolate; there is no console to say so yet */

	/* A bootloader may have put us elsewhere: move to the address we are linked at. The ranges may overlap. */
	adr	x1, head
	ldr	x2, =head
	cmp	x1, x2
	b.eq	3f
	ldr	x3, =__image_end
	sub	x3, x3, x2
	add	x3, x3, #15
	bic	x3, x3, #15 /* length */
	b.lo	2f
	mov	x4, x2 /* source above target: upwards */
1:	ldp	x5, x6, [x1], #16
	stp	x5, x6, [x4], #16
	subs	x3, x3, #16
	b.ne	1b
	b	4f
2:	add	x1, x1, x3
	add	x4, x2, x3
1:	ldp	x5, x6, [x1, #-16]!
	stp	x5, x6, [x4, #-16]!
	subs	x3, x3, #16
	b.ne	1b
4:	dsb	sy /* the copy is in memory before it is fetched as code */
	ic	iallu
	dsb	sy
	isb
	ldr	x3, =3f
	br	x3
3:
	/* .bss is not part of what the bootloader cleaned to the point of coherency: drop stale lines, then clear it. */
	ldr	x1, =__bss_start
	ldr	x2, =__bss_end
	mov	x3, x1
1:	dc	ivac, x3
	add	x3, x3, #64
	cmp	x3, x2
	b.lo	1b
	dsb	sy
1:	stp	xzr, xzr, [x1], #16
	cmp	x1, x2
	b.lo	1b

	ldr	x1, =pcpus
	msr	tpidr_el2, x1
	ldr	x1, =stacks + CORE_STACK_STRIDE
	mov	sp, x1
	mov	x29, xzr
	bl	mmu_init /* builds the tables */
	bl	mmu_on
	bl	core_main
	b	.

	.text
/* PSCI CPU_ON enters here with x0 = its struct pcpu. */
	.global secondary_start
secondary_start:
	msr	daifset, #0xf
	msr	tpidr_el2, x0
	bl	mmu_on
	ldr	x1, [x0] /* stack_top */
	mov	sp, x1
	mov	x29, xzr
	bl	core_secondary
	b	.

/* Turns the MMU and caches on with the tables of mmu_init; the same for every CPU. Identity mapped, so the PC stays good. Keeps x0. */
mmu_on:
	tlbi	alle2
	ldr	x2, =el2_l1
	msr	ttbr0_el2, x2
	mov	x2, #0x04ff /* MAIR: 0 = normal write-back, 1 = device nGnRE */
	msr	mair_el2, x2
	mrs	x3, id_aa64mmfr0_el1
	and	x3, x3, #0xf
	mov	x4, #5
	cmp	x3, x4
	csel	x3, x3, x4, lo /* physical size: what the CPU has, at most 48 bits */
	ldr	x2, =0x80803519 /* RES1, inner shareable, write-back walks, 4 KiB granule, T0SZ 25 */
	orr	x2, x2, x3, lsl #16
	msr	tcr_el2, x2
	dsb	sy /* the TLB invalidation and the table writes are complete before the MMU walks */
	isb
	ldr	x2, =0x30cd183d /* RES1 | WXN | I | SA | C | M */
	msr	sctlr_el2, x2
	isb
	ret

	.section .stacks, "aw", %nobits
	.balign	4096
	.global stacks
stacks:
	.skip	CORE_STACK_STRIDE * MVP_MAX_CPUS
