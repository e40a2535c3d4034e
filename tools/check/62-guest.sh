#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A full guest, OVMF and Linux under the distribution's QEMU, boots on the emulated
# host: APs come up by AP Creation, the attestation report has the launch digest
# that one computes from the firmware and the VMSAs, the disk works, and no page
# is left assigned.
# inputs: tools/snphost tools/series tools/qemu.sh patches/qemu-7.2 bases
# limit: 2400
. "$(dirname "$0")/lib.sh"

here=$TOP/tools/snphost/guests
make_qemu
gcc -O2 -Wall -Wextra -Werror -static -o "$TMP/report" "$here/report.c"
firmware=$("$TOP/tools/snphost/guest-vmm.sh")/share/OVMF.fd

# guest TYPE CPUS KERNEL
guest() {
	local type=$1 cpus=$2 kernel=$3 name=guest-$1-$2 digest
	echo "$type, $cpus CPUs, on $kernel"
	"$TOP/tools/snphost/guest" --type "$type" --smp "$cpus" --host-kernel "$kernel" \
		--rmp-audit --timeout 900 --log "$LOGS/$name.log" --host-log "$LOGS/$name.dmesg" \
		--host-run "$here/creations" --file "$here/inside" --file "$TMP/report" \
		-- inside "$type" "$cpus" 2> "$TMP/err" | tee "$TMP/out" || { tail -5 "$TMP/err"; fail "$name (log: $LOGS/$name.log)"; }
	[[ $type == snp ]] || return 0
	digest=$("$here/digest" "$firmware" "$cpus" 0x800f12)
	grep -qx "measurement $digest" "$TMP/out" || fail "the report's measurement is not $digest"
	# OVMF does it, and then the kernel again.
	grep -qE "AP creations: ([$cpus-9]|[1-9][0-9])" "$LOGS/$name.log" ||
		[[ $cpus -eq 1 ]] || fail "no AP was created: $(grep 'AP creations' "$LOGS/$name.log")"
}

guest snp 2 debian
