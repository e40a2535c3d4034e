#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# On Debian 13: make run from nothing to its verdict, in a chroot that has no
# package but apt, and no cache of ours.
# limit: 10800
. "$(dirname "$0")/../check/lib.sh"

[[ $(id -u) -eq 0 ]] || skip "not root: no chroot"
root=$BUILD/trixie
cleanup() {
	mountpoint -q "$root/proc" && umount "$root/proc"
	rm -rf --one-file-system "$root" "$TMP"
}
trap cleanup EXIT
rm -rf --one-file-system "$root"

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
# shellcheck disable=SC2016 # for the chroot
chroot "$root" env -i HOME=/root PATH="$PATH" LINUX="$LINUX" sh -c '
	cd /kvm-snp-vmsa && . /etc/os-release && echo "Debian $(cat /etc/debian_version)" &&
	tools/install && make run' | tee "$TMP/out"
echo "Debian $(< "$root/etc/debian_version"): $(grep '^VERDICT: ' "$TMP/out")"
