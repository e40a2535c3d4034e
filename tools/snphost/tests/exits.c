// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exits of SEV-ES and SNP guests: which are automatic and what they say, and
 * which become #VC in the guest (APM volume 2, section 15.35.4, table 15-33).
 */
#include "svm.h"

#define PORT		0x80
#define SCRATCH_MSR	0xc0000082	/* LSTAR */
#define MMIO		(GUEST_TEST + 0x10000)

SNIPPET(i_cpuid, "cpuid");
SNIPPET(i_rdtsc, "rdtsc");
SNIPPET(i_rdtscp, "rdtscp");
SNIPPET(i_rdmsr, "rdmsr");
SNIPPET(i_wrmsr, "wrmsr");
SNIPPET(i_in, "in $0x80, %al");
SNIPPET(i_out, "out %al, $0x80");
SNIPPET(i_outs, "mov $0x80, %edx; outsb");
SNIPPET(i_vmmcall, "vmmcall");
SNIPPET(i_invd, "invd");
SNIPPET(i_wbinvd, "wbinvd");
SNIPPET(i_xsetbv, "xsetbv");
SNIPPET(i_rd_dr7, "mov %dr7, %rax");
SNIPPET(i_wr_dr7, "mov %rax, %dr7");
SNIPPET(i_wr_cr0, "mov %rax, %cr0");
SNIPPET(i_wr_cr4, "mov %rax, %cr4; mov %cr4, %rcx");
SNIPPET(i_wr_cr8, "mov %rax, %cr8; mov %cr8, %rcx");
SNIPPET(i_cr0_trap, "mov %cr0, %rax; btc $18, %rax; mov %rax, %cr0; mov %cr0, %rcx");
SNIPPET(i_efer, "wrmsr; rdmsr");
SNIPPET(i_hlt, "hlt; mov $0x777, %eax");
SNIPPET(i_pause, "pause; mov $0x778, %eax");
SNIPPET(i_vmgexit, "rep; vmmcall; mov $0x779, %eax");
SNIPPET(i_load, "mov (%rdi), %rax; mov $0x77a, %ecx");
SNIPPET(i_store, "mov %rax, (%rdi)");
SNIPPET(i_spin, "1: inc %rax; pause; cmpq $0, 0x98(%rdi); je 1b");
SNIPPET(i_shutdown, "push $0; push $0; lidt (%rsp); ud2");
SNIPPET(i_nop, "nop");

static const char *kind;
static volatile unsigned int irqs;
static uint64_t count_before;

/* One intercepted instruction that is for the guest's #VC handler. */
static void nae(struct vm *vm, uint64_t exit, uint64_t err, const char *name)
{
	if (!is(exit, EXIT_VMGEXIT, "%s: %s does not exit", kind, name))
		return;
	if (!is(vm->comm->vector, TRAP_VC, "%s: it gives #VC in the guest", kind))
		return;
	is(vm->comm->err, err, "%s: with error code 0x%lx", kind, err);
	is(vm->comm->rip & ~0xffull, GUEST_SCRATCH,
	   "%s: RIP is that of the instruction", kind);
}

static void bit(struct vm *vm, unsigned int off, uint64_t bits, bool on)
{
	if (on)
		F32(vm->vmcb, off) |= bits;
	else
		F32(vm->vmcb, off) &= ~bits;
}

#define INTERCEPTED(off, bits, snippet, err, name, ...) do {		\
	bit(vm, off, bits, true);					\
	nae(vm, vm_do(vm, snippet, __VA_ARGS__), err, name);		\
	bit(vm, off, bits, false);					\
} while (0)

