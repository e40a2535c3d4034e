// SPDX-License-Identifier: GPL-2.0-only
/* SEV-SNP as the hypervisor sees it, see snp.h. */
#include "snp.h"

uint64_t rmp_flags;

uint64_t rmp_entry(uint64_t spa)
{
	return READ64(rdmsr(MSR_RMP_BASE) + RMP_BOOKKEEPING +
		      spa / PAGE * RMP_ENTRY_SIZE);
}

uint64_t rmp_fresh(uint64_t gpa, unsigned int asid, uint64_t flags)
{
	return gpa | RMP_ASID(asid) | flags | RMP_ASSIGNED;
}

/* The instruction of these bytes with rAX = rax and rCX = rcx. */
#define RMP_INSN(bytes, rax, rcx) ({					\
	uint64_t a_ = (rax), f_ = 0;					\
	int v_ = TRY(asm volatile(".byte " bytes "\n\t"			\
				  "pushfq; pop %1"			\
				  : "+a"(a_), "=r"(f_) : "c"(rcx)	\
				  : "memory", "cc"));			\
	rmp_flags = f_;							\
	v_ == NO_TRAP ? (int)a_ : TRAPPED(v_);				\
})

int rmpupdate(uint64_t spa, const struct rmp_state *s)
{
	return RMP_INSN("0xf2, 0x0f, 0x01, 0xfe", spa, s);
}

int psmash(uint64_t spa)
{
	return RMP_INSN("0xf3, 0x0f, 0x01, 0xff", spa, 0ull);
}

int rmp_assign(uint64_t spa, uint64_t gpa, unsigned int asid, bool size_2m)
{
	struct rmp_state s = {
		.gpa = gpa, .assigned = 1, .size_2m = size_2m,
		.immutable = !asid, .asid = asid,
	};

	return rmpupdate(spa, &s);
}

int rmp_share(uint64_t spa, bool size_2m)
{
	struct rmp_state s = { .size_2m = size_2m };

	return rmpupdate(spa, &s);
}

bool snp_supported(void)
{
	return cpuid(0x80000000, 0).a >= 0x8000001f &&
	       (cpuid(0x8000001f, 0).a & BIT(4));
}

uint64_t c_bit(void)
{
	return BIT(cpuid(0x8000001f, 0).b & 0x3f);
}

void snp_require(void)
{
	if (!snp_supported())
		bail("no SEV-SNP on this CPU");
}

static void syscfg_set(void *arg)
{
	wrmsr(MSR_SYSCFG, rdmsr(MSR_SYSCFG) | (uint64_t)arg);
}

void snp_enable(void)
{
	uint64_t base = rdmsr(MSR_RMP_BASE), rmp_end = rdmsr(MSR_RMP_END);

	if (!smp_up())
		smp_start();
	memset((void *)base, 0, rmp_end + 1 - base);
	smp_all(syscfg_set, (void *)SYSCFG_MFDM);
	smp_all(syscfg_set, (void *)(SYSCFG_SNP_EN | SYSCFG_VMPL_EN));
}
