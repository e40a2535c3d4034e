// SPDX-License-Identifier: GPL-2.0-only
/* What the security processor's firmware sees of what processors did. */
#include "svm.h"

#define ASID		7
#define GPA		0x40000000ull
#define ASID_OWNED	0xc
#define INVALID_CONFIG	0x3

static void bsp_snp_on(void)
{
	wrmsr(MSR_SYSCFG, rdmsr(MSR_SYSCFG) | SYSCFG_MFDM);
	wrmsr(MSR_SYSCFG, rdmsr(MSR_SYSCFG) | SYSCFG_SNP_EN | SYSCFG_VMPL_EN);
}

static uint64_t context(void)
{
	static struct {
		uint64_t gctx, policy, ma;
		uint32_t flags, tsc_khz;
		uint8_t gosvw[16];
	} start;
	static uint64_t addr;

	addr = arena_page();
	rmp_assign(addr, 0, 0, false);
	start.gctx = addr;
	start.policy = BIT(16) | BIT(17);
	if (psp_cmd(SNP_GCTX_CREATE, &addr) ||
	    psp_cmd(SNP_LAUNCH_START, &start))
		bail("no guest");
	return addr;
}

static unsigned int activate(uint64_t gctx)
{
	static struct {
		uint64_t gctx;
		uint32_t asid;
	} buf;

	buf.gctx = gctx;
	buf.asid = ASID;
	return psp_cmd(SNP_ACTIVATE, &buf);
}

/* An ASID that still has pages is given to nobody. */
static void asid_pages(void)
{
	uint64_t gctx = context(), page = arena_page(), big = arena_2m();

	is(rmp_assign(page, GPA, ASID, false), SUCCESS, "4K to a guest");
	is(activate(gctx), INVALID_CONFIG, "  its ASID to another one");
	is(rmp_share(page, false), SUCCESS, "the page back, 2M instead");
	is(rmp_assign(big, GPA, ASID, true), SUCCESS, "  to the guest");
	is(activate(gctx), INVALID_CONFIG, "  its ASID to another one");
	is(psmash(big), SUCCESS, "PSMASH");
	for (uint64_t i = 1; i < PAGE_2M / PAGE; i++)
		rmp_share(big + i * PAGE, false);
	is(activate(gctx), INVALID_CONFIG, "all but 4K back: no");
	is(rmp_assign(big, GPA, ASID + 1, false), SUCCESS,
	   "that to a third guest");
	is(activate(gctx), SUCCESS, "  now it can be had");
	is(activate(context()), ASID_OWNED, "  once");
}

void test_main(void)
{
	uint32_t *buf = alloc_page();

	snp_require();
	if (smp_start() < 2)
		bail("one CPU");
	bsp_snp_on();
	WRITE32(0xfed80018, 1);		/* the IOMMU on */
	buf[0] = 1;			/* the RMP, too */
	is(psp_cmd(SNP_INIT_EX, buf), INVALID_CONFIG,
	   "SNP is on on one processor of two: no SNP_INIT_EX");
	snp_init_firmware();
	asid_pages();
}
