#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Each commit of the rework passes all cases, as modules for the distribution's kernel.
# limit: 7200
export LINUX=7.3.y PARTS='' LINUX_SRC=''
. "$(dirname "$0")/../check/lib.sh"

make_qemu
dir=$(make_tests "$BASENAME")
tests=()
for test in sev_snp_vmsa_punch_hole_test sev_snp_vmsa_stress_test sev_snp_populate_race_test; do
	tests+=("$dir/$test --i-know-it-may-kill-the-host")
done
debian=$("$TOP/tools/snphost/debian-kernel.sh" "$BASENAME")
headers=$("$TOP/tools/build/headers.sh" "$BASENAME" "${debian##*/}")

# In a directory of its own, with what modules are made from and no more.
work=$BUILD/commits-$BASENAME tree=$BUILD/$BASENAME
base=$(git -C "$tree" rev-parse refs/series/base)
rm -rf "$work"
mkdir -p "$work"
new_tree "$tree/.git" "$work/$BASENAME" /arch/x86/ /include/ /virt/
git -C "$work/$BASENAME" update-ref refs/series/base "$base"
[[ $headers != "$BUILD"/* ]] || ln -sfn "$BUILD/headers-${debian##*/}" "$work/headers-${debian##*/}"

n=0
while read -r commit subject <&3; do
	[[ $(git -C "$tree" notes --ref=series show "$commit") == 'Part: rework' ]] || continue
	echo "## $subject"
	sgit -C "$work/$BASENAME" checkout -q --detach --force "$commit"
	kernel=$(BUILD=$work "$TOP/tools/build/exchange.sh" "$BASENAME" "$debian")
	snp_run soak-rework-commits "$kernel" "${tests[@]}" > "$LOGS/soak-rework-commits.log" ||
		fail "'$subject' (log: $LOGS/soak-rework-commits.log)"
	n=$((n + 1))
done 3< <(git -C "$tree" log --reverse --format='%H %s' "$base..refs/series/composed")
[[ $n -gt 0 ]] || fail "no commit of the rework"
echo "$n commits, all cases on each"
