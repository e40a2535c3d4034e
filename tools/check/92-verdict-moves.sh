#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What the main job says when the world moves: a newer binary than the source, a base
# that upstream has fixed, one that says so and is not, binaries with the hole that
# can't be had any more. What is fetched, built and booted is played by stand-ins;
# what decides and judges is real.
# inputs: tools/verdict tools/series tools/snphost/debian-kernel.sh patches arch include virt tools/testing Documentation bases
# limit: 300
# shellcheck disable=SC2016 # what stands in single quotes is for the stand-ins
. "$(dirname "$0")/lib.sh"

repo=$TMP/repo
copy_with_tree "$repo"
export BUILD=$repo/build
bases=$repo/tools/series/bases/$BASENAME
cp "$bases" "$TMP/base"
binaries=$XDG_CACHE_HOME/kvm-snp-vmsa/debian-kernel

# stand_in PATH < BODY: a program of the copy.
stand_in() {
	{ printf '#!/bin/bash\nset -euo pipefail\n'; cat; } > "$repo/$1"
	chmod +x "$repo/$1"
}
export ARCHIVE=$TMP/archive
stand_in tools/series/apt.sh <<< 'awk -v name="^$2\$" -v suite="$3" '\''$1 ~ name && $3 == suite { print $1, $2 }'\'' "$ARCHIVE"'
echo : | stand_in tools/install
cp "$repo/tools/series/compose.sh" "$repo/tools/series/compose-linux.sh"
stand_in tools/series/compose.sh <<< '[[ $1 == qemu-* ]] || exec "${0%.sh}-linux.sh" "$@"'
stand_in tools/build/qemu.sh <<< 'mkdir -p "$BUILD/$1-build"; : > "$BUILD/$1-build/qemu-system-x86_64"'
# A kernel is a folder; this file in it says what becomes of it.
kernel='mkdir -p "$BUILD/$name"; echo "$name" > "$BUILD/$name/bzImage"; echo "$BUILD/$name"'
stand_in tools/build/exchange.sh <<< "name=exchanged; $kernel"
stand_in tools/build/kernel.sh <<< "name=ours; $kernel"
stand_in tools/build/base-kernel.sh <<< "name=unfixed; $kernel; echo dies > \"\$BUILD/\$name/dies\""
stand_in tools/build/kselftest.sh <<-'END'
	out=$BUILD/tests
	for dir in x86 x86_64; do
		mkdir -p "$out/$dir"
		for name in sev_snp_vmsa_punch_hole_test sev_snp_populate_race_test; do
			cp "$BUILD/../a_test" "$out/$dir/$name"
		done
	done
	echo "$out"
