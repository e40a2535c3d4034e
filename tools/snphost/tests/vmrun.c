// SPDX-License-Identifier: GPL-2.0-only
/*
 * What VMRUN of an SEV-ES or SNP guest refuses (APM volume 2, sections
 * 15.34.3, 15.35.8 and 15.36.12 with table 15-41), and the host save area.
 */
#include "svm.h"

SNIPPET(i_nop, "nop");

static struct vm es, snp, other;

/* VMRUN is refused, and works again with the field put back. */
#define REFUSED(vm, width, where, off, val, what) do {			\
	uint64_t old_ = F##width(where, off);				\
	F##width(where, off) = (val);					\
	is(vm_do(vm, i_nop, .rax = 0), EXIT_INVALID,			\
	   "%s: VMEXIT_INVALID", what);					\
	F##width(where, off) = old_;					\
	is(vm_run(vm), EXIT_VMGEXIT, "  put right it runs");		\
} while (0)

static void control_checks(struct vm *vm)
{
	uint32_t asids = cpuid(0x8000001f, 0).c;
	void *c = vm->vmcb;

	REFUSED(vm, 64, c, VMCB_NESTED, NESTED_SEV | NESTED_ES,
		"SEV without nested paging");
	REFUSED(vm, 32, c, VMCB_ASID, asids + 1, "ASID beyond the last");
	REFUSED(vm, 32, c, VMCB_ASID, 0, "ASID 0");
	REFUSED(vm, 32, c, VMCB_MISC2, 0, "no intercept of VMRUN");
	REFUSED(vm, 64, c, VMCB_VMSA, (uint64_t)vm->vmsa + 8,
		"VMSA pointer not aligned");
	REFUSED(vm, 64, c, VMCB_VMSA, BIT(52), "VMSA pointer beyond memory");
	REFUSED(vm, 64, c, VMCB_VMSA, ~0ull, "VMSA pointer all ones");
	/* valid, and type: exception 3, exception 4, software interrupt */
	REFUSED(vm, 64, c, VMCB_INJECT, BIT(31) | 3 << 8 | 3, "injected #BP");
	REFUSED(vm, 64, c, VMCB_INJECT, BIT(31) | 3 << 8 | 4, "injected #OF");
	REFUSED(vm, 64, c, VMCB_INJECT, BIT(31) | 4 << 8 | 0x40,
		"injected software interrupt");
}

/* Only for a guest whose VMSA the host can write. */
static void state_checks(struct vm *vm)
{
	void *v = vm->vmsa;

	REFUSED(vm, 64, v, VMSA_EFER, F64(v, VMSA_EFER) & ~EFER_SVME,
		"EFER.SVME clear");
	REFUSED(vm, 64, v, VMSA_EFER, F64(v, VMSA_EFER) | BIT(63),
		"EFER with reserved bits");
	REFUSED(vm, 64, v, VMSA_CR0, (F64(v, VMSA_CR0) | BIT(29)) & ~BIT(30),
		"CR0.NW without CR0.CD");
	REFUSED(vm, 64, v, VMSA_CR0, F64(v, VMSA_CR0) | BIT(32),
		"CR0 with bits 63:32");
	REFUSED(vm, 64, v, VMSA_CR4, F64(v, VMSA_CR4) | BIT(63),
		"CR4 with reserved bits");
	REFUSED(vm, 64, v, VMSA_CR4, F64(v, VMSA_CR4) & ~BIT(5),
		"long mode without CR4.PAE");
	REFUSED(vm, 64, v, VMSA_CR0, F64(v, VMSA_CR0) & ~BIT(0),
		"long mode without CR0.PE");
	REFUSED(vm, 16, v, VMSA_CS + 2, F16(v, VMSA_CS + 2) | 0x400,
		"CS.L and CS.D");
	REFUSED(vm, 64, v, VMSA_DR7, BIT(40) | 0x400, "DR7 with bits 63:32");
	REFUSED(vm, 64, v, VMSA_DR6, BIT(40) | 0xffff0ff0,
		"DR6 with bits 63:32");
}

