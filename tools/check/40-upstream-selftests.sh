#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Upstream's KVM selftests give the same results on the base and on the series,
# with lock, RCU and memory debugging on, and no splat, in a machine without SNP:
# the emulator all the same, for stock QEMU's first CPU may lose flags (IGNNE#).
# inputs: patches/linux-6.12.y/fix arch include virt tools/kernel tools/series tools/qemu.sh tools/snphost/qemu patches/qemu-7.2 bases
# limit: 5400
. "$(dirname "$0")/lib.sh"

tools=$TOP/tools/kernel
VM_QEMU=$(make_qemu)
export VM_QEMU
after=$(make_kernel "$BASENAME" debug)
before=$("$tools/base-kernel.sh" "$BASENAME" debug)
tests=$(make_tests "$BASENAME")
"$tools/compare.sh" "$before" "$after" "${tests%/*}"

# A difference and a splat have to be seen.
sed 's/\(vm: end x86_64\/state_test\) 0/\1 254/' "$LOGS/compare-after.log" > "$TMP/differs.log"
sed 's/\(.*\)vm: start x86_64\/sync_regs_test/&\nWARNING: CPU: 0 PID: 1 at nowhere/' "$LOGS/compare-after.log" > "$TMP/splat.log"
for bad in differs splat; do
	! "$tools/compare.sh" --logs "$LOGS/compare-before.log" "$TMP/$bad.log" > "$TMP/out" || fail "not seen: $bad"
	grep -q '<--' "$TMP/out" || fail "not marked: $bad"
done
