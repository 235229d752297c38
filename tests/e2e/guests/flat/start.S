/* The first instruction is the file's first: no header. main.c is the rest. */
	.section .head, "ax"
	.global head
head:
	adr	x2, head
	mrs	x3, CurrentEL
	adrp	x4, stack + 16384
	add	x4, x4, :lo12:(stack + 16384)
	mov	sp, x4
	mov	x1, x2
	mov	x2, x3
	bl	guest
	b	.

	/* A large part whose every byte is known: tests/e2e/test_kernels.py makes it. */
	.section .fill, "a"
	.global fill, fill_end
fill:	.incbin FILL
fill_end:

	.bss
	.balign	16
stack:	.skip	16384
