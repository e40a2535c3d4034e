# SPDX-License-Identifier: GPL-2.0-only
# For the checks that run a checkpatch.pl; sourced, not run.
# shellcheck shell=bash

# each_patch PATCH...: checkpatch(), which the check defines, on each of these
# exported patches; fails unless all are clean.
each_patch() {
	local patch bad=0
	[[ $# -gt 0 ]] || fail "nothing exported"
	for patch; do
		[[ $patch != */0000-cover-letter.patch ]] || continue
		if checkpatch "$patch"; then
			echo "clean: ${patch#"$BUILD"/}"
		else
			bad=1
		fi
	done
	return $bad
}

# space_at_end PATCH: the same with a space at the end of an added line.
space_at_end() { awk '/^\+[^+]/ && !done { $0 = $0 " "; done = 1 } { print }' "$1"; }
