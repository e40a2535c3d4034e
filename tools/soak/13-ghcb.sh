#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Random GHCB contents and AP Creation requests for a quarter of an hour, on a kernel with
# lock, RCU and memory debugging: no splat, and no page is left assigned.
# limit: 7200
. "$(dirname "$0")/../check/lib.sh"

make_qemu
kernel=$(make_kernel "$BASENAME" debug)
tests=$(make_tests "$BASENAME")
SNP_LIMIT=6000 snp_run soak-ghcb "$kernel" "$tests/sev_snp_ghcb_fuzz_test --i-know-it-may-kill-the-host -t 900" | tee "$TMP/out"
echo "sev_snp_ghcb_fuzz_test for 900 s on $LINUX with debugging: $(sed -n 's/^# \(.* requests of .*\)/\1/p' "$TMP/out")"
