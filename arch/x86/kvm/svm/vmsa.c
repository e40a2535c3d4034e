// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of the VMSA (VM Save Area) of an SEV-ES or SEV-SNP vCPU, i.e. of the
 * page that the CPU keeps the vCPU's registers in while the vCPU doesn't run.
 * The functions below are in the order of that life.
 *
 *   NONE
 *    |  ^
 *    |  | vCPU freed, from any state; intra-host migration, for the source
 *    |
 *    | vCPU created
 *    v
 *   KVM_SHARED <--------------------------.
 *    |     |                              |
 *    |     | KVM hands the page to the    | the firmware refuses it
 *    |     | firmware to be measured      |
 *    |     '--------------------------> KVM_PRIVATE
 *    |                                    |
 *    | AP Creation, and INIT              | AP Creation, and INIT
 *    | (vCPU created after the launch)    |
 *    '------------------.  .--------------'
 *                       v  v
 *                    GUEST_OWNED: another page of guest memory, or none,
 *                                 with each AP Creation or AP Destroy
 *
 * An SNP guest provides a VMSA by its GPA.  Nothing keeps the page where it is,
 * or there at all: userspace may punch a hole into the guest_memfd at any time,
 * also while a CPU is in the guest on that very VMSA.  Then RMPUPDATE, which has
 * to give the page back to the host, would fail.  The protocol:
 *
 *   the vCPU takes on a VMSA               guest_memfd is about to lose memory
 *
 *   vmsa_pa = INVALID_PAGE                 mmu_lock, for write
 *   mmu_lock, for write                      mmu_invalidate_in_progress++
 *     the GPA goes to the index              for each VMSA of the index in range
 *   mmu_unlock                                 request a reload of its vCPU
 *   request a reload                         IPI to all of them, and wait until
 *                                            none is in the guest
 *   the vCPU handles the request           mmu_unlock
 *   vmsa_pa = INVALID_PAGE                 the pages are given back
 *   seq = mmu_invalidate_seq               mmu_lock, for write
 *   smp_rmb()                                mmu_invalidate_seq++
 *   look the page up                         mmu_invalidate_in_progress--
 *   mmu_lock, for read                     mmu_unlock
 *     in progress, or another seq:
 *       request a reload, again
 *     else:
 *       vmsa_pa = the page
 *   mmu_unlock
 *   no request, and vmsa_pa is valid:
 *     enter the guest
 *
 * Either the invalidation finds the VMSA in the index, and the vCPU doesn't get
 * past the request before it looked the page up anew; or the vCPU adds its VMSA
 * after the invalidation has begun, and sees that when it holds mmu_lock.
 *
 * There is no VMSA if there is no page, a page that's not up-to-date, poisoned,
 * or shared: the lookup never allocates.  Without a VMSA, KVM_RUN fails, at once
 * and each time, until there is one again.
 *
 * What is shared, and what orders it:
 *
 *   snp_vmsa.pending_gpa,         snp_vmsa.mutex
 *   snp_vmsa.waiting_for_reset
 *   snp_vmsa.gpa, snp_vmsa.node   written by the vCPU with mmu_lock held for write
 *                                 (read by the vCPU without, by others with it)
 *   kvm_sev_info.snp_vmsas        mmu_lock
 *   KVM_REQ_VMSA_PAGE_RELOAD      made with mmu_lock held for write, then kicked;
 *                                 the barriers are those of KVM's requests
 *   sev_es.vmsa, .vmsa_state,     vcpu->mutex, i.e. written by the vCPU, or on
 *   vmcb.vmsa_pa                  behalf of all vCPUs while none of them runs
 *
 * Lock order: vcpu->mutex, kvm->srcu, snp_vmsa.mutex (of one vCPU at a time),
 * mmu_lock.  The invalidation comes with the guest_memfd's invalidate_lock held,
 * and takes mmu_lock only.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kvm_host.h>
#include <linux/psp-sev.h>
#include <linux/rbtree.h>

#include <asm/sev.h>

#include "x86.h"
#include "svm.h"
#include "trace.h"
#include "vmsa.h"

/* The RMP wants a GPA for each page; KVM's VMSAs are in no memslot. */
#define INITIAL_VMSA_GPA 0xFFFFFFFFF000

/* NONE to KVM_SHARED. */
int sev_es_alloc_kvm_vmsa(struct vcpu_svm *svm)
{
	struct page *page = snp_safe_alloc_page();

	if (!page)
		return -ENOMEM;

	svm->sev_es.vmsa = page_address(page);
	svm->sev_es.vmsa_state = SEV_ES_VMSA_KVM_SHARED;
	return 0;
}

