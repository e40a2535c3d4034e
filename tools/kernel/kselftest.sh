#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# kselftest.sh TREE
#
# Build KVM selftests of the work tree build/TREE statically, namely upstream's
# that are listed in upstream-tests and those that the series adds, and pack
# those for SEV into build/kvm-snp-vmsa-selftests-TREE.tar.gz.
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
done < <(sed 's/#.*//; /^ *$/d' "$TOP/tools/kernel/upstream-tests")
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

LDFLAGS=-static timeout --foreground 1800 make -C "$src" OUTPUT="$out" ARCH=x86_64 CC="$cc" \
	KHDR_INCLUDES="-isystem $headers/usr/include" -j"$(nproc)" "${all[@]/#/$out/}" >> "$log" 2>&1 ||
	{ grep -Em3 'error:|Error' "$log" >&2 || true; die "the selftests do not build (log: $log)"; }

pack=$TMP/kvm-snp-vmsa-selftests
mkdir "$pack"
for name in "${added[@]}" "${sev[@]}"; do
	cp "$out/$name" "$pack/"
done
cat > "$pack/README" <<-EOF
	KVM selftests for SEV-SNP, static: run one as root on an SEV-SNP host (/dev/sev, kvm_amd.sev_snp=Y).
	sev_snp_vmsa_punch_hole_test takes a host down whose kernel lacks the fix, and skips unless told
	--i-know-it-may-kill-the-host.
	Exit status 0: passed, 4: skipped, with the reason; the output is KTAP or says what failed and where.
EOF
tar cz -C "$TMP" --owner=0 --group=0 -f "$BUILD/kvm-snp-vmsa-selftests-$1.tar.gz" kvm-snp-vmsa-selftests
say "$1: ${#all[@]} selftests in ${out#"$TOP"/}, tarball build/kvm-snp-vmsa-selftests-$1.tar.gz" >&2
echo "$out"
