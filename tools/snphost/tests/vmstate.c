// SPDX-License-Identifier: GPL-2.0-only
/*
 * The world switch of SEV-ES and SNP guests: VMRUN loads all of the VMSA, an
 * exit saves all of it and gives the host its own state or reset values. The
 * saved state is read out of the VMSA in memory, which only an emulator that
 * does not encrypt lets one do.
 */
#include "svm.h"

#define PATTERN(i)	(0x1111111111111111ull * ((i) + 1) ^ 0xdeadbeefcafef00d)

static const uint16_t gpr_off[16] = {
	VMSA_RAX, VMSA_RCX, VMSA_RDX, VMSA_RBX, VMSA_RSP, VMSA_RBP, VMSA_RSI,
	VMSA_RDI, VMSA_R8, VMSA_R8 + 8, VMSA_R8 + 16, VMSA_R8 + 24,
	VMSA_R8 + 32, VMSA_R8 + 40, VMSA_R8 + 48, VMSA_R8 + 56,
};

/* MSRs that the VMSA has, their offset, and a value each accepts */
static const struct {
	uint32_t msr;
	uint16_t off;
	uint64_t val;
	const char *name;
} msrs[] = {
	{ 0xc0000081, VMSA_STAR, 0x0023001000000000, "STAR" },
	{ 0xc0000082, VMSA_LSTAR, 0xffffffff81234567, "LSTAR" },
	{ 0xc0000083, VMSA_CSTAR, 0xffffffff87654321, "CSTAR" },
	{ 0xc0000084, VMSA_SFMASK, 0x00047700, "SFMASK" },
	{ 0xc0000100, VMSA_FS + 8, 0x0000123456789000, "FS.base" },
	{ 0xc0000101, VMSA_GS + 8, 0x0000323456789000, "GS.base" },
	{ 0xc0000102, VMSA_KGS_BASE, 0xffff888812345678, "KernelGSBase" },
	{ 0x174, VMSA_SYSENTER_CS, 0x10, "SYSENTER_CS" },
	{ 0x175, VMSA_SYSENTER_ESP, 0xffffc90000001000, "SYSENTER_ESP" },
	{ 0x176, VMSA_SYSENTER_EIP, 0xffffffff81a00000, "SYSENTER_EIP" },
	{ 0x277, VMSA_PAT, 0x0007010600070106, "PAT" },
	{ 0xc0000103, VMSA_TSC_AUX, 0x55, "TSC_AUX" },
};

#define SWITCHES	2000

SNIPPET(do_nop, "nop");
SNIPPET(do_rdmsr, "rdmsr");
SNIPPET(do_wrmsr, "wrmsr");

/* Every register is given a value of its own, then an exit, then the end. */
SNIPPET(fill_regs,
	"push %rbx; push %rbp; push %r12\n\t"
	"mov $0xa0a0a0a0a0a0a0a0, %rax\n\t"
	"mov $0xa1a1a1a1a1a1a1a1, %rcx\n\t"
	"mov $0xa2a2a2a2a2a2a2a2, %rdx\n\t"
	"mov $0xa3a3a3a3a3a3a3a3, %rbx\n\t"
	"mov $0xa5a5a5a5a5a5a5a5, %rbp\n\t"
	"mov $0xa6a6a6a6a6a6a6a6, %rsi\n\t"
	"mov $0xa7a7a7a7a7a7a7a7, %rdi\n\t"
	"mov $0xa8a8a8a8a8a8a8a8, %r8\n\t"
	"mov $0xa9a9a9a9a9a9a9a9, %r9\n\t"
	"mov $0xaaaaaaaaaaaaaaaa, %r10\n\t"
	"mov $0xabababababababab, %r11\n\t"
	"mov $0xacacacacacacacac, %r12\n\t"
	"mov $0xadadadadadadadad, %r13\n\t"
	"mov $0xaeaeaeaeaeaeaeae, %r14\n\t"
	"mov $0xafafafafafafafaf, %r15\n\t"
	"rep; vmmcall\n\t"
	"add $1, %r8; add %r8, %rax\n\t"
	"pop %r12; pop %rbp; pop %rbx");

SNIPPET(fill_fpu,
	"vmovq %rax, %xmm1; vpbroadcastq %xmm1, %ymm3\n\t"
	"vmovq %rcx, %xmm15\n\t"
	"push $0x1f20; ldmxcsr (%rsp); pop %rdx\n\t"
	"push $0x27f; fldcw (%rsp); pop %rdx\n\t"
	"fninit; fldpi\n\t"
	"rep; vmmcall\n\t"
	"vmovq %xmm15, %rcx; vextracti128 $1, %ymm3, %xmm3; vmovq %xmm3, %rax\n\t"
	"push $0; stmxcsr (%rsp); pop %rdx\n\t"
	"push $0; fnstsw (%rsp); pop %rbx; fninit\n\t"
	"push $0x1f80; ldmxcsr (%rsp); pop %rsi");

