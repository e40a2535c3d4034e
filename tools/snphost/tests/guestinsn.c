// SPDX-License-Identifier: GPL-2.0-only
/*
 * PVALIDATE, RMPADJUST and RMPQUERY: in the host, in an SEV-ES guest and in an
 * SNP guest, at VMPL0 and, on a VMSA that the guest makes, at VMPL1.
 */
#include "svm.h"

#define ASID		2
#define VA		(GUEST_TEST)		/* a 2M region of 4K pages */
#define VA_BIG		(GUEST_TEST + PAGE_2M)	/* a 2M page */
#define PERM_R		1
#define PERM_W		2
#define PERM_XU		4
#define PERM_XS		8
#define ATTR(vmpl, perms) ((vmpl) | (perms) << 8)
#define ATTR_VMSA	BIT(16)

SNIPPET(pvalidate, ".byte 0xf2, 0x0f, 0x01, 0xff");
SNIPPET(pvalidate_cf1, "stc; .byte 0xf2, 0x0f, 0x01, 0xff");
SNIPPET(rmpadjust, ".byte 0xf3, 0x0f, 0x01, 0xfe");
SNIPPET(rmpquery, ".byte 0xf3, 0x0f, 0x01, 0xfd");
SNIPPET(rmpupdate_insn, ".byte 0xf2, 0x0f, 0x01, 0xfe");
SNIPPET(psmash_insn, ".byte 0xf3, 0x0f, 0x01, 0xff");
SNIPPET(i_load, "mov (%rdi), %rax");
SNIPPET(i_store, "mov %rax, (%rdi)");
/* the instruction in rax at CPL 3, whose int3 or fault ends it */
SNIPPET(user_pvalidate,
	"push $0x23; push $" "0x117000" "; pushfq; push $0x1b\n\t"
	"lea 1f(%rip), %rbp; push %rbp; iretq\n"
	"1: .byte 0xf2, 0x0f, 0x01, 0xff; ud2");

static struct vm vm;

static uint64_t pv(uint64_t va, unsigned int size, unsigned int validate)
{
	return vm_do(&vm, pvalidate, .rax = va, .rcx = size, .rdx = validate);
}

static uint64_t adjust(uint64_t va, unsigned int size, uint64_t attr)
{
	return vm_do(&vm, rmpadjust, .rax = va, .rcx = size, .rdx = attr);
}

/* The snippet came to its end with this result in EAX. */
static void result(uint64_t exit, unsigned int want, const char *what)
{
	if (!is(exit, EXIT_VMGEXIT, "%s", what)) {
		printf("#   EXITINFO1 0x%lx EXITINFO2 0x%lx\n",
		       F64(vm.vmcb, VMCB_INFO1), F64(vm.vmcb, VMCB_INFO2));
		return;
	}
	if (!is(vm.comm->vector, NO_TRAP, "  no exception"))
		return;
	is((uint32_t)vm.comm->out.rax, want, "  result %u", want);
}

static void trapped(uint64_t exit, int vector, uint64_t err, const char *what)
{
	is(exit, EXIT_VMGEXIT, "%s", what);
	is(vm.comm->vector, vector, "  gives exception %d", vector);
	if (vector != TRAP_UD)
		is(vm.comm->err, err, "  with error code 0x%lx", err);
}

static void npf(uint64_t exit, uint64_t bits, uint64_t gpa, const char *what)
{
	if (!is(exit, EXIT_NPF, "%s", what))
		return;
	is(F64(vm.vmcb, VMCB_INFO1) & (PF_RMP | NPF_ENC | NPF_SIZEM | NPF_VMPL),
	   bits, "  #VMEXIT(NPF) with these RMP bits");
	is(F64(vm.vmcb, VMCB_INFO2) & ~(PAGE - 1), gpa & ~(PAGE - 1),
	   "  and the address");
}

static void outside(void)
{
	is(TRY(asm volatile(".byte 0xf2, 0x0f, 0x01, 0xff"
			    : : "a"(ARENA), "c"(0), "d"(1) : "cc")), TRAP_UD,
	   "host: PVALIDATE gives #UD");
	is(TRY(asm volatile(".byte 0xf3, 0x0f, 0x01, 0xfe"
			    : : "a"(ARENA), "c"(0), "d"(1) : "cc")), TRAP_UD,
	   "host: RMPADJUST gives #UD");
	is(TRY(asm volatile(".byte 0xf3, 0x0f, 0x01, 0xfd"
			    : : "a"(ARENA), "c"(0), "d"(1) : "cc")), TRAP_UD,
	   "host: RMPQUERY gives #UD");
}

