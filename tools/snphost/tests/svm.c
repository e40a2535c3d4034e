// SPDX-License-Identifier: GPL-2.0-only
/*
 * What all guests need of SVM, shown with one whose state is in the VMCB: it
 * has the host's page table, or none, and is code of this program.
 */
#include "svm.h"

#define ROUNDS		10
#define SAVE		0x400	/* of the VMCB, with the layout of a VMSA */
#define VMCB_RIP	(SAVE + VMSA_RIP)
#define VMCB_RSP	(SAVE + VMSA_RSP)
#define VMCB_RFLAGS	(SAVE + VMSA_RFLAGS)
#define VMCB_CR0	(SAVE + VMSA_CR0)

/* Real mode: the segment of the code, and what is in it and behind it */
#define REAL_SEG	0x2000
#define REAL		(REAL_SEG * 16ull)
#define REAL_IDT	(REAL + 0x8000)
#define REAL_SP		0x18000
#define REAL_STACK	(REAL + REAL_SP)
/* where it would be if 16 bits of the stack pointer counted */
#define REAL_DECOY	(REAL + (REAL_SP & 0xffff))

void g_wait(void), g_cr8(void), g_cr0_rcx(void), g_cr0_r11(void),
     g_lmsw(void), g_cr0_ts(void), g_read_cr4(void), g_read_cr8(void),
     g_handler(void);
extern const char r_start[], r_end[], r_iretl[], r_iretw[], r_int[], r_back[],
		  r_decoy[], r_handler[];
/* Of the guest: interrupts and exceptions taken; it is inside; it may end. */
volatile uint64_t g_hits, g_inside, g_end;

asm(".text\n"
    /* one too many ends it at once */
    "g_handler: incq g_hits; cmpq $1, g_hits; jna 1f; vmmcall\n"
    "1: iretq\n"
    /* says that it is there, and waits; no PAUSE, which for QEMU is a kick */
    "g_wait: movq $1, g_inside\n"
    "1: cmpq $0, g_end; je 1b; vmmcall\n"
    "g_cr8: sti; nop; mov g_hits, %rcx; mov $2, %eax; mov %rax, %cr8; nop\n"
    "  vmmcall\n"
    "g_cr0_rcx: mov %cr0, %rcx; btc $18, %rcx; mov %rcx, %cr0; vmmcall\n"
    "g_cr0_r11: mov %cr0, %r11; btc $18, %r11; mov %r11, %cr0; vmmcall\n"
    "g_lmsw: mov %cr0, %rax; lmsw %ax; vmmcall\n"
    "g_cr0_ts: mov %cr0, %rax; btc $3, %rax; mov %rax, %cr0; vmmcall\n"
    "g_read_cr4: mov %cr4, %rdx; vmmcall\n"
    "g_read_cr8: mov %cr8, %rdx; vmmcall\n"
    ".code16\n"
    "r_start:\n"
    "r_iretl: iretl\n"
    "r_iretw: iretw\n"
    "r_int: int $0x40\n"
    "r_back: vmmcall\n"
    "r_decoy: vmmcall\n"
    "r_handler: vmmcall\n"
    "r_end:\n"
    ".code64\n");

struct gate {
	uint16_t lo, sel, flags, mid;
	uint32_t hi, zero;
} __attribute__((packed));

