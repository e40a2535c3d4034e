// SPDX-License-Identifier: GPL-2.0-only
/*
 * SEV-SNP guests: GHCB protocol, calls into the guest, AP Creation.
 *
 * The host sees neither the memory nor the registers of an SNP guest.  What
 * the two share is a GHCB page for each vCPU, memory that the guest maps
 * without the C-bit, and the GHCB MSR.
 */
#include <string.h>

#include "snp.h"

/* Selectors and descriptors as processor.c has them in every VM's GDT. */
#define SNP_KERNEL_CS		0x8
#define SNP_KERNEL_DS		0x10
#define SNP_KERNEL_TSS		0x18

/* Segment attributes in VMCB format, i.e. bits 55:52 and 47:40 of a descriptor. */
#define SNP_CODE64_ATTRIB	0xa9b
#define SNP_DATA_ATTRIB		0xc93
#define SNP_TSS64_ATTRIB	0x08b

/* At SNP_SHARED_BASE. */
struct snp_call {
	u64 (*fn)(u64 arg0, u64 arg1, u64 arg2);
	u64 args[3];
	u64 ret;
	u64 nr_calls;
};

static void snp_guest_main(void)
{
	struct snp_call *call = (void *)SNP_SHARED_BASE;

	snp_guest_init(0);

	for (;;) {
		call->ret = call->fn(call->args[0], call->args[1], call->args[2]);
		call->nr_calls++;
		GUEST_SYNC(0);
	}
}

static void snp_guest_idle(void)
{
	for (;;)
		asm volatile("hlt");
}

/*
 * Only vCPU 0 runs at first, what it is told by snp_call().  The others idle
 * until AP Creation.  Memory and exception handlers can be added until the VM is
 * launched.
 */
struct kvm_vm *snp_vm_create(u32 nr_vcpus, struct kvm_vcpu *vcpus[])
{
	struct vm_shape shape = {
		.mode = VM_MODE_DEFAULT,
		.type = KVM_X86_SNP_VM,
	};
	struct kvm_vm *vm;
	int i;

	vm = __vm_create_with_vcpus(shape, nr_vcpus, 0, snp_guest_main, vcpus);
	for (i = 1; i < nr_vcpus; i++)
		vcpu_arch_set_entry_point(vcpus[i], snp_guest_idle);

	snp_vm_add_shared_mem(vm, SNP_SHARED_SLOT, SNP_SHARED_BASE, 1 + nr_vcpus);
	vm_install_exception_handler(vm, SNP_VC_VECTOR, snp_vc_handler);

	return vm;
}

static void snp_vm_add_mem(struct kvm_vm *vm, u32 slot, gpa_t gpa, u64 npages,
			   bool private, int gmem_fd, u64 gmem_offset)
{
	vm_mem_add(vm, VM_MEM_SRC_ANONYMOUS, gpa, slot, npages,
		   private ? KVM_MEM_GUEST_MEMFD : 0, gmem_fd, gmem_offset);
	TEST_ASSERT_EQ(__vm_phy_pages_alloc(vm, npages, gpa, slot, private), gpa);
	virt_map(vm, gpa, gpa, npages);
}

/*
 * Memory at virtual address @gpa as well, which the guest maps with the C-bit.
 * It is no part of the image that is launched: the guest has to make it private
 * and to validate it.  @gmem_fd may be -1 for a new guest_memfd.
 */
void snp_vm_bind_private_mem(struct kvm_vm *vm, u32 slot, gpa_t gpa, u64 npages,
			     int gmem_fd, u64 gmem_offset)
{
	snp_vm_add_mem(vm, slot, gpa, npages, true, gmem_fd, gmem_offset);
	sparsebit_clear_num(memslot2region(vm, slot)->protected_phy_pages,
			    gpa >> vm->page_shift, npages);
}

/* Likewise, without C-bit and guest_memfd. */
void snp_vm_add_shared_mem(struct kvm_vm *vm, u32 slot, gpa_t gpa, u64 npages)
{
	snp_vm_add_mem(vm, slot, gpa, npages, false, -1, 0);
}

/*
 * KVM_RUN, serving the guest's page state changes.  If the guest uses memory that
 * the host has made shared behind its back, make it private again and go on.
 */
