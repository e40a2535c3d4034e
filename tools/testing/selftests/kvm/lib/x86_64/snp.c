// SPDX-License-Identifier: GPL-2.0-only
/*
 * SEV-SNP guests: launch, GHCB protocol, AP Creation.
 *
 * The host sees neither the memory nor the registers of an SNP guest.  What
 * the two share is a GHCB page for each vCPU, memory that the guest maps
 * without the C-bit, and the GHCB MSR.
 */
#include <string.h>

#include "snp.h"

#define SNP_POLICY_SMT_ALLOWED	BIT_ULL(16)
#define SNP_POLICY_MUST_BE_ONE	BIT_ULL(17)

/* Selectors and descriptors as processor.c has them in every VM's GDT. */
#define SNP_KERNEL_CS		0x8
#define SNP_KERNEL_DS		0x10
#define SNP_KERNEL_TSS		0x18

/* Segment attributes in VMCB format, i.e. bits 55:52 and 47:40 of a descriptor. */
#define SNP_CODE64_ATTRIB	0xa9b
#define SNP_DATA_ATTRIB		0xc93
#define SNP_TSS64_ATTRIB	0x08b

static void snp_guest_idle(void)
{
	for (;;)
		asm volatile("hlt");
}

/**
 * snp_vm_create - create an SNP VM with a GHCB page for each vCPU
 * @nr_vcpus: number of vCPUs, which get the IDs 0 to @nr_vcpus - 1
 * @guest_code: where vCPU 0 starts
 * @vcpus: the vCPUs, on return
 *
 * Only vCPU 0 runs @guest_code.  The others idle until AP Creation.
 * Memory and exception handlers can be added until snp_vm_start().
 *
 * Return: the VM.
 */
struct kvm_vm *snp_vm_create(uint32_t nr_vcpus, void *guest_code,
			     struct kvm_vcpu *vcpus[])
{
	struct vm_shape shape = {
		.mode = VM_MODE_DEFAULT,
		.type = KVM_X86_SNP_VM,
	};
	struct kvm_vm *vm;
	int i;

	vm = __vm_create_with_vcpus(shape, nr_vcpus, 0, guest_code, vcpus);
	for (i = 1; i < nr_vcpus; i++)
		vcpu_arch_set_entry_point(vcpus[i], snp_guest_idle);

	/* Without this exit KVM refuses the guest's page state changes. */
	vm_enable_cap(vm, KVM_CAP_EXIT_HYPERCALL, BIT(KVM_HC_MAP_GPA_RANGE));

	snp_vm_add_shared_mem(vm, SNP_GHCB_SLOT, SNP_GHCB_BASE, nr_vcpus);
	vm_install_exception_handler(vm, SNP_VC_VECTOR, snp_vc_handler);

	return vm;
}

static void snp_vm_add_mem(struct kvm_vm *vm, uint32_t slot, uint64_t gpa,
			   uint64_t npages, bool private, int gmem_fd,
			   uint64_t gmem_offset)
{
	uint64_t got;

	vm_mem_add(vm, VM_MEM_SRC_ANONYMOUS, gpa, slot, npages,
		   private ? KVM_MEM_GUEST_MEMFD : 0, gmem_fd, gmem_offset);
	got = __vm_phy_pages_alloc(vm, npages, gpa, slot, private);
	TEST_ASSERT_EQ(got, gpa);
	virt_map(vm, gpa, gpa, npages);
}

/**
 * snp_vm_bind_private_mem - add memory that is part of a guest_memfd
 * @vm: VM that hasn't been started
 * @slot: number of an unused memslot
 * @gpa: guest physical address, and virtual address too
 * @npages: number of 4KiB pages
 * @gmem_fd: the guest_memfd, or -1 for a new one
 * @gmem_offset: where the memory begins in @gmem_fd
 *
 * The guest maps the memory with the C-bit.  It is not part of the launched
 * image: the guest has to make it private and to validate it.
 */
void snp_vm_bind_private_mem(struct kvm_vm *vm, uint32_t slot, uint64_t gpa,
			     uint64_t npages, int gmem_fd, uint64_t gmem_offset)
{
	snp_vm_add_mem(vm, slot, gpa, npages, true, gmem_fd, gmem_offset);
}

