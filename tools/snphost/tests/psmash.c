// SPDX-License-Identifier: GPL-2.0-only
/* PSMASH: faults, result codes, what becomes of the entries. */
#include "snp.h"

#define BIG	(ARENA + 2 * PAGE_2M)
#define GPA	0x80000000ull
#define ASID	5

static void user_psmash(void *arg)
{
	(void)arg;
	asm volatile(".byte 0xf3, 0x0f, 0x01, 0xff"
		     : : "a"(BIG) : "memory", "cc");
}

void test_main(void)
{
	struct rmp_state fw = { .assigned = 1, .immutable = 1, .size_2m = 1 };
	uint64_t covered;
	int r;
	unsigned int i, bad = 0;

	snp_require();
	is(psmash(BIG), TRAPPED(TRAP_UD), "SNP_EN clear: #UD");
	snp_enable();
	covered = (rdmsr(MSR_RMP_END) + 1 - rdmsr(MSR_RMP_BASE) -
		   RMP_BOOKKEEPING) / RMP_ENTRY_SIZE * PAGE;
	is(try_user(user_psmash, NULL), TRAP_GP, "CPL 3: #GP");
	is(psmash(covered), FAIL_INPUT, "page not covered: FAIL_INPUT");
	is(psmash((covered + PAGE_2M) & ~(PAGE_2M - 1)), FAIL_INPUT,
	   "2M page not covered: FAIL_INPUT");

	is(rmp_assign(BIG, GPA, ASID, true), SUCCESS, "2M page to a guest");
	is(psmash(BIG), SUCCESS, "it is smashed");
	is(rmp_flags & (RFLAGS_ZF | RFLAGS_PF | RFLAGS_SF | RFLAGS_OF),
	   RFLAGS_ZF | RFLAGS_PF, "  flags follow the result");
	for (i = 0; i < 512; i++) {
		if (rmp_entry(BIG + i * PAGE) != rmp_fresh(GPA + i * PAGE, ASID, 0))
			bad++;
	}
	is(bad, 0, "  each 4K page has its own address and the same owner");
	is(psmash(BIG), FAIL_BADADDR, "a page that is not 2M: FAIL_BADADDR");
	is(rmp_share(BIG + PAGE, false), SUCCESS,
	   "a single 4K page goes back to the host");
	ok(rmp_entry(BIG) & RMP_ASSIGNED, "  its neighbour stays");
	for (i = 0; i < 512; i++)
		rmp_share(BIG + i * PAGE, false);
	is(psmash(BIG), FAIL_BADADDR, "a page of the host: FAIL_BADADDR");

	is(rmpupdate(BIG, &fw), SUCCESS, "2M page to the firmware (immutable)");
	/* the manual does not say which of the two */
	r = psmash(BIG);
	ok(r == FAIL_PERMISSION || r == FAIL_BADADDR,
	   "an immutable page cannot be smashed (%d)", r);
	ok(rmp_entry(BIG) & RMP_2M, "  it still is 2M");
}