/* The VMSA that KVM may read and write, if there is one. */
struct sev_es_save_area *sev_es_get_kvm_shared_vmsa(struct vcpu_svm *svm)
{
	if (svm->sev_es.vmsa_state != SEV_ES_VMSA_KVM_SHARED)
		return NULL;

	return svm->sev_es.vmsa;
}

/* For a VMCB that is being set up, by RESET, INIT or intra-host migration. */
void sev_es_init_vmsa_pa(struct vcpu_svm *svm)
{
	switch (svm->sev_es.vmsa_state) {
	case SEV_ES_VMSA_NONE:
		svm->vmcb->control.vmsa_pa = INVALID_PAGE;
		break;
	case SEV_ES_VMSA_KVM_SHARED:
	case SEV_ES_VMSA_KVM_PRIVATE:
		/* No C-bit: the CPU uses the guest's key whatever the address is. */
		svm->vmcb->control.vmsa_pa = __pa(svm->sev_es.vmsa);
		break;
	case SEV_ES_VMSA_GUEST_OWNED:
		/* Only sev_snp_reload_vmsa() can tell where it is. */
		break;
	}
}

/* KVM_SHARED to KVM_PRIVATE, for the firmware to encrypt the page in place. */
int sev_es_make_kvm_vmsa_private(struct vcpu_svm *svm)
{
	struct sev_es_save_area *vmsa = sev_es_get_kvm_shared_vmsa(svm);
	struct kvm *kvm = svm->vcpu.kvm;
	int ret;

	if (!vmsa)
		return -EINVAL;

	if (is_sev_snp_guest(&svm->vcpu)) {
		ret = rmp_make_private(PHYS_PFN(__pa(vmsa)), INITIAL_VMSA_GPA, PG_LEVEL_4K,
				       to_kvm_sev_info(kvm)->asid, true);
		if (ret)
			return ret;
	} else {
		/* What KVM wrote mustn't reach memory after what the firmware did. */
		clflush_cache_range(vmsa, PAGE_SIZE);
	}

	svm->sev_es.vmsa_state = SEV_ES_VMSA_KVM_PRIVATE;
	return 0;
}

/* Back to KVM_SHARED if the firmware refused it, so that userspace can try again. */
void sev_es_reclaim_kvm_vmsa(struct vcpu_svm *svm)
{
	struct kvm *kvm = svm->vcpu.kvm;

	if (is_sev_snp_guest(&svm->vcpu) &&
	    snp_page_reclaim(kvm, PHYS_PFN(__pa(svm->sev_es.vmsa)))) {
		/* The page was leaked, and the VM is dead. */
		svm->vmcb->control.vmsa_pa = INVALID_PAGE;
		svm->sev_es.vmsa = NULL;
		svm->sev_es.vmsa_state = SEV_ES_VMSA_NONE;
		return;
	}

	svm->sev_es.vmsa_state = SEV_ES_VMSA_KVM_SHARED;
}

/* For any vCPU: it may become an SEV-ES one later, by intra-host migration. */
void sev_snp_init_vmsa(struct vcpu_svm *svm)
{
	mutex_init(&svm->snp_vmsa.mutex);
	svm->snp_vmsa.pending_gpa = INVALID_PAGE;
	svm->snp_vmsa.gpa = INVALID_PAGE;
}

/* AP Creation, or AP Destroy if @gpa is INVALID_PAGE, by any vCPU for any vCPU. */
void sev_snp_set_pending_vmsa(struct vcpu_svm *svm, gpa_t gpa)
{
	guard(mutex)(&svm->snp_vmsa.mutex);

	svm->snp_vmsa.pending_gpa = gpa;
	svm->snp_vmsa.waiting_for_reset = true;
}

static struct vcpu_svm *sev_snp_vmsa_owner(const struct rb_node *node)
{
	return rb_entry(node, struct vcpu_svm, snp_vmsa.node);
}

static bool sev_snp_vmsa_less(struct rb_node *a, const struct rb_node *b)
{
	return sev_snp_vmsa_owner(a)->snp_vmsa.gpa < sev_snp_vmsa_owner(b)->snp_vmsa.gpa;
}

static int sev_snp_vmsa_cmp(const void *key, const struct rb_node *node)
{
	gfn_t gfn = gpa_to_gfn(sev_snp_vmsa_owner(node)->snp_vmsa.gpa);
	const struct kvm_gfn_range *range = key;

	if (gfn < range->start)
		return 1;

	return gfn < range->end ? 0 : -1;
}

/*
 * Keep the vCPU's guest-provided VMSA in the index, so that an invalidation finds
 * the vCPUs it concerns.  INVALID_PAGE takes it out.
 */