static void in_es_guest(void)
{
	trapped(pv(VA, 0, 1), TRAP_UD, 0, "SEV-ES guest: PVALIDATE");
	trapped(adjust(VA, 0, 1), TRAP_UD, 0, "SEV-ES guest: RMPADJUST");
}

/* Instructions of the hypervisor, in a guest. */
static void not_for_guests(uint64_t spa, uint64_t big)
{
	uint64_t entry = rmp_entry(spa), large = rmp_entry(big);

	result(vm_do(&vm, rmpupdate_insn, .rax = spa,
		     .rcx = GUEST_SHARED + GUEST_COMM), FAIL_PERMISSION,
	       "RMPUPDATE in a guest: FAIL_PERMISSION");
	is(rmp_entry(spa), entry, "  and changes nothing");
	result(vm_do(&vm, psmash_insn, .rax = big), FAIL_PERMISSION,
	       "PSMASH in a guest: FAIL_PERMISSION");
	is(rmp_entry(big), large, "  and changes nothing");
}

static void test_pvalidate(uint64_t spa, uint64_t big)
{
	result(pv(VA, 0, 1), SUCCESS, "PVALIDATE of a fresh 4K page");
	is(vm.comm->rflags & RFLAGS_CF, 0, "  CF is clear: it changed");
	is(vm.comm->rflags & RFLAGS_ZF, RFLAGS_ZF, "  ZF follows the result");
	is(rmp_entry(spa), rmp_fresh(VA, ASID, RMP_VALIDATED),
	   "  the entry says so");
	result(pv(VA, 0, 1), SUCCESS, "PVALIDATE again");
	is(vm.comm->rflags & RFLAGS_CF, RFLAGS_CF, "  CF is set: no change");
	result(pv(VA, 0, 0), SUCCESS, "PVALIDATE rescinds");
	is(vm.comm->rflags & RFLAGS_CF, 0, "  CF is clear: it changed");
	is(rmp_entry(spa), rmp_fresh(VA, ASID, 0), "  the entry says so");
	result(pv(VA, 0, 0), SUCCESS, "PVALIDATE rescinds again");
	is(vm.comm->rflags & RFLAGS_CF, RFLAGS_CF, "  CF is set: no change");
	result(vm_do(&vm, pvalidate_cf1, .rax = VA, .rcx = 0, .rdx = 1), SUCCESS,
	       "PVALIDATE with CF set before");
	is(vm.comm->rflags & RFLAGS_CF, 0, "  CF is clear: it changed");

	/* ECX[0] is the size, EDX[0] the new state */
	result(vm_do(&vm, pvalidate, .rax = VA, .rcx = ~BIT(0), .rdx = ~BIT(0)),
	       SUCCESS, "PVALIDATE rescinds, other bits set in RCX and RDX");
	is(rmp_entry(spa), rmp_fresh(VA, ASID, 0), "  the entry says so");
	result(vm_do(&vm, pvalidate, .rax = VA, .rcx = ~BIT(0), .rdx = ~0ull),
	       SUCCESS, "PVALIDATE, all bits set in RDX");
	is(rmp_entry(spa), rmp_fresh(VA, ASID, RMP_VALIDATED),
	   "  the entry says so");

	result(pv(VA, 1, 1), FAIL_SIZEMISMATCH,
	       "PVALIDATE of 2M on 4K pages: FAIL_SIZEMISMATCH");
	is(vm.comm->rflags & RFLAGS_ZF, 0, "  ZF follows the result");
	result(pv(VA + PAGE, 1, 1), FAIL_INPUT,
	       "PVALIDATE of 2M at a 4K address: FAIL_INPUT");
	trapped(pv(VA + GUEST_SHARED, 0, 1), TRAP_GP, 0,
		"PVALIDATE of a shared mapping");
	trapped(pv(0x7f0000000000, 0, 1), TRAP_PF, 0,
		"PVALIDATE of no page");
	is(vm.comm->cr2, 0x7f0000000000, "  CR2 is the operand");
	trapped(vm_do(&vm, user_pvalidate, .rax = VA, .rcx = 0, .rdx = 1),
		TRAP_GP, 0, "PVALIDATE at CPL 3");

	/* 4K of a 2M page: the hypervisor has to smash it */
	npf(pv(VA_BIG, 0, 1), PF_RMP | NPF_ENC | NPF_SIZEM, VA_BIG,
	    "PVALIDATE of 4K on a 2M page");
	is(psmash(big), SUCCESS, "  PSMASH cures that");
	vm_map(&vm, VA_BIG, big, 1);
	result(vm_run(&vm), SUCCESS, "  it goes on");
	is(rmp_entry(big), rmp_fresh(VA_BIG, ASID, RMP_VALIDATED),
	   "  the 4K page is validated");
	is(rmp_entry(big + PAGE), rmp_fresh(VA_BIG + PAGE, ASID, 0),
	   "  the next is not");

	big = arena_2m();
	is(rmp_assign(big, VA_BIG + PAGE_2M, ASID, true), SUCCESS, "a 2M page");
	vm_map(&vm, VA_BIG + PAGE_2M, big, 2);
	result(pv(VA_BIG + PAGE_2M, 1, 1), SUCCESS, "PVALIDATE of 2M");
	is(vm.comm->rflags & RFLAGS_CF, 0, "  CF is clear: it changed");
	is(rmp_entry(big), rmp_fresh(VA_BIG + PAGE_2M, ASID,
				     RMP_2M | RMP_VALIDATED),
	   "  the entry says so");
	is(vm_do(&vm, i_store, .rax = 1, .rdi = VA_BIG + PAGE_2M + 0x1ff000),
	   EXIT_VMGEXIT, "  the guest can use all of it");
	is(vm.comm->vector, NO_TRAP, "  without a trap");
	is(psmash(big), SUCCESS, "PSMASH of it");
	is(rmp_entry(big + 5 * PAGE), rmp_fresh(VA_BIG + PAGE_2M + 5 * PAGE,
						ASID, RMP_VALIDATED),
	   "  leaves its pages validated");
	is(rmp_assign(big + 5 * PAGE, VA_BIG + PAGE_2M + 5 * PAGE, ASID, false),
	   SUCCESS, "RMPUPDATE of a validated page to the same state");
	is(rmp_entry(big + 5 * PAGE) & RMP_VALIDATED, 0,
	   "  makes it not validated");

	/* pages that are not the guest's: #VMEXIT(NPF) */
	vm_map(&vm, VA + 2 * PAGE, arena_page(), 1);
	npf(pv(VA + 2 * PAGE, 0, 1), PF_RMP | NPF_ENC, VA + 2 * PAGE,
	    "PVALIDATE of a page of the host");
	spa = arena_page();
	rmp_assign(spa, VA + 2 * PAGE, ASID + 1, false);
	vm_map(&vm, VA + 2 * PAGE, spa, 1);
	npf(vm_run(&vm), PF_RMP | NPF_ENC, VA + 2 * PAGE,
	    "PVALIDATE of a page of another guest");
	rmp_assign(spa, VA + 3 * PAGE, ASID, false);
	npf(vm_run(&vm), PF_RMP | NPF_ENC, VA + 2 * PAGE,
	    "PVALIDATE of a page that belongs elsewhere");
	rmp_assign(spa, VA + 2 * PAGE, ASID, false);
	result(vm_run(&vm), SUCCESS, "all put right it goes on");
}

