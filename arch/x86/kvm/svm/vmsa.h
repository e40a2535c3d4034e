/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The life of a vCPU's VMSA: see vmsa.c.
 */
#ifndef __SVM_VMSA_H
#define __SVM_VMSA_H

#include <linux/kvm_host.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>

struct vcpu_svm;

/* Who owns the page that a vCPU's VMSA is in. */
enum sev_es_vmsa_state {
	SEV_ES_VMSA_NONE,		/* There is none. */
	SEV_ES_VMSA_KVM_SHARED,		/* A page of KVM's, not encrypted yet. */
	SEV_ES_VMSA_KVM_PRIVATE,	/* A page of KVM's, which belongs to the guest. */
	SEV_ES_VMSA_GUEST_OWNED,	/* Guest memory, if any: see vcpu_snp_vmsa. */
};

/* The VMSAs that an SNP guest provides for a vCPU by way of AP Creation. */
struct vcpu_snp_vmsa {
	/*
	 * What the vCPU is to take on at the next INIT.  Written by whichever
	 * vCPU does AP Creation, protected by the mutex.
	 */
	struct mutex mutex;
	gpa_t pending_gpa;
	bool waiting_for_reset;

	/*
	 * What the vCPU has.  Written by the vCPU itself, with mmu_lock held for
	 * write.  The node is in snp_vmsas if and only if the GPA is valid.
	 */
	gpa_t gpa;
	struct rb_node node;
};

int sev_es_alloc_kvm_vmsa(struct vcpu_svm *svm);
struct sev_es_save_area *sev_es_get_kvm_shared_vmsa(struct vcpu_svm *svm);
void sev_es_init_vmsa_pa(struct vcpu_svm *svm);
int sev_es_make_kvm_vmsa_private(struct vcpu_svm *svm);
void sev_es_reclaim_kvm_vmsa(struct vcpu_svm *svm);
void sev_snp_init_vmsa(struct vcpu_svm *svm);
void sev_snp_set_pending_vmsa(struct vcpu_svm *svm, gpa_t gpa);
void sev_snp_take_pending_vmsa(struct vcpu_svm *svm);
void sev_gmem_invalidate_range(struct kvm *kvm, struct kvm_gfn_range *range);
int sev_snp_reload_vmsa(struct kvm_vcpu *vcpu);
int sev_es_refuse_entry(struct vcpu_svm *svm);
void sev_es_free_vmsa(struct vcpu_svm *svm);

#endif /* __SVM_VMSA_H */
