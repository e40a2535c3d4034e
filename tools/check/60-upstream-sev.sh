#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Upstream's own SEV selftests, as they are in a newer kernel (6.12 has none for
# SNP), pass on the emulated SNP host for SEV, SEV-ES and SEV-SNP, on the kernel
# with the series and with debugging on, and leave no page assigned.
# inputs: tools patches arch include virt bases
# limit: 2400
. "$(dirname "$0")/lib.sh"
newer=linux-7.3.y

"$TOP/tools/series/compose.sh" "$BASENAME"
"$TOP/tools/series/compose.sh" "qemu-${QEMU:-7.2}"
"$TOP/tools/qemu.sh" "qemu-${QEMU:-7.2}"
bzimage=$("$TOP/tools/kernel/kernel.sh" "$BASENAME" debug)
PARTS='' LINUX_SRC='' "$TOP/tools/series/compose.sh" "$newer"
tests=$("$TOP/tools/kernel/kselftest.sh" "$newer")
for test in sev_smoke_test sev_init2_tests sev_migrate_tests; do
	echo "$test"
	"$TOP/tools/snphost/snphost" --kernel "$bzimage" --rmp-audit --timeout 300 \
		--log "$LOGS/$test.dmesg" --file "$tests/x86/$test" -- "/$test"
	grep -q 'SEV-SNP enabled' "$LOGS/$test.dmesg" || fail "the kernel did not enable SEV-SNP"
done