int snp_vcpu_run(struct kvm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	u64 size, attrs;
	gpa_t gpa;
	int r;

	for (;;) {
		r = __vcpu_run(vcpu);

		if (!r && run->exit_reason == KVM_EXIT_HYPERCALL &&
		    run->hypercall.nr == KVM_HC_MAP_GPA_RANGE) {
			gpa = run->hypercall.args[0];
			size = run->hypercall.args[1] * PAGE_SIZE;
			attrs = 0;
			if (run->hypercall.args[2] & KVM_MAP_GPA_RANGE_ENCRYPTED)
				attrs = KVM_MEMORY_ATTRIBUTE_PRIVATE;
			run->hypercall.ret = 0;
		} else if (r && errno == EFAULT &&
			   run->exit_reason == KVM_EXIT_MEMORY_FAULT &&
			   run->memory_fault.flags & KVM_MEMORY_EXIT_FLAG_PRIVATE) {
			gpa = run->memory_fault.gpa;
			size = run->memory_fault.size;
			attrs = KVM_MEMORY_ATTRIBUTE_PRIVATE;
		} else {
			return r;
		}

		vm_set_memory_attributes(vcpu->vm, gpa, size, attrs);
	}
}

/* As get_ucall(), for a vCPU whose registers KVM can't read. */
u64 snp_get_ucall(struct kvm_vcpu *vcpu, struct ucall *uc)
{
	const struct snp_ghcb *ghcb = addr_gpa2hva(vcpu->vm, snp_ghcb_gpa(vcpu->id));
	const struct ucall *guest_uc;

	memset(uc, 0, sizeof(*uc));
	if (vcpu->run->exit_reason != KVM_EXIT_IO)
		return UCALL_NONE;

	/* See snp_vc_handler().  The pointer is to a struct in shared memory. */
	guest_uc = (const struct ucall *)READ_ONCE(ghcb->rdi);
	TEST_ASSERT(guest_uc && guest_uc != (void *)-1ul,
		    "SNP guest failed to allocate a ucall");

	memcpy(uc, guest_uc, sizeof(*uc));
	return uc->cmd;
}

/* Have vCPU 0 call a function, and return what that returns. */
u64 snp_call(struct kvm_vcpu *vcpu, void *guest_fn, u64 arg0, u64 arg1, u64 arg2)
{
	struct snp_call *call = addr_gpa2hva(vcpu->vm, SNP_SHARED_BASE);
	const u64 nr_calls = call->nr_calls;
	struct ucall uc;
	int r;

	call->fn = guest_fn;
	call->args[0] = arg0;
	call->args[1] = arg1;
	call->args[2] = arg2;

	do {
		r = snp_vcpu_run(vcpu);
	} while (r && errno == EINTR);
	TEST_ASSERT(!r, "KVM_RUN of vCPU %u failed, errno %d", vcpu->id, errno);

	switch (snp_get_ucall(vcpu, &uc)) {
	case UCALL_SYNC:
		break;
	case UCALL_ABORT:
		REPORT_GUEST_ASSERT(uc);
	default:
		TEST_FAIL("vCPU %u: unexpected exit: %s", vcpu->id,
			  exit_reason_str(vcpu->run->exit_reason));
	}

	TEST_ASSERT_EQ(call->nr_calls, nr_calls + 1);
	return call->ret;
}

/* Returns whether the vCPU has got it, which one that is being reset has not. */
bool snp_send_msi(struct kvm_vm *vm, u32 apic_id, u32 delivery_mode)
{
	struct kvm_msi msi = {
		.address_lo = 0xfee00000 | apic_id << 12,
		.data = delivery_mode,
	};
	const int r = __vm_ioctl(vm, KVM_SIGNAL_MSI, &msi);

	TEST_ASSERT(r >= 0, "KVM_SIGNAL_MSI failed, errno %d", errno);
	return r;
}

/*
 * From the file that vcpu_get_stats_fd() has opened, before the vCPU runs: the
 * library's other ways to read a vCPU's statistics wait for KVM_RUN to return.
 */
u64 snp_read_stat(int stats_fd, const char *name)
{
	struct kvm_stats_desc *descs, *desc;
	struct kvm_stats_header header;
	bool found = false;
	u64 value = 0;
	int i;

	read_stats_header(stats_fd, &header);
	descs = read_stats_descriptors(stats_fd, &header);
	for (i = 0; i < header.num_desc && !found; i++) {
		desc = get_stats_descriptor(descs, i, &header);
		found = !strcmp(desc->name, name);
		if (found)
			read_stat_data(stats_fd, &header, desc, &value, 1);
	}
	free(descs);

	TEST_ASSERT(found, "KVM has no statistic '%s'", name);
	return value;
}

