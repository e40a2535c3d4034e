#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The runner of the checks counts right, goes on after a failure, ends what has
# no end, and runs again only what changed.
# inputs: tools/check/run tools/series/lib.sh
. "$(dirname "$0")/lib.sh"

repo=$TMP/repo
mkdir -p "$repo/tools/check" "$repo/tools/series"
cp "$TOP/tools/check/run" "$TOP/tools/check/lib.sh" "$repo/tools/check/"
cp "$TOP/tools/series/lib.sh" "$repo/tools/series/"
check() { printf '#!/bin/bash\n%s\n' "$2" > "$repo/tools/check/$1"; chmod +x "$repo/tools/check/$1"; }
check 01-good.sh $'# inputs: data\nexit 0'
check 02-bad.sh 'echo the reason; exit 1'
check 03-endless.sh $'# limit: 2\nsleep 60'
check 04-elsewhere.sh 'echo no such hardware; exit 4'
echo 1 > "$repo/data"
run() {
	local status=0
	BUILD=$repo/build "$repo/tools/check/run" "$@" > "$TMP/out" || status=$?
	cat "$TMP/out"
	return $status
}
says() { grep -qxE -- "$1" "$TMP/out" || fail "no line '$1'"; }

! run || fail "failures, and exit status 0"
says 'ok 1 - 01-good \([0-9]+ s\)'
says 'not ok 2 - 02-bad .*'
says '  \| the reason'
says 'ok 3 - 04-elsewhere # SKIP no such hardware'
says 'not ok 4 - 03-endless .*'
[[ $(tail -n 1 "$TMP/out") == "1 passed, 2 failed, 1 skipped" ]] || fail "the last line"
run good || fail "a good check, and a failure"
says 'ok 1 - 01-good \(unchanged\)'
[[ $(tail -n 1 "$TMP/out") == "1 passed, 0 failed" ]] || fail "the last line"
echo 2 > "$repo/data"
run good
says 'ok 1 - 01-good \([0-9]+ s\)'
