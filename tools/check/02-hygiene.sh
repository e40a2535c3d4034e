#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# House rules that a machine can see: nobody signs in the committed patches,
# every whole file is named by a patch, each part has a cover letter, a fix stays
# within the 100 lines, with context, that stable takes, or the cover letter says
# why it does not, no archive's host name.
# inputs: patches arch include virt tools Documentation .ci Makefile README.md
. "$(dirname "$0")/lib.sh"

cd "$TOP" || exit
bad=0
complain() { echo "$*"; bad=1; }

# lines_of PATCH: those of its hunks, context included.
lines_of() { awk '/^diff --git / { hunk = 0 } /^@@ / { hunk = 1; next } hunk && /^[-+ ]/ { n++ } END { print n + 0 }' "$1"; }

for patch in patches/*/*/*.patch; do
	! grep -q '^Signed-off-by:' "$patch" || complain "$patch: signed; that is for who sends it"
	while read -r path; do
		[[ -f $path ]] || complain "$patch: names $path, which is not there"
	done < <(whole_files "$patch")
	if [[ $patch == */fix*/* ]]; then
		lines=$(lines_of "$patch")
		echo "$patch: $lines lines"
		[[ $lines -le 100 ]] || grep -q 'more than 100 lines' "${patch%/*}/cover" ||
			complain "$patch: $lines lines, stable takes 100"
		[[ $lines -gt 0 ]] || complain "$patch: no change"
	fi
done
for dir in patches/linux-*/*/; do
	[[ -f ${dir}cover ]] || complain "$dir: no cover letter"
done

named=$(for patch in patches/*/*/*.patch; do whole_files "$patch"; done | sort -u)
while read -r path; do
	grep -qxF -- "$path" <<< "$named" || complain "$path: no patch names this whole file"
done < <(find arch include virt tools/testing/selftests/kvm Documentation tools/snphost/qemu \
	-path Documentation/project -prune -o -type f -print 2> /dev/null)

if grep -rnE '(deb|security|snapshot)\.debian\.org' --exclude-dir=.git --exclude-dir=build . |
   grep -v '^./tools/check/02-hygiene.sh'; then
	complain "the name of an archive's host"
fi

# The limit has to bite: a patch of 101 lines, half of them context.
{
	printf 'diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,51 +1,101 @@\n'
	for ((i = 0; i < 50; i++)); do printf '+x\n y\n'; done
	echo ' y'
} > "$TMP/long.patch"
[[ $(lines_of "$TMP/long.patch") -eq 101 ]] || fail "lines are not counted right"
exit $bad
