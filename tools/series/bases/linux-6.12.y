# The longterm kernel that still has the hole.
kind     linux
package  linux-source-6.12
parts    fix tests
prefix   PATCH 6.12.y
marker   virt/kvm/guest_memfd.c
# PART FILE TEXT: the base has PART already if TEXT is in FILE.
has      fix arch/x86/include/asm/kvm_host.h KVM_REQ_VMSA_PAGE_RELOAD
# Where whole new files of the series stand in this repo; same path in the base unless mapped.
whole    arch include virt tools/testing/selftests/kvm Documentation
