#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Every shell script of ours is clean for shellcheck.
# inputs: tools .ci
. "$(dirname "$0")/lib.sh"

command -v shellcheck > /dev/null || skip "no shellcheck"
cd "$TOP" || exit
# A script is what says so in its first line.
scripts=()
while read -r file; do
	scripts+=("$file")
done < <(grep -rlIE --exclude-dir=qemu --include='*' -m1 '^(#!/bin/(ba|)sh|#!/usr/bin/env bash|# shellcheck shell=)' tools .ci |
	 while read -r f; do head -4 "$f" | grep -qE '^(#!.*sh$|# shellcheck shell=)' && echo "$f"; done | sort)
[[ ${#scripts[@]} -gt 5 ]] || fail "found no scripts"
printf '%s\n' "${scripts[@]}"
# 1091: paths of sourced files are made at run time. 2015: "a && b || c" is
# used on purpose where b cannot fail.
shellcheck -e SC1091,SC2015,SC2153 "${scripts[@]}"

# It has to see a fault.
printf '#!/bin/bash\nrm %s1/x\n' '$' > "$TMP/bad.sh"
! shellcheck "$TMP/bad.sh" > /dev/null || fail "shellcheck finds nothing in a bad script"
