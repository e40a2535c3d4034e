#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# QEMU's own checkpatch.pl says nothing about any exported patch of the QEMU
# series.
# inputs: patches/qemu-7.2 tools/snphost/qemu tools/series bases
. "$(dirname "$0")/lib.sh"
QTREE=qemu-${QEMU:-7.2}
[[ -d $TOP/patches/$QTREE ]] || skip "no patches for $QTREE"

cd "$TOP" || exit
tools/series/export.sh "$QTREE"
# Its exit status is 0 for no more than warnings.
checkpatch() {
	local out
	out=$(cd "$BUILD/$QTREE" && scripts/checkpatch.pl --no-summary --terse "$1" 2>&1) || [[ $out ]] || fail "no checkpatch.pl"
	[[ -z $out ]] || { echo "$out"; return 1; }
}
patches=("$BUILD/series/$QTREE"/*/0*.patch)
[[ ${#patches[@]} -gt 0 ]] || fail "nothing exported"
bad=0
for patch in "${patches[@]}"; do
	[[ $patch != */0000-cover-letter.patch ]] || continue
	if checkpatch "$patch"; then
		echo "clean: ${patch#"$BUILD"/}"
	else
		bad=1
	fi
done

# It has to see an error, a warning and that there is no signature.
sees() {
	! checkpatch "$TMP/bad.patch" > "$TMP/out" || fail "not seen: $1"
	grep -qi "$1" "$TMP/out" || fail "not seen: $1, but: $(< "$TMP/out")"
}
awk '/^\+[^+]/ && !done { $0 = $0 " "; done = 1 } { print }' "${patches[-1]}" > "$TMP/bad.patch"
sees "trailing whitespace"
added=("$BUILD/series/$QTREE"/*/*-add-the-SEV-SNP-reverse-map-table.patch)
sed '/^ MAINTAINERS /d' "${added[0]}" > "$TMP/bad.patch"
sees "does MAINTAINERS need updating"
sed '/^Signed-off-by/d' "${patches[-1]}" > "$TMP/bad.patch"
sees "missing signed-off-by"
exit $bad