/* The guest_memfd behind @gpa, which belongs to the VM, and where in it. */
int snp_gmem_fd(struct kvm_vm *vm, gpa_t gpa, u64 *offset)
{
	struct userspace_mem_region *region;
	int ctr;

	hash_for_each(vm->regions.slot_hash, ctr, region, slot_node) {
		const u64 start = region->region.guest_phys_addr;

		if (!(region->region.flags & KVM_MEM_GUEST_MEMFD) ||
		    gpa < start || gpa - start >= region->region.memory_size)
			continue;

		*offset = region->region.guest_memfd_offset + gpa - start;
		return region->region.guest_memfd;
	}

	TEST_FAIL("No guest_memfd behind GPA 0x%lx", gpa);
}

static struct snp_ghcb *snp_this_ghcb(void)
{
	return (struct snp_ghcb *)rdmsr(MSR_AMD64_SEV_ES_GHCB);
}

static inline void snp_rep_vmmcall(void)
{
	asm volatile("rep; vmmcall" : : : "memory");
}

/* The MSR holds either a request or, between requests, the GHCB's address. */
static u64 snp_vmgexit_msr(u64 request)
{
	const u64 ghcb_gpa = rdmsr(MSR_AMD64_SEV_ES_GHCB);
	u64 response;

	wrmsr(MSR_AMD64_SEV_ES_GHCB, request);
	snp_rep_vmmcall();
	response = rdmsr(MSR_AMD64_SEV_ES_GHCB);
	wrmsr(MSR_AMD64_SEV_ES_GHCB, ghcb_gpa);

	return response;
}

/* On each vCPU before anything that may exit, GUEST_ASSERT() included. */
void snp_guest_init(u32 vcpu_id)
{
	const u64 gpa = snp_ghcb_gpa(vcpu_id);
	u64 response;

	response = snp_vmgexit_msr(gpa | SNP_MSR_REG_GPA_REQ);
	wrmsr(MSR_AMD64_SEV_ES_GHCB, gpa);

	GUEST_ASSERT_EQ(response, gpa | SNP_MSR_REG_GPA_RESP);
}

/* The valid bitmap has a bit for each quadword of the save area. */
static void snp_ghcb_set(struct snp_ghcb *ghcb, u64 *field, u64 value)
{
	const unsigned int nr = field - (u64 *)ghcb;

	*field = value;
	ghcb->valid_bitmap[nr / 8] |= BIT(nr % 8);
}

/* Registers that the event takes as input have been set by the caller. */
static u64 __snp_vmgexit(struct snp_ghcb *ghcb, u64 exit_code, u64 info_1,
			 u64 info_2)
{
	ghcb->protocol_version = 2;
	ghcb->ghcb_usage = 0;
	snp_ghcb_set(ghcb, &ghcb->sw_exit_code, exit_code);
	snp_ghcb_set(ghcb, &ghcb->sw_exit_info_1, info_1);
	snp_ghcb_set(ghcb, &ghcb->sw_exit_info_2, info_2);

	snp_rep_vmmcall();

	return (u32)ghcb->sw_exit_info_1 ? ghcb->sw_exit_info_2 : 0;
}

/* For events that need no registers.  Returns 0, or the hypervisor's error. */
u64 snp_vmgexit(u64 exit_code, u64 info_1, u64 info_2)
{
	return __snp_vmgexit(snp_this_ghcb(), exit_code, info_1, info_2);
}

/*
 * The one instruction that guest code of selftests can't do without is the
 * "in %dx, %al" of ucall_arch_do_ucall(), which has the address of the ucall
 * in RDI.  KVM doesn't look at RDI; snp_get_ucall() does.  A test that expects
 * other #VCs installs a handler of its own that ends in this one.
 */
void snp_vc_handler(struct ex_regs *regs)
{
	struct snp_ghcb *ghcb = snp_this_ghcb();
	const u8 *insn = (const u8 *)regs->rip;

	/* Not GUEST_FAIL(), which would come back here. */
	if (regs->error_code != SVM_EXIT_IOIO || *insn != 0xec) {
		snp_vmgexit(SVM_VMGEXIT_TERM_REQUEST, regs->error_code, regs->rip);
		return;
	}

	ghcb->rdi = regs->rdi;
	__snp_vmgexit(ghcb, SVM_EXIT_IOIO,
		      (regs->rdx & 0xffff) << 16 | 1 << SVM_IOIO_SIZE_SHIFT |
		      SVM_IOIO_TYPE_MASK, 0);
	regs->rip++;
}

/* Returns 0, SNP_NO_CHANGE if the page was in that state, or SNP_FAIL_*. */
int snp_pvalidate(void *page, bool validate)
{
	u32 ret;
	bool same;

	asm volatile(".byte 0xf2, 0x0f, 0x01, 0xff"
		     : "=a"(ret), "=@ccc"(same)
		     : "a"(page), "c"(0), "d"((u32)validate)
		     : "memory");

	return !ret && same ? SNP_NO_CHANGE : ret;
}

