#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# debian-kernel.sh SERIES [SUITE]: have the newest binary of Debian's kernel
# SERIES, for example 6.12, from the machine's own suites or from SUITE,
# unpacked in the cache, and print where: a folder with bzImage, the modules
# that an SEV-SNP host and the tests need, and modules.order, their names in the
# order of loading.
#
# A kernel that is there is used again; remove its folder to fetch anew.

. "$(dirname "$(readlink -f -- "$0")")/../series/lib.sh"

[[ $# -ge 1 ]] || die "usage: debian-kernel.sh SERIES [SUITE]"
series=$1 suite=${2:-}
cache=$CACHE/debian-kernel
wanted=(ccp kvm kvm-amd hwpoison-inject)

newest() {
	local d found=
	for d in "$cache/$series".*/; do
		[[ -e $d/modules.order ]] && found=${d%/}
	done
	[[ $found ]] && printf '%s\n' "$found"
}
mkdir -p "$cache"
one_at_a_time "$CACHE/debian-kernel"
newest && exit 0

# unpack PATTERN: those files of such a package, in $TMP/x; prints its name.
unpack() {
	local deb
	deb=$("$TOP/tools/series/apt.sh" deb "$1" "$suite") || return
	dpkg-deb --fsys-tarfile "$deb" |
		tar -x -C "$TMP/x" --wildcards '*/vmlinuz*' '*/arch/x86/kvm/*' '*/drivers/crypto/*' '*/virt/*' \
			'*/crypto/*' '*/drivers/char/hw_random/*' '*/mm/*' 2>/dev/null || :
	dpkg-deb -f "$deb" Package
	# What is unpacked is kept, and a tenth of it.
	rm -f "$deb"
}

say "Debian's kernel $series: fetching it (about 100 MB, once)" >&2
mkdir "$TMP/x"
release=$(unpack "linux-image-${series//./\\.}\.[0-9]+(\+[a-z0-9.]+)?-amd64")
release=${release#linux-image-}
vmlinuz() { find "$TMP/x" -name 'vmlinuz*' -print -quit; }
# Since 7.3 what was one package is several.
if [[ ! $(vmlinuz) ]]; then
	unpack "linux-binary-${release//+/\\+}" >&2
	unpack "linux-modules-${release//+/\\+}" >&2
fi
work=$TMP/$release
mkdir "$work"
cp "$(vmlinuz)" "$work/bzImage" || die "no kernel in the packages of $release"

# Copy module $1 after those that it depends on; each one once.
add() {
	local name=${1//-/_} file dep deps
	[[ ! -e $work/$name.ko ]] || return 0
	file=$(find "$TMP/x" -name "${1//[-_]/[-_]}.ko*" -print -quit)
	[[ $file ]] || die "the packages of $release have no module $1"
	case $file in
	*.xz) xz -dc "$file" ;;
	*.zst) zstd -qdc "$file" ;;
	*) cat "$file" ;;
	esac >"$work/$name.ko"
	deps=$(tr '\0' '\n' <"$work/$name.ko" | sed -n 's/^depends=//p')
	for dep in ${deps//,/ }; do
		add "$dep"
	done
	echo "$name.ko" >>"$TMP/order"
}
for m in "${wanted[@]}"; do
	add "$m"
done
mv "$TMP/order" "$work/modules.order"

rm -rf -- "${cache:?}/$release"
mv "$work" "$cache/"
newest
