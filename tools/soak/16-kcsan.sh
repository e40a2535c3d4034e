#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# All cases on a 7.3.y that tells of data races in the files that the series touches.
# There is none but those that are upstream's. Without the lock of the index of VMSAs
# there are more.
# limit: 7200
export LINUX=7.3.y PARTS='' LINUX_SRC=''
. "$(dirname "$0")/../check/lib.sh"

make_qemu
kernel=$(make_kernel "$BASENAME" kcsan)
tests=$(make_tests "$BASENAME")
# Upstream's own: the store to vcpu->mode that ends VM entry, the count in mmu_invalidate_seq
# and what tells of pending events are plain accesses, as everywhere in KVM; and vCPUs
# are put on a CPU while the clock is changed.
{
	printf '#!/bin/sh\nset -e\n'
	printf "echo '!%s' > /sys/kernel/debug/kcsan\n" kvm_arch_vcpu_should_kick kvm_make_vcpu_request \
		kvm_mmu_invalidate_end kvm_vcpu_has_events pvclock_gtod_notify
} > "$TMP/but-upstreams"
chmod +x "$TMP/but-upstreams"
runs=("$TMP/but-upstreams")
for test in vmsa_punch_hole vmsa_stress populate_race ghcb_fuzz; do
	runs+=("$tests/sev_snp_${test}_test --i-know-it-may-kill-the-host")
done
# What a vCPU's thread shares with its own preemption, KVM reads and writes plainly.
export SNP_APPEND=kcsan.interrupt_watcher=0
SNP_LIMIT=6000 snp_run soak-kcsan "$kernel" "${runs[@]}"
grep -q 'kcsan: enabled early' "$LOGS/soak-kcsan.dmesg" || fail "KCSAN is not on"

# Forty times as many accesses, in the case that has most of them at once.
SNP_APPEND+=" kcsan.skip_watch=100"
chaos=("$TMP/but-upstreams" "$tests/sev_snp_vmsa_stress_test --i-know-it-may-kill-the-host -c 10 -t 60")
snp_run soak-kcsan-more "$kernel" "${chaos[@]}"

mutant=rework-index-lock work=$BUILD/kcsan-mutant
echo "## the mutant $mutant"
rm -rf "$work"
mkdir -p "$work"
new_tree "$BUILD/$BASENAME/.git" "$work/$BASENAME"
git -C "$work/$BASENAME" update-ref refs/series/base "$(git -C "$BUILD/$BASENAME" rev-parse refs/series/base)"
sgit -C "$work/$BASENAME" checkout -q --detach "$(git -C "$BUILD/$BASENAME" rev-parse refs/series/composed)"
git -C "$work/$BASENAME" apply "$TOP/tools/protocol/mutants/$BASENAME/$mutant.patch"
kernel=$(BUILD=$work "$TOP/tools/build/kernel.sh" "$BASENAME" kcsan)
# It may lose the host before anything is told.
for (( try = 1; ; try++ )); do
	! snp_run soak-kcsan-mutant "$kernel" "${chaos[@]}" > "$LOGS/soak-kcsan-mutant.log" 2>&1 || fail "nobody notices $mutant"
	! grep -aoE 'BUG: KCSAN: data-race in .*sev_(snp|gmem)_.*' "$LOGS/soak-kcsan-mutant.dmesg" || break
	[[ $try -lt 10 ]] || fail "KCSAN does not notice $mutant (log: $LOGS/soak-kcsan-mutant.log)"
done
rm -rf "$work"
echo "all cases on $LINUX with KCSAN; and it sees $mutant"