END
stand_in a_test <<-'END'
	[[ $1 != -l ]] || { for i in {1..5}; do echo "$i a case"; done; exit; }
	while shift && [[ $# -gt 0 ]]; do
		[[ $1 == -c ]] || echo "ok 1 $1 a case"
	done
END
stand_in tools/snphost/snphost <<-'END'
	while [[ $1 != -- ]]; do
		case $1 in
		--log) log=$2 ;;
		--kernel) kernel=$2 ;;
		--file) dir=${2%/*} ;;
		esac
		shift
	done
	: > "$log"
	if [[ -e $kernel/dies ]]; then
		echo "RMPUPDATE failed for PFN 1, pg_level: 1, ret: 3, kvm_gmem_get_pfn, sev_gmem_post_populate" > "$log"
		echo "#PF: error_code(0x80000003) - RMP violation" >> "$log"
		exit 125
	fi
	shift
	[[ $1 == sh ]] || exit 0
	sh -c "${3//\/sev_/$dir/sev_}"
END

v=$(git -C "$BUILD/$BASENAME" show refs/series/base:Makefile |
	awk '$2 == "=" && /^(VERSION|PATCHLEVEL|SUBLEVEL) / { v = v s $3; s = "." } END { print v }')
older=${v%.*}.$((${v##*.} - 1)) newer=${v%.*}.$((${v##*.} + 1))
# there VERSION [dies [SUITE]]: the archive has that binary.
there() {
	local release=$1+${3:-own}-amd64
	mkdir -p "$binaries/$release"
	: > "$binaries/$release/modules.order"
	echo "$release" > "$binaries/$release/bzImage"
	[[ -z ${2:-} ]] || echo "$2" > "$binaries/$release/$2"
	echo "linux-image-$release $1-1 ${3:-own}" >> "$ARCHIVE"
}
# world WHAT: from here on it is so, as far as said after this.
world() {
	echo "== $1"
	rm -rf "$binaries"
	: > "$ARCHIVE"
	sed 's/^suite .*/suite own trixie/' "$TMP/base" > "$bases"
}
# says STATUS TEXT...: the main job ends so, and says this.
says() {
	local status=0 text want=$1
	LINUX=$LINUX QEMU=$QEMU PARTS='' RELEASE='' DEBUG='' "$repo/tools/verdict/run" > "$TMP/out" 2>&1 || status=$?
	sed -n '/the verdict$/,$p' "$TMP/out"
	[[ $status -eq $want ]] || { cat "$TMP/out"; fail "status $status, not $want"; }
	shift
	for text; do
		grep -qE -e "$text" "$TMP/out" || fail "it does not say: $text"
	done
}
own_build="no binary with the hole any more: our own build of $v without the series stands in"

world "as it is today"
there "$v" dies
there "$older" dies
says 0 "^$v\+own-amd64, without the series" "^  case .* $v\+own-amd64 +the same, our two modules" \
	"VERDICT: broken without the series, whole with it \(10 of 10 cases\)"
! grep -q "^The " "$TMP/out" || fail "a note, and nothing to note"

world "a newer binary than the source that the series is on"
there "$newer" dies
there "$v" dies
says 0 "^The binary is $newer, the source that the series is on is $v" "VERDICT: broken without"

world "the newest is in another suite, and something is in both"
there "$v" dies
there "$v" dies trixie
there "$newer" dies trixie
there "$newer" dies
there "$older" dies trixie
says 0 "^$newer\+own-amd64, without the series"
world "the newest is in another suite only"
there "$v" dies
there "$newer" dies trixie
says 0 "^$newer\+trixie-amd64, without the series"

world "fixed upstream, and the archive has an older binary"
echo "fixed $newer" >> "$bases"
there "$newer"
there "$v" dies
says 0 "^$v\+own-amd64, without the series" "^$newer, as it is: all cases" \
	"VERDICT: closed upstream in $newer: broken before, whole since \(10 of 10 cases\)"

world "fixed upstream, and the archive has no older binary"
echo "fixed $newer" >> "$bases"
there "$newer"
says 0 "$own_build" "^$newer, as it is: all cases" "VERDICT: closed upstream in $newer: broken before, whole since"

world "fixed upstream, it says"
echo "fixed $newer" >> "$bases"
there "$newer" dies
there "$v" dies
says 1 "VERDICT: not as it should be"

world "the archive has no binary at all"
says 0 "$own_build" "^$v without it, without the series" "VERDICT: broken without the series, whole with it"

world "a kernel that is no binary's any more, and does not die"
stand_in tools/build/base-kernel.sh <<< "name=unfixed; $kernel; rm -f \"\$BUILD/\$name/dies\""
says 1 "$own_build" "VERDICT: not as it should be: without the series lives"

world "the source has the fix"
sed -i 's/^has  *fix  *\([^ ]*\) .*/has fix \1 kvm/' "$bases"
there "$v"
there "$older" dies
says 0 "^$older\+own-amd64, without the series" "^$v, as it is: all cases" "VERDICT: closed upstream in $v: broken before, whole since"

world "the source has the fix, and nothing is left that has not"
sed -i 's/^has  *fix  *\([^ ]*\) .*/has fix \1 kvm/' "$bases"
there "$v"
says 0 "nothing to compare with" "VERDICT: closed upstream in $v: whole since"
