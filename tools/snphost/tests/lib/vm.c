// SPDX-License-Identifier: GPL-2.0-only
/* Guests, see svm.h. */
#include "svm.h"

extern const char guest_blob[], guest_blob_end[];
void vm_enter(uint64_t vmcb_pa, void *hsave);

static void *hsave[MAX_CPUS];
static uint64_t arena_next = ARENA + 0x4000000;

uint64_t arena_page(void)
{
	uint64_t p = arena_next;

	if (p >= ARENA_END)
		bail("the arena is used up");
	arena_next += PAGE;
	map_4k_identity(p, PAGE);
	memset((void *)p, 0, PAGE);
	return p;
}

uint64_t arena_2m(void)
{
	uint64_t p;

	arena_next = (arena_next + PAGE_2M - 1) & ~(PAGE_2M - 1);
	p = arena_next;
	arena_next += PAGE_2M;
	if (arena_next > ARENA_END)
		bail("the arena is used up");
	map_4k_identity(p, PAGE_2M);
	memset((void *)p, 0, PAGE_2M);
	return p;
}

void svm_enable(void)
{
	unsigned int id = cpu_id();

	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME);
	hsave[id] = alloc_page();
	wrmsr(MSR_VM_HSAVE_PA, (uint64_t)hsave[id]);
}

void *svm_hsave(void)
{
	return hsave[cpu_id()];
}

void vm_map_flags(struct vm *vm, uint64_t gpa, uint64_t spa, int level,
		  uint64_t flags)
{
	*pt_entry(vm->npt, gpa, level) = spa | flags | (level > 1 ? PT_PS : 0);
	F8(vm->vmcb, VMCB_TLB) = 3;
}

void vm_map(struct vm *vm, uint64_t gpa, uint64_t spa, int level)
{
	vm_map_flags(vm, gpa, spa, level, PT_P | PT_W | PT_U);
}

static void seg(void *vmsa, unsigned int off, uint16_t sel, uint16_t attr,
		uint32_t limit, uint64_t base)
{
	F16(vmsa, off) = sel;
	F16(vmsa, off + 2) = attr;
	F32(vmsa, off + 4) = limit;
	F64(vmsa, off + 8) = base;
}

static void init_vmsa(struct vm *vm)
{
	void *v = vm->vmsa;

	seg(v, VMSA_CS, 0x08, 0xa9b, 0xffffffff, 0);
	seg(v, VMSA_SS, 0x10, 0xc93, 0xffffffff, 0);
	seg(v, VMSA_DS, 0x10, 0xc93, 0xffffffff, 0);
	seg(v, VMSA_ES, 0x10, 0xc93, 0xffffffff, 0);
	seg(v, VMSA_FS, 0x10, 0xc93, 0xffffffff, 0);
	seg(v, VMSA_GS, 0x10, 0xc93, 0xffffffff, 0);
	seg(v, VMSA_GDTR, 0, 0, 0xffff, 0);
	seg(v, VMSA_IDTR, 0, 0, 0xffff, 0);
	seg(v, VMSA_LDTR, 0, 0x82, 0xffff, 0);
	seg(v, VMSA_TR, 0, 0x8b, 0xffff, GUEST_TSS);
	F64(v, VMSA_EFER) = EFER_SVME | BIT(8) | BIT(10) | BIT(11) | BIT(0);
	/* PAE, OSFXSR, OSXMMEXCPT, OSXSAVE */
	F64(v, VMSA_CR4) = BIT(5) | BIT(9) | BIT(10) | BIT(18);
	F64(v, VMSA_CR3) = GUEST_PT | c_bit();
	/* PG, WP, NE, ET, MP, PE */
	F64(v, VMSA_CR0) = 0x80010033;
	F64(v, VMSA_DR6) = 0xffff0ff0;
	F64(v, VMSA_DR7) = 0x400;
	F64(v, VMSA_RFLAGS) = 2;
	F64(v, VMSA_RIP) = GUEST_BASE;
	F64(v, VMSA_RSP) = GUEST_STACK;
	F64(v, VMSA_PAT) = 0x0007040600070406ull;
	F64(v, VMSA_XCR0) = 7;
	F32(v, VMSA_MXCSR) = 0x1f80;
	F16(v, VMSA_FCW) = 0x37f;
	F64(v, VMSA_SEV_FEATURES) = vm->snp ? FEATURE_SNP : 0;
}

