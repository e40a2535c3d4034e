#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# kselftest.sh TREE
#
# Build KVM selftests of the work tree build/TREE statically, namely upstream's
# that are listed in upstream-tests and those that the series adds, and pack
# those for SEV into build/kvm-snp-vmsa-selftests-TREE.tar.gz, laid out as the
# kernel's own kselftest_install does, for who runs kselftests.
. "$(dirname "$0")/../series/lib.sh"

[[ $# -eq 1 ]] || die "usage: kselftest.sh TREE"
base_load "$1"
out=$BUILD/kselftest-$1
log=$LOGS/kselftest-$1.log
src=$WORKTREE/tools/testing/selftests/kvm
[[ -d $src ]] || die "no kernel tree $WORKTREE: 'make tree' first"
cc=gcc
! command -v ccache > /dev/null || cc="ccache gcc"

grep -qs '^/obj-' "$WORKTREE/.git/info/exclude" || echo '/obj-*/' >> "$WORKTREE/.git/info/exclude"
headers=$WORKTREE/obj-headers
one_at_a_time "$out"
mkdir -p "$out"
make -C "$WORKTREE" O="$headers" ARCH=x86_64 headers > "$log" 2>&1 ||
	die "cannot make the kernel's headers (log: $log)"

upstream=()
while read -r name _; do
	# The list has the directory names of 6.12.
	name=$(to_base "tools/testing/selftests/kvm/$name")
	upstream+=("${name#tools/testing/selftests/kvm/}")
done < <(sed 's/#.*//; /^ *$/d' "$TOP/tools/build/upstream-tests")
added=()
for here in "$TOP"/tools/testing/selftests/kvm/{,*/}*_test.c; do
	name=$(to_base "${here#"$TOP"/}")
	[[ ! -f $WORKTREE/$name ]] || added+=("$(sed 's,^tools/testing/selftests/kvm/,,; s,\.c$,,' <<< "$name")")
done
sev=()
for path in "$src"/x86*/sev_*test*.c; do
	name=${path#"$src"/}
	sev+=("${name%.c}")
done
mapfile -t all < <(printf '%s\n' "${upstream[@]}" "${added[@]}" "${sev[@]}" | sort -u)

kvm_make() {
	LDFLAGS=-static timeout --foreground 1800 make -C "$src" OUTPUT="$out" ARCH=x86_64 CC="$cc" \
		KHDR_INCLUDES="-isystem $headers/usr/include" -j"$(nproc)" "$@"
}
kvm_make "${all[@]/#/$out/}" >> "$log" 2>&1 ||
	{ grep -Em3 'error:|Error' "$log" >&2 || true; die "the selftests do not build (log: $log)"; }

# Of all that the Makefile has, those for SEV; what it lists apart from the tests
# that run by themselves stays apart.
pack=$TMP/kvm-snp-vmsa-selftests
mkdir -p "$pack/kselftest"
progs=() extended=()
for name in $(printf '%s\n' "${added[@]}" "${sev[@]}" | sort -u); do
	if grep -qsE "^TEST_GEN_PROGS_EXTENDED_.*[ =]$name( |\$)" "$src"/Makefile*; then
		extended+=("$name")
	else
		progs+=("$name")
	fi
done
lists=(TEST_PROGS='' TEST_GEN_PROGS_COMMON='')
for arch in x86 x86_64; do
	lists+=("TEST_PROGS_$arch=" "TEST_GEN_PROGS_$arch=${progs[*]}" "TEST_GEN_PROGS_EXTENDED_$arch=${extended[*]}")
done
{
	kvm_make install INSTALL_PATH="$pack/kvm" "${lists[@]}" &&
	cp "${src%/kvm}"/kselftest/{module.sh,runner.sh,prefix.pl,ktap_helpers.sh} "$pack/kselftest/" &&
	cp "${src%/kvm}/run_kselftest.sh" "$pack/" &&
	kvm_make -s --no-print-directory emit_tests COLLECTION=kvm "${lists[@]}" > "$pack/kselftest-list.txt"
} >> "$log" 2>&1 || die "the selftests cannot be packed (log: $log)"
cat > "$pack/README" <<-EOF
	KVM selftests for SEV-SNP, static.  As root on an SEV-SNP host (/dev/sev, kvm_amd.sev_snp=Y):
	./run_kselftest.sh runs all, kvm/NAME runs one.  Exit status 0: passed, 4: skipped, with the reason.
	What may kill a host whose kernel lacks the fix is not among all, and skips unless it is told
	--i-know-it-may-kill-the-host.
EOF
tar cz -C "$TMP" --owner=0 --group=0 -f "$BUILD/kvm-snp-vmsa-selftests-$1.tar.gz" kvm-snp-vmsa-selftests
say "$1: ${#all[@]} selftests in ${out#"$TOP"/}, tarball build/kvm-snp-vmsa-selftests-$1.tar.gz" >&2
echo "$out"
