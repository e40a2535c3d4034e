// SPDX-License-Identifier: GPL-2.0-only
/* CPUID 8000_001F and the MSRs that make an SNP host, and their locks. */
#include "snp.h"

struct mem_entry {
	uint64_t base, len;
	uint32_t type, rsvd;
};

extern uint64_t start_info;

static void smmlock_on_all(void *arg)
{
	if (!(rdmsr(MSR_HWCR) & HWCR_SMMLOCK))
		*(unsigned int *)arg += 1;
}

static void snp_en_on_all(void *arg)
{
	if (!(rdmsr(MSR_SYSCFG) & SYSCFG_SNP_EN))
		*(unsigned int *)arg += 1;
}

static void check_cpuid(void)
{
	struct cpuid f = cpuid(0x8000001f, 0);
	struct cpuid addr = cpuid(0x80000008, 0);
	unsigned int c = f.b & 0x3f;

	ok(!(cpuid(1, 0).c & BIT(31)), "CPUID shows no hypervisor");
	ok(f.a & BIT(0), "CPUID: SME");
	ok(f.a & BIT(1), "CPUID: SEV");
	ok(f.a & BIT(3), "CPUID: SEV-ES");
	ok(f.a & BIT(4), "CPUID: SEV-SNP");
	ok(f.a & BIT(5), "CPUID: VMPL");
	ok(c >= 32 && c < 52, "the C-bit is an address bit (%u)", c);
	ok((f.b >> 6 & 0x3f) > 0 && (addr.a & 0xff) <= c,
	   "physical addresses end below the C-bit (%u bits)", addr.a & 0xff);
	is(f.b >> 12 & 0xf, 4, "there are four VMPLs");
	ok(f.c >= 16, "there are ASIDs for 16 encrypted guests or more (%u)", f.c);
	ok(f.d >= 1 && f.d <= f.c + 1, "the first ASID without SEV-ES is sane (%u)",
	   f.d);
	ok(cpuid(0x80000001, 0).c & BIT(2), "CPUID: SVM");
	ok(cpuid(0x8000000a, 0).d & BIT(0), "CPUID: nested paging");
}

static void check_memory_map(uint64_t base, uint64_t end)
{
	const struct mem_entry *m = *(struct mem_entry **)(start_info + 40);
	uint32_t n = READ32(start_info + 48), i;
	uint64_t covered = (end + 1 - base - RMP_BOOKKEEPING) / RMP_ENTRY_SIZE *
			   PAGE;
	uint64_t top = 0;
	bool ram_hit = false;

	for (i = 0; i < n; i++) {
		if (m[i].type == 1 && m[i].len) {
			if (m[i].base + m[i].len > top)
				top = m[i].base + m[i].len;
			ram_hit |= m[i].base <= end &&
				   m[i].base + m[i].len > base;
		}
	}
	ok(top && covered >= top, "the RMP covers all RAM (0x%lx of 0x%lx)",
	   covered, top);
	ok(covered > end, "the RMP covers itself");
	ok(!ram_hit, "the RMP is not in the memory map's RAM");
}

void test_main(void)
{
	uint64_t base, end, syscfg;
	unsigned int without = 0;

	snp_require();
	check_cpuid();

	syscfg = rdmsr(MSR_SYSCFG);
	ok(syscfg & SYSCFG_MEM_ENCRYPT, "firmware has set SYSCFG.MEM_ENCRYPT");
	ok(cpuid(0x8000000a, 0).d & BIT(1),
	   "CPUID shows LBR virtualization, which KVM wants for SEV-ES");
	ok(!(syscfg & SYSCFG_SNP_EN), "SYSCFG.SNP_EN is clear at reset");
	base = rdmsr(MSR_RMP_BASE);
	end = rdmsr(MSR_RMP_END);
	ok(base && end > base + RMP_BOOKKEEPING, "RMP 0x%lx to 0x%lx", base, end);
	is(base & 0x1fff, 0, "RMP_BASE is a multiple of 8K");
	is((end + 1) & 0x1fff, 0, "RMP_END + 1 is a multiple of 8K");
	check_memory_map(base, end);

	is(TRY(wrmsr(MSR_RMP_BASE, base + 0x2000)), NO_TRAP,
	   "RMP_BASE can be written before SNP_EN");
	is(rdmsr(MSR_RMP_BASE), base + 0x2000, "and keeps what is written");
	wrmsr(MSR_RMP_BASE, base);
	is(TRY(wrmsr(MSR_RMP_END, end - 0x2000)), NO_TRAP,
	   "RMP_END can be written before SNP_EN");
	is(rdmsr(MSR_RMP_END), end - 0x2000, "and keeps what is written");
	wrmsr(MSR_RMP_END, end);

	is(rdmsr(MSR_SEV_STATUS), 0, "SEV_STATUS is 0 in the host");
	is(TRY(wrmsr(MSR_SEV_STATUS, 7)), TRAP_GP, "SEV_STATUS is read-only");
	is(TRY((void)rdmsr(MSR_GHCB)), TRAP_GP, "the host cannot read MSR GHCB");
	is(TRY(wrmsr(MSR_GHCB, 0)), TRAP_GP, "the host cannot write MSR GHCB");

	snp_enable();
	smp_all(smmlock_on_all, &without);
	is(without, 0, "firmware has set HWCR.SMMLOCK on each CPU");
	smp_all(snp_en_on_all, &without);
	is(without, 0, "SYSCFG.SNP_EN can be set on each CPU");
	syscfg = rdmsr(MSR_SYSCFG);
	is(TRY(wrmsr(MSR_SYSCFG, syscfg & ~SYSCFG_SNP_EN)), NO_TRAP,
	   "a write of SYSCFG with SNP_EN set does not fault");
	is(rdmsr(MSR_SYSCFG), syscfg, "and is ignored");
	wrmsr(MSR_SYSCFG, syscfg & ~SYSCFG_MEM_ENCRYPT);
	is(rdmsr(MSR_SYSCFG), syscfg, "SYSCFG.MEM_ENCRYPT is locked, too");
	is(TRY(wrmsr(MSR_RMP_BASE, base)), TRAP_GP,
	   "RMP_BASE is locked once SNP_EN is set");
	is(TRY(wrmsr(MSR_RMP_END, end)), TRAP_GP,
	   "RMP_END is locked once SNP_EN is set");
	is(rdmsr(MSR_RMP_BASE), base, "RMP_BASE is as it was");
	is(rdmsr(MSR_RMP_END), end, "RMP_END is as it was");
}
