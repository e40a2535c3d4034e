/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What host and guest agree on. The guest's page table maps its first 1G of
 * physical memory twice: one to one as private, and GUEST_SHARED higher as
 * shared.
 */
#ifndef GUEST_H
#define GUEST_H

#define GUEST_BASE	0x100000
#define GUEST_PAGES	32
#define GUEST_PT	0x110000	/* PML4, PDPT, two directories */
#define GUEST_STACK	0x116000	/* grows down */
#define GUEST_SCRATCH	0x118000	/* snippets are run here */
#define GUEST_TSS	0x119000	/* its RSP0 is GUEST_STACK */
#define GUEST_COMM	0x130000	/* GPA of the shared page */
#define GUEST_TEST	0x200000	/* from here on tests map what they like */
#define GUEST_SHARED	0x40000000
#define GUEST_CODE_LEN	256

#ifndef __ASSEMBLER__
struct guest_in {
	uint64_t rax, rcx, rdx, rbx, rsi, rdi;
};

struct guest_comm {
	uint64_t len;				/* 00 */
	struct guest_in in;			/* 08 */
	struct guest_in out;			/* 38 */
	uint64_t rflags;			/* 68 */
	int64_t vector;				/* 70 */
	uint64_t err, cr2, rip;			/* 78 80 88 */
	uint64_t count;				/* 90 snippets that began */
	uint64_t flag;				/* 98 for the tests */
	uint64_t pad[12];
	uint8_t code[GUEST_CODE_LEN];		/* 100 */
	/* what the guest found at its first instruction: 200 */
	uint64_t gpr[16];	/* rax rcx rdx rbx rsp rbp rsi rdi r8-r15 */
	uint64_t start_rflags;			/* 280 */
	uint64_t sel[8];	/* es cs ss ds fs gs ldtr tr; 288 */
	uint64_t cr[5];				/* 0 2 3 4 8; 2c8 */
	uint64_t dr[2];				/* 6 7; 2f0 */
	uint16_t gdt_limit;			/* 300 */
	uint64_t gdt_base;
	uint16_t idt_limit;			/* 30a */
	uint64_t idt_base;
	uint8_t pad2[12];
	uint64_t xcr0;				/* 320 */
	uint8_t pad3[0x400 - 0x328];
	uint8_t xsave[0x400];			/* 400 */
} __attribute__((packed));
#endif

#endif
