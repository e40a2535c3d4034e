#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Random commands, buffers, page states and IOMMU registers for the emulated
# security processor, with a new seed each time (in the log) for half an hour, with
# gcc's address, leak and undefined behaviour sanitizers.
# limit: 10800
. "$(dirname "$0")/../check/lib.sh"

qemu=$(make_qemu sanitize)
cd "${qemu%/*}" || exit
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 QTEST_QEMU_BINARY=$qemu
n=0 end=$((SECONDS + 1800))
while [[ $SECONDS -lt $end ]]; do
	tests/qtest/amd-psp-test --tap -k -m slow -p /x86_64/amd-psp/fuzz | tee "$TMP/out"
	grep -q '^ok 1 ' "$TMP/out" || fail "it did not run"
	n=$((n + 1))
done
echo "/amd-psp/fuzz of amd-psp-test with $n seeds, 200000 commands each"