SNIPPET(fill_control,
	"mov %rax, %cr2; mov %rcx, %cr8; mov %rdx, %dr6; mov %rbx, %dr7\n\t"
	"push $0x8d7; popfq\n\t"
	"rep; vmmcall\n\t"
	"mov %cr2, %rax; mov %cr8, %rcx; mov %dr6, %rdx; mov %dr7, %rbx\n\t"
	"push $2; popfq; mov $0x400, %esi; mov %rsi, %dr7\n\t"
	"xor %esi, %esi; mov %rsi, %cr8");

static const char *kind;

static void load(struct vm *vm)
{
	void *v = vm->vmsa;
	volatile struct guest_comm *c = vm->comm;
	volatile uint8_t *x = c->xsave;
	unsigned int i, bad = 0;
	uint64_t r;

	for (i = 0; i < 16; i++)
		F64(v, gpr_off[i]) = PATTERN(i);
	F64(v, VMSA_RFLAGS) = 0x8d7;
	F64(v, VMSA_CR2) = 0xfee1dead000;
	F64(v, VMSA_DR6) = 0xffff0ff1;
	F64(v, VMSA_DR7) = 0x400;
	for (i = 0; i < ARRAY_LEN(msrs); i++) {
		if (msrs[i].off == VMSA_TSC_AUX)
			F32(v, msrs[i].off) = msrs[i].val;
		else
			F64(v, msrs[i].off) = msrs[i].val;
	}
	F16(v, VMSA_FS) = 0x1b;
	F16(v, VMSA_GS) = 0x23;
	F16(v, VMSA_LDTR) = 0x50;
	F16(v, VMSA_TR) = 0x40;
	F64(v, VMSA_TR + 8) = 0x5000;
	F32(v, VMSA_GDTR + 4) = 0x7f;
	F64(v, VMSA_GDTR + 8) = 0x110000;
	F32(v, VMSA_IDTR + 4) = 0xfff;
	F64(v, VMSA_IDTR + 8) = 0x112000;
	F32(v, VMSA_MXCSR) = 0x1fa0;
	F16(v, VMSA_FCW) = 0x27f;
	F16(v, VMSA_FSW) = 0x3800;
	F16(v, VMSA_FTW) = 0xffff;
	for (i = 0; i < 256; i++) {
		F8(v, VMSA_XMM + i) = i;
		F8(v, VMSA_YMM_HI + i) = 255 - i;
	}

	vm_launch(vm);
	r = vm_run(vm);
	if (!is(r, EXIT_VMGEXIT, "%s: starts and exits by VMGEXIT", kind))
		bail("no guest");
	for (i = 0; i < 16; i++) {
		if (c->gpr[i] != PATTERN(i)) {
			printf("#   register %u: 0x%lx\n", i, c->gpr[i]);
			bad++;
		}
	}
	is(bad, 0, "%s: general registers are loaded", kind);
	is(c->start_rflags, 0x8d7, "%s: RFLAGS is loaded", kind);
	is(c->sel[1], 0x08, "%s: CS is loaded", kind);
	is(c->sel[4], 0x1b, "%s: FS is loaded", kind);
	is(c->sel[5], 0x23, "%s: GS is loaded", kind);
	is(c->sel[6], 0x50, "%s: LDTR is loaded", kind);
	is(c->sel[7], 0x40, "%s: TR is loaded", kind);
	is(c->cr[0], 0x80010033, "%s: CR0 is loaded", kind);
	is(c->cr[1], 0xfee1dead000, "%s: CR2 is loaded", kind);
	is(c->cr[2], GUEST_PT | c_bit(), "%s: CR3 is loaded", kind);
	is(c->dr[0], 0xffff0ff1, "%s: DR6 is loaded", kind);
	is(c->gdt_base, 0x110000, "%s: GDTR base is loaded", kind);
	is(c->gdt_limit, 0x7f, "%s: GDTR limit is loaded", kind);
	is(c->idt_base, 0x112000, "%s: IDTR base is loaded", kind);
	is(c->idt_limit, 0xfff, "%s: IDTR limit is loaded", kind);
	is(c->xcr0, 7, "%s: XCR0 is loaded", kind);
	is(F16(x, 0), 0x27f, "%s: the x87 control word is loaded", kind);
	is(F16(x, 2), 0x3800, "%s: the x87 status word is loaded", kind);
	is(F32(x, 24), 0x1fa0, "%s: MXCSR is loaded", kind);
	for (i = bad = 0; i < 256; i++)
		bad += x[160 + i] != i;
	is(bad, 0, "%s: the XMM registers are loaded", kind);
	for (i = bad = 0; i < 256; i++)
		bad += x[576 + i] != 255 - i;
	is(bad, 0, "%s: the YMM registers are loaded", kind);
	for (i = 0; i < ARRAY_LEN(msrs); i++) {
		vm_do(vm, do_rdmsr, .rcx = msrs[i].msr);
		is((uint32_t)c->out.rax | c->out.rdx << 32, msrs[i].val,
		   "%s: %s is loaded", kind, msrs[i].name);
	}
}

