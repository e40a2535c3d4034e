/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest of the tests. It notes the state that it was started with, then
 * takes commands: it exits by VMGEXIT, and when resumed copies a snippet of
 * code out of the shared page into its own memory and runs it. It is linked at
 * GUEST_BASE and copied there.
 */
#include "guest.h"

#define COMM	(GUEST_SHARED + GUEST_COMM)
#define VMGEXIT	rep; vmmcall

	.text
	.globl	start
start:
	mov	%rax, dump_gpr(%rip)
	mov	%rcx, dump_gpr + 8(%rip)
	mov	%rdx, dump_gpr + 16(%rip)
	mov	%rbx, dump_gpr + 24(%rip)
	mov	%rsp, dump_gpr + 32(%rip)
	mov	%rbp, dump_gpr + 40(%rip)
	mov	%rsi, dump_gpr + 48(%rip)
	mov	%rdi, dump_gpr + 56(%rip)
	mov	%r8, dump_gpr + 64(%rip)
	mov	%r9, dump_gpr + 72(%rip)
	mov	%r10, dump_gpr + 80(%rip)
	mov	%r11, dump_gpr + 88(%rip)
	mov	%r12, dump_gpr + 96(%rip)
	mov	%r13, dump_gpr + 104(%rip)
	mov	%r14, dump_gpr + 112(%rip)
	mov	%r15, dump_gpr + 120(%rip)
	lea	stack_end(%rip), %rsp
	pushfq
	pop	%rbx
	mov	$COMM, %ebp
	mov	%rbx, 0x280(%rbp)
	cld
	lea	dump_gpr(%rip), %rsi
	lea	0x200(%rbp), %rdi
	mov	$16, %ecx
	rep movsq

	mov	%es, 0x288(%rbp)
	mov	%cs, 0x290(%rbp)
	mov	%ss, 0x298(%rbp)
	mov	%ds, 0x2a0(%rbp)
	mov	%fs, 0x2a8(%rbp)
	mov	%gs, 0x2b0(%rbp)
	sldt	0x2b8(%rbp)
	str	0x2c0(%rbp)
	mov	%cr0, %rax
	mov	%rax, 0x2c8(%rbp)
	mov	%cr2, %rax
	mov	%rax, 0x2d0(%rbp)
	mov	%cr3, %rax
	mov	%rax, 0x2d8(%rbp)
	mov	%cr4, %rax
	mov	%rax, 0x2e0(%rbp)
	mov	%cr8, %rax
	mov	%rax, 0x2e8(%rbp)
	mov	%dr6, %rax
	mov	%rax, 0x2f0(%rbp)
	mov	%dr7, %rax
	mov	%rax, 0x2f8(%rbp)
	sgdt	0x300(%rbp)
	sidt	0x30a(%rbp)
	xor	%ecx, %ecx
	xgetbv
	mov	%eax, 0x320(%rbp)
	mov	%edx, 0x324(%rbp)
	mov	$7, %eax
	xor	%edx, %edx
	xsave	0x400(%rbp)

	/* 32 gates, 16 bytes apart each, to the stubs */
	lea	idt(%rip), %rdi
	lea	stubs(%rip), %rax
	mov	$32, %ecx
1:	mov	%ax, (%rdi)
	movw	$0x08, 2(%rdi)
	movw	$0x8e00, 4(%rdi)
	mov	%rax, %rdx
	shr	$16, %rdx
	mov	%dx, 6(%rdi)
	movq	$0, 8(%rdi)
	add	$16, %rdi
	add	$16, %rax
	dec	%ecx
	jnz	1b
	lgdt	gdt_ptr(%rip)
	lidt	idt_ptr(%rip)
	/* reloaded, so that exceptions return to selectors that exist */
	pushq	$0x08
	lea	2f(%rip), %rax
	push	%rax
	lretq
2:	mov	$0x10, %eax
	mov	%eax, %ss
	mov	%eax, %ds
	mov	%eax, %es

	.globl	commands
commands:
	lea	stack_end(%rip), %rsp
	cld
	VMGEXIT
	mov	$COMM, %ebp
	incq	0x90(%rbp)
	movq	$-1, 0x70(%rbp)
	lea	0x100(%rbp), %rsi
	mov	$GUEST_SCRATCH, %edi
	mov	(%rbp), %rcx
	rep movsb
	mov	0x08(%rbp), %rax
	mov	0x10(%rbp), %rcx
	mov	0x18(%rbp), %rdx
	mov	0x20(%rbp), %rbx
	mov	0x28(%rbp), %rsi
	mov	0x30(%rbp), %rdi
	mov	$GUEST_SCRATCH, %ebp
	call	*%rbp
	pushfq
	mov	$COMM, %ebp
	popq	0x68(%rbp)
	mov	%rax, 0x38(%rbp)
	mov	%rcx, 0x40(%rbp)
	mov	%rdx, 0x48(%rbp)
	mov	%rbx, 0x50(%rbp)
	mov	%rsi, 0x58(%rbp)
	mov	%rdi, 0x60(%rbp)
	jmp	commands

	/* Vectors that push an error code: 8, 10-14, 17, 21, 29, 30. */
	.balign	16
stubs:
	.set	vec, 0
	.rept	32
	.balign	16
	.if	(0x60227d00 >> vec) & 1 == 0
	push	$0
	.endif
	pushq	$vec
	jmp	trap
	.set	vec, vec + 1
	.endr

trap:
	mov	$COMM, %ebp
	pop	0x70(%rbp)
	pop	0x78(%rbp)
	pop	0x88(%rbp)
	mov	%cr2, %rax
	mov	%rax, 0x80(%rbp)
	jmp	commands

	.data
	.balign	16
gdt:
	.quad	0
	.quad	0x00af9b000000ffff
	.quad	0x00cf93000000ffff
	.quad	0x00affb000000ffff
	.quad	0x00cff3000000ffff
gdt_end:
gdt_ptr:
	.word	gdt_end - gdt - 1
	.quad	gdt
idt_ptr:
	.word	32 * 16 - 1
	.quad	idt
	.balign	16
dump_gpr:
	.skip	128
idt:
	.skip	32 * 16
	.skip	1024
	.balign	16
stack_end:
	.section .note.GNU-stack, "", @progbits