static void non_automatic(struct vm *vm)
{
	uint8_t *iopm = (uint8_t *)F64(vm->vmcb, VMCB_IOPM);
	uint8_t *msrpm = (uint8_t *)F64(vm->vmcb, VMCB_MSRPM);

	INTERCEPTED(VMCB_MISC1, MISC1_CPUID, i_cpuid, EXIT_CPUID, "CPUID",
		    .rax = 0);
	INTERCEPTED(VMCB_MISC1, MISC1_RDTSC, i_rdtsc, EXIT_RDTSC, "RDTSC",
		    .rax = 0);
	INTERCEPTED(VMCB_MISC2, MISC2_RDTSCP, i_rdtscp, EXIT_RDTSCP, "RDTSCP",
		    .rax = 0);
	INTERCEPTED(VMCB_MISC2, MISC2_VMMCALL, i_vmmcall, EXIT_VMMCALL,
		    "VMMCALL", .rax = 0);
	INTERCEPTED(VMCB_MISC1, MISC1_INVD, i_invd, EXIT_INVD, "INVD", .rax = 0);
	INTERCEPTED(VMCB_MISC2, MISC2_WBINVD, i_wbinvd, EXIT_WBINVD, "WBINVD",
		    .rax = 0);
	INTERCEPTED(VMCB_MISC2, MISC2_XSETBV, i_xsetbv, EXIT_XSETBV, "XSETBV",
		    .rax = 7);
	INTERCEPTED(VMCB_DR, BIT(7), i_rd_dr7, EXIT_READ_DR(7), "read of DR7",
		    .rax = 0);
	INTERCEPTED(VMCB_DR, BIT(16 + 7), i_wr_dr7, EXIT_WRITE_DR(7),
		    "write of DR7", .rax = 0x400);
	INTERCEPTED(VMCB_CR, BIT(16), i_wr_cr0, EXIT_WRITE_CR(0),
		    "intercepted write of CR0", .rax = 0x80010033);

	/* the second 2K of the permission map has c000_0000 and up, 2 bits each */
	msrpm[0x800 + (SCRATCH_MSR & 0x1fff) / 4] = 1 << (SCRATCH_MSR & 3) * 2;
	INTERCEPTED(VMCB_MISC1, MISC1_MSR, i_rdmsr, EXIT_MSR, "RDMSR",
		    .rcx = SCRATCH_MSR);
	msrpm[0x800 + (SCRATCH_MSR & 0x1fff) / 4] = 2 << (SCRATCH_MSR & 3) * 2;
	INTERCEPTED(VMCB_MISC1, MISC1_MSR, i_wrmsr, EXIT_MSR, "WRMSR",
		    .rcx = SCRATCH_MSR);
	bit(vm, VMCB_MISC1, MISC1_MSR, true);
	is(vm_do(vm, i_rdmsr, .rcx = SCRATCH_MSR), EXIT_VMGEXIT,
	   "%s: an MSR that is not in the map", kind);
	is(vm->comm->vector, NO_TRAP, "%s: does not trap", kind);
	msrpm[0x800 + (SCRATCH_MSR & 0x1fff) / 4] = 0;

	iopm[PORT / 8] = 1 << PORT % 8;
	INTERCEPTED(VMCB_MISC1, MISC1_IOIO, i_in, EXIT_IOIO, "IN", .rax = 0);
	INTERCEPTED(VMCB_MISC1, MISC1_IOIO, i_out, EXIT_IOIO, "OUT", .rax = 0);
	INTERCEPTED(VMCB_MISC1, MISC1_IOIO, i_outs, EXIT_IOIO, "OUTS",
		    .rsi = GUEST_STACK);
	iopm[PORT / 8] = 0;

	/* an access to MMIO: the nested entry has a reserved bit */
	vm_map_flags(vm, MMIO, 0x1000, 1, PT_P | PT_W | PT_U | BIT(50));
	nae(vm, vm_do(vm, i_load, .rdi = GUEST_SHARED + MMIO), EXIT_NPF,
	    "load from a page with a reserved bit");
	nae(vm, vm_do(vm, i_store, .rdi = GUEST_SHARED + MMIO), EXIT_NPF,
	    "store to a page with a reserved bit");
}

static void unconditional(struct vm *vm)
{
	if (vm->snp) {
		nae(vm, vm_do(vm, i_cpuid, .rax = 0), EXIT_CPUID,
		    "CPUID without its intercept");
		nae(vm, vm_do(vm, i_in, .rax = 0), EXIT_IOIO,
		    "IN without its intercept");
		nae(vm, vm_do(vm, i_out, .rax = 0), EXIT_IOIO,
		    "OUT without its intercept");
	}
	is(vm_do(vm, i_rdtsc, .rax = 0), EXIT_VMGEXIT,
	   "%s: RDTSC without its intercept", kind);
	is(vm->comm->vector, NO_TRAP, "%s: does not trap", kind);
	is(vm_do(vm, i_wbinvd, .rax = 0), EXIT_VMGEXIT,
	   "%s: WBINVD without its intercept", kind);
	is(vm->comm->vector, NO_TRAP, "%s: does not trap", kind);
	is(vm_do(vm, i_vmmcall, .rax = 0), EXIT_VMGEXIT,
	   "%s: VMMCALL without its intercept", kind);
	is(vm->comm->vector, TRAP_UD, "%s: gives #UD", kind);
}

