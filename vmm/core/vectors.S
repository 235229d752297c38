/* EL2 exception vectors. While a vCPU runs, SP_EL2 points at its struct regs, so an exception saves straight into it; the C code then runs on
 * the CPU's own stack and returns the vCPU to go on with. */
#define REGS_PC 248
#define TRAP_SYNC 0
#define TRAP_IRQ 1
#define TRAP_SERROR 2

	.macro	from_guest kind
	.balign	0x80
	stp	x0, x1, [sp, #0]
	mov	w1, #\kind
	b	save
	.endm

	.section .text.vectors, "ax"
	.arch	armv8-a+simd
	.balign	0x800
	.global vectors
vectors:
/* Current EL: nothing at EL2 may fault, so these slots hold a branch only; the room behind it is used for the code below. */
	b	core_fault /* SP0, synchronous */

save:
	stp	x2, x3, [sp, #16]
	stp	x4, x5, [sp, #32]
	stp	x6, x7, [sp, #48]
	stp	x8, x9, [sp, #64]
	stp	x10, x11, [sp, #80]
	stp	x12, x13, [sp, #96]
	stp	x14, x15, [sp, #112]
	stp	x16, x17, [sp, #128]
	stp	x18, x19, [sp, #144]
	stp	x20, x21, [sp, #160]
	stp	x22, x23, [sp, #176]
	stp	x24, x25, [sp, #192]
	stp	x26, x27, [sp, #208]
	stp	x28, x29, [sp, #224]
	mrs	x2, elr_el2
	mrs	x3, spsr_el2
	str	x30, [sp, #240]
	stp	x2, x3, [sp, #REGS_PC]
	mov	x0, sp
	mrs	x2, tpidr_el2
	ldr	x2, [x2] /* struct pcpu: stack_top */
	mov	sp, x2
	mov	x29, xzr
	bl	trap
	b	enter_guest

	.balign	0x80
	b	core_fault /* SP0, IRQ */

/* x0 = the vCPU whose EL1 context is on the CPU: goes on with it. */
	.global enter_guest
enter_guest:
	mov	sp, x0
	ldp	x2, x3, [sp, #REGS_PC]
	msr	elr_el2, x2
	msr	spsr_el2, x3
	ldr	x30, [sp, #240]
	ldp	x28, x29, [sp, #224]
	ldp	x26, x27, [sp, #208]
	ldp	x24, x25, [sp, #192]
	ldp	x22, x23, [sp, #176]
	ldp	x20, x21, [sp, #160]
	ldp	x18, x19, [sp, #144]
	ldp	x16, x17, [sp, #128]
	ldp	x14, x15, [sp, #112]
	ldp	x12, x13, [sp, #96]
	ldp	x10, x11, [sp, #80]
	ldp	x8, x9, [sp, #64]
	ldp	x6, x7, [sp, #48]
	ldp	x4, x5, [sp, #32]
	ldp	x2, x3, [sp, #16]
	ldp	x0, x1, [sp, #0]
	eret
	dsb	nsh /* no speculation past the return */
	isb


	.balign	0x80
	b	core_fault /* SP0, FIQ */

/* x0 = struct fp_regs */
	.global fp_save
fp_save:
	stp	q0, q1, [x0, #0]
	stp	q2, q3, [x0, #32]
	stp	q4, q5, [x0, #64]
	stp	q6, q7, [x0, #96]
	stp	q8, q9, [x0, #128]
	stp	q10, q11, [x0, #160]
	stp	q12, q13, [x0, #192]
	stp	q14, q15, [x0, #224]
	stp	q16, q17, [x0, #256]
	stp	q18, q19, [x0, #288]
	stp	q20, q21, [x0, #320]
	stp	q22, q23, [x0, #352]
	stp	q24, q25, [x0, #384]
	stp	q26, q27, [x0, #416]
	stp	q28, q29, [x0, #448]
	stp	q30, q31, [x0, #480]
	mrs	x1, fpsr
	mrs	x2, fpcr
	add	x0, x0, #512
	stp	x1, x2, [x0]
	ret


	.balign	0x80
	b	core_fault /* SP0, SError */

	.global fp_load
fp_load:
	ldp	q0, q1, [x0, #0]
	ldp	q2, q3, [x0, #32]
	ldp	q4, q5, [x0, #64]
	ldp	q6, q7, [x0, #96]
	ldp	q8, q9, [x0, #128]
	ldp	q10, q11, [x0, #160]
	ldp	q12, q13, [x0, #192]
	ldp	q14, q15, [x0, #224]
	ldp	q16, q17, [x0, #256]
	ldp	q18, q19, [x0, #288]
	ldp	q20, q21, [x0, #320]
	ldp	q22, q23, [x0, #352]
	ldp	q24, q25, [x0, #384]
	ldp	q26, q27, [x0, #416]
	ldp	q28, q29, [x0, #448]
	ldp	q30, q31, [x0, #480]
	add	x0, x0, #512
	ldp	x1, x2, [x0]
	msr	fpsr, x1
	msr	fpcr, x2
	ret

	.balign	0x80
	b	core_fault /* SPx, synchronous */

core_fault:
	mrs	x0, esr_el2
	mrs	x1, elr_el2
	mrs	x2, tpidr_el2
	ldr	x2, [x2]
	mov	sp, x2
	mrs	x2, far_el2
	b	core_exception


	.rept	3 /* SPx, IRQ, FIQ, SError */
	.balign	0x80
	b	core_fault
	.endr

	.rept	2 /* lower EL, AArch64 then AArch32 */
	from_guest TRAP_SYNC
	from_guest TRAP_IRQ
	from_guest TRAP_IRQ
	from_guest TRAP_SERROR
	.endr