static void init_guest_memory(struct vm *vm)
{
	uint64_t len = guest_blob_end - guest_blob, off, c = c_bit();
	uint64_t *pml4, *pdpt, *priv, *shared, stack = GUEST_STACK;
	unsigned int i;

	for (i = 0; i < GUEST_PAGES; i++) {
		vm->mem[i] = arena_page();
		vm_map(vm, GUEST_BASE + i * PAGE, vm->mem[i], 1);
	}
	if (len > GUEST_PT - GUEST_BASE)
		bail("the guest's image is too big");
	for (off = 0; off < len; off += PAGE)
		memcpy((void *)vm->mem[off / PAGE], guest_blob + off,
		       len - off < PAGE ? len - off : PAGE);

	i = (GUEST_TSS - GUEST_BASE) / PAGE;
	memcpy((void *)(vm->mem[i] + 4), &stack, sizeof(stack));
	i = (GUEST_PT - GUEST_BASE) / PAGE;
	pml4 = (uint64_t *)vm->mem[i];
	pdpt = (uint64_t *)vm->mem[i + 1];
	priv = (uint64_t *)vm->mem[i + 2];
	shared = (uint64_t *)vm->mem[i + 3];
	pml4[0] = (GUEST_PT + PAGE) | c | 0x27;
	pdpt[0] = (GUEST_PT + 2 * PAGE) | c | 0x27;
	pdpt[1] = (GUEST_PT + 3 * PAGE) | c | 0x27;
	for (i = 0; i < 512; i++) {
		priv[i] = i * PAGE_2M | c | 0xe7;
		shared[i] = i * PAGE_2M | 0xe7;
	}
}

void vm_init(struct vm *vm, bool snp, unsigned int asid)
{
	memset(vm, 0, sizeof(*vm));
	vm->snp = snp;
	vm->asid = asid;
	vm->npt = alloc_page();
	vm->vmcb = alloc_page();
	vm->vmsa = (void *)arena_page();
	vm->comm = alloc_page();
	init_guest_memory(vm);
	init_vmsa(vm);
	vm_map(vm, GUEST_COMM, (uint64_t)vm->comm, 1);

	F32(vm->vmcb, VMCB_MISC1) = MISC1_INTR | MISC1_SHUTDOWN;
	F32(vm->vmcb, VMCB_MISC2) = MISC2_VMRUN;
	F64(vm->vmcb, VMCB_IOPM) = (uint64_t)alloc_pages(3);
	F64(vm->vmcb, VMCB_MSRPM) = (uint64_t)alloc_pages(2);
	F32(vm->vmcb, VMCB_ASID) = asid;
	F64(vm->vmcb, VMCB_VINTR) = VINTR_MASKING;
	F64(vm->vmcb, VMCB_NESTED) = NESTED_NP | NESTED_SEV | NESTED_ES;
	F64(vm->vmcb, VMCB_NCR3) = (uint64_t)vm->npt;
	F64(vm->vmcb, VMCB_VIRT) = 1;
	F64(vm->vmcb, VMCB_VMSA) = (uint64_t)vm->vmsa;
}

uint64_t vmrun_raw(uint64_t vmcb_pa)
{
	int v = TRY(vm_enter(vmcb_pa, svm_hsave()));

	if (v != NO_TRAP) {
		/* it came with GIF clear */
		asm volatile("stgi");
		return EXIT_TRAPPED(v);
	}
	return F64(vmcb_pa, VMCB_EXITCODE);
}

uint64_t vm_run(struct vm *vm)
{
	uint64_t r = vmrun_raw((uint64_t)vm->vmcb);

	F8(vm->vmcb, VMCB_TLB) = 0;
	vm->faulted = r == EXIT_NPF;
	return r;
}

void vm_prepare(struct vm *vm, const char *code, unsigned int len,
		const struct guest_in *in)
{
	if (len > GUEST_CODE_LEN)
		bail("snippet of %u bytes", len);
	memcpy((void *)vm->comm->code, code, len);
	vm->comm->len = len;
	vm->comm->in = *in;
	vm->comm->vector = -2;
}

uint64_t vm_exec(struct vm *vm, const char *code, unsigned int len,
		 const struct guest_in *in)
{
	if (vm->faulted) {
		/* its instruction is still there: an injected #GP ends it */
		F64(vm->vmcb, VMCB_INJECT) = BIT(31) | BIT(11) | 3 << 8 | TRAP_GP;
		vm_run(vm);
		F64(vm->vmcb, VMCB_INJECT) = 0;
	}
	vm_prepare(vm, code, len, in);
	return vm_run(vm);
}

void vm_start(struct vm *vm, bool snp, unsigned int asid)
{
	uint64_t r;

	vm_init(vm, snp, asid);
	vm_launch(vm);
	r = vm_run(vm);
	if (r != EXIT_VMGEXIT)
		bail("the guest does not start: exit 0x%lx info 0x%lx 0x%lx", r,
		     F64(vm->vmcb, VMCB_INFO1), F64(vm->vmcb, VMCB_INFO2));
}
