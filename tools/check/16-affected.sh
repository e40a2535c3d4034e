#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# tools/affected says of each kernel what it is: the distribution's own ones, which
# have the hole or mainline's fix, and the modules with the series.
# inputs: tools/affected tools/build patches arch include virt bases newer
# limit: 1800
. "$(dirname "$0")/lib.sh"

# expect STATUS DIR: what is said of the kernel in DIR.
expect() {
	local status=0
	"$TOP/tools/affected" "$2" | tee "$TMP/said" || status=${PIPESTATUS[0]}
	[[ $status -eq $1 ]] || fail "status $status, not $1, of $2"
}
compose_base "$BASENAME"
ours=$("$TOP/tools/build/modules.sh" "$BASENAME")
expect 0 "$ours"
for base in linux-6.12.y linux-7.2.y linux-7.3.y; do
	expect 1 "$("$TOP/tools/snphost/debian-kernel.sh" "$base")"
done
# Mainline's fix is seen to be there.
grep -q 'page is freed  *yes' "$TMP/said" || fail "mainline's fix is not seen"

# Compressed, as distributions have them, in a folder as it is installed.
mkdir -p "$TMP/lib/kernel/arch/x86/kvm"
for module in kvm kvm-amd; do
	xz < "$ours/$module.ko" > "$TMP/lib/kernel/arch/x86/kvm/$module.ko.xz"
done
expect 0 "$TMP/lib"
mkdir "$TMP/empty"
expect 2 "$TMP/empty"
# A word of it that is not there any more has to be missed.
for module in kvm kvm-amd; do
	sed 's/kvm_gmem_find_pfn/kvm_gmem_none_pfn/g' "$ours/$module.ko" > "$TMP/empty/$module.ko"
done
expect 1 "$TMP/empty"