static void save(struct vm *vm)
{
	void *v = vm->vmsa;
	volatile struct guest_comm *c = vm->comm;
	unsigned int i, bad = 0;
	uint64_t rip;

	is(vm_do(vm, fill_regs), EXIT_VMGEXIT, "%s: an exit", kind);
	for (i = 0; i < 16; i++) {
		if (i != 4 && F64(v, gpr_off[i]) != 0x0101010101010101 * (0xa0 + i)) {
			printf("#   register %u: 0x%lx\n", i, F64(v, gpr_off[i]));
			bad++;
		}
	}
	is(bad, 0, "%s: saves general registers", kind);
	rip = F64(v, VMSA_RIP);
	ok(rip > GUEST_SCRATCH && rip < GUEST_SCRATCH + GUEST_CODE_LEN,
	   "%s: saves RIP (0x%lx)", kind, rip);
	is(F64(v, VMSA_CR3), GUEST_PT | c_bit(), "%s: saves CR3", kind);
	is(vm_run(vm), EXIT_VMGEXIT, "%s: goes on", kind);
	is(c->out.rax, 0xa0a0a0a0a0a0a0a0 + 0xa8a8a8a8a8a8a8a9,
	   "%s: with the registers that it had", kind);
	is(c->out.rdi, 0xa7a7a7a7a7a7a7a7, "%s: all of them", kind);

	/* x87, SSE and AVX, and what the host sees of them */
	is(vm_do(vm, fill_fpu, .rax = 0x123456789abcdef0, .rcx = 0x77777777),
	   EXIT_VMGEXIT, "%s: an exit with x87, SSE and AVX in use", kind);
	{
		uint64_t xmm1, xmm15;
		uint32_t mxcsr;
		uint16_t fsw;

		asm volatile("movq %%xmm1, %0; movq %%xmm15, %1\n\t"
			     "stmxcsr %2; fnstsw %3"
			     : "=r"(xmm1), "=r"(xmm15), "=m"(mxcsr), "=m"(fsw));
		is(xmm1 | xmm15, 0, "%s: the host does not see the guest's XMM",
		   kind);
		is(mxcsr, 0x1f80, "%s: the host's MXCSR is that of reset", kind);
		is(fsw, 0, "%s: the host's x87 status is that of reset", kind);
	}
	is(F64(v, VMSA_XMM + 16), 0x123456789abcdef0, "%s: saves XMM1", kind);
	is(F64(v, VMSA_YMM_HI + 3 * 16), 0x123456789abcdef0, "%s: saves YMM3",
	   kind);
	is(F32(v, VMSA_MXCSR), 0x1f20, "%s: saves MXCSR", kind);
	is(F64(v, VMSA_ST), 0xc90fdaa22168c235, "%s: saves ST0", kind);
	/* the host uses the registers before the guest goes on */
	asm volatile("fninit; fld1; pcmpeqd %xmm1, %xmm1; pcmpeqd %xmm15, %xmm15");
	is(vm_run(vm), EXIT_VMGEXIT, "%s: goes on", kind);
	is(c->out.rcx, 0x77777777, "%s: with the XMM15 that it had", kind);
	is(c->out.rax, 0x123456789abcdef0, "%s: with the YMM3 that it had", kind);
	is(c->out.rdx, 0x1f20, "%s: with the MXCSR that it had", kind);
	is(c->out.rbx & 0x3800, 0x3800, "%s: with the x87 stack that it had",
	   kind);

	is(vm_do(vm, fill_control, .rax = 0x1234000, .rcx = 5,
		 .rdx = 0xffff0ff2, .rbx = 0x455), EXIT_VMGEXIT,
	   "%s: an exit with control and debug registers set", kind);
	is(F64(v, VMSA_CR2), 0x1234000, "%s: saves CR2", kind);
	is(F64(v, VMSA_DR6), 0xffff0ff2, "%s: saves DR6", kind);
	is(F64(v, VMSA_DR7), 0x455, "%s: saves DR7", kind);
	is(F64(v, VMSA_RFLAGS), 0x8d7, "%s: saves RFLAGS", kind);
	{
		uint64_t dr7;

		asm volatile("mov %%dr7, %0" : "=r"(dr7));
		is(dr7, 0x400, "%s: the host's DR7 is that of reset", kind);
	}
	is(vm_run(vm), EXIT_VMGEXIT, "%s: goes on", kind);
	is(c->out.rax, 0x1234000, "%s: with the CR2 that it had", kind);
	is(c->out.rcx, 5, "%s: with the CR8 that it had", kind);
	is(c->out.rdx, 0xffff0ff2, "%s: with the DR6 that it had", kind);
	is(c->out.rbx, 0x455, "%s: with the DR7 that it had", kind);
}

