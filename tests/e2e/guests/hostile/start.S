/* The hostile guest's entry, its exception vectors, and what C cannot say. hostile.h knows the offsets in struct cpu. */
#define CPU_ESR 0
#define CPU_FAR 8
#define CPU_ELR 16
#define CPU_FAULTS 24
#define CPU_RESUME 32
#define CPU_MARK 40
#define CPU_SERRORS 48
#define STACK_LOG2 14
#define EL1H_MASKED 0x3c5

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
	mov	x19, x0
	adrp	x1, __bss_start
	add	x1, x1, :lo12:__bss_start
	adrp	x2, __end
0:	str	xzr, [x1], #8
	cmp	x1, x2
	b.lo	0b
	mov	x0, #0
	bl	cpu_setup
	mov	x0, x19
	bl	hostile_main
	b	.

/* PSCI CPU_ON enters here; x0 is the CPU's index. */
	.global secondary
secondary:
	bl	cpu_setup
	bl	hostile_secondary
	b	.

/* x0 = CPU index: stack, vectors, per-CPU pointer, identity mapping; returns x0 = struct cpu. Everything a reset leaves UNKNOWN is set. */
cpu_setup:
	adrp	x1, vectors
	add	x1, x1, :lo12:vectors
	msr	vbar_el1, x1
	adrp	x1, stacks
	add	x2, x0, #1
	add	x1, x1, x2, lsl #STACK_LOG2
	mov	sp, x1
	adrp	x1, cpus
	add	x1, x1, :lo12:cpus
	mov	x2, #4096
	madd	x0, x0, x2, x1
	msr	tpidr_el1, x0
	mov	x1, #-1 /* FP, SVE, SME and trace: not trapped by ourselves */
	msr	cpacr_el1, x1
	isb
	mov	x20, x30
	mov	x21, x0
	bl	mmu_setup
	mov	x0, x21
	ret	x20

/* A synchronous exception is noted; the code under test uses x16, x17 for nothing. Goes on behind the instruction, or at `resume`, once, at
 * EL1. With `mark` set, x0 becomes it: how a batch of instructions knows which of them faulted. */
	.balign	0x800
vectors:
	.rept	4
	.balign	0x80
	b	caught
	.balign	0x80
	b	interrupt
	.balign	0x80
	b	fast_interrupt
	.balign	0x80
	b	serror
	.endr