static void sev_snp_track_vmsa(struct vcpu_svm *svm, gpa_t gpa)
{
	struct vcpu_snp_vmsa *vmsa = &svm->snp_vmsa;
	struct kvm *kvm = svm->vcpu.kvm;
	struct rb_root *vmsas = &to_kvm_sev_info(kvm)->snp_vmsas;

	if (gpa == vmsa->gpa)
		return;

	write_lock(&kvm->mmu_lock);

	if (VALID_PAGE(vmsa->gpa))
		rb_erase(&vmsa->node, vmsas);

	vmsa->gpa = gpa;
	if (VALID_PAGE(gpa))
		rb_add(&vmsa->node, vmsas, sev_snp_vmsa_less);

	write_unlock(&kvm->mmu_lock);
}

/* To GUEST_OWNED: part of the vCPU's INIT. */
void sev_snp_take_pending_vmsa(struct vcpu_svm *svm)
{
	struct kvm_vcpu *vcpu = &svm->vcpu;
	gpa_t gpa;

	guard(mutex)(&svm->snp_vmsa.mutex);

	if (!svm->snp_vmsa.waiting_for_reset)
		return;

	svm->snp_vmsa.waiting_for_reset = false;
	gpa = svm->snp_vmsa.pending_gpa;
	svm->snp_vmsa.pending_gpa = INVALID_PAGE;

	/*
	 * From here on the vCPU never goes back to KVM's VMSA.  That is kept until
	 * the vCPU is freed: to flush it from the caches takes longer than a guest
	 * should have to wait for its vCPU.
	 */
	svm->vmcb->control.vmsa_pa = INVALID_PAGE;
	svm->sev_es.vmsa_state = SEV_ES_VMSA_GUEST_OWNED;
	sev_snp_track_vmsa(svm, gpa);

	/*
	 * Destroyed, the vCPU waits for another AP Creation.  Created, it runs,
	 * even if there is no VMSA to be loaded, so that KVM_RUN fails instead
	 * of waiting forever for what nobody will do.
	 */
	vcpu->arch.pv.pv_unhalted = false;
	if (VALID_PAGE(gpa)) {
		kvm_make_request(KVM_REQ_VMSA_PAGE_RELOAD, vcpu);
		kvm_set_mp_state(vcpu, KVM_MP_STATE_RUNNABLE);
	} else {
		kvm_set_mp_state(vcpu, KVM_MP_STATE_HALTED);
	}
}

/* Have all vCPUs reload their VMSA that are in the range; @node is the first. */
static void sev_snp_invalidate_vmsas(struct kvm *kvm, struct kvm_gfn_range *range,
				     struct rb_node *node)
{
	DECLARE_BITMAP(vcpu_mask, KVM_MAX_VCPUS);
	struct vcpu_svm *svm;

	bitmap_zero(vcpu_mask, KVM_MAX_VCPUS);
	for (; node; node = rb_next_match(range, node, sev_snp_vmsa_cmp)) {
		svm = sev_snp_vmsa_owner(node);
		trace_kvm_snp_vmsa_invalidate(svm->vcpu.vcpu_id, svm->snp_vmsa.gpa,
					      range->start, range->end);
		__set_bit(svm->vcpu.vcpu_idx, vcpu_mask);
	}

	kvm_make_vcpus_request_mask(kvm, KVM_REQ_VMSA_PAGE_RELOAD, vcpu_mask);
}

/* Something about this memory is about to change: let go of it. */
void sev_gmem_invalidate_range(struct kvm *kvm, struct kvm_gfn_range *range)
{
	struct rb_node *node;

	lockdep_assert_held_write(&kvm->mmu_lock);

	/*
	 * What is found may not be in use, which does no harm: the vCPU looks it
	 * up in vain.  What is in use is found, as it was added before.
	 */
	node = rb_find_first(range, &to_kvm_sev_info(kvm)->snp_vmsas, sev_snp_vmsa_cmp);
	if (node)
		sev_snp_invalidate_vmsas(kvm, range, node);
}

/*
 * guest_memfd makes a page private after it has marked it up-to-date.  If a CPU
 * tried to use the page as VMSA in the meantime, RMPUPDATE would fail.
 */
static bool sev_snp_is_pfn_private(kvm_pfn_t pfn)
{
	bool assigned;
	int level;

	return !snp_lookup_rmpentry(pfn, &assigned, &level) && assigned;
}