static void ends(struct vm *vm, uint64_t want, const char *name)
{
	is(vm_run(vm), EXIT_VMGEXIT, "%s: it goes on", kind);
	is(vm->comm->vector, NO_TRAP, "%s: without a trap", kind);
	is(vm->comm->out.rax, want, "%s: after the %s", kind, name);
}

static void automatic(struct vm *vm)
{
	uint64_t v;

	bit(vm, VMCB_MISC1, MISC1_HLT, true);
	is(vm_do(vm, i_hlt, .rax = 0), EXIT_HLT, "%s: HLT exits", kind);
	is(F64(vm->vmsa, VMSA_EXITCODE), EXIT_HLT,
	   "%s: the VMSA has the exit code, too", kind);
	ends(vm, 0x777, "HLT");
	bit(vm, VMCB_MISC1, MISC1_HLT, false);

	bit(vm, VMCB_MISC1, MISC1_PAUSE, true);
	is(vm_do(vm, i_pause, .rax = 0), EXIT_PAUSE, "%s: PAUSE exits", kind);
	ends(vm, 0x778, "PAUSE");
	bit(vm, VMCB_MISC1, MISC1_PAUSE, false);

	is(vm_do(vm, i_vmgexit, .rax = 0), EXIT_VMGEXIT, "%s: VMGEXIT exits",
	   kind);
	ends(vm, 0x779, "VMGEXIT");

	/* a page that is not mapped: the host adds it, the access is repeated */
	is(vm_do(vm, i_load, .rdi = GUEST_SHARED + MMIO + PAGE), EXIT_NPF,
	   "%s: a load from a page that is not mapped exits", kind);
	is(F64(vm->vmcb, VMCB_INFO1), PF_U | NPF_FINAL,
	   "%s: EXITINFO1 says a read of a page that is not present", kind);
	is(F64(vm->vmcb, VMCB_INFO2), MMIO + PAGE, "%s: EXITINFO2 says where",
	   kind);
	is(F8(vm->vmcb, VMCB_INSN_LEN), 0, "%s: the host sees no instruction",
	   kind);
	v = (uint64_t)alloc_page();
	WRITE64(v, 0x1234567);
	vm_map(vm, MMIO + PAGE, v, 1);
	ends(vm, 0x1234567, "load");

	bit(vm, VMCB_MISC2, MISC2_CR_TRAP(0), true);
	is(vm_do(vm, i_cr0_trap, .rax = 0), EXIT_CR_TRAP(0),
	   "%s: a write of CR0 exits as a trap", kind);
	v = 0x80010033 ^ BIT(18);
	is(F64(vm->vmcb, VMCB_INFO1), v, "%s: EXITINFO1 is the new value", kind);
	is(F64(vm->vmsa, VMSA_CR0), v, "%s: it is in CR0", kind);
	is(vm_run(vm), EXIT_VMGEXIT, "%s: it goes on", kind);
	is(vm->comm->out.rcx, v, "%s: with the new value", kind);
	bit(vm, VMCB_MISC2, MISC2_CR_TRAP(0), false);
	vm_do(vm, i_cr0_trap, .rax = 0);

	v = F64(vm->vmsa, VMSA_CR4) ^ BIT(7);
	bit(vm, VMCB_MISC2, MISC2_CR_TRAP(4), true);
	is(vm_do(vm, i_wr_cr4, .rax = v), EXIT_CR_TRAP(4),
	   "%s: a write of CR4 exits as a trap", kind);
	is(F64(vm->vmcb, VMCB_INFO1), v, "%s: EXITINFO1 is the new value", kind);
	is(vm_run(vm), EXIT_VMGEXIT, "%s: it goes on", kind);
	is(vm->comm->out.rcx, v, "%s: with the new value", kind);
	bit(vm, VMCB_MISC2, MISC2_CR_TRAP(4), false);

	bit(vm, VMCB_MISC2, MISC2_CR_TRAP(8), true);
	is(vm_do(vm, i_wr_cr8, .rax = 3), EXIT_CR_TRAP(8),
	   "%s: a write of CR8 exits as a trap", kind);
	is(F64(vm->vmcb, VMCB_INFO1), 3, "%s: EXITINFO1 is the new value", kind);
	is(vm_run(vm), EXIT_VMGEXIT, "%s: it goes on", kind);
	is(vm->comm->out.rcx, 3, "%s: with the new value", kind);
	bit(vm, VMCB_MISC2, MISC2_CR_TRAP(8), false);
	vm_do(vm, i_wr_cr8, .rax = 0);

	v = F64(vm->vmsa, VMSA_EFER) ^ BIT(0);
	bit(vm, VMCB_MISC2, MISC2_EFER_TRAP, true);
	is(vm_do(vm, i_efer, .rcx = MSR_EFER, .rax = v), EXIT_EFER_TRAP,
	   "%s: a write of EFER exits as a trap", kind);
	is(F64(vm->vmcb, VMCB_INFO1) & ~EFER_SVME, v & ~EFER_SVME,
	   "%s: EXITINFO1 is the new value", kind);
	is(vm_run(vm), EXIT_VMGEXIT, "%s: it goes on", kind);
	is(vm->comm->out.rax & ~EFER_SVME, v & ~EFER_SVME,
	   "%s: with the new value", kind);
	bit(vm, VMCB_MISC2, MISC2_EFER_TRAP, false);
	is(vm_do(vm, i_efer, .rcx = MSR_EFER, .rax = v & ~EFER_SVME),
	   EXIT_VMGEXIT, "%s: a write of EFER without SVME", kind);
	is(vm->comm->vector, NO_TRAP, "%s: does not trap", kind);
	is(vm_do(vm, i_nop, .rax = 0), EXIT_VMGEXIT,
	   "%s: and does not make the guest invalid", kind);
}

