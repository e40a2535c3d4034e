#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# compare.sh BEFORE-BZIMAGE AFTER-BZIMAGE TESTDIR [LIST]
#
# Run upstream's KVM selftests on two kernels in a machine without SNP and print
# what came of each ("compare.sh --logs BEFORE AFTER" does it for the logs of two that
# ran). Fails unless every test passes on both, or gives what its line in LIST
# says ("# skip: REASON", "# fail STATUS: REASON"), and the kernel says nothing
# bad meanwhile. A line for each test as it ends begins with #.
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

# boot SIDE BZIMAGE TESTDIR
boot() {
	local console=${log[$1]}.console
	: > "$console"
	"$TOP/tools/kernel/vm.sh" "$2" "$list" "$3" "${log[$1]}" &
	tail -n +1 --pid=$! -f "$console" |
		sed -uEn "s/.*vm: end (\S+) ([0-9]+)\r*$/# $1: \1 ended with \2/p"
	wait $!
}

status=0
if [[ $1 == --logs ]]; then
	log=([before]=$2 [after]=$3)
else
	list=${4:-$list}
	# Not side by side: two CPUs that wait for each other and are not there
	# half of the time take three times as long.
	start=$SECONDS
	boot before "$1" "$3" || status=1
	boot after "$2" "$3" || status=1
	say "both booted and tested in $((SECONDS - start)) s" >&2
fi
printf '%-44s %-10s %-10s\n' test before after
while IFS= read -r line; do
	read -r name _ <<< "${line%%#*}"
	[[ -n $name ]] || continue
	want=$(sed -nE 's/^[^#]*# *(skip|fail [0-9]+): .*/\1/p' <<< "$line")
	before=$(result "${log[before]}" "$name")
	after=$(result "${log[after]}" "$name")
	mark=
	[[ $before == "${want:-pass}" && $after == "$before" ]] || { mark='  <--'; status=1; }
	printf '%-44s %-10s %-10s%s\n' "$name" "$before" "$after" "$mark"
done < "$list"
for side in before after; do
	# At boot too, and between tests; what a test itself printed is not meant.
	bad=$(grep -vE 'vm: \|' "${log[$side]}" | grep -E "$splat" || true)
	if [[ $bad ]]; then
		sed 3q <<< "$bad"
		echo "the kernel $side the series is in trouble (log: ${log[$side]})"
		status=1
	fi
done
exit $status
