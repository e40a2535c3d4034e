#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The fixes in the form of Debian's kernel package: quilt applies them, in the
# order of series and without fuzz, to the unpacked source, which then is what
# the fixes compose to; each has its DEP-3 headers.
# inputs: patches arch include virt tools/series bases
. "$(dirname "$0")/lib.sh"

command -v quilt > /dev/null || skip "no quilt"
"$TOP/tools/series/debian.sh" "$BASENAME"
tree=$BUILD/$BASENAME
out=$BUILD/debian/$BASENAME
base=$(git -C "$tree" rev-parse refs/series/base)
last=$base
while read -r commit; do
	[[ $(git -C "$tree" notes --ref=series show "$commit") != "Part: fix"* ]] || last=$commit
done < <(git -C "$tree" rev-list --reverse "$base..refs/series/composed")
[[ $last != "$base" ]] || fail "nothing of the base $BASENAME is a fix"

# The source, as far as KVM is concerned, with the patches where Debian has them.
sparse_tree "$TMP/t" "$base"
mkdir -p "$TMP/t/debian/patches"
cp -r "$out/bugfix" "$TMP/t/debian/patches/"
cp "$out/series.add" "$TMP/t/debian/patches/series"
cd "$TMP/t" || exit
export QUILT_PATCHES=debian/patches
quilt --quiltrc=- push -a --fuzz=0
git diff --quiet "$last" -- arch virt include || fail "not what the fixes compose to: $(git diff --stat "$last" -- arch virt include)"

for patch in "$out"/bugfix/x86/*.patch; do
	for field in From Subject Date Origin Forwarded; do
		sed '/^$/q' "$patch" | grep -qE "^$field: ." || fail "${patch##*/} has no $field:"
	done
done
[[ $(wc -l < "$out/series.add") -eq $(find "$out/bugfix" -name '*.patch' | wc -l) ]] || fail "series is not the list of the patches"

# It has to see a patch less.
quilt --quiltrc=- pop > /dev/null
! git diff --quiet "$last" -- arch virt include || fail "a patch less, and the same tree"
