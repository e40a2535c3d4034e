#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# guest-vmm.sh [amdsev]: have a QEMU and a firmware for SEV-SNP guests (of the suite
# below) unpacked in the cache, and print where: a folder with qemu, lib/ with
# its loader and its shared libraries, and share/ with the firmware.
#
# The firmware is OVMF.fd; with "amdsev" also OVMF.amdsev.fd, the build that checks
# the hashes of kernel, initramfs and command line, which is in no stable release.
#
# What is there is used again; remove the folder to fetch anew.

. "$(dirname "$(readlink -f -- "$0")")/../series/lib.sh"

suite=trixie
out=$CACHE/guest-vmm
one_at_a_time "$out"
if [[ ! -d $out ]]; then
	say "QEMU and OVMF of Debian $suite: fetching them (about 50 MB, once)" >&2
	debs=$("$TOP/tools/series/apt.sh" debs qemu-system-x86 "$suite")
	ovmf=$("$TOP/tools/series/apt.sh" deb ovmf "$suite")
	for deb in $debs "$ovmf"; do
		dpkg-deb --fsys-tarfile "$deb" |
			tar -x -C "$TMP" --wildcards '*/qemu-system-x86_64' '*.so*' '*/OVMF.fd' '*/*.bin' '*/*.rom' 2>/dev/null || :
	done
	work=$TMP/vmm
	mkdir -p "$work"/{lib,share}
	cp "$TMP/usr/bin/qemu-system-x86_64" "$work/qemu"
	cp "$TMP"/usr/share/ovmf/OVMF.fd "$TMP"/usr/share/qemu/{kvmvapic,linuxboot_dma}.bin "$work/share/"

	# Copy the shared libraries that the ELF file $1 needs, each one once.
	libraries() {
		local lib
		while IFS= read -r lib; do
			[[ ! -e $work/lib/$lib ]] || continue
			cp "$(find "$TMP/usr" -name "$lib" -print -quit)" "$work/lib/$lib" || die "no library $lib in the packages"
			libraries "$work/lib/$lib"
		done < <(readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
	}
	libraries "$work/qemu"
	# Only the loader is executed.
	chmod 644 "$work/qemu" "$work"/lib/*
	chmod 755 "$work/lib/ld-linux-x86-64.so.2"
	strip "$work"/qemu "$work"/lib/* 2>/dev/null || :
	mv "$work" "$out"
	# shellcheck disable=SC2086 # words
	rm -f $debs
fi
if [[ ${1:-} == amdsev && ! -f $out/share/OVMF.amdsev.fd ]]; then
	deb=$("$TOP/tools/series/apt.sh" deb ovmf-amdsev sid)
	dpkg-deb --fsys-tarfile "$deb" | tar -x -O ./usr/share/ovmf/OVMF.amdsev.fd > "$TMP/OVMF.amdsev.fd"
	mv "$TMP/OVMF.amdsev.fd" "$out/share/"
fi
echo "$out"