static int sev_snp_load_vmsa(struct vcpu_svm *svm, gpa_t gpa)
{
	struct kvm_vcpu *vcpu = &svm->vcpu;
	struct kvm_memory_slot *slot;
	struct kvm *kvm = vcpu->kvm;
	gfn_t gfn = gpa_to_gfn(gpa);
	unsigned long mmu_seq;
	kvm_pfn_t pfn;
	int r;

	slot = gfn_to_memslot(kvm, gfn);
	if (!slot)
		return -ENOENT;

	mmu_seq = kvm->mmu_invalidate_seq;
	/*
	 * A lookup before the snapshot might find what was there before an
	 * invalidation that is over by the time of the snapshot.
	 */
	smp_rmb();

	r = kvm_gmem_find_pfn(slot, gfn, &pfn);
	if (r)
		return r;

	guard(read_lock)(&kvm->mmu_lock);

	if (mmu_invalidate_retry_gfn(kvm, mmu_seq, gfn)) {
		kvm_make_request(KVM_REQ_VMSA_PAGE_RELOAD, vcpu);
		return -EAGAIN;
	}

	if (!sev_snp_is_pfn_private(pfn))
		return -ENOENT;

	svm->vmcb->control.vmsa_pa = pfn_to_hpa(pfn);
	return 0;
}

/* Can userspace do something about the lack of a page by converting memory? */
static bool sev_snp_vmsa_is_shared(struct kvm *kvm, gfn_t gfn)
{
	struct kvm_memory_slot *slot = gfn_to_memslot(kvm, gfn);

	return kvm_slot_has_gmem(slot) && !kvm_mem_is_private(kvm, gfn);
}

/* KVM_REQ_VMSA_PAGE_RELOAD */
int sev_snp_reload_vmsa(struct kvm_vcpu *vcpu)
{
	struct vcpu_svm *svm = to_svm(vcpu);
	gpa_t gpa = svm->snp_vmsa.gpa;
	int r;

	/* The request may be left over from a VMSA that was destroyed since. */
	if (!VALID_PAGE(gpa))
		return 0;

	/*
	 * The GPA stays in the index even if there is nothing to be loaded: the
	 * page may come back, and then may go again.
	 */
	svm->vmcb->control.vmsa_pa = INVALID_PAGE;

	/* The CPU has nothing cached that is true of another VMSA. */
	vmcb_mark_all_dirty(svm->vmcb);

	r = sev_snp_load_vmsa(svm, gpa);
	trace_kvm_snp_vmsa_reload(vcpu->vcpu_id, gpa, svm->vmcb->control.vmsa_pa, r);
	if (!r || r == -EAGAIN)
		return 0;

	/* Else sev_es_refuse_entry() tells userspace, and requests another try. */
	if (!sev_snp_vmsa_is_shared(vcpu->kvm, gpa_to_gfn(gpa)))
		return 0;

	kvm_make_request(KVM_REQ_VMSA_PAGE_RELOAD, vcpu);
	kvm_prepare_memory_fault_exit(vcpu, gpa, PAGE_SIZE, false, false, true);
	return -EFAULT;
}

/* The vCPU was about to enter the guest, and vmsa_pa isn't valid. */
int sev_es_refuse_entry(struct vcpu_svm *svm)
{
	/* One try for each KVM_RUN. */
	if (VALID_PAGE(svm->snp_vmsa.gpa))
		kvm_make_request(KVM_REQ_VMSA_PAGE_RELOAD, &svm->vcpu);

	/*
	 * A refused entry updates last_vmentry_cpu, i.e. hides that the vCPU ran
	 * on a different pCPU since it last ran on this one.
	 */
	svm->vmcb->control.tlb_ctl = TLB_CONTROL_FLUSH_ASID;
	return -EINVAL;
}

/* To NONE, from any state. */
void sev_es_free_vmsa(struct vcpu_svm *svm)
{
	struct sev_es_save_area *vmsa = svm->sev_es.vmsa;
	struct kvm_vcpu *vcpu = &svm->vcpu;

	sev_snp_track_vmsa(svm, INVALID_PAGE);

	/* There is no VMCB yet if creating the vCPU failed. */
	if (svm->vmcb)
		svm->vmcb->control.vmsa_pa = INVALID_PAGE;

	switch (svm->sev_es.vmsa_state) {
	case SEV_ES_VMSA_NONE:
		return;
	case SEV_ES_VMSA_KVM_SHARED:
		break;
	case SEV_ES_VMSA_KVM_PRIVATE:
	case SEV_ES_VMSA_GUEST_OWNED:
		/* If the RMP doesn't let go of it, the page was leaked, with a WARN. */
		if (is_sev_snp_guest(vcpu) &&
		    kvm_rmp_make_shared(vcpu->kvm, PHYS_PFN(__pa(vmsa)), PG_LEVEL_4K))
			goto leaked;

		sev_flush_encrypted_page(vcpu, vmsa);
		break;
	}

	__free_page(virt_to_page(vmsa));
leaked:
	svm->sev_es.vmsa = NULL;
	svm->sev_es.vmsa_state = SEV_ES_VMSA_NONE;
}
