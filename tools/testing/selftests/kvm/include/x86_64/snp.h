/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Helpers for SEV-SNP guests: launch, GHCB protocol, AP Creation.
 *
 * Guest code of an SNP VM uses ucall(), GUEST_ASSERT() and friends as in any
 * other VM: their port I/O raises #VC, which the library turns into a VMGEXIT.
 * The host side must use snp_vcpu_run() and snp_get_ucall(), because KVM can't
 * read the registers of such a guest.
 */
#ifndef SELFTEST_KVM_SNP_H
#define SELFTEST_KVM_SNP_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

#include "kvm_util.h"
#include "processor.h"
#include "sev.h"

/* The library's memslots, out of the way of those that tests number from 1. */
#define SNP_GHCB_SLOT		30

/* One GHCB page for each vCPU ID, mapped one to one.  Neither is 2MiB aligned. */
#define SNP_GHCB_BASE		((1ULL << 32) + PAGE_SIZE)
#define snp_ghcb_gpa(vcpu_id)	(SNP_GHCB_BASE + (uint64_t)(vcpu_id) * PAGE_SIZE)

/* GHCB MSR protocol: request and response codes in bits 11:0. */
#define SNP_MSR_REG_GPA_REQ	0x012
#define SNP_MSR_REG_GPA_RESP	0x013
#define SNP_MSR_PSC_REQ		0x014
#define SNP_MSR_PSC_RESP	0x015
#define SNP_MSR_INFO_MASK	0xfffULL

/* Operation of a page state change, in bits 55:52 of the request. */
#define SNP_PSC_PRIVATE		1ULL
#define SNP_PSC_SHARED		2ULL

#define SNP_VC_VECTOR		29

/* #VC error code of an access to a private page that isn't validated. */
#define SNP_VC_NOT_VALIDATED	0x404

/* RMPADJUST attributes: target VMPL in bits 7:0, VMSA in bit 16. */
#define SNP_RMPADJUST_VMPL1	BIT_ULL(0)
#define SNP_RMPADJUST_VMSA	BIT_ULL(16)

/* PVALIDATE and RMPADJUST: EAX, and what PVALIDATE says by way of CF. */
#define SNP_FAIL_INPUT		1
#define SNP_FAIL_PERMISSION	2
#define SNP_FAIL_INUSE		3
#define SNP_FAIL_SIZEMISMATCH	6
#define SNP_NO_CHANGE		255

/* SEV_FEATURES of every VMSA: SNP active, nothing else. */
#define SNP_SEV_FEATURES	BIT_ULL(0)

/* The GHCB, as far as KVM's guests have a use for it. */
struct snp_ghcb {
	uint8_t reserved_0x0[0xcb];
	uint8_t cpl;
	uint8_t reserved_0xcc[0x1f8 - 0xcc];
	uint64_t rax;
	uint8_t reserved_0x200[0x308 - 0x200];
	uint64_t rcx;
	uint64_t rdx;
	uint64_t rbx;
	uint8_t reserved_0x320[0x338 - 0x320];
	uint64_t rdi;
	uint8_t reserved_0x340[0x390 - 0x340];
	uint64_t sw_exit_code;
	uint64_t sw_exit_info_1;
	uint64_t sw_exit_info_2;
	uint64_t sw_scratch;
	uint8_t reserved_0x3b0[0x3f0 - 0x3b0];
	uint8_t valid_bitmap[16];
	uint8_t reserved_0x400[0xffa - 0x400];
	uint16_t protocol_version;
	uint32_t ghcb_usage;
};

kvm_static_assert(offsetof(struct snp_ghcb, rax) == 0x1f8);
kvm_static_assert(offsetof(struct snp_ghcb, rcx) == 0x308);
kvm_static_assert(offsetof(struct snp_ghcb, rdi) == 0x338);
kvm_static_assert(offsetof(struct snp_ghcb, sw_exit_code) == 0x390);
kvm_static_assert(offsetof(struct snp_ghcb, valid_bitmap) == 0x3f0);
kvm_static_assert(sizeof(struct snp_ghcb) == 4096);

struct snp_vmsa_seg {
	uint16_t selector;
	uint16_t attrib;
	uint32_t limit;
	uint64_t base;
};

