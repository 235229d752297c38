/* Entry, exceptions and byte functions of the vault. */
#include "mvp/abi.h"
#include "mvp/machine.h"
#include "stack.h"

	.section .entry, "ax"
	.global _start
/* x0 = CPU index, x1 = CPUs online, x2 = bytes at MVP_VAULT_CORE, EL1h, MMU and caches off, DAIF masked. CPU 0 first and alone. */
_start:
	msr	tpidr_el1, x0
	mov	x19, x0
	mov	x20, x1
	mov	x22, x2
	adr	x2, vectors
	msr	vbar_el1, x2
	/* FP and SIMD on: the AES and SHA instructions use them (CPACR_EL1.FPEN = 3). */
	mov	x2, #3 << 20
	msr	cpacr_el1, x2
	isb
	/* Stack of this CPU: above its guard page. */
	ldr	x2, =__vault_stacks
	mov	x3, #VAULT_STACK_STRIDE
	madd	x2, x3, x0, x2
	add	x21, x2, x3
	cbnz	x0, 2f

	/* Whatever the caches hold of our memory must not land on what we write with the caches off, now or later: clean and invalidate
	 * before the first write, and again before the caches are on, since lines may have been read ahead in between. */
	bl	own_civac
	ldr	x0, =__vault_bss
	ldr	x1, =__vault_end
1:	stp	xzr, xzr, [x0], #16
	cmp	x0, x1
	b.lo	1b
	mov	sp, x21
	mov	x0, x22
	bl	mmu_build
	bl	own_civac

2:	/* Translation on. MAIR: 0 device nGnRE, 1 normal write-back. TCR: 39-bit VA, 4 KiB granule, inner shareable write-back walks,
	 * TTBR1 off, 40-bit IPA. */
	ldr	x0, =0xff04
	msr	mair_el1, x0
	ldr	x0, =(25 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 23 | 2 << 32)
	msr	tcr_el1, x0
	ldr	x0, =mmu_root
	msr	ttbr0_el1, x0
	tlbi	vmalle1
	ic	iallu
	dsb	nsh
	isb
	/* RES1 bits, M, C, SA, I, WXN: nothing writable is executable whatever a table says. */
	ldr	x0, =(0x30d00800 | 1 | 1 << 2 | 1 << 3 | 1 << 12 | 1 << 19)
	msr	sctlr_el1, x0
	isb
	mov	sp, x21
	mov	x29, xzr
	mov	x30, xzr
	mov	x0, x19
	mov	x1, x20
	mov	x2, x22
	bl	vault_main
3:	wfe
	b	3b

/* Clean and invalidate all memory of the vault by the smallest line of the CPU (CTR_EL0.DminLine). Uses x0-x3. */
own_civac:
	ldr	x0, =__vault_data
	ldr	x1, =__vault_end
arch_civac_loop:
	mrs	x2, ctr_el0
	ubfx	x2, x2, #16, #4
	mov	x3, #4
	lsl	x2, x3, x2
	sub	x3, x2, #1
	bic	x0, x0, x3
1:	cmp	x0, x1
	b.hs	2f
	dc	civac, x0
	add	x0, x0, x2
	b	1b
2:	dsb	sy
	ret

	.section .text.arch_clean, "ax"
	.global arch_clean
	.type arch_clean, %function
arch_clean:
	add	x1, x0, x1
	b	arch_civac_loop

/* Any exception is a bug of ours: the core says so and resets. A stack overflow ends here too, so no stack is used. */
	.macro vector
	.balign 128
	ldr	x0, =MVP_HC_PANIC
	mrs	x1, esr_el1
	mrs	x2, elr_el1
	mrs	x3, far_el1
	hvc	#0
	b	.
	.ltorg
	.endm

	.section .text.vectors, "ax"
	.balign 2048
vectors:
	.rept 16
	vector
	.endr

/* The byte functions run with the MMU on only, where normal memory may be accessed unaligned; -mstrict-align keeps C from it. */
	.section .text.memcpy, "ax"
	.global memcpy
	.type memcpy, %function
memcpy:
	mov	x3, x0
	cmp	x2, #64
	b.lo	2f
1:	ldp	x4, x5, [x1]
	ldp	x6, x7, [x1, #16]
	ldp	x8, x9, [x1, #32]
	ldp	x10, x11, [x1, #48]
	add	x1, x1, #64
	stp	x4, x5, [x3]
	stp	x6, x7, [x3, #16]
	stp	x8, x9, [x3, #32]
	stp	x10, x11, [x3, #48]
	add	x3, x3, #64
	sub	x2, x2, #64
	cmp	x2, #64
	b.hs	1b
2:	cmp	x2, #8
	b.lo	4f
3:	ldr	x4, [x1], #8
	str	x4, [x3], #8
	sub	x2, x2, #8
	cmp	x2, #8
	b.hs	3b
4:	cbz	x2, 6f
5:	ldrb	w4, [x1], #1
	strb	w4, [x3], #1
	subs	x2, x2, #1
	b.ne	5b
6:	ret

	.section .text.memmove, "ax"
	.global memmove
	.type memmove, %function
memmove:
	sub	x3, x0, x1
	cmp	x3, x2
	b.hs	memcpy /* dst below src, or no overlap: a forward copy reads each byte before it is overwritten */
1:	cbz	x2, 2f
	sub	x2, x2, #1
	ldrb	w4, [x1, x2]
	strb	w4, [x0, x2]
	b	1b
2:	ret

	.section .text.memset, "ax"
	.global memset
	.type memset, %function
memset:
	and	x1, x1, #0xff
	mov	x3, #0x0101010101010101
	mul	x1, x1, x3
	mov	x3, x0
1:	cmp	x2, #16
	b.lo	2f
	stp	x1, x1, [x3], #16
	sub	x2, x2, #16
	b	1b
2:	cbz	x2, 4f
3:	strb	w1, [x3], #1
	subs	x2, x2, #1
	b.ne	3b
4:	ret

	.section .text.memcmp, "ax"
	.global memcmp
	.type memcmp, %function
memcmp:
1:	cbz	x2, 2f
	ldrb	w3, [x0], #1
	ldrb	w4, [x1], #1
	sub	x2, x2, #1
	subs	w3, w3, w4
	b.eq	1b
	mov	w0, w3
	ret
2:	mov	w0, wzr
	ret

	.section .stacks, "aw", %nobits
	.space VAULT_STACK_STRIDE * MVP_MAX_CPUS

	.section .note.GNU-stack, "", %progbits
