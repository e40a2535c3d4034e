#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# qemu.sh TREE [sanitize | fuzz | --config]: build the QEMU work tree build/TREE, with few
# features, in build/TREE-build: x86 system emulation and, if it is there, the
# qtest of the security processor. With "sanitize" in build/TREE-sanitize, with
# gcc's address and undefined behaviour sanitizers; with "fuzz" in build/TREE-fuzz
# QEMU's own fuzzer, with clang's. Prints the program. With --config: only
# configure, print the directory.
. "$(dirname "$0")/../series/lib.sh"

[[ $# -eq 1 || $# -eq 2 ]] || die "usage: qemu.sh TREE [sanitize | fuzz | --config]"
tree=$BUILD/$1 what=${2:-build}
name=$1-${what/--config/build}
out=$BUILD/$name log=$LOGS/$name.log
cc=gcc
program=qemu-system-x86_64
case $what in
# Backtraces have lines; more takes a third of the time.
build | --config) options=(--extra-cflags=-g1) ;;
# configure overlooks gcc's undefined behaviour sanitizer. Without what the
# other one sees as well, and x86 does not mind: that is a check at each access.
# Static they share a runtime and with it their options.
sanitize) options=(--enable-asan
	--extra-cflags="-O1 -g1 -fsanitize=undefined -fno-sanitize=null,object-size,alignment"
	--extra-ldflags="-fsanitize=undefined -static-libasan -static-libubsan") ;;
fuzz)
	cc=clang
	command -v clang > /dev/null || die "no clang: 'apt-get install clang libclang-rt-dev llvm'"
	program=qemu-fuzz-x86_64
	options=(--enable-fuzzing --enable-asan --enable-ubsan --cxx=clang++ --extra-cflags="-O1 -g1") ;;
*) die "no build '$what'" ;;
esac
[[ -f $tree/configure ]] || die "no QEMU tree $tree: 'make qemu-tree' first"
! command -v ccache > /dev/null || cc="ccache $cc"
# The distribution's python3 and meson, whatever else the user has.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
export CCACHE_NOHASHDIR=1 CCACHE_BASEDIR=$BUILD
one_at_a_time "$out"
mkdir -p "$out"
cd "$out" || exit
# QEMU may want a newer meson. It is Python code and no more, which is taken out
# of the package of the release that has this QEMU.
wanted=$(sed -n 's/^meson = .*accepted = ">=\([0-9.]*\)".*/\1/p' "$tree/pythondeps.toml")
if ! not_before "$(meson --version)" "$wanted"; then
	meson=$CACHE/meson
	# Only this: others may build meanwhile.
	(
		one_at_a_time "$meson"
		[[ ! -d $meson ]] || exit 0
		deb=$("$TOP/tools/series/apt.sh" deb meson trixie)
		dpkg-deb -x "$deb" "$TMP/meson"
		mv "$TMP/meson/usr/lib/python3/dist-packages" "$meson"
	)
	export PYTHONPATH=$meson
fi
options+=(--cc="$cc" --disable-download --disable-install-blobs
	--target-list=x86_64-softmmu --without-default-features --enable-tcg --enable-system
	--enable-fdt=system --disable-user --disable-docs --disable-tools --disable-guest-agent
	# snphost --root
	--enable-virtfs --enable-attr --enable-cap-ng
	--disable-werror --audio-drv-list=
	--firmwarepath=/usr/share/seabios:/usr/share/qemu)
if [[ ! -f build.ninja || $(cat .options 2> /dev/null) != "${options[*]}" ]]; then
	"$tree/configure" "${options[@]}" > "$log" 2>&1 || die "cannot configure QEMU (log: $log)"
	# Of a git tree it has this in a file, which counts when meson.build changes.
	sed -i '/^werror = true$/d' config-meson.cross
	echo "${options[*]}" > .options
fi
if [[ $what == --config ]]; then
	echo "$out"
	exit 0
fi
start=$SECONDS
targets=("$program")
[[ $what == fuzz || ! -f $tree/tests/qtest/amd-psp-test.c ]] || targets+=(tests/qtest/amd-psp-test)
timeout --foreground 3000 ninja "${targets[@]}" >> "$log" 2>&1 &
pid=$!
trap 'kill "$pid" 2> /dev/null || true; rm -rf "$TMP"' EXIT
while kill -0 "$pid" 2> /dev/null; do
	(( (SECONDS - start) % 15 != 14 )) ||
		say "QEMU: $(grep -oE '^\[[0-9]+/[0-9]+\]' "$log" | tail -1) $((SECONDS - start)) s" >&2
	sleep 1
done
wait "$pid" || { grep -m3 -E 'error:|FAILED' "$log" >&2 || true; die "QEMU does not build (log: $log)"; }
say "$name: built in $((SECONDS - start)) s" >&2
echo "$out/$program"