static void host(struct vm *vm)
{
	uint64_t old[ARRAY_LEN(msrs)], own;
	unsigned int i;

	for (i = 0; i < ARRAY_LEN(msrs); i++) {
		/* not what VMSAVE keeps: the host save area has what is put there */
		if (msrs[i].msr == 0x277 || msrs[i].msr == 0xc0000103)
			continue;
		old[i] = rdmsr(msrs[i].msr);
		own = msrs[i].val ^ (msrs[i].msr == 0x174 ? 0x20 : 0x1000);
		wrmsr(msrs[i].msr, own);
		vm_do(vm, do_wrmsr, .rcx = msrs[i].msr,
		      .rax = (uint32_t)(msrs[i].val ^ 0x30),
		      .rdx = msrs[i].val >> 32);
		is(rdmsr(msrs[i].msr), own, "%s: the host gets its %s back", kind,
		   msrs[i].name);
		is(F64(vm->vmsa, msrs[i].off), msrs[i].val ^ 0x30,
		   "%s: the guest's %s is saved", kind, msrs[i].name);
		wrmsr(msrs[i].msr, old[i]);
	}
}

static void ghcb_and_status(struct vm *vm)
{
	volatile struct guest_comm *c = vm->comm;

	F64(vm->vmcb, VMCB_GHCB) = 0x0000123456789000;
	vm_do(vm, do_rdmsr, .rcx = MSR_GHCB);
	is((uint32_t)c->out.rax | c->out.rdx << 32, 0x0000123456789000,
	   "%s: MSR GHCB is that of the VMCB", kind);
	vm_do(vm, do_wrmsr, .rcx = MSR_GHCB, .rax = 0x89abc001, .rdx = 0x77);
	is(F64(vm->vmcb, VMCB_GHCB), 0x7789abc001ull,
	   "%s: an exit puts it into the VMCB", kind);
	F64(vm->vmcb, VMCB_MISC1) |= MISC1_MSR;
	memset((void *)F64(vm->vmcb, VMCB_MSRPM), 0xff, 2 * PAGE);
	F64(vm->vmcb, VMCB_CLEAN) = 0;
	vm_do(vm, do_rdmsr, .rcx = MSR_SEV_STATUS);
	is(c->out.rax, vm->snp ? 7 : 3,
	   "%s: SEV_STATUS, which cannot be intercepted", kind);
	memset((void *)F64(vm->vmcb, VMCB_MSRPM), 0, 2 * PAGE);
}

static volatile bool fpu_stop;
static volatile unsigned int fpu_loads;

static void busy_fpu(void *arg)
{
	uint32_t fenv[7];

	(void)arg;
	asm volatile("fnstenv %0" : "=m"(fenv));
	while (!fpu_stop) {
		asm volatile("fldenv %0" : : "m"(fenv));
		fpu_loads++;
	}
}

/*
 * Each CPU's FPU lowers IGNNE#, an input of the first CPU. That is nothing to
 * what else the first CPU keeps where it keeps this. A switch counts if the
 * other CPU got on meanwhile: on a busy machine they seldom run at once.
 */
static void other_fpu(struct vm *vm)
{
	unsigned int i, loads;

	fpu_stop = false;
	smp_run(1, busy_fpu, NULL);
	for (i = 0; i < SWITCHES; i += fpu_loads != loads) {
		loads = fpu_loads;
		if (vm_do(vm, do_nop, .rax = 0) != EXIT_VMGEXIT)
			break;
	}
	fpu_stop = true;
	smp_wait(1);
	is(i, SWITCHES, "%s: %u switches while another CPU is at its FPU", kind,
	   SWITCHES);
}

static void one_kind(bool snp)
{
	static struct vm vm[2];

	kind = snp ? "SNP" : "SEV-ES";
	vm_init(&vm[snp], snp, snp ? 2 : 1);
	load(&vm[snp]);
	save(&vm[snp]);
	host(&vm[snp]);
	ghcb_and_status(&vm[snp]);
	/* The second CPU comes with snp_init_firmware(). */
	if (snp)
		other_fpu(&vm[snp]);
}

void test_main(void)
{
	snp_require();
	svm_enable();
	one_kind(false);
	wrmsr(MSR_VM_HSAVE_PA, 0);	/* or the firmware refuses */
	snp_init_firmware();
	svm_enable();
	one_kind(true);
}
