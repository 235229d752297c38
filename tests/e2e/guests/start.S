/* A bare-metal guest: an arm64 Image that runs at EL1 with its MMU off. probe.c is the rest. */
	.section .head, "ax"
	.global head
head:
	b	start
	.long	0
	.quad	0
	.quad	__end - head
	.quad	2
	.quad	0, 0, 0
	.ascii	"ARM\x64"
	.long	0
start:
	adr	x1, vectors
	msr	vbar_el1, x1
	mov	x1, #(3 << 20 | 3 << 16) /* FP and SVE not trapped by ourselves */
	msr	cpacr_el1, x1
	isb
	adrp	x1, stack0
	add	sp, x1, #4096
	bl	probe
	b	.

/* PSCI CPU_ON enters here; x0 is the context. */
	.global second
second:
	adr	x1, vectors
	msr	vbar_el1, x1
	adrp	x1, stack1
	add	sp, x1, #4096
	bl	probe_second
	b	.

/* An exception counts and is stepped over: esr of the last one in `fault`. x16, x17 are scratch in the code under test. */
	.balign	0x800
vectors:
	.rept	16
	.balign	0x80
	b	caught
	.endr
caught:
	adrp	x16, fault
	add	x16, x16, :lo12:fault
	mrs	x17, esr_el1
	str	x17, [x16]
	mrs	x17, far_el1
	str	x17, [x16, #8]
	mrs	x17, elr_el1
	add	x17, x17, #4
	msr	elr_el1, x17
	eret

	.bss
	.balign	4096
stack0:	.skip	4096
stack1:	.skip	4096
