# SPDX-License-Identifier: GPL-2.0-only
# For the checks that run a checkpatch.pl; sourced, not run.
# shellcheck shell=bash

# each_patch PATCH...: checkpatch(), which the check defines, on each of these
# exported patches; fails unless all are clean. What it says of those that are
# not comes last: of a check that fails, the runner shows the end.
each_patch() {
	local patch said clean=0 bad=
	[[ $# -gt 0 ]] || fail "nothing exported"
	for patch; do
		[[ $patch != */0000-cover-letter.patch ]] || continue
		if said=$(checkpatch "$patch"); then
			clean=$((clean + 1))
		else
			bad+=$said$'\n'
		fi
	done
	echo "$clean patches are clean"
	[[ -z $bad ]] || { printf %s "$bad"; return 1; }
}

# space_at_end PATCH: the same with a space at the end of an added line.
space_at_end() { awk '/^\+[^+]/ && !done { $0 = $0 " "; done = 1 } { print }' "$1"; }