/* The VMSA.  What is reserved here is zero in a VMSA that the library makes. */
struct snp_vmsa {
	struct snp_vmsa_seg es;
	struct snp_vmsa_seg cs;
	struct snp_vmsa_seg ss;
	struct snp_vmsa_seg ds;
	struct snp_vmsa_seg fs;
	struct snp_vmsa_seg gs;
	struct snp_vmsa_seg gdtr;
	struct snp_vmsa_seg ldtr;
	struct snp_vmsa_seg idtr;
	struct snp_vmsa_seg tr;
	uint8_t reserved_0xa0[0xca - 0xa0];
	uint8_t vmpl;
	uint8_t cpl;
	uint8_t reserved_0xcc[4];
	uint64_t efer;
	uint8_t reserved_0xd8[0x148 - 0xd8];
	uint64_t cr4;
	uint64_t cr3;
	uint64_t cr0;
	uint64_t dr7;
	uint64_t dr6;
	uint64_t rflags;
	uint64_t rip;
	uint8_t reserved_0x180[0x1d8 - 0x180];
	uint64_t rsp;
	uint8_t reserved_0x1e0[0x268 - 0x1e0];
	uint64_t g_pat;
	uint8_t reserved_0x270[0x338 - 0x270];
	uint64_t rdi;
	uint8_t reserved_0x340[0x3b0 - 0x340];
	uint64_t sev_features;
	uint8_t reserved_0x3b8[0x3e8 - 0x3b8];
	uint64_t xcr0;
	uint8_t reserved_0x3f0[0x408 - 0x3f0];
	uint32_t mxcsr;
	uint16_t x87_ftw;
	uint16_t x87_fsw;
	uint16_t x87_fcw;
	uint8_t reserved_0x412[4096 - 0x412];
};

kvm_static_assert(offsetof(struct snp_vmsa, efer) == 0xd0);
kvm_static_assert(offsetof(struct snp_vmsa, rip) == 0x178);
kvm_static_assert(offsetof(struct snp_vmsa, g_pat) == 0x268);
kvm_static_assert(offsetof(struct snp_vmsa, rdi) == 0x338);
kvm_static_assert(offsetof(struct snp_vmsa, sev_features) == 0x3b0);
kvm_static_assert(offsetof(struct snp_vmsa, xcr0) == 0x3e8);
kvm_static_assert(offsetof(struct snp_vmsa, mxcsr) == 0x408);
kvm_static_assert(sizeof(struct snp_vmsa) == 4096);

/* Host side. */

static inline bool snp_is_supported(void)
{
	return kvm_check_cap(KVM_CAP_VM_TYPES) & BIT(KVM_X86_SNP_VM);
}

/*
 * A test that takes down a host whose kernel has the bug needs leave to run: it
 * has this long option, and calls snp_require_consent() with whether it is set.
 */
#define SNP_CONSENT_OPTION	"i-know-it-may-kill-the-host"

#define snp_require_consent(given)						\
	__TEST_REQUIRE(given, "it kills a host whose kernel lacks the fix; to run it: --%s", \
		       SNP_CONSENT_OPTION)

struct kvm_vm *snp_vm_create(uint32_t nr_vcpus, void *guest_code,
			     struct kvm_vcpu *vcpus[]);
void snp_vm_add_private_mem(struct kvm_vm *vm, uint32_t slot, uint64_t gpa,
			    uint64_t npages);
void snp_vm_bind_private_mem(struct kvm_vm *vm, uint32_t slot, uint64_t gpa,
			     uint64_t npages, int gmem_fd, uint64_t gmem_offset);
void snp_vm_add_shared_mem(struct kvm_vm *vm, uint32_t slot, uint64_t gpa,
			   uint64_t npages);
void snp_vm_launch(struct kvm_vm *vm);
void snp_vm_start(struct kvm_vm *vm);
int snp_vcpu_run(struct kvm_vcpu *vcpu);
uint64_t snp_get_ucall(struct kvm_vcpu *vcpu, struct ucall *uc);
int snp_gmem_fd(struct kvm_vm *vm, uint64_t gpa, uint64_t *offset);

/* Guest side. */

void snp_vc_handler(struct ex_regs *regs);
void snp_guest_init(uint32_t vcpu_id);
uint64_t snp_vmgexit(uint64_t exit_code, uint64_t info_1, uint64_t info_2);
bool snp_page_state_change(uint64_t gpa, uint64_t op);
int snp_pvalidate(void *page, bool validate);
int snp_rmpadjust(void *page, uint64_t attributes);
void snp_vmsa_init(struct snp_vmsa *vmsa, void *rip, void *rsp, uint64_t rdi);
uint64_t snp_ap_creation(uint32_t request, uint32_t apic_id, uint64_t vmsa_gpa);

#endif /* SELFTEST_KVM_SNP_H */
