/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Helpers for SEV-SNP guests: GHCB protocol, calls into the guest, AP Creation.
 *
 * Guest code of an SNP VM uses ucall(), GUEST_ASSERT() and friends as in any
 * other VM: their port I/O raises #VC, which the library turns into a VMGEXIT.
 * The host side must use snp_vcpu_run() and snp_get_ucall(), because KVM can't
 * read the registers of such a guest.
 */
#ifndef SELFTEST_KVM_SNP_H
#define SELFTEST_KVM_SNP_H

#include <stddef.h>
#include <stdbool.h>
#include <linux/types.h>

#include "kvm_util.h"
#include "processor.h"
#include "sev.h"

/* The library's memslot, out of the way of those that tests number from 1. */
#define SNP_SHARED_SLOT		30

/*
 * Shared memory of the library's, mapped one to one: a page for snp_call(), and
 * a GHCB page for each vCPU ID.
 */
#define SNP_SHARED_BASE		BIT_ULL(32)
#define snp_ghcb_gpa(vcpu_id)	(SNP_SHARED_BASE + (1 + (u64)(vcpu_id)) * PAGE_SIZE)

/* GHCB MSR protocol: request and response codes in bits 11:0. */
#define SNP_MSR_REG_GPA_REQ	0x012
#define SNP_MSR_REG_GPA_RESP	0x013
#define SNP_MSR_PSC_REQ		0x014
#define SNP_MSR_PSC_RESP	0x015
#define SNP_MSR_INFO_MASK	0xfffULL

/* Operation of a page state change, in bits 55:52 of the request. */
#define SNP_PSC_PRIVATE		1ULL

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
	u8 reserved_0x0[0xcb];
	u8 cpl;
	u8 reserved_0xcc[0x1f8 - 0xcc];
	u64 rax;
	u8 reserved_0x200[0x308 - 0x200];
	u64 rcx;
	u64 rdx;
	u64 rbx;
	u8 reserved_0x320[0x338 - 0x320];
	u64 rdi;
	u8 reserved_0x340[0x390 - 0x340];
	u64 sw_exit_code;
	u64 sw_exit_info_1;
	u64 sw_exit_info_2;
	u64 sw_scratch;
	u8 reserved_0x3b0[0x3f0 - 0x3b0];
	u8 valid_bitmap[16];
	u8 reserved_0x400[0xffa - 0x400];
	u16 protocol_version;
	u32 ghcb_usage;
};

kvm_static_assert(offsetof(struct snp_ghcb, rax) == 0x1f8);
kvm_static_assert(offsetof(struct snp_ghcb, rcx) == 0x308);
kvm_static_assert(offsetof(struct snp_ghcb, rdi) == 0x338);
kvm_static_assert(offsetof(struct snp_ghcb, sw_exit_code) == 0x390);
kvm_static_assert(offsetof(struct snp_ghcb, valid_bitmap) == 0x3f0);
kvm_static_assert(sizeof(struct snp_ghcb) == 4096);

struct snp_vmsa_seg {
	u16 selector;
	u16 attrib;
	u32 limit;
	u64 base;
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
	u8 reserved_0xa0[0xca - 0xa0];
	u8 vmpl;
	u8 cpl;
	u8 reserved_0xcc[4];
	u64 efer;
	u8 reserved_0xd8[0x148 - 0xd8];
	u64 cr4;
	u64 cr3;
	u64 cr0;
	u64 dr7;
	u64 dr6;
	u64 rflags;
	u64 rip;
	u8 reserved_0x180[0x1d8 - 0x180];
	u64 rsp;
	u8 reserved_0x1e0[0x268 - 0x1e0];
	u64 g_pat;
	u8 reserved_0x270[0x338 - 0x270];
	u64 rdi;
	u8 reserved_0x340[0x3b0 - 0x340];
	u64 sev_features;
	u8 reserved_0x3b8[0x3e8 - 0x3b8];
	u64 xcr0;
	u8 reserved_0x3f0[0x408 - 0x3f0];
	u32 mxcsr;
	u16 x87_ftw;
	u16 x87_fsw;
	u16 x87_fcw;
	u8 reserved_0x412[4096 - 0x412];
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

struct kvm_vm *snp_vm_create(u32 nr_vcpus, struct kvm_vcpu *vcpus[]);
void snp_vm_bind_private_mem(struct kvm_vm *vm, u32 slot, gpa_t gpa, u64 npages,
			     int gmem_fd, u64 gmem_offset);
void snp_vm_add_shared_mem(struct kvm_vm *vm, u32 slot, gpa_t gpa, u64 npages);
int snp_vcpu_run(struct kvm_vcpu *vcpu);
u64 snp_get_ucall(struct kvm_vcpu *vcpu, struct ucall *uc);
u64 snp_call(struct kvm_vcpu *vcpu, void *guest_fn, u64 arg0, u64 arg1, u64 arg2);
bool snp_send_msi(struct kvm_vm *vm, u32 apic_id, u32 delivery_mode);
u64 snp_read_stat(int stats_fd, const char *name);
int snp_gmem_fd(struct kvm_vm *vm, gpa_t gpa, u64 *offset);

/* A guest_memfd of its own. */
static inline void snp_vm_add_private_mem(struct kvm_vm *vm, u32 slot, gpa_t gpa,
					  u64 npages)
{
	snp_vm_bind_private_mem(vm, slot, gpa, npages, -1, 0);
}

/* Guest side. */

void snp_vc_handler(struct ex_regs *regs);
void snp_guest_init(u32 vcpu_id);
u64 snp_vmgexit(u64 exit_code, u64 info_1, u64 info_2);
u64 snp_make_private(gpa_t gpa);
int snp_pvalidate(void *page, bool validate);
int snp_rmpadjust(void *page, u64 attributes);
void snp_vmsa_init(struct snp_vmsa *vmsa, void *rip, void *rsp, u64 rdi);
u64 snp_make_vmsa(gpa_t gpa, void *rip, void *rsp, u64 rdi);
u64 snp_ap_creation(u32 request, u32 apic_id, gpa_t vmsa_gpa);

#endif /* SELFTEST_KVM_SNP_H */