/*
 * Nobody can tell the guest if the hypervisor intercepts that (15.35.5): it
 * leaves the guest, and the host may try again.
 */
static void intercepted_vc(struct vm *vm)
{
	F32(vm->vmcb, VMCB_EXC) = BIT(TRAP_VC);
	bit(vm, VMCB_MISC1, MISC1_CPUID, true);
	is(vm_do(vm, i_cpuid, .rax = 0), EXIT_EXC(TRAP_VC),
	   "%s: #VC exits if it is intercepted", kind);
	is(F64(vm->vmcb, VMCB_INFO1), EXIT_CPUID,
	   "%s: EXITINFO1 is its error code", kind);
	F32(vm->vmcb, VMCB_EXC) = 0;
	nae(vm, vm_run(vm), EXIT_CPUID, "CPUID once more");
	bit(vm, VMCB_MISC1, MISC1_CPUID, false);
}

static void on_irq(int vector)
{
	if (vector == 0x41)
		irqs++;
}

/* The guest has exited. */
static volatile bool out;

static void other_sends(void *arg)
{
	volatile struct guest_comm *c = arg;

	while (c->count == count_before && !out)
		pause();
	delay_us(2000);
	send_ipi(0, 0x41);
}

static void interrupt(struct vm *vm)
{
	vm_prepare(vm, i_spin_start, i_spin_end - i_spin_start,
		   &(struct guest_in){ .rdi = GUEST_SHARED + GUEST_COMM });
	vm->comm->flag = 0;
	irqs = 0;
	out = false;
	count_before = vm->comm->count;
	irq_hook = on_irq;
	smp_run(1, other_sends, (void *)vm->comm);
	asm volatile("clgi; sti" : : : "memory");
	is(vm_run(vm), EXIT_INTR, "%s: an interrupt exits", kind);
	out = true;
	asm volatile("cli");
	smp_wait(1);
	is(irqs, 1, "%s: the host takes it", kind);
	vm->comm->flag = 1;
	is(vm_run(vm), EXIT_VMGEXIT, "%s: the guest goes on", kind);
	is(vm->comm->vector, NO_TRAP, "%s: without a trap", kind);
}

static void one_kind(bool snp)
{
	static struct vm vms[2];
	struct vm *vm = &vms[snp];

	kind = snp ? "SNP" : "SEV-ES";
	vm_start(vm, snp, snp ? 2 : 1);
	non_automatic(vm);
	unconditional(vm);
	automatic(vm);
	intercepted_vc(vm);
	interrupt(vm);
	is(vm_do(vm, i_shutdown, .rax = 0), EXIT_SHUTDOWN,
	   "%s: a triple fault exits", kind);
}

void test_main(void)
{
	snp_require();
	smp_start();
	svm_enable();
	one_kind(false);
	wrmsr(MSR_VM_HSAVE_PA, 0);
	snp_init_firmware();
	svm_enable();
	one_kind(true);
}