/* A VMSA that would be good, were it not for its address. */
static void shifted_vmsa(void)
{
	uint64_t pg = arena_page();

	memcpy((void *)(pg + 8), es.vmsa, PAGE - 8);
	F64(es.vmcb, VMCB_VMSA) = pg + 8;
	is(vm_do(&es, i_nop, .rax = 0), EXIT_INVALID,
	   "VMSA that is not at the begin of a page: VMEXIT_INVALID");
	F64(es.vmcb, VMCB_VMSA) = (uint64_t)es.vmsa;
}

/* The same guest with its state in the VMCB, as SEV alone has it. */
static void sev_without_es(unsigned int min_asid)
{
	void *vmcb = alloc_page();

	memcpy(vmcb, es.vmcb, PAGE);
	memcpy((char *)vmcb + 0x400, es.vmsa, 0x298);
	F64(vmcb, VMCB_NESTED) = NESTED_NP | NESTED_SEV;
	F32(vmcb, VMCB_MISC2) |= MISC2_VMMCALL;
	F32(vmcb, VMCB_ASID) = min_asid - 1;
	vm_prepare(&es, i_nop_start, i_nop_end - i_nop_start,
		   &(struct guest_in){ });
	is(vmrun_raw((uint64_t)vmcb), EXIT_INVALID,
	   "SEV without ES on an ASID below the minimum: VMEXIT_INVALID");
	F32(vmcb, VMCB_ASID) = min_asid;
	is(vmrun_raw((uint64_t)vmcb), EXIT_VMMCALL,
	   "  on the minimum it runs, and VMGEXIT is VMMCALL to it");
}

static void sev_checks(void)
{
	struct cpuid f = cpuid(0x8000001f, 0);

	vm_start(&es, false, 1);
	control_checks(&es);
	state_checks(&es);
	REFUSED(&es, 64, es.vmsa, VMSA_SEV_FEATURES, FEATURE_SNP,
		"SNP guest without SYSCFG.SNP_EN");
	REFUSED(&es, 8, es.vmsa, VMSA_VMPL, 4, "a VMPL that is not");
	shifted_vmsa();
	if (f.d > 1)
		sev_without_es(f.d);
	else
		skip("SEV without ES on an ASID below the minimum", "there is none");
}

static void sev_es_with_snp_on(void)
{
	uint64_t pg;

	is(vm_do(&es, i_nop, .rax = 0), EXIT_VMGEXIT, "SEV-ES guest with SNP on");
	pg = (uint64_t)es.vmsa;
	rmp_assign(pg, 0x1000, 1, false);
	is(vm_run(&es), EXIT_INVALID,
	   "VMSA of an SEV-ES guest assigned: VMEXIT_INVALID");
	rmp_share(pg, false);
	is(vm_do(&es, i_nop, .rax = 0), EXIT_VMGEXIT, "  shared again it runs");

	pg = arena_page();
	memcpy((void *)pg, es.vmcb, PAGE);
	is(vmrun_raw(pg), EXIT_VMGEXIT, "a copy of the VMCB runs");
	rmp_assign(pg, 0x2000, 1, false);
	is(vmrun_raw(pg), EXIT_TRAPPED(TRAP_GP), "VMCB assigned: #GP");
	is(trap_self()->err, 0, "  with error code 0");
	rmp_share(pg, false);
	is(vmrun_raw(pg), EXIT_VMGEXIT, "  shared again it runs");
	is(vmrun_raw(pg + 8), EXIT_TRAPPED(TRAP_GP), "VMCB not aligned: #GP");
}

