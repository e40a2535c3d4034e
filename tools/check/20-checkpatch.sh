#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The base's own checkpatch.pl --strict says nothing about any exported patch.
# inputs: patches arch include virt tools/testing tools/series Documentation bases
. "$(dirname "$0")/lib.sh"

cd "$TOP" || exit
make -s series
tree=$BUILD/$BASENAME
# Nothing is ignored, with two exceptions that are about where the patch is
# and not what it is: the base is not the history in which commit IDs of
# Fixes: can be looked up (GIT_COMMIT_ID, UNKNOWN_COMMIT_ID), and MAINTAINERS
# entries for the new files stand in our own file (FILE_PATH_CHANGES).
ignore=UNKNOWN_COMMIT_ID,GIT_COMMIT_ID,FILE_PATH_CHANGES
checkpatch() {
	(cd "$tree" && scripts/checkpatch.pl --strict --no-summary --terse --show-types --ignore "$ignore" "$@")
}
patches=("$BUILD/series/$BASENAME"/*/0*.patch)
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

# It has to see a fault: a space at the end of an added line, and no signature.
awk '/^\+[^+]/ && !done { $0 = $0 " "; done = 1 } { print }' "${patches[-1]}" > "$TMP/space.patch"
! checkpatch "$TMP/space.patch" > "$TMP/out" 2>&1 || fail "a space at the end of a line is not seen"
grep -q TRAILING_WHITESPACE "$TMP/out" || fail "not the fault that was made: $(< "$TMP/out")"
sed '/^Signed-off-by/d' "${patches[-1]}" > "$TMP/unsigned.patch"
! checkpatch "$TMP/unsigned.patch" > "$TMP/out" 2>&1 || fail "a missing signature is not seen"
exit $bad
