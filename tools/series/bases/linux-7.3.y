# Has the fix; the tests are made for it too.
kind     linux
package  linux-source-7.3
suite    trixie-backports
parts    fix tests
# What is composed if PARTS does not say.
default  tests
prefix   PATCH 7.3.y
marker   virt/kvm/guest_memfd.c
has      fix arch/x86/include/asm/kvm_host.h KVM_REQ_VMSA_PAGE_RELOAD
whole    arch include virt tools/testing/selftests/kvm Documentation
# PATH-HERE PATH-IN-BASE: the selftests moved from x86_64/ to x86/ in 6.14.
map      tools/testing/selftests/kvm/x86_64/ tools/testing/selftests/kvm/x86/
map      tools/testing/selftests/kvm/include/x86_64/ tools/testing/selftests/kvm/include/x86/
map      tools/testing/selftests/kvm/lib/x86_64/ tools/testing/selftests/kvm/lib/x86/
# NAME-HERE NAME-IN-BASE: an option of tools/kernel/*.config that has another name.
option   PROC_SYSCTL SYSCTL
