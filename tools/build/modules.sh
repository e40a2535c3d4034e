#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# modules.sh BASE [RELEASE]: build kvm.ko and kvm-amd.ko with the series for the
# distribution's kernel binary RELEASE as it is, and print the directory that they
# are in. Without RELEASE it is the kernel that runs, if that is one of BASE, else
# the newest in the archive.
#
# What the series (the work tree build/BASE, edits included) changes of KVM is
# put on the source of that very version of the package, and built out of tree
# against its headers, the changed ones before those. Whatever else the series
# changes is built into the kernel and can't be had in this way: it is named.
. "$(dirname "$0")/../series/lib.sh"

[[ $# -eq 1 || $# -eq 2 ]] || die "usage: modules.sh BASE [RELEASE]"
base_load "$1"
release=${2:-}
series=${BASE_PACKAGE#linux-source-}
if [[ -z $release && $(uname -r) == "$series".*-amd64 ]]; then
	release=$(uname -r)
elif [[ -z $release ]]; then
	release=$("$TOP/tools/snphost/debian-kernel.sh" "$BASE")
	release=${release##*/}
fi
[[ $release == "$series".*-amd64 ]] || die "$release is no kernel $series of the distribution (RELEASE=$series.N+...-amd64)"
[[ -d $WORKTREE/.git ]] || die "no kernel tree $WORKTREE: 'make tree' first"
headers=$("$TOP/tools/build/headers.sh" "$BASE" "$release")
out=$BUILD/modules-$release
log=$LOGS/modules-$release.log
one_at_a_time "$out"

# The version of the source is that of the headers.
case $headers in
"$BUILD"/*) version=$(< "$BUILD/headers-$release/version") ;;
*) version=$(dpkg-query -W -f '${Version}' "linux-headers-$release") ;;
esac
source=$("$TOP/tools/series/base.sh" "$BASE" --version "$version")
base=$(git -C "$WORKTREE" rev-parse refs/series/base)

# These are modules, or headers, which are put before the packaged ones.
ours=(arch/x86/kvm virt/kvm include arch/x86/include)
builtin=$(git -C "$WORKTREE" diff --name-only "$base" -- . "${ours[@]/#/:!}" :!tools :!Documentation :!MAINTAINERS)
builtin+=$(git -C "$WORKTREE" diff --name-only "$base" -- '*Kconfig*' ':!tools')
[[ -z $builtin ]] || say "not in the modules, for it is built into the kernel: $(xargs <<< "$builtin")" >&2

# Staged aside, then copied where it differs: what has not changed is not built.
mkdir "$TMP/src"
git -C "$WORKTREE" diff --full-index --binary "$base" -- "${ours[@]}" ':!*Kconfig*' > "$TMP/series.diff"
mapfile -t changed < <(git -C "$WORKTREE" diff --name-only --diff-filter=MD "$base" -- include arch/x86/include)
git --git-dir="$BASE_REPO" archive "$source" arch/x86/kvm virt/kvm "${changed[@]}" | tar x -C "$TMP/src"
git -C "$TMP/src" init -q
git -C "$TMP/src" apply --whitespace=nowarn "$TMP/series.diff" 2> "$log" ||
	die "the series does not apply to $BASE_PACKAGE $version (log: $log)"
rm -rf "$TMP/src/.git"
# shellcheck disable=SC2016 # make's
sed -i 's,\$(srctree),$(src)/../../..,g' "$TMP/src/arch/x86/kvm/Makefile"
# define_trace.h looks for ../../arch/x86/kvm/trace.h.
cat > "$TMP/src/Kbuild" <<-'EOF'
	LINUXINCLUDE := -I$(src)/arch/x86/include -I$(src)/include -I$(src)/arch/x86 $(LINUXINCLUDE)
	obj-m += arch/x86/kvm/
EOF
mkdir -p "$out"
rsync -rc "$TMP/src/" "$out/"

cc=$(sed -n 's/^CC = .*)\(gcc-[0-9]*\)$/\1/p' "$headers/.kernelvariables")
command -v "$cc" > /dev/null || cc=gcc
! command -v ccache > /dev/null || cc="ccache $cc"
export CCACHE_NOHASHDIR=1 CCACHE_BASEDIR=$BUILD
start=$SECONDS
# No debugging information, half of the time, and no BTF, which is made of it.
timeout --foreground 1800 make -C "$headers" M="$out" CC="$cc" -j"$(nproc)" \
	CONFIG_KVM_INTEL= CONFIG_DEBUG_INFO= CONFIG_DEBUG_INFO_BTF_MODULES= modules >> "$log" 2>&1 ||
	{ grep -Em5 'error:|Error|undefined' "$log" >&2 || true; die "the modules do not build (log: $log)"; }
for module in kvm kvm-amd; do
	magic=$(modinfo -F vermagic "$out/arch/x86/kvm/$module.ko")
	[[ $magic == "$release "* ]] || die "$module.ko is for '$magic'"
done
say "kvm.ko and kvm-amd.ko for $release: built in $((SECONDS - start)) s" >&2
echo "$out/arch/x86/kvm"
