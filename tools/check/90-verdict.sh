#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The main job: dead without the series, whole with it.
# inputs: tools patches arch include virt bases
# limit: 3600
. "$(dirname "$0")/lib.sh"
QEMU=${QEMU:-7.2}
[[ -d $TOP/patches/qemu-$QEMU ]] || skip "no patches for qemu-$QEMU"
LINUX=$LINUX QEMU=$QEMU "$TOP/tools/run"
