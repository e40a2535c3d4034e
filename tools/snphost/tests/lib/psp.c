// SPDX-License-Identifier: GPL-2.0-only
/* The security processor: its mailbox, and the few commands that tests need. */
#include "svm.h"

#define CMDRESP		0x10980
#define ADDR_LO		0x109e0
#define ADDR_HI		0x109e4
#define RESPONSE	BIT(31)

#define IOMMU_CONTROL	0xfed80018

static uint64_t bar;

static uint32_t pci_read(unsigned int devfn, unsigned int reg)
{
	outl(0xcf8, 0x80000000 | devfn << 8 | reg);
	return inl(0xcfc);
}

bool psp_present(void)
{
	unsigned int devfn;

	for (devfn = 0; devfn < 256 && !bar; devfn++) {
		/* class 1080: encryption controller */
		if ((pci_read(devfn, 0) & 0xffff) != 0x1022 ||
		    pci_read(devfn, 8) >> 16 != 0x1080)
			continue;
		outl(0xcf8, 0x80000000 | devfn << 8 | 4);
		outl(0xcfc, 6);		/* memory, bus master */
		bar = pci_read(devfn, 0x18) & ~0xfull;
		if ((pci_read(devfn, 0x18) & 6) == 4)
			bar |= (uint64_t)pci_read(devfn, 0x1c) << 32;
	}
	return bar;
}

unsigned int psp_cmd(unsigned int cmd, void *buf)
{
	unsigned int i;
	uint32_t r;

	if (!psp_present())
		bail("no security processor");
	WRITE32(bar + ADDR_LO, (uint64_t)buf);
	WRITE32(bar + ADDR_HI, (uint64_t)buf >> 32);
	WRITE32(bar + CMDRESP, cmd << 16);
	for (i = 0; i < 5000000; i++) {
		r = READ32(bar + CMDRESP);
		if (r & RESPONSE)
			return r & 0xffff;
		pause();
	}
	bail("the firmware does not answer command 0x%x", cmd);
}

static void must(unsigned int cmd, void *buf)
{
	unsigned int st = psp_cmd(cmd, buf);

	if (st)
		bail("firmware command 0x%x: status 0x%x", cmd, st);
}

void snp_init_firmware(void)
{
	uint32_t *buf = alloc_page();

	snp_enable();
	WRITE32(IOMMU_CONTROL, 1);	/* on, with no log nor command buffer */
	buf[0] = 1;		/* the RMP, too */
	must(SNP_INIT_EX, buf);
	must(SNP_DF_FLUSH, NULL);
}

void vm_launch_page(struct vm *vm, uint64_t spa, uint64_t gpa,
		    unsigned int type)
{
	static struct {
		uint64_t gctx;
		uint32_t size_type, rsvd;
		uint64_t addr;
		uint32_t perms, rsvd2;
	} buf;
	struct rmp_state s = {
		.gpa = gpa, .assigned = 1, .immutable = 1, .asid = vm->asid,
	};
	int r = rmpupdate(spa, &s);

	if (r)
		bail("RMPUPDATE of the guest's page 0x%lx: 0x%x", gpa, r);
	buf.gctx = vm->gctx;
	buf.size_type = type << 1;
	buf.addr = spa;
	must(SNP_LAUNCH_UPDATE, &buf);
}

void vm_launch_begin(struct vm *vm)
{
	static struct {
		uint64_t gctx, policy, ma;
		uint32_t flags, tsc_khz;
		uint8_t gosvw[16];
	} start;
	static struct {
		uint64_t gctx;
		uint32_t asid;
	} activate;
	static uint64_t addr;
	unsigned int st;

	vm->gctx = arena_page();
	if (rmp_assign(vm->gctx, 0, 0, false))
		bail("RMPUPDATE of the context page");
	addr = vm->gctx;
	must(SNP_GCTX_CREATE, &addr);
	start.gctx = activate.gctx = vm->gctx;
	start.policy = BIT(16) | BIT(17);	/* SMT; must be one */
	must(SNP_LAUNCH_START, &start);
	activate.asid = vm->asid;
	st = psp_cmd(SNP_ACTIVATE, &activate);
	if (st == 0xf) {			/* DFFLUSH_REQUIRED */
		asm volatile("wbinvd");
		must(SNP_DF_FLUSH, NULL);
		st = psp_cmd(SNP_ACTIVATE, &activate);
	}
	if (st)
		bail("SNP_ACTIVATE: status 0x%x", st);
}

void vm_launch_finish(struct vm *vm)
{
	static uint8_t finish[64] __attribute__((aligned(8)));

	*(uint64_t *)finish = vm->gctx;
	must(SNP_LAUNCH_FINISH, finish);
}

void vm_launch(struct vm *vm)
{
	unsigned int i;

	if (!vm->snp)
		return;
	vm_launch_begin(vm);
	for (i = 0; i < GUEST_PAGES; i++)
		vm_launch_page(vm, vm->mem[i], GUEST_BASE + i * PAGE,
			       PAGE_NORMAL);
	vm_launch_page(vm, (uint64_t)vm->vmsa, 0xfffffffff000, PAGE_VMSA);
	vm_launch_finish(vm);
}
