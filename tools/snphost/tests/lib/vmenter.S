/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * void vm_enter(uint64_t vmcb_pa, void *hsave)
 *
 * The exit of an SEV-ES guest loads what VMRUN does not save from the host
 * save area: put the callee-saved registers and what VMSAVE knows there.
 * The caller's interrupt flag holds while the guest runs.
 */
#define HSAVE_OFF 0x400
	.text
	.globl	vm_enter, vm_exit_point
vm_enter:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	clgi
	lea	HSAVE_OFF(%rsi), %rdx
	mov	%rbx, 0x318(%rdx)
	mov	%rbp, 0x328(%rdx)
	mov	%r12, 0x360(%rdx)
	mov	%r13, 0x368(%rdx)
	mov	%r14, 0x370(%rdx)
	mov	%r15, 0x378(%rdx)
	movq	$7, 0x3e8(%rdx)			/* XCR0 */
	mov	%rsi, %rax
	vmsave	%rax
	mov	%rdi, %rax
	vmrun	%rax
vm_exit_point:
	cld
	stgi
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret

	.section .note.GNU-stack, "", @progbits
