#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The emulated security processor: state machine, illegal orders, malformed
# buffers, launch digest.
# inputs: tools/snphost/qemu patches/qemu-$QEMU tools/build/qemu.sh bases
# limit: 1200
. "$(dirname "$0")/lib.sh"

qemu=$(make_qemu)
cd "${qemu%/*}" || exit
QTEST_QEMU_BINARY=$qemu tests/qtest/amd-psp-test --tap -k