static void test_rmpadjust(uint64_t spa)
{
	volatile struct guest_comm *c = vm.comm;

	/* VA is validated here */
	result(adjust(VA, 0, ATTR(1, PERM_R)), SUCCESS,
	       "RMPADJUST for VMPL1");
	is(c->rflags & RFLAGS_ZF, RFLAGS_ZF, "  ZF follows the result");
	result(vm_do(&vm, rmpquery, .rax = VA, .rdx = 1), SUCCESS,
	       "RMPQUERY for VMPL1");
	is(c->out.rdx, ATTR(1, PERM_R), "  gives the permissions");
	is(c->out.rcx & 0xff, 0, "  and the size");
	result(vm_do(&vm, rmpquery, .rax = VA, .rdx = 2), SUCCESS,
	       "RMPQUERY for VMPL2");
	is(c->out.rdx, ATTR(2, 0), "  gives the permissions of a fresh page");
	result(adjust(VA, 0, ATTR(3, PERM_R | PERM_W | PERM_XU | PERM_XS)),
	       SUCCESS, "RMPADJUST for VMPL3");
	result(vm_do(&vm, rmpquery, .rax = VA, .rdx = 1), SUCCESS,
	       "RMPQUERY for VMPL1");
	is(c->out.rdx, ATTR(1, PERM_R), "  they are apart");

	trapped(vm_do(&vm, rmpquery, .rax = VA + PAGE, .rdx = 1), TRAP_VC,
		EXIT_NOT_VALIDATED, "RMPQUERY of a page that is not validated");

	result(vm_do(&vm, rmpadjust, .rax = VA, .rcx = ~BIT(0),
		     .rdx = ATTR(1, PERM_R)), SUCCESS,
	       "RMPADJUST, other bits than the size set in RCX");
	result(vm_do(&vm, rmpadjust, .rax = VA, .rdx = ATTR(1, PERM_R) | BIT(17)),
	       FAIL_INPUT, "RMPADJUST, a reserved bit set in RDX: FAIL_INPUT");

	result(adjust(VA, 0, ATTR(0, PERM_R)), FAIL_PERMISSION,
	       "RMPADJUST for the own VMPL: FAIL_PERMISSION");
	is(c->rflags & RFLAGS_ZF, 0, "  ZF follows the result");
	result(adjust(VA, 0, ATTR(4, PERM_R)), FAIL_INPUT,
	       "RMPADJUST for a VMPL that is not: FAIL_INPUT");
	result(adjust(VA + PAGE, 1, ATTR(1, PERM_R)), FAIL_INPUT,
	       "RMPADJUST of 2M at a 4K address: FAIL_INPUT");
	result(adjust(VA, 1, ATTR(1, PERM_R)), FAIL_SIZEMISMATCH,
	       "RMPADJUST of 2M on 4K pages: FAIL_SIZEMISMATCH");
	trapped(adjust(VA + GUEST_SHARED, 0, ATTR(1, PERM_R)), TRAP_GP, 0,
		"RMPADJUST of a shared mapping");
	trapped(adjust(VA + PAGE, 0, ATTR(1, PERM_R)), TRAP_VC,
		EXIT_NOT_VALIDATED, "RMPADJUST of a page that is not validated");
	is(c->cr2 & ~(PAGE - 1), VA + PAGE, "  CR2 is the operand");

	result(adjust(VA, 0, ATTR(1, 0) | ATTR_VMSA), SUCCESS,
	       "RMPADJUST makes a VMSA page");
	is(rmp_entry(spa) & RMP_VMSA, RMP_VMSA, "  the entry says so");
	result(vm_do(&vm, rmpquery, .rax = VA, .rdx = 1), SUCCESS, "RMPQUERY");
	is(c->out.rdx, ATTR(1, 0) | ATTR_VMSA, "  says that it is a VMSA page");
	is(rmp_entry(spa) & RMP_VALIDATED, RMP_VALIDATED,
	   "  the page still is validated");
	result(adjust(VA, 0, ATTR(1, PERM_R)), SUCCESS,
	       "RMPADJUST makes an ordinary page again");
	is(rmp_entry(spa) & RMP_VMSA, 0, "  the entry says so");
	is(rmp_entry(spa) & (RMP_ASSIGNED | RMP_ASID(0x3ff)),
	   RMP_ASSIGNED | RMP_ASID(ASID), "  the owner is the same");
}

