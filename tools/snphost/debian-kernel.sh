#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# debian-kernel.sh [--guest | --devices] BASE [--update | --before VERSION | --release RELEASE]
#
# Have the newest binary of the distribution's kernel of BASE, for example
# linux-6.12.y, unpacked in the cache, and print where: a folder, named as its
# release, with bzImage, the modules that an SEV-SNP host and the tests need (with
# --devices those for virtio's disks and file systems too; or with --guest what its
# guests need), and modules.order, their names in the order of loading. With --before, the newest
# that is older than that upstream version; with --release, that one.
#
# What was the newest is used again until --update looks for a newer one. Exit
# status 3 if the archive has none.

. "$(dirname "$(readlink -f -- "$0")")/../series/lib.sh"

cache=$CACHE/debian-kernel
wanted=(ccp kvm kvm-amd hwpoison-inject)
case ${1:-} in
--guest)
	cache=$CACHE/guest-kernel
	wanted=(virtio_blk gcm ghash-generic sev-guest)
	shift ;;
--devices)
	cache=$CACHE/devices-kernel
	wanted+=(virtio_blk 9pnet_virtio 9p)
	shift ;;
esac
[[ $# -ge 1 ]] || die "usage: debian-kernel.sh [--guest | --devices] BASE [--update | --before VERSION | --release RELEASE]"
base_load "$1"
before='' only=''
case ${2:-} in
--before) before=$3 ;;
--release) only=$3 ;;
esac
series=${BASE_PACKAGE#linux-source-}

# asked_for: those of the lines "RELEASE SUITE" that may be taken.
asked_for() {
	local release suite
	while read -r release suite; do
		[[ -z $only || $release == "$only" ]] || continue
		[[ -z $before ]] || ! not_before "$(upstream_version "$release")" "$before" || continue
		echo "$release $suite"
	done
}
mkdir -p "$cache"
one_at_a_time "$CACHE/debian-kernel"
case ${2:-} in
'') release=$(readlink "$cache/$BASE" || true) ;;
--release) release=$only ;;
*) release= ;;
esac
if [[ ! -e $cache/$release/modules.order ]]; then
	in_suites "linux-image-${series//./\\.}\.[0-9]+(\+[a-z0-9.]+)?-amd64" > "$TMP/there"
	read -r release suite <<< "$(awk '{ sub("linux-image-", "", $3); print $3, $2 }' "$TMP/there" | asked_for | newest)"
	if [[ -z $release ]]; then
		echo "${0##*/}: the archive has no kernel ${only:-$series}${before:+ before $before} in: $BASE_SUITE" >&2
		exit 3
	fi
fi
# found: print where it is.
found() {
	[[ -n $before$only ]] || ln -sfn "$release" "$cache/$BASE"
	echo "$cache/$release"
}
if [[ -e $cache/$release/modules.order ]]; then
	found
	exit 0
fi

# unpack NAME: those files of the package, in $TMP/x; fails if there is none.
unpack() {
	local deb
	deb=$("$TOP/tools/series/apt.sh" deb "${1//[+.]/\\&}" "$suite") || return
	dpkg-deb --fsys-tarfile "$deb" |
		tar -x -C "$TMP/x" --wildcards '*/vmlinuz*' '*/arch/x86/kvm/*' '*/drivers/crypto/*' '*/virt/*' \
			'*/crypto/*' '*/drivers/char/hw_random/*' '*/mm/*' \
			'*/drivers/block/virtio_blk*' '*/fs/configfs/*' \
			'*/fs/9p/*' '*/net/9p/*' '*/fs/netfs/*' 2>/dev/null || :
	# What is unpacked is kept, and a tenth of it.
	rm -f "$deb"
}

say "Debian's kernel $release: fetching it (about 100 MB, once)" >&2
mkdir "$TMP/x"
unpack "linux-image-$release"
vmlinuz() { find "$TMP/x" -name 'vmlinuz*' -print -quit; }
# Since 6.19 what was one package is several.
if [[ ! $(vmlinuz) ]]; then
	unpack "linux-binary-$release"
	unpack "linux-modules-$release"
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
found
