#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Upstream's KVM selftests give the same results on the base and on the series,
# with lock, RCU and memory debugging on, and no splat; stock QEMU.
# inputs: patches/linux-6.12.y/fix arch include virt tools/kernel tools/series bases
# limit: 3600
. "$(dirname "$0")/lib.sh"
command -v qemu-system-x86_64 > /dev/null || skip "no qemu-system-x86_64"

tools=$TOP/tools/kernel
"$TOP/tools/series/compose.sh" "$BASENAME"
after=$("$tools/kernel.sh" "$BASENAME" debug)
before=$("$tools/base-kernel.sh" "$BASENAME" debug)
tests=$("$tools/kselftest.sh" "$BASENAME")
"$tools/compare.sh" "$before" "$after" "$tests"

# A difference and a splat have to be seen.
sed 's/\(vm: end x86_64\/state_test\) 0/\1 254/' "$LOGS/compare-after.log" > "$TMP/differs.log"
sed 's/\(.*\)vm: start x86_64\/sync_regs_test/&\nWARNING: CPU: 0 PID: 1 at nowhere/' "$LOGS/compare-after.log" > "$TMP/splat.log"
for bad in differs splat; do
	! "$tools/compare.sh" --logs "$LOGS/compare-before.log" "$TMP/$bad.log" > "$TMP/out" || fail "not seen: $bad"
	grep -q '<--' "$TMP/out" || fail "not marked: $bad"
done