/*
 * A second VMSA at VMPL1: the first one's content with another RIP, made by
 * the guest in a page of its own, which the host runs then.
 */
static void at_vmpl1(uint64_t spa)
{
	void *first = vm.vmsa;
	uint64_t page = spa;
	unsigned int i;

	/* VMPL1 may use the guest's own memory, and read VA */
	for (i = 0; i < GUEST_PAGES; i++)
		adjust(GUEST_BASE + i * PAGE, 0, ATTR(1, 15));
	result(adjust(VA, 0, ATTR(1, PERM_R)), SUCCESS, "VMPL1 may read a page");

	spa = arena_page();
	rmp_assign(spa, VA + 4 * PAGE, ASID, false);
	vm_map(&vm, VA + 4 * PAGE, spa, 1);
	result(pv(VA + 4 * PAGE, 0, 1), SUCCESS, "a page for its VMSA");
	for (i = 0; i < 0x800; i += 8) {
		uint64_t v = F64(first, i);

		if (i == (VMSA_VMPL & ~7))
			v |= 1ull << (VMSA_VMPL & 7) * 8;
		if (i == VMSA_TLB_ID || i == VMSA_PCPU_ID)
			v = 0;
		if (v)
			vm_do(&vm, i_store, .rax = v, .rdi = VA + 4 * PAGE + i);
	}
	/* its first exit has been a VMGEXIT at "commands" */
	result(adjust(VA + 4 * PAGE, 0, ATTR(1, 0) | ATTR_VMSA), SUCCESS,
	       "it becomes a VMSA page");
	F64(vm.vmcb, VMCB_VMSA) = spa;
	vm.vmsa = (void *)spa;
	is(vm_do(&vm, i_load, .rdi = VA), EXIT_VMGEXIT,
	   "a VMSA that the guest made runs, at VMPL1");
	is(vm.comm->vector, NO_TRAP, "  it can read that page");

	npf(vm_do(&vm, i_store, .rax = 1, .rdi = VA),
	    PF_RMP | NPF_ENC | NPF_VMPL, VA, "VMPL1: a write without permission");
	vm.faulted = false;
	vm.vmsa = first;
	F64(vm.vmcb, VMCB_VMSA) = (uint64_t)first;
	result(adjust(VA, 0, ATTR(1, PERM_R | PERM_W)), SUCCESS,
	       "VMPL0 permits it");
	F64(vm.vmcb, VMCB_VMSA) = spa;
	vm.vmsa = (void *)spa;
	/* the snippet was in memory that VMPL0 has used since: begin anew */
	vm.faulted = true;
	is(vm_do(&vm, i_store, .rax = 0x4321, .rdi = VA), EXIT_VMGEXIT,
	   "VMPL1: now it works");
	is(vm.comm->vector, NO_TRAP, "  without a trap");
	is(READ64(page), 0x4321, "  and is written");

	result(adjust(VA, 0, ATTR(1, 0)), FAIL_PERMISSION,
	       "VMPL1: RMPADJUST for itself: FAIL_PERMISSION");
	result(adjust(VA, 0, ATTR(0, 0)), FAIL_PERMISSION,
	       "VMPL1: RMPADJUST for VMPL0: FAIL_PERMISSION");
	result(adjust(VA, 0, ATTR(2, PERM_R)), SUCCESS,
	       "VMPL1: RMPADJUST for VMPL2");
	result(adjust(VA, 0, ATTR(2, PERM_R | PERM_XS)), FAIL_PERMISSION,
	       "VMPL1: a permission that it does not have: FAIL_PERMISSION");
	result(adjust(VA, 0, ATTR(2, PERM_R) | ATTR_VMSA), SUCCESS,
	       "VMPL1: RMPADJUST with the VMSA bit");
	is(rmp_entry(page) & RMP_VMSA, 0, "  which is ignored");
	result(vm_do(&vm, rmpquery, .rax = VA, .rdx = 0), FAIL_PERMISSION,
	       "VMPL1: RMPQUERY for VMPL0: FAIL_PERMISSION");
	trapped(pv(VA, 0, 1), TRAP_GP, 0, "VMPL1: PVALIDATE");
}

void test_main(void)
{
	uint64_t spa, big;

	snp_require();
	outside();
	snp_init_firmware();
	svm_enable();
	vm_start(&vm, false, 1);
	vm_map(&vm, VA, arena_page(), 1);
	in_es_guest();

	vm_start(&vm, true, ASID);
	outside();
	spa = arena_page();
	rmp_assign(spa, VA, ASID, false);
	vm_map(&vm, VA, spa, 1);
	big = arena_page();
	rmp_assign(big, VA + PAGE, ASID, false);
	vm_map(&vm, VA + PAGE, big, 1);
	big = arena_2m();
	rmp_assign(big, VA_BIG, ASID, true);
	vm_map(&vm, VA_BIG, big, 2);
	not_for_guests(spa, big);
	test_pvalidate(spa, big);
	test_rmpadjust(spa);
	at_vmpl1(spa);
}
