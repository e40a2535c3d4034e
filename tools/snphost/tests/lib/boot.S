/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Entry of a test program: PVH (32-bit, paging off) for the boot CPU, a real
 * mode trampoline for the others, both into long mode on a page table that
 * maps the first 4G one to one with 2M pages.
 */
#define CR0_PE		0x00000001
#define CR0_MP		0x00000002
#define CR0_NE		0x00000020
#define CR0_WP		0x00010000
#define CR0_PG		0x80000000
#define CR4_PAE		0x00000020
#define CR4_OSFXSR	0x00000200
#define CR4_OSXMMEXCPT	0x00000400
#define CR4_OSXSAVE	0x00040000
#define MSR_EFER	0xc0000080
#define EFER_LME	0x00000100
#define EFER_NXE	0x00000800

#define SEL_CODE32	0x08
#define SEL_DATA	0x10
#define SEL_CODE64	0x18

	.section .note.pvh, "a", @note
	.long	4, 8, 18
	.asciz	"Xen"
	.quad	pvh_start

	.text
	.code32
	.globl	pvh_start
pvh_start:
	cld
	mov	%ebx, start_info

	/* PML4[0] -> PDPT, PDPT[0..3] -> four page directories, all user */
	mov	$boot_pdpt + 7, %eax
	mov	%eax, boot_pml4
	mov	$boot_pd + 7, %eax
	xor	%ecx, %ecx
1:	mov	%eax, boot_pdpt(,%ecx,8)
	add	$0x1000, %eax
	inc	%ecx
	cmp	$4, %ecx
	jne	1b
	mov	$0xe7, %eax			/* P, RW, US, A, D, PS */
	xor	%ecx, %ecx
2:	mov	%eax, boot_pd(,%ecx,8)
	add	$0x200000, %eax
	inc	%ecx
	cmp	$2048, %ecx
	jne	2b

	lgdt	gdt_ptr
	mov	$boot_stack_end, %esp
	call	long_mode_on
	ljmp	$SEL_CODE64, $bsp64

	/* Turns paging and long mode on; the caller far-jumps to 64-bit code. */
long_mode_on:
	mov	$CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE, %eax
	mov	%eax, %cr4
	mov	$boot_pml4, %eax
	mov	%eax, %cr3
	mov	$MSR_EFER, %ecx
	rdmsr
	or	$EFER_LME | EFER_NXE, %eax
	wrmsr
	mov	$CR0_PG | CR0_WP | CR0_NE | CR0_MP | CR0_PE, %eax
	mov	%eax, %cr0
	ret

	.globl	ap32
ap32:
	mov	$SEL_DATA, %ax
	mov	%ax, %ds
	mov	%ax, %es
	mov	%ax, %ss
	mov	ap_stack, %esp
	call	long_mode_on
	ljmp	$SEL_CODE64, $ap64

	.code64
bsp64:
	call	load_data_segs
	mov	$boot_stack_end, %rsp
	call	bsp_main
1:	hlt
	jmp	1b

ap64:
	call	load_data_segs
	mov	ap_stack, %rsp
	call	ap_main
1:	hlt
	jmp	1b

load_data_segs:
	mov	$SEL_DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	xor	%eax, %eax
	mov	%eax, %fs
	mov	%eax, %gs
	ret

	/* Copied to AP_TRAMPOLINE (lib.h); a SIPI starts it in real mode. */
	.globl	ap_tramp, ap_tramp_end
	.code16
ap_tramp:
	cli
	mov	%cs, %ax
	mov	%ax, %ds
	lgdtl	ap_gdt_ptr - ap_tramp
	mov	$CR0_PE, %eax
	mov	%eax, %cr0
	ljmpl	$SEL_CODE32, $ap32
	.balign	4
ap_gdt_ptr:
	.word	gdt_end - gdt - 1
	.long	gdt
ap_tramp_end:

	.data
	.balign	16
	.globl	gdt, gdt_end, gdt_ptr
gdt:
	.quad	0
	.quad	0x00cf9b000000ffff		/* 08 code, 32 bits */
	.quad	0x00cf93000000ffff		/* 10 data */
	.quad	0x00af9b000000ffff		/* 18 code, 64 bits */
	.quad	0x00cff3000000ffff		/* 20 data, DPL 3 */
	.quad	0x00affb000000ffff		/* 28 code, 64 bits, DPL 3 */
	.fill	8, 8, 0				/* 30, 40, ..: a TSS per CPU */
gdt_end:
gdt_ptr:
	.word	gdt_end - gdt - 1
	.quad	gdt

	.globl	start_info, ap_stack
start_info:
	.quad	0
ap_stack:
	.quad	0

	.bss
	.balign	4096
	.globl	boot_pml4
boot_pml4:
	.skip	4096
boot_pdpt:
	.skip	4096
boot_pd:
	.skip	4 * 4096
	.skip	4 * 4096
boot_stack_end:

	.section .note.GNU-stack, "", @progbits
