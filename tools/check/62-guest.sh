#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A full guest, OVMF and Linux under the distribution's QEMU, boots on the emulated
# host: its AP comes up by AP Creation, the attestation report has the launch digest
# that one computes from the firmware and the VMSAs, the disk works. The AP's VMSA
# is punched: of that the distribution's host dies, and with our modules KVM_RUN of
# that vCPU ends, the guest's other CPU goes on, and no page is left assigned.
# inputs: tools patches/linux-6.12.y patches/qemu-$QEMU arch include virt bases
# limit: 2400
. "$(dirname "$0")/lib.sh"

"$TOP/tools/verdict/demo"
digest=$("$TOP/tools/snphost/guests/digest" "$("$TOP/tools/snphost/guest-vmm.sh")/share/OVMF.fd" 2 0x800f12)
for leg in unfixed fixed; do
	grep -qx "measurement $digest" "$LOGS/demo-$leg.out" ||
		fail "the report's measurement is not $digest: $(grep measurement "$LOGS/demo-$leg.out")"
done
