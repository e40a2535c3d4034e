// SPDX-License-Identifier: GPL-2.0-only
/* A machine without snp-host=on knows nothing of all this. */
#include "snp.h"

void test_main(void)
{
	struct rmp_state s = { };

	ok(!snp_supported(), "CPUID shows no SEV-SNP");
	/* run asks for it: there are no branch records to virtualize */
	is(cpuid(0x8000000a, 0).d & BIT(1), 0, "CPUID shows no LBR virtualization");
	is(rmpupdate(ARENA, &s), TRAPPED(TRAP_UD), "RMPUPDATE: #UD");
	is(psmash(ARENA), TRAPPED(TRAP_UD), "PSMASH: #UD");
	is(TRY(asm volatile(".byte 0xf2, 0x0f, 0x01, 0xff"
			    : : "a"(ARENA), "c"(0), "d"(0) : "cc")), TRAP_UD,
	   "PVALIDATE: #UD");
	is(TRY(asm volatile(".byte 0xf3, 0x0f, 0x01, 0xfe"
			    : : "a"(ARENA), "c"(0), "d"(1) : "cc")), TRAP_UD,
	   "RMPADJUST: #UD");
	is(TRY(asm volatile(".byte 0xf3, 0x0f, 0x01, 0xfd"
			    : : "a"(ARENA), "c"(0), "d"(1) : "cc")), TRAP_UD,
	   "RMPQUERY: #UD");
	is(TRY(asm volatile("rep; vmmcall")), TRAP_UD, "VMGEXIT: #UD");
}