struct desc_ptr {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

static void *vmcb, *stack, *maps;
static struct gate *idt;

static void seg(unsigned int off, uint16_t sel, uint16_t attr, uint32_t limit,
		uint64_t base)
{
	F16(vmcb, SAVE + off) = sel;
	F16(vmcb, SAVE + off + 2) = attr;
	F32(vmcb, SAVE + off + 4) = limit;
	F64(vmcb, SAVE + off + 8) = base;
}

/* In the host's place, with an IDT of its own. */
static void prepare(void (*fn)(void))
{
	struct desc_ptr gdtr;

	asm volatile("sgdt %0" : "=m"(gdtr));
	memset(vmcb, 0, PAGE);
	F32(vmcb, VMCB_MISC1) = MISC1_SHUTDOWN;
	F32(vmcb, VMCB_MISC2) = MISC2_VMRUN | MISC2_VMMCALL;
	F64(vmcb, VMCB_IOPM) = (uint64_t)maps;
	F64(vmcb, VMCB_MSRPM) = (uint64_t)maps;
	F32(vmcb, VMCB_ASID) = 1;
	F64(vmcb, VMCB_VINTR) = VINTR_MASKING;
	seg(VMSA_CS, 0x18, 0xa9b, 0xffffffff, 0);
	seg(VMSA_SS, 0x10, 0xc93, 0xffffffff, 0);
	seg(VMSA_DS, 0x10, 0xc93, 0xffffffff, 0);
	seg(VMSA_ES, 0x10, 0xc93, 0xffffffff, 0);
	seg(VMSA_GDTR, 0, 0, gdtr.limit, gdtr.base);
	seg(VMSA_IDTR, 0, 0, 256 * sizeof(*idt) - 1, (uint64_t)idt);
	F64(vmcb, SAVE + VMSA_EFER) = rdmsr(MSR_EFER);
	F64(vmcb, SAVE + VMSA_CR4) = read_cr4();
	F64(vmcb, SAVE + VMSA_CR3) = read_cr3();
	F64(vmcb, VMCB_CR0) = read_cr0();
	F64(vmcb, SAVE + VMSA_DR6) = 0xffff0ff0;
	F64(vmcb, SAVE + VMSA_DR7) = 0x400;
	F64(vmcb, VMCB_RFLAGS) = 2;
	F64(vmcb, VMCB_RIP) = (uint64_t)fn;
	F64(vmcb, VMCB_NRIP) = (uint64_t)fn;
	F64(vmcb, VMCB_RSP) = (uint64_t)stack + PAGE;
	F64(vmcb, SAVE + VMSA_PAT) = 0x0007040600070406ull;
	g_hits = g_inside = g_end = 0;
}

static uint64_t run(void)
{
	return vmrun_raw((uint64_t)vmcb);
}

/*
 * QEMU stops all CPUs for a locked access that is not aligned; they look for
 * interrupts, find none and go on.
 */
static void kick(void *arg)
{
	static uint64_t word[2];

	(void)arg;
	while (!g_inside)
		pause();
	asm volatile("lock incq %0"
		     : "+m"(*(uint64_t *)((char *)word + 1)) : : "memory");
	g_end = 1;
}

/* APM volume 2, section 15.20: VMRUN takes the event, once. */
static void injected(uint32_t event, const char *what)
{
	unsigned int i, wrong = 0;
	uint64_t hits = 0;

	for (i = 0; i < ROUNDS; i++) {
		prepare(g_wait);
		F64(vmcb, VMCB_INJECT) = BIT(31) | event;
		smp_run(1, kick, NULL);
		if (run() != EXIT_VMMCALL)
			wrong++;
		smp_wait(1);
		hits += g_hits;
	}
	is(wrong, 0, "%u guests with an injected %s end", ROUNDS, what);
	is(hits, ROUNDS, "  each has taken it once");
}

/* Section 15.21.4: CR8 is V_TPR, which may let a virtual interrupt come. */
static void cr8_lets_interrupt_come(void)
{
	prepare(g_cr8);
	/* V_TPR 8; V_IRQ with priority 5; vector */
	F64(vmcb, VMCB_VINTR) = VINTR_MASKING | 5 << 16 | BIT(8) | 8 |
				0x50ull << 32;
	is(run(), EXIT_VMMCALL, "a guest lowers CR8");
	is(g_hits, 1, "  the virtual interrupt that waited for it comes");
	is(F64(vmcb, VMCB_VINTR) & (BIT(8) | 0xff), 2,
	   "  and is no longer pending; V_TPR is what was written");
}

static void cr0_exits(void (*fn)(void), uint64_t info, const char *what)
{
	prepare(fn);
	F32(vmcb, VMCB_MISC1) |= MISC1_CR0_SEL;
	is(run(), EXIT_CR0_SEL, "%s exits", what);
	is(F64(vmcb, VMCB_INFO1), info, "  EXITINFO1 says from where");
	is(F64(vmcb, VMCB_CR0), read_cr0(), "  CR0 is as it was");
}

/* Sections 15.8.1 and 15.9: bit 63 of EXITINFO1 says that it is a MOV. */
static void selective_cr0(void)
{
	cr0_exits(g_cr0_rcx, BIT(63) | 1, "a MOV from RCX that changes CR0.AM");
	cr0_exits(g_cr0_r11, BIT(63) | 11, "one from R11");
	cr0_exits(g_lmsw, 0, "LMSW, even if it changes nothing");

	prepare(g_cr0_ts);
	F32(vmcb, VMCB_MISC1) |= MISC1_CR0_SEL;
	is(run(), EXIT_VMMCALL, "a MOV that changes CR0.TS does not");
	is(F64(vmcb, VMCB_CR0), read_cr0() ^ BIT(3), "  it is done");
}

/* Section 15.8: each control register has an intercept, and an exit, of its own. */
static void cr_reads(void (*fn)(void), unsigned int cr)
{
	prepare(fn);
	F32(vmcb, VMCB_CR) = BIT(cr);
	is(run(), EXIT_READ_CR(cr), "a read of CR%u exits", cr);
	is(F64(vmcb, VMCB_INFO1), BIT(63) | 2, "  EXITINFO1 says where to");

	prepare(fn);
	F32(vmcb, VMCB_CR) = 0xffff & ~BIT(cr);
	is(run(), EXIT_VMMCALL, "  it does not, if those of all others do");
}

/* Real mode with a stack segment of 32 bits, as a VMRUN may have it. */
static void prepare_real(const char *start)
{
	prepare(NULL);
	memset((void *)REAL, 0, 0x20000);
	memcpy((void *)REAL, r_start, r_end - r_start);
	WRITE32(REAL_IDT + 0x40 * 4, REAL_SEG << 16 | (r_handler - r_start));
	seg(VMSA_CS, REAL_SEG, 0x9b, 0xffff, REAL);
	seg(VMSA_SS, REAL_SEG, 0xc93, 0xffffffff, REAL);
	seg(VMSA_IDTR, 0, 0, 0x3ff, REAL_IDT);
	F64(vmcb, SAVE + VMSA_EFER) = EFER_SVME;
	F64(vmcb, SAVE + VMSA_CR4) = 0;
	F64(vmcb, VMCB_CR0) = BIT(4);
	F64(vmcb, VMCB_RIP) = start - r_start;
	F64(vmcb, VMCB_RSP) = REAL_SP;
}

/* Volume 2, section 4.7.3: SS.B tells how wide the stack pointer is. */
static void real_mode_stack(void)
{
	uint16_t back = r_back - r_start, decoy = r_decoy - r_start;
	unsigned int i;

	for (i = 2; i <= 4; i += 2) {
		prepare_real(i == 4 ? r_iretl : r_iretw);
		F16(REAL_STACK, 0) = back;
		F16(REAL_STACK, i) = REAL_SEG;
		F16(REAL_STACK, 2 * i) = 2;
		F16(REAL_DECOY, 0) = decoy;
		F16(REAL_DECOY, i) = REAL_SEG;
		F16(REAL_DECOY, 2 * i) = 2;
		is(run(), EXIT_VMMCALL, "IRET of %u bits in real mode", 8 * i);
		is(F64(vmcb, VMCB_RIP), back, "  pops what ESP points to");
		is(F64(vmcb, VMCB_RSP), REAL_SP + 3 * i, "  ESP is behind it");
	}

	prepare_real(r_int);
	is(run(), EXIT_VMMCALL, "INT in real mode");
	is(F64(vmcb, VMCB_RIP), r_handler - r_start, "  goes to its handler");
	is(F64(vmcb, VMCB_RSP), REAL_SP - 6, "  ESP is below what it pushes");
	is(F16(REAL_STACK, -6), r_back - r_start, "  that is where it points");
}

/*
 * Section 15.6: #VMEXIT loads the host's state, whatever the guest's is: here one
 * that has turned long mode on, and paging and PAE not yet.
 */
static void host_state(void)
{
	prepare_real(r_back);
	F64(vmcb, SAVE + VMSA_EFER) |= BIT(8);
	is(run(), EXIT_VMMCALL, "a guest in real mode, EFER.LME set, exits");
	is(read_cr0() & (BIT(31) | BIT(0)), BIT(31) | BIT(0),
	   "  and the host has paging and protection");
}

void test_main(void)
{
	unsigned int i;

	vmcb = alloc_page();
	stack = alloc_page();
	maps = alloc_pages(3);
	idt = alloc_page();
	for (i = 0; i < 256; i++)
		idt[i] = (struct gate){
			.lo = (uint64_t)g_handler, .sel = 0x18, .flags = 0x8e00,
			.mid = (uint64_t)g_handler >> 16,
		};
	smp_start();
	svm_enable();
	/*
	 * The timer counts down once more and stops: its ticks make QEMU look at
	 * the interrupt controller, which is another kind of kick.
	 */
	outb(0x43, 0x30);
	outb(0x40, 1);
	outb(0x40, 0);
	delay_us(1000);
	injected(0x50, "interrupt");
	injected(2 << 8 | 2, "NMI");
	injected(3 << 8 | TRAP_UD, "exception");
	injected(4 << 8 | 0x51, "software interrupt");
	selective_cr0();
	cr_reads(g_read_cr4, 4);
	cr_reads(g_read_cr8, 8);
	real_mode_stack();
	host_state();
	cr8_lets_interrupt_come();
}
