#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Upstream's KVM selftests pass on the base and on the series,
# with lock, RCU and memory debugging on, and no splat, in a machine without SNP:
# the emulator all the same, for stock QEMU's first CPU may lose flags (IGNNE#).
# inputs: patches/linux-$LINUX arch include virt tools/testing tools/build tools/series tools/snphost patches/qemu-$QEMU bases
# limit: 5400
. "$(dirname "$0")/lib.sh"

SNPHOST_QEMU=$(make_qemu)
export SNPHOST_QEMU
after=$(make_kernel "$BASENAME" debug)
before=$("$TOP/tools/build/base-kernel.sh" "$BASENAME" debug)
tests=$(make_tests "$BASENAME")
"$TOP/tools/check/compare.sh" "$before" "$after" "${tests%/*}" | sed -u 's/^# /## /'

# A difference, a splat, and a test that fails on both have to be seen.
before=$LOGS/compare-before.log after=$LOGS/compare-after.log
fails='s/\(vm: end x86_64\/state_test\) 0/\1 254/'
sed "$fails" "$before" > "$TMP/fails-before.log"
sed "$fails" "$after" > "$TMP/fails.log"
sed 's/\(.*\)vm: start x86_64\/sync_regs_test/&\nWARNING: CPU: 0 PID: 1 at nowhere/' "$after" > "$TMP/splat.log"
seen() {
	! "$TOP/tools/check/compare.sh" --logs "$@" > "$TMP/out" || fail "not seen: $*"
	grep -q '<--' "$TMP/out" || fail "not marked: $*"
}
seen "$before" "$TMP/fails.log"
seen "$before" "$TMP/splat.log"
seen "$TMP/fails-before.log" "$TMP/fails.log"
