#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The emulated SNP host with gcc's address, leak and undefined behaviour
# sanitizers: the bare-metal tests, the qtest, and a real kernel with SNP guests
# that lose their memory, without a report from any.
# inputs: tools patches arch include virt bases newer
# limit: 2400
. "$(dirname "$0")/lib.sh"

qemu=$(make_qemu sanitize)
bzimage=$(make_kernel "$BASENAME" debug)
ours=$(make_tests "$BASENAME")
upstreams=$(make_tests linux-7.3.y)

# Others may be at these tests meanwhile.
export OUT=$BUILD/snphost-tests-sanitize
# Whatever stands between us and the emulator, reports go to files.
reports=$LOGS/sanitizers
options=log_path=$reports/report:print_stacktrace=1
export ASAN_OPTIONS=$options UBSAN_OPTIONS=$options
# watch COMMAND...: its status, unless there are reports.
watch() {
	local status=0
	rm -rf "$reports"
	mkdir "$reports"
	"$@" || status=$?
	# Not "WARNING: ASan doesn't fully support makecontext": QEMU helps it.
	if grep -rhE 'ERROR: (Address|Leak)Sanitizer|runtime error:' "$reports"; then
		echo "reports in ${reports#"$TOP"/}"
		return 1
	fi
	return "$status"
}

TIME_LIMIT=180 SNPHOST_QEMU=$qemu watch "$TOP/tools/snphost/tests/run" || fail "the bare-metal tests"
cd "${qemu%/*}" || exit
QTEST_QEMU_BINARY=$qemu watch tests/qtest/amd-psp-test --tap -k || fail "the qtest"
# Not all cases, but all ways to lose the page.
told=--i-know-it-may-kill-the-host
SNPHOST_QEMU=$qemu watch "$TOP/tools/snphost/snphost" --kernel "$bzimage" --rmp-audit --timeout 1500 \
	--file "$ours/sev_snp_vmsa_punch_hole_test" --file "$ours/sev_snp_vmsa_stress_test" \
	--file "$upstreams/sev_smoke_test" \
	-- sh -c "/sev_smoke_test && /sev_snp_vmsa_punch_hole_test $told -c 2 && /sev_snp_vmsa_stress_test $told -c 1 -c 6 -c 7 -c 8" || fail "a real kernel"

# They have to see faults that are put in.
! QEMU_BUILD=${qemu%/*} FAULTS=$TOP/tools/check/sanitizers.list \
	watch "$TOP/tools/snphost/tests/faults" > "$TMP/out" 2>&1 || fail "no fault is seen"
for fault in 'AddressSanitizer: heap-buffer-overflow' 'LeakSanitizer: detected' 'runtime error: shift'; do
	grep -q "$fault" "$TMP/out" || fail "not seen: $fault, but: $(< "$TMP/out")"
done
