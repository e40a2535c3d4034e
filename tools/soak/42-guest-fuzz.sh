#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Random RMP instructions and random states of guests, with a new seed each time (in
# the log) for half an hour, the emulator with gcc's address, leak and undefined
# behaviour sanitizers.
# limit: 10800
. "$(dirname "$0")/../check/lib.sh"

qemu=$(make_qemu sanitize)
export OUT=$BUILD/snphost-tests-fuzz SNPHOST_QEMU=$qemu TIME_LIMIT=600 FUZZ_ROUNDS=20000 FUZZ_SEED
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
n=0 end=$((SECONDS + 1800))
while [[ $SECONDS -lt $end ]]; do
	FUZZ_SEED=$SRANDOM
	echo "## seed $FUZZ_SEED"
	"$TOP/tools/snphost/tests/run" fuzz > "$TMP/out" 2>&1 || { cat "$TMP/out"; fail "seed $FUZZ_SEED"; }
	n=$((n + 1))
done
echo "$n seeds, $FUZZ_ROUNDS rounds of each kind for each"
