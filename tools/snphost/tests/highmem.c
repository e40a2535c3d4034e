// SPDX-License-Identifier: GPL-2.0-only
/* RAM above the hole that devices have under 4G belongs to the hypervisor. */
#include "svm.h"

#define GPA	0x7654000ull
#define ASID	3
#define HIGH	(1ull << 32)

void test_main(void)
{
	uint64_t covered;

	snp_require();
	snp_init_firmware();
	covered = (rdmsr(MSR_RMP_END) + 1 - rdmsr(MSR_RMP_BASE) -
		   RMP_BOOKKEEPING) / RMP_ENTRY_SIZE * PAGE;
	if (covered < HIGH + PAGE_2M)
		bail("no RAM above 4G");
	is(rmp_assign(HIGH - PAGE, GPA, ASID, false), FAIL_PERMISSION,
	   "a page of the hole to a guest: FAIL_PERMISSION");
	is(rmp_assign(HIGH, GPA, ASID, false), SUCCESS,
	   "the first page above to a guest");
	is(rmp_entry(HIGH), rmp_fresh(GPA, ASID, 0), "  the entry says so");
	is(rmp_share(HIGH, false), SUCCESS, "  and back");
	is(rmp_assign(HIGH, GPA & ~(PAGE_2M - 1), ASID, true), SUCCESS,
	   "2M of it to a guest");
	is(rmp_share(HIGH, true), SUCCESS, "  and back");
}
