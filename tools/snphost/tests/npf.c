// SPDX-License-Identifier: GPL-2.0-only
/*
 * RMP checks of guest accesses (APM volume 2, table 15-39): which access to
 * which page gives #VMEXIT(NPF), with which error code, and which gives #VC.
 */
#include "svm.h"

#define ASID		2
#define VA		(GUEST_TEST)
#define RMP_BITS	(PF_RMP | NPF_ENC | NPF_SIZEM | NPF_VMPL)

SNIPPET(i_load, "mov (%rdi), %rax");
SNIPPET(i_store, "mov %rax, (%rdi)");
SNIPPET(i_rmw, "lock incq (%rdi)");
SNIPPET(i_call, "call *%rdi");
SNIPPET(pvalidate, ".byte 0xf2, 0x0f, 0x01, 0xff");
SNIPPET(i_set_pt, "mov %rax, (%rdi); mov %cr3, %rax; mov %rax, %cr3");

static struct vm vm;

/* The access ends in #VMEXIT(NPF) with these bits and GPA. */
static void faults(uint64_t exit, uint64_t bits, uint64_t gpa, const char *what)
{
	if (!is(exit, EXIT_NPF, "%s: #VMEXIT(NPF)", what)) {
		printf("#   vector %ld err 0x%lx\n", vm.comm->vector,
		       vm.comm->err);
		return;
	}
	is(F64(vm.vmcb, VMCB_INFO1), bits, "  EXITINFO1");
	is(F64(vm.vmcb, VMCB_INFO2), gpa, "  EXITINFO2");
}

static void works(uint64_t exit, const char *what)
{
	if (!is(exit, EXIT_VMGEXIT, "%s", what))
		printf("#   EXITINFO1 0x%lx EXITINFO2 0x%lx\n",
		       F64(vm.vmcb, VMCB_INFO1), F64(vm.vmcb, VMCB_INFO2));
	is(vm.comm->vector, NO_TRAP, "  without a trap");
}

/* Runs on after a fault that the host has cured. */
static void cured(const char *what)
{
	works(vm_run(&vm), what);
}

static void private_data(void)
{
	uint64_t spa = arena_page(), rd = PF_P | PF_U | NPF_FINAL | NPF_ENC,
		 wr = rd | PF_W;

	vm_map(&vm, VA, spa, 1);
	faults(vm_do(&vm, i_load, .rdi = VA), rd | PF_RMP, VA,
	       "private load of a page of the host");
	rmp_assign(spa, VA, ASID + 1, false);
	faults(vm_run(&vm), rd | PF_RMP, VA, "of another guest");
	rmp_assign(spa, VA + PAGE, ASID, false);
	faults(vm_run(&vm), rd | PF_RMP, VA, "at another address");
	rmp_assign(spa, VA, ASID, false);
	is(vm_run(&vm), EXIT_VMGEXIT, "not validated: no exit");
	is(vm.comm->vector, TRAP_VC, "  but #VC");
	is(vm.comm->err, EXIT_NOT_VALIDATED, "  with PAGE_NOT_VALIDATED");
	is(vm.comm->cr2, VA, "  CR2 is the address");
	works(vm_do(&vm, pvalidate, .rax = VA, .rcx = 0, .rdx = 1), "PVALIDATE");
	works(vm_do(&vm, i_load, .rdi = VA), "then the load works");
	works(vm_do(&vm, i_store, .rax = 5, .rdi = VA), "and a store");
	works(vm_do(&vm, i_rmw, .rdi = VA), "and a locked increment");

	rmp_share(spa, false);
	faults(vm_do(&vm, i_store, .rdi = VA), wr | PF_RMP, VA,
	       "private store to a page of the host");
	rmp_assign(spa, VA, ASID, false);
	is(vm_run(&vm), EXIT_VMGEXIT, "assigned anew: no exit");
	is(vm.comm->vector, TRAP_VC, "  but #VC: it is not validated any more");
	rmp_share(spa, false);
	rmp_assign(spa, 0, 0, false);
	faults(vm_do(&vm, i_load, .rdi = VA), rd | PF_RMP, VA,
	       "private load of a page of the firmware");
	vm_map(&vm, VA, 0x70000000, 1);
	faults(vm_run(&vm), rd | PF_RMP, VA,
	       "private load of a page that the RMP does not cover");

	/* paging goes first */
	vm_map_flags(&vm, VA, 0, 1, 0);
	faults(vm_run(&vm), (rd & ~PF_P), VA, "private load of no page");
	spa = arena_page();
	vm_map_flags(&vm, VA, spa, 1, PT_P | PT_U);
	faults(vm_do(&vm, i_store, .rdi = VA), wr, VA,
	       "private store to a page that is read-only to nested paging");
}