/**
 * snp_vm_add_private_mem - add memory with a guest_memfd of its own
 * @vm: VM that hasn't been started
 * @slot: number of an unused memslot
 * @gpa: guest physical address, and virtual address too
 * @npages: number of 4KiB pages
 *
 * Otherwise as snp_vm_bind_private_mem().
 */
void snp_vm_add_private_mem(struct kvm_vm *vm, uint32_t slot, uint64_t gpa,
			    uint64_t npages)
{
	snp_vm_bind_private_mem(vm, slot, gpa, npages, -1, 0);
}

/**
 * snp_vm_add_shared_mem - add memory that is never private
 * @vm: VM that hasn't been started
 * @slot: number of an unused memslot
 * @gpa: guest physical address, and virtual address too
 * @npages: number of 4KiB pages
 */
void snp_vm_add_shared_mem(struct kvm_vm *vm, uint32_t slot, uint64_t gpa,
			   uint64_t npages)
{
	snp_vm_add_mem(vm, slot, gpa, npages, false, -1, 0);
}

static void snp_launch_range(struct kvm_vm *vm, uint64_t gpa, uint64_t size)
{
	struct kvm_sev_snp_launch_update update = {
		.gfn_start = gpa >> vm->page_shift,
		.uaddr = (uintptr_t)addr_gpa2hva(vm, gpa),
		.len = size,
		.type = KVM_SEV_SNP_PAGE_TYPE_NORMAL,
	};

	vm_mem_set_private(vm, gpa, size);

	/* KVM moves the start and shortens the length by what it has done. */
	while (update.len)
		vm_sev_ioctl(vm, KVM_SEV_SNP_LAUNCH_UPDATE, &update);
}

/**
 * snp_vm_launch - launch what has been put into the VM's primary memory
 * @vm: VM made by snp_vm_create()
 *
 * The caller has to finish the launch, or to have it fail.
 */
void snp_vm_launch(struct kvm_vm *vm)
{
	struct kvm_sev_snp_launch_start start = {
		.policy = SNP_POLICY_SMT_ALLOWED | SNP_POLICY_MUST_BE_ONE,
	};
	struct userspace_mem_region *slot0 = memslot2region(vm, 0);
	const struct sparsebit *pages = slot0->protected_phy_pages;
	sparsebit_idx_t first, last;

	vm_sev_ioctl(vm, KVM_SEV_SNP_LAUNCH_START, &start);

	sparsebit_for_each_set_range(pages, first, last)
		snp_launch_range(vm, first << vm->page_shift,
				 (last - first + 1) << vm->page_shift);

	vm->arch.is_pt_protected = true;
}

/**
 * snp_vm_start - launch what has been put into the VM's primary memory, and finish
 * @vm: VM made by snp_vm_create()
 *
 * From here on the host can neither read nor change the guest's private memory.
 */
void snp_vm_start(struct kvm_vm *vm)
{
	struct kvm_sev_snp_launch_finish finish = {};

	snp_vm_launch(vm);
	vm_sev_ioctl(vm, KVM_SEV_SNP_LAUNCH_FINISH, &finish);
}

/**
 * snp_vcpu_run - run a vCPU, serving the guest's page state changes
 * @vcpu: vCPU of an SNP VM
 *
 * A private access to shared memory (the guest uses memory that the host has
 * converted behind its back) makes the memory private again and goes on.
 *
 * Return: as from KVM_RUN; -1 with errno if that fails.
 */