caught:
	mrs	x16, tpidr_el1
	mrs	x17, esr_el1
	str	x17, [x16, #CPU_ESR]
	mrs	x17, far_el1
	str	x17, [x16, #CPU_FAR]
	mrs	x17, elr_el1
	str	x17, [x16, #CPU_ELR]
	ldr	x17, [x16, #CPU_FAULTS]
	add	x17, x17, #1
	str	x17, [x16, #CPU_FAULTS]
	ldr	x17, [x16, #CPU_MARK]
	cbz	x17, 1f
	mov	x0, x17
1:	ldr	x17, [x16, #CPU_RESUME]
	cbnz	x17, 2f
	mrs	x17, elr_el1
	add	x17, x17, #4
	msr	elr_el1, x17
	eret
2:	str	xzr, [x16, #CPU_RESUME]
	msr	elr_el1, x17
	mov	x17, #EL1H_MASKED
	msr	spsr_el1, x17
	eret
serror:
	mrs	x16, tpidr_el1
	ldr	x17, [x16, #CPU_SERRORS]
	add	x17, x17, #1
	str	x17, [x16, #CPU_SERRORS]
	eret

	.macro	take group
	sub	sp, sp, #192
	stp	x0, x1, [sp, #0]
	stp	x2, x3, [sp, #16]
	stp	x4, x5, [sp, #32]
	stp	x6, x7, [sp, #48]
	stp	x8, x9, [sp, #64]
	stp	x10, x11, [sp, #80]
	stp	x12, x13, [sp, #96]
	stp	x14, x15, [sp, #112]
	stp	x16, x17, [sp, #128]
	stp	x18, x30, [sp, #144]
	mrs	x0, elr_el1
	mrs	x1, spsr_el1
	stp	x0, x1, [sp, #160]
	mrs	x0, tpidr_el1
	mov	w1, #\group
	bl	on_interrupt
	ldp	x0, x1, [sp, #160]
	msr	elr_el1, x0
	msr	spsr_el1, x1
	ldp	x18, x30, [sp, #144]
	ldp	x16, x17, [sp, #128]
	ldp	x14, x15, [sp, #112]
	ldp	x12, x13, [sp, #96]
	ldp	x10, x11, [sp, #80]
	ldp	x8, x9, [sp, #64]
	ldp	x6, x7, [sp, #48]
	ldp	x4, x5, [sp, #32]
	ldp	x2, x3, [sp, #16]
	ldp	x0, x1, [sp, #0]
	add	sp, sp, #192
	eret
	.endm
interrupt:
	take	1
fast_interrupt:
	take	0

	.macro	save_callee
	stp	x29, x30, [sp, #-96]!
	stp	x19, x20, [sp, #16]
	stp	x21, x22, [sp, #32]
	stp	x23, x24, [sp, #48]
	stp	x25, x26, [sp, #64]
	stp	x27, x28, [sp, #80]
	.endm
	.macro	restore_callee
	ldp	x27, x28, [sp, #80]
	ldp	x25, x26, [sp, #64]
	ldp	x23, x24, [sp, #48]
	ldp	x21, x22, [sp, #32]
	ldp	x19, x20, [sp, #16]
	ldp	x29, x30, [sp], #96
	ret
	.endm

/* run_batch(code, in, out): the code has x18 = in, x19 = out and ends in `br x20`; it may change x0-x17, x30 and PSTATE. */
	.global run_batch
run_batch:
	save_callee
	mrs	x21, daif
	mov	x22, x0
	mov	x18, x1
	mov	x19, x2
	adr	x20, 1f
	isb
	br	x22
1:	msr	daif, x21
	isb
	restore_callee

/* try_at(code, address, value): one instruction in code with x0 = address, x1 = value; returns x0 as it is afterwards: a base register
 * with write-back shows it. */
	.global try_at
try_at:
	save_callee
	mov	x20, x0
	mov	x0, x1
	mov	x1, x2
	mov	x2, x2
	blr	x20
	restore_callee

/* jump_to(address): executes there; whatever exception that brings, comes back. */
	.global jump_to
jump_to:
	save_callee
	mov	x19, sp
	mrs	x20, tpidr_el1
	adr	x1, 1f
	str	x1, [x20, #CPU_RESUME]
	blr	x0
	str	xzr, [x20, #CPU_RESUME]
1:	mov	sp, x19
	restore_callee

/* to_el0(address, spsr): goes to EL0 there; the first exception comes back. */
	.global to_el0
to_el0:
	save_callee
	mov	x19, sp
	mrs	x20, tpidr_el1
	adr	x2, 1f
	str	x2, [x20, #CPU_RESUME]
	msr	elr_el1, x0
	msr	spsr_el1, x1
	eret
1:	mrs	x20, tpidr_el1
	ldr	x0, [x20, #CPU_ESR]
	restore_callee

/* call_hvc(struct call *), call_smc: x0-x7 from it, x8-x28 set to marks; results back, and how many of x4-x28 changed. */
	.macro	call_by insn
	save_callee
	stp	x0, x18, [sp, #-16]!
	mov	x29, x0
	.irp	n, 8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28
	mov	x\n, #(0x5a00 + \n)
	.endr
	ldp	x0, x1, [x29]
	ldp	x2, x3, [x29, #16]
	ldp	x4, x5, [x29, #32]
	ldp	x6, x7, [x29, #48]
	\insn	#0
	stp	x0, x1, [x29, #64]
	stp	x2, x3, [x29, #80]
	mov	x0, #0
	.irp	n, 8,9,10,11,12,13,14,15,18,19,20,21,22,23,24,25,26,27,28
	mov	x1, #(0x5a00 + \n)
	cmp	x\n, x1
	cinc	x0, x0, ne
	.endr
	ldp	x1, x2, [x29, #32]
	cmp	x4, x1
	cinc	x0, x0, ne
	cmp	x5, x2
	cinc	x0, x0, ne
	ldp	x1, x2, [x29, #48]
	cmp	x6, x1
	cinc	x0, x0, ne
	cmp	x7, x2
	cinc	x0, x0, ne
	str	x0, [x29, #96]
	ldp	x1, x18, [sp], #16
	restore_callee
	.endm
	.global call_hvc
call_hvc:
	call_by	hvc
	.global call_smc
call_smc:
	call_by	smc

/* The instruction words that odd.c tries on addresses that are no memory: x0 = base, x1 = value, others scratch. */
	.arch	armv8.1-a+simd
	.section .rodata
	.balign	8
	.global odd_words, odd_words_end
odd_words:
	ldp	x2, x3, [x0]
	stp	x2, x3, [x0]
	ldp	w2, w3, [x0, #8]!
	stp	w2, w3, [x0], #16
	ldpsw	x2, x3, [x0]
	ldnp	x2, x3, [x0]
	stnp	x2, x3, [x0]
	ldr	x2, [x0], #8
	ldr	w2, [x0, #4]!
	str	x1, [x0], #8
	str	w1, [x0, #4]!
	ldrsb	x2, [x0], #1
	ldrsw	x2, [x0, #4]!
	ldxr	x2, [x0]
	ldaxr	w2, [x0]
	ldxp	x2, x3, [x0]
	stxr	w2, x1, [x0]
	stlxr	w2, w1, [x0]
	stxp	w2, x3, x4, [x0]
	ldxrb	w2, [x0]
	ldar	x2, [x0]
	ldarb	w2, [x0]
	stlr	x1, [x0]
	stlrh	w1, [x0]
	ldtr	x2, [x0]
	sttr	w1, [x0]
	ldur	x2, [x0, #-8]
	ldr	x2, [x0, xzr]
	ldrsh	w2, [x0]
	ldrsb	w2, [x0]
	ldr	b0, [x0]
	ldr	d0, [x0]
	ldr	q0, [x0]
	str	s0, [x0]
	str	q0, [x0], #16
	ldp	q0, q1, [x0]
	stp	d0, d1, [x0]
	ld1	{v0.16b}, [x0]
	st1	{v0.16b-v3.16b}, [x0]
	ld4	{v0.4s-v3.4s}, [x0], #64
	ld1r	{v0.2d}, [x0]
	st2	{v0.b-v1.b}[3], [x0]
	dc	zva, x0
	dc	civac, x0
	dc	ivac, x0
	dc	cvau, x0
	dc	cvac, x0
	ic	ivau, x0
	prfm	pldl1keep, [x0]
	at	s1e1r, x0
	at	s1e1w, x0
	at	s1e0r, x0
	ldadd	x1, x2, [x0]
	swp	w1, w2, [x0]
	cas	x1, x2, [x0]
	casp	x2, x3, x4, x5, [x0]
	ldaddalb w1, w2, [x0]
	.inst	0xf8bfc002 /* ldapr x2, [x0] */
odd_words_end:

	.bss
	.balign	1 << STACK_LOG2
	.global stacks
stacks:	.skip	2 << STACK_LOG2
