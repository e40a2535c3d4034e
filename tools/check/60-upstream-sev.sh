#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Upstream's own SEV selftests, as they are in a newer kernel (6.12 has none for
# SNP), pass on the emulated SNP host for SEV, SEV-ES and SEV-SNP, on the kernel
# with the series and with debugging on, and leave no page assigned.
# inputs: tools patches arch include virt bases newer
# limit: 2400
. "$(dirname "$0")/lib.sh"

make_qemu
bzimage=$(make_kernel "$BASENAME" debug)
tests=$(make_tests linux-7.3.y)
snp_run upstream-sev "$bzimage" "$tests"/{sev_smoke_test,sev_init2_tests,sev_migrate_tests}
