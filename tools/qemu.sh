#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# qemu.sh TREE: build the QEMU work tree build/TREE in build/TREE-build, with
# few features: x86 system emulation and the qtest of the security processor.
# Prints the program.
. "$(dirname "$0")/series/lib.sh"

[[ $# -eq 1 ]] || die "usage: qemu.sh TREE"
tree=$BUILD/$1 out=$BUILD/$1-build log=$LOGS/$1-build.log
[[ -f $tree/configure ]] || die "no QEMU tree $tree: 'make qemu-tree' first"
cc=gcc
! command -v ccache > /dev/null || cc="ccache gcc"
# The distribution's python3 and meson, whatever else the user has.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
export CCACHE_NOHASHDIR=1 CCACHE_BASEDIR=$BUILD
mkdir -p "$out"
cd "$out" || exit
if [[ ! -f build.ninja ]]; then
	"$tree/configure" --cc="$cc" --meson=/usr/bin/meson --with-git-submodules=ignore \
		--target-list=x86_64-softmmu --without-default-features --enable-tcg --enable-system \
		--enable-fdt=system --disable-user --disable-docs --disable-tools --disable-guest-agent \
		--disable-werror --audio-drv-list= \
		--firmwarepath=/usr/share/seabios:/usr/share/qemu > "$log" 2>&1 ||
		die "cannot configure QEMU (log: $log)"
fi
start=$SECONDS
timeout --foreground 3000 ninja qemu-system-x86_64 tests/qtest/amd-psp-test >> "$log" 2>&1 &
pid=$!
trap 'kill "$pid" 2> /dev/null || true; rm -rf "$TMP"' EXIT
while kill -0 "$pid" 2> /dev/null; do
	(( (SECONDS - start) % 15 != 14 )) ||
		say "QEMU: $(grep -oE '^\[[0-9]+/[0-9]+\]' "$log" | tail -1) $((SECONDS - start)) s" >&2
	sleep 1
done
wait "$pid" || { grep -m3 -E 'error:|FAILED' "$log" >&2 || true; die "QEMU does not build (log: $log)"; }
say "$1: built in $((SECONDS - start)) s" >&2
echo "$out/qemu-system-x86_64"
