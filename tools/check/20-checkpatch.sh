#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The base's own checkpatch.pl --strict says nothing about any exported patch.
# inputs: patches arch include virt tools/testing tools/series tools/check/each-patch.sh Documentation bases
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/each-patch.sh"

cd "$TOP" || exit
tools/series/export.sh "$BASENAME" --files
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
bad=0
each_patch "${patches[@]}" || bad=1

# It has to see a fault: a space at the end of an added line, and no signature.
space_at_end "${patches[-1]}" > "$TMP/space.patch"
! checkpatch "$TMP/space.patch" > "$TMP/out" 2>&1 || fail "a space at the end of a line is not seen"
grep -q TRAILING_WHITESPACE "$TMP/out" || fail "not the fault that was made: $(< "$TMP/out")"
sed '/^Signed-off-by/d' "${patches[-1]}" > "$TMP/unsigned.patch"
! checkpatch "$TMP/unsigned.patch" > "$TMP/out" 2>&1 || fail "a missing signature is not seen"
exit $bad
