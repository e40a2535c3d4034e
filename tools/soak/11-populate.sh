#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# LAUNCH_UPDATE against lookups, 1000 rounds of each case, on a kernel with lock,
# RCU and memory debugging: no splat, and no page is left assigned.
# limit: 7200
. "$(dirname "$0")/../check/lib.sh"

make_qemu
kernel=$(make_kernel "$BASENAME" debug)
tests=$(make_tests "$BASENAME")
SNP_LIMIT=6000 snp_run soak-populate "$kernel" "$tests/sev_snp_populate_race_test --i-know-it-may-kill-the-host -n 1000"
echo "sev_snp_populate_race_test with 1000 rounds on $LINUX with debugging"
