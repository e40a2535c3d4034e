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
list=$TOP/tools/build/upstream-tests
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

# What the machine is given: the tests of the list in TESTDIR $1, and what runs
# them, one after the other, and says so in the kernel's log.
tests() {
	local name _
	mkdir -p "$TMP/tests"
	sed 's/#.*//; s/[ \t]*$//; /^$/d' "$list" > "$TMP/tests/list"
	while read -r name _; do
		mkdir -p "$TMP/tests/$(dirname "$name")"
		strip -o "$TMP/tests/$name" "$1/$name"
	done < "$TMP/tests/list"
	cat > "$TMP/tests/run" <<-'END'
	#!/bin/sh
	say() { echo "<1>vm: $*" > /dev/kmsg; }
	cd /tests
	while read -r name args; do
		say "start $name"
		timeout -s KILL 600 ./$name $args > /tmp/out 2>&1 < /dev/null
		status=$?
		while read -r line; do
			echo "<6>vm: | $line" > /dev/kmsg
		done < /tmp/out
		say "end $name $status"
	done < list
	END
	chmod +x "$TMP/tests/run"
}

# boot SIDE BZIMAGE
boot() {
	local status=0
	: > "${log[$1]}"
	"$TOP/tools/snphost/snphost" --no-snp --kernel "$2" --smp "$(nproc)" --timeout 2400 \
		--log "${log[$1]}" --file "$TMP/tests" -- /tests/run > "$TMP/said" 2>&1 < /dev/null &
	tail -n +1 --pid=$! -f "${log[$1]}" |
		sed -uEn "s/.*vm: end (\S+) ([0-9]+)$/# $1: \1 ended with \2/p"
	wait $! || status=$?
	[[ $status -eq 0 ]] || { cat "$TMP/said"; echo "the kernel $1 the series: snphost ended with $status"; }
	return $status
}

status=0
if [[ $1 == --logs ]]; then
	log=([before]=$2 [after]=$3)
else
	list=${4:-$list}
	# Not side by side: two CPUs that wait for each other and are not there
	# half of the time take three times as long.
	start=$SECONDS
	tests "$3"
	boot before "$1" || status=1
	boot after "$2" || status=1
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
