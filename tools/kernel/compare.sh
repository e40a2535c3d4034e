#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# compare.sh BEFORE-BZIMAGE AFTER-BZIMAGE TESTDIR [LIST]
#
# Run upstream's KVM selftests on two kernels in a machine without SNP and print
# what came of each ("compare.sh --logs BEFORE AFTER" does it for the logs of two that
# ran). Fails unless both give the same result for every test and the
# kernel says nothing bad meanwhile.
. "$(dirname "$0")/../series/lib.sh"

[[ $# -ge 3 ]] || die "usage: compare.sh BEFORE AFTER TESTDIR [LIST]"
list=$TOP/tools/kernel/upstream-tests
declare -A log=([before]=$LOGS/compare-before.log [after]=$LOGS/compare-after.log)

splat=$(grep -v '^#' "$TOP/tools/snphost/splats" | paste -sd'|')

# result LOG TEST: pass, skip, fail N, splat.
result() {
	awk -v test="$2" -v splat="$splat" '
		$0 ~ "vm: start " test "$" { on = 1; next }
		on && match($0, "vm: end " test " [0-9]+$") {
			split(substr($0, RSTART), w, " ")
			done = 1
			if (bad) print "splat"
			else if (w[4] == 0) print "pass"
			else if (w[4] == 4) print "skip"
			else print "fail " w[4]
			exit
		}
		on && !/vm: \|/ && $0 ~ splat { bad = 1 }
		END { if (!done) print bad ? "splat" : "not run" }' "$1"
}

status=0
if [[ $1 == --logs ]]; then
	log=([before]=$2 [after]=$3)
else
	list=${4:-$list}
	# Not side by side: two CPUs that wait for each other and are not there
	# half of the time take three times as long.
	start=$SECONDS
	"$TOP/tools/kernel/vm.sh" "$1" "$list" "$3" "${log[before]}" || status=1
	"$TOP/tools/kernel/vm.sh" "$2" "$list" "$3" "${log[after]}" || status=1
	say "both booted and tested in $((SECONDS - start)) s" >&2
fi
printf '%-44s %-10s %-10s\n' test before after
passed=0
while read -r name _; do
	before=$(result "${log[before]}" "$name")
	after=$(result "${log[after]}" "$name")
	mark=
	[[ $before == "$after" && $after != splat && $after != "not run" ]] || { mark='  <--'; status=1; }
	[[ $after != pass ]] || passed=$((passed + 1))
	printf '%-44s %-10s %-10s%s\n' "$name" "$before" "$after" "$mark"
done < <(sed 's/#.*//; /^ *$/d' "$list")
for side in before after; do
	# At boot too, and between tests; what a test itself printed is not meant.
	bad=$(grep -vE 'vm: \|' "${log[$side]}" | grep -E "$splat" || true)
	if [[ $bad ]]; then
		sed 3q <<< "$bad"
		echo "the kernel $side the series is in trouble (log: ${log[$side]})"
		status=1
	fi
done
[[ $passed -gt 0 ]] || { echo "no test passed at all"; status=1; }
exit $status
