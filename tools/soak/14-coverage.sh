#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The selftests run each line that the series adds, or there is a reason why not.
# limit: 7200
. "$(dirname "$0")/../check/lib.sh"

bases=(linux-6.12.y linux-7.3.y)
coverage=$TOP/tools/protocol/coverage
"$coverage/run" "${bases[@]}" > "$TMP/page"

# It has to see a line without a reason, and a reason without a line.
! "$coverage/table" /dev/null "${bases[@]/#/$BUILD/coverage/}" > /dev/null 2> "$TMP/said" || fail "no line without a reason"
grep -q 'nobody says why' "$TMP/said" || fail "not seen: $(< "$TMP/said")"
{ cat "$coverage/unreached"; printf 'None\n\tno_such_function:\n'; } > "$TMP/unreached"
! "$coverage/table" "$TMP/unreached" "${bases[@]/#/$BUILD/coverage/}" > /dev/null 2> "$TMP/said" || fail "a reason without a line is taken"
grep -q 'explained, but run: no_such' "$TMP/said" || fail "not seen: $(< "$TMP/said")"
awk '/^   \* - /{ n = 0 } /^ +- [0-9]+( \(.*)?$/{ n++; x[n] += $2 } END { print x[2] " of " x[1] " lines are run, and for each of the others there is a reason" }' "$TMP/page"
