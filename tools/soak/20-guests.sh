#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Guests of every kind, OVMF and Linux under the distribution's QEMU, boot on the
# emulated host, with the distribution's kernel and with our two modules: APs come
# up, by AP Creation if it is SEV-SNP, the attestation report has the launch digest
# that one computes from the firmware and the VMSAs, and with kernel-hashes=on from
# kernel, initramfs and command line, the disk works, and no page is left assigned.
# limit: 14400
. "$(dirname "$0")/../check/lib.sh"

here=$TOP/tools/snphost/guests
make_qemu
compose_base linux-6.12.y
debian=$("$TOP/tools/snphost/debian-kernel.sh" linux-6.12.y)
ours=$("$TOP/tools/build/exchange.sh" linux-6.12.y "$debian")
gcc -O2 -Wall -Wextra -Werror -static -o "$TMP/report" "$here/report.c"
firmware=$("$TOP/tools/snphost/guest-vmm.sh" amdsev)/share

# guest TYPE CPUS HOST KERNEL [OVMF]: with another OVMF than OVMF.fd it has hashes.
guest() {
	local type=$1 cpus=$2 ovmf=${5:-OVMF.fd} name=soak-guest-$1-$2-$3${5:+-hashes} digest
	echo "## $type, $cpus CPUs, host: $3${5:+, kernel-hashes=on}"
	"$TOP/tools/snphost/guest" --type "$type" --smp "$cpus" --host-kernel "$4" ${5:+--kernel-hashes "$TMP/hashes"} \
		--rmp-audit --timeout 1800 --log "$LOGS/$name.log" --host-log "$LOGS/$name.dmesg" \
		--host-run "$here/creations" --file "$here/inside" --file "$TMP/report" \
		-- inside "$type" "$cpus" 2> "$TMP/err" | tee "$TMP/out" || { tail -5 "$TMP/err"; fail "$name (log: $LOGS/$name.log)"; }
	[[ $type == snp ]] || return 0
	digest=$("$here/digest" "$firmware/$ovmf" "$cpus" 0x800f12 ${5:+"$TMP/hashes"})
	grep -qx "measurement $digest" "$TMP/out" || fail "the report's measurement is not $digest"
	# OVMF does it, and then the kernel again.
	[[ $(sed -n 's/.*AP creations: //p' "$LOGS/$name.log") -ge $((2 * (cpus - 1))) ]] ||
		fail "not all APs were created: $(grep 'AP creations' "$LOGS/$name.log")"
}

for kind in 'snp 1' 'snp 2' 'snp 4' 'sev-es 2' 'sev 2' 'none 2'; do
	guest "${kind% *}" "${kind#* }" debian "$debian"
	guest "${kind% *}" "${kind#* }" ours "$ours"
done
guest snp 2 debian "$debian" OVMF.amdsev.fd
guest snp 2 ours "$ours" OVMF.amdsev.fd
echo "SEV-SNP with 1, 2 and 4 CPUs, SEV-ES, SEV and none with 2, SEV-SNP with kernel-hashes=on, on ${debian##*/} and on our modules"
