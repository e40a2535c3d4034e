#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# trixie.sh [--bases] COMMAND: on Debian 13, in a chroot that has no package but apt,
# run COMMAND in a copy of this project. It starts from nothing, or with --bases from
# the base trees that are in the cache here. Exits as the command does, with 4 if there
# can be no chroot.
. "$(dirname "$0")/lib.sh"

bases=''
[[ ${1:-} != --bases ]] || { bases=1; shift; }
[[ $# -eq 1 ]] || die "usage: trixie.sh [--bases] COMMAND"
[[ $(id -u) -eq 0 ]] || skip "not root: no chroot"
root=$BUILD/trixie
one_at_a_time "$root"
cleanup() {
	! mountpoint -q "$root/proc" || umount "$root/proc"
	rm -rf --one-file-system "$root" "$TMP"
}
trap cleanup EXIT
cleanup
mkdir -p "$TMP" "$root/proc"
mount -t proc proc "$root/proc" 2> /dev/null || skip "not allowed to mount: no chroot"
umount "$root/proc"
rmdir "$root/proc" "$root"

# The machine's own archive, as everywhere.
sources=()
for suite in trixie trixie-security; do
	"$TOP/tools/series/apt.sh" list apt "$suite" > "$TMP/apt"
	sources+=("$BUILD/apt/deb-$suite"/etc/sources.list.d/own.*)
done
mmdebstrap --quiet --variant=apt --include=ca-certificates trixie "$root" "${sources[@]}" > "$LOGS/trixie-mmdebstrap.log" 2>&1 ||
	fail "no chroot (log: $LOGS/trixie-mmdebstrap.log)"
mount -t proc proc "$root/proc"
cp /etc/resolv.conf "$root/etc/"
copy_repo "$root/kvm-snp-vmsa"
[[ ! $bases ]] || for kind in linux qemu; do
	copies=$root/root/.cache/kvm-snp-vmsa
	mkdir -p "$copies"
	# Others may fetch a base meanwhile.
	(
		one_at_a_time "$CACHE/$kind"
		cp -a "$CACHE/$kind.git" "$copies/"
	)
done
echo "Debian $(< "$root/etc/debian_version")"
chroot "$root" env -i HOME=/root PATH="$PATH" LINUX="$LINUX" QEMU="$QEMU" sh -c "cd /kvm-snp-vmsa && $1"
