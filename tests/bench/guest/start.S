/* A bare-metal arm64 Image for measuring: position independent, at EL1 with MMU and caches on, on two CPUs. cost.c is the rest. */
#define DAIF_I 2

	.arch	armv8-a
	.section .head, "ax"
	.global head
head:
	b	start
	.long	0
	.quad	0
	.quad	__end - head
	.quad	2 /* little endian, 4 KiB pages */
	.quad	0, 0, 0
	.ascii	"ARM\x64"
	.long	0
start:
	adrp	x1, __bss_start
	add	x1, x1, :lo12:__bss_start
	adrp	x2, __end
1:	str	xzr, [x1], #8
	cmp	x1, x2
	b.lo	1b
	/* Identity map by 1 GiB blocks (DDI 0487, D8.3): the first is devices, the others are memory, writable and executable. */
	adrp	x0, tables
	mov	x2, #0x405 /* access flag, MAIR index 1, block */
	movk	x2, #0x60, lsl #48 /* no execution */
	str	x2, [x0]
	mov	x1, #1
	mov	x2, #0x701 /* access flag, inner shareable, MAIR index 0, block */
2:	orr	x3, x2, x1, lsl #30
	str	x3, [x0, x1, lsl #3]
	add	x1, x1, #1
	cmp	x1, #512
	b.lo	2b
	dsb	sy
	adrp	x1, stack0_end
	bl	prepare
	bl	bench
	b	.

/* PSCI CPU_ON enters here: answers SGI 1, for ever. */
	.global second
second:
	adrp	x0, tables
	adrp	x1, stack1_end
	bl	prepare
	bl	bench_second
	msr	daifclr, #DAIF_I
1:	wfi
	b	1b

/* x0 = translation table, x1 = stack: MMU on (39-bit addresses, write-back), vectors. */
prepare:
	mov	sp, x1
	mov	x2, #0x00ff /* 0: normal, write-back; 1: device nGnRnE */
	msr	mair_el1, x2
	ldr	x2, =0x203519 /* T0SZ 25, walks write-back and inner shareable, 4 KiB; TTBR1 off; 40-bit physical */
	movk	x2, #2, lsl #32
	orr	x2, x2, #(1 << 23)
	msr	tcr_el1, x2
	msr	ttbr0_el1, x0
	adr	x2, vectors
	msr	vbar_el1, x2
	isb
	tlbi	vmalle1
	ic	iallu
	dsb	nsh
	isb
	ldr	x2, =0x30d01805 /* RES1 bits; I, C, M */
	msr	sctlr_el1, x2
	isb
	ret
	.ltorg

/* void irq_window(void): takes what is pending. */
	.global irq_window
irq_window:
	msr	daifclr, #DAIF_I
	isb
	msr	daifset, #DAIF_I
	ret

	.balign	0x800
vectors:
	.rept	5
	.balign	0x80
	b	stray
	.endr
	.balign	0x80
	b	irq /* SP_EL1, IRQ */
	.rept	10
	.balign	0x80
	b	stray
	.endr

stray:
	mrs	x0, esr_el1
	mrs	x1, elr_el1
	b	bench_fault

/* The shortest complete handler: acknowledge, quieten the source, end, count. SGI 1 is answered with SGI 2 to CPU 0. */
irq:
	stp	x16, x17, [sp, #-16]!
	mrs	x16, S3_0_C12_C12_0 /* ICC_IAR1_EL1 */
	cmp	x16, #27
	b.eq	3f
	cmp	x16, #1
	b.eq	4f
	cmp	x16, #1020
	b.hs	2f
1:	msr	S3_0_C12_C12_1, x16 /* ICC_EOIR1_EL1 */
	adrp	x16, taken
	ldr	x17, [x16, :lo12:taken]
	add	x17, x17, #1
	str	x17, [x16, :lo12:taken]
2:	ldp	x16, x17, [sp], #16
	eret
3:	msr	cntv_ctl_el0, xzr
	isb
	b	1b
4:	mov	x17, #1 /* CPU 0 */
	movk	x17, #0x200, lsl #16 /* INTID 2 */
	msr	S3_0_C12_C12_1, x16
	msr	S3_0_C12_C11_5, x17 /* ICC_SGI1R_EL1 */
	isb
	b	2b

	.bss
	.balign	4096
tables:	.skip	4096
	.skip	4096
stack0_end:
	.skip	4096
stack1_end:
	.skip	8
