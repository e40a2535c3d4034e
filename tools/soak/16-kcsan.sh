#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# All cases on a 7.3.y that tells of data races in the files that the series touches.
# There is none but one that is upstream's. Without the lock of the index of VMSAs
# there are more.
# limit: 7200
export LINUX=7.3.y PARTS='' LINUX_SRC=''
. "$(dirname "$0")/../check/lib.sh"

make_qemu
kernel=$(make_kernel "$BASENAME" kcsan)
tests=$(make_tests "$BASENAME")
# The store to vcpu->mode that ends VM entry is a plain one, as everywhere in KVM, and
# whoever kicks the vCPU compares and exchanges it.
printf '#!/bin/sh\necho "!kvm_arch_vcpu_should_kick" > /sys/kernel/debug/kcsan\n' > "$TMP/but-upstreams"
chmod +x "$TMP/but-upstreams"
runs=("$TMP/but-upstreams")
for test in vmsa_punch_hole vmsa_stress populate_race ghcb_fuzz; do
	runs+=("$tests/sev_snp_${test}_test --i-know-it-may-kill-the-host")
done
SNP_LIMIT=6000 snp_run soak-kcsan "$kernel" "${runs[@]}"
grep -q 'kcsan: enabled early' "$LOGS/soak-kcsan.dmesg" || fail "KCSAN is not on"

mutant=rework-index-lock work=$BUILD/kcsan-mutant
echo "## the mutant $mutant"
rm -rf "$work"
mkdir -p "$work"
new_tree "$BUILD/$BASENAME/.git" "$work/$BASENAME"
git -C "$work/$BASENAME" update-ref refs/series/base "$(git -C "$BUILD/$BASENAME" rev-parse refs/series/base)"
sgit -C "$work/$BASENAME" checkout -q --detach "$(git -C "$BUILD/$BASENAME" rev-parse refs/series/composed)"
git -C "$work/$BASENAME" apply "$TOP/tools/protocol/mutants/$BASENAME/$mutant.patch"
kernel=$(BUILD=$work "$TOP/tools/build/kernel.sh" "$BASENAME" kcsan)
! snp_run soak-kcsan-mutant "$kernel" "$TMP/but-upstreams" "$tests/sev_snp_vmsa_stress_test --i-know-it-may-kill-the-host -c 10 -t 60" \
	> "$LOGS/soak-kcsan-mutant.log" 2>&1 || fail "nobody notices $mutant"
race=$(grep -ao 'BUG: KCSAN: data-race in .*track_vmsa.*' "$LOGS/soak-kcsan-mutant.dmesg" | sort -u) ||
	fail "KCSAN does not notice $mutant (log: $LOGS/soak-kcsan-mutant.log)"
echo "$race"
rm -rf "$work"
echo "all cases on $LINUX with KCSAN; and it sees $mutant"
