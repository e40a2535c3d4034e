# The longterm kernel that still has the hole.
kind     linux
package  linux-source-6.12
# Suites to look in, for the source and for the distribution's binary: the newest
# of all is taken, of the same the first. "own" is all of the machine's.
suite    own trixie-security
parts    fix-populate fix tests
prefix   PATCH 6.12.y
# The lists that it goes to; people are for who sends it to add.
to       kvm@vger.kernel.org
cc       linux-kernel@vger.kernel.org stable@vger.kernel.org
marker   virt/kvm/guest_memfd.c
# PART FILE TEXT: the base has PART already if TEXT is in FILE.
has      fix-populate virt/kvm/guest_memfd.c Keep the folio locked until it's both
has      fix arch/x86/include/asm/kvm_host.h KVM_REQ_VMSA_PAGE_RELOAD
# Last upstream version that is known to have the hole. "fixed VERSION", once
# there is one, is the first without.
vulnerable 6.12.118
# TEST CASE TEXT: what the distribution's binary dies of, and what it says then,
# apart from the RMP violation.
dies     sev_snp_vmsa_punch_hole_test 2 RMPUPDATE failed for PFN .* ret: 3
dies     sev_snp_populate_race_test 1 kvm_gmem_get_pfn
dies     sev_snp_populate_race_test 4 sev_gmem_post_populate
# Where whole new files of the series stand in this repo; same path in the base unless mapped.
whole    arch include virt tools/testing/selftests/kvm Documentation
