/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Offsets and bits of the VMCB and the VMSA (APM volume 2, appendix B), and
 * guests to run: what they execute is in guest/guest.S.
 */
#ifndef SVM_H
#define SVM_H

#include "snp.h"
#include "guest.h"

#define F8(p, off)	(*(volatile uint8_t *)((char *)(p) + (off)))
#define F16(p, off)	(*(volatile uint16_t *)((char *)(p) + (off)))
#define F32(p, off)	(*(volatile uint32_t *)((char *)(p) + (off)))
#define F64(p, off)	(*(volatile uint64_t *)((char *)(p) + (off)))

/* VMCB control area */
#define VMCB_CR		0x000	/* intercepts: reads 0-15, writes 16-31 */
#define VMCB_DR		0x004
#define VMCB_EXC	0x008
#define VMCB_MISC1	0x00c
#define VMCB_MISC2	0x010
#define VMCB_IOPM	0x040
#define VMCB_MSRPM	0x048
#define VMCB_ASID	0x058
#define VMCB_TLB	0x05c
#define VMCB_VINTR	0x060
#define VMCB_INTSTATE	0x068
#define VMCB_EXITCODE	0x070
#define VMCB_INFO1	0x078
#define VMCB_INFO2	0x080
#define VMCB_NESTED	0x090
#define   NESTED_NP	BIT(0)
#define   NESTED_SEV	BIT(1)
#define   NESTED_ES	BIT(2)
#define VMCB_GHCB	0x0a0
#define VMCB_INJECT	0x0a8
#define VMCB_NCR3	0x0b0
#define VMCB_VIRT	0x0b8
#define VMCB_CLEAN	0x0c0
#define VMCB_NRIP	0x0c8
#define VMCB_INSN_LEN	0x0d0
#define VMCB_VMSA	0x108

#define MISC1_INTR	BIT(0)
#define MISC1_CR0_SEL	BIT(5)
#define MISC1_RDTSC	BIT(14)
#define MISC1_CPUID	BIT(18)
#define MISC1_INVD	BIT(22)
#define MISC1_PAUSE	BIT(23)
#define MISC1_HLT	BIT(24)
#define MISC1_IOIO	BIT(27)
#define MISC1_MSR	BIT(28)
#define MISC1_SHUTDOWN	BIT(31)
#define MISC2_VMRUN	BIT(0)
#define MISC2_VMMCALL	BIT(1)
#define MISC2_RDTSCP	BIT(7)
#define MISC2_WBINVD	BIT(9)
#define MISC2_XSETBV	BIT(13)
#define MISC2_EFER_TRAP	BIT(15)
#define MISC2_CR_TRAP(n) BIT(16 + (n))
#define VINTR_MASKING	BIT(24)

#define EXIT_READ_CR(n)	(0x00 + (n))
#define EXIT_WRITE_CR(n) (0x10 + (n))
#define EXIT_READ_DR(n)	(0x20 + (n))
#define EXIT_WRITE_DR(n) (0x30 + (n))
#define EXIT_EXC(n)	(0x40 + (n))
#define EXIT_INTR	0x60
#define EXIT_CR0_SEL	0x65
#define EXIT_RDTSC	0x6e
#define EXIT_CPUID	0x72
#define EXIT_INVD	0x76
#define EXIT_PAUSE	0x77
#define EXIT_HLT	0x78
#define EXIT_IOIO	0x7b
#define EXIT_MSR	0x7c
#define EXIT_SHUTDOWN	0x7f
#define EXIT_VMMCALL	0x81
#define EXIT_RDTSCP	0x87
#define EXIT_WBINVD	0x89
#define EXIT_XSETBV	0x8d
#define EXIT_EFER_TRAP	0x8f
#define EXIT_CR_TRAP(n)	(0x90 + (n))
#define EXIT_NPF	0x400
#define EXIT_VMGEXIT	0x403
#define EXIT_NOT_VALIDATED 0x404
#define EXIT_INVALID	(~0ull)
#define EXIT_BUSY	(~1ull)
/* vm_run(): VMRUN itself took an exception */
#define EXIT_TRAPPED(v)	(0x10000 + (v))

