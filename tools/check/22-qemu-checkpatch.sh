#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# QEMU's own checkpatch.pl says nothing about any exported patch of the QEMU
# series, and they go to QEMU's list alone.
# inputs: patches/qemu-$QEMU tools/snphost/qemu tools/series tools/check/each-patch.sh bases
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/each-patch.sh"
QTREE=qemu-$QEMU
[[ -d $TOP/patches/$QTREE ]] || skip "no patches for $QTREE"

cd "$TOP" || exit
tools/series/export.sh "$QTREE" --files
! grep -rhE '^(To|Cc):.*@vger' "$BUILD/series/$QTREE" || fail "QEMU's patches go to a list of the kernel's"
grep -rqE '^To: qemu-devel@' "$BUILD/series/$QTREE" || fail "QEMU's patches do not go to QEMU's list"
# Its exit status is 0 for no more than warnings.
checkpatch() {
	local out
	out=$(cd "$BUILD/$QTREE" && scripts/checkpatch.pl --no-summary --terse "$1" 2>&1) || [[ $out ]] || fail "no checkpatch.pl"
	[[ -z $out ]] || { echo "$out"; return 1; }
}
patches=("$BUILD/series/$QTREE"/*/0*.patch)
bad=0
each_patch "${patches[@]}" || bad=1

# It has to see an error, a warning and that there is no signature.
sees() {
	! checkpatch "$TMP/bad.patch" > "$TMP/out" || fail "not seen: $1"
	grep -qi "$1" "$TMP/out" || fail "not seen: $1, but: $(< "$TMP/out")"
}
space_at_end "${patches[-1]}" > "$TMP/bad.patch"
sees "trailing whitespace"
added=("$BUILD/series/$QTREE"/*/*-add-the-SEV-SNP-reverse-map-table.patch)
sed '/^ MAINTAINERS /d' "${added[0]}" > "$TMP/bad.patch"
sees "does MAINTAINERS need updating"
sed '/^Signed-off-by/d' "${patches[-1]}" > "$TMP/bad.patch"
sees "missing signed-off-by"
exit $bad
