#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# kernel.sh TREE NAME [--config]
#
# Configure and build the work tree build/TREE in build/TREE/obj-NAME, and print
# the path of the bzImage. NAME is debug, or another NAME.config beside this
# file, or more of them: modules-nosev. Building in a directory of the tree itself makes all
# paths that the compiler sees relative, so that ccache can give one tree what
# it compiled for another. With --config: only configure, print the .config.
. "$(dirname "$0")/../series/lib.sh"

[[ $# -ge 2 ]] || die "usage: kernel.sh TREE NAME [--config]"
tree=$BUILD/$1 name=$2
base=${1#walk-}
base_load "${base%-base}"
here=$TOP/tools/build
obj=$tree/obj-$name
log=$LOGS/kernel-$1-$name.log
fragments=("$here/small.config")
for fragment in ${name//-/ }; do
	[[ -f $here/$fragment.config ]] || die "no configuration '$name'"
	fragments+=("$here/$fragment.config")
done
[[ -f $tree/Kbuild ]] || die "no kernel tree $tree: 'make tree' first"
grep -qs '^/obj-' "$tree/.git/info/exclude" ||
	[[ ! -d $tree/.git/info ]] || echo '/obj-*/' >> "$tree/.git/info/exclude"

cc=gcc
if command -v ccache > /dev/null; then
	cc=$here/ccache-gcc
	# A base and two configurations of it take 200 MB.
	export CCACHE_NOHASHDIR=1
fi
# Who built it when must not make two builds differ.
export KBUILD_BUILD_TIMESTAMP='2000-01-01' KBUILD_BUILD_USER=kvm-snp-vmsa KBUILD_BUILD_HOST=localhost
# What is counted, or watched for data races, are the files that the series touches, by
# the names that the Makefile in arch/x86/kvm has for them, and no others but the locks,
# in which KCSAN has to see the barriers.
only=() switch=''
case $name in
coverage) switch=GCOV_PROFILE ;;
kcsan)    switch=KCSAN_SANITIZE only=(KCSAN_SANITIZE=n KCSAN_SANITIZE_{spinlock,mutex,rwsem}.o=y) ;;
esac
if [[ $switch ]]; then
	mapfile -t -O ${#only[@]} only < <(git -C "$tree" diff --name-only --diff-filter=d refs/series/base HEAD -- 'arch/x86/kvm/*.c' 'virt/kvm/*.c' |
		sed -E "s,^arch/x86/kvm/,,; s,^virt/,../../../&,; s,(.*)\\.c$,${switch}_\\1.o=y,")
fi
build=(make -C "$tree" O="$obj" CC="$cc" HOSTCC="$cc" "${only[@]}")

one_at_a_time "$BUILD/$1-$name"
mkdir -p "$obj"
# A later fragment overrides an earlier one.
edits=('s/[ \t]*#.*//; /^$/d')
for renamed in "${BASE_OPTION[@]}"; do
	edits+=("s/^CONFIG_${renamed% *}=/CONFIG_${renamed#* }=/")
done
sed "${edits[@]/#/-e}" "${fragments[@]}" | tac | awk -F= '!seen[$1]++' | tac > "$TMP/fragment"
if ! cmp -s "$TMP/fragment" "$obj/.fragment" || [[ ! -f $obj/.config ]]; then
	rm -f "$obj/.fragment"
	"${build[@]}" KCONFIG_ALLCONFIG="$TMP/fragment" allnoconfig > "$log" 2>&1 ||
		die "cannot configure (log: $log)"
	missing=$(sed -E 's/^(.*)=n$/# \1 is not set/' "$TMP/fragment" | grep -vxF -f "$obj/.config" || true)
	[[ -z $missing ]] || die "the kernel does not take over: $(xargs <<< "$missing")"
	cp "$TMP/fragment" "$obj/.fragment"
fi

if [[ ${3:-} == --config ]]; then
	echo "$obj/.config"
	exit 0
fi

# Progress: one line every 15 s.
start=$SECONDS
timeout --foreground 3000 "${build[@]}" -j"$(nproc)" bzImage > "$log" 2>&1 &
pid=$!
trap 'kill "$pid" 2> /dev/null || true; rm -rf "$TMP"' EXIT
while kill -0 "$pid" 2> /dev/null; do
	if (( (SECONDS - start) % 15 == 14 )); then
		say "$1 $name: $(grep -cE '^  (CC|AS|AR|LD)' "$log") objects built, $((SECONDS - start)) s" >&2
	fi
	sleep 1
done
if ! wait "$pid"; then
	grep -Em5 'error:|Error' "$log" >&2 || true
	die "the kernel does not build (log: $log)"
fi
say "$1 $name: built in $((SECONDS - start)) s" >&2
echo "$obj/arch/x86/boot/bzImage"