/* VMSA. Segments: selector +0, attributes +2, limit +4, base +8 */
#define VMSA_ES		0x000
#define VMSA_CS		0x010
#define VMSA_SS		0x020
#define VMSA_DS		0x030
#define VMSA_FS		0x040
#define VMSA_GS		0x050
#define VMSA_GDTR	0x060
#define VMSA_LDTR	0x070
#define VMSA_IDTR	0x080
#define VMSA_TR		0x090
#define VMSA_VMPL	0x0ca
#define VMSA_CPL	0x0cb
#define VMSA_EFER	0x0d0
#define VMSA_XSS	0x140
#define VMSA_CR4	0x148
#define VMSA_CR3	0x150
#define VMSA_CR0	0x158
#define VMSA_DR7	0x160
#define VMSA_DR6	0x168
#define VMSA_RFLAGS	0x170
#define VMSA_RIP	0x178
#define VMSA_DR0	0x180
#define VMSA_RSP	0x1d8
#define VMSA_RAX	0x1f8
#define VMSA_STAR	0x200
#define VMSA_LSTAR	0x208
#define VMSA_CSTAR	0x210
#define VMSA_SFMASK	0x218
#define VMSA_KGS_BASE	0x220
#define VMSA_SYSENTER_CS 0x228
#define VMSA_SYSENTER_ESP 0x230
#define VMSA_SYSENTER_EIP 0x238
#define VMSA_CR2	0x240
#define VMSA_PAT	0x268
#define VMSA_PKRU	0x2e8
#define VMSA_TSC_AUX	0x2ec
#define VMSA_RCX	0x308
#define VMSA_RDX	0x310
#define VMSA_RBX	0x318
#define VMSA_RBP	0x328
#define VMSA_RSI	0x330
#define VMSA_RDI	0x338
#define VMSA_R8		0x340	/* .. r15 */
#define VMSA_EXITINFO1	0x390
#define VMSA_EXITINFO2	0x398
#define VMSA_SEV_FEATURES 0x3b0
#define   FEATURE_SNP	BIT(0)
#define   FEATURE_VTOM	BIT(1)
#define   FEATURE_REFLECT_VC BIT(2)
#define   FEATURE_RESTRICTED_INJ BIT(3)
#define   FEATURE_ALTERNATE_INJ BIT(4)
#define   FEATURE_DEBUG_SWAP BIT(5)
#define VMSA_VINTR_CTRL	0x3b8
#define VMSA_EXITCODE	0x3c0
#define VMSA_TLB_ID	0x3d0
#define VMSA_PCPU_ID	0x3d8
#define VMSA_XCR0	0x3e8
#define VMSA_MXCSR	0x408
#define VMSA_FTW	0x40c
#define VMSA_FSW	0x40e
#define VMSA_FCW	0x410
#define VMSA_ST		0x420
#define VMSA_XMM	0x470
#define VMSA_YMM_HI	0x570

/* The host save area has this layout at an offset of its page. */
#define HSAVE_VMSA	0x400

struct vm {
	bool snp;
	unsigned int asid;
	void *vmcb;
	void *vmsa;
	uint64_t *npt;
	volatile struct guest_comm *comm;
	uint64_t gctx;			/* SNP: the firmware's context page */
	uint64_t mem[GUEST_PAGES];	/* of each page at GUEST_BASE */
	bool faulted;			/* the last exit was #VMEXIT(NPF) */
};

/*
 * The parts of making a guest. vm_init() gives it memory with the guest code,
 * a page table and a VMSA, all still owned by the host; change what the test
 * needs in vm->vmsa, then vm_launch(), which for an SNP guest has the firmware
 * take the pages. After that the host can only read them. Bails out if the
 * firmware refuses.
 */
void vm_init(struct vm *vm, bool snp, unsigned int asid);
void vm_launch(struct vm *vm);
/* Both, and runs the guest up to the point where it takes commands. */
void vm_start(struct vm *vm, bool snp, unsigned int asid);

/* Maps a guest physical page; flushes the guest's TLB at the next entry. */
void vm_map(struct vm *vm, uint64_t gpa, uint64_t spa, int level);
void vm_map_flags(struct vm *vm, uint64_t gpa, uint64_t spa, int level,
		  uint64_t flags);

/* VMRUN until something exits; the exit code. Any CPU, one per guest. */
uint64_t vm_run(struct vm *vm);
/* The same for a VMCB by its physical address, whatever is there. */
uint64_t vmrun_raw(uint64_t vmcb_pa);

/*
 * Has the guest run a snippet with these registers (rax, rcx, rdx, rbx, rsi,
 * rdi); the exit code, EXIT_VMGEXIT if it came to its end. An exception ends
 * it, too: vm->comm->vector, else -1. A snippet that a nested page fault has
 * stopped is resumed by vm_run(), and given up by the next vm_do().
 */
#define SNIPPET(name, text)						\
	asm(".pushsection .rodata\n"					\
	    #name "_start:\n\t" text "\n\tret\n" #name "_end:\n"	\
	    ".popsection");						\
	extern const char name##_start[], name##_end[]
#define vm_do(vm, name, ...)						\
	vm_exec(vm, name##_start, name##_end - name##_start,		\
		&(struct guest_in){ __VA_ARGS__ })
uint64_t vm_exec(struct vm *vm, const char *code, unsigned int len,
		 const struct guest_in *in);
/* Puts a snippet in place for the next vm_run(). */
void vm_prepare(struct vm *vm, const char *code, unsigned int len,
		const struct guest_in *in);

/* Page of memory that may change owner, mapped with 4K in the host. */
uint64_t arena_page(void);
uint64_t arena_2m(void);

/* SVM on this CPU, with a host save area; all CPUs that run guests. */
void svm_enable(void);
void *svm_hsave(void);

/* ---- the firmware ---- */
#define SNP_INIT_EX		0x85
#define SNP_DF_FLUSH		0x84
#define SNP_DECOMMISSION	0x90
#define SNP_ACTIVATE		0x91
#define SNP_GCTX_CREATE		0x93
#define SNP_LAUNCH_START	0xa0
#define SNP_LAUNCH_UPDATE	0xa1
#define SNP_LAUNCH_FINISH	0xa2
#define SNP_PAGE_RECLAIM	0xc7

#define PAGE_NORMAL		1
#define PAGE_VMSA		2

bool psp_present(void);
/* One command; the firmware's status. */
unsigned int psp_cmd(unsigned int cmd, void *buf);
/* snp_enable() and SNP_INIT_EX; bails out. */
void snp_init_firmware(void);
/*
 * The parts of vm_launch() for an SNP guest, and, between them, a page for it by
 * LAUNCH_UPDATE. They bail out.
 */
void vm_launch_begin(struct vm *vm);
void vm_launch_finish(struct vm *vm);
void vm_launch_page(struct vm *vm, uint64_t spa, uint64_t gpa,
		    unsigned int type);

#endif
