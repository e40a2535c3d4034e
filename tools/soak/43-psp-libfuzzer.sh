#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# QEMU's own generic fuzzer (libFuzzer) on the registers of the emulated security
# processor and on the command buffers that it reads, with clang's address and
# undefined behaviour sanitizers, for half an hour. What it finds interesting is kept
# in build/psp-corpus, from where it goes on the next time.
# limit: 10800
. "$(dirname "$0")/../check/lib.sh"

command -v clang > /dev/null || skip "no clang"
qemu=$(make_qemu fuzz)
corpus=$BUILD/psp-corpus log=$LOGS/soak-psp-libfuzzer.log
mkdir -p "$corpus"

# No code runs, so nothing turns on SNP_EN: SNP_INIT_EX is refused, and what comes
# after it is for check 51 and soak 41.
export QEMU_FUZZ_ARGS="-machine q35,snp-host=on -cpu EPYC-Milan,+svm,+npt -nodefaults -L /usr/share/seabios"
export QEMU_FUZZ_OBJECTS='amd-psp*'
# It would hardly find the registers by itself: for each command the address of a
# buffer, the command, and time for it, in the fuzzer's own language. WRITE, 4 bytes,
# in the first region; then an offset, a value of 8 bytes, and a separator.
write() { printf '\x03\x02\x00\x00\x00%b%b\x00\x00\x00\x00FUZZ' "$1" "$2"; }
for command in {0..255}; do
	id=$(printf '\\x%02x' "$command")
	{
		write '\xe0\x09\x01\x00' '\x00\x00\x10\x00'
		write '\xe4\x09\x01\x00' '\x00\x00\x00\x00'
		write '\x80\x09\x01\x00' "\\x00\\x00$id\\x00"
		printf '\x09FUZZ'
	} > "$corpus/seed-$command"
done
cd "$TMP" || exit	# where it leaves what crashed
"$qemu" --fuzz-target=generic-fuzz -max_total_time="${FUZZ_TIME:-1800}" -max_len=4096 -rss_limit_mb=4096 \
	-print_final_stats=1 "$corpus" > "$log" 2>&1 || {
	cp "$TMP"/{crash,leak,timeout,oom}-* "$LOGS/" 2> /dev/null || true
	tail -n 40 "$log"
	fail "it found something (log: $log)"
}
cov=$(grep -o 'cov: [0-9]*' "$log" | tail -n 1)
runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
[[ $cov && $runs -gt 0 ]] || fail "it did not run (log: $log)"
echo "generic-fuzz on amd-psp: $runs runs, ${cov#cov: } edges of QEMU reached, $(find "$corpus" -type f | wc -l) inputs kept"
