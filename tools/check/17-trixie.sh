#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# On Debian 13, the packages of tools/packages are enough to compose and configure what
# "make run" builds. The whole of "make run" there is soak 30-trixie.
# inputs: tools/check/trixie.sh tools/install tools/packages tools/series tools/build patches/linux-$LINUX patches/qemu-$QEMU Makefile bases
# limit: 900
. "$(dirname "$0")/lib.sh"

for base in "$BASENAME" "qemu-$QEMU"; do
	"$TOP/tools/series/base.sh" "$base"
done
# shellcheck disable=SC2016 # for the chroot
"$TOP/tools/check/trixie.sh" --bases 'tools/install && make tree qemu-tree &&
	tools/build/kernel.sh "linux-$LINUX" debug --config && tools/build/qemu.sh "qemu-$QEMU" --config'
