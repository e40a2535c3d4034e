#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# exchange.sh BASE BINARY: the distribution's kernel in the folder BINARY (see
# debian-kernel.sh) with its two modules of KVM exchanged for those with the
# series. Prints the folder.
. "$(dirname "$0")/../series/lib.sh"

[[ $# -eq 2 ]] || die "usage: exchange.sh BASE BINARY"
modules=$("$TOP/tools/build/modules.sh" "$1" "${2##*/}")
out=$BUILD/kernel-${2##*/}-modules
rm -rf "$out"
cp -r "$2" "$out"
cp "$modules/kvm.ko" "$out/kvm.ko"
cp "$modules/kvm-amd.ko" "$out/kvm_amd.ko"
echo "$out"