static void host_save_area(void)
{
	uint64_t pg = arena_page(), old = rdmsr(MSR_VM_HSAVE_PA);

	is(TRY(wrmsr(MSR_VM_HSAVE_PA, pg)), NO_TRAP,
	   "a host's page as host save area");
	wrmsr(MSR_VM_HSAVE_PA, old);
	rmp_assign(pg, 0x3000, 1, false);
	is(TRY(wrmsr(MSR_VM_HSAVE_PA, pg)), TRAP_GP,
	   "an assigned page as host save area: #GP");
	is(rdmsr(MSR_VM_HSAVE_PA), old, "  it is as it was");
	is(TRY(asm volatile("vmsave %%rax" : : "a"(pg) : "memory")), TRAP_GP,
	   "VMSAVE to an assigned page: #GP");
	rmp_share(pg, false);
	is(TRY(asm volatile("vmsave %%rax" : : "a"(pg) : "memory")), NO_TRAP,
	   "VMSAVE to the page shared again");
	wrmsr(MSR_VM_HSAVE_PA, 0);
	is(vmrun_raw((uint64_t)es.vmcb), EXIT_TRAPPED(TRAP_GP),
	   "no host save area: VMRUN gives #GP");
	wrmsr(MSR_VM_HSAVE_PA, old);
}

static void vmsa_invalid(uint64_t spa, const char *what)
{
	F64(snp.vmcb, VMCB_VMSA) = spa;
	is(vm_do(&snp, i_nop, .rax = 0), EXIT_INVALID, "%s: VMEXIT_INVALID", what);
	F64(snp.vmcb, VMCB_VMSA) = (uint64_t)snp.vmsa;
}

static void snp_vmsa(void)
{
	uint64_t pg, vmsa;

	vm_start(&snp, true, 2);
	vm_start(&other, true, 3);
	control_checks(&snp);

	vmsa_invalid((uint64_t)other.vmsa, "VMSA of another guest");
	vmsa_invalid(snp.mem[GUEST_PAGES - 1],
		     "a page of the guest that is no VMSA page");
	pg = arena_page();
	memcpy((void *)pg, snp.vmsa, PAGE);
	vmsa_invalid(pg, "an SNP guest's VMSA in a page of the host");
	rmp_assign(pg, 0x700000, 2, false);
	vmsa_invalid(pg, "in a page that RMPUPDATE gave to the guest");
	rmp_share(pg, false);
	rmp_assign(pg, 0, 0, false);
	vmsa_invalid(pg, "in a page of the firmware");
	vmsa_invalid(snp.gctx, "the guest's context page");

	vmsa = (uint64_t)snp.vmsa;
	is(vm_do(&snp, i_nop, .rax = 0), EXIT_VMGEXIT, "its own VMSA runs");
	is(F64(vmsa, VMSA_SEV_FEATURES), FEATURE_SNP, "  with its features");
	/* the host takes the page away and gives it back: no VMSA any more */
	is(rmp_assign(vmsa, 0xfffffffff000, 2, false), SUCCESS,
	   "RMPUPDATE of the VMSA page while it does not run");
	is(rmp_entry(vmsa) & (RMP_VMSA | RMP_VALIDATED), 0,
	   "  it is no VMSA page any more");
	vmsa_invalid(vmsa, "the former VMSA page");
	is(vm_do(&other, i_nop, .rax = 0), EXIT_VMGEXIT,
	   "the other guest does not mind");
	is(rmp_share((uint64_t)other.vmsa, false), SUCCESS,
	   "its VMSA page goes to the host");
	is(vm_run(&other), EXIT_INVALID, "  VMEXIT_INVALID");
}

/* The VMSA of an SEV-ES guest is the host's, so its features are free. */
static void features(void)
{
	static struct vm vm;

	vm_init(&vm, true, 4);
	F64(vm.vmsa, VMSA_SEV_FEATURES) =
		FEATURE_SNP | FEATURE_RESTRICTED_INJ | FEATURE_ALTERNATE_INJ;
	vm_launch(&vm);
	is(vm_run(&vm), EXIT_INVALID,
	   "restricted and alternate injection: VMEXIT_INVALID");
}

static void user_vmrun(void *arg)
{
	asm volatile("vmrun %%rax" : : "a"(arg) : "memory");
}

void test_main(void)
{
	snp_require();
	svm_enable();
	sev_checks();
	is(try_user(user_vmrun, es.vmcb), TRAP_GP, "VMRUN at CPL 3: #GP");
	wrmsr(MSR_VM_HSAVE_PA, 0);
	snp_init_firmware();
	svm_enable();
	sev_es_with_snp_on();
	host_save_area();
	snp_vmsa();
	features();
}