int snp_rmpadjust(void *page, u64 attributes)
{
	u32 ret;

	asm volatile(".byte 0xf3, 0x0f, 0x01, 0xfe"
		     : "=a"(ret)
		     : "a"(page), "c"(0), "d"(attributes)
		     : "memory", "cc");

	return ret;
}

/* Ask for a page to be private, and validate it.  Returns 0 or SNP_FAIL_*. */
u64 snp_make_private(gpa_t gpa)
{
	int r;

	if (snp_vmgexit_msr(SNP_PSC_PRIVATE << 52 | gpa | SNP_MSR_PSC_REQ) != SNP_MSR_PSC_RESP)
		return SNP_FAIL_INPUT;

	r = snp_pvalidate((void *)gpa, true);
	return r == SNP_NO_CHANGE ? 0 : r;
}

static void snp_vmsa_set_seg(struct snp_vmsa_seg *seg, u16 selector, u16 attrib,
			     u32 limit, u64 base)
{
	seg->selector = selector;
	seg->attrib = attrib;
	seg->limit = limit;
	seg->base = base;
}

/*
 * A VMSA that starts a vCPU in the caller's address space, with a stack that ends
 * at @rsp, 16 byte aligned.  The page is a VMSA once RMPADJUST has made it one.
 */
void snp_vmsa_init(struct snp_vmsa *vmsa, void *rip, void *rsp, u64 rdi)
{
	const struct desc_ptr gdt = get_gdt();
	const struct desc_ptr idt = get_idt();

	memset(vmsa, 0, sizeof(*vmsa));

	snp_vmsa_set_seg(&vmsa->cs, SNP_KERNEL_CS, SNP_CODE64_ATTRIB, -1u, 0);
	snp_vmsa_set_seg(&vmsa->ds, SNP_KERNEL_DS, SNP_DATA_ATTRIB, -1u, 0);
	snp_vmsa_set_seg(&vmsa->es, SNP_KERNEL_DS, SNP_DATA_ATTRIB, -1u, 0);
	snp_vmsa_set_seg(&vmsa->ss, SNP_KERNEL_DS, SNP_DATA_ATTRIB, -1u, 0);
	snp_vmsa_set_seg(&vmsa->gdtr, 0, 0, gdt.size, gdt.address);
	snp_vmsa_set_seg(&vmsa->idtr, 0, 0, idt.size, idt.address);
	/* Never used: no interrupt stacks, and all is CPL 0. */
	snp_vmsa_set_seg(&vmsa->tr, SNP_KERNEL_TSS, SNP_TSS64_ATTRIB, 0x67, 0);

	vmsa->efer = rdmsr(MSR_EFER) | EFER_SVME;
	vmsa->cr0 = get_cr0();
	vmsa->cr3 = get_cr3();
	vmsa->cr4 = get_cr4();
	vmsa->dr6 = 0xffff0ff0;
	vmsa->dr7 = 0x400;
	vmsa->rflags = X86_EFLAGS_FIXED;
	vmsa->rip = (u64)rip;
	/* The ABI wants RSP as it is after a call. */
	vmsa->rsp = (u64)rsp - 8;
	vmsa->rdi = rdi;
	vmsa->g_pat = 0x0007040600070406ULL;
	vmsa->xcr0 = XFEATURE_MASK_FP;
	vmsa->mxcsr = 0x1f80;
	vmsa->x87_fcw = 0x37f;
	vmsa->sev_features = SNP_SEV_FEATURES;
}

/* All that it takes to make a page a VMSA which hasn't been one. */
u64 snp_make_vmsa(gpa_t gpa, void *rip, void *rsp, u64 rdi)
{
	void *page = (void *)gpa;
	u64 r;

	r = snp_make_private(gpa);
	if (r)
		return r;

	snp_vmsa_init(page, rip, rsp, rdi);
	return snp_rmpadjust(page, SNP_RMPADJUST_VMPL1 | SNP_RMPADJUST_VMSA);
}

/*
 * KVM has the vCPU changed at some time after this.  Returns 0, or the
 * hypervisor's error.
 */
u64 snp_ap_creation(u32 request, u32 apic_id, gpa_t vmsa_gpa)
{
	struct snp_ghcb *ghcb = snp_this_ghcb();

	if (request != SVM_VMGEXIT_AP_DESTROY)
		snp_ghcb_set(ghcb, &ghcb->rax, SNP_SEV_FEATURES);

	return __snp_vmgexit(ghcb, SVM_VMGEXIT_AP_CREATION,
			     (u64)apic_id << 32 | request, vmsa_gpa);
}
