#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# headers.sh BASE RELEASE: have what modules for the distribution's kernel RELEASE
# are built against, and print the directory: what is installed, else its packages
# unpacked in build/headers-RELEASE, as this machine can use them.
#
# Packages of another release of the distribution may have programs that do not
# run here, and a configuration that has options of a newer compiler. Those
# programs are built from the source of the base, and what the compiler here
# cannot do is taken out of the configuration; nothing else in it depends on that.
. "$(dirname "$0")/../series/lib.sh"

[[ $# -eq 2 ]] || die "usage: headers.sh BASE RELEASE"
base_load "$1"
release=$2
installed=/lib/modules/$release/build
if [[ -f $installed/include/generated/autoconf.h && -x $installed/scripts/mod/modpost ]]; then
	echo "$installed"
	exit 0
fi
root=$BUILD/headers-$release
dir=$root/usr/src/linux-headers-$release
log=$LOGS/headers-$release.log
one_at_a_time "$root"
if [[ -f $root/.done ]]; then
	echo "$dir"
	exit 0
fi

for suite in $BASE_SUITE ''; do
	[[ -n $suite ]] || die "the archive has no linux-headers-$release in: $BASE_SUITE"
	[[ -z $("$TOP/tools/series/apt.sh" list "linux-headers-${release//[+.]/\\&}" "$suite") ]] || break
done
new=$TMP/root
mkdir "$new"
say "headers of $release (14 MB)" >&2
version=${release%-amd64}
# The packages are in the cache that all clones share, and are not kept.
(
	one_at_a_time "$CACHE/headers"
	for name in "linux-headers-$release" "linux-headers-$version-common" "linux-kbuild-$version"; do
		deb=$("$TOP/tools/series/apt.sh" deb "${name//[+.]/\\&}" "$suite")
		dpkg-deb -x "$deb" "$new"
		[[ $name != "linux-headers-$release" ]] || dpkg-deb -f "$deb" Version > "$new/version"
		rm -f "$deb"
	done
)
new_dir=$new/usr/src/linux-headers-$release
sed -i "s,/usr/src/,$root/usr/src/," "$new_dir/Makefile"

kbuild=$new/usr/lib/linux-kbuild-$version
foreign=()
for program in scripts/basic/fixdep scripts/mod/modpost tools/objtool/objtool scripts/genksyms/genksyms; do
	# Some only choose the one that does the work.
	said=$(for real in "$kbuild/$program" "$kbuild/$program".real-{x86,lsb-64}; do
		[[ ! -x $real ]] || SRCARCH=x86 "$real" 2>&1 < /dev/null || true
	done)
	[[ $said != *"version \`GLIBC_"* ]] || foreign+=("$program")
done
wanted=$(sed -n 's/^CONFIG_GCC_VERSION=//p' "$new_dir/include/config/auto.conf")
have=$(gcc -dumpfullversion | awk -F. '{ print $1 * 10000 + $2 * 100 + $3 }')
if [[ ${#foreign[@]} -gt 0 || $have -lt $wanted ]]; then
	obj=$WORKTREE/obj-scripts
	[[ -f $WORKTREE/Kbuild ]] || die "no kernel tree $WORKTREE: 'make tree' first"
	say "programs to build modules of $release with" >&2
	cc=gcc
	! command -v ccache > /dev/null || cc="ccache gcc"
	mkdir -p "$obj"
	echo CONFIG_64BIT=y > "$obj/wanted"
	{
		make -C "$WORKTREE" O="$obj" KCONFIG_ALLCONFIG="$obj/wanted" allnoconfig &&
		make -C "$WORKTREE" O="$obj" CC="$cc" HOSTCC="$cc" -j"$(nproc)" prepare tools/objtool
	} >> "$log" 2>&1 || die "cannot build the programs (log: $log)"
	for program in "${foreign[@]}"; do
		[[ -x $obj/$program ]] || die "no $program for this machine"
		rm "$kbuild/$program"
		cp "$obj/$program" "$kbuild/$program"
	done
	while IFS='=' read -r option _; do
		say "not for this compiler: $option" >> "$log"
		sed -i "/^$option=/d" "$new_dir/include/config/auto.conf"
		sed -i "/^#define $option /d" "$new_dir/include/generated/autoconf.h"
	done < <(grep -E '^CONFIG_CC_(HAS|OPT)_' "$new_dir/include/config/auto.conf" | grep -vxF -f "$obj/include/config/auto.conf")
fi
: > "$new/.done"
rm -rf "$root"
mv "$new" "$root"
echo "$dir"
