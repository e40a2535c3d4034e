#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# guests.sh "TYPE CPUS [hashes]"...: each of these guests, OVMF and Linux under the
# distribution's QEMU, boots on the emulated host, with the distribution's kernel and
# with our two modules: its APs come up, by AP Creation if it is SEV-SNP, the
# attestation report has the launch digest that one computes from the firmware and the
# VMSAs, and with "hashes" (kernel-hashes=on) from kernel, initramfs and command line,
# a derived key is the same twice, the disk works, and no page is left assigned.
. "$(dirname "$0")/lib.sh"

here=$TOP/tools/snphost/guests
make_qemu
compose_base linux-6.12.y
debian=$("$TOP/tools/snphost/debian-kernel.sh" linux-6.12.y)
ours=$("$TOP/tools/build/exchange.sh" linux-6.12.y "$debian")
gcc -O2 -Wall -Wextra -Werror -static -o "$TMP/report" "$here/report.c"

guest() {	# HOST KERNEL TYPE CPUS [hashes]
	local host=$1 kernel=$2 type=$3 cpus=$4 hashes=${5:-} firmware digest
	local name=guest-$type-$cpus-$host${hashes:+-hashes}
	echo "## $type, $cpus CPUs, host: $host${hashes:+, kernel-hashes=on}"
	"$TOP/tools/snphost/guest" --type "$type" --smp "$cpus" --host-kernel "$kernel" ${hashes:+--kernel-hashes "$TMP/hashes"} \
		--rmp-audit --timeout 1800 --log "$LOGS/$name.log" --host-log "$LOGS/$name.dmesg" \
		--host-run "$here/creations" --file "$here/inside" --file "$TMP/report" \
		-- inside "$type" "$cpus" 2> "$TMP/err" | tee "$TMP/out" || { tail -5 "$TMP/err"; fail "$name (log: $LOGS/$name.log)"; }
	[[ $type == snp ]] || return 0
	firmware=$("$TOP/tools/snphost/guest-vmm.sh" ${hashes:+amdsev})/share/OVMF${hashes:+.amdsev}.fd
	digest=$("$here/digest" "$firmware" "$cpus" 0x800f12 ${hashes:+"$TMP/hashes"})
	grep -qx "measurement $digest" "$TMP/out" || fail "the report's measurement is not $digest"
	# OVMF does it, and then the kernel again.
	[[ $(sed -n 's/.*AP creations: //p' "$LOGS/$name.log") -ge $((2 * (cpus - 1))) ]] ||
		fail "not all APs were created: $(grep 'AP creations' "$LOGS/$name.log")"
}

[[ $# -gt 0 ]] || die "usage: guests.sh \"TYPE CPUS [hashes]\"..."
for kind; do
	# shellcheck disable=SC2086 # words
	guest debian "$debian" $kind
	# shellcheck disable=SC2086
	guest ours "$ours" $kind
done
echo "guests on ${debian##*/} and on our modules:$(printf ' %s,' "$@" | sed 's/,$//')"
