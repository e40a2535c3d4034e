/* SPDX-License-Identifier: GPL-2.0-only */
/* Exception entry, the resume point of TRY(), and the way to CPL 3. */
	.text

	/* Vectors that push an error code: 8, 10-14, 17, 21, 29, 30. */
#define HAS_ERR(n) (((1 << (n)) & 0x60227d00) != 0)

	.globl	trap_stubs
	.balign	16
trap_stubs:
	.set	vec, 0
	.rept	256
	.balign	16
	.if	vec >= 32
	push	$0
	.elseif	!HAS_ERR(vec)
	push	$0
	.endif
	pushq	$vec
	jmp	trap_common
	.set	vec, vec + 1
	.endr

trap_common:
	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%r11
	push	%r10
	push	%r9
	push	%r8
	push	%rdi
	push	%rsi
	push	%rbp
	push	%rbx
	push	%rdx
	push	%rcx
	push	%rax
	cld
	mov	%rsp, %rdi
	/* an interrupt may come between any two pushes of C code */
	mov	%rsp, %rbp
	and	$-16, %rsp
	call	trap_handler
	mov	%rbp, %rsp
	pop	%rax
	pop	%rcx
	pop	%rdx
	pop	%rbx
	pop	%rbp
	pop	%rsi
	pop	%rdi
	pop	%r8
	pop	%r9
	pop	%r10
	pop	%r11
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15
	add	$16, %rsp
	iretq

	/* int trap_save(uint64_t buf[8]): 0 now, 1 when trap_resume() comes */
	.globl	trap_save, trap_resume
trap_save:
	mov	%rbx, 0(%rdi)
	mov	%rbp, 8(%rdi)
	mov	%r12, 16(%rdi)
	mov	%r13, 24(%rdi)
	mov	%r14, 32(%rdi)
	mov	%r15, 40(%rdi)
	lea	8(%rsp), %rax
	mov	%rax, 48(%rdi)
	mov	(%rsp), %rax
	mov	%rax, 56(%rdi)
	xor	%eax, %eax
	ret

trap_resume:
	mov	$0x10, %eax
	mov	%eax, %ss
	mov	%eax, %ds
	mov	%eax, %es
	mov	0(%rdi), %rbx
	mov	8(%rdi), %rbp
	mov	16(%rdi), %r12
	mov	24(%rdi), %r13
	mov	32(%rdi), %r14
	mov	40(%rdi), %r15
	mov	48(%rdi), %rsp
	mov	$1, %eax
	jmp	*56(%rdi)

	/* void enter_user(fn, arg, stack): fn(arg) at CPL 3, ends in int3 */
	.globl	enter_user
enter_user:
	push	$0x23
	push	%rdx
	pushfq
	push	$0x2b
	lea	1f(%rip), %rax
	push	%rax
	mov	%rdi, %rax
	mov	%rsi, %rdi
	iretq
1:	call	*%rax
	int3

	.section .note.GNU-stack, "", @progbits
