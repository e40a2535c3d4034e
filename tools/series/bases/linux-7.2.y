# Has mainline's fix, but for 98fb11aed12b, and lacks what that lacks.
kind     linux
package  linux-source-7.2
suite    trixie-backports
parts    fix-populate fix tests
prefix   PATCH 7.2.y
# The lists that it goes to; people are for who sends it to add.
to       kvm@vger.kernel.org
cc       linux-kernel@vger.kernel.org stable@vger.kernel.org
marker   virt/kvm/guest_memfd.c
# PART FILE TEXT: the base has PART already if TEXT is in FILE.
has      fix-populate virt/kvm/guest_memfd.c Keep the folio locked until it's both
has      fix virt/kvm/guest_memfd.c kvm_gmem_find_pfn
# As 7.3.y: the kick of its fix may not wait.
vulnerable 7.2.12
dies     sev_snp_vmsa_punch_hole_test 5 RMPUPDATE failed for PFN .* ret: 3
dies     sev_snp_populate_race_test 1 kvm_gmem_get_pfn
whole    arch include virt tools/testing/selftests/kvm Documentation
# PATH-HERE PATH-IN-BASE: the selftests moved from x86_64/ to x86/ in 6.14.
map      tools/testing/selftests/kvm/x86_64/ tools/testing/selftests/kvm/x86/
map      tools/testing/selftests/kvm/include/x86_64/ tools/testing/selftests/kvm/include/x86/
map      tools/testing/selftests/kvm/lib/x86_64/ tools/testing/selftests/kvm/lib/x86/
# NAME-HERE NAME-IN-BASE: an option of tools/build/*.config that has another name.
option   PROC_SYSCTL SYSCTL
