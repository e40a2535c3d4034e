#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The runner of the checks counts right, goes on after a failure, ends what has
# no end, runs again only what changed, shows what a check has to say while that
# runs, and prints TAP. "make soak" keeps what came of each check last.
# inputs: tools/check/run tools/series/lib.sh tools/series/defaults.sh tools/soak/run
. "$(dirname "$0")/lib.sh"

repo=$TMP/repo
mkdir -p "$repo/tools/check" "$repo/tools/series"
cp "$TOP/tools/check/run" "$TOP/tools/check/lib.sh" "$repo/tools/check/"
cp "$TOP"/tools/series/{lib,defaults}.sh "$repo/tools/series/"
check() { printf '#!/bin/bash\n%s\n' "$2" > "$repo/tools/check/$1"; chmod +x "$repo/tools/check/$1"; }
check 01-good.sh $'# inputs: data\nexit 0'
check 02-bad.sh 'echo the reason; exit 1'
check 03-endless.sh $'# limit: 6\necho "## a test done"\nsleep 60'
check 05-other.sh $'# inputs: data-$LINUX\nexit 0'
check 04-elsewhere.sh 'echo no such hardware; exit 4'
echo 1 > "$repo/data"
run() {
	local status=0
	BUILD=$repo/build "$repo/tools/check/run" "$@" > "$TMP/out" || status=$?
	cat "$TMP/out"
	cp "$TMP/out" "$TMP/out.tap"
	return $status
}
says() { grep -qxE -- "$1" "$TMP/out" || fail "no line '$1'"; }

! run || fail "failures, and exit status 0"
says 'ok 1 - 01-good \([0-9]+ s\)'
says 'not ok 2 - 02-bad .*'
says '#   \| the reason'
says '# 03-endless: a test done'
says 'ok 3 - 04-elsewhere # SKIP no such hardware'
says 'ok 4 - 05-other .*'
says 'not ok 5 - 03-endless .*'
[[ $(grep -n '^# 03-endless: a test done' "$TMP/out" | cut -d: -f1) -lt $(grep -n '^not ok 5 - ' "$TMP/out" | cut -d: -f1) ]] ||
	fail "said when it was over"
says '# slowest: [0-9]+ s 03-endless, [0-9]+ s .*, [0-9]+ s .*'
[[ $(tail -n 1 "$TMP/out") == "2 passed, 2 failed, 1 skipped" ]] || fail "the last line"
perl -MTAP::Parser -e '$p = TAP::Parser->new({ source => $ARGV[0] }); $p->run;
	exit !(!$p->parse_errors && $p->version == 13 && $p->tests_run == 5 && $p->failed == 2 && $p->skipped == 1)' \
	"$TMP/out.tap" || fail "this is no TAP"
run good || fail "a good check, and a failure"
says 'ok 1 - 01-good \(unchanged\)'
[[ $(tail -n 1 "$TMP/out") == "1 passed, 0 failed" ]] || fail "the last line"
echo 2 > "$repo/data"
run good
says 'ok 1 - 01-good \([0-9]+ s\)'
# What is called for the base in use is looked for there.
run other
says 'ok 1 - 05-other \(unchanged\)'
echo 1 > "$repo/data-7.3.y"
LINUX=7.3.y run other
says 'ok 1 - 05-other \([0-9]+ s\)'
echo 2 > "$repo/data-7.3.y"
LINUX=7.3.y run other
says 'ok 1 - 05-other \([0-9]+ s\)'
LINUX=7.3.y run other
says 'ok 1 - 05-other \(unchanged\)'

mkdir -p "$repo/tools/soak" "$repo/Documentation/project"
cp "$TOP/tools/soak/run" "$repo/tools/soak/"
soak() {
	local status=0
	BUILD=$repo/build "$repo/tools/soak/run" "$@" > "$TMP/out" || status=$?
	tee -a "$TMP/out" < "$repo/Documentation/project/soak.rst"
	return $status
}
check ../soak/10-long.sh 'echo "ten, \"hours\""'
check ../soak/11-broken.sh 'echo the reason; exit 1'
check ../soak/12-gone.sh 'echo was here'
! soak || fail "a failure, and exit status 0"
says 'ok 1 - 10-long \([0-9]+ s\)'
says "   10-long, passed, $(date -u +%Y)-[0-9-]+, [0-9]+, \"ten, 'hours'\""
says '   11-broken, FAILED, .*, "the reason"'
rm "$repo/tools/soak/12-gone.sh"
check ../soak/11-broken.sh 'echo mended'
soak broken
says '   10-long, passed, .*'
says '   11-broken, passed, .*, "mended"'
! grep 12-gone "$TMP/out" || fail "a row of a check that is no more"
