#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# debian-kernel.sh CACHE: have Debian's newest 6.12 kernel binary unpacked under
# the folder CACHE and print where: a folder with bzImage, the modules that an
# SEV-SNP host needs, and modules.order, their names in the order of loading.
#
# A kernel that is there is used again; remove its folder to fetch anew.  The
# machine's own apt configuration says where from; it is read, never changed.

set -euo pipefail

cache=$1/debian-kernel
wanted=(ccp kvm kvm-amd)

fail() { printf 'debian-kernel: %s\n' "$*" >&2; exit 1; }

newest() {
	local d found=
	for d in "$cache"/6.12.*/; do
		[[ -e $d/modules.order ]] && found=${d%/}
	done
	[[ $found ]] && printf '%s\n' "$found"
}
newest && exit 0

for tool in apt-get apt-cache dpkg-deb tar xz; do
	command -v "$tool" >/dev/null ||
		fail "$tool is missing: only a Debian system can fetch Debian's kernel; use --kernel FILE"
done

mkdir -p "$cache"
work=$(mktemp -d "$cache/fetch.XXXXXXXXXX")
trap 'rm -rf -- "$work"' EXIT
trap 'exit 1' INT TERM HUP

# An apt state of our own: the machine's Debian sources, our lists and cache.
mkdir -p "$work"/{lists/partial,archives/partial,sources}
for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
	if [[ -r $f ]] && grep -Eq '^[^#]*(URIs:|deb ).*/debian' "$f"; then
		cp "$f" "$work/sources/"
	fi
done
apt=(-qq
	-o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work"
	-o Dir::Cache::archives=archives -o Dir::Etc::sourcelist=/dev/null
	-o "Dir::Etc::sourceparts=$work/sources" -o APT::Get::List-Cleanup=0
	-o "APT::Sandbox::User=$(id -un)" -o Acquire::Languages=none)

printf 'debian-kernel: reading the package lists\n' >&2
apt-get "${apt[@]}" update >&2 || fail "apt-get update failed"
package=$(apt-cache "${apt[@]}" pkgnames linux-image-6.12. |
	grep -E '^linux-image-6\.12\.[0-9]+(\+[a-z0-9.]+)?-amd64$' | sort -V | tail -n 1) ||
	fail "the machine's Debian sources have no linux-image-6.12.*-amd64"

printf 'debian-kernel: fetching %s (about 100 MB, once)\n' "$package" >&2
(cd "$work" && apt-get "${apt[@]}" download "$package" >&2) ||
	fail "apt-get download $package failed"

release=${package#linux-image-}
mkdir "$work/x" "$work/$release"
dpkg-deb --fsys-tarfile "$work/$package"_*.deb |
	tar -x -C "$work/x" --wildcards './boot/vmlinuz-*' '*/arch/x86/kvm/*' '*/drivers/crypto/*' '*/virt/*' '*/crypto/*' '*/drivers/char/hw_random/*' 2>/dev/null ||
	[[ -e $work/x/boot/vmlinuz-$release ]] || fail "cannot unpack $package"
cp "$work/x/boot/vmlinuz-$release" "$work/$release/bzImage"

# Copy module $1 after those that it depends on; each one once.
add() {
	local name=${1//-/_} file dep deps
	[[ ! -e $work/$release/$name.ko ]] || return 0
	file=$(find "$work/x" -name "${1//[-_]/[-_]}.ko*" -print -quit)
	[[ $file ]] || fail "$package has no module $1"
	case $file in
	*.xz) xz -dc "$file" ;;
	*.zst) zstd -qdc "$file" ;;
	*) cat "$file" ;;
	esac >"$work/$release/$name.ko"
	deps=$(tr '\0' '\n' <"$work/$release/$name.ko" | sed -n 's/^depends=//p')
	for dep in ${deps//,/ }; do
		add "$dep"
	done
	echo "$name.ko" >>"$work/order"
}
for m in "${wanted[@]}"; do
	add "$m"
done
mv "$work/order" "$work/$release/modules.order"

rm -rf -- "${cache:?}/$release"
mv "$work/$release" "$cache/"
newest