int snp_vcpu_run(struct kvm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	uint64_t gpa, size, attrs;
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

/**
 * snp_get_ucall - get_ucall() for a vCPU whose registers KVM can't read
 * @vcpu: vCPU of an SNP VM that has come back from snp_vcpu_run()
 * @uc: the ucall, on return
 *
 * Return: UCALL_* command, UCALL_NONE if the vCPU didn't exit for a ucall.
 */
uint64_t snp_get_ucall(struct kvm_vcpu *vcpu, struct ucall *uc)
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

/**
 * snp_gmem_fd - find the guest_memfd page behind a guest address
 * @vm: VM
 * @gpa: guest physical address in a memslot with guest_memfd
 * @offset: offset of @gpa in the file, on return
 *
 * Return: the file descriptor, which belongs to the VM.
 */
int snp_gmem_fd(struct kvm_vm *vm, uint64_t gpa, uint64_t *offset)
{
	struct userspace_mem_region *region;
	int ctr;

	hash_for_each(vm->regions.slot_hash, ctr, region, slot_node) {
		const uint64_t start = region->region.guest_phys_addr;

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
static uint64_t snp_vmgexit_msr(uint64_t request)
{
	const uint64_t ghcb_gpa = rdmsr(MSR_AMD64_SEV_ES_GHCB);
	uint64_t response;

	wrmsr(MSR_AMD64_SEV_ES_GHCB, request);
	snp_rep_vmmcall();
	response = rdmsr(MSR_AMD64_SEV_ES_GHCB);
	wrmsr(MSR_AMD64_SEV_ES_GHCB, ghcb_gpa);

	return response;
}

/**
 * snp_guest_init - make the GHCB of a vCPU usable
 * @vcpu_id: the calling vCPU's ID
 *
 * To be called by guest code on each vCPU before anything that may exit,
 * GUEST_ASSERT() included.
 */
void snp_guest_init(uint32_t vcpu_id)
{
	const uint64_t gpa = snp_ghcb_gpa(vcpu_id);
	uint64_t response;

	response = snp_vmgexit_msr(gpa | SNP_MSR_REG_GPA_REQ);
	wrmsr(MSR_AMD64_SEV_ES_GHCB, gpa);

	GUEST_ASSERT_EQ(response, gpa | SNP_MSR_REG_GPA_RESP);
}

/* The valid bitmap has a bit for each quadword of the save area. */
static void snp_ghcb_set(struct snp_ghcb *ghcb, uint64_t *field, uint64_t value)
{
	const unsigned int nr = field - (uint64_t *)ghcb;

	*field = value;
	ghcb->valid_bitmap[nr / 8] |= BIT(nr % 8);
}

/* Registers that the event takes as input have been set by the caller. */
static uint64_t __snp_vmgexit(struct snp_ghcb *ghcb, uint64_t exit_code,
			      uint64_t info_1, uint64_t info_2)
{
	ghcb->protocol_version = 2;
	ghcb->ghcb_usage = 0;
	snp_ghcb_set(ghcb, &ghcb->sw_exit_code, exit_code);
	snp_ghcb_set(ghcb, &ghcb->sw_exit_info_1, info_1);
	snp_ghcb_set(ghcb, &ghcb->sw_exit_info_2, info_2);

	snp_rep_vmmcall();

	return (uint32_t)ghcb->sw_exit_info_1 ? ghcb->sw_exit_info_2 : 0;
}

/**
 * snp_vmgexit - exit for a non-automatic event that needs no registers
 * @exit_code: SVM_VMGEXIT_* or SVM_EXIT_*
 * @info_1: SW_EXITINFO1
 * @info_2: SW_EXITINFO2
 *
 * Return: 0, or the hypervisor's error (SW_EXITINFO2).
 */
uint64_t snp_vmgexit(uint64_t exit_code, uint64_t info_1, uint64_t info_2)
{
	return __snp_vmgexit(snp_this_ghcb(), exit_code, info_1, info_2);
}

/**
 * snp_vc_handler - the #VC handler that snp_vm_create() installs
 * @regs: state of the guest at the exception
 *
 * The one instruction that guest code of selftests can't do without is the
 * "in %dx, %al" of ucall_arch_do_ucall(), which has the address of the ucall
 * in RDI.  KVM doesn't look at RDI; snp_get_ucall() does.  A test that expects
 * other #VCs installs a handler of its own that ends in this one.
 */
void snp_vc_handler(struct ex_regs *regs)
{
	struct snp_ghcb *ghcb = snp_this_ghcb();
	const uint8_t *insn = (const uint8_t *)regs->rip;

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

/**
 * snp_page_state_change - ask the hypervisor to make a page private or shared
 * @gpa: guest physical address of the page
 * @op: SNP_PSC_PRIVATE or SNP_PSC_SHARED
 *
 * A page that becomes private must be validated before it is used; a page that
 * is to become shared must have been invalidated.
 *
 * Return: whether the hypervisor has done it.
 */
bool snp_page_state_change(uint64_t gpa, uint64_t op)
{
	return snp_vmgexit_msr(op << 52 | gpa | SNP_MSR_PSC_REQ) == SNP_MSR_PSC_RESP;
}

/**
 * snp_pvalidate - validate or invalidate a private page
 * @page: 4KiB page, mapped with the C-bit
 * @validate: true to validate
 *
 * Return: 0, SNP_NO_CHANGE if the page was in that state, or SNP_FAIL_*.
 */
int snp_pvalidate(void *page, bool validate)
{
	uint32_t ret;
	bool same;

	asm volatile(".byte 0xf2, 0x0f, 0x01, 0xff"
		     : "=a"(ret), "=@ccc"(same)
		     : "a"(page), "c"(0), "d"((uint32_t)validate)
		     : "memory");

	return !ret && same ? SNP_NO_CHANGE : ret;
}

/**
 * snp_rmpadjust - change what a lesser VMPL may do to a page, and its VMSA bit
 * @page: 4KiB page, mapped with the C-bit and validated
 * @attributes: VMPL, permissions and SNP_RMPADJUST_VMSA
 *
 * Return: 0 or SNP_FAIL_*.
 */
int snp_rmpadjust(void *page, uint64_t attributes)
{
	uint32_t ret;

	asm volatile(".byte 0xf3, 0x0f, 0x01, 0xfe"
		     : "=a"(ret)
		     : "a"(page), "c"(0), "d"(attributes)
		     : "memory", "cc");

	return ret;
}

static void snp_vmsa_set_seg(struct snp_vmsa_seg *seg, uint16_t selector,
			     uint16_t attrib, uint32_t limit, uint64_t base)
{
	seg->selector = selector;
	seg->attrib = attrib;
	seg->limit = limit;
	seg->base = base;
}

/**
 * snp_vmsa_init - make a VMSA that starts a vCPU in the caller's address space
 * @vmsa: page of private, validated memory
 * @rip: function to start at
 * @rsp: end of the stack, 16 byte aligned
 * @rdi: the function's argument
 *
 * The page is a VMSA only after RMPADJUST has made it one.
 */
void snp_vmsa_init(struct snp_vmsa *vmsa, void *rip, void *rsp, uint64_t rdi)
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
	vmsa->rip = (uint64_t)rip;
	/* The ABI wants RSP as it is after a call. */
	vmsa->rsp = (uint64_t)rsp - 8;
	vmsa->rdi = rdi;
	vmsa->g_pat = 0x0007040600070406ULL;
	vmsa->xcr0 = XFEATURE_MASK_FP;
	vmsa->mxcsr = 0x1f80;
	vmsa->x87_fcw = 0x37f;
	vmsa->sev_features = SNP_SEV_FEATURES;
}

/**
 * snp_ap_creation - the AP Creation event
 * @request: SVM_VMGEXIT_AP_CREATE_ON_INIT, _CREATE or _DESTROY
 * @apic_id: the vCPU, which the hypervisor changes at some time after this
 * @vmsa_gpa: guest physical address of the VMSA, ignored for DESTROY
 *
 * Return: 0, or the hypervisor's error.
 */
uint64_t snp_ap_creation(uint32_t request, uint32_t apic_id, uint64_t vmsa_gpa)
{
	struct snp_ghcb *ghcb = snp_this_ghcb();

	if (request != SVM_VMGEXIT_AP_DESTROY)
		snp_ghcb_set(ghcb, &ghcb->rax, SNP_SEV_FEATURES);

	return __snp_vmgexit(ghcb, SVM_VMGEXIT_AP_CREATION,
			     (uint64_t)apic_id << 32 | request, vmsa_gpa);
}
