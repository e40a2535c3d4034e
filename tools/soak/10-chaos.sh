#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Random AP creations against random punches for twenty minutes, on a kernel with
# lock, RCU and memory debugging: no splat, and no page is left assigned.
# limit: 7200
. "$(dirname "$0")/../check/lib.sh"

make_qemu
kernel=$(make_kernel "$BASENAME" debug)
tests=$(make_tests "$BASENAME")
SNP_LIMIT=6000 snp_run soak-chaos "$kernel" "$tests/sev_snp_vmsa_stress_test --i-know-it-may-kill-the-host -c 10 -t 1200"
echo "case 10 of sev_snp_vmsa_stress_test for 1200 s on $LINUX with debugging"