static void sizes(void)
{
	uint64_t rd = PF_P | PF_U | NPF_FINAL | NPF_ENC | PF_RMP;
	uint64_t va = VA + PAGE_2M, big = arena_2m();

	is(rmp_assign(big, va, ASID, true), SUCCESS, "a 2M page");
	vm_map(&vm, va, big, 1);
	faults(vm_do(&vm, i_load, .rdi = va), rd, va,
	       "a 2M page mapped as 4K");
	vm_map(&vm, va, big, 2);
	*pt_entry(vm.npt, va, 2) = big | PT_P | PT_W | PT_U | PT_PS;
	is(vm_run(&vm), EXIT_VMGEXIT, "mapped as 2M: no exit");
	is(vm.comm->vector, TRAP_VC, "  but #VC, as nobody validated it");
	works(vm_do(&vm, pvalidate, .rax = va, .rcx = 1, .rdx = 1), "PVALIDATE");
	works(vm_do(&vm, i_load, .rdi = va + 0x123450), "then a load works");
	is(psmash(big), SUCCESS, "PSMASH");
	faults(vm_do(&vm, i_load, .rdi = va), rd, va, "4K pages mapped as 2M");
	pt_entry(vm.npt, va, 1);
	F8(vm.vmcb, VMCB_TLB) = 3;
	cured("mapped as 4K it works");
}

static void shared_data(void)
{
	uint64_t spa = arena_page(), va = VA + 2 * PAGE;
	uint64_t wr = PF_P | PF_W | PF_U | NPF_FINAL;

	vm_map(&vm, va, spa, 1);
	works(vm_do(&vm, i_store, .rax = 77, .rdi = va + GUEST_SHARED),
	      "shared store to a page of the host");
	is(READ64(spa), 77, "  the host sees it");
	rmp_assign(spa, va, ASID, false);
	works(vm_do(&vm, i_load, .rdi = va + GUEST_SHARED),
	      "shared load of a page of the guest");
	faults(vm_do(&vm, i_store, .rdi = va + GUEST_SHARED), wr | PF_RMP, va,
	       "shared store to a page of the guest");
	rmp_share(spa, false);
	cured("after RMPUPDATE back to the host it works");
	rmp_assign(spa, 0, 0, false);
	faults(vm_do(&vm, i_store, .rdi = va + GUEST_SHARED), wr | PF_RMP, va,
	       "shared store to a page of the firmware");
}

static void fetch_and_walk(void)
{
	uint64_t spa = arena_page(), va = VA + 3 * PAGE, pt;
	uint64_t rd = PF_P | PF_U | NPF_ENC | PF_RMP;

	WRITE8(spa, 0xc3);
	vm_map(&vm, va, spa, 1);
	faults(vm_do(&vm, i_call, .rdi = va), rd | PF_I | NPF_FINAL, va,
	       "fetch from a page of the host");
	faults(vm_do(&vm, i_call, .rdi = va + GUEST_SHARED),
	       rd | PF_I | NPF_FINAL, va,
	       "fetch from a page of the host, mapped as shared");
	rmp_assign(spa, va, ASID, false);
	is(vm_do(&vm, i_call, .rdi = va), EXIT_VMGEXIT,
	   "fetch from a page that is not validated: no exit");
	is(vm.comm->vector, TRAP_VC, "  but #VC");
	works(vm_do(&vm, pvalidate, .rax = va, .rcx = 0, .rdx = 1), "PVALIDATE");
	works(vm_do(&vm, i_call, .rdi = va), "then the fetch works");
	works(vm_do(&vm, i_call, .rdi = va + GUEST_SHARED),
	      "also through the shared mapping");

	/* the guest's page table: entry 511 of its first directory */
	pt = arena_page();
	WRITE64(pt, VA | 0x67);
	vm_map(&vm, va + PAGE, pt, 1);
	works(vm_do(&vm, i_set_pt, .rax = (va + PAGE) | 0x67,
		    .rdi = GUEST_PT + 2 * PAGE + 511 * 8),
	      "the guest uses a page as a page table");
	faults(vm_do(&vm, i_load, .rdi = 511 * PAGE_2M),
	       PF_P | PF_U | PF_W | NPF_ENC | PF_RMP | NPF_TABLE, va + PAGE,
	       "walk through a page of the host");
	rmp_assign(pt, va + PAGE, ASID, false);
	is(vm_run(&vm), EXIT_VMGEXIT, "walk through a page that is not validated");
	is(vm.comm->vector, TRAP_VC, "  gives #VC");
	is(vm.comm->err, EXIT_NOT_VALIDATED, "  with PAGE_NOT_VALIDATED");
}

/* A guest that is not SNP must not write what the host does not own. */
static void not_snp(void)
{
	uint64_t spa, va = VA;
	static struct vm es;

	vm_start(&es, false, 1);
	spa = arena_page();
	vm_map(&es, va, spa, 1);
	is(vm_do(&es, i_store, .rdi = va), EXIT_VMGEXIT,
	   "SEV-ES guest: store to a page of the host");
	rmp_assign(spa, va, 1, false);
	is(vm_do(&es, i_load, .rdi = va), EXIT_VMGEXIT,
	   "SEV-ES guest: load from an assigned page");
	is(vm_do(&es, i_store, .rdi = va), EXIT_NPF,
	   "SEV-ES guest: store to an assigned page exits");
	is(F64(es.vmcb, VMCB_INFO1) & (PF_RMP | PF_W | PF_P),
	   PF_RMP | PF_W | PF_P, "  with the RMP bit");
	is(F64(es.vmcb, VMCB_INFO2), va, "  and the address");
	rmp_share(spa, false);
	is(vm_run(&es), EXIT_VMGEXIT, "  shared again it works");
}

void test_main(void)
{
	snp_require();
	snp_init_firmware();
	svm_enable();
	vm_start(&vm, true, ASID);
	private_data();
	sizes();
	shared_data();
	fetch_and_walk();
	not_snp();
}
