#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The protocol holds in all interleavings, and not without any one of its steps.
# inputs: tools/protocol/model
. "$(dirname "$0")/lib.sh"

"$TOP/tools/protocol/model/run"

# A search that is cut short shows nothing.
cp -r "$TOP/tools/protocol/model" "$TMP"
sed -i 's/-m100000/-m60/' "$TMP/model/run"
! "$TMP/model/run" > "$TMP/out" 2>&1 || fail "a search that was cut short passes"
grep -q 'max search depth too small' "$TMP/out" || fail "not for the reason that was made: $(< "$TMP/out")"
